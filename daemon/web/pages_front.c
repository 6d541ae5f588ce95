/* SPDX-License-Identifier: BSD-2-Clause */
/* The front page: what this forum is, its topics, and what came last. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "daemon/web/write.h"

enum { LATEST = 12, DESCRIPTION_BYTES = 400 };

struct front {
	struct html h;
	struct request *q;
	size_t count;
	struct message_shown m, root;
	int err;
};

/* ---- topics ---- */

static void add_counts(struct html h, struct request *q, const struct topic_row *row)
{
	char text[120];

	snprintf(text, sizeof text,
	    ngettext("%llu message", "%llu messages", (unsigned long)row->posts),
	    (unsigned long long)row->posts);
	html(h, "<p class=\"meta\">%s", text);
	snprintf(text, sizeof text,
	    ngettext("%llu thread", "%llu threads", (unsigned long)row->threads),
	    (unsigned long long)row->threads);
	html(h, "<span class=\"sep\"></span>%s", text);
	if (row->latest > 0) {
		html(h, "<span class=\"sep\"></span>");
		page_time(h, q->language, row->latest);
	}
	html(h, "</p>\n");
}

static int topic_add(void *ctx, const struct topic_row *row)
{
	struct front *f = ctx;
	struct html h = f->h;
	const char *why = reader_hidden(f->q->reader, row->id, &row->author);
	char hex[ID_HEX];

	hex_id(hex, row->id);
	html(h, "<li>\n<h3><a");
	page_href(h, f->q, "/topic/%s", hex);
	html(h, ">");
	if (why || row->title.len == 0) {
		html(h, "<i>%s</i>", why ? _("a hidden title") : _("without a title"));
	} else {
		html(h, "<bdi>");
		html_line(h, row->title);
		html(h, "</bdi>");
	}
	html(h, "</a></h3>\n");
	if (!why && row->description.len > 0) {
		html(h, "<p dir=\"auto\">");
		html_short(h, text_first_line(row->description), DESCRIPTION_BYTES);
		html(h, "</p>\n");
	}
	add_counts(h, f->q, row);
	html(h, "</li>\n");
	f->count++;
	return OK;
}

static int add_topics(struct front *f)
{
	size_t at;
	int err;

	html(
	    f->h, "<section aria-labelledby=\"topics\">\n<h2 id=\"topics\">%s</h2>\n", _("Topics"));
	at = f->h.out->len;
	html(f->h, "<ul class=\"topics\">\n");
	err = query_topics(reader_store(f->q->reader), topic_add, f);
	if (f->count > 0) {
		html(f->h, "</ul>\n");
	} else {
		f->h.out->len = at;
		html(f->h, "<p class=\"none\">%s</p>\n", _("No topic has been opened yet."));
	}
	page_uncarried(f->h, f->q);
	html(f->h, "</section>\n");
	return err;
}

/* ---- what came last ---- */

/* A reply without a subject of its own has that of its thread. */
static struct bytes subject_of(struct front *f)
{
	struct bytes s = message_subject(&f->m);

	if (s.len > 0 || f->m.state != TEXT_HERE ||
	    memcmp(f->m.row.thread, f->m.row.id, ID_LEN) == 0)
		return s;
	return reader_message_by_id(f->q->reader, f->m.row.thread, &f->root) == OK
		   ? message_subject(&f->root)
		   : s;
}

static int latest_add(void *ctx, const struct item_row *row)
{
	struct front *f = ctx;
	struct html h = f->h;
	struct bytes subject;
	char hex[ID_HEX];
	int err;

	if (row->kind != KIND_POST)
		return OK;
	err = reader_message(f->q->reader, row, &f->m);
	if (err || f->m.state == TEXT_ERASED || f->m.state == TEXT_HIDDEN)
		return err;
	subject = subject_of(f);
	hex_id(hex, row->id);
	html(h, "<li><a");
	page_href(h, f->q, "/m/%s", hex);
	html(h, "><bdi>");
	if (subject.len > 0)
		html_short(h, subject, 200);
	else
		html(h, "%s", _("without a subject"));
	html(h, "</bdi></a>\n<p class=\"meta\">");
	page_writer_short(h, &row->author,
	    f->m.state == TEXT_HERE ? f->m.content.imported.author : bytes_of(NULL, 0));
	html(h, "<span class=\"sep\"></span>");
	page_time(h, f->q->language, row->time);
	html(h, "</p></li>\n");
	return ++f->count < LATEST ? OK : ERR_EXISTS;
}

static int add_latest(struct front *f)
{
	int err;

	html(f->h,
	    "<section class=\"latest\" aria-labelledby=\"latest\">\n<h2 "
	    "id=\"latest\">%s</h2>\n<ol>\n",
	    _("Latest messages"));
	f->count = 0;
	err = query_latest(reader_store(f->q->reader), UINT64_MAX, NULL, 3 * LATEST, latest_add, f);
	html(f->h, "</ol>\n<p class=\"feed\"><a");
	page_href(f->h, f->q, "/feed");
	html(f->h, ">%s</a></p>\n</section>\n", _("Follow by feed"));
	return err == ERR_EXISTS ? OK : err;
}

/* ---- the page ---- */

static void add_lead(struct html h, struct request *q)
{
	const struct web_node *node = web_node(q->web);
	struct buffer room = BUFFER_INIT;
	size_t at;

	html(h, "<div class=\"lead\">\n<h1 dir=\"auto\">");
	html_line(h, bytes_str(node->charter->name));
	html(h, "</h1>\n");
	if (node->charter->purpose && *node->charter->purpose) {
		html(h, "<p dir=\"auto\">");
		html_line(h, bytes_str(node->charter->purpose));
		html(h, "</p>\n");
	}
	html(h, "<p class=\"meta\">");
	at = h.out->len;
	html(h, "<a");
	page_href(h, q, "/about");
	html(h, ">%s</a>", _("Who carries it, and how to check"));
	struct html_piece about = html_cut(h, at, &room);
	/* Translators: %s is a link, "Who carries it, and how to check". */
	html_sentence(h,
	    _("A forum that many organisations carry, and none controls. Every message is signed "
	      "by "
	      "its author. %s."),
	    &about, 1);
	html(h, "</p>\n<p class=\"do\"><a class=\"button\"");
	page_href(h, q, "/join");
	html(h, ">%s</a> <a", _("Join with an invite"));
	page_href(h, q, "/help");
	html(h, ">%s</a></p>\n</div>\n", _("How it works"));
	buffer_free(&room);
}

void page_front(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct front f = {.q = q, .m = MESSAGE_SHOWN_INIT, .root = MESSAGE_SHOWN_INIT};
	int err;

	page.here = "/";
	page.feed = "/feed";
	page.script = "live.js";
	f.h = page_begin(q, a, &page);
	add_lead(f.h, q);
	live_block(q, f.h, NULL, NULL);
	html(f.h, "<div class=\"two\">\n");
	err = add_topics(&f);
	if (!err)
		err = add_latest(&f);
	html(f.h, "</div>\n");
	page_end(f.h, q, &page);
	message_shown_clear(&f.m);
	message_shown_clear(&f.root);
	if (err)
		page_failed(q, a, err);
}
