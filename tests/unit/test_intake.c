/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of the inbox on real files: what was made durable is there after any crash, once and
 * in order, and what is damaged is told. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/intake.h"

enum { PAGE = 4096, SECTOR = 512, FILE_ROOM = 4 << 20 };

struct stage {
	char dir[64], path[96];
	struct intake *j;
};

static const uint8_t key[INTAKE_KEY] = {1, 2, 3}, other_key[INTAKE_KEY] = {1, 2, 4};

static const char *file_of(const struct stage *t, int n)
{
	static char name[2][128];

	snprintf(name[n], sizeof name[n], "%s-inbox%d", t->path, n + 1);
	return name[n];
}

static int setup(void **state)
{
	struct stage *t = calloc(1, sizeof *t);

	snprintf(t->dir, sizeof t->dir, "/tmp/convene-intake.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof t->path, "%s/db", t->dir);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct stage *t = *state;

	intake_close(t->j);
	unlink(file_of(t, 0));
	unlink(file_of(t, 1));
	rmdir(t->dir);
	free(t);
	return 0;
}

static int open_it(struct stage *t, uint64_t taken)
{
	char why[160];

	intake_close(t->j);
	t->j = NULL;
	return intake_open(&t->j, t->path, key, taken, 0, why);
}

/* ---- messages, each made from its number ---- */

static size_t text_len(uint64_t no)
{
	return no % 7 == 0 ? 9000 + no % 1000 : no % 5 == 0 ? 0 : no * 37 % 600;
}

static void text_make(uint8_t *out, uint64_t no, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(no * 131 + i * 7 + (i >> 8) + 1);
}

static int add(struct intake *j, uint64_t no)
{
	static uint8_t text[16384];
	uint8_t id[ID_LEN] = {(uint8_t)no, (uint8_t)(no >> 8), 'i'},
		salt[SALT_LEN] = {(uint8_t)no, 's'};

	text_make(text, no, text_len(no));
	return intake_add(j, id, bytes_of(id, 5 + no % 20), salt, bytes_of(text, text_len(no)));
}

/* Numbers [from, to], in one record. */
static void record(struct intake *j, uint64_t from, uint64_t to)
{
	for (uint64_t no = from; no <= to; no++)
		assert_int_equal(add(j, no), OK);
	assert_int_equal(intake_sync(j), OK);
}

static int see(void *ctx, const struct store_inbox *row)
{
	static uint8_t text[16384];
	uint64_t *last = ctx;

	assert_int_equal(row->no, *last + 1);
	*last = row->no;
	assert_int_equal(row->id[0] | row->id[1] << 8, row->no & 0xffff);
	assert_int_equal(row->salt[0], row->no & 0xff);
	assert_int_equal(row->message.len, 5 + row->no % 20);
	assert_memory_equal(row->message.data, row->id, row->message.len);
	text_make(text, row->no, text_len(row->no));
	assert_true(bytes_equal(row->content, bytes_of(text, text_len(row->no))));
	return OK;
}

static void assert_waiting(struct intake *j, uint64_t from, uint64_t to)
{
	uint64_t last = from - 1;

	assert_int_equal(intake_each(j, 0, SIZE_MAX, see, &last), OK);
	assert_int_equal(last, to);
	assert_int_equal(intake_count(j), to + 1 - from);
	assert_int_equal(intake_last(j), to);
}

static size_t load(const char *path, uint8_t *out)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, out, FILE_ROOM);

	if (fd >= 0)
		close(fd);
	assert_true(n >= 0 && n < FILE_ROOM);
	return (size_t)n;
}

static void put_at(const char *path, const uint8_t *data, size_t len, size_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
	close(fd);
}

static size_t used(const char *path)
{
	static uint8_t data[FILE_ROOM];
	size_t len = load(path, data), count = 0;

	for (size_t i = 0; i < len; i++)
		count += data[i] != 0;
	return count;
}

/* ---- tests ---- */

static void test_order(void **state)
{
	struct stage *t = *state;
	uint64_t last;
	struct stat st;

	assert_int_equal(open_it(t, 0), OK);
	assert_int_equal(access(file_of(t, 0), F_OK), -1); /* who takes nothing in needs no file */
	assert_waiting(t->j, 1, 0);
	assert_int_equal(intake_sync(t->j), OK);
	record(t->j, 1, 1);
	record(t->j, 2, 40);
	record(t->j, 41, 41);
	assert_waiting(t->j, 1, 41);
	assert_int_equal(stat(file_of(t, 0), &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	assert_int_equal(st.st_mode & 0027, 0);

	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, 41);
	last = 20;
	assert_int_equal(intake_each(t->j, 20, 5, see, &last), OK);
	assert_int_equal(last, 25);
	/* Taken in the middle of a record: the rest of it waits. */
	intake_taken(t->j, 17);
	assert_waiting(t->j, 18, 41);
	assert_int_equal(intake_parted(t->j), 23);
	record(t->j, 42, 43);
	assert_waiting(t->j, 18, 43);
	assert_int_equal(open_it(t, 17), OK);
	assert_waiting(t->j, 18, 43);
	intake_taken(t->j, 43);
	assert_int_equal(intake_parted(t->j), 0);
	/* It begins again at its start, and numbers go on. */
	record(t->j, 44, 50);
	assert_int_equal(open_it(t, 43), OK);
	assert_waiting(t->j, 44, 50);
	assert_int_equal(open_it(t, 50), OK);
	assert_waiting(t->j, 51, 50);
	record(t->j, 51, 51);
	assert_waiting(t->j, 51, 51);
}

/* With something waiting at any time, and sometimes much: two files, and neither grows on. */
static void test_bounds(void **state)
{
	struct stage *t = *state;
	uint64_t no = 0, taken = 0;
	struct stat st;

	assert_int_equal(open_it(t, 0), OK);
	for (int i = 0; i < 1500; i++) {
		record(t->j, no + 1, no + 3);
		no += 3;
		if (no - taken > 60)
			intake_taken(t->j, taken += 55);
		if (i % 100 == 0) {
			assert_int_equal(open_it(t, taken), OK);
			assert_waiting(t->j, taken + 1, no);
		}
	}
	assert_int_equal(stat(file_of(t, 1), &st), 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(stat(file_of(t, n), &st), 0);
		assert_true(st.st_size <= 2 << 20);
	}
	assert_true(used(file_of(t, 0)) > 100000 && used(file_of(t, 1)) > 100000);
	assert_int_equal(intake_scrub(t->j), OK);
	assert_true(used(file_of(t, 0)) + used(file_of(t, 1)) < 400000);
	assert_waiting(t->j, taken + 1, no);
	assert_int_equal(open_it(t, taken), OK);
	assert_waiting(t->j, taken + 1, no);
	intake_taken(t->j, no);
	assert_int_equal(intake_scrub(t->j), OK);
	assert_int_equal(used(file_of(t, 0)) + used(file_of(t, 1)), 0);
	record(t->j, no + 1, no + 1);
	assert_waiting(t->j, no + 1, no + 1);

	/* A long time of which nothing is taken; then it is given back. */
	for (uint64_t i = no + 2; i < no + 1200; i++)
		record(t->j, i, i);
	assert_int_equal(open_it(t, no), OK);
	assert_waiting(t->j, no + 1, no + 1199);
	intake_taken(t->j, no + 1199);
	assert_int_equal(intake_scrub(t->j), OK);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(stat(file_of(t, n), &st), 0);
		assert_true(st.st_size <= 4 << 20);
	}
}

/* Of the last write any of its sectors may be on the disk, over zeros and over what was there. */
static void test_torn(void **state)
{
	static uint8_t before[FILE_ROOM], after[FILE_ROOM];
	struct stage *t = *state;

	for (int stale = 0; stale < 2; stale++) {
		uint64_t no = stale ? 60 : 0;

		unlink(file_of(t, 0));
		assert_int_equal(open_it(t, 0), OK);
		if (stale) { /* older records, of the same length too */
			for (uint64_t i = 1; i <= 60; i += 6)
				record(t->j, i, i + 5);
			intake_taken(t->j, 60);
		}
		record(t->j, no + 1, no + 3);
		size_t len = load(file_of(t, 0), before);
		record(t->j, no + 4, no + 12);
		assert_int_equal(load(file_of(t, 0), after), len);
		assert_int_equal(open_it(t, no), OK);
		assert_waiting(t->j, no + 1, no + 12);
		size_t from = 0, to = len;
		while (memcmp(before + from, after + from, SECTOR) == 0)
			from += SECTOR;
		while (memcmp(before + to - SECTOR, after + to - SECTOR, SECTOR) == 0)
			to -= SECTOR;
		size_t count = (to - from) / SECTOR;
		size_t whole = from + get_u32(after + from + 20); /* zeros behind it may lack */
		assert_true(from % PAGE == 0 && count > 10);
		for (int round = 0; round < 300; round++) {
			bool all = true;

			srand((unsigned)round);
			for (size_t i = 0; i < count; i++) {
				/* Prefixes, suffixes, all but one, and any. */
				bool on = round < (int)count       ? i < (size_t)round
					  : round < 2 * (int)count ? i != (size_t)round - count
								   : rand() % 4 != 0;
				size_t at = from + i * SECTOR;

				all &= on || at >= whole ||
				       memcmp(before + at, after + at, SECTOR) == 0;
				put_at(file_of(t, 0), (on ? after : before) + at, SECTOR, at);
			}
			assert_int_equal(open_it(t, no), OK);
			assert_waiting(t->j, no + 1, all ? no + 12 : no + 3);
			if (round % 50 == 7 && !all) { /* and it goes on from there */
				record(t->j, no + 4, no + 5);
				assert_int_equal(open_it(t, no), OK);
				assert_waiting(t->j, no + 1, no + 5);
			}
			put_at(file_of(t, 0), before, len, 0);
		}
	}
}

static void test_damage(void **state)
{
	static uint8_t data[FILE_ROOM];
	struct stage *t = *state;
	char why[160];

	assert_int_equal(open_it(t, 0), OK);
	record(t->j, 1, 2);
	record(t->j, 3, 4);
	record(t->j, 5, 9);
	size_t len = load(file_of(t, 0), data), third = 0;
	for (size_t at = 0; at < len; at += PAGE)
		if (memcmp(data + at, data, 8) == 0)
			third = at;
	assert_true(third > PAGE);
	for (size_t at = 0; at < len && at < 8 * PAGE; at += at < 300 ? 1 : 97) {
		uint8_t bad = data[at] ^ (uint8_t)(1 << at % 8);

		put_at(file_of(t, 0), &bad, 1, at);
		int err = open_it(t, 0);
		/* In front of what was written later it was acknowledged. */
		if (err == OK)
			assert_waiting(t->j, 1, intake_last(t->j));
		else
			assert_int_equal(err, ERR_STORE);
		if (err == OK && at < third)
			assert_int_equal(intake_last(t->j), 9); /* between two records */
		if (at < 100)
			assert_int_equal(err, ERR_STORE);
		assert_true(err == OK || at < third);
		/* What is taken may look as it likes. */
		assert_int_equal(open_it(t, 4), OK);
		if (at < third)
			assert_waiting(t->j, 5, 9);
		put_at(file_of(t, 0), &data[at], 1, at);
	}
	memset(data, 0, PAGE);
	put_at(file_of(t, 0), data, PAGE, 0);
	assert_int_equal(open_it(t, 0), ERR_STORE);
	intake_open(&t->j, t->path, key, 0, 0, why);
	assert_non_null(strstr(why, "before number 3"));
}

/* Records of another key, wherever they come from: also within what somebody has sent. */
static void test_foreign(void **state)
{
	static uint8_t data[FILE_ROOM];
	struct stage *t = *state;
	const uint8_t id[ID_LEN] = {1}, salt[SALT_LEN] = {2};
	char why[160];

	assert_int_equal(intake_open(&t->j, t->path, other_key, 70, 0, why), OK);
	record(t->j, 71, 72);
	record(t->j, 73, 73);
	load(file_of(t, 0), data);
	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, 0);
	record(t->j, 1, 1);
	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, 1);
	/* At the place of a page, in a record that is not whole. */
	size_t skip = PAGE - 56 - 72 - 1;
	uint8_t *content = calloc(1, skip + 4 * PAGE);
	memcpy(content + skip, data, 4 * PAGE);
	assert_int_equal(
	    intake_add(t->j, id, bytes_of("m", 1), salt, bytes_of(content, skip + 4 * PAGE)), OK);
	assert_int_equal(intake_sync(t->j), OK);
	free(content);
	static uint8_t file[FILE_ROOM];
	load(file_of(t, 0), file);
	size_t at = PAGE;
	while (memcmp(file + at, data, 8) != 0 || memcmp(file + at, data, 4 * PAGE) != 0)
		at += PAGE;
	file[at - PAGE + 60] ^= 1;
	put_at(file_of(t, 0), file, at, 0);
	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, 1);
}

/* A disk that takes no more: what was there stays, and nothing more is said to be durable. */
static void test_full(void **state)
{
	struct stage *t = *state;
	struct rlimit old, small = {300 * 1024, 300 * 1024};
	uint64_t no = 0;
	int err = OK;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(open_it(t, 0), OK);
	record(t->j, 1, 3);
	no = 3;
	small.rlim_cur = (1 << 20) + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (err == OK) {
		err = add(t->j, no + 1);
		if (err == OK)
			err = intake_sync(t->j);
		no += err == OK;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(no > 100);
	assert_int_equal(err, ERR_IO);
	assert_int_equal(add(t->j, no + 1), ERR_IO);
	assert_int_equal(intake_sync(t->j), ERR_IO);
	assert_waiting(t->j, 1, no);
	assert_int_equal(open_it(t, 0), OK);
	assert_waiting(t->j, 1, no);
	record(t->j, no + 1, no + 2);
	assert_waiting(t->j, 1, no + 2);
}

/* ---- kill -9 ---- */

static void write_for_ever(const char *path, uint64_t taken, int out)
{
	struct intake *j;
	char why[160];

	if (intake_open(&j, path, key, taken, 0, why) != OK)
		_exit(1);
	for (uint64_t no = intake_last(j);;) {
		uint64_t end = no + 1 + no % 4;

		while (no < end)
			if (add(j, ++no) != OK)
				_exit(1);
		if (intake_sync(j) != OK || write(out, &no, sizeof no) != sizeof no)
			_exit(1);
		if (no % 3 == 0)
			intake_taken(j, taken); /* its start is free again */
	}
}

static void test_kill(void **state)
{
	struct stage *t = *state;
	uint64_t taken = 0;

	for (int round = 0; round < 60; round++) {
		struct timespec wait = {0, round * 200000L};
		uint64_t acked = 0, next;
		int ends[2], status;

		assert_int_equal(pipe(ends), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_for_ever(t->path, taken, ends[1]);
		close(ends[1]);
		assert_int_equal(read(ends[0], &acked, sizeof acked), sizeof acked);
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		while (read(ends[0], &next, sizeof next) == sizeof next)
			acked = next;
		close(ends[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(open_it(t, taken), OK);
		assert_true(intake_last(t->j) >= acked);
		assert_waiting(t->j, taken + 1, intake_last(t->j));
		taken = intake_last(t->j) - (uint64_t)(round % 3);
		intake_close(t->j);
		t->j = NULL;
	}
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {ONE(test_order), ONE(test_bounds), ONE(test_torn),
	    ONE(test_damage), ONE(test_foreign), ONE(test_full), ONE(test_kill)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
