/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures that come: a peer's, and our own. */
#include <string.h>

#include "base/error.h"
#include "sync/cosign_inside.h"

#define COSIGN_ROOM 1024 /* verifications that a link may cause at once, */
#define COSIGN_ROOM_MS 4 /*   and one more in so many ms */

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
	struct cosign_note *n = cosign_note_add(t->l);

	if (!n)
		return;
	n->seat = who->seat;
	n->storing = true;
	n->size = t->head.size;
	n->seconds = seconds;
	n->has = t->link ? cosign_link_bit(t->link) : 0;
	buffer_add(&n->note, t->base.data, t->base.len);
	n->text = t->note.text.len;
	n->line = n->note.len;
	buffer_add(&n->note, line.data, line.len);
	if (n->note.failed) {
		cosign_note_remove(t->l, n);
		return;
	}
	s->io.cosign_store(s->io.ctx, t->l->no, who, n->size, seconds, buffer_bytes(&n->note));
}

/* Whether a cosignature of this size by this seat would be news. The peer has what it sends. */
static bool is_news(struct sync *s, struct taking *t, uint32_t seat)
{
	struct cosign_note *kept = cosign_note_of(t->l, seat, false);

	if (kept && kept->size == t->head.size && bytes_equal(cosign_note_text(kept), t->note.text))
		kept->has |= cosign_link_bit(t->link);
	if (t->head.size <= t->l->anchored || (kept && kept->size >= t->head.size))
		return false;
	kept = cosign_note_of(t->l, seat, true);
	if (!kept)
		return true;
	if (kept->size < t->head.size) /* after what is under way */
		cosign_miss(t->link, &pair_of(s, t->link, t->l)->notes, t->head.size);
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
			cosign_miss(t->link, &pair_of(s, t->link, t->l)->notes, t->head.size);
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

		if (bytes_equal(cosign_note_text(n), t->note.text)) {
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
		cosign_miss(link, &pair_of(s, link, t.l)->notes, t.head.size);
	else if (err && err != ERR_NOMEM)
		fault(s, &t, err, "a CHECKPOINT does not verify");
	buffer_free(&t.base);
	return true;
}

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
	kept = cosign_note_of(t.l, who->seat, false);
	if (!err && (cosign_note_of(t.l, who->seat, true) || (kept && kept->size > t.head.size)))
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
