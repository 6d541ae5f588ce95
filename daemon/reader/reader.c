/* SPDX-License-Identifier: BSD-2-Clause */
/* The store as another process sees it: its state, its logs, and the entries of a page. Entries are
 * stored in runs of up to 256, and those of a thread lie together: a few runs are kept. */
#include "daemon/reader/reader_inside.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "store/views.h"

/* Of the process: that a reader was closed and another opened is a new state, too. */
static _Atomic uint64_t states;

int reader_open(struct reader **out, const char *path, const char *own)
{
	struct reader *r = calloc(1, sizeof *r);
	int err;

	*out = NULL;
	if (!r || strlen(own) > ORG_NAME_MAX) {
		free(r);
		return r ? ERR_INVALID : ERR_NOMEM;
	}
	strcpy(r->own, own);
	err = store_open(&r->store, &store_sqlite, path, STORE_READ_ONLY | STORE_MAPPED);
	if (err) {
		free(r);
		return err == ERR_SCHEMA ? ERR_NOTFOUND : err;
	}
	*out = r;
	return OK;
}

static void runs_forget(struct reader *r)
{
	for (size_t i = 0; i < READER_RUNS; i++)
		r->runs[i].log = 0;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	store_close(r->store);
	measure_table_clear(&r->measures);
	for (size_t i = 0; i < READER_RUNS; i++)
		buffer_free(&r->runs[i].leaves);
	free(r->logs);
	free(r);
}

struct store *reader_store(struct reader *r)
{
	return r->store;
}

const uint8_t *reader_forum(const struct reader *r)
{
	return r->forum;
}

/* ---- logs ---- */

static int log_add(void *ctx, const struct store_log *log)
{
	struct reader *r = ctx;
	struct reader_log *l;
	struct bytes organisation;
	uint64_t number;
	uint8_t digest[DIGEST_LEN];
	char key[MEASURE_KEY_MAX];

	if (r->log_count == r->log_cap) {
		size_t cap = r->log_cap == 0 ? 16 : 2 * r->log_cap;
		struct reader_log *logs = realloc(r->logs, cap * sizeof *logs);

		if (!logs)
			return ERR_NOMEM;
		r->logs = logs;
		r->log_cap = cap;
	}
	l = &r->logs[r->log_count];
	*l = (struct reader_log){
	    .no = log->no, .size = log->size, .folded = log->folded, .state = log->state};
	if (log_name_parse(bytes_str(log->name), &organisation, digest, &number) != OK ||
	    organisation.len > ORG_NAME_MAX ||
	    binding_make(&l->binding, r->forum, bytes_str(log->name)) != OK)
		return ERR_STORE;
	memcpy(l->organisation, organisation.data, organisation.len);
	l->number = (uint32_t)number;
	measure_carry_key(key, l->organisation);
	l->carried = !measure_table_find(&r->measures, key);
	r->log_count++;
	return OK;
}

const struct reader_log *reader_log(struct reader *r, uint32_t no)
{
	size_t lo = 0, hi = r->log_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->logs[mid].no == no)
			return &r->logs[mid];
		if (r->logs[mid].no < no)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct reader_log *reader_log_next(struct reader *r, const struct reader_log *after)
{
	size_t next = after ? (size_t)(after - r->logs) + 1 : 0;

	return next < r->log_count ? &r->logs[next] : NULL;
}

/* ---- a page ---- */

static int forum_read(struct reader *r)
{
	struct buffer forum = BUFFER_INIT;
	int err = r->store->ops->meta_get(r->store, "forum", &forum);

	if (!err && forum.len == HASH_LEN)
		memcpy(r->forum, forum.data, HASH_LEN);
	else if (!err)
		err = forum.failed ? ERR_NOMEM : ERR_STORE;
	buffer_free(&forum);
	return err;
}

/* Somebody has committed since the last page. */
static int look_again(struct reader *r)
{
	struct store *s = r->store;
	int current = views_current(s), err = current < 0 ? current : current ? OK : ERR_NOTFOUND;

	if (!err)
		err = forum_read(r);
	if (!err)
		err = measure_table_update(&r->measures, s);
	/* A log may have been cut, and have other entries where these were. */
	runs_forget(r);
	r->log_count = 0;
	if (!err)
		err = s->ops->log_each(s, log_add, r);
	return err;
}

int reader_begin(struct reader *r, uint64_t *state)
{
	struct store *s = r->store;
	uint64_t version;
	int err = s->ops->begin(s);

	if (err)
		return err;
	/* Asking is what takes the snapshot. */
	err = s->ops->version(s, &version);
	if (!err && (r->state == 0 || version != r->version)) {
		r->state = 0;
		err = look_again(r);
		if (!err) {
			r->version = version;
			r->state = atomic_fetch_add(&states, 1) + 1;
		}
	}
	if (err)
		s->ops->rollback(s);
	else
		*state = r->state;
	r->budget = SIZE_MAX;
	return err;
}

void reader_budget(struct reader *r, size_t bytes)
{
	r->budget = bytes;
}

void reader_end(struct reader *r)
{
	r->store->ops->commit(r->store);
}

/* ---- entries ---- */

static int run_read(struct reader *r, struct reader_run *run, uint32_t log, uint64_t number)
{
	size_t pos = 0;
	struct bytes leaf;
	int err;

	run->log = 0;
	buffer_reset(&run->leaves);
	err = r->store->ops->read(
	    r->store, log, number * READER_RUN, READER_RUN, SIZE_MAX, &run->leaves, &run->count);
	if (!err && run->leaves.failed)
		err = ERR_NOMEM;
	if (!err && run->count > READER_RUN)
		err = ERR_STORE;
	for (size_t i = 0; i < run->count && !err; i++) {
		run->at[i] = (uint32_t)pos;
		err = leaves_next(buffer_bytes(&run->leaves), &pos, &leaf);
	}
	if (err)
		return err;
	run->log = log;
	run->number = number;
	return OK;
}

int reader_entry(struct reader *r, uint32_t log, uint64_t index, struct bytes *leaf)
{
	struct reader_run *run = NULL;
	uint64_t number = index / READER_RUN;
	size_t pos;
	int err = OK;

	for (size_t i = 0; i < READER_RUNS && !run; i++)
		if (r->runs[i].log == log && r->runs[i].number == number)
			run = &r->runs[i];
	if (!run) {
		run = &r->runs[0];
		for (size_t i = 1; i < READER_RUNS; i++)
			if (r->runs[i].used < run->used)
				run = &r->runs[i];
		err = run_read(r, run, log, number);
	}
	if (err)
		return err;
	run->used = ++r->uses;
	if (index % READER_RUN >= run->count)
		return ERR_STORE;
	pos = run->at[index % READER_RUN];
	return leaves_next(buffer_bytes(&run->leaves), &pos, leaf);
}

/* ---- measures ---- */

const char *reader_hidden(
    struct reader *r, const uint8_t id[static ID_LEN], const struct author *author)
{
	return measure_table_hides(&r->measures, r->own, id, author);
}

uint64_t reader_measures(const struct reader *r)
{
	return r->measures.operations;
}

const char *reader_uncarried(struct reader *r, size_t n)
{
	for (size_t i = 0; i < r->measures.count; i++) {
		const char *key = r->measures.rows[i].key;

		if (strncmp(key, MEASURE_CARRY, strlen(MEASURE_CARRY)) == 0 && n-- == 0)
			return key + strlen(MEASURE_CARRY);
	}
	return NULL;
}
