/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that are too many for memory: a file without a name, that goes when it is closed. One
 * owner. Every call that fails has filled `t`. */
#ifndef CLIENT_ARCHIVE_SPOOL_H
#define CLIENT_ARCHIVE_SPOOL_H

#include "client/files.h"

struct spool {
	int fd; /* -1: closed */
	uint64_t written;
	struct buffer tail; /* not written yet */
};

/* In `folder`. */
int spool_open(struct spool *s, const char *folder, struct trouble *t);
void spool_close(struct spool *s);
/* Append; `*at` is where it stands. */
int spool_add(struct spool *s, struct bytes data, uint64_t *at, struct trouble *t);
/* Append `len` bytes of it to `out`. */
int spool_read(struct spool *s, uint64_t at, size_t len, struct buffer *out, struct trouble *t);

#endif
