/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/msg/body: the bodies of all kinds (SPEC.md sections 4.3, 6.2 and 6.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "msg/body.h"
#include "msg/wire.h"
#include "proto/convene.pb-c.h"

#define LOG_NAME "isoc.example/00112233445566778899aabbccddeeff/1"

static struct key log_key, registrar, cosigner, device, second;
static const uint8_t identity_point[KEY_LEN] = {1}; /* canonical, but of order 1 */
static struct binding binding;

static void seed_key(struct key *key, uint8_t seed)
{
	uint8_t bytes[32];
	memset(bytes, seed, sizeof(bytes));
	key_from_seed(key, bytes);
}

static int setup(void **state)
{
	(void)state;
	const uint8_t forum[HASH_LEN] = {7};
	if (crypto_start() != OK)
		return -1;
	seed_key(&log_key, 2);
	seed_key(&registrar, 3);
	seed_key(&cosigner, 4);
	seed_key(&device, 5);
	seed_key(&second, 6);
	return binding_make(&binding, forum, bytes_str(LOG_NAME));
}

static void good_node(struct node_body *b)
{
	memset(b, 0, sizeof(*b));
	b->serial = 1;
	memcpy(b->log_key, log_key.public, KEY_LEN);
	memcpy(b->registrar_key, registrar.public, KEY_LEN);
	assert_int_equal(verifier_make(&b->cosigner, bytes_str("isoc.example/cosigner"),
			     VERIFIER_COSIGNATURE, cosigner.public),
	    OK);
	for (size_t i = 0; i < TLS_PINS_MAX; i++)
		memset(b->tls_pins[i], (int)i + 1, HASH_LEN);
	b->tls_pin_count = 1;
}

static void good_enrol(struct enrol_body *b)
{
	memset(b, 0, sizeof(*b));
	memset(b->identity, 9, IDENTITY_LEN);
	memcpy(b->device_key, device.public, KEY_LEN);
	device_sign(
	    b->device_signature, DEVICE_DOMAIN, &binding, b->identity, b->device_key, 0, &device);
}

static void good_target(struct target_body *b)
{
	memset(b, 0, sizeof(*b));
	b->target.present = true;
	memset(b->target.log, 1, DIGEST_LEN);
	memset(b->target.id, 2, ID_LEN);
}

/* ---- every kind ---- */

static void node_twice(const struct node_body *b)
{
	struct buffer out = BUFFER_INIT;
	struct node_body again;
	assert_int_equal(node_body_encode(&out, b), OK);
	assert_true(out.len <= BODY_MAX);
	assert_int_equal(node_body_parse(buffer_bytes(&out), &again), OK);
	assert_true(again.serial == b->serial && again.previous_size == b->previous_size);
	assert_memory_equal(again.log_key, b->log_key, KEY_LEN);
	assert_memory_equal(again.registrar_key, b->registrar_key, KEY_LEN);
	assert_true(verifier_equal(&again.cosigner, &b->cosigner));
	assert_int_equal(again.tls_pin_count, b->tls_pin_count);
	assert_memory_equal(again.tls_pins, b->tls_pins, b->tls_pin_count * HASH_LEN);
	assert_true(bytes_equal(again.previous_log, b->previous_log));
	assert_memory_equal(again.previous_root, b->previous_root, HASH_LEN);
	buffer_free(&out);
}

static void test_node(void **state)
{
	(void)state;
	struct node_body b;
	good_node(&b);
	node_twice(&b);
	b.tls_pin_count = TLS_PINS_MAX;
	b.serial = SEQUENCE_MAX;
	b.previous_log = bytes_str(LOG_NAME);
	b.previous_size = 1;
	memset(b.previous_root, 8, HASH_LEN);
	node_twice(&b);
}

#define NODE_REFUSED(change)                                               \
	do {                                                               \
		struct node_body b;                                        \
		struct buffer out = BUFFER_INIT;                           \
		good_node(&b);                                             \
		change;                                                    \
		assert_int_equal(node_body_encode(&out, &b), ERR_INVALID); \
		assert_int_equal(out.len, 0);                              \
		buffer_free(&out);                                         \
	} while (0)

static void test_node_refused(void **state)
{
	(void)state;
	NODE_REFUSED(b.serial = 0);
	NODE_REFUSED(b.serial = SEQUENCE_MAX + 1);
	NODE_REFUSED(b.tls_pin_count = 0);
	NODE_REFUSED(b.tls_pin_count = TLS_PINS_MAX + 1);
	NODE_REFUSED((b.tls_pin_count = 2, memcpy(b.tls_pins[1], b.tls_pins[0], HASH_LEN)));
	NODE_REFUSED((b.tls_pin_count = 2, b.tls_pins[0][0] = 3));
	NODE_REFUSED(memcpy(b.log_key, identity_point, KEY_LEN));
	NODE_REFUSED(memcpy(b.registrar_key, identity_point, KEY_LEN));
	NODE_REFUSED(memcpy(b.registrar_key, b.log_key, KEY_LEN));
	NODE_REFUSED(memcpy(b.registrar_key, cosigner.public, KEY_LEN));
	NODE_REFUSED(memcpy(b.log_key, cosigner.public, KEY_LEN));
	NODE_REFUSED(verifier_make(
	    &b.cosigner, bytes_str("isoc.example/cosigner"), VERIFIER_ED25519, cosigner.public));
	NODE_REFUSED(verifier_make(
	    &b.cosigner, bytes_str("isoc.example"), VERIFIER_COSIGNATURE, cosigner.public));
	NODE_REFUSED(verifier_make(
	    &b.cosigner, bytes_str("isoc/cosigner"), VERIFIER_COSIGNATURE, cosigner.public));
	NODE_REFUSED(verifier_make(
	    &b.cosigner, bytes_str("/cosigner"), VERIFIER_COSIGNATURE, cosigner.public));
	NODE_REFUSED(b.previous_size = 1);
	NODE_REFUSED(b.previous_log = bytes_str(LOG_NAME));
	NODE_REFUSED((b.previous_log = bytes_str("isoc.example"), b.previous_size = 1));
	NODE_REFUSED((b.previous_log = bytes_str(LOG_NAME), b.previous_size = SEQUENCE_MAX + 1));
}

/* Pins of a length that isn't whole, a cosigner that isn't a key, and unusable keys, as others may
 * send them. */
static void test_node_foreign(void **state)
{
	(void)state;
	struct node_body again;
	struct buffer out = BUFFER_INIT;
	static const uint8_t pins[TLS_PINS_MAX * HASH_LEN + HASH_LEN];
	char text[VERIFIER_TEXT_MAX + 1];
	good_node(&again);
	size_t text_len = verifier_format(text, &again.cosigner);
	const struct {
		size_t pins, text;
		const uint8_t *key;
		int want;
	} cases[] = {
	    {HASH_LEN, text_len, log_key.public, OK},
	    {HASH_LEN - 1, text_len, log_key.public, ERR_MALFORMED},
	    {HASH_LEN + 1, text_len, log_key.public, ERR_MALFORMED},
	    {sizeof(pins), text_len, log_key.public, ERR_MALFORMED},
	    {0, text_len, log_key.public, ERR_MALFORMED},
	    {HASH_LEN, text_len - 1, log_key.public, ERR_MALFORMED},
	    {HASH_LEN, 0, log_key.public, ERR_MALFORMED},
	    {HASH_LEN, text_len, identity_point, ERR_KEY},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer_reset(&out);
		wire_add_uint(&out, 1, 1);
		wire_add_bytes(&out, 2, bytes_of(cases[i].key, KEY_LEN));
		wire_add_bytes(&out, 3, bytes_of(registrar.public, KEY_LEN));
		wire_add_bytes(&out, 4, bytes_of(text, cases[i].text));
		wire_add_bytes(&out, 5, bytes_of(pins, cases[i].pins));
		assert_int_equal(node_body_parse(buffer_bytes(&out), &again), cases[i].want);
	}
	buffer_free(&out);
}

static void test_admit(void **state)
{
	(void)state;
	struct buffer out = BUFFER_INIT;
	struct admit_body b = {.name = bytes_str("ripe.example")}, again;
	memcpy(b.root_key, second.public, KEY_LEN);
	assert_int_equal(admit_body_encode(&out, &b), OK);
	assert_int_equal(admit_body_parse(buffer_bytes(&out), &again), OK);
	assert_true(bytes_equal(again.name, b.name));
	assert_memory_equal(again.root_key, b.root_key, KEY_LEN);

	static const char *const bad[] = {"", "ripe", "Ripe.example", "ripe..example",
	    "ripe.example.", "-.example", "ripe .example"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buffer_reset(&out);
		b.name = bytes_str(bad[i]);
		assert_int_equal(admit_body_encode(&out, &b), ERR_INVALID);
	}
	buffer_reset(&out);
	wire_add_bytes(&out, 1, bytes_str("ripe.example"));
	wire_add_bytes(&out, 2, bytes_of(identity_point, KEY_LEN));
	assert_int_equal(admit_body_parse(buffer_bytes(&out), &again), ERR_KEY);
	buffer_free(&out);
}

static void enrol_twice(const struct enrol_body *b, int want)
{
	struct buffer out = BUFFER_INIT;
	struct enrol_body again;
	assert_int_equal(enrol_body_encode(&out, b), want);
	if (want == OK) {
		assert_int_equal(enrol_body_parse(buffer_bytes(&out), &again), OK);
		assert_memory_equal(again.identity, b->identity, IDENTITY_LEN);
		assert_memory_equal(again.device_key, b->device_key, KEY_LEN);
		assert_memory_equal(again.device_signature, b->device_signature, SIG_LEN);
		assert_int_equal(again.custody, b->custody);
		assert_int_equal(again.recovery, b->recovery);
		assert_int_equal(again.has_endorsement, b->has_endorsement);
		assert_memory_equal(again.endorser, b->endorser, KEY_LEN);
		assert_memory_equal(again.endorsement, b->endorsement, SIG_LEN);
	}
	buffer_free(&out);
}

static void test_enrol(void **state)
{
	(void)state;
	struct enrol_body b;
	good_enrol(&b);
	enrol_twice(&b, OK);
	b.custody = 1;
	enrol_twice(&b, OK);
	b.custody = 2;
	enrol_twice(&b, ERR_INVALID);
	b.custody = 0;
	b.recovery = true;
	enrol_twice(&b, OK);
	b.has_endorsement = true;
	memcpy(b.endorser, second.public, KEY_LEN);
	memset(b.endorsement, 1, SIG_LEN);
	enrol_twice(&b, ERR_INVALID); /* endorsed, or recovered: not both */
	b.recovery = false;
	enrol_twice(&b, OK);
	memcpy(b.device_key, identity_point, KEY_LEN);
	enrol_twice(&b, ERR_INVALID);
}

/* An endorser without its endorsement, and the other way round. */
static void test_enrol_halves(void **state)
{
	(void)state;
	for (uint32_t with = 0; with < 4; with++) {
		struct buffer out = BUFFER_INIT;
		struct enrol_body b, again;
		good_enrol(&b);
		wire_add_bytes(&out, 1, bytes_of(b.identity, IDENTITY_LEN));
		wire_add_bytes(&out, 2, bytes_of(b.device_key, KEY_LEN));
		wire_add_bytes(&out, 4, bytes_of(b.device_signature, SIG_LEN));
		wire_add_bytes(&out, 5, bytes_of(second.public, with & 1 ? KEY_LEN : 0));
		wire_add_bytes(&out, 6, bytes_of(b.device_signature, with & 2 ? SIG_LEN : 0));
		assert_int_equal(enrol_body_parse(buffer_bytes(&out), &again),
		    with == 0 || with == 3 ? OK : ERR_MALFORMED);
		buffer_free(&out);
	}
}

static void test_device_signature(void **state)
{
	(void)state;
	uint8_t sig[SIG_LEN], identity[IDENTITY_LEN] = {4};
	const char *domains[] = {DEVICE_DOMAIN, ENDORSE_DOMAIN};
	for (size_t i = 0; i < 2; i++) {
		device_sign(sig, domains[i], &binding, identity, device.public, 1, &second);
		assert_int_equal(device_verify(sig, domains[i], &binding, identity, device.public,
				     1, second.public),
		    OK);
		/* By hand (6.3). */
		struct buffer want = BUFFER_INIT;
		binding_add(&want, &binding, domains[i]);
		buffer_add(&want, identity, IDENTITY_LEN);
		buffer_add(&want, device.public, KEY_LEN);
		buffer_add_u8(&want, 1);
		assert_int_equal(key_verify(second.public, sig, buffer_bytes(&want)), OK);
		buffer_free(&want);
		/* Anything else doesn't verify. */
		assert_int_equal(device_verify(sig, domains[1 - i], &binding, identity,
				     device.public, 1, second.public),
		    ERR_SIGNATURE);
		assert_int_equal(device_verify(sig, domains[i], &binding, identity, device.public,
				     0, second.public),
		    ERR_SIGNATURE);
		assert_int_equal(device_verify(sig, domains[i], &binding, identity, second.public,
				     1, second.public),
		    ERR_SIGNATURE);
		identity[0] ^= 1;
		assert_int_equal(device_verify(sig, domains[i], &binding, identity, device.public,
				     1, second.public),
		    ERR_SIGNATURE);
		identity[0] ^= 1;
		struct binding other = binding;
		other.forum[0] ^= 1;
		assert_int_equal(device_verify(sig, domains[i], &other, identity, device.public, 1,
				     second.public),
		    ERR_SIGNATURE);
	}
}

static void test_revoke(void **state)
{
	(void)state;
	struct buffer out = BUFFER_INIT;
	for (unsigned reason = 0; reason <= 5; reason++) {
		struct revoke_body b = {.reason = (uint8_t)reason}, again;
		memcpy(b.device_key, device.public, KEY_LEN);
		buffer_reset(&out);
		assert_int_equal(revoke_body_encode(&out, &b), reason <= 4 ? OK : ERR_INVALID);
		if (reason > 4)
			continue;
		assert_int_equal(revoke_body_parse(buffer_bytes(&out), &again), OK);
		assert_memory_equal(again.device_key, b.device_key, KEY_LEN);
		assert_int_equal(again.reason, reason);
	}
	buffer_free(&out);
}

static void test_targets(void **state)
{
	(void)state;
	struct buffer out = BUFFER_INIT;
	for (unsigned reason = 0; reason <= 4; reason++) {
		struct target_body b, again;
		good_target(&b);
		b.reason = (uint8_t)reason;
		buffer_reset(&out);
		assert_int_equal(erase_body_encode(&out, &b), reason <= 3 ? OK : ERR_INVALID);
		if (reason <= 3) {
			assert_int_equal(erase_body_parse(buffer_bytes(&out), &again), OK);
			assert_memory_equal(again.target.log, b.target.log, DIGEST_LEN);
			assert_memory_equal(again.target.id, b.target.id, ID_LEN);
			assert_true(again.target.present && again.reason == reason);
			assert_int_equal(amend_body_parse(buffer_bytes(&out), &again),
			    reason == 0 ? OK : ERR_MALFORMED);
			struct header h = {.kind = KIND_ERASE, .body = buffer_bytes(&out)};
			assert_int_equal(change_body_parse(&h, &again), OK);
			assert_int_equal(again.reason, reason);
			h.kind = KIND_AMEND;
			assert_int_equal(
			    change_body_parse(&h, &again), reason == 0 ? OK : ERR_MALFORMED);
			h.kind = KIND_POST;
			assert_int_equal(change_body_parse(&h, &again), ERR_UNKNOWN_KIND);
		}
		buffer_reset(&out);
		assert_int_equal(amend_body_encode(&out, &b), reason == 0 ? OK : ERR_INVALID);
		b.target.present = false;
		assert_int_equal(erase_body_encode(&out, &b), ERR_INVALID);
		good_target(&b);
		b.target.index = 1;
		assert_int_equal(erase_body_encode(&out, &b), ERR_INVALID);
	}
	buffer_free(&out);
}

/* ---- every kind alike ---- */

static int parse_as(uint32_t kind, struct bytes in)
{
	union {
		struct node_body node;
		struct admit_body admit;
		struct enrol_body enrol;
		struct revoke_body revoke;
		struct target_body target;
	} out;
	switch (kind) {
	case KIND_NODE:
		return node_body_parse(in, &out.node);
	case KIND_ADMIT:
		return admit_body_parse(in, &out.admit);
	case KIND_ENROL:
		return enrol_body_parse(in, &out.enrol);
	case KIND_REVOKE:
		return revoke_body_parse(in, &out.revoke);
	case KIND_AMEND:
		return amend_body_parse(in, &out.target);
	default:
		return erase_body_parse(in, &out.target);
	}
}

/* Parse and encode again: what was accepted must have been the one encoding. */
static int encode_as(uint32_t kind, struct bytes in, struct buffer *to)
{
	union {
		struct node_body node;
		struct admit_body admit;
		struct enrol_body enrol;
		struct revoke_body revoke;
		struct target_body target;
	} out;
	int err;
	switch (kind) {
	case KIND_NODE:
		err = node_body_parse(in, &out.node);
		return err == OK ? node_body_encode(to, &out.node) : err;
	case KIND_ADMIT:
		err = admit_body_parse(in, &out.admit);
		return err == OK ? admit_body_encode(to, &out.admit) : err;
	case KIND_ENROL:
		err = enrol_body_parse(in, &out.enrol);
		return err == OK ? enrol_body_encode(to, &out.enrol) : err;
	case KIND_REVOKE:
		err = revoke_body_parse(in, &out.revoke);
		return err == OK ? revoke_body_encode(to, &out.revoke) : err;
	case KIND_AMEND:
		err = amend_body_parse(in, &out.target);
		return err == OK ? amend_body_encode(to, &out.target) : err;
	default:
		err = erase_body_parse(in, &out.target);
		return err == OK ? erase_body_encode(to, &out.target) : err;
	}
}

static void good_body(uint32_t kind, struct buffer *out)
{
	struct node_body node;
	struct admit_body admit = {.name = bytes_str("ripe.example")};
	struct enrol_body enrol;
	struct revoke_body revoke = {.reason = 2};
	struct target_body target;
	int err;
	switch (kind) {
	case KIND_NODE:
		good_node(&node);
		node.previous_log = bytes_str(LOG_NAME);
		node.previous_size = 77;
		memset(node.previous_root, 8, HASH_LEN);
		err = node_body_encode(out, &node);
		break;
	case KIND_ADMIT:
		memcpy(admit.root_key, second.public, KEY_LEN);
		err = admit_body_encode(out, &admit);
		break;
	case KIND_ENROL:
		good_enrol(&enrol);
		enrol.custody = 1;
		enrol.has_endorsement = true;
		memcpy(enrol.endorser, second.public, KEY_LEN);
		memset(enrol.endorsement, 7, SIG_LEN);
		err = enrol_body_encode(out, &enrol);
		break;
	case KIND_REVOKE:
		memcpy(revoke.device_key, device.public, KEY_LEN);
		err = revoke_body_encode(out, &revoke);
		break;
	case KIND_AMEND:
		good_target(&target);
		err = amend_body_encode(out, &target);
		break;
	default:
		good_target(&target);
		target.reason = 2;
		err = erase_body_encode(out, &target);
		break;
	}
	assert_int_equal(err, OK);
}

static const uint32_t kinds[] = {
    KIND_NODE, KIND_ADMIT, KIND_ENROL, KIND_REVOKE, KIND_AMEND, KIND_ERASE};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void test_bit_flips(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct buffer b = BUFFER_INIT, again = BUFFER_INIT;
		good_body(kinds[k], &b);
		for (size_t i = 0; i < b.len * 8; i++) {
			b.data[i / 8] ^= (uint8_t)(1 << i % 8);
			buffer_reset(&again);
			if (encode_as(kinds[k], buffer_bytes(&b), &again) == OK)
				assert_true(bytes_equal(buffer_bytes(&b), buffer_bytes(&again)));
			b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		buffer_free(&b);
		buffer_free(&again);
	}
}

static void test_cut_and_trailing(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct buffer b = BUFFER_INIT;
		good_body(kinds[k], &b);
		assert_int_equal(parse_as(kinds[k], bytes_of(NULL, 0)), ERR_MALFORMED);
		for (size_t len = 1; len < b.len; len++)
			if (parse_as(kinds[k], bytes_of(b.data, len)) == OK) {
				/* Only where a whole optional field ends the body. */
				uint8_t tag = b.data[len];
				assert_true(tag == (kinds[k] == KIND_NODE       ? 6 << 3 | 2
						       : kinds[k] == KIND_ENROL ? 5 << 3 | 2
										: 2 << 3));
			}
		/* A field that no body has. */
		wire_add_uint(&b, 15, 1);
		assert_int_equal(parse_as(kinds[k], buffer_bytes(&b)), ERR_MALFORMED);
		buffer_free(&b);
	}
}

/* Each body is a protobuf of the schema. */
static void test_schema(void **state)
{
	(void)state;
	static const ProtobufCMessageDescriptor *const types[KINDS] = {
	    &convene__node_body__descriptor, &convene__admit_body__descriptor,
	    &convene__enrol_body__descriptor, &convene__revoke_body__descriptor,
	    &convene__amend_body__descriptor, &convene__erase_body__descriptor};
	for (size_t k = 0; k < KINDS; k++) {
		struct buffer b = BUFFER_INIT;
		uint8_t again[BODY_MAX];
		good_body(kinds[k], &b);
		ProtobufCMessage *m = protobuf_c_message_unpack(types[k], NULL, b.len, b.data);
		assert_non_null(m);
		assert_int_equal(m->n_unknown_fields, 0);
		assert_int_equal(protobuf_c_message_get_packed_size(m), b.len);
		protobuf_c_message_pack(m, again);
		assert_memory_equal(again, b.data, b.len);
		protobuf_c_message_free_unpacked(m, NULL);
		buffer_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_node),
	    cmocka_unit_test(test_node_refused),
	    cmocka_unit_test(test_node_foreign),
	    cmocka_unit_test(test_admit),
	    cmocka_unit_test(test_enrol),
	    cmocka_unit_test(test_enrol_halves),
	    cmocka_unit_test(test_device_signature),
	    cmocka_unit_test(test_revoke),
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_bit_flips),
	    cmocka_unit_test(test_cut_and_trailing),
	    cmocka_unit_test(test_schema),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
