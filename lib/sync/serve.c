/* SPDX-License-Identifier: BSD-2-Clause */
/* The peer's WANTs, answered in order while its line takes it (SPEC.md 11.6). */
#include <string.h>

#include "base/error.h"
#include "msg/content.h"
#include "sync/state.h"

static void none_send(struct sync *s, struct sync_link *link, struct bytes log, uint64_t index,
    Convene__Absence reason)
{
	Convene__ContentNone m = CONVENE__CONTENT_NONE__INIT;

	m.log = pb_of(log);
	m.index = index;
	m.reason = reason;
	s->io.send(s->io.ctx, link->handle, FRAME_CONTENT_NONE, 0, &m.base);
}

/* In the peer's stream, if it asked for that. A stream that lacks a chunk can't go on: where memory
 * fails, what comes after goes as it is. */
static void chunk_pack(struct sync *s, struct sync_link *link, Convene__ContentChunk *m)
{
	if (!link->packs || link->plain)
		return;
	if (!link->packer)
		link->packer = packer_new();
	buffer_reset(&s->chunk);
	if (!link->packer || packer_add(link->packer, bytes_of_pb(m->data), &s->chunk) != OK) {
		packer_free(link->packer);
		link->packer = NULL;
		link->plain = true;
		return;
	}
	link->stats.unpacked_out += m->data.len;
	link->stats.packed_out += s->chunk.len;
	m->data = pb_of(bytes_of(NULL, 0));
	m->packed = pb_of(buffer_bytes(&s->chunk));
}

static struct bytes log_name_of(const struct log_slot *l)
{
	return bytes_of(l->binding.digest, DIGEST_LEN);
}

static void content_send(struct sync *s, struct sync_link *link, const struct log_slot *l,
    uint64_t index, const uint8_t salt[static SALT_LEN], struct bytes content)
{
	Convene__ContentChunk m;

	for (size_t at = 0; chunk_make(&m, l->binding.digest, index, salt, content, at);
	     at += CHUNK_LEN) {
		if (link->content_sent == slot_index(s, l) + 1)
			m.log = pb_of(bytes_of(NULL, 0));
		link->content_sent = slot_index(s, l) + 1;
		chunk_pack(s, link, &m);
		s->io.send(s->io.ctx, link->handle, FRAME_CONTENT, 0, &m.base);
	}
	link->stats.contents_out++;
	link->stats.content_bytes_out += content.len;
}

/* Make room for a WANT: of those that wait for a content, the oldest is told that it isn't here; or
 * of those that had to, since who asks can't know that it has come. */
static bool served_evict(struct sync *s, struct sync_link *link)
{
	size_t at = link->served_count;
	struct served v;

	for (size_t i = 0; i < link->served_count; i++) {
		v = link->served[i];
		if (v.waiting || (v.waited && at == link->served_count))
			at = i;
		if (v.waiting)
			break;
	}
	if (at == link->served_count)
		return false;
	v = link->served[at];
	link->served_count--;
	memmove(&link->served[at], &link->served[at + 1], (link->served_count - at) * sizeof v);
	none_send(s, link, log_name_of(&s->logs[v.slot]), v.index, CONVENE__ABSENCE__MISSING);
	return true;
}

static struct served *served_find(struct sync_link *link, uint32_t slot, uint64_t index)
{
	for (size_t i = 0; i < link->served_count; i++) {
		if (link->served[i].index == index && link->served[i].slot == slot)
			return &link->served[i];
	}
	return NULL;
}

/* Asking again for what still waits is one request, unless the peer wants to hear now. */
static bool serve_add(struct sync *s, struct sync_link *link, struct served v)
{
	struct served *known = v.slot == SERVED_UNKNOWN ? NULL : served_find(link, v.slot, v.index);

	if (known && v.now && known->waiting) {
		known->now = true;
		known->waiting = false;
	}
	if (known)
		return true;
	if (link->served_count == SYNC_WANTS_MAX && !served_evict(s, link))
		return false;
	link->served[link->served_count++] = v;
	return true;
}

/* Of a log that we don't know every content is missing, which is said when its turn comes. */
void serve_receive(struct sync *s, struct sync_link *link, const Convene__Want *m)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	bool room = m->n_index <= SYNC_WANTS_MAX;
	struct served v = {.slot = l ? slot_index(s, l) : SERVED_UNKNOWN, .now = m->now || !l};

	link->packs = m->packed;
	if (m->log.len != DIGEST_LEN)
		return;
	memcpy(v.log, m->log.data, DIGEST_LEN);
	for (size_t i = 0; room && i < m->n_index; i++) {
		v.index = m->index[i];
		room = serve_add(s, link, v);
	}
	if (room)
		serve_pump(s, link);
	else
		s->io.fault(
		    s->io.ctx, link->handle, ERR_TOO_LARGE, "more than 1,024 WANTs outstanding");
}

/* What we miss ourselves, and have asked for, need not be looked for: whoever waits for it hears
 * when it has come, or is known to be erased. */
static int serve_find(struct sync *s, struct log_slot *l, const struct served *v,
    uint8_t salt[static SALT_LEN], struct buffer *content)
{
	const struct want *w;

	if (v->index >= replica_held(l->replica))
		return ERR_RANGE;
	w = v->now ? NULL : want_find(l, v->index);
	if (w && (w->link || w->committing))
		return ERR_NOTFOUND;
	return s->io.content(s->io.ctx, l->no, v->index, salt, content);
}

void serve_pump(struct sync *s, struct sync_link *link)
{
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	size_t kept = 0, i = 0;

	link->serve_due = false;
	for (; i < link->served_count; i++) {
		struct served v = link->served[i];
		struct log_slot *l = v.slot == SERVED_UNKNOWN ? NULL : &s->logs[v.slot];
		int err;

		if (v.waiting || s->io.backlog(s->io.ctx, link->handle) > SYNC_BACKLOG_CONTENTS) {
			link->served[kept++] = v;
			continue;
		}
		if (!l) {
			none_send(s, link, bytes_of(v.log, DIGEST_LEN), v.index,
			    CONVENE__ABSENCE__MISSING);
			continue;
		}
		buffer_reset(&content);
		err = serve_find(s, l, &v, salt, &content);
		if (err == OK && !content.failed) {
			content_send(s, link, l, v.index, salt, buffer_bytes(&content));
		} else if (err == ERR_NOTFOUND && !v.now) {
			v.waiting = v.waited = true;
			link->served[kept++] = v;
			want_crossed(s, l, link, v.index);
		} else {
			none_send(s, link, log_name_of(l), v.index,
			    err == ERR_REFUSED ? CONVENE__ABSENCE__ERASED
					       : CONVENE__ABSENCE__MISSING);
		}
	}
	link->served_count = kept;
	buffer_free(&content);
}

void serve_stored(struct sync *s, const struct log_slot *l, uint64_t index)
{
	for (struct sync_link *link = s->links; link; link = link->next) {
		struct served *v = served_find(link, slot_index(s, l), index);

		if (!v || !v->waiting)
			continue;
		v->waiting = false;
		link->serve_due = true;
	}
}

void serve_due(struct sync *s)
{
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link->serve_due)
			serve_pump(s, link);
	}
}
