/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents, tombstones, and which contents are missing. */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* ---- gaps: a bitmap per block ---- */

enum { GAP_LEN = TREE_BLOCK / 8 };

/* Zeros when there is none. */
static int gap_get(struct sqlite_store *s, int64_t key, uint8_t missing[static GAP_LEN])
{
	sqlite3_stmt **st = &s->cached[ST_GAP_GET];
	int err = sqlite_statement(s, st, "SELECT missing FROM gap WHERE key = ?");

	memset(missing, 0, GAP_LEN);
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, key);
	err = sqlite_row(s, *st);
	if (err == 1) {
		sqlite_fixed(*st, 0, missing, GAP_LEN);
		sqlite3_reset(*st);
		err = OK;
	}
	return err;
}

static int gap_put(struct sqlite_store *s, int64_t key, const uint8_t missing[static GAP_LEN])
{
	static const uint8_t none[GAP_LEN];
	bool drop = memcmp(missing, none, GAP_LEN) == 0;
	sqlite3_stmt **st = &s->cached[drop ? ST_GAP_DROP : ST_GAP_PUT];
	int err = sqlite_statement(s, st,
	    drop ? "DELETE FROM gap WHERE key = ?" : "INSERT OR REPLACE INTO gap VALUES (?, ?)");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, key);
	if (!drop)
		sqlite_bind(*st, 2, missing, GAP_LEN);
	return sqlite_run(s, *st);
}

int sqlite_gap_add(struct sqlite_store *s, uint32_t log, const uint64_t *indices, size_t count)
{
	uint8_t missing[GAP_LEN];
	int err = OK;

	for (size_t i = 0; i < count && err == OK;) {
		uint64_t block = indices[i] / TREE_BLOCK;
		if ((err = gap_get(s, sqlite_key(log, block), missing)) != OK)
			break;
		for (; i < count && indices[i] / TREE_BLOCK == block; i++)
			missing[indices[i] % TREE_BLOCK / 8] |= (uint8_t)(1u << indices[i] % 8);
		err = gap_put(s, sqlite_key(log, block), missing);
	}
	return err;
}

int sqlite_gap_clear(struct sqlite_store *s, uint32_t log, uint64_t index)
{
	int64_t key = sqlite_key(log, index / TREE_BLOCK);
	uint8_t missing[GAP_LEN], bit = (uint8_t)(1u << index % 8);
	int err = gap_get(s, key, missing);

	if (err != OK || (missing[index % TREE_BLOCK / 8] & bit) == 0)
		return err;
	missing[index % TREE_BLOCK / 8] &= (uint8_t)~bit;
	return gap_put(s, key, missing);
}

int sqlite_gap_cut(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	int64_t key = sqlite_key(log, size / TREE_BLOCK);
	sqlite3_stmt **st = &s->cached[ST_GAP_CUT];
	uint8_t missing[GAP_LEN];
	int err;

	if ((err = gap_get(s, key, missing)) != OK)
		return err;
	for (unsigned bit = size % TREE_BLOCK; bit < TREE_BLOCK; bit++)
		missing[bit / 8] &= (uint8_t) ~(1u << bit % 8);
	if ((err = gap_put(s, key, missing)) != OK ||
	    (err = sqlite_statement(s, st, "DELETE FROM gap WHERE key > ? AND key < ?")) != OK)
		return err;
	sqlite3_bind_int64(*st, 1, key);
	sqlite3_bind_int64(*st, 2, sqlite_key(log + 1, 0));
	return sqlite_run(s, *st);
}

/* Rows of the gaps from the block of `from` on; the caller resets. */
static int gap_scan(struct sqlite_store *s, uint32_t log, uint64_t from, sqlite3_stmt **out)
{
	sqlite3_stmt **st = &s->cached[ST_GAP_SCAN];
	int err = sqlite_statement(
	    s, st, "SELECT key, missing FROM gap WHERE key >= ? AND key < ? ORDER BY key");

	*out = *st;
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, from / TREE_BLOCK));
	sqlite3_bind_int64(*st, 2, sqlite_key(log + 1, 0));
	return OK;
}

int sqlite_wanted(struct store *base, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	uint8_t missing[GAP_LEN];
	size_t room = *count, n = 0;
	sqlite3_stmt *st;
	int err;

	*count = 0;
	if (from >= STORE_SIZE_MAX)
		return OK;
	if ((err = gap_scan(s, log, from, &st)) != OK)
		return err;
	while (n < room && (err = sqlite_row(s, st)) == 1) {
		uint64_t first = sqlite_key_index(sqlite3_column_int64(st, 0)) * TREE_BLOCK;
		sqlite_fixed(st, 1, missing, GAP_LEN);
		for (unsigned bit = 0; bit < TREE_BLOCK && n < room; bit++)
			if ((missing[bit / 8] >> bit % 8 & 1) != 0 && first + bit >= from)
				out[n++] = first + bit;
	}
	sqlite3_reset(st);
	if (err < 0)
		return err;
	*count = n;
	return OK;
}

int sqlite_wanted_below(
    struct store *base, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_GAP_BACK];
	uint8_t missing[GAP_LEN];
	size_t room = *count, n = 0;
	int err;

	*count = 0;
	if (below == 0)
		return OK;
	if (below > STORE_SIZE_MAX)
		below = STORE_SIZE_MAX;
	err = sqlite_statement(
	    s, st, "SELECT key, missing FROM gap WHERE key >= ? AND key <= ? ORDER BY key DESC");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, 0));
	sqlite3_bind_int64(*st, 2, sqlite_key(log, (below - 1) / TREE_BLOCK));
	while (n < room && (err = sqlite_row(s, *st)) == 1) {
		uint64_t first = sqlite_key_index(sqlite3_column_int64(*st, 0)) * TREE_BLOCK;
		sqlite_fixed(*st, 1, missing, GAP_LEN);
		for (unsigned bit = TREE_BLOCK; bit-- > 0 && n < room;)
			if ((missing[bit / 8] >> bit % 8 & 1) != 0 && first + bit < below)
				out[n++] = first + bit;
	}
	sqlite3_reset(*st);
	if (err < 0)
		return err;
	*count = n;
	return OK;
}

int sqlite_wanted_count(struct store *base, uint32_t log, uint64_t *out)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	uint8_t missing[GAP_LEN];
	uint64_t n = 0;
	sqlite3_stmt *st;
	int err = gap_scan(s, log, 0, &st);

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 1, missing, GAP_LEN);
		for (size_t i = 0; i < GAP_LEN; i++)
			n += (unsigned)__builtin_popcount(missing[i]);
		err = OK;
	}
	*out = n;
	return err;
}

/* ---- tombstones ---- */

int sqlite_tombstone(struct sqlite_store *s, const uint8_t id[static ID_LEN])
{
	sqlite3_stmt **st = &s->cached[ST_TOMB_GET];
	int err = sqlite_statement(s, st, "SELECT 1 FROM tombstone WHERE id = ?");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, id, ID_LEN);
	err = sqlite_row(s, *st);
	sqlite3_reset(*st);
	return err == 1 ? ERR_REFUSED : err;
}

static int tombstone_add(struct sqlite_store *s, const uint8_t id[static ID_LEN])
{
	sqlite3_stmt **st = &s->cached[ST_TOMB_ADD];
	int err = sqlite_statement(s, st, "INSERT OR IGNORE INTO tombstone VALUES (?)");

	if (err != OK)
		return err;
	sqlite_bind(*st, 1, id, ID_LEN);
	return sqlite_run(s, *st);
}

int sqlite_tombstone_each(
    struct store *base, int (*fn)(void *ctx, const uint8_t id[static ID_LEN]), void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	uint8_t id[ID_LEN];
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, "SELECT id FROM tombstone ORDER BY id");

	while (err == OK && (err = sqlite_row(s, st)) == 1) {
		sqlite_fixed(st, 0, id, ID_LEN);
		err = fn(ctx, id);
	}
	sqlite3_finalize(st);
	return err;
}

/* ---- contents ---- */

/* Whether any content was ever erased: 1, OK for none, or an error. */
static int tombstone_any(struct sqlite_store *s)
{
	sqlite3_stmt **st = &s->cached[ST_TOMB_ANY];
	int err = sqlite_statement(s, st, "SELECT 1 FROM tombstone LIMIT 1");

	if (err != OK)
		return err;
	err = sqlite_row(s, *st);
	sqlite3_reset(*st);
	return err;
}

/* Contents of one block, until the last of them has come. */
struct putting {
	struct sqlite_store *s;
	bool tombstones, known; /* known: the log */
	uint32_t log;
	uint64_t size, block;
	uint8_t missing[GAP_LEN];
	uint8_t held[RUN_HELD]; /* in runs, or among these */
	struct store_content *items[TREE_BLOCK];
	size_t count;
};

static int block_end(struct putting *p)
{
	bool changed = false;
	int err = sqlite_contents_add(p->s, p->items, p->count);

	for (size_t i = 0; i < p->count && err == OK; i++) {
		unsigned bit = p->items[i]->index % TREE_BLOCK;

		if (p->items[i]->result != OK || (p->missing[bit / 8] >> bit % 8 & 1) == 0)
			continue;
		p->missing[bit / 8] &= (uint8_t) ~(1u << bit % 8);
		changed = true;
	}
	p->count = 0;
	return err == OK && changed ? gap_put(p->s, sqlite_key(p->log, p->block), p->missing) : err;
}

/* OK, an error that lost the transaction, or in the content's own result why it isn't taken. */
static int content_put_one(struct putting *p, struct store_content *c)
{
	struct sqlite_store *s = p->s;
	uint64_t block = c->index / TREE_BLOCK;
	uint8_t *byte = &p->held[c->index % TREE_BLOCK / 8], bit = (uint8_t)(1u << c->index % 8);
	int err = OK;

	if (!p->known || c->log != p->log || block != p->block) {
		if ((err = block_end(p)) != OK)
			return err;
		p->block = UINT64_MAX;
	}
	if (!p->known || c->log != p->log) {
		c->result = sqlite_log_head(s, c->log, &p->size, NULL);
		p->known = c->result == OK;
		p->log = c->log;
		if (!p->known)
			return s->failed;
	}
	if (c->index >= p->size) {
		c->result = ERR_RANGE;
		return OK;
	}
	if (block != p->block && ((err = gap_get(s, sqlite_key(c->log, block), p->missing)) != OK ||
				     (err = sqlite_run_held(s, c->log, block, p->held)) != OK))
		return err;
	p->block = block;
	if (p->tombstones)
		c->result = sqlite_tombstone(s, c->id);
	if (c->result == OK && (*byte & bit) != 0)
		c->result = ERR_EXISTS;
	if (c->result == OK) {
		*byte |= bit;
		p->items[p->count++] = c;
	}
	return s->failed;
}

static int by_key(const void *a, const void *b)
{
	const struct store_content *x = *(struct store_content *const *)a;
	const struct store_content *y = *(struct store_content *const *)b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* In the order of the keys: where rows go in one behind the other pages are split less often. */
int sqlite_contents_put(struct store *base, struct store_content *items, size_t count)
{
	struct putting p = {.s = (struct sqlite_store *)base, .block = UINT64_MAX};
	struct store_content **sorted;
	int err = sqlite_writing(p.s);

	if (err != OK || (err = tombstone_any(p.s)) < 0)
		return err;
	p.tombstones = err == 1;
	sorted = malloc((count + 1) * sizeof *sorted);
	if (sorted == NULL)
		return p.s->failed = ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		sorted[i] = &items[i];
		items[i].result = OK;
	}
	qsort(sorted, count, sizeof *sorted, by_key);
	err = OK;
	for (size_t i = 0; i < count && err == OK; i++)
		err = content_put_one(&p, sorted[i]);
	if (err == OK)
		err = block_end(&p);
	free(sorted);
	return err;
}

int sqlite_content_put(struct store *base, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct store_content c = {.log = log, .index = index, .content = content};
	int err;

	memcpy(c.id, id, ID_LEN);
	memcpy(c.salt, salt, SALT_LEN);
	err = sqlite_contents_put(base, &c, 1);
	return err == OK ? c.result : err;
}

int sqlite_content_get(struct store *base, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_CONTENT_GET];
	int err;

	/* As long as this stands on its row the connection sees one state: never the moment between
	 * content and tombstone. */
	err = sqlite_statement(s, st,
	    "SELECT EXISTS (SELECT 1 FROM tombstone WHERE id = ?2), salt, content"
	    " FROM (SELECT 1) LEFT JOIN content ON key = ?1 AND id = ?2");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, index < STORE_SIZE_MAX ? sqlite_key(log, index) : -1);
	sqlite_bind(*st, 2, id, ID_LEN);
	if ((err = sqlite_row(s, *st)) != 1)
		return err == OK ? ERR_STORE : err;
	if (sqlite3_column_int(*st, 0) != 0) {
		err = ERR_REFUSED;
	} else if (sqlite3_column_type(*st, 1) == SQLITE_NULL) {
		err = index < STORE_SIZE_MAX ? sqlite_run_get(s, log, index, id, salt, content)
					     : ERR_NOTFOUND;
	} else {
		err = OK;
		if (salt != NULL)
			sqlite_fixed(*st, 1, salt, SALT_LEN);
		if (content != NULL) {
			struct bytes b = sqlite_bytes(*st, 2);
			buffer_add(content, b.data, b.len);
			err = content->failed ? ERR_NOMEM : OK;
		}
	}
	sqlite3_reset(*st);
	return err;
}

/* What is held of a part of a block, as it was at one moment. */
struct gathered {
	struct sqlite_store *s;
	bool tombstones;
	struct gathered_one {
		bool here;
		uint8_t id[ID_LEN], salt[SALT_LEN];
		size_t at, len; /* in `bytes` */
	} one[TREE_BLOCK];
	struct buffer bytes;
};

static int gather_one(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct gathered *g = ctx;
	struct gathered_one *one = &g->one[index % TREE_BLOCK];
	int err = g->tombstones ? sqlite_tombstone(g->s, id) : OK;

	if (err != OK)
		return err == ERR_REFUSED ? OK : err;
	memcpy(one->id, id, ID_LEN);
	memcpy(one->salt, salt, SALT_LEN);
	one->at = g->bytes.len;
	one->len = content.len;
	one->here = true;
	buffer_add(&g->bytes, content.data, content.len);
	return g->bytes.failed ? ERR_NOMEM : OK;
}

static int gather_rows(struct gathered *g, uint32_t log, uint64_t first, uint64_t last)
{
	sqlite3_stmt **st = &g->s->cached[ST_CONTENT_ROWS];
	int err = sqlite_statement(
	    g->s, st, "SELECT key, id, salt, content FROM content WHERE key >= ?1 AND key <= ?2");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, first));
	sqlite3_bind_int64(*st, 2, sqlite_key(log, last));
	while (err == OK && (err = sqlite_row(g->s, *st)) == 1) {
		struct bytes id = sqlite_bytes(*st, 1), salt = sqlite_bytes(*st, 2);

		err = id.len != ID_LEN || salt.len != SALT_LEN
			  ? ERR_STORE
			  : gather_one(g, sqlite_key_index(sqlite3_column_int64(*st, 0)), id.data,
				salt.data, sqlite_bytes(*st, 3));
	}
	sqlite3_reset(*st);
	return err;
}

static int gather_part(struct gathered *g, uint32_t log, uint64_t first, uint64_t last)
{
	sqlite3_stmt **st = &g->s->cached[ST_TOMB_PIN];
	int err;

	for (size_t i = 0; i < TREE_BLOCK; i++)
		g->one[i].here = false;
	buffer_reset(&g->bytes);
	/* Stands on its row, as in content_get(). */
	err = sqlite_statement(g->s, st, "SELECT EXISTS (SELECT 1 FROM tombstone)");
	if (err != OK || (err = sqlite_row(g->s, *st)) != 1)
		return err == OK ? ERR_STORE : err;
	g->tombstones = sqlite3_column_int(*st, 0) != 0;
	err = gather_rows(g, log, first, last);
	if (err == OK)
		err = sqlite_run_each(g->s, log, first, last, gather_one, g);
	sqlite3_reset(*st);
	return err;
}

int sqlite_contents(struct store *base, uint32_t log, uint64_t first, size_t count,
    size_t max_bytes,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx)
{
	struct gathered *g;
	size_t len = 0;
	uint64_t size, end;
	bool more;
	int err = sqlite_log_head((struct sqlite_store *)base, log, &size, NULL);

	if (err != OK || first >= size || count == 0)
		return err == ERR_NOTFOUND ? OK : err;
	end = count < size - first ? first + count : size;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ERR_NOMEM;
	g->s = (struct sqlite_store *)base;
	more = max_bytes > 0;
	while (err == OK && more && end > first) {
		uint64_t block = (end - 1) / TREE_BLOCK * TREE_BLOCK;
		uint64_t from = block > first ? block : first;

		err = gather_part(g, log, from, end - 1);
		while (err == OK && more && end > from) {
			const struct gathered_one *one = &g->one[--end % TREE_BLOCK];

			if (!one->here)
				continue;
			len += one->len;
			more = fn(ctx, end, one->id, one->salt,
				   bytes_of(g->bytes.data + one->at, one->len)) == OK &&
			       len < max_bytes;
		}
	}
	buffer_free(&g->bytes);
	free(g);
	return err;
}

int sqlite_content_drop(
    struct store *base, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN], bool erased)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	sqlite3_stmt **st = &s->cached[ST_CONTENT_DROP];
	uint64_t size;
	int err;

	if ((err = sqlite_writing(s)) != OK || (err = sqlite_log_head(s, log, &size, NULL)) != OK)
		return err;
	if (index >= size)
		return ERR_RANGE;
	err = sqlite_statement(s, st, "DELETE FROM content WHERE key = ? AND id = ?");
	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, index));
	sqlite_bind(*st, 2, id, ID_LEN);
	if ((err = sqlite_run(s, *st)) != OK || (err = sqlite_run_drop(s, log, index, id)) != OK ||
	    (erased && (err = tombstone_add(s, id)) != OK))
		return err;
	return sqlite_gap_clear(s, log, index);
}

int sqlite_content_cut(struct sqlite_store *s, uint32_t log, uint64_t size)
{
	sqlite3_stmt **st = &s->cached[ST_CONTENT_CUT];
	int err = sqlite_statement(s, st, "DELETE FROM content WHERE key >= ? AND key < ?");

	if (err != OK)
		return err;
	sqlite3_bind_int64(*st, 1, sqlite_key(log, size));
	sqlite3_bind_int64(*st, 2, sqlite_key(log + 1, 0));
	err = sqlite_run(s, *st);
	return err == OK ? sqlite_run_truncate(s, log, size) : err;
}
