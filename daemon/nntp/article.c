/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/article.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "mail/message_id.h"
#include "mail/post.h"
#include "mail/write.h"

#define KNOWN 16384       /* messages remembered */
#define ANCESTORS_MAX 100 /* in References, as in an export: the root's, and those nearest */
#define SUBJECT_KEPT 200

/* What is needed of a message by those that answer it. */
struct known {
	uint64_t epoch; /* 0: empty */
	uint8_t id[ID_LEN];
	bool shown; /* else it isn't here */
	struct ref parent;
	char name[NEWS_ID_MAX + 1]; /* its Message-ID */
	char subject[SUBJECT_KEPT + 1];
};

struct articles {
	const char *node, *url;
	uint64_t epoch;
	struct known *known;
	struct message_shown shown, other;
	struct buffer first_text, names, notice;
	struct content first; /* in first_text */
	struct bytes ancestors[ANCESTORS_MAX + 1];
};

int articles_new(struct articles **out, const char *node, const char *url)
{
	struct articles *a = calloc(1, sizeof *a);

	*out = a;
	if (!a)
		return ERR_NOMEM;
	a->known = calloc(KNOWN, sizeof *a->known);
	a->node = node;
	a->url = url;
	a->epoch = 1;
	if (a->known)
		return OK;
	articles_free(a);
	*out = NULL;
	return ERR_NOMEM;
}

void articles_free(struct articles *a)
{
	if (!a)
		return;
	message_shown_clear(&a->shown);
	message_shown_clear(&a->other);
	content_clear(&a->first);
	buffer_free(&a->first_text);
	buffer_free(&a->names);
	buffer_free(&a->notice);
	free(a->known);
	free(a);
}

void articles_forget(struct articles *a)
{
	a->epoch++;
}

void articles_set_url(struct articles *a, const char *url)
{
	a->url = url;
}

/* ---- names ---- */

bool news_id_usable(struct bytes id)
{
	if (id.len == 0 || id.len > NEWS_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (id.data[i] <= ' ' || id.data[i] >= 0x7f || id.data[i] == '<' ||
		    id.data[i] == '>')
			return false;
	}
	return true;
}

/* What an archive said does not change with an amendment: it stands in the first content. */
static int imported_read(struct reader *r, const struct message_shown *m, struct buffer *text,
    struct content *content, const struct content_imported **out)
{
	struct store *s = reader_store(r);
	uint8_t salt[SALT_LEN];
	int err;

	*out = NULL;
	if (m->state == TEXT_ERASED || m->state == TEXT_HIDDEN || !m->header.has_commitment)
		return OK;
	if (!m->row.amendment.present) {
		if (m->state == TEXT_HERE && m->content.imported.present)
			*out = &m->content.imported;
		return OK;
	}
	content_clear(content);
	buffer_reset(text);
	err = s->ops->content_get(s, m->row.log_no, m->row.index, m->row.id, salt, text);
	if (err == ERR_NOTFOUND || err == ERR_REFUSED)
		return OK;
	if (!err)
		err = content_parse(buffer_bytes(text), content);
	if (!err && content->imported.present)
		*out = &content->imported;
	return err == ERR_NOMEM || err == ERR_STORE || err == ERR_IO ? err : OK;
}

int imported_id(struct reader *r, const struct message_shown *m, struct buffer *text,
    struct content *content, struct bytes *id)
{
	const struct content_imported *imported;
	int err = imported_read(r, m, text, content, &imported);

	*id = bytes_of(NULL, 0);
	if (!err && imported && news_id_usable(imported->message_id))
		*id = imported->message_id;
	return err;
}

static int name_make(char out[static NEWS_ID_MAX + 1], const uint8_t id[static ID_LEN],
    const char *organisation, struct bytes imported)
{
	struct buffer name = BUFFER_INIT;
	int err = OK;

	message_id_add(&name, id, bytes_str(organisation), imported);
	snprintf(out, NEWS_ID_MAX + 1, "%s", buffer_str(&name));
	err = name.failed ? ERR_NOMEM : OK;
	buffer_free(&name);
	return err;
}

/* ---- those that others answer ---- */

static int known_read(
    struct articles *a, struct reader *r, const uint8_t id[static ID_LEN], struct known *k)
{
	struct message_shown *m = &a->other;
	struct bytes imported;
	int err = reader_message_by_id(r, id, m);

	*k = (struct known){.epoch = a->epoch};
	memcpy(k->id, id, ID_LEN);
	if (err == ERR_NOTFOUND)
		return OK;
	if (!err)
		err = imported_id(r, m, &a->first_text, &a->first, &imported);
	if (!err)
		err = name_make(k->name, id, m->log->organisation, imported);
	if (err)
		return err;
	k->shown = m->row.kind == KIND_POST || m->row.kind == KIND_TOPIC;
	k->parent = m->header.parent;
	if (m->state == TEXT_HERE) {
		struct bytes subject = text_head(m->content.subject, SUBJECT_KEPT);

		if (subject.len > 0)
			memcpy(k->subject, subject.data, subject.len);
	}
	return OK;
}

/* Valid until the next call. */
static int known_get(
    struct articles *a, struct reader *r, const uint8_t id[static ID_LEN], const struct known **out)
{
	struct known *k = &a->known[get_u32(id + 8) % KNOWN];
	int err;

	*out = k;
	if (k->epoch == a->epoch && memcmp(k->id, id, ID_LEN) == 0)
		return OK;
	err = known_read(a, r, id, k);
	/* What is not here yet may be in a moment. */
	if (err || !k->shown || a->other.state == TEXT_MISSING)
		k->epoch = 0;
	return err;
}

static void name_keep(struct articles *a, size_t *ends, size_t *count, struct bytes name)
{
	buffer_add(&a->names, name.data, name.len);
	ends[(*count)++] = a->names.len;
}

/* Whom it answers isn't here: named as what is no import is, by whose log it is, if that is known.
 */
static void orphan_keep(
    struct articles *a, struct reader *r, size_t *ends, size_t *count, const struct ref *parent)
{
	char name[NEWS_ID_MAX + 1];

	for (const struct reader_log *l = NULL; (l = reader_log_next(r, l)) != NULL;) {
		if (memcmp(l->binding.digest, parent->log, DIGEST_LEN) != 0)
			continue;
		if (name_make(name, parent->id, l->organisation, bytes_of(NULL, 0)) == OK)
			name_keep(a, ends, count, bytes_str(name));
		return;
	}
}

/* Message-IDs of all it answers, the oldest first. */
static int ancestors_find(struct articles *a, struct reader *r, const struct message_shown *m,
    size_t *count, const struct known **root)
{
	size_t ends[ANCESTORS_MAX + 1], n = 0;
	struct ref next = m->header.parent;
	const struct known *k;
	bool known_to_root = true;
	int err = OK;

	*root = NULL;
	buffer_reset(&a->names);
	/* An id is the hash of what names the parent's, so there are no circles. */
	while (!err && next.present) {
		/* Further up only the root is named. */
		if (n == ANCESTORS_MAX - 1) {
			memcpy(next.id, m->row.thread, ID_LEN);
			known_to_root = false;
		}
		err = known_get(a, r, next.id, &k);
		if (err)
			break;
		if (!k->shown) {
			if (known_to_root)
				orphan_keep(a, r, ends, &n, &next);
			break;
		}
		name_keep(a, ends, &n, bytes_str(k->name));
		*root = k;
		if (!known_to_root)
			break;
		next = k->parent;
	}
	if (!err && a->names.failed)
		err = ERR_NOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		size_t begin = i > 0 ? ends[i - 1] : 0;

		a->ancestors[n - 1 - i] = bytes_of(a->names.data + begin, ends[i] - begin);
	}
	*count = n;
	return err;
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
    struct buffer *out, const struct message_shown *m, bool imported, const struct known *root)
{
	char reply[SUBJECT_KEPT + 8];

	if (m->state == TEXT_HERE && m->content.subject.len > 0) {
		field_text(out, "Subject", m->content.subject);
	} else if (m->state == TEXT_HERE && !imported && root && root->subject[0]) {
		bool already = strncasecmp(root->subject, "re: ", 4) == 0;

		snprintf(reply, sizeof reply, "%s%s", already ? "" : "Re: ", root->subject);
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
    const struct known *root, const char *group, uint32_t number)
{
	char hex[2 * ID_LEN + 1];

	buffer_printf(out, "Path: %s!not-for-mail\n", a->node);
	mail_people(out, p);
	required_write(out, p);
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
	const struct known *root = NULL;
	struct mail_post p;
	struct bytes imported = {NULL, 0};
	int err = reader_message_by_id(r, id, &a->shown);

	buffer_reset(&out->text);
	if (!err && memcmp(a->shown.row.topic, topic, ID_LEN) != 0)
		err = ERR_NOTFOUND;
	if (err)
		return err;
	if (extent != NEWS_ID)
		err = ancestors_find(a, r, &a->shown, &p.ancestor_count, &root);
	if (!err) {
		size_t count = extent != NEWS_ID ? p.ancestor_count : 0;

		notice_write(&a->notice, &a->shown);
		post_set(a, r, &p);
		p.ancestors = a->ancestors;
		p.ancestor_count = count;
		err = imported_read(r, &a->shown, &a->first_text, &a->first, &p.imported);
	}
	if (!err && p.imported && news_id_usable(p.imported->message_id))
		imported = p.imported->message_id;
	if (!err)
		err = name_make(out->id, id, a->shown.log->organisation, imported);
	if (err || extent == NEWS_ID)
		return err;
	header_write(a, &out->text, &p, root, group, number);
	mail_content(&out->text, &p, MAIL_NEWS);
	if (!out->text.failed) {
		const uint8_t *end = memmem(out->text.data, out->text.len, "\n\n", 2);

		out->body = end ? (size_t)(end - out->text.data) + 2 : out->text.len;
		if (extent == NEWS_HEAD)
			out->text.len = out->body;
	}
	return out->text.failed ? ERR_NOMEM : OK;
}
