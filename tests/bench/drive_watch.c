/* SPDX-License-Identifier: BSD-2-Clause */
/* Subscribers. Of what they are shown only as much is looked at as tells which post it is, whether
 * its text is there, and whether each came once and in order: a thousand of them share this
 * process. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/bench/drive.h"

#define WATCH_STREAM 1
#define ASKED_STREAM 2
#define WATCH_SECONDS 60

static size_t asked;
static bool done;

/* ---- reading ITEMS ---- */

struct scan {
	const uint8_t *at, *end;
};

struct field {
	uint32_t number;
	uint64_t value;
	struct bytes bytes;
};

static uint64_t varint(struct scan *s)
{
	uint64_t value = 0;

	for (unsigned shift = 0; s->at < s->end && shift < 64; shift += 7) {
		uint8_t byte = *s->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	die("ITEMS does not parse");
}

static bool field_next(struct scan *s, struct field *f)
{
	uint64_t tag;

	if (s->at == s->end)
		return false;
	tag = varint(s);
	*f = (struct field){.number = (uint32_t)(tag >> 3), .value = varint(s)};
	if ((tag & 7) == 0)
		return true;
	if ((tag & 7) != 2 || f->value > (uint64_t)(s->end - s->at))
		die("ITEMS does not parse");
	f->bytes = bytes_of(s->at, (size_t)f->value);
	s->at += f->value;
	return true;
}

static struct scan scan_of(struct bytes b)
{
	return (struct scan){b.data, b.data + b.len};
}

/* Numbers are those of Item in convene.proto. */
static void item_take(struct watcher *w, struct bytes item)
{
	struct scan s = scan_of(item);
	struct bytes message = {NULL, 0};
	uint64_t arrival = 0, state = 0;
	struct field f;
	struct post *p;

	while (field_next(&s, &f)) {
		if (f.number == 3)
			message = f.bytes;
		else if (f.number == 6)
			state = f.value;
		else if (f.number == 11)
			arrival = f.value;
	}
	if (arrival <= w->after && w->after != UINT64_MAX) {
		w->repeated++;
		return;
	}
	w->after = arrival;
	p = post_find(message);
	if (!p) {
		w->others++;
		return;
	}
	w->items++;
	w->bare += state != CONVENE__CONTENT_STATE__CONTENT_PRESENT;
	post_shown(p, w);
}

static void watch_frame(struct conn *c, const struct frame *frame)
{
	struct watcher *w = c->owner;
	struct scan s = scan_of(frame->payload);
	struct field f;

	if (frame->type == FRAME_CHARTER && frame->stream == ASKED_STREAM && !w->asked) {
		w->asked = true;
		done = ++asked == c->node->watcher_count;
		return;
	}
	if (frame->type != FRAME_ITEMS || frame->stream != WATCH_STREAM)
		conn_surprise(c, frame);
	while (field_next(&s, &f))
		if (f.number == 1)
			item_take(w, f.bytes);
}

/* ---- subscribing ---- */

static void watch_ask(struct conn *c)
{
	struct watcher *w = c->owner;
	Convene__Watch m = CONVENE__WATCH__INIT;

	m.after = w->after;
	channel_send(c->channel, FRAME_WATCH, WATCH_STREAM, &m.base);
	/* Requests are taken in order: once this is answered, the node watches for us. */
	if (!w->asked) {
		Convene__CharterGet get = CONVENE__CHARTER_GET__INIT;

		channel_send(c->channel, FRAME_CHARTER_GET, ASKED_STREAM, &get.base);
	}
}

static void watcher_open(size_t i, void *ctx)
{
	struct node *node = ctx;
	struct watcher *w = allocate(1, sizeof *w);

	(void)i;
	w->after = UINT64_MAX; /* only what comes */
	conn_open(&w->conn, node, watch_frame, w);
	w->conn.ready = watch_ask;
	node->watchers[node->watcher_count++] = w;
}

void watch_add(struct node *node, size_t count)
{
	node->watchers = realloc(
	    node->watchers, (node->watcher_count + count) * sizeof(struct watcher *));
	if (!node->watchers)
		die("out of memory");
	asked = node->watcher_count;
	done = count == 0;
	conn_open_all(count, watcher_open, node);
	loop_until(&done, WATCH_SECONDS);
}

/* What was sent to it and not taken yet is lost with its connection. */
static void drop_now(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;

	(void)fd;
	(void)what;
	w->dropping = false;
	conn_drop(&w->conn);
	conn_open(&w->conn, w->conn.node, watch_frame, w);
	w->conn.ready = watch_ask;
}

/* From the loop, since this may be called out of a callback of that very connection. */
bool watch_drop(struct watcher *w)
{
	struct timeval at_once = {0, 0};

	if (w->items == 0 || w->dropping || !w->conn.greeted)
		return false; /* it has no cursor yet, or is on its way back */
	w->drops++;
	w->dropping = true;
	if (event_base_once(drive.base, -1, EV_TIMEOUT, drop_now, w, &at_once) != 0)
		die("out of memory");
	return true;
}

void watch_leave(struct node *node)
{
	for (size_t i = 0; i < node->watcher_count; i++) {
		conn_leave(&node->watchers[i]->conn);
		free(node->watchers[i]);
	}
	node->watcher_count = 0;
}

void watch_reset(void)
{
	for (struct node *n = drive.nodes; n; n = n->next) {
		for (size_t i = 0; i < n->watcher_count; i++) {
			struct watcher *w = n->watchers[i];

			w->items = w->bare = w->repeated = w->others = 0;
			w->drops = 0;
		}
	}
}
