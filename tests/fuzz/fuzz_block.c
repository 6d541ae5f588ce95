/* SPDX-License-Identifier: BSD-2-Clause */
/* A block that is taken is one that can be given again, and holds nothing that a config would read
 * as more than one peer. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/block.h"
#include "target.h"

static void check(const struct block *b)
{
	struct buffer text = BUFFER_INIT;
	struct block again;
	unsigned line;
	const char *why;

	REQUIRE(org_name_valid(bytes_str(b->root.name)) && b->root.type == VERIFIER_ED25519);
	REQUIRE(b->charter.len <= NOTE_MAX);
	REQUIRE(strlen(b->address) <= BLOCK_ADDRESS_MAX);
	REQUIRE(strpbrk(b->address, " \t\r\n\"'\\${}=#/") == NULL);
	block_add(&text, b);
	REQUIRE(!text.failed && text.len <= BLOCK_MAX);
	REQUIRE(block_parse(&again, buffer_bytes(&text), &line, &why) == OK);
	REQUIRE(verifier_equal(&again.root, &b->root) && strcmp(again.address, b->address) == 0);
	REQUIRE(bytes_equal(buffer_bytes(&again.charter), buffer_bytes(&b->charter)));
	block_clear(&again);
	buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block b;
	unsigned line;
	const char *why = NULL;
	int err;

	crypto_once();
	err = block_parse(&b, bytes_of(data, size), &line, &why);
	if (err == OK)
		check(&b);
	else
		REQUIRE(err == ERR_TOO_LARGE || err == ERR_MALFORMED || err == ERR_NOT_CANONICAL ||
			err == ERR_KEY);
	REQUIRE(err == OK || (why && *why));
	block_clear(&b);
	return 0;
}
