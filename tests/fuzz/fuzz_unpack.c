/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream of packed contents: pieces, each behind two bytes of its length and two of what it must
 * hold. What comes out is as long as was said, and memory stays below its bound. And what is packed
 * is unpacked to the same. */
#include "base/error.h"
#include "base/pack.h"
#include "target.h"

static void take(struct bytes in)
{
	struct unpacker *u = unpacker_new();
	struct buffer out = BUFFER_INIT;
	int err = OK, before = OK;

	REQUIRE(u);
	for (size_t at = 0; in.len - at >= 4;) {
		size_t piece = get_u16(in.data + at), len = get_u16(in.data + at + 2) + 1u;

		at += 4;
		if (piece > in.len - at)
			piece = in.len - at;
		buffer_reset(&out);
		err = unpacker_take(u, bytes_of(in.data + at, piece), len, &out);
		REQUIRE(err == OK || err == ERR_MALFORMED || err == ERR_TOO_LARGE ||
			err == ERR_RANGE || err == ERR_CLOSED);
		REQUIRE(before == OK || err == before);
		REQUIRE(out.len == (err ? 0 : len));
		REQUIRE(unpacker_memory(u) <= UNPACK_MEMORY);
		before = err;
		at += piece;
	}
	unpacker_free(u);
	buffer_free(&out);
}

static void round_trip(struct bytes in)
{
	struct packer *p = packer_new();
	struct unpacker *u = unpacker_new();
	struct buffer piece = BUFFER_INIT, out = BUFFER_INIT;

	REQUIRE(p && u);
	for (size_t at = 0, len; at < in.len; at += len) {
		len = 1 + in.data[at] * 7u;
		if (len > in.len - at)
			len = in.len - at;
		buffer_reset(&piece);
		REQUIRE(packer_add(p, bytes_of(in.data + at, len), &piece) == OK);
		REQUIRE(unpacker_take(u, buffer_bytes(&piece), len, &out) == OK);
	}
	REQUIRE(bytes_equal(buffer_bytes(&out), in));
	REQUIRE(packer_memory(p) <= PACK_MEMORY);
	packer_free(p);
	unpacker_free(u);
	buffer_free(&piece);
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	take(bytes_of(data, size));
	round_trip(bytes_of(data, size));
	return 0;
}
