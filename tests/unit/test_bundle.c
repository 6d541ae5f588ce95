/* SPDX-License-Identifier: BSD-2-Clause */
/* Bundles: written, read in pieces of any size, damaged in every frame, cut off anywhere, and given
 * to something that asks as a node does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "bundle_fixture.h"

#define HELLO_AT (sizeof BUNDLE_LINE - 1)

static struct bundle_fixture *large, *small;

static int setup(void **state)
{
	struct bundle_counts n;

	(void)state;
	if (crypto_start() != OK)
		return -1;
	large = bundle_fixture_new();
	fixture_log_add(large, 600);
	fixture_log_add(large, 1);
	fixture_log_add(large, 257);
	fixture_must(bundle_fixture_write(large, true, &n) == OK);
	small = bundle_fixture_new();
	fixture_log_add(small, 6);
	fixture_log_add(small, 1);
	fixture_log_add(small, 5);
	fixture_must(bundle_fixture_write(small, true, &n) == OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bundle_fixture_free(large);
	bundle_fixture_free(small);
	return 0;
}

static uint64_t contents_of(const struct bundle_fixture *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		for (size_t k = 0; k < f->logs[i].size; k++)
			n += f->logs[i].entries[k].content.len > 0;
	}
	return n;
}

static uint64_t entries_in(const struct bundle_index *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->log_count; i++)
		n += bundle_entries(&x->logs[i], 0, UINT64_MAX);
	return n;
}

static uint64_t contents_in(const struct bundle_index *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->log_count; i++)
		n += x->logs[i].contents;
	return n;
}

/* ---- whole ---- */

static void test_whole(void **state)
{
	static const size_t steps[] = {1, 7, 4096, 1 << 20, SIZE_MAX};
	struct bundle_index x;

	(void)state;
	for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
		/* Byte by byte it is the small one: what isn't a frame yet is looked at again. */
		struct bundle_fixture *f = steps[s] < 100 ? small : large;

		assert_int_equal(
		    bundle_fixture_read(&x, f->forum, buffer_bytes(&f->out), steps[s]), OK);
		assert_int_equal(x.flaw_count, 0);
		assert_int_equal(x.log_count, 3);
		assert_int_equal(contents_in(&x), contents_of(f));
		assert_int_equal(bundle_index_unread(&x), 0);
		for (size_t i = 0; i < 3; i++) {
			uint8_t root[HASH_LEN];
			uint64_t size;

			assert_int_equal(x.logs[i].claimed, f->logs[i].size);
			assert_true(bundle_reach(&x.logs[i], 0, &size, root));
			assert_int_equal(size, f->logs[i].size);
			assert_memory_equal(root, f->parts[i].root, HASH_LEN);
			for (size_t k = 0; k < x.logs[i].range_count; k++) {
				const struct bundle_range *r = &x.logs[i].ranges[k];

				assert_int_equal(r->first, k * TREE_BLOCK);
				assert_true(r->count <= TREE_BLOCK);
			}
		}
		bundle_index_free(&x);
	}
}

static void test_parts(void **state)
{
	struct bundle_counts n;
	struct bundle_index x;
	uint8_t root[HASH_LEN];
	uint64_t size;

	(void)state;
	large->parts[0].from = 300;
	large->absent = 7;
	assert_int_equal(bundle_fixture_write(large, true, &n), OK);
	assert_int_equal(n.entries, 300 + 1 + 257);
	assert_int_equal(n.bytes, large->out.len);
	assert_true(n.missing > 0 && n.erased > 0 && n.bad == 0);
	assert_int_equal(
	    bundle_fixture_read(&x, large->forum, buffer_bytes(&large->out), 65536), OK);
	assert_int_equal(x.flaw_count, 0);
	assert_int_equal(contents_in(&x), n.contents);
	/* From 300 on, aligned from the first multiple of 256. */
	assert_int_equal(x.logs[0].ranges[0].first, 300);
	assert_int_equal(x.logs[0].ranges[0].count, 212);
	assert_false(bundle_reach(&x.logs[0], 0, &size, root));
	assert_false(bundle_reach(&x.logs[0], 299, &size, root));
	assert_true(bundle_reach(&x.logs[0], 300, &size, root));
	assert_int_equal(size, 600);
	assert_memory_equal(root, large->parts[0].root, HASH_LEN);
	assert_true(bundle_reach(&x.logs[0], 9999, &size, root));
	assert_int_equal(size, 600);
	assert_int_equal(bundle_entries(&x.logs[0], 0, 310), 10);
	bundle_index_free(&x);

	/* Without contents, nothing is missed. */
	assert_int_equal(bundle_fixture_write(large, false, &n), OK);
	assert_int_equal(n.contents + n.missing + n.erased, 0);
	large->parts[0].from = 0;
	large->absent = 0;
	/* A root that is not the log's. */
	large->parts[2].root[0] ^= 1;
	assert_int_equal(bundle_fixture_write(large, false, &n), ERR_PROOF);
	large->parts[2].root[0] ^= 1;
	assert_int_equal(bundle_fixture_write(large, true, &n), OK);
}

/* A content that isn't what was signed is not written, and not taken. */
static void test_bad_content(void **state)
{
	struct bundle_counts n;

	(void)state;
	small->logs[0].entries[2].salt[0] ^= 1;
	assert_int_equal(bundle_fixture_write(small, true, &n), OK);
	assert_int_equal(n.bad, 1);
	assert_int_equal(n.contents, contents_of(small) - 1);
	small->logs[0].entries[2].salt[0] ^= 1;
	assert_int_equal(bundle_fixture_write(small, true, &n), OK);
}

static void test_other(void **state)
{
	struct bytes b = buffer_bytes(&small->out);
	uint8_t other[HASH_LEN] = {1};
	struct bundle_index x;

	(void)state;
	assert_int_equal(bundle_fixture_read(&x, other, b, 100), ERR_OTHER_FORUM);
	assert_int_equal(x.log_count, 0);
	bundle_index_free(&x);
	assert_int_equal(
	    bundle_fixture_read(&x, small->forum, bytes_of(b.data + 1, 50), 100), ERR_MALFORMED);
	bundle_index_free(&x);
	assert_int_equal(
	    bundle_fixture_read(&x, small->forum, bytes_of(b.data, 5), 100), ERR_MALFORMED);
	bundle_index_free(&x);
	assert_int_equal(
	    bundle_fixture_read(&x, small->forum, bytes_of(b.data, 0), 100), ERR_MALFORMED);
	bundle_index_free(&x);
}

/* ---- damaged ---- */

/* What stands at an offset, in a bundle that is whole. */
struct place {
	uint64_t offset, end;
	uint8_t type;
	int log;
	uint64_t first, count; /* DATA: entries; CONTENT: the entry */
};

static size_t places_of(struct bytes bytes, const struct bundle_fixture *f, struct place *out)
{
	struct bundle_reader *r = bundle_reader_new();
	struct bundle_piece p;
	size_t n = 0;

	assert_int_equal(bundle_reader_feed(r, bytes), OK);
	assert_int_equal(bundle_reader_feed(r, bytes_of(NULL, 0)), OK);
	while (bundle_reader_next(r, &p) == OK && p.kind != BUNDLE_END) {
		struct place *at = &out[n++];
		struct bytes digest = bytes_of(NULL, 0);

		assert_int_equal(p.kind, BUNDLE_FRAME);
		*at = (struct place){p.offset, p.offset + p.length, p.type, -1, 0, 1};
		if (p.type == FRAME_DATA) {
			const Convene__Data *d = (const Convene__Data *)p.message;
			struct bytes leaf;
			size_t pos = 0;

			digest = bytes_of_pb(d->log);
			at->first = d->first;
			for (at->count = 0; leaves_next(bytes_of_pb(d->leaves), &pos, &leaf) == OK;
			     at->count++)
				;
		} else if (p.type == FRAME_CONTENT) {
			digest = bytes_of_pb(((const Convene__ContentChunk *)p.message)->log);
			at->first = ((const Convene__ContentChunk *)p.message)->index;
		}
		for (size_t i = 0; digest.len == DIGEST_LEN && i < f->count; i++) {
			if (memcmp(digest.data, f->logs[i].credential.binding.digest, DIGEST_LEN) ==
			    0)
				at->log = (int)i;
		}
	}
	bundle_reader_free(r);
	return n;
}

/* One flipped bit costs what it hits, and is told. */
static void flip(struct bundle_fixture *f, const struct place *places, size_t count, size_t at,
    uint8_t bit, uint64_t entries, uint64_t contents)
{
	struct bundle_index x;
	const struct place *hit = places;
	const struct bundle_flaw *flaw;
	bool named = false;
	int err;

	while (hit + 1 < places + count && hit->end <= at)
		hit++;
	f->out.data[at] ^= bit;
	err = bundle_fixture_read(&x, f->forum, buffer_bytes(&f->out), 5000);
	f->out.data[at] ^= bit;
	if (hit->type == FRAME_HELLO || hit->type == FRAME_FRONTIER || hit->type == FRAME_SUMMARY) {
		assert_true(err == OK || err == ERR_OTHER_FORUM);
		if (!err) {
			assert_int_equal(entries_in(&x), entries);
			assert_int_equal(contents_in(&x), contents);
		}
		bundle_index_free(&x);
		return;
	}
	assert_int_equal(err, OK);
	assert_true(x.flaw_count > 0);
	for (size_t i = 0; i < x.flaw_count; i++) {
		flaw = &x.flaws[i];
		named |= flaw->offset <= at && at < flaw->offset + flaw->length;
	}
	for (size_t i = 0; !named && i < x.flaw_count; i++)
		print_error("byte %zu, bit %u, of frame %u at %llu: told of %llu + %llu (%s)\n", at,
		    bit, hit->type, (unsigned long long)hit->offset,
		    (unsigned long long)x.flaws[i].offset, (unsigned long long)x.flaws[i].length,
		    error_text(x.flaws[i].err));
	assert_true(named);
	flaw = &x.flaws[0];
	switch (hit->type) {
	case FRAME_LOG:
		/* Entry 0 says the same. */
		assert_int_equal(entries_in(&x), entries);
		assert_int_equal(contents_in(&x), contents);
		break;
	case FRAME_DATA:
		assert_int_equal(entries_in(&x), entries - hit->count);
		assert_int_equal(flaw->lost, BUNDLE_LOST_ENTRIES);
		assert_true(flaw->first == hit->first && flaw->end == hit->first + hit->count);
		if (flaw->log != SIZE_MAX)
			assert_string_equal(x.logs[flaw->log].binding.log_name,
			    f->parts[hit->log].binding->log_name);
		break;
	default:
		assert_int_equal(entries_in(&x), entries);
		assert_int_equal(contents_in(&x), contents - 1);
		assert_int_equal(flaw->lost, BUNDLE_LOST_CONTENTS);
		assert_true(flaw->first <= hit->first && hit->first < flaw->end);
	}
	bundle_index_free(&x);
}

static void test_flipped(void **state)
{
	static struct place places[2000];
	size_t n = places_of(buffer_bytes(&small->out), small, places);
	uint64_t entries = 12, contents = contents_of(small);

	(void)state;
	for (size_t at = HELLO_AT; at < small->out.len; at += 5)
		flip(small, places, n, at, (uint8_t)(1u << (at / 5 % 8)), entries, contents);
	/* Heads, bit by bit. */
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < FRAME_HEADER_LEN; k++) {
			for (unsigned bit = 1; bit < 256; bit *= 4)
				flip(small, places, n, (size_t)places[i].offset + k, (uint8_t)bit,
				    entries, contents);
		}
	}
	/* Long frames, and contents of several. */
	n = places_of(buffer_bytes(&large->out), large, places);
	for (size_t at = 50000; at < large->out.len; at += 91003)
		flip(large, places, n, at, 16, 858, contents_of(large));
}

static void test_cut(void **state)
{
	struct bytes whole = buffer_bytes(&small->out);
	uint64_t before = 0;
	struct bundle_index x;

	(void)state;
	for (size_t len = HELLO_AT; len < whole.len; len += 3) {
		assert_int_equal(
		    bundle_fixture_read(&x, small->forum, bytes_of(whole.data, len), 4096), OK);
		assert_int_equal(x.flaw_count, 1);
		assert_int_equal(x.flaws[0].err, ERR_TRUNCATED);
		assert_true(entries_in(&x) + contents_in(&x) >= before);
		before = entries_in(&x) + contents_in(&x);
		bundle_index_free(&x);
	}
	assert_true(before >= 12);
}

/* Frames that stand where they don't belong, twice, or among noise. */
static void test_odd(void **state)
{
	static struct place places[100];
	size_t n = places_of(buffer_bytes(&small->out), small, places);
	struct buffer b = BUFFER_INIT;
	struct bundle_index x;
	uint32_t random = 1;

	(void)state;
	/* All of it twice: the second time nothing is new. */
	buffer_add(&b, small->out.data, small->out.len);
	buffer_add(&b, small->out.data + HELLO_AT, small->out.len - HELLO_AT);
	assert_int_equal(bundle_fixture_read(&x, small->forum, buffer_bytes(&b), 999), OK);
	assert_int_equal(x.flaw_count, 0);
	assert_int_equal(entries_in(&x), 12);
	assert_int_equal(contents_in(&x), contents_of(small));
	bundle_index_free(&x);

	/* Noise between all frames. */
	buffer_reset(&b);
	buffer_add(&b, small->out.data, HELLO_AT);
	for (size_t i = 0; i < n; i++) {
		buffer_add(&b, small->out.data + places[i].offset,
		    (size_t)(places[i].end - places[i].offset));
		for (size_t k = 0; k < 50; k++) {
			random = random * 1664525 + 1013904223;
			buffer_add_u8(&b, random >> 29 ? (uint8_t)(random >> 24) : 0);
		}
	}
	assert_int_equal(bundle_fixture_read(&x, small->forum, buffer_bytes(&b), 999), OK);
	assert_int_equal(x.flaw_count, n);
	assert_int_equal(entries_in(&x), 12);
	assert_int_equal(contents_in(&x), contents_of(small));
	bundle_index_free(&x);

	/* Backwards: contents don't find their entries, but entries do their log. */
	buffer_reset(&b);
	buffer_add(&b, small->out.data, (size_t)places[1].end);
	for (size_t i = n; i-- > 2;)
		buffer_add(&b, small->out.data + places[i].offset,
		    (size_t)(places[i].end - places[i].offset));
	assert_int_equal(bundle_fixture_read(&x, small->forum, buffer_bytes(&b), 999), OK);
	assert_int_equal(entries_in(&x), 12);
	assert_true(x.flaw_count > 0);
	bundle_index_free(&x);
	buffer_free(&b);
}

/* ---- given to a node ---- */

struct asking {
	const struct bundle_fixture *f;
	struct bundle_offer *offer;
	struct replica *replicas[4];
	struct replica_batch *batch;
	size_t backlog, frames[FRAME_FORK + 1];
	uint64_t unpaid[4];
	struct buffer content;
	uint64_t contents, nones, last_index;
	Convene__Head heads[8];
	size_t head_count;
};

static int asking_read(void *ctx, uint64_t offset, size_t len, struct buffer *out)
{
	const struct asking *a = ctx;

	assert_true(offset + len <= a->f->out.len);
	buffer_add(out, a->f->out.data + offset, len);
	return OK;
}

static size_t asking_backlog(void *ctx)
{
	return ((struct asking *)ctx)->backlog;
}

static void data_take(struct asking *a, uint32_t stream, const Convene__Data *m, size_t bytes)
{
	enum replica_outcome outcome;

	a->unpaid[stream - 1] += bytes;
	assert_int_equal(
	    replica_stage(a->replicas[stream - 1], m->first, bytes_of_pb(m->leaves),
		bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &outcome, &a->batch),
	    OK);
	assert_int_equal(outcome, REPLICA_STAGED);
	replica_committed(a->replicas[stream - 1]);
}

static void content_take(struct asking *a, const Convene__ContentChunk *m)
{
	const struct bundle_entry *e = NULL;

	for (size_t i = 0; i < a->f->count; i++) {
		if (memcmp(m->log.data, a->f->logs[i].credential.binding.digest, DIGEST_LEN) == 0)
			e = &a->f->logs[i].entries[m->index];
	}
	assert_non_null(e);
	assert_int_equal(m->offset, a->content.len);
	buffer_add(&a->content, m->data.data, m->data.len);
	if (a->content.len < m->total)
		return;
	assert_true(bytes_equal(buffer_bytes(&a->content), buffer_bytes(&e->content)));
	buffer_reset(&a->content);
	a->contents++;
	a->last_index = m->index;
}

static int asking_send(void *ctx, uint8_t type, uint32_t stream, struct bytes payload)
{
	struct asking *a = ctx;
	ProtobufCMessage *m = NULL;

	a->frames[type]++;
	if (type == FRAME_PONG)
		return OK;
	assert_int_equal(message_unpack(&m, frame_descriptor(type), payload), OK);
	if (type == FRAME_DATA)
		data_take(a, stream, (const Convene__Data *)m, payload.len);
	else if (type == FRAME_CONTENT)
		content_take(a, (const Convene__ContentChunk *)m);
	else if (type == FRAME_CONTENT_NONE)
		a->nones++;
	else if (type == FRAME_FRONTIER)
		a->head_count = ((const Convene__Frontier *)m)->n_heads;
	message_free(m);
	return OK;
}

static void ask(struct asking *a, uint8_t type, uint32_t stream, const ProtobufCMessage *m)
{
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;

	assert_int_equal(
	    m ? frame_add(&b, type, stream, m) : frame_add_raw(&b, type, stream, bytes_of(NULL, 0)),
	    OK);
	assert_int_equal(frame_peek(buffer_bytes(&b), false, &f, &need), OK);
	assert_int_equal(bundle_offer_receive(a->offer, &f), OK);
	buffer_free(&b);
}

static void subscribe(struct asking *a, size_t log, uint64_t from, uint64_t credit)
{
	Convene__Subscribe m = CONVENE__SUBSCRIBE__INIT;

	m.log = pb_of(bytes_of(a->f->logs[log].credential.binding.digest, DIGEST_LEN));
	m.from = from;
	m.credit = credit;
	ask(a, FRAME_SUBSCRIBE, (uint32_t)log + 1, &m.base);
}

static void want(struct asking *a, size_t log, uint64_t *index, size_t count)
{
	Convene__Want m = CONVENE__WANT__INIT;

	m.log = pb_of(bytes_of(a->f->logs[log].credential.binding.digest, DIGEST_LEN));
	m.index = index;
	m.n_index = count;
	ask(a, FRAME_WANT, 0, &m.base);
}

static int no_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	(void)ctx;
	(void)first;
	(void)count;
	(void)max_bytes;
	(void)out;
	(void)got;
	return ERR_NOTFOUND;
}

static void test_offer(void **state)
{
	struct asking a = {.f = large, .content = BUFFER_INIT};
	const struct bundle_offer_io io = {&a, asking_read, asking_send, asking_backlog};
	Convene__Summary summary = CONVENE__SUMMARY__INIT;
	Convene__LogGet get = CONVENE__LOG_GET__INIT;
	struct bundle_offer_counts n;
	struct bundle_index x;
	uint64_t index[600];

	(void)state;
	assert_int_equal(
	    bundle_fixture_read(&x, large->forum, buffer_bytes(&large->out), 65536), OK);
	a.offer = bundle_offer_new(&x, &io);
	assert_non_null(a.offer);
	for (size_t i = 0; i < 3; i++)
		a.replicas[i] = replica_new(
		    &large->logs[i].credential.log, (struct replica_reader){no_read, NULL});
	assert_int_equal(bundle_offer_hello(a.offer, "test"), OK);
	assert_int_equal(a.frames[FRAME_FRONTIER], 0);
	ask(&a, FRAME_SUMMARY, 0, &summary.base);
	assert_int_equal(a.head_count, 3);
	get.log = pb_of(bytes_of(large->logs[2].credential.binding.digest, DIGEST_LEN));
	ask(&a, FRAME_LOG_GET, 0, &get.base);
	assert_int_equal(a.frames[FRAME_LOG], 1);
	ask(&a, FRAME_PING, 0, NULL);
	assert_int_equal(a.frames[FRAME_PONG], 1);

	/* No more than credit allows: it may go below zero once. */
	subscribe(&a, 0, 0, 1);
	assert_int_equal(a.frames[FRAME_DATA], 1);
	assert_false(bundle_offer_busy(a.offer));
	while (replica_held(a.replicas[0]) < 600) {
		Convene__Credit credit = CONVENE__CREDIT__INIT;

		credit.bytes = a.unpaid[0];
		assert_true(credit.bytes > 0);
		a.unpaid[0] = 0;
		ask(&a, FRAME_CREDIT, 1, &credit.base);
	}
	assert_int_equal(a.frames[FRAME_DATA], 3);
	assert_memory_equal(replica_held_root(a.replicas[0]), large->parts[0].root, HASH_LEN);
	/* What is held is not sent, and nothing while the output is full. */
	a.backlog = 1 << 20;
	subscribe(&a, 1, 0, 1 << 18);
	subscribe(&a, 2, 0, 1 << 18);
	assert_int_equal(a.frames[FRAME_DATA], 3);
	assert_true(bundle_offer_busy(a.offer));
	a.backlog = 0;
	assert_int_equal(bundle_offer_writable(a.offer), OK);
	assert_int_equal(replica_held(a.replicas[1]), 1);
	assert_int_equal(replica_held(a.replicas[2]), 257);
	assert_false(bundle_offer_busy(a.offer));
	subscribe(&a, 0, 600, 1 << 18);
	assert_int_equal(a.frames[FRAME_DATA], 6);

	/* Contents in any order; those without one are not in it. */
	for (size_t i = 0; i < 600; i++)
		index[i] = 599 - i;
	a.backlog = 1 << 20;
	want(&a, 0, index, 600);
	assert_int_equal(a.contents, 0);
	a.backlog = 0;
	assert_int_equal(bundle_offer_writable(a.offer), OK);
	assert_int_equal(a.contents, x.logs[0].contents);
	assert_int_equal(a.contents + a.nones, 600);
	assert_int_equal(a.last_index, 1);
	want(&a, 0, index, 10);
	bundle_offer_counts(a.offer, 0, &n);
	assert_int_equal(n.contents, x.logs[0].contents); /* once */
	index[0] = 100000;
	a.nones = 0;
	want(&a, 2, index, 1);
	assert_int_equal(a.nones, 1);

	for (size_t i = 0; i < 3; i++)
		replica_free(a.replicas[i]);
	buffer_free(&a.content);
	bundle_offer_free(a.offer);
	bundle_index_free(&x);
}

/* A frontier shows no more than the node can reach. */
static void test_gap(void **state)
{
	static struct place places[2000];
	size_t n = places_of(buffer_bytes(&large->out), large, places), hit = 0;
	struct bundle_index x;
	uint64_t size;

	(void)state;
	while (hit < n && !(places[hit].type == FRAME_DATA && places[hit].first == 256 &&
			      places[hit].log == 0))
		hit++;
	large->out.data[places[hit].offset + 5000] ^= 1;
	assert_int_equal(
	    bundle_fixture_read(&x, large->forum, buffer_bytes(&large->out), 65536), OK);
	large->out.data[places[hit].offset + 5000] ^= 1;
	assert_int_equal(x.flaw_count, 1);
	assert_int_equal(x.flaws[0].lost, BUNDLE_LOST_ENTRIES);
	assert_int_equal(x.flaws[0].first, 256);
	assert_int_equal(x.flaws[0].end, 512);
	assert_true(bundle_reach(&x.logs[0], 0, &size, NULL) && size == 256);
	assert_true(bundle_reach(&x.logs[0], 400, &size, NULL) && size == 256);
	assert_true(bundle_reach(&x.logs[0], 512, &size, NULL) && size == 600);
	assert_int_equal(bundle_entries(&x.logs[0], 0, UINT64_MAX), 256 + 88);
	bundle_index_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_bad_content),
	    cmocka_unit_test(test_other),
	    cmocka_unit_test(test_flipped),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_odd),
	    cmocka_unit_test(test_offer),
	    cmocka_unit_test(test_gap),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
