/* SPDX-License-Identifier: BSD-2-Clause */
/* A node that doesn't carry a log: nobody troubles it with that, and the rest is in order. */
#include "sync_world.h"

static size_t frames(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->node_count; i++)
		n += w->nodes[i].frames_sent;
	return n;
}

static bool all_compared(const struct world *w)
{
	for (size_t i = 0; i < w->end_count; i++)
		if (w->ends[i].link && !sync_link_compared(w->ends[i].link))
			return false;
	return true;
}

static void without(struct world *w, unsigned node, const struct node *origin)
{
	struct node *n = &w->nodes[node];

	n->refuses = origin ? origin->credential.binding.digest : NULL;
	assert_int_equal(
	    sync_without(n->sync,
		(const uint8_t(*)[DIGEST_LEN])(origin ? origin->credential.binding.digest : NULL),
		origin ? 1 : 0, w->now),
	    OK);
}

static uint64_t held(struct world *w, unsigned node, unsigned origin)
{
	struct held_log *l = log_of_origin(&w->nodes[node], &w->nodes[origin]);

	return l ? replica_held(l->replica) : 0;
}

/* 1 doesn't carry the log of 0; 2 gets it by another way. */
static void test_left_out(void **state)
{
	struct world *w = world_new(3, 7);
	size_t before;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	wire(w, 0, 2);
	begin(w);
	without(w, 1, &w->nodes[0]);
	wires_up(w);
	run(w, 3000);
	assert_true(all_compared(w));
	assert_int_equal(held(w, 1, 0), 0);
	assert_int_equal(held(w, 2, 0), held(w, 0, 0));
	assert_int_equal(held(w, 1, 2), held(w, 2, 2));
	assert_int_equal(w->nodes[1].refused, 0);
	/* What it doesn't carry costs it no frame, however much comes. */
	before = w->nodes[1].frames_sent;
	for (unsigned i = 0; i < 20; i++) {
		post(&w->nodes[0], 1, 50);
		run(w, 300);
	}
	assert_int_equal(held(w, 2, 0), held(w, 0, 0));
	assert_int_equal(w->nodes[1].frames_sent, before);
	/* The rest goes on. */
	post(&w->nodes[0], 1, 50);
	post(&w->nodes[2], 5, 50);
	post(&w->nodes[1], 5, 50);
	run(w, 3000);
	assert_int_equal(held(w, 1, 2), held(w, 2, 2));
	assert_int_equal(held(w, 0, 1), held(w, 1, 1));
	assert_int_equal(faults(w), 0);
	/* A quiet forum is quiet. */
	before = frames(w);
	run(w, 5000);
	assert_int_equal(frames(w), before);
	world_free(w);
}

/* It learns which log that is only when it is shown. */
static void test_learned(void **state)
{
	struct world *w = world_new(2, 8);
	unsigned refused;

	(void)state;
	wire(w, 0, 1);
	begin(w);
	w->nodes[1].refuses = w->nodes[0].credential.binding.digest;
	wires_up(w);
	run(w, 1000);
	assert_true(w->nodes[1].refused > 0);
	without(w, 1, &w->nodes[0]);
	run(w, 1000);
	refused = w->nodes[1].refused;
	for (unsigned i = 0; i < 5; i++) {
		post(&w->nodes[0], 1, 50);
		run(w, 500);
	}
	assert_int_equal(w->nodes[1].refused, refused);
	assert_true(all_compared(w));
	/* And then it carries it. */
	without(w, 1, NULL);
	assert_all_equal(w, 5000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Both leave something out, and a log that is held is carried no longer, and again. */
static void test_both(void **state)
{
	struct world *w = world_new(3, 9);
	uint64_t then;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 3000);
	/* In the middle: what lies behind gets nothing either. */
	assert_int_equal(sync_carry(w->nodes[1].sync, log_of_origin(&w->nodes[1], &w->nodes[0])->no,
			     false, w->now),
	    OK);
	without(w, 1, &w->nodes[0]);
	without(w, 0, &w->nodes[2]);
	assert_int_equal(sync_carry(w->nodes[0].sync, log_of_origin(&w->nodes[0], &w->nodes[2])->no,
			     false, w->now),
	    OK);
	then = held(w, 1, 0);
	post(&w->nodes[0], 7, 50);
	post(&w->nodes[2], 7, 50);
	post(&w->nodes[1], 3, 50);
	run(w, 4000);
	assert_int_equal(held(w, 1, 0), then);
	assert_int_equal(held(w, 2, 0), then);
	assert_int_equal(held(w, 1, 2), held(w, 2, 2));
	assert_true(held(w, 0, 2) < held(w, 2, 2));
	assert_int_equal(held(w, 0, 1), held(w, 1, 1));
	assert_int_equal(held(w, 2, 1), held(w, 1, 1));
	assert_true(all_compared(w));
	for (unsigned i = 0; i < 2; i++) {
		struct node *n = &w->nodes[i];

		assert_int_equal(sync_carry(n->sync,
				     log_of_origin(n, &w->nodes[i == 0 ? 2 : 0])->no, true, w->now),
		    OK);
		without(w, i, NULL);
	}
	assert_all_equal(w, 8000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* With many logs the two compare buckets. */
static void test_many(void **state)
{
	struct world *w = world_new(NODES_MAX, 10);

	(void)state;
	for (unsigned i = 0; i < NODES_MAX; i++)
		for (unsigned k = i + 1; k < NODES_MAX && w->end_count < 2 * LINKS_MAX; k++)
			if (k == i + 1 || i == 0)
				wire(w, i, k);
	begin(w);
	without(w, 3, &w->nodes[5]);
	without(w, 4, &w->nodes[0]);
	wires_up(w);
	run(w, 6000);
	assert_int_equal(held(w, 3, 5), 0);
	assert_int_equal(held(w, 4, 0), 0);
	for (unsigned i = 0; i < NODES_MAX; i++)
		post(&w->nodes[i], 3, 40);
	run(w, 6000);
	for (unsigned i = 0; i < NODES_MAX; i++) {
		for (unsigned k = 0; k < NODES_MAX; k++) {
			bool out = (i == 3 && k == 5) || (i == 4 && k == 0);

			assert_int_equal(held(w, i, k), out ? 0 : held(w, k, k));
		}
	}
	assert_true(all_compared(w));
	assert_int_equal(faults(w), 0);
	world_free(w);
}

static void give(struct world *w, struct bytes list, struct bytes heard)
{
	Convene__Summary m = CONVENE__SUMMARY__INIT;
	uint8_t hash[HASH_LEN] = {1};

	m.hash = pb_of(bytes_of(hash, HASH_LEN));
	m.logs = 1;
	m.without = pb_of(list);
	m.heard = pb_of(heard);
	frame_give(&w->ends[0], FRAME_SUMMARY, &m.base);
}

static void test_hostile(void **state)
{
	static uint8_t list[(SYNC_WITHOUT_MAX + 1) * DIGEST_LEN];
	struct world *w = world_new(2, 11);
	unsigned before;

	(void)state;
	wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 3000);
	for (size_t i = 0; i <= SYNC_WITHOUT_MAX; i++) {
		list[i * DIGEST_LEN] = (uint8_t)(i >> 8);
		list[i * DIGEST_LEN + 1] = (uint8_t)i;
	}
	give(w, bytes_of(list, SYNC_WITHOUT_MAX * DIGEST_LEN), bytes_of(NULL, 0));
	run(w, 500);
	assert_int_equal(faults(w), 0);
	give(w, bytes_of(list, sizeof list), bytes_of(NULL, 0));
	before = w->nodes[0].faults + w->nodes[1].faults;
	assert_int_equal(before, 1);
	give(w, bytes_of(list, DIGEST_LEN + 1), bytes_of(NULL, 0));
	give(w, bytes_of(list + DIGEST_LEN, 0), bytes_of(list, 7));
	memset(list, 0, (size_t)2 * DIGEST_LEN);
	give(w, bytes_of(list, (size_t)2 * DIGEST_LEN), bytes_of(NULL, 0));
	assert_int_equal(faults(w), before + 3);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_learned),
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
