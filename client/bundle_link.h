/* SPDX-License-Identifier: BSD-2-Clause */
/* A bundle given to a node over its control socket (SPEC.md 9.7, 10.6): what lib/sync says,
 * carried. Main thread; what fails fills `t`. */
#ifndef CLIENT_BUNDLE_LINK_H
#define CLIENT_BUNDLE_LINK_H

#include <stdio.h>

#include "client/client.h"
#include "sync/bundle_offer.h"

struct bundle_link;

/* Connect, and say HELLO. `index` and `file` (seekable) are borrowed. */
int bundle_link_open(struct bundle_link **out, const char *socket_path, struct bundle_index *index,
    FILE *file, struct trouble *t);
void bundle_link_close(struct bundle_link *l);
struct bundle_offer *bundle_link_offer(struct bundle_link *l);
/* Carry frames both ways until nothing has come or gone for `idle_ms`, or `most_ms` have passed. An
 * ERROR of the node is a trouble with its code. */
int bundle_link_turn(struct bundle_link *l, unsigned idle_ms, unsigned most_ms, struct trouble *t);

#endif
