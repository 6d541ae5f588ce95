/* SPDX-License-Identifier: BSD-2-Clause */
/* The store as another process reads it (daemon/reader), beside the one that writes. */
#include "forum_stage.h"

#include "daemon/reader/measure.h"
#include "daemon/reader/reader.h"

struct scene {
	struct stage *st;
	struct reader *r;
	struct message_shown m;
	uint64_t state, operations;
};

static struct scene scene_new(void)
{
	struct scene sc = {.st = stage_new(), .m = MESSAGE_SHOWN_INIT};
	struct store *s = sc.st->n.store.s;

	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->meta_put(s, "forum", bytes_of(sc.st->n.w->charter.forum, HASH_LEN)));
	assert_ok(s->ops->commit(s));
	assert_ok(reader_open(&sc.r, sc.st->n.store.path, "b.example"));
	return sc;
}

static void scene_free(struct scene *sc)
{
	message_shown_clear(&sc->m);
	reader_close(sc->r);
	stage_free(sc->st);
}

/* As one page: begin, this message, end. What is told stays good. */
static const struct message_shown *shown(struct scene *sc, const struct entry *e)
{
	assert_ok(reader_begin(sc->r, &sc->state));
	assert_ok(reader_message_by_id(sc->r, e->in.id, &sc->m));
	reader_end(sc->r);
	assert_memory_equal(sc->m.row.id, e->in.id, ID_LEN);
	assert_int_equal(sc->m.entry.len, e->in.message.len);
	assert_memory_equal(sc->m.entry.data, e->in.message.data, e->in.message.len);
	return &sc->m;
}

static void assert_text(const struct message_shown *m, const char *subject, const char *text)
{
	assert_int_equal(m->state, TEXT_HERE);
	assert_true(bytes_equal(m->content.subject, bytes_str(subject)));
	assert_true(bytes_equal(m->content.text, bytes_str(text)));
}

static void fact(struct scene *sc, const char *key, const char *reason)
{
	struct store *s = sc->st->n.store.s;
	char value[200], operation[MEASURE_KEY_MAX];

	snprintf(value, sizeof value,
	    "{\"what\":\"x\",\"about\":\"y\",\"reason\":\"%s\",\"time\":5}", reason);
	assert_ok(s->ops->begin(s));
	if (*reason)
		assert_ok(s->ops->meta_put(s, key, bytes_str(value)));
	else
		assert_ok(s->ops->meta_drop(s, key));
	measure_operation_key(operation, ++sc->operations);
	assert_ok(s->ops->meta_put(s, operation, bytes_str("{}")));
	assert_ok(s->ops->commit(s));
}

/* The bytes of a message itself, whatever amends it. */
static void assert_content(struct scene *sc, const struct entry *e, const char *text, int wanted)
{
	struct buffer own = BUFFER_INIT;
	struct content c;

	shown(sc, e);
	assert_int_equal(reader_content(sc->r, &sc->m, &own), wanted);
	if (wanted == OK) {
		assert_ok(content_parse(buffer_bytes(&own), &c));
		assert_true(bytes_equal(c.text, bytes_str(text)));
		content_clear(&c);
	}
	buffer_free(&own);
}

/* A text that is here, one that has not come, an amendment, an erasure. */
static void test_texts(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	(void)state;
	struct entry *root = post(st, A, 0, st->topic, NULL, "First");
	struct entry *reply = post(st, A, 3, st->topic, root, "Re: First");
	take(st, A, false);
	assert_int_equal(shown(&sc, root)->state, TEXT_MISSING);
	assert_content(&sc, root, "", ERR_NOTFOUND);
	uint64_t before = sc.state;
	contents(st, A);
	assert_text(shown(&sc, root), "First", "a text");
	assert_true(sc.state != before);
	before = sc.state;
	const struct message_shown *m = shown(&sc, reply);
	assert_true(sc.state == before);
	assert_string_equal(m->row.author.handle, "bert");
	assert_string_equal(m->log->organisation, "a.example");
	assert_memory_equal(m->header.parent.id, root->in.id, ID_LEN);
	assert_memory_equal(m->row.thread, root->in.id, ID_LEN);
	assert_memory_equal(m->row.topic, st->topic->in.id, ID_LEN);
	assert_false(m->amended.given || m->erased.given || m->disputed);
	assert_text(shown(&sc, st->topic), "Access", "what it is about");

	struct entry *words = amend(st, A, 0, root, "Better");
	take(st, A, true);
	m = shown(&sc, root);
	assert_text(m, "Better", "other words");
	assert_true(m->amended.given);
	assert_memory_equal(m->amended.id, words->in.id, ID_LEN);
	assert_int_equal(m->amended.header.sequence, words->in.header.sequence);
	m = shown(&sc, words);
	assert_text(m, "Better", "other words");
	assert_int_equal(m->header.kind, KIND_AMEND);
	assert_memory_equal(m->row.thread, root->in.id, ID_LEN);
	assert_content(&sc, root, "a text", OK);
	assert_content(&sc, words, "other words", OK);

	struct entry *gone = erase(st, A, 0, root);
	take(st, A, true);
	m = shown(&sc, root);
	assert_int_equal(m->state, TEXT_ERASED);
	assert_true(m->erased.given && !m->amended.given);
	assert_memory_equal(m->erased.id, gone->in.id, ID_LEN);
	assert_int_equal(m->content.text.len, 0);
	assert_int_equal(shown(&sc, words)->state, TEXT_ERASED);
	assert_content(&sc, root, "", ERR_REFUSED);
	assert_content(&sc, words, "", ERR_REFUSED);
	assert_text(shown(&sc, reply), "Re: First", "a text");

	uint8_t none[ID_LEN] = {1};
	assert_ok(reader_begin(sc.r, &sc.state));
	assert_int_equal(reader_message_by_id(sc.r, none, &sc.m), ERR_NOTFOUND);
	reader_end(sc.r);
	scene_free(&sc);
}

/* What is shown of many reads a bounded number of bytes; the next page reads again. */
static void test_budget(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	(void)state;
	struct entry *a = post(st, A, 0, st->topic, NULL, "First");
	struct entry *b = post(st, A, 0, st->topic, NULL, "Second");
	take(st, A, true);
	assert_ok(reader_begin(sc.r, &sc.state));
	reader_budget(sc.r, 1);
	assert_ok(reader_message_by_id(sc.r, a->in.id, &sc.m));
	assert_text(&sc.m, "First", "a text");
	assert_ok(reader_message_by_id(sc.r, b->in.id, &sc.m));
	assert_int_equal(sc.m.state, TEXT_MISSING);
	assert_true(sc.m.left_out);
	reader_end(sc.r);
	assert_text(shown(&sc, b), "Second", "a text");
	assert_false(sc.m.left_out);
	scene_free(&sc);
}

static void test_measures(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	char key[MEASURE_KEY_MAX];
	(void)state;
	struct entry *a = post(st, A, 0, st->topic, NULL, "First");
	struct entry *b = post(st, B, 0, st->topic, NULL, "Second");
	take(st, A, true);
	take(st, B, true);
	assert_text(shown(&sc, a), "First", "a text");
	struct author alice = sc.m.row.author;

	measure_hide_key(key, a->in.id);
	fact(&sc, key, "an address");
	const struct message_shown *m = shown(&sc, a);
	assert_int_equal(m->state, TEXT_HIDDEN);
	assert_string_equal(m->hidden, "an address");
	assert_int_equal(m->content.subject.len + m->content.text.len, 0);
	assert_string_equal(reader_hidden(sc.r, a->in.id, NULL), "an address");
	assert_null(reader_hidden(sc.r, b->in.id, NULL));
	struct entry *words = amend(st, A, 0, a, "Better");
	take(st, A, true);
	assert_int_equal(shown(&sc, a)->state, TEXT_HIDDEN);
	assert_int_equal(shown(&sc, words)->state, TEXT_HIDDEN);
	assert_content(&sc, a, "", ERR_NOTFOUND);
	assert_content(&sc, words, "", ERR_NOTFOUND);
	fact(&sc, key, "");
	assert_text(shown(&sc, a), "Better", "other words");

	measure_person_key(key, "a.example", alice.identity);
	fact(&sc, key, "insults");
	assert_int_equal(shown(&sc, a)->state, TEXT_HIDDEN);
	assert_string_equal(sc.m.hidden, "insults");
	/* Erased is not hidden. */
	erase(st, A, 0, a);
	take(st, A, true);
	assert_int_equal(shown(&sc, a)->state, TEXT_ERASED);
	/* Of our own a suspension hides nothing. */
	shown(&sc, b);
	measure_person_key(key, "b.example", sc.m.row.author.identity);
	fact(&sc, key, "insults");
	assert_text(shown(&sc, b), "Second", "a text");

	assert_null(reader_uncarried(sc.r, 0));
	measure_carry_key(key, "a.example");
	fact(&sc, key, "x");
	assert_false(shown(&sc, a)->log->carried);
	assert_true(shown(&sc, b)->log->carried);
	assert_string_equal(reader_uncarried(sc.r, 0), "a.example");
	assert_null(reader_uncarried(sc.r, 1));
	scene_free(&sc);
}

static void test_logs(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct store *s = st->n.store.s;
	(void)state;
	struct entry *a = post(st, A, 0, st->topic, NULL, "First");
	take(st, A, true);
	assert_false(shown(&sc, a)->disputed);
	uint64_t before = sc.state;
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->log_set_state(s, st->n.no[A], LOG_DISPUTED));
	assert_ok(s->ops->commit(s));
	assert_true(shown(&sc, a)->disputed);
	assert_true(sc.state != before);
	const struct reader_log *l = reader_log_next(sc.r, NULL);
	size_t n = 0;
	for (; l; l = reader_log_next(sc.r, l), n++) {
		assert_ptr_equal(reader_log(sc.r, l->no), l);
		int log = l->no == st->n.no[A] ? A : B;
		assert_string_equal(l->binding.log_name, st->n.w->logs[log].binding.log_name);
		assert_memory_equal(l->binding.forum, st->n.w->charter.forum, HASH_LEN);
		assert_int_equal(l->size, st->n.stored[log]);
	}
	assert_int_equal(n, 2);
	assert_null(reader_log(sc.r, 77));
	scene_free(&sc);
}

/* Views of another version are being made anew: not to be read. */
static void test_versions(void **state)
{
	struct scene sc = scene_new();
	struct store *s = sc.st->n.store.s;
	struct reader *other;
	(void)state;
	assert_ok(reader_begin(sc.r, &sc.state));
	reader_end(sc.r);
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->meta_put(s, "views", bytes_str("0")));
	assert_ok(s->ops->commit(s));
	assert_int_equal(reader_begin(sc.r, &sc.state), ERR_NOTFOUND);
	assert_int_equal(reader_open(&other, "/nowhere/convene.db", "a.example"), ERR_NOTFOUND);
	assert_null(other);
	scene_free(&sc);
}

/* A page sees one state, whatever is written meanwhile; listings from the newest. */
static struct seen {
	size_t count;
	uint8_t ids[64][ID_LEN];
	uint64_t arrival;
} seen;

static int see(void *ctx, const struct item_row *row)
{
	struct seen *out = ctx;

	assert_true(out->count == 0 || row->arrival < out->arrival);
	out->arrival = row->arrival;
	memcpy(out->ids[out->count++], row->id, ID_LEN);
	return OK;
}

static void test_page(void **state)
{
	struct scene sc = scene_new();
	struct stage *st = sc.st;
	struct entry *posts[20];
	(void)state;
	for (int i = 0; i < 20; i++)
		posts[i] = post(st, A, i % 2 ? 3 : 0, st->topic, NULL, "First");
	take(st, A, true);
	shown(&sc, posts[0]);
	struct author alice = sc.m.row.author;
	assert_ok(reader_begin(sc.r, &sc.state));
	struct entry *late = post(st, A, 0, st->topic, NULL, "Late");
	take(st, A, true);
	assert_int_equal(reader_message_by_id(sc.r, late->in.id, &sc.m), ERR_NOTFOUND);
	reader_end(sc.r);
	shown(&sc, late);

	struct store *s = reader_store(sc.r);
	seen.count = 0;
	assert_ok(query_latest(s, UINT64_MAX, NULL, 3, see, &seen));
	assert_int_equal(seen.count, 3);
	assert_memory_equal(seen.ids[0], late->in.id, ID_LEN);
	assert_memory_equal(seen.ids[2], posts[18]->in.id, ID_LEN);
	assert_ok(query_latest(s, seen.arrival, st->topic->in.id, 3, see, &seen));
	assert_int_equal(seen.count, 6);
	assert_memory_equal(seen.ids[3], posts[17]->in.id, ID_LEN);

	/* Alice's, a few at a time, through spans in which she may have written nothing. */
	uint64_t before = UINT64_MAX;
	size_t calls = 0;
	seen.count = 0;
	while (before > 0) {
		assert_ok(query_by_author(
		    s, bytes_str("a.example"), alice.identity, &before, 5, 2, see, &seen));
		assert_true(++calls < 100);
	}
	assert_int_equal(seen.count, 11);
	assert_memory_equal(seen.ids[1], posts[18]->in.id, ID_LEN);
	assert_memory_equal(seen.ids[10], posts[0]->in.id, ID_LEN);
	scene_free(&sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_measures),
	    cmocka_unit_test(test_logs),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
