/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ends of a bundle outside lib/sync: a file that gets its name when it is whole, and the
 * control socket as a link. Main thread; what fails fills `t`. */
#ifndef CLIENT_BUNDLE_FILE_H
#define CLIENT_BUNDLE_FILE_H

#include <stdio.h>

#include "client/files.h"
#include "sync/bundle_offer.h"

/* ---- a file that is being written ---- */

struct new_file {
	FILE *to; /* NULL: closed */
	char path[PATH_LEN], temporary[PATH_LEN];
};

/* Begin. What is there is replaced in the end, if it is a file (else ERR_INVALID). */
int new_file_open(struct new_file *f, const char *path, struct trouble *t);
/* All of it is on the disk: give it its name. */
int new_file_close(struct new_file *f, struct trouble *t);
/* Remove what isn't closed; harmless at any time after f was zeroed. */
void new_file_drop(struct new_file *f);

/* ---- a bundle given to a node ---- */

struct bundle_link;

/* Connect, and say HELLO. `index` and `file` (seekable) are borrowed. */
int bundle_link_open(struct bundle_link **out, const char *socket_path, struct bundle_index *index,
    FILE *file, struct trouble *t);
void bundle_link_close(struct bundle_link *l);
struct bundle_offer *bundle_link_offer(struct bundle_link *l);
/* Carry frames both ways until nothing has come or gone for `idle_ms`, or `most_ms` have passed. An
 * ERROR of the node is a trouble with its code. */
int bundle_link_turn(struct bundle_link *l, unsigned idle_ms, unsigned most_ms, struct trouble *t);

#endif
