/* SPDX-License-Identifier: BSD-2-Clause */
/* What a topic holds, as the node has it: so that a journal which knows nothing of it (another
 * machine's, a lost one) learns what was imported, by whomever. Main thread. */
#ifndef CLIENT_ARCHIVE_LEARN_H
#define CLIENT_ARCHIVE_LEARN_H

#include "client/archive/journal.h"
#include "client/archive/node.h"

/* Ask for all that has arrived in the topic after `cursor`, and put its posts into the journal, by
 * the keys of key.h, and those that were written here by the Message-ID that exports give them;
 * only those whose signature and content are good. A Message-ID that an archive had is believed to
 * the participant who imports (the home's, or whoever signs with `device`), and to others for the
 * same content only; only the former's posts say what they refer to and is nowhere. Durable as it
 * goes on. `tell` (NULL: nobody) hears how many posts were looked at. */
int learn_topic(struct journal *j, struct import_node *n, const uint8_t device[static KEY_LEN],
    const uint8_t topic[static ID_LEN], uint64_t cursor, void (*tell)(void *ctx, uint64_t posts),
    void *ctx, struct trouble *t);

#endif
