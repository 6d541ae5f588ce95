/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal: ncurses, and nothing of the forum. One owner, main thread. While it is begun, what
 * is printed on standard error comes out of terminal_said_fd() instead of destroying the screen. */
#ifndef SCREEN_TERMINAL_H
#define SCREEN_TERMINAL_H

#include "client/screen/canvas.h"

/* Whether there is one that a screen can be drawn on. */
bool terminal_fit(void);
/* Whether it reorders right-to-left text by itself, as far as it tells. */
bool terminal_reorders(void);

/* `explicit_bidi`: tell a terminal that knows how to be told that we reorder. False: it can't be
 * used; nothing has changed. */
bool terminal_begin(bool explicit_bidi);
void terminal_end(void);
void terminal_explicit_bidi(bool on);
/* Give it to others for a while, as it was. */
void terminal_leave(void);
void terminal_return(void);

void terminal_size(int *rows, int *columns);
void terminal_draw(const struct canvas *f);
void terminal_redraw(void); /* all of it, whatever stands there */
/* A key (screen.h), or 0: none now; or KEY_SIZE: the size is another. */
#define TERMINAL_SIZE 0x200000
unsigned terminal_key(void);
int terminal_said_fd(void);

#endif
