/* SPDX-License-Identifier: BSD-2-Clause */
/* A replica, the rows that its store would hold, and the origin of its log: a full tree of the same
 * history, with which everything is compared. */
#ifndef TESTS_REPLICA_FIXTURE_H
#define TESTS_REPLICA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/replica.h"

#define NAME "n0.example/00112233445566778899aabbccddeeff/1"
#define GOOD SIZE_MAX
#define HISTORY 700

static struct key log_key, other_key;
static struct verifier verifier;

/* xorshift64*: the same run every time. */
static uint64_t random_state = 0x9e3779b97f4a7c15;
static inline uint64_t random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(2685821657736338717) >> 16) % n;
}

/* ---- the origin ---- */

struct history {
	size_t count;
	struct buffer *leaves;
	struct tree_hash *hashes;
	struct tree *tree;
};

/* Equal up to `forked_at`, then told by `seed`. The entry `bad` (if any), and another after it, has
 * bad_len bytes. */
static inline struct history *history_new(
    unsigned seed, size_t count, size_t forked_at, size_t bad, size_t bad_len)
{
	struct history *h = calloc(1, sizeof *h);

	h->count = count;
	h->leaves = calloc(count, sizeof *h->leaves);
	h->hashes = calloc(count, sizeof *h->hashes);
	h->tree = tree_new();
	for (size_t i = 0; i < count; i++) {
		size_t len = bad != GOOD && (i == bad || i == bad + 3) ? bad_len
			     : i % 97 == 96                            ? MESSAGE_MAX
								       : 8 + i % 50;
		uint8_t *at = buffer_reserve(&h->leaves[i], len + 1);

		for (size_t k = 0; k < len; k++)
			at[k] = (uint8_t)(k < 4 ? i >> 8 * k : i >= forked_at ? seed + k : k);
		h->leaves[i].len = len;
		leaf_hash(&h->hashes[i], buffer_bytes(&h->leaves[i]));
		assert_int_equal(tree_append(h->tree, &h->hashes[i]), OK);
	}
	return h;
}

static inline struct history *history_plain(size_t count)
{
	return history_new(0, count, count, GOOD, 0);
}

static inline void history_free(struct history *h)
{
	for (size_t i = 0; i < h->count; i++)
		buffer_free(&h->leaves[i]);
	free(h->leaves);
	free(h->hashes);
	tree_free(h->tree);
	free(h);
}

static inline int history_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	const struct history *h = ctx;

	memcpy(out, h->hashes + first, count * sizeof *out);
	return OK;
}

static inline void history_root(struct history *h, uint64_t size, uint8_t out[static HASH_LEN])
{
	assert_int_equal(tree_root_at(h->tree, size, history_fetch, h, out), OK);
}

static inline void history_note(
    struct history *h, uint64_t size, const struct key *key, struct buffer *out)
{
	struct checkpoint c = {.origin = NAME, .size = size};

	history_root(h, size, c.root);
	assert_int_equal(checkpoint_sign(out, &c, key), OK);
}

static inline void history_leaves(
    const struct history *h, uint64_t first, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count; i++)
		leaves_add(out, buffer_bytes(&h->leaves[first + i]));
}

/* A frame's contents. */
struct data {
	uint64_t first;
	struct buffer leaves, note, proof;
};

static inline void data_make(
    struct data *d, struct history *h, uint64_t first, size_t count, uint64_t note_size)
{
	struct tree_hash proof[TREE_PROOF_MAX];
	size_t n;

	memset(d, 0, sizeof *d);
	d->first = first;
	history_leaves(h, first, count, &d->leaves);
	history_note(h, note_size, &log_key, &d->note);
	assert_int_equal(tree_prove_range(h->tree, first, first + count, note_size, NULL, 0,
			     history_fetch, h, proof, &n),
	    OK);
	buffer_add(&d->proof, proof, n * sizeof *proof);
}

static inline void data_free(struct data *d)
{
	buffer_free(&d->leaves);
	buffer_free(&d->note);
	buffer_free(&d->proof);
}

/* ---- the node: a replica and the rows of its store ---- */

struct node {
	struct replica *replica;
	struct buffer entries;  /* all that are held */
	size_t at[HISTORY + 1]; /* where each begins */
	uint64_t size;
	uint8_t root[HASH_LEN];
	struct buffer note;
	struct tree_hash right[64], blocks[16];
	size_t right_count, block_count;
	size_t read_max; /* entries that one read gives at most */
	int read_err;
};

static inline int node_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct node *n = ctx;

	(void)max_bytes;
	if (n->read_err)
		return n->read_err;
	if (first >= n->size)
		return ERR_RANGE;
	if (count > n->size - first)
		count = (size_t)(n->size - first);
	if (count > n->read_max)
		count = n->read_max;
	buffer_add(out, n->entries.data + n->at[first], n->at[first + count] - n->at[first]);
	*got = count;
	return OK;
}

static inline struct replica *replica_of(struct node *n)
{
	struct replica *r = replica_new(&verifier, (struct replica_reader){node_read, n});

	assert_non_null(r);
	return r;
}

static inline struct node *node_new(void)
{
	struct node *n = calloc(1, sizeof *n);

	n->read_max = 100;
	n->replica = replica_of(n);
	return n;
}

static inline void node_free(struct node *n)
{
	replica_free(n->replica);
	buffer_free(&n->entries);
	buffer_free(&n->note);
	free(n);
}

static inline int load(struct node *n)
{
	return replica_load(n->replica, n->size, n->root, n->blocks, n->block_count,
	    buffer_bytes(&n->note), n->right, n->right_count);
}

/* A restart. */
static inline int node_load(struct node *n)
{
	replica_free(n->replica);
	n->replica = replica_of(n);
	return load(n);
}

static inline int node_unstage(struct node *n)
{
	return replica_unstage(n->replica, buffer_bytes(&n->note), n->right, n->right_count);
}

static inline int stage(struct node *n, const struct data *d, enum replica_outcome *outcome,
    struct replica_batch **batch)
{
	*batch = (struct replica_batch *)n;
	return replica_stage(n->replica, d->first, buffer_bytes(&d->leaves), buffer_bytes(&d->note),
	    buffer_bytes(&d->proof), outcome, batch);
}

/* What the store does with a batch. */
static inline void rows_put(struct node *n, const struct replica_batch *b)
{
	struct bytes leaf;
	size_t pos = 0;

	assert_int_equal(b->first, n->size);
	for (size_t i = 0; i < b->count; i++) {
		assert_int_equal(leaves_next(buffer_bytes(&b->leaves), &pos, &leaf), OK);
		leaves_add(&n->entries, leaf);
		n->at[++n->size] = n->entries.len;
	}
	assert_int_equal(pos, b->leaves.len);
	memcpy(n->root, b->root, HASH_LEN);
	for (size_t i = 0; i < b->block_count; i++)
		n->blocks[n->block_count++] = b->blocks[i];
	assert_int_equal(n->block_count, n->size / TREE_BLOCK);
	buffer_reset(&n->note);
	buffer_add(&n->note, b->note.data, b->note.len);
	memcpy(n->right, b->right, b->right_count * sizeof *b->right);
	n->right_count = b->right_count;
}

static inline void commit(struct node *n, const struct replica_batch *b)
{
	rows_put(n, b);
	replica_committed(n->replica);
	assert_int_equal(replica_held(n->replica), n->size);
	assert_memory_equal(replica_held_root(n->replica), n->root, HASH_LEN);
}

static inline enum replica_outcome offer(struct node *n, struct history *h, uint64_t first,
    size_t count, uint64_t note_size, struct replica_batch **batch)
{
	enum replica_outcome outcome;
	struct data d;

	data_make(&d, h, first, count, note_size);
	assert_int_equal(stage(n, &d, &outcome, batch), OK);
	data_free(&d);
	return outcome;
}

static inline const struct replica_batch *stage_some(
    struct node *n, struct history *h, size_t count, uint64_t note_size)
{
	struct replica_batch *b;

	assert_int_equal(
	    offer(n, h, replica_staged(n->replica), count, note_size, &b), REPLICA_STAGED);
	assert_non_null(b);
	return b;
}

static inline void take(struct node *n, struct history *h, size_t count, uint64_t note_size)
{
	commit(n, stage_some(n, h, count, note_size));
}

/* Everything that a batch says, against the full tree. */
static inline void batch_check(const struct replica_batch *b, struct history *h, uint64_t first,
    size_t count, uint64_t note_size)
{
	struct tree_hash proof[TREE_PROOF_MAX], block;
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	uint8_t root[HASH_LEN];
	size_t n, right = range_right_count(first + count, note_size);

	assert_int_equal(b->first, first);
	assert_int_equal(b->count, count);
	history_leaves(h, first, count, &leaves);
	assert_true(bytes_equal(buffer_bytes(&b->leaves), buffer_bytes(&leaves)));
	assert_memory_equal(b->hashes, h->hashes + first, count * sizeof *b->hashes);
	history_root(h, first + count, root);
	assert_memory_equal(b->root, root, HASH_LEN);
	history_note(h, note_size, &log_key, &note);
	assert_true(bytes_equal(buffer_bytes(&b->note), buffer_bytes(&note)));
	assert_int_equal(b->right_count, right);
	assert_int_equal(tree_prove_range(h->tree, first, first + count, note_size, NULL, 0,
			     history_fetch, h, proof, &n),
	    OK);
	assert_memory_equal(b->right, proof + n - right, right * sizeof *proof);
	assert_int_equal(b->block_count, (first + count) / TREE_BLOCK - first / TREE_BLOCK);
	for (size_t i = 0; i < b->block_count; i++) {
		assert_int_equal(tree_block(h->tree, first / TREE_BLOCK + i, &block), OK);
		assert_memory_equal(&b->blocks[i], &block, sizeof block);
	}
	buffer_free(&leaves);
	buffer_free(&note);
}

/* A held range is proven as the origin would, under the newest note. */
static inline void prove_check(const struct node *n, struct history *h, uint64_t a, uint64_t b)
{
	struct tree_hash ours[TREE_PROOF_MAX], theirs[TREE_PROOF_MAX];
	uint64_t size = replica_note_size(n->replica);
	uint8_t root[HASH_LEN];
	size_t count, expected;

	assert_int_equal(replica_prove(n->replica, a, b, ours, &count), OK);
	assert_int_equal(
	    tree_prove_range(h->tree, a, b, size, NULL, 0, history_fetch, h, theirs, &expected),
	    OK);
	assert_int_equal(count, expected);
	assert_memory_equal(ours, theirs, count * sizeof *ours);
	history_root(h, size, root);
	assert_int_equal(
	    range_verify(a, h->hashes + a, (size_t)(b - a), size, ours, count, root), OK);
}

static inline void prove_some(const struct node *n, struct history *h, unsigned times)
{
	uint64_t held = replica_held(n->replica);
	struct tree_hash out[TREE_PROOF_MAX];
	size_t count;

	for (unsigned i = 0; held > 0 && i < times; i++) {
		uint64_t a = random_below(held);

		prove_check(n, h, a, a + 1 + random_below(held - a));
	}
	if (held > 0)
		prove_check(n, h, 0, held);
	assert_int_equal(replica_prove(n->replica, held, held + 1, out, &count), ERR_RANGE);
}

/* ---- around the tests ---- */

static inline int group_setup(void **state)
{
	uint8_t seed[32];

	(void)state;
	memset(seed, 1, sizeof seed);
	key_from_seed(&log_key, seed);
	memset(seed, 2, sizeof seed);
	key_from_seed(&other_key, seed);
	return verifier_make(&verifier, bytes_str(NAME), VERIFIER_ED25519, log_key.public);
}

#endif
