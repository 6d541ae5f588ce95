/* SPDX-License-Identifier: BSD-2-Clause */
/* What a seed means: a list of parts (nodes, wires, posts, faults), each of which can be left out
 * and the rest still makes sense. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE (600 * SECOND)
#define TRAFFIC_RATE 10

static struct part *add(struct plan *p, enum part_kind kind, uint64_t at, uint64_t a, uint64_t b,
    uint64_t c, uint64_t d)
{
	if (p->count == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->parts = realloc(p->parts, p->cap * sizeof *p->parts);
		if (!p->parts)
			abort();
	}
	p->parts[p->count] = (struct part){kind, at, a, b, c, d, false};
	return &p->parts[p->count++];
}

/* ---- who there is ---- */

static size_t size_of(uint64_t seed, struct rng *r)
{
	/* Of the first MIX some are large, and one is very large. Then one in fifty is large: so
	 * thousands can be run. */
	bool small = seed <= MIX ? seed <= MIX_SMALL : seed % 50 != 0;

	return small ? 3 + rng_below(r, 10) : seed == MIX ? 200 : 30 + rng_below(r, 31);
}

static void add_wire(struct plan *p, struct rng *r, uint64_t a, uint64_t b)
{
	static const uint64_t rates[] = {0, 0, 10000, 1000, 300, 60};
	uint64_t latency = rng_chance(r, 200000) ? 100 + rng_below(r, 200) : 1 + rng_below(r, 60);
	uint64_t loss = rng_chance(r, 400000) ? rng_below(r, 20000) : 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct part *o = &p->parts[i];

		if (o->kind == PART_WIRE && ((o->a == a && o->b == b) || (o->a == b && o->b == a)))
			return;
	}
	if (a != b) {
		add(p, PART_WIRE, 0, a, b, latency, rates[rng_below(r, 6)] << 32 | loss);
		p->wires++;
	}
}

/* Beside those that chance takes among liars' seeds. */
static bool forks(uint64_t seed)
{
	return seed % 9 == 4;
}

static void people(struct plan *p, struct rng *r)
{
	bool liars = rng_chance(r, 600000), twins = forks(p->seed);
	uint64_t lies[256] = {0};
	size_t honest = 0, order[256];

	for (size_t i = 0; i < p->nodes; i++) {
		/* Founders are honest here, so that there is somebody who admits. */
		if (liars && i >= p->founders && rng_chance(r, 300000)) {
			lies[i] = UINT64_C(1) << rng_below(r, LIE_KINDS);
			if (rng_chance(r, 300000))
				lies[i] |= UINT64_C(1) << rng_below(r, LIE_KINDS);
			if (lies[i] & LIE_FORK)
				lies[i] = 0; /* twins come below */
		}
		if (lies[i] == 0)
			order[honest++] = i;
	}
	for (size_t i = 0; i < p->nodes; i++)
		add(p, PART_NODE, 0, i, lies[i], i, 0);
	/* One organisation that is two nodes. */
	if (liars && rng_chance(r, 250000))
		twins = true;
	if (twins && p->nodes > 5 && lies[p->nodes - 1] == 0 && lies[p->nodes - 2] == 0 &&
	    p->founders < p->nodes - 2) {
		p->parts[p->nodes - 1].b = p->parts[p->nodes - 2].b = LIE_FORK;
		p->parts[p->nodes - 1].c = p->nodes - 2;
		lies[p->nodes - 1] = lies[p->nodes - 2] = LIE_FORK;
		honest -= 2;
	}
	/* The honest ones hang together without the others. */
	for (size_t i = 1; i < honest; i++)
		add_wire(p, r, order[i], order[rng_below(r, i)]);
	for (size_t i = 0; i < honest / 2 + rng_below(r, honest + 1); i++) {
		/* In C arguments are evaluated in any order: chance is drawn in statements. */
		size_t b = order[rng_below(r, honest)], a = order[rng_below(r, honest)];

		add_wire(p, r, a, b);
	}
	for (size_t i = 0; i < p->nodes; i++) {
		/* Some stand where all come by: nearer than anybody, and linked to many. */
		bool hub = lies[i] && rng_chance(r, 400000);
		size_t links = hub ? 6 : 1 + rng_below(r, 3);

		for (size_t k = 0; lies[i] && k < links; k++) {
			size_t before = p->count;

			add_wire(p, r, i, order[rng_below(r, honest)]);
			if (hub && p->count > before) {
				p->parts[before].c = 1;
				p->parts[before].d = 0;
			}
		}
	}
	for (size_t i = p->founders; i < p->nodes; i++) {
		uint64_t at = SECOND + (rng_chance(r, 500000) ? 0 : rng_below(r, 20 * SECOND));

		for (uint64_t k = 0; k < 2 && k < p->founders; k++)
			add(p, PART_ADMIT, at + rng_below(r, 3 * SECOND), (i + k) % p->founders, i,
			    0, 0);
	}
}

/* One organisation is the last two nodes. The others are parted meanwhile, or not; its two
 * histories begin alike, or not, and are as long as each other, or not. */
static void two_histories(struct plan *p, uint64_t length)
{
	struct rng r = rng_new(p->seed, 6, 0);
	uint64_t a = p->nodes - 2, b = p->nodes - 1;
	size_t count = p->count;

	if (rng_chance(&r, 400000))
		p->parts[b].d = 2 * SECOND + rng_below(&r, length / 2);
	if (rng_chance(&r, 500000)) {
		for (size_t i = 0; i < count; i++) {
			struct part o = p->parts[i];

			if (o.kind == PART_POST && (o.a == a || o.a == b))
				add(p, PART_POST, o.at, o.a == a ? b : a, o.b, o.c, rng_next(&r));
		}
	}
	if (rng_chance(&r, 700000)) {
		uint64_t mask = rng_next(&r);

		mask = (mask | UINT64_C(1) << a % 64) & ~(UINT64_C(1) << b % 64);
		add(p, PART_PARTITION, SECOND + SECOND / 2, mask,
		    length / 2 + rng_below(&r, length / 2), 0, 0);
	}
	if (rng_chance(&r, 600000)) {
		uint64_t at = SECOND + length / 2 + rng_below(&r, length / 2 + 10 * SECOND);

		add(p, PART_SUCCESSOR, at, a, 0, 0, rng_next(&r));
		for (size_t i = 0; i < 3; i++) {
			uint64_t node = rng_below(&r, p->nodes);

			add(p, PART_CRASH, at + rng_below(&r, 14 * SECOND), node,
			    rng_below(&r, SECOND), 0, 0);
		}
	}
}

/* ---- what happens ---- */

static void posts(struct plan *p, struct rng *r, uint64_t length)
{
	size_t n = p->nodes + rng_below(r, 2 * p->nodes);
	bool large = rng_chance(r, 150000);

	for (size_t i = 0; i < n; i++) {
		uint64_t at = SECOND + rng_below(r, length), node = rng_below(r, p->nodes);
		uint64_t count = rng_chance(r, 100000) ? 20 + rng_below(r, 300)
						       : 1 + rng_below(r, 5);
		uint64_t size = rng_chance(r, 600000)   ? rng_below(r, 1000)
				: rng_chance(r, 700000) ? rng_below(r, 20000)
							: rng_below(r, large ? 900000 : 150000);

		if (rng_chance(r, 5000)) { /* more than a credit */
			count = 2500 + rng_below(r, 2000);
			size = 0;
			for (size_t k = 0; k < 2; k++) {
				uint64_t factor = 100 + rng_below(r, 300);

				add(p, PART_SLOW, at, rng_below(r, p->nodes), factor, 8 * SECOND,
				    0);
			}
		}
		if (count > 20 && size > 2000)
			size = 2000;
		/* Thin lines would take hours for what so many write, and a liar for what it drips.
		 */
		if (p->nodes > 60) {
			size /= 64;
			count = count > 20 ? 20 : count;
		}
		add(p, PART_POST, at, node, count, size, rng_next(r));
		if (rng_chance(r, 250000)) {
			uint64_t which = rng_next(r);

			add(p, PART_ERASE, at + rng_below(r, 10 * SECOND), node, which, 0, 0);
		}
	}
}

static void faults(struct plan *p, struct rng *r, uint64_t length)
{
	size_t n = rng_below(r, p->nodes * 2 + 1);

	for (size_t i = 0; i < n; i++) {
		uint64_t at = SECOND + rng_below(r, length), took = rng_below(r, 15 * SECOND);
		uint64_t node = rng_below(r, p->nodes), wire = rng_below(r, p->wires);

		switch (rng_below(r, 7)) {
		case 0:
			add(p, PART_CRASH, at, node, took / 3, 0, 0);
			break;
		case 1:
			add(p, PART_CUT, at, wire, 1 + rng_below(r, 3), took, 0);
			break;
		case 2:
			add(p, PART_PARTITION, at, rng_next(r), took, 0, 0);
			break;
		case 3:
		case 4:
			add(p, PART_BREAK, at, wire, rng_below(r, 2), 0, 0);
			break;
		case 5:
			add(p, PART_SLOW, at, node, 2 + rng_below(r, 200), took, 0);
			break;
		default:
			add(p, PART_FAIL, at, node, 1 + rng_below(r, 4), 0, 0);
		}
	}
}

struct plan *plan_new(uint64_t seed)
{
	struct plan *p = calloc(1, sizeof *p);
	struct rng r = rng_new(seed, 1, 0);
	uint64_t length;

	if (!p)
		abort();
	p->seed = seed;
	p->nodes = size_of(seed, &r);
	p->founders = rng_chance(&r, 500000) ? p->nodes : 2 + rng_below(&r, p->nodes - 1);
	if (forks(seed) && p->nodes > 5 && p->founders + 2 >= p->nodes)
		p->founders = 2 + seed % (p->nodes - 4); /* liars are none */
	length = 5 * SECOND + rng_below(&r, 40 * SECOND);
	people(p, &r);
	posts(p, &r, length);
	faults(p, &r, length);
	if (p->parts[p->nodes - 1].b & LIE_FORK)
		two_histories(p, length);
	p->end = SECOND + length + 16 * SECOND;
	return p;
}

void plan_free(struct plan *p)
{
	if (p)
		free(p->parts);
	free(p);
}

void plan_print(const struct plan *p, FILE *out)
{
	static const char *const kinds[PART_KINDS] = {"node", "wire", "post", "erase", "admit",
	    "crash", "cut", "partition", "break", "slow disk", "failing disk", "successor"};

	fprintf(out, "seed %" PRIu64 ": %zu nodes, %zu founders\n", p->seed, p->nodes, p->founders);
	for (size_t i = 0; i < p->count; i++) {
		const struct part *part = &p->parts[i];

		if (part->out)
			continue;
		fprintf(out, "%4zu  %7.3f  %-12s", i, (double)part->at / 1e6, kinds[part->kind]);
		switch (part->kind) {
		case PART_NODE:
			fprintf(out, " n%" PRIu64, part->a);
			if (part->c != part->a)
				fprintf(out, ", also called n%" PRIu64, part->c);
			for (unsigned k = 0; k < LIE_KINDS; k++)
				fprintf(out, "%s%s", part->b >> k & 1 ? ": " : "",
				    part->b >> k & 1 ? lie_name(k) : "");
			break;
		case PART_WIRE:
			fprintf(out,
			    " n%" PRIu64 " - n%" PRIu64 ", %" PRIu64 " ms, %" PRIu64
			    " kB/s, loss %.2f%%",
			    part->a, part->b, part->c, part->d >> 32,
			    (double)(part->d & UINT32_MAX) / 1e4);
			break;
		case PART_POST:
			fprintf(out, " n%" PRIu64 ": %" PRIu64 " of up to %" PRIu64 " bytes",
			    part->a, part->b, part->c);
			break;
		case PART_ADMIT:
			fprintf(out, " n%" PRIu64 " admits n%" PRIu64, part->a, part->b);
			break;
		case PART_CUT:
			fprintf(out, " wire %" PRIu64 ", sides %" PRIu64 ", %.3f s", part->a,
			    part->b, (double)part->c / 1e6);
			break;
		case PART_CRASH:
			fprintf(out, " n%" PRIu64 ", %.3f s", part->a, (double)part->b / 1e6);
			break;
		case PART_SLOW:
			fprintf(out, " n%" PRIu64 ", %" PRIu64 " times, %.3f s", part->a, part->b,
			    (double)part->c / 1e6);
			break;
		case PART_FAIL:
			fprintf(out, " n%" PRIu64 ", %" PRIu64 " commits", part->a, part->b);
			break;
		case PART_BREAK:
			fprintf(out, " wire %" PRIu64, part->a);
			break;
		case PART_PARTITION:
			fprintf(out, " for %.3f s", (double)part->b / 1e6);
			break;
		default:
			fprintf(out, " n%" PRIu64, part->a);
		}
		putc('\n', out);
	}
}

/* ---- running it ---- */

static struct node *node_at(struct world *w, uint64_t number)
{
	struct node *n = number < w->node_count ? &w->nodes[number] : NULL;

	return n && n->there ? n : NULL;
}

static struct wire *wire_at(struct world *w, uint64_t number)
{
	struct wire *x = number < w->wire_count ? &w->wires[number] : NULL;

	return x && x->there ? x : NULL;
}

static void do_post(struct node *n, const struct part *part)
{
	struct rng r = {part->d};
	struct buffer content = BUFFER_INIT;

	/* Of four letters, so that one text can be packed by another. */
	for (uint64_t i = 0; i < part->b; i++) {
		size_t len = part->c ? (size_t)rng_below(&r, part->c + 1) : 0;
		uint8_t *at;

		buffer_reset(&content);
		at = buffer_reserve(&content, len + 8);
		for (size_t k = 0; k < len; k += 8)
			put_u64(at + k, rng_next(&r) & UINT64_C(0x0303030303030303));
		content.len = len;
		node_post(n, KIND_POST, bytes_of(NULL, 0), buffer_bytes(&content));
	}
	buffer_free(&content);
}

static void do_erase(struct node *n, const struct part *part)
{
	struct org *o = n->org;
	struct target_body body = {.reason = 1};
	struct buffer encoded = BUFFER_INIT;
	size_t i;

	if (o->post_count < 2 || n->org->forked)
		return;
	i = 1 + part->b % (o->post_count - 1);
	if (!o->posts[i].accepted || o->posts[i].index == 0 || o->posts[i].erase_asked)
		return;
	o->posts[i].erase_asked = true;
	body.target.present = true;
	memcpy(body.target.log, o->credential.binding.digest, DIGEST_LEN);
	memcpy(body.target.id, o->posts[i].id, ID_LEN);
	if (erase_body_encode(&encoded, &body) == OK)
		node_post(n, KIND_ERASE, buffer_bytes(&encoded), bytes_of(NULL, 0));
	buffer_free(&encoded);
}

static void do_admit(struct world *w, struct node *n, const struct part *part)
{
	const struct org *o = w->orgs[part->b];
	struct admit_body body = {.name = bytes_str(o->name)};
	struct buffer encoded = BUFFER_INIT;

	memcpy(body.root_key, o->root.public, KEY_LEN);
	if (admit_body_encode(&encoded, &body) == OK)
		node_post(n, KIND_ADMIT, buffer_bytes(&encoded), bytes_of(NULL, 0));
	buffer_free(&encoded);
}

static void on_restart(struct world *w, void *what, uint64_t number)
{
	(void)w;
	(void)number;
	node_start(what);
}

static void on_heal(struct world *w, void *what, uint64_t sides)
{
	wire_cut(w, what, (unsigned)sides, false);
}

static void on_quick(struct world *w, void *what, uint64_t number)
{
	(void)w;
	(void)number;
	((struct node *)what)->disk_slow = 0;
}

static void do_partition(struct world *w, const struct part *part)
{
	for (size_t i = 0; i < w->wire_count; i++) {
		struct wire *x = &w->wires[i];
		uint64_t a = part->a >> (x->end[0].node->number % 64) & 1,
			 b = part->a >> (x->end[1].node->number % 64) & 1;

		if (!x->there || a == b)
			continue;
		wire_cut(w, x, 3, true);
		event_at(w, w->now + part->b, on_heal, x, 3);
	}
}

static void on_part(struct world *w, void *what, uint64_t number)
{
	const struct part *part = what;
	struct node *n = node_at(w, part->a);
	struct wire *x = wire_at(w, part->a);

	(void)number;
	switch (part->kind) {
	case PART_POST:
		if (n && n->up)
			do_post(n, part);
		break;
	case PART_ERASE:
		if (n && n->up)
			do_erase(n, part);
		break;
	case PART_ADMIT:
		if (n && !n->up) /* until it is heard */
			event_at(w, w->now + SECOND, on_part, what, 0);
		else if (n)
			do_admit(w, n, part);
		break;
	case PART_CRASH:
		if (n && n->up) {
			node_crash(n);
			event_at(w, w->now + part->b, on_restart, n, 0);
		}
		break;
	case PART_CUT:
		if (x) {
			world_trace(w, "n%u - n%u: cut (%" PRIu64 ") for %.3f s",
			    x->end[0].node->number, x->end[1].node->number, part->b,
			    (double)part->c / 1e6);
			wire_cut(w, x, (unsigned)part->b, true);
			event_at(w, w->now + part->c, on_heal, x, part->b);
		}
		break;
	case PART_PARTITION:
		world_trace(w, "partition for %.3f s", (double)part->b / 1e6);
		do_partition(w, part);
		break;
	case PART_BREAK:
		if (x)
			wire_break(w, x, part->b);
		break;
	case PART_SLOW:
		if (n) {
			n->disk_slow = (unsigned)part->b;
			event_at(w, w->now + part->c, on_quick, n, 0);
		}
		break;
	case PART_FAIL:
		if (n)
			n->disk_fail = (unsigned)part->b;
		break;
	case PART_SUCCESSOR: {
		struct rng r = {part->d};

		if (!fork_succeed(w, w->orgs[part->a], &r) && !w->calm)
			event_at(w, w->now + SECOND, on_part, what, 0);
		break;
	}
	default:
		break;
	}
}

/* Some ask for packed contents. With many nodes their windows would be more than a machine holds.
 */
static void pack(struct world *w, struct wire *x)
{
	for (unsigned i = 0; i < 2 && w->node_count <= 60; i++) {
		struct rng r = rng_new(w->seed, 5, 2 * x->number + i);

		x->end[i].asks = rng_chance(&r, 250000);
	}
}

static void build(struct world *w, const struct plan *p)
{
	unsigned wire = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct part *part = &p->parts[i];

		if (part->kind == PART_NODE) {
			struct node *n = &w->nodes[part->a];

			node_init(w, n, (unsigned)part->a, w->orgs[part->c]);
			n->there = !part->out;
			n->lies = (unsigned)part->b;
			w->nodes_lying += n->there && n->lies;
			n->disk_us = 200 + rng_below(&n->rng, 10000);
			n->stale_after = 5 * SECOND + rng_below(&n->rng, 20 * SECOND);
			if (n->lies & LIE_FORK)
				n->org->forked = true;
		} else if (part->kind == PART_WIRE) {
			struct wire *x = &w->wires[wire];

			wire_init(w, x, wire, &w->nodes[part->a], &w->nodes[part->b]);
			x->there = !part->out && x->end[0].node->there && x->end[1].node->there;
			x->latency = part->c * MS;
			x->jitter = part->c * MS / 4;
			x->rate = (part->d >> 32) * 1000;
			x->loss = (unsigned)part->d;
			pack(w, x);
			wire++;
		} else if (!part->out) {
			event_at(w, part->at, on_part, part, 0);
		}
	}
	for (size_t i = 0; i < w->node_count; i++) {
		if (w->nodes[i].there)
			event_at(w,
			    SECOND + rng_below(&w->nodes[i].rng, SECOND / 2) + p->parts[i].d,
			    on_restart, &w->nodes[i], 0);
	}
	for (size_t i = 0; i < w->wire_count; i++)
		wire_connect_soon(w, &w->wires[i], rng_below(&w->wires[i].end[0].rng, SECOND));
}

/* The last fault is over. Liars go on. */
static void calm(struct world *w)
{
	world_trace(w, "from here on nothing breaks");
	w->calm = true;
	for (size_t i = 0; i < w->wire_count; i++)
		wire_cut(w, &w->wires[i], 3, false);
	for (size_t i = 0; i < w->node_count; i++) {
		w->nodes[i].disk_slow = w->nodes[i].disk_fail = 0;
		if (w->nodes[i].there && !w->nodes[i].up)
			node_start(&w->nodes[i]);
	}
}

static void settle(struct world *w, struct buffer *why)
{
	uint64_t end = w->now + SETTLE;

	while (!w->failed && !check_settled(w, why)) {
		if (w->now > end) {
			world_fail(w, "not settled after %llu s without a fault: %s",
			    (unsigned long long)(SETTLE / SECOND), buffer_str(why));
			break;
		}
		world_run(w, w->now + SECOND / 2);
	}
}

/* All is delivered and nothing breaks; liars go on. Now what is posted must keep coming. */
static void traffic(struct world *w, struct buffer *why)
{
	struct rng r = rng_new(w->seed, 4, 0);

	world_trace(w, "from here on nobody may lag");
	for (size_t second = 0; !w->failed && second <= TRAFFIC_SECONDS; second++) {
		/* What came twice may still be on a thin line, and hold up what comes behind it. */
		w->steady = second >= LAG_SECONDS;
		/* So often that a liar who gives some logs never falls silent. */
		for (size_t i = 0; i < TRAFFIC_RATE; i++) {
			struct node *n = &w->nodes[rng_below(&r, w->node_count)];

			if (n->there && n->up && n->lies == 0)
				node_post(n, KIND_POST, bytes_of(NULL, 0), bytes_of(NULL, 0));
			world_run(w, w->now + SECOND / TRAFFIC_RATE);
		}
		if (!w->failed)
			check_lag(w, second);
	}
	settle(w, why);
}

bool plan_run(const struct plan *p, bool trace, char *failure)
{
	struct world *w = world_new(
	    p->seed, p->nodes, p->nodes, p->founders, p->founders < 2 ? 1 : 2, p->wires);
	struct buffer why = BUFFER_INIT;
	uint64_t took;
	bool ok;

	w->trace = trace;
	build(w, p);
	world_run(w, p->end);
	if (!w->failed)
		calm(w);
	settle(w, &why);
	took = w->now - p->end;
	if (w->nodes_lying && w->node_count <= 60)
		traffic(w, &why);
	if (!w->failed)
		world_run(w, w->now + 2 * SECOND);
	/* Members may have been admitted just now, whose logs come only then. */
	settle(w, &why);
	if (!w->failed)
		check_final(w);
	ok = !w->failed;
	if (ok)
		snprintf(failure, 512,
		    "settled %.1f s after the last fault, %" PRIu64 " events, %" PRIu64 " lies",
		    (double)took / 1e6, w->events, w->lies_told);
	else
		snprintf(failure, 512, "%s", w->failure);
	buffer_free(&why);
	world_free(w);
	return ok;
}
