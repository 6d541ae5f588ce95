/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes around lib/sync that cosign each other's logs, on disks that fail or are slow. After every
 * step nobody takes a log for anchored further than cosigners hold it. */
#ifndef TEST_COSIGN_WORLD_H
#define TEST_COSIGN_WORLD_H

#include "sync_world.h"

#define STEP_MS 50
#define STORED_MAX 256

/* Per node: what it has cosigned, and what is on its way to its disk. */
struct witness {
	uint64_t size[NODES_MAX], again_at[NODES_MAX];
	bool idle;   /* it does not cosign */
	uint8_t key; /* seed of its cosigner key */
	struct anchor *anchor;
};

struct storing {
	struct node *node;
	uint64_t at;
	uint32_t log, seat;
	uint64_t size;
};

static struct witness witnesses[NODES_MAX];
static struct storing storing[STORED_MAX];
static size_t storing_count;
static unsigned fail_stores;         /* so many will fail, */
static const struct node *fail_node; /* of this node; NULL: of any */
static bool stores_wait;             /* disks answer nothing */
static size_t frames, frame_bytes, lookups;
static struct charter charter;
static uint64_t seconds;

/* ---- io ---- */

static inline void counting_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	if (type == FRAME_CHECKPOINT || type == FRAME_CHECKPOINT_GET) {
		frames++;
		frame_bytes += 9 + protobuf_c_message_get_packed_size(message);
	}
	io_send(ctx, link, type, stream, message);
}

static inline const struct cosigner *io_cosigner(void *ctx, uint32_t log, struct bytes name,
    const uint8_t id[static 4], const struct cosigner *after)
{
	struct node *n = ctx;
	const struct credential *c = &log_of(n, log)->credential;

	lookups++;
	do
		after = anchor_find(witnesses[n->number].anchor, name, id, after);
	while (after && !anchor_counts(after, c->organisation, c->root_key));
	return after;
}

static inline void io_cosign_store(void *ctx, uint32_t log, const struct cosigner *who,
    uint64_t size, uint64_t when, struct bytes note)
{
	struct node *n = ctx;
	struct note parsed;

	(void)when;
	/* Text, the log key's line, and one more. */
	assert_int_equal(note_parse(&parsed, note), OK);
	assert_int_equal(parsed.count, 2);
	assert_int_equal(note_verify(&parsed, &log_of(n, log)->credential.log, NULL), OK);
	assert_int_equal(note_verify(&parsed, &who->key, NULL), OK);
	assert_true(storing_count < STORED_MAX);
	storing[storing_count++] = (struct storing){n,
	    n->world->now + 1 + next_random(n->world) % n->world->disk_max, log, who->seat, size};
}

static inline void set_io(struct sync_io *io)
{
	io->send = counting_send;
	io->cosigner = io_cosigner;
	io->cosign_store = io_cosign_store;
}

static inline void stored_answer(struct world *w)
{
	for (size_t i = 0; i < storing_count;) {
		struct storing s = storing[i];
		bool fails = fail_stores > 0 && (!fail_node || fail_node == s.node);

		if (s.at > w->now || stores_wait) {
			i++;
			continue;
		}
		memmove(storing + i, storing + i + 1, (--storing_count - i) * sizeof *storing);
		fail_stores -= fails;
		sync_cosign_stored(
		    s.node->sync, s.log, s.seat, s.size, fails ? ERR_IO : OK, w->now);
	}
}

/* ---- cosigning ---- */

/* This node's cosignature behind a note. */
static inline void cosign_add(const struct node *n, struct buffer *note)
{
	struct key key = fixture_key(witnesses[n->number].key);
	char name[64];
	struct note parsed;

	snprintf(name, sizeof name, "%s/cosigner", n->name);
	assert_int_equal(note_parse(&parsed, buffer_bytes(note)), OK);
	assert_int_equal(note_cosign(note, parsed.text, bytes_str(name), &key, ++seconds), OK);
}

static inline uint64_t missing_of(struct node *n, uint32_t log)
{
	uint64_t missing;

	assert_int_equal(n->store->ops->wanted_count(n->store, log, &missing), OK);
	return missing;
}

static inline void cosign_logs(struct world *w, struct node *n)
{
	struct witness *me = &witnesses[n->number];
	const struct cosigner *who = anchor_of(me->anchor, n->name, n->root.public);

	for (size_t i = 0; i < n->log_count && who && !me->idle; i++) {
		struct held_log *l = &n->logs[i];
		struct buffer note = BUFFER_INIT;
		uint64_t held = replica_held(l->replica);

		if (!anchor_counts(who, l->credential.organisation, l->credential.root_key) ||
		    held == 0 || held != replica_note_size(l->replica) || held <= me->size[i] ||
		    w->now < me->again_at[i] || missing_of(n, l->no) > 0)
			continue;
		buffer_add(&note, replica_note(l->replica).data, replica_note(l->replica).len);
		cosign_add(n, &note);
		/* Not while its own before is on the way to the disk. */
		if (sync_cosign(n->sync, l->no, who, buffer_bytes(&note), seconds) == OK)
			me->size[i] = held;
		me->again_at[i] = w->now + 2000;
		buffer_free(&note);
	}
}

/* The largest size that so many organisations but the log's own hold. */
static inline uint64_t truth(struct world *w, struct node *origin)
{
	uint64_t sizes[NODES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < w->node_count; i++) {
		struct held_log *l = log_of_origin(&w->nodes[i], origin);

		if (&w->nodes[i] != origin && l)
			sizes[count++] = replica_held(l->replica);
	}
	return anchor_size(charter.anchor, sizes, count);
}

static inline void go(struct world *w, uint64_t ms)
{
	uint64_t end = w->now + ms;

	while (w->now < end) {
		for (size_t i = 0; i < w->node_count; i++)
			cosign_logs(w, &w->nodes[i]);
		run(w, STEP_MS);
		stored_answer(w);
		for (size_t i = 0; i < w->node_count; i++) {
			for (size_t k = 0; k < w->nodes[i].log_count; k++) {
				struct held_log *l = &w->nodes[i].logs[k];
				uint64_t anchored = sync_anchored(w->nodes[i].sync, l->no);
				struct sync_cosigned kept[NODES_MAX];

				assert_in_range(
				    sync_cosigned(w->nodes[i].sync, l->no, kept, NODES_MAX), 0,
				    charter.anchor);

				for (size_t o = 0; anchored > 0 && o < w->node_count; o++) {
					if (log_of_origin(&w->nodes[i], &w->nodes[o]) == l)
						assert_true(anchored <= truth(w, &w->nodes[o]));
				}
			}
		}
	}
}

/* Up to where a node takes another's log for anchored. */
static inline uint64_t anchored(struct world *w, unsigned node, unsigned origin)
{
	struct held_log *l = log_of_origin(&w->nodes[node], &w->nodes[origin]);

	return l ? sync_anchored(w->nodes[node].sync, l->no) : 0;
}

static inline bool all_anchored(struct world *w)
{
	for (unsigned i = 0; i < w->node_count; i++) {
		for (unsigned k = 0; k < w->node_count; k++) {
			struct held_log *own = log_of_origin(&w->nodes[k], &w->nodes[k]);

			if (anchored(w, i, k) != replica_held(own->replica))
				return false;
		}
	}
	return true;
}

static inline void assert_all_anchored(struct world *w, uint64_t within_ms)
{
	uint64_t end = w->now + within_ms;

	while (!all_anchored(w) && w->now < end)
		go(w, STEP_MS);
	for (unsigned i = 0; i < w->node_count && !all_anchored(w); i++) {
		for (unsigned k = 0; k < w->node_count; k++)
			print_error("node %u log %u: anchored %llu\n", i, k,
			    (unsigned long long)anchored(w, i, k));
	}
	assert_true(all_anchored(w));
	assert_int_equal(faults(w), 0);
}

/* ---- worlds ---- */

static inline void learn(struct world *w, unsigned node, unsigned of, uint64_t serial)
{
	const struct node *o = &w->nodes[of];
	struct node_body n = fixture_node(o->name, serial, 1, 2, witnesses[of].key);

	assert_true(anchor_learn(
			witnesses[node].anchor, o->name, o->root.public, &n.cosigner, serial) >= 0);
}

/* `needed` of all. Everybody knows everybody's key but `stranger`'s. */
static inline struct world *cosigning(
    size_t nodes, uint32_t needed, unsigned stranger, uint64_t seed)
{
	struct world *w;

	world_io = set_io;
	memset(&charter, 0, sizeof charter);
	charter.anchor = needed;
	memset(witnesses, 0, sizeof witnesses);
	storing_count = fail_stores = 0;
	fail_node = NULL;
	stores_wait = false;
	frames = frame_bytes = lookups = 0;
	seconds = 1790000000;
	w = world_new(nodes, seed);
	for (unsigned i = 0; i < nodes; i++) {
		witnesses[i].anchor = anchor_new(&charter);
		witnesses[i].key = (uint8_t)(10 * i + 4);
		sync_anchor_needed(w->nodes[i].sync, needed);
	}
	for (unsigned i = 0; i < nodes; i++) {
		for (unsigned k = 0; k < nodes; k++) {
			if (k != stranger || i == k)
				learn(w, i, k, 1);
		}
	}
	begin(w);
	return w;
}

static inline void over(struct world *w)
{
	for (size_t i = 0; i < w->node_count; i++)
		anchor_free(witnesses[i].anchor);
	world_free(w);
	world_io = NULL;
}

static inline void chain(struct world *w)
{
	for (unsigned i = 0; i + 1 < w->node_count; i++)
		wire(w, i, i + 1);
}

#endif
