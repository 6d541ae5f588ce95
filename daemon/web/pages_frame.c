/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands around every page: head, navigation, footer; and the page that says what went wrong.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"

#define PATH_MAX_SHOWN 2048

void page_href(struct html h, const struct request *q, const char *format, ...)
{
	char path[PATH_MAX_SHOWN];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof path, format, ap);
	va_end(ap);
	html(h, " href=\"%s%s%s\"", q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "", path);
}

void page_address(struct html h, const struct request *q, const char *path)
{
	const char *url = web_node(q->web)->conf->web.url;

	html(h, "%s%s", url ? url : "", path);
}

static void add_link(struct html h, const struct request *q, const char *rel, const char *path)
{
	if (!*path)
		return;
	html(h, "<link rel=\"%s\"", rel);
	page_href(h, q, "%s", path);
	html(h, ">\n");
}

/* The path of a page, encoded, and of its query what makes it another page. */
static void add_self(struct html h, const struct request *q, const struct page *page)
{
	const char *path = *page->canonical ? page->canonical : q->path;

	for (const char *p = path; *p; p++) {
		if (strchr("/-._~?=&%", *p) || (*p >= '0' && *p <= '9') ||
		    (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
			html(h, "%.*s", 1, p);
		else
			html_encode(h, bytes_of(p, 1));
	}
	if (!*page->canonical && *q->query_text)
		html(h, "?%s", q->query_text);
}

static void add_canonical(struct html h, const struct request *q, const struct page *page)
{
	html(h, "<link rel=\"canonical\" href=\"");
	page_address(h, q, "");
	add_self(h, q, page);
	html(h, "\">\n");
	for (enum language l = 0; l < LANGUAGES; l++) {
		html(h, "<link rel=\"alternate\" hreflang=\"%s\" href=\"", language_tag(l));
		page_address(h, q, "/");
		html(h, "%s", language_tag(l));
		add_self(h, q, page);
		html(h, "\">\n");
	}
	html(h, "<link rel=\"alternate\" hreflang=\"x-default\" href=\"");
	page_address(h, q, "");
	add_self(h, q, page);
	html(h, "\">\n");
}

static void add_head(struct html h, struct request *q, const struct page *page)
{
	const struct web_node *node = web_node(q->web);
	const char *tag = language_tag(q->language);

	html(h,
	    "<!DOCTYPE html>\n<html lang=\"%s\" dir=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
	    tag, language_rtl(q->language) ? "rtl" : "ltr");
	if (*page->title)
		html(h, "%s · ", page->title);
	else if (page->subject.len > 0) {
		html_short(h, page->subject, 120);
		html(h, " · ");
	}
	html(h, "%s</title>\n<link rel=\"stylesheet\" href=\"%s\">\n", node->charter->name,
	    static_url(q->web, "style.css"));
	html(h, "<link rel=\"icon\" href=\"%s\">\n", static_url(q->web, "icon.svg"));
	if (page->unlisted)
		html(h, "<meta name=\"robots\" content=\"noindex\">\n");
	else
		add_canonical(h, q, page);
	if (*page->feed) {
		html(h, "<link rel=\"alternate\" type=\"application/atom+xml\" title=\"%s\"",
		    _("New messages"));
		page_href(h, q, "%s", page->feed);
		html(h, ">\n");
	}
	add_link(h, q, "prev", page->previous);
	add_link(h, q, "next", page->next);
	if (*page->script)
		html(h, "<script type=\"module\" src=\"%s\"></script>\n",
		    static_url(q->web, page->script));
	html(h, "</head>\n");
}

static void add_nav(struct html h, const struct request *q, const struct page *page)
{
	static const struct {
		const char *path, *name;
	} entries[] = {
	    {"/", N_("Topics")},
	    {"/since", N_("Recent")},
	    {"/outbox", N_("Outbox")},
	    {"/you", N_("You")},
	    {"/about", N_("About")},
	    {"/help", N_("Help")},
	};

	html(h, "<nav aria-label=\"%s\">\n<ul>\n", _("Main"));
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		html(h, "<li><a");
		page_href(h, q, "%s", entries[i].path);
		if (strcmp(entries[i].path, page->here) == 0)
			html(h, " aria-current=\"page\"");
		html(h, ">%s</a></li>\n", _(entries[i].name));
	}
	html(h, "</ul>\n</nav>\n");
}

static void add_search(struct html h, const struct request *q)
{
	html(h, "<form class=\"find\" role=\"search\" action=\"%s%s/search\">\n",
	    q->language_chosen ? "/" : "", q->language_chosen ? language_tag(q->language) : "");
	html(h,
	    "<input type=\"search\" name=\"q\" aria-label=\"%s\" placeholder=\"%s\" dir=\"auto\" "
	    "maxlength=\"1000\">\n</form>\n",
	    _("Search the forum"), _("Search"));
}

struct html page_begin(struct request *q, struct answer *a, const struct page *page)
{
	struct html h = {&a->body};

	if (q->reader)
		reader_budget(q->reader, PAGE_CONTENTS);
	add_head(h, q, page);
	html(h,
	    "<body>\n<a class=\"skip\" href=\"#main\">%s</a>\n<header class=\"top\">\n<div "
	    "class=\"bar\">\n<a class=\"name\"",
	    _("Skip to the content"));
	page_href(h, q, "/");
	html(h, " dir=\"auto\">");
	html_line(h, bytes_str(web_node(q->web)->charter->name));
	html(h, "</a>\n");
	add_nav(h, q, page);
	if (strcmp(page->here, "/search") != 0)
		add_search(h, q);
	html(h, "</div>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n");
	return h;
}

void page_end(struct html h, struct request *q, const struct page *page)
{
	const struct conf *conf = web_node(q->web)->conf;
	struct buffer room = BUFFER_INIT;
	size_t at;

	html(h,
	    "</main>\n<footer class=\"bottom\">\n<div class=\"bar\">\n<nav "
	    "aria-label=\"%s\">\n<ul>\n",
	    _("Language"));
	for (enum language l = 0; l < LANGUAGES; l++) {
		html(h, "<li><a rel=\"alternate\" lang=\"%s\" hreflang=\"%s\" href=\"/%s",
		    language_tag(l), language_tag(l), language_tag(l));
		add_self(h, q, page);
		html(h, "\"");
		if (l == q->language)
			html(h, " aria-current=\"true\"");
		html(h, ">%s</a></li>\n", language_name(l));
	}
	html(h, "</ul>\n</nav>\n<p>");
	at = h.out->len;
	html(h, "<a");
	page_href(h, q, "/about");
	html(h, ">%s</a>", conf->node.name);
	struct html_piece node = html_cut(h, at, &room);
	html_sentence(h,
	    _("Served by %s, one of the organisations that carry this forum. No cookies; no "
	      "address "
	      "of yours is kept. Times are UTC."),
	    &node, 1);
	html(h, "</p>\n</div>\n</footer>\n</body>\n</html>\n");
	buffer_free(&room);
}

/* ---- lists of pages ---- */

uint64_t page_number(const struct request *q)
{
	const char *text = request_query(q, "page");
	uint64_t n;

	return decimal_parse(&n, text, strlen(text), 1000000) == OK && n > 0 ? n : 1;
}

const char *page_of(char room[static 256], const char *base, uint64_t page)
{
	snprintf(room, 256, page > 1 ? "%s?page=%llu" : "%s", base, (unsigned long long)page);
	return room;
}

static void add_page(
    struct html h, const struct request *q, const char *base, uint64_t n, uint64_t current)
{
	char room[256];

	html(h, "<li><a");
	page_href(h, q, "%s", page_of(room, base, n));
	if (n == current)
		html(h, " aria-current=\"page\"");
	html(h, ">%llu</a></li>\n", (unsigned long long)n);
}

void page_pager(
    struct html h, const struct request *q, const char *base, uint64_t page, uint64_t pages)
{
	char room[256];
	uint64_t shown = 0;

	if (pages < 2)
		return;
	html(h, "<nav class=\"pages\" aria-label=\"%s\">\n<ul>\n", _("Pages"));
	if (page > 1) {
		html(h, "<li><a rel=\"prev\"");
		page_href(h, q, "%s", page_of(room, base, page - 1));
		html(h, ">%s</a></li>\n", _("Previous"));
	}
	for (uint64_t n = 1; n <= pages; n++) {
		/* The ends, and what is near. */
		if (n > 1 && n < pages && (n + 2 < page || n > page + 2)) {
			n = n < page ? page - 3 : pages - 1;
			continue;
		}
		if (shown > 0 && n > shown + 1)
			html(h, "<li aria-hidden=\"true\">…</li>\n");
		add_page(h, q, base, n, page);
		shown = n;
	}
	if (page < pages) {
		html(h, "<li><a rel=\"next\"");
		page_href(h, q, "%s", page_of(room, base, page + 1));
		html(h, ">%s</a></li>\n", _("Next"));
	}
	html(h, "</ul>\n</nav>\n");
}

/* ---- errors ---- */

static const char *error_title(int status)
{
	switch (status) {
	case 400:
		return _("That could not be understood");
	case 404:
		return _("Nothing is here");
	case 405:
		return _("That can't be done here");
	case 410:
		return _("It was erased");
	case 413:
		return _("That is too much");
	case 429:
		return _("Too many requests");
	case 503:
		return _("Not now");
	default:
		return _("Something went wrong");
	}
}

static const char *error_advice(int status)
{
	switch (status) {
	case 400:
		return _("The address is not one that this forum gives out. Perhaps it was cut off "
			 "on its "
			 "way to you.");
	case 404:
		return _(
		    "No message, topic or page has this address at this node. What was written at "
		    "another organisation may still be on its way here; a link is the same at "
		    "every "
		    "node, so try it there, or later.");
	case 410:
		return _("Its author or their organisation has erased it. What remains is the "
			 "record that "
			 "it stood here.");
	case 429:
		return _("Your network has asked for a lot in a short time. Wait a little.");
	case 503:
		return _("The node is starting, or being upgraded. Try again in a minute.");
	default:
		return _(
		    "It is not your fault. Try again; if it stays so, tell who runs this node.");
	}
}

void page_error(struct request *q, struct answer *a, int status)
{
	struct page page = PAGE_INIT;

	buffer_reset(&a->body);
	a->status = status;
	a->type = NULL;
	a->download = NULL;
	a->for_ever = false;
	page.title = error_title(status);
	page.unlisted = true;
	struct html h = page_begin(q, a, &page);

	html(h, "<h1>%s</h1>\n<p class=\"lead\">%s</p>\n<p><a", page.title, error_advice(status));
	page_href(h, q, "/");
	html(h, ">%s</a></p>\n", _("To the topics"));
	page_end(h, q, &page);
}

void page_failed(struct request *q, struct answer *a, int err)
{
	page_error(q, a,
	    err == ERR_NOTFOUND                   ? 404
	    : err == ERR_BUSY || err == ERR_NOMEM ? 503
						  : 500);
}

void page_redirect(struct request *q, struct answer *a, const char *path)
{
	a->status = 301;
	snprintf(a->location, sizeof a->location, "%s%s%s", q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "", path);
}
