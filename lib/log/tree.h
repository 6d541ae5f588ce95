/* SPDX-License-Identifier: BSD-2-Clause */
/* The Merkle tree of one log (RFC 6962; SPEC.md section 9.1), grown by appending and able to prove
 * any range.
 *
 * Memory is 32 bytes for every 256 entries, twice, and the same for the leaves
 * of the last, partial block: the hashes of perfect subtrees of 256 entries and
 * above are kept, those below are computed again from the leaves of one block,
 * which the owner fetches when a proof needs them. So a log of a million entries
 * costs 256 KiB, starts without reading its leaves, and proves a range at the
 * price of at most three blocks (those that a, b and n cut), none when all three
 * are multiples of 256 or lie in the last block.
 *
 * Not thread-safe: a tree has one owner at a time. */
#ifndef LOG_TREE_H
#define LOG_TREE_H

#include "base/buffer.h"
#include "crypto/hash.h"

#define TREE_BLOCK 256
#define TREE_PROOF_MAX 128 /* hashes in the largest range proof */

struct tree;

struct tree_hash {
	uint8_t bytes[HASH_LEN];
};

/* Give the leaf hashes of entries [first, first + count): always one whole block, first a multiple
 * of 256 and count 256. OK or an error that the proof returns. The hashes are checked against what
 * the tree was grown from. */
typedef int tree_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out);

struct tree *tree_new(void); /* NULL: no memory */
void tree_free(struct tree *tree);

/* Fill an empty tree from what the store kept: the roots of all full blocks and the leaf hashes of
 * the last, partial one (0 to 255; more is ERR_RANGE). Upon an error the tree is empty. ERR_NOMEM.
 */
int tree_load(struct tree *tree, const struct tree_hash *blocks, size_t block_count,
    const struct tree_hash *tail, size_t tail_count);

uint64_t tree_size(const struct tree *tree);
/* The root; of an empty tree SHA-256(""). */
void tree_root(const struct tree *tree, uint8_t out[static HASH_LEN]);

/* Append a leaf hash. ERR_NOMEM leaves the tree as it was. */
int tree_append(struct tree *tree, const struct tree_hash *leaf);

/* A tentative run of appends: the root that `count` more leaves would give, without changing the
 * tree. OK. */
int tree_root_with(const struct tree *tree, const struct tree_hash *leaves, size_t count,
    uint8_t out[static HASH_LEN]);

/* Root of a full block n (256 × n .. 256 × (n + 1)), for the store to keep. ERR_RANGE. */
int tree_block(const struct tree *tree, uint64_t n, struct tree_hash *out);

/* Cut back to a smaller size; `tail` are the leaf hashes of its last partial block, size mod 256 of
 * them. For forks. ERR_RANGE, ERR_NOMEM leave the tree as it was. */
int tree_truncate(
    struct tree *tree, uint64_t size, const struct tree_hash *tail, size_t tail_count);

/* ---- proofs from the tree ----
 *
 * `fetch` may be NULL where only the last, partial block is cut (ERR_NOTFOUND otherwise). Besides
 * what each says: the fetch's error, and ERR_STORE when what it gave is not what the tree was grown
 * from. Proofs are for the tree's own history: 0 < n <= tree_size() unless it says otherwise, else
 * ERR_RANGE. */

/* The root that the tree had at size n. */
int tree_root_at(const struct tree *tree, uint64_t n, tree_fetch *fetch, void *ctx,
    uint8_t out[static HASH_LEN]);

/* Range proof (9.3) for [a, b) under size n, a < b <= tree_size(), b <= n. When n is above
 * tree_size(), the hashes of what the tree does not hold come from `right`: the last
 * range_right_count(tree_size(), n) hashes of any range proof that ended at tree_size() under n and
 * was verified; that is, left to right, the subtrees into which the tree of size n divides
 * [tree_size(), n). Otherwise right_count is 0. Another count is ERR_RANGE; wrong hashes give a
 * wrong proof. `*count` is the number of hashes written (at most TREE_PROOF_MAX). */
int tree_prove_range(const struct tree *tree, uint64_t a, uint64_t b, uint64_t n,
    const struct tree_hash *right, size_t right_count, tree_fetch *fetch, void *ctx,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count);

/* RFC 6962 proofs: inclusion of `index` in size n (leaf to root); consistency of m with n, 0 < m <=
 * n (empty for m = n). */
int tree_prove_inclusion(const struct tree *tree, uint64_t index, uint64_t n, tree_fetch *fetch,
    void *ctx, struct tree_hash out[static 64], size_t *count);
int tree_prove_consistency(const struct tree *tree, uint64_t m, uint64_t n, tree_fetch *fetch,
    void *ctx, struct tree_hash out[static 64], size_t *count);

/* The perfect subtrees of what the tree holds, from the largest, to compare with a proof's left
 * hashes. Returns how many: range_left_count(tree_size()). */
size_t tree_compact(const struct tree *tree, struct tree_hash out[static 64]);

/* ---- without a tree ---- */

void leaf_hash(struct tree_hash *out, struct bytes leaf);

/* Verify a range proof: `leaves` are the hashes of [a, a + count). OK or ERR_PROOF. `n` and `root`
 * come from one checkpoint: the proof does not fix n by itself, since what lies to the right of the
 * range is one hash whatever its size. The same holds of RFC 6962's. */
int range_verify(uint64_t a, const struct tree_hash *leaves, size_t count, uint64_t n,
    const struct tree_hash *proof, size_t proof_count, const uint8_t root[static HASH_LEN]);

/* How many of a range proof's first hashes stand left of `a`, and how many of its last right of
 * `b`, under size n (9.3; none for b >= n): the left ones are the perfect subtrees of [0, a) from
 * the largest. */
size_t range_left_count(uint64_t a);
size_t range_right_count(uint64_t b, uint64_t n);

/* Turn a range proof that range_verify() accepted for [a, a + count) under n, a > 0, into what
 * binds the history before a: the root at a that the tree of size n has, and the RFC 6962
 * consistency proof from a to n. When that root is not the one that was signed at a, this is a fork
 * proof (9.6). ERR_PROOF as range_verify(), but for the root, which is not looked at. */
int range_consistency(uint64_t a, const struct tree_hash *leaves, size_t count, uint64_t n,
    const struct tree_hash *proof, size_t proof_count, struct tree_hash *root_a,
    struct tree_hash out[static 64], size_t *out_count);

/* Strict RFC 6962 verifiers (RFC 9162 section 2.1.3.2 and 2.1.4.2; size 0 is refused; m = n wants
 * an empty proof and equal roots). OK or ERR_PROOF. */
int inclusion_verify(uint64_t index, uint64_t n, const struct tree_hash *leaf,
    const struct tree_hash *proof, size_t count, const uint8_t root[static HASH_LEN]);
int consistency_verify(uint64_t m, uint64_t n, const struct tree_hash *proof, size_t count,
    const uint8_t root_m[static HASH_LEN], const uint8_t root_n[static HASH_LEN]);

#endif
