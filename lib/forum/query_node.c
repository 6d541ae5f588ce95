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

int query_node(struct store *s, uint32_t log, struct buffer *out)
{
	struct view v;
	int err = view_start(&v, s, VIEW_NODE_LAST, "i", (int64_t)log);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	buffer_add(out, view_bytes(&v, 0).data, view_bytes(&v, 0).len);
	view_end(&v);
	return out->failed ? ERR_NOMEM : OK;
}

int query_admits(struct store *s, struct bytes name, const uint8_t root_key[static KEY_LEN],
    int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_ADMITS, "bk", name, root_key);

	while (err == OK && (err = view_next(&v)) == 1) {
		int64_t at = view_int(&v, 0);

		err = fn(ctx, view_at_log(at), view_at_index(at));
	}
	view_end(&v);
	return err;
}
