/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract of lib/store/store.h: contents, those that are wanted, and what was erased. */
#include "store_stage.h"

/* What a store gives from (or below) an index, at most so many, is exactly this. */
static void assert_wanted(struct store *s, uint32_t log, bool below, uint64_t at, size_t most,
    const uint64_t *expected, size_t count)
{
	uint64_t out[16];
	size_t n = most;

	assert_true(most < 16);
	memset(out, 0x55, sizeof(out));
	assert_ok(below ? s->ops->wanted_below(s, log, at, out, &n)
			: s->ops->wanted(s, log, at, out, &n));
	assert_int_equal(n, count);
	assert_memory_equal(out, expected, count * sizeof(*out));
	assert_int_equal(out[most], UINT64_C(0x5555555555555555));
}

static void test_wanted(void **state)
{
	START;
	static const uint64_t up[] = {0, 3, 255, 256, 300, 511, 512, 1023, 1024, 1030, 1032};
	static const uint64_t down[] = {1032, 1030, 1024, 1023, 512, 511, 300, 256, 255, 3, 0};
	enum { N = 9 }; /* of them in the first batch */
	uint8_t salt[SALT_LEN] = {1};
	uint64_t count;
	struct batch b;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1), other = add_log(s, 2);
	assert_ok(append_made(s, log, 0, 0, 0 + 1));
	assert_ok(ops->truncate(s, log, 0, salt, bytes_str("")));
	batch_make(&b, log, 0, 0, 1030);
	b.a.wanted = up;
	b.a.wanted_count = N;
	assert_ok(ops->append(s, &b.a));
	buffer_free(&b.leaves);
	batch_make(&b, log, 0, 1030, 3);
	b.a.wanted = up + N;
	b.a.wanted_count = 2;
	assert_ok(ops->append(s, &b.a));
	b.a.log = other;
	buffer_free(&b.leaves);
	assert_ok(ops->commit(s));
	restart(f, &s);

	assert_ok(ops->wanted_count(s, log, &count));
	assert_int_equal(count, N + 2);
	assert_ok(ops->wanted_count(s, other, &count));
	assert_int_equal(count, 0);
	assert_wanted(s, log, false, 0, N + 1, up, N + 1);
	assert_wanted(s, log, false, 256, 2, up + 3, 2);
	assert_wanted(s, log, false, 1031, 5, up + N + 1, 1);
	assert_wanted(s, log, false, 1033, 5, up, 0);
	assert_wanted(s, log, false, UINT64_MAX, 5, up, 0);

	assert_wanted(s, log, true, UINT64_MAX, N + 1, down, N + 1);
	assert_wanted(s, log, true, 512, 3, down + 5, 3);
	assert_wanted(s, log, true, 4, 5, down + 9, 2);
	assert_wanted(s, log, true, 0, 5, down, 0);
	assert_wanted(s, other, true, UINT64_MAX, 5, down, 0);
	assert_wanted(s, log, true, UINT64_MAX, 0, down, 0);

	assert_ok(ops->begin(s));
	assert_ok(ops->content_put(s, log, 256, made_id(1).bytes, salt, bytes_str("x")));
	assert_ok(ops->content_put(s, log, 257, made_id(2).bytes, salt, bytes_str("never wanted")));
	assert_ok(ops->content_drop(s, log, 300, made_id(3).bytes, false));
	assert_ok(ops->content_drop(s, log, 511, made_id(4).bytes, true));
	assert_wanted(s, log, false, 256, 1, up + 6, 1);
	ops->rollback(s);
	assert_ok(ops->wanted_count(s, log, &count));
	assert_int_equal(count, N + 2);
}

static void test_contents(void **state)
{
	START;
	struct id id = made_id(1), other = made_id(2);
	uint8_t salt[SALT_LEN], got[SALT_LEN];
	struct buffer out = BUFFER_INIT, large = BUFFER_INIT;

	fill(salt, sizeof(salt), 5);
	assert_non_null(buffer_reserve(&large, 1 << 20));
	large.len = 1 << 20;
	fill(large.data, large.len, 9);
	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 0, 0, 4));
	assert_int_equal(ops->content_put(s, log, 4, id.bytes, salt, bytes_str("x")), ERR_RANGE);
	assert_int_equal(ops->content_put(s, 9, 0, id.bytes, salt, bytes_str("x")), ERR_NOTFOUND);
	assert_ok(ops->content_put(s, log, 1, id.bytes, salt, buffer_bytes(&large)));
	assert_int_equal(ops->content_put(s, log, 1, id.bytes, salt, bytes_str("x")), ERR_EXISTS);
	assert_ok(ops->content_put(s, log, 2, other.bytes, salt, bytes_str("two")));
	assert_ok(ops->commit(s));
	restart(f, &s);

	assert_ok(ops->content_get(s, log, 1, id.bytes, got, &out));
	assert_memory_equal(got, salt, SALT_LEN);
	assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&large)));
	assert_ok(ops->content_get(s, log, 1, id.bytes, NULL, NULL));
	assert_int_equal(ops->content_get(s, log, 1, other.bytes, NULL, NULL), ERR_NOTFOUND);
	assert_int_equal(ops->content_get(s, log, 3, id.bytes, NULL, NULL), ERR_NOTFOUND);
	assert_int_equal(ops->content_get(s, log, UINT64_MAX, id.bytes, NULL, NULL), ERR_NOTFOUND);

	/* Invalid: dropped, and may come again. Erased: never again, wherever. */
	assert_ok(ops->begin(s));
	assert_ok(ops->content_drop(s, log, 2, other.bytes, false));
	assert_int_equal(ops->content_get(s, log, 2, other.bytes, NULL, NULL), ERR_NOTFOUND);
	assert_ok(ops->content_put(s, log, 2, other.bytes, salt, bytes_str("two")));
	assert_ok(ops->content_drop(s, log, 1, id.bytes, true));
	assert_ok(ops->content_drop(s, log, 1, id.bytes, true));
	assert_int_equal(ops->content_drop(s, log, 4, id.bytes, true), ERR_RANGE);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_int_equal(ops->content_get(s, log, 1, id.bytes, got, &out), ERR_REFUSED);
	assert_ok(ops->begin(s));
	assert_int_equal(ops->content_put(s, log, 1, id.bytes, salt, bytes_str("x")), ERR_REFUSED);
	assert_ok(ops->truncate(s, log, 1, salt, bytes_str("")));
	assert_ok(append_made(s, log, 0, 1, 3));
	assert_int_equal(ops->content_put(s, log, 3, id.bytes, salt, bytes_str("x")), ERR_REFUSED);
	assert_ok(ops->content_put(s, log, 2, other.bytes, salt, bytes_str("two")));
	assert_ok(ops->commit(s));
	buffer_free(&out);
	buffer_free(&large);
}

struct seen_run {
	uint64_t index[8];
	size_t count, stop;
};

static int see_content(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct seen_run *seen = ctx;

	assert_true(seen->count < 8);
	assert_memory_equal(id, made_id((unsigned)index).bytes, ID_LEN);
	assert_int_equal(salt[0], index & 255);
	assert_true(bytes_equal(content, bytes_str("text")));
	seen->index[seen->count++] = index;
	return seen->count == seen->stop ? ERR_REFUSED : OK;
}

/* In any order, over blocks and logs, each with its own result. */
static void test_contents_run(void **state)
{
	START;
	static const struct {
		uint32_t log;
		uint64_t index;
		unsigned id;
		int result;
	} rows[] = {{1, 300, 300, OK}, {2, 1, 1, OK}, {1, 5, 5, OK}, {1, 5, 5, ERR_EXISTS},
	    {1, 1024, 1024, ERR_RANGE}, {1, 257, 257, OK}, {7, 0, 0, ERR_NOTFOUND},
	    {1, 6, 6, ERR_REFUSED}, {1, 255, 255, OK}};
	enum { COUNT = sizeof rows / sizeof *rows };
	const uint64_t missing[] = {5, 255, 256, 257, 300};
	struct store_content items[COUNT];
	struct seen_run all = {.count = 0}, some = {.stop = 2}, few = {.count = 0};
	struct batch b;
	uint64_t count;

	assert_ok(ops->begin(s));
	assert_int_equal(add_log(s, 1), 1);
	assert_int_equal(add_log(s, 2), 2);
	batch_make(&b, 1, 0, 0, 700);
	b.a.wanted = missing;
	b.a.wanted_count = 5;
	assert_ok(ops->append(s, &b.a));
	buffer_free(&b.leaves);
	assert_ok(append_made(s, 2, 0, 0, 4));
	assert_ok(ops->content_drop(s, 1, 6, made_id(6).bytes, true));
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < COUNT; i++) {
		items[i].log = rows[i].log;
		items[i].index = rows[i].index;
		memcpy(items[i].id, made_id(rows[i].id).bytes, ID_LEN);
		items[i].salt[0] = (uint8_t)rows[i].index;
		items[i].content = bytes_str("text");
	}
	assert_ok(ops->contents_put(s, items, COUNT));
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(items[i].result, rows[i].result);
	assert_ok(ops->contents_put(s, items, 0));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->wanted_count(s, 1, &count));
	assert_int_equal(count, 1);
	assert_wanted(s, 1, false, 0, 2, missing + 2, 1);

	assert_ok(ops->contents(s, 1, 0, 700, SIZE_MAX, see_content, &all));
	assert_int_equal(all.count, 4);
	assert_true(
	    all.index[0] == 300 && all.index[1] == 257 && all.index[2] == 255 && all.index[3] == 5);
	assert_ok(ops->contents(s, 1, 6, 294, SIZE_MAX, see_content, &some));
	assert_int_equal(some.count, 2);
	assert_true(some.index[0] == 257 && some.index[1] == 255);
	assert_ok(ops->contents(s, 1, 0, SIZE_MAX, 5, see_content, &few));
	assert_int_equal(few.count, 2);
	assert_ok(ops->contents(s, 1, UINT64_MAX, 9, SIZE_MAX, see_content, &few));
	assert_ok(ops->contents(s, 2, 2, 0, SIZE_MAX, see_content, &few));
	assert_int_equal(few.count, 2);
}

/* Many of a block at once, as a log that is copied brings them; then what may happen to some. */
static void assert_many(struct store *s, uint64_t from, uint64_t to, uint64_t step, int want)
{
	for (uint64_t i = from; i < to; i += step) {
		struct buffer out = BUFFER_INIT;
		uint8_t salt[SALT_LEN] = {0}, text[1200];
		int err = s->ops->content_get(s, 1, i, made_id((unsigned)i).bytes, salt, &out);

		assert_int_equal(err, want);
		assert_int_equal(
		    s->ops->content_get(s, 1, i, made_id(90000).bytes, NULL, NULL), ERR_NOTFOUND);
		if (want == OK) {
			fill(text, sizeof(text), i);
			assert_int_equal(salt[0], i & 255);
			assert_true(
			    bytes_equal(buffer_bytes(&out), bytes_of(text, 1 + i * 37 % 1200)));
		}
		buffer_free(&out);
	}
}

static void put_many(struct store *s, uint64_t from, uint64_t to, uint64_t step, int want)
{
	static struct store_content items[512];
	static uint8_t text[512][1200];
	size_t n = 0;

	memset(items, 0, sizeof(items));
	for (uint64_t i = to; i-- > from;) {
		if ((i - from) % step != 0)
			continue;
		assert_true(n < 512);
		fill(text[n], sizeof(text[n]), i);
		items[n].log = 1;
		items[n].index = i;
		memcpy(items[n].id, made_id((unsigned)i).bytes, ID_LEN);
		items[n].salt[0] = (uint8_t)i;
		items[n].content = bytes_of(text[n], 1 + i * 37 % 1200);
		n++;
	}
	assert_ok(s->ops->contents_put(s, items, n));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(items[i].result, want);
}

struct seen_many {
	uint64_t last;
	size_t count;
};

static int see_many(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct seen_many *seen = ctx;

	assert_true(index < seen->last);
	assert_memory_equal(id, made_id((unsigned)index).bytes, ID_LEN);
	assert_int_equal(salt[0], index & 255);
	assert_int_equal(content.len, 1 + index * 37 % 1200);
	seen->last = index;
	seen->count++;
	return OK;
}

static void assert_seen(struct store *s, uint64_t first, size_t count, size_t want)
{
	struct seen_many seen = {UINT64_MAX, 0};

	assert_ok(s->ops->contents(s, 1, first, count, SIZE_MAX, see_many, &seen));
	assert_int_equal(seen.count, want);
}

static void test_contents_many(void **state)
{
	START;
	uint8_t root[HASH_LEN] = {1}, salt[SALT_LEN] = {0};
	uint64_t missing[700], count;
	struct batch b;

	for (uint64_t i = 0; i < 700; i++)
		missing[i] = i;
	assert_ok(ops->begin(s));
	assert_int_equal(add_log(s, 1), 1);
	assert_int_equal(add_log(s, 2), 2);
	batch_make(&b, 1, 0, 0, 700);
	b.a.wanted = missing;
	b.a.wanted_count = 700;
	assert_ok(ops->append(s, &b.a));
	buffer_free(&b.leaves);
	assert_ok(append_made(s, 2, 0, 0, 700));
	/* Some alone, every other, those between them: they lie between each other. */
	assert_ok(ops->content_put(s, 1, 103, made_id(103).bytes, salt, bytes_str("alone")));
	put_many(s, 200, 700, 2, OK);
	put_many(s, 201, 700, 2, OK);
	put_many(s, 0, 100, 1, OK);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_many(s, 0, 100, 1, OK);
	assert_many(s, 100, 200, 100, ERR_NOTFOUND);
	assert_many(s, 200, 700, 1, OK);
	assert_seen(s, 200, SIZE_MAX, 500);
	assert_seen(s, 250, 20, 20);
	assert_ok(ops->wanted_count(s, 1, &count));
	assert_int_equal(count, 99);

	/* What is there comes again, in a run or alone, with some that are not. */
	assert_ok(ops->begin(s));
	put_many(s, 200, 700, 1, ERR_EXISTS);
	assert_int_equal(
	    ops->content_put(s, 1, 50, made_id(50).bytes, salt, bytes_str("x")), ERR_EXISTS);
	assert_int_equal(
	    ops->content_put(s, 1, 103, made_id(103).bytes, salt, bytes_str("x")), ERR_EXISTS);
	put_many(s, 104, 200, 1, OK);
	put_many(s, 103, 104, 1, ERR_EXISTS);
	assert_ok(ops->content_drop(s, 1, 103, made_id(103).bytes, false));
	put_many(s, 100, 104, 1, OK);
	assert_ok(ops->wanted_count(s, 1, &count));
	assert_int_equal(count, 0);

	/* Dropped, erased, with another's id: then not. The first and the last of runs, too. */
	assert_ok(ops->content_drop(s, 1, 30, made_id(31).bytes, false));
	for (uint64_t i = 200; i < 256; i += 5)
		assert_ok(ops->content_drop(s, 1, i, made_id((unsigned)i).bytes, i % 2));
	assert_many(s, 30, 32, 1, OK);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_many(s, 200, 256, 10, ERR_NOTFOUND);
	assert_many(s, 205, 256, 10, ERR_REFUSED);
	assert_many(s, 201, 256, 5, OK);
	assert_many(s, 0, 200, 1, OK);
	assert_many(s, 256, 700, 1, OK);
	assert_seen(s, 0, 700, 688);
	assert_ok(ops->begin(s));
	put_many(s, 200, 256, 10, OK);
	put_many(s, 205, 256, 10, ERR_REFUSED);
	ops->rollback(s);
	assert_many(s, 200, 256, 10, ERR_NOTFOUND);

	/* Cut in the middle of runs; the other log is not touched. */
	assert_ok(ops->begin(s));
	assert_ok(ops->truncate(s, 1, 301, root, bytes_of(NULL, 0)));
	assert_ok(append_made(s, 1, 0, 301, 399));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_many(s, 256, 301, 1, OK);
	assert_many(s, 301, 700, 1, ERR_NOTFOUND);
	assert_seen(s, 0, 700, 301 - 12);
	assert_ok(ops->begin(s));
	put_many(s, 301, 700, 1, OK);
	assert_ok(ops->truncate(s, 1, 0, root, bytes_of(NULL, 0)));
	assert_ok(append_made(s, 1, 0, 0, 700));
	assert_ok(ops->commit(s));
	assert_seen(s, 0, 700, 0);
}

struct seen_ids {
	struct id id[8];
	size_t count, stop;
};

static int see_id(void *ctx, const uint8_t id[static ID_LEN])
{
	struct seen_ids *seen = ctx;

	assert_true(seen->count < 8);
	memcpy(seen->id[seen->count++].bytes, id, ID_LEN);
	return seen->count == seen->stop ? ERR_REFUSED : OK;
}

static void test_tombstones(void **state)
{
	START;
	struct seen_ids seen = {.count = 0}, some = {.stop = 2};
	uint64_t version;

	assert_ok(ops->tombstone_each(s, see_id, &seen));
	assert_int_equal(seen.count, 0);
	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 0, 0, 4));
	for (unsigned n = 4; n-- > 0;)
		assert_ok(ops->content_drop(s, log, n, made_id(n % 3).bytes, n > 0));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->tombstone_each(s, see_id, &seen));
	assert_int_equal(seen.count, 3);
	assert_true(memcmp(&seen.id[0], &seen.id[1], ID_LEN) < 0);
	assert_true(memcmp(&seen.id[1], &seen.id[2], ID_LEN) < 0);
	assert_int_equal(ops->tombstone_each(s, see_id, &some), ERR_REFUSED);
	assert_int_equal(some.count, 2);
	assert_ok(ops->version(s, &version));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_wanted),
	    BOTH(test_contents),
	    BOTH(test_contents_run),
	    BOTH(test_contents_many),
	    BOTH(test_tombstones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
