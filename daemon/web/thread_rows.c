/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/thread_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void thread_rows_clear(struct thread_rows *t)
{
	free(t->rows);
	free(t->full);
	free(t->last);
	*t = (struct thread_rows){0};
}

static int rows_grow(struct thread_rows *t)
{
	size_t cap = t->cap == 0 ? 128 : 2 * t->cap;
	struct row_place *rows = realloc(t->rows, cap * sizeof *rows);

	if (rows)
		t->rows = rows;
	/* No depth is beyond the count of rows. */
	uint32_t *last = rows ? realloc(t->last, cap * sizeof *last) : NULL;

	if (!last)
		return ERR_NOMEM;
	t->last = last;
	t->cap = cap;
	return OK;
}

static int row_add(void *ctx, const struct item_row *row)
{
	struct thread_rows *t = ctx;
	struct row_place *place;

	if (t->count >= ROW_NONE || (t->count == t->cap && rows_grow(t) != OK))
		return ERR_NOMEM;
	place = &t->rows[t->count];
	memcpy(place->id, row->id, ID_LEN);
	place->depth = row->depth < t->depths ? row->depth : (uint32_t)t->depths;
	place->parent = place->depth > 0 ? t->last[place->depth - 1] : ROW_NONE;
	t->last[place->depth] = (uint32_t)t->count;
	t->depths = place->depth + 1;
	if (t->count == 0) {
		memcpy(t->root, row->thread, ID_LEN);
		memcpy(t->topic, row->topic, ID_LEN);
	}
	t->root_here |= memcmp(row->id, row->thread, ID_LEN) == 0;
	if (t->count >= t->from && t->full_count < t->max)
		t->full[t->full_count++] = *row;
	t->count++;
	return OK;
}

int thread_rows_read(struct thread_rows *out, struct store *s, const uint8_t id[static ID_LEN],
    size_t from, size_t max)
{
	*out = (struct thread_rows){.from = from, .max = max};
	out->full = calloc(max > 0 ? max : 1, sizeof *out->full);
	if (!out->full)
		return ERR_NOMEM;
	int err = query_thread(s, id, row_add, out, &out->missing);

	return !err && out->count == 0 ? ERR_NOTFOUND : err;
}

size_t thread_rows_find(const struct thread_rows *t, const uint8_t id[static ID_LEN])
{
	size_t i = 0;

	while (i < t->count && memcmp(t->rows[i].id, id, ID_LEN) != 0)
		i++;
	return i;
}
