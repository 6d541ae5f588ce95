/* SPDX-License-Identifier: BSD-2-Clause */
/* Worker threads that share nothing: a job is moved in, worked on by one thread, and moved back.
 *
 * The pool belongs to the loop thread, which alone calls these functions.
 * `work` runs on a worker and may touch only what the job owns; `done` runs on
 * the loop thread, out of pool_collect(). Jobs complete in any order in a pool
 * of several threads, and in the order of submission in a pool of one: a pool
 * of one is how the store writer keeps its order. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool;

struct job {
	void (*work)(struct job *job);
	void (*done)(struct job *job);
	struct job *next; /* the pool's */
};

/* Called once on a worker around a run of jobs taken together (NULL: none). A pool of one thread
 * takes all jobs waiting, up to `max` (0: no limit), as one run: group commit hangs on this. In a
 * pool of several, or without `run`, a run is one job. `end` gets the run's first job, chained by
 * `next`, before any of its `done` may be called. */
struct pool_run {
	void (*begin)(void *ctx);
	void (*end)(void *ctx, struct job *first);
	void *ctx;
	size_t max;
};

/* `run` may be NULL and is copied. Workers block all signals. Returns NULL with errno set. */
struct pool *pool_new(const char *name, unsigned threads, const struct pool_run *run);

/* A descriptor that is readable while completed jobs wait; pool_collect() clears it. */
int pool_fd(const struct pool *pool);

void pool_submit(struct pool *pool, struct job *job);
unsigned pool_threads(const struct pool *pool);
size_t pool_pending(const struct pool *pool); /* submitted and not yet collected */

/* Call `done` for every completed job. Returns how many there were. `done` may free its job or
 * submit it (or others) anew; it must not call pool_collect(), pool_drain() or pool_free(). */
size_t pool_collect(struct pool *pool);

/* Wait until everything submitted is completed and collected. */
void pool_drain(struct pool *pool);

/* Drain, end the threads, free. NULL does nothing. */
void pool_free(struct pool *pool);

#endif
