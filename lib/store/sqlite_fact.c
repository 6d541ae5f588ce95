/* SPDX-License-Identifier: BSD-2-Clause */
/* Small facts: by name, serials of root keys, invites. */
#include "store/sqlite.h"

#include <stdio.h>
#include <string.h>

static int copy_out(struct buffer *out, struct bytes b)
{
	if (out == NULL)
		return OK;
	buffer_add(out, b.data, b.len);
	return out->failed ? ERR_NOMEM : OK;
}

int sqlite_meta_get(struct store *base, const char *key, struct buffer *out)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_META_GET];
	int err = sqlite_statement(s, st, "SELECT value FROM meta WHERE key = ?");

	if (err != OK)
		return err;
	sqlite3_bind_text(*st, 1, key, -1, SQLITE_STATIC);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	err = copy_out(out, sqlite_bytes(*st, 0));
	sqlite3_reset(*st);
	return err;
}

int sqlite_meta_put(struct store *base, const char *key, struct bytes value)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_META_PUT];
	int err = sqlite_writing(s);

	if (err != OK ||
	    (err = sqlite_statement(s, st, "INSERT OR REPLACE INTO meta VALUES (?, ?)")) != OK)
		return err;
	sqlite3_bind_text(*st, 1, key, -1, SQLITE_STATIC);
	sqlite_bind(*st, 2, value.data, value.len);
	return sqlite_run(s, *st);
}

int sqlite_meta_drop(struct store *base, const char *key)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_META_DROP];
	int err = sqlite_writing(s);

	if (err != OK || (err = sqlite_statement(s, st, "DELETE FROM meta WHERE key = ?")) != OK)
		return err;
	sqlite3_bind_text(*st, 1, key, -1, SQLITE_STATIC);
	return sqlite_run(s, *st);
}

int sqlite_meta_each(struct store *base, const char *prefix,
    int (*fn)(void *ctx, const char *key, struct bytes value), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st,
	    "SELECT key, value FROM meta WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1"
	    " ORDER BY key");

	if (err == OK)
		sqlite3_bind_text(st, 1, prefix, -1, SQLITE_STATIC);
	while (err == OK && (err = sqlite_row(s, st)) == 1)
		err = fn(ctx, (const char *)sqlite3_column_text(st, 0), sqlite_bytes(st, 1));
	sqlite3_finalize(st);
	return err;
}

/* ---- serials ---- */

int sqlite_serial_get(struct store *base, const uint8_t root[static KEY_LEN], uint64_t *serial,
    struct buffer *message)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_SERIAL_GET];
	int err = sqlite_statement(s, st, "SELECT serial, message FROM serial WHERE root = ?");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, root, KEY_LEN);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*serial = (uint64_t)sqlite3_column_int64(*st, 0);
	err = copy_out(message, sqlite_bytes(*st, 1));
	sqlite3_reset(*st);
	return err;
}

int sqlite_serial_put(
    struct store *base, const uint8_t root[static KEY_LEN], uint64_t serial, struct bytes message)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_SERIAL_PUT];
	uint64_t known;
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (serial > INT64_MAX)
		return ERR_INVALID;
	err = sqlite_serial_get(base, root, &known, NULL);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	if (err == OK && serial < known)
		return ERR_STALE;
	err = sqlite_statement(s, st, "INSERT OR REPLACE INTO serial VALUES (?, ?, ?)");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, root, KEY_LEN);
	sqlite3_bind_int64(*st, 2, (int64_t)serial);
	sqlite_bind(*st, 3, message.data, message.len);
	return sqlite_run(s, *st);
}

/* ---- invites ---- */

#define INVITE "SELECT hash, expires, used, handle, device_key, enrol_id FROM invite "

static void invite_row(sqlite3_stmt *st, struct store_invite *out)
{
	memset(out, 0, sizeof(*out));
	sqlite_fixed(st, 0, out->hash, HASH_LEN);
	out->expires = (uint64_t)sqlite3_column_int64(st, 1);
	out->used = sqlite3_column_int(st, 2) != 0;
	const char *handle = (const char *)sqlite3_column_text(st, 3);
	snprintf(out->handle, sizeof(out->handle), "%s", handle == NULL ? "" : handle);
	sqlite_fixed(st, 4, out->device_key, KEY_LEN);
	sqlite_fixed(st, 5, out->enrol_id, ID_LEN);
}

int sqlite_invite_get(
    struct store *base, const uint8_t hash[static HASH_LEN], struct store_invite *out)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_INVITE_GET];
	int err = sqlite_statement(s, st, INVITE "WHERE hash = ?");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, hash, HASH_LEN);
	err = sqlite_row(s, *st);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	invite_row(*st, out);
	sqlite3_reset(*st);
	return OK;
}

int sqlite_invite_put(struct store *base, const struct store_invite *invite)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_INVITE_PUT];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (invite->expires > INT64_MAX)
		return ERR_INVALID;
	err = sqlite_statement(s, st,
	    "INSERT OR REPLACE INTO invite (hash, expires, used, handle, device_key, enrol_id)"
	    " VALUES (?, ?, ?, ?, ?, ?)");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, invite->hash, HASH_LEN);
	sqlite3_bind_int64(*st, 2, (int64_t)invite->expires);
	sqlite3_bind_int(*st, 3, invite->used);
	sqlite3_bind_text(*st, 4, invite->handle, -1, SQLITE_STATIC);
	sqlite_bind(*st, 5, invite->device_key, KEY_LEN);
	sqlite_bind(*st, 6, invite->enrol_id, ID_LEN);
	return sqlite_run(s, *st);
}

int sqlite_invite_each(
    struct store *base, int (*fn)(void *ctx, const struct store_invite *invite), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_invite invite;
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, INVITE "ORDER BY hash");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		invite_row(st, &invite);
		err = fn(ctx, &invite);
	}
	sqlite3_finalize(st);
	return err;
}
