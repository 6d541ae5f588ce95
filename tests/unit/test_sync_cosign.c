/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures between nodes: they reach everybody, once and in few bytes, over chains, rings, cut
 * links and failing disks. */
#include "cosign_world.h"

static void test_chain(void **state)
{
	struct world *w = cosigning(5, 2, NODES_MAX, 1);
	size_t before;

	(void)state;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 3, 100);
	assert_all_anchored(w, 12000);
	/* One more post: what that costs all five, cosigned by four of whom two are wanted. */
	go(w, 3000);
	before = frame_bytes;
	post(&w->nodes[2], 1, 100);
	assert_all_anchored(w, 6000);
	go(w, 5000);
	print_message("# a chain of 5, 2 of all: %zu bytes of cosignatures for one checkpoint\n",
	    frame_bytes - before);
	assert_true(frame_bytes - before < 6000); /* two lines of 600 for each of four */
	/* And when all is anchored there is nothing to say. */
	before = frames;
	go(w, 30000);
	assert_int_equal(frames, before);
	over(w);
}

static void test_shapes(void **state)
{
	(void)state;
	for (unsigned shape = 0; shape < 3; shape++) {
		struct world *w = cosigning(6, 3, NODES_MAX, 10 + shape);

		if (shape == 0) { /* ring */
			chain(w);
			wire(w, 5, 0);
		} else if (shape == 1) { /* star */
			for (unsigned i = 1; i < 6; i++)
				wire(w, 0, i);
		} else { /* dense */
			for (unsigned i = 0; i < 6; i++)
				for (unsigned k = i + 1; k < 6; k++)
					wire(w, i, k);
		}
		wires_up(w);
		for (unsigned i = 0; i < 6; i++)
			post(&w->nodes[i], 2, 500);
		assert_all_anchored(w, 12000);
		for (unsigned i = 0; i < 6; i++)
			post(&w->nodes[i], 1, 500);
		assert_all_anchored(w, 12000);
		print_message("# shape %u: %zu frames, %zu bytes\n", shape, frames, frame_bytes);
		over(w);
	}
}

/* Nothing counts for an own log, and one too few is too few. */
static void test_too_few(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 20);

	(void)state;
	witnesses[2].idle = true;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 3, 100);
	go(w, 15000);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(anchored(w, i, 0), 0);
		assert_int_equal(anchored(w, i, 1), 0);
		assert_int_equal(anchored(w, i, 2), 1); /* by the other two */
	}
	witnesses[2].idle = false;
	assert_all_anchored(w, 10000);
	over(w);
}

/* Contents count as well: who lacks one does not cosign. */
static void test_contents(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 25);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	w->keeps = true;
	post(&w->nodes[0], 2, 1000);
	go(w, 8000);
	assert_int_equal(anchored(w, 0, 0), 1);
	kept_give(w);
	assert_all_anchored(w, 20000);
	over(w);
}

/* One joins when all is anchored, and nobody signs any more. */
static void test_late(void **state)
{
	struct world *w = cosigning(5, 2, NODES_MAX, 30);
	size_t before;

	(void)state;
	chain(w);
	for (size_t i = 0; i < 6; i += 2)
		link_set(w, &w->ends[i], true);
	post(&w->nodes[0], 300, 0);
	go(w, 10000);
	assert_int_equal(anchored(w, 3, 0), 301);
	for (unsigned i = 0; i < 5; i++)
		witnesses[i].idle = true;
	before = frame_bytes;
	link_set(w, &w->ends[6], true);
	go(w, 5000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(anchored(w, 4, i), i == 0 ? 301 : 1);
	print_message("# joining: %zu bytes for four logs\n", frame_bytes - before);
	assert_int_equal(faults(w), 0);
	over(w);
}

/* Links go and come, and upstreams with them. */
static void test_cuts(void **state)
{
	(void)state;
	for (uint64_t seed = 40; seed < 48; seed++) {
		struct world *w = cosigning(6, 2, NODES_MAX, seed);

		chain(w);
		wire(w, 5, 0);
		wire(w, 1, 4);
		wires_up(w);
		for (unsigned round = 0; round < 12; round++) {
			size_t at = 2 * (next_random(w) % (w->end_count / 2));

			post(&w->nodes[next_random(w) % 6], 1 + next_random(w) % 3, 300);
			link_set(w, &w->ends[at], !w->ends[at].up);
			go(w, 200 + next_random(w) % 3000);
		}
		wires_up(w);
		assert_all_anchored(w, 40000);
		over(w);
	}
}

static void test_failing_stores(void **state)
{
	struct world *w = cosigning(4, 3, NODES_MAX, 50);

	(void)state;
	chain(w);
	wires_up(w);
	fail_stores = 10;
	for (unsigned i = 0; i < 4; i++)
		w->nodes[i].fail_commits = 1;
	post(&w->nodes[1], 4, 200);
	go(w, 6000);
	/* One whose own was lost to the disk signs the next checkpoint, as the relay does again. */
	for (unsigned i = 0; i < 4; i++)
		post(&w->nodes[i], 1, 200);
	assert_all_anchored(w, 60000);
	assert_int_equal(fail_stores, 0);
	over(w);
}

/* One that a disk has lost is asked for again, although nobody signs any more. */
static void test_lost_store(void **state)
{
	struct world *w = cosigning(4, 3, NODES_MAX, 52);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	go(w, 3000);
	fail_stores = 2;
	fail_node = &w->nodes[0];
	post(&w->nodes[0], 1, 0);
	go(w, 2500);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	assert_int_equal(fail_stores, 0);
	assert_all_anchored(w, 10000);
	over(w);
}

/* Nothing counts, and nobody hears of it, before it is durable. */
static void test_slow_stores(void **state)
{
	struct world *w = cosigning(3, 1, NODES_MAX, 54);
	size_t before;

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	go(w, 3000);
	stores_wait = true;
	before = frames;
	for (unsigned i = 0; i < 2; i++) {
		post(&w->nodes[1], 1, 0);
		go(w, 4000);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(anchored(w, i, 1), 1);
	assert_int_equal(frames, before);
	stores_wait = false;
	assert_all_anchored(w, 8000);
	over(w);
}

/* A subscriber hears of a size only behind the entries below it, however long they take. */
static void test_behind_data(void **state)
{
	struct world *w = cosigning(4, 2, NODES_MAX, 56);
	struct end *e;
	size_t before;

	(void)state;
	chain(w);
	for (size_t i = 0; i < 4; i += 2)
		link_set(w, &w->ends[i], true);
	post(&w->nodes[0], 4000, 0);
	go(w, 12000);
	assert_int_equal(anchored(w, 2, 0), 4001);
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	before = frames;
	e = &w->ends[4];
	e->rate = 60000;
	link_set(w, e, true);
	go(w, 2000);
	assert_int_equal(anchored(w, 3, 0), 0);
	go(w, 30000);
	assert_int_equal(anchored(w, 3, 0), 4001);
	print_message("# behind 4,001 entries: %zu frames\n", frames - before);
	assert_int_equal(frames - before, 3); /* one for each log */
	over(w);
}

/* A key that is learned late: what was left aside is asked for. */
static void test_stranger(void **state)
{
	struct world *w = cosigning(4, 3, 3, 60);

	(void)state;
	chain(w);
	wires_up(w);
	go(w, 8000);
	assert_int_equal(anchored(w, 0, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		learn(w, i, 3, 1);
		sync_cosigners_changed(w->nodes[i].sync, w->now);
	}
	for (unsigned i = 0; i < 4; i++)
		witnesses[i].idle = true;
	assert_all_anchored(w, 20000);
	over(w);
}

/* A cosigner key is replaced: what was cosigned with the old one stays, and the new one goes on. */
static void test_rotation(void **state)
{
	struct world *w = cosigning(3, 2, NODES_MAX, 65);

	(void)state;
	chain(w);
	wires_up(w);
	assert_all_anchored(w, 12000);
	witnesses[2].key = 200;
	for (unsigned i = 0; i < 3; i++) {
		learn(w, i, 2, 2);
		sync_cosigners_changed(w->nodes[i].sync, w->now);
	}
	go(w, 5000);
	assert_true(all_anchored(w));
	post(&w->nodes[0], 2, 10);
	assert_all_anchored(w, 12000);
	over(w);
}

/* What was stored comes back after a start. */
static void test_load(void **state)
{
	struct world *w = cosigning(4, 2, NODES_MAX, 70);
	struct sync_cosigned kept[8];
	struct node *n = &w->nodes[1];
	struct held_log *l;
	struct sync_io io = {.ctx = n};
	struct sync *fresh;
	size_t count;

	(void)state;
	chain(w);
	wires_up(w);
	post(&w->nodes[0], 5, 0);
	assert_all_anchored(w, 12000);
	l = log_of_origin(n, &w->nodes[0]);
	count = sync_cosigned(n->sync, l->no, kept, 8);
	assert_int_equal(count, 2);
	fresh = sync_new(&io);
	sync_anchor_needed(fresh, 2);
	assert_int_equal(sync_cosign_load(fresh, l->no, 0, 6, 1, kept[0].note), ERR_RANGE);
	assert_int_equal(
	    sync_add_log(fresh, l->no, l->replica, &l->credential.binding, false, 1), OK);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(sync_anchored(fresh, l->no), 0);
		assert_int_equal(sync_cosign_load(fresh, l->no, kept[i].seat, kept[i].size,
				     kept[i].seconds, kept[i].note),
		    OK);
	}
	assert_int_equal(sync_anchored(fresh, l->no), 6);
	assert_int_equal(sync_cosign_load(fresh, l->no, 7, 7, 1, kept[0].note), ERR_RANGE);
	assert_int_equal(sync_cosign_load(fresh, l->no, 7, 6, 1, bytes_str("x")), ERR_MALFORMED);
	sync_free(fresh);
	over(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_too_few),
	    cmocka_unit_test(test_contents),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_failing_stores),
	    cmocka_unit_test(test_lost_store),
	    cmocka_unit_test(test_slow_stores),
	    cmocka_unit_test(test_behind_data),
	    cmocka_unit_test(test_stranger),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
