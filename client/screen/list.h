/* SPDX-License-Identifier: BSD-2-Clause */
/* Where one is in something longer than the screen: a list with a line that is selected, or a text
 * that has none. Pure. */
#ifndef SCREEN_LIST_H
#define SCREEN_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	size_t count;    /* of lines */
	size_t selected; /* below count, unless that is 0 */
	size_t top;      /* the first on the screen */
	size_t height;   /* lines that the screen has for it; at least 1 */
};

/* How many there are, or how many fit: what is selected stays so, and on the screen. */
void list_resize(struct list *l, size_t count, size_t height);
void list_select(struct list *l, size_t at);
/* By so many lines, as far as there are any. False: nothing moved. */
bool list_move(struct list *l, long by);
/* One was put in at `at`: the one that was selected stays so. */
void list_inserted(struct list *l, size_t at);

/* A text: by lines, as far as its last line at the foot of the screen. False: nothing moved. */
bool list_scroll(struct list *l, long by);
bool list_at_end(const struct list *l);

#endif
