/* SPDX-License-Identifier: BSD-2-Clause */
/* What the relay tells its operator, as JSON. Each function returns a new reference, or NULL for
 * lack of memory. Loop thread. */
#ifndef DAEMON_RELAY_REPORT_H
#define DAEMON_RELAY_REPORT_H

#include <jansson.h>

#include "daemon/relay/state.h"

json_t *report_hex(const uint8_t *data, size_t len); /* up to 64 bytes */
json_t *report_text(const char *text);               /* null for "" and NULL */

json_t *report_status(struct relay *r); /* this node, its logs, peers and members */
json_t *report_peers(struct relay *r);  /* each link in detail */
json_t *report_people(struct relay *r, int *err);
json_t *recover_report(struct relay *r);                /* recover.c; null: all is well */
void services_report(const struct relay *r, json_t *o); /* services.c; a member for each */
json_t *searching_report(const struct relay *r);        /* search.c; null: it is switched off */

#endif
