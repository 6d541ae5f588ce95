/* SPDX-License-Identifier: BSD-2-Clause */
/* The copy of topics: threads as a naive model makes them, whatever the order of arrival;
 * amendments and erasures; what a crash leaves. */
#include "copy_world.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "search/search.h"
#include "client/show.h"

static struct copy_progress give(
    struct copy *c, const struct made *topic, struct made *m, uint64_t arrival, bool last)
{
	Convene__Items items = CONVENE__ITEMS__INIT;
	Convene__Item *list[1] = {m ? &m->item : NULL};
	struct copy_progress p = {0};
	struct trouble t;

	if (m)
		m->item.arrival = arrival;
	items.items = list;
	items.n_items = m ? 1 : 0;
	items.last = last;
	items.arrival = last ? arrival : 0;
	if (copy_take(c, topic->id, &items, &p, &t) != OK)
		fail_msg("%s", t.text);
	return p;
}

static void test_threads_in_any_order(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) {
		int order[POSTS];
		struct copy *c;

		srandom(seed);
		throw_away();
		memset(here, 0, sizeof here);
		posts_make();
		posts_shuffle(order);
		c = open_it();
		keep(c, &post[0]);
		keep(c, &post[1]);
		for (int i = 0; i < POSTS; i++) {
			int k = order[i];

			here[k] = true;
			give(
			    c, &post[k < 2 ? k : model_topic(k)], &post[k], (uint64_t)i + 1, false);
			if (i % 7 == 0 || i == POSTS - 1) {
				threads_compare(c, 0);
				threads_compare(c, 1);
			}
			thread_compare(c, k);
		}
		for (int i = 0; i < POSTS; i++)
			thread_compare(c, i);
		copy_close(c);
		for (int i = 0; i < POSTS; i++)
			made_free(&post[i]);
	}
}

/* A chain as deep as a stranger likes. */
static void test_deep(void **state)
{
	enum { DEPTH = 3000 };
	struct made topic, *chain = calloc(DEPTH, sizeof *chain);
	struct copy *c;
	struct frames frames;
	struct trouble t;
	uint64_t missing;

	(void)state;
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	keep(c, &topic);
	for (int i = 0; i < DEPTH; i++)
		make(&chain[i], KIND_POST, 5, &topic, i ? &chain[i - 1] : NULL, NULL, "s", "x");
	Convene__Items items = CONVENE__ITEMS__INIT;
	Convene__Item **list = calloc(DEPTH, sizeof *list);
	struct copy_progress p = {0};
	for (int i = 0; i < DEPTH; i++) {
		chain[i].item.arrival = (uint64_t)i + 1;
		list[DEPTH - 1 - i] = &chain[i].item;
	}
	items.items = list;
	items.n_items = DEPTH;
	assert_int_equal(copy_take(c, topic.id, &items, &p, &t), OK);
	assert_int_equal(p.posts, DEPTH);
	assert_int_equal(copy_thread(c, chain[DEPTH / 2].id, ID_LEN, &frames, &missing, &t), OK);
	assert_int_equal(((Convene__Items *)frames.list[0])->n_items, DEPTH);
	assert_int_equal(((Convene__Items *)frames.list[0])->items[DEPTH - 1]->depth, DEPTH - 1);
	frames_free(&frames);
	copy_close(c);
	free(list);
	for (int i = 0; i < DEPTH; i++)
		made_free(&chain[i]);
	free(chain);
	made_free(&topic);
}

/* ---- amendments and erasures ---- */

/* What is shown of a post: its text, or a state in words. */
static void shown_is(struct copy *c, const struct made *m, const char *expect)
{
	struct frames frames;
	struct trouble t;
	uint64_t missing;
	struct shown s;

	assert_int_equal(copy_thread(c, m->id, ID_LEN, &frames, &missing, &t), OK);
	shown_open(&s, ((Convene__Items *)frames.list[0])->items[0], home.node.forum, NULL);
	assert_true(shown_good(&s));
	if (strcmp(expect, "(erased)") == 0) {
		assert_int_equal(s.state, STATE(ERASED));
		assert_false(s.has_content);
	} else if (strcmp(expect, "(missing)") == 0) {
		assert_int_equal(s.state, STATE(MISSING));
		assert_int_equal(missing, 1);
	} else {
		assert_true(s.has_content);
		assert_true(bytes_equal(s.content.text, bytes_str(expect)));
	}
	shown_clear(&s);
	frames_free(&frames);
}

static size_t found(struct copy *c, const char *word)
{
	struct search_query *q;
	struct frames frames;
	struct trouble t;

	assert_int_equal(search_parse(&q, bytes_str(word), NULL), OK);
	assert_int_equal(copy_search(c, NULL, q, 100, &frames, &t), OK);
	search_query_free(q);
	size_t n = ((Convene__Items *)frames.list[0])->n_items;
	frames_free(&frames);
	return n;
}

enum { ORIGINAL, FIRST, SECOND, ERASE_SECOND, ERASE_POST, CHANGES };

static void test_changes_in_any_order(void **state)
{
	static const char *const text[] = {"original text", "first change", "second change"};
	struct made topic, m[CHANGES];

	(void)state;
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	make(&m[ORIGINAL], KIND_POST, 5, &topic, NULL, NULL, "s", text[0]);
	make(&m[FIRST], KIND_AMEND, 6, NULL, NULL, &m[ORIGINAL], "s", text[1]);
	make(&m[SECOND], KIND_AMEND, 7, NULL, NULL, &m[ORIGINAL], "s", text[2]);
	make(&m[ERASE_SECOND], KIND_ERASE, 8, NULL, NULL, &m[SECOND], "", "");
	make(&m[ERASE_POST], KIND_ERASE, 9, NULL, NULL, &m[ORIGINAL], "", "");
	/* All orders of all five. */
	for (int number = 0; number < 120; number++) {
		int order[CHANGES], left[CHANGES] = {0, 1, 2, 3, 4}, n = number;
		bool have[CHANGES] = {false};
		struct copy *c;

		for (int i = 0; i < CHANGES; i++) {
			int at = n % (CHANGES - i);

			n /= CHANGES - i;
			order[i] = left[at];
			memmove(&left[at], &left[at + 1],
			    (size_t)(CHANGES - i - at - 1) * sizeof *left);
		}
		throw_away();
		c = open_it();
		keep(c, &topic);
		for (int i = 0; i < CHANGES; i++) {
			have[order[i]] = true;
			give(c, &topic, &m[order[i]], (uint64_t)i + 1, false);
			if (!have[ORIGINAL])
				continue;
			int best = have[SECOND] && !have[ERASE_SECOND] ? SECOND
				   : have[FIRST]                       ? FIRST
								       : ORIGINAL;
			shown_is(c, &m[ORIGINAL], have[ERASE_POST] ? "(erased)" : text[best]);
			for (int k = 0; k < 3; k++)
				assert_int_equal(
				    found(c, text[k]), !have[ERASE_POST] && best == k ? 1 : 0);
		}
		copy_close(c);
	}
	for (int i = 0; i < CHANGES; i++)
		made_free(&m[i]);
	made_free(&topic);
}

/* A post that came with its amendment alone: the first text is asked for when that is erased. */
static void test_unasked(void **state)
{
	struct made topic, original, amend, erase;
	struct trouble t;
	struct copy *c;
	struct query *q;

	(void)state;
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	make(&original, KIND_POST, 5, &topic, NULL, NULL, "s", "original");
	make(&amend, KIND_AMEND, 6, NULL, NULL, &original, "s", "amended");
	make(&erase, KIND_ERASE, 7, NULL, NULL, &amend, "", "");
	keep(c, &topic);
	original.item.amendment = amend.item.message;
	original.item.amendment_index = amend.item.index;
	original.item.salt = amend.item.salt;
	original.item.content = amend.item.content;
	give(c, &topic, &original, 1, false);
	shown_is(c, &original, "amended");
	give(c, &topic, &amend, 2, false);
	shown_is(c, &original, "amended");
	give(c, &topic, &erase, 3, false);
	shown_is(c, &original, "(missing)");
	assert_int_equal(query_start(&q, c->d, "SELECT no FROM item WHERE state = 1", &t, ""), OK);
	assert_int_equal(query_next(&q, &t), 1);
	int64_t no = query_int(q, 0);
	query_end(&q);
	/* Another text is not taken for it. */
	assert_int_equal(
	    item_content(c, no, original.salt, buffer_bytes(&amend.content), &t), ERR_COMMITMENT);
	shown_is(c, &original, "(missing)");
	assert_int_equal(
	    item_content(c, no, original.salt, buffer_bytes(&original.content), &t), OK);
	shown_is(c, &original, "original");
	assert_int_equal(found(c, "original"), 1);
	copy_close(c);
	made_free(&topic);
	made_free(&original);
	made_free(&amend);
	made_free(&erase);
}

/* ---- bytes that must be gone ---- */

static bool file_has(const char *name, const char *text)
{
	char path[PATH_LEN];
	struct buffer all = BUFFER_INIT;
	struct trouble t;
	bool has;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (access(path, F_OK) != 0)
		return false;
	assert_int_equal(file_read(path, 100 << 20, &all, &t), OK);
	has = all.len > 0 && memmem(all.data, all.len, text, strlen(text)) != NULL;
	buffer_free(&all);
	return has;
}

static bool kept_anywhere(const char *text)
{
	return file_has("copy.db", text) || file_has("copy.db-wal", text);
}

static void test_gone(void **state)
{
	struct made topic, one, other, erase;
	Convene__Topic named = CONVENE__TOPIC__INIT;
	struct trouble t;
	struct copy *c;

	(void)state;
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	make(&one, KIND_POST, 5, &topic, NULL, NULL, "s", "nobody shall read this again");
	make(&other, KIND_POST, 6, &topic, NULL, NULL, "s", "nor this when it is dropped");
	make(&erase, KIND_ERASE, 7, NULL, NULL, &one, "", "");
	keep(c, &topic);
	give(c, &topic, &one, 1, false);
	give(c, &topic, &other, 2, false);
	assert_true(kept_anywhere("nobody shall read"));
	give(c, &topic, &erase, 3, false);
	assert_int_equal(database_truncate(c->d, &t), OK);
	assert_false(kept_anywhere("nobody shall read"));
	assert_true(kept_anywhere("nor this when"));
	/* What was erased is not taken again. */
	give(c, &topic, &one, 4, false);
	assert_false(kept_anywhere("nobody shall read"));
	shown_is(c, &one, "(erased)");
	named.id = pb_of(bytes_of(topic.id, ID_LEN));
	assert_int_equal(copy_keep(c, &named, false, &t), OK);
	assert_false(kept_anywhere("nor this when"));
	assert_int_equal(found(c, "dropped"), 0);
	copy_close(c);
	made_free(&topic);
	made_free(&one);
	made_free(&other);
	made_free(&erase);
}

/* ---- cursor, crash, owner ---- */

static int cursor_read(void *ctx, const struct copy_topic *topic)
{
	*(struct copy_topic *)ctx = *topic;
	return OK;
}

static void test_crash(void **state)
{
	struct made topic, m[10];
	struct copy_topic kept;
	struct trouble t;
	struct copy *c;
	int status;

	(void)state;
	throw_away();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	for (int i = 0; i < 10; i++)
		make(&m[i], KIND_POST, 5 + (uint64_t)i, &topic, NULL, NULL, "s", "text");
	c = open_it();
	keep(c, &topic);
	copy_close(c);
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();

		if (child == 0) {
			c = open_it();
			give(c, &topic, &m[i], 10 * (uint64_t)i + 7, i == 9);
			/* Another answer that doesn't come to its end. */
			database_begin(c->d, &t);
			database_run(c->d, "UPDATE topic SET cursor = 1000000", NULL, &t, "");
			_exit(0);
		}
		assert_true(child > 0 && waitpid(child, &status, 0) == child && status == 0);
		c = open_it();
		assert_int_equal(copy_each(c, cursor_read, &kept, &t), OK);
		assert_int_equal(kept.cursor, 10 * (uint64_t)i + 7);
		assert_int_equal(kept.posts, (uint64_t)i + 1);
		assert_int_equal(kept.synced > 0, i == 9);
		assert_int_equal(copy_synced(c) > 0, i == 9);
		copy_close(c);
	}
	for (int i = 0; i < 10; i++)
		made_free(&m[i]);
	made_free(&topic);
}

static void test_another_node(void **state)
{
	struct home other = home;
	struct trouble t;
	struct copy *c;

	(void)state;
	throw_away();
	assert_int_equal(copy_open(&c, &home, false, &t), ERR_NOTFOUND);
	assert_non_null(strstr(t.hint, "convene sync"));
	copy_close(open_it());
	other.node.root_key[5] ^= 1;
	assert_int_equal(copy_open(&c, &other, true, &t), ERR_INVALID);
	assert_null(c);
	other = home;
	snprintf(other.log_name, sizeof other.log_name, "%s",
	    "isoc.example/10112233445566778899aabbccddeeff/2");
	assert_int_equal(copy_open(&c, &other, true, &t), ERR_INVALID);
	copy_close(open_it());
}

/* ---- what is not taken, and what is given up ---- */

static void test_bad(void **state)
{
	struct made topic, m;
	struct copy_progress p;
	struct frames frames;
	struct trouble t;
	uint64_t missing;
	struct copy *c;

	(void)state;
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	make(&m, KIND_POST, 5, &topic, NULL, NULL, "s", "text");
	keep(c, &topic);
	m.message.data[20] ^= 1;
	p = give(c, &topic, &m, 1, false);
	assert_int_equal(p.bad, 1);
	m.message.data[20] ^= 1;
	m.content.data[3] ^= 1;
	p = give(c, &topic, &m, 1, false);
	assert_int_equal(p.bad, 1);
	m.content.data[3] ^= 1;
	assert_int_equal(copy_thread(c, m.id, ID_LEN, &frames, &missing, &t), ERR_NOTFOUND);
	p = give(c, &topic, &m, 2, false);
	assert_int_equal(p.bad, 0);
	assert_int_equal(p.posts, 1);
	p = give(c, &topic, &m, 2, false);
	assert_int_equal(p.posts, 0);
	/* Of a topic that isn't kept. */
	assert_int_equal(copy_threads(c, m.id, ID_LEN, 10, 0, &frames, &t), ERR_NOTFOUND);
	copy_close(c);
	made_free(&topic);
	made_free(&m);
}

static void test_round(void **state)
{
	struct made topic, m[3];
	struct frames frames;
	struct trouble t;
	struct copy *c;

	(void)state;
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	keep(c, &topic);
	for (int i = 0; i < 3; i++) {
		make(&m[i], KIND_POST, 5 + (uint64_t)i, &topic, NULL, NULL, "s", "text");
		give(c, &topic, &m[i], (uint64_t)i + 1, false);
	}
	assert_int_equal(
	    database_run(c->d, "UPDATE topic SET round = round + 1, cursor = 0", NULL, &t, ""), OK);
	give(c, &topic, &m[0], 1, false);
	give(c, &topic, &m[2], 3, false);
	assert_int_equal(copy_threads(c, topic.id, ID_LEN, 10, 0, &frames, &t), OK);
	assert_int_equal(((Convene__Threads *)frames.list[0])->n_threads, 3);
	frames_free(&frames);
	give(c, &topic, NULL, 3, true);
	assert_int_equal(copy_threads(c, topic.id, ID_LEN, 10, 0, &frames, &t), OK);
	assert_int_equal(((Convene__Threads *)frames.list[0])->n_threads, 2);
	frames_free(&frames);
	/* Pages, as a node gives them. */
	assert_int_equal(copy_threads(c, topic.id, ID_LEN, 1, 1, &frames, &t), OK);
	assert_int_equal(((Convene__Threads *)frames.list[0])->n_threads, 1);
	assert_memory_equal(
	    ((Convene__Threads *)frames.list[0])->threads[0]->id.data, m[0].id, ID_LEN);
	frames_free(&frames);
	copy_close(c);
	for (int i = 0; i < 3; i++)
		made_free(&m[i]);
	made_free(&topic);
}

/* One post amended and erased as often as a stranger likes, on whatever machine: what comes last
 * must not cost so much more than what came first. */
static void test_many_changes(void **state)
{
	enum { MANY = 6000, FRAME = 100 };
	struct made topic, original, *changes = calloc(MANY, sizeof *changes);
	Convene__Item *list[FRAME];
	uint64_t took[2][2] = {{0}};
	struct copy *c;
	struct trouble t;

	(void)state;
	assert_non_null(changes);
	throw_away();
	c = open_it();
	make(&topic, KIND_TOPIC, 1, NULL, NULL, NULL, "t", "");
	keep(c, &topic);
	make(&original, KIND_POST, 2, &topic, NULL, NULL, "s", "first");
	give(c, &topic, &original, 1, false);
	for (int half = 0; half < 2; half++) {
		for (int i = 0; i < MANY; i++)
			make(&changes[i], half ? KIND_ERASE : KIND_AMEND, 3, NULL, NULL, &original,
			    "s", "again");
		for (int i = 0; i < MANY; i += FRAME) {
			Convene__Items items = CONVENE__ITEMS__INIT;
			struct copy_progress p = {0};
			uint64_t began = clock_mono_ms();

			for (int k = 0; k < FRAME; k++) {
				list[k] = &changes[i + k].item;
				list[k]->arrival = (uint64_t)(2 + half * MANY + i + k);
			}
			items.items = list;
			items.n_items = FRAME;
			assert_int_equal(copy_take(c, topic.id, &items, &p, &t), OK);
			took[half][i >= MANY / 2] += clock_mono_ms() - began;
		}
		for (int i = 0; i < MANY; i++)
			made_free(&changes[i]);
	}
	for (int half = 0; half < 2; half++)
		if (took[half][1] > 2 * took[half][0] + 200)
			fail_msg("%s: the first half took %d ms, the second %d ms",
			    half ? "erasures" : "amendments", (int)took[half][0],
			    (int)took[half][1]);
	copy_close(c);
	made_free(&original);
	made_free(&topic);
	free(changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_threads_in_any_order),
	    cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_changes_in_any_order),
	    cmocka_unit_test(test_unasked),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_crash),
	    cmocka_unit_test(test_another_node),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_round),
	    cmocka_unit_test(test_many_changes),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
