/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of `convene`; each returns an exit code. */
#ifndef CLIENT_CMD_H
#define CLIENT_CMD_H

#include "client/options.h"

int cmd_join(const struct invocation *in);
int cmd_whoami(const struct invocation *in);
int cmd_topics(const struct invocation *in);
int cmd_threads(const struct invocation *in);
int cmd_read(const struct invocation *in);
int cmd_follow(const struct invocation *in);
int cmd_sync(const struct invocation *in);
int cmd_search(const struct invocation *in);
int cmd_topic(const struct invocation *in);
int cmd_post(const struct invocation *in);
int cmd_reply(const struct invocation *in);
int cmd_amend(const struct invocation *in);
int cmd_erase(const struct invocation *in);
int cmd_drafts(const struct invocation *in);
int cmd_drafts_show(const struct invocation *in);
int cmd_drafts_edit(const struct invocation *in);
int cmd_drafts_send(const struct invocation *in);
int cmd_drafts_drop(const struct invocation *in);
int cmd_outbox(const struct invocation *in);
int cmd_verify(const struct invocation *in);
int cmd_devices(const struct invocation *in);
int cmd_devices_add(const struct invocation *in);
int cmd_devices_approve(const struct invocation *in);
int cmd_devices_revoke(const struct invocation *in);
int cmd_audit(const struct invocation *in);

/* Words for operands and values, from what is kept here: struct program's `offer`. */
void convene_offer(struct candidates *c, const char *kind);

#endif
