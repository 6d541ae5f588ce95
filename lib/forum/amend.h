/* SPDX-License-Identifier: BSD-2-Clause */
/* What an AMEND or ERASE is about, and whether it may be (SPEC.md 6.2).
 *
 * Decided by its log and those before it alone. The fold asks it of every entry, and a node of what
 * it is to accept; where both look is a store's views, on any connection. */
#ifndef FORUM_AMEND_H
#define FORUM_AMEND_H

#include "member/roster.h"
#include "store/store.h"

/* A message that had an effect in a log or one of its predecessors. `no`, `topic`, `about` and
 * `erasure` are numbers of this store. */
struct target {
	uint32_t kind;
	uint32_t log_no;
	uint64_t index;
	uint8_t id[ID_LEN];
	bool has_identity; /* false: the root's or the registrar's */
	uint8_t identity[IDENTITY_LEN];
	bool first; /* an ENROL: it began its identity */
	int64_t no;
	int64_t topic;       /* of a TOPIC or POST */
	int64_t about;       /* of an AMEND or ERASE: its target's target, down to what is none */
	uint32_t about_kind; /*   and the kind of that */
	int64_t erasure;     /* the ERASE that erased its content; 0: none */
};

/* ERR_NOTFOUND: no message of this log or its predecessors, not in the views yet, or without
 * effect. */
int target_find(struct store *s, uint32_t log, const struct ref *ref, struct target *out);

/* Whether a message of this kind (AMEND, ERASE), by a signer of this class and, if a device's, of
 * this identity, has an effect on that target. OK, ERR_UNKNOWN_KIND (nothing that this can be done
 * to), ERR_REFUSED (not the signer's). */
int target_judge(const struct target *t, uint32_t kind, enum signer_class class,
    const uint8_t identity[static IDENTITY_LEN]);

/* The text that would be in force if this AMEND weren't: where its message stands, and what kind it
 * changes. ERR_NOTFOUND: it isn't in force, and nothing would change. */
int target_restored(struct store *s, const uint8_t id[static ID_LEN], struct target *out);

#endif
