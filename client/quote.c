/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/quote.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define LEVELS_MAX 30  /* more '>' than these count as text */
#define OVERHANG 2     /* columns that a line may be too long without being folded */
#define ROOM_MIN 20    /* columns, however deep the quotation */
#define AUTHOR_MAX 200 /* bytes */

/* ---- lines ---- */

/* Take the next line from `*text`, without its end. U+2028 and U+2029 end one as well: an editor
 * that shows a new line there would show it without a "> ". */
static struct bytes line_next(struct bytes *text)
{
	struct bytes line = {text->data, text->len};
	size_t skip = 0;

	for (size_t i = 0; i < text->len; i++) {
		const uint8_t *p = text->data + i;

		if (*p == '\n')
			skip = 1;
		else if (*p == 0xe2 && text->len - i >= 3 && p[1] == 0x80 &&
			 (p[2] == 0xa8 || p[2] == 0xa9))
			skip = 3;
		if (skip) {
			line.len = i;
			break;
		}
	}
	text->data += line.len + skip;
	text->len -= line.len + skip;
	return line;
}

static struct bytes without_end_space(struct bytes line)
{
	while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1]) &&
	       line.data[line.len - 1] != '\0')
		line.len--;
	return line;
}

/* Take the '>' from the front, with the spaces that people set between them. */
static size_t levels_take(struct bytes *line)
{
	size_t levels = 0, at = 0;

	while (levels < LEVELS_MAX) {
		size_t next = at + (levels > 0 && at < line->len && line->data[at] == ' ');

		if (next >= line->len || line->data[next] != '>')
			break;
		levels++;
		at = next + 1;
	}
	at += levels > 0 && at < line->len && line->data[at] == ' ';
	line->data += at;
	line->len -= at;
	return levels;
}

/* ---- quoting ---- */

/* A piece of a line behind its levels, its direction marks paired anew: the line that it was cut
 * from had them paired as a whole. */
static void piece_add(struct buffer *out, size_t levels, struct bytes piece)
{
	for (size_t i = 0; i < levels; i++)
		buffer_add_u8(out, '>');
	piece = without_end_space(piece);
	if (piece.len > 0) {
		buffer_add_u8(out, ' ');
		text_block(out, piece);
	}
	buffer_add_u8(out, '\n');
}

static void line_add(struct buffer *out, size_t levels, struct bytes line)
{
	struct buffer may = BUFFER_INIT;
	size_t begin = 0, end = 0, next, width = 0;
	size_t room = QUOTE_COLUMNS > levels + 1 + ROOM_MIN ? QUOTE_COLUMNS - levels - 1 : ROOM_MIN;

	line = without_end_space(line);
	if (text_width(line) <= room + OVERHANG) {
		piece_add(out, levels, line);
		return;
	}
	text_breaks(&may, line);
	out->failed |= may.failed;
	for (; !may.failed && end < line.len; end = next) {
		struct bytes word;

		for (next = end + 1; next < line.len && !may.data[next];)
			next++;
		word = without_end_space(bytes_of(line.data + end, next - end));
		/* A word wider than the room, as a URL may be, gets a line of its own. */
		if (end > begin && width + text_width(word) > room) {
			piece_add(out, levels, bytes_of(line.data + begin, end - begin));
			begin = end;
			width = 0;
		}
		width += text_width(bytes_of(line.data + end, next - end));
	}
	piece_add(out, levels, bytes_of(line.data + begin, line.len - begin));
	buffer_free(&may);
}

/* Cut what follows the last "-- " that is not itself quoted, and empty lines at both ends. */
static struct bytes substance(struct bytes text)
{
	struct bytes rest = text, out = {text.data, 0};
	size_t signature = text.len;

	while (rest.len > 0) {
		size_t at = (size_t)(rest.data - text.data);
		struct bytes line = line_next(&rest);

		if (line.len == 3 && memcmp(line.data, "-- ", 3) == 0)
			signature = at;
	}
	rest = bytes_of(text.data, signature);
	while (rest.len > 0) {
		struct bytes line = line_next(&rest);

		if (without_end_space(line).len == 0)
			continue;
		if (out.len == 0)
			out.data = line.data;
		out.len = (size_t)(line.data + line.len - out.data);
	}
	return out;
}

static void attribution_add(struct buffer *out, struct bytes author, uint64_t time)
{
	char when[24];

	clock_format(when, time);
	if (time > 0 && strlen(when) >= 16) /* "2026-11-21 18:24 UTC" */
		buffer_printf(out, "On %.10s at %s, ", when, when + 11);
	if (author.len > 0)
		text_line(out, text_head(author, AUTHOR_MAX));
	else
		buffer_add_str(out, "somebody");
	if (author.len > AUTHOR_MAX)
		buffer_add_str(out, "…");
	buffer_add_str(out, " wrote:\n");
}

bool quote_add(struct buffer *out, struct bytes author, uint64_t time, struct bytes text)
{
	struct buffer plain = BUFFER_INIT;
	bool cut = text.len > QUOTE_MAX;
	struct bytes rest;

	text_block(&plain, text_head(text, QUOTE_MAX));
	out->failed |= plain.failed;
	rest = substance(buffer_bytes(&plain));
	if (rest.len == 0) {
		buffer_free(&plain);
		return false;
	}
	attribution_add(out, author, time);
	while (rest.len > 0) {
		struct bytes line = line_next(&rest);
		size_t levels = levels_take(&line);

		line_add(out, levels + 1, line);
	}
	if (cut)
		buffer_add_str(out, "> […]\n");
	buffer_free(&plain);
	return true;
}

bool quote_untouched(struct bytes quotation, struct bytes written)
{
	while (written.len > 0) {
		struct bytes line = without_end_space(line_next(&written));
		bool found = line.len == 0;

		while (!found && quotation.len > 0)
			found = bytes_equal(without_end_space(line_next(&quotation)), line);
		if (!found)
			return false;
	}
	return true;
}

struct bytes quote_own_line(struct bytes text)
{
	while (text.len > 0) {
		struct bytes line = line_next(&text);

		if (without_end_space(line).len > 0 && line.data[0] != '>' &&
		    (text.len == 0 || text.data[0] != '>'))
			return line;
	}
	return bytes_of(NULL, 0);
}
