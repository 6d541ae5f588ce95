/* SPDX-License-Identifier: BSD-2-Clause */
/* Who asks the node, so that the screen never waits: a thread that owns the session and does one
 * job after the other, and another with a connection of its own that watches what comes. Both
 * answer with news, which the screen's thread takes when worker_fd() can be read. What they would
 * say on standard error comes as news, too.
 *
 * All functions here are the screen thread's. */
#ifndef SCREEN_WORKER_H
#define SCREEN_WORKER_H

#include "client/options.h"
#include "client/screen/post.h"
#include "client/session.h"

enum job_kind {
	JOB_TOPICS,
	JOB_THREADS, /* of `id`: `limit` of them behind the newest `offset` */
	JOB_THREAD,  /* in which `id` stands; `posts` there are, as far as is known */
	JOB_POST,    /* `id` alone, whole */
	JOB_SEARCH,  /* for `words`: `limit` that arrived before `before` */
	JOB_SYNC,    /* keep all topics here, or bring them up to date */
	JOB_FLUSH,   /* send what waits */
};

struct job {
	enum job_kind kind;
	unsigned no; /* comes back with the news */
	uint8_t id[ID_LEN];
	uint32_t limit, offset;
	uint64_t posts, before;
	bool retry; /* try to connect, however short ago that failed */
	char words[512];
};

enum news_kind {
	NEWS_TOPICS,    /* frames */
	NEWS_THREADS,   /* frames */
	NEWS_POSTS,     /* of JOB_THREAD; `part`: more of it comes */
	NEWS_POST,      /* of JOB_POST: one, or none */
	NEWS_FOUND,     /* posts */
	NEWS_PROGRESS,  /* of JOB_SYNC: `number` posts so far */
	NEWS_DONE,      /* JOB_SYNC, JOB_FLUSH */
	NEWS_FAILED,    /* `trouble` */
	NEWS_CONNECTED, /* watching, and everything up to arrival `number` was there before */
	NEWS_CUT,       /* the watched connection is gone */
	NEWS_LIVE,      /* posts that have come */
	NEWS_SAID,      /* `trouble.text`: a line that somebody printed */
};

struct news {
	struct news *next;
	enum news_kind kind;
	unsigned no;
	struct job job;
	struct frames frames;
	struct posts posts;
	uint64_t missing, number;
	bool part;
	bool copy;              /* not of the node, but of what is kept here */
	bool waiting;           /* something waits in the outbox */
	uint64_t synced;        /* of the copy; 0: never whole */
	struct trouble trouble; /* also why it is of the copy */
};
void news_free(struct news *n);

struct worker;

/* `home` is open; copied. `offline`: the node is never asked. */
int worker_new(struct worker **out, const struct invocation *in, const struct home *home,
    bool offline, struct trouble *t);
int worker_fd(const struct worker *w);
void worker_ask(struct worker *w, const struct job *job);
struct news *worker_news(struct worker *w); /* NULL: none; news_free() it */
/* Begin to watch; once. */
void worker_watch(struct worker *w);

#endif
