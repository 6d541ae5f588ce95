/* SPDX-License-Identifier: BSD-2-Clause */
/* What somebody has written, newest first. Their posts have no index of their own, so a page looks
 * through so many of the latest messages and says how far it has come. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/author.h"

enum { AUTHOR_POSTS = 50 };

bool author_parse(struct author_path *out, const char *rest)
{
	const char *slash = strchr(rest, '/');
	size_t len = slash ? (size_t)(slash - rest) : 0;

	if (len == 0 || len > ORG_NAME_MAX || !org_name_valid(bytes_of(rest, len)) ||
	    hex_decode(out->identity, IDENTITY_LEN, slash + 1, strlen(slash + 1)) != OK)
		return false;
	memcpy(out->organisation, rest, len);
	out->organisation[len] = '\0';
	snprintf(out->path, sizeof out->path, "/by/%s", rest);
	return true;
}

struct finding {
	const struct author_path *path;
	struct author *author;
	bool found;
};

static int find_row(void *ctx, const struct author *a, const struct signer *device)
{
	struct finding *f = ctx;

	(void)device;
	if (memcmp(a->identity, f->path->identity, IDENTITY_LEN) != 0)
		return OK;
	*f->author = *a;
	f->found = true;
	return ERR_EXISTS;
}

int author_find(struct reader *r, const struct author_path *path, struct author *out)
{
	struct finding f = {path, out, false};
	const struct reader_log *l = NULL;

	/* The last one knows them by what they are called now. */
	while ((l = reader_log_next(r, l))) {
		int err;

		if (strcmp(l->organisation, path->organisation) != 0)
			continue;
		err = query_people(reader_store(r), l->no, find_row, &f);
		if (err && err != ERR_EXISTS)
			return err;
	}
	return f.found ? OK : ERR_NOTFOUND;
}

struct author_page {
	struct html h;
	struct request *q;
	struct message_shown m, root;
	struct page_titles titles;
	size_t count;
	uint64_t oldest;
};

static int post_add(void *ctx, const struct item_row *row)
{
	struct author_page *p = ctx;
	struct html h = p->h;
	struct bytes subject;
	char hex[ID_HEX];
	int err = reader_message(p->q->reader, row, &p->m);

	if (err)
		return err;
	subject = message_subject(&p->m);
	/* What somebody replies they often reply within one thread. */
	if (subject.len == 0 &&
	    ((p->root.log && memcmp(p->root.row.id, row->thread, ID_LEN) == 0) ||
		reader_message_by_id(p->q->reader, row->thread, &p->root) == OK))
		subject = message_subject(&p->root);
	hex_id(hex, row->id);
	html(h, "<li><a");
	page_href(h, p->q, "/m/%s", hex);
	html(h, "><bdi>");
	if (subject.len > 0)
		html_short(h, subject, 200);
	else
		html(h, "%s", _("without a subject"));
	html(h, "</bdi></a>\n<p class=\"meta\">");
	page_time(h, p->q->language, row->time);
	if (p->m.state == TEXT_ERASED)
		html(h, "<span class=\"sep\"> · </span>%s", _("erased"));
	if (p->m.state == TEXT_HIDDEN)
		html(h, "<span class=\"sep\"> · </span>%s", _("hidden at this node"));
	if (p->m.state == TEXT_MISSING && !p->m.left_out)
		html(h, "<span class=\"sep\"> · </span>%s", _("not here yet"));
	html(h, "<span class=\"sep\"> · </span>");
	page_topic_kept(h, p->q, &p->titles, row->topic);
	html(h, "</p>\n");
	if (p->m.state == TEXT_HERE && p->m.content.text.len > 0) {
		html(h, "<p class=\"found\" dir=\"auto\"");
		page_lang(h, p->m.amended.given ? p->m.amended.header.lang : p->m.header.lang);
		html(h, ">");
		page_excerpt(h, p->m.content.text);
		html(h, "</p>");
	}
	html(h, "</li>\n");
	p->oldest = row->time;
	p->count++;
	return OK;
}

static void add_head(struct html h, const struct author *a, const char *path, struct request *q)
{
	html(h, "<h1 dir=\"auto\">");
	if (*a->name)
		html_short(h, bytes_str(a->name), NAME_SHOWN);
	else if (*a->handle)
		html_line(h, bytes_str(a->handle));
	else
		html(h, "%s", _("A participant without a name"));
	html(h, "</h1>\n<p class=\"meta\">");
	page_address_of(h, a);
	if (*a->group) {
		html(h, "<span class=\"sep\"> · </span><bdi>");
		html_short(h, bytes_str(a->group), GROUP_SHOWN);
		html(h, "</bdi>");
	}
	html(h, "<span class=\"sep\"> · </span><a");
	page_href(h, q, "%s/feed", path);
	html(h, ">%s</a></p>\n", _("Follow by feed"));
}

static void add_older(struct author_page *p, const struct author_path *path, uint64_t before)
{
	struct html h = p->h;

	if (before == 0)
		return;
	if (p->count == 0)
		html(h, "<p class=\"none\">%s</p>\n",
		    _("Nothing of theirs is among the messages that were looked through."));
	html(h, "<nav class=\"pages\" aria-label=\"%s\">\n<ul>\n<li><a rel=\"next\"", _("Pages"));
	page_href(h, p->q, "%s?before=%llu", path->path, (unsigned long long)before);
	html(h, ">%s</a></li>\n</ul>\n</nav>\n", _("Look further back"));
}

void page_author(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct author_page p = {.q = q, .m = MESSAGE_SHOWN_INIT, .root = MESSAGE_SHOWN_INIT};
	const char *text = request_query(q, "before");
	struct author_path path;
	struct author author;
	uint64_t before = UINT64_MAX;
	char feed[256];
	int err = author_parse(&path, q->rest) ? OK : ERR_NOTFOUND;

	if (!err)
		err = author_find(q->reader, &path, &author);
	if (!err && *text && decimal_parse(&before, text, strlen(text), INT64_MAX) != OK)
		err = ERR_NOTFOUND;
	if (err) {
		page_failed(q, a, err);
		return;
	}
	snprintf(feed, sizeof feed, "%s/feed", path.path);
	page.subject = bytes_str(*author.name ? author.name : author.handle);
	page.title = page.subject.len > 0 ? "" : _("A participant");
	page.feed = feed;
	p.h = page_begin(q, a, &page);
	add_head(p.h, &author, path.path, q);
	html(p.h, "<h2 class=\"off\">%s</h2>\n<ol class=\"threads\">\n", _("Messages"));
	err = query_by_author(reader_store(q->reader), bytes_str(path.organisation), path.identity,
	    &before, AUTHOR_SPAN, AUTHOR_POSTS, post_add, &p);
	html(p.h, "</ol>\n");
	if (p.count == 0 && before == 0)
		html(p.h, "<p class=\"none\">%s</p>\n", _("Nothing has been written."));
	add_older(&p, &path, before);
	page_end(p.h, q, &page);
	message_shown_clear(&p.m);
	message_shown_clear(&p.root);
	page_titles_clear(&p.titles);
	if (err)
		page_failed(q, a, err);
}
