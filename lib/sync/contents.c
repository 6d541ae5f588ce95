/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents, asked for and served by index (SPEC.md 11.6).
 *
 * Pulling is its own flow control. What a link may have under way of ours is counted in bytes,
 * which an entry's size bucket tells in advance: it grows while answers come quickly, so that a
 * long line is full, and shrinks when they have to queue, so that a thin one is not asked for more
 * than it carries in time. The store remembers what is missing, so that nothing here has to
 * survive: a log's `wants` are a window on the store's list.
 *
 * There are contents that never come: lost, or kept back by an author's node. They must not hold up
 * the others, of their own log or of another. So what is new goes first, each log has its share of
 * a link, and what came to nothing is given up, and asked for again later, a little at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "msg/content.h"
#include "sync/state.h"

#define RETRY_MS 500 /* nobody had them: look again; doubles while nothing comes */
#define RETRY_SHIFT_MAX 6
#define QUEUED_MAX 12
#define PARTIAL_MAX 8 /* contents that a link may have begun and not ended */
#define COMMITTING_MAX \
	(32 * 1024 * 1024) /* bytes with the store; more is not asked for while so many are */
#define QUICK_MS 500       /* an answer that takes longer, beyond twice the shortest, has queued */
#define WINDOW_MAX (4 * 1024 * 1024)
#define WEIGHT_FRAME 100 /* of a content, beside its bytes */

/* ---- our wants ---- */

static void want_clear(struct want *w)
{
	buffer_free(&w->data);
	buffer_free(&w->message);
}

static void want_remove(struct log_slot *l, size_t i)
{
	want_clear(&l->wants[i]);
	l->want_count--;
	memmove(&l->wants[i], &l->wants[i + 1], (l->want_count - i) * sizeof *l->wants);
}

void contents_clear(struct log_slot *l)
{
	while (l->want_count > 0)
		want_remove(l, l->want_count - 1);
	free(l->wants);
	l->wants = NULL;
}

static struct want *want_find(struct log_slot *l, uint64_t index)
{
	for (size_t i = 0; i < l->want_count; i++) {
		if (l->wants[i].index == index)
			return &l->wants[i];
	}
	return NULL;
}

/* Nobody is asked for it any more. */
static void want_release(struct sync *s, struct log_slot *l, struct want *w)
{
	if (w->link) {
		w->link->wants--;
		w->link->want_bytes -= w->weight;
		pair_of(s, w->link, l)->wants--;
	}
	w->link = NULL;
	w->total = 0;
	buffer_free(&w->data);
	buffer_free(&w->message);
}

/* Move what is missing in [*from, end) into the window while it has fewer than `max`. Returns
 * whether the store knows of any. */
static bool window_load(
    struct sync *s, struct log_slot *l, uint64_t *from, uint64_t end, size_t max, bool again)
{
	uint64_t missing[WANT_BATCH];
	size_t n = WANT_BATCH;

	if (*from >= end || s->io.wanted(s->io.ctx, l->no, *from, missing, &n) != OK)
		return true;
	for (size_t i = 0; i < n && missing[i] < end; i++) {
		if (l->want_count >= max)
			return true;
		*from = missing[i] + 1;
		if (!want_find(l, missing[i]))
			l->wants[l->want_count++] = (struct want){
			    .index = missing[i], .again = again};
	}
	if (n < WANT_BATCH || missing[n - 1] >= end)
		*from = end;
	return n > 0;
}

static void window_fill(struct sync *s, struct log_slot *l, uint64_t now)
{
	uint64_t held = replica_held(l->replica), began = l->cursor;
	bool any;

	if (held == 0)
		return;
	if (!l->wants) {
		l->wants = calloc(WANT_BATCH, sizeof *l->wants);
		if (!l->wants)
			return;
	}
	if (l->want_count == 0)
		l->slow = false;
	/* Not for each that leaves the window: every look is a query. */
	if (l->edge < held && l->want_count <= WANT_BATCH - WANT_FIRST)
		window_load(s, l, &l->edge, held, WANT_BATCH, false);
	if (l->edge < held || now < l->retry_at || l->want_count >= WANT_BATCH / 4)
		return;
	any = window_load(s, l, &l->cursor, held, WANT_BATCH / 4, true);
	if (began == 0 && !any && l->want_count == 0)
		l->lacking = false;
	if (l->cursor >= held) {
		l->cursor = 0;
		l->retry_at = now + ((uint64_t)RETRY_MS << l->retry_shift);
		if (l->retry_shift < RETRY_SHIFT_MAX)
			l->retry_shift++;
	}
}

/* A new link may have what no other had. */
void contents_renew(struct sync *s)
{
	for (size_t i = 0; i < s->log_count; i++) {
		s->logs[i].edge = s->logs[i].cursor = s->logs[i].retry_at = 0;
		s->logs[i].retry_shift = 0;
		s->logs[i].slow = false;
	}
}

/* How much a content weighs on a line, at most. */
static void want_weigh(struct sync *s, const struct log_slot *l, struct want *w)
{
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	struct header h;
	size_t got, pos = 0;

	w->weight = WEIGHT_FRAME;
	if (s->io.read(s->io.ctx, l->no, w->index, 1, MESSAGE_MAX, &entry, &got) == OK &&
	    leaves_next(buffer_bytes(&entry), &pos, &leaf) == OK && message_parse(leaf, &h) == OK &&
	    h.has_commitment)
		w->weight += h.bucket < 20 ? (size_t)1 << h.bucket : WINDOW_MAX / 4;
	buffer_free(&entry);
}

/* How many a link may be asked for. What it owes us, though we have given it up, it may count
 * still; but what it can't ever answer must not close it to us. */
static unsigned want_limit(const struct sync_link *link)
{
	return link->owed + WANT_LEAST < SYNC_WANT_WINDOW ? SYNC_WANT_WINDOW - link->owed
							  : WANT_LEAST;
}

/* Whether a link may be asked for this one now. Each log always has one place for what is new. */
static bool has_room(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, const struct want *w)
{
	unsigned mine = pair_of(s, link, l)->wants;

	if (w->again)
		return mine < WANT_AGAIN && link->wants < SYNC_WANT_WINDOW / 16;
	return mine == 0 || (mine < l->want_cap && link->wants < want_limit(link) &&
				link->want_bytes + w->weight <= link->want_window);
}

/* Not one by one: a WANT for each costs as much as its answer's head. */
static bool is_full(const struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	unsigned mine = pair_of(s, link, l)->wants;

	return mine > 0 && (mine > l->want_cap / 8 * 7 || link->wants >= want_limit(link) ||
			       link->want_bytes + link->want_window / 8 > link->want_window);
}

/* The whole answer to a WANT has come: quickly, so that the line has room, or it had to queue. */
static void window_adapt(struct sync_link *link, const struct want *w, uint64_t now)
{
	uint64_t took = now - w->asked;

	if (w->weight == 0)
		return; /* nobody had asked for it here, this time */
	if (link->want_best == 0 || took < link->want_best)
		link->want_best = took > 0 ? took : 1;
	if (took <= QUICK_MS + 2 * link->want_best)
		link->want_window += w->weight;
	else if (link->want_window > w->weight + SYNC_WANT_BYTES)
		link->want_window -= w->weight;
	else
		link->want_window = SYNC_WANT_BYTES;
	if (link->want_window > WINDOW_MAX)
		link->want_window = WINDOW_MAX;
}

/* Where to ask: at the upstream, which sent the entry, or at any link that has shown it; one with
 * room if there is one. Only then at the others: they have the entry from us, or heard of it from
 * us and so tell us nothing, and may have found its content elsewhere. NULL: nobody is left. */
static struct sync_link *source(
    const struct sync *s, const struct log_slot *l, const struct want *w)
{
	struct sync_link *best = NULL, *other = NULL;
	bool best_room = false;

	for (struct sync_link *link = s->links; link; link = link->next) {
		const struct pair *p = pair_of(s, link, l);
		bool room;

		if (!link->compared || (w->tried >> link->id & 1))
			continue;
		if (p->shown <= w->index) {
			other = link;
			continue;
		}
		room = has_room(s, link, l, w);
		if (room && link == l->upstream)
			return link;
		if (!best || (room && !best_room) ||
		    (room == best_room && link->wants < best->wants)) {
			best = link;
			best_room = room;
		}
	}
	return best ? best : other;
}

/* Those that this link is to be asked for: in order; but where contents don't come, the newest
 * first. */
static size_t wants_choose(struct sync *s, struct log_slot *l, struct sync_link *link, bool again,
    uint64_t *index, uint64_t now)
{
	size_t n = 0;

	for (size_t k = 0; k < l->want_count && n < SYNC_WANT_WINDOW; k++) {
		struct want *w = &l->wants[l->slow ? l->want_count - 1 - k : k];

		if (w->again != again || w->link || w->committing)
			continue;
		if (w->weight == 0)
			want_weigh(s, l, w);
		if (!has_room(s, link, l, w) || source(s, l, w) != link)
			continue;
		w->link = link;
		w->asked = w->since = now;
		link->wants++;
		link->want_bytes += w->weight;
		pair_of(s, link, l)->wants++;
		index[n++] = w->index;
	}
	return n;
}

static void wants_ask(struct sync *s, struct log_slot *l, uint64_t now)
{
	if (s->committing >= COMMITTING_MAX)
		return; /* asked again when the store has answered */
	for (struct sync_link *link = s->links; link; link = link->next) {
		for (unsigned again = 0; again < 2; again++) {
			uint64_t index[SYNC_WANT_WINDOW];
			Convene__Want m = CONVENE__WANT__INIT;

			if (!again && is_full(s, link, l))
				continue;
			m.n_index = wants_choose(s, l, link, again, index, now);
			if (m.n_index == 0)
				continue;
			m.index = index;
			m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
			/* Nodes that look for the same content would wait for each other. */
			m.now = again;
			s->io.send(s->io.ctx, link->handle, FRAME_WANT, 0, &m.base);
		}
	}
}

void contents_pump(struct sync *s, uint64_t now)
{
	/* In turn over the logs, so that one with many contents leaves room for the others. */
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[(s->want_cursor + i) % s->log_count];

		if (!l->lacking)
			continue;
		window_fill(s, l, now);
		if (l->want_count > 0)
			wants_ask(s, l, now);
	}
	if (s->log_count > 0)
		s->want_cursor = (s->want_cursor + 1) % s->log_count;
}

/* Asked in vain: nothing came of it, nor of one that was asked there before it and so stands before
 * it in the queue. But a peer can't have one come for ever. */
static bool want_late(const struct want *w, uint64_t now)
{
	const struct sync_link *link = w->link;
	bool queued = link->content_at > w->asked && now - link->content_at <= SYNC_WANT_MS &&
		      link->content_asked <= w->asked;

	return now - w->since > (queued ? QUEUED_MAX * SYNC_WANT_MS : SYNC_WANT_MS);
}

void contents_check(struct sync *s, struct log_slot *l, uint64_t now)
{
	for (size_t i = l->want_count; i-- > 0;) {
		struct want *w = &l->wants[i];

		if (w->committing)
			continue;
		if (w->link && want_late(w, now)) {
			w->tried |= UINT64_C(1) << w->link->id;
			w->link->owed++;
			want_release(s, l, w);
			if (l->want_cap > WANT_LEAST)
				l->want_cap--;
			l->slow = w->again = true;
		}
		if (!w->link && w->tried && !source(s, l, w))
			want_remove(l, i);
	}
}

void contents_link_gone(struct sync *s, struct sync_link *link)
{
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];

		for (size_t k = 0; k < l->want_count; k++) {
			struct want *w = &l->wants[k];

			if (w->link == link && !w->committing)
				want_release(s, l, w);
			else if (w->link == link)
				w->link = NULL;
		}
	}
}

static size_t partial_count(const struct sync *s, const struct sync_link *link)
{
	size_t n = 0;

	for (size_t i = 0; i < s->log_count; i++) {
		for (size_t k = 0; k < s->logs[i].want_count; k++) {
			const struct want *w = &s->logs[i].wants[k];

			n += w->link == link && !w->committing && w->data.len > 0;
		}
	}
	return n;
}

/* Fetch the entry, and check that a content of this length can be its own. */
static int want_begin(
    struct sync *s, struct log_slot *l, struct want *w, const Convene__ContentChunk *m)
{
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	struct header h;
	size_t got, pos = 0;
	int err;

	if (m->salt.len != SALT_LEN || m->total == 0)
		return ERR_MALFORMED;
	if (m->total > CONTENT_MAX)
		return ERR_RANGE; /* its entry can't be valid: not worth the memory, and not the
				     sender's fault */
	err = s->io.read(s->io.ctx, l->no, w->index, 1, MESSAGE_MAX, &entry, &got);
	if (!err)
		err = leaves_next(buffer_bytes(&entry), &pos, &leaf);
	if (!err)
		err = message_parse(leaf, &h);
	if (!err && (!h.has_commitment || bucket_of(m->total) != h.bucket))
		err = ERR_COMMITMENT;
	if (!err) {
		buffer_reset(&w->data);
		buffer_reset(&w->message);
		buffer_add(&w->message, leaf.data, leaf.len);
		memcpy(w->salt, m->salt.data, SALT_LEN);
		w->total = m->total;
		err = w->message.failed ? ERR_NOMEM : OK;
	}
	buffer_free(&entry);
	return err;
}

static int want_finish(struct sync *s, struct log_slot *l, struct want *w, uint64_t now)
{
	struct bytes message = buffer_bytes(&w->message);
	uint8_t id[ID_LEN];
	struct header h;
	int err = message_parse(message, &h);

	if (!err)
		err = content_check(&h, &l->binding, w->salt, buffer_bytes(&w->data));
	if (err)
		return err;
	message_id(id, message, &l->binding);
	w->committing = true;
	window_adapt(w->link, w, now);
	w->link->wants--;
	w->link->want_bytes -= w->weight;
	pair_of(s, w->link, l)->wants--;
	if (l->want_cap < SYNC_WANT_WINDOW)
		l->want_cap++;
	s->committing += w->total;
	s->io.content_commit(
	    s->io.ctx, l->no, w->index, id, w->salt, message, buffer_bytes(&w->data));
	buffer_free(&w->data);
	return OK;
}

/* The want that a chunk answers. An answer may come late: its sender had to wait for the content
 * itself, and meanwhile another link was asked, or the want given up. What is missing is taken from
 * whoever gives it. NULL: it isn't missing, or comes already. */
static struct want *want_answered(struct sync *s, struct log_slot *l, struct sync_link *link,
    const Convene__ContentChunk *m, uint64_t now)
{
	struct want *w = want_find(l, m->index);
	uint64_t missing;
	size_t n = 1;

	if (w && w->link == link)
		return w->committing ? NULL : w;
	if (m->offset == 0 && link->owed > 0)
		link->owed--;
	if (m->offset > 0 || (w && (w->committing || w->total > 0)))
		return NULL;
	if (!w) {
		if (!l->wants || l->want_count == WANT_BATCH ||
		    m->index >= replica_held(l->replica) ||
		    s->io.wanted(s->io.ctx, l->no, m->index, &missing, &n) != OK || n == 0 ||
		    missing != m->index)
			return NULL;
		w = &l->wants[l->want_count++];
		*w = (struct want){.index = m->index, .again = true};
	}
	want_release(s, l, w);
	w->weight = 0;
	w->link = link;
	w->asked = w->since = now;
	link->wants++;
	pair_of(s, link, l)->wants++;
	return w;
}

void contents_receive(
    struct sync *s, struct sync_link *link, const Convene__ContentChunk *m, uint64_t now)
{
	struct log_slot *l;
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
		err = partial_count(s, link) >= PARTIAL_MAX ? ERR_REFUSED : want_begin(s, l, w, m);
	if (!err && (m->offset != w->data.len || m->total != w->total ||
			m->data.len != (w->total - w->data.len < CHUNK_LEN ? w->total - w->data.len
									   : CHUNK_LEN)))
		err = ERR_MALFORMED;
	if (!err) {
		buffer_add(&w->data, m->data.data, m->data.len);
		w->since = link->content_at = link->stats.progress_at = now;
		link->content_asked = w->asked;
		link->stats.content_bytes_in += m->data.len;
		link->useful += m->data.len;
		if (w->data.failed)
			err = ERR_NOMEM;
		else if (w->data.len == w->total)
			err = want_finish(s, l, w, now);
	}
	if (err == ERR_NOMEM || err == ERR_STORE || err == ERR_RANGE) {
		w->tried |= UINT64_C(1) << link->id;
		want_release(s, l, w);
	} else if (err) {
		snprintf(text, sizeof text,
		    "the content of entry %llu of %s is not what it commits to",
		    (unsigned long long)m->index, replica_name(l->replica));
		s->io.fault(s->io.ctx, link->handle, err, text);
	} else if (w->committing) {
		link->stats.contents_in++;
		contents_pump(s, now);
	}
}

void contents_receive_none(
    struct sync *s, struct sync_link *link, const Convene__ContentNone *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct want *w = l ? want_find(l, m->index) : NULL;

	if (!w || w->link != link || w->committing) {
		link->owed -= link->owed > 0;
		return;
	}
	w->tried |= UINT64_C(1) << link->id;
	want_release(s, l, w);
	contents_pump(s, now);
}

void sync_content_committed(struct sync *s, uint32_t no, uint64_t index, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l)
		return;
	for (size_t i = 0; i < l->want_count; i++) {
		if (l->wants[i].index == index && l->wants[i].committing) {
			s->committing -= l->wants[i].total;
			want_remove(l, i);
			break;
		}
	}
	/* Those who wait for it get it, or hear that it was erased. */
	if (result == OK || result == ERR_REFUSED) {
		for (struct sync_link *link = s->links; link; link = link->next) {
			bool found = false;

			for (size_t i = 0; i < link->served_count; i++) {
				if (link->served[i].slot == slot_index(s, l) &&
				    link->served[i].index == index)
					found = !(link->served[i].waiting = false);
			}
			if (found)
				contents_serve(s, link);
		}
	}
	if (result != OK) {
		l->lacking = true;
		l->retry_at = now + RETRY_MS;
	} else if (l->retry_shift > 0) {
		/* There is somebody who has what nobody had. */
		l->retry_shift = 0;
		l->retry_at = now;
	}
	contents_pump(s, now);
}

/* ---- the peer's wants ---- */

static void none_send(struct sync *s, struct sync_link *link, const struct log_slot *l,
    uint64_t index, Convene__Absence reason)
{
	Convene__ContentNone m = CONVENE__CONTENT_NONE__INIT;

	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.index = index;
	m.reason = reason;
	s->io.send(s->io.ctx, link->handle, FRAME_CONTENT_NONE, 0, &m.base);
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
		s->io.send(s->io.ctx, link->handle, FRAME_CONTENT, 0, &m.base);
	}
	link->stats.contents_out++;
	link->stats.content_bytes_out += content.len;
}

/* Make room for a WANT: of those that wait for a content, the oldest is told that it isn't here. */
static bool served_evict(struct sync *s, struct sync_link *link)
{
	for (size_t i = 0; i < link->served_count; i++) {
		struct served v = link->served[i];

		if (!v.waiting)
			continue;
		link->served_count--;
		memmove(
		    &link->served[i], &link->served[i + 1], (link->served_count - i) * sizeof v);
		none_send(s, link, &s->logs[v.slot], v.index, CONVENE__ABSENCE__MISSING);
		return true;
	}
	return false;
}

static struct served *served_find(struct sync_link *link, uint32_t slot, uint64_t index)
{
	for (size_t i = 0; i < link->served_count; i++) {
		if (link->served[i].index == index && link->served[i].slot == slot)
			return &link->served[i];
	}
	return NULL;
}

/* Who asks has a clock of its own, and asks again for what we still wait for: that is one request.
 */
void contents_receive_want(struct sync *s, struct sync_link *link, const Convene__Want *m)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	bool room = m->n_index <= SYNC_WANTS_MAX;

	for (size_t i = 0; l && room && i < m->n_index; i++) {
		uint32_t slot = slot_index(s, l);

		struct served *known = served_find(link, slot, m->index[i]);

		if (known) {
			if (m->now && known->waiting)
				none_send(s, link, l, m->index[i], CONVENE__ABSENCE__MISSING);
			continue;
		}
		room = link->served_count < SYNC_WANTS_MAX || served_evict(s, link);
		if (room)
			link->served[link->served_count++] = (struct served){
			    slot, m->index[i], m->now, false};
	}
	if (room)
		contents_serve(s, link);
	else
		s->io.fault(
		    s->io.ctx, link->handle, ERR_TOO_LARGE, "more than 1,024 WANTs outstanding");
}

void contents_serve(struct sync *s, struct sync_link *link)
{
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	size_t kept = 0, i = 0;

	for (; i < link->served_count; i++) {
		struct served v = link->served[i];
		struct log_slot *l = &s->logs[v.slot];
		int err;

		if (v.waiting || s->io.backlog(s->io.ctx, link->handle) >= SYNC_BACKLOG_CONTENTS) {
			link->served[kept++] = v;
			continue;
		}
		buffer_reset(&content);
		err = v.index < replica_held(l->replica)
			  ? s->io.content(s->io.ctx, l->no, v.index, salt, &content)
			  : ERR_RANGE;
		if (err == OK && !content.failed) {
			content_send(s, link, l, v.index, salt, buffer_bytes(&content));
		} else if (err == ERR_NOTFOUND && !v.now) {
			v.waiting = true;
			link->served[kept++] = v;
		} else {
			none_send(s, link, l, v.index,
			    err == ERR_REFUSED ? CONVENE__ABSENCE__ERASED
					       : CONVENE__ABSENCE__MISSING);
		}
	}
	link->served_count = kept;
	buffer_free(&content);
}
