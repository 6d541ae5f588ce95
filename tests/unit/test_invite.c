/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"

#define ORG "isoc.example"
#define DIGEST "/00112233445566778899aabbccddeeff/1"

static struct invite invite;
static struct buffer text; /* its text */

static int parse(const char *s)
{
	struct invite out;

	return invite_parse(&out, bytes_str(s));
}

static int parse_line(const char *s)
{
	char log[VERIFIER_NAME_MAX + 1];
	struct node_address out;

	return node_line_parse(&out, log, bytes_str(s));
}

/* The text with its part at `from` replaced. */
static char *with(const char *from, const char *to)
{
	static char out[1024];
	const char *s = buffer_str(&text), *at = strstr(s, from);

	assert_non_null(at);
	memcpy(out, s, (size_t)(at - s));
	strcpy(out + (at - s), to);
	strcat(out, at + strlen(from));
	return out;
}

static void test_round_trip(void **state)
{
	struct invite again;
	struct buffer second = BUFFER_INIT;

	(void)state;
	assert_int_equal(invite_parse(&again, buffer_bytes(&text)), OK);
	assert_string_equal(again.node.address, "[2001:db8::1]:7654");
	assert_string_equal(again.node.organisation, ORG);
	assert_memory_equal(again.node.root_key, invite.node.root_key, KEY_LEN);
	assert_memory_equal(again.node.forum, invite.node.forum, HASH_LEN);
	assert_memory_equal(again.secret, invite.secret, INVITE_SECRET_LEN);
	assert_int_equal(again.node.serial, 0);
	invite_format(&second, &again);
	assert_string_equal(buffer_str(&second), buffer_str(&text));
	buffer_free(&second);
	assert_true(text.len <= INVITE_TEXT_MAX);
}

static void test_refused(void **state)
{
	static const char *const addresses[] = {"relay.example",
	    "relay.example:", "relay.example:0", "relay.example:70000", "relay.example:07654",
	    ":7654", "2001:db8::1:7654", "[2001:db8::1:7654", "relay example:7654",
	    "relay\x1b[31m:7654", "rel\xc3\xa4y:7654", "a/b:7654", ""};

	(void)state;
	assert_int_equal(parse("convene://relay.example:7654"), ERR_MALFORMED);
	assert_int_equal(parse(""), ERR_MALFORMED);
	assert_int_equal(parse(with("convene://", "http://")), ERR_MALFORMED);
	assert_int_equal(parse(with("convene://", "Convene://")), ERR_MALFORMED);
	assert_int_equal(parse(with(ORG, "Isoc.example")), ERR_MALFORMED);
	assert_int_equal(parse(with(ORG, "isoc")), ERR_MALFORMED);
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
		assert_int_equal(parse(with("[2001:db8::1]:7654", addresses[i])), ERR_MALFORMED);
}

static void test_every_byte_counts(void **state)
{
	(void)state;
	/* One character less, or one more, anywhere behind the address. */
	for (size_t i = strlen("convene://[2001:db8::1]:7654/" ORG "/"); i < text.len; i++) {
		char cut[1024], grown[1024];

		memcpy(cut, text.data, i);
		memcpy(cut + i, text.data + i + 1, text.len - i - 1);
		cut[text.len - 1] = '\0';
		assert_int_not_equal(parse(cut), OK);
		memcpy(grown, text.data, i);
		grown[i] = 'A';
		memcpy(grown + i + 1, text.data + i, text.len - i);
		grown[text.len + 1] = '\0';
		assert_int_not_equal(parse(grown), OK);
	}
}

static void test_bad_values(void **state)
{
	struct invite bad = invite;
	struct buffer out = BUFFER_INIT;
	char *line;

	(void)state;
	memset(bad.node.root_key, 0, KEY_LEN); /* of small order */
	invite_format(&out, &bad);
	assert_int_equal(invite_parse(&bad, buffer_bytes(&out)), ERR_KEY);
	buffer_free(&out);
	/* Stray bits behind 16 bytes: the last of 22 digits may be A, Q, g or w only. */
	line = strdup(buffer_str(&text));
	line[text.len - 1] = 'B';
	assert_int_equal(parse(line), ERR_NOT_CANONICAL);
	free(line);
	line = calloc(1, INVITE_TEXT_MAX + 2);
	memset(line, 'a', INVITE_TEXT_MAX + 1);
	assert_int_equal(parse(line), ERR_TOO_LARGE);
	free(line);
}

static void test_node_line(void **state)
{
	char log[VERIFIER_NAME_MAX + 1] = "x";
	struct buffer out = BUFFER_INIT;
	struct node_address node;

	(void)state;
	node_line_format(&out, &invite.node, "");
	assert_int_equal(node_line_parse(&node, log, buffer_bytes(&out)), OK);
	assert_string_equal(log, "");
	assert_string_equal(node.organisation, ORG);
	assert_int_equal(parse(buffer_str(&out)), ERR_MALFORMED);
	assert_int_equal(parse_line(buffer_str(&text)), ERR_MALFORMED); /* an invite is none */
	buffer_reset(&out);
	node_line_format(&out, &invite.node, ORG DIGEST);
	assert_int_equal(node_line_parse(&node, log, buffer_bytes(&out)), OK);
	assert_string_equal(log, ORG DIGEST);
	out.data[out.len - 1] = '0';
	assert_int_equal(parse_line(buffer_str(&out)), ERR_MALFORMED);
	buffer_free(&out);
}

static int setup(void **state)
{
	struct key key;
	uint8_t seed[32] = {7};

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	strcpy(invite.node.address, "[2001:db8::1]:7654");
	strcpy(invite.node.organisation, ORG);
	memcpy(invite.node.root_key, key.public, KEY_LEN);
	memset(invite.node.forum, 0xf0, HASH_LEN);
	memset(invite.secret, 0x5e, INVITE_SECRET_LEN);
	invite_format(&text, &invite);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buffer_free(&text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_every_byte_counts),
	    cmocka_unit_test(test_bad_values),
	    cmocka_unit_test(test_node_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
