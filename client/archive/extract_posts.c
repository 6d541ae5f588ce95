/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents: fetched, checked against their commitments, kept in the spool; and posts put together
 * from them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/extract_inside.h"
#include "mail/message_id.h"

#define ASKED_AT_ONCE 16
#define ANCESTORS_MAX 100 /* Message-IDs in References: the root's, and those nearest */
#define TELL_EVERY 256

/* ---- what is wanted ---- */

static void want(struct extract *e, uint32_t no)
{
	struct row *r = &e->rows[no];

	if (r->content == CONTENT_UNASKED && r->committed)
		r->content = CONTENT_WANTED;
}

/* Where a person's profile stands; NONE: erased, or there is none. */
static uint32_t profile_row(const struct extract *e, const struct person *p)
{
	if (p->amendment != NONE)
		return p->amendment;
	return p->erasure == NONE && e->rows[p->enrol].committed ? p->enrol : NONE;
}

static void post_want(struct extract *e, uint32_t no)
{
	struct row *r = &e->rows[no];

	if (r->person != NONE) {
		e->people[r->person].wanted = true;
		if (profile_row(e, &e->people[r->person]) != NONE)
			want(e, profile_row(e, &e->people[r->person]));
	}
	if (r->erasure == NONE && r->amendment != NONE)
		want(e, r->amendment);
	/* Its first content says what an archive called it: to itself, and to what answers it. Whom
	 * it answers may stand in another topic, while the root of both is missing. */
	for (; no != NONE && e->rows[no].content == CONTENT_UNASKED; no = e->rows[no].about) {
		if (e->rows[no].erasure != NONE)
			e->rows[no].content = CONTENT_GONE;
		else
			want(e, no);
	}
}

/* ---- taking a content ---- */

static void profile_take(struct person *p, const struct content_profile *from)
{
	struct bytes texts[2] = {from->name, from->group};
	char *to[2] = {p->name, p->group};
	size_t room[2] = {NAME_SHOWN, GROUP_SHOWN};

	p->known = true;
	if (handle_prepare(p->handle, from->handle, NULL) != OK ||
	    !bytes_equal(bytes_str(p->handle), from->handle))
		p->handle[0] = '\0';
	for (int i = 0; i < 2; i++) {
		size_t len = texts[i].len ? strnlen((const char *)texts[i].data, texts[i].len) : 0;
		struct bytes head = text_head(bytes_of(texts[i].data, len), room[i]);

		if (head.len > 0)
			memcpy(to[i], head.data, head.len);
		to[i][head.len] = '\0';
	}
}

/* What of a content is needed before posts are put together. */
static int content_note(struct extract *e, struct row *r, const struct content *c)
{
	uint32_t no = (uint32_t)(r - e->rows);
	struct bytes id = c->imported.message_id;

	if (r->person != NONE && profile_row(e, &e->people[r->person]) == no)
		profile_take(&e->people[r->person], &c->profile);
	if ((r->kind != KIND_POST && r->kind != KIND_TOPIC) || !c->imported.present ||
	    !message_id_usable(id))
		return OK;
	if (e->names.len > UINT32_MAX - id.len)
		return ERR_NOMEM;
	r->name_at = (uint32_t)e->names.len;
	r->name_len = (uint16_t)id.len;
	buffer_add(&e->names, id.data, id.len);
	return e->names.failed ? ERR_NOMEM : OK;
}

static int content_keep(struct extract *e, struct row *r, const uint8_t salt[static SALT_LEN],
    struct bytes content, struct trouble *t)
{
	struct content c = {0};
	struct header h;
	int err = row_header(e, r, &e->message, &h, t);

	if (err)
		return err;
	if (content.len == 0 ||
	    content_check(&h, &e->logs[r->log].credential.binding, salt, content) != OK) {
		r->content = CONTENT_BAD;
		return OK;
	}
	r->content = CONTENT_GOT;
	r->content_len = (uint32_t)content.len;
	err = spool_add(&e->spool, content, &r->content_at, t);
	if (!err) {
		int parsed = content_parse(content, &c);

		if (parsed == ERR_NOMEM || (parsed == OK && content_note(e, r, &c) != OK))
			err = no_memory(t);
	}
	content_clear(&c);
	return err;
}

struct asked {
	struct row *row;
	uint32_t stream;
};

static int answer_take(
    struct extract *e, const struct asked *a, struct buffer *content, struct trouble *t)
{
	uint8_t salt[SALT_LEN];
	int err;

	buffer_reset(content);
	err = client_content_next(e->client, a->stream, salt, content, t);
	if (err == ERR_NOTFOUND || (err == ERR_REFUSED && t->code == 0)) {
		a->row->content = err == ERR_NOTFOUND ? CONTENT_NOT_HERE : CONTENT_GONE;
		e->counts.missing += err == ERR_NOTFOUND;
		return OK;
	}
	return err ? err : content_keep(e, a->row, salt, buffer_bytes(content), t);
}

int extract_contents(struct extract *e, void (*tell)(void *ctx, uint64_t done, uint64_t all),
    void *ctx, struct trouble *t)
{
	struct asked asked[ASKED_AT_ONCE];
	struct buffer content = BUFFER_INIT;
	uint64_t all = 0, done = 0, sent = 0;
	size_t at = 0;
	int err = OK;

	for (size_t i = 0; i < e->order_count; i++)
		post_want(e, e->order[i]);
	for (size_t i = 0; i < e->row_count; i++)
		all += e->rows[i].content == CONTENT_WANTED;
	while (!err && done < all) {
		for (; !err && sent < all && sent - done < ASKED_AT_ONCE; at++) {
			Convene__ContentGet get = CONVENE__CONTENT_GET__INIT;
			struct asked *a = &asked[sent % ASKED_AT_ONCE];

			a->row = &e->rows[at];
			if (a->row->content != CONTENT_WANTED)
				continue;
			get.id = pb_of(bytes_of(a->row->id, ID_LEN));
			err = client_send_also(
			    e->client, FRAME_CONTENT_GET, &get.base, &a->stream, t);
			sent++;
		}
		if (!err)
			err = answer_take(e, &asked[done++ % ASKED_AT_ONCE], &content, t);
		if (tell && (done % TELL_EVERY == 0 || done == all))
			tell(ctx, done, all);
	}
	buffer_free(&content);
	return err;
}

/* ---- a post ---- */

static void place_set(const struct extract *e, struct mail_place *out, uint32_t no)
{
	const struct row *r = &e->rows[no];

	*out = (struct mail_place){
	    .present = true, .log = bytes_str(e->logs[r->log].at->name), .index = r->index};
	memcpy(out->id, r->id, ID_LEN);
}

static void author_set(const struct extract *e, const struct row *r, struct mail_author *out)
{
	const struct person *p = r->person == NONE ? NULL : &e->people[r->person];

	*out = (struct mail_author){
	    .organisation = bytes_str(e->logs[r->log].credential.organisation)};
	if (!p)
		return;
	out->device = true;
	memcpy(out->identity, p->key, IDENTITY_LEN);
	out->handle = bytes_str(p->handle);
	out->name = bytes_str(p->name);
	out->group = bytes_str(p->group);
}

/* Read a row's content again. */
static int content_read(struct extract *e, const struct row *r, struct buffer *text,
    struct content *out, int *parsed, struct trouble *t)
{
	int err;

	buffer_reset(text);
	err = spool_read(&e->spool, r->content_at, r->content_len, text, t);
	*parsed = err ? err : content_parse(buffer_bytes(text), out);
	return !err && *parsed == ERR_NOMEM ? no_memory(t) : err;
}

static int content_set(struct extract *e, const struct row *r, uint32_t from, struct trouble *t)
{
	struct mail_post *p = &e->post;
	int parsed = OK, err = OK;

	switch ((enum row_content)e->rows[from].content) {
	case CONTENT_GOT:
		err = content_read(e, &e->rows[from], &e->text, &e->content, &parsed, t);
		p->state = parsed == OK ? MAIL_PRESENT : MAIL_UNREADABLE;
		break;
	case CONTENT_GONE:
		p->state = MAIL_ERASED;
		e->counts.erased_since += r->erasure == NONE;
		break;
	default:
		p->state = MAIL_MISSING;
	}
	e->counts.unreadable += p->state == MAIL_UNREADABLE;
	if (!err && p->state == MAIL_PRESENT) {
		p->content = &e->content;
		p->imported = e->content.imported.present ? &e->content.imported : NULL;
	}
	/* An amendment does not change what an archive said. */
	if (err || r->amendment == NONE || r->erasure != NONE || r->content != CONTENT_GOT)
		return err;
	err = content_read(e, r, &e->original_text, &e->original, &parsed, t);
	if (!err && parsed == OK && e->original.imported.present)
		p->imported = &e->original.imported;
	return err;
}

static void ancestor_add(struct extract *e, size_t *ends, size_t *count, const struct row *r)
{
	message_id_add(&e->ancestor_text, r->id, bytes_str(e->logs[r->log].credential.organisation),
	    r->name_len ? bytes_of(e->names.data + r->name_at, r->name_len) : bytes_of(NULL, 0));
	ends[(*count)++] = e->ancestor_text.len;
}

/* A parent that isn't here is named as what is no import is; by whose log, if that is known. */
static void orphan_add(struct extract *e, size_t *ends, size_t *count, const struct ref *parent)
{
	for (size_t i = 0; i < e->log_count; i++) {
		const struct credential *c = &e->logs[i].credential;

		if (memcmp(c->binding.digest, parent->log, DIGEST_LEN) != 0)
			continue;
		message_id_add(
		    &e->ancestor_text, parent->id, bytes_str(c->organisation), bytes_of(NULL, 0));
		ends[(*count)++] = e->ancestor_text.len;
		return;
	}
}

/* `missing`: whom the root of the thread answers, or NULL. */
static int ancestors_set(
    struct extract *e, const struct row *r, const struct ref *missing, struct trouble *t)
{
	size_t ends[ANCESTORS_MAX + 1], count = 0;
	uint32_t no = r->about;

	if (!e->ancestors)
		e->ancestors = calloc(ANCESTORS_MAX + 1, sizeof *e->ancestors);
	if (!e->ancestors)
		return no_memory(t);
	buffer_reset(&e->ancestor_text);
	for (; no != NONE && count < ANCESTORS_MAX - 1; no = e->rows[no].about)
		ancestor_add(e, ends, &count, &e->rows[no]);
	if (no != NONE)
		ancestor_add(e, ends, &count, &e->rows[r->root]);
	if (missing)
		orphan_add(e, ends, &count, missing);
	if (e->ancestor_text.failed)
		return no_memory(t);
	for (size_t i = 0; i < count; i++) {
		size_t begin = i > 0 ? ends[i - 1] : 0;

		e->ancestors[count - 1 - i] = bytes_of(
		    e->ancestor_text.data + begin, ends[i] - begin);
	}
	e->post.ancestors = e->ancestors;
	e->post.ancestor_count = count;
	return OK;
}

int extract_post(struct extract *e, size_t i, const struct mail_post **out, struct trouble *t)
{
	const struct row *r = &e->rows[e->order[i]], *root = &e->rows[r->root];
	uint32_t from = r->erasure == NONE && r->amendment != NONE ? r->amendment : e->order[i];
	struct mail_post *p = &e->post;
	struct header root_header;
	int err;

	content_clear(&e->content);
	content_clear(&e->original);
	*p = (struct mail_post){.header = &e->header};
	*out = NULL;
	if (e->rows[from].content == CONTENT_BAD || r->content == CONTENT_BAD) {
		e->counts.bad++;
		return OK;
	}
	*out = p;
	e->counts.topics += r->kind == KIND_TOPIC;
	e->counts.posts += r->kind == KIND_POST;
	place_set(e, &p->at, e->order[i]);
	author_set(e, r, &p->author);
	memcpy(p->topic, e->topics[row_topic(e, r)].id, ID_LEN);
	memcpy(p->thread, root->id, ID_LEN);
	if (r->erasure != NONE)
		place_set(e, &p->erasure, r->erasure);
	else if (r->amendment != NONE)
		place_set(e, &p->amendment, r->amendment);
	err = row_header(e, root, &e->message, &root_header, t);
	if (!err && !row_rooted(e, r))
		memcpy(p->thread, root_header.parent.id, ID_LEN);
	if (!err)
		err = ancestors_set(e, r, row_rooted(e, r) ? NULL : &root_header.parent, t);
	if (!err)
		err = row_header(e, r, &e->message, &e->header, t);
	return err ? err : content_set(e, r, from, t);
}
