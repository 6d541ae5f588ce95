/* SPDX-License-Identifier: BSD-2-Clause */
#include "log/tree_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void leaf_hash(struct tree_hash *out, struct bytes leaf)
{
	static const uint8_t prefix = 0;
	const struct bytes parts[] = {{&prefix, 1}, leaf};

	hash_of_parts(out->bytes, parts, 2);
}

void node_hash(struct tree_hash *out, const struct tree_hash *left, const struct tree_hash *right)
{
	uint8_t both[1 + 2 * HASH_LEN];

	both[0] = 1;
	memcpy(both + 1, left->bytes, HASH_LEN);
	memcpy(both + 1 + HASH_LEN, right->bytes, HASH_LEN);
	hash_of(out->bytes, both, sizeof both);
}

uint64_t split_of(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

size_t post_count(uint64_t leaves)
{
	return (size_t)(2 * leaves - (uint64_t)__builtin_popcountll(leaves));
}

size_t post_index(unsigned level, uint64_t n)
{
	/* A node comes with the last leaf below it, behind the nodes of lower levels that this leaf
	 * completes. */
	return post_count(((n + 1) << level) - 1) + level;
}

void post_push(struct tree_hash *nodes, uint64_t n, const struct tree_hash *leaf)
{
	size_t at = post_count(n);

	nodes[at] = *leaf;
	for (unsigned level = 0; n >> level & 1; level++, at++)
		node_hash(&nodes[at + 1], &nodes[post_index(level, (n >> level) - 1)], &nodes[at]);
}

void peaks_fold(struct tree_hash *out, struct tree_hash *peaks, size_t count)
{
	assert(count > 0);
	for (; count > 1; count--)
		node_hash(&peaks[count - 2], &peaks[count - 2], &peaks[count - 1]);
	*out = peaks[0];
}

/* Add a leaf to the perfect subtrees of [0, size). */
static void peaks_push(
    struct tree_hash peaks[static 64], size_t *count, uint64_t size, const struct tree_hash *leaf)
{
	struct tree_hash h = *leaf;

	for (; size & 1; size >>= 1)
		node_hash(&h, &peaks[--*count], &h);
	peaks[(*count)++] = h;
}

static int grow(struct tree_hash **at, size_t *cap, size_t need)
{
	size_t more = *cap ? *cap : 16;
	struct tree_hash *moved;

	if (need <= *cap)
		return OK;
	while (more < need) {
		if (more > SIZE_MAX / 2 / sizeof **at)
			return ERR_NOMEM;
		more *= 2;
	}
	moved = realloc(*at, more * sizeof **at);
	if (!moved)
		return ERR_NOMEM;
	*at = moved;
	*cap = more;
	return OK;
}

struct tree *tree_new(void)
{
	return calloc(1, sizeof(struct tree));
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	free(tree->blocks);
	free(tree->tail);
	free(tree);
}

uint64_t tree_size(const struct tree *tree)
{
	return tree->size;
}

int tree_load(struct tree *tree, const struct tree_hash *blocks, size_t block_count,
    const struct tree_hash *tail, size_t tail_count)
{
	assert(tree->size == 0);
	if (tail_count >= TREE_BLOCK || block_count > SIZE_MAX / 4)
		return ERR_RANGE;
	if (grow(&tree->blocks, &tree->blocks_cap, post_count(block_count)) ||
	    grow(&tree->tail, &tree->tail_cap, post_count(tail_count)))
		return ERR_NOMEM;
	for (size_t i = 0; i < block_count; i++)
		post_push(tree->blocks, i, &blocks[i]);
	for (size_t i = 0; i < tail_count; i++)
		post_push(tree->tail, i, &tail[i]);
	tree->size = (uint64_t)block_count * TREE_BLOCK + tail_count;
	return OK;
}

int tree_append(struct tree *tree, const struct tree_hash *leaf)
{
	uint64_t in_tail = tree->size % TREE_BLOCK, blocks = tree->size / TREE_BLOCK;

	if (grow(&tree->tail, &tree->tail_cap, post_count(in_tail + 1)))
		return ERR_NOMEM;
	if (in_tail + 1 == TREE_BLOCK &&
	    grow(&tree->blocks, &tree->blocks_cap, post_count(blocks + 1)))
		return ERR_NOMEM;
	post_push(tree->tail, in_tail, leaf);
	if (in_tail + 1 == TREE_BLOCK)
		post_push(tree->blocks, blocks, &tree->tail[BLOCK_NODES - 1]);
	tree->size++;
	return OK;
}

int tree_truncate(struct tree *tree, uint64_t size, const struct tree_hash *tail, size_t tail_count)
{
	if (size > tree->size || tail_count != size % TREE_BLOCK)
		return ERR_RANGE;
	if (grow(&tree->tail, &tree->tail_cap, post_count(tail_count)))
		return ERR_NOMEM;
	for (size_t i = 0; i < tail_count; i++)
		post_push(tree->tail, i, &tail[i]);
	tree->size = size;
	return OK;
}

int tree_block(const struct tree *tree, uint64_t n, struct tree_hash *out)
{
	if (n >= tree->size / TREE_BLOCK)
		return ERR_RANGE;
	*out = tree->blocks[post_index(0, n)];
	return OK;
}

size_t tree_compact(const struct tree *tree, struct tree_hash out[static 64])
{
	uint64_t in_tail = tree->size % TREE_BLOCK;
	size_t count = 0;

	for (unsigned level = 64; level-- > 0;) {
		if (!(tree->size >> level & 1))
			continue;
		if (level >= BLOCK_LEVEL)
			out[count++] = tree->blocks[post_index(
			    level - BLOCK_LEVEL, (tree->size >> level) - 1)];
		else
			out[count++] = tree->tail[post_index(level, (in_tail >> level) - 1)];
	}
	return count;
}

void tree_root(const struct tree *tree, uint8_t out[static HASH_LEN])
{
	tree_root_with(tree, NULL, 0, out);
}

int tree_root_with(const struct tree *tree, const struct tree_hash *leaves, size_t count,
    uint8_t out[static HASH_LEN])
{
	struct tree_hash peaks[64], root;
	size_t peak_count = tree_compact(tree, peaks);

	for (size_t i = 0; i < count; i++)
		peaks_push(peaks, &peak_count, tree->size + i, &leaves[i]);
	if (peak_count == 0) {
		hash_of(out, "", 0);
		return OK;
	}
	peaks_fold(&root, peaks, peak_count);
	memcpy(out, root.bytes, HASH_LEN);
	return OK;
}
