/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A row is a node of its table's treap: what is taken out can be put back without asking for
 * memory, and none of a million others has to move. */
struct row {
	struct row *left, *right;
	uint32_t priority, key_len;
	size_t value_len;
	uint8_t data[];
};

/* Of one key: the row before (NULL: none) and after (NULL: removed). The one before belongs to the
 * journal. */
struct table_change {
	unsigned table;
	struct row *before, *after;
};

struct bytes row_key(const struct row *row)
{
	return bytes_of(row->data, row->key_len);
}

struct bytes row_value(const struct row *row)
{
	return bytes_of(row->data + row->key_len, row->value_len);
}

static int compare(struct bytes a, struct bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Follows from the key: a run with the same keys makes the same tree. */
static uint32_t priority_of(struct bytes key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ key.data[i]) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

/* Where the row with this key hangs; NULL in there: nowhere. */
static struct row **place(struct table *t, struct bytes key)
{
	struct row **at = &t->root;
	int order;

	while (*at != NULL && (order = compare(row_key(*at), key)) != 0)
		at = order < 0 ? &(*at)->right : &(*at)->left;
	return at;
}

const struct row *table_seek(const struct tables *t, unsigned table, struct bytes key)
{
	const struct row *row = t->table[table].root, *best = NULL;

	while (row != NULL) {
		bool before = compare(row_key(row), key) < 0;
		best = before ? best : row;
		row = before ? row->right : row->left;
	}
	return best;
}

const struct row *table_before(const struct tables *t, unsigned table, struct bytes key)
{
	const struct row *row = t->table[table].root, *best = NULL;

	while (row != NULL) {
		bool before = compare(row_key(row), key) < 0;
		best = before ? row : best;
		row = before ? row->right : row->left;
	}
	return best;
}

const struct row *table_walk(
    struct table_walk *walk, const struct tables *t, unsigned table, struct bytes key)
{
	const struct row *row = t->table[table].root;

	walk->count = 0;
	while (row != NULL) {
		bool before = compare(row_key(row), key) < 0;
		/* Half as deep with a million rows. */
		assert(walk->count < sizeof(walk->up) / sizeof(walk->up[0]));
		if (!before)
			walk->up[walk->count++] = row;
		row = before ? row->right : row->left;
	}
	return walk->count == 0 ? NULL : walk->up[walk->count - 1];
}

const struct row *table_next(struct table_walk *walk)
{
	const struct row *row = walk->up[--walk->count]->right;

	for (; row != NULL; row = row->left) {
		assert(walk->count < sizeof(walk->up) / sizeof(walk->up[0]));
		walk->up[walk->count++] = row;
	}
	return walk->count == 0 ? NULL : walk->up[walk->count - 1];
}

const struct row *table_get(const struct tables *t, unsigned table, struct bytes key)
{
	const struct row *row = t->table[table].root;
	int order;

	while (row != NULL && (order = compare(row_key(row), key)) != 0)
		row = order < 0 ? row->right : row->left;
	return row;
}

const struct row *table_last(const struct tables *t, unsigned table)
{
	const struct row *row = t->table[table].root;

	while (row != NULL && row->right != NULL)
		row = row->right;
	return row;
}

size_t table_count(const struct tables *t, unsigned table)
{
	return t->table[table].count;
}

/* ---- changes ---- */

static void split(struct row *row, struct bytes key, struct row **left, struct row **right)
{
	while (row != NULL) {
		if (compare(row_key(row), key) < 0) {
			*left = row;
			left = &row->right;
			row = row->right;
		} else {
			*right = row;
			right = &row->left;
			row = row->left;
		}
	}
	*left = *right = NULL;
}

static void row_insert(struct table *t, struct row *row)
{
	struct row **at = &t->root;

	while (*at != NULL && (*at)->priority >= row->priority)
		at = compare(row_key(*at), row_key(row)) < 0 ? &(*at)->right : &(*at)->left;
	split(*at, row_key(row), &row->left, &row->right);
	*at = row;
	t->count++;
}

static void row_remove(struct table *t, struct row **at)
{
	struct row *left = (*at)->left, *right = (*at)->right;

	while (left != NULL && right != NULL) {
		if (left->priority >= right->priority) {
			*at = left;
			at = &left->right;
			left = left->right;
		} else {
			*at = right;
			at = &right->left;
			right = right->left;
		}
	}
	*at = left != NULL ? left : right;
	t->count--;
}

/* The same key, and so the same priority. */
static void row_replace(struct row **at, struct row *row)
{
	row->left = (*at)->left;
	row->right = (*at)->right;
	*at = row;
}

static bool grow(void **array, size_t *cap, size_t need, size_t item)
{
	if (need <= *cap)
		return true;
	size_t more = *cap < 32 ? 64 : *cap * 2;
	void *bigger = realloc(*array, more * item);
	if (bigger == NULL)
		return false;
	*array = bigger;
	*cap = more;
	return true;
}

static bool room_in_journal(struct tables *t)
{
	void *journal = t->journal;
	bool ok = grow(&journal, &t->cap, t->changes + 1, sizeof(*t->journal));
	t->journal = journal;
	return ok;
}

int table_put(struct tables *t, unsigned table, struct bytes key, struct bytes value)
{
	struct row *row = malloc(sizeof(*row) + key.len + value.len), *before, **at;

	if (row == NULL || !room_in_journal(t)) {
		free(row);
		return ERR_NOMEM;
	}
	row->key_len = (uint32_t)key.len;
	row->value_len = value.len;
	row->priority = priority_of(key);
	if (key.len > 0)
		memcpy(row->data, key.data, key.len);
	if (value.len > 0)
		memcpy(row->data + key.len, value.data, value.len);

	at = place(&t->table[table], key);
	before = *at;
	if (before != NULL)
		row_replace(at, row);
	else
		row_insert(&t->table[table], row);
	t->journal[t->changes++] = (struct table_change){table, before, row};
	return OK;
}

int table_drop(struct tables *t, unsigned table, struct bytes key)
{
	struct row **at = place(&t->table[table], key);

	if (*at == NULL)
		return OK;
	if (!room_in_journal(t))
		return ERR_NOMEM;
	t->journal[t->changes++] = (struct table_change){table, *at, NULL};
	row_remove(&t->table[table], at);
	return OK;
}

int table_drop_range(struct tables *t, unsigned table, struct bytes from, struct bytes to)
{
	const struct row *row;
	int err = OK;

	while (err == OK && (row = table_seek(t, table, from)) != NULL &&
	       compare(row_key(row), to) < 0)
		err = table_drop(t, table, row_key(row));
	return err;
}

size_t tables_mark(const struct tables *t)
{
	return t->changes;
}

void tables_undo(struct tables *t, size_t mark)
{
	while (t->changes > mark) {
		struct table_change *c = &t->journal[--t->changes];
		struct table *in = &t->table[c->table];
		struct bytes key = row_key(c->after != NULL ? c->after : c->before);
		if (c->after == NULL)
			row_insert(in, c->before);
		else if (c->before == NULL)
			row_remove(in, place(in, key));
		else
			row_replace(place(in, key), c->before);
		free(c->after);
	}
}

void tables_keep(struct tables *t)
{
	for (size_t i = 0; i < t->changes; i++)
		free(t->journal[i].before);
	t->changes = 0;
}

static void rows_free(struct row *row)
{
	while (row != NULL) {
		struct row *right = row->right;
		rows_free(row->left);
		free(row);
		row = right;
	}
}

void tables_clear(struct tables *t)
{
	tables_keep(t);
	for (size_t i = 0; i < TABLE_MAX; i++)
		rows_free(t->table[i].root);
	free(t->journal);
	memset(t, 0, sizeof(*t));
}
