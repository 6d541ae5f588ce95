/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a roster, shared by roster.c, which keeps and changes it, and judge.c, which only
 * looks at it. */
#ifndef MEMBER_ROSTER_STATE_H
#define MEMBER_ROSTER_STATE_H

#include "member/keyindex.h"
#include "member/roster.h"

struct slot {
	struct signer s;
	bool dirty;
};

struct roster {
	struct binding binding;
	char organisation[ORG_NAME_MAX + 1];
	uint64_t number;
	uint8_t root_key[KEY_LEN], log_key[KEY_LEN];
	uint8_t credential_id[ID_LEN];
	uint64_t previous_size;
	enum charter_topics topics;
	uint8_t bucket_max;

	uint64_t next;
	bool ready;            /* has inherited or loaded what it must know */
	bool in_force;         /* `node` has taken effect; else it is entry 0's, not judged yet */
	struct node_body node; /* points into node_message */
	struct buffer node_message;

	struct slot *slots; /* grows only; in order of appearance */
	uint32_t count, cap;
	uint32_t *dirty; /* rows of slots; room for cap */
	uint32_t dirty_count;
	struct key_index by_key, by_identity; /* the latter: an identity's first device */
};

/* What an effective entry does to the roster; `kind` 0: nothing. */
struct change {
	uint32_t kind;
	union {
		struct node_body node;
		struct enrol_body enrol;
		struct revoke_body revoke;
	} body;
};

/* The verdict on the next entry and the change that follows, without making it. */
void roster_examine(
    const struct roster *r, const struct roster_entry *e, struct verdict *v, struct change *c);

#endif
