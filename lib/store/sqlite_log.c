/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs: their names, sizes, states and newest notes. */
#include "store/sqlite.h"

#include <string.h>

#define LOG "SELECT no, size, root, state, folded, digest, name, checkpoint, right FROM log "

int sqlite_log_head(struct sqlite_store *s, uint32_t log, uint64_t *size, uint64_t *merged)
{
	sqlite3_stmt **st = &s->cached[ST_LOG_HEAD];
	int err = sqlite_statement(s, st, "SELECT size, merged FROM log WHERE no = ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*size = (uint64_t)sqlite3_column_int64(*st, 0);
	if (merged != NULL)
		*merged = (uint64_t)sqlite3_column_int64(*st, 1);
	sqlite3_reset(*st);
	return OK;
}

/* ERR_NOTFOUND when the digest is not there. */
static int log_find(struct sqlite_store *s, const uint8_t digest[static DIGEST_LEN], uint32_t *no)
{
	sqlite3_stmt **st = &s->cached[ST_LOG_FIND];
	int err = sqlite_statement(s, st, "SELECT no FROM log WHERE digest = ?");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, digest, DIGEST_LEN);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*no = (uint32_t)sqlite3_column_int64(*st, 0);
	sqlite3_reset(*st);
	return OK;
}

int sqlite_log_add(
    struct store *base, struct bytes name, const uint8_t digest[static DIGEST_LEN], uint32_t *no)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_LOG_ADD];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (name.len == 0 || name.len > VERIFIER_NAME_MAX)
		return ERR_INVALID;
	err = log_find(s, digest, no);
	if (err != ERR_NOTFOUND)
		return err == OK ? ERR_EXISTS : err;
	err = sqlite_statement(s, st,
	    "INSERT INTO log (size, root, state, folded, merged, digest, name, checkpoint, right)"
	    " VALUES (0, zeroblob(32), 0, 0, 0, ?, ?, x'', x'')");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, digest, DIGEST_LEN);
	sqlite3_bind_text(*st, 2, (const char *)name.data, (int)name.len, SQLITE_STATIC);
	err = sqlite_run(s, *st);
	if (err == OK)
		*no = (uint32_t)sqlite3_last_insert_rowid(s->db);
	return err;
}

static void log_row(sqlite3_stmt *st, struct store_log *out)
{
	memset(out, 0, sizeof(*out));
	out->no = (uint32_t)sqlite3_column_int64(st, 0);
	out->size = (uint64_t)sqlite3_column_int64(st, 1);
	sqlite_fixed(st, 2, out->root, HASH_LEN);
	out->state = (enum log_state)sqlite3_column_int(st, 3);
	out->folded = (uint64_t)sqlite3_column_int64(st, 4);
	sqlite_fixed(st, 5, out->digest, DIGEST_LEN);
	struct bytes name = sqlite_bytes(st, 6);
	if (name.len < sizeof(out->name))
		memcpy(out->name, name.data, name.len);
	out->checkpoint = sqlite_bytes(st, 7);
	out->right = sqlite_bytes(st, 8);
}

int sqlite_log_each(
    struct store *base, int (*fn)(void *ctx, const struct store_log *log), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_log log;
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, LOG "ORDER BY no");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		log_row(st, &log);
		err = fn(ctx, &log);
	}
	sqlite3_finalize(st);
	return err;
}

int sqlite_log_get(
    struct store *base, uint32_t no, int (*fn)(void *ctx, const struct store_log *log), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_log log;
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, LOG "WHERE no = ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	err = sqlite_row(s, st);
	if (err == 1) {
		log_row(st, &log);
		err = fn(ctx, &log);
	} else if (err == OK) {
		err = ERR_NOTFOUND;
	}
	sqlite3_finalize(st);
	return err;
}

int sqlite_log_set_state(struct store *base, uint32_t no, enum log_state state)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_LOG_STATE];
	int err = sqlite_writing(s);

	if (err != OK ||
	    (err = sqlite_statement(s, st, "UPDATE log SET state = ?2 WHERE no = ?1")) != OK)
		return err;
	sqlite3_bind_int64(*st, 1, no);
	sqlite3_bind_int(*st, 2, (int)state);
	err = sqlite_run(s, *st);
	return err == OK && sqlite3_changes(s->db) == 0 ? ERR_NOTFOUND : err;
}

int sqlite_log_set_checkpoint(
    struct store *base, uint32_t no, struct bytes checkpoint, struct bytes right)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_LOG_CHECKPOINT];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	err = sqlite_statement(s, st, "UPDATE log SET checkpoint = ?2, right = ?3 WHERE no = ?1");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, no);
	sqlite_bind(*st, 2, checkpoint.data, checkpoint.len);
	sqlite_bind(*st, 3, right.data, right.len);
	err = sqlite_run(s, *st);
	return err == OK && sqlite3_changes(s->db) == 0 ? ERR_NOTFOUND : err;
}
