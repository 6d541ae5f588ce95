/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "client/archive/mail.h"

#define R "\xef\xbf\xbd" /* U+FFFD */

static struct buffer out;
static bool guessed;

static const char *decoded(const void *data, size_t len, const char *declared, const char *fallback)
{
	buffer_reset(&out);
	uint8_t *copy = malloc(len > 0 ? len : 1); /* of the exact size, for sanitizers */
	assert_non_null(copy);
	memcpy(copy, data, len);
	guessed = text_decode(&out, bytes_of(copy, len), declared, fallback);
	free(copy);
	assert_false(out.failed);
	assert_true(text_is_utf8(buffer_bytes(&out)));
	return buffer_str(&out);
}

static const char *text(const char *s, const char *declared, const char *fallback)
{
	return decoded(s, strlen(s), declared, fallback);
}

static const struct {
	const char *charset, *bytes, *text;
} declared[] = {
    {"utf-8",
	"A reuni\xc3\xa3o come\xc3\xa7"
	"a amanh\xc3\xa3.",
	"A reunião começa amanhã."},
    {"iso-8859-1",
	"A reuni\xe3o come\xe7"
	"a amanh\xe3.",
	"A reunião começa amanhã."},
    {"ISO_8859-15", "Pre\xe7o: 5 \xa4", "Preço: 5 €"},
    {"windows-1256", "\xe3\xd1\xcd\xc8\xc7 \xc8\xc7\xe1\xda\xc7\xe1\xe3", "مرحبا بالعالم"},
    {"iso-8859-6", "\xe5\xd1\xcd\xc8\xc7", "مرحبا"},
    {"iso-8859-8-i", "\xf9\xec\xe5\xed \xf2\xe5\xec\xed", "שלום עולם"},
    {"windows-1255", "\xf9\xec\xe5\xed", "שלום"},
    {"gb2312", "\xc4\xe3\xba\xc3\xa3\xac\xca\xc0\xbd\xe7", "你好，世界"},
    {"GB2312", "\xc4\xe3\xba\xc3", "你好"},
    {"eucgb2312_cn", "\xc4\xe3\xba\xc3", "你好"},
    {"gb18030",
	"\xc4\xe3\xba\xc3\xa3\xac\xd6\xec\xe9"
	"F\xbb\xf9",
	"你好，朱镕基"},
    {"big5",
	"\xa7"
	"A\xa6n\xa1"
	"A\xa5@\xac\xc9",
	"你好，世界"},
    {"iso-2022-jp", "\x1b$B$3$s$K$A$O!\x22@$3&\x1b(B", "こんにちは、世界"},
    {"iso-2022-jp", "\x1b$B$3$s\x1b(B\x1b$B$K$A$O\x1b(B", "こんにちは"}, /* two encoded words */
    {"x-gbk", "\xc4\xe3\xba\xc3", "你好"},
    {"shift_jis", "\x93\xfa\x96{\x8c\xea", "日本語"},
    {"euc-jp", "\xc6\xfc\xcb\xdc\xb8\xec", "日本語"},
    {"euc-kr", "\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "안녕하세요"},
    {"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2", "Привет, мир"},
    {"koi8-u", "\xf0\xd2\xc9\xd7\xa6\xd4, \xd3\xd7\xa6\xd4", "Привіт, світ"},
    {"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0", "Привет, мир"},
    {"cp1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"},
    {"iso-8859-5", "\xbf\xe0\xd8\xd2\xd5\xe2", "Привет"},
    {"utf-7", "Ol+AOE +-", "Olá +"},
    {"us-ascii", "plain", "plain"},
    {"no-such-charset", "plain", "plain"},
    {"", "plain", "plain"},
};

static void as_declared(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(declared) / sizeof(declared[0]); i++) {
		assert_string_equal(
		    text(declared[i].bytes, declared[i].charset, NULL), declared[i].text);
		if (guessed)
			fail_msg("%s is declared, and the bytes are valid", declared[i].charset);
	}
	assert_string_equal(decoded("\xff\xfeO\0l\0\xe1\0\r\0\n\0", 12, "utf-16", NULL), "Olá\n");
	assert_false(guessed);
}

static const struct {
	const char *declared, *fallback, *bytes, *text;
} guesses[] = {
    /* Nothing is declared, or nothing that is known. */
    {NULL, NULL, "caf\xc3\xa9", "café"},
    {NULL, NULL, "caf\xe9", "café"},
    {NULL, "koi8-r", "\xed\xc9\xd2", "Мир"},
    {"x-unknown", NULL, "caf\xc3\xa9", "café"},
    {"unknown-8bit", NULL, "\x93quoted\x94", "“quoted”"},
    {"../../etc/passwd", NULL, "caf\xe9", "café"},
    {"utf-8,version=1", NULL, "caf\xe9", "café"},
    /* What is declared is not true. */
    {"us-ascii", NULL, "caf\xc3\xa9", "café"},
    {"us-ascii", "windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"},
    {"utf-8", NULL, "caf\xe9", "café"},
    {"utf-8", "iso-8859-8", "\xf9\xec\xe5\xed", "שלום"},
    {"euc-jp", NULL, "caf\xe9", "café"},
    {"iso-2022-jp", NULL, "caf\xe9", "café"},
    {"windows-1252", NULL, "a\xc3\x81", "aÁ"}, /* 0x81 means nothing there */
    /* Bytes without meaning. */
    {NULL, NULL, "a\x81\xe9", "a" R "é"},
    {NULL, "windows-1251", "\x98\xe0", R "а"},
    {NULL, "us-ascii", "caf\xe9", "caf" R},
    {NULL, "iso-8859-1", "a\x81", "a\xc2\x81"}, /* a control there */
    /* The larger charset that is meant. */
    {"gb2312", NULL,
	"\xd6\xec\xe9"
	"F\xbb\xf9",
	"朱镕基"},
    {"GBK", NULL, "\x81\x30\x81\x31", "\xc2\x81"},
};

static void otherwise(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		assert_string_equal(
		    text(guesses[i].bytes, guesses[i].declared, guesses[i].fallback),
		    guesses[i].text);
		if (!guessed)
			fail_msg("row %zu was guessed", i);
	}
}

static void line_ends(void **state)
{
	(void)state;
	assert_string_equal(text("a\r\nb\r\n", NULL, NULL), "a\nb\n");
	assert_string_equal(text("a\r\n\r\n\r\n", "utf-8", NULL), "a\n\n\n");
	assert_string_equal(text("a\rb\r", NULL, NULL), "a\rb\r");
	assert_string_equal(text("a\r\r\nb", NULL, NULL), "a\r\nb");
	assert_string_equal(text("\n\ra\n", NULL, NULL), "\n\ra\n");
	assert_string_equal(text("no end", NULL, NULL), "no end");
	assert_string_equal(text("", NULL, NULL), "");
	assert_false(guessed);
}

static void nothing_else_changes(void **state)
{
	(void)state;
	/* Not NFC; controls, spaces at line ends and a byte order mark stay as well. */
	assert_string_equal(text("e\xcc\x81 \t \n\x1b[1m\x07\x7f", "utf-8", NULL),
	    "e\xcc\x81 \t \n\x1b[1m\x07\x7f");
	assert_string_equal(text("\xef\xbb\xbf"
				 "a",
				"utf-8", NULL),
	    "\xef\xbb\xbf"
	    "a");
	assert_string_equal(decoded("a\0b\0", 4, NULL, NULL), "a" R "b" R);
	assert_string_equal(decoded("\0\r\n\0", 4, "iso-8859-1", NULL), R "\n" R);
}

static void appends(void **state)
{
	(void)state;
	buffer_reset(&out);
	buffer_add_str(&out, "before ");
	text_decode(&out, bytes_str("\xe9\r\n"), "iso-8859-1", NULL);
	assert_string_equal(buffer_str(&out), "before é\n");
}

/* Whatever the bytes, and whatever they are called, it is UTF-8 that comes out. */
static void any_bytes(void **state)
{
	(void)state;
	static const char *const names[] = {"utf-8", "utf-16", "utf-32", "utf-7", "gb18030", "big5",
	    "iso-2022-jp", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312", "shift_jis", "euc-tw",
	    "scsu", "bocu-1", "imap-mailbox-name", "cesu-8", "ibm037", "tis-620", "windows-1258",
	    "macintosh", "koi8-r"};
	uint8_t bytes[512];
	uint32_t x = 1;
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
		for (size_t len = 0; len < sizeof(bytes); len += 7) {
			for (size_t i = 0; i < len; i++)
				bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
			decoded(bytes, len, names[n], NULL);
			if (out.len > 0)
				assert_null(memchr(out.data, '\0', out.len));
			decoded(bytes, len, NULL, names[n]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_declared),
	    cmocka_unit_test(otherwise),
	    cmocka_unit_test(line_ends),
	    cmocka_unit_test(nothing_else_changes),
	    cmocka_unit_test(appends),
	    cmocka_unit_test(any_bytes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&out);
	return failed;
}
