/* SPDX-License-Identifier: BSD-2-Clause */
/* The steady state: how often an entry comes, what announcements cost, and how long delivery takes
 * beside flooding on the same graph. */
#include "tests/sim/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 1000
#define RATE 100 /* entries a second, in all */

struct sealed {
	uint64_t at;
	size_t origin;
};

struct run {
	struct world *w;
	size_t origins;
	struct sealed (*sealed)[ENTRIES + 2]; /* by origin and index */
	double *took, *flood;
	size_t took_count;
	bool measuring;
	uint64_t *reach; /* flooding: by origin and node */
};

static struct run run;

static void on_committed(
    struct world *w, struct node *n, struct carried *l, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; run.measuring && i < end; i++) {
		struct sealed *s = &run.sealed[l->org->number][i];

		if (n->org == l->org) {
			s->at = w->now;
		} else if (s->at > 0) {
			run.took[run.took_count] = (double)(w->now - s->at) / 1000;
			run.flood[run.took_count++] =
			    (double)run.reach[l->org->number * w->node_count + n->number] / 1000;
		}
	}
}

/* Flooding: every node sends on at once what it has stored. Dijkstra, with a plain array. */
static void flood(struct world *w, size_t origin, uint64_t *reach)
{
	bool *done = calloc(w->node_count, sizeof *done);

	for (size_t i = 0; i < w->node_count; i++)
		reach[i] = UINT64_MAX;
	reach[origin] = 0;
	for (;;) {
		size_t best = SIZE_MAX;

		for (size_t i = 0; i < w->node_count; i++) {
			if (!done[i] && reach[i] < UINT64_MAX &&
			    (best == SIZE_MAX || reach[i] < reach[best]))
				best = i;
		}
		if (best == SIZE_MAX)
			break;
		done[best] = true;
		for (size_t i = 0; i < w->nodes[best].end_count; i++) {
			const struct end *e = w->nodes[best].ends[i];
			const struct node *to = e->other->node;
			/* What a commit takes on average, and the answer. */
			uint64_t at = reach[best] + e->wire->latency + to->disk_us + 150;

			if (at < reach[to->number])
				reach[to->number] = at;
		}
	}
	free(done);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double q)
{
	return count ? values[(size_t)(q * (double)(count - 1))] : 0;
}

/* A ring, and chords by chance until the degree is right on average. */
static struct world *mesh(size_t nodes, size_t degree, size_t origins)
{
	size_t count = nodes * degree / 2;
	struct world *w = world_new(nodes * 100 + degree, nodes, nodes, nodes, 1, count);
	struct rng r = rng_new(w->seed, 7, 0);

	w->quiet_checks = true;
	for (size_t i = 0; i < nodes; i++) {
		node_init(w, &w->nodes[i], (unsigned)i, w->orgs[i]);
		w->nodes[i].reader_only = i >= origins;
	}
	for (size_t i = 0; i < count; i++) {
		size_t a = i < nodes ? i : rng_below(&r, nodes),
		       b = i < nodes ? (i + 1) % nodes : rng_below(&r, nodes);
		bool known = a == b;

		for (size_t k = 0; k < i; k++) {
			size_t x = w->wires[k].end[0].node->number,
			       y = w->wires[k].end[1].node->number;

			known |= (x == a && y == b) || (x == b && y == a);
		}
		if (known && i >= nodes) {
			i--;
			continue;
		}
		wire_init(w, &w->wires[i], (unsigned)i, &w->nodes[a], &w->nodes[b]);
		w->wires[i].latency = 5 * MS + rng_below(&r, 95 * MS);
	}
	for (size_t i = 0; i < nodes; i++)
		node_start(&w->nodes[i]);
	for (size_t i = 0; i < count; i++)
		wire_connect_soon(w, &w->wires[i], rng_below(&r, 2 * SECOND));
	return w;
}

static bool equal(struct world *w)
{
	uint8_t first[HASH_LEN], other[HASH_LEN];

	sync_frontier(w->nodes[0].sync, first);
	for (size_t i = 1; i < w->node_count; i++) {
		sync_frontier(w->nodes[i].sync, other);
		if (memcmp(first, other, HASH_LEN) != 0)
			return false;
	}
	return true;
}

static void measure(size_t nodes, size_t degree)
{
	size_t origins = nodes < 100 ? nodes : 100, wires = nodes * degree / 2;
	struct world *w = mesh(nodes, degree, origins);
	struct rng r = rng_new(w->seed, 8, 0);
	uint64_t announces, announced, data, posted = w->now;
	double median, flooded;

	memset(&run, 0, sizeof run);
	run.w = w;
	run.origins = origins;
	run.sealed = calloc(origins, sizeof *run.sealed);
	run.took = calloc(ENTRIES * nodes, sizeof *run.took);
	run.flood = calloc(ENTRIES * nodes, sizeof *run.flood);
	run.reach = calloc(origins * nodes, sizeof *run.reach);
	if (!run.sealed || !run.took || !run.flood || !run.reach)
		abort();
	for (size_t i = 0; i < origins; i++)
		flood(w, i, run.reach + i * nodes);
	w->committed = on_committed;
	while (world_run(w, w->now + SECOND) && !equal(w) && w->now < posted + 300 * SECOND)
		;
	world_run(w, w->now + 30 * SECOND);
	run.measuring = true;
	announces = w->bytes[FRAME_ANNOUNCE];
	announced = w->frames[FRAME_ANNOUNCE];
	data = w->data_entries;
	posted = w->now;
	for (size_t i = 0; i < ENTRIES && !w->failed; i++) {
		world_run(w, w->now + SECOND / RATE);
		node_post(&w->nodes[rng_below(&r, origins)], KIND_POST, bytes_of(NULL, 0),
		    bytes_of(NULL, 0));
	}
	while (world_run(w, w->now + SECOND) && run.took_count < ENTRIES * (nodes - 1) &&
	       w->now < posted + 300 * SECOND)
		;
	announces = w->bytes[FRAME_ANNOUNCE] - announces;
	announced = w->frames[FRAME_ANNOUNCE] - announced;
	qsort(run.took, run.took_count, sizeof *run.took, by_value);
	qsort(run.flood, run.took_count, sizeof *run.flood, by_value);
	median = quantile(run.took, run.took_count, 0.5);
	flooded = quantile(run.flood, run.took_count, 0.5);
	printf("%5zu %6zu %9.3f %9.1f %8.0f %8.0f %8.0f %8.0f %6.2f  %s\n", nodes, degree,
	    (double)(w->data_entries - data) / ENTRIES / (double)(nodes - 1),
	    (double)announces / ENTRIES / (double)(wires - (nodes - 1)), median,
	    quantile(run.took, run.took_count, 0.99), flooded,
	    quantile(run.flood, run.took_count, 0.99), median / flooded,
	    w->failed                                 ? w->failure
	    : run.took_count == ENTRIES * (nodes - 1) ? ""
						      : "NOT ALL ARRIVED");
	fflush(stdout);
	free(run.sealed);
	free(run.took);
	free(run.flood);
	free(run.reach);
	world_free(w);
}

static void head(void)
{
	printf("The steady state: 1,000 entries from 100 origins (10 of 10), 100 a second, 30 s "
	       "after all were equal.\n"
	       "Links of 5 to 100 ms one way; a commit takes 2 ms. `received`: times that an entry "
	       "came to a node, on\n"
	       "average. `announce`: bytes of ANNOUNCE per entry and lazy link (a link less those "
	       "of one tree), both\n"
	       "directions. Delivery until durable, in ms, beside flooding that stores before it "
	       "sends on.\n\n"
	       "nodes degree  received  announce   median      p99    flood      p99  ratio\n");
}

void table_steady_small(void)
{
	head();
	for (size_t nodes = 10; nodes <= 100; nodes *= 10) {
		for (size_t degree = 4; degree <= 8; degree += 4)
			measure(nodes, degree);
	}
}

void table_steady(void)
{
	table_steady_small();
	measure(1000, 4);
	measure(1000, 8);
}
