/* SPDX-License-Identifier: BSD-2-Clause */
/* A node that takes in a world, in one go or in random steps, and what it then shows. */
#ifndef TESTS_FORUM_NODE_H
#define TESTS_FORUM_NODE_H

#include "forum_world.h"

struct node {
	struct world *w;
	struct fixture store;
	struct forum *forum;
	uint32_t no[WORLD_LOGS];
	size_t stored[WORLD_LOGS], folded[WORLD_LOGS];
	bool has[WORLD_MAX]; /* contents, by place in world.all */
	uint64_t random, invalid;
};

static inline uint64_t chance(struct node *n, uint64_t below)
{
	return mix(n->random++) % below;
}

static inline void node_open(struct node *n, struct world *w, uint64_t seed)
{
	memset(n, 0, sizeof(*n));
	n->w = w;
	n->random = seed << 24;
	fixture_make(&n->store, &store_sqlite);
	struct store *s = n->store.s;
	assert_ok(sqlite_exec((struct sqlite_store *)s, "PRAGMA synchronous = OFF"));
	assert_ok(views_prepare(s));
	assert_ok(s->ops->begin(s));
	int first = (int)chance(n, WORLD_LOGS);
	for (int i = 0; i < WORLD_LOGS; i++) {
		int log = (first + i * 2) % WORLD_LOGS;
		const struct binding *b = &w->logs[log].binding;
		assert_ok(s->ops->log_add(s, bytes_str(b->log_name), b->digest, &n->no[log]));
	}
	assert_ok(s->ops->commit(s));
	assert_ok(forum_new(&n->forum, s, &w->charter));
}

static inline void node_close(struct node *n)
{
	forum_free(n->forum);
	fixture_drop(&n->store);
}

static inline void node_restart(struct node *n)
{
	forum_free(n->forum);
	if (chance(n, 3) == 0)
		fixture_restart(&n->store);
	assert_ok(sqlite_exec((struct sqlite_store *)n->store.s, "PRAGMA synchronous = OFF"));
	assert_ok(forum_new(&n->forum, n->store.s, &n->w->charter));
}

static inline void node_store(struct node *n, int log, size_t count)
{
	const struct world_log *l = &n->w->logs[log];
	struct store *s = n->store.s;
	struct buffer leaves = BUFFER_INIT;
	struct tree_hash blocks[8] = {{{0}}};
	uint64_t wanted[WORLD_MAX];
	size_t first = n->stored[log], wanted_count = 0;

	for (size_t i = first; i < first + count; i++) {
		const struct forum_entry *e = &l->entries[i]->in;
		add_leaf(&leaves, e->message);
		if (e->parsed == OK && e->header.has_commitment)
			wanted[wanted_count++] = i;
	}
	struct store_append a = {.log = n->no[log],
	    .expected = first,
	    .leaves = buffer_bytes(&leaves),
	    .count = count,
	    .size = first + count,
	    .checkpoint = bytes_str("note"),
	    .blocks = blocks,
	    .block_count = (first + count) / TREE_BLOCK - first / TREE_BLOCK,
	    .wanted = wanted,
	    .wanted_count = wanted_count};
	assert_ok(s->ops->append(s, &a));
	n->stored[log] += count;
	buffer_free(&leaves);
}

/* Whether entries came off, and not that the log has to wait. */
static inline bool node_fold(struct node *n, int log, size_t count)
{
	static struct forum_entry run[WORLD_MAX];
	struct forum_result result;
	size_t first = n->folded[log];

	for (size_t i = 0; i < count; i++) {
		run[i] = n->w->logs[log].entries[first + i]->in;
		if (run[i].parsed == OK && chance(n, 2) == 0)
			run[i].enrol = roster_enrol_verify(
			    &run[i].header, &n->w->logs[log].binding);
	}
	int err = forum_fold(n->forum, n->no[log], first, run, count, &result);
	if (log == A2 && n->folded[A] < n->w->logs[A].count) {
		assert_int_equal(err, ERR_NOTFOUND);
		return false;
	}
	assert_ok(err);
	assert_int_equal(result.folded, first + count);
	n->folded[log] += count;
	n->invalid += result.invalid;
	if (chance(n, 4) == 0)
		assert_ok(forum_flush(n->forum));
	return true;
}

static inline void node_content(struct node *n, size_t which)
{
	const struct entry *e = n->w->all[which];
	struct store *s = n->store.s;

	if (e->given != GIVEN || n->has[which] || e->index >= n->stored[e->log])
		return;
	n->has[which] = true;
	int err = s->ops->content_put(
	    s, n->no[e->log], e->index, e->in.id, e->salt, buffer_bytes(&e->content));
	if (err == ERR_REFUSED) { /* erased already */
		assert_ok(s->ops->content_drop(s, n->no[e->log], e->index, e->in.id, false));
		return;
	}
	assert_ok(err);
	assert_ok(forum_content(
	    n->forum, n->no[e->log], e->index, e->in.message, e->in.id, buffer_bytes(&e->content)));
}

/* One random step, in a transaction that may be rolled back. */
static inline void node_step(struct node *n)
{
	struct store *s = n->store.s;
	struct node before = *n;
	int log = (int)chance(n, WORLD_LOGS);
	size_t left = n->w->logs[log].count - n->stored[log],
	       ready = n->stored[log] - n->folded[log];

	assert_ok(s->ops->begin(s));
	switch (chance(n, 4)) {
	case 0:
		if (left > 0)
			node_store(n, log, 1 + chance(n, left < 40 ? left : 40));
		break;
	case 1:
	case 2:
		if (ready > 0)
			node_fold(n, log, 1 + chance(n, ready));
		break;
	default:
		for (size_t i = chance(n, 60); i > 0; i--)
			node_content(n, chance(n, n->w->count));
	}
	if (chance(n, 12) == 0) {
		uint64_t random = n->random;
		s->ops->rollback(s);
		*n = before;
		n->random = random;
		node_restart(n);
		return;
	}
	assert_ok(forum_flush(n->forum));
	assert_ok(s->ops->commit(s));
	if (chance(n, 12) == 0)
		node_restart(n);
}

static inline bool node_done(const struct node *n)
{
	for (int i = 0; i < WORLD_LOGS; i++)
		if (n->folded[i] < n->w->logs[i].count)
			return false;
	return true;
}

static inline void node_finish(struct node *n)
{
	struct store *s = n->store.s;

	while (!node_done(n))
		node_step(n);
	s = n->store.s;
	assert_ok(s->ops->begin(s));
	for (size_t i = 0; i < n->w->count; i++)
		node_content(n, i);
	assert_ok(s->ops->commit(s));
}

/* In one go: contents first, log by log. */
static inline void node_straight(struct node *n)
{
	struct store *s = n->store.s;

	assert_ok(s->ops->begin(s));
	for (int i = 0; i < WORLD_LOGS; i++)
		node_store(n, i, n->w->logs[i].count);
	for (size_t i = 0; i < n->w->count; i++)
		node_content(n, i);
	for (int i = 0; i < WORLD_LOGS; i++)
		assert_true(node_fold(n, i, n->w->logs[i].count));
	assert_ok(forum_flush(n->forum));
	assert_ok(s->ops->commit(s));
}

/* ---- arrivals ---- */

struct arrivals {
	struct id ids[WORLD_MAX];
	uint64_t last;
	size_t count;
};

static inline int see_arrival(void *ctx, const struct item_row *row)
{
	struct arrivals *a = ctx;
	assert_true(row->arrival > a->last);
	a->last = row->arrival;
	assert_true(row->arrival < WORLD_MAX);
	memcpy(a->ids[row->arrival].bytes, row->id, ID_LEN);
	a->count++;
	return OK;
}

static inline void arrivals_of(struct node *n, struct arrivals *out)
{
	memset(out, 0, sizeof(*out));
	assert_ok(query_arrivals(n->store.s, 0, NULL, SIZE_MAX, see_arrival, out));
}

static inline void node_reset(struct node *n)
{
	struct store *s = n->store.s;

	assert_ok(s->ops->begin(s));
	assert_ok(forum_reset(n->forum));
	assert_ok(s->ops->commit(s));
	memset(n->folded, 0, sizeof(n->folded));
	n->invalid = 0;
	if (chance(n, 2) == 0)
		node_restart(n);
}

/* ---- dumps ---- */

static inline void dump_of(struct node *n, struct buffer *out)
{
	assert_ok(query_dump(n->store.s, out));
	assert_false(out->failed);
}

static inline void assert_same_dump(struct buffer *a, struct buffer *b)
{
	if (a->len != b->len || memcmp(a->data, b->data, a->len) != 0) {
		size_t i = 0;
		while (i < a->len && i < b->len && a->data[i] == b->data[i])
			i++;
		size_t from = i > 200 ? i - 200 : 0;
		print_message(
		    "one:   %.400s\nother: %.400s\n", buffer_str(a) + from, buffer_str(b) + from);
		fail();
	}
}

static inline size_t lines_with(struct buffer *b, const char *begin)
{
	size_t n = 0;
	for (const char *p = buffer_str(b); p != NULL && *p != '\0';
	     p = strchr(p, '\n'), p += p != NULL)
		n += strncmp(p, begin, strlen(begin)) == 0;
	return n;
}

#endif
