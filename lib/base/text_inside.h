/* SPDX-License-Identifier: BSD-2-Clause */
/* What text.c and text_nfc.c share. */
#ifndef BASE_TEXT_INSIDE_H
#define BASE_TEXT_INSIDE_H

#include <string.h>

#include "base/text.h"

/* Length of the run of ASCII at the start. */
static inline size_t ascii_prefix(struct bytes in)
{
	size_t i = 0;
	for (uint64_t word; in.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, in.data + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < in.len && in.data[i] < 0x80)
		i++;
	return i;
}

#endif
