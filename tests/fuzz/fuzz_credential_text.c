/* SPDX-License-Identifier: BSD-2-Clause */
/* The text that carries a credential from one operator to another: one text for each log name and
 * message. */
#include <string.h>

#include "base/error.h"
#include "member/credential_text.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT, text = BUFFER_INIT;
	int err;

	buffer_add_str(&message, "before");
	err = credential_text_parse(bytes_of(data, size), name, &message);
	REQUIRE(message.len >= 6 && memcmp(message.data, "before", 6) == 0);
	if (err == OK) {
		struct bytes m = bytes_of(message.data + 6, message.len - 6);

		REQUIRE(m.len <= MESSAGE_MAX);
		credential_text_add(&text, name, m);
		REQUIRE(bytes_equal(buffer_bytes(&text), bytes_of(data, size)));
	} else {
		REQUIRE(message.len == 6);
		REQUIRE(err == ERR_MALFORMED || err == ERR_NOT_CANONICAL || err == ERR_TOO_LARGE);
	}
	buffer_free(&message);
	buffer_free(&text);
	return 0;
}
