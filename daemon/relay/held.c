/* SPDX-License-Identifier: BSD-2-Clause */
/* What is held, for lib/sync, which asks for one entry or content after the other. To look each up
 * costs more than all that is done with it: so full blocks of entries that were read are kept for
 * a while, and contents that are asked for in a row are read ahead, for this turn of the loop.
 *
 * Entries change only when a log is cut, which is said here. A content that was read ahead could
 * meanwhile be erased: so none outlives the turn, nor any answer of the store thread. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"

#define BLOCKS 16 /* of 256 entries: half a MiB each, at worst */
#define RUN 48
#define RUN_BYTES ((size_t)64 * 1024)

struct block {
	uint32_t log; /* 0: none */
	uint64_t number, used;
	struct buffer leaves;
	uint32_t at[TREE_BLOCK]; /* where each begins */
};

struct ahead {
	uint64_t index;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	size_t at, len; /* in `bytes` */
};

struct held {
	struct block blocks[BLOCKS];
	struct block *last;
	uint64_t uses;
	/* Contents read ahead, descending; and what was asked for last. */
	struct ahead run[RUN];
	size_t run_count;
	struct buffer bytes;
	uint32_t log;
	uint64_t index;
	struct event *turn;
};

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	held_stale(arg);
}

int held_start(struct relay *r)
{
	struct held *h = calloc(1, sizeof *h);

	r->held = h;
	if (!h)
		return ERR_NOMEM;
	h->turn = event_new(r->base, -1, 0, on_turn, r);
	return h->turn ? OK : ERR_NOMEM;
}

void held_free(struct relay *r)
{
	struct held *h = r->held;

	if (!h)
		return;
	held_forget(r);
	buffer_free(&h->bytes);
	if (h->turn)
		event_free(h->turn);
	free(h);
	r->held = NULL;
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
	if (r->held)
		r->held->run_count = 0;
}

/* ---- entries ---- */

static bool block_is(const struct block *b, uint32_t no, uint64_t number)
{
	return b && b->log == no && b->number == number;
}

static int block_read(struct relay *r, struct block *b, uint32_t no, uint64_t number)
{
	size_t got = 0, pos = 0;
	struct bytes leaf;
	int err;

	b->log = 0;
	buffer_reset(&b->leaves);
	err = r->reader->ops->read(
	    r->reader, no, number * TREE_BLOCK, TREE_BLOCK, SIZE_MAX, &b->leaves, &got);
	if (!err && b->leaves.failed)
		err = ERR_NOMEM;
	for (size_t i = 0; i < TREE_BLOCK && !err; i++) {
		b->at[i] = (uint32_t)pos;
		if (i >= got || leaves_next(buffer_bytes(&b->leaves), &pos, &leaf) != OK)
			err = ERR_STORE;
	}
	if (err) {
		buffer_free(&b->leaves);
		return err;
	}
	b->log = no;
	b->number = number;
	return OK;
}

int held_entry(struct relay *r, uint32_t no, uint64_t index, struct bytes *leaf)
{
	struct held *h = r->held;
	const struct relay_log *l = log_by_no(r, no);
	uint64_t number = index / TREE_BLOCK;
	struct block *oldest = &h->blocks[0];
	size_t pos;
	int err;

	if (!block_is(h->last, no, number)) {
		/* A block that still grows would be read anew for each entry. */
		if (!l || replica_held(l->replica) < (number + 1) * TREE_BLOCK)
			return ERR_NOTFOUND;
		h->last = NULL;
		for (size_t i = 0; i < BLOCKS && !h->last; i++) {
			if (block_is(&h->blocks[i], no, number))
				h->last = &h->blocks[i];
			else if (h->blocks[i].used < oldest->used)
				oldest = &h->blocks[i];
		}
		if (!h->last && (err = block_read(r, oldest, no, number)) != OK)
			return err;
		if (!h->last)
			h->last = oldest;
		h->last->used = ++h->uses;
	}
	pos = h->last->at[index % TREE_BLOCK];
	return leaves_next(buffer_bytes(&h->last->leaves), &pos, leaf);
}

/* ---- contents ---- */

static int ahead_add(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct held *h = ctx;
	struct ahead *a = &h->run[h->run_count];

	a->index = index;
	memcpy(a->id, id, ID_LEN);
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
	buffer_reset(&h->bytes);
	h->bytes.failed = false;
	if (r->reader->ops->contents(r->reader, no, first, (size_t)(index + 1 - first), RUN_BYTES,
		ahead_add, h) != OK)
		h->run_count = 0;
	event_active(h->turn, EV_TIMEOUT, 1);
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
int held_content(struct relay *r, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    uint8_t salt[static SALT_LEN], struct buffer *out)
{
	const struct store_content *stored = contents_stored(r, no, index);
	struct held *h = r->held;
	bool next = h->log == no && h->index == index + 1;
	const struct ahead *a = next && !stored ? run_find(h, index) : NULL;

	if (stored && memcmp(stored->id, id, ID_LEN) == 0) {
		memcpy(salt, stored->salt, SALT_LEN);
		buffer_add(out, stored->content.data, stored->content.len);
		return out->failed ? ERR_NOMEM : OK;
	}

	if (h->log != no)
		h->run_count = 0;
	if (next && !a) {
		run_read(r, h, no, index);
		a = run_find(h, index);
	}
	h->log = no;
	h->index = index;
	if (!a || memcmp(a->id, id, ID_LEN) != 0)
		return r->reader->ops->content_get(r->reader, no, index, id, salt, out);
	memcpy(salt, a->salt, SALT_LEN);
	buffer_add(out, h->bytes.data + a->at, a->len);
	return out->failed ? ERR_NOMEM : OK;
}
