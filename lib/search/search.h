/* SPDX-License-Identifier: BSD-2-Clause */
/* Search in every script: what somebody asks, and finding it in a store beside which there is an
 * index (index.h). Words are compared folded (fold.h); what is written without spaces is found
 * anywhere, other words whole. The index only says where to look: each candidate is looked at in
 * the store itself, so a result is right, amended, erased and hidden texts are not found, and the
 * index may be small.
 *
 * A struct search has one owner and one thread; several may read one index, also from other
 * processes and users that may write nothing. A query has bounded size, and a search takes no
 * longer than it is given. */
#ifndef SEARCH_SEARCH_H
#define SEARCH_SEARCH_H

#include "forum/query.h"
#include "msg/content.h"

#define SEARCH_QUERY_MAX 1024 /* bytes of a query */
#define SEARCH_WORDS_MAX 32   /* words and phrases in it */
#define SEARCH_REST_MS 20

/* What somebody types: words (all must occur), "a phrase", -without, and topic:ID (its first digits
 * too, at least 8), by:HANDLE@ORG (or by:HANDLE, by:"Name of somebody in an archive"), lang:fr,
 * since:2026-01-31, until:2026-02-28. A mark on a letter counts where it is typed: "sao" finds
 * "são", "são" doesn't find "sao". A character that can't be part of a word counts within a word
 * ("c++", "example.org"), but for brackets and what ends a sentence at its ends. */
struct search_query;
/* ERR_INVALID with a sentence in `*why` (English, static, for gettext(); NULL: not asked);
 * ERR_TOO_LARGE, the same; ERR_NOMEM. */
int search_parse(struct search_query **out, struct bytes text, const char **why);
void search_query_free(struct search_query *q);

struct search; /* an index, open for reading */

/* `path` is the index's folder, DATA/search. ERR_NOTFOUND: there is none (yet): searching is off,
 * or begins anew. ERR_SCHEMA (another version's), ERR_IO, ERR_NOMEM. What is written to it later is
 * seen by itself. */
int search_open(struct search **out, const char *path);
void search_close(struct search *s); /* NULL does nothing */

/* How far the index is. */
struct search_state {
	uint64_t position; /* all that arrived up to this number is in it */
	uint64_t texts;    /* how many are */
	uint64_t missing;  /* up to there, contents that are not here yet */
	uint64_t bytes;    /* of its files */
	uint64_t parts, segments;
};
int search_state(struct search *s, struct search_state *out);

/* Where something stands in a text: bytes [from, to). `from` == `to`: nowhere. */
struct search_span {
	size_t from, to;
};

/* Something found; valid during the callback. */
struct search_found {
	const struct item_row *row; /* `depth` is not told */
	struct bytes lang;
	const struct content *content; /* in force, amended or not */
};

struct search_ask {
	uint64_t before; /* arrivals below this; UINT64_MAX: from the newest on */
	unsigned ms;     /* wall time that it may take; 0: 500 */
	/* Whether the operator hides it; NULL: nothing is hidden. */
	bool (*hidden)(void *ctx, const struct item_row *row);
	/* Newest arrival first; other than OK ends the search, which then returns that. */
	int (*found)(void *ctx, const struct search_found *f);
	/* Every SEARCH_REST_MS, between two looks into the store: who has a transaction on it can
	 * end it, and begin another, so that the store's log isn't held up for all of a search.
	 * Other than OK ends the search, too. NULL: nothing is to be done. */
	int (*rest)(void *ctx);
	void *ctx;
};

/* `*next` is where to go on with `before`: 0, there is nothing more to be found; else the search
 * was ended by the callback (and goes on below what that was given last) or by its time; it is less
 * than `before`. ERR_STORE and the like; the index may be gone (ERR_NOTFOUND): open it again. The
 * store's reads are short ones, each of its own. */
int search_run(struct search *s, struct store *store, const struct search_query *q,
    const struct search_ask *ask, uint64_t *next);

/* ---- for who has no index, but the texts: a copy of some topics ---- */

/* Whether a content has what the query's words ask for. */
bool search_matches(const struct search_query *q, const struct content *c);
/* The same of a text that is folded already (search_fold()), where words may also stand in
 * `author`; what marks ask for is left to search_matches(), if search_has_marks(). */
bool search_matches_folded(const struct search_query *q, struct bytes text, struct bytes author);
bool search_has_marks(const struct search_query *q);

/* Whether a message is what the query says of topic, author, language and time. */
struct search_about {
	const uint8_t *topic; /* ID_LEN */
	const char *handle, *organisation;
	struct bytes lang;
	uint64_t time;
};
bool search_fits(
    const struct search_query *q, const struct search_about *about, const struct content *c);

/* The line or so of `text` to be shown, and what in it was found: up to `max` spans in order,
 * relative to `text`; returns how many. `line` has about `around` bytes on each side of the first
 * (no character is cut; nor is it longer than a line of the text where `within_line`); without
 * anything found it is how the text begins. Pass the subject or the text. */
size_t search_snippet(const struct search_query *q, struct bytes text, size_t around,
    bool within_line, struct search_span *line, struct search_span *found, size_t max);

#endif
