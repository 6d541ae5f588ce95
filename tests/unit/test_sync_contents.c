/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents among nodes: what is asked for, where and how much; packed or not. */
#include "msg/content.h"
#include "sync/state.h"
#include "sync_world.h"

static void content_erase(struct node *n, struct held_log *l, uint64_t index)
{
	struct store *s = n->store;
	uint8_t id[ID_LEN];

	id_of(n, l->no, index, id);
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->content_drop(s, l->no, index, id, true), OK);
	assert_int_equal(s->ops->commit(s), OK);
}

/* What is erased while it is on its way is not taken; nor is it asked for again, whether the one
 * who has it still gives it or says that it was erased. */
static void test_erased(void **state)
{
	struct world *w = world_new(3, 12);
	struct node *middle = &w->nodes[1], *far = &w->nodes[2];
	size_t frames;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 2000);
	post(&w->nodes[0], 40, 3000);
	struct held_log *l = log_of_origin(middle, &w->nodes[0]);
	while (replica_held(l->replica) < 41)
		run(w, 1);
	assert_true(missing_contents(middle) > 20);
	for (uint64_t i = 1; i <= 40; i++)
		content_erase(middle, l, i);
	run(w, 20000);
	assert_int_equal(missing_contents(middle), 0);
	for (uint64_t i = 1; i <= 40; i++) {
		uint8_t id[ID_LEN];
		id_of(middle, l->no, i, id);
		assert_int_equal(
		    middle->store->ops->content_get(middle->store, l->no, i, id, NULL, NULL),
		    ERR_REFUSED);
	}
	/* The far one may know later. */
	assert_int_equal(missing_contents(far), 40);
	for (uint64_t i = 1; i <= 40; i++)
		content_erase(far, log_of_origin(far, &w->nodes[0]), i);
	run(w, 10000);
	frames = middle->frames_sent + far->frames_sent;
	run(w, 10000);
	assert_true(middle->frames_sent + far->frames_sent - frames < 10);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* A peer counts what it has not answered, also when we have given it up: more than 1,024 would be
 * our fault. */
static void test_wants_bounded(void **state)
{
	struct world *w = world_new(2, 11);
	struct end *e;

	(void)state;
	e = wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	e->withholds = true;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 250, 50);
	run(w, 600000);
	assert_int_equal(
	    replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica), 1 + 12 * 250);
	assert_in_range(e->other->wanted, 500, SYNC_WANTS_MAX);
	world_free(w);
}

/* What waits at a peer is not asked for there again, and comes when it can. */
static void test_asked_once(void **state)
{
	struct world *w = world_new(2, 51);
	struct end *e;

	(void)state;
	e = wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	w->keeps = true;
	post(&w->nodes[0], 20, 50);
	run(w, 600000);
	assert_int_equal(e->other->wanted, 20);
	kept_give(w);
	assert_all_equal(w, 1000);
	assert_int_equal(e->other->wanted, 20);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* More are asked for than a peer lets wait: it says of the oldest that they are not here, the count
 * stays exact, and what it has is behind nothing. */
static void test_many_wait(void **state)
{
	struct world *w = world_new(2, 52);
	uint64_t end;

	(void)state;
	wire(w, 0, 1);
	begin(w);
	post(&w->nodes[0], 50, 50);
	w->keeps = true;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 250, 50);
	wires_up(w);
	for (end = w->now + 60000; w->now < end && missing_contents(&w->nodes[1]) != 3000;)
		run(w, 50);
	assert_int_equal(missing_contents(&w->nodes[1]), 3000);
	run(w, 600000);
	assert_int_equal(faults(w), 0);
	kept_give(w);
	assert_all_equal(w, 60000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* One peer keeps all back, and has no room for more; the other has nothing at first. What it then
 * gets comes, though nobody knows whether the first might have it. */
static void test_closed_link(void **state)
{
	struct world *w = world_new(3, 53);
	struct end *closed;

	(void)state;
	closed = wire(w, 1, 2);
	wire(w, 0, 1);
	wire(w, 0, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	link_set(w, &w->ends[4], false);
	closed->withholds = true;
	w->keeps = true;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 250, 50);
	run(w, 1800000);
	assert_int_equal(closed->other->wanted, SYNC_WANTS_MAX);
	assert_int_equal(missing_contents(&w->nodes[2]), 3000);
	link_set(w, &w->ends[4], true);
	run(w, 300000);
	kept_give(w);
	assert_all_equal(w, 120000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* ---- frames of a peer's own making ---- */

/* Contents 0 to `count` of the log are wanted at the first node. */
static void want_give(struct end *e, struct bytes log, uint64_t first, size_t count, bool now)
{
	Convene__Want m = CONVENE__WANT__INIT;
	uint64_t index[SYNC_WANTS_MAX + 1];

	for (size_t i = 0; i < count; i++)
		index[i] = first + i;
	m.log = pb_of(log);
	m.index = index;
	m.n_index = count;
	m.now = now;
	frame_give(e, FRAME_WANT, &m.base);
}

/* Two that ask each other for the same would wait for each other. */
static void test_crossed(void **state)
{
	struct world *w = world_new(3, 57);
	struct end *author, *other;
	struct bytes log;

	(void)state;
	author = wire(w, 0, 1)->other;
	other = wire(w, 1, 2);
	wire(w, 0, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	w->keeps = true;
	post(&w->nodes[0], 20, 50);
	run(w, 1000);
	log = bytes_of(w->nodes[0].credential.binding.digest, DIGEST_LEN);
	assert_int_equal(author->wanted, 20);
	assert_int_equal(other->wanted, 0);
	want_give(author, log, 1, 20, false);
	run(w, 500);
	assert_int_equal(other->wanted, 20);
	kept_give(w);
	assert_all_equal(w, 1000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* The beginning of a content that it was not asked for, and that can't be one. */
static void content_give(struct end *e, struct bytes log, uint64_t index)
{
	static const uint8_t salt[SALT_LEN];
	Convene__ContentChunk m = CONVENE__CONTENT_CHUNK__INIT;

	m.log = pb_of(log);
	m.index = index;
	m.total = CONTENT_MAX + 1;
	m.salt = pb_of(bytes_of(salt, SALT_LEN));
	m.data = pb_of(bytes_of("x", 1));
	frame_give(e, FRAME_CONTENT, &m.base);
}

/* An answer that nobody asked for changes nothing of what others were asked for. */
static void test_unasked(void **state)
{
	struct world *w = world_new(3, 56);
	struct end *author, *liar;
	struct bytes log;

	(void)state;
	author = wire(w, 0, 1);
	liar = wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	w->keeps = true;
	post(&w->nodes[0], 20, 50);
	run(w, 2000);
	log = bytes_of(w->nodes[0].credential.binding.digest, DIGEST_LEN);
	for (unsigned round = 0; round < 50; round++) {
		for (uint64_t i = 1; i <= 20; i++)
			content_give(liar, log, i);
		run(w, 500);
	}
	assert_int_equal(author->other->wanted, 20);
	kept_give(w);
	assert_all_equal(w, 2000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Who gave a content of another history, and then took ours in, is asked again. */
static void test_taken_in(void **state)
{
	struct world *w = world_new(3, 58);
	struct end *fed;
	struct pair *p;

	(void)state;
	wire(w, 0, 1);
	fed = wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	p = pair_of(fed->node->sync, fed->link,
	    slot_by_digest(fed->node->sync, w->nodes[0].credential.binding.digest, DIGEST_LEN));
	run(w, 2000);
	p->differs = true;
	run(w, 10000);
	assert_true(p->differs);
	post(&w->nodes[0], 1, 50);
	run(w, 2000);
	assert_false(p->differs);
	assert_all_equal(w, 1000);
	world_free(w);
}

/* Every request is answered once: also one of a log that isn't known, one that is asked again, and
 * one that has to make way; more at a time than 1,024 that could be answered are a fault. */
static void test_wants_answered(void **state)
{
	struct world *w = world_new(2, 54);
	struct end *e;
	struct bytes log;

	(void)state;
	e = wire(w, 0, 1);
	begin(w);
	w->keeps = true;
	for (unsigned i = 0; i < 5; i++)
		post(&w->nodes[0], 250, 50);
	link_set(w, e, true);
	log = bytes_of(w->nodes[0].credential.binding.digest, DIGEST_LEN);
	want_give(e, bytes_of("sixteen unknown.", DIGEST_LEN), 1, 3, false);
	assert_int_equal(e->nones, 3);
	want_give(e, log, 1, 10, false);
	want_give(e, log, 1, 10, false); /* the same */
	assert_int_equal(e->nones, 3);
	want_give(e, log, 1, 1, true); /* and now at once */
	assert_int_equal(e->nones, 4);
	want_give(e, log, 1, 1, true);
	assert_int_equal(e->nones, 5);
	want_give(e, log, 11, 1000, false);
	assert_int_equal(e->nones, 5);
	want_give(e, log, 1011, 200, false); /* 1,009 wait */
	assert_int_equal(e->nones, 5 + 185);
	assert_int_equal(e->contents, 0);
	kept_give(w);
	assert_int_equal(e->contents, SYNC_WANTS_MAX);
	assert_int_equal(e->nones, 5 + 185);
	assert_int_equal(faults(w), 0);
	/* In order, and only where there is room. */
	e->full = true;
	want_give(e, bytes_of("sixteen unknown.", DIGEST_LEN), 1, 1, false);
	assert_int_equal(e->nones, 5 + 185);
	e->full = false;
	sync_link_writable(w->nodes[0].sync, e->link, w->now);
	assert_int_equal(e->nones, 5 + 186);
	e->full = true;
	want_give(e, log, 1, SYNC_WANTS_MAX, false);
	assert_int_equal(faults(w), 0);
	want_give(e, log, SYNC_WANTS_MAX + 1, 1, false);
	assert_int_equal(faults(w), 1);
	assert_string_equal(w->nodes[0].fault, "more than 1,024 WANTs outstanding");
	world_free(w);
}

/* ---- packed contents ---- */

static size_t bytes_sent(struct world *w)
{
	size_t sum = 0;

	for (size_t i = 0; i < w->node_count; i++)
		sum += w->nodes[i].bytes_sent;
	return sum;
}

/* Who asks for it gets texts in a fraction of their bytes, and the other direction stays plain. */
static void test_packed(void **state)
{
	size_t bytes[2];

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct world *w = world_new(2, 21);
		struct end *e = wire(w, 0, 1);
		struct sync_link_stats giver, taker;

		w->texts = true;
		w->nodes[1].asks = packed;
		begin(w);
		wires_up(w);
		post(&w->nodes[0], 300, 700);
		post(&w->nodes[1], 20, 700);
		assert_all_equal(w, 5000);
		bytes[packed] = bytes_sent(w);
		w->texts = false;
		post(&w->nodes[0], 6, 200000);
		assert_all_equal(w, 5000);
		sync_link_stats(w->nodes[0].sync, e->link, &giver);
		sync_link_stats(w->nodes[1].sync, e->other->link, &taker);
		assert_int_equal(taker.contents_in, 306);
		assert_int_equal(giver.packs_out, packed);
		assert_int_equal(taker.packs_in, packed);
		assert_false(giver.packs_in || taker.packs_out);
		assert_int_equal(giver.unpacked_out, packed ? giver.content_bytes_out : 0);
		assert_int_equal(taker.unpacked_in, packed ? taker.content_bytes_in : 0);
		assert_int_equal(taker.packed_in, giver.packed_out);
		assert_int_equal(giver.packed_in + taker.packed_out, 0);
		assert_true(giver.memory < PACK_MEMORY + 200000);
		assert_true(taker.memory < UNPACK_MEMORY + 200000);
		assert_int_equal(giver.memory > 1000000, packed);
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
	/* 320 entries of 112 bytes and salts of 32 remain, and the 20 texts. */
	assert_true(bytes[1] < bytes[0] - 70000);
}

/* Links come and go, contents are given up and asked elsewhere, and answers to that come late:
 * no stream loses its place. */
static void test_packed_in_disorder(void **state)
{
	uint64_t late = 0;

	(void)state;
	for (uint64_t seed = 40; seed < 50; seed++) {
		struct world *w = world_new(4, seed);

		w->texts = true;
		for (unsigned i = 0; i < 4; i++) {
			w->nodes[i].asks = i != seed % 4;
			wire(w, i, (i + 1) % 4);
		}
		wire(w, 0, 2);
		begin(w);
		wires_up(w);
		for (unsigned round = 0; round < 30; round++) {
			struct end *e = &w->ends[2 * (next_random(w) % (w->end_count / 2))];

			w->delay_max = round % 6 == 0 ? 3 * SYNC_WANT_MS : 40;
			if (round % 4 == 0)
				link_set(w, e, !e->up);
			else if (e->up) /* the operator changes it */
				sync_link_compress(e->link, next_random(w) % 2);
			post(&w->nodes[next_random(w) % 4], 1 + next_random(w) % 20,
			    1 + next_random(w) % (round % 3 ? 1000 : 150000));
			run(w, next_random(w) % 3000);
		}
		wires_up(w);
		w->delay_max = 40;
		assert_all_equal(w, 120000);
		for (size_t i = 0; i < w->end_count; i++) {
			struct sync_link_stats st;

			sync_link_stats(w->ends[i].node->sync, w->ends[i].link, &st);
			late += st.contents_again;
		}
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
	assert_true(late > 0);
}

/* The second node lacks a content, has asked for it, and its peer has it not: it comes from here.
 */
struct lacking {
	struct world *w;
	struct end *end;
	struct packer *packer;
	Convene__ContentChunk m;
	uint8_t salt[SALT_LEN];
	struct buffer content, piece;
};

static void lacking_begin(struct lacking *x, bool asks)
{
	struct header h = {.version = 1, .sequence = 2, .kind = 99, .time = FIXTURE_TIME};
	struct buffer leaves = BUFFER_INIT, message = BUFFER_INIT;
	struct node *n;

	*x = (struct lacking){.w = world_new(2, 30), .packer = packer_new()};
	x->end = wire(x->w, 0, 1);
	n = &x->w->nodes[0];
	x->w->nodes[1].asks = asks;
	begin(x->w);
	buffer_add_str(&x->content, "What is said once is said once, and what is said is said.");
	memcpy(h.signer, n->root.public, KEY_LEN);
	h.has_commitment = true;
	h.bucket = bucket_of(x->content.len);
	commitment_make(
	    h.commitment, &n->credential.binding, h.signer, x->salt, buffer_bytes(&x->content));
	assert_int_equal(message_sign(&message, &n->credential.binding, &h, &n->root), OK);
	leaves_add(&leaves, buffer_bytes(&message));
	seal(n, buffer_bytes(&leaves), 1, NULL, NULL);
	wires_up(x->w);
	run(x->w, 2000);
	assert_int_equal(missing_contents(&x->w->nodes[1]), 1);
	assert_int_equal(packer_add(x->packer, buffer_bytes(&x->content), &x->piece), OK);
	assert_true(chunk_make(
	    &x->m, n->credential.binding.digest, 1, x->salt, buffer_bytes(&x->content), 0));
	x->m.data = pb_of(bytes_of(NULL, 0));
	x->m.packed = pb_of(buffer_bytes(&x->piece));
	buffer_free(&leaves);
	buffer_free(&message);
}

static void lacking_give(struct lacking *x)
{
	frame_give(x->end->other, FRAME_CONTENT, &x->m.base);
}

static void lacking_end(struct lacking *x)
{
	packer_free(x->packer);
	buffer_free(&x->content);
	buffer_free(&x->piece);
	world_free(x->w);
}

/* Chunks of contents that nobody wants move the stream on, and hold what they say. */
static void test_packed_unwanted(void **state)
{
	struct lacking x;
	uint8_t *digest;

	(void)state;
	lacking_begin(&x, true);
	digest = x.m.log.data;
	x.m.log = pb_of(bytes_of("sixteen unknown.", DIGEST_LEN)); /* a log that is not known */
	lacking_give(&x);
	x.m.log = pb_of(bytes_of(digest, DIGEST_LEN));
	buffer_reset(&x.piece);
	assert_int_equal(packer_add(x.packer, buffer_bytes(&x.content), &x.piece), OK);
	assert_true(x.piece.len < x.content.len / 2);
	x.m.packed = pb_of(buffer_bytes(&x.piece));
	x.m.index = 7; /* an entry that is not there */
	lacking_give(&x);
	buffer_reset(&x.piece);
	assert_int_equal(packer_add(x.packer, buffer_bytes(&x.content), &x.piece), OK);
	x.m.packed = pb_of(buffer_bytes(&x.piece));
	x.m.index = 1;
	lacking_give(&x);
	run(x.w, 100);
	assert_int_equal(missing_contents(&x.w->nodes[1]), 0);
	assert_int_equal(faults(x.w), 0);
	x.m.log = pb_of(bytes_of("sixteen unknown.", DIGEST_LEN));
	x.m.total--;
	lacking_give(&x);
	assert_int_equal(faults(x.w), 1);
	lacking_end(&x);
}

static void test_packed_hostile(void **state)
{
	static const char damaged[] = "the stream of packed contents is damaged, or none";
	static const struct {
		const char *what, *fault;
	} cases[] = {
	    {"nothing", ""},
	    {"not asked", "a content came packed, which was not asked for"},
	    {"garbage", damaged},
	    {"window", "packed contents want a window of more than 256 KiB"},
	    {"checksum", damaged},
	    {"more", "a packed content holds more or fewer bytes than it should"},
	    {"fewer", "a packed content holds more or fewer bytes than it should"},
	    {"half", "a packed content holds more or fewer bytes than it should"},
	    {"end", "the stream of packed contents has an end"},
	    {"both", "a content came packed, and also plain, or beyond its end"},
	    {"beyond", "a content came packed, and also plain, or beyond its end"},
	    {"bomb", "a packed content holds more or fewer bytes than it should"},
	    {"other", "the content of entry 1 of"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *what = cases[i].what;
		struct sync_link_stats st;
		struct lacking x;
		struct node *victim;

		lacking_begin(&x, strcmp(what, "not asked") != 0);
		victim = &x.w->nodes[1];
		if (strcmp(what, "garbage") == 0)
			memset(x.piece.data, 0xa5, x.piece.len);
		else if (strcmp(what, "window") == 0)
			x.piece.data[5] = 0x48;
		else if (strcmp(what, "checksum") == 0)
			x.piece.data[4] = 4;
		else if (strcmp(what, "more") == 0)
			x.m.total--;
		else if (strcmp(what, "fewer") == 0)
			x.m.total++;
		else if (strcmp(what, "half") == 0)
			x.m.packed.len /= 2;
		else if (strcmp(what, "end") == 0)
			x.piece.data[6] |= 1;
		else if (strcmp(what, "both") == 0)
			x.m.data = pb_of(bytes_of("x", 1));
		else if (strcmp(what, "beyond") == 0)
			x.m.offset = x.m.total;
		else if (strcmp(what, "bomb") == 0)
			x.m.packed = pb_of(bytes_of("\x28\xb5\x2f\xfd\x00\x38\x02\x00\x10x", 10));
		else if (strcmp(what, "other") == 0)
			x.m.salt = pb_of(bytes_of("thirty-two bytes of another salt", SALT_LEN));
		lacking_give(&x);
		if (strncmp(victim->fault, cases[i].fault, strlen(cases[i].fault)) != 0)
			fail_msg("%s: %s", what, victim->fault);
		assert_int_equal(victim->faults, cases[i].fault[0] != '\0');
		sync_link_stats(victim->sync, x.end->other->link, &st);
		assert_true(st.memory < UNPACK_MEMORY + 200000);
		run(x.w, 100);
		assert_int_equal(missing_contents(victim), victim->faults);
		lacking_end(&x);
	}
}

/* The origin itself gives a content every four seconds; another link has them too. */
static void test_dripping_contents(void **state)
{
	struct world *w = world_new(3, 24);
	struct end *dripping;

	(void)state;
	wire(w, 0, 1);
	dripping = wire(w, 0, 2);
	wire(w, 1, 2);
	begin(w);
	post(&w->nodes[0], 400, 1000);
	link_set(w, &w->ends[0], true);
	run(w, 5000);
	assert_int_equal(missing_contents(&w->nodes[1]), 0);
	dripping->drip = 0;
	link_set(w, dripping, true);
	link_set(w, &w->ends[4], true);
	run(w, 120);
	dripping->drip = 4000;
	run(w, 9000);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Indices >= from whose content is missing, of one log. */
static size_t missing_from(struct node *n, struct held_log *l, uint64_t from)
{
	uint64_t out[4096];
	size_t count = 4096;

	assert_int_equal(n->store->ops->wanted(n->store, l->no, from, out, &count), OK);
	return count;
}

/* Entries come before contents, and these from the newest down: in a log from its end, among logs
 * by date; but a log whose messages are old gets its share. */
static void test_newest_first(void **state)
{
	struct world *w = world_new(4, 25);
	struct held_log *old, *young;
	struct node *n = &w->nodes[3];
	struct end *e;

	(void)state;
	wire(w, 0, 2);
	wire(w, 1, 2);
	e = wire(w, 2, 3);
	w->nodes[0].date = 1000000;
	for (unsigned i = 0; i < 3; i++)
		first_entry(&w->nodes[i]);
	for (unsigned i = 0; i < 2; i++)
		post(&w->nodes[i], 3000, 400);
	link_set(w, &w->ends[0], true);
	link_set(w, &w->ends[2], true);
	run(w, 20000);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	e->rate = 100000;
	link_set(w, e, true);
	run(w, 2000);
	old = log_of_origin(n, &w->nodes[0]);
	young = log_of_origin(n, &w->nodes[1]);
	while (replica_held(old->replica) < 3001 || replica_held(young->replica) < 3001)
		run(w, 10);
	/* But for what the end of the last entries took. */
	assert_in_range(missing_contents(n), 5600, 6000);
	assert_in_range(w->now, 0, 60000);
	while (missing_contents(n) > 3000)
		run(w, 10);
	assert_in_range(missing_from(n, young, 2001), 0, 10);
	assert_in_range(missing_from(n, young, 0), 600, 1450);
	assert_in_range(missing_from(n, old, 2901), 0, 40);
	run(w, 60000);
	assert_int_equal(missing_contents(n), 0);
	world_free(w);
}

/* While a long log comes in bulk, what is written now is read at once; and when the bulk stands
 * still, its contents come. */
static void test_live_in_bulk(void **state)
{
	struct world *w = world_new(3, 26);
	struct node *n = &w->nodes[2];
	struct held_log *bulk, *live;
	struct end *e = wire(w, 0, 2);

	(void)state;
	wire(w, 1, 2);
	for (unsigned i = 0; i < 3; i++)
		first_entry(&w->nodes[i]);
	post(&w->nodes[0], 3000, 50);
	post(&w->nodes[0], 3000, 50);
	link_set(w, &w->ends[2], true);
	run(w, 2000);
	e->rate = 50000;
	link_set(w, e, true);
	run(w, 5000);
	bulk = log_of_origin(n, &w->nodes[0]);
	live = log_of_origin(n, &w->nodes[1]);
	for (unsigned i = 0; i < 5; i++) {
		post(&w->nodes[1], 1, 500);
		run(w, 1000);
		assert_int_equal(replica_held(live->replica), i + 2);
		assert_int_equal(missing_from(n, live, 0), 0);
	}
	assert_in_range(replica_held(bulk->replica), 1024, 4500);
	assert_in_range(missing_from(n, bulk, 0), replica_held(bulk->replica) - 100,
	    replica_held(bulk->replica));
	assert_int_equal(faults(w), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_erased),
	    cmocka_unit_test(test_wants_bounded),
	    cmocka_unit_test(test_taken_in),
	    cmocka_unit_test(test_unasked),
	    cmocka_unit_test(test_wants_answered),
	    cmocka_unit_test(test_closed_link),
	    cmocka_unit_test(test_many_wait),
	    cmocka_unit_test(test_asked_once),
	    cmocka_unit_test(test_crossed),
	    cmocka_unit_test(test_packed),
	    cmocka_unit_test(test_packed_in_disorder),
	    cmocka_unit_test(test_packed_unwanted),
	    cmocka_unit_test(test_packed_hostile),
	    cmocka_unit_test(test_dripping_contents),
	    cmocka_unit_test(test_newest_first),
	    cmocka_unit_test(test_live_in_bulk),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
