/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/replica: what a DATA may do to a log, between memory and disk. Compared throughout with a
 * full tree of the same history. */
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
static uint64_t random_below(uint64_t n)
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
static struct history *history_new(
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

static struct history *history_plain(size_t count)
{
	return history_new(0, count, count, GOOD, 0);
}

static void history_free(struct history *h)
{
	for (size_t i = 0; i < h->count; i++)
		buffer_free(&h->leaves[i]);
	free(h->leaves);
	free(h->hashes);
	tree_free(h->tree);
	free(h);
}

static int history_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	const struct history *h = ctx;

	memcpy(out, h->hashes + first, count * sizeof *out);
	return OK;
}

static void history_root(struct history *h, uint64_t size, uint8_t out[static HASH_LEN])
{
	assert_int_equal(tree_root_at(h->tree, size, history_fetch, h, out), OK);
}

static void history_note(
    struct history *h, uint64_t size, const struct key *key, struct buffer *out)
{
	struct checkpoint c = {.origin = NAME, .size = size};

	history_root(h, size, c.root);
	assert_int_equal(checkpoint_sign(out, &c, key), OK);
}

static void history_leaves(
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

static void data_make(
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

static void data_free(struct data *d)
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

static int node_read(
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

static struct replica *replica_of(struct node *n)
{
	struct replica *r = replica_new(&verifier, (struct replica_reader){node_read, n});

	assert_non_null(r);
	return r;
}

static struct node *node_new(void)
{
	struct node *n = calloc(1, sizeof *n);

	n->read_max = 100;
	n->replica = replica_of(n);
	return n;
}

static void node_free(struct node *n)
{
	replica_free(n->replica);
	buffer_free(&n->entries);
	buffer_free(&n->note);
	free(n);
}

static int load(struct node *n)
{
	return replica_load(n->replica, n->size, n->root, n->blocks, n->block_count,
	    buffer_bytes(&n->note), n->right, n->right_count);
}

/* A restart. */
static int node_load(struct node *n)
{
	replica_free(n->replica);
	n->replica = replica_of(n);
	return load(n);
}

static int node_unstage(struct node *n)
{
	return replica_unstage(n->replica, buffer_bytes(&n->note), n->right, n->right_count);
}

static int stage(struct node *n, const struct data *d, enum replica_outcome *outcome,
    struct replica_batch **batch)
{
	*batch = (struct replica_batch *)n;
	return replica_stage(n->replica, d->first, buffer_bytes(&d->leaves), buffer_bytes(&d->note),
	    buffer_bytes(&d->proof), outcome, batch);
}

/* What the store does with a batch. */
static void rows_put(struct node *n, const struct replica_batch *b)
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

static void commit(struct node *n, const struct replica_batch *b)
{
	rows_put(n, b);
	replica_committed(n->replica);
	assert_int_equal(replica_held(n->replica), n->size);
	assert_memory_equal(replica_held_root(n->replica), n->root, HASH_LEN);
}

static enum replica_outcome offer(struct node *n, struct history *h, uint64_t first, size_t count,
    uint64_t note_size, struct replica_batch **batch)
{
	enum replica_outcome outcome;
	struct data d;

	data_make(&d, h, first, count, note_size);
	assert_int_equal(stage(n, &d, &outcome, batch), OK);
	data_free(&d);
	return outcome;
}

static const struct replica_batch *stage_some(
    struct node *n, struct history *h, size_t count, uint64_t note_size)
{
	struct replica_batch *b;

	assert_int_equal(
	    offer(n, h, replica_staged(n->replica), count, note_size, &b), REPLICA_STAGED);
	assert_non_null(b);
	return b;
}

static void take(struct node *n, struct history *h, size_t count, uint64_t note_size)
{
	commit(n, stage_some(n, h, count, note_size));
}

/* Everything that a batch says, against the full tree. */
static void batch_check(const struct replica_batch *b, struct history *h, uint64_t first,
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
static void prove_check(const struct node *n, struct history *h, uint64_t a, uint64_t b)
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

static void prove_some(const struct node *n, struct history *h, unsigned times)
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

/* ---- staging ---- */

static void test_staging(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	const struct replica_batch *first, *second;
	uint8_t empty[HASH_LEN];

	(void)state;
	assert_string_equal(replica_name(n->replica), NAME);
	memcpy(empty, replica_held_root(n->replica), HASH_LEN);
	assert_int_equal(replica_note(n->replica).len, 0);
	assert_int_equal(replica_note_size(n->replica), 0);

	first = stage_some(n, h, 3, 700);
	batch_check(first, h, 0, 3, 700);
	assert_int_equal(replica_staged(n->replica), 3);
	assert_int_equal(replica_held(n->replica), 0);
	assert_memory_equal(replica_held_root(n->replica), empty, HASH_LEN);
	assert_int_equal(replica_note_size(n->replica), 700);
	/* Over two blocks, under a note of exactly its end. */
	second = stage_some(n, h, 600, 603);
	batch_check(second, h, 3, 600, 603);
	assert_int_equal(second->block_count, 2);
	assert_int_equal(second->right_count, 0);
	assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&second->note)));

	/* In the order in which they were staged. */
	commit(n, first);
	assert_int_equal(replica_held(n->replica), 3);
	assert_int_equal(replica_staged(n->replica), 603);
	commit(n, second);
	assert_int_equal(replica_held(n->replica), 603);
	assert_false(replica_ended(n->replica));
	node_free(n);
	history_free(h);
}

static void test_overlap(void **state)
{
	struct history *h = history_plain(600);
	struct replica_batch *b;

	(void)state;
	for (uint64_t size = 1; size < 520; size += 1 + size / 7) {
		struct node *n = node_new();
		uint64_t first = random_below(size),
			 count = size - first + 1 + random_below(600 - size);

		take(n, h, (size_t)size, size);
		assert_int_equal(offer(n, h, first, (size_t)count, 600, &b), REPLICA_STAGED);
		batch_check(b, h, size, (size_t)(first + count - size), 600);
		/* On top of what is staged only. */
		if (first + count < 600) {
			assert_int_equal(
			    offer(n, h, size - 1, (size_t)(601 - size), 600, &b), REPLICA_STAGED);
			batch_check(b, h, first + count, (size_t)(600 - first - count), 600);
		}
		node_free(n);
	}
	history_free(h);
}

static void test_ahead_and_duplicate(void **state)
{
	struct history *h = history_plain(400);
	struct node *n = node_new();
	struct replica_batch *b;

	(void)state;
	assert_int_equal(offer(n, h, 1, 5, 400, &b), REPLICA_AHEAD);
	assert_null(b);
	take(n, h, 300, 310);
	assert_int_equal(offer(n, h, 301, 9, 400, &b), REPLICA_AHEAD);
	assert_null(b);
	assert_int_equal(offer(n, h, 0, 300, 400, &b), REPLICA_DUPLICATE);
	assert_null(b);
	assert_int_equal(offer(n, h, 299, 1, 300, &b), REPLICA_DUPLICATE);
	assert_int_equal(offer(n, h, 100, 50, 400, &b), REPLICA_DUPLICATE);
	assert_null(b);
	/* None of them moved anything, the note included. */
	assert_int_equal(replica_staged(n->replica), 300);
	assert_int_equal(replica_note_size(n->replica), 310);
	prove_some(n, h, 10);
	node_free(n);
	history_free(h);
}

static void test_forked(void **state)
{
	static const struct {
		uint64_t size, forked_at, first, count, note;
	} cases[] = {
	    {10, 5, 0, 10, 10},  /* the same size */
	    {10, 9, 9, 1, 10},   /* the last entry */
	    {10, 0, 10, 1, 11},  /* only what comes before differs */
	    {10, 9, 10, 5, 400}, /* a larger tree */
	    {10, 9, 4, 50, 400},
	    {256, 255, 256, 1, 257},
	    {256, 0, 0, 256, 256},
	    {257, 256, 250, 7, 300},
	    {300, 100, 300, 100, 400},
	    {300, 299, 100, 200, 300},
	    {300, 299, 100, 300, 400},
	};
	struct history *h = history_plain(400);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct history *other = history_new(77, 400, (size_t)cases[i].forked_at, GOOD, 0);
		struct node *n = node_new();
		struct replica_batch *b;

		/* Half of it held, half staged: it's all the same. */
		take(n, h, (size_t)cases[i].size / 2, 400);
		stage_some(n, h, (size_t)(cases[i].size - cases[i].size / 2), 400);
		assert_int_equal(
		    offer(n, other, cases[i].first, (size_t)cases[i].count, cases[i].note, &b),
		    REPLICA_FORKED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), cases[i].size);
		prove_some(n, h, 3);
		/* A fork that begins where we stand can't be told. */
		history_free(other);
		other = history_new(77, 400, (size_t)cases[i].size, GOOD, 0);
		assert_int_equal(offer(n, other, cases[i].size - 1, 2, 400, &b), REPLICA_STAGED);
		batch_check(b, other, cases[i].size, 1, 400);
		history_free(other);
		node_free(n);
	}
	history_free(h);
}

/* What does not prove itself, or not by this log's key. */
static void test_refused(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	struct data d;
	enum replica_outcome outcome;
	struct replica_batch *b;
	struct buffer many = BUFFER_INIT;
	struct checkpoint c = {
	    .origin = "n1.example/00112233445566778899aabbccddeeff/1", .size = 20};

	(void)state;
	take(n, h, 10, 10);
	data_make(&d, h, 10, 5, 20);

	buffer_reset(&d.note);
	history_note(h, 20, &other_key, &d.note);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_UNSIGNED);
	assert_null(b);
	buffer_reset(&d.note);
	history_root(h, 20, c.root);
	assert_int_equal(checkpoint_sign(&d.note, &c, &log_key), OK);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_OTHER_FORUM);
	/* Another size's note: the proof has another shape, or the root is another. */
	for (uint64_t size = 15; size < 40; size++) {
		buffer_reset(&d.note);
		history_note(h, size, &log_key, &d.note);
		assert_int_equal(stage(n, &d, &outcome, &b), size == 20 ? OK : ERR_PROOF);
		if (size == 20)
			assert_int_equal(node_unstage(n), OK);
	}
	buffer_reset(&d.note);
	history_note(h, 14, &log_key, &d.note);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = 14;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = UINT64_MAX;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	d.first = UINT64_MAX - 4;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_RANGE);
	data_free(&d);

	data_make(&d, h, 10, 5, 20);
	d.first = 9;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	d.first = 10;
	d.proof.len--;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	d.proof.len -= HASH_LEN - 1;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	data_free(&d);
	data_make(&d, h, 10, 5, 20);
	buffer_add(&d.proof, d.leaves.data, HASH_LEN);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_PROOF);
	while (d.proof.len <= TREE_PROOF_MAX * HASH_LEN)
		buffer_add(&d.proof, verifier.public, HASH_LEN);
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	data_free(&d);

	data_make(&d, h, 10, 5, 20);
	d.leaves.len--;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	d.leaves.len = 0;
	assert_int_equal(stage(n, &d, &outcome, &b), ERR_MALFORMED);
	/* Work is bounded whatever an entry weighs. */
	for (unsigned i = 0; i < 5000; i++)
		leaves_add(&many, bytes_of(NULL, 0));
	assert_int_equal(replica_stage(n->replica, 10, buffer_bytes(&many), buffer_bytes(&d.note),
			     buffer_bytes(&d.proof), &outcome, &b),
	    ERR_TOO_LARGE);
	assert_null(b);
	buffer_free(&many);
	data_free(&d);
	assert_int_equal(replica_staged(n->replica), 10);
	take(n, h, 5, 20);
	node_free(n);
	history_free(h);
}

/* Each bit of a frame counts: what was changed is refused, or was not what decides, and then stages
 * the same. */
static void flips(struct history *h, uint64_t size, uint64_t first, size_t count,
    uint64_t note_size, bool cosigned)
{
	struct node *n = node_new();
	struct data d;
	struct buffer *parts[] = {&d.leaves, &d.proof, &d.note};
	struct note note;
	enum replica_outcome outcome;
	struct replica_batch *b;
	uint8_t root[HASH_LEN];
	size_t refused = 0;

	if (size > 0)
		take(n, h, (size_t)size, size);
	data_make(&d, h, first, count, note_size);
	if (cosigned) {
		assert_int_equal(note_parse(&note, buffer_bytes(&d.note)), OK);
		buffer_reserve(&d.note, 1000); /* the text lies in there */
		assert_int_equal(note_parse(&note, buffer_bytes(&d.note)), OK);
		assert_int_equal(note_cosign(&d.note, note.text, bytes_str("w.example/cosigner"),
				     &other_key, 1790000000),
		    OK);
	}
	history_root(h, first + count, root);
	for (size_t p = 0; p < 3; p++) {
		for (size_t bit = 0; bit < 8 * parts[p]->len; bit++) {
			int err;

			parts[p]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			err = stage(n, &d, &outcome, &b);
			if (err) {
				assert_null(b);
				assert_int_equal(replica_staged(n->replica), size);
				refused++;
			} else {
				assert_ptr_equal(parts[p], &d.note);
				assert_true(cosigned);
				assert_int_equal(outcome, REPLICA_STAGED);
				assert_int_equal(replica_staged(n->replica), first + count);
				assert_memory_equal(b->root, root, HASH_LEN);
				assert_int_equal(node_unstage(n), OK);
			}
			parts[p]->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	assert_true(refused >= 8 * (d.leaves.len + d.proof.len));
	assert_int_equal(stage(n, &d, &outcome, &b), OK);
	assert_int_equal(outcome, REPLICA_STAGED);
	data_free(&d);
	node_free(n);
}

static void test_bit_flips(void **state)
{
	struct history *h = history_plain(80);

	(void)state;
	flips(h, 0, 0, 1, 1, false);
	flips(h, 0, 0, 3, 7, false);
	flips(h, 11, 11, 2, 75, true);
	flips(h, 12, 10, 4, 14, false);
	history_free(h);
}

/* ---- the end of a log ---- */

/* Whatever the batches, a log stops before the entry that no message can be, and what is held can
 * be proven. */
static void ends_at(size_t bad, size_t len)
{
	struct history *h = history_new(0, 600, 600, bad, len), *other = history_plain(600);
	struct node *n;
	struct replica_batch *b;

	for (unsigned round = 0; round < 6; round++) {
		const struct replica_batch *waiting[64];
		size_t waiting_count = 0;
		enum replica_outcome outcome = REPLICA_STAGED;

		n = node_new();
		/* First one or two at a time, then all at once, then one by one around the end,
		 * then as it comes. */
		while (outcome == REPLICA_STAGED) {
			uint64_t staged = replica_staged(n->replica),
				 first = staged - random_below(staged + 1);
			uint64_t count = staged - first + 1 + random_below(round == 0 ? 2 : 300);

			if (round == 1)
				count = 600 - first;
			if (round == 2 && staged >= bad - bad % 5)
				count = staged - first + 1;
			if (count > 600 - first)
				count = 600 - first;
			outcome = offer(n, h, first, (size_t)count,
			    first + count + random_below(601 - first - count), &b);
			assert_true(outcome == REPLICA_STAGED || outcome == REPLICA_ENDED);
			assert_true(b || outcome == REPLICA_ENDED);
			if (b)
				waiting[waiting_count++] = b;
			if (waiting_count == 64 || (waiting_count > 0 && random_below(2))) {
				commit(n, waiting[0]);
				memmove(waiting, waiting + 1, --waiting_count * sizeof *waiting);
			}
			prove_some(n, h, 1);
		}
		assert_int_equal(replica_staged(n->replica), bad);
		assert_true(replica_ended(n->replica));
		for (size_t i = 0; i < waiting_count; i++)
			commit(n, waiting[i]);
		prove_some(n, h, 10);
		/* It stays ended. */
		assert_int_equal(offer(n, h, bad, 1, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(offer(n, h, bad + 1, 5, 600, &b), REPLICA_AHEAD);
		assert_null(b);
		assert_int_equal(offer(n, h, bad / 2, 599 - bad / 2, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), bad);
		/* Even when its origin now says otherwise: the other entry may be signed as well.
		 */
		assert_int_equal(offer(n, other, bad, 2, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_int_equal(replica_staged(n->replica), bad);
		/* And after a restart as soon as it is seen again. */
		if (bad > 0) {
			assert_int_equal(node_load(n), OK);
			prove_some(n, h, 10);
		}
		assert_int_equal(offer(n, h, bad, 5, 600, &b), REPLICA_ENDED);
		assert_null(b);
		assert_true(replica_ended(n->replica));
		node_free(n);
	}
	history_free(h);
	history_free(other);
}

static void test_end(void **state)
{
	static const size_t at[] = {0, 1, 5, 255, 256, 257, 300, 512};
	static const size_t lens[] = {0, MESSAGE_MAX + 1, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
		ends_at(at[i], lens[i % 3]);
}

/* An end that was staged with entries before it, which could not be stored: as if never seen. */
static void test_end_unstaged(void **state)
{
	struct history *h = history_new(0, 50, 50, 20, 0);
	struct node *n = node_new();
	struct replica_batch *b;

	(void)state;
	take(n, h, 10, 10);
	assert_int_equal(offer(n, h, 10, 20, 50, &b), REPLICA_ENDED);
	batch_check(b, h, 10, 10, 50);
	assert_int_equal(node_unstage(n), OK);
	assert_false(replica_ended(n->replica));
	assert_int_equal(replica_staged(n->replica), 10);
	assert_int_equal(offer(n, h, 10, 20, 50, &b), REPLICA_ENDED);
	commit(n, b);
	assert_int_equal(replica_held(n->replica), 20);
	node_free(n);
	history_free(h);
}

/* ---- unstaging and loading ---- */

static void test_unstage(void **state)
{
	struct history *h = history_plain(HISTORY);
	static const uint64_t held[] = {0, 1, 10, 255, 256, 300, 512};

	(void)state;
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
		struct node *n = node_new();
		const struct replica_batch *oldest;

		if (held[i] > 0)
			take(n, h, (size_t)held[i], held[i] + 50);
		oldest = stage_some(n, h, 20, 650);
		stage_some(n, h, 100, 700);
		stage_some(n, h, 1, 640);
		commit(n, oldest);
		assert_int_equal(node_unstage(n), OK);
		assert_int_equal(replica_staged(n->replica), held[i] + 20);
		assert_int_equal(replica_held(n->replica), held[i] + 20);
		assert_int_equal(replica_note_size(n->replica), 650);
		assert_true(bytes_equal(replica_note(n->replica), buffer_bytes(&n->note)));
		prove_some(n, h, 20);
		/* From here on as ever, cut elsewhere. */
		batch_check(stage_some(n, h, 60, 690), h, held[i] + 20, 60, 690);
		assert_int_equal(node_unstage(n), OK);
		take(n, h, 7, 700);
		prove_some(n, h, 20);
		/* A store that can't be read either says so. */
		if (replica_held(n->replica) % TREE_BLOCK > 0) {
			n->read_err = ERR_IO;
			assert_int_equal(node_unstage(n), ERR_IO);
		}
		node_free(n);
	}
	history_free(h);
}

static void test_load(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 255, 256, 257, 511, 512, 513, 600};
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();

	(void)state;
	assert_int_equal(node_load(n), OK); /* nothing at all */
	assert_int_equal(replica_staged(n->replica), 0);
	node_free(n);
	for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t size = sizes[i / 2],
			 note_size = i % 2 ? size : size + 1 + random_below(HISTORY - size);

		n = node_new();
		take(n, h, (size_t)size, note_size);
		assert_int_equal(node_load(n), OK);
		assert_int_equal(replica_held(n->replica), size);
		assert_int_equal(replica_staged(n->replica), size);
		assert_int_equal(replica_note_size(n->replica), note_size);
		assert_memory_equal(replica_held_root(n->replica), n->root, HASH_LEN);
		prove_some(n, h, 20);
		take(n, h, 30, HISTORY);
		prove_some(n, h, 20);
		node_free(n);
	}
	history_free(h);
}

/* Rows that don't belong together are not taken: proofs made of them would be wrong. */
static void test_load_damaged(void **state)
{
	static const uint64_t sizes[] = {3, 256, 300, 513};
	struct history *h = history_plain(HISTORY), *other = history_new(9, HISTORY, 0, GOOD, 0);

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t size = sizes[i], note_size = size + 5;
		struct node *n = node_new();
		struct buffer note = BUFFER_INIT;
		size_t right_count;

		take(n, h, (size_t)size, note_size);
		n->root[31] ^= 1;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->root[31] ^= 1;
		if (n->block_count > 0) {
			n->blocks[n->block_count - 1].bytes[0] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->blocks[n->block_count - 1].bytes[0] ^= 1;
		}
		if (size % TREE_BLOCK > 0) {
			n->entries.data[n->entries.len - 1] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->entries.data[n->entries.len - 1] ^= 1;
			n->read_err = ERR_STORE;
			assert_int_equal(node_load(n), ERR_STORE);
			n->read_err = OK;
		}
		for (size_t k = 0; k < n->right_count; k++) {
			n->right[k].bytes[7] ^= 1;
			assert_int_equal(node_load(n), ERR_PROOF);
			n->right[k].bytes[7] ^= 1;
		}
		n->right_count--;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count += 2;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count--;
		/* Another note: below the size, of another history, by another key, none. */
		note = n->note;
		n->note = (struct buffer)BUFFER_INIT;
		history_note(h, size - 1, &log_key, &n->note);
		right_count = n->right_count;
		n->right_count = 0;
		assert_int_equal(node_load(n), ERR_PROOF);
		n->right_count = right_count;
		buffer_reset(&n->note);
		history_note(other, note_size, &log_key, &n->note);
		assert_int_equal(node_load(n), ERR_PROOF);
		buffer_reset(&n->note);
		history_note(h, note_size, &other_key, &n->note);
		assert_int_equal(node_load(n), ERR_UNSIGNED);
		buffer_reset(&n->note);
		assert_int_equal(node_load(n), ERR_PROOF);
		buffer_free(&n->note);
		n->note = note;
		assert_int_equal(node_load(n), OK);
		prove_some(n, h, 5);
		node_free(n);
	}
	history_free(h);
	history_free(other);
}

/* ---- proving ---- */

/* What is held is proven while more is staged, also under a note of a size that nobody here holds.
 */
static void test_prove(void **state)
{
	struct history *h = history_plain(HISTORY);

	(void)state;
	for (unsigned round = 0; round < 30; round++) {
		struct node *n = node_new();
		const struct replica_batch *b;
		uint64_t held = 1 + random_below(500), staged = held + 1 + random_below(100);
		struct tree_hash out[64], expected[64];
		size_t count, expected_count;
		uint8_t root[HASH_LEN];

		take(n, h, (size_t)held, held + random_below(HISTORY + 1 - held));
		prove_some(n, h, 10);
		b = stage_some(
		    n, h, (size_t)(staged - held), staged + random_below(HISTORY + 1 - staged));
		prove_some(n, h, 20);
		commit(n, b);
		prove_some(n, h, 20);
		prove_check(n, h, held - 1, staged);

		/* Inclusion: under a note that covers no more than we hold. */
		b = stage_some(n, h, 1, staged + 1);
		assert_int_equal(
		    replica_prove_inclusion(n->replica, staged, out, &count), ERR_RANGE);
		history_root(h, staged + 1, root);
		for (uint64_t index = random_below(staged); index < staged; index += 50) {
			assert_int_equal(
			    replica_prove_inclusion(n->replica, index, out, &count), OK);
			assert_int_equal(tree_prove_inclusion(h->tree, index, staged + 1,
					     history_fetch, h, expected, &expected_count),
			    OK);
			assert_int_equal(count, expected_count);
			assert_memory_equal(out, expected, count * sizeof *out);
			assert_int_equal(inclusion_verify(index, staged + 1, &h->hashes[index], out,
					     count, root),
			    OK);
		}
		commit(n, b);
		stage_some(n, h, 1, HISTORY);
		assert_int_equal(replica_prove_inclusion(n->replica, 0, out, &count), ERR_RANGE);
		node_free(n);
	}
	history_free(h);
}

/* Batches of any size, any overlap, commits and failures in between. */
static void test_random(void **state)
{
	struct history *h = history_plain(HISTORY);

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		struct node *n = node_new();
		const struct replica_batch *waiting[HISTORY];
		size_t waiting_count = 0;
		uint64_t expected = 0, size_max = 10 + random_below(round % 3 ? 60 : 400);

		while (replica_held(n->replica) < HISTORY) {
			uint64_t first, end, note;
			struct replica_batch *b;
			enum replica_outcome outcome;

			switch (random_below(8)) {
			case 0:
			case 1:
				if (waiting_count > 0) {
					commit(n, waiting[0]);
					memmove(waiting, waiting + 1,
					    --waiting_count * sizeof *waiting);
				}
				break;
			case 2:
				if (random_below(4) > 0)
					break;
				assert_int_equal(node_unstage(n), OK);
				waiting_count = 0;
				expected = n->size;
				break;
			case 3:
				if (waiting_count > 0 || n->size == 0)
					break;
				assert_int_equal(node_load(n), OK);
				break;
			case 4:
				prove_some(n, h, 2);
				break;
			default:
				first = random_below(10) > 0
					    ? expected - random_below(expected + 1) /
							     (1 + random_below(50))
					    : random_below(HISTORY);
				end = first + 1 + random_below(size_max);
				if (end > HISTORY)
					end = HISTORY;
				if (first >= end)
					break;
				note = end + random_below(HISTORY + 1 - end);
				outcome = offer(n, h, first, (size_t)(end - first), note, &b);
				if (first > expected) {
					assert_int_equal(outcome, REPLICA_AHEAD);
				} else if (end <= expected) {
					assert_int_equal(outcome, REPLICA_DUPLICATE);
				} else {
					assert_int_equal(outcome, REPLICA_STAGED);
					batch_check(b, h, expected, (size_t)(end - expected), note);
					waiting[waiting_count++] = b;
					expected = end;
				}
				assert_true(b != NULL || outcome != REPLICA_STAGED);
			}
			assert_int_equal(replica_staged(n->replica), expected);
			assert_int_equal(replica_held(n->replica), n->size);
			assert_true(replica_note_size(n->replica) >= expected);
		}
		prove_some(n, h, 20);
		node_free(n);
	}
	history_free(h);
}

/* ---- our own ---- */

static void test_own(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct node *n = node_new();
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct replica_batch *b;
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN], expected[HASH_LEN];
	uint64_t size;
	size_t count;

	(void)state;
	for (uint64_t at = 0; at < HISTORY; at += (size_t)count) {
		count = at == 0 ? 1 : 1 + random_below(90);
		if (count > HISTORY - at)
			count = HISTORY - (size_t)at;
		buffer_reset(&leaves);
		buffer_reset(&note);
		history_leaves(h, at, count, &leaves);
		assert_int_equal(
		    replica_propose(n->replica, buffer_bytes(&leaves), &size, root), OK);
		history_root(h, at + count, expected);
		assert_int_equal(size, at + count);
		assert_memory_equal(root, expected, HASH_LEN);
		assert_int_equal(replica_staged(n->replica), at); /* nothing has happened */
		history_note(h, size, &log_key, &note);
		assert_int_equal(
		    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
		    OK);
		batch_check(b, h, at, count, size);
		commit(n, b);
		prove_some(n, h, 2);
		assert_int_equal(replica_prove_inclusion(n->replica, at, proof, &count), OK);
		assert_int_equal(
		    inclusion_verify(at, size, &h->hashes[at], proof, count, root), OK);
		count = (size_t)(size - at);
	}
	buffer_free(&leaves);
	buffer_free(&note);
	node_free(n);
	history_free(h);
}

/* A signature over anything but these leaves after what is staged; and leaves that would end our
 * log. */
static void test_own_refused(void **state)
{
	static const uint8_t zeros[MESSAGE_MAX + 1];
	struct history *h = history_plain(50);
	struct node *n = node_new();
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct checkpoint c = {.origin = NAME};
	struct replica_batch *b;
	uint8_t root[HASH_LEN];
	uint64_t size;

	(void)state;
	take(n, h, 10, 10);
	history_leaves(h, 10, 5, &leaves);
	for (size = 9; size < 20; size++) {
		buffer_reset(&note);
		history_note(h, size, &log_key, &note);
		if (size != 15) {
			assert_int_equal(replica_stage_own(n->replica, buffer_bytes(&leaves),
					     buffer_bytes(&note), &b),
			    ERR_PROOF);
			assert_null(b);
		}
	}
	/* The root is right, the size is not. */
	c.size = 16;
	history_root(h, 15, c.root);
	buffer_reset(&note);
	assert_int_equal(checkpoint_sign(&note, &c, &log_key), OK);
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_PROOF);
	buffer_reset(&note);
	history_note(h, 15, &other_key, &note);
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_UNSIGNED);
	buffer_reset(&note);
	history_note(h, 15, &log_key, &note);
	leaves.data[2] ^= 1;
	assert_int_equal(
	    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
	    ERR_PROOF);
	leaves.data[2] ^= 1;
	assert_int_equal(replica_stage_own(n->replica, bytes_of(NULL, 0), buffer_bytes(&note), &b),
	    ERR_MALFORMED);
	assert_int_equal(
	    replica_propose(n->replica, bytes_of(NULL, 0), &size, root), ERR_MALFORMED);
	assert_int_equal(replica_staged(n->replica), 10);

	for (unsigned i = 0; i < 2; i++) {
		buffer_reset(&leaves);
		history_leaves(h, 10, 2, &leaves);
		leaves_add(&leaves, bytes_of(zeros, i ? sizeof zeros : 0));
		assert_int_equal(
		    replica_propose(n->replica, buffer_bytes(&leaves), &size, root), ERR_INVALID);
		assert_int_equal(
		    replica_stage_own(n->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b),
		    ERR_INVALID);
	}
	buffer_free(&leaves);
	buffer_free(&note);
	node_free(n);
	history_free(h);
}

static int group_setup(void **state)
{
	uint8_t seed[32];

	(void)state;
	memset(seed, 1, sizeof seed);
	key_from_seed(&log_key, seed);
	memset(seed, 2, sizeof seed);
	key_from_seed(&other_key, seed);
	return verifier_make(&verifier, bytes_str(NAME), VERIFIER_ED25519, log_key.public);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_staging),
	    cmocka_unit_test(test_overlap),
	    cmocka_unit_test(test_ahead_and_duplicate),
	    cmocka_unit_test(test_forked),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_bit_flips),
	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_end_unstaged),
	    cmocka_unit_test(test_unstage),
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_load_damaged),
	    cmocka_unit_test(test_prove),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_own_refused),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
