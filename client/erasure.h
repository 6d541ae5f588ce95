/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has confirmed that what was erased is gone (SPEC.md 12.2): the node's word, and theirs. Main
 * thread. */
#ifndef CLIENT_ERASURE_H
#define CLIENT_ERASURE_H

#include "client/output.h"
#include "client/session.h"

/* Of the node; message_free() it. ERR_NOTFOUND: it isn't erased there, or not known. */
int erasure_ask(
    struct session *s, const uint8_t *id, size_t len, Convene__Erasure **out, struct trouble *t);
void erasure_print(const Convene__Erasure *e, int indent);
json_t *erasure_json(const Convene__Erasure *e);
/* What no erasure reaches. */
void erasure_limits_print(void);

#endif
