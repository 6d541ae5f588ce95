/* SPDX-License-Identifier: BSD-2-Clause */
/* From a node's store into a folder of published logs (SPEC.md 9.8). Main thread.
 *
 * The store is only read, beside the daemon or without one. A pass removes what was erased before
 * it writes anything, then brings each log to the size of its newest checkpoint: entries, tiles
 * and contents first, all of them synced, the checkpoint last. It may be killed anywhere: the next
 * one begins at the checkpoint that is there. */
#ifndef CLIENT_PUBLISH_H
#define CLIENT_PUBLISH_H

#include "client/publication.h"
#include "store/store.h"

struct publisher;

struct publish_counts {
	uint64_t logs;                     /* that this pass looked after */
	uint64_t entries, tiles, contents; /* written; bundles count as tiles */
	uint64_t erased;                   /* contents removed */
	uint64_t missing;                  /* contents that the node doesn't hold yet */
	uint64_t behind; /* logs whose newest checkpoint the node doesn't hold all entries of yet */
	uint64_t troubles;
	char waits[VERIFIER_NAME_MAX + 1]; /* the first of those behind */
};

/* `names`: organisations or logs, ended by NULL; an empty list is all. `say` is told of each log
 * that can't be published, once as long as it stays so. All are borrowed. NULL: no memory. */
struct publisher *publisher_new(struct store *store, struct publication *to,
    const uint8_t forum[static HASH_LEN], const char *const *names,
    void (*say)(void *ctx, const char *log, const struct trouble *t), void *ctx);
void publisher_free(struct publisher *p);

/* One pass. ERR_NOTFOUND: a name that no log has. What stops all of it; a log that can't be
 * published only counts. */
int publisher_run(struct publisher *p, struct publish_counts *counts, struct trouble *t);
/* Whether the store has changed since the last pass began. */
int publisher_changed(struct publisher *p, bool *changed, struct trouble *t);

#endif
