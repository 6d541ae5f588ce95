/* SPDX-License-Identifier: BSD-2-Clause */
/* An invite and a node's line have one text each: what parses is written again byte for byte. And
 * the small files of a participant's folder, which take any bytes without harm. */
#include <string.h>

#include "base/error.h"
#include "client/device.h"
#include "client/home.h"
#include "client/outbox.h"
#include "target.h"

static void known(int err)
{
	REQUIRE(err == OK || err == ERR_MALFORMED || err == ERR_NOT_CANONICAL ||
		err == ERR_TOO_LARGE || err == ERR_KEY || err == ERR_VERSION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char log[VERIFIER_NAME_MAX + 1];
	struct bytes in = bytes_of(data, size);
	struct buffer out = BUFFER_INIT;
	struct node_address node;
	struct invite invite;
	struct enrol_body request;
	struct outbox o = {.sequence = 0};
	struct home h;
	unsigned line = 0;
	int err;

	crypto_once();
	err = invite_parse(&invite, in);
	known(err);
	if (err == OK) {
		invite_format(&out, &invite);
		REQUIRE(bytes_equal(buffer_bytes(&out), in));
		REQUIRE(node_line_parse(&node, log, in) != OK);
	}
	buffer_reset(&out);
	err = node_line_parse(&node, log, in);
	known(err);
	if (err == OK) {
		node_line_format(&out, &node, log);
		REQUIRE(bytes_equal(buffer_bytes(&out), in));
	}
	buffer_reset(&out);
	err = device_line_parse(&node, log, request.identity, in);
	known(err);
	if (err == OK) {
		device_line_format(&out, &node, log, request.identity);
		REQUIRE(bytes_equal(buffer_bytes(&out), in));
	}
	err = device_request_parse(&request, in);
	REQUIRE(err == OK || (err != ERR_NOMEM && err != ERR_IO));
	if (err == OK) {
		struct enrol_body again;

		buffer_reset(&out);
		device_request_format(&out, &request);
		REQUIRE(device_request_parse(&again, buffer_bytes(&out)) == OK);
		REQUIRE(memcmp(&again, &request, sizeof again) == 0);
	}
	memset(&h, 0, sizeof h);
	err = home_parse(&h, in, &line);
	known(err);
	if (err == OK) {
		struct home again;

		buffer_reset(&out);
		home_format(&out, &h);
		memset(&again, 0, sizeof again);
		REQUIRE(home_parse(&again, buffer_bytes(&out), &line) == OK);
	}
	err = outbox_state_parse(&o, in);
	known(err);
	if (err == OK && o.sealed > 0) {
		buffer_reset(&out);
		outbox_state_format(&out, &o);
		REQUIRE(bytes_equal(buffer_bytes(&out), in));
	}
	buffer_free(&out);
	return 0;
}
