/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs that one side of a link doesn't carry: both leave them out of all that they compare and
 * announce (SPEC.md 11.1).
 *
 * Each side says which ones those are for it, in every SUMMARY, and has to know that the other has
 * taken it into account before two hashes can mean the same; until then a SUMMARY is left aside. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_LEN);
}

static bool has(const struct without *w, const uint8_t digest[static DIGEST_LEN])
{
	return w->count > 0 && bsearch(digest, w->list, w->count, DIGEST_LEN, by_digest) != NULL;
}

/* Take a list that is sorted. The first bytes of its hash go into `heard`. */
static bool take(struct without *w, const uint8_t *list, size_t count)
{
	uint8_t hash[HASH_LEN];
	void *copy = count > 0 ? malloc(count * DIGEST_LEN) : NULL;

	if (count > 0 && !copy)
		return false;
	if (count > 0)
		memcpy(copy, list, count * DIGEST_LEN);
	free(w->list);
	w->list = copy;
	w->count = count;
	hash_of(hash, list, count * DIGEST_LEN);
	memcpy(w->heard, hash, sizeof w->heard);
	return true;
}

void without_clear(struct without *w)
{
	free(w->list);
	*w = (struct without){.count = 0};
}

bool log_counts(const struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	return log_shown(l) && !l->uncarried && !(link && pair_of(s, link, l)->without);
}

bool carry_wants(const struct sync *s, const uint8_t digest[static DIGEST_LEN])
{
	return !has(&s->without, digest);
}

void carry_added(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	pair_of(s, link, l)->without = has(&link->without, l->binding.digest);
}

/* ---- ours ---- */

int sync_without(struct sync *s, const uint8_t (*digests)[DIGEST_LEN], size_t count, uint64_t now)
{
	uint8_t(*sorted)[DIGEST_LEN] = malloc((count + 1) * DIGEST_LEN);
	bool same, done;

	(void)now;
	if (!sorted)
		return ERR_NOMEM;
	if (count > SYNC_WITHOUT_MAX)
		count = SYNC_WITHOUT_MAX;
	if (count > 0)
		memcpy(sorted, digests, count * DIGEST_LEN);
	qsort(sorted, count, DIGEST_LEN, by_digest);
	same = count == s->without.count &&
	       (count == 0 || memcmp(sorted, s->without.list, count * DIGEST_LEN) == 0);
	done = same || take(&s->without, sorted[0], count);
	free(sorted);
	if (!done)
		return ERR_NOMEM;
	for (struct sync_link *link = s->links; link && !same; link = link->next)
		frontier_summary(s, link);
	return OK;
}

int sync_carry(struct sync *s, uint32_t no, bool carried, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l)
		return ERR_NOTFOUND;
	if (l->uncarried != carried)
		return OK;
	l->uncarried = !carried;
	l->grown = ++s->grown;
	for (struct sync_link *link = s->links; link; link = link->next)
		pair_forget(pair_of(s, link, l));
	if (carried) {
		pull_choose(s, l, now);
		log_lacks(s, l);
	} else {
		pull_drop(s, l, true);
	}
	return OK;
}

/* ---- the peer's ---- */

void carry_tell(const struct sync *s, const struct sync_link *link, Convene__Summary *m)
{
	if (s->without.count > 0)
		m->without = pb_of(bytes_of(s->without.list, s->without.count * DIGEST_LEN));
	if (link->without.count > 0)
		m->heard = pb_of(bytes_of(link->without.heard, sizeof link->without.heard));
}

static bool is_sorted(struct bytes list)
{
	for (size_t at = DIGEST_LEN; at < list.len; at += DIGEST_LEN)
		if (memcmp(list.data + at - DIGEST_LEN, list.data + at, DIGEST_LEN) >= 0)
			return false;
	return true;
}

int carry_receive(struct sync *s, struct sync_link *link, const Convene__Summary *m)
{
	struct bytes list = bytes_of_pb(m->without);
	size_t count = list.len / DIGEST_LEN;

	if (list.len % DIGEST_LEN != 0 || count > SYNC_WITHOUT_MAX || !is_sorted(list) ||
	    (m->heard.len != 0 && m->heard.len != sizeof s->without.heard))
		return ERR_MALFORMED;
	if (count != link->without.count ||
	    (count > 0 && memcmp(list.data, link->without.list, list.len) != 0)) {
		if (!take(&link->without, list.data, count))
			return ERR_NOMEM;
		for (size_t i = 0; i < s->log_count; i++) {
			struct log_slot *l = &s->logs[i];
			bool was = pair_of(s, link, l)->without;

			carry_added(s, link, l);
			if (was || !pair_of(s, link, l)->without)
				continue;
			pair_forget(pair_of(s, link, l));
			if (l->upstream == link)
				pull_drop(s, l, true);
		}
		frontier_summary(s, link);
	}
	/* Its hash is of logs that we don't count. */
	return s->without.count > 0 && (m->heard.len == 0 || memcmp(m->heard.data, s->without.heard,
								 m->heard.len) != 0)
		   ? ERR_STALE
		   : OK;
}
