/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries: segments of leaves and the roots of full blocks.
 *
 * A segment never crosses a multiple of 256, so that merging is a matter of one block, and a reader
 * that starts anywhere skips at most 255 leaves. While a log is live a segment is a batch; merge
 * makes it a block. */
#include "store/sqlite.h"

#include "store/leaves.h"

enum {
	MERGE_BLOCKS = 16, /* blocks written in one step: about a megabyte */
	MERGE_LOOK = 1024, /* blocks looked at in one step */
};

/* ---- append ---- */

static int segment_add(struct sqlite_store *s, int64_t key, size_t count, struct bytes leaves)
{
	sqlite3_stmt **st = &s->cached[ST_SEGMENT_ADD];
	int err = sqlite_statement(s, st, "INSERT INTO segment VALUES (?, ?, ?)");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, key);
	sqlite3_bind_int64(*st, 2, (int64_t)count);
	sqlite_bind(*st, 3, leaves.data, leaves.len);
	return sqlite_run(s, *st);
}

static int segments_add(struct sqlite_store *s, const struct store_append *a)
{
	struct bytes rest = a->leaves;
	uint64_t at = a->expected;

	while (at < a->size) {
		size_t count = TREE_BLOCK - at % TREE_BLOCK;
		if (count > a->size - at)
			count = a->size - at;
		size_t len = leaves_skip(rest, count);
		int err = segment_add(s, sqlite_key(a->log, at), count, bytes_of(rest.data, len));
		if (err != OK)
			return err;
		rest = bytes_of(rest.data + len, rest.len - len);
		at += count;
	}
	return OK;
}

static int blocks_add(struct sqlite_store *s, const struct store_append *a)
{
	sqlite3_stmt **st = &s->cached[ST_BLOCK_ADD];
	int err = OK;

	for (size_t i = 0; i < a->block_count && err == OK; i++) {
		err = sqlite_statement(s, st, "INSERT INTO block VALUES (?, ?)");
		if (err != OK)
			break;
		sqlite3_bind_int64(*st, 1, sqlite_key(a->log, a->expected / TREE_BLOCK + i));
		sqlite_bind(*st, 2, a->blocks[i].bytes, HASH_LEN);
		err = sqlite_run(s, *st);
	}
	return err;
}

static int log_advance(struct sqlite_store *s, const struct store_append *a)
{
	sqlite3_stmt **st = &s->cached[ST_LOG_ADVANCE];
	int err = sqlite_statement(s, st,
	    "UPDATE log SET size = ?2, root = ?3, checkpoint = ?4, right = ?5 WHERE no = ?1");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, a->log);
	sqlite3_bind_int64(*st, 2, (int64_t)a->size);
	sqlite_bind(*st, 3, a->root, HASH_LEN);
	sqlite_bind(*st, 4, a->checkpoint.data, a->checkpoint.len);
	sqlite_bind(*st, 5, a->right.data, a->right.len);
	return sqlite_run(s, *st);
}

int sqlite_append(struct store *base, const struct store_append *a)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	uint64_t size;
	int err;

	/* All that can be refused is looked at before the first write; what fails after that fails
	 * the transaction. */
	if ((err = sqlite_writing(s)) != OK || (err = append_check(a)) != OK ||
	    (err = sqlite_log_head(s, a->log, &size, NULL)) != OK)
		return err;
	if (size != a->expected)
		return ERR_STALE;
	if (a->from_inbox &&
	    (err = sqlite_inbox_take(s, a->log, a->expected, a->count, a->leaves)) != OK)
		return err;
	if ((err = segments_add(s, a)) != OK || (err = blocks_add(s, a)) != OK ||
	    (err = sqlite_gap_add(s, a->log, a->wanted, a->wanted_count)) != OK)
		return err;
	return log_advance(s, a);
}

/* ---- read ---- */

struct reading {
	uint64_t next, end; /* still to read */
	size_t got, len, max_bytes;
	struct buffer *out;
};

/* Add leaves of the segment that starts at `at`. 1: there is room for more. */
static int read_segment(struct reading *r, struct bytes run, uint64_t at)
{
	size_t skip = r->next < at ? SIZE_MAX : leaves_skip(run, r->next - at);
	size_t take = 0, len;

	if (skip == SIZE_MAX)
		return ERR_STORE;
	run = bytes_of(run.data + skip, run.len - skip);
	while (r->next < r->end &&
	       (len = leaves_first(bytes_of(run.data + take, run.len - take))) != 0) {
		if (r->got > 0 && (r->len >= r->max_bytes || len > r->max_bytes - r->len)) {
			r->end = r->next;
			break;
		}
		take += len;
		r->len += len;
		r->next++;
		r->got++;
	}
	buffer_add(r->out, run.data, take);
	return r->out->failed ? ERR_NOMEM : r->next < r->end;
}

int sqlite_read(struct store *base, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_SEGMENT_READ];
	uint64_t size;
	size_t start = out->len;
	int err;

	*got = 0;
	if ((err = sqlite_log_head(s, log, &size, NULL)) != OK)
		return err;
	if (first >= size)
		return ERR_RANGE;
	if (count == 0)
		return OK;
	struct reading r = {
	    .next = first,
	    .end = count < size - first ? first + count : size,
	    .max_bytes = max_bytes,
	    .out = out,
	};

	err = sqlite_statement(s, st,
	    "SELECT key, leaves FROM segment"
	    " WHERE key >= (SELECT key FROM segment WHERE key <= ?1 ORDER BY key DESC LIMIT 1)"
	    " AND key < ?2 ORDER BY key");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, first));
	sqlite3_bind_int64(*st, 2, sqlite_key(log, r.end));
	while ((err = sqlite_row(s, *st)) == 1) {
		int64_t key = sqlite3_column_int64(*st, 0);
		if (key < sqlite_key(log, 0))
			continue; /* no segment here: the last of the log before */
		err = read_segment(&r, sqlite_bytes(*st, 1), sqlite_key_index(key));
		if (err != 1)
			break;
	}
	sqlite3_reset(*st);
	if (err != OK) {
		out->len = start;
		return err;
	}
	*got = r.got;
	/* Another connection may have truncated the log between the two statements. */
	return r.got == 0 ? ERR_RANGE : OK;
}

int sqlite_blocks(
    struct store *base, uint32_t log, uint64_t first, size_t count, struct tree_hash *out)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_BLOCK_READ];
	uint64_t size;
	size_t n = 0;
	int err = sqlite_log_head(s, log, &size, NULL);

	if (err != OK)
		return err;
	if (first > size / TREE_BLOCK || count > size / TREE_BLOCK - first)
		return ERR_RANGE;
	err = sqlite_statement(
	    s, st, "SELECT root FROM block WHERE key >= ?1 AND key < ?2 ORDER BY key");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, first));
	sqlite3_bind_int64(*st, 2, sqlite_key(log, first + count));
	while (n < count && (err = sqlite_row(s, *st)) == 1)
		sqlite_fixed(*st, 0, out[n++].bytes, HASH_LEN);
	sqlite3_reset(*st);
	return err < 0 ? err : n < count ? ERR_RANGE : OK;
}

/* ---- truncate ---- */

static int delete_range(
    struct sqlite_store *s, enum sqlite_cached which, const char *sql, int64_t from, int64_t to)
{
	sqlite3_stmt **st = &s->cached[which];
	int err = sqlite_statement(s, st, sql);

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, from);
	sqlite3_bind_int64(*st, 2, to);
	return sqlite_run(s, *st);
}

static int segments_drop(struct sqlite_store *s, int64_t from, int64_t to)
{
	return delete_range(
	    s, ST_SEGMENT_DROP, "DELETE FROM segment WHERE key >= ? AND key < ?", from, to);
}

/* The segment that `size` falls into: its key, and what stays of it. */
static int segment_keep(
    struct sqlite_store *s, uint32_t log, uint64_t size, int64_t *key, struct buffer *keep)
{
	sqlite3_stmt **st = &s->cached[ST_SEGMENT_LAST];
	int err = sqlite_statement(
	    s, st, "SELECT key, leaves FROM segment WHERE key < ? ORDER BY key DESC LIMIT 1");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, size));
	if ((err = sqlite_row(s, *st)) != 1)
		return err == OK ? ERR_STORE : err;
	*key = sqlite3_column_int64(*st, 0);
	struct bytes leaves = sqlite_bytes(*st, 1);
	size_t len = *key < sqlite_key(log, 0) ? SIZE_MAX
					       : leaves_skip(leaves, size - sqlite_key_index(*key));
	if (len != SIZE_MAX)
		buffer_add(keep, leaves.data, len);
	sqlite3_reset(*st);
	return len == SIZE_MAX ? ERR_STORE : keep->failed ? ERR_NOMEM : OK;
}

static int segments_cut(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	struct buffer keep = BUFFER_INIT;
	int64_t key = sqlite_key(log, 0);
	int err = size == 0 ? OK : segment_keep(s, log, size, &key, &keep);

	if (err == OK)
		err = segments_drop(s, key, sqlite_key(log + 1, 0));
	if (err == OK && size > 0)
		err = segment_add(s, key, size - sqlite_key_index(key), buffer_bytes(&keep));
	buffer_free(&keep);
	return err;
}

static int log_cut(struct sqlite_store *s, uint32_t log, uint64_t size,
    const uint8_t root[static HASH_LEN], struct bytes checkpoint)
{
	sqlite3_stmt **st = &s->cached[ST_LOG_CUT];
	int err = sqlite_statement(s, st,
	    "UPDATE log SET size = ?2, root = ?3, checkpoint = ?4, right = x'',"
	    " merged = min(merged, ?5), folded = min(folded, ?2) WHERE no = ?1");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	sqlite3_bind_int64(*st, 2, (int64_t)size);
	sqlite_bind(*st, 3, root, HASH_LEN);
	sqlite_bind(*st, 4, checkpoint.data, checkpoint.len);
	sqlite3_bind_int64(*st, 5, (int64_t)(size / TREE_BLOCK));
	return sqlite_run(s, *st);
}

int sqlite_truncate(struct store *base, uint32_t log, uint64_t size,
    const uint8_t root[static HASH_LEN], struct bytes checkpoint)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	uint64_t old;
	int err;

	if ((err = sqlite_writing(s)) != OK || (err = sqlite_log_head(s, log, &old, NULL)) != OK)
		return err;
	if (size > old)
		return ERR_RANGE;
	if ((err = segments_cut(s, log, size)) != OK ||
	    (err = delete_range(s, ST_BLOCK_DROP, "DELETE FROM block WHERE key >= ? AND key < ?",
		 sqlite_key(log, size / TREE_BLOCK), sqlite_key(log + 1, 0))) != OK ||
	    (err = sqlite_gap_cut(s, log, size)) != OK ||
	    (err = sqlite_content_cut(s, log, size)) != OK ||
	    (err = sqlite_cosignature_cut(s, log, size)) != OK)
		return err;
	return log_cut(s, log, size, root, checkpoint);
}

/* ---- merge ---- */

/* Make one segment of a full block. 1: it had several; OK: it was one. */
static int merge_block(struct sqlite_store *s, uint32_t log, uint64_t block, struct buffer *all)
{
	int64_t from = sqlite_key(log, block * TREE_BLOCK), to = from + TREE_BLOCK;
	sqlite3_stmt **st = &s->cached[ST_SEGMENT_COUNT];
	int64_t rows = 0;
	/* Counting does not touch the pages that the leaves lie on. */
	int err = sqlite_statement(
	    s, st, "SELECT count(*) FROM segment WHERE key >= ? AND key < ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, from);
	sqlite3_bind_int64(*st, 2, to);
	if ((err = sqlite_row(s, *st)) == 1)
		rows = sqlite3_column_int64(*st, 0);
	sqlite3_reset(*st);
	if (err < 0 || rows == 1)
		return err < 0 ? err : OK;

	size_t got;
	buffer_reset(all);
	if ((err = sqlite_read(
		 &s->base, log, block * TREE_BLOCK, TREE_BLOCK, SIZE_MAX, all, &got)) != OK)
		return err;
	if (got != TREE_BLOCK)
		return ERR_STORE;
	if ((err = segments_drop(s, from, to)) != OK)
		return err;
	err = segment_add(s, from, TREE_BLOCK, buffer_bytes(all));
	return err == OK ? 1 : err;
}

int sqlite_merge(struct store *base, uint32_t log)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	struct buffer all = BUFFER_INIT;
	uint64_t size, merged, looked = 0, written = 0;
	int err;

	if ((err = sqlite_writing(s)) != OK ||
	    (err = sqlite_log_head(s, log, &size, &merged)) != OK)
		return err;
	if (merged >= size / TREE_BLOCK)
		return OK;
	while (merged < size / TREE_BLOCK && written < MERGE_BLOCKS && looked < MERGE_LOOK) {
		err = merge_block(s, log, merged, &all);
		if (err < 0)
			break;
		written += (uint64_t)err;
		looked++;
		merged++;
	}
	buffer_free(&all);
	if (err < 0)
		return err;

	sqlite3_stmt **st = &s->cached[ST_LOG_MERGED];
	if ((err = sqlite_statement(s, st, "UPDATE log SET merged = ?2 WHERE no = ?1")) != OK)
		return err;
	sqlite3_bind_int64(*st, 1, log);
	sqlite3_bind_int64(*st, 2, (int64_t)merged);
	if ((err = sqlite_run(s, *st)) != OK)
		return err;
	return merged < size / TREE_BLOCK ? 1 : OK;
}
