/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving a bundle to a node, as a peer whose logs are the file: it shows a frontier, answers
 * LOG_GET, SUBSCRIBE and WANT, and asks for nothing (SPEC.md 9.7, section 11). So what the node
 * holds already is not sent, an import that was cut off goes on, and the node checks as from any
 * link. A pure state machine over struct bundle_index; one owner. */
#ifndef SYNC_BUNDLE_OFFER_H
#define SYNC_BUNDLE_OFFER_H

#include "sync/bundle_index.h"

struct bundle_offer_io {
	void *ctx;
	/* Append `len` bytes of the file from `offset` on. */
	int (*read)(void *ctx, uint64_t offset, size_t len, struct buffer *out);
	/* Queue a frame. ERR_NOMEM, ERR_CLOSED. */
	int (*send)(void *ctx, uint8_t type, uint32_t stream, struct bytes payload);
	/* Bytes queued and not yet taken. */
	size_t (*backlog)(void *ctx);
};

struct bundle_offer;

/* Both are borrowed. NULL: no memory. */
struct bundle_offer *bundle_offer_new(struct bundle_index *x, const struct bundle_offer_io *io);
void bundle_offer_free(struct bundle_offer *o);

/* How much the node held of logs[log] when this began (0 unless said): from there on, and not over
 * a gap, the bundle is good for something. */
void bundle_offer_held(struct bundle_offer *o, size_t log, uint64_t size);

/* Errors of these are io's, or ERR_MALFORMED for a frame that no node sends. HELLO first: */
int bundle_offer_hello(struct bundle_offer *o, const char *software);
/* Show what there is; again when the node's members have grown (it sends SUMMARY then, which does
 * the same by itself). */
int bundle_offer_show(struct bundle_offer *o);
int bundle_offer_receive(struct bundle_offer *o, const struct frame *frame);
/* The output has room again. */
int bundle_offer_writable(struct bundle_offer *o);

/* Something that was asked for is still to be sent. */
bool bundle_offer_busy(const struct bundle_offer *o);

struct bundle_offer_counts {
	uint64_t bytes;    /* of DATA and contents sent */
	uint64_t contents; /* of this log, sent at least once */
	bool asked;        /* the node has asked for this log's LOG */
	bool subscribed;
};
void bundle_offer_counts(const struct bundle_offer *o, size_t log, struct bundle_offer_counts *out);

#endif
