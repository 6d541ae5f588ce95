/* SPDX-License-Identifier: BSD-2-Clause */
/* A log's window on the contents that we miss (SPEC.md 11.6).
 *
 * The store remembers what is missing, so that nothing here has to survive: a log's `wants` are a
 * window on the store's list. It is walked from the newest down: between `bottom` and `top` all
 * were asked for, what came since is above, and goes first. When more came than the window takes,
 * the walk begins anew at the top.
 *
 * There are contents that never come: lost, or kept back by an author's node. What came to nothing
 * is given up, and looked for again later, a little at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define RETRY_MS 500 /* nobody had them: look again; doubles while nothing comes */
#define RETRY_SHIFT_MAX 6
#define LOAD 256         /* from the store at a time */
#define WEIGHT_FRAME 100 /* of a content, beside its bytes */
#define WEIGHT_MAX (1024 * 1024)

static void want_free(struct want *w)
{
	buffer_free(&w->data);
	buffer_free(&w->message);
	free(w);
}

static bool is_idle(const struct want *w)
{
	return !w->link && !w->committing;
}

void want_remove(struct log_slot *l, size_t i)
{
	l->idle[want_kind(l->wants[i])] -= is_idle(l->wants[i]);
	want_free(l->wants[i]);
	l->want_count--;
	memmove(&l->wants[i], &l->wants[i + 1], (l->want_count - i) * sizeof *l->wants);
}

void wants_clear(struct log_slot *l)
{
	while (l->want_count > 0)
		want_remove(l, l->want_count - 1);
	free(l->wants);
	l->wants = NULL;
	l->want_room = 0;
}

void wants_drop(struct sync *s, struct log_slot *l)
{
	for (size_t i = 0; i < l->want_count; i++) {
		struct want *w = l->wants[i];

		if (w->committing) /* the store's answer will find nothing */
			s->committing -= w->total;
		else
			want_release(s, l, w);
	}
	wants_clear(l);
}

/* Where an index stands in the window, or should. */
size_t want_place(const struct log_slot *l, uint64_t index)
{
	size_t lo = 0, hi = l->want_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->wants[mid]->index > index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t wants_idle(struct log_slot *l)
{
	size_t i = l->want_busy > 0 ? want_place(l, l->want_busy - 1) : l->want_count;

	while (i < l->want_count && !is_idle(l->wants[i]))
		i++;
	if (i > 0)
		l->want_busy = l->wants[i - 1]->index;
	return i;
}

struct want *want_find(struct log_slot *l, uint64_t index)
{
	size_t i = want_place(l, index);

	return i < l->want_count && l->wants[i]->index == index ? l->wants[i] : NULL;
}

/* Into the window, if it isn't there. NULL: no room. */
static struct want *want_add(struct sync *s, struct log_slot *l, uint64_t index, bool again)
{
	size_t i = want_place(l, index);
	struct want *w;

	if (i < l->want_count && l->wants[i]->index == index)
		return l->wants[i];
	if (l->want_count == WANT_BATCH)
		return NULL;
	if (l->want_count == l->want_room) {
		size_t room = l->want_room ? 2 * l->want_room : 16;
		struct want **grown = realloc(l->wants, room * sizeof *grown);

		if (!grown)
			return NULL;
		l->wants = grown;
		l->want_room = room;
	}
	w = malloc(sizeof *w);
	if (!w)
		return NULL;
	memmove(&l->wants[i + 1], &l->wants[i], (l->want_count - i) * sizeof *l->wants);
	l->wants[i] = w;
	l->want_count++;
	*w = (struct want){.index = index, .again = again, .live = index >= l->live_from};
	l->idle[want_kind(w)]++;
	if (index >= l->want_busy)
		l->want_busy = index + 1;
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (owed_has(link, slot_index(s, l), index))
			w->tried |= UINT64_C(1) << link->id;
	}
	return w;
}

void log_lacks(struct sync *s, struct log_slot *l)
{
	l->lacking = true;
	s->want_news++;
	if (!l->listed)
		s->lacking[s->lacking_count++] = slot_index(s, l);
	l->listed = true;
}

/* What came since the window was last filled. */
static void fill_top(struct sync *s, struct log_slot *l, uint64_t held)
{
	uint64_t missing[LOAD];
	size_t n = LOAD, i = 0;

	if (l->want_count > WANT_BATCH - LOAD ||
	    s->io.wanted_below(s->io.ctx, l->no, held, missing, &n) != OK)
		return;
	while (i < n && missing[i] >= l->top)
		want_add(s, l, missing[i++], false);
	if (i == LOAD)
		l->bottom = missing[i - 1];
	l->top = held;
}

/* The walk has begun anew so often that what it had loaded before fills the window, and is not
 * asked for before the walk comes to it: which loads it again. */
static void forget_seen(struct log_slot *l)
{
	for (size_t i = l->want_count;
	     i-- > 0 && l->want_count > WANT_BATCH - 2 * LOAD && l->wants[i]->index < l->bottom;) {
		const struct want *w = l->wants[i];

		if (is_idle(w) && !w->again && !w->live)
			want_remove(l, i);
	}
}

static void fill_bottom(struct sync *s, struct log_slot *l)
{
	uint64_t missing[LOAD];
	size_t n = LOAD, fresh = 0;

	for (size_t i = wants_idle(l);
	     i < l->want_count && l->wants[i]->index >= l->bottom && fresh < WANT_FIRST; i++)
		fresh += is_idle(l->wants[i]) && !l->wants[i]->again;
	if (fresh >= WANT_FIRST)
		return;
	forget_seen(l);
	if (l->want_count > WANT_BATCH - 2 * LOAD ||
	    s->io.wanted_below(s->io.ctx, l->no, l->bottom, missing, &n) != OK)
		return;
	for (size_t i = 0; i < n; i++)
		want_add(s, l, missing[i], false);
	l->bottom = n < LOAD ? 0 : missing[n - 1];
}

/* What was given up. Returns whether the store knows of any that are missing. */
static bool fill_again(struct sync *s, struct log_slot *l, uint64_t held)
{
	uint64_t missing[LOAD];
	size_t n = LOAD;

	if (s->io.wanted(s->io.ctx, l->no, l->cursor, missing, &n) != OK)
		return true;
	for (size_t i = 0; i < n && missing[i] < held; i++) {
		if (l->want_count >= LOAD)
			return true;
		l->cursor = missing[i] + 1;
		want_add(s, l, missing[i], true);
	}
	if (n < LOAD || missing[n - 1] >= held)
		l->cursor = held;
	return n > 0;
}

/* Not for each that leaves the window: every look is a query. `ahead`: what is new can wait. */
void wants_fill(struct sync *s, struct log_slot *l, bool ahead, uint64_t now)
{
	uint64_t held = replica_held(l->replica), began = l->cursor;
	bool any;

	if (held == 0 || l->stand == STAND_CUT)
		return;
	if (l->top < held || l->bottom > 0)
		s->want_news++;
	if (l->top < held && !(ahead && l->want_count > 0 && l->live_from >= held))
		fill_top(s, l, held);
	if (l->bottom > 0)
		fill_bottom(s, l);
	if (l->top < held || l->bottom > 0 || now < l->retry_at || l->want_count >= LOAD)
		return;
	any = fill_again(s, l, held);
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
		struct log_slot *l = &s->logs[i];

		l->top = l->bottom = l->cursor = l->retry_at = 0;
		l->retry_shift = 0;
	}
	s->want_news++;
}

struct want *want_late_add(struct sync *s, struct log_slot *l, uint64_t index)
{
	uint64_t missing;
	size_t n = 1;

	if (index >= replica_held(l->replica) || l->stand == STAND_CUT ||
	    s->io.wanted(s->io.ctx, l->no, index, &missing, &n) != OK || n == 0 || missing != index)
		return NULL;
	log_lacks(s, l);
	return want_add(s, l, index, true);
}

void wants_stored(struct sync *s, struct log_slot *l, uint64_t index, int result, uint64_t now)
{
	size_t i = want_place(l, index);

	if (i < l->want_count && l->wants[i]->index == index && l->wants[i]->committing &&
	    !l->wants[i]->gone) {
		s->committing -= l->wants[i]->total;
		l->wants[i]->gone = l->want_gone = true;
	}
	if (result != OK) {
		log_lacks(s, l);
		l->retry_at = now + RETRY_MS;
	} else if (l->retry_shift > 0) {
		/* There is somebody who has what nobody had. */
		l->retry_shift = 0;
		l->retry_at = now;
	}
}

void wants_sweep(struct sync *s, struct log_slot *l)
{
	size_t kept = 0;

	if (!l->want_gone)
		return;
	/* Where it was too full to be filled, and nothing in it could be asked for, nobody looks
	 * again before he hears of it. */
	if (l->want_count > WANT_BATCH - 2 * LOAD)
		s->want_news++;
	for (size_t i = 0; i < l->want_count; i++) {
		if (l->wants[i]->gone)
			want_free(l->wants[i]);
		else
			l->wants[kept++] = l->wants[i];
	}
	l->want_count = kept;
	l->want_gone = false;
}

bool sync_coming(const struct sync *s)
{
	bool coming = s->more > 0 || s->committing > 0;

	for (const struct sync_link *link = s->links; link && !coming; link = link->next)
		coming = link->wants > 0;
	for (size_t i = 0; i < s->log_count && !coming; i++) {
		const struct log_slot *l = &s->logs[i];

		coming = l->due_count > 0 ||
			 (l->lacking && (l->top < replica_held(l->replica) || l->bottom > 0 ||
					    l->idle[WANT_BULK] + l->idle[WANT_LIVE] > 0));
	}
	return coming;
}

/* How much a content weighs on a line, at most. A date ahead of our clock wins nothing. */
void want_weigh(struct sync *s, const struct log_slot *l, struct want *w)
{
	struct bytes leaf;
	struct header h;

	w->weight = WEIGHT_FRAME;
	if (entry_find(s, l, w->index, &leaf, &h) == OK && h.has_commitment) {
		uint64_t wall = s->io.wall(s->io.ctx);

		w->weight += h.bucket < 20 ? (size_t)1 << h.bucket : WEIGHT_MAX;
		w->date = h.time < wall ? h.time : wall;
	}
}
