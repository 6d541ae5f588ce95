/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the SQLite backend, for lib/store/sqlite_*.c and the views over the same
 * connection. Nobody else includes this.
 *
 * A statement is prepared at its first use and kept; whoever steps it must reset it before
 * returning (sqlite_run() does), since a statement left in the middle pins the write-ahead log. A
 * function that calls back prepares a statement of its own (sqlite_prepare()), so that callbacks
 * may use the store. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/error.h"
#include "store/clean.h"
#include "store/follow.h"
#include "store/gather.h"
#include "store/intake.h"
#include "store/leaves.h"

#include <assert.h>
#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x434f4e56 /* "CONV" */

enum sqlite_cached {
	ST_BEGIN,
	ST_SNAPSHOT,
	ST_COMMIT,
	ST_META_GET,
	ST_META_PUT,
	ST_META_DROP,
	ST_SERIAL_GET,
	ST_SERIAL_PUT,
	ST_INVITE_GET,
	ST_INVITE_PUT,
	ST_LOG_FIND,
	ST_LOG_ADD,
	ST_LOG_HEAD,
	ST_LOG_STATE,
	ST_LOG_CHECKPOINT,
	ST_LOG_ADVANCE,
	ST_LOG_CUT,
	ST_LOG_MERGED,
	ST_SEGMENT_ADD,
	ST_SEGMENT_READ,
	ST_SEGMENT_LAST,
	ST_SEGMENT_DROP,
	ST_SEGMENT_COUNT,
	ST_BLOCK_ADD,
	ST_BLOCK_READ,
	ST_BLOCK_DROP,
	ST_GAP_GET,
	ST_GAP_PUT,
	ST_GAP_DROP,
	ST_GAP_CUT,
	ST_GAP_SCAN,
	ST_GAP_BACK,
	ST_CONTENT_ADD,
	ST_CONTENT_GET,
	ST_CONTENT_KEYS,
	ST_CONTENT_ROWS,
	ST_CONTENT_DROP,
	ST_CONTENT_CUT,
	ST_RUN_ADD,
	ST_RUN_SCAN,
	ST_RUN_DELETE,
	ST_RUN_CUT,
	ST_TOMB_ADD,
	ST_TOMB_GET,
	ST_TOMB_ANY,
	ST_TOMB_PIN,
	ST_VERSION,
	ST_INBOX_ADD,
	ST_INBOX_FIND,
	ST_INBOX_COUNT,
	ST_INBOX_OLDEST,
	ST_INBOX_DROP,
	ST_FORK_ADD,
	ST_STANDING_ADD,
	ST_COSIGNATURE_GET,
	ST_COSIGNATURE_PUT,
	ST_COSIGNATURE_KEEP,
	ST_COSIGNATURE_CUT,
	ST_COUNT,
};

enum { RUN_HELD = TREE_BLOCK / 8 };

struct sqlite_store {
	struct store base;
	sqlite3 *db;
	int lock; /* the writer's lock file; -1 in a reader */
	bool read_only, mapped;
	bool writing; /* between begin and the end of it */
	int failed;   /* what broke the transaction under way: it can only be rolled back */
	sqlite3_stmt *cached[ST_COUNT];
	struct clean *clean;       /* NULL in a reader */
	struct follower *follower; /* NULL in a reader */
	struct gather *wal;        /* NULL in a reader, and where SQLite does not show the file */
	struct intake *intake;     /* NULL in a reader */
	uint64_t taking;           /* up to here by the transaction under way; 0: nothing */
	bool refused;              /* a content of these, which is erased */
	struct {
		int64_t key; /* 0 or below: none */
		uint8_t held[RUN_HELD];
		struct buffer directory, contents;
	} run; /* of contents, as it was read last: entries are folded in order (sqlite_run.c) */
	sqlite3_stmt **views; /* the statements of views.h; NULL until the first is used */
	size_t view_count;
};

/* The schemas, made from the .sql files by sql/embed.sh. All are executed once, in the transaction
 * that creates the store; in a store that has only the first of them the others. */
extern const char store_schema_sql[];
extern const char store_schema3_sql[];
extern const char store_schema4_sql[];
extern const char store_views_sql[];

/* id_key() of views.sql, for a connection. An SQLite result. */
int sqlite_functions(sqlite3 *db);

/* By enum view_id of views.h (views_statements.c). */
extern const char *const view_statements[];

/* Turn an SQLite result into an enum error, keep its text for store_error(), and, within a
 * transaction, mark the transaction as failed unless the result is only a key that exists
 * (ERR_EXISTS). SQLite itself rolls back on a full disk; the mark keeps later statements from
 * running outside a transaction. */
int sqlite_error(struct sqlite_store *s, int rc);

/* Prepare into `*out`, or reuse it: reset and without bindings. Refuses within a failed
 * transaction. `out` stays the store's or the view's to finalize. */
int sqlite_statement(struct sqlite_store *s, sqlite3_stmt **out, const char *sql);
/* The same for a statement of one call; finalize it. */
int sqlite_prepare(struct sqlite_store *s, sqlite3_stmt **out, const char *sql);

/* 1: a row; OK: no more rows (and reset); or an error (and reset). */
int sqlite_row(struct sqlite_store *s, sqlite3_stmt *st);
/* Step to the end and reset; for statements whose rows don't matter. */
int sqlite_run(struct sqlite_store *s, sqlite3_stmt *st);
/* Run statements given as text. */
int sqlite_exec(struct sqlite_store *s, const char *sql);

/* The gate of every writing operation: OK, ERR_REFUSED in a reader, or what broke the transaction.
 */
int sqlite_writing(struct sqlite_store *s);

/* Move what is committed into the database file and cut the write-ahead log to nothing, so that
 * erased bytes are gone from it. Outside a transaction. ERR_BUSY while a reader still sees an older
 * state: try again. */
int sqlite_wal_truncate(struct sqlite_store *s);

/* Size of a log, and how many of its blocks are merged (NULL: not asked). ERR_NOTFOUND. */
int sqlite_log_head(struct sqlite_store *s, uint32_t log, uint64_t *size, uint64_t *merged);

/* Entries whose content is missing: `indices` ascending. */
int sqlite_gap_add(struct sqlite_store *s, uint32_t log, const uint64_t *indices, size_t count);
int sqlite_gap_clear(struct sqlite_store *s, uint32_t log, uint64_t index);
int sqlite_gap_cut(struct sqlite_store *s, uint32_t log, uint64_t size);

/* Add contents that the log has room for: of one block, ascending, none of them in a run yet. Each
 * gets its result, OK or ERR_EXISTS: it is there as a row. */
int sqlite_contents_add(struct sqlite_store *s, struct store_content *const *items, size_t count);
/* Which of a block are in runs. */
int sqlite_run_held(
    struct sqlite_store *s, uint32_t log, uint64_t block, uint8_t held[static RUN_HELD]);
/* As content_get(), of what is in runs. */
int sqlite_run_get(struct sqlite_store *s, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content);
/* Those in runs of [first, last], which is within one block, in no order. */
int sqlite_run_each(struct sqlite_store *s, uint32_t log, uint64_t first, uint64_t last,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx);
/* OK too when it is in none. */
int sqlite_run_drop(
    struct sqlite_store *s, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN]);
int sqlite_run_truncate(struct sqlite_store *s, uint32_t log, uint64_t size);
/* Give back the memory of the run that was read last; always allowed. */
void sqlite_run_forget(struct sqlite_store *s);

/* Move the `count` oldest inbox rows' contents to entries from `first`; the rows leave. Their
 * messages must be those of `leaves`, in order: ERR_INVALID. */
int sqlite_inbox_take(
    struct sqlite_store *s, uint32_t log, uint64_t first, size_t count, struct bytes leaves);

/* The journal, with what waits in it (sqlite_intake.c). */
int sqlite_intake_open(struct sqlite_store *s, const char *path);
/* Within a transaction: all up to `last` is taken by it. */
int sqlite_intake_take(struct sqlite_store *s, uint64_t last);
void sqlite_intake_committed(struct sqlite_store *s);
/* What waits behind what this transaction has taken. */
int sqlite_intake_each(struct sqlite_store *s, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx);
/* Outside a transaction: nothing that is taken is left in its files. */
int sqlite_intake_scrub(struct sqlite_store *s);
/* Drop the contents of entries from `size` on. */
int sqlite_content_cut(struct sqlite_store *s, uint32_t log, uint64_t size);
/* Drop the cosignatures of larger sizes. */
int sqlite_cosignature_cut(struct sqlite_store *s, uint32_t log, uint64_t size);
/* OK or ERR_REFUSED when the id is erased. */
int sqlite_tombstone(struct sqlite_store *s, const uint8_t id[static ID_LEN]);

/* (log, index) as one integer key; of `log + 1` and 0, the end of a log's range. */
static inline int64_t sqlite_key(uint32_t log, uint64_t index)
{
	return (int64_t)((uint64_t)log << 40) + (int64_t)index;
}
static inline uint64_t sqlite_key_index(int64_t key)
{
	return (uint64_t)key & (STORE_SIZE_MAX - 1);
}

/* Bound bytes are not copied: they must live until the statement is reset. Bindings fail only for
 * lack of memory, and every column is NOT NULL, so a failure shows when the statement runs. */
static inline void sqlite_bind(sqlite3_stmt *st, int n, const void *data, size_t len)
{
	if (len == 0)
		sqlite3_bind_zeroblob(st, n, 0);
	else
		sqlite3_bind_blob64(st, n, data, len, SQLITE_STATIC);
}
static inline struct bytes sqlite_bytes(sqlite3_stmt *st, int column)
{
	const void *data = sqlite3_column_blob(st, column);
	return bytes_of(data, data == NULL ? 0 : (size_t)sqlite3_column_bytes(st, column));
}
/* A column of exactly `len` bytes; zeros when the row holds something else. */
void sqlite_fixed(sqlite3_stmt *st, int column, uint8_t *out, size_t len);

/* The operations by subject, for the table in sqlite.c. */
int sqlite_meta_get(struct store *s, const char *key, struct buffer *out);
int sqlite_meta_put(struct store *s, const char *key, struct bytes value);
int sqlite_meta_drop(struct store *s, const char *key);
int sqlite_meta_each(struct store *s, const char *prefix,
    int (*fn)(void *ctx, const char *key, struct bytes value), void *ctx);
int sqlite_serial_get(
    struct store *s, const uint8_t root[static KEY_LEN], uint64_t *serial, struct buffer *message);
int sqlite_serial_put(
    struct store *s, const uint8_t root[static KEY_LEN], uint64_t serial, struct bytes message);
int sqlite_invite_get(
    struct store *s, const uint8_t hash[static HASH_LEN], struct store_invite *out);
int sqlite_invite_put(struct store *s, const struct store_invite *invite);
int sqlite_invite_each(
    struct store *s, int (*fn)(void *ctx, const struct store_invite *invite), void *ctx);
int sqlite_cosignature_put(struct store *s, const struct store_cosignature *c, size_t keep);
int sqlite_cosignature_each(
    struct store *s, int (*fn)(void *ctx, const struct store_cosignature *c), void *ctx);
int sqlite_log_add(
    struct store *s, struct bytes name, const uint8_t digest[static DIGEST_LEN], uint32_t *no);
int sqlite_log_each(struct store *s, int (*fn)(void *ctx, const struct store_log *log), void *ctx);
int sqlite_log_get(
    struct store *s, uint32_t no, int (*fn)(void *ctx, const struct store_log *log), void *ctx);
int sqlite_log_set_state(struct store *s, uint32_t no, enum log_state state);
int sqlite_log_set_checkpoint(
    struct store *s, uint32_t no, struct bytes checkpoint, struct bytes right);
int sqlite_append(struct store *s, const struct store_append *a);
int sqlite_read(struct store *s, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got);
int sqlite_blocks(
    struct store *s, uint32_t log, uint64_t first, size_t count, struct tree_hash *out);
int sqlite_truncate(struct store *s, uint32_t log, uint64_t size,
    const uint8_t root[static HASH_LEN], struct bytes checkpoint);
int sqlite_merge(struct store *s, uint32_t log);
int sqlite_content_put(struct store *s, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content);
int sqlite_contents_put(struct store *s, struct store_content *items, size_t count);
int sqlite_content_get(struct store *s, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content);
int sqlite_contents(struct store *s, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx);
int sqlite_content_drop(
    struct store *s, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN], bool erased);
int sqlite_tombstone_each(
    struct store *s, int (*fn)(void *ctx, const uint8_t id[static ID_LEN]), void *ctx);
int sqlite_wanted(struct store *s, uint32_t log, uint64_t from, uint64_t *out, size_t *count);
int sqlite_wanted_below(
    struct store *s, uint32_t log, uint64_t below, uint64_t *out, size_t *count);
int sqlite_wanted_count(struct store *s, uint32_t log, uint64_t *out);
int sqlite_fork_put(
    struct store *s, const uint8_t log[static DIGEST_LEN], enum fork_sort sort, struct bytes proof);
int sqlite_fork_each(
    struct store *s, int (*fn)(void *ctx, const struct store_fork *fork), void *ctx);
int sqlite_standing_put(struct store *s, const struct store_standing *standing);
int sqlite_standing_each(
    struct store *s, int (*fn)(void *ctx, const struct store_standing *standing), void *ctx);
int sqlite_inbox_drop(struct store *s);
int sqlite_inbox_add(struct store *s, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, uint64_t *no);
int sqlite_inbox_each(struct store *s, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx);
int sqlite_inbox_count(struct store *s, uint64_t *out);
int sqlite_inbox_remove(struct store *s, uint64_t no);

#endif
