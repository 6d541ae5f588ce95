/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/live.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/web/web_inside.h"

#define LOOK_MS 200
#define BEAT_MS 20000   /* servers in front end what is silent for a minute */
#define BATCH 128       /* arrivals at a look; the next ones at the next */
#define BEHIND_MAX 1000 /* who has missed more is told to load the page again */
#define BATCHES_MAX 16  /* at a look, for those who are behind */

struct listener {
	struct live *live;
	struct listener *prev, *next;
	struct exchange *x;
	bool by_topic, by_thread;
	uint8_t topic[ID_LEN], thread[ID_LEN];
	uint64_t after; /* told up to here */
	bool behind;    /* what comes isn't told; what came since `after` is, at each look */
};

struct live {
	struct web *web;
	struct listener *first;
	unsigned count, max;
	struct event *timer;
	uint64_t state,
	    last;      /* of the store; the newest arrival told to those who are not behind */
	uint64_t beat; /* mono ms: the last */
};

static void on_gone(void *ctx)
{
	struct listener *one = ctx;
	struct live *l = one->live;

	if (one->prev)
		one->prev->next = one->next;
	else
		l->first = one->next;
	if (one->next)
		one->next->prev = one->prev;
	if (--l->count == 0)
		event_del(l->timer);
	free(one);
}

static bool wants(const struct listener *one, const struct item_row *row)
{
	return row->arrival > one->after &&
	       (!one->by_topic || memcmp(one->topic, row->topic, ID_LEN) == 0) &&
	       (!one->by_thread || memcmp(one->thread, row->thread, ID_LEN) == 0);
}

static struct bytes event_of(char room[static 400], const struct item_row *row)
{
	char id[2 * ID_LEN + 1], topic[2 * ID_LEN + 1], thread[2 * ID_LEN + 1];
	int n;

	hex_encode(id, row->id, ID_LEN);
	hex_encode(topic, row->topic, ID_LEN);
	hex_encode(thread, row->thread, ID_LEN);
	n = snprintf(room, 400,
	    "id: %llu\nevent: item\n"
	    "data: {\"id\":\"%s\",\"kind\":%u,\"topic\":\"%s\",\"thread\":\"%s\"}\n\n",
	    (unsigned long long)row->arrival, id, row->kind, topic, thread);
	return bytes_of(room, (size_t)n);
}

struct telling {
	struct live *live;
	struct listener *one; /* alone; NULL: all who aren't behind */
	size_t count;
	bool over;
};

/* ERR_BUSY: its reader has to take some first. */
static int tell_one(struct telling *t, const struct item_row *row)
{
	struct listener *one = t->one;
	char room[400];

	if (wants(one, row)) {
		if (exchange_is_behind(one->x))
			return ERR_BUSY;
		t->over = !exchange_write(one->x, event_of(room, row));
		if (t->over)
			return ERR_CLOSED;
	}
	one->after = row->arrival;
	return OK;
}

static int tell(void *ctx, const struct item_row *row)
{
	struct telling *t = ctx;
	struct live *l = t->live;
	struct bytes text = {NULL, 0};
	char room[400];

	t->count++;
	if (t->one)
		return tell_one(t, row);
	for (struct listener *one = l->first, *next; one; one = next) {
		next = one->next;
		if (one->behind || !wants(one, row))
			continue;
		if (exchange_is_behind(one->x)) {
			one->behind = true;
			one->after = row->arrival - 1;
			continue;
		}
		if (text.len == 0)
			text = event_of(room, row);
		one->after = row->arrival;
		exchange_write(one->x, text); /* may be the end of it */
	}
	l->last = row->arrival;
	return OK;
}

/* Somebody who is behind: some of what was missed, or, where that is too much, that it is. The
 * listener may be gone afterwards. Within web_begin(). */
static void go_on(struct live *l, struct listener *one)
{
	struct telling t = {.live = l, .one = one};
	char text[100];
	int err, n;

	if (exchange_is_behind(one->x))
		return;
	if (one->after < l->last && l->last - one->after > BEHIND_MAX) {
		one->after = l->last;
		one->behind = false;
		n = snprintf(text, sizeof text,
		    "id: %llu\nevent: reload\ndata: {\"arrival\":%llu}\n\n",
		    (unsigned long long)l->last, (unsigned long long)l->last);
		exchange_write(one->x, bytes_of(text, (size_t)n));
		return;
	}
	err = query_arrivals(reader_store(l->web->reader), one->after,
	    one->by_topic ? one->topic : NULL, BATCH, tell, &t);
	if (t.over)
		return;
	/* The looks go on from l->last for all. */
	one->behind = err != OK || t.count == BATCH;
	if (!one->behind && one->after < l->last)
		one->after = l->last;
}

static void beat(struct live *l)
{
	if (clock_mono_ms() - l->beat < BEAT_MS)
		return;
	l->beat = clock_mono_ms();
	for (struct listener *one = l->first, *next; one; one = next) {
		next = one->next;
		exchange_write(one->x, bytes_str(":\n\n"));
	}
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct live *l = ctx;
	struct telling t = {.live = l};
	unsigned batches = 0;
	uint64_t state;

	(void)fd;
	(void)what;
	beat(l);
	if (!l->first || web_begin(l->web, &state) != OK)
		return;
	if (state != l->state) {
		struct store *s = reader_store(l->web->reader);
		int err = query_arrivals(s, l->last, NULL, BATCH, tell, &t);

		/* A full batch: there is more. */
		if (!err && t.count < BATCH)
			l->state = state;
	}
	for (struct listener *one = l->first, *next; one && batches < BATCHES_MAX; one = next) {
		next = one->next;
		if (one->behind) {
			batches++;
			go_on(l, one);
		}
	}
	web_end(l->web);
}

/* "at": where it begins. What was missed since `after` comes behind it, if it isn't too much. */
static void catch_up(struct live *l, struct listener *one, uint64_t after)
{
	char text[100];
	int n = snprintf(text, sizeof text,
	    "retry: 5000\nid: %llu\nevent: at\ndata: {\"arrival\":%llu}\n\n",
	    (unsigned long long)(after < l->last ? after : l->last), (unsigned long long)l->last);

	one->after = l->last;
	if (!exchange_write(one->x, bytes_of(text, (size_t)n)) || after >= l->last)
		return;
	one->after = after;
	one->behind = true;
	go_on(l, one);
}

int live_begin(
    struct live *l, struct exchange *x, const uint8_t *topic, const uint8_t *thread, uint64_t after)
{
	struct timeval tv = {0, LOOK_MS * 1000};
	struct listener *one;
	uint64_t state;

	if (l->count >= l->max || web_begin(l->web, &state) != OK)
		return 503;
	one = calloc(1, sizeof *one);
	if (one && l->count == 0 &&
	    query_last_arrival(reader_store(l->web->reader), &l->last) == OK)
		l->state = state;
	if (!one) {
		web_end(l->web);
		return 503;
	}
	one->live = l;
	one->x = x;
	one->by_topic = topic != NULL;
	one->by_thread = thread != NULL;
	if (topic)
		memcpy(one->topic, topic, ID_LEN);
	if (thread)
		memcpy(one->thread, thread, ID_LEN);
	one->next = l->first;
	if (l->first)
		l->first->prev = one;
	l->first = one;
	if (l->count++ == 0) {
		l->beat = clock_mono_ms();
		event_add(l->timer, &tv);
	}
	exchange_later(x, on_gone, one);
	if (exchange_stream(x, respond_stream_fields(l->web->respond)))
		catch_up(l, one, after);
	web_end(l->web);
	return 0;
}

int live_new(struct live **out, struct web *w)
{
	struct live *l = *out = calloc(1, sizeof *l);

	if (!l)
		return ERR_NOMEM;
	l->web = w;
	l->timer = event_new(w->base, -1, EV_PERSIST, on_look, l);
	if (l->timer)
		return OK;
	free(l);
	*out = NULL;
	return ERR_NOMEM;
}

void live_limit(struct live *l, unsigned listeners)
{
	l->max = listeners;
}

void live_free(struct live *l)
{
	if (!l)
		return;
	event_free(l->timer);
	free(l);
}
