/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind clients.c share: one function for each request (SPEC.md section 12), and
 * the builder of answers.
 *
 * Rows of the views are valid only during their callback, so what an answer takes from them is
 * copied into a chain of blocks that lives until its frame is sent. */
#ifndef DAEMON_RELAY_ANSWER_H
#define DAEMON_RELAY_ANSWER_H

#include "daemon/relay/state.h"

#define ANSWER_BYTES (512 * 1024) /* begin a new frame of TOPICS, THREADS or ITEMS above this */

struct answer {
	struct session *session;
	uint32_t stream;
	struct block *blocks;
	void **list; /* of generated messages */
	size_t count, cap, bytes;
	uint64_t next; /* of SEARCH */
	bool lean; /* the answer is long: contents are to be asked for one by one */
	int err;
};

/* A new message of the list, uninitialised; NULL: no memory. */
void *answer_add(struct answer *a, size_t size);
/* Bytes that live as long as the answer; NULL: no memory. */
void *answer_room(struct answer *a, size_t len);
/* carry.c: the organisations whose logs aren't carried; how many. */
size_t carry_without(struct answer *a, ProtobufCBinaryData **out);
/* Copies; lack of memory is remembered in `err`. */
ProtobufCBinaryData answer_copy(struct answer *a, const void *data, size_t len);
ProtobufCBinaryData answer_str(struct answer *a, const char *text);
void answer_clear(struct answer *a); /* the frame was sent */
void answer_end(struct answer *a);

/* An error of a query, as an ERROR on the stream. `what` is a noun. */
void answer_error(struct session *s, uint32_t stream, int err, const char *what);

/* items.c: a row of the views as an item of ITEMS, which points into the answer. */
int items_fill(struct answer *a, const struct item_row *row, Convene__Item *m);
/* The same, added to the answer and sent as that grows; an item_fn. */
int items_row(void *ctx, const struct item_row *row);
void items_flush(struct answer *a, bool last, uint64_t missing);

/* One for each request. */
void erasure_get(struct session *s, uint32_t stream, const Convene__ErasureGet *m);
void search_get(struct session *s, uint32_t stream, const Convene__Search *m);
void topics_get(struct session *s, uint32_t stream);
void threads_get(struct session *s, uint32_t stream, const Convene__ThreadsGet *m);
void thread_get(struct session *s, uint32_t stream, const Convene__ThreadGet *m);
void watch_start(struct session *s, uint32_t stream, const Convene__Watch *m);
void watch_drop(struct session *s); /* it does not watch any more */
void logs_get(struct session *s, uint32_t stream);
void entries_get(struct session *s, uint32_t stream, const Convene__EntriesGet *m);
void proof_get(struct session *s, uint32_t stream, const Convene__ProofGet *m);
void content_get(struct session *s, uint32_t stream, const Convene__ContentGet *m);

#endif
