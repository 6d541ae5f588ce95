/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract of lib/store/store.h: logs, their leaves and blocks. */
#include "store_stage.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_logs),
	    BOTH(test_compare_and_swap),
	    BOTH(test_bad_batches),
	    BOTH(test_read_across_blocks),
	    BOTH(test_merge),
	    BOTH(test_truncate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
