/* SPDX-License-Identifier: BSD-2-Clause */
/* Bundles: logs and contents in a file (SPEC.md 9.7), written and read. Pure: where the bytes come
 * from and go to is the caller's. One owner.
 *
 * A bundle is frames, and each frame proves itself, so that a damaged place costs what it hits and
 * no more. What is made of a whole bundle is bundle_index.h's, and giving it to a node
 * bundle_offer.h's. */
#ifndef SYNC_BUNDLE_H
#define SYNC_BUNDLE_H

#include "crypto/verifier.h"
#include "msg/frame.h"
#include "msg/message.h"

#define BUNDLE_LINE "convene bundle v1\n"

/* ---- writing ---- */

/* A log, and what of it goes into the bundle: the entries [from, size). All borrowed. */
struct bundle_part {
	const struct binding *binding;
	const struct verifier *key; /* the log's */
	struct bytes credential;    /* entry 0 */
	uint64_t from, size;
	uint8_t root[HASH_LEN]; /* at `size` */
};

struct bundle_source {
	void *ctx;
	/* Entries of parts[part] from `first` on, at least one and at most `count`, with checkpoint
	 * and range proof; valid until the next call. */
	int (*data)(
	    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out);
	/* The content of an entry of the last data(), asked for in ascending order: append it. OK,
	 * ERR_NOTFOUND (it isn't here), ERR_REFUSED (it was erased); another error ends the
	 * writing. */
	int (*content)(void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN],
	    struct buffer *out);
	int (*write)(void *ctx, struct bytes bytes);
};

struct bundle_counts {
	uint64_t entries, contents, bytes;
	uint64_t missing; /* contents that the source doesn't hold (yet) */
	uint64_t erased;
	uint64_t
	    bad; /* contents that the source holds, and that aren't what was signed: left out */
};

/* Write a whole bundle. What the source gives is checked as a reader would: ERR_PROOF and the like
 * when it is no part of that log, or the log isn't the one of `root`. Otherwise the source's
 * errors, and ERR_NOMEM. */
int bundle_write(const struct bundle_source *source, const uint8_t forum[static HASH_LEN],
    const char *software, const struct bundle_part *parts, size_t count, bool contents,
    struct bundle_counts *counts);

/* ---- reading ---- */

enum bundle_kind {
	BUNDLE_FRAME,
	BUNDLE_DAMAGE, /* bytes that are no frame */
	BUNDLE_END,
};

/* What comes next in a bundle. `payload` and `message` are valid until the next call. */
struct bundle_piece {
	enum bundle_kind kind;
	uint64_t offset, length; /* in the file; of the whole frame */
	uint8_t type; /* BUNDLE_FRAME: HELLO, FRONTIER, LOG, DATA, CONTENT, FORK, SUMMARY */
	struct bytes payload;
	const ProtobufCMessage *message;
	bool cut; /* BUNDLE_DAMAGE: it reaches to the end of the file */
};

struct bundle_reader;

struct bundle_reader *bundle_reader_new(void); /* NULL: no memory */
void bundle_reader_free(struct bundle_reader *r);
/* The next bytes of the file; `len` 0: there are no more. Holds at most about one frame beyond what
 * it is given. ERR_NOMEM. */
int bundle_reader_feed(struct bundle_reader *r, struct bytes bytes);
/* OK; ERR_TRUNCATED: feed more; ERR_MALFORMED: this is no bundle; ERR_NOMEM. After BUNDLE_END there
 * is nothing more. */
int bundle_reader_next(struct bundle_reader *r, struct bundle_piece *out);

#endif
