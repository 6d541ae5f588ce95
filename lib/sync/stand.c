/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands of a log that has a successor, and how a node comes to hold just that (SPEC.md 11.9).
 *
 * What we hold is the beginning of it, or goes beyond it, or is another history. Until that is
 * known the log is not shown. Where our own tree can't tell, a *guide* does: a peer that shows the
 * head that stands. Its note is bound to that head by the first question, and each further one
 * gives the root that stands at some size, so that two logs of a million entries are compared by
 * twenty. What such an answer proves stays true when the guide goes. Then we cut, and take the rest
 * from the guide, under its note and no other: so no entry comes that would have to be cut again.
 */
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define QUESTION_MS 5000
#define QUESTIONS_MAX 100 /* of one guide; the longest log needs some sixty */
#define CUT_AGAIN_MS 1000 /* doubled each time that it fails again, up to: */
#define CUT_AGAIN_MAX_MS 600000

bool stand_is(const struct log_slot *l, uint64_t size, const uint8_t *root)
{
	return l->stood && size == l->stand_size && memcmp(root, l->stand_root, 8) == 0;
}

/* ---- the guide ---- */

void stand_guide_gone(struct log_slot *l)
{
	l->guide = NULL;
	l->guided = false;
	l->question = 0;
	l->questions = 0;
}

static void guide_leave(struct sync *s, struct log_slot *l, const char *why, uint64_t now)
{
	struct sync_link *old = l->guide;

	pull_back_off(s, old, l, now);
	stand_guide_gone(l);
	if (l->upstream)
		pull_drop(s, l, true);
	s->io.note(s->io.ctx, old->handle, why);
}

static void guide_ask(struct sync *s, struct log_slot *l, uint64_t size, uint64_t now)
{
	l->question = size;
	l->question_at = now;
	l->questions++;
	fork_ask_from(s, l->guide, l, size);
}

/* The one that has disappointed us least. */
static void guide_choose(struct sync *s, struct log_slot *l, uint64_t now)
{
	struct sync_link *best = NULL;

	for (struct sync_link *link = s->links; link; link = link->next) {
		const struct pair *p = pair_of(s, link, l);

		if (link->witness && link->compared && p->shown == l->stand_size &&
		    stand_is(l, p->claim, p->claim_root) && now >= p->backoff_until &&
		    (!best || p->backoff_shift < pair_of(s, best, l)->backoff_shift))
			best = link;
	}
	if (!best)
		return;
	stand_guide_gone(l);
	l->guide = best;
	guide_ask(s, l, l->stand_size, now);
}

/* ---- where the histories part ---- */

/* By our own tree. */
static void search_alone(struct log_slot *l)
{
	uint8_t root[HASH_LEN];

	if (replica_held(l->replica) < l->stand_size || l->common == l->stand_size ||
	    l->differs <= l->stand_size || replica_root_at(l->replica, l->stand_size, root) != OK)
		return;
	if (memcmp(root, l->stand_root, HASH_LEN) == 0)
		l->common = l->stand_size;
	else
		l->differs = l->stand_size;
}

static void log_cut(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (!s->io.cut || now < l->cut_at)
		return;
	l->stand = STAND_CUT;
	wants_drop(s, l);
	for (struct sync_link *link = s->links; link; link = link->next) {
		pair_of(s, link, l)->subscribed = false;
		pair_of(s, link, l)->differs = false;
	}
	s->io.cut(s->io.ctx, l->no, l->common);
}

static void stand_whole(struct sync *s, struct log_slot *l)
{
	for (struct sync_link *link = s->links; link; link = link->next)
		cosign_stands(s, link, l);
	if (s->io.stands)
		s->io.stands(s->io.ctx, l->no);
}

/* What we hold is of what stands, as far as it goes. */
static void begins_to_stand(struct sync *s, struct log_slot *l, uint64_t now)
{
	bool whole = replica_held(l->replica) == l->stand_size;

	l->stand = whole ? STAND_HELD : STAND_FETCH;
	l->stopped = whole;
	frontier_grown(s, l, now);
	if (whole)
		stand_whole(s, l);
}

static void search(struct sync *s, struct log_slot *l, uint64_t now)
{
	uint64_t held = replica_held(l->replica);
	uint64_t bound = held < l->stand_size ? held : l->stand_size;

	search_alone(l);
	if (l->common == bound || l->differs == l->common + 1) {
		if (l->common < held)
			log_cut(s, l, now);
		else
			begins_to_stand(s, l, now);
	} else if (!l->guide) {
		guide_choose(s, l, now);
	} else if (l->guided && l->question == 0) {
		if (l->questions >= QUESTIONS_MAX)
			guide_leave(s, l, "answers, and leads nowhere", now);
		else
			guide_ask(s, l,
			    l->differs <= bound ? l->common + (l->differs - l->common) / 2 : bound,
			    now);
	}
}

/* Whatever is to be done next; again when a commit, an answer or a tick has come. */
static void step(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (l->due_count > 0 || l->failed)
		return;
	if (l->stand == STAND_UNSURE) {
		search(s, l, now);
	} else if (l->stand == STAND_FETCH && replica_held(l->replica) == l->stand_size) {
		pull_drop(s, l, true);
		l->stopped = true;
		l->behind = false;
		l->stand = STAND_HELD;
		stand_whole(s, l);
	} else if (l->stand == STAND_FETCH) {
		/* It has given less than it showed, and was left (pull.c). */
		if (l->guide && pair_of(s, l->guide, l)->shown != l->stand_size)
			stand_guide_gone(l);
		if (!l->guide)
			guide_choose(s, l, now);
		else if (l->guided && !l->upstream)
			pull_choose(s, l, now);
	}
}

void stand_committed(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (l->stood)
		step(s, l, now);
}

void stand_tick(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (!l->stood || l->stand == STAND_HELD)
		return;
	if (l->guide && l->question > 0 && now - l->question_at > QUESTION_MS)
		guide_leave(s, l, "does not answer for a head that it shows", now);
	step(s, l, now);
}

/* ---- answers ---- */

static int proves(const struct answer *a, uint64_t size, const uint8_t root[static HASH_LEN])
{
	if (size == a->head.size)
		return memcmp(a->head.root, root, HASH_LEN) == 0 ? OK : ERR_PROOF;
	return consistency_verify(size, a->head.size, a->proof, a->count, root, a->head.root);
}

/* Whether its note is of the history that stands. */
static void guide_bind(struct sync *s, struct log_slot *l, const struct answer *a, uint64_t now)
{
	if (a->head.size < l->stand_size || proves(a, l->stand_size, l->stand_root) != OK) {
		guide_leave(s, l, "shows a head that its note does not lead to", now);
		return;
	}
	l->guided = true;
	l->guide_size = a->head.size;
	memcpy(l->guide_root, a->head.root, HASH_LEN);
}

static void guide_tells(
    struct sync *s, struct log_slot *l, uint64_t size, const struct answer *a, uint64_t now)
{
	const uint8_t *theirs = size == a->head.size ? a->head.root : a->root;
	uint8_t ours[HASH_LEN];

	if (!theirs || proves(a, size, theirs) != OK) {
		struct sync_link *link = l->guide;

		guide_leave(s, l, "answers without a proof", now);
		if (theirs)
			s->io.fault(s->io.ctx, link->handle, ERR_PROOF,
			    "a CHECKPOINT does not prove itself");
		return;
	}
	if (replica_root_at(l->replica, size, ours) != OK)
		return; /* asked again */
	if (memcmp(ours, theirs, HASH_LEN) == 0)
		l->common = size;
	else
		l->differs = size;
}

bool stand_asks(const struct log_slot *l, const struct sync_link *link)
{
	return l->stood && link == l->guide && l->question > 0;
}

void stand_answer(struct sync *s, struct log_slot *l, const struct answer *a, uint64_t now)
{
	uint64_t size = l->question;

	l->question = 0;
	if (!l->guided) {
		guide_bind(s, l, a, now);
	} else if (a->head.size != l->guide_size ||
		   memcmp(a->head.root, l->guide_root, HASH_LEN) != 0) {
		l->guided = false; /* it has a newer one */
		if (l->questions < QUESTIONS_MAX)
			guide_ask(s, l, l->stand_size, now);
		else
			guide_leave(s, l, "answers, and leads nowhere", now);
	} else {
		guide_tells(s, l, size, a, now);
	}
	step(s, l, now);
}

/* Whether a DATA leads to what stands. */
bool stand_takes(
    struct sync *s, struct log_slot *l, const Convene__Data *m, size_t count, uint64_t now)
{
	struct checkpoint c;

	if (l->guided && m->first <= l->stand_size && count <= l->stand_size - m->first &&
	    checkpoint_open(bytes_of_pb(m->checkpoint), replica_key(l->replica), &c) == OK &&
	    c.size == l->guide_size && memcmp(c.root, l->guide_root, HASH_LEN) == 0)
		return true;
	if (l->guide)
		guide_leave(s, l, "gives entries that do not lead to what stands", now);
	else
		pull_drop(s, l, true);
	return false;
}

/* ---- what the driver says ---- */

int sync_stand(
    struct sync *s, uint32_t no, uint64_t size, const uint8_t root[static HASH_LEN], uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l || size == 0)
		return l ? ERR_RANGE : ERR_NOTFOUND;
	if (l->stood)
		return stand_is(l, size, root) && memcmp(root, l->stand_root, HASH_LEN) == 0
			   ? OK
			   : ERR_REFUSED;
	log_silence(s, l);
	l->stood = true;
	l->stand = STAND_UNSURE;
	l->stand_size = size;
	memcpy(l->stand_root, root, HASH_LEN);
	l->common = 0;
	l->differs = UINT64_MAX;
	l->disputed = l->own = l->stopped = l->forked = false;
	for (struct sync_link *link = s->links; link; link = link->next) {
		struct pair *p = pair_of(s, link, l);

		if (p->claim > 0 && stand_is(l, p->claim, p->claim_root))
			pair_shown(p, p->claim, p->claim_root, now);
	}
	step(s, l, now);
	return OK;
}

void sync_cut_done(struct sync *s, uint32_t no, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);
	uint64_t held = l ? replica_held(l->replica) : 0;

	if (!l || l->stand != STAND_CUT)
		return;
	l->stand = STAND_UNSURE;
	if (result != OK) {
		l->cut_wait = l->cut_wait == 0                     ? CUT_AGAIN_MS
			      : l->cut_wait < CUT_AGAIN_MAX_MS / 2 ? l->cut_wait * 2
								   : CUT_AGAIN_MAX_MS;
		l->cut_at = now + l->cut_wait;
		return;
	}
	l->cut_wait = 0;
	l->top = l->bottom = l->cursor = l->retry_at = 0;
	l->live_from = held;
	if (l->erased > held)
		l->erased = 0; /* that was said of what is gone */
	cosign_cut(s, l, held);
	log_lacks(s, l);
	step(s, l, now);
	frontier_show(s, l);
}
