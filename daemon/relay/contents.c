/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents on their way to the store: what comes while it is at work is one job, since one for each
 * would cost more than storing it. Where the store has nothing to do it gets what has come in this
 * turn of the loop; any other job, and a full batch, send it off too: so the store thread still
 * does everything in the order in which it was asked. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/state.h"

#define BATCH_ITEMS 1024
#define BATCH_BULK 256
#define MORE_MS 2
#define BATCH_BYTES ((size_t)1024 * 1024)
#define STORED_BYTES (2 * BATCH_BYTES) /* kept for others who wait for them */

/* Where in `bytes` an item has its message, its content, and its end. */
struct place {
	size_t message, content, end;
};

struct content_batch {
	struct store_job job;
	size_t count, cap;
	bool waited; /* for more */
	struct store_content *items;
	struct place *places;
	struct buffer bytes;
	struct content_batch *next; /* stored before it */
};

static void batch_free(struct content_batch *b)
{
	buffer_free(&b->bytes);
	free(b->items);
	free(b->places);
	free(b);
}

static int by_key(const void *a, const void *b)
{
	const struct store_content *x = a, *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static int batch_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct content_batch *b = (struct content_batch *)job;
	int err;

	qsort(b->items, b->count, sizeof *b->items, by_key);
	err = writer->ops->contents_put(writer, b->items, b->count);
	for (size_t i = 0; i < b->count && !err; i++) {
		struct store_content *c = &b->items[i];

		/* Erased here: it isn't wanted any more, whatever the entry's first reading said.
		 */
		if (c->result == ERR_REFUSED &&
		    writer->ops->content_drop(writer, c->log, c->index, c->id, false) != OK)
			c->result = ERR_STORE;
		if (c->result == OK)
			err = forum_spoilt(job,
			    forum_content(forum, c->log, c->index, c->message, c->id, c->content));
	}
	return err;
}

static void stored_add(struct relay *r, struct content_batch *b)
{
	size_t sum = b->bytes.len;

	b->next = r->stored;
	r->stored = b;
	for (; b->next; b = b->next) {
		sum += b->next->bytes.len;
		if (sum <= STORED_BYTES)
			continue;
		for (struct content_batch *next, *old = b->next; old; old = next) {
			next = old->next;
			batch_free(old);
		}
		b->next = NULL;
		return;
	}
}

static void batch_done(struct store_job *job)
{
	struct content_batch *b = (struct content_batch *)job;
	struct relay *r = job->relay;
	struct sync_stored stored[BATCH_ITEMS];
	uint32_t log = 0;

	size_t fresh = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct store_content *c = &b->items[i];
		int result = job->result != OK ? job->result : c->result;

		if (result == ERR_NOSPACE)
			r->read_only = true;
		fresh += result == OK;
		stored[i] = (struct sync_stored){
		    c->log, c->index, result == ERR_EXISTS ? OK : result};
	}
	for (size_t i = 0; job->result != OK && i < b->count; i++)
		b->items[i].result = job->result;
	burst_note(r, fresh);
	stored_add(r, b);
	sync_contents_committed(r->sync, stored, b->count, clock_mono_ms());
	for (size_t i = 0; i < b->count; i++) {
		if (b->items[i].log != log)
			cosign_soon(r, log_by_no(r, b->items[i].log));
		log = b->items[i].log;
	}
	clients_notify(r);
	burst_look(r);
}

void contents_stale(struct relay *r)
{
	while (r->stored) {
		struct content_batch *next = r->stored->next;

		batch_free(r->stored);
		r->stored = next;
	}
}

const struct store_content *contents_stored(const struct relay *r, uint32_t no, uint64_t index)
{
	const struct store_content key = {.log = no, .index = index}, *c = NULL;

	for (const struct content_batch *b = r->stored; b && !c; b = b->next)
		c = bsearch(&key, b->items, b->count, sizeof key, by_key);
	return c && c->result == OK ? c : NULL;
}

void contents_flush(struct relay *r)
{
	struct content_batch *b = r->contents;

	if (!b)
		return;
	r->contents = NULL;
	for (size_t i = 0; i < b->count; i++) {
		const struct place *p = &b->places[i];

		b->items[i].message = bytes_of(b->bytes.data + p->message, p->content - p->message);
		b->items[i].content = bytes_of(b->bytes.data + p->content, p->end - p->content);
	}
	storage_submit(r, &b->job);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	contents_idle(arg);
}

/* A batch of few costs as much as one of many. While the views of a long log wait for the rest of
 * it, so does this, but not for long: others may be waiting for theirs. */
static bool is_small(struct relay *r)
{
	static const struct timeval more = {0, MORE_MS * 1000};

	if (r->contents->waited || r->contents->count >= BATCH_BULK || !burst_holds_any(r))
		return false;
	r->contents->waited = true;
	event_add(r->contents_event, &more);
	return true;
}

void contents_idle(struct relay *r)
{
	if (r->contents && pool_pending(r->storage) == 0 && !is_small(r))
		contents_flush(r);
}

int contents_start(struct relay *r)
{
	r->contents_event = event_new(r->base, -1, 0, on_turn, r);
	return r->contents_event ? OK : ERR_NOMEM;
}

static struct content_batch *batch_new(struct relay *r)
{
	struct content_batch *b = calloc(1, sizeof *b);

	if (!b)
		abort(); /* sync counts on an answer */
	b->job.run = batch_run;
	b->job.done = batch_done;
	b->job.adds = true;
	buffer_reserve(
	    &b->bytes, r->stored ? r->stored->bytes.len : 0); /* as many may come again */
	if (b->bytes.failed)                                  /* not needed, only hoped for */
		buffer_reset(&b->bytes);
	event_active(r->contents_event, EV_TIMEOUT, 1);
	return b;
}

void contents_add(struct relay *r, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes message, struct bytes content)
{
	struct content_batch *b = r->contents ? r->contents : batch_new(r);
	struct store_content *c;
	struct place *p;

	r->contents = b;
	if (b->count == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 16;
		b->items = realloc(b->items, b->cap * sizeof *b->items);
		b->places = realloc(b->places, b->cap * sizeof *b->places);
		if (!b->items || !b->places)
			abort();
	}
	c = &b->items[b->count];
	p = &b->places[b->count];
	*c = (struct store_content){.log = no, .index = index};
	memcpy(c->id, id, ID_LEN);
	memcpy(c->salt, salt, SALT_LEN);
	p->message = b->bytes.len;
	buffer_add(&b->bytes, message.data, message.len);
	p->content = b->bytes.len;
	buffer_add(&b->bytes, content.data, content.len);
	p->end = b->bytes.len;
	if (b->bytes.failed)
		abort();
	if (++b->count == BATCH_ITEMS || b->bytes.len >= BATCH_BYTES)
		contents_flush(r);
	else if (b->count == BATCH_BULK && b->waited)
		contents_idle(r);
}
