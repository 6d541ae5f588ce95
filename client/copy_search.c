/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching the copy: every text, folded when it came, by the rules of the node (search/search.h);
 * but words may also stand in an author's name. */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "msg/content.h"
#include "search/search.h"

/* What the query says beside its words, and of marks, by the message itself. */
static int row_fits(struct copy *c, const struct query *row, const struct search_query *q,
    bool *fits, struct trouble *t)
{
	struct bytes topic = query_bytes(row, 3), id = query_bytes(row, 4);
	struct buffer handle = BUFFER_INIT, organisation = BUFFER_INIT;
	struct content content = {0};
	struct item_text text;
	struct header h = {0};
	int err;

	*fits = false;
	if (topic.len != ID_LEN || id.len != ID_LEN)
		return OK;
	err = text_start(&text, c, id.data, t);
	buffer_add(&handle, query_bytes(row, 5).data, query_bytes(row, 5).len);
	buffer_add(&organisation, query_bytes(row, 6).data, query_bytes(row, 6).len);
	if (!err && text.state == STATE(PRESENT) && content_parse(text.content, &content) == OK &&
	    message_parse(query_bytes(row, 7), &h) == OK) {
		struct search_about about = {
		    topic.data, buffer_str(&handle), buffer_str(&organisation), h.lang, h.time};

		*fits = search_fits(q, &about, &content) &&
			(!search_has_marks(q) || search_matches(q, &content));
	}
	content_clear(&content);
	text_end(&text);
	buffer_free(&handle);
	buffer_free(&organisation);
	return err;
}

/* The numbers of what is found, newest first. */
static int rows_find(struct copy *c, const uint8_t *topic, const struct search_query *search,
    size_t limit, int64_t *found, size_t *n, struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT i.no, f.text, p.folded, o.id, i.id, p.handle, p.organisation, b.message"
	    " FROM item i JOIN folded f ON f.item = i.no JOIN topic o ON o.no = i.topic"
	    " JOIN body b ON b.item = i.no LEFT JOIN person p ON p.no = i.person"
	    " WHERE ?1 IS NULL OR i.topic = (SELECT no FROM topic WHERE id = ?1)"
	    " ORDER BY i.time DESC, i.id DESC",
	    t, "B", bytes_of(topic, topic ? ID_LEN : 0));

	*n = 0;
	while (!err && *n < limit && (err = query_next(&q, t)) == 1) {
		bool fits = false;

		err = search_matches_folded(search, query_bytes(q, 1), query_bytes(q, 2))
			  ? row_fits(c, q, search, &fits, t)
			  : OK;
		if (fits)
			found[(*n)++] = query_int(q, 0);
	}
	query_end(&q);
	return err;
}

static int found_out(
    struct copy *c, const int64_t *found, size_t n, struct frames *out, struct trouble *t)
{
	Convene__Items *m = calloc(1, sizeof *m);
	struct forest f = {0};
	int err = n > 0 ? forest_open(&f, c, t) : OK;

	if (!m)
		out_of_memory();
	convene__items__init(m);
	m->last = true;
	for (size_t i = 0; i < n && !err; i++) {
		Convene__Item *item = calloc(1, sizeof *item);

		if (!item)
			out_of_memory();
		m->items = pb_room(m->items, m->n_items);
		m->items[m->n_items++] = item;
		err = item_out(c, found[i], item, t);
		for (uint32_t at = 0; at < f.count && !err; at++)
			if (f.posts[at].no == found[i])
				err = forest_place(&f, at, c, item, t);
	}
	forest_free(&f);
	if (!err)
		return frames_add(out, &m->base) == OK ? OK : no_memory(t);
	message_free(&m->base);
	return err;
}

int copy_search(struct copy *c, const uint8_t *topic, const struct search_query *q, size_t limit,
    struct frames *out, struct trouble *t)
{
	int64_t *found = calloc(limit + 1, sizeof *found);
	size_t n = 0;
	int err;

	*out = (struct frames){NULL, 0};
	if (!found)
		out_of_memory();
	err = rows_find(c, topic, q, limit, found, &n, t);
	if (!err)
		err = found_out(c, found, n, out, t);
	free(found);
	return err;
}
