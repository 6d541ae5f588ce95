/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buffer.h"

static void test_bytes(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_str("abc"), bytes_of("abcd", 3)));
	assert_false(bytes_equal(bytes_str("abc"), bytes_str("abd")));
	assert_false(bytes_equal(bytes_str("abc"), bytes_str("ab")));
	assert_true(bytes_equal(bytes_of(NULL, 0), bytes_str("")));
}

static void test_numbers_are_big_endian(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0xfe, 0x01, 0x02, 0x83, 0x04, 0x05, 0x06, 0x87, 0x08,
	    0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e};
	struct buffer b = BUFFER_INIT;
	buffer_add_u8(&b, 0xfe);
	buffer_add_u16(&b, 0x0102);
	buffer_add_u32(&b, 0x83040506);
	buffer_add_u64(&b, UINT64_C(0x8708090a0b0c0d0e));
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	assert_int_equal(get_u16(b.data + 1), 0x0102);
	assert_int_equal(get_u32(b.data + 3), 0x83040506);
	assert_true(get_u64(b.data + 7) == UINT64_C(0x8708090a0b0c0d0e));
	buffer_free(&b);
	assert_null(b.data);
}

static void test_growth_keeps_contents(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	for (unsigned i = 0; i < 100000; i++)
		buffer_add_u8(&b, (uint8_t)(i * 31));
	assert_false(b.failed);
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (uint8_t)(i * 31));
	buffer_free(&b);
}

static void test_reserve(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	assert_non_null(buffer_reserve(&b, 0));
	uint8_t *to = buffer_reserve(&b, 5);
	assert_non_null(to);
	assert_int_equal(b.len, 0);
	memcpy(to, "hello", 5);
	b.len += 5;
	assert_string_equal(buffer_str(&b), "hello");
	assert_int_equal(buffer_bytes(&b).len, 5);
	buffer_free(&b);
}

static void test_failure_is_kept(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, "kept");
	assert_null(buffer_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	assert_string_equal(buffer_str(&b), "");
	buffer_add_str(&b, "dropped");
	buffer_printf(&b, "%d", 1);
	assert_int_equal(b.len, 4);
	buffer_reset(&b);
	assert_false(b.failed);
	buffer_add_str(&b, "again");
	assert_string_equal(buffer_str(&b), "again");
	buffer_free(&b);
}

static void test_printf(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_printf(&b, "%s-%u", "a", 7u);
	assert_string_equal(buffer_str(&b), "a-7");
	/* Longer than any first guess at the room. */
	buffer_printf(&b, "%5000d|", 42);
	assert_int_equal(b.len, 3 + 5000 + 1);
	assert_memory_equal(b.data + b.len - 3, "42|", 3);
	/* Every length around the capacity. */
	for (int n = 1; n < 300; n++) {
		struct buffer c = BUFFER_INIT;
		buffer_printf(&c, "%*s", n, "|");
		assert_int_equal(c.len, n);
		assert_int_equal(c.data[n - 1], '|');
		buffer_free(&c);
	}
	buffer_free(&b);
}

static void test_str_does_not_count_its_nul(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	assert_string_equal(buffer_str(&b), "");
	for (int i = 0; i < 64; i++)
		buffer_add_u8(&b, 'x');
	assert_int_equal(strlen(buffer_str(&b)), 64);
	assert_int_equal(b.len, 64);
	buffer_add_u8(&b, 'y');
	assert_int_equal(b.data[64], 'y');
	buffer_free(&b);
}

static void test_drain(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_drain(&b, 3);
	buffer_add_str(&b, "abcdef");
	buffer_drain(&b, 0);
	buffer_drain(&b, 2);
	assert_string_equal(buffer_str(&b), "cdef");
	buffer_drain(&b, 100);
	assert_int_equal(b.len, 0);
	buffer_free(&b);
}

static void test_wipe(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_wipe(&b);
	buffer_add_str(&b, "secret");
	buffer_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
	buffer_add_str(&b, "usable");
	assert_string_equal(buffer_str(&b), "usable");
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_numbers_are_big_endian),
	    cmocka_unit_test(test_growth_keeps_contents),
	    cmocka_unit_test(test_reserve),
	    cmocka_unit_test(test_failure_is_kept),
	    cmocka_unit_test(test_printf),
	    cmocka_unit_test(test_str_does_not_count_its_nul),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_wipe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
