/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "member/charter.h"
#include "member_fixture.h"

/* Made with OpenSSL and Python from the seeds 01…, 02…, 03…. */
#define AFRINIC "member: afrinic.example+3f00a01e+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
#define ISOC "member: isoc.example+9058069b+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
#define RIPE "member: ripe.example+6c398168+Ae1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR"
#define GOLDEN_ID "957dad074ee44d5033216265cece2f50e54c3a2e4ade320bea8fb2054f28557e"

static const char *const golden[] = {"convene charter v1", "name: The Example Forum",
    "purpose: To talk between meetings.", "admit: 2", "topics: registrars", "anchor: 2 of all",
    "content-limit: 1048576", AFRINIC, ISOC, RIPE};
#define LINES (sizeof(golden) / sizeof(golden[0]))

static const char *const names[] = {"afrinic.example", "isoc.example", "ripe.example"};

/* The golden text with line `at` (from 1; 0: none) in another form; NULL leaves it out. */
static void text_make(struct buffer *out, unsigned at, const char *instead)
{
	buffer_reset(out);
	for (unsigned i = 1; i <= LINES; i++) {
		const char *line = i == at ? instead : golden[i - 1];
		if (line == NULL)
			continue;
		buffer_add_str(out, line);
		buffer_add_u8(out, '\n');
	}
}

static void sign(struct buffer *note, struct bytes text, unsigned founder, uint8_t seed)
{
	struct key key = fixture_key(seed);
	assert_int_equal(note_sign(note, text, bytes_str(names[founder]), &key), OK);
}

static void test_golden(void **state)
{
	(void)state;
	struct buffer text = BUFFER_INIT, again = BUFFER_INIT;
	struct charter *c;
	unsigned line = 99;
	char hex[2 * HASH_LEN + 1];
	text_make(&text, 0, NULL);
	assert_int_equal(charter_parse_text(&c, buffer_bytes(&text), &line), OK);
	hex_encode(hex, c->forum, HASH_LEN);
	assert_string_equal(hex, GOLDEN_ID);
	assert_string_equal(c->name, "The Example Forum");
	assert_string_equal(c->purpose, "To talk between meetings.");
	assert_int_equal(c->admit, 2);
	assert_int_equal(c->topics, TOPICS_BY_REGISTRARS);
	assert_int_equal(c->anchor, 2);
	assert_null(c->anchor_names);
	assert_int_equal(c->content_limit, 1048576);
	assert_int_equal(c->member_count, 3);
	for (uint8_t i = 0; i < 3; i++) {
		struct key key = fixture_key((uint8_t)(i + 1));
		assert_string_equal(c->members[i].name, names[i]);
		assert_memory_equal(c->members[i].public, key.public, KEY_LEN);
	}
	assert_int_equal(c->note.len, 0);

	/* The writer sorts. */
	struct verifier first = c->members[0];
	c->members[0] = c->members[2];
	c->members[2] = first;
	assert_int_equal(charter_text(&again, c, NULL), OK);
	assert_true(bytes_equal(buffer_bytes(&text), buffer_bytes(&again)));
	charter_free(c);
	buffer_free(&text);
	buffer_free(&again);
}

static char long_name[300], long_purpose[1100], many_names[60000];

static void test_forms(void **state)
{
	(void)state;
	static const struct form {
		unsigned line; /* which is put in another form */
		const char *text;
		int err;
		unsigned at; /* where the mistake is reported; 0: the line itself */
	} forms[] = {
	    {1, "convene charter v2", ERR_VERSION, 0},
	    {1, "convene charter v10", ERR_VERSION, 0},
	    {1, "convene charter v", ERR_VERSION, 0},
	    {1, "Convene charter v1", ERR_MALFORMED, 0},
	    {1, "", ERR_MALFORMED, 0},
	    {1, NULL, ERR_MALFORMED, 0},

	    {2, "name: x", OK, 0},
	    {2, "name:  x ", OK, 0},
	    {2, "name: Wörld 世界", OK, 0},
	    {2, "name: ", ERR_RANGE, 0},
	    {2, "name:x", ERR_MALFORMED, 0},
	    {2, "name", ERR_MALFORMED, 0},
	    {2, "Name: x", ERR_MALFORMED, 0},
	    {2, "name: a\tb", ERR_TEXT, 0},
	    {2, "name: a\r", ERR_TEXT, 0},
	    {2, "name: a\x7f", ERR_TEXT, 0},
	    {2, "name: a\xc2\x85", ERR_TEXT, 0},
	    {2, "name: a\xc2\xa0", OK, 0},
	    {2, "name: a\xff", ERR_TEXT, 0},
	    {2, "name: a\xc2", ERR_TEXT, 0},
	    {2, "name: \xed\xa0\x80", ERR_TEXT, 0},
	    {2, NULL, ERR_MALFORMED, 0},
	    {2, "name: x\nname: y", ERR_MALFORMED, 3},
	    {3, "purpose: ", ERR_RANGE, 0},
	    {3, NULL, ERR_MALFORMED, 0},

	    {4, "admit: 1", OK, 0},
	    {4, "admit: 3", OK, 0},
	    {4, "admit: 0", ERR_RANGE, 0},
	    {4, "admit: 4", ERR_RANGE, 0},
	    {4, "admit: 4294967296", ERR_RANGE, 0},
	    {4, "admit: 02", ERR_MALFORMED, 0},
	    {4, "admit: +2", ERR_MALFORMED, 0},
	    {4, "admit: 2 ", ERR_MALFORMED, 0},
	    {4, "admit: ", ERR_MALFORMED, 0},

	    {5, "topics: participants", OK, 0},
	    {5, "topics: roots", OK, 0},
	    {5, "topics: nobody", ERR_MALFORMED, 0},
	    {5, "topics: registrars ", ERR_MALFORMED, 0},
	    {5, "topics: ", ERR_MALFORMED, 0},

	    {6, "anchor: 0 of all", OK, 0},
	    {6, "anchor: 1000 of all", OK, 0},
	    {6, "anchor: 1001 of all", ERR_RANGE, 0},
	    {6, "anchor: 1 of a.example", OK, 0},
	    {6, "anchor: 2 of a.example b.example", OK, 0},
	    {6, "anchor: 0 of a.b", OK, 0},
	    {6, "anchor: 3 of a.example b.example", ERR_RANGE, 0},
	    {6, "anchor: 1 of b.example a.example", ERR_NOT_CANONICAL, 0},
	    {6, "anchor: 1 of a.example a.example", ERR_NOT_CANONICAL, 0},
	    {6, "anchor: 1 of a.example  b.example", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of a.example ", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of A.example", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of example", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of all a.example", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of ", ERR_MALFORMED, 0},
	    {6, "anchor: 1 of", ERR_MALFORMED, 0},
	    {6, "anchor: 1", ERR_MALFORMED, 0},
	    {6, "anchor: of all", ERR_MALFORMED, 0},
	    {6, "anchor: 1 from all", ERR_MALFORMED, 0},
	    {6, "anchor: 01 of all", ERR_MALFORMED, 0},

	    {7, "content-limit: 65536", OK, 0},
	    {7, "content-limit: 65535", ERR_RANGE, 0},
	    {7, "content-limit: 2097152", OK, 0},
	    {7, "content-limit: 2097153", ERR_RANGE, 0},
	    {7, "content-limit: 0x10000", ERR_MALFORMED, 0},

	    /* Two are left, and k is 2. */
	    {9, NULL, OK, 0},
	    {8, ISOC, ERR_NOT_CANONICAL, 9}, /* the same line twice */
	    {8, RIPE, ERR_NOT_CANONICAL, 9}, /* not ascending */
	    {9, AFRINIC, ERR_NOT_CANONICAL, 0},
	    {9, ISOC "\n", ERR_MALFORMED, 10},
	    {9, ISOC " ", ERR_MALFORMED, 0},
	    {9, "members: isoc.example", ERR_MALFORMED, 0},
	    {9, "member: isoc.example+9058069b", ERR_MALFORMED, 0},
	    /* an id that isn't the key's; upper case */
	    {9, "member: isoc.example+9058069c+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
		ERR_KEY, 0},
	    {9, "member: isoc.example+9058069B+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
		ERR_MALFORMED, 0},
	    {10, RIPE "\nsignature: none", ERR_MALFORMED, 11},

	    {2, long_name, OK, 0},
	    {3, long_purpose, OK, 0},
	};
	memset(long_name, 'n', 206);
	memcpy(long_name, "name: ", 6);
	memset(long_purpose, 'p', 1009);
	memcpy(long_purpose, "purpose: ", 9);

	struct buffer text = BUFFER_INIT;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct charter *c;
		unsigned line = 99;
		text_make(&text, forms[i].line, forms[i].text);
		int err = charter_parse_text(&c, buffer_bytes(&text), &line);
		unsigned at = forms[i].at != 0 ? forms[i].at : forms[i].line;
		if (err != forms[i].err || (err != OK && line != at))
			fail_msg("line %u \"%s\": %s in line %u", forms[i].line,
			    forms[i].text != NULL ? forms[i].text : "(none)", error_name(err),
			    line);
		/* One text for one charter. */
		struct buffer again = BUFFER_INIT;
		if (err == OK) {
			assert_int_equal(charter_text(&again, c, NULL), OK);
			assert_true(bytes_equal(buffer_bytes(&text), buffer_bytes(&again)));
		}
		buffer_free(&again);
		charter_free(c);
	}
	buffer_free(&text);
}

static int parse_with(unsigned line, const char *instead)
{
	struct buffer text = BUFFER_INIT;
	struct charter *c;
	text_make(&text, line, instead);
	int err = charter_parse_text(&c, buffer_bytes(&text), NULL);
	charter_free(c);
	buffer_free(&text);
	return err;
}

static void test_limits(void **state)
{
	(void)state;
	struct charter *c;
	long_name[206] = 'n';
	assert_int_equal(parse_with(2, long_name), ERR_RANGE);
	long_name[206] = '\0';
	long_purpose[1009] = 'p';
	assert_int_equal(parse_with(3, long_purpose), ERR_RANGE);
	long_purpose[1009] = '\0';

	/* Long lists of names, up to the text's own limit. */
	struct buffer text = BUFFER_INIT;
	size_t other = 0, len = (size_t)snprintf(many_names, 64, "anchor: 1000 of");
	text_make(&text, 6, NULL);
	other = text.len;
	for (unsigned i = 1000; i < 9999 && len + 12 + other < CHARTER_TEXT_MAX; i++)
		len += (size_t)snprintf(many_names + len, 64, " n%u.abc", i);
	assert_int_equal(parse_with(6, many_names), OK);
	while (len + other + 1 < CHARTER_TEXT_MAX)
		many_names[len++] = 'x';
	many_names[len] = '\0';
	assert_int_equal(parse_with(6, many_names), OK);
	many_names[len++] = 'x';
	many_names[len] = '\0';
	assert_int_equal(parse_with(6, many_names), ERR_TOO_LARGE);

	/* Every line but the last must be there, the last one whole. */
	unsigned line;
	assert_int_equal(charter_parse_text(&c, bytes_of(NULL, 0), &line), ERR_MALFORMED);
	assert_int_equal(line, 1);
	text_make(&text, 0, NULL);
	text.len--;
	assert_int_equal(charter_parse_text(&c, buffer_bytes(&text), &line), ERR_MALFORMED);
	assert_int_equal(line, LINES);
	text_make(&text, 0, NULL);
	text.len -= 3 * (strlen(ISOC) + 1) + strlen("afrinic") - strlen("isoc");
	assert_int_equal(charter_parse_text(&c, buffer_bytes(&text), &line), ERR_MALFORMED);
	assert_int_equal(line, 8);
	assert_null(c);
	buffer_free(&text);
}

/* Distinct names, distinct keys, and only keys that sign notes. */
static void test_members(void **state)
{
	(void)state;
	struct verifier v[3];
	struct charter c;
	struct buffer text = BUFFER_INIT;
	struct key keys[] = {fixture_key(1), fixture_key(2), fixture_key(3)};
	static const struct {
		const char *names[3];
		unsigned keys[3];
		uint8_t type;
		int err;
	} cases[] = {
	    {{"c.example", "b.example", "a.example"}, {0, 1, 2}, VERIFIER_ED25519, OK},
	    {{"a.example", "a.example", "b.example"}, {0, 1, 2}, VERIFIER_ED25519, ERR_INVALID},
	    {{"a.example", "b.example", "c.example"}, {0, 1, 0}, VERIFIER_ED25519, ERR_INVALID},
	    {{"a.example", "b.example", "c.example"}, {0, 1, 2}, VERIFIER_COSIGNATURE, ERR_INVALID},
	    {{"a.example", "b.example", "c"}, {0, 1, 2}, VERIFIER_ED25519, ERR_INVALID},
	    /* One name the beginning of another: '+' decides. */
	    {{"a.example.a", "a.example", "a.example-a.a"}, {0, 1, 2}, VERIFIER_ED25519, OK},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(verifier_make(&v[j], bytes_str(cases[i].names[j]),
					     cases[i].type, keys[cases[i].keys[j]].public),
			    OK);
		fixture_charter(&c, v, 3, 1);
		const char *field = "";
		buffer_reset(&text);
		assert_int_equal(charter_text(&text, &c, &field), cases[i].err);
		assert_string_equal(field, cases[i].err == OK ? "" : "member");
		if (cases[i].err != OK)
			assert_int_equal(text.len, 0);
	}
	buffer_free(&text);
}

static void test_writer(void **state)
{
	(void)state;
	char anchors[2][ORG_NAME_MAX + 1] = {"b.example", "a.example"};
	struct verifier v;
	struct key key = fixture_key(1);
	struct buffer text = BUFFER_INIT;
	struct charter good, c;
	const char *field;
	assert_int_equal(
	    verifier_make(&v, bytes_str("a.example"), VERIFIER_ED25519, key.public), OK);
	fixture_charter(&good, &v, 1, 1);
	good.anchor_names = anchors;
	good.anchor_name_count = 2;
	good.anchor = 2;
	assert_int_equal(charter_text(&text, &good, &field), OK);
	assert_non_null(strstr(buffer_str(&text), "\nanchor: 2 of a.example b.example\n"));
	size_t len = text.len;

#define REFUSED(change, want)                                                   \
	do {                                                                    \
		c = good;                                                       \
		change;                                                         \
		field = "";                                                     \
		assert_int_equal(charter_text(&text, &c, &field), ERR_INVALID); \
		assert_string_equal(field, want);                               \
		assert_int_equal(text.len, len);                                \
	} while (0)
	REFUSED(c.name = NULL, "name");
	REFUSED(c.name = (char *)(uintptr_t)"", "name");
	REFUSED(c.name = (char *)(uintptr_t)"x\npurpose: y", "name");
	REFUSED(c.purpose = (char *)(uintptr_t)"x\nadmit: 1", "purpose");
	REFUSED(c.purpose = (char *)(uintptr_t)"\xff", "purpose");
	REFUSED(c.admit = 0, "admit");
	REFUSED(c.admit = 2, "admit");
	REFUSED(c.topics = (enum charter_topics)3, "topics");
	REFUSED(c.anchor = 3, "anchor");
	REFUSED(c.anchor_name_count = 0, "anchor");
	REFUSED(strcpy(anchors[0], "a.example"), "anchor");
	strcpy(anchors[0], "b.example");
	REFUSED(c.content_limit = 65535, "content-limit");
	REFUSED(c.member_count = 0, "member");
	buffer_free(&text);
}

static void test_signatures(void **state)
{
	(void)state;
	struct buffer text = BUFFER_INIT, note = BUFFER_INIT, other = BUFFER_INIT;
	struct charter *c, *draft;
	const char *who;
	unsigned line;
	text_make(&text, 0, NULL);
	assert_int_equal(charter_parse_text(&draft, buffer_bytes(&text), NULL), OK);

	/* In any order, beside strangers' signatures, and never one too few. */
	buffer_add(&note, text.data, text.len);
	buffer_add_u8(&note, '\n');
	struct key stranger = fixture_key(9);
	assert_int_equal(
	    note_sign(&note, buffer_bytes(&text), bytes_str("stranger"), &stranger), OK);
	sign(&note, buffer_bytes(&text), 2, 3);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), ERR_NOT_COMPLETE);
	assert_string_equal(who, "afrinic.example");
	sign(&note, buffer_bytes(&text), 0, 1);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), ERR_NOT_COMPLETE);
	assert_string_equal(who, "isoc.example");
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 0), OK);
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 1), ERR_UNSIGNED);
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 2), OK);
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 3), ERR_INVALID);
	size_t incomplete = note.len;

	/* Somebody else's key under that name is nobody's signature. */
	sign(&note, buffer_bytes(&text), 1, 9);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), ERR_NOT_COMPLETE);
	assert_string_equal(who, "isoc.example");

	/* The right key over another forum's text is a wrong one. */
	text_make(&other, 2, "name: Another");
	note.len = incomplete;
	sign(&note, buffer_bytes(&other), 1, 2);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), ERR_SIGNATURE);
	assert_string_equal(who, "isoc.example");
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 1), ERR_SIGNATURE);
	/* Also beside the right one. */
	sign(&note, buffer_bytes(&text), 1, 2);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), NULL, NULL), ERR_SIGNATURE);

	note.len = incomplete;
	sign(&note, buffer_bytes(&text), 1, 2);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), OK);
	assert_null(who);
	assert_true(bytes_equal(buffer_bytes(&c->note), buffer_bytes(&note)));
	assert_memory_equal(c->forum, draft->forum, HASH_LEN);
	charter_free(c);

	/* A note for another text says nothing about this draft. */
	charter_free(draft);
	assert_int_equal(charter_parse_text(&draft, buffer_bytes(&other), NULL), OK);
	assert_int_equal(charter_signed_by(draft, buffer_bytes(&note), 1), ERR_OTHER_FORUM);
	charter_free(draft);

	/* Mistakes in the text of a note have their line; those of the note itself have none. */
	text_make(&other, 5, "topics: nobody");
	buffer_reset(&note);
	buffer_add(&note, other.data, other.len);
	buffer_add_u8(&note, '\n');
	sign(&note, buffer_bytes(&other), 0, 1);
	assert_int_equal(charter_open(&c, buffer_bytes(&note), &line, &who), ERR_MALFORMED);
	assert_int_equal(line, 5);
	assert_int_equal(charter_open(&c, buffer_bytes(&text), &line, &who), ERR_MALFORMED);
	assert_int_equal(line, 0);
	assert_null(c);
	buffer_free(&text);
	buffer_free(&note);
	buffer_free(&other);
}

/* No byte of a signed charter can be another. */
static void test_tampering(void **state)
{
	(void)state;
	struct buffer note = BUFFER_INIT, text = BUFFER_INIT;
	struct charter *c;
	text_make(&text, 0, NULL);
	buffer_add(&note, text.data, text.len);
	buffer_add_u8(&note, '\n');
	for (uint8_t i = 0; i < 3; i++)
		sign(&note, buffer_bytes(&text), i, (uint8_t)(i + 1));
	for (size_t i = 0; i < note.len; i++) {
		note.data[i] ^= 1 << i % 8;
		int err = charter_open(&c, buffer_bytes(&note), NULL, NULL);
		charter_free(c);
		if (err == OK)
			fail_msg("byte %zu of %zu may be anything", i, note.len);
		note.data[i] ^= 1 << i % 8;
	}
	assert_int_equal(charter_open(&c, buffer_bytes(&note), NULL, NULL), OK);
	charter_free(c);
	charter_free(NULL);
	buffer_free(&note);
	buffer_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_writer),
	    cmocka_unit_test(test_signatures),
	    cmocka_unit_test(test_tampering),
	};
	return crypto_start() != 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
