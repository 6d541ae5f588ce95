/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/msg/frame, unpack and refusal: limits, cuts, and payloads of every type (SPEC.md
 * sections 10.2 and 10.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "msg/frame.h"

static void put_header(
    uint8_t out[static FRAME_HEADER_LEN], uint32_t len, uint8_t type, uint32_t stream)
{
	put_u32(out, len);
	out[4] = type;
	put_u32(out + 5, stream);
}

/* The limit as SPEC.md has it, told apart from the table. */
static uint32_t spec_limit(uint8_t type)
{
	switch (type) {
	case FRAME_SUBMIT:
	case FRAME_ITEMS:
	case FRAME_REDEEM:
	case FRAME_SUBMITTED:
	case FRAME_TOPICS:
	case FRAME_THREADS:
	case FRAME_CONTROL:
	case FRAME_CONTROL_REPLY:
		return 2162688;
	case FRAME_DATA:
		return 1048576;
	case FRAME_CONTENT:
	case FRAME_CHARTER:
	case FRAME_LOGS:
	case FRAME_PROOF:
	case FRAME_CHECKPOINT:
	case FRAME_FORK:
	case FRAME_ERASURE:
		return 131072;
	case FRAME_PING:
	case FRAME_PONG:
		return 64;
	case FRAME_UNSUBSCRIBE:
		return 0;
	default:
		return 65536;
	}
}

static bool spec_known(unsigned type)
{
	return (type >= 1 && type <= 4) || (type >= 16 && type <= 31) ||
	       (type >= 64 && type <= 84) || (type >= 90 && type <= 92) || type == 96 || type == 97;
}

static void test_types(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool raw = type == FRAME_PING || type == FRAME_PONG || type == FRAME_UNSUBSCRIBE;
		const ProtobufCMessageDescriptor *d = frame_descriptor((uint8_t)type);
		assert_non_null(frame_name((uint8_t)type));
		assert_int_equal(d != NULL, spec_known(type) && !raw);
		assert_int_equal(
		    frame_limit((uint8_t)type), spec_known(type) ? spec_limit((uint8_t)type) : 0);
	}
	assert_string_equal(frame_name(FRAME_DATA), "DATA");
	assert_string_equal(frame_name(FRAME_CONTROL_REPLY), "CONTROL_REPLY");
	assert_string_equal(frame_name(200), "unknown");
	assert_ptr_equal(frame_descriptor(FRAME_CHARTER), &convene__charter__descriptor);
}

static void test_limits(void **state)
{
	(void)state;
	uint8_t h[FRAME_HEADER_LEN];
	struct frame f;
	size_t need;
	for (unsigned t = 0; t < 256; t++) {
		uint8_t type = (uint8_t)t;
		uint32_t limit = spec_limit(type);
		put_header(h, limit, type, 1);
		int err = frame_peek(bytes_of(h, sizeof(h)), false, &f, &need);
		if (!spec_known(t)) {
			assert_int_equal(err, ERR_UNKNOWN_KIND);
			continue;
		}
		assert_int_equal(err, limit == 0 ? OK : ERR_TRUNCATED);
		assert_int_equal(need, FRAME_HEADER_LEN + limit);
		put_header(h, limit + 1, type, 1);
		assert_int_equal(
		    frame_peek(bytes_of(h, sizeof(h)), false, &f, &need), ERR_TOO_LARGE);
		put_header(h, UINT32_MAX, type, 1);
		assert_int_equal(
		    frame_peek(bytes_of(h, sizeof(h)), false, &f, &need), ERR_TOO_LARGE);

		/* Before HELLO: nothing but HELLO and ERROR, and no more than 8 KiB of it. */
		bool allowed = type == FRAME_HELLO || type == FRAME_ERROR;
		put_header(h, 8192, type, 0);
		assert_int_equal(frame_peek(bytes_of(h, sizeof(h)), true, &f, &need),
		    allowed ? ERR_TRUNCATED : ERR_UNKNOWN_KIND);
		put_header(h, 8193, type, 0);
		assert_int_equal(frame_peek(bytes_of(h, sizeof(h)), true, &f, &need),
		    allowed ? ERR_TOO_LARGE : ERR_UNKNOWN_KIND);
	}
}

static void test_cut_at_each_byte(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;
	Convene__Log log = CONVENE__LOG__INIT;
	log.name = pb_of(bytes_str("isoc.example/00112233445566778899aabbccddeeff/1"));
	log.credential = pb_of(bytes_str("credential"));
	assert_int_equal(frame_add(&b, FRAME_LOG, 0x01020304, &log.base), OK);
	size_t whole = b.len;
	assert_int_equal(frame_add_raw(&b, FRAME_PING, 5, bytes_str("ping")), OK);
	for (size_t len = 0; len < whole; len++) {
		/* A copy of this length, so that reading on would be seen. */
		uint8_t *cut = malloc(len > 0 ? len : 1);
		assert_non_null(cut);
		memcpy(cut, b.data, len);
		assert_int_equal(frame_peek(bytes_of(cut, len), false, &f, &need), ERR_TRUNCATED);
		assert_int_equal(need, len < FRAME_HEADER_LEN ? FRAME_HEADER_LEN : whole);
		free(cut);
	}
	assert_int_equal(frame_peek(buffer_bytes(&b), false, &f, &need), OK);
	assert_int_equal(f.type, FRAME_LOG);
	assert_int_equal(f.stream, 0x01020304);
	assert_ptr_equal(f.payload.data, b.data + FRAME_HEADER_LEN);
	assert_int_equal(f.payload.len, whole - FRAME_HEADER_LEN);
	assert_int_equal(need, whole);

	ProtobufCMessage *m;
	assert_int_equal(message_unpack(&m, frame_descriptor(f.type), f.payload), OK);
	assert_true(bytes_equal(bytes_of_pb(((Convene__Log *)m)->name), bytes_of_pb(log.name)));
	message_free(m);
	/* Every cut of the payload is an error or a shorter message, never more. */
	for (size_t len = 0; len < f.payload.len; len++) {
		uint8_t *cut = malloc(len > 0 ? len : 1);
		assert_non_null(cut);
		memcpy(cut, f.payload.data, len);
		size_t name_end = 2 + log.name.len;
		assert_int_equal(message_unpack(&m, frame_descriptor(f.type), bytes_of(cut, len)),
		    len == 0 || len == name_end ? OK : ERR_MALFORMED);
		message_free(m);
		free(cut);
	}

	assert_int_equal(frame_peek(bytes_of(b.data + whole, b.len - whole), false, &f, &need), OK);
	assert_int_equal(f.type, FRAME_PING);
	assert_true(bytes_equal(f.payload, bytes_str("ping")));
	buffer_free(&b);
}

static void test_add_limits(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	uint8_t *big = calloc(1, FRAME_MAX + 1);
	assert_non_null(big);
	assert_int_equal(frame_add_raw(&b, FRAME_PING, 0, bytes_of(big, 64)), OK);
	size_t len = b.len;
	assert_int_equal(frame_add_raw(&b, FRAME_PING, 0, bytes_of(big, 65)), ERR_TOO_LARGE);
	assert_int_equal(frame_add_raw(&b, FRAME_UNSUBSCRIBE, 1, bytes_of(NULL, 0)), OK);
	assert_int_equal(b.len, len + FRAME_HEADER_LEN);
	len = b.len;
	assert_int_equal(frame_add_raw(&b, FRAME_SUBMIT, 1, bytes_of(big, FRAME_MAX)), OK);
	assert_int_equal(b.len, len + FRAME_HEADER_LEN + FRAME_MAX);
	len = b.len;
	assert_int_equal(
	    frame_add_raw(&b, FRAME_SUBMIT, 1, bytes_of(big, FRAME_MAX + 1)), ERR_TOO_LARGE);
	Convene__Charter c = CONVENE__CHARTER__INIT;
	c.note = pb_of(bytes_of(big, 131072 - 4)); /* tag and length take 4 */
	assert_int_equal(frame_add(&b, FRAME_CHARTER, 1, &c.base), OK);
	len = b.len;
	c.note.len++;
	assert_int_equal(frame_add(&b, FRAME_CHARTER, 1, &c.base), ERR_TOO_LARGE);
	assert_int_equal(b.len, len);
	buffer_free(&b);
	free(big);
}

/* Every type, filled to its limit with the smallest elements of each field: refused or unpacked
 * within the budget, which the sanitizer's and the machine's memory would not survive otherwise. */
static void test_amplification(void **state)
{
	(void)state;
	for (unsigned t = 0; t < 256; t++) {
		const ProtobufCMessageDescriptor *d = frame_descriptor((uint8_t)t);
		if (d == NULL)
			continue;
		size_t len = frame_limit((uint8_t)t) & ~(size_t)1;
		uint8_t *in = malloc(len);
		assert_non_null(in);
		for (unsigned number = 1; number <= 15; number++) {
			for (size_t i = 0; i < len; i += 2) {
				in[i] = (uint8_t)(number << 3 | 2);
				in[i + 1] = 0;
			}
			ProtobufCMessage *m;
			int err = message_unpack(&m, d, bytes_of(in, len));
			const ProtobufCFieldDescriptor *field =
			    protobuf_c_message_descriptor_get_field(d, number);
			bool dear = field == NULL || field->type == PROTOBUF_C_TYPE_MESSAGE;
			assert_true(
			    dear ? err == ERR_TOO_LARGE
				 : err == OK || err == ERR_TOO_LARGE || err == ERR_MALFORMED);
			message_free(m);
		}
		free(in);
	}
}

/* The largest honest payloads must fit the budget. */
static void test_honest(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	static const uint8_t root[32] = {1}, digest[16] = {2};
	enum { HEADS = 800, WANTS = 1024 };
	Convene__Head heads[HEADS], *pointers[HEADS];
	for (size_t i = 0; i < HEADS; i++) {
		convene__head__init(&heads[i]);
		heads[i].log = pb_of(bytes_of(digest, 16));
		heads[i].size = i + 1;
		heads[i].root = pb_of(bytes_of(root, 32));
		pointers[i] = &heads[i];
	}
	Convene__Frontier frontier = CONVENE__FRONTIER__INIT;
	frontier.n_heads = HEADS;
	frontier.heads = pointers;
	frontier.last = true;
	assert_int_equal(frame_add(&b, FRAME_FRONTIER, 0, &frontier.base), OK);

	/* The smallest heads: ANNOUNCE with 8 bytes of the root each. */
	Convene__Announce announce = CONVENE__ANNOUNCE__INIT;
	for (size_t i = 0; i < HEADS; i++)
		heads[i].root.len = 8;
	announce.n_heads = HEADS;
	announce.heads = pointers;
	assert_int_equal(frame_add(&b, FRAME_ANNOUNCE, 0, &announce.base), OK);

	uint64_t index[WANTS];
	for (size_t i = 0; i < WANTS; i++)
		index[i] = i;
	Convene__Want want = CONVENE__WANT__INIT;
	want.n_index = WANTS;
	want.index = index;
	assert_int_equal(frame_add(&b, FRAME_WANT, 0, &want.base), OK);

	Convene__Submission submissions[HEADS], *all[HEADS];
	static const uint8_t message[250] = {3};
	for (size_t i = 0; i < HEADS; i++) {
		convene__submission__init(&submissions[i]);
		submissions[i].message = pb_of(bytes_of(message, sizeof(message)));
		submissions[i].salt = pb_of(bytes_of(root, 32));
		submissions[i].content = pb_of(bytes_of(message, 20));
		all[i] = &submissions[i];
	}
	Convene__Submit submit = CONVENE__SUBMIT__INIT;
	submit.n_submissions = HEADS;
	submit.submissions = all;
	assert_int_equal(frame_add(&b, FRAME_SUBMIT, 1, &submit.base), OK);

	struct bytes rest = buffer_bytes(&b);
	struct frame f;
	size_t need, count = 0;
	while (rest.len > 0) {
		assert_int_equal(frame_peek(rest, false, &f, &need), OK);
		ProtobufCMessage *m;
		assert_int_equal(message_unpack(&m, frame_descriptor(f.type), f.payload), OK);
		message_free(m);
		rest = bytes_of(rest.data + need, rest.len - need);
		count++;
	}
	assert_int_equal(count, 4);
	buffer_free(&b);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(refusal_code(OK), 0);
	assert_int_equal(refusal_error(0), OK);
	assert_int_equal(refusal_code(ERR_SIGNATURE), CONVENE__CODE__BAD_SIGNATURE);
	assert_int_equal(refusal_code(ERR_NOMEM), CONVENE__CODE__INTERNAL);
	assert_int_equal(refusal_code(-1), CONVENE__CODE__INTERNAL);
	assert_int_equal(refusal_error(4711), refusal_error(CONVENE__CODE__INTERNAL));
	/* Every code of the schema has an error and a sentence; and there and back again is the
	 * same code, but for those that share an error with another. */
	const ProtobufCEnumDescriptor *codes = &convene__code__descriptor;
	for (unsigned i = 0; i < codes->n_values; i++) {
		uint32_t code = (uint32_t)codes->values[i].value;
		const char *text = refusal_text(code);
		assert_true(text[0] >= 'A' && text[0] <= 'Z' && text[strlen(text) - 1] == '.');
		bool shared = code == CONVENE__CODE__NOT_A_PEER ||
			      code == CONVENE__CODE__FRAME_TOO_LARGE ||
			      code == CONVENE__CODE__NO_CONTENT ||
			      code == CONVENE__CODE__UNEXPECTED ||
			      code == CONVENE__CODE__NOT_FIRST || code == CONVENE__CODE__SUSPENDED;
		assert_int_equal(refusal_error(code) == OK, code == 0);
		assert_int_equal(refusal_code(refusal_error(code)) == code, !shared);
		if (code != CONVENE__CODE__INTERNAL)
			assert_string_not_equal(text, refusal_text(CONVENE__CODE__INTERNAL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_cut_at_each_byte),
	    cmocka_unit_test(test_add_limits),
	    cmocka_unit_test(test_amplification),
	    cmocka_unit_test(test_honest),
	    cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
