/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/ancestors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mail/message_id.h"

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

int imported_read(struct reader *r, const struct message_shown *m, struct buffer *text,
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

int news_id_make(char out[static NEWS_ID_MAX + 1], const uint8_t id[static ID_LEN],
    const char *organisation, const struct content_imported *imported)
{
	bool theirs = imported && news_id_usable(imported->message_id);
	struct buffer name = BUFFER_INIT;
	int err;

	message_id_add(
	    &name, id, bytes_str(organisation), theirs ? imported->message_id : bytes_of(NULL, 0));
	snprintf(out, NEWS_ID_MAX + 1, "%s", buffer_str(&name));
	err = name.failed ? ERR_NOMEM : OK;
	buffer_free(&name);
	return err;
}

/* ---- those that others answer ---- */

#define KNOWN 16384 /* messages remembered */

/* What is needed of a message by those that answer it. */
struct known {
	uint64_t epoch; /* 0: empty */
	uint8_t id[ID_LEN];
	bool shown; /* else it isn't here */
	struct ref parent;
	char name[NEWS_ID_MAX + 1]; /* its Message-ID */
	char subject[ANCESTRY_SUBJECT_MAX + 1];
};

struct ancestors {
	uint64_t epoch;
	struct known *known;
	struct message_shown other;
	struct buffer first_text, names;
	struct content first; /* in first_text */
};

struct ancestors *ancestors_new(void)
{
	struct ancestors *a = calloc(1, sizeof *a);

	if (!a || !(a->known = calloc(KNOWN, sizeof *a->known))) {
		free(a);
		return NULL;
	}
	a->epoch = 1;
	return a;
}

void ancestors_free(struct ancestors *a)
{
	if (!a)
		return;
	message_shown_clear(&a->other);
	content_clear(&a->first);
	buffer_free(&a->first_text);
	buffer_free(&a->names);
	free(a->known);
	free(a);
}

void ancestors_forget(struct ancestors *a)
{
	a->epoch++;
}

static int known_read(
    struct ancestors *a, struct reader *r, const uint8_t id[static ID_LEN], struct known *k)
{
	struct message_shown *m = &a->other;
	const struct content_imported *imported;
	int err = reader_message_by_id(r, id, m);

	*k = (struct known){.epoch = a->epoch};
	memcpy(k->id, id, ID_LEN);
	if (err == ERR_NOTFOUND)
		return OK;
	if (!err)
		err = imported_read(r, m, &a->first_text, &a->first, &imported);
	if (!err)
		err = news_id_make(k->name, id, m->log->organisation, imported);
	if (err)
		return err;
	k->shown = m->row.kind == KIND_POST || m->row.kind == KIND_TOPIC;
	k->parent = m->header.parent;
	if (m->state == TEXT_HERE) {
		struct bytes subject = text_head(m->content.subject, ANCESTRY_SUBJECT_MAX);

		if (subject.len > 0)
			memcpy(k->subject, subject.data, subject.len);
	}
	return OK;
}

/* Valid until the next call. */
static int known_get(struct ancestors *a, struct reader *r, const uint8_t id[static ID_LEN],
    const struct known **out)
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

static void name_keep(struct ancestors *a, size_t *ends, size_t *count, struct bytes name)
{
	buffer_add(&a->names, name.data, name.len);
	ends[(*count)++] = a->names.len;
}

/* Whom it answers isn't here: named as what is no import is, by whose log it is, if that is known.
 */
static void orphan_keep(
    struct ancestors *a, struct reader *r, size_t *ends, size_t *count, const struct ref *parent)
{
	char name[NEWS_ID_MAX + 1];

	for (const struct reader_log *l = NULL; (l = reader_log_next(r, l)) != NULL;) {
		if (memcmp(l->binding.digest, parent->log, DIGEST_LEN) != 0)
			continue;
		if (news_id_make(name, parent->id, l->organisation, NULL) == OK)
			name_keep(a, ends, count, bytes_str(name));
		return;
	}
}

int ancestors_find(
    struct ancestors *a, struct reader *r, const struct message_shown *m, struct ancestry *out)
{
	size_t ends[ANCESTORS_MAX + 1], n = 0;
	struct ref next = m->header.parent;
	const struct known *k, *root = NULL;
	bool known_to_root = true;
	int err = OK;

	out->subject = "";
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
		root = k;
		if (!known_to_root)
			break;
		next = k->parent;
	}
	if (!err && a->names.failed)
		err = ERR_NOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		size_t begin = i > 0 ? ends[i - 1] : 0;

		out->ids[n - 1 - i] = bytes_of(a->names.data + begin, ends[i] - begin);
	}
	out->count = n;
	if (root)
		out->subject = root->subject;
	return err;
}
