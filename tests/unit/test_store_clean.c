/* SPDX-License-Identifier: BSD-2-Clause */
/* What was erased is in no file, wherever SQLite has put it meanwhile. */
#include "store_stage.h"

enum { LOGS = 3, ENTRIES = 400, ALL = LOGS * ENTRIES, GONE = ALL / 4, CONTENT_ROOM = 900 };

static struct id salt_of(uint64_t n)
{
	struct id id;
	fill(id.bytes, sizeof(id.bytes), UINT64_C(1) << 61 | n << 30);
	return id;
}

static struct bytes content_of(uint64_t n, uint8_t room[static CONTENT_ROOM])
{
	size_t len = 50 + mix(n) % (CONTENT_ROOM - 50);
	fill(room, len, UINT64_C(1) << 60 | n << 30);
	return bytes_of(room, len);
}

/* The `i`-th in an order in which neighbours come at quite different times. */
static uint64_t shuffled(uint64_t i)
{
	return i * 7919 % ALL;
}

static void logs_make(struct fixture *f)
{
	assert_ok(f->s->ops->begin(f->s));
	for (unsigned l = 1; l <= LOGS; l++) {
		assert_int_equal(add_log(f->s, l), l);
		assert_ok(append_made(f->s, l, l, 0, ENTRIES));
	}
	assert_ok(f->s->ops->commit(f->s));
}

static uint32_t log_at(uint64_t n)
{
	return (uint32_t)(1 + n / ENTRIES);
}

static void contents_put(struct fixture *f, uint64_t from, uint64_t to)
{
	uint8_t room[CONTENT_ROOM];

	for (uint64_t i = from; i < to; i += 50) {
		assert_ok(f->s->ops->begin(f->s));
		for (uint64_t k = i; k < to && k < i + 50; k++) {
			uint64_t n = shuffled(k);
			assert_ok(f->s->ops->content_put(f->s, log_at(n), n % ENTRIES,
			    made_id(n).bytes, salt_of(n).bytes, content_of(n, room)));
		}
		assert_ok(f->s->ops->commit(f->s));
	}
}

/* In runs: neighbours come together, and a part of each block later. */
static void runs_put(struct fixture *f, bool later)
{
	static struct store_content items[ALL];
	static uint8_t rooms[ALL][CONTENT_ROOM];
	size_t count = 0;

	memset(items, 0, sizeof(items));
	for (uint64_t n = 0; n < ALL; n++) {
		struct store_content *c = &items[count];

		if ((n % 5 < 2) != later)
			continue;
		c->log = log_at(n);
		c->index = n % ENTRIES;
		memcpy(c->id, made_id(n).bytes, ID_LEN);
		memcpy(c->salt, salt_of(n).bytes, SALT_LEN);
		c->content = content_of(n, rooms[n]);
		count++;
	}
	assert_ok(f->s->ops->begin(f->s));
	assert_ok(f->s->ops->contents_put(f->s, items, count));
	for (size_t i = 0; i < count; i++)
		assert_ok(items[i].result);
	assert_ok(f->s->ops->commit(f->s));
}

/* Erase every fourth. */
static void contents_erase(struct fixture *f)
{
	assert_ok(f->s->ops->begin(f->s));
	for (uint64_t n = 0; n < ALL; n += 4)
		assert_ok(
		    f->s->ops->content_drop(f->s, log_at(n), n % ENTRIES, made_id(n).bytes, true));
	assert_ok(f->s->ops->commit(f->s));
}

static unsigned in_files(const struct fixture *f, uint64_t step)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	static uint8_t data[1 << 23];
	uint8_t room[CONTENT_ROOM];
	unsigned found = 0;

	for (size_t e = 0; e < 3; e++) {
		char name[128];
		snprintf(name, sizeof(name), "%s%s", f->path, ends[e]);
		FILE *file = fopen(name, "rb");
		assert_non_null(file);
		size_t len = fread(data, 1, sizeof(data), file);
		assert_true(len < sizeof(data));
		fclose(file);
		for (uint64_t n = 0; n < ALL; n += step) {
			struct bytes content = content_of(n, room);
			found += memmem(data, len, salt_of(n).bytes, 32) != NULL;
			/* Pieces, too. */
			for (size_t at = 0; at + 12 <= content.len; at += 37)
				found += memmem(data, len, content.data + at, 12) != NULL;
		}
	}
	return found;
}

static int scrub(struct fixture *f)
{
	int err;

	do
		err = f->s->ops->scrub(f->s);
	while (err == ERR_BUSY);
	return err;
}

static void assert_rest_here(struct fixture *f)
{
	for (uint64_t n = 0; n < ALL; n++) {
		uint8_t room[CONTENT_ROOM], salt[SALT_LEN];
		struct bytes want = content_of(n, room);
		struct buffer got = BUFFER_INIT;
		int err = f->s->ops->content_get(
		    f->s, log_at(n), n % ENTRIES, made_id(n).bytes, salt, &got);
		assert_int_equal(err, n % 4 == 0 ? ERR_REFUSED : OK);
		if (err == OK) {
			assert_memory_equal(salt, salt_of(n).bytes, SALT_LEN);
			assert_true(bytes_equal(buffer_bytes(&got), want));
		}
		buffer_free(&got);
	}
}

static void test_moved(void **state)
{
	struct fixture *f = *state;

	logs_make(f);
	contents_put(f, 0, ALL / 2);
	fixture_restart(f);
	contents_put(f, ALL / 2, ALL);
	assert_true(in_files(f, 4) >= GONE);
	contents_erase(f);
	assert_ok(scrub(f));
	assert_int_equal(in_files(f, 4), 0);
	assert_rest_here(f);
	fixture_restart(f);
	assert_rest_here(f);
}

static void test_runs(void **state)
{
	struct fixture *f = *state;

	logs_make(f);
	runs_put(f, false);
	fixture_restart(f);
	runs_put(f, true);
	assert_true(in_files(f, 4) >= GONE);
	contents_erase(f);
	assert_ok(scrub(f));
	assert_int_equal(in_files(f, 4), 0);
	assert_rest_here(f);
	/* Each page that is left changes, and is written from memory. */
	assert_ok(f->s->ops->begin(f->s));
	assert_ok(sqlite_exec((struct sqlite_store *)f->s,
	    "UPDATE run SET contents = contents || x'00', directory = directory || x''"));
	assert_ok(f->s->ops->commit(f->s));
	assert_int_equal(in_files(f, 4), 0);
	fixture_restart(f);
	assert_rest_here(f);
}

/* The pages that are written next come from the file, not from before. */
static void test_not_again(void **state)
{
	struct fixture *f = *state;

	logs_make(f);
	contents_put(f, 0, ALL);
	contents_erase(f);
	assert_ok(scrub(f));
	/* Each page changes. */
	assert_ok(f->s->ops->begin(f->s));
	assert_ok(
	    sqlite_exec((struct sqlite_store *)f->s, "UPDATE content SET salt = zeroblob(32)"));
	assert_ok(f->s->ops->commit(f->s));
	assert_int_equal(in_files(f, 4), 0);
}

/* A store that something else has written. */
static void test_swept(void **state)
{
	struct fixture *f = *state;
	uint8_t room[CONTENT_ROOM];
	sqlite3 *db;
	sqlite3_stmt *st;

	logs_make(f);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA secure_delete = ON; BEGIN", NULL, NULL, NULL);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "INSERT INTO content VALUES (?, ?, ?, ?)", -1, &st, NULL),
	    SQLITE_OK);
	for (uint64_t i = 0; i < ALL; i++) {
		uint64_t n = shuffled(i);
		struct id id = made_id(n), salt = salt_of(n);
		struct bytes content = content_of(n, room);
		sqlite3_bind_int64(st, 1, sqlite_key(log_at(n), n % ENTRIES));
		sqlite3_bind_blob(st, 2, id.bytes, 32, SQLITE_TRANSIENT);
		sqlite3_bind_blob(st, 3, salt.bytes, 32, SQLITE_TRANSIENT);
		sqlite3_bind_blob(st, 4, content.data, (int)content.len, SQLITE_TRANSIENT);
		assert_int_equal(sqlite3_step(st), SQLITE_DONE);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	/* What secure_delete alone would leave. */
	for (uint64_t n = 0; n < ALL; n += 4) {
		char sql[64];
		snprintf(sql, sizeof(sql), "DELETE FROM content WHERE key = %lld",
		    (long long)sqlite_key(log_at(n), n % ENTRIES));
		sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);

	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	contents_erase(f);
	assert_ok(scrub(f));
	assert_int_equal(in_files(f, 4), 0);
	assert_rest_here(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SQLITE(test_moved), SQLITE(test_runs), SQLITE(test_not_again), SQLITE(test_swept)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
