/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "client/block.h"
#include "conf/conf.h"

#define ADDRESS "relay.isoc.example:7654"

static struct block sample(const char *note)
{
	static const uint8_t seed[32] = "one seed for all of these tests";
	struct block b = {.address = ADDRESS, .charter = BUFFER_INIT};
	struct key key;

	key_from_seed(&key, seed);
	assert_int_equal(
	    verifier_make(&b.root, bytes_str("isoc.example"), VERIFIER_ED25519, key.public), OK);
	buffer_add_str(&b.charter, note);
	return b;
}

static const char *key_text(void)
{
	static char text[VERIFIER_TEXT_MAX + 1];
	struct block b = sample("");

	verifier_format(text, &b.root);
	block_clear(&b);
	return text;
}

/* `$K` in the pattern is the key's text. */
static struct buffer filled(const char *pattern)
{
	struct buffer text = BUFFER_INIT;
	const char *at;

	for (; (at = strstr(pattern, "$K")); pattern = at + 2) {
		buffer_add(&text, pattern, (size_t)(at - pattern));
		buffer_add_str(&text, key_text());
	}
	buffer_add_str(&text, pattern);
	return text;
}

static void takes(const char *pattern, const char *address)
{
	struct buffer text = filled(pattern);
	struct block b, want = sample("");
	unsigned line;
	const char *why;
	int err = block_parse(&b, buffer_bytes(&text), &line, &why);

	if (err)
		fail_msg("refused (line %u: %s):\n%s", line, why, buffer_str(&text));
	assert_true(verifier_equal(&b.root, &want.root));
	assert_string_equal(b.address, address);
	block_clear(&b);
	block_clear(&want);
	buffer_free(&text);
}

static void refuses(const char *pattern, int want, unsigned want_line, const char *part)
{
	struct buffer text = filled(pattern);
	struct block b;
	unsigned line;
	const char *why;
	int err = block_parse(&b, buffer_bytes(&text), &line, &why);

	if (err != want || line != want_line || !strstr(why, part))
		fail_msg("%s, line %u: %s; not %s, line %u, of:\n%s", error_name(err), line, why,
		    error_name(want), want_line, buffer_str(&text));
	block_clear(&b);
	buffer_free(&text);
}

static void round_trip(const char *note)
{
	struct block b = sample(note), again;
	struct buffer text = BUFFER_INIT, twice = BUFFER_INIT;
	unsigned line;
	const char *why;

	block_add(&text, &b);
	assert_int_equal(block_parse(&again, buffer_bytes(&text), &line, &why), OK);
	assert_true(verifier_equal(&again.root, &b.root));
	assert_string_equal(again.address, ADDRESS);
	assert_true(bytes_equal(buffer_bytes(&again.charter), bytes_str(note)));
	block_add(&twice, &again);
	assert_true(bytes_equal(buffer_bytes(&text), buffer_bytes(&twice)));
	buffer_free(&text);
	buffer_free(&twice);
	block_clear(&b);
	block_clear(&again);
}

static void test_round_trip(void **state)
{
	char note[1000];

	(void)state;
	round_trip("");
	round_trip("a");
	/* Lengths around the end of a line of base64. */
	for (size_t len = 50; len < 120; len++) {
		memset(note, 'x', len);
		note[len] = '\0';
		round_trip(note);
	}
}

/* What a config is made of: with a node block before it, it is a config. */
static void test_is_config(void **state)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct block b = sample("a charter");
	struct buffer text = BUFFER_INIT;
	struct conf *conf;

	(void)state;
	buffer_add_str(&text, "node { name = \"ripe.example\" charter = \"forum.charter\" }\n");
	block_add(&text, &b);
	assert_int_equal(conf_parse(&conf, "test.conf", buffer_bytes(&text), &errors), OK);
	assert_int_equal(conf->peer_count, 1);
	assert_string_equal(conf->peers[0].address.text, ADDRESS);
	assert_true(verifier_equal(&conf->peers[0].root, &b.root));
	conf_free(conf);
	buffer_free(&text);
	block_clear(&b);
}

static void test_no_address(void **state)
{
	struct block b = sample("");
	struct buffer text = BUFFER_INIT;

	(void)state;
	b.address[0] = '\0';
	block_add_peer(&text, &b);
	assert_null(strstr(buffer_str(&text), "address"));
	takes(buffer_str(&text), "");
	buffer_free(&text);
	block_clear(&b);
}

static void test_forms(void **state)
{
	(void)state;
	takes("peer \"isoc.example\" {\n\taddress = \"" ADDRESS "\"\n\tkey = \"$K\"\n}\n", ADDRESS);
	takes("peer isoc.example { key = \"$K\" address = " ADDRESS " }", ADDRESS);
	takes("# words\r\npeer \"isoc.example\" {\r\n\tkey = \"$K\"\r\n}\r\n\r\n", "");
	takes("// words\n  # words\npeer\n\"isoc.example\"\n{\nkey\n=\n\"$K\"\n}\n#", "");
	takes("peer \"isoc.example\" { key = \"$K\" address = \"[2001:db8::1]:7654\" }",
	    "[2001:db8::1]:7654");
	/* What stands behind other text on its line is a comment like any other. */
	takes("peer \"isoc.example\" { key = \"$K\" } #charter: %%%", "");
	takes("#charter\npeer \"isoc.example\" { key = \"$K\" }", "");
}

static void test_hostile(void **state)
{
	(void)state;
	refuses("", ERR_MALFORMED, 1, "peer");
	refuses("\n\nHello,\n", ERR_MALFORMED, 3, "peer");
	refuses("node { name = \"x.example\" }", ERR_MALFORMED, 1, "peer");
	refuses("peer \"isoc.example\" {\n}", ERR_MALFORMED, 2, "no key");
	refuses("peer \"isoc.example\" {\n", ERR_MALFORMED, 2, "is expected");
	refuses("peer \"isoc.example\" {\nkey = \"$K\"\n", ERR_MALFORMED, 3, "is expected");
	refuses("peer \"isoc.example\" {\nkey = \"$K", ERR_MALFORMED, 2, "quote");
	refuses("peer \"isoc.example\n\" {\nkey = \"$K\" }", ERR_MALFORMED, 1, "sign");
	refuses("peer \"isoc.example\" { key = \"$K\" }\npeer \"a.example\" { key = \"$K\" }",
	    ERR_MALFORMED, 2, "nothing else");
	refuses("peer \"isoc.example\" { key = \"$K\" }\nlimits { clients = 1 }", ERR_MALFORMED, 2,
	    "nothing else");
	refuses("peer \"isoc.example\" {\nkey = \"$K\"\nuser = \"root\" }", ERR_MALFORMED, 3,
	    "is expected");
	refuses("peer \"isoc.example\" {\nkey = \"$K\"\nkey = \"$K\" }", ERR_MALFORMED, 3, "twice");
	refuses("peer \"isoc.example\" {\naddress = \"a:1\"\naddress = \"b:2\" }", ERR_MALFORMED, 3,
	    "twice");
	/* Another's key under this name. */
	refuses("peer \"ripe.example\" {\nkey = \"$K\"\n}", ERR_KEY, 3, "another organisation");
	refuses("peer \"ISOC.example\" { key = \"$K\" }", ERR_MALFORMED, 1, "DNS name");
	refuses("peer \"isoc\" { key = \"$K\" }", ERR_MALFORMED, 1, "DNS name");
	/* Nothing from the environment, no escapes, no other lines. */
	refuses("peer \"isoc.example\" { address = \"${HOME}:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "sign");
	refuses("peer \"isoc.example\" { address = \"a\\\"b:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "sign");
	refuses("peer \"isoc.example\" { address = \"a\nb:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "sign");
	refuses("peer \"isoc.example\" { address = \"a\x1b[2J:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "sign");
	refuses("peer \"isoc.example\" { address = \"\xc3\xa9:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "sign");
	refuses("peer \"isoc.example\" { address = \"a b:1\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "HOST:PORT");
	refuses("peer \"isoc.example\" { address = \"host\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "HOST:PORT");
	refuses("peer \"isoc.example\" { address = \":7654\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "HOST:PORT");
	refuses("peer \"isoc.example\" { address = \"host:0\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "HOST:PORT");
	refuses("peer \"isoc.example\" { address = \"host:65536\" key = \"$K\" }", ERR_MALFORMED, 1,
	    "HOST:PORT");
	refuses("peer \"isoc.example\" { address = \"\" key = \"$K\" }", ERR_MALFORMED, 1, "value");
	/* Keys. */
	refuses(
	    "peer \"isoc.example\" { key = \"isoc.example\" }", ERR_MALFORMED, 1, "verifier key");
	refuses("peer \"isoc.example\" { key = "
		"\"isoc.example+00000000+AZbAy6/Im/MJgiq8UzIeSDHYk50F6sNlzvKgqa3QypUZ\" }",
	    ERR_KEY, 1, "usable");
	/* A charter that isn't base64, or is spoilt. */
	refuses(
	    "#charter: %%%\npeer \"isoc.example\" { key = \"$K\" }", ERR_MALFORMED, 0, "damaged");
	refuses(
	    "peer \"isoc.example\" { key = \"$K\" }\n#charter: YQ\n", ERR_MALFORMED, 0, "damaged");
	refuses("peer \"isoc.example\" { key = \"$K\" }\n#charter: YR==\n", ERR_NOT_CANONICAL, 0,
	    "damaged");
}

/* A type 04 key is not a root key. */
static void test_cosigner_key(void **state)
{
	struct block b = sample("");
	struct buffer text = BUFFER_INIT;
	uint8_t public[KEY_LEN];

	(void)state;
	memcpy(public, b.root.public, KEY_LEN);
	assert_int_equal(
	    verifier_make(&b.root, bytes_str("isoc.example"), VERIFIER_COSIGNATURE, public), OK);
	block_add_peer(&text, &b);
	refuses(buffer_str(&text), ERR_KEY, 3, "usable");
	buffer_free(&text);
	block_clear(&b);
}

static void test_sizes(void **state)
{
	struct block b = sample(""), again;
	struct buffer text = BUFFER_INIT;
	unsigned line;
	const char *why;

	(void)state;
	/* The longest charter fits, a longer one does not. */
	buffer_reserve(&b.charter, NOTE_MAX + 3);
	memset(b.charter.data, 'x', NOTE_MAX + 3);
	b.charter.len = NOTE_MAX;
	block_add(&text, &b);
	assert_true(text.len <= BLOCK_MAX);
	assert_int_equal(block_parse(&again, buffer_bytes(&text), &line, &why), OK);
	assert_int_equal(again.charter.len, NOTE_MAX);
	block_clear(&again);
	b.charter.len = NOTE_MAX + 3;
	buffer_reset(&text);
	block_add(&text, &b);
	assert_int_equal(block_parse(&again, buffer_bytes(&text), &line, &why), ERR_TOO_LARGE);
	block_clear(&again);
	/* And no more text than a block can have. */
	buffer_reset(&text);
	memset(buffer_reserve(&text, BLOCK_MAX + 1), ' ', BLOCK_MAX + 1);
	text.len = BLOCK_MAX + 1;
	assert_int_equal(block_parse(&again, buffer_bytes(&text), &line, &why), ERR_TOO_LARGE);
	block_clear(&again);
	text.len = BLOCK_MAX;
	assert_int_equal(block_parse(&again, buffer_bytes(&text), &line, &why), ERR_MALFORMED);
	block_clear(&again);
	buffer_free(&text);
	block_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_is_config),
	    cmocka_unit_test(test_no_address),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_cosigner_key),
	    cmocka_unit_test(test_sizes),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
