/* SPDX-License-Identifier: BSD-2-Clause */
/* Credentials: NODE messages that name an organisation's keys (SPEC.md sections 4.1, 4.3, 4.4).
 * Any thread. */
#ifndef MEMBER_CREDENTIAL_H
#define MEMBER_CREDENTIAL_H

#include "member/charter.h"
#include "msg/body.h"

struct credential {
	struct binding binding; /* forum and log name */
	char organisation[ORG_NAME_MAX + 1];
	uint64_t number; /* of the log, from 1 */
	uint8_t root_key[KEY_LEN];
	struct verifier log;   /* name is the log name, type 01 */
	struct node_body node; /* previous_log points into `message` */
	struct buffer message; /* the exact NODE message; owned */
};

/* Check a NODE message against the log name that it comes with: well-formed, signed by its signer
 * under that name's binding, all keys usable and distinct, digest following from the keys,
 * successor fields as 4.4 wants. Copies `message`. ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_SIGNATURE,
 * ERR_KEY, ERR_VERSION, ERR_OTHER_FORUM (the digest does not follow: made for another forum or
 * log). Membership and pins are the caller's. Clear with credential_clear(), also after failure. */
int credential_open(struct credential *out, const uint8_t forum[static HASH_LEN],
    struct bytes log_name, struct bytes message);

/* The same for a NODE message that need not be entry 0, as HELLO brings it (10.3): a log above
 * number 1 may lack the successor fields here. */
int credential_open_newer(struct credential *out, const uint8_t forum[static HASH_LEN],
    struct bytes log_name, struct bytes message);

/* Whether `next` names `log` (the credential of entry 0 of it) as the log that it follows, and may:
 * one forum, one organisation and root key, the next number. OK, ERR_INVALID (it names another),
 * ERR_WRONG_ROOT. */
int credential_follows(const struct credential *next, const struct credential *log);

/* Whether both say the same of what stands of the log before theirs. */
bool credential_continues(const struct credential *a, const struct credential *b);

/* What a NODE body must be beyond its form: all keys and the signer distinct (4.3), the cosigner
 * named after the organisation (4.2). OK, ERR_KEY, ERR_MALFORMED. */
int credential_check_body(
    const struct node_body *n, const uint8_t signer[static KEY_LEN], struct bytes organisation);

/* Make the credential of a log: fills in log name, signs with `root`. `node->serial` etc. are the
 * caller's. Appends the NODE message to `message`; `log_name` takes VERIFIER_NAME_MAX + 1. Also
 * makes later NODE messages. ERR_INVALID (nobody would accept it), ERR_NOMEM. */
int credential_make(struct buffer *message, char *log_name, const uint8_t forum[static HASH_LEN],
    const char *organisation, uint64_t number, const struct key *root, const struct node_body *node,
    uint64_t sequence, uint64_t time);

bool credential_has_pin(const struct credential *c, const uint8_t spki[static HASH_LEN]);
void credential_clear(struct credential *c);

#endif
