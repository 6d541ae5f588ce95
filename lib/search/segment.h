/* SPDX-License-Identifier: BSD-2-Clause */
/* A segment: a file that never changes, which says which documents of one part have which terms.
 *
 * A part is 16,384 arrival numbers; a document is its number within the part. Readers map the file.
 * Whatever it holds, reading it goes nowhere else and ends: a damaged one only gives other
 * documents, which are then looked at in the store.
 *
 *	header     magic[8] ‖ u32 part ‖ u32 number of blocks
 *	directory  for each block u32 its first term ‖ u32 where it begins; then u32 0 ‖ u32 the end
 *	blocks     for each term: varint of the term less the one before ‖ varint of
 *	           (bytes << 1 | is a bitmap) ‖ documents
 *	documents  varints of each less the one before less 1, or a bitmap of the whole part
 *
 * All numbers are big-endian. Every document has TERM_ALL. */
#ifndef SEARCH_SEGMENT_H
#define SEARCH_SEGMENT_H

#include "search/words.h"

#define PART_BITS 14
#define PART_DOCS (1u << PART_BITS)
#define SET_WORDS (PART_DOCS / 64)

/* Documents of a part. */
struct doc_set {
	uint64_t words[SET_WORDS];
};
static inline void set_add(struct doc_set *s, uint32_t doc)
{
	s->words[doc / 64] |= UINT64_C(1) << (doc % 64);
}
static inline bool set_has(const struct doc_set *s, uint32_t doc)
{
	return s->words[doc / 64] >> (doc % 64) & 1;
}
size_t set_count(const struct doc_set *s);

struct segment {
	const uint8_t *map;
	size_t len;
	uint32_t part, blocks;
};

/* ERR_NOTFOUND, ERR_IO, ERR_STORE (no segment). */
int segment_open(struct segment *out, const char *path);
void segment_close(struct segment *s);
/* One in memory, which is the caller's: not to be closed. ERR_STORE. */
int segment_view(struct segment *out, struct bytes b);
/* Whether it still is one: its file is made zero when what it held must go. */
bool segment_whole(const struct segment *s);
uint64_t segment_sum(const struct segment *s);
/* Whether a file has this length and sum, by read(): what the disk can't give is ERR_STORE, and
 * not, as in a map, the end of the process. ERR_NOTFOUND, ERR_IO: it can't be opened. */
int segment_check_file(const char *path, uint64_t bytes, uint64_t sum);

/* Add the documents that have a term. */
void segment_find(const struct segment *s, uint32_t term, struct doc_set *out);

/* A walk through all terms, in order. */
struct cursor {
	const struct segment *segment;
	size_t block;
	size_t at, end;
	uint32_t term;
	struct bytes docs; /* encoded */
	bool bitmap;
	bool done;
};
void cursor_start(struct cursor *c, const struct segment *s);
void cursor_next(struct cursor *c);
void docs_add(struct bytes docs, bool bitmap, struct doc_set *out);
/* Of no bitmap, and no more than FEW_MAX bytes: behind `count` that are there; the new count. */
size_t docs_list(struct bytes docs, uint16_t *out, size_t count);

/* A new one, in memory: terms rise. */
struct segment_making {
	struct buffer directory, blocks;
	uint32_t part, count, last;
	size_t begun; /* the block under way */
};
void making_start(struct segment_making *m, uint32_t part);
void making_add(struct segment_making *m, uint32_t term, const struct doc_set *docs);
/* The same, of a few: they rise. */
#define FEW_MAX 512
void making_few(
    struct segment_making *m, uint32_t term, const uint16_t docs[static 1], size_t count);
/* The same, of what a cursor stands at. */
void making_copy(struct segment_making *m, const struct cursor *c);
/* Its bytes, appended; what was made is freed. */
int making_end(struct segment_making *m, struct buffer *out);
void making_free(struct segment_making *m);

#endif
