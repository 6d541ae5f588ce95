/* SPDX-License-Identifier: BSD-2-Clause */
/* Another history of a replica's log: telling it, proving it, and going back to what both have in
 * common. */
#include "log/replica_private.h"

#include <string.h>

#include "base/error.h"
#include "log/fork.h"

int replica_root_at(const struct replica *r, uint64_t size, uint8_t root[static HASH_LEN])
{
	if (size == 0 || size > tree_size(r->tree))
		return ERR_RANGE;
	if (size == r->held) {
		memcpy(root, r->held_root, HASH_LEN);
		return OK;
	}
	return tree_root_at(r->tree, size, replica_fetch, (void *)(uintptr_t)r, root);
}

/* The consistency proof from m to n, out of the perfect subtrees of [0, m) and of those that the
 * tree of size n divides [m, n) into: the walk to m passes the right ones from the last, and the
 * left ones from the first. */
static size_t consistency_of(uint64_t m, uint64_t n, const struct tree_hash *left,
    const struct tree_hash *right, size_t right_count, struct tree_hash out[static 64])
{
	uint64_t lo = 0, hi = n;
	size_t count = 0;

	while (m < hi) {
		uint64_t mid = lo + split_of(hi - lo);

		if (m <= mid) {
			out[count++] = right[--right_count];
			hi = mid;
		} else {
			out[count++] = *left++;
			lo = mid;
		}
	}
	if (lo > 0)
		out[count++] = *left;
	for (size_t i = 0; i < count / 2; i++) {
		struct tree_hash h = out[i];

		out[i] = out[count - 1 - i];
		out[count - 1 - i] = h;
	}
	return count;
}

static void root_of(const struct tree_hash *peaks, size_t count, uint8_t out[static HASH_LEN])
{
	struct tree_hash copy[128], root;

	memcpy(copy, peaks, count * sizeof *copy);
	peaks_fold(&root, copy, count);
	memcpy(out, root.bytes, HASH_LEN);
}

/* What stands left and right of a size under the newest checkpoint; size > 0. */
static int divide(const struct replica *r, uint64_t size, struct tree_hash left[static 128],
    size_t *left_count, struct tree_hash right[static RIGHT_MAX], size_t *right_count)
{
	struct tree_hash proof[TREE_PROOF_MAX], last;
	struct data d = {.first = size - 1, .count = 1, .hashes = &last, .proof = proof};
	int err = replica_fetch((void *)(uintptr_t)r, size - 1, 1, &last);

	if (!err)
		err = replica_prove(r, size - 1, size, proof, &d.proof_count);
	if (err)
		return err;
	*left_count = data_peaks(&d, size, left);
	*right_count = range_right_count(size, r->note_size);
	memcpy(right, proof + (d.proof_count - *right_count), *right_count * sizeof *right);
	return OK;
}

int replica_consistency(const struct replica *r, uint64_t size, uint8_t root[static HASH_LEN],
    struct tree_hash out[static 64], size_t *count)
{
	struct tree_hash left[128], right[RIGHT_MAX];
	size_t left_count, right_count;
	int err;

	*count = 0;
	if (size == 0 || size > r->held)
		return ERR_RANGE;
	err = divide(r, size, left, &left_count, right, &right_count);
	if (err)
		return err;
	root_of(left, left_count, root);
	*count = consistency_of(size, r->note_size, left, right, right_count, out);
	return OK;
}

/* `theirs` is larger than our note: only its own tree can tell what it has at our size. */
static int fork_larger(const struct replica *r, struct bytes note, const struct checkpoint *theirs,
    const uint8_t *root, const struct tree_hash *proof, size_t count, struct buffer *out)
{
	struct checkpoint ours;
	struct tree_hash at;
	int err = checkpoint_open(buffer_bytes(&r->note), &r->key, &ours);

	if (!err && !root)
		err = ERR_RANGE;
	if (!err)
		err = consistency_verify(ours.size, theirs->size, proof, count, root, theirs->root);
	if (err)
		return err;
	if (memcmp(root, ours.root, HASH_LEN) == 0)
		return ERR_NOTFOUND;
	memcpy(at.bytes, root, HASH_LEN);
	return fork_proof_make(out, buffer_bytes(&r->note), note, &at, proof, count, &r->key);
}

int replica_fork_note(const struct replica *r, struct bytes note, const uint8_t *root,
    const struct tree_hash *proof, size_t count, struct buffer *out)
{
	struct tree_hash hashes[64], at;
	struct checkpoint theirs, ours;
	int err = checkpoint_open(note, &r->key, &theirs);

	if (err)
		return err;
	if (r->note_size == 0)
		return ERR_NOTFOUND;
	if (theirs.size > r->note_size)
		return fork_larger(r, note, &theirs, root, proof, count, out);
	if (theirs.size == r->note_size) {
		err = checkpoint_open(buffer_bytes(&r->note), &r->key, &ours);
		if (err)
			return err;
		if (memcmp(ours.root, theirs.root, HASH_LEN) == 0)
			return ERR_NOTFOUND;
		return fork_proof_make(out, buffer_bytes(&r->note), note, NULL, NULL, 0, &r->key);
	}
	err = replica_consistency(r, theirs.size, at.bytes, hashes, &count);
	if (err)
		return err;
	if (memcmp(at.bytes, theirs.root, HASH_LEN) == 0)
		return ERR_NOTFOUND;
	return fork_proof_make(out, note, buffer_bytes(&r->note), &at, hashes, count, &r->key);
}

int replica_fork_data(const struct replica *r, uint64_t first, struct bytes leaves,
    struct bytes note, struct bytes proof, struct buffer *out)
{
	struct tree_hash left[128], right[RIGHT_MAX], hashes[64];
	uint64_t size = r->note_size;
	uint8_t root[HASH_LEN];
	size_t left_count, right_count, count = 0;
	bool known;
	struct data d;
	int err = data_open(&d, NULL, &r->key, first, leaves, note, proof);

	/* Where our checkpoint ends in the DATA's range, this says what it has there. */
	known = !err && size > 0 && size >= first && size <= first + d.count && size < d.head.size;
	if (known) {
		left_count = data_peaks(&d, size, left);
		right_count = data_right(&d, size, right);
		root_of(left, left_count, root);
		count = consistency_of(size, d.head.size, left, right, right_count, hashes);
	}
	if (!err)
		err = replica_fork_note(r, note, known ? root : NULL, hashes, count, out);
	data_clear(&d);
	return err;
}

/* ---- cutting back ---- */

int replica_cut_plan(const struct replica *r, uint64_t size, struct replica_cut *out)
{
	struct tree_hash left[128];
	size_t left_count;
	int err = OK;

	memset(out, 0, sizeof *out);
	if (size > r->held)
		return ERR_RANGE;
	out->size = size;
	out->tail_count = size % TREE_BLOCK;
	if (size == 0) /* no checkpoint either */
		return OK;
	out->note_size = r->note_size;
	err = divide(r, size, left, &left_count, out->right, &out->right_count);
	if (!err)
		err = replica_fetch(
		    (void *)(uintptr_t)r, size - out->tail_count, out->tail_count, out->tail);
	if (!err)
		root_of(left, left_count, out->root);
	return err;
}

int replica_cut(struct replica *r, const struct replica_cut *cut)
{
	int err;

	if (r->first)
		return ERR_BUSY;
	if (cut->size > r->held)
		return ERR_RANGE;
	if (cut->size > 0 && cut->note_size != r->note_size)
		return ERR_STALE;
	err = tree_truncate(r->tree, cut->size, cut->tail, cut->tail_count);
	if (err)
		return err;
	r->ended = r->ended && cut->size == r->held;
	r->held = cut->size;
	r->right_count = cut->right_count;
	memcpy(r->right, cut->right, cut->right_count * sizeof *cut->right);
	tree_root(r->tree, r->held_root);
	buffer_reset(&r->shown);
	r->shown_size = 0;
	if (cut->size == 0) {
		buffer_reset(&r->note);
		r->note_size = 0;
	}
	return OK;
}
