/* SPDX-License-Identifier: BSD-2-Clause */
/* Random operations on the SQLite backend and on the in-memory one: the same answers, and the same
 * state after each transaction. CONVENE_SEED replays one seed. */
#include "store_fixture.h"

enum { LOGS = 3, IDS = 24, SEEDS = 12, TRANSACTIONS = 30, LONGEST = 700, MANY = 60 };

static uint64_t seed, counter;

static uint64_t draw(uint64_t below)
{
	return mix(seed << 32 ^ counter++) % below;
}

static struct fixture sides[2];

/* ---- the state as text ---- */

static void dump_bytes(struct buffer *out, const char *name, struct bytes b)
{
	buffer_printf(out, "%s[%zu]:", name, b.len);
	for (size_t i = 0; i < b.len && i < 48; i++)
		buffer_printf(out, "%02x", b.data[i]);
	buffer_add_str(out, "\n");
}

static int dump_log(void *ctx, const struct store_log *log)
{
	struct buffer *out = ctx;
	buffer_printf(out, "log %u %s size %llu state %d\n", log->no, log->name,
	    (unsigned long long)log->size, (int)log->state);
	dump_bytes(out, "digest", bytes_of(log->digest, DIGEST_LEN));
	dump_bytes(out, "root", bytes_of(log->root, HASH_LEN));
	dump_bytes(out, "checkpoint", log->checkpoint);
	dump_bytes(out, "right", log->right);
	return OK;
}

static int dump_inbox(void *ctx, const struct store_inbox *row)
{
	struct buffer *out = ctx;
	buffer_printf(out, "inbox %llu\n", (unsigned long long)row->no);
	dump_bytes(out, "id", bytes_of(row->id, ID_LEN));
	dump_bytes(out, "salt", bytes_of(row->salt, SALT_LEN));
	dump_bytes(out, "message", row->message);
	dump_bytes(out, "content", row->content);
	return OK;
}

static int dump_invite(void *ctx, const struct store_invite *invite)
{
	struct buffer *out = ctx;
	dump_bytes(out, "invite", bytes_of(invite->hash, HASH_LEN));
	buffer_printf(
	    out, "%llu %s %d\n", (unsigned long long)invite->expires, invite->handle, invite->used);
	return OK;
}

static uint64_t size_of(struct store *s, uint32_t log)
{
	struct seen_log seen;
	return s->ops->log_get(s, log, see_log, &seen) == OK ? seen.log.size : 0;
}

static void dump_entries(struct store *s, uint32_t log, struct buffer *out)
{
	struct tree_hash blocks[LONGEST * 4 / TREE_BLOCK + 1];
	uint64_t size = size_of(s, log), wanted[LONGEST * 4], count;
	size_t got = 0, n = sizeof(wanted) / sizeof(wanted[0]);

	if (size > 0) {
		assert_ok(s->ops->read(s, log, 0, size, SIZE_MAX, out, &got));
		assert_int_equal(got, size);
	}
	assert_true(size / TREE_BLOCK < sizeof(blocks) / sizeof(blocks[0]));
	if (s->ops->blocks(s, log, 0, size / TREE_BLOCK, blocks) == OK)
		buffer_add(out, blocks, size / TREE_BLOCK * sizeof(blocks[0]));
	assert_ok(s->ops->wanted(s, log, 0, wanted, &n));
	assert_ok(s->ops->wanted_count(s, log, &count));
	assert_int_equal(n, count);
	for (size_t i = 0; i < n; i++)
		buffer_printf(out, "wanted %llu\n", (unsigned long long)wanted[i]);
	for (uint64_t i = 0; i < size; i++)
		for (uint64_t id = i % IDS; id < IDS; id += IDS) {
			uint8_t salt[SALT_LEN] = {0};
			int err = s->ops->content_get(s, log, i, made_id(id).bytes, salt, out);
			buffer_printf(out, "%d%02x ", err, salt[0]);
		}
}

static void dump(struct store *s, struct buffer *out)
{
	uint64_t count;

	buffer_reset(out);
	assert_ok(s->ops->log_each(s, dump_log, out));
	for (uint32_t log = 1; log <= LOGS; log++)
		dump_entries(s, log, out);
	assert_ok(s->ops->inbox_each(s, 0, SIZE_MAX, dump_inbox, out));
	assert_ok(s->ops->inbox_count(s, &count));
	buffer_printf(out, "%llu in the inbox\n", (unsigned long long)count);
	assert_ok(s->ops->invite_each(s, dump_invite, out));
	for (uint64_t i = 0; i < IDS; i++) {
		uint64_t serial = 0;
		int err = s->ops->serial_get(s, made_id(i).bytes, &serial, out);
		buffer_printf(out, "serial %d %llu\n", err, (unsigned long long)serial);
	}
	assert_false(out->failed);
}

static void compare(void)
{
	static struct buffer one, two;

	dump(sides[0].s, &one);
	dump(sides[1].s, &two);
	if (!bytes_equal(buffer_bytes(&one), buffer_bytes(&two)))
		fail_msg("seed %llu: the backends differ after %llu draws",
		    (unsigned long long)seed, (unsigned long long)counter);
	buffer_free(&one);
	buffer_free(&two);
}

/* ---- the operations: the same arguments for both ---- */

#define EACH(answer, call)                                                                     \
	do {                                                                                   \
		int answers[2];                                                                \
		for (size_t side = 0; side < 2; side++) {                                      \
			struct store *s = sides[side].s;                                       \
			answers[side] = s->ops->call;                                          \
		}                                                                              \
		if (answers[0] != answers[1])                                                  \
			fail_msg("seed %llu, draw %llu: %s: %s, %s", (unsigned long long)seed, \
			    (unsigned long long)counter, #call, error_name(answers[0]),        \
			    error_name(answers[1]));                                           \
		answer = answers[0];                                                           \
	} while (0)

static int first_rows(void *ctx, const struct store_inbox *row)
{
	add_leaf(ctx, row->message);
	return OK;
}

static int do_append(uint32_t log)
{
	static uint64_t wanted[LONGEST];
	uint64_t size = size_of(sides[0].s, log), expected = draw(12) == 0 ? draw(size + 3) : size;
	size_t count = draw(4) == 0 ? draw(LONGEST) + 1 : draw(5) + 1;
	struct batch b;
	int err;

	if (size > 3 * LONGEST)
		return OK;
	batch_make(&b, log, draw(1000), expected, count);
	for (uint64_t i = expected; i < expected + count; i++)
		if (draw(3) == 0)
			wanted[b.a.wanted_count++] = i;
	b.a.wanted = wanted;
	if (draw(3) == 0) { /* what is in the inbox, or sometimes more than that */
		count = draw(3) + 1;
		buffer_free(&b.leaves);
		batch_make(&b, log, draw(1000), expected, count);
		buffer_reset(&b.leaves);
		assert_ok(sides[0].s->ops->inbox_each(
		    sides[0].s, draw(5) == 0, count, first_rows, &b.leaves));
		if (leaves_skip(buffer_bytes(&b.leaves), count) == SIZE_MAX)
			buffer_add_u16(&b.leaves, 0);
		b.a.leaves = buffer_bytes(&b.leaves);
		b.a.from_inbox = true;
	}
	EACH(err, append(s, &b.a));
	buffer_free(&b.leaves);
	return err;
}

/* A run of contents, of which some aren't taken. */
static int do_contents(uint32_t log)
{
	static struct store_content items[2][MANY];
	uint64_t first = draw(size_of(sides[0].s, log) + 2);
	size_t count = draw(draw(3) ? 8 : MANY) + 1;
	uint8_t text[900];
	int err;

	fill(text, sizeof(text), counter);
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < count; i++) {
		struct store_content *c = &items[0][i];

		c->log = draw(10) == 0 ? log + 1 : log;
		c->index = first + (draw(4) == 0 ? draw(300) : count - i);
		memcpy(c->id, made_id(draw(20) == 0 ? draw(IDS) : c->index % IDS).bytes, ID_LEN);
		fill(c->salt, SALT_LEN, draw(1000));
		c->content = bytes_of(text, draw(sizeof(text)) + 1);
		items[1][i] = *c;
	}
	EACH(err, contents_put(s, items[side], count));
	for (size_t i = 0; i < count && err == OK; i++)
		assert_int_equal(items[0][i].result, items[1][i].result);
	return err;
}

static int content_told(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct buffer *out = ctx;

	buffer_add(out, &index, sizeof(index));
	buffer_add(out, id, ID_LEN);
	buffer_add(out, salt, SALT_LEN);
	buffer_add(out, content.data, content.len);
	return out->len > 2500 ? ERR_REFUSED : OK;
}

static int do_contents_read(uint32_t log)
{
	struct buffer out[2] = {BUFFER_INIT, BUFFER_INIT};
	uint64_t first = draw(size_of(sides[0].s, log) + 2);
	size_t count = draw(300), max = draw(2) ? SIZE_MAX : draw(2000);
	int err;

	EACH(err, contents(s, log, first, count, max, content_told, &out[side]));
	assert_true(bytes_equal(buffer_bytes(&out[0]), buffer_bytes(&out[1])));
	buffer_free(&out[0]);
	buffer_free(&out[1]);
	return err;
}

static int do_content(uint32_t log)
{
	uint64_t index = draw(size_of(sides[0].s, log) + 2);
	struct id id = made_id(draw(20) == 0 ? draw(IDS) : index % IDS);
	uint8_t salt[SALT_LEN], text[300];
	int err;

	fill(salt, sizeof(salt), draw(1000));
	fill(text, sizeof(text), counter);
	size_t len = draw(sizeof(text)) + 1;
	switch (draw(8)) {
	case 0:
		EACH(err, content_drop(s, log, index, id.bytes, false));
		break;
	case 1:
		if (draw(4) == 0) {
			EACH(err, content_drop(s, log, index, id.bytes, true));
			break;
		} /* fall through */
	case 2:
		return do_contents(log);
	case 3:
		return do_contents_read(log);
	default:
		EACH(err, content_put(s, log, index, id.bytes, salt, bytes_of(text, len)));
	}
	return err;
}

static int do_inbox(void)
{
	struct id id = made_id(draw(IDS));
	uint8_t salt[SALT_LEN], message[40], text[300];
	uint64_t no[2] = {0, 0};
	int err;

	fill(salt, sizeof(salt), draw(1000));
	fill(message, sizeof(message), counter);
	fill(text, sizeof(text), counter);
	size_t len = draw(2) * draw(sizeof(text)), message_len = draw(sizeof(message)) + 1;
	EACH(err, inbox_add(s, id.bytes, bytes_of(message, message_len), salt, bytes_of(text, len),
		      &no[side]));
	assert_int_equal(no[0], no[1]);
	return err;
}

static int do_read(uint32_t log)
{
	struct buffer out[2] = {BUFFER_INIT, BUFFER_INIT};
	uint64_t first = draw(size_of(sides[0].s, log) + 2);
	size_t count = draw(600), max = draw(2) ? SIZE_MAX : draw(40000), got[2];
	int err;

	EACH(err, read(s, log, first, count, max, &out[side], &got[side]));
	assert_int_equal(got[0], got[1]);
	assert_true(bytes_equal(buffer_bytes(&out[0]), buffer_bytes(&out[1])));
	buffer_free(&out[0]);
	buffer_free(&out[1]);
	return err;
}

static int do_wanted(uint32_t log)
{
	uint64_t from = draw(size_of(sides[0].s, log) + 2), out[2][20];
	size_t room = draw(20), n[2] = {room, room};
	int err;

	if (draw(2))
		EACH(err, wanted(s, log, from, out[side], &n[side]));
	else
		EACH(err, wanted_below(s, log, from, out[side], &n[side]));
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(out[0], out[1], n[0] * sizeof(out[0][0]));
	return err;
}

static void operate(void)
{
	uint32_t log = (uint32_t)draw(LOGS + 1) + (draw(20) == 0), no[2] = {0, 0};
	struct store_invite invite = {.expires = draw(9), .used = draw(2)};
	uint8_t digest[DIGEST_LEN], root[HASH_LEN];
	struct id key = made_id(draw(IDS));
	uint64_t n = draw(100);
	int err;

	fill(digest, sizeof(digest), draw(LOGS) + 1);
	fill(root, sizeof(root), n);
	memcpy(invite.hash, key.bytes, HASH_LEN);
	switch (draw(16)) {
	case 0:
		EACH(err, log_add(s, bytes_str("name"), digest, &no[side]));
		assert_int_equal(no[0], no[1]);
		break;
	case 1:
		EACH(err, log_set_state(s, log, (enum log_state)(n % 4)));
		break;
	case 2:
		EACH(err,
		    log_set_checkpoint(s, log, bytes_of(root, n % 32), bytes_of(root, n % 2 * 32)));
		break;
	case 3:
		n = size_of(sides[0].s, log);
		n = draw(3) == 0 ? draw(n + 2) : n - n % (draw(9) + 1);
		EACH(err, truncate(s, log, n, root, bytes_of(root, 9)));
		break;
	case 4: /* how much is left to merge is the backend's own */
		for (size_t side = 0; side < 2; side++)
			if ((err = sides[side].s->ops->merge(sides[side].s, log)) < 0)
				assert_int_equal(err, ERR_NOTFOUND);
		break;
	case 5:
		EACH(err, serial_put(s, key.bytes, n, bytes_of(root, n % 32)));
		break;
	case 6:
		EACH(err, invite_put(s, &invite));
		break;
	case 7:
	case 8:
		do_inbox();
		break;
	case 9:
		do_read(log);
		break;
	case 10:
		do_wanted(log);
		break;
	case 11:
	case 12:
		do_append(log);
		break;
	default:
		for (n = draw(20); n > 0; n--)
			do_content(log);
	}
}

static void run_seed(uint64_t which)
{
	int err;

	seed = which;
	counter = 0;
	fixture_make(&sides[0], &store_memory);
	fixture_make(&sides[1], &store_sqlite);
	for (int i = 0; i < TRANSACTIONS; i++) {
		/* Whether bytes reach the disk is not the question here. */
		assert_ok(sqlite_exec((struct sqlite_store *)sides[1].s, "PRAGMA synchronous=OFF"));
		EACH(err, begin(s));
		for (uint64_t n = draw(30); n > 0; n--)
			operate();
		switch (draw(8)) {
		case 0:
			fixture_restart(&sides[0]);
			fixture_restart(&sides[1]);
			break;
		case 1:
			sides[0].s->ops->rollback(sides[0].s);
			sides[1].s->ops->rollback(sides[1].s);
			break;
		default:
			EACH(err, commit(s));
			assert_ok(err);
		}
		compare();
	}
	fixture_drop(&sides[0]);
	fixture_drop(&sides[1]);
}

static void test_model(void **state)
{
	const char *one = getenv("CONVENE_SEED");

	(void)state;
	if (one != NULL) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t i = 1; i <= SEEDS; i++)
		run_seed(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
