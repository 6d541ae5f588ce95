/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads made to hurt: a hundred thousand levels, put into the log from the bottom to the top, or
 * in the order that joins most threads; each post in another topic, or all at one time. Time and
 * stack must stay small. */
#include "forum_fixture.h"

#include <time.h>

enum { DEEP = 100000, SHALLOW = 20000, RUN = 256 };

struct node {
	struct world *w;
	struct fixture store;
	struct forum *forum;
	struct key by;
	uint32_t no;
	size_t folded;
	struct buffer bytes[RUN];
	struct forum_entry run[RUN];
	size_t waiting;
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double processor_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void node_open(struct node *n)
{
	struct key root = fixture_key(1);

	memset(n, 0, sizeof(*n));
	n->w = calloc(1, sizeof(*n->w));
	assert_non_null(n->w);
	assert_ok(verifier_make(
	    &n->w->founders[0], bytes_str("a.example"), VERIFIER_ED25519, root.public));
	fixture_charter(&n->w->charter, n->w->founders, 1, 1);
	world_log_open(n->w, 0, "a.example", 1, -1);
	n->by = fixture_key(0x80);
	world_enrol(n->w, 0, &n->by, NULL, false, (struct bytes){0}, NO_CONTENT);

	fixture_make(&n->store, &store_sqlite);
	struct store *s = n->store.s;
	const struct binding *b = &n->w->logs[0].binding;
	assert_ok(sqlite_exec((struct sqlite_store *)s, "PRAGMA synchronous = OFF"));
	assert_ok(views_prepare(s));
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->log_add(s, bytes_str(b->log_name), b->digest, &n->no));
	assert_ok(s->ops->commit(s));
	assert_ok(forum_new(&n->forum, s, &n->w->charter));
	n->run[0] = n->w->logs[0].entries[0]->in;
	n->run[1] = n->w->logs[0].entries[1]->in;
	n->waiting = 2;
}

static void node_flush(struct node *n)
{
	struct forum_result result;
	struct store *s = n->store.s;

	assert_ok(s->ops->begin(s));
	assert_ok(forum_fold(n->forum, n->no, n->folded, n->run, n->waiting, &result));
	assert_ok(forum_flush(n->forum));
	assert_ok(s->ops->commit(s));
	assert_int_equal(result.invalid, 0);
	n->folded += n->waiting;
	n->waiting = 0;
}

static void node_close(struct node *n)
{
	forum_free(n->forum);
	fixture_drop(&n->store);
	for (size_t i = 0; i < RUN; i++)
		buffer_free(&n->bytes[i]);
	world_free(n->w);
}

/* A post as if it had been verified: signatures are not what this is about. */
static struct header post_header(const struct node *n, uint64_t sequence, const struct id *topic,
    const struct id *parent, uint64_t time)
{
	struct header h = {.version = 1,
	    .sequence = sequence,
	    .kind = KIND_POST,
	    .time = time,
	    .has_commitment = true};

	memcpy(h.signer, n->by.public, KEY_LEN);
	h.topic.present = true;
	memcpy(h.topic.id, topic->bytes, ID_LEN);
	h.parent.present = parent != NULL;
	if (parent != NULL)
		memcpy(h.parent.id, parent->bytes, ID_LEN);
	return h;
}

static struct id post_encode(const struct node *n, const struct header *h, struct buffer *out)
{
	static const uint8_t unsigned_yet[SIG_LEN];
	struct id id;

	buffer_reset(out);
	assert_ok(header_encode(out, h));
	buffer_add(out, unsigned_yet, SIG_LEN);
	message_id(id.bytes, buffer_bytes(out), &n->w->logs[0].binding);
	return id;
}

static void post_fold(struct node *n, const struct header *h)
{
	if (n->waiting == RUN)
		node_flush(n);
	struct buffer *out = &n->bytes[n->waiting];
	struct forum_entry *e = &n->run[n->waiting++];
	struct id id = post_encode(n, h, out);

	*e = (struct forum_entry){.message = buffer_bytes(out)};
	memcpy(e->id, id.bytes, ID_LEN);
	assert_ok(message_parse(e->message, &e->header));
}

struct walk {
	size_t items;
	unsigned deepest;
	uint64_t time;
};

static int see_item(void *ctx, const struct item_row *row)
{
	struct walk *w = ctx;
	w->items++;
	if (row->depth > w->deepest)
		w->deepest = row->depth;
	return OK;
}

/* A chain of posts; `place[i]` is where in the log its i-th from the top stands. */
static void chain_fold(struct node *n, const uint32_t *place, uint32_t levels, bool own_topics)
{
	struct header *headers = calloc(levels, sizeof(*headers));
	struct id *ids = calloc(levels, sizeof(*ids)), topic = made_id(1);
	uint32_t *at = calloc(levels, sizeof(*at));
	struct buffer room = BUFFER_INIT;

	assert_true(headers != NULL && ids != NULL && at != NULL);
	for (uint32_t i = 0; i < levels; i++) {
		if (own_topics)
			topic = made_id(1000 + i);
		headers[i] = post_header(
		    n, place[i] + 1, &topic, i == 0 ? NULL : &ids[i - 1], FIXTURE_TIME + i);
		ids[i] = post_encode(n, &headers[i], &room);
		at[place[i]] = i;
	}
	double start = seconds();
	for (uint32_t i = 0; i < levels; i++)
		post_fold(n, &headers[at[i]]);
	node_flush(n);
	double folded = seconds();

	struct walk walk = {0};
	uint64_t missing;
	assert_ok(query_thread(n->store.s, ids[levels / 2].bytes, see_item, &walk, &missing));
	print_message("fold %.2f s, %.1f us each; read %.2f s\n", folded - start,
	    (folded - start) * 1e6 / levels, seconds() - folded);
	assert_int_equal(walk.items, levels);
	assert_int_equal(walk.deepest, levels - 1);
	assert_int_equal(missing, 0);
	buffer_free(&room);
	free(headers);
	free(ids);
	free(at);
}

static uint32_t *places(uint32_t levels)
{
	uint32_t *place = calloc(levels, sizeof(*place));
	assert_non_null(place);
	return place;
}

static void run_chain(uint32_t *place, uint32_t levels, bool own_topics)
{
	static struct node n;

	node_open(&n);
	chain_fold(&n, place, levels, own_topics);
	node_close(&n);
	free(place);
}

static void test_top_down(void **state)
{
	(void)state;
	uint32_t *place = places(SHALLOW);
	for (uint32_t i = 0; i < SHALLOW; i++)
		place[i] = i;
	run_chain(place, SHALLOW, false);
}

static void test_bottom_up(void **state)
{
	(void)state;
	uint32_t *place = places(SHALLOW);
	for (uint32_t i = 0; i < SHALLOW; i++)
		place[i] = SHALLOW - 1 - i;
	run_chain(place, SHALLOW, false);
}

/* Every post makes another place of its thread until the root comes. */
static void test_bottom_up_in_own_topics(void **state)
{
	(void)state;
	uint32_t *place = places(DEEP);
	for (uint32_t i = 0; i < DEEP; i++)
		place[i] = DEEP - 1 - i;
	run_chain(place, DEEP, true);
}

/* Odd ones first, then what joins neighbours, then pairs of pairs: every step joins equals. */
static void test_joining_equals(void **state)
{
	(void)state;
	uint32_t *place = places(SHALLOW), next = 0;
	for (uint32_t step = 1; step < 2 * SHALLOW; step *= 2)
		for (uint32_t i = step - 1; i < SHALLOW; i += 2 * step)
			place[i] = next++;
	assert_int_equal(next, SHALLOW);
	run_chain(place, SHALLOW, true);
}

static int see_thread(void *ctx, const struct thread_row *row)
{
	struct walk *w = ctx;
	w->items++;
	assert_true(w->time == 0 || row->latest <= w->time);
	w->time = row->latest;
	return OK;
}

/* Plain posts: what a fold costs, and listing a topic of many threads that all say one time. */
static void test_plain(void **state)
{
	(void)state;
	enum { THREADS = 2000, REPLIES = 20 };
	static struct node n;
	static struct id roots[THREADS];
	struct id topic = made_id(1);
	struct buffer room = BUFFER_INIT;
	struct header h;
	struct walk walk = {0};
	uint64_t sequence = 0;

	node_open(&n);
	double start = seconds();
	for (size_t i = 0; i < THREADS; i++) {
		h = post_header(&n, ++sequence, &topic, NULL, FIXTURE_TIME);
		roots[i] = post_encode(&n, &h, &room);
		post_fold(&n, &h);
	}
	node_flush(&n);
	double began = seconds();
	for (size_t i = 0; i < THREADS * REPLIES; i++) {
		h = post_header(&n, ++sequence, &topic, &roots[mix(i) % THREADS], FIXTURE_TIME);
		post_fold(&n, &h);
	}
	node_flush(&n);
	double folded = seconds();
	print_message("new threads %.1f us each, replies %.1f us each\n",
	    (began - start) * 1e6 / THREADS, (folded - began) * 1e6 / (THREADS * REPLIES));

	assert_ok(query_threads(n.store.s, topic.bytes, THREADS + 1, 0, see_thread, &walk));
	assert_int_equal(walk.items, THREADS);
	walk.items = 0;
	assert_ok(query_threads(n.store.s, topic.bytes, 10, THREADS - 5, see_thread, &walk));
	assert_int_equal(walk.items, 5);
	buffer_free(&room);
	node_close(&n);
}

/* Store what is waiting to be folded, with the content of every post but each third missing. */
static size_t store_waiting(struct node *n)
{
	struct store *s = n->store.s;
	struct buffer leaves = BUFFER_INIT;
	struct tree_hash blocks[2] = {{{0}}};
	uint64_t wanted[RUN];
	size_t count = 0, size = n->folded + n->waiting;

	for (size_t i = 0; i < n->waiting; i++) {
		add_leaf(&leaves, n->run[i].message);
		if (n->run[i].header.kind == KIND_POST && (n->folded + i) % 3 != 0)
			wanted[count++] = n->folded + i;
	}
	struct store_append a = {.log = n->no,
	    .expected = n->folded,
	    .leaves = buffer_bytes(&leaves),
	    .count = n->waiting,
	    .size = size,
	    .checkpoint = bytes_str("note"),
	    .blocks = blocks,
	    .block_count = size / TREE_BLOCK - n->folded / TREE_BLOCK,
	    .wanted = wanted,
	    .wanted_count = count};
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->append(s, &a));
	assert_ok(s->ops->commit(s));
	buffer_free(&leaves);
	return count;
}

static void test_missing_contents(void **state)
{
	(void)state;
	static struct node n;
	struct id topic = made_id(1), root = {{0}};
	struct header h;
	struct walk walk = {0};
	uint64_t missing;
	size_t want = 0;

	node_open(&n);
	for (uint64_t i = 1; i <= 2000; i++) {
		h = post_header(&n, i, &topic, i == 1 ? NULL : &root, FIXTURE_TIME);
		if (n.waiting == RUN) {
			want += store_waiting(&n);
			node_flush(&n);
		}
		post_fold(&n, &h);
		if (i == 1)
			memcpy(root.bytes, n.run[n.waiting - 1].id, ID_LEN);
	}
	want += store_waiting(&n);
	node_flush(&n);
	assert_ok(query_thread(n.store.s, root.bytes, see_item, &walk, &missing));
	assert_int_equal(walk.items, 2000);
	assert_int_equal(walk.deepest, 1);
	assert_true(want > 1000);
	assert_int_equal(missing, want);
	node_close(&n);
}

/* Beginning anew forgets what is not there any more: mentions, and a content that was erased. */
static void test_reset(void **state)
{
	(void)state;
	static struct node n;
	static const uint8_t salt[SALT_LEN];
	struct id unknown = made_id(1);
	struct header h[2];
	struct buffer room = BUFFER_INIT, dump = BUFFER_INIT;
	struct forum_result result;
	struct walk walk = {0};
	uint64_t last;

	node_open(&n);
	struct store *s = n.store.s;
	h[0] = post_header(&n, 1, &unknown, NULL, FIXTURE_TIME);
	h[1] = post_header(&n, 2, &unknown, NULL, FIXTURE_TIME);
	post_fold(&n, &h[0]);
	post_fold(&n, &h[1]);
	struct bytes content = world_text(&room, "regretted", "");
	store_waiting(&n);
	assert_ok(s->ops->begin(s));
	assert_ok(s->ops->content_put(s, n.no, 2, n.run[2].id, salt, content));
	assert_ok(forum_fold(n.forum, n.no, 0, n.run, 4, &result));
	assert_ok(forum_flush(n.forum));
	assert_ok(s->ops->commit(s));
	assert_ok(query_dump(s, &dump));
	assert_non_null(strstr(buffer_str(&dump), "regretted"));

	uint64_t arrivals = result.arrivals;
	assert_ok(s->ops->begin(s));
	assert_ok(forum_reset(n.forum));
	assert_ok(query_arrivals(s, 0, NULL, 9, see_item, &walk));
	assert_int_equal(walk.items, 0);
	assert_ok(s->ops->content_drop(s, n.no, 2, n.run[2].id, true));
	assert_ok(forum_fold(n.forum, n.no, 0, n.run, 4, &result));
	assert_ok(forum_flush(n.forum));
	assert_ok(s->ops->commit(s));
	assert_int_equal(result.arrivals, arrivals);
	assert_ok(query_last_arrival(s, &last));
	assert_true(last >= arrivals);
	walk.items = 0;
	assert_ok(query_arrivals(s, 0, NULL, 9, see_item, &walk));
	assert_int_equal(walk.items, 2);
	walk.items = 0;
	assert_ok(query_arrivals(s, arrivals, NULL, 9, see_item, &walk));
	assert_int_equal(walk.items, 0);
	assert_ok(query_threads(s, unknown.bytes, 9, 0, see_thread, &walk));
	assert_int_equal(walk.items, 2);
	buffer_reset(&dump);
	assert_ok(query_dump(s, &dump));
	assert_null(strstr(buffer_str(&dump), "regretted"));
	buffer_free(&room);
	buffer_free(&dump);
	node_close(&n);
}

/* Who chooses what its posts mention can choose all with one beginning: a look-up must not go
 * through all of these. */
static void test_one_beginning(void **state)
{
	(void)state;
	enum { POSTS = 3000 };
	static struct node n;
	struct id topic = made_id(1), parent = made_id(2);
	struct header h;
	double took[2];

	node_open(&n);
	for (uint64_t i = 0; i < 2; i++) {
		took[i] = processor_seconds();
		for (uint64_t j = 1; j <= POSTS; j++) {
			put_u64(parent.bytes + 16, i << 32 | j);
			h = post_header(&n, i * POSTS + j, &topic, &parent, FIXTURE_TIME);
			post_fold(&n, &h);
		}
		node_flush(&n);
		took[i] = processor_seconds() - took[i];
	}
	print_message("%.1f us each, then %.1f us\n", took[0] * 1e6 / POSTS, took[1] * 1e6 / POSTS);
	assert_true(took[1] < 2 * took[0]);
	node_close(&n);
}

static int see_arrival(void *ctx, const struct item_row *row)
{
	struct walk *w = ctx;
	w->items++;
	w->time = row->arrival;
	return OK;
}

/* As after a cut: what had arrived is not there any more, and something else is. A reader who asks
 * for a page gets that, and no number that was given before. */
static void test_cut(void **state)
{
	(void)state;
	enum { GONE = 300, HERE = 5 };
	static struct node n;
	struct id topic = made_id(1);
	struct header h;
	struct walk walk = {0};
	uint64_t before, after;

	node_open(&n);
	struct store *s = n.store.s;
	struct forum_entry first[2] = {n.run[0], n.run[1]};
	for (uint64_t i = 1; i <= GONE; i++) {
		h = post_header(&n, i, &topic, NULL, FIXTURE_TIME);
		post_fold(&n, &h);
	}
	node_flush(&n);
	/* The last are such as are not shown. */
	for (uint8_t i = 0; i < 12; i++) {
		struct key other = fixture_key((uint8_t)(0x90 + i));
		world_enrol(n.w, 0, &other, NULL, false, (struct bytes){0}, NO_CONTENT);
		n.run[n.waiting++] = n.w->logs[0].entries[2 + i]->in;
	}
	node_flush(&n);
	assert_ok(query_last_arrival(s, &before));

	assert_ok(s->ops->begin(s));
	assert_ok(forum_reset(n.forum));
	assert_ok(s->ops->commit(s));
	n.folded = 0;
	n.run[0] = first[0];
	n.run[1] = first[1];
	n.waiting = 2;
	for (uint64_t i = 1; i <= HERE; i++) {
		h = post_header(&n, i, &topic, NULL, FIXTURE_TIME + 1);
		post_fold(&n, &h);
	}
	node_flush(&n);
	assert_ok(query_last_arrival(s, &after));
	assert_true(after >= before + HERE);
	assert_ok(query_arrivals(s, 0, NULL, 256, see_arrival, &walk));
	assert_int_equal(walk.items, HERE);
	walk.items = 0;
	assert_ok(query_arrivals(s, before, NULL, 256, see_arrival, &walk));
	assert_int_equal(walk.items, HERE);
	assert_true(walk.time == after);
	node_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_top_down),
	    cmocka_unit_test(test_bottom_up),
	    cmocka_unit_test(test_bottom_up_in_own_topics),
	    cmocka_unit_test(test_joining_equals),
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_missing_contents),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_one_beginning),
	    cmocka_unit_test(test_cut),
	};
	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
