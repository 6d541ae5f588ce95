/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/msg: headers, signatures, bindings, commitments (SPEC.md sections 2.4, 4.1, 5 and 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "msg/message.h"
#include "msg/wire.h"
#include "proto/convene.pb-c.h"

#define LOG_A "isoc.example/00112233445566778899aabbccddeeff/1"
#define LOG_B "isoc.example/00112233445566778899aabbccddeeff/2"

static struct key author;
static struct binding binding;

static int setup(void **state)
{
	(void)state;
	const uint8_t seed[32] = {5}, forum[HASH_LEN] = {7};
	if (crypto_start() != OK)
		return -1;
	key_from_seed(&author, seed);
	return binding_make(&binding, forum, bytes_str(LOG_A));
}

/* A small generator that gives the same numbers everywhere (xorshift64*). */
static uint64_t random_state = 88172645463325252u;
static uint64_t random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/* 1 to max, all lengths of a varint alike. */
static uint64_t random_range(uint64_t max)
{
	return 1 + (random_next() >> (random_next() % 64)) % max;
}

static void random_bytes(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(random_next() >> 32);
}

static void random_ref(struct ref *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->present = random_next() % 2;
	if (!ref->present)
		return;
	random_bytes(ref->log, DIGEST_LEN);
	random_bytes(ref->id, ID_LEN);
	ref->index = random_next() % 2 ? random_range(SEQUENCE_MAX) : 0;
}

static void random_header(struct header *h, uint8_t body[static BODY_MAX])
{
	static const char langs[] = "abcdefghijklmnopqrstuvwxyz-ABCXYZ-0123456789";
	memset(h, 0, sizeof(*h));
	h->version = 1;
	memcpy(h->signer, author.public, KEY_LEN);
	h->sequence = random_range(SEQUENCE_MAX);
	h->kind = (uint32_t)random_range(INT32_MAX);
	random_ref(&h->topic);
	random_ref(&h->parent);
	h->time = random_range(TIME_MAX);
	h->lang = bytes_of(langs + random_next() % 9, random_next() % (LANG_MAX + 1));
	h->has_commitment = random_next() % 2;
	if (h->has_commitment) {
		random_bytes(h->commitment, HASH_LEN);
		h->bucket = (uint8_t)(random_next() % (BUCKET_MAX + 1));
	}
	size_t len = random_next() % 3 == 0 ? 0 : random_next() % (BODY_MAX + 1);
	random_bytes(body, len);
	h->body = bytes_of(body, len);
}

static void plain_header(struct header *h)
{
	memset(h, 0, sizeof(*h));
	h->version = 1;
	memcpy(h->signer, author.public, KEY_LEN);
	h->sequence = 41;
	h->kind = KIND_POST;
	h->topic.present = true;
	memset(h->topic.log, 1, DIGEST_LEN);
	memset(h->topic.id, 2, ID_LEN);
	h->topic.index = 12000;
	h->parent = h->topic;
	h->parent.index = 1000000;
	h->time = UINT64_C(1780000000000);
	h->lang = bytes_str("en");
	h->has_commitment = true;
	memset(h->commitment, 3, HASH_LEN);
	h->bucket = 12;
}

static void assert_ref_equal(const struct ref *a, const struct ref *b)
{
	assert_int_equal(a->present, b->present);
	assert_memory_equal(a->log, b->log, DIGEST_LEN);
	assert_memory_equal(a->id, b->id, ID_LEN);
	assert_true(a->index == b->index);
}

static void assert_header_equal(const struct header *a, const struct header *b)
{
	assert_int_equal(a->version, b->version);
	assert_memory_equal(a->signer, b->signer, KEY_LEN);
	assert_true(a->sequence == b->sequence && a->kind == b->kind && a->time == b->time);
	assert_ref_equal(&a->topic, &b->topic);
	assert_ref_equal(&a->parent, &b->parent);
	assert_true(bytes_equal(a->lang, b->lang) && bytes_equal(a->body, b->body));
	assert_int_equal(a->has_commitment, b->has_commitment);
	assert_memory_equal(a->commitment, b->commitment, HASH_LEN);
	assert_int_equal(a->bucket, b->bucket);
}

static ProtobufCBinaryData pb(const void *data, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

/* The same header as generated code packs it. */
static size_t pack(uint8_t *out, const struct header *h)
{
	Convene__Header p = CONVENE__HEADER__INIT;
	uint8_t refs[2][DIGEST_LEN + ID_LEN];
	const struct ref *from[2] = {&h->topic, &h->parent};
	for (size_t i = 0; i < 2; i++) {
		memcpy(refs[i], from[i]->log, DIGEST_LEN);
		memcpy(refs[i] + DIGEST_LEN, from[i]->id, ID_LEN);
	}
	p.version = h->version;
	p.signer = pb(h->signer, KEY_LEN);
	p.sequence = h->sequence;
	p.kind = h->kind;
	if (h->topic.present)
		p.topic = pb(refs[0], sizeof(refs[0]));
	p.topic_index = h->topic.index;
	if (h->parent.present)
		p.parent = pb(refs[1], sizeof(refs[1]));
	p.parent_index = h->parent.index;
	p.time = h->time;
	p.lang = pb(h->lang.data, h->lang.len);
	if (h->has_commitment)
		p.commitment = pb(h->commitment, HASH_LEN);
	p.bucket = h->bucket;
	p.body = pb(h->body.data, h->body.len);
	assert_true(convene__header__get_packed_size(&p) <= MESSAGE_MAX);
	return convene__header__pack(&p, out);
}

static void test_encode_is_protobuf(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	for (int i = 0; i < 5000; i++) {
		struct header h, again;
		uint8_t body[BODY_MAX], packed[MESSAGE_MAX];
		random_header(&h, body);
		buffer_reset(&b);
		assert_int_equal(header_encode(&b, &h), OK);
		assert_int_equal(pack(packed, &h), b.len);
		assert_memory_equal(packed, b.data, b.len);
		buffer_add(&b, packed, SIG_LEN); /* any bytes will do for the parser */
		assert_int_equal(message_parse(buffer_bytes(&b), &again), OK);
		assert_header_equal(&h, &again);
	}
	buffer_free(&b);
}

static void test_sign_and_verify(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct header h, again;
	plain_header(&h);
	buffer_add_str(&b, "before"); /* it appends */
	assert_int_equal(message_sign(&b, &binding, &h, &author), OK);
	struct bytes m = bytes_of(b.data + 6, b.len - 6);
	assert_true(m.len < 300); /* a plain reply with both hints */
	assert_int_equal(message_parse(m, &again), OK);
	assert_header_equal(&h, &again);
	assert_int_equal(message_verify(m, &binding, again.signer), OK);

	struct binding other = binding;
	uint8_t id[ID_LEN], other_id[ID_LEN];
	message_id(id, m, &binding);
	assert_int_equal(binding_make(&other, binding.forum, bytes_str(LOG_B)), OK);
	assert_int_equal(message_verify(m, &other, again.signer), ERR_SIGNATURE);
	message_id(other_id, m, &other);
	assert_memory_not_equal(id, other_id, ID_LEN);
	other = binding;
	other.forum[31] ^= 1;
	assert_int_equal(message_verify(m, &other, again.signer), ERR_SIGNATURE);
	message_id(other_id, m, &other);
	assert_memory_not_equal(id, other_id, ID_LEN);

	/* The id covers the header, not the signature. */
	b.data[b.len - 1] ^= 1;
	message_id(other_id, m, &binding);
	assert_memory_equal(id, other_id, ID_LEN);
	assert_int_equal(message_verify(m, &binding, again.signer), ERR_SIGNATURE);

	struct key stranger;
	const uint8_t seed[32] = {6};
	key_from_seed(&stranger, seed);
	size_t before = b.len;
	assert_int_equal(message_sign(&b, &binding, &h, &stranger), ERR_INVALID);
	assert_int_equal(b.len, before);
	buffer_free(&b);
}

/* The bytes that are signed and hashed, put together by hand. */
static void test_binding_bytes(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, m = BUFFER_INIT, want = BUFFER_INIT;
	struct header h;
	buffer_add(&want, "convene/v1/message", 19);
	buffer_add(&want, binding.forum, HASH_LEN);
	buffer_add_u16(&want, (uint16_t)strlen(LOG_A));
	buffer_add_str(&want, LOG_A);
	binding_add(&b, &binding, "convene/v1/message");
	assert_true(bytes_equal(buffer_bytes(&b), buffer_bytes(&want)));

	plain_header(&h);
	assert_int_equal(message_sign(&m, &binding, &h, &author), OK);
	buffer_add(&want, m.data, m.len - SIG_LEN);
	assert_int_equal(
	    key_verify(author.public, m.data + m.len - SIG_LEN, buffer_bytes(&want)), OK);

	uint8_t hash[HASH_LEN], id[ID_LEN];
	buffer_reset(&want);
	binding_add(&want, &binding, "convene/v1/id");
	buffer_add(&want, m.data, m.len - SIG_LEN);
	hash_of(hash, want.data, want.len);
	message_id(id, buffer_bytes(&m), &binding);
	assert_memory_equal(id, hash, ID_LEN);
	buffer_free(&b);
	buffer_free(&m);
	buffer_free(&want);
}

static void test_bit_flips(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct header h, again;
	plain_header(&h);
	h.body = bytes_str("body");
	assert_int_equal(message_sign(&b, &binding, &h, &author), OK);
	for (size_t i = 0; i < b.len * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		struct bytes m = buffer_bytes(&b);
		if (message_parse(m, &again) == OK)
			assert_int_not_equal(message_verify(m, &binding, again.signer), OK);
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(message_verify(buffer_bytes(&b), &binding, author.public), OK);
	buffer_free(&b);
}

static void test_lengths(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct header h, again;
	uint8_t id[ID_LEN], long_one[MESSAGE_MAX + 1] = {8, 1};
	plain_header(&h);
	assert_int_equal(message_sign(&b, &binding, &h, &author), OK);
	for (size_t len = 0; len < b.len; len++) {
		struct bytes m = bytes_of(b.data, len);
		int err = message_parse(m, &again);
		if (len < SIG_LEN)
			assert_int_equal(err, ERR_TRUNCATED);
		assert_true(err != OK || message_verify(m, &binding, again.signer) != OK);
		assert_int_equal(message_verify(m, &binding, author.public),
		    len < SIG_LEN ? ERR_TRUNCATED : ERR_SIGNATURE);
		message_id(id, m, &binding); /* of anything */
	}
	assert_int_equal(message_parse(bytes_of(long_one, SIG_LEN), &again), ERR_MALFORMED);
	assert_int_equal(
	    message_parse(bytes_of(long_one, sizeof(long_one)), &again), ERR_TOO_LARGE);
	assert_int_equal(
	    message_verify(bytes_of(long_one, sizeof(long_one)), &binding, author.public),
	    ERR_TOO_LARGE);
	buffer_free(&b);
}

/* The largest header there can be stays within a message. */
static void test_largest(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct header h, again;
	static uint8_t body[BODY_MAX];
	plain_header(&h);
	h.sequence = h.topic.index = h.parent.index = SEQUENCE_MAX;
	h.kind = INT32_MAX;
	h.time = TIME_MAX;
	h.lang = bytes_str("abcdefghijklmnopqrstuvwxyz-ABC-0129");
	h.bucket = BUCKET_MAX;
	h.body = bytes_of(body, sizeof(body));
	assert_int_equal(message_sign(&b, &binding, &h, &author), OK);
	assert_true(b.len <= MESSAGE_MAX);
	assert_int_equal(message_parse(buffer_bytes(&b), &again), OK);
	assert_header_equal(&h, &again);
	assert_int_equal(message_verify(buffer_bytes(&b), &binding, author.public), OK);
	buffer_free(&b);
}

static int encode(const struct header *h)
{
	struct buffer b = BUFFER_INIT;
	int err = header_encode(&b, h);
	if (err != OK)
		assert_int_equal(b.len, 0);
	buffer_free(&b);
	return err;
}

#define REFUSED(change)                                    \
	do {                                               \
		struct header h;                           \
		plain_header(&h);                          \
		assert_int_equal(encode(&h), OK);          \
		change;                                    \
		assert_int_equal(encode(&h), ERR_INVALID); \
	} while (0)

static void test_encode_ranges(void **state)
{
	(void)state;
	static uint8_t body[BODY_MAX + 1];
	REFUSED(h.version = 2);
	REFUSED(h.version = 0);
	REFUSED(h.sequence = 0);
	REFUSED(h.sequence = SEQUENCE_MAX + 1);
	REFUSED(h.kind = 0);
	REFUSED(h.kind = (uint32_t)INT32_MAX + 1);
	REFUSED(h.topic.index = SEQUENCE_MAX + 1);
	REFUSED(h.topic.present = false); /* the hint stays behind */
	REFUSED(h.parent.present = false);
	REFUSED(h.time = 0);
	REFUSED(h.time = TIME_MAX + 1);
	REFUSED(h.lang = bytes_str("en_GB"));
	REFUSED(h.lang = bytes_str("abcdefghijklmnopqrstuvwxyz-ABC-01234"));
	REFUSED(h.bucket = BUCKET_MAX + 1);
	REFUSED(h.has_commitment = false); /* the bucket stays behind */
	REFUSED(h.body = bytes_of(body, sizeof(body)));
}

/* A header from single fields: an integer at value, or `len` bytes. */
struct raw {
	uint32_t number;
	bool is_bytes;
	uint64_t value;
};
#define RAW_FIELDS 13

static const struct raw raw_good[RAW_FIELDS] = {
    {1, false, 1},
    {2, true, 32},
    {3, false, 1},
    {4, false, 6},
    {5, true, 48},
    {6, false, 1},
    {7, true, 48},
    {8, false, 1},
    {9, false, 1},
    {10, true, 2},
    {11, true, 32},
    {12, false, 1},
    {13, true, 1},
};

static int parse_raw(const struct raw *fields)
{
	static uint8_t filler[MESSAGE_MAX];
	memset(filler, 'a', sizeof(filler));
	struct buffer b = BUFFER_INIT;
	struct header h;
	for (size_t i = 0; i < RAW_FIELDS; i++) {
		const struct raw *f = &fields[i];
		if (f->is_bytes)
			wire_add_bytes(&b, f->number, bytes_of(filler, f->value));
		else
			wire_add_uint(&b, f->number, f->value);
	}
	buffer_add(&b, filler, SIG_LEN);
	int err = message_parse(buffer_bytes(&b), &h);
	buffer_free(&b);
	return err;
}

static int parse_changed(uint32_t number, uint64_t value)
{
	struct raw fields[RAW_FIELDS];
	memcpy(fields, raw_good, sizeof(fields));
	fields[number - 1].value = value;
	return parse_raw(fields);
}

static void test_parse_ranges(void **state)
{
	(void)state;
	assert_int_equal(parse_raw(raw_good), OK);
	static const struct {
		uint32_t number;
		uint64_t good, bad;
	} lengths[] = {
	    {2, 32, 31},
	    {2, 32, 33},
	    {5, 48, 47},
	    {5, 48, 49},
	    {7, 48, 47},
	    {7, 48, 49},
	    {10, 1, LANG_MAX + 1},
	    {10, LANG_MAX, LANG_MAX + 1},
	    {11, 32, 31},
	    {11, 32, 33},
	    {13, BODY_MAX, BODY_MAX + 1},
	    {3, SEQUENCE_MAX, SEQUENCE_MAX + 1},
	    {4, INT32_MAX, (uint64_t)INT32_MAX + 1},
	    {4, 9, UINT64_C(1) << 32 | 6},
	    {6, SEQUENCE_MAX, SEQUENCE_MAX + 1},
	    {8, SEQUENCE_MAX, SEQUENCE_MAX + 1},
	    {9, TIME_MAX, TIME_MAX + 1},
	    {12, BUCKET_MAX, BUCKET_MAX + 1},
	    {12, 24, 256 + 1},
	    {3, 1, UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(parse_changed(lengths[i].number, lengths[i].good), OK);
		assert_int_equal(parse_changed(lengths[i].number, lengths[i].bad), ERR_MALFORMED);
	}
	/* Left out (a raw field of nothing is not written). */
	static const bool optional[RAW_FIELDS + 1] = {
	    [6] = true, [8] = true, [10] = true, [12] = true, [13] = true};
	for (uint32_t number = 1; number <= RAW_FIELDS; number++)
		assert_int_equal(parse_changed(number, 0), optional[number] ? OK : ERR_MALFORMED);
	/* Each in the other wire type. */
	for (size_t i = 0; i < RAW_FIELDS; i++) {
		struct raw fields[RAW_FIELDS];
		memcpy(fields, raw_good, sizeof(fields));
		fields[i].is_bytes = !fields[i].is_bytes;
		assert_int_equal(parse_raw(fields), ERR_MALFORMED);
	}
	/* A field that the schema doesn't name. */
	struct raw fields[RAW_FIELDS];
	memcpy(fields, raw_good, sizeof(fields));
	fields[12].number = 14;
	assert_int_equal(parse_raw(fields), ERR_MALFORMED);
}

static void test_versions(void **state)
{
	(void)state;
	struct header h;
	assert_int_equal(parse_changed(1, 2), ERR_VERSION);
	assert_int_equal(parse_changed(1, UINT32_MAX), ERR_VERSION);
	assert_int_equal(parse_changed(1, UINT64_C(1) << 32 | 1), ERR_MALFORMED);
	/* Another version may go on as it likes. */
	uint8_t in[2 + 3 + SIG_LEN] = {0x08, 0x02, 0xff, 0xff, 0xff};
	assert_int_equal(message_parse(bytes_of(in, sizeof(in)), &h), ERR_VERSION);
	assert_int_equal(h.version, 2);
	in[1] = 1;
	assert_int_equal(message_parse(bytes_of(in, sizeof(in)), &h), ERR_MALFORMED);
}

static void test_langs(void **state)
{
	(void)state;
	static const char *const bad[] = {"e n", "en_GB", "\xc3\xa4", "en.", "a\x01"};
	struct header h;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buffer b = BUFFER_INIT;
		uint8_t filler[SIG_LEN] = {0};
		wire_add_uint(&b, 1, 1);
		wire_add_bytes(&b, 2, bytes_of(author.public, KEY_LEN));
		wire_add_uint(&b, 3, 1);
		wire_add_uint(&b, 4, 6);
		wire_add_uint(&b, 9, 1);
		wire_add_bytes(&b, 10, bytes_str(bad[i]));
		buffer_add(&b, filler, SIG_LEN);
		assert_int_equal(message_parse(buffer_bytes(&b), &h), ERR_MALFORMED);
		buffer_free(&b);
	}
}

static void test_kind_names(void **state)
{
	(void)state;
	assert_string_equal(kind_name(KIND_NODE), "node");
	assert_string_equal(kind_name(KIND_ERASE), "erase");
	assert_null(kind_name(0));
	assert_null(kind_name(KIND_LAST_KNOWN + 1));
	assert_null(kind_name(UINT32_MAX));
}

static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(bucket_of(1), 0);
	assert_int_equal(bucket_of(2), 1);
	assert_int_equal(bucket_of(3), 2);
	for (uint8_t b = 2; b < 40; b++) {
		assert_int_equal(bucket_of(UINT64_C(1) << b), b);
		assert_int_equal(bucket_of((UINT64_C(1) << b) - 1), b);
		assert_int_equal(bucket_of((UINT64_C(1) << b) + 1), b + 1);
	}
	assert_int_equal(bucket_of(UINT64_MAX), 64);
}

static void test_commitment(void **state)
{
	(void)state;
	struct header h;
	uint8_t salt[SALT_LEN] = {9}, hash[HASH_LEN];
	struct bytes content = bytes_str("hello");
	plain_header(&h);
	commitment_make(h.commitment, &binding, h.signer, salt, content);
	h.bucket = 3;

	struct buffer want = BUFFER_INIT;
	binding_add(&want, &binding, "convene/v1/content");
	buffer_add(&want, h.signer, KEY_LEN);
	buffer_add(&want, salt, SALT_LEN);
	buffer_add_u64(&want, 5);
	buffer_add_str(&want, "hello");
	hash_of(hash, want.data, want.len);
	assert_memory_equal(hash, h.commitment, HASH_LEN);
	buffer_free(&want);

	assert_int_equal(content_check(&h, &binding, salt, content), OK);
	assert_int_equal(content_check(&h, &binding, salt, bytes_str("hellp")), ERR_COMMITMENT);
	assert_int_equal(content_check(&h, &binding, salt, bytes_str("")), ERR_COMMITMENT);
	for (uint8_t b = 0; b <= BUCKET_MAX; b++) {
		h.bucket = b;
		assert_int_equal(
		    content_check(&h, &binding, salt, content), b == 3 ? OK : ERR_COMMITMENT);
	}
	h.bucket = 3;
	salt[31] ^= 1;
	assert_int_equal(content_check(&h, &binding, salt, content), ERR_COMMITMENT);
	salt[31] ^= 1;
	h.signer[0] ^= 1;
	assert_int_equal(content_check(&h, &binding, salt, content), ERR_COMMITMENT);
	h.signer[0] ^= 1;
	h.has_commitment = false;
	assert_int_equal(content_check(&h, &binding, salt, content), ERR_COMMITMENT);
}

static void test_log_names(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",
	    "/",
	    "isoc.example",
	    "isoc.example/",
	    "isoc.example/00112233445566778899aabbccddeeff",
	    "isoc.example/00112233445566778899aabbccddeeff/",
	    "isoc.example/00112233445566778899aabbccddeeff/0",
	    "isoc.example/00112233445566778899aabbccddeeff/01",
	    "isoc.example/00112233445566778899AABBCCDDEEFF/1",
	    "isoc.example/00112233445566778899aabbccddeef/1",
	    "isoc.example/00112233445566778899aabbccddeefff/1",
	    "isoc.example/00112233445566778899aabbccddeeff/1/",
	    "isoc.example/00112233445566778899aabbccddeeff/+1",
	    "isoc.example/00112233445566778899aabbccddeeff/18446744073709551616",
	    "isoc/00112233445566778899aabbccddeeff/1",
	    "ISOC.example/00112233445566778899aabbccddeeff/1",
	    "isoc..example/00112233445566778899aabbccddeeff/1",
	    "/00112233445566778899aabbccddeeff/1",
	};
	struct bytes org;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	struct binding out;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
		    log_name_parse(bytes_str(bad[i]), &org, digest, &number), ERR_MALFORMED);
		assert_int_equal(binding_make(&out, binding.forum, bytes_str(bad[i])), ERR_INVALID);
	}
	assert_int_equal(log_name_parse(bytes_str(LOG_B), &org, digest, &number), OK);
	assert_true(bytes_equal(org, bytes_str("isoc.example")) && number == 2);
	assert_int_equal(digest[0], 0x00);
	assert_int_equal(digest[15], 0xff);
	assert_memory_equal(binding.digest, digest, DIGEST_LEN);

	/* 4.1 put together by hand. */
	char name[VERIFIER_NAME_MAX + 1];
	uint8_t root[KEY_LEN] = {1}, log_key[KEY_LEN] = {2}, hash[HASH_LEN];
	struct buffer want = BUFFER_INIT;
	assert_int_equal(
	    log_name_make(name, binding.forum, root, log_key, bytes_str("a.example"), UINT64_MAX),
	    OK);
	buffer_add(&want, "convene/v1/log", 15);
	buffer_add(&want, binding.forum, HASH_LEN);
	buffer_add(&want, root, KEY_LEN);
	buffer_add(&want, log_key, KEY_LEN);
	buffer_add_u64(&want, UINT64_MAX);
	buffer_add_str(&want, "a.example");
	hash_of(hash, want.data, want.len);
	buffer_free(&want);
	assert_int_equal(log_name_parse(bytes_str(name), &org, digest, &number), OK);
	assert_memory_equal(digest, hash, DIGEST_LEN);
	assert_true(bytes_equal(org, bytes_str("a.example")) && number == UINT64_MAX);

	/* The longest organisation there is. */
	static const char longest[] =
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	    "bbbbbbbbbbbbbbbbbbbbbbbbbbbb.example";
	assert_int_equal(strlen(longest), 100);
	assert_int_equal(
	    log_name_make(name, binding.forum, root, log_key, bytes_str(longest), UINT64_MAX), OK);
	assert_int_equal(binding_make(&out, binding.forum, bytes_str(name)), OK);
	assert_string_equal(out.log_name, name);
	assert_int_equal(
	    log_name_make(name, binding.forum, root, log_key, bytes_str("a.example"), 0),
	    ERR_INVALID);
	assert_int_equal(log_name_make(name, binding.forum, root, log_key, bytes_str("example"), 1),
	    ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encode_is_protobuf),
	    cmocka_unit_test(test_sign_and_verify),
	    cmocka_unit_test(test_binding_bytes),
	    cmocka_unit_test(test_bit_flips),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_largest),
	    cmocka_unit_test(test_encode_ranges),
	    cmocka_unit_test(test_parse_ranges),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_langs),
	    cmocka_unit_test(test_kind_names),
	    cmocka_unit_test(test_buckets),
	    cmocka_unit_test(test_commitment),
	    cmocka_unit_test(test_log_names),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
