/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files that must survive: written whole, under a temporary name, synced with their folder,
 * or not at all. Any thread. */
#ifndef CLIENT_FILES_H
#define CLIENT_FILES_H

#include "client/client.h"

#define PATH_LEN 1024 /* of any path that we make, with its NUL */

/* "FOLDER/NAME" into `out`. ERR_INVALID (and a sentence) when it is too long. */
int path_join(char out[static PATH_LEN], const char *folder, const char *name, struct trouble *t);

/* The folder that a path is in, "." for a bare name. ERR_INVALID when it is too long. */
int path_folder(char out[static PATH_LEN], const char *path, struct trouble *t);

/* Make a folder of mode 0700 unless it is there, with those above it. ERR_IO, ERR_REFUSED when
 * others may enter an existing one. */
int folder_make(const char *path, struct trouble *t);

/* Append a whole file of at most `max` bytes. ERR_NOTFOUND, ERR_TOO_LARGE, ERR_IO, ERR_NOMEM. */
int file_read(const char *path, size_t max, struct buffer *out, struct trouble *t);

/* Write FOLDER/NAME anew with mode 0600, durable on return: file and folder are synced. A crash
 * leaves the old file or the new one. ERR_IO, ERR_NOSPACE. */
int file_write(const char *folder, const char *name, struct bytes data, struct trouble *t);

/* Move FOLDER/NAME into another folder under the same name, or (to NULL) remove it; durable on
 * return. */
int file_move(const char *folder, const char *name, const char *to, struct trouble *t);

#endif
