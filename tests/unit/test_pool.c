/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/pool.h"

struct task {
	struct job job; /* first, so that a job is its task */
	unsigned number;
	unsigned worked, done;
	pthread_t worker;
};

static struct task *task_of(struct job *job)
{
	return (struct task *)job;
}

static bool readable(const struct pool *pool, int timeout_ms)
{
	struct pollfd wait = {.fd = pool_fd(pool), .events = POLLIN};
	return poll(&wait, 1, timeout_ms) == 1;
}

/* What happened, in order; written by `done` on the loop thread. */
static unsigned finished[1000];
static size_t finished_count;

static void count_work(struct job *job)
{
	task_of(job)->worked++;
	task_of(job)->worker = pthread_self();
}

static void count_done(struct job *job)
{
	assert_int_equal(task_of(job)->worked, 1);
	task_of(job)->done++;
	finished[finished_count++] = task_of(job)->number;
}

/* A job that holds its worker until the test lets go. */
static sem_t started, go;
static void gate_work(struct job *job)
{
	count_work(job);
	sem_post(&started);
	while (sem_wait(&go) != 0)
		assert_int_equal(errno, EINTR);
}

static void task_init(struct task *t, unsigned number)
{
	*t = (struct task){.job = {.work = count_work, .done = count_done}, .number = number};
}

static int setup(void **state)
{
	(void)state;
	finished_count = 0;
	sem_init(&started, 0, 0);
	sem_init(&go, 0, 0);
	return 0;
}

static void test_one_thread_keeps_order(void **state)
{
	(void)state;
	static struct task tasks[500];
	struct pool *pool = pool_new("order", 1, NULL);
	assert_non_null(pool);
	for (unsigned i = 0; i < 500; i++) {
		task_init(&tasks[i], i);
		pool_submit(pool, &tasks[i].job);
		if (i % 50 == 0)
			pool_collect(pool);
	}
	pool_drain(pool);
	assert_int_equal(pool_pending(pool), 0);
	assert_int_equal(finished_count, 500);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(finished[i], i);
	assert_false(pthread_equal(tasks[0].worker, pthread_self()));
	pool_free(pool);
}

/* Group commit: the length of each run, as its `end` saw it on the worker. */
struct runs {
	unsigned begun, ended, lengths[16];
	bool early; /* a job was done before its run ended, or not worked on */
	pthread_t worker;
};

static void run_begin(void *ctx)
{
	struct runs *runs = ctx;
	runs->begun++;
	runs->worker = pthread_self();
}

static void run_end(void *ctx, struct job *first)
{
	struct runs *runs = ctx;
	unsigned n = 0;
	for (struct job *job = first; job != NULL; job = job->next, n++)
		if (task_of(job)->worked != 1 || task_of(job)->done != 0)
			runs->early = true;
	if (runs->ended < 16)
		runs->lengths[runs->ended] = n;
	runs->ended++;
}

static void check_runs(size_t max, unsigned jobs, unsigned expected_runs, const unsigned *lengths)
{
	struct runs runs = {0};
	struct pool_run run = {run_begin, run_end, &runs, max};
	struct task tasks[16];
	finished_count = 0;
	struct pool *pool = pool_new("runs", 1, &run);
	assert_non_null(pool);
	task_init(&tasks[0], 0);
	tasks[0].job.work = gate_work;
	pool_submit(pool, &tasks[0].job);
	sem_wait(&started);
	/* These all wait together behind the gate. */
	for (unsigned i = 1; i <= jobs; i++) {
		task_init(&tasks[i], i);
		pool_submit(pool, &tasks[i].job);
	}
	assert_int_equal(pool_collect(pool), 0);
	assert_int_equal(pool_pending(pool), jobs + 1);
	sem_post(&go);
	pool_drain(pool);
	assert_int_equal(runs.begun, expected_runs);
	assert_int_equal(runs.ended, expected_runs);
	assert_false(runs.early);
	for (unsigned i = 0; i < expected_runs; i++)
		assert_int_equal(runs.lengths[i], lengths[i]);
	for (unsigned i = 0; i <= jobs; i++)
		assert_int_equal(finished[i], i);
	assert_true(pthread_equal(runs.worker, tasks[1].worker));
	pool_free(pool);
}

static void test_one_thread_takes_runs(void **state)
{
	(void)state;
	check_runs(4, 10, 4, (const unsigned[]){1, 4, 4, 2});
	check_runs(1, 3, 4, (const unsigned[]){1, 1, 1, 1});
	check_runs(100, 10, 2, (const unsigned[]){1, 10});
	check_runs(0, 10, 2, (const unsigned[]){1, 10});
}

static pthread_barrier_t barrier;
static void meet_work(struct job *job)
{
	count_work(job);
	pthread_barrier_wait(&barrier);
}

static void test_several_threads(void **state)
{
	(void)state;
	static struct task tasks[800];
	struct pool *pool = pool_new("several", 4, NULL);
	assert_non_null(pool);
	/* Four jobs that wait for one another end only if they really run at once. */
	pthread_barrier_init(&barrier, NULL, 4);
	for (unsigned i = 0; i < 4; i++) {
		task_init(&tasks[i], i);
		tasks[i].job.work = meet_work;
		pool_submit(pool, &tasks[i].job);
	}
	pool_drain(pool);
	pthread_barrier_destroy(&barrier);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < i; k++)
			assert_false(pthread_equal(tasks[i].worker, tasks[k].worker));

	finished_count = 0;
	for (unsigned i = 0; i < 800; i++) {
		task_init(&tasks[i], i);
		pool_submit(pool, &tasks[i].job);
	}
	pool_drain(pool);
	assert_int_equal(finished_count, 800);
	for (unsigned i = 0; i < 800; i++)
		assert_int_equal(tasks[i].done, 1);
	pool_free(pool);
}

static void test_several_threads_run_one_by_one(void **state)
{
	(void)state;
	struct runs runs = {0};
	/* Two threads would race for the counters, so the gate holds one of them. */
	struct pool_run run = {NULL, run_end, &runs, 10};
	struct task tasks[6];
	struct pool *pool = pool_new("pair", 2, &run);
	task_init(&tasks[0], 0);
	tasks[0].job.work = gate_work;
	pool_submit(pool, &tasks[0].job);
	sem_wait(&started);
	for (unsigned i = 1; i < 6; i++) {
		task_init(&tasks[i], i);
		pool_submit(pool, &tasks[i].job);
	}
	while (pool_pending(pool) > 1)
		if (readable(pool, -1))
			pool_collect(pool);
	assert_int_equal(runs.ended, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(runs.lengths[i], 1);
	sem_post(&go);
	pool_free(pool);
	assert_int_equal(tasks[0].done, 1);
}

static void test_fd(void **state)
{
	(void)state;
	struct task a, b;
	task_init(&a, 1);
	task_init(&b, 2);
	struct pool *pool = pool_new("fd", 1, NULL);
	assert_false(readable(pool, 0));
	assert_int_equal(pool_collect(pool), 0);
	pool_submit(pool, &a.job);
	assert_true(readable(pool, -1));
	assert_true(readable(pool, 0)); /* until it is collected */
	assert_int_equal(a.done, 0);
	assert_int_equal(pool_collect(pool), 1);
	assert_false(readable(pool, 0));
	pool_submit(pool, &b.job);
	assert_true(readable(pool, -1));
	assert_int_equal(pool_collect(pool), 1);
	assert_false(readable(pool, 0));
	pool_free(pool);
}

static struct pool *again_pool;
static void again_done(struct job *job)
{
	if (++task_of(job)->done < 10)
		pool_submit(again_pool, job);
	else
		free(job);
	finished_count++;
}

static void test_done_may_submit_and_free(void **state)
{
	(void)state;
	again_pool = pool_new("a name longer than fifteen", 2, NULL);
	assert_non_null(again_pool);
	for (unsigned i = 0; i < 5; i++) {
		struct task *t = malloc(sizeof(*t));
		task_init(t, i);
		t->job.done = again_done;
		pool_submit(again_pool, &t->job);
	}
	pool_drain(again_pool);
	assert_int_equal(finished_count, 50);
	assert_int_equal(pool_pending(again_pool), 0);
	pool_free(again_pool);
}

static void test_free_drains(void **state)
{
	(void)state;
	struct task tasks[20];
	struct pool *pool = pool_new("free", 3, NULL);
	for (unsigned i = 0; i < 20; i++) {
		task_init(&tasks[i], i);
		pool_submit(pool, &tasks[i].job);
	}
	pool_free(pool);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(tasks[i].done, 1);
	pool_free(NULL);
}

static bool all_blocked;
static void mask_work(struct job *job)
{
	sigset_t set;
	count_work(job);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	all_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGHUP) == 1;
}

static void test_signals_stay_out(void **state)
{
	(void)state;
	sigset_t before, after;
	struct task t;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	struct pool *pool = pool_new("mask", 1, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
	task_init(&t, 0);
	t.job.work = mask_work;
	pool_submit(pool, &t.job);
	pool_free(pool);
	assert_true(all_blocked);
}

static void test_bad_size(void **state)
{
	(void)state;
	errno = 0;
	assert_null(pool_new("none", 0, NULL));
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_one_thread_keeps_order, setup),
	    cmocka_unit_test_setup(test_one_thread_takes_runs, setup),
	    cmocka_unit_test_setup(test_several_threads, setup),
	    cmocka_unit_test_setup(test_several_threads_run_one_by_one, setup),
	    cmocka_unit_test_setup(test_fd, setup),
	    cmocka_unit_test_setup(test_done_may_submit_and_free, setup),
	    cmocka_unit_test_setup(test_free_drains, setup),
	    cmocka_unit_test_setup(test_signals_stay_out, setup),
	    cmocka_unit_test_setup(test_bad_size, setup),
	};
	alarm(60); /* a pool that loses a job would have us wait for ever */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
