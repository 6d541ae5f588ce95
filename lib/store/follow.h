/* SPDX-License-Identifier: BSD-2-Clause */
/* What has been committed follows into the database file, on a thread of its own.
 *
 * Where the writer copied it itself whenever the write-ahead log was full, everybody waited for
 * that: a tenth of a second and more. Now the writer goes on, into the log, and copies at the end
 * only what has been added meanwhile; then the log begins anew. Where no thread can be had, or what
 * is added is more than that again, the writer does wait.
 *
 * The thread has a connection of its own, which writes nothing but that. */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include <sqlite3.h>
#include <stdbool.h>

struct follower;

/* For the writer's connection `db` to the file `path`, in place of wal_autocheckpoint, from a log
 * of that many pages on. The thread comes when there is work. NULL: no memory. */
struct follower *follow_start(sqlite3 *db, const char *path, int pages);
/* Whether it is at work; if not, it stays so until the writer's next commit. */
bool follow_busy(struct follower *f);
/* Whether the disk has failed to take what was copied: then nothing more may be written, since the
 * log could begin anew over pages that are nowhere else. */
bool follow_failed(struct follower *f);
/* Before the writer's connection is closed. NULL does nothing. */
void follow_free(struct follower *f);

#endif
