/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract of lib/store/store.h: the inbox. */
#include "store_stage.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_inbox_order),
	    BOTH(test_inbox_remove),
	    BOTH(test_inbox_sealed),
	    BOTH(test_inbox_erased),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
