/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/sync: two histories of one log, and what a successor makes of them. Nodes 0 and 1 are one
 * organisation, the even ones are shown the history of 0 and the odd ones that of 1. */
#include "sync_world.h"

#define COMMON 5

static struct held_log *log_of_liar(struct world *w, size_t i)
{
	return log_of_origin(&w->nodes[i], &w->nodes[0]);
}

/* Both write the same. */
static void post_both(struct world *w, size_t count, size_t content_max)
{
	uint64_t random = w->random;

	post(&w->nodes[0], count, content_max);
	w->random = random;
	post(&w->nodes[1], count, content_max);
}

/* Halves that are connected in themselves; the wires between them come last, and are down. Returns
 * the first of those. */
static size_t halves(struct world *w)
{
	size_t first;

	for (unsigned i = 2; i < w->node_count; i++) {
		wire(w, i, i - 2);
		if (i >= 6 && next_random(w) % 2)
			wire(w, i, i % 2 + 2 * (unsigned)(next_random(w) % (i / 2 - 1)));
	}
	first = w->end_count;
	for (size_t i = 0; i < w->node_count / 4 + 1; i++) {
		unsigned a = 2 + 2 * (unsigned)(next_random(w) % (w->node_count / 2 - 1));
		unsigned b = 3 + 2 * (unsigned)(next_random(w) % (w->node_count / 2 - 1));

		wire(w, a, b);
	}
	return first;
}

static void wires_set(struct world *w, size_t first, size_t end, bool up)
{
	for (size_t i = first; i < end; i += 2)
		link_set(w, &w->ends[i], up);
}

/* The halves hold two histories, and are about to be connected. */
static struct world *parted(
    size_t nodes, uint64_t seed, size_t one, size_t other, size_t content_max, size_t *between)
{
	struct world *w = world_of(nodes, seed, true);

	begin(w);
	post_both(w, COMMON - 1, content_max);
	w->nodes[1].date = 1; /* or they would write the same again */
	post(&w->nodes[0], one, content_max);
	post(&w->nodes[1], other, content_max);
	*between = halves(w);
	wires_set(w, 0, *between, true);
	run(w, 4000 + 400 * nodes);
	for (size_t i = 2; i < nodes; i++)
		assert_int_equal(
		    replica_held(log_of_liar(w, i)->replica), COMMON + (i % 2 ? other : one));
	return w;
}

static void assert_disputed(struct world *w, uint64_t since, uint64_t within)
{
	for (size_t i = 2; i < w->node_count; i++) {
		const struct held_log *l = log_of_liar(w, i);

		assert_int_equal(l->disputes, 1);
		assert_in_range(l->disputed_at - since, 0, within);
		assert_in_range(l->proof.len, 1, 4096);
		assert_int_equal(sync_doubt(w->nodes[i].sync, l->no), SYNC_DISPUTED);
		for (size_t k = 0; k < w->nodes[i].log_count; k++) {
			if (&w->nodes[i].logs[k] != l)
				assert_int_equal(w->nodes[i].logs[k].disputes, 0);
		}
	}
	assert_int_equal(faults(w), 0);
}

static bool same_frontier(struct world *w, size_t a, size_t b)
{
	uint8_t one[HASH_LEN], other[HASH_LEN];

	sync_frontier(w->nodes[a].sync, one);
	sync_frontier(w->nodes[b].sync, other);
	return memcmp(one, other, HASH_LEN) == 0;
}

static void assert_same_frontiers(struct world *w, uint64_t within)
{
	uint64_t end = w->now + within;
	size_t i;

	do {
		run(w, 50);
		for (i = 1; i < w->node_count && same_frontier(w, 0, i); i++)
			;
	} while (i < w->node_count && w->now < end);
	if (i < w->node_count) {
		for (size_t k = 0; k < w->node_count; k++)
			print_error("node %zu: %llu, doubt %d, %u cuts\n", k,
			    (unsigned long long)replica_held(log_of_liar(w, k)->replica),
			    sync_doubt(w->nodes[k].sync, log_of_liar(w, k)->no),
			    log_of_liar(w, k)->cuts);
		fail_msg("frontiers differ after %llu ms", (unsigned long long)within);
	}
}

/* ---- disputed ---- */

static void disputes(size_t nodes, uint64_t seed, size_t one, size_t other)
{
	size_t between;
	struct world *w = parted(nodes, seed, one, other, 0, &between);
	uint64_t healed = w->now;

	wires_set(w, between, w->end_count, true);
	run(w, 1000);
	/* A frontier there and back, a question and its answer, and the proof over all links: no
	 * clock of ours is waited for. */
	assert_disputed(w, healed, 4 * w->delay_max + w->delay_max * nodes / 4);
	assert_same_frontiers(w, 3000);
	/* Nothing is taken of it any more, and all the rest goes on. */
	post(&w->nodes[0], 3, 0);
	post(&w->nodes[1], 3, 0);
	post(&w->nodes[2], 3, 0);
	run(w, 4000);
	for (size_t i = 2; i < nodes; i++) {
		assert_int_equal(
		    replica_held(log_of_liar(w, i)->replica), COMMON + (i % 2 ? other : one));
		assert_int_equal(
		    replica_held(log_of_origin(&w->nodes[i], &w->nodes[2])->replica), 4);
	}
	assert_int_equal(faults(w), 0);
	world_free(w);
}

static void test_disputed(void **state)
{
	static const size_t sizes[][2] = {
	    {1, 1}, {1, 2}, {2, 1}, {40, 3}, {3, 40}, {300, 300}, {3, 59}, {300, 251}, {1, 600}};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		disputes(8, 100 + i, sizes[i][0], sizes[i][1]);
}

static void test_thirty(void **state)
{
	(void)state;
	disputes(30, 1, 20, 20);
	disputes(30, 2, 20, 33);
}

/* Who connects later hears of it at once; who doesn't know the log hears of it behind LOG; a peer
 * without the feature is told nothing. */
static void test_later(void **state)
{
	size_t between;
	struct world *w = parted(8, 7, 4, 4, 0, &between);
	struct end *old;

	(void)state;
	link_set(w, &w->ends[between], true);
	run(w, 1000);
	wires_set(w, 0, w->end_count, false);
	w->nodes[0].old = true;
	old = wire(w, 0, 2);
	link_set(w, old, true);
	run(w, 1000);
	assert_int_equal(log_of_liar(w, 0)->disputes, 1); /* told while it was new */
	assert_int_equal(faults(w), 0);
	world_free(w);
}

static struct buffer note_of(
    struct node *origin, uint64_t size, uint8_t root, const struct key *key)
{
	struct buffer note = BUFFER_INIT;
	struct checkpoint c = {.size = size};

	strcpy(c.origin, origin->credential.binding.log_name);
	memset(c.root, root, sizeof c.root);
	assert_int_equal(checkpoint_sign(&note, &c, key), OK);
	return note;
}

static struct buffer proof_of(struct node *origin)
{
	struct buffer one = note_of(origin, 7, 1, &origin->log_key);
	struct buffer other = note_of(origin, 7, 2, &origin->log_key), proof = BUFFER_INIT;

	assert_int_equal(fork_proof_make(&proof, buffer_bytes(&one), buffer_bytes(&other), NULL,
			     NULL, 0, &origin->credential.log),
	    OK);
	buffer_free(&one);
	buffer_free(&other);
	return proof;
}

/* 2 has shown the log to 1, which asks for it, when it hears that it is disputed. */
static void test_behind_log(void **state)
{
	(void)state;
	for (size_t frames = 3; frames < 6; frames++) {
		struct world *w = world_new(3, 11);
		struct buffer proof = proof_of(&w->nodes[0]);
		struct held_log *l;

		wire(w, 0, 2);
		wire(w, 1, 2);
		begin(w);
		post(&w->nodes[0], 3, 0);
		link_set(w, &w->ends[0], true);
		run(w, 1000);
		link_set(w, &w->ends[2], true);
		while (w->nodes[1].frames_sent < frames)
			run(w, 1);
		l = log_of_liar(w, 2);
		assert_int_equal(
		    sync_dispute(w->nodes[2].sync, l->no, buffer_bytes(&proof), w->now), OK);
		run(w, 1000);
		l = log_of_liar(w, 1);
		assert_non_null(l);
		assert_int_equal(l->disputes, 1);
		assert_int_equal(faults(w), 0);
		buffer_free(&proof);
		world_free(w);
	}
}

/* The proof comes before the log is taken up: it is asked for again. */
static void test_before_log(void **state)
{
	struct world *w = world_new(3, 12);
	struct buffer proof = proof_of(&w->nodes[0]);
	const struct credential *c = &w->nodes[0].credential;

	(void)state;
	wire(w, 0, 2);
	wire(w, 1, 2);
	begin(w);
	post(&w->nodes[0], 3, 0);
	link_set(w, &w->ends[0], true);
	run(w, 1000);
	w->nodes[1].defers = true;
	link_set(w, &w->ends[2], true);
	run(w, 1000);
	assert_null(log_of_liar(w, 1));
	assert_int_equal(
	    sync_dispute(w->nodes[2].sync, log_of_liar(w, 2)->no, buffer_bytes(&proof), w->now),
	    OK);
	run(w, 1000);
	assert_non_null(log_take(
	    &w->nodes[1], bytes_str(c->binding.log_name), buffer_bytes(&c->message), false));
	run(w, 1000);
	assert_int_equal(log_of_liar(w, 1)->disputes, 1);
	assert_int_equal(faults(w), 0);
	buffer_free(&proof);
	world_free(w);
}

static void take_up(struct world *w, size_t i)
{
	const struct credential *c = &w->nodes[0].credential;

	w->nodes[i].defers = false;
	assert_null(log_of_liar(w, i));
	assert_non_null(log_take(
	    &w->nodes[i], bytes_str(c->binding.log_name), buffer_bytes(&c->message), false));
}

/* 2 has shown one history to 3, and 1 another, as long; and 3 doesn't know the log yet. */
static struct world *meeting(uint64_t seed)
{
	struct world *w = world_of(4, seed, true);

	begin(w);
	post_both(w, COMMON - 1, 0);
	w->nodes[1].date = 1;
	post(&w->nodes[0], 3, 0);
	post(&w->nodes[1], 3, 0);
	w->nodes[3].defers = true;
	link_set(w, wire(w, 2, 0), true);
	run(w, 1000);
	link_set(w, wire(w, 3, 2), true);
	link_set(w, wire(w, 3, 1), true);
	run(w, 1000);
	return w;
}

/* Then 3 gets that of the origin: neither 2 nor 3 has anything more to show. */
static void test_shown_before_log(void **state)
{
	struct world *w = meeting(14);

	(void)state;
	take_up(w, 3);
	run(w, 2000);
	assert_int_equal(replica_held(log_of_liar(w, 2)->replica), COMMON + 3);
	assert_int_equal(replica_held(log_of_liar(w, 3)->replica), COMMON + 3);
	for (size_t i = 2; i < 4; i++)
		assert_int_equal(log_of_liar(w, i)->disputes, 1);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Whoever asks for a disputed log gets its proof behind it. */
static void test_log_get(void **state)
{
	struct world *w = world_new(2, 13);
	struct buffer proof = proof_of(&w->nodes[0]);
	struct end *e = wire(w, 0, 1);
	Convene__LogGet get = CONVENE__LOG_GET__INIT;
	size_t before;

	(void)state;
	begin(w);
	assert_int_equal(
	    sync_dispute(w->nodes[0].sync, log_of_liar(w, 0)->no, buffer_bytes(&proof), w->now),
	    OK);
	link_set(w, e, true);
	run(w, 1000);
	assert_null(log_of_liar(w, 1)); /* it isn't shown */
	before = w->nodes[0].frames_sent;
	get.log = pb_of(bytes_of(w->nodes[0].credential.binding.digest, DIGEST_LEN));
	frame_give(e, FRAME_LOG_GET, &get.base);
	assert_int_equal(w->nodes[0].frames_sent - before, 2);
	buffer_free(&proof);
	world_free(w);
}

/* ---- successors ---- */

struct stand {
	uint64_t size;
	uint8_t root[HASH_LEN];
};

static struct stand stand_of(struct world *w, size_t node, uint64_t size)
{
	struct stand s = {.size = size};

	assert_int_equal(replica_root_at(log_of_liar(w, node)->replica, size, s.root), OK);
	return s;
}

static void stand_at(struct world *w, size_t i, const struct stand *s)
{
	assert_int_equal(
	    sync_stand(w->nodes[i].sync, log_of_liar(w, i)->no, s->size, s->root, w->now), OK);
}

static void assert_standing(struct world *w, const struct stand *s)
{
	for (size_t i = 0; i < w->node_count; i++) {
		const struct held_log *l = log_of_liar(w, i);

		assert_int_equal(replica_held(l->replica), s->size);
		assert_memory_equal(replica_held_root(l->replica), s->root, HASH_LEN);
		assert_int_equal(l->stands, 1);
		assert_int_equal(sync_doubt(w->nodes[i].sync, l->no), SYNC_SHOWN);
		assert_in_range(l->cuts, 0, 1);
	}
	assert_int_equal(faults(w), 0);
}

static size_t leaves_in(const struct buffer *b)
{
	struct bytes leaf;
	size_t pos = 0, n = 0;

	while (leaves_next(buffer_bytes(b), &pos, &leaf) == OK)
		n++;
	return n;
}

/* `gap`: ms between one node's hearing of the successor and the next one's. */
static void succeeds(uint64_t seed, size_t one, size_t other, uint64_t size, uint64_t gap)
{
	size_t between, nodes = 10;
	struct world *w = parted(nodes, seed, one, other, 300, &between);
	struct stand s = stand_of(w, 0, size);

	wires_set(w, between, w->end_count, true);
	run(w, 1000);
	for (size_t i = 0; i < nodes; i++) {
		stand_at(w, (i * 7 + seed) % nodes, &s);
		assert_int_equal(sync_stand(w->nodes[0].sync, 99, 1, s.root, w->now), ERR_NOTFOUND);
		run(w, gap);
	}
	assert_same_frontiers(w, 60000);
	assert_all_equal(w, 60000);
	assert_standing(w, &s);
	for (size_t i = 0; i < nodes; i++) {
		const struct held_log *l = log_of_liar(w, i);
		uint64_t had = COMMON + (i % 2 ? other : one);
		uint64_t kept = i % 2 == 0 || size < COMMON ? size : COMMON;

		assert_int_equal(leaves_in(&l->off), had > kept ? had - kept : 0);
		assert_int_equal(l->cuts, had > kept);
		/* It ends there. */
		assert_int_equal(sync_stand(w->nodes[i].sync, l->no, size, s.root, w->now), OK);
		assert_int_equal(
		    sync_stand(w->nodes[i].sync, l->no, size + 1, s.root, w->now), ERR_REFUSED);
	}
	world_free(w);
}

static void test_successor(void **state)
{
	(void)state;
	succeeds(1, 10, 10, COMMON + 10, 0);
	succeeds(2, 10, 10, COMMON + 4, 0);
	succeeds(3, 10, 10, COMMON, 0);
	succeeds(4, 10, 10, COMMON - 2, 0);
	succeeds(5, 300, 4, COMMON + 300, 0);
	succeeds(6, 4, 300, COMMON + 4, 0);
	succeeds(7, 300, 300, COMMON + 277, 0);
}

/* Some are still disputed while others have cut and go on. */
static void test_successor_slowly(void **state)
{
	(void)state;
	succeeds(11, 10, 10, COMMON + 10, 900);
	succeeds(12, 300, 40, COMMON + 280, 1500);
	succeeds(13, 40, 300, COMMON + 1, 300);
}

/* Nobody ever saw that there were two. */
static void test_successor_unseen(void **state)
{
	size_t between;
	struct world *w = parted(8, 21, 30, 12, 300, &between);
	struct stand s = stand_of(w, 0, COMMON + 20);

	(void)state;
	for (size_t i = 0; i < 8; i++)
		stand_at(w, i, &s);
	wires_set(w, between, w->end_count, true);
	assert_all_equal(w, 30000);
	assert_standing(w, &s);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(log_of_liar(w, i)->disputes, 0);
	world_free(w);
}

/* 2 shows what stands to 3 before that knows the log, and never again; from the origin comes
 * something else. */
static void test_successor_before_log(void **state)
{
	struct world *w = meeting(24);
	struct stand s = stand_of(w, 2, COMMON + 3);

	(void)state;
	stand_at(w, 0, &s);
	stand_at(w, 2, &s);
	run(w, 1000);
	take_up(w, 3);
	stand_at(w, 3, &s);
	run(w, 10000);
	assert_int_equal(log_of_liar(w, 3)->stands, 1);
	stand_at(w, 1, &s);
	assert_all_equal(w, 30000);
	assert_standing(w, &s);
	world_free(w);
}

/* Only the one that cuts back hears of it; its peers are still on the branch that it leaves. */
static void test_successor_among_old(void **state)
{
	size_t between;
	struct world *w = parted(8, 22, 30, 12, 300, &between);
	struct stand s = stand_of(w, 0, COMMON + 20);

	(void)state;
	for (size_t i = 0; i < 8; i += 2)
		stand_at(w, i, &s);
	stand_at(w, 3, &s);
	wire(w, 3, 2);
	link_set(w, &w->ends[w->end_count - 2], true);
	run(w, 10000);
	assert_int_equal(log_of_liar(w, 3)->stands, 1);
	assert_int_equal(faults(w), 0);
	for (size_t i = 1; i < 8; i += 2) {
		if (i != 3)
			stand_at(w, i, &s);
	}
	assert_all_equal(w, 30000);
	assert_standing(w, &s);
	world_free(w);
}

/* The disk fails; links come and go; a guide says nothing. */
static void test_successor_trouble(void **state)
{
	size_t between;
	struct world *w = parted(10, 23, 300, 200, 300, &between);
	struct stand s = stand_of(w, 0, COMMON + 290);

	(void)state;
	wires_set(w, between, w->end_count, true);
	run(w, 1000);
	for (size_t i = 0; i < 10; i++) {
		w->nodes[i].fail_cuts = (unsigned)i % 3;
		w->nodes[i].fail_commits = (unsigned)i % 4;
		stand_at(w, i, &s);
	}
	w->ends[between].mute = w->ends[between + 1].mute = true;
	for (size_t i = 0; i < 40; i++) {
		struct end *e = &w->ends[next_random(w) % w->end_count];

		link_set(w, e, false);
		run(w, next_random(w) % 300);
		link_set(w, e, true);
	}
	w->ends[between].mute = w->ends[between + 1].mute = false;
	assert_all_equal(w, 120000);
	assert_standing(w, &s);
	world_free(w);
}

/* ---- hostile peers ---- */

/* Whether that is the peer's fault, which it is told once. */
static bool is_fault(struct end *to, uint8_t type, const ProtobufCMessage *m)
{
	unsigned before = to->node->faults;

	frame_give(to, type, m);
	assert_in_range(to->node->faults - before, 0, 1);
	return to->node->faults > before;
}

static void test_hostile(void **state)
{
	struct world *w = world_new(3, 31);
	struct end *e = wire(w, 1, 2)->other; /* 2 is the one that is told lies */
	struct held_log *l;
	struct buffer one, other, wrong, strange;
	Convene__ForkProof fork = CONVENE__FORK_PROOF__INIT;
	Convene__Checkpoint c = CONVENE__CHECKPOINT__INIT;
	Convene__Head head = CONVENE__HEAD__INIT, *heads[] = {&head};
	Convene__Announce announce = CONVENE__ANNOUNCE__INIT;
	uint8_t many[65 * HASH_LEN] = {7};

	(void)state;
	begin(w);
	post(&w->nodes[1], 9, 0);
	link_set(w, e, true);
	run(w, 2000);
	l = log_of_origin(&w->nodes[2], &w->nodes[1]);
	one = note_of(&w->nodes[1], 7, 1, &w->nodes[1].log_key);
	other = note_of(&w->nodes[1], 7, 2, &w->nodes[1].log_key);
	wrong = note_of(&w->nodes[1], 7, 2, &w->nodes[0].log_key);
	strange = note_of(&w->nodes[0], 7, 2, &w->nodes[0].log_key);

	/* FORK */
	fork.smaller = fork.larger = pb_of(buffer_bytes(&one));
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	fork.larger = pb_of(buffer_bytes(&wrong));
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	fork.larger = pb_of(replica_note(l->replica));
	assert_true(is_fault(e, FRAME_FORK, &fork.base)); /* sizes differ: where is the proof? */
	fork.root = pb_of(bytes_of(many, HASH_LEN));
	fork.proof = pb_of(bytes_of(many, 3 * HASH_LEN));
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	fork.proof = pb_of(bytes_of(many, sizeof many));
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	fork.smaller = pb_of(bytes_of("not", 3));
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	fork.smaller = fork.larger = pb_of(buffer_bytes(&strange));
	fork.root = fork.proof = pb_of(bytes_of(NULL, 0));
	assert_false(is_fault(e, FRAME_FORK, &fork.base)); /* of a log that isn't known */
	assert_int_equal(w->nodes[2].rivals, 0);
	fork.smaller = fork.larger = pb_of(bytes_of("not", 3));
	w->nodes[2].rivals_are = ERR_PROOF;
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	w->nodes[2].rivals_are = OK;
	assert_false(is_fault(e, FRAME_FORK, &fork.base));
	assert_int_equal(w->nodes[2].rivals, 2);

	/* CHECKPOINT, whether somebody has asked or not. */
	assert_false(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	c.note = pb_of(buffer_bytes(&strange));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.note = pb_of(buffer_bytes(&wrong));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	head.log = c.log;
	head.size = 7;
	head.root = pb_of(bytes_of(many, 8));
	announce.heads = heads;
	announce.n_heads = 1;
	assert_false(is_fault(e, FRAME_ANNOUNCE, &announce.base));
	c = (Convene__Checkpoint)CONVENE__CHECKPOINT__INIT;
	c.from = replica_note_size(l->replica);
	assert_false(is_fault(e, FRAME_CHECKPOINT, &c.base)); /* of no log */
	c.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.note = pb_of(buffer_bytes(&wrong));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.note = pb_of(replica_note(l->replica));
	c.proof = pb_of(bytes_of(many, 33));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.proof = pb_of(bytes_of(many, sizeof many));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.from++; /* to another question: it isn't looked at */
	assert_false(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.from--;
	c.proof = pb_of(bytes_of(NULL, 0));
	assert_false(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.note = pb_of(buffer_bytes(&wrong)); /* that was the answer */
	assert_false(is_fault(e, FRAME_CHECKPOINT, &c.base));
	c.from = 0;
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	assert_int_equal(l->disputes, 0);

	/* Whoever has two such heads has a fork; once. */
	fork.smaller = pb_of(buffer_bytes(&one));
	fork.larger = pb_of(buffer_bytes(&other));
	assert_false(is_fault(e, FRAME_FORK, &fork.base));
	assert_false(is_fault(e, FRAME_FORK, &fork.base));
	assert_int_equal(l->disputes, 1);
	/* Without the feature none of these are frames. */
	link_set(w, e, false);
	w->nodes[1].old = true;
	link_set(w, e, true);
	assert_true(is_fault(e, FRAME_FORK, &fork.base));
	assert_true(is_fault(e, FRAME_CHECKPOINT, &c.base));
	buffer_free(&one);
	buffer_free(&other);
	buffer_free(&wrong);
	buffer_free(&strange);
	world_free(w);
}

/* What was asked before a successor came may be answered behind it. */
static void test_late_answer(void **state)
{
	struct world *w = world_new(2, 33);
	struct end *e = wire(w, 0, 1)->other;
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;
	Convene__Checkpoint c = CONVENE__CHECKPOINT__INIT;
	Convene__Head head = CONVENE__HEAD__INIT, *heads[] = {&head};
	struct buffer old = BUFFER_INIT;
	struct held_log *l;
	uint8_t root[HASH_LEN] = {1};

	(void)state;
	begin(w);
	wires_up(w);
	post(&w->nodes[0], 3, 50);
	assert_all_equal(w, 5000);
	l = log_of_origin(&w->nodes[1], &w->nodes[0]);
	buffer_add(&old, replica_note(l->replica).data, replica_note(l->replica).len);
	post(&w->nodes[0], 3, 50);
	assert_all_equal(w, 5000);
	e->other->mute = true;
	head.log = c.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	head.size = replica_held(l->replica);
	head.root = pb_of(bytes_of(root, 8));
	m.heads = heads;
	m.n_heads = 1;
	frame_give(e, FRAME_ANNOUNCE, &m.base);
	memcpy(root, replica_held_root(l->replica), HASH_LEN);
	assert_int_equal(
	    sync_stand(w->nodes[1].sync, l->no, replica_held(l->replica), root, w->now), OK);
	c.note = pb_of(buffer_bytes(&old));
	c.from = replica_note_size(l->replica);
	frame_give(e, FRAME_CHECKPOINT, &c.base);
	assert_int_equal(l->stands, 1);
	assert_int_equal(faults(w), 0);
	buffer_free(&old);
	world_free(w);
}

/* Claims of roots that there are not, and questions without end: what they cost has an end. */
static void test_claims(void **state)
{
	struct world *w = world_new(2, 32);
	struct end *e = wire(w, 0, 1)->other;
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;
	Convene__CheckpointGet get = CONVENE__CHECKPOINT_GET__INIT;
	Convene__Head h = CONVENE__HEAD__INIT, *heads[] = {&h};
	uint8_t root[8] = {0};
	struct held_log *l;
	size_t sent;

	(void)state;
	begin(w);
	post(&w->nodes[0], 40, 0);
	link_set(w, e, true);
	run(w, 2000);
	l = log_of_origin(&w->nodes[1], &w->nodes[0]);
	h.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	m.heads = heads;
	m.n_heads = 1;
	sent = w->nodes[1].frames_sent;
	for (unsigned i = 0; i < 1000; i++) {
		root[0] = (uint8_t)i;
		h.root = pb_of(bytes_of(root, sizeof root));
		h.size = 1 + i % 50;
		frame_give(e, FRAME_ANNOUNCE, &m.base);
		run(w, 10);
	}
	run(w, 1000);
	assert_in_range(w->nodes[1].frames_sent - sent, 2, 12); /* it asked, and ever less often */
	sent = w->nodes[1].frames_sent;
	get.log = h.log;
	for (unsigned i = 0; i < 1000; i++) {
		get.from = i % 60;
		frame_give(e, FRAME_CHECKPOINT_GET, &get.base);
	}
	assert_in_range(w->nodes[1].frames_sent - sent, 1, 64);
	run(w, 1000);
	assert_in_range(w->nodes[1].frames_sent - sent, 1, 70);
	assert_int_equal(l->disputes, 0);
	assert_int_equal(w->nodes[1].forked, 0);
	assert_int_equal(faults(w), 0);
	post(&w->nodes[0], 3, 0);
	run(w, 1000);
	assert_int_equal(replica_held(l->replica), 44);
	world_free(w);
}

/* Our own key has signed another history than ours. */
static void test_own(void **state)
{
	size_t between;
	struct world *w = parted(6, 33, 4, 9, 0, &between);

	(void)state;
	link_set(w, wire(w, 0, 3), true);
	run(w, 1000);
	assert_int_equal(log_of_liar(w, 0)->disputes, 1);
	assert_int_equal(sync_doubt(w->nodes[0].sync, log_of_liar(w, 0)->no), SYNC_DISPUTED);
	assert_int_equal(log_of_liar(w, 2)->disputes, 1);
	assert_int_equal(log_of_liar(w, 5)->disputes, 1);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* As loaded at a start. */
static void test_loaded(void **state)
{
	size_t between;
	struct world *w = parted(6, 34, 4, 9, 0, &between);
	struct buffer proof = BUFFER_INIT;
	struct held_log *l;

	(void)state;
	link_set(w, &w->ends[between], true);
	run(w, 1000);
	buffer_add(&proof, log_of_liar(w, 2)->proof.data, log_of_liar(w, 2)->proof.len);
	world_free(w);
	w = parted(6, 34, 4, 9, 0, &between);
	l = log_of_liar(w, 2);
	assert_int_equal(sync_dispute(w->nodes[2].sync, l->no, buffer_bytes(&proof), w->now), OK);
	assert_int_equal(
	    sync_dispute(w->nodes[2].sync, 77, buffer_bytes(&proof), w->now), ERR_NOTFOUND);
	run(w, 500);
	assert_int_equal(l->disputes, 0); /* that is who says so */
	assert_int_equal(sync_doubt(w->nodes[2].sync, l->no), SYNC_DISPUTED);
	assert_int_equal(log_of_liar(w, 4)->disputes, 1);
	assert_int_equal(log_of_liar(w, 3)->disputes, 0);
	wires_set(w, between, w->end_count, true);
	run(w, 500);
	assert_int_equal(log_of_liar(w, 3)->disputes, 1);
	assert_int_equal(log_of_liar(w, 5)->disputes, 1);
	buffer_free(&proof);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_disputed),
	    cmocka_unit_test(test_thirty),
	    cmocka_unit_test(test_later),
	    cmocka_unit_test(test_behind_log),
	    cmocka_unit_test(test_before_log),
	    cmocka_unit_test(test_shown_before_log),
	    cmocka_unit_test(test_log_get),
	    cmocka_unit_test(test_successor),
	    cmocka_unit_test(test_successor_slowly),
	    cmocka_unit_test(test_successor_unseen),
	    cmocka_unit_test(test_successor_before_log),
	    cmocka_unit_test(test_successor_among_old),
	    cmocka_unit_test(test_successor_trouble),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_late_answer),
	    cmocka_unit_test(test_claims),
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
