/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that gets its name when it is whole. Main thread; what fails fills `t`. */
#ifndef CLIENT_NEW_FILE_H
#define CLIENT_NEW_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "client/files.h"

struct new_file {
	FILE *to; /* NULL: closed */
	char path[PATH_LEN], temporary[PATH_LEN];
};

/* Nothing is at `path`, or a file. */
bool new_file_may(const char *path);
/* Begin. What is there is replaced in the end, if new_file_may() (else ERR_INVALID). */
int new_file_open(struct new_file *f, const char *path, struct trouble *t);
/* All of it is on the disk: give it its name. */
int new_file_close(struct new_file *f, struct trouble *t);
/* Remove what isn't closed; harmless at any time after f was zeroed. */
void new_file_drop(struct new_file *f);

#endif
