/* SPDX-License-Identifier: BSD-2-Clause */
/* What unpacking may cost (SPEC.md section 10.2). Private to this room and its tests. */
#ifndef MSG_UNPACK_H
#define MSG_UNPACK_H

#include <stddef.h>

#include "msg/frame.h"

/* The bytes that unpacking a payload of this length may take, each allocation's overhead included.
 */
static inline size_t message_budget(size_t len)
{
	return 65536 + 16 * len;
}

/* message_unpack() with bounds of its own: at most `fields` fields at every depth together
 * (ERR_TOO_LARGE). */
int message_unpack_within(ProtobufCMessage **out, const ProtobufCMessageDescriptor *type,
    struct bytes payload, size_t budget, size_t fields);

#endif
