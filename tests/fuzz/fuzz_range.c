/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile proofs (first byte even) must be refused without harm; our own (odd) must verify,
 * whatever range, size and amount of borrowed material. After the first byte: three numbers; then
 * hashes. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/tree.h"
#include "target.h"

#define GROWN 1500

static struct tree_hash leaves[GROWN];
static struct tree *whole;

static void start(void)
{
	if (whole)
		return;
	whole = tree_new();
	REQUIRE(whole);
	for (uint32_t i = 0; i < GROWN; i++) {
		leaf_hash(&leaves[i], bytes_of(&i, sizeof i));
		REQUIRE(tree_append(whole, &leaves[i]) == OK);
	}
}

static int fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	(void)ctx;
	memcpy(out, leaves + first, count * sizeof *out);
	return OK;
}

static void hostile(
    uint64_t a, uint64_t n, uint64_t count, const struct tree_hash *hashes, size_t given)
{
	size_t used = (size_t)(given ? count % (given + 1) : 0), out_count;
	const struct tree_hash *proof = hashes + used;
	struct tree_hash root, out[64];
	uint8_t zero[HASH_LEN] = {0};

	given -= used;
	REQUIRE(range_verify(a, hashes, used, n, proof, given, zero) == ERR_PROOF);
	/* Whatever has the shape of a proof must turn into one that binds what it says. */
	if (range_consistency(a, hashes, used, n, proof, given, &root, out, &out_count) == OK)
		REQUIRE(out_count <= 64 &&
			consistency_verify(a, n, out, out_count, root.bytes, zero) == ERR_PROOF);
	REQUIRE(range_left_count(a) <= 64 && range_right_count(a, n) <= 64);
	if (used > 0)
		REQUIRE(inclusion_verify(a, n, &hashes[0], proof, given, zero) == ERR_PROOF);
	REQUIRE(consistency_verify(a, n, proof, given, zero, zero) ==
		(a == n && a > 0 && given == 0 ? OK : ERR_PROOF));
}

static void honest(uint64_t a, uint64_t n, uint64_t count)
{
	struct tree_hash proof[TREE_PROOF_MAX], other[TREE_PROOF_MAX], part[TREE_PROOF_MAX],
	    back[64], root_a;
	uint64_t b, held;
	uint8_t root[HASH_LEN];
	size_t proof_count, other_count, part_count, back_count, right;
	struct tree *tree = tree_new();

	n = 1 + n % GROWN;
	a %= n;
	b = a + 1 + count % (n - a);
	held = b + (count >> 32) % (n - b + 1);
	REQUIRE(tree);
	for (uint64_t i = 0; i < held; i++)
		REQUIRE(tree_append(tree, &leaves[i]) == OK);
	REQUIRE(tree_root_at(whole, n, fetch, NULL, root) == OK);
	REQUIRE(tree_prove_range(whole, a, b, n, NULL, 0, fetch, NULL, proof, &proof_count) == OK);
	REQUIRE(range_verify(a, leaves + a, b - a, n, proof, proof_count, root) == OK);

	REQUIRE(tree_prove_range(
		    whole, held - 1, held, n, NULL, 0, fetch, NULL, other, &other_count) == OK);
	right = range_right_count(held, n);
	REQUIRE(tree_prove_range(tree, a, b, n, other + other_count - right, right, fetch, NULL,
		    part, &part_count) == OK);
	REQUIRE(part_count == proof_count);
	REQUIRE(memcmp(part, proof, proof_count * sizeof proof[0]) == 0);
	if (a > 0) {
		REQUIRE(range_consistency(a, leaves + a, b - a, n, proof, proof_count, &root_a,
			    back, &back_count) == OK);
		REQUIRE(consistency_verify(a, n, back, back_count, root_a.bytes, root) == OK);
	}
	tree_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t number[3];
	struct tree_hash *hashes;
	size_t given;

	start();
	if (size < 1 + sizeof number)
		return 0;
	for (size_t i = 0; i < 3; i++)
		number[i] = get_u64(data + 1 + 8 * i);
	if (data[0] & 1) {
		honest(number[0], number[1], number[2]);
		return 0;
	}
	given = (size - 1 - sizeof number) / HASH_LEN;
	hashes = malloc(given * sizeof *hashes + 1);
	REQUIRE(hashes);
	memcpy(hashes, data + 1 + sizeof number, given * sizeof *hashes);
	hostile(number[0], number[1], number[2], hashes, given);
	free(hashes);
	return 0;
}
