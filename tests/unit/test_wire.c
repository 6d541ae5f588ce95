/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/msg/wire: one encoding for a value, and every other refused (SPEC.md section 2.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "msg/wire.h"

/* Read to the end: ERR_NOTFOUND when all of it was good. */
static int read_all(const void *data, size_t len)
{
	struct wire_reader r;
	struct wire_field f;
	int err;
	wire_reader_start(&r, bytes_of(data, len));
	while ((err = wire_next(&r, &f)) == OK)
		;
	return err;
}

#define READ(literal) read_all(literal, sizeof(literal) - 1)

static void test_empty_ends(void **state)
{
	(void)state;
	assert_int_equal(read_all(NULL, 0), ERR_NOTFOUND);
}

static void test_fields(void **state)
{
	(void)state;
	struct wire_reader r;
	struct wire_field f;
	/* 1: 150, 2: "abc", 16: 2^64 - 1 */
	static const char in[] = "\x08\x96\x01\x12\x03"
				 "abc\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	wire_reader_start(&r, bytes_of(in, sizeof(in) - 1));
	assert_int_equal(wire_next(&r, &f), OK);
	assert_int_equal(f.number, 1);
	assert_false(f.is_bytes);
	assert_int_equal(f.value, 150);
	assert_int_equal(wire_next(&r, &f), OK);
	assert_int_equal(f.number, 2);
	assert_true(f.is_bytes);
	assert_true(bytes_equal(f.bytes, bytes_str("abc")));
	assert_int_equal(wire_next(&r, &f), OK);
	assert_int_equal(f.number, 16);
	assert_true(f.value == UINT64_MAX);
	assert_int_equal(wire_next(&r, &f), ERR_NOTFOUND);
	assert_int_equal(wire_next(&r, &f), ERR_NOTFOUND);
}

static void test_not_minimal(void **state)
{
	(void)state;
	assert_int_equal(READ("\x88\x00\x01"), ERR_NOT_CANONICAL);     /* tag */
	assert_int_equal(READ("\x08\x81\x00"), ERR_NOT_CANONICAL);     /* value */
	assert_int_equal(READ("\x08\x80\x80\x00"), ERR_NOT_CANONICAL); /* a long zero */
	assert_int_equal(READ("\x0a\x81\x00"
			      "a"),
	    ERR_NOT_CANONICAL); /* length */
	assert_int_equal(READ("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"), ERR_NOT_CANONICAL);
}

static void test_too_long(void **state)
{
	(void)state;
	assert_int_equal(READ("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), ERR_MALFORMED);
	assert_int_equal(READ("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ERR_MALFORMED);
	/* a tag above 32 bits */
	assert_int_equal(READ("\x88\x80\x80\x80\x10\x01"), ERR_MALFORMED);
}

static void test_zero_and_empty(void **state)
{
	(void)state;
	assert_int_equal(READ("\x08\x00"), ERR_NOT_CANONICAL);
	assert_int_equal(READ("\x0a\x00"), ERR_NOT_CANONICAL);
	assert_int_equal(READ("\x00\x01"), ERR_MALFORMED); /* field 0 */
}

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(READ("\x08\x01\x10\x01"), ERR_NOTFOUND);
	assert_int_equal(READ("\x10\x01\x08\x01"), ERR_NOT_CANONICAL);
	assert_int_equal(READ("\x08\x01\x08\x01"), ERR_NOT_CANONICAL); /* repeated */
	assert_int_equal(READ("\x08\x01\x0a\x01"
			      "a"),
	    ERR_NOT_CANONICAL); /* repeated in the other type */
}

static void test_wire_types(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 8; type++) {
		uint8_t in[9] = {(uint8_t)(1 << 3 | type), 1, 1, 1, 1, 1, 1, 1, 1};
		size_t len = type == 0 || type == 3 || type == 4 ? 2
			     : type == 2                         ? 3
			     : type == 5                         ? 5
								 : 9;
		assert_int_equal(
		    read_all(in, len), type == 0 || type == 2 ? ERR_NOTFOUND : ERR_MALFORMED);
	}
}

static void test_cut_off(void **state)
{
	(void)state;
	static const char in[] = "\x08\x96\x01\x12\x03"
				 "abc\x80\x01\x05";
	for (size_t len = 0; len <= sizeof(in) - 1; len++) {
		bool between = len == 0 || len == 3 || len == 8 || len == sizeof(in) - 1;
		assert_int_equal(read_all(in, len), between ? ERR_NOTFOUND : ERR_MALFORMED);
	}
	/* a length far beyond the end, and the largest */
	assert_int_equal(READ("\x0a\xff\xff\xff\xff\x0f"), ERR_MALFORMED);
	assert_int_equal(READ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ERR_MALFORMED);
}

/* What is written reads back, and takes the fewest bytes, for values around every length of a
 * varint. */
static void test_roundtrip(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int delta = -1; delta <= 1; delta++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)delta;
			struct wire_reader r;
			struct wire_field f;
			buffer_reset(&b);
			wire_add_uint(&b, 1, value);
			wire_add_bytes(&b, 4711, bytes_str("x"));
			wire_add_uint(&b, (1 << 29) - 1, value);
			wire_reader_start(&r, buffer_bytes(&b));
			if (value != 0) {
				assert_int_equal(wire_next(&r, &f), OK);
				assert_true(f.value == value && f.number == 1);
			}
			assert_int_equal(wire_next(&r, &f), OK);
			assert_int_equal(f.number, 4711);
			if (value != 0) {
				assert_int_equal(wire_next(&r, &f), OK);
				assert_true(f.value == value && f.number == (1 << 29) - 1);
			}
			assert_int_equal(wire_next(&r, &f), ERR_NOTFOUND);
		}
	}
	buffer_reset(&b);
	wire_add_uint(&b, 1, 0);
	wire_add_bytes(&b, 2, bytes_of("", 0));
	assert_int_equal(b.len, 0);
	wire_add_element(&b, 2, bytes_of("", 0));
	assert_int_equal(b.len, 2);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty_ends),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_not_minimal),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_zero_and_empty),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_wire_types),
	    cmocka_unit_test(test_cut_off),
	    cmocka_unit_test(test_roundtrip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
