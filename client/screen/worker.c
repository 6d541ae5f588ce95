/* SPDX-License-Identifier: BSD-2-Clause */
/* The queues between the screen and its threads. The threads are never joined: one may be within a
 * call that waits for a dead link, and the program ends without it. */
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "client/screen/worker_inside.h"

struct news *news_new(enum news_kind kind)
{
	struct news *n = calloc(1, sizeof *n);

	if (n)
		n->kind = kind;
	return n;
}

void news_free(struct news *n)
{
	if (!n)
		return;
	frames_free(&n->frames);
	posts_free(&n->posts);
	free(n);
}

void news_send(struct worker *w, struct news *n)
{
	uint64_t one = 1;

	if (!n)
		return;
	n->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->news_end = n;
	w->news_end = &n->next;
	pthread_mutex_unlock(&w->lock);
	while (write(w->fd, &one, sizeof one) < 0)
		;
}

struct news *worker_news(struct worker *w)
{
	struct news *n;
	uint64_t count;

	pthread_mutex_lock(&w->lock);
	n = w->news;
	if (n)
		w->news = n->next;
	if (!w->news)
		w->news_end = &w->news;
	/* Nobody can add any now: the next that do make it readable again. */
	if (!n && read(w->fd, &count, sizeof count) < 0)
		count = 0;
	pthread_mutex_unlock(&w->lock);
	return n;
}

int worker_fd(const struct worker *w)
{
	return w->fd;
}

void worker_ask(struct worker *w, const struct job *job)
{
	struct queued *q = calloc(1, sizeof *q);

	if (!q)
		return;
	q->job = *job;
	pthread_mutex_lock(&w->lock);
	*w->jobs_end = q;
	w->jobs_end = &q->next;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

/* Signals are the screen's. */
static int thread_start(struct worker *w, void *(*run)(void *))
{
	sigset_t all, before;
	pthread_t thread;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	failed = pthread_create(&thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		pthread_detach(thread);
	return failed ? ERR_NOMEM : OK;
}

int worker_new(struct worker **out, const struct invocation *in, const struct home *home,
    bool offline, struct trouble *t)
{
	struct worker *w = calloc(1, sizeof *w);

	*out = NULL;
	if (!w)
		return no_memory(t);
	w->in = in;
	w->offline = offline;
	w->home = *home;
	w->home.lock = -1;
	w->node = home->node;
	w->jobs_end = &w->jobs;
	w->news_end = &w->news;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0 || thread_start(w, worker_run) != OK) {
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		return no_memory(t);
	}
	*out = w;
	return OK;
}

void worker_watch(struct worker *w)
{
	/* Without it nothing comes by itself; what is asked for still does. */
	if (!w->offline)
		thread_start(w, watch_run);
}
