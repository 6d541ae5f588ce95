/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts on their way to the node, thousands in a second and none twice (SPEC.md section 12.1).
 *
 * They are signed in batches. While the node works on one, the next is read, signed and made
 * durable in the journal; it is sent when the first is answered. Not earlier: a node that refuses
 * one for the moment and takes the next would have passed over its sequences for good.
 *
 * A refusal for the moment (busy, quota, shutting down), and a node that has gone: wait, and send
 * the same bytes again. One for good: the post is told of, it and all behind it are forgotten (they
 * may name it as what they answer), and the caller adds those behind it once more. Main thread. */
#ifndef CLIENT_ARCHIVE_SUBMIT_H
#define CLIENT_ARCHIVE_SUBMIT_H

#include "client/archive/journal.h"
#include "client/archive/node.h"

struct submitter;

struct submit_events {
	/* The node has it durably. */
	void (*accepted)(void *ctx, uint32_t tag);
	/* It will never take it. `why` is the node's word. */
	void (*refused)(void *ctx, uint32_t tag, const char *why);
	/* Called now and then, also while there is nothing but waiting; `why` is then what for,
	 * else NULL. */
	void (*waiting)(void *ctx, const char *why);
};

/* One post to be. The caller keeps all of it until submit_post() returns. */
struct submit_post {
	uint32_t tag; /* the caller's; rising */
	uint8_t key[MAIL_KEY_LEN];
	const uint8_t (*absent)[MAIL_KEY_LEN]; /* mails that it refers to and that are nowhere */
	size_t absent_count;
	struct ref topic, parent; /* a parent without a log is in the one that we write to */
	uint64_t time;
	struct bytes lang, content;
};

/* What was added from a tag on must be added again: submit_from() says which. */
#define SUBMIT_AGAIN 1

/* All given are borrowed. `sequence`: the highest that the device has used. `patience_ms`: how long
 * to wait for a node that has gone or says nothing but "not now" (an exhausted quota doesn't count:
 * that is waited for as long as it takes). */
int submitter_new(struct submitter **out, struct import_node *node, struct journal *journal,
    const struct key *key, uint64_t sequence, uint64_t patience_ms,
    const struct submit_events *events, void *ctx, struct trouble *t);
void submitter_free(struct submitter *s);

/* First of all: send what an earlier run left. `*count` is how much that was. */
int submit_waiting(struct submitter *s, uint64_t *count, struct trouble *t);
/* Sign and take one; `id` gets its id. OK, SUBMIT_AGAIN, or an error, after which there is nothing
 * to be done but submitter_free(): what is in the journal is sent by the next run. */
int submit_add(struct submitter *s, const struct submit_post *post, uint8_t id[static ID_LEN],
    struct trouble *t);
/* Send the rest and wait until the node has all. OK, SUBMIT_AGAIN, or an error. */
int submit_finish(struct submitter *s, struct trouble *t);
uint32_t submit_from(const struct submitter *s);
/* The highest sequence signed with. */
uint64_t submit_sequence(const struct submitter *s);

#endif
