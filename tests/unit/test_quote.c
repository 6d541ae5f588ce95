/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/quote.h"

#define TIME UINT64_C(1795285440000) /* 2026-11-21 18:24 UTC */
#define HEAD "On 2026-11-21 at 18:24 UTC, alice@isoc.example wrote:\n"

static void quoted(const char *text, const char *wanted)
{
	struct buffer out = BUFFER_INIT;

	assert_true(quote_add(&out, bytes_str("alice@isoc.example"), TIME, bytes_str(text)));
	assert_memory_equal(buffer_str(&out), HEAD, strlen(HEAD));
	assert_string_equal(buffer_str(&out) + strlen(HEAD), wanted);
	buffer_free(&out);
}

static void test_attribution(void **state)
{
	struct buffer out = BUFFER_INIT;
	char name[700];

	(void)state;
	quote_add(&out, bytes_str("Jane\x1b[2J\nDoe <j@x.example>"), 0, bytes_str("a"));
	assert_string_equal(buffer_str(&out), "Jane\xef\xbf\xbd[2J\xef\xbf\xbd"
					      "Doe <j@x.example> wrote:\n> a\n");
	buffer_reset(&out);
	quote_add(&out, bytes_str(""), UINT64_MAX, bytes_str("a"));
	assert_string_equal(buffer_str(&out), "somebody wrote:\n> a\n");
	buffer_reset(&out);
	/* A name without end is cut, and not within a character. */
	for (size_t i = 0; i + 2 < sizeof name; i += 3)
		memcpy(name + i, "\xe2\x82\xac", 3);
	quote_add(&out, bytes_of(name, 699), 0, bytes_str("a"));
	assert_true(out.len < 230);
	assert_true(text_is_utf8(buffer_bytes(&out)));
	buffer_free(&out);
}

static void test_levels(void **state)
{
	(void)state;
	quoted("one\ntwo", "> one\n> two\n");
	quoted("> one\n>> two\n> > three\n>four\n> \n>\nfive",
	    ">> one\n>>> two\n>>> three\n>> four\n"
	    ">>\n>>\n> five\n");
	/* Space that means something stays: code, and what stands behind a quotation's mark. */
	quoted("a:\n    b()\n>     c()", "> a:\n>     b()\n>>     c()\n");
	quoted("a  \n\nb\t\n", "> a\n>\n> b\n");
	quoted("\n\n  \none\n\n \n", "> one\n");
	quoted("dos\r\nlines\r\n", "> dos\n> lines\n");
}

static void test_signature(void **state)
{
	struct buffer out = BUFFER_INIT;

	(void)state;
	quoted("text\n-- \nAlice\nhttps://alice.example\n", "> text\n");
	quoted("text\r\n-- \r\nAlice\r\n", "> text\n");
	/* Neither a ruler, nor somebody else's signature. */
	quoted("text\n--\nmore\n", "> text\n> --\n> more\n");
	quoted("> text\n> -- \n> Bob\nmore", ">> text\n>> --\n>> Bob\n> more\n");
	quoted("one\n-- \ntwo\n-- \nAlice", "> one\n> --\n> two\n");
	assert_false(quote_add(&out, bytes_str("a"), TIME, bytes_str("-- \nAlice\n")));
	assert_false(quote_add(&out, bytes_str("a"), TIME, bytes_str(" \n\t\n")));
	assert_false(quote_add(&out, bytes_str("a"), TIME, bytes_of(NULL, 0)));
	assert_int_equal(out.len, 0);
	buffer_free(&out);
}

/* Every line of a quotation is marked, fits, and none of the text's words is lost. */
static void fits(const char *text, const char *unit)
{
	struct buffer out = BUFFER_INIT, joined = BUFFER_INIT;
	const char *p;
	size_t lines = 0;

	assert_true(quote_add(&out, bytes_str("a"), TIME, bytes_str(text)));
	p = strchr(buffer_str(&out), '\n') + 1;
	while (*p) {
		const char *nl = strchr(p, '\n');

		assert_int_equal(p[0], '>');
		assert_true(text_width(bytes_of(p, (size_t)(nl - p))) <= QUOTE_COLUMNS + 2);
		buffer_add(&joined, p + 2, (size_t)(nl - p) - 2);
		buffer_add_str(&joined, unit);
		p = nl + 1;
		lines++;
	}
	assert_true(lines > 1);
	joined.len -= strlen(unit);
	assert_string_equal(buffer_str(&joined), text);
	buffer_free(&out);
	buffer_free(&joined);
}

static void test_folding(void **state)
{
	static const char url[] = "https://example.org/a/very/long/path/that/nobody/should/ever/"
				  "break/into/pieces/since/it/would/not/open/any/more?q=1&r=2";
	struct buffer text = BUFFER_INIT, out = BUFFER_INIT;

	(void)state;
	for (int i = 0; i < 60; i++)
		buffer_add_str(&text, i ? " governance" : "governance");
	fits(buffer_str(&text), " ");
	/* Chinese has no spaces to break at. */
	buffer_reset(&text);
	for (int i = 0; i < 100; i++)
		buffer_add_str(&text, "\xe4\xba\x92\xe8\x81\x94\xe7\xbd\x91");
	fits(buffer_str(&text), "");
	/* Arabic. */
	buffer_reset(&text);
	for (int i = 0; i < 50; i++)
		buffer_add_str(
		    &text, i ? " \xd8\xa7\xd9\x84\xd8\xa5\xd9\x86\xd8\xaa\xd8\xb1\xd9\x86\xd8\xaa"
			     : "\xd8\xa7\xd9\x84\xd8\xa5\xd9\x86\xd8\xaa\xd8\xb1\xd9\x86\xd8\xaa");
	fits(buffer_str(&text), " ");
	/* A URL stays whole. */
	buffer_reset(&text);
	buffer_printf(&text, "See %s for more.", url);
	quote_add(&out, bytes_str("a"), TIME, buffer_bytes(&text));
	assert_non_null(strstr(buffer_str(&out), url));
	/* What only just misses the width is left alone, and deeper levels have less room. */
	buffer_reset(&text);
	for (int i = 0; i < 38; i++)
		buffer_add_str(&text, i ? " b" : "b");
	buffer_reset(&out);
	quote_add(&out, bytes_str("a"), TIME, buffer_bytes(&text));
	assert_null(strstr(buffer_str(&out), "b\n> b"));
	buffer_add_str(&text, " b b");
	buffer_reset(&out);
	quote_add(&out, bytes_str("a"), TIME, buffer_bytes(&text));
	assert_non_null(strstr(buffer_str(&out), "b\n> b"));
	buffer_free(&text);
	buffer_free(&out);
}

static void test_hostile(void **state)
{
	struct buffer out = BUFFER_INIT, deep = BUFFER_INIT;
	uint8_t noise[400];

	(void)state;
	quoted("a\x1b[31mb\x07", "> a\xef\xbf\xbd[31mb\xef\xbf\xbd\n");
	/* Nothing but LF ends a line, and what an editor may show as one is ended by us. */
	quoted("a\xe2\x80\xa8"
	       "b\xe2\x80\xa9"
	       "c",
	    "> a\n> b\n> c\n");
	quoted("a\rb\x0b"
	       "c\x0c"
	       "d\xc2\x85"
	       "e",
	    "> a\xef\xbf\xbd"
	    "b\xef\xbf\xbd"
	    "c\xef\xbf\xbd"
	    "d\xef\xbf\xbd"
	    "e\n");
	/* A direction override ends with its line. */
	quoted("a\xe2\x80\xae"
	       "b\nc",
	    "> a\xe2\x80\xae"
	    "b\xe2\x80\xac\n> c\n");
	quoted("broken \xff\xfe end", "> broken \xef\xbf\xbd\xef\xbf\xbd end\n");
	for (int i = 0; i < 5000; i++)
		buffer_add_u8(&deep, '>');
	buffer_add_str(&deep, " deep");
	assert_true(quote_add(&out, bytes_str("a"), TIME, buffer_bytes(&deep)));
	buffer_free(&deep);
	/* Too much is cut, and said so. */
	buffer_reset(&out);
	for (int i = 0; i < QUOTE_MAX / 8 + 10; i++)
		buffer_add_str(&deep, "1234567\n");
	assert_true(quote_add(&out, bytes_str("a"), TIME, buffer_bytes(&deep)));
	assert_string_equal(buffer_str(&out) + out.len - 8, "> [\xe2\x80\xa6]\n");
	srand(7);
	for (int n = 0; n < 2000; n++) {
		static const char likely[] = ">> - \n\r\xe2\x80\xa8\xae\xac\xff a";
		const char *p;

		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (uint8_t)(rand() % 4 ? likely[rand() % (int)(sizeof likely - 1)]
							: rand());
		buffer_reset(&out);
		if (!quote_add(&out, bytes_str("a"), TIME, bytes_of(noise, sizeof noise)))
			continue;
		assert_true(text_is_utf8(buffer_bytes(&out)));
		for (p = strchr(buffer_str(&out), '\n') + 1; *p; p = strchr(p, '\n') + 1)
			assert_int_equal(*p, '>');
	}
	buffer_free(&deep);
	buffer_free(&out);
}

static bool untouched(const char *quotation, const char *written)
{
	return quote_untouched(bytes_str(quotation), bytes_str(written));
}

static void test_untouched(void **state)
{
	static const char q[] = HEAD "> one\n> two\n>\n> three\n\n";

	(void)state;
	assert_true(untouched(q, q));
	assert_true(untouched(q, ""));
	assert_true(untouched(q, "\n\n  \n"));
	assert_true(untouched(q, "> two  \r\n\n"));
	assert_true(untouched(q, HEAD "> three"));
	assert_false(untouched(q, HEAD "> one\n\nI agree.\n"));
	assert_false(untouched(q, "> three\n> one\n"));
	assert_false(untouched(q, "> one and a word\n"));
	assert_false(untouched("", "word"));
}

static void own_line(const char *text, const char *expected)
{
	struct bytes line = quote_own_line(bytes_str(text));

	assert_int_equal(line.len, strlen(expected));
	if (line.len > 0)
		assert_memory_equal(line.data, expected, line.len);
}

static void test_own_line(void **state)
{
	(void)state;
	own_line("", "");
	own_line(" \n\nFirst.\nSecond.\n", "First.");
	own_line(HEAD "> one\n> two\n\nI agree.\n", "I agree.");
	own_line("Before.\n" HEAD "> one\n", "Before.");
	own_line(HEAD "> one\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_attribution),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_signature),
	    cmocka_unit_test(test_folding),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_untouched),
	    cmocka_unit_test(test_own_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
