/* SPDX-License-Identifier: BSD-2-Clause */
/* From a store into a folder: what is there after each step, and what never is. The store is the
 * one in memory, with logs of the bundle fixture; what other programs make of such a folder,
 * tests/federation/test_publish.py asks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "bundle_fixture.h"
#include "client/publish.h"
#include "log/tile.h"
#include "store/memory.h"

#define SIZE 600

struct world {
	struct bundle_fixture *f;
	struct store_backend ops; /* of the memory, but for `folded`, which only views know */
	struct store *store;
	uint64_t lag; /* entries that are not folded */
	char folder[64];
	struct publication *to;
	struct publisher *publisher;
	struct publish_counts n;
	struct trouble t;
	char said[2048]; /* every trouble */
	size_t told;
};

static struct world w;
static const char *const all[] = {NULL};

struct each {
	int (*fn)(void *ctx, const struct store_log *log);
	void *ctx;
};

static int with_folded(void *ctx, const struct store_log *log)
{
	const struct each *e = ctx;
	struct store_log copy = *log;

	copy.folded = copy.size > w.lag ? copy.size - w.lag : 0;
	return e->fn(e->ctx, &copy);
}

static int log_each_folded(
    struct store *s, int (*fn)(void *ctx, const struct store_log *log), void *ctx)
{
	struct each e = {fn, ctx};

	return store_memory.log_each(s, with_folded, &e);
}

static void say(void *ctx, const char *log, const struct trouble *t)
{
	(void)ctx;
	(void)log;
	snprintf(w.said, sizeof w.said, "%s", t->text);
	w.told++;
}

static int removed(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void publisher_open(const char *const *names)
{
	assert_int_equal(publication_open(&w.to, w.folder, w.f->forum, &w.t), OK);
	w.publisher = publisher_new(w.store, w.to, w.f->forum, names, say, NULL);
	assert_non_null(w.publisher);
}

static void publisher_close(void)
{
	publisher_free(w.publisher);
	publication_close(w.to);
	w.publisher = NULL;
	w.to = NULL;
}

static int setup(void **state)
{
	uint32_t no;

	(void)state;
	memset(&w, 0, sizeof w);
	w.f = bundle_fixture_new();
	fixture_log_add(w.f, SIZE);
	strcpy(w.folder, "/tmp/convene-publish.XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	assert_int_equal(store_open(&w.store, &store_memory, NULL, 0), OK);
	w.ops = store_memory;
	w.ops.log_each = log_each_folded;
	w.store->ops = &w.ops;
	assert_int_equal(w.ops.begin(w.store), OK);
	assert_int_equal(w.ops.log_add(w.store, bytes_str(w.f->logs[0].credential.binding.log_name),
			     w.f->logs[0].credential.binding.digest, &no),
	    OK);
	assert_int_equal(w.ops.commit(w.store), OK);
	publisher_open(all);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	publisher_close();
	store_close(w.store);
	bundle_fixture_free(w.f);
	nftw(w.folder, removed, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* ---- the store ---- */

static void note_make(struct buffer *out, uint64_t size, bool true_root)
{
	struct bundle_fixture_log *l = &w.f->logs[0];
	struct checkpoint c = {.size = size};

	strcpy(c.origin, l->credential.binding.log_name);
	assert_int_equal(tree_root_at(l->tree, size, fixture_fetch, l, c.root), OK);
	c.root[0] ^= !true_root;
	buffer_reset(out);
	assert_int_equal(checkpoint_sign(out, &c, &l->log_key), OK);
}

/* Entries [from, to), under a checkpoint of `size`; `wanted`: their contents are to come. */
static void store_grow(uint64_t from, uint64_t to, uint64_t size, bool wanted)
{
	struct bundle_fixture_log *l = &w.f->logs[0];
	struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT;
	struct tree_hash blocks[4];
	uint64_t gaps[SIZE];
	struct store_append a = {
	    .log = 1, .expected = from, .count = (size_t)(to - from), .size = to};

	for (uint64_t i = from; i < to; i++) {
		leaves_add(&leaves, buffer_bytes(&l->entries[i].message));
		if (l->entries[i].content.len > 0)
			gaps[a.wanted_count++] = i;
	}
	for (uint64_t b = from / TREE_BLOCK; b < to / TREE_BLOCK; b++)
		assert_int_equal(tree_block(l->tree, b, &blocks[a.block_count++]), OK);
	note_make(&note, size, true);
	assert_int_equal(tree_root_at(l->tree, to, fixture_fetch, l, a.root), OK);
	a.leaves = buffer_bytes(&leaves);
	a.checkpoint = buffer_bytes(&note);
	a.blocks = blocks;
	a.wanted = gaps;
	assert_int_equal(w.ops.begin(w.store), OK);
	assert_int_equal(w.ops.append(w.store, &a), OK);
	assert_int_equal(w.ops.commit(w.store), OK);
	buffer_free(&leaves);
	buffer_free(&note);
	if (wanted)
		return;
	assert_int_equal(w.ops.begin(w.store), OK);
	for (size_t i = 0; i < a.wanted_count; i++) {
		const struct bundle_entry *e = &l->entries[gaps[i]];
		uint8_t id[ID_LEN];

		message_id(id, buffer_bytes(&e->message), &l->credential.binding);
		assert_int_equal(
		    w.ops.content_put(w.store, 1, gaps[i], id, e->salt, buffer_bytes(&e->content)),
		    OK);
	}
	assert_int_equal(w.ops.commit(w.store), OK);
}

static void content_id(uint64_t index, uint8_t id[static ID_LEN])
{
	message_id(id, buffer_bytes(&w.f->logs[0].entries[index].message),
	    &w.f->logs[0].credential.binding);
}

static void content_come(uint64_t index, struct bytes content)
{
	uint8_t id[ID_LEN];

	content_id(index, id);
	assert_int_equal(w.ops.begin(w.store), OK);
	assert_int_equal(
	    w.ops.content_put(w.store, 1, index, id, w.f->logs[0].entries[index].salt, content),
	    OK);
	assert_int_equal(w.ops.commit(w.store), OK);
}

static void content_go(uint64_t index, bool erased)
{
	uint8_t id[ID_LEN];

	content_id(index, id);
	assert_int_equal(w.ops.begin(w.store), OK);
	assert_int_equal(w.ops.content_drop(w.store, 1, index, id, erased), OK);
	assert_int_equal(w.ops.commit(w.store), OK);
}

static void note_put(uint64_t size, bool true_root)
{
	struct buffer note = BUFFER_INIT;

	note_make(&note, size, true_root);
	assert_int_equal(w.ops.begin(w.store), OK);
	assert_int_equal(
	    w.ops.log_set_checkpoint(w.store, 1, buffer_bytes(&note), bytes_of(NULL, 0)), OK);
	assert_int_equal(w.ops.commit(w.store), OK);
	buffer_free(&note);
}

/* ---- the folder ---- */

static bool file_is(const char *rest, struct bytes want)
{
	char path[300];
	struct buffer got = BUFFER_INIT;
	struct trouble t;
	bool same;

	snprintf(path, sizeof path, "%s/%s", w.f->logs[0].credential.binding.log_name, rest);
	same = publication_get(w.to, path, 1 << 22, &got, &t) == OK &&
	       bytes_equal(buffer_bytes(&got), want);
	buffer_free(&got);
	return same;
}

static bool there(const char *rest)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s/%s", w.folder, w.f->logs[0].credential.binding.log_name,
	    rest);
	return access(path, F_OK) == 0;
}

static bool content_is(uint64_t index)
{
	const struct bundle_entry *e = &w.f->logs[0].entries[index];
	struct buffer want = BUFFER_INIT;
	char name[80] = "content/";
	uint8_t id[ID_LEN];
	bool same;

	content_id(index, id);
	hex_encode(name + 8, id, ID_LEN);
	buffer_add(&want, e->salt, SALT_LEN);
	buffer_add(&want, e->content.data, e->content.len);
	same = file_is(name, buffer_bytes(&want));
	buffer_free(&want);
	return same;
}

/* All that a size has is there, and each content of a range. */
static void check_whole(uint64_t size, uint64_t contents_to)
{
	struct bundle_fixture_log *l = &w.f->logs[0];
	struct buffer bytes = BUFFER_INIT;
	struct tile t = {0, 0, 0};

	note_make(&bytes, size, true);
	assert_true(file_is("checkpoint", buffer_bytes(&bytes)));
	while (tile_next(&t, 0, size)) {
		struct tree_hash hashes[TILE_WIDTH];
		char name[TILE_PATH_MAX];

		if (t.level == 0)
			memcpy(hashes, &l->hashes[t.n * 256], t.width * sizeof hashes[0]);
		else
			assert_int_equal(tile_hashes(l->tree, &t, NULL, NULL, hashes), OK);
		tile_path(name, &t, false);
		assert_true(file_is(name, bytes_of(hashes, t.width * sizeof hashes[0])));
		if (t.level > 0)
			continue;
		buffer_reset(&bytes);
		for (unsigned i = 0; i < t.width; i++)
			leaves_add(&bytes, buffer_bytes(&l->entries[t.n * 256 + i].message));
		tile_path(name, &t, true);
		assert_true(file_is(name, buffer_bytes(&bytes)));
	}
	for (uint64_t i = 1; i < contents_to; i++)
		assert_true(content_is(i) == (l->entries[i].content.len > 0));
	buffer_free(&bytes);
}

static void run(void)
{
	assert_int_equal(publisher_run(w.publisher, &w.n, &w.t), OK);
}

static void again(void)
{
	publisher_close();
	publisher_open(all);
	run();
}

/* ---- tests ---- */

static void grows(void **state)
{
	static const uint64_t sizes[] = {1, 5, 255, 256, 257, 258, 511, 513, SIZE};
	uint64_t before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		store_grow(before, sizes[i], sizes[i], false);
		/* One and the same publisher, and a new one each time, come to the same. */
		if (i % 2)
			run();
		else
			again();
		assert_int_equal(w.n.entries, sizes[i] - before);
		assert_int_equal(w.n.missing + w.n.behind + w.n.troubles + w.n.erased, 0);
		check_whole(sizes[i], sizes[i]);
		before = sizes[i];
		run();
		assert_int_equal(w.n.entries + w.n.tiles + w.n.contents, 0);
	}
	assert_false(there("tile/0/000.p"));
	assert_false(there("tile/entries/001.p"));
	assert_true(there("tile/0/002.p/1"));
	assert_true(there("tile/1/000.p/1"));
	assert_true(file_is("credential", buffer_bytes(&w.f->logs[0].entries[0].message)));
	assert_false(there("missing"));
	assert_int_equal(w.told, 0);
}

static void contents_come_later(void **state)
{
	const struct bundle_fixture_log *l = &w.f->logs[0];
	char path[300];

	(void)state;
	store_grow(0, 10, 10, true);
	run();
	check_whole(10, 0);
	assert_int_equal(w.n.missing, 6);
	assert_true(file_is("missing", bytes_str("1\n2\n4\n5\n7\n8\n")));
	content_come(4, buffer_bytes(&l->entries[4].content));
	content_go(5, true);  /* before it ever came */
	content_go(8, false); /* the entry is invalid */
	run();
	assert_int_equal(w.n.contents, 1);
	assert_true(content_is(4));
	assert_true(file_is("missing", bytes_str("1\n2\n7\n")));
	/* A list that is ahead of the checkpoint: a run was killed in between. */
	snprintf(path, sizeof path, "%s/missing", l->credential.binding.log_name);
	assert_int_equal(
	    publication_put(w.to, path, bytes_str("1\n2\n7\n10\n31\n"), false, &w.t), OK);
	store_grow(10, 12, 12, true);
	again();
	assert_true(file_is("missing", bytes_str("1\n2\n7\n10\n11\n")));
	content_come(1, buffer_bytes(&l->entries[1].content));
	content_come(2, buffer_bytes(&l->entries[2].content));
	content_come(7, buffer_bytes(&l->entries[7].content));
	content_come(10, buffer_bytes(&l->entries[10].content));
	content_come(11, buffer_bytes(&l->entries[11].content));
	again();
	assert_int_equal(w.n.contents, 5);
	assert_false(there("missing"));
	assert_false(content_is(5));
	assert_false(content_is(8));
	assert_int_equal(publication_put(w.to, path, bytes_str("2\n1\n"), false, &w.t), OK);
	again();
	assert_int_equal(w.n.troubles, 1);
	assert_non_null(strstr(w.said, "is not a list of numbers"));
}

/* What no view knows yet may turn out invalid. */
static void not_judged(void **state)
{
	(void)state;
	w.lag = 4;
	store_grow(0, 12, 12, false);
	run();
	check_whole(12, 8);
	assert_true(file_is("missing", bytes_str("8\n10\n11\n")));
	assert_false(content_is(8));
	w.lag = 0;
	run();
	check_whole(12, 12);
}

static void erased(void **state)
{
	(void)state;
	store_grow(0, 20, 20, false);
	run();
	content_go(10, true);
	run();
	assert_int_equal(w.n.erased, 1);
	assert_false(content_is(10));
	assert_true(content_is(11));
	/* Ids come in any order among those that are known. */
	for (uint64_t i = 13; i < 20; i++) {
		if (i % 3 == 0)
			continue;
		content_go(i, true);
		run();
		assert_int_equal(w.n.erased, 1);
		assert_false(content_is(i));
	}
	content_go(11, true);
	again();
	assert_int_equal(w.n.erased, 1);
	assert_false(content_is(11));
	store_grow(20, 30, 30, false);
	again();
	assert_int_equal(w.n.erased, 0);
	check_whole(30, 10);
	assert_false(content_is(10));
}

/* A node that holds fewer entries than its newest checkpoint says, waits. */
static void behind(void **state)
{
	(void)state;
	store_grow(0, 20, 30, false);
	run();
	assert_int_equal(w.n.behind, 1);
	assert_non_null(strchr(w.n.waits, '/')); /* which */
	assert_false(there("checkpoint"));
	store_grow(20, 30, 30, false);
	run();
	assert_int_equal(w.n.behind, 0);
	check_whole(30, 30);
	store_grow(30, 31, 40, false);
	run();
	assert_int_equal(w.n.behind, 1);
	check_whole(30, 30);
}

static void bad_store(void **state)
{
	(void)state;
	store_grow(0, 20, 20, false);
	run();
	/* A checkpoint over another root, a content that nobody committed to. */
	store_grow(20, 30, 30, true);
	note_put(30, false);
	run();
	assert_int_equal(w.n.troubles, 1);
	assert_non_null(strstr(w.said, "does not prove itself"));
	check_whole(20, 20);
	run();
	assert_int_equal(w.told, 1);
	note_put(30, true);
	content_come(22, bytes_str("nobody wrote this"));
	run();
	assert_int_equal(w.told, 2);
	check_whole(20, 20);
	content_go(22, false);
	run();
	assert_int_equal(w.n.troubles, 0);
	check_whole(30, 20);
	assert_false(content_is(22));
}

static void names(void **state)
{
	static const char *const organisation[] = {"n0.example", NULL};
	static const char *const nobody[] = {"n0.exampl", NULL};

	(void)state;
	store_grow(0, 20, 20, false);
	publisher_close();
	publisher_open(nobody);
	assert_int_equal(publisher_run(w.publisher, &w.n, &w.t), ERR_NOTFOUND);
	assert_false(there("checkpoint"));
	publisher_close();
	publisher_open(organisation);
	run();
	check_whole(20, 20);
}

static void file_put(const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", w.folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int opened(void)
{
	struct publication *p;
	int err = publication_open(&p, w.folder, w.f->forum, &w.t);

	if (err == OK)
		publication_close(p);
	return err;
}

static void folders(void **state)
{
	static const char head[] = "convene published logs v1\n";
	char text[512], hex[65], key[VERIFIER_TEXT_MAX + 1];
	uint8_t other[HASH_LEN] = {1};

	(void)state;
	store_grow(0, 20, 20, false);
	run();
	assert_int_equal(opened(), ERR_BUSY);
	publisher_close();
	assert_int_equal(opened(), OK);

	hex_encode(hex, w.f->forum, HASH_LEN);
	verifier_format(key, &w.f->logs[0].credential.log);
	snprintf(text, sizeof text, "%s%s\n%s\n", head, hex, key);
	file_put("logs", text);
	assert_int_equal(opened(), OK);
	file_put(".new", "left by a kill");
	assert_int_equal(opened(), OK);
	snprintf(text, sizeof text, "%s/.new", w.folder);
	assert_int_equal(access(text, F_OK), -1);
	snprintf(text, sizeof text, "%s%s\n%s", head, hex, key);
	file_put("logs", text);
	assert_int_equal(opened(), ERR_MALFORMED);
	snprintf(text, sizeof text, "%s%s\n../../etc%s\n", head, hex, key);
	file_put("logs", text);
	assert_int_equal(opened(), ERR_MALFORMED);
	hex_encode(hex, other, HASH_LEN);
	snprintf(text, sizeof text, "%s%s\n%s\n", head, hex, key);
	file_put("logs", text);
	assert_int_equal(opened(), ERR_OTHER_FORUM);
	file_put("logs", "Fir and spruce.\n");
	assert_int_equal(opened(), ERR_INVALID);
	snprintf(text, sizeof text, "%s/logs", w.folder);
	unlink(text);
	assert_int_equal(opened(), ERR_INVALID);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(grows),
	    TEST(contents_come_later),
	    TEST(not_judged),
	    TEST(erased),
	    TEST(behind),
	    TEST(bad_store),
	    TEST(names),
	    TEST(folders),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
