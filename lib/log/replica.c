/* SPDX-License-Identifier: BSD-2-Clause */
#include "log/replica.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/replica_private.h"

/* A DATA of tiny entries must not buy seconds of hashing: senders put at most 256 into one. */
#define DATA_ENTRIES_MAX 4096

struct replica *replica_new(const struct verifier *key, struct replica_reader reader)
{
	struct replica *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->key = *key;
	r->reader = reader;
	r->last = &r->first;
	r->tree = tree_new();
	if (!r->tree) {
		free(r);
		return NULL;
	}
	tree_root(r->tree, r->held_root);
	return r;
}

static void batch_free(struct replica_batch *b)
{
	buffer_free(&b->leaves);
	buffer_free(&b->note);
	free(b->hashes);
	free(b->blocks);
	free(b);
}

static void batches_free(struct replica *r)
{
	while (r->first) {
		struct replica_batch *next = r->first->next;

		batch_free(r->first);
		r->first = next;
	}
	r->last = &r->first;
}

void replica_free(struct replica *r)
{
	if (!r)
		return;
	batches_free(r);
	tree_free(r->tree);
	buffer_free(&r->note);
	buffer_free(&r->shown);
	free(r);
}

/* Leaf hashes of held entries, from their bytes. */
static int held_hashes(const struct replica *r, uint64_t first, size_t count, struct tree_hash *out)
{
	struct buffer bytes = BUFFER_INIT;
	int err = OK;

	while (count > 0 && !err) {
		size_t got = 0, pos = 0;
		struct bytes leaf;

		buffer_reset(&bytes);
		err = r->reader.read(r->reader.ctx, first, count, SIZE_MAX, &bytes, &got);
		if (!err && (got == 0 || got > count))
			err = ERR_STORE;
		for (size_t i = 0; i < got && !err; i++) {
			err = leaves_next(buffer_bytes(&bytes), &pos, &leaf);
			if (!err)
				leaf_hash(out++, leaf);
		}
		first += got;
		count -= got;
	}
	buffer_free(&bytes);
	return err;
}

/* The tree's fetch: staged entries are not in the store yet, so their hashes come from the batches.
 */
int replica_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	const struct replica *r = ctx;

	if (first < r->held) {
		size_t n = count < r->held - first ? count : (size_t)(r->held - first);
		int err = held_hashes(r, first, n, out);

		if (err)
			return err;
		first += n;
		out += n;
		count -= n;
	}
	for (const struct replica_batch *b = r->first; b && count > 0; b = b->next) {
		if (first >= b->first + b->count)
			continue;
		size_t n = (size_t)(b->first + b->count - first);

		if (n > count)
			n = count;
		memcpy(out, b->hashes + (first - b->first), n * sizeof *out);
		first += n;
		out += n;
		count -= n;
	}
	return count == 0 ? OK : ERR_RANGE;
}

/* A note and the hashes right of what is held must belong to it, or every proof made of them would
 * be wrong, and would pass as our fault at whoever gets it. */
static int note_check(const struct replica *r, const struct checkpoint *c,
    const struct tree_hash *right, size_t right_count)
{
	struct tree_hash proof[TREE_PROOF_MAX], last;
	size_t count;
	int err;

	if (r->held == 0)
		return memcmp(right, c->root, HASH_LEN) == 0 ? OK : ERR_PROOF;
	err = held_hashes(r, r->held - 1, 1, &last);
	if (!err)
		err = tree_prove_range(r->tree, r->held - 1, r->held, c->size, right, right_count,
		    replica_fetch, (void *)(uintptr_t)r, proof, &count);
	return err ? err : range_verify(r->held - 1, &last, 1, c->size, proof, count, c->root);
}

static int set_note(struct replica *r, struct bytes note, uint64_t size,
    const struct tree_hash *right, size_t count)
{
	int err = OK;

	assert(count <= RIGHT_MAX);
	r->note_opened = false;
	if (r->note_size == r->held && size > r->held) {
		struct buffer before = r->shown;

		r->shown = r->note;
		r->shown_size = r->note_size;
		r->note = before;
	}
	buffer_reset(&r->note);
	if (note.len > 0)
		err = checkpoint_reduce(&r->note, note, &r->key);
	if (err)
		return err;
	r->note_size = size;
	if (count > 0)
		memcpy(r->right, right, count * sizeof *right);
	r->right_count = count;
	return OK;
}

int replica_load(struct replica *r, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *blocks, size_t block_count, struct bytes note,
    const struct tree_hash *right, size_t right_count)
{
	struct tree_hash tail[TREE_BLOCK];
	struct checkpoint c = {.size = 0};
	uint8_t computed[HASH_LEN];
	int err = OK;

	assert(replica_staged(r) == 0 && block_count == size / TREE_BLOCK);
	if (note.len > 0)
		err = checkpoint_open(note, &r->key, &c);
	if (!err && (c.size < size || right_count > RIGHT_MAX ||
			right_count != range_right_count(size, c.size)))
		err = size > 0 || note.len > 0 ? ERR_PROOF : OK;
	if (!err && size % TREE_BLOCK > 0)
		err = held_hashes(r, size - size % TREE_BLOCK, size % TREE_BLOCK, tail);
	if (!err)
		err = tree_load(r->tree, blocks, block_count, tail, size % TREE_BLOCK);
	if (err)
		return err;
	tree_root(r->tree, computed);
	if (size > 0 && memcmp(computed, root, HASH_LEN) != 0)
		return ERR_PROOF;
	r->held = size;
	memcpy(r->held_root, computed, HASH_LEN);
	if (note.len == 0)
		return OK;
	err = note_check(r, &c, right, right_count);
	return err ? err : set_note(r, note, c.size, right, right_count);
}

const struct verifier *replica_key(const struct replica *r)
{
	return &r->key;
}

const char *replica_name(const struct replica *r)
{
	return r->key.name;
}
uint64_t replica_held(const struct replica *r)
{
	return r->held;
}
uint64_t replica_staged(const struct replica *r)
{
	return tree_size(r->tree);
}
const uint8_t *replica_held_root(const struct replica *r)
{
	return r->held_root;
}
bool replica_ended(const struct replica *r)
{
	return r->ended;
}
struct bytes replica_note(const struct replica *r)
{
	return buffer_bytes(&r->note);
}
uint64_t replica_note_size(const struct replica *r)
{
	return r->note_size;
}

/* ---- a DATA under examination ---- */

static int data_hashes(struct data *d, struct bytes leaves)
{
	struct bytes leaf;
	size_t pos = 0, cap = 0;
	int err;

	d->bad = SIZE_MAX;
	for (;;) {
		size_t before = pos;

		err = leaves_next(leaves, &pos, &leaf);
		if (err)
			break;
		if (d->count == DATA_ENTRIES_MAX)
			return ERR_TOO_LARGE;
		if (d->count == cap) {
			struct tree_hash *grown;

			cap = cap ? cap * 2 : TREE_BLOCK;
			grown = realloc(d->hashes, cap * sizeof *grown);
			if (!grown)
				return ERR_NOMEM;
			d->hashes = grown;
		}
		if ((leaf.len == 0 || leaf.len > MESSAGE_MAX) && d->bad == SIZE_MAX) {
			d->bad = d->count;
			d->bad_at = before;
		}
		leaf_hash(&d->hashes[d->count++], leaf);
	}
	if (err != ERR_NOTFOUND)
		return err;
	if (d->bad == SIZE_MAX) {
		d->bad = d->count;
		d->bad_at = leaves.len;
	}
	return d->count > 0 ? OK : ERR_MALFORMED;
}

/* Leaves of ours: one that ends a log would end it for all. */
static int own_hashes(struct data *d, struct bytes leaves)
{
	int err = data_hashes(d, leaves);

	return !err && d->bad < d->count ? ERR_INVALID : err;
}

int data_open(struct data *d, const struct replica *known, const struct verifier *key,
    uint64_t first, struct bytes leaves, struct bytes note, struct bytes proof)
{
	int err = OK;

	memset(d, 0, sizeof *d);
	d->first = first;
	if (proof.len % HASH_LEN != 0 || proof.len / HASH_LEN > TREE_PROOF_MAX)
		return ERR_MALFORMED;
	if (note.len > DATA_NOTE_MAX)
		return ERR_TOO_LARGE;
	if (known && known->note_opened && bytes_equal(note, buffer_bytes(&known->note))) {
		d->head.size = known->note_size;
		memcpy(d->head.root, known->note_root, HASH_LEN);
	} else {
		err = checkpoint_open(note, key, &d->head);
	}
	if (err)
		return err;
	err = data_hashes(d, leaves);
	if (err)
		return err;
	if (first >= d->head.size || d->count > d->head.size - first)
		return ERR_RANGE;
	d->proof_count = proof.len / HASH_LEN;
	d->proof = malloc((d->proof_count + 1) * sizeof *d->proof);
	if (!d->proof)
		return ERR_NOMEM;
	if (proof.len > 0)
		memcpy(d->proof, proof.data, proof.len);
	return range_verify(
	    first, d->hashes, d->count, d->head.size, d->proof, d->proof_count, d->head.root);
}

void data_clear(struct data *d)
{
	free(d->hashes);
	free(d->proof);
}

size_t data_peaks(const struct data *d, uint64_t end, struct tree_hash out[static 128])
{
	size_t n = range_left_count(d->first);
	uint64_t at = d->first;

	if (n > 0)
		memcpy(out, d->proof, n * sizeof *out);
	for (size_t i = 0; at < end; i++, at++) {
		out[n++] = d->hashes[i];
		for (uint64_t p = at; p & 1; p >>= 1, n--)
			node_hash(&out[n - 2], &out[n - 2], &out[n - 1]);
	}
	return n;
}

/* Whether the history that the DATA proves is ours at staged size. */
static bool data_agrees(const struct data *d, const struct tree *tree)
{
	struct tree_hash theirs[128], ours[64];
	size_t n = data_peaks(d, tree_size(tree), theirs), mine = tree_compact(tree, ours);

	return n == mine && memcmp(theirs, ours, n * sizeof *ours) == 0;
}

int replica_check_data(const struct verifier *key, uint64_t first, struct bytes leaves,
    struct bytes note, struct bytes proof, size_t *count, uint8_t root[static HASH_LEN])
{
	struct tree_hash peaks[128], top;
	struct data d;
	int err = data_open(&d, NULL, key, first, leaves, note, proof);

	*count = d.count;
	if (!err) {
		peaks_fold(&top, peaks, data_peaks(&d, first + d.count, peaks));
		memcpy(root, top.bytes, HASH_LEN);
	}
	data_clear(&d);
	return err;
}

/* Hashes right of `cut`, which lies in the DATA's range, under its checkpoint: the proof's, and
 * what follows from its leaves. */
struct narrow {
	const struct data *d;
	uint64_t cut;
	const struct tree_hash *proof;
	struct tree_hash *out;
	size_t count;
};

static void narrow_walk(
    struct narrow *w, uint64_t lo, uint64_t hi, bool emit, struct tree_hash *hash)
{
	const struct data *d = w->d;
	bool whole = emit && lo >= w->cut;

	if (hi <= d->first || lo >= d->first + d->count) {
		*hash = *w->proof++;
	} else if (hi - lo == 1) {
		*hash = d->hashes[lo - d->first];
	} else {
		uint64_t mid = lo + split_of(hi - lo);
		struct tree_hash left, right;

		narrow_walk(w, lo, mid, emit && !whole, &left);
		narrow_walk(w, mid, hi, emit && !whole, &right);
		node_hash(hash, &left, &right);
	}
	if (whole)
		w->out[w->count++] = *hash;
}

size_t data_right(const struct data *d, uint64_t cut, struct tree_hash out[static RIGHT_MAX])
{
	struct narrow w = {d, cut, d->proof, out, 0};
	struct tree_hash root;

	if (cut < d->head.size)
		narrow_walk(&w, 0, d->head.size, true, &root);
	return w.count;
}

/* ---- staging ---- */

/* Append these leaves to the tree as a batch. On failure everything is as before. */
static int stage(struct replica *r, struct bytes leaves, const struct tree_hash *hashes,
    size_t count, struct bytes note, uint64_t note_size, const struct tree_hash *right,
    size_t right_count, struct replica_batch **out)
{
	struct replica_batch *b = calloc(1, sizeof *b);
	uint64_t first = tree_size(r->tree), block = first / TREE_BLOCK;
	int err = ERR_NOMEM;

	if (!b)
		return ERR_NOMEM;
	b->first = first;
	b->count = count;
	b->block_count = (size_t)((first + count) / TREE_BLOCK - block);
	b->hashes = malloc(count * sizeof *b->hashes);
	b->blocks = malloc((b->block_count + 1) * sizeof *b->blocks);
	buffer_add(&b->leaves, leaves.data, leaves.len);
	if (!b->hashes || !b->blocks || b->leaves.failed)
		goto fail;
	err = checkpoint_reduce(&b->note, note, &r->key);
	if (err)
		goto fail;
	memcpy(b->hashes, hashes, count * sizeof *hashes);
	if (right_count > 0)
		memcpy(b->right, right, right_count * sizeof *right);
	b->right_count = right_count;

	for (size_t i = 0; i < count; i++) {
		err = tree_append(r->tree, &hashes[i]);
		if (err)
			goto cut;
	}
	err = set_note(r, buffer_bytes(&b->note), note_size, right, right_count);
	if (err)
		goto cut;
	for (size_t i = 0; i < b->block_count; i++) {
		err = tree_block(r->tree, block + i, &b->blocks[i]);
		assert(!err);
	}
	tree_root(r->tree, b->root);
	*r->last = b;
	r->last = &b->next;
	*out = b;
	return OK;
cut:;
	/* Memory ran out half-way: the tail of the old size is needed to cut back, and lies in the
	 * store or in older batches. */
	struct tree_hash tail[TREE_BLOCK];

	if (replica_fetch(r, first - first % TREE_BLOCK, first % TREE_BLOCK, tail) == OK)
		tree_truncate(r->tree, first, tail, first % TREE_BLOCK);
fail:
	batch_free(b);
	return err;
}

int replica_stage(struct replica *r, uint64_t first, struct bytes leaves, struct bytes note,
    struct bytes proof, enum replica_outcome *outcome, struct replica_batch **batch)
{
	struct tree_hash right[RIGHT_MAX];
	uint64_t staged = tree_size(r->tree);
	struct data d;
	int err = data_open(&d, r, &r->key, first, leaves, note, proof);

	*batch = NULL;
	if (err)
		goto out;
	if (first > staged) {
		*outcome = REPLICA_AHEAD;
	} else if (first + d.count < staged) {
		*outcome = REPLICA_DUPLICATE;
	} else if (!data_agrees(&d, r->tree)) {
		*outcome = REPLICA_FORKED;
	} else {
		size_t skip = (size_t)(staged - first), take = d.bad > skip ? d.bad - skip : 0;
		size_t pos = 0;
		struct bytes leaf;

		/* Its origin may have signed another entry as well where it ended: the end stands.
		 */
		if (r->ended)
			take = 0;
		*outcome = d.bad < d.count || r->ended ? REPLICA_ENDED
			   : take > 0                  ? REPLICA_STAGED
						       : REPLICA_DUPLICATE;
		if (take > 0) {
			size_t right_count = data_right(&d, first + d.bad, right);

			for (size_t i = 0; i < skip; i++)
				leaves_next(leaves, &pos, &leaf);
			err = stage(r, bytes_of(leaves.data + pos, d.bad_at - pos), d.hashes + skip,
			    take, note, d.head.size, right, right_count, batch);
			if (!err) {
				memcpy(r->note_root, d.head.root, HASH_LEN);
				r->note_opened = true;
			}
		}
		if (*outcome == REPLICA_ENDED)
			r->ended = true;
	}
out:
	data_clear(&d);
	return err;
}

int replica_signed(const struct replica *r, struct bytes note, uint64_t *size)
{
	struct checkpoint head = {.size = 0};
	int err = checkpoint_open(note, &r->key, &head);

	*size = head.size;
	return err;
}

int replica_propose(
    const struct replica *r, struct bytes leaves, uint64_t *size, uint8_t root[static HASH_LEN])
{
	struct data d;
	int err;

	memset(&d, 0, sizeof d);
	err = own_hashes(&d, leaves);
	if (!err)
		err = tree_root_with(r->tree, d.hashes, d.count, root);
	*size = tree_size(r->tree) + d.count;
	data_clear(&d);
	return err;
}

int replica_propose_proof(
    const struct replica *r, struct bytes leaves, struct tree_hash out[static 64], size_t *count)
{
	uint64_t staged = tree_size(r->tree);
	struct tree_hash left[64], root;
	struct data d;
	int err;

	*count = 0;
	memset(&d, 0, sizeof d);
	err = own_hashes(&d, leaves);
	/* The leaves reach to the end, so the range proof is what stands left of them. */
	if (!err && staged > 0)
		err = range_consistency(staged, d.hashes, d.count, staged + d.count, left,
		    tree_compact(r->tree, left), &root, out, count);
	data_clear(&d);
	return err;
}

int replica_stage_own(
    struct replica *r, struct bytes leaves, struct bytes note, struct replica_batch **batch)
{
	struct checkpoint head;
	uint8_t root[HASH_LEN];
	struct data d;
	int err;

	memset(&d, 0, sizeof d);
	*batch = NULL;
	err = checkpoint_open(note, &r->key, &head);
	if (!err)
		err = own_hashes(&d, leaves);
	if (!err)
		err = tree_root_with(r->tree, d.hashes, d.count, root);
	if (!err &&
	    (head.size != tree_size(r->tree) + d.count || memcmp(root, head.root, HASH_LEN) != 0))
		err = ERR_PROOF;
	if (!err)
		err = stage(r, leaves, d.hashes, d.count, note, head.size, NULL, 0, batch);
	data_clear(&d);
	return err;
}

void replica_committed(struct replica *r)
{
	struct replica_batch *b = r->first;

	assert(b && b->first == r->held);
	r->held += b->count;
	memcpy(r->held_root, b->root, HASH_LEN);
	r->first = b->next;
	if (!r->first)
		r->last = &r->first;
	batch_free(b);
}

int replica_unstage(
    struct replica *r, struct bytes note, const struct tree_hash *right, size_t right_count)
{
	struct tree_hash tail[TREE_BLOCK];
	struct checkpoint c = {.size = 0};
	int err = OK;

	batches_free(r);
	r->ended = false;
	if (note.len > 0)
		err = checkpoint_open(note, &r->key, &c);
	if (!err)
		err = held_hashes(
		    r, r->held - r->held % TREE_BLOCK, (size_t)(r->held % TREE_BLOCK), tail);
	if (!err)
		err = tree_truncate(r->tree, r->held, tail, (size_t)(r->held % TREE_BLOCK));
	if (!err)
		err = set_note(r, note, c.size, right, right_count);
	return err;
}

int replica_prove(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count)
{
	if (b > r->held)
		return ERR_RANGE;
	return tree_prove_range(r->tree, a, b, r->note_size, r->right, r->right_count,
	    replica_fetch, (void *)(uintptr_t)r, out, count);
}

/* Of own entries that are signed and not stored yet others may hear nothing: they look once more,
 * and would find less than they were shown. Others' logs have a checkpoint of more than is held for
 * as long as they come in, and nobody is held to that. */
static bool shows_before(const struct replica *r)
{
	return r->first && r->note_size == tree_size(r->tree) && r->shown_size == r->held &&
	       r->held > 0;
}

struct bytes replica_shown(const struct replica *r)
{
	return buffer_bytes(shows_before(r) ? &r->shown : &r->note);
}

int replica_prove_shown(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count)
{
	if (!shows_before(r))
		return replica_prove(r, a, b, out, count);
	if (b > r->held)
		return ERR_RANGE;
	return tree_prove_range(
	    r->tree, a, b, r->shown_size, NULL, 0, replica_fetch, (void *)(uintptr_t)r, out, count);
}

int replica_prove_inclusion_shown(
    const struct replica *r, uint64_t index, struct tree_hash out[static 64], size_t *count)
{
	return shows_before(r) ? replica_prove_inclusion_at(r, index, r->shown_size, out, count)
			       : replica_prove_inclusion(r, index, out, count);
}

int replica_prove_staged(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count)
{
	if (r->note_size != tree_size(r->tree) || a < r->held || a >= b || b > r->note_size)
		return ERR_RANGE;
	return tree_prove_range(
	    r->tree, a, b, r->note_size, NULL, 0, replica_fetch, (void *)(uintptr_t)r, out, count);
}

int replica_prove_inclusion(
    const struct replica *r, uint64_t index, struct tree_hash out[static 64], size_t *count)
{
	if (index >= r->held || r->note_size > tree_size(r->tree))
		return ERR_RANGE;
	return tree_prove_inclusion(
	    r->tree, index, r->note_size, replica_fetch, (void *)(uintptr_t)r, out, count);
}

int replica_prove_growth(
    const struct replica *r, uint64_t from, struct tree_hash out[static 64], size_t *count)
{
	if (from == 0 || from > r->held)
		return ERR_RANGE;
	return tree_prove_consistency(
	    r->tree, from, r->held, replica_fetch, (void *)(uintptr_t)r, out, count);
}

int replica_prove_inclusion_at(const struct replica *r, uint64_t index, uint64_t size,
    struct tree_hash out[static 64], size_t *count)
{
	if (index >= size || size > r->held)
		return ERR_RANGE;
	return tree_prove_inclusion(
	    r->tree, index, size, replica_fetch, (void *)(uintptr_t)r, out, count);
}
