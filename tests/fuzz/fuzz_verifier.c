/* SPDX-License-Identifier: BSD-2-Clause */
/* A verifier key has one text: what parses is written again byte for byte. */
#include <string.h>

#include "base/error.h"
#include "crypto/verifier.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	crypto_once();
	struct verifier v, again;
	int err = verifier_parse(&v, bytes_of(data, size));
	if (err == OK) {
		char text[VERIFIER_TEXT_MAX + 1];
		size_t len = verifier_format(text, &v);
		REQUIRE(len == size && memcmp(text, data, size) == 0 && text[len] == '\0');
		REQUIRE(verifier_make(&again, bytes_str(v.name), v.type, v.public) == OK);
		REQUIRE(verifier_equal(&v, &again) && memcmp(v.id, again.id, 4) == 0);
		REQUIRE(key_usable(v.public));
	} else {
		REQUIRE(err == ERR_MALFORMED || err == ERR_NOT_CANONICAL || err == ERR_KEY);
	}
	/* Any bytes may be asked about as a name, and any 32 as a key. */
	bool valid = verifier_name_valid(bytes_of(data, size));
	if (size >= KEY_LEN) {
		err = verifier_make(&v, bytes_of(data, size), VERIFIER_COSIGNATURE, data);
		REQUIRE(err == OK ? valid : err == ERR_INVALID);
		key_usable(data);
	}
	return 0;
}
