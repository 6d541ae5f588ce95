/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks of what was read: durable, counted, and caught up with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "client/screen/seen.h"

static struct home home;
static const uint8_t topic[ID_LEN] = {1}, other[ID_LEN] = {2};

static const uint8_t *id_of(uint8_t n)
{
	static uint8_t ids[256][ID_LEN];

	memset(ids[n], n, ID_LEN);
	return ids[n];
}

static int setup(void **state)
{
	char folder[] = "/tmp/convene-seen-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	memset(&home, 0, sizeof home);
	snprintf(home.path, sizeof home.path, "%s", folder);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"seen.db", "seen.db-wal", "seen.db-shm"};
	char path[PATH_LEN + 16];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", home.path, names[i]);
		unlink(path);
	}
	return rmdir(home.path);
}

static struct seen *opened(void)
{
	struct seen *s;
	struct trouble t;

	assert_int_equal(seen_open(&s, &home, &t), OK);
	return s;
}

static void test_marks(void **state)
{
	struct seen_mark a = {id_of(1), id_of(100), topic, 5}, b = {id_of(2), id_of(100), topic, 6};
	struct seen_mark both[] = {a, b};
	struct seen *s = opened();
	struct trouble t;
	struct stat st;
	char path[PATH_LEN + 16];

	(void)state;
	assert_false(seen_has(s, &a));
	assert_int_equal(seen_unread_topic(s, topic, 10), 10);
	assert_int_equal(seen_add(s, &a, 1, &t), OK);
	assert_int_equal(seen_add(s, both, 2, &t), OK); /* again: no failure, and counted once */
	assert_true(seen_has(s, &a) && seen_has(s, &b));
	assert_int_equal(seen_unread_topic(s, topic, 10), 8);
	assert_int_equal(seen_unread_topic(s, other, 10), 10);
	assert_int_equal(seen_unread_topic(s, topic, 1), 0);
	assert_int_equal(seen_unread_thread(s, topic, id_of(100), 3, 1000), 1);
	assert_int_equal(seen_unread_thread(s, topic, id_of(101), 3, 1000), 3);
	seen_close(s);
	s = opened();
	assert_true(seen_has(s, &a));
	/* nothing of it is anybody else's */
	snprintf(path, sizeof path, "%s/seen.db", home.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	seen_close(s);
}

static void test_catch_up(void **state)
{
	struct seen_mark before = {id_of(1), id_of(100), topic, 5};
	struct seen_mark after = {id_of(2), id_of(100), topic, 11};
	struct seen_mark elsewhere = {id_of(3), id_of(102), other, 5};
	struct seen *s = opened();
	struct trouble t;

	(void)state;
	assert_int_equal(seen_add(s, &before, 1, &t), OK);
	assert_int_equal(seen_catch_up(s, topic, 20, 10, 1000, &t), OK);
	assert_int_equal(seen_unread_topic(s, topic, 20), 0);
	assert_int_equal(seen_unread_topic(s, topic, 21), 1);
	assert_false(seen_has(s, &after));
	assert_false(seen_has(s, &elsewhere));
	assert_int_equal(seen_add(s, &after, 1, &t), OK);
	assert_int_equal(seen_unread_topic(s, topic, 21), 0);
	/* reading what was caught up with counts no second time */
	before.id = id_of(9);
	assert_true(seen_has(s, &before));
	assert_int_equal(seen_add(s, &before, 1, &t), OK);
	assert_int_equal(seen_unread_topic(s, topic, 22), 1);
	assert_int_equal(seen_unread_thread(s, topic, id_of(105), 7, 1000), 0);
	assert_int_equal(seen_unread_thread(s, topic, id_of(105), 7, 1001), 7);
	/* and again, later */
	assert_int_equal(seen_catch_up(s, topic, 30, 20, 2000, &t), OK);
	assert_int_equal(seen_unread_topic(s, topic, 31), 1);
	seen_close(s);
}

static void test_choices(void **state)
{
	struct seen *s = opened();
	struct trouble t;

	(void)state;
	assert_int_equal(seen_choice(s, "terminal_bidi", 7), 7);
	assert_int_equal(seen_choose(s, "terminal_bidi", 1, &t), OK);
	assert_int_equal(seen_choose(s, "terminal_bidi", 0, &t), OK);
	assert_int_equal(seen_choice(s, "terminal_bidi", 7), 0);
	seen_close(s);
}

/* A reader that is killed right after a mark has it. */
static void test_killed(void **state)
{
	struct seen_mark a = {id_of(50), id_of(100), topic, 5};
	int status;
	pid_t pid = fork();
	struct seen *s;
	struct trouble t;

	(void)state;
	if (pid == 0) {
		if (seen_open(&s, &home, &t) == OK && seen_add(s, &a, 1, &t) == OK)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	s = opened();
	assert_true(seen_has(s, &a));
	seen_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_catch_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_choices, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
