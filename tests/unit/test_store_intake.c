/* SPDX-License-Identifier: BSD-2-Clause */
/* A store and its journal: what waits there is sealed behind the rows of the table, comes into it,
 * leaves both, and is in a backup. */
#include "store_stage.h"

#include <fcntl.h>

#include "store/backup.h"

struct rows {
	char text[400]; /* of contents, with spaces between */
	size_t count;
};

static int see(void *ctx, const struct store_inbox *row)
{
	struct rows *r = ctx;

	assert_memory_equal(row->id, made_id(row->message.data[0]).bytes, ID_LEN);
	assert_int_equal(row->salt[0], row->message.data[0]);
	assert_int_equal(row->message.len, 3);
	snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), "%.*s ",
	    (int)row->content.len, (const char *)row->content.data);
	r->count++;
	return OK;
}

static void assert_table(struct store *s, const char *text)
{
	struct rows r = {"", 0};
	uint64_t count;

	assert_ok(s->ops->inbox_each(s, 0, SIZE_MAX, see, &r));
	assert_string_equal(r.text, text);
	assert_ok(s->ops->inbox_count(s, &count));
	assert_int_equal(count, r.count);
}

static void assert_journal(struct store *s, const char *text)
{
	struct rows r = {"", 0};

	assert_ok(intake_each(store_intake(s), 0, SIZE_MAX, see, &r));
	assert_string_equal(r.text, text);
	assert_int_equal(intake_count(store_intake(s)), r.count);
}

/* As add_inbox(). */
static void add(struct store *s, uint8_t n, const char *text)
{
	uint8_t message[3] = {n, n, n}, salt[SALT_LEN] = {n};

	assert_ok(intake_add(
	    store_intake(s), made_id(n).bytes, bytes_of(message, 3), salt, bytes_str(text)));
}

static void sync_it(struct store *s)
{
	assert_ok(intake_sync(store_intake(s)));
}

static void assert_content(struct store *s, uint64_t index, uint8_t n, const char *text)
{
	struct buffer out = BUFFER_INIT;

	assert_ok(s->ops->content_get(s, 1, index, made_id(n).bytes, NULL, &out));
	assert_true(bytes_equal(buffer_bytes(&out), bytes_str(text)));
	buffer_free(&out);
}

static bool in_files(const struct fixture *f, const char *word)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-inbox1", "-inbox2"};
	static uint8_t data[1 << 22];
	bool seen = false;
	char name[128];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(name, sizeof name, "%s%s", f->path, ends[i]);
		int fd = open(name, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, data, sizeof data);

		assert_true(n >= 0 && (size_t)n < sizeof data);
		if (fd >= 0)
			close(fd);
		seen |= memmem(data, (size_t)n, word, strlen(word)) != NULL;
	}
	return seen;
}

/* ---- tests ---- */

static void test_seal(void **state)
{
	START;
	uint64_t no;

	assert_ok(ops->begin(s));
	add_log(s, 1);
	for (uint8_t n = 1; n <= 3; n++)
		assert_ok(add_inbox(s, n, n == 2 ? "" : "old", &no));
	assert_ok(ops->commit(s));
	add(s, 4, "four");
	sync_it(s);
	add(s, 5, "five");
	add(s, 6, "");
	add(s, 7, "seven");
	add(s, 8, "eight");
	sync_it(s);
	assert_table(s, "old  old ");
	assert_journal(s, "four five  seven eight ");

	/* What is not the oldest, or too many, changes nothing. */
	assert_ok(ops->begin(s));
	assert_int_equal(seal(s, 1, 0, 4, 2), ERR_INVALID);
	assert_int_equal(seal(s, 1, 0, 1, 9), ERR_INVALID);
	assert_ok(ops->commit(s));
	/* Rolled back: all of it waits as before. */
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 0, 1, 5));
	assert_ok(seal(s, 1, 5, 6, 2));
	ops->rollback(s);
	restart(f, &s);
	assert_table(s, "old  old ");
	assert_journal(s, "four five  seven eight ");

	/* Across both and into a record; and on, in the same transaction. */
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 0, 1, 5));
	assert_ok(seal(s, 1, 5, 6, 2));
	assert_ok(ops->commit(s));
	assert_table(s, "");
	assert_journal(s, "eight ");
	restart(f, &s);
	assert_journal(s, "eight ");
	assert_content(s, 0, 1, "old");
	assert_content(s, 3, 4, "four");
	assert_content(s, 4, 5, "five");
	assert_content(s, 6, 7, "seven");
	assert_int_equal(ops->content_get(s, 1, 5, made_id(6).bytes, NULL, NULL), ERR_NOTFOUND);
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 7, 8, 1));
	assert_ok(ops->commit(s));
	assert_content(s, 7, 8, "eight");
	assert_journal(s, "");
}

static void test_move(void **state)
{
	START;
	uint64_t no;

	assert_ok(ops->begin(s));
	assert_ok(add_inbox(s, 1, "one", &no));
	assert_ok(ops->commit(s));
	add(s, 2, "two");
	add(s, 3, "three");
	sync_it(s);
	assert_ok(ops->begin(s));
	assert_ok(store_intake_move(s));
	ops->rollback(s);
	assert_table(s, "one ");
	assert_journal(s, "two three ");
	assert_ok(ops->begin(s));
	assert_ok(store_intake_move(s));
	assert_ok(ops->commit(s));
	add(s, 4, "four");
	sync_it(s);
	restart(f, &s);
	assert_table(s, "one two three ");
	assert_journal(s, "four ");
	assert_ok(ops->begin(s));
	assert_ok(ops->inbox_drop(s));
	assert_ok(ops->commit(s));
	restart(f, &s);
	assert_table(s, "");
	assert_journal(s, "");
}

/* Nothing of an erased text stays, whatever waits beside it. */
static void test_erased(void **state)
{
	START;

	assert_ok(ops->begin(s));
	add_log(s, 1);
	assert_ok(ops->commit(s));
	add(s, 1, "marmalade");
	add(s, 2, "chutney");
	sync_it(s);
	add(s, 3, "mustard");
	sync_it(s);
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 0, 1, 1));
	assert_ok(ops->commit(s));
	assert_ok(ops->begin(s));
	assert_ok(ops->content_drop(s, 1, 0, made_id(1).bytes, true));
	assert_ok(ops->commit(s));
	assert_true(in_files(f, "marmalade"));
	assert_ok(ops->scrub(s));
	assert_false(in_files(f, "marmalade"));
	/* The other half of its record has come into the table. */
	assert_table(s, "chutney ");
	assert_journal(s, "mustard ");
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 1, 2, 2));
	assert_ok(ops->content_drop(s, 1, 1, made_id(2).bytes, true));
	assert_ok(ops->content_drop(s, 1, 2, made_id(3).bytes, true));
	assert_ok(ops->commit(s));
	assert_true(in_files(f, "mustard"));
	restart(f, &s);
	assert_ok(ops->scrub(s));
	assert_false(in_files(f, "mustard") || in_files(f, "chutney"));

	/* Erased before it was sealed, and taken to the table or not. */
	assert_ok(ops->begin(s));
	assert_ok(ops->content_drop(s, 1, 0, made_id(4).bytes, true));
	assert_ok(ops->commit(s));
	add(s, 4, "horseradish");
	sync_it(s);
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 3, 4, 1));
	assert_ok(ops->commit(s));
	assert_int_equal(ops->content_get(s, 1, 3, made_id(4).bytes, NULL, NULL), ERR_REFUSED);
	assert_false(in_files(f, "horseradish")); /* nobody will erase it again */
}

/* A copy has all that was accepted, and takes nothing from files of another life of it. */
static void test_backup(void **state)
{
	START;
	char to[128], why[200], part[160];
	struct store *copy;
	uint64_t no;

	snprintf(to, sizeof to, "%s/copy.db", f->dir);
	assert_ok(ops->begin(s));
	add_log(s, 1);
	assert_ok(add_inbox(s, 1, "one", &no));
	assert_ok(ops->commit(s));
	for (uint8_t n = 2; n <= 9; n++) {
		add(s, n, "more");
		if (n != 3)
			sync_it(s);
	}
	assert_ok(ops->begin(s));
	assert_ok(seal(s, 1, 0, 1, 2));
	assert_ok(ops->commit(s));
	assert_int_equal(store_backup(f->path, to, why), OK);
	assert_journal(s, "more more more more more more more ");
	add(s, 10, "later");
	sync_it(s);

	/* The journal of the other beside it. */
	for (int i = 1; i <= 2; i++) {
		char from[160];

		snprintf(from, sizeof from, "%s-inbox%d", f->path, i);
		snprintf(part, sizeof part, "%s-inbox%d", to, i);
		if (access(from, F_OK) == 0)
			assert_int_equal(link(from, part), 0);
	}
	assert_ok(store_open(&copy, &store_sqlite, to, 0));
	assert_table(copy, "more more more more more more more ");
	assert_journal(copy, "");
	assert_ok(ops->begin(copy));
	assert_ok(seal(copy, 1, 2, 3, 7));
	assert_ok(ops->commit(copy));
	assert_content(copy, 8, 9, "more");
	store_close(copy);
	static const char *const ends[] = {"", "-wal", "-shm", ".lock", "-inbox1", "-inbox2"};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(part, sizeof part, "%s%s", to, ends[i]);
		unlink(part);
	}
}

/* A store whose journal has lost what was acknowledged is not opened, and says why. */
static void test_damaged(void **state)
{
	START;
	char name[128], zero = 0, was;
	int fd;

	for (uint8_t n = 1; n <= 3; n++) {
		add(s, n, "text");
		sync_it(s);
	}
	store_close(f->s);
	f->s = NULL;
	snprintf(name, sizeof name, "%s-inbox1", f->path);
	fd = open(name, O_RDWR);
	assert_int_equal(pread(fd, &was, 1, 4096), 1);
	assert_int_equal(pwrite(fd, &zero, 1, 4096), 1);
	assert_int_equal(store_open(&f->s, ops, f->path, 0), ERR_STORE);
	assert_non_null(strstr(store_error(NULL), "damaged"));
	assert_int_equal(pwrite(fd, &was, 1, 4096), 1);
	close(fd);
	assert_ok(store_open(&f->s, ops, f->path, 0));
	assert_journal(f->s, "text text text ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SQLITE(test_seal),
	    SQLITE(test_move),
	    SQLITE(test_erased),
	    SQLITE(test_backup),
	    SQLITE(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
