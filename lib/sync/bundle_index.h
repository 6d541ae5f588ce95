/* SPDX-License-Identifier: BSD-2-Clause */
/* What a bundle holds and what of it is damaged: the pieces of one reading, each checked by itself
 * (SPEC.md 9.7). Pure; one owner.
 *
 * Memory: some hundred bytes for each DATA, eight for each of its entries when contents came with
 * them, and one DATA and one content while they are checked. */
#ifndef SYNC_BUNDLE_INDEX_H
#define SYNC_BUNDLE_INDEX_H

#include "sync/bundle.h"

#define BUNDLE_FLAWS_MAX 1000

/* A DATA that proves itself, with its contents. */
struct bundle_range {
	uint64_t offset;
	uint32_t length; /* of the frame */
	uint32_t count;
	uint64_t first;
	uint8_t root[HASH_LEN]; /* of its history, at first + count */
	uint64_t *contents; /* where each entry's begins in the file; 0: not in it. NULL: none */
};

struct bundle_log {
	struct binding binding;
	struct verifier key;
	struct buffer credential;
	uint64_t claimed;            /* the size that the bundle says to reach; 0: it doesn't say */
	struct bundle_range *ranges; /* ascending by `first`; none lies inside another */
	size_t range_count, range_cap;
	uint64_t contents;
};

enum bundle_lost {
	BUNDLE_LOST_UNKNOWN,
	BUNDLE_LOST_ENTRIES,  /* with their contents */
	BUNDLE_LOST_CONTENTS, /* of entries, or some of them */
};

struct bundle_flaw {
	uint64_t offset, length;
	int err; /* ERR_MALFORMED: no frame; ERR_TRUNCATED: the file ends there; else what the
		    frame's check said */
	enum bundle_lost lost;
	size_t log;          /* unless unknown */
	uint64_t first, end; /* what is lost: [first, end) */
};

/* What a FRONTIER of the bundle says, of logs that may not be known yet. */
struct bundle_claim {
	uint8_t digest[DIGEST_LEN];
	uint64_t size;
	uint8_t root[HASH_LEN];
};

struct bundle_index_io {
	void *ctx;
	/* Check a log's entry 0 under its name for this forum. OK or why not. */
	int (*credential)(void *ctx, struct bytes name, struct bytes credential,
	    struct verifier *key, struct binding *binding);
};

struct bundle_index {
	struct bundle_index_io io;
	uint8_t forum[HASH_LEN];
	struct bundle_log *logs;
	size_t log_count, log_cap;
	struct bundle_flaw *flaws;
	size_t flaw_count, flaw_cap;
	uint64_t flaws_more; /* those above BUNDLE_FLAWS_MAX are only counted */
	uint64_t forks;      /* fork proofs */
	struct bundle_claim *claims;
	size_t claim_count, claim_cap;
	/* While reading. */
	bool greeted, ended;
	size_t log;             /* whose part this is; SIZE_MAX: none */
	size_t range;           /* of that log, the last; SIZE_MAX: none */
	uint64_t after;         /* the entry behind it, or where the log's part begins */
	uint64_t content_after; /* the entry behind that of the last content */
	size_t open;            /* flaws from here on wait for what comes next */
	struct buffer leaves;   /* of that range */
	struct buffer content;  /* under way */
	uint64_t content_index, content_total, content_offset, content_length;
	uint8_t salt[SALT_LEN];
	bool in_content, has_contents;
};

void bundle_index_init(
    struct bundle_index *x, const struct bundle_index_io *io, const uint8_t forum[static HASH_LEN]);
void bundle_index_free(struct bundle_index *x);

/* A log that is known anyway: its LOG may then be damaged. Errors are io's, and ERR_NOMEM. */
int bundle_index_know(struct bundle_index *x, struct bytes name, struct bytes credential);

/* Take the next piece, BUNDLE_END as the last. ERR_OTHER_FORUM (nothing of it is for us),
 * ERR_NOMEM; whatever is wrong with the piece becomes a flaw. */
int bundle_index_take(struct bundle_index *x, const struct bundle_piece *piece);

/* NULL: not in it. */
struct bundle_log *bundle_index_find(
    struct bundle_index *x, const uint8_t *digest, size_t digest_len);
/* How many logs the bundle speaks of and nothing of which could be read. */
size_t bundle_index_unread(const struct bundle_index *x);
/* The range that holds an entry, or NULL. */
struct bundle_range *bundle_range_of(const struct bundle_log *l, uint64_t index);
/* How far a log gets that is held up to `held`: that size, and the root there (NULL: not asked).
 * False when the bundle can't say any root: nothing of it stands at or below `held`. */
bool bundle_reach(const struct bundle_log *l, uint64_t held, uint64_t *size, uint8_t *root);
/* How many of the bundle's entries lie in [first, end). */
uint64_t bundle_entries(const struct bundle_log *l, uint64_t first, uint64_t end);

#endif
