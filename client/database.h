/* SPDX-License-Identifier: BSD-2-Clause */
/* A small SQLite file of a program's own: what `convene sync` keeps, how far an import has come.
 * Rows that others may have written are checked by who reads them. One owner, one thread.
 *
 * Every call that fails has filled `t` with a sentence that names the file. */
#ifndef CLIENT_DATABASE_H
#define CLIENT_DATABASE_H

#include "client/files.h"

struct database;
struct query; /* a statement under way */

/* Open FOLDER/NAME, made with `schema` (SQL of one version) when it isn't there and `create` is
 * set; mode 0600. Commits are durable; erased bytes are overwritten. ERR_NOTFOUND (not there),
 * ERR_SCHEMA (of another version), ERR_IO, ERR_STORE. */
int database_open(struct database **out, const char *folder, const char *name, bool create,
    const char *schema, unsigned version, struct trouble *t);
void database_close(struct database *d); /* NULL does nothing; a transaction under way is undone */

int database_begin(struct database *d, struct trouble *t);
int database_commit(struct database *d, struct trouble *t);
void database_rollback(struct database *d);

/* Run a statement without rows. Bound by `types`, a letter each: i int64_t; I int64_t, 0 being
 * NULL; b struct bytes; B struct bytes, empty being NULL; k const uint8_t * of 32 bytes; h of 16.
 * `changed` (NULL: not asked) gets how many rows it changed. `sql` is a literal: its address is the
 * name under which the prepared statement is kept. */
int database_run(
    struct database *d, const char *sql, int *changed, struct trouble *t, const char *types, ...);

/* Start one that has rows; what is bound must live until it ends. */
int query_start(struct query **out, struct database *d, const char *sql, struct trouble *t,
    const char *types, ...);
/* 1: a row; OK: the end; or an error. After anything but 1 it has ended, and `*q` is NULL. */
int query_next(struct query **q, struct trouble *t);
void query_end(struct query **q); /* before its last row; harmless again */

int64_t query_int(const struct query *q, int column); /* NULL: 0 */
bool query_null(const struct query *q, int column);
struct bytes query_bytes(const struct query *q, int column); /* valid until query_next() */

/* Merge what was erased out of the write-ahead log, so that its bytes are gone. */
int database_truncate(struct database *d, struct trouble *t);

#endif
