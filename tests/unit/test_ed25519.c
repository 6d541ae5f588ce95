/* SPDX-License-Identifier: BSD-2-Clause */
/* SPEC.md section 2.2 against published edge cases.
 *
 * In terms of the flags of C2SP's CCTV vectors, every one of which satisfies the equation with the
 *cofactor, the rule reads: a signature verifies if and only if
 *
 *	A and R are not of low order           no low_order_A, low_order_R
 *	A and R are canonical encodings        no non_canonical_A, non_canonical_R
 *	k is hashed from the bytes received    no reencoded_k
 *	the equation has no cofactor           no low_order_residue
 *
 * while a component of low order in A or R alone does no harm; and a key is usable if and only if
 *there is none of low_order_A, non_canonical_A, low_order_component_A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "crypto/comb.h"
#include "crypto/ed25519.h"
#include "crypto/equation.h"

static json_t *corpus_load(const char *name)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	char path[4096];
	snprintf(path, sizeof path, "%s/vectors/%s", corpus == NULL ? "../shared" : corpus, name);
	return json_load_file(path, 0, NULL);
}

static const char *member(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));
	assert_non_null(value);
	return value;
}

static void unhex(uint8_t *out, size_t len, const char *hex)
{
	assert_int_equal(hex_decode(out, len, hex, strlen(hex)), OK);
}

static bool has_flag(const json_t *flags, const char *name)
{
	size_t i;
	json_t *flag;
	json_array_foreach(
	    flags, i, flag) if (strcmp(json_string_value(flag), name) == 0) return true;
	return false;
}

/* Whether it is the same with a table of the key, where such a key may have one. It can only say
 * yes. */
static void same_with_table(const uint8_t key[static KEY_LEN], const uint8_t sig[static SIG_LEN],
    struct bytes message, bool verifies, bool usable)
{
	bool has = comb_works() && usable;

	for (int i = 0; i < COMB_OFTEN; i++)
		comb_seen(key);
	if (comb_verifies(key, sig, message) != (has && verifies))
		fail_msg("by the key's table it %s", verifies ? "doesn't verify" : "verifies");
	assert_int_equal(key_verify(key, sig, message), verifies ? OK : ERR_SIGNATURE);
}

static void test_cctv(void **state)
{
	(void)state;
	json_t *vectors = corpus_load("C2SP_CCTV/ed25519/ed25519vectors.json");
	if (vectors == NULL)
		skip();
	size_t i, verified = 0, usable = 0;
	json_t *vector;
	assert_int_equal(json_array_size(vectors), 914);
	json_array_foreach(vectors, i, vector)
	{
		uint8_t key[KEY_LEN], sig[SIG_LEN];
		unhex(key, sizeof key, member(vector, "key"));
		unhex(sig, sizeof sig, member(vector, "sig"));
		struct bytes message = bytes_str(member(vector, "msg"));
		const json_t *flags = json_object_get(vector, "flags");

		bool low = has_flag(flags, "low_order_A") || has_flag(flags, "low_order_R");
		bool bad_a = has_flag(flags, "non_canonical_A");
		bool equation = !has_flag(flags, "low_order_residue") &&
				!has_flag(flags, "non_canonical_R") &&
				!has_flag(flags, "reencoded_k");
		bool usable_key = !bad_a && !has_flag(flags, "low_order_A") &&
				  !has_flag(flags, "low_order_component_A");
		bool verifies = equation && !low && !bad_a;
		int err = key_verify(key, sig, message);
		if (err != (verifies ? OK : ERR_SIGNATURE) || key_usable(key) != usable_key)
			fail_msg("vector %zu: %s", i, json_dumps(flags, 0));
		/* What takes over where libsodium has the cofactor; it is not asked about the rest.
		 */
		if (!low && !bad_a && equation_holds(key, sig, message) != equation)
			fail_msg("vector %zu: %s", i, json_dumps(flags, 0));
		same_with_table(key, sig, message, verifies, usable_key);
		verified += verifies;
		usable += usable_key;
	}
	/* The flags are spelled as we think. */
	assert_int_equal(verified, 35 + 7 + 1);
	assert_int_equal(usable, 28);
	print_message(
	    "# vectors: C2SP_CCTV/ed25519/ed25519vectors.json: %zu read, %zu verify by our rule, "
	    "%zu have a usable key\n",
	    i, verified, usable);
	json_decref(vectors);
}

static void test_wycheproof(void **state)
{
	(void)state;
	json_t *file = corpus_load("C2SP_wycheproof/testvectors_v1/ed25519_test.json");
	if (file == NULL)
		skip();
	size_t g, t, valid = 0, invalid = 0, other_length = 0;
	json_t *group, *test;
	json_array_foreach(json_object_get(file, "testGroups"), g, group)
	{
		uint8_t key[KEY_LEN], sig[SIG_LEN], message[2048];
		unhex(key, sizeof key, member(json_object_get(group, "publicKey"), "pk"));
		assert_true(key_usable(key));
		json_array_foreach(json_object_get(group, "tests"), t, test)
		{
			const char *hex = member(test, "msg");
			bool want = strcmp(member(test, "result"), "valid") == 0;
			size_t len = strlen(hex) / 2;
			assert_true(len <= sizeof message);
			unhex(message, len, hex);
			if (strlen(member(test, "sig")) != 2 * SIG_LEN) {
				/* The types exclude them, and test_note.c has them as text. */
				assert_false(want);
				other_length++;
				continue;
			}
			unhex(sig, sizeof sig, member(test, "sig"));
			int err = key_verify(key, sig, bytes_of(message, len));
			if (err != (want ? OK : ERR_SIGNATURE))
				fail_msg("tcId %d: %s",
				    (int)json_integer_value(json_object_get(test, "tcId")),
				    member(test, "comment"));
			if (want)
				assert_true(equation_holds(key, sig, bytes_of(message, len)));
			same_with_table(key, sig, bytes_of(message, len), want, true);
			valid += want;
			invalid += !want;
		}
	}
	assert_int_equal(valid, 88);
	assert_int_equal(valid + invalid + other_length, 151);
	print_message(
	    "# vectors: C2SP_wycheproof/testvectors_v1/ed25519_test.json: %zu read, %zu verify\n",
	    valid + invalid + other_length, valid);
	json_decref(file);
}

/* RFC 8032, section 7.1, test 2. */
static void test_rfc8032(void **state)
{
	(void)state;
	uint8_t seed[32], public[KEY_LEN], want[SIG_LEN], sig[SIG_LEN];
	unhex(seed, 32, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
	unhex(public, 32, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	unhex(want, 64,
	    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	struct key key;
	key_from_seed(&key, seed);
	assert_memory_equal(key.public, public, KEY_LEN);
	key_sign(sig, &key, bytes_str("\x72"));
	assert_memory_equal(sig, want, SIG_LEN);
	assert_int_equal(key_verify(public, sig, bytes_str("\x72")), OK);
	assert_int_equal(key_verify(public, sig, bytes_str("\x73")), ERR_SIGNATURE);
	assert_int_equal(key_verify(public, sig, bytes_of(NULL, 0)), ERR_SIGNATURE);
	for (int bit = 0; bit < 8 * SIG_LEN; bit++) {
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(key_verify(public, sig, bytes_str("\x72")), ERR_SIGNATURE);
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	key_wipe(&key);
	assert_memory_equal(key.secret, (uint8_t[64]){0}, 64);
}

/* The base point plus one of order 2, 4, 8; the first is what libsodium's own check let pass until
 * 2026. */
static void test_mixed_order(void **state)
{
	(void)state;
	static const char *const mixed[] = {
	    "9599999999999999999999999999999999999999999999999999999999999999",
	    "9bad33f580df7ecc49df5342bac8145d5bedc40f573d1b067f3c4ce449689a15",
	    "98519eadf35b995233b51b5cd23e9cc5a28b639b5a4af0ec903cb960d81b7819",
	};
	uint8_t point[KEY_LEN];
	for (int i = 0; i < 3; i++) {
		unhex(point, sizeof point, mixed[i]);
		assert_false(key_usable(point));
	}
	/* The base point itself is as good as any key. */
	memset(point, 0x66, sizeof point);
	point[0] = 0x58;
	assert_true(key_usable(point));
	/* Not on the curve; the identity; p + 3 for 3. */
	memset(point, 0, sizeof point);
	point[0] = 2;
	assert_false(key_usable(point));
	point[0] = 1;
	assert_false(key_usable(point));
	memset(point, 0xff, sizeof point);
	point[0] = 0xf0;
	point[31] = 0x7f;
	assert_false(key_usable(point));
}

static void test_generate(void **state)
{
	(void)state;
	struct key a, b, again;
	uint8_t sig[SIG_LEN];
	key_generate(&a);
	key_generate(&b);
	assert_memory_not_equal(a.public, b.public, KEY_LEN);
	assert_true(key_usable(a.public));
	key_from_seed(&again, a.secret);
	assert_memory_equal(&a, &again, sizeof a);
	key_sign(sig, &a, bytes_of(NULL, 0));
	assert_int_equal(key_verify(a.public, sig, bytes_of(NULL, 0)), OK);
	assert_int_equal(key_verify(b.public, sig, bytes_of(NULL, 0)), ERR_SIGNATURE);
}

/* Signatures by chance, whole, with a bit changed, and with S as large as it may not be. */
static void test_table(void **state)
{
	(void)state;
	uint8_t message[600], sig[SIG_LEN];
	struct key keys[20];

	if (!comb_works())
		skip();
	for (int k = 0; k < 20; k++) {
		key_generate(&keys[k]);
		key_sign(sig, &keys[k], bytes_of(NULL, 0));
		for (int i = 0; i < COMB_OFTEN; i++) {
			assert_false(comb_verifies(keys[k].public, sig, bytes_of(NULL, 0)));
			assert_int_equal(key_verify(keys[k].public, sig, bytes_of(NULL, 0)), OK);
		}
		assert_true(comb_verifies(keys[k].public, sig, bytes_of(NULL, 0)));
	}
	for (int i = 0; i < 2000; i++) {
		const struct key *key = &keys[i % 20];
		struct bytes b = bytes_of(message, (size_t)i % sizeof message);
		size_t bit = (size_t)i % (8 * SIG_LEN);

		random_fill(message, sizeof message);
		key_sign(sig, key, b);
		assert_true(comb_verifies(key->public, sig, b));
		assert_false(comb_verifies(keys[(i + 1) % 20].public, sig, b));
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(comb_verifies(key->public, sig, b));
		assert_int_equal(key_verify(key->public, sig, b), ERR_SIGNATURE);
	}
	/* S plus the group order, which is the same scalar: libsodium refuses it, and so does this.
	 */
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	unsigned carry = 0;

	key_sign(sig, &keys[0], bytes_of(NULL, 0));
	for (int i = 0; i < 32; i++) {
		carry += sig[32 + i] + (unsigned)order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_false(comb_verifies(keys[0].public, sig, bytes_of(NULL, 0)));
	assert_int_equal(key_verify(keys[0].public, sig, bytes_of(NULL, 0)), ERR_SIGNATURE);
	/* R the identity, S = k·a: the equation holds, and R is of small order. The key is the base
	 * point, so that a is 1. */
	uint8_t base[KEY_LEN];

	memset(base, 0x66, sizeof base);
	base[0] = 0x58;
	memset(sig, 0, sizeof sig);
	sig[0] = 1;
	equation_challenge(sig + 32, sig, base, bytes_of(NULL, 0));
	for (int i = 0; i < COMB_OFTEN; i++)
		comb_seen(base);
	assert_false(comb_verifies(base, sig, bytes_of(NULL, 0)));
	assert_int_equal(key_verify(base, sig, bytes_of(NULL, 0)), ERR_SIGNATURE);
}

/* Keys that come seldom don't drive out those that come often, and those give way in the end. */
static void test_tables_turn(void **state)
{
	(void)state;
	enum { OFTEN = 50, SELDOM = 3 * COMB_KEYS };
	static struct key often[OFTEN], seldom[SELDOM];
	static uint8_t sigs[OFTEN][SIG_LEN], sig[SIG_LEN];
	int kept = 0, made = 0;

	if (!comb_works())
		skip();
	for (int i = 0; i < OFTEN; i++) {
		key_generate(&often[i]);
		key_sign(sigs[i], &often[i], bytes_of(NULL, 0));
	}
	for (int i = 0; i < SELDOM; i++)
		key_generate(&seldom[i]);
	for (int round = 0; round < 2 * COMB_OFTEN; round++)
		for (int i = 0; i < OFTEN; i++)
			assert_int_equal(
			    key_verify(often[i].public, sigs[i], bytes_of(NULL, 0)), OK);
	for (int i = 0; i < SELDOM; i++)
		comb_seen(seldom[i].public);
	for (int i = 0; i < OFTEN; i++)
		kept += comb_verifies(often[i].public, sigs[i], bytes_of(NULL, 0));
	assert_true(kept > OFTEN * 3 / 4);
	/* Now those are the ones that come. */
	for (int round = 0; round < 100; round++)
		for (int i = 0; i < SELDOM; i++)
			comb_seen(seldom[i].public);
	for (int i = 0; i < SELDOM; i++) {
		key_sign(sig, &seldom[i], bytes_of(NULL, 0));
		made += comb_verifies(seldom[i].public, sig, bytes_of(NULL, 0));
	}
	assert_true(made > 0 && made <= COMB_KEYS);
}

struct hands {
	const struct key *keys;
	int wrong;
};

static void *verify_all(void *arg)
{
	struct hands *h = arg;
	uint8_t sig[SIG_LEN];

	for (int i = 0; i < 4000; i++) {
		const struct key *key = &h->keys[i % 100];

		key_sign(sig, key, bytes_of(&i, sizeof i));
		h->wrong += key_verify(key->public, sig, bytes_of(&i, sizeof i)) != OK;
		sig[i % SIG_LEN] ^= 0x10;
		h->wrong += key_verify(key->public, sig, bytes_of(&i, sizeof i)) != ERR_SIGNATURE;
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	static struct key keys[100];
	struct hands hands[4];
	pthread_t threads[4];

	for (int i = 0; i < 100; i++)
		key_generate(&keys[i]);
	for (int i = 0; i < 4; i++) {
		hands[i] = (struct hands){keys, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, verify_all, &hands[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(hands[i].wrong, 0);
	}
}

static void test_secrets(void **state)
{
	(void)state;
	uint8_t a[32], b[32];
	random_fill(a, sizeof a);
	random_fill(b, sizeof b);
	assert_false(secret_equal(a, b, sizeof a));
	memcpy(b, a, sizeof b);
	assert_true(secret_equal(a, b, sizeof a));
	b[31] ^= 0x80;
	assert_false(secret_equal(a, b, sizeof a));
	assert_true(secret_equal(a, b, 31));
	secret_wipe(a, 31);
	assert_int_equal(a[0] | a[30], 0);
}

static int start(void **state)
{
	(void)state;
	return crypto_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cctv),
	    cmocka_unit_test(test_wycheproof),
	    cmocka_unit_test(test_rfc8032),
	    cmocka_unit_test(test_mixed_order),
	    cmocka_unit_test(test_generate),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_tables_turn),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_secrets),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
