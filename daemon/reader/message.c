/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as readers see it: the same that daemon/relay/items.c tells clients (SPEC.md 12.2,
 * 13.5, 13.6). */
#include <string.h>

#include "base/error.h"
#include "daemon/reader/enrolment.h"
#include "daemon/reader/reader_inside.h"
#include "msg/body.h"

void message_shown_clear(struct message_shown *m)
{
	content_clear(&m->content);
	buffer_free(&m->entry);
	buffer_free(&m->text);
	buffer_free(&m->changes);
	*m = (struct message_shown)MESSAGE_SHOWN_INIT;
}

static void begin_anew(struct message_shown *m, const struct item_row *row)
{
	struct buffer entry = m->entry, text = m->text, changes = m->changes;

	content_clear(&m->content);
	buffer_reset(&entry);
	buffer_reset(&text);
	buffer_reset(&changes);
	*m = (struct message_shown){
	    .row = *row, .entry = entry, .text = text, .changes = changes, .state = TEXT_NONE};
}

static int entry_take(struct reader *r, uint32_t log, uint64_t index, struct buffer *out)
{
	struct bytes leaf;
	int err = reader_entry(r, log, index, &leaf);

	if (!err)
		buffer_add(out, leaf.data, leaf.len);
	return !err && out->failed ? ERR_NOMEM : err;
}

/* The AMEND in force and the ERASE: both are read before either is parsed, for memory moves. */
static int changes_read(struct reader *r, struct message_shown *m)
{
	const struct item_ref *refs[2] = {&m->row.amendment, &m->row.erasure};
	struct message_change *changes[2] = {&m->amended, &m->erased};
	size_t at[3] = {0};
	int err = OK;

	for (size_t i = 0; i < 2 && !err; i++) {
		if (refs[i]->present)
			err = entry_take(r, refs[i]->log_no, refs[i]->index, &m->changes);
		at[i + 1] = m->changes.len;
	}
	for (size_t i = 0; i < 2 && !err; i++) {
		if (!refs[i]->present)
			continue;
		changes[i]->given = true;
		memcpy(changes[i]->id, refs[i]->id, ID_LEN);
		err = message_parse(
		    bytes_of(m->changes.data + at[i], at[i + 1] - at[i]), &changes[i]->header);
	}
	return err ? ERR_STORE : OK;
}

/* Whose measures an AMEND is under: what it is about. */
static const uint8_t *hidden_by(const struct message_shown *m, struct target_body *b)
{
	if (m->header.kind == KIND_AMEND && amend_body_parse(m->header.body, b) == OK)
		return b->target.id;
	return m->row.id;
}

static int text_read(struct reader *r, struct message_shown *m)
{
	const struct item_ref *f = &m->row.amendment;
	const struct header *h = f->present ? &m->amended.header : &m->header;
	struct store *s = r->store;
	struct target_body b;
	uint8_t salt[SALT_LEN];
	int err;

	if (!m->row.erasure.present && m->header.has_commitment)
		m->hidden = reader_hidden(r, hidden_by(m, &b), &m->row.author);
	if (m->hidden) {
		m->state = TEXT_HIDDEN;
		return OK;
	}
	if (!h->has_commitment) {
		m->state = TEXT_NONE;
		return OK;
	}
	if (r->budget == 0 && !m->row.erasure.present) {
		m->state = TEXT_MISSING;
		m->left_out = true;
		return OK;
	}
	err = s->ops->content_get(s, f->present ? f->log_no : m->row.log_no,
	    f->present ? f->index : m->row.index, f->present ? f->id : m->row.id, salt, &m->text);
	if (r->budget < SIZE_MAX)
		r->budget -= m->text.len < r->budget ? m->text.len : r->budget;
	if (err == ERR_REFUSED || (err == OK && m->row.erasure.present)) {
		m->state = TEXT_ERASED;
	} else if (err == ERR_NOTFOUND) {
		m->state = m->row.erasure.present ? TEXT_ERASED : TEXT_MISSING;
	} else if (err == OK) {
		err = content_parse(buffer_bytes(&m->text), &m->content);
		m->state = err == OK ? TEXT_HERE : TEXT_BROKEN;
		return err == ERR_NOMEM ? err : OK;
	} else {
		return err;
	}
	return OK;
}

int reader_message(struct reader *r, const struct item_row *row, struct message_shown *out)
{
	const struct reader_log *l = reader_log(r, row->log_no);
	int err;

	begin_anew(out, row);
	if (!l)
		return ERR_STORE;
	out->log = l;
	out->disputed = l->state == LOG_DISPUTED;
	err = entry_take(r, row->log_no, row->index, &out->entry);
	if (!err && message_parse(buffer_bytes(&out->entry), &out->header) != OK)
		err = ERR_STORE;
	if (!err)
		err = changes_read(r, out);
	if (!err)
		err = text_read(r, out);
	if (!err && row->author.recovery)
		out->recovered = enrolment_recovered(r->store, row->log_no, out->header.signer);
	return err;
}

static int row_take(void *ctx, const struct item_row *row)
{
	*(struct item_row *)ctx = *row;
	return OK;
}

int reader_message_by_id(
    struct reader *r, const uint8_t id[static ID_LEN], struct message_shown *out)
{
	struct item_row row;
	int err = query_item(r->store, id, row_take, &row);

	return err ? err : reader_message(r, &row, out);
}

int reader_content(struct reader *r, const struct message_shown *m, struct buffer *out)
{
	const struct item_row *row = &m->row;
	uint8_t salt[SALT_LEN];
	int err;

	if (m->state == TEXT_ERASED)
		return ERR_REFUSED;
	if (m->hidden || !m->header.has_commitment)
		return ERR_NOTFOUND;
	err = r->store->ops->content_get(r->store, row->log_no, row->index, row->id, salt, out);
	return !err && out->failed ? ERR_NOMEM : err;
}
