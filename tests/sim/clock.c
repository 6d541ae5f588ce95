/* SPDX-License-Identifier: BSD-2-Clause */
/* Chance and order. */
#include "tests/sim/sim.h"

#include <stdlib.h>

/* splitmix64: every seed is as good as any other. */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct rng rng_new(uint64_t seed, uint64_t what, uint64_t number)
{
	struct rng r = {seed};

	r.state = rng_next(&r) ^ what;
	r.state = rng_next(&r) ^ number;
	r.state = rng_next(&r);
	return r;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool rng_chance(struct rng *r, unsigned in_million)
{
	return rng_below(r, 1000000) < in_million;
}

struct heap_event {
	uint64_t at, order;
	event_fn *fn;
	void *what;
	uint64_t number;
};

static bool before(const struct heap_event *a, const struct heap_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void event_at(struct world *w, uint64_t at, event_fn *fn, void *what, uint64_t number)
{
	struct heap_event e = {at < w->now ? w->now : at, w->order++, fn, what, number};
	size_t i = w->heap_count++;

	if (w->heap_count > w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 1024;
		w->heap = realloc(w->heap, w->heap_cap * sizeof *w->heap);
		if (!w->heap)
			abort();
	}
	while (i > 0 && before(&e, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = e;
}

static struct heap_event event_take(struct world *w)
{
	struct heap_event first = w->heap[0], last = w->heap[--w->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->heap_count) {
		if (child + 1 < w->heap_count && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	if (w->heap_count > 0)
		w->heap[i] = last;
	return first;
}

bool world_run(struct world *w, uint64_t until)
{
	while (!w->failed && w->heap_count > 0 && w->heap[0].at <= until) {
		struct heap_event e = event_take(w);

		w->now = e.at;
		w->events++;
		e.fn(w, e.what, e.number);
	}
	if (!w->failed && w->now < until)
		w->now = until;
	return !w->failed;
}
