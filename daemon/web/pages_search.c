/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching: a form, and what was found. */
#include "daemon/web/pages.h"

void page_search(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	const char *text = request_query(q, "q");
	struct html h;

	page.title = _("Search");
	page.here = "/search";
	page.unlisted = true;
	h = page_begin(q, a, &page);
	html(h, "<h1>%s</h1>\n<form class=\"search\" role=\"search\" action=\"%s%s/search\">\n",
	    _("Search"), q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "");
	html(h,
	    "<input type=\"search\" name=\"q\" value=\"%s\" aria-label=\"%s\" dir=\"auto\" "
	    "maxlength=\"1000\"> <button>%s</button>\n</form>\n",
	    text, _("Search the forum"), _("Search"));
	page_remark(h, "off", _("Search is off at this node, or its index is being made."));
	page_end(h, q, &page);
}
