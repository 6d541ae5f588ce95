/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/hash.h"

static void assert_hash(const uint8_t got[static HASH_LEN], const char *want)
{
	char hex[2 * HASH_LEN + 1];
	hex_encode(hex, got, HASH_LEN);
	assert_string_equal(hex, want);
}

/* FIPS 180-4's examples. */
static const char of_nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char of_million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void test_one_shot(void **state)
{
	(void)state;
	uint8_t out[HASH_LEN];
	hash_of(out, "abc", 3);
	assert_hash(out, of_abc);
	hash_of(out, NULL, 0);
	assert_hash(out, of_nothing);
}

static void test_parts(void **state)
{
	(void)state;
	uint8_t out[HASH_LEN];
	const struct bytes parts[] = {bytes_str("a"), bytes_of(NULL, 0), bytes_str("bc")};
	hash_of_parts(out, parts, 3);
	assert_hash(out, of_abc);
	hash_of_parts(out, parts, 0);
	assert_hash(out, of_nothing);
}

static void test_stream(void **state)
{
	(void)state;
	uint8_t out[HASH_LEN], block[1000];
	memset(block, 'a', sizeof block);
	struct hash *h = hash_new();
	assert_non_null(h);
	for (int i = 0; i < 2; i++) {
		hash_start(h);
		for (int j = 0; j < 1000; j++)
			hash_add(h, block, sizeof block);
		hash_finish(h, out);
		assert_hash(out, of_million);
	}
	/* One that was left unfinished leaves nothing behind, and disturbs no one-shot. */
	hash_start(h);
	hash_add(h, "x", 1);
	hash_of(out, "abc", 3);
	assert_hash(out, of_abc);
	hash_start(h);
	hash_add(h, "abc", 3);
	hash_finish(h, out);
	assert_hash(out, of_abc);
	hash_free(h);
	hash_free(NULL);
}

static void *hash_much(void *arg)
{
	uint8_t *out = arg;
	memset(out, 0, HASH_LEN);
	for (int i = 0; i < 2000; i++)
		hash_of(out, out, HASH_LEN);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[8];
	uint8_t out[8][HASH_LEN], want[HASH_LEN];
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_much, out[i]), 0);
	hash_much(want);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_memory_equal(out[i], want, HASH_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_shot),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
