/* SPDX-License-Identifier: BSD-2-Clause */
/* Ordered tables in memory with one journal: what the in-memory store is made of.
 *
 * A row is a key and a value, both bytes; keys ascend as memcmp() has it. Every change is noted in
 * the journal, so that everything back to a mark can be undone. Rows that a change replaced live
 * until tables_keep(): pointers into them stay good for as long as the transaction. One owner. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "base/buffer.h"

enum { TABLE_MAX = 32 };

struct row;
struct table_change;

struct tables {
	struct table {
		struct row *root;
		size_t count;
	} table[TABLE_MAX];
	struct table_change *journal;
	size_t changes, cap;
};

void tables_clear(struct tables *t); /* frees everything; zeroed, it may be used again */

struct bytes row_key(const struct row *row);
struct bytes row_value(const struct row *row);

/* NULL when there is none. */
const struct row *table_get(const struct tables *t, unsigned table, struct bytes key);
/* The first row with a key >= `key`; NULL at the end. */
const struct row *table_seek(const struct tables *t, unsigned table, struct bytes key);
/* The last row with a key < `key`; NULL when there is none. */
const struct row *table_before(const struct tables *t, unsigned table, struct bytes key);
/* The row of table_seek(), and those that follow, until something is put or dropped. */
struct table_walk {
	const struct row *up[128]; /* the next row is the last of them */
	size_t count;
};
const struct row *table_walk(
    struct table_walk *walk, const struct tables *t, unsigned table, struct bytes key);
const struct row *table_next(struct table_walk *walk);
/* The last row; NULL when empty. */
const struct row *table_last(const struct tables *t, unsigned table);
size_t table_count(const struct tables *t, unsigned table);

/* Insert or replace. Bytes are copied. ERR_NOMEM has changed nothing. */
int table_put(struct tables *t, unsigned table, struct bytes key, struct bytes value);
/* Remove; OK too when there is none. */
int table_drop(struct tables *t, unsigned table, struct bytes key);
/* Remove the keys in [from, to). */
int table_drop_range(struct tables *t, unsigned table, struct bytes from, struct bytes to);

size_t tables_mark(const struct tables *t);
/* Take back everything since the mark; can't fail. */
void tables_undo(struct tables *t, size_t mark);
/* Forget the journal. */
void tables_keep(struct tables *t);

#endif
