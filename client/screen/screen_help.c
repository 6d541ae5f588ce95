/* SPDX-License-Identifier: BSD-2-Clause */
/* What `?` shows. */
#include "base/language.h"
#include "client/screen/screen_inside.h"

static const struct {
	const char *keys, *what;
} lines[] = {
    {"↑ ↓  j k", N_("one line")},
    {"PgUp PgDn  b Space", N_("one page; Space goes on to the next message")},
    {"Home End  g G", N_("first, last")},
    {"Enter  →  l", N_("open")},
    {"q  ←  h  Esc", N_("back; q at the topics ends the reader")},
    {"Q", N_("end the reader")},
    {"n p", N_("next message, previous message")},
    {"Tab  u", N_("next unread")},
    {"t", N_("the whole thread of a message that was found")},
    {"r", N_("reply, in your editor ($VISUAL, $EDITOR)")},
    {"w", N_("write: begin a thread in this topic")},
    {"c", N_("all of this is read")},
    {"/", N_("search: words, \"a phrase\", -without, by:alice, lang:fr, since:2026-01-31")},
    {"y", N_("keep a copy, or bring it up to date")},
    {"R", N_("ask again, and send what waits")},
    {"B", N_("right-to-left text: put it in order here, or leave that to the terminal")},
    {"Ctrl-L", N_("draw the screen again")},
    {"?", N_("this help")},
};

void help_make(struct screen *s)
{
	page_begin(&s->help, s->columns - 2);
	page_words(&s->help, STYLE_STRONG, _("Keys"));
	page_blank(&s->help);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		page_printf(&s->help, STYLE_STRONG, "%s", lines[i].keys);
		page_printf(&s->help, STYLE_PLAIN, "    %s", _(lines[i].what));
	}
	page_blank(&s->help);
	page_words(&s->help, STYLE_PLAIN,
	    _("A star marks what is unread. What you write is signed and kept here before it is "
	      "sent, and waits while the node can't be reached. The manual has more: man "
	      "convene."));
	s->help_lines.count = s->help.count;
	s->help_lines.height = screen_height(s);
	list_scroll(&s->help_lines, 0);
	if (list_at_end(&s->help_lines))
		s->help_lines.top = s->help.count > s->help_lines.height
					? s->help.count - s->help_lines.height
					: 0;
}
