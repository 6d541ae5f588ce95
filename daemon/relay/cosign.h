/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosigning the logs of others, and knowing who has cosigned what (SPEC.md 11.8). Loop thread. */
#ifndef DAEMON_RELAY_COSIGN_H
#define DAEMON_RELAY_COSIGN_H

#include "member/anchor.h"
#include "sync/sync.h"

struct relay;
struct relay_log;

/* How it stands with our cosignature of a log. */
struct log_cosign {
	bool due;        /* something has changed: it is to be looked at */
	bool introduced; /* the signer knows the log, */
	uint64_t size;   /* and has cosigned this of it last */
	uint8_t root[HASH_LEN];
	bool refused;      /* it does not sign it, until something is known that isn't yet */
	uint64_t mine;     /* the size of ours that was given to sync */
	uint64_t again_at; /* not before */
	/* Up to where it is anchored; and since when that has not moved, although there is more: by
	 * our clock, 0: there is not. */
	uint64_t anchored, stuck_since;
};

/* When logs are loaded and sync knows them: the policy, the cosigners that the views know, and the
 * cosignatures stored. `vouches`: core_vouches(). */
int cosign_start(struct relay *r, bool vouches);
/* NULL: others' logs are cosigned, or nobody counts on us. Else why they aren't. */
const char *cosign_held(const struct relay *r);
void cosign_free(struct relay *r);
const struct anchor *cosign_anchor(const struct relay *r);
/* The functions that sync asks for. */
void cosign_io(struct sync_io *io);

/* A NODE of this log has taken effect. */
void cosign_learn(struct relay *r, struct relay_log *l);
/* A log, or all of them (NULL), may be ready to be cosigned, or soon. */
void cosign_soon(struct relay *r, struct relay_log *l);
/* There are more members: the signer may know more as well. */
void cosign_members(struct relay *r);

/* From time to time: all is looked at, and for how long a log has waited to be anchored. */
void cosign_watch(struct relay *r);

/* cosign_store.c */
int cosign_load(struct relay *r);
void cosign_store(void *ctx, uint32_t log, const struct cosigner *who, uint64_t size,
    uint64_t seconds, struct bytes note);

/* receipt.c: append the receipt (9.5) of an entry below sync_anchored(). ERR_NOTFOUND when a paper
 * that it needs isn't here; ERR_NOMEM, and errors of the store. */
int receipt_make(
    struct relay *r, struct relay_log *l, uint64_t index, struct bytes entry, struct buffer *out);

/* The ADMITs by which a log's organisation is a member, and those by which the ones who made them
 * are, and so on; none of a founder. ERR_NOT_MEMBER: it is none by those here. ERR_TOO_LARGE,
 * ERR_NOMEM, errors of the store and of `fn`. */
int admissions_of(struct relay *r, const struct relay_log *l,
    int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx);

#endif
