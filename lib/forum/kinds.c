/* SPDX-License-Identifier: BSD-2-Clause */
/* What each kind does to the views (SPEC.md section 6.2): one function per kind, in one table.
 *
 * That a message has an effect, and what it does to the roster, is decided before these are called.
 */
#include "forum/private.h"

#include "base/error.h"
#include "base/text.h"
#include "forum/query.h"
#include "msg/content.h"

static int node_effect(struct forum *f, struct arriving *a)
{
	a->result->node_changed = true;
	int err = message_record(f, a);
	return err == OK ? view_run(f->s, VIEW_NODE_ADD, NULL, "iib", (int64_t)a->o->log,
			       (int64_t)a->index, a->entry->message)
			 : err;
}

static int admit_effect(struct forum *f, struct arriving *a)
{
	struct admit_body b;
	int err = admit_body_parse(a->entry->header.body, &b);

	if (err == OK)
		err = message_record(f, a);
	if (err == OK)
		err = view_run(f->s, VIEW_ADMISSION_ADD, NULL, "ibki", (int64_t)a->o->log, b.name,
		    b.root_key, view_at(a->o->log, a->index));
	if (err == OK)
		err = members_admit(
		    f->members, bytes_str(a->o->organisation), a->o->root_key, b.name, b.root_key);
	if (err < 0)
		return err;
	a->result->members_grew |= err == 1;
	return OK;
}

static int enrol_effect(struct forum *f, struct arriving *a)
{
	struct enrol_body b;
	int64_t person = 0;
	int err = enrol_body_read(a->entry->header.body, &b); /* it had an effect */

	if (err == OK)
		err = message_record(f, a);
	if (err == OK && a->verdict.new_identity) {
		person = a->no;
		err = view_run(
		    f->s, VIEW_PERSON_ADD, NULL, "iih", person, (int64_t)a->o->log, b.identity);
	} else if (err == OK) {
		err = person_find(f, a->o, b.identity, &person);
	}
	return err == OK ? signer_add(f, a->o, roster_signer(a->o->roster, b.device_key), person)
			 : err;
}

static bool always(const struct header *h)
{
	return h->has_commitment;
}

static bool begins_thread(const struct header *h)
{
	return h->has_commitment && !h->parent.present;
}

/* Of a TOPIC, a POST or an ENROL: its own content. Only the ENROL that began an identity has a
 * person of its number. */
static int own_content(struct forum *f, int64_t no, const struct header *h, struct bytes content)
{
	(void)h;
	return text_taken(f, no, no, content);
}

int title_set(struct forum *f, int64_t no, bool topic, struct bytes content)
{
	struct content c = {0};
	int err = content.len == 0 ? ERR_MALFORMED : content_parse(content, &c);

	if (err == OK) {
		struct bytes subject = text_head(c.subject, SUBJECT_SHOWN),
			     text = topic ? text_head(c.text, DESCRIPTION_SHOWN)
					  : text_head(c.imported.author, ARCHIVED_SHOWN);
		if (!row_title(f, no, subject, text) && (err = rows_flush(f)) == OK)
			err = view_run(f->s, VIEW_TITLE_SET, NULL, "ibb", no, subject, text);
	} else if (err != ERR_NOMEM && (err = rows_flush(f)) == OK) {
		/* What does not parse is not shown (section 7). */
		err = view_run(f->s, VIEW_TITLE_DROP, NULL, "i", no);
	}
	content_clear(&c);
	return err;
}

static int profile_first(struct forum *f, int64_t no, const struct header *h, struct bytes content)
{
	(void)h;
	return profile_set(f, no, content);
}

static int title_first(struct forum *f, int64_t no, const struct header *h, struct bytes content)
{
	return title_set(f, no, h->kind == KIND_TOPIC, content);
}

/* clang-format off */
static const struct kind_rule rules[KIND_LAST_KNOWN + 1] = {
	[KIND_NODE] = {.effect = node_effect},
	[KIND_ADMIT] = {.effect = admit_effect},
	[KIND_ENROL] = {.effect = enrol_effect, .wants = always, .content = own_content,
		.content_first = profile_first},
	[KIND_REVOKE] = {.effect = message_record}, /* the roster has taken it in */
	[KIND_TOPIC] = {.effect = topic_place, .wants = always, .content = own_content,
		.content_first = title_first},
	[KIND_POST] = {.effect = post_place, .wants = begins_thread, .content = own_content,
		.content_first = title_first},
	[KIND_AMEND] = {.effect = amend_effect, .wants = always, .content = amend_content,
		.content_first = amend_content},
	[KIND_ERASE] = {.effect = erase_effect},
};
/* clang-format on */

const struct kind_rule *kind_rule(uint32_t kind)
{
	return kind >= KIND_NODE && kind <= KIND_LAST_KNOWN ? &rules[kind] : NULL;
}
