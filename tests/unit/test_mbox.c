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
#include "client/archive/mail.h"
#include "client/archive/mbox.h"

#define SEPARATOR "From ana@example.org Tue Mar  4 15:06:07 2014\n"
#define DATE 1393945567000

static void is(struct bytes got, const char *expected)
{
	assert_int_equal(got.len, strlen(expected));
	assert_memory_equal(got.data, expected, got.len);
}

/* Open a copy that ends where the input does, so that a sanitizer sees a read beyond it. */
static uint8_t *copy;
static void open_text(struct mbox *m, const char *s, size_t *before)
{
	free(copy);
	copy = malloc(strlen(s) + 1);
	assert_non_null(copy);
	memcpy(copy, s, strlen(s));
	mbox_open(m, bytes_of(copy, strlen(s)), before);
}

/* ---- cutting ---- */

static void cuts_mails(void **state)
{
	(void)state;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	open_text(&m,
	    SEPARATOR "Subject: one\n\nFirst.\n\n" SEPARATOR
		      "Subject: two\n\nSecond.\n\n\n" SEPARATOR "Subject: three\n\n",
	    &before);
	assert_int_equal(before, 0);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "Subject: one\n\nFirst.\n");
	assert_int_equal(mail.line, 1);
	assert_true(mail.date == DATE);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "Subject: two\n\nSecond.\n\n");
	assert_int_equal(mail.line, 6);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "Subject: three\n");
	assert_int_equal(mail.line, 12);
	assert_false(mbox_next(&m, &mail));
	assert_false(mbox_next(&m, &mail));
}

static void last_mail_ends_with_the_file(void **state)
{
	(void)state;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	open_text(&m, SEPARATOR "A: b\n\nText", &before);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\n\nText");
	open_text(&m, SEPARATOR "A: b\n\nText\n", &before);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\n\nText\n");
	open_text(&m, SEPARATOR "A: b\n\nText\n\n", &before);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\n\nText\n");
	assert_false(mbox_next(&m, &mail));
}

static void concatenated_without_empty_line(void **state)
{
	(void)state;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	open_text(&m, SEPARATOR "A: b\n\nFirst.\n" SEPARATOR "A: c\n\nSecond.\n", &before);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\n\nFirst.\n");
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: c\n\nSecond.\n");
	assert_int_equal(mail.line, 5);
}

static void crlf_file(void **state)
{
	(void)state;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	open_text(&m,
	    "From ana@example.org Tue Mar  4 15:06:07 2014\r\nA: b\r\n\r\nFirst.\r\n\r\n"
	    "From rui@example.org Tue Mar  4 15:06:07 2014\r\nA: c\r\n\r\nSecond.\r\n",
	    &before);
	assert_int_equal(before, 0);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\r\n\r\nFirst.\r\n");
	assert_true(mail.date == DATE);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: c\r\n\r\nSecond.\r\n");
	assert_false(mbox_next(&m, &mail));
}

static void what_is_before_is_told(void **state)
{
	(void)state;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	open_text(&m, "An introduction.\n\n" SEPARATOR "A: b\n", &before);
	assert_int_equal(before, 18);
	assert_true(mbox_next(&m, &mail));
	assert_int_equal(mail.line, 3);
	open_text(&m, "No mail\nat all\n", &before);
	assert_int_equal(before, 15);
	assert_false(mbox_next(&m, &mail));
	open_text(&m, "", &before);
	assert_int_equal(before, 0);
	assert_false(mbox_next(&m, &mail));
	mbox_open(&m, bytes_of(NULL, 0), &before);
	assert_false(mbox_next(&m, &mail));
	open_text(&m, "\xef\xbb\xbf" SEPARATOR "A: b\n", &before);
	assert_int_equal(before, 0);
	assert_true(mbox_next(&m, &mail));
	is(mail.raw, "A: b\n");
}

/* ---- what is a separator ---- */

static const char *const body_lines[] = {
    "From here on all is well.\n",
    "From Monday on\n",
    "From ana@example.org\n",
    "From Tue Mar  4 15:06:07 2014\n",     /* nobody sent it */
    "From  Tue Mar  4 15:06:07 2014\n",    /* likewise */
    "From ana@example.org Tue Mar 2014\n", /* no time */
    "From ana@example.org Tue Mär  4 15:06:07 2014\n",
    "From ana@example.org Tue Mar  4 15:06:07 14\n",
    "From ana@example.org Tue Mar  4 15:06:07 2014 and so on for ever\n",
    "From ana@example.org Tue Mar  4 15:06:07:08 2014\n",
    "From ana@example.org Tue Mar  4 15 2014\n",
    "From ana@example.org Tue Mar 444 15:06:07 2014\n",
    "From ana@example.org Tue Mar  4 15:06:07 +01x0 2014\n",
    ">From ana@example.org Tue Mar  4 15:06:07 2014\n",
    " From ana@example.org Tue Mar  4 15:06:07 2014\n",
    "from ana@example.org Tue Mar  4 15:06:07 2014\n",
    "From:ana@example.org Tue Mar  4 15:06:07 2014\n",
};

static void body_lines_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(body_lines) / sizeof(body_lines[0]); i++) {
		char file[512];
		struct mbox m;
		struct mbox_mail mail;
		size_t before;
		snprintf(file, sizeof(file), SEPARATOR "A: b\n\nText.\n\n%sC: d\n\nMore.\n",
		    body_lines[i]);
		open_text(&m, file, &before);
		assert_true(mbox_next(&m, &mail));
		is(mail.raw, strchr(file, '\n') + 1);
		if (mbox_next(&m, &mail))
			fail_msg("taken for a separator: %s", body_lines[i]);
	}
}

static void a_header_must_follow(void **state)
{
	(void)state;
	static const char *const next[] = {
	    "\n", "Some words: no, three of them\n", "no colon\n", ":\n", " A: b\n", ""};
	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		char file[512];
		struct mbox m;
		struct mbox_mail mail;
		size_t before;
		snprintf(file, sizeof(file), SEPARATOR "A: b\n\nText.\n\n" SEPARATOR "%s", next[i]);
		open_text(&m, file, &before);
		assert_true(mbox_next(&m, &mail));
		assert_false(mbox_next(&m, &mail));
	}
}

static const struct {
	const char *line;
	int64_t date;
} separators[] = {
    {"From ana@example.org Tue Mar  4 15:06:07 2014", DATE},
    {"From ana@example.org  Tue Mar 04 15:06:07 2014  ", DATE},
    {"From ana@example.org Tue Mar 4 15:06 2014", DATE - 7000},
    {"From ana@example.org Tue Mar  4 16:06:07 2014 +0100", DATE},
    {"From ana@example.org Tue Mar  4 10:36:07 -0430 2014", DATE},
    {"From ana@example.org Tue Mar  4 15:06:07 GMT 2014", DATE},
    {"From ana@example.org Tue Mar  4 15:06:07 UTC 2014", DATE},
    {"From ana@example.org Tue Mar  4 15:06:07 2014 CEST", DATE}, /* nobody knows whose */
    {"From ana@example.org Tue Mar  4 16:06:07 CET 2014 +0100", DATE},
    {"From ana at example.org  Tue Mar  4 15:06:07 2014", DATE},
    {"From ana em example.org  Tue Mar  4 15:06:07 2014", DATE},
    {"From \"Ana B.\" <ana@example.org> Tue Mar  4 15:06:07 2014", DATE},
    {"From =?utf-8?q?An=C3=A1?= Tue Mar  4 15:06:07 2014", DATE},
    {"From - Tue Mar  4 15:06:07 2014", DATE},
    {"From a\tTue\tMar\t4\t15:06:07\t2014", DATE},
    {"From MAILER-DAEMON Thu Jan  1 00:00:00 1970", 0},
    {"From a Sun Feb 29 23:59:60 2004", 1078099200000},
    {"From a Wed Dec 31 23:59:59 1969", -1000},
    {"From a Sat Jan  1 00:00:00 2000", 946684800000},
    {"From a Tue Feb 29 00:00:00 2005", INT64_MIN}, /* no such day */
    {"From a Tue Feb  0 00:00:00 2005", INT64_MIN},
    {"From a Tue Feb  1 25:00:00 2005", INT64_MIN},
    {"From a Tue Feb  1 00:61:00 2005", INT64_MIN},
    {"From a Tue Apr 31 00:00:00 2005", INT64_MIN},
};

static void separator_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++) {
		char file[256];
		struct mbox m;
		struct mbox_mail mail;
		size_t before;
		snprintf(file, sizeof(file), "%s\nA: b\n\nText\n", separators[i].line);
		open_text(&m, file, &before);
		if (!mbox_next(&m, &mail))
			fail_msg("no separator: %s", separators[i].line);
		if (mail.date != separators[i].date)
			fail_msg("%s: %lld", separators[i].line, (long long)mail.date);
	}
}

static void quoting(void **state)
{
	(void)state;
	assert_true(mbox_must_quote(bytes_str("From ")));
	assert_true(mbox_must_quote(bytes_str("From here")));
	assert_true(mbox_must_quote(bytes_str(">From here")));
	assert_true(mbox_must_quote(bytes_str(">>>From here")));
	assert_false(mbox_must_quote(bytes_str("From")));
	assert_false(mbox_must_quote(bytes_str("From: here")));
	assert_false(mbox_must_quote(bytes_str("> From here")));
	assert_false(mbox_must_quote(bytes_str("from here")));
	assert_false(mbox_must_quote(bytes_str(">>>")));
	assert_false(mbox_must_quote(bytes_of(NULL, 0)));
}

/* ---- a real archive ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void python_committers(void **state)
{
	(void)state;
	const char *corpus = getenv("CONVENE_CORPUS");
	char command[4096];
	struct buffer file = BUFFER_INIT;
	snprintf(command, sizeof(command),
	    "zstd -dqc --long=27 '%s/corpus/lists/python-committers.mbox.zst' 2>/dev/null",
	    corpus == NULL ? "../shared" : corpus);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	static char part[65536];
	for (size_t n; (n = fread(part, 1, sizeof(part), f)) > 0;)
		buffer_add(&file, part, n);
	if (pclose(f) != 0) {
		buffer_free(&file);
		skip();
	}
	struct mail_reader *r;
	assert_int_equal(mail_reader_new(&r, NULL, 1 << 20), OK);
	struct mbox m;
	struct mbox_mail mail;
	size_t before, count = 0, distinct = 0;
	static char *ids[8192];
	mbox_open(&m, buffer_bytes(&file), &before);
	assert_int_equal(before, 0);
	for (; mbox_next(&m, &mail); count++) {
		struct mail_ids id;
		assert_true(count < 8192);
		assert_true(mail.date != INT64_MIN);
		assert_int_equal(mail_ids_read(r, mail.raw, &id), OK);
		assert_true(id.message_id.len > 0);
		ids[count] = strndup((const char *)id.message_id.data, id.message_id.len);
		mail_ids_free(&id);
	}
	qsort(ids, count, sizeof(ids[0]), by_text);
	for (size_t i = 0; i < count; i++)
		distinct += i == 0 || strcmp(ids[i], ids[i - 1]) != 0;
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	mail_reader_free(r);
	buffer_free(&file);
	assert_int_equal(count, 6819);
	assert_int_equal(distinct, 6777);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cuts_mails),
	    cmocka_unit_test(last_mail_ends_with_the_file),
	    cmocka_unit_test(concatenated_without_empty_line),
	    cmocka_unit_test(crlf_file),
	    cmocka_unit_test(what_is_before_is_told),
	    cmocka_unit_test(body_lines_stay),
	    cmocka_unit_test(a_header_must_follow),
	    cmocka_unit_test(separator_dates),
	    cmocka_unit_test(quoting),
	    cmocka_unit_test(python_committers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(copy);
	return failed;
}
