/* SPDX-License-Identifier: BSD-2-Clause */
/* The inbox: messages that were accepted and have no index yet. */
#include "store/sqlite.h"

#include "store/leaves.h"

#include <stdlib.h>
#include <string.h>

/* The number of a message, or ERR_NOTFOUND. */
static int inbox_find(struct sqlite_store *s, const uint8_t id[static ID_LEN], uint64_t *no)
{
	sqlite3_stmt **st = &s->cached[ST_INBOX_FIND];
	int err = sqlite_statement(s, st, "SELECT no FROM inbox WHERE id = ?");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, id, ID_LEN);
	if ((err = sqlite_row(s, *st)) != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*no = (uint64_t)sqlite3_column_int64(*st, 0);
	sqlite3_reset(*st);
	return OK;
}

int sqlite_inbox_add(struct store *base, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, uint64_t *no)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_INBOX_ADD];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	err = sqlite_statement(
	    s, st, "INSERT INTO inbox (id, salt, message, content) VALUES (?, ?, ?, ?)");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, id, ID_LEN);
	sqlite_bind(*st, 2, salt, SALT_LEN);
	sqlite_bind(*st, 3, message.data, message.len);
	sqlite_bind(*st, 4, content.data, content.len);
	err = sqlite_run(s, *st);
	if (err == OK)
		*no = (uint64_t)sqlite3_last_insert_rowid(s->db);
	else if (err == ERR_EXISTS && (err = inbox_find(s, id, no)) == OK)
		err = ERR_EXISTS;
	return err;
}

static void inbox_row(sqlite3_stmt *st, struct store_inbox *out)
{
	out->no = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite_fixed(st, 1, out->id, ID_LEN);
	sqlite_fixed(st, 2, out->salt, SALT_LEN);
	out->message = sqlite_bytes(st, 3);
	out->content = sqlite_bytes(st, 4);
}

int sqlite_inbox_each(struct store *base, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_inbox row;
	sqlite3_stmt *st;

	if (after > INT64_MAX)
		return OK;
	int err = sqlite_prepare(s, &st,
	    "SELECT no, id, salt, message, content FROM inbox WHERE no > ? ORDER BY no LIMIT ?");
	if (err != OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)after);
	sqlite3_bind_int64(st, 2, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		inbox_row(st, &row);
		err = fn(ctx, &row);
	}
	sqlite3_finalize(st);
	return err;
}

int sqlite_inbox_count(struct store *base, uint64_t *out)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_INBOX_COUNT];
	int err = sqlite_statement(s, st, "SELECT count(*) FROM inbox");

	*out = 0;
	if (err == OK && (err = sqlite_row(s, *st)) == 1) {
		*out = (uint64_t)sqlite3_column_int64(*st, 0);
		err = OK;
	}
	sqlite3_reset(*st);
	return err;
}

int sqlite_inbox_remove(struct store *base, uint64_t no)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt *st;
	int err = sqlite_writing(s);

	if (err == OK)
		err = sqlite_prepare(s, &st, "DELETE FROM inbox WHERE no = ?");
	if (err != OK)
		return err;
	sqlite3_bind_int64(st, 1, no > INT64_MAX ? -1 : (int64_t)no);
	err = sqlite_run(s, st);
	sqlite3_finalize(st);
	return err == OK && sqlite3_changes(s->db) == 0 ? ERR_NOTFOUND : err;
}

/* ---- sealing ---- */

struct take {
	struct sqlite_store *s;
	uint32_t log;
	uint64_t next; /* index of the next row's entry */
	size_t count;  /* rows seen */
	/* Number of the last one in the table, and in the journal behind it; 0: none. */
	uint64_t last, taken;
	bool behind; /* in the journal now */
	struct bytes leaves;
	/* Contents on their way into one block of the log; theirs lie in `bytes`. */
	struct store_content *moved;
	size_t moved_count;
	struct buffer bytes;
};

static int take_check(void *ctx, const struct store_inbox *row)
{
	struct take *t = ctx;
	struct bytes leaf;

	if (!leaves_next(&t->leaves, &leaf) || !bytes_equal(leaf, row->message))
		return ERR_INVALID;
	*(t->behind ? &t->taken : &t->last) = row->no;
	t->count++;
	return OK;
}

/* What lies in `bytes` now become contents. */
static int moved_add(struct take *t)
{
	struct store_content *items[TREE_BLOCK];
	size_t at = 0;
	int err;

	if (t->bytes.failed)
		return t->s->failed = ERR_NOMEM;
	for (size_t i = 0; i < t->moved_count; i++) {
		struct store_content *c = items[i] = &t->moved[i];

		c->content = bytes_of(t->bytes.data + at, c->content.len);
		at += c->content.len;
	}
	err = sqlite_contents_add(t->s, items, t->moved_count);
	for (size_t i = 0; i < t->moved_count && err == OK; i++)
		if (t->moved[i].result != OK)
			err = t->s->failed = ERR_STORE; /* an entry that is new has none yet */
	t->moved_count = 0;
	buffer_reset(&t->bytes);
	return err;
}

static int take_move(void *ctx, const struct store_inbox *row)
{
	struct take *t = ctx;
	uint64_t index = t->next++;
	struct store_content *c;
	int err = OK;

	if (index % TREE_BLOCK == 0 && (err = moved_add(t)) != OK)
		return err;
	if (row->content.len == 0)
		return OK;
	err = sqlite_tombstone(t->s, row->id);
	t->s->refused |= err == ERR_REFUSED;
	if (err != OK) /* erased before it was sealed: nothing to keep */
		return err == ERR_REFUSED ? OK : err;
	c = &t->moved[t->moved_count++];
	*c = (struct store_content){.log = t->log, .index = index};
	memcpy(c->id, row->id, ID_LEN);
	memcpy(c->salt, row->salt, SALT_LEN);
	buffer_add(&t->bytes, row->content.data, row->content.len);
	c->content.len = row->content.len;
	return OK;
}

/* The oldest, as sealing reads them, twice for each batch. */
static int take_each(
    struct take *t, size_t count, int (*fn)(void *ctx, const struct store_inbox *row))
{
	sqlite3_stmt **st = &t->s->cached[ST_INBOX_OLDEST];
	struct store_inbox row;
	size_t rows = 0;
	int err = sqlite_statement(
	    t->s, st, "SELECT no, id, salt, message, content FROM inbox ORDER BY no LIMIT ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, count > INT64_MAX ? INT64_MAX : (int64_t)count);
	t->behind = false;
	while (err == OK && (err = sqlite_row(t->s, *st)) == 1) {
		inbox_row(*st, &row);
		rows++;
		err = fn(t, &row);
	}
	sqlite3_reset(*st);
	t->behind = true;
	return err != OK || rows == count ? err : sqlite_intake_each(t->s, count - rows, fn, t);
}

int sqlite_inbox_take(
    struct sqlite_store *s, uint32_t log, uint64_t first, size_t count, struct bytes leaves)
{
	struct take t = {.s = s, .log = log, .next = first, .leaves = leaves};
	sqlite3_stmt **st = &s->cached[ST_INBOX_DROP];
	int err = take_each(&t, count, take_check);

	if (err != OK || t.count != count)
		return err == OK ? ERR_INVALID : err;
	t.moved = calloc(TREE_BLOCK, sizeof(*t.moved));
	err = t.moved == NULL ? s->failed = ERR_NOMEM : take_each(&t, count, take_move);
	if (err == OK)
		err = moved_add(&t);
	free(t.moved);
	buffer_wipe(&t.bytes);
	if (err == OK && t.taken > 0)
		err = sqlite_intake_take(s, t.taken);
	if (err != OK || t.last == 0 ||
	    (err = sqlite_statement(s, st, "DELETE FROM inbox WHERE no <= ?")) != OK)
		return err;
	sqlite3_bind_int64(*st, 1, (int64_t)t.last);
	return sqlite_run(s, *st);
}

int sqlite_inbox_drop(struct store *base)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	int err = sqlite_writing(s);

	if (err == OK && intake_count(s->intake) > 0)
		err = sqlite_intake_take(s, intake_last(s->intake));
	return err != OK ? err : sqlite_exec(s, "DELETE FROM inbox WHERE no > 0");
}
