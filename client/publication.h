/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder with published logs (SPEC.md 9.8), for its one writer. Main thread; what fails fills
 * `t`. Paths are below the folder.
 *
 * A file is there whole or not at all. That it stays is sure after publication_sync(): what a
 * checkpoint commits to is synced before the checkpoint is put. A crash leaves at most files that
 * the next run writes again, and one that has no name yet, which publication_open() removes. */
#ifndef CLIENT_PUBLICATION_H
#define CLIENT_PUBLICATION_H

#include "client/files.h"

struct publication;

/* Open or make the folder, which must be empty or a publication of this forum. ERR_INVALID (it is
 * something else), ERR_OTHER_FORUM, ERR_BUSY (somebody else is at work in it), ERR_MALFORMED,
 * ERR_IO. */
int publication_open(struct publication **out, const char *folder,
    const uint8_t forum[static HASH_LEN], struct trouble *t);
void publication_close(struct publication *p); /* NULL does nothing */

const char *publication_path(const struct publication *p);
uint64_t publication_written(const struct publication *p); /* bytes, since it was opened */

/* The logs that its index names, ascending. */
size_t publication_count(const struct publication *p);
const char *publication_log(const struct publication *p, size_t i);
/* Put a log into the index, unless it is there; durable on return. */
int publication_add(struct publication *p, const struct verifier *log, struct trouble *t);

/* Write a file anew, with its folders. `durable`: it is synced before it gets its name, and this
 * name afterwards. */
int publication_put(
    struct publication *p, const char *path, struct bytes content, bool durable, struct trouble *t);
/* Append a whole file. ERR_NOTFOUND, ERR_TOO_LARGE, ERR_IO. */
int publication_get(
    struct publication *p, const char *path, size_t max, struct buffer *out, struct trouble *t);
/* Remove a file; `*was` tells whether there was one. */
int publication_remove(struct publication *p, const char *path, bool *was, struct trouble *t);
/* Everything so far is on the disk. */
int publication_sync(struct publication *p, struct trouble *t);

/* Remove a log's partial tiles where the full one is. */
int publication_tidy(struct publication *p, const char *log, struct trouble *t);

#endif
