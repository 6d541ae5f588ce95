/* SPDX-License-Identifier: BSD-2-Clause */
/* The read-only opening by another system user, who may read by group and write nothing. Needs
 * root; skipped otherwise. */
#include "store_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { READER = 65534, GROUP = 65533, STRANGER = 65532 };

static int setup(void **state)
{
	static struct fixture f;

	if (geteuid() != 0)
		return 0;
	mode_t old = umask(027);
	fixture_make(&f, &store_sqlite);
	fixture_drop(&f);
	/* As an operator makes it: mkdir, chgrp, chmod 2750. */
	snprintf(f.dir, sizeof(f.dir), "/tmp/convene-store.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	assert_int_equal(chown(f.dir, 0, GROUP), 0);
	assert_int_equal(chmod(f.dir, 02750), 0);
	snprintf(f.path, sizeof(f.path), "%s/store.db", f.dir);
	assert_ok(store_open(&f.s, &store_sqlite, f.path, 0));
	umask(old);
	assert_ok(f.s->ops->begin(f.s));
	add_log(f.s, 1);
	assert_ok(append_made(f.s, 1, 1, 0, 10));
	assert_ok(f.s->ops->commit(f.s));
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	if (geteuid() == 0)
		fixture_drop(*state);
	return 0;
}

static bool become(uid_t user, gid_t group)
{
	return setgroups(1, &group) == 0 && setgid(user) == 0 && setuid(user) == 0;
}

/* What reading gives: the size of log 1, or a negative error. */
static int read_size(struct store *s)
{
	struct seen_log seen;
	struct buffer out = BUFFER_INIT;
	size_t got;
	int err = s->ops->log_get(s, 1, see_log, &seen);

	if (err == OK)
		err = s->ops->read(s, 1, 0, seen.log.size, SIZE_MAX, &out, &got);
	if (err == OK && got != seen.log.size)
		err = ERR_STORE;
	buffer_free(&out);
	return err == OK ? (int)seen.log.size : err;
}

/* A process of that user that opens the store, and then reads whenever it is asked to. It is this
 * program once more, since SQLite may not be carried across a fork: the child would use the
 * parent's locks and shared memory. */
struct reader {
	pid_t pid;
	int ask, answer;
};

static int serve(const char *path, uid_t user)
{
	struct store *s;
	char c;

	if (!become(user, user == READER ? GROUP : user))
		return 2;
	int size = store_open(&s, &store_sqlite, path, STORE_READ_ONLY | STORE_MAPPED);
	do {
		if (s != NULL)
			size = read_size(s);
		if (write(STDOUT_FILENO, &size, sizeof(size)) != sizeof(size))
			return 3;
	} while (read(STDIN_FILENO, &c, 1) == 1);
	store_close(s);
	return 0;
}

/* Run this program as `what` with pipes to it. */
static void start(struct reader *r, const char *what, const char *path, uid_t user)
{
	int ask[2], answer[2];
	char number[16];

	assert_int_equal(pipe2(ask, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	snprintf(number, sizeof(number), "%u", (unsigned)user);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		dup2(ask[0], STDIN_FILENO);
		dup2(answer[1], STDOUT_FILENO);
		execl("/proc/self/exe", "test_store_reader", what, path, number, (char *)NULL);
		_exit(127);
	}
	close(ask[0]);
	close(answer[1]);
	r->ask = ask[1];
	r->answer = answer[0];
}

static int answer_of(const struct reader *r)
{
	int size = -1;
	assert_int_equal(read(r->answer, &size, sizeof(size)), sizeof(size));
	return size;
}

/* Start one and give its first answer. */
static int reader_start(struct reader *r, const char *path, uid_t user)
{
	start(r, "reader", path, user);
	return answer_of(r);
}

static int reader_again(const struct reader *r)
{
	assert_int_equal(write(r->ask, "?", 1), 1);
	return answer_of(r);
}

static void reader_stop(struct reader *r)
{
	int status;

	close(r->ask);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(r->answer);
}

/* One look by a fresh process. */
static int look(const char *path, uid_t user)
{
	struct reader r;
	int size = reader_start(&r, path, user);
	reader_stop(&r);
	return size;
}

static void grow(struct store *s, uint64_t from, size_t count)
{
	assert_ok(s->ops->begin(s));
	assert_ok(append_made(s, 1, 1, from, count));
	assert_ok(s->ops->commit(s));
}

/* Commit seven entries, say so, and wait to be killed. */
static int write_and_wait(const char *path)
{
	struct store *s;
	int size;

	if (store_open(&s, &store_sqlite, path, 0) != OK)
		return 1;
	grow(s, 10, 7);
	size = read_size(s);
	if (write(STDOUT_FILENO, &size, sizeof(size)) != sizeof(size))
		return 1;
	for (;;)
		pause();
}

#define ROOT_ONLY           \
	if (geteuid() != 0) \
	skip()

static void test_beside_the_writer(void **state)
{
	ROOT_ONLY;
	struct fixture *f = *state;
	struct reader r;

	assert_int_equal(reader_start(&r, f->path, READER), 10);
	grow(f->s, 10, 5);
	assert_int_equal(reader_again(&r), 15);
	/* The writer moves the log into the database and begins it anew, under the reader. */
	assert_ok(sqlite_wal_truncate((struct sqlite_store *)f->s));
	assert_int_equal(reader_again(&r), 15);
	for (uint64_t at = 15; at < 40; at++) {
		grow(f->s, at, 1);
		assert_int_equal(reader_again(&r), at + 1);
		if (at % 10 == 0)
			assert_ok(sqlite_wal_truncate((struct sqlite_store *)f->s));
	}
	assert_int_equal(look(f->path, READER), 40);
	reader_stop(&r);
	assert_int_equal(look(f->path, STRANGER), ERR_IO);
}

static void test_without_a_writer(void **state)
{
	ROOT_ONLY;
	struct fixture *f = *state;
	struct reader r;

	store_close(f->s);
	assert_int_equal(look(f->path, READER), 10);
	assert_int_equal(reader_start(&r, f->path, READER), 10);
	/* The writer comes back and finds a reader who made do without shared memory. */
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	assert_int_equal(reader_again(&r), 10);
	grow(f->s, 10, 5);
	assert_int_equal(reader_again(&r), 15);
	assert_ok(sqlite_wal_truncate((struct sqlite_store *)f->s));
	grow(f->s, 15, 5);
	assert_int_equal(reader_again(&r), 20);
	store_close(f->s);
	assert_int_equal(reader_again(&r), 20);
	reader_stop(&r);
	assert_int_equal(look(f->path, READER), 20);
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	assert_int_equal(read_size(f->s), 20);
}

/* The writer is killed; what it had committed lies in its write-ahead log only. */
static void test_after_a_crash(void **state)
{
	ROOT_ONLY;
	struct fixture *f = *state;
	struct reader writer, before, after;
	int status;

	store_close(f->s);
	start(&writer, "writer", f->path, 0);
	assert_int_equal(answer_of(&writer), 17);
	assert_int_equal(reader_start(&before, f->path, READER), 17);
	kill(writer.pid, SIGKILL);
	assert_int_equal(waitpid(writer.pid, &status, 0), writer.pid);
	close(writer.ask);
	close(writer.answer);

	assert_int_equal(reader_again(&before), 17);
	assert_int_equal(reader_start(&after, f->path, READER), 17);
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	grow(f->s, 17, 3);
	assert_int_equal(reader_again(&before), 20);
	assert_int_equal(reader_again(&after), 20);
	reader_stop(&before);
	reader_stop(&after);
}

/* The files that must be there: without -shm or -wal such a reader can't open. */
static void test_what_it_needs(void **state)
{
	ROOT_ONLY;
	struct fixture *f = *state;
	char name[128];

	store_close(f->s);
	snprintf(name, sizeof(name), "%s-shm", f->path);
	assert_int_equal(chmod(name, 0600), 0);
	assert_true(look(f->path, READER) < 0);
	assert_int_equal(chmod(name, 0640), 0);
	assert_int_equal(look(f->path, READER), 10);
	assert_int_equal(unlink(name), 0);
	assert_true(look(f->path, READER) < 0);
	/* The writer makes them again, with the database's mode. */
	assert_ok(store_open(&f->s, &store_sqlite, f->path, 0));
	assert_int_equal(look(f->path, READER), 10);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "reader") == 0)
		return serve(argv[2], (uid_t)strtoul(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "writer") == 0)
		return write_and_wait(argv[2]);

	const struct CMUnitTest tests[] = {
	    EACH(test_beside_the_writer),
	    EACH(test_without_a_writer),
	    EACH(test_after_a_crash),
	    EACH(test_what_it_needs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
