/* SPDX-License-Identifier: BSD-2-Clause */
/* Content is read, or refused; what was read and written again reads the same. */
#include <stdlib.h>

#include "base/error.h"
#include "msg/content.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content c, again;
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	if (content_parse(bytes_of(data, size), &c) == OK) {
		if (content_encode(&first, &c) != OK ||
		    content_parse(buffer_bytes(&first), &again) != OK)
			abort();
		if (content_encode(&second, &again) != OK ||
		    !bytes_equal(buffer_bytes(&first), buffer_bytes(&second)))
			abort();
		content_clear(&again);
	}
	content_clear(&c);
	buffer_free(&first);
	buffer_free(&second);
	return 0;
}
