/* SPDX-License-Identifier: BSD-2-Clause */
/* What the views show, against a naive model of SPEC.md section 13 that looks at every message for
 * every question. */
#include "forum_node.h"

#include "base/text.h"

/* ---- against the model ---- */

struct seen {
	const struct world *w;
	const struct entry *items[WORLD_MAX];
	unsigned depths[WORLD_MAX];
	size_t count;
};

static int see_item(void *ctx, const struct item_row *row)
{
	struct seen *seen = ctx;
	const struct entry *e = world_find(seen->w, row->id);
	unsigned depth;

	assert_non_null(e);
	assert_int_equal(row->kind, e->in.header.kind);
	assert_int_equal(row->index, e->index);
	assert_int_equal(row->time, e->in.header.time);
	assert_string_equal(row->author.organisation, seen->w->logs[e->log].organisation);
	assert_memory_equal(row->author.log, seen->w->logs[e->log].binding.digest, DIGEST_LEN);
	assert_memory_equal(row->thread, model_root(seen->w, e, &depth), ID_LEN);
	assert_memory_equal(row->topic, model_topic(seen->w, e), ID_LEN);
	assert_int_equal(row->parent_missing,
	    e->in.header.parent.present && world_find(seen->w, e->in.header.parent.id) == NULL);
	assert_int_equal(row->amendment.present, e->amended != NULL);
	if (e->amended != NULL)
		assert_memory_equal(row->amendment.id, e->amended->in.id, ID_LEN);
	assert_int_equal(row->erasure.present, e->erased != NULL);
	if (e->erased != NULL)
		assert_memory_equal(row->erasure.id, e->erased->in.id, ID_LEN);
	seen->items[seen->count] = e;
	seen->depths[seen->count++] = row->depth;
	return OK;
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a,
			   *y = *(const struct entry *const *)b;
	if (x->in.header.time != y->in.header.time)
		return x->in.header.time < y->in.header.time ? -1 : 1;
	return memcmp(x->in.id, y->in.id, ID_LEN);
}

/* What should follow under an id, depth first. */
static void model_walk(
    const struct world *w, const uint8_t id[static ID_LEN], unsigned depth, struct seen *out)
{
	const struct entry *under[WORLD_MAX], *self = world_find(w, id);
	size_t n = 0;

	if (self != NULL) {
		out->items[out->count] = self;
		out->depths[out->count++] = depth;
	}
	for (size_t i = 0; i < w->count; i++) {
		const struct header *h = &w->all[i]->in.header;
		if (w->all[i]->shown && h->parent.present && memcmp(h->parent.id, id, ID_LEN) == 0)
			under[n++] = w->all[i];
	}
	qsort(under, n, sizeof(under[0]), by_time);
	for (size_t i = 0; i < n; i++)
		model_walk(w, under[i]->in.id, self == NULL ? 0 : depth + 1, out);
}

static void check_thread(struct node *n, const struct entry *e)
{
	static struct seen seen, want;
	unsigned depth;
	uint64_t missing, want_missing = 0;
	const uint8_t *root = model_root(n->w, e, &depth);

	seen.w = n->w;
	seen.count = want.count = 0;
	assert_ok(query_thread(n->store.s, e->in.id, see_item, &seen, &missing));
	model_walk(n->w, root, 0, &want);
	assert_int_equal(seen.count, want.count);
	for (size_t i = 0; i < seen.count; i++) {
		assert_ptr_equal(seen.items[i], want.items[i]);
		assert_int_equal(seen.depths[i], want.depths[i]);
		const struct entry *text = model_text(want.items[i]);
		want_missing += text != NULL && text->given == NEVER;
	}
	assert_int_equal(missing, want_missing + (world_find(n->w, root) == NULL));
}

static const struct entry *change_find(const struct world *w, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < w->count; i++)
		if (w->all[i]->about != NULL && memcmp(w->all[i]->in.id, id, ID_LEN) == 0)
			return w->all[i];
	return NULL;
}

struct listing {
	struct node *n;
	const uint8_t *topic;
	uint64_t latest;
	size_t threads, posts, items, changes;
};

static int see_thread(void *ctx, const struct thread_row *row)
{
	struct listing *l = ctx;
	const struct world *w = l->n->w;
	const struct entry *root = world_find(w, row->id);
	uint64_t posts = 0, latest = 0;
	unsigned depth;

	assert_int_equal(row->root_missing, root == NULL);
	assert_true(row->latest <= l->latest);
	l->latest = row->latest;
	for (size_t i = 0; i < w->count; i++) {
		const struct entry *e = w->all[i];
		if (!e->shown || e->in.header.kind != KIND_POST ||
		    memcmp(model_root(w, e, &depth), row->id, ID_LEN) != 0 ||
		    memcmp(model_topic(w, e), l->topic, ID_LEN) != 0)
			continue;
		posts++;
		if (e->in.header.time > latest)
			latest = e->in.header.time;
	}
	assert_int_equal(row->posts, posts);
	assert_int_equal(row->latest, latest);
	if (root != NULL) {
		struct content c;
		const struct entry *text = model_text(root);
		bool reads = text != NULL && text->given == GIVEN &&
			     content_parse(buffer_bytes(&text->content), &c) == OK;
		assert_true(bytes_equal(row->subject, reads ? c.subject : (struct bytes){0}));
		assert_true(bytes_equal(row->lang, root->in.header.lang));
		assert_int_equal(row->time, root->in.header.time);
		if (reads)
			content_clear(&c);
	}
	l->threads++;
	l->posts += posts;
	return OK;
}

static int see_topic_item(void *ctx, const struct item_row *row)
{
	struct listing *l = ctx;
	assert_memory_equal(row->topic, l->topic, ID_LEN);
	if (row->kind == KIND_AMEND || row->kind == KIND_ERASE) {
		const struct entry *e = change_find(l->n->w, row->id);
		unsigned depth;
		assert_non_null(e);
		assert_memory_equal(row->topic, model_topic(l->n->w, e->about), ID_LEN);
		assert_memory_equal(row->thread, model_root(l->n->w, e->about, &depth), ID_LEN);
		assert_int_equal(row->erasure.present, e->erased != NULL);
		assert_false(row->parent_missing || row->amendment.present);
		l->changes++;
		return OK;
	}
	l->items++;
	return OK;
}

static int see_topic(void *ctx, const struct topic_row *row)
{
	struct listing *l = ctx, inner = {.n = l->n, .topic = row->id, .latest = UINT64_MAX};
	const struct entry *e = world_find(l->n->w, row->id);

	assert_non_null(e);
	assert_int_equal(e->in.header.kind, KIND_TOPIC);
	assert_ok(query_threads(l->n->store.s, row->id, 1000, 0, see_thread, &inner));
	assert_int_equal(row->threads, inner.threads);
	assert_int_equal(row->posts, inner.posts);
	assert_ok(query_arrivals(l->n->store.s, 0, row->id, SIZE_MAX, see_topic_item, &inner));
	assert_int_equal(inner.items, inner.posts + 1);
	const struct entry *text = model_text(e);
	struct content c;
	bool reads = text != NULL && text->given == GIVEN &&
		     content_parse(buffer_bytes(&text->content), &c) == OK;
	assert_true(bytes_equal(row->title, reads ? c.subject : (struct bytes){0}));
	assert_true(bytes_equal(row->description, reads ? c.text : (struct bytes){0}));
	if (reads)
		content_clear(&c);
	l->threads++;
	l->posts += inner.posts;
	l->changes += inner.changes;
	return OK;
}

/* Of an invalid entry nothing is wanted. */
static void check_unwanted(struct node *n, const struct entry *e)
{
	uint64_t wanted;
	size_t count = 1;

	assert_ok(n->store.s->ops->wanted(n->store.s, n->no[e->log], e->index, &wanted, &count));
	assert_true(count == 0 || wanted != e->index);
}

static uint64_t count_shown(const struct world *w, uint32_t kind)
{
	uint64_t n = 0;
	for (size_t i = 0; i < w->count; i++)
		n += w->all[i]->shown && w->all[i]->in.header.kind == kind;
	return n;
}

/* AMENDs and ERASEs of what is shown; all in topics that are here, or not only those. */
static uint64_t count_changes(const struct world *w, bool all)
{
	uint64_t n = 0;
	for (size_t i = 0; i < w->count; i++) {
		const struct entry *about = w->all[i]->about;
		if (about == NULL || !about->shown)
			continue;
		const struct entry *topic = world_find(w, model_topic(w, about));
		n += all || (topic != NULL && topic->in.header.kind == KIND_TOPIC);
	}
	return n;
}

/* What is erased is not held, and not wanted. */
static void check_contents(struct node *n, const struct entry *e)
{
	struct store *s = n->store.s;
	int err = s->ops->content_get(s, n->no[e->log], e->index, e->in.id, NULL, NULL);

	if (e->erased != NULL) {
		assert_int_equal(err, ERR_REFUSED);
		check_unwanted(n, e);
	} else if (e->in.header.has_commitment) {
		assert_int_equal(err, e->given == GIVEN ? OK : ERR_NOTFOUND);
	}
}

static void check_model(struct node *n)
{
	const struct world *w = n->w;
	struct listing topics = {.n = n};
	uint64_t elsewhere = 0, index;
	uint8_t id[ID_LEN];
	uint32_t log;

	assert_ok(query_topics(n->store.s, see_topic, &topics));
	assert_int_equal(topics.threads, count_shown(w, KIND_TOPIC));
	for (size_t i = 0; i < w->count; i++) {
		const struct entry *e = w->all[i];
		int found = query_message(n->store.s, e->in.id, &log, &index);
		if (!e->valid) {
			/* The copy within the log has the id of what it copies. */
			if (found == OK)
				assert_true(index < e->index);
			if (e->index > 0)
				check_unwanted(n, e);
			continue;
		}
		assert_ok(found);
		assert_int_equal(log, n->no[e->log]);
		assert_int_equal(index, e->index);
		check_contents(n, e);
		if (!e->shown)
			continue;
		struct listing one = {.n = n};
		assert_int_equal(query_topic(n->store.s, e->in.id, see_topic, &one),
		    e->in.header.kind == KIND_TOPIC ? OK : ERR_NOTFOUND);
		assert_int_equal(one.threads, e->in.header.kind == KIND_TOPIC);
		check_thread(n, e);
		assert_ok(query_resolve(n->store.s, bytes_of(e->in.id, 8), id));
		assert_memory_equal(id, e->in.id, ID_LEN);
		const struct entry *topic = world_find(w, model_topic(w, e));
		elsewhere += e->in.header.kind == KIND_POST &&
			     (topic == NULL || topic->in.header.kind != KIND_TOPIC);
	}
	assert_int_equal(topics.posts + elsewhere, count_shown(w, KIND_POST));
	assert_true(elsewhere > 0);
	assert_int_equal(topics.changes, count_changes(w, false));
	assert_true(topics.changes > 20);
	assert_true(topics.posts > 100);
}

/* ---- tests ---- */

/* Another process sees the same. */
static void check_reader(struct node *n, struct buffer *want)
{
	struct buffer got = BUFFER_INIT;
	struct store *reader;

	assert_ok(store_open(&reader, &store_sqlite, n->store.path, STORE_READ_ONLY));
	assert_ok(query_dump(reader, &got));
	assert_same_dump(want, &got);
	store_close(reader);
	buffer_free(&got);
}

static void test_straight_is_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct world *w = world_build(seed);
		static struct node n;
		static struct arrivals arrivals;
		struct buffer dump = BUFFER_INIT;
		uint64_t invalid = 0, last;
		size_t valid = 0;

		node_open(&n, w, seed);
		node_straight(&n);
		check_model(&n);
		for (size_t i = 0; i < w->count; i++) {
			invalid += !w->all[i]->valid && w->all[i]->in.parsed != ERR_VERSION;
			valid += w->all[i]->valid;
		}
		assert_int_equal(n.invalid, invalid);
		dump_of(&n, &dump);
		assert_int_equal(lines_with(&dump, "log "), WORLD_LOGS);
		assert_int_equal(lines_with(&dump, "message "), valid);
		assert_int_equal(lines_with(&dump, "topic "), 5);
		assert_int_equal(lines_with(&dump, "admits "), 3);
		assert_int_equal(lines_with(&dump, "person "), 10);
		assert_true(lines_with(&dump, "item kind=6 ") == count_shown(w, KIND_POST));
		arrivals_of(&n, &arrivals);
		assert_int_equal(arrivals.count, count_shown(w, KIND_POST) +
						     count_shown(w, KIND_TOPIC) +
						     count_changes(w, true));
		assert_ok(query_last_arrival(n.store.s, &last));
		assert_true(last >= arrivals.last);
		check_reader(&n, &dump);
		buffer_free(&dump);
		node_close(&n);
		world_free(w);
	}
}

static int count_person(void *ctx, const struct author *a, const struct signer *d)
{
	size_t *n = ctx;
	assert_int_equal(d->class, SIGNER_DEVICE);
	assert_true(a->device);
	(*n)++;
	return OK;
}

static void test_people(void **state)
{
	(void)state;
	struct world *w = world_build(1);
	static struct node n;
	struct signer s;
	struct author a;
	struct key k;
	uint8_t identity[IDENTITY_LEN], want[IDENTITY_LEN];
	char skeleton[SKELETON_MAX + 1], handle[65];
	size_t count = 0;

	node_open(&n, w, 5);
	node_straight(&n);
	/* As if another ICU had made them. */
	assert_ok(
	    sqlite_exec((struct sqlite_store *)n.store.s, "UPDATE person SET skeleton = x'41'"));
	node_restart(&n);
	struct store *st = n.store.s;

	k = device(A, 1);
	assert_ok(query_signer(st, n.no[A], k.public, &s, &a));
	assert_string_equal(a.handle, "alice");
	assert_string_equal(a.name, "First Person");
	assert_string_equal(a.group, "civil society");
	assert_string_equal(a.organisation, "a.example");
	assert_true(a.device && !a.recovery);
	assert_int_equal(s.revoked, 0);
	k = device(A, 2);
	assert_ok(query_signer(st, n.no[A], k.public, &s, &a));
	assert_string_equal(a.handle, "alice");
	assert_true(a.recovery && s.recovery && s.revoked > 0);
	k = device(A, 3); /* its profile never came */
	assert_ok(query_signer(st, n.no[A], k.public, &s, &a));
	assert_string_equal(a.handle, "");
	identity_of(&k, want);
	assert_memory_equal(a.identity, want, IDENTITY_LEN);
	k = device(B, 0); /* "Bob" is not as prepared */
	assert_ok(query_signer(st, n.no[B], k.public, &s, &a));
	assert_string_equal(a.handle, "");
	assert_string_equal(a.name, "First Person");
	k = device(C, 0); /* a profile that does not parse */
	assert_ok(query_signer(st, n.no[C], k.public, &s, &a));
	assert_string_equal(a.name, "");
	assert_ok(query_signer(st, n.no[C], w->logs[C].root.public, &s, &a));
	assert_false(a.device);
	assert_int_equal(s.class, SIGNER_ROOT);
	k = device(C, 0);
	assert_int_equal(query_signer(st, n.no[A], k.public, &s, &a), ERR_NOTFOUND);
	k = device(A, 0); /* inherited */
	assert_ok(query_signer(st, n.no[A2], k.public, &s, &a));
	assert_string_equal(a.handle, "alice");

	k = device(A, 0);
	identity_of(&k, want);
	assert_ok(handle_skeleton(skeleton, "alice", NULL));
	assert_ok(query_skeleton(st, n.no[A], skeleton, identity, handle));
	assert_memory_equal(identity, want, IDENTITY_LEN);
	assert_string_equal(handle, "alice");
	assert_ok(query_skeleton(st, n.no[A2], skeleton, identity, handle));
	assert_int_equal(query_skeleton(st, n.no[B], skeleton, identity, handle), ERR_NOTFOUND);
	assert_ok(handle_skeleton(skeleton, "zoe", NULL));
	assert_ok(query_skeleton(st, n.no[A2], skeleton, identity, handle));
	assert_int_equal(query_skeleton(st, n.no[A], skeleton, identity, handle), ERR_NOTFOUND);
	assert_ok(query_people(st, n.no[B], count_person, &count));
	assert_int_equal(count, 5); /* four, and one by the new registrar */

	k = fixture_key(0x40);
	assert_true(members_has(forum_members(n.forum), bytes_str("d.example"), k.public));
	k = fixture_key(0x55);
	assert_false(members_has(forum_members(n.forum), bytes_str("e.example"), k.public));
	assert_int_equal(members_count(forum_members(n.forum)), 4);
	assert_int_equal(roster_next(forum_roster(n.forum, n.no[A])), w->logs[A].count);
	node_close(&n);
	world_free(w);
}

static int stop(void *ctx, const struct item_row *row)
{
	(void)row;
	*(int *)ctx += 1;
	return ERR_CLOSED;
}

static int see_nothing(void *ctx, const struct thread_row *row)
{
	(void)ctx;
	(void)row;
	fail();
	return OK;
}

static void test_errors(void **state)
{
	(void)state;
	struct world *w = world_build(2);
	static struct node n;
	struct forum_result result;
	struct id nothing = made_id(99), missing = made_id(3);
	uint8_t id[ID_LEN];
	uint32_t log;
	uint64_t index;
	int calls = 0;

	node_open(&n, w, 6);
	struct store *s = n.store.s;
	assert_null(forum_roster(n.forum, n.no[A]));
	assert_int_equal(query_thread(s, nothing.bytes, stop, &calls, NULL), ERR_NOTFOUND);
	node_straight(&n);
	assert_ok(s->ops->begin(s));
	assert_int_equal(
	    forum_fold(n.forum, n.no[B], 3, &w->logs[B].entries[3]->in, 1, &result), ERR_STALE);
	/* A log ends where its successor begins. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(forum_fold(n.forum, n.no[A], n.folded[A],
				     &w->logs[B].entries[3]->in, 1, &result),
		    ERR_RANGE);
		s->ops->rollback(s);
		node_restart(&n);
		s = n.store.s;
		assert_ok(s->ops->begin(s));
	}
	s->ops->rollback(s);
	assert_int_equal(query_message(s, nothing.bytes, &log, &index), ERR_NOTFOUND);
	assert_int_equal(query_resolve(s, bytes_of(nothing.bytes, 8), id), ERR_NOTFOUND);
	assert_int_equal(query_resolve(s, bytes_of(nothing.bytes, 3), id), ERR_INVALID);
	assert_int_equal(query_threads(s, nothing.bytes, 9, 0, see_nothing, NULL), ERR_NOTFOUND);
	assert_int_equal(query_thread(s, nothing.bytes, stop, &calls, NULL), ERR_NOTFOUND);
	/* A root that isn't here can be named all the same. */
	assert_ok(query_resolve(s, bytes_of(missing.bytes, 5), id));
	assert_memory_equal(id, missing.bytes, ID_LEN);
	assert_int_equal(query_thread(s, id, stop, &calls, NULL), ERR_CLOSED);
	assert_int_equal(calls, 1);
	assert_int_equal(query_arrivals(s, 0, NULL, 5, stop, &calls), ERR_CLOSED);
	assert_ok(query_arrivals(s, UINT64_MAX, NULL, 5, stop, &calls));
	assert_ok(query_arrivals(s, 0, nothing.bytes, 5, stop, &calls));
	assert_int_equal(calls, 2);
	node_close(&n);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_straight_is_the_model),
	    cmocka_unit_test(test_people),
	    cmocka_unit_test(test_errors),
	};
	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
