/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents in bulk: nobody waits who could go on. */
#include "sync/state.h"
#include "sync_world.h"

enum { MANY = 12000, BATCH = 3000 };

static struct world *bulk_world(size_t nodes)
{
	struct world *w = world_new(nodes, 71);

	for (unsigned i = 0; i + 1 < nodes; i++)
		wire(w, i, i + 1);
	begin(w);
	for (unsigned i = 0; i < MANY / BATCH; i++)
		post(&w->nodes[0], BATCH, 8);
	w->delay_max = 2;
	return w;
}

static uint64_t held(struct world *w, struct node *n)
{
	const struct held_log *l = log_of_origin(n, &w->nodes[0]);

	return l ? replica_held(l->replica) : 0;
}

/* ms from all entries at the last node to all contents. Then a store takes up to so many
 * ms, and the origin gives so many bytes a second. */
static uint64_t take(struct world *w, uint64_t disk, uint64_t rate)
{
	struct node *n = &w->nodes[w->node_count - 1];
	uint64_t began;

	wires_up(w);
	while (held(w, n) <= MANY) {
		run(w, 1);
		assert_true(held(w, n) <= 1 || sync_coming(n->sync));
	}
	began = w->now;
	w->disk_max = disk;
	w->ends[0].rate = rate;
	while (missing_contents(n) > 0) {
		assert_true(sync_coming(n->sync));
		run(w, 10);
		assert_in_range(w->now - began, 0, 60000);
	}
	run(w, 2000);
	assert_false(sync_coming(n->sync));
	assert_int_equal(faults(w), 0);
	return w->now - began - 2000;
}

/* All that is looked at is with a store that takes its time: when it has answered, what has room
 * now is asked for, and not at some later tick. */
static void test_store_full(void **state)
{
	struct world *w = bulk_world(2);

	(void)state;
	assert_in_range(take(w, 40, 0), 50, 240);
	world_free(w);
}

/* A node in the middle gets what those behind it ask it for: they wait, however much that is, and
 * are not told that it isn't here. */
static void test_chain(void **state)
{
	struct world *w = bulk_world(3);

	(void)state;
	take(w, 10, 40000);
	assert_int_equal(w->ends[2].nones, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_store_full),
	    cmocka_unit_test(test_chain),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
