/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading frame after frame. Where the bytes are no frame, the next offset is looked for where one
 * begins: a header that can be, and a payload that parses. A place in the middle of a frame may
 * look so by chance, or by somebody's design; it gains them nothing, since every frame is checked
 * by itself anyway. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/bundle.h"

#define DRAIN_AT (256 * 1024)
/* Payloads looked into by a search, in bytes, beyond those of the file: a file made of nothing but
 * heads would be looked through once for each. */
#define SEARCH_MAX (64 * 1024 * 1024)
#define LINE_LEN (sizeof BUNDLE_LINE - 1)

struct bundle_reader {
	struct buffer in;
	size_t at;     /* here in `in` */
	uint64_t base; /* the file's offset of its first byte */
	bool begun, ended, searching;
	uint64_t damage; /* searching: since this offset */
	uint64_t spent;  /* of SEARCH_MAX */
	ProtobufCMessage *message;
};

struct bundle_reader *bundle_reader_new(void)
{
	return calloc(1, sizeof(struct bundle_reader));
}

void bundle_reader_free(struct bundle_reader *r)
{
	if (!r)
		return;
	message_free(r->message);
	buffer_free(&r->in);
	free(r);
}

int bundle_reader_feed(struct bundle_reader *r, struct bytes bytes)
{
	if (r->at >= DRAIN_AT) {
		buffer_drain(&r->in, r->at);
		r->base += r->at;
		r->at = 0;
	}
	buffer_add(&r->in, bytes.data, bytes.len);
	r->ended = bytes.len == 0;
	return r->in.failed ? ERR_NOMEM : OK;
}

static bool is_bundled(uint8_t type)
{
	return type == FRAME_HELLO || type == FRAME_SUMMARY || type == FRAME_FRONTIER ||
	       type == FRAME_LOG || type == FRAME_DATA || type == FRAME_CONTENT ||
	       type == FRAME_FORK;
}

static bool head_good(const uint8_t head[static FRAME_HEADER_LEN])
{
	uint32_t len = get_u32(head);

	return is_bundled(head[4]) && get_u32(head + 5) == 0 && len > 0 &&
	       len <= frame_limit(head[4]);
}

/* protobuf lets a field 0 pass, which is what the head of another frame begins with: a length that
 * has grown by damage must not swallow what follows. */
static bool fields_good(struct bytes payload)
{
	size_t at = 0;

	while (at < payload.len) {
		uint64_t value[2] = {0, 0};
		unsigned type = 0;

		for (int k = 0; k < 2; k++) {
			unsigned shift = 0;

			do {
				if (at == payload.len || shift > 63)
					return false;
				value[k] |= (uint64_t)(payload.data[at] & 0x7f) << shift;
				shift += 7;
			} while (payload.data[at++] & 0x80);
			type = (unsigned)(value[0] & 7);
			if (k == 0 && (value[0] >> 3 == 0 || (type != 0 && type != 2)))
				return false;
		}
		if (type == 2) {
			if (value[1] > payload.len - at)
				return false;
			at += (size_t)value[1];
		}
	}
	return true;
}

/* Whether a frame stands at `at`. OK (its message is `r->message`), ERR_TRUNCATED (more bytes are
 * needed to tell), ERR_MALFORMED, ERR_NOMEM. `*whole`: its head is one, and all of it is there. */
static int frame_at(struct bundle_reader *r, size_t at, struct frame *f, bool *whole)
{
	size_t left = r->in.len - at;
	const uint8_t *p = r->in.data + at;
	uint32_t len;
	int err;

	*whole = false;
	if (left < FRAME_HEADER_LEN)
		return r->ended ? ERR_MALFORMED : ERR_TRUNCATED;
	if (!head_good(p))
		return ERR_MALFORMED;
	len = get_u32(p);
	if (left - FRAME_HEADER_LEN < len)
		return r->ended ? ERR_MALFORMED : ERR_TRUNCATED;
	*whole = true;
	*f = (struct frame){p[4], 0, bytes_of(p + FRAME_HEADER_LEN, len)};
	if (r->searching && (r->spent += len) > SEARCH_MAX + r->base + at)
		return ERR_MALFORMED;
	if (!fields_good(f->payload))
		return ERR_MALFORMED;
	message_free(r->message);
	err = message_unpack(&r->message, frame_descriptor(f->type), f->payload);
	return err == ERR_NOMEM || err == OK ? err : ERR_MALFORMED;
}

/* Whether behind a frame of this length stands another's head, or the end. ERR_TRUNCATED. */
static int framed(const struct bundle_reader *r, size_t len, bool *good)
{
	size_t end = r->at + len, left = r->in.len - end;

	if (left < FRAME_HEADER_LEN && !r->ended)
		return ERR_TRUNCATED;
	*good = left == 0 || (left >= FRAME_HEADER_LEN && head_good(r->in.data + end));
	return OK;
}

static void damage_found(struct bundle_reader *r, uint64_t from, struct bundle_piece *out)
{
	uint64_t here = r->base + r->at;

	*out = (struct bundle_piece){.kind = BUNDLE_DAMAGE,
	    .offset = from,
	    .length = here - from,
	    .cut = r->ended && r->at == r->in.len};
	r->searching = false;
}

/* Go on to where a frame begins, or to the end. */
static int search(struct bundle_reader *r, struct bundle_piece *out)
{
	int err = ERR_MALFORMED;
	struct frame f;
	bool whole;

	for (; r->at < r->in.len; r->at++) {
		err = frame_at(r, r->at, &f, &whole);
		if (err != ERR_MALFORMED)
			break;
	}
	if (err == ERR_NOMEM || err == ERR_TRUNCATED)
		return err;
	if (err == ERR_MALFORMED && !r->ended)
		return ERR_TRUNCATED;
	damage_found(r, r->damage, out);
	return OK;
}

int bundle_reader_next(struct bundle_reader *r, struct bundle_piece *out)
{
	struct frame f;
	bool whole, good;
	int err;

	if (!r->begun) {
		size_t n = r->in.len < LINE_LEN ? r->in.len : LINE_LEN;

		if (n > 0 && memcmp(r->in.data, BUNDLE_LINE, n) != 0)
			return ERR_MALFORMED;
		if (n < LINE_LEN)
			return r->ended ? ERR_MALFORMED : ERR_TRUNCATED;
		r->begun = true;
		r->at = LINE_LEN;
	}
	if (r->searching)
		return search(r, out);
	if (r->at == r->in.len) {
		*out = (struct bundle_piece){.kind = BUNDLE_END, .offset = r->base + r->at};
		return r->ended ? OK : ERR_TRUNCATED;
	}
	err = frame_at(r, r->at, &f, &whole);
	if (err == OK) {
		*out = (struct bundle_piece){BUNDLE_FRAME, r->base + r->at,
		    FRAME_HEADER_LEN + f.payload.len, f.type, f.payload, r->message, false};
		r->at += FRAME_HEADER_LEN + f.payload.len;
		return OK;
	}
	if (err != ERR_MALFORMED)
		return err;
	/* A payload is damaged, and its frame is not: the next one follows it. */
	if (whole) {
		err = framed(r, FRAME_HEADER_LEN + f.payload.len, &good);
		if (err)
			return err;
		if (good) {
			uint64_t from = r->base + r->at;

			r->at += FRAME_HEADER_LEN + f.payload.len;
			damage_found(r, from, out);
			return OK;
		}
	}
	r->damage = r->base + r->at;
	r->searching = true;
	r->at++;
	return search(r, out);
}
