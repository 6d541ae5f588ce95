/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts as clients get them: THREAD_GET, and the items that pages.c has for WATCH. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/moderate.h"

#define INLINE_MAX 65536 /* a content up to this comes with its item */
#define LEAN_BACKLOG          \
	(CHANNEL_OUTPUT_MAX / \
	    4) /* but not where the contents of one thread would fill the connection */
#define LEAN_MAX 256

/* The text that is shown: of the entry itself, or of the AMEND in force. */
static void text_fill(struct answer *a, Convene__Item *m, struct bytes message, uint32_t no,
    uint64_t index, const uint8_t id[static ID_LEN])
{
	struct store *s = a->session->relay->reader;
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct header h;
	int got;

	m->content_state = CONVENE__CONTENT_STATE__CONTENT_NONE_NEEDED;
	if (message_parse(message, &h) != OK || !h.has_commitment)
		return;
	got = s->ops->content_get(s, no, index, id, salt, &content);
	if (got == ERR_REFUSED) {
		m->content_state = CONVENE__CONTENT_STATE__CONTENT_ERASED;
	} else if (got != OK) {
		m->content_state = CONVENE__CONTENT_STATE__CONTENT_MISSING;
	} else if (content.len > (a->lean ? LEAN_MAX : INLINE_MAX)) {
		m->content_state = CONVENE__CONTENT_STATE__CONTENT_LARGE;
	} else {
		m->content_state = CONVENE__CONTENT_STATE__CONTENT_PRESENT;
		m->salt = answer_copy(a, salt, SALT_LEN);
		m->content = answer_copy(a, content.data, content.len);
	}
	buffer_free(&content);
}

/* The AMEND or ERASE of an item, and its log's name where that is another. */
static int change_fill(struct answer *a, const struct item_row *row, const struct item_ref *ref,
    ProtobufCBinaryData *message, uint64_t *index, ProtobufCBinaryData *log)
{
	struct relay *r = a->session->relay;
	struct relay_log *l = log_by_no(r, ref->log_no);
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	int err = l ? log_entry(r, ref->log_no, ref->index, &entry, &leaf) : ERR_STORE;

	if (!err) {
		*message = answer_copy(a, leaf.data, leaf.len);
		*index = ref->index;
		if (ref->log_no != row->log_no)
			*log = answer_str(a, l->credential.binding.log_name);
	}
	buffer_free(&entry);
	return err;
}

/* Why the text of an item is not shown; NULL: it is. The operator's own programs get all. */
static const char *hidden_why(
    const struct answer *a, const struct item_row *row, struct bytes message)
{
	const struct relay *r = a->session->relay;
	struct header h;
	const char *why;

	if (a->session->local || row->erasure.present || message_parse(message, &h) != OK ||
	    !h.has_commitment)
		return NULL;
	why = moderate_message(r, row->id, &h);
	return why ? why : moderate_author(r, &row->author);
}

int items_fill(struct answer *a, const struct item_row *row, Convene__Item *m)
{
	const struct item_ref *f = &row->amendment;
	struct relay *r = a->session->relay;
	struct relay_log *l = log_by_no(r, row->log_no);
	struct buffer entry = BUFFER_INIT;
	const char *why;
	struct bytes leaf;
	struct header h;
	int err = l ? log_entry(r, row->log_no, row->index, &entry, &leaf) : ERR_STORE;

	convene__item__init(m);
	if (!err && f->present)
		err = change_fill(a, row, f, &m->amendment, &m->amendment_index, &m->amendment_log);
	if (!err && row->erasure.present)
		err = change_fill(
		    a, row, &row->erasure, &m->erasure, &m->erasure_index, &m->erasure_log);
	if (err) {
		buffer_free(&entry);
		return err;
	}
	m->log = answer_str(a, l->credential.binding.log_name);
	m->index = row->index;
	m->message = answer_copy(a, leaf.data, leaf.len);
	why = hidden_why(a, row, leaf);
	if (why) {
		m->content_state = CONVENE__CONTENT_STATE__CONTENT_HIDDEN;
		m->hidden = answer_str(a, why);
	} else if (f->present)
		text_fill(a, m, bytes_of_pb(m->amendment), f->log_no, f->index, f->id);
	else
		text_fill(a, m, leaf, row->log_no, row->index, row->id);
	m->organisation = answer_str(a, row->author.organisation);
	if (row->author.device)
		m->identity = answer_copy(a, row->author.identity, IDENTITY_LEN);
	m->handle = answer_str(a, row->author.handle);
	m->name = answer_str(a, row->author.name);
	m->group = answer_str(a, row->author.group);
	m->arrival = row->arrival;
	m->thread = answer_copy(a, row->thread, ID_LEN);
	m->topic = answer_copy(a, row->topic, ID_LEN);
	m->depth = row->depth;
	m->parent_missing = row->parent_missing;
	if (row->author.recovery && message_parse(leaf, &h) == OK)
		m->recovered = device_recovered(r, row->log_no, h.signer);
	m->disputed = l->state == LOG_DISPUTED;
	buffer_free(&entry);
	return a->err;
}

void items_flush(struct answer *a, bool last, uint64_t missing)
{
	Convene__Items m = CONVENE__ITEMS__INIT;

	m.items = (Convene__Item **)a->list;
	m.n_items = a->count;
	m.last = last;
	m.missing = missing;
	m.next = last ? a->next : 0;
	if (last)
		m.n_without = carry_without(a, &m.without);
	channel_send(a->session->channel, FRAME_ITEMS, a->stream, &m.base);
	answer_clear(a);
}

int items_row(void *ctx, const struct item_row *row)
{
	struct answer *a = ctx;
	Convene__Item *m;

	if (a->bytes > ANSWER_BYTES) {
		items_flush(a, false, 0);
		a->lean |= channel_backlog(a->session->channel) > LEAN_BACKLOG;
	}
	/* Whoever is dropped for not reading must not go on costing a query. */
	if (channel_closing(a->session->channel))
		return ERR_CLOSED;
	m = answer_add(a, sizeof *m);
	return m ? items_fill(a, row, m) : ERR_NOMEM;
}

static int thread_of(void *ctx, const struct item_row *row)
{
	memcpy(ctx, row->thread, ID_LEN);
	return OK;
}

/* How deep it stands its thread would tell. */
static int alone_row(void *ctx, const struct item_row *row)
{
	struct item_row it = *row;

	it.depth = memcmp(row->id, row->thread, ID_LEN) != 0 && !row->parent_missing;
	return items_row(ctx, &it);
}

/* Behind the first of its thread, which may not be here. Not by way of the whole thread: anybody
 * may ask for any one. */
static int alone_get(struct answer *a, const uint8_t id[static ID_LEN])
{
	struct store *s = a->session->relay->reader;
	uint8_t thread[ID_LEN];
	int err = query_item(s, id, thread_of, thread);

	if (!err && memcmp(thread, id, ID_LEN) != 0) {
		err = query_item(s, thread, items_row, a);
		err = err == ERR_NOTFOUND ? OK : err;
	}
	return err ? err : query_item(s, id, alone_row, a);
}

void thread_get(struct session *s, uint32_t stream, const Convene__ThreadGet *m)
{
	struct answer a = {.session = s, .stream = stream};
	uint64_t missing = 0;
	uint8_t id[ID_LEN];
	int err = query_resolve(s->relay->reader, bytes_of_pb(m->id), id);

	if (!err)
		err = m->alone ? alone_get(&a, id)
			       : query_thread(s->relay->reader, id, items_row, &a, &missing);
	if (err)
		answer_error(s, stream, err, "post");
	else
		items_flush(&a, true, missing);
	answer_end(&a);
}
