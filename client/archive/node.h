/* SPDX-License-Identifier: BSD-2-Clause */
/* The node that an archive goes to, as an import needs it: over the control socket, where no quota
 * counts, or as any participant reaches it. Main thread. */
#ifndef CLIENT_ARCHIVE_NODE_H
#define CLIENT_ARCHIVE_NODE_H

#include "client/home.h"

struct import_node {
	const struct home *home;
	const char *socket;     /* NULL: over TLS, at the home's address */
	struct client *client;  /* NULL: not connected */
	struct binding binding; /* of the log that we write to */
};

/* Connect, and see that it is the home's node: forum, organisation and root key. What is there has
 * been closed before. ERR_CLOSED, ERR_WRONG_ROOT, ERR_OTHER_FORUM, … When `binding` was set before,
 * the log must be the same: ERR_STALE. */
int import_node_open(struct import_node *n, struct trouble *t);
void import_node_close(struct import_node *n);

/* The charter's limit for one content. */
int import_node_limit(struct import_node *n, uint64_t *limit, struct trouble *t);
/* The highest sequence that the node has accepted of a device. ERR_REFUSED when it isn't enrolled
 * there, or revoked. */
int import_node_sequence(struct import_node *n, const uint8_t device[static KEY_LEN],
    uint64_t *sequence, struct trouble *t);
/* Wait until all that the node has accepted for its log is shown, so that asking it once tells all.
 * ERR_TIMEOUT. */
int import_node_settled(struct import_node *n, uint64_t patience_ms, struct trouble *t);

#endif
