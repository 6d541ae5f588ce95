/* SPDX-License-Identifier: BSD-2-Clause */
/* A dishonest organisation that shows two histories, as two nodes: what the others make of it. Each
 * proof is checked, and kept; a successor comes as if it had been read in a log, at some time to
 * each node, and what is cut off is kept. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/fork.h"

#define HEARD (15 * SECOND) /* the last has heard of a successor by then */

static const struct store_backend *ops(const struct node *n)
{
	return n->store->ops;
}

static void fact_key(char out[static FACT_KEY], const char *what, const struct org *o)
{
	snprintf(out, FACT_KEY, "%s %s", what, o->name);
}

static bool fact_get(
    const struct node *n, const char *what, const struct org *o, struct buffer *out)
{
	char key[FACT_KEY];

	fact_key(key, what, o);
	return ops(n)->meta_get(n->store, key, out) == OK;
}

static void fact_put(struct node *n, const char *what, struct org *o, struct bytes value)
{
	struct job *j = job_new(JOB_FACT, NULL);

	fact_key(j->key, what, o);
	j->org = o;
	buffer_add(&j->content, value.data, value.len);
	disk_submit(n, j);
}

/* ---- disputed ---- */

static bool proves(const struct org *o, struct bytes proof)
{
	struct fork_proof f;

	return proof.len < 4096 && fork_proof_decode(proof, &f) == OK &&
	       fork_proof_check(f.smaller, f.larger, f.has_root ? &f.root : NULL, f.proof, f.count,
		   &o->credential.log) == OK;
}

void fork_disputed(struct node *n, struct carried *l, struct bytes proof)
{
	world_trace(n->world, "n%u: the log of %s is disputed, by %zu bytes", n->number,
	    l->org->name, proof.len);
	if (!l->org->forked)
		world_fail(n->world, "n%u takes the log of %s, which is honest, for disputed",
		    n->number, l->org->name);
	else if (!proves(l->org, proof))
		world_fail(n->world, "n%u takes the log of %s for disputed without a proof",
		    n->number, l->org->name);
	l->disputed = true;
	l->disputed_size = replica_staged(l->replica);
	fact_put(n, "proof", l->org, proof);
}

/* What is durable of it, when a log is taken up or loaded. */
void fork_load(struct node *n, struct carried *l)
{
	struct buffer b = BUFFER_INIT;

	if (fact_get(n, "proof", l->org, &b)) {
		l->disputed = true;
		l->disputed_size = replica_held(l->replica);
		sync_dispute(n->sync, l->no, buffer_bytes(&b), node_ms(n));
	}
	buffer_reset(&b);
	if (fact_get(n, "stands", l->org, &b))
		sync_stand(n->sync, l->no, get_u64(b.data), b.data + 8, node_ms(n));
	buffer_free(&b);
}

void fork_grown(struct node *n, const struct carried *l)
{
	if (sync_doubt(n->sync, l->no) == SYNC_DISPUTED &&
	    replica_held(l->replica) > l->disputed_size && n->lies == 0)
		world_fail(n->world, "n%u has taken entries of %s, which is disputed", n->number,
		    l->org->name);
}

/* ---- a successor ---- */

/* Whether the node writes no more into its own log. */
bool fork_ended(const struct node *n)
{
	struct buffer b = BUFFER_INIT;
	bool ended = n->org->forked && (n->heard || fact_get(n, "stands", n->org, &b));

	buffer_free(&b);
	return ended;
}

static void on_heard(struct world *w, void *what, uint64_t number)
{
	struct org *o = w->orgs[number];
	struct node *n = what;
	uint8_t head[8 + HASH_LEN];
	struct buffer b = BUFFER_INIT;
	bool durable = fact_get(n, "stands", o, &b);

	buffer_free(&b);
	if (durable)
		return;
	event_at(w, w->now + SECOND, on_heard, n, number); /* it may crash before */
	if (!n->up || (n->org == o && n->sealing))
		return;
	world_trace(w, "n%u: hears what stands of %s: %llu", n->number, o->name,
	    (unsigned long long)o->stands);
	n->heard = n->heard || n->org == o;
	put_u64(head, o->stands);
	memcpy(head + 8, o->stands_root, HASH_LEN);
	fact_put(n, "stands", o, bytes_of(head, sizeof head));
}

void fork_fact(struct node *n, const struct job *j)
{
	struct carried *l = node_log_of(n, j->org);

	if (j->result != OK)
		fact_put(n, strncmp(j->key, "proof", 5) == 0 ? "proof" : "stands", j->org,
		    buffer_bytes(&j->content));
	else if (l && strncmp(j->key, "stands", 6) == 0 &&
		 sync_stand(n->sync, l->no, get_u64(j->content.data), j->content.data + 8,
		     node_ms(n)) != OK)
		world_fail(n->world, "n%u can't take what stands of %s", n->number, j->org->name);
}

/* Of some honest node's history, so that it can be had. */
bool fork_succeed(struct world *w, struct org *o, struct rng *r)
{
	size_t count = 0, at;

	for (size_t i = 0; i < w->node_count; i++)
		count += fork_holds(&w->nodes[i], o);
	if (count == 0)
		return false; /* nobody has anything of it yet */
	at = rng_below(r, count);
	for (size_t i = 0; i < w->node_count; i++) {
		struct node *n = &w->nodes[i];
		const struct carried *l;

		if (!fork_holds(n, o) || at-- > 0)
			continue;
		l = node_log_of(n, o);
		o->holder = n->number;
		o->stands = replica_held(l->replica);
		if (rng_chance(r, 500000))
			o->stands = 1 + rng_below(r, o->stands);
		if (replica_root_at(l->replica, o->stands, o->stands_root) != OK)
			world_fail(w, "n%u has no root at %llu of %s", n->number,
			    (unsigned long long)o->stands, o->name);
	}
	for (size_t i = 0; i < w->node_count; i++) {
		if (w->nodes[i].there)
			event_at(
			    w, w->now + rng_below(r, HEARD), on_heard, &w->nodes[i], o->number);
	}
	return true;
}

bool fork_holds(const struct node *n, const struct org *o)
{
	const struct carried *l = n->there && n->up && n->lies == 0 ? node_log_of(n, o) : NULL;

	return l && replica_held(l->replica) > 0;
}

/* ---- cutting ---- */

void fork_cut(struct node *n, struct carried *l, uint64_t size)
{
	struct job *j = job_new(JOB_CUT, l);
	uint64_t held = replica_held(l->replica);
	size_t got = 0;

	world_trace(n->world, "n%u: cuts the log of %s from %llu to %llu", n->number, l->org->name,
	    (unsigned long long)held, (unsigned long long)size);
	j->cut = malloc(sizeof *j->cut);
	if (!j->cut)
		abort();
	if (replica_cut_plan(l->replica, size, j->cut) != OK ||
	    ops(n)->read(
		n->store, l->no, size, (size_t)(held - size), SIZE_MAX, &j->leaves, &got) != OK ||
	    got != held - size)
		world_fail(n->world, "n%u can't cut its log of %s", n->number, l->org->name);
	j->append.size = size;
	j->append.count = got;
	memcpy(j->append.root, replica_held_root(l->replica), HASH_LEN);
	if (size > 0)
		buffer_add(&j->note, replica_note(l->replica).data, replica_note(l->replica).len);
	fact_key(j->key, "cut", l->org);
	disk_submit(n, j);
}

/* In one transaction: what goes is kept. */
int fork_cut_run(struct node *n, struct job *j)
{
	struct store *s = n->store;
	int err = s->ops->meta_put(s, j->key, buffer_bytes(&j->leaves));

	if (!err)
		err = s->ops->truncate(
		    s, j->log->no, j->cut->size, j->cut->root, buffer_bytes(&j->note));
	if (!err)
		err = s->ops->log_set_checkpoint(s, j->log->no, buffer_bytes(&j->note),
		    bytes_of(j->cut->right, j->cut->right_count * HASH_LEN));
	return err;
}

/* What stayed and what was kept are what was held. */
static bool cut_is_whole(const struct node *n, const struct job *j)
{
	struct buffer b = BUFFER_INIT;
	struct tree *tree = tree_new();
	uint8_t root[HASH_LEN];
	struct bytes leaf;
	struct tree_hash hash;
	size_t got = 0, pos = 0, count = 0;

	if (!tree)
		abort();
	if (j->cut->size > 0)
		ops(n)->read(n->store, j->log->no, 0, (size_t)j->cut->size, SIZE_MAX, &b, &got);
	ops(n)->meta_get(n->store, j->key, &b);
	while (leaves_next(buffer_bytes(&b), &pos, &leaf) == OK) {
		leaf_hash(&hash, leaf);
		if (tree_append(tree, &hash) != OK)
			abort();
		count++;
	}
	tree_root(tree, root);
	tree_free(tree);
	buffer_free(&b);
	return got == j->cut->size && count == got + j->append.count &&
	       memcmp(root, j->append.root, HASH_LEN) == 0;
}

void fork_cut_answer(struct node *n, const struct job *j)
{
	struct carried *l = j->log;
	int err = j->result;

	if (!err && !cut_is_whole(n, j))
		world_fail(n->world, "n%u has lost what it cut off of %s", n->number, l->org->name);
	if (!err)
		err = replica_cut(l->replica, j->cut);
	if (!err && l->folded > replica_held(l->replica))
		l->folded = replica_held(l->replica);
	if (!j->result && err)
		world_fail(n->world, "n%u can't cut its replica of %s: %s", n->number, l->org->name,
		    error_text(err));
	n->cuts += !err;
	sync_cut_done(n->sync, l->no, err, node_ms(n));
}

void fork_stands(struct node *n, const struct carried *l)
{
	world_trace(n->world, "n%u: holds what stands of %s", n->number, l->org->name);
	if (replica_held(l->replica) != l->org->stands ||
	    memcmp(replica_held_root(l->replica), l->org->stands_root, HASH_LEN) != 0)
		world_fail(n->world, "n%u holds %llu of %s, and that is not what stands", n->number,
		    (unsigned long long)replica_held(l->replica), l->org->name);
}

/* ---- checks ---- */

static bool same_history(const struct carried *a, const struct carried *b)
{
	uint64_t x = replica_held(a->replica), y = replica_held(b->replica), size = x < y ? x : y;
	uint8_t one[HASH_LEN], other[HASH_LEN];

	return size == 0 || (replica_root_at(a->replica, size, one) == OK &&
				replica_root_at(b->replica, size, other) == OK &&
				memcmp(one, other, HASH_LEN) == 0);
}

/* Of two honest nodes that honest ones connect: what one knows the other knows. */
bool fork_settled(const struct node *n, const struct carried *l, const struct node *m,
    const struct carried *theirs, struct buffer *why)
{
	const struct org *o = l->org;
	bool ours = sync_doubt(n->sync, l->no) == SYNC_DISPUTED;

	if (o->stands > 0) {
		if (sync_doubt(n->sync, l->no) == SYNC_SHOWN &&
		    replica_held(l->replica) == o->stands &&
		    memcmp(replica_held_root(l->replica), o->stands_root, HASH_LEN) == 0)
			return true;
		buffer_printf(why, "n%u has %llu of %s, of which %llu stand as n%u has them",
		    n->number, (unsigned long long)replica_held(l->replica), o->name,
		    (unsigned long long)o->stands, o->holder);
		return false;
	}
	if (replica_held(theirs->replica) == 0 || replica_held(l->replica) == 0)
		return true;
	if (ours != (sync_doubt(m->sync, theirs->no) == SYNC_DISPUTED)) {
		buffer_printf(why, "the log of %s is disputed at n%u, and not at n%u", o->name,
		    ours ? n->number : m->number, ours ? m->number : n->number);
		return false;
	}
	if (!ours && !same_history(l, theirs)) {
		buffer_printf(why, "n%u and n%u hold two histories of %s, and neither disputes it",
		    n->number, m->number, o->name);
		return false;
	}
	return true;
}

void fork_final(struct world *w, const struct node *n, const struct carried *l)
{
	struct buffer b = BUFFER_INIT;

	if (l->disputed && (!fact_get(n, "proof", l->org, &b) || !proves(l->org, buffer_bytes(&b))))
		world_fail(w, "n%u has lost the proof against %s", n->number, l->org->name);
	buffer_free(&b);
}
