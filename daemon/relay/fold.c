/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries that are durable on their way into the views: verified by the workers, then folded by the
 * store thread. This path may lag behind the log path as far as it likes.
 *
 * Batches of a log are verified in any order and folded in that of the log. How many are folded in
 * one transaction goes by what is behind them: as much as still waits to be verified, up to a
 * limit. So a single message is shown at once, and a million are not written down one by one: what
 * a transaction costs, on the processor and on the disk, hardly depends on how much is in it.
 *
 * Where people write just now, or wait for what others write, it is one slice at a time, and each
 * is small: an append or a post that comes meanwhile stands behind the slice that is under way, and
 * before the next.
 *
 * Few that have just come are folded in the transaction that stores them: along.c.
 *
 * A batch that does not fit any more, because a rebuild has moved the position or an earlier one
 * was lost to an error, is thrown away with all that are behind it; then the log begins again where
 * its views stand. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/fold.h"
#include "daemon/relay/forks.h"

enum {
	RUN_LIVE = 128, /* the same where others are not to wait for it */
	LIVE_MS = 200,  /* somebody wrote so lately */
	RUN_MAX = 4096, /* entries that are waited for before a transaction begins */
	AHEAD_MAX = 4 *
		    RUN_MAX, /* entries in memory: with workers, waiting, with the store thread */
};

/* Entries with the workers, whom posts and seals want, too. */
#define VERIFYING_MAX(r) (2 * VERIFY_BATCH * (uint64_t)pool_threads((r)->workers))

void fold_free(struct fold *f)
{
	buffer_free(&f->leaves);
	free(f->entries);
	free(f);
}

void fold_verify(struct job *job)
{
	struct fold *f = (struct fold *)job;
	struct bytes leaf;
	size_t pos = 0;

	for (size_t i = 0; i < f->count && leaves_next(buffer_bytes(&f->leaves), &pos, &leaf) == OK;
	     i++) {
		struct forum_entry *e = &f->entries[i];

		e->message = leaf;
		e->parsed = message_parse(leaf, &e->header);
		if (f->known[i]) {
			e->signature = OK;
		} else {
			e->signature = e->parsed == OK
					   ? message_verify(leaf, &f->binding, e->header.signer)
					   : ERR_SIGNATURE;
			message_id(e->id, leaf, &f->binding);
		}
		if (e->signature == OK)
			e->enrol = roster_enrol_verify(&e->header, &f->binding);
	}
}

/* ---- the store thread ---- */

static int fold_one(struct forum *forum, struct fold *f)
{
	int err = forum_fold(forum, f->log->no, f->first, f->entries, f->count, &f->result);

	/* A rebuild has moved the position under our feet, or that of the log which a successor
	 * follows: nothing is wrong, nothing was done. */
	return err == ERR_NOTFOUND && f->first == 0 ? ERR_STALE : err;
}

int fold_run_work(struct fold_run *run, struct store_job *job, struct forum *forum)
{
	bool grew = false;
	int err = OK;

	for (struct fold *f = run->folds; f && !err; f = f->next) {
		f->err = fold_one(forum, f);
		if (f->result.erased)
			atomic_store(&job->relay->writer.erased, true);
		grew |= f->err == OK && f->result.members_grew;
		if (f->err != OK && f->err != ERR_STALE)
			err = f->err;
	}
	if (!err)
		err = forum_flush(forum);
	if (!err && grew)
		err = members_copy(forum, &run->members, &run->member_count);
	return forum_spoilt(job, err);
}

static int run_fold(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)writer;
	return fold_run_work((struct fold_run *)job, job, forum);
}

/* ---- the loop thread again ---- */

static void own_node_changed(struct relay *r, const struct fold *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct forum_entry *e = &f->entries[i];
		struct credential newer;

		if (e->parsed != OK || e->header.kind != KIND_NODE || e->signature != OK)
			continue;
		if (credential_open_newer(&newer, r->charter->forum, bytes_str(f->binding.log_name),
			e->message) == OK &&
		    newer.node.serial > r->node->node.serial) {
			r->registrar_replaced = memcmp(newer.node.registrar_key,
						    signer_registrar_key(r->signer), KEY_LEN) != 0;
			r->tls_replaced = !credential_has_pin(&newer, r->tls_pin);
			/* What HELLO shows must name the key that we speak with. */
			if (r->tls_replaced) {
				log_warning(
				    "our NODE entry with serial %llu names another TLS key; "
				    "convened has to be started anew",
				    (unsigned long long)newer.node.serial);
				credential_clear(&newer);
				continue;
			}
			credential_clear(r->node);
			*r->node = newer;
			log_info("our NODE entry with serial %llu is in force",
			    (unsigned long long)newer.node.serial);
		} else {
			credential_clear(&newer);
		}
	}
}

static void fold_shown(struct relay *r, struct relay_log *l, const struct fold *f)
{
	l->folded = f->result.folded;
	l->fold_apart = false;
	l->invalid += f->result.invalid;
	if (f->result.arrivals > r->arrivals)
		r->arrivals = f->result.arrivals;
	if (f->result.invalid > 0)
		log_warning("log %s: %llu entries in [%llu, %llu) are not valid: kept, not shown",
		    f->binding.log_name, (unsigned long long)f->result.invalid,
		    (unsigned long long)f->first, (unsigned long long)(f->first + f->count));
	if (f->result.node_changed && l == r->own)
		own_node_changed(r, f);
	if (f->result.node_changed)
		cosign_learn(r, l);
	cosign_soon(r, l);
}

void fold_run_end(struct relay *r, struct fold_run *run, int result)
{
	bool grew = result == OK && run->members, ok = result == OK;
	struct fold *f = run->folds;

	r->fold_runs -= !run->along;

	while (f) {
		struct fold *next = f->next;
		struct relay_log *l = f->log;
		int err = result ? result : f->err;

		l->folding--;
		r->folds_ahead -= f->count;
		if (!err)
			fold_shown(r, l, f);
		else
			l->fold_again = true;
		l->fold_apart |= result != OK;
		if (result && !run->along)
			log_error("log %s: folding [%llu, %llu): %s", f->binding.log_name,
			    (unsigned long long)f->first, (unsigned long long)(f->first + f->count),
			    error_text(err));
		fold_free(f);
		f = next;
		/* Of each log once. */
		if (f && f->log == l)
			continue;
		if (l == r->own)
			inbox_forget(r);
		cut_follow(r, l);
	}
	if (grew) {
		views_members(r, run->members, run->member_count);
		run->members = NULL;
		log_info("the forum has %zu members now", r->member_count);
		cosign_members(r);
	}
	free(run->members);
	free(run);
	if (grew)
		sync_members_grew(r->sync, clock_mono_ms());
	clients_notify(r);
	if (ok)
		views_follow(r); /* after an error the housekeeping timer tries again */
}

static void run_done(struct store_job *job)
{
	fold_run_end(job->relay, (struct fold_run *)job, job->result);
}

/* How far a log may be folded now: a successor's not before all that it inherits from. */
static uint64_t fold_end(const struct relay_log *l)
{
	uint64_t held = replica_held(l->replica);
	const struct relay_log *p = l->previous;

	if (l->cutting || (l->folded == 0 && l->credential.number > 1 &&
			      (!p || p->cutting || p->folding > 0 ||
				  p->folded != l->credential.node.previous_size)))
		return l->folded;
	return held < l->end ? held : l->end;
}

/* How many entries of a log could be given to the workers now. */
static uint64_t fold_left(struct relay_log *l)
{
	uint64_t end = fold_end(l);

	if (l->folding == 0) {
		l->fold_next = l->folded;
		l->fold_again = false;
	}
	return l->fold_again || l->fold_next >= end ? 0 : end - l->fold_next;
}

void views_live(struct relay *r)
{
	r->live_at = clock_mono_ms();
}

static bool is_live(const struct relay *r)
{
	return r->live_at > 0 && clock_mono_ms() - r->live_at < LIVE_MS;
}

/* Of this log, as far as it is verified, and up to so many entries. */
static void run_take(struct fold_run *run, struct relay_log *l, size_t most)
{
	while (l->folds && l->folds->verified && run->count < most) {
		struct fold *f = l->folds;

		l->folds = f->next;
		f->next = NULL;
		*run->last = f;
		run->last = &f->next;
		run->count += f->count;
	}
}

/* Hand over what is verified, once it is worth a transaction. */
static void run_soon(struct relay *r)
{
	uint64_t left = r->folds_verifying, ready = 0;
	bool live = is_live(r);
	struct relay_log *from = log_by_no(r, r->run_last);

	for (struct relay_log *l = r->logs; l; l = l->next) {
		left += fold_left(l);
		for (const struct fold *f = l->folds; f && f->verified; f = f->next)
			ready += f->count;
	}
	if (ready == 0 || (live && r->fold_runs > 0) ||
	    (ready < left && ready < (live ? RUN_LIVE : RUN_MAX) && r->folds_verifying > 0))
		return;
	struct fold_run *run = calloc(1, sizeof *run);
	if (!run)
		abort(); /* nobody would come for them again */
	run->last = &run->folds;
	/* In turn: the log behind the one that was served last comes first. */
	for (struct relay_log *l = from ? from->next : NULL; l; l = l->next)
		run_take(run, l, live ? RUN_LIVE : SIZE_MAX);
	for (struct relay_log *l = r->logs; l; l = l->next)
		run_take(run, l, live ? RUN_LIVE : SIZE_MAX);
	for (const struct fold *f = run->folds; f; f = f->next)
		r->run_last = f->log->no;
	r->fold_runs++;
	run->job.run = run_fold;
	run->job.done = run_done;
	storage_submit(r, &run->job);
}

static void verify_done(struct job *job);

static bool fold_start(struct relay *r, struct relay_log *l, size_t count)
{
	struct fold *f = calloc(1, sizeof *f), **at = &l->folds;

	if (!f)
		return false;
	f->entries = calloc(count, sizeof *f->entries);
	if (!f->entries ||
	    r->reader->ops->read(
		r->reader, l->no, l->fold_next, count, SIZE_MAX, &f->leaves, &f->count) != OK ||
	    f->leaves.failed || f->count == 0) {
		log_error("log %s: entries from %llu on can't be read for the views",
		    l->credential.binding.log_name, (unsigned long long)l->fold_next);
		fold_free(f);
		return false;
	}
	if (f->count > count)
		f->count = count;
	f->relay = r;
	f->log = l;
	f->binding = l->credential.binding;
	f->first = l->fold_next;
	if (l == r->own)
		inbox_known(r, f->first, buffer_bytes(&f->leaves), f->entries, f->known, f->count);
	f->verify.work = fold_verify;
	f->verify.done = verify_done;
	while (*at)
		at = &(*at)->next;
	*at = f;
	l->folding++;
	l->fold_next += f->count;
	r->folds_ahead += f->count;
	r->folds_verifying += f->count;
	pool_submit(r->workers, &f->verify);
	return true;
}

/* The log behind the one that was served last: none waits for ever because others are before it. */
static struct relay_log *log_next(struct relay *r)
{
	struct relay_log *l = log_by_no(r, r->fold_last);

	return l && l->next ? l->next : r->logs;
}

/* Every worker gets something, of every log that has something. */
static bool folds_start(struct relay *r)
{
	struct relay_log *from = log_next(r), *l = from;
	bool started = false, live = is_live(r);

	if (!from)
		return false;
	do {
		uint64_t left = fold_left(l), share = left / pool_threads(r->workers) + 1;
		size_t most = live ? RUN_LIVE : VERIFY_BATCH;
		size_t count = share < BATCH_MIN ? BATCH_MIN : share < most ? (size_t)share : most;

		if (r->folds_ahead >= AHEAD_MAX || r->folds_verifying >= VERIFYING_MAX(r))
			break;
		if (left > 0 && !burst_holds(r, l, left) &&
		    fold_start(r, l, left < count ? (size_t)left : count)) {
			r->fold_last = l->no;
			started = true;
		}
		l = l->next ? l->next : r->logs;
	} while (l != from);
	return started;
}

void folds_verified(struct relay *r)
{
	if (!r->stopping)
		while (folds_start(r))
			;
	run_soon(r);
}

static void verify_done(struct job *job)
{
	struct fold *f = (struct fold *)job;
	struct relay *r = f->relay;

	f->verified = true;
	r->folds_verifying -= f->count;
	folds_verified(r);
}

void views_follow(struct relay *r)
{
	bool behind = false;

	if (r->stopping)
		return;
	while (folds_start(r))
		;
	run_soon(r);
	for (const struct relay_log *l = r->logs; l; l = l->next)
		behind |= l->folded < replica_held(l->replica);
	if (r->rebuilding && !behind) {
		r->rebuilding = false;
		log_info("the views are rebuilt");
		members_look(r);
	}
}
