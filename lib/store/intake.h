/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of the inbox: messages that were accepted, in the order in which they came, in two
 * files beside the store, PATH-inbox1 and PATH-inbox2, until the store takes them. One write and
 * one fdatasync make a message durable, and nobody who writes to the store is in their way.
 *
 * All messages that are made durable together are one record: it begins at a multiple of 4 KiB, so
 * that no write touches what was acknowledged before, and ends with zeros. It has the number of its
 * first message, and a checksum over all of it with a key that is in the store: nothing that
 * somebody has sent can be taken for a record, nor one of another store's life. Numbers rise by one
 * from message to message and are never given twice; the store says, in the transaction that takes
 * messages, up to which it has them, and records below are dead. A file begins again at its start
 * when all of its records are, and the other one is written meanwhile, so both stay small.
 *
 * A record is written when the one before is durable. So one that is missing or damaged in front of
 * another was acknowledged: that is an error, never passed over. The last one, when it is not
 * whole, is taken for the end of a write that was under way in a crash, which nobody has heard of.
 *
 * Threads: one appends (intake_add, _sync), one takes (all others); intake_each() also on a third
 * while nobody takes. */
#ifndef STORE_INTAKE_H
#define STORE_INTAKE_H

#include "store/store.h"

#define INTAKE_KEY 32
#define INTAKE_READ_ONLY 1u

struct intake;

/* What waits at `path`: of all records those of this key, behind `taken`; numbers go on behind it.
 * Files are made when the first message comes. ERR_STORE: acknowledged messages are damaged or
 * missing. ERR_IO, ERR_NOMEM. On error `why` says more.
 *
 * INTAKE_READ_ONLY: beside whoever writes. All is read at once; intake_taken() must be said then,
 * with what a snapshot of the store that was begun later says, and nothing but each() and close()
 * after it. */
int intake_open(struct intake **out, const char *path, const uint8_t key[static INTAKE_KEY],
    uint64_t taken, unsigned flags, char why[static 160]);
void intake_close(struct intake *j); /* NULL does nothing */

/* Add a message to the next record; and make that durable. All of it or nothing. After an error
 * there is no other: every call fails with it until the journal is opened anew. ERR_NOSPACE,
 * ERR_IO, ERR_NOMEM. */
int intake_add(struct intake *j, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content);
int intake_sync(struct intake *j);

/* Messages that are not taken, the number of the last that ever was here, 0: none; and the bytes of
 * the records in which they are. */
uint64_t intake_count(struct intake *j);
uint64_t intake_last(struct intake *j);
uint64_t intake_bytes(struct intake *j);
/* Those with a number above `after` that are not taken; a non-OK result ends it. ERR_STORE: what is
 * on the disk is not what was written. */
int intake_each(struct intake *j, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx);
/* The store has all up to here, durably. */
void intake_taken(struct intake *j, uint64_t last);
/* Of a record that is taken in part so many messages wait; 0: there is none. */
size_t intake_parted(struct intake *j);
/* Overwrite all that is taken: when it returns OK, the files hold what waits and nothing else. A
 * record that is taken in part waits as a whole. ERR_IO, ERR_NOSPACE. */
int intake_scrub(struct intake *j);

/* ---- as the store's own (sqlite_inbox.c) ---- */

/* The journal of a store of store_sqlite that is open for writing; else NULL. The store's
 * inbox_each, _count, _add and _remove know of the table only, whose rows are older; append and
 * inbox_drop go on in the journal. */
struct intake *store_intake(struct store *s);
/* Within a transaction: what waits in the journal becomes rows of the inbox. Nobody must be
 * appending. */
int store_intake_move(struct store *s);

#endif
