/* SPDX-License-Identifier: BSD-2-Clause */
/* What pages are made of: names, remarks, numbers. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "daemon/web/pages.h"

enum { NAME_BYTES = 96, EXCERPT = 280 };

void hex_id(char out[static ID_HEX], const uint8_t id[static ID_LEN])
{
	hex_encode(out, id, ID_LEN);
}

/* ---- small things ---- */

void page_lang(struct html h, struct bytes tag)
{
	if (lang_valid(tag))
		html(h, " lang=\"%.*s\"", (int)tag.len, (const char *)tag.data);
}

void page_size(struct html h, uint64_t bytes)
{
	char text[64];

	if (bytes < 1000)
		snprintf(text, sizeof text,
		    /* Translators: a size, in bytes. */
		    ngettext("%lu byte", "%lu bytes", bytes), (unsigned long)bytes);
	else if (bytes < 1000000)
		/* Translators: a size, in thousands of bytes. */
		snprintf(text, sizeof text, _("%lu kB"), (unsigned long)((bytes + 500) / 1000));
	else
		/* Translators: a size, in millions of bytes, with one decimal. */
		snprintf(text, sizeof text, _("%lu.%lu MB"),
		    (unsigned long)((bytes + 50000) / 1000000),
		    (unsigned long)((bytes + 50000) / 100000 % 10));
	html_text(h, text);
}

void page_counts(struct html h, uint64_t posts, uint64_t threads)
{
	char text[120];

	if (posts == 0) {
		html(h, "%s", _("No messages yet"));
		return;
	}
	snprintf(text, sizeof text, ngettext("%llu message", "%llu messages", (unsigned long)posts),
	    (unsigned long long)posts);
	html(h, "<bdi>%s</bdi><span class=\"sep\"> · </span>", text);
	snprintf(text, sizeof text, ngettext("%llu thread", "%llu threads", (unsigned long)threads),
	    (unsigned long long)threads);
	html(h, "<bdi>%s</bdi>", text);
}

/* Whether a word is one of a program's: a field of a search, the beginning of an invite, a day. */
static bool is_typed(const char *word, size_t len)
{
	static const char *const names[] = {
	    "convene://", "convene-device:", "by:", "lang:", "since:", "topic:", "until:"};
	const char *colon = memchr(word, ':', len);
	bool day = len == 10, name = false;

	for (size_t i = 0; day && i < len; i++)
		day = i == 4 || i == 7 ? word[i] == '-' : word[i] >= '0' && word[i] <= '9';
	for (size_t i = 0; !name && i < sizeof names / sizeof names[0]; i++)
		name = len == strlen(names[i]) && memcmp(word, names[i], len) == 0;
	return day || name || (colon && colon + 1 < word + len);
}

void page_prose(struct html h, const char *text)
{
	while (*text) {
		size_t word = strspn(text, " "), len;

		html_bytes(h, bytes_of(text, word));
		text += word;
		for (len = 0; text[len] > ' ' && text[len] < 0x7f;)
			len++;
		for (word = len; word > 0 && strchr(".,;!?)", text[word - 1]);)
			word--;
		if (is_typed(text, word))
			html(h, "<code dir=\"ltr\">%.*s</code>", (int)word, text);
		else
			html_bytes(h, bytes_of(text, word));
		text += word;
		/* What is left of the word, and what isn't ASCII behind it. */
		for (len -= word; text[len] && (text[len] < ' ' || (uint8_t)text[len] >= 0x7f);)
			len++;
		html_bytes(h, bytes_of(text, len));
		text += len;
	}
}

void page_excerpt(struct html h, struct bytes text)
{
	struct buffer line = BUFFER_INIT;
	struct bytes rest = text_head(text, 16 * EXCERPT);

	while (rest.len > 0 && line.len <= EXCERPT) {
		struct bytes l = text_first_line(rest);

		rest = l.len < rest.len ? bytes_of(rest.data + l.len + 1, rest.len - l.len - 1)
					: bytes_of(NULL, 0);
		if (l.len > 0 && l.data[l.len - 1] == '\r')
			l.len--;
		if (l.len == 3 && memcmp(l.data, "-- ", 3) == 0)
			break;
		if (l.len == 0 || l.data[0] == '>')
			continue;
		if (line.len > 0)
			buffer_add_u8(&line, ' ');
		buffer_add(&line, l.data, l.len);
	}
	h.out->failed |= line.failed;
	html_short(h, buffer_bytes(&line), line.len > EXCERPT ? EXCERPT : line.len);
	buffer_free(&line);
}

void page_contact(struct html h, const struct conf *c)
{
	const char *to = c->web.contact;

	html(h, "<a dir=\"ltr\" href=\"%s\">%s</a>", to,
	    strncmp(to, "mailto:", 7) == 0 ? to + 7 : to);
}

void page_remark(struct html h, const char *kind, const char *text)
{
	html(h, "<p class=\"remark %s\">%s</p>\n", kind, text);
}

void page_uncarried(struct html h, struct request *q)
{
	const char *name;

	for (size_t i = 0; (name = reader_uncarried(q->reader, i)); i++) {
		char text[300];

		snprintf(text, sizeof text,
		    _("This node does not carry what is written at %s: it is missing here."), name);
		page_remark(h, "without", text);
	}
}

const char *page_missing(const struct message_shown *m)
{
	return m->left_out ? _("The text stands on a page of its own: this one has become long.")
			   : _("The text is not here yet.");
}

struct bytes message_subject(const struct message_shown *m)
{
	return m->state == TEXT_HERE ? m->content.subject : bytes_of(NULL, 0);
}

static struct bytes without_re(struct bytes s)
{
	while (s.len >= 3 && (s.data[0] | 0x20) == 'r' && (s.data[1] | 0x20) == 'e' &&
	       s.data[2] == ':') {
		s = bytes_of(s.data + 3, s.len - 3);
		while (s.len > 0 && s.data[0] == ' ')
			s = bytes_of(s.data + 1, s.len - 1);
	}
	return s;
}

bool subject_same(struct bytes a, struct bytes b)
{
	return bytes_equal(without_re(a), without_re(b));
}

/* ---- who ---- */

static bool is_around(uint8_t c)
{
	return c == ' ' || c == '"' || c == '<' || c == '\t';
}

static struct bytes name_trim(struct bytes b)
{
	while (b.len > 0 && is_around(b.data[0]))
		b = bytes_of(b.data + 1, b.len - 1);
	while (b.len > 0 && is_around(b.data[b.len - 1]))
		b.len--;
	return b;
}

/* The part of an archive's "Name <address>" or "address (Name)" that says who it was. Addresses
 * aren't shown: they are others', and would be collected. */
struct bytes archived_name(struct bytes author)
{
	const uint8_t *p = author.data;
	size_t n = author.len;
	const uint8_t *angle = n > 0 ? memchr(p, '<', n) : NULL, *open;

	if (angle && angle > p) {
		n = (size_t)(angle - p);
	} else if (n > 0 && (open = memchr(p, '(', n)) && p[n - 1] == ')') {
		n = (size_t)(p + n - 1 - (open + 1));
		p = open + 1;
	}
	struct bytes name = name_trim(bytes_of(p, n));
	const uint8_t *at = name.len > 0 ? memchr(name.data, '@', name.len) : NULL;

	if (!at)
		return name;
	/* An address within it: what stands before that word, or else before the sign. */
	for (n = (size_t)(at - name.data); n > 0 && name.data[n - 1] != ' ';)
		n--;
	struct bytes before = name_trim(bytes_of(name.data, n));
	return before.len > 0 ? before : bytes_of(name.data, (size_t)(at - name.data));
}

static void add_author(struct html h, const struct author *a)
{
	if (*a->name)
		html_short(h, bytes_str(a->name), NAME_BYTES);
	else if (*a->handle)
		html_line(h, bytes_str(a->handle));
	else if (a->device)
		html(h, "%s", _("somebody"));
	else
		html(h, "%s", a->organisation);
}

void page_address_of(struct html h, const struct author *a)
{
	if (*a->handle) {
		html(h, "<span class=\"at\" dir=\"ltr\">");
		html_line(h, bytes_str(a->handle));
		html(h, "@%s</span>", a->organisation);
	} else {
		html(h, "<span class=\"at\" dir=\"ltr\">%s</span>", a->organisation);
	}
}

/* A link to what somebody wrote, up to its text. */
static void begin_author(struct html h, const struct request *q, const struct author *a)
{
	char hex[2 * IDENTITY_LEN + 1];

	hex_encode(hex, a->identity, IDENTITY_LEN);
	html(h, "<a class=\"who\"");
	page_href(h, q, "/by/%s/%s", a->organisation, hex);
	html(h, ">");
}

void page_author_link(struct html h, const struct request *q, const struct author *a)
{
	if (!a->device) {
		html(h, "<b class=\"who\"><bdi>%s</bdi></b>", a->organisation);
		return;
	}
	begin_author(h, q, a);
	html(h, "<bdi>");
	add_author(h, a);
	html(h, "</bdi></a> ");
	page_address_of(h, a);
}

void page_writer(struct html h, const struct request *q, const struct message_shown *m)
{
	const struct author *a = &m->row.author;
	struct buffer room = BUFFER_INIT;
	struct bytes name;
	size_t at;

	if (m->state != TEXT_HERE || !m->content.imported.present) {
		page_author_link(h, q, a);
		return;
	}
	name = archived_name(m->content.imported.author);
	html(h, "<b class=\"who\"><bdi>");
	if (name.len > 0)
		html_short(h, name, NAME_BYTES);
	else
		html(h, "%s", _("somebody"));
	html(h, "</bdi></b> <span class=\"archived\">");
	at = h.out->len;
	if (a->device)
		begin_author(h, q, a);
	page_address_of(h, a);
	if (a->device)
		html(h, "</a>");
	struct html_piece by = html_cut(h, at, &room);
	/* Translators: %s is who put an old message of an archive here. */
	html_sentence(h, _("archived by %s"), &by, 1);
	html(h, "</span>");
	buffer_free(&room);
}

void page_writer_name(struct html h, const struct author *a, struct bytes archived_author)
{
	struct bytes name = archived_name(archived_author);

	html(h, "<bdi>");
	if (name.len > 0)
		html_short(h, name, NAME_BYTES);
	else
		add_author(h, a);
	html(h, "</bdi>");
}

/* Who archived it, at the end of what was built. */
static void add_archived_by(struct html h, const struct author *a, bool text)
{
	struct buffer room = BUFFER_INIT;
	size_t at = h.out->len;

	if (!text)
		page_address_of(h, a);
	else if (*a->handle) {
		html_line(h, bytes_str(a->handle));
		html(h, "@%s", a->organisation);
	} else {
		html(h, "%s", a->organisation);
	}
	struct html_piece by = html_cut(h, at, &room);
	html_sentence(h, _("archived by %s"), &by, 1);
	buffer_free(&room);
}

void page_writer_short(struct html h, const struct author *a, struct bytes archived_author)
{
	page_writer_name(h, a, archived_author);
	if (archived_name(archived_author).len == 0)
		return;
	html(h, " <span class=\"archived\">");
	add_archived_by(h, a, false);
	html(h, "</span>");
}

void page_writer_text(struct html h, const struct author *a, struct bytes archived_author)
{
	struct bytes name = archived_name(archived_author);

	if (name.len > 0) {
		html_short(h, name, 200);
		html(h, " (");
		add_archived_by(h, a, true);
		html(h, ")");
	} else if (*a->name) {
		html_line(h, bytes_str(a->name));
	} else if (*a->handle) {
		html_line(h, bytes_str(a->handle));
		html(h, "@%s", a->organisation);
	} else {
		html(h, "%s", a->organisation);
	}
}
