/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching: a thread of low priority that keeps the index behind the views, and one that looks
 * things up for clients. Both have connections of their own, read-only, and share nothing with the
 * loop but the jobs that come and go. Web and news read the same index by themselves.
 *
 * An erasure is done here too (erasure.c): when the store's files are clean, what may still be in
 * the index is looked for, and only after that is anything said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/reader/measure.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/moderate.h"
#include "daemon/relay/report.h"
#include "search/index.h"
#include "search/search.h"

#define NICE 15
#define SLICE_MS 200  /* of work; then others of the same thread have their turn */
#define FIND_MS 300   /* for one page of results */
#define FIND_QUEUE 32 /* searches that may wait */
#define FIND_LIMIT 20
#define FIND_LIMIT_MAX 100
#define PATH_ROOM 4096

enum index_work { WORK_FOLLOW, WORK_ERASE, WORK_RESET };

struct index_job {
	struct job job;
	struct searching *searching;
	enum index_work what;
	int result;
	bool anew;             /* the index has begun anew */
	struct scrubbed *list; /* for erasure_scrubbed() */
	size_t count;
	struct search_state state; /* after it */
	uint64_t took_ms, before;  /* for how long, and from which position */
	uint64_t arrivals;         /* what was known to have arrived when it was asked for */
};

struct find_job {
	struct job job;
	struct searching *searching;
	struct session *session; /* NULL: it has gone */
	uint32_t stream;
	struct search_query *query;
	bool local; /* who may see what is hidden */
	uint64_t before, next;
	size_t limit, count;
	uint64_t arrivals[FIND_LIMIT_MAX];
	int result;
	struct find_job *after;
};

struct searching {
	struct relay *relay;
	char folder[PATH_ROOM], store_path[PATH_ROOM];
	char own[ORG_NAME_MAX + 1]; /* our organisation */
	struct pool *index_pool, *find_pool;
	struct event *index_event, *find_event;

	/* The index thread's. */
	struct search_writer *writer;
	struct store *index_store;
	struct search_pace pace;
	bool niced;

	/* The other thread's. */
	struct search *search;
	struct store *find_store;
	struct measure_table measures;

	/* The loop's. */
	bool following;
	int failed; /* the last error that was told */
	struct search_state state;
	uint64_t looked; /* all that had arrived by this number has been looked at */
	unsigned resets; /* under way */
	uint64_t rate;   /* messages a second, while it catches up */
	struct find_job *finding;
	size_t finding_count;
};

/* ---- the index thread ---- */

static int index_open(struct searching *s, bool *anew)
{
	int err = OK;

	if (!s->niced)
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	s->niced = true;
	if (!s->index_store)
		err = store_open(&s->index_store, &store_sqlite, s->store_path, STORE_READ_ONLY);
	if (!err && !s->writer) {
		err = search_writer_open(&s->writer, s->folder, anew);
		s->pace = (struct search_pace){0};
	}
	return err;
}

/* What an erasure needs is that nothing is left: also where no index can be kept. */
static int erase_without(struct searching *s)
{
	search_writer_close(s->writer);
	s->writer = NULL;
	return search_remove(s->folder);
}

static void index_work(struct job *job)
{
	struct index_job *j = (struct index_job *)job;
	struct searching *s = j->searching;
	uint64_t began = clock_mono_ms();

	j->result = index_open(s, &j->anew);
	if (!j->result) {
		j->before = search_writer_index(s->writer)->position;
		switch (j->what) {
		case WORK_FOLLOW:
			j->result = search_follow(s->writer, s->index_store, &s->pace, SLICE_MS);
			break;
		case WORK_ERASE:
			j->result = search_erase(s->writer, s->index_store);
			break;
		case WORK_RESET:
			j->result = search_writer_reset(s->writer);
			break;
		}
	}
	/* What is on disk, and not what was half made of it, is gone on with. */
	if (j->result != OK && j->result != 1 && j->what == WORK_ERASE)
		j->result = erase_without(s);
	if (s->writer)
		index_state(search_writer_index(s->writer), &j->state);
	j->took_ms = clock_mono_ms() - began;
}

/* ---- the loop ---- */

static void index_submit(struct searching *s, enum index_work what);

static void index_tell(struct searching *s, const struct index_job *j)
{
	bool bad = j->result != OK && j->result != 1;

	if (j->anew)
		log_info("the search index begins anew");
	if (bad && j->result != s->failed)
		log_warning("the search index can't be written: %s", error_text(j->result));
	s->failed = bad ? j->result : OK;
	s->state = j->state;
	if (j->what == WORK_FOLLOW && j->took_ms > 0 && j->state.position > j->before &&
	    j->took_ms >= SLICE_MS / 2)
		s->rate = (j->state.position - j->before) * 1000 / j->took_ms;
}

static void index_done(struct job *job)
{
	struct index_job *j = (struct index_job *)job;
	struct searching *s = j->searching;
	struct relay *r = s->relay;

	index_tell(s, j);
	if (j->what == WORK_RESET) {
		s->resets--;
		searching_follow(r);
	}
	if (j->what == WORK_FOLLOW) {
		if (j->result == OK && s->resets == 0)
			s->looked = j->arrivals;
		s->following = false;
		if (j->result == 1 && !r->stopping && !r->rebuilding)
			index_submit(s, WORK_FOLLOW);
	} else if (j->what == WORK_ERASE) {
		/* Else all of it again. */
		if (j->result != OK)
			atomic_store(&r->writer.erased, true);
		atomic_store(&r->writer.indexed, false);
		storage_scrubbed(r, j->result, j->list, j->count);
	}
	free(j->list);
	free(j);
}

static struct index_job *index_job_new(struct searching *s, enum index_work what)
{
	struct index_job *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->job.work = index_work;
	j->job.done = index_done;
	j->searching = s;
	j->what = what;
	j->arrivals = s->relay->arrivals;
	return j;
}

static void index_submit(struct searching *s, enum index_work what)
{
	struct index_job *j = index_job_new(s, what);

	if (!j)
		return;
	s->following |= what == WORK_FOLLOW;
	s->resets += what == WORK_RESET;
	pool_submit(s->index_pool, &j->job);
}

void searching_follow(struct relay *r)
{
	struct searching *s = r->searching;

	if (s && !s->following && !r->stopping && !r->rebuilding)
		index_submit(s, WORK_FOLLOW);
}

void searching_reset(struct relay *r)
{
	struct searching *s = r->searching;

	/* From here on, not from when its turn comes: what was begun before counts no more. */
	if (s) {
		s->looked = 0;
		index_submit(s, WORK_RESET);
	}
}

bool searching_erase(struct relay *r, struct scrubbed *list, size_t count)
{
	struct index_job *j = r->searching ? index_job_new(r->searching, WORK_ERASE) : NULL;

	if (!j)
		return false;
	j->list = list;
	j->count = count;
	pool_submit(r->searching->index_pool, &j->job);
	return true;
}

/* ---- looking up ---- */

static int find_one(void *ctx, const struct search_found *f)
{
	struct find_job *j = ctx;

	j->arrivals[j->count++] = f->row->arrival;
	return j->count == j->limit ? ERR_EXISTS : OK;
}

static int find_open(struct searching *s)
{
	int err = OK;

	if (!s->find_store)
		err = store_open(&s->find_store, &store_sqlite, s->store_path, STORE_READ_ONLY);
	return err || s->search ? err : search_open(&s->search, s->folder);
}

/* What is hidden from the one who asks must not count either, or `next` would say that it is there.
 * By the same measures as moderate.c, but those of the store: these are another thread's. */
static bool is_hidden(void *ctx, const struct item_row *row)
{
	const struct find_job *j = ctx;
	const struct searching *s = j->searching;

	return measure_table_hides(&s->measures, s->own, row->id, &row->author) != NULL;
}

static void find_work(struct job *job)
{
	struct find_job *j = (struct find_job *)job;
	struct searching *s = j->searching;
	struct search_ask ask = {.before = j->before,
	    .ms = FIND_MS,
	    .hidden = j->local ? NULL : is_hidden,
	    .found = find_one,
	    .ctx = j};

	j->result = find_open(s);
	if (!j->result)
		j->result = measure_table_update(&s->measures, s->find_store);
	if (!j->result)
		j->result = search_run(s->search, s->find_store, j->query, &ask, &j->next);
	if (j->result == ERR_EXISTS)
		j->result = OK;
	if (j->result) {
		search_close(s->search);
		s->search = NULL;
	}
}

static int found_row(void *ctx, const struct item_row *row, struct bytes lang)
{
	struct answer *a = ctx;
	const struct relay *r = a->session->relay;

	(void)lang;
	if (!a->session->local &&
	    (moderate_message(r, row->id, NULL) || moderate_author(r, &row->author)))
		return OK;
	return items_row(a, row);
}

static void find_answer(struct find_job *j)
{
	struct answer a = {.session = j->session, .stream = j->stream, .next = j->next};
	struct relay *r = j->searching->relay;
	int err = OK;

	for (size_t i = 0; i < j->count && !err; i++) {
		err = query_shown(r->reader, j->arrivals[i], found_row, &a);
		if (err == ERR_NOTFOUND)
			err = OK;
	}
	if (err)
		answer_error(j->session, j->stream, err, "search");
	else
		items_flush(&a, true, 0);
	answer_end(&a);
}

static void find_done(struct job *job)
{
	struct find_job *j = (struct find_job *)job, **at = &j->searching->finding;

	while (*at != j)
		at = &(*at)->after;
	*at = j->after;
	j->searching->finding_count--;
	if (!j->session || channel_closing(j->session->channel))
		;
	else if (j->result == ERR_NOTFOUND || j->result == ERR_SCHEMA)
		client_error(j->session, j->stream, CONVENE__CODE__BUSY,
		    "the search index of this node is being made; try again in a moment");
	else if (j->result)
		answer_error(j->session, j->stream, j->result, "search");
	else
		find_answer(j);
	search_query_free(j->query);
	free(j);
}

static bool is_finding(const struct searching *s, const struct session *session)
{
	for (const struct find_job *j = s->finding; j; j = j->after)
		if (j->session == session)
			return true;
	return false;
}

static void find_submit(
    struct session *s, uint32_t stream, struct search_query *query, const Convene__Search *m)
{
	struct searching *f = s->relay->searching;
	struct find_job *j = calloc(1, sizeof *j);

	if (!j) {
		search_query_free(query);
		answer_error(s, stream, ERR_NOMEM, "search");
		return;
	}
	j->job.work = find_work;
	j->job.done = find_done;
	j->searching = f;
	j->session = s;
	j->local = s->local;
	j->stream = stream;
	j->query = query;
	j->before = m->before ? m->before : UINT64_MAX;
	j->limit = m->limit == 0               ? FIND_LIMIT
		   : m->limit > FIND_LIMIT_MAX ? FIND_LIMIT_MAX
					       : m->limit;
	j->after = f->finding;
	f->finding = j;
	f->finding_count++;
	pool_submit(f->find_pool, &j->job);
}

void search_get(struct session *s, uint32_t stream, const Convene__Search *m)
{
	struct searching *f = s->relay->searching;
	struct search_query *query;
	char text[256];
	const char *why = NULL;
	int err;

	if (!f) {
		client_error(s, stream, CONVENE__CODE__NOT_FOUND, "this node has no search");
		return;
	}
	if (f->finding_count >= FIND_QUEUE || is_finding(f, s)) {
		client_error(s, stream, CONVENE__CODE__BUSY, "other searches are under way");
		return;
	}
	err = search_parse(&query, bytes_of_pb(m->query), &why);
	if (err == ERR_NOMEM) {
		answer_error(s, stream, err, "search");
	} else if (err) {
		snprintf(text, sizeof text, "that can't be searched for: %s", why);
		client_error(s, stream, CONVENE__CODE__MALFORMED, text);
	} else {
		find_submit(s, stream, query, m);
	}
}

void searching_session_closed(struct session *s)
{
	for (struct find_job *j = s->relay->searching ? s->relay->searching->finding : NULL; j;
	     j = j->after)
		if (j->session == s)
			j->session = NULL;
}

/* ---- for the operator ---- */

json_t *searching_report(const struct relay *r)
{
	const struct searching *s = r->searching;
	const struct search_state *state = s ? &s->state : NULL;

	if (!s)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "position",
	    (json_int_t)state->position, "arrivals", (json_int_t)r->arrivals, "texts",
	    (json_int_t)state->texts, "missing", (json_int_t)state->missing, "bytes",
	    (json_int_t)state->bytes, "segments", (json_int_t)state->segments, "per_second",
	    (json_int_t)s->rate, "behind", r->rebuilding || s->looked < r->arrivals, "trouble",
	    report_text(s->failed ? error_text(s->failed) : NULL));
}

/* ---- start and end ---- */

static void on_collect(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pool_collect(arg);
}

static struct event *collector(struct relay *r, struct pool *pool)
{
	struct event *e = pool ? event_new(
				     r->base, pool_fd(pool), EV_READ | EV_PERSIST, on_collect, pool)
			       : NULL;

	if (e && event_add(e, NULL) != 0) {
		event_free(e);
		e = NULL;
	}
	return e;
}

int searching_start(struct relay *r)
{
	struct searching *s = calloc(1, sizeof *s);

	if (!s)
		return ERR_NOMEM;
	s->relay = r;
	snprintf(s->own, sizeof s->own, "%s", r->conf->node.name);
	snprintf(s->folder, sizeof s->folder, "%s/search", r->conf->node.data);
	snprintf(s->store_path, sizeof s->store_path, "%s/convene.db", r->conf->node.data);
	if (!r->conf->node.search) {
		int err = search_remove(s->folder);

		if (err)
			log_error("%s can't be removed, and may hold what is erased: %s", s->folder,
			    error_text(err));
		free(s);
		return err;
	}
	r->searching = s;
	s->index_pool = pool_new("index", 1, NULL);
	s->find_pool = pool_new("search", 1, NULL);
	s->index_event = collector(r, s->index_pool);
	s->find_event = collector(r, s->find_pool);
	return s->index_event && s->find_event ? OK : ERR_NOMEM;
}

void searching_stop(struct relay *r)
{
	struct searching *s = r->searching;

	if (!s)
		return;
	if (s->index_event)
		event_free(s->index_event);
	if (s->find_event)
		event_free(s->find_event);
	for (struct find_job *j = s->finding; j; j = j->after)
		j->session = NULL;
	pool_free(s->index_pool);
	pool_free(s->find_pool);
	search_writer_close(s->writer);
	search_close(s->search);
	store_close(s->index_store);
	store_close(s->find_store);
	measure_table_clear(&s->measures);
	r->searching = NULL;
	free(s);
}
