/* SPDX-License-Identifier: BSD-2-Clause */
/* A tlog-proof that parses is written again byte for byte. */
#include "base/error.h"
#include "log/checkpoint.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree_hash hashes[64];
	struct buffer again = BUFFER_INIT;
	struct bytes note;
	uint64_t index;
	size_t count;

	if (tlog_proof_parse(bytes_of(data, size), &index, hashes, &count, &note))
		return 0;
	REQUIRE(tlog_proof_write(&again, index, hashes, count, note) == OK);
	REQUIRE(bytes_equal(buffer_bytes(&again), bytes_of(data, size)));
	buffer_free(&again);
	return 0;
}
