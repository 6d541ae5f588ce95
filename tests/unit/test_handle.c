/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <unicode/utf8.h>

#include "base/error.h"
#include "base/text.h"

static int prepare(const char *in, char out[static HANDLE_MAX + 1])
{
	const char *why = NULL;
	int rc = handle_prepare(out, bytes_str(in), &why);
	if (rc == OK)
		assert_null(why);
	else
		assert_non_null(why);
	return rc;
}

static void test_handles_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"alice", "alice"},
	    {"Alice", "alice"},
	    {"ALICE-B_c.9", "alice-b_c.9"},
	    {"ａｌｉｃｅ", "alice"}, /* fullwidth */
	    {"ＡＬＩＣＥ", "alice"},
	    {"ｶﾞｶﾞ", "ガガ"}, /* halfwidth, with its voicing mark composed */
	    {"Élise", "élise"},
	    {"E\u0301lise", "élise"}, /* decomposed */
	    {"Straße", "straße"},
	    {"ΣΊΣΥΦΟΣ", "σίσυφος"}, /* the last sigma is final */
	    {"Алиса", "алиса"},
	    {"محمد", "محمد"},
	    {"محمد1", "محمد1"},
	    {"محمد\u0661\u0662", "محمد\u0661\u0662"},
	    {"דנה", "דנה"},
	    {"דנה.לוי", "דנה.לוי"},
	    {"张伟", "张伟"},
	    {"さくら", "さくら"},
	    {"김민준", "김민준"},
	    {"प्रिया", "प्रिया"},
	    {"ทดสอบ", "ทดสอบ"},
	    {"col·lega", "col·lega"}, /* U+00B7 between two l */
	    {"ジョン・スミス", "ジョン・スミス"},
	    {"علی\u200cرضا", NULL},    /* non-joiner after a letter that joins on both sides */
	    {"عل\u064e\u200cي", NULL}, /* likewise, across a vowel mark */
	    {"क्\u200dष", "क्\u200dष"},
	    {"𐐀𐐁", "𐐨𐐩"}, /* Deseret has case */
	    {"9", "9"},
	    {"_", "_"},
	};
	char out[HANDLE_MAX + 1], again[HANDLE_MAX + 1];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(prepare(cases[i].in, out), OK);
		assert_string_equal(out, cases[i].out != NULL ? cases[i].out : cases[i].in);
		assert_int_equal(prepare(out, again), OK);
		assert_string_equal(again, out);
	}
}

static void test_handles_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
	    "",
	    " alice",
	    "alice ",
	    "al ice",
	    "al\tice",
	    "al\nice",
	    "al\u00a0ice",
	    "al\u3000ice",
	    "alice@isoc",
	    "＠lice",
	    "a/b",
	    "a／b",
	    "a+b",
	    "a,b",
	    "a'b",
	    "a\"b",
	    "a<b",
	    "a%b",
	    "a:b",
	    ".alice",
	    "alice.",
	    "al..ice",
	    "．alice",
	    "-alice",
	    "－alice",
	    "\u0301alice", /* a combining mark first */
	    "al\xffice",
	    "al\xed\xa0\x80ice",
	    "\xc1\xa1lice",
	    "al\u200bice",
	    "al\u200dice",
	    "al\u200cice",
	    "al\u00adice",
	    "al\u202eice",
	    "al\u2066ice",
	    "al\ufe0fice",
	    "al\ufeffice",
	    "\u2060",
	    "al\u034fice",
	    "\u2163",
	    "ﬁsh",
	    "①",
	    "ª",
	    "²",
	    "\u212a",
	    "𝐚lice", /* compatibility forms */
	    "♚",
	    "☺",
	    "😀",
	    "alice™",
	    "a\u2024b",
	    "a\u2010b",
	    "a–b",
	    "€uro",
	    "\ue000",
	    "\ufffe",
	    "\u0378",
	    "\ufffd", /* private, non-character, unassigned, replaced */
	    "\u0640\u0645",
	    "\u302e",
	    "\u3031", /* exceptions */
	    "\u1100\u1161",
	    "\u1100",
	    "\ua960", /* conjoining jamo */
	    "a·b",
	    "·",
	    "l·",
	    "·l",
	    "a\u0375",
	    "\u0375a",
	    "a\u05f3",
	    "a・b",
	    "・",            /* out of context */
	    "م\u0661\u06f1", /* both kinds of Arabic digits */
	    "\u0661\u0662",
	    "1محمد",
	    "aمحمد",
	    "محمدa",
	    "محمد-",
	    "م1\u0661", /* bidi rule */
	    "אb",
	    "bא",
	};
	char out[HANDLE_MAX + 1];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = prepare(cases[i], out);
		if (rc != ERR_TEXT)
			print_error("accepted: case %zu, \"%s\"\n", i, cases[i]);
		assert_int_equal(rc, ERR_TEXT);
		assert_string_equal(out, "");
	}
	/* A NUL hides nothing, and the reason is optional. */
	assert_int_equal(handle_prepare(out, bytes_of("al\0ice", 6), NULL), ERR_TEXT);
}

static void test_handle_length(void **state)
{
	(void)state;
	char in[1000] = "", out[HANDLE_MAX + 1];
	memset(in, 'A', HANDLE_MAX);
	assert_int_equal(prepare(in, out), OK);
	assert_int_equal(strlen(out), HANDLE_MAX);
	in[HANDLE_MAX] = 'A';
	assert_int_equal(prepare(in, out), ERR_TEXT);
	memset(in, 'A', sizeof(in) - 1);
	assert_int_equal(prepare(in, out), ERR_TEXT);
	/* Length counts after preparation: 64 fullwidth letters are 192 bytes before. */
	in[0] = '\0';
	for (int i = 0; i < HANDLE_MAX; i++)
		strcat(in, "ｘ");
	assert_int_equal(prepare(in, out), OK);
	assert_int_equal(strlen(out), HANDLE_MAX);
	/* U+0130 grows in lower case. */
	in[0] = '\0';
	for (int i = 0; i < 100; i++)
		strcat(in, "İ");
	assert_int_equal(prepare(in, out), ERR_TEXT);
}

static int skeleton(const char *in, char out[static SKELETON_MAX + 1])
{
	char handle[HANDLE_MAX + 1];
	const char *why = NULL;
	assert_int_equal(prepare(in, handle), OK);
	int rc = handle_skeleton(out, handle, &why);
	assert_true((rc == OK) == (why == NULL));
	return rc;
}

static void test_confusables(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
	    {"alice", "Alice", true}, {"alice", "bob", false}, {"paypal", "paypa1", true},
	    {"paypal", "paypaI", false}, /* a capital I is shown as i */
	    {"modern", "rnodern", true}, {"google", "g00gle", true}, {"goog1e", "google", true},
	    {"bill0", "billo", true}, {"scope", "ѕсоре", true}, /* wholly Cyrillic */
	    {"ape", "аре", true}, {"ﾊ", "ハ", true}, {"あ", "ア", false}, {"कष", "क\u094dष", false},
	    {"क्\u200dष", "क्ष", true}, /* a joiner is no difference */
	};
	char a[SKELETON_MAX + 1], b[SKELETON_MAX + 1];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(skeleton(cases[i].a, a), OK);
		assert_int_equal(skeleton(cases[i].b, b), OK);
		if ((strcmp(a, b) == 0) != cases[i].equal)
			print_error("%s (%s) and %s (%s)\n", cases[i].a, a, cases[i].b, b);
		assert_int_equal(strcmp(a, b) == 0, cases[i].equal);
	}
}

static void test_mixed_scripts(void **state)
{
	(void)state;
	char out[SKELETON_MAX + 1];
	static const char *const refused[] = {
	    "аlice",  /* Cyrillic а */
	    "paypаl", /* likewise */
	    "αlice",  /* Greek */
	    "алисaα",
	    "ალice",
	    "日本α",
	    "क1२",            /* numerals of two systems */
	    "i\u0307stanbul", /* the dot that an i already has */
	    "e\u0323\u0323",
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int rc = skeleton(refused[i], out);
		if (rc != ERR_TEXT)
			print_error("accepted: \"%s\"\n", refused[i]);
		assert_int_equal(rc, ERR_TEXT);
		assert_string_equal(out, "");
	}
	static const char *const accepted[] = {"alice", "élise", "алиса7", "さくらサクラ桜",
	    "tanaka田中", "김kim", "محمد1", "דנה-לוי", "प्रिया", "li李"};
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		assert_int_equal(skeleton(accepted[i], out), OK);
	/* What was never prepared is no reason to fall over. */
	assert_int_equal(handle_skeleton(out, "", NULL), ERR_TEXT);
	assert_int_equal(handle_skeleton(out, "\xff", NULL), ERR_TEXT);
	char handle[HANDLE_MAX + 2] = "";
	memset(handle, 'm', HANDLE_MAX);
	assert_int_equal(handle_skeleton(out, handle, NULL), OK);
	assert_int_equal(strlen(out), 2 * HANDLE_MAX);
	handle[HANDLE_MAX] = 'm';
	assert_int_equal(handle_skeleton(out, handle, NULL), ERR_TEXT);
}

static void test_handle_properties(void **state)
{
	(void)state;
	char in[8], out[HANDLE_MAX + 1], again[HANDLE_MAX + 1], shown[SKELETON_MAX + 1];
	struct buffer text = BUFFER_INIT;
	unsigned accepted = 0;
	for (UChar32 c = 0; c < 0x30000; c++) {
		int32_t len = 0;
		if (U_IS_SURROGATE(c))
			continue;
		U8_APPEND_UNSAFE(in, len, c);
		if (handle_prepare(out, bytes_of(in, (size_t)len), NULL) != OK)
			continue;
		accepted++;
		assert_int_equal(handle_prepare(again, bytes_str(out), NULL), OK);
		assert_string_equal(again, out);
		/* What is fit to be a handle is fit to be shown. */
		buffer_reset(&text);
		text_line(&text, bytes_str(out));
		assert_string_equal(buffer_str(&text), out);
		handle_skeleton(shown, out, NULL);
	}
	/* Most of the letters of the world's scripts. */
	assert_in_range(accepted, 100000, 140000);
	buffer_free(&text);
}

/* --- Other names --- */

static void test_lang(void **state)
{
	(void)state;
	static const char *const good[] = {
	    "e", "en", "pt-BR", "zh-Hant-TW", "x-1", "abcdefghijklmnopqrstuvwxyz012345678"};
	static const char *const bad[] = {
	    "", "en_US", "en US", "\xc3\xa9", "en\n", "abcdefghijklmnopqrstuvwxyz0123456789"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(lang_valid(bytes_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(lang_valid(bytes_str(bad[i])));
	assert_false(lang_valid(bytes_of("e\0n", 3)));
}

static void test_org_name(void **state)
{
	(void)state;
#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
	static const char *const good[] = {
	    "isoc.example", "a.b", "xn--bcher-kva.example", "1.a-b.c", L63 ".example", ("a." L63)};
	static const char *const bad[] = {"", "example", ".", "..", ".example", "example.", "a..b",
	    "Isoc.example", "-a.b", "a-.b", "a.-b", "a.b-", "a_b.c", "a b.c", "b\xc3\xbc.c",
	    "a.b\n", L63 "x.example", "a." L63 "x", "a/b.c", "a+b.c"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(org_name_valid(bytes_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(org_name_valid(bytes_str(bad[i])));
	const char *longest = L63 "." L63;
	assert_true(org_name_valid(bytes_of(longest, 100)));
	assert_false(org_name_valid(bytes_of(longest, 101)));
	assert_false(org_name_valid(bytes_of("a.b\0", 4)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handles_accepted),
	    cmocka_unit_test(test_handles_refused),
	    cmocka_unit_test(test_handle_length),
	    cmocka_unit_test(test_confusables),
	    cmocka_unit_test(test_mixed_scripts),
	    cmocka_unit_test(test_handle_properties),
	    cmocka_unit_test(test_lang),
	    cmocka_unit_test(test_org_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
