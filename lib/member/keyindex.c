/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/keyindex.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct key_index_node {
	uint32_t child[2];
	uint32_t row;
	uint32_t height; /* of a leaf 1, of nothing 0 */
};

void key_index_init(struct key_index *ix, size_t stride, size_t offset, size_t len)
{
	*ix = (struct key_index){.stride = stride, .offset = offset, .len = len};
}

void key_index_free(struct key_index *ix)
{
	free(ix->nodes);
	key_index_init(ix, ix->stride, ix->offset, ix->len);
}

int key_index_reserve(struct key_index *ix, uint32_t more)
{
	if (more <= ix->cap - ix->count)
		return OK;
	uint64_t cap = (uint64_t)ix->cap * 2;
	if (cap < (uint64_t)ix->count + more)
		cap = (uint64_t)ix->count + more;
	if (cap < 16)
		cap = 16;
	if (cap >= UINT32_MAX)
		return ERR_NOMEM;
	struct key_index_node *nodes = realloc(ix->nodes, ((size_t)cap + 1) * sizeof(*nodes));
	if (nodes == NULL)
		return ERR_NOMEM;
	nodes[0] = (struct key_index_node){.height = 0};
	ix->nodes = nodes;
	ix->cap = (uint32_t)cap;
	return OK;
}

int key_index_copy(struct key_index *out, const struct key_index *ix)
{
	key_index_init(out, ix->stride, ix->offset, ix->len);
	if (ix->count == 0)
		return OK;
	if (key_index_reserve(out, ix->count) != OK)
		return ERR_NOMEM;
	memcpy(out->nodes, ix->nodes, ((size_t)ix->count + 1) * sizeof(*out->nodes));
	out->count = ix->count;
	out->root = ix->root;
	return OK;
}

static const void *key_at(const struct key_index *ix, const void *rows, uint32_t row)
{
	return (const uint8_t *)rows + (size_t)row * ix->stride + ix->offset;
}

bool key_index_find(const struct key_index *ix, const void *rows, const void *key, uint32_t *row)
{
	for (uint32_t at = ix->root; at != 0;) {
		const struct key_index_node *n = &ix->nodes[at];
		int order = memcmp(key, key_at(ix, rows, n->row), ix->len);
		if (order == 0) {
			*row = n->row;
			return true;
		}
		at = n->child[order > 0];
	}
	return false;
}

uint32_t key_index_height(const struct key_index *ix)
{
	return ix->root == 0 ? 0 : ix->nodes[ix->root].height;
}

static void measure(struct key_index_node *nodes, uint32_t at)
{
	uint32_t l = nodes[nodes[at].child[0]].height, r = nodes[nodes[at].child[1]].height;
	nodes[at].height = (l > r ? l : r) + 1;
}

/* Lift the child on side `side` above `at`; returns it. */
static uint32_t rotate(struct key_index_node *nodes, uint32_t at, int side)
{
	uint32_t up = nodes[at].child[side];
	nodes[at].child[side] = nodes[up].child[!side];
	nodes[up].child[!side] = at;
	measure(nodes, at);
	measure(nodes, up);
	return up;
}

static uint32_t balance(struct key_index_node *nodes, uint32_t at)
{
	for (int side = 0; side < 2; side++) {
		uint32_t high = nodes[at].child[side], low = nodes[at].child[!side];
		if (nodes[high].height <= nodes[low].height + 1)
			continue;
		if (nodes[nodes[high].child[side]].height < nodes[nodes[high].child[!side]].height)
			nodes[at].child[side] = rotate(nodes, high, !side);
		return rotate(nodes, at, side);
	}
	measure(nodes, at);
	return at;
}

/* Depth is that of the tree: below 50 for as many rows as there can be. */
static uint32_t insert(struct key_index *ix, const void *rows, uint32_t at, uint32_t fresh)
{
	if (at == 0)
		return fresh;
	int order = memcmp(
	    key_at(ix, rows, ix->nodes[fresh].row), key_at(ix, rows, ix->nodes[at].row), ix->len);
	assert(order != 0);
	uint32_t below = insert(ix, rows, ix->nodes[at].child[order > 0], fresh);
	ix->nodes[at].child[order > 0] = below;
	return balance(ix->nodes, at);
}

void key_index_add(struct key_index *ix, const void *rows, uint32_t row)
{
	assert(ix->count < ix->cap);
	uint32_t fresh = ++ix->count;
	ix->nodes[fresh] = (struct key_index_node){.row = row, .height = 1};
	ix->root = insert(ix, rows, ix->root, fresh);
}
