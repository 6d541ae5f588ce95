/* SPDX-License-Identifier: BSD-2-Clause */
/* What has arrived, told to open pages as it comes (server-sent events; SPEC.md section 14).
 *
 * The store is looked at while anybody listens, five times a second: asking whether it has changed
 * costs some microseconds, however many listen, and needs no relay; a WATCH for each process would
 * need one, and a connection to keep. One owner. */
#ifndef DAEMON_LIVE_H
#define DAEMON_LIVE_H

#include "daemon/web/http.h"

struct web;
struct live;

int live_new(struct live **out, struct web *w);
void live_free(struct live *l); /* after http_free() */
/* How many may listen. */
void live_limit(struct live *l, unsigned listeners);
/* Answer an exchange with events. `topic`, `thread`: 32 bytes, or NULL; `after` UINT64_MAX: what
 * comes from now on. Returns a status to refuse it with, or 0. */
int live_begin(struct live *l, struct exchange *x, const uint8_t *topic, const uint8_t *thread,
    uint64_t after);

#endif
