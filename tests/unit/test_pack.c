/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zstd.h>

#include "base/error.h"
#include "base/pack.h"

#define CHUNK 65536

static uint64_t state_of_chance;

static uint32_t chance(void)
{
	state_of_chance = state_of_chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_chance >> 33);
}

/* Something like text, or bytes of chance. */
static void fill(uint8_t *to, size_t len, bool text)
{
	static const char *const words[] = {"record ", "forum ", "of ", "the ", "meeting ", "and ",
	    "between ", "who ", "keeps ", "decision, ", "draft. ", "\n"};
	size_t at = 0;

	while (at < len) {
		const char *word = words[chance() % (sizeof words / sizeof *words)];

		if (text && at + strlen(word) <= len) {
			memcpy(to + at, word, strlen(word));
			at += strlen(word);
		} else {
			to[at++] = (uint8_t)chance();
		}
	}
}

/* Each piece is whole when it has come, of whatever length, and neither end grows. */
static void test_pieces(void **state)
{
	static uint8_t in[CHUNK];
	struct packer *p = packer_new();
	struct unpacker *u = unpacker_new();
	struct buffer piece = BUFFER_INIT, out = BUFFER_INIT;

	(void)state;
	assert_non_null(p);
	assert_non_null(u);
	state_of_chance = 1;
	for (unsigned i = 0; i < 400; i++) {
		size_t len = i % 50 == 7 ? CHUNK : 1 + chance() % (i % 10 == 3 ? 20000 : 900);

		fill(in, len, i % 3 > 0);
		buffer_reset(&piece);
		buffer_reset(&out);
		buffer_add_str(&piece, "before");
		buffer_add_str(&out, "it");
		assert_int_equal(packer_add(p, bytes_of(in, len), &piece), OK);
		assert_memory_equal(piece.data, "before", 6);
		assert_true(piece.len - 6 < len + 32);
		assert_int_equal(
		    unpacker_take(u, bytes_of(piece.data + 6, piece.len - 6), len, &out), OK);
		assert_int_equal(out.len, len + 2);
		assert_memory_equal(out.data, "it", 2);
		assert_memory_equal(out.data + 2, in, len);
	}
	assert_true(packer_memory(p) <= PACK_MEMORY);
	assert_true(unpacker_memory(u) <= UNPACK_MEMORY);
	packer_free(p);
	unpacker_free(u);
	buffer_free(&piece);
	buffer_free(&out);
}

/* What SPEC.md 11.7 says of the first bytes; and that short texts are short because of those
 * before. */
static void test_stream(void **state)
{
	static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, (PACK_WINDOW_LOG - 10) << 3};
	struct packer *p = packer_new();
	struct buffer piece = BUFFER_INIT;
	uint8_t in[600];
	size_t first = 0, sum = 0;

	(void)state;
	state_of_chance = 2;
	for (unsigned i = 0; i < 200; i++) {
		fill(in, sizeof in, true);
		buffer_reset(&piece);
		assert_int_equal(packer_add(p, bytes_of(in, sizeof in), &piece), OK);
		if (i == 0) {
			assert_memory_equal(piece.data, head, sizeof head);
			first = piece.len;
		}
		sum += piece.len;
	}
	assert_true(sum / 200 < first * 3 / 4);
	packer_free(p);
	packer_free(NULL);
	buffer_free(&piece);
}

/* Another's packer may look back further than ours, up to a bound. */
static void test_window(void **state)
{
	static uint8_t in[CHUNK], packed[2 * CHUNK];

	(void)state;
	state_of_chance = 3;
	for (int log = 10; log <= UNPACK_WINDOW_LOG + 2; log++) {
		ZSTD_CCtx *zstd = ZSTD_createCCtx();
		struct unpacker *u = unpacker_new();
		struct buffer out = BUFFER_INIT;

		ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, log);
		for (unsigned i = 0; i < 20; i++) {
			ZSTD_inBuffer from = {in, sizeof in, 0};
			ZSTD_outBuffer to = {packed, sizeof packed, 0};

			fill(in, sizeof in, i % 2 > 0);
			assert_int_equal(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_flush), 0);
			buffer_reset(&out);
			assert_int_equal(
			    unpacker_take(u, bytes_of(packed, to.pos), sizeof in, &out),
			    log <= UNPACK_WINDOW_LOG ? OK : ERR_TOO_LARGE);
			if (log <= UNPACK_WINDOW_LOG)
				assert_memory_equal(out.data, in, sizeof in);
			else
				assert_int_equal(out.len, 0);
		}
		assert_true(unpacker_memory(u) <= UNPACK_MEMORY);
		ZSTD_freeCCtx(zstd);
		unpacker_free(u);
		buffer_free(&out);
	}
}

/* The frame's head, one block that is not the last, of ten bytes as they are, and the next block's
 * head of three bytes. */
#define HEAD "\x28\xb5\x2f\xfd\x00\x38"
#define TEN            \
	"\x50\x00\x00" \
	"0123456789"

static void test_hostile(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int err;
	} pieces[] = {
#define P(s, err) {s, sizeof s - 1, err}
	    P(HEAD TEN, OK),
	    P("", ERR_MALFORMED),
	    P("\x28\xb5\x2f\xfd\x00", ERR_MALFORMED),
	    P("no stream at all", ERR_MALFORMED),
	    P(HEAD, ERR_RANGE),
	    P(HEAD "\x50\x00\x00"
		   "01234",
		ERR_RANGE),
	    P(HEAD TEN TEN, ERR_RANGE),
	    P(HEAD "\x51\x00\x00"
		   "0123456789",
		ERR_CLOSED),
	    P(HEAD "\x51\x00\x00"
		   "0123456789" HEAD TEN,
		ERR_CLOSED),
	    /* One byte, 128 KiB of it. */
	    P(HEAD "\x02\x00\x10"
		   "x",
		ERR_RANGE),
	    P(HEAD "\x06\x00\x00"
		   "x",
		ERR_MALFORMED), /* a reserved kind of block */
	    P(HEAD "\x04\x00\x10"
		   "x",
		ERR_RANGE),
	    /* A checksum; a size in the header; a dictionary; a window beyond the bound, and beyond
	     * any. */
	    P("\x28\xb5\x2f\xfd\x04\x38" TEN, ERR_MALFORMED),
	    P("\x28\xb5\x2f\xfd\x20\x0a" TEN, ERR_MALFORMED),
	    P("\x28\xb5\x2f\xfd\x01\x38\x07" TEN, ERR_MALFORMED),
	    P("\x28\xb5\x2f\xfd\x00\x41" TEN, ERR_TOO_LARGE),
	    P("\x28\xb5\x2f\xfd\x00\xff" TEN, ERR_TOO_LARGE),
	    /* What is to be passed over; an old format. */
	    P("\x50\x2a\x4d\x18\x04\x00\x00\x00"
	      "abcd" HEAD TEN,
		ERR_MALFORMED),
	    P("\x27\xb5\x2f\xfd\x00\x38" TEN, ERR_MALFORMED),
#undef P
	};

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct unpacker *u = unpacker_new();
		struct buffer out = BUFFER_INIT;
		struct bytes piece = bytes_of(pieces[i].bytes, pieces[i].len);

		if (unpacker_take(u, piece, 10, &out) != pieces[i].err)
			fail_msg("piece %zu", i);
		assert_int_equal(out.len, pieces[i].err ? 0 : 10);
		/* And what has failed stays so. */
		if (pieces[i].err)
			assert_int_equal(
			    unpacker_take(u, bytes_of(TEN, 13), 10, &out), pieces[i].err);
		else
			assert_int_equal(unpacker_take(u, bytes_of(TEN, 13), 10, &out), OK);
		assert_true(out.cap < 1000);
		unpacker_free(u);
		buffer_free(&out);
	}
	unpacker_free(NULL);
}

/* Damage is an error, or comes to as many bytes as are due; and never to more memory. */
static void test_damage(void **state)
{
	unsigned errors = 0;

	(void)state;
	state_of_chance = 5;
	for (unsigned round = 0; round < 300; round++) {
		struct packer *p = packer_new();
		struct unpacker *u = unpacker_new();
		struct buffer piece = BUFFER_INIT, out = BUFFER_INIT;
		unsigned bad = chance() % 10;
		bool lost = chance() % 4 == 0;
		int err = OK;

		for (unsigned i = 0; i < 12; i++) {
			uint8_t in[700];

			fill(in, sizeof in, true);
			buffer_reset(&piece);
			buffer_reset(&out);
			assert_int_equal(packer_add(p, bytes_of(in, sizeof in), &piece), OK);
			if (i == bad && lost)
				continue;
			if (i == bad)
				piece.data[chance() % piece.len] ^= (uint8_t)(1 << chance() % 8);
			err = unpacker_take(u, buffer_bytes(&piece), sizeof in, &out);
			assert_int_equal(out.len, err ? 0 : sizeof in);
			assert_true(unpacker_memory(u) <= UNPACK_MEMORY);
		}
		errors += err != OK;
		packer_free(p);
		unpacker_free(u);
		buffer_free(&piece);
		buffer_free(&out);
	}
	assert_true(errors > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_window),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
