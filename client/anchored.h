/* SPDX-License-Identifier: BSD-2-Clause */
/* What was sealed and is kept until it is anchored (client/outbox.h). */
#ifndef CLIENT_ANCHORED_H
#define CLIENT_ANCHORED_H

#include "client/session.h"

#define ANCHORED_LOOK 8   /* messages that are asked for in passing */
#define ANCHORED_KEPT 256 /* of those that are anchored */

struct anchored {
	size_t anchored; /* proven, and so needed here no longer */
	size_t lost;     /* not in the node's log any more: to be sent again */
};

/* Ask the node for the receipts of the `most` oldest messages that are kept as sent. What a receipt
 * proves, by the forum's charter, is anchored goes into the box of those; what the node has lost
 * waits to be sent again. The home's lock is held. An error is about the files; trouble with the
 * node ends it.
 */
int anchored_look(
    struct session *s, struct outbox *o, size_t most, struct anchored *out, struct trouble *t);

#endif
