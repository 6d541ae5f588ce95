/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures between nodes: they reach everybody, once and in few bytes, over chains, rings, cut
 * links and failing disks; and a hostile peer gets nothing by them. After every step nobody takes a
 * log for anchored further than cosigners hold it. */
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

static void counting_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	if (type == FRAME_CHECKPOINT || type == FRAME_CHECKPOINT_GET) {
		frames++;
		frame_bytes += 9 + protobuf_c_message_get_packed_size(message);
	}
	io_send(ctx, link, type, stream, message);
}

static const struct cosigner *io_cosigner(void *ctx, uint32_t log, struct bytes name,
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

static void io_cosign_store(void *ctx, uint32_t log, const struct cosigner *who, uint64_t size,
    uint64_t when, struct bytes note)
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

static void set_io(struct sync_io *io)
{
	io->send = counting_send;
	io->cosigner = io_cosigner;
	io->cosign_store = io_cosign_store;
}

static void stored_answer(struct world *w)
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
static void cosign_add(const struct node *n, struct buffer *note)
{
	struct key key = fixture_key(witnesses[n->number].key);
	char name[64];
	struct note parsed;

	snprintf(name, sizeof name, "%s/cosigner", n->name);
	assert_int_equal(note_parse(&parsed, buffer_bytes(note)), OK);
	assert_int_equal(note_cosign(note, parsed.text, bytes_str(name), &key, ++seconds), OK);
}

static uint64_t missing_of(struct node *n, uint32_t log)
{
	uint64_t missing;

	assert_int_equal(n->store->ops->wanted_count(n->store, log, &missing), OK);
	return missing;
}

static void cosign_logs(struct world *w, struct node *n)
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
static uint64_t truth(struct world *w, struct node *origin)
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

static void go(struct world *w, uint64_t ms)
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
static uint64_t anchored(struct world *w, unsigned node, unsigned origin)
{
	struct held_log *l = log_of_origin(&w->nodes[node], &w->nodes[origin]);

	return l ? sync_anchored(w->nodes[node].sync, l->no) : 0;
}

static bool all_anchored(struct world *w)
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

static void assert_all_anchored(struct world *w, uint64_t within_ms)
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

static void learn(struct world *w, unsigned node, unsigned of, uint64_t serial)
{
	const struct node *o = &w->nodes[of];
	struct node_body n = fixture_node(o->name, serial, 1, 2, witnesses[of].key);

	assert_true(anchor_learn(
			witnesses[node].anchor, o->name, o->root.public, &n.cosigner, serial) >= 0);
}

/* `needed` of all. Everybody knows everybody's key but `stranger`'s. */
static struct world *cosigning(size_t nodes, uint32_t needed, unsigned stranger, uint64_t seed)
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

static void over(struct world *w)
{
	for (size_t i = 0; i < w->node_count; i++)
		anchor_free(witnesses[i].anchor);
	world_free(w);
	world_io = NULL;
}

static void chain(struct world *w)
{
	for (unsigned i = 0; i + 1 < w->node_count; i++)
		wire(w, i, i + 1);
}

/* ---- the usual ---- */

static void test_chain(void **state)
{
	struct world *w = cosigning(5, 2, NODES_MAX, 1);
	size_t before;

	(void)state;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 3, 100);
	assert_all_anchored(w, 12000);
	/* One more post: what that costs all five, cosigned by four of whom two are wanted. */
	go(w, 3000);
	before = frame_bytes;
	post(&w->nodes[2], 1, 100);
	assert_all_anchored(w, 6000);
	go(w, 5000);
	print_message("# a chain of 5, 2 of all: %zu bytes of cosignatures for one checkpoint\n",
	    frame_bytes - before);
	assert_true(frame_bytes - before < 6000); /* two lines of 600 for each of four */
	/* And when all is anchored there is nothing to say. */
	before = frames;
	go(w, 30000);
	assert_int_equal(frames, before);
	over(w);
}

static void test_shapes(void **state)
{
	(void)state;
	for (unsigned shape = 0; shape < 3; shape++) {
		struct world *w = cosigning(6, 3, NODES_MAX, 10 + shape);

		if (shape == 0) { /* ring */
			chain(w);
			wire(w, 5, 0);
		} else if (shape == 1) { /* star */
			for (unsigned i = 1; i < 6; i++)
				wire(w, 0, i);
		} else { /* dense */
			for (unsigned i = 0; i < 6; i++)
				for (unsigned k = i + 1; k < 6; k++)
					wire(w, i, k);
		}
		wires_up(w);
		for (unsigned i = 0; i < 6; i++)
			post(&w->nodes[i], 2, 500);
		assert_all_anchored(w, 12000);
		for (unsigned i = 0; i < 6; i++)
			post(&w->nodes[i], 1, 500);
		assert_all_anchored(w, 12000);
		print_message("# shape %u: %zu frames, %zu bytes\n", shape, frames, frame_bytes);
		over(w);
	}
}

/* Nothing counts for an own log, and one too few is too few. */
static void test_too_few(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 20);

	(void)state;
	witnesses[2].idle = true;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 3, 100);
	go(w, 15000);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(anchored(w, i, 0), 0);
		assert_int_equal(anchored(w, i, 1), 0);
		assert_int_equal(anchored(w, i, 2), 1); /* by the other two */
	}
	witnesses[2].idle = false;
	assert_all_anchored(w, 10000);
	over(w);
}

/* Contents count as well: who lacks one does not cosign. */
static void test_contents(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 25);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	w->keeps = true;
	post(&w->nodes[0], 2, 1000);
	go(w, 8000);
	assert_int_equal(anchored(w, 0, 0), 1);
	kept_give(w);
	assert_all_anchored(w, 20000);
	over(w);
}

/* One joins when all is anchored, and nobody signs any more. */
static void test_late(void **state)
{
	struct world *w = cosigning(5, 2, NODES_MAX, 30);
	size_t before;

	(void)state;
	chain(w);
	for (size_t i = 0; i < 6; i += 2)
		link_set(w, &w->ends[i], true);
	post(&w->nodes[0], 300, 0);
	go(w, 10000);
	assert_int_equal(anchored(w, 3, 0), 301);
	for (unsigned i = 0; i < 5; i++)
		witnesses[i].idle = true;
	before = frame_bytes;
	link_set(w, &w->ends[6], true);
	go(w, 5000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(anchored(w, 4, i), i == 0 ? 301 : 1);
	print_message("# joining: %zu bytes for four logs\n", frame_bytes - before);
	assert_int_equal(faults(w), 0);
	over(w);
}

/* Links go and come, and upstreams with them. */
static void test_cuts(void **state)
{
	(void)state;
	for (uint64_t seed = 40; seed < 48; seed++) {
		struct world *w = cosigning(6, 2, NODES_MAX, seed);

		chain(w);
		wire(w, 5, 0);
		wire(w, 1, 4);
		wires_up(w);
		for (unsigned round = 0; round < 12; round++) {
			size_t at = 2 * (next_random(w) % (w->end_count / 2));

			post(&w->nodes[next_random(w) % 6], 1 + next_random(w) % 3, 300);
			link_set(w, &w->ends[at], !w->ends[at].up);
			go(w, 200 + next_random(w) % 3000);
		}
		wires_up(w);
		assert_all_anchored(w, 40000);
		over(w);
	}
}

static void test_failing_stores(void **state)
{
	struct world *w = cosigning(4, 3, NODES_MAX, 50);

	(void)state;
	chain(w);
	wires_up(w);
	fail_stores = 10;
	for (unsigned i = 0; i < 4; i++)
		w->nodes[i].fail_commits = 1;
	post(&w->nodes[1], 4, 200);
	go(w, 6000);
	/* One whose own was lost to the disk signs the next checkpoint, as the relay does again. */
	for (unsigned i = 0; i < 4; i++)
		post(&w->nodes[i], 1, 200);
	assert_all_anchored(w, 60000);
	assert_int_equal(fail_stores, 0);
	over(w);
}

/* One that a disk has lost is asked for again, although nobody signs any more. */
static void test_lost_store(void **state)
{
	struct world *w = cosigning(4, 3, NODES_MAX, 52);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	go(w, 3000);
	fail_stores = 2;
	fail_node = &w->nodes[0];
	post(&w->nodes[0], 1, 0);
	go(w, 2500);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	assert_int_equal(fail_stores, 0);
	assert_all_anchored(w, 10000);
	over(w);
}

/* Nothing counts, and nobody hears of it, before it is durable. */
static void test_slow_stores(void **state)
{
	struct world *w = cosigning(3, 1, NODES_MAX, 54);
	size_t before;

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	go(w, 3000);
	stores_wait = true;
	before = frames;
	for (unsigned i = 0; i < 2; i++) {
		post(&w->nodes[1], 1, 0);
		go(w, 4000);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(anchored(w, i, 1), 1);
	assert_int_equal(frames, before);
	stores_wait = false;
	assert_all_anchored(w, 8000);
	over(w);
}

/* A subscriber hears of a size only behind the entries below it, however long they take. */
static void test_behind_data(void **state)
{
	struct world *w = cosigning(4, 2, NODES_MAX, 56);
	struct end *e;
	size_t before;

	(void)state;
	chain(w);
	for (size_t i = 0; i < 4; i += 2)
		link_set(w, &w->ends[i], true);
	post(&w->nodes[0], 4000, 0);
	go(w, 12000);
	assert_int_equal(anchored(w, 2, 0), 4001);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	before = frames;
	e = &w->ends[4];
	e->rate = 60000;
	link_set(w, e, true);
	go(w, 2000);
	assert_int_equal(anchored(w, 3, 0), 0);
	go(w, 30000);
	assert_int_equal(anchored(w, 3, 0), 4001);
	print_message("# behind 4,001 entries: %zu frames\n", frames - before);
	assert_int_equal(frames - before, 3); /* one for each log */
	over(w);
}

/* A key that is learned late: what was left aside is asked for. */
static void test_stranger(void **state)
{
	struct world *w = cosigning(4, 3, 3, 60);

	(void)state;
	chain(w);
	wires_up(w);
	go(w, 8000);
	assert_int_equal(anchored(w, 0, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		learn(w, i, 3, 1);
		sync_cosigners_changed(w->nodes[i].sync, w->now);
	}
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	assert_all_anchored(w, 20000);
	over(w);
}

/* A cosigner key is replaced: what was cosigned with the old one stays, and the new one goes on. */
static void test_rotation(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 65);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	witnesses[2].key = 200;
	for (unsigned i = 0; i < 3; i++) {
		learn(w, i, 2, 2);
		sync_cosigners_changed(w->nodes[i].sync, w->now);
	}
	go(w, 5000);
	assert_true(all_anchored(w));
	post(&w->nodes[0], 2, 10);
	assert_all_anchored(w, 12000);
	over(w);
}

/* What was stored comes back after a start. */
static void test_load(void **state)
{
	struct world *w = cosigning(4, 2, NODES_MAX, 70);
	struct sync_cosigned kept[8];
	struct node *n = &w->nodes[1];
	struct held_log *l;
	struct sync_io io = {.ctx = n};
	struct sync *fresh;
	size_t count;

	(void)state;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 5, 0);
	assert_all_anchored(w, 12000);
	l = log_of_origin(n, &w->nodes[0]);
	count = sync_cosigned(n->sync, l->no, kept, 8);
	assert_int_equal(count, 2);
	fresh = sync_new(&io);
	sync_anchor_needed(fresh, 2);
	assert_int_equal(sync_cosign_load(fresh, l->no, 0, 6, 1, kept[0].note), ERR_RANGE);
	assert_int_equal(
	    sync_add_log(fresh, l->no, l->replica, &l->credential.binding, false, 1), OK);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(sync_anchored(fresh, l->no), 0);
		assert_int_equal(sync_cosign_load(fresh, l->no, kept[i].seat, kept[i].size,
				     kept[i].seconds, kept[i].note),
		    OK);
	}
	assert_int_equal(sync_anchored(fresh, l->no), 6);
	assert_int_equal(sync_cosign_load(fresh, l->no, 7, 7, 1, kept[0].note), ERR_RANGE);
	assert_int_equal(sync_cosign_load(fresh, l->no, 7, 6, 1, bytes_str("x")), ERR_MALFORMED);
	sync_free(fresh);
	over(w);
}

/* ---- hostile peers: node 1 gets frames as if from node 0 ---- */

static void feed_from(struct end *from, struct bytes note, struct bytes proof)
{
	Convene__Checkpoint m = CONVENE__CHECKPOINT__INIT;
	struct node *origin = from->node;

	m.log = pb_of(bytes_of(origin->credential.binding.digest, DIGEST_LEN));
	m.note = pb_of(note);
	m.proof = pb_of(proof);
	io_send(origin, from, FRAME_CHECKPOINT, 0, &m.base);
}

static struct world *pair_of_nodes(struct end **e)
{
	struct world *w = cosigning(3, 3, NODES_MAX, 80); /* three: never anchored */

	*e = wire(w, 0, 1);
	wire(w, 1, 2);
	post(&w->nodes[0], 4, 0);
	wires_up(w);
	for (unsigned i = 0; i < 3; i++)
		witnesses[i].idle = true;
	go(w, 4000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica), 5);
	return w;
}

static size_t kept_of(struct world *w, unsigned node, unsigned origin)
{
	struct sync_cosigned kept[8];

	return sync_cosigned(
	    w->nodes[node].sync, log_of_origin(&w->nodes[node], &w->nodes[origin])->no, kept, 8);
}

static void test_unverified(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	struct bytes base = replica_note(log_of_origin(&w->nodes[0], &w->nodes[0])->replica);
	struct buffer note = BUFFER_INIT;
	struct key stray = fixture_key(250);
	struct note parsed;
	size_t before;

	(void)state;
	/* Three hundred lines of nobody: left aside, unkept, unsent. */
	assert_int_equal(note_parse(&parsed, base), OK);
	buffer_add(&note, base.data, base.len);
	for (unsigned i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof name, "x%u.example/cosigner", i);
		assert_int_equal(note_cosign(&note, parsed.text, bytes_str(name), &stray, i), OK);
	}
	before = frames;
	feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 3000);
	assert_int_equal(kept_of(w, 1, 0), 0);
	assert_int_equal(frames, before);
	assert_int_equal(faults(w), 0);
	/* A good one behind them is taken, alone. */
	note.len = 0;
	buffer_add(&note, base.data, base.len);
	assert_int_equal(
	    note_cosign(&note, parsed.text, bytes_str("x.example/cosigner"), &stray, 1), OK);
	cosign_add(&w->nodes[2], &note);
	feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 3000);
	assert_int_equal(kept_of(w, 1, 0), 1);
	assert_int_equal(kept_of(w, 2, 0), 1);
	/* The same again and again costs nobody anything. */
	before = frames;
	for (unsigned i = 0; i < 2000; i++)
		feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 3000);
	assert_int_equal(frames, before);
	assert_int_equal(faults(w), 0);
	buffer_free(&note);
	over(w);
}

static void expect_fault(const char *what, void (*make)(struct world *w, struct buffer *note))
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	struct buffer note = BUFFER_INIT;

	make(w, &note);
	feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 1000);
	if (w->nodes[1].faults != 1)
		fail_msg("%s: %u faults", what, w->nodes[1].faults);
	assert_int_equal(kept_of(w, 1, 0), 0);
	buffer_free(&note);
	over(w);
}

static struct bytes note_at(struct world *w)
{
	return replica_note(log_of_origin(&w->nodes[0], &w->nodes[0])->replica);
}

static void make_garbage(struct world *w, struct buffer *note)
{
	(void)w;
	buffer_add_str(note, "hello\n");
}

static void make_unsigned(struct world *w, struct buffer *note)
{
	struct key key = fixture_key(witnesses[2].key);
	struct note parsed;

	assert_int_equal(note_parse(&parsed, note_at(w)), OK);
	buffer_add(note, parsed.text.data, parsed.text.len);
	buffer_add_str(note, "\n");
	assert_int_equal(
	    note_cosign(note, parsed.text, bytes_str("n2.example/cosigner"), &key, 1), OK);
}

/* Of another log than the frame says. */
static void make_other_log(struct world *w, struct buffer *note)
{
	struct bytes base = replica_note(log_of_origin(&w->nodes[2], &w->nodes[2])->replica);

	buffer_add(note, base.data, base.len);
}

static void test_faults(void **state)
{
	(void)state;
	expect_fault("garbage", make_garbage);
	expect_fault("without the log key", make_unsigned);
	expect_fault("another log's", make_other_log);
}

/* Of two keys with one id the peer may have known another than we. */
static void test_same_id(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	struct bytes base = note_at(w);
	struct key old = fixture_key(witnesses[2].key);
	struct node_body known, other = fixture_node("n2.example", 2, 1, 2, 222);
	struct buffer note = BUFFER_INIT;
	struct note parsed;

	(void)state;
	known = fixture_node("n2.example", 1, 1, 2, witnesses[2].key);
	memcpy(other.cosigner.id, known.cosigner.id, sizeof other.cosigner.id);
	assert_int_equal(anchor_learn(witnesses[1].anchor, "n2.example", w->nodes[2].root.public,
			     &other.cosigner, 2),
	    1);
	assert_int_equal(note_parse(&parsed, base), OK);
	buffer_add(&note, base.data, base.len);
	assert_int_equal(
	    note_cosign(&note, parsed.text, bytes_str("n2.example/cosigner"), &old, 1), OK);
	for (unsigned i = 0; i < 10; i++)
		feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 2000);
	assert_int_equal(faults(w), 0);
	assert_int_equal(kept_of(w, 1, 0), 0);
	/* Another line of the same note is not lost by it. */
	note.len = 0;
	buffer_add(&note, base.data, base.len);
	assert_int_equal(note_cosign(&note, bytes_str("something else\n"),
			     bytes_str("n2.example/cosigner"), &old, 1),
	    OK);
	assert_int_equal(anchor_learn(witnesses[1].anchor, "n2.example", w->nodes[2].root.public,
			     &known.cosigner, 3),
	    1);
	cosign_add(&w->nodes[2], &note);
	feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 2000);
	assert_int_equal(faults(w), 0);
	assert_int_equal(kept_of(w, 1, 0), 1);
	buffer_free(&note);
	over(w);
}

static void note_of_size(struct world *w, uint64_t size, uint8_t root, struct buffer *note)
{
	struct checkpoint c;

	memset(&c, 0, sizeof c);
	strcpy(c.origin, w->nodes[0].credential.binding.log_name);
	c.size = size;
	if (root == 0)
		assert_int_equal(replica_root_at(log_of_origin(&w->nodes[0], &w->nodes[0])->replica,
				     size, c.root),
		    OK);
	else
		memset(c.root, root, HASH_LEN);
	assert_int_equal(checkpoint_sign(note, &c, &w->nodes[0].log_key), OK);
}

/* Of a size that isn't here: nothing is kept of it, and it is asked for once it can be. */
static void test_ahead(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	struct buffer note = BUFFER_INIT;

	(void)state;
	note_of_size(w, 1000, 9, &note);
	cosign_add(&w->nodes[2], &note);
	for (unsigned i = 0; i < 100; i++)
		feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 3000);
	assert_int_equal(kept_of(w, 1, 0), 0);
	assert_int_equal(faults(w), 0);
	over(w);
	buffer_free(&note);
}

/* Another root at a size that is held, signed by the log's key: a fork, wherever it is. */
static void test_other_root(void **state)
{
	static const uint64_t sizes[] = {5, 3, 1};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct end *e;
		struct world *w = pair_of_nodes(&e);
		struct buffer note = BUFFER_INIT;

		note_of_size(w, sizes[i], 9, &note);
		feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
		go(w, 500);
		assert_int_equal(kept_of(w, 1, 0), 0);
		assert_true(log_of_origin(&w->nodes[1], &w->nodes[0])->disputed_at > 0);
		assert_int_equal(w->nodes[1].faults, 0);
		buffer_free(&note);
		over(w);
	}
}

/* Ours, when the log has become another one since the signer was asked. */
static void test_own_late(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	struct node *n = &w->nodes[2];
	struct held_log *l = log_of_origin(n, &w->nodes[0]);
	const struct cosigner *me = anchor_of(witnesses[2].anchor, n->name, n->root.public);
	static const struct {
		uint64_t size;
		uint8_t root;
		int err;
	} cases[] = {{6, 9, ERR_STALE}, {5, 9, ERR_FORK}, {4, 9, ERR_FORK}, {4, 0, OK}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct buffer note = BUFFER_INIT;

		note_of_size(w, cases[i].size, cases[i].root, &note);
		cosign_add(n, &note);
		assert_int_equal(
		    sync_cosign(n->sync, l->no, me, buffer_bytes(&note), seconds), cases[i].err);
		buffer_free(&note);
	}
	over(w);
}

static void stands(struct world *w, unsigned node)
{
	struct held_log *l = log_of_origin(&w->nodes[node], &w->nodes[0]);
	struct replica *r = log_of_origin(&w->nodes[0], &w->nodes[0])->replica;

	assert_non_null(l);
	assert_int_equal(
	    sync_stand(w->nodes[node].sync, l->no, replica_held(r), replica_held_root(r), w->now),
	    OK);
}

/* A log that has ended: it is anchored on all nodes, also on one that joins late, and then nobody
 * says anything any more. */
static void test_ended(void **state)
{
	struct world *w = cosigning(4, 2, NODES_MAX, 95);
	size_t before;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 4, 0);
	go(w, 4000);
	for (unsigned i = 0; i < 4; i++)
		stands(w, i);
	go(w, 3000);
	link_set(w, &w->ends[4], false);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = i == 3;
	go(w, 8000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(anchored(w, i, 0), 5);
	assert_int_equal(anchored(w, 3, 0), 0);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	link_set(w, &w->ends[4], true);
	go(w, 5000);
	assert_int_equal(anchored(w, 3, 0), 5);
	before = frames;
	go(w, 200000);
	assert_int_equal(frames, before);
	assert_int_equal(faults(w), 0);
	over(w);
}

/* A cosigner and an origin together can make one good cosignature after another, of rising sizes:
 * as many are looked at as the allowance says, one is kept, and one a second goes on. */
static void test_flood(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	size_t before;

	(void)state;
	post(&w->nodes[0], 3000, 0);
	go(w, 5000);
	before = frames;
	lookups = 0;
	for (uint64_t size = 6; size < 3000; size++) {
		struct buffer note = BUFFER_INIT;

		note_of_size(w, size, 0, &note);
		cosign_add(&w->nodes[2], &note);
		feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
		buffer_free(&note);
	}
	go(w, 2000);
	print_message(
	    "# of 2,994 rising cosignatures at once %zu were looked at, %zu frames sent\n", lookups,
	    frames - before);
	assert_true(lookups < 1600);
	assert_true(frames - before < 10);
	assert_int_equal(kept_of(w, 1, 0), 1);
	assert_int_equal(faults(w), 0);
	over(w);
}

/* Asking is free, but the answer comes once a second. */
static void test_asking(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	Convene__CheckpointGet m = CONVENE__CHECKPOINT_GET__INIT;
	struct buffer note = BUFFER_INIT;
	size_t before;

	(void)state;
	buffer_add(&note, note_at(w).data, note_at(w).len);
	cosign_add(&w->nodes[2], &note);
	feed_from(e, buffer_bytes(&note), bytes_of(NULL, 0));
	go(w, 3000);
	before = frames;
	m.log = pb_of(bytes_of(w->nodes[0].credential.binding.digest, DIGEST_LEN));
	for (unsigned i = 0; i < 3000; i++)
		io_send(&w->nodes[0], e, FRAME_CHECKPOINT_GET, 0, &m.base);
	go(w, 3000);
	assert_in_range(frames - before, 1, 4);
	assert_int_equal(faults(w), 0);
	buffer_free(&note);
	over(w);
}

/* A peer has more of a quiet log anchored, and says so just after it was asked: it is asked again.
 */
static void test_told_soon(void **state)
{
	struct end *e;
	struct world *w = pair_of_nodes(&e);
	Convene__Subscribe m = CONVENE__SUBSCRIBE__INIT;
	size_t before = frames;

	(void)state;
	m.log = pb_of(bytes_of(w->nodes[1].credential.binding.digest, DIGEST_LEN));
	m.from = m.anchored = 1;
	io_send(&w->nodes[0], e, FRAME_SUBSCRIBE, 77, &m.base);
	go(w, 300);
	assert_int_equal(frames - before, 1);
	io_send(&w->nodes[0], e, FRAME_SUBSCRIBE, 77, &m.base);
	go(w, 300);
	assert_int_equal(frames - before, 1);
	go(w, 5000);
	assert_int_equal(frames - before, 2);
	assert_int_equal(faults(w), 0);
	over(w);
}

/* Frames of the feature between nodes of which one does not name it. */
static void test_without(void **state)
{
	struct world *w = cosigning(2, 1, NODES_MAX, 90);
	struct end *e = wire(w, 0, 1);

	(void)state;
	w->nodes[0].old = true;
	wires_up(w);
	go(w, 4000);
	assert_int_equal(frames, 0);
	assert_true(all_equal(w));
	feed_from(e, note_at(w), bytes_of(NULL, 0));
	go(w, 500);
	assert_int_equal(w->nodes[1].faults, 1);
	over(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_too_few),
	    cmocka_unit_test(test_contents),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_failing_stores),
	    cmocka_unit_test(test_lost_store),
	    cmocka_unit_test(test_slow_stores),
	    cmocka_unit_test(test_behind_data),
	    cmocka_unit_test(test_stranger),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_unverified),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_same_id),
	    cmocka_unit_test(test_own_late),
	    cmocka_unit_test(test_ended),
	    cmocka_unit_test(test_ahead),
	    cmocka_unit_test(test_other_root),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_asking),
	    cmocka_unit_test(test_told_soon),
	    cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
