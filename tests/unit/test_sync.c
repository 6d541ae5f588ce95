/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs among nodes: who feeds whom, what stalls, what is refused. */
#include "sync_world.h"

static void test_pair(void **state)
{
	struct world *w = world_new(2, 1);

	(void)state;
	wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 2000);
	post(&w->nodes[0], 3, 2000);
	post(&w->nodes[1], 2, 100);
	assert_all_equal(w, 2000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica), 4);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Over nodes in between, contents of several chunks, logs longer than a block. */
static void test_chain(void **state)
{
	struct world *w = world_new(4, 2);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		wire(w, i, i + 1);
	begin(w);
	wires_up(w);
	post(&w->nodes[0], 700, 300);
	post(&w->nodes[3], 5, 200000);
	assert_all_equal(w, 20000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Each entry comes in once, or nearly, however many links there are. */
static void test_mesh_receives_once(void **state)
{
	struct world *w = world_new(6, 3);
	uint64_t received = 0, before = 0, entries = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = i + 1; k < 6; k++)
			wire(w, i, k);
	}
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 5000);
	for (size_t i = 0; i < 6; i++)
		before += w->nodes[i].entries_received;
	for (unsigned round = 0; round < 30; round++) {
		post(&w->nodes[round % 6], 1, 500);
		entries++;
		run(w, 100);
	}
	assert_all_equal(w, 5000);
	for (size_t i = 0; i < 6; i++)
		received += w->nodes[i].entries_received;
	assert_int_equal(received - before, entries * 5);
	world_free(w);
}

/* Links come and go all the time; in the end all are equal. */
static void test_links_come_and_go(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 30; seed++) {
		struct world *w = world_new(5, seed);

		for (unsigned i = 0; i < 5; i++)
			wire(w, i, (i + 1) % 5);
		wire(w, 0, 2);
		begin(w);
		wires_up(w);
		for (unsigned round = 0; round < 60; round++) {
			struct end *e = &w->ends[2 * (next_random(w) % (w->end_count / 2))];

			link_set(w, e, !e->up);
			if (round % 3 == 0)
				post(&w->nodes[next_random(w) % 5], 1 + next_random(w) % 4,
				    1 + next_random(w) % 100000);
			run(w, next_random(w) % 300);
		}
		wires_up(w);
		assert_all_equal(w, 20000);
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
}

/* One side grows after its SUMMARY is on its way: to the other the frontiers are equal, to itself
 * they differ. Both must take the link as compared, or it feeds nobody. */
static void test_growing_while_greeting(void **state)
{
	struct world *w = world_new(2, 4);
	struct end *e = wire(w, 0, 1);

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 1000);
	link_set(w, e, false);
	link_set(w, e, true);
	post(&w->nodes[0], 1, 100);
	run(w, 1000);
	assert_true(sync_link_compared(e->link));
	assert_true(sync_link_compared(e->other->link));
	post(&w->nodes[1], 1, 100);
	assert_all_equal(w, 2000);
	world_free(w);
}

/* A peer that shows more and sends nothing holds one log up for the time of a stall, not for ever.
 */
static void test_stalled_upstream(void **state)
{
	struct world *w = world_new(4, 5);
	struct end *direct, *detour;

	(void)state;
	/* 3 hears of 0's log from 1 and from 2; whichever feeds it falls silent. */
	wire(w, 0, 1);
	wire(w, 0, 2);
	direct = wire(w, 1, 3);
	detour = wire(w, 2, 3);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	post(&w->nodes[0], 1, 100);
	assert_all_equal(w, 5000);
	(strcmp(sync_upstream(w->nodes[3].sync, log_of_origin(&w->nodes[3], &w->nodes[0])->no),
	     "n1.example") == 0
		? direct
		: detour)
	    ->mute = true;
	post(&w->nodes[0], 1, 100);
	run(w, SYNC_STALL_MS + SYNC_WANT_MS + 3000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[3], &w->nodes[0])->replica), 3);
	assert_int_equal(missing_contents(&w->nodes[3]), 0);
	world_free(w);
}

/* A bundle is taken, and then stands in nobody's way: it never gets more. */
static void test_fixed_link(void **state)
{
	struct world *w = world_new(3, 13);
	struct held_log *l;
	struct end *file;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	file = wire(w, 2, 0);
	begin(w);
	post(&w->nodes[0], 600, 100);
	link_set(w, file, true);
	sync_link_fixed(file->link);
	run(w, 2000);
	l = log_of_origin(&w->nodes[2], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 601);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	assert_null(sync_upstream(w->nodes[2].sync, l->no));
	link_set(w, &w->ends[0], true);
	link_set(w, &w->ends[2], true);
	run(w, 2000);
	file->mute = file->other->mute = true;
	post(&w->nodes[0], 1, 100);
	run(w, SYNC_STALL_MS / 2);
	l = log_of_origin(&w->nodes[2], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 602);
	assert_string_equal(sync_upstream(w->nodes[2].sync, l->no), "n1.example");
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Commits that fail are asked for again, and nothing is forwarded before it is durable. */
static void test_failing_disk(void **state)
{
	struct world *w = world_new(3, 6);

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	w->nodes[1].fail_commits = 3;
	for (unsigned i = 0; i < 5; i++)
		post(&w->nodes[0], 10, 1000);
	run(w, 100);
	assert_true(replica_held(log_of_origin(&w->nodes[2], &w->nodes[0])->replica) <=
		    replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica));
	assert_all_equal(w, 30000);
	assert_int_equal(w->nodes[1].fail_commits, 0);
	world_free(w);
}

/* A slow disk: DATA comes in faster than it is stored, and credit bounds what is under way. */
static void test_slow_disk(void **state)
{
	struct world *w = world_new(2, 7);

	(void)state;
	wire(w, 0, 1);
	begin(w);
	w->disk_max = 400;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 256, 0);
	wires_up(w);
	assert_all_equal(w, 60000);
	world_free(w);
}

/* A log of `origin` goes on with two good entries and one that no message can be: a DATA of all
 * three, on whatever stream. */
static void end_send(struct world *w, struct node *origin, struct node *to, struct sync_link *link)
{
	struct held_log *l = log_of_origin(origin, origin);
	struct tree_hash hashes[64], proof[TREE_PROOF_MAX];
	struct checkpoint c = {.size = 0};
	struct buffer held = BUFFER_INIT, leaves = BUFFER_INIT, note = BUFFER_INIT,
		      payload = BUFFER_INIT;
	struct tree *tree = tree_new();
	Convene__Data m = CONVENE__DATA__INIT;
	struct bytes leaf;
	size_t got, pos = 0, count;

	assert_int_equal(io_read(origin, l->no, 0, 60, SIZE_MAX, &held, &got), OK);
	m.first = got;
	for (size_t i = 0; i < 3; i++) {
		leaf = bytes_of("an entry", i < 2 ? 8 : 0);
		leaves_add(&leaves, leaf);
		leaves_add(&held, leaf);
	}
	while (leaves_next(buffer_bytes(&held), &pos, &leaf) == OK) {
		leaf_hash(&hashes[c.size], leaf);
		assert_int_equal(tree_append(tree, &hashes[c.size++]), OK);
	}
	strcpy(c.origin, origin->credential.binding.log_name);
	tree_root(tree, c.root);
	assert_int_equal(checkpoint_sign(&note, &c, &origin->log_key), OK);
	assert_int_equal(
	    tree_prove_range(tree, got, c.size, c.size, NULL, 0, NULL, NULL, proof, &count), OK);
	m.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	m.leaves = pb_of(buffer_bytes(&leaves));
	m.checkpoint = pb_of(buffer_bytes(&note));
	m.proof = pb_of(bytes_of(proof, count * sizeof *proof));
	for (uint32_t stream = 1; stream < 10; stream++) {
		struct frame f;
		size_t need;

		buffer_reset(&payload);
		assert_int_equal(frame_add(&payload, FRAME_DATA, stream, &m.base), OK);
		assert_int_equal(frame_peek(buffer_bytes(&payload), false, &f, &need), OK);
		sync_receive(to->sync, link, &f, w->now);
	}
	buffer_free(&held);
	buffer_free(&leaves);
	buffer_free(&note);
	buffer_free(&payload);
	tree_free(tree);
}

/* A log ends, and what comes before its end can't be stored at first: it is asked for again. */
static void test_end_and_failing_disk(void **state)
{
	struct world *w = world_new(2, 9);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	struct replica *replica;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	post(&w->nodes[0], 2, 0);
	assert_all_equal(w, 5000);
	replica = log_of_origin(victim, &w->nodes[0])->replica;
	victim->fail_commits = 1;
	end_send(w, &w->nodes[0], victim, e->other->link);
	assert_int_equal(replica_staged(replica), 5);
	assert_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	run(w, SYNC_BACKOFF_MS + 500);
	assert_int_equal(victim->fail_commits, 0);
	assert_int_equal(replica_staged(replica), 3);
	assert_non_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	end_send(w, &w->nodes[0], victim, e->other->link);
	run(w, 3000);
	assert_int_equal(replica_held(replica), 5);
	assert_true(replica_ended(replica));
	assert_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Frames that no honest node sends: each is a fault of its link, and changes nothing. */
static void test_hostile_frames(void **state)
{
	struct world *w = world_new(2, 8);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	uint8_t before[HASH_LEN], after[HASH_LEN], garbage[600];
	unsigned known = 0;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 1000);
	sync_frontier(victim->sync, before);
	for (unsigned round = 0; round < 20000; round++) {
		struct frame f = {.type = (uint8_t)(FRAME_SUMMARY + next_random(w) % 15),
		    .stream = (uint32_t)(next_random(w) % 3)};
		size_t len = next_random(w) % sizeof garbage;

		for (size_t i = 0; i < len; i++)
			garbage[i] = (uint8_t)next_random(w);
		f.payload = bytes_of(garbage, len);
		sync_receive(victim->sync, e->other->link, &f, w->now);
	}
	known = victim->faults;
	assert_true(known > 1000);
	run(w, 3000);
	sync_frontier(victim->sync, after);
	assert_memory_equal(before, after, HASH_LEN);
	world_free(w);
}

/* What a peer says of our own log counts when our key has signed it, and not before. */
static void test_own_log_ahead(void **state)
{
	struct world *w = world_new(2, 9);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	struct held_log *own = log_of_origin(victim, victim);
	Convene__Head h = CONVENE__HEAD__INIT, *heads[] = {&h};
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;
	uint8_t root[8] = {1}, real[HASH_LEN] = {2};
	struct buffer b = BUFFER_INIT, note = BUFFER_INIT;
	struct checkpoint c = {.size = 1000000};
	Convene__Data d = CONVENE__DATA__INIT;
	struct frame f;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	assert_true(sync_link_compared(e->other->link));
	h.log = pb_of(bytes_of(own->credential.binding.digest, DIGEST_LEN));
	h.size = c.size;
	h.root = pb_of(bytes_of(root, sizeof root));
	m.heads = heads;
	m.n_heads = 1;
	b.len = convene__announce__pack(&m, buffer_reserve(&b, 200));
	f = (struct frame){.type = FRAME_ANNOUNCE, .payload = buffer_bytes(&b)};
	sync_receive(victim->sync, e->other->link, &f, w->now);
	assert_int_equal(victim->own_ahead, 0);
	assert_false(sync_link_compared(e->other->link)); /* it owes the proof */

	strcpy(c.origin, own->credential.binding.log_name);
	memcpy(c.root, real, HASH_LEN);
	for (unsigned signer = 0; signer < 2;
	     signer++) { /* by the wrong key, then by the right one */
		unsigned faults = victim->faults;

		buffer_reset(&note);
		assert_int_equal(checkpoint_sign(&note, &c, &w->nodes[signer].log_key), OK);
		d.log = h.log;
		d.checkpoint = pb_of(buffer_bytes(&note));
		buffer_reset(&b);
		b.len = convene__data__pack(&d, buffer_reserve(&b, 1000));
		for (uint32_t stream = 1; stream < 10; stream++) {
			f = (struct frame){
			    .type = FRAME_DATA, .stream = stream, .payload = buffer_bytes(&b)};
			sync_receive(victim->sync, e->other->link, &f, w->now);
		}
		assert_int_equal(victim->faults, faults + (signer == 0));
		assert_int_equal(victim->own_ahead, signer == 0 ? 0 : c.size);
		buffer_reset(&b);
		b.len = convene__announce__pack(&m, buffer_reserve(&b, 200));
		f = (struct frame){.type = FRAME_ANNOUNCE, .payload = buffer_bytes(&b)};
		sync_receive(victim->sync, e->other->link, &f, w->now);
	}
	buffer_free(&b);
	buffer_free(&note);
	world_free(w);
}

/* An upstream that gives an entry now and then is never without progress. */
static void test_dripping_upstream(void **state)
{
	struct end *one, *two;
	struct world *w = joining(21, 600, &one, &two);
	struct held_log *l;

	(void)state;
	one->drip = 300;
	link_set(w, one, true);
	run(w, 1500);
	link_set(w, two, true);
	run(w, 500);
	l = log_of_origin(&w->nodes[3], &w->nodes[0]);
	assert_string_equal(sync_upstream(w->nodes[3].sync, l->no), "n1.example");
	run(w, SYNC_DRIP_MS + 1500);
	assert_int_equal(replica_held(l->replica), 601);
	assert_int_equal(w->nodes[3].stalls, 1);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Where nobody has shown more, the one that drips is better than none. */
static void test_dripping_alone(void **state)
{
	struct end *one, *two;
	struct world *w = joining(22, 20, &one, &two);

	(void)state;
	one->drip = 500;
	link_set(w, one, true);
	run(w, 30000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[3], &w->nodes[0])->replica), 21);
	assert_int_equal(w->nodes[3].stalls, 0);
	world_free(w);
}

/* Two lines that are honest and thin, on which a DATA takes longer than a stall: leaving one for
 * the other wins nothing, and ends as the backoff doubles. */
static void test_thin_lines(void **state)
{
	struct end *one, *two;
	struct world *w = joining(23, 1000, &one, &two);
	struct held_log *l;

	(void)state;
	one->rate = two->rate = 4000;
	link_set(w, one, true);
	link_set(w, two, true);
	run(w, 240000); /* a minute would do for the bytes alone */
	l = log_of_origin(&w->nodes[3], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 1001);
	assert_in_range(w->nodes[3].stalls, 1, 16);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* A peer that was too slow once may have a log that nobody else has, and that grows no more. */
static void test_withheld_once(void **state)
{
	struct world *w = world_new(3, 55);
	struct end *slow;

	(void)state;
	wire(w, 0, 1);
	slow = wire(w, 1, 2);
	begin(w);
	link_set(w, &w->ends[0], true);
	run(w, 2000);
	slow->drip = 3600000;
	slow->quiet = true; /* so that it shows the log once, and never again */
	link_set(w, slow, true);
	run(w, 5 * SYNC_STALL_SOLE_MS);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[2], &w->nodes[0])->replica), 0);
	assert_true(w->nodes[2].stalls > 0);
	slow->drip = 0;
	assert_all_equal(w, 64 * SYNC_BACKOFF_MS + 1000);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pair),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_mesh_receives_once),
	    cmocka_unit_test(test_links_come_and_go),
	    cmocka_unit_test(test_growing_while_greeting),
	    cmocka_unit_test(test_stalled_upstream),
	    cmocka_unit_test(test_fixed_link),
	    cmocka_unit_test(test_failing_disk),
	    cmocka_unit_test(test_slow_disk),
	    cmocka_unit_test(test_end_and_failing_disk),
	    cmocka_unit_test(test_hostile_frames),
	    cmocka_unit_test(test_own_log_ahead),
	    cmocka_unit_test(test_dripping_upstream),
	    cmocka_unit_test(test_dripping_alone),
	    cmocka_unit_test(test_thin_lines),
	    cmocka_unit_test(test_withheld_once),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
