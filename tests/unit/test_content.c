/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/msg/content and unpack: what hostile content may cost, and what is read from good content
 * (SPEC.md section 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "msg/content.h"
#include "msg/frame.h"
#include "msg/unpack.h"
#include "msg/wire.h"

static struct bytes str(const char *s)
{
	return bytes_str(s);
}

static int parse(const struct buffer *b)
{
	struct content c;
	int err = content_parse(buffer_bytes(b), &c);
	content_clear(&c);
	return err;
}

static void test_roundtrip(void **state)
{
	(void)state;
	const struct content_mention mentions[] = {{str("@älice"), {1}, {2}}, {str(""), {3}, {4}}};
	const struct content_part parts[] = {
	    {str("paper.pdf"), str("application/pdf"), bytes_of("%PDF\0\xff", 6), 0},
	    {str(""), str(""), str(""), 0}, {str("film.ogv"), str("video/ogg"), str(""), 3400000}};
	const struct bytes references[] = {str("a@b"), str(""), str("c@d")};
	const struct bytes languages[] = {str("en"), str("zh-Hant")};
	const struct content in = {
	    .subject = str("Subject"),
	    .text = str("Text\nwith \0 NUL"),
	    .mentions = mentions,
	    .mention_count = 2,
	    .parts = parts,
	    .part_count = 3,
	    .imported = {.present = true,
		.author = bytes_of("J\xf8rn", 4),
		.message_id = str("x@y"),
		.source = str("list"),
		.date = -86400000,
		.references = references,
		.reference_count = 3},
	    .profile = {.present = true,
		.handle = str("alice"),
		.name = str("Alice"),
		.group = str("civil"),
		.region = str("EU"),
		.languages = languages,
		.language_count = 2},
	};
	struct buffer b = BUFFER_INIT;
	struct content out;
	assert_int_equal(content_encode(&b, &in), OK);
	assert_int_equal(content_parse(buffer_bytes(&b), &out), OK);
	assert_true(bytes_equal(out.subject, in.subject) && bytes_equal(out.text, in.text));
	assert_int_equal(out.mention_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(bytes_equal(out.mentions[i].name, mentions[i].name));
		assert_memory_equal(out.mentions[i].log, mentions[i].log, DIGEST_LEN);
		assert_memory_equal(out.mentions[i].identity, mentions[i].identity, IDENTITY_LEN);
		assert_true(bytes_equal(out.parts[i].name, parts[i].name));
		assert_true(bytes_equal(out.parts[i].media_type, parts[i].media_type));
		assert_true(bytes_equal(out.parts[i].data, parts[i].data));
		assert_true(bytes_equal(out.profile.languages[i], languages[i]));
	}
	assert_int_equal(out.part_count, 3);
	assert_int_equal(out.parts[1].omitted, 0);
	assert_int_equal(out.parts[2].omitted, 3400000);
	assert_true(out.imported.present && out.profile.present);
	assert_true(out.imported.date == -86400000);
	assert_true(bytes_equal(out.imported.author, in.imported.author));
	assert_true(bytes_equal(out.imported.message_id, in.imported.message_id));
	assert_true(bytes_equal(out.imported.source, in.imported.source));
	assert_int_equal(out.imported.reference_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(bytes_equal(out.imported.references[i], references[i]));
	assert_true(bytes_equal(out.profile.handle, in.profile.handle));
	assert_true(bytes_equal(out.profile.name, in.profile.name));
	assert_true(bytes_equal(out.profile.group, in.profile.group));
	assert_true(bytes_equal(out.profile.region, in.profile.region));
	assert_int_equal(out.profile.language_count, 2);

	/* What we write is what generated code writes. */
	ProtobufCMessage *m;
	assert_int_equal(message_unpack(&m, &convene__content__descriptor, buffer_bytes(&b)), OK);
	uint8_t *again = malloc(b.len);
	assert_int_equal(protobuf_c_message_get_packed_size(m), b.len);
	protobuf_c_message_pack(m, again);
	assert_memory_equal(again, b.data, b.len);
	free(again);
	message_free(m);
	content_clear(&out);
	content_clear(&out);
	buffer_free(&b);
}

/* A part that is there was not left out, whatever it says. */
static void test_left_out(void **state)
{
	(void)state;
	struct content_part parts[] = {
	    {.name = str("here"), .data = str("data"), .omitted = 7},
	    {.name = str("not"), .omitted = 7},
	};
	struct content in = {.text = str("x"), .parts = parts, .part_count = 2}, out;
	struct buffer b = BUFFER_INIT;
	assert_int_equal(content_encode(&b, &in), OK);
	assert_int_equal(content_parse(buffer_bytes(&b), &out), OK);
	assert_int_equal(out.parts[0].omitted, 0);
	assert_int_equal(out.parts[1].omitted, 7);
	content_clear(&out);
	buffer_free(&b);
}

static void test_nothing(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct content none = {0}, out;
	assert_int_equal(content_encode(&b, &none), OK);
	assert_int_equal(b.len, 0);
	assert_int_equal(content_parse(bytes_of(NULL, 0), &out), OK);
	assert_false(out.profile.present || out.imported.present);
	content_clear(&out);
	/* An empty profile is a profile. */
	none.profile.present = true;
	assert_int_equal(content_encode(&b, &none), OK);
	assert_int_equal(content_parse(buffer_bytes(&b), &out), OK);
	assert_true(out.profile.present);
	content_clear(&out);
	message_free(NULL);
	buffer_free(&b);
}

/* As many as section 7 allows, and one more, read and written. */
static void test_counts(void **state)
{
	(void)state;
	static const size_t limits[] = {256, 1024, 4096, 32};
	struct content_part *parts = calloc(257, sizeof(*parts));
	struct content_mention *mentions = calloc(1025, sizeof(*mentions));
	struct bytes *texts = calloc(4097, sizeof(*texts));
	assert_true(parts != NULL && mentions != NULL && texts != NULL);
	for (size_t i = 0; i < 4097; i++)
		texts[i] = str("reference-of-a-usual-length@lists.example");
	for (size_t i = 0; i < 257; i++)
		parts[i].name = str("a-part-of-some-name.txt");
	for (size_t which = 0; which < 4; which++) {
		for (size_t over = 0; over < 2; over++) {
			size_t n[4] = {0};
			n[which] = limits[which] + over;
			struct content c = {.text = str("x"),
			    .parts = parts,
			    .part_count = n[0],
			    .mentions = mentions,
			    .mention_count = n[1],
			    .imported = {.present = n[2] > 0,
				.references = texts,
				.reference_count = n[2]},
			    .profile = {
				.present = n[3] > 0, .languages = texts, .language_count = n[3]}};
			struct buffer b = BUFFER_INIT;
			assert_int_equal(content_encode(&b, &c), over ? ERR_INVALID : OK);
			if (over) {
				/* One below, and one more behind it by hand. */
				static const uint32_t outer[] = {4, 3, 5, 6};
				assert_int_equal(b.len, 0);
				c.part_count -= n[0] > 0;
				c.mention_count -= n[1] > 0;
				c.imported.reference_count -= n[2] > 0;
				c.profile.language_count -= n[3] > 0;
				assert_int_equal(content_encode(&b, &c), OK);
				struct buffer inner = BUFFER_INIT;
				if (which == 1) {
					wire_add_bytes(
					    &inner, 2, bytes_of(mentions[0].log, DIGEST_LEN));
					wire_add_bytes(&inner, 3,
					    bytes_of(mentions[0].identity, IDENTITY_LEN));
				}
				if (which > 1)
					wire_add_element(&inner, 5, str("x"));
				wire_add_element(&b, outer[which], buffer_bytes(&inner));
				buffer_free(&inner);
			}
			assert_int_equal(parse(&b), over ? ERR_TOO_LARGE : OK);
			buffer_free(&b);
		}
	}
	free(parts);
	free(mentions);
	free(texts);
}

static void test_text(void **state)
{
	(void)state;
	/* number of the outer field (0: none), of the inner one, whether bytes that aren't UTF-8
	 * are refused there */
	static const struct {
		uint32_t outer, inner;
		bool text;
	} fields[] = {
	    {0, 1, true},
	    {0, 2, true},
	    {4, 1, true},
	    {4, 2, true},
	    {4, 3, false},
	    {5, 1, false},
	    {5, 3, false},
	    {5, 4, false},
	    {5, 5, false},
	    {6, 1, true},
	    {6, 2, true},
	    {6, 3, true},
	    {6, 4, true},
	    {6, 5, true},
	};
	static const char *const bad[] = {
	    "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			struct buffer b = BUFFER_INIT, inner = BUFFER_INIT;
			wire_add_element(&inner, fields[i].inner, str(bad[j]));
			if (fields[i].outer != 0)
				wire_add_element(&b, fields[i].outer, buffer_bytes(&inner));
			else
				buffer_add(&b, inner.data, inner.len);
			assert_int_equal(parse(&b), fields[i].text ? ERR_TEXT : OK);
			buffer_free(&b);
			buffer_free(&inner);
		}
	}
}

static void test_mentions(void **state)
{
	(void)state;
	static const struct {
		size_t log, identity;
		const char *name;
		int want;
	} cases[] = {
	    {16, 16, "a", OK},
	    {15, 16, "a", ERR_MALFORMED},
	    {17, 16, "a", ERR_MALFORMED},
	    {0, 16, "a", ERR_MALFORMED},
	    {16, 15, "a", ERR_MALFORMED},
	    {16, 0, "a", ERR_MALFORMED},
	    {16, 16, "\xff", ERR_TEXT},
	};
	static const uint8_t bytes[17] = {1};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = BUFFER_INIT, inner = BUFFER_INIT;
		wire_add_bytes(&inner, 1, str(cases[i].name));
		wire_add_bytes(&inner, 2, bytes_of(bytes, cases[i].log));
		wire_add_bytes(&inner, 3, bytes_of(bytes, cases[i].identity));
		wire_add_element(&b, 3, buffer_bytes(&inner));
		assert_int_equal(parse(&b), cases[i].want);
		buffer_free(&b);
		buffer_free(&inner);
	}
}

/* Fields of later versions, of every wire type, at both depths. */
static void test_unknown_fields(void **state)
{
	(void)state;
	static const char in[] = "\x0a\x01s"            /* subject */
				 "\x78\x05"             /* 15: 5 */
				 "\x7a\x03\xff\xff\xff" /* 15: bytes that look like nothing */
				 "\x79xxxxxxxx\x7dxxxx" /* 15: fixed64, fixed32 */
				 "\x32\x07\x0a\x01h\x7a\x02\x08\x01" /* profile: handle, and 15 */
				 "\x12\x01t";                        /* text */
	struct content c;
	assert_int_equal(content_parse(bytes_of(in, sizeof(in) - 1), &c), OK);
	assert_true(bytes_equal(c.subject, str("s")) && bytes_equal(c.text, str("t")));
	assert_true(c.profile.present && bytes_equal(c.profile.handle, str("h")));
	content_clear(&c);
	/* Groups, which protobuf-c doesn't read. */
	assert_int_equal(content_parse(bytes_of("\x0b\x0c", 2), &c), ERR_MALFORMED);
	content_clear(&c);
}

/* 2 MB of empty submessages: dear in memory, refused within the budget. */
static void test_amplification(void **state)
{
	(void)state;
	static const uint8_t tags[] = {3 << 3 | 2, 4 << 3 | 2, 15 << 3 | 2};
	const size_t len = 2000000;
	uint8_t *in = malloc(len);
	assert_non_null(in);
	for (size_t t = 0; t < sizeof(tags); t++) {
		for (size_t i = 0; i < len; i += 2) {
			in[i] = tags[t];
			in[i + 1] = 0;
		}
		struct content c;
		assert_int_equal(content_parse(bytes_of(in, len), &c), ERR_TOO_LARGE);
		content_clear(&c);
	}
	/* Merging one submessage over and over costs the square of its length. */
	struct buffer b = BUFFER_INIT;
	for (size_t i = 0; i < 20000; i++)
		buffer_add(&b, "\x2a\x02\x2a\x00", 4);
	assert_int_equal(parse(&b), ERR_TOO_LARGE);
	buffer_free(&b);
	free(in);
}

/* Unknown to the schema, so nobody descends into it, however deep it is. */
static void test_depth_bomb(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, next = BUFFER_INIT;
	for (unsigned depth = 0; depth < 2000; depth++) {
		buffer_reset(&next);
		wire_add_element(&next, 15, buffer_bytes(&b));
		struct buffer swap = b;
		b = next;
		next = swap;
	}
	assert_int_equal(parse(&b), OK);
	buffer_free(&b);
	buffer_free(&next);
}

/* A type that holds itself, as a later schema by mistake might: what protobuf-c alone would follow
 * to the end of the stack. */
struct recursive {
	ProtobufCMessage base;
	ProtobufCMessage *child;
};
static void recursive_init(ProtobufCMessage *m);
extern const ProtobufCMessageDescriptor recursive_type;
static const ProtobufCFieldDescriptor recursive_field = {
    .name = "child",
    .id = 1,
    .label = PROTOBUF_C_LABEL_NONE,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .offset = offsetof(struct recursive, child),
    .descriptor = &recursive_type,
};
static const unsigned recursive_name[] = {0};
static const ProtobufCIntRange recursive_range[] = {{1, 0}, {0, 1}};
const ProtobufCMessageDescriptor recursive_type = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "recursive",
    .short_name = "recursive",
    .c_name = "recursive",
    .package_name = "",
    .sizeof_message = sizeof(struct recursive),
    .n_fields = 1,
    .fields = &recursive_field,
    .fields_sorted_by_name = recursive_name,
    .n_field_ranges = 1,
    .field_ranges = recursive_range,
    .message_init = recursive_init,
};
static void recursive_init(ProtobufCMessage *m)
{
	memset(m, 0, sizeof(struct recursive));
	m->descriptor = &recursive_type;
}

static void test_depth(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, next = BUFFER_INIT;
	for (unsigned depth = 1; depth < 3000; depth++) {
		ProtobufCMessage *m;
		assert_int_equal(message_unpack(&m, &recursive_type, buffer_bytes(&b)),
		    depth <= 4 ? OK : ERR_TOO_LARGE);
		message_free(m);
		buffer_reset(&next);
		wire_add_element(&next, 1, buffer_bytes(&b));
		struct buffer swap = b;
		b = next;
		next = swap;
	}
	buffer_free(&b);
	buffer_free(&next);
}

static void test_cut_and_flipped(void **state)
{
	(void)state;
	const struct bytes languages[] = {str("en")};
	const struct content_part part = {str("a"), str("text/plain"), str("data"), 9};
	const struct content_mention mention = {str("b"), {1}, {2}};
	const struct content c = {.subject = str("s"),
	    .text = str("text"),
	    .parts = &part,
	    .part_count = 1,
	    .mentions = &mention,
	    .mention_count = 1,
	    .profile = {
		.present = true, .handle = str("h"), .languages = languages, .language_count = 1}};
	struct buffer b = BUFFER_INIT;
	assert_int_equal(content_encode(&b, &c), OK);
	size_t whole = b.len, ok = 0;
	for (b.len = 0; b.len < whole; b.len++)
		ok += parse(&b) == OK;
	assert_true(ok > 0 && ok < whole / 2);
	for (size_t i = 0; i < whole * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		int err = parse(&b);
		assert_true(
		    err == OK || err == ERR_MALFORMED || err == ERR_TEXT || err == ERR_TOO_LARGE);
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_roundtrip),
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_mentions),
	    cmocka_unit_test(test_unknown_fields),
	    cmocka_unit_test(test_amplification),
	    cmocka_unit_test(test_depth_bomb),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_cut_and_flipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
