/* SPDX-License-Identifier: BSD-2-Clause */
/* ERASED between nodes: told when it is due, once, to who knows of it; and what is heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/verifier.h"
#include "log/replica.h"
#include "sync/sync.h"

enum { LOGS = 3, NOTED = 64 };

/* One node, with peers that are nothing but a place for frames. */
struct peer {
	struct sync_link *link;
	struct {
		uint8_t log[DIGEST_LEN];
		uint64_t size;
	} told[NOTED];
	size_t count;
	unsigned faults;
};

struct here {
	struct sync *sync;
	struct replica *replicas[LOGS];
	struct binding bindings[LOGS];
	struct {
		const void *link;
		uint32_t log;
		uint64_t size;
	} heard[NOTED];
	size_t count;
};

static void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct peer *p = link;

	(void)ctx;
	if (type != FRAME_ERASED)
		return;
	const Convene__Erased *m = (const Convene__Erased *)message;
	assert_int_equal(stream, 0);
	assert_int_equal(m->log.len, DIGEST_LEN);
	assert_true(p->count < NOTED);
	memcpy(p->told[p->count].log, m->log.data, DIGEST_LEN);
	p->told[p->count++].size = m->size;
}

static size_t io_backlog(void *ctx, void *link)
{
	(void)ctx;
	(void)link;
	return 0;
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	(void)ctx;
	assert_true(err != OK && strlen(text) > 0);
	((struct peer *)link)->faults++;
}

static void io_erased(void *ctx, void *link, uint32_t log, uint64_t size)
{
	struct here *h = ctx;

	assert_true(h->count < NOTED);
	h->heard[h->count].link = link;
	h->heard[h->count].log = log;
	h->heard[h->count++].size = size;
}

static int io_wanted(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	(void)ctx;
	(void)log;
	(void)from;
	(void)out;
	*count = 0;
	return OK;
}

static struct here *here_new(void)
{
	static const uint8_t forum[HASH_LEN] = {1};
	struct here *h = calloc(1, sizeof *h);
	struct sync_io io = {.ctx = h,
	    .send = io_send,
	    .backlog = io_backlog,
	    .fault = io_fault,
	    .wanted = io_wanted,
	    .wanted_below = io_wanted,
	    .erased = io_erased};

	assert_non_null(h);
	h->sync = sync_new(&io);
	assert_non_null(h->sync);
	for (unsigned i = 0; i < LOGS; i++) {
		struct verifier v;
		uint8_t key[KEY_LEN] = {(uint8_t)(7 + i)};
		char name[80];

		snprintf(name, sizeof name, "n%u.example/%032x/1", i, 77 + i);
		assert_int_equal(binding_make(&h->bindings[i], forum, bytes_str(name)), OK);
		assert_int_equal(verifier_make(&v, bytes_str(name), VERIFIER_ED25519, key), OK);
		h->replicas[i] = replica_new(&v, (struct replica_reader){NULL, NULL});
		assert_non_null(h->replicas[i]);
		assert_int_equal(
		    sync_add_log(h->sync, i + 1, h->replicas[i], &h->bindings[i], i == 0, 0), OK);
	}
	return h;
}

static void here_free(struct here *h)
{
	sync_free(h->sync);
	for (unsigned i = 0; i < LOGS; i++)
		replica_free(h->replicas[i]);
	free(h);
}

static void up(struct here *h, struct peer *p, bool witness, uint64_t now)
{
	memset(p, 0, sizeof *p);
	p->link = sync_link_up(h->sync, p, "peer.example", now);
	assert_non_null(p->link);
	if (witness)
		sync_link_witness(p->link);
}

static void assert_told(
    const struct here *h, const struct peer *p, size_t at, unsigned log, uint64_t size)
{
	assert_true(at < p->count);
	assert_memory_equal(p->told[at].log, h->bindings[log].digest, DIGEST_LEN);
	assert_int_equal(p->told[at].size, size);
}

static void run(struct here *h, uint64_t from, uint64_t to)
{
	for (uint64_t now = from; now <= to; now += 50)
		sync_tick(h->sync, now);
}

static void test_told(void **state)
{
	struct here *h = here_new();
	struct peer a, b, plain;

	(void)state;
	up(h, &a, true, 0);
	up(h, &plain, false, 0);
	run(h, 0, 2000);
	assert_int_equal(a.count, 0);
	sync_erased(h->sync, 2, 10, 2000);
	assert_told(h, &a, 0, 1, 10);
	/* No more than once a second for a log, and then the newest; others don't wait for it. */
	sync_erased(h->sync, 2, 11, 2100);
	sync_erased(h->sync, 2, 15, 2200);
	sync_erased(h->sync, 3, 4, 2300);
	assert_int_equal(a.count, 2);
	assert_told(h, &a, 1, 2, 4);
	run(h, 2300, 2950);
	assert_int_equal(a.count, 2);
	run(h, 3000, 3400);
	assert_int_equal(a.count, 3);
	assert_told(h, &a, 2, 1, 15);
	/* Said again it is nothing new. */
	sync_erased(h->sync, 2, 15, 9000);
	run(h, 9000, 12000);
	assert_int_equal(a.count, 3);
	/* A new connection hears once of each log in which something was erased. */
	up(h, &b, true, 12000);
	run(h, 12000, 20000);
	assert_int_equal(b.count, 2);
	assert_told(h, &b, 0, 1, 15);
	assert_told(h, &b, 1, 2, 4);
	assert_int_equal(plain.count, 0);
	assert_int_equal(a.count, 3);
	here_free(h);
}

static void give(struct here *h, struct peer *p, struct bytes log, uint64_t size)
{
	Convene__Erased m = CONVENE__ERASED__INIT;
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;

	m.log = pb_of(log);
	m.size = size;
	assert_int_equal(frame_add(&b, FRAME_ERASED, 0, &m.base), OK);
	assert_int_equal(frame_peek(buffer_bytes(&b), false, &f, &need), OK);
	sync_receive(h->sync, p->link, &f, 1000);
	buffer_free(&b);
}

static void test_heard(void **state)
{
	struct here *h = here_new();
	struct bytes log, other;
	uint8_t nobody[DIGEST_LEN] = {9};
	struct peer a, b;

	(void)state;
	log = bytes_of(h->bindings[1].digest, DIGEST_LEN);
	other = bytes_of(h->bindings[0].digest, DIGEST_LEN);
	up(h, &a, true, 0);
	up(h, &b, true, 0);
	give(h, &a, log, 5);
	give(h, &a, log, 5);
	give(h, &a, log, 4);
	give(h, &a, log, 9);
	give(h, &b, log, 5);
	give(h, &b, other, 1);
	give(h, &b, bytes_of(nobody, DIGEST_LEN), 1);
	assert_int_equal(h->count, 4);
	assert_ptr_equal(h->heard[0].link, &a);
	assert_int_equal(h->heard[0].log, 2);
	assert_int_equal(h->heard[0].size, 5);
	assert_int_equal(h->heard[1].size, 9);
	assert_ptr_equal(h->heard[2].link, &b);
	assert_int_equal(h->heard[2].size, 5);
	assert_int_equal(h->heard[3].log, 1);
	assert_int_equal(a.faults + b.faults, 0);
	/* Each connection begins anew. */
	sync_link_down(h->sync, a.link, 2000);
	up(h, &a, true, 2000);
	give(h, &a, log, 9);
	assert_int_equal(h->count, 5);
	here_free(h);
}

static void test_faults(void **state)
{
	struct here *h = here_new();
	struct bytes log;
	struct peer a, plain;

	(void)state;
	log = bytes_of(h->bindings[1].digest, DIGEST_LEN);
	up(h, &a, true, 0);
	up(h, &plain, false, 0);
	give(h, &plain, log, 5);
	assert_int_equal(plain.faults, 1);
	give(h, &a, bytes_of(log.data, 15), 5);
	give(h, &a, bytes_of(NULL, 0), 5);
	give(h, &a, log, 0);
	give(h, &a, log, UINT64_C(1) << 63);
	assert_int_equal(a.faults, 4);
	assert_int_equal(h->count, 0);
	give(h, &a, log, INT64_MAX);
	assert_int_equal(h->count, 1);
	assert_int_equal(a.faults, 4);
	here_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_told),
	    cmocka_unit_test(test_heard),
	    cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
