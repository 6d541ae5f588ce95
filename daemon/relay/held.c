/* SPDX-License-Identifier: BSD-2-Clause */
/* What is held, for lib/sync, which asks for one entry or content after the other. To look each up
 * costs more than all that is done with it: so full blocks of entries that came or were read are
 * kept for a while, and contents that are asked for in a row are read ahead.
 *
 * Entries change only when a log is cut, which is said here. A content may be erased, of which the
 * loop hears by an answer of the store thread: so none is kept beyond the next that is to more than
 * what just adds. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"

#define BLOCKS \
	40 /* of 256 entries, 60 KiB each and half a MiB at worst: what is asked for lies in 16 */
#define RUN 128
#define RUN_BYTES ((size_t)96 * 1024)

struct block {
	uint32_t log; /* 0: none */
	uint64_t number, used;
	struct buffer leaves;
	uint32_t at[TREE_BLOCK]; /* where each begins */
};

struct ahead {
	uint64_t index;
	uint8_t salt[SALT_LEN];
	size_t at, len; /* in `bytes` */
};

struct held {
	struct block blocks[BLOCKS];
	struct block *last;
	uint64_t uses;
	/* Contents read ahead, descending; and what was asked for last. */
	struct ahead run[RUN];
	size_t run_count;
	bool run_known; /* there are no others from `run_low` to where it begins */
	uint64_t run_low;
	struct buffer bytes;
	uint32_t log;
	uint64_t index;
};

int held_start(struct relay *r)
{
	r->held = calloc(1, sizeof *r->held);
	return r->held ? OK : ERR_NOMEM;
}

void held_free(struct relay *r)
{
	struct held *h = r->held;

	if (!h)
		return;
	held_forget(r);
	buffer_free(&h->bytes);
	free(h);
	r->held = NULL;
}

/* What may have been erased is not even to lie here. */
static void run_drop(struct held *h)
{
	h->run_count = 0;
	h->run_known = false;
	buffer_free(&h->bytes);
}

void held_forget(struct relay *r)
{
	struct held *h = r->held;

	held_stale(r);
	h->last = NULL;
	for (size_t i = 0; i < BLOCKS; i++) {
		buffer_free(&h->blocks[i].leaves);
		h->blocks[i].log = 0;
	}
}

void held_stale(struct relay *r)
{
	contents_stale(r);
	if (r->held)
		run_drop(r->held);
}

/* ---- entries ---- */

static bool block_is(const struct block *b, uint32_t no, uint64_t number)
{
	return b && b->log == no && b->number == number;
}

/* The one that was used least of late; `*found`: it is this one. */
static struct block *block_find(struct held *h, uint32_t no, uint64_t number, bool *found)
{
	struct block *oldest = &h->blocks[0];

	*found = true;
	for (size_t i = 0; i < BLOCKS; i++) {
		if (block_is(&h->blocks[i], no, number))
			return &h->blocks[i];
		if (h->blocks[i].used < oldest->used)
			oldest = &h->blocks[i];
	}
	*found = false;
	return oldest;
}

/* `b` has the leaves of this block. */
static int block_take(struct held *h, struct block *b, uint32_t no, uint64_t number)
{
	struct bytes leaf;
	size_t pos = 0;
	int err = b->leaves.failed ? ERR_NOMEM : OK;

	for (size_t i = 0; i < TREE_BLOCK && !err; i++) {
		b->at[i] = (uint32_t)pos;
		if (leaves_next(buffer_bytes(&b->leaves), &pos, &leaf) != OK)
			err = ERR_STORE;
	}
	if (err) {
		buffer_free(&b->leaves);
		return err;
	}
	b->log = no;
	b->number = number;
	b->used = ++h->uses;
	h->last = b;
	return OK;
}

/* A block that still grows would be read anew for each entry. */
static struct block *block_of(struct relay *r, uint32_t no, uint64_t number)
{
	struct held *h = r->held;
	const struct relay_log *l;
	struct block *b;
	size_t got;
	bool found;

	if (block_is(h->last, no, number))
		return h->last;
	l = log_by_no(r, no);
	if (!l || replica_held(l->replica) < (number + 1) * TREE_BLOCK)
		return NULL;
	b = block_find(h, no, number, &found);
	if (found) {
		b->used = ++h->uses;
		h->last = b;
		return b;
	}
	h->last = NULL;
	b->log = 0;
	buffer_reset(&b->leaves);
	if (r->reader->ops->read(
		r->reader, no, number * TREE_BLOCK, TREE_BLOCK, SIZE_MAX, &b->leaves, &got) != OK ||
	    block_take(h, b, no, number) != OK)
		return NULL;
	return b;
}

void held_came(struct relay *r, uint32_t no, uint64_t first, size_t count, struct bytes leaves)
{
	struct held *h = r->held;
	struct block *b;
	bool found;

	if (first % TREE_BLOCK != 0 || count != TREE_BLOCK)
		return;
	b = block_find(h, no, first / TREE_BLOCK, &found);
	h->last = NULL;
	b->log = 0;
	buffer_reset(&b->leaves);
	buffer_add(&b->leaves, leaves.data, leaves.len);
	block_take(h, b, no, first / TREE_BLOCK);
}

int held_entry(struct relay *r, uint32_t no, uint64_t index, struct bytes *leaf)
{
	const struct block *b = block_of(r, no, index / TREE_BLOCK);
	size_t pos;

	if (!b)
		return ERR_NOTFOUND;
	pos = b->at[index % TREE_BLOCK];
	return leaves_next(buffer_bytes(&b->leaves), &pos, leaf);
}

int held_read(struct relay *r, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	const struct block *b = first % TREE_BLOCK + count <= TREE_BLOCK && count > 0
				    ? block_of(r, no, first / TREE_BLOCK)
				    : NULL;
	size_t from, end;

	if (!b)
		return r->reader->ops->read(r->reader, no, first, count, max_bytes, out, got);
	from = b->at[first % TREE_BLOCK];
	for (*got = count;; --*got) {
		end = first % TREE_BLOCK + *got;
		end = end < TREE_BLOCK ? b->at[end] : b->leaves.len;
		if (*got == 1 || end - from <= max_bytes)
			break;
	}
	buffer_add(out, b->leaves.data + from, end - from);
	return out->failed ? ERR_NOMEM : OK;
}

/* ---- contents ---- */

static int ahead_add(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct held *h = ctx;
	struct ahead *a = &h->run[h->run_count];

	(void)id;
	a->index = index;
	memcpy(a->salt, salt, SALT_LEN);
	a->at = h->bytes.len;
	a->len = content.len;
	buffer_add(&h->bytes, content.data, content.len);
	h->run_count += !h->bytes.failed;
	return h->bytes.failed || h->run_count == RUN ? ERR_NOMEM : OK;
}

static void run_read(struct relay *r, struct held *h, uint32_t no, uint64_t index)
{
	uint64_t first = index + 1 > RUN ? index + 1 - RUN : 0;

	h->run_count = 0;
	h->run_known = false;
	buffer_reset(&h->bytes);
	if (r->reader->ops->contents(
		r->reader, no, first, (size_t)(index + 1 - first), RUN_BYTES, ahead_add, h) != OK) {
		h->run_count = 0;
		return;
	}
	h->run_known = true;
	h->run_low = first;
	if (h->run_count == RUN || h->bytes.failed || h->bytes.len >= RUN_BYTES)
		h->run_low = h->run_count > 0 ? h->run[h->run_count - 1].index : index;
}

static const struct ahead *run_find(const struct held *h, uint64_t index)
{
	size_t lo = 0, hi = h->run_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h->run[mid].index > index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->run_count && h->run[lo].index == index ? &h->run[lo] : NULL;
}

/* Rows of contents are read ahead from the newest down, as nodes that join ask for them. */
int held_content(
    struct relay *r, uint32_t no, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	const struct store_content *stored = contents_stored(r, no, index);
	struct held *h = r->held;
	const struct ahead *a;
	bool next;

	if (stored) {
		memcpy(salt, stored->salt, SALT_LEN);
		buffer_add(out, stored->content.data, stored->content.len);
		return out->failed ? ERR_NOMEM : OK;
	}
	next = h->log == no && h->index == index + 1;
	if (h->log != no)
		run_drop(h);
	a = next ? run_find(h, index) : NULL;
	/* Of a stretch with none not each one asks for it anew. */
	if (next && !a && !(h->run_known && index >= h->run_low)) {
		run_read(r, h, no, index);
		a = run_find(h, index);
	}
	h->log = no;
	h->index = index;
	if (!a)
		return ERR_NOTFOUND;
	memcpy(salt, a->salt, SALT_LEN);
	buffer_add(out, h->bytes.data + a->at, a->len);
	return out->failed ? ERR_NOMEM : OK;
}
