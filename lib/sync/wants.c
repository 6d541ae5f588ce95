/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents we ask for, where, and how many at a time (SPEC.md 11.6).
 *
 * Pulling is its own flow control. What a link may have under way of ours is counted in bytes,
 * which an entry's size bucket tells in advance: it grows while answers come quickly, so that a
 * long line is full, and shrinks when they have to queue, so that a thin one is not asked for more
 * than it carries in time. The store remembers what is missing, so that nothing here has to
 * survive: a log's `wants` are a window on the store's list.
 *
 * There are contents that never come: lost, or kept back by an author's node. They must not hold up
 * the others, of their own log or of another. So what is new goes first, each log has its share of
 * a link, and what came to nothing is given up, and asked for again later, a little at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define RETRY_MS 500 /* nobody had them: look again; doubles while nothing comes */
#define RETRY_SHIFT_MAX 6
#define QUEUED_MAX 12
#define COMMITTING_MAX \
	(32 * 1024 * 1024) /* bytes with the store; more is not asked for while so many are */
#define QUICK_MS 500       /* an answer that takes longer, beyond twice the shortest, has queued */
#define WINDOW_MAX (4 * 1024 * 1024)
#define WEIGHT_FRAME 100 /* of a content, beside its bytes */

static void want_clear(struct want *w)
{
	buffer_free(&w->data);
	buffer_free(&w->message);
}

static bool is_idle(const struct want *w)
{
	return !w->link && !w->committing;
}

void want_remove(struct log_slot *l, size_t i)
{
	l->want_idle -= is_idle(&l->wants[i]);
	want_clear(&l->wants[i]);
	l->want_count--;
	memmove(&l->wants[i], &l->wants[i + 1], (l->want_count - i) * sizeof *l->wants);
}

void wants_clear(struct log_slot *l)
{
	while (l->want_count > 0)
		want_remove(l, l->want_count - 1);
	free(l->wants);
	l->wants = NULL;
}

struct want *want_find(struct log_slot *l, uint64_t index)
{
	for (size_t i = 0; i < l->want_count; i++) {
		if (l->wants[i].index == index)
			return &l->wants[i];
	}
	return NULL;
}

/* Nobody is asked for it any more. */
void want_release(struct sync *s, struct log_slot *l, struct want *w)
{
	if (w->link) {
		w->link->wants--;
		w->link->want_bytes -= w->weight;
		pair_of(s, w->link, l)->wants--;
		l->want_idle++;
	}
	w->link = NULL;
	w->total = 0;
	buffer_free(&w->data);
	buffer_free(&w->message);
}

void want_assign(
    struct sync *s, struct log_slot *l, struct want *w, struct sync_link *link, uint64_t now)
{
	w->link = link;
	w->asked = w->since = now;
	l->want_idle--;
	link->wants++;
	link->want_bytes += w->weight;
	pair_of(s, link, l)->wants++;
}

/* Move what is missing in [*from, end) into the window while it has fewer than `max`. Returns
 * whether the store knows of any. */
static bool window_load(
    struct sync *s, struct log_slot *l, uint64_t *from, uint64_t end, size_t max, bool again)
{
	uint64_t missing[WANT_BATCH];
	size_t n = WANT_BATCH;

	if (*from >= end || s->io.wanted(s->io.ctx, l->no, *from, missing, &n) != OK)
		return true;
	for (size_t i = 0; i < n && missing[i] < end; i++) {
		if (l->want_count >= max)
			return true;
		*from = missing[i] + 1;
		if (!want_find(l, missing[i])) {
			l->wants[l->want_count++] = (struct want){
			    .index = missing[i], .again = again};
			l->want_idle++;
		}
	}
	if (n < WANT_BATCH || missing[n - 1] >= end)
		*from = end;
	return n > 0;
}

static void window_fill(struct sync *s, struct log_slot *l, uint64_t now)
{
	uint64_t held = replica_held(l->replica), began = l->cursor;
	bool any;

	if (held == 0)
		return;
	if (!l->wants) {
		l->wants = calloc(WANT_BATCH, sizeof *l->wants);
		if (!l->wants)
			return;
	}
	if (l->want_count == 0)
		l->slow = false;
	/* Not for each that leaves the window: every look is a query. */
	if (l->edge < held && l->want_count <= WANT_BATCH - WANT_FIRST)
		window_load(s, l, &l->edge, held, WANT_BATCH, false);
	if (l->edge < held || now < l->retry_at || l->want_count >= WANT_BATCH / 4)
		return;
	any = window_load(s, l, &l->cursor, held, WANT_BATCH / 4, true);
	if (began == 0 && !any && l->want_count == 0)
		l->lacking = false;
	if (l->cursor >= held) {
		l->cursor = 0;
		l->retry_at = now + ((uint64_t)RETRY_MS << l->retry_shift);
		if (l->retry_shift < RETRY_SHIFT_MAX)
			l->retry_shift++;
	}
}

/* A new link may have what no other had. */
void wants_renew(struct sync *s)
{
	for (size_t i = 0; i < s->log_count; i++) {
		s->logs[i].edge = s->logs[i].cursor = s->logs[i].retry_at = 0;
		s->logs[i].retry_shift = 0;
		s->logs[i].slow = false;
	}
}

/* How much a content weighs on a line, at most. */
static void want_weigh(struct sync *s, const struct log_slot *l, struct want *w)
{
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	struct header h;
	size_t got, pos = 0;

	w->weight = WEIGHT_FRAME;
	if (s->io.read(s->io.ctx, l->no, w->index, 1, MESSAGE_MAX, &entry, &got) == OK &&
	    leaves_next(buffer_bytes(&entry), &pos, &leaf) == OK && message_parse(leaf, &h) == OK &&
	    h.has_commitment)
		w->weight += h.bucket < 20 ? (size_t)1 << h.bucket : WINDOW_MAX / 4;
	buffer_free(&entry);
}

/* How many a link may be asked for. What it owes us, though we have given it up, it may count
 * still; but what it can't ever answer must not close it to us. */
static unsigned want_limit(const struct sync_link *link)
{
	return link->owed + WANT_LEAST < SYNC_WANT_WINDOW ? SYNC_WANT_WINDOW - link->owed
							  : WANT_LEAST;
}

/* Whether a link may be asked for this one now. Each log always has one place for what is new. */
static bool has_room(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, const struct want *w)
{
	unsigned mine = pair_of(s, link, l)->wants;

	if (w->again)
		return mine < WANT_AGAIN && link->wants < SYNC_WANT_WINDOW / 16;
	return mine == 0 || (mine < l->want_cap && link->wants < want_limit(link) &&
				link->want_bytes + w->weight <= link->want_window);
}

/* New ones are not asked for one by one: a WANT for each costs as much as its answer's head. */
static bool is_full(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, bool again)
{
	unsigned mine = pair_of(s, link, l)->wants;

	if (again)
		return mine >= WANT_AGAIN || link->wants >= SYNC_WANT_WINDOW / 16;
	return mine > 0 && (mine > l->want_cap / 8 * 7 || link->wants >= want_limit(link) ||
			       link->want_bytes + link->want_window / 8 > link->want_window);
}

/* An answer came quickly, so that the line has room, or it had to queue. */
static void window_adapt(struct sync_link *link, const struct want *w, uint64_t now)
{
	uint64_t took = now - w->asked;

	if (w->weight == 0)
		return; /* nobody had asked for it here, this time */
	if (link->want_best == 0 || took < link->want_best)
		link->want_best = took > 0 ? took : 1;
	if (took <= QUICK_MS + 2 * link->want_best)
		link->want_window += w->weight;
	else if (link->want_window > w->weight + SYNC_WANT_BYTES)
		link->want_window -= w->weight;
	else
		link->want_window = SYNC_WANT_BYTES;
	if (link->want_window > WINDOW_MAX)
		link->want_window = WINDOW_MAX;
}

void want_arrived(struct sync *s, struct log_slot *l, struct want *w, uint64_t now)
{
	struct sync_link *link = w->link;

	window_adapt(link, w, now);
	link->wants--;
	link->want_bytes -= w->weight;
	pair_of(s, link, l)->wants--;
	if (l->want_cap < SYNC_WANT_WINDOW)
		l->want_cap++;
	w->committing = true;
	s->committing += w->total;
}

void wants_stored(struct sync *s, struct log_slot *l, uint64_t index, int result, uint64_t now)
{
	for (size_t i = 0; i < l->want_count; i++) {
		if (l->wants[i].index == index && l->wants[i].committing) {
			s->committing -= l->wants[i].total;
			want_remove(l, i);
			break;
		}
	}
	if (result != OK) {
		l->lacking = true;
		l->retry_at = now + RETRY_MS;
	} else if (l->retry_shift > 0) {
		/* There is somebody who has what nobody had. */
		l->retry_shift = 0;
		l->retry_at = now;
	}
}

struct want *want_late_add(struct sync *s, struct log_slot *l, uint64_t index)
{
	uint64_t missing;
	size_t n = 1;

	if (!l->wants || l->want_count == WANT_BATCH || index >= replica_held(l->replica) ||
	    s->io.wanted(s->io.ctx, l->no, index, &missing, &n) != OK || n == 0 || missing != index)
		return NULL;
	l->wants[l->want_count] = (struct want){.index = index, .again = true};
	l->want_idle++;
	return &l->wants[l->want_count++];
}

/* Where to ask: at the upstream, which sent the entry, or at any link that has shown it; one with
 * room if there is one. Only then at the others: they have the entry from us, or heard of it from
 * us and so tell us nothing, and may have found its content elsewhere. NULL: nobody is left. */
static struct sync_link *source(
    const struct sync *s, const struct log_slot *l, const struct want *w)
{
	struct sync_link *best = NULL, *other = NULL;
	bool best_room = false;

	for (struct sync_link *link = s->links; link; link = link->next) {
		const struct pair *p = pair_of(s, link, l);
		bool room;

		if (!link->compared || (w->tried >> link->id & 1))
			continue;
		if (p->shown <= w->index) {
			other = link;
			continue;
		}
		room = has_room(s, link, l, w);
		if (room && link == l->upstream)
			return link;
		if (!best || (room && !best_room) ||
		    (room == best_room && link->wants < best->wants)) {
			best = link;
			best_room = room;
		}
	}
	return best ? best : other;
}

/* Those that this link is to be asked for: in order; but where contents don't come, the newest
 * first. */
static size_t wants_choose(struct sync *s, struct log_slot *l, struct sync_link *link, bool again,
    uint64_t *index, uint64_t now)
{
	size_t n = 0, left = l->want_idle;

	for (size_t k = 0; left > 0 && n < SYNC_WANT_WINDOW; k++) {
		struct want *w = &l->wants[l->slow ? l->want_count - 1 - k : k];

		if (!is_idle(w))
			continue;
		left--;
		if (w->again != again)
			continue;
		if (w->weight == 0)
			want_weigh(s, l, w);
		if (!has_room(s, link, l, w) || source(s, l, w) != link)
			continue;
		want_assign(s, l, w, link, now);
		index[n++] = w->index;
	}
	return n;
}

static void wants_ask(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (l->want_idle == 0 || s->committing >= COMMITTING_MAX)
		return; /* asked again when the store has answered */
	for (struct sync_link *link = s->links; link; link = link->next) {
		for (unsigned again = 0; again < 2; again++) {
			uint64_t index[SYNC_WANT_WINDOW];
			Convene__Want m = CONVENE__WANT__INIT;

			if (is_full(s, link, l, again))
				continue;
			m.n_index = wants_choose(s, l, link, again, index, now);
			if (m.n_index == 0)
				continue;
			m.index = index;
			m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
			/* Nodes that look for the same content would wait for each other. */
			m.now = again;
			s->io.send(s->io.ctx, link->handle, FRAME_WANT, 0, &m.base);
		}
	}
}

void wants_pump(struct sync *s, uint64_t now)
{
	/* In turn over the logs, so that one with many contents leaves room for the others. */
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[(s->want_cursor + i) % s->log_count];

		if (!l->lacking)
			continue;
		window_fill(s, l, now);
		wants_ask(s, l, now);
	}
	if (s->log_count > 0)
		s->want_cursor = (s->want_cursor + 1) % s->log_count;
}

/* Asked in vain: nothing came of it, nor of one that was asked there before it and so stands before
 * it in the queue. But a peer can't have one come for ever. */
static bool want_late(const struct want *w, uint64_t now)
{
	const struct sync_link *link = w->link;
	bool queued = link->content_at > w->asked && now - link->content_at <= SYNC_WANT_MS &&
		      link->content_asked <= w->asked;

	return now - w->since > (queued ? QUEUED_MAX * SYNC_WANT_MS : SYNC_WANT_MS);
}

void wants_check(struct sync *s, struct log_slot *l, uint64_t now)
{
	for (size_t i = l->want_count; i-- > 0;) {
		struct want *w = &l->wants[i];

		if (w->committing)
			continue;
		if (w->link && want_late(w, now)) {
			w->tried |= UINT64_C(1) << w->link->id;
			w->link->owed++;
			want_release(s, l, w);
			if (l->want_cap > WANT_LEAST)
				l->want_cap--;
			l->slow = w->again = true;
		}
		if (!w->link && w->tried && !source(s, l, w))
			want_remove(l, i);
	}
}

void wants_link_gone(struct sync *s, struct sync_link *link)
{
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];

		for (size_t k = 0; k < l->want_count; k++) {
			struct want *w = &l->wants[k];

			if (w->link == link && !w->committing)
				want_release(s, l, w);
			else if (w->link == link)
				w->link = NULL;
		}
	}
}
