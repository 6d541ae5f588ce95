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

/* Which admissions show that an organisation is a member, for whoever does not know them all. The
 * organisations are numbers: `known` are the founders, and gets all who are members by these. */
struct admission {
	uint32_t by, whom;
	uint32_t log; /* where it stands */
	uint64_t index;
	bool counts; /* it was one of the first `admit` of whom it admits */
	bool needed;
};

/* Mark those needed for `wanted`: `admit` for it, and for each that they are by. No two may be of
 * the same two. False: they don't show it; ERR_NOMEM comes as false, too. */
bool members_trace(uint32_t admit, bool *known, uint32_t count, uint32_t wanted,
    struct admission *list, size_t list_count);

bool members_has(const struct members *m, struct bytes name, const uint8_t root[static KEY_LEN]);
size_t members_count(const struct members *m);
/* The i-th, ascending by name and key; valid until the next members_admit(). */
const struct member *members_at(const struct members *m, size_t i);

#endif
