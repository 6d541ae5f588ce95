/* SPDX-License-Identifier: BSD-2-Clause */
/* A store in a directory of its own, and batches made from small numbers. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/memory.h"
#include "store/sqlite.h"

struct fixture {
	const struct store_backend *backend;
	char dir[64], path[96];
	struct store *s;
};

static inline void fixture_make(struct fixture *f, const struct store_backend *backend)
{
	f->backend = backend;
	snprintf(f->dir, sizeof(f->dir), "/tmp/convene-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/store.db", f->dir);
	assert_int_equal(store_open(&f->s, backend, f->path, 0), OK);
}

static inline void fixture_drop(struct fixture *f)
{
	static const char *const ends[] = {
	    "", "-wal", "-shm", "-journal", ".lock", "-inbox1", "-inbox2"};
	char name[128];

	if (f->s != NULL && f->backend == &store_sqlite) {
		/* A statement left in the middle would pin the write-ahead log. */
		sqlite3 *db = ((struct sqlite_store *)f->s)->db;
		for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(db, st)) != NULL;)
			assert_false(sqlite3_stmt_busy(st));
	}
	store_close(f->s);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		unlink(name);
	}
	rmdir(f->dir);
}

/* What a restart leaves. */
static inline void fixture_restart(struct fixture *f)
{
	if (f->backend == &store_memory) {
		store_memory_crash(f->s);
		return;
	}
	store_close(f->s);
	assert_int_equal(store_open(&f->s, f->backend, f->path, 0), OK);
}

/* ---- made-up bytes ---- */

static inline uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline void fill(uint8_t *out, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)mix(seed + i);
}

struct id {
	uint8_t bytes[32];
};

static inline struct id made_id(uint64_t n)
{
	struct id id;
	fill(id.bytes, sizeof(id.bytes), n << 20);
	return id;
}

/* The leaf of an index in one of several histories; 1 to 300 bytes. */
static inline struct bytes made_leaf(uint64_t history, uint64_t index, uint8_t room[static 300])
{
	size_t len = 1 + mix(history * 31 + index) % 300;
	fill(room, len, history << 40 ^ index << 12);
	return bytes_of(room, len);
}

static inline void add_leaf(struct buffer *out, struct bytes leaf)
{
	buffer_add_u16(out, (uint16_t)leaf.len);
	buffer_add(out, leaf.data, leaf.len);
}

/* A batch with everything that it points to. */
struct batch {
	struct store_append a;
	struct buffer leaves;
	struct tree_hash blocks[64];
	char note[64];
};

static inline void batch_make(
    struct batch *b, uint32_t log, uint64_t history, uint64_t from, size_t count)
{
	uint8_t room[300];

	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < count; i++)
		add_leaf(&b->leaves, made_leaf(history, from + i, room));
	b->a.log = log;
	b->a.expected = from;
	b->a.leaves = buffer_bytes(&b->leaves);
	b->a.count = count;
	b->a.size = from + count;
	fill(b->a.root, HASH_LEN, history << 32 ^ b->a.size);
	snprintf(b->note, sizeof(b->note), "note %u %llu", log, (unsigned long long)b->a.size);
	b->a.checkpoint = bytes_str(b->note);
	b->a.block_count = b->a.size / TREE_BLOCK - from / TREE_BLOCK;
	assert_true(b->a.block_count <= 64);
	for (size_t i = 0; i < b->a.block_count; i++)
		fill(b->blocks[i].bytes, HASH_LEN, history << 48 ^ (from / TREE_BLOCK + i) << 8);
	b->a.blocks = b->blocks;
}

static inline int append_made(
    struct store *s, uint32_t log, uint64_t history, uint64_t from, size_t count)
{
	struct batch b;
	batch_make(&b, log, history, from, count);
	int err = s->ops->append(s, &b.a);
	buffer_free(&b.leaves);
	return err;
}

static inline uint32_t add_log(struct store *s, unsigned n)
{
	uint8_t digest[DIGEST_LEN];
	char name[64];
	uint32_t no;

	fill(digest, sizeof(digest), n);
	snprintf(name, sizeof(name), "org%u.example/%032u/1", n, n);
	assert_int_equal(s->ops->log_add(s, bytes_str(name), digest, &no), OK);
	return no;
}

/* Entries [from, from + count) are those of the history. */
static inline void assert_leaves(
    struct store *s, uint32_t log, uint64_t history, uint64_t from, size_t count)
{
	struct buffer got = BUFFER_INIT, want = BUFFER_INIT;
	uint8_t room[300];
	size_t n;

	assert_int_equal(s->ops->read(s, log, from, count, SIZE_MAX, &got, &n), OK);
	assert_int_equal(n, count);
	for (size_t i = 0; i < count; i++)
		add_leaf(&want, made_leaf(history, from + i, room));
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	buffer_free(&got);
	buffer_free(&want);
}

/* A copy of a log's row. */
struct seen_log {
	struct store_log log;
	char checkpoint[256];
	size_t right;
};

static inline int see_log(void *ctx, const struct store_log *log)
{
	struct seen_log *seen = ctx;
	seen->log = *log;
	assert_true(log->checkpoint.len < sizeof(seen->checkpoint));
	memset(seen->checkpoint, 0, sizeof(seen->checkpoint));
	if (log->checkpoint.len > 0)
		memcpy(seen->checkpoint, log->checkpoint.data, log->checkpoint.len);
	seen->right = log->right.len;
	return OK;
}

#define assert_ok(expr) assert_int_equal(expr, OK)

#endif
