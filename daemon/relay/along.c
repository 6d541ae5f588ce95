/* SPDX-License-Identifier: BSD-2-Clause */
/* Few that have just come are folded in the transaction that stores them (fold_along()): a sync for
 * each step is what somebody waits for who waits for one message. What is stored does not depend on
 * that: if folding fails, the entries come again and are stored alone, and folded apart from then
 * on, until that succeeds.
 *
 * Where there are more of them the workers verify them before they are stored
 * (fold_along_checked()): a transaction with its sync costs people who wait, and the processors,
 * more than that delays the next node. */
#include <stdlib.h>

#include "base/error.h"
#include "daemon/relay/fold.h"

enum {
	ALONG_MAX = 8,    /* entries: so many are verified by the store thread */
	ALONG_KNOWN = 256 /* the same where they were verified before */
};

static void along_free(struct fold_run *run)
{
	while (run->folds) {
		struct fold *next = run->folds->next;

		fold_free(run->folds);
		run->folds = next;
	}
	free(run);
}

int fold_along_run(struct fold_run *run, struct store_job *job, struct forum *forum)
{
	if (!run->checked)
		fold_verify(&run->folds->verify);
	return fold_run_work(run, job, forum);
}

/* Whether a batch would be the next with the store thread. */
static bool along_fits(struct relay_log *l, uint64_t first, size_t count)
{
	if (l->folding == 0) {
		l->fold_next = l->folded;
		l->fold_again = false;
	}
	return l->folded > 0 && l->fold_next == first && !l->folds && !l->fold_again &&
	       !l->fold_apart && !l->cutting && first + count <= l->end && !l->relay->rebuilding;
}

/* The leaves from `*pos` on, at most `count`; NULL without memory. */
static struct fold *along_part(
    struct relay_log *l, uint64_t first, struct bytes leaves, size_t *pos, size_t count)
{
	struct fold *f = calloc(1, sizeof *f);
	size_t from = *pos;
	struct bytes leaf;

	if (!f)
		return NULL;
	while (f->count < count && leaves_next(leaves, pos, &leaf) == OK)
		f->count++;
	f->entries = calloc(f->count + 1, sizeof *f->entries);
	buffer_add(&f->leaves, leaves.data + from, *pos - from);
	if (!f->entries || f->leaves.failed) {
		fold_free(f);
		return NULL;
	}
	f->relay = l->relay;
	f->log = l;
	f->binding = l->credential.binding;
	f->first = first;
	return f;
}

/* In parts of so many entries. */
static struct fold_run *along_new(
    struct relay_log *l, uint64_t first, struct bytes leaves, size_t count, size_t share)
{
	struct fold_run *run = calloc(1, sizeof *run);
	size_t pos = 0;

	if (!run)
		return NULL;
	run->along = true;
	run->last = &run->folds;
	while (run->count < count) {
		struct fold *f = along_part(l, first + run->count, leaves, &pos, share);

		if (!f || f->count == 0) {
			if (f)
				fold_free(f);
			along_free(run);
			return NULL;
		}
		*run->last = f;
		run->last = &f->next;
		run->count += f->count;
		run->verifying++;
	}
	l->folding += run->verifying;
	l->fold_next += count;
	l->relay->folds_ahead += count;
	return run;
}

struct fold_run *fold_along(
    struct relay_log *l, uint64_t first, struct bytes leaves, size_t count, bool sealing)
{
	struct fold_run *run;

	if (count > (sealing ? ALONG_KNOWN : ALONG_MAX) || !along_fits(l, first, count))
		return NULL;
	run = along_new(l, first, leaves, count, count);
	if (run && sealing)
		inbox_sealing(l->relay, run->folds->entries, run->folds->known, count);
	return run;
}

/* On the loop: what a worker had is verified. */
static void along_verified(struct job *job)
{
	struct fold *f = (struct fold *)job;
	struct fold_run *run = f->along;
	struct relay *r = f->relay;

	f->verified = true;
	r->folds_verifying -= f->count;
	if (--run->verifying == 0)
		run->checked(run->ctx);
	folds_verified(r);
}

struct fold_run *fold_along_checked(struct relay_log *l, uint64_t first, struct bytes leaves,
    size_t count, void (*verified)(void *ctx), void *ctx)
{
	struct relay *r = l->relay;
	size_t share = count / pool_threads(r->workers) + 1;
	struct fold_run *run;

	/* Not behind much that nobody waits for: it is to be durable soon. */
	if (r->folds_verifying > VERIFY_BATCH || !along_fits(l, first, count))
		return NULL;
	run = along_new(l, first, leaves, count, share < BATCH_MIN ? BATCH_MIN : share);
	if (!run)
		return NULL;
	run->checked = verified;
	run->ctx = ctx;
	r->folds_verifying += count;
	for (struct fold *f = run->folds; f; f = f->next) {
		f->along = run;
		f->verify.work = fold_verify;
		f->verify.done = along_verified;
		pool_submit(r->workers, &f->verify);
	}
	return run;
}

void fold_along_done(struct relay *r, struct fold_run *run, int result)
{
	if (run)
		fold_run_end(r, run, result);
}
