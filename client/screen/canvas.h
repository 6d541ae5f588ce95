/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands on the screen: rows of cells, made anew for each change, and drawn by terminal.c.
 * Pure; one owner. In a language that runs from right to left the whole is its mirror image:
 * column 0 is then the rightmost. */
#ifndef SCREEN_CANVAS_H
#define SCREEN_CANVAS_H

#include "client/screen/cells.h"

enum style {
	STYLE_PLAIN,
	STYLE_STRONG,   /* titles, what is unread */
	STYLE_FAINT,    /* times, quotations */
	STYLE_BAR,      /* the first and the last line */
	STYLE_SELECTED, /* the line that keys are about */
	STYLE_WARNING,  /* what doesn't verify */
	STYLE_COUNT
};

struct canvas {
	int rows, columns;
	bool mirrored, reorder;
	struct cell *cells;            /* rows * columns */
	int cursor_row, cursor_column; /* -1: none is shown */
};

/* All blank. False: no memory, and the canvas is empty. */
bool canvas_begin(struct canvas *f, int rows, int columns, bool mirrored, bool reorder);
void canvas_free(struct canvas *f);

/* Put a text into `width` columns from `column` on, at the side where lines of the interface begin
 * or, with `far`, at the other. Returns how many it took. What isn't there is no failure. */
int canvas_text(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text);
int canvas_far(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text);
/* Somebody's text, at the same side, in its own direction. */
int canvas_received(
    struct canvas *f, int row, int column, int width, enum style style, struct bytes text);
/* canvas_text() from a format. */
int canvas_printf(struct canvas *f, int row, int column, int width, enum style style,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* A line of somebody's text: at the side where its paragraph begins. */
int canvas_paragraph(struct canvas *f, int row, int column, int width, enum style style,
    struct bytes text, bool rtl);
/* Give a whole row a style, where it has none of its own. */
void canvas_row(struct canvas *f, int row, enum style style);
/* A row as UTF-8, in the order of the screen, with blanks at its end left out: for tests. */
void canvas_row_text(const struct canvas *f, int row, struct buffer *out);

#endif
