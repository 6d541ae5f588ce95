/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs this node, who carries the forum, what they hold, and how anybody checks it. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"

struct about {
	struct html h;
	struct request *q;
};

static const char *state_text(const struct reader_log *l)
{
	if (!l->carried)
		return _("not carried here");
	switch (l->state) {
	case LOG_LIVE:
		return _("good");
	case LOG_SUSPECT:
		return _("suspect: a proof is owed");
	case LOG_DISPUTED:
		return _("disputed: two histories were signed");
	case LOG_BROKEN:
		return _("broken: it has ended");
	}
	return "";
}

static void paragraph(struct html h, const char *text)
{
	html(h, "<p>%s</p>\n", text);
}

/* ---- who ---- */

static void add_node(struct html h, struct request *q)
{
	const struct conf *c = web_node(q->web)->conf;

	html(h, "<section aria-labelledby=\"node\">\n<h2 id=\"node\">%s</h2>\n<dl>\n",
	    _("This node"));
	html(h, "<dt>%s</dt>\n<dd>%s</dd>\n", _("Organisation"), c->node.name);
	if (c->web.operator) {
		html(h, "<dt>%s</dt>\n<dd dir=\"auto\">", _("Run by"));
		html_line(h, bytes_str(c->web.operator));
		html(h, "</dd>\n");
	}
	if (c->web.contact) {
		html(h, "<dt>%s</dt>\n<dd>", _("Contact"));
		page_contact(h, c);
		html(h, "</dd>\n");
	}
	html(h, "<dt>%s</dt>\n<dd>", _("Connected to"));
	for (size_t i = 0; i < c->peer_count; i++)
		html(h, "%s<bdi>%s</bdi>", i > 0 ? ", " : "", c->peers[i].name);
	html(h, "%s</dd>\n</dl>\n", c->peer_count == 0 ? _("no other node") : "");
	html(h, "</section>\n");
}

static void add_forum(struct html h, struct request *q)
{
	const struct charter *c = web_node(q->web)->charter;
	char hex[2 * HASH_LEN + 1];

	hex_encode(hex, c->forum, HASH_LEN);
	html(h, "<section aria-labelledby=\"forum\">\n<h2 id=\"forum\">%s</h2>\n", _("The forum"));
	if (c->purpose && *c->purpose) {
		html(h, "<p dir=\"auto\">");
		html_line(h, bytes_str(c->purpose));
		html(h, "</p>\n");
	}
	html(h, "<dl>\n<dt>%s</dt>\n<dd>", _("Founded by"));
	for (size_t i = 0; i < c->member_count; i++)
		html(h, "%s<bdi>%s</bdi>", i > 0 ? ", " : "", c->members[i].name);
	html(h, "</dd>\n<dt>%s</dt>\n<dd dir=\"ltr\"><code>%s</code></dd>\n</dl>\n",
	    _("Id: the hash of its charter"), hex);
	html(h, "</section>\n");
}

/* ---- what is held ---- */

static int log_add(void *ctx, const struct store_log *log)
{
	struct about *p = ctx;
	const struct reader_log *l = reader_log(p->q->reader, log->no);
	struct html h = p->h;
	char root[2 * HASH_LEN + 1];
	uint64_t missing = 0;

	if (!l)
		return OK;
	reader_store(p->q->reader)
	    ->ops->wanted_count(reader_store(p->q->reader), log->no, &missing);
	hex_encode(root, log->root, HASH_LEN);
	html(h, "<tr><th scope=\"row\"><bdi>%s</bdi>", l->organisation);
	if (l->number > 1)
		html(h, " <span class=\"size\">%u</span>", l->number);
	html(h,
	    "</th><td>%llu</td><td>%llu</td><td>%s</td><td "
	    "dir=\"ltr\"><code>%.*s<wbr>%.*s…</code></td></tr>\n",
	    (unsigned long long)log->size, (unsigned long long)missing, state_text(l), 8, root, 8,
	    root + 8);
	return OK;
}

static int add_logs(struct html h, struct request *q)
{
	struct about p = {.h = h, .q = q};
	struct store *s = reader_store(q->reader);
	int err;

	html(h, "<section aria-labelledby=\"logs\">\n<h2 id=\"logs\">%s</h2>\n",
	    _("What this node holds"));
	paragraph(h, _("Each organisation keeps one log of all that its participants wrote. Nodes "
		       "that show the "
		       "same number and the same root of a log hold the same, to the last byte."));
	html(h,
	    "<div class=\"wide\" role=\"region\" tabindex=\"0\" "
	    "aria-labelledby=\"logs\">\n<table>\n<thead><tr>"
	    "<th scope=\"col\">%s</th><th scope=\"col\">%s</th><th scope=\"col\">%s</th><th "
	    "scope=\"col\">%s</th><th scope=\"col\">%s</th></tr></thead>\n<tbody>\n",
	    _("Organisation"), _("Entries"), _("Texts missing"), _("State"), _("Root"));
	err = s->ops->log_each(s, log_add, &p);
	html(h, "</tbody>\n</table>\n</div>\n");
	page_uncarried(h, q);
	html(h, "</section>\n");
	return err;
}

/* ---- what it means ---- */

static void add_verify(struct html h, struct request *q)
{
	html(h, "<section aria-labelledby=\"verify\">\n<h2 id=\"verify\">%s</h2>\n",
	    _("How to check it"));
	paragraph(h,
	    _("Every message is signed with a key of its author's, and stands in its "
	      "organisation's log "
	      "under a signed head that other organisations cosign. The page of a message has its "
	      "signed bytes, its content and its proof. A program checks them without asking "
	      "anybody:"));
	html(h, "<pre dir=\"ltr\">convene verify ID\nconvene verify --receipt FILE --charter "
		"forum.charter</pre>\n");
	paragraph(h, _("The id of a message is a hash of its bytes. So a link to a message is the "
		       "same at every "
		       "node of this forum: put another node's name in front of it and compare."));
	html(h, "</section>\n");
	(void)q;
}

static void add_trust(struct html h)
{
	html(h, "<section aria-labelledby=\"trust\">\n<h2 id=\"trust\">%s</h2>\n",
	    _("What it means to trust this page"));
	paragraph(
	    h, _("This page was made by one node. It could show you less than there is, or another "
		 "text "
		 "than was signed, and your browser would not notice: a browser checks who serves "
		 "a page, "
		 "not who wrote what stands on it. Signatures protect the forum, not the page."));
	paragraph(h,
	    _("When it matters, read the same message at another organisation's node, or with the "
	      "convene program, which checks every signature and every proof by itself."));
	html(h, "</section>\n");
}

static void add_privacy(struct html h)
{
	html(h, "<section aria-labelledby=\"privacy\">\n<h2 id=\"privacy\">%s</h2>\n",
	    _("What is kept of you"));
	paragraph(h, _("Of readers: nothing. There are no cookies, no addresses in any log, "
		       "nothing from other "
		       "sites, and no scripts are needed to read."));
	paragraph(
	    h, _("Of participants: what they write, under the name that they chose, is public, and "
		 "copied "
		 "to every organisation of this forum. A text can be erased by its author or their "
		 "organisation; that it stood there can't."));
	html(h, "</section>\n");
}

void page_about(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct html h;
	int err;

	page.title = _("About");
	page.here = "/about";
	h = page_begin(q, a, &page);
	html(h, "<h1>%s</h1>\n<div class=\"prose\">\n", _("About this forum and this node"));
	add_forum(h, q);
	add_node(h, q);
	err = add_logs(h, q);
	add_verify(h, q);
	add_trust(h);
	add_privacy(h);
	html(h, "</div>\n");
	page_end(h, q, &page);
	if (err)
		page_failed(q, a, err);
}
