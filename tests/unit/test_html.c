/* SPDX-License-Identifier: BSD-2-Clause */
/* Nothing that people wrote becomes markup (daemon/web/html.h, text_html.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/web/pages.h"

static struct buffer out = BUFFER_INIT;
static const struct html h = {&out};

static const char *built(void)
{
	static struct buffer copy = BUFFER_INIT;

	assert_false(out.failed);
	buffer_reset(&copy);
	buffer_add(&copy, out.data, out.len);
	buffer_reset(&out);
	return buffer_str(&copy);
}

static void test_format(void **state)
{
	(void)state;
	html(h, "<p title=\"%s\">%.*s, %d %u %lu %llu %zu%%</p>", "\"'<&>", 3, "a<bcd", -12, 7u,
	    8ul, 9ull, (size_t)10);
	assert_string_equal(
	    built(), "<p title=\"&#34;&#39;&lt;&amp;&gt;\">a&lt;b, -12 7 8 9 10%</p>");
	html(h, "%s", "tab\tline\n\x01\x1b[31m\r");
	assert_string_equal(built(), "tab\tline\n\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd");
	html(h, "%.*s|%d", 0, "x", INT32_MIN);
	assert_string_equal(built(), "|-2147483648");
	for (int c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;

		html_bytes(h, bytes_of(&byte, 1));
		const char *got = built();
		if (strchr("<>&\"'", c) && c != 0)
			assert_true(got[0] == '&' && strlen(got) > 3);
		else if (c < 0x20 && c != '\n' && c != '\t')
			assert_string_equal(got, "\xef\xbf\xbd");
		else
			assert_true((uint8_t)got[0] == byte && strlen(got) == 1);
	}
}

/* Where a translator wrote markup, or what isn't one of the pieces. */
static void test_sentence(void **state)
{
	struct html_piece pieces[] = {{bytes_str("<b>1</b>")}, {bytes_str("<i>2</i>")}};
	(void)state;
	html_sentence(h, "%2$s of %1$s", pieces, 2);
	assert_string_equal(built(), "<i>2</i> of <b>1</b>");
	html_sentence(h, "%s & %s, %s", pieces, 2);
	assert_string_equal(built(), "<b>1</b> &amp; <i>2</i>, ");
	html_sentence(h, "<u>%1$s</u> %3$s %d 100%% %", pieces, 2);
	assert_string_equal(built(), "&lt;u&gt;<b>1</b>&lt;/u&gt;  %d 100% %");
	struct buffer room = BUFFER_INIT;
	html(h, "before<b>%s</b>", "x");
	struct html_piece cut = html_cut(h, 6, &room);
	assert_true(bytes_equal(cut.html, bytes_str("<b>x</b>")));
	assert_string_equal(built(), "before");
	buffer_free(&room);
}

static void test_lines(void **state)
{
	(void)state;
	html_line(h, bytes_str("a\nb\x1b<\u202e"));
	assert_string_equal(built(), "a\xef\xbf\xbd"
				     "b\xef\xbf\xbd&lt;\u202e\u202c");
	html_short(h, bytes_str("äöü<"), 3);
	assert_string_equal(built(), "ä…");
	html_short(h, bytes_str("<"), 1);
	assert_string_equal(built(), "&lt;");
	html_encode(h, bytes_str("a b/ü?&\"~-._"));
	assert_string_equal(built(), "a%20b%2F%C3%BC%3F%26%22~-._");
}

static void test_archived(void **state)
{
	static const char *const cases[][2] = {
	    {"Guido van Rossum <guido@example.org>", "Guido van Rossum"},
	    {"\"Person, A.\" <a@example.org>", "Person, A."},
	    {"guido@example.org (Guido van Rossum)", "Guido van Rossum"},
	    {"guido at example.org (Guido)", "Guido"},
	    {"guido@example.org", "guido"},
	    {"<guido@example.org>", "guido"},
	    {"\"guido@example.org\" <guido@example.org>", "guido"},
	    {"Guido guido@example.org <guido@example.org>", "Guido"},
	    {"guido@example.org via a list <list@example.org>", "guido"},
	    {"x@example.org y@example.org", "x"},
	    {"@ <x@y>", ""},
	    {"()", ""},
	    {"", ""},
	    {"(", "("},
	    {"\"\" <x@y>", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes got = archived_name(bytes_str(cases[i][0]));

		assert_true(bytes_equal(got, bytes_str(cases[i][1])));
	}
}

/* Whom an archive names didn't sign: who did is said. */
static void test_archived_by(void **state)
{
	struct author a = {.organisation = "isoc.example", .device = true, .handle = "alice"};
	struct bytes from = bytes_str("Guido <guido@example.org>");
	(void)state;
	page_writer_text(h, &a, from);
	assert_string_equal(built(), "Guido (archived by alice@isoc.example)");
	page_writer_short(h, &a, from);
	assert_string_equal(built(),
	    "<bdi>Guido</bdi> <span class=\"archived\">archived by "
	    "<span class=\"at\" dir=\"ltr\">alice@isoc.example</span></span>");
	page_writer_short(h, &a, bytes_str(""));
	assert_string_equal(built(), "<bdi>alice</bdi>");
	page_writer_text(h, &a, bytes_str(""));
	assert_string_equal(built(), "alice@isoc.example");
	*a.handle = '\0';
	page_writer_text(h, &a, from);
	assert_string_equal(built(), "Guido (archived by isoc.example)");
}

/* The cases that script/text.js keeps to as well. */
static void test_vectors(void **state)
{
	const char *folder = getenv("srcdir");
	char path[1000];
	json_t *list, *one;
	size_t i;
	(void)state;
	snprintf(path, sizeof path, "%s/tests/vectors/text.json", folder ? folder : ".");
	list = json_load_file(path, 0, NULL);
	assert_non_null(list);
	assert_true(json_array_size(list) > 15);
	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(json_object_get(one, "text"));

		assert_true(text_html(h, bytes_str(text), SIZE_MAX));
		assert_string_equal(built(), json_string_value(json_object_get(one, "html")));
	}
	json_decref(list);
}

static void test_long(void **state)
{
	struct buffer text = BUFFER_INIT;
	(void)state;
	for (int i = 0; i < 1000; i++)
		buffer_printf(&text, "line %d of it, and its end\n", i);
	assert_false(text_html(h, buffer_bytes(&text), 1000));
	const char *got = built();
	assert_true(strlen(got) < 2000 && strstr(got, "and its end</p>\n"));
	assert_true(text_html(h, buffer_bytes(&text), text.len));
	built();
	/* Bytes that are no text at all, and one line without an end. */
	buffer_reset(&text);
	for (int i = 0; i < 100000; i++)
		buffer_add_u8(&text, (uint8_t)(0x80 + i % 128));
	assert_false(text_html(h, buffer_bytes(&text), 5000));
	built();
	/* Quotations as deep as they come. */
	buffer_reset(&text);
	for (int i = 0; i < 100000; i++)
		buffer_add_u8(&text, '>');
	buffer_add_str(&text, " x\n");
	assert_true(text_html(h, buffer_bytes(&text), SIZE_MAX));
	assert_string_equal(built(),
	    "<blockquote>\n<blockquote>\n<blockquote>\n<blockquote>\n<blockquote>\n<blockquote>\n"
	    "<blockquote>\n<blockquote>\n<p dir=\"auto\">x</p>\n</blockquote>\n</blockquote>\n"
	    "</blockquote>\n</blockquote>\n</blockquote>\n</blockquote>\n</blockquote>\n"
	    "</blockquote>\n");
	buffer_free(&text);
}

/* In a long line with many beginnings of links each byte is looked at a few times, not a million.
 */
static void test_link_beginnings(void **state)
{
	static const char *const beginnings[] = {"http://-", "http://a,(", "https://", "x:a:/:"};
	struct buffer text = BUFFER_INIT;
	clock_t before = clock();
	(void)state;
	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
		buffer_reset(&text);
		while (text.len < 1 << 20)
			buffer_add_str(&text, beginnings[i]);
		assert_true(text_html(h, buffer_bytes(&text), SIZE_MAX));
		assert_true(strlen(built()) >= text.len);
	}
	/* 50 ms; looked at from every beginning on it takes minutes. */
	assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
	buffer_free(&text);
}

static void test_small(void **state)
{
	char iso[25];
	(void)state;
	static const struct {
		uint64_t ms;
		const char *iso;
	} times[] = {{0, "1970-01-01T00:00:00Z"}, {951782400000, "2000-02-29T00:00:00Z"},
	    {1700000000123, "2023-11-14T22:13:20Z"}, {TIME_MAX, "9999-12-31T23:59:59Z"},
	    {4107542400000, "2100-03-01T00:00:00Z"}};
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		page_iso(iso, times[i].ms);
		assert_string_equal(iso, times[i].iso);
	}
	page_time(h, LANGUAGE_EN, 1700000000123);
	assert_string_equal(
	    built(), "<time datetime=\"2023-11-14T22:13:20Z\">14 Nov 2023, 22:13</time>");
	for (enum language l = 0; l < LANGUAGES; l++) {
		page_day(h, l, 1700000000123);
		assert_non_null(strstr(built(), "2023"));
	}
	page_time_end();
	page_lang(h, bytes_str("zh-Hant"));
	page_lang(h, bytes_str("x\" onload=\""));
	assert_string_equal(built(), " lang=\"zh-Hant\"");
	page_size(h, 1);
	page_size(h, 999);
	page_size(h, 1500);
	page_size(h, 2349999);
	assert_string_equal(built(), "1 byte999 bytes2 kB2.3 MB");
	assert_true(subject_same(bytes_str("Re: RE: x"), bytes_str("x")));
	assert_false(subject_same(bytes_str("Re: x"), bytes_str("y")));
}

static int end(void **state)
{
	(void)state;
	built();
	buffer_free(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_sentence),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_archived),
	    cmocka_unit_test(test_archived_by),
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_link_beginnings),
	    cmocka_unit_test(test_small),
	};
	return cmocka_run_group_tests(tests, NULL, end);
}
