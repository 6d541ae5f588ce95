/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of entries as segments and DATA have them (u16be length ‖ bytes, one after the other), and
 * what all backends check of a batch of them. Private to the backends. */
#ifndef STORE_LEAVES_H
#define STORE_LEAVES_H

#include "store/store.h"

#define STORE_SIZE_MAX (UINT64_C(1) << 40)

/* ERR_INVALID unless the numbers of a batch fit together and its leaves are `count` whole ones. */
int append_check(const struct store_append *a);

/* Bytes of the first leaf with its length, or 0 when the run is at its end or cut off. */
static inline size_t leaves_first(struct bytes run)
{
	if (run.len < 2)
		return 0;
	size_t len = 2 + (size_t)get_u16(run.data);
	return len <= run.len ? len : 0;
}

/* Take the first leaf off the run; false at its end or when it is cut off. */
static inline bool leaves_next(struct bytes *run, struct bytes *leaf)
{
	size_t len = leaves_first(*run);
	if (len == 0)
		return false;
	*leaf = bytes_of(run->data + 2, len - 2);
	*run = bytes_of(run->data + len, run->len - len);
	return true;
}

/* Bytes that the first `count` leaves take, or SIZE_MAX when there are fewer. */
static inline size_t leaves_skip(struct bytes run, size_t count)
{
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		size_t len = leaves_first(bytes_of(run.data + at, run.len - at));
		if (len == 0)
			return SIZE_MAX;
		at += len;
	}
	return at;
}

#endif
