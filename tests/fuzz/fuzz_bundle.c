/* SPDX-License-Identifier: BSD-2-Clause */
/* A bundle of any bytes, read in pieces, then asked for all that it says to hold. The seeds are of
 * the forum of tests/vectors. */
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "member/credential.h"
#include "sync/bundle_offer.h"
#include "target.h"

static const char forum_hex[] = "bbc585d6788c33e73497401d9c0b4e8f4318f3a3cb7c236367e8d2e8251685c6";
static uint8_t forum[HASH_LEN];

static int credential(
    void *ctx, struct bytes name, struct bytes message, struct verifier *key, struct binding *b)
{
	struct credential c;
	int err = credential_open(&c, forum, name, message);

	(void)ctx;
	if (!err) {
		*key = c.log;
		*b = c.binding;
	}
	credential_clear(&c);
	return err;
}

static int read_at(void *ctx, uint64_t offset, size_t len, struct buffer *out)
{
	const struct bytes *in = ctx;

	REQUIRE(offset <= in->len && len <= in->len - offset);
	buffer_add(out, in->data + offset, len);
	return OK;
}

static int take(void *ctx, uint8_t type, uint32_t stream, struct bytes payload)
{
	const ProtobufCMessageDescriptor *d = frame_descriptor(type);
	ProtobufCMessage *m = NULL;

	(void)ctx;
	(void)stream;
	REQUIRE(d && message_unpack(&m, d, payload) == OK);
	message_free(m);
	return OK;
}

static size_t backlog(void *ctx)
{
	(void)ctx;
	return 0;
}

static void ask(struct bundle_offer *o, uint8_t type, uint32_t stream, const ProtobufCMessage *m)
{
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;

	REQUIRE(frame_add(&b, type, stream, m) == OK);
	REQUIRE(frame_peek(buffer_bytes(&b), false, &f, &need) == OK);
	REQUIRE(bundle_offer_receive(o, &f) == OK);
	buffer_free(&b);
}

static void ask_all(struct bundle_index *x, struct bytes in)
{
	const struct bundle_offer_io io = {&in, read_at, take, backlog};
	struct bundle_offer *o = bundle_offer_new(x, &io);

	REQUIRE(o && bundle_offer_show(o) == OK);
	for (size_t i = 0; i < x->log_count; i++) {
		const struct bundle_log *l = &x->logs[i];
		Convene__Subscribe s = CONVENE__SUBSCRIBE__INIT;
		Convene__Want w = CONVENE__WANT__INIT;
		struct bundle_offer_counts n;

		s.log = w.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
		s.credit = 1 << 20;
		ask(o, FRAME_SUBSCRIBE, (uint32_t)i + 1, &s.base);
		for (size_t k = 0; k < l->range_count; k++) {
			const struct bundle_range *r = &l->ranges[k];

			for (uint64_t e = r->first; e < r->first + r->count; e++) {
				w.index = &e;
				w.n_index = 1;
				ask(o, FRAME_WANT, 0, &w.base);
			}
		}
		bundle_offer_counts(o, i, &n);
		REQUIRE(n.contents <= l->contents);
		REQUIRE(l->contents <= bundle_entries(l, 0, UINT64_MAX));
	}
	bundle_offer_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct bundle_piece p = {.kind = BUNDLE_FRAME};
	struct bundle_reader *r;
	struct bundle_index x;
	size_t at = 0, step = size % 61 + 1;
	uint64_t told = 0;
	int err = OK;

	crypto_once();
	if (forum[0] == 0)
		REQUIRE(hex_decode(forum, HASH_LEN, forum_hex, sizeof forum_hex - 1) == OK);
	r = bundle_reader_new();
	REQUIRE(r);
	bundle_index_init(&x, &(struct bundle_index_io){NULL, credential}, forum);
	while (!err && p.kind != BUNDLE_END) {
		err = bundle_reader_next(r, &p);
		if (err == ERR_TRUNCATED) {
			size_t n = size - at < step ? size - at : step;

			err = bundle_reader_feed(r, bytes_of(data + at, n));
			at += n;
			step *= 2;
			p.kind = BUNDLE_FRAME;
		} else if (!err) {
			/* Every byte behind the first line is told once. */
			REQUIRE(p.offset == (told ? told : sizeof BUNDLE_LINE - 1));
			told = p.offset + p.length;
			err = bundle_index_take(&x, &p);
		}
	}
	REQUIRE(err == OK || err == ERR_MALFORMED || err == ERR_OTHER_FORUM);
	if (!err) {
		REQUIRE(told == size);
		for (size_t i = 0; i < x.flaw_count; i++)
			REQUIRE(x.flaws[i].offset + x.flaws[i].length <= size);
		ask_all(&x, in);
	}
	bundle_index_free(&x);
	bundle_reader_free(r);
	return 0;
}
