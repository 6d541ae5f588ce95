/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of an emulated link: what is dropped, and when the rest arrives. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/federation/link.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static bool flow_grow(struct flow *f)
{
	size_t cap = f->cap ? 2 * f->cap : 64;
	struct piece *ring = malloc(cap * sizeof *ring);

	if (!ring)
		return false;
	for (size_t i = 0; i < f->count; i++)
		ring[i] = f->ring[(f->first + i) % f->cap];
	free(f->ring);
	f->ring = ring;
	f->first = 0;
	f->cap = cap;
	return true;
}

uint64_t flow_queued(const struct flow *f, const struct lane *lane, uint64_t now)
{
	if (lane->settings.rate == 0 || f->free_at <= now)
		return 0;
	return (uint64_t)((double)(f->free_at - now) / 8e9 * (double)lane->settings.rate);
}

bool flow_enter(struct flow *f, struct lane *lane, const void *data, size_t len, uint64_t now)
{
	const struct settings *s = &lane->settings;
	struct counts *c = &lane->counts;
	uint64_t queued = flow_queued(f, lane, now);
	struct piece *p;
	uint64_t due;

	c->in++;
	c->in_bytes += len;
	if (s->down) {
		c->cut++;
		return false;
	}
	if (s->loss > 0 && erand48(lane->chance) < s->loss) {
		c->lost++;
		return false;
	}
	if ((s->rate > 0 && queued + len > s->queue) || f->count >= WAITING_MAX ||
	    (f->count == f->cap && !flow_grow(f))) {
		c->full++;
		return false;
	}
	p = &f->ring[(f->first + f->count) % f->cap];
	p->data = malloc(len);
	if (!p->data) {
		c->full++;
		return false;
	}
	memcpy(p->data, data, len);
	p->len = len;
	if (f->free_at < now)
		f->free_at = now;
	if (s->rate > 0)
		f->free_at += (uint64_t)((double)len * 8e9 / (double)s->rate);
	if (queued + len > c->queue && s->rate > 0)
		c->queue = queued + len;
	/* A delay that becomes shorter does not let later ones overtake. */
	due = f->free_at + s->delay;
	if (due < f->last_due)
		due = f->last_due;
	p->due = f->last_due = due;
	f->bytes += len;
	f->count++;
	return true;
}

struct piece *flow_first(struct flow *f)
{
	return f->count > 0 ? &f->ring[f->first] : NULL;
}

void flow_shift(struct flow *f)
{
	struct piece *p = &f->ring[f->first];

	f->bytes -= p->len;
	free(p->data);
	f->first = (f->first + 1) % f->cap;
	f->count--;
}

void flow_clear(struct flow *f)
{
	while (f->count > 0)
		flow_shift(f);
	free(f->ring);
	*f = (struct flow){.ring = NULL};
}
