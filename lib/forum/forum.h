/* SPDX-License-Identifier: BSD-2-Clause */
/* The fold: what messages mean, written into views (SPEC.md sections 6 and 13).
 *
 * A struct forum holds the rosters of all logs and the set of members, and writes through the
 * store's views on the writing connection. It runs where that connection runs (the store thread);
 * every call that writes needs an open transaction, and after an error the caller rolls back, frees
 * the forum and makes it anew. Views are a function of the entries folded and the contents held,
 * whatever the order in which logs, and contents, came. */
#ifndef FORUM_FORUM_H
#define FORUM_FORUM_H

#include "member/members.h"
#include "member/roster.h"
#include "store/store.h"

struct forum;

/* An entry on its way into the views: already parsed and verified by a worker. */
struct forum_entry {
	struct bytes message; /* exact leaf */
	struct header header; /* points into message; meaningful when parsed is OK */
	uint8_t id[ID_LEN];
	int parsed;             /* message_parse() */
	int signature;          /* message_verify(), or ERR_SIGNATURE when it could not be tried */
	enum enrol_state enrol; /* roster_enrol_verify(); 0: done here, at 55 to 110 microseconds */
};

/* What a run of entries brought, for the relay. */
struct forum_result {
	bool members_grew; /* ask peers again */
	uint64_t folded;   /* the log's new position */
	uint64_t arrivals; /* highest arrival number given so far */
	bool node_changed; /* a NODE took effect */
	bool erased;       /* contents were: their bytes are to leave the files (scrub) */
	uint64_t invalid;  /* entries of this run that are not valid (their origin is at fault) */
};

/* Load what the views hold. The store must have the views' tables (views_prepare()) and be
 * store_sqlite's; the charter must outlive the forum. May write a little, in a transaction of its
 * own when none is open. */
int forum_new(struct forum **out, struct store *writer, const struct charter *charter);
void forum_free(struct forum *f);

/* Fold entries [first, first + count) of a log known to the store; first must be where its views
 * stand (ERR_STALE). Some of it is only in memory until forum_flush(). Contents already held are
 * taken in with their entries. The first call for a log must begin with entry 0, its checked
 * credential. Of a successor: ERR_NOTFOUND until its predecessor is folded up to the size that
 * stands (nothing has changed then; come again), ERR_RANGE when that is folded beyond it, or would
 * be by this call (cut it, and begin the views anew), ERR_WRONG_ROOT. */
int forum_fold(struct forum *f, uint32_t log, uint64_t first, const struct forum_entry *entries,
    size_t count, struct forum_result *result);

/* Write what folding has left in memory: counts, positions, what is known of keys, once for all
 * that was folded in this transaction. Before anybody else reads the views in it, and before its
 * end. */
int forum_flush(struct forum *f);

/* A content has been stored for an entry: if that is folded already, take it in. */
int forum_content(struct forum *f, uint32_t log, uint64_t index, struct bytes message,
    const uint8_t id[static ID_LEN], struct bytes content);

/* Begin the views anew from nothing: all positions go to 0, arrival numbers stay. Then fold every
 * log again. */
int forum_reset(struct forum *f);

const struct members *forum_members(const struct forum *f);
/* The roster of a log, at its folded position; NULL when none is folded yet. */
const struct roster *forum_roster(const struct forum *f, uint32_t log);

#endif
