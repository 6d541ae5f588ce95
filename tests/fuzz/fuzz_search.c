/* SPDX-License-Identifier: BSD-2-Clause */
/* A query, a NUL, and a text: what matches has every term that the query is looked up by, and where
 * it stands lies in the text. */
#include <string.h>

#include "base/error.h"
#include "search/fold.h"
#include "search/query.h"
#include "target.h"

struct terms {
	uint32_t list[65536];
	size_t count;
};

static int keep(void *ctx, uint32_t term)
{
	struct terms *t = ctx;

	if (t->count < 65536)
		t->list[t->count++] = term;
	return OK;
}

static bool has(const struct terms *t, uint32_t term)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i] == term)
			return true;
	return t->count == 65536;
}

static void check_found(const struct search_query *q, struct bytes text)
{
	static struct terms there, asked;
	struct buffer folded = BUFFER_INIT;

	there.count = asked.count = 0;
	REQUIRE(search_fold(&folded, text) == OK);
	search_terms(buffer_bytes(&folded), keep, &there);
	for (size_t i = 0; i < q->count; i++) {
		struct buffer words = BUFFER_INIT;

		for (size_t j = 0; j < q->phrases[i].count && !q->phrases[i].without; j++) {
			struct bytes word = buffer_bytes(&q->phrases[i].literals[j].plain);

			buffer_add(&words, word.data, word.len);
			buffer_add_str(&words, " ");
		}
		search_terms(buffer_bytes(&words), keep, &asked);
		buffer_free(&words);
	}
	for (size_t i = 0; i < asked.count; i++)
		REQUIRE(has(&there, asked.list[i]));
	buffer_free(&folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	struct bytes query = bytes_of(data, nul ? (size_t)(nul - data) : size);
	struct content c = {.text = bytes_of(nul ? nul + 1 : data, nul ? size - query.len - 1 : 0)};
	struct search_span line, found[4];
	struct search_query *q;
	const char *why = NULL;
	size_t n, at;

	if (c.text.len > 16384)
		return 0;
	if (search_parse(&q, query, &why) != OK) {
		REQUIRE(!q && why);
		return 0;
	}
	REQUIRE(q->count <= SEARCH_WORDS_MAX);
	if (search_matches(q, &c))
		check_found(q, c.text);
	n = search_snippet(q, c.text, 30, size % 2, &line, found, 4);
	REQUIRE(n <= 4 && line.from <= line.to && line.to <= c.text.len);
	at = line.from;
	for (size_t i = 0; i < n; i++) {
		REQUIRE(
		    found[i].from >= at && found[i].from < found[i].to && found[i].to <= line.to);
		at = found[i].to;
	}
	search_query_free(q);
	return 0;
}
