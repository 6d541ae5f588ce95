/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown to whom: summaries, frontiers, announcements, and logs met for the first time
 * (SPEC.md 11.1, 11.2, 11.5). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define HEADS_PER_FRAME 512
#define ROOT_HINT 8

#define BUCKETS 256
#define BUCKET_HASH 4
#define BUCKETS_FROM 10 /* logs; fewer are shown in fewer bytes */

/* As it is for a link (NULL: for nobody): over the logs from the `*at`-th digest on, up to `last`
 * in the first byte. */
static void frontier_hash(
    struct sync *s, struct sync_link *link, size_t *at, unsigned last, uint8_t out[static HASH_LEN])
{
	struct buffer b = BUFFER_INIT;

	buffer_add(&b, "convene/v1/frontier", sizeof "convene/v1/frontier");
	for (; *at < s->log_count; ++*at) {
		const struct log_slot *l = &s->logs[s->sorted[*at]];

		if (l->binding.digest[0] > last)
			break;
		if (!log_counts(s, link, l))
			continue;
		buffer_add(&b, l->binding.digest, DIGEST_LEN);
		buffer_add_u64(&b, replica_held(l->replica));
		buffer_add(&b, replica_held_root(l->replica), HASH_LEN);
	}
	hash_of(out, b.data, b.len);
	buffer_free(&b);
}

static void hash_for(struct sync *s, struct sync_link *link, uint8_t out[static HASH_LEN])
{
	size_t at = 0;

	frontier_hash(s, link, &at, UINT8_MAX, out);
}

void sync_frontier(struct sync *s, uint8_t out[static HASH_LEN])
{
	hash_for(s, NULL, out);
}

static void buckets_of(
    struct sync *s, struct sync_link *link, uint8_t out[static BUCKETS * BUCKET_HASH])
{
	uint8_t hash[HASH_LEN];
	size_t at = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		frontier_hash(s, link, &at, i, hash);
		memcpy(out + i * BUCKET_HASH, hash, BUCKET_HASH);
	}
}

static void summary_send(struct sync *s, struct sync_link *link, struct bytes buckets)
{
	Convene__Summary m = CONVENE__SUMMARY__INIT;

	hash_for(s, link, link->sent);
	link->sent_grown = s->grown;
	m.hash = pb_of(bytes_of(link->sent, HASH_LEN));
	for (size_t i = 0; i < s->log_count; i++)
		m.logs += log_counts(s, link, &s->logs[i]);
	link->sent_logs = m.logs;
	m.buckets = pb_of(buckets);
	carry_tell(s, link, &m);
	s->io.send(s->io.ctx, link->handle, FRAME_SUMMARY, 0, &m.base);
}

void frontier_summary(struct sync *s, struct sync_link *link)
{
	summary_send(s, link, bytes_of(NULL, 0));
}

static void head_of(Convene__Head *h, const struct log_slot *l, size_t root_len)
{
	convene__head__init(h);
	h->log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	h->size = replica_held(l->replica);
	h->root = pb_of(bytes_of(replica_held_root(l->replica), root_len));
}

/* Show our logs, or those of some buckets: for each bucket whether it is meant. */
static void frontier_send(struct sync *s, struct sync_link *link, const bool *buckets, bool answer)
{
	Convene__Head heads[HEADS_PER_FRAME], *list[HEADS_PER_FRAME];
	uint8_t numbers[BUCKETS];
	size_t i = 0;

	do {
		Convene__Frontier m = CONVENE__FRONTIER__INIT;

		for (; i < s->log_count && m.n_heads < HEADS_PER_FRAME; i++) {
			const struct log_slot *l = &s->logs[i];
			const struct pair *p = pair_of(s, link, l);

			if (!log_counts(s, link, l) || (buckets && !buckets[l->binding.digest[0]]))
				continue;
			if (buckets && !answer && p->shown == replica_held(l->replica) &&
			    memcmp(p->shown_root, replica_held_root(l->replica), ROOT_HINT) == 0)
				continue; /* it has shown us the same */
			head_of(&heads[m.n_heads], l, buckets ? ROOT_HINT : HASH_LEN);
			list[m.n_heads] = &heads[m.n_heads];
			m.n_heads++;
		}
		m.heads = list;
		m.last = i == s->log_count;
		for (size_t k = 0; m.last && answer && k < BUCKETS; k++) {
			if (buckets[k])
				numbers[m.buckets.len++] = (uint8_t)k;
		}
		m.buckets.data = numbers;
		s->io.send(s->io.ctx, link->handle, FRAME_FRONTIER, 0, &m.base);
	} while (i < s->log_count);
	link->told = true;
}

/* The peer has said that it holds what we hold, or held when `grown` was sync.grown, in the buckets
 * that don't differ. Of what has grown here since it knows by ANNOUNCE or DATA, or is still to. */
static void frontier_same(
    struct sync *s, struct sync_link *link, const bool *differ, uint64_t grown)
{
	for (size_t i = 0; i < s->log_count; i++) {
		struct pair *p = &link->pairs[i];
		uint64_t held = replica_held(s->logs[i].replica);

		if (s->logs[i].grown <= grown && p->shown < held &&
		    log_counts(s, link, &s->logs[i]) &&
		    !(differ && differ[s->logs[i].binding.digest[0]]))
			p->shown = held;
	}
}

/* The peer's frontier is known: from now on this link may feed us. */
static void link_compared(struct sync *s, struct sync_link *link, uint64_t now)
{
	if (!link->compared)
		wants_renew(s);
	link->compared = true;
	for (size_t i = 0; i < s->log_count; i++)
		cosign_stands(s, link, &s->logs[i]);
	pull_choose_all(s, now);
	wants_pump(s, true, now);
}

static void buckets_answer(struct sync *s, struct sync_link *link, struct bytes theirs)
{
	uint8_t ours[BUCKETS * BUCKET_HASH];
	bool differ[BUCKETS], any = false;

	buckets_of(s, link, ours);
	for (size_t i = 0; i < BUCKETS; i++) {
		differ[i] = memcmp(ours + i * BUCKET_HASH, theirs.data + i * BUCKET_HASH,
				BUCKET_HASH) != 0;
		any |= differ[i];
	}
	frontier_same(s, link, differ, s->grown);
	frontier_send(s, link, differ, true);
	if (!any)
		frontier_summary(s, link);
}

void frontier_receive_summary(
    struct sync *s, struct sync_link *link, const Convene__Summary *m, uint64_t now)
{
	uint8_t hash[HASH_LEN];
	bool again, same;
	int order, err;

	if (m->hash.len != HASH_LEN ||
	    (m->buckets.len > 0 && m->buckets.len != BUCKETS * BUCKET_HASH)) {
		s->io.fault(s->io.ctx, link->handle, ERR_MALFORMED,
		    "a SUMMARY holds a hash of 32 bytes, and 256 buckets or none");
		return;
	}
	err = carry_receive(s, link, m);
	if (err == ERR_MALFORMED)
		s->io.fault(s->io.ctx, link->handle, err,
		    "a SUMMARY's logs that aren't carried are no ascending list");
	if (err)
		return;
	if (m->buckets.len > 0) {
		buckets_answer(s, link, bytes_of_pb(m->buckets));
		return;
	}
	again = link->summed;
	link->summed = true;
	hash_for(s, link, hash);
	order = memcmp(link->sent, m->hash.data, HASH_LEN);
	same = memcmp(hash, m->hash.data, HASH_LEN) == 0;
	if (same || (order == 0 && !again)) {
		/* To one of us only: it has grown since it was asked. The other can't know. */
		if (order != 0)
			frontier_summary(s, link);
		if (same)
			link->bucketed = 0;
		frontier_same(s, link, NULL, same ? s->grown : link->sent_grown);
		link_compared(s, link, now);
	} else if (link->sent_logs < BUCKETS_FROM || m->logs < BUCKETS_FROM) {
		frontier_send(s, link, NULL, false);
	} else if (order <= 0) {
		uint8_t buckets[BUCKETS * BUCKET_HASH];

		buckets_of(s, link, buckets);
		if (link->bucketed++ == 0)
			link->bucketed_grown = s->grown;
		summary_send(s, link, bytes_of(buckets, sizeof buckets));
	} else if (again) {
		frontier_summary(s, link);
	}
}

#define ASK_MS 5000 /* first; doubles to 64 times that */

static void log_get(struct sync *s, struct sync_link *link, struct asked *asked, uint64_t now)
{
	Convene__LogGet m = CONVENE__LOG_GET__INIT;

	asked->again_at = now + ((uint64_t)ASK_MS << asked->shift);
	if (asked->shift < 6)
		asked->shift++;
	m.log = pb_of(bytes_of(asked->digest, DIGEST_LEN));
	s->io.send(s->io.ctx, link->handle, FRAME_LOG_GET, 0, &m.base);
}

/* Ask for the credential of a log that we don't know. Bounded: what doesn't fit is asked when it is
 * shown again. */
static void ask_log(struct sync *s, struct sync_link *link, const uint8_t *digest, uint64_t size,
    const uint8_t *root, uint64_t now)
{
	struct asked *asked;

	for (size_t i = 0; i < link->asked_count; i++) {
		if (memcmp(link->asked[i].digest, digest, DIGEST_LEN) == 0) {
			link->asked[i].size = size;
			memcpy(link->asked[i].root, root, ROOT_HINT);
			return;
		}
	}
	if (link->asked_count == ASKED_MAX)
		return;
	if (link->asked_count == link->asked_cap) {
		size_t cap = link->asked_cap ? 2 * link->asked_cap : 8;
		struct asked *grown = realloc(link->asked, cap * sizeof *grown);

		if (!grown)
			return;
		link->asked = grown;
		link->asked_cap = cap;
	}
	asked = &link->asked[link->asked_count++];
	*asked = (struct asked){.size = size};
	memcpy(asked->digest, digest, DIGEST_LEN);
	memcpy(asked->root, root, ROOT_HINT);
	log_get(s, link, asked, now);
}

/* The answer may have been lost to a failing disk: the peer can't know, and a log that nobody
 * writes in is not announced again. */
void frontier_ask_again(struct sync *s, struct sync_link *link, uint64_t now)
{
	for (size_t i = 0; i < link->asked_count; i++) {
		if (now >= link->asked[i].again_at)
			log_get(s, link, &link->asked[i], now);
	}
}

void frontier_head(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t size,
    const uint8_t *root, uint64_t now)
{
	if (l->uncarried || pair_of(s, link, l)->without || !fork_head(s, link, l, size, root, now))
		return;
	pair_shown(pair_of(s, link, l), size, root, now);
	cosign_stands(s, link, l);
	if (slot_is_ours(l) && size > replica_staged(l->replica))
		pull_own(s, l, link);
}

/* One head that a peer shows, in FRONTIER or ANNOUNCE. False: malformed. */
static bool head_receive(struct sync *s, struct sync_link *link, const Convene__Head *h,
    struct bytes digest, uint64_t now)
{
	size_t root_len = h->root.len;
	struct log_slot *l;

	if (digest.len != DIGEST_LEN || (root_len != ROOT_HINT && root_len != HASH_LEN) ||
	    h->size == 0 || h->size > INT64_MAX)
		return false;
	l = slot_by_digest(s, digest.data, digest.len);
	if (l)
		frontier_head(s, link, l, h->size, h->root.data, now);
	else if (carry_wants(s, digest.data))
		ask_log(s, link, digest.data, h->size, h->root.data, now);
	return true;
}

void frontier_receive(
    struct sync *s, struct sync_link *link, const Convene__Frontier *m, uint64_t now)
{
	for (size_t i = 0; i < m->n_heads; i++) {
		if (!head_receive(s, link, m->heads[i], bytes_of_pb(m->heads[i]->log), now)) {
			s->io.fault(s->io.ctx, link->handle, ERR_MALFORMED,
			    "a FRONTIER holds a malformed head");
			return;
		}
	}
	if (!m->last)
		return;
	/* One without buckets is not an answer to ours, and leaves out what has been shown to it.
	 */
	if (link->bucketed > 0 && m->buckets.len > 0) {
		bool differ[BUCKETS] = {false};

		for (size_t i = 0; i < m->buckets.len; i++)
			differ[m->buckets.data[i]] = true;
		link->bucketed--;
		frontier_same(s, link, differ, link->bucketed_grown);
		frontier_send(s, link, differ, false);
	} else if (!link->told) {
		/* The peer saw a difference where we saw none: one of us had grown between sending
		 * a hash and receiving one. It waits for ours. */
		frontier_send(s, link, NULL, false);
	}
	link_compared(s, link, now);
}

/* Which log a head of an ANNOUNCE means; it may give it a number from now on. Empty: none. */
static struct bytes head_name(struct sync_link *link, const Convene__Head *h)
{
	if (h->number == 0 || h->number > NUMBER_MAX)
		return bytes_of_pb(h->log);
	if (h->log.len == DIGEST_LEN) {
		if (h->number > link->name_count) {
			size_t count = h->number + 15;
			void *grown = realloc(link->names, count * sizeof *link->names);

			if (!grown)
				return bytes_of_pb(h->log); /* then it will be unknown */
			link->names = grown;
			memset(link->names + link->name_count, 0,
			    (count - link->name_count) * sizeof *link->names);
			link->name_count = count;
		}
		memcpy(link->names[h->number - 1], h->log.data, DIGEST_LEN);
	}
	if (h->number > link->name_count)
		return bytes_of(NULL, 0);
	return bytes_of(link->names[h->number - 1], DIGEST_LEN);
}

void frontier_receive_announce(
    struct sync *s, struct sync_link *link, const Convene__Announce *m, uint64_t now)
{
	for (size_t i = 0; i < m->n_heads; i++) {
		struct bytes digest = head_name(link, m->heads[i]);
		struct log_slot *l;

		if (!head_receive(s, link, m->heads[i], digest, now)) {
			s->io.fault(s->io.ctx, link->handle, ERR_MALFORMED,
			    "an ANNOUNCE holds a malformed head");
			return;
		}
		l = slot_by_digest(s, digest.data, DIGEST_LEN);
		if (l && !l->upstream)
			pull_choose(s, l, now);
	}
	link->stats.announces_in += m->n_heads;
}

void frontier_receive_log_get(struct sync *s, struct sync_link *link, const Convene__LogGet *m)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	Convene__Log answer = CONVENE__LOG__INIT;

	if (!l || replica_held(l->replica) == 0 || l->uncarried)
		return; /* we no longer show it; silence costs the peer nothing */
	answer.name = pb_of(bytes_str(replica_name(l->replica)));
	answer.credential = pb_of(s->io.credential(s->io.ctx, l->no));
	s->io.send(s->io.ctx, link->handle, FRAME_LOG, 0, &answer.base);
	fork_after_log(s, link, l);
}

void frontier_receive_log(
    struct sync *s, struct sync_link *link, const Convene__Log *m, uint64_t now)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	size_t i = 0;
	int err;

	if (log_name_parse(bytes_of_pb(m->name), &organisation, digest, &number) != OK) {
		s->io.fault(s->io.ctx, link->handle, ERR_MALFORMED,
		    "a LOG holds something else than a log name");
		return;
	}
	while (i < link->asked_count && memcmp(link->asked[i].digest, digest, DIGEST_LEN) != 0)
		i++;
	if (i == link->asked_count || slot_by_digest(s, digest, DIGEST_LEN))
		return; /* not asked for, or another link was quicker */
	err = s->io.offer(
	    s->io.ctx, link->handle, bytes_of_pb(m->name), bytes_of_pb(m->credential));
	if (err == OK)
		return; /* sync_add_log() takes the head shown from `asked` */
	link->asked[i] = link->asked[--link->asked_count];
	if (err != ERR_NOT_MEMBER && err != ERR_REFUSED && err != ERR_NOMEM)
		s->io.fault(s->io.ctx, link->handle, err, "a LOG's credential is not one");
	(void)now;
}

/* ---- announcements ---- */

void frontier_flush(struct sync *s, struct sync_link *link, uint64_t now)
{
	Convene__Head heads[HEADS_PER_FRAME], *list[HEADS_PER_FRAME];
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;
	bool more = false;

	for (size_t i = 0; i < s->log_count; i++) {
		struct pair *p = &link->pairs[i];

		if (!p->dirty)
			continue;
		if (m.n_heads == HEADS_PER_FRAME) {
			more = true;
			break;
		}
		p->dirty = false;
		if (!log_counts(s, link, &s->logs[i]) || p->subscribed ||
		    p->shown >= replica_held(s->logs[i].replica))
			continue; /* it is told by DATA, or told us */
		head_of(&heads[m.n_heads], &s->logs[i], ROOT_HINT);
		if (i < NUMBER_MAX) {
			heads[m.n_heads].number = (uint32_t)i + 1;
			if (p->numbered)
				heads[m.n_heads].log = pb_of(bytes_of(NULL, 0));
			p->numbered = true;
		}
		list[m.n_heads] = &heads[m.n_heads];
		m.n_heads++;
	}
	m.heads = list;
	link->announce_due = more;
	if (m.n_heads == 0)
		return;
	link->announce_at = now + SYNC_ANNOUNCE_MS;
	link->stats.announces_out += m.n_heads;
	s->io.send(s->io.ctx, link->handle, FRAME_ANNOUNCE, 0, &m.base);
}

void frontier_show(struct sync *s, const struct log_slot *l)
{
	Convene__Head h, *list[] = {&h};
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;

	head_of(&h, l, ROOT_HINT);
	m.heads = list;
	m.n_heads = 1;
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (!log_counts(s, link, l))
			continue;
		link->stats.announces_out++;
		s->io.send(s->io.ctx, link->handle, FRAME_ANNOUNCE, 0, &m.base);
	}
}

void frontier_grown(struct sync *s, struct log_slot *l, uint64_t now)
{
	l->grown = ++s->grown;
	cosign_grown(s, l);
	if (!log_shown(l))
		return;
	for (struct sync_link *link = s->links; link; link = link->next) {
		struct pair *p = pair_of(s, link, l);

		if (p->subscribed) {
			push_log(s, link, l);
		} else if (p->shown < replica_held(l->replica)) {
			p->dirty = true;
			link->announce_due = true;
			if (now >= link->announce_at)
				frontier_flush(s, link, now);
		}
	}
}
