/* SPDX-License-Identifier: BSD-2-Clause */
/* A log as tiles: the static form of C2SP tlog-tiles that a log is published in (SPEC.md section
 * 9.8). Which tiles a size has, what they are called, and the hashes in them. Any thread. */
#ifndef LOG_TILE_H
#define LOG_TILE_H

#include "log/tree.h"

#define TILE_WIDTH 256
#define TILE_PATH_MAX 64 /* of any tile's path, with its NUL */

/* Hashes [256 × n, 256 × n + width) of those that stand for 256^level entries each. The entry
 * bundle of the same n and width goes with a tile of level 0. */
struct tile {
	unsigned level;
	uint64_t n;
	unsigned width; /* 1 to TILE_WIDTH: a full one */
};

/* The next tile that a log of size b has, and one of size a hasn't in this width: level by level,
 * ascending. Begin with zeros; false at the end. a <= b < 2^63. */
bool tile_next(struct tile *t, uint64_t a, uint64_t b);

/* "tile/0/x001/x234/067.p/8", or "tile/entries/x001/x234/067.p/8". Returns the length. */
size_t tile_path(char out[static TILE_PATH_MAX], const struct tile *t, bool entries);

/* The hashes of a tile. ERR_RANGE when the tree isn't that large. A tile of level 0 in a full
 * block wants `fetch`; errors as tree.h has them for proofs. */
int tile_hashes(const struct tree *tree, const struct tile *t, tree_fetch *fetch, void *ctx,
    struct tree_hash out[static TILE_WIDTH]);

#endif
