/* SPDX-License-Identifier: BSD-2-Clause */
/* The head that a client holds its node to: what goes on from it, what doesn't, and what is proven.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/head.h"
#include "log/fork.h"

#define ORIGIN "isoc.example/0123456789abcdef0123456789abcdef/1"
enum { SIZE = 700, PARTED = 300 };

static struct key key;
static struct verifier verifier;
static struct tree *trees[2];
static struct tree_hash leaves[2][SIZE];
static uint32_t raw[2][SIZE][2];

static int fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	memcpy(out, (const struct tree_hash *)ctx + first, count * sizeof *out);
	return OK;
}

static void head_at(struct head *h, int branch, uint64_t size)
{
	*h = (struct head){.at = {.origin = ORIGIN, .size = size}};
	assert_int_equal(tree_root_at(trees[branch], size, fetch, leaves[branch], h->at.root), OK);
	assert_int_equal(checkpoint_sign(&h->note, &h->at, &key), OK);
}

/* What a node of that branch, at that size, answers for one entry. */
struct answer {
	Convene__Data m;
	struct head head;
	struct buffer leaves;
	struct tree_hash proof[TREE_PROOF_MAX];
};

static const Convene__Data *answer(struct answer *a, int branch, uint64_t size, uint64_t first)
{
	size_t count;

	if (first >= size)
		return NULL;
	*a = (struct answer){.m = CONVENE__DATA__INIT};
	head_at(&a->head, branch, size);
	assert_int_equal(tree_prove_range(trees[branch], first, first + 1, size, NULL, 0, fetch,
			     leaves[branch], a->proof, &count),
	    OK);
	leaves_add(&a->leaves, bytes_of(raw[branch][first], sizeof raw[branch][first]));
	a->m.first = first;
	a->m.leaves = pb_of(buffer_bytes(&a->leaves));
	a->m.checkpoint = pb_of(buffer_bytes(&a->head.note));
	a->m.proof = pb_of(bytes_of(a->proof, count * HASH_LEN));
	return &a->m;
}

static void answer_clear(struct answer *a)
{
	head_clear(&a->head);
	buffer_free(&a->leaves);
}

/* Judge a node of `branch` at `size` by a head of branch 0. */
static int judge(uint64_t kept_size, int branch, uint64_t size, struct head_shown *out)
{
	struct answer next = {.m = CONVENE__DATA__INIT}, last = {.m = CONVENE__DATA__INIT};
	const Convene__Data *a = answer(&next, branch, size, kept_size);
	const Convene__Data *b = answer(&last, branch, size, kept_size - 1);
	struct head kept;
	int err;

	head_at(&kept, 0, kept_size);
	err = head_judge(&kept, &verifier, a, b, out);
	out->note = bytes_of(NULL, 0);
	head_clear(&kept);
	answer_clear(&next);
	answer_clear(&last);
	return err;
}

static void test_goes_on(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 255, 256, 257, 299, 300, 511, 512, 699, 700};
	struct head_shown shown;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (size_t j = i; j < sizeof sizes / sizeof *sizes; j++) {
			assert_int_equal(judge(sizes[i], 0, sizes[j], &shown), OK);
			assert_int_equal(shown.at.size, sizes[j]);
			buffer_free(&shown.proof);
		}
	}
	/* Another branch is the same log as long as nobody can tell. */
	assert_int_equal(judge(200, 1, 700, &shown), OK);
	buffer_free(&shown.proof);
}

static void test_goes_back(void **state)
{
	struct head_shown shown;

	(void)state;
	assert_int_equal(judge(500, 0, 499, &shown), ERR_RANGE);
	assert_int_equal(judge(500, 0, 1, &shown), ERR_RANGE);
	assert_int_equal(judge(500, 1, 310, &shown), ERR_RANGE);
}

/* The proof is one for anybody. */
static void proven(const struct head_shown *shown)
{
	struct fork_proof f;

	assert_int_equal(fork_proof_decode(buffer_bytes(&shown->proof), &f), OK);
	assert_int_equal(fork_proof_check(f.smaller, f.larger, f.has_root ? &f.root : NULL, f.proof,
			     f.count, &verifier),
	    OK);
	assert_true(shown->proof.len < 4096);
}

static void test_forks(void **state)
{
	static const uint64_t sizes[] = {301, 302, 512, 513, 650, 700};
	struct head_shown shown;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (size_t j = i; j < sizeof sizes / sizeof *sizes; j++) {
			assert_int_equal(judge(sizes[i], 1, sizes[j], &shown), ERR_FORK);
			proven(&shown);
			buffer_free(&shown.proof);
		}
	}
}

static void test_grows_in_between(void **state)
{
	struct answer last;
	struct head_shown shown;
	struct head kept;

	(void)state;
	head_at(&kept, 0, 400);
	assert_int_equal(
	    head_judge(&kept, &verifier, NULL, answer(&last, 0, 401, 399), &shown), ERR_BUSY);
	answer_clear(&last);
	head_clear(&kept);
}

/* Judge a successor that names `stands` entries of branch `named`, at a node that shows `branch` of
 * the ended log with `size` entries. */
static int judge_before(
    uint64_t kept_size, int named, uint64_t stands, int branch, uint64_t size, bool *proof)
{
	struct answer next = {.m = CONVENE__DATA__INIT}, end = {.m = CONVENE__DATA__INIT};
	const Convene__Data *a = answer(&next, branch, size, kept_size);
	const Convene__Data *b = answer(&end, branch, size, stands);
	struct head_shown shown;
	struct head kept, named_head;
	int err;

	head_at(&kept, 0, kept_size);
	head_at(&named_head, named, stands);
	err = head_judge_before(&kept, &verifier, stands, named_head.at.root, a, b, &shown);
	*proof = shown.proof.len > 0;
	if (*proof)
		proven(&shown);
	buffer_free(&shown.proof);
	head_clear(&kept);
	head_clear(&named_head);
	answer_clear(&next);
	answer_clear(&end);
	return err;
}

static void test_before(void **state)
{
	bool proof;

	(void)state;
	assert_int_equal(judge_before(400, 0, 400, 0, 400, &proof), OK);
	assert_int_equal(judge_before(400, 0, 600, 0, 600, &proof), OK);
	assert_int_equal(judge_before(400, 0, 600, 0, 700, &proof), OK);
	assert_int_equal(judge_before(400, 0, 399, 0, 399, &proof), ERR_RANGE);
	assert_int_equal(judge_before(250, 1, 600, 1, 600, &proof), OK); /* before they part */
	/* It goes on from what was never shown, whatever is shown of it now. */
	assert_int_equal(judge_before(400, 1, 400, 0, 400, &proof), ERR_FORK);
	assert_int_equal(judge_before(400, 1, 600, 1, 600, &proof), ERR_FORK);
	assert_true(proof);
	assert_int_equal(judge_before(400, 1, 600, 1, 700, &proof), ERR_FORK);
	assert_true(proof);
	assert_int_equal(judge_before(400, 1, 600, 0, 600, &proof), ERR_FORK);
	assert_int_equal(judge_before(400, 1, 600, 0, 700, &proof), ERR_FORK);
	assert_false(proof);
	/* Not shown. */
	assert_int_equal(judge_before(400, 1, 600, 1, 300, &proof), ERR_NOTFOUND);
	assert_int_equal(judge_before(400, 0, 600, 0, 500, &proof), ERR_NOTFOUND);
}

/* What proves nothing accuses nobody. */
static void test_nonsense(void **state)
{
	struct verifier other = verifier;
	struct head_shown shown;
	struct answer a;
	struct head kept;
	Convene__Data m;

	(void)state;
	head_at(&kept, 0, 400);
	m = *answer(&a, 0, 700, 400);
	assert_int_equal(head_judge(&kept, &verifier, &m, NULL, &shown), OK);
	m.first = 401;
	assert_int_equal(head_judge(&kept, &verifier, &m, NULL, &shown), ERR_MALFORMED);
	m = a.m;
	m.proof.len -= 1;
	assert_int_equal(head_judge(&kept, &verifier, &m, NULL, &shown), ERR_MALFORMED);
	m = a.m;
	m.proof.len -= HASH_LEN;
	assert_int_equal(head_judge(&kept, &verifier, &m, NULL, &shown), ERR_PROOF);
	m = a.m;
	m.leaves.len = 0;
	assert_int_equal(head_judge(&kept, &verifier, &m, NULL, &shown), ERR_MALFORMED);
	a.proof[0].bytes[0] ^= 1;
	assert_int_equal(head_judge(&kept, &verifier, &a.m, NULL, &shown), ERR_PROOF);
	a.proof[0].bytes[0] ^= 1;
	assert_int_equal(head_judge(&kept, &verifier, &a.m, NULL, &shown), OK);
	other.public[0] ^= 1;
	assert_int_not_equal(head_judge(&kept, &other, &a.m, NULL, &shown), OK);
	answer_clear(&a);
	/* An entry of another place than the one asked for. */
	answer(&a, 0, 700, 399);
	assert_int_equal(head_judge(&kept, &verifier, &a.m, NULL, &shown), ERR_MALFORMED);
	answer_clear(&a);
	head_clear(&kept);
}

static void test_file(void **state)
{
	char home[] = "/tmp/convene-head-XXXXXX", path[64];
	struct head kept, again;
	struct trouble t;

	(void)state;
	assert_non_null(mkdtemp(home));
	assert_int_equal(head_read(&again, home, &t), OK);
	assert_int_equal(again.at.size, 0);
	head_at(&kept, 0, 400);
	assert_int_equal(file_write(home, "head", buffer_bytes(&kept.note), &t), OK);
	assert_int_equal(head_read(&again, home, &t), OK);
	assert_int_equal(again.at.size, 400);
	assert_string_equal(again.at.origin, ORIGIN);
	assert_memory_equal(again.at.root, kept.at.root, HASH_LEN);
	head_clear(&again);
	assert_int_equal(file_write(home, "head", bytes_str("nothing\n"), &t), OK);
	assert_int_equal(head_read(&again, home, &t), ERR_MALFORMED);
	head_clear(&kept);
	snprintf(path, sizeof path, "%s/head", home);
	assert_int_equal(remove(path), 0);
	assert_int_equal(remove(home), 0);
}

static int setup(void **state)
{
	uint8_t seed[32] = {9};

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	for (uint32_t branch = 0; branch < 2; branch++) {
		trees[branch] = tree_new();
		for (uint32_t i = 0; i < SIZE; i++) {
			raw[branch][i][0] = i;
			raw[branch][i][1] = i < PARTED ? 0 : branch;
			leaf_hash(
			    &leaves[branch][i], bytes_of(raw[branch][i], sizeof raw[branch][i]));
			assert_int_equal(tree_append(trees[branch], &leaves[branch][i]), OK);
		}
	}
	return verifier_make(&verifier, bytes_str(ORIGIN), VERIFIER_ED25519, key.public);
}

static int teardown(void **state)
{
	(void)state;
	tree_free(trees[0]);
	tree_free(trees[1]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_goes_on),
	    cmocka_unit_test(test_goes_back),
	    cmocka_unit_test(test_forks),
	    cmocka_unit_test(test_grows_in_between),
	    cmocka_unit_test(test_before),
	    cmocka_unit_test(test_nonsense),
	    cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
