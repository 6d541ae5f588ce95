/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of a recovery, each when the one before is durable (recover.c), and its end. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/recover.h"

#define QUIET_MS 1000 /* the log has not grown for so long: participants may see what has come */

struct learning {
	struct job job;
	struct relay *relay;
	struct buffer note;
	uint64_t size;
	uint8_t root[HASH_LEN];
	struct tree_hash proof[64];
	size_t count;
	int result;
};

/* It comes as any log of others; then a fresh start finds what ours inherits. */
static void orphan_step(struct relay *r)
{
	if (recover_orphan_held(r) < r->own->credential.node.previous_size)
		return;
	log_info("the log that ours follows is here: starting anew, to fetch ours");
	relay_fail(r);
}

/* Not while the signer is at work. */
static void signed_look(struct relay *r)
{
	uint64_t size, note = replica_note_size(r->own->replica);
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	r->recovering->signed_size = size > note ? size : note;
}

static void recovered(struct relay *r)
{
	uint64_t size, held = replica_held(r->own->replica);
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	r->resume = size > held ? (size_t)(size - held) : 0;
	log_info("our log is whole: %llu entries, %llu of them from peers; sealing goes on",
	    (unsigned long long)held, (unsigned long long)(held - r->recovering->from));
	if (recovery_remove(r->conf->node.data) != OK)
		log_error("%s/recover can't be removed: the next start asks all peers again",
		    r->conf->node.data);
	recover_free(r);
	seal_allowed(r);
}

static void learn_work(struct job *job)
{
	struct learning *l = (struct learning *)job;

	l->result = signer_learn(
	    l->relay->signer, buffer_bytes(&l->note), l->size, l->root, l->proof, l->count);
}

static void learn_done(struct job *job)
{
	struct learning *l = (struct learning *)job;
	struct relay *r = l->relay;
	int err = l->result;

	buffer_free(&l->note);
	free(l);
	r->recovering->busy = false;
	if (!err)
		recovered(r);
	else if (err == ERR_FORK || err == ERR_PROOF || err == ERR_STALE)
		seal_halt(r, "what the lock file says was signed is not the beginning of what "
			     "peers hold of our log; see RECOVERY in convenectl(8)");
	else if (err == ERR_CLOSED)
		relay_fail(r);
	else
		log_error("the signer can't learn the head of our log: %s; it is tried again",
		    error_text(err));
}

/* Have the signer know the head that we hold. */
static void learn_start(struct relay *r, uint64_t size, uint64_t held)
{
	struct learning *l = calloc(1, sizeof *l);
	struct bytes note = replica_note(r->own->replica);
	int err = l ? OK : ERR_NOMEM;

	if (!err && size > 0)
		err = replica_prove_growth(r->own->replica, size, l->proof, &l->count);
	if (!err) {
		buffer_add(&l->note, note.data, note.len);
		err = l->note.failed ? ERR_NOMEM : OK;
	}
	if (err) {
		log_error("the head of our log can't be proven: %s", error_text(err));
		if (l)
			buffer_free(&l->note);
		free(l);
		return;
	}
	l->relay = r;
	l->size = held;
	memcpy(l->root, replica_held_root(r->own->replica), HASH_LEN);
	l->job.work = learn_work;
	l->job.done = learn_done;
	r->recovering->busy = true;
	pool_submit(r->workers, &l->job);
}

/* Nobody has more. Is it all that was ever signed? */
static void finish(struct relay *r)
{
	struct recovering *rec = r->recovering;
	uint64_t size, held = rec->held;
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	if (rec->note.kind == RECOVERY_LOG && held == 0)
		return;
	if (replica_note_size(r->own->replica) > held)
		return; /* signed, says the note, and nobody has the entries */
	if (size > held && !inbox_explains(r, size, root))
		return; /* signed, says the lock file: likewise */
	if (size == held && held > 0 &&
	    memcmp(root, replica_held_root(r->own->replica), HASH_LEN) != 0) {
		seal_halt(r, "what the lock file says was signed is not what peers hold of our "
			     "log; see RECOVERY in convenectl(8)");
		return;
	}
	if (sync_own_recover(r->sync, r->own->no, false, clock_mono_ms()) != OK)
		return;
	rec->fetching = false;
	if (size < held)
		learn_start(r, size, held);
	else
		recovered(r);
}

static void merged(struct relay *r, int err, uint64_t size)
{
	struct recovering *rec = r->recovering;

	rec->merging = false;
	if (err) {
		log_error("the inbox could not be brought in line with our log (%s); starting anew "
			  "from what is",
		    error_text(err));
		relay_fail(r);
	} else {
		rec->merged = size;
		rec->merged_ever = true;
	}
	ingest_resume(r);
	recover_step(r);
}

void recover_step(struct relay *r)
{
	struct recovering *rec = r->recovering;
	uint64_t now = clock_mono_ms();
	size_t missing;

	if (!rec || r->stopping || r->halted[0] || r->sealing || rec->merging || rec->busy)
		return;
	if (r->orphan) {
		orphan_step(r);
		return;
	}
	if (!rec->fetching) {
		rec->fetching = sync_own_recover(r->sync, r->own->no, true, now) == OK;
		tick_soon(r);
	}
	if (rec->held != replica_held(r->own->replica)) {
		rec->held = replica_held(r->own->replica);
		rec->held_at = now;
	}
	signed_look(r);
	missing = recover_answers(r);
	if (replica_staged(r->own->replica) != rec->held || r->own->folding ||
	    r->own->folded != rec->held)
		return;
	if ((rec->merged != rec->held || !rec->merged_ever) && rec->held > 0) {
		if (missing == 0 || now - rec->held_at >= QUIET_MS) {
			rec->merging = true;
			merge_start(r, merged);
		}
		return;
	}
	if (missing == 0)
		finish(r);
}
