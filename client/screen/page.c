/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define TAB_COLUMNS 8
#define QUOTE_MAX \
	32 /* bytes of "> > ", or of our indent, that are set before a folded line again */

void page_begin(struct page *p, int width)
{
	p->width = width > 4 ? width : 4;
	p->count = 0;
	p->failed = false;
	buffer_reset(&p->text);
}

void page_free(struct page *p)
{
	buffer_free(&p->text);
	free(p->lines);
	*p = (struct page){.lines = NULL};
}

static void line_add(
    struct page *p, enum style style, struct bytes lead, struct bytes text, bool rtl, bool ours)
{
	struct page_line *lines = p->lines;

	if ((p->count & (p->count + 1)) == 0)
		lines = realloc(p->lines, 2 * (p->count + 1) * sizeof *lines);
	if (!lines || p->text.failed) {
		p->failed = true;
		return;
	}
	p->lines = lines;
	lines[p->count++] = (struct page_line){
	    p->text.len, lead.len + text.len, (uint8_t)style, rtl, ours};
	buffer_add(&p->text, lead.data, lead.len);
	buffer_add(&p->text, text.data, text.len);
}

/* The length of "> > " at the beginning. */
static size_t quote_length(struct bytes line)
{
	size_t i = 0;

	if (line.len == 0 || line.data[0] != '>')
		return 0;
	while (i < line.len && i < QUOTE_MAX &&
	       (line.data[i] == '>' || (line.data[i] == ' ' && line.data[i - 1] == '>')))
		i++;
	return i;
}

static size_t indent_length(struct bytes line)
{
	size_t i = 0;

	while (i < line.len && i < QUOTE_MAX && line.data[i] == ' ')
		i++;
	return i;
}

/* One paragraph: into as many lines as it takes. */
static void fold(struct page *p, enum style style, struct bytes line, bool ours)
{
	struct bytes lead = bytes_of(line.data, ours ? indent_length(line) : quote_length(line));
	struct bytes rest = bytes_of(line.data + lead.len, line.len - lead.len);
	struct buffer breaks = BUFFER_INIT;
	bool rtl = text_is_rtl(rest);
	int width = p->width - (int)lead.len;
	size_t from = 0;

	if (width < 4) { /* deeper quoted than the screen is wide */
		lead.len = 0;
		rest = line;
		width = p->width;
	}
	if (!ours && lead.len > 0 && style == STYLE_PLAIN)
		style = STYLE_FAINT;
	text_breaks(&breaks, rest);
	do {
		struct bytes here = bytes_of(rest.data + from, rest.len - from);
		size_t fit = cells_fit(here, width), cut = fit;

		if (fit < here.len && breaks.len == rest.len) {
			/* Spaces at the end may stand over. */
			while (cut < here.len && here.data[cut] == ' ')
				cut++;
			if (cut < here.len)
				while (cut > 0 && !breaks.data[from + cut])
					cut--;
			if (cut == 0)
				cut = fit;
		}
		if (cut == 0 && here.len > 0)
			cut = here.len < 4 ? here.len : 4; /* wider than the screen */
		fit = cut;
		while (fit > 0 && cut < here.len && here.data[fit - 1] == ' ')
			fit--;
		line_add(p, style, lead, bytes_of(here.data, fit), rtl, ours);
		from += cut;
	} while (from < rest.len && !p->failed);
	buffer_free(&breaks);
}

/* How far a terminal moves for a TAB depends on where the line begins. */
static void untab(struct buffer *out, struct bytes line)
{
	size_t begin = 0, columns = 0;

	for (size_t i = 0; i < line.len; i++) {
		size_t stop;

		if (line.data[i] != '\t')
			continue;
		buffer_add(out, line.data + begin, i - begin);
		columns += (size_t)cells_width(bytes_of(line.data + begin, i - begin));
		stop = TAB_COLUMNS - columns % TAB_COLUMNS;
		buffer_printf(out, "%*s", (int)stop, "");
		columns += stop;
		begin = i + 1;
	}
	buffer_add(out, line.data + begin, line.len - begin);
}

static size_t line_length(struct bytes text, size_t *mark)
{
	size_t i;

	for (i = 0; i < text.len; i++) {
		const uint8_t *at = text.data + i;

		*mark = *at == '\n' ? 1 : 3;
		if (*at == '\n' ||
		    (*at == 0xe2 && text.len - i >= 3 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8))
			return i;
	}
	*mark = 0;
	return i;
}

static void text_add(struct page *p, enum style style, struct bytes text, bool ours)
{
	struct buffer safe = BUFFER_INIT, line = BUFFER_INIT;
	struct bytes rest;
	size_t mark = 0;

	text_block(&safe, text);
	while (safe.len > 0 && safe.data[safe.len - 1] == '\n')
		safe.len--;
	rest = buffer_bytes(&safe);
	while (rest.len > 0 && !p->failed) {
		size_t len = line_length(rest, &mark);

		buffer_reset(&line);
		untab(&line, bytes_of(rest.data, len));
		fold(p, style, buffer_bytes(&line), ours);
		rest = bytes_of(rest.data + len + mark, rest.len - len - mark);
	}
	p->failed |= safe.failed || line.failed;
	buffer_free(&safe);
	buffer_free(&line);
}

void page_text(struct page *p, enum style style, struct bytes text)
{
	text_add(p, style, text, false);
}

void page_words(struct page *p, enum style style, const char *text)
{
	text_add(p, style, bytes_str(text), true);
}

void page_printf(struct page *p, enum style style, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		p->failed = true;
		return;
	}
	page_words(p, style, text);
	free(text);
}

void page_blank(struct page *p)
{
	line_add(p, STYLE_PLAIN, bytes_of(NULL, 0), bytes_of(NULL, 0), false, true);
}

void page_draw(const struct page *p, struct canvas *f, int row, int column, int rows, size_t top)
{
	for (int i = 0; i < rows && top + (size_t)i < p->count; i++) {
		const struct page_line *l = &p->lines[top + (size_t)i];
		struct bytes text = bytes_of(p->text.data + l->at, l->len);
		enum style style = (enum style)l->style;

		if (l->ours)
			canvas_text(f, row + i, column, p->width, style, text);
		else
			canvas_paragraph(f, row + i, column, p->width, style, text, l->rtl);
	}
}
