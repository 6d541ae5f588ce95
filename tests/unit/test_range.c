/* SPDX-License-Identifier: BSD-2-Clause */
/* Range proofs (SPEC.md section 9.3): exhaustive for small sizes, sampled around blocks and levels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive_tree.h"

/* Prove [a, b) under n, check it, and check that no small change of it passes. */
static void check_range(
    const struct tree *tree, uint64_t a, uint64_t b, uint64_t n, const struct tree_hash *root)
{
	struct tree_hash proof[TREE_PROOF_MAX + 1], kept;
	size_t count, at;

	assert_int_equal(
	    tree_prove_range(tree, a, b, n, NULL, 0, fetch_leaves, NULL, proof, &count), OK);
	assert_int_equal(count, range_left_count(a) + range_right_count(b, n));
	assert_int_equal(range_verify(a, leaves + a, b - a, n, proof, count, root->bytes), OK);

	proof[count] = leaves[0];
	assert_int_equal(
	    range_verify(a, leaves + a, b - a, n, proof, count + 1, root->bytes), ERR_PROOF);
	/* Moved by one; and a right edge that is not where the proof has it. Without hashes to the
	 * right, n is fixed. */
	assert_int_equal(
	    range_verify(a + 1, leaves + a, b - a, n, proof, count, root->bytes), ERR_PROOF);
	if (b == n)
		assert_int_equal(
		    range_verify(a, leaves + a, b - a, n + 1, proof, count, root->bytes),
		    ERR_PROOF);
	if (range_right_count(b, n - 1) != range_right_count(b, n) || b > n - 1)
		assert_int_equal(
		    range_verify(a, leaves + a, b - a, n - 1, proof, count, root->bytes),
		    ERR_PROOF);
	if (b - a > 1)
		assert_int_equal(
		    range_verify(a, leaves + a, b - a - 1, n, proof, count, root->bytes),
		    ERR_PROOF);
	if (count == 0)
		return;
	assert_int_equal(
	    range_verify(a, leaves + a, b - a, n, proof, count - 1, root->bytes), ERR_PROOF);
	at = random_below(count);
	kept = proof[at];
	proof[at].bytes[random_below(HASH_LEN)] ^= (uint8_t)(1 << random_below(8));
	assert_int_equal(
	    range_verify(a, leaves + a, b - a, n, proof, count, root->bytes), ERR_PROOF);
	proof[at] = kept;
	if (a > 0)
		assert_int_equal(
		    range_verify(a - 1, leaves + a, b - a, n, proof, count, root->bytes),
		    ERR_PROOF);
}

static void every_range_of_small_trees(void **state)
{
	struct tree_hash root;

	(void)state;
	for (uint64_t n = 1; n <= SMALL; n++) {
		uint64_t step = n <= 33 || (n >= 63 && n <= 65) ? 1 : 5;

		naive_root(&root, 0, n);
		for (uint64_t a = 0; a < n; a++)
			for (uint64_t b = a + 1; b <= n;
			     b += b + step < n ? 1 + random_below(step) : 1)
				check_range(small, a, b, n, &root);
	}
}

static void ranges_around_blocks_and_levels(void **state)
{
	struct tree_hash root;

	(void)state;
	for (size_t i = 0; i < EDGES; i++) {
		uint64_t n = edge_sizes[i];

		assert_int_equal(tree_root_at(whole, n, fetch_leaves, NULL, root.bytes), OK);
		for (int run = 0; run < 30; run++) {
			uint64_t a = random_below(n), most = n - a < 600 ? n - a : 600;
			uint64_t b = a + 1 + random_below(most);

			if (run % 5 == 0)
				a = a / TREE_BLOCK * TREE_BLOCK;
			if (run % 10 == 0 && a + TREE_BLOCK <= n)
				b = a + TREE_BLOCK;
			fetches = 0;
			check_range(whole, a, b, n, &root);
			assert_true(fetches <= 3);
		}
		check_range(whole, 0, n, n, &root);
		check_range(whole, n - 1, n, n, &root);
	}
}

static void ranges_of_whole_blocks_need_no_leaves(void **state)
{
	struct tree_hash proof[TREE_PROOF_MAX];
	size_t count;

	(void)state;
	fetches = 0;
	assert_int_equal(
	    tree_prove_range(whole, 512, 1024, 65536, NULL, 0, fetch_leaves, NULL, proof, &count),
	    OK);
	assert_int_equal(
	    tree_prove_range(whole, 512, 1024, LARGE, NULL, 0, fetch_leaves, NULL, proof, &count),
	    OK);
	assert_int_equal(
	    tree_prove_range(whole, 65536, 65537, LARGE, NULL, 0, NULL, NULL, proof, &count), OK);
	assert_int_equal(fetches, 0);
}

static void ranges_out_of_bounds(void **state)
{
	struct tree_hash out[TREE_PROOF_MAX];
	struct tree *tree = grown(300);
	size_t count;

	(void)state;
	assert_int_equal(
	    tree_prove_range(tree, 4, 4, 300, NULL, 0, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_range(tree, 5, 4, 300, NULL, 0, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_range(tree, 4, 301, 301, leaves, 0, fetch_leaves, NULL, out, &count),
	    ERR_RANGE);
	assert_int_equal(
	    tree_prove_range(tree, 4, 9, 8, NULL, 0, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_range(tree, 4, 9, 301, NULL, 0, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_range(tree, 4, 9, 300, leaves, 1, fetch_leaves, NULL, out, &count),
	    ERR_RANGE);
	assert_int_equal(
	    tree_prove_inclusion(tree, 9, 9, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_inclusion(tree, 9, 301, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_consistency(tree, 0, 9, fetch_leaves, NULL, out, &count), ERR_RANGE);
	assert_int_equal(
	    tree_prove_consistency(tree, 10, 9, fetch_leaves, NULL, out, &count), ERR_RANGE);
	tree_free(tree);
}

/* A tree that holds [0, held) proves [a, b) under n with the material of another proof that ended
 * at `held`. */
static void check_right(
    const struct tree *all, const struct tree *tree, uint64_t a, uint64_t b, uint64_t n)
{
	struct tree_hash full[TREE_PROOF_MAX], part[TREE_PROOF_MAX], other[TREE_PROOF_MAX];
	uint64_t held = tree_size(tree);
	size_t full_count, part_count, other_count, right = range_right_count(held, n);

	assert_int_equal(tree_prove_range(all, random_below(held), held, n, NULL, 0, fetch_leaves,
			     NULL, other, &other_count),
	    OK);
	assert_int_equal(
	    tree_prove_range(all, a, b, n, NULL, 0, fetch_leaves, NULL, full, &full_count), OK);
	assert_int_equal(tree_prove_range(tree, a, b, n, other + other_count - right, right,
			     fetch_leaves, NULL, part, &part_count),
	    OK);
	assert_int_equal(part_count, full_count);
	if (full_count)
		assert_memory_equal(part, full, full_count * sizeof full[0]);
}

static void proving_beyond_what_is_held(void **state)
{
	static const uint64_t held[] = {1, 3, 255, 256, 257, 300, 512, 640, 1000, 4095, 4097};

	(void)state;
	for (uint64_t size = 1; size <= SMALL; size++) {
		struct tree *tree = grown(size);

		for (uint64_t n = size; n <= SMALL; n++) {
			uint64_t a = random_below(size);

			check_right(small, tree, a, a + 1 + random_below(size - a), n);
			check_right(small, tree, a, size, n);
		}
		tree_free(tree);
	}
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
		struct tree *tree = grown(held[i]);

		for (size_t k = 0; k < EDGES; k++) {
			uint64_t a = random_below(held[i]), b = a + 1 + random_below(held[i] - a);

			if (edge_sizes[k] >= held[i])
				check_right(whole, tree, a, b, edge_sizes[k]);
		}
		tree_free(tree);
	}
}

static void inclusion_and_range_hold_the_same_hashes(void **state)
{
	struct tree_hash range[TREE_PROOF_MAX], path[64];
	size_t range_count, path_count;

	(void)state;
	for (int run = 0; run < 200; run++) {
		uint64_t n = 1 + random_below(2000), index = random_below(n);

		assert_int_equal(tree_prove_range(whole, index, index + 1, n, NULL, 0, fetch_leaves,
				     NULL, range, &range_count),
		    OK);
		assert_int_equal(
		    tree_prove_inclusion(whole, index, n, fetch_leaves, NULL, path, &path_count),
		    OK);
		assert_int_equal(range_count, path_count);
		for (size_t i = 0; i < path_count; i++) {
			size_t found = 0;

			while (
			    found < range_count && memcmp(&range[found], &path[i], sizeof path[0]))
				found++;
			assert_true(found < range_count);
		}
	}
}

static void ranges_turn_into_consistency_proofs(void **state)
{
	struct tree_hash range[TREE_PROOF_MAX], got[64], want[64], root, naive;
	size_t range_count, got_count, want_count;

	(void)state;
	for (uint64_t n = 2; n <= SMALL + 600; n += n < SMALL ? 1 : 53)
		for (uint64_t a = 1; a < n; a += n < SMALL ? 1 : 1 + random_below(40)) {
			uint64_t b = a + 1 + random_below(n - a);

			assert_int_equal(tree_prove_range(n <= SMALL ? small : whole, a, b, n, NULL,
					     0, fetch_leaves, NULL, range, &range_count),
			    OK);
			assert_int_equal(range_consistency(a, leaves + a, b - a, n, range,
					     range_count, &root, got, &got_count),
			    OK);
			assert_int_equal(tree_prove_consistency(n <= SMALL ? small : whole, a, n,
					     fetch_leaves, NULL, want, &want_count),
			    OK);
			assert_int_equal(got_count, want_count);
			assert_memory_equal(got, want, want_count * sizeof want[0]);
			naive_root(&naive, 0, a);
			assert_memory_equal(&root, &naive, sizeof root);
		}
	assert_int_equal(
	    range_consistency(0, leaves, 1, 1, NULL, 0, &root, got, &got_count), ERR_PROOF);
	assert_int_equal(
	    range_consistency(1, leaves, 1, 2, range, 2, &root, got, &got_count), ERR_PROOF);
}

static void absurd_numbers(void **state)
{
	struct tree_hash proof[TREE_PROOF_MAX] = {0};
	uint8_t root[HASH_LEN] = {0};

	(void)state;
	assert_int_equal(range_verify(0, leaves, 0, 1, proof, 0, root), ERR_PROOF);
	assert_int_equal(range_verify(0, leaves, 1, 0, proof, 0, root), ERR_PROOF);
	assert_int_equal(
	    range_verify(UINT64_MAX, leaves, 1, UINT64_MAX, proof, 64, root), ERR_PROOF);
	assert_int_equal(
	    range_verify(UINT64_MAX - 1, leaves, SIZE_MAX, UINT64_MAX, proof, 63, root), ERR_PROOF);
	assert_int_equal(
	    range_verify(UINT64_MAX - 1, leaves, 1, UINT64_MAX, proof, 63, root), ERR_PROOF);
	assert_int_equal(range_right_count(0, 0), 0);
	assert_int_equal(range_right_count(5, 5), 0);
	assert_int_equal(range_right_count(6, 5), 0);
	assert_int_equal(range_right_count(0, 5), 1);
	assert_int_equal(range_right_count(1, UINT64_MAX), 64);
	assert_true(
	    range_left_count(UINT64_MAX - 1) + range_right_count(UINT64_MAX - 1, UINT64_MAX) <=
	    TREE_PROOF_MAX);
	assert_int_equal(inclusion_verify(0, 0, leaves, proof, 0, root), ERR_PROOF);
	assert_int_equal(inclusion_verify(5, UINT64_MAX, leaves, proof, 64, root), ERR_PROOF);
	assert_int_equal(consistency_verify(0, 0, proof, 0, root, root), ERR_PROOF);
	assert_int_equal(consistency_verify(0, 5, proof, 0, root, root), ERR_PROOF);
	assert_int_equal(consistency_verify(UINT64_MAX, UINT64_MAX, proof, 0, root, root), OK);
	assert_int_equal(
	    consistency_verify(5, UINT64_MAX, proof, TREE_PROOF_MAX, root, root), ERR_PROOF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_range_of_small_trees),
	    cmocka_unit_test(ranges_around_blocks_and_levels),
	    cmocka_unit_test(ranges_of_whole_blocks_need_no_leaves),
	    cmocka_unit_test(ranges_out_of_bounds),
	    cmocka_unit_test(proving_beyond_what_is_held),
	    cmocka_unit_test(inclusion_and_range_hold_the_same_hashes),
	    cmocka_unit_test(ranges_turn_into_consistency_proofs),
	    cmocka_unit_test(absurd_numbers),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
