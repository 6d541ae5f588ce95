/* SPDX-License-Identifier: BSD-2-Clause */
/* One part: a segment of what is new, merged with those that it replaces. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/files.h"
#include "search/writer.h"

#define MERGE_RATIO 3 /* a segment is merged with what is more than a third of it */
#define INPUTS_MAX 64

/* A segment of sorted keys of one part. */
static int keys_make(const uint64_t *keys, size_t count, struct buffer *out)
{
	struct segment_making m;

	making_start(&m, key_part(keys[0]));
	for (size_t i = 0; i < count;) {
		uint32_t term = key_term(keys[i]);
		uint16_t few[FEW_MAX];
		size_t from = i, n = 0;

		for (; i < count && key_term(keys[i]) == term; i++)
			if (n < FEW_MAX)
				few[n++] = (uint16_t)(keys[i] & (PART_DOCS - 1));
		if (i - from == n) {
			making_few(&m, term, few, n);
		} else {
			struct doc_set docs = {{0}};

			for (size_t j = from; j < i; j++)
				set_add(&docs, (uint32_t)keys[j] & (PART_DOCS - 1));
			making_add(&m, term, &docs);
		}
	}
	return making_end(&m, out);
}

/* Those of all cursors at a term, where they are few: in order, without what is dropped, each once.
 * SIZE_MAX: they aren't. */
static size_t merge_few(const struct cursor *cursors, size_t count, size_t keep, uint32_t term,
    const struct doc_set *drop, uint16_t out[static FEW_MAX])
{
	size_t bytes = 0, n = 0, to = 0;

	for (size_t i = 0; i < count; i++) {
		if (cursors[i].done || cursors[i].term != term)
			continue;
		bytes += cursors[i].docs.len;
		if (cursors[i].bitmap || bytes > FEW_MAX)
			return SIZE_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		size_t from = n;

		if (cursors[i].done || cursors[i].term != term)
			continue;
		n = docs_list(cursors[i].docs, out, n);
		to = from;
		for (size_t j = from; j < n; j++)
			if (!drop || i >= count - keep || !set_has(drop, out[j]))
				out[to++] = out[j];
		n = to;
		/* Behind those that are sorted already, mostly where they belong. */
		for (size_t j = from; j < n; j++) {
			uint16_t doc = out[j];
			size_t k = j;

			for (; k > 0 && out[k - 1] > doc; k--)
				out[k] = out[k - 1];
			out[k] = doc;
		}
	}
	to = 0;
	for (size_t i = 0; i < n; i++)
		if (to == 0 || out[i] != out[to - 1])
			out[to++] = out[i];
	return to;
}

/* The same, of any number. */
static void merge_many(const struct cursor *cursors, size_t count, size_t keep, uint32_t term,
    const struct doc_set *drop, struct doc_set *docs)
{
	memset(docs, 0, sizeof *docs);
	for (size_t i = 0; i < count; i++) {
		if (i == count - keep)
			for (size_t j = 0; drop && j < SET_WORDS; j++)
				docs->words[j] &= ~drop->words[j];
		if (!cursors[i].done && cursors[i].term == term)
			docs_add(cursors[i].docs, cursors[i].bitmap, docs);
	}
	for (size_t j = 0; keep == 0 && drop && j < SET_WORDS; j++)
		docs->words[j] &= ~drop->words[j];
}

/* Several segments of a part as one, without `drop` (of all but the last `keep`). */
static int merge(const struct segment *const *inputs, size_t count, size_t keep,
    const struct doc_set *drop, struct buffer *out, bool *empty)
{
	struct cursor cursors[INPUTS_MAX];
	struct segment_making m;

	making_start(&m, inputs[0]->part);
	for (size_t i = 0; i < count; i++)
		cursor_start(&cursors[i], inputs[i]);
	for (;;) {
		uint32_t term = UINT32_MAX;
		uint16_t few[FEW_MAX];
		size_t have = 0, only = 0, n;

		for (size_t i = 0; i < count; i++)
			if (!cursors[i].done && cursors[i].term < term)
				term = cursors[i].term;
		if (term == UINT32_MAX)
			break;
		for (size_t i = 0; i < count; i++) {
			if (cursors[i].done || cursors[i].term != term)
				continue;
			have++;
			only = i;
		}
		if (have == 1 && (!drop || only >= count - keep)) {
			making_copy(&m, &cursors[only]);
			cursor_next(&cursors[only]);
			continue;
		}
		n = merge_few(cursors, count, keep, term, drop, few);
		if (n == SIZE_MAX) {
			struct doc_set docs;

			merge_many(cursors, count, keep, term, drop, &docs);
			if (set_count(&docs) > 0)
				making_add(&m, term, &docs);
		} else if (n > 0) {
			making_few(&m, term, few, n);
		}
		for (size_t i = 0; i < count; i++)
			if (!cursors[i].done && cursors[i].term == term)
				cursor_next(&cursors[i]);
	}
	*empty = m.count == 0;
	return making_end(&m, out);
}

static int segment_store(struct search_writer *w, struct bytes b, const struct times *t,
    struct index_segment *out, bool durable)
{
	struct doc_set all = {{0}};
	char path[INDEX_PATH_ROOM];
	int err;

	out->no = w->fresh.next++;
	index_path(path, sizeof path, w->folder, out->no);
	err = index_file_write(path, b, durable);
	if (!err)
		err = segment_open(&out->segment, path);
	if (err)
		return err;
	segment_find(&out->segment, TERM_ALL, &all);
	out->part = out->segment.part;
	out->docs = (uint32_t)set_count(&all);
	out->bytes = out->segment.len;
	out->sum = segment_sum(&out->segment);
	out->oldest = t->oldest;
	out->newest = t->newest;
	return OK;
}

static void retire(struct search_writer *w, const struct index_segment *s)
{
	w->retired[w->retired_count++] = s->no;
}

static int by_size(const void *a, const void *b)
{
	const struct index_segment *const *x = a, *const *y = b;

	return ((*x)->bytes < (*y)->bytes) - ((*x)->bytes > (*y)->bytes);
}

/* What becomes of one part: its segments `old`, the largest first, what is to go of them, and what
 * is new. */
struct part_work {
	uint32_t part;
	const struct index_segment *old[INPUTS_MAX];
	size_t old_count;
	struct doc_set drop;
	bool drops;
	const uint64_t *keys;
	size_t key_count;
	struct times times;
};

static bool touches(const struct index_segment *s, const struct doc_set *drop)
{
	struct doc_set all = {{0}};

	segment_find(&s->segment, TERM_ALL, &all);
	for (size_t i = 0; i < SET_WORDS; i++)
		if (all.words[i] & drop->words[i])
			return true;
	return false;
}

static int part_run(struct search_writer *w, struct part_work *p, bool durable)
{
	struct index_segment *out = &w->fresh.segments[w->fresh.count];
	const struct segment *inputs[INPUTS_MAX];
	struct buffer fresh = BUFFER_INIT, merged = BUFFER_INIT;
	struct segment view;
	size_t count = 0, bytes = 0, keep = 0;
	bool empty = p->key_count == 0, chosen[INPUTS_MAX] = {false};
	int err = OK;

	if (p->key_count > 0)
		err = keys_make(p->keys, p->key_count, &fresh);
	bytes = fresh.len;
	for (size_t i = 0; i < p->old_count; i++) {
		chosen[i] = p->drops && touches(p->old[i], &p->drop);
		bytes += chosen[i] ? p->old[i]->bytes : 0;
	}
	/* The smallest first; never so many that one can't take them all. */
	for (size_t i = p->old_count; i > 0; i--) {
		if (chosen[i - 1] || (bytes > 0 && p->old[i - 1]->bytes >= MERGE_RATIO * bytes &&
					 p->old_count < INPUTS_MAX - 2))
			continue;
		chosen[i - 1] = true;
		bytes += p->old[i - 1]->bytes;
	}
	for (size_t i = 0; i < p->old_count; i++) {
		const struct index_segment *s = p->old[i];

		if (!chosen[i]) {
			w->fresh.segments[w->fresh.count] = *s;
			w->fresh.segments[w->fresh.count++].segment = (struct segment){0};
			continue;
		}
		inputs[count++] = &s->segment;
		p->times.oldest = s->oldest < p->times.oldest ? s->oldest : p->times.oldest;
		p->times.newest = s->newest > p->times.newest ? s->newest : p->times.newest;
		retire(w, s);
	}
	out = &w->fresh.segments[w->fresh.count];
	if (!err && count > 0) {
		if (fresh.len > 0) {
			err = segment_view(&view, buffer_bytes(&fresh));
			inputs[count++] = &view;
			keep = 1;
		}
		if (!err)
			err = merge(
			    inputs, count, keep, p->drops ? &p->drop : NULL, &merged, &empty);
	}
	if (!err && !empty) {
		err = segment_store(
		    w, buffer_bytes(count > 0 ? &merged : &fresh), &p->times, out, durable);
		w->fresh.count += err == OK;
	}
	buffer_free(&fresh);
	buffer_free(&merged);
	return err;
}

/* The segments of a part, the largest first. More than can be merged at once there never are. */
static void part_gather(const struct search_writer *w, struct part_work *p)
{
	for (size_t i = 0; i < w->index.count && p->old_count < INPUTS_MAX - 1; i++)
		if (w->index.segments[i].part == p->part)
			p->old[p->old_count++] = &w->index.segments[i];
	qsort(p->old, p->old_count, sizeof *p->old, by_size);
}

int parts_run(struct search_writer *w, bool durable)
{
	size_t key = 0, drop = 0;
	int err = OK;

	while ((key < w->count || drop < w->drop_count) && !err) {
		uint32_t a = key < w->count ? key_part(w->keys[key]) : UINT32_MAX;
		uint32_t b = drop < w->drop_count ? key_part(w->drops[drop]) : UINT32_MAX;
		struct part_work p = {.part = a < b ? a : b, .times = {.oldest = UINT64_MAX}};
		size_t from = key;

		while (key < w->count && key_part(w->keys[key]) == p.part)
			key++;
		p.keys = key > from ? w->keys + from : NULL; /* there may be none at all */
		p.key_count = key - from;
		for (; drop < w->drop_count && key_part(w->drops[drop]) == p.part; drop++) {
			set_add(&p.drop, (uint32_t)w->drops[drop] & (PART_DOCS - 1));
			p.drops = true;
		}
		for (size_t i = 0; i < w->time_count; i++)
			if (w->times[i].part == p.part)
				p.times = w->times[i];
		part_gather(w, &p);
		err = part_run(w, &p, durable);
	}
	return err;
}
