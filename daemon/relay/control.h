/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of the control socket that stand in files of their own. A command gets its words and is
 * answered once, at once or later, by one of the two below, which free the request. Loop thread. */
#ifndef DAEMON_RELAY_CONTROL_H
#define DAEMON_RELAY_CONTROL_H

#include <jansson.h>

#include "daemon/relay/state.h"

struct request;

struct relay *request_relay(const struct request *q);
void request_reply(struct request *q, json_t *json); /* takes the reference */
void request_refuse(struct request *q, uint32_t code, const char *text);

/* An ingest_done: a message was taken in, or refused; that is the answer. */
void request_ingested(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN]);

typedef void control_command(struct request *q, int argc, char **argv, struct bytes input);

/* control_people.c */
control_command control_invite, control_enrol, control_identity, control_recover_person,
    control_revoke;
/* moderate.c */
control_command control_hide, control_unhide, control_suspend, control_unsuspend, control_hidden,
    control_erase;

#endif
