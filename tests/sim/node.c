/* SPDX-License-Identifier: BSD-2-Clause */
/* What a relay does around lib/sync: its logs, its store thread's answers, the inbox and the
 * sealing of its own log, and as much of reading the entries as bears on replication: who is a
 * member, and what is erased. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t node_ms(const struct node *n)
{
	int64_t now = (int64_t)n->world->now;

	return (uint64_t)(now + n->skew + now / 1000000 * n->drift) / 1000;
}

/* ---- logs ---- */

struct carried *node_log(const struct node *n, uint32_t no)
{
	if (no > 0 && no <= n->log_count && n->logs[no - 1]->no == no)
		return n->logs[no - 1];
	for (size_t i = 0; i < n->log_count; i++) {
		if (n->logs[i]->no == no)
			return n->logs[i];
	}
	return NULL;
}

struct carried *node_log_of(const struct node *n, const struct org *o)
{
	return n->of_org[o->number];
}

int node_leaf(
    const struct node *n, uint32_t no, uint64_t index, struct buffer *b, struct bytes *leaf)
{
	size_t got, pos = b->len;
	int err = n->store->ops->read(n->store, no, index, 1, MESSAGE_MAX, b, &got);

	return err ? err : leaves_next(buffer_bytes(b), &pos, leaf);
}

static int replica_read_store(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct carried *l = ctx;

	return l->node->store->ops->read(l->node->store, l->no, first, count, max_bytes, out, got);
}

void carried_free(struct carried *l)
{
	if (!l)
		return;
	replica_free(l->replica);
	free(l);
}

struct carried *carried_new(struct node *n, struct org *o)
{
	struct carried *l = calloc(1, sizeof *l);

	if (!l)
		abort();
	l->node = n;
	l->org = o;
	l->replica = replica_new(
	    &o->credential.log, (struct replica_reader){replica_read_store, l});
	if (!l->replica)
		abort();
	return l;
}

static void carry(struct node *n, struct carried *l)
{
	if (n->log_count == n->log_cap) {
		n->log_cap = n->log_cap ? 2 * n->log_cap : 8;
		n->logs = realloc(n->logs, n->log_cap * sizeof *n->logs);
		if (!n->logs)
			abort();
	}
	n->logs[n->log_count++] = l;
	n->of_org[l->org->number] = l;
	if (l->org == n->org)
		n->own = l;
	if (sync_add_log(n->sync, l->no, l->replica, &l->org->credential.binding, l->org == n->org,
		node_ms(n)) != OK)
		world_fail(n->world, "n%u: a log could not be added to sync", n->number);
	if (l->org->forked)
		fork_load(n, l);
}

/* ---- reading entries ---- */

static void fold_admit(
    struct node *n, const struct carried *l, const struct header *h, struct bytes message)
{
	struct admit_body body;

	if (memcmp(h->signer, l->org->root.public, KEY_LEN) == 0 &&
	    admit_body_parse(h->body, &body) == OK &&
	    message_verify(message, &l->org->credential.binding, h->signer) == OK &&
	    members_admit(n->members, bytes_str(l->org->name), l->org->root.public, body.name,
		body.root_key) == 1) {
		world_trace(n->world, "n%u: %.*s is a member", n->number, (int)body.name.len,
		    (const char *)body.name.data);
		sync_members_grew(n->sync, node_ms(n));
	}
}

static void fold_erase(struct node *n, struct carried *l, const struct header *h)
{
	struct target_body body;
	struct job *j;

	if (erase_body_parse(h->body, &body) != OK)
		return;
	for (size_t i = 0; i < l->org->post_count; i++) {
		if (memcmp(l->org->posts[i].id, body.target.id, ID_LEN) != 0)
			continue;
		j = job_new(JOB_ERASE, l);
		j->index = l->org->posts[i].index;
		memcpy(j->id, body.target.id, ID_LEN);
		disk_submit(n, j);
		return;
	}
}

static void fold(struct node *n, struct carried *l)
{
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	struct header h;

	for (; l->folded < replica_held(l->replica); l->folded++) {
		buffer_reset(&b);
		if (node_leaf(n, l->no, l->folded, &b, &leaf) != OK ||
		    message_parse(leaf, &h) != OK)
			continue;
		if (h.kind == KIND_ADMIT)
			fold_admit(n, l, &h, leaf);
		else if (h.kind == KIND_ERASE)
			fold_erase(n, l, &h);
	}
	buffer_free(&b);
}

/* ---- the store has answered ---- */

/* As the relay does: those that were stored together are told together. */
struct job *node_answer_contents(struct node *n, struct job *first)
{
	struct sync_stored list[16];
	struct world *w = n->world;
	size_t count = 0;

	while (first && first->kind == JOB_CONTENT && count < sizeof list / sizeof *list) {
		struct job *j = first;

		first = j->next;
		if (j->result != OK)
			world_trace(w, "n%u: the disk refuses (job %d): %s", n->number,
			    (int)j->kind, error_text(j->result));
		if (w->stored && j->result == OK)
			w->stored(w, n, j->log, j->index, j->content.len);
		list[count++] = (struct sync_stored){j->log->no, j->index, j->result};
		job_free(j);
	}
	sync_contents_committed(n->sync, list, count, node_ms(n));
	return first;
}

void node_answer(struct node *n, struct job *j)
{
	struct world *w = n->world;
	uint64_t now = node_ms(n);

	if (j->result != OK)
		world_trace(w, "n%u: the disk refuses (job %d): %s", n->number, (int)j->kind,
		    error_text(j->result));
	switch (j->kind) {
	case JOB_APPEND:
		sync_committed(n->sync, j->log->no, j->result, now);
		if (j->result == OK) {
			world_trace(w, "n%u: holds %llu of %s", n->number,
			    (unsigned long long)j->append.size, j->log->org->name);
			if (j->log->org->forked)
				fork_grown(n, j->log);
			if (w->committed)
				w->committed(w, n, j->log, j->append.expected, j->append.size);
			for (const struct job *c = j->along; w->stored && c; c = c->next)
				w->stored(w, n, c->log, c->index, c->content.len);
			fold(n, j->log);
		}
		break;
	case JOB_SEAL:
		n->sealing = false;
		if (j->result == OK) {
			node_sealed(n, j);
			replica_committed(n->own->replica);
			n->inbox_durable -= j->append.count;
			n->seal_at = w->now + n->seal_us;
			world_trace(w, "n%u: seals up to %llu", n->number,
			    (unsigned long long)j->append.size);
			if (w->committed)
				w->committed(w, n, j->log, j->append.expected, j->append.size);
			sync_own_grown(n->sync, n->own->no, now);
			fold(n, n->own);
		} else {
			node_reset(n, n->own->no);
			n->seal_at = w->now + 50 * MS;
		}
		node_seal(n);
		break;
	case JOB_CONTENT: /* node_answer_contents() */
		break;
	case JOB_FACT:
		fork_fact(n, j);
		break;
	case JOB_CUT:
		fork_cut_answer(n, j);
		break;
	case JOB_LOG:
		if (j->result == OK && !node_log_of(n, j->log->org)) {
			carry(n, j->log);
			j->log = NULL;
		}
		break;
	case JOB_INBOX:
		if (j->result == OK) {
			n->org->posts[j->post].accepted = true;
			n->inbox_durable++;
			node_seal(n);
		} else if (j->post == 0) { /* entry 0: there is no log without it */
			struct job *again = job_new(JOB_INBOX, n->own);

			buffer_add(&again->message, j->message.data, j->message.len);
			memcpy(again->id, j->id, ID_LEN);
			disk_submit(n, again);
		}
		break;
	case JOB_ERASE:
		if (j->result != OK) { /* a durable job: until it is done */
			struct job *again = job_new(JOB_ERASE, j->log);

			again->index = j->index;
			memcpy(again->id, j->id, ID_LEN);
			disk_submit(n, again);
		}
		break;
	}
}

void node_adopt(struct node *n, struct node *from)
{
	struct carried *l = node_log_of(n, from->org);
	struct tree_hash proof[TREE_PROOF_MAX];
	struct buffer leaves = BUFFER_INIT;
	struct replica_batch *batch;
	enum replica_outcome outcome;
	uint64_t first, held = replica_held(from->own->replica);
	size_t got, count;
	struct job *j;

	if (!l) {
		l = carried_new(n, from->org);
		n->store->ops->begin(n->store);
		n->store->ops->log_add(n->store, bytes_str(l->org->credential.binding.log_name),
		    l->org->credential.binding.digest, &l->no);
		n->store->ops->commit(n->store);
		carry(n, l);
	}
	first = replica_held(l->replica);
	if (from->store->ops->read(from->store, from->own->no, first, (size_t)(held - first),
		SIZE_MAX, &leaves, &got) != OK ||
	    replica_prove(from->own->replica, first, held, proof, &count) != OK ||
	    replica_stage(l->replica, first, buffer_bytes(&leaves),
		replica_note(from->own->replica), bytes_of(proof, count * HASH_LEN), &outcome,
		&batch) != OK)
		abort();
	j = job_new(JOB_APPEND, l);
	job_append(j, batch, NULL, 0);
	j->append.leaves = buffer_bytes(&j->leaves);
	j->append.checkpoint = buffer_bytes(&j->note);
	j->append.right = buffer_bytes(&j->right);
	j->append.blocks = j->blocks;
	j->append.wanted = j->wanted;
	n->store->ops->begin(n->store);
	if (n->store->ops->append(n->store, &j->append) != OK ||
	    n->store->ops->commit(n->store) != OK)
		abort();
	replica_committed(l->replica);
	job_free(j);
	buffer_free(&leaves);
}

/* ---- life ---- */

static void on_tick(struct world *w, void *what, uint64_t life)
{
	struct node *n = what;

	if (!n->up || n->life != life || n->tick_at > w->now)
		return;
	n->tick_at = UINT64_MAX;
	node_touch(n);
}

void node_touch(struct node *n)
{
	struct world *w = n->world;
	uint64_t now = node_ms(n), next = sync_tick(n->sync, now), at;

	if (!w->quiet_checks && n->touches++ % 16 == 0)
		check_memory(n);
	if (next == UINT64_MAX)
		return;
	at = w->now + (next > now ? (next - now) * MS : MS);
	if (at < n->tick_at || n->tick_at <= w->now) {
		n->tick_at = at;
		event_at(w, at, on_tick, n, n->life);
	}
}

static int count_row(void *ctx, const struct store_inbox *row)
{
	(void)row;
	++*(size_t *)ctx;
	return OK;
}

static int load_row(void *ctx, const struct store_log *row)
{
	struct node *n = ctx;
	struct org *o = org_of_log(n->world, row->name);
	struct tree_hash *blocks, right[64];
	size_t count = (size_t)(row->size / TREE_BLOCK);
	struct carried *l;
	int err = OK;

	if (row->size == 0 && o != n->org)
		return OK;
	l = carried_new(n, o);
	l->no = row->no;
	blocks = malloc((count + 1) * sizeof *blocks);
	if (!blocks)
		abort();
	if (row->right.len > 0)
		memcpy(right, row->right.data, row->right.len);
	if (count > 0)
		err = n->store->ops->blocks(n->store, row->no, 0, count, blocks);
	if (!err && row->size > 0)
		err = replica_load(l->replica, row->size, row->root, blocks, count, row->checkpoint,
		    right, row->right.len / HASH_LEN);
	free(blocks);
	if (err) {
		world_fail(n->world, "n%u: its log of %s does not load: %s", n->number, o->name,
		    error_text(err));
		carried_free(l);
		return err;
	}
	carry(n, l);
	return OK;
}

void node_init(struct world *w, struct node *n, unsigned number, struct org *org)
{
	uint32_t no;

	n->world = w;
	n->number = number;
	n->org = org;
	n->there = true;
	n->rng = rng_new(w->seed, 2, number);
	n->skew = (int64_t)rng_below(&n->rng, 86400 * SECOND);
	n->drift = (int64_t)rng_below(&n->rng, 401) - 200;
	n->of_org = calloc(w->org_count, sizeof *n->of_org);
	if (!n->of_org)
		abort();
	n->queue_last = &n->queue;
	n->disk_us = 2000;
	n->tick_at = UINT64_MAX;
	if (store_open(&n->store, &store_memory, NULL, 0) != OK)
		abort();
	n->store->ops->begin(n->store);
	n->store->ops->log_add(n->store, bytes_str(org->credential.binding.log_name),
	    org->credential.binding.digest, &no);
	n->store->ops->commit(n->store);
}

void node_start(struct node *n)
{
	struct sync_io io = node_io(n);
	struct world *w = n->world;

	if (n->up || w->failed)
		return;
	n->up = true;
	n->life++;
	n->tick_at = UINT64_MAX;
	n->seal_armed = n->sealing = false;
	n->sync = sync_new(&io);
	n->members = members_new(&w->charter);
	if (!n->sync || !n->members)
		abort();
	if (n->store->ops->log_each(n->store, load_row, n) != OK || w->failed)
		return;
	for (size_t i = 0; i < n->log_count; i++)
		fold(n, n->logs[i]);
	n->inbox_durable = 0;
	n->store->ops->inbox_each(n->store, 0, SIZE_MAX, count_row, &n->inbox_durable);
	world_trace(w, "n%u: starts with %zu logs", n->number, n->log_count);
	liar_start(n);
	if (n->lies & LIE_FORK)
		liar_clone(n);
	if (replica_held(n->own->replica) == 0 && n->inbox_durable == 0 && !n->reader_only) {
		struct job *j = job_new(JOB_INBOX, n->own);
		const struct buffer *m = &n->org->credential.message;
		struct org *o = n->org;

		/* Entry 0 comes the way of all entries. Twins have the same one. */
		buffer_add(&j->message, m->data, m->len);
		message_id(j->id, buffer_bytes(&j->message), &o->credential.binding);
		if (o->post_count == 0) {
			o->post_cap = 16;
			o->posts = calloc(o->post_cap, sizeof *o->posts);
			if (!o->posts)
				abort();
			o->post_count = 1;
			memcpy(o->posts[0].id, j->id, ID_LEN);
		}
		disk_submit(n, j);
	}
	node_seal(n);
	node_touch(n);
}

static void node_stop(struct node *n)
{
	sync_free(n->sync);
	members_free(n->members);
	n->sync = NULL;
	n->members = NULL;
	for (size_t i = 0; i < n->log_count; i++)
		carried_free(n->logs[i]);
	n->log_count = 0;
	memset(n->of_org, 0, n->world->org_count * sizeof *n->of_org);
	n->own = NULL;
	n->up = false;
}

void node_crash(struct node *n)
{
	if (!n->up)
		return;
	world_trace(n->world, "n%u: crashes", n->number);
	disk_crash(n);
	n->life++;
	node_stop(n);
	wire_node_down(n->world, n);
}

void node_free(struct node *n)
{
	if (n->up) {
		disk_crash(n);
		node_stop(n);
	}
	free(n->logs);
	free(n->of_org);
	free(n->ends);
	if (n->store)
		store_close(n->store);
}
