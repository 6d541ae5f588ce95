/* SPDX-License-Identifier: BSD-2-Clause */
/* What organisations have said with their root keys. */
#include "forum/query_private.h"

#include "base/error.h"

int query_nodes(struct store *s, uint32_t log,
    int (*fn)(void *ctx, uint32_t log, uint64_t position, struct bytes message), void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_NODES, "i", (int64_t)log);

	while (err == OK && (err = view_next(&v)) == 1)
		err = fn(
		    ctx, (uint32_t)view_int(&v, 0), (uint64_t)view_int(&v, 1), view_bytes(&v, 2));
	view_end(&v);
	return err;
}

int query_admits(struct store *s, int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_ADMITS, "i", (int64_t)KIND_ADMIT);

	while (err == OK && (err = view_next(&v)) == 1) {
		int64_t at = view_int(&v, 0);

		err = fn(ctx, view_at_log(at), view_at_index(at));
	}
	view_end(&v);
	return err;
}
