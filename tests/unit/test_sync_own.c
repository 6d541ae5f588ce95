/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own log fetched from peers, after this node was put back to an earlier state. */
#include "sync_world.h"
#include "sync/state.h"

#define OWN 0

/* The first `size` entries with their contents, under a checkpoint as it was signed then. */
static void entries_copy(struct node *n, struct held_log *from, struct store *old, uint64_t size)
{
	struct held_log *l = log_of_origin(n, n);
	struct buffer leaves = BUFFER_INIT, content = BUFFER_INIT;
	uint8_t salt[SALT_LEN], id[ID_LEN];
	size_t got;

	for (uint64_t i = 0; i < size; i++) {
		struct bytes leaf;
		size_t pos = 0;

		buffer_reset(&leaves);
		buffer_reset(&content);
		assert_int_equal(
		    old->ops->read(old, from->no, i, 1, MESSAGE_MAX, &leaves, &got), OK);
		assert_int_equal(leaves_next(buffer_bytes(&leaves), &pos, &leaf), OK);
		message_id(id, leaf, &l->credential.binding);
		seal(n, buffer_bytes(&leaves), 1, NULL, NULL);
		if (old->ops->content_get(old, from->no, i, id, salt, &content) == OK)
			content_store(n, i, salt, buffer_bytes(&content));
	}
	buffer_free(&leaves);
	buffer_free(&content);
}

/* The node's disk is as it was when its log had `size` entries, and it has just been started. */
static void restore(struct world *w, unsigned number, uint64_t size)
{
	struct node *n = &w->nodes[number];
	struct sync_io io = n->sync->io;
	struct held_log old[NODES_MAX];
	struct store *store = n->store;
	size_t count = n->log_count;

	for (size_t i = 0; i < w->end_count; i++) {
		if (w->ends[i].node == n)
			link_set(w, &w->ends[i], false);
	}
	run(w, 200); /* what was under way is lost */
	sync_free(n->sync);
	memcpy(old, n->logs, sizeof old);
	n->log_count = 0;
	n->tick_at = 0;
	n->own_ahead = 0;
	assert_int_equal(store_open(&n->store, &store_memory, NULL, 0), OK);
	n->sync = sync_new(&io);
	assert_non_null(n->sync);
	assert_non_null(log_take(n, bytes_str(n->credential.binding.log_name),
	    buffer_bytes(&n->credential.message), true));
	entries_copy(n, &old[0], store, size);
	for (size_t i = 0; i < count; i++) {
		replica_free(old[i].replica);
		credential_clear(&old[i].credential);
	}
	store_close(store);
}

static struct held_log *own(struct world *w)
{
	return log_of_origin(&w->nodes[OWN], &w->nodes[OWN]);
}

/* Nodes 1 and 2 hold `entries` of node 0's log and a credential; now 0 goes back to `size`. */
static struct world *restored(uint64_t seed, size_t entries, uint64_t size)
{
	struct world *w = world_new(3, seed);

	wire(w, 0, 1);
	wire(w, 0, 2);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	for (size_t left = entries - 1; left > 0; left -= left < 100 ? left : 100)
		post(&w->nodes[OWN], left < 100 ? left : 100, 600);
	assert_all_equal(w, 60000);
	restore(w, OWN, size);
	assert_int_equal(replica_held(own(w)->replica), size);
	return w;
}

static bool answered(struct world *w, struct end *e, uint64_t *shown)
{
	return sync_own_answered(w->nodes[OWN].sync, e->link, own(w)->no, shown);
}

static void recover(struct world *w, bool on)
{
	assert_int_equal(sync_own_recover(w->nodes[OWN].sync, own(w)->no, on, w->now), OK);
}

static void recovers(uint64_t seed, size_t entries, uint64_t size)
{
	struct world *w = restored(seed, entries, size);
	uint64_t shown;

	wires_up(w);
	assert_false(answered(w, &w->ends[0], &shown));
	for (unsigned i = 0; i < 100 && w->nodes[OWN].own_ahead == 0; i++)
		run(w, 20);
	/* It is proven, and nothing of it is taken until it is asked for. */
	assert_int_equal(w->nodes[OWN].own_ahead, entries);
	assert_int_equal(replica_held(own(w)->replica), size);
	assert_false(answered(w, &w->ends[0], &shown));
	assert_int_equal(shown, entries);
	recover(w, true);
	assert_all_equal(w, 60000);
	assert_int_equal(replica_held(own(w)->replica), entries);
	assert_true(answered(w, &w->ends[0], &shown) && answered(w, &w->ends[2], &shown));
	recover(w, false);
	assert_null(sync_upstream(w->nodes[OWN].sync, own(w)->no));
	/* From here on it is as it was: one history, which goes on. */
	w->nodes[OWN].sequence += 7;
	post(&w->nodes[OWN], 3, 100);
	post(&w->nodes[1], 2, 100);
	assert_all_equal(w, 5000);
	assert_int_equal(replica_held(own(w)->replica), entries + 3);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

static void test_backups(void **state)
{
	(void)state;
	recovers(1, 40, 39);
	recovers(2, 300, 290);
	recovers(3, 1300, 300);
}

static void test_lost_disk(void **state)
{
	(void)state;
	recovers(4, 300, 0);
	recovers(5, 1, 0);
}

/* Nobody has more: all have said so at once, and nothing is to be fetched. */
static void test_nothing_lost(void **state)
{
	struct world *w = restored(6, 30, 30);
	uint64_t shown;

	(void)state;
	recover(w, true);
	wires_up(w);
	run(w, 2000);
	assert_true(answered(w, &w->ends[0], &shown) && answered(w, &w->ends[2], &shown));
	assert_int_equal(w->nodes[OWN].own_ahead, 0);
	recover(w, false);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* A peer that shows more and does not give it has not answered; another one that gives it has. */
static void test_withheld(void **state)
{
	struct world *w = restored(7, 200, 100);
	uint64_t shown;

	(void)state;
	w->ends[1].drip = 10000000;
	recover(w, true);
	link_set(w, &w->ends[0], true);
	run(w, 60000);
	assert_int_equal(replica_held(own(w)->replica), 100);
	assert_false(answered(w, &w->ends[0], &shown));
	assert_int_equal(shown, 200);
	link_set(w, &w->ends[2], true);
	run(w, 60000);
	assert_int_equal(replica_held(own(w)->replica), 200);
	assert_true(answered(w, &w->ends[2], &shown));
	world_free(w);
}

/* While a batch is on its way to the disk it can't be ended; a failing disk makes nothing wrong. */
static void test_disk(void **state)
{
	struct world *w = restored(8, 900, 300);
	unsigned busy = 0;

	(void)state;
	w->disk_max = 400;
	w->nodes[OWN].fail_commits = 2;
	recover(w, true);
	wires_up(w);
	for (unsigned i = 0; i < 2000 && replica_held(own(w)->replica) < 900; i++) {
		run(w, 20);
		if (replica_staged(own(w)->replica) != replica_held(own(w)->replica)) {
			busy++;
			assert_int_equal(
			    sync_own_recover(w->nodes[OWN].sync, own(w)->no, false, w->now),
			    ERR_BUSY);
		}
	}
	assert_true(busy > 0);
	assert_all_equal(w, 60000);
	recover(w, false);
	world_free(w);
}

/* It had gone on alone: what the peers hold is not what followed here. */
static void test_forked(void **state)
{
	struct world *w = restored(9, 50, 40);

	(void)state;
	w->nodes[OWN].sequence += 5;
	post(&w->nodes[OWN], 2, 100);
	recover(w, true);
	link_set(w, &w->ends[0], true);
	run(w, 5000);
	assert_int_equal(replica_held(own(w)->replica), 42);
	assert_true(slot_by_no(w->nodes[OWN].sync, own(w)->no)->stopped);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_backups),
	    cmocka_unit_test(test_lost_disk),
	    cmocka_unit_test(test_nothing_lost),
	    cmocka_unit_test(test_withheld),
	    cmocka_unit_test(test_disk),
	    cmocka_unit_test(test_forked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
