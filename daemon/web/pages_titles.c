/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a page is: titles of topics, and the path to a thread. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"

void page_topic_title(struct html h, struct request *q, const uint8_t topic[static ID_LEN])
{
	struct message_shown m = MESSAGE_SHOWN_INIT;
	int err = reader_message_by_id(q->reader, topic, &m);

	if (!err && m.state == TEXT_HERE && m.content.subject.len > 0) {
		html(h, "<bdi");
		page_lang(h, m.amended.given ? m.amended.header.lang : m.header.lang);
		html(h, ">");
		html_short(h, m.content.subject, SUBJECT_SHOWN);
		html(h, "</bdi>");
	} else {
		html(h, "<i>%s</i>",
		    err                       ? _("a topic that is not here yet")
		    : m.state == TEXT_ERASED  ? _("an erased title")
		    : m.state == TEXT_HIDDEN  ? _("a hidden title")
		    : m.left_out              ? _("A topic")
		    : m.state == TEXT_MISSING ? _("a title that is not here yet")
					      : _("without a title"));
	}
	message_shown_clear(&m);
}

void page_topic_name(struct html h, struct request *q, const struct topic_row *row)
{
	if (reader_hidden(q->reader, row->id, &row->author)) {
		html(h, "<i>%s</i>", _("a hidden title"));
	} else if (row->title.len > 0) {
		html(h, "<bdi>");
		html_short(h, row->title, SUBJECT_SHOWN);
		html(h, "</bdi>");
	} else {
		page_topic_title(h, q, row->id); /* which says why there is none */
	}
}

void page_topic_kept(
    struct html h, struct request *q, struct page_titles *t, const uint8_t topic[static ID_LEN])
{
	size_t count = sizeof t->kept / sizeof t->kept[0], i = 0;

	while (i < count && (t->kept[i].html.len == 0 || memcmp(t->kept[i].id, topic, ID_LEN) != 0))
		i++;
	if (i == count) {
		i = t->next++ % count;
		memcpy(t->kept[i].id, topic, ID_LEN);
		buffer_reset(&t->kept[i].html);
		page_topic_title((struct html){&t->kept[i].html}, q, topic);
	}
	h.out->failed |= t->kept[i].html.failed;
	buffer_add(h.out, t->kept[i].html.data, t->kept[i].html.len);
}

void page_titles_clear(struct page_titles *t)
{
	for (size_t i = 0; i < sizeof t->kept / sizeof t->kept[0]; i++)
		buffer_free(&t->kept[i].html);
}

void page_path(struct html h, struct request *q, const uint8_t *topic, const char *thread)
{
	char hex[ID_HEX];

	html(h, "<nav class=\"path\" aria-label=\"%s\">\n<ol>\n<li><a", _("You are here"));
	page_href(h, q, "/");
	html(h, ">%s</a></li>\n", _("Topics"));
	if (topic) {
		hex_id(hex, topic);
		html(h, "<li><a");
		page_href(h, q, "/topic/%s", hex);
		html(h, ">");
		page_topic_title(h, q, topic);
		html(h, "</a></li>\n");
	}
	if (thread) {
		html(h, "<li><a");
		page_href(h, q, "%s", thread);
		html(h, ">%s</a></li>\n", _("Thread"));
	}
	html(h, "</ol>\n</nav>\n");
}
