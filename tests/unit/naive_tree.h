/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of lib/log's trees share: leaves, trees grown over them, and the definition of a
 * root to compare with. Included behind cmocka.h. */
#ifndef TESTS_UNIT_NAIVE_TREE_H
#define TESTS_UNIT_NAIVE_TREE_H

#include "base/error.h"
#include "log/tree.h"

#define SMALL 70
#define LARGE 65538

static struct tree_hash *leaves; /* of LARGE entries */
static struct tree *whole;       /* grown over all of them */
static struct tree *small;       /* over the first SMALL, all in the last block */
static size_t fetches;

/* Around the sizes where blocks and levels begin. */
static const uint64_t edge_sizes[] = {
    1, 2, 255, 256, 257, 511, 512, 513, 769, 1024, 4097, 65535, 65536, 65537, LARGE};
#define EDGES (sizeof edge_sizes / sizeof edge_sizes[0])

/* xorshift64*: the same run every time. */
static uint64_t random_below(uint64_t n)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(2685821657736338717) >> 16) % n;
}

static int fetch_leaves(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	(void)ctx;
	assert_int_equal(first % TREE_BLOCK, 0);
	assert_int_equal(count, TREE_BLOCK);
	fetches++;
	memcpy(out, leaves + first, count * sizeof *out);
	return OK;
}

static void naive_root(struct tree_hash *out, uint64_t lo, uint64_t hi)
{
	uint8_t both[65] = {1};
	uint64_t k = 1;

	if (hi - lo == 1) {
		*out = leaves[lo];
		return;
	}
	while (k * 2 < hi - lo)
		k *= 2;
	naive_root((struct tree_hash *)(both + 1), lo, lo + k);
	naive_root((struct tree_hash *)(both + 33), lo + k, hi);
	hash_of(out->bytes, both, sizeof both);
}

static struct tree *grown(uint64_t size)
{
	struct tree *tree = tree_new();

	assert_non_null(tree);
	for (uint64_t i = 0; i < size; i++)
		assert_int_equal(tree_append(tree, &leaves[i]), OK);
	assert_int_equal(tree_size(tree), size);
	return tree;
}

static int group_setup(void **state)
{
	(void)state;
	leaves = malloc(LARGE * sizeof *leaves);
	if (!leaves)
		return -1;
	for (uint32_t i = 0; i < LARGE; i++)
		leaf_hash(&leaves[i], bytes_of(&i, sizeof i));
	whole = grown(LARGE);
	small = grown(SMALL);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	tree_free(whole);
	tree_free(small);
	free(leaves);
	return 0;
}

#endif
