/* SPDX-License-Identifier: BSD-2-Clause */
/* What counts as the same when words are searched for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "search/fold.h"

static const struct {
	const char *text, *folded;
} cases[] = {
    {"", ""},
    {"Rules", "rules"},
    {"S\u00e3o Paulo", "sao paulo"},
    {"Sa\u0303o", "sao"},
    {"a\u00e7\u00e3o A\u00c7\u00c3O", "acao acao"},
    {"Stra\u00dfe", "strasse"},
    {"\u0130stanbul", "istanbul"},
    {"\uff26\uff35\uff2c\uff2c", "full"}, /* full width */
    {"o\ufb03ce", "office"},
    /* Russian: capitals, and what stands on letters */
    {"\u041f\u0420\u0410\u0412\u0418\u041b\u0410", "\u043f\u0440\u0430\u0432\u0438\u043b\u0430"},
    {"\u0432\u0441\u0451", "\u0432\u0441\u0435"},
    /* Arabic: points, a stretched word, hamza on alef */
    {"\u0642\u064e\u0648\u064e\u0627\u0639\u0650\u062f", "\u0642\u0648\u0627\u0639\u062f"},
    {"\u0642\u0640\u0640\u0648\u0627\u0639\u062f", "\u0642\u0648\u0627\u0639\u062f"},
    {"\u0623\u0633\u0627\u0633", "\u0627\u0633\u0627\u0633"},
    /* Hebrew with points */
    {"\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"},
    /* Chinese: a line ends within a word */
    {"\u6cbb\u7406\u539f\u5219", "\u6cbb\u7406\u539f\u5219"},
    {"\u6cbb\n\u7406", "\u6cbb\u7406"},
    {"\u6cbb \u7406", "\u6cbb \u7406"},
    /* Japanese voicing, Hindi vowels and Korean syllables are letters, not marks */
    {"\u304c", "\u304c"},
    {"\u304b\u3099", "\u304c"},
    {"\u0915\u0941", "\u0915\u0941"},
    {"\ud55c\uad6d", "\ud55c\uad6d"},
    /* space, and what nobody sees */
    {"two\n\t  words\u00a0here", "two words here"},
    {"in\u00advisible", "invisible"},
    {"zero\u200bwidth", "zerowidth"},
    {"broken\xff\xfetext", "broken\ufffd\ufffdtext"},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer out = BUFFER_INIT, again = BUFFER_INIT;

		assert_int_equal(search_fold(&out, bytes_str(cases[i].text)), OK);
		assert_string_equal(buffer_str(&out), cases[i].folded);
		assert_int_equal(search_fold(&again, buffer_bytes(&out)), OK);
		assert_true(bytes_equal(buffer_bytes(&again), buffer_bytes(&out)));
		buffer_free(&out);
		buffer_free(&again);
	}
}

/* Any bytes come to UTF-8 that stays as it is, and appends. */
static void test_any_bytes(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buffer out = BUFFER_INIT, again = BUFFER_INIT;
		uint8_t data[64];

		for (size_t i = 0; i < sizeof data; i++) {
			x = x * 1664525 + 1013904223;
			data[i] = (uint8_t)(x >> 24);
			if (round % 2 && i % 2) /* two-byte characters with marks among them */
				data[i] = 0x80 | (data[i] & 0x3f);
			else if (round % 2)
				data[i] = 0xc8 | (data[i] & 7);
		}
		buffer_add_str(&out, "before");
		assert_int_equal(search_fold(&out, bytes_of(data, sizeof data)), OK);
		assert_memory_equal(out.data, "before", 6);
		assert_true(text_is_utf8(buffer_bytes(&out)));
		buffer_drain(&out, 6);
		assert_int_equal(search_fold(&again, buffer_bytes(&out)), OK);
		assert_true(bytes_equal(buffer_bytes(&again), buffer_bytes(&out)));
		buffer_free(&out);
		buffer_free(&again);
	}
}

/* The short way for ASCII comes to what the long way does. */
static void test_ascii(void **state)
{
	(void)state;
	for (int a = 1; a < 128; a++)
		for (int b = 1; b < 128; b++) {
			char text[] = {'x', (char)a, (char)b, 'Y', '\0'};
			char marked[] = {'\xc3', '\xa9', '|', 'x', (char)a, (char)b, 'Y', '\0'};
			struct buffer shorter = BUFFER_INIT, longer = BUFFER_INIT;

			assert_int_equal(search_fold(&shorter, bytes_str(text)), OK);
			assert_int_equal(search_fold(&longer, bytes_str(marked)), OK);
			assert_memory_equal(longer.data, "e|", 2);
			buffer_drain(&longer, 2);
			assert_true(bytes_equal(buffer_bytes(&shorter), buffer_bytes(&longer)));
			buffer_free(&shorter);
			buffer_free(&longer);
		}
}

/* However many marks stand in a row, and whatever between them: no text is worth a second. */
static void test_marks_without_end(void **state)
{
	static const char *const repeated[] = {
	    "\xcc\x80\xcc\x96",                       /* U+0300 U+0316 */
	    "\xcc\x80\xcc\x96\xcd\x8f",               /* and U+034F, which folding leaves out */
	    "\xef\xbe\x9e\xcc\x96",                   /* U+FF9E becomes a mark */
	    "\xcc\x80\xcc\x96\xd9\x80",               /* and U+0640, which goes later */
	    "\xe0\xa5\x8d\xe0\xa4\xbc\xd9\x80",       /* marks that stay, and U+0640 */
	    "\xe3\x80\xaa\xe3\x80\xab\xe3\x80\xaa\n", /* U+302A U+302B, Han as what follows */
	};

	(void)state;
	for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
		struct buffer text = BUFFER_INIT, plain = BUFFER_INIT, marked = BUFFER_INIT,
			      again = BUFFER_INIT;
		clock_t began = clock();

		buffer_add_str(&text, "\xe6\xb0\xb4");
		while (text.len < (1 << 20))
			buffer_add_str(&text, repeated[i]);
		assert_int_equal(search_fold(&plain, buffer_bytes(&text)), OK);
		assert_int_equal(search_fold_marked(&marked, buffer_bytes(&text)), OK);
		assert_int_equal(search_fold(&again, buffer_bytes(&marked)), OK);
		print_message("%zu: %.2f s, %zu and %zu bytes\n", i,
		    (double)(clock() - began) / CLOCKS_PER_SEC, plain.len, marked.len);
		assert_true(clock() - began < 2 * CLOCKS_PER_SEC);
		assert_memory_equal(plain.data, "\xe6\xb0\xb4", 3);
		buffer_free(&text);
		buffer_free(&plain);
		buffer_free(&marked);
		buffer_free(&again);
	}
}

/* What people write stays as it is. */
static void test_marks_of_languages(void **state)
{
	struct buffer out = BUFFER_INIT;

	(void)state;
	/* 30 viramas on a letter stay, and so does what follows. */
	struct buffer text = BUFFER_INIT;
	buffer_add_str(&text, "\xe0\xa4\x95");
	for (int i = 0; i < 30; i++)
		buffer_add_str(&text, "\xe0\xa5\x8d");
	buffer_add_str(&text, "\xe0\xa4\x95");
	assert_int_equal(search_fold(&out, buffer_bytes(&text)), OK);
	assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&text)));
	buffer_free(&out);
	buffer_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_any_bytes),
	    cmocka_unit_test(test_ascii),
	    cmocka_unit_test(test_marks_without_end),
	    cmocka_unit_test(test_marks_of_languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
