/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that were made, to be given again as long as the store is in the state they were made
 * from. Bounded in bytes; what was used longest ago makes room. One owner. */
#ifndef DAEMON_CACHE_H
#define DAEMON_CACHE_H

#include "base/buffer.h"

struct cache;

/* Counted: cache_give_back() when it isn't needed any more, even after the cache has dropped it or
 * is gone. Never changes. */
struct cached {
	int status;
	const char *tag; /* its entity tag, with quotes */
	struct bytes fields, body;
};

int cache_new(struct cache **out, size_t bytes);
void cache_free(struct cache *c);
void cache_resize(struct cache *c, size_t bytes);

/* NULL: none that was made in this state. */
const struct cached *cache_find(struct cache *c, struct bytes key, uint64_t state);
/* Copies everything; returns it, even if it is too large to be kept, or `state` is 0, which is
 * never found. NULL: no memory. */
const struct cached *cache_add(struct cache *c, struct bytes key, uint64_t state, int status,
    const char *tag, struct bytes fields, struct bytes body);
void cache_give_back(void *cached);

size_t cache_bytes(const struct cache *c);
/* Bytes of all answers of the process that are held outside of a cache, for those who have not
 * taken them yet. */
size_t cache_loose(void);

#endif
