/* SPDX-License-Identifier: BSD-2-Clause */
/* The charter's anchoring policy (SPEC.md section 11.8): whose cosignature counts for a log, and up
 * to which size the log is anchored.
 *
 * Each cosigner has a *seat*, and a seat counts once: where the policy names organisations, one for
 * each name, which a founder of that name has alone and other members of it share; where it says
 * `all`, one for each root key. A log's own organisation, and one of its name or root key, never
 * counts for it. One owner at a time. */
#ifndef MEMBER_ANCHOR_H
#define MEMBER_ANCHOR_H

#include "member/charter.h"

struct anchor;

struct cosigner {
	char organisation[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	struct verifier key; /* type 04 */
	uint64_t serial;     /* of the NODE that names it */
	uint32_t seat;
};

/* A policy without cosigners. The charter is borrowed. NULL: no memory. */
struct anchor *anchor_new(const struct charter *charter);
void anchor_free(struct anchor *a);

/* n: so many seats must have cosigned; 0: nothing is ever anchored. */
uint32_t anchor_needed(const struct anchor *a);

/* A NODE of a member has taken effect: of those told the one with the highest serial names the
 * organisation's key. 1: that is new; OK: it changes nothing; ERR_REFUSED: the policy gives it no
 * seat. ERR_NOMEM. */
int anchor_learn(struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN],
    const struct verifier *key, uint64_t serial);

/* The next cosigner behind `after` (NULL: the first) whose key has this name and id; NULL: none.
 * Names and ids may be those of several: a signature is good when one of them made it. */
const struct cosigner *anchor_find(const struct anchor *a, struct bytes name,
    const uint8_t id[static 4], const struct cosigner *after);
/* The cosigner that this organisation is; NULL: none that is known. */
const struct cosigner *anchor_of(
    const struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN]);
/* Whether it counts for the logs of an organisation. */
bool anchor_counts(
    const struct cosigner *c, const char *organisation, const uint8_t root_key[static KEY_LEN]);
/* How many seats could be filled for the logs of an organisation by the cosigners known. */
size_t anchor_seats(
    const struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN]);

/* The size up to which a log is anchored: the largest that `needed` of these sizes reach, one for
 * each seat. 0: none. */
uint64_t anchor_size(uint32_t needed, const uint64_t *sizes, size_t count);

/* The name of the organisation whose cosigner key has this name: without "/cosigner". False: it is
 * none. */
bool cosigner_organisation(struct bytes key_name, char out[static ORG_NAME_MAX + 1]);

#endif
