/* SPDX-License-Identifier: BSD-2-Clause */
/* Lying peers: nodes that are honest inside and whose frames are changed on the way out. For two
 * histories two nodes are one organisation, and speak of neither. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define TRICKLE_MAX 65536

const char *lie_name(unsigned bit)
{
	static const char *const names[LIE_KINDS] = {"false announcements", "withholds logs",
	    "drips entries", "garbage", "stale heads", "bad proofs", "wrong contents",
	    "no contents", "unfinished contents", "two histories", "old entries again"};

	return names[bit];
}

static void say(
    struct end *e, uint8_t type, uint32_t stream, const ProtobufCMessage *message, bool garbage)
{
	struct buffer b = BUFFER_INIT;

	trace_frame(e->node->world, e, type, stream, message);
	if (frame_add(&b, type, stream, message) == OK)
		end_send(e, buffer_bytes(&b), garbage);
	buffer_free(&b);
}

static void lied(struct node *n, const char *what, const struct end *e)
{
	n->world->lies_told++;
	world_trace(n->world, "n%u: lies to n%u: %s", n->number, e->other->node->number, what);
}

/* ---- DATA ---- */

static bool withheld(const struct node *n, const uint8_t *digest)
{
	return ((digest[0] ^ n->number) & 1) == 0;
}

/* Whoever has a proof that a log is forked looks at no other. */
static bool knows_fork(const struct node *n, const uint8_t *digest)
{
	for (size_t i = 0; i < n->log_count; i++)
		if (n->logs[i]->disputed &&
		    memcmp(n->logs[i]->org->credential.binding.digest, digest, DIGEST_LEN) == 0)
			return true;
	return false;
}

/* Two heads, which are one; with a root that the log never had. */
static void fork_spoil(struct node *n, struct end *e, const Convene__Data *m)
{
	Convene__ForkProof fork = CONVENE__FORK_PROOF__INIT;
	uint8_t root[HASH_LEN] = {1};

	fork.smaller = fork.larger = m->checkpoint;
	if (n->world->lies_told % 2) {
		fork.root = pb_of(bytes_of(root, sizeof root));
		fork.proof = m->proof;
	}
	lied(n, "a FORK that proves nothing", e);
	say(e, FRAME_FORK, 0, &fork.base, !knows_fork(e->other->node, m->log.data));
}

static void data_spoil(struct node *n, struct end *e, uint32_t stream, const Convene__Data *m)
{
	Convene__Data bad = *m;
	ProtobufCBinaryData *part[] = {&bad.leaves, &bad.checkpoint, &bad.proof};
	struct buffer copy = BUFFER_INIT;
	size_t i = rng_below(&n->rng, 4);
	uint64_t bit;

	if (i == 3) {
		bad.first++;
	} else {
		if (part[i]->len == 0)
			i = 0;
		buffer_add(&copy, part[i]->data, part[i]->len);
		bit = rng_below(&n->rng, 8);
		copy.data[rng_below(&n->rng, copy.len)] ^= (uint8_t)(1 << bit);
		part[i]->data = copy.data;
	}
	if (n->world->lies_told % 3 == 0) {
		fork_spoil(n, e, m);
		buffer_free(&copy);
		return;
	}
	lied(n, "a DATA that does not prove itself", e);
	say(e, FRAME_DATA, stream, &bad.base, false);
	buffer_free(&copy);
}

static uint64_t drip_ms(const struct node *n)
{
	return n->lies & LIE_TRICKLE ? 4000 : 700;
}

static void on_drip(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;
	size_t need;
	struct frame f;

	(void)w;
	if (!e->up || e->wire->life != life ||
	    frame_peek(buffer_bytes(&e->drip), false, &f, &need) != OK)
		return;
	need = FRAME_HEADER_LEN + f.payload.len;
	end_send(e, bytes_of(e->drip.data, need), false);
	buffer_drain(&e->drip, need);
	if (e->drip.len > 0)
		event_at(w, w->now + drip_ms(e->node) * MS, on_drip, e, life);
}

static bool data_drip(struct node *n, struct end *e, uint32_t stream, const Convene__Data *m)
{
	struct carried *l = NULL;
	struct bytes leaf;
	size_t pos = 0;
	bool first = e->drip.len == 0;

	if ((n->lies & LIE_TRICKLE) && e->drip.len > TRICKLE_MAX)
		return true; /* it would not come to these in an hour */
	for (size_t i = 0; i < n->log_count; i++) {
		if (memcmp(n->logs[i]->org->credential.binding.digest, m->log.data, DIGEST_LEN) ==
		    0)
			l = n->logs[i];
	}
	for (uint64_t i = m->first; l && leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) == OK;
	     i++) {
		struct tree_hash proof[TREE_PROOF_MAX];
		struct buffer one = BUFFER_INIT;
		Convene__Data d = *m;
		size_t count;

		leaves_add(&one, leaf);
		if (replica_prove(l->replica, i, i + 1, proof, &count) != OK)
			return false;
		d.first = i;
		d.leaves = pb_of(buffer_bytes(&one));
		d.checkpoint = pb_of(replica_note(l->replica));
		d.proof = pb_of(bytes_of(proof, count * HASH_LEN));
		frame_add(&e->drip, FRAME_DATA, stream, &d.base);
		buffer_free(&one);
	}
	lied(n, "DATA by drops", e);
	if (first)
		event_at(n->world, n->world->now + drip_ms(n) * MS, on_drip, e, e->wire->life);
	return true;
}

static void on_repeat(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;

	if (!e->up || e->wire->life != life)
		return;
	lied(e->node, "an old DATA again", e);
	end_send(e, buffer_bytes(&e->repeat), false);
	event_at(w, w->now + SECOND / 10, on_repeat, e, life);
}

/* The first DATA of a subscription, over and over, and no other. */
static bool data_repeat(struct node *n, struct end *e, uint32_t stream, const Convene__Data *m)
{
	size_t need;
	struct frame f;

	if (e->repeat.len > 0 && frame_peek(buffer_bytes(&e->repeat), false, &f, &need) == OK &&
	    f.stream == stream) {
		lied(n, "withholds a DATA", e);
		return true;
	}
	if (e->repeat.len == 0)
		event_at(n->world, n->world->now + SECOND / 10, on_repeat, e, e->wire->life);
	buffer_reset(&e->repeat);
	frame_add(&e->repeat, FRAME_DATA, stream, &m->base);
	return false;
}

/* What it would not give, or not unchanged, when it is asked for it, does not come along either. */
static bool along_lie(struct node *n, struct end *e, uint32_t stream, const Convene__Data *m)
{
	Convene__Data bad = *m;
	Convene__Brought wrong, *list[1] = {&wrong};
	struct buffer copy = BUFFER_INIT;

	if (m->n_contents == 0)
		return false;
	bad.n_contents = 0;
	if (n->lies & (LIE_NONE | LIE_SLOW)) {
		lied(n, "entries, and nothing along with them", e);
	} else if ((n->lies & LIE_CONTENT) && rng_chance(&n->rng, 200000)) {
		wrong = *m->contents[m->n_contents - 1];
		buffer_add(&copy, wrong.data.data, wrong.data.len);
		copy.data[rng_below(&n->rng, copy.len)] ^= 4;
		wrong.data = pb_of(buffer_bytes(&copy));
		bad.contents = list;
		bad.n_contents = 1;
		lied(n, "a wrong content along with its entry", e);
	} else {
		return false;
	}
	say(e, FRAME_DATA, stream, &bad.base, false);
	buffer_free(&copy);
	return true;
}

static bool data_lie(struct node *n, struct end *e, uint32_t stream, const Convene__Data *m)
{
	if ((n->lies & LIE_STALE) && n->world->now > n->stale_after) {
		lied(n, "has nothing new", e);
		return true;
	}
	if ((n->lies & LIE_WITHHOLD) && withheld(n, m->log.data)) {
		lied(n, "withholds a DATA", e);
		return true;
	}
	if ((n->lies & LIE_PROOF) && rng_chance(&n->rng, 150000)) {
		data_spoil(n, e, stream, m);
		return true;
	}
	if (n->lies & (LIE_DRIP | LIE_TRICKLE))
		return data_drip(n, e, stream, m);
	if ((n->lies & LIE_REPEAT) && withheld(n, m->log.data))
		return data_repeat(n, e, stream, m);
	return along_lie(n, e, stream, m);
}

/* ---- contents ---- */

static void content_drip(struct node *n, struct end *e, const Convene__ContentChunk *m)
{
	bool first = e->drip.len == 0;

	lied(n, "a content by drops", e);
	if (e->drip.len <= TRICKLE_MAX)
		frame_add(&e->drip, FRAME_CONTENT, 0, &m->base);
	if (first)
		event_at(n->world, n->world->now + drip_ms(n) * MS, on_drip, e, e->wire->life);
}

static bool content_lie(struct node *n, struct end *e, const Convene__ContentChunk *m)
{
	if (n->lies & LIE_TRICKLE) {
		content_drip(n, e, m);
		return true;
	}
	if (n->lies & LIE_NONE) {
		Convene__ContentNone none = CONVENE__CONTENT_NONE__INIT;

		lied(n, "a content that it has not", e);
		none.log = m->log;
		none.index = m->index;
		none.reason = (uint32_t)rng_below(&n->rng, 2);
		if (m->offset == 0)
			say(e, FRAME_CONTENT_NONE, 0, &none.base, false);
		return true;
	}
	if ((n->lies & LIE_SLOW) && m->offset + CHUNK_LEN >= m->total) {
		lied(n, "a content without its end", e);
		return true;
	}
	if ((n->lies & LIE_WITHHOLD) && withheld(n, m->log.data)) {
		lied(n, "withholds a content", e);
		return true;
	}
	if ((n->lies & LIE_CONTENT) && rng_chance(&n->rng, 200000)) {
		Convene__ContentChunk bad = *m;
		ProtobufCBinaryData *part = m->packed.len > 0 ? &bad.packed : &bad.data;
		struct buffer copy = BUFFER_INIT;

		buffer_add(&copy, part->data, part->len);
		copy.data[rng_below(&n->rng, copy.len)] ^= 4;
		part->data = copy.data;
		lied(n, "a wrong content", e);
		say(e, FRAME_CONTENT, 0, &bad.base, false);
		buffer_free(&copy);
		return true;
	}
	return false;
}

/* ---- */

static bool frontier_lie(struct node *n, struct end *e, const Convene__Frontier *m)
{
	Convene__Frontier less = *m;
	Convene__Head *heads[512];

	if (!(n->lies & LIE_STALE) || n->world->now < n->stale_after)
		return false;
	less.n_heads = 0;
	for (size_t i = 0; i < m->n_heads && i < 512; i++) {
		if (rng_chance(&n->rng, 500000))
			heads[less.n_heads++] = m->heads[i];
	}
	less.heads = heads;
	lied(n, "a frontier with holes", e);
	say(e, FRAME_FRONTIER, 0, &less.base, false);
	return true;
}

bool liar_send(
    struct node *n, struct end *e, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	if ((n->lies & LIE_GARBAGE) && rng_chance(&n->rng, 15000)) {
		struct buffer b = BUFFER_INIT;
		uint8_t ff[16];

		memset(ff, 0xff, sizeof ff);
		frame_add_raw(&b, FRAME_SUMMARY, stream, bytes_of(ff, sizeof ff));
		lied(n, "garbage", e);
		end_send(e, buffer_bytes(&b), true);
		buffer_free(&b);
		return true;
	}
	switch (type) {
	case FRAME_FORK:
	case FRAME_CHECKPOINT:
		if (n->lies & LIE_FORK)
			lied(n, "nothing of another history", e);
		return n->lies & LIE_FORK;
	case FRAME_DATA:
		return data_lie(n, e, stream, (const Convene__Data *)message);
	case FRAME_CONTENT: {
		Convene__ContentChunk m = *(const Convene__ContentChunk *)message;

		/* What is left out is the log of the one before, which may not have been sent. */
		if (m.log.len == DIGEST_LEN)
			memcpy(e->content_log, m.log.data, DIGEST_LEN);
		m.log = pb_of(bytes_of(e->content_log, DIGEST_LEN));
		if (!content_lie(n, e, &m))
			say(e, type, stream, &m.base, false);
		return true;
	}
	case FRAME_FRONTIER:
		return frontier_lie(n, e, (const Convene__Frontier *)message);
	case FRAME_ANNOUNCE:
		return (n->lies & LIE_STALE) && n->world->now > n->stale_after;
	default:
		return false;
	}
}

static void on_claim(struct world *w, void *what, uint64_t life)
{
	struct node *n = what;

	if (!n->up || n->life != life)
		return;
	for (size_t i = 0; i < n->end_count; i++) {
		struct end *e = n->ends[i];
		struct carried *l = n->logs[rng_below(&n->rng, n->log_count)];
		Convene__Announce m = CONVENE__ANNOUNCE__INIT;
		Convene__Head h = CONVENE__HEAD__INIT, *heads[] = {&h};
		uint8_t root[8];

		if (!e->up)
			continue;
		put_u64(root, rng_next(&n->rng));
		h.log = pb_of(bytes_of(l->org->credential.binding.digest, DIGEST_LEN));
		h.size = replica_held(l->replica) + rng_below(&n->rng, 1000);
		h.root = pb_of(bytes_of(root, sizeof root));
		m.heads = heads;
		m.n_heads = 1;
		if (h.size == 0)
			continue;
		lied(n, "a size that it has not", e);
		say(e, FRAME_ANNOUNCE, 0, &m.base, false);
	}
	event_at(w, w->now + SECOND + rng_below(&n->rng, 2 * SECOND), on_claim, n, life);
}

void liar_clone(struct node *n)
{
	struct world *w = n->world;

	for (size_t i = 0; i < w->node_count; i++) {
		struct node *other = &w->nodes[i];

		if (other != n && other->org == n->org && other->up && n->inbox_durable == 0 &&
		    replica_held(n->own->replica) == 0 && replica_held(other->own->replica) > 0)
			node_adopt(n, other);
	}
}

void liar_start(struct node *n)
{
	if (n->lies & LIE_ANNOUNCE)
		event_at(n->world, n->world->now + SECOND, on_claim, n, n->life);
}
