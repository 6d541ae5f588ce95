/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that SQLite leaves behind in a database although secure_delete is on.
 *
 * secure_delete overwrites a cell where it stands when it goes. But when a page is split or merged
 * with its neighbours, cells move, and the page that they left keeps their old bytes in the room
 * between its cell pointers and its cells. What is erased later is overwritten in its new place
 * only. So that room is made zero in every page on its way into the database file. The write-ahead
 * log is another matter: its pages must stay as they are, for its checksums; whoever erases has it
 * cut to nothing, and drops the connection's cache, out of which such a page could come back.
 *
 * Whoever has the connection; it must be to a file, by the usual VFS, with secure_delete on. */
#ifndef STORE_CLEAN_H
#define STORE_CLEAN_H

#include <sqlite3.h>
#include <stdbool.h>

/* A page of another kind than a b-tree's begins with a page number below 2^25, and so with a byte
 * of 0 or 1, which no b-tree page does. So a database must have no more pages than this: set it
 * with PRAGMA max_page_count. */
#define CLEAN_PAGES_MAX 33554431

struct clean;

/* From now on, before anything is written. ERR_NOMEM, ERR_STORE. Free it after the connection was
 * closed. */
int clean_start(struct clean **out, sqlite3 *db);
void clean_free(struct clean *c); /* NULL does nothing */

/* Pages that were written without it, a part of the file at a time; only where no other connection
 * writes. Outside a transaction. An SQLite result; `*done`: there are no more. */
int clean_sweep(struct clean *c, sqlite3 *db, bool *done);

#endif
