/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures in the store: the newest of each organisation, and of those the largest. */
#include "store_stage.h"

static void log_of_size(struct store *s, unsigned n, size_t size)
{
	struct batch b;

	assert_ok(s->ops->begin(s));
	assert_int_equal(add_log(s, n), n);
	batch_make(&b, n, n, 0, size);
	assert_ok(s->ops->append(s, &b.a));
	buffer_free(&b.leaves);
	assert_ok(s->ops->commit(s));
}

static int put(struct store *s, uint32_t log, uint64_t root, uint64_t size, const char *note)
{
	struct store_cosignature c = {
	    .log = log, .size = size, .seconds = 1000 + size, .note = bytes_str(note)};

	memcpy(c.root, made_id(root).bytes, KEY_LEN);
	return s->ops->cosignature_put(s, &c, 3);
}

static int see(void *ctx, const struct store_cosignature *c)
{
	struct buffer *out = ctx;
	uint8_t known = 0;

	for (uint64_t i = 1; i < 10; i++) {
		if (memcmp(c->root, made_id(i).bytes, KEY_LEN) == 0)
			known = (uint8_t)i;
	}
	assert_int_equal(c->seconds, 1000 + c->size);
	buffer_printf(out, "%u:%u:%u:%.*s ", c->log, known, (unsigned)c->size, (int)c->note.len,
	    (const char *)c->note.data);
	return OK;
}

static int by_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows come by root key, of which a test knows only numbers: sorted as text. */
static void assert_kept(struct store *s, const char *expected)
{
	struct buffer out = BUFFER_INIT, sorted = BUFFER_INIT;
	char *word[16], *next = NULL;
	size_t count = 0;

	assert_ok(s->ops->cosignature_each(s, see, &out));
	for (char *w = strtok_r((char *)(uintptr_t)buffer_str(&out), " ", &next); w;
	     w = strtok_r(NULL, " ", &next))
		word[count++] = w;
	qsort(word, count, sizeof *word, by_words);
	for (size_t i = 0; i < count; i++)
		buffer_printf(&sorted, "%s%s", i ? " " : "", word[i]);
	assert_string_equal(buffer_str(&sorted), expected);
	buffer_free(&out);
	buffer_free(&sorted);
}

static void test_newest(void **state)
{
	START;

	log_of_size(s, 1, 300);
	log_of_size(s, 2, 10);
	assert_kept(s, "");
	assert_ok(s->ops->begin(s));
	assert_int_equal(put(s, 9, 1, 1, "x"), ERR_NOTFOUND);
	assert_int_equal(put(s, 2, 1, 11, "x"), ERR_RANGE);
	assert_int_equal(put(s, 2, 1, 0, "x"), ERR_RANGE);
	assert_ok(put(s, 1, 1, 7, "one"));
	assert_ok(put(s, 2, 1, 7, "other"));
	assert_ok(put(s, 1, 2, 300, "two"));
	assert_ok(put(s, 1, 1, 8, "newer"));
	assert_int_equal(put(s, 1, 1, 7, "older"), ERR_STALE);
	assert_ok(put(s, 1, 1, 8, "again"));
	assert_ok(s->ops->commit(s));
	fixture_restart(f);
	s = f->s;
	assert_kept(s, "1:1:8:again 1:2:300:two 2:1:7:other");
}

static void test_few(void **state)
{
	START;

	log_of_size(s, 1, 300);
	log_of_size(s, 2, 10);
	assert_ok(s->ops->begin(s));
	assert_ok(put(s, 2, 1, 1, "a"));
	assert_ok(put(s, 1, 1, 5, "a"));
	assert_ok(put(s, 1, 2, 9, "b"));
	assert_ok(put(s, 1, 3, 7, "c"));
	assert_kept(s, "1:1:5:a 1:2:9:b 1:3:7:c 2:1:1:a");
	assert_ok(put(s, 1, 4, 6, "d"));
	assert_kept(s, "1:2:9:b 1:3:7:c 1:4:6:d 2:1:1:a");
	assert_ok(put(s, 1, 1, 4, "a")); /* of no use */
	assert_kept(s, "1:2:9:b 1:3:7:c 1:4:6:d 2:1:1:a");
	assert_ok(s->ops->commit(s));
}

static void test_cut(void **state)
{
	START;
	uint8_t root[HASH_LEN] = {7};

	log_of_size(s, 1, 300);
	assert_ok(s->ops->begin(s));
	assert_ok(put(s, 1, 1, 100, "a"));
	assert_ok(put(s, 1, 2, 101, "b"));
	assert_ok(put(s, 1, 3, 300, "c"));
	assert_ok(s->ops->truncate(s, 1, 100, root, bytes_str("note")));
	assert_ok(s->ops->commit(s));
	assert_kept(s, "1:1:100:a");
}

static void test_rollback(void **state)
{
	START;

	log_of_size(s, 1, 300);
	assert_ok(s->ops->begin(s));
	assert_ok(put(s, 1, 1, 100, "a"));
	s->ops->rollback(s);
	assert_kept(s, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_newest),
	    BOTH(test_few),
	    BOTH(test_cut),
	    BOTH(test_rollback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
