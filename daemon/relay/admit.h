/* SPDX-License-Identifier: BSD-2-Clause */
/* One message for our own log, from a client or our own: what is looked at before it is accepted
 * (SPEC.md 12). ingest.c has what becomes of those that are. */
#ifndef DAEMON_RELAY_ADMIT_H
#define DAEMON_RELAY_ADMIT_H

#include "daemon/relay/state.h"

struct submission {
	struct buffer message, content;
	uint8_t salt[SALT_LEN];
	uint8_t id[ID_LEN];
	struct header header;
	int parsed, signature, committed;
	/* Outcome. */
	bool fresh; /* accepted now, not before */
	uint32_t status, code;
	uint64_t index;
	const char *text;
	char *why; /* the text, when it was made for this one */
};

/* Copies. False: out of memory. */
bool submission_set(
    struct submission *s, struct bytes message, struct bytes salt, struct bytes content);
void submission_clear(struct submission *s);

/* What needs nothing but the message, on any thread. `refused`: one before it is, and with it all
 * that follows; only its id matters. */
void submission_verify(struct submission *s, const struct binding *b, bool refused);

/* `text` is kept as it is. */
void submission_refuse(struct submission *s, uint32_t code, const char *text);

/* Decide about it, and take it into the roster if it is accepted: on the loop thread, in the order
 * in which they came. `trusted`: no quota. */
void submission_admit(struct relay *r, struct submission *s, bool trusted);

#endif
