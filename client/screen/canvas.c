/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool canvas_begin(struct canvas *f, int rows, int columns, bool mirrored, bool reorder)
{
	size_t count = (size_t)rows * (size_t)columns;
	struct cell *cells = realloc(f->cells, (count ? count : 1) * sizeof *cells);

	if (!cells) {
		canvas_free(f);
		return false;
	}
	*f = (struct canvas){rows, columns, mirrored, reorder, cells, -1, -1};
	for (size_t i = 0; i < count; i++)
		cells[i] = (struct cell){" ", 1, STYLE_PLAIN};
	return true;
}

void canvas_free(struct canvas *f)
{
	free(f->cells);
	*f = (struct canvas){.cells = NULL};
}

static int put(struct canvas *f, int row, int column, int width, enum style style,
    struct bytes text, enum direction direction, bool right)
{
	struct cell *cells;
	int used, at;

	if (column < 0 || row < 0 || row >= f->rows || column >= f->columns)
		return 0;
	if (width > f->columns - column)
		width = f->columns - column;
	if (width <= 0)
		return 0;
	if (f->mirrored)
		column = f->columns - column - width;
	cells = calloc((size_t)width, sizeof *cells);
	if (!cells)
		return 0;
	used = cells_make(cells, width, text, direction, f->reorder);
	for (int i = 0; i < used; i++)
		cells[i].style = (uint8_t)style;
	at = right ? column + width - used : column;
	memcpy(&f->cells[row * f->columns + at], cells, (size_t)used * sizeof *cells);
	free(cells);
	return used;
}

int canvas_text(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text)
{
	return put(f, row, column, width, style, text, f->mirrored ? DIRECTION_RTL : DIRECTION_LTR,
	    f->mirrored);
}

int canvas_far(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text)
{
	return put(f, row, column, width, style, text, f->mirrored ? DIRECTION_RTL : DIRECTION_LTR,
	    !f->mirrored);
}

int canvas_received(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text)
{
	return put(f, row, column, width, style, text, DIRECTION_AUTO, f->mirrored);
}

int canvas_printf(
    struct canvas *f, int row, int column, int width, enum style style, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int used;

	va_start(ap, fmt);
	used = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (used < 0)
		return 0;
	used = canvas_text(f, row, column, width, style, bytes_str(text));
	free(text);
	return used;
}

int canvas_paragraph(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text, bool rtl)
{
	return put(f, row, column, width, style, text, rtl ? DIRECTION_RTL : DIRECTION_LTR, rtl);
}

void canvas_row(struct canvas *f, int row, enum style style)
{
	if (row < 0 || row >= f->rows)
		return;
	for (int i = 0; i < f->columns; i++) {
		struct cell *c = &f->cells[row * f->columns + i];

		if (c->style == STYLE_PLAIN || style == STYLE_SELECTED)
			c->style = (uint8_t)style;
	}
}

void canvas_row_text(const struct canvas *f, int row, struct buffer *out)
{
	size_t end = out->len;

	for (int i = 0; i < f->columns; i++) {
		const struct cell *c = &f->cells[row * f->columns + i];

		buffer_add_str(out, c->text);
		if (strcmp(c->text, " ") != 0)
			end = out->len;
	}
	out->len = end;
}
