/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures on their way (SPEC.md 11.8): taken from peers, kept, and passed on along the tree of
 * subscriptions until the log is anchored.
 *
 * Of a log the newest note of each seat (member/anchor.h) is kept, and of these as many as the
 * policy wants, of the largest sizes: they are what makes the log anchored, and all that anybody
 * could need. One has to be with the store before it counts or is sent.
 *
 * A peer can cost us no more than it is given: what it sends again, or what is of no use any more,
 * is thrown away before anything is verified; the rest is taken from an allowance that grows with
 * time (COSIGN_ROOM, cosign_take.c), and what is beyond it is asked for again when there is room.
 */
#include <stdlib.h>

#include "sync/cosign_inside.h"

#define ASK_FIRST_MS 2000
#define ASK_SHIFT_MAX 5

/* ---- telling ---- */

/* Of more than 64 links some share the last bit, which then says nothing. */
uint64_t cosign_link_bit(const struct sync_link *link)
{
	return link->id < 63 ? UINT64_C(1) << link->id : 0;
}

void cosign_link_gone(struct sync *s, const struct sync_link *link)
{
	for (size_t i = 0; i < s->log_count; i++) {
		for (size_t k = 0; k < s->logs[i].note_count; k++)
			s->logs[i].notes[k].has &= ~cosign_link_bit(link);
	}
}

/* The next that this link is to be told of, in the order in which they were adopted. */
static struct cosign_note *next_for(
    struct log_slot *l, const struct sync_link *link, const struct pair_notes *p)
{
	struct cosign_note *next = NULL;

	for (size_t i = 0; i < l->note_count; i++) {
		struct cosign_note *n = &l->notes[i];

		if (!n->storing && n->serial > p->told && n->size > p->anchored &&
		    !(n->has & cosign_link_bit(link)) && (!next || n->serial < next->serial))
			next = n;
	}
	return next;
}

/* One frame, with what else there is to tell of the same text. A line is never told twice, so that
 * whatever is in it counts as told. */
static void tell_one(struct sync *s, struct sync_link *link, struct log_slot *l,
    struct pair_notes *p, const struct cosign_note *first)
{
	Convene__Checkpoint m = CONVENE__CHECKPOINT__INIT;
	struct buffer note = BUFFER_INIT;

	buffer_add(&note, first->note.data, first->note.len);
	for (size_t i = 0; i < l->note_count; i++) {
		struct cosign_note *n = &l->notes[i];

		if (n->storing || !bytes_equal(cosign_note_text(n), cosign_note_text(first)))
			continue;
		if (n != first && n->serial > p->told && !(n->has & cosign_link_bit(link)))
			buffer_add(&note, n->note.data + n->line, n->note.len - n->line);
		n->has |= cosign_link_bit(link);
	}
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.note = pb_of(buffer_bytes(&note));
	if (!note.failed) {
		s->io.send(s->io.ctx, link->handle, FRAME_CHECKPOINT, 0, &m.base);
		link->stats.checkpoints_out++;
	}
	buffer_free(&note);
}

/* A log that has ended, and is whole on both sides, has no subscribers: whoever shows it hears. */
static bool both_stand(const struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	return l->stand == STAND_HELD && pair_of(s, link, l)->shown >= l->stand_size;
}

/* Whether the peer has what this size covers, or will before it hears of it. */
static bool reaches(const struct sync *s, const struct log_slot *l, struct sync_link *link,
    const struct pair_notes *p, const struct cosign_note *n)
{
	return l->upstream == link || p->asked || pair_of(s, link, l)->next >= n->size ||
	       both_stand(s, link, l);
}

static void tell(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t now)
{
	struct pair_notes *p = &pair_of(s, link, l)->notes;
	struct cosign_note *n;
	bool told = false;

	if (!link->witness || !log_shown(l) ||
	    (l->upstream != link && !pair_of(s, link, l)->subscribed && !p->asked &&
		!both_stand(s, link, l)))
		return;
	if (!next_for(l, link, p)) {
		p->asked = false;
		return;
	}
	if (now < p->tell_at) {
		link->cosign_due = true;
		return;
	}
	while ((n = next_for(l, link, p)) && reaches(s, l, link, p, n)) {
		tell_one(s, link, l, p, n);
		p->told = n->serial;
		told = true;
	}
	link->cosign_due |= n != NULL;
	p->asked = false;
	if (told)
		p->tell_at = now + SYNC_COSIGN_MS;
}

void cosign_tell_all(struct sync *s, struct log_slot *l, uint64_t now)
{
	for (struct sync_link *link = s->links; link; link = link->next)
		tell(s, link, l, now);
}

/* ---- asking ---- */

static void ask(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t now)
{
	Convene__CheckpointGet m = CONVENE__CHECKPOINT_GET__INIT;
	struct pair_notes *p = &pair_of(s, link, l)->notes;

	p->missed = 0;
	p->ask_at = now + ((uint64_t)ASK_FIRST_MS << p->ask_shift);
	if (p->ask_shift < ASK_SHIFT_MAX)
		p->ask_shift++;
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	s->io.send(s->io.ctx, link->handle, FRAME_CHECKPOINT_GET, 0, &m.base);
}

/* Something of this size could not be taken: it is asked for when it can be. */
void cosign_miss(struct sync_link *link, struct pair_notes *p, uint64_t size)
{
	if (p->missed < size)
		p->missed = size;
	link->cosign_due = true;
}

void cosign_missed(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	cosign_miss(link, &pair_of(s, link, l)->notes, replica_held(l->replica));
}

void cosign_stands(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	if (link->witness && both_stand(s, link, l))
		cosign_missed(s, link, l);
}

void cosign_tick(struct sync *s, struct sync_link *link, uint64_t now)
{
	if (!link->cosign_due)
		return;
	link->cosign_due = false;
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];
		struct pair_notes *p = &link->pairs[i].notes;

		tell(s, link, l, now);
		if (p->missed <= l->anchored || !link->witness || !log_shown(l)) {
			p->missed = 0;
			continue;
		}
		if (p->missed <= replica_held(l->replica) && now >= p->ask_at)
			ask(s, link, l, now);
		else
			link->cosign_due = true;
	}
}

/* We ask this link for the log from now on. */
uint64_t cosign_subscribe(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	struct pair_notes *p = &pair_of(s, link, l)->notes;

	if (!link->witness)
		return 0;
	p->told = 0;
	p->anchored = l->anchored;
	link->cosign_due = true;
	return l->anchored;
}

/* And this one asks us. */
void cosign_subscribed(
    struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t anchored, uint64_t now)
{
	struct pair_notes *p = &pair_of(s, link, l)->notes;

	if (!link->witness)
		return;
	p->told = 0;
	p->anchored = anchored < l->anchored ? anchored : l->anchored;
	/* It may be the only occasion: a quiet log is subscribed to once. */
	if (anchored > l->anchored && now >= p->ask_at)
		ask(s, link, l, now);
	else if (anchored > l->anchored)
		cosign_miss(link, p, anchored);
	link->cosign_due = true;
}

void cosign_receive_get(
    struct sync *s, struct sync_link *link, const Convene__CheckpointGet *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct pair_notes *p;

	if (!l)
		return;
	p = &pair_of(s, link, l)->notes;
	p->told = p->anchored = 0;
	p->asked = true;
	for (size_t i = 0; i < l->note_count; i++)
		l->notes[i].has &= ~cosign_link_bit(link);
	tell(s, link, l, now);
}

void sync_cosigners_changed(struct sync *s, uint64_t now)
{
	(void)now;
	for (struct sync_link *link = s->links; link; link = link->next) {
		for (size_t i = 0; i < s->log_count; i++) {
			struct pair_notes *p = &link->pairs[i].notes;

			if (link->pairs[i].subscribed || s->logs[i].upstream == link) {
				p->ask_shift = 0;
				/* Also of what is on its way to the disk. */
				cosign_miss(link, p, replica_staged(s->logs[i].replica));
			}
		}
	}
}
