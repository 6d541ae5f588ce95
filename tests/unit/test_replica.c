/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/replica: what a DATA may add to a log, and what its origin adds. */
#include "replica_fixture.h"

/* ---- staging ---- */

static void test_staging(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	const struct replica_batch *first, *second;
	uint8_t empty[HASH_LEN];

	(void)state;
	assert_string_equal(replica_name(n->replica), NAME);
	memcpy(empty, replica_held_root(n->replica), HASH_LEN);
	assert_int_equal(replica_note(n->replica).len, 0);
	assert_int_equal(replica_note_size(n->replica), 0);

	first = stage_some(n, h, 3, 700);
	batch_check(first, h, 0, 3, 700);
	assert_int_equal(replica_staged(n->replica), 3);
	assert_int_equal(replica_held(n->replica), 0);
	assert_memory_equal(replica_held_root(n->replica), empty, HASH_LEN);
	assert_int_equal(replica_note_size(n->replica), 700);
	/* Over two blocks, under a note of exactly its end. */
	second = stage_some(n, h, 600, 603);
	batch_check(second, h, 3, 600, 603);
	assert_int_equal(second->block_count, 2);
	assert_int_equal(second->right_count, 0);
	assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&second->note)));

	/* In the order in which they were staged. */
	commit(n, first);
	assert_int_equal(replica_held(n->replica), 3);
	assert_int_equal(replica_staged(n->replica), 603);
	commit(n, second);
	assert_int_equal(replica_held(n->replica), 603);
	assert_false(replica_ended(n->replica));
	node_free(n);
	history_free(h);
}

/* Lines of others than the log's key, good or bad, are neither kept nor passed on. */
static void test_ballast(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	struct replica_batch *b;
	enum replica_outcome outcome;
	struct buffer plain = BUFFER_INIT;
	struct data d;
	struct note parsed;

	(void)state;
	data_make(&d, h, 0, 10, 20);
	buffer_add(&plain, d.note.data, d.note.len);
	assert_int_equal(note_parse(&parsed, buffer_bytes(&d.note)), OK);
	assert_int_equal(
	    note_cosign(&d.note, parsed.text, bytes_str("a.example/cosigner"), &other_key, 1), OK);
	for (unsigned i = 0; i < 100; i++) {
		buffer_add_str(&d.note, "\xe2\x80\x94 x.example/cosigner ");
		buffer_add_str(&d.note, "AAAAAAAAAAAAAAAAAAAAAAAA\n");
	}
	assert_int_equal(stage(n, &d, &outcome, &b), OK);
	assert_int_equal(outcome, REPLICA_STAGED);
	assert_true(bytes_equal(buffer_bytes(&b->note), buffer_bytes(&plain)));
	assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&plain)));
	commit(n, b);
	/* Nor when an older version had stored some. */
	buffer_reset(&n->note);
	buffer_add(&n->note, d.note.data, d.note.len);
	assert_int_equal(node_load(n), OK);
	assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&plain)));
	buffer_free(&plain);
	data_free(&d);
	node_free(n);
	history_free(h);
}

static void test_overlap(void **state)
{
	struct history *h = history_plain(600);
	struct replica_batch *b;

	(void)state;
	for (uint64_t size = 1; size < 520; size += 1 + size / 7) {
		struct node *n = node_new();
		uint64_t first = random_below(size),
			 count = size - first + 1 + random_below(600 - size);

		take(n, h, (size_t)size, size);
		assert_int_equal(offer(n, h, first, (size_t)count, 600, &b), REPLICA_STAGED);
		batch_check(b, h, size, (size_t)(first + count - size), 600);
		/* On top of what is staged only. */
		if (first + count < 600) {
			assert_int_equal(
			    offer(n, h, size - 1, (size_t)(601 - size), 600, &b), REPLICA_STAGED);
			batch_check(b, h, first + count, (size_t)(600 - first - count), 600);
		}
		node_free(n);
	}
	history_free(h);
}

static void test_ahead_and_duplicate(void **state)
{
	struct history *h = history_plain(400);
	struct node *n = node_new();
	struct replica_batch *b;

	(void)state;
	assert_int_equal(offer(n, h, 1, 5, 400, &b), REPLICA_AHEAD);
	assert_null(b);
	take(n, h, 300, 310);
	assert_int_equal(offer(n, h, 301, 9, 400, &b), REPLICA_AHEAD);
	assert_null(b);
	assert_int_equal(offer(n, h, 0, 300, 400, &b), REPLICA_DUPLICATE);
	assert_null(b);
	assert_int_equal(offer(n, h, 299, 1, 300, &b), REPLICA_DUPLICATE);
	assert_int_equal(offer(n, h, 100, 50, 400, &b), REPLICA_DUPLICATE);
	assert_null(b);
	/* None of them moved anything, the note included. */
	assert_int_equal(replica_staged(n->replica), 300);
	assert_int_equal(replica_note_size(n->replica), 310);
	prove_some(n, h, 10);
	node_free(n);
	history_free(h);
}

static void test_forked(void **state)
{
	static const struct {
		uint64_t size, forked_at, first, count, note;
	} cases[] = {
	    {10, 5, 0, 10, 10},  /* the same size */
	    {10, 9, 9, 1, 10},   /* the last entry */
	    {10, 0, 10, 1, 11},  /* only what comes before differs */
	    {10, 9, 10, 5, 400}, /* a larger tree */
	    {10, 9, 4, 50, 400},
	    {256, 255, 256, 1, 257},
	    {256, 0, 0, 256, 256},
	    {257, 256, 250, 7, 300},
	    {300, 100, 300, 100, 400},
	    {300, 299, 100, 200, 300},
	    {300, 299, 100, 300, 400},
	};
	struct history *h = history_plain(400);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct history *other = history_new(77, 400, (size_t)cases[i].forked_at, GOOD, 0);
		struct node *n = node_new();
		struct replica_batch *b;

		/* Half of it held, half staged: it's all the same. */
		take(n, h, (size_t)cases[i].size / 2, 400);
		stage_some(n, h, (size_t)(cases[i].size - cases[i].size / 2), 400);
		assert_int_equal(
		    offer(n, other, cases[i].first, (size_t)cases[i].count, cases[i].note, &b),
		    REPLICA_FORKED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), cases[i].size);
		prove_some(n, h, 3);
		/* A fork that begins where we stand can't be told. */
		history_free(other);
		other = history_new(77, 400, (size_t)cases[i].size, GOOD, 0);
		assert_int_equal(offer(n, other, cases[i].size - 1, 2, 400, &b), REPLICA_STAGED);
		batch_check(b, other, cases[i].size, 1, 400);
		history_free(other);
		node_free(n);
	}
	history_free(h);
}

/* Batches of any size, any overlap, commits and failures in between. */
static void test_random(void **state)
{
	struct history *h = history_plain(HISTORY);

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		struct node *n = node_new();
		const struct replica_batch *waiting[HISTORY];
		size_t waiting_count = 0;
		uint64_t expected = 0, size_max = 10 + random_below(round % 3 ? 60 : 400);

		while (replica_held(n->replica) < HISTORY) {
			uint64_t first, end, note;
			struct replica_batch *b;
			enum replica_outcome outcome;

			switch (random_below(8)) {
			case 0:
			case 1:
				if (waiting_count > 0) {
					commit(n, waiting[0]);
					memmove(waiting, waiting + 1,
					    --waiting_count * sizeof *waiting);
				}
				break;
			case 2:
				if (random_below(4) > 0)
					break;
				assert_int_equal(node_unstage(n), OK);
				waiting_count = 0;
				expected = n->size;
				break;
			case 3:
				if (waiting_count > 0 || n->size == 0)
					break;
				assert_int_equal(node_load(n), OK);
				break;
			case 4:
				prove_some(n, h, 2);
				break;
			default:
				first = random_below(10) > 0
					    ? expected - random_below(expected + 1) /
							     (1 + random_below(50))
					    : random_below(HISTORY);
				end = first + 1 + random_below(size_max);
				if (end > HISTORY)
					end = HISTORY;
				if (first >= end)
					break;
				note = end + random_below(HISTORY + 1 - end);
				outcome = offer(n, h, first, (size_t)(end - first), note, &b);
				if (first > expected) {
					assert_int_equal(outcome, REPLICA_AHEAD);
				} else if (end <= expected) {
					assert_int_equal(outcome, REPLICA_DUPLICATE);
				} else {
					assert_int_equal(outcome, REPLICA_STAGED);
					batch_check(b, h, expected, (size_t)(end - expected), note);
					waiting[waiting_count++] = b;
					expected = end;
				}
				assert_true(b != NULL || outcome != REPLICA_STAGED);
			}
			assert_int_equal(replica_staged(n->replica), expected);
			assert_int_equal(replica_held(n->replica), n->size);
			assert_true(replica_note_size(n->replica) >= expected);
		}
		prove_some(n, h, 20);
		node_free(n);
	}
	history_free(h);
}

/* Nobody is shown a head of more than is held. */
static void shown_check(struct node *n, struct history *h, uint64_t held)
{
	struct tree_hash range[TREE_PROOF_MAX], path[64];
	struct buffer note = BUFFER_INIT;
	uint8_t root[HASH_LEN];
	size_t count;

	if (held == 0)
		return;
	history_note(h, held, &log_key, &note);
	history_root(h, held, root);
	assert_true(bytes_equal(replica_shown(n->replica), buffer_bytes(&note)));
	assert_int_equal(replica_prove_shown(n->replica, held - 1, held, range, &count), OK);
	assert_int_equal(
	    range_verify(held - 1, &h->hashes[held - 1], 1, held, range, count, root), OK);
	assert_int_equal(replica_prove_inclusion_shown(n->replica, held - 1, path, &count), OK);
	assert_int_equal(
	    inclusion_verify(held - 1, held, &h->hashes[held - 1], path, count, root), OK);
	buffer_free(&note);
}

/* ---- our own ---- */

static void test_own(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct replica_batch *b;
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN], expected[HASH_LEN], before[HASH_LEN];
	uint64_t size;
	size_t count, hashes;

	(void)state;
	for (uint64_t at = 0; at < HISTORY; at += (size_t)count) {
		count = at == 0 ? 1 : 1 + random_below(90);
		if (count > HISTORY - at)
			count = HISTORY - (size_t)at;
		buffer_reset(&leaves);
		buffer_reset(&note);
		history_leaves(h, at, count, &leaves);
		assert_int_equal(
		    replica_propose(n->replica, buffer_bytes(&leaves), &size, root), OK);
		history_root(h, at + count, expected);
		assert_int_equal(size, at + count);
		assert_memory_equal(root, expected, HASH_LEN);
		assert_int_equal(
		    replica_propose_proof(n->replica, buffer_bytes(&leaves), proof, &hashes), OK);
		if (at > 0) {
			history_root(h, at, before);
			assert_int_equal(
			    consistency_verify(at, size, proof, hashes, before, root), OK);
			proof[hashes / 2].bytes[3] ^= 1;
			assert_int_equal(
			    consistency_verify(at, size, proof, hashes, before, root), ERR_PROOF);
		} else {
			assert_int_equal(hashes, 0);
		}
		assert_int_equal(replica_staged(n->replica), at); /* nothing has happened */
		history_note(h, size, &log_key, &note);
		assert_int_equal(
		    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
		    OK);
		batch_check(b, h, at, count, size);
		shown_check(n, h, at);
		commit(n, b);
		shown_check(n, h, size);
		prove_some(n, h, 2);
		assert_int_equal(replica_prove_inclusion(n->replica, at, proof, &count), OK);
		assert_int_equal(
		    inclusion_verify(at, size, &h->hashes[at], proof, count, root), OK);
		count = (size_t)(size - at);
	}
	buffer_free(&leaves);
	buffer_free(&note);
	node_free(n);
	history_free(h);
}

/* A signature over anything but these leaves after what is staged; and leaves that would end our
 * log. */
static void test_own_refused(void **state)
{
	static const uint8_t zeros[MESSAGE_MAX + 1];
	struct history *h = history_plain(50);
	struct node *n = node_new();
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct checkpoint c = {.origin = NAME};
	struct replica_batch *b;
	uint8_t root[HASH_LEN];
	struct tree_hash proof[64];
	uint64_t size;
	size_t count;

	(void)state;
	take(n, h, 10, 10);
	history_leaves(h, 10, 5, &leaves);
	for (size = 9; size < 20; size++) {
		buffer_reset(&note);
		history_note(h, size, &log_key, &note);
		if (size != 15) {
			assert_int_equal(replica_stage_own(n->replica, buffer_bytes(&leaves),
					     buffer_bytes(&note), &b),
			    ERR_PROOF);
			assert_null(b);
		}
	}
	/* The root is right, the size is not. */
	c.size = 16;
	history_root(h, 15, c.root);
	buffer_reset(&note);
	assert_int_equal(checkpoint_sign(&note, &c, &log_key), OK);
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_PROOF);
	buffer_reset(&note);
	history_note(h, 15, &other_key, &note);
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_UNSIGNED);
	buffer_reset(&note);
	history_note(h, 15, &log_key, &note);
	leaves.data[2] ^= 1;
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_PROOF);
	leaves.data[2] ^= 1;
	assert_int_equal(replica_stage_own(n->replica, bytes_of(NULL, 0), buffer_bytes(&note), &b),
	    ERR_MALFORMED);
	assert_int_equal(
	    replica_propose(n->replica, bytes_of(NULL, 0), &size, root), ERR_MALFORMED);
	assert_int_equal(
	    replica_propose_proof(n->replica, bytes_of(NULL, 0), proof, &count), ERR_MALFORMED);
	assert_int_equal(count, 0);
	assert_int_equal(replica_staged(n->replica), 10);

	for (unsigned i = 0; i < 2; i++) {
		buffer_reset(&leaves);
		history_leaves(h, 10, 2, &leaves);
		leaves_add(&leaves, bytes_of(zeros, i ? sizeof zeros : 0));
		assert_int_equal(
		    replica_propose(n->replica, buffer_bytes(&leaves), &size, root), ERR_INVALID);
		assert_int_equal(
		    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
		    ERR_INVALID);
	}
	buffer_free(&leaves);
	buffer_free(&note);
	node_free(n);
	history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_staging),
	    cmocka_unit_test(test_ballast),
	    cmocka_unit_test(test_overlap),
	    cmocka_unit_test(test_ahead_and_duplicate),
	    cmocka_unit_test(test_forked),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_own_refused),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
