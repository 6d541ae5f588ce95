/* SPDX-License-Identifier: BSD-2-Clause */
/* A message's text as HTML. There is no markup in it: paragraphs, quotations, what stands in
 * columns, a signature and links are seen from how people write mail. tests/vectors/text.json has
 * cases that script/text.js, which makes the preview, keeps to as well.
 *
 * - A blank line ends a paragraph. Lines that were folded by a mail program are joined: those that
 *   the next word would have made too long (FILL). Others are kept apart, as they were written.
 * - What begins with ">" is quoted. Of a quotation longer than QUOTE_LINES only a line is shown,
 *   which unfolds it.
 * - Lines that are indented or have columns are kept as they stand, in one width; what all of a
 *   paragraph are indented by is left out.
 * - "-- " begins a signature, and a long rule of underscores what a list puts below each mail.
 * - http:// and https:// become links, of ASCII only, shown whole: where one goes is what is read.
 *   Nothing is ever fetched: no images. */
#include <stdio.h>
#include <string.h>

#include "base/language.h"
#include "base/text.h"
#include "daemon/web/pages.h"

enum {
	FILL = 64,       /* columns; mail is folded at 65 to 80 */
	LONG = 100,      /* a longer line was not folded by a mail program */
	QUOTE_LINES = 6, /* shown without being asked for */
	QUOTE_DEPTH = 8, /* of nested quotations that are told apart */
	SIGNATURE_LINES = 15,
	RULE = 30, /* underscores */
};

struct line {
	struct bytes text; /* without what marks a quotation, and spaces at its end */
	unsigned depth;
};

struct lines {
	struct html h;
	struct bytes rest;
	unsigned open; /* blockquotes */
	bool folded;   /* and a <details> around them */
	bool ascii;    /* all of it: then a byte is a character */
};

/* ---- lines ---- */

static bool is_blank(const struct line *l)
{
	return l->text.len == 0;
}

static bool next_line(struct bytes *rest, struct line *out)
{
	struct bytes l = text_first_line(*rest);
	size_t at = 0;

	if (rest->len == 0)
		return false;
	*rest = l.len < rest->len ? bytes_of(rest->data + l.len + 1, rest->len - l.len - 1)
				  : bytes_of(NULL, 0);
	out->depth = 0;
	while (at < l.len && l.data[at] == '>') {
		out->depth++;
		at++;
		if (at + 1 < l.len && l.data[at] == ' ' && l.data[at + 1] == '>')
			at++;
	}
	if (out->depth > 0 && at < l.len && l.data[at] == ' ')
		at++;
	if (out->depth > QUOTE_DEPTH)
		out->depth = QUOTE_DEPTH;
	while (l.len > at && (l.data[l.len - 1] == ' ' || l.data[l.len - 1] == '\t'))
		l.len--;
	out->text = bytes_of(l.data + at, l.len - at);
	return true;
}

static size_t characters(struct bytes b)
{
	size_t n = 0;

	for (size_t i = 0; i < b.len; i++)
		n += (b.data[i] & 0xc0) != 0x80;
	return n;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes first_word(struct bytes b)
{
	size_t n = 0;

	while (n < b.len && !is_space(b.data[n]))
		n++;
	return bytes_of(b.data, n);
}

static bool begins(struct bytes b, const char *with)
{
	size_t n = strlen(with);

	return b.len >= n && memcmp(b.data, with, n) == 0;
}

static bool is_link(struct bytes b)
{
	return begins(b, "http://") || begins(b, "https://");
}

/* Whether the line begins an item of a list. */
static bool is_item(struct bytes b)
{
	size_t n = 0;

	if (begins(b, "- ") || begins(b, "* ") || begins(b, "+ ") || begins(b, "• "))
		return true;
	while (n < b.len && n < 3 && b.data[n] >= '0' && b.data[n] <= '9')
		n++;
	return n > 0 && n + 1 < b.len && (b.data[n] == '.' || b.data[n] == ')') &&
	       b.data[n + 1] == ' ';
}

/* Three spaces in a row from `from` on. Every third byte tells most of it. */
static bool has_gap(struct bytes b, size_t from)
{
	for (size_t i = from + 2; i < b.len;) {
		if (b.data[i] != ' ')
			i += 3;
		else if (b.data[i - 1] != ' ')
			i += 2;
		else if (b.data[i - 2] != ' ')
			i += 1;
		else
			return true;
	}
	return false;
}

/* Whether it stands in columns, or is indented. */
static bool is_laid_out(struct bytes b)
{
	size_t n = 0;

	if (begins(b, "\t") || begins(b, "  "))
		return true;
	while (n < b.len && is_space(b.data[n]))
		n++;
	return b.len > n && (memchr(b.data + n, '\t', b.len - n) || has_gap(b, n));
}

static size_t indent_of(struct bytes b)
{
	size_t n = 0;

	while (n < b.len && b.data[n] == ' ')
		n++;
	return n;
}

/* Han and its like are folded anywhere, and joined without a space: which it was can't be seen. */
static bool has_wide(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] >= 0xe3 && b.data[i] <= 0xed)
			return true;
	return false;
}

/* Whether a mail program broke the paragraph here. */
static bool is_folded(struct bytes line, struct bytes next, bool ascii)
{
	struct bytes word = first_word(next);
	size_t len;

	if (word.len == 0 || line.len + 1 + word.len <= FILL)
		return false;
	if (is_item(next) || (is_link(word) && is_link(line)))
		return false;
	if (ascii)
		return line.len <= LONG;
	len = characters(line);
	return len <= LONG && len + 1 + characters(word) > FILL && !has_wide(line) &&
	       !has_wide(word);
}

/* ---- links ---- */

/* What may stand in a URL, in ASCII. */
static bool in_link(uint8_t c)
{
	switch (c) {
	case '"':
	case '\'':
	case '<':
	case '>':
	case '\\':
	case '^':
	case '`':
	case '{':
	case '|':
	case '}':
		return false;
	default:
		return c > ' ' && c < 0x7f;
	}
}

static size_t link_length(struct bytes b)
{
	size_t n = 0, open = 0, shut = 0;

	while (n < b.len && in_link(b.data[n])) {
		open += b.data[n] == '(';
		shut += b.data[n] == ')';
		n++;
	}
	/* What ends a sentence isn't its, nor a bracket that it stands in. */
	while (n > 0) {
		uint8_t c = b.data[n - 1];

		if (c == ')' && shut > open)
			shut--;
		else if (!strchr(".,;:!?]*_", c))
			break;
		n--;
	}
	return n;
}

static bool in_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Where a link begins that has "://" here; NULL: none does. */
static const uint8_t *link_begins(const uint8_t *from, const uint8_t *at)
{
	size_t n = at - from >= 5 && memcmp(at - 5, "https", 5) == 0  ? 5
		   : at - from >= 4 && memcmp(at - 4, "http", 4) == 0 ? 4
								      : 0;

	return n > 0 && (at - n == from || !in_word(at[-(ptrdiff_t)n - 1])) ? at - n : NULL;
}

static void add_linked(struct html h, struct bytes b)
{
	const uint8_t *start = b.data, *end = b.data + b.len, *p = start;

	while (end - p > 3 && (p = memchr(p, ':', (size_t)(end - p - 3)))) {
		const uint8_t *link = p[1] == '/' && p[2] == '/' ? link_begins(start, p) : NULL;

		p += link ? 3 : 1;
		/* Only what becomes a link is measured: nothing is looked through twice. */
		if (!link || !in_word(*p))
			continue;
		size_t n = link_length(bytes_of(link, (size_t)(end - link)));

		html_bytes(h, bytes_of(start, (size_t)(link - start)));
		html(h, "<a rel=\"nofollow noopener\" dir=\"ltr\" href=\"%.*s\">%.*s</a>", (int)n,
		    (const char *)link, (int)n, (const char *)link);
		start = p = link + n;
	}
	html_bytes(h, bytes_of(start, (size_t)(end - start)));
}

/* ---- paragraphs ---- */

/* Write lines until a blank one or one of another depth: `first` has been taken off already. What
 * follows is in `*next`; false: nothing does. */
static bool add_paragraph(struct lines *t, struct line first, struct line *next)
{
	struct bytes ahead = t->rest;
	struct line l = first, n;
	size_t count = 1, laid_out = is_laid_out(first.text), indent = indent_of(first.text);
	bool more;

	while (next_line(&ahead, &n) && n.depth == first.depth && !is_blank(&n)) {
		count++;
		laid_out += is_laid_out(n.text);
		indent = indent_of(n.text) < indent ? indent_of(n.text) : indent;
	}
	bool pre = laid_out > 0 && 2 * laid_out >= count;
	buffer_add_str(t->h.out, pre ? "<pre dir=\"auto\">" : "<p dir=\"auto\">");
	for (;;) {
		/* What all are indented by says nothing. */
		if (pre)
			l.text = bytes_of(l.text.data + indent, l.text.len - indent);
		add_linked(t->h, l.text);
		more = next_line(&t->rest, &n);
		if (!more || n.depth != first.depth || is_blank(&n))
			break;
		if (pre)
			html(t->h, "\n");
		else if (is_folded(l.text, n.text, t->ascii))
			html(t->h, " ");
		else
			html(t->h, "<br>\n");
		l = n;
	}
	buffer_add_str(t->h.out, pre ? "</pre>\n" : "</p>\n");
	*next = n;
	return more;
}

/* ---- quotations ---- */

static size_t quoted_lines(const struct line *first, struct bytes rest)
{
	struct line l = *first;
	size_t n = 0;

	do
		n += !is_blank(&l);
	while (next_line(&rest, &l) && (l.depth > 0 || is_blank(&l)));
	return n;
}

static void quote_to(struct lines *t, const struct line *l)
{
	if (t->open == 0 && l->depth > 0) {
		size_t lines = quoted_lines(l, t->rest);

		t->folded = lines > QUOTE_LINES;
		if (t->folded) {
			char text[100];

			snprintf(text, sizeof text,
			    ngettext("%lu line quoted", "%lu lines quoted", lines),
			    (unsigned long)lines);
			html(t->h, "<details><summary>%s</summary>\n", text);
		}
	}
	for (; t->open < l->depth; t->open++)
		html(t->h, "<blockquote>\n");
	for (; t->open > l->depth; t->open--)
		html(t->h, "</blockquote>\n");
	if (t->open == 0 && t->folded) {
		html(t->h, "</details>\n");
		t->folded = false;
	}
}

/* ---- signatures ---- */

static bool is_rule(struct bytes l)
{
	size_t n = 0;

	while (n < l.len && l.data[n] == '_')
		n++;
	return n >= RULE && n == l.len;
}

/* Where what stands below a message begins; the length of the text if nothing does. */
static size_t signature_at(struct bytes text)
{
	size_t lines = 0, at = text.len, found = text.len;

	while (at > 0 && lines <= SIGNATURE_LINES) {
		size_t end = at;
		const uint8_t *nl = memrchr(text.data, '\n', at - 1);

		at = nl ? (size_t)(nl - text.data) + 1 : 0;
		struct bytes l = bytes_of(text.data + at, end - at);

		if (l.len > 0 && l.data[l.len - 1] == '\n')
			l.len--;
		if ((l.len == 3 && memcmp(l.data, "-- ", 3) == 0) || is_rule(l))
			found = at;
		lines++;
	}
	return found;
}

/* ---- all of it ---- */

static void add_blocks(struct html h, struct bytes text, bool ascii)
{
	struct lines t = {.h = h, .rest = text, .ascii = ascii};
	struct line l;
	bool more = next_line(&t.rest, &l);

	while (more) {
		if (is_blank(&l)) {
			/* Blank lines between two quotations of one depth are theirs. */
			more = next_line(&t.rest, &l);
			continue;
		}
		quote_to(&t, &l);
		more = add_paragraph(&t, l, &l);
	}
	quote_to(&t, &(struct line){.depth = 0});
}

static bool is_ascii(struct bytes b)
{
	uint8_t all = 0;

	for (size_t i = 0; i < b.len; i++)
		all |= b.data[i];
	return all < 0x80;
}

/* The head of a text that is too long, up to a line or a word. */
static struct bytes head_of(struct bytes text, size_t max)
{
	struct bytes head = text_head(text, max);

	if (head.len == text.len)
		return head;
	for (size_t back = 0; back < head.len && back < 1000; back++)
		if (head.data[head.len - 1 - back] == '\n')
			return bytes_of(head.data, head.len - back);
	return head;
}

bool text_html(struct html h, struct bytes text, size_t max)
{
	struct bytes head = head_of(text, max);
	struct buffer clean = BUFFER_INIT;

	text_block(&clean, head);
	struct bytes all = buffer_bytes(&clean);
	size_t signature = head.len == text.len ? signature_at(all) : all.len;
	bool ascii = is_ascii(all);

	h.out->failed |= clean.failed;
	add_blocks(h, bytes_of(all.data, signature), ascii);
	if (signature < all.len) {
		html(h, "<div class=\"sig\">\n");
		add_blocks(h, bytes_of(all.data + signature, all.len - signature), ascii);
		html(h, "</div>\n");
	}
	buffer_free(&clean);
	return head.len == text.len;
}
