/* SPDX-License-Identifier: BSD-2-Clause */
/* Where an import reads from: mbox files, or folders with a mail or a text in each file. Nothing is
 * ever written there. Of a file that is cut shorter meanwhile zeros are read, and source_shrank()
 * tells: for that a source has the process's SIGBUS, and only one source at a time. One owner, one
 * thread. */
#ifndef CLIENT_ARCHIVE_SOURCE_H
#define CLIENT_ARCHIVE_SOURCE_H

#include "client/files.h"

enum source_form {
	SOURCE_MBOX,
	SOURCE_MAIL, /* each regular file below a folder */
	SOURCE_TEXT, /* likewise, those called *.txt, *.text and *.md */
};

/* One mail, in the order of the operands; within a folder files come in the order of their paths'
 * bytes. */
struct source_place {
	uint32_t file;
	uint32_t number; /* within the file, from 1 */
	uint64_t line;   /* where it begins, from 1 */
	uint64_t offset, len;
	int64_t date; /* that the separator has, or a text's last change; INT64_MIN: none */
};

struct source;

/* Find the files; symbolic links are not followed, hidden files and what a maildir has beside new/
 * and cur/ are left out. ERR_NOTFOUND, ERR_IO, ERR_NOMEM. */
int source_open(struct source **out, enum source_form form, char *const *operands, int count,
    struct trouble *t);
void source_free(struct source *s);

/* Step to the next mail: 1, OK at the end, ERR_NOMEM. `*raw` is valid until the next call; without
 * data and with `why` not empty the file can't be read. */
int source_next(
    struct source *s, struct source_place *place, struct bytes *raw, char why[static 128]);
/* Read one again. ERR_IO and `why`. */
int source_read(
    struct source *s, const struct source_place *place, struct bytes *raw, char why[static 128]);

/* Whether a file turned out to be shorter than it was, since this was asked last: what was read
 * meanwhile isn't what the file held. */
bool source_shrank(struct source *s);

/* A file's path as it was given, or found. */
const char *source_path(const struct source *s, uint32_t file);
/* Bytes of all files, and how many have been gone through: to tell how long it takes. */
uint64_t source_size(const struct source *s);
uint64_t source_done(const struct source *s);
uint32_t source_files(const struct source *s);
/* Of an mbox file: how much stands before its first separator. Known when its first mail is. */
uint64_t source_before(const struct source *s, uint32_t file);
uint64_t source_file_size(const struct source *s, uint32_t file);
/* Of an mbox file that is compressed: the command that unpacks it; else NULL. */
const char *source_unpacker(const struct source *s, uint32_t file);

#endif
