/* SPDX-License-Identifier: BSD-2-Clause */
/* The batch: what was added and dropped since the last commit, as numbers to be sorted. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/words.h"
#include "search/writer.h"

#define BATCH_MAX ((size_t)1 << 20) /* terms of documents: 8 MiB */
#define UNIQUE_EACH 16384           /* terms of one document */

/* Room for one more. */
static bool grow(void *list, size_t count, size_t *cap, size_t size)
{
	void **at = list, *grown;
	size_t more = *cap ? 2 * *cap : 64;

	if (count < *cap)
		return true;
	grown = realloc(*at, more * size);
	if (!grown)
		return false;
	*at = grown;
	*cap = more;
	return true;
}

void batch_clear(struct search_writer *w)
{
	/* One text can have been a large one. */
	if (w->cap > 2 * BATCH_MAX) {
		free(w->keys);
		w->keys = NULL;
		w->cap = 0;
	}
	w->count = w->drop_count = w->time_count = 0;
}

int batch_missing_restore(struct search_writer *w)
{
	size_t n = w->index.missing_count;
	struct index_missing *list = malloc((n + 1) * sizeof *list);

	if (!list)
		return ERR_NOMEM;
	if (n > 0)
		memcpy(list, w->index.missing, n * sizeof *list);
	free(w->missing);
	w->missing = list;
	w->missing_count = n;
	return OK;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Some bits at a time, the lowest first. */
#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
void batch_keys_sort(uint64_t *keys, size_t count)
{
	uint64_t *other = count > 4096 ? malloc(count * sizeof *other) : NULL, *from = keys;

	if (!other) {
		if (count > 0)
			qsort(keys, count, sizeof *keys, by_key);
		return;
	}
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		size_t at[DIGITS + 1] = {0};

		for (size_t i = 0; i < count; i++)
			at[(from[i] >> shift & (DIGITS - 1)) + 1]++;
		if (at[(from[0] >> shift & (DIGITS - 1)) + 1] == count)
			continue;
		for (size_t i = 1; i <= DIGITS; i++)
			at[i] += at[i - 1];
		for (size_t i = 0; i < count; i++)
			other[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
		uint64_t *swap = from;
		from = other;
		other = swap;
	}
	if (from != keys) {
		memcpy(keys, from, count * sizeof *keys);
		other = from;
	}
	free(other);
}

void batch_keys_unique(struct search_writer *w, size_t from)
{
	size_t to = from;

	if (w->count == from)
		return; /* then there may be no list at all */
	batch_keys_sort(w->keys + from, w->count - from);
	for (size_t i = from; i < w->count; i++)
		if (to == from || w->keys[i] != w->keys[to - 1])
			w->keys[to++] = w->keys[i];
	w->count = to;
}

struct adding {
	struct search_writer *w;
	uint64_t arrival;
	size_t from, limit; /* its keys are made unique when there are so many */
};

static int term_add(void *ctx, uint32_t term)
{
	struct adding *a = ctx;
	struct search_writer *w = a->w;

	if (!grow(&w->keys, w->count, &w->cap, sizeof *w->keys))
		return ERR_NOMEM;
	w->keys[w->count++] = key_of(a->arrival, term);
	/* A text may say one thing a million times, and some signs fold to a dozen terms. */
	if (w->count - a->from >= a->limit) {
		batch_keys_unique(w, a->from);
		a->limit = 2 * (w->count - a->from) + UNIQUE_EACH;
	}
	return OK;
}

static int time_add(struct search_writer *w, uint32_t part, uint64_t time)
{
	struct times *t = NULL;

	for (size_t i = w->time_count; i > 0 && !t; i--)
		t = w->times[i - 1].part == part ? &w->times[i - 1] : NULL;
	if (!t) {
		if (!grow(&w->times, w->time_count, &w->time_cap, sizeof *w->times))
			return ERR_NOMEM;
		t = &w->times[w->time_count++];
		*t = (struct times){part, time, time};
	}
	t->oldest = time < t->oldest ? time : t->oldest;
	t->newest = time > t->newest ? time : t->newest;
	return OK;
}

/* What is said of it beside its words. */
static int about_add(struct adding *a, const struct search_doc *doc)
{
	const struct item_row *row = doc->row;
	uint8_t author[DIGEST_LEN + IDENTITY_LEN];
	char lang[36];
	size_t len = 0;
	int err;

	memcpy(author, row->author.log, DIGEST_LEN);
	memcpy(author + DIGEST_LEN, row->author.identity, IDENTITY_LEN);
	for (; len < doc->lang.len && len < sizeof lang && doc->lang.data[len] != '-'; len++) {
		uint8_t ch = doc->lang.data[len];

		lang[len] = (char)(ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
	}
	err = term_add(a, TERM_ALL);
	if (!err)
		err = term_add(
		    a, search_term(ABOUT_TOPIC, bytes_of(row->topic, doc->unrooted ? 0 : 4)));
	if (!err)
		err = term_add(a, search_term(ABOUT_AUTHOR, bytes_of(author, sizeof author)));
	if (!err && len > 0)
		err = term_add(a, search_term(ABOUT_LANG, bytes_of(lang, len)));
	return err;
}

int search_writer_add(struct search_writer *w, const struct search_doc *doc)
{
	struct adding a = {w, doc->row->arrival, w->count, UNIQUE_EACH};
	size_t before = w->count;
	int err = a.arrival < ARRIVAL_MAX ? about_add(&a, doc) : ERR_RANGE;

	if (!err)
		err = search_terms(doc->text, term_add, &a);
	if (!err)
		err = time_add(w, (uint32_t)(a.arrival >> PART_BITS), doc->row->time);
	if (err)
		w->count = before;
	return err;
}

static const struct index_segment *holder(const struct search_writer *w, uint64_t arrival)
{
	uint32_t part = (uint32_t)(arrival >> PART_BITS), doc = arrival & (PART_DOCS - 1);

	for (size_t i = 0; i < w->index.count; i++) {
		const struct index_segment *s = &w->index.segments[i];
		struct doc_set all = {{0}};

		if (s->part != part)
			continue;
		segment_find(&s->segment, TERM_ALL, &all);
		if (set_has(&all, doc))
			return s;
	}
	return NULL;
}

int search_writer_drop(struct search_writer *w, uint64_t arrival)
{
	uint64_t all = key_of(arrival, 0), mask = ~((((uint64_t)1 << TERM_BITS) - 1) << PART_BITS);
	size_t to = 0;

	if (arrival >= ARRIVAL_MAX)
		return OK;
	for (size_t i = 0; i < w->count; i++)
		if ((w->keys[i] & mask) != all)
			w->keys[to++] = w->keys[i];
	w->count = to;
	if (!holder(w, arrival))
		return OK;
	if (!grow(&w->drops, w->drop_count, &w->drop_cap, sizeof *w->drops))
		return ERR_NOMEM;
	w->drops[w->drop_count++] = key_of(arrival, 0);
	return OK;
}

int search_writer_missing(struct search_writer *w, uint64_t arrival, bool missing)
{
	uint32_t part = (uint32_t)(arrival >> PART_BITS), doc = arrival & (PART_DOCS - 1);
	struct index_missing *m = NULL, *grown;

	for (size_t i = w->missing_count; i > 0 && !m; i--)
		m = w->missing[i - 1].part == part ? &w->missing[i - 1] : NULL;
	if (!m && !missing)
		return OK;
	if (!m) {
		grown = realloc(w->missing, (w->missing_count + 1) * sizeof *grown);
		if (!grown)
			return ERR_NOMEM;
		w->missing = grown;
		m = &grown[w->missing_count++];
		*m = (struct index_missing){.part = part};
	}
	if (missing)
		set_add(&m->docs, doc);
	else
		m->docs.words[doc / 64] &= ~(UINT64_C(1) << (doc % 64));
	return OK;
}

/* Those of the index come first, in their order. */
bool search_writer_marked(const struct search_writer *w)
{
	for (size_t i = 0; i < w->missing_count; i++)
		if (i < w->index.missing_count
			? memcmp(&w->missing[i].docs, &w->index.missing[i].docs,
			      sizeof w->missing[i].docs) != 0
			: set_count(&w->missing[i].docs) > 0)
			return true;
	return false;
}

int search_writer_discard(struct search_writer *w)
{
	batch_clear(w);
	return batch_missing_restore(w);
}

bool search_writer_full(const struct search_writer *w)
{
	return w->count >= BATCH_MAX;
}

const struct search_index *search_writer_index(const struct search_writer *w)
{
	return &w->index;
}
