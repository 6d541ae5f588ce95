/* SPDX-License-Identifier: BSD-2-Clause */
/* What is committed follows into the database on a thread: nothing is lost, and the write-ahead log
 * stays small. */
#include "store_stage.h"

#include <sys/stat.h>

enum { PAGES = 64, ROUNDS = 400, KEYS = 7, VALUE = 9000, PAGE = 2048 };

static struct sqlite_store *inside(struct fixture *f)
{
	return (struct sqlite_store *)f->s;
}

/* As the store does, but sooner. */
static void follow_soon(struct fixture *f)
{
	follow_free(inside(f)->follower);
	inside(f)->follower = follow_start(inside(f)->db, f->path, PAGES);
	assert_non_null(inside(f)->follower);
}

static void put(struct fixture *f, uint64_t n)
{
	static uint8_t value[VALUE];
	char key[32];

	fill(value, sizeof(value), n << 20);
	snprintf(key, sizeof(key), "key%d", (int)(n % KEYS));
	assert_int_equal(f->s->ops->begin(f->s), OK);
	assert_int_equal(f->s->ops->meta_put(f->s, key, bytes_of(value, sizeof(value))), OK);
	assert_int_equal(f->s->ops->commit(f->s), OK);
}

static void assert_put(struct store *s, uint64_t n)
{
	struct buffer out = BUFFER_INIT;
	static uint8_t value[VALUE];
	char key[32];

	fill(value, sizeof(value), n << 20);
	snprintf(key, sizeof(key), "key%d", (int)(n % KEYS));
	assert_int_equal(s->ops->meta_get(s, key, &out), OK);
	assert_true(bytes_equal(buffer_bytes(&out), bytes_of(value, sizeof(value))));
	buffer_free(&out);
}

static long long size_of(const struct fixture *f, const char *end)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", f->path, end);
	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

static void wait_idle(struct fixture *f)
{
	for (int i = 0; i < 5000 && follow_busy(inside(f)->follower); i++)
		usleep(1000);
	assert_false(follow_busy(inside(f)->follower));
}

static void test_follows(void **state)
{
	struct fixture *f = *state;
	long long before;
	uint64_t n = 0;

	follow_soon(f);
	before = size_of(f, "");
	/* Not before it is worth while; then by itself, without another commit. */
	put(f, n++);
	usleep(20000);
	assert_int_equal(size_of(f, ""), before);
	while (!follow_busy(inside(f)->follower) && size_of(f, "") == before) {
		assert_true(n < 100);
		put(f, n++);
	}
	wait_idle(f);
	assert_true(size_of(f, "") > before);
	for (; n < ROUNDS; n++) {
		put(f, n);
		if (n % 10 == 0)
			assert_put(f->s, n - 3);
	}
	/* A round writes six pages or more. */
	assert_true(size_of(f, "-wal") < 8LL * PAGES * PAGE);
	fixture_restart(f);
	for (uint64_t i = n - KEYS; i < n; i++)
		assert_put(f->s, i);
}

/* Somebody who reads an old state holds the log up, not the writer. */
static void test_reader(void **state)
{
	struct fixture *f = *state;
	struct store *r;
	uint64_t n = 0;

	follow_soon(f);
	for (; n < KEYS; n++)
		put(f, n);
	assert_int_equal(store_open(&r, &store_sqlite, f->path, STORE_READ_ONLY), OK);
	assert_int_equal(r->ops->begin(r), OK);
	assert_put(r, 0);
	for (; n < ROUNDS / 2; n++)
		put(f, n);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_put(r, i);
	assert_true(size_of(f, "-wal") > 8LL * PAGES * PAGE);
	assert_int_equal(r->ops->commit(r), OK);
	assert_put(r, n - 1);
	wait_idle(f);
	assert_int_equal(f->s->ops->scrub(f->s), OK);
	for (; n < ROUNDS; n++)
		put(f, n);
	assert_put(r, n - 1);
	store_close(r);
	wait_idle(f);
	assert_int_equal(f->s->ops->scrub(f->s), OK);
	assert_int_equal(size_of(f, "-wal"), 0);
	fixture_restart(f);
	for (uint64_t i = n - KEYS; i < n; i++)
		assert_put(f->s, i);
}

/* Erased bytes do not stay in the unused room of pages that came this way. */
static void test_clean(void **state)
{
	static uint8_t data[1 << 22];
	struct fixture *f = *state;
	uint8_t salt[SALT_LEN] = {1};
	int err;

	follow_soon(f);
	assert_int_equal(f->s->ops->begin(f->s), OK);
	add_log(f->s, 1);
	assert_int_equal(append_made(f->s, 1, 1, 0, 700), OK);
	assert_int_equal(f->s->ops->commit(f->s), OK);
	for (uint64_t i = 0; i < 700; i++) {
		uint64_t at = i * 337 % 700;
		uint8_t text[300];

		fill(text, sizeof(text), at << 30 | UINT64_C(1) << 60);
		assert_int_equal(f->s->ops->begin(f->s), OK);
		assert_int_equal(f->s->ops->content_put(f->s, 1, at, made_id(at).bytes, salt,
				     bytes_of(text, sizeof(text))),
		    OK);
		assert_int_equal(f->s->ops->commit(f->s), OK);
	}
	assert_int_equal(f->s->ops->begin(f->s), OK);
	for (uint64_t i = 0; i < 700; i += 3)
		assert_int_equal(f->s->ops->content_drop(f->s, 1, i, made_id(i).bytes, true), OK);
	assert_int_equal(f->s->ops->commit(f->s), OK);
	do
		err = f->s->ops->scrub(f->s);
	while (err == ERR_BUSY);
	assert_int_equal(err, OK);
	FILE *file = fopen(f->path, "rb");
	assert_non_null(file);
	size_t len = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_true(len > 100000 && len < sizeof(data));
	for (uint64_t i = 0; i < 700; i++) {
		uint8_t text[300];

		fill(text, sizeof(text), i << 30 | UINT64_C(1) << 60);
		assert_int_equal(memmem(data, len, text + 100, 16) != NULL, i % 3 != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SQLITE(test_follows), SQLITE(test_reader), SQLITE(test_clean)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
