/* SPDX-License-Identifier: BSD-2-Clause */
/* The one who writes, from inside: a batch in memory (batch.c), what becomes of each part that it
 * changes (part.c), and the files that count then (write.c). */
#ifndef SEARCH_WRITER_H
#define SEARCH_WRITER_H

#include "search/index.h"

/* Part, term and document in one number: sorted, they are segments. */
#define KEY_PART_SHIFT (TERM_BITS + PART_BITS)
static inline uint64_t key_of(uint64_t arrival, uint32_t term)
{
	return arrival >> PART_BITS << KEY_PART_SHIFT | (uint64_t)term << PART_BITS |
	       (arrival & (PART_DOCS - 1));
}
static inline uint32_t key_part(uint64_t key)
{
	return (uint32_t)(key >> KEY_PART_SHIFT);
}
static inline uint32_t key_term(uint64_t key)
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

/* batch.c */
void batch_clear(struct search_writer *w);
/* What is missing, by the index as it is. */
int batch_missing_restore(struct search_writer *w);
/* From `from` on, sorted, and each once. */
void batch_keys_unique(struct search_writer *w, size_t from);
void batch_keys_sort(uint64_t *keys, size_t count);

/* part.c: make the segments of all parts that the batch is about; its keys and drops are sorted.
 * They are added to `fresh`, and what they replace to `retired`: both have room for all. */
int parts_run(struct search_writer *w, bool durable);

#endif
