/* SPDX-License-Identifier: BSD-2-Clause */
/* The index's files: written whole, and gone for good. One thread, that of who writes. */
#ifndef SEARCH_FILES_H
#define SEARCH_FILES_H

#include "search/index.h"

#define INDEX_PATH_ROOM 4096

/* A new file; one of that name is replaced, never written over: readers may have it mapped.
 * ERR_IO, ERR_NOSPACE. */
int index_file_write(const char *path, struct bytes b, bool durable);

/* Make it zero, so that also those who have it open see nothing of it, and take it away. That it
 * isn't there is OK; ERR_IO: it still is. */
int index_file_erase(const char *path);

/* Do that with all in a folder that `keep` (NULL: nothing) doesn't name; folders within are not
 * ours. Durable on return. ERR_IO: something is left, and the rest is gone. */
int index_files_sweep(const char *folder, const struct search_index *keep);

#endif
