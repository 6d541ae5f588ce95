/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread of the copy, and the threads of a topic, as the node would answer
 * (SPEC.md 13.2, 13.3). */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "forum/query.h"
#include "msg/content.h"

/* ---- ids ---- */

/* Complete an id from its first bytes: of a post, or else of a missing root. */
static int forest_resolve(
    const struct forest *f, const uint8_t *id, size_t len, uint32_t *out, struct trouble *t)
{
	char hex[2 * ID_LEN + 1];
	size_t shown = 0, roots = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		const struct post *p = &f->posts[i];

		if (memcmp(p->id, id, len) != 0 || p->root == NONE)
			continue;
		if (p->no ? shown == 0 : shown + roots == 0)
			*out = i;
		shown += p->no != 0;
		roots += p->no == 0;
	}
	if (shown == 1 || (shown == 0 && roots == 1))
		return OK;
	hex_encode(hex, id, len);
	if (shown + roots == 0)
		return trouble_set(t, ERR_NOTFOUND, "nothing in your copy begins with %s", hex);
	trouble_set(t, ERR_EXISTS, "several ids in your copy begin with %s", hex);
	trouble_hint(t, "Give more of the id.");
	return t->err;
}

/* ---- one thread ---- */

int copy_thread(struct copy *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t)
{
	struct forest f;
	Convene__Items *m;
	uint32_t at = 0;
	int err;

	*out = (struct frames){NULL, 0};
	*missing = 0;
	if (len < 4 || len > ID_LEN)
		return trouble_set(t, ERR_INVALID, "an id has 4 to 32 bytes");
	err = forest_open(&f, c, t);
	if (err)
		return err;
	m = calloc(1, sizeof *m);
	if (!m)
		out_of_memory();
	convene__items__init(m);
	m->last = true;
	err = forest_resolve(&f, id, len, &at, t);
	for (uint32_t i = 0; i < f.walked && !err; i++) {
		const struct post *p = &f.posts[f.walk[i]];

		if (p->root != f.posts[at].root)
			continue;
		if (p->no == 0) {
			m->missing++;
			continue;
		}
		Convene__Item *item = calloc(1, sizeof *item);
		if (!item)
			out_of_memory();
		m->items = pb_room(m->items, m->n_items);
		m->items[m->n_items++] = item;
		err = item_out(c, p->no, item, t);
		if (!err)
			err = forest_place(&f, f.walk[i], c, item, t);
		m->missing += item->content_state == CONVENE__CONTENT_STATE__CONTENT_MISSING;
	}
	forest_free(&f);
	*missing = m->missing;
	if (err) {
		message_free(&m->base);
		return err;
	}
	return frames_add(out, &m->base) == OK ? OK : no_memory(t);
}

/* ---- the threads of a topic ---- */

/* A thread as it stands in this topic. */
struct row {
	uint32_t root;
	uint64_t posts, latest;
	int64_t newest; /* orders equal times as a node does */
};

static int by_activity(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->latest != y->latest)
		return x->latest > y->latest ? -1 : 1;
	return x->newest > y->newest ? -1 : x->newest < y->newest;
}

/* The walk has each thread together. Returns how many rows there are. */
static uint32_t rows_make(const struct forest *f, int64_t topic, struct row *rows)
{
	uint32_t count = 0, root = NONE;

	for (uint32_t i = 0; i < f->walked; i++) {
		const struct post *p = &f->posts[f->walk[i]];

		if (p->no == 0 || p->kind != KIND_POST || forest_topic(f, f->walk[i]) != topic)
			continue;
		if (p->root != root) {
			root = p->root;
			rows[count++] = (struct row){.root = root, .newest = INT64_MIN};
		}
		struct row *r = &rows[count - 1];
		int64_t order = (int64_t)get_u64(p->id);
		r->posts++;
		if (p->time > r->latest || (p->time == r->latest && order > r->newest)) {
			r->latest = p->time;
			r->newest = order;
		}
	}
	qsort(rows, count, sizeof *rows, by_activity);
	return count;
}

static void head_add(struct buffer *out, struct bytes text, size_t max)
{
	text = text_head(text, max);
	buffer_add(out, text.data, text.len);
}

/* What a listing tells of a message: its subject and, where it was imported, its author. */
static int copy_title(struct copy *c, const uint8_t id[static ID_LEN], struct buffer *subject,
    struct buffer *author, struct trouble *t)
{
	struct content content = {0};
	struct item_text text;
	int err = text_start(&text, c, id, t);

	if (!err && text.state == CONVENE__CONTENT_STATE__CONTENT_PRESENT &&
	    content_parse(text.content, &content) == OK) {
		head_add(subject, content.subject, SUBJECT_SHOWN);
		head_add(author, content.imported.author, ARCHIVED_SHOWN);
	}
	content_clear(&content);
	text_end(&text);
	return !err && (subject->failed || author->failed) ? no_memory(t) : err;
}

int copy_subject(
    struct copy *c, const uint8_t id[static ID_LEN], struct buffer *out, struct trouble *t)
{
	struct buffer author = BUFFER_INIT;
	int err = copy_title(c, id, out, &author, t);

	buffer_free(&author);
	return err;
}

/* What is told of the root of a thread. */
static int root_out(
    struct copy *c, const struct post *root, Convene__Thread *out, struct trouble *t)
{
	struct buffer subject = BUFFER_INIT, author = BUFFER_INIT;
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	struct header h;
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT l.name, p.organisation, p.handle, b.message FROM item i JOIN log l ON l.no = "
	    "i.log"
	    " JOIN body b ON b.item = i.no LEFT JOIN person p ON p.no = i.person WHERE i.no = ?1",
	    t, "i", root->no);

	if (!err && (err = query_next(&q, t)) == 1) {
		if (log_name_parse(query_bytes(q, 0), &organisation, digest, &number) == OK)
			out->log = pb_copy(bytes_of(digest, DIGEST_LEN));
		out->organisation = pb_copy(query_bytes(q, 1));
		out->handle = pb_copy(query_bytes(q, 2));
		if (message_parse(query_bytes(q, 3), &h) == OK)
			out->lang = pb_copy(h.lang);
		query_end(&q);
		err = OK;
	}
	if (!err)
		err = copy_title(c, root->id, &subject, &author, t);
	out->subject = pb_copy(buffer_bytes(&subject));
	out->archived_author = pb_copy(buffer_bytes(&author));
	buffer_free(&subject);
	buffer_free(&author);
	return err;
}

static int row_out(struct copy *c, const struct forest *f, const struct row *r,
    Convene__Thread *out, struct trouble *t)
{
	static const uint8_t none[DIGEST_LEN];
	const struct post *root = &f->posts[r->root];

	convene__thread__init(out);
	out->id = pb_copy(bytes_of(root->id, ID_LEN));
	out->posts = r->posts;
	out->latest = r->latest;
	out->root_missing = root->no == 0;
	if (root->no) {
		out->time = root->time;
		return root_out(c, root, out, t);
	}
	out->log = pb_copy(bytes_of(none, DIGEST_LEN));
	return OK;
}

/* A kept topic by the first bytes of its id. */
static int topic_resolve(
    struct copy *c, const uint8_t *id, size_t len, int64_t *no, struct trouble *t)
{
	char hex[2 * ID_LEN + 1];
	size_t found = 0;
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT no FROM topic WHERE kept = 1 AND substr(id, 1, length(?1)) = ?1", t, "b",
	    bytes_of(id, len));

	while (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		found++;
		err = OK;
	}
	query_end(&q);
	if (err || found == 1)
		return err;
	hex_encode(hex, id, len < 8 ? len : 8);
	if (found > 1)
		return trouble_set(t, ERR_EXISTS, "several topics begin with %s", hex);
	return trouble_set(t, ERR_NOTFOUND, "the topic %.8s is not in your copy", hex);
}

int copy_threads(struct copy *c, const uint8_t *topic, size_t len, uint32_t limit, uint32_t offset,
    struct frames *out, struct trouble *t)
{
	struct forest f = {0};
	struct row *rows = NULL;
	Convene__Threads *m;
	uint32_t count = 0;
	int64_t no = 0;
	int err = len >= 4 && len <= ID_LEN
		      ? topic_resolve(c, topic, len, &no, t)
		      : trouble_set(t, ERR_INVALID, "an id has 4 to 32 bytes");

	*out = (struct frames){NULL, 0};
	if (!err)
		err = forest_open(&f, c, t);
	if (err)
		return err;
	rows = calloc((size_t)f.count + 1, sizeof *rows);
	m = calloc(1, sizeof *m);
	if (!rows || !m)
		out_of_memory();
	convene__threads__init(m);
	m->last = true;
	count = rows_make(&f, no, rows);
	limit = limit == 0 ? THREADS_DEFAULT : limit < THREADS_MAX ? limit : THREADS_MAX;
	for (uint32_t i = offset; i < count && i - offset < limit && !err; i++) {
		Convene__Thread *thread = calloc(1, sizeof *thread);

		if (!thread)
			out_of_memory();
		m->threads = pb_room(m->threads, m->n_threads);
		m->threads[m->n_threads++] = thread;
		err = row_out(c, &f, &rows[i], thread, t);
	}
	free(rows);
	forest_free(&f);
	if (err) {
		message_free(&m->base);
		return err;
	}
	return frames_add(out, &m->base) == OK ? OK : no_memory(t);
}
