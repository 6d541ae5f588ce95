/* SPDX-License-Identifier: BSD-2-Clause */
/* WATCH: what arrives, as it arrives. A cursor into the arrivals is all that a watcher costs;
 * nothing is queued for it, and what it gets is encoded once for all (pages.h). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/pages.h"

#define WATCH_HOLD_MS 10000       /* wait this long for the content of something that arrived */
#define WATCH_BACKLOG (64 * 1024) /* nothing more is sent to one whose output holds this */
#define WATCH_TURN (128 * 1024)   /* bytes sent at once to one; the rest goes by the loop */
#define ROUND_MS 20    /* what a round may take at a time; the rest has its turn in between */
#define WATCH_NEAR 256 /* arrivals: who watches a topic takes its part of everybody's pages */
/* What waits for all watchers, unless they all have nothing in their outputs. */
#define WATCH_TOTAL ((size_t)32 << 20)
#define WATCH_CRAMPED 16384 /* bytes for one, where there is more than that */

struct watch {
	struct session *session;
	struct watch *next, **at;
	uint32_t stream;
	uint64_t after;
	bool by_topic;
	uint8_t topic[ID_LEN];
	bool ends;
	uint64_t end;                   /* the last arrival that is asked for, where it ends */
	uint64_t held_upto, held_since; /* waiting for contents of arrivals up to this one */
};

/* The part of a page that goes to a watcher: pieces of its bytes. */
struct part {
	struct bytes runs[PAGE_ROWS];
	size_t count, bytes;
	bool held; /* up to something that is waited for */
	bool over; /* up to the end of what is asked for */
};

void watch_drop(struct session *s)
{
	struct watch *w = s->watch;

	if (!w)
		return;
	if (s->relay->watch_next == w)
		s->relay->watch_next = w->next;
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	free(w);
	s->watch = NULL;
}

/* Stop in front of an item whose content is still on its way, so that watchers get whole posts in
 * order; not for ever. Who asks for what is here is not kept waiting for what isn't. */
static bool is_held(struct watch *w, const struct page_item *item)
{
	uint64_t now;

	if (!item->missing || w->ends)
		return false;
	now = clock_mono_ms();
	/* One wait for all that is here by now: whoever withholds many contents must not delay the
	 * others' posts by as many waits. */
	if (item->arrival > w->held_upto) {
		uint64_t arrivals = w->session->relay->arrivals;

		w->held_upto = item->arrival > arrivals ? item->arrival : arrivals;
		w->held_since = now;
	}
	return now - w->held_since < WATCH_HOLD_MS;
}

/* Whether it would be held by the next item without a content. */
static bool waits(const struct watch *w)
{
	return !w->ends &&
	       (w->after >= w->held_upto || clock_mono_ms() - w->held_since < WATCH_HOLD_MS);
}

static size_t item_begin(const struct page *p, size_t i)
{
	return i > 0 ? p->items[i - 1].end : FRAME_HEADER_LEN;
}

static void part_add(struct part *part, const struct page *p, size_t i)
{
	const uint8_t *begin = p->frame.data + item_begin(p, i);
	size_t len = p->items[i].end - item_begin(p, i);
	struct bytes *last = part->count > 0 ? &part->runs[part->count - 1] : NULL;

	if (last && last->data + last->len == begin)
		last->len += len;
	else
		part->runs[part->count++] = bytes_of(begin, len);
	part->bytes += len;
}

/* Take what is this watcher's, no more than `room` bytes begin in, and move its cursor. */
static void part_take(struct watch *w, const struct page *p, size_t room, struct part *part)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct page_item *item = &p->items[i];

		if (item->arrival <= w->after)
			continue;
		part->over = w->ends && item->arrival > w->end;
		if (part->over || part->bytes >= room)
			return;
		if (!w->by_topic || p->by_topic || memcmp(item->topic, w->topic, ID_LEN) == 0) {
			part->held = is_held(w, item);
			if (part->held)
				return;
			part_add(part, p, i);
		}
		w->after = item->arrival;
	}
	w->after = p->upto;
}

/* Whether there may be more to do. */
static bool watch_step(struct session *s, size_t *sent)
{
	struct watch *w = s->watch;
	const struct relay *r = s->relay;
	bool near = r->arrivals - w->after <= WATCH_NEAR;
	bool cramped = r->pages_bytes > WATCH_TOTAL, at_once = *sent < WATCH_TURN;
	struct part part = {.count = 0};
	struct page *p;
	int err;

	if (cramped && channel_backlog(s->channel) > 0)
		return false;
	err = page_get(s,
	    &(struct page_want){.after = w->after,
		.topic = w->by_topic && !near ? w->topic : NULL,
		.stream = w->stream,
		.waits = waits(w)},
	    &p);
	if (err) {
		answer_error(s, w->stream, err, "post");
		return false;
	}
	part_take(w, p, cramped ? WATCH_CRAMPED : SIZE_MAX, &part);
	if (part.bytes == p->frame.len - FRAME_HEADER_LEN && part.bytes > 0)
		page_send(s, w->stream, p, at_once);
	else if (part.bytes > 0)
		page_send_some(s, w->stream, p, part.runs, part.count, at_once);
	*sent += part.bytes;
	if (part.over)
		w->after = w->end;
	return !part.held;
}

/* All of it was sent: nothing is watched any more. */
static void watch_end(struct session *s)
{
	Convene__Items m = CONVENE__ITEMS__INIT;

	m.last = true;
	m.arrival = s->watch->end;
	channel_send(s->channel, FRAME_ITEMS, s->watch->stream, &m.base);
	watch_drop(s);
}

static bool has_more(const struct session *s)
{
	const struct watch *w = s->watch;

	return w->after < s->relay->arrivals && !(w->ends && w->after >= w->end) &&
	       channel_backlog(s->channel) < WATCH_BACKLOG && !channel_closing(s->channel);
}

static void watch_run(struct session *s)
{
	const struct watch *w = s->watch;
	size_t sent = 0;

	while (has_more(s) && watch_step(s, &sent))
		;
	if (w->ends && w->after >= w->end)
		watch_end(s);
}

/* All of them once, from where the last turn ended. */
static void round_go_on(struct relay *r)
{
	static const struct timeval next_turn = {0, 0};
	uint64_t began = clock_mono_ms();

	/* Also where nobody watches: what was erased is not kept for nothing. */
	pages_look(r);
	while (r->watch_next) {
		struct watch *w = r->watch_next;

		r->watch_next = w->next;
		watch_run(w->session);
		if (clock_mono_ms() - began >= ROUND_MS)
			break;
	}
	if (!r->watch_next && r->watch_again) {
		r->watch_again = false;
		r->watch_next = r->watches;
	}
	if (r->watch_next)
		event_add(r->watch_event, &next_turn);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	round_go_on(arg);
}

int watch_begin(struct relay *r)
{
	r->watch_event = event_new(r->base, -1, 0, on_turn, r);
	return r->watch_event ? OK : ERR_NOMEM;
}

void clients_notify(struct relay *r)
{
	/* Those who had their turn in the round under way have it again. */
	if (r->watch_next) {
		r->watch_again = true;
		return;
	}
	r->watch_next = r->watches;
	round_go_on(r);
}

void client_writable(struct session *s)
{
	if (!s->watch || !has_more(s))
		return;
	pages_look(s->relay);
	watch_run(s);
}

static struct watch *watch_new(struct session *s)
{
	struct watch *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->next = s->relay->watches;
	w->at = &s->relay->watches;
	if (w->next)
		w->next->at = &w->next;
	s->relay->watches = s->watch = w;
	return w;
}

void watch_start(struct session *s, uint32_t stream, const Convene__Watch *m)
{
	struct watch *w = s->watch ? s->watch : watch_new(s);
	uint64_t last = 0;
	int err = OK;

	if (!w) {
		client_error(s, stream, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	*w = (struct watch){.session = s,
	    .next = w->next,
	    .at = w->at,
	    .stream = stream,
	    .after = m->after,
	    .by_topic = m->topic.len > 0};
	if (w->by_topic)
		err = query_resolve(s->relay->reader, bytes_of_pb(m->topic), w->topic);
	if (!err)
		err = query_last_arrival(s->relay->reader, &last);
	if (err) {
		answer_error(s, stream, err, "topic");
		watch_drop(s);
		return;
	}
	if (s->relay->arrivals < last)
		s->relay->arrivals = last;
	if (w->after > last)
		w->after = last;
	w->ends = m->end;
	w->end = last;
	pages_look(s->relay);
	watch_run(s);
}
