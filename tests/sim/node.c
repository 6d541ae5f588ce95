/* SPDX-License-Identifier: BSD-2-Clause */
/* What a relay does around lib/sync: its logs, its store thread's answers, the inbox and the
 * sealing of its own log, and as much of reading the entries as bears on replication: who is a
 * member, and what is erased. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEAL_MAX 256

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

static struct carried *carried_new(struct node *n, struct org *o)
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

/* ---- what sync asks for ---- */

static void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct end *e = link;
	struct node *n = ctx;
	struct buffer b = BUFFER_INIT;
	int err;

	if (!e->up)
		return;
	if (n->lies && liar_send(n, e, type, stream, message))
		return;
	if (!n->world->quiet_checks && n->lies == 0)
		check_durable(n, type, message);
	if (n->world->trace)
		trace_frame(n->world, e, type, stream, message);
	if (n->world->quiet_checks && type == FRAME_DATA) {
		struct bytes leaf;
		size_t pos = 0;

		while (leaves_next(bytes_of_pb(((const Convene__Data *)message)->leaves), &pos,
			   &leaf) == OK)
			n->world->data_entries++;
	}
	err = message ? frame_add(&b, type, stream, message)
		      : frame_add_raw(&b, type, stream, bytes_of(NULL, 0));
	if (err)
		world_fail(n->world, "n%u: a %s frame can't be made: %s", n->number,
		    frame_name(type), error_text(err));
	else
		end_send(e, buffer_bytes(&b), false);
	buffer_free(&b);
}

static size_t io_backlog(void *ctx, void *link)
{
	(void)ctx;
	return end_backlog(link);
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	struct node *n = ctx;
	struct end *e = link;

	world_trace(n->world, "n%u: FAULT of n%u: %s (%s)", n->number, e->other->node->number, text,
	    error_text(err));
	n->faults++;
	if (e->faults == 0) {
		snprintf(e->fault, sizeof e->fault, "%s (%s)", text, error_text(err));
		e->fault_at = n->world->now;
	}
	if (n->lies == 0 && e->other->node->lies == 0)
		world_fail(n->world, "n%u faults n%u, which is honest: %s (%s)", n->number,
		    e->other->node->number, text, error_text(err));
	end_fault(e);
}

static int io_read(void *ctx, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct node *n = ctx;

	return n->store->ops->read(n->store, log, first, count, max_bytes, out, got);
}

static void append_of_batch(
    struct job *j, const struct replica_batch *b, const uint64_t *wanted, size_t wanted_count)
{
	buffer_add(&j->leaves, b->leaves.data, b->leaves.len);
	buffer_add(&j->note, b->note.data, b->note.len);
	if (b->right_count > 0)
		buffer_add(&j->right, b->right, b->right_count * HASH_LEN);
	j->blocks = malloc((b->block_count + 1) * sizeof *j->blocks);
	j->wanted = malloc((wanted_count + 1) * sizeof *j->wanted);
	if (!j->blocks || !j->wanted)
		abort();
	memcpy(j->blocks, b->blocks, b->block_count * sizeof *j->blocks);
	if (wanted_count > 0)
		memcpy(j->wanted, wanted, wanted_count * sizeof *wanted);
	j->append = (struct store_append){.log = j->log->no,
	    .expected = b->first,
	    .count = b->count,
	    .size = b->first + b->count,
	    .block_count = b->block_count,
	    .wanted_count = wanted_count};
	memcpy(j->append.root, b->root, HASH_LEN);
}

static struct job *content_job(struct node *n, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct job *j = job_new(JOB_CONTENT, node_log(n, log));

	j->index = index;
	memcpy(j->id, id, ID_LEN);
	memcpy(j->salt, salt, SALT_LEN);
	buffer_add(&j->content, content.data, content.len);
	n->contents_in++;
	return j;
}

static void io_along(void *ctx, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct node *n = ctx;
	struct job *j = content_job(n, log, index, id, salt, content);

	j->next = n->along;
	n->along = j;
}

static void io_commit(void *ctx, uint32_t log, const struct replica_batch *b,
    const uint64_t *wanted, size_t wanted_count)
{
	struct node *n = ctx;
	struct job *j = job_new(JOB_APPEND, node_log(n, log));

	append_of_batch(j, b, wanted, wanted_count);
	j->along = n->along;
	n->along = NULL;
	n->entries_in += b->count;
	disk_submit(n, j);
}

static int reset_row(void *ctx, const struct store_log *row)
{
	struct carried *l = ctx;
	struct tree_hash right[64];

	if (row->right.len > 0)
		memcpy(right, row->right.data, row->right.len);
	return replica_unstage(l->replica, row->checkpoint, right, row->right.len / HASH_LEN);
}

static void io_reset(void *ctx, uint32_t log)
{
	struct node *n = ctx;

	if (n->store->ops->log_get(n->store, log, reset_row, node_log(n, log)) != OK)
		world_fail(n->world, "n%u: can't go back to what the store holds", n->number);
}

static int io_wanted(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted(n->store, log, from, out, count);
}

static int io_wanted_below(void *ctx, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted_below(n->store, log, below, out, count);
}

static uint64_t io_wall(void *ctx)
{
	return SIM_TIME + node_ms(ctx);
}

static int io_content(
    void *ctx, uint32_t log, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct node *n = ctx;
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	uint8_t id[ID_LEN];
	int err = node_leaf(n, log, index, &b, &leaf);

	if (!err) {
		message_id(id, leaf, &node_log(n, log)->org->credential.binding);
		err = n->store->ops->content_get(n->store, log, index, id, salt, out);
	}
	buffer_free(&b);
	return err;
}

static void io_content_commit(void *ctx, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes message,
    struct bytes content)
{
	(void)message;
	disk_submit(ctx, content_job(ctx, log, index, id, salt, content));
}

static struct bytes io_credential(void *ctx, uint32_t log)
{
	return buffer_bytes(&node_log(ctx, log)->org->credential.message);
}

static int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	struct node *n = ctx;
	char log_name[VERIFIER_NAME_MAX + 1];
	struct org *o;

	(void)link;
	if (name.len > VERIFIER_NAME_MAX)
		return ERR_MALFORMED;
	memcpy(log_name, name.data, name.len);
	log_name[name.len] = '\0';
	o = org_of_log(n->world, log_name);
	if (!o || !bytes_equal(entry0, buffer_bytes(&o->credential.message))) {
		struct credential c;
		int err = credential_open(&c, n->world->forum, name, entry0);

		credential_clear(&c);
		return err ? err : ERR_REFUSED;
	}
	if (!members_has(n->members, bytes_str(o->name), o->root.public))
		return ERR_NOT_MEMBER;
	if (!node_log_of(n, o))
		disk_submit(n, job_new(JOB_LOG, carried_new(n, o)));
	return OK;
}

/* A content that is long for a thin line, or a packet lost twice, holds up what is asked for on it,
 * and the answers. */
static bool line_is_late(const struct end *e)
{
	uint64_t until = e->delayed_until > e->other->delayed_until ? e->delayed_until
								    : e->other->delayed_until;

	return e->node->world->now <= until + SYNC_STALL_MS * MS;
}

static void io_note(void *ctx, void *link, const char *text)
{
	struct node *n = ctx;
	struct end *e = link;

	world_trace(n->world, "n%u: of n%u: %s", n->number, e->other->node->number, text);
	n->notes++;
	if (strncmp(text, "stalled", 7) == 0) {
		n->stalls++;
		e->stalls++;
		if (n->world->steady && n->lies == 0 && e->other->node->lies == 0 &&
		    !line_is_late(e))
			world_fail(n->world,
			    "n%u says that n%u has stalled, which is honest, and nothing is broken",
			    n->number, e->other->node->number);
	}
}

static void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	struct node *n = ctx;

	(void)link;
	/* What was given before it was stored comes of the same inbox again. */
	if (!n->org->forked && size > replica_held(n->own->replica) + n->inbox_durable)
		world_fail(n->world, "n%u: %llu entries of its own log are shown, and it has %llu",
		    n->number, (unsigned long long)size,
		    (unsigned long long)replica_held(n->own->replica));
}

static void io_forked(void *ctx, void *link, uint32_t log, struct bytes note)
{
	struct node *n = ctx;
	struct carried *l = node_log(n, log);

	(void)link;
	(void)note;
	world_trace(n->world, "n%u: %s has two histories", n->number, l->org->name);
	l->forked = true;
	if (!l->org->forked)
		world_fail(n->world, "n%u takes the log of %s, which is honest, for forked",
		    n->number, l->org->name);
}

static void io_disputed(void *ctx, void *link, uint32_t log, struct bytes proof)
{
	(void)link;
	fork_disputed(ctx, node_log(ctx, log), proof);
}

/* No organisation is two here: it has two histories. */
static int io_rivals(void *ctx, void *link, struct bytes proof)
{
	(void)ctx;
	(void)link;
	(void)proof;
	return ERR_PROOF;
}

static void io_cut(void *ctx, uint32_t log, uint64_t size)
{
	fork_cut(ctx, node_log(ctx, log), size);
}

static void io_stands(void *ctx, uint32_t log)
{
	fork_stands(ctx, node_log(ctx, log));
}

/* ---- our own log ---- */

static int seal_row(void *ctx, const struct store_inbox *row)
{
	struct job *j = ctx;

	leaves_add(&j->leaves, row->message);
	j->append.count++;
	return OK;
}

struct signed_contents {
	struct sync_content list[SEAL_MAX];
	struct buffer bytes[SEAL_MAX];
	size_t count;
	uint64_t next;
};

static int signed_row(void *ctx, const struct store_inbox *row)
{
	struct signed_contents *c = ctx;
	uint64_t index = c->next++;

	if (row->content.len > 0) {
		buffer_add(&c->bytes[c->count], row->content.data, row->content.len);
		c->list[c->count].index = index;
		memcpy(c->list[c->count].salt, row->salt, SALT_LEN);
		c->list[c->count].content = buffer_bytes(&c->bytes[c->count]);
		c->count++;
	}
	return OK;
}

/* To those who wait for it before the disk has it. */
static void seal_signed(struct node *n, struct bytes leaves, size_t count)
{
	struct signed_contents c = {.next = replica_held(n->own->replica)};

	n->store->ops->inbox_each(n->store, 0, count, signed_row, &c);
	sync_own_signed(n->sync, n->own->no, leaves, count, c.list, c.count);
	for (size_t i = 0; i < c.count; i++)
		buffer_free(&c.bytes[i]);
}

static void on_seal(struct world *w, void *what, uint64_t life)
{
	struct node *n = what;

	(void)w;
	if (!n->up || n->life != life)
		return;
	n->seal_armed = false;
	node_seal(n);
}

void node_seal(struct node *n)
{
	struct job *j;
	struct checkpoint c = {.size = 0};
	struct buffer leaves, note = BUFFER_INIT;
	struct replica_batch *batch;
	int err;

	if (n->sealing || n->inbox_durable == 0 || fork_ended(n))
		return;
	if (n->world->now < n->seal_at) {
		if (!n->seal_armed)
			event_at(n->world, n->seal_at, on_seal, n, n->life);
		n->seal_armed = true;
		return;
	}
	j = job_new(JOB_SEAL, n->own);
	n->store->ops->inbox_each(
	    n->store, 0, n->inbox_durable < SEAL_MAX ? n->inbox_durable : SEAL_MAX, seal_row, j);
	leaves = j->leaves;
	j->leaves = (struct buffer)BUFFER_INIT;
	strcpy(c.origin, n->org->credential.binding.log_name);
	err = replica_propose(n->own->replica, buffer_bytes(&leaves), &c.size, c.root);
	if (!err)
		err = checkpoint_sign(&note, &c, &n->org->log_key);
	if (!err)
		err = replica_stage_own(
		    n->own->replica, buffer_bytes(&leaves), buffer_bytes(&note), &batch);
	if (err) {
		world_fail(n->world, "n%u can't seal: %s", n->number, error_text(err));
	} else {
		append_of_batch(j, batch, NULL, 0);
		j->append.from_inbox = true;
		n->sealing = true;
		if (n->number % 2 == 0)
			seal_signed(n, buffer_bytes(&leaves), j->append.count);
		disk_submit(n, j);
		j = NULL;
	}
	free(j);
	buffer_free(&leaves);
	buffer_free(&note);
}

void node_post(struct node *n, uint32_t kind, struct bytes body, struct bytes content)
{
	struct job *j;
	struct org *o = n->org;

	if (!n->up)
		return;
	j = job_new(JOB_INBOX, n->own);
	org_message(o, kind, body, content, j->salt, &j->message);
	message_id(j->id, buffer_bytes(&j->message), &o->credential.binding);
	buffer_add(&j->content, content.data, content.len);
	if (o->post_count == o->post_cap) {
		o->post_cap = o->post_cap ? 2 * o->post_cap : 16;
		o->posts = realloc(o->posts, o->post_cap * sizeof *o->posts);
		if (!o->posts)
			abort();
	}
	j->post = o->post_count++;
	o->posts[j->post] = (struct post){.index = 0};
	memcpy(o->posts[j->post].id, j->id, ID_LEN);
	world_trace(
	    n->world, "n%u: posts %zu, content of %zu bytes", n->number, j->post, content.len);
	disk_submit(n, j);
}

/* Where the posts of a batch came to stand. */
static void seal_placed(struct node *n, const struct job *j)
{
	struct bytes leaf;
	size_t pos = 0;
	uint8_t id[ID_LEN];

	for (uint64_t i = j->append.expected;
	     leaves_next(buffer_bytes(&j->leaves), &pos, &leaf) == OK; i++) {
		message_id(id, leaf, &n->org->credential.binding);
		for (size_t k = n->org->post_count; k-- > 0;) {
			if (memcmp(n->org->posts[k].id, id, ID_LEN) == 0) {
				n->org->posts[k].index = i;
				break;
			}
		}
	}
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
			seal_placed(n, j);
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
			io_reset(n, n->own->no);
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
	append_of_batch(j, batch, NULL, 0);
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
	struct sync_io io = {
	    .ctx = n,
	    .send = io_send,
	    .backlog = io_backlog,
	    .fault = io_fault,
	    .read = io_read,
	    .commit = io_commit,
	    .along = io_along,
	    .reset = io_reset,
	    .wanted = io_wanted,
	    .wanted_below = io_wanted_below,
	    .wall = io_wall,
	    .content = io_content,
	    .content_commit = io_content_commit,
	    .credential = io_credential,
	    .offer = io_offer,
	    .note = io_note,
	    .own_ahead = io_own_ahead,
	    .forked = io_forked,
	    .disputed = io_disputed,
	    .rivals = io_rivals,
	    .cut = io_cut,
	    .stands = io_stands,
	};
	struct world *w = n->world;

	if (n->up || w->failed)
		return;
	/* As a node that doesn't know of it: these ask for each content. */
	if (n->number % 4 == 3)
		io.along = NULL;
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
