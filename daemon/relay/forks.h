/* SPDX-License-Identifier: BSD-2-Clause */
/* Forks and successors in the relay (SPEC.md sections 4.4, 9.6, 11.9): which logs are disputed,
 * what stands of a log, and who takes over. Loop thread.
 *
 * What is durable before what. A proof before its log counts as disputed after a restart: until it
 * is on the disk, a crash forgets it, and any peer shows it again. What stands, before anything is
 * cut or the successor taken up: a crash finds it again and goes on. The bundle of what is cut,
 * synced with its name, before the store is truncated: a crash writes it again. The truncation and
 * the views' new beginning in one transaction. The successor's row last: without it, all of the
 * above is gone through again, and finds nothing left to do. */
#ifndef DAEMON_RELAY_FORKS_H
#define DAEMON_RELAY_FORKS_H

#include "daemon/relay/state.h"

/* A proof that is kept, of a log that may be here or not. */
struct kept_fork {
	uint8_t log[DIGEST_LEN];
	enum fork_sort sort;
	struct buffer proof;
	struct kept_fork *next;
};

/* What a successor says stands of a log. */
struct standing {
	struct relay *relay;
	uint8_t log[DIGEST_LEN];
	uint64_t size;
	uint8_t root[HASH_LEN];
	char successor[VERIFIER_NAME_MAX + 1];
	struct buffer credential;
	bool durable; /* kept by the store: lib/sync may be told */
	bool stands;  /* that history is held */
	bool adding;  /* the successor is on its way into the store */
	struct standing *next;
};

/* forks.c */
int forks_load(struct relay *r);
void forks_free(struct relay *r);
void forks_sync_io(struct sync_io *io);
/* A log has just become known to lib/sync: what is kept of it counts. */
void forks_log_added(struct relay *r, struct relay_log *l);
/* A log is offered that is not here: if it is a rival of one that is, both are disputed. */
void forks_offered(struct relay *r, const struct relay_log *l);
/* Why a log is disputed, or what else is proven against it; NULL: nothing. */
const struct kept_fork *forks_of(const struct relay *r, const uint8_t digest[static DIGEST_LEN]);

/* succession.c */
struct standing *standing_of(const struct relay *r, const uint8_t log[static DIGEST_LEN]);
int successions_load(struct relay *r);
void successions_free(struct relay *r);
/* A log with a number above 1 is offered, and its organisation is a member's. OK: what it says
 * stands is kept, and it is taken up when that is held. `l` stays the caller's. */
int succession_offer(struct relay *r, const struct relay_log *l);
/* The history that stands of this log is held. */
void succession_stands(struct relay *r, uint32_t no);
/* Whatever can go on. */
void succession_follow(struct relay *r);
/* Our own log, when it follows another: link it to that, which must be held as far as stands. */
int succession_own(struct relay *r);

/* cut.c: io.cut of lib/sync; and go on with it once the log's views stand still. */
void cut_begin(void *ctx, uint32_t no, uint64_t size);
void cut_follow(struct relay *r, struct relay_log *l);

/* inherit.c: what our log inherits at its start. The roster of a log at a size; NULL: no memory,
 * or the store can't be read. And what waits in the inbox for the log before ours is put into a
 * file. */
struct roster *roster_at(struct relay *r, const struct relay_log *l, uint64_t size);
int inbox_inherit(struct relay *r);

#endif
