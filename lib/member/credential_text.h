/* SPDX-License-Identifier: BSD-2-Clause */
/* A node's credential as a small text file: `convene credential v1`, the log name, base64 of the NODE message. Any thread. */
#ifndef MEMBER_CREDENTIAL_TEXT_H
#define MEMBER_CREDENTIAL_TEXT_H

#include "msg/message.h"

void credential_text_add(struct buffer *out, const char *log_name, struct bytes message);
/* `log_name` takes VERIFIER_NAME_MAX + 1; the message is appended. ERR_MALFORMED and the decoder's errors; checks form only. */
int credential_text_parse(struct bytes in, char *log_name, struct buffer *message);

#endif
