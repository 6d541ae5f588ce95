/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct list {
	struct job *first, *last;
};

struct pool {
	/* The loop thread's. */
	size_t pending;
	bool collecting;

	/* Set before the workers start. */
	struct pool_run run;
	size_t run_max;
	char name[16]; /* what the kernel takes, with NUL */
	int fd;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under `lock`. Whoever makes `completed` not empty raises `fd` when it has let go of the
	 * lock: the loop that wakes up of it would only wait for that. So it may be raised for what
	 * has been collected already. */
	struct list waiting, completed;
	bool stopping;

	unsigned threads;
	pthread_t thread[];
};

/* Append the chain from `first` to `last`, whose `next` is NULL. */
static void list_append(struct list *list, struct job *first, struct job *last)
{
	if (list->first == NULL)
		list->first = first;
	else
		list->last->next = first;
	list->last = last;
}

/* Remove at most `max` jobs from the front; returns them as a chain, or NULL. */
static struct job *list_take(struct list *list, size_t max, struct job **last)
{
	struct job *first = list->first, *end = first;
	if (first == NULL)
		return NULL;
	for (size_t n = 1; n < max && end->next != NULL; n++)
		end = end->next;
	list->first = end->next;
	end->next = NULL;
	*last = end;
	return first;
}

static void raise_fd(int fd)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	assert(n == sizeof(one));
}

static void clear_fd(int fd)
{
	uint64_t count;
	ssize_t n;
	do
		n = read(fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	assert(n == sizeof(count) || errno == EAGAIN);
}

static void run_jobs(const struct pool *pool, struct job *first)
{
	if (pool->run.begin != NULL)
		pool->run.begin(pool->run.ctx);
	for (struct job *job = first; job != NULL; job = job->next)
		job->work(job);
	if (pool->run.end != NULL)
		pool->run.end(pool->run.ctx, first);
}

static void *worker_main(void *arg)
{
	struct pool *pool = arg;
	pthread_setname_np(pthread_self(), pool->name);

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct job *last = NULL, *first = list_take(&pool->waiting, pool->run_max, &last);
		if (first == NULL) {
			if (pool->stopping)
				break;
			pthread_cond_wait(&pool->wake, &pool->lock);
			continue;
		}
		pthread_mutex_unlock(&pool->lock);
		run_jobs(pool, first);
		pthread_mutex_lock(&pool->lock);
		bool raise = pool->completed.first == NULL;
		list_append(&pool->completed, first, last);
		if (raise) {
			pthread_mutex_unlock(&pool->lock);
			raise_fd(pool->fd);
			pthread_mutex_lock(&pool->lock);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* End the threads that were started and give everything back. */
static void pool_destroy(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->thread[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	close(pool->fd);
	free(pool);
}

struct pool *pool_new(const char *name, unsigned threads, const struct pool_run *run)
{
	if (threads == 0 || threads > 1024) {
		errno = EINVAL;
		return NULL;
	}
	struct pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->thread[0]));
	if (pool == NULL)
		return NULL;
	pool->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool->fd < 0) {
		int saved = errno;
		free(pool);
		errno = saved;
		return NULL;
	}
	strncpy(pool->name, name, sizeof(pool->name) - 1);
	pool->run_max = 1;
	if (run != NULL) {
		pool->run = *run;
		if (threads == 1)
			pool->run_max = run->max != 0 ? run->max : SIZE_MAX;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);

	/* Signals are the loop thread's; threads inherit the mask of who starts them. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = 0;
	while (err == 0 && pool->threads < threads) {
		err = pthread_create(&pool->thread[pool->threads], NULL, worker_main, pool);
		if (err == 0)
			pool->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0) {
		pool_destroy(pool);
		errno = err;
		return NULL;
	}
	return pool;
}

int pool_fd(const struct pool *pool)
{
	return pool->fd;
}

void pool_submit(struct pool *pool, struct job *job)
{
	assert(job->work != NULL && job->done != NULL);
	job->next = NULL;
	pool->pending++;
	pthread_mutex_lock(&pool->lock);
	list_append(&pool->waiting, job, job);
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_signal(&pool->wake);
}

unsigned pool_threads(const struct pool *pool)
{
	return pool->threads;
}

size_t pool_pending(const struct pool *pool)
{
	return pool->pending;
}

size_t pool_collect(struct pool *pool)
{
	assert(!pool->collecting);
	clear_fd(pool->fd);
	pthread_mutex_lock(&pool->lock);
	struct job *job = pool->completed.first;
	pool->completed.first = NULL;
	pthread_mutex_unlock(&pool->lock);

	size_t count = 0;
	pool->collecting = true;
	while (job != NULL) {
		/* `done` may free the job, or submit it again. */
		struct job *next = job->next;
		pool->pending--;
		count++;
		job->done(job);
		job = next;
	}
	pool->collecting = false;
	return count;
}

void pool_drain(struct pool *pool)
{
	while (pool->pending > 0) {
		struct pollfd wait = {.fd = pool->fd, .events = POLLIN};
		if (poll(&wait, 1, -1) > 0)
			pool_collect(pool);
	}
}

void pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	assert(!pool->collecting);
	pool_drain(pool);
	pool_destroy(pool);
}
