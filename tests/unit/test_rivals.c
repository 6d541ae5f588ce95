/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "log/fork.h"
#include "member/rivals.h"
#include "member_fixture.h"

#define ORG "isoc.example"
enum { ROOT_SEED = 1, REGISTRAR_SEED, COSIGNER_SEED, OTHER_ROOT_SEED, LOG_SEED };

static const uint8_t forum[HASH_LEN] = "a forum of thirty-two bytes.....";
static const uint8_t other_forum[HASH_LEN] = "another forum, also thirty-two..";

/* Entry 0 of a log: of a first one, or of the successor of one. */
static struct buffer made(
    const char *org, uint8_t root_seed, uint8_t log_seed, uint64_t serial, const char *previous)
{
	struct node_body n = fixture_node(org, serial, log_seed, REGISTRAR_SEED, COSIGNER_SEED);
	struct key root = fixture_key(root_seed);
	struct buffer message = BUFFER_INIT;
	char name[VERIFIER_NAME_MAX + 1];

	if (previous) {
		n.previous_log = bytes_str(previous);
		n.previous_size = 7;
	}
	assert_int_equal(credential_make(&message, name, forum, org, previous ? 2 : 1, &root, &n,
			     serial, FIXTURE_TIME),
	    OK);
	return message;
}

static int judge(struct buffer *one, struct buffer *other, const uint8_t f[static HASH_LEN])
{
	struct credential a, b;
	int err = rivals_open(&a, &b, f, buffer_bytes(one), buffer_bytes(other));

	if (!err) {
		assert_true(rivals_are(&a, &b));
		credential_clear(&a);
		credential_clear(&b);
	}
	return err;
}

static void test_first_logs(void **state)
{
	struct buffer one = made(ORG, ROOT_SEED, LOG_SEED, 1, NULL),
		      two = made(ORG, ROOT_SEED, LOG_SEED + 1, 1, NULL),
		      renewed = made(ORG, ROOT_SEED, LOG_SEED, 2, NULL),
		      stranger = made(ORG, OTHER_ROOT_SEED, LOG_SEED + 2, 1, NULL),
		      elsewhere = made("ripe.example", ROOT_SEED, LOG_SEED + 3, 1, NULL);

	(void)state;
	assert_int_equal(judge(&one, &two, forum), OK);
	assert_int_equal(judge(&two, &one, forum), OK);
	assert_int_equal(judge(&one, &one, forum), ERR_PROOF);
	assert_int_equal(judge(&one, &renewed, forum), ERR_PROOF);
	assert_int_equal(judge(&one, &stranger, forum), ERR_PROOF);
	assert_int_equal(judge(&one, &elsewhere, forum), ERR_PROOF);
	assert_int_equal(judge(&one, &two, other_forum), ERR_SIGNATURE);
	for (size_t i = 0; i < two.len; i++) {
		two.data[i] ^= 1;
		assert_int_not_equal(judge(&one, &two, forum), OK);
		two.data[i] ^= 1;
	}
	buffer_free(&one);
	buffer_free(&two);
	buffer_free(&renewed);
	buffer_free(&stranger);
	buffer_free(&elsewhere);
}

static void test_successors(void **state)
{
	struct key root = fixture_key(ROOT_SEED);
	struct buffer one, two, other, first;
	char previous[2][VERIFIER_NAME_MAX + 1];

	(void)state;
	for (uint8_t i = 0; i < 2; i++) {
		struct key log = fixture_key((uint8_t)(LOG_SEED + i));

		assert_int_equal(
		    log_name_make(previous[i], forum, root.public, log.public, bytes_str(ORG), 1),
		    OK);
	}
	one = made(ORG, ROOT_SEED, LOG_SEED + 2, 2, previous[0]);
	two = made(ORG, ROOT_SEED, LOG_SEED + 3, 2, previous[0]);
	other = made(ORG, ROOT_SEED, LOG_SEED + 4, 2, previous[1]);
	first = made(ORG, ROOT_SEED, LOG_SEED, 1, NULL);
	assert_int_equal(judge(&one, &two, forum), OK);
	assert_int_equal(judge(&one, &other, forum), ERR_PROOF);
	assert_int_equal(judge(&one, &first, forum), ERR_PROOF);
	buffer_free(&one);
	buffer_free(&two);
	buffer_free(&other);
	buffer_free(&first);
}

/* As it travels, and as a file. */
static void test_encoded(void **state)
{
	struct buffer one = made(ORG, ROOT_SEED, LOG_SEED, 1, NULL),
		      two = made(ORG, ROOT_SEED, LOG_SEED + 1, 1, NULL), encoded = BUFFER_INIT,
		      file = BUFFER_INIT, again = BUFFER_INIT;
	struct fork_proof f = {.smaller = buffer_bytes(&one), .larger = buffer_bytes(&two)};
	struct credential a, b;

	(void)state;
	assert_int_equal(fork_proof_encode(&encoded, &f), OK);
	assert_int_equal(fork_file_write(&file, buffer_bytes(&encoded)), OK);
	assert_true(file.len < 4096);
	assert_int_equal(fork_file_read(buffer_bytes(&file), &again), OK);
	assert_int_equal(fork_proof_decode(buffer_bytes(&again), &f), OK);
	assert_false(f.has_root);
	assert_int_equal(rivals_open(&a, &b, forum, f.smaller, f.larger), OK);
	credential_clear(&a);
	credential_clear(&b);
	buffer_free(&one);
	buffer_free(&two);
	buffer_free(&encoded);
	buffer_free(&file);
	buffer_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_logs),
	    cmocka_unit_test(test_successors),
	    cmocka_unit_test(test_encoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
