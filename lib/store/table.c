/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct row {
	size_t key_len, value_len;
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

static size_t position(const struct table *t, struct bytes key)
{
	size_t low = 0, high = t->count;

	/* Most keys are new and the greatest. */
	if (high > 0 && compare(row_key(t->rows[high - 1]), key) < 0)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare(row_key(t->rows[mid]), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool found(const struct table *t, size_t at, struct bytes key)
{
	return at < t->count && compare(row_key(t->rows[at]), key) == 0;
}

size_t table_place(const struct tables *t, unsigned table, struct bytes key)
{
	return position(&t->table[table], key);
}

const struct row *table_row(const struct tables *t, unsigned table, size_t place)
{
	return place < t->table[table].count ? t->table[table].rows[place] : NULL;
}

const struct row *table_seek(const struct tables *t, unsigned table, struct bytes key)
{
	size_t at = position(&t->table[table], key);
	return at < t->table[table].count ? t->table[table].rows[at] : NULL;
}

const struct row *table_get(const struct tables *t, unsigned table, struct bytes key)
{
	size_t at = position(&t->table[table], key);
	return found(&t->table[table], at, key) ? t->table[table].rows[at] : NULL;
}

const struct row *table_last(const struct tables *t, unsigned table)
{
	size_t count = t->table[table].count;
	return count == 0 ? NULL : t->table[table].rows[count - 1];
}

size_t table_count(const struct tables *t, unsigned table)
{
	return t->table[table].count;
}

/* ---- changes ---- */

static void insert_at(struct table *t, size_t at, struct row *row)
{
	memmove(t->rows + at + 1, t->rows + at, (t->count - at) * sizeof(*t->rows));
	t->rows[at] = row;
	t->count++;
}

static void remove_at(struct table *t, size_t at)
{
	t->count--;
	memmove(t->rows + at, t->rows + at + 1, (t->count - at) * sizeof(*t->rows));
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

static bool room_in_table(struct table *t)
{
	void *rows = t->rows;
	bool ok = grow(&rows, &t->cap, t->count + 1, sizeof(*t->rows));
	t->rows = rows;
	return ok;
}

int table_put(struct tables *t, unsigned table, struct bytes key, struct bytes value)
{
	struct table *in = &t->table[table];
	struct row *row = malloc(sizeof(*row) + key.len + value.len);

	if (row == NULL || !room_in_journal(t) || !room_in_table(in)) {
		free(row);
		return ERR_NOMEM;
	}
	row->key_len = key.len;
	row->value_len = value.len;
	if (key.len > 0)
		memcpy(row->data, key.data, key.len);
	if (value.len > 0)
		memcpy(row->data + key.len, value.data, value.len);

	size_t at = position(in, key);
	struct row *before = NULL;
	if (found(in, at, key)) {
		before = in->rows[at];
		in->rows[at] = row;
	} else {
		insert_at(in, at, row);
	}
	t->journal[t->changes++] = (struct table_change){table, before, row};
	return OK;
}

int table_drop(struct tables *t, unsigned table, struct bytes key)
{
	struct table *in = &t->table[table];
	size_t at = position(in, key);

	if (!found(in, at, key))
		return OK;
	if (!room_in_journal(t))
		return ERR_NOMEM;
	t->journal[t->changes++] = (struct table_change){table, in->rows[at], NULL};
	remove_at(in, at);
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
		size_t at = position(in, key);
		/* A table never gives room back, so there is always enough to insert again. */
		if (c->after == NULL)
			insert_at(in, at, c->before);
		else if (c->before == NULL)
			remove_at(in, at);
		else
			in->rows[at] = c->before;
		free(c->after);
	}
}

void tables_keep(struct tables *t)
{
	for (size_t i = 0; i < t->changes; i++)
		free(t->journal[i].before);
	t->changes = 0;
}

void tables_clear(struct tables *t)
{
	tables_keep(t);
	for (size_t i = 0; i < TABLE_MAX; i++) {
		for (size_t j = 0; j < t->table[i].count; j++)
			free(t->table[i].rows[j]);
		free(t->table[i].rows);
	}
	free(t->journal);
	memset(t, 0, sizeof(*t));
}
