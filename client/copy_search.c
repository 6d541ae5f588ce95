/* SPDX-License-Identifier: BSD-2-Clause */
/* Words in the copy: plain substrings of folded text, which need no notion of where words end and
 * so find Chinese as well as Portuguese. */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/fold.h"

static bool has_word(struct bytes text, struct bytes word)
{
	return text.len > 0 && memmem(text.data, text.len, word.data, word.len) != NULL;
}

static int words_fold(struct buffer *folded, char *const *words, int count, struct trouble *t)
{
	for (int i = 0; i < count; i++) {
		int err = search_fold(&folded[i], bytes_str(words[i]));

		if (err)
			return trouble_set(
			    t, err, "a word can't be searched for: %s", error_text(err));
		if (folded[i].len == 0) {
			trouble_set(
			    t, ERR_INVALID, "one of the words is empty, or holds marks alone");
			return t->err;
		}
	}
	return OK;
}

/* The numbers of what is found, newest first. */
static int rows_find(struct copy *c, const uint8_t *topic, const struct buffer *words, int count,
    size_t limit, int64_t *found, size_t *n, struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT i.no, f.text, p.folded FROM item i JOIN folded f ON f.item = i.no"
	    " LEFT JOIN person p ON p.no = i.person"
	    " WHERE ?1 IS NULL OR i.topic = (SELECT no FROM topic WHERE id = ?1)"
	    " ORDER BY i.time DESC, i.id DESC",
	    t, "B", bytes_of(topic, topic ? ID_LEN : 0));

	*n = 0;
	while (!err && *n < limit && (err = query_next(&q, t)) == 1) {
		struct bytes text = query_bytes(q, 1), author = query_bytes(q, 2);
		bool all = true;

		err = OK;
		for (int i = 0; i < count && all; i++)
			all = has_word(text, buffer_bytes(&words[i])) ||
			      has_word(author, buffer_bytes(&words[i]));
		if (all)
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

int copy_search(struct copy *c, const uint8_t *topic, char *const *words, int count, size_t limit,
    struct frames *out, struct trouble *t)
{
	struct buffer *folded = calloc((size_t)count + 1, sizeof *folded);
	int64_t *found = calloc(limit + 1, sizeof *found);
	size_t n = 0;
	int err;

	*out = (struct frames){NULL, 0};
	if (!folded || !found)
		out_of_memory();
	err = words_fold(folded, words, count, t);
	if (!err)
		err = rows_find(c, topic, folded, count, limit, found, &n, t);
	if (!err)
		err = found_out(c, found, n, out, t);
	for (int i = 0; i < count; i++)
		buffer_free(&folded[i]);
	free(folded);
	free(found);
	return err;
}
