/* SPDX-License-Identifier: BSD-2-Clause */
/* Who feeds us: one upstream per log, and when to look for another (SPEC.md 11.3, 11.4).
 *
 * The clock of a stall is kept per log, not per peer: a peer that is quick with a hundred logs
 * can't hide that it withholds one. Claims move nothing here but the choice of whom to ask next. */
#include <string.h>

#include "sync/state.h"

#define BACKOFF_SHIFT_MAX 6
#define EARLY_MS 10
#define EARLY_TIMES 2
#define MUCH 256 /* entries */

/* What its upstream has still to bring of a log counts as that link's load. */
static void load_set(struct log_slot *l, uint64_t entries)
{
	l->upstream->load += entries - l->load;
	l->load = entries;
}

void pull_drop(struct sync *s, struct log_slot *l, bool tell)
{
	if (l->upstream && tell)
		s->io.send(s->io.ctx, l->upstream->handle, FRAME_UNSUBSCRIBE, l->stream, NULL);
	if (l->upstream) {
		load_set(l, 0);
		l->upstream->feeds--;
	}
	l->upstream = NULL;
	l->stream = 0;
}

static uint32_t stream_new(struct sync_link *link)
{
	if (++link->next_stream == 0)
		link->next_stream = 1;
	return link->next_stream;
}

void pull_progress(struct log_slot *l, uint64_t now)
{
	l->progress = now;
	l->turn = l->upstream ? l->upstream->useful : 0;
}

void pull_subscribe(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now)
{
	Convene__Subscribe m = CONVENE__SUBSCRIBE__INIT;

	uint64_t staged = replica_staged(l->replica), shown = pair_of(s, link, l)->shown;

	pull_drop(s, l, true);
	l->upstream = link;
	link->feeds++;
	load_set(l, shown > staged ? shown - staged : 0);
	l->stream = stream_new(link);
	pull_progress(l, now);
	l->span.at = 0;
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.from = replica_staged(l->replica);
	m.credit = SYNC_CREDIT;
	/* What comes along is not packed. */
	l->brings = s->io.along && !link->unpacks;
	m.contents = l->brings ? SYNC_ALONG_BYTES : 0;
	m.anchored = cosign_subscribe(s, link, l);
	s->io.send(s->io.ctx, link->handle, FRAME_SUBSCRIBE, l->stream, &m.base);
}

/* A link shows more of our own log than we hold. Anybody can say so; ask for an entry, which comes
 * with a checkpoint of our own key. */
void pull_own(struct sync *s, struct log_slot *l, struct sync_link *link)
{
	Convene__Subscribe m = CONVENE__SUBSCRIBE__INIT;

	if (link->own_stream != 0)
		return;
	link->own_stream = stream_new(link);
	link->own_no = l->no;
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.from = replica_staged(l->replica);
	m.credit = 1;
	s->io.send(s->io.ctx, link->handle, FRAME_SUBSCRIBE, link->own_stream, &m.base);
}

void pair_shown(struct pair *p, uint64_t size, const uint8_t *root, uint64_t now)
{
	if (size <= p->shown)
		return;
	p->shown = size;
	p->shown_at = now;
	memset(p->shown_root, 0, sizeof p->shown_root);
	if (root)
		memcpy(p->shown_root, root, sizeof p->shown_root);
}

/* How good a link is as upstream of a log; 0: not at all. The origin itself is best: nothing is
 * newer. Then one that has more than we. One that has no more will announce it when it has: nodes
 * that are equal and subscribe to each other would wait in a circle. */
static unsigned fitness(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t now)
{
	const struct pair *p = pair_of(s, link, l);

	if (!link->compared || p->without || now < p->backoff_until ||
	    (link->fixed && p->shown <= replica_staged(l->replica)) ||
	    (l->stood && (link != l->guide || !l->guided)))
		return 0;
	if (strcmp(link->peer, l->origin) == 0)
		return 2;
	return p->shown > replica_staged(l->replica) ? 1 : 0;
}

/* Of two that are equally fit. Whoever had it first will be first again; but where there is much to
 * bring, or both have had it for long, the one that has less to bring. */
static bool is_better(
    const struct sync *s, const struct log_slot *l, struct sync_link *a, struct sync_link *b)
{
	const struct pair *p = pair_of(s, a, l), *q = pair_of(s, b, l);
	uint64_t staged = replica_staged(l->replica);
	/* Beside this log. */
	uint64_t la = a->load - (a == l->upstream ? l->load : 0);
	uint64_t lb = b->load - (b == l->upstream ? l->load : 0);

	if (p->shown > staged + MUCH && q->shown > staged + MUCH &&
	    (la > lb + MUCH || lb > la + MUCH))
		return la < lb;
	if (p->shown_at != q->shown_at)
		return p->shown_at < q->shown_at;
	return la != lb ? la < lb : a->feeds < b->feeds;
}

static void choose(struct sync *s, struct log_slot *l, const struct sync_link *except, uint64_t now)
{
	struct sync_link *best = NULL;
	unsigned best_fitness = 0;

	if (slot_is_ours(l) || l->stopped || l->failed || l->disputed || l->uncarried ||
	    (l->stood && l->stand != STAND_FETCH))
		return;
	for (struct sync_link *link = s->links; link; link = link->next) {
		unsigned f = link == except ? 0 : fitness(s, link, l, now);

		if (f > best_fitness ||
		    (f > 0 && f == best_fitness && is_better(s, l, link, best))) {
			best = link;
			best_fitness = f;
		}
	}
	if (best && best != l->upstream)
		pull_subscribe(s, l, best, now);
}

void pull_choose(struct sync *s, struct log_slot *l, uint64_t now)
{
	choose(s, l, NULL, now);
}

/* A link that had announced just that, root and all,
 * clearly earlier, and not for the first time, is nearer to the origin: a claim alone moves
 * nothing, since nobody can know a root before its time. */
void pull_compare(
    struct sync *s, struct log_slot *l, uint64_t end, const uint8_t *root, uint64_t now)
{
	struct sync_link *better = NULL;

	for (struct sync_link *link = s->links; link; link = link->next) {
		struct pair *p = pair_of(s, link, l);

		if (link == l->upstream || !link->compared || now < p->backoff_until)
			continue;
		if (p->shown < end)
			p->early = 0;
		else if (p->shown == end && p->shown_at + EARLY_MS <= now &&
			 memcmp(p->shown_root, root, sizeof p->shown_root) == 0 &&
			 ++p->early >= EARLY_TIMES &&
			 (!better || p->shown_at < pair_of(s, better, l)->shown_at))
			better = link;
	}
	if (!better || l->stood || strcmp(l->upstream->peer, l->origin) == 0)
		return;
	for (struct sync_link *link = s->links; link; link = link->next)
		pair_of(s, link, l)->early = 0;
	pull_subscribe(s, l, better, now);
}

void pull_choose_all(struct sync *s, uint64_t now)
{
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];

		/* A link to the origin replaces a detour as soon as there is one. */
		if (!l->upstream || strcmp(l->upstream->peer, l->origin) != 0)
			pull_choose(s, l, now);
	}
}

/* Our upstream subscribes to us from `from` on: the two SUBSCRIBEs have crossed, and both would
 * wait for what neither has. The one that has more gives up its own; at the same size, the one with
 * the smaller name. */
void pull_yield(struct sync *s, struct log_slot *l, uint64_t from, uint64_t now)
{
	uint64_t staged = replica_staged(l->replica);
	const char *self = "";

	for (size_t i = 0; i < s->log_count; i++) {
		if (s->logs[i].own)
			self = s->logs[i].origin;
	}
	if (from > staged || (from == staged && strcmp(self, l->upstream->peer) > 0))
		return;
	pull_drop(s, l, true);
	pull_choose(s, l, now);
}

void pull_back_off(struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t now)
{
	struct pair *p = pair_of(s, link, l);

	p->backoff_until = now + ((uint64_t)SYNC_BACKOFF_MS << p->backoff_shift);
	if (p->backoff_shift < BACKOFF_SHIFT_MAX)
		p->backoff_shift++;
}

/* Whether another link has shown more than we hold. Where none has, nothing is won by leaving the
 * upstream: what it has sent and is still on a slow line would come twice. */
static bool has_other(const struct sync *s, const struct log_slot *l, uint64_t now)
{
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link != l->upstream && fitness(s, link, l, now) > 0 &&
		    pair_of(s, link, l)->shown > replica_staged(l->replica))
			return true;
	}
	return false;
}

/* How many logs of this link are behind. */
static uint64_t behind_count(const struct sync *s, const struct sync_link *link)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->log_count; i++)
		n += s->logs[i].upstream == link && s->logs[i].behind;
	return n;
}

/* Whether what it brings is next to nothing, though something. On a thin line that many logs share,
 * each has its part: that is not held against it. */
static bool span_is_slow(const struct sync *s, const struct log_slot *l, uint64_t now)
{
	const struct span *p = &l->span;
	uint64_t least = (now - p->at) * SYNC_PACE_BYTES / 1000;
	uint64_t all = l->upstream->useful - p->total;

	return p->bytes < least && p->excused <= p->looks / 2 &&
	       (all < least || p->bytes * 4 * behind_count(s, l->upstream) < all);
}

/* Whether the upstream drips: it moves us, but after SYNC_DRIP_MS we are not where another link has
 * shown to be before. */
static bool drips(const struct sync *s, struct log_slot *l, uint64_t now)
{
	struct span *p = &l->span;
	uint64_t staged = replica_staged(l->replica), target = 0;

	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link != l->upstream && fitness(s, link, l, now) > 0 &&
		    pair_of(s, link, l)->shown > target)
			target = pair_of(s, link, l)->shown;
	}
	p->looks++;
	p->excused += l->due_count > 0;
	if (p->at > 0 && target > staged && staged < p->target) {
		if (now - p->at < SYNC_DRIP_MS)
			return false;
		if (span_is_slow(s, l, now))
			return true;
	}
	if (p->at > 0)
		pair_of(s, l->upstream, l)->backoff_shift = 0;
	*p = (struct span){target > staged ? now : 0, target, 0, l->upstream->useful, 0, 0};
	return false;
}

/* Without progress for so long although another link has shown more. But where many logs are behind
 * each has to wait for its turn, as long as the link brings what it can: if it has said that there
 * is more of this one. */
static bool is_stalled(const struct sync *s, const struct log_slot *l, uint64_t now)
{
	uint64_t all = l->upstream->useful - l->turn;

	if (!l->behind || now - l->progress <= SYNC_STALL_MS)
		return false;
	if (now - l->progress > SYNC_STALL_SOLE_MS)
		return true;
	return has_other(s, l, now) &&
	       (pair_of(s, l->upstream, l)->shown <= replica_staged(l->replica) ||
		   all < (now - l->progress) * SYNC_PACE_BYTES / 1000 ||
		   all > behind_count(s, l->upstream) * SYNC_CREDIT);
}

static void upstream_leave(struct sync *s, struct log_slot *l, const char *why, uint64_t now)
{
	struct sync_link *old = l->upstream;
	struct pair *p = pair_of(s, old, l);

	if (p->shown <= replica_staged(l->replica)) {
		/* It has never said that it has more: try those who do. A lie is not to be held
		 * against an honest upstream. */
		choose(s, l, old, now);
		if (l->upstream == old)
			pull_progress(l, now);
		return;
	}
	/* What it showed and does not give counts for nothing: until it shows it anew, or may be
	 * tried again. */
	if (p->withheld < p->shown)
		p->withheld = p->shown;
	p->shown = replica_staged(l->replica);
	pull_back_off(s, old, l, now);
	old->want_few = WANT_FEW;
	pull_drop(s, l, true);
	pull_choose(s, l, now);
	s->io.note(s->io.ctx, old->handle, why);
}

/* It may not have lied, but only been slow; and a log that grows no more is never shown anew. Where
 * the log has an upstream, which may be as good as any, that is tried less often. */
static void withheld_return(
    struct pair *p, const struct log_slot *l, const struct sync_link *link, uint64_t now)
{
	uint64_t after = l->upstream ? (uint64_t)SYNC_BACKOFF_MS << BACKOFF_SHIFT_MAX : 0;

	if (p->withheld > p->shown && link != l->upstream && now >= p->backoff_until + after)
		pair_shown(p, p->withheld, NULL, now);
}

void pull_check(struct sync *s, struct log_slot *l, uint64_t now)
{
	uint64_t shown = 0, staged = replica_staged(l->replica);

	if (slot_is_ours(l) || l->stopped || l->disputed || l->uncarried ||
	    (l->stood && l->stand != STAND_FETCH))
		return;
	for (struct sync_link *link = s->links; link; link = link->next)
		withheld_return(pair_of(s, link, l), l, link, now);
	for (struct sync_link *link = s->links; link; link = link->next) {
		const struct pair *p = pair_of(s, link, l);

		if (link->compared && now >= p->backoff_until && p->shown > shown)
			shown = p->shown;
	}
	if (shown <= staged) {
		l->behind = false;
	} else if (!l->behind) {
		l->behind = true;
		pull_progress(l, now);
	}
	if (l->upstream && l->upstream->fixed &&
	    pair_of(s, l->upstream, l)->shown <= replica_held(l->replica))
		pull_drop(s, l, true);
	if (!l->upstream) {
		pull_choose(s, l, now);
		return;
	}
	shown = pair_of(s, l->upstream, l)->shown;
	load_set(l, shown > staged ? shown - staged : 0);
	if (drips(s, l, now))
		upstream_leave(s, l, "stalled on a log: what it gives of it drips", now);
	else if (is_stalled(s, l, now))
		upstream_leave(s, l, "stalled on a log", now);
}
