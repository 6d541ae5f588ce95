/* SPDX-License-Identifier: BSD-2-Clause */
/* Folding from inside: fold.c brings what is stored into the views, along.c what is being stored.
 * Loop thread, but for what says otherwise. */
#ifndef DAEMON_RELAY_FOLD_H
#define DAEMON_RELAY_FOLD_H

#include "daemon/relay/state.h"

#define BATCH_MIN 16 /* entries: less is not worth another worker's while */

/* A batch of entries. */
struct fold {
	struct job verify;
	struct relay *relay;
	struct relay_log *log;
	struct binding binding;
	uint64_t first;
	size_t count;
	struct buffer leaves;
	struct forum_entry *entries;
	bool known[VERIFY_BATCH]; /* verified already (inbox_known) */
	bool verified;
	int err;
	struct forum_result result;
	struct fold_run *along; /* that waits for this */
	struct fold *next;      /* of the log; then of the run */
};

/* What is folded in one go. */
struct fold_run {
	struct store_job job;
	struct fold *folds, **last;
	size_t count;
	bool along;                 /* not a job of its own */
	unsigned verifying;         /* batches that the workers have; */
	void (*checked)(void *ctx); /* called then; NULL: the store thread verifies */
	void *ctx;
	struct member *members; /* when they grew */
	size_t member_count;
};

/* fold.c */
void fold_free(struct fold *f);
void fold_verify(struct job *job); /* on a worker, or the store thread; of a fold's `verify` */
/* On the store thread. What it returns is the job's result. */
int fold_run_work(struct fold_run *run, struct store_job *job, struct forum *forum);
void fold_run_end(struct relay *r, struct fold_run *run, int result); /* frees it */
void folds_verified(struct relay *r); /* there is room with the workers */

#endif
