/* SPDX-License-Identifier: BSD-2-Clause */
/* Receipts, by a charter whose founders' keys the seeds know. One that is accepted names whom it
 * says, as many as the charter wants. */
#include <string.h>

#include "member/receipt.h"
#include "target.h"

static struct verifier founders[3];
static char names[3][ORG_NAME_MAX + 1] = {"b.example", "c.example", "d.example"};
static struct charter charter = {
    .admit = 2, .anchor = 2, .content_limit = 1048576, .members = founders, .member_count = 3};

/* As tests/unit/test_receipt.c has them. */
static void start(void)
{
	static const char *const organisations[] = {"a.example", "b.example", "c.example"};

	if (founders[0].type != 0)
		return;
	crypto_once();
	memset(charter.forum, 0xf0, HASH_LEN);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t seed[32];
		struct key key;

		memset(seed, (int)(10 * i + 1), sizeof seed);
		key_from_seed(&key, seed);
		REQUIRE(verifier_make(&founders[i], bytes_str(organisations[i]), VERIFIER_ED25519,
			    key.public) == OK);
	}
}

static void check(struct bytes text)
{
	struct receipt *r;
	char why[200];
	int err = receipt_verify(&r, text, &charter, why);

	REQUIRE((err == OK) == (why[0] == '\0') && strlen(why) < sizeof why);
	if (!err) {
		REQUIRE(r->count >= charter.anchor && r->index < INT64_MAX);
		REQUIRE(strcmp(r->cosigners[0].organisation, r->organisation) != 0);
	}
	receipt_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	charter.anchor_names = NULL;
	charter.anchor_name_count = 0;
	check(bytes_of(data, size));
	charter.anchor_names = names;
	charter.anchor_name_count = 3;
	check(bytes_of(data, size));
	return 0;
}
