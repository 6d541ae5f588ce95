/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a file durable, beside fsync() of its own descriptor. Any thread. Every function here
 * leaves errno as the call that failed has set it. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buffer.h"

/* Write all of it, whatever signals do. ERR_IO. */
int file_fill(int fd, struct bytes b);

/* What was created, renamed or removed in a folder is durable on return; or on a file system that
 * can't sync folders, as durable as it gets there. ERR_IO. */
int folder_sync(const char *folder);

/* The same for the folder that a path is in. ERR_IO, ERR_NOMEM. */
int folder_sync_of(const char *path);

#endif
