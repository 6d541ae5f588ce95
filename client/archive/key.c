/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/key.h"

#include <string.h>

#include "base/error.h"

static void digest(uint8_t key[static MAIL_KEY_LEN], const char *domain, struct bytes what)
{
	/* The domain's NUL ends it: no two runs of bytes are the same. */
	const struct bytes parts[] = {bytes_of(domain, strlen(domain) + 1), what};
	uint8_t whole[HASH_LEN];

	hash_of_parts(whole, parts, 2);
	memcpy(key, whole, MAIL_KEY_LEN);
}

void mail_key_of_id(uint8_t key[static MAIL_KEY_LEN], struct bytes message_id)
{
	digest(key, "import/id", message_id);
}

int mail_key_of_content(uint8_t key[static MAIL_KEY_LEN], const struct content *c)
{
	struct buffer encoded = BUFFER_INIT;
	struct content bare = *c;
	int err;

	bare.imported.source = bytes_of(NULL, 0);
	err = content_encode(&encoded, &bare);
	if (!err)
		digest(key, "import/content", buffer_bytes(&encoded));
	buffer_free(&encoded);
	return err;
}

void mail_key_of_text(uint8_t key[static MAIL_KEY_LEN], struct bytes text)
{
	digest(key, "import/text", text);
}

void mail_key_claimed(uint8_t out[static MAIL_KEY_LEN], const uint8_t key[static MAIL_KEY_LEN])
{
	digest(out, "import/claimed", bytes_of(key, MAIL_KEY_LEN));
}

void mail_key_same(uint8_t out[static MAIL_KEY_LEN], const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t content[static MAIL_KEY_LEN])
{
	uint8_t both[2 * MAIL_KEY_LEN];

	memcpy(both, key, MAIL_KEY_LEN);
	memcpy(both + MAIL_KEY_LEN, content, MAIL_KEY_LEN);
	digest(out, "import/same", bytes_of(both, sizeof both));
}
