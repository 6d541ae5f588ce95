/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing the copy up to date, with as few bytes as that takes.
 *
 * An answer to WATCH ends with the number of the node's last arrival. A topic whose cursor has that
 * number needs no question of its own, so a second sync with nothing new asks once, whatever is
 * kept. Arrival numbers are the node's own and only grow; where they don't, the node was restored
 * from a backup, and everything is asked for again, in a new round.
 *
 * A post may change topics without arriving again, when the root of its thread comes. So where the
 * node counts another number of posts than are here although nothing has come, the topic's threads
 * are compared, and those that differ are asked for by themselves: what strangers can bring about
 * must not cost a whole topic. (That as many posts went as came, between two syncs, is not seen.)
 */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct sync {
	struct copy *c;
	struct client *client;
	struct copy_progress *p;
	void (*tell)(void *ctx, const struct copy_progress *p);
	void *ctx;
	struct trouble *t;
	uint64_t received; /* by the client before */
	bool asked;
	uint64_t last; /* the node's last arrival, when it has told */
	const uint8_t *topic;
	uint64_t came; /* items in the answers for this topic */
	bool again;    /* something came after contents were asked for */
};

struct kept {
	uint8_t id[ID_LEN];
	uint64_t cursor;
	bool complete; /* was here to its end before */
	bool here;     /* the node has it */
};

struct kept_list {
	struct kept *list;
	size_t count;
};

static void told(struct sync *s)
{
	s->p->bytes = client_received(s->client) - s->received;
	if (s->tell)
		s->tell(s->ctx, s->p);
}

static int kept_add(void *ctx, const struct copy_topic *topic)
{
	struct kept_list *k = ctx;
	struct kept *grown;

	if (!topic->kept)
		return OK;
	grown = realloc(k->list, (k->count + 1) * sizeof *grown);
	if (!grown)
		out_of_memory();
	k->list = grown;
	k->list[k->count].here = false;
	k->list[k->count].cursor = topic->cursor;
	k->list[k->count].complete = topic->synced > 0;
	memcpy(k->list[k->count++].id, topic->id, ID_LEN);
	return OK;
}

/* ---- one topic ---- */

static int items_come(void *ctx, const Convene__Items *items)
{
	struct sync *s = ctx;
	int err = copy_take(s->c, s->topic, items, s->p, s->t);

	s->came += items->n_items;
	if (items->last && items->arrival > 0) {
		s->asked = true;
		s->last = items->arrival;
	}
	told(s);
	return err;
}

static int round_begin(struct sync *s, struct kept *k)
{
	k->cursor = 0;
	return database_run(s->c->d, "UPDATE topic SET cursor = 0, round = round + 1 WHERE id = ?1",
	    NULL, s->t, "k", k->id);
}

static int topic_sync(struct sync *s, struct kept *k)
{
	int err;

	s->topic = k->id;
	s->came = 0;
	err = client_arrivals(s->client, k->cursor, k->id, items_come, s, s->t);
	if (!err && s->asked && s->last < k->cursor) {
		/* This node doesn't know any more what it has told us. */
		err = round_begin(s, k);
		if (!err)
			err = client_arrivals(s->client, 0, k->id, items_come, s, s->t);
	}
	if (err == ERR_NOTFOUND) {
		s->p->gone++;
		return OK;
	}
	if (!err && s->asked)
		k->cursor = s->last;
	k->here = !err;
	s->p->topics += !err;
	return err;
}

/* Nothing has come since: note the moment alone, as an empty answer would. */
static int topic_unchanged(struct sync *s, struct kept *k)
{
	Convene__Items none = CONVENE__ITEMS__INIT;

	none.last = true;
	none.arrival = s->last;
	k->here = true;
	s->p->topics++;
	return copy_take(s->c, k->id, &none, s->p, s->t);
}

/* ---- contents that did not come with their items ---- */

static int content_fetch(struct sync *s, int64_t no, const uint8_t *id)
{
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	int err = client_content(s->client, id, salt, &content, s->t);

	if (!err)
		err = item_content(s->c, no, salt, buffer_bytes(&content), s->t);
	buffer_free(&content);
	if (err == ERR_COMMITMENT) {
		s->p->bad++;
		return OK;
	}
	told(s);
	/* Not there yet, or erased meanwhile: the next sync asks again, or is told. */
	return err == ERR_NOTFOUND || err == ERR_REFUSED ? OK : err;
}

static int contents_fetch(struct sync *s)
{
	int64_t no = 0;
	int err;

	for (;;) {
		uint8_t id[ID_LEN];
		struct query *q;

		err = query_start(&q, s->c->d,
		    "SELECT no, id FROM item WHERE state IN (1, 3, 5) AND no > ?1 ORDER BY no "
		    "LIMIT 1",
		    s->t, "i", no);
		if (!err)
			err = query_next(&q, s->t);
		if (err != 1)
			return err;
		no = query_int(q, 0);
		bool good = query_bytes(q, 1).len == ID_LEN;
		if (good)
			memcpy(id, query_bytes(q, 1).data, ID_LEN);
		query_end(&q);
		err = good ? content_fetch(s, no, id) : OK;
		if (err)
			return err;
	}
}

/* ---- the list of topics ---- */

/* Whether it may have changed: by an arrival, or by a title that was not here yet. */
static int list_wanted(struct sync *s, bool *wanted)
{
	struct query *q;
	int err = query_start(&q, s->c->d,
	    "SELECT (SELECT listed FROM owner) <> ?1 OR NOT EXISTS (SELECT 1 FROM topic)"
	    " OR EXISTS (SELECT 1 FROM topic WHERE title = x'')",
	    s->t, "i", (int64_t)s->last);

	if (!err && (err = query_next(&q, s->t)) == 1) {
		*wanted = !s->asked || query_int(q, 0) != 0;
		query_end(&q);
		err = OK;
	}
	return err;
}

static int list_sync(struct sync *s)
{
	struct frames topics = {NULL, 0};
	bool wanted = true;
	int err = list_wanted(s, &wanted);

	if (err || !wanted)
		return err;
	err = client_topics(s->client, &topics, s->t);
	if (!err)
		err = copy_list(s->c, &topics, s->t);
	frames_free(&topics);
	if (!err)
		err = database_run(
		    s->c->d, "UPDATE owner SET listed = ?1", NULL, s->t, "i", (int64_t)s->last);
	told(s);
	return err;
}

/* ---- posts that changed topics ---- */

/* Threads of a topic by id, as the node counts them. */
struct thread_count {
	uint8_t id[ID_LEN];
	uint64_t posts;
};
struct thread_list {
	struct thread_count *list;
	size_t count;
};

static int by_id(const void *a, const void *b)
{
	return memcmp(
	    ((const struct thread_count *)a)->id, ((const struct thread_count *)b)->id, ID_LEN);
}

static uint64_t posts_of(const struct thread_list *l, const uint8_t id[static ID_LEN])
{
	const struct thread_count *found = bsearch(id, l->list, l->count, sizeof *found, by_id);

	return found ? found->posts : 0;
}

static size_t page_take(struct thread_list *l, const struct frames *page)
{
	size_t rows = 0;

	for (size_t i = 0; i < page->count; i++) {
		const Convene__Threads *m = (const Convene__Threads *)page->list[i];
		struct thread_count *grown = realloc(
		    l->list, (l->count + m->n_threads + 1) * sizeof *grown);

		if (!grown)
			out_of_memory();
		l->list = grown;
		rows += m->n_threads;
		for (size_t j = 0; j < m->n_threads; j++) {
			if (m->threads[j]->id.len != ID_LEN)
				continue;
			memcpy(l->list[l->count].id, m->threads[j]->id.data, ID_LEN);
			l->list[l->count++].posts = m->threads[j]->posts;
		}
	}
	return rows;
}

static int threads_list(struct sync *s, const struct kept *k, struct thread_list *l)
{
	size_t rows = THREADS_MAX;
	int err = OK;

	for (uint32_t offset = 0; rows == THREADS_MAX && !err && offset < UINT32_MAX - THREADS_MAX;
	     offset += THREADS_MAX) {
		struct frames page = {NULL, 0};

		err = client_threads(s->client, k->id, ID_LEN, THREADS_MAX, offset, &page, s->t);
		rows = err ? 0 : page_take(l, &page);
		frames_free(&page);
		told(s);
	}
	if (!err && l->count > 0)
		qsort(l->list, l->count, sizeof *l->list, by_id);
	return err;
}

/* Forget a thread that the node doesn't have in this topic. */
static int thread_drop(struct sync *s, const struct forest *f, uint32_t root, int64_t topic)
{
	int err = database_begin(s->c->d, s->t);

	for (uint32_t i = 0; i < f->count && !err; i++)
		if (f->posts[i].root == root && f->posts[i].kind == KIND_POST)
			err = items_drop(s->c, topic, f->posts[i].id, INT64_MAX, s->t);
	if (!err)
		return database_commit(s->c->d, s->t);
	database_rollback(s->c->d);
	return err;
}

static int thread_fetch(struct sync *s, const struct kept *k, const uint8_t id[static ID_LEN])
{
	struct frames frames = {NULL, 0};
	uint64_t missing;
	int err = client_thread(s->client, id, ID_LEN, &frames, &missing, s->t);

	if (err == ERR_NOTFOUND)
		return OK;
	for (size_t i = 0; i < frames.count && !err; i++)
		err = items_take(
		    s->c, k->id, (const Convene__Items *)frames.list[i], false, s->p, s->t);
	frames_free(&frames);
	told(s);
	return err;
}

static int threads_compare(struct sync *s, const struct kept *k)
{
	struct thread_list theirs = {NULL, 0}, ours = {NULL, 0};
	struct forest f = {0};
	int64_t topic = 0, round;
	int err = topic_number(s->c, k->id, &topic, &round, s->t);

	if (!err)
		err = threads_list(s, k, &theirs);
	if (!err)
		err = forest_open(&f, s->c, s->t);
	ours.list = calloc((size_t)f.count + 1, sizeof *ours.list);
	if (!ours.list)
		out_of_memory();
	for (uint32_t i = 0; i < f.walked; i++) {
		const struct post *p = &f.posts[f.walk[i]];
		const uint8_t *root = f.posts[p->root].id;

		if (p->no == 0 || p->kind != KIND_POST || forest_topic(&f, f.walk[i]) != topic)
			continue;
		/* The walk has each thread together. */
		if (ours.count == 0 || memcmp(ours.list[ours.count - 1].id, root, ID_LEN) != 0)
			memcpy(ours.list[ours.count++].id, root, ID_LEN);
		ours.list[ours.count - 1].posts++;
	}
	if (ours.count > 0)
		qsort(ours.list, ours.count, sizeof *ours.list, by_id);
	for (size_t i = 0; i < ours.count && !err; i++)
		if (posts_of(&theirs, ours.list[i].id) < ours.list[i].posts)
			err = thread_drop(s, &f, forest_find(&f, ours.list[i].id), topic);
	for (size_t i = 0; i < theirs.count && !err; i++)
		if (posts_of(&ours, theirs.list[i].id) != theirs.list[i].posts)
			err = thread_fetch(s, k, theirs.list[i].id);
	forest_free(&f);
	free(ours.list);
	free(theirs.list);
	return err;
}

/* By how many posts the node's count is above ours; `*expected`: what was found so when the threads
 * were compared. */
static int count_differs(struct sync *s, const struct kept *k, int64_t *differs, int64_t *expected)
{
	struct forest f = {0};
	struct query *q;
	int64_t no = 0, ours = 0, plain = 0;
	int err = query_start(&q, s->c->d,
	    "SELECT no, posts, short, (SELECT count(*) FROM item WHERE topic = t.no AND kind = 6)"
	    " FROM topic t WHERE id = ?1",
	    s->t, "k", k->id);

	*differs = *expected = 0;
	if (!err && (err = query_next(&q, s->t)) == 1) {
		no = query_int(q, 0);
		*differs = query_int(q, 1);
		*expected = query_int(q, 2);
		plain = query_int(q, 3);
		query_end(&q);
		err = OK;
	}
	/* Mostly all stand where they came. */
	if (err || *differs - plain == *expected) {
		*differs -= plain;
		return err;
	}
	err = forest_open(&f, s->c, s->t);
	for (uint32_t i = 0; i < f.walked; i++)
		ours += f.posts[f.walk[i]].no != 0 && f.posts[f.walk[i]].kind == KIND_POST &&
			forest_topic(&f, f.walk[i]) == no;
	*differs -= ours;
	forest_free(&f);
	return err;
}

static int count_check(struct sync *s, struct kept *k)
{
	int64_t differs, expected;
	int err = count_differs(s, k, &differs, &expected);

	if (err || differs == expected)
		return err;
	/* Perhaps something came while we asked. */
	s->topic = k->id;
	s->came = 0;
	err = client_arrivals(s->client, k->cursor, k->id, items_come, s, s->t);
	s->again = true;
	if (err || s->came > 0)
		return err;
	err = threads_compare(s, k);
	if (!err)
		err = count_differs(s, k, &differs, &expected);
	return err ? err
		   : database_run(s->c->d, "UPDATE topic SET short = ?2 WHERE id = ?1", NULL, s->t,
			 "ki", k->id, differs);
}

int copy_sync(struct copy *c, struct client *client,
    void (*tell)(void *ctx, const struct copy_progress *p), void *ctx, struct copy_progress *out,
    struct trouble *t)
{
	struct sync s = {.c = c,
	    .client = client,
	    .p = out,
	    .tell = tell,
	    .ctx = ctx,
	    .t = t,
	    .received = client_received(client)};
	struct kept_list kept = {NULL, 0};
	struct trouble later;
	int err;

	*out = (struct copy_progress){0};
	err = copy_each(c, kept_add, &kept, t);
	for (size_t i = 0; i < kept.count && !err; i++) {
		struct kept *k = &kept.list[i];

		if (s.asked && k->complete && k->cursor == s.last)
			err = topic_unchanged(&s, k);
		else
			err = topic_sync(&s, k);
	}
	if (!err)
		err = contents_fetch(&s);
	if (!err)
		err = list_sync(&s);
	for (size_t i = 0; i < kept.count && !err; i++)
		if (kept.list[i].here)
			err = count_check(&s, &kept.list[i]);
	if (!err && s.again)
		err = contents_fetch(&s);
	free(kept.list);
	told(&s);
	/* Erased texts leave the file with the write-ahead log. */
	if (out->erased > 0 && database_truncate(c->d, err ? &later : t) != OK && !err)
		err = t->err;
	return err;
}
