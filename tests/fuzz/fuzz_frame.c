/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of frames, as from a link: each is cut out, unpacked as its type says, and put together
 * again. */
#include <stdlib.h>

#include "base/error.h"
#include "msg/frame.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct frame f, early;
	size_t need;
	while (frame_peek(in, false, &f, &need) == OK) {
		if (need != FRAME_HEADER_LEN + f.payload.len || need > in.len ||
		    f.payload.len > frame_limit(f.type))
			abort();
		if (frame_peek(in, true, &early, &need) == OK && f.payload.len > FRAME_HELLO_MAX)
			abort();
		const ProtobufCMessageDescriptor *type = frame_descriptor(f.type);
		ProtobufCMessage *m;
		if (type != NULL && message_unpack(&m, type, f.payload) == OK) {
			struct buffer out = BUFFER_INIT;
			/* Larger than it came only by longer varints. */
			int err = frame_add(&out, f.type, f.stream, m);
			if (err != OK && err != ERR_TOO_LARGE)
				abort();
			message_free(m);
			buffer_free(&out);
		}
		in = bytes_of(in.data + FRAME_HEADER_LEN + f.payload.len,
		    in.len - FRAME_HEADER_LEN - f.payload.len);
	}
	return 0;
}
