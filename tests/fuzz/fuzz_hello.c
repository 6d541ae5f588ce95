/* SPDX-License-Identifier: BSD-2-Clause */
/* The first frames of a stranger, up to where a node knows who it is: nothing but HELLO and ERROR,
 * and a credential that is what its log name says. */
#include <string.h>

#include "../unit/member_fixture.h"
#include "msg/frame.h"
#include "target.h"

/* As a node goes about it: the name first, for its peer block; then what the name must hold. */
static void hello(const Convene__Hello *m)
{
	uint8_t forum[HASH_LEN], digest[DIGEST_LEN];
	struct bytes organisation, log = bytes_of_pb(m->log);
	struct credential c;
	uint64_t number;
	int named, err;

	memset(forum, 0xf0, HASH_LEN);
	named = log_name_parse(log, &organisation, digest, &number);
	err = credential_open_newer(&c, forum, log, bytes_of_pb(m->credential));
	if (err == OK) {
		REQUIRE(named == OK && number == c.number);
		REQUIRE(bytes_equal(organisation, bytes_str(c.organisation)));
		REQUIRE(memcmp(digest, c.binding.digest, DIGEST_LEN) == 0);
		REQUIRE(bytes_equal(buffer_bytes(&c.message), bytes_of_pb(m->credential)));
		REQUIRE(message_verify(bytes_of_pb(m->credential), &c.binding, c.root_key) == OK);
		REQUIRE(c.node.serial > 0 && c.node.tls_pin_count > 0);
		REQUIRE(credential_has_pin(&c, c.node.tls_pins[0]));
	}
	credential_clear(&c);
	if (err != OK) {
		/* Nothing is left of one that was refused. */
		static const struct credential empty;

		REQUIRE(memcmp(&c, &empty, sizeof c) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct frame f;
	size_t need;

	crypto_once();
	while (frame_peek(in, true, &f, &need) == OK) {
		ProtobufCMessage *m;

		REQUIRE(f.type == FRAME_HELLO || f.type == FRAME_ERROR);
		REQUIRE(f.payload.len <= FRAME_HELLO_MAX);
		if (message_unpack(&m, frame_descriptor(f.type), f.payload) == OK) {
			if (f.type == FRAME_HELLO)
				hello((const Convene__Hello *)m);
			message_free(m);
		}
		in = bytes_of(
		    f.payload.data + f.payload.len, in.len - FRAME_HEADER_LEN - f.payload.len);
	}
	return 0;
}
