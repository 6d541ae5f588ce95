/* SPDX-License-Identifier: BSD-2-Clause */
/* AMEND and ERASE (SPEC.md 6.2, 13.5): what they may be about, and which text is shown after them.
 *
 * A target stands in the same log or one before it, and below: so it is folded first, and the order
 * of logs plays no part. That of contents does: what is shown of a message, its title or profile,
 * is always made from the content of what is in force now, or from nothing while that is missing,
 * whenever one of the two changes.
 *
 * An AMEND that its target's erasure takes along is erased like any other: by its own row of
 * `erasure`. */
#include "forum/amend.h"

#include <string.h>

#include "base/error.h"
#include "forum/private.h"

/* ---- targets ---- */

/* Whether `log` is this one, or follows it. */
static int follows(struct store *s, uint32_t log, uint32_t this)
{
	int64_t at = log;

	while (at != 0 && at != this) {
		struct view v;
		int err = view_start(&v, s, VIEW_PREVIOUS, "i", at);
		at = 0;
		if (err == OK && (err = view_next(&v)) == 1) {
			at = view_int(&v, 0);
			view_end(&v);
		}
		if (err < 0)
			return err;
	}
	return at == this ? OK : ERR_NOTFOUND;
}

static bool had_effect(const struct target *t, bool changes)
{
	switch (t->kind) {
	case KIND_TOPIC:
	case KIND_POST:
		return t->topic != 0;
	case KIND_ENROL:
		return t->has_identity;
	case KIND_AMEND:
	case KIND_ERASE:
		return changes;
	}
	return true;
}

int target_find(struct store *s, uint32_t log, const struct ref *ref, struct target *out)
{
	struct view v;
	uint8_t digest[DIGEST_LEN];
	int err = view_start(
	    &v, s, VIEW_TARGET, "kii", ref->id, (int64_t)KIND_ENROL, (int64_t)SIGNER_DEVICE);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct target){.no = view_int(&v, 0),
	    .log_no = view_at_log(view_int(&v, 1)),
	    .index = view_at_index(view_int(&v, 1)),
	    .kind = (uint32_t)view_int(&v, 2),
	    .topic = view_int(&v, 3),
	    .erasure = view_int(&v, 5),
	    .about = view_int(&v, 6),
	    .has_identity = !view_null(&v, 7),
	    .first = view_int(&v, 8) != 0,
	    .about_kind = (uint32_t)view_int(&v, 9)};
	memcpy(out->id, ref->id, ID_LEN);
	view_fixed(&v, 4, digest, DIGEST_LEN);
	view_fixed(&v, 7, out->identity, IDENTITY_LEN);
	bool here = memcmp(digest, ref->log, DIGEST_LEN) == 0 && had_effect(out, out->about != 0);
	view_end(&v);
	return here ? follows(s, log, out->log_no) : ERR_NOTFOUND;
}

int target_judge(const struct target *t, uint32_t kind, enum signer_class class,
    const uint8_t identity[static IDENTITY_LEN])
{
	bool original = t->kind == KIND_TOPIC || t->kind == KIND_POST;

	if (kind == KIND_AMEND && !original && !(t->kind == KIND_ENROL && t->first))
		return ERR_UNKNOWN_KIND;
	if (kind == KIND_ERASE && !original && t->kind != KIND_ENROL && t->kind != KIND_AMEND)
		return ERR_UNKNOWN_KIND;
	if (kind == KIND_ERASE && class == SIGNER_REGISTRAR)
		return OK;
	return class == SIGNER_DEVICE && t->has_identity &&
		       memcmp(t->identity, identity, IDENTITY_LEN) == 0
		   ? OK
		   : ERR_REFUSED;
}

int target_restored(struct store *s, const uint8_t id[static ID_LEN], struct target *out)
{
	struct view v;
	int err = view_start(&v, s, VIEW_RESTORED, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct target){.no = view_int(&v, 0),
	    .log_no = view_at_log(view_int(&v, 1)),
	    .index = view_at_index(view_int(&v, 1)),
	    .kind = (uint32_t)view_int(&v, 3)};
	view_fixed(&v, 2, out->id, ID_LEN);
	view_end(&v);
	return OK;
}

/* ---- the text that is shown ---- */

struct text {
	uint32_t kind; /* of the target */
	bool reply;    /* a POST that begins no thread: no title */
	int64_t no, at;
	uint8_t id[ID_LEN];
	bool erased;
};

static int text_find(struct forum *f, int64_t target, struct text *out)
{
	struct view v;
	int err = rows_flush(f);

	if (err == OK)
		err = view_start(&v, f->s, VIEW_TEXT, "i", target);
	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_STORE : err;
	*out = (struct text){.kind = (uint32_t)view_int(&v, 0),
	    .no = view_int(&v, 2),
	    .at = view_int(&v, 3),
	    .erased = view_int(&v, 5) != 0};
	out->reply = out->kind == KIND_POST && !view_null(&v, 1);
	view_fixed(&v, 4, out->id, ID_LEN);
	view_end(&v);
	return OK;
}

/* Show this content; empty: nothing. */
static int text_show(struct forum *f, int64_t target, const struct text *text, struct bytes content)
{
	if (text->kind == KIND_ENROL)
		return profile_set(f, target, content);
	return text->reply ? OK : title_set(f, target, text->kind == KIND_TOPIC, content);
}

int text_taken(struct forum *f, int64_t target, int64_t of, struct bytes content)
{
	struct text text;
	int err = text_find(f, target, &text);

	return err == OK && text.no == of ? text_show(f, target, &text, content) : err;
}

/* Make what is shown of a target from what is in force now. */
static int text_refresh(struct forum *f, int64_t target)
{
	struct text text;
	int err = text_find(f, target, &text);

	if (err != OK || text.reply)
		return err;
	buffer_reset(&f->content);
	if (!text.erased)
		err = f->s->ops->content_get(
		    f->s, view_at_log(text.at), view_at_index(text.at), text.id, NULL, &f->content);
	if (err == OK && f->content.failed)
		return ERR_NOMEM;
	if (err != OK && err != ERR_NOTFOUND && err != ERR_REFUSED)
		return err;
	return text_show(f, target, &text, buffer_bytes(&f->content));
}

/* ---- effects ---- */

/* Its content goes, for good. */
static int erase_one(
    struct forum *f, struct arriving *a, int64_t no, int64_t at, const uint8_t *id, int64_t erasure)
{
	a->result->erased = true;
	int err = f->s->ops->content_drop(f->s, view_at_log(at), view_at_index(at), id, true);
	return err == OK ? view_run(f->s, VIEW_ERASURE_ADD, NULL, "ii", no, erasure) : err;
}

/* Whether an error says something of the store, and not of a message. */
static bool ends_fold(int err)
{
	return err != ERR_NOTFOUND && err != ERR_REFUSED && err != ERR_UNKNOWN_KIND &&
	       err != ERR_MALFORMED;
}

/* Write down a change of `about`, which arrives when something is shown of that. */
static int change_record(struct forum *f, struct arriving *a, int64_t about, int64_t topic)
{
	int err = topic == 0 ? message_record(f, a) : message_arrive(f, a);

	return err == OK ? view_run(f->s, VIEW_CHANGE_ADD, NULL, "iiII", a->no, about, topic,
			       topic == 0 ? INT64_C(0) : a->arrival)
			 : err;
}

int amend_effect(struct forum *f, struct arriving *a)
{
	struct target_body b;
	struct target t;
	int err = amend_body_parse(a->entry->header.body, &b);

	if (err == OK)
		err = rows_flush(f);
	if (err == OK)
		err = target_find(f->s, a->o->log, &b.target, &t);
	if (err == OK)
		err = target_judge(&t, KIND_AMEND, a->verdict.class, a->verdict.identity);
	if (err != OK)
		return ends_fold(err) ? err : message_record(f, a);
	err = change_record(f, a, t.no, t.topic);
	if (err != OK)
		return err;
	/* Who erased a post has said all of it; a profile may be written anew. */
	if (t.erasure != 0 && t.kind != KIND_ENROL)
		return erase_one(
		    f, a, a->no, view_at(a->o->log, a->index), a->entry->id, t.erasure);
	err = view_run(f->s, VIEW_AMENDMENT_ADD, NULL, "iii", t.no,
	    (int64_t)(a->o->number << 40 | a->index), a->no);
	return err == OK ? text_refresh(f, t.no) : err;
}

int amend_content(struct forum *f, int64_t no, const struct header *h, struct bytes content)
{
	struct target_body b;
	struct view v;
	int64_t target = 0;
	int err = amend_body_parse(h->body, &b);

	if (err != OK)
		return OK; /* without effect */
	err = rows_flush(f);
	if (err == OK)
		err = view_start(&v, f->s, VIEW_MESSAGE_FIND, "k", b.target.id);
	if (err == OK && (err = view_next(&v)) == 1) {
		target = view_null(&v, 1) ? 0 : view_int(&v, 0);
		view_end(&v);
		err = OK;
	}
	return err == OK && target != 0 ? text_taken(f, target, no, content) : err;
}

/* All that was said so far instead of `target`. */
static int amendments_erase(struct forum *f, struct arriving *a, int64_t target)
{
	struct view v;
	int err = view_start(&v, f->s, VIEW_AMENDMENTS, "i", target);

	while (err == OK && (err = view_next(&v)) == 1) {
		uint8_t id[ID_LEN];
		view_fixed(&v, 2, id, ID_LEN);
		err = erase_one(f, a, view_int(&v, 0), view_int(&v, 1), id, a->no);
		if (err != OK)
			view_end(&v);
	}
	return err == OK ? view_run(f->s, VIEW_AMENDMENTS_DROP, NULL, "i", target) : err;
}

static int topic_of(struct forum *f, const struct target *t, int64_t about, int64_t *topic)
{
	struct view v;

	*topic = t->topic;
	if (about == t->no)
		return OK;
	int err = view_start(&v, f->s, VIEW_MESSAGE_TOPIC, "i", about);
	if (err == OK && (err = view_next(&v)) == 1) {
		*topic = view_int(&v, 0);
		view_end(&v);
		err = OK;
	}
	return err;
}

int erase_effect(struct forum *f, struct arriving *a)
{
	struct target_body b;
	struct target t;
	int64_t topic = 0;
	int err = erase_body_parse(a->entry->header.body, &b);

	if (err == OK)
		err = rows_flush(f);
	if (err == OK)
		err = target_find(f->s, a->o->log, &b.target, &t);
	if (err == OK)
		err = target_judge(&t, KIND_ERASE, a->verdict.class, a->verdict.identity);
	if (err != OK)
		return ends_fold(err) ? err : message_record(f, a);
	int64_t about = t.kind == KIND_AMEND ? t.about : t.no;
	err = topic_of(f, &t, about, &topic);
	if (err == OK)
		err = change_record(f, a, about, topic);
	if (err == OK)
		err = erase_one(f, a, t.no, view_at(t.log_no, t.index), t.id, a->no);
	if (err == OK && t.kind == KIND_AMEND)
		err = view_run(f->s, VIEW_AMENDMENT_DROP, NULL, "ii", about, t.no);
	else if (err == OK)
		err = amendments_erase(f, a, about);
	return err == OK ? text_refresh(f, about) : err;
}
