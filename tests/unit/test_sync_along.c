/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents that come along with their entries (SPEC.md 11.4). */
#include "sync/state.h"
#include "sync_world.h"

static unsigned asks; /* nodes that want contents along, by bit */
static unsigned starts;
static size_t brought, sent_to[NODES_MAX]; /* contents; and to whom */
static bool spoil, withhold;

/* What goes out is counted, and may be spoilt. */
static void watching_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	const struct end *e = link;
	Convene__Data m;
	Convene__Brought bad, *list[1] = {&bad};
	uint8_t data[65536];

	if (type != FRAME_DATA || ((const Convene__Data *)message)->n_contents == 0) {
		io_send(ctx, link, type, stream, message);
		return;
	}
	m = *(const Convene__Data *)message;
	brought += m.n_contents;
	sent_to[e->other->node->number] += m.n_contents;
	if (withhold)
		m.n_contents = 0;
	if (spoil) {
		bad = *m.contents[0];
		memcpy(data, bad.data.data, bad.data.len);
		data[bad.data.len - 1] ^= 1;
		bad.data.data = data;
		m.contents = list;
		m.n_contents = 1;
		spoil = false;
	}
	io_send(ctx, link, type, stream, &m.base);
}

static void set_io(struct sync_io *io)
{
	io->send = watching_send;
	if (asks >> starts++ & 1)
		io->along = io_along;
}

static struct world *chain_of(unsigned nodes, unsigned who_asks, uint64_t seed)
{
	struct world *w;

	asks = who_asks;
	starts = 0;
	brought = 0;
	memset(sent_to, 0, sizeof sent_to);
	spoil = withhold = false;
	w = world_new(nodes, seed);
	for (unsigned i = 0; i + 1 < nodes; i++)
		wire(w, i, i + 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	return w;
}

static size_t wanted(const struct world *w)
{
	size_t sum = 0;

	for (size_t i = 0; i < w->end_count; i++)
		sum += w->ends[i].wanted;
	return sum;
}

/* What has just been written comes whole, all along a chain, and nothing is asked for. */
static void test_live(void **state)
{
	struct world *w = chain_of(4, 0xf, 1);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		post(&w->nodes[0], 1 + i % 5, 2000);
		run(w, 30);
	}
	assert_all_equal(w, 2000);
	assert_int_equal(wanted(w), 0);
	assert_int_equal(sent_to[1], 150);
	assert_int_equal(sent_to[2], 150);
	assert_int_equal(sent_to[3], 150);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Not where a log is fetched from far back; nor long ones, or more than was asked for. */
static void test_large(void **state)
{
	struct world *w = chain_of(2, 0x3, 2);

	(void)state;
	link_set(w, &w->ends[0], false);
	post(&w->nodes[0], 300, 500);
	link_set(w, &w->ends[0], true);
	assert_all_equal(w, 5000);
	/* The first block; then it lacks few. */
	assert_int_equal(brought, 45);
	assert_int_equal(wanted(w), 255);
	brought = 0;
	post(&w->nodes[0], 1, 60);
	assert_all_equal(w, 2000);
	assert_int_equal(brought, 1);
	assert_int_equal(wanted(w), 255);
	post(&w->nodes[0], 40, 200000);
	assert_all_equal(w, 20000);
	assert_in_range(brought, 1, 12);
	assert_int_equal(brought + wanted(w), 296);
	brought = 0;
	post(&w->nodes[0], 60, 16000);
	assert_all_equal(w, 20000);
	assert_in_range(brought, 4, 20);
	/* More than fit into one. */
	brought = 0;
	post(&w->nodes[0], 200, 500);
	assert_all_equal(w, 2000);
	assert_int_equal(brought, 200);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* A node that did not ask for it gets none, and passes all on to one that did. */
static void test_mixed(void **state)
{
	struct world *w = chain_of(3, 0x5, 3);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		post(&w->nodes[0], 1, 2000);
		run(w, 200);
	}
	assert_all_equal(w, 2000);
	assert_int_equal(sent_to[1], 0);
	assert_int_equal(w->ends[1].wanted, 20); /* the second asks the first */
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* One that its entry does not commit to is its sender's fault; the entry is taken, and the content
 * asked for. One that is left out is asked for as well. */
static void test_spoilt(void **state)
{
	struct world *w = chain_of(2, 0x3, 4);
	struct held_log *l = log_of_origin(&w->nodes[1], &w->nodes[0]);

	(void)state;
	withhold = true;
	post(&w->nodes[0], 3, 500);
	assert_all_equal(w, 2000);
	assert_int_equal(wanted(w), 3);
	withhold = false;
	spoil = true;
	post(&w->nodes[0], 1, 500);
	run(w, 100);
	assert_int_equal(w->nodes[1].faults, 1);
	assert_int_equal(w->nodes[0].faults, 0);
	assert_int_equal(replica_held(l->replica), 5);
	assert_all_equal(w, 2000);
	assert_int_equal(wanted(w), 4);
	world_free(w);
}

/* Who wants contents packed asks for each: what comes along is not. */
static void test_packed(void **state)
{
	struct world *w = chain_of(2, 0x3, 8);

	(void)state;
	link_set(w, &w->ends[0], false);
	w->nodes[0].asks = w->nodes[1].asks = true;
	link_set(w, &w->ends[0], true);
	run(w, 1000);
	post(&w->nodes[0], 3, 500);
	assert_all_equal(w, 2000);
	assert_int_equal(brought, 0);
	assert_int_equal(wanted(w), 3);
	world_free(w);
}

/* What could not be stored with its entries comes again with them. */
static void test_disk_fails(void **state)
{
	struct world *w = chain_of(2, 0x3, 5);

	(void)state;
	w->nodes[1].fail_commits = 1;
	post(&w->nodes[0], 5, 500);
	assert_all_equal(w, 20000);
	assert_in_range(brought, 10, 15);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* What is signed and in the inbox goes before the origin's store has it, once, to those who have
 * all before it; others hear of the log as it is stored, and nobody says that it is ahead of
 * itself. */
static void test_signed(void **state)
{
	struct world *w = chain_of(3, 0x7, 6);
	struct held_log *own = log_of_origin(&w->nodes[0], &w->nodes[0]);
	struct held_log *next = log_of_origin(&w->nodes[1], &w->nodes[0]);
	uint64_t held = replica_held(own->replica);

	(void)state;
	wire(w, 0, 2);
	link_set(w, &w->ends[4], true);
	run(w, 1000);
	w->early = 400;
	for (unsigned i = 0; i < 20; i++) {
		size_t before = brought;

		post(&w->nodes[0], 1 + i % 3, 1000);
		held += 1 + i % 3;
		assert_int_equal(replica_held(own->replica), held);
		assert_int_equal(replica_held(next->replica), held);
		assert_int_equal(missing_contents(&w->nodes[1]), 0);
		assert_true(brought > before);
	}
	assert_all_equal(w, 2000);
	assert_int_equal(wanted(w), 0);
	assert_int_equal(w->nodes[1].entries_received, held + 1);
	assert_int_equal(w->nodes[0].own_ahead, 0);
	assert_int_equal(faults(w), 0);
	/* In parts, where there is more of it than one DATA takes. */
	post(&w->nodes[0], 150, 800);
	held += 150;
	assert_int_equal(replica_held(own->replica), held);
	assert_int_equal(replica_held(next->replica), held);
	assert_int_equal(missing_contents(&w->nodes[1]), 0);
	assert_all_equal(w, 2000);
	/* Their size makes parts, too. */
	post(&w->nodes[0], 50, 16000);
	held += 50;
	assert_int_equal(replica_held(next->replica), held);
	assert_int_equal(missing_contents(&w->nodes[1]), 0);
	assert_all_equal(w, 5000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* The origin dies before its store has what it gave: the same comes of the same inbox again. */
static void test_signed_again(void **state)
{
	struct world *w = chain_of(2, 0x3, 7);
	struct node *n = &w->nodes[0];
	struct held_log *own = log_of_origin(n, n), *next = log_of_origin(&w->nodes[1], n);
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct checkpoint c = {.size = 0};
	struct replica_batch *b;

	(void)state;
	strcpy(c.origin, n->credential.binding.log_name);
	leaves_add(&leaves, bytes_str("one"));
	assert_int_equal(replica_propose(own->replica, buffer_bytes(&leaves), &c.size, c.root), OK);
	assert_int_equal(checkpoint_sign(&note, &c, &n->log_key), OK);
	assert_int_equal(
	    replica_stage_own(own->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b), OK);
	sync_own_signed(n->sync, own->no, buffer_bytes(&leaves), 1, NULL, 0);
	run(w, 500);
	assert_int_equal(replica_held(next->replica), 2);
	io_reset(n, own->no);
	assert_int_equal(replica_staged(own->replica), 1);
	link_set(w, &w->ends[0], false);
	link_set(w, &w->ends[0], true);
	run(w, 2000);
	assert_int_equal(n->own_ahead, 2);
	/* With another one behind it. */
	leaves_add(&leaves, bytes_str("two"));
	seal(n, buffer_bytes(&leaves), 2, NULL, NULL);
	assert_all_equal(w, 2000);
	assert_int_equal(n->forked + w->nodes[1].forked, 0);
	assert_int_equal(faults(w), 0);
	buffer_free(&leaves);
	buffer_free(&note);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_live),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_mixed),
	    cmocka_unit_test(test_spoilt),
	    cmocka_unit_test(test_packed),
	    cmocka_unit_test(test_disk_fails),
	    cmocka_unit_test(test_signed),
	    cmocka_unit_test(test_signed_again),
	};

	world_io = set_io;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
