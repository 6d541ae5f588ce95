/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that watches, on a connection of its own, since a WATCH holds one. As `convene
 * follow`: the number of the last arrival is its only state. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/screen/worker_inside.h"

#define CONNECT_MS 30000
#define RETRY_S_MAX 60
#define STEADY_MS 60000 /* a connection that held so long was a good one */

struct watching {
	struct worker *w;
	struct client *c;
	uint64_t after; /* arrival; UINT64_MAX: where the node stands is to be asked */
};

static int number_take(void *ctx, const Convene__Items *items)
{
	if (items->last)
		*(uint64_t *)ctx = items->arrival;
	return OK;
}

static void items_tell(struct watching *x, struct frames *frames)
{
	struct news *n = news_new(NEWS_LIVE);
	struct trouble t;
	const Convene__Items *m = (const Convene__Items *)frames->list[0];

	for (size_t i = 0; i < m->n_items; i++)
		if (m->items[i]->arrival > x->after)
			x->after = m->items[i]->arrival;
	if (n && posts_take(&n->posts, frames, x->w->node.forum, NULL, &t) == OK)
		n->number = x->after;
	news_send(x->w, n);
}

static int watch(struct watching *x, struct trouble *t)
{
	Convene__Watch request = CONVENE__WATCH__INIT;
	struct news *n = news_new(NEWS_CONNECTED);
	uint32_t stream;
	int err = OK;

	if (x->after == UINT64_MAX)
		err = client_arrivals(x->c, UINT64_MAX, NULL, number_take, &x->after, t);
	if (n)
		n->number = x->after;
	if (err)
		news_free(n);
	else
		news_send(x->w, n);
	request.after = x->after;
	if (!err)
		err = client_send(x->c, FRAME_WATCH, &request.base, &stream, t);
	while (!err) {
		struct frames frames = {NULL, 0};
		ProtobufCMessage *m;

		err = client_next(x->c, stream, FRAME_ITEMS, 0, &m, t);
		if (!err && frames_add(&frames, m) == OK)
			items_tell(x, &frames);
		frames_free(&frames);
	}
	return err;
}

void *watch_run(void *worker)
{
	struct watching x = {.w = worker, .after = UINT64_MAX};
	unsigned pause = 1;

	for (;;) {
		uint64_t began = clock_mono_ms();
		struct trouble t;

		if (client_open(&x.c, &x.w->node, CONNECT_MS, &t) == OK) {
			watch(&x, &t);
			client_close(x.c);
			news_send(x.w, news_new(NEWS_CUT));
		}
		if (clock_mono_ms() - began > STEADY_MS)
			pause = 1;
		sleep(pause);
		pause = pause * 2 < RETRY_S_MAX ? pause * 2 : RETRY_S_MAX;
	}
	return NULL;
}
