/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/html.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* For each byte: 0, as it is; else which of `escapes` stands for it. Control characters would break
 * a page. */
static const char *const escapes[] = {NULL, REPLACEMENT, "&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
static const uint8_t escape_of[256] = {
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    ['\t'] = 0,
    ['\n'] = 0,
    [0x0b] = 1,
    1,
    1,
    1,
    1, /* 0x00 to 0x0f */
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1, /* 0x10 to 0x1f */
    ['&'] = 2,
    ['<'] = 3,
    ['>'] = 4,
    ['"'] = 5,
    ['\''] = 6,
};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
/* Has the highest bit of each byte that is 0; that of a byte above one may be set wrongly. */
#define ZEROS(word) (((word)-EACH(0x01)) & ~(word)&EACH(0x80))

/* How many of the next bytes, by eights, are certainly as they are. */
static size_t plain(const uint8_t *p, size_t len)
{
	size_t i = 0;

	for (uint64_t w; len - i >= sizeof w; i += sizeof w) {
		memcpy(&w, p + i, sizeof w);
		/* Below a space; ", and & or ', and < or >. */
		if ((((w - EACH(0x20)) & ~w) | ZEROS(w ^ EACH(0x22)) |
			ZEROS((w & EACH(0xfe)) ^ EACH(0x26)) |
			ZEROS((w & EACH(0xfd)) ^ EACH(0x3c))) &
		    EACH(0x80))
			break;
	}
	return i;
}

void html_bytes(struct html h, struct bytes text)
{
	size_t start = 0, i = 0;

	while (text.len > 0) {
		i += plain(text.data + i, text.len - i);
		for (size_t end = i + 8; i < text.len && i < end && !escape_of[text.data[i]]; i++)
			;
		if (i < text.len && !escape_of[text.data[i]])
			continue;
		buffer_add(h.out, text.data + start, i - start);
		if (i == text.len)
			return;
		buffer_add_str(h.out, escapes[escape_of[text.data[i]]]);
		start = ++i;
	}
}

void html_text(struct html h, const char *text)
{
	html_bytes(h, bytes_str(text));
}

void html_line(struct html h, struct bytes text)
{
	struct buffer line = BUFFER_INIT;

	text_line(&line, text);
	h.out->failed |= line.failed;
	html_bytes(h, buffer_bytes(&line));
	buffer_free(&line);
}

void html_short(struct html h, struct bytes text, size_t max)
{
	struct bytes head = text_head(text, max);

	html_line(h, head);
	if (head.len < text.len)
		buffer_add_str(h.out, "…");
}

static void add_number(struct html h, unsigned long long n)
{
	char digits[24];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	buffer_add(h.out, digits + at, sizeof digits - at);
}

static void add_int(struct html h, int n)
{
	if (n < 0)
		buffer_add_u8(h.out, '-');
	add_number(h, n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n);
}

void html_format(struct html h, const char *format, ...)
{
	const char *p = format, *next;
	va_list ap;

	va_start(ap, format);
	while ((next = strchr(p, '%'))) {
		buffer_add(h.out, p, (size_t)(next - p));
		p = next + 1;
		if (*p == 's') {
			html_text(h, va_arg(ap, const char *));
		} else if (strncmp(p, ".*s", 3) == 0) {
			int len = va_arg(ap, int);
			const char *text = va_arg(ap, const char *);

			if (len > 0)
				html_bytes(h, bytes_of(text, (size_t)len));
			p += 2;
		} else if (*p == 'd') {
			add_int(h, va_arg(ap, int));
		} else if (*p == 'u') {
			add_number(h, va_arg(ap, unsigned));
		} else if (strncmp(p, "llu", 3) == 0) {
			add_number(h, va_arg(ap, unsigned long long));
			p += 2;
		} else if (strncmp(p, "lu", 2) == 0) {
			add_number(h, va_arg(ap, unsigned long));
			p += 1;
		} else if (strncmp(p, "zu", 2) == 0) {
			add_number(h, va_arg(ap, size_t));
			p += 1;
		} else {
			assert(*p == '%');
			buffer_add_u8(h.out, '%');
		}
		p++;
	}
	buffer_add_str(h.out, p);
	va_end(ap);
}

/* Translations are written by people: what is none of %s, %1$s … %9$s stays as it stands. */
void html_sentence(
    struct html h, const char *sentence, const struct html_piece *pieces, size_t count)
{
	const char *p = sentence, *next;
	size_t in_order = 0;

	while ((next = strchr(p, '%'))) {
		size_t which = count;

		html_bytes(h, bytes_of(p, (size_t)(next - p)));
		if (next[1] == 's') {
			which = in_order++;
			p = next + 2;
		} else if (next[1] >= '1' && next[1] <= '9' && next[2] == '$' && next[3] == 's') {
			which = (size_t)(next[1] - '1');
			p = next + 4;
		} else {
			buffer_add_u8(h.out, '%');
			p = next + (next[1] == '%' ? 2 : 1);
		}
		if (which < count)
			buffer_add(h.out, pieces[which].html.data, pieces[which].html.len);
	}
	html_text(h, p);
}

struct html_piece html_cut(struct html h, size_t from, struct buffer *room)
{
	assert(from <= h.out->len || h.out->failed);
	buffer_reset(room);
	if (from <= h.out->len) {
		buffer_add(room, h.out->data + from, h.out->len - from);
		h.out->len = from;
	}
	h.out->failed |= room->failed;
	return (struct html_piece){buffer_bytes(room)};
}

void html_encode(struct html h, struct bytes text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~') {
			buffer_add_u8(h.out, c);
		} else {
			buffer_add_u8(h.out, '%');
			buffer_add_u8(h.out, (uint8_t)hex[c >> 4]);
			buffer_add_u8(h.out, (uint8_t)hex[c & 15]);
		}
	}
}
