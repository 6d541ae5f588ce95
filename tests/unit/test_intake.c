/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of the inbox on real files: what was made durable is there, once and in order, and
 * what is damaged is told. */
#include "intake_fixture.h"

enum { PAGE = 4096, SECTOR = 512 };

static const uint8_t other_key[INTAKE_KEY] = {1, 2, 4};

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

	/* Without a scrub as well: what is begun anew is small again. */
	no += 1199;
	for (uint64_t i = no + 1; i <= no + 2000; i++)
		record(t->j, i, i);
	assert_int_equal(stat(file_of(t, 0), &st), 0);
	off_t large = st.st_size;
	assert_int_equal(stat(file_of(t, 1), &st), 0);
	assert_true(large > 5 << 20 || st.st_size > 5 << 20);
	assert_true(intake_bytes(t->j) > 1 << 20);
	intake_taken(t->j, no += 2000);
	assert_int_equal(intake_bytes(t->j), 0);
	for (uint64_t i = no + 1; i <= no + 600; i++)
		record(t->j, i, i);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(stat(file_of(t, n), &st), 0);
		assert_true(st.st_size <= 5 << 20);
	}
	assert_waiting(t->j, no + 1, no + 600);
	assert_int_equal(open_it(t, no), OK);
	assert_waiting(t->j, no + 1, no + 600);
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
	/* Nobody can know what a record begins with. */
	static uint8_t ours[FILE_ROOM];
	load(file_of(t, 0), ours);
	assert_memory_not_equal(ours, data, 8);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ONE(test_order), ONE(test_bounds), ONE(test_torn), ONE(test_damage), ONE(test_foreign)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
