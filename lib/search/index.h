/* SPDX-License-Identifier: BSD-2-Clause */
/* The index as files: a folder of segments (segment.h), and the file `index` that names those that
 * count. What changes is written beside, and counts when `index` is renamed over the old one: so a
 * reader sees one state or the next, a kill at any point leaves one of them, and what `index`
 * doesn't name is removed at the next start.
 *
 * The one who writes (search_writer) has one thread. It follows a store's views by their arrival
 * numbers. Nothing here is needed to survive: an index of another version, of another store, or a
 * damaged one begins anew, and so does one that somebody removed.
 *
 * Erasing is rewriting the segments that had the text: no others know of it, and they know terms,
 * no words. */
#ifndef SEARCH_INDEX_H
#define SEARCH_INDEX_H

#include "forum/query.h"
#include "search/search.h"
#include "search/segment.h"

struct index_segment {
	uint64_t no; /* its file's name */
	uint32_t part, docs;
	uint64_t bytes, sum;
	uint64_t oldest, newest; /* advisory times of what is in it */
	struct segment segment;  /* mapped */
};

/* Documents whose content isn't here yet. */
struct index_missing {
	uint32_t part;
	struct doc_set docs;
};

struct search_index {
	uint64_t position, next;        /* `next`: segment */
	uint8_t id[ID_LEN];             /* of what has the number `position` */
	struct index_segment *segments; /* by part, descending */
	size_t count;
	struct index_missing *missing;
	size_t missing_count;
};

/* Read `index` in a folder and map its segments; those that `old` (NULL: none) has are taken from
 * it. ERR_NOTFOUND, ERR_SCHEMA, ERR_STORE, ERR_IO, ERR_NOMEM. `*out` is to be freed upon OK;
 * `old` is freed then. `check`: compare sums. */
int index_load(struct search_index *out, const char *folder, struct search_index *old, bool check);
void index_free(struct search_index *x); /* also unmaps */
int index_encode(const struct search_index *x, struct buffer *out);
void index_state(const struct search_index *x, struct search_state *out);
void index_path(char *out, size_t len, const char *folder, uint64_t no); /* 0: of `index` */

/* ---- writing ---- */

struct search_writer;

/* Make the folder where it isn't there. `*anew` (NULL: not asked) says that there was nothing to go
 * on with. ERR_IO, ERR_NOSPACE, ERR_NOMEM. */
int search_writer_open(struct search_writer **out, const char *folder, bool *anew);
void search_writer_close(struct search_writer *w); /* NULL does nothing; nothing is written */
/* Begin anew: durable on return. */
int search_writer_reset(struct search_writer *w);
/* Whatever is in an index's folder, made zero and gone for good: upon OK it is, or was not there.
 */
int search_remove(const char *folder);
const struct search_index *search_writer_index(const struct search_writer *w);

struct search_doc {
	const struct item_row *row;
	struct bytes lang, text; /* text: folded */
	bool unrooted; /* it will stand in another topic, perhaps, when the thread's root comes */
};
/* In memory until search_commit(); `search_writer_full()`: it should be now. */
int search_writer_add(struct search_writer *w, const struct search_doc *doc);
int search_writer_drop(struct search_writer *w, uint64_t arrival);
int search_writer_missing(struct search_writer *w, uint64_t arrival, bool missing);
bool search_writer_marked(const struct search_writer *w); /* what is missing has changed */
bool search_writer_full(const struct search_writer *w);
int search_writer_discard(struct search_writer *w); /* forget what isn't committed */
/* All that was added and dropped counts, and so far are the arrivals. `erase`: what is replaced, or
 * was left by an earlier commit, is made zero, and all of it is durable on return. After an error
 * the writer holds what is on disk: what it held before the last commit, or, where only old files
 * could not be removed, after it. */
int search_commit(
    struct search_writer *w, uint64_t position, const uint8_t id[static ID_LEN], bool erase);

/* ---- following a store (follow.c) ---- */

/* What the caller keeps between calls; begins as zeros. */
struct search_pace {
	uint64_t below;      /* of what is missing, that was looked at */
	uint64_t began;      /* and when that was begun; ms */
	uint64_t rest_until; /* then again */
	uint64_t version;    /* of the store, when all of it was */
	bool found;
};

/* Take in what has come, for about `ms`; an index of another store begins anew. 1: there is more;
 * OK: all that can be is. ERR_STORE and the like: come again later. `s` is a read-only connection
 * of the caller's thread. */
int search_follow(struct search_writer *w, struct store *s, struct search_pace *pace, unsigned ms);
/* Upon OK, nothing that was erased in the store before is in any file of the index, for good. */
int search_erase(struct search_writer *w, struct store *s);

#endif
