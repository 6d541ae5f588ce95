/* SPDX-License-Identifier: BSD-2-Clause */
/* One message: who, when, what, and everything that has to be said about it (SPEC.md 13.5, 13.6).
 */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "msg/body.h"

enum {
	DEPTH_SHOWN = 7,
	ANCHOR_LEN = 8,
	DIRECTION_BYTES =
	    400, /* that say which side a text begins on; each paragraph has its own */
};

static void anchor_of(char out[static 2 * ANCHOR_LEN + 1], const uint8_t id[static ID_LEN])
{
	hex_encode(out, id, ANCHOR_LEN);
}

static const char *erased_why(const struct message_shown *m)
{
	struct target_body b;

	if (!m->erased.given || erase_body_parse(m->erased.header.body, &b) != OK)
		return "";
	switch (b.reason) {
	case ERASE_WISH:
		return _("The reason given: the author's wish.");
	case ERASE_LAW:
		return _("The reason given: a law.");
	case ERASE_ERROR:
		return _("The reason given: an error.");
	default:
		return "";
	}
}

static void add_erased(struct html h, struct request *q, const struct message_shown *m)
{
	bool own = m->erased.given &&
		   memcmp(m->erased.header.signer, m->header.signer, KEY_LEN) == 0;
	struct buffer room = BUFFER_INIT;
	size_t at = h.out->len;

	if (!m->erased.given) {
		page_remark(h, "erased", _("The text was erased."));
		return;
	}
	page_time(h, q->language, m->erased.header.time);
	struct html_piece day = html_cut(h, at, &room);
	html(h, "<p class=\"remark erased\">");
	html_sentence(h,
	    own ? _("Its author erased the text on %s.")
		: _("The text was erased on %s, by its author or their organisation."),
	    &day, 1);
	html(h, " %s</p>\n", erased_why(m));
	buffer_free(&room);
}

static void add_hidden(struct html h, const struct message_shown *m)
{
	html(h, "<p class=\"remark hidden\">%s", _("Hidden at this node by who runs it."));
	if (*m->hidden) {
		html(h, " <q dir=\"auto\">");
		html_line(h, bytes_str(m->hidden));
		html(h, "</q>");
	}
	html(h, "</p>\n");
}

static void add_amended(struct html h, struct request *q, const struct message_shown *m)
{
	struct buffer room = BUFFER_INIT;
	char hex[ID_HEX];
	size_t at = h.out->len;

	hex_id(hex, m->amended.id);
	page_time(h, q->language, m->amended.header.time);
	struct html_piece time = html_cut(h, at, &room);
	html(h, "<p class=\"remark amended\"><a");
	page_href(h, q, "/m/%s", hex);
	html(h, ">");
	/* Translators: %s is a time. */
	html_sentence(h, _("Amended by its author on %s."), &time, 1);
	html(h, "</a></p>\n");
	buffer_free(&room);
}

static void add_recovered(struct html h, struct request *q, const struct message_shown *m)
{
	struct buffer room = BUFFER_INIT;
	size_t at = h.out->len;

	if (m->recovered == 1) {
		page_remark(h, "recovered",
		    _("Signed with a key that the organisation gave to this participant anew, "
		      "after the earlier ones were lost; on which day is not known."));
		return;
	}
	page_day(h, q->language, m->recovered);
	struct html_piece day = html_cut(h, at, &room);
	html(h, "<p class=\"remark recovered\">");
	html_sentence(h,
	    _("Signed with a key that the organisation gave to this participant anew on %s, "
	      "after the earlier ones were lost."),
	    &day, 1);
	html(h, "</p>\n");
	buffer_free(&room);
}

static void add_remarks(struct html h, struct request *q, const struct message_shown *m)
{
	if (m->disputed)
		page_remark(h, "disputed",
		    _("The log that this stands in is disputed: its organisation has signed two "
		      "different histories."));
	if (m->recovered)
		add_recovered(h, q, m);
	if (m->amended.given && m->state == TEXT_HERE)
		add_amended(h, q, m);
}

static void add_parts(struct html h, struct request *q, const struct message_shown *m)
{
	char hex[ID_HEX];

	if (m->content.part_count == 0)
		return;
	hex_id(hex, m->row.id);
	html(h, "<ul class=\"parts\" aria-label=\"%s\">\n", _("Attachments"));
	for (size_t i = 0; i < m->content.part_count; i++) {
		const struct content_part *p = &m->content.parts[i];

		html(h, "<li>");
		if (p->omitted > 0) {
			html(h, "<bdi>");
			html_short(h, p->name, 120);
			html(h, "</bdi> <span class=\"size\">");
			page_size(h, p->omitted);
			html(h, ", %s</span></li>\n", _("left out by the import"));
			continue;
		}
		html(h, "<a download rel=\"nofollow\"");
		page_href(h, q, "/m/%s/part/%zu", hex, i + 1);
		html(h, "><bdi>");
		if (p->name.len > 0)
			html_short(h, p->name, 120);
		else
			html(h, "%s", _("without a name"));
		html(h, "</bdi></a> <span class=\"size\">");
		page_size(h, p->data.len);
		html(h, "</span></li>\n");
	}
	html(h, "</ul>\n");
}

static void add_text(struct html h, struct request *q, const struct message_view *v)
{
	const struct message_shown *m = v->m;
	struct bytes lang = m->amended.given ? m->amended.header.lang : m->header.lang;
	char hex[ID_HEX];

	html(h, "<div class=\"text\" dir=\"%s\"",
	    text_is_rtl(text_head(m->content.text, DIRECTION_BYTES)) ? "rtl" : "ltr");
	page_lang(h, lang);
	html(h, ">\n");
	if (!text_html(h, m->content.text, v->text_max)) {
		/* As bytes an amendment's text is that of the amendment. */
		hex_id(hex, v->alone && m->amended.given ? m->amended.id : m->row.id);
		html(h, "<p class=\"more\"><a");
		if (v->alone)
			page_href(h, q, "/m/%s/content", hex);
		else
			page_href(h, q, "/m/%s", hex);
		html(h, ">%s</a> <span class=\"size\">", _("The rest of this message"));
		page_size(h, m->content.text.len);
		html(h, "</span></p>\n");
	}
	html(h, "</div>\n");
	add_parts(h, q, m);
}

static void add_body(struct html h, struct request *q, const struct message_view *v)
{
	const struct message_shown *m = v->m;

	add_remarks(h, q, m);
	switch (m->state) {
	case TEXT_HERE:
		add_text(h, q, v);
		break;
	case TEXT_MISSING:
		page_remark(h, "missing",
		    m->left_out ? page_missing(m)
				: _("The text is not here yet: this node has the message, and "
				    "waits for its content."));
		break;
	case TEXT_ERASED:
		add_erased(h, q, m);
		break;
	case TEXT_HIDDEN:
		add_hidden(h, m);
		break;
	case TEXT_BROKEN:
		page_remark(
		    h, "missing", _("The text can't be read: it is not what a text has to be."));
		break;
	case TEXT_NONE:
		page_remark(h, "missing", _("It has no text."));
		break;
	}
}

static void add_parent(struct html h, struct request *q, const struct message_view *v)
{
	char hex[ID_HEX], anchor[2 * ANCHOR_LEN + 1];
	struct buffer room = BUFFER_INIT;
	size_t at;

	if (!v->parent)
		return;
	html(h, " <span class=\"to\">");
	at = h.out->len;
	if (v->parent_on_page) {
		anchor_of(anchor, v->parent);
		html(h, "<a href=\"#m-%s\">", anchor);
	} else {
		hex_id(hex, v->parent);
		html(h, "<a");
		page_href(h, q, "/m/%s", hex);
		html(h, ">");
	}
	if (v->parent_by.len > 0)
		buffer_add(h.out, v->parent_by.data, v->parent_by.len);
	else
		html(h, "%s", _("another message"));
	html(h, "</a>");
	struct html_piece to = html_cut(h, at, &room);
	/* Translators: %s is who wrote what this message replies to. */
	html_sentence(h, _("to %s"), &to, 1);
	html(h, "</span>");
	buffer_free(&room);
}

static uint64_t time_of(const struct message_shown *m)
{
	int64_t date = m->state == TEXT_HERE && m->content.imported.present
			   ? m->content.imported.date
			   : 0;

	return date > 0 ? (uint64_t)date : m->header.time;
}

void page_message_view(struct html h, struct request *q, const struct message_view *v)
{
	const struct message_shown *m = v->m;
	struct bytes subject = message_subject(m);
	char hex[ID_HEX], anchor[2 * ANCHOR_LEN + 1];
	unsigned depth = v->depth < DEPTH_SHOWN ? v->depth : DEPTH_SHOWN;

	hex_id(hex, m->row.id);
	anchor_of(anchor, m->row.id);
	html(h, "<article class=\"m d%u%s\" id=\"m-%s\">\n<header>\n<h%u>", depth,
	    v->alone ? " alone" : "", anchor, v->level);
	page_writer(h, q, m);
	html(h, "</h%u>\n<p class=\"when\">", v->level);
	if (v->alone) {
		page_time(h, q->language, time_of(m));
	} else {
		html(h, "<a");
		page_href(h, q, "/m/%s", hex);
		html(h, ">");
		page_time(h, q->language, time_of(m));
		html(h, "</a>");
	}
	add_parent(h, q, v);
	if (m->row.parent_missing)
		html(h, " <span class=\"to\">%s</span>", _("to a message that is not here yet"));
	html(h, "</p>\n</header>\n");
	if (subject.len > 0 && !subject_same(subject, v->thread_subject)) {
		html(h, "<p class=\"subject\" dir=\"auto\">");
		html_short(h, subject, SUBJECT_SHOWN);
		html(h, "</p>\n");
	}
	add_body(h, q, v);
	if (m->header.kind != KIND_AMEND && m->state != TEXT_ERASED) {
		html(h, "<p class=\"do\"><a");
		page_href(h, q, "/write?parent=%s", hex);
		html(h, ">%s</a></p>\n", _("Reply"));
	}
	html(h, "</article>\n");
}
