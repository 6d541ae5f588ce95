/* SPDX-License-Identifier: BSD-2-Clause */
/* AMEND and ERASE, one case after the other (SPEC.md 6.2, 13.5); test_forum.c and
 * test_forum_order.c have them at random. */
#include "forum_stage.h"

#include "base/text.h"
#include "forum/amend.h"

/* ---- what is shown ---- */

struct look {
	const uint8_t *id;
	struct item_row row;
	char text[64];
	size_t found, items;
};

static int see_item(void *ctx, const struct item_row *row)
{
	struct look *l = ctx;

	l->items++;
	if (memcmp(row->id, l->id, ID_LEN) == 0) {
		l->row = *row;
		l->found++;
	}
	return OK;
}

static int see_title(void *ctx, const struct thread_row *row)
{
	struct look *l = ctx;

	if (memcmp(row->id, l->id, ID_LEN) == 0)
		snprintf(l->text, sizeof(l->text), "%.*s", (int)row->subject.len,
		    row->subject.len == 0 ? "" : (const char *)row->subject.data);
	return OK;
}

static int see_topic(void *ctx, const struct topic_row *row)
{
	struct look *l = ctx;

	if (memcmp(row->id, l->id, ID_LEN) == 0)
		snprintf(l->text, sizeof(l->text), "%.*s", (int)row->title.len,
		    row->title.len == 0 ? "" : (const char *)row->title.data);
	return OK;
}

static struct item_row item_of(struct stage *st, const struct entry *e)
{
	struct look l = {.id = e->in.id};

	assert_ok(query_thread(st->n.store.s, e->in.id, see_item, &l, NULL));
	assert_int_equal(l.found, 1);
	return l.row;
}

static struct item_row arrival_of(struct stage *st, const struct entry *e)
{
	struct look l = {.id = e->in.id};

	assert_ok(query_arrivals(st->n.store.s, 0, NULL, SIZE_MAX, see_item, &l));
	assert_int_equal(l.found, 1);
	return l.row;
}

static bool arrived(struct stage *st, const struct entry *e)
{
	struct look l = {.id = e->in.id};

	assert_ok(query_arrivals(st->n.store.s, 0, NULL, SIZE_MAX, see_item, &l));
	return l.found > 0;
}

static void assert_subject(struct stage *st, const struct entry *e, const char *want)
{
	struct look l = {.id = e->in.id};
	struct store *s = st->n.store.s;

	if (e->in.header.kind == KIND_TOPIC)
		assert_ok(query_topics(s, see_topic, &l));
	else
		assert_ok(query_threads(s, item_of(st, e).topic, 100, 0, see_title, &l));
	assert_string_equal(l.text, want);
}

static void assert_handle(struct stage *st, int log, int d, const char *want)
{
	struct key k = device(log, d);
	struct author a;

	assert_ok(query_signer(st->n.store.s, st->n.no[log], k.public, NULL, &a));
	assert_string_equal(a.handle, want);
}

static int content_of(struct stage *st, const struct entry *e)
{
	return st->n.store.s->ops->content_get(
	    st->n.store.s, st->n.no[e->log], e->index, e->in.id, NULL, NULL);
}

/* All of it anew gives the same, and leaves arrival numbers as they were. */
static void assert_stable(struct stage *st)
{
	struct buffer before = BUFFER_INIT, after = BUFFER_INIT;
	static struct arrivals old, new;
	struct node *n = &st->n;

	dump_of(n, &before);
	arrivals_of(n, &old);
	node_reset(n);
	if (n->stored[B] > 0)
		take(st, B, false);
	take(st, A, false);
	dump_of(n, &after);
	arrivals_of(n, &new);
	assert_same_dump(&before, &after);
	assert_memory_equal(&old, &new, sizeof(old));
	buffer_free(&before);
	buffer_free(&after);
}

/* ---- tests ---- */

/* The latest counts, by any device of the person; while its content is missing, there is no text.
 */
static void test_latest_counts(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	struct entry *reply = post(st, A, 0, st->topic, root, "");
	take(st, A, true);
	uint64_t last;
	assert_ok(query_last_arrival(st->n.store.s, &last));

	struct entry *one = amend(st, A, 1, root, "Second");
	struct entry *two = amend(st, A, 0, root, "Third");
	struct entry *other = amend(st, A, 0, reply, "of a reply");
	take(st, A, false);
	struct item_row row = item_of(st, root);
	assert_true(row.amendment.present && !row.erasure.present);
	assert_memory_equal(row.amendment.id, two->in.id, ID_LEN);
	assert_int_equal(row.amendment.index, two->index);
	assert_int_equal(row.amendment.log_no, st->n.no[A]);
	assert_memory_equal(item_of(st, reply).amendment.id, other->in.id, ID_LEN);
	assert_subject(st, root, "");
	uint64_t missing;
	struct look l = {.id = root->in.id};
	assert_ok(query_thread(st->n.store.s, root->in.id, see_item, &l, &missing));
	assert_int_equal(l.items, 2); /* amendments are no items of a thread */
	assert_int_equal(missing, 2);
	contents(st, A);
	assert_subject(st, root, "Third");
	assert_ok(content_of(st, one));
	assert_ok(content_of(st, root));

	/* They arrive, in the place of what they amend. */
	row = arrival_of(st, one);
	assert_int_equal(row.kind, KIND_AMEND);
	assert_true(row.arrival > last);
	assert_memory_equal(row.topic, st->topic->in.id, ID_LEN);
	assert_memory_equal(row.thread, root->in.id, ID_LEN);
	assert_memory_equal(arrival_of(st, other).thread, root->in.id, ID_LEN);
	assert_false(row.parent_missing || row.amendment.present);
	assert_stable(st);
	stage_free(st);
}

static void test_topic_and_thread(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct key by = device(A, 0);
	struct entry *topic = topic_put(st->n.w, A, &by, ++st->sequence, "Mine", GIVEN);
	struct entry *change = amend(st, A, 0, topic, "Ours");
	take(st, A, true);
	assert_subject(st, topic, "Ours");
	assert_memory_equal(arrival_of(st, change).thread, topic->in.id, ID_LEN);
	assert_memory_equal(arrival_of(st, change).topic, topic->in.id, ID_LEN);

	/* A reply to the topic begins its thread, of which that is the root; an amendment of a
	 * reply to something missing moves with that. */
	struct entry *reply = post(st, A, 0, st->topic, topic, "");
	struct entry *far = post(st, B, 0, topic, NULL, "elsewhere");
	struct entry *lost = post(st, A, 1, st->topic, far, "");
	struct entry *text = amend(st, A, 1, lost, "found");
	take(st, A, true);
	assert_memory_equal(arrival_of(st, change).thread, topic->in.id, ID_LEN);
	assert_memory_equal(item_of(st, reply).thread, topic->in.id, ID_LEN);
	assert_memory_equal(arrival_of(st, text).topic, st->topic->in.id, ID_LEN);
	assert_memory_equal(arrival_of(st, text).thread, far->in.id, ID_LEN);
	take(st, B, true);
	assert_memory_equal(arrival_of(st, text).topic, topic->in.id, ID_LEN);
	struct look l = {.id = text->in.id};
	assert_ok(query_arrivals(st->n.store.s, 0, topic->in.id, SIZE_MAX, see_item, &l));
	assert_int_equal(l.found, 1);
	assert_int_equal(l.items, 6); /* topic, its amendment, three posts, and this */
	l = (struct look){.id = text->in.id};
	assert_ok(query_arrivals(st->n.store.s, 0, st->topic->in.id, SIZE_MAX, see_item, &l));
	assert_int_equal(l.found, 0);
	assert_ok(query_arrivals(
	    st->n.store.s, arrival_of(st, text).arrival - 1, topic->in.id, 1, see_item, &l));
	assert_int_equal(l.found, 1);
	assert_int_equal(l.items, 2);
	assert_stable(st);
	stage_free(st);
}

static int see_erasure(void *ctx, uint32_t log, uint64_t index)
{
	struct item_ref *last = ctx;

	assert_false(last->present);
	*last = (struct item_ref){.present = true, .log_no = log, .index = index};
	return OK;
}

/* What erased this, and that it is the last in its log that erased something. */
static void assert_erased_by(
    struct stage *st, const struct entry *entry, const struct item_ref *erasure)
{
	struct store *s = st->n.store.s;
	struct item_ref by, last = {.present = false};

	assert_ok(query_erasure(s, entry->in.id, &by));
	assert_true(by.present && by.log_no == erasure->log_no && by.index == erasure->index);
	assert_memory_equal(by.id, erasure->id, ID_LEN);
	assert_ok(query_erasures(s, see_erasure, &last));
	assert_true(last.log_no == erasure->log_no && last.index == erasure->index);
}

/* With a post go all its amendments, earlier and later. */
static void test_erase_post(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "Regretted");
	struct entry *before = amend(st, A, 0, root, "Reworded");
	take(st, A, true);
	struct entry *erasure = erase(st, A, 1, root);
	struct entry *after = amend(st, A, 0, root, "Third");
	take(st, A, false);
	contents(st, A); /* of `after`: refused, and not wanted */
	struct item_row row = item_of(st, root);
	assert_true(row.erasure.present && !row.amendment.present);
	assert_memory_equal(row.erasure.id, erasure->in.id, ID_LEN);
	assert_erased_by(st, root, &row.erasure);
	assert_erased_by(st, before, &row.erasure);
	assert_erased_by(st, after, &row.erasure);
	assert_int_equal(
	    query_erasure(st->n.store.s, st->topic->in.id, &(struct item_ref){.index = 0}),
	    ERR_NOTFOUND);
	assert_int_equal(content_of(st, root), ERR_REFUSED);
	assert_int_equal(content_of(st, before), ERR_REFUSED);
	assert_int_equal(content_of(st, after), ERR_REFUSED);
	assert_memory_equal(arrival_of(st, before).erasure.id, erasure->in.id, ID_LEN);
	assert_memory_equal(arrival_of(st, after).erasure.id, erasure->in.id, ID_LEN);
	assert_int_equal(arrival_of(st, erasure).kind, KIND_ERASE);
	assert_subject(st, root, "");
	uint64_t wanted;
	assert_ok(st->n.store.s->ops->wanted_count(st->n.store.s, st->n.no[A], &wanted));
	assert_int_equal(wanted, 0);
	struct buffer dump = BUFFER_INIT;
	dump_of(&st->n, &dump);
	assert_null(strstr(buffer_str(&dump), "Regretted"));
	assert_null(strstr(buffer_str(&dump), "Reworded"));
	buffer_free(&dump);
	assert_stable(st);
	stage_free(st);
}

/* Before its content ever came. */
static void test_erase_unseen(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	erase(st, A, 0, root);
	take(st, A, false);
	uint64_t missing;
	struct look l = {.id = root->in.id};
	assert_ok(query_thread(st->n.store.s, root->in.id, see_item, &l, &missing));
	assert_int_equal(missing, 0);
	contents(st, A);
	assert_int_equal(content_of(st, root), ERR_REFUSED);
	assert_subject(st, root, "");
	stage_free(st);
}

/* An amendment that goes gives back the text before it, whichever that is. */
static void test_erase_amendment(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	struct entry *one = amend(st, A, 0, root, "Second");
	struct entry *two = amend(st, A, 0, root, "Third");
	struct entry *three = amend(st, A, 0, root, "Fourth");
	take(st, A, true);
	erase(st, A, 0, two);
	take(st, A, true);
	assert_subject(st, root, "Fourth");
	erase(st, A, -1, three);
	take(st, A, true);
	assert_subject(st, root, "Second");
	assert_memory_equal(item_of(st, root).amendment.id, one->in.id, ID_LEN);
	erase(st, A, 0, one);
	take(st, A, true);
	assert_subject(st, root, "First");
	struct item_row row = item_of(st, root);
	assert_false(row.amendment.present || row.erasure.present);
	assert_int_equal(content_of(st, one), ERR_REFUSED);
	assert_stable(st);
	stage_free(st);
}

/* What is not the signer's, not there, or not of a kind that this can be done to, stays as it is.
 */
static void test_without_effect(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct world *w = st->n.w;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	struct entry *foreign = post(st, B, 0, st->topic, NULL, "Foreign");
	struct entry *good = amend(st, A, 0, root, "Second");
	struct key by = device(A, 0);
	struct ref ref = ref_to(w, root);
	struct entry *odd[16];
	size_t n = 0;

	odd[n++] = amend(st, A, 3, root, "x"); /* somebody else's */
	odd[n++] = erase(st, A, 3, root);
	odd[n++] = amend(st, A, 0, foreign, "x"); /* another log's */
	odd[n++] = erase(st, A, 0, foreign);
	odd[n++] = erase(st, A, -1, foreign);
	odd[n++] = amend(st, A, 0, st->topic, "x");             /* the registrar's */
	odd[n++] = amend(st, A, 0, good, "x");                  /* an amendment */
	odd[n++] = amend(st, A, 0, w->logs[A].entries[2], "x"); /* of another device */
	odd[n++] = amend(st, A, 3, w->logs[A].entries[1], "x"); /* Alice's profile */
	odd[n++] = erase(st, A, 0, odd[1]); /* an erasure, and one without effect */
	odd[n++] = erase(st, A, -1, odd[0]);
	odd[n++] = amend(st, A, 0, w->logs[A].entries[0], "x"); /* the credential */
	ref.log[0] ^= 1; /* that id, said to be in another log */
	odd[n++] = world_put(w, change_make(w, A, &by, ++st->sequence, KIND_ERASE, &ref,
				    (struct bytes){0}, NO_CONTENT));
	take(st, B, true);
	take(st, A, true);
	assert_subject(st, root, "Second");
	assert_subject(st, foreign, "Foreign");
	assert_subject(st, st->topic, "Access");
	assert_handle(st, A, 0, "alice");
	assert_true(arrived(st, good));
	for (size_t i = 0; i < n; i++)
		assert_false(arrived(st, odd[i]));
	assert_ok(content_of(st, odd[0]));
	struct buffer dump = BUFFER_INIT;
	dump_of(&st->n, &dump);
	assert_int_equal(lines_with(&dump, "change "), 1);
	assert_int_equal(lines_with(&dump, "amendment "), 1);
	assert_int_equal(lines_with(&dump, "erased "), 0);
	buffer_free(&dump);

	/* Nor can one be amended that comes after. */
	struct entry *late = amend(st, A, 0, root, "Third");
	take(st, A, true);
	assert_subject(st, root, "Third");
	(void)late;
	assert_stable(st);
	stage_free(st);
}

static void test_registrar(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	struct entry *enrolment = st->n.w->logs[A].entries[2]; /* of Alice's second device */
	erase(st, A, -1, root);
	erase(st, A, -1, st->topic);
	struct entry *quiet = erase(st, A, -1, enrolment);
	take(st, A, true);
	assert_subject(st, root, "");
	assert_subject(st, st->topic, "");
	assert_int_equal(content_of(st, enrolment), ERR_REFUSED);
	assert_handle(st, A, 1, "alice");
	assert_false(arrived(st, quiet));
	stage_free(st);
}

static struct entry *profile(struct stage *st, int d, const char *handle)
{
	return change(st, A, d, KIND_AMEND, st->n.w->logs[A].entries[1],
	    world_profile(&st->room, handle, handle));
}

/* A profile may be written anew after it was erased. */
static void test_profile(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct entry *enrol = st->n.w->logs[A].entries[1];
	uint8_t identity[IDENTITY_LEN];
	char skeleton[SKELETON_MAX + 1], handle[65];

	struct entry *first = profile(st, 0, "alicia");
	take(st, A, false);
	assert_handle(st, A, 1, "");
	contents(st, A);
	assert_handle(st, A, 1, "alicia");
	assert_false(arrived(st, first));
	struct store *s = st->n.store.s;
	assert_ok(handle_skeleton(skeleton, "alice", NULL));
	assert_int_equal(query_skeleton(s, st->n.no[A], skeleton, identity, handle), ERR_NOTFOUND);

	struct entry *second = profile(st, 1, "ali");
	take(st, A, true);
	assert_handle(st, A, 0, "ali");
	struct target before;
	assert_ok(target_restored(s, second->in.id, &before));
	assert_int_equal(before.kind, KIND_ENROL);
	assert_memory_equal(before.id, first->in.id, ID_LEN);
	assert_int_equal(target_restored(s, first->in.id, &before), ERR_NOTFOUND);
	erase(st, A, 0, second);
	take(st, A, true);
	assert_handle(st, A, 0, "alicia");
	assert_ok(target_restored(s, first->in.id, &before));
	assert_memory_equal(before.id, enrol->in.id, ID_LEN);
	assert_int_equal(before.index, 1);

	/* What does not hold a profile shows none. */
	struct entry *plain = amend(st, A, 0, enrol, "no profile");
	take(st, A, true);
	assert_handle(st, A, 0, "");
	erase(st, A, 0, plain);
	take(st, A, true);
	assert_handle(st, A, 0, "alicia");

	erase(st, A, 0, enrol);
	take(st, A, true);
	assert_handle(st, A, 0, "");
	assert_int_equal(content_of(st, enrol), ERR_REFUSED);
	assert_int_equal(content_of(st, first), ERR_REFUSED);
	struct entry *anew = profile(st, 0, "someone");
	take(st, A, true);
	assert_handle(st, A, 0, "someone");
	erase(st, A, 0, anew);
	take(st, A, true);
	assert_handle(st, A, 0, "");
	assert_handle(st, A, 3, "bert");
	assert_stable(st);
	stage_free(st);
}

/* An amendment can't be answered: whatever the order, that is a thread whose root isn't here. */
static void test_reply_to_amendment(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct stage *st = stage_new();
		struct entry *root = post(st, A, 0, st->topic, NULL, "First");
		struct entry *change = amend(st, A, 0, root, "Second");
		struct entry *reply = post(st, B, 0, st->topic, change, "to that");
		take(st, order == 0 ? A : B, true);
		take(st, order == 0 ? B : A, true);
		struct item_row row = item_of(st, reply);
		assert_memory_equal(row.thread, change->in.id, ID_LEN);
		assert_true(row.parent_missing);
		assert_memory_equal(arrival_of(st, change).thread, root->in.id, ID_LEN);
		assert_memory_equal(item_of(st, root).amendment.id, change->in.id, ID_LEN);
		assert_stable(st);
		stage_free(st);
	}
}

/* Views of an older version, which knew no amendments, are made anew when the store is opened. */
static void test_older_views(void **state)
{
	struct stage *st = stage_new();
	(void)state;
	struct node *n = &st->n;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	amend(st, A, 0, root, "Second");
	take(st, A, true);
	take(st, B, true);
	struct buffer want = BUFFER_INIT, got = BUFFER_INIT;
	static struct arrivals before, after;
	dump_of(n, &want);
	arrivals_of(n, &before);
	struct store *s = n->store.s;
	assert_ok(views_prepare(s));
	/* Up to version 4 arrivals were counted, and ids were their own index. */
	size_t count = 0;
	for (uint64_t i = 1; i <= before.last; i++) {
		struct id id = before.ids[i];
		memset(&before.ids[i], 0, sizeof(id));
		if (memcmp(&id, &before.ids[0], sizeof(id)) != 0)
			before.ids[++count] = id;
	}
	assert_int_equal(count, before.count);
	assert_true(count > 2 && count < before.last);
	before.last = count;

	/* As version 1 left it. */
	assert_ok(sqlite_exec((struct sqlite_store *)s,
	    "CREATE TABLE counted (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at INTEGER,"
	    " kind INTEGER, signer INTEGER, time INTEGER, lang BLOB, topic INTEGER,"
	    " parent INTEGER, thread INTEGER, arrival INTEGER);"
	    "INSERT INTO counted SELECT no, id, at, kind, signer, time, lang, topic, parent,"
	    " thread, CASE WHEN arrival THEN (SELECT count(*) FROM message a"
	    " WHERE a.arrival <= m.arrival) END FROM message m;"
	    "CREATE TABLE title (message INTEGER PRIMARY KEY, subject BLOB NOT NULL,"
	    " text BLOB NOT NULL); INSERT INTO title SELECT no, x'4f6c64', x'' FROM message"
	    " WHERE subject IS NOT NULL;"
	    "DROP TABLE message; DROP TABLE generation; ALTER TABLE counted RENAME TO message;"
	    "CREATE INDEX message_thread ON message (thread) WHERE thread IS NOT NULL;"
	    "CREATE INDEX message_topic ON message (topic, arrival) WHERE topic IS NOT NULL;"
	    "CREATE UNIQUE INDEX message_arrival ON message (arrival) WHERE arrival IS NOT NULL;"
	    "DELETE FROM meta WHERE key = 'views'; DROP TABLE change; DROP TABLE amendment;"
	    "DROP TABLE erasure; DROP INDEX signer_enrol;"
	    "ALTER TABLE person ADD COLUMN more INTEGER"));
	forum_free(n->forum);
	fixture_restart(&n->store);
	s = n->store.s;
	assert_int_equal(views_prepare(s), 1);
	assert_ok(views_prepare(s));
	assert_ok(forum_new(&n->forum, s, &n->w->charter));
	assert_null(forum_roster(n->forum, n->no[A]));
	memset(n->folded, 0, sizeof(n->folded));
	take(st, B, false);
	take(st, A, false);
	dump_of(n, &got);
	arrivals_of(n, &after);
	assert_same_dump(&want, &got);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_subject(st, root, "Second");

	/* An empty store has nothing to be made anew. */
	struct fixture fresh;
	fixture_make(&fresh, &store_sqlite);
	assert_ok(views_prepare(fresh.s));
	fixture_drop(&fresh);
	buffer_free(&want);
	buffer_free(&got);
	stage_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_latest_counts),
	    cmocka_unit_test(test_topic_and_thread),
	    cmocka_unit_test(test_erase_post),
	    cmocka_unit_test(test_erase_unseen),
	    cmocka_unit_test(test_erase_amendment),
	    cmocka_unit_test(test_without_effect),
	    cmocka_unit_test(test_registrar),
	    cmocka_unit_test(test_profile),
	    cmocka_unit_test(test_reply_to_amendment),
	    cmocka_unit_test(test_older_views),
	};
	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
