/* SPDX-License-Identifier: BSD-2-Clause */
/* Checking proofs that others made. Nothing here trusts a number: the shape of a range proof is
 * known from (a, b, n) alone, so a wrong count of hashes is refused before any work, and the work
 * is bounded by leaves and hashes given. */
#include "log/tree_private.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

static bool same(const struct tree_hash *h, const uint8_t bytes[static HASH_LEN])
{
	return memcmp(h->bytes, bytes, HASH_LEN) == 0;
}

size_t range_left_count(uint64_t a)
{
	return (size_t)__builtin_popcountll(a);
}

size_t range_right_count(uint64_t b, uint64_t n)
{
	uint64_t lo = 0, hi = n;
	size_t count = 0;

	while (b < hi) {
		uint64_t mid;

		if (b == lo)
			return count + 1;
		mid = lo + split_of(hi - lo);
		if (b < mid) {
			count++;
			hi = mid;
		} else {
			lo = mid;
		}
	}
	return count;
}

/* A range and what is not used yet of its proof. */
struct range {
	uint64_t a, b;
	const struct tree_hash *leaves; /* of [a, b) */
	const struct tree_hash *proof;
};

static int range_start(struct range *r, uint64_t a, const struct tree_hash *leaves, size_t count,
    uint64_t n, const struct tree_hash *proof, size_t proof_count)
{
	if (count == 0 || a >= n || count > n - a)
		return ERR_PROOF;
	*r = (struct range){a, a + count, leaves, proof};
	return proof_count == range_left_count(a) + range_right_count(r->b, n) ? OK : ERR_PROOF;
}

/* The hash of [lo, hi), taking what lies outside the range from the proof, left to right. */
static void range_hash(struct range *r, uint64_t lo, uint64_t hi, struct tree_hash *out)
{
	struct tree_hash left, right;
	uint64_t mid;

	if (hi <= r->a || r->b <= lo) {
		*out = *r->proof++;
		return;
	}
	if (hi - lo == 1) {
		*out = r->leaves[lo - r->a];
		return;
	}
	mid = lo + split_of(hi - lo);
	range_hash(r, lo, mid, &left);
	range_hash(r, mid, hi, &right);
	node_hash(out, &left, &right);
}

int range_verify(uint64_t a, const struct tree_hash *leaves, size_t count, uint64_t n,
    const struct tree_hash *proof, size_t proof_count, const uint8_t root[static HASH_LEN])
{
	struct tree_hash computed;
	struct range r;

	if (range_start(&r, a, leaves, count, n, proof, proof_count))
		return ERR_PROOF;
	range_hash(&r, 0, n, &computed);
	assert(r.proof == proof + proof_count);
	return same(&computed, root) ? OK : ERR_PROOF;
}

/* RFC 6962 SUBPROOF for r->a: recursive, because the range proof is read left to right and this one
 * is written from the leaf up. */
static void range_subproof(
    struct range *r, uint64_t lo, uint64_t hi, struct tree_hash *out, size_t *count)
{
	struct tree_hash sibling;
	uint64_t mid;

	if (r->a == hi) {
		range_hash(r, lo, hi, &sibling);
		if (lo > 0) /* else this is the root at a, which the verifier has */
			out[(*count)++] = sibling;
		return;
	}
	mid = lo + split_of(hi - lo);
	if (r->a <= mid) {
		range_subproof(r, lo, mid, out, count);
		range_hash(r, mid, hi, &sibling);
	} else {
		range_hash(r, lo, mid, &sibling);
		range_subproof(r, mid, hi, out, count);
	}
	out[(*count)++] = sibling;
}

int range_consistency(uint64_t a, const struct tree_hash *leaves, size_t count, uint64_t n,
    const struct tree_hash *proof, size_t proof_count, struct tree_hash *root_a,
    struct tree_hash out[static 64], size_t *out_count)
{
	struct tree_hash peaks[64];
	struct range r;

	*out_count = 0;
	if (a == 0 || range_start(&r, a, leaves, count, n, proof, proof_count))
		return ERR_PROOF;
	range_subproof(&r, 0, n, out, out_count);
	memcpy(peaks, proof, range_left_count(a) * sizeof peaks[0]);
	peaks_fold(root_a, peaks, range_left_count(a));
	return OK;
}

/* The steps and the names fn, sn, fr, sr are those of RFC 9162 sections 2.1.3.2 and 2.1.4.2. */

static void climb_right_edge(uint64_t *fn, uint64_t *sn)
{
	while (!(*fn & 1) && *fn != 0) {
		*fn >>= 1;
		*sn >>= 1;
	}
}

int inclusion_verify(uint64_t index, uint64_t n, const struct tree_hash *leaf,
    const struct tree_hash *proof, size_t count, const uint8_t root[static HASH_LEN])
{
	struct tree_hash r = *leaf;
	uint64_t fn = index, sn = n - 1;

	if (index >= n)
		return ERR_PROOF;
	for (size_t i = 0; i < count; i++) {
		if (sn == 0)
			return ERR_PROOF;
		if ((fn & 1) || fn == sn) {
			node_hash(&r, &proof[i], &r);
			climb_right_edge(&fn, &sn);
		} else {
			node_hash(&r, &r, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && same(&r, root) ? OK : ERR_PROOF;
}

int consistency_verify(uint64_t m, uint64_t n, const struct tree_hash *proof, size_t count,
    const uint8_t root_m[static HASH_LEN], const uint8_t root_n[static HASH_LEN])
{
	struct tree_hash fr, sr;
	uint64_t fn = m - 1, sn = n - 1;
	size_t i = 0;

	if (m == 0 || m > n)
		return ERR_PROOF;
	if (m == n)
		return count == 0 && memcmp(root_m, root_n, HASH_LEN) == 0 ? OK : ERR_PROOF;
	if (count == 0)
		return ERR_PROOF;
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	if ((m & (m - 1)) == 0)
		memcpy(fr.bytes, root_m, HASH_LEN);
	else
		fr = proof[i++];
	sr = fr;
	for (; i < count; i++) {
		if (sn == 0)
			return ERR_PROOF;
		if ((fn & 1) || fn == sn) {
			node_hash(&fr, &proof[i], &fr);
			node_hash(&sr, &proof[i], &sr);
			climb_right_edge(&fn, &sn);
		} else {
			node_hash(&sr, &sr, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && same(&fr, root_m) && same(&sr, root_n) ? OK : ERR_PROOF;
}
