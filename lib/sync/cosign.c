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
 * time (COSIGN_ROOM), and what is beyond it is asked for again when there is room. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define COSIGN_ROOM 1024 /* verifications that a link may cause at once, */
#define COSIGN_ROOM_MS 4 /*   and one more in so many ms */
#define ASK_FIRST_MS 2000
#define ASK_SHIFT_MAX 5

/* ---- what is kept ---- */

static struct cosign_note *note_of(struct log_slot *l, uint32_t seat, bool storing)
{
	for (size_t i = 0; i < l->note_count; i++) {
		if (l->notes[i].seat == seat && l->notes[i].storing == storing)
			return &l->notes[i];
	}
	return NULL;
}

static void note_remove(struct log_slot *l, struct cosign_note *n)
{
	buffer_free(&n->note);
	*n = l->notes[--l->note_count];
}

/* A place for one more, zeroed. */
static struct cosign_note *note_add(struct log_slot *l)
{
	if (l->note_count == l->note_cap) {
		size_t cap = l->note_cap ? 2 * l->note_cap : 4;
		struct cosign_note *grown = realloc(l->notes, cap * sizeof *grown);

		if (!grown)
			return NULL;
		l->notes = grown;
		l->note_cap = cap;
	}
	l->notes[l->note_count] = (struct cosign_note){.note = BUFFER_INIT};
	return &l->notes[l->note_count++];
}

/* Keep no more than the policy wants: the one of the smallest size is of no use to anybody. */
static void notes_trim(struct sync *s, struct log_slot *l)
{
	for (;;) {
		struct cosign_note *least = NULL;
		size_t count = 0;

		for (size_t i = 0; i < l->note_count; i++) {
			struct cosign_note *n = &l->notes[i];

			count += !n->storing;
			if (!n->storing && (!least || n->size < least->size))
				least = n;
		}
		if (count <= s->anchor_needed)
			return;
		note_remove(l, least);
	}
}

static void anchored_set(struct sync *s, struct log_slot *l)
{
	uint64_t *sizes = malloc((l->note_count + 1) * sizeof *sizes);
	size_t count = 0;

	if (!sizes)
		return;
	for (size_t i = 0; i < l->note_count; i++) {
		if (!l->notes[i].storing && l->notes[i].size <= replica_held(l->replica))
			sizes[count++] = l->notes[i].size;
	}
	l->anchored = anchor_size(s->anchor_needed, sizes, count);
	free(sizes);
}

/* It is durable: it counts, instead of the older one of its seat. */
static void note_adopt(struct sync *s, struct log_slot *l, struct cosign_note *n)
{
	struct cosign_note *old = note_of(l, n->seat, false);
	uint32_t seat = n->seat;

	if (old) {
		note_remove(l, old);
		n = note_of(l, seat, true);
	}
	n->storing = false;
	n->serial = ++s->cosign_serial;
	notes_trim(s, l);
	anchored_set(s, l);
}

void cosign_grown(struct sync *s, struct log_slot *l)
{
	bool more = false;

	for (size_t i = 0; i < l->note_count; i++)
		more |= l->notes[i].size > l->anchored;
	if (more)
		anchored_set(s, l);
}

void cosign_clear(struct log_slot *l)
{
	while (l->note_count > 0)
		note_remove(l, &l->notes[0]);
	free(l->notes);
}

void cosign_cut(struct sync *s, struct log_slot *l, uint64_t size)
{
	for (size_t i = l->note_count; i-- > 0;) {
		if (l->notes[i].size > size)
			note_remove(l, &l->notes[i]);
	}
	anchored_set(s, l);
}

/* ---- telling ---- */

/* Of more than 64 links some share the last bit, which then says nothing. */
static uint64_t link_bit(const struct sync_link *link)
{
	return link->id < 63 ? UINT64_C(1) << link->id : 0;
}

void cosign_link_gone(struct sync *s, const struct sync_link *link)
{
	for (size_t i = 0; i < s->log_count; i++) {
		for (size_t k = 0; k < s->logs[i].note_count; k++)
			s->logs[i].notes[k].has &= ~link_bit(link);
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
		    !(n->has & link_bit(link)) && (!next || n->serial < next->serial))
			next = n;
	}
	return next;
}

static struct bytes text_of(const struct cosign_note *n)
{
	return bytes_of(n->note.data, n->text);
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

		if (n->storing || !bytes_equal(text_of(n), text_of(first)))
			continue;
		if (n != first && n->serial > p->told && !(n->has & link_bit(link)))
			buffer_add(&note, n->note.data + n->line, n->note.len - n->line);
		n->has |= link_bit(link);
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

static void tell_all(struct sync *s, struct log_slot *l, uint64_t now)
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
static void miss(struct sync_link *link, struct pair_notes *p, uint64_t size)
{
	if (p->missed < size)
		p->missed = size;
	link->cosign_due = true;
}

void cosign_missed(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	miss(link, &pair_of(s, link, l)->notes, replica_held(l->replica));
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
		miss(link, p, anchored);
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
		l->notes[i].has &= ~link_bit(link);
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
				miss(link, p, replica_staged(s->logs[i].replica));
			}
		}
	}
}

/* ---- taking ---- */

static bool room_take(struct sync_link *link, uint64_t now)
{
	uint64_t more = (now - link->cosign_room_at) / COSIGN_ROOM_MS;

	if (link->cosign_room_at == 0 || more >= COSIGN_ROOM) {
		link->cosign_room = COSIGN_ROOM;
		link->cosign_room_at = now;
	} else {
		link->cosign_room += more;
		link->cosign_room_at += more * COSIGN_ROOM_MS;
		if (link->cosign_room > COSIGN_ROOM)
			link->cosign_room = COSIGN_ROOM;
	}
	if (link->cosign_room == 0)
		return false;
	link->cosign_room--;
	return true;
}

/* What a CHECKPOINT is found to be. */
struct taking {
	struct sync_link *link;
	struct log_slot *l;
	struct note note;
	struct checkpoint head;
	struct buffer base; /* text, empty line, and the log key's line */
};

static void fault(struct sync *s, const struct taking *t, int err, const char *text)
{
	s->io.fault(s->io.ctx, t->link->handle, err, text);
}

/* Keep it, and have it stored. */
static void note_take(struct sync *s, struct taking *t, const struct cosigner *who,
    struct bytes line, uint64_t seconds)
{
	struct cosign_note *n = note_add(t->l);

	if (!n)
		return;
	n->seat = who->seat;
	n->storing = true;
	n->size = t->head.size;
	n->seconds = seconds;
	n->has = t->link ? link_bit(t->link) : 0;
	buffer_add(&n->note, t->base.data, t->base.len);
	n->text = t->note.text.len;
	n->line = n->note.len;
	buffer_add(&n->note, line.data, line.len);
	if (n->note.failed) {
		note_remove(t->l, n);
		return;
	}
	s->io.cosign_store(s->io.ctx, t->l->no, who, n->size, seconds, buffer_bytes(&n->note));
}

/* Whether a cosignature of this size by this seat would be news. The peer has what it sends. */
static bool is_news(struct sync *s, struct taking *t, uint32_t seat)
{
	struct cosign_note *kept = note_of(t->l, seat, false);

	if (kept && kept->size == t->head.size && bytes_equal(text_of(kept), t->note.text))
		kept->has |= link_bit(t->link);
	if (t->head.size <= t->l->anchored || (kept && kept->size >= t->head.size))
		return false;
	kept = note_of(t->l, seat, true);
	if (!kept)
		return true;
	if (kept->size < t->head.size) /* after what is under way */
		miss(t->link, &pair_of(s, t->link, t->l)->notes, t->head.size);
	return false;
}

/* One signature, by a key that is not the log's. One that no key known has made is left aside: an
 * id has four bytes, so that it may be by another key of the same, which who sent it has known. */
static void line_take(
    struct sync *s, struct taking *t, const struct note_signature *sig, uint64_t now)
{
	const struct cosigner *who = NULL;
	struct buffer alone = BUFFER_INIT;
	struct note note;

	while ((who = s->io.cosigner(s->io.ctx, t->l->no, sig->name, sig->id, who))) {
		uint64_t seconds = 0;
		int err;

		if (!is_news(s, t, who->seat))
			break;
		if (!room_take(t->link, now)) {
			miss(t->link, &pair_of(s, t->link, t->l)->notes, t->head.size);
			break;
		}
		buffer_reset(&alone);
		buffer_add(&alone, t->note.text.data, t->note.text.len);
		buffer_add(&alone, "\n", 1);
		buffer_add(&alone, sig->line.data, sig->line.len);
		err = alone.failed ? ERR_NOMEM : note_parse(&note, buffer_bytes(&alone));
		if (!err)
			err = note_verify(&note, &who->key, &seconds);
		if (!err) {
			note_take(s, t, who, sig->line, seconds);
			break;
		}
	}
	buffer_free(&alone);
}

/* The log key's line into t->base, out of a text that is kept: it was looked at before. */
static bool base_known(struct taking *t)
{
	for (size_t i = 0; i < t->l->note_count; i++) {
		const struct cosign_note *n = &t->l->notes[i];

		if (bytes_equal(text_of(n), t->note.text)) {
			buffer_add(&t->base, n->note.data, n->line);
			return true;
		}
	}
	return false;
}

/* The same out of the note itself: OK, ERR_UNSIGNED, ERR_SIGNATURE, ERR_NOMEM. */
static int base_make(struct taking *t)
{
	struct note_signature sig;
	uint64_t size;
	int err = ERR_UNSIGNED;

	for (size_t i = 0; i < t->note.count && err == ERR_UNSIGNED; i++) {
		if (note_signature(&t->note, i, &sig) != OK ||
		    !bytes_equal(sig.name, bytes_str(replica_name(t->l->replica))))
			continue;
		buffer_reset(&t->base);
		buffer_add(&t->base, t->note.text.data, t->note.text.len);
		buffer_add(&t->base, "\n", 1);
		buffer_add(&t->base, sig.line.data, sig.line.len);
		err = t->base.failed ? ERR_NOMEM
				     : replica_signed(t->l->replica, buffer_bytes(&t->base), &size);
	}
	return err;
}

/* Whether the head is of our history: OK; ERR_FORK: of another; ERR_BUSY: can't be told. */
static int root_check(const struct taking *t)
{
	uint8_t root[HASH_LEN];

	if (replica_root_at(t->l->replica, t->head.size, root) != OK)
		return ERR_BUSY;
	return memcmp(root, t->head.root, HASH_LEN) == 0 ? OK : ERR_FORK;
}

/* The same of a peer's, which the log's key must have signed. Also ERR_RANGE: beyond what is here;
 * ERR_BUSY: not looked at; other errors are the peer's fault, but for ERR_NOMEM. */
static int head_check(struct taking *t, uint64_t now)
{
	int err;

	if (t->head.size > replica_staged(t->l->replica))
		return ERR_RANGE;
	if (base_known(t))
		return t->base.failed ? ERR_NOMEM : OK;
	if (!room_take(t->link, now))
		return ERR_BUSY;
	err = base_make(t);
	return err ? err : root_check(t);
}

static int taking_open(struct taking *t, struct bytes note)
{
	int err = note_parse(&t->note, note);

	if (!err)
		err = checkpoint_parse(t->note.text, &t->head);
	if (!err && strcmp(t->head.origin, replica_name(t->l->replica)) != 0)
		err = ERR_OTHER_FORUM;
	return err;
}

bool cosign_receive(
    struct sync *s, struct sync_link *link, const Convene__Checkpoint *m, uint64_t now)
{
	struct taking t = {.link = link, .l = slot_by_digest(s, m->log.data, m->log.len)};
	struct note_signature sig;
	int err;

	if (!t.l)
		return true;
	if (replica_held(t.l->replica) > 0 && !log_shown(t.l))
		return false;
	link->stats.checkpoints_in++;
	err = taking_open(&t, bytes_of_pb(m->note));
	if (!err)
		err = head_check(&t, now);
	for (size_t i = 0; !err && i < t.note.count && s->io.cosigner; i++) {
		if (note_signature(&t.note, i, &sig) == OK &&
		    !bytes_equal(sig.name, bytes_str(t.head.origin)))
			line_take(s, &t, &sig, now);
	}
	if (!err)
		pair_of(s, link, t.l)->notes.ask_shift = 0;
	if (err == ERR_FORK)
		fork_signed(s, link, t.l, buffer_bytes(&t.base));
	else if (err == ERR_RANGE || err == ERR_BUSY)
		miss(link, &pair_of(s, link, t.l)->notes, t.head.size);
	else if (err && err != ERR_NOMEM)
		fault(s, &t, err, "a CHECKPOINT does not verify");
	buffer_free(&t.base);
	return true;
}

/* ---- our own, and the store's answers ---- */

int sync_cosign(
    struct sync *s, uint32_t no, const struct cosigner *who, struct bytes note, uint64_t seconds)
{
	struct taking t = {.l = slot_by_no(s, no)};
	struct note_signature sig;
	const struct cosign_note *kept;
	int err;

	if (!t.l)
		return ERR_NOTFOUND;
	err = taking_open(&t, note);
	kept = note_of(t.l, who->seat, false);
	if (!err && (note_of(t.l, who->seat, true) || (kept && kept->size > t.head.size)))
		err = ERR_STALE;
	/* While the signer was asked the log may have been disputed, or cut. */
	if (!err && (!log_shown(t.l) || t.head.size > replica_held(t.l->replica)))
		err = ERR_STALE;
	if (!err)
		err = root_check(&t);
	if (!err)
		err = base_make(&t);
	if (!err)
		err = note_signature(&t.note, t.note.count - 1, &sig);
	if (!err)
		note_take(s, &t, who, sig.line, seconds);
	buffer_free(&t.base);
	return err;
}

void sync_cosign_stored(
    struct sync *s, uint32_t no, uint32_t seat, uint64_t size, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);
	struct cosign_note *n = l ? note_of(l, seat, true) : NULL;

	if (!n || n->size != size)
		return;
	if (result == OK) {
		note_adopt(s, l, n);
		tell_all(s, l, now);
	} else {
		note_remove(l, n);
		for (struct sync_link *link = s->links; link; link = link->next) {
			if (l->upstream == link || pair_of(s, link, l)->subscribed)
				miss(link, &pair_of(s, link, l)->notes, size);
		}
	}
}

int sync_cosign_load(
    struct sync *s, uint32_t no, uint32_t seat, uint64_t size, uint64_t seconds, struct bytes note)
{
	struct log_slot *l = slot_by_no(s, no);
	struct cosign_note *n;
	struct note parsed;
	struct note_signature sig;

	if (!l || size == 0 || size > replica_held(l->replica))
		return ERR_RANGE;
	if (note_parse(&parsed, note) != OK || parsed.count < 2 ||
	    note_signature(&parsed, parsed.count - 1, &sig) != OK)
		return ERR_MALFORMED;
	n = note_of(l, seat, false);
	if (n && n->size >= size)
		return OK;
	n = note_add(l);
	if (!n)
		return ERR_NOMEM;
	n->seat = seat;
	n->storing = true;
	n->size = size;
	n->seconds = seconds;
	n->text = parsed.text.len;
	n->line = (size_t)(sig.line.data - note.data);
	buffer_add(&n->note, note.data, note.len);
	if (n->note.failed) {
		note_remove(l, n);
		return ERR_NOMEM;
	}
	note_adopt(s, l, n);
	return OK;
}

void sync_anchor_needed(struct sync *s, uint32_t n)
{
	s->anchor_needed = n;
}

uint64_t sync_anchored(struct sync *s, uint32_t no)
{
	const struct log_slot *l = slot_by_no(s, no);

	return l ? l->anchored : 0;
}

size_t sync_cosigned(struct sync *s, uint32_t no, struct sync_cosigned *out, size_t max)
{
	const struct log_slot *l = slot_by_no(s, no);
	size_t count = 0;

	for (size_t i = 0; l && i < l->note_count && count < max; i++) {
		const struct cosign_note *n = &l->notes[i];

		if (!n->storing)
			out[count++] = (struct sync_cosigned){
			    n->seat, n->size, n->seconds, buffer_bytes(&n->note)};
	}
	return count;
}
