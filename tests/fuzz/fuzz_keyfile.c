/* SPDX-License-Identifier: BSD-2-Clause */
/* A key file has one text: what parses is written again byte for byte. Opens none: Argon2id is
 * slow. */
#include <string.h>

#include "base/error.h"
#include "crypto/keyfile.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keyfile file;
	int err = keyfile_parse(&file, bytes_of(data, size));
	if (err != OK) {
		static const struct keyfile nothing;
		REQUIRE(err == ERR_MALFORMED && memcmp(&file, &nothing, sizeof file) == 0);
		return 0;
	}
	REQUIRE(file.role[KEYFILE_ROLE_MAX] == '\0');
	struct buffer text = BUFFER_INIT;
	keyfile_format(&text, &file);
	REQUIRE(bytes_equal(buffer_bytes(&text), bytes_of(data, size)));
	buffer_free(&text);
	return 0;
}
