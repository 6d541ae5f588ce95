/* SPDX-License-Identifier: BSD-2-Clause */
/* The index beside a store: what moves, is amended and erased, and those who search while something
 * is. */
#include "forum_stage.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "search/index.h"
#include "search/search.h"

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
	    cmocka_unit_test(test_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
