/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract of lib/store/store.h: the store's own words, facts, transactions. */
#include "store_stage.h"

static void test_meta(void **state)
{
	START;
	struct buffer out = BUFFER_INIT;

	assert_int_equal(ops->meta_get(s, "forum", &out), ERR_NOTFOUND);
	assert_ok(ops->meta_get(s, "schema", &out));
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str("4")));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_meta),
	    BOTH(test_meta_each),
	    BOTH(test_serials),
	    BOTH(test_invites),
	    BOTH(test_rollback),
	    BOTH(test_reads_see_the_transaction),
	    {"memory: test_failed_commit", test_failed_commit, setup, teardown,
		(void *)(uintptr_t)&store_memory},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
