/* SPDX-License-Identifier: BSD-2-Clause */
/* A log name, a newline, a NODE message: what opens is what was signed, and keeps every promise
 * of 4.1 to 4.4. */
#include <string.h>

#include "../unit/member_fixture.h"
#include "target.h"

static void check_credential(const struct credential *c, struct bytes name, struct bytes message)
{
	char again[VERIFIER_NAME_MAX + 1];
	const struct node_body *n = &c->node;
	REQUIRE(bytes_equal(buffer_bytes(&c->message), message));
	REQUIRE(bytes_equal(bytes_str(c->binding.log_name), name));
	REQUIRE(log_name_make(again, c->binding.forum, c->root_key, n->log_key,
		    bytes_str(c->organisation), c->number) == OK);
	REQUIRE(strcmp(again, c->binding.log_name) == 0 && strcmp(again, c->log.name) == 0);
	REQUIRE(memcmp(c->log.public, n->log_key, KEY_LEN) == 0);
	REQUIRE(message_verify(message, &c->binding, c->root_key) == OK);
	REQUIRE(credential_check_body(n, c->root_key, bytes_str(c->organisation)) == OK);
	REQUIRE(n->tls_pin_count >= 1 && credential_has_pin(c, n->tls_pins[n->tls_pin_count - 1]));
	if (n->previous_log.len > 0) {
		REQUIRE(c->number > 1 && n->previous_size > 0);
		REQUIRE(n->previous_log.data > c->message.data &&
			n->previous_log.data < c->message.data + c->message.len);
	}
	REQUIRE(credential_follows(c, c) != OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	crypto_once();
	uint8_t forum[HASH_LEN];
	struct credential c;
	memset(forum, 0xf0, HASH_LEN);
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) : 0;
	struct bytes name = bytes_of(data, len);
	struct bytes message = end != NULL ? bytes_of(end + 1, size - len - 1)
					   : bytes_of(data, size);

	int newer = credential_open_newer(&c, forum, name, message);
	if (newer == OK)
		check_credential(&c, name, message);
	credential_clear(&c);
	int err = credential_open(&c, forum, name, message);
	REQUIRE(err == newer || (newer == OK && err == ERR_MALFORMED));
	if (err == OK)
		REQUIRE((c.number > 1) == (c.node.previous_log.len > 0));
	credential_clear(&c);
	return 0;
}
