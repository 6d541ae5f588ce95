/* SPDX-License-Identifier: BSD-2-Clause */
/* The fork proof of two credentials (SPEC.md sections 4.4, 9.6): one root key has signed two first
 * logs, or two successors of one log. Its encoded form is that of log/fork.h, with the two NODE
 * messages in the place of the notes; here they are only the two. Any thread. */
#ifndef MEMBER_RIVALS_H
#define MEMBER_RIVALS_H

#include "member/credential.h"

/* Whether these two cannot both be: one organisation, root key and number, the same predecessor,
 * and not the same log. */
bool rivals_are(const struct credential *a, const struct credential *b);

/* Open two NODE messages, whose log names follow from what they say, and judge them. On OK both are
 * the caller's to clear. ERR_PROOF: each is sound, and they prove nothing; else
 * credential_open()'s, ERR_OTHER_FORUM not among them: a message of another forum is
 * ERR_SIGNATURE. */
int rivals_open(struct credential *a, struct credential *b, const uint8_t forum[static HASH_LEN],
    struct bytes one, struct bytes other);

#endif
