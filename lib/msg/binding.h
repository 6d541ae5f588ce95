/* SPDX-License-Identifier: BSD-2-Clause */
/* What begins everything signed, on the stack (SPEC.md section 2.4). Private to this room. */
#ifndef MSG_BINDING_H
#define MSG_BINDING_H

#include "msg/message.h"

#define DOMAIN_MAX 18 /* "convene/v1/message", the longest */
#define BINDING_MAX (DOMAIN_MAX + 1 + HASH_LEN + 2 + VERIFIER_NAME_MAX)

/* Write binding(domain) and return its length. */
size_t binding_put(uint8_t out[static BINDING_MAX], const struct binding *b, const char *domain);

#endif
