/* SPDX-License-Identifier: BSD-2-Clause */
/* Joining from zero: a node that holds nothing, and four peers that hold a million small entries,
 * of which one lies and one drips. The peers share one store: nothing is written to it. */
#include "tests/sim/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGS 100
#define ENTRIES 1000000
#define NEWEST 100
#define BATCH 256
#define STEP 40000 /* ms between two posts: a year and a quarter in all */
#define LIMIT_PERCENT 2.0
#define LIMIT_SECONDS 1800

struct thread {
	uint32_t left; /* posts that the node can't read yet */
	uint32_t posts;
	struct ref root;
	uint64_t read_at, read_bytes; /* when, and how much had come by then */
};

struct joining {
	uint32_t *threads[LOGS]; /* of the entry at an index, + 1; 0: none */
	size_t sizes[LOGS];
	struct thread *thread;
	size_t thread_count;
	uint64_t leaf_bytes, content_bytes, came;
	uint64_t leaves_at; /* all entries were there */
};

/* A log on its way into the store. */
struct filler {
	struct org *org;
	struct store *store;
	struct replica *replica;
	uint32_t no;
	struct buffer leaves;
	size_t count;
	struct buffer content[BATCH];
	uint8_t salt[BATCH][SALT_LEN];
};

static int filler_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct filler *f = ctx;

	return f->store->ops->read(f->store, f->no, first, count, max_bytes, out, got);
}

static void must(int err)
{
	if (err)
		abort();
}

static void filler_contents(struct filler *f, uint64_t first)
{
	struct bytes leaf;
	uint8_t id[ID_LEN];
	size_t pos = 0;

	for (size_t i = 0; leaves_next(buffer_bytes(&f->leaves), &pos, &leaf) == OK; i++) {
		if (f->content[i].len == 0)
			continue;
		message_id(id, leaf, &f->org->credential.binding);
		must(f->store->ops->content_put(
		    f->store, f->no, first + i, id, f->salt[i], buffer_bytes(&f->content[i])));
		buffer_reset(&f->content[i]);
	}
}

static void filler_flush(struct filler *f)
{
	struct store_append a = {
	    .log = f->no, .expected = replica_held(f->replica), .count = f->count};
	struct checkpoint c = {.size = 0};
	struct buffer note = BUFFER_INIT;
	struct replica_batch *b;

	if (f->count == 0)
		return;
	strcpy(c.origin, f->org->credential.binding.log_name);
	must(replica_propose(f->replica, buffer_bytes(&f->leaves), &c.size, c.root));
	must(checkpoint_sign(&note, &c, &f->org->log_key));
	must(replica_stage_own(f->replica, buffer_bytes(&f->leaves), buffer_bytes(&note), &b));
	a.leaves = buffer_bytes(&f->leaves);
	a.size = c.size;
	memcpy(a.root, c.root, HASH_LEN);
	a.checkpoint = buffer_bytes(&note);
	a.blocks = b->blocks;
	a.block_count = b->block_count;
	must(f->store->ops->begin(f->store));
	must(f->store->ops->append(f->store, &a));
	filler_contents(f, a.expected);
	must(f->store->ops->commit(f->store));
	replica_committed(f->replica);
	buffer_reset(&f->leaves);
	f->count = 0;
	buffer_free(&note);
}

/* A post of a thread, or a new one. Authors' signatures are bytes of chance, which the log layer
 * does not look at. */
static void filler_post(
    struct filler *f, struct joining *j, struct thread *t, uint64_t time, struct rng *r)
{
	struct header h = {.version = 1,
	    .sequence = ++f->org->sequence,
	    .kind = t->posts > 0 ? KIND_POST : KIND_TOPIC,
	    .time = time,
	    .topic = t->root,
	    .parent = t->root,
	    .has_commitment = true};
	struct buffer *content = &f->content[f->count], message = BUFFER_INIT;
	uint8_t *salt = f->salt[f->count];

	memcpy(h.signer, f->org->device.public, KEY_LEN);
	for (size_t k = 0; k < SALT_LEN; k += 8)
		put_u64(salt + k, rng_next(r));
	for (size_t len = 60 + rng_below(r, 141); content->len < len;)
		buffer_add_u8(content, (uint8_t)rng_next(r));
	h.bucket = bucket_of(content->len);
	commitment_make(
	    h.commitment, &f->org->credential.binding, h.signer, salt, buffer_bytes(content));
	must(header_encode(&message, &h));
	for (size_t k = 0; k < SIG_LEN; k += 8)
		buffer_add_u64(&message, rng_next(r));
	leaves_add(&f->leaves, buffer_bytes(&message));
	if (t->posts++ == 0) {
		t->root = (struct ref){.present = true};
		memcpy(t->root.log, f->org->credential.binding.digest, DIGEST_LEN);
		message_id(t->root.id, buffer_bytes(&message), &f->org->credential.binding);
	}
	t->left++;
	j->leaf_bytes += message.len + 2;
	j->content_bytes += content->len;
	buffer_free(&message);
	if (++f->count == BATCH)
		filler_flush(f);
}

/* Uneven logs: the n-th largest has a share of 1/n. */
static void weigh(double sum[LOGS])
{
	for (size_t i = 0; i < LOGS; i++)
		sum[i] = (i > 0 ? sum[i - 1] : 0) + 1.0 / (double)(i + 1);
}

static size_t log_draw(const double sum[LOGS], struct rng *r)
{
	double x = sum[LOGS - 1] * (double)rng_below(r, 1 << 30) / (1 << 30);
	size_t i = 0;

	while (i < LOGS - 1 && sum[i] <= x)
		i++;
	return i;
}

static void fill(struct world *w, struct store *store, struct joining *j)
{
	struct filler *fillers = calloc(LOGS, sizeof *fillers);
	struct rng r = rng_new(4, 9, 0);
	double sum[LOGS];

	j->thread = calloc(ENTRIES, sizeof *j->thread);
	if (!fillers || !j->thread)
		abort();
	weigh(sum);
	for (size_t i = 0; i < LOGS; i++) {
		struct filler *f = &fillers[i];
		const struct credential *c = &w->orgs[i]->credential;

		f->org = w->orgs[i];
		f->store = store;
		must(store->ops->begin(store));
		if (store->ops->log_add(store, bytes_str(c->binding.log_name), c->binding.digest,
			&f->no) == ERR_NOMEM)
			abort();
		must(store->ops->commit(store));
		f->replica = replica_new(&c->log, (struct replica_reader){filler_read, f});
		j->threads[i] = calloc(ENTRIES, sizeof **j->threads);
		if (!f->replica || !j->threads[i])
			abort();
		leaves_add(&f->leaves, buffer_bytes(&c->message));
		f->count = 1;
		j->sizes[i] = 1;
	}
	for (size_t n = LOGS; n < ENTRIES; n++) {
		size_t log = log_draw(sum, &r), t = j->thread_count, back;

		/* One in ten begins a thread; the others answer, mostly in a young one. */
		back = rng_below(&r, rng_chance(&r, 900000) ? 60 : 2000) + 1;
		if (t > 0 && !rng_chance(&r, 100000))
			t = t > back ? t - back : 0;
		else
			j->thread_count++;
		j->threads[log][j->sizes[log]++] = (uint32_t)t + 1;
		filler_post(
		    &fillers[log], j, &j->thread[t], SIM_TIME - (uint64_t)(ENTRIES - n) * STEP, &r);
	}
	for (size_t i = 0; i < LOGS; i++) {
		filler_flush(&fillers[i]);
		replica_free(fillers[i].replica);
		buffer_free(&fillers[i].leaves);
		for (size_t k = 0; k < BATCH; k++)
			buffer_free(&fillers[i].content[k]);
	}
	free(fillers);
}

static void on_stored(
    struct world *w, struct node *n, struct carried *l, uint64_t index, size_t bytes)
{
	struct joining *j = w->measured;
	uint32_t thread = j->threads[l->org->number][index];

	if (n->number != 0)
		return;
	j->came += bytes;
	if (thread > 0 && --j->thread[thread - 1].left == 0) {
		j->thread[thread - 1].read_at = w->now;
		j->thread[thread - 1].read_bytes = j->came;
	}
}

/* ---- what came from whom ---- */

struct source {
	const char *what;
	uint64_t leaves, contents; /* bytes, of links that are down */
	uint64_t last_leaves, last_contents;
	size_t memory;
};

static void look(struct world *w, struct source *sources)
{
	for (size_t i = 0; i < w->wire_count; i++) {
		struct source *f = &sources[i];
		struct end *e = &w->wires[i].end[0];
		struct sync_link_stats stats = {.peer = NULL};

		if (e->up)
			sync_link_stats(w->nodes[0].sync, e->link, &stats);
		if (stats.data_in < f->last_leaves || stats.content_bytes_in < f->last_contents) {
			f->leaves += f->last_leaves;
			f->contents += f->last_contents;
		}
		f->last_leaves = stats.data_in;
		f->last_contents = stats.content_bytes_in;
		if (stats.memory > f->memory)
			f->memory = stats.memory;
	}
}

static bool complete(const struct world *w, struct joining *j)
{
	const struct node *n = &w->nodes[0];
	uint64_t missing = 0, one;
	bool entries = true;

	for (size_t i = 0; i < LOGS; i++) {
		struct carried *l = node_log_of(n, w->orgs[i]);

		if (!l || replica_held(l->replica) != j->sizes[i])
			entries = false;
		else if (entries && missing == 0 && j->came >= j->content_bytes)
			missing += n->store->ops->wanted_count(n->store, l->no, &one) != OK || one;
	}
	if (entries && j->leaves_at == 0)
		j->leaves_at = w->now;
	return entries && missing == 0 && j->came >= j->content_bytes;
}

static bool same_frontier(struct world *w)
{
	uint8_t a[HASH_LEN], b[HASH_LEN];

	sync_frontier(w->nodes[0].sync, a);
	sync_frontier(w->nodes[1].sync, b);
	return memcmp(a, b, HASH_LEN) == 0;
}

static struct world *joining_new(struct joining *j)
{
	struct world *w = world_new(4, 5, LOGS + 1, LOGS + 1, 1, 4);

	w->quiet_checks = true;
	w->measured = j;
	w->stored = on_stored;
	node_init(w, &w->nodes[0], 0, w->orgs[LOGS]);
	for (size_t i = 1; i < 5; i++)
		node_init(w, &w->nodes[i], (unsigned)i, w->orgs[i - 1]);
	fill(w, w->nodes[1].store, j);
	for (size_t i = 0; i < 5; i++) {
		struct node *n = &w->nodes[i];

		n->reader_only = true;
		if (i > 1) {
			store_close(n->store);
			n->store = w->nodes[1].store;
		}
	}
	w->nodes[3].lies = LIE_ANNOUNCE | LIE_PROOF | LIE_CONTENT;
	w->nodes[4].lies = LIE_TRICKLE;
	return w;
}

static void missed(const char *what)
{
	printf("MISSED: %s\n", what);
	table_missed = true;
}

static void report(struct world *w, struct joining *j, struct source *sources, uint64_t start)
{
	double worst = 0, last = 0;
	size_t posts = 0, memory = 0;
	const struct end *liar = &w->wires[2].end[0], *drip = &w->wires[3].end[0];

	for (size_t i = 0; i < NEWEST; i++) {
		struct thread *t = &j->thread[j->thread_count - 1 - i];
		double share = 100.0 * (double)(t->left ? j->content_bytes : t->read_bytes) /
			       (double)j->content_bytes;

		posts += t->posts;
		if (share > worst) {
			worst = share;
			last = (double)(t->read_at - start) / SECOND;
		}
	}
	printf("%d entries in %d logs (%.1f MB of leaves, %.1f MB of contents), %zu threads: ",
	    ENTRIES, LOGS, (double)j->leaf_bytes / 1e6, (double)j->content_bytes / 1e6,
	    j->thread_count);
	printf("%s after %.1f s, all entries after %.1f s.\n",
	    complete(w, j) ? "complete" : "NOT COMPLETE", (double)(w->now - start) / SECOND,
	    (double)(j->leaves_at - start) / SECOND);
	printf("The newest %d threads (%zu posts) could be read whole after %.1f s, when %.2f%% of "
	       "the bytes of contents had come\n(allowed: %.0f%%).\n\n",
	    NEWEST, posts, last, worst, LIMIT_PERCENT);
	printf("peer       one way    rate  leaves MB  contents MB  faults  stalls  memory kept\n");
	for (size_t i = 0; i < w->wire_count; i++) {
		const struct source *f = &sources[i];
		const struct wire *x = &w->wires[i];

		printf("%-8s %6.0f ms %4.1f MB/s %8.1f %12.1f %7u %7u %12zu\n", f->what,
		    (double)x->latency / MS, (double)x->rate / 1e6,
		    (double)(f->leaves + f->last_leaves) / 1e6,
		    (double)(f->contents + f->last_contents) / 1e6, x->end[0].faults,
		    x->end[0].stalls, f->memory);
		memory = f->memory > memory ? f->memory : memory;
	}
	printf("\nThe liar was named and dropped after %.1f s: %s: %s\n",
	    liar->faults ? (double)(liar->fault_at - start) / SECOND : 0.0,
	    liar->other->node->org->name, liar->faults ? liar->fault : "NO");
	if (w->failed)
		missed(w->failure);
	if (!complete(w, j) || !same_frontier(w))
		missed("not complete");
	if (worst > LIMIT_PERCENT)
		missed("the newest threads came too late");
	if (liar->faults == 0 || drip->stalls == 0)
		missed("who lies or drips was not noticed");
	if (w->wires[0].end[0].faults + w->wires[1].end[0].faults + drip->faults > 0)
		missed("a peer that does not lie was faulted");
	if (memory > SYNC_LINK_MEMORY)
		missed("more memory than allowed for a link");
}

void table_join(void)
{
	struct joining *j = calloc(1, sizeof *j);
	static const struct {
		const char *what;
		uint64_t latency, rate;
	} peers[] = {{"honest", 15 * MS, 4000000}, {"honest", 60 * MS, 2000000},
	    {"liar", 10 * MS, 4000000}, {"drip", 5 * MS, 4000000}};
	struct source sources[4] = {{.what = NULL}};
	struct world *w;
	uint64_t start;

	if (!j)
		abort();
	w = joining_new(j);
	for (size_t i = 0; i < 4; i++) {
		sources[i].what = peers[i].what;
		wire_init(w, &w->wires[i], (unsigned)i, &w->nodes[0], &w->nodes[i + 1]);
		w->wires[i].latency = peers[i].latency;
		w->wires[i].rate = peers[i].rate;
	}
	for (size_t i = 0; i < 5; i++)
		node_start(&w->nodes[i]);
	start = w->now;
	for (size_t i = 0; i < 4; i++)
		wire_connect_soon(w, &w->wires[i], (4 - i) * 10 * MS);
	printf("Joining from zero: a node that holds nothing, and four peers that hold all, of "
	       "which one lies (sizes, proofs,\ncontents) and one gives an entry or a content "
	       "every 4 s.\n\n");
	fflush(stdout);
	while (world_run(w, w->now + SECOND / 10) && !complete(w, j) &&
	       w->now < start + LIMIT_SECONDS * SECOND)
		look(w, sources);
	look(w, sources);
	report(w, j, sources, start);
	for (size_t i = 2; i < 5; i++)
		w->nodes[i].store = NULL;
	world_free(w);
	for (size_t i = 0; i < LOGS; i++)
		free(j->threads[i]);
	free(j->thread);
	free(j);
}
