/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents we miss, and how many a link may be asked for (SPEC.md 11.6).
 *
 * Pulling is its own flow control. What a link may have under way of ours is counted in bytes,
 * which an entry's size bucket tells in advance: it grows while answers come quickly, so that a
 * long line is full, and shrinks when they have to queue, so that a thin one is not asked for more
 * than it carries in time. One that others overtake by far is left to prove itself with few.
 *
 * The store remembers what is missing, so that nothing here has to survive: a log's `wants` are a
 * window on the store's list. It is walked from the newest down: between `bottom` and `top` all
 * were asked for, what came since is above, and goes first. When more came than the window takes,
 * the walk begins anew at the top.
 *
 * There are contents that never come: lost, or kept back by an author's node. They must not hold up
 * the others, of their own log or of another. So each log has its share of a link, and what came to
 * nothing is given up, and asked for again later, a little at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define RETRY_MS 500 /* nobody had them: look again; doubles while nothing comes */
#define RETRY_SHIFT_MAX 6
#define QUEUED_MAX 12
#define QUICK_MS 1000 /* an answer that takes longer, beyond twice the shortest, has queued */
#define WINDOW_LEAST (32 * 1024)
#define WINDOW_MAX (4 * 1024 * 1024)
#define WEIGHT_FRAME 100  /* of a content, beside its bytes */
#define LOAD 256          /* from the store at a time */
#define OVERTAKEN_MS 1000 /* nothing came for so long, while of others came */
#define OVERTAKEN 16      /* times as much, and at least */
#define OVERTAKEN_BYTES (32 * 1024)
#define SLOW_MS 2500

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
	l->want_room = 0;
}

/* Where an index stands in the window, or should. */
static size_t want_place(const struct log_slot *l, uint64_t index)
{
	size_t lo = 0, hi = l->want_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->wants[mid].index > index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct want *want_find(struct log_slot *l, uint64_t index)
{
	size_t i = want_place(l, index);

	return i < l->want_count && l->wants[i].index == index ? &l->wants[i] : NULL;
}

/* Into the window, if it isn't there. NULL: no room. */
static struct want *want_add(struct log_slot *l, uint64_t index, bool again)
{
	size_t i = want_place(l, index);

	if (i < l->want_count && l->wants[i].index == index)
		return &l->wants[i];
	if (l->want_count == WANT_BATCH)
		return NULL;
	if (l->want_count == l->want_room) {
		size_t room = l->want_room ? 2 * l->want_room : 16;
		struct want *grown = realloc(l->wants, room * sizeof *grown);

		if (!grown)
			return NULL;
		l->wants = grown;
		l->want_room = room;
	}
	memmove(&l->wants[i + 1], &l->wants[i], (l->want_count - i) * sizeof *l->wants);
	l->want_count++;
	l->want_idle++;
	l->wants[i] = (struct want){.index = index, .again = again, .live = index >= l->live_from};
	return &l->wants[i];
}

/* Nobody is asked for it any more. */
void want_release(struct sync *s, struct log_slot *l, struct want *w)
{
	if (w->link) {
		w->link->wants--;
		w->link->wants_begun -= w->total > 0;
		w->link->want_bytes -= w->weight;
		pair_of(s, w->link, l)->wants[want_kind(w)]--;
		l->want_idle++;
	}
	w->link = NULL;
	w->unsent = false;
	w->total = 0;
	buffer_free(&w->data);
	buffer_free(&w->message);
}

void want_assign(
    struct sync *s, struct log_slot *l, struct want *w, struct sync_link *link, uint64_t now)
{
	w->link = link;
	w->asked = w->since = now;
	w->given = link->stats.content_bytes_in;
	w->others = s->contents_in - w->given;
	l->want_idle--;
	link->wants++;
	link->want_bytes += w->weight;
	pair_of(s, link, l)->wants[want_kind(w)]++;
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
		want_add(l, missing[i++], false);
	if (i == LOAD)
		l->bottom = missing[i - 1];
	l->top = held;
}

/* The walk has begun anew so often that what it had loaded before fills the window, and is not
 * asked for before the walk comes to it: which loads it again. */
static void forget_seen(struct log_slot *l)
{
	for (size_t i = l->want_count;
	     i-- > 0 && l->want_count > WANT_BATCH - 2 * LOAD && l->wants[i].index < l->bottom;) {
		const struct want *w = &l->wants[i];

		if (is_idle(w) && !w->again && !w->live)
			want_remove(l, i);
	}
}

static void fill_bottom(struct sync *s, struct log_slot *l)
{
	uint64_t missing[LOAD];
	size_t n = LOAD, fresh = 0;

	for (size_t i = 0; i < l->want_count && l->wants[i].index >= l->bottom; i++)
		fresh += is_idle(&l->wants[i]) && !l->wants[i].again;
	if (fresh >= WANT_FIRST)
		return;
	forget_seen(l);
	if (l->want_count > WANT_BATCH - 2 * LOAD ||
	    s->io.wanted_below(s->io.ctx, l->no, l->bottom, missing, &n) != OK)
		return;
	for (size_t i = 0; i < n; i++)
		want_add(l, missing[i], false);
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
		want_add(l, missing[i], true);
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

	if (held == 0)
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

/* How much a content weighs on a line, at most. A date ahead of our clock wins nothing. */
void want_weigh(struct sync *s, const struct log_slot *l, struct want *w)
{
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	struct header h;
	size_t got, pos = 0;

	w->weight = WEIGHT_FRAME;
	if (s->io.read(s->io.ctx, l->no, w->index, 1, MESSAGE_MAX, &entry, &got) == OK &&
	    leaves_next(buffer_bytes(&entry), &pos, &leaf) == OK && message_parse(leaf, &h) == OK &&
	    h.has_commitment) {
		uint64_t wall = s->io.wall(s->io.ctx);

		w->weight += h.bucket < 20 ? (size_t)1 << h.bucket : WINDOW_MAX / 4;
		w->date = h.time < wall ? h.time : wall;
	}
	buffer_free(&entry);
}

/* A peer counts what it owes us, though we have given it up, and more than SYNC_WANTS_MAX of ours
 * are a fault. But what it can't ever answer must not close it to us: when a later one was
 * answered, the others wait there for a content, and make way. */
static bool others_make_way(const struct sync_link *link)
{
	return link->answered > link->owed_asked && link->wants < WANT_LEAST;
}

static bool may_ask(const struct sync_link *link)
{
	return link->wants + link->owed < SYNC_WANTS_MAX || others_make_way(link);
}

/* How many new ones a link may be asked for. The rest is for those that it answers at once. */
static unsigned want_limit(const struct sync_link *link)
{
	return link->owed + WANT_LEAST < SYNC_WANT_WINDOW ? SYNC_WANT_WINDOW - link->owed
	       : others_make_way(link)                    ? WANT_LEAST
							  : 0;
}

/* Each log always has one place for what is new; but a link that others overtake keeps it for what
 * is live. A peer takes 1,024 at most. */
bool want_has_room(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, const struct want *w)
{
	unsigned mine = pair_of(s, link, l)->wants[want_kind(w)];

	if (!may_ask(link))
		return false;
	if (w->again)
		return mine < WANT_AGAIN && link->wants < SYNC_WANT_WINDOW / 16;
	if (mine == 0 && (w->live || link->want_few >= SYNC_WANT_WINDOW) &&
	    (link->wants < WANT_LEAST || link->wants + link->owed < SYNC_WANTS_MAX))
		return true;
	return mine < l->want_cap && link->wants < want_limit(link) &&
	       link->wants < link->want_few &&
	       (link->want_bytes + w->weight <= link->want_window || link->wants == 0);
}

/* Not one by one: a WANT for each costs as much as its answer's head, and choosing is work. */
bool wants_full(const struct sync_link *link)
{
	unsigned limit = want_limit(link);

	if (!may_ask(link))
		return true;
	if (link->want_few < limit)
		limit = link->want_few;
	return link->wants + limit / 8 >= limit ||
	       link->want_bytes + link->want_window / 8 > link->want_window;
}

/* An answer came quickly, so that the line has room, or it had to queue.
 *
 * A lost packet holds back all that comes behind it, a second's worth at times, whose answers are
 * then late together. That says little of the line: so the window shrinks once for what was asked
 * for before, and never below what has just come in a round. */
static void window_adapt(struct sync_link *link, const struct want *w, uint64_t now)
{
	uint64_t took = now - w->asked, quick;
	size_t least;

	if (w->weight == 0)
		return; /* nobody had asked for it here, this time */
	if (link->answered < w->asked)
		link->answered = w->asked;
	if (link->want_best == 0 || took < link->want_best)
		link->want_best = took > 0 ? took : 1;
	quick = QUICK_MS + 2 * link->want_best;
	if (now - link->want_round > quick) {
		link->want_before = now - link->want_round > 2 * quick ? 0 : link->want_came;
		link->want_came = 0;
		link->want_round = now;
	}
	link->want_came += w->weight;
	if (took <= quick) {
		/* Where little is asked for, that it comes quickly says nothing of more. */
		if (link->want_bytes > link->want_window / 2)
			link->want_window += w->weight;
	} else if (w->asked >= link->want_shrunk) {
		least = link->want_came > link->want_before ? link->want_came : link->want_before;
		if (least < WINDOW_LEAST)
			least = WINDOW_LEAST;
		link->want_window -= link->want_window / 4;
		if (link->want_window < least)
			link->want_window = least;
		link->want_shrunk = now;
	}
	if (link->want_window > WINDOW_MAX)
		link->want_window = WINDOW_MAX;
	if (link->want_few < SYNC_WANT_WINDOW)
		link->want_few *= 2;
}

void want_arrived(struct sync *s, struct log_slot *l, struct want *w, uint64_t now)
{
	struct sync_link *link = w->link;

	window_adapt(link, w, now);
	link->wants--;
	link->wants_begun--;
	link->want_bytes -= w->weight;
	pair_of(s, link, l)->wants[want_kind(w)]--;
	l->slow = false;
	if (l->want_cap < SYNC_WANT_WINDOW)
		l->want_cap++;
	if (w->again)
		s->want_again = true;
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
		log_lacks(s, l);
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

	if (index >= replica_held(l->replica) ||
	    s->io.wanted(s->io.ctx, l->no, index, &missing, &n) != OK || n == 0 || missing != index)
		return NULL;
	log_lacks(s, l);
	return want_add(l, index, true);
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

/* Progress is measured by what others have shown: one that drips is left while it looks alive.
 * Either others have given far more meanwhile, or one of them has nothing to do. */
static bool want_overtaken(
    const struct sync *s, const struct log_slot *l, const struct want *w, uint64_t now)
{
	uint64_t given = w->link->stats.content_bytes_in - w->given, waited = now - w->asked;
	uint64_t others = s->contents_in - w->link->stats.content_bytes_in - w->others;
	bool passed = now - w->since >= OVERTAKEN_MS && others >= OVERTAKEN_BYTES &&
		      others / OVERTAKEN >= given + w->weight;
	bool slow = waited >= SLOW_MS && given < waited * SYNC_PACE_BYTES / 1000;

	if (!passed && !slow)
		return false;
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link != w->link && link->compared && !(w->tried >> link->id & 1) &&
		    pair_of(s, link, l)->shown > w->index && (passed || link->wants < WANT_LEAST))
			return true;
	}
	return false;
}

static void want_give_up(struct sync *s, struct log_slot *l, struct want *w)
{
	w->tried |= UINT64_C(1) << w->link->id;
	w->link->owed++;
	if (w->link->owed_asked < w->asked)
		w->link->owed_asked = w->asked;
	want_release(s, l, w);
	if (l->want_cap > WANT_LEAST)
		l->want_cap--;
	s->want_news++;
}

static bool want_hopeless(const struct sync *s, const struct log_slot *l, const struct want *w)
{
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (want_is_for(s, l, w, link))
			return false;
	}
	return true;
}

void wants_check(struct sync *s, struct log_slot *l, uint64_t now)
{
	for (size_t i = l->want_count; i-- > 0;) {
		struct want *w = &l->wants[i];

		if (w->committing)
			continue;
		if (w->link && want_late(w, now)) {
			want_give_up(s, l, w);
			w->again = l->slow = true;
		} else if (w->link && want_overtaken(s, l, w, now)) {
			w->link->want_few = WANT_FEW;
			want_give_up(s, l, w);
		}
		if (!w->link && w->tried && want_hopeless(s, l, w))
			want_remove(l, i);
	}
}

void wants_link_gone(struct sync *s, struct sync_link *link)
{
	s->want_news++;
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
