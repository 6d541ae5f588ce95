/* SPDX-License-Identifier: BSD-2-Clause */
/* Getting the entries that an audit reads from the node, which must show those that were signed.
 * Main thread. */
#ifndef CLIENT_AUDIT_READ_H
#define CLIENT_AUDIT_READ_H

#include "client/audit.h"
#include "client/head.h"

#define AUDIT_CHAIN_MAX 64

/* Logs, each the successor of the next; the home log first. */
struct audit_chain {
	struct credential list[AUDIT_CHAIN_MAX];
	size_t count;
};
void audit_chain_clear(struct audit_chain *chain);

/* Read the home log up to this head, and before it all that it follows, as far as that stands.
 * `chain` is zeroes; clear it in any case. ERR_PROOF: the node shows other entries than those that
 * were signed; and client_call()'s. */
int audit_read(struct audit *a, struct session *s, const struct head *head,
    struct audit_chain *chain, struct trouble *t);

#endif
