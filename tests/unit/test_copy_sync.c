/* SPDX-License-Identifier: BSD-2-Clause */
/* `convene sync` against a node that is made up here: what it asks, and that in the end the copy is
 * what the node shows, whatever came in between. The linker puts the functions below in the place
 * of client/ask.c's and client/client.c's. */
#include "copy_world.h"

/* ---- the node ---- */

static struct {
	int arrived[POSTS]; /* in this order; arrival numbers are places from 1 */
	int count;
	bool missing[POSTS]; /* the node waits for this content */
	bool large[POSTS];
	int breaks; /* so many frames until the connection breaks; negative: never */
	int watches, lists, pages, threads, contents; /* requests */
} node;

int __wrap_client_arrivals(struct client *c, uint64_t after, const uint8_t *topic,
    int (*fn)(void *ctx, const Convene__Items *items), void *ctx, struct trouble *t);
int __wrap_client_topics(struct client *c, struct frames *out, struct trouble *t);
int __wrap_client_threads(struct client *c, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t);
int __wrap_client_thread(struct client *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t);
int __wrap_client_content(struct client *c, const uint8_t id[static ID_LEN],
    uint8_t salt[static SALT_LEN], struct buffer *out, struct trouble *t);
uint64_t __wrap_client_received(const struct client *c);

static bool broken(struct trouble *t)
{
	if (node.breaks == 0) {
		trouble_set(t, ERR_CLOSED, "the connection broke");
		return true;
	}
	node.breaks -= node.breaks > 0;
	return false;
}

/* Its item as it stands now, in memory of its own. */
static Convene__Item *item_new(int i, unsigned depth)
{
	Convene__Item *m = calloc(1, sizeof *m);
	bool rootless;

	assert_non_null(m);
	*m = post[i].item;
	m->log = pb_copy(bytes_of_pb(m->log));
	m->message = pb_copy(bytes_of_pb(m->message));
	m->organisation = pb_copy(bytes_of_pb(m->organisation));
	m->handle = pb_copy(bytes_of_pb(m->handle));
	m->identity = pb_copy(bytes_of_pb(m->identity));
	m->topic = pb_copy(bytes_of(post[i < 2 ? i : model_topic(i)].id, ID_LEN));
	m->thread = pb_copy(bytes_of(post[model_root(i, &rootless)].id, ID_LEN));
	m->depth = depth;
	if (node.missing[i] || node.large[i]) {
		m->content_state = node.missing[i] ? STATE(MISSING) : STATE(LARGE);
		m->salt = m->content = (ProtobufCBinaryData){0, NULL};
	} else {
		m->salt = pb_copy(bytes_of_pb(m->salt));
		m->content = pb_copy(bytes_of_pb(m->content));
	}
	for (int k = 0; k < node.count; k++)
		if (node.arrived[k] == i)
			m->arrival = (uint64_t)k + 1;
	return m;
}

static Convene__Items *items_new(void)
{
	Convene__Items *m = calloc(1, sizeof *m);

	assert_non_null(m);
	convene__items__init(m);
	return m;
}

static void item_put(Convene__Items *m, int i, unsigned depth)
{
	m->items = pb_room(m->items, m->n_items);
	m->items[m->n_items++] = item_new(i, depth);
}

int __wrap_client_arrivals(struct client *c, uint64_t after, const uint8_t *topic,
    int (*fn)(void *ctx, const Convene__Items *items), void *ctx, struct trouble *t)
{
	Convene__Items *m = items_new();
	int err = OK;

	(void)c;
	node.watches++;
	for (int k = 0; k < node.count && !err; k++) {
		int i = node.arrived[k];

		if ((uint64_t)k + 1 <= after ||
		    memcmp(post[i < 2 ? i : model_topic(i)].id, topic, ID_LEN) != 0)
			continue;
		item_put(m, i, 0);
		if (random() % 3)
			continue;
		err = broken(t) ? ERR_CLOSED : fn(ctx, m);
		message_free(&m->base);
		m = items_new();
	}
	m->last = true;
	m->arrival = (uint64_t)node.count;
	if (!err)
		err = broken(t) ? ERR_CLOSED : fn(ctx, m);
	message_free(&m->base);
	return err;
}

int __wrap_client_topics(struct client *c, struct frames *out, struct trouble *t)
{
	Convene__Topics *m = calloc(1, sizeof *m);

	(void)c;
	node.lists++;
	*out = (struct frames){NULL, 0};
	assert_non_null(m);
	convene__topics__init(m);
	m->last = true;
	for (int topic = 0; topic < 2; topic++) {
		Convene__Topic *row = calloc(1, sizeof *row);

		assert_non_null(row);
		convene__topic__init(row);
		row->id = pb_copy(bytes_of(post[topic].id, ID_LEN));
		row->title = pb_copy(bytes_str("a title"));
		for (int i = 2; i < POSTS; i++)
			row->posts += here[i] && model_topic(i) == topic;
		m->topics = pb_room(m->topics, m->n_topics);
		m->topics[m->n_topics++] = row;
	}
	if (!broken(t))
		return frames_add(out, &m->base);
	message_free(&m->base);
	return ERR_CLOSED;
}

int __wrap_client_threads(struct client *c, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t)
{
	Convene__Threads *m = calloc(1, sizeof *m);
	int which = memcmp(topic, post[0].id, ID_LEN) == 0 ? 0 : 1;

	(void)c;
	(void)len;
	(void)limit;
	node.pages++;
	*out = (struct frames){NULL, 0};
	assert_non_null(m);
	convene__threads__init(m);
	for (int root = 0; root < POSTS && offset == 0; root++) {
		uint64_t posts = 0;
		bool rootless;

		for (int i = 2; i < POSTS; i++)
			posts += here[i] && model_topic(i) == which &&
				 model_root(i, &rootless) == root;
		if (posts == 0)
			continue;
		Convene__Thread *row = calloc(1, sizeof *row);
		assert_non_null(row);
		convene__thread__init(row);
		row->id = pb_copy(bytes_of(post[root].id, ID_LEN));
		row->posts = posts;
		m->threads = pb_room(m->threads, m->n_threads);
		m->threads[m->n_threads++] = row;
	}
	if (!broken(t))
		return frames_add(out, &m->base);
	message_free(&m->base);
	return ERR_CLOSED;
}

int __wrap_client_thread(struct client *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t)
{
	Convene__Items *m = items_new();
	int order[POSTS];
	unsigned depths[POSTS];
	size_t n = 0;

	(void)c;
	(void)len;
	node.threads++;
	*out = (struct frames){NULL, 0};
	*missing = 0;
	for (int i = 0; i < POSTS; i++)
		if (memcmp(post[i].id, id, ID_LEN) == 0)
			model_walk(i, 0, order, depths, &n);
	for (size_t k = 0; k < n; k++)
		item_put(m, order[k], depths[k]);
	m->last = true;
	if (!broken(t))
		return frames_add(out, &m->base);
	message_free(&m->base);
	return ERR_CLOSED;
}

int __wrap_client_content(struct client *c, const uint8_t id[static ID_LEN],
    uint8_t salt[static SALT_LEN], struct buffer *out, struct trouble *t)
{
	(void)c;
	node.contents++;
	if (broken(t))
		return ERR_CLOSED;
	for (int i = 0; i < POSTS; i++) {
		if (memcmp(post[i].id, id, ID_LEN) != 0 || node.missing[i])
			continue;
		memcpy(salt, post[i].salt, SALT_LEN);
		buffer_add(out, post[i].content.data, post[i].content.len);
		return OK;
	}
	return trouble_set(t, ERR_NOTFOUND, "not here yet");
}

uint64_t __wrap_client_received(const struct client *c)
{
	(void)c;
	return 1;
}

/* ---- syncing with it ---- */

static void arrive(const int order[static POSTS], int upto)
{
	for (; node.count < upto; node.count++) {
		int i = node.arrived[node.count] = order[node.count];

		here[i] = true;
		node.missing[i] = random() % 5 == 0;
		node.large[i] = random() % 5 == 0;
	}
}

static struct copy_progress sync_whole(struct copy *c)
{
	struct copy_progress p;
	struct trouble t;

	node.breaks = -1;
	node.watches = node.lists = node.pages = node.threads = node.contents = 0;
	if (copy_sync(c, NULL, NULL, NULL, &p, &t) != OK)
		fail_msg("%s", t.text);
	return p;
}

/* With a connection that breaks, again and again; and with the copy closed in between. */
static struct copy *sync_broken(struct copy *c)
{
	struct copy_progress p;
	struct trouble t;

	for (int k = 0; k < 4; k++) {
		node.breaks = (int)(random() % 6);
		if (copy_sync(c, NULL, NULL, NULL, &p, &t) != OK)
			assert_int_equal(t.err, ERR_CLOSED);
		if (random() % 2) {
			copy_close(c);
			c = open_it();
		}
	}
	return c;
}

static uint64_t unread(struct copy *c, int i)
{
	struct frames frames;
	struct trouble t;
	uint64_t missing;

	assert_int_equal(copy_thread(c, post[i].id, ID_LEN, &frames, &missing, &t), OK);
	const Convene__Items *m = (const Convene__Items *)frames.list[0];
	missing = 0;
	for (size_t k = 0; k < m->n_items; k++)
		if (bytes_equal(bytes_of_pb(m->items[k]->message), buffer_bytes(&post[i].message)))
			missing = m->items[k]->content_state == STATE(MISSING);
	frames_free(&frames);
	return missing;
}

/* Where one topic is kept, a thread without its root may hang together by posts of the other. */
static void posts_count(struct copy *c)
{
	struct frames frames;
	struct trouble t;
	uint64_t ours = 0, theirs = 0;

	assert_int_equal(copy_threads(c, post[0].id, ID_LEN, 1000, 0, &frames, &t), OK);
	const Convene__Threads *m = (const Convene__Threads *)frames.list[0];
	for (size_t k = 0; k < m->n_threads; k++)
		ours += m->threads[k]->posts;
	for (int i = 2; i < POSTS; i++)
		theirs += here[i] && model_topic(i) == 0;
	assert_int_equal(ours, theirs);
	frames_free(&frames);
}

static void all_compare(struct copy *c, int topics)
{
	if (topics == 1)
		posts_count(c);
	for (int topic = 0; topic < topics && topics == 2; topic++)
		threads_compare(c, topic);
	for (int i = 0; i < POSTS; i++) {
		if (!here[i] || (i >= 2 && model_topic(i) >= topics) || (i < 2 && i >= topics))
			continue;
		if (topics == 2)
			thread_compare(c, i);
		assert_int_equal(unread(c, i), node.missing[i]);
	}
}

static struct copy *begin(unsigned seed, int topics, int order[static POSTS])
{
	struct copy *c;

	srandom(seed);
	throw_away();
	memset(&node, 0, sizeof node);
	memset(here, 0, sizeof here);
	posts_make();
	posts_shuffle(order);
	c = open_it();
	for (int i = 0; i < topics; i++)
		keep(c, &post[i]);
	return c;
}

static void end(struct copy *c)
{
	copy_close(c);
	for (int i = 0; i < POSTS; i++)
		made_free(&post[i]);
}

/* thread_compare() counts what is missing by roots alone. */
static void contents_come(void)
{
	memset(node.missing, 0, sizeof node.missing);
}

static void test_growing(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		int topics = seed % 2 ? 2 : 1, order[POSTS];
		struct copy *c = begin(seed, topics, order);

		while (node.count < POSTS) {
			/* One by one where a topic isn't kept: what goes there and as much that
			 * comes from there at the same time could not be told from nothing. */
			int upto = node.count + 1 + (int)(topics == 2 ? random() % 12 : 0);

			arrive(order, upto < POSTS ? upto : POSTS);
			if (random() % 2)
				c = sync_broken(c);
			sync_whole(c);
			for (int i = 0; i < POSTS; i++)
				if (here[i] && (i < 2 ? i : model_topic(i)) < topics)
					assert_int_equal(unread(c, i), node.missing[i]);
			contents_come();
			sync_whole(c);
			all_compare(c, topics);
		}
		/* Nothing new: one question, whatever is kept. */
		sync_whole(c);
		assert_int_equal(node.watches, 1);
		assert_int_equal(node.lists + node.pages + node.threads + node.contents, 0);
		end(c);
	}
}

/* A node that was restored from a backup: it has forgotten, and numbers anew. */
static void test_restored(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 10; seed++) {
		int order[POSTS];
		struct copy *c = begin(seed, 2, order);

		arrive(order, POSTS - 10);
		contents_come();
		sync_whole(c);
		all_compare(c, 2);
		for (int k = 0; k < 20; k++)
			here[node.arrived[--node.count]] = false;
		/* What it lost comes again in another order, after some of it was seen missing. */
		for (int k = 0; k < 10; k++) {
			int a = node.count + k, b = node.count + 19 - k, o = order[a];

			order[a] = order[b];
			order[b] = o;
		}
		arrive(order, node.count + 5);
		contents_come();
		c = sync_broken(c);
		sync_whole(c);
		all_compare(c, 2);
		arrive(order, POSTS);
		contents_come();
		sync_whole(c);
		all_compare(c, 2);
		end(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_growing),
	    cmocka_unit_test(test_restored),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
