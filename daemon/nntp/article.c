/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/article.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/nntp/ancestors.h"
#include "mail/post.h"
#include "mail/write.h"

struct articles {
	const char *node, *url;
	struct ancestors *ancestors;
	struct message_shown shown;
	struct buffer first_text, notice;
	struct content first; /* in first_text */
};

int articles_new(struct articles **out, const char *node, const char *url)
{
	struct articles *a = calloc(1, sizeof *a);

	*out = a;
	if (!a)
		return ERR_NOMEM;
	a->node = node;
	a->url = url;
	a->ancestors = ancestors_new();
	if (a->ancestors)
		return OK;
	articles_free(a);
	*out = NULL;
	return ERR_NOMEM;
}

void articles_free(struct articles *a)
{
	if (!a)
		return;
	ancestors_free(a->ancestors);
	message_shown_clear(&a->shown);
	content_clear(&a->first);
	buffer_free(&a->first_text);
	buffer_free(&a->notice);
	free(a);
}

void articles_forget(struct articles *a)
{
	ancestors_forget(a->ancestors);
}

void articles_set_url(struct articles *a, const char *url)
{
	a->url = url;
}

/* ---- what is shown ---- */

static void place_set(struct reader *r, struct mail_place *out, const struct item_ref *ref)
{
	const struct reader_log *l = ref->present ? reader_log(r, ref->log_no) : NULL;

	if (!l)
		return;
	*out = (struct mail_place){
	    .present = true, .log = bytes_str(l->binding.log_name), .index = ref->index};
	memcpy(out->id, ref->id, ID_LEN);
}

/* Instead of a text. */
static void notice_write(struct buffer *out, const struct message_shown *m)
{
	char when[24];

	buffer_reset(out);
	switch (m->state) {
	case TEXT_ERASED:
		if (m->erased.given)
			buffer_printf(out,
			    "[This text was erased on %s. What is left is its place.]\n",
			    clock_format(when, m->erased.header.time));
		else
			buffer_add_str(out, "[This text was erased. What is left is its place.]\n");
		break;
	case TEXT_HIDDEN:
		buffer_add_str(out, "[The operator of this node does not show this text: ");
		text_line(out, bytes_str(m->hidden));
		buffer_add_str(out, "]\n");
		break;
	case TEXT_MISSING:
		buffer_add_str(out, "[This text has not come to this node yet.]\n");
		break;
	case TEXT_BROKEN:
		buffer_add_str(out, "[What was signed here is no text that can be shown.]\n");
		break;
	case TEXT_HERE:
	case TEXT_NONE:
		break;
	}
}

static const char *state_subject(enum text_state state)
{
	switch (state) {
	case TEXT_ERASED:
		return "[erased]";
	case TEXT_HIDDEN:
		return "[not shown here]";
	case TEXT_MISSING:
		return "[not here yet]";
	case TEXT_BROKEN:
		return "[can't be shown]";
	case TEXT_HERE:
	case TEXT_NONE:
		break;
	}
	return "[no subject]";
}

/* A reply without a subject has that of its thread, as newsreaders expect; in what came from an
 * archive nothing is made up. */
static void subject_write(
    struct buffer *out, const struct message_shown *m, bool imported, const char *root)
{
	char reply[ANCESTRY_SUBJECT_MAX + 8];

	if (m->state == TEXT_HERE && m->content.subject.len > 0) {
		field_text(out, "Subject", m->content.subject);
	} else if (m->state == TEXT_HERE && !imported && root[0]) {
		bool already = strncasecmp(root, "re: ", 4) == 0;

		snprintf(reply, sizeof reply, "%s%s", already ? "" : "Re: ", root);
		field_text(out, "Subject", bytes_str(reply));
	} else {
		field_text(out, "Subject", bytes_str(state_subject(m->state)));
	}
}

static void post_set(struct articles *a, struct reader *r, struct mail_post *p)
{
	static const enum mail_state states[] = {[TEXT_HERE] = MAIL_PRESENT,
	    [TEXT_NONE] = MAIL_PRESENT,
	    [TEXT_MISSING] = MAIL_MISSING,
	    [TEXT_ERASED] = MAIL_ERASED,
	    [TEXT_HIDDEN] = MAIL_HIDDEN,
	    [TEXT_BROKEN] = MAIL_UNREADABLE};
	const struct message_shown *m = &a->shown;
	const struct author *by = &m->row.author;

	*p = (struct mail_post){.header = &m->header,
	    .at = {.present = true,
		.log = bytes_str(m->log->binding.log_name),
		.index = m->row.index},
	    .author = {.organisation = bytes_str(m->log->organisation),
		.device = by->device,
		.handle = bytes_str(by->handle),
		.name = bytes_str(by->name),
		.group = bytes_str(by->group)},
	    .state = states[m->state],
	    .content = m->state == TEXT_HERE ? &m->content : NULL,
	    .notice = buffer_bytes(&a->notice)};
	memcpy(p->at.id, m->row.id, ID_LEN);
	memcpy(p->topic, m->row.topic, ID_LEN);
	memcpy(p->thread, m->row.thread, ID_LEN);
	memcpy(p->author.identity, by->identity, IDENTITY_LEN);
	if (m->row.erasure.present)
		place_set(r, &p->erasure, &m->row.erasure);
	else
		place_set(r, &p->amendment, &m->row.amendment);
}

/* What a mail may lack, and news may not. */
static void required_write(struct buffer *out, const struct mail_post *p)
{
	if (p->imported && p->imported->author.len == 0)
		buffer_add_str(out, "From: unknown <unknown@unknown.invalid>\n");
	if (p->imported && p->imported->date == 0)
		field_date(out, "Date", (int64_t)p->header->time);
}

static void header_write(struct articles *a, struct buffer *out, const struct mail_post *p,
    const char *root, const char *group, uint32_t number)
{
	char hex[2 * ID_LEN + 1];

	buffer_printf(out, "Path: %s!not-for-mail\n", a->node);
	mail_people(out, p);
	required_write(out, p);
	/* From is what the importer says that the archive said. */
	if (p->imported)
		mail_mailbox(out, "Sender", &p->author, p->header);
	buffer_printf(out, "Newsgroups: %s\n", group);
	subject_write(out, &a->shown, p->imported != NULL, root);
	mail_ids(out, p, news_id_usable);
	field_date(out, "Injection-Date", (int64_t)p->header->time);
	mail_facts(out, p);
	if (a->shown.disputed)
		field_text(out, "X-Convene-Disputed",
		    bytes_str("two histories of this author's log were shown"));
	if (a->shown.recovered > 0)
		field_date(out, "X-Convene-Recovered", (int64_t)a->shown.recovered);
	hex_encode(hex, p->at.id, ID_LEN);
	if (a->url)
		buffer_printf(out, "Archived-At: <%s/m/%s>\n", a->url, hex);
	buffer_printf(out, "Xref: %s %s:%u\n", a->node, group, number);
}

int article_make(struct articles *a, struct reader *r, const uint8_t id[static ID_LEN],
    const uint8_t topic[static ID_LEN], const char *group, uint32_t number, enum news_extent extent,
    struct news_article *out)
{
	struct ancestry ancestry = {.count = 0, .subject = ""};
	struct mail_post p;
	int err = reader_message_by_id(r, id, &a->shown);

	buffer_reset(&out->text);
	if (!err && memcmp(a->shown.row.topic, topic, ID_LEN) != 0)
		err = ERR_NOTFOUND;
	if (!err && extent != NEWS_ID)
		err = ancestors_find(a->ancestors, r, &a->shown, &ancestry);
	if (err)
		return err;
	notice_write(&a->notice, &a->shown);
	post_set(a, r, &p);
	p.ancestors = ancestry.ids;
	p.ancestor_count = ancestry.count;
	err = imported_read(r, &a->shown, &a->first_text, &a->first, &p.imported);
	if (!err)
		err = news_id_make(out->id, id, a->shown.log->organisation, p.imported);
	if (err || extent == NEWS_ID)
		return err;
	header_write(a, &out->text, &p, ancestry.subject, group, number);
	mail_content(&out->text, &p, extent == NEWS_HEAD ? MAIL_NEWS_HEAD : MAIL_NEWS);
	if (!out->text.failed) {
		const uint8_t *end = memmem(out->text.data, out->text.len, "\n\n", 2);

		out->body = end ? (size_t)(end - out->text.data) + 2 : out->text.len;
	}
	return out->text.failed ? ERR_NOMEM : OK;
}
