/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures by which a hostile peer gets nothing: node 1 is given frames as if from node 0. */
#include "cosign_world.h"

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
