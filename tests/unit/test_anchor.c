/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/member/anchor: whose cosignature counts, and how far a log is anchored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "member/anchor.h"
#include "member_fixture.h"

static struct verifier founders[3];
static struct charter charter;

/* Root keys 1, 2, 3 of a, b and c; the policy's names, or none for all. */
static struct anchor *policy(uint32_t n, char (*names)[ORG_NAME_MAX + 1], size_t count)
{
	static const char *const who[] = {"a.example", "b.example", "c.example"};
	struct anchor *a;

	for (uint8_t i = 0; i < 3; i++) {
		struct key k = fixture_key((uint8_t)(i + 1));

		assert_int_equal(
		    verifier_make(&founders[i], bytes_str(who[i]), VERIFIER_ED25519, k.public), OK);
	}
	fixture_charter(&charter, founders, 3, 2);
	charter.anchor = n;
	charter.anchor_names = names;
	charter.anchor_name_count = count;
	a = anchor_new(&charter);
	assert_non_null(a);
	return a;
}

/* NAME, by its root key, uses this cosigner key. */
static int learn(
    struct anchor *a, const char *name, uint8_t root, uint8_t cosigner, uint64_t serial)
{
	struct key r = fixture_key(root);
	struct node_body n = fixture_node(name, serial, 100, 101, cosigner);

	return anchor_learn(a, name, r.public, &n.cosigner, serial);
}

static const struct cosigner *who(const struct anchor *a, const char *name, uint8_t root)
{
	struct key r = fixture_key(root);

	return anchor_of(a, name, r.public);
}

static bool counts(
    const struct anchor *a, const char *name, uint8_t root, const char *log, uint8_t log_root)
{
	const struct cosigner *c = who(a, name, root);
	struct key r = fixture_key(log_root);

	return c && anchor_counts(c, log, r.public);
}

static size_t seats(const struct anchor *a, const char *log, uint8_t log_root)
{
	struct key r = fixture_key(log_root);

	return anchor_seats(a, log, r.public);
}

static void test_sizes(void **state)
{
	static const uint64_t sizes[] = {7, 12, 3, 12, 9};
	static const uint64_t expected[] = {0, 12, 12, 9, 7, 3, 0};

	(void)state;
	for (uint32_t n = 0; n < 7; n++)
		assert_int_equal(anchor_size(n, sizes, 5), expected[n]);
	assert_int_equal(anchor_size(1, NULL, 0), 0);
}

static void test_all_members(void **state)
{
	struct anchor *a = policy(2, NULL, 0);

	(void)state;
	assert_int_equal(anchor_needed(a), 2);
	assert_int_equal(seats(a, "a.example", 1), 0);
	assert_int_equal(learn(a, "a.example", 1, 11, 1), 1);
	assert_int_equal(learn(a, "b.example", 2, 12, 1), 1);
	assert_int_equal(learn(a, "d.example", 4, 14, 1), 1);
	assert_true(counts(a, "b.example", 2, "a.example", 1));
	assert_true(counts(a, "d.example", 4, "a.example", 1));
	assert_false(counts(a, "a.example", 1, "a.example", 1));
	assert_int_equal(seats(a, "a.example", 1), 2);
	assert_int_equal(seats(a, "e.example", 5), 3);
	anchor_free(a);
}

/* A seat for each root key: neither by a second name nor by that of the log's organisation does one
 * get another. */
static void test_all_once_each(void **state)
{
	struct anchor *a = policy(2, NULL, 0);

	(void)state;
	learn(a, "b.example", 2, 12, 1);
	assert_int_equal(learn(a, "b2.example", 2, 13, 1), 1);
	assert_int_equal(who(a, "b.example", 2)->seat, who(a, "b2.example", 2)->seat);
	assert_int_equal(seats(a, "a.example", 1), 1);
	assert_false(counts(a, "b2.example", 2, "b.example", 2));
	/* Two organisations of one name are two, but for a log of that name. */
	learn(a, "b.example", 7, 17, 1);
	assert_int_not_equal(who(a, "b.example", 7)->seat, who(a, "b.example", 2)->seat);
	assert_int_equal(seats(a, "a.example", 1), 2);
	assert_false(counts(a, "b.example", 7, "b.example", 2));
	anchor_free(a);
}

static void test_names(void **state)
{
	char names[3][ORG_NAME_MAX + 1] = {"b.example", "c.example", "x.example"};
	struct anchor *a = policy(2, names, 3);

	(void)state;
	assert_int_equal(learn(a, "a.example", 1, 11, 1), ERR_REFUSED);
	assert_null(who(a, "a.example", 1));
	assert_int_equal(learn(a, "b.example", 2, 12, 1), 1);
	/* A founder's name is the founder's. */
	assert_int_equal(learn(a, "b.example", 9, 19, 1), ERR_REFUSED);
	assert_int_equal(seats(a, "a.example", 1), 1); /* x is no member yet */
	learn(a, "c.example", 3, 13, 1);
	assert_int_equal(seats(a, "a.example", 1), 2);
	assert_int_equal(seats(a, "b.example", 2), 1);
	/* Somebody else's is for all who are admitted under it, together. */
	learn(a, "x.example", 7, 17, 1);
	learn(a, "x.example", 8, 18, 1);
	assert_int_equal(who(a, "x.example", 7)->seat, who(a, "x.example", 8)->seat);
	assert_int_equal(seats(a, "a.example", 1), 3);
	anchor_free(a);
}

static void test_nobody(void **state)
{
	struct anchor *a = policy(0, NULL, 0);
	static const uint64_t sizes[] = {4, 4};

	(void)state;
	assert_int_equal(anchor_needed(a), 0);
	assert_int_equal(learn(a, "b.example", 2, 12, 1), ERR_REFUSED);
	assert_int_equal(anchor_size(0, sizes, 2), 0);
	anchor_free(a);
}

static bool found(const struct anchor *a, const char *name, uint8_t cosigner)
{
	struct node_body n = fixture_node(name, 1, 100, 101, cosigner);
	const struct cosigner *c = anchor_find(a, bytes_str(n.cosigner.name), n.cosigner.id, NULL);

	return c && verifier_equal(&c->key, &n.cosigner) &&
	       !anchor_find(a, bytes_str(n.cosigner.name), n.cosigner.id, c);
}

static void test_rotation(void **state)
{
	struct anchor *a = policy(1, NULL, 0);

	(void)state;
	assert_int_equal(learn(a, "b.example", 2, 12, 5), 1);
	assert_true(found(a, "b.example", 12));
	assert_int_equal(learn(a, "b.example", 2, 12, 6), OK);
	assert_int_equal(learn(a, "b.example", 2, 13, 4), OK); /* an older one */
	assert_true(found(a, "b.example", 12));
	assert_int_equal(learn(a, "b.example", 2, 13, 7), 1);
	assert_true(found(a, "b.example", 13));
	assert_false(found(a, "b.example", 12));
	assert_int_equal(seats(a, "a.example", 1), 1);
	anchor_free(a);
}

/* Four bytes of id can be made equal: all that match are looked at. */
static void test_same_id(void **state)
{
	struct anchor *a = policy(1, NULL, 0);
	struct node_body n = fixture_node("b.example", 1, 100, 101, 12);
	struct verifier twin = n.cosigner;
	struct key r = fixture_key(2), s = fixture_key(9);
	const struct cosigner *one, *two;

	(void)state;
	twin.public[0] ^= 1;
	assert_int_equal(anchor_learn(a, "b.example", r.public, &n.cosigner, 1), 1);
	assert_int_equal(anchor_learn(a, "b.example", s.public, &twin, 1), 1);
	one = anchor_find(a, bytes_str(n.cosigner.name), n.cosigner.id, NULL);
	two = anchor_find(a, bytes_str(n.cosigner.name), n.cosigner.id, one);
	assert_true(one && two && one != two);
	assert_null(anchor_find(a, bytes_str(n.cosigner.name), n.cosigner.id, two));
	anchor_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_all_members),
	    cmocka_unit_test(test_all_once_each),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_nobody),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_same_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
