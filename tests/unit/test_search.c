/* SPDX-License-Identifier: BSD-2-Clause */
/* What a query finds in a text, in many scripts; what no query is; and where it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "search/fold.h"
#include "search/query.h"

static struct search_query *parsed(const char *text)
{
	struct search_query *q = NULL;
	const char *why = NULL;

	if (search_parse(&q, bytes_str(text), &why) != OK)
		fail_msg("%s: %s", text, why);
	return q;
}

static bool matches(const char *query, const char *subject, const char *text)
{
	struct content c = {.subject = bytes_str(subject), .text = bytes_str(text)};
	struct search_query *q = parsed(query);
	bool result = search_matches(q, &c);

	search_query_free(q);
	return result;
}

static const struct {
	const char *query, *text;
	bool found;
} cases[] = {
    /* Whole words, wherever a script has spaces. */
    {"rules", "The RULES of it", true},
    {"rule", "The rules of it", false},
    {"ules", "The rules of it", false},
    {"it", "it", true},
    {"foo", "foo_bar", false},
    {"foo_bar", "a foo_bar.", true},
    {"example.org", "see example.org/charter", true},
    {"example.org", "see myexample.org", false},
    {"c++", "in C++, or not", true},
    {"c++", "in C, or not", false},
    {"été", "l'été", true},
    {"straße", "STRASSE", true},
    {"office",
	"o\xef\xac\x83"
	"ce",
	true},
    /* A mark that was typed counts. */
    {"sao", "S\xc3\xa3o Paulo", true},
    {"s\xc3\xa3o", "sao paulo", false},
    {"s\xc3\xa3o", "SA\xcc\x83O paulo", true},
    {"все", "всё", true},
    {"всё", "все", false},
    {"شهاده", "شهادة", false},
    {"ســـلام", "سلام", true},
    {"خلق", "خَلقَ", true},
    {"שלום", "שָׁלוֹם", true},
    {"ψυχοφθόρα", "ΨΥΧΟΦΘΌΡΑ", true},
    {"नमस्ते", "नमस्ते दुनिया", true},
    {"नम", "नमस्ते दुनिया", false},
    /* Without spaces: anywhere. */
    {"学习", "我们学习中文", true},
    {"学", "我们学习中文", true},
    {"习学", "我们学习中文", false},
    {"学习", "我们学\n习中文", true},
    {"学习", "我们学 习中文", false},
    {"学习", "我们学\n\n习中文", true},
    {"散りぬる", "色は匂へど散りぬるを", true},
    {"コンピュータ", "ｺﾝﾋﾟｭｰﾀの", true},
    {"중국", "나랏말싸미 중국에 달아", true},
    {"มนุษย์", "เป็นมนุษย์สุดประเสริฐ", true},
    {"ကမ္ဘာ", "ကမ္ဘာမြေ", true},
    {"ພາສາ", "ພາສາລາວ", true},
    {"កញ្ចក់", "ខ្ញុំអាចញ៉ាំកញ្ចក់បាន", true},
    {"བོད", "བོད་ཡིག", true},
    /* Where the two meet. */
    {"python", "使用Python编程", true},
    {"2024年", "在2024年的", true},
    {"024年", "在2024年的", false},
    {"🍉🍊", "🍇🍈🍉🍊🍋", true},
    {"€", "5€", true},
    /* Phrases, and what is to be left out. */
    {"\"to be\"", "Or not: to  be.", true},
    {"\"to be\"", "be to", false},
    {"\"hello world\"", "> Hello,\n> world!", true},
    {"\"hello world\"", "hello wide world", false},
    {"\"中国 人民\"", "中国，人民", true},
    {"to -be", "to be", false},
    {"to -be", "to bee", true},
    {"to -\"be or\"", "to be, or", false},
    {"a -", "a", true},
    {"\xe2\x80\x9cto be\xe2\x80\x9d", "to be", true},
    {"\"open to", "open to all", true},
    {"http://x", "see http://x/", true},
    {"\xc2\xabto be\xc2\xbb", "to be", true},
    {"\xc2\xabto be\xc2\xbb", "be to", false},
    {"« to be »", "to be", true},
    {"»to be«", "be to", false},
    {"‟to be”", "be to", false},
    {"「to be」", "be to", false},
    {"『to be』", "to be", true},
    /* What belongs to a sentence is not looked for, what belongs to a word is. */
    {"RPKI?", "the RPKI is", true},
    {"(RPKI), -x", "the RPKI is", true},
    {"¿RPKI? -RPKJ!", "the RPKI is", true},
    {"RPKI…", "the RPKI is", true},
    {"\"RPKI?\"", "the RPKI is", false},
    {"‘RPKI’", "the RPKI is", true},
    {"中国。", "中国人民", true},
    {"خلق؟", "خلق", true},
    {"c++.", "c plus", false},
    {"c++.", "c++ it is", true},
    {"#tag,", "tag", false},
    {"@name:", "name", false},
    {"(/path)", "path", false},
    {"$5.", "5", false},
    {".net", "net", false},
    {"a ?", "a", true},
    {"f()", "f(x)", true},
};

/* Many equal words asked for in a text of the same: no longer than another text takes; and what is
 * given up is not found, nor is it what lacks a phrase. */
static void test_repeated(void **state)
{
	struct buffer text = BUFFER_INIT, query = BUFFER_INIT, without = BUFFER_INIT;
	struct search_span line, found[8];
	clock_t before = clock();
	(void)state;
	buffer_add_str(&text, "a b. x ");
	while (text.len < 1 << 20)
		buffer_add_str(&text, "a ");
	buffer_add_str(&query, "\"");
	while (query.len < 1000)
		buffer_add_str(&query, "a ");
	buffer_add_str(&query, "b\"");
	buffer_printf(&without, "x -%s", buffer_str(&query));
	assert_false(matches(buffer_str(&query), "", buffer_str(&text)));
	assert_false(matches(buffer_str(&without), "", buffer_str(&text)));
	assert_true(matches("\"a b x\"", "", buffer_str(&text)));
	struct search_query *q = parsed(buffer_str(&query));
	assert_int_equal(search_snippet(q, buffer_bytes(&text), 100, false, &line, found, 8), 0);
	search_query_free(q);
	/* Within one word, the same. */
	buffer_reset(&text);
	buffer_reset(&query);
	for (int i = 0; i < 1 << 20; i++)
		buffer_add_u8(&text, 'a');
	for (int i = 0; i < 1000; i++)
		buffer_add_u8(&query, 'a');
	assert_false(matches(buffer_str(&query), "", buffer_str(&text)));
	/* 0.4 s; ten times that and more for each, before there was an end to it. */
	assert_true(clock() - before < 4 * CLOCKS_PER_SEC);
	buffer_free(&text);
	buffer_free(&query);
	buffer_free(&without);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (matches(cases[i].query, "", cases[i].text) != cases[i].found)
			fail_msg("%s in %s", cases[i].query, cases[i].text);
		if (matches(cases[i].query, cases[i].text, "") != cases[i].found)
			fail_msg("%s in the subject %s", cases[i].query, cases[i].text);
	}
	/* All words, in different places; a phrase in one. */
	assert_true(matches("one two", "one", "two"));
	assert_false(matches("\"one two\"", "one", "two"));
	assert_false(matches("中国", "中", "国"));
}

/* The index must have every term of a query wherever that matches: what is looked up is looked up
 * by these alone. */
struct terms {
	uint32_t list[4096];
	size_t count;
};

static int term_keep(void *ctx, uint32_t term)
{
	struct terms *t = ctx;

	assert_true(t->count < 4096);
	t->list[t->count++] = term;
	return OK;
}

static void test_terms_imply(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct search_query *q = parsed(cases[i].query);
		struct terms have = {.count = 0}, want = {.count = 0};
		struct buffer folded = BUFFER_INIT;

		assert_int_equal(search_fold(&folded, bytes_str(cases[i].text)), OK);
		search_terms(buffer_bytes(&folded), term_keep, &have);
		for (size_t p = 0; p < q->count; p++) {
			struct buffer words = BUFFER_INIT;

			for (size_t l = 0; l < q->phrases[p].count && !q->phrases[p].without; l++)
				buffer_printf(
				    &words, "%s ", buffer_str(&q->phrases[p].literals[l].plain));
			search_terms(buffer_bytes(&words), term_keep, &want);
			buffer_free(&words);
		}
		for (size_t w = 0; w < want.count && cases[i].found; w++) {
			bool there = false;

			for (size_t h = 0; h < have.count; h++)
				there |= have.list[h] == want.list[w];
			if (!there)
				fail_msg(
				    "%s: a term is missing in %s", cases[i].query, cases[i].text);
		}
		buffer_free(&folded);
		search_query_free(q);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", "  \t\n", "-a", "\"\"", "...", "- -",
	    "lang:", "lang:a_b", "lang:fr lang:de", "topic:abc", "topic:xyzxyzxy",
	    "by:", "by:a@b by:c@d", "since:2026", "since:2026-02-29", "until:2026-13-01",
	    "since:1969-12-31", "until:2026-00-10", "since:2026-1-1x", "-lang:fr a", "a \xff"};
	char text[SEARCH_QUERY_MAX + 2];
	struct search_query *q;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		why = NULL;
		if (search_parse(&q, bytes_str(bad[i]), &why) != ERR_INVALID || q || !why)
			fail_msg("%s", bad[i]);
	}
	memset(text, 'a', sizeof text);
	assert_int_equal(
	    search_parse(&q, bytes_of(text, SEARCH_QUERY_MAX + 1), &why), ERR_TOO_LARGE);
	assert_int_equal(search_parse(&q, bytes_of(text, SEARCH_QUERY_MAX), &why), OK);
	search_query_free(q);
	text[0] = '\0';
	for (int i = 0; i < SEARCH_WORDS_MAX; i++)
		strcat(text, "a ");
	q = parsed(text);
	search_query_free(q);
	strcat(text, "a");
	assert_int_equal(search_parse(&q, bytes_str(text), NULL), ERR_TOO_LARGE);
}

static void test_fields(void **state)
{
	struct search_query *q = parsed("topic:00aB1234c by:Alice@A.example lang:PT-br "
					"since:1970-01-02 until:2024-02-29 x");
	uint8_t topic[ID_LEN] = {0x00, 0xab, 0x12, 0x34, 0xc7};
	struct search_about about = {
	    topic, "alice", "a.example", bytes_str("pt-BR-x-y"), UINT64_C(1709164800000)};
	struct content c = {.imported = {.present = false}};

	(void)state;
	assert_true(search_fits(q, &about, &c));
	about.time += 86400000;
	assert_false(search_fits(q, &about, &c));
	about.time = 86399999;
	assert_false(search_fits(q, &about, &c));
	about.time++;
	assert_true(search_fits(q, &about, &c));
	about.lang = bytes_str("pt-brx");
	assert_false(search_fits(q, &about, &c));
	about.lang = bytes_str("pt-br");
	topic[4] = 0xd7;
	assert_false(search_fits(q, &about, &c));
	topic[4] = 0xc0;
	about.handle = "alicia";
	assert_false(search_fits(q, &about, &c));
	about.handle = "alice";
	about.organisation = "b.example";
	assert_false(search_fits(q, &about, &c));
	search_query_free(q);
	/* Who wrote it, as an archive has it. */
	q = parsed("by:\"Brian Ripley\"");
	c.imported.present = true;
	c.imported.author = bytes_str("Prof Brian Ripley <r@example.org>");
	assert_true(search_fits(q, &about, &c));
	c.imported.author = bytes_str("Brian D Ripley");
	assert_false(search_fits(q, &about, &c));
	search_query_free(q);
}

/* What is shown of `text`, with [] around what was found. */
static void snippet_is(
    const char *query, const char *text, size_t around, bool within_line, const char *expect)
{
	struct search_query *q = parsed(query);
	struct search_span line, found[3];
	struct buffer out = BUFFER_INIT;
	size_t n = search_snippet(q, bytes_str(text), around, within_line, &line, found, 3), at;

	at = line.from;
	for (size_t i = 0; i < n; i++) {
		assert_true(
		    found[i].from >= at && found[i].to <= line.to && found[i].from < found[i].to);
		buffer_add(&out, text + at, found[i].from - at);
		buffer_add_str(&out, "[");
		buffer_add(&out, text + found[i].from, found[i].to - found[i].from);
		buffer_add_str(&out, "]");
		at = found[i].to;
	}
	buffer_add(&out, text + at, line.to - at);
	assert_string_equal(buffer_str(&out), expect);
	buffer_free(&out);
	search_query_free(q);
}

static void test_snippets(void **state)
{
	(void)state;
	snippet_is("two", "one\nTwo three\nfour", 60, true, "[Two] three");
	snippet_is("two", "one\nTwo three\nfour", 60, false, "one\n[Two] three\nfour");
	snippet_is("five", "\n one two three", 4, true, "one two ");
	snippet_is("c", "a b c d e f g", 2, true, "b [c] d");
	snippet_is("two one", "one two one two one", 60, true, "[one] [two] [one] two one");
	snippet_is("sao", "em São Paulo", 60, true, "em [São] Paulo");
	snippet_is("são", "em Sa\xcc\x83o Paulo", 60, true, "em [Sa\xcc\x83o] Paulo");
	snippet_is("strasse", "die Straße da", 60, true, "die [Straße] da");
	snippet_is("学习", "我们学\n习中文", 60, false, "我们[学\n习]中文");
	snippet_is("学习", "我们学习中文", 4, true, "们[学习]中");
	snippet_is("\"hello world\"", "> Hello,\n> world!", 60, false, "> [Hello,\n> world]!");
	snippet_is("الشمس", "كَمِثلِ الشَمسِ إِذ", 60, true, "كَمِثلِ [الشَمسِ] إِذ");
	snippet_is("a -b", "a c", 60, true, "[a] c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_repeated),
	    cmocka_unit_test(test_terms_imply),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_snippets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
