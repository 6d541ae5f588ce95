/* SPDX-License-Identifier: BSD-2-Clause */
/* WATCH: what arrives, as it arrives. A cursor into the arrivals is all that a watcher costs;
 * nothing is queued for it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/answer.h"

#define WATCH_HOLD_MS 10000 /* wait this long for the content of something that arrived */
#define WATCH_BATCH 256

struct watch {
	uint32_t stream;
	uint64_t after;
	bool by_topic;
	uint8_t topic[ID_LEN];
	bool ends;
	uint64_t end;                   /* the last arrival that is asked for, where it ends */
	uint64_t held_upto, held_since; /* waiting for contents of arrivals up to this one */
};

/* Stop in front of an item whose content is still on its way, so that watchers get whole posts in
 * order; not for ever. */
static int watch_row(void *ctx, const struct item_row *row)
{
	struct answer *a = ctx;
	struct watch *w = a->session->watch;
	uint64_t now = clock_mono_ms();
	size_t count = a->count;
	int err;

	if (w->ends && row->arrival > w->end)
		return ERR_RANGE;
	if (a->bytes > ANSWER_BYTES) {
		a->stopped = true;
		return ERR_BUSY;
	}
	err = items_row(a, row);
	if (err)
		return err;
	/* Who asks for what is here is not kept waiting for what isn't. */
	if (!w->ends && ((Convene__Item *)a->list[count])->content_state ==
			    CONVENE__CONTENT_STATE__CONTENT_MISSING) {
		/* One wait for all that is here by now: whoever withholds many contents must not
		 * delay the others' posts by as many waits. */
		if (row->arrival > w->held_upto) {
			w->held_upto = row->arrival > a->session->relay->arrivals
					   ? row->arrival
					   : a->session->relay->arrivals;
			w->held_since = now;
		}
		if (now - w->held_since < WATCH_HOLD_MS) {
			a->count = count;
			return ERR_BUSY;
		}
	}
	w->after = row->arrival;
	return OK;
}

/* All of it was sent: nothing is watched any more. */
static void watch_end(struct session *s)
{
	Convene__Items m = CONVENE__ITEMS__INIT;

	m.last = true;
	m.arrival = s->watch->end;
	channel_send(s->channel, FRAME_ITEMS, s->watch->stream, &m.base);
	free(s->watch);
	s->watch = NULL;
}

static void watch_run(struct session *s)
{
	struct watch *w = s->watch;
	bool more = true, ended = w->ends && w->after >= w->end;

	while (more && !ended && w->after < s->relay->arrivals &&
	       channel_backlog(s->channel) < SYNC_BACKLOG && !channel_closing(s->channel)) {
		struct answer a = {.session = s, .stream = w->stream};
		uint64_t before = w->after;
		int err = query_arrivals(s->relay->reader, w->after, w->by_topic ? w->topic : NULL,
		    WATCH_BATCH, watch_row, &a);

		if (err && err != ERR_BUSY && err != ERR_RANGE)
			answer_error(s, w->stream, err, "post");
		else if (a.count > 0)
			items_flush(&a, false, 0);
		more = (err == OK || a.stopped) && w->after > before;
		/* Nothing of that topic up to here: don't look there again. */
		if (err == OK && w->after == before)
			w->after = s->relay->arrivals;
		ended = w->ends && (err == ERR_RANGE || w->after >= w->end);
		answer_end(&a);
	}
	if (ended)
		watch_end(s);
}

void clients_notify(struct relay *r)
{
	for (struct session *s = r->sessions; s; s = s->next) {
		if (s->watch)
			watch_run(s);
	}
}

void client_writable(struct session *s)
{
	if (s->watch)
		watch_run(s);
}

void watch_start(struct session *s, uint32_t stream, const Convene__Watch *m)
{
	uint64_t last = 0;
	int err = OK;

	if (!s->watch)
		s->watch = calloc(1, sizeof *s->watch);
	if (!s->watch) {
		client_error(s, stream, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	*s->watch = (struct watch){
	    .stream = stream, .after = m->after, .by_topic = m->topic.len > 0};
	if (m->topic.len > 0)
		err = query_resolve(s->relay->reader, bytes_of_pb(m->topic), s->watch->topic);
	if (!err)
		err = query_last_arrival(s->relay->reader, &last);
	if (err) {
		answer_error(s, stream, err, "topic");
		free(s->watch);
		s->watch = NULL;
		return;
	}
	if (s->relay->arrivals < last)
		s->relay->arrivals = last;
	if (s->watch->after > last)
		s->watch->after = last;
	s->watch->ends = m->end;
	s->watch->end = last;
	watch_run(s);
}
