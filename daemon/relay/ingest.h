/* SPDX-License-Identifier: BSD-2-Clause */
/* What ingest.c, inbox.c, seal.c and quota.c share. */
#ifndef DAEMON_RELAY_INGEST_H
#define DAEMON_RELAY_INGEST_H

#include "daemon/relay/state.h"

/* inbox.c: a message was taken into the roster: it waits to be sealed, behind those before it.
 * `verified`: its signature, by this process, for this log. */
void inbox_add(struct relay *r, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, bool verified);
/* It is sealed, or gone: its content is not kept any more. */
void inbox_content_drop(struct relay *r, struct waiting *w);
/* Is there more room on the disk than limits.free_mib? What was so a tenth of a second ago counts.
 */
bool inbox_room(struct relay *r);

/* quota.c: one more message of this participant? A token bucket of limits.posts_per_hour. */
bool quota_take(struct relay *r, const uint8_t identity[static IDENTITY_LEN], uint64_t now);
void quota_free(struct quota *q);

#endif
