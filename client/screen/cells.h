/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of text as cells of a terminal, in the order in which they stand on it. Pure, but for the
 * locale (wcwidth); any thread.
 *
 * What goes in may come from anybody: it passes text_line() here. What comes out holds no control
 * byte and no mark of direction. Terminals that reorder right-to-left text by themselves want it
 * as it was typed (`reorder` false); to all others it is given reordered and, in Arabic, with
 * joined letters. Joiners, variation selectors and skin tones are left out: terminals disagree
 * about the width of what they make, and a line that is wider than the program believes destroys
 * the screen. */
#ifndef SCREEN_CELLS_H
#define SCREEN_CELLS_H

#include "base/buffer.h"

#define CELL_TEXT 24

struct cell {
	char text[CELL_TEXT]; /* UTF-8 with what stands on it; "" in the right half of a wide one */
	uint8_t width;        /* 1 or 2; 0: right half */
	uint8_t style;        /* enum style of canvas.h */
};

enum direction { DIRECTION_LTR, DIRECTION_RTL, DIRECTION_AUTO };

/* Columns that a text takes, at most. */
int cells_width(struct bytes text);
/* The bytes of `text`, which has passed text_line() or text_block(), that fit into `width`. */
size_t cells_fit(struct bytes text, int width);
/* Lay it out into at most `width` cells, with an ellipsis where it is cut; returns how many. */
int cells_make(
    struct cell *out, int width, struct bytes text, enum direction direction, bool reorder);

#endif
