/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents that came together, in one row (sql/schema3.sql): a row for each costs a statement, a
 * search in the tree, and a part of a page that stays empty. Whether they lie so is nobody's
 * business but this file's and sqlite_content.c's. */
#include "store/sqlite.h"

#include <string.h>

enum {
	RUN_BYTES = 16 << 10, /* of contents: who wants one has to read them all */
	RUN_MIN = 8,          /* contents: fewer are not worth it, and would make many runs */
	ID_AT = 0,
	SALT_AT = ID_LEN,
	END_AT = ID_LEN + SALT_LEN,
	PLACE = ID_LEN + SALT_LEN + 4,
};

/* A row, or what became of it. */
struct run {
	int64_t key;
	uint8_t held[RUN_HELD];
	struct bytes directory, contents;
};

static bool has(const uint8_t held[static RUN_HELD], unsigned bit)
{
	return (held[bit / 8] >> bit % 8 & 1) != 0;
}

/* How many are before this one. */
static size_t rank(const uint8_t held[static RUN_HELD], unsigned bit)
{
	size_t n = 0;

	for (unsigned i = 0; i < bit / 8; i++)
		n += (unsigned)__builtin_popcount(held[i]);
	return n + (unsigned)__builtin_popcount(held[bit / 8] & ((1u << bit % 8) - 1));
}

static size_t run_count(const struct run *r)
{
	return r->directory.len / PLACE;
}

/* The n-th content. */
static struct bytes run_content(const struct run *r, size_t n)
{
	const uint8_t *place = r->directory.data + n * PLACE;
	size_t from = n > 0 ? get_u32(place - 4) : 0;

	return bytes_of(r->contents.data + from, get_u32(place + END_AT) - from);
}

/* Columns from `column` on: held, directory, contents. */
static int run_read(sqlite3_stmt *st, int column, struct run *out)
{
	size_t end = 0;

	sqlite_fixed(st, column, out->held, RUN_HELD);
	out->directory = sqlite_bytes(st, column + 1);
	out->contents = sqlite_bytes(st, column + 2);
	if (out->directory.len % PLACE != 0 ||
	    run_count(out) != rank(out->held, TREE_BLOCK - 1) + has(out->held, TREE_BLOCK - 1))
		return ERR_STORE;
	for (size_t n = 0; n < run_count(out); n++) {
		size_t next = get_u32(out->directory.data + n * PLACE + END_AT);

		if (next < end || next > out->contents.len)
			return ERR_STORE;
		end = next;
	}
	return OK;
}

/* Runs of a block that begin in [from, to], the last first; the caller steps and resets. Columns:
 * key, held, directory, contents. */
static int run_scan(
    struct sqlite_store *s, uint32_t log, uint64_t from, uint64_t to, sqlite3_stmt **out)
{
	sqlite3_stmt **st = &s->cached[ST_RUN_SCAN];
	int err = sqlite_statement(s, st,
	    "SELECT key, held, directory, contents FROM run WHERE key >= ? AND key <= ?"
	    " ORDER BY key DESC");

	*out = *st;
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, from));
	sqlite3_bind_int64(*st, 2, sqlite_key(log, to));
	return OK;
}

int sqlite_run_held(
    struct sqlite_store *s, uint32_t log, uint64_t block, uint8_t held[static RUN_HELD])
{
	uint8_t one[RUN_HELD];
	sqlite3_stmt *st;
	int err = run_scan(s, log, block * TREE_BLOCK, block * TREE_BLOCK + TREE_BLOCK - 1, &st);

	memset(held, 0, RUN_HELD);
	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 1, one, RUN_HELD);
		for (size_t i = 0; i < RUN_HELD; i++)
			held[i] |= one[i];
		err = OK;
	}
	return err;
}

/* ---- writing ---- */

static int run_add(struct sqlite_store *s, const struct run *r)
{
	sqlite3_stmt **st = &s->cached[ST_RUN_ADD];
	int err = sqlite_statement(s, st, "INSERT INTO run VALUES (?, ?, ?, ?)");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, r->key);
	sqlite_bind(*st, 2, r->held, RUN_HELD);
	sqlite_bind(*st, 3, r->directory.data, r->directory.len);
	sqlite_bind(*st, 4, r->contents.data, r->contents.len);
	err = sqlite_run(s, *st);
	return err == ERR_EXISTS ? s->failed = ERR_STORE : err;
}

static int run_delete(struct sqlite_store *s, int64_t key)
{
	sqlite3_stmt **st = &s->cached[ST_RUN_DELETE];
	int err = sqlite_statement(s, st, "DELETE FROM run WHERE key = ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, key);
	return sqlite_run(s, *st);
}

static int row_add(struct sqlite_store *s, const struct store_content *c)
{
	sqlite3_stmt **st = &s->cached[ST_CONTENT_ADD];
	int err = sqlite_statement(s, st, "INSERT INTO content VALUES (?, ?, ?, ?)");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(c->log, c->index));
	sqlite_bind(*st, 2, c->id, ID_LEN);
	sqlite_bind(*st, 3, c->salt, SALT_LEN);
	sqlite_bind(*st, 4, c->content.data, c->content.len);
	return sqlite_run(s, *st);
}

/* Which of those that a block holds as rows, in [first, last]. */
static int rows_held(struct sqlite_store *s, const struct store_content *first,
    const struct store_content *last, uint8_t held[static RUN_HELD])
{
	sqlite3_stmt **st = &s->cached[ST_CONTENT_KEYS];
	int err = sqlite_statement(s, st, "SELECT key FROM content WHERE key >= ? AND key <= ?");

	memset(held, 0, RUN_HELD);
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(first->log, first->index));
	sqlite3_bind_int64(*st, 2, sqlite_key(last->log, last->index));
	while ((err = sqlite_row(s, *st)) == 1) {
		unsigned bit = sqlite_key_index(sqlite3_column_int64(*st, 0)) % TREE_BLOCK;

		held[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
	return err;
}

static int run_write(struct sqlite_store *s, struct store_content *const *items, size_t count,
    struct buffer *directory, struct buffer *contents)
{
	struct run r = {.key = sqlite_key(items[0]->log, items[0]->index)};

	buffer_reset(directory);
	buffer_reset(contents);
	for (size_t i = 0; i < count; i++) {
		const struct store_content *c = items[i];

		items[i]->result = OK;
		r.held[c->index % TREE_BLOCK / 8] |= (uint8_t)(1u << c->index % 8);
		buffer_add(contents, c->content.data, c->content.len);
		buffer_add(directory, c->id, ID_LEN);
		buffer_add(directory, c->salt, SALT_LEN);
		buffer_add_u32(directory, (uint32_t)contents->len);
	}
	if (directory->failed || contents->failed)
		return s->failed = ERR_NOMEM;
	r.directory = buffer_bytes(directory);
	r.contents = buffer_bytes(contents);
	return run_add(s, &r);
}

static int rows_add(struct sqlite_store *s, struct store_content *const *items, size_t count)
{
	for (size_t i = 0; i < count && s->failed == OK; i++)
		items[i]->result = row_add(s, items[i]);
	return s->failed;
}

int sqlite_contents_add(struct sqlite_store *s, struct store_content *const *items, size_t count)
{
	struct store_content *fresh[TREE_BLOCK];
	struct buffer directory = BUFFER_INIT, contents = BUFFER_INIT;
	uint8_t rows[RUN_HELD];
	size_t left = 0, n;
	int err;

	assert(count <= TREE_BLOCK);
	if (count < RUN_MIN)
		return rows_add(s, items, count);
	if ((err = rows_held(s, items[0], items[count - 1], rows)) != OK)
		return err;
	for (size_t i = 0; i < count; i++)
		if (has(rows, items[i]->index % TREE_BLOCK))
			items[i]->result = ERR_EXISTS;
		else
			fresh[left++] = items[i];
	for (size_t i = 0; i < left && err == OK; i += n) {
		size_t len = fresh[i]->content.len;

		for (n = 1; i + n < left && len + fresh[i + n]->content.len <= RUN_BYTES; n++)
			len += fresh[i + n]->content.len;
		if (n < RUN_MIN)
			err = rows_add(s, fresh + i, n);
		else
			err = run_write(s, fresh + i, n, &directory, &contents);
	}
	buffer_free(&directory);
	buffer_free(&contents);
	return err;
}

/* ---- reading ---- */

void sqlite_run_forget(struct sqlite_store *s)
{
	s->run.key = -1;
	buffer_wipe(&s->run.directory);
	buffer_wipe(&s->run.contents);
}

/* The row on which `st` stands becomes the one that was read last. */
static int run_keep(struct sqlite_store *s, sqlite3_stmt *st)
{
	struct run r;
	int err = run_read(st, 1, &r);

	s->run.key = -1;
	if (err != OK)
		return err;
	buffer_reset(&s->run.directory);
	buffer_reset(&s->run.contents);
	buffer_add(&s->run.directory, r.directory.data, r.directory.len);
	buffer_add(&s->run.contents, r.contents.data, r.contents.len);
	if (s->run.directory.failed || s->run.contents.failed)
		return ERR_NOMEM;
	memcpy(s->run.held, r.held, RUN_HELD);
	s->run.key = sqlite3_column_int64(st, 0);
	return OK;
}

/* Look into the run that was read last, which may be another by now: but an id has one content. */
static int run_look(struct sqlite_store *s, int64_t key, unsigned bit,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content)
{
	struct run r = {
	    s->run.key, {0}, buffer_bytes(&s->run.directory), buffer_bytes(&s->run.contents)};
	const uint8_t *place;

	if (r.key != key || !has(s->run.held, bit))
		return ERR_NOTFOUND;
	place = r.directory.data + rank(s->run.held, bit) * PLACE;
	if (memcmp(place + ID_AT, id, ID_LEN) != 0)
		return ERR_NOTFOUND;
	if (salt != NULL)
		memcpy(salt, place + SALT_AT, SALT_LEN);
	if (content != NULL) {
		struct bytes b = run_content(&r, rank(s->run.held, bit));

		buffer_add(content, b.data, b.len);
		return content->failed ? ERR_NOMEM : OK;
	}
	return OK;
}

int sqlite_run_get(struct sqlite_store *s, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content)
{
	unsigned bit = index % TREE_BLOCK;
	uint8_t held[RUN_HELD];
	sqlite3_stmt *st;
	int err = run_scan(s, log, index - bit, index, &st);

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		int64_t key = sqlite3_column_int64(st, 0);

		sqlite_fixed(st, 1, held, RUN_HELD);
		err = OK;
		if (!has(held, bit))
			continue;
		err = run_look(s, key, bit, id, salt, content);
		if (err == ERR_NOTFOUND && (err = run_keep(s, st)) == OK)
			err = run_look(s, key, bit, id, salt, content);
		sqlite3_reset(st);
		return err;
	}
	return err == OK ? ERR_NOTFOUND : err;
}

int sqlite_run_each(struct sqlite_store *s, uint32_t log, uint64_t first, uint64_t last,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx)
{
	uint64_t block = first - first % TREE_BLOCK;
	uint8_t held[RUN_HELD];
	sqlite3_stmt *st;
	struct run r;
	int err = run_scan(s, log, block, last, &st);

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 1, held, RUN_HELD);
		err = rank(held, first % TREE_BLOCK) <
			      rank(held, last % TREE_BLOCK) + has(held, last % TREE_BLOCK)
			  ? run_read(st, 1, &r)
			  : 1;
		if (err == 1) {
			err = OK;
			continue;
		}
		for (uint64_t i = first; i <= last && err == OK; i++) {
			unsigned bit = i % TREE_BLOCK;
			size_t n = rank(r.held, bit);

			if (has(r.held, bit))
				err = fn(ctx, i, r.directory.data + n * PLACE + ID_AT,
				    r.directory.data + n * PLACE + SALT_AT, run_content(&r, n));
		}
	}
	sqlite3_reset(st);
	return err;
}

/* ---- taking out ---- */

/* Write the row on which `st` stands anew with those that are also in `keep`. Resets `st`. */
static int run_cut(struct sqlite_store *s, sqlite3_stmt *st, const uint8_t keep[static RUN_HELD])
{
	struct buffer directory = BUFFER_INIT, contents = BUFFER_INIT;
	int64_t old = sqlite3_column_int64(st, 0);
	struct run r, kept = {.key = -1};
	int err = run_read(st, 1, &r);

	for (unsigned bit = 0; bit < TREE_BLOCK && err == OK; bit++) {
		size_t n = rank(r.held, bit);
		struct bytes content;

		if (!has(r.held, bit) || !has(keep, bit))
			continue;
		if (kept.key < 0)
			kept.key = old - old % TREE_BLOCK + bit;
		kept.held[bit / 8] |= (uint8_t)(1u << bit % 8);
		content = run_content(&r, n);
		buffer_add(&contents, content.data, content.len);
		buffer_add(&directory, r.directory.data + n * PLACE, END_AT);
		buffer_add_u32(&directory, (uint32_t)contents.len);
	}
	sqlite3_reset(st);
	if (err == OK && (directory.failed || contents.failed))
		err = ERR_NOMEM;
	kept.directory = buffer_bytes(&directory);
	kept.contents = buffer_bytes(&contents);
	if (err != OK)
		s->failed = err;
	else if ((err = run_delete(s, old)) == OK && kept.key >= 0)
		err = run_add(s, &kept);
	buffer_free(&directory);
	buffer_free(&contents);
	return err;
}

int sqlite_run_drop(
    struct sqlite_store *s, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN])
{
	unsigned bit = index % TREE_BLOCK;
	uint8_t keep[RUN_HELD];
	sqlite3_stmt *st;
	struct run r;
	int err = run_scan(s, log, index - bit, index, &st);

	sqlite_run_forget(s);
	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 1, r.held, RUN_HELD);
		err = OK;
		if (!has(r.held, bit))
			continue;
		if ((err = run_read(st, 1, &r)) != OK) {
			s->failed = err;
			break;
		}
		if (memcmp(r.directory.data + rank(r.held, bit) * PLACE + ID_AT, id, ID_LEN) != 0)
			continue;
		memset(keep, 0xff, RUN_HELD);
		keep[bit / 8] &= (uint8_t) ~(1u << bit % 8);
		return run_cut(s, st, keep);
	}
	sqlite3_reset(st);
	return err;
}

/* The last run of the block of `size` in which something lies behind it. 1: it was cut. */
static int last_cut(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	unsigned bits = size % TREE_BLOCK;
	uint8_t keep[RUN_HELD] = {0}, held[RUN_HELD];
	sqlite3_stmt *st;
	int err = bits == 0 ? ERR_NOTFOUND : run_scan(s, log, size - bits, size - 1, &st);

	if (err != OK)
		return err == ERR_NOTFOUND ? OK : err;
	for (unsigned bit = 0; bit < bits; bit++)
		keep[bit / 8] |= (uint8_t)(1u << bit % 8);
	while ((err = sqlite_row(s, st)) == 1) {
		bool more = false;

		sqlite_fixed(st, 1, held, RUN_HELD);
		for (size_t i = 0; i < RUN_HELD; i++)
			more |= (held[i] & ~keep[i]) != 0;
		if (more)
			return (err = run_cut(s, st, keep)) == OK ? 1 : err;
	}
	return err;
}

int sqlite_run_truncate(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	sqlite3_stmt **st = &s->cached[ST_RUN_CUT];
	int err;

	sqlite_run_forget(s);
	do
		err = last_cut(s, log, size);
	while (err == 1);
	if (err != OK)
		return err;
	err = sqlite_statement(s, st, "DELETE FROM run WHERE key >= ? AND key < ?");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, size));
	sqlite3_bind_int64(*st, 2, sqlite_key(log + 1, 0));
	return sqlite_run(s, *st);
}
