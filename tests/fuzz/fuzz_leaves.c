/* SPDX-License-Identifier: BSD-2-Clause */
/* The leaves that are read make up what was read: all of it, or all before what is malformed. */
#include "base/error.h"
#include "log/checkpoint.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer again = BUFFER_INIT;
	struct bytes leaf;
	size_t pos = 0;
	int err;

	while ((err = leaves_next(bytes_of(data, size), &pos, &leaf)) == OK) {
		REQUIRE(leaf.data + leaf.len == data + pos);
		leaves_add(&again, leaf);
	}
	REQUIRE(err == ERR_MALFORMED || (err == ERR_NOTFOUND && pos == size));
	REQUIRE(err == ERR_NOTFOUND || pos < size);
	REQUIRE(bytes_equal(buffer_bytes(&again), bytes_of(data, pos)));
	buffer_free(&again);
	return 0;
}
