/* SPDX-License-Identifier: BSD-2-Clause */
/* The network: connections as TCP gives them. Bytes come reliably and in order, in pieces of any
 * size; what is lost is sent again and holds up what comes after it. A connection may break, and
 * then one side may know it long before the other. What is cut off is not lost at once: it arrives
 * when the cut is healed, unless the connection was given up before. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define SOCKET (256 * 1024) /* bytes that the kernel takes off a node's hands */
#define SEGMENT 1448
#define OUTPUT_MAX (16 * 1024 * 1024)

struct packet {
	struct packet *next;
	struct end *to;
	unsigned life;
	bool garbage;
	struct buffer bytes;
};

static void packet_free(struct packet *p)
{
	buffer_free(&p->bytes);
	free(p);
}

static void held_drop(struct end *e)
{
	while (e->held) {
		struct packet *p = e->held;

		e->held = p->next;
		packet_free(p);
	}
	e->held_last = &e->held;
}

void wire_init(struct world *w, struct wire *x, unsigned number, struct node *a, struct node *b)
{
	struct node *nodes[] = {a, b};

	memset(x, 0, sizeof *x);
	x->number = number;
	x->there = true;
	x->latency = 20 * MS;
	x->retry_us = 200 * MS;
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &x->end[i];

		e->wire = x;
		e->node = nodes[i];
		e->other = &x->end[1 - i];
		e->held_last = &e->held;
		e->rng = rng_new(w->seed, 3, 2 * number + i);
		nodes[i]->ends = realloc(
		    nodes[i]->ends, (nodes[i]->end_count + 1) * sizeof *nodes[i]->ends);
		if (!nodes[i]->ends)
			abort();
		nodes[i]->ends[nodes[i]->end_count++] = e;
	}
}

void wire_free(struct wire *x)
{
	for (size_t i = 0; i < 2; i++) {
		held_drop(&x->end[i]);
		buffer_free(&x->end[i].in);
		buffer_free(&x->end[i].drip);
		buffer_free(&x->end[i].repeat);
	}
}

/* ---- bytes ---- */

size_t end_backlog(const struct end *e)
{
	return e->unacked > SOCKET ? e->unacked - SOCKET : 0;
}

static void receive(struct end *e, struct bytes bytes)
{
	struct world *w = e->node->world;
	size_t at = 0, need;
	struct frame f;
	int err = OK;

	buffer_add(&e->in, bytes.data, bytes.len);
	while (!e->refused && e->up && at < e->in.len && !w->failed) {
		err = frame_peek(bytes_of(e->in.data + at, e->in.len - at), false, &f, &need);
		if (err)
			break;
		at += FRAME_HEADER_LEN + f.payload.len;
		sync_receive(e->node->sync, e->link, &f, node_ms(e->node));
	}
	buffer_drain(&e->in, at);
	if (err && err != ERR_TRUNCATED && !e->refused) {
		world_trace(w, "n%u: bytes of n%u are not frames: %s", e->node->number,
		    e->other->node->number, error_text(err));
		if (e->other->node->lies == 0)
			world_fail(w, "n%u: bytes of n%u, which is honest, are not frames: %s",
			    e->node->number, e->other->node->number, error_text(err));
		end_fault(e);
	}
}

static void deliver(struct packet *p)
{
	struct end *to = p->to, *from = to->other;
	struct world *w = to->node->world;

	from->unacked -= p->bytes.len;
	if (to->up && !to->refused && !w->failed) {
		to->garbage += p->garbage;
		receive(to, buffer_bytes(&p->bytes));
		if (to->up)
			node_touch(to->node);
	}
	packet_free(p);
	if (from->full && from->up && end_backlog(from) <= SYNC_BACKLOG_CONTENTS && !w->failed) {
		from->full = false;
		sync_link_writable(from->node->sync, from->link, node_ms(from->node));
		node_touch(from->node);
	}
}

static void on_arrival(struct world *w, void *what, uint64_t number)
{
	struct packet *p = what;
	struct end *from = p->to->other;

	(void)w;
	(void)number;
	if (p->life != from->wire->life || !from->wire->open) {
		packet_free(p);
	} else if (from->cut || from->held) {
		p->next = NULL;
		*from->held_last = p;
		from->held_last = &p->next;
	} else {
		deliver(p);
	}
}

/* What was held up arrives, in its order. */
static void on_resent(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;

	while (e->held && !e->cut && e->wire->open && e->wire->life == life && !w->failed) {
		struct packet *p = e->held;

		e->held = p->next;
		if (!e->held)
			e->held_last = &e->held;
		deliver(p);
	}
}

static void packet_send(struct end *e, struct packet *p)
{
	struct world *w = e->node->world;
	struct wire *x = e->wire;
	uint64_t at = w->now > e->free_at ? w->now : e->free_at;
	unsigned segments = (unsigned)(p->bytes.len / SEGMENT) + 1;

	if (x->rate > 0)
		at += p->bytes.len * SECOND / x->rate;
	e->free_at = at;
	at += x->latency + (x->jitter ? rng_below(&e->rng, x->jitter) : 0);
	for (unsigned i = 0; x->loss > 0 && i < segments; i++) {
		/* A lost one is noticed by those that come after it, or by a timer. */
		if (rng_chance(&e->rng, x->loss))
			at += rng_chance(&e->rng, 700000) ? 2 * x->latency
							  : 200 * MS + 2 * x->latency;
	}
	if (at < e->arrival)
		at = e->arrival;
	e->arrival = at;
	if (at > w->now + SECOND / 2)
		e->delayed_until = at;
	event_at(w, at, on_arrival, p, 0);
}

void end_send(struct end *e, struct bytes frame, bool garbage)
{
	struct world *w = e->node->world;
	size_t at = 0;

	w->frames[frame.data[4] & 127]++;
	w->bytes[frame.data[4] & 127] += frame.len;
	e->unacked += frame.len;
	if (end_backlog(e) > 0)
		e->full = true;
	if (e->unacked > OUTPUT_MAX && e->node->lies == 0)
		world_fail(w, "n%u has %zu bytes queued for n%u", e->node->number, e->unacked,
		    e->other->node->number);
	if (!e->wire->open)
		return; /* the other side is gone, and we don't know yet */
	while (at < frame.len) {
		struct packet *p = calloc(1, sizeof *p);
		size_t len = frame.len - at;

		if (!p)
			abort();
		/* In pieces now and then: whoever reads must put them together. */
		if (!w->quiet_checks && len > 1 && rng_chance(&e->rng, 50000))
			len = 1 + rng_below(&e->rng, len - 1);
		p->to = e->other;
		p->life = e->wire->life;
		buffer_add(&p->bytes, frame.data + at, len);
		if (p->bytes.failed)
			abort();
		at += len;
		p->garbage = garbage && at == frame.len;
		packet_send(e, p);
	}
}

/* ---- connections ---- */

static void on_retry(struct world *w, void *what, uint64_t number);

void wire_connect_soon(struct world *w, struct wire *x, uint64_t after)
{
	if (x->retry_armed || !x->there)
		return;
	x->retry_armed = true;
	event_at(w, w->now + after, on_retry, x, 0);
}

static void end_up(struct end *e)
{
	struct node *n = e->node;

	buffer_reset(&e->in);
	buffer_reset(&e->drip);
	buffer_reset(&e->repeat);
	held_drop(e);
	e->unacked = 0;
	e->full = e->refused = false;
	e->free_at = e->arrival = n->world->now;
	e->delayed_until = 0;
	e->up = true;
	world_trace(n->world, "n%u: link to n%u is up", n->number, e->other->node->number);
	e->link = sync_link_up(n->sync, e, e->other->node->org->name, node_ms(n));
	if (!e->link)
		abort();
	sync_link_witness(e->link);
	sync_link_compress(e->link, e->asks);
	node_touch(n);
}

static void end_down(struct end *e)
{
	struct node *n = e->node;

	if (!e->up)
		return;
	world_trace(n->world, "n%u: link to n%u is down", n->number, e->other->node->number);
	e->up = false;
	sync_link_down(n->sync, e->link, node_ms(n));
	e->link = NULL;
	node_touch(n);
}

static void on_up(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;

	(void)w;
	if (e->wire->open && e->wire->life == life && !e->up && e->node->up)
		end_up(e);
}

static void on_down(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;

	if (e->wire->life == life)
		end_down(e);
	if (!e->wire->open)
		wire_connect_soon(w, e->wire, e->wire->retry_us);
}

static void on_retry(struct world *w, void *what, uint64_t number)
{
	struct wire *x = what;
	struct end *a = &x->end[0], *b = &x->end[1];

	(void)number;
	x->retry_armed = false;
	if (x->open || a->up || b->up)
		return; /* on_down() comes again */
	if (!a->node->up || !b->node->up || a->cut || b->cut) {
		wire_connect_soon(w, x, SECOND);
		return;
	}
	x->life++;
	x->open = true;
	event_at(w, w->now + x->latency, on_up, b, x->life); /* before what a sends at once */
	end_up(a);
}

void wire_break(struct world *w, struct wire *x, bool half_open)
{
	unsigned late;

	if (!x->open)
		return;
	x->open = false;
	late = half_open ? (unsigned)rng_below(&x->end[0].rng, 2) : 2;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t after = i == late ? rng_below(&x->end[0].rng, 20 * SECOND)
					   : rng_below(&x->end[0].rng, x->latency + 1);

		held_drop(&x->end[i]);
		event_at(w, w->now + after, on_down, &x->end[i], x->life);
	}
}

static void on_fault(struct world *w, void *what, uint64_t life)
{
	struct end *e = what;

	if (e->wire->life == life)
		wire_break(w, e->wire, false);
}

void end_fault(struct end *e)
{
	struct wire *x = e->wire;

	if (e->refused)
		return;
	e->refused = true;
	e->faults++;
	if (x->retry_us < 60 * SECOND)
		x->retry_us = x->retry_us < 2 * SECOND ? 4 * SECOND : 2 * x->retry_us;
	event_at(e->node->world, e->node->world->now, on_fault, e, x->life);
}

static void on_silence(struct world *w, void *what, uint64_t life)
{
	struct wire *x = what;

	if (x->life == life && x->open && (x->end[0].cut || x->end[1].cut))
		wire_break(w, x, true);
}

void wire_cut(struct world *w, struct wire *x, unsigned sides, bool cut)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &x->end[i];

		if (!(sides >> i & 1) || e->cut == cut)
			continue;
		e->cut = cut;
		if (cut) /* PING finds out, after some time */
			event_at(w, w->now + 5 * SECOND + rng_below(&e->rng, 30 * SECOND),
			    on_silence, x, x->life);
		else
			event_at(w, w->now + 200 * MS, on_resent, e, x->life);
	}
}

void wire_node_down(struct world *w, struct node *n)
{
	for (size_t i = 0; i < n->end_count; i++) {
		struct end *e = n->ends[i];
		struct wire *x = e->wire;

		/* Its memory is gone: there is no link to take down. */
		e->up = false;
		e->link = NULL;
		if (x->open)
			wire_break(w, x, rng_chance(&e->rng, 200000));
		wire_connect_soon(w, x, x->retry_us);
	}
}
