/* SPDX-License-Identifier: BSD-2-Clause */
/* Who feeds us: one upstream per log, its DATA, and when to look for another (SPEC.md 11.3, 11.4).
 *
 * The clock of a stall is kept per log, not per peer: a peer that is quick with a hundred logs
 * can't hide that it withholds one. Claims move nothing here but the choice of whom to ask next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define BACKOFF_SHIFT_MAX 6
#define EARLY_MS 10
#define EARLY_TIMES 2
#define MUCH 256 /* entries */

static void credit_give(struct sync *s, struct sync_link *link, uint32_t stream, uint64_t bytes)
{
	Convene__Credit m = CONVENE__CREDIT__INIT;

	m.bytes = bytes;
	s->io.send(s->io.ctx, link->handle, FRAME_CREDIT, stream, &m.base);
}

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

static void log_progress(struct log_slot *l, uint64_t now)
{
	l->progress = now;
	l->turn = l->upstream ? l->upstream->useful : 0;
}

static void subscribe(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now)
{
	Convene__Subscribe m = CONVENE__SUBSCRIBE__INIT;

	uint64_t staged = replica_staged(l->replica), shown = pair_of(s, link, l)->shown;

	pull_drop(s, l, true);
	l->upstream = link;
	link->feeds++;
	load_set(l, shown > staged ? shown - staged : 0);
	l->stream = stream_new(link);
	log_progress(l, now);
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

static void own_data(struct sync *s, struct log_slot *l, struct sync_link *link,
    const Convene__Data *m, uint64_t now)
{
	uint64_t size;
	int err = replica_signed(l->replica, bytes_of_pb(m->checkpoint), &size);

	s->io.send(s->io.ctx, link->handle, FRAME_UNSUBSCRIBE, link->own_stream, NULL);
	link->own_stream = 0;
	if (err)
		s->io.fault(s->io.ctx, link->handle, err,
		    "what was shown of our own log is not signed by its key");
	else if (size > replica_staged(l->replica))
		s->io.own_ahead(s->io.ctx, link->handle, size);
	if (!err && link->witness)
		fork_data(s, link, l, m, now);
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
		subscribe(s, l, best, now);
}

void pull_choose(struct sync *s, struct log_slot *l, uint64_t now)
{
	choose(s, l, NULL, now);
}

/* Our upstream has brought the log to `end`. A link that had announced just that, root and all,
 * clearly earlier, and not for the first time, is nearer to the origin: a claim alone moves
 * nothing, since nobody can know a root before its time. */
static void pull_compare(
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
	subscribe(s, l, better, now);
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
			log_progress(l, now);
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
		log_progress(l, now);
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

static bool due_add(struct log_slot *l, struct sync_link *link, uint32_t stream, uint64_t bytes)
{
	if (l->due_count == l->due_cap) {
		size_t cap = l->due_cap ? 2 * l->due_cap : 8;
		struct due *grown = realloc(l->due, cap * sizeof *grown);

		if (!grown)
			return false;
		l->due = grown;
		l->due_cap = cap;
	}
	l->due[l->due_count++] = (struct due){link, stream, bytes, false};
	return true;
}

/* What of this subscription is not committed yet. */
static uint64_t due_bytes(const struct log_slot *l, const struct sync_link *link, uint32_t stream)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->due_count; i++)
		sum += l->due[i].link == link && l->due[i].stream == stream ? l->due[i].bytes : 0;
	return sum;
}

/* ---- contents that come along ---- */

struct along {
	const Convene__Data *data;
	size_t next;
	bool bad; /* one that its entry does not commit to */
};

static bool along_take(struct sync *s, struct log_slot *l, struct along *a, uint64_t index,
    struct bytes message, const struct header *h)
{
	const Convene__Brought *b;
	uint8_t id[ID_LEN];

	while (a->next < a->data->n_contents && a->data->contents[a->next]->index < index)
		a->next++;
	if (!l->brings || a->next == a->data->n_contents)
		return false;
	b = a->data->contents[a->next];
	if (b->index != index)
		return false;
	if (b->salt.len != SALT_LEN ||
	    content_check(h, &l->binding, b->salt.data, bytes_of_pb(b->data)) != OK) {
		a->bad = true;
		return false;
	}
	message_id(id, message, &l->binding);
	s->io.along(s->io.ctx, l->no, index, id, b->salt.data, bytes_of_pb(b->data));
	l->upstream->stats.contents_in++;
	l->upstream->stats.content_bytes_in += b->data.len;
	s->contents_in += b->data.len;
	return true;
}

/* Indices of a batch whose content is committed to, and did not come along. What does not parse has
 * none. */
static size_t batch_wanted(struct sync *s, struct log_slot *l, const struct replica_batch *b,
    struct along *a, uint64_t *out)
{
	struct header h;
	struct bytes leaf;
	size_t pos = 0, n = 0;

	for (size_t i = 0; i < b->count && leaves_next(buffer_bytes(&b->leaves), &pos, &leaf) == OK;
	     i++) {
		if (message_parse(leaf, &h) == OK && h.has_commitment &&
		    !along_take(s, l, a, b->first + i, leaf, &h))
			out[n++] = b->first + i;
	}
	return n;
}

/* A commit failed, or could not be asked for. What was staged after it can't be committed either:
 * ask anew once all are answered. */
static void commit_failed(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now)
{
	l->failed = true;
	if (link) /* which is not the link's fault */
		pair_of(s, link, l)->backoff_until = now + SYNC_BACKOFF_MS;
	pull_drop(s, l, true);
	if (l->due_count == 0) {
		s->io.reset(s->io.ctx, l->no);
		l->failed = false;
		l->stopped = l->forked; /* an end that could not be stored is still to come */
	}
}

/* False: a content that came along is not what its entry commits to. */
static bool batch_commit(struct sync *s, struct log_slot *l, const struct replica_batch *b,
    const Convene__Data *m, size_t bytes, uint64_t now)
{
	uint64_t *wanted = malloc(b->count * sizeof *wanted);
	struct along along = {.data = m};
	size_t n;

	if (!wanted || !due_add(l, l->upstream, l->stream, bytes)) {
		free(wanted);
		commit_failed(s, l, l->upstream, now);
		return true;
	}
	n = batch_wanted(s, l, b, &along, wanted);
	l->due[l->due_count - 1].wanted = n > 0;
	s->io.commit(s->io.ctx, l->no, b, wanted, n);
	free(wanted);
	return !along.bad;
}

static size_t leaves_count(struct bytes leaves)
{
	struct bytes leaf;
	size_t pos = 0, n = 0;

	while (leaves_next(leaves, &pos, &leaf) == OK)
		n++;
	return n;
}

/* Nothing of a log is taken before its credential (SPEC.md 4.3), and that is its entry 0: who has
 * the log's key may have signed another. It isn't the peer's fault, who passes on what is proven.
 */
static bool begins_well(struct sync *s, const struct log_slot *l, const Convene__Data *m)
{
	uint8_t root[HASH_LEN];
	struct bytes leaf;
	size_t count, pos = 0;

	if (l->own || m->first != 0 || replica_staged(l->replica) != 0 ||
	    leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) != OK ||
	    bytes_equal(leaf, s->io.credential(s->io.ctx, l->no)) ||
	    replica_check_data(replica_key(l->replica), 0, bytes_of_pb(m->leaves),
		bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &count, root) != OK)
		return true; /* what proves nothing is the peer's fault, and found below */
	return s->io.begins && s->io.begins(s->io.ctx, l->no, leaf) == OK;
}

void pull_receive_data(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Data *m, size_t bytes, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	enum replica_outcome outcome;
	struct replica_batch *batch;
	uint64_t end, before, count, progress;
	char text[256];
	int err;

	link->stats.data_in += bytes;
	if (l && l->own && stream != 0 && link->own_stream == stream && link->own_no == l->no) {
		own_data(s, l, link, m, now);
		return;
	}
	if (!l || l->upstream != link || l->stream != stream || l->failed) {
		link->stats.entries_again += leaves_count(bytes_of_pb(m->leaves));
		return; /* sent before our UNSUBSCRIBE arrived */
	}
	/* Credit comes back when the store has committed: what is beyond it would pile up in front
	 * of a slow disk. */
	if (due_bytes(l, link, stream) >= SYNC_CREDIT) {
		s->io.fault(s->io.ctx, link->handle, ERR_TOO_LARGE, "DATA beyond the credit given");
		return;
	}
	if (l->stood && !stand_takes(s, l, m, leaves_count(bytes_of_pb(m->leaves)), now))
		return;
	if (!begins_well(s, l, m)) {
		l->stopped = true;
		pull_drop(s, l, true);
		s->io.note(
		    s->io.ctx, link->handle, "gives a log whose entry 0 is no credential of it");
		return;
	}
	before = replica_staged(l->replica);
	err = replica_stage(l->replica, m->first, bytes_of_pb(m->leaves),
	    bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &outcome, &batch);
	if (err == ERR_NOMEM) {
		pull_back_off(s, link, l, now);
		pull_drop(s, l, true);
		return;
	}
	if (err) {
		snprintf(text, sizeof text, "a DATA of %s does not prove itself",
		    replica_name(l->replica));
		s->io.fault(s->io.ctx, link->handle, err == ERR_RANGE ? ERR_PROOF : err, text);
		return;
	}
	end = replica_staged(l->replica);
	link->stats.entries_useful += end - before;
	pair_shown(pair_of(s, link, l), end, NULL, now);
	count = leaves_count(bytes_of_pb(m->leaves));
	link->stats.entries_again += count > end - before ? count - (end - before) : 0;
	if (end > before) {
		link->stats.progress_at = l->advanced = now;
		link->useful += bytes;
	}
	switch (outcome) {
	case REPLICA_STAGED:
	case REPLICA_ENDED:
		log_progress(l, now);
		pair_of(s, link, l)->agreed = replica_staged(l->replica);
		pair_of(s, link, l)->differs = false;
		l->span.bytes += m->leaves.len;
		if (batch) {
			uint8_t root[HASH_LEN];
			bool good;

			memcpy(root, batch->root, HASH_LEN);
			bulk_note(s, l, batch->first, bytes);
			good = batch_commit(s, l, batch, m, bytes, now);
			if (outcome == REPLICA_STAGED && l->upstream)
				pull_compare(s, l, end, root, now);
			if (!good) {
				snprintf(text, sizeof text,
				    "a content that came along with entries of %s is not theirs",
				    replica_name(l->replica));
				s->io.fault(s->io.ctx, link->handle, ERR_COMMITMENT, text);
			} else if (l->brings && link->unpacks && l->upstream == link) {
				/* The operator has asked for packed contents since. */
				subscribe(s, l, link, now);
			}
		}
		if (outcome == REPLICA_ENDED) {
			l->stopped = replica_ended(
			    l->replica); /* unless it could not even be committed */
			pull_drop(s, l, true);
			s->io.note(s->io.ctx, link->handle,
			    "a log has ended at an entry over 2,048 bytes");
		}
		break;
	case REPLICA_DUPLICATE:
		credit_give(s, link, stream, bytes);
		fork_note(s, link, l, bytes_of_pb(m->checkpoint), now);
		break;
	case REPLICA_AHEAD:
		/* Nothing was gained: the clock of a stall goes on. */
		progress = l->progress;
		subscribe(s, l, link, now);
		l->progress = progress;
		break;
	case REPLICA_FORKED:
		l->stopped = l->forked = true;
		pull_drop(s, l, true);
		s->io.forked(s->io.ctx, link->handle, l->no, bytes_of_pb(m->checkpoint));
		fork_data(s, link, l, m, now);
		break;
	}
}

void sync_committed(struct sync *s, uint32_t no, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);
	struct due due;

	if (!l || l->due_count == 0)
		return;
	due = l->due[0];
	memmove(l->due, l->due + 1, --l->due_count * sizeof *l->due);
	if (result == OK && !l->failed) {
		replica_committed(l->replica);
		if (due.wanted) { /* only now does the store's list hold them */
			log_lacks(s, l);
			l->retry_at = 0;
			l->retry_shift = 0;
		}
		if (due.link && due.link == l->upstream && due.stream == l->stream)
			credit_give(s, due.link, due.stream, due.bytes);
		frontier_grown(s, l, now);
		stand_committed(s, l, now);
		wants_pump_log(s, l, now);
		wants_pump(s, false, now);
		return;
	}
	commit_failed(s, l, due.link, now);
	stand_committed(s, l, now);
}
