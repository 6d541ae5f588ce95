/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is a member: founders, and whom k members have admitted (SPEC.md section 3.4). A least fixed
 * point over the set of admissions, so that their order never matters. One owner at a time. */
#ifndef MEMBER_MEMBERS_H
#define MEMBER_MEMBERS_H

#include "member/charter.h"

struct members;

struct member {
	char name[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	bool founder;
};

struct members *members_new(const struct charter *charter);
void members_free(struct members *m);

/* Note that the organisation (by_name, by_root) has an effective ADMIT of (name, root). Idempotent.
 * Returns 1 when the set of members grew (perhaps by several), 0 when not, or ERR_NOMEM. */
int members_admit(struct members *m, struct bytes by_name, const uint8_t by_root[static KEY_LEN],
    struct bytes name, const uint8_t root[static KEY_LEN]);

bool members_has(const struct members *m, struct bytes name, const uint8_t root[static KEY_LEN]);
size_t members_count(const struct members *m);
/* The i-th, ascending by name and key; valid until the next members_admit(). */
const struct member *members_at(const struct members *m, size_t i);

#endif
