/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"

/* A frame's header as a stream of unknown length has it: no size, checksum or dictionary, and a
 * window of a power of two, or near one. What else zstd reads (old formats, skippable frames) is
 * kept from it. */
static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00};
#define WINDOW_BYTE_MAX ((UNPACK_WINDOW_LOG - 10) << 3)

/* ---- packing ---- */

struct packer {
	ZSTD_CCtx *zstd;
	int err;
};

/* Few posts are there to learn from at first, and memory is per link: a level's own tables, made
 * for megabytes, would be larger and find no more. */
static bool packer_set_up(ZSTD_CCtx *zstd)
{
	static const struct {
		ZSTD_cParameter parameter;
		int value;
	} settings[] = {{ZSTD_c_compressionLevel, 6}, {ZSTD_c_strategy, ZSTD_lazy},
	    {ZSTD_c_windowLog, PACK_WINDOW_LOG}, {ZSTD_c_hashLog, 16}, {ZSTD_c_chainLog, 16},
	    {ZSTD_c_searchLog, 4}, {ZSTD_c_checksumFlag, 0}, {ZSTD_c_contentSizeFlag, 0},
	    {ZSTD_c_dictIDFlag, 0}};

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (ZSTD_isError(
			ZSTD_CCtx_setParameter(zstd, settings[i].parameter, settings[i].value)))
			return false;
	}
	return true;
}

struct packer *packer_new(void)
{
	struct packer *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd || !packer_set_up(p->zstd)) {
		packer_free(p);
		return NULL;
	}
	return p;
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->zstd);
	free(p);
}

int packer_add(struct packer *p, struct bytes in, struct buffer *out)
{
	ZSTD_inBuffer from = {in.data, in.len, 0};
	size_t room = ZSTD_compressBound(in.len) + 64, left = 1, before = out->len;

	assert(in.len > 0);
	while (!p->err && (left > 0 || from.pos < from.size)) {
		uint8_t *at = buffer_reserve(out, room);
		ZSTD_outBuffer to = {at, room, 0};

		left = at ? ZSTD_compressStream2(p->zstd, &to, &from, ZSTD_e_flush) : 0;
		if (!at || ZSTD_isError(left))
			p->err = ERR_NOMEM;
		else
			out->len += to.pos;
	}
	if (p->err)
		out->len = before;
	return p->err;
}

size_t packer_memory(const struct packer *p)
{
	return sizeof *p + ZSTD_sizeof_CCtx(p->zstd);
}

/* ---- unpacking ---- */

struct unpacker {
	ZSTD_DCtx *zstd;
	bool begun;
	int err;
};

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->zstd = ZSTD_createDCtx();
	if (!u->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNPACK_WINDOW_LOG))) {
		unpacker_free(u);
		return NULL;
	}
	return u;
}

void unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	free(u);
}

static int head_check(struct bytes piece)
{
	if (piece.len <= sizeof head ||
	    !bytes_equal(bytes_of(piece.data, sizeof head), bytes_of(head, sizeof head)))
		return ERR_MALFORMED;
	return piece.data[sizeof head] <= WINDOW_BYTE_MAX ? OK : ERR_TOO_LARGE;
}

/* Room for one byte more than is due shows whether there are more. */
static int unpack(struct unpacker *u, struct bytes piece, size_t len, uint8_t *room)
{
	ZSTD_inBuffer from = {piece.data, piece.len, 0};
	ZSTD_outBuffer to = {room, len + 1, 0};

	do {
		size_t left = ZSTD_decompressStream(u->zstd, &to, &from);

		if (ZSTD_isError(left))
			return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation
				   ? ERR_NOMEM
				   : ERR_MALFORMED;
		if (left == 0)
			return ERR_CLOSED;
	} while (from.pos < from.size && to.pos <= len);
	return to.pos == len ? OK : ERR_RANGE;
}

int unpacker_take(struct unpacker *u, struct bytes piece, size_t len, struct buffer *out)
{
	uint8_t *room;

	assert(len > 0);
	if (!u->err && !u->begun)
		u->err = head_check(piece);
	if (u->err)
		return u->err;
	u->begun = true;
	room = buffer_reserve(out, len + 1);
	u->err = room ? unpack(u, piece, len, room) : ERR_NOMEM;
	if (!u->err)
		out->len += len;
	return u->err;
}

size_t unpacker_memory(const struct unpacker *u)
{
	return sizeof *u + ZSTD_sizeof_DCtx(u->zstd);
}
