/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that asks. What it can't get from the node it takes from the copy, as all commands
 * do, and says so with the answer.
 *
 * Over a thin link each round trip counts. So it does not go through session_open(), which sends
 * first what waits: that is a job of its own. And of a long thread the message that was asked for
 * is asked for apart, ahead of the rest. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/copy.h"
#include "client/screen/worker_inside.h"
#include "search/search.h"

#define RETRY_MS 15000 /* a node that wasn't there isn't tried again before that */
#define LONG_THREAD 10 /* posts */
#define FOUND_MAX 200
#define ANSWER_WAIT_MS 60000

struct asking {
	struct worker *w;
	struct session s;
	const struct job *job;
	uint64_t tried; /* when connecting failed, monotonic ms; 0: it didn't */
};

/* News that say where they are from. */
static struct news *answer_new(struct asking *a, enum news_kind kind)
{
	struct news *n = news_new(kind);
	struct outbox o;
	struct trouble t;
	uint64_t *list = NULL;
	size_t count = 0;

	if (!n)
		return NULL;
	n->job = *a->job;
	n->no = a->job->no;
	n->copy = !a->s.client;
	if (n->copy && a->s.copy)
		n->synced = copy_synced(a->s.copy);
	if (n->copy)
		n->trouble = a->s.unreachable;
	if (a->s.home.state == HOME_ENROLLED && outbox_open(&o, a->s.home.path, &t) == OK &&
	    outbox_list(&o, BOX_WAITING, &list, &count, &t) == OK)
		n->waiting = count > 0;
	free(list);
	return n;
}

static void fail(struct asking *a, const struct trouble *t)
{
	struct news *n = answer_new(a, NEWS_FAILED);

	if (n)
		n->trouble = *t;
	news_send(a->w, n);
}

/* Be connected, if that may be. */
static void reach(struct asking *a)
{
	struct trouble t;
	bool first = a->tried == 0;

	if (a->s.client && !client_alive(a->s.client))
		session_disconnect(&a->s);
	if (a->s.client || (!first && !a->job->retry && clock_mono_ms() - a->tried < RETRY_MS))
		return;
	if (session_connect(&a->s, &t) != OK)
		session_copy(&a->s, false, &t);
	a->tried = clock_mono_ms();
}

static void topics(struct asking *a)
{
	struct trouble t;
	struct frames frames = {NULL, 0};
	struct news *n;

	if (ask_topics(&a->s, &frames, &t) != OK) {
		fail(a, &t);
		return;
	}
	n = answer_new(a, NEWS_TOPICS);
	if (n)
		n->frames = frames;
	news_send(a->w, n);
}

/* What is kept here can be looked at while the node is being reached. */
static void topics_kept(struct asking *a)
{
	struct trouble t;
	struct frames frames = {NULL, 0};
	struct news *n;

	if (session_copy(&a->s, false, &t) != OK || copy_topics(a->s.copy, &frames, &t) != OK)
		return;
	n = answer_new(a, NEWS_TOPICS);
	if (n) {
		n->frames = frames;
		n->part = true;
	}
	news_send(a->w, n);
}

static void threads(struct asking *a)
{
	struct trouble t;
	struct frames frames = {NULL, 0};
	struct news *n;

	if (ask_threads(&a->s, a->job->id, ID_LEN, a->job->limit, a->job->offset, &frames, &t) !=
	    OK) {
		fail(a, &t);
		return;
	}
	n = answer_new(a, NEWS_THREADS);
	if (n)
		n->frames = frames;
	news_send(a->w, n);
}

/* News of posts; NULL: there is nothing more to say. `client`: as posts_take(). */
static struct news *posts_new(
    struct asking *a, enum news_kind kind, struct frames *frames, struct client *client)
{
	struct news *n = answer_new(a, kind);
	struct trouble t;

	if (n && posts_take(&n->posts, frames, a->s.home.node.forum, client, &t) != OK) {
		news_free(n);
		fail(a, &t);
		return NULL;
	}
	return n;
}

static void posts_tell(struct asking *a, struct frames *frames, uint64_t missing, bool part)
{
	struct news *n = posts_new(a, NEWS_POSTS, frames, NULL);

	if (n) {
		n->missing = missing;
		n->part = part;
	}
	news_send(a->w, n);
}

/* Ask for one and for all at once, and tell of the one as soon as it is there. */
static int thread_long(struct asking *a, struct trouble *t)
{
	Convene__ThreadGet get = CONVENE__THREAD_GET__INIT;
	struct frames all = {NULL, 0};
	uint32_t alone, whole;
	uint64_t missing = 0;
	int err;

	get.id = pb_of(bytes_of(a->job->id, ID_LEN));
	get.alone = true;
	err = client_send(a->s.client, FRAME_THREAD_GET, &get.base, &alone, t);
	get.alone = false;
	if (!err)
		err = client_send_also(a->s.client, FRAME_THREAD_GET, &get.base, &whole, t);
	for (int i = 0; i < 2 && !err; i++) {
		bool last = false;

		while (!err && !last) {
			ProtobufCMessage *m;

			err = client_next(a->s.client, i == 0 ? alone : whole, FRAME_ITEMS,
			    ANSWER_WAIT_MS, &m, t);
			if (err)
				break;
			last = ((Convene__Items *)m)->last;
			missing += i == 0 ? 0 : ((Convene__Items *)m)->missing;
			if (frames_add(&all, m) != OK)
				err = no_memory(t);
		}
		if (!err)
			posts_tell(a, &all, missing, i == 0);
		frames_free(&all);
	}
	return err;
}

static void thread(struct asking *a)
{
	struct trouble t;
	struct frames frames = {NULL, 0};
	uint64_t missing = 0;
	int err = OK;

	if (a->s.client && a->job->posts > LONG_THREAD) {
		err = thread_long(a, &t);
		if (!err)
			return;
		if (exit_of(&t) != EXIT_UNREACHABLE) {
			fail(a, &t);
			return;
		}
		session_disconnect(&a->s);
		a->s.unreachable = t;
	}
	err = ask_thread(&a->s, a->job->id, ID_LEN, &frames, &missing, &t);
	if (err)
		fail(a, &t);
	else
		posts_tell(a, &frames, missing, false);
	frames_free(&frames);
}

static void post(struct asking *a)
{
	struct trouble t;
	struct frames frames = {NULL, 0};

	if (ask_post(&a->s, a->job->id, ID_LEN, &frames, &t) != OK) {
		fail(a, &t);
		return;
	}
	news_send(a->w, posts_new(a, NEWS_POST, &frames, a->s.client));
	frames_free(&frames);
}

/* ---- the copy ---- */

static void found_tell(struct asking *a, struct frames *frames, bool copy, uint64_t next)
{
	struct news *n = posts_new(a, NEWS_FOUND, frames, NULL);

	if (n) {
		n->number = next;
		n->copy = copy;
		n->synced = copy ? copy_synced(a->s.copy) : 0;
	}
	news_send(a->w, n);
}

/* A page of what the node finds; it may have to look on for the first of it. */
static int search_node(struct asking *a, struct trouble *t)
{
	struct frames frames = {NULL, 0};
	uint64_t next = a->job->before, before;
	bool some = false;
	int err;

	do {
		frames_free(&frames);
		before = next;
		err = client_search(
		    a->s.client, bytes_str(a->job->words), next, a->job->limit, &frames, &next, t);
		for (size_t i = 0; i < frames.count && !err; i++)
			some |= ((const Convene__Items *)frames.list[i])->n_items > 0;
		/* A node that doesn't get on would keep us for ever. */
	} while (!err && !some && next > 0 && next < before);
	if (!err)
		found_tell(a, &frames, false, next);
	frames_free(&frames);
	return err;
}

static void search_copy(struct asking *a, struct trouble *t)
{
	struct frames frames = {NULL, 0};
	struct search_query *q = NULL;
	const char *why;
	int err = search_parse(&q, bytes_str(a->job->words), &why);

	if (err)
		trouble_set(t, err, "that can't be searched for: %s", why);
	if (!err)
		err = session_copy(&a->s, false, t);
	if (!err)
		err = copy_search(a->s.copy, NULL, q, FOUND_MAX, &frames, t);
	if (err)
		fail(a, t);
	else
		found_tell(a, &frames, true, 0);
	search_query_free(q);
	frames_free(&frames);
}

/* Of the node; of the copy, when it can't be asked or has no search. */
static void search(struct asking *a)
{
	struct trouble t;
	int err = a->s.client ? search_node(a, &t) : ERR_CLOSED;

	if (!err)
		return;
	if (a->s.client && err != ERR_NOTFOUND && exit_of(&t) != EXIT_UNREACHABLE) {
		fail(a, &t);
		return;
	}
	search_copy(a, &t);
}

static void progress(void *ctx, const struct copy_progress *p)
{
	struct asking *a = ctx;
	struct news *n = answer_new(a, NEWS_PROGRESS);

	if (n)
		n->number = p->posts;
	news_send(a->w, n);
}

static int count_kept(void *ctx, const struct copy_topic *topic)
{
	*(size_t *)ctx += topic->kept;
	return OK;
}

/* As `convene sync` without words: all topics, when nothing is kept yet. */
static int keep_all(struct asking *a, struct trouble *t)
{
	struct frames list = {NULL, 0};
	size_t kept = 0;
	int err = copy_each(a->s.copy, count_kept, &kept, t);

	if (err || kept > 0)
		return err;
	err = client_topics(a->s.client, &list, t);
	for (size_t i = 0; i < list.count && !err; i++) {
		const Convene__Topics *m = (const Convene__Topics *)list.list[i];

		for (size_t j = 0; j < m->n_topics && !err; j++)
			err = copy_keep(a->s.copy, m->topics[j], true, t);
	}
	frames_free(&list);
	return err;
}

static void sync_copy(struct asking *a)
{
	struct copy_progress p;
	struct trouble t;
	struct news *n;
	int err = a->s.client ? session_copy(&a->s, true, &t) : a->s.unreachable.err;

	if (!a->s.client)
		t = a->s.unreachable;
	if (!err)
		err = keep_all(a, &t);
	if (!err)
		err = copy_sync(a->s.copy, a->s.client, progress, a, &p, &t);
	if (err) {
		fail(a, &t);
		return;
	}
	n = answer_new(a, NEWS_DONE);
	if (n)
		n->number = p.posts;
	news_send(a->w, n);
}

static void flush(struct asking *a)
{
	if (a->s.client && a->s.home.state == HOME_ENROLLED)
		session_send_waiting(&a->s);
	news_send(a->w, answer_new(a, NEWS_DONE));
}

/* ---- the thread ---- */

static void work(struct asking *a)
{
	static void (*const does[])(struct asking *) = {
	    [JOB_TOPICS] = topics,
	    [JOB_THREADS] = threads,
	    [JOB_THREAD] = thread,
	    [JOB_POST] = post,
	    [JOB_SEARCH] = search,
	    [JOB_SYNC] = sync_copy,
	    [JOB_FLUSH] = flush,
	};

	if (a->job->kind == JOB_TOPICS && a->tried == 0 && !a->s.offline)
		topics_kept(a);
	reach(a);
	does[a->job->kind](a);
}

void *worker_run(void *worker)
{
	struct worker *w = worker;
	struct asking a = {.w = w};

	a.s.in = w->in;
	a.s.offline = w->offline;
	a.s.home = w->home;
	a.s.told = true; /* the screen says whose answer it is */
	for (;;) {
		struct queued *q;

		pthread_mutex_lock(&w->lock);
		while (!w->jobs)
			pthread_cond_wait(&w->work, &w->lock);
		q = w->jobs;
		w->jobs = q->next;
		if (!w->jobs)
			w->jobs_end = &w->jobs;
		pthread_mutex_unlock(&w->lock);
		a.job = &q->job;
		work(&a);
		free(q);
	}
	return NULL;
}
