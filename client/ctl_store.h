/* SPDX-License-Identifier: BSD-2-Clause */
/* The node's store, read by a command itself: no daemon is needed. Main thread. */
#ifndef CLIENT_CTL_STORE_H
#define CLIENT_CTL_STORE_H

#include "client/ctl.h"
#include "store/store.h"

/* Open it read-only; close with store_close(). ERR_NOTFOUND and a hint when there is none yet. */
int node_store(const struct ctl *c, struct store **out, struct trouble *t);

#endif
