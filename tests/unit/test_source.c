/* SPDX-License-Identifier: BSD-2-Clause */
/* What an import reads from, while somebody else writes there. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "client/archive/import.h"

#define MAILS 200

static char path[64];
static struct trouble t;
static unsigned refused;
static char why[128];
static struct reading *reading; /* GMime starts but once */

static void on_progress(
    void *ctx, enum import_phase phase, uint64_t done, uint64_t total, const char *waiting)
{
	(void)ctx, (void)phase, (void)done, (void)total, (void)waiting;
}

static void on_refused(void *ctx, const struct import_refusal *r)
{
	(void)ctx;
	refused++;
	snprintf(why, sizeof why, "%s", r->why);
}

static const struct import_events events = {.progress = on_progress, .refused = on_refused};

/* Mails of about 4 KB each. */
static void archive_write(const char *word)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < MAILS; i++) {
		fprintf(f,
		    "From a@example.org Mon Jan  5 10:00:00 2009\nFrom: a@example.org\n"
		    "Message-ID: <%d@example.org>\nSubject: %s\n\n",
		    i, word);
		for (int k = 0; k < 100; k++)
			fprintf(f, "A line of forty bytes, with its end. %s\n", word);
		fputs("\n", f);
	}
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof path, "/tmp/convene-source.XXXXXX");
	fd = mkstemp(path);
	refused = 0;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static struct source *opened(void)
{
	char *operands[] = {path};
	struct source *s;

	assert_int_equal(source_open(&s, SOURCE_MBOX, operands, 1, &t), OK);
	return s;
}

/* A rehearsal of an import; `meddle` comes between its two readings, or, with `early`, before both.
 */
static void rehearse(void (*meddle)(void), bool early, struct import_report *report)
{
	struct source *s = opened();
	struct import *im;

	assert_int_equal(import_new(&im, s, reading, &events, NULL, &t), OK);
	if (early)
		meddle();
	assert_int_equal(import_scan(im, &t), OK);
	assert_int_equal(import_order(im, NULL, &t), OK);
	if (!early)
		meddle();
	assert_int_equal(import_post(im, NULL, NULL, bytes_of(NULL, 0), &t), OK);
	import_report(im, report);
	import_free(im);
	source_free(s);
}

static void cut(void)
{
	/* Between two pages' ends, in a mail. */
	assert_int_equal(truncate(path, 100 * 4096 + 1234), 0);
}

static void rewrite(void)
{
	/* In place, as whoever appends does not. */
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, 300000, SEEK_SET), 0);
	assert_int_equal(fputs("other words", f) < 0, 0);
	assert_int_equal(fclose(f), 0);
}

static void leave(void) {}

static void test_left_alone(void **state)
{
	struct import_report report;

	(void)state;
	archive_write("first");
	rehearse(leave, false, &report);
	assert_int_equal(report.imported, MAILS);
	assert_int_equal(refused, 0);
}

static void test_cut_before(void **state)
{
	struct import_report report;

	(void)state;
	archive_write("first");
	rehearse(cut, true, &report);
	assert_true(report.imported > 90 && report.imported < MAILS - 50);
	assert_true(refused > 0);
	assert_non_null(strstr(why, "shorter"));
}

static void test_cut_between(void **state)
{
	struct import_report report;

	(void)state;
	archive_write("first");
	rehearse(cut, false, &report);
	assert_true(report.imported > 90 && report.imported < MAILS - 50);
	assert_int_equal(report.imported + refused, MAILS);
	assert_non_null(strstr(why, "changed"));
}

/* What was put in order must be what is signed. */
static void test_changed_between(void **state)
{
	struct import_report report;

	(void)state;
	archive_write("first");
	rehearse(rewrite, false, &report);
	assert_int_equal(report.imported, MAILS - 1);
	assert_int_equal(refused, 1);
	assert_non_null(strstr(why, "changed"));
}

static int begin(void **state)
{
	struct reading_terms terms = {
	    .form = SOURCE_MBOX, .date = INT64_MIN, .limit = UINT64_C(1) << 20};

	(void)state;
	return reading_new(&reading, &terms, &t);
}

static int end(void **state)
{
	(void)state;
	reading_free(reading);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_left_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_between, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_changed_between, setup, teardown),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
