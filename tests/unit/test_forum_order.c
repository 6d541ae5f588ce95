/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever the order of logs, chunks, contents, restarts, rolled back transactions and rebuilds,
 * the views are the same (SPEC.md section 13.1), and arrival numbers stay (13.4). */
#include "forum_node.h"

static void test_order_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct world *w = world_build(10 + seed);
		static struct node straight, n;
		static struct arrivals before, after;
		struct buffer want = BUFFER_INIT, got = BUFFER_INIT;

		node_open(&straight, w, 0);
		node_straight(&straight);
		dump_of(&straight, &want);
		for (uint64_t run = 1; run <= 12; run++) {
			node_open(&n, w, seed * 1000 + run);
			if (run % 3 == 0) {
				/* Half of it, all again from nothing, and then the rest. */
				for (int i = 0; i < 60; i++)
					node_step(&n);
				arrivals_of(&n, &before);
				node_reset(&n);
			}
			node_finish(&n);
			assert_int_equal(n.invalid, straight.invalid);
			if (run % 3 == 0) {
				arrivals_of(&n, &after);
				for (size_t i = 0; i <= before.last; i++)
					assert_memory_equal(&before.ids[i], &after.ids[i], ID_LEN);
			}
			dump_of(&n, &got);
			assert_same_dump(&want, &got);
			if (run == 1) {
				arrivals_of(&n, &before);
				node_reset(&n);
				node_finish(&n);
				arrivals_of(&n, &after);
				assert_memory_equal(&before, &after, sizeof(before));
				buffer_reset(&got);
				dump_of(&n, &got);
				assert_same_dump(&want, &got);
			}
			buffer_reset(&got);
			node_close(&n);
		}
		node_close(&straight);
		buffer_free(&want);
		buffer_free(&got);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_does_not_matter),
	};
	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
