/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/encode.h"
#include "base/error.h"

typedef int decoder(uint8_t *out, size_t *len, const char *text, size_t text_len);

/* Decode into exactly `room` bytes; on success the bytes must be `expected`. */
static int decode(decoder *f, const char *text, const char *expected, size_t room)
{
	uint8_t out[64];
	size_t len = room;
	assert_true(room <= sizeof(out));
	int rc = f(out, &len, text, strlen(text));
	if (rc == OK && expected != NULL) {
		assert_int_equal(len, strlen(expected));
		assert_memory_equal(out, expected, len);
	} else if (rc != OK) {
		assert_int_equal(len, room);
	}
	return rc;
}

static void test_hex(void **state)
{
	(void)state;
	static const uint8_t data[] = {0x00, 0x9f, 0xa0, 0xff};
	uint8_t back[4];
	char text[9];
	hex_encode(text, data, sizeof(data));
	assert_string_equal(text, "009fa0ff");
	assert_int_equal(hex_decode(back, 4, text, 8), OK);
	assert_memory_equal(back, data, 4);
	assert_int_equal(hex_decode(back, 0, "", 0), OK);
	assert_int_equal(hex_decode(back, 4, "009FA0FF", 8), ERR_MALFORMED);
	assert_int_equal(hex_decode(back, 4, "009fa0f", 7), ERR_MALFORMED);
	assert_int_equal(hex_decode(back, 4, "009fa0", 6), ERR_MALFORMED);
	assert_int_equal(hex_decode(back, 3, "009fa0ff", 8), ERR_MALFORMED);
	for (int c = 0; c < 256; c++) {
		char pair[2] = {'0', (char)c};
		int digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		assert_int_equal(hex_decode(back, 1, pair, 2), digit ? OK : ERR_MALFORMED);
		pair[0] = (char)c;
		pair[1] = 'f';
		assert_int_equal(hex_decode(back, 1, pair, 2), digit ? OK : ERR_MALFORMED);
	}
}

/* RFC 4648 section 10. */
static const struct {
	const char *plain, *padded, *bare;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
};

static void test_base64_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const char *plain = vectors[i].plain;
		size_t len = strlen(plain);
		char text[16];
		size_t n = base64_encode(text, (const uint8_t *)plain, len);
		assert_string_equal(text, vectors[i].padded);
		assert_int_equal(n, strlen(text));
		assert_int_equal(n, BASE64_LEN(len));
		n = base64url_encode(text, (const uint8_t *)plain, len);
		assert_string_equal(text, vectors[i].bare);
		assert_int_equal(n, strlen(text));
		assert_int_equal(decode(base64_decode, vectors[i].padded, plain, len), OK);
		assert_int_equal(decode(base64url_decode, vectors[i].bare, plain, len), OK);
		if (len > 0) {
			assert_int_equal(
			    decode(base64_decode, vectors[i].padded, NULL, len - 1), ERR_TOO_LARGE);
			assert_int_equal(decode(base64url_decode, vectors[i].bare, NULL, len - 1),
			    ERR_TOO_LARGE);
		}
	}
}

static void test_base64_alphabets(void **state)
{
	(void)state;
	static const uint8_t data[] = {0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff};
	char text[16];
	base64_encode(text, data, sizeof(data));
	assert_string_equal(text, "++++////");
	base64url_encode(text, data, sizeof(data));
	assert_string_equal(text, "----____");
	assert_int_equal(decode(base64_decode, "----____", NULL, 6), ERR_MALFORMED);
	assert_int_equal(decode(base64url_decode, "++++////", NULL, 6), ERR_MALFORMED);

	/* Every byte at every place of a quad: exactly 64 are in each alphabet. */
	for (int place = 0; place < 4; place++) {
		int standard = 0, url = 0;
		for (int c = 0; c < 256; c++) {
			uint8_t out[3];
			char quad[4] = {'A', 'A', 'A', 'A'};
			quad[place] = (char)c;
			size_t len = 3;
			standard += base64_decode(out, &len, quad, 4) == OK && len == 3;
			len = 3;
			url += base64url_decode(out, &len, quad, 4) == OK;
		}
		assert_int_equal(standard, 64);
		assert_int_equal(url, 64);
	}
}

static void test_base64_malformed(void **state)
{
	(void)state;
	static const char *const padded[] = {"A", "AA", "AAA", "AAAAA", "=", "====", "A===", "AA=A",
	    "=AAA", "A=AA", "AA==AAAA", "AAA=AAAA", "AAAA====", "AAAAA===", "AAA ", " AAA",
	    "AAAA\n", "AAA\nA", "AA=", "AAAA=", "AAAA==", "AA\xc3\xa9"};
	for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++)
		assert_int_equal(decode(base64_decode, padded[i], NULL, 64), ERR_MALFORMED);
	static const char *const bare[] = {"A", "AAAAA", "AA==", "AAA=", "AA A", "AAAA\n", "="};
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		assert_int_equal(decode(base64url_decode, bare[i], NULL, 64), ERR_MALFORMED);
	uint8_t out[8];
	size_t len = sizeof(out);
	assert_int_equal(base64_decode(out, &len, "AA\0A", 4), ERR_MALFORMED);
}

/* Of the texts that differ only in the bits that padding leaves over, one is accepted. */
static void test_base64_stray_bits(void **state)
{
	(void)state;
	static const char symbols[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int one = 0, two = 0;
	for (int i = 0; i < 64; i++) {
		char text[] = "AA==";
		text[1] = symbols[i];
		int rc = decode(base64_decode, text, NULL, 1);
		assert_int_equal(rc, i % 16 == 0 ? OK : ERR_NOT_CANONICAL);
		one += rc == OK;
		char text2[] = "AAA=";
		text2[2] = symbols[i];
		rc = decode(base64_decode, text2, NULL, 2);
		assert_int_equal(rc, i % 4 == 0 ? OK : ERR_NOT_CANONICAL);
		two += rc == OK;
	}
	assert_int_equal(one, 4);
	assert_int_equal(two, 16);
	assert_int_equal(decode(base64url_decode, "AB", NULL, 1), ERR_NOT_CANONICAL);
	assert_int_equal(decode(base64url_decode, "AAB", NULL, 2), ERR_NOT_CANONICAL);
}

static void test_round_trip(void **state)
{
	(void)state;
	uint8_t data[200], back[200];
	char text[2 * 200 + 1];
	uint32_t x = 1;
	for (size_t n = 0; n <= sizeof(data); n++) {
		for (size_t i = 0; i < n; i++) {
			x = x * 1664525 + 1013904223;
			data[i] = (uint8_t)(x >> 24);
		}
		size_t len = n, text_len = base64_encode(text, data, n);
		assert_int_equal(base64_decode(back, &len, text, text_len), OK);
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
		text_len = base64url_encode(text, data, n);
		assert_int_equal(base64url_decode(back, &len, text, text_len), OK);
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
		hex_encode(text, data, n);
		assert_int_equal(hex_decode(back, n, text, 2 * n), OK);
		assert_memory_equal(back, data, n);
	}
}

static int decimal(const char *text, uint64_t max, uint64_t *out)
{
	return decimal_parse(out, text, strlen(text), max);
}

static void test_decimal(void **state)
{
	(void)state;
	uint64_t v = 1;
	assert_int_equal(decimal("0", 0, &v), OK);
	assert_true(v == 0);
	assert_int_equal(decimal("1234567890", UINT64_MAX, &v), OK);
	assert_true(v == 1234567890);
	assert_int_equal(decimal("18446744073709551615", UINT64_MAX, &v), OK);
	assert_true(v == UINT64_MAX);
	assert_int_equal(decimal("18446744073709551616", UINT64_MAX, &v), ERR_RANGE);
	assert_int_equal(decimal("99999999999999999999999999", UINT64_MAX, &v), ERR_RANGE);
	assert_int_equal(decimal("9223372036854775808", INT64_MAX, &v), ERR_RANGE);
	assert_int_equal(decimal("11", 10, &v), ERR_RANGE);
	assert_true(v == UINT64_MAX);
	static const char *const bad[] = {"", "00", "01", "+1", "-1", " 1", "1 ", "1a", "a", "0x1",
	    "1\n", "99999999999999999999999x", "\xd9\xa1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decimal(bad[i], UINT64_MAX, &v), ERR_MALFORMED);
	assert_int_equal(decimal_parse(&v, "12\0", 3, 100), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hex),
	    cmocka_unit_test(test_base64_vectors),
	    cmocka_unit_test(test_base64_alphabets),
	    cmocka_unit_test(test_base64_malformed),
	    cmocka_unit_test(test_base64_stray_bits),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_decimal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
