/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures of logs, the newest of each organisation. */
#include "store/sqlite.h"

#include <string.h>

/* The size that is kept of a cosigner; ERR_NOTFOUND. */
static int kept_size(
    struct sqlite_store *s, uint32_t log, const uint8_t root[static KEY_LEN], uint64_t *size)
{
	sqlite3_stmt **st = &s->cached[ST_COSIGNATURE_GET];
	int err = sqlite_statement(
	    s, st, "SELECT size FROM cosignature WHERE log = ? AND root = ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	sqlite_bind(*st, 2, root, KEY_LEN);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*size = (uint64_t)sqlite3_column_int64(*st, 0);
	sqlite3_reset(*st);
	return OK;
}

static int keep_few(struct sqlite_store *s, uint32_t log, size_t keep)
{
	sqlite3_stmt **st = &s->cached[ST_COSIGNATURE_KEEP];
	int err = sqlite_statement(s, st,
	    "DELETE FROM cosignature WHERE log = ?1 AND root NOT IN (SELECT root FROM cosignature"
	    " WHERE log = ?1 ORDER BY size DESC, root LIMIT ?2)");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	sqlite3_bind_int64(*st, 2, (int64_t)keep);
	return sqlite_run(s, *st);
}

int sqlite_cosignature_put(struct store *base, const struct store_cosignature *c, size_t keep)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_COSIGNATURE_PUT];
	uint64_t size, kept;
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (c->seconds > INT64_MAX || keep > INT32_MAX)
		return ERR_INVALID;
	err = sqlite_log_head(s, c->log, &size, NULL);
	if (err != OK)
		return err;
	if (c->size == 0 || c->size > size)
		return ERR_RANGE;
	err = kept_size(s, c->log, c->root, &kept);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	if (err == OK && c->size < kept)
		return ERR_STALE;
	err = sqlite_statement(s, st, "INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?, ?, ?)");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, c->log);
	sqlite_bind(*st, 2, c->root, KEY_LEN);
	sqlite3_bind_int64(*st, 3, (int64_t)c->size);
	sqlite3_bind_int64(*st, 4, (int64_t)c->seconds);
	sqlite_bind(*st, 5, c->note.data, c->note.len);
	err = sqlite_run(s, *st);
	return err == OK ? keep_few(s, c->log, keep) : err;
}

int sqlite_cosignature_each(
    struct store *base, int (*fn)(void *ctx, const struct store_cosignature *c), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_cosignature c;
	sqlite3_stmt *st;
	int err = sqlite_prepare(
	    s, &st, "SELECT log, root, size, seconds, note FROM cosignature ORDER BY log, root");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		c.log = (uint32_t)sqlite3_column_int64(st, 0);
		sqlite_fixed(st, 1, c.root, KEY_LEN);
		c.size = (uint64_t)sqlite3_column_int64(st, 2);
		c.seconds = (uint64_t)sqlite3_column_int64(st, 3);
		c.note = sqlite_bytes(st, 4);
		err = fn(ctx, &c);
	}
	sqlite3_finalize(st);
	return err;
}

int sqlite_cosignature_cut(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	sqlite3_stmt **st = &s->cached[ST_COSIGNATURE_CUT];
	int err = sqlite_statement(s, st, "DELETE FROM cosignature WHERE log = ? AND size > ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	sqlite3_bind_int64(*st, 2, (int64_t)size);
	return sqlite_run(s, *st);
}
