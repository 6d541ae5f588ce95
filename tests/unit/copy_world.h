/* SPDX-License-Identifier: BSD-2-Clause */
/* Signed items to put into a copy, and a naive model of the threads that they make. For test_copy.c
 * and test_copy_sync.c. */
#ifndef TESTS_COPY_WORLD_H
#define TESTS_COPY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/copy_inside.h"
#include "msg/body.h"
#include "msg/content.h"

#define LOG "isoc.example/00112233445566778899aabbccddeeff/1"
#define POSTS 60
#define STATE(name) CONVENE__CONTENT_STATE__CONTENT_##name

struct made {
	struct buffer message, content;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	int topic, parent; /* places in the list; -1: none */
	uint64_t time;
	Convene__Item item;
};

static struct home home;
static struct binding binding;
static struct key key;
static uint64_t sequence;
static char folder[] = "/tmp/test_copy.XXXXXX";

/* ---- making items ---- */

static void made_free(struct made *m)
{
	buffer_free(&m->message);
	buffer_free(&m->content);
}

static struct ref ref_to(const struct made *m)
{
	struct ref r = {.present = true};

	memcpy(r.log, binding.digest, DIGEST_LEN);
	memcpy(r.id, m->id, ID_LEN);
	return r;
}

static void make(struct made *out, uint32_t kind, uint64_t time, const struct made *topic,
    const struct made *parent, const struct made *target, const char *subject, const char *text)
{
	struct header h = {.version = 1, .sequence = ++sequence, .kind = kind, .time = time};
	struct content c = {.subject = bytes_str(subject), .text = bytes_str(text)};
	struct target_body body;
	struct buffer bytes = BUFFER_INIT;

	memset(out, 0, sizeof *out);
	out->topic = out->parent = -1;
	out->time = time;
	memcpy(h.signer, key.public, KEY_LEN);
	put_u64(out->salt, sequence);
	if (topic)
		h.topic = ref_to(topic);
	if (parent)
		h.parent = ref_to(parent);
	if (target) {
		body = (struct target_body){.target = ref_to(target)};
		assert_int_equal(kind == KIND_AMEND ? amend_body_encode(&bytes, &body)
						    : erase_body_encode(&bytes, &body),
		    OK);
		h.body = buffer_bytes(&bytes);
	}
	convene__item__init(&out->item);
	out->item.content_state = STATE(NONE_NEEDED);
	if (kind != KIND_ERASE) {
		assert_int_equal(content_encode(&out->content, &c), OK);
		h.has_commitment = true;
		h.bucket = bucket_of(out->content.len);
		commitment_make(
		    h.commitment, &binding, key.public, out->salt, buffer_bytes(&out->content));
		out->item.salt = pb_of(bytes_of(out->salt, SALT_LEN));
		out->item.content = pb_of(buffer_bytes(&out->content));
		out->item.content_state = STATE(PRESENT);
	}
	assert_int_equal(message_sign(&out->message, &binding, &h, &key), OK);
	message_id(out->id, buffer_bytes(&out->message), &binding);
	buffer_free(&bytes);
	out->item.log = pb_of(bytes_str(LOG));
	out->item.index = sequence;
	out->item.message = pb_of(buffer_bytes(&out->message));
	out->item.organisation = pb_of(bytes_str("isoc.example"));
	out->item.handle = pb_of(bytes_str("alice"));
	out->item.identity = pb_of(bytes_of(key.public, IDENTITY_LEN));
}

/* ---- the copy ---- */

static struct copy *open_it(void)
{
	struct trouble t;
	struct copy *c;

	if (copy_open(&c, &home, true, &t) != OK)
		fail_msg("%s", t.text);
	return c;
}

static void keep(struct copy *c, const struct made *topic)
{
	Convene__Topic m = CONVENE__TOPIC__INIT;
	struct trouble t;

	m.id = pb_of(bytes_of(topic->id, ID_LEN));
	m.title = pb_of(bytes_str("a title"));
	assert_int_equal(copy_keep(c, &m, true, &t), OK);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void throw_away(void)
{
	struct trouble t;

	assert_int_equal(copy_remove(&home, &t), OK);
}

/* ---- threads against a model ---- */

static struct made post[POSTS]; /* the first two are topics */
static bool here[POSTS];

/* All of them anew; some claim another topic than their thread stands in. Few times, so that there
 * are equal ones. */
static void posts_make(void)
{
	for (int i = 0; i < POSTS; i++) {
		int parent = i > 2 && random() % 5 ? (int)(random() % i) : -1;
		int topic = i < 2 ? -1 : (int)(random() % 2);

		if (i < 2)
			parent = -1;
		else if (parent >= 0 && random() % 4)
			topic = parent < 2 ? parent : post[parent].topic;
		make(&post[i], i < 2 ? KIND_TOPIC : KIND_POST, 1000 + (uint64_t)random() % 20,
		    topic >= 0 ? &post[topic] : NULL, parent >= 0 ? &post[parent] : NULL, NULL,
		    i % 3 ? "" : "a subject", "text");
		post[i].topic = topic;
		post[i].parent = parent;
	}
}

static void posts_shuffle(int order[static POSTS])
{
	for (int i = 0; i < POSTS; i++)
		order[i] = i;
	for (int i = POSTS - 1; i > 0; i--) {
		int j = (int)(random() % (i + 1)), o = order[i];

		order[i] = order[j];
		order[j] = o;
	}
}

/* The topmost of a post's thread; `*missing`: it is not here. */
static int model_root(int i, bool *missing)
{
	*missing = false;
	while (post[i].parent >= 0) {
		i = post[i].parent;
		if (!here[i]) {
			*missing = true;
			return i;
		}
	}
	return i;
}

static int model_topic(int i)
{
	bool missing;
	int root = model_root(i, &missing);

	return missing ? post[i].topic : root < 2 ? root : post[root].topic;
}

static bool before(int a, int b)
{
	return post[a].time != post[b].time ? post[a].time < post[b].time
					    : memcmp(post[a].id, post[b].id, ID_LEN) < 0;
}

/* Append what answers `i`, depth first. */
static void model_walk(int i, unsigned depth, int *order, unsigned *depths, size_t *n)
{
	bool done[POSTS] = {false};

	if (here[i]) {
		order[*n] = i;
		depths[(*n)++] = depth;
	}
	for (;;) {
		int best = -1;

		for (int j = 2; j < POSTS; j++)
			if (here[j] && !done[j] && post[j].parent == i &&
			    (best < 0 || before(j, best)))
				best = j;
		if (best < 0)
			return;
		done[best] = true;
		model_walk(best, here[i] ? depth + 1 : 0, order, depths, n);
	}
}

static void thread_compare(struct copy *c, int i)
{
	struct frames frames;
	struct trouble t;
	uint64_t missing;
	bool rootless;
	int root = model_root(i, &rootless), order[POSTS];
	unsigned depths[POSTS];
	size_t n = 0;

	model_walk(root, 0, order, depths, &n);
	assert_int_equal(copy_thread(c, post[i].id, ID_LEN, &frames, &missing, &t), OK);
	const Convene__Items *m = (const Convene__Items *)frames.list[0];
	assert_int_equal(missing, rootless ? 1 : 0);
	assert_int_equal(m->n_items, n);
	for (size_t k = 0; k < n; k++) {
		const Convene__Item *item = m->items[k];
		int topic = model_topic(order[k]);

		assert_true(
		    bytes_equal(bytes_of_pb(item->message), buffer_bytes(&post[order[k]].message)));
		assert_int_equal(item->depth, depths[k]);
		assert_int_equal(item->parent_missing,
		    post[order[k]].parent >= 0 && !here[post[order[k]].parent]);
		assert_memory_equal(item->thread.data, post[root].id, ID_LEN);
		assert_memory_equal(item->topic.data, post[topic].id, ID_LEN);
	}
	frames_free(&frames);
}

static void threads_compare(struct copy *c, int topic)
{
	struct frames frames;
	struct trouble t;
	size_t rows = 0;

	assert_int_equal(copy_threads(c, post[topic].id, 4, 1000, 0, &frames, &t), OK);
	const Convene__Threads *m = (const Convene__Threads *)frames.list[0];
	for (int root = 0; root < POSTS; root++) {
		uint64_t posts = 0, latest = 0;
		bool missing = false;

		for (int i = 2; i < POSTS; i++) {
			bool rootless;

			if (!here[i] || model_root(i, &rootless) != root || model_topic(i) != topic)
				continue;
			posts++;
			latest = post[i].time > latest ? post[i].time : latest;
			missing = rootless;
		}
		if (posts == 0)
			continue;
		rows++;
		size_t k = 0;
		while (
		    k < m->n_threads && memcmp(m->threads[k]->id.data, post[root].id, ID_LEN) != 0)
			k++;
		assert_true(k < m->n_threads);
		assert_int_equal(m->threads[k]->posts, posts);
		assert_int_equal(m->threads[k]->latest, latest);
		assert_int_equal(m->threads[k]->root_missing, missing);
		assert_int_equal(m->threads[k]->handle.len, missing ? 0 : 5);
	}
	assert_int_equal(m->n_threads, rows);
	for (size_t k = 1; k < m->n_threads; k++)
		assert_true(m->threads[k - 1]->latest >= m->threads[k]->latest);
	frames_free(&frames);
}

static int world_setup(void **state)
{
	uint8_t seed[32] = {3};

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	assert_non_null(mkdtemp(folder));
	snprintf(home.path, sizeof home.path, "%s", folder);
	home.node.forum[0] = 9;
	home.lock = -1;
	memcpy(home.node.root_key, key.public, KEY_LEN);
	snprintf(home.log_name, sizeof home.log_name, "%s", LOG);
	assert_int_equal(binding_make(&binding, home.node.forum, bytes_str(LOG)), OK);
	return 0;
}

static int world_teardown(void **state)
{
	(void)state;
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

#endif
