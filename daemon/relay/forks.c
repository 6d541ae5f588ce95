/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/relay/forks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "log/fork.h"
#include "member/rivals.h"

const struct kept_fork *forks_of(const struct relay *r, const uint8_t digest[static DIGEST_LEN])
{
	const struct kept_fork *k = r->forks;

	while (k && memcmp(k->log, digest, DIGEST_LEN) != 0)
		k = k->next;
	return k;
}

static bool is_kept(
    const struct relay *r, const uint8_t digest[static DIGEST_LEN], enum fork_sort sort)
{
	for (const struct kept_fork *k = r->forks; k; k = k->next) {
		if (k->sort == sort && memcmp(k->log, digest, DIGEST_LEN) == 0)
			return true;
	}
	return false;
}

static int kept_add(struct relay *r, const uint8_t digest[static DIGEST_LEN], enum fork_sort sort,
    struct bytes proof)
{
	struct kept_fork *k = calloc(1, sizeof *k);

	if (k)
		buffer_add(&k->proof, proof.data, proof.len);
	if (!k || k->proof.failed) {
		free(k);
		return ERR_NOMEM;
	}
	memcpy(k->log, digest, DIGEST_LEN);
	k->sort = sort;
	k->next = r->forks;
	r->forks = k;
	return OK;
}

void forks_free(struct relay *r)
{
	while (r->forks) {
		struct kept_fork *next = r->forks->next;

		buffer_free(&r->forks->proof);
		free(r->forks);
		r->forks = next;
	}
	successions_free(r);
}

/* ---- keeping a proof ---- */

struct keep_job {
	struct store_job job;
	uint8_t log[DIGEST_LEN];
	uint32_t no; /* to be marked as disputed; 0: nothing changes for the log */
	bool tell;   /* lib/sync doesn't know of it yet */
	enum fork_sort sort;
	struct buffer proof;
};

static int keep_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct keep_job *k = (struct keep_job *)job;
	int err = writer->ops->fork_put(writer, k->log, k->sort, buffer_bytes(&k->proof));

	(void)forum;
	if (err == ERR_EXISTS)
		err = OK;
	if (!err && k->no)
		err = writer->ops->log_set_state(writer, k->no, LOG_DISPUTED);
	return err;
}

static void keep_done(struct store_job *job)
{
	struct keep_job *k = (struct keep_job *)job;

	if (job->result)
		log_error("a fork proof could not be stored (%s): after a restart it has to come "
			  "from a peer again",
		    error_text(job->result));
	if (k->tell && sync_dispute(job->relay->sync, k->no, buffer_bytes(&k->proof),
			   clock_mono_ms()) == ERR_NOMEM)
		log_error("out of memory: a disputed log can't be held back");
	buffer_free(&k->proof);
	free(k);
}

static void keep(struct relay *r, const uint8_t digest[static DIGEST_LEN], uint32_t no, bool tell,
    enum fork_sort sort, struct bytes proof)
{
	struct keep_job *k = calloc(1, sizeof *k);

	if (k)
		buffer_add(&k->proof, proof.data, proof.len);
	if (!k || k->proof.failed || kept_add(r, digest, sort, proof) != OK) {
		log_error("a fork proof could not be kept: out of memory");
		free(k);
		return;
	}
	memcpy(k->log, digest, DIGEST_LEN);
	k->no = no;
	k->tell = tell;
	k->sort = sort;
	k->job.run = keep_run;
	k->job.done = keep_done;
	storage_submit(r, &k->job);
}

/* ---- a log becomes disputed ---- */

static void dispute_say(struct relay *r, const struct relay_log *l, const char *what)
{
	char text[sizeof r->halted];

	log_error("log %s is DISPUTED: %s; nothing more of it is taken until its organisation "
		  "names a successor (`convenectl prove-fork %s` writes the proof)",
	    l->credential.binding.log_name, what, l->credential.organisation);
	if (!l->own)
		return;
	snprintf(text, sizeof text,
	    "our own log is disputed: %s; `convenectl recover successor` begins another", what);
	r->halted[0] = '\0'; /* this is the better reason */
	seal_halt(r, text);
}

static const char *what_of(enum fork_sort sort)
{
	return sort == FORK_HEADS ? "its key has signed two histories"
				  : "its root key has signed two first logs";
}

/* Keep what is new, and mark the log unless its successor has spoken. */
static void dispute(
    struct relay *r, struct relay_log *l, enum fork_sort sort, struct bytes proof, const char *from)
{
	const uint8_t *digest = l->credential.binding.digest;
	bool settled = standing_of(r, digest) != NULL;

	if (is_kept(r, digest, sort))
		return;
	/* Two credentials are judged here, and nobody else knows of them. */
	keep(r, digest, settled ? 0 : l->no, !settled && l->carried && sort == FORK_RIVALS, sort,
	    proof);
	if (settled) {
		log_warning("log %s: another proof against it (%s) is kept as evidence; its "
			    "successor stands",
		    l->credential.binding.log_name, what_of(sort));
	} else if (l->state != LOG_DISPUTED) {
		l->state = LOG_DISPUTED;
		r->items_changes++;
		if (from)
			log_info("%s shows a fork proof", from);
		dispute_say(r, l, what_of(sort));
	}
}

static const char *from_of(const struct session *s)
{
	return !s ? NULL : s->peer ? s->peer->conf->name : s->bundle ? "a bundle" : "a peer";
}

static void io_disputed(void *ctx, void *link, uint32_t no, struct bytes proof)
{
	struct relay *r = ctx;
	struct relay_log *l = log_by_no(r, no);

	if (l)
		dispute(r, l, FORK_HEADS, proof, from_of(link));
}

/* ---- two credentials ---- */

/* Both of a pair, as far as they are here. Two successors of one log prove their root key at
 * fault, and change nothing for the one that was accepted (SPEC.md 11.9). */
static void rivals_take(struct relay *r, const struct credential *a, const struct credential *b,
    struct bytes proof, const char *from)
{
	const struct credential *both[2] = {a, b};

	for (size_t i = 0; i < 2; i++) {
		struct relay_log *l = log_by_digest(r, both[i]->binding.digest, DIGEST_LEN);

		if (!l || is_kept(r, l->credential.binding.digest, FORK_RIVALS))
			continue;
		if (l->credential.number > 1) {
			keep(r, l->credential.binding.digest, 0, false, FORK_RIVALS, proof);
			log_warning("the root key of %s has signed two successors of one log: the "
				    "proof is kept, and the first that was accepted stays",
			    l->credential.organisation);
			continue;
		}
		dispute(r, l, FORK_RIVALS, proof, from);
	}
}

static int io_rivals(void *ctx, void *link, struct bytes proof)
{
	struct relay *r = ctx;
	struct credential a, b;
	struct fork_proof f;
	int err = fork_proof_decode(proof, &f);

	if (!err && (f.has_root || f.count > 0))
		err = ERR_MALFORMED;
	if (!err)
		err = rivals_open(&a, &b, r->charter->forum, f.smaller, f.larger);
	if (err)
		return err;
	rivals_take(r, &a, &b, proof, from_of(link));
	credential_clear(&a);
	credential_clear(&b);
	return OK;
}

void forks_offered(struct relay *r, const struct relay_log *fresh)
{
	for (struct relay_log *l = r->logs; l; l = l->next) {
		struct fork_proof f = {.smaller = buffer_bytes(&l->credential.message),
		    .larger = buffer_bytes(&fresh->credential.message)};
		struct buffer proof = BUFFER_INIT;

		if (!rivals_are(&l->credential, &fresh->credential))
			continue;
		if (fork_proof_encode(&proof, &f) == OK) {
			/* The one offered isn't here yet; forks_log_added() finds it. */
			if (l->credential.number == 1 &&
			    !is_kept(r, fresh->credential.binding.digest, FORK_RIVALS))
				keep(r, fresh->credential.binding.digest, 0, false, FORK_RIVALS,
				    buffer_bytes(&proof));
			rivals_take(
			    r, &l->credential, &fresh->credential, buffer_bytes(&proof), NULL);
		}
		buffer_free(&proof);
	}
}

/* ---- loading ---- */

static int load_one(void *ctx, const struct store_fork *fork)
{
	return kept_add(ctx, fork->log, fork->sort, fork->proof);
}

void forks_log_added(struct relay *r, struct relay_log *l)
{
	const struct binding *b = &l->credential.binding;
	const struct standing *st = standing_of(r, b->digest);
	uint64_t now = clock_mono_ms();
	bool told = false;

	for (const struct kept_fork *k = r->forks; k; k = k->next) {
		/* Two successors prove nothing against this one (rivals_take()). */
		if (memcmp(k->log, b->digest, DIGEST_LEN) != 0 ||
		    (k->sort == FORK_RIVALS && l->credential.number > 1))
			continue;
		if (!st && !told) {
			l->state = LOG_DISPUTED;
			r->items_changes++;
			dispute_say(r, l, what_of(k->sort));
			told = true;
		}
		if (l->carried && sync_dispute(r->sync, l->no, buffer_bytes(&k->proof), now) != OK)
			log_error("log %s: a fork proof that is kept can't be used", b->log_name);
	}
	if (st && st->durable && l->carried &&
	    sync_stand(r->sync, l->no, st->size, st->root, now) != OK)
		log_error("log %s: what its successor says stands can't be used", b->log_name);
	/* What it may be the predecessor of was refused before it was here. */
	sync_members_grew(r->sync, now);
}

int forks_load(struct relay *r)
{
	int err = r->reader->ops->fork_each(r->reader, load_one, r);

	if (!err)
		err = successions_load(r);
	for (struct relay_log *l = r->logs; l && !err; l = l->next)
		forks_log_added(r, l);
	return err;
}

static void io_stands(void *ctx, uint32_t no)
{
	succession_stands(ctx, no);
}

void forks_sync_io(struct sync_io *io)
{
	io->disputed = io_disputed;
	io->rivals = io_rivals;
	io->cut = cut_begin;
	io->stands = io_stands;
}
