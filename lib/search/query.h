/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a query, for the files of this room. */
#ifndef SEARCH_QUERY_H
#define SEARCH_QUERY_H

#include "search/search.h"
#include "search/words.h"

/* What was typed between two spaces, folded. Both forms are there; `marked` counts where the typing
 * had a mark. */
struct literal {
	struct buffer plain, marked;
	bool exact; /* its marks count */
};

/* One literal, or several that stand one after the other with nothing but spaces and the like
 * between. */
struct phrase {
	struct literal *literals;
	size_t count;
	bool without;
};

struct by {
	bool given;
	char handle[HANDLE_MAX + 1];         /* prepared; empty: it can't be one */
	char organisation[ORG_NAME_MAX + 1]; /* empty: any */
	struct phrase name;                  /* of an author as an archive has them */
};

struct search_query {
	struct phrase phrases[SEARCH_WORDS_MAX];
	size_t count, wanted; /* wanted: of them, those that must occur */
	struct by by;
	uint8_t topic[ID_LEN];
	size_t topic_digits;   /* 0: any */
	char lang[36];         /* lower case; empty: any */
	uint64_t since, until; /* advisory times t with since <= t < until */
};

/* What looking at one text may cost. A phrase of many equal words in a text of the same would be
 * tried at each of them; of what people write and ask for nothing comes near to this. */
struct effort {
	size_t left; /* words tried; 0: it was given up, and nothing is known */
};
struct effort effort_for(size_t text_len);

/* A text to be looked at. */
struct folded {
	struct buffer plain, marked;
};
int folded_make(struct folded *f, const struct search_query *q, struct bytes text);
int folded_content(struct folded *f, const struct search_query *q, const struct content *c);
void folded_free(struct folded *f);

/* Whether the marks of one of its words count: then of all, in the text with its marks. */
bool phrase_exact(const struct phrase *p);
/* Where it stands first in a folded text, from `from` on; false, too, once it is given up. */
bool phrase_find(const struct phrase *p, bool exact, struct bytes text, size_t from,
    struct effort *effort, struct search_span *out);
/* False, too, where it was given up. */
bool query_matches(const struct search_query *q, const struct folded *f);
/* search_fits(), but for the author. */
bool about_fits(const struct search_query *q, const struct search_about *about);
/* Whether the author as an archive has them is who is asked for. */
bool query_archived_by(const struct search_query *q, const struct content *c);

/* What of a content can be found, appended, not folded: its parts can't be taken for one text. */
int content_searched(struct buffer *out, const struct content *c);

#endif
