/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread as lines: depth first, each with the depth at which it stands. Pure. */
#ifndef SCREEN_TREE_H
#define SCREEN_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* How deep the line at a place stands. */
typedef unsigned tree_depth_fn(const void *ctx, size_t at);

/* Append the branches before a line, "│ └ ", at most `columns` of them; the outer ones are left out
 * where it stands deeper. */
void tree_branches(struct buffer *out, tree_depth_fn *depth, const void *ctx, size_t count,
    size_t at, int columns);
/* The place behind the answers to `at`, and theirs. */
size_t tree_end(tree_depth_fn *depth, const void *ctx, size_t count, size_t at);
/* Where a new answer to `parent` goes: before the first sibling that `later` says comes after it.
 */
size_t tree_place(tree_depth_fn *depth, const void *ctx, size_t count, size_t parent,
    bool (*later)(const void *ctx, size_t at));

#endif
