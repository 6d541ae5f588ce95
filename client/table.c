/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables for people: widths in terminal columns, whatever the script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/output.h"

#define TABLE_COLUMNS 16
#define GAP 2
#define INDENT 4 /* of what stands below its row's beginning */
#define CELL_COLUMNS 20
#define LAST_COLUMNS 24 /* with less than that for the last column, it goes below */

struct cell {
	char *text;
	size_t width;
};

struct table {
	char *headings;
	const char *heading[TABLE_COLUMNS];
	bool right[TABLE_COLUMNS], received[TABLE_COLUMNS]; /* set right; has text of others */
	size_t columns;
	struct cell *cells;
	size_t count, cap;
};

struct table *table_new(const char *columns)
{
	struct table *t = calloc(1, sizeof *t);
	char *save = NULL, *name;

	if (!t || !(t->headings = strdup(columns)))
		out_of_memory();
	for (name = strtok_r(t->headings, "\t", &save); name && t->columns < TABLE_COLUMNS;
	     name = strtok_r(NULL, "\t", &save)) {
		size_t len = strlen(name);

		if (len > 0 && name[len - 1] == '>') {
			name[len - 1] = '\0';
			t->right[t->columns] = true;
		}
		t->heading[t->columns++] = name;
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t->headings);
	free(t);
}

/* Takes `text` over. */
static void cell_add(struct table *t, char *text)
{
	if (!text)
		out_of_memory();
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct cell *cells = realloc(t->cells, cap * sizeof *cells);

		if (!cells)
			out_of_memory();
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->count++] = (struct cell){text, text_width(bytes_str(text))};
}

void table_text(struct table *t, struct bytes text)
{
	struct buffer out = BUFFER_INIT;

	text_isolate(&out, text);
	if (out.failed)
		out_of_memory();
	t->received[t->count % t->columns] = true;
	cell_add(t, strdup(buffer_str(&out)));
	buffer_free(&out);
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	cell_add(t, text);
}

/* Where the columns stand: beside each other as long as the terminal has room, the others below. */
struct layout {
	size_t widths[TABLE_COLUMNS];
	bool below[TABLE_COLUMNS]; /* begins a line, indented */
	size_t room;               /* for the last; SIZE_MAX: whatever it takes */
};

/* One long cell shall not push everybody's apart: those that are received text are cut if not all
 * fit. */
static void widths_cap(struct layout *l, const struct table *t, size_t columns)
{
	size_t sum = LAST_COLUMNS;

	for (size_t c = 0; c + 1 < t->columns; c++)
		sum += l->widths[c] + GAP;
	for (size_t c = 0; c + 1 < t->columns && sum > columns; c++)
		if (t->received[c] && l->widths[c] > CELL_COLUMNS)
			l->widths[c] = CELL_COLUMNS;
}

static void layout_make(struct layout *l, const struct table *t)
{
	size_t columns = (size_t)output_columns(), used = 0;

	for (size_t c = 0; c < t->columns; c++) {
		l->widths[c] = strlen(t->heading[c]);
		for (size_t i = c; i < t->count; i += t->columns)
			if (t->cells[i].width > l->widths[c])
				l->widths[c] = t->cells[i].width;
		l->below[c] = false;
	}
	l->room = SIZE_MAX; /* a file or a pipe gets everything */
	if (!output_terminal())
		return;
	widths_cap(l, t, columns);
	for (size_t c = 0; c < t->columns; c++) {
		bool last = c + 1 == t->columns;
		size_t wanted = l->widths[c];

		if (last && wanted > LAST_COLUMNS)
			wanted = LAST_COLUMNS; /* it may be cut so far */
		if (c > 0 && used + GAP + wanted > columns) {
			l->below[c] = true;
			used = INDENT;
		} else if (c > 0) {
			used += GAP;
		}
		if (l->widths[c] > columns - used)
			l->widths[c] = columns - used;
		used += last ? 0 : l->widths[c];
	}
	l->room = columns - used;
}

/* As much of a text as fits, its marks paired again by text_line(). */
static void cell_print(const char *text, size_t width, size_t room)
{
	struct buffer out = BUFFER_INIT;

	if (width > room) {
		struct bytes in = bytes_str(text);

		text_line(&out, bytes_of(in.data, text_fit(in, room - 1)));
		buffer_add_str(&out, "…");
		text = buffer_str(&out);
	}
	fputs(text, stdout);
	buffer_free(&out);
}

static void row_print(const struct table *t, const struct layout *l, const struct cell *row)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *text = row ? row[c].text : t->heading[c];
		size_t width = row ? row[c].width : strlen(text), pad;
		bool end = c + 1 == t->columns, last = end || l->below[c + 1];
		size_t room = end ? l->room : l->widths[c];

		if (l->below[c])
			printf("\n%*s", INDENT, "");
		pad = l->widths[c] > width ? l->widths[c] - width : 0;
		if (t->right[c])
			printf("%*s", (int)pad, "");
		cell_print(text, width, room);
		if (!last)
			printf("%*s", (int)(t->right[c] ? 0 : pad) + GAP, "");
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	struct layout l;

	if (t->count == 0)
		return;
	layout_make(&l, t);
	row_print(t, &l, NULL);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		row_print(t, &l, t->cells + i);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	t->count = 0;
}
