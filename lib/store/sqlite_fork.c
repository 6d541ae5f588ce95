/* SPDX-License-Identifier: BSD-2-Clause */
/* Forks: their proofs, and what stands of a log that has a successor. */
#include "store/sqlite.h"

#include <string.h>

int sqlite_fork_put(struct store *base, const uint8_t log[static DIGEST_LEN], enum fork_sort sort,
    struct bytes proof)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_FORK_ADD];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (proof.len == 0)
		return ERR_INVALID;
	err = sqlite_statement(s, st, "INSERT INTO fork VALUES (?, ?, ?)");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, log, DIGEST_LEN);
	sqlite3_bind_int(*st, 2, (int)sort);
	sqlite_bind(*st, 3, proof.data, proof.len);
	return sqlite_run(s, *st);
}

int sqlite_fork_each(
    struct store *base, int (*fn)(void *ctx, const struct store_fork *fork), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_fork fork;
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, "SELECT log, sort, proof FROM fork ORDER BY log, sort");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 0, fork.log, DIGEST_LEN);
		fork.sort = (enum fork_sort)sqlite3_column_int(st, 1);
		fork.proof = sqlite_bytes(st, 2);
		err = fn(ctx, &fork);
	}
	sqlite3_finalize(st);
	return err;
}

int sqlite_standing_put(struct store *base, const struct store_standing *standing)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_STANDING_ADD];
	int err = sqlite_writing(s);

	if (err != OK)
		return err;
	if (standing->successor.len == 0 || standing->successor.len > VERIFIER_NAME_MAX ||
	    standing->credential.len == 0 || standing->size > INT64_MAX)
		return ERR_INVALID;
	err = sqlite_statement(s, st, "INSERT INTO standing VALUES (?, ?, ?, ?, ?)");
	if (err != OK)
		return err;
	sqlite_bind(*st, 1, standing->log, DIGEST_LEN);
	sqlite3_bind_int64(*st, 2, (int64_t)standing->size);
	sqlite_bind(*st, 3, standing->root, HASH_LEN);
	sqlite3_bind_text(*st, 4, (const char *)standing->successor.data,
	    (int)standing->successor.len, SQLITE_STATIC);
	sqlite_bind(*st, 5, standing->credential.data, standing->credential.len);
	return sqlite_run(s, *st);
}

int sqlite_standing_each(
    struct store *base, int (*fn)(void *ctx, const struct store_standing *standing), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct store_standing standing;
	sqlite3_stmt *st;
	int err = sqlite_prepare(
	    s, &st, "SELECT log, size, root, successor, credential FROM standing ORDER BY log");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 0, standing.log, DIGEST_LEN);
		standing.size = (uint64_t)sqlite3_column_int64(st, 1);
		sqlite_fixed(st, 2, standing.root, HASH_LEN);
		standing.successor = sqlite_bytes(st, 3);
		standing.credential = sqlite_bytes(st, 4);
		err = fn(ctx, &standing);
	}
	sqlite3_finalize(st);
	return err;
}
