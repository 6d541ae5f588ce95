/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/terminal.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/utf8.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "client/screen/screen.h"

#define ESCAPE_MS 50 /* between the bytes of a key */

static int said[2] = {-1, -1}, error_fd = -1;
static bool coloured, explicit_mode;

bool terminal_fit(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && term && *term &&
	       strcmp(term, "dumb") != 0 && strcmp(term, "unknown") != 0;
}

bool terminal_reorders(void)
{
	const char *program = getenv("TERM_PROGRAM");

	return getenv("KONSOLE_VERSION") || getenv("MLTERM") ||
	       (program && strcmp(program, "Apple_Terminal") == 0);
}

/* ECMA-48's bidirectional support mode: reset, it leaves the order to us. */
void terminal_explicit_bidi(bool on)
{
	const char *mode = on ? "\033[8l" : "\033[8h";

	if (on == explicit_mode)
		return;
	explicit_mode = on;
	fputs(mode, stdout);
	fflush(stdout);
}

static void said_begin(void)
{
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0) {
		said[0] = said[1] = -1;
		return;
	}
	error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (error_fd >= 0)
		dup2(said[1], STDERR_FILENO);
}

static void said_end(void)
{
	if (error_fd >= 0) {
		dup2(error_fd, STDERR_FILENO);
		close(error_fd);
	}
	if (said[0] >= 0) {
		close(said[0]);
		close(said[1]);
	}
	error_fd = said[0] = said[1] = -1;
}

int terminal_said_fd(void)
{
	return said[0];
}

bool terminal_begin(bool explicit_bidi)
{
	const char *no_color = getenv("NO_COLOR");

	/* What is written is UTF-8, as by all commands. */
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	set_escdelay(ESCAPE_MS);
	if (!newterm(NULL, stdout, stdin))
		return false;
	terminal_explicit_bidi(explicit_bidi);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	coloured = has_colors() && (!no_color || !*no_color) && start_color() == OK;
	if (coloured) {
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
	}
	said_begin();
	return true;
}

void terminal_end(void)
{
	terminal_leave();
}

void terminal_leave(void)
{
	said_end();
	curs_set(1);
	def_prog_mode();
	endwin();
	terminal_explicit_bidi(false);
}

void terminal_return(void)
{
	reset_prog_mode();
	terminal_explicit_bidi(true);
	said_begin();
	clearok(curscr, TRUE);
	refresh();
}

void terminal_size(int *rows, int *columns)
{
	getmaxyx(stdscr, *rows, *columns);
}

void terminal_redraw(void)
{
	clearok(curscr, TRUE);
}

/* ---- drawing ---- */

static attr_t attribute(uint8_t style, short *pair)
{
	*pair = 0;
	switch (style) {
	case STYLE_STRONG:
		return A_BOLD;
	case STYLE_FAINT:
		return A_DIM;
	case STYLE_BAR:
	case STYLE_SELECTED:
		return A_REVERSE;
	case STYLE_WARNING:
		*pair = coloured ? 1 : 0;
		return A_BOLD;
	default:
		return A_NORMAL;
	}
}

static void cell_draw(int row, int column, const struct cell *c)
{
	wchar_t wide[CCHARW_MAX + 1];
	const uint8_t *text = (const uint8_t *)c->text;
	int32_t i = 0, len = (int32_t)strlen(c->text);
	size_t n = 0;
	attr_t a;
	short pair;
	cchar_t out;

	while (i < len && n < CCHARW_MAX) {
		UChar32 unit;

		U8_NEXT_OR_FFFD(text, i, len, unit);
		wide[n++] = (wchar_t)unit;
	}
	wide[n] = L'\0';
	a = attribute(c->style, &pair);
	if (setcchar(&out, wide, a, pair, NULL) != ERR)
		mvadd_wch(row, column, &out);
}

void terminal_draw(const struct canvas *f)
{
	erase();
	for (int row = 0; row < f->rows; row++)
		for (int column = 0; column < f->columns; column++) {
			const struct cell *c = &f->cells[row * f->columns + column];

			if (c->width > 0)
				cell_draw(row, column, c);
		}
	if (f->cursor_row >= 0) {
		curs_set(1);
		move(f->cursor_row, f->cursor_column);
	} else {
		curs_set(0);
	}
	refresh();
}

/* ---- keys ---- */

unsigned terminal_key(void)
{
	static const struct {
		unsigned code, key;
	} keys[] = {{KEY_UP, K_UP}, {KEY_DOWN, K_DOWN}, {KEY_LEFT, K_LEFT}, {KEY_RIGHT, K_RIGHT},
	    {KEY_PPAGE, K_PAGE_UP}, {KEY_NPAGE, K_PAGE_DOWN}, {KEY_HOME, K_HOME}, {KEY_END, K_END},
	    {KEY_ENTER, K_ENTER}, {KEY_BACKSPACE, K_BACKSPACE}, {KEY_RESIZE, TERMINAL_SIZE}};
	wint_t got;

	for (;;) {
		switch (get_wch(&got)) {
		case KEY_CODE_YES:
			for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
				if (keys[i].code == got)
					return keys[i].key;
			continue; /* one that means nothing here */
		case OK:
			break;
		default:
			return 0;
		}
		switch (got) {
		case '\r':
		case '\n':
			return K_ENTER;
		case '\t':
			return K_TAB;
		case 27:
			return K_ESCAPE;
		case 8:
		case 127:
			return K_BACKSPACE;
		case 0:
			continue;
		default:
			return (unsigned)got;
		}
	}
}
