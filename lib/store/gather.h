/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to a database's write-ahead log, gathered while each begins where the one before ended, and
 * given to the system as one; and a look at the bytes of all that is written, there or to the
 * database's own file.
 *
 * SQLite writes a page at a time, and in the log two pieces for each: what the system does for one
 * such write costs more than the bytes. Nobody sees the difference: what is gathered is written
 * before whatever else is done with the file by this connection, its sync above all, and with the
 * last page of a transaction. Other connections look at a part of the log only when it is announced
 * in the wal-index, behind that. A write that the system refuses is told by the call that made it
 * necessary, and what was gathered is dropped: then SQLite undoes the transaction. What goes to the
 * database's own file is never held back.
 *
 * Whoever has the connection. */
#ifndef STORE_GATHER_H
#define STORE_GATHER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gather;

/* From now on; `file` must be open; `wal`: it is a write-ahead log. `change`, which may be NULL,
 * sees the bytes of each write on their way. ERR_NOMEM, ERR_STORE (not an open file). Free it after
 * the file was closed. */
int gather_start(struct gather **out, sqlite3_file *file, bool wal,
    void (*change)(uint8_t *data, size_t len, int64_t at));
void gather_free(struct gather *g); /* NULL does nothing */

#endif
