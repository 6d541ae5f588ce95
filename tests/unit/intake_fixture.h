/* SPDX-License-Identifier: BSD-2-Clause */
/* A journal of the inbox in a folder of its own, and messages that are made from their numbers. */
#ifndef TESTS_INTAKE_FIXTURE_H
#define TESTS_INTAKE_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/intake.h"

enum { FILE_ROOM = 4 << 20 };

struct stage {
	char dir[64], path[96];
	struct intake *j;
};

static const uint8_t key[INTAKE_KEY] = {1, 2, 3};

static const char *file_of(const struct stage *t, int n)
{
	static char name[2][128];

	snprintf(name[n], sizeof name[n], "%s-inbox%d", t->path, n + 1);
	return name[n];
}

static inline int setup(void **state)
{
	struct stage *t = calloc(1, sizeof *t);

	snprintf(t->dir, sizeof t->dir, "/tmp/convene-intake.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof t->path, "%s/db", t->dir);
	*state = t;
	return 0;
}

static inline int teardown(void **state)
{
	struct stage *t = *state;

	intake_close(t->j);
	unlink(file_of(t, 0));
	unlink(file_of(t, 1));
	rmdir(t->dir);
	free(t);
	return 0;
}

static inline int open_it(struct stage *t, uint64_t taken)
{
	char why[160];

	intake_close(t->j);
	t->j = NULL;
	return intake_open(&t->j, t->path, key, taken, 0, why);
}

/* ---- messages, each made from its number ---- */

static inline size_t text_len(uint64_t no)
{
	return no % 7 == 0 ? 9000 + no % 1000 : no % 5 == 0 ? 0 : no * 37 % 600;
}

static inline void text_make(uint8_t *out, uint64_t no, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(no * 131 + i * 7 + (i >> 8) + 1);
}

static inline int add(struct intake *j, uint64_t no)
{
	static _Thread_local uint8_t text[16384];
	uint8_t id[ID_LEN] = {(uint8_t)no, (uint8_t)(no >> 8), 'i'},
		salt[SALT_LEN] = {(uint8_t)no, 's'};

	text_make(text, no, text_len(no));
	return intake_add(j, id, bytes_of(id, 5 + no % 20), salt, bytes_of(text, text_len(no)));
}

/* Numbers [from, to], in one record. */
static inline void record(struct intake *j, uint64_t from, uint64_t to)
{
	for (uint64_t no = from; no <= to; no++)
		assert_int_equal(add(j, no), OK);
	assert_int_equal(intake_sync(j), OK);
}

static inline int see(void *ctx, const struct store_inbox *row)
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

static inline void assert_waiting(struct intake *j, uint64_t from, uint64_t to)
{
	uint64_t last = from - 1;

	assert_int_equal(intake_each(j, 0, SIZE_MAX, see, &last), OK);
	assert_int_equal(last, to);
	assert_int_equal(intake_count(j), to + 1 - from);
	assert_int_equal(intake_last(j), to);
}

static inline size_t load(const char *path, uint8_t *out)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, out, FILE_ROOM);

	if (fd >= 0)
		close(fd);
	assert_true(n >= 0 && n < FILE_ROOM);
	return (size_t)n;
}

static inline void put_at(const char *path, const uint8_t *data, size_t len, size_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
	close(fd);
}

static inline size_t used(const char *path)
{
	static uint8_t data[FILE_ROOM];
	size_t len = load(path, data), count = 0;

	for (size_t i = 0; i < len; i++)
		count += data[i] != 0;
	return count;
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
