/* SPDX-License-Identifier: BSD-2-Clause */
/* Two histories of one log: how another one is noticed, proven, and told to all (SPEC.md 11.9).
 *
 * A root that differs is a claim: it makes us ask for the head that it was taken from, and no more.
 * Only two heads that the log's key has signed make a log disputed. What a peer can cost by claims
 * is bounded: one claim a log and link is looked at, one question is under way, and those that come
 * to nothing are asked less and less often; answers and comparisons have a measure for each tick.
 */
#include "log/fork.h"

#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define NOTE_BYTES 16384 /* as in a DATA */
#define ASK_MS 1000      /* first; doubles with each question that came to nothing */
#define ASK_SHIFT_MAX 6
#define MEASURE 64 /* comparisons, and answers, for a link between two ticks */

bool log_feeds(const struct log_slot *l)
{
	return !l->disputed && (l->stand == STAND_NONE || l->stand >= STAND_FETCH);
}

bool log_shown(const struct log_slot *l)
{
	return log_feeds(l) && replica_held(l->replica) > 0;
}

enum sync_doubt sync_doubt(const struct sync *s, uint32_t no)
{
	for (size_t i = 0; i < s->log_count; i++) {
		const struct log_slot *l = &s->logs[i];

		if (l->no == no && l->disputed)
			return SYNC_DISPUTED;
		if (l->no == no && (l->stand == STAND_UNSURE || l->stand == STAND_CUT))
			return SYNC_UNSURE;
	}
	return SYNC_SHOWN;
}

/* ---- FORK going out ---- */

static void fork_send(struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	Convene__ForkProof m = CONVENE__FORK_PROOF__INIT;
	struct fork_proof f;

	if (fork_proof_decode(buffer_bytes(&l->proof), &f) != OK)
		return;
	m.smaller = pb_of(f.smaller);
	m.larger = pb_of(f.larger);
	m.root = pb_of(bytes_of(f.root.bytes, f.has_root ? HASH_LEN : 0));
	m.proof = pb_of(bytes_of(f.proof, f.count * HASH_LEN));
	s->io.send(s->io.ctx, link->handle, FRAME_FORK, 0, &m.base);
}

static void proof_due(struct sync_link *link, struct pair *p)
{
	link->proofs_due += !p->proof_due;
	p->proof_due = true;
}

/* As many as the line takes: there may be many disputed logs. */
void fork_flush(struct sync *s, struct sync_link *link)
{
	for (size_t i = 0; link->proofs_due > 0 && i < s->log_count; i++) {
		struct pair *p = &link->pairs[i];

		if (!p->proof_due)
			continue;
		if (s->io.backlog(s->io.ctx, link->handle) >= SYNC_BACKLOG)
			return;
		p->proof_due = false;
		link->proofs_due--;
		fork_send(s, link, &s->logs[i]);
	}
}

void sync_link_witness(struct sync_link *link)
{
	struct sync *s = link->sync;

	link->witness = true;
	link->compares = link->answers = MEASURE;
	for (size_t i = 0; i < s->log_count; i++) {
		if (s->logs[i].disputed)
			proof_due(link, &link->pairs[i]);
	}
	fork_flush(s, link);
}

/* Behind its LOG. */
void fork_after_log(struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	if (link->witness && l->disputed)
		fork_send(s, link, l);
}

/* ---- disputed ---- */

void pair_forget(struct pair *p)
{
	p->shown = p->withheld = p->behind_since = p->agreed = p->unacknowledged = 0;
	p->subscribed = p->dirty = p->differs = false;
	p->erased_told = p->erased_heard = 0;
}

void log_silence(struct sync *s, struct log_slot *l)
{
	pull_drop(s, l, true);
	l->behind = false;
	s->more -= l->more;
	l->more = 0;
	for (struct sync_link *link = s->links; link; link = link->next)
		pair_forget(pair_of(s, link, l));
	own_proofs_forget(s, l);
}

/* A checked proof that was not known. */
static int dispute(
    struct sync *s, struct log_slot *l, struct bytes proof, const struct sync_link *source)
{
	buffer_add(&l->proof, proof.data, proof.len);
	if (l->proof.failed) {
		buffer_free(&l->proof);
		return ERR_NOMEM;
	}
	if (!l->stood) {
		l->disputed = true;
		log_silence(s, l);
	}
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (!link->witness || link == source)
			continue;
		proof_due(link, pair_of(s, link, l));
		fork_flush(s, link);
	}
	return OK;
}

int sync_dispute(struct sync *s, uint32_t no, struct bytes proof, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	(void)now;
	if (!l)
		return ERR_NOTFOUND;
	return l->proof.len > 0 ? OK : dispute(s, l, proof, NULL);
}

static void disputed(struct sync *s, struct log_slot *l, struct bytes proof,
    const struct sync_link *from, const struct sync_link *source)
{
	if (dispute(s, l, proof, source) == OK)
		s->io.disputed(s->io.ctx, from->handle, l->no, buffer_bytes(&l->proof));
}

/* ---- claims ---- */

static void claim_clear(struct sync_link *link, struct pair *p)
{
	link->claims -= p->claim > 0;
	p->claim = 0;
	p->claim_differs = false;
}

static void claim_set(struct sync_link *link, struct pair *p, uint64_t size, const uint8_t *root)
{
	if (p->claim == size && memcmp(p->claim_root, root, sizeof p->claim_root) == 0)
		return;
	claim_clear(link, p);
	link->claims++;
	p->claim = size;
	memcpy(p->claim_root, root, sizeof p->claim_root);
}

static void checkpoint_get(
    struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t from)
{
	Convene__CheckpointGet m = CONVENE__CHECKPOINT_GET__INIT;

	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.from = from;
	s->io.send(s->io.ctx, link->handle, FRAME_CHECKPOINT_GET, 0, &m.base);
}

void fork_ask_from(struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t from)
{
	checkpoint_get(s, link, l, from);
}

static void claim_ask(
    struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t now)
{
	struct pair *p = pair_of(s, link, l);

	if (!link->witness || !s->io.disputed) {
		claim_clear(link, p);
		return;
	}
	if (now < p->ask_at)
		return;
	p->ask_at = now + ((uint64_t)ASK_MS << p->ask_shift);
	p->asked_from = replica_note_size(l->replica);
	checkpoint_get(s, link, l, p->asked_from);
	if (p->ask_shift < ASK_SHIFT_MAX)
		p->ask_shift++;
	else
		claim_clear(link, p); /* until it claims anew */
}

/* What it has shown, once we hold as much. */
static void claim_compare(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t now)
{
	struct pair *p = pair_of(s, link, l);
	uint8_t root[HASH_LEN];

	if (p->claim == 0 || l->disputed || l->stood)
		return;
	/* Of a log that does not grow any more, larger ones can't be compared. */
	if (p->claim > replica_held(l->replica) && !l->forked)
		return;
	p->claim_differs |= p->claim > replica_held(l->replica);
	if (!p->claim_differs) {
		if (p->claim != replica_held(l->replica) && link->witness &&
		    link->compares-- == 0) {
			link->compares = 0;
			return;
		}
		if (replica_root_at(l->replica, p->claim, root) != OK)
			return;
		if (memcmp(p->claim_root, root, sizeof p->claim_root) == 0) {
			claim_clear(link, p);
			return;
		}
		p->claim_differs = true;
		p->agreed = 0; /* what it gave us before may not be its history any more */
		if (!p->doubted && !l->stopped)
			s->io.note(s->io.ctx, link->handle,
			    "claims another root of a log than we have at that size");
		p->doubted = true;
	}
	claim_ask(s, link, l, now);
}

bool fork_head(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t size,
    const uint8_t *root, uint64_t now)
{
	struct pair *p = pair_of(s, link, l);

	/* It has less than it gave us, so it has cut, and may go on with another history. */
	if (size < p->agreed)
		p->agreed = p->shown = size;
	if (!l->stood && !l->disputed && !link->witness && size != replica_held(l->replica))
		return true; /* it can prove nothing, so that there is nothing to look for */
	claim_set(link, p, size, root);
	if (l->disputed)
		return false;
	if (l->stood) {
		if (stand_is(l, size, root))
			p->differs = false;
		return stand_is(l, size, root);
	}
	claim_compare(s, link, l, now);
	return true;
}

void fork_note(
    struct sync *s, struct sync_link *link, struct log_slot *l, struct bytes text, uint64_t now)
{
	struct checkpoint c;
	struct note note;

	if (bytes_equal(text, replica_note(l->replica)) || note_parse(&note, text) != OK ||
	    checkpoint_parse(note.text, &c) != OK ||
	    strcmp(c.origin, replica_name(l->replica)) != 0)
		return;
	fork_head(s, link, l, c.size, c.root, now);
}

void fork_signed(struct sync *s, struct sync_link *link, struct log_slot *l, struct bytes text)
{
	struct buffer proof = BUFFER_INIT;

	if (s->io.disputed && !l->stood && !l->disputed &&
	    replica_fork_note(l->replica, text, NULL, NULL, 0, &proof) == OK)
		disputed(s, l, buffer_bytes(&proof), link, NULL);
	buffer_free(&proof);
}

void fork_data(struct sync *s, struct sync_link *link, struct log_slot *l, const Convene__Data *m,
    uint64_t now)
{
	struct buffer proof = BUFFER_INIT;
	struct pair *p = pair_of(s, link, l);
	uint64_t held = replica_held(l->replica);
	uint8_t none[8] = {0};
	int err;

	if (!s->io.disputed || l->proof.len > 0)
		return;
	err = replica_fork_data(l->replica, m->first, bytes_of_pb(m->leaves),
	    bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &proof);
	if (err == OK) {
		disputed(s, l, buffer_bytes(&proof), link, NULL);
	} else if (err != ERR_NOTFOUND && held > 0) {
		/* It is another one, which can't be proven out of this. */
		claim_set(link, p, held, none);
		p->claim_differs = true;
		claim_ask(s, link, l, now);
	}
	buffer_free(&proof);
}

/* ---- CHECKPOINT_GET and CHECKPOINT ---- */

static void get_answer(struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	Convene__Checkpoint m = CONVENE__CHECKPOINT__INIT;
	struct pair *p = pair_of(s, link, l);
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN];
	size_t count;

	link->answers--;
	link->gets_due -= p->get_due;
	p->get_due = false;
	if (l->disputed)
		fork_send(s, link, l);
	if (!log_shown(l))
		return;
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.note = pb_of(replica_note(l->replica));
	m.from = p->get_from;
	if (p->get_from > 0 && p->get_from < replica_note_size(l->replica) &&
	    replica_consistency(l->replica, p->get_from, root, proof, &count) == OK) {
		m.root = pb_of(bytes_of(root, HASH_LEN));
		m.proof = pb_of(bytes_of(proof, count * HASH_LEN));
	}
	s->io.send(s->io.ctx, link->handle, FRAME_CHECKPOINT, 0, &m.base);
}

/* One question for a log waits at most: a newer one takes its place. */
void fork_receive_get(struct sync *s, struct sync_link *link, const Convene__CheckpointGet *m)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct pair *p;

	if (!l)
		return;
	p = pair_of(s, link, l);
	p->get_from = m->from;
	link->gets_due += !p->get_due;
	p->get_due = true;
	if (link->answers > 0 && s->io.backlog(s->io.ctx, link->handle) < SYNC_BACKLOG)
		get_answer(s, link, l);
}

/* What its note says of the history of a log that nobody disputes so far. */
static void checkpoint_judge(struct sync *s, struct sync_link *link, struct log_slot *l,
    const struct answer *a, uint64_t now)
{
	struct pair *p = pair_of(s, link, l);
	struct buffer proof = BUFFER_INIT;
	bool usable = a->root && p->asked_from == replica_note_size(l->replica);
	int err = replica_fork_note(
	    l->replica, a->note, usable ? a->root : NULL, a->proof, a->count, &proof);

	p->asked_from = 0;
	if (err == OK) {
		disputed(s, l, buffer_bytes(&proof), link, NULL);
	} else if (err == ERR_PROOF) {
		s->io.fault(s->io.ctx, link->handle, err, "a CHECKPOINT does not prove itself");
	} else if (err == ERR_NOTFOUND && p->claim_differs && a->head.size >= p->claim) {
		if (p->doubted)
			s->io.note(s->io.ctx, link->handle,
			    "has no head for the other root that it claimed");
		claim_clear(link, p);
	} else if (err == ERR_RANGE && !p->claim_differs) {
		claim_set(link, p, a->head.size, a->head.root);
		claim_compare(s, link, l, now);
	}
	buffer_free(&proof);
}

/* What one asks is signed; what comes without being asked, or answers an older question, is a
 * claim.
 */
void fork_receive_checkpoint(
    struct sync *s, struct sync_link *link, const Convene__Checkpoint *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct answer a = {.note = bytes_of_pb(m->note), .root = m->root.len ? m->root.data : NULL};
	uint64_t asked;
	int err = OK;

	if (!l || l->disputed)
		return;
	asked = stand_asks(l, link) ? l->question : l->stood ? 0 : pair_of(s, link, l)->asked_from;
	if (asked == 0 || m->from != asked) {
		fork_note(s, link, l, a.note, now);
		return;
	}
	a.count = m->proof.len / HASH_LEN;
	if (a.note.len > NOTE_BYTES)
		err = ERR_TOO_LARGE;
	else if (m->proof.len % HASH_LEN != 0 || a.count > 64 ||
		 (m->root.len != 0 && m->root.len != HASH_LEN))
		err = ERR_MALFORMED;
	if (!err && a.count > 0)
		memcpy(a.proof, m->proof.data, m->proof.len);
	if (!err)
		err = checkpoint_open(a.note, replica_key(l->replica), &a.head);
	if (err)
		s->io.fault(
		    s->io.ctx, link->handle, err, "a CHECKPOINT is none that its log has signed");
	else if (l->stood)
		stand_answer(s, l, &a, now);
	else
		checkpoint_judge(s, link, l, &a, now);
}

/* ---- FORK coming in ---- */

static bool proof_known(const struct sync *s, struct bytes proof)
{
	for (size_t i = 0; i < s->log_count; i++) {
		if (bytes_equal(buffer_bytes(&s->logs[i].proof), proof))
			return true;
	}
	return false;
}

/* Two NODE messages, which only the driver can judge. */
static void rivals_receive(
    struct sync *s, struct sync_link *link, const struct fork_proof *f, struct bytes proof)
{
	int err = f->has_root || f->count > 0 ? ERR_MALFORMED : OK;

	if (!err && s->io.rivals && !proof_known(s, proof))
		err = s->io.rivals(s->io.ctx, link->handle, proof);
	if (err && err != ERR_NOMEM)
		s->io.fault(s->io.ctx, link->handle, err, "a FORK proves nothing");
}

/* It was asked for, and its LOG stands before this, but is not taken up yet. */
static void fork_early(struct sync_link *link, const uint8_t digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < link->asked_count; i++) {
		if (memcmp(link->asked[i].digest, digest, DIGEST_LEN) == 0)
			link->asked[i].disputed = true;
	}
}

void fork_receive(struct sync *s, struct sync_link *link, struct bytes proof)
{
	struct buffer reduced = BUFFER_INIT;
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	struct checkpoint c;
	struct log_slot *l;
	struct fork_proof f;
	struct note note;
	uint64_t number;
	int err = fork_proof_decode(proof, &f);

	if (!err && note_parse(&note, f.smaller) != OK) {
		rivals_receive(s, link, &f, proof);
		return;
	}
	if (!err)
		err = checkpoint_parse(note.text, &c);
	if (!err)
		err = log_name_parse(bytes_str(c.origin), &organisation, digest, &number);
	l = err ? NULL : slot_by_digest(s, digest, DIGEST_LEN);
	if (!err && !l) {
		fork_early(link, digest);
		return;
	}
	if (!err && (l->proof.len > 0 || !s->io.disputed))
		return;
	/* What is kept has no more than these two heads: other lines could be ballast. */
	if (!err)
		err = fork_proof_make(&reduced, f.smaller, f.larger, f.has_root ? &f.root : NULL,
		    f.proof, f.count, replica_key(l->replica));
	if (!err)
		disputed(s, l, buffer_bytes(&reduced), link, link);
	else if (err != ERR_NOMEM)
		s->io.fault(s->io.ctx, link->handle, err, "a FORK proves nothing");
	buffer_free(&reduced);
}

/* ---- */

static void link_tick(struct sync *s, struct sync_link *link, uint64_t now)
{
	link->compares = link->answers = MEASURE;
	fork_flush(s, link);
	for (size_t i = 0; i < s->log_count; i++) {
		if (link->gets_due == 0 && link->claims == 0)
			return;
		if (link->pairs[i].get_due && link->answers > 0 &&
		    s->io.backlog(s->io.ctx, link->handle) < SYNC_BACKLOG)
			get_answer(s, link, &s->logs[i]);
		claim_compare(s, link, &s->logs[i], now);
	}
}

void fork_tick(struct sync *s, uint64_t now)
{
	for (struct sync_link *link = s->links; link; link = link->next)
		link_tick(s, link, now);
	for (size_t i = 0; i < s->log_count; i++)
		stand_tick(s, &s->logs[i], now);
}
