/* SPDX-License-Identifier: BSD-2-Clause */
/* A frontier (SPEC.md 9.4) as a file, so that the same can be exported again, here or at another
 * node:
 *
 *     convene frontier v1
 *     NAME SIZE BASE64ROOT
 *     ...
 *
 * a line for each log of size above 0, ascending by name, each ending in LF. A log's name binds the
 * forum, so that the file needs not. Pure; any thread. */
#ifndef CLIENT_ARCHIVE_FRONTIER_TEXT_H
#define CLIENT_ARCHIVE_FRONTIER_TEXT_H

#include "crypto/hash.h"
#include "msg/message.h"

#define FRONTIER_TEXT_MAX (16 * 1024 * 1024)

struct frontier_log {
	char name[VERIFIER_NAME_MAX + 1];
	uint8_t digest[DIGEST_LEN];
	uint64_t size;
	uint8_t root[HASH_LEN];
};

struct frontier {
	struct frontier_log *logs; /* ascending by name */
	size_t count;
};

/* ERR_MALFORMED with the line in `*line`, ERR_NOMEM. Free in any case. */
int frontier_parse(struct frontier *out, struct bytes text, unsigned *line);
void frontier_format(struct buffer *out, const struct frontier *f);
void frontier_free(struct frontier *f);

/* Add a log anywhere; frontier_sort() brings all into order. ERR_MALFORMED (no log name),
 * ERR_NOMEM. */
int frontier_add(
    struct frontier *f, struct bytes name, uint64_t size, const uint8_t root[static HASH_LEN]);
void frontier_sort(struct frontier *f);
/* NULL: not in it. */
const struct frontier_log *frontier_find(const struct frontier *f, const char *name);

/* Its hash (9.4). ERR_NOMEM. */
int frontier_hash(const struct frontier *f, uint8_t out[static HASH_LEN]);

#endif
