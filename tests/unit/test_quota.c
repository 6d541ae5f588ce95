/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/relay/quota: an hour's worth at once, then as time goes by, each participant alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/relay/ingest.h"

#define HOUR UINT64_C(3600000)
#define RATE 10
#define START 5000

static struct conf conf;
static struct relay relay;

static int setup(void **state)
{
	(void)state;
	conf.limits.posts_per_hour = RATE;
	relay.conf = &conf;
	relay.quota = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	quota_free(relay.quota);
	return 0;
}

/* Participants whose identities begin alike stand in one bucket. */
static bool post(uint8_t first, uint8_t last, uint64_t now)
{
	uint8_t identity[IDENTITY_LEN] = {first};

	identity[IDENTITY_LEN - 1] = last;
	return quota_take(&relay, identity, now);
}

static unsigned burst(uint8_t first, uint8_t last, uint64_t now)
{
	unsigned n = 0;

	while (n < 100 && post(first, last, now))
		n++;
	return n;
}

static void test_burst(void **state)
{
	(void)state;
	assert_int_equal(burst(1, 1, START), RATE);
	/* One for each tenth of an hour, and asking in between costs nothing. */
	for (uint64_t i = 1; i <= 30; i++) {
		for (uint64_t k = 99; k > 0; k--)
			assert_false(post(1, 1, START + i * HOUR / RATE - k * 1000));
		assert_true(post(1, 1, START + i * HOUR / RATE + i));
		assert_false(post(1, 1, START + i * HOUR / RATE + i + 1));
	}
}

static void test_refills(void **state)
{
	(void)state;
	assert_int_equal(burst(1, 1, START), RATE);
	assert_int_equal(burst(1, 1, START + HOUR / 2 + 10), RATE / 2);
	assert_int_equal(burst(1, 1, START + 2 * HOUR + 10), RATE);
	/* Never more than an hour's worth, however long it was away. */
	assert_int_equal(burst(1, 1, START + 1000 * HOUR), RATE);
}

static void test_each_alone(void **state)
{
	(void)state;
	for (unsigned last = 0; last < 200; last++)
		assert_int_equal(burst(1, (uint8_t)last, START + last), RATE);
	assert_int_equal(burst(2, 1, START), RATE);
	for (unsigned last = 0; last < 200; last++)
		assert_false(post(1, (uint8_t)last, START + 300));
	/* Others are forgotten on the way to one that is not. */
	assert_true(post(1, 199, START + HOUR / 2));
	for (unsigned last = 0; last < 150; last++)
		assert_true(post(1, (uint8_t)last, START + HOUR + 250 + last));
	assert_int_equal(burst(1, 199, START + HOUR + 500), RATE - 1);
	assert_int_equal(burst(1, 0, START + HOUR + 500), RATE - 1);
}

/* In no hour more than twice the rate, whenever they are asked for; and nobody who keeps below it
 * is ever refused. */
static void test_any_hour(void **state)
{
	uint64_t taken[3000], random = 88172645463325252u, now = START;
	size_t count = 0;

	(void)state;
	while (count < 3000) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		now += random % (random >> 40 & 1 ? 2000 : HOUR / 5);
		if (post(7, 7, now))
			taken[count++] = now;
	}
	for (size_t i = 2 * RATE; i < count; i++)
		assert_true(taken[i] - taken[i - 2 * RATE] >= HOUR - 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(post(8, 8, now += HOUR / RATE + 1));
}

/* A reload counts at once. */
static void test_reload(void **state)
{
	(void)state;
	assert_int_equal(burst(1, 1, START), RATE);
	conf.limits.posts_per_hour = 3 * RATE;
	assert_int_equal(burst(1, 1, START), 2 * RATE);
	conf.limits.posts_per_hour = 1;
	assert_int_equal(burst(2, 2, START), 1);
	assert_false(post(1, 1, START + HOUR / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refills, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_each_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_any_hour, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
