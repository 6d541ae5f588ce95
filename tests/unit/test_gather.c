/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes gathered: what the file is asked to do, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/gather.h"

static char log_of[4096]; /* what was asked, in order */
static int write_result;
static uint8_t content[1 << 20];
static sqlite3_int64 size;

static void note(const char *what, long long at, int len)
{
	size_t used = strlen(log_of);

	snprintf(log_of + used, sizeof(log_of) - used, "%s%lld+%d ", what, at, len);
}

static int below_close(sqlite3_file *file)
{
	note("close", 0, 0);
	file->pMethods = NULL;
	return SQLITE_OK;
}

static int below_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	(void)file;
	note("read", at, len);
	memcpy(data, content + at, (size_t)len);
	return SQLITE_OK;
}

static int below_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	(void)file;
	note("write", at, len);
	assert_true(len < 128 << 10); /* more is not written in one go */
	if (write_result != SQLITE_OK)
		return write_result;
	memcpy(content + at, data, (size_t)len);
	size = at + len > size ? at + len : size;
	return SQLITE_OK;
}

static int below_truncate(sqlite3_file *file, sqlite3_int64 to)
{
	(void)file;
	note("truncate", to, 0);
	return SQLITE_OK;
}

static int below_sync(sqlite3_file *file, int flags)
{
	(void)file;
	note("sync", 0, flags);
	return SQLITE_OK;
}

static int below_size(sqlite3_file *file, sqlite3_int64 *out)
{
	(void)file;
	note("size", 0, 0);
	*out = size;
	return SQLITE_OK;
}

static int below_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)arg;
	note("control", 0, op);
	return SQLITE_OK;
}

static const sqlite3_io_methods below = {
    .iVersion = 1,
    .xClose = below_close,
    .xRead = below_read,
    .xWrite = below_write,
    .xTruncate = below_truncate,
    .xSync = below_sync,
    .xFileSize = below_size,
    .xFileControl = below_control,
};

static sqlite3_file file;
static struct gather *gather;

static void begin(bool wal, void (*change)(uint8_t *data, size_t len, int64_t at))
{
	log_of[0] = '\0';
	write_result = SQLITE_OK;
	size = 0;
	memset(content, 0, sizeof(content));
	file.pMethods = &below;
	assert_int_equal(gather_start(&gather, &file, wal, change), OK);
}

static void end(void)
{
	if (file.pMethods != NULL)
		assert_int_equal(file.pMethods->xClose(&file), SQLITE_OK);
	gather_free(gather);
}

static void assert_asked(const char *what)
{
	assert_string_equal(log_of, what);
	log_of[0] = '\0';
}

#define WRITE(text, at) file.pMethods->xWrite(&file, text, (int)strlen(text), at)

static void test_in_a_row(void **state)
{
	char got[6];
	sqlite3_int64 n;

	(void)state;
	begin(true, NULL);
	assert_int_equal(WRITE("one", 10), SQLITE_OK);
	assert_int_equal(WRITE("two", 13), SQLITE_OK);
	assert_asked("");
	assert_int_equal(WRITE("three", 100), SQLITE_OK);
	assert_asked("write10+6 ");
	assert_int_equal(WRITE("ONE", 10), SQLITE_OK); /* over what was written already */
	assert_asked("write100+5 ");
	assert_int_equal(file.pMethods->xRead(&file, got, 6, 10), SQLITE_OK);
	assert_memory_equal(got, "ONEtwo", 6);
	assert_asked("write10+3 read10+6 ");
	assert_int_equal(WRITE("x", 200), SQLITE_OK);
	assert_int_equal(file.pMethods->xSync(&file, 2), SQLITE_OK);
	assert_int_equal(file.pMethods->xSync(&file, 2), SQLITE_OK);
	assert_asked("write200+1 sync0+2 sync0+2 ");
	assert_int_equal(WRITE("y", 201), SQLITE_OK);
	assert_int_equal(file.pMethods->xFileSize(&file, &n), SQLITE_OK);
	assert_int_equal(n, 202);
	assert_int_equal(WRITE("z", 202), SQLITE_OK);
	assert_int_equal(file.pMethods->xTruncate(&file, 5), SQLITE_OK);
	assert_int_equal(WRITE("a", 5), SQLITE_OK);
	assert_int_equal(file.pMethods->xFileControl(&file, 7, NULL), SQLITE_OK);
	assert_asked("write201+1 size0+0 write202+1 truncate5+0 write5+1 control0+7 ");
	assert_int_equal(WRITE("b", 6), SQLITE_OK);
	end();
	assert_asked("write6+1 close0+0 ");
}

static void test_much(void **state)
{
	static char page[40000];
	uint8_t got;

	(void)state;
	begin(true, NULL);
	for (int i = 0; i < 10; i++) {
		memset(page, 'a' + i, sizeof(page));
		assert_int_equal(
		    file.pMethods->xWrite(&file, page, sizeof(page), i * 40000), SQLITE_OK);
	}
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
		    file.pMethods->xRead(&file, &got, 1, i * 40000 + 39999), SQLITE_OK);
		assert_int_equal(got, 'a' + i);
	}
	end();
}

/* It is told once, and what could not be written does not come back. */
static void test_refused(void **state)
{
	(void)state;
	begin(true, NULL);
	assert_int_equal(WRITE("one", 0), SQLITE_OK);
	write_result = SQLITE_FULL;
	assert_int_equal(file.pMethods->xSync(&file, 2), SQLITE_FULL);
	assert_asked("write0+3 ");
	assert_int_equal(file.pMethods->xSync(&file, 2), SQLITE_OK);
	assert_int_equal(WRITE("two", 0), SQLITE_OK);
	assert_int_equal(WRITE("three", 50), SQLITE_FULL);
	write_result = SQLITE_OK;
	assert_int_equal(WRITE("four", 7), SQLITE_OK);
	end();
	assert_asked("sync0+2 write0+3 write7+4 close0+0 ");
}

/* What SQLite copies into the database is written by the call that says so: it looks at no other.
 */
static void test_database(void **state)
{
	(void)state;
	begin(false, NULL);
	assert_int_equal(WRITE("one", 10), SQLITE_OK);
	assert_asked("write10+3 ");
	assert_int_equal(WRITE("two", 13), SQLITE_OK);
	assert_asked("write13+3 ");
	write_result = SQLITE_FULL;
	assert_int_equal(WRITE("three", 16), SQLITE_FULL);
	write_result = SQLITE_OK;
	assert_int_equal(file.pMethods->xFileControl(&file, 7, NULL), SQLITE_OK);
	end();
	assert_asked("write16+5 control0+7 close0+0 ");
}

static void louder(uint8_t *data, size_t len, int64_t at)
{
	if (at == 3)
		memset(data, '!', len);
}

static void test_change(void **state)
{
	(void)state;
	begin(false, louder);
	assert_int_equal(WRITE("one", 0), SQLITE_OK);
	assert_int_equal(WRITE("two", 3), SQLITE_OK);
	assert_int_equal(WRITE("six", 6), SQLITE_OK);
	end();
	assert_memory_equal(content, "one!!!six", 9);
	assert_asked("write0+3 write3+3 write6+3 close0+0 ");
}

/* The last page of a transaction does not wait, with all that is before it. */
static void test_last_page(void **state)
{
	uint8_t frame[24] = {0, 0, 0, 9}, page[512] = {1, 2, 3, 4, 5};

	(void)state;
	begin(true, NULL);
	for (int i = 0; i < 3; i++) {
		frame[7] = i == 1;
		assert_int_equal(file.pMethods->xWrite(&file, frame, 24, 32 + i * 536), SQLITE_OK);
		assert_int_equal(file.pMethods->xWrite(&file, page, 512, 56 + i * 536), SQLITE_OK);
	}
	end();
	assert_asked("write32+1072 write1104+536 close0+0 ");
}

static void test_closed(void **state)
{
	(void)state;
	file.pMethods = NULL;
	assert_int_equal(gather_start(&gather, &file, false, NULL), ERR_STORE);
	assert_int_equal(gather_start(&gather, NULL, false, NULL), ERR_STORE);
	gather_free(gather);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_a_row),
	    cmocka_unit_test(test_much),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_database),
	    cmocka_unit_test(test_change),
	    cmocka_unit_test(test_last_page),
	    cmocka_unit_test(test_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
