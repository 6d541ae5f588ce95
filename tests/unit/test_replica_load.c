/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/replica: between memory and disk, and what is proven of what is held. */
#include "replica_fixture.h"

/* ---- unstaging and loading ---- */

static void test_unstage(void **state)
{
	struct history *h = history_plain(HISTORY);
	static const uint64_t held[] = {0, 1, 10, 255, 256, 300, 512};

	(void)state;
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
		struct node *n = node_new();
		const struct replica_batch *oldest;

		if (held[i] > 0)
			take(n, h, (size_t)held[i], held[i] + 50);
		oldest = stage_some(n, h, 20, 650);
		stage_some(n, h, 100, 700);
		stage_some(n, h, 1, 640);
		commit(n, oldest);
		assert_int_equal(node_unstage(n), OK);
		assert_int_equal(replica_staged(n->replica), held[i] + 20);
		assert_int_equal(replica_held(n->replica), held[i] + 20);
		assert_int_equal(replica_note_size(n->replica), 650);
		assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&n->note)));
		prove_some(n, h, 20);
		/* From here on as ever, cut elsewhere. */
		batch_check(stage_some(n, h, 60, 690), h, held[i] + 20, 60, 690);
		assert_int_equal(node_unstage(n), OK);
		take(n, h, 7, 700);
		prove_some(n, h, 20);
		/* A store that can't be read either says so. */
		if (replica_held(n->replica) % TREE_BLOCK > 0) {
			n->read_err = ERR_IO;
			assert_int_equal(node_unstage(n), ERR_IO);
		}
		node_free(n);
	}
	history_free(h);
}

static void test_load(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 255, 256, 257, 511, 512, 513, 600};
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();

	(void)state;
	assert_int_equal(node_load(n), OK); /* nothing at all */
	assert_int_equal(replica_staged(n->replica), 0);
	node_free(n);
	for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t size = sizes[i / 2],
			 note_size = i % 2 ? size : size + 1 + random_below(HISTORY - size);

		n = node_new();
		take(n, h, (size_t)size, note_size);
		assert_int_equal(node_load(n), OK);
		assert_int_equal(replica_held(n->replica), size);
		assert_int_equal(replica_staged(n->replica), size);
		assert_int_equal(replica_note_size(n->replica), note_size);
		assert_memory_equal(replica_held_root(n->replica), n->root, HASH_LEN);
		prove_some(n, h, 20);
		take(n, h, 30, HISTORY);
		prove_some(n, h, 20);
		node_free(n);
	}
	history_free(h);
}

/* Rows that don't belong together are not taken: proofs made of them would be wrong. */
static void test_load_damaged(void **state)
{
	static const uint64_t sizes[] = {3, 256, 300, 513};
	struct history *h = history_plain(HISTORY), *other = history_new(9, HISTORY, 0, GOOD, 0);

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t size = sizes[i], note_size = size + 5;
		struct node *n = node_new();
		struct buffer note = BUFFER_INIT;
		size_t right_count;

		take(n, h, (size_t)size, note_size);
		n->root[31] ^= 1;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->root[31] ^= 1;
		if (n->block_count > 0) {
			n->blocks[n->block_count - 1].bytes[0] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->blocks[n->block_count - 1].bytes[0] ^= 1;
		}
		if (size % TREE_BLOCK > 0) {
			n->entries.data[n->entries.len - 1] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->entries.data[n->entries.len - 1] ^= 1;
			n->read_err = ERR_STORE;
			assert_int_equal(node_load(n), ERR_STORE);
			n->read_err = OK;
		}
		for (size_t k = 0; k < n->right_count; k++) {
			n->right[k].bytes[7] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->right[k].bytes[7] ^= 1;
		}
		n->right_count--;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count += 2;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count--;
		/* Another note: below the size, of another history, by another key, none. */
		note = n->note;
		n->note = (struct buffer)BUFFER_INIT;
		history_note(h, size - 1, &log_key, &n->note);
		right_count = n->right_count;
		n->right_count = 0;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count = right_count;
		buffer_reset(&n->note);
		history_note(other, note_size, &log_key, &n->note);
		assert_int_equal(node_load(n), ERR_PROOF);
		buffer_reset(&n->note);
		history_note(h, note_size, &other_key, &n->note);
		assert_int_equal(node_load(n), ERR_UNSIGNED);
		buffer_reset(&n->note);
		assert_int_equal(node_load(n), ERR_PROOF);
		buffer_free(&n->note);
		n->note = note;
		assert_int_equal(node_load(n), OK);
		prove_some(n, h, 5);
		node_free(n);
	}
	history_free(h);
	history_free(other);
}

/* ---- proving ---- */

/* What is held is proven while more is staged, also under a note of a size that nobody here holds.
 */
static void test_prove(void **state)
{
	struct history *h = history_plain(HISTORY);

	(void)state;
	for (unsigned round = 0; round < 30; round++) {
		struct node *n = node_new();
		const struct replica_batch *b;
		uint64_t held = 1 + random_below(500), staged = held + 1 + random_below(100);
		struct tree_hash out[64], expected[64];
		size_t count, expected_count;
		uint8_t root[HASH_LEN];

		take(n, h, (size_t)held, held + random_below(HISTORY + 1 - held));
		prove_some(n, h, 10);
		b = stage_some(
		    n, h, (size_t)(staged - held), staged + random_below(HISTORY + 1 - staged));
		prove_some(n, h, 20);
		commit(n, b);
		prove_some(n, h, 20);
		prove_check(n, h, held - 1, staged);

		/* Inclusion: under a note that covers no more than we hold. */
		b = stage_some(n, h, 1, staged + 1);
		assert_int_equal(
		    replica_prove_inclusion(n->replica, staged, out, &count), ERR_RANGE);
		history_root(h, staged + 1, root);
		for (uint64_t index = random_below(staged); index < staged; index += 50) {
			assert_int_equal(
			    replica_prove_inclusion(n->replica, index, out, &count), OK);
			assert_int_equal(tree_prove_inclusion(h->tree, index, staged + 1,
					     history_fetch, h, expected, &expected_count),
			    OK);
			assert_int_equal(count, expected_count);
			assert_memory_equal(out, expected, count * sizeof *out);
			assert_int_equal(inclusion_verify(index, staged + 1, &h->hashes[index], out,
					     count, root),
			    OK);
		}
		commit(n, b);
		stage_some(n, h, 1, HISTORY);
		assert_int_equal(replica_prove_inclusion(n->replica, 0, out, &count), ERR_RANGE);
		node_free(n);
	}
	history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unstage),
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_load_damaged),
	    cmocka_unit_test(test_prove),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
