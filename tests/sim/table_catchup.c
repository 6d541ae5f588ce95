/* SPDX-License-Identifier: BSD-2-Clause */
/* Catching up: two nodes, of which one has what the other lacks. Bytes on the wire beside what must
 * cross it, and how often one side waits for the other: time over the link's round trip, on a link
 * and disks that take no time else. */
#include "tests/sim/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY (50 * MS)

/* Entries straight into a node's own log, in batches; their authors' signatures are bytes of
 * chance, which the log layer does not look at. Returns bytes of leaves and contents. */
static uint64_t fill(struct node *n, size_t count, size_t content_len, struct rng *r)
{
	struct store *s = n->store;
	const struct binding *binding = &n->org->credential.binding;
	uint64_t sum = 0;

	while (count > 0) {
		size_t batch = count < 256 ? count : 256;
		uint64_t first = replica_held(n->own->replica);
		struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT, message = BUFFER_INIT;
		struct replica_batch *b;
		struct checkpoint c = {.size = 0};
		struct store_append a = {.log = n->own->no, .expected = first, .count = batch};
		uint8_t content[4096], salt[SALT_LEN], id[ID_LEN];

		s->ops->begin(s);
		for (size_t i = 0; i < batch; i++) {
			struct header h = {.version = 1,
			    .sequence = ++n->org->sequence,
			    .kind = KIND_POST,
			    .time = SIM_TIME + n->org->sequence};

			memcpy(h.signer, n->org->device.public, KEY_LEN);
			for (size_t k = 0; k < content_len; k += 8)
				put_u64(content + k, rng_next(r));
			for (size_t k = 0; k < SALT_LEN; k += 8)
				put_u64(salt + k, rng_next(r));
			if (content_len > 0) {
				h.has_commitment = true;
				h.bucket = bucket_of(content_len);
				commitment_make(h.commitment, binding, h.signer, salt,
				    bytes_of(content, content_len));
			}
			buffer_reset(&message);
			header_encode(&message, &h);
			for (size_t k = 0; k < SIG_LEN; k += 8)
				buffer_add_u64(&message, rng_next(r));
			leaves_add(&leaves, buffer_bytes(&message));
			sum += message.len + content_len;
		}
		strcpy(c.origin, binding->log_name);
		if (replica_propose(n->own->replica, buffer_bytes(&leaves), &c.size, c.root) !=
			OK ||
		    checkpoint_sign(&note, &c, &n->org->log_key) != OK ||
		    replica_stage_own(
			n->own->replica, buffer_bytes(&leaves), buffer_bytes(&note), &b) != OK)
			abort();
		a.leaves = buffer_bytes(&leaves);
		a.size = c.size;
		memcpy(a.root, c.root, HASH_LEN);
		a.checkpoint = buffer_bytes(&note);
		a.blocks = b->blocks;
		a.block_count = b->block_count;
		if (s->ops->append(s, &a) != OK)
			abort();
		/* Again the same chance, for what was committed to. */
		if (content_len > 0) {
			struct bytes leaf;
			size_t pos = 0;
			struct header h;

			for (uint64_t i = first;
			     leaves_next(buffer_bytes(&leaves), &pos, &leaf) == OK; i++) {
				struct rng again = {
				    r->state - (c.size - i) * UINT64_C(0x9e3779b97f4a7c15) *
						   (content_len / 8 + SALT_LEN / 8 + SIG_LEN / 8)};

				for (size_t k = 0; k < content_len; k += 8)
					put_u64(content + k, rng_next(&again));
				for (size_t k = 0; k < SALT_LEN; k += 8)
					put_u64(salt + k, rng_next(&again));
				message_id(id, leaf, binding);
				if (message_parse(leaf, &h) != OK ||
				    content_check(
					&h, binding, salt, bytes_of(content, content_len)) != OK ||
				    s->ops->content_put(s, n->own->no, i, id, salt,
					bytes_of(content, content_len)) != OK)
					abort();
			}
		}
		if (s->ops->commit(s) != OK)
			abort();
		replica_committed(n->own->replica);
		buffer_free(&leaves);
		buffer_free(&note);
		buffer_free(&message);
		count -= batch;
	}
	return sum;
}

static struct world *pair(uint64_t seed, size_t orgs)
{
	struct world *w = world_new(seed, orgs, orgs, orgs, 1, 1);

	w->quiet_checks = true;
	for (size_t i = 0; i < orgs; i++) {
		node_init(w, &w->nodes[i], (unsigned)i, w->orgs[i]);
		w->nodes[i].disk_us = 0;
		w->nodes[i].skew = w->nodes[i].drift = 0;
	}
	wire_init(w, &w->wires[0], 0, &w->nodes[0], &w->nodes[1]);
	w->wires[0].latency = LATENCY;
	for (size_t i = 0; i < 2; i++)
		node_start(&w->nodes[i]);
	world_run(w, w->now + SECOND);
	return w;
}

static uint64_t bytes_all(const struct world *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 128; i++)
		sum += w->bytes[i];
	return sum;
}

static bool level(struct world *w)
{
	uint8_t a[HASH_LEN], b[HASH_LEN];
	uint64_t missing = 0, one;

	sync_frontier(w->nodes[0].sync, a);
	sync_frontier(w->nodes[1].sync, b);
	for (size_t i = 0; i < w->nodes[1].log_count; i++) {
		size_t n = 1;

		if (w->nodes[1].store->ops->wanted(
			w->nodes[1].store, w->nodes[1].logs[i]->no, 0, &one, &n) == OK)
			missing += n;
	}
	return missing == 0 && memcmp(a, b, HASH_LEN) == 0;
}

static void catchup(size_t d, size_t content_len)
{
	struct world *w = pair(d, 2);
	struct rng r = rng_new(d, 9, 0);
	uint64_t need, before, start, sent, allowed;

	/* They are equal, and part. */
	wire_connect_soon(w, &w->wires[0], 0);
	world_run(w, w->now + 10 * SECOND);
	wire_break(w, &w->wires[0], false);
	w->wires[0].there = false; /* it is not connected again before it is said so */
	world_run(w, w->now + 2 * SECOND);
	need = fill(&w->nodes[0], d, content_len, &r);
	before = bytes_all(w);
	w->wires[0].there = true;
	w->wires[0].retry_armed = false;
	wire_connect_soon(w, &w->wires[0], 0);
	start = w->now;
	while (world_run(w, w->now + LATENCY / 10) && !level(w) && w->now < start + 3600 * SECOND)
		;
	sent = bytes_all(w) - before;
	allowed = need + need / 10 + 8192 + 1024;
	printf("%8zu %8zu %11llu %11llu %6.3f %11llu %8.1f %8.1f  %s\n", d, content_len,
	    (unsigned long long)need, (unsigned long long)sent, (double)sent / (double)need,
	    (unsigned long long)allowed, (double)(w->now - start) / (2.0 * LATENCY),
	    (double)need / SYNC_CREDIT,
	    w->failed        ? w->failure
	    : !level(w)      ? "NOT LEVEL"
	    : sent > allowed ? "TOO MANY"
			     : "");
	fflush(stdout);
	world_free(w);
}

void table_catchup(void)
{
	printf("Catching up with d entries of one log. `need`: bytes of missing leaves and "
	       "contents; `sent`: all bytes of\n"
	       "frames in both directions; `allowed`: 1.10 × need + 9 KiB. `turns`: time over the "
	       "round trip, beside\n"
	       "need / credit window.\n\n"
	       "       d  content        need        sent  ratio     allowed    turns  need/win\n");
	for (size_t d = 10; d <= 1000000; d *= 10)
		catchup(d, 0);
	for (size_t d = 10; d <= 100000; d *= 10)
		catchup(d, 600);
}

/* Two nodes that hold the same 1,000 logs but for three. */
void table_frontier(void)
{
	enum { LOGS = 1000 };
	struct world *w = pair(1, LOGS);
	struct rng r = rng_new(1, 9, 0);
	uint64_t before, data, credit;

	for (size_t i = 2; i < LOGS; i++) {
		/* Each is a neighbour for a moment, to leave its log here. */
		struct wire *x = &w->wires[0];

		(void)x;
		node_start(&w->nodes[i]);
	}
	world_run(w, w->now + SECOND);
	for (size_t i = 2; i < LOGS; i++) {
		for (size_t k = 0; k < 2; k++)
			node_adopt(&w->nodes[k], &w->nodes[i]);
	}
	wire_connect_soon(w, &w->wires[0], 0);
	world_run(w, w->now + 30 * SECOND);
	if (!level(w))
		printf("NOT LEVEL\n");
	wire_break(w, &w->wires[0], false);
	w->wires[0].there = false;
	world_run(w, w->now + 2 * SECOND);
	for (size_t i = 2; i < 5; i++) {
		fill(&w->nodes[i], 1, 0, &r);
		node_adopt(&w->nodes[0], &w->nodes[i]);
	}
	before = bytes_all(w);
	data = w->bytes[FRAME_DATA];
	credit = w->bytes[FRAME_CREDIT] + w->bytes[FRAME_SUBSCRIBE];
	w->wires[0].there = true;
	w->wires[0].retry_armed = false;
	wire_connect_soon(w, &w->wires[0], 0);
	world_run(w, w->now + 5 * SECOND);
	data = w->bytes[FRAME_DATA] - data;
	credit = w->bytes[FRAME_CREDIT] + w->bytes[FRAME_SUBSCRIBE] - credit;
	printf("Comparing 1,000 logs of which 3 changed, on connecting: %llu bytes of SUMMARY, "
	       "FRONTIER and ANNOUNCE in both\ndirections (allowed: 2,048); %llu of SUBSCRIBE and "
	       "CREDIT for all logs, %llu of DATA.%s\n",
	    (unsigned long long)(bytes_all(w) - before - data - credit), (unsigned long long)credit,
	    (unsigned long long)data, level(w) ? "" : " NOT LEVEL");
	world_free(w);
}
