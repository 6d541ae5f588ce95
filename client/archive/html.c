/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of an HTML mail, through libxml2's SAX parser: no tree is built. */
#include <string.h>
#include <strings.h>

#include <libxml/HTMLparser.h>

#include "base/error.h"
#include "client/archive/inside.h"

/* libxml2 looks through all open elements at each end tag, and compares each attribute with those
 * before it. What is nested deeper than this isn't read; attributes don't reach it. */
enum { OPEN_MAX = 512, PIECE = 65536 };

struct words {
	struct buffer *out;
	size_t begin;      /* of what this document gives */
	unsigned hidden;   /* depth inside elements without words */
	unsigned pre;      /* depth inside elements that keep their spaces */
	unsigned open;     /* elements */
	unsigned newlines; /* owed before the next word */
	bool space;        /* likewise */
	xmlParserCtxtPtr ctxt;
};

static bool name_among(const xmlChar *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcasecmp((const char *)name, *list) == 0)
			return true;
	return false;
}

static bool is_hidden(const xmlChar *name)
{
	static const char *const list[] = {
	    "head", "script", "style", "title", "template", "noframes", NULL};
	return name_among(name, list);
}

static bool is_pre(const xmlChar *name)
{
	static const char *const list[] = {"pre", "textarea", "listing", NULL};
	return name_among(name, list);
}

/* Line ends around an element. */
static unsigned block_lines(const xmlChar *name)
{
	static const char *const line[] = {"div", "li", "tr", "dt", "dd", "address", "center",
	    "form", "article", "section", "header", "footer", "nav", "main", "aside", "hr",
	    "option", "caption", NULL};
	static const char *const paragraph[] = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol",
	    "dl", "table", "blockquote", "pre", "listing", NULL};
	return name_among(name, paragraph) ? 2 : name_among(name, line) ? 1 : 0;
}

static void owe_lines(struct words *w, unsigned lines)
{
	if (w->newlines < lines)
		w->newlines = lines;
}

static void word_start(struct words *w)
{
	if (w->out->len > w->begin && w->newlines > 0)
		for (unsigned i = 0; i < w->newlines; i++)
			buffer_add_u8(w->out, '\n');
	else if (w->out->len > w->begin && w->space)
		buffer_add_u8(w->out, ' ');
	w->newlines = 0;
	w->space = false;
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
	struct words *w = data;
	(void)attributes;
	if (++w->open > OPEN_MAX)
		xmlStopParser(w->ctxt);
	w->hidden += is_hidden(name);
	w->pre += is_pre(name);
	owe_lines(w, block_lines(name));
	if (strcasecmp((const char *)name, "br") == 0 && w->newlines < 3)
		w->newlines++;
	if (strcasecmp((const char *)name, "td") == 0 || strcasecmp((const char *)name, "th") == 0)
		w->space = true;
}

static void on_end(void *data, const xmlChar *name)
{
	struct words *w = data;
	w->open -= w->open > 0;
	w->hidden -= is_hidden(name) && w->hidden > 0;
	w->pre -= is_pre(name) && w->pre > 0;
	owe_lines(w, block_lines(name));
}

static void on_text(void *data, const xmlChar *text, int len)
{
	struct words *w = data;
	if (w->hidden > 0)
		return;
	for (int i = 0; i < len; i++) {
		uint8_t c = text[i];
		if (c == '\n' && w->pre > 0)
			w->newlines++;
		else if (c == ' ' && w->pre > 0) {
			word_start(w);
			buffer_add_u8(w->out, c);
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			w->space = true;
		else {
			word_start(w);
			buffer_add_u8(w->out, c);
		}
	}
}

/* Where the tag that begins at `i` has its `>`, or the end. */
static size_t tag_end(struct bytes html, size_t i)
{
	uint8_t quote = 0;
	for (; i < html.len; i++) {
		uint8_t c = html.data[i];
		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if (c == '>')
			break;
		else if ((c == '"' || c == '\'') && html.data[i - 1] == '=')
			quote = c;
	}
	return i;
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Append with tags that have no attributes left, and without NUL, which would end it. */
static void strip_attributes(struct buffer *out, struct bytes html)
{
	for (size_t i = 0; i < html.len;) {
		const uint8_t *lt = memchr(html.data + i, '<', html.len - i);
		size_t at = lt != NULL ? (size_t)(lt - html.data) : html.len;
		buffer_add(out, html.data + i, at - i);
		i = at;
		if (at == html.len)
			break;
		size_t name = at + 1;
		if (name < html.len && html.data[name] == '/')
			name++;
		if (name == html.len || !is_letter(html.data[name])) {
			buffer_add_u8(out, '<');
			i = at + 1;
			continue;
		}
		while (name < html.len && strchr(" \t\r\n>/", html.data[name]) == NULL)
			name++;
		buffer_add(out, html.data + at, name - at);
		buffer_add_u8(out, '>');
		i = tag_end(html, name);
		i += i < html.len;
	}
}

int html_words(struct buffer *out, struct bytes html)
{
	struct buffer plain = BUFFER_INIT;
	struct words w = {.out = out, .begin = out->len};
	htmlSAXHandler sax = {
	    .startElement = on_start,
	    .endElement = on_end,
	    .characters = on_text,
	    .cdataBlock = on_text,
	    .ignorableWhitespace = on_text,
	};
	strip_attributes(&plain, html);
	w.ctxt = htmlCreatePushParserCtxt(&sax, &w, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (w.ctxt == NULL || plain.failed) {
		if (w.ctxt != NULL)
			htmlFreeParserCtxt(w.ctxt);
		buffer_free(&plain);
		return ERR_NOMEM;
	}
	htmlCtxtUseOptions(w.ctxt, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
				       HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	for (size_t i = 0; i < plain.len && w.open <= OPEN_MAX; i += PIECE) {
		size_t len = plain.len - i < PIECE ? plain.len - i : PIECE;
		htmlParseChunk(w.ctxt, (const char *)plain.data + i, (int)len, 0);
	}
	if (w.open <= OPEN_MAX)
		htmlParseChunk(w.ctxt, NULL, 0, 1);
	if (w.ctxt->myDoc != NULL)
		xmlFreeDoc(w.ctxt->myDoc);
	htmlFreeParserCtxt(w.ctxt);
	buffer_free(&plain);
	if (out->len > w.begin)
		buffer_add_u8(out, '\n');
	return out->failed ? ERR_NOMEM : OK;
}

void html_charset(char out[static 64], struct bytes html)
{
	size_t end = html.len < 2048 ? html.len : 2048, len = 0;
	out[0] = '\0';
	for (size_t i = 0; i + 8 < end; i++) {
		if (strncasecmp((const char *)html.data + i, "charset=", 8) != 0)
			continue;
		i += 8;
		while (i < end && (html.data[i] == '"' || html.data[i] == '\''))
			i++;
		while (i < end && len < 63 && html.data[i] > ' ' &&
		       strchr("\"';/>", html.data[i]) == NULL)
			out[len++] = (char)html.data[i++];
		break;
	}
	out[len] = '\0';
}
