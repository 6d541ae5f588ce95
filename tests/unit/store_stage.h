/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the contract of lib/store/store.h, with each backend: each has a store of its own. */
#ifndef TESTS_STORE_STAGE_H
#define TESTS_STORE_STAGE_H

#include "store_fixture.h"

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_make(f, *state);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	fixture_drop(*state);
	free(*state);
	return 0;
}

#define START                                     \
	struct fixture *f = *state;               \
	struct store *s = f->s;                   \
	const struct store_backend *ops = s->ops; \
	(void)ops

static inline void restart(struct fixture *f, struct store **s)
{
	fixture_restart(f);
	*s = f->s;
}

#define BOTH(test)                                                                        \
	{"memory: " #test, test, setup, teardown, (void *)(uintptr_t)&store_memory},      \
	{                                                                                 \
		"sqlite: " #test, test, setup, teardown, (void *)(uintptr_t)&store_sqlite \
	}

#define SQLITE(test)                                                           \
	{                                                                      \
#test, test, setup, teardown, (void *)(uintptr_t)&store_sqlite \
	}

/* ---- what is in it ---- */

/* Batches of all sizes, across blocks, in two logs whose keys are neighbours. */
static inline void fill_logs(struct store *s)
{
	static const size_t sizes[] = {1, 1, 7, 254, 100, 600, 1, 2, 46};
	uint64_t at = 0;

	assert_ok(s->ops->begin(s));
	for (unsigned n = 1; n <= 2; n++)
		assert_int_equal(add_log(s, n), n);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); at += sizes[i++]) {
		assert_ok(append_made(s, 1, 1, at, sizes[i]));
		assert_ok(append_made(s, 2, 2, at, sizes[i]));
	}
	assert_ok(s->ops->commit(s));
	assert_int_equal(at, 1012);
}

static inline void check_logs(struct store *s)
{
	static const uint64_t starts[] = {
	    0, 1, 2, 8, 9, 255, 256, 257, 262, 263, 511, 512, 700, 963, 1011};
	struct tree_hash blocks[3], want;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (uint32_t log = 1; log <= 2; log++) {
			assert_leaves(s, log, log, starts[i], 1012 - starts[i]);
			assert_leaves(s, log, log, starts[i], 1);
		}
	assert_ok(s->ops->blocks(s, 2, 0, 3, blocks));
	for (size_t i = 0; i < 3; i++) {
		fill(want.bytes, HASH_LEN, UINT64_C(2) << 48 ^ i << 8);
		assert_memory_equal(blocks[i].bytes, want.bytes, HASH_LEN);
	}
	assert_ok(s->ops->blocks(s, 2, 2, 1, blocks));
	assert_memory_equal(blocks[0].bytes, want.bytes, HASH_LEN);
	assert_ok(s->ops->blocks(s, 2, 3, 0, blocks));
	assert_int_equal(s->ops->blocks(s, 2, 3, 1, blocks), ERR_RANGE);
	assert_int_equal(s->ops->blocks(s, 2, 4, 0, blocks), ERR_RANGE);
}

/* Message n is the byte n three times, its content `text`. */
static inline int add_inbox(struct store *s, uint8_t n, const char *text, uint64_t *no)
{
	uint8_t message[3] = {n, n, n}, salt[SALT_LEN] = {n};
	return s->ops->inbox_add(
	    s, made_id(n).bytes, bytes_of(message, 3), salt, bytes_str(text), no);
}

static inline int seal(
    struct store *s, uint32_t log, uint64_t expected, uint8_t first, size_t count)
{
	struct batch b;

	batch_make(&b, log, 0, expected, count);
	buffer_reset(&b.leaves);
	for (size_t i = 0; i < count; i++) {
		uint8_t message[3];
		memset(message, first + (int)i, sizeof(message));
		add_leaf(&b.leaves, bytes_of(message, sizeof(message)));
	}
	b.a.leaves = buffer_bytes(&b.leaves);
	b.a.from_inbox = true;
	int err = s->ops->append(s, &b.a);
	buffer_free(&b.leaves);
	return err;
}

#endif
