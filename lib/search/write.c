/* SPDX-License-Identifier: BSD-2-Clause */
/* The one who writes: a batch in memory, segments out of it, and few of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "search/files.h"

#define BATCH_MAX ((size_t)1 << 20) /* terms of documents: 8 MiB */
#define UNIQUE_EACH 16384           /* terms of one document */
#define MERGE_RATIO 3               /* a segment is merged with what is more than a third of it */

/* Part, term and document in one number: sorted, they are segments. */
#define KEY_PART_SHIFT (TERM_BITS + PART_BITS)
static uint64_t key_of(uint64_t arrival, uint32_t term)
{
	return arrival >> PART_BITS << KEY_PART_SHIFT | (uint64_t)term << PART_BITS |
	       (arrival & (PART_DOCS - 1));
}
static uint32_t key_part(uint64_t key)
{
	return (uint32_t)(key >> KEY_PART_SHIFT);
}
static uint32_t key_term(uint64_t key)
{
	return (uint32_t)(key >> PART_BITS) & ((1u << TERM_BITS) - 1);
}
#define ARRIVAL_MAX (UINT64_C(1) << 40)

/* The times of what is added to a part. */
struct times {
	uint32_t part;
	uint64_t oldest, newest;
};

struct search_writer {
	char *folder;
	struct search_index index;
	struct search_index fresh; /* made by a commit under way */
	uint64_t *keys;
	size_t count, cap;
	uint64_t *drops;
	size_t drop_count, drop_cap;
	struct times *times;
	size_t time_count, time_cap;
	struct index_missing *missing; /* as it will be */
	size_t missing_count;
	uint64_t *retired; /* files that don't count after the commit */
	size_t retired_count;
};

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

/* ---- the batch ---- */

static void batch_clear(struct search_writer *w)
{
	/* One text can have been a large one. */
	if (w->cap > 2 * BATCH_MAX) {
		free(w->keys);
		w->keys = NULL;
		w->cap = 0;
	}
	w->count = w->drop_count = w->time_count = 0;
}

/* What is missing, by the index as it is. */
static int missing_restore(struct search_writer *w)
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
static void keys_sort(uint64_t *keys, size_t count)
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

/* From `from` on, sorted, and each once. */
static void keys_unique(struct search_writer *w, size_t from)
{
	size_t to = from;

	if (w->count == from)
		return; /* then there may be no list at all */
	keys_sort(w->keys + from, w->count - from);
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
		keys_unique(w, a->from);
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
		err = term_add(a, search_term(ABOUT_TOPIC, bytes_of(row->topic, 4)));
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
	return missing_restore(w);
}

bool search_writer_full(const struct search_writer *w)
{
	return w->count >= BATCH_MAX;
}

const struct search_index *search_writer_index(const struct search_writer *w)
{
	return &w->index;
}

/* ---- one part ---- */

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

#define INPUTS_MAX 64

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

/* ---- committing ---- */

/* The segments of a part, the largest first. More than can be merged at once there never are. */
static void part_gather(const struct search_writer *w, struct part_work *p)
{
	for (size_t i = 0; i < w->index.count && p->old_count < INPUTS_MAX - 1; i++)
		if (w->index.segments[i].part == p->part)
			p->old[p->old_count++] = &w->index.segments[i];
	qsort(p->old, p->old_count, sizeof *p->old, by_size);
}

static int parts_run(struct search_writer *w, bool durable)
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

/* Whether one of sorted keys is of a part. */
static bool has_part(const uint64_t *keys, size_t count, uint32_t part)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_part(keys[middle]) < part)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && key_part(keys[low]) == part;
}

static bool is_touched(const struct search_writer *w, uint32_t part)
{
	return has_part(w->keys, w->count, part) || has_part(w->drops, w->drop_count, part);
}

static int by_part(const void *a, const void *b)
{
	const struct index_segment *x = a, *y = b;

	return x->part != y->part ? (x->part < y->part) - (x->part > y->part)
				  : (x->no > y->no) - (x->no < y->no);
}

/* The parts that stay as they are. */
static void others_keep(struct search_writer *w)
{
	for (size_t i = 0; i < w->index.count; i++) {
		const struct index_segment *s = &w->index.segments[i];
		bool same = i > 0 && s->part == s[-1].part;

		if (same ? w->fresh.count > 0 &&
			       w->fresh.segments[w->fresh.count - 1].part == s->part
			 : !is_touched(w, s->part)) {
			w->fresh.segments[w->fresh.count] = *s;
			w->fresh.segments[w->fresh.count++].segment = (struct segment){0};
		}
	}
}

static int missing_keep(struct search_writer *w)
{
	struct index_missing *list = calloc(w->missing_count + 1, sizeof *list);

	if (!list)
		return ERR_NOMEM;
	w->fresh.missing = list;
	for (size_t i = 0; i < w->missing_count; i++)
		if (set_count(&w->missing[i].docs) > 0)
			list[w->fresh.missing_count++] = w->missing[i];
	return OK;
}

static int index_write(struct search_writer *w, bool durable)
{
	struct buffer file = BUFFER_INIT;
	char path[INDEX_PATH_ROOM], fresh[INDEX_PATH_ROOM + 8];
	int err = index_encode(&w->fresh, &file);

	index_path(path, sizeof path, w->folder, 0);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	if (!err)
		err = index_file_write(fresh, buffer_bytes(&file), durable);
	if (!err && durable)
		err = folder_sync(w->folder); /* the segments, before they count */
	if (!err && rename(fresh, path) != 0)
		err = ERR_IO;
	if (!err && durable)
		err = folder_sync(w->folder);
	buffer_free(&file);
	return err;
}

/* What has been replaced. */
static int retired_remove(struct search_writer *w, bool zero)
{
	char path[INDEX_PATH_ROOM];
	int err = OK;

	for (size_t i = 0; i < w->retired_count; i++) {
		index_path(path, sizeof path, w->folder, w->retired[i]);
		if (zero ? index_file_erase(path) != OK : unlink(path) != 0 && errno != ENOENT)
			err = ERR_IO;
	}
	return err;
}

/* A commit came to nothing: what it has written is not needed. */
static void commit_undo(struct search_writer *w)
{
	char path[INDEX_PATH_ROOM];

	for (uint64_t no = w->index.next; no < w->fresh.next; no++) {
		index_path(path, sizeof path, w->folder, no);
		unlink(path);
	}
	index_free(&w->fresh);
}

/* Segments that stay are still the old state's to unmap. */
static void segments_move(struct search_writer *w)
{
	for (size_t i = 0; i < w->fresh.count; i++) {
		struct index_segment *s = &w->fresh.segments[i];

		for (size_t j = 0; j < w->index.count && !s->segment.map; j++) {
			if (w->index.segments[j].no == s->no) {
				s->segment = w->index.segments[j].segment;
				w->index.segments[j].segment = (struct segment){0};
			}
		}
	}
}

int search_commit(
    struct search_writer *w, uint64_t position, const uint8_t id[static ID_LEN], bool erase)
{
	size_t most = w->index.count + w->time_count + w->drop_count + 1;
	bool zero = erase || w->drop_count > 0;
	int err;

	keys_unique(w, 0);
	keys_sort(w->drops, w->drop_count);
	w->fresh = (struct search_index){
	    .generation = w->index.generation + 1, .position = position, .next = w->index.next};
	memcpy(w->fresh.id, id, ID_LEN);
	w->fresh.segments = calloc(most, sizeof *w->fresh.segments);
	w->retired = calloc(w->index.count + 1, sizeof *w->retired);
	w->retired_count = 0;
	err = w->fresh.segments && w->retired ? missing_keep(w) : ERR_NOMEM;
	if (!err) {
		others_keep(w);
		err = parts_run(w, erase);
	}
	if (!err) {
		qsort(w->fresh.segments, w->fresh.count, sizeof *w->fresh.segments, by_part);
		err = index_write(w, erase);
	}
	if (err) {
		commit_undo(w);
		missing_restore(w);
	} else {
		segments_move(w);
		index_free(&w->index);
		w->index = w->fresh;
		w->fresh = (struct search_index){0};
		err = missing_restore(w);
		/* What an earlier commit had to leave goes now, too, or nothing is erased. */
		if ((erase ? index_files_sweep(w->folder, &w->index) : retired_remove(w, zero)) !=
			OK &&
		    !err)
			err = ERR_IO;
	}
	free(w->retired);
	w->retired = NULL;
	batch_clear(w);
	return err;
}

/* ---- opening ---- */

int search_writer_reset(struct search_writer *w)
{
	uint64_t generation = w->index.generation + 1, next = w->index.next;
	int err;

	batch_clear(w);
	index_free(&w->index);
	/* No number comes twice, also where it can't be known how far they were. */
	w->fresh = (struct search_index){
	    .generation = generation, .next = next ? next : clock_wall_ms()};
	err = index_write(w, true);
	w->index = w->fresh;
	w->fresh = (struct search_index){0};
	if (!err)
		err = missing_restore(w);
	return err ? err : index_files_sweep(w->folder, &w->index);
}

int search_writer_open(struct search_writer **out, const char *folder, bool *anew)
{
	struct search_writer *w = calloc(1, sizeof *w);
	int err = w && (w->folder = strdup(folder)) ? OK : ERR_NOMEM;

	*out = NULL;
	if (anew)
		*anew = false;
	if (!err && mkdir(folder, 0750) != 0 && errno != EEXIST)
		err = errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	if (!err) {
		err = index_load(&w->index, folder, NULL, true);
		if (err == ERR_NOTFOUND || err == ERR_SCHEMA || err == ERR_STORE) {
			if (anew)
				*anew = true;
			err = search_writer_reset(w);
		} else if (!err) {
			err = index_files_sweep(w->folder, &w->index);
			if (!err)
				err = missing_restore(w);
		}
	}
	if (err)
		search_writer_close(w);
	else
		*out = w;
	return err;
}

void search_writer_close(struct search_writer *w)
{
	if (!w)
		return;
	index_free(&w->index);
	free(w->keys);
	free(w->drops);
	free(w->times);
	free(w->missing);
	free(w->folder);
	free(w);
}
