/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents that come: put together, checked against what their entries commit to, and given to the
 * store (SPEC.md 11.6). What is asked for is wants.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "msg/content.h"
#include "sync/state.h"

#define PARTIAL_MAX 8 /* contents that a link may have begun and not ended */

int entry_find(
    struct sync *s, const struct log_slot *l, uint64_t index, struct bytes *leaf, struct header *h)
{
	size_t got, pos = 0;
	int err;

	buffer_reset(&s->entry);
	err = s->io.read(s->io.ctx, l->no, index, 1, MESSAGE_MAX, &s->entry, &got);
	if (!err)
		err = leaves_next(buffer_bytes(&s->entry), &pos, leaf);
	return err ? err : message_parse(*leaf, h);
}

/* Fetch the entry, and check that a content of this length can be its own. */
static int want_begin(struct sync *s, struct log_slot *l, struct want *w,
    const Convene__ContentChunk *m, struct bytes *leaf, struct header *h)
{
	int err;

	if (m->salt.len != SALT_LEN || m->total == 0)
		return ERR_MALFORMED;
	if (m->total > CONTENT_MAX)
		return ERR_RANGE; /* its entry can't be valid: not worth the memory, and not the
				     sender's fault */
	err = entry_find(s, l, w->index, leaf, h);
	if (!err && (!h->has_commitment || bucket_of(m->total) != h->bucket))
		err = ERR_COMMITMENT;
	if (!err) {
		memcpy(w->salt, m->salt.data, SALT_LEN);
		w->total = m->total;
		w->link->wants_begun++;
	}
	return err;
}

static int want_finish(struct sync *s, struct log_slot *l, struct want *w, struct bytes message,
    const struct header *h, struct bytes data, uint64_t now)
{
	uint8_t id[ID_LEN];
	int err = content_check(h, &l->binding, w->salt, data);

	if (err)
		return err;
	message_id(id, message, &l->binding);
	want_arrived(s, l, w, now);
	s->io.content_commit(s->io.ctx, l->no, w->index, id, w->salt, message, data);
	buffer_free(&w->data);
	buffer_free(&w->message);
	return OK;
}

/* What comes in one chunk, as most do, is taken as it is; else it is put together. `leaf` and `h`
 * are those of the entry, when this is the first chunk. */
static int want_add_chunk(struct sync *s, struct log_slot *l, struct want *w,
    const Convene__ContentChunk *m, struct bytes leaf, struct header *h, uint64_t now)
{
	int err = OK;

	if (m->data.len == m->total)
		return want_finish(s, l, w, leaf, h, bytes_of_pb(m->data), now);
	if (m->offset == 0) {
		buffer_reset(&w->data);
		buffer_reset(&w->message);
		buffer_add(&w->message, leaf.data, leaf.len);
	}
	buffer_add(&w->data, m->data.data, m->data.len);
	if (w->data.failed || w->message.failed)
		return ERR_NOMEM;
	if (w->data.len < w->total)
		return OK;
	err = message_parse(buffer_bytes(&w->message), h);
	return err ? err
		   : want_finish(
			 s, l, w, buffer_bytes(&w->message), h, buffer_bytes(&w->data), now);
}

/* The request for it is answered, or begins to be. False: there is none. */
static bool want_answer(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t index)
{
	struct want *w = want_find(l, index);
	uint64_t number;

	if (w && w->link == link && w->number > 0) {
		number = w->number;
		w->number = 0;
	} else {
		number = owed_take(link, slot_index(s, l), index);
	}
	link_answered(link, number);
	return number > 0;
}

/* The want that a chunk answers. An answer may come late: its sender had to wait for the content
 * itself, and meanwhile another link was asked, or the want given up. What is missing is taken from
 * whoever was asked for it. NULL: it isn't missing, or comes already, or was not asked for here. */
static struct want *want_answered(struct sync *s, struct log_slot *l, struct sync_link *link,
    const Convene__ContentChunk *m, uint64_t now)
{
	struct want *w = want_find(l, m->index);
	bool asked = m->offset == 0 && want_answer(s, l, link, m->index);

	if (w && w->link == link)
		return w->committing ? NULL : w;
	if (!asked || (w && (w->committing || w->total > 0)))
		return NULL;
	if (!w)
		w = want_late_add(s, l, m->index);
	if (!w)
		return NULL;
	want_release(s, l, w);
	w->weight = 0; /* it tells nothing of the line */
	want_assign(s, l, w, link, now);
	return w;
}

/* Every packed chunk moves the stream on, also that of a content which nobody wants any more. The
 * chunk says itself how much it must hold. NULL, or why it is no chunk of ours. */
static const char *chunk_unpack(
    struct sync *s, struct sync_link *link, const Convene__ContentChunk *m, int *err)
{
	uint64_t left = m->total > m->offset ? m->total - m->offset : 0;
	size_t len = left < CHUNK_LEN ? (size_t)left : CHUNK_LEN;

	*err = ERR_MALFORMED;
	if (!link->asked_packed)
		return "a content came packed, which was not asked for";
	if (m->data.len > 0 || len == 0)
		return "a content came packed, and also plain, or beyond its end";
	if (!link->unpacker)
		link->unpacker = unpacker_new();
	buffer_reset(&s->chunk);
	*err = link->unpacker
		   ? unpacker_take(link->unpacker, bytes_of_pb(m->packed), len, &s->chunk)
		   : ERR_NOMEM;
	if (*err == OK) {
		link->stats.packed_in += m->packed.len;
		link->stats.unpacked_in += len;
		return NULL;
	}
	if (*err == ERR_NOMEM)
		return "there is no memory to unpack contents";
	return *err == ERR_TOO_LARGE ? "packed contents want a window of more than 256 KiB"
	       : *err == ERR_RANGE   ? "a packed content holds more or fewer bytes than it should"
	       : *err == ERR_CLOSED  ? "the stream of packed contents has an end"
				     : "the stream of packed contents is damaged, or none";
}

static void chunk_receive(
    struct sync *s, struct sync_link *link, const Convene__ContentChunk *m, uint64_t now)
{
	struct bytes leaf = {NULL, 0};
	struct log_slot *l;
	struct header h;
	struct want *w;
	char text[256];
	int err = OK;

	if (m->log.len == DIGEST_LEN)
		memcpy(link->content_log, m->log.data, DIGEST_LEN);
	l = slot_by_digest(s, link->content_log, m->log.len ? m->log.len : DIGEST_LEN);
	w = l ? want_answered(s, l, link, m, now) : NULL;
	if (!w) {
		link->stats.contents_again += l && m->offset == 0;
		return;
	}
	if (w->total == 0 && m->offset > 0)
		return; /* the rest of an answer that we had given up */
	/* Neither a chunk that begins anew nor one of a few bytes counts as progress: the next link
	 * would be asked never. */
	if (w->total == 0)
		err = link->wants_begun >= PARTIAL_MAX ? ERR_REFUSED
						       : want_begin(s, l, w, m, &leaf, &h);
	if (!err && (m->offset != w->data.len || m->total != w->total ||
			m->data.len != (w->total - w->data.len < CHUNK_LEN ? w->total - w->data.len
									   : CHUNK_LEN)))
		err = ERR_MALFORMED;
	if (!err) {
		w->since = link->content_at = link->stats.progress_at = now;
		link->content_asked = w->asked;
		link->stats.content_bytes_in += m->data.len;
		s->contents_in += m->data.len;
		link->useful += m->data.len;
		err = want_add_chunk(s, l, w, m, leaf, &h, now);
	}
	if (err && w->total > 0 && w->data.len == 0) { /* as if it had not begun */
		w->total = 0;
		link->wants_begun--;
	}
	if (err == ERR_COMMITMENT && !pair_agrees(pair_of(s, link, l), l, m->index)) {
		/* Of an origin with two histories it may have the other: that is not its fault. It
		 * is asked for nothing more of this log before it has given entries of ours. */
		snprintf(text, sizeof text,
		    "its content of entry %llu of %s is not what ours commits to",
		    (unsigned long long)m->index, replica_name(l->replica));
		if (!pair_of(s, link, l)->differs)
			s->io.note(s->io.ctx, link->handle, text);
		pair_of(s, link, l)->differs = true;
	}
	if (err == ERR_NOMEM || err == ERR_STORE || err == ERR_RANGE ||
	    (err && pair_of(s, link, l)->differs)) {
		w->tried |= UINT64_C(1) << link->id;
		want_release(s, l, w);
		s->want_news++;
	} else if (err) {
		snprintf(text, sizeof text,
		    "the content of entry %llu of %s is not what it commits to",
		    (unsigned long long)m->index, replica_name(l->replica));
		s->io.fault(s->io.ctx, link->handle, err, text);
	} else if (w->committing) {
		link->stats.contents_in++;
		wants_pump(s, false, now);
	}
}

void contents_receive(
    struct sync *s, struct sync_link *link, const Convene__ContentChunk *m, uint64_t now)
{
	Convene__ContentChunk plain = *m;
	const char *why;
	int err;

	if (m->packed.len > 0) {
		why = chunk_unpack(s, link, m, &err);
		if (why) {
			s->io.fault(s->io.ctx, link->handle,
			    err == ERR_NOMEM ? ERR_NOMEM : ERR_MALFORMED, why);
			return;
		}
		plain.data = pb_of(buffer_bytes(&s->chunk));
	}
	chunk_receive(s, link, &plain, now);
}

void contents_receive_none(
    struct sync *s, struct sync_link *link, const Convene__ContentNone *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct want *w = l ? want_find(l, m->index) : NULL;
	bool live;

	if (l)
		want_answer(s, l, link, m->index);
	if (!w || w->link != link || w->committing)
		return;
	w->tried |= UINT64_C(1) << link->id;
	live = w->live && !w->again;
	want_release(s, l, w);
	s->want_news++;
	/* Looking for what to ask instead is work, and a peer may have nothing of what it shows. */
	if (live)
		wants_pump_log(s, l, now);
	else if (link->wants == 0)
		wants_pump(s, false, now);
}

void sync_contents_committed(
    struct sync *s, const struct sync_stored *list, size_t count, uint64_t now)
{
	for (size_t i = 0; i < count; i++) {
		struct log_slot *l = slot_by_no(s, list[i].log);

		if (!l)
			continue;
		wants_stored(s, l, list[i].index, list[i].result, now);
		if (list[i].result == OK || list[i].result == ERR_REFUSED)
			serve_stored(s, l, list[i].index);
		if (i + 1 == count || list[i + 1].log != list[i].log)
			wants_sweep(s, l);
	}
	serve_due(s);
	wants_pump(s, false, now);
}

void sync_content_committed(struct sync *s, uint32_t no, uint64_t index, int result, uint64_t now)
{
	sync_contents_committed(s, &(struct sync_stored){no, index, result}, 1, now);
}
