/* SPDX-License-Identifier: BSD-2-Clause */
/* Small facts of the store, written together. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"

struct fact {
	char *key;
	struct buffer value;
	bool drops;
};

struct facts {
	struct store_job job;
	struct fact *list;
	size_t count;
	bool failed; /* no memory */
	void (*done)(struct relay *r, void *ctx, int err);
	void *ctx;
};

struct facts *facts_new(void)
{
	return calloc(1, sizeof(struct facts));
}

static struct fact *fact_add(struct facts *f, const char *key)
{
	struct fact *grown = realloc(f->list, (f->count + 1) * sizeof *grown);

	if (grown) {
		f->list = grown;
		grown[f->count] = (struct fact){.key = strdup(key)};
	}
	if (!grown || !grown[f->count].key) {
		f->failed = true;
		return NULL;
	}
	return &f->list[f->count++];
}

void facts_put(struct facts *f, const char *key, struct bytes value)
{
	struct fact *fact = fact_add(f, key);

	if (!fact)
		return;
	buffer_add(&fact->value, value.data, value.len);
	f->failed |= fact->value.failed;
}

void facts_drop(struct facts *f, const char *key)
{
	struct fact *fact = fact_add(f, key);

	if (fact)
		fact->drops = true;
}

static int facts_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct facts *f = (struct facts *)job;
	int err = f->failed ? ERR_NOMEM : OK;

	(void)forum;
	for (size_t i = 0; i < f->count && !err; i++) {
		const struct fact *fact = &f->list[i];

		err = fact->drops
			  ? writer->ops->meta_drop(writer, fact->key)
			  : writer->ops->meta_put(writer, fact->key, buffer_bytes(&fact->value));
	}
	/* All of them or none. */
	return f->failed ? err : forum_spoilt(job, err);
}

static void facts_done(struct store_job *job)
{
	struct facts *f = (struct facts *)job;

	if (f->done)
		f->done(job->relay, f->ctx, job->result);
	for (size_t i = 0; i < f->count; i++) {
		free(f->list[i].key);
		buffer_free(&f->list[i].value);
	}
	free(f->list);
	free(f);
}

void facts_keep(
    struct relay *r, struct facts *f, void (*done)(struct relay *r, void *ctx, int err), void *ctx)
{
	f->done = done;
	f->ctx = ctx;
	f->job.run = facts_run;
	f->job.done = facts_done;
	storage_submit(r, &f->job);
}
