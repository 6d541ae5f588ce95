/* SPDX-License-Identifier: BSD-2-Clause */
/* client/database.h: what it promises about files, transactions and statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "client/database.h"

#define SCHEMA "CREATE TABLE row (no INTEGER PRIMARY KEY, text BLOB, other BLOB);"

static char folder[64];
static struct trouble t;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/convene-database.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static struct database *opened(bool create)
{
	struct database *d = NULL;

	assert_int_equal(database_open(&d, folder, "test.db", create, SCHEMA, 1, &t), OK);
	return d;
}

static int64_t count(struct database *d)
{
	struct query *q;
	int64_t n;

	assert_int_equal(query_start(&q, d, "SELECT count(*) FROM row", &t, ""), OK);
	assert_int_equal(query_next(&q, &t), 1);
	n = query_int(q, 0);
	query_end(&q);
	assert_null(q);
	return n;
}

static void add(struct database *d, int64_t no, const char *text)
{
	assert_int_equal(database_run(d, "INSERT INTO row VALUES (?, ?, ?)", NULL, &t, "ibB", no,
			     bytes_str(text), bytes_of(NULL, 0)),
	    OK);
}

static void test_absent(void **state)
{
	struct database *d = NULL;

	(void)state;
	assert_int_equal(database_open(&d, folder, "test.db", false, SCHEMA, 1, &t), ERR_NOTFOUND);
	assert_null(d);
	assert_non_null(strstr(t.text, "test.db"));
}

static void test_mode_and_version(void **state)
{
	struct database *d = opened(true);
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof path, "%s/test.db", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	database_close(d);
	database_close(opened(false));
	assert_int_equal(database_open(&d, folder, "test.db", true, SCHEMA, 2, &t), ERR_SCHEMA);
	assert_true(t.hint[0] != '\0');
	database_close(NULL);
}

static void test_not_a_database(void **state)
{
	struct database *d = NULL;
	char path[128];
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/test.db", folder);
	f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("no database ", f);
	fclose(f);
	assert_int_equal(database_open(&d, folder, "test.db", true, SCHEMA, 1, &t), ERR_STORE);
	assert_null(d);
}

static void test_transactions(void **state)
{
	struct database *d = opened(true);
	int changed;

	(void)state;
	assert_int_equal(database_begin(d, &t), OK);
	add(d, 1, "one");
	assert_int_equal(database_commit(d, &t), OK);
	assert_int_equal(database_begin(d, &t), OK);
	add(d, 2, "two");
	database_rollback(d);
	assert_int_equal(count(d), 1);
	/* Closed in the middle of one: undone. */
	assert_int_equal(database_begin(d, &t), OK);
	add(d, 3, "three");
	database_close(d);
	d = opened(false);
	assert_int_equal(count(d), 1);
	assert_int_equal(
	    database_run(d, "DELETE FROM row WHERE no > ?", &changed, &t, "i", INT64_C(0)), OK);
	assert_int_equal(changed, 1);
	/* A constraint is an error with a sentence, not an abort. */
	add(d, 7, "seven");
	assert_int_not_equal(database_run(d, "INSERT INTO row VALUES (?, ?, ?)", NULL, &t, "ibB",
				 INT64_C(7), bytes_str("again"), bytes_of(NULL, 0)),
	    OK);
	assert_true(t.text[0] != '\0');
	database_close(d);
}

static void test_queries_nest(void **state)
{
	static const char all[] = "SELECT no, text, other FROM row ORDER BY no";
	struct database *d = opened(true);
	struct query *a, *b;
	int seen = 0;

	(void)state;
	for (int64_t i = 1; i <= 3; i++)
		add(d, i, "text");
	assert_int_equal(query_start(&a, d, all, &t, ""), OK);
	while (query_next(&a, &t) == 1) {
		assert_true(bytes_equal(query_bytes(a, 1), bytes_str("text")));
		assert_true(query_null(a, 2));
		/* The same statement, while one of it is under way. */
		assert_int_equal(query_start(&b, d, all, &t, ""), OK);
		while (query_next(&b, &t) == 1)
			seen++;
		assert_null(b);
	}
	assert_null(a);
	assert_int_equal(seen, 9);
	database_close(d);
}

static void test_erased_bytes_go(void **state)
{
	static const char secret[] = "the words that nobody shall find any more";
	struct database *d = opened(true);
	char command[256];

	(void)state;
	add(d, 1, secret);
	snprintf(command, sizeof command, "grep -qr '%s' %s", secret, folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(database_run(d, "DELETE FROM row", NULL, &t, ""), OK);
	assert_int_equal(database_truncate(d, &t), OK);
	assert_int_not_equal(system(command), 0);
	database_close(d);
}

/* How many of the rows that were removed, every fourth, can be found in the files. */
static unsigned left(int rows)
{
	static char data[1 << 22];
	unsigned found = 0;

	for (int wal = 0; wal < 2; wal++) {
		char path[128], words[32];
		FILE *f;
		size_t len;

		snprintf(path, sizeof path, "%s/test.db%s", folder, wal ? "-wal" : "");
		f = fopen(path, "rb");
		assert_non_null(f);
		len = fread(data, 1, sizeof data, f);
		assert_true(len < sizeof data);
		fclose(f);
		for (int n = 0; n < rows; n += 4) {
			snprintf(words, sizeof words, "secret-%04d-of-mine", n);
			found += memmem(data, len, words, strlen(words)) != NULL;
		}
	}
	return found;
}

/* Rows that SQLite has moved from page to page meanwhile. */
static void test_moved_bytes_go(void **state)
{
	enum { ROWS = 1000 };
	struct database *d = opened(true);
	char text[600];

	(void)state;
	assert_int_equal(database_begin(d, &t), OK);
	for (int i = 0; i < ROWS; i++) {
		int n = i * 387 % ROWS, len = 60 + n * 31 % 500;

		memset(text, 'a' + n % 26, sizeof text);
		snprintf(text, sizeof text, "secret-%04d-of-mine", n);
		text[strlen(text)] = ' ';
		text[len] = '\0';
		add(d, n, text);
		if (i % 100 == 99) {
			assert_int_equal(database_commit(d, &t), OK);
			assert_int_equal(database_begin(d, &t), OK);
		}
	}
	assert_int_equal(database_commit(d, &t), OK);
	assert_true(left(ROWS) >= ROWS / 4);
	assert_int_equal(database_run(d, "DELETE FROM row WHERE no % 4 = 0", NULL, &t, ""), OK);
	assert_int_equal(database_truncate(d, &t), OK);
	assert_int_equal(left(ROWS), 0);
	assert_int_equal(database_run(d, "UPDATE row SET other = 1", NULL, &t, ""), OK);
	assert_int_equal(left(ROWS), 0);
	assert_int_equal(count(d), ROWS * 3 / 4);
	database_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_mode_and_version, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_a_database, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_transactions, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_queries_nest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_erased_bytes_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_moved_bytes_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
