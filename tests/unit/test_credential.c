/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "member/credential.h"
#include "member_fixture.h"

#define ORG "isoc.example"
enum { ROOT_SEED = 1, LOG_SEED, REGISTRAR_SEED, COSIGNER_SEED, OTHER_SEED };

static const uint8_t forum[HASH_LEN] = "a forum of thirty-two bytes.....";
static const uint8_t other_forum[HASH_LEN] = "another forum, also thirty-two..";

struct made {
	struct buffer message;
	char name[VERIFIER_NAME_MAX + 1];
};

/* The credential of log `number`; as credential_make() does it, but without its final check. */
static struct made make(uint64_t number, const struct node_body *node, uint8_t root_seed)
{
	struct made m = {BUFFER_INIT, ""};
	struct key root = fixture_key(root_seed);
	struct binding b;
	struct header h = {.version = 1, .sequence = 1, .kind = KIND_NODE, .time = FIXTURE_TIME};
	struct buffer body = BUFFER_INIT;
	assert_int_equal(
	    log_name_make(m.name, forum, root.public, node->log_key, bytes_str(ORG), number), OK);
	assert_int_equal(binding_make(&b, forum, bytes_str(m.name)), OK);
	assert_int_equal(node_body_encode(&body, node), OK);
	memcpy(h.signer, root.public, KEY_LEN);
	h.body = buffer_bytes(&body);
	assert_int_equal(message_sign(&m.message, &b, &h, &root), OK);
	buffer_free(&body);
	return m;
}

static struct node_body node(void)
{
	return fixture_node(ORG, 1, LOG_SEED, REGISTRAR_SEED, COSIGNER_SEED);
}

/* Open it as entry 0, and as a NODE that may be a later one. */
static void check(
    struct made *m, const uint8_t f[static HASH_LEN], const char *name, int want, int want_newer)
{
	struct credential c;
	assert_int_equal(credential_open(&c, f, bytes_str(name), buffer_bytes(&m->message)), want);
	credential_clear(&c);
	assert_int_equal(
	    credential_open_newer(&c, f, bytes_str(name), buffer_bytes(&m->message)), want_newer);
	credential_clear(&c);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct key root = fixture_key(ROOT_SEED), log = fixture_key(LOG_SEED);
	struct node_body n = node();
	struct buffer message = BUFFER_INIT;
	struct credential c;
	char name[VERIFIER_NAME_MAX + 1];
	buffer_add_str(&message, "kept");
	assert_int_equal(
	    credential_make(&message, name, forum, ORG, 1, &root, &n, 1, FIXTURE_TIME), OK);
	assert_memory_equal(message.data, "kept", 4);
	buffer_drain(&message, 4);

	assert_int_equal(credential_open(&c, forum, bytes_str(name), buffer_bytes(&message)), OK);
	assert_memory_equal(c.binding.forum, forum, HASH_LEN);
	assert_string_equal(c.binding.log_name, name);
	assert_string_equal(c.organisation, ORG);
	assert_int_equal(c.number, 1);
	assert_memory_equal(c.root_key, root.public, KEY_LEN);
	assert_string_equal(c.log.name, name);
	assert_int_equal(c.log.type, VERIFIER_ED25519);
	assert_memory_equal(c.log.public, log.public, KEY_LEN);
	assert_memory_equal(c.node.registrar_key, n.registrar_key, KEY_LEN);
	assert_true(verifier_equal(&c.node.cosigner, &n.cosigner));
	assert_true(bytes_equal(buffer_bytes(&c.message), buffer_bytes(&message)));
	assert_true(c.message.data != message.data);

	uint8_t pin[HASH_LEN];
	memset(pin, 0x22, HASH_LEN);
	assert_true(credential_has_pin(&c, pin));
	pin[31] = 0;
	assert_false(credential_has_pin(&c, pin));
	credential_clear(&c);
	credential_clear(&c);
	buffer_free(&message);
}

/* Made for one forum, one log, one root. */
static void test_copied(void **state)
{
	(void)state;
	struct node_body n = node();
	struct made m = make(1, &n, ROOT_SEED), wrong_root = make(1, &n, OTHER_SEED);
	char name[VERIFIER_NAME_MAX + 1];
	struct key root = fixture_key(ROOT_SEED);
	check(&m, forum, m.name, OK, OK);
	check(&m, other_forum, m.name, ERR_OTHER_FORUM, ERR_OTHER_FORUM);
	check(&m, forum, wrong_root.name, ERR_OTHER_FORUM, ERR_OTHER_FORUM);
	check(&wrong_root, forum, m.name, ERR_OTHER_FORUM, ERR_OTHER_FORUM);

	/* Another name or number has another digest; a digest that follows doesn't make the
	 * signature good. */
	assert_int_equal(
	    log_name_make(name, forum, root.public, n.log_key, bytes_str("ripe.example"), 1), OK);
	check(&m, forum, name, ERR_MALFORMED, ERR_MALFORMED);
	assert_int_equal(log_name_make(name, forum, root.public, n.log_key, bytes_str(ORG), 2), OK);
	check(&m, forum, name, ERR_SIGNATURE, ERR_SIGNATURE);
	strcpy(name, m.name);
	name[strlen(name) - 1] = '7';
	check(&m, forum, name, ERR_OTHER_FORUM, ERR_OTHER_FORUM);
	assert_int_equal(
	    log_name_make(name, other_forum, root.public, n.log_key, bytes_str(ORG), 1), OK);
	check(&m, other_forum, name, ERR_SIGNATURE, ERR_SIGNATURE);
	check(&m, forum, "isoc.example", ERR_MALFORMED, ERR_MALFORMED);
	check(&m, forum, "", ERR_MALFORMED, ERR_MALFORMED);
	buffer_free(&m.message);
	buffer_free(&wrong_root.message);
}

/* Whoever changes a bit of message or name gets nothing. */
static void test_every_bit(void **state)
{
	(void)state;
	struct node_body n = node();
	struct made m = make(1, &n, ROOT_SEED);
	struct credential c;
	for (size_t bit = 0; bit < m.message.len * 8; bit++) {
		m.message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (credential_open_newer(&c, forum, bytes_str(m.name), buffer_bytes(&m.message)) ==
		    OK)
			fail_msg("bit %zu of %zu", bit, m.message.len * 8);
		m.message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	size_t len = strlen(m.name);
	for (size_t bit = 0; bit < len * 8; bit++) {
		m.name[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(credential_open_newer(&c, forum, bytes_of(m.name, len),
					 buffer_bytes(&m.message)),
		    OK);
		m.name[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < m.message.len; cut++)
		assert_int_not_equal(credential_open_newer(&c, forum, bytes_str(m.name),
					 bytes_of(m.message.data, cut)),
		    OK);
	check(&m, forum, m.name, OK, OK);
	buffer_free(&m.message);
}

static void test_keys(void **state)
{
	(void)state;
	struct credential c;
	struct key root = fixture_key(ROOT_SEED);
	char name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT;
	/* A body's own keys are its parser's to compare; the signer's among them is ours to see. */
	struct node_body bodies[] = {
	    fixture_node(ORG, 1, ROOT_SEED, REGISTRAR_SEED, COSIGNER_SEED),
	    fixture_node(ORG, 1, LOG_SEED, ROOT_SEED, COSIGNER_SEED),
	    fixture_node(ORG, 1, LOG_SEED, REGISTRAR_SEED, ROOT_SEED),
	    fixture_node(ORG, 1, LOG_SEED, LOG_SEED, COSIGNER_SEED),
	    fixture_node(ORG, 1, LOG_SEED, REGISTRAR_SEED, REGISTRAR_SEED),
	    fixture_node(ORG, 1, LOG_SEED, REGISTRAR_SEED, LOG_SEED),
	};
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(credential_make(&message, name, forum, ORG, 1, &root, &bodies[i],
				     1, FIXTURE_TIME),
		    ERR_INVALID);
		assert_int_equal(message.len, 0);
		if (i > 2)
			continue;
		struct made m = make(1, &bodies[i], ROOT_SEED);
		check(&m, forum, m.name, ERR_KEY, ERR_KEY);
		buffer_free(&m.message);
	}

	/* Somebody else's cosigner. */
	struct node_body n = fixture_node(
	    "ripe.example", 1, LOG_SEED, REGISTRAR_SEED, COSIGNER_SEED);
	struct made m = make(1, &n, ROOT_SEED);
	check(&m, forum, m.name, ERR_MALFORMED, ERR_MALFORMED);
	buffer_free(&m.message);

	/* A signer that isn't a usable key is no root, whatever follows from it. */
	uint8_t small_order[KEY_LEN] = {1};
	struct header h = {.version = 1, .sequence = 1, .kind = KIND_NODE, .time = FIXTURE_TIME};
	struct buffer body = BUFFER_INIT;
	n = node();
	assert_int_equal(node_body_encode(&body, &n), OK);
	memcpy(h.signer, small_order, KEY_LEN);
	h.body = buffer_bytes(&body);
	assert_int_equal(header_encode(&message, &h), OK);
	buffer_add(&message, (uint8_t[SIG_LEN]){0}, SIG_LEN);
	assert_int_equal(log_name_make(name, forum, small_order, n.log_key, bytes_str(ORG), 1), OK);
	assert_int_equal(
	    credential_open(&c, forum, bytes_str(name), buffer_bytes(&message)), ERR_KEY);
	buffer_free(&body);
	buffer_free(&message);
}

/* What isn't a NODE message, or carries what a NODE must not. */
static void test_not_a_node(void **state)
{
	(void)state;
	struct key root = fixture_key(ROOT_SEED);
	struct node_body n = node();
	struct binding b;
	struct buffer body = BUFFER_INIT;
	struct made m = {BUFFER_INIT, ""};
	assert_int_equal(
	    log_name_make(m.name, forum, root.public, n.log_key, bytes_str(ORG), 1), OK);
	assert_int_equal(binding_make(&b, forum, bytes_str(m.name)), OK);
	assert_int_equal(node_body_encode(&body, &n), OK);
	for (int i = 0; i < 6; i++) {
		struct header h = {.version = 1,
		    .sequence = 7,
		    .kind = i == 1 ? KIND_ADMIT : KIND_NODE,
		    .time = FIXTURE_TIME,
		    .has_commitment = i == 2,
		    .topic = {.present = i == 3},
		    .parent = {.present = i == 4},
		    .lang = bytes_str("en"),
		    .body = buffer_bytes(&body)};
		memcpy(h.signer, root.public, KEY_LEN);
		if (i == 5)
			h.body.len -= 1;
		buffer_reset(&m.message);
		assert_int_equal(message_sign(&m.message, &b, &h, &root), OK);
		int want = i == 0 ? OK : ERR_MALFORMED;
		check(&m, forum, m.name, want, want);
	}
	/* A version that isn't known says so. */
	m.message.data[1] = 2;
	check(&m, forum, m.name, ERR_VERSION, ERR_VERSION);
	buffer_free(&body);
	buffer_free(&m.message);
}

static void test_successor(void **state)
{
	(void)state;
	struct node_body n = node(), next;
	next = fixture_node(ORG, 2, OTHER_SEED, REGISTRAR_SEED, COSIGNER_SEED);
	struct made first = make(1, &n, ROOT_SEED);
	struct credential a, b;
	static const struct {
		uint64_t number;
		const char *previous; /* NULL: none; "": the first log */
		int entry0, newer;
	} cases[] = {
	    {1, NULL, OK, OK},
	    {1, "", ERR_MALFORMED, ERR_MALFORMED},
	    {2, "", OK, OK},
	    {2, NULL, ERR_MALFORMED, OK},
	    {3, "", ERR_MALFORMED, ERR_MALFORMED},
	    {UINT64_MAX, "", ERR_MALFORMED, ERR_MALFORMED},
	    {3, ORG "/00112233445566778899aabbccddeeff/2", OK, OK},
	    {2, "ripe.example/00112233445566778899aabbccddeeff/1", ERR_MALFORMED, ERR_MALFORMED},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node_body body = next;
		if (cases[i].previous != NULL) {
			body.previous_log = bytes_str(
			    *cases[i].previous ? cases[i].previous : first.name);
			body.previous_size = 9;
			memset(body.previous_root, 0x33, HASH_LEN);
		}
		struct made m = make(cases[i].number, &body, ROOT_SEED);
		check(&m, forum, m.name, cases[i].entry0, cases[i].newer);
		buffer_free(&m.message);
	}

	/* Anyone can name a log; only its own root key has it followed. */
	next.previous_log = bytes_str(first.name);
	next.previous_size = 9;
	struct made second = make(2, &next, ROOT_SEED);
	struct made thief = make(2, &next, REGISTRAR_SEED + 100);
	assert_int_equal(
	    credential_open(&a, forum, bytes_str(first.name), buffer_bytes(&first.message)), OK);
	assert_int_equal(
	    credential_open(&b, forum, bytes_str(second.name), buffer_bytes(&second.message)), OK);
	assert_int_equal(b.node.previous_size, 9);
	assert_int_equal(b.number, 2);
	assert_int_equal(credential_follows(&b, &a), OK);
	assert_int_equal(credential_follows(&a, &b), ERR_INVALID);
	credential_clear(&b);
	assert_int_equal(
	    credential_open(&b, forum, bytes_str(thief.name), buffer_bytes(&thief.message)), OK);
	assert_int_equal(credential_follows(&b, &a), ERR_WRONG_ROOT);
	credential_clear(&a);
	credential_clear(&b);
	buffer_free(&first.message);
	buffer_free(&second.message);
	buffer_free(&thief.message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_copied),
	    cmocka_unit_test(test_every_bit),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_not_a_node),
	    cmocka_unit_test(test_successor),
	};
	return crypto_start() != 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
