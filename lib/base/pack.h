/* SPDX-License-Identifier: BSD-2-Clause */
/* One stream of bytes, packed with zstd and handed on in pieces: each can be unpacked as soon as it
 * is there, and is short because of those before it. SPEC.md 11.7 says what the stream looks like.
 *
 * Both ends keep a window of what has gone by, so that they must see every piece, in order, and one
 * that is lost or bad ends the stream. One owner, any thread. */
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include "base/buffer.h"

#define PACK_WINDOW_LOG 17   /* what we pack with: 128 KiB to look back on */
#define UNPACK_WINDOW_LOG 18 /* the most that a sender may ask of us */

/* Bytes that an end may take, its output apart (measured with libzstd 1.5.4: 1,304,000 and
 * 751,000). */
#define PACK_MEMORY (1408 * 1024)
#define UNPACK_MEMORY (800 * 1024)

struct packer;
struct packer *packer_new(void); /* NULL: no memory */
void packer_free(struct packer *p);
/* Append the packed form of `in`, which must not be empty. After an error (ERR_NOMEM) the stream
 * has ended, and `out` is as it was. */
int packer_add(struct packer *p, struct bytes in, struct buffer *out);
size_t packer_memory(const struct packer *p);

struct unpacker;
struct unpacker *unpacker_new(void); /* NULL: no memory */
void unpacker_free(struct unpacker *u);
/* Append the `len` bytes, at least one, that a piece must hold. Errors end the stream, and come
 * again for every piece after it: ERR_MALFORMED (not such a stream, or damaged), ERR_TOO_LARGE (it
 * wants a larger window), ERR_RANGE (it holds more or fewer bytes), ERR_CLOSED (it has an end),
 * ERR_NOMEM. Then `out` is as it was. */
int unpacker_take(struct unpacker *u, struct bytes piece, size_t len, struct buffer *out);
size_t unpacker_memory(const struct unpacker *u);

#endif
