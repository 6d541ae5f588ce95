/* SPDX-License-Identifier: BSD-2-Clause */
/* What parses as a checkpoint is the one text for what it says; what opens is signed, and says it
 * of this log. */
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "target.h"

static struct verifier verifier;

static void start(void)
{
	static const uint8_t seed[32] = "fuzz_checkpoint";
	struct key key;

	if (verifier.type != 0)
		return;
	crypto_once();
	key_from_seed(&key, seed);
	REQUIRE(verifier_make(&verifier, bytes_str("log.example/1"), 1, key.public) == OK);
}

static void check_text(struct bytes in)
{
	struct buffer text = BUFFER_INIT;
	struct checkpoint c;

	if (checkpoint_parse(in, &c))
		return;
	REQUIRE(c.size > 0 && c.size <= INT64_MAX);
	REQUIRE(checkpoint_text(&text, &c) == OK);
	REQUIRE(bytes_equal(buffer_bytes(&text), in));
	buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct checkpoint c, parsed;
	struct note note;

	start();
	check_text(in);
	if (note_parse(&note, in) == OK)
		check_text(note.text);
	if (checkpoint_open(in, &verifier, &c) == OK) {
		REQUIRE(checkpoint_parse(note.text, &parsed) == OK);
		REQUIRE(parsed.size == c.size && memcmp(parsed.root, c.root, HASH_LEN) == 0);
		REQUIRE(strcmp(c.origin, verifier.name) == 0);
	}
	return 0;
}
