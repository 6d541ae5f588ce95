/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents are asked for next, and where (SPEC.md 11.6).
 *
 * What has just been written goes at once, to the upstream that brought its entry. What is missing
 * in bulk waits while entries come in bulk, which are small and tell what there is to read; but for
 * a small measure, and only while they really come, and while the origins' signatures say that
 * more are to come: no claim and no slow drip can hold contents back. Then the newest go first,
 * from all links that have room, in each log from its end, and among logs by what their messages
 * are dated; but one turn in four is the logs' in order, so that a date starves nobody. */
#include <stdlib.h>

#include "sync/state.h"

#define RUN 8   /* contents of one log in a turn: each change of the log costs its digest */
#define TURNS 4 /* one in so many is not the newest log's */
#define LIVE 64 /* entries behind, at most, is up to date */
#define LIVE_FIRST 16
#define BULK_MORE 1024            /* entries to come */
#define BULK_BYTES (2 * 8 * 1024) /* in BULK_LOOKS ticks */
#define BULK_SHARE 256            /* bytes of entries for one of contents meanwhile */

/* A log that has something to ask for on the link in question. */
struct head {
	struct log_slot *log;
	size_t at; /* the next in its window */
	uint64_t date;
};

bool heads_grow(struct sync *s, size_t cap)
{
	struct head *grown = realloc(s->heads, cap * sizeof *grown);

	if (grown)
		s->heads = grown;
	return grown != NULL;
}

/* ---- entries in bulk ---- */

static void bulk_check(struct sync *s)
{
	uint64_t lately = s->bulk_in - s->bulk_past[s->bulk_look];
	bool bulk = s->more > BULK_MORE && lately >= BULK_BYTES;

	if (bulk && !s->bulk) {
		s->bulk_began = s->bulk_in - lately;
		s->bulk_asked = 0;
	}
	if (s->bulk && !bulk)
		s->want_news++;
	s->bulk = bulk;
}

void bulk_note(struct sync *s, struct log_slot *l, uint64_t first, uint64_t bytes)
{
	uint64_t staged = replica_staged(l->replica), known = replica_note_size(l->replica);
	uint64_t more = known > staged ? known - staged : 0;

	if (known > first && known - first > (first > 0 ? LIVE : LIVE_FIRST)) {
		l->live_from = staged;
		s->bulk_in += bytes;
	}
	s->more += more - l->more;
	l->more = more;
	bulk_check(s);
}

void bulk_tick(struct sync *s)
{
	s->bulk_past[s->bulk_look] = s->bulk_in;
	s->bulk_look = (s->bulk_look + 1) % BULK_LOOKS;
	bulk_check(s);
}

/* ---- choosing ---- */

static bool is_doubted(const struct sync_link *link)
{
	return link->want_few < SYNC_WANT_WINDOW || wants_closed(link);
}

/* At any link that has shown the entry. Only then at the others: they have it from us, or heard of
 * it from us and so tell us nothing, and may have found its content elsewhere. But one that shows
 * all and gives nothing holds nobody up. */
bool want_is_for(
    const struct sync *s, const struct log_slot *l, const struct want *w, struct sync_link *link)
{
	if (!link->compared || (w->tried >> link->id & 1) || pair_of(s, link, l)->differs ||
	    l->uncarried || pair_of(s, link, l)->without)
		return false;
	if (pair_of(s, link, l)->shown > w->index)
		return true;
	for (struct sync_link *other = s->links; other; other = other->next) {
		if (other->compared && !is_doubted(other) && !(w->tried >> other->id & 1) &&
		    !pair_of(s, other, l)->differs && pair_of(s, other, l)->shown > w->index)
			return false;
	}
	return true;
}

/* The upstream has what is live before all others. */
static bool is_elsewhere(
    const struct sync *s, const struct log_slot *l, const struct want *w, struct sync_link *link)
{
	return w->live && l->upstream && l->upstream != link && !is_doubted(l->upstream) &&
	       pair_of(s, l->upstream, l)->shown > w->index && want_is_for(s, l, w, l->upstream) &&
	       want_has_room(s, l->upstream, l, w);
}

/* A link that others overtook has to prove itself, but not with what we need first: with the end of
 * a long window, or where nobody else is left. */
static bool is_proving(
    const struct sync *s, const struct head *h, const struct want *w, const struct sync_link *link)
{
	if (!is_doubted(link) ||
	    (h->log->want_count >= WANT_FIRST && h->at + WANT_LEAST >= h->log->want_count))
		return false;
	for (struct sync_link *other = s->links; other; other = other->next) {
		if (!is_doubted(other) && pair_of(s, other, h->log)->shown > w->index &&
		    want_is_for(s, h->log, w, other))
			return true;
	}
	return false;
}

static bool waits(const struct sync *s, const struct want *w)
{
	return s->bulk && !w->live &&
	       s->bulk_asked + w->weight > (s->bulk_in - s->bulk_began) / BULK_SHARE;
}

/* The log's next one for this link, from where the last one was; false: it has none now. */
static bool head_next(struct sync *s, struct head *h, struct sync_link *link)
{
	for (; h->at < h->log->want_count; h->at++) {
		struct want *w = h->log->wants[h->at];

		/* It was seen before the walk began anew, which will come to it. */
		if (w->index < h->log->bottom && !w->live)
			return false;
		if (w->link || w->again || w->committing)
			continue;
		if (w->weight == 0)
			want_weigh(s, h->log, w);
		if (waits(s, w) || !want_is_for(s, h->log, w, link) ||
		    is_elsewhere(s, h->log, w, link) || is_proving(s, h, w, link))
			continue;
		link->want_seen = 0;
		h->date = w->live ? UINT64_MAX : w->date;
		return want_has_room(s, link, h->log, w);
	}
	return false;
}

/* What is loaded has been asked for, and the store may have more. */
static bool is_walked(const struct head *h)
{
	return h->log->bottom > 0 &&
	       (h->at == h->log->want_count || h->log->wants[h->at]->index < h->log->bottom);
}

/* Not one by one, as with links; and each log has its share. */
static bool head_is_full(const struct sync *s, struct sync_link *link, const struct head *h)
{
	const struct log_slot *l = h->log;
	unsigned mine = pair_of(s, link, l)->wants[want_kind(l->wants[h->at])];

	return mine > 0 && mine > l->want_cap / 8 * 7;
}

/* A piece of what was chosen in this log. Returns whether there may be more. */
static bool want_send_some(struct sync *s, struct log_slot *l, struct sync_link *link, bool now)
{
	uint64_t index[SYNC_WANT_WINDOW];
	Convene__Want m = CONVENE__WANT__INIT;

	for (size_t i = l->unsent > 0 ? want_place(l, l->unsent_top) : l->want_count;
	     i < l->want_count && l->unsent > 0 && m.n_index < SYNC_WANT_WINDOW; i++) {
		if (!l->wants[i]->unsent)
			continue;
		l->wants[i]->unsent = false;
		l->unsent--;
		l->wants[i]->number = ++link->want_sent;
		index[m.n_index++] = l->wants[i]->index;
	}
	if (m.n_index == 0)
		return false;
	m.index = index;
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.now = now;
	m.packed = link->unpacks;
	link->asked_packed |= link->unpacks;
	s->io.send(s->io.ctx, link->handle, FRAME_WANT, 0, &m.base);
	return m.n_index == SYNC_WANT_WINDOW;
}

/* What is asked for in the hope that it is there is answered at once: or nodes that look for the
 * same content would wait for each other, and a long row of what isn't there would take its time.
 */
static void want_send(struct sync *s, struct log_slot *l, struct sync_link *link, bool again)
{
	bool now = again || l->slow || wants_probe(link);

	while (want_send_some(s, l, link, now))
		;
}

static void want_choose(
    struct sync *s, struct log_slot *l, struct want *w, struct sync_link *link, uint64_t now)
{
	want_assign(s, l, w, link, now);
	w->unsent = true;
	if (l->unsent++ == 0 || w->index > l->unsent_top)
		l->unsent_top = w->index;
	link->want_asked++;
	if (s->bulk && !w->live)
		s->bulk_asked += w->weight;
}

static struct head *head_choose(struct sync *s, struct head *heads, size_t count)
{
	struct head *best = &heads[0];

	if (++s->want_turn % TURNS == 0)
		return &heads[s->want_cursor++ % count];
	for (size_t i = 1; i < count; i++) {
		if (heads[i].date > best->date)
			best = &heads[i];
	}
	return best;
}

/* The log's first one for this link. A link that others overtake proves itself where it is in
 * nobody's way. And where a log's newest don't come, its oldest are tried in turn: they may be
 * there. */
static bool head_first(struct sync *s, struct head *h, struct sync_link *link)
{
	struct log_slot *l = h->log;
	bool turned = l->slow && s->want_turn % 2 == 1;
	size_t first, from;

	if (l->idle[WANT_BULK] + l->idle[WANT_LIVE] == 0)
		return false;
	from = first = wants_idle(l);
	if ((is_doubted(link) && l->want_count >= WANT_FIRST) ||
	    (turned && l->want_count >= WANT_LEAST))
		from = l->want_count - WANT_LEAST;
	h->at = from;
	if (head_next(s, h, link))
		return true;
	if (from == first)
		return false;
	h->at = first;
	return head_next(s, h, link);
}

/* `heads`: logs that may have something; their order is lost. */
static void ask_heads(struct sync *s, struct sync_link *link, size_t count, uint64_t now)
{
	struct head *heads = s->heads;
	size_t asked = 0, used;

	link->want_seen = s->want_news;
	for (size_t i = 0; i < count;) {
		if (head_first(s, &heads[i], link) && !head_is_full(s, link, &heads[i]))
			i++;
		else
			heads[i] = heads[--count];
	}
	used = count;
	while (count > 0 && asked < SYNC_WANT_WINDOW) {
		struct head *h = head_choose(s, heads, count);
		/* Others may have taken the room since it was looked at. */
		bool more = want_has_room(s, link, h->log, h->log->wants[h->at]);

		for (size_t i = 0; i < RUN && more; i++) {
			want_choose(s, h->log, h->log->wants[h->at], link, now);
			asked++;
			more = head_next(s, h, link);
		}
		if (!more && is_walked(h)) {
			wants_fill(s, h->log, false, now);
			more = head_next(s, h, link);
		}
		if (!more) { /* to the end, where it is still to be sent */
			struct head done = *h;

			*h = heads[--count];
			heads[count] = done;
		}
	}
	for (size_t i = 0; asked > 0 && i < used; i++)
		want_send(s, heads[i].log, link, false);
}

static void ask_again(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now)
{
	bool any = false;

	for (size_t i = 0, left = l->idle[WANT_GIVEN_UP]; left > 0; i++) {
		struct want *w = l->wants[i];

		if (w->link || w->committing || !w->again)
			continue;
		left--;
		if (!want_is_for(s, l, w, link))
			continue;
		if (w->weight == 0)
			want_weigh(s, l, w);
		if (!want_has_room(s, link, l, w))
			break;
		want_choose(s, l, w, link, now);
		any = true;
	}
	if (any)
		want_send(s, l, link, true);
}

/* Those that may lack something; whoever no longer does leaves the list. */
static void lacking_fill(struct sync *s, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->lacking_count; i++) {
		struct log_slot *l = &s->logs[s->lacking[i]];

		wants_fill(s, l, s->bulk, now);
		l->listed = l->lacking;
		if (l->lacking)
			s->lacking[kept++] = s->lacking[i];
	}
	s->lacking_count = kept;
}

/* Whether it is worth while to look what this link may be asked for. */
static bool is_open(const struct sync *s, const struct sync_link *link)
{
	return link->compared && link->want_seen != s->want_news && !wants_full(link);
}

void wants_pump(struct sync *s, bool all, uint64_t now)
{
	bool again = all || s->want_again, open = again;

	/* Asked again when the store has answered. */
	if (s->committing >= COMMITTING_MAX || s->lacking_count == 0)
		return;
	for (struct sync_link *link = s->links; link && !open; link = link->next)
		open = is_open(s, link);
	if (!open)
		return;
	s->want_again = false;
	lacking_fill(s, now);
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (!link->compared || (!all && !is_open(s, link)))
			continue;
		for (size_t i = 0; i < s->lacking_count; i++)
			s->heads[i].log = &s->logs[s->lacking[i]];
		ask_heads(s, link, s->lacking_count, now);
	}
	for (struct sync_link *link = s->links; again && link; link = link->next) {
		for (size_t i = 0; link->compared && i < s->lacking_count; i++)
			ask_again(s, &s->logs[s->lacking[(i + s->want_cursor) % s->lacking_count]],
			    link, now);
	}
}

void wants_pump_log(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (s->committing >= COMMITTING_MAX || !l->lacking)
		return;
	wants_fill(s, l, s->bulk, now);
	for (struct sync_link *link = s->links; link; link = link->next) {
		s->heads[0].log = l;
		if (link->compared)
			ask_heads(s, link, 1, now);
		link->want_seen = 0; /* only one log was looked at */
	}
}
