/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <unicode/ubidi.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "base/error.h"
#include "base/text.h"

#define R "\xef\xbf\xbd" /* U+FFFD */
#define LRE "\u202a"
#define RLE "\u202b"
#define PDF "\u202c"
#define LRO "\u202d"
#define RLO "\u202e"
#define LRI "\u2066"
#define RLI "\u2067"
#define FSI "\u2068"
#define PDI "\u2069"

typedef void writer(struct buffer *out, struct bytes in);

static const char *written(writer *f, const void *data, size_t len)
{
	static struct buffer out;
	buffer_reset(&out);
	f(&out, bytes_of(data, len));
	assert_false(out.failed);
	return buffer_str(&out);
}

static const char *block(const char *s)
{
	return written(text_block, s, strlen(s));
}

static const char *line(const char *s)
{
	return written(text_line, s, strlen(s));
}

static const char *isolate(const char *s)
{
	return written(text_isolate, s, strlen(s));
}

/* --- UTF-8 --- */

static const struct {
	const char *bytes, *shown;
} broken[] = {
    {"\x80", R},
    {"a\xff"
     "b",
	"a" R "b"},
    {"\xc0\xaf", R R},             /* overlong '/' */
    {"\xe0\x80\xaf", R R R},       /* overlong '/' */
    {"\xf0\x80\x80\xaf", R R R R}, /* overlong '/' */
    {"\xc1\xbf", R R},
    {"\xe0\x9f\xbf", R R R},       /* overlong U+07FF */
    {"\xf0\x8f\xbf\xbf", R R R R}, /* overlong U+FFFF */
    {"\xed\xa0\x80", R R R},       /* U+D800 */
    {"\xed\xbf\xbf", R R R},       /* U+DFFF */
    {"\xed\xa0\xbd\xed\xb8\x80", R R R R R R},
    {"\xf4\x90\x80\x80", R R R R}, /* U+110000 */
    {"\xf5\x80\x80\x80", R R R R},
    {"\xf8\x88\x80\x80\x80", R R R R R},
    {"\xc3", R}, /* cut off */
    {"\xe2\x82", R},
    {"\xf0\x9f\x98", R},
    {"\xe2\x82"
     "A",
	R "A"},
    {"\xf0\x9f\x98\xc3\xa9", R "\xc3\xa9"},
    {"\xfe\xfe\xff\xff", R R R R},
};

static void test_broken_utf8(void **state)
{
	(void)state;
	struct buffer out = BUFFER_INIT;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct bytes in = bytes_str(broken[i].bytes);
		/* After enough ASCII, so that whatever goes by words is left too. */
		char later[64];
		snprintf(later, sizeof(later), "0123456789abcdef%s", broken[i].bytes);
		assert_false(text_is_utf8(in));
		assert_false(text_is_utf8(bytes_str(later)));
		assert_int_equal(text_nfc(&out, in), ERR_TEXT);
		assert_int_equal(out.len, 0);
		assert_string_equal(line(broken[i].bytes), broken[i].shown);
		assert_string_equal(block(broken[i].bytes), broken[i].shown);
		assert_string_equal(line(later) + 16, broken[i].shown);
	}
	buffer_free(&out);
}

static void test_good_utf8(void **state)
{
	(void)state;
	static const char *const good[] = {"", "plain", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf3\xa0\x84\x80", "日本語", "ไทย",
	    "हिन्दी", "русский", "ελληνικά", "한국어", "👩‍👩‍👧", "می‌خواهم"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(text_is_utf8(bytes_str(good[i])));
		assert_string_equal(block(good[i]), good[i]);
		assert_string_equal(line(good[i]), good[i]);
	}
	assert_true(text_is_utf8(bytes_of("a\0b", 3)));
	assert_true(text_is_utf8(bytes_str("\xf4\x8f\xbf\xbf")));
}

static const char *nfc(const char *s)
{
	static struct buffer out;
	buffer_reset(&out);
	assert_int_equal(text_nfc(&out, bytes_str(s)), OK);
	return buffer_str(&out);
}

static void test_nfc(void **state)
{
	(void)state;
	assert_string_equal(nfc(""), "");
	assert_string_equal(nfc("ascii"), "ascii");
	assert_string_equal(nfc("\u00e9"), "\u00e9");
	assert_string_equal(nfc("e\u0301"), "\u00e9");
	assert_string_equal(nfc("\u212b\u2126\u212a"), "\u00c5\u03a9K");
	assert_string_equal(nfc("\u1100\u1161\u11a8"), "\uac01");
	assert_string_equal(nfc("q\u0307\u0323"), "q\u0323\u0307");
	assert_string_equal(nfc("\u0958"), "\u0915\u093c");       /* never composed */
	assert_string_equal(nfc("\ufb01\u2460"), "\ufb01\u2460"); /* compatibility forms stay */
	assert_string_equal(nfc("\U0001d160"), "\U0001d158\U0001d165\U0001d16e");
	/* Each is three times as long afterwards, and appended to what is there. */
	struct buffer out = BUFFER_INIT;
	buffer_add_str(&out, "before");
	char many[3 * 1000 + 1] = "";
	for (int i = 0; i < 1000; i++)
		memcpy(many + 3 * i, "\ufb2c", 4);
	assert_int_equal(text_nfc(&out, bytes_str(many)), OK);
	assert_int_equal(out.len, 6 + 1000 * 6);
	assert_memory_equal(out.data, "before\u05e9\u05bc\u05c1", 12);
	buffer_free(&out);
}

/* Marks that follow one another without end take no more time than other text, and none is lost. */
static void test_nfc_marks(void **state)
{
	(void)state;
	enum { MIB = 1 << 20, PAIRS = MIB / 4 };
	static char in[MIB + 1];
	struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
	char few[2 * 31 + 2] = "q", want[2 * 34 + 2] = "q";
	size_t marks = 0;

	/* As many as there may be are put in order; one more, and it stands behind a joiner. */
	for (int i = 0; i < 30; i++)
		memcpy(few + 1 + 2 * i, i < 15 ? "\u0300" : "\u0316", 3);
	for (int i = 0; i < 30; i++)
		memcpy(want + 1 + 2 * i, i < 15 ? "\u0316" : "\u0300", 3);
	assert_string_equal(nfc(few), want);
	strcat(few, "\u0316");
	strcat(want, "\u034f\u0316");
	assert_string_equal(nfc(few), want);

	for (size_t i = 0; i < PAIRS; i++)
		memcpy(in + 4 * i, "\u0300\u0316", 4);
	clock_t began = clock();
	assert_int_equal(text_nfc(&once, bytes_of(in, MIB)), OK);
	double took = (double)(clock() - began) / CLOCKS_PER_SEC;
	for (size_t i = 0; i < once.len; i += 2)
		marks += memcmp(once.data + i, "\u034f", 2) != 0;
	assert_int_equal(marks, 2 * PAIRS);
	assert_int_equal(text_nfc(&twice, buffer_bytes(&once)), OK);
	assert_true(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
	print_message("# %.2f s\n", took);
	assert_true(took < 10);
	buffer_free(&once);
	buffer_free(&twice);
}

/* --- What may reach a terminal --- */

static void test_control_bytes(void **state)
{
	(void)state;
	for (int c = 0; c < 0x20; c++) {
		char in[3] = {'a', (char)c, 'b'}, same[4] = {'a', (char)c, 'b'};
		assert_string_equal(written(text_line, in, 3), c == '\t' ? "a b" : "a" R "b");
		assert_string_equal(
		    written(text_block, in, 3), c == '\n' || c == '\t' ? same : "a" R "b");
	}
	assert_string_equal(line("a\x7f"
				 "b"),
	    "a" R "b");
	assert_string_equal(block("a\x7f"
				  "b"),
	    "a" R "b");
	for (int c = 0x80; c < 0xa0; c++) {
		char in[5] = {'a', '\xc2', (char)c, 'b'};
		assert_string_equal(line(in), "a" R "b");
		assert_string_equal(block(in), "a" R "b");
	}
	assert_string_equal(line("\x1b]0;title\x07"), R "]0;title" R);
	assert_string_equal(line("a\u2028b\u2029c"), "a" R "b" R "c");
	assert_string_equal(block("a\u2028b\u2029c"), "a\u2028b\u2029c");
}

static void test_line_ends(void **state)
{
	(void)state;
	assert_string_equal(block("one\r\ntwo\nthree\r\n"), "one\ntwo\nthree\n");
	assert_string_equal(block("hidden\rshown"), "hidden" R "shown");
	assert_string_equal(block("a\r\r\nb\r"), "a" R "\nb" R);
	assert_string_equal(line("a\r\nb"), "a" R R "b");
}

static void test_hiding_characters(void **state)
{
	(void)state;
	static const char *const hidden[] = {"\ufffe", "\uffff", "\ufdd0", "\ufdef", "\U0001fffe",
	    "\U0010ffff", "\ufff9", "\ufffa", "\ufffb", "\u206a", "\u206f", "\u2065", "\ufff0",
	    "\U000e0001", "\U000e0041", "\U000e007f", "\U000e0fff"};
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		assert_string_equal(line(hidden[i]), R);
		assert_string_equal(block(hidden[i]), R);
	}
	/* What languages and emoji are written with stays: joiners, implicit marks, selectors. */
	static const char *const kept[] = {"\u200c", "\u200d", "\u200e", "\u200f", "\u061c",
	    "\u00ad", "\u2060", "\ufe0f", "\U000e0100", "\u0600", "\ue000", "\ufffc", R, "\u0378"};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		assert_string_equal(line(kept[i]), kept[i]);
		assert_string_equal(block(kept[i]), kept[i]);
	}
}

static void test_byte_order_marks(void **state)
{
	(void)state;
	assert_string_equal(line("\ufeff"), "");
	assert_string_equal(block("\ufeffone\n\ufefftwo"), "one\n" R "two");
	assert_string_equal(line("\ufeff\ufeffa"), R "a");
}

/* What stands on one character, or between two, is little. */
static void test_heaps(void **state)
{
	struct buffer in = BUFFER_INIT, out = BUFFER_INIT;
	(void)state;
	buffer_add_str(&in, "a");
	buffer_add_str(&out, "a");
	for (int i = 0; i < 1000; i++) {
		buffer_add_str(&in, i % 2 ? "\u0301" : "\u0338");
		if (i < 8)
			buffer_add_str(&out, i % 2 ? "\u0301" : "\u0338");
	}
	buffer_add_str(&in, "b\u0301");
	buffer_add_str(&out, R "b\u0301");
	assert_string_equal(line(buffer_str(&in)), buffer_str(&out));
	assert_string_equal(block(buffer_str(&in)), buffer_str(&out));
	assert_int_equal(text_width(buffer_bytes(&in)), 3);
	buffer_free(&in);
	buffer_free(&out);
	/* Bytes hidden in selectors; invisible ones in a row, direction marks between them or not.
	 */
	assert_string_equal(line("a\ufe0f\U000e0101\U000e0102\ufe00b"), "a\ufe0f" R "b");
	assert_string_equal(line("a\u200b\u200c\u200d\u2060\u200b\u200c\u200d\u2060\u200b\u200c"
				 "b"),
	    "a\u200b\u200c\u200d\u2060\u200b\u200c\u200d\u2060" R "b");
	assert_string_equal(
	    line("a\u200b\u200b\u200b\u200b" LRI "\u200b\u200b\u200b\u200b" PDI "\u200b\u200b"),
	    "a\u200b\u200b\u200b\u200b" LRI "\u200b\u200b\u200b\u200b" PDI R);
	/* Hangul syllables can be spelled; a family of emoji is joined. */
	assert_string_equal(line("\u1112\u1161\u11ab"), "\u1112\u1161\u11ab");
	assert_string_equal(
	    line("👩\u200d👩\u200d👧\u200d👦 ❤\ufe0f"), "👩\u200d👩\u200d👧\u200d👦 ❤\ufe0f");
}

static void test_plain(void **state)
{
	struct buffer out = BUFFER_INIT;
	(void)state;
	text_plain(&out, bytes_str("a" RLO "b" PDF "\u200f\u200dc\n\x1b[31m\u00ad"));
	assert_string_equal(buffer_str(&out), "abc" R R "[31m");
	buffer_free(&out);
}

static size_t fit(const char *s, size_t columns)
{
	return text_fit(bytes_str(s), columns);
}

static void test_fit(void **state)
{
	(void)state;
	assert_int_equal(fit("", 5), 0);
	assert_int_equal(fit("hello", 5), 5);
	assert_int_equal(fit("hello", 4), 4);
	assert_int_equal(fit("hello", 0), 0);
	assert_int_equal(fit("日本語", 6), 9);
	assert_int_equal(fit("日本語", 5), 6);
	assert_int_equal(fit("日本語", 1), 0);
	/* Marks stay with what they stand on, joined emoji together, if they can. */
	assert_int_equal(fit("ae\u0301b", 2), 4);
	assert_int_equal(fit("a👩\u200d👧b", 3), 1);
	assert_int_equal(fit("👩\u200d👧b", 3), 7);
	assert_int_equal(fit("aहिन्दी", 2), 1);
	assert_int_equal(fit("❤\ufe0f❤\ufe0f", 3), 6);
}

static void test_lines_of_a_paragraph(void **state)
{
	struct buffer out = BUFFER_INIT;
	(void)state;
	assert_false(text_is_rtl(bytes_str("")));
	assert_false(text_is_rtl(bytes_str("12: IETF שלום")));
	assert_true(text_is_rtl(bytes_str("12: שלום IETF")));
	assert_true(text_is_rtl(bytes_str(FSI "IETF" PDI " ع")));
	text_isolate_as(&out, bytes_str("IETF 2024."), true);
	assert_string_equal(buffer_str(&out), RLI "IETF 2024." PDI);
	buffer_reset(&out);
	text_isolate_as(&out, bytes_str("ע" LRE "b"), false);
	assert_string_equal(buffer_str(&out), LRI "ע" LRE "b" PDF PDI);
	buffer_reset(&out);
	text_isolate_as(&out, bytes_str("plain"), false);
	assert_string_equal(buffer_str(&out), "plain");
	buffer_free(&out);
}

static const char *const openers[] = {LRE, RLE, LRO, RLO, LRI, RLI, FSI};
static const char *closer_of(size_t opener)
{
	return opener < 4 ? PDF : PDI;
}

static void test_marks_alone_and_paired(void **state)
{
	(void)state;
	char in[128], expected[64];
	assert_string_equal(line("a" PDF "b"), "ab");
	assert_string_equal(line("a" PDI "b"), "ab");
	for (size_t i = 0; i < 7; i++) {
		snprintf(in, sizeof(in), "a%sb", openers[i]);
		snprintf(expected, sizeof(expected), "a%sb%s", openers[i], closer_of(i));
		assert_string_equal(line(in), expected);
		assert_string_equal(block(in), expected);
		/* Paired already. */
		snprintf(in, sizeof(in), "%sc", expected);
		assert_string_equal(line(in), in);
		assert_string_equal(block(in), in);
		/* A closing mark of the other family closes nothing. */
		snprintf(in, sizeof(in), "a%sb%s", openers[i], closer_of(i < 4 ? 4 : 0));
		assert_string_equal(line(in), expected);
		/* One too many. */
		snprintf(in, sizeof(in), "%s%s", expected, closer_of(i));
		assert_string_equal(line(in), expected);
		/* A closing mark comes too late. */
		snprintf(in, sizeof(in), "%sa%sb", closer_of(i), openers[i]);
		assert_string_equal(line(in), expected);
	}
}

static void test_marks_nested(void **state)
{
	(void)state;
	/* Every pair of opening marks, well nested and crossed. */
	char in[64], expected[64];
	for (size_t i = 0; i < 7; i++) {
		for (size_t k = 0; k < 7; k++) {
			const char *outer = closer_of(i), *inner = closer_of(k);
			snprintf(expected, sizeof(expected), "%sa%sb%s%s", openers[i], openers[k],
			    inner, outer);
			assert_string_equal(line(expected), expected);
			snprintf(in, sizeof(in), "%sa%sb", openers[i], openers[k]);
			assert_string_equal(line(in), expected);
			/* Crossed: PDI ends what is inside its isolate, PDF does not end an
			 * isolate. */
			snprintf(
			    in, sizeof(in), "%sa%sb%s%s", openers[i], openers[k], outer, inner);
			assert_string_equal(line(in), expected);
		}
	}
	assert_string_equal(line(RLI RLO LRE "a" PDI "b"), RLI RLO LRE "a" PDF PDF PDI "b");
	assert_string_equal(line(RLE LRI PDF "a"), RLE LRI "a" PDI PDF);
}

static void test_marks_by_paragraph(void **state)
{
	(void)state;
	assert_string_equal(block(RLO "a\nb" PDF "c"), RLO "a" PDF "\nbc");
	assert_string_equal(block(RLI RLE "a\n\n" PDI), RLI RLE "a" PDF PDI "\n\n");
	assert_string_equal(block(LRI "a\u2029b" PDI), LRI "a" PDI "\u2029b");
	assert_string_equal(block(LRI "a\u2028b" PDI), LRI "a" PDI "\u2028b");
	assert_string_equal(block(LRI "a\r\nb" PDI), LRI "a" PDI "\nb");
	assert_string_equal(block(LRI "a\tb" PDI), LRI "a\tb" PDI);
	assert_string_equal(block(FSI "a" PDI "\n" FSI "b" PDI), FSI "a" PDI "\n" FSI "b" PDI);
	/* A line is one paragraph, since nothing in it ends one. */
	assert_string_equal(line(RLO "a\nb" PDF "c"), RLO "a" R "b" PDF "c");
}

/* How deep the marks nest; fails unless they are paired in every paragraph. */
static unsigned nesting(struct bytes in)
{
	static bool isolates[1 << 16];
	unsigned depth = 0, deepest = 0;
	for (size_t i = 0; i < in.len;) {
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		if ((c >= 0x202a && c <= 0x202e && c != 0x202c) || (c >= 0x2066 && c <= 0x2068)) {
			assert_true(depth < sizeof(isolates));
			isolates[depth++] = c >= 0x2066;
		} else if (c == 0x202c || c == 0x2069) {
			assert_true(depth > 0);
			assert_true(isolates[--depth] == (c == 0x2069));
		} else if (c == '\n' || c == 0x2028 || c == 0x2029) {
			assert_int_equal(depth, 0);
		}
		deepest = depth > deepest ? depth : deepest;
	}
	assert_int_equal(depth, 0);
	return deepest;
}

static void test_marks_too_deep(void **state)
{
	(void)state;
	struct buffer in = BUFFER_INIT;
	for (int i = 0; i < 1000; i++)
		buffer_add_str(&in, i % 2 ? RLI : LRO);
	buffer_add_str(&in, "x");
	struct buffer out = BUFFER_INIT;
	text_line(&out, buffer_bytes(&in));
	assert_int_equal(nesting(buffer_bytes(&out)), 60);
	/* With all closed, what is behind is outside all of them. */
	for (int i = 1000; i-- > 0;)
		buffer_add_str(&in, i % 2 ? PDI : PDF);
	buffer_add_str(&in, "y");
	buffer_reset(&out);
	text_line(&out, buffer_bytes(&in));
	assert_int_equal(nesting(buffer_bytes(&out)), 60);
	assert_int_equal(out.data[out.len - 1], 'y');
	/* What closes a dropped mark does not close the one around it. */
	buffer_reset(&in);
	for (int i = 0; i < 61; i++)
		buffer_add_str(&in, RLI);
	buffer_add_str(&in, PDI "z");
	buffer_reset(&out);
	text_line(&out, buffer_bytes(&in));
	assert_int_equal(out.len, 60 * strlen(RLI) + 1 + 60 * strlen(PDI));
	assert_int_equal(out.data[60 * strlen(RLI)], 'z');
	buffer_free(&in);
	buffer_free(&out);
}

static void test_isolate(void **state)
{
	(void)state;
	assert_string_equal(isolate(""), "");
	assert_string_equal(isolate("plain, καλημέρα"), "plain, καλημέρα");
	assert_string_equal(isolate("שלום"), FSI "שלום" PDI);
	assert_string_equal(isolate("a مرحبا"), FSI "a مرحبا" PDI);
	assert_string_equal(isolate("\u0661"), FSI "\u0661" PDI);
	assert_string_equal(isolate("a\u200f"), FSI "a\u200f" PDI);
	assert_string_equal(isolate(LRO "a"), FSI LRO "a" PDF PDI);
	assert_string_equal(isolate("a" PDI "b\n"), "ab" R);
	struct buffer out = BUFFER_INIT;
	buffer_add_str(&out, "from ");
	text_isolate(&out, bytes_str("שלום"));
	assert_string_equal(buffer_str(&out), "from " FSI "שלום" PDI);
	buffer_free(&out);
}

static uint32_t seed;
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* Text made of what is likely to do harm. */
static void draw_text(struct buffer *out)
{
	static const char *const pieces[] = {LRE, RLE, PDF, LRO, RLO, LRI, RLI, FSI, PDI, "\n",
	    "\r", "\t", "\u2028", "\u2029", "\xc2\x85", "\x1c", "\x1b[", "a", "b1", " ", "אב", "ع",
	    "\u0661", "+", "\u200f", "\u200e", "\u061c", "e\u0301", "\ufb2c", "語", "\U0001f3f4",
	    "\U000e0067", "\xe2", "\x80", "\xaa", "\xf0\x9f", "\xed\xa0\x80", "\xc0", "\ufffe",
	    "\ufeff", "\u200d", "\u0301", "\u0338", "\u200b", "\ufe0f", "\ufe00", "❤",
	    "\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "\u1161"};
	for (uint32_t n = draw(40); n > 0; n--) {
		if (draw(8) == 0)
			buffer_add_u8(out, (uint8_t)draw(256));
		else
			buffer_add_str(out, pieces[draw(sizeof(pieces) / sizeof(pieces[0]))]);
	}
}

static void check_shown(struct bytes out, bool one_line)
{
	assert_true(text_is_utf8(out));
	nesting(out);
	for (size_t i = 0; i < out.len;) {
		UChar32 c;
		U8_NEXT(out.data, i, out.len, c);
		if (!one_line && (c == '\n' || c == '\t' || c == 0x2028 || c == 0x2029))
			continue;
		assert_true(c >= 0x20 && (c < 0x7f || c >= 0xa0) && c != 0x2028 && c != 0x2029);
	}
}

/* What stands behind isolated text is left-to-right and last, whatever the text. */
static void check_order(struct bytes isolated)
{
	UErrorCode status = U_ZERO_ERROR;
	struct buffer all = BUFFER_INIT;
	UChar s[2048];
	int32_t len = 0;
	buffer_add_str(&all, "before ");
	buffer_add(&all, isolated.data, isolated.len);
	buffer_add_str(&all, " 17 after");
	u_strFromUTF8(s, 2048, &len, (char *)all.data, (int32_t)all.len, &status);
	UBiDi *bidi = ubidi_open();
	ubidi_setPara(bidi, s, len, 0, NULL, &status);
	assert_int_equal(status, U_ZERO_ERROR);
	for (int32_t i = 0; i < 9; i++)
		assert_int_equal(ubidi_getLevelAt(bidi, len - 1 - i), 0);
	assert_int_equal(ubidi_getVisualIndex(bidi, len - 1, &status), len - 1);
	assert_int_equal(ubidi_getVisualIndex(bidi, 0, &status), 0);
	ubidi_close(bidi);
	buffer_free(&all);
}

static void test_properties(void **state)
{
	(void)state;
	struct buffer in = BUFFER_INIT, once = BUFFER_INIT, twice = BUFFER_INIT;
	seed = 2463534242;
	for (int round = 0; round < 20000; round++) {
		buffer_reset(&in);
		draw_text(&in);
		for (int form = 0; form < 2; form++) {
			writer *f = form ? text_line : text_block;
			buffer_reset(&once);
			buffer_reset(&twice);
			f(&once, buffer_bytes(&in));
			f(&twice, buffer_bytes(&once));
			check_shown(buffer_bytes(&once), form);
			assert_true(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
			assert_true(once.len <= 3 * in.len);
		}
		size_t wide = text_width(buffer_bytes(&once)), room = draw(20);
		size_t part = text_fit(buffer_bytes(&once), room);
		assert_int_equal(text_width(buffer_bytes(&in)), wide);
		assert_true(part <= once.len && (part == once.len) == (wide <= room));
		assert_true(text_is_utf8(bytes_of(once.data, part)));
		assert_true(text_width(bytes_of(once.data, part)) <= room);
		buffer_reset(&once);
		text_isolate(&once, buffer_bytes(&in));
		check_shown(buffer_bytes(&once), true);
		check_order(buffer_bytes(&once));

		buffer_reset(&once);
		buffer_reset(&twice);
		int rc = text_nfc(&once, buffer_bytes(&in));
		assert_int_equal(rc, text_is_utf8(buffer_bytes(&in)) ? OK : ERR_TEXT);
		assert_int_equal(text_nfc(&twice, buffer_bytes(&once)), OK);
		assert_true(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
	}
	buffer_free(&in);
	buffer_free(&once);
	buffer_free(&twice);
}

static size_t width(const char *s)
{
	return text_width(bytes_str(s));
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(width(""), 0);
	assert_int_equal(width("hello"), 5);
	assert_int_equal(width("日本語"), 6);
	assert_int_equal(width("ｗｉｄｅ"), 8);
	assert_int_equal(width("ﾊﾝｶｸ"), 4);
	assert_int_equal(width("한국어"), 6);
	assert_int_equal(width("\u1112\u1161\u11ab"), 2);
	assert_int_equal(width("e\u0301"), 1);
	assert_int_equal(width("שלום"), 4);
	assert_int_equal(width("हि"), 2); /* a spacing vowel sign */
	assert_int_equal(width("\u200b\u200d" RLI PDI), 0);
	assert_int_equal(width("a\xff\x01"
			       "b"),
	    4);
	assert_int_equal(width("😀"), 2);
}

/* `in` with a | wherever a line may be broken. */
static void check_breaks(const char *in, const char *expected)
{
	struct buffer may = BUFFER_INIT, out = BUFFER_INIT;
	size_t len = strlen(in);

	text_breaks(&may, bytes_str(in));
	assert_int_equal(may.len, len);
	for (size_t i = 0; i < len; i++)
		buffer_printf(&out, "%s%c", may.data[i] ? "|" : "", in[i]);
	assert_string_equal(buffer_str(&out), expected);
	buffer_free(&may);
	buffer_free(&out);
}

static void test_breaks(void **state)
{
	(void)state;
	check_breaks("", "");
	check_breaks("two  words ", "two  |words ");
	check_breaks("  indented", "  |indented");
	check_breaks("https://a.example/b-c?d", "https://a.example/b-c?d");
	check_breaks("état-civil où", "état-civil |où");
	/* Not before a comma or a closing bracket, not behind an opening one. */
	check_breaks("会议，（论坛）a", "会|议，|（论|坛）|a");
	check_breaks("שלום עולם", "שלום |עולם");
	check_breaks("ภาษาไทย", "ภาษา|ไทย");
	check_breaks("\xff\xe4\xbc", "\xff\xe4\xbc");
}

static void test_heads(void **state)
{
	struct bytes trailing = bytes_str("\x80\x80\x80"), none = bytes_of(NULL, 0);

	(void)state;
	assert_int_equal(text_head(bytes_str("where"), 5).len, 5);
	assert_int_equal(text_head(bytes_str("where"), 4).len, 4);
	assert_int_equal(text_head(bytes_str("où"), 2).len, 1);
	assert_int_equal(text_head(bytes_str("会"), 2).len, 0);
	assert_int_equal(text_head(trailing, 2).len, 0);
	assert_int_equal(text_head(none, 0).len, 0);
	assert_true(bytes_equal(text_first_line(bytes_str("a b\nc")), bytes_str("a b")));
	assert_int_equal(text_first_line(bytes_str("\nc")).len, 0);
	assert_int_equal(text_first_line(bytes_str("c")).len, 1);
	assert_int_equal(text_first_line(none).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_broken_utf8),
	    cmocka_unit_test(test_good_utf8),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_nfc),
	    cmocka_unit_test(test_nfc_marks),
	    cmocka_unit_test(test_control_bytes),
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_hiding_characters),
	    cmocka_unit_test(test_byte_order_marks),
	    cmocka_unit_test(test_heaps),
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_lines_of_a_paragraph),
	    cmocka_unit_test(test_marks_alone_and_paired),
	    cmocka_unit_test(test_marks_nested),
	    cmocka_unit_test(test_marks_by_paragraph),
	    cmocka_unit_test(test_marks_too_deep),
	    cmocka_unit_test(test_isolate),
	    cmocka_unit_test(test_properties),
	    cmocka_unit_test(test_width),
	    cmocka_unit_test(test_breaks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
