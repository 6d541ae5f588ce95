/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/verifier.h"

/* C2SP signed-note's example; cosigners' keys from Sunlight's tests. */
#define EXAMPLE "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define WITNESS "witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN"

static struct key key;

static int parse(const char *text)
{
	struct verifier v;
	return verifier_parse(&v, bytes_str(text));
}

static void test_published(void **state)
{
	(void)state;
	struct verifier v;
	char text[VERIFIER_TEXT_MAX + 1];
	assert_int_equal(verifier_parse(&v, bytes_str(EXAMPLE)), OK);
	assert_string_equal(v.name, "example.com/foo");
	assert_int_equal(v.type, VERIFIER_ED25519);
	assert_memory_equal(v.id, "\x53\x0d\x90\x3a", 4);
	assert_int_equal(verifier_format(text, &v), strlen(EXAMPLE));
	assert_string_equal(text, EXAMPLE);

	assert_int_equal(verifier_parse(&v, bytes_str(WITNESS)), OK);
	assert_int_equal(v.type, VERIFIER_COSIGNATURE);
	verifier_format(text, &v);
	assert_string_equal(text, WITNESS);
}

/* Neither a changed nor a missing byte gives a key; an added one neither. */
static void test_damaged(void **state)
{
	(void)state;
	char text[] = EXAMPLE, longer[sizeof text + 1];
	size_t len = strlen(text);
	struct verifier v;
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			assert_int_not_equal(verifier_parse(&v, bytes_of(text, len)), OK);
			text[i] ^= (char)(1 << bit);
		}
		assert_int_not_equal(verifier_parse(&v, bytes_of(text, i)), OK);
	}
	for (int c = 0; c < 256; c++) {
		snprintf(longer, sizeof longer, "%s%c", text, c);
		assert_int_not_equal(verifier_parse(&v, bytes_of(longer, len + 1)), OK);
	}
	assert_int_equal(verifier_parse(&v, bytes_of(NULL, 0)), ERR_MALFORMED);
}

static void test_codes(void **state)
{
	(void)state;
	assert_int_equal(parse("example.com/foo"), ERR_MALFORMED);
	assert_int_equal(parse("example.com/foo+530d903a"), ERR_MALFORMED);
	assert_int_equal(parse("example.com/foo+530d903a+"), ERR_MALFORMED);
	assert_int_equal(
	    parse("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"), ERR_MALFORMED);
	assert_int_equal(
	    parse("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
	    ERR_MALFORMED);
	assert_int_equal(
	    parse("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
	    ERR_KEY);
	assert_int_equal(
	    parse("example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
	    ERR_KEY);
	/* Type 02, and a type 01 with 31 bytes of key. */
	assert_int_equal(
	    parse("example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
	    ERR_KEY);
	assert_int_equal(
	    parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0="),
	    ERR_MALFORMED);
	assert_int_equal(
	    parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U1="),
	    ERR_NOT_CANONICAL);
}

static void test_mldsa(void **state)
{
	(void)state;
	uint8_t material[1 + 1312] = {0x06};
	char text[64 + BASE64_LEN(sizeof material)];
	int n = snprintf(text, sizeof text, "w.example+01020304+");
	base64_encode(text + n, material, sizeof material);
	assert_int_equal(parse(text), ERR_KEY);
}

/* The id matches, but the point is of order 2 × prime. */
static void test_unusable(void **state)
{
	(void)state;
	uint8_t public[KEY_LEN];
	char text[VERIFIER_TEXT_MAX + 1];
	struct verifier v;
	memset(public, 0x99, sizeof public);
	public[0] = 0x95;
	assert_int_equal(verifier_make(&v, bytes_str("a.example"), VERIFIER_ED25519, public), OK);
	verifier_format(text, &v);
	assert_int_equal(parse(text), ERR_KEY);
}

static void test_id(void **state)
{
	(void)state;
	struct verifier v;
	uint8_t bytes[5 + KEY_LEN] = "a.b\n\x04", hash[HASH_LEN];
	memcpy(bytes + 5, key.public, KEY_LEN);
	hash_of(hash, bytes, sizeof bytes);
	assert_int_equal(verifier_make(&v, bytes_str("a.b"), VERIFIER_COSIGNATURE, key.public), OK);
	assert_memory_equal(v.id, hash, 4);
}

static void test_names(void **state)
{
	(void)state;
	struct verifier v;
	static const char *const good[] = {"a", "quasimodo.example/salvatore",
	    "isoc.example/00ff/1", "\xe2\x80\x94", "\xe4\xb8\xad\xe6\x96\x87", "\xe2\x80\x8b",
	    "\xc2\xa1", "\xe1\x9a\x81"};
	/* White_Space as Unicode 15 has it, and what else a name must not hold. */
	static const char *const bad[] = {"", "a b", "a+b", "a\tb", "a\nb", "\x01", "a\x7f",
	    "\xc2\x80", "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x8a",
	    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", "\xff",
	    "\xc3", "\xc0\xaf", "\xed\xa0\x80", "a\xe3\x80"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(verifier_make(&v, bytes_str(good[i]), 1, key.public), OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(verifier_make(&v, bytes_str(bad[i]), 1, key.public), ERR_INVALID);
	assert_int_equal(verifier_make(&v, bytes_of("a\0b", 3), 1, key.public), ERR_INVALID);
	for (int type = 0; type < 256; type++)
		assert_int_equal(verifier_make(&v, bytes_str("a"), (uint8_t)type, key.public),
		    type == 1 || type == 4 ? OK : ERR_INVALID);
}

static void test_longest(void **state)
{
	(void)state;
	struct verifier v, again;
	char name[VERIFIER_NAME_MAX + 1], text[VERIFIER_TEXT_MAX + 1];
	memset(name, 'n', sizeof name);
	assert_int_equal(
	    verifier_make(&v, bytes_of(name, sizeof name), 1, key.public), ERR_INVALID);
	assert_int_equal(verifier_make(&v, bytes_of(name, VERIFIER_NAME_MAX), 1, key.public), OK);
	assert_int_equal(verifier_format(text, &v), VERIFIER_TEXT_MAX);
	assert_int_equal(verifier_parse(&again, bytes_str(text)), OK);
	assert_true(verifier_equal(&v, &again));
}

static void test_equal(void **state)
{
	(void)state;
	struct verifier a, b;
	struct key other;
	key_generate(&other);
	verifier_make(&a, bytes_str("a"), 1, key.public);
	b = a;
	assert_true(verifier_equal(&a, &b));
	verifier_make(&b, bytes_str("a"), 4, key.public);
	assert_false(verifier_equal(&a, &b));
	verifier_make(&b, bytes_str("b"), 1, key.public);
	assert_false(verifier_equal(&a, &b));
	verifier_make(&b, bytes_str("a"), 1, other.public);
	assert_false(verifier_equal(&a, &b));
}

static int start(void **state)
{
	(void)state;
	int err = crypto_start();
	key_generate(&key);
	return err;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_published),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_codes),
	    cmocka_unit_test(test_mldsa),
	    cmocka_unit_test(test_unusable),
	    cmocka_unit_test(test_id),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_longest),
	    cmocka_unit_test(test_equal),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
