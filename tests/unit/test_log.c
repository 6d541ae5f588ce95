/* SPDX-License-Identifier: BSD-2-Clause */
/* The log, the texts of errors, and the clock. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

static char dir[] = "/tmp/test_log.XXXXXX";
static char path[64], moved[64];

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(moved);
	return rmdir(dir);
}

static const char *contents(const char *name)
{
	static char text[4096];
	FILE *f = fopen(name, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(log_open("convened", path, LOG_LEVEL_INFO), OK);
	errno = EDOM;
	log_warning("peer %s said %s", "isoc.example", "\x1b[2Jhello\r\nforged: line\xff\n");
	assert_int_equal(errno, EDOM);
	log_debug("not at this level");
	const char *text = contents(path);
	assert_non_null(strstr(text, "convened["));
	assert_non_null(strstr(text, "] warning: peer isoc.example said \xef\xbf\xbd[2Jhello"));
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\r'));
	/* One line, and its end is the last byte. */
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strstr(text, "not at this level"));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("now at this level");
	assert_non_null(strstr(contents(path), " debug: now at this level\n"));
	log_close();
}

static void test_reopen(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(log_open("convened", path, LOG_LEVEL_INFO), OK);
	log_info("before");
	assert_int_equal(rename(path, moved), 0);
	log_info("between");
	assert_int_equal(log_reopen(), OK);
	log_info("after");
	assert_non_null(strstr(contents(moved), "between"));
	assert_null(strstr(contents(moved), "after"));
	assert_non_null(strstr(contents(path), "after"));
	log_close();
}

static void test_bad_target_keeps_the_old(void **state)
{
	(void)state;
	assert_int_equal(log_open("convened", path, LOG_LEVEL_INFO), OK);
	assert_int_equal(log_open("convened", "/nonexistent/log", LOG_LEVEL_INFO), ERR_IO);
	assert_int_equal(errno, ENOENT);
	log_info("still here");
	assert_non_null(strstr(contents(path), "still here"));
	log_close();
}

static void test_errors_have_texts(void **state)
{
	(void)state;
	assert_string_equal(error_name(OK), "OK");
	assert_string_equal(error_name(ERR_SIGNATURE), "ERR_SIGNATURE");
	assert_string_equal(error_name(12345), "ERR_UNKNOWN");
	assert_string_equal(error_text(-12345), "unknown error");
	for (int err = ERR_NOMEM; err <= ERR_PASSPHRASE; err++) {
		const char *text = error_text(err);
		assert_string_not_equal(error_name(err), "ERR_UNKNOWN");
		assert_string_not_equal(text, "unknown error");
		assert_true(islower((unsigned char)text[0]));
		assert_int_not_equal(text[strlen(text) - 1], '.');
		for (int other = ERR_NOMEM; other < err; other++)
			assert_string_not_equal(error_text(other), text);
	}
}

static void test_clock(void **state)
{
	(void)state;
	char out[24];
	assert_string_equal(clock_format(out, 0), "1970-01-01 00:00 UTC");
	assert_string_equal(clock_format(out, UINT64_C(1795285499999)), "2026-11-21 18:24 UTC");
	assert_string_equal(clock_format(out, UINT64_C(253402300799999)), "9999-12-31 23:59 UTC");
	assert_string_equal(clock_format(out, UINT64_C(253402300800000)), "-");
	assert_string_equal(clock_format(out, UINT64_MAX), "-");
	uint64_t a = clock_mono_ms(), b = clock_mono_ms();
	assert_true(b >= a);
	assert_true(clock_wall_ms() > UINT64_C(1600000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_reopen),
	    cmocka_unit_test(test_bad_target_keeps_the_old),
	    cmocka_unit_test(test_errors_have_texts),
	    cmocka_unit_test(test_clock),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
