/* SPDX-License-Identifier: BSD-2-Clause */
/* A text, wrapped to the width of the screen. Pure; what is put in passes text_block(). */
#ifndef SCREEN_PAGE_H
#define SCREEN_PAGE_H

#include "client/screen/canvas.h"

struct page_line {
	size_t at, len; /* in the page's text */
	uint8_t style;
	bool rtl;  /* its paragraph runs from right to left */
	bool ours; /* of the interface, and so mirrored with it */
};

struct page {
	int width;
	struct buffer text;
	struct page_line *lines;
	size_t count;
	bool failed; /* no memory: cut off there */
};

void page_begin(struct page *p, int width); /* `*p` is zero, or one that is used again */
void page_free(struct page *p);

/* Add a text, paragraph by paragraph, each in its own direction; quoted lines are faint, and keep
 * their > where they are folded. */
void page_text(struct page *p, enum style style, struct bytes text);
/* Add words of the interface, which may hold received ones that are isolated. */
void page_words(struct page *p, enum style style, const char *text);
void page_printf(struct page *p, enum style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void page_blank(struct page *p);

/* Draw the lines from `top` on into so many rows. */
void page_draw(const struct page *p, struct canvas *f, int row, int column, int rows, size_t top);

#endif
