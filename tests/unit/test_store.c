/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract of lib/store/store.h; every backend passes all of it. */
#include "store_fixture.h"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_make(f, *state);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_drop(*state);
	free(*state);
	return 0;
}

#define START                       \
	struct fixture *f = *state; \
	struct store *s = f->s;     \
	const struct store_backend *ops = s->ops

static void restart(struct fixture *f, struct store **s)
{
	fixture_restart(f);
	*s = f->s;
}

static void test_meta(void **state)
{
	START;
	struct buffer out = BUFFER_INIT;

	assert_int_equal(ops->meta_get(s, "forum", &out), ERR_NOTFOUND);
	assert_ok(ops->meta_get(s, "schema", &out));
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str("3")));
	buffer_reset(&out);
	assert_ok(ops->begin(s));
	assert_ok(ops->meta_put(s, "forum", bytes_str("one")));
	assert_ok(ops->meta_put(s, "forum", bytes_str("second")));
	assert_ok(ops->meta_put(s, "empty", bytes_of(NULL, 0)));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->meta_get(s, "empty", &out));
	assert_int_equal(out.len, 0);
	assert_ok(ops->meta_get(s, "forum", &out));
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str("second")));
	buffer_free(&out);
}

static int join_meta(void *ctx, const char *key, struct bytes value)
{
	buffer_printf(ctx, "%s=%.*s ", key, (int)value.len, (const char *)value.data);
	return strcmp(key, "end") == 0 ? ERR_CLOSED : OK;
}

static void test_meta_each(void **state)
{
	START;
	struct buffer out = BUFFER_INIT;

	assert_ok(ops->meta_each(s, "hide/", join_meta, &out));
	assert_int_equal(out.len, 0);
	assert_ok(ops->begin(s));
	assert_ok(ops->meta_put(s, "hide/b", bytes_str("2")));
	assert_ok(ops->meta_put(s, "hide/a", bytes_str("1")));
	assert_ok(ops->meta_put(s, "hide/c", bytes_str("3")));
	assert_ok(ops->meta_put(s, "hidden", bytes_str("4")));
	assert_ok(ops->meta_put(s, "hide", bytes_str("5")));
	assert_ok(ops->meta_put(s, "hide0", bytes_str("6")));
	assert_ok(ops->meta_put(s, "end", bytes_str("7")));
	assert_ok(ops->meta_drop(s, "hide/b"));
	assert_ok(ops->meta_drop(s, "hide/x"));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->meta_each(s, "hide/", join_meta, &out));
	assert_string_equal(buffer_str(&out), "hide/a=1 hide/c=3 ");
	buffer_reset(&out);
	assert_int_equal(ops->meta_each(s, "", join_meta, &out), ERR_CLOSED);
	assert_string_equal(buffer_str(&out), "end=7 ");
	buffer_free(&out);
}

static int count_logs(void *ctx, const struct store_log *log)
{
	uint32_t *n = ctx;
	assert_int_equal(log->no, ++*n);
	return log->no == 3 ? ERR_CLOSED : OK;
}

static int nested_log(void *ctx, const struct store_log *log)
{
	struct seen_log seen;
	struct store *s = ctx;
	assert_ok(s->ops->log_get(s, log->no, see_log, &seen));
	assert_string_equal(seen.log.name, log->name);
	return s->ops->log_get(s, 99, see_log, &seen) == ERR_NOTFOUND ? OK : ERR_INVALID;
}

static void test_logs(void **state)
{
	START;
	struct seen_log seen;
	uint8_t digest[DIGEST_LEN];
	uint32_t no = 0, n = 0;

	assert_ok(ops->begin(s));
	assert_int_equal(add_log(s, 1), 1);
	assert_int_equal(add_log(s, 2), 2);
	fill(digest, sizeof(digest), 1);
	assert_int_equal(ops->log_add(s, bytes_str("other"), digest, &no), ERR_EXISTS);
	assert_int_equal(no, 1);
	fill(digest, sizeof(digest), 77);
	char longest[VERIFIER_NAME_MAX + 1];
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(
	    ops->log_add(s, bytes_of(longest, sizeof(longest)), digest, &no), ERR_INVALID);
	assert_ok(ops->log_add(s, bytes_of(longest, sizeof(longest) - 1), digest, &no));
	assert_int_equal(no, 3);
	assert_int_equal(add_log(s, 4), 4);
	assert_ok(ops->log_set_state(s, 2, LOG_DISPUTED));
	assert_ok(ops->log_set_checkpoint(s, 2, bytes_str("a note"), bytes_of(longest, 64)));
	assert_int_equal(ops->log_set_state(s, 9, LOG_LIVE), ERR_NOTFOUND);
	assert_int_equal(
	    ops->log_set_checkpoint(s, 9, bytes_str("x"), bytes_str("")), ERR_NOTFOUND);
	assert_ok(ops->commit(s));
	restart(f, &s);

	assert_ok(ops->log_get(s, 1, see_log, &seen));
	uint8_t zeros[HASH_LEN] = {0};
	assert_memory_equal(seen.log.root, zeros, HASH_LEN);
	assert_int_equal(seen.log.size, 0);
	assert_int_equal(seen.log.state, LOG_LIVE);
	assert_int_equal(seen.log.checkpoint.len, 0);
	fill(digest, sizeof(digest), 2);
	assert_ok(ops->log_get(s, 2, see_log, &seen));
	assert_memory_equal(seen.log.digest, digest, DIGEST_LEN);
	assert_int_equal(seen.log.state, LOG_DISPUTED);
	assert_string_equal(seen.checkpoint, "a note");
	assert_int_equal(seen.right, 64);
	assert_ok(ops->log_get(s, 3, see_log, &seen));
	assert_int_equal(strlen(seen.log.name), VERIFIER_NAME_MAX);
	assert_int_equal(ops->log_each(s, count_logs, &n), ERR_CLOSED);
	assert_int_equal(n, 3);
	assert_ok(ops->log_each(s, nested_log, s));
}

static void test_compare_and_swap(void **state)
{
	START;
	struct seen_log seen;
	struct buffer out = BUFFER_INIT;
	size_t got;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_int_equal(ops->read(s, log, 0, 1, 100, &out, &got), ERR_RANGE);
	assert_ok(append_made(s, log, 0, 0, 5));
	assert_int_equal(append_made(s, log, 0, 0, 5), ERR_STALE);
	assert_int_equal(append_made(s, log, 0, 4, 1), ERR_STALE);
	assert_int_equal(append_made(s, log, 0, 6, 1), ERR_STALE);
	assert_int_equal(append_made(s, log + 1, 0, 0, 1), ERR_NOTFOUND);
	assert_ok(append_made(s, log, 0, 5, 3));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->log_get(s, log, see_log, &seen));
	assert_int_equal(seen.log.size, 8);
	assert_string_equal(seen.checkpoint, "note 1 8");
	struct batch b;
	batch_make(&b, log, 0, 5, 3);
	assert_memory_equal(seen.log.root, b.a.root, HASH_LEN);
	buffer_free(&b.leaves);
	assert_leaves(s, log, 0, 0, 8);
	assert_int_equal(ops->read(s, log, 8, 1, 100, &out, &got), ERR_RANGE);
	assert_int_equal(ops->read(s, 7, 0, 1, 100, &out, &got), ERR_NOTFOUND);
	buffer_free(&out);
}

static void test_bad_batches(void **state)
{
	START;
	static const uint64_t outside[] = {3}, twice[] = {1, 1}, before[] = {0};
	struct seen_log seen;
	struct batch b;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 0, 0, 1));
	batch_make(&b, log, 0, 1, 2);
#define REFUSED(change)                                              \
	do {                                                         \
		struct store_append bad = b.a;                       \
		change;                                              \
		assert_int_equal(ops->append(s, &bad), ERR_INVALID); \
	} while (0)
	REFUSED(bad.count = 0; bad.size = 1);
	REFUSED(bad.size++);
	REFUSED(bad.count++; bad.size++);
	REFUSED(bad.count--; bad.size--);
	REFUSED(bad.leaves.len--);
	REFUSED(bad.block_count = 1);
	REFUSED(bad.wanted = outside; bad.wanted_count = 1);
	REFUSED(bad.wanted = before; bad.wanted_count = 1);
	REFUSED(bad.wanted = twice; bad.wanted_count = 2);
	REFUSED(bad.expected = UINT64_MAX; bad.size = 1);
	REFUSED(bad.from_inbox = true);
	assert_ok(ops->commit(s));
	assert_ok(ops->log_get(s, log, see_log, &seen));
	assert_int_equal(seen.log.size, 1);
	assert_leaves(s, log, 0, 0, 1);
	buffer_free(&b.leaves);
}

/* Batches of all sizes, across blocks, in two logs whose keys are neighbours. */
static void fill_logs(struct store *s)
{
	static const size_t sizes[] = {1, 1, 7, 254, 100, 600, 1, 2, 46};
	uint64_t at = 0;

	assert_ok(s->ops->begin(s));
	for (unsigned n = 1; n <= 2; n++)
		assert_int_equal(add_log(s, n), n);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); at += sizes[i++]) {
		assert_ok(append_made(s, 1, 1, at, sizes[i]));
		assert_ok(append_made(s, 2, 2, at, sizes[i]));
	}
	assert_ok(s->ops->commit(s));
	assert_int_equal(at, 1012);
}

static void check_logs(struct store *s)
{
	static const uint64_t starts[] = {
	    0, 1, 2, 8, 9, 255, 256, 257, 262, 263, 511, 512, 700, 963, 1011};
	struct tree_hash blocks[3], want;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (uint32_t log = 1; log <= 2; log++) {
			assert_leaves(s, log, log, starts[i], 1012 - starts[i]);
			assert_leaves(s, log, log, starts[i], 1);
		}
	assert_ok(s->ops->blocks(s, 2, 0, 3, blocks));
	for (size_t i = 0; i < 3; i++) {
		fill(want.bytes, HASH_LEN, UINT64_C(2) << 48 ^ i << 8);
		assert_memory_equal(blocks[i].bytes, want.bytes, HASH_LEN);
	}
	assert_ok(s->ops->blocks(s, 2, 2, 1, blocks));
	assert_memory_equal(blocks[0].bytes, want.bytes, HASH_LEN);
	assert_ok(s->ops->blocks(s, 2, 3, 0, blocks));
	assert_int_equal(s->ops->blocks(s, 2, 3, 1, blocks), ERR_RANGE);
	assert_int_equal(s->ops->blocks(s, 2, 4, 0, blocks), ERR_RANGE);
}

static void test_read_across_blocks(void **state)
{
	START;
	struct buffer out = BUFFER_INIT;
	uint8_t room[300];
	size_t got;

	(void)ops;
	fill_logs(s);
	restart(f, &s);
	check_logs(s);

	/* One even when it doesn't fit; never one beyond what fits. */
	buffer_add_str(&out, "kept");
	assert_ok(s->ops->read(s, 1, 250, 700, 0, &out, &got));
	assert_int_equal(got, 1);
	assert_int_equal(out.len, 4 + 2 + made_leaf(1, 250, room).len);
	size_t two = 4 + made_leaf(1, 255, room).len + made_leaf(1, 256, room).len;
	for (size_t max = two - 1; max <= two; max++) {
		buffer_reset(&out);
		assert_ok(s->ops->read(s, 1, 255, 700, max, &out, &got));
		assert_int_equal(got, max < two ? 1 : 2);
	}
	buffer_free(&out);
}

static void merge_all(struct store *s, uint32_t log)
{
	int more, steps = 0;

	do {
		more = s->ops->merge(s, log);
		assert_in_range(more, 0, 1);
	} while (more == 1 && ++steps < 100);
	assert_true(steps < 100);
}

/* One segment for each of the first `blocks` blocks. */
static void assert_merged(struct store *s, uint32_t log, uint64_t blocks)
{
	struct sqlite_store *in = (struct sqlite_store *)s;
	sqlite3_stmt *st = NULL;

	if (s->ops != &store_sqlite)
		return;
	assert_ok(sqlite_prepare(
	    in, &st, "SELECT count(*), sum(count) FROM segment WHERE key >= ? AND key < ?"));
	sqlite3_bind_int64(st, 1, sqlite_key(log, 0));
	sqlite3_bind_int64(st, 2, sqlite_key(log, blocks * TREE_BLOCK));
	assert_int_equal(sqlite_row(in, st), 1);
	assert_int_equal(sqlite3_column_int(st, 0), blocks);
	assert_int_equal(sqlite3_column_int(st, 1), blocks * TREE_BLOCK);
	sqlite3_finalize(st);
}

static void test_merge(void **state)
{
	START;
	uint8_t root[HASH_LEN] = {0};

	fill_logs(s);
	assert_ok(ops->begin(s));
	merge_all(s, 1);
	assert_int_equal(ops->merge(s, 9), ERR_NOTFOUND);
	assert_ok(ops->commit(s));
	check_logs(s);
	assert_merged(s, 1, 3);
	assert_ok(ops->begin(s));
	assert_ok(append_made(s, 1, 1, 1012, 9));
	assert_ok(append_made(s, 1, 1, 1021, 291));
	merge_all(s, 1);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_leaves(s, 1, 1, 0, 1312);
	assert_merged(s, 1, 5);

	/* What was merged and cut away is merged again. */
	assert_ok(ops->begin(s));
	assert_ok(ops->truncate(s, 1, 600, root, bytes_str("")));
	for (uint64_t at = 600; at < 1100; at += 50)
		assert_ok(append_made(s, 1, 1, at, 50));
	merge_all(s, 1);
	assert_ok(ops->commit(s));
	assert_leaves(s, 1, 1, 0, 1100);
	assert_merged(s, 1, 4);
	check_logs(s);

	/* Many blocks take many steps. */
	assert_ok(ops->begin(s));
	for (uint64_t at = 1012; at < 1012 + 30 * 256; at += 128)
		assert_ok(append_made(s, 2, 2, at, 128));
	if (ops == &store_sqlite)
		assert_int_equal(ops->merge(s, 2), 1);
	merge_all(s, 2);
	assert_ok(ops->commit(s));
	assert_merged(s, 2, 33);
	assert_leaves(s, 2, 2, 0, 1012 + 30 * 256);
}

static void test_truncate(void **state)
{
	START;
	static const uint64_t wanted[] = {1050, 1100, 1279, 1280, 1290};
	uint8_t root[HASH_LEN] = {7};
	struct tree_hash block;
	struct seen_log seen;
	struct batch b;
	uint64_t missing;

	fill_logs(s);
	assert_ok(ops->begin(s));
	batch_make(&b, 1, 1, 1012, 300);
	b.a.wanted = wanted;
	b.a.wanted_count = 5;
	assert_ok(ops->append(s, &b.a));
	buffer_free(&b.leaves);
	for (uint64_t i = 1099; i <= 1101; i += 2)
		assert_ok(ops->content_put(s, 1, i, made_id(i).bytes, root, bytes_str("text")));
	assert_int_equal(ops->truncate(s, 1, 1313, root, bytes_str("")), ERR_RANGE);
	assert_ok(ops->truncate(s, 1, 1100, root, bytes_str("standing")));
	assert_ok(ops->commit(s));
	restart(f, &s);

	assert_ok(ops->log_get(s, 1, see_log, &seen));
	assert_int_equal(seen.log.size, 1100);
	assert_string_equal(seen.checkpoint, "standing");
	assert_memory_equal(seen.log.root, root, HASH_LEN);
	assert_leaves(s, 1, 1, 0, 1100);
	assert_leaves(s, 2, 2, 0, 1012);
	assert_ok(ops->blocks(s, 1, 3, 1, &block));
	assert_int_equal(ops->blocks(s, 1, 4, 1, &block), ERR_RANGE);
	assert_ok(ops->wanted_count(s, 1, &missing));
	assert_int_equal(missing, 1);
	assert_ok(ops->content_get(s, 1, 1099, made_id(1099).bytes, NULL, NULL));
	assert_int_equal(
	    ops->content_get(s, 1, 1101, made_id(1101).bytes, NULL, NULL), ERR_NOTFOUND);

	/* Another history grows from there. */
	assert_ok(ops->begin(s));
	assert_ok(append_made(s, 1, 3, 1100, 500));
	assert_ok(ops->merge(s, 1));
	assert_ok(ops->truncate(s, 2, 0, root, bytes_str("")));
	assert_ok(append_made(s, 2, 3, 0, 10));
	assert_ok(ops->commit(s));
	assert_leaves(s, 1, 1, 0, 1100);
	assert_leaves(s, 1, 3, 1100, 500);
	assert_leaves(s, 2, 3, 0, 10);
}

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

/* ---- the inbox ---- */

struct seen_inbox {
	uint64_t no[16];
	char text[16][32];
	size_t count, stop;
};

static int see_inbox(void *ctx, const struct store_inbox *row)
{
	struct seen_inbox *seen = ctx;
	assert_true(seen->count < 16);
	assert_memory_equal(row->id, made_id(row->message.data[0]).bytes, ID_LEN);
	assert_int_equal(row->salt[0], row->message.data[0]);
	seen->no[seen->count] = row->no;
	snprintf(seen->text[seen->count], 32, "%.*s", (int)row->content.len,
	    (const char *)row->content.data);
	return ++seen->count == seen->stop ? ERR_CLOSED : OK;
}

/* Message n is the byte n three times, its content `text`. */
static int add_inbox(struct store *s, uint8_t n, const char *text, uint64_t *no)
{
	uint8_t message[3] = {n, n, n}, salt[SALT_LEN] = {n};
	return s->ops->inbox_add(
	    s, made_id(n).bytes, bytes_of(message, 3), salt, bytes_str(text), no);
}

static int seal(struct store *s, uint32_t log, uint64_t expected, uint8_t first, size_t count)
{
	struct batch b;

	batch_make(&b, log, 0, expected, count);
	buffer_reset(&b.leaves);
	for (size_t i = 0; i < count; i++) {
		uint8_t message[3];
		memset(message, first + (int)i, sizeof(message));
		add_leaf(&b.leaves, bytes_of(message, sizeof(message)));
	}
	b.a.leaves = buffer_bytes(&b.leaves);
	b.a.from_inbox = true;
	int err = s->ops->append(s, &b.a);
	buffer_free(&b.leaves);
	return err;
}

static void test_inbox_order(void **state)
{
	START;
	struct seen_inbox seen = {.stop = 2};
	uint64_t no[6], count, again;

	assert_ok(ops->begin(s));
	for (uint8_t n = 1; n <= 4; n++)
		assert_ok(add_inbox(s, n, n == 2 ? "" : "text", &no[n]));
	assert_int_equal(add_inbox(s, 3, "other", &again), ERR_EXISTS);
	assert_int_equal(again, no[3]);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_true(no[1] < no[2] && no[2] < no[3] && no[3] < no[4]);
	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 4);
	assert_int_equal(ops->inbox_each(s, 0, SIZE_MAX, see_inbox, &seen), ERR_CLOSED);
	assert_int_equal(seen.count, 2);
	seen = (struct seen_inbox){0};
	assert_ok(ops->inbox_each(s, no[1], 2, see_inbox, &seen));
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.no[0], no[2]);
	assert_int_equal(seen.no[1], no[3]);
	assert_string_equal(seen.text[0], "");
	assert_string_equal(seen.text[1], "text");
	seen = (struct seen_inbox){0};
	assert_ok(ops->inbox_each(s, no[4], SIZE_MAX, see_inbox, &seen));
	assert_ok(ops->inbox_each(s, UINT64_MAX, SIZE_MAX, see_inbox, &seen));
	assert_ok(ops->inbox_each(s, 0, 0, see_inbox, &seen));
	assert_int_equal(seen.count, 0);
}

/* One that will not be sealed; what is around it keeps its number. */
static void test_inbox_remove(void **state)
{
	START;
	struct seen_inbox seen = {0};
	uint64_t no[4], again, count;

	assert_ok(ops->begin(s));
	for (uint8_t n = 1; n <= 3; n++)
		assert_ok(add_inbox(s, n, "text", &no[n]));
	assert_ok(ops->inbox_remove(s, no[2]));
	assert_int_equal(ops->inbox_remove(s, no[2]), ERR_NOTFOUND);
	assert_int_equal(ops->inbox_remove(s, no[3] + 1), ERR_NOTFOUND);
	assert_int_equal(ops->inbox_remove(s, UINT64_MAX), ERR_NOTFOUND);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 2);
	assert_ok(ops->inbox_each(s, 0, SIZE_MAX, see_inbox, &seen));
	assert_int_equal(seen.no[0], no[1]);
	assert_int_equal(seen.no[1], no[3]);
	/* It may come again, as a new row. */
	assert_ok(ops->begin(s));
	assert_ok(add_inbox(s, 2, "text", &again));
	assert_true(again > no[3]);
	ops->rollback(s);
}

static void test_inbox_sealed(void **state)
{
	START;
	uint8_t salt[SALT_LEN];
	uint64_t no[8], count;
	struct buffer out = BUFFER_INIT;
	size_t got;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 0, 0, 1));
	for (uint8_t n = 1; n <= 4; n++)
		assert_ok(add_inbox(s, n, n == 2 ? "" : "text", &no[n]));
	/* Not the oldest, other bytes, more than there are: nothing moves. */
	assert_int_equal(seal(s, log, 1, 2, 2), ERR_INVALID);
	assert_int_equal(seal(s, log, 1, 1, 5), ERR_INVALID);
	assert_int_equal(seal(s, log, 0, 1, 3), ERR_STALE);
	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 4);
	assert_ok(seal(s, log, 1, 1, 3));
	assert_ok(ops->commit(s));
	restart(f, &s);

	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 1);
	assert_ok(ops->content_get(s, log, 1, made_id(1).bytes, salt, &out));
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str("text")));
	assert_int_equal(salt[0], 1);
	assert_int_equal(ops->content_get(s, log, 2, made_id(2).bytes, NULL, NULL), ERR_NOTFOUND);
	assert_ok(ops->content_get(s, log, 3, made_id(3).bytes, NULL, NULL));
	buffer_reset(&out);
	assert_ok(ops->read(s, log, 1, 3, 100, &out, &got));
	assert_memory_equal(out.data, "\0\3\1\1\1\0\3\2\2\2\0\3\3\3\3", 15);
	buffer_free(&out);

	/* The last row leaves; its number is not given again, the same id may come again. */
	assert_ok(ops->begin(s));
	assert_ok(seal(s, log, 4, 4, 1));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->begin(s));
	assert_ok(add_inbox(s, 4, "text", &no[5]));
	assert_ok(ops->commit(s));
	assert_true(no[5] > no[4]);
}

static void test_inbox_erased(void **state)
{
	START;
	uint64_t no;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 0, 0, 1));
	assert_ok(ops->content_drop(s, log, 0, made_id(1).bytes, true));
	assert_ok(add_inbox(s, 1, "gone", &no));
	assert_ok(seal(s, log, 1, 1, 1));
	assert_int_equal(ops->content_get(s, log, 1, made_id(1).bytes, NULL, NULL), ERR_REFUSED);
	assert_ok(ops->commit(s));
}

/* ---- facts ---- */

static void test_serials(void **state)
{
	START;
	struct id root = made_id(1), other = made_id(2);
	struct buffer out = BUFFER_INIT;
	uint64_t serial;

	assert_int_equal(ops->serial_get(s, root.bytes, &serial, &out), ERR_NOTFOUND);
	assert_ok(ops->begin(s));
	assert_ok(ops->serial_put(s, root.bytes, 7, bytes_str("seven")));
	assert_int_equal(ops->serial_put(s, root.bytes, 6, bytes_str("six")), ERR_STALE);
	assert_int_equal(ops->serial_put(s, root.bytes, UINT64_MAX, bytes_str("")), ERR_INVALID);
	assert_ok(ops->serial_put(s, root.bytes, 9, bytes_str("nine")));
	assert_ok(ops->serial_put(s, other.bytes, 0, bytes_str("")));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->serial_get(s, root.bytes, &serial, &out));
	assert_int_equal(serial, 9);
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str("nine")));
	assert_ok(ops->serial_get(s, other.bytes, &serial, NULL));
	assert_int_equal(serial, 0);
	buffer_free(&out);
}

static int see_invite(void *ctx, const struct store_invite *invite)
{
	struct store_invite **next = ctx;
	assert_memory_equal(invite->hash, (*next)->hash, HASH_LEN);
	assert_int_equal(invite->used, (*next)->used);
	++*next;
	return OK;
}

static void test_invites(void **state)
{
	START;
	struct store_invite two[2] = {{.expires = 5, .handle = "alice"}, {.expires = 6}}, got,
			    *next = two;

	fill(two[0].hash, HASH_LEN, 1);
	fill(two[1].hash, HASH_LEN, 2);
	two[0].hash[0] = 3;
	two[1].hash[0] = 4;
	assert_int_equal(ops->invite_get(s, two[0].hash, &got), ERR_NOTFOUND);
	assert_ok(ops->begin(s));
	assert_ok(ops->invite_put(s, &two[1]));
	assert_ok(ops->invite_put(s, &two[0]));
	two[1].used = true;
	fill(two[1].device_key, KEY_LEN, 3);
	fill(two[1].enrol_id, ID_LEN, 4);
	assert_ok(ops->invite_put(s, &two[1]));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->invite_get(s, two[0].hash, &got));
	assert_string_equal(got.handle, "alice");
	assert_int_equal(got.expires, 5);
	assert_false(got.used);
	assert_ok(ops->invite_get(s, two[1].hash, &got));
	assert_true(got.used);
	assert_memory_equal(got.device_key, two[1].device_key, KEY_LEN);
	assert_memory_equal(got.enrol_id, two[1].enrol_id, ID_LEN);
	assert_ok(ops->invite_each(s, see_invite, &next));
	assert_ptr_equal(next, two + 2);
}

/* ---- transactions ---- */

static void change_everything(struct store *s)
{
	struct store_invite invite = {.expires = 1};
	uint8_t root[HASH_LEN] = {1};
	uint64_t no;

	assert_ok(s->ops->meta_put(s, "forum", bytes_str("other")));
	assert_int_equal(add_log(s, 3), 3);
	assert_ok(append_made(s, 1, 1, 1012, 300));
	assert_ok(s->ops->content_put(s, 1, 1200, made_id(9).bytes, root, bytes_str("text")));
	assert_ok(s->ops->content_drop(s, 1, 1200, made_id(9).bytes, true));
	assert_in_range(s->ops->merge(s, 1), 0, 1);
	assert_ok(s->ops->truncate(s, 2, 300, root, bytes_str("")));
	assert_ok(add_inbox(s, 1, "text", &no));
	assert_ok(seal(s, 2, 300, 1, 1));
	assert_ok(add_inbox(s, 2, "text", &no));
	assert_ok(s->ops->log_set_state(s, 1, LOG_BROKEN));
	assert_ok(s->ops->serial_put(s, root, 3, bytes_str("")));
	assert_ok(s->ops->invite_put(s, &invite));
}

static void check_nothing_changed(struct store *s)
{
	const struct store_backend *ops = s->ops;
	struct store_invite invite;
	struct seen_log seen;
	struct id zero = {{0}};
	uint8_t root[HASH_LEN] = {1};
	uint64_t n;

	check_logs(s);
	assert_int_equal(ops->meta_get(s, "forum", NULL), ERR_NOTFOUND);
	assert_int_equal(ops->log_get(s, 3, see_log, &seen), ERR_NOTFOUND);
	assert_ok(ops->log_get(s, 1, see_log, &seen));
	assert_int_equal(seen.log.state, LOG_LIVE);
	assert_int_equal(seen.log.size, 1012);
	assert_int_equal(ops->content_get(s, 1, 1200, made_id(9).bytes, NULL, NULL), ERR_NOTFOUND);
	assert_ok(ops->inbox_count(s, &n));
	assert_int_equal(n, 0);
	assert_int_equal(ops->serial_get(s, root, &n, NULL), ERR_NOTFOUND);
	assert_int_equal(ops->invite_get(s, zero.bytes, &invite), ERR_NOTFOUND);
}

static void test_rollback(void **state)
{
	START;

	fill_logs(s);
	assert_ok(ops->begin(s));
	change_everything(s);
	ops->rollback(s);
	check_nothing_changed(s);

	/* A crash in the middle is the same. */
	assert_ok(ops->begin(s));
	change_everything(s);
	restart(f, &s);
	check_nothing_changed(s);
	assert_ok(ops->begin(s));
	change_everything(s);
	assert_ok(ops->commit(s));
}

static void test_reads_see_the_transaction(void **state)
{
	START;

	assert_ok(ops->begin(s));
	uint32_t log = add_log(s, 1);
	assert_ok(append_made(s, log, 1, 0, 10));
	assert_leaves(s, log, 1, 0, 10);
	ops->rollback(s);
	assert_string_equal(store_error(NULL), "");
	assert_non_null(store_error(s));
}

/* The simulator's disk: a commit that fails leaves nothing, and the next one works. */
static void test_failed_commit(void **state)
{
	START;

	fill_logs(s);
	store_memory_fail(s, ERR_NOSPACE);
	assert_ok(ops->begin(s));
	change_everything(s);
	assert_int_equal(ops->commit(s), ERR_NOSPACE);
	assert_string_equal(store_error(s), error_text(ERR_NOSPACE));
	check_nothing_changed(s);
	store_memory_fail(s, ERR_IO);
	restart(f, &s);
	assert_ok(ops->begin(s));
	change_everything(s);
	assert_ok(ops->commit(s));
}

#define BOTH(test)                                                                        \
	{"memory: " #test, test, setup, teardown, (void *)(uintptr_t)&store_memory},      \
	{                                                                                 \
		"sqlite: " #test, test, setup, teardown, (void *)(uintptr_t)&store_sqlite \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_meta),
	    BOTH(test_meta_each),
	    BOTH(test_logs),
	    BOTH(test_compare_and_swap),
	    BOTH(test_bad_batches),
	    BOTH(test_read_across_blocks),
	    BOTH(test_merge),
	    BOTH(test_truncate),
	    BOTH(test_wanted),
	    BOTH(test_contents),
	    BOTH(test_contents_run),
	    BOTH(test_contents_many),
	    BOTH(test_tombstones),
	    BOTH(test_inbox_order),
	    BOTH(test_inbox_remove),
	    BOTH(test_inbox_sealed),
	    BOTH(test_inbox_erased),
	    BOTH(test_serials),
	    BOTH(test_invites),
	    BOTH(test_rollback),
	    BOTH(test_reads_see_the_transaction),
	    {"memory: test_failed_commit", test_failed_commit, setup, teardown,
		(void *)(uintptr_t)&store_memory},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
