/* SPDX-License-Identifier: BSD-2-Clause */
/* Feeds (Atom, RFC 4287): of the forum, a topic, a thread, an author. Ids are hashes (RFC 6920), so
 * that the same message is the same entry in the feeds of every node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/author.h"
#include "daemon/web/pages.h"
#include "daemon/web/thread_rows.h"

enum { ENTRY_TEXT = 8 << 10, FEED_TEXTS = 192 << 10 };

struct feed {
	struct html h;
	struct request *q;
	struct message_shown m, root;
	const uint8_t *thread; /* of a thread alone */
	size_t count;
	struct buffer head; /* everything before the first entry but <updated> */
	uint64_t updated;
};

static void add_ni(struct html h, const uint8_t id[static ID_LEN])
{
	char text[BASE64_LEN(ID_LEN) + 1];

	base64url_encode(text, id, ID_LEN);
	html(h, "ni:///sha-256;%s", text);
}

static void add_person(struct html h, const struct message_shown *m)
{
	html(h, "<author><name>");
	page_writer_text(h, &m->row.author,
	    m->state == TEXT_HERE ? m->content.imported.author : bytes_of(NULL, 0));
	html(h, "</name></author>\n");
}

static void add_title(struct feed *f)
{
	struct bytes s = message_subject(&f->m);
	bool reply = false;

	if (s.len == 0 && memcmp(f->m.row.thread, f->m.row.id, ID_LEN) != 0 &&
	    reader_message_by_id(f->q->reader, f->m.row.thread, &f->root) == OK) {
		s = message_subject(&f->root);
		reply = s.len > 0 && !(s.len > 2 && memcmp(s.data, "Re:", 3) == 0);
	}
	html(f->h, "<title>");
	if (s.len > 0) {
		html(f->h, "%s", reply ? "Re: " : "");
		html_short(f->h, s, SUBJECT_SHOWN);
	} else {
		html(f->h, "%s", _("A message"));
	}
	html(f->h, "</title>\n");
}

/* The text as HTML, which is text of the feed: escaped once more. */
static void add_content(struct feed *f)
{
	const struct message_shown *m = &f->m;
	struct buffer inner = BUFFER_INIT;
	struct html h = {&inner};
	size_t max = f->h.out->len > FEED_TEXTS ? 512 : ENTRY_TEXT;

	if (m->state == TEXT_HERE)
		text_html(h, m->content.text, max);
	else
		html(h, "<p>%s</p>",
		    m->state == TEXT_ERASED   ? _("The text was erased.")
		    : m->state == TEXT_HIDDEN ? _("Hidden at this node by who runs it.")
					      : page_missing(m));
	html(f->h, "<content type=\"html\"");
	struct bytes lang = m->amended.given ? m->amended.header.lang : m->header.lang;
	if (m->state == TEXT_HERE && lang_valid(lang))
		html(f->h, " xml:lang=\"%.*s\"", (int)lang.len, (const char *)lang.data);
	html(f->h, ">");
	html_bytes(f->h, buffer_bytes(&inner));
	html(f->h, "</content>\n");
	f->h.out->failed |= inner.failed;
	buffer_free(&inner);
}

static int entry_add(void *ctx, const struct item_row *row)
{
	struct feed *f = ctx;
	char iso[25], hex[ID_HEX], path[100];
	int err;

	if (row->kind != KIND_POST && row->kind != KIND_TOPIC)
		return OK;
	err = reader_message(f->q->reader, row, &f->m);
	if (err)
		return err;
	uint64_t updated = f->m.amended.given  ? f->m.amended.header.time
			   : f->m.erased.given ? f->m.erased.header.time
					       : f->m.header.time;

	hex_id(hex, row->id);
	snprintf(path, sizeof path, "/m/%s", hex);
	html(f->h, "<entry>\n<id>");
	add_ni(f->h, row->id);
	html(f->h, "</id>\n");
	add_title(f);
	page_iso(iso, updated);
	html(f->h, "<updated>%s</updated>\n", iso);
	page_iso(iso, f->m.header.time);
	html(f->h, "<published>%s</published>\n", iso);
	add_person(f->h, &f->m);
	html(f->h, "<link rel=\"alternate\" type=\"text/html\" href=\"");
	page_address(f->h, f->q, path);
	html(f->h, "\"/>\n");
	add_content(f);
	html(f->h, "</entry>\n");
	if (updated > f->updated)
		f->updated = updated;
	return ++f->count < FEED_ENTRIES ? OK : ERR_EXISTS;
}

/* `kind` and `id` make the id of the feed; the title is the forum's and what was found of its own.
 */
static void feed_begin(struct feed *f, struct answer *a, const char *kind, struct bytes id,
    const char *page_path_of, struct bytes title)
{
	char text[BASE64_LEN(ID_LEN) + 1], feed_path[300];
	struct html h;

	a->type = "application/atom+xml; charset=utf-8";
	reader_budget(f->q->reader, PAGE_CONTENTS);
	f->h.out = &a->body;
	h.out = &f->head;
	html(h,
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed "
	    "xmlns=\"http://www.w3.org/2005/Atom\" "
	    "xml:lang=\"%s\">\n<id>",
	    language_tag(f->q->language));
	if (id.len == ID_LEN) {
		base64url_encode(text, id.data, ID_LEN);
		html(h, "ni:///sha-256;%s?feed=%s</id>\n<title>", text, kind);
	} else {
		hex_encode(text, id.data, IDENTITY_LEN);
		html(h, "urn:uuid:%.*s-%.*s-%.*s-%.*s-%.*s</id>\n<title>", 8, text, 4, text + 8, 4,
		    text + 12, 4, text + 16, 12, text + 20);
	}
	if (title.len > 0) {
		html_short(h, title, SUBJECT_SHOWN);
		html(h, " · ");
	}
	html_line(h, bytes_str(web_node(f->q->web)->charter->name));
	html(h, "</title>\n<link rel=\"alternate\" type=\"text/html\" href=\"");
	page_address(h, f->q, page_path_of);
	snprintf(feed_path, sizeof feed_path, "%s%sfeed", page_path_of,
	    strcmp(page_path_of, "/") == 0 ? "" : "/");
	html(h, "\"/>\n<link rel=\"self\" type=\"application/atom+xml\" href=\"");
	page_address(h, f->q, feed_path);
	html(h, "\"/>\n<generator>convene</generator>\n");
}

static void feed_end(struct feed *f, struct answer *a, int err)
{
	char iso[25];
	struct buffer all = BUFFER_INIT;

	if (err && err != ERR_EXISTS) {
		a->type = NULL;
		page_failed(f->q, a, err);
	} else {
		page_iso(iso, f->updated);
		buffer_add(&all, f->head.data, f->head.len);
		html((struct html){&all}, "<updated>%s</updated>\n", iso);
		buffer_add(&all, a->body.data, a->body.len);
		html((struct html){&all}, "</feed>\n");
		all.failed |= f->head.failed || a->body.failed;
		buffer_free(&a->body);
		a->body = all;
	}
	buffer_free(&f->head);
	message_shown_clear(&f->m);
	message_shown_clear(&f->root);
}

void feed_all(struct request *q, struct answer *a)
{
	struct feed f = {.q = q};

	feed_begin(
	    &f, a, "forum", bytes_of(reader_forum(q->reader), HASH_LEN), "/", bytes_of(NULL, 0));
	feed_end(&f, a,
	    query_latest(
		reader_store(q->reader), UINT64_MAX, NULL, 3 * FEED_ENTRIES, entry_add, &f));
}

void feed_topic(struct request *q, struct answer *a)
{
	struct feed f = {.q = q};
	char hex[ID_HEX], path[100];
	int err = reader_message_by_id(q->reader, q->id, &f.m);
	bool here = err == OK;

	if (here && f.m.header.kind != KIND_TOPIC)
		err = ERR_NOTFOUND;
	hex_id(hex, q->id);
	snprintf(path, sizeof path, "/topic/%s", hex);
	if (err == OK)
		feed_begin(&f, a, "topic", bytes_of(q->id, ID_LEN), path, message_subject(&f.m));
	if (err == OK)
		err = query_latest(
		    reader_store(q->reader), UINT64_MAX, q->id, 3 * FEED_ENTRIES, entry_add, &f);
	feed_end(&f, a, err);
}

/* The newest of a thread, whatever their place in its tree. */
static int by_arrival(const void *a, const void *b)
{
	const struct item_row *x = a, *y = b;

	return x->arrival > y->arrival ? -1 : x->arrival < y->arrival;
}

struct newest {
	struct item_row rows[FEED_ENTRIES];
	size_t count;
};

static int newest_add(void *ctx, const struct item_row *row)
{
	struct newest *n = ctx;

	if (n->count < FEED_ENTRIES) {
		n->rows[n->count++] = *row;
		if (n->count == FEED_ENTRIES)
			qsort(n->rows, n->count, sizeof n->rows[0], by_arrival);
	} else if (row->arrival > n->rows[FEED_ENTRIES - 1].arrival) {
		size_t at = FEED_ENTRIES - 1;

		for (; at > 0 && n->rows[at - 1].arrival < row->arrival; at--)
			n->rows[at] = n->rows[at - 1];
		n->rows[at] = *row;
	}
	return OK;
}

void feed_thread(struct request *q, struct answer *a)
{
	struct feed f = {.q = q};
	struct newest *n = calloc(1, sizeof *n);
	char hex[ID_HEX], path[100];
	int err = n ? query_thread(reader_store(q->reader), q->id, newest_add, n, NULL) : ERR_NOMEM;

	if (!err && (n->count == 0 || memcmp(n->rows[0].thread, q->id, ID_LEN) != 0))
		err = ERR_NOTFOUND;
	if (!err) {
		qsort(n->rows, n->count, sizeof n->rows[0], by_arrival);
		hex_id(hex, q->id);
		snprintf(path, sizeof path, "/thread/%s", hex);
		reader_message_by_id(q->reader, q->id, &f.m);
		feed_begin(&f, a, "thread", bytes_of(q->id, ID_LEN), path, message_subject(&f.m));
		for (size_t i = 0; i < n->count && !err; i++)
			err = entry_add(&f, &n->rows[i]);
	}
	feed_end(&f, a, err);
	free(n);
}

void feed_author(struct request *q, struct answer *a)
{
	struct feed f = {.q = q};
	struct author_path path;
	struct author author;
	uint64_t before = UINT64_MAX;
	size_t len = strlen(q->rest);
	char rest[200];
	int err = len < sizeof rest ? OK : ERR_NOTFOUND;

	if (!err) {
		/* With or without what made it a feed. */
		snprintf(rest, sizeof rest, "%s", q->rest);
		if (len > 5 && strcmp(rest + len - 5, "/feed") == 0)
			rest[len - 5] = '\0';
		err = author_parse(&path, rest) ? author_find(q->reader, &path, &author)
						: ERR_NOTFOUND;
	}
	if (!err) {
		feed_begin(&f, a, "author", bytes_of(path.identity, IDENTITY_LEN), path.path,
		    bytes_str(*author.name ? author.name : author.handle));
		err = query_by_author(reader_store(q->reader), bytes_str(path.organisation),
		    path.identity, &before, AUTHOR_SPAN, FEED_ENTRIES, entry_add, &f);
	}
	feed_end(&f, a, err);
}
