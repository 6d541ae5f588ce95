/* SPDX-License-Identifier: BSD-2-Clause */
/* The forum as groups and articles (daemon/nntp/catalogue.h), beside the one who writes the store:
 * what comes late, what is amended, erased, hidden, moved, folded again. */
#include "forum_stage.h"

#include "base/encode.h"
#include "daemon/nntp/ancestors.h"
#include "daemon/nntp/catalogue.h"
#include "daemon/reader/measure.h"

struct scene {
	struct stage *st;
	struct catalogue *c;
	struct catalogue_setup setup;
	struct news_source *s;
	struct news_article a;
	uint64_t now;
	char numbers[300];
};

static void open_it(struct scene *sc)
{
	assert_ok(catalogue_new(&sc->c, &sc->setup));
	sc->s = catalogue_source(sc->c);
}

/* Some seconds later. */
static void look(struct scene *sc)
{
	sc->now += 70000;
	for (int i = 0; catalogue_update(sc->c, sc->now, sc->now); i++)
		assert_true(i < 1000);
}

static struct scene scene_new(void)
{
	struct scene sc = {.st = stage_new(), .now = UINT64_C(1795356000000)};
	struct store *s = sc.st->n.store.s;

	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->meta_put(s, "forum", bytes_of(sc.st->n.w->charter.forum, HASH_LEN)));
	assert_ok(s->ops->commit(s));
	snprintf(sc.numbers, sizeof sc.numbers, "%s.numbers", sc.st->n.store.path);
	sc.setup = (struct catalogue_setup){.store = sc.st->n.store.path,
	    .organisation = "b.example",
	    .forum = "Agora",
	    .url = "https://forum.b.example"};
	return sc;
}

static void scene_begin(struct scene *sc)
{
	sc->setup.numbers = sc->numbers;
	unlink(sc->numbers);
	open_it(sc);
}

static void scene_free(struct scene *sc)
{
	catalogue_free(sc->c);
	buffer_free(&sc->a.text);
	unlink(sc->numbers);
	stage_free(sc->st);
}

static struct news_group group_get(struct scene *sc, size_t n)
{
	struct news_group g;
	uint32_t group;

	assert_ok(catalogue_begin(sc->c));
	assert_ok(sc->s->ops->group_at(sc->s, n, &group));
	assert_ok(sc->s->ops->group(sc->s, group, &g));
	catalogue_end(sc->c);
	return g;
}

static int article(struct scene *sc, uint32_t number, enum news_extent extent)
{
	uint32_t group;
	int err;

	assert_ok(catalogue_begin(sc->c));
	assert_ok(sc->s->ops->group_at(sc->s, 0, &group));
	err = sc->s->ops->article(sc->s, group, number, extent, &sc->a);
	catalogue_end(sc->c);
	return err;
}

static const char *text_of(struct scene *sc, uint32_t number)
{
	assert_ok(article(sc, number, NEWS_ALL));
	return buffer_str(&sc->a.text);
}

static void assert_has(struct scene *sc, uint32_t number, const char *words)
{
	const char *text = text_of(sc, number);

	if (!strstr(text, words))
		fail_msg("%u lacks %s:\n%s", number, words, text);
}

static bool has(struct scene *sc, uint32_t number, const char *words)
{
	return strstr(text_of(sc, number), words) != NULL;
}

/* A header alone is the one that the whole article has, whatever stands in it. */
static void assert_head(struct scene *sc, uint32_t number)
{
	char *whole = strdup(text_of(sc, number));
	size_t body = sc->a.body;

	assert_ok(article(sc, number, NEWS_HEAD));
	assert_int_equal(sc->a.body, body);
	assert_int_equal(sc->a.text.len, body);
	assert_memory_equal(sc->a.text.data, whole, body);
	free(whole);
}

static const char *name_of(const struct entry *e, const char *organisation)
{
	static char names[4][NEWS_ID_MAX];
	static unsigned at;
	char *out = names[at++ % 4], hex[2 * ID_LEN + 1];

	hex_encode(hex, e->in.id, ID_LEN);
	snprintf(out, NEWS_ID_MAX, "%s@%s", hex, organisation);
	return out;
}

static int locate(struct scene *sc, const char *id, uint32_t *number)
{
	uint32_t group;
	int err;

	assert_ok(catalogue_begin(sc->c));
	err = sc->s->ops->locate(sc->s, bytes_str(id), &group, number);
	catalogue_end(sc->c);
	return err;
}

/* Numbers are given in the order in which texts come, and stay whatever happens. */
static void test_numbers(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct entry *root, *reply, *other;
	struct news_group g;
	uint32_t number;

	(void)state;
	scene_begin(&sc);
	look(&sc);
	assert_int_equal(catalogue_begin(sc.c), OK);
	assert_int_equal(sc.s->ops->group_at(sc.s, 0, &number), ERR_RANGE);
	catalogue_end(sc.c);
	take(st, A, true);
	look(&sc);
	g = group_get(&sc, 0);
	assert_memory_equal(g.name, "agora.access-", 13);
	assert_int_equal(g.high, 1);
	assert_true(g.created == sc.now);
	assert_has(&sc, 1, "\nX-Convene-Kind: topic\n");

	root = post(st, A, 0, st->topic, NULL, "First");
	reply = post(st, A, 3, st->topic, root, "");
	take(st, A, false);
	look(&sc);
	assert_int_equal(group_get(&sc, 0).high, 1); /* no texts yet */
	other = post(st, A, 0, st->topic, NULL, "Other");
	take(st, A, true);
	look(&sc);
	assert_int_equal(group_get(&sc, 0).high, 4);
	assert_ok(article(&sc, 2, NEWS_ID));
	assert_ok(locate(&sc, name_of(root, "a.example"), &number));
	assert_has(&sc, number, "\nSubject: First\n");
	assert_ok(locate(&sc, name_of(reply, "a.example"), &number));
	assert_has(&sc, number, "\nSubject: Re: First\n"); /* it has none of its own */
	assert_has(&sc, number, name_of(root, "a.example"));
	assert_int_equal(locate(&sc, name_of(reply, "b.example"), &number), ERR_NOTFOUND);
	assert_int_equal(article(&sc, 5, NEWS_ID), ERR_NOTFOUND);
	assert_int_equal(article(&sc, 0, NEWS_ID), ERR_NOTFOUND);

	/* A restart, and all views made anew. */
	assert_ok(locate(&sc, name_of(other, "a.example"), &number));
	catalogue_free(sc.c);
	open_it(&sc);
	look(&sc);
	assert_int_equal(group_get(&sc, 0).high, 4);
	uint32_t again;
	assert_ok(locate(&sc, name_of(other, "a.example"), &again));
	assert_int_equal(again, number);
	catalogue_free(sc.c);
	assert_ok(st->n.store.s->ops->begin(st->n.store.s));
	assert_ok(views_clear(st->n.store.s));
	assert_ok(st->n.store.s->ops->commit(st->n.store.s));
	open_it(&sc);
	look(&sc);
	assert_ok(catalogue_begin(sc.c));
	assert_int_equal(sc.s->ops->group_at(sc.s, 0, &again), ERR_RANGE); /* nothing is shown */
	catalogue_end(sc.c);
	scene_free(&sc);
}

static void test_changes(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct entry *root, *reply;
	uint32_t r, a;

	(void)state;
	scene_begin(&sc);
	root = post(st, A, 0, st->topic, NULL, "First");
	reply = post(st, A, 3, st->topic, root, "Second");
	take(st, A, true);
	look(&sc);
	assert_ok(locate(&sc, name_of(root, "a.example"), &r));
	assert_ok(locate(&sc, name_of(reply, "a.example"), &a));
	assert_has(&sc, r, "\n\na text\n");
	assert_has(&sc, r, "\nArchived-At: <https://forum.b.example/m/");
	assert_has(&sc, r, "\nContent-Type: text/plain; charset=utf-8\n");
	assert_has(&sc, r, "Path: b.example!not-for-mail\nFrom: ");
	catalogue_set_url(sc.c, NULL);
	assert_false(has(&sc, r, "Archived-At"));

	amend(st, A, 0, root, "Better");
	take(st, A, true);
	look(&sc);
	assert_has(&sc, r, "\nSubject: Better\n");
	assert_has(&sc, r, "\nX-Convene-Amended: ");
	assert_has(&sc, r, "\n\nother words\n");
	assert_head(&sc, r);
	assert_int_equal(group_get(&sc, 0).high, 3); /* an AMEND is no article */

	erase(st, A, 0, root);
	take(st, A, true);
	look(&sc);
	assert_has(&sc, r, "\nSubject: [erased]\n");
	assert_head(&sc, r);
	assert_has(&sc, r, "\n\n[This text was erased on ");
	assert_false(has(&sc, r, "words") || has(&sc, r, "a text") || has(&sc, r, "Better"));
	assert_ok(locate(&sc, name_of(root, "a.example"), &r));
	assert_has(&sc, a, name_of(root, "a.example"));

	/* The topic itself: its words leave the group's name, and the old name still leads there.
	 */
	struct news_group was = group_get(&sc, 0), now;
	uint32_t group;
	change(st, A, -1, KIND_ERASE, st->topic, (struct bytes){0});
	take(st, A, true);
	look(&sc);
	now = group_get(&sc, 0);
	assert_memory_equal(now.name, "agora.topic-", 12);
	assert_ok(catalogue_begin(sc.c));
	assert_ok(sc.s->ops->group_find(sc.s, bytes_str(was.name), &group));
	assert_ok(sc.s->ops->group_find(sc.s, bytes_str(now.name), &group));
	catalogue_end(sc.c);
	assert_int_equal(now.title.len, 0);
	assert_int_equal(now.high, 3);
	scene_free(&sc);
}

static void hide(struct scene *sc, const struct entry *e, const char *reason)
{
	struct store *s = sc->st->n.store.s;
	char key[MEASURE_KEY_MAX], value[200];

	measure_hide_key(key, e->in.id);
	snprintf(value, sizeof value,
	    "{\"what\":\"x\",\"about\":\"y\",\"reason\":\"%s\",\"time\":5}", reason);
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->meta_put(s, key, bytes_str(value)));
	measure_operation_key(key, 1);
	assert_ok(s->ops->meta_put(s, key, bytes_str("{}")));
	assert_ok(s->ops->commit(s));
}

static void test_hidden(void **state)
{
	struct scene sc = scene_new();
	struct entry *root = post(sc.st, A, 0, sc.st->topic, NULL, "First"),
		     *reply = post(sc.st, A, 3, sc.st->topic, root, "");
	uint32_t number, answer;

	(void)state;
	scene_begin(&sc);
	take(sc.st, A, true);
	look(&sc);
	assert_ok(locate(&sc, name_of(reply, "a.example"), &answer));
	assert_has(&sc, answer, "\nSubject: Re: First\n");
	hide(&sc, root, "spam\\nX-Other: field");
	/* In a moment what answers it doesn't tell it either. */
	sc.now += 2000;
	while (catalogue_update(sc.c, sc.now, sc.now))
		;
	assert_false(has(&sc, answer, "First"));
	look(&sc);
	assert_ok(locate(&sc, name_of(root, "a.example"), &number));
	assert_has(&sc, number, "\nSubject: [not shown here]\n");
	assert_has(&sc, number, "\nX-Convene-State: hidden\n");
	assert_has(&sc, number, "does not show this text: spam");
	assert_false(has(&sc, number, "a text") || has(&sc, number, "\nX-Other"));
	scene_free(&sc);
}

/* What stands in a post of an archive stays as it was there, as far as news allows. */
static void test_imported(void **state)
{
	struct bytes refs[] = {bytes_str("one@old.example"), bytes_str("not usable")};
	struct content c = {.subject = bytes_str("Old"),
	    .text = bytes_str("From the list\n.\n"),
	    .imported = {.present = true,
		.author = bytes_str("Zoë <zoe@old.example>"),
		.message_id = bytes_str("two@old.example"),
		.date = INT64_C(946684800000),
		.references = refs,
		.reference_count = 2}};
	struct content_part part = {.name = bytes_str("a.bin"),
	    .media_type = bytes_str("application/octet-stream"),
	    .data = bytes_str("bytes")};
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct buffer content = BUFFER_INIT, other = BUFFER_INIT;
	struct key by = device(A, 0);
	struct entry *old, *twin, *reply;
	uint32_t number, n;

	(void)state;
	scene_begin(&sc);
	assert_ok(content_encode(&content, &c));
	old = world_put(st->n.w, world_make(st->n.w, A,
				     (struct recipe){.by = &by,
					 .sequence = ++st->sequence,
					 .kind = KIND_POST,
					 .topic = st->topic,
					 .content = buffer_bytes(&content),
					 .given = GIVEN}));
	reply = post(st, A, 3, st->topic, old, "Re: Old");
	c.text = bytes_str("another of the same name");
	c.imported.author = bytes_of(NULL, 0);
	c.imported.date = 0;
	c.parts = &part;
	c.part_count = 1;
	assert_ok(content_encode(&other, &c));
	twin = world_put(st->n.w, world_make(st->n.w, A,
				      (struct recipe){.by = &by,
					  .sequence = ++st->sequence,
					  .kind = KIND_POST,
					  .topic = st->topic,
					  .content = buffer_bytes(&other),
					  .given = GIVEN}));
	take(st, A, true);
	look(&sc);
	assert_ok(locate(&sc, "two@old.example", &number));
	assert_has(&sc, number, "\nFrom: =?utf-8?B?Wm/Dqw==?= <zoe@old.example>\n");
	assert_has(&sc, number, "\nSender: ");
	assert_false(has(&sc, n = 1, "\nSender: "));
	assert_has(&sc, number, "\nDate: Sat, 01 Jan 2000 00:00:00 +0000\n");
	assert_has(&sc, number, "\nMessage-ID: <two@old.example>\n");
	assert_has(&sc, number, "\nReferences: <one@old.example>\n");
	assert_has(&sc, number, "\nInjection-Date: ");
	assert_has(&sc, number, "\n\nFrom the list\n.\n");
	assert_int_equal(locate(&sc, name_of(old, "a.example"), &n), ERR_NOTFOUND);
	assert_ok(locate(&sc, name_of(reply, "a.example"), &n));
	assert_has(&sc, n, "\nReferences: <two@old.example>\n");
	(void)twin;
	assert_int_equal(group_get(&sc, 0).high, 4);
	assert_has(&sc, 4, "\nFrom: unknown <unknown@unknown.invalid>\n");
	assert_has(&sc, 4, "\nDate: ");
	assert_has(&sc, 4, "\nContent-Type: multipart/mixed;");
	assert_head(&sc, 4);
	assert_head(&sc, number);
	/* Amended, it is still that mail; erased, nothing of it is left. */
	amend(st, A, 0, old, "Old, mended");
	take(st, A, true);
	look(&sc);
	assert_has(&sc, number, "\nMessage-ID: <two@old.example>\n");
	assert_has(&sc, number, "\nSubject: Old, mended\n");
	erase(st, A, 0, old);
	take(st, A, true);
	look(&sc);
	assert_false(has(&sc, number, "old.example") || has(&sc, number, "Old"));
	assert_false(has(&sc, n, "two@old.example"));
	assert_has(&sc, n, name_of(old, "a.example"));
	assert_int_equal(locate(&sc, "two@old.example", &n), ERR_NOTFOUND);
	assert_ok(locate(&sc, name_of(old, "a.example"), &n));
	assert_int_equal(n, number);
	buffer_free(&content);
	buffer_free(&other);
	scene_free(&sc);
}

/* An archive's Message-ID is the importer's word: it is not another message's name. */
static void test_claimed(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct entry *theirs = post(st, A, 0, st->topic, NULL, "Theirs"), *claim;
	char id[NEWS_ID_MAX];
	struct content c = {.subject = bytes_str("Forged"), .imported = {.present = true}};
	struct buffer content = BUFFER_INIT;
	struct key by = device(A, 0);
	uint32_t number;

	(void)state;
	snprintf(id, sizeof id, "%s", name_of(theirs, "a.example"));
	c.imported.message_id = bytes_str(id);
	assert_ok(content_encode(&content, &c));
	scene_begin(&sc);
	claim = world_put(st->n.w, world_make(st->n.w, A,
				       (struct recipe){.by = &by,
					   .sequence = ++st->sequence,
					   .kind = KIND_POST,
					   .topic = st->topic,
					   .content = buffer_bytes(&content),
					   .given = GIVEN}));
	take(st, A, true);
	look(&sc);
	assert_ok(locate(&sc, id, &number));
	assert_has(&sc, number, "\nSubject: Theirs\n");
	assert_ok(locate(&sc, name_of(claim, "a.example"), &number));
	assert_has(&sc, number, "\nSubject: Forged\n");
	assert_false(has(&sc, number, id));
	buffer_free(&content);
	scene_free(&sc);
}

/* Answers to what isn't here stand in the topic that they name, and go with their root when it
 * comes; a number that was given stays empty. */
static void test_moved(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct world *w = st->n.w;
	struct entry *second = topic_put(
	    w, A, &w->logs[A].registrar, ++w->logs[A].registrar_sequence, "Second", GIVEN);
	struct entry *root, *reply;
	uint32_t number, group, g2;
	struct news_group g;

	(void)state;
	scene_begin(&sc);
	take(st, A, true);
	root = post(st, B, 0, second, NULL, "Root");
	reply = post(st, A, 0, st->topic, root, "Stray");
	take(st, A, true);
	look(&sc);
	assert_ok(catalogue_begin(sc.c));
	assert_ok(sc.s->ops->locate(sc.s, bytes_str(name_of(reply, "a.example")), &group, &number));
	assert_ok(sc.s->ops->group(sc.s, group, &g));
	catalogue_end(sc.c);
	assert_memory_equal(g.name, "agora.access-", 13);
	take(st, B, true);
	look(&sc);
	look(&sc);
	assert_ok(catalogue_begin(sc.c));
	assert_ok(sc.s->ops->locate(sc.s, bytes_str(name_of(reply, "a.example")), &g2, &number));
	assert_true(g2 != group);
	assert_ok(sc.s->ops->group(sc.s, g2, &g));
	assert_memory_equal(g.name, "agora.second-", 13);
	assert_int_equal(g.high, 3);
	assert_int_equal(sc.s->ops->article(sc.s, group, 2, NEWS_ID, &sc.a), ERR_NOTFOUND);
	catalogue_end(sc.c);
	scene_free(&sc);
}

static void version_set(struct scene *sc, const char *version)
{
	struct store *s = sc->st->n.store.s;

	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->meta_put(s, "views", bytes_str(version)));
	assert_ok(s->ops->commit(s));
}

/* While a store is upgraded, or put back, it can't be read, and then it can. */
static void test_away(void **state)
{
	struct scene sc = scene_new();
	struct entry *root = post(sc.st, A, 0, sc.st->topic, NULL, "First");
	struct buffer version = BUFFER_INIT;
	struct store *s = sc.st->n.store.s;
	uint32_t group, number;

	(void)state;
	scene_begin(&sc);
	take(sc.st, A, true);
	look(&sc);
	assert_ok(locate(&sc, name_of(root, "a.example"), &number));
	assert_ok(s->ops->meta_get(s, "views", &version));
	version_set(&sc, "0");
	assert_int_equal(catalogue_begin(sc.c), ERR_NOTFOUND);
	assert_ok(sc.s->ops->group_at(sc.s, 0, &group));
	assert_int_equal(sc.s->ops->article(sc.s, group, number, NEWS_ALL, &sc.a), ERR_BUSY);
	assert_int_equal(
	    sc.s->ops->locate(sc.s, bytes_str(name_of(root, "a.example")), &group, &number),
	    ERR_BUSY);
	look(&sc);
	assert_int_equal(catalogue_begin(sc.c), ERR_NOTFOUND);
	version_set(&sc, buffer_str(&version));
	look(&sc);
	assert_has(&sc, number, "\nSubject: First\n");
	assert_int_equal(group_get(&sc, 0).high, 2);
	buffer_free(&version);
	scene_free(&sc);
}

static void test_ids_usable(void **state)
{
	char longest[NEWS_ID_MAX + 2];

	(void)state;
	assert_true(news_id_usable(bytes_str("a@b")));
	static const char *const bad[] = {"", "a b@c", "a>@b", "é@b", "a@\x7f"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(news_id_usable(bytes_str(bad[i])));
	memset(longest, '@', sizeof longest);
	assert_true(news_id_usable(bytes_of(longest, NEWS_ID_MAX)));
	assert_false(news_id_usable(bytes_of(longest, NEWS_ID_MAX + 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_hidden),
	    cmocka_unit_test(test_imported),
	    cmocka_unit_test(test_claimed),
	    cmocka_unit_test(test_moved),
	    cmocka_unit_test(test_away),
	    cmocka_unit_test(test_ids_usable),
	};

	assert_ok(crypto_start());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
