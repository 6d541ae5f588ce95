/* SPDX-License-Identifier: BSD-2-Clause */
#include "log/tile.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "log/tree_private.h"

#define LEVELS 8 /* 256^8 entries are more than a log can have */

bool tile_next(struct tile *t, uint64_t a, uint64_t b)
{
	unsigned level = t->level;
	bool begun = t->width > 0;

	assert(a <= b);
	for (; level < LEVELS; level++, begun = false) {
		uint64_t had = a >> BLOCK_LEVEL * level, has = b >> BLOCK_LEVEL * level;
		uint64_t n = begun ? t->n + 1 : had / TILE_WIDTH;

		if (had == has)
			return false; /* nor do the levels above differ */
		if (n * TILE_WIDTH < has) {
			uint64_t width = has - n * TILE_WIDTH;

			t->level = level;
			t->n = n;
			t->width = width < TILE_WIDTH ? (unsigned)width : TILE_WIDTH;
			return true;
		}
	}
	return false;
}

/* Groups of three digits, an x before all but the last. */
static size_t number_put(char *out, size_t room, uint64_t n)
{
	size_t at = 0;
	uint64_t unit = 1;

	while (n / unit >= 1000)
		unit *= 1000;
	for (; unit > 1; unit /= 1000)
		at += (size_t)snprintf(out + at, room - at, "x%03u/", (unsigned)(n / unit % 1000));
	return at + (size_t)snprintf(out + at, room - at, "%03u", (unsigned)(n % 1000));
}

size_t tile_path(char out[static TILE_PATH_MAX], const struct tile *t, bool entries)
{
	size_t at = entries ? (size_t)snprintf(out, TILE_PATH_MAX, "tile/entries/")
			    : (size_t)snprintf(out, TILE_PATH_MAX, "tile/%u/", t->level);

	assert(t->level < LEVELS && t->width > 0 && t->width <= TILE_WIDTH);
	at += number_put(out + at, TILE_PATH_MAX - at, t->n);
	if (t->width < TILE_WIDTH)
		at += (size_t)snprintf(out + at, TILE_PATH_MAX - at, ".p/%u", t->width);
	return at;
}

/* Leaf hashes of a full block: what is fetched must be what the tree was grown from. */
static int block_fetch(const struct tree *tree, uint64_t block, tree_fetch *fetch, void *ctx,
    struct tree_hash out[static TILE_WIDTH])
{
	struct tree_hash nodes[BLOCK_NODES];
	int err;

	if (!fetch)
		return ERR_NOTFOUND;
	err = fetch(ctx, block * TREE_BLOCK, TREE_BLOCK, out);
	if (err)
		return err;
	for (size_t i = 0; i < TREE_BLOCK; i++)
		post_push(nodes, i, &out[i]);
	return memcmp(&nodes[BLOCK_NODES - 1], &tree->blocks[post_index(0, block)],
		   sizeof nodes[0]) == 0
		   ? OK
		   : ERR_STORE;
}

int tile_hashes(const struct tree *tree, const struct tile *t, tree_fetch *fetch, void *ctx,
    struct tree_hash out[static TILE_WIDTH])
{
	uint64_t full = tree->size / TREE_BLOCK, end;

	if (t->level >= LEVELS || t->width == 0 || t->width > TILE_WIDTH ||
	    t->n > UINT64_MAX / TILE_WIDTH - 1)
		return ERR_RANGE;
	end = t->n * TILE_WIDTH + t->width;
	if (end > tree->size >> BLOCK_LEVEL * t->level)
		return ERR_RANGE;
	if (t->level == 0 && t->n < full)
		return block_fetch(tree, t->n, fetch, ctx, out);
	for (unsigned i = 0; i < t->width; i++)
		out[i] = t->level == 0 ? tree->tail[post_index(0, i)]
				       : tree->blocks[post_index(
					     BLOCK_LEVEL * (t->level - 1), t->n * TILE_WIDTH + i)];
	return OK;
}
