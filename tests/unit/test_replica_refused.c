/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/replica: what is not taken into a log, and where one ends. */
#include "replica_fixture.h"

/* ---- what does not prove itself ---- */

/* What does not prove itself, or not by this log's key. */
static void test_refused(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	struct data d;
	enum replica_outcome outcome;
	struct replica_batch *b;
	struct buffer many = BUFFER_INIT;
	struct checkpoint c = {
	    .origin = "n1.example/00112233445566778899aabbccddeeff/1", .size = 20};

	(void)state;
	take(n, h, 10, 10);
	data_make(&d, h, 10, 5, 20);

	buffer_reset(&d.note);
	history_note(h, 20, &other_key, &d.note);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_UNSIGNED);
	assert_null(b);
	buffer_reset(&d.note);
	history_root(h, 20, c.root);
	assert_int_equal(checkpoint_sign(&d.note, &c, &log_key), OK);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_OTHER_FORUM);
	/* Another size's note: the proof has another shape, or the root is another. */
	for (uint64_t size = 15; size < 40; size++) {
		buffer_reset(&d.note);
		history_note(h, size, &log_key, &d.note);
		assert_int_equal(stage(n, &d, &outcome, &b), size == 20 ? OK : ERR_PROOF);
		if (size == 20)
			assert_int_equal(node_unstage(n), OK);
	}
	buffer_reset(&d.note);
	history_note(h, 14, &log_key, &d.note);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = 14;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = UINT64_MAX;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = UINT64_MAX - 4;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	data_free(&d);

	data_make(&d, h, 10, 5, 20);
	d.first = 9;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	d.first = 10;
	d.proof.len--;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	d.proof.len -= HASH_LEN - 1;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	data_free(&d);
	data_make(&d, h, 10, 5, 20);
	buffer_add(&d.proof, d.leaves.data, HASH_LEN);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	while (d.proof.len <= TREE_PROOF_MAX * HASH_LEN)
		buffer_add(&d.proof, verifier.public, HASH_LEN);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	data_free(&d);

	data_make(&d, h, 10, 5, 20);
	d.leaves.len--;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	d.leaves.len = 0;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	/* Work is bounded whatever an entry weighs. */
	for (unsigned i = 0; i < 5000; i++)
		leaves_add(&many, bytes_of(NULL, 0));
	assert_int_equal(replica_stage(n->replica, 10, buffer_bytes(&many), buffer_bytes(&d.note),
			     buffer_bytes(&d.proof), &outcome, &b),
	    ERR_TOO_LARGE);
	assert_null(b);
	buffer_free(&many);
	data_free(&d);
	assert_int_equal(replica_staged(n->replica), 10);
	take(n, h, 5, 20);
	node_free(n);
	history_free(h);
}

/* Each bit of a frame counts: what was changed is refused, or was not what decides, and then stages
 * the same. */
static void flips(struct history *h, uint64_t size, uint64_t first, size_t count,
    uint64_t note_size, bool cosigned)
{
	struct node *n = node_new();
	struct data d;
	struct buffer *parts[] = {&d.leaves, &d.proof, &d.note};
	struct note note;
	enum replica_outcome outcome;
	struct replica_batch *b;
	uint8_t root[HASH_LEN];
	size_t refused = 0;

	if (size > 0)
		take(n, h, (size_t)size, size);
	data_make(&d, h, first, count, note_size);
	if (cosigned) {
		assert_int_equal(note_parse(&note, buffer_bytes(&d.note)), OK);
		buffer_reserve(&d.note, 1000); /* the text lies in there */
		assert_int_equal(note_parse(&note, buffer_bytes(&d.note)), OK);
		assert_int_equal(note_cosign(&d.note, note.text, bytes_str("w.example/cosigner"),
				     &other_key, 1790000000),
		    OK);
	}
	history_root(h, first + count, root);
	for (size_t p = 0; p < 3; p++) {
		for (size_t bit = 0; bit < 8 * parts[p]->len; bit++) {
			int err;

			parts[p]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			err = stage(n, &d, &outcome, &b);
			if (err) {
				assert_null(b);
				assert_int_equal(replica_staged(n->replica), size);
				refused++;
			} else {
				assert_ptr_equal(parts[p], &d.note);
				assert_true(cosigned);
				assert_int_equal(outcome, REPLICA_STAGED);
				assert_int_equal(replica_staged(n->replica), first + count);
				assert_memory_equal(b->root, root, HASH_LEN);
				assert_int_equal(node_unstage(n), OK);
			}
			parts[p]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	assert_true(refused >= 8 * (d.leaves.len + d.proof.len));
	assert_int_equal(stage(n, &d, &outcome, &b), OK);
	assert_int_equal(outcome, REPLICA_STAGED);
	data_free(&d);
	node_free(n);
}

static void test_bit_flips(void **state)
{
	struct history *h = history_plain(80);

	(void)state;
	flips(h, 0, 0, 1, 1, false);
	flips(h, 0, 0, 3, 7, false);
	flips(h, 11, 11, 2, 75, true);
	flips(h, 12, 10, 4, 14, false);
	history_free(h);
}

/* ---- the end of a log ---- */

/* Whatever the batches, a log stops before the entry that no message can be, and what is held can
 * be proven. */
static void ends_at(size_t bad, size_t len)
{
	struct history *h = history_new(0, 600, 600, bad, len), *other = history_plain(600);
	struct node *n;
	struct replica_batch *b;

	for (unsigned round = 0; round < 6; round++) {
		const struct replica_batch *waiting[64];
		size_t waiting_count = 0;
		enum replica_outcome outcome = REPLICA_STAGED;

		n = node_new();
		/* First one or two at a time, then all at once, then one by one around the end,
		 * then as it comes. */
		while (outcome == REPLICA_STAGED) {
			uint64_t staged = replica_staged(n->replica),
				 first = staged - random_below(staged + 1);
			uint64_t count = staged - first + 1 + random_below(round == 0 ? 2 : 300);

			if (round == 1)
				count = 600 - first;
			if (round == 2 && staged >= bad - bad % 5)
				count = staged - first + 1;
			if (count > 600 - first)
				count = 600 - first;
			outcome = offer(n, h, first, (size_t)count,
			    first + count + random_below(601 - first - count), &b);
			assert_true(outcome == REPLICA_STAGED || outcome == REPLICA_ENDED);
			assert_true(b || outcome == REPLICA_ENDED);
			if (b)
				waiting[waiting_count++] = b;
			if (waiting_count == 64 || (waiting_count > 0 && random_below(2))) {
				commit(n, waiting[0]);
				memmove(waiting, waiting + 1, --waiting_count * sizeof *waiting);
			}
			prove_some(n, h, 1);
		}
		assert_int_equal(replica_staged(n->replica), bad);
		assert_true(replica_ended(n->replica));
		for (size_t i = 0; i < waiting_count; i++)
			commit(n, waiting[i]);
		prove_some(n, h, 10);
		/* It stays ended. */
		assert_int_equal(offer(n, h, bad, 1, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(offer(n, h, bad + 1, 5, 600, &b), REPLICA_AHEAD);
		assert_null(b);
		assert_int_equal(offer(n, h, bad / 2, 599 - bad / 2, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), bad);
		/* Even when its origin now says otherwise: the other entry may be signed as well.
		 */
		assert_int_equal(offer(n, other, bad, 2, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), bad);
		/* And after a restart as soon as it is seen again. */
		if (bad > 0) {
			assert_int_equal(node_load(n), OK);
			prove_some(n, h, 10);
		}
		assert_int_equal(offer(n, h, bad, 5, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_true(replica_ended(n->replica));
		node_free(n);
	}
	history_free(h);
	history_free(other);
}

static void test_end(void **state)
{
	static const size_t at[] = {0, 1, 5, 255, 256, 257, 300, 512};
	static const size_t lens[] = {0, MESSAGE_MAX + 1, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
		ends_at(at[i], lens[i % 3]);
}

/* An end that was staged with entries before it, which could not be stored: as if never seen. */
static void test_end_unstaged(void **state)
{
	struct history *h = history_new(0, 50, 50, 20, 0);
	struct node *n = node_new();
	struct replica_batch *b;

	(void)state;
	take(n, h, 10, 10);
	assert_int_equal(offer(n, h, 10, 20, 50, &b), REPLICA_ENDED);
	batch_check(b, h, 10, 10, 50);
	assert_int_equal(node_unstage(n), OK);
	assert_false(replica_ended(n->replica));
	assert_int_equal(replica_staged(n->replica), 10);
	assert_int_equal(offer(n, h, 10, 20, 50, &b), REPLICA_ENDED);
	commit(n, b);
	assert_int_equal(replica_held(n->replica), 20);
	node_free(n);
	history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_bit_flips),
	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_end_unstaged),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
