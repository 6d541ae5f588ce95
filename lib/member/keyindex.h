/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds rows of an array by a run of bytes within them: a height-balanced tree that only grows.
 *
 * Keys and identities are chosen by strangers, so their cost may not depend on what they are: at
 * most 1.44 log2(n) comparisons, without a secret that a hash would need. The tree holds row
 * numbers, not pointers, so the array may move. One owner at a time. */
#ifndef MEMBER_KEYINDEX_H
#define MEMBER_KEYINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_index {
	struct key_index_node *nodes; /* [0] stands for "none" */
	uint32_t count, cap, root;
	size_t stride, offset, len; /* of the rows, of the key in a row, of the key */
};

void key_index_init(struct key_index *ix, size_t stride, size_t offset, size_t len);
void key_index_free(struct key_index *ix);
/* Make `out` (uninitialised) a copy. ERR_NOMEM. */
int key_index_copy(struct key_index *out, const struct key_index *ix);

/* Make room for `more` rows, so that so many key_index_add() can't fail. ERR_NOMEM. */
int key_index_reserve(struct key_index *ix, uint32_t more);
/* Add a row whose key isn't there yet and for which there is room. */
void key_index_add(struct key_index *ix, const void *rows, uint32_t row);
/* The most comparisons that key_index_find() makes. */
uint32_t key_index_height(const struct key_index *ix);
bool key_index_find(const struct key_index *ix, const void *rows, const void *key, uint32_t *row);

#endif
