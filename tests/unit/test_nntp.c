/* SPDX-License-Identifier: BSD-2-Clause */
/* The command machine of the news server (daemon/nntp/session.h): each command with right and wrong
 * arguments, in order and pipelined, in pieces and with limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/nntp/session_inside.h"
#include "daemon/nntp/wildmat.h"
#include "news_fixture.h"

#define SMALL "agora.access-0123456789abcdef"
#define BIG "agora.big-fedcba9876543210"

struct talk {
	struct news_fixture news;
	struct nntp_session *s;
	struct buffer out;
};

static struct talk talk_new(void)
{
	struct talk t = {.news = {.source = {&fixture_ops}}};

	return t;
}

static void talk_begin(struct talk *t)
{
	assert_int_equal(session_new(&t->s, &t->news.source, &fixture_server), OK);
}

static void talk_end(struct talk *t)
{
	session_free(t->s);
	buffer_free(&t->out);
}

/* What is answered to these bytes. */
static const char *told(struct talk *t, const char *bytes)
{
	buffer_reset(&t->out);
	assert_int_equal(session_take(t->s, bytes_str(bytes)), OK);
	while (session_run(t->s, &t->out))
		;
	return buffer_str(&t->out);
}

/* A line, of whose answer this is the beginning. */
static void check(struct talk *t, const char *line, const char *begins)
{
	char bytes[600];
	const char *got;

	snprintf(bytes, sizeof bytes, "%s\r\n", line);
	got = told(t, bytes);
	if (strncmp(got, begins, strlen(begins)) != 0)
		fail_msg("%s: %.200s (and not %s)", line, got, begins);
}

static void check_all(struct talk *t, const char *line, const char *wanted)
{
	char bytes[600];

	snprintf(bytes, sizeof bytes, "%s\r\n", line);
	assert_string_equal(told(t, bytes), wanted);
}

static void test_greeting(void **state)
{
	struct talk t = talk_new();

	(void)state;
	talk_begin(&t);
	session_greet(t.s, &t.out);
	assert_string_equal(buffer_str(&t.out), "201 agora.example, for reading\r\n");
	check(&t, "mode READER", "201 ");
	check(&t, "MODE stream", "501 ");
	check(&t, "MODE", "501 ");
	check(&t, "CAPABILITIES", "101 ");
	assert_non_null(strstr(buffer_str(&t.out), "\r\nVERSION 2\r\n"));
	assert_non_null(strstr(buffer_str(&t.out), "\r\nREADER\r\n"));
	assert_null(strstr(buffer_str(&t.out), "POST"));
	check_all(&t, "DATE", "111 20261122140000\r\n");
	check_all(&t, "POST", "440 here one reads\r\n");
	check(&t, "IHAVE <a@b>", "500 ");
	check(&t, "XYZZY", "500 ");
	check(&t, "", "501 ");
	check(&t, "DATE now", "501 it is: DATE\r\n");
	check(&t, "DATE \x01", "501 ");
	check(&t, "LIST \xff", "501 ");
	check_all(&t, "QUIT", "205 goodbye\r\n");
	assert_true(session_over(t.s));
	assert_string_equal(told(&t, "DATE\r\n"), "");
	talk_end(&t);
}

/* HELP is made of the table, and names every row. */
static void test_help(void **state)
{
	struct talk t = talk_new();

	(void)state;
	talk_begin(&t);
	check(&t, "HELP", "100 ");
	for (const struct command *c = commands; c->name; c++) {
		char row[200];

		snprintf(row, sizeof row, "\r\n  %s%s%s: %s\r\n", c->name, *c->arguments ? " " : "",
		    c->arguments, c->help);
		assert_non_null(strstr(buffer_str(&t.out), row));
		assert_true(c->least <= c->most && c->most <= ARGUMENTS_MAX);
	}
	assert_non_null(strstr(buffer_str(&t.out), "here one reads\r\n.\r\n"));
	talk_end(&t);
}

static void test_groups(void **state)
{
	struct talk t = talk_new();

	(void)state;
	talk_begin(&t);
	check(&t, "ARTICLE", "412 ");
	check(&t, "STAT 1", "412 ");
	check(&t, "NEXT", "412 ");
	check(&t, "OVER", "412 ");
	check(&t, "LISTGROUP", "412 ");
	check(&t, "GROUP", "501 ");
	check(&t, "GROUP agora.none", "411 ");
	check_all(&t, "GROUP " SMALL, "211 4 1 4 " SMALL "\r\n");
	check(&t, "group agora.none", "411 ");
	check(&t, "STAT", "223 1 <0.1@agora.example>\r\n");
	check_all(
	    &t, "LISTGROUP", "211 4 1 4 " SMALL " numbers follow\r\n1\r\n2\r\n3\r\n4\r\n.\r\n");
	check_all(
	    &t, "LISTGROUP " SMALL " 2-3", "211 4 1 4 " SMALL " numbers follow\r\n2\r\n3\r\n.\r\n");
	check_all(&t, "LISTGROUP " SMALL " 4-2", "211 4 1 4 " SMALL " numbers follow\r\n.\r\n");
	check_all(&t, "LISTGROUP " SMALL " 4-", "211 4 1 4 " SMALL " numbers follow\r\n4\r\n.\r\n");
	check_all(
	    &t, "LISTGROUP " SMALL " 99999999999-", "211 4 1 4 " SMALL " numbers follow\r\n.\r\n");
	check(&t, "LISTGROUP " SMALL " 2-x", "501 ");
	check(&t, "LISTGROUP " SMALL " -2", "501 ");
	check_all(&t, "LIST", "215 ACTIVE follows\r\n" SMALL " 4 1 n\r\n" BIG " 5000 1 n\r\n.\r\n");
	check_all(&t, "LIST ACTIVE agora.big-*,!*access*",
	    "215 ACTIVE follows\r\n" BIG " 5000 1 n\r\n.\r\n");
	check_all(&t, "LIST NEWSGROUPS",
	    "215 NEWSGROUPS follows\r\n" SMALL "\tZugang für alle\r\n" BIG "\t-\r\n.\r\n");
	check_all(&t, "list counts " BIG, "215 COUNTS follows\r\n" BIG " 5000 1 5000 n\r\n.\r\n");
	check_all(&t, "LIST ACTIVE.TIMES *access*",
	    "215 ACTIVE.TIMES follows\r\n" SMALL " 1767225600 convene\r\n.\r\n");
	check(&t, "LIST OVERVIEW.FMT",
	    "215 OVERVIEW.FMT "
	    "follows\r\nSubject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\nReferences:\r\n");
	check(&t, "LIST OVERVIEW.FMT *", "501 ");
	check_all(&t, "LIST HEADERS", "215 HEADERS follows\r\n:\r\n:bytes\r\n:lines\r\n.\r\n");
	check(&t, "LIST HEADERS MSGID", "215 ");
	check(&t, "LIST HEADERS what", "501 ");
	check_all(&t, "LIST SUBSCRIPTIONS", "215 SUBSCRIPTIONS follows\r\n.\r\n");
	check(&t, "LIST MODERATORS", "503 ");
	check(&t, "LIST ACTIVE a[b]", "501 ");
	talk_end(&t);
}

static const char whole[] =
    "Path: agora.example!not-for-mail\r\nFrom: alice@agora.example\r\nSubject: =?utf-8?B?w6k=?=\r\n"
    " and on a second line 1\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    "Message-ID: <0.1@agora.example>\r\nXref: agora.example x:1\r\n";
static const char text[] = "..begins with a dot\r\n\r\n...\r\nwords\r\n";

static void test_articles(void **state)
{
	struct talk t = talk_new();
	char wanted[1000];

	(void)state;
	talk_begin(&t);
	snprintf(wanted, sizeof wanted,
	    "220 0 <0.1@agora.example> article follows\r\n%s\r\n%s.\r\n", whole, text);
	check_all(&t, "ARTICLE <0.1@agora.example>", wanted);
	check(&t, "GROUP " SMALL, "211 ");
	wanted[4] = '1';
	check_all(&t, "ARTICLE 1", wanted);
	check_all(&t, "ARTICLE", wanted);
	check_all(&t, "ARTICLE <0.1@agora.example>", wanted);
	snprintf(
	    wanted, sizeof wanted, "221 1 <0.1@agora.example> header follows\r\n%s.\r\n", whole);
	check_all(&t, "HEAD 1", wanted);
	snprintf(wanted, sizeof wanted, "222 1 <0.1@agora.example> text follows\r\n%s.\r\n", text);
	check_all(&t, "BODY 1", wanted);
	check(&t, "STAT <1.7@agora.example>", "223 0 <1.7@agora.example>\r\n");
	check(&t, "STAT", "223 1 ");
	check(&t, "STAT 4", "223 4 ");
	check(&t, "STAT", "223 4 ");
	check(&t, "STAT 3", "423 ");
	check(&t, "STAT 0", "423 ");
	check(&t, "STAT 5", "423 ");
	check(&t, "ARTICLE 99999999999", "423 ");
	check(&t, "STAT 12345678901234567", "501 ");
	check(&t, "STAT", "223 4 "); /* a number that isn't there changes nothing */
	check(&t, "STAT x", "501 ");
	check(&t, "STAT <0.1@agora.example", "501 ");
	check(&t, "STAT <a@b>", "430 ");
	check(&t, "STAT 1 2", "501 ");
	check(&t, "STAT 2", "223 2 ");
	check_all(&t, "NEXT", "223 4 <0.4@agora.example>\r\n"); /* over the one that is gone */
	check(&t, "NEXT", "421 ");
	check(&t, "LAST", "223 2 ");
	check(&t, "LAST", "223 1 ");
	check(&t, "LAST", "422 ");
	t.news.broken = true;
	check(&t, "ARTICLE 1", "403 ");
	check(&t, "GROUP " SMALL, "403 ");
	check(&t, "OVER 1-", "403 ");
	t.news.broken = false;
	check(&t, "ARTICLE 1", "220 ");
	talk_end(&t);
}

static void test_overview(void **state)
{
	struct talk t = talk_new();
	char line[400], wanted[1200];

	(void)state;
	talk_begin(&t);
	check(&t, "GROUP " SMALL, "211 ");
	snprintf(line, sizeof line,
	    "1\t=?utf-8?B?w6k=?= and on a second line 1\talice@agora.example\t"
	    "Thu, 01 Jan 2026 00:00:00 +0000\t<0.1@agora.example>\t\t%zu\t4\t"
	    "Xref: agora.example x:1\r\n",
	    strlen(whole) + 2 + strlen(text) - 2 /* its two dots in front */);
	snprintf(wanted, sizeof wanted, "224 overview follows\r\n%s.\r\n", line);
	check_all(&t, "OVER", wanted);
	check_all(&t, "OVER 1", wanted);
	check_all(&t, "XOVER 1-1", wanted);
	check_all(&t, "OVER <0.1@agora.example>", wanted);
	check(&t, "OVER 1-", "224 ");
	assert_non_null(
	    strstr(buffer_str(&t.out), "\r\n4\t=?utf-8?B?w6k=?= and on a second line 4\t"));
	assert_non_null(strstr(buffer_str(&t.out), "\t<0.4@agora.example>\t<0.1@agora.example>\t"));
	assert_null(strstr(buffer_str(&t.out), "\r\n3\t"));
	check(&t, "OVER 3-3", "423 ");
	check(&t, "OVER 4-2", "423 ");
	check(&t, "XOVER 9-", "420 ");
	check(&t, "OVER x", "501 ");
	check(&t, "OVER <a@b>", "430 ");
	check_all(&t, "HDR subject 1-2",
	    "225 fields follow\r\n1 =?utf-8?B?w6k=?= and on a second line 1\r\n"
	    "2 =?utf-8?B?w6k=?= and on a second line 2\r\n.\r\n");
	check_all(
	    &t, "HDR References 1-2", "225 fields follow\r\n1 \r\n2 <0.1@agora.example>\r\n.\r\n");
	check_all(&t, "XHDR References 1-2",
	    "221 fields follow\r\n1 (none)\r\n2 <0.1@agora.example>\r\n.\r\n");
	check_all(&t, "HDR :lines 1", "225 fields follow\r\n1 4\r\n.\r\n");
	check_all(&t, "XHDR Lines", "221 fields follow\r\n1 4\r\n.\r\n");
	check(&t, "HDR :other 1", "503 ");
	check(&t, "HDR a:b 1", "503 ");
	check(&t, "HDR Subject <a@b>", "430 ");
	check_all(&t, "HDR Message-ID <1.9@agora.example>",
	    "225 fields follow\r\n0 <1.9@agora.example>\r\n.\r\n");
	check(&t, "HDR Subject 3", "423 ");
	check_all(&t, "XPAT Subject 1-4 *LINE?2 nothing",
	    "221 fields follow\r\n2 =?utf-8?B?w6k=?= and on a second line 2\r\n.\r\n");
	check_all(&t, "XPAT References 1-4 *",
	    "221 fields follow\r\n2 <0.1@agora.example>\r\n"
	    "4 <0.1@agora.example>\r\n.\r\n");
	check_all(&t, "XPAT Subject <0.1@agora.example> x", "221 fields follow\r\n.\r\n");
	check(&t, "XPAT Subject 1-4", "501 ");
	talk_end(&t);
}

static void test_new(void **state)
{
	struct talk t = talk_new();

	(void)state;
	talk_begin(&t);
	check_all(&t, "NEWGROUPS 20260115 000000 GMT",
	    "231 new groups follow\r\n" BIG " 5000 1 n\r\n.\r\n");
	check_all(&t, "NEWGROUPS 260301 000000", "231 new groups follow\r\n.\r\n");
	check(&t, "NEWGROUPS 990101 000000", "231 "); /* of the last century: all */
	assert_non_null(strstr(buffer_str(&t.out), SMALL));
	check(&t, "NEWGROUPS 20261301 000000", "501 ");
	check(&t, "NEWGROUPS 2026010 000000", "501 ");
	check(&t, "NEWGROUPS 20260101 0000", "501 ");
	check(&t, "NEWGROUPS 20260101 000000 CET", "501 ");
	check_all(&t, "NEWNEWS *access* 20250101 000000 GMT",
	    "230 new articles follow\r\n<0.1@agora.example>\r\n<0.2@agora.example>\r\n"
	    "<0.4@agora.example>\r\n.\r\n");
	check_all(&t, "NEWNEWS *,!*big* 20260601 000000",
	    "230 new articles follow\r\n<0.4@agora.example>\r\n.\r\n");
	check_all(&t, "NEWNEWS * 20261101 000000", "230 new articles follow\r\n.\r\n");
	check(&t, "NEWNEWS a,,b 20260101 000000", "501 ");
	talk_end(&t);
}

/* However the bytes come, and however many commands are in one piece, the answers are the same. */
static void test_pipelined(void **state)
{
	static const char script[] = "GROUP " BIG "\r\nOVER 1-3\r\nHEAD 17\r\nNEXT\r\nXHDR Lines "
				     "4990-\r\nLIST\nSTAT <0.1@agora.example>\r\nQUIT\r\n";
	struct talk one = talk_new(), many = talk_new();
	const char *all;

	(void)state;
	talk_begin(&one);
	talk_begin(&many);
	all = told(&one, script);
	buffer_reset(&many.out);
	for (const char *p = script; *p; p++) {
		assert_int_equal(session_take(many.s, bytes_of(p, 1)), OK);
		while (session_run(many.s, &many.out))
			;
	}
	assert_string_equal(all, buffer_str(&many.out));
	assert_non_null(strstr(all, "223 18 <1.18@agora.example>\r\n"));
	assert_true(session_over(one.s) && session_over(many.s));
	talk_end(&one);
	talk_end(&many);
}

/* A long answer comes in pieces, of which none is large, and other commands wait for its end. */
static void test_pieces(void **state)
{
	struct talk t = talk_new();
	size_t pieces = 0, largest = 0, last = 0;

	(void)state;
	talk_begin(&t);
	assert_int_equal(session_take(t.s, bytes_str("GROUP " BIG "\r\nOVER 1-\r\nDATE\r\n")), OK);
	while (session_run(t.s, &t.out)) {
		if (t.out.len - last > largest)
			largest = t.out.len - last;
		last = t.out.len;
		pieces++;
	}
	assert_true(pieces > NEWS_BIG / PIECE && largest < 2 * PIECE_BYTES);
	assert_non_null(strstr(buffer_str(&t.out), "\r\n5000\t"));
	assert_string_equal(buffer_str(&t.out) + t.out.len - 25, "\r\n.\r\n111 20261122140000\r\n");
	talk_end(&t);
}

/* Large articles come one by one, so that others have their turns, and leave no memory behind. */
static void test_large(void **state)
{
	struct talk t = talk_new();
	unsigned pieces = 0;
	char line[400];

	(void)state;
	talk_begin(&t);
	check(&t, "GROUP " BIG, "211 ");
	t.news.large = 200000;
	check(&t, "ARTICLE 1", "220 ");
	assert_true(t.out.len > 200000);
	assert_true(t.s->article.text.cap <= KEPT_BYTES);
	buffer_reset(&t.out);
	assert_int_equal(session_take(t.s, bytes_str("OVER 1-20\r\n")), OK);
	while (session_run(t.s, &t.out))
		pieces++;
	assert_true(pieces >= 20);
	assert_true(t.s->article.text.cap <= KEPT_BYTES);
	/* And patterns are looked for where a subject begins. */
	t.news.large = 0;
	t.news.subject = 1000000;
	memcpy(line, "XPAT Subject 1 ", 15);
	for (size_t i = 0; i < 60; i++)
		memcpy(line + 15 + 3 * i, "*a?", 3);
	memcpy(line + 15 + 180, "*zz", 4);
	check(&t, line, "221 ");
	assert_int_equal(t.out.len, strlen("221 fields follow\r\n.\r\n"));
	check(&t, "XPAT Subject 1 =?utf-8?B?w6k=?=aaa*a", "221 fields follow\r\n1 =?utf");
	talk_end(&t);
}

static void test_limits(void **state)
{
	struct talk t = talk_new();
	char line[3000];
	size_t room;

	(void)state;
	talk_begin(&t);
	memset(line, 'x', sizeof line);
	memcpy(line + 510, "\r\n", 3);
	assert_int_equal(strncmp(told(&t, line), "500 ", 4), 0); /* 512 bytes with its end */
	memcpy(line + 510, "x\r\nDATE\r\n", 10);
	assert_string_equal(told(&t, line), "501 line too long\r\n111 20261122140000\r\n");
	/* However long it is, it is told once, and costs nothing. */
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\0';
	for (int i = 0; i < 100; i++)
		assert_string_equal(told(&t, line), "");
	assert_int_equal(session_room(t.s), SESSION_INPUT_MAX);
	assert_string_equal(
	    told(&t, "\r\nDATE\r\n"), "501 line too long\r\n111 20261122140000\r\n");
	/* While an answer is under way, no more is taken than there is room for. */
	assert_int_equal(session_take(t.s, bytes_str("GROUP " BIG "\r\nOVER 1-\r\n")), OK);
	buffer_reset(&t.out);
	for (int i = 0; i < 4; i++)
		assert_true(session_run(t.s, &t.out));
	while ((room = session_room(t.s)) > 0)
		assert_int_equal(session_take(t.s, bytes_of("DATE\r\n", room < 6 ? room : 6)), OK);
	assert_true(t.s->in.len <= SESSION_INPUT_MAX + 64);
	/* Too many words. */
	talk_end(&t);
	t = talk_new();
	talk_begin(&t);
	snprintf(line, sizeof line, "XPAT Subject 1 %s",
	    "a b c d e f g h i j k l m n o p q r s t u v "
	    "w x y z a b c d e f g h");
	check(&t, line, "501 ");
	talk_end(&t);
}

/* An answer that has begun can't be taken back: the connection ends without the final dot. */
static void test_broken(void **state)
{
	struct talk t = talk_new();

	(void)state;
	talk_begin(&t);
	check(&t, "GROUP " BIG, "211 ");
	t.news.break_after = 100;
	check(&t, "OVER 1-", "224 ");
	assert_true(session_over(t.s));
	assert_null(strstr(buffer_str(&t.out), "\r\n.\r\n"));
	assert_non_null(strstr(buffer_str(&t.out), "\r\n100\t"));
	talk_end(&t);
}

static void test_wildmat(void **state)
{
	static const struct {
		const char *wildmat, *name;
		bool matches;
	} cases[] = {{"*", "", true}, {"a*", "abc", true}, {"a*c", "abcbc", true},
	    {"a*c", "abcb", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"?", "é", true},
	    {"??", "é", false}, {"*,!b*", "bc", false}, {"*,!b*,bc", "bc", true},
	    {"!a,*", "a", true}, {"a,b", "b", true}, {"a", "A", false},
	    {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}, {"***", "x", true},
	    {"x***", "x", true}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(wildmat_valid(bytes_str(cases[i].wildmat)));
		assert_int_equal(
		    wildmat_match(bytes_str(cases[i].wildmat), bytes_str(cases[i].name)),
		    cases[i].matches);
	}
	assert_true(pattern_match(bytes_str("*GOV,*"), bytes_str("about gov, and all")));
	static const char *const bad[] = {"", ",", "a,", "!", "a,!", "[a]", "a\\b", "a b", "!!a"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(wildmat_valid(bytes_str(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_greeting),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_articles),
	    cmocka_unit_test(test_overview),
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_pipelined),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_wildmat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
