/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client believes of an item that a node shows: nothing that the author did not sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "client/show.h"

#define LOG "isoc.example/00112233445566778899aabbccddeeff/1"

static uint8_t forum[HASH_LEN] = {9}, salt[SALT_LEN] = {1};
static struct buffer message, content;
static Convene__Item item;

static void open_it(struct shown *s)
{
	shown_open(s, &item, forum, NULL);
}

static void test_good(void **state)
{
	struct shown s;

	(void)state;
	open_it(&s);
	assert_true(s.parsed && s.signature && s.committed && s.has_content);
	assert_true(shown_good(&s));
	assert_true(bytes_equal(s.content.text, bytes_str("what was said")));
	shown_clear(&s);
}

static void test_every_byte_of_the_message(void **state)
{
	struct shown s;

	(void)state;
	for (size_t i = 0; i < message.len; i++) {
		message.data[i] ^= 1;
		open_it(&s);
		assert_false(s.signature);
		assert_false(s.has_content);
		assert_false(shown_good(&s));
		shown_clear(&s);
		message.data[i] ^= 1;
	}
}

static void test_every_byte_of_the_content(void **state)
{
	struct shown s;

	(void)state;
	for (size_t i = 0; i < content.len; i++) {
		content.data[i] ^= 1;
		open_it(&s);
		assert_true(s.signature);
		assert_false(s.committed);
		assert_false(s.has_content);
		assert_false(shown_good(&s));
		shown_clear(&s);
		content.data[i] ^= 1;
	}
}

static void test_other_log_and_forum(void **state)
{
	struct shown s;

	(void)state;
	item.log = pb_of(bytes_str("isoc.example/10112233445566778899aabbccddeeff/1"));
	open_it(&s);
	assert_false(shown_good(&s));
	shown_clear(&s);
	item.log = pb_of(bytes_str("not a log"));
	open_it(&s);
	assert_false(shown_good(&s));
	shown_clear(&s);
	item.log = pb_of(bytes_str(LOG));
	forum[0] ^= 1;
	open_it(&s);
	assert_false(shown_good(&s));
	shown_clear(&s);
	forum[0] ^= 1;
}

static void test_absent_content(void **state)
{
	struct shown s;

	(void)state;
	item.content_state = CONVENE__CONTENT_STATE__CONTENT_MISSING;
	open_it(&s);
	assert_true(shown_good(&s));
	assert_false(s.has_content);
	shown_clear(&s);
	/* Said to be there, and isn't. */
	item.content_state = CONVENE__CONTENT_STATE__CONTENT_PRESENT;
	item.content = pb_of(bytes_of(NULL, 0));
	open_it(&s);
	assert_false(shown_good(&s));
	shown_clear(&s);
	item.content = pb_of(buffer_bytes(&content));
	item.salt.len = 31;
	open_it(&s);
	assert_false(shown_good(&s));
	shown_clear(&s);
	item.salt.len = SALT_LEN;
}

static void test_json(void **state)
{
	struct shown s;
	json_t *o;

	(void)state;
	open_it(&s);
	o = shown_json(&s);
	assert_string_equal(json_string_value(json_object_get(o, "signature")), "good");
	assert_string_equal(json_string_value(json_object_get(o, "kind")), "topic");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(o, "content"), "text")),
	    "what was said");
	json_decref(o);
	shown_clear(&s);
	message.data[message.len - 1] ^= 1;
	open_it(&s);
	o = shown_json(&s);
	assert_string_equal(json_string_value(json_object_get(o, "signature")), "bad");
	assert_null(json_object_get(o, "content"));
	json_decref(o);
	shown_clear(&s);
	message.data[message.len - 1] ^= 1;
}

static void author_is(const char *handle, size_t identity, const char *expect)
{
	static const uint8_t id[IDENTITY_LEN] = {0xab, 0xcd, 0xef, 0x01};
	struct buffer out = BUFFER_INIT;

	author_text(&out, bytes_str(handle), bytes_of(id, identity), bytes_str("isoc.example"));
	assert_string_equal(buffer_str(&out), expect);
	buffer_free(&out);
}

static void test_author(void **state)
{
	(void)state;
	author_is("alice", IDENTITY_LEN, "alice@isoc.example");
	author_is("", IDENTITY_LEN, "abcdef01@isoc.example");
	author_is("", 0, "isoc.example");
	author_is("\xd8\xb3", 0, "\xe2\x81\xa8\xd8\xb3\xe2\x81\xa9@isoc.example");
}

static int setup(void **state)
{
	struct content c = {.subject = bytes_str("a title"), .text = bytes_str("what was said")};
	struct header h = {
	    .version = 1, .sequence = 1, .kind = KIND_TOPIC, .time = 1, .has_commitment = true};
	uint8_t seed[32] = {3};
	struct binding b;
	struct key key;

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	assert_int_equal(binding_make(&b, forum, bytes_str(LOG)), OK);
	assert_int_equal(content_encode(&content, &c), OK);
	memcpy(h.signer, key.public, KEY_LEN);
	h.bucket = bucket_of(content.len);
	commitment_make(h.commitment, &b, key.public, salt, buffer_bytes(&content));
	assert_int_equal(message_sign(&message, &b, &h, &key), OK);
	convene__item__init(&item);
	item.log = pb_of(bytes_str(LOG));
	item.message = pb_of(buffer_bytes(&message));
	item.salt = pb_of(bytes_of(salt, SALT_LEN));
	item.content = pb_of(buffer_bytes(&content));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buffer_free(&message);
	buffer_free(&content);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_every_byte_of_the_message),
	    cmocka_unit_test(test_every_byte_of_the_content),
	    cmocka_unit_test(test_other_log_and_forum),
	    cmocka_unit_test(test_absent_content),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_author),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
