/* SPDX-License-Identifier: BSD-2-Clause */
/* What is SQLite's own: files, locks, foreign schemas, the full disk, erased bytes. */
#include "store_stage.h"

#include <fcntl.h>
#include <sys/stat.h>

static void close_it(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
}

static struct sqlite_store *inside(struct store *s)
{
	return (struct sqlite_store *)s;
}

static void test_one_writer(void **state)
{
	struct fixture *f = *state;
	struct store *other;

	assert_int_equal(store_open(&other, &store_sqlite, f->path, 0), ERR_BUSY);
	assert_null(other);
	assert_ok(store_open(&other, &store_sqlite, f->path, STORE_READ_ONLY));
	store_close(other);
	/* The refused one and the reader have not loosened the lock. */
	assert_int_equal(store_open(&other, &store_sqlite, f->path, 0), ERR_BUSY);
	close_it(f);
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
}

static bool is_mapped(const char *path)
{
	char line[4500];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (strchr(line, '\n') != NULL && strstr(line, path) != NULL) {
			line[strcspn(line, "\n")] = '\0';
			found |= strcmp(line + strlen(line) - strlen(path), path) == 0;
		}
	fclose(maps);
	return found;
}

static void read_beside(struct fixture *f, unsigned flags)
{
	const struct store_backend *ops = &store_sqlite;
	struct seen_log seen;
	struct store *r;
	uint32_t no;
	uint64_t n, version, newer;

	assert_ok(store_open(&r, ops, f->path, STORE_READ_ONLY | flags));
	assert_ok(ops->version(r, &version));
	assert_ok(ops->begin(f->s));
	assert_int_equal(add_log(f->s, 1), 1);
	assert_ok(append_made(f->s, 1, 1, 0, 3));
	assert_int_equal(ops->log_get(r, 1, see_log, &seen), ERR_NOTFOUND);
	assert_ok(ops->version(r, &newer));
	assert_true(newer == version);
	assert_ok(ops->commit(f->s));
	assert_leaves(r, 1, 1, 0, 3);
	assert_ok(ops->version(r, &newer));
	assert_true(newer != version);

	assert_ok(ops->begin(r));
	assert_leaves(r, 1, 1, 0, 3);
	assert_int_equal(ops->meta_put(r, "x", bytes_str("y")), ERR_REFUSED);
	assert_int_equal(ops->log_add(r, bytes_str("x"), made_id(1).bytes, &no), ERR_REFUSED);
	assert_int_equal(ops->merge(r, 1), ERR_REFUSED);
	assert_int_equal(append_made(r, 1, 1, 3, 1), ERR_REFUSED);
	assert_int_equal(ops->inbox_add(r, made_id(1).bytes, bytes_str("m"), made_id(1).bytes,
			     bytes_str(""), &n),
	    ERR_REFUSED);
	/* Within begin and commit it sees one state. */
	assert_ok(ops->begin(f->s));
	assert_ok(append_made(f->s, 1, 1, 3, 1));
	assert_ok(ops->commit(f->s));
	assert_leaves(r, 1, 1, 0, 3);
	assert_ok(ops->log_get(r, 1, see_log, &seen));
	assert_int_equal(seen.log.size, 3);
	assert_ok(ops->commit(r));
	assert_leaves(r, 1, 1, 0, 4);
	store_close(r);
}

static void test_reader(void **state)
{
	read_beside(*state, 0);
}

static void test_reader_mapped(void **state)
{
	struct fixture *f = *state;
	struct store *r;

	read_beside(f, STORE_MAPPED);
	/* What is only in the log file is not mapped. */
	assert_ok(store_sqlite.scrub(f->s));
	assert_ok(store_open(&r, &store_sqlite, f->path, STORE_READ_ONLY));
	assert_leaves(r, 1, 1, 0, 4);
	assert_false(is_mapped(f->path));
	store_close(r);
	assert_ok(store_open(&r, &store_sqlite, f->path, STORE_READ_ONLY | STORE_MAPPED));
	assert_leaves(r, 1, 1, 0, 4);
	assert_true(is_mapped(f->path));
	store_close(r);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	char path[128];

	snprintf(path, sizeof(path), "%s/none.db", f->dir);
	assert_int_equal(store_open(&s, &store_sqlite, path, STORE_READ_ONLY), ERR_NOTFOUND);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/none/store.db", f->dir);
	assert_int_equal(store_open(&s, &store_sqlite, path, 0), ERR_IO);
	assert_int_equal(store_open(&s, &store_sqlite, f->dir, STORE_READ_ONLY), ERR_IO);
}

/* ---- schemas ---- */

static size_t read_file(const char *path, uint8_t *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, out, room);
	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* Neither opened nor touched. */
static void assert_refused(struct fixture *f)
{
	static uint8_t before[1 << 20], after[1 << 20];
	size_t len = read_file(f->path, before, sizeof(before));
	struct store *s;

	assert_int_equal(store_open(&s, &store_sqlite, f->path, 0), ERR_SCHEMA);
	assert_int_equal(store_open(&s, &store_sqlite, f->path, STORE_READ_ONLY), ERR_SCHEMA);
	assert_true(len > 0 && len < sizeof(before));
	assert_int_equal(read_file(f->path, after, sizeof(after)), len);
	assert_memory_equal(after, before, len);
}

static void run_sql(struct fixture *f, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_schema(void **state)
{
	struct fixture *f = *state;
	struct store *s;

	close_it(f);
	run_sql(f, "PRAGMA journal_mode=DELETE; PRAGMA user_version=5");
	assert_refused(f);
	run_sql(f, "PRAGMA user_version=1");
	assert_refused(f);
	run_sql(f, "PRAGMA user_version=4");
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	close_it(f);

	/* Another program's: with its own id, with none, and nothing that SQLite knows. */
	run_sql(f, "PRAGMA journal_mode=DELETE; PRAGMA application_id=7");
	assert_refused(f);
	unlink(f->path);
	run_sql(f, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	assert_refused(f);
	FILE *file = fopen(f->path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("These are my memoirs.\n", file);
	fclose(file);
	assert_refused(f);

	/* An empty file is what a crash at the very beginning leaves. */
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(store_open(&s, &store_sqlite, f->path, STORE_READ_ONLY), ERR_NOTFOUND);
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
}

/* What schemas 2 and 3 have is used on as it is; only who may write can open it first. */
static void test_older(void **state)
{
	struct fixture *f = *state;
	const struct store_backend *ops = &store_sqlite;
	struct buffer out = BUFFER_INIT;
	uint8_t salt[SALT_LEN] = {7};
	struct store *r;

	assert_ok(ops->begin(f->s));
	add_log(f->s, 1);
	assert_ok(append_made(f->s, 1, 1, 0, 10));
	assert_ok(ops->content_put(f->s, 1, 3, made_id(3).bytes, salt, bytes_str("of old")));
	assert_ok(ops->commit(f->s));
	close_it(f);
	run_sql(f, "DELETE FROM meta WHERE key GLOB 'inbox_*';"
		   "UPDATE meta SET value = CAST('3' AS BLOB) WHERE key = 'schema';"
		   "PRAGMA user_version=3");
	for (int again = 0; again < 3; again++) {
		if (again == 1)
			run_sql(f, "DROP TABLE run; DELETE FROM meta WHERE key GLOB 'inbox_*';"
				   "UPDATE meta SET value = CAST('2' AS BLOB) "
				   "WHERE key = 'schema'; PRAGMA user_version=2");
		if (again < 2)
			assert_int_equal(store_open(&r, ops, f->path, STORE_READ_ONLY), ERR_SCHEMA);
		assert_ok(store_open(&f->s, ops, f->path, 0));
		assert_ok(store_open(&r, ops, f->path, STORE_READ_ONLY));
		buffer_reset(&out);
		assert_ok(ops->meta_get(r, "schema", &out));
		assert_ok(ops->content_get(r, 1, 3, made_id(3).bytes, NULL, &out));
		assert_true(bytes_equal(buffer_bytes(&out), bytes_str("4of old")));
		assert_int_equal(
		    ops->content_get(r, 1, 4, made_id(4).bytes, NULL, NULL), ERR_NOTFOUND);
		store_close(r);
		close_it(f);
	}
	buffer_free(&out);
	assert_ok(store_open(&f->s, ops, f->path, 0));
}

static void assert_mode(const struct fixture *f, const char *end, mode_t mode)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", f->path, end);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_modes(void **state)
{
	struct fixture *f = *state;
	static const mode_t masks[] = {022, 027, 077}, modes[] = {0640, 0640, 0600};

	for (size_t i = 0; i < 3; i++) {
		fixture_drop(f);
		mode_t old = umask(masks[i]);
		fixture_make(f, &store_sqlite);
		assert_ok(f->s->ops->begin(f->s));
		add_log(f->s, 1);
		assert_ok(f->s->ops->commit(f->s));
		umask(old);
		for (int open = 1; open >= 0; open--) {
			assert_mode(f, "", modes[i]);
			assert_mode(f, "-wal", modes[i]);
			assert_mode(f, "-shm", modes[i]);
			assert_mode(f, ".lock", modes[i]);
			close_it(f); /* they stay, for readers who can't make them */
		}
	}
}

/* ---- trouble ---- */

static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	const struct store_backend *ops = &store_sqlite;
	struct seen_log seen;
	int err = OK;

	assert_ok(ops->begin(f->s));
	add_log(f->s, 1);
	assert_ok(append_made(f->s, 1, 1, 0, 10));
	assert_ok(ops->commit(f->s));
	assert_ok(sqlite_exec(inside(f->s), "PRAGMA max_page_count=100"));
	assert_ok(ops->begin(f->s));
	assert_ok(ops->meta_put(f->s, "forum", bytes_str("x")));
	for (uint64_t at = 10; err == OK; at += 300) {
		assert_true(at < 100000);
		err = append_made(f->s, 1, 1, at, 300);
	}
	assert_int_equal(err, ERR_NOSPACE);
	/* SQLite has ended the transaction; what follows must not run outside it. */
	assert_int_equal(ops->meta_put(f->s, "forum", bytes_str("y")), ERR_NOSPACE);
	assert_int_equal(append_made(f->s, 1, 1, 10, 1), ERR_NOSPACE);
	assert_int_equal(ops->commit(f->s), ERR_NOSPACE);
	assert_true(strlen(store_error(f->s)) > 0);

	assert_int_equal(ops->meta_get(f->s, "forum", NULL), ERR_NOTFOUND);
	assert_ok(ops->log_get(f->s, 1, see_log, &seen));
	assert_int_equal(seen.log.size, 10);
	assert_leaves(f->s, 1, 1, 0, 10);
	assert_ok(sqlite_exec(inside(f->s), "PRAGMA max_page_count=100000"));
	assert_ok(ops->begin(f->s));
	assert_ok(append_made(f->s, 1, 1, 10, 300));
	assert_ok(ops->commit(f->s));
	assert_leaves(f->s, 1, 1, 0, 310);
}

static bool word_in_files(const struct fixture *f, const char *word)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	static uint8_t data[1 << 22];
	char name[128];
	bool seen = false;

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		size_t len = read_file(name, data, sizeof(data));
		assert_true(len < sizeof(data));
		seen |= memmem(data, len, word, strlen(word)) != NULL;
	}
	return seen;
}

static void test_erased_bytes(void **state)
{
	struct fixture *f = *state;
	const struct store_backend *ops = &store_sqlite;
	uint8_t salt[SALT_LEN] = "0123456789abcdefSALT0123456789a";
	struct store *r;
	uint64_t no;

	assert_ok(ops->begin(f->s));
	add_log(f->s, 1);
	assert_ok(ops->inbox_add(
	    f->s, made_id(1).bytes, bytes_str("m"), salt, bytes_str("marmalade"), &no));
	assert_ok(ops->commit(f->s));
	assert_ok(ops->begin(f->s));
	struct batch b;
	batch_make(&b, 1, 0, 0, 1);
	b.a.leaves = bytes_of("\0\1m", 3);
	b.a.from_inbox = true;
	assert_ok(ops->append(f->s, &b.a));
	buffer_free(&b.leaves);
	assert_ok(ops->commit(f->s));
	assert_true(word_in_files(f, "marmalade"));

	assert_ok(store_open(&r, ops, f->path, STORE_READ_ONLY));
	assert_ok(ops->begin(r));
	assert_ok(ops->content_get(r, 1, 0, made_id(1).bytes, NULL, NULL));
	assert_ok(ops->begin(f->s));
	assert_ok(ops->content_drop(f->s, 1, 0, made_id(1).bytes, true));
	assert_ok(ops->commit(f->s));
	/* Not gone as long as somebody still reads the state before. */
	assert_int_equal(ops->scrub(f->s), ERR_BUSY);
	assert_int_equal(ops->scrub(r), ERR_REFUSED);
	assert_ok(ops->commit(r));
	assert_ok(ops->scrub(f->s));
	assert_false(word_in_files(f, "marmalade"));
	assert_false(word_in_files(f, "0123456789abcdefSALT"));
	assert_int_equal(ops->content_get(r, 1, 0, made_id(1).bytes, NULL, NULL), ERR_REFUSED);
	store_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SQLITE(test_one_writer),
	    SQLITE(test_reader),
	    SQLITE(test_reader_mapped),
	    SQLITE(test_absent),
	    SQLITE(test_schema),
	    SQLITE(test_older),
	    SQLITE(test_modes),
	    SQLITE(test_full_disk),
	    SQLITE(test_erased_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
