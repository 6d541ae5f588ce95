/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables for people: widths in terminal columns, whatever the script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/output.h"

#define TABLE_COLUMNS 16

struct cell {
	char *text;
	size_t width;
};

struct table {
	char *headings;
	const char *heading[TABLE_COLUMNS];
	bool right[TABLE_COLUMNS];
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

/* Print as much of a text as fits: whole code points, marks paired again by text_line(). */
static void print_cut(const char *text, size_t width, size_t room)
{
	struct buffer out = BUFFER_INIT;
	size_t len = strlen(text), low = 0;

	if (width <= room) {
		fputs(text, stdout);
		return;
	}
	/* The width grows with the length, so the cut is found by halving. */
	while (low < len) {
		size_t mid = low + (len - low + 1) / 2, cut = mid;

		while (cut > low && ((uint8_t)text[cut] & 0xc0) == 0x80)
			cut--;
		if (cut > low && text_width(bytes_of(text, cut)) < room) {
			low = cut;
			continue;
		}
		len = cut > low ? cut - 1 : mid - 1;
	}
	text_line(&out, bytes_of(text, low));
	buffer_add_str(&out, "…");
	fputs(buffer_str(&out), stdout);
	buffer_free(&out);
}

static void row_print(
    const struct table *t, const size_t *widths, const struct cell *row, size_t room)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *text = row ? row[c].text : t->heading[c];
		size_t width = row ? row[c].width : strlen(text),
		       pad = widths[c] > width ? widths[c] - width : 0;
		bool last = c + 1 == t->columns;

		if (t->right[c])
			printf("%*s", (int)pad, "");
		if (last && !t->right[c])
			print_cut(text, width, room);
		else
			fputs(text, stdout);
		if (!last)
			printf("%*s", (int)(t->right[c] ? 0 : pad) + 2, "");
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	size_t widths[TABLE_COLUMNS], used = 0, columns = (size_t)output_columns(), room;

	if (t->count == 0)
		return;
	for (size_t c = 0; c < t->columns; c++) {
		widths[c] = strlen(t->heading[c]);
		for (size_t i = c; i < t->count; i += t->columns)
			if (t->cells[i].width > widths[c])
				widths[c] = t->cells[i].width;
		if (c + 1 < t->columns)
			used += widths[c] + 2;
	}
	/* A file or a pipe gets everything. */
	room = !output_terminal() ? SIZE_MAX : columns > used + 20 ? columns - used : 20;
	row_print(t, widths, NULL, room);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		row_print(t, widths, t->cells + i, room);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	t->count = 0;
}
