/* SPDX-License-Identifier: BSD-2-Clause */
/* A consistent copy of a store's file, while whoever likes writes to it. Of what was erased nothing
 * is in it, nor are locks: it is good for a restore, after which the node has to learn what it has
 * forgotten (recovery.h). */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stddef.h>

/* Copy the store at `path` into `to`, a file that is empty or not there; not synced. On error `why`
 * says more. ERR_NOTFOUND, ERR_SCHEMA, ERR_BUSY, ERR_NOSPACE, ERR_IO, ERR_STORE. */
int store_backup(const char *path, const char *to, char why[static 200]);

#endif
