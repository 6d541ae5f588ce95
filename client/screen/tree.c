/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/tree.h"

/* Whether the branch at `level` goes on below `at`: another line at that depth comes, before one
 * that stands further out. */
static bool goes_on(tree_depth_fn *depth, const void *ctx, size_t count, size_t at, unsigned level)
{
	for (size_t i = at + 1; i < count; i++) {
		unsigned d = depth(ctx, i);

		if (d <= level)
			return d == level;
	}
	return false;
}

void tree_branches(
    struct buffer *out, tree_depth_fn *depth, const void *ctx, size_t count, size_t at, int columns)
{
	unsigned deep = depth(ctx, at), room = columns > 2 ? (unsigned)columns / 2 : 1;
	unsigned level = 1;

	if (deep > room) {
		buffer_add_str(out, "… ");
		level = deep - room + 2;
	}
	for (; level <= deep; level++) {
		bool more = goes_on(depth, ctx, count, at, level);

		if (level == deep)
			buffer_add_str(out, more ? "├ " : "└ ");
		else
			buffer_add_str(out, more ? "│ " : "  ");
	}
}

size_t tree_end(tree_depth_fn *depth, const void *ctx, size_t count, size_t at)
{
	unsigned d = depth(ctx, at);

	do
		at++;
	while (at < count && depth(ctx, at) > d);
	return at;
}

size_t tree_place(tree_depth_fn *depth, const void *ctx, size_t count, size_t parent,
    bool (*later)(const void *ctx, size_t at))
{
	size_t end = tree_end(depth, ctx, count, parent);

	for (size_t i = parent + 1; i < end; i = tree_end(depth, ctx, count, i))
		if (later(ctx, i))
			return i;
	return end;
}
