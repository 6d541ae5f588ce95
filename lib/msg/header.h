/* SPDX-License-Identifier: BSD-2-Clause */
/* The header alone (SPEC.md section 5.1). Private to this room. */
#ifndef MSG_HEADER_H
#define MSG_HEADER_H

#include "msg/message.h"

/* message_parse() for what stands before the signature. */
int header_parse(struct bytes in, struct header *out);

/* A topic, parent or target: log digest ‖ message id. */
#define REF_LEN (DIGEST_LEN + ID_LEN)
void ref_put(uint8_t out[static REF_LEN], const struct ref *ref);
void ref_get(struct ref *out, const uint8_t in[static REF_LEN]);

#endif
