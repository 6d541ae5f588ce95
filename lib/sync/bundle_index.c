/* SPDX-License-Identifier: BSD-2-Clause */
#include "sync/bundle_index.h"

#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

void bundle_index_init(
    struct bundle_index *x, const struct bundle_index_io *io, const uint8_t forum[static HASH_LEN])
{
	*x = (struct bundle_index){.io = *io, .log = NONE, .range = NONE};
	memcpy(x->forum, forum, HASH_LEN);
}

void bundle_index_free(struct bundle_index *x)
{
	for (size_t i = 0; i < x->log_count; i++) {
		struct bundle_log *l = &x->logs[i];

		for (size_t k = 0; k < l->range_count; k++)
			free(l->ranges[k].contents);
		free(l->ranges);
		buffer_free(&l->credential);
	}
	free(x->logs);
	free(x->flaws);
	free(x->claims);
	buffer_free(&x->leaves);
	buffer_free(&x->content);
	*x = (struct bundle_index){.log = NONE, .range = NONE};
}

/* ---- asking ---- */

struct bundle_log *bundle_index_find(
    struct bundle_index *x, const uint8_t *digest, size_t digest_len)
{
	/* Mostly it is the one that was asked for before. */
	if (digest_len == DIGEST_LEN && x->log != NONE &&
	    memcmp(x->logs[x->log].binding.digest, digest, DIGEST_LEN) == 0)
		return &x->logs[x->log];
	for (size_t i = 0; digest_len == DIGEST_LEN && i < x->log_count; i++) {
		if (memcmp(x->logs[i].binding.digest, digest, DIGEST_LEN) == 0)
			return &x->logs[i];
	}
	return NULL;
}

size_t bundle_index_unread(const struct bundle_index *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->claim_count; i++) {
		bool read = false;

		for (size_t k = 0; !read && k < x->log_count; k++)
			read = memcmp(x->logs[k].binding.digest, x->claims[i].digest, DIGEST_LEN) ==
				   0 &&
			       x->logs[k].range_count > 0;
		n += !read;
	}
	return n;
}

/* How many ranges begin at or below an index. */
static size_t ranges_below(const struct bundle_log *l, uint64_t index)
{
	size_t lo = 0, hi = l->range_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->ranges[mid].first <= index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct bundle_range *bundle_range_of(const struct bundle_log *l, uint64_t index)
{
	size_t n = ranges_below(l, index);

	if (n == 0 || index - l->ranges[n - 1].first >= l->ranges[n - 1].count)
		return NULL;
	return &l->ranges[n - 1];
}

bool bundle_reach(const struct bundle_log *l, uint64_t held, uint64_t *size, uint8_t *root)
{
	const struct bundle_range *last = NULL, *r;
	uint64_t at = held;

	while ((r = bundle_range_of(l, at)) != NULL) {
		last = r;
		at = r->first + r->count;
	}
	for (size_t n = ranges_below(l, held); !last && n > 0; n--) {
		if (l->ranges[n - 1].first + l->ranges[n - 1].count <= held)
			last = &l->ranges[n - 1];
	}
	*size = last ? last->first + last->count : 0;
	if (last && root)
		memcpy(root, last->root, HASH_LEN);
	return last != NULL;
}

uint64_t bundle_entries(const struct bundle_log *l, uint64_t first, uint64_t end)
{
	uint64_t n = 0, at = first;

	for (size_t i = 0; i < l->range_count; i++) {
		const struct bundle_range *r = &l->ranges[i];
		uint64_t from = r->first > at ? r->first : at, to = r->first + r->count;

		to = to < end ? to : end;
		if (from < to) {
			n += to - from;
			at = to;
		}
	}
	return n;
}
