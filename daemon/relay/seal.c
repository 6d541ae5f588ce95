/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealing: the oldest messages of the inbox become entries of our log under a new signed
 * checkpoint.
 *
 * At once when idle, in batches under load: what comes while a batch is being sealed is the next
 * one, and between two there is a pause as long as the last two took, the quicker of them, and a
 * millisecond: one that had to wait for something rare does not count. So sealing has half of the
 * time at most, whatever the disk does, a message waits for about two rounds, and other nodes, to
 * whom each checkpoint is a signature to verify, get fewer of them the more there is to do. In a
 * crowd it is CROWD_MS at least: the next round is cheaper for all the larger it gets. A
 * whole batch that waits ends the pause, and limits.batch_ms bounds it.
 *
 * Crash points: (1) before signing: the inbox is as it was. (2) the lock file says signed, the
 * store does not: the restart proposes the same batch again, and Ed25519 gives the same note. (3)
 * stored and not sent: peers ask. From (2) on nothing of the batch can get lost, or come to be
 * another: inbox and lock file are durable, and all else follows from them. So few are sent to
 * those who wait for them while they are stored (sync_own_signed()), and a peer may show more of
 * our log than the store holds; never more than the lock file says. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/ingest.h"

#define SEND_MAX 256 /* entries: as many as are folded as they are stored */
#define CROWD_PART 4
#define CROWD_MS 6

struct seal {
	struct job sign;
	struct store_job store;
	struct relay *relay;
	uint64_t began;
	struct buffer leaves, note;
	size_t count;
	uint64_t size;
	uint8_t root[HASH_LEN];
	struct tree_hash proof[64]; /* from the head signed last */
	size_t proof_count;
	int result;
	struct replica_batch *batch; /* the replica's, until committed */
	struct fold_run *fold;       /* into the views, in the same transaction; NULL: later */
};

#define seal_of_store(j) ((struct seal *)((char *)(j)-offsetof(struct seal, store)))

void seal_halt(struct relay *r, const char *text)
{
	if (!r->halted[0]) {
		snprintf(r->halted, sizeof r->halted, "%s", text);
		log_error("sealing stopped: %s", text);
	}
}

static void seal_free(struct seal *s)
{
	s->relay->sealing = false; /* a recovery that waits for this goes on with the next tick */
	buffer_free(&s->leaves);
	buffer_free(&s->note);
	free(s);
}

static int seal_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct seal *s = seal_of_store(job);
	const struct replica_batch *b = s->batch;
	struct store_append a = {
	    .log = s->relay->own->no,
	    .expected = b->first,
	    .leaves = buffer_bytes(&s->leaves),
	    .count = s->count,
	    .size = s->size,
	    .checkpoint = buffer_bytes(&s->note),
	    .blocks = b->blocks,
	    .block_count = b->block_count,
	    .from_inbox = true,
	};

	memcpy(a.root, s->root, HASH_LEN);
	int err = writer->ops->append(writer, &a);
	return err || !s->fold ? err : fold_along_run(s->fold, job, forum);
}

/* Give the sealed ones their index. */
static void waiting_sealed(struct relay *r, uint64_t first, size_t count)
{
	struct waiting *w = r->unsealed;

	for (size_t i = 0; i < count && w; i++, w = w->next) {
		w->sealed = true;
		w->index = first + i;
		inbox_content_drop(r, w);
		r->inbox_count--;
		r->inbox_durable--;
	}
	r->unsealed = w;
	inbox_forget(r);
}

static uint64_t seal_pause(size_t count, uint64_t took)
{
	uint64_t pause = count / CROWD_PART < CROWD_MS ? count / CROWD_PART : CROWD_MS;

	return took + 1 > pause ? took + 1 : pause;
}

static void seal_done(struct store_job *job)
{
	struct seal *s = seal_of_store(job);
	struct relay *r = job->relay;
	uint64_t now = clock_mono_ms(), took = now - s->began;
	uint64_t pause = seal_pause(s->count, took < r->seal_took ? took : r->seal_took);
	struct fold_run *fold = s->fold;

	if (job->result != OK)
		fold_along_done(r, fold, job->result);
	if (job->result == ERR_NOSPACE) {
		/* The head is signed: this very batch comes again when there is room. */
		if (!r->read_only)
			log_error("the disk is full: nothing is sealed, and no posts are taken, "
				  "until there is room");
		r->read_only = true;
		r->resume = s->count;
		logs_reset(r, r->own->no);
		seal_free(s);
		return;
	}
	if (job->result != OK && fold) {
		/* It may be the views' fault: the same batch comes again, without them. */
		r->resume = s->count;
		logs_reset(r, r->own->no);
		seal_free(s);
		seal_soon(r);
		return;
	}
	if (job->result != OK) {
		log_error("a sealed batch could not be stored (%s); starting anew from what is",
		    error_text(job->result));
		seal_free(s);
		relay_fail(r);
		return;
	}
	r->seal_took = took;
	replica_committed(r->own->replica);
	waiting_sealed(r, s->size - s->count, s->count);
	r->seal_from = now + (pause < r->conf->limits.batch_ms ? pause : r->conf->limits.batch_ms);
	r->resume = 0;
	seal_free(s);
	sync_own_grown(r->sync, r->own->no, now);
	fold_along_done(r, fold, OK);
	views_follow(r);
	tick_soon(r);
	seal_soon(r);
}

/* On a worker: the signer syncs its lock file, and the loop goes on. */
static void sign_work(struct job *job)
{
	struct seal *s = (struct seal *)job;

	s->result = signer_checkpoint(
	    s->relay->signer, s->size, s->root, s->proof, s->proof_count, &s->note);
}

/* Few that have just come, with all that they say: they go now. */
static void seal_send(struct relay *r, const struct seal *s)
{
	struct sync_content contents[SEND_MAX];
	const struct waiting *w = r->unsealed;
	uint64_t index = s->size - s->count;
	size_t count = 0;

	if (s->count > SEND_MAX || r->recovering)
		return;
	for (size_t i = 0; i < s->count && w; i++, w = w->next, index++) {
		/* What an ERASE takes back within the batch, nobody is to see first. */
		if ((w->committed && w->content.len == 0) || w->kind == KIND_ERASE)
			return;
		if (!w->committed)
			continue;
		contents[count].index = index;
		memcpy(contents[count].salt, w->salt, SALT_LEN);
		contents[count++].content = buffer_bytes(&w->content);
	}
	sync_own_signed(r->sync, r->own->no, buffer_bytes(&s->leaves), s->count, contents, count);
}

static void sign_done(struct job *job)
{
	struct seal *s = (struct seal *)job;
	struct relay *r = s->relay;
	int err = s->result;

	if (err == ERR_CLOSED) {
		log_error("the signer is gone; nothing can be sealed");
		seal_free(s);
		relay_fail(r);
		return;
	}
	if (!err)
		err = replica_stage_own(
		    r->own->replica, buffer_bytes(&s->leaves), buffer_bytes(&s->note), &s->batch);
	if (err) {
		seal_halt(r, err == ERR_FORK || err == ERR_PROOF
				 ? "the signer refuses: this would not extend what it has signed"
			     : err == ERR_NOSPACE
				 ? "the disk is full: the lock file could not be written"
				 : "the checkpoint could not be signed");
		seal_free(s);
		return;
	}
	s->fold = fold_along(r->own, s->batch->first, buffer_bytes(&s->leaves), s->count, true);
	s->store.run = seal_run;
	s->store.done = seal_done;
	storage_submit(r, &s->store);
	seal_send(r, s);
}

static void seal_now(struct relay *r)
{
	struct seal *s = calloc(1, sizeof *s);
	size_t limit = r->resume > 0 ? r->resume : SEAL_MAX;
	struct waiting *w = r->unsealed;
	uint64_t size;
	uint8_t root[HASH_LEN];

	if (!s)
		return;
	s->relay = r;
	s->began = clock_mono_ms();
	r->sealing = true;
	/* Signing what is not on disk yet would leave, after a crash, a signed head that nobody can
	 * make again. */
	if (limit > r->inbox_durable)
		limit = r->inbox_durable;
	for (; w && s->count < limit; w = w->next, s->count++)
		leaves_add(&s->leaves, buffer_bytes(&w->message));
	signer_head(r->signer, &size, root);
	if (s->leaves.failed ||
	    replica_propose(r->own->replica, buffer_bytes(&s->leaves), &s->size, s->root) != OK ||
	    /* The same head again wants no proof; another one begins where the last ended. */
	    (s->size != size && replica_propose_proof(r->own->replica, buffer_bytes(&s->leaves),
				    s->proof, &s->proof_count) != OK)) {
		seal_free(s);
		return;
	}
	if (r->resume > 0 && (size != s->size || memcmp(root, s->root, HASH_LEN) != 0)) {
		seal_halt(r,
		    "the inbox does not hold what the lock file says was signed: this store is "
		    "an older copy");
		seal_free(s);
		return;
	}
	s->sign.work = sign_work;
	s->sign.done = sign_done;
	pool_submit(r->workers, &s->sign);
}

static bool seal_wanted(const struct relay *r)
{
	return !r->sealing && !r->learning && !r->halted[0] && !r->stopping && !r->read_only &&
	       r->inbox_durable >= (r->resume ? r->resume : 1);
}

void seal_due(struct relay *r)
{
	if (seal_wanted(r))
		seal_now(r);
}

/* Not from within: what became durable together is told one by one, and is one batch. */
void seal_soon(struct relay *r)
{
	uint64_t now = clock_mono_ms();
	struct timeval tv;

	if (!seal_wanted(r))
		return;
	if (now >= r->seal_from || r->inbox_durable >= VERIFY_BATCH) {
		event_active(r->seal_timer, EV_TIMEOUT, 1);
		return;
	}
	tv = (struct timeval){(time_t)((r->seal_from - now) / 1000),
	    (suseconds_t)((r->seal_from - now) % 1000 * 1000)};
	event_add(r->seal_timer, &tv);
}

void seal_allowed(struct relay *r)
{
	if (!r->learning || r->recovering)
		return;
	r->learning = false;
	registrar_resume(r);
	seal_soon(r);
}
