/* SPDX-License-Identifier: BSD-2-Clause */
/* The index beside a store: what moves, is amended and erased, and those who search while something
 * is. */
#include "forum_stage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/encode.h"
#include "search/index.h"
#include "search/search.h"
#include "search/words.h"

struct scene {
	struct stage *st;
	struct search_writer *w;
	struct store *reader; /* the index's, and who searches */
	struct search *search;
	struct search_pace pace;
	char folder[128];
};

static void follow(struct scene *sc)
{
	int err;

	while ((err = search_follow(sc->w, sc->reader, &sc->pace, 1000)) == 1)
		;
	assert_ok(err);
}

static struct scene scene_new(void)
{
	struct scene sc = {.st = stage_new()};

	snprintf(sc.folder, sizeof sc.folder, "%s/search", sc.st->n.store.dir);
	assert_ok(store_open(&sc.reader, &store_sqlite, sc.st->n.store.path, STORE_READ_ONLY));
	assert_ok(search_writer_open(&sc.w, sc.folder, NULL));
	return sc;
}

static void scene_free(struct scene *sc)
{
	search_close(sc->search);
	search_writer_close(sc->w);
	store_close(sc->reader);
	assert_ok(search_remove(sc->folder));
	stage_free(sc->st);
}

static int found_count(void *ctx, const struct search_found *f)
{
	(void)f;
	++*(int *)ctx;
	return OK;
}

/* How many are found. */
static int found(struct scene *sc, const char *text)
{
	struct search_query *q;
	int count = 0;
	struct search_ask ask = {
	    .before = UINT64_MAX, .ms = 5000, .found = found_count, .ctx = &count};
	uint64_t next;

	if (!sc->search)
		assert_ok(search_open(&sc->search, sc->folder));
	assert_ok(search_parse(&q, bytes_str(text), NULL));
	assert_ok(search_run(sc->search, sc->reader, q, &ask, &next));
	assert_int_equal(next, 0);
	search_query_free(q);
	return count;
}

/* Whether any segment has a word. */
static bool has_word(const struct scene *sc, const char *word)
{
	const struct search_index *x = search_writer_index(sc->w);
	uint32_t term = search_term(ABOUT_WORD, bytes_str(word));
	struct doc_set docs = {{0}};

	for (size_t i = 0; i < x->count; i++)
		segment_find(&x->segments[i].segment, term, &docs);
	return set_count(&docs) > 0;
}

static uint64_t texts(const struct scene *sc)
{
	struct search_state state;

	index_state(search_writer_index(sc->w), &state);
	return state.texts;
}

static int found_in(struct scene *sc, const struct entry *topic, const char *words)
{
	char hex[2 * ID_LEN + 1], text[200];

	hex_encode(hex, topic->in.id, ID_LEN);
	snprintf(text, sizeof text, "topic:%s %s", hex, words);
	return found(sc, text);
}

/* An answer stands in the topic that it names until what it answers comes, which may be in another.
 */
static void test_moved(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct world *w = st->n.w;
	struct entry *other = topic_put(
	    w, A, &w->logs[A].registrar, ++w->logs[A].registrar_sequence, "Other", GIVEN);
	struct entry *root = post(st, B, 0, st->topic, NULL, "Root");
	struct entry *answer = post(st, A, 0, other, root, "Answer");

	(void)state;
	post(st, A, 0, other, answer, "Further");
	post(st, A, 0, other, NULL, "Elsewhere");
	take(st, A, true);
	follow(&sc);
	assert_int_equal(found_in(&sc, other, "text"), 3);
	assert_int_equal(found_in(&sc, st->topic, "text"), 0);
	take(st, B, true);
	follow(&sc);
	assert_int_equal(found_in(&sc, other, "text"), 1);
	assert_int_equal(found_in(&sc, st->topic, "text"), 3);
	assert_int_equal(found_in(&sc, st->topic, "answer"), 1);
	scene_free(&sc);
}

/* Amending writes none of the text's part anew; erasing does, and then no word of either is left.
 */
static void test_amended(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct entry *p[4];

	(void)state;
	for (size_t i = 0; i < sizeof p / sizeof *p; i++)
		p[i] = post(st, A, 0, st->topic, NULL, i == 1 ? "Former" : "Same");
	/* Enough words that the new ones by themselves are few. */
	for (int i = 0; i < 400; i++) {
		char subject[40];

		snprintf(subject, sizeof subject, "word%d and%d then%d", i, i, i);
		post(st, A, 0, st->topic, NULL, subject);
	}
	take(st, A, true);
	follow(&sc);
	uint64_t all = texts(&sc), largest = search_writer_index(sc.w)->segments[0].no;
	assert_int_equal(search_writer_index(sc.w)->count, 1);
	assert_int_equal(found(&sc, "former"), 1);

	struct entry *words = amend(st, A, 0, p[1], "Better");
	take(st, A, true);
	follow(&sc);
	assert_int_equal(found(&sc, "former"), 0);
	assert_int_equal(found(&sc, "better other"), 1);
	assert_int_equal(texts(&sc), all);
	assert_int_equal(search_writer_index(sc.w)->count, 2);
	assert_int_equal(search_writer_index(sc.w)->segments[0].no, largest);

	/* Without the amendment it is as it was, and of that nothing stays. */
	erase(st, A, 0, words);
	take(st, A, true);
	follow(&sc);
	assert_int_equal(found(&sc, "former"), 1);
	assert_int_equal(found(&sc, "better"), 0);
	assert_false(has_word(&sc, "better"));
	assert_true(has_word(&sc, "former"));

	amend(st, A, 0, p[1], "Third");
	take(st, A, true);
	follow(&sc);
	assert_true(has_word(&sc, "third"));
	erase(st, A, 0, p[1]);
	take(st, A, true);
	follow(&sc);
	assert_false(has_word(&sc, "third"));
	assert_false(has_word(&sc, "former"));
	assert_int_equal(texts(&sc), all - 1);
	scene_free(&sc);
}

/* ---- searching while something is erased ---- */

static atomic_bool enough;

static bool slow(void *ctx, const struct item_row *row)
{
	struct timespec some = {.tv_nsec = 4000000};

	(void)ctx;
	(void)row;
	nanosleep(&some, NULL);
	return true;
}

static int anew(void *ctx)
{
	struct store *s = ctx;

	assert_ok(s->ops->commit(s));
	return s->ops->begin(s);
}

/* As a page does it: all in one transaction, but for what a search lets go; one after the other. */
static void *search_always(void *ctx)
{
	struct scene *sc = ctx;
	struct search_query *q;
	struct search *search;
	struct store *s;
	uint64_t next, version;

	assert_ok(store_open(&s, &store_sqlite, sc->st->n.store.path, STORE_READ_ONLY));
	assert_ok(search_open(&search, sc->folder));
	assert_ok(search_parse(&q, bytes_str("text"), NULL));
	struct search_ask ask = {.before = UINT64_MAX,
	    .ms = 400,
	    .hidden = slow,
	    .found = found_count,
	    .rest = anew,
	    .ctx = s};
	while (!atomic_load(&enough)) {
		assert_ok(s->ops->begin(s));
		assert_ok(s->ops->version(s, &version)); /* takes the snapshot */
		assert_ok(search_run(search, s, q, &ask, &next));
		assert_ok(s->ops->commit(s));
	}
	search_query_free(q);
	search_close(search);
	store_close(s);
	return NULL;
}

/* Whoever searches all the time, in every process of the web, holds up no erasure. */
static void test_rest(void **state)
{
	enum { TEXTS = 120, SEARCHERS = 4, ERASURES = 8 };
	struct scene sc = scene_new();
	struct entry *posts[TEXTS];
	pthread_t threads[SEARCHERS];
	int tries = 0;

	(void)state;
	for (int i = 0; i < TEXTS; i++)
		posts[i] = post(sc.st, A, 0, sc.st->topic, NULL, "Some");
	take(sc.st, A, true);
	follow(&sc);
	atomic_store(&enough, false);
	for (int i = 0; i < SEARCHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, search_always, &sc), 0);
	slow(NULL, NULL);
	for (int i = 0; i < ERASURES; i++) {
		struct store *s = sc.st->n.store.s;

		erase(sc.st, A, 0, posts[i]);
		take(sc.st, A, false);
		/* As often as the relay tries within some seconds, and as it does. */
		while (tries++ < 3 * ERASURES && s->ops->scrub(s) != OK)
			slow(NULL, NULL);
	}
	atomic_store(&enough, true);
	for (int i = 0; i < SEARCHERS; i++)
		pthread_join(threads[i], NULL);
	printf("# %d tries for %d erasures\n", tries, ERASURES);
	assert_true(tries <= 3 * ERASURES);
	assert_int_equal(found(&sc, "text"), TEXTS - ERASURES);
	scene_free(&sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moved),
	    cmocka_unit_test(test_amended),
	    cmocka_unit_test(test_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
