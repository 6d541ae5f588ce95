/* SPDX-License-Identifier: BSD-2-Clause */
/* A charter has one text: what parses, as a draft or inside a note, is written again byte for byte.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "member/charter.h"
#include "target.h"

static void check_charter(const struct charter *c, struct bytes text)
{
	struct buffer again = BUFFER_INIT;
	REQUIRE(charter_text(&again, c, NULL) == OK);
	REQUIRE(bytes_equal(buffer_bytes(&again), text));
	buffer_free(&again);
	REQUIRE(c->member_count >= 1 && c->admit >= 1 && c->admit <= c->member_count);
	REQUIRE(c->content_limit >= 65536 && c->content_limit <= 1 << BUCKET_MAX);
	REQUIRE(c->anchor <= 1000);
	REQUIRE(c->anchor_names == NULL || c->anchor <= c->anchor_name_count);
	for (size_t i = 0; i < c->anchor_name_count; i++)
		REQUIRE(org_name_valid(bytes_str(c->anchor_names[i])));
	for (size_t i = 0; i < c->member_count; i++)
		REQUIRE(key_usable(c->members[i].public));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	crypto_once();
	struct bytes in = bytes_of(data, size);
	struct charter *c;
	unsigned line = 4711;
	const char *who = "";

	int err = charter_parse_text(&c, in, &line);
	REQUIRE((err == OK) == (c != NULL));
	REQUIRE(err == OK || line <= size + 1);
	if (err == OK)
		check_charter(c, in);
	charter_free(c);

	struct note note;
	err = charter_open(&c, in, &line, &who);
	REQUIRE((err == OK) == (c != NULL));
	REQUIRE((err == ERR_SIGNATURE || err == ERR_NOT_COMPLETE) == (who != NULL));
	if (err == OK) {
		REQUIRE(note_parse(&note, in) == OK);
		check_charter(c, note.text);
		for (size_t i = 0; i < c->member_count; i++)
			REQUIRE(charter_signed_by(c, in, i) == OK);
		charter_free(c);
	}
	return 0;
}
