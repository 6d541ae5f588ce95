/* SPDX-License-Identifier: BSD-2-Clause */
/* /outbox: drafts, and what this browser has signed (script/sent.js). */
#include "daemon/web/shell.h"

static void list_add(struct html h, const char *id, const char *title)
{
	html(h,
	    "<section id=\"%s-section\" aria-labelledby=\"%s-title\" hidden><h2 id=\"%s-title\">",
	    id, id, id);
	html_text(h, title);
	html(h, "</h2><ul id=\"%s-list\" class=\"kept\"></ul></section>\n", id);
}

void page_outbox(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct html h;

	page.title = _("Your outbox");
	page.script = "sent.js";
	page.here = "/outbox";
	page.unlisted = true;
	h = page_begin(q, a, &page);
	shell_begin(h, q, _("Your outbox"), "outbox-title",
	    _("What you have signed is kept in your browser and in no other place until it is safe "
	      "elsewhere: so the "
	      "page needs scripts."));
	shell_open(h);
	shell_no_key(q, h);
	html(h, "<div id=\"outbox\" hidden>");
	html(h, "<p>%s</p>\n",
	    _("What you have written in this browser, and where it is. It stays here until other "
	      "organisations hold it, "
	      "too."));
	html(h, "<p id=\"nothing\" hidden>%s</p>\n", _("There is nothing here."));
	list_add(h, "drafts", _("Drafts"));
	list_add(h, "on-way", _("On their way"));
	list_add(h, "safe", _("Safe elsewhere"));
	html(h, "</div>\n");
	shell_close(h);
	shell_data_add(h, q, "outbox", NULL);
	page_end(h, q, &page);
}
