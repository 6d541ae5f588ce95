/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two threads share. Private to worker*.c. */
#ifndef SCREEN_WORKER_INSIDE_H
#define SCREEN_WORKER_INSIDE_H

#include <pthread.h>

#include "client/screen/worker.h"

struct queued {
	struct queued *next;
	struct job job;
};

struct worker {
	const struct invocation *in;
	bool offline;
	struct node_address node; /* for the watching thread */
	struct home home;
	int fd; /* eventfd: news */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queued *jobs, **jobs_end;
	struct news *news, **news_end;
};

/* Hand it over. */
void news_send(struct worker *w, struct news *n);
/* NULL: no memory, and then it is never told. */
struct news *news_new(enum news_kind kind);

void *worker_run(void *worker);
void *watch_run(void *worker);

#endif
