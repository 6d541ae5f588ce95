/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of the inbox when the disk is full, with two threads at it, and under kill -9. */
#include "intake_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* A disk that takes no more: what was there stays, and nothing more is said to be durable. */
static void test_full(void **state)
{
	struct stage *t = *state;
	struct rlimit old, small = {300 * 1024, 300 * 1024};
	uint64_t no = 0;
	int err = OK;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(open_it(t, 0), OK);
	record(t->j, 1, 3);
	no = 3;
	small.rlim_cur = (1 << 20) + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (err == OK) {
		err = add(t->j, no + 1);
		if (err == OK)
			err = intake_sync(t->j);
		no += err == OK;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(no > 100);
	assert_int_equal(err, ERR_IO);
	assert_int_equal(add(t->j, no + 1), ERR_IO);
	assert_int_equal(intake_sync(t->j), ERR_IO);
	assert_int_equal(intake_scrub(t->j), ERR_IO);
	assert_waiting(t->j, 1, no);
	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, no);
	record(t->j, no + 1, no + 2);
	assert_waiting(t->j, 1, no + 2);
}

/* ---- two threads ---- */

enum { TOGETHER = 3000 };

struct appender {
	struct intake *j;
	atomic_uint_fast64_t durable;
};

static void *append_all(void *arg)
{
	struct appender *a = arg;

	for (uint64_t no = 0; no < TOGETHER;) {
		for (uint64_t end = no + 1 + no % 3; no < end;)
			if (add(a->j, ++no) != OK)
				return NULL;
		if (intake_sync(a->j) != OK)
			return NULL;
		atomic_store(&a->durable, no);
	}
	return a;
}

/* One takes and scrubs while the other appends: none is lost, and none comes twice. */
static void test_threads(void **state)
{
	struct stage *t = *state;
	struct appender a;
	uint64_t taken = 0;
	pthread_t thread;
	void *result;

	assert_int_equal(open_it(t, 0), OK);
	a.j = t->j;
	atomic_init(&a.durable, 0);
	assert_int_equal(pthread_create(&thread, NULL, append_all, &a), 0);
	for (unsigned round = 0; taken < TOGETHER; round++) {
		uint64_t durable = atomic_load(&a.durable), to = durable - (durable - taken) / 4,
			 last = taken;

		assert_int_equal(intake_each(t->j, taken, (size_t)(to - taken), see, &last), OK);
		assert_int_equal(last, to);
		intake_taken(t->j, taken = to);
		if (round % 3 == 0)
			assert_int_equal(intake_scrub(t->j), OK);
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	taken = TOGETHER;
	assert_int_equal(intake_last(t->j) - intake_count(t->j), taken);
	assert_int_equal(open_it(t, taken), OK);
	assert_int_equal(intake_scrub(t->j), OK);
	assert_int_equal(used(file_of(t, 0)) + used(file_of(t, 1)), 0);
}

/* ---- kill -9 ---- */

static void write_for_ever(const char *path, uint64_t taken, int out)
{
	struct intake *j;
	char why[160];

	if (intake_open(&j, path, key, taken, 0, why) != OK)
		_exit(1);
	for (uint64_t no = intake_last(j);;) {
		uint64_t end = no + 1 + no % 4;

		while (no < end)
			if (add(j, ++no) != OK)
				_exit(1);
		if (intake_sync(j) != OK || write(out, &no, sizeof no) != sizeof no)
			_exit(1);
		if (no % 3 == 0)
			intake_taken(j, taken); /* its start is free again */
	}
}

static void test_kill(void **state)
{
	struct stage *t = *state;
	uint64_t taken = 0;

	for (int round = 0; round < 60; round++) {
		struct timespec wait = {0, round * 200000L};
		uint64_t acked = 0, next;
		int ends[2], status;

		assert_int_equal(pipe(ends), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_for_ever(t->path, taken, ends[1]);
		close(ends[1]);
		assert_int_equal(read(ends[0], &acked, sizeof acked), sizeof acked);
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		while (read(ends[0], &next, sizeof next) == sizeof next)
			acked = next;
		close(ends[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(open_it(t, taken), OK);
		assert_true(intake_last(t->j) >= acked);
		assert_waiting(t->j, taken + 1, intake_last(t->j));
		taken = intake_last(t->j) - (uint64_t)(round % 3);
		intake_close(t->j);
		t->j = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {ONE(test_full), ONE(test_threads), ONE(test_kill)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
