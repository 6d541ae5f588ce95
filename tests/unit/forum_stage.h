/* SPDX-License-Identifier: BSD-2-Clause */
/* Two logs and a topic, for tests that take one case after the other. */
#ifndef TESTS_FORUM_STAGE_H
#define TESTS_FORUM_STAGE_H

#include "forum_node.h"

/* Two logs, of which A has Alice (devices 0 and 1) and Bert (device 3), and a topic. */
struct stage {
	struct node n;
	struct entry *topic;
	uint64_t sequence;
	struct buffer room;
};

static inline struct stage *stage_new(void)
{
	struct stage *st = calloc(1, sizeof(*st));
	struct world *w = calloc(1, sizeof(*w));
	struct key root;
	static const uint8_t seeds[] = {[A] = 0x10, [B] = 0x20};

	assert_non_null(st);
	assert_non_null(w);
	root = fixture_key(seeds[A]);
	assert_ok(
	    verifier_make(&w->founders[0], bytes_str("a.example"), VERIFIER_ED25519, root.public));
	root = fixture_key(seeds[B]);
	assert_ok(
	    verifier_make(&w->founders[1], bytes_str("b.example"), VERIFIER_ED25519, root.public));
	fixture_charter(&w->charter, w->founders, 2, 1);
	world_log_open(w, A, "a.example", seeds[A], -1);
	world_log_open(w, B, "b.example", seeds[B], -1);
	people_put(w, A, "alice", "bert", GIVEN);
	people_put(w, B, "carol", "dora", GIVEN);
	st->topic = topic_put(
	    w, A, &w->logs[A].registrar, ++w->logs[A].registrar_sequence, "Access", GIVEN);

	struct node *n = &st->n;
	n->w = w;
	n->random = 1;
	fixture_make(&n->store, &store_sqlite);
	struct store *s = n->store.s;
	assert_ok(sqlite_exec((struct sqlite_store *)s, "PRAGMA synchronous = OFF"));
	assert_ok(views_prepare(s));
	assert_ok(s->ops->begin(s));
	for (int log = A; log <= B; log += B - A) {
		const struct binding *b = &w->logs[log].binding;
		assert_ok(s->ops->log_add(s, bytes_str(b->log_name), b->digest, &n->no[log]));
	}
	assert_ok(s->ops->commit(s));
	assert_ok(forum_new(&n->forum, s, &w->charter));
	return st;
}

static inline void stage_free(struct stage *st)
{
	struct world *w = st->n.w;

	node_close(&st->n);
	buffer_free(&st->room);
	world_free(w);
	free(st);
}

/* Take in what a log has beyond, contents first or not at all. */
static inline void take(struct stage *st, int log, bool contents)
{
	struct node *n = &st->n;
	struct store *s = n->store.s;

	assert_ok(s->ops->begin(s));
	if (n->w->logs[log].count > n->stored[log])
		node_store(n, log, n->w->logs[log].count - n->stored[log]);
	for (size_t i = 0; contents && i < n->w->count; i++)
		if (n->w->all[i]->log == log)
			node_content(n, i);
	assert_true(node_fold(n, log, n->stored[log] - n->folded[log]));
	assert_ok(forum_flush(n->forum));
	assert_ok(s->ops->commit(s));
}

static inline void contents(struct stage *st, int log)
{
	struct node *n = &st->n;
	struct store *s = n->store.s;

	assert_ok(s->ops->begin(s));
	for (size_t i = 0; i < n->w->count; i++)
		if (n->w->all[i]->log == log)
			node_content(n, i);
	assert_ok(s->ops->commit(s));
}

static inline struct entry *post(struct stage *st, int log, int d, const struct entry *topic,
    const struct entry *parent, const char *subject)
{
	struct key by = device(log, d);

	return world_put(st->n.w, world_make(st->n.w, log,
				      (struct recipe){.by = &by,
					  .sequence = ++st->sequence,
					  .kind = KIND_POST,
					  .topic = topic,
					  .parent = parent,
					  .content = world_text(&st->room, subject, "a text"),
					  .given = GIVEN}));
}

static inline struct entry *change(struct stage *st, int log, int d, uint32_t kind,
    const struct entry *target, struct bytes content)
{
	struct key by = d < 0 ? st->n.w->logs[log].registrar : device(log, d);
	struct ref ref = ref_to(st->n.w, target);
	uint64_t sequence = d < 0 ? ++st->n.w->logs[log].registrar_sequence : ++st->sequence;

	return world_put(st->n.w, change_make(st->n.w, log, &by, sequence, kind, &ref, content,
				      content.len > 0 ? GIVEN : NO_CONTENT));
}

static inline struct entry *amend(
    struct stage *st, int log, int d, const struct entry *target, const char *subject)
{
	return change(
	    st, log, d, KIND_AMEND, target, world_text(&st->room, subject, "other words"));
}

static inline struct entry *erase(struct stage *st, int log, int d, const struct entry *target)
{
	return change(st, log, d, KIND_ERASE, target, (struct bytes){0});
}

#endif
