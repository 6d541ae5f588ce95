/* SPDX-License-Identifier: BSD-2-Clause */
/* The store thread: a pool of one, whose runs of jobs are one transaction each (group commit). */
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/relay/state.h"

#define GROUP_MAX 512

/* See to it that erased bytes leave the files, behind all that its group writes. */
struct scrub_job {
	struct store_job job;
	struct scrubbed *list; /* the logs by then */
	size_t count;
	int result;
};

static void work(struct job *job)
{
	struct store_job *sj = (struct store_job *)job;
	struct writer *w = &sj->relay->writer;

	if (w->begun != OK)
		sj->result = w->begun;
	else if (w->spoilt)
		sj->result = w->spoilt; /* a full disk is told as that to all */
	else if (!w->forum)
		sj->result = ERR_STORE;
	else
		sj->result = sj->run(sj, w->store, w->forum);
}

static void done(struct job *job)
{
	struct store_job *sj = (struct store_job *)job;

	if (!sj->adds)
		held_stale(sj->relay);
	sj->done(sj);
}

static void group_begin(void *ctx)
{
	struct writer *w = ctx;

	w->spoilt = OK;
	w->scrub = NULL;
	if (!w->forum)
		forum_new(&w->forum, w->store, w->charter); /* it was lost to an error: try again */
	w->begun = w->store->ops->begin(w->store);
}

static int scrub_row(void *ctx, const struct store_log *log)
{
	struct scrub_job *j = ctx;
	struct scrubbed *grown = realloc(j->list, (j->count + 1) * sizeof *grown);

	if (!grown)
		return ERR_NOMEM;
	j->list = grown;
	grown[j->count++] = (struct scrubbed){.no = log->no, .folded = log->folded};
	return OK;
}

static int scrub_erases(void *ctx, uint32_t no, uint64_t index)
{
	struct scrub_job *j = ctx;

	for (size_t i = 0; i < j->count; i++)
		if (j->list[i].no == no)
			j->list[i].erases = index + 1;
	return OK;
}

/* What was folded by now and erased something is in no file any more. */
static void group_scrub(struct writer *w)
{
	struct scrub_job *j = w->scrub;
	int err = w->store->ops->log_each(w->store, scrub_row, j);

	if (!err)
		err = query_erasures(w->store, scrub_erases, j);
	if (!err)
		err = w->store->ops->scrub(w->store);
	if (!err) {
		atomic_store(&w->indexed, j->job.relay->searching != NULL);
		atomic_store(&w->erased, false);
	}
	j->result = err;
}

static void group_end(void *ctx, struct job *first)
{
	struct writer *w = ctx;
	int err = w->begun;

	if (!err && w->spoilt) {
		w->store->ops->rollback(w->store);
		err = w->spoilt;
	} else if (!err) {
		err = w->store->ops->commit(w->store);
	}
	if (!err && w->scrub)
		group_scrub(w);
	if (!err)
		return;
	log_error("store: %s (%s)", error_text(err), store_error(w->store));
	for (struct job *job = first; job; job = job->next) {
		struct store_job *sj = (struct store_job *)job;

		if (sj->result == OK)
			sj->result = err;
	}
	/* What the forum holds in memory may be ahead of what is on disk. */
	forum_free(w->forum);
	w->forum = NULL;
	forum_new(&w->forum, w->store, w->charter);
}

int forum_spoilt(struct store_job *job, int err)
{
	if (err && !job->relay->writer.spoilt)
		job->relay->writer.spoilt = err;
	return err;
}

static void on_collect(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pool_collect(arg);
}

static void on_stored(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	pool_collect(r->storage);
	contents_idle(r);
}

struct event *storage_collector(struct relay *r, struct pool *pool)
{
	bool stored = pool == r->storage;
	struct event *e = event_new(r->base, pool_fd(pool), EV_READ | EV_PERSIST,
	    stored ? on_stored : on_collect, stored ? (void *)r : pool);

	if (e && event_add(e, NULL) != 0) {
		event_free(e);
		e = NULL;
	}
	return e;
}

int storage_start(struct relay *r)
{
	struct pool_run run = {group_begin, group_end, &r->writer, GROUP_MAX};
	unsigned threads = r->conf->limits.workers;

	if (threads == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);

		threads = cores > 0 ? (unsigned)cores : 1;
	}
	r->storage = pool_new("store", 1, &run);
	r->workers = pool_new("verify", threads, NULL);
	r->keepers = pool_new("keep", 1, NULL);
	if (!r->storage || !r->workers || !r->keepers)
		return ERR_NOMEM;
	r->storage_event = storage_collector(r, r->storage);
	r->workers_event = storage_collector(r, r->workers);
	r->keepers_event = storage_collector(r, r->keepers);
	if (!r->storage_event || !r->workers_event || !r->keepers_event || intake_start(r) != OK)
		return ERR_NOMEM;
	return contents_start(r);
}

void storage_submit(struct relay *r, struct store_job *job)
{
	contents_flush(r); /* they came before */
	job->job.work = work;
	job->job.done = done;
	job->relay = r;
	job->result = OK;
	pool_submit(r->storage, &job->job);
}

static int scrub_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)writer;
	(void)forum;
	job->relay->writer.scrub = (struct scrub_job *)job;
	return OK;
}

void storage_scrubbed(struct relay *r, int result, const struct scrubbed *list, size_t count)
{
	r->scrubbing = false;
	if (result == OK)
		erasure_scrubbed(r, list, count);
	cosign_soon(r, NULL);
}

static void scrub_done(struct store_job *job)
{
	struct scrub_job *j = (struct scrub_job *)job;
	struct relay *r = job->relay;
	int err = job->result ? job->result : j->result;

	/* The store's files first: what is in them can come into the index. */
	if (!err && r->stopping)
		err = ERR_CLOSED;
	if (!err && r->searching && searching_erase(r, j->list, j->count)) {
		free(j);
		return;
	}
	if (!err && r->searching) {
		atomic_store(&r->writer.erased, true);
		atomic_store(&r->writer.indexed, false);
		err = ERR_NOMEM;
	}
	storage_scrubbed(r, err, j->list, j->count);
	free(j->list);
	free(j);
}

/* It is done when the run of jobs that this one is in has been committed; a reader may be in the
 * way, and then the housekeeping comes again. */
void storage_scrub(struct relay *r)
{
	struct scrub_job *j;

	if (r->scrubbing || r->stopping || !storage_erased(r))
		return;
	j = calloc(1, sizeof *j);
	if (!j)
		return;
	r->scrubbing = true;
	j->result = ERR_BUSY;
	j->job.run = scrub_run;
	j->job.done = scrub_done;
	storage_submit(r, &j->job);
}

/* What the workers finish may still be stored, and what is stored may give the workers more: both
 * until neither has anything. */
void storage_stop(struct relay *r)
{
	while (r->workers && r->storage && r->inboxing && r->keepers &&
	       (r->contents || r->accepted.first ||
		   pool_pending(r->workers) + pool_pending(r->storage) + pool_pending(r->inboxing) +
			   pool_pending(r->keepers) >
		       0)) {
		contents_flush(r);
		ingest_flush(r);
		pool_drain(r->keepers);
		pool_drain(r->workers);
		pool_drain(r->inboxing);
		pool_drain(r->storage);
	}
	if (r->workers_event)
		event_free(r->workers_event);
	if (r->keepers_event)
		event_free(r->keepers_event);
	if (r->storage_event)
		event_free(r->storage_event);
	if (r->inboxing_event)
		event_free(r->inboxing_event);
	if (r->contents_event)
		event_free(r->contents_event);
	pool_free(r->workers);
	pool_free(r->keepers);
	pool_free(r->inboxing);
	pool_free(r->storage);
	r->workers = r->storage = r->inboxing = r->keepers = NULL;
}
