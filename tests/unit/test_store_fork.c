/* SPDX-License-Identifier: BSD-2-Clause */
/* The store's contract for forks: proofs and what stands, and the inbox of a log that has ended;
 * the same for every backend. */
#include "store_stage.h"

struct seen_forks {
	size_t count, stop;
	uint8_t log[8][DIGEST_LEN];
	enum fork_sort sort[8];
	char proof[8][16];
};

static int see_fork(void *ctx, const struct store_fork *fork)
{
	struct seen_forks *seen = ctx;

	assert_true(seen->count < 8 && fork->proof.len < 16);
	memcpy(seen->log[seen->count], fork->log, DIGEST_LEN);
	seen->sort[seen->count] = fork->sort;
	memcpy(seen->proof[seen->count], fork->proof.data, fork->proof.len);
	return ++seen->count == seen->stop ? ERR_CLOSED : OK;
}

/* The first proof of each sort stays, whether its log is here or not. */
static void test_forks(void **state)
{
	START;
	uint8_t one[DIGEST_LEN] = {1}, two[DIGEST_LEN] = {2};
	struct seen_forks seen = {.stop = 0}, stopped = {.stop = 1};

	assert_ok(ops->fork_each(s, see_fork, &seen));
	assert_int_equal(seen.count, 0);
	assert_ok(ops->begin(s));
	assert_ok(ops->fork_put(s, two, FORK_RIVALS, bytes_str("rivals")));
	assert_ok(ops->fork_put(s, one, FORK_RIVALS, bytes_str("rivals")));
	assert_ok(ops->fork_put(s, one, FORK_HEADS, bytes_str("heads")));
	assert_int_equal(ops->fork_put(s, one, FORK_HEADS, bytes_str("others")), ERR_EXISTS);
	assert_int_equal(ops->fork_put(s, two, FORK_HEADS, bytes_str("")), ERR_INVALID);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->begin(s));
	assert_int_equal(ops->fork_put(s, one, FORK_HEADS, bytes_str("others")), ERR_EXISTS);
	assert_ok(ops->commit(s));

	assert_ok(ops->fork_each(s, see_fork, &seen));
	assert_int_equal(seen.count, 3);
	assert_memory_equal(seen.log[0], one, DIGEST_LEN);
	assert_int_equal(seen.sort[0], FORK_HEADS);
	assert_string_equal(seen.proof[0], "heads");
	assert_memory_equal(seen.log[1], one, DIGEST_LEN);
	assert_int_equal(seen.sort[1], FORK_RIVALS);
	assert_memory_equal(seen.log[2], two, DIGEST_LEN);
	assert_string_equal(seen.proof[2], "rivals");
	assert_int_equal(ops->fork_each(s, see_fork, &stopped), ERR_CLOSED);
	assert_int_equal(stopped.count, 1);
}

struct seen_standing {
	size_t count;
	uint8_t log[DIGEST_LEN], root[HASH_LEN];
	uint64_t size;
	char successor[32], credential[32];
};

static int see_standing(void *ctx, const struct store_standing *standing)
{
	struct seen_standing *seen = ctx;

	memcpy(seen->log, standing->log, DIGEST_LEN);
	memcpy(seen->root, standing->root, HASH_LEN);
	seen->size = standing->size;
	assert_true(standing->successor.len < 32 && standing->credential.len < 32);
	memcpy(seen->successor, standing->successor.data, standing->successor.len);
	memcpy(seen->credential, standing->credential.data, standing->credential.len);
	seen->count++;
	return OK;
}

static void test_standing(void **state)
{
	START;
	struct store_standing st = {.log = {7},
	    .size = UINT64_C(1) << 40,
	    .successor = bytes_str("org.example/2"),
	    .credential = bytes_str("NODE")};
	struct seen_standing seen = {.count = 0};

	fill(st.root, HASH_LEN, 5);
	assert_ok(ops->begin(s));
	assert_ok(ops->standing_put(s, &st));
	st.size = 3;
	assert_int_equal(ops->standing_put(s, &st), ERR_EXISTS);
	st.log[0] = 8;
	st.credential = bytes_str("");
	assert_int_equal(ops->standing_put(s, &st), ERR_INVALID);
	st.credential = bytes_str("NODE");
	st.successor = bytes_str("");
	assert_int_equal(ops->standing_put(s, &st), ERR_INVALID);
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->standing_each(s, see_standing, &seen));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.log[0], 7);
	assert_int_equal(seen.size, UINT64_C(1) << 40);
	assert_memory_equal(seen.root, st.root, HASH_LEN);
	assert_string_equal(seen.successor, "org.example/2");
	assert_string_equal(seen.credential, "NODE");
}

static void test_rollback(void **state)
{
	START;
	struct store_standing st = {.log = {7},
	    .size = 1,
	    .successor = bytes_str("org.example/2"),
	    .credential = bytes_str("NODE")};
	struct seen_standing standing = {.count = 0};
	struct seen_forks forks = {.stop = 0};

	for (int crash = 0; crash < 2; crash++) {
		assert_ok(ops->begin(s));
		assert_ok(ops->standing_put(s, &st));
		assert_ok(ops->fork_put(s, st.log, FORK_HEADS, bytes_str("heads")));
		if (crash)
			restart(f, &s);
		else
			ops->rollback(s);
		assert_ok(ops->standing_each(s, see_standing, &standing));
		assert_ok(ops->fork_each(s, see_fork, &forks));
		assert_int_equal(standing.count + forks.count, 0);
	}
}

static int count_row(void *ctx, const struct store_inbox *row)
{
	*(uint64_t *)ctx = row->no;
	return OK;
}

static void test_inbox_drop(void **state)
{
	START;
	uint8_t salt[SALT_LEN] = {0};
	uint64_t no[4], count, last = 0;

	assert_ok(ops->begin(s));
	for (uint8_t n = 0; n < 3; n++)
		assert_ok(ops->inbox_add(
		    s, made_id(n).bytes, bytes_str("message"), salt, bytes_str("text"), &no[n]));
	assert_ok(ops->commit(s));
	assert_ok(ops->begin(s));
	assert_ok(ops->inbox_drop(s));
	ops->rollback(s);
	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 3);
	assert_ok(ops->begin(s));
	assert_ok(ops->inbox_drop(s));
	assert_ok(ops->inbox_drop(s));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_ok(ops->inbox_count(s, &count));
	assert_int_equal(count, 0);
	/* Its number is not given again, the same id may come again. */
	assert_ok(ops->begin(s));
	assert_ok(ops->inbox_add(
	    s, made_id(1).bytes, bytes_str("message"), salt, bytes_str("text"), &no[3]));
	assert_ok(ops->commit(s));
	assert_true(no[3] > no[2]);
	assert_ok(ops->inbox_each(s, 0, SIZE_MAX, count_row, &last));
	assert_int_equal(last, no[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_forks),
	    BOTH(test_standing),
	    BOTH(test_rollback),
	    BOTH(test_inbox_drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
