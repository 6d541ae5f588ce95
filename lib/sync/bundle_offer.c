/* SPDX-License-Identifier: BSD-2-Clause */
#include "sync/bundle_offer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define HEADS_PER_FRAME 512
#define BACKLOG_MAX (256 * 1024)
#define WANTS_MAX 4096
#define SENT (UINT64_C(1) << 63) /* in bundle_range.contents: it was sent */

struct offered {
	uint64_t held;
	bool asked, subscribed;
	uint32_t stream;
	uint64_t next;
	int64_t credit;
	uint64_t contents;
};

struct bundle_offer {
	struct bundle_index *x;
	struct bundle_offer_io io;
	struct offered *logs;
	struct {
		size_t log;
		uint64_t index;
	} wants[WANTS_MAX]; /* a ring */
	size_t want_first, want_count;
	size_t cursor; /* fair between logs */
	uint64_t bytes;
	struct buffer frame, file;
};

struct bundle_offer *bundle_offer_new(struct bundle_index *x, const struct bundle_offer_io *io)
{
	struct bundle_offer *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->x = x;
	o->io = *io;
	o->logs = calloc(x->log_count + 1, sizeof *o->logs);
	if (o->logs)
		return o;
	free(o);
	return NULL;
}

void bundle_offer_free(struct bundle_offer *o)
{
	if (!o)
		return;
	buffer_free(&o->frame);
	buffer_free(&o->file);
	free(o->logs);
	free(o);
}

void bundle_offer_held(struct bundle_offer *o, size_t log, uint64_t size)
{
	o->logs[log].held = size;
}

static int message_send(
    struct bundle_offer *o, uint8_t type, uint32_t stream, const ProtobufCMessage *m)
{
	int err;

	buffer_reset(&o->frame);
	err = frame_add(&o->frame, type, stream, m);
	if (err)
		return err;
	return o->io.send(o->io.ctx, type, stream,
	    bytes_of(o->frame.data + FRAME_HEADER_LEN, o->frame.len - FRAME_HEADER_LEN));
}

int bundle_offer_hello(struct bundle_offer *o, const char *software)
{
	Convene__Hello m = CONVENE__HELLO__INIT;

	m.version_min = PROTOCOL_VERSION_MIN;
	m.version_max = PROTOCOL_VERSION_MAX;
	m.role = CONVENE__ROLE__PEER;
	m.forum = pb_of(bytes_of(o->x->forum, HASH_LEN));
	m.software = pb_of(bytes_str(software));
	return message_send(o, FRAME_HELLO, 0, &m.base);
}

int bundle_offer_show(struct bundle_offer *o)
{
	Convene__Head heads[HEADS_PER_FRAME], *list[HEADS_PER_FRAME];
	uint8_t roots[HEADS_PER_FRAME][HASH_LEN];
	size_t i = 0;
	int err;

	do {
		Convene__Frontier m = CONVENE__FRONTIER__INIT;

		for (; i < o->x->log_count && m.n_heads < HEADS_PER_FRAME; i++) {
			const struct bundle_log *l = &o->x->logs[i];
			Convene__Head *h = &heads[m.n_heads];

			convene__head__init(h);
			if (!bundle_reach(l, o->logs[i].held, &h->size, roots[m.n_heads]))
				continue;
			h->log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
			h->root = pb_of(bytes_of(roots[m.n_heads], HASH_LEN));
			list[m.n_heads++] = h;
		}
		m.heads = list;
		m.last = i == o->x->log_count;
		err = message_send(o, FRAME_FRONTIER, 0, &m.base);
	} while (!err && i < o->x->log_count);
	return err;
}

/* ---- what was asked for ---- */

static const struct bundle_range *range_next(const struct bundle_offer *o, size_t log)
{
	const struct offered *d = &o->logs[log];

	if (!d->subscribed || d->credit <= 0)
		return NULL;
	return bundle_range_of(&o->x->logs[log], d->next);
}

/* A frame of the file, without its header. */
static int frame_read(struct bundle_offer *o, uint64_t offset, size_t len, uint8_t type)
{
	int err;

	buffer_reset(&o->file);
	err = o->io.read(o->io.ctx, offset, len, &o->file);
	if (!err && (o->file.failed || o->file.len != len))
		err = o->file.failed ? ERR_NOMEM : ERR_TRUNCATED;
	/* The file has changed since it was read. */
	return !err && o->file.data[4] != type ? ERR_STALE : err;
}

static int data_send(struct bundle_offer *o, size_t log, const struct bundle_range *r)
{
	struct offered *d = &o->logs[log];
	int err = frame_read(o, r->offset, r->length, FRAME_DATA);

	if (err)
		return err;
	d->next = r->first + r->count;
	d->credit -= r->length - FRAME_HEADER_LEN;
	o->bytes += r->length;
	return o->io.send(o->io.ctx, FRAME_DATA, d->stream,
	    bytes_of(o->file.data + FRAME_HEADER_LEN, r->length - FRAME_HEADER_LEN));
}

static int none_send(struct bundle_offer *o, const uint8_t *digest, uint64_t index)
{
	Convene__ContentNone m = CONVENE__CONTENT_NONE__INIT;

	m.log = pb_of(bytes_of(digest, DIGEST_LEN));
	m.index = index;
	m.reason = CONVENE__ABSENCE__MISSING;
	return message_send(o, FRAME_CONTENT_NONE, 0, &m.base);
}

/* The chunks stand one behind the other in the file, up to the total that the first one names. */
static int chunks_send(struct bundle_offer *o, uint64_t at)
{
	uint64_t sent = 0, total = 0;
	int err = OK;

	do {
		ProtobufCMessage *m;
		uint32_t len;

		err = frame_read(o, at, FRAME_HEADER_LEN, FRAME_CONTENT);
		len = err ? 0 : get_u32(o->file.data);
		if (!err && len > frame_limit(FRAME_CONTENT))
			err = ERR_STALE;
		if (!err)
			err = frame_read(o, at, FRAME_HEADER_LEN + (size_t)len, FRAME_CONTENT);
		if (!err)
			err = message_unpack(&m, frame_descriptor(FRAME_CONTENT),
			    bytes_of(o->file.data + FRAME_HEADER_LEN, len));
		if (err)
			return err;
		total = ((const Convene__ContentChunk *)m)->total;
		sent += ((const Convene__ContentChunk *)m)->data.len;
		if (((const Convene__ContentChunk *)m)->data.len == 0)
			err = ERR_STALE;
		message_free(m);
		if (!err)
			err = o->io.send(o->io.ctx, FRAME_CONTENT, 0,
			    bytes_of(o->file.data + FRAME_HEADER_LEN, len));
		at += FRAME_HEADER_LEN + len;
		o->bytes += FRAME_HEADER_LEN + len;
	} while (!err && sent < total);
	return err;
}

static int content_send(struct bundle_offer *o, size_t log, uint64_t index)
{
	const struct bundle_log *l = &o->x->logs[log];
	struct bundle_range *r = bundle_range_of(l, index);
	uint64_t *at = r && r->contents ? &r->contents[index - r->first] : NULL;

	if (!at || *at == 0)
		return none_send(o, l->binding.digest, index);
	if (!(*at & SENT))
		o->logs[log].contents++;
	*at |= SENT;
	return chunks_send(o, *at & ~SENT);
}

/* Contents first: what is asked for by index is wanted now, and never more than a window. */
static int pump(struct bundle_offer *o)
{
	size_t idle = 0, n = o->x->log_count;
	int err = OK;

	while (!err && o->want_count > 0 && o->io.backlog(o->io.ctx) < BACKLOG_MAX) {
		size_t first = o->want_first;

		o->want_first = (first + 1) % WANTS_MAX;
		o->want_count--;
		err = content_send(o, o->wants[first].log, o->wants[first].index);
	}
	while (!err && idle < n && o->io.backlog(o->io.ctx) < BACKLOG_MAX) {
		const struct bundle_range *r;

		o->cursor = (o->cursor + 1) % n;
		r = range_next(o, o->cursor);
		idle = r ? 0 : idle + 1;
		if (r)
			err = data_send(o, o->cursor, r);
	}
	return err;
}

int bundle_offer_writable(struct bundle_offer *o)
{
	return pump(o);
}

bool bundle_offer_busy(const struct bundle_offer *o)
{
	if (o->want_count > 0)
		return true;
	for (size_t i = 0; i < o->x->log_count; i++) {
		if (range_next(o, i))
			return true;
	}
	return false;
}

void bundle_offer_counts(const struct bundle_offer *o, size_t log, struct bundle_offer_counts *out)
{
	const struct offered *d = &o->logs[log];

	*out = (struct bundle_offer_counts){o->bytes, d->contents, d->asked, d->subscribed};
}

/* ---- frames ---- */

static int log_get(struct bundle_offer *o, const Convene__LogGet *m)
{
	struct bundle_log *l = bundle_index_find(o->x, m->log.data, m->log.len);
	Convene__Log answer = CONVENE__LOG__INIT;

	if (!l)
		return OK;
	o->logs[l - o->x->logs].asked = true;
	answer.name = pb_of(bytes_str(l->binding.log_name));
	answer.credential = pb_of(buffer_bytes(&l->credential));
	return message_send(o, FRAME_LOG, 0, &answer.base);
}

static int subscribe(struct bundle_offer *o, uint32_t stream, const Convene__Subscribe *m)
{
	struct bundle_log *l = bundle_index_find(o->x, m->log.data, m->log.len);
	struct offered *d = l ? &o->logs[l - o->x->logs] : NULL;

	if (!d)
		return OK;
	d->subscribed = true;
	d->stream = stream;
	d->next = m->from;
	d->credit = m->credit < INT32_MAX ? (int64_t)m->credit : INT32_MAX;
	return pump(o);
}

static struct offered *by_stream(struct bundle_offer *o, uint32_t stream)
{
	for (size_t i = 0; i < o->x->log_count; i++) {
		if (o->logs[i].subscribed && o->logs[i].stream == stream)
			return &o->logs[i];
	}
	return NULL;
}

static int credit(struct bundle_offer *o, uint32_t stream, const Convene__Credit *m)
{
	struct offered *d = by_stream(o, stream);

	if (!d)
		return OK;
	d->credit += m->bytes < INT32_MAX ? (int64_t)m->bytes : INT32_MAX;
	return pump(o);
}

static int want(struct bundle_offer *o, const Convene__Want *m)
{
	struct bundle_log *l = bundle_index_find(o->x, m->log.data, m->log.len);
	int err = OK;

	if (m->log.len != DIGEST_LEN)
		return OK;
	for (size_t i = 0; !err && i < m->n_index; i++) {
		size_t at = (o->want_first + o->want_count) % WANTS_MAX;

		if (!l || o->want_count == WANTS_MAX) {
			err = none_send(o, m->log.data, m->index[i]);
			continue;
		}
		o->wants[at].log = (size_t)(l - o->x->logs);
		o->wants[at].index = m->index[i];
		o->want_count++;
	}
	return err ? err : pump(o);
}

int bundle_offer_receive(struct bundle_offer *o, const struct frame *f)
{
	const ProtobufCMessageDescriptor *type = frame_descriptor(f->type);
	struct offered *d;
	ProtobufCMessage *m = NULL;
	int err = type ? message_unpack(&m, type, f->payload) : OK;

	if (err)
		return err;
	switch (f->type) {
	case FRAME_SUMMARY:
		err = bundle_offer_show(o);
		break;
	case FRAME_LOG_GET:
		err = log_get(o, (const Convene__LogGet *)m);
		break;
	case FRAME_SUBSCRIBE:
		err = subscribe(o, f->stream, (const Convene__Subscribe *)m);
		break;
	case FRAME_UNSUBSCRIBE:
		d = by_stream(o, f->stream);
		if (d)
			d->subscribed = false;
		break;
	case FRAME_CREDIT:
		err = credit(o, f->stream, (const Convene__Credit *)m);
		break;
	case FRAME_WANT:
		err = want(o, (const Convene__Want *)m);
		break;
	case FRAME_PING:
		err = o->io.send(o->io.ctx, FRAME_PONG, 0, f->payload);
		break;
	case FRAME_FRONTIER:
	case FRAME_ANNOUNCE:
	case FRAME_PONG:
		break; /* what it has is nothing to us */
	default:
		err = ERR_MALFORMED;
	}
	message_free(m);
	return err;
}
