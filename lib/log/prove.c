/* SPDX-License-Identifier: BSD-2-Clause */
/* Proofs from a tree: one walk over [0, n) that takes each subtree's hash from where it is held.
 *
 * A subtree of 256 entries or more is in memory; a smaller one in a full block
 * is computed from the block's leaves, which are fetched once (every walk meets
 * the blocks that it cuts one after the other, so one is kept at a time); one
 * beyond the tree's size is the next of `right`. */
#include "log/tree_private.h"

#include <string.h>

#include "base/error.h"

#define NO_BLOCK UINT64_MAX

struct prover {
	const struct tree *tree;
	tree_fetch *fetch;
	void *ctx;
	const struct tree_hash *right; /* what is left of it */
	uint64_t block;                /* the block in `nodes` */
	struct tree_hash nodes[BLOCK_NODES];
};

static void prover_start(struct prover *p, const struct tree *tree, tree_fetch *fetch, void *ctx)
{
	p->tree = tree;
	p->fetch = fetch;
	p->ctx = ctx;
	p->right = NULL;
	p->block = NO_BLOCK;
}

/* Bring a full block's nodes in. A proof must never be made of leaves that are not those of this
 * tree. */
static int block_load(struct prover *p, uint64_t block)
{
	struct tree_hash leaves[TREE_BLOCK];
	int err;

	if (p->block == block)
		return OK;
	if (!p->fetch)
		return ERR_NOTFOUND;
	p->block = NO_BLOCK;
	err = p->fetch(p->ctx, block * TREE_BLOCK, TREE_BLOCK, leaves);
	if (err)
		return err;
	for (size_t i = 0; i < TREE_BLOCK; i++)
		post_push(p->nodes, i, &leaves[i]);
	if (memcmp(&p->nodes[BLOCK_NODES - 1], &p->tree->blocks[post_index(0, block)],
		sizeof p->nodes[0]) != 0)
		return ERR_STORE;
	p->block = block;
	return OK;
}

/* The hash of the subtree over [lo, hi), as the tree of size n divides itself. */
static int subtree(struct prover *p, uint64_t lo, uint64_t hi, struct tree_hash *out)
{
	uint64_t len = hi - lo, full = p->tree->size / TREE_BLOCK * TREE_BLOCK;
	struct tree_hash left, right;
	unsigned level;
	int err;

	if (lo >= p->tree->size) {
		*out = *p->right++;
		return OK;
	}
	if (hi > p->tree->size || (len & (len - 1)) != 0) {
		uint64_t mid = lo + split_of(len);

		err = subtree(p, lo, mid, &left);
		if (!err)
			err = subtree(p, mid, hi, &right);
		if (!err)
			node_hash(out, &left, &right);
		return err;
	}
	level = (unsigned)__builtin_ctzll(len);
	if (level >= BLOCK_LEVEL) {
		*out = p->tree->blocks[post_index(level - BLOCK_LEVEL, lo >> level)];
		return OK;
	}
	if (lo >= full) {
		*out = p->tree->tail[post_index(level, (lo - full) >> level)];
		return OK;
	}
	err = block_load(p, lo / TREE_BLOCK);
	if (!err)
		*out = p->nodes[post_index(level, lo % TREE_BLOCK >> level)];
	return err;
}

static int range_walk(struct prover *p, uint64_t lo, uint64_t hi, uint64_t a, uint64_t b,
    struct tree_hash *out, size_t *count)
{
	uint64_t mid;
	int err;

	if (a <= lo && hi <= b)
		return OK;
	if (hi <= a || b <= lo)
		return subtree(p, lo, hi, &out[(*count)++]);
	mid = lo + split_of(hi - lo);
	err = range_walk(p, lo, mid, a, b, out, count);
	if (!err)
		err = range_walk(p, mid, hi, a, b, out, count);
	return err;
}

int tree_prove_range(const struct tree *tree, uint64_t a, uint64_t b, uint64_t n,
    const struct tree_hash *right, size_t right_count, tree_fetch *fetch, void *ctx,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count)
{
	struct prover p;

	*count = 0;
	if (a >= b || b > n || b > tree->size || right_count != range_right_count(tree->size, n))
		return ERR_RANGE;
	prover_start(&p, tree, fetch, ctx);
	p.right = right;
	return range_walk(&p, 0, n, a, b, out, count);
}

int tree_root_at(
    const struct tree *tree, uint64_t n, tree_fetch *fetch, void *ctx, uint8_t out[static HASH_LEN])
{
	struct tree_hash root;
	struct prover p;
	int err;

	if (n == 0 || n > tree->size)
		return ERR_RANGE;
	prover_start(&p, tree, fetch, ctx);
	err = subtree(&p, 0, n, &root);
	if (!err)
		memcpy(out, root.bytes, HASH_LEN);
	return err;
}

static void reverse(struct tree_hash *hashes, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct tree_hash h = hashes[i];

		hashes[i] = hashes[count - 1 - i];
		hashes[count - 1 - i] = h;
	}
}

/* Collect from the root down the siblings of the path to [x, …), until a subtree ends or begins
 * there. */
int tree_prove_inclusion(const struct tree *tree, uint64_t index, uint64_t n, tree_fetch *fetch,
    void *ctx, struct tree_hash out[static 64], size_t *count)
{
	uint64_t lo = 0, hi = n;
	struct prover p;
	int err = OK;

	*count = 0;
	if (n == 0 || n > tree->size || index >= n)
		return ERR_RANGE;
	prover_start(&p, tree, fetch, ctx);
	while (!err && hi - lo > 1) {
		uint64_t mid = lo + split_of(hi - lo);

		if (index < mid) {
			err = subtree(&p, mid, hi, &out[(*count)++]);
			hi = mid;
		} else {
			err = subtree(&p, lo, mid, &out[(*count)++]);
			lo = mid;
		}
	}
	reverse(out, *count);
	return err;
}

int tree_prove_consistency(const struct tree *tree, uint64_t m, uint64_t n, tree_fetch *fetch,
    void *ctx, struct tree_hash out[static 64], size_t *count)
{
	uint64_t lo = 0, hi = n;
	struct prover p;
	int err = OK;

	*count = 0;
	if (m == 0 || m > n || n > tree->size)
		return ERR_RANGE;
	prover_start(&p, tree, fetch, ctx);
	while (!err && m < hi) {
		uint64_t mid = lo + split_of(hi - lo);

		if (m <= mid) {
			err = subtree(&p, mid, hi, &out[(*count)++]);
			hi = mid;
		} else {
			err = subtree(&p, lo, mid, &out[(*count)++]);
			lo = mid;
		}
	}
	if (!err && lo > 0)
		err = subtree(&p, lo, hi, &out[(*count)++]);
	reverse(out, *count);
	return err;
}
