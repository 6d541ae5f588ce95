/* SPDX-License-Identifier: BSD-2-Clause */
/* One message: the page that its permanent address leads to, at every node the same. What it
 * replies to, what replies to it, where it stands, who has cosigned that; and the bytes themselves.
 */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "daemon/web/thread_rows.h"
#include "member/anchor.h"
#include "msg/body.h"

enum { REPLIES_SHOWN = 200, COSIGNERS_SHOWN = 200 };
#define TEXT_WHOLE ((size_t)1 << 20)

struct message_page {
	struct html h;
	struct request *q;
	struct message_shown m, other, thread;
	struct thread_rows rows;
	size_t row;
	bool in_thread;
};

/* ---- another message, in a line or two ---- */

static void add_brief(struct message_page *p, const uint8_t id[static ID_LEN], const char *element)
{
	struct html h = p->h;
	const struct message_shown *m = &p->other;
	char hex[ID_HEX];

	hex_id(hex, id);
	if (reader_message_by_id(p->q->reader, id, &p->other) != OK)
		return;
	buffer_add_str(h.out, "<");
	html(h, "%s class=\"brief\"><b class=\"who\">", element);
	page_writer_short(h, &m->row.author,
	    m->state == TEXT_HERE ? m->content.imported.author : bytes_of(NULL, 0));
	html(h, "</b><span class=\"sep\"> · </span><a class=\"when\"");
	page_href(h, p->q, "/m/%s", hex);
	html(h, ">");
	page_time(h, p->q->language, m->row.time);
	html(h, "</a>");
	if (m->state == TEXT_HERE) {
		html(h, "<p dir=\"auto\"");
		page_lang(h, m->amended.given ? m->amended.header.lang : m->header.lang);
		html(h, ">");
		page_excerpt(h, m->content.text);
		html(h, "</p>");
	} else {
		html(h, "<p><i>%s</i></p>",
		    m->state == TEXT_ERASED   ? _("The text was erased.")
		    : m->state == TEXT_HIDDEN ? _("Hidden at this node by who runs it.")
					      : page_missing(m));
	}
	buffer_add_str(h.out, "</");
	html(h, "%s>\n", element);
}

static void add_before(struct message_page *p)
{
	const struct row_place *place = &p->rows.rows[p->row];

	if (!p->in_thread || place->parent == ROW_NONE)
		return;
	html(p->h,
	    "<section class=\"near\" aria-labelledby=\"before\">\n<h2 id=\"before\">%s</h2>\n",
	    _("In reply to"));
	add_brief(p, p->rows.rows[place->parent].id, "div");
	html(p->h, "</section>\n");
}

static void add_replies(struct message_page *p)
{
	const struct thread_rows *rows = &p->rows;
	size_t shown = 0, at = p->h.out->len;

	if (!p->in_thread)
		return;
	html(p->h,
	    "<section class=\"near\" aria-labelledby=\"replies\">\n<h2 "
	    "id=\"replies\">%s</h2>\n<ul>\n",
	    _("Replies"));
	for (size_t i = p->row + 1;
	     i < rows->count && rows->rows[i].depth > rows->rows[p->row].depth; i++) {
		if (rows->rows[i].parent != p->row)
			continue;
		if (shown++ < REPLIES_SHOWN)
			add_brief(p, rows->rows[i].id, "li");
	}
	html(p->h, "</ul>\n</section>\n");
	if (shown == 0)
		p->h.out->len = at;
}

/* ---- where it stands ---- */

struct cosigners {
	uint32_t log;
	uint64_t index;
	size_t count;
	struct html h;
};

/* Another organisation has signed that the log, up to here, is what it holds. */
static int cosigner_add(void *ctx, const struct store_cosignature *c)
{
	struct cosigners *list = ctx;
	char organisation[ORG_NAME_MAX + 1];
	struct note_signature sig;
	struct note note;

	if (c->log != list->log || c->size <= list->index || list->count >= COSIGNERS_SHOWN ||
	    note_parse(&note, c->note) != OK || note_signature(&note, note.count - 1, &sig) != OK ||
	    !cosigner_organisation(sig.name, organisation))
		return OK;
	html(list->h, "%s<bdi>%s</bdi>", list->count++ > 0 ? ", " : "", organisation);
	return OK;
}

static void add_held(struct message_page *p)
{
	struct store *s = reader_store(p->q->reader);
	struct cosigners list = {p->m.row.log_no, p->m.row.index, 0, p->h};
	size_t at = p->h.out->len;

	html(p->h, "<dt>%s</dt>\n<dd>", _("Held and cosigned by"));
	s->ops->cosignature_each(s, cosigner_add, &list);
	html(p->h, "</dd>\n");
	if (list.count == 0) {
		p->h.out->len = at;
		html(p->h, "<dt>%s</dt>\n<dd>%s</dd>\n", _("Held and cosigned by"),
		    _("no other organisation yet, as far as this node knows"));
	}
}

static void add_term(struct html h, const char *term, const char *value, bool code)
{
	html(h, "<dt>%s</dt>\n<dd>", term);
	if (code)
		html(h, "<code>%s</code></dd>\n", value);
	else
		html(h, "%s</dd>\n", value);
}

static void add_record(struct message_page *p)
{
	const struct message_shown *m = &p->m;
	struct html h = p->h;
	char hex[ID_HEX], key[2 * KEY_LEN + 1], text[200];

	hex_id(hex, m->row.id);
	hex_encode(key, m->header.signer, KEY_LEN);
	html(h,
	    "<section class=\"record\" aria-labelledby=\"record\">\n<h2 "
	    "id=\"record\">%s</h2>\n<dl>\n",
	    _("Details"));
	html(h, "<dt>%s</dt>\n<dd>", _("Signed"));
	page_time(h, p->q->language, m->header.time);
	html(h, "</dd>\n");
	if (m->state == TEXT_HERE && m->content.imported.present) {
		html(h, "<dt>%s</dt>\n<dd dir=\"auto\">", _("From an archive"));
		html_short(h,
		    m->content.imported.source.len > 0 ? m->content.imported.source
						       : m->content.imported.message_id,
		    200);
		html(h, "</dd>\n");
	}
	html(h, "<dt>%s</dt>\n<dd dir=\"ltr\"><code>%s</code></dd>\n", _("Log"),
	    m->log->binding.log_name);
	snprintf(text, sizeof text, "%llu", (unsigned long long)m->row.index);
	add_term(h, _("Number in it"), text, false);
	add_term(h, _("Key that signed it"), key, true);
	add_term(h, _("Id"), hex, true);
	add_held(p);
	html(h, "</dl>\n<ul class=\"do\">\n<li><a");
	page_href(h, p->q, "/m/%s/raw", hex);
	html(h, ">%s</a></li>\n<li><a", _("Signed bytes"));
	if (m->state == TEXT_HERE) {
		page_href(h, p->q, "/m/%s/content", hex);
		html(h, ">%s</a></li>\n<li><a", _("Content"));
	}
	page_href(h, p->q, "/m/%s/proof", hex);
	html(h, ">%s</a></li>\n<li><a", _("Proof"));
	page_href(h, p->q, "/about#verify");
	html(h, ">%s</a></li>\n", _("How to check them"));
	if (m->state != TEXT_ERASED &&
	    (m->header.kind == KIND_POST || m->header.kind == KIND_TOPIC)) {
		html(h, "<li><a");
		page_href(h, p->q, "/write?amend=%s", hex);
		html(h, ">%s</a></li>\n", _("Amend or erase it, if it is yours"));
	}
	html(h, "</ul>\n</section>\n");
}

/* ---- the page ---- */

/* What an AMEND is about. */
static void add_amends(struct message_page *p)
{
	struct target_body b;
	char hex[ID_HEX];

	if (p->m.header.kind != KIND_AMEND || amend_body_parse(p->m.header.body, &b) != OK)
		return;
	hex_id(hex, b.target.id);
	html(p->h, "<p class=\"remark amended\">%s <a", _("This is an amendment."));
	page_href(p->h, p->q, "/m/%s", hex);
	html(p->h, ">%s</a></p>\n", _("What it amends, as it is shown"));
}

/* Where in its thread it stands; "" where that isn't known. */
static const char *thread_path(const struct message_page *p, char room[static 200])
{
	char hex[ID_HEX], anchor[17], number[32] = "";

	*room = '\0';
	if (p->m.header.kind == KIND_TOPIC)
		return room;
	hex_id(hex, p->m.row.thread);
	hex_encode(anchor, p->m.row.id, 8);
	if (p->in_thread && p->row >= THREAD_MESSAGES)
		snprintf(number, sizeof number, "?page=%zu", p->row / THREAD_MESSAGES + 1);
	snprintf(room, 200, "/thread/%s%s%s%s", hex, number, p->in_thread ? "#m-" : "",
	    p->in_thread ? anchor : "");
	return room;
}

static void add_page(struct message_page *p, struct answer *a)
{
	const struct message_shown *m = &p->m;
	struct bytes subject = message_subject(m);
	struct page page = PAGE_INIT;
	struct message_view v = {.m = m, .level = 2, .alone = true, .text_max = TEXT_WHOLE};
	char room[200];
	const char *thread = thread_path(p, room);

	/* A reply stands under the subject of its thread. */
	if (subject.len == 0 && reader_message_by_id(p->q->reader, m->row.thread, &p->thread) == OK)
		subject = message_subject(&p->thread);
	page.subject = subject;
	page.title = subject.len > 0 ? "" : _("A message");
	page.here = "/";
	page.unlisted = m->header.kind == KIND_AMEND;
	p->h = page_begin(p->q, a, &page);
	page_path(p->h, p->q, *thread ? m->row.topic : NULL, *thread ? thread : NULL);
	html(p->h, "<h1 dir=\"auto\">");
	if (subject.len > 0)
		html_short(p->h, subject, SUBJECT_SHOWN);
	else if (m->header.kind == KIND_TOPIC)
		html(p->h, "%s", _("A topic"));
	else
		html(p->h, "%s", _("A message"));
	html(p->h, "</h1>\n");
	v.thread_subject = subject;
	add_amends(p);
	add_before(p);
	page_message_view(p->h, p->q, &v);
	add_replies(p);
	add_record(p);
	page_end(p->h, p->q, &page);
}

static int thread_read(struct message_page *p)
{
	int err = thread_rows_read(&p->rows, reader_store(p->q->reader), p->m.row.thread, 0, 0);

	if (err)
		return err == ERR_NOTFOUND ? OK : err;
	p->row = thread_rows_find(&p->rows, p->m.row.id);
	p->in_thread = p->row < p->rows.count;
	return OK;
}

void page_message(struct request *q, struct answer *a)
{
	struct message_page p = {.q = q, .m = MESSAGE_SHOWN_INIT, .other = MESSAGE_SHOWN_INIT};
	int err = reader_message_by_id(q->reader, q->id, &p.m);

	if (!err && p.m.header.kind == KIND_ERASE)
		err = ERR_NOTFOUND;
	if (!err)
		err = thread_read(&p);
	if (err)
		page_failed(q, a, err);
	else
		add_page(&p, a);
	thread_rows_clear(&p.rows);
	message_shown_clear(&p.m);
	message_shown_clear(&p.other);
	message_shown_clear(&p.thread);
}

/* ---- the bytes ---- */

static void add_content(struct request *q, struct answer *a, const struct message_shown *m)
{
	int err = reader_content(q->reader, m, &a->body);

	if (err == ERR_REFUSED) {
		page_error(q, a, 410);
	} else if (err) {
		page_failed(q, a, err);
	} else {
		a->type = "application/octet-stream";
		a->download = "content";
	}
}

void page_raw(struct request *q, struct answer *a)
{
	struct message_shown m = MESSAGE_SHOWN_INIT;
	int err = reader_message_by_id(q->reader, q->id, &m);

	if (err) {
		page_failed(q, a, err);
	} else if (strcmp(q->rest, "content") == 0) {
		add_content(q, a, &m);
	} else {
		a->type = "application/octet-stream";
		a->for_ever = true;
		buffer_add(&a->body, m.entry.data, m.entry.len);
	}
	message_shown_clear(&m);
}
