/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as a page: who wrote it and when, what is to be said of it, its text, what comes along.
 * What came from outside stands between isolating marks in our sentences. */
#include <stdio.h>
#include <string.h>

#include "base/language.h"
#include "base/text.h"
#include "client/screen/page.h"
#include "client/screen/post.h"

#define NAME_COLUMNS 60
#define REASON_COLUMNS 300
#define STATE(name) CONVENE__CONTENT_STATE__CONTENT_##name

static void cut(struct buffer *out, ProtobufCBinaryData text)
{
	text_cut(out, bytes_of_pb(text), NAME_COLUMNS);
}

static void author_write(const struct post *p, struct page *page)
{
	const Convene__Item *i = p->item;
	struct buffer who = BUFFER_INIT;

	shown_author(&who, &p->shown);
	if (i->name.len > 0 || i->group.len > 0) {
		buffer_add_str(&who, " (");
		cut(&who, i->name);
		buffer_add_str(&who, i->name.len > 0 && i->group.len > 0 ? ", " : "");
		cut(&who, i->group);
		buffer_add_str(&who, ")");
	}
	page_words(page, STYLE_STRONG, buffer_str(&who));
	buffer_free(&who);
}

static void time_write(const struct shown *s, struct page *page)
{
	const struct shown_change *a = &s->amendment;
	struct bytes lang = a->good && a->header.lang.len > 0 ? a->header.lang : s->header.lang;
	struct buffer line = BUFFER_INIT;
	char when[24], id[9];

	if (!s->parsed)
		return;
	buffer_printf(&line, "%s  %s  %.*s", id_short(id, s->id), time_local(when, s->header.time),
	    (int)lang.len, lang.len > 0 ? (const char *)lang.data : "");
	page_words(page, STYLE_FAINT, buffer_str(&line));
	buffer_free(&line);
	if (a->good && !s->erasure.given) {
		page_printf(page, STYLE_FAINT, _("Amended %s."), time_local(when, a->header.time));
		/* Of one key, both are of one person, whatever the node says. */
		if (memcmp(a->header.signer, s->header.signer, KEY_LEN) != 0)
			page_words(page, STYLE_FAINT,
			    _("Amended with another key than the first text: that it is its "
			      "author's too is the node's word."));
	}
}

static void erasure_write(const struct shown *s, struct page *page)
{
	const struct shown_change *e = &s->erasure;
	char when[24];

	if (!e->good) {
		page_words(page, STYLE_WARNING,
		    _("The node calls this erased, and what it shows for that does NOT verify."));
		return;
	}
	time_local(when, e->header.time);
	page_printf(page, STYLE_STRONG,
	    memcmp(e->header.signer, s->header.signer, KEY_LEN) == 0
		? _("Erased by its author, %s.")
		: _("Erased by the registrar, or by another key of its author, %s."),
	    when);
	if (e->reason == ERASE_LAW)
		page_words(page, STYLE_STRONG, _("The reason given: a law."));
	else if (e->reason == ERASE_ERROR)
		page_words(page, STYLE_STRONG, _("The reason given: an error."));
}

static void hidden_write(const struct shown *s, struct page *page)
{
	struct buffer why = BUFFER_INIT;

	if (s->item->hidden.len == 0) {
		page_words(page, STYLE_STRONG, _("Hidden by this node."));
		return;
	}
	text_cut(&why, bytes_of_pb(s->item->hidden), REASON_COLUMNS);
	page_printf(page, STYLE_STRONG, _("Hidden by this node: %s"), buffer_str(&why));
	buffer_free(&why);
}

/* What stands in the place of the text. */
static void state_write(const struct shown *s, struct page *page)
{
	bool present = s->state == STATE(PRESENT);

	if (!s->parsed)
		page_words(page, STYLE_WARNING,
		    _("This is no message that can be read; nothing of it is shown."));
	else if (!s->signature)
		page_words(page, STYLE_WARNING,
		    _("The author's signature does NOT verify: this is not what they signed. It "
		      "is not shown."));
	else if (s->erasure.given)
		erasure_write(s, page);
	else if (s->amendment.given && !s->amendment.good)
		page_words(page, STYLE_WARNING,
		    _("The node shows another text than the first, and its signature does NOT "
		      "verify. It is not shown."));
	else if (present && !s->committed)
		page_words(page, STYLE_WARNING,
		    _("The text is NOT the one that its author signed. It is not shown."));
	else if (present && !s->has_content)
		page_words(page, STYLE_STRONG,
		    _("The content is of a form that this program can't show."));
	else if (s->state == STATE(MISSING))
		page_words(page, STYLE_STRONG, _("The text is not here yet."));
	else if (s->state == STATE(ERASED))
		page_words(page, STYLE_STRONG, _("The text was erased."));
	else if (s->state == STATE(HIDDEN))
		hidden_write(s, page);
	else if (s->state == STATE(LARGE))
		page_words(page, STYLE_STRONG, _("The text is large, and is being fetched."));
}

static void marks_write(const struct shown *s, struct page *page)
{
	char when[24];

	if (s->item->recovered > 1)
		page_printf(page, STYLE_STRONG,
		    _("The author's key was recovered by the organisation on %s."),
		    time_local(when, s->item->recovered));
	else if (s->item->recovered)
		page_words(
		    page, STYLE_STRONG, _("The author's key was recovered by the organisation."));
	if (s->item->disputed)
		page_words(page, STYLE_WARNING,
		    _("Its organisation's log is DISPUTED: its key has signed two histories, and "
		      "which of them stands is not known yet."));
	if (s->item->parent_missing)
		page_words(page, STYLE_FAINT, _("Answers a message that is not here yet."));
}

/* Nobody but the archivist has signed that. */
static void imported_write(const struct content_imported *m, struct page *page)
{
	struct buffer source = BUFFER_INIT;
	char when[24];

	text_cut(&source, m->source, NAME_COLUMNS);
	if (m->date > 0)
		page_printf(page, STYLE_FAINT,
		    /* Translators: first an archive's name, perhaps empty, then a date. */
		    _("From an archive: %1$s, dated %2$s."), buffer_str(&source),
		    time_local(when, (uint64_t)m->date));
	else
		page_printf(page, STYLE_FAINT, _("From an archive: %s, without a date."),
		    buffer_str(&source));
	buffer_free(&source);
}

static void parts_write(const struct shown *s, struct page *page)
{
	char size[16], id[9];
	bool here = false;

	for (size_t i = 0; i < s->content.part_count; i++) {
		const struct content_part *part = &s->content.parts[i];
		struct buffer line = BUFFER_INIT;

		buffer_printf(&line, "[%zu] ", i + 1);
		text_cut(&line, part->name, NAME_COLUMNS);
		buffer_add_str(&line, ", ");
		text_cut(&line, part->media_type, NAME_COLUMNS);
		buffer_printf(
		    &line, ", %s", size_text(size, part->omitted ? part->omitted : part->data.len));
		page_words(page, STYLE_PLAIN, buffer_str(&line));
		if (part->omitted)
			page_words(page, STYLE_FAINT, _("Left out when it was imported."));
		here |= !part->omitted;
		buffer_free(&line);
	}
	if (here)
		page_words(page, STYLE_FAINT, _("To save it:"));
	if (here)
		page_printf(
		    page, STYLE_FAINT, "convene read %s --save FOLDER", id_short(id, s->id));
}

void post_write(const struct post *p, struct bytes title, struct page *page)
{
	const struct shown *s = &p->shown;
	const struct content *c = &s->content;

	author_write(p, page);
	time_write(s, page);
	if (s->has_content && c->imported.present)
		imported_write(&c->imported, page);
	if (s->has_content && c->subject.len > 0 && !bytes_equal(c->subject, title))
		page_text(page, STYLE_STRONG, c->subject);
	marks_write(s, page);
	page_blank(page);
	state_write(s, page);
	if (!s->has_content)
		return;
	if (c->text.len > 0)
		page_text(page, STYLE_PLAIN, c->text);
	if (c->part_count > 0)
		page_blank(page);
	parts_write(s, page);
}
