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

/* moderate.c */
typedef void control_command(struct request *q, int argc, char **argv, struct bytes input);
control_command control_hide, control_unhide, control_suspend, control_unsuspend, control_hidden,
    control_erase;

#endif
