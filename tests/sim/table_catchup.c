/* SPDX-License-Identifier: BSD-2-Clause */
/* Catching up: two nodes, of which one has what the other lacks. Bytes on the wire beside what must
 * cross it, and how often one side waits for the other: time over the link's round trip, on a link
 * and disks that take no time else. */
#include "tests/sim/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY (50 * MS)
#define BATCH 256
#define CONTENT_LEN_MAX 4096

/* What contents are. */
struct contents {
	enum { CHANCE, WORDS, MAILS } kind;
	const uint8_t *mails; /* one after the other */
	bool packed;
};

static void content_make(
    const struct contents *from, size_t number, uint8_t *out, size_t len, struct rng *r)
{
	if (from->kind == WORDS)
		text_words(r, out, len);
	else if (from->kind == MAILS)
		memcpy(out, from->mails + number * len, len);
	else
		for (size_t k = 0; k < len; k += 8)
			put_u64(out + k, rng_next(r));
}

/* Entries straight into a node's own log, in batches; their authors' signatures are bytes of
 * chance, which the log layer does not look at. Returns bytes of leaves and contents. */
static uint64_t fill(
    struct node *n, size_t count, size_t content_len, const struct contents *from, struct rng *r)
{
	struct store *s = n->store;
	const struct binding *binding = &n->org->credential.binding;
	uint64_t sum = 0;
	static uint8_t contents[BATCH][CONTENT_LEN_MAX], salts[BATCH][SALT_LEN];
	size_t done = 0;

	while (count > 0) {
		size_t batch = count < BATCH ? count : BATCH;
		uint64_t first = replica_held(n->own->replica);
		struct buffer leaves = BUFFER_INIT, note = BUFFER_INIT, message = BUFFER_INIT;
		struct replica_batch *b;
		struct checkpoint c = {.size = 0};
		struct store_append a = {.log = n->own->no, .expected = first, .count = batch};
		uint8_t id[ID_LEN];

		s->ops->begin(s);
		for (size_t i = 0; i < batch; i++) {
			struct header h = {.version = 1,
			    .sequence = ++n->org->sequence,
			    .kind = KIND_POST,
			    .time = SIM_TIME + n->org->sequence};

			memcpy(h.signer, n->org->device.public, KEY_LEN);
			content_make(from, done + i, contents[i], content_len, r);
			for (size_t k = 0; k < SALT_LEN; k += 8)
				put_u64(salts[i] + k, rng_next(r));
			if (content_len > 0) {
				h.has_commitment = true;
				h.bucket = bucket_of(content_len);
				commitment_make(h.commitment, binding, h.signer, salts[i],
				    bytes_of(contents[i], content_len));
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
		for (size_t i = 0, pos = 0; content_len > 0 && i < batch; i++) {
			struct bytes leaf;

			if (leaves_next(buffer_bytes(&leaves), &pos, &leaf) != OK)
				abort();
			message_id(id, leaf, binding);
			if (s->ops->content_put(s, n->own->no, first + i, id, salts[i],
				bytes_of(contents[i], content_len)) != OK)
				abort();
		}
		if (s->ops->commit(s) != OK)
			abort();
		replica_committed(n->own->replica);
		buffer_free(&leaves);
		buffer_free(&note);
		buffer_free(&message);
		count -= batch;
		done += batch;
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

/* What came of it. */
struct caught {
	uint64_t need, sent, data, contents, allowed;
	double turns;
	char trouble[512];
};

static void catchup(struct caught *out, size_t d, size_t content_len, const struct contents *from)
{
	struct world *w = pair(d, 2);
	struct rng r = rng_new(d, 9, 0);
	uint64_t before, data, contents, start;

	/* They are equal, and part. */
	wire_connect_soon(w, &w->wires[0], 0);
	world_run(w, w->now + 10 * SECOND);
	wire_break(w, &w->wires[0], false);
	w->wires[0].there = false; /* it is not connected again before it is said so */
	world_run(w, w->now + 2 * SECOND);
	out->need = fill(&w->nodes[0], d, content_len, from, &r);
	w->wires[0].end[0].asks = w->wires[0].end[1].asks = from->packed;
	before = bytes_all(w);
	data = w->bytes[FRAME_DATA];
	contents = w->bytes[FRAME_CONTENT];
	w->wires[0].there = true;
	w->wires[0].retry_armed = false;
	wire_connect_soon(w, &w->wires[0], 0);
	start = w->now;
	while (world_run(w, w->now + LATENCY / 10) && !level(w) && w->now < start + 3600 * SECOND)
		;
	out->sent = bytes_all(w) - before;
	out->data = w->bytes[FRAME_DATA] - data;
	out->contents = w->bytes[FRAME_CONTENT] - contents;
	out->allowed = out->need + out->need / 10 + 8192 + 1024;
	out->turns = (double)(w->now - start) / (2.0 * LATENCY);
	snprintf(out->trouble, sizeof out->trouble, "%s",
	    w->failed                  ? w->failure
	    : !level(w)                ? "NOT LEVEL"
	    : out->sent > out->allowed ? "TOO MANY"
				       : "");
	world_free(w);
}

static void row(size_t d, size_t content_len)
{
	static const struct contents chance = {.kind = CHANCE};
	struct caught c;

	catchup(&c, d, content_len, &chance);
	printf("%8zu %8zu %11llu %11llu %6.3f %11llu %8.1f %8.1f  %s\n", d, content_len,
	    (unsigned long long)c.need, (unsigned long long)c.sent, (double)c.sent / (double)c.need,
	    (unsigned long long)c.allowed, c.turns, (double)c.need / SYNC_CREDIT, c.trouble);
	fflush(stdout);
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
		row(d, 0);
	for (size_t d = 10; d <= 100000; d *= 10)
		row(d, 600);
}

static void row_texts(const char *what, const struct contents *from)
{
	struct caught c;

	catchup(&c, 1000, 600, from);
	printf("%-28s %-6s %9llu %9llu %9llu %9llu  %s\n", what, from->packed ? "packed" : "plain",
	    (unsigned long long)c.sent, (unsigned long long)c.data, (unsigned long long)c.contents,
	    (unsigned long long)(c.sent - c.data - c.contents), c.trouble);
	fflush(stdout);
}

void table_texts(void)
{
	struct buffer mails = BUFFER_INIT;
	size_t count = text_mails(&mails, 600, 1000);

	printf(
	    "1,000 missing messages of 600 B, in bytes of frames in both directions; packed: the "
	    "one that catches up asks for it\n(SPEC.md 11.7). `leaves`: DATA, which are "
	    "signatures, "
	    "commitments, keys and proofs, and don't shrink; `contents`: CONTENT,\nwhich holds a "
	    "salt of 32 B each beside the text. Beside it, strfry's negentropy: 489,000 "
	    "(compressed); git's fetch: 561,000\n(compressed, and without signatures). `words`: "
	    "8,192 made-up words of one to three syllables, the frequent ones short,\ndrawn by "
	    "Zipf's law (weight 1 / (rank + 2.7)) and set in sentences: nothing repeats but by "
	    "chance. `mails`: of a public list,\nthe first 1,000 of 600 B or more, cut to that; "
	    "they quote each other.\n\n"
	    "contents of                  how       bytes    leaves  contents      rest\n");
	for (unsigned packed = 0; packed < 2; packed++)
		row_texts("bytes of chance", &(struct contents){.kind = CHANCE, .packed = packed});
	for (unsigned packed = 0; packed < 2; packed++)
		row_texts("words", &(struct contents){.kind = WORDS, .packed = packed});
	for (unsigned packed = 0; count == 1000 && packed < 2; packed++)
		row_texts("mails", &(struct contents){MAILS, mails.data, packed});
	if (count < 1000)
		printf("mails: not at hand\n");
	buffer_free(&mails);
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
		fill(&w->nodes[i], 1, 0, &(struct contents){.kind = CHANCE}, &r);
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
