/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a segment of the search index: reading it ends, and goes nowhere else. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/segment.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct segment s;
	struct cursor c;
	size_t steps = 0;

	REQUIRE(copy);
	memcpy(copy, data, size);
	if (segment_view(&s, bytes_of(copy, size)) == OK) {
		uint32_t last = 0;

		for (cursor_start(&c, &s); !c.done; cursor_next(&c)) {
			struct doc_set docs = {{0}};

			REQUIRE(steps == 0 || c.term > last);
			REQUIRE(c.docs.len <= size && ++steps <= size);
			docs_add(c.docs, c.bitmap, &docs);
			last = c.term;
		}
		for (uint32_t term = 0; term < 64; term++) {
			struct doc_set docs = {{0}};

			segment_find(&s, term, &docs);
			segment_find(&s, get_u32(copy + 12) + term * 77777, &docs);
		}
	}
	free(copy);
	return 0;
}
