/* SPDX-License-Identifier: BSD-2-Clause */
/* What core.c, which signs, and known.c, which knows the logs, share. */
#ifndef DAEMON_SIGNER_CORE_INSIDE_H
#define DAEMON_SIGNER_CORE_INSIDE_H

#include "daemon/signer/core.h"
#include "member/members.h"

#define ADMIT_MARK 16 /* bytes of an ADMIT's id by which it is recognised */

/* A log whose credential was checked. */
struct known {
	struct binding binding;
	struct verifier key;
	char organisation[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	uint64_t number;
	uint8_t (*admits)[ADMIT_MARK];
	size_t admit_count;
};

/* In pages of its own, see core_open(). */
struct keyring {
	struct key log, registrar, cosigner;
};

struct core {
	struct charter *charter;
	struct credential credential;
	struct keyring *keys;
	struct members *members;
	struct heads *heads;
	bool used; /* see core_setup */
	struct known **known;
	size_t known_count, known_cap;
};

struct known *known_find(const struct core *c, const uint8_t digest[static DIGEST_LEN]);
void known_free(struct core *c);

#endif
