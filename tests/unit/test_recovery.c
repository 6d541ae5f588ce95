/* SPDX-License-Identifier: BSD-2-Clause */
/* The note that a node must not seal yet; and copies of a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/backup.h"
#include "store/recovery.h"
#include "store/store.h"

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[2][128];
	static unsigned turn;

	turn ^= 1;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
	return path[turn];
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof folder, "%.40s/test_recovery.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"recover", "recover.new", "db", "db-wal", "db-shm",
	    "db.lock", "copy", "copy-wal", "copy-shm", "copy.lock"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

static void file_put(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void is(enum recovery_kind kind, size_t without)
{
	struct recovery r;

	assert_int_equal(recovery_load(&r, folder), OK);
	assert_int_equal(r.kind, kind);
	assert_int_equal(r.without_count, without);
	recovery_clear(&r);
}

static void test_round(void **state)
{
	struct recovery r = {RECOVERY_LOG, NULL, 0};

	(void)state;
	is(RECOVERY_NONE, 0);
	assert_int_equal(recovery_save(&r, folder), OK);
	is(RECOVERY_LOG, 0);
	r.kind = RECOVERY_RESTORED;
	assert_int_equal(recovery_without(&r, bytes_str("b.example")), OK);
	assert_int_equal(recovery_without(&r, bytes_str("c.example")), OK);
	assert_int_equal(recovery_without(&r, bytes_str("b.example")), OK);
	assert_int_equal(recovery_without(&r, bytes_str("")), ERR_INVALID);
	assert_int_equal(recovery_without(&r, bytes_str("x\nkind log")), ERR_INVALID);
	assert_int_equal(recovery_without(&r, bytes_of("a\0b", 3)), ERR_INVALID);
	assert_int_equal(recovery_save(&r, folder), OK);
	recovery_clear(&r);
	assert_int_equal(recovery_load(&r, folder), OK);
	assert_int_equal(r.kind, RECOVERY_RESTORED);
	assert_int_equal(r.without_count, 2);
	assert_true(recovery_has(&r, "b.example") && recovery_has(&r, "c.example"));
	assert_false(recovery_has(&r, "d.example"));
	recovery_clear(&r);
	assert_int_equal(recovery_remove(folder), OK);
	assert_int_equal(recovery_remove(folder), OK);
	is(RECOVERY_NONE, 0);
	assert_int_equal(recovery_save(&r, in_folder("nowhere")), ERR_IO);
}

/* Whatever is in it: never less careful than with a good one. */
static void test_damaged(void **state)
{
	static const char *const texts[] = {"", "\n", "convene recover 1", "convene recover 1\n",
	    "convene recover 1\nkind ", "convene recover 1\nkind none\n",
	    "convene recover 2\nkind log\n", "convene recover 1\nkind log",
	    "convene recover 1\nkind log\nwithout a.example",
	    "convene recover 1\nkind log\nwithout \n",
	    "convene recover 1\nkind log\nwithout a.example\nkind found\n"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		file_put("recover", texts[i]);
		is(RECOVERY_RESTORED, 0);
	}
	file_put("recover", "convene recover 1\nkind found\nwithout a.example\n");
	is(RECOVERY_FOUND, 1);
	/* A crash while it was written anew. */
	file_put("recover.new", "convene rec");
	is(RECOVERY_FOUND, 1);
}

static void test_backup(void **state)
{
	struct store *s, *copy;
	struct buffer value = BUFFER_INIT;
	char why[200];
	struct stat st;

	(void)state;
	assert_int_equal(store_backup(in_folder("db"), in_folder("copy"), why), ERR_NOTFOUND);
	assert_int_equal(store_open(&s, &store_sqlite, in_folder("db"), 0), OK);
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->meta_put(s, "forum", bytes_str("then")), OK);
	assert_int_equal(s->ops->commit(s), OK);
	/* Beside a writer, also in the middle of something: what was committed. */
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->meta_put(s, "forum", bytes_str("later")), OK);
	assert_int_equal(store_backup(in_folder("db"), in_folder("copy"), why), OK);
	assert_int_equal(s->ops->commit(s), OK);
	/* Nothing is written over. */
	assert_int_not_equal(store_backup(in_folder("db"), in_folder("copy"), why), OK);
	assert_true(why[0] != '\0');
	store_close(s);
	assert_int_not_equal(stat(in_folder("copy.lock"), &st), 0);
	assert_int_equal(store_open(&copy, &store_sqlite, in_folder("copy"), 0), OK);
	assert_int_equal(copy->ops->meta_get(copy, "forum", &value), OK);
	assert_true(bytes_equal(buffer_bytes(&value), bytes_str("then")));
	store_close(copy);
	buffer_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_round, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_backup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
