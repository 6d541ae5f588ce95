/* SPDX-License-Identifier: BSD-2-Clause */
/* Search in every script. An index is a file of its own beside the store, which can be thrown away:
 * one connection writes it (the relay's search thread), others read (web, relay). Words are
 * compared as words.h folds them: NFKC, case folded; Han, kana and hangul and what is written
 * without spaces by pairs of characters. What is found is looked at once more in the text itself,
 * so that an index may be small and a result is right. */
#ifndef SEARCH_SEARCH_H
#define SEARCH_SEARCH_H

#include "base/buffer.h"
#include "msg/message.h"

/* What somebody types: words (all must occur), "a phrase", -without, and topic:ID by:HANDLE@ORG
 * lang:fr since:2026-01-31 until:2026-02-28. */
struct search_query;
/* ERR_INVALID with a sentence in `*why` (static). */
int search_parse(struct search_query **out, struct bytes text, const char **why);
void search_query_free(struct search_query *q);

struct search; /* an open index */
#define SEARCH_READ_ONLY 1u
int search_open(struct search **out, const char *path, unsigned flags);
void search_close(struct search *s);

struct search_hit {
	uint64_t arrival;
	uint8_t id[ID_LEN]; /* of the POST or TOPIC */
};
/* Candidates, newest arrival first, below `before` (UINT64_MAX: all); `fn` decides by the text
 * whether it is one (search_matches()), and ends the walk with other than OK. */
int search_find(struct search *s, const struct search_query *q, uint64_t before,
    int (*fn)(void *ctx, const struct search_hit *hit), void *ctx);

/* Whether subject and text have what the query asks for; and for showing: where the first match
 * stands. */
bool search_matches(const struct search_query *q, struct bytes subject, struct bytes text);

#endif
