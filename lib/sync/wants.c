/* SPDX-License-Identifier: BSD-2-Clause */
/* What a link may be asked for, and when it is given up (SPEC.md 11.6).
 *
 * Pulling is its own flow control. What a link may have under way of ours is counted in bytes,
 * which an entry's size bucket tells in advance: it grows while answers come quickly, so that a
 * long line is full, and shrinks when they have to queue, so that a thin one is not asked for more
 * than it carries in time. One that others overtake by far is left to prove itself with few.
 *
 * What doesn't come must not hold up the others, of its own log or of another. So each log has its
 * share of a link, and what was asked for in vain is asked for elsewhere. */
#include "base/error.h"
#include "sync/state.h"

#define QUEUED_MAX 12
#define QUICK_MS 1000 /* an answer that takes longer, beyond twice the shortest, has queued */
#define WINDOW_LEAST (32 * 1024)
#define WINDOW_MAX (4 * 1024 * 1024)
#define OVERTAKEN_MS 1000 /* nothing came for so long, while of others came */
#define OVERTAKEN 16      /* times as much, and at least */
#define OVERTAKEN_BYTES (32 * 1024)
#define SLOW_MS 2500

void want_release(struct sync *s, struct log_slot *l, struct want *w)
{
	if (w->link) {
		w->link->want_asked -= w->unsent;
		l->unsent -= w->unsent;
		if (w->index >= l->want_busy)
			l->want_busy = w->index + 1;
		if (w->number > 0) {
			owed_add(w->link, slot_index(s, l), w->index, w->number);
			w->tried |= UINT64_C(1) << w->link->id;
		}
		w->link->wants--;
		w->link->wants_begun -= w->total > 0;
		w->link->want_bytes -= w->weight;
		pair_of(s, w->link, l)->wants[want_kind(w)]--;
		l->idle[want_kind(w)]++;
	}
	w->link = NULL;
	w->unsent = false;
	w->number = 0;
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
	l->idle[want_kind(w)]--;
	link->wants++;
	link->want_bytes += w->weight;
	pair_of(s, link, l)->wants[want_kind(w)]++;
}

/* How many in its queue have not been looked at, at most. */
static uint64_t unlooked(const struct sync_link *link)
{
	return link->want_asked - link->want_answered;
}

bool wants_closed(const struct sync_link *link)
{
	return unlooked(link) >= SYNC_WANTS_MAX ||
	       link->wants + link->owed_count >= 2 * SYNC_WANTS_MAX;
}

/* How many new ones may be under way here. What was given up takes their places; but since it may
 * wait at the peer, of which only an answer to a later one tells, there is always room for few. */
static unsigned want_limit(const struct sync_link *link)
{
	uint64_t others = unlooked(link) > link->wants ? unlooked(link) - link->wants : 0;

	return others + WANT_LEAST < SYNC_WANT_WINDOW ? SYNC_WANT_WINDOW - (unsigned)others
						      : WANT_LEAST;
}

/* A window full of what was just asked for, and nothing given up, is no reason: the peer may be
 * about to get all of it. */
bool wants_probe(const struct sync_link *link)
{
	return unlooked(link) >= SYNC_WANT_WINDOW && unlooked(link) > link->wants;
}

/* Each log always has one place for what is new; but a link that others overtake keeps it for what
 * is live. */
bool want_has_room(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, const struct want *w)
{
	unsigned mine = pair_of(s, link, l)->wants[want_kind(w)];

	if (wants_closed(link))
		return false;
	if (w->again)
		return mine < WANT_AGAIN && link->wants < SYNC_WANT_WINDOW / 16;
	if (mine == 0 && (w->live || link->want_few >= SYNC_WANT_WINDOW))
		return true;
	return mine < l->want_cap && link->wants < want_limit(link) &&
	       link->wants < link->want_few &&
	       (link->want_bytes + w->weight <= link->want_window || link->wants == 0);
}

/* Not one by one: a WANT for each costs as much as its answer's head, and choosing is work. */
bool wants_full(const struct sync_link *link)
{
	unsigned limit = want_limit(link);

	if (wants_closed(link))
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
	want_release(s, l, w);
	if (l->want_cap > WANT_LEAST)
		l->want_cap--;
	s->want_news++;
}

void want_crossed(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t index)
{
	struct want *w = want_find(l, index);

	if (!w || w->link != link || w->committing || w->total > 0)
		return;
	for (struct sync_link *other = s->links; other; other = other->next) {
		const struct pair *p = pair_of(s, other, l);

		if (other == link || !other->compared || (w->tried >> other->id & 1) ||
		    p->differs || p->without || p->shown <= index)
			continue;
		w->tried |= UINT64_C(1) << link->id;
		want_release(s, l, w);
		s->want_news++;
		return;
	}
}

/* Nobody is left to ask, or only links that don't come to it: then it is looked for again from the
 * beginning, when the log's turn comes. */
static bool want_hopeless(
    const struct sync *s, const struct log_slot *l, const struct want *w, uint64_t now)
{
	uint64_t patience = 0;

	for (struct sync_link *link = s->links; link; link = link->next) {
		if (wants_closed(link) || !want_is_for(s, l, w, link))
			continue;
		if (!w->again && link->want_few >= SYNC_WANT_WINDOW)
			patience = QUEUED_MAX * SYNC_WANT_MS;
		else if (patience == 0)
			patience = 2 * SYNC_WANT_MS;
	}
	return now - w->asked >= patience;
}

void wants_check(struct sync *s, struct log_slot *l, uint64_t now)
{
	for (size_t i = l->want_count; i-- > 0;) {
		struct want *w = l->wants[i];

		if (w->committing)
			continue;
		if (w->link && want_late(w, now)) {
			want_give_up(s, l, w);
			l->idle[want_kind(w)]--;
			w->again = l->slow = true;
			l->idle[want_kind(w)]++;
		} else if (w->link && want_overtaken(s, l, w, now)) {
			w->link->want_few = WANT_FEW;
			want_give_up(s, l, w);
		}
		if (!w->link && w->tried && w->asked == 0)
			w->asked = now; /* owed since before it came into the window */
		if (!w->link && w->tried && want_hopeless(s, l, w, now))
			want_remove(l, i);
	}
}

void wants_link_gone(struct sync *s, struct sync_link *link)
{
	s->want_news++;
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];

		for (size_t k = 0; k < l->want_count; k++) {
			struct want *w = l->wants[k];

			if (w->link == link && !w->committing)
				want_release(s, l, w);
			else if (w->link == link)
				w->link = NULL;
		}
	}
}
