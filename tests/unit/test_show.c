/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client believes of an item that a node shows: nothing that the author did not sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/show.h"
#include "msg/body.h"

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

/* ---- amended and erased ---- */

static uint8_t seed[32] = {3};

/* A message about another, by the key of `by`. */
static void change_make(struct buffer *out, uint32_t kind, uint8_t by, const char *log,
    const uint8_t *target_log, const uint8_t *target, struct buffer *text, uint8_t reason)
{
	struct target_body body = {.target = {.present = true}, .reason = reason};
	struct header h = {.version = 1, .sequence = 9, .kind = kind, .time = 86400000};
	uint8_t other[32] = {0};
	struct buffer bytes = BUFFER_INIT;
	struct binding b;
	struct key key;

	other[0] = by;
	key_from_seed(&key, other);
	assert_int_equal(binding_make(&b, forum, bytes_str(log)), OK);
	memcpy(h.signer, key.public, KEY_LEN);
	memcpy(body.target.log, target_log, DIGEST_LEN);
	memcpy(body.target.id, target, ID_LEN);
	assert_int_equal(kind == KIND_AMEND ? amend_body_encode(&bytes, &body)
					    : erase_body_encode(&bytes, &body),
	    OK);
	h.body = buffer_bytes(&bytes);
	if (text) {
		h.has_commitment = true;
		h.bucket = bucket_of(text->len);
		commitment_make(h.commitment, &b, key.public, salt, buffer_bytes(text));
	}
	buffer_reset(out);
	assert_int_equal(message_sign(out, &b, &h, &key), OK);
	buffer_free(&bytes);
}

/* What is printed. */
static char *printed(const struct shown *s)
{
	FILE *out = stdout;
	char *text = NULL;
	size_t len;

	stdout = open_memstream(&text, &len);
	assert_non_null(stdout);
	shown_print(s, 0, bytes_of(NULL, 0), NULL);
	fclose(stdout);
	stdout = out;
	return text;
}

static void prints(const struct shown *s, const char *expect, bool there)
{
	char *text = printed(s);

	if ((strstr(text, expect) != NULL) != there)
		fail_msg("%s", text);
	free(text);
}

static void test_amended(void **state)
{
	static const char successor[] = "isoc.example/ffeeddccbbaa99887766554433221100/2";
	struct content c = {.text = bytes_str("what is meant")};
	struct buffer text = BUFFER_INIT, amend = BUFFER_INIT;
	const Convene__Item before = item;
	struct shown s, as;
	json_t *o;

	(void)state;
	open_it(&s);
	assert_int_equal(content_encode(&text, &c), OK);
	change_make(&amend, KIND_AMEND, 3, LOG, s.binding.digest, s.id, &text, 0);
	item.amendment = pb_of(buffer_bytes(&amend));
	item.amendment_index = 12;
	item.content = pb_of(buffer_bytes(&text));
	open_it(&as);
	assert_true(shown_good(&as) && as.amendment.good);
	assert_true(bytes_equal(as.content.text, bytes_str("what is meant")));
	prints(&as, "  amended 1970-01-0", true);
	prints(&as, "another key", false);
	o = shown_json(&as);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(o, "amended"), "check")), "good");
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(o, "amended"), "index")), 12);
	json_decref(o);
	shown_clear(&as);

	/* Every byte of it counts; and without it the text is not what was signed. */
	for (size_t i = 0; i < amend.len; i++) {
		amend.data[i] ^= 1;
		open_it(&as);
		assert_false(shown_good(&as) || as.has_content);
		prints(&as, "what is meant", false);
		shown_clear(&as);
		amend.data[i] ^= 1;
	}
	item.amendment = pb_of(bytes_of(NULL, 0));
	open_it(&as);
	assert_false(shown_good(&as) || as.has_content);
	shown_clear(&as);

	/* Whose another key is, nothing here can tell. */
	change_make(&amend, KIND_AMEND, 4, LOG, s.binding.digest, s.id, &text, 0);
	item.amendment = pb_of(buffer_bytes(&amend));
	open_it(&as);
	prints(&as, "(amended with another key than the first text", true);
	shown_clear(&as);

	/* Of another message, or of that id in another log. */
	s.id[0] ^= 1;
	change_make(&amend, KIND_AMEND, 3, LOG, s.binding.digest, s.id, &text, 0);
	s.id[0] ^= 1;
	item.amendment = pb_of(buffer_bytes(&amend));
	open_it(&as);
	assert_false(shown_good(&as) || as.has_content);
	shown_clear(&as);
	s.binding.digest[0] ^= 1;
	change_make(&amend, KIND_AMEND, 3, LOG, s.binding.digest, s.id, &text, 0);
	s.binding.digest[0] ^= 1;
	item.amendment = pb_of(buffer_bytes(&amend));
	open_it(&as);
	assert_false(shown_good(&as) || as.has_content);
	shown_clear(&as);

	/* In the log that follows, and in one that can't. */
	change_make(&amend, KIND_AMEND, 3, successor, s.binding.digest, s.id, &text, 0);
	item.amendment = pb_of(buffer_bytes(&amend));
	open_it(&as);
	assert_false(shown_good(&as));
	shown_clear(&as);
	item.amendment_log = pb_of(bytes_str(successor));
	open_it(&as);
	assert_true(shown_good(&as) && as.has_content);
	shown_clear(&as);
	change_make(&amend, KIND_AMEND, 3, "evil.example/ffeeddccbbaa99887766554433221100/2",
	    s.binding.digest, s.id, &text, 0);
	item.amendment = pb_of(buffer_bytes(&amend));
	item.amendment_log = pb_of(bytes_str("evil.example/ffeeddccbbaa99887766554433221100/2"));
	open_it(&as);
	assert_false(shown_good(&as) || as.has_content);
	shown_clear(&as);
	/* An ERASE is no amendment. */
	change_make(&amend, KIND_ERASE, 3, LOG, s.binding.digest, s.id, NULL, 0);
	item.amendment = pb_of(buffer_bytes(&amend));
	item.amendment_log = pb_of(bytes_of(NULL, 0));
	open_it(&as);
	assert_false(shown_good(&as) || as.has_content);
	shown_clear(&as);
	item = before;
	shown_clear(&s);
	buffer_free(&text);
	buffer_free(&amend);
}

static void test_erased(void **state)
{
	struct buffer erase = BUFFER_INIT;
	const Convene__Item before = item;
	struct shown s, es;
	json_t *o;

	(void)state;
	open_it(&s);
	change_make(&erase, KIND_ERASE, 3, LOG, s.binding.digest, s.id, NULL, 2);
	item.erasure = pb_of(buffer_bytes(&erase));
	/* Whatever else the node sends: it isn't shown. */
	open_it(&es);
	assert_true(shown_good(&es) && es.erasure.good);
	assert_false(es.has_content);
	prints(&es, "(erased by its author, because of a law, 1970-01-0", true);
	prints(&es, "what was said", false);
	o = shown_json(&es);
	assert_string_equal(json_string_value(json_object_get(o, "content_state")), "erased");
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(o, "erased"), "reason")), 2);
	assert_null(json_object_get(o, "content"));
	json_decref(o);
	shown_clear(&es);
	change_make(&erase, KIND_ERASE, 4, LOG, s.binding.digest, s.id, NULL, 0);
	item.erasure = pb_of(buffer_bytes(&erase));
	open_it(&es);
	prints(&es, "(erased by the registrar, or by another key of its author, 1970", true);
	shown_clear(&es);
	for (size_t i = 0; i < erase.len; i++) {
		erase.data[i] ^= 1;
		open_it(&es);
		assert_false(shown_good(&es) || es.has_content);
		prints(&es, "does NOT verify", true);
		shown_clear(&es);
		erase.data[i] ^= 1;
	}
	item = before;
	shown_clear(&s);
	buffer_free(&erase);
}

static void test_changes_themselves(void **state)
{
	struct content c = {.text = bytes_str("what is meant")};
	struct buffer text = BUFFER_INIT, change = BUFFER_INIT;
	const Convene__Item before = item;
	struct shown s, cs;
	json_t *o;

	(void)state;
	open_it(&s);
	assert_int_equal(content_encode(&text, &c), OK);
	memset(s.id, 0x1a, ID_LEN);
	change_make(&change, KIND_AMEND, 3, LOG, s.binding.digest, s.id, &text, 0);
	item.message = pb_of(buffer_bytes(&change));
	item.content = pb_of(buffer_bytes(&text));
	item.handle = pb_of(bytes_str("alice"));
	item.organisation = pb_of(bytes_str("isoc.example"));
	open_it(&cs);
	assert_true(shown_good(&cs) && cs.has_content);
	prints(&cs, "alice@isoc.example amended 1a1a1a1a, 1970-01-0", true);
	prints(&cs, "\n  | what is meant\n", true);
	o = shown_json(&cs);
	assert_string_equal(json_string_value(json_object_get(o, "kind")), "amend");
	assert_non_null(json_object_get(json_object_get(o, "target"), "id"));
	json_decref(o);
	shown_clear(&cs);
	change_make(&change, KIND_ERASE, 3, LOG, s.binding.digest, s.id, NULL, 0);
	item.message = pb_of(buffer_bytes(&change));
	item.content_state = CONVENE__CONTENT_STATE__CONTENT_NONE_NEEDED;
	open_it(&cs);
	assert_true(shown_good(&cs));
	prints(&cs, "alice@isoc.example erased 1a1a1a1a, 1970-01-0", true);
	shown_clear(&cs);
	item = before;
	shown_clear(&s);
	buffer_free(&text);
	buffer_free(&change);
}

/* ---- archives ---- */

/* As an archive's post with this author, and a part that was left out. */
static void archived(struct bytes author, const char *expect)
{
	struct content_part part = {.name = bytes_str("report.pdf"),
	    .media_type = bytes_str("application/pdf"),
	    .omitted = 3400000};
	struct content c = {.text = bytes_str("t"),
	    .parts = &part,
	    .part_count = 1,
	    .imported = {.present = true,
		.author = author,
		.source = bytes_str("a list"),
		.message_id = bytes_str("1@x")}};
	struct header h = {
	    .version = 1, .sequence = 1, .kind = KIND_POST, .time = 1, .has_commitment = true};
	struct buffer text = BUFFER_INIT, signed_ = BUFFER_INIT;
	const Convene__Item before = item;
	struct binding b;
	struct shown s;
	struct key key;
	json_t *o;

	key_from_seed(&key, seed);
	assert_int_equal(binding_make(&b, forum, bytes_str(LOG)), OK);
	assert_int_equal(content_encode(&text, &c), OK);
	memcpy(h.signer, key.public, KEY_LEN);
	h.bucket = bucket_of(text.len);
	h.topic.present = true;
	commitment_make(h.commitment, &b, key.public, salt, buffer_bytes(&text));
	assert_int_equal(message_sign(&signed_, &b, &h, &key), OK);
	item.message = pb_of(buffer_bytes(&signed_));
	item.content = pb_of(buffer_bytes(&text));
	item.handle = pb_of(bytes_str("archive"));
	item.organisation = pb_of(bytes_str("isoc.example"));
	open_it(&s);
	assert_true(s.has_content);
	prints(&s, expect, true);
	prints(&s, "[1] report.pdf, application/pdf, 3.4 MB, left out when it was imported", true);
	o = shown_json(&s);
	json_t *p = json_array_get(
	    json_object_get(json_object_get(o, "content"), "attachments"), 0);
	assert_int_equal(json_integer_value(json_object_get(p, "omitted")), 3400000);
	assert_int_equal(json_integer_value(json_object_get(p, "size")), 0);
	json_decref(o);
	shown_clear(&s);
	item = before;
	buffer_free(&text);
	buffer_free(&signed_);
}

static void test_archived(void **state)
{
	char lengthy[400];

	(void)state;
	archived(bytes_str("Ann Other <ann at other.example>"),
	    "  \"Ann Other <ann at other.example>\", by the archive of archive@isoc.example  19");
	/* No way out of the quotation marks, nor out of the line. */
	archived(bytes_str("x\", by the archive of ripe.example\nbob@ripe.example"),
	    "  \"x', by the archive of ripe.example\xef\xbf\xbd"
	    "bob@ripe.example\", by the archive of archive@isoc.example  19");
	memset(lengthy, 'x', sizeof lengthy);
	archived(bytes_of(lengthy, sizeof lengthy),
	    "xxx\xe2\x80\xa6\", by the archive of archive@isoc.example  19");
	/* Without an author it is the signer's. */
	archived(bytes_of(NULL, 0), "  archive@isoc.example  19");
}

static int setup(void **state)
{
	struct content c = {.subject = bytes_str("a title"), .text = bytes_str("what was said")};
	struct header h = {
	    .version = 1, .sequence = 1, .kind = KIND_TOPIC, .time = 1, .has_commitment = true};
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
	    cmocka_unit_test(test_amended),
	    cmocka_unit_test(test_erased),
	    cmocka_unit_test(test_changes_themselves),
	    cmocka_unit_test(test_archived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
