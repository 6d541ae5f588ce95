/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "member/keyindex.h"
#include "member/members.h"
#include "member_fixture.h"

/* Organisation n: names repeat every eight, so that homonyms are common. Keys are only compared. */
static void org(unsigned n, char name[static 32], uint8_t key[static KEY_LEN])
{
	snprintf(name, 32, "o%u.example", n % 8);
	memset(key, 0, KEY_LEN);
	put_u32(key + 28, n);
}

static struct members *new_members(unsigned founders, uint32_t admit)
{
	struct verifier v[16];
	struct charter c;
	char name[32];
	memset(v, 0, sizeof(v));
	for (unsigned i = 0; i < founders; i++) {
		org(i, name, v[i].public);
		strcpy(v[i].name, name);
	}
	fixture_charter(&c, v, founders, admit);
	struct members *m = members_new(&c);
	assert_non_null(m);
	return m;
}

static int admit(struct members *m, unsigned by, unsigned whom)
{
	char by_name[32], name[32];
	uint8_t by_key[KEY_LEN], key[KEY_LEN];
	org(by, by_name, by_key);
	org(whom, name, key);
	return members_admit(m, bytes_str(by_name), by_key, bytes_str(name), key);
}

static bool has(const struct members *m, unsigned n)
{
	char name[32];
	uint8_t key[KEY_LEN];
	org(n, name, key);
	return members_has(m, bytes_str(name), key);
}

static void test_founders(void **state)
{
	(void)state;
	struct members *m = new_members(10, 2);
	assert_int_equal(members_count(m), 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(has(m, i));
		assert_true(members_at(m, i)->founder);
	}
	assert_false(has(m, 10));
	assert_null(members_at(m, 10));
	/* By name, then key: 0 and 8 are homonyms, as are 1 and 9. */
	static const unsigned order[] = {0, 8, 1, 9, 2, 3, 4, 5, 6, 7};
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(members_at(m, i)->root_key[31], order[i]);
	members_free(m);
	members_free(NULL);
}

static void test_threshold(void **state)
{
	(void)state;
	for (uint32_t k = 1; k <= 4; k++) {
		struct members *m = new_members(4, k);
		for (unsigned by = 0; by < k; by++) {
			assert_false(has(m, 20));
			assert_int_equal(admit(m, by, 20), by + 1 == k);
			/* Saying it again changes nothing. */
			assert_int_equal(admit(m, by, 20), 0);
		}
		assert_true(has(m, 20));
		assert_int_equal(members_count(m), 5);
		size_t founders = 0;
		for (size_t i = 0; i < members_count(m); i++)
			founders += members_at(m, i)->founder;
		assert_int_equal(founders, 4);
		members_free(m);
	}
}

static void test_self_and_strangers(void **state)
{
	(void)state;
	struct members *m = new_members(2, 2);
	assert_int_equal(admit(m, 20, 20), 0);
	assert_int_equal(admit(m, 0, 20), 0);
	assert_int_equal(admit(m, 20, 20), 0);
	/* Strangers who admit one another, and one who was admitted once. */
	assert_int_equal(admit(m, 21, 20), 0);
	assert_int_equal(admit(m, 22, 20), 0);
	assert_int_equal(admit(m, 20, 21), 0);
	assert_int_equal(admit(m, 22, 21), 0);
	assert_false(has(m, 20));
	assert_int_equal(members_count(m), 2);
	/* A homonym of a founder isn't the founder, whether it admits or is admitted. */
	assert_int_equal(admit(m, 8, 20), 0);
	assert_false(has(m, 20));
	assert_int_equal(admit(m, 1, 28), 0);
	assert_false(has(m, 20));
	/* With the second admission by a member it goes, and what it said before now counts. */
	assert_int_equal(admit(m, 1, 20), 1);
	assert_true(has(m, 20));
	assert_false(has(m, 28));
	assert_false(has(m, 21));
	assert_int_equal(admit(m, 0, 21), 1);
	assert_int_equal(members_count(m), 4);
	members_free(m);
}

/* Each is admitted by the two before it; said backwards, nothing holds until the last word. */
static void test_chain(void **state)
{
	(void)state;
	enum { LAST = 400 };
	struct members *m = new_members(2, 2);
	for (unsigned n = LAST; n > 2; n--) {
		assert_int_equal(admit(m, n - 1, n), 0);
		assert_int_equal(admit(m, n - 2, n), 0);
	}
	assert_int_equal(admit(m, 1, 2), 0);
	assert_int_equal(members_count(m), 2);
	assert_int_equal(admit(m, 0, 2), 1);
	assert_int_equal(members_count(m), LAST + 1);
	for (size_t i = 1; i < members_count(m); i++) {
		const struct member *a = members_at(m, i - 1), *b = members_at(m, i);
		int order = strcmp(a->name, b->name);
		assert_true(
		    order < 0 || (order == 0 && memcmp(a->root_key, b->root_key, KEY_LEN) < 0));
	}
	members_free(m);
}

/* A ring without a founder's word never lifts itself up. */
static void test_ring(void **state)
{
	(void)state;
	struct members *m = new_members(1, 1);
	for (unsigned n = 0; n < 50; n++)
		assert_int_equal(admit(m, 20 + n, 20 + (n + 1) % 50), 0);
	assert_int_equal(members_count(m), 1);
	assert_int_equal(admit(m, 0, 33), 1);
	assert_int_equal(members_count(m), 51);
	members_free(m);
}

static uint32_t seed;
static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* The definition, as slowly as it can be computed. */
enum { ORGS = 24, EDGES = 120 };
static size_t naive(
    bool member[static ORGS], const unsigned (*edges)[2], unsigned founders, uint32_t k)
{
	size_t count = founders;
	bool grew = true;
	for (unsigned i = 0; i < ORGS; i++)
		member[i] = i < founders;
	while (grew) {
		grew = false;
		for (unsigned whom = 0; whom < ORGS; whom++) {
			bool by[ORGS] = {false};
			uint32_t votes = 0;
			for (unsigned e = 0; e < EDGES; e++)
				if (edges[e][1] == whom && edges[e][0] != whom &&
				    member[edges[e][0]])
					by[edges[e][0]] = true;
			for (unsigned i = 0; i < ORGS; i++)
				votes += by[i];
			if (!member[whom] && votes >= k) {
				member[whom] = grew = true;
				count++;
			}
		}
	}
	return count;
}

static void test_order_never_matters(void **state)
{
	(void)state;
	size_t partial = 0;
	for (seed = 1; seed < 4000;) {
		uint32_t was = seed, k = 1 + rnd(4);
		unsigned founders = k + rnd(3), edges[EDGES][2];
		for (unsigned e = 0; e < EDGES; e++) {
			edges[e][0] = rnd(ORGS);
			edges[e][1] = rnd(ORGS);
			/* Some sets sparse, so that not everyone gets in. */
			if (e > 0 && rnd(4) < was % 4)
				memcpy(edges[e], edges[0], sizeof(edges[e]));
		}
		bool member[ORGS];
		size_t count = naive(member, (const unsigned(*)[2])edges, founders, k);
		partial += count > founders && count < ORGS;
		for (unsigned round = 0; round < 5; round++) {
			struct members *m = new_members(founders, k);
			for (unsigned e = EDGES; e > 0; e--) {
				unsigned j = rnd(e), by = edges[j][0], whom = edges[j][1];
				memcpy(edges[j], edges[e - 1], sizeof(edges[j]));
				edges[e - 1][0] = by;
				edges[e - 1][1] = whom;
				size_t before = members_count(m);
				int grew = admit(m, by, whom);
				assert_int_equal(grew, members_count(m) > before);
			}
			if (members_count(m) != count)
				fail_msg("seed %u, k = %u: %zu instead of %zu", was, k,
				    members_count(m), count);
			for (unsigned i = 0; i < ORGS; i++)
				assert_int_equal(has(m, i), member[i]);
			members_free(m);
		}
		seed = was + 10;
	}
	assert_true(partial > 50);
}

/* Names of the longest kind, and what can't be one. */
static void test_names(void **state)
{
	(void)state;
	struct members *m = new_members(1, 1);
	char by[32], name[ORG_NAME_MAX + 2];
	uint8_t by_key[KEY_LEN], key[KEY_LEN] = {1};
	org(0, by, by_key);
	memset(name, 'a', sizeof(name));
	assert_int_equal(
	    members_admit(m, bytes_str(by), by_key, bytes_of(name, ORG_NAME_MAX + 1), key), 0);
	assert_int_equal(members_admit(m, bytes_str(by), by_key, bytes_of(name, 0), key), 0);
	assert_int_equal(members_admit(m, bytes_str(by), by_key, bytes_of("a\0b", 3), key), 0);
	assert_int_equal(
	    members_admit(m, bytes_str(by), by_key, bytes_of(name, ORG_NAME_MAX), key), 1);
	assert_true(members_has(m, bytes_of(name, ORG_NAME_MAX), key));
	assert_false(members_has(m, bytes_of(name, ORG_NAME_MAX - 1), key));
	assert_false(members_has(m, bytes_of(name, ORG_NAME_MAX + 1), key));
	members_free(m);
}

/* The index below: whatever the order of keys, everything is found, and nothing else. */
static void test_index(void **state)
{
	(void)state;
	enum { ROWS = 20000 };
	static uint8_t rows[ROWS][8];
	for (int order = 0; order < 4; order++) {
		struct key_index ix, copy;
		uint32_t row;
		key_index_init(&ix, sizeof(rows[0]), 4, 4);
		for (uint32_t i = 0; i < ROWS; i++) {
			/* Ascending, descending, from both ends inwards, and scattered (an odd
			 * factor permutes). */
			const uint32_t keys[] = {
			    i, ROWS - i, i % 2 ? 2 * ROWS - i : i, i * 2654435761u};
			uint32_t key = keys[order];
			put_u32(rows[i] + 4, key);
			assert_false(key_index_find(&ix, rows, rows[i] + 4, &row));
			assert_int_equal(key_index_reserve(&ix, 1), OK);
			key_index_add(&ix, rows, i);
		}
		/* 1.44 log2(20000) */
		assert_in_range(key_index_height(&ix), 15, 20);
		assert_int_equal(key_index_copy(&copy, &ix), OK);
		key_index_free(&ix);
		for (uint32_t i = 0; i < ROWS; i++) {
			assert_true(key_index_find(&copy, rows, rows[i] + 4, &row));
			assert_int_equal(row, i);
			assert_false(key_index_find(&ix, rows, rows[i] + 4, &row));
		}
		key_index_free(&copy);
	}
}

static bool trace(const char *founders, uint32_t k, struct admission *list, size_t count,
    unsigned wanted, char needed[static 32])
{
	bool known[8] = {false}, found;
	size_t n = 0;
	for (const char *f = founders; *f; f++)
		known[*f - '0'] = true;
	found = members_trace(k, known, 8, wanted, list, count);
	for (size_t i = 0; i < count; i++) {
		if (list[i].needed)
			needed[n++] = (char)('a' + i);
		list[i].needed = list[i].counts = false;
	}
	needed[n] = '\0';
	return found;
}

/* What shows a membership leads to the founders, and is no more than that takes. */
static void test_trace(void **state)
{
	(void)state;
	struct admission ring[] = {{.by = 3, .whom = 2}, {.by = 2, .whom = 3}, {.by = 1, .whom = 2},
	    {.by = 0, .whom = 2}, {.by = 0, .whom = 4}, {.by = 4, .whom = 5}, {.by = 5, .whom = 4}};
	char needed[32];
	assert_true(trace("01", 1, ring, 7, 3, needed));
	assert_string_equal(needed, "bd"); /* not the one by 3 itself */
	assert_true(trace("01", 1, ring, 7, 0, needed));
	assert_string_equal(needed, "");
	assert_true(trace("01", 2, ring, 7, 2, needed));
	assert_string_equal(needed, "cd");
	assert_false(trace("01", 2, ring, 7, 3, needed));
	assert_string_equal(needed, "");
	/* Two that have admitted each other, and nobody else has. */
	assert_false(trace("1", 1, ring, 7, 5, needed));
	assert_true(trace("0", 1, ring, 7, 5, needed));
	assert_string_equal(needed, "ef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_founders),
	    cmocka_unit_test(test_threshold),
	    cmocka_unit_test(test_self_and_strangers),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_ring),
	    cmocka_unit_test(test_order_never_matters),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_index),
	    cmocka_unit_test(test_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
