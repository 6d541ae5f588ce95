/* SPDX-License-Identifier: BSD-2-Clause */
/* What the reader's screens are made of: cells, rows, wrapped text, lists, trees. No terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/screen/canvas.h"
#include "client/screen/list.h"
#include "client/screen/page.h"
#include "client/screen/tree.h"

/* ---- cells ---- */

static const struct {
	const char *text;
	int width; /* of the screen */
	enum direction direction;
	const char *shown; /* in the order of the screen */
	int columns;
} lines[] = {
    {"plain", 80, DIRECTION_LTR, "plain", 5},
    {"plain", 4, DIRECTION_LTR, "pla…", 4},
    {"plain", 1, DIRECTION_LTR, "…", 1},
    {"", 10, DIRECTION_LTR, "", 0},
    {"两次会议", 80, DIRECTION_LTR, "两次会议", 8},
    {"两次会议", 6, DIRECTION_LTR, "两次…", 5}, /* half a character is none */
    {"两次会议", 7, DIRECTION_LTR, "两次会…", 7},
    {"cafe\u0301 noir", 6, DIRECTION_LTR, "cafe\u0301 …", 6},
    /* from right to left, alone and within */
    {"שלום", 80, DIRECTION_AUTO, "םולש", 4},
    {"abc שלום def", 80, DIRECTION_LTR, "abc םולש def", 12},
    {"שלום (abc)", 80, DIRECTION_AUTO, "(abc) םולש", 10},
    {"שלום?", 80, DIRECTION_RTL, "?םולש", 5},
    {"שלום?", 80, DIRECTION_LTR, "םולש?", 5},
    {"שָׁלוֹם", 80, DIRECTION_AUTO, "םוֹלשָׁ", 4}, /* points stay on their letters */
    {"1 2", 80, DIRECTION_RTL, "2 1", 3},
    /* Arabic letters are joined, and lam-alef is one */
    {"سلام", 80, DIRECTION_AUTO, "\ufee1\ufefc\ufeb3", 3},
    {"ab", 80, DIRECTION_RTL, "ab", 2},
    /* an isolated name goes nowhere else, and marks of direction are not shown */
    {"\u2068שלום\u2069: abc", 80, DIRECTION_LTR, "םולש: abc", 9},
    {"a\u202egnp\u202c.x", 80, DIRECTION_LTR, "apng.x", 6},
    {"a\u200b\u2066b", 80, DIRECTION_LTR, "ab", 2},
    /* pictures by their parts, skin tones and selectors left out */
    {"\U0001f44d\U0001f3fd!", 80, DIRECTION_LTR, "\U0001f44d!", 3},
    {"\U0001f468\u200d\U0001f469", 80, DIRECTION_LTR, "\U0001f468\U0001f469", 4},
    {"\u2764\ufe0f.", 80, DIRECTION_LTR, "\u2764.", 2},
    /* nothing controls the terminal */
    {"a\033[31m\007b", 80, DIRECTION_LTR, "a\ufffd[31m\ufffdb", 8},
    {"a\x80z", 80, DIRECTION_LTR, "a\ufffdz", 3},
    {"a\tb\nc", 80, DIRECTION_LTR, "a b\ufffdc", 5},
    /* a mark with nothing to stand on */
    {"\u0301x", 80, DIRECTION_LTR, "x", 1},
};

static void text_of(char *out, const struct cell *cells, int count)
{
	out[0] = '\0';
	for (int i = 0; i < count; i++)
		strcat(out, cells[i].text);
}

static void test_cells(void **state)
{
	struct cell cells[80];
	char text[80 * CELL_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		int used = cells_make(
		    cells, lines[i].width, bytes_str(lines[i].text), lines[i].direction, true);

		text_of(text, cells, used);
		if (used != lines[i].columns || strcmp(text, lines[i].shown) != 0)
			fail_msg("%zu: %s: %s, %d columns", i, lines[i].text, text, used);
	}
	/* left to the terminal: as it was typed */
	text_of(text, cells, cells_make(cells, 80, bytes_str("a שלום"), DIRECTION_LTR, false));
	assert_string_equal(text, "a שלום");
	text_of(text, cells,
	    cells_make(cells, 80, bytes_str("\u2067سلام\u2069"), DIRECTION_RTL, false));
	assert_string_equal(text, "سلام");
	assert_int_equal(cells_make(cells, 0, bytes_str("x"), DIRECTION_LTR, true), 0);
}

/* Whatever comes: no more cells than there are, and a wide one has its second half. */
static void test_any(void **state)
{
	struct cell cells[41];
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		uint8_t text[64];
		int width = round % 41, used;

		for (size_t i = 0; i < sizeof text; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = (uint8_t)(seed >> 16);
			if (round % 3 && i % 3 == 0)
				text[i] = (uint8_t)(0xd8 + text[i] % 4);
			else if (round % 3)
				text[i] = (uint8_t)(0x80 | (text[i] & 63));
		}
		memset(cells, 0xee, sizeof cells);
		used = cells_make(cells, width, bytes_of(text, sizeof text),
		    (enum direction)(round % 3), round % 2);
		assert_in_range(used, 0, width);
		for (int i = 0; i < used; i++) {
			assert_true(cells[i].width <= 2 && strlen(cells[i].text) < CELL_TEXT);
			if (cells[i].width == 2)
				assert_true(i + 1 < used && cells[i + 1].width == 0);
			assert_true((uint8_t)cells[i].text[0] >= 0x20 || cells[i].width == 0);
		}
		assert_int_equal(cells[used].width, 0xee);
	}
}

/* ---- rows ---- */

static void assert_row(const struct canvas *f, int row, const char *wanted)
{
	struct buffer text = BUFFER_INIT;

	canvas_row_text(f, row, &text);
	assert_string_equal(buffer_str(&text), wanted);
	buffer_free(&text);
}

static void test_canvas(void **state)
{
	struct canvas f = {.cells = NULL};

	(void)state;
	assert_true(canvas_begin(&f, 3, 20, false, true));
	canvas_text(&f, 0, 2, 6, STYLE_PLAIN, bytes_str("left"));
	canvas_far(&f, 0, 8, 12, STYLE_PLAIN, bytes_str("right"));
	assert_row(&f, 0, "  left         right");
	canvas_paragraph(&f, 1, 1, 18, STYLE_PLAIN, bytes_str("שלום!"), true);
	assert_row(&f, 1, "              !םולש");
	canvas_received(&f, 2, 1, 18, STYLE_PLAIN, bytes_str("שלום!"));
	assert_row(&f, 2, " !םולש");
	/* outside is nowhere */
	assert_int_equal(canvas_text(&f, 3, 0, 5, STYLE_PLAIN, bytes_str("x")), 0);
	assert_int_equal(canvas_text(&f, -1, 0, 5, STYLE_PLAIN, bytes_str("x")), 0);
	assert_int_equal(canvas_text(&f, 0, 20, 5, STYLE_PLAIN, bytes_str("x")), 0);
	assert_int_equal(canvas_text(&f, 0, 18, 50, STYLE_PLAIN, bytes_str("xyz")), 2);
	/* the mirror image */
	assert_true(canvas_begin(&f, 3, 20, true, true));
	canvas_text(&f, 0, 2, 6, STYLE_PLAIN, bytes_str("שלום"));
	canvas_far(&f, 0, 8, 12, STYLE_PLAIN, bytes_str("12"));
	assert_row(&f, 0, "12            םולש");
	canvas_paragraph(&f, 1, 1, 18, STYLE_PLAIN, bytes_str("abc."), false);
	assert_row(&f, 1, " abc.");
	canvas_received(&f, 2, 1, 18, STYLE_PLAIN, bytes_str("abc."));
	assert_row(&f, 2, "               abc.");
	assert_true(canvas_begin(&f, 1, 1, true, true));
	canvas_free(&f);
}

/* ---- wrapped text ---- */

static void assert_page(int width, const char *text, const char *wanted)
{
	struct page p = {.lines = NULL};
	struct buffer got = BUFFER_INIT;

	page_begin(&p, width);
	page_text(&p, STYLE_PLAIN, bytes_str(text));
	for (size_t i = 0; i < p.count; i++) {
		struct bytes line = bytes_of(p.text.data + p.lines[i].at, p.lines[i].len);

		assert_in_range(cells_width(line), 0, width > 4 ? width : 4);
		buffer_add(&got, line.data, line.len);
		buffer_add_u8(&got, '|');
	}
	assert_string_equal(buffer_str(&got), wanted);
	buffer_free(&got);
	page_free(&p);
}

static void test_page(void **state)
{
	(void)state;
	assert_page(10, "one two three", "one two|three|");
	assert_page(7, "one two three", "one two|three|");
	assert_page(10, "a\n\nb\n\n", "a||b|");
	assert_page(10, "", "");
	assert_page(5, "onelongword and", "onelo|ngwor|d and|");
	assert_page(12, "> one two three", "> one two|> three|");
	assert_page(12, "> > one two three", "> > one two|> > three|");
	assert_page(6, "两次会议之间", "两次会|议之间|");
	assert_page(10, "a\tb", "a       b|");
	assert_page(10, "x\u2028y", "x|y|");
	assert_page(4, "> > > > > > deep", "> >|> >|> >|deep|");
	assert_page(1, "两次", "两次|");
	assert_page(20, "\033]0;title\007", "\ufffd]0;title\ufffd|");
}

/* A line of nothing but TABs and letters, as long as a message may be, takes no second. */
static void test_page_tabs(void **state)
{
	struct page p = {.lines = NULL};
	struct buffer text = BUFFER_INIT;
	clock_t began = clock();

	(void)state;
	assert_page(40, "a\tb\u00e9\u6c34\tc", "a       b\u00e9\u6c34    c|");
	for (int i = 0; i < 50000; i++)
		buffer_add_str(&text, "a\t");
	page_begin(&p, 40);
	page_text(&p, STYLE_PLAIN, buffer_bytes(&text));
	assert_true(p.count > 1000);
	assert_true(clock() - began < 5 * CLOCKS_PER_SEC);
	page_free(&p);
	buffer_free(&text);
}

/* Our own lines keep their indent when they are folded. */
static void test_page_indent(void **state)
{
	struct page p = {.lines = NULL};

	(void)state;
	page_begin(&p, 12);
	page_words(&p, STYLE_PLAIN, "    one two three");
	assert_int_equal(p.count, 2);
	assert_memory_equal(p.text.data + p.lines[1].at, "    three", 9);
	assert_int_equal(p.lines[1].style, STYLE_PLAIN);
	page_begin(&p, 6);
	page_words(&p, STYLE_PLAIN, "    abc");
	assert_int_equal(p.count, 2); /* too narrow for it */
	page_free(&p);
}

static void test_page_directions(void **state)
{
	struct page p = {.lines = NULL};
	struct canvas f = {.cells = NULL};

	(void)state;
	page_begin(&p, 10);
	page_text(&p, STYLE_PLAIN, bytes_str("> שלום לך שם\nabc"));
	assert_int_equal(p.count, 3);
	assert_true(p.lines[0].rtl && p.lines[1].rtl && !p.lines[2].rtl);
	assert_int_equal(p.lines[0].style, STYLE_FAINT);
	assert_int_equal(p.lines[2].style, STYLE_PLAIN);
	assert_true(canvas_begin(&f, 3, 12, false, true));
	page_draw(&p, &f, 0, 1, 3, 0);
	assert_row(&f, 0, "  ךל םולש <");
	assert_row(&f, 1, "       םש <");
	assert_row(&f, 2, " abc");
	assert_true(canvas_begin(&f, 2, 12, false, true));
	page_draw(&p, &f, 0, 1, 2, 2);
	assert_row(&f, 0, " abc");
	assert_row(&f, 1, "");
	canvas_free(&f);
	page_free(&p);
}

/* ---- lists ---- */

static void test_list(void **state)
{
	struct list l = {.height = 5};

	(void)state;
	list_resize(&l, 20, 5);
	assert_false(list_move(&l, -1));
	assert_true(list_move(&l, 7));
	assert_int_equal(l.selected, 7);
	assert_int_equal(l.top, 3);
	list_resize(&l, 20, 3); /* a smaller screen: it is still there */
	assert_in_range(l.selected - l.top, 0, 2);
	assert_true(list_move(&l, 1000));
	assert_int_equal(l.selected, 19);
	assert_int_equal(l.top, 17);
	assert_false(list_move(&l, 1));
	list_resize(&l, 20, 10); /* a larger one: no blank lines */
	assert_int_equal(l.top, 10);
	list_resize(&l, 4, 10);
	assert_int_equal(l.selected, 3);
	assert_int_equal(l.top, 0);
	list_resize(&l, 0, 10);
	assert_int_equal(l.selected, 0);
	assert_false(list_move(&l, 1));
	assert_false(list_move(&l, -1));
	/* what comes above moves what is selected down with it */
	list_resize(&l, 10, 4);
	list_select(&l, 5);
	list_inserted(&l, 2);
	assert_int_equal(l.selected, 6);
	list_inserted(&l, 9);
	assert_int_equal(l.selected, 6);
	/* but who looks at the head of a list sees it */
	list_select(&l, 0);
	list_inserted(&l, 0);
	assert_int_equal(l.selected, 0);
	/* a text */
	l = (struct list){.count = 10, .height = 4};
	assert_false(list_at_end(&l));
	assert_true(list_scroll(&l, 100));
	assert_int_equal(l.top, 6);
	assert_true(list_at_end(&l));
	assert_false(list_scroll(&l, 1));
	assert_true(list_scroll(&l, -2));
	assert_int_equal(l.top, 4);
	l = (struct list){.count = 2, .height = 4};
	assert_false(list_scroll(&l, 1));
	assert_true(list_at_end(&l));
}

/* ---- trees ---- */

struct depths {
	const unsigned *list;
	unsigned times[10], new_time;
};

static unsigned depth_of(const void *ctx, size_t at)
{
	return ((const struct depths *)ctx)->list[at];
}

static bool is_later(const void *ctx, size_t at)
{
	const struct depths *d = ctx;

	return d->times[at] > d->new_time;
}

static void test_tree(void **state)
{
	static const unsigned deep[] = {0, 1, 2, 2, 1, 2, 3};
	static const char *const branches[] = {"", "├ ", "│ ├ ", "│ └ ", "└ ", "  └ ", "    └ "};
	struct depths d = {deep, {0, 10, 11, 12, 20, 21, 22}, 0};
	struct buffer text = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		buffer_reset(&text);
		tree_branches(&text, depth_of, &d, 7, i, 20);
		assert_string_equal(buffer_str(&text), branches[i]);
	}
	buffer_reset(&text);
	tree_branches(&text, depth_of, &d, 7, 6, 4);
	assert_string_equal(buffer_str(&text), "… └ ");
	assert_int_equal(tree_end(depth_of, &d, 7, 0), 7);
	assert_int_equal(tree_end(depth_of, &d, 7, 1), 4);
	assert_int_equal(tree_end(depth_of, &d, 7, 6), 7);
	d.new_time = 30;
	assert_int_equal(tree_place(depth_of, &d, 7, 0, is_later), 7);
	d.new_time = 15;
	assert_int_equal(tree_place(depth_of, &d, 7, 0, is_later), 4);
	d.new_time = 5;
	assert_int_equal(tree_place(depth_of, &d, 7, 0, is_later), 1);
	assert_int_equal(tree_place(depth_of, &d, 7, 3, is_later), 4);
	buffer_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells), cmocka_unit_test(test_any),
	    cmocka_unit_test(test_canvas), cmocka_unit_test(test_page),
	    cmocka_unit_test(test_page_tabs), cmocka_unit_test(test_list),
	    cmocka_unit_test(test_page_indent), cmocka_unit_test(test_page_directions),
	    cmocka_unit_test(test_list), cmocka_unit_test(test_tree)};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
