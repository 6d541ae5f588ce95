/* SPDX-License-Identifier: BSD-2-Clause */
/* A note in the data folder, the file `recover`: this node's store may be an older copy, and
 * nothing is sealed before its peers have told what they hold of its log (convenectl(8), RECOVERY).
 * Written by the operator's command or by the node itself, removed by the node when it is through.
 *
 * Text: the line `convene recover 1`, a line `kind WORD`, a line `without NAME` for each peer that
 * the operator does not want to be waited for. Any thread; each call is whole. */
#ifndef STORE_RECOVERY_H
#define STORE_RECOVERY_H

#include "base/buffer.h"

#define RECOVERY_NAME_MAX 100
#define RECOVERY_WITHOUT_MAX 1024

enum recovery_kind {
	RECOVERY_NONE,
	RECOVERY_FOUND,    /* the node has seen itself that something is missing */
	RECOVERY_RESTORED, /* the operator says: from a backup or a snapshot */
	RECOVERY_LOG,      /* the operator says: the disk was lost, all of the log is with peers */
};

struct recovery {
	enum recovery_kind kind;
	char (*without)[RECOVERY_NAME_MAX + 1];
	size_t without_count;
};

/* Read it. No file: RECOVERY_NONE. One that can't be read as such counts as RECOVERY_RESTORED,
 * which waits for everybody. ERR_IO, ERR_NOMEM. */
int recovery_load(struct recovery *out, const char *folder);
/* Write it, durable on return: a crash leaves the old one or the new one. ERR_IO, ERR_NOSPACE,
 * ERR_NOMEM. */
int recovery_save(const struct recovery *r, const char *folder);
/* Remove it, durable on return. */
int recovery_remove(const char *folder);
void recovery_clear(struct recovery *r);

/* Again is harmless. ERR_INVALID (too long, or empty), ERR_TOO_LARGE (too many), ERR_NOMEM. */
int recovery_without(struct recovery *r, struct bytes name);
bool recovery_has(const struct recovery *r, const char *name);
/* "found", "restored", "log"; "none". */
const char *recovery_word(enum recovery_kind kind);

#endif
