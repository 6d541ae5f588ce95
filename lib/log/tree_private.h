/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of lib/log share: node hashes, and perfect trees kept in one array.
 *
 * The array is in post-order: every node stands right behind its right child,
 * so that appending a leaf only ever adds at the end, and cutting back only
 * ever shortens. Node `n` of level `l` (0: leaves) spans [n << l, (n + 1) << l). */
#ifndef LOG_TREE_PRIVATE_H
#define LOG_TREE_PRIVATE_H

#include "log/tree.h"

#define BLOCK_LEVEL 8                    /* TREE_BLOCK = 1 << BLOCK_LEVEL */
#define BLOCK_NODES (2 * TREE_BLOCK - 1) /* of a full block with its root */

struct tree {
	uint64_t size;
	struct tree_hash *blocks; /* post-order over the roots of full blocks */
	size_t blocks_cap;
	struct tree_hash *tail; /* post-order over the leaves of the partial block */
	size_t tail_cap;
};

/* SHA-256(0x01 ‖ left ‖ right); `out` may be one of the two. */
void node_hash(struct tree_hash *out, const struct tree_hash *left, const struct tree_hash *right);

/* The largest power of two below n, n > 1. */
uint64_t split_of(uint64_t n);

/* Nodes over `leaves` leaves, and where a node stands. */
size_t post_count(uint64_t leaves);
size_t post_index(unsigned level, uint64_t n);
/* Add leaf `n` with the nodes that it completes; there is room. */
void post_push(struct tree_hash *nodes, uint64_t n, const struct tree_hash *leaf);

/* Root of a non-empty run of perfect subtrees, the largest first. Uses up `peaks`. */
void peaks_fold(struct tree_hash *out, struct tree_hash *peaks, size_t count);

#endif
