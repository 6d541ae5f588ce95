/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a replica share: what it is, and a DATA under examination. */
#ifndef LOG_REPLICA_PRIVATE_H
#define LOG_REPLICA_PRIVATE_H

#include "log/replica.h"
#include "log/tree_private.h"

#define RIGHT_MAX 64
/* Kept, and sent again with every entry: room for a hundred cosignatures, and not for a stranger's
 * ballast. */
#define DATA_NOTE_MAX 16384

struct replica {
	struct verifier key;
	struct replica_reader reader;
	struct tree *tree; /* everything staged */
	uint64_t held;
	uint8_t held_root[HASH_LEN];
	struct replica_batch *first, **last; /* staged, oldest first */
	struct buffer note;
	uint64_t note_size;
	/* Its signature was verified when it came: what comes in bulk comes under one checkpoint.
	 */
	bool note_opened;
	uint8_t note_root[HASH_LEN];
	struct tree_hash right[RIGHT_MAX]; /* of tree_size() under note_size */
	size_t right_count;
	struct buffer shown; /* the checkpoint before, if that was of exactly what was held */
	uint64_t shown_size;
	bool ended;
};

/* Leaf hashes of what is held or staged: the tree's fetch, with a replica as `ctx`. */
int replica_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out);

struct data {
	uint64_t first;
	size_t count;
	struct tree_hash *hashes;
	struct tree_hash *proof;
	size_t proof_count;
	struct checkpoint head;
	size_t bad;    /* the first entry that is empty or over 2,048 bytes; count: none */
	size_t bad_at; /* where its length stands in the bytes */
};

/* Check it by itself; to be cleared also after an error. `known`: whose note it may come under;
 * or NULL. */
int data_open(struct data *d, const struct replica *known, const struct verifier *key,
    uint64_t first, struct bytes leaves, struct bytes note, struct bytes proof);
void data_clear(struct data *d);
/* The perfect subtrees of [0, end), of the history that the DATA proves: its left hashes with its
 * first leaves. Returns how many. */
size_t data_peaks(const struct data *d, uint64_t end, struct tree_hash out[static 128]);
/* Hashes right of `cut`, which lies in the DATA's range, under its checkpoint. */
size_t data_right(const struct data *d, uint64_t cut, struct tree_hash out[static RIGHT_MAX]);

#endif
