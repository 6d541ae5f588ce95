/* SPDX-License-Identifier: BSD-2-Clause */
/* By what an import knows a mail again: a digest of its Message-ID, or, where it has none, of what
 * it says. Both can be computed from the post that was made of it, so that a journal that was lost
 * can be made anew from the node. Pure; any thread. */
#ifndef CLIENT_ARCHIVE_KEY_H
#define CLIENT_ARCHIVE_KEY_H

#include "msg/content.h"

#define MAIL_KEY_LEN 16 /* of a SHA-256 */

void mail_key_of_id(uint8_t key[static MAIL_KEY_LEN], struct bytes message_id);
/* Of a whole content but for the name of the archive, which may be another the next time.
 * ERR_NOMEM, ERR_INVALID as content_encode(). */
int mail_key_of_content(uint8_t key[static MAIL_KEY_LEN], const struct content *c);
/* Of a text that `import text` takes: what else is there (date, file name) changes with a copy. */
void mail_key_of_text(uint8_t key[static MAIL_KEY_LEN], struct bytes text);

/* Whoever writes a post may put any Message-ID into it. What somebody else's calls itself is kept
 * apart: under a key that says only that there is such a one, and under one that holds for its
 * content alone. `key` is that of the Message-ID. */
void mail_key_claimed(uint8_t out[static MAIL_KEY_LEN], const uint8_t key[static MAIL_KEY_LEN]);
void mail_key_same(uint8_t out[static MAIL_KEY_LEN], const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t content[static MAIL_KEY_LEN]);

#endif
