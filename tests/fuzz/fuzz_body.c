/* SPDX-License-Identifier: BSD-2-Clause */
/* The first byte chooses a kind, the rest is its body: refused, or the one encoding of what was
 * read. */
#include <stdlib.h>

#include "base/error.h"
#include "msg/body.h"
#include "target.h"

#define TWICE(type)                                    \
	do {                                           \
		struct type b;                         \
		read = type##_parse(in, &b) == OK;     \
		if (read)                              \
			err = type##_encode(&out, &b); \
	} while (0)

/* Two kinds share a struct. */
#define target_as(verb)                                     \
	do {                                                \
		struct target_body b;                       \
		read = verb##_body_parse(in, &b) == OK;     \
		if (read)                                   \
			err = verb##_body_encode(&out, &b); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	crypto_once();
	struct bytes in = bytes_of(data + 1, size - 1);
	struct buffer out = BUFFER_INIT;
	bool read = false;
	int err = OK;
	switch (data[0]) {
	case KIND_NODE:
		TWICE(node_body);
		break;
	case KIND_ADMIT:
		TWICE(admit_body);
		break;
	case KIND_ENROL:
		TWICE(enrol_body);
		break;
	case KIND_REVOKE:
		TWICE(revoke_body);
		break;
	case KIND_AMEND:
		target_as(amend);
		break;
	case KIND_ERASE:
		target_as(erase);
		break;
	default:
		break;
	}
	if (read && (err != OK || !bytes_equal(buffer_bytes(&out), in)))
		abort();
	buffer_free(&out);
	return 0;
}
