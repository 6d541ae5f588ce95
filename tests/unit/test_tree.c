/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/tree.h: growing, loading, cutting, and RFC 6962 proofs, against the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive_tree.h"

static int fetch_damaged(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	int err = fetch_leaves(ctx, first, count, out);

	out[7].bytes[31] ^= 1;
	return err;
}

static int fetch_failing(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	(void)ctx, (void)first, (void)count, (void)out;
	return ERR_TIMEOUT;
}

static void root_of(const struct tree *tree, struct tree_hash *out)
{
	tree_root(tree, out->bytes);
}

static void assert_same_tree(const struct tree *a, const struct tree *b)
{
	struct tree_hash x[64], y[64], p, q;
	size_t count = tree_compact(a, x);

	assert_int_equal(tree_size(a), tree_size(b));
	assert_int_equal(count, range_left_count(tree_size(a)));
	assert_int_equal(count, tree_compact(b, y));
	if (count)
		assert_memory_equal(x, y, count * sizeof x[0]);
	root_of(a, &p);
	root_of(b, &q);
	assert_memory_equal(&p, &q, sizeof p);
	for (uint64_t i = 0; i < tree_size(a) / TREE_BLOCK; i++) {
		assert_int_equal(tree_block(a, i, &p), OK);
		assert_int_equal(tree_block(b, i, &q), OK);
		assert_memory_equal(&p, &q, sizeof p);
	}
	assert_int_equal(tree_block(a, tree_size(a) / TREE_BLOCK, &p), ERR_RANGE);
}

static void empty_tree(void **state)
{
	struct tree *tree = tree_new();
	struct tree_hash out[TREE_PROOF_MAX];
	uint8_t root[HASH_LEN], none[HASH_LEN];
	size_t count;

	(void)state;
	hash_of(none, "", 0);
	tree_root(tree, root);
	assert_memory_equal(root, none, HASH_LEN);
	assert_int_equal(tree_compact(tree, out), 0);
	assert_int_equal(
	    tree_prove_range(tree, 0, 1, 1, NULL, 0, NULL, NULL, out, &count), ERR_RANGE);
	assert_int_equal(tree_prove_inclusion(tree, 0, 1, NULL, NULL, out, &count), ERR_RANGE);
	assert_int_equal(tree_root_at(tree, 0, NULL, NULL, root), ERR_RANGE);
	tree_free(tree);
	tree_free(NULL);
}

static void roots_are_those_of_the_definition(void **state)
{
	struct tree *tree = tree_new();
	struct tree_hash got, want;

	(void)state;
	for (uint64_t n = 1; n <= 1030; n++) {
		assert_int_equal(tree_append(tree, &leaves[n - 1]), OK);
		if (n > 2 * SMALL && n % 256 > 2 && n % 256 < 254 && n % 37)
			continue;
		naive_root(&want, 0, n);
		root_of(tree, &got);
		assert_memory_equal(&got, &want, sizeof got);
	}
	tree_free(tree);
	for (size_t i = 0; i < EDGES; i++) {
		naive_root(&want, 0, edge_sizes[i]);
		assert_int_equal(
		    tree_root_at(whole, edge_sizes[i], fetch_leaves, NULL, got.bytes), OK);
		assert_memory_equal(&got, &want, sizeof got);
	}
}

static void root_with_is_the_root_after_appending(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGES && edge_sizes[i] < 5000; i++) {
		uint64_t size = edge_sizes[i], more = random_below(600);
		struct tree *tree = grown(size), *same = grown(size);
		struct tree_hash got, want;

		assert_int_equal(tree_root_with(tree, leaves + size, more, got.bytes), OK);
		naive_root(&want, 0, size + more);
		assert_memory_equal(&got, &want, sizeof got);
		assert_same_tree(tree, same);
		tree_free(tree);
		tree_free(same);
	}
}

static void loading_equals_appending(void **state)
{
	struct tree_hash blocks[LARGE / TREE_BLOCK];

	(void)state;
	for (uint64_t i = 0; i < LARGE / TREE_BLOCK; i++)
		assert_int_equal(tree_block(whole, i, &blocks[i]), OK);
	for (size_t i = 0; i < EDGES; i++) {
		uint64_t n = edge_sizes[i], full = n / TREE_BLOCK;
		struct tree *a = grown(n), *b = tree_new();

		assert_int_equal(
		    tree_load(b, blocks, full, leaves + full * TREE_BLOCK, n % TREE_BLOCK), OK);
		assert_same_tree(a, b);
		for (uint64_t k = n; k < n + 300 && k < LARGE; k++) {
			assert_int_equal(tree_append(a, &leaves[k]), OK);
			assert_int_equal(tree_append(b, &leaves[k]), OK);
		}
		assert_same_tree(a, b);
		tree_free(a);
		tree_free(b);
	}
	struct tree *tree = tree_new();
	assert_int_equal(tree_load(tree, NULL, 0, leaves, TREE_BLOCK), ERR_RANGE);
	assert_int_equal(tree_size(tree), 0);
	tree_free(tree);
}

static void truncating_equals_never_having_grown(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGES && edge_sizes[i] < 5000; i++) {
		uint64_t to = edge_sizes[i], full = to / TREE_BLOCK * TREE_BLOCK;
		struct tree *a = grown(to), *b = grown(to + 700);

		assert_int_equal(
		    tree_truncate(b, to + 701, leaves, (to + 701) % TREE_BLOCK), ERR_RANGE);
		assert_int_equal(
		    tree_truncate(b, to, leaves + full, (to + 1) % TREE_BLOCK), ERR_RANGE);
		assert_int_equal(tree_size(b), to + 700);
		assert_int_equal(tree_truncate(b, to, leaves + full, to - full), OK);
		assert_same_tree(a, b);
		for (uint64_t k = to; k < to + 300; k++) {
			assert_int_equal(tree_append(a, &leaves[k]), OK);
			assert_int_equal(tree_append(b, &leaves[k]), OK);
		}
		assert_same_tree(a, b);
		assert_int_equal(tree_truncate(b, 0, NULL, 0), OK);
		assert_int_equal(tree_size(b), 0);
		tree_free(a);
		tree_free(b);
	}
}

static void what_fetch_gives_is_checked(void **state)
{
	struct tree_hash proof[TREE_PROOF_MAX];
	uint8_t root[HASH_LEN];
	size_t count;

	(void)state;
	assert_int_equal(
	    tree_prove_range(whole, 5, 6, 600, NULL, 0, fetch_damaged, NULL, proof, &count),
	    ERR_STORE);
	assert_int_equal(
	    tree_prove_range(whole, 5, 6, 600, NULL, 0, fetch_failing, NULL, proof, &count),
	    ERR_TIMEOUT);
	assert_int_equal(
	    tree_prove_range(whole, 5, 6, 600, NULL, 0, NULL, NULL, proof, &count), ERR_NOTFOUND);
	assert_int_equal(
	    tree_prove_inclusion(whole, 5, 512, fetch_damaged, NULL, proof, &count), ERR_STORE);
	assert_int_equal(
	    tree_prove_consistency(whole, 5, 512, fetch_damaged, NULL, proof, &count), ERR_STORE);
	assert_int_equal(tree_root_at(whole, 5, fetch_failing, NULL, root), ERR_TIMEOUT);
}

/* Every inclusion and consistency proof of size n, and a broken one of each. */
static void check_rfc_proofs(
    const struct tree *tree, uint64_t index, uint64_t m, uint64_t n, const struct tree_hash *root)
{
	struct tree_hash proof[64], old;
	size_t count;

	assert_int_equal(
	    tree_prove_inclusion(tree, index, n, fetch_leaves, NULL, proof, &count), OK);
	assert_int_equal(inclusion_verify(index, n, &leaves[index], proof, count, root->bytes), OK);
	assert_int_equal(count, range_left_count(index) + range_right_count(index + 1, n));
	assert_int_equal(
	    inclusion_verify(index ^ 1, n, &leaves[index], proof, count, root->bytes), ERR_PROOF);
	if (count > 0) {
		assert_int_equal(
		    inclusion_verify(index, n, &leaves[index], proof, count - 1, root->bytes),
		    ERR_PROOF);
		proof[random_below(count)].bytes[random_below(HASH_LEN)] ^= 0x10;
		assert_int_equal(
		    inclusion_verify(index, n, &leaves[index], proof, count, root->bytes),
		    ERR_PROOF);
	}

	assert_int_equal(tree_root_at(tree, m, fetch_leaves, NULL, old.bytes), OK);
	assert_int_equal(tree_prove_consistency(tree, m, n, fetch_leaves, NULL, proof, &count), OK);
	assert_int_equal(consistency_verify(m, n, proof, count, old.bytes, root->bytes), OK);
	if (count > 0) {
		assert_int_equal(
		    consistency_verify(m, n, proof, count - 1, old.bytes, root->bytes), ERR_PROOF);
		proof[random_below(count)].bytes[random_below(HASH_LEN)] ^= 0x10;
		assert_int_equal(
		    consistency_verify(m, n, proof, count, old.bytes, root->bytes), ERR_PROOF);
	}
}

static void rfc_proofs(void **state)
{
	struct tree_hash root;

	(void)state;
	for (uint64_t n = 1; n <= SMALL; n++) {
		naive_root(&root, 0, n);
		for (uint64_t i = 0; i < n; i++)
			check_rfc_proofs(small, i, i + 1, n, &root);
	}
	for (size_t i = 0; i < EDGES; i++) {
		uint64_t n = edge_sizes[i];

		assert_int_equal(tree_root_at(whole, n, fetch_leaves, NULL, root.bytes), OK);
		for (int run = 0; run < 20; run++)
			check_rfc_proofs(whole, random_below(n), 1 + random_below(n), n, &root);
	}
}

/* A path that goes on above the root of its size, and hashes to a root all the same. */
static void paths_end_at_the_root(void **state)
{
	struct tree_hash proof[2] = {leaves[1], leaves[2]}, root;
	uint8_t both[65] = {1};

	(void)state;
	memcpy(both + 1, leaves[1].bytes, HASH_LEN);
	memcpy(both + 33, leaves[0].bytes, HASH_LEN);
	hash_of(root.bytes, both, sizeof both);
	assert_int_equal(inclusion_verify(1, 2, &leaves[0], proof, 1, root.bytes), OK);
	assert_int_equal(inclusion_verify(0, 1, &leaves[0], proof, 1, root.bytes), ERR_PROOF);
	assert_int_equal(inclusion_verify(0, 1, &leaves[0], proof, 0, leaves[0].bytes), OK);
	assert_int_equal(range_verify(0, leaves, 1, 1, proof, 1, root.bytes), ERR_PROOF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_tree),
	    cmocka_unit_test(roots_are_those_of_the_definition),
	    cmocka_unit_test(root_with_is_the_root_after_appending),
	    cmocka_unit_test(loading_equals_appending),
	    cmocka_unit_test(truncating_equals_never_having_grown),
	    cmocka_unit_test(what_fetch_gives_is_checked),
	    cmocka_unit_test(rfc_proofs),
	    cmocka_unit_test(paths_end_at_the_root),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
