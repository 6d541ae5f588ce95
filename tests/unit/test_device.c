/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of further devices, the digits that people compare, and the keys that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/device.h"

static struct enrol_body body;

static int parse(const char *text, struct enrol_body *out)
{
	return device_request_parse(out, bytes_str(text));
}

static void test_request(void **state)
{
	struct buffer line = BUFFER_INIT;
	struct enrol_body again;

	(void)state;
	device_request_format(&line, &body);
	assert_true(line.len < 200);
	assert_int_equal(parse(buffer_str(&line), &again), OK);
	assert_memory_equal(again.identity, body.identity, IDENTITY_LEN);
	assert_memory_equal(again.device_key, body.device_key, KEY_LEN);
	assert_memory_equal(again.device_signature, body.device_signature, SIG_LEN);
	assert_int_equal(again.custody, body.custody);
	assert_false(again.has_endorsement || again.recovery);
	/* Cut anywhere it is none. */
	for (size_t len = 0; len < line.len; len++)
		assert_int_not_equal(device_request_parse(&again, bytes_of(line.data, len)), OK);
	line.data[0] = 'C';
	assert_int_equal(parse(buffer_str(&line), &again), ERR_MALFORMED);
	buffer_free(&line);
	assert_int_equal(parse("convene-enrol:", &again), ERR_MALFORMED);
	assert_int_equal(parse("", &again), ERR_MALFORMED);
}

/* A line of a Redeem with something else in it than a request has. */
static int parse_with(void (*change)(Convene__Redeem *m))
{
	Convene__Redeem m = CONVENE__REDEEM__INIT;
	uint8_t packed[600];
	char text[900] = DEVICE_PREFIX;
	struct enrol_body out;

	m.identity = pb_of(bytes_of(body.identity, IDENTITY_LEN));
	m.device_key = pb_of(bytes_of(body.device_key, KEY_LEN));
	m.device_signature = pb_of(bytes_of(body.device_signature, SIG_LEN));
	change(&m);
	base64url_encode(text + strlen(text), packed, protobuf_c_message_pack(&m.base, packed));
	return parse(text, &out);
}

static void change_nothing(Convene__Redeem *m)
{
	(void)m;
}

static void change_secret(Convene__Redeem *m)
{
	m->secret = pb_of(bytes_str("0123456789abcdef"));
}

static void change_content(Convene__Redeem *m)
{
	m->content = pb_of(bytes_str("profile"));
}

static void change_endorser(Convene__Redeem *m)
{
	m->endorser = m->device_key;
}

static void change_identity(Convene__Redeem *m)
{
	m->identity.len--;
}

static void change_custody(Convene__Redeem *m)
{
	m->custody = 2;
}

static void change_key(Convene__Redeem *m)
{
	static uint8_t zero[KEY_LEN];

	m->device_key = pb_of(bytes_of(zero, KEY_LEN));
}

static void test_request_refused(void **state)
{
	(void)state;
	assert_int_equal(parse_with(change_nothing), OK);
	assert_int_equal(parse_with(change_secret), ERR_MALFORMED);
	assert_int_equal(parse_with(change_content), ERR_MALFORMED);
	assert_int_equal(parse_with(change_endorser), ERR_MALFORMED);
	assert_int_equal(parse_with(change_identity), ERR_MALFORMED);
	assert_int_equal(parse_with(change_custody), ERR_MALFORMED);
	assert_int_equal(parse_with(change_key), ERR_KEY);
}

static void test_fingerprint(void **state)
{
	static const uint8_t id[KEY_LEN] = {
	    0x3f, 0x2a, 0x99, 0xc0, 0x1b, 0x7d, 0x44, 0x10, 0x9e, 0x2c};
	char digits[FINGERPRINT_LEN];

	(void)state;
	assert_string_equal(device_fingerprint(digits, id), "3f2a 99c0 1b7d 4410 9e2c");
	assert_true(device_fingerprint_is(digits, id));
	assert_true(device_fingerprint_is("3F2A99C01B7D44109E2C", id));
	assert_true(device_fingerprint_is("3f2a 99c0 1b7d 4410 9e2c 0000", id));
	assert_false(device_fingerprint_is("3f2a 99c0 1b7d 4410 9e2", id)); /* too few to compare */
	assert_false(device_fingerprint_is("3f2a 99c0 1b7d 4410 9e2d", id));
	assert_false(device_fingerprint_is("3f2a 99c0 1b7d 4410 9e2c 0001", id));
	assert_false(device_fingerprint_is("", id));
}

static void test_line(void **state)
{
	static const char log[] = "isoc.example/0123456789abcdef0123456789abcdef/2";
	char found[VERIFIER_NAME_MAX + 1];
	struct node_address node = {.address = "127.0.0.1:7654", .organisation = "isoc.example"},
			    again;
	uint8_t identity[IDENTITY_LEN];
	struct buffer line = BUFFER_INIT;

	(void)state;
	memcpy(node.root_key, body.device_key, KEY_LEN);
	device_line_format(&line, &node, log, body.identity);
	assert_int_equal(device_line_parse(&again, found, identity, buffer_bytes(&line)), OK);
	assert_memory_equal(identity, body.identity, IDENTITY_LEN);
	assert_memory_equal(again.root_key, node.root_key, KEY_LEN);
	assert_string_equal(found, log);
	/* It is no invite, and no node's line. */
	assert_int_equal(node_line_parse(&again, found, buffer_bytes(&line)), ERR_MALFORMED);
	assert_int_equal(
	    invite_parse(&(struct invite){.secret = {0}}, buffer_bytes(&line)), ERR_MALFORMED);
	line.len -= 1;
	assert_int_not_equal(device_line_parse(&again, found, identity, buffer_bytes(&line)), OK);
	buffer_reset(&line);
	node_line_format(&line, &node, log);
	assert_int_equal(
	    device_line_parse(&again, found, identity, buffer_bytes(&line)), ERR_MALFORMED);
	buffer_free(&line);
}

static void test_known(void **state)
{
	char home[] = "/tmp/convene-device-XXXXXX", path[64];
	uint8_t other[KEY_LEN] = {1};
	struct own_devices k;
	struct trouble t;

	(void)state;
	assert_non_null(mkdtemp(home));
	assert_int_equal(own_devices_read(&k, home, &t), OK);
	assert_int_equal(k.count, 0);
	assert_int_equal(own_devices_add(home, body.device_key, &t), OK);
	assert_int_equal(own_devices_add(home, other, &t), OK);
	assert_int_equal(own_devices_add(home, other, &t), OK);
	assert_int_equal(own_devices_read(&k, home, &t), OK);
	assert_int_equal(k.count, 2);
	assert_true(own_devices_have(&k, body.device_key) && own_devices_have(&k, other));
	other[0] = 2;
	assert_false(own_devices_have(&k, other));
	own_devices_free(&k);
	assert_int_equal(file_write(home, "devices", bytes_str("0123\n"), &t), OK);
	assert_int_equal(own_devices_read(&k, home, &t), ERR_MALFORMED);
	snprintf(path, sizeof path, "%s/devices", home);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(home), 0);
}

static int setup(void **state)
{
	uint8_t seed[32] = {5};
	struct key key;

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	memset(body.identity, 0xa1, IDENTITY_LEN);
	memcpy(body.device_key, key.public, KEY_LEN);
	memset(body.device_signature, 0x51, SIG_LEN);
	body.custody = 1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_request_refused),
	    cmocka_unit_test(test_fingerprint),
	    cmocka_unit_test(test_line),
	    cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
