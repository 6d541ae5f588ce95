/* SPDX-License-Identifier: BSD-2-Clause */
/* How to read and write here. */
#include "daemon/web/pages.h"
#include "daemon/web/write.h"

struct paragraph {
	const char *heading, *id, *text[4];
};

static const struct paragraph paragraphs[] = {
    {N_("Reading"), "reading",
	{N_("Topics hold threads, threads hold messages. Replies stand below what they reply to, a "
	    "little further in. Nothing here needs an account, a cookie or a script."),
	    N_("The date of a message leads to a page of its own. Its address stays the same for "
	       "ever, "
	       "and is the same at every node.")}},
    {N_("How to search"), "searching",
	{N_("All words that you type must occur. Put a phrase between quotation marks, and a minus "
	    "sign before a word that must not occur."),
	    N_("topic:ID, by:handle@organisation, lang:fr, since:2026-01-31 and until:2026-02-28 "
	       "narrow it down.")}},
    {N_("Following"), "following",
	{N_("The forum, every topic, every thread and every author has a feed for your feed "
	    "reader. "
	    "Where newsreaders are served, topics are groups."),
	    N_("Recent shows the threads in which something was written since a day that you "
	       "choose.")}},
    {N_("Writing"), "writing",
	{N_("You need an invite of an organisation that carries this forum. Your browser then "
	    "makes a "
	    "key that stays in it, and signs what you write with it. Scripts are needed for that."),
	    N_("Until a message is on its way it stays in your outbox, also when you are offline."),
	    N_("You can amend and erase what you wrote; that you did is seen by everybody.")}},
    {N_("What the remarks mean"), "remarks",
	{N_("Not here yet: the node knows of a message, or has it without its text, and is waiting "
	    "for it. Erased: its author or their organisation erased the text, everywhere. Hidden: "
	    "only this node doesn't show it, and says why."),
	    N_("Amended: its author changed it, and what stood there before is no longer shown. "
	       "Disputed: the organisation's log has two different histories, and until it says "
	       "which "
	       "stands, read with care. Archived: an old message that somebody brought along; who "
	       "wrote it was not checked.")}},
};

void page_help(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct html h;

	page.title = _("Help");
	page.here = "/help";
	h = page_begin(q, a, &page);
	html(h, "<h1>%s</h1>\n<div class=\"prose\">\n", _("Help"));
	for (size_t i = 0; i < sizeof paragraphs / sizeof paragraphs[0]; i++) {
		const struct paragraph *p = &paragraphs[i];

		html(h, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", p->id, p->id,
		    _(p->heading));
		for (size_t k = 0; k < 4 && p->text[k]; k++) {
			html(h, "<p>");
			page_prose(h, _(p->text[k]));
			html(h, "</p>\n");
		}
		html(h, "</section>\n");
	}
	html(h, "<section aria-labelledby=\"trust\">\n<h2 id=\"trust\">%s</h2>\n",
	    _("What you trust when you write here"));
	for (size_t i = 0; trust_paragraphs[i]; i++)
		html(h, "<p>%s</p>\n", _(trust_paragraphs[i]));
	html(h, "</section>\n</div>\n");
	page_end(h, q, &page);
}
