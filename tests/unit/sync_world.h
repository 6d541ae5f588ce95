/* SPDX-License-Identifier: BSD-2-Clause */
/* A handful of nodes around lib/sync in one process: seeded delays, cut links, slow and failing
 * disks, small credit. The network hands over real frames, so that what is measured here in bytes
 * is what a socket would carry. */
#ifndef TEST_SYNC_WORLD_H
#define TEST_SYNC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/pack.h"
#include "log/fork.h"
#include "member_fixture.h"
#include "store/memory.h"
#include "sync/sync.h"

#define NODES_MAX 32
#define LINKS_MAX 96

struct sync_io;
/* A test's own io functions, put in before a node starts; NULL: none. */
static void (*world_io)(struct sync_io *io);

struct end;

struct held_log {
	uint32_t no;
	struct credential credential;
	struct replica *replica;
	struct node *node;
	struct buffer proof; /* that it is disputed */
	unsigned disputes, cuts, stands;
	uint64_t disputed_at;
	struct replica_cut *cut;
	struct buffer off; /* entries that were cut off */
};

struct node {
	struct world *world;
	unsigned number, as; /* the same organisation as that node */
	char name[32];
	struct key root, log_key;
	struct credential credential;
	struct store *store;
	struct sync *sync;
	struct held_log logs[NODES_MAX];
	size_t log_count;
	uint64_t sequence;
	uint64_t tick_at;
	unsigned fail_commits; /* so many commits will fail */
	unsigned fail_cuts, forked;
	bool defers;            /* does not take up logs at once */
	unsigned stalls;        /* said of its links */
	unsigned rivals;        /* proofs of two NODE messages */
	int rivals_are;         /* what is said of them */
	bool old;               /* doesn't name `witness` */
	uint64_t date;          /* ms that its posts are older */
	const uint8_t *refuses; /* the digest of a log that it doesn't carry */
	unsigned refused;       /* so often was that offered */
	unsigned faults;        /* peers that broke a rule, as this node saw it */
	char fault[200];        /* the last of them */
	bool asks;              /* for packed contents */
	struct event *along;    /* for the next commit */
	uint64_t own_ahead;     /* the size of our own log that a peer has proven */
	uint64_t entries_received;
	size_t frames_sent, bytes_sent;
};

/* One side of a link. */
struct end {
	struct node *node;
	struct end *other;
	struct sync_link *link;
	bool up;
	unsigned generation;    /* frames of an earlier life of the link are lost */
	bool mute;              /* takes frames in and gives nothing: a stalled peer */
	bool withholds;         /* answers no WANT */
	bool quiet;             /* announces nothing */
	bool full;              /* its output takes no more contents */
	size_t wanted;          /* contents asked for from here, */
	size_t contents, nones; /* and answers given */
	uint64_t rate;          /* bytes a second; 0: any */
	uint64_t drip;          /* ms for an entry or a content; 0: it does not drip */
	uint64_t free_at, drip_at;
};

enum event_kind { EVENT_FRAME, EVENT_COMMITTED, EVENT_CONTENT, EVENT_CUT };

struct event {
	uint64_t at, order;
	enum event_kind kind;
	struct end *to;
	unsigned generation;
	bool dripped; /* its sender holds it back: others overtake it */
	struct buffer bytes;
	struct node *node;
	uint32_t log;
	uint64_t index;
	/* A commit's batch, copied as the relay copies it. */
	struct store_append append;
	struct buffer leaves, note, right;
	struct tree_hash *blocks;
	uint64_t *wanted;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct buffer content;
	struct event *along; /* contents that came with a commit's batch */
	struct event *next;
};

/* A content that its author's node lacks. */
struct kept {
	struct kept *next;
	struct node *node;
	uint64_t index;
	uint8_t salt[SALT_LEN];
	struct buffer content;
};

struct world {
	struct node nodes[NODES_MAX];
	size_t node_count;
	struct end ends[2 * LINKS_MAX];
	size_t end_count;
	uint64_t now, order, random;
	uint64_t delay_max, disk_max;
	bool twins;
	bool texts;     /* contents are words, not chance */
	uint64_t early; /* ms that what is posted goes out before its origin's store has it */
	bool keeps;     /* what is posted goes without its contents, until kept_give() */
	struct kept *kept;
	struct event *events;
	uint8_t forum[HASH_LEN];
};

static inline uint64_t next_random(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static inline struct event *event_add(struct world *w, uint64_t at, enum event_kind kind)
{
	struct event *e = calloc(1, sizeof *e), **place = &w->events;

	assert_non_null(e);
	e->at = at;
	e->order = w->order++;
	e->kind = kind;
	while (*place && ((*place)->at < at || ((*place)->at == at && (*place)->order < e->order)))
		place = &(*place)->next;
	e->next = *place;
	*place = e;
	return e;
}

static inline void event_free(struct event *e)
{
	while (e->along) {
		struct event *next = e->along->next;

		buffer_free(&e->along->content);
		free(e->along);
		e->along = next;
	}
	buffer_free(&e->bytes);
	buffer_free(&e->leaves);
	buffer_free(&e->note);
	buffer_free(&e->right);
	buffer_free(&e->content);
	free(e->blocks);
	free(e->wanted);
	free(e);
}

static inline struct held_log *log_of(struct node *n, uint32_t no)
{
	for (size_t i = 0; i < n->log_count; i++) {
		if (n->logs[i].no == no)
			return &n->logs[i];
	}
	fail_msg("node %u has no log %u", n->number, no);
	return NULL;
}

static inline struct held_log *log_of_origin(struct node *n, const struct node *origin)
{
	for (size_t i = 0; i < n->log_count; i++) {
		if (strcmp(n->logs[i].credential.binding.log_name,
			origin->credential.binding.log_name) == 0)
			return &n->logs[i];
	}
	return NULL;
}

/* ---- what sync asks for ---- */

static inline struct event *frame_at(
    struct end *from, uint64_t at, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct event *e = event_add(from->node->world, at, EVENT_FRAME);

	e->to = from->other;
	e->generation = from->generation;
	assert_int_equal(message ? frame_add(&e->bytes, type, stream, message)
				 : frame_add_raw(&e->bytes, type, stream, bytes_of(NULL, 0)),
	    OK);
	return e;
}

static inline uint64_t drip_next(struct end *from)
{
	uint64_t now = from->node->world->now;

	from->drip_at = (from->drip_at > now ? from->drip_at : now) + from->drip;
	return from->drip_at;
}

/* Entry by entry, each with its proof; a content at a time. */
static inline void drip(
    struct end *from, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	const Convene__Data *m = (const Convene__Data *)message;
	const struct held_log *l = NULL;
	struct node *n = from->node;
	struct bytes leaf;
	size_t pos = 0;

	if (type == FRAME_CONTENT) {
		frame_at(from, drip_next(from), type, stream, message)->dripped = true;
		return;
	}
	for (size_t i = 0; i < n->log_count; i++) {
		if (memcmp(n->logs[i].credential.binding.digest, m->log.data, DIGEST_LEN) == 0)
			l = &n->logs[i];
	}
	for (uint64_t i = m->first; leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) == OK; i++) {
		struct tree_hash proof[TREE_PROOF_MAX];
		struct buffer one = BUFFER_INIT;
		Convene__Data d = *m;
		size_t count;

		leaves_add(&one, leaf);
		assert_int_equal(replica_prove(l->replica, i, i + 1, proof, &count), OK);
		d.first = i;
		d.leaves = pb_of(buffer_bytes(&one));
		d.checkpoint = pb_of(replica_note(l->replica));
		d.proof = pb_of(bytes_of(proof, count * HASH_LEN));
		frame_at(from, drip_next(from), type, stream, &d.base)->dripped = true;
		buffer_free(&one);
	}
}

/* Frames keep their order, as on a TCP connection. */
static inline void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct end *from = link;
	struct node *n = ctx;
	struct world *w = n->world;
	uint64_t at = w->now + 1 + next_random(w) % w->delay_max;
	struct event *e;

	for (const struct event *o = w->events; o; o = o->next) {
		if (o->kind == EVENT_FRAME && o->to == from->other && o->at > at && !o->dripped)
			at = o->at;
	}
	if (type == FRAME_WANT)
		from->wanted += ((const Convene__Want *)message)->n_index;
	from->contents += type == FRAME_CONTENT &&
			  ((const Convene__ContentChunk *)message)->offset == 0;
	from->nones += type == FRAME_CONTENT_NONE;
	if (!from->up || from->mute || (from->quiet && type == FRAME_ANNOUNCE) ||
	    (from->withholds && (type == FRAME_CONTENT || type == FRAME_CONTENT_NONE)))
		return;
	if (from->drip > 0 && (type == FRAME_DATA || type == FRAME_CONTENT)) {
		drip(from, type, stream, message);
		return;
	}
	if (from->rate > 0) {
		uint64_t len = message ? protobuf_c_message_get_packed_size(message) + 9 : 9;

		from->free_at = (from->free_at > w->now ? from->free_at : w->now) +
				len * 1000 / from->rate;
		at = from->free_at > at ? from->free_at : at;
	}
	e = frame_at(from, at, type, stream, message);
	n->frames_sent++;
	n->bytes_sent += e->bytes.len;
}

static inline size_t io_backlog(void *ctx, void *link)
{
	const struct end *from = link;
	uint64_t now = ((struct node *)ctx)->world->now;

	if (from->full)
		return SYNC_BACKLOG_CONTENTS + 1;
	/* What the network has not taken: a socket takes some. */
	if (from->rate == 0 || from->free_at <= now)
		return 0;
	now = (from->free_at - now) * from->rate / 1000;
	return now > 65536 ? now - 65536 : 0;
}

static inline void io_fault(void *ctx, void *link, int err, const char *text)
{
	struct node *n = ctx;

	(void)link;
	if (getenv("SYNC_TRACE"))
		print_error("%llu %s: fault: %s: %s\n", (unsigned long long)n->world->now, n->name,
		    text, error_text(err));
	n->faults++;
	snprintf(n->fault, sizeof n->fault, "%s", text);
}

static inline int io_read(void *ctx, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct node *n = ctx;

	return n->store->ops->read(n->store, log, first, count, max_bytes, out, got);
}

static inline int replica_read_store(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct held_log *l = ctx;

	return io_read(l->node, l->no, first, count, max_bytes, out, got);
}

static inline void io_commit(void *ctx, uint32_t log, const struct replica_batch *b,
    const uint64_t *wanted, size_t wanted_count)
{
	struct node *n = ctx;
	struct world *w = n->world;
	uint64_t at = w->now + 1 + next_random(w) % w->disk_max;
	struct event *e;

	/* The store thread keeps its order too. */
	for (const struct event *o = w->events; o; o = o->next) {
		if (o->kind == EVENT_COMMITTED && o->node == n && o->at > at)
			at = o->at;
	}
	e = event_add(w, at, EVENT_COMMITTED);
	e->node = n;
	e->log = log;
	buffer_add(&e->leaves, b->leaves.data, b->leaves.len);
	buffer_add(&e->note, b->note.data, b->note.len);
	buffer_add(&e->right, b->right, b->right_count * HASH_LEN);
	e->blocks = calloc(b->block_count + 1, sizeof *e->blocks);
	e->wanted = calloc(wanted_count + 1, sizeof *e->wanted);
	memcpy(e->blocks, b->blocks, b->block_count * sizeof *e->blocks);
	if (wanted_count > 0)
		memcpy(e->wanted, wanted, wanted_count * sizeof *wanted);
	e->append = (struct store_append){.log = log,
	    .expected = b->first,
	    .count = b->count,
	    .size = b->first + b->count,
	    .block_count = b->block_count,
	    .wanted_count = wanted_count};
	memcpy(e->append.root, b->root, HASH_LEN);
	e->along = n->along;
	n->along = NULL;
	n->entries_received += b->count;
}

/* For a test's own io functions: others ask for each content. */
static inline void io_along(void *ctx, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct node *n = ctx;
	struct event *e = calloc(1, sizeof *e);

	assert_non_null(e);
	e->log = log;
	e->index = index;
	memcpy(e->id, id, ID_LEN);
	memcpy(e->salt, salt, SALT_LEN);
	buffer_add(&e->content, content.data, content.len);
	e->next = n->along;
	n->along = e;
}

static inline int reset_row(void *ctx, const struct store_log *row)
{
	struct tree_hash right[64];

	if (row->right.len > 0)
		memcpy(right, row->right.data, row->right.len);
	return replica_unstage(
	    ((struct held_log *)ctx)->replica, row->checkpoint, right, row->right.len / HASH_LEN);
}

static inline void io_reset(void *ctx, uint32_t log)
{
	struct node *n = ctx;

	assert_int_equal(n->store->ops->log_get(n->store, log, reset_row, log_of(n, log)), OK);
}

static inline int io_wanted(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted(n->store, log, from, out, count);
}

static inline int io_wanted_below(
    void *ctx, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted_below(n->store, log, below, out, count);
}

static inline uint64_t io_wall(void *ctx)
{
	return FIXTURE_TIME + ((struct node *)ctx)->world->now;
}

static inline void id_of(struct node *n, uint32_t log, uint64_t index, uint8_t id[static ID_LEN])
{
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	size_t got, pos = 0;

	assert_int_equal(io_read(n, log, index, 1, MESSAGE_MAX, &b, &got), OK);
	assert_int_equal(leaves_next(buffer_bytes(&b), &pos, &leaf), OK);
	message_id(id, leaf, &log_of(n, log)->credential.binding);
	buffer_free(&b);
}

static inline int io_content(
    void *ctx, uint32_t log, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct node *n = ctx;
	uint8_t id[ID_LEN];

	id_of(n, log, index, id);
	return n->store->ops->content_get(n->store, log, index, id, salt, out);
}

static inline void io_content_commit(void *ctx, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes message,
    struct bytes content)
{
	struct node *n = ctx;
	struct event *e = event_add(n->world,
	    n->world->now + 1 + next_random(n->world) % n->world->disk_max, EVENT_CONTENT);

	(void)message;
	e->node = n;
	e->log = log;
	e->index = index;
	memcpy(e->id, id, ID_LEN);
	memcpy(e->salt, salt, SALT_LEN);
	buffer_add(&e->content, content.data, content.len);
}

static inline struct bytes io_credential(void *ctx, uint32_t log)
{
	return buffer_bytes(&log_of(ctx, log)->credential.message);
}

static inline struct held_log *log_take(
    struct node *n, struct bytes name, struct bytes entry0, bool own)
{
	struct held_log *l = &n->logs[n->log_count];

	memset(l, 0, sizeof *l);
	if (credential_open(&l->credential, n->world->forum, name, entry0) != OK)
		return NULL;
	assert_int_equal(n->store->ops->begin(n->store), OK);
	assert_int_equal(
	    n->store->ops->log_add(n->store, name, l->credential.binding.digest, &l->no), OK);
	assert_int_equal(n->store->ops->commit(n->store), OK);
	l->node = n;
	l->replica = replica_new(
	    &l->credential.log, (struct replica_reader){replica_read_store, l});
	assert_non_null(l->replica);
	n->log_count++;
	assert_int_equal(
	    sync_add_log(n->sync, l->no, l->replica, &l->credential.binding, own, n->world->now),
	    OK);
	return l;
}

static inline int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	struct node *n = ctx;
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	uint64_t number;

	(void)link;
	if (n->defers)
		return OK; /* it is taken up later */
	if (n->refuses && log_name_parse(name, &organisation, digest, &number) == OK &&
	    memcmp(n->refuses, digest, DIGEST_LEN) == 0) {
		n->refused++;
		return ERR_REFUSED;
	}
	return log_take(ctx, name, entry0, false) ? OK : ERR_SIGNATURE;
}

static inline void io_note(void *ctx, void *link, const char *text)
{
	(void)link;
	((struct node *)ctx)->stalls += strncmp(text, "stalled", 7) == 0;
}

static inline void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	(void)link;
	((struct node *)ctx)->own_ahead = size;
}

static inline void io_forked(void *ctx, void *link, uint32_t log, struct bytes note)
{
	(void)link;
	(void)log;
	(void)note;
	((struct node *)ctx)->forked++;
}

static inline void io_disputed(void *ctx, void *link, uint32_t log, struct bytes proof)
{
	struct held_log *l = log_of(ctx, log);
	struct fork_proof f;

	assert_non_null(link);
	assert_int_equal(fork_proof_decode(proof, &f), OK);
	assert_int_equal(fork_proof_check(f.smaller, f.larger, f.has_root ? &f.root : NULL, f.proof,
			     f.count, &l->credential.log),
	    OK);
	buffer_reset(&l->proof);
	buffer_add(&l->proof, proof.data, proof.len);
	l->disputes++;
	l->disputed_at = l->node->world->now;
	if (getenv("SYNC_TRACE"))
		print_error("%llu %s (%u): log %u is disputed\n",
		    (unsigned long long)l->disputed_at, l->node->name, l->node->number, log);
}

static inline int io_rivals(void *ctx, void *link, struct bytes proof)
{
	struct node *n = ctx;

	(void)link;
	(void)proof;
	n->rivals++;
	return n->rivals_are;
}

/* The store thread keeps its order here as well. */
static inline void io_cut(void *ctx, uint32_t log, uint64_t size)
{
	struct node *n = ctx;
	struct world *w = n->world;
	struct held_log *l = log_of(n, log);
	uint64_t at = w->now + 1 + next_random(w) % w->disk_max;
	struct event *e;

	for (const struct event *o = w->events; o; o = o->next) {
		assert_false(o->kind == EVENT_COMMITTED && o->node == n && o->log == log);
		if (o->kind != EVENT_FRAME && o->node == n && o->at > at)
			at = o->at;
	}
	assert_null(l->cut);
	l->cut = malloc(sizeof *l->cut);
	assert_non_null(l->cut);
	assert_int_equal(replica_cut_plan(l->replica, size, l->cut), OK);
	e = event_add(w, at, EVENT_CUT);
	e->node = n;
	e->log = log;
}

static inline void io_stands(void *ctx, uint32_t log)
{
	log_of(ctx, log)->stands++;
}

/* ---- the world ---- */

static inline void node_start(struct world *w, unsigned number)
{
	struct node *n = &w->nodes[number];
	struct sync_io io = {
	    .ctx = n,
	    .send = io_send,
	    .backlog = io_backlog,
	    .fault = io_fault,
	    .read = io_read,
	    .commit = io_commit,
	    .reset = io_reset,
	    .wanted = io_wanted,
	    .wanted_below = io_wanted_below,
	    .wall = io_wall,
	    .content = io_content,
	    .content_commit = io_content_commit,
	    .credential = io_credential,
	    .offer = io_offer,
	    .note = io_note,
	    .own_ahead = io_own_ahead,
	    .forked = io_forked,
	    .disputed = io_disputed,
	    .rivals = io_rivals,
	    .cut = io_cut,
	    .stands = io_stands,
	};
	char log_name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT;
	uint8_t seed = (uint8_t)(10 * number + 1);
	struct node_body body;

	if (world_io)
		world_io(&io);
	n->world = w;
	n->number = n->as = number;
	if (w->twins && number == 1) {
		n->as = 0;
		seed = 1;
	}
	snprintf(n->name, sizeof n->name, "n%u.example", n->as);
	n->root = fixture_key(seed);
	n->log_key = fixture_key((uint8_t)(seed + 1));
	body = fixture_node(
	    n->name, 1, (uint8_t)(seed + 1), (uint8_t)(seed + 2), (uint8_t)(seed + 3));
	assert_int_equal(credential_make(&message, log_name, w->forum, n->name, 1, &n->root, &body,
			     1, FIXTURE_TIME),
	    OK);
	assert_int_equal(
	    credential_open(&n->credential, w->forum, bytes_str(log_name), buffer_bytes(&message)),
	    OK);
	buffer_free(&message);
	n->sequence = 1;
	assert_int_equal(store_open(&n->store, &store_memory, NULL, 0), OK);
	n->sync = sync_new(&io);
	assert_non_null(n->sync);
	assert_non_null(
	    log_take(n, bytes_str(log_name), buffer_bytes(&n->credential.message), true));
}

/* `twins`: nodes 0 and 1 are one organisation. */
static inline struct world *world_of(size_t nodes, uint64_t seed, bool twins)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	w->twins = twins;
	w->now = 1000;
	w->random = seed * 2654435761u + 88172645463325252u;
	w->delay_max = 40;
	w->disk_max = 10;
	w->node_count = nodes;
	memset(w->forum, 0xf0, sizeof w->forum);
	for (unsigned i = 0; i < nodes; i++)
		node_start(w, i);
	return w;
}

static inline struct world *world_new(size_t nodes, uint64_t seed)
{
	return world_of(nodes, seed, false);
}

static inline void world_free(struct world *w)
{
	while (w->events) {
		struct event *next = w->events->next;

		event_free(w->events);
		w->events = next;
	}
	for (size_t i = 0; i < w->node_count; i++) {
		struct node *n = &w->nodes[i];

		sync_free(n->sync);
		for (size_t k = 0; k < n->log_count; k++) {
			replica_free(n->logs[k].replica);
			buffer_free(&n->logs[k].proof);
			buffer_free(&n->logs[k].off);
			free(n->logs[k].cut);
			credential_clear(&n->logs[k].credential);
		}
		credential_clear(&n->credential);
		store_close(n->store);
	}
	free(w);
}

/* Returns the end at node a. */
static inline struct end *wire(struct world *w, unsigned a, unsigned b)
{
	struct end *x = &w->ends[w->end_count++], *y = &w->ends[w->end_count++];

	*x = (struct end){.node = &w->nodes[a], .other = y};
	*y = (struct end){.node = &w->nodes[b], .other = x};
	return x;
}

static inline void link_set(struct world *w, struct end *e, bool up)
{
	struct end *both[] = {e, e->other};

	if (e->up == up)
		return;
	for (size_t i = 0; i < 2; i++) {
		both[i]->up = up;
		both[i]->generation++;
	}
	for (size_t i = 0; i < 2; i++) {
		if (up) {
			both[i]->link = sync_link_up(
			    both[i]->node->sync, both[i], both[i]->other->node->name, w->now);
			assert_non_null(both[i]->link);
			if (!both[i]->node->old && !both[i]->other->node->old)
				sync_link_witness(both[i]->link);
			if (both[i]->node->asks)
				sync_link_compress(both[i]->link, true);
		} else {
			sync_link_down(both[i]->node->sync, both[i]->link, w->now);
			both[i]->link = NULL;
		}
	}
}

static inline void wires_up(struct world *w)
{
	for (size_t i = 0; i < w->end_count; i += 2)
		link_set(w, &w->ends[i], true);
}

static inline void commit_now(struct world *w, struct event *e)
{
	struct node *n = e->node;
	struct store *s = n->store;
	int err;

	e->append.leaves = buffer_bytes(&e->leaves);
	e->append.checkpoint = buffer_bytes(&e->note);
	e->append.right = buffer_bytes(&e->right);
	e->append.blocks = e->blocks;
	e->append.wanted = e->wanted;
	assert_int_equal(s->ops->begin(s), OK);
	err = s->ops->append(s, &e->append);
	for (const struct event *c = e->along; c && !err; c = c->next) {
		err = s->ops->content_put(
		    s, c->log, c->index, c->id, c->salt, buffer_bytes(&c->content));
		if (err == ERR_REFUSED)
			err = OK;
	}
	if (!err && n->fail_commits > 0) {
		n->fail_commits--;
		err = ERR_IO;
	}
	if (err)
		s->ops->rollback(s);
	else
		assert_int_equal(s->ops->commit(s), OK);
	sync_committed(n->sync, e->log, err, w->now);
}

static inline void content_now(struct world *w, struct event *e)
{
	struct store *s = e->node->store;
	int err;

	assert_int_equal(s->ops->begin(s), OK);
	err = s->ops->content_put(s, e->log, e->index, e->id, e->salt, buffer_bytes(&e->content));
	/* As the relay does: erased here, so not wanted any more. */
	if (err == ERR_REFUSED)
		assert_int_equal(s->ops->content_drop(s, e->log, e->index, e->id, false), OK);
	if (err && err != ERR_REFUSED)
		s->ops->rollback(s);
	else
		assert_int_equal(s->ops->commit(s), OK);
	sync_content_committed(
	    e->node->sync, e->log, e->index, err == ERR_EXISTS ? OK : err, w->now);
}

/* As the relay: what goes is kept, and the store and the replica cut. */
static inline void cut_now(struct world *w, struct event *e)
{
	struct store *s = e->node->store;
	struct held_log *l = log_of(e->node, e->log);
	uint64_t held = replica_held(l->replica);
	size_t got;
	int err = OK;

	if (e->node->fail_cuts > 0) {
		e->node->fail_cuts--;
		err = ERR_IO;
	}
	if (!err)
		assert_int_equal(io_read(e->node, l->no, l->cut->size,
				     (size_t)(held - l->cut->size), SIZE_MAX, &l->off, &got),
		    OK);
	if (!err) {
		struct bytes note = l->cut->size ? replica_note(l->replica) : bytes_of(NULL, 0);

		assert_int_equal(s->ops->begin(s), OK);
		assert_int_equal(s->ops->truncate(s, l->no, l->cut->size, l->cut->root, note), OK);
		assert_int_equal(s->ops->log_set_checkpoint(s, l->no, note,
				     bytes_of(l->cut->right, l->cut->right_count * HASH_LEN)),
		    OK);
		assert_int_equal(s->ops->commit(s), OK);
		assert_int_equal(replica_cut(l->replica, l->cut), OK);
		l->cuts++;
	}
	free(l->cut);
	l->cut = NULL;
	sync_cut_done(e->node->sync, l->no, err, w->now);
}

static inline void run(struct world *w, uint64_t ms)
{
	uint64_t end = w->now + ms;

	while (w->now < end) {
		uint64_t next = end;

		if (w->events && w->events->at < next)
			next = w->events->at;
		for (size_t i = 0; i < w->node_count; i++) {
			if (w->nodes[i].tick_at < next)
				next = w->nodes[i].tick_at < w->now ? w->now : w->nodes[i].tick_at;
		}
		w->now = next;
		for (size_t i = 0; i < w->node_count; i++) {
			if (w->nodes[i].tick_at <= w->now)
				w->nodes[i].tick_at = sync_tick(w->nodes[i].sync, w->now);
			if (w->nodes[i].tick_at > w->now + 50)
				w->nodes[i].tick_at = w->now + 50;
		}
		while (w->events && w->events->at <= w->now) {
			struct event *e = w->events;
			struct frame f;
			size_t need;

			w->events = e->next;
			switch (e->kind) {
			case EVENT_FRAME:
				if (!e->to->up || e->generation != e->to->generation)
					break;
				assert_int_equal(
				    frame_peek(buffer_bytes(&e->bytes), false, &f, &need), OK);
				sync_receive(e->to->node->sync, e->to->link, &f, w->now);
				if (e->to->other->rate > 0 && e->to->other->up)
					sync_link_writable(
					    e->to->other->node->sync, e->to->other->link, w->now);
				break;
			case EVENT_COMMITTED:
				commit_now(w, e);
				break;
			case EVENT_CONTENT:
				content_now(w, e);
				break;
			case EVENT_CUT:
				cut_now(w, e);
				break;
			}
			event_free(e);
		}
	}
}

/* ---- our own log ---- */

static inline void content_store(
    struct node *n, uint64_t index, const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct store *s = n->store;
	struct held_log *l = log_of_origin(n, n);
	uint8_t id[ID_LEN];

	id_of(n, l->no, index, id);
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->content_put(s, l->no, index, id, salt, content), OK);
	assert_int_equal(s->ops->commit(s), OK);
}

static inline void kept_add(struct node *n, uint64_t index, const uint8_t salt[static SALT_LEN],
    const struct buffer *content)
{
	struct kept *k = calloc(1, sizeof *k);

	assert_non_null(k);
	k->node = n;
	k->index = index;
	memcpy(k->salt, salt, SALT_LEN);
	buffer_add(&k->content, content->data, content->len);
	k->next = n->world->kept;
	n->world->kept = k;
}

/* Have this end's node receive a frame, as if the other side had sent it. */
static inline void frame_give(struct end *e, uint8_t type, const ProtobufCMessage *m)
{
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;

	assert_int_equal(frame_add(&b, type, 0, m), OK);
	assert_int_equal(frame_peek(buffer_bytes(&b), false, &f, &need), OK);
	sync_receive(e->node->sync, e->link, &f, e->node->world->now);
	buffer_free(&b);
}

/* The authors' nodes get what they lacked. */
static inline void kept_give(struct world *w)
{
	while (w->kept) {
		struct kept *k = w->kept;

		w->kept = k->next;
		content_store(k->node, k->index, k->salt, buffer_bytes(&k->content));
		sync_content_committed(
		    k->node->sync, log_of_origin(k->node, k->node)->no, k->index, OK, w->now);
		buffer_free(&k->content);
		free(k);
	}
}

static inline void run(struct world *w, uint64_t ms);

static inline void seal_early(struct node *n, struct bytes leaves, size_t count,
    const struct buffer *contents, const uint8_t (*salts)[SALT_LEN])
{
	struct held_log *l = log_of_origin(n, n);
	struct sync_content list[256];
	size_t along = 0;

	for (size_t i = 0; contents && i < count; i++) {
		if (contents[i].len == 0)
			continue;
		list[along].index = replica_held(l->replica) + i;
		memcpy(list[along].salt, salts[i], SALT_LEN);
		list[along++].content = buffer_bytes(&contents[i]);
	}
	sync_own_signed(n->sync, l->no, leaves, count, list, along);
	run(n->world, n->world->early);
}

static inline void seal(struct node *n, struct bytes leaves, size_t count,
    const struct buffer *contents, const uint8_t (*salts)[SALT_LEN])
{
	struct held_log *l = log_of_origin(n, n);
	struct store *s = n->store;
	struct checkpoint c;
	struct buffer note = BUFFER_INIT;
	struct replica_batch *b;
	struct store_append a = {.log = l->no, .leaves = leaves, .count = count};
	uint64_t first = replica_held(l->replica);

	memset(&c, 0, sizeof c);
	strcpy(c.origin, n->credential.binding.log_name);
	assert_int_equal(replica_propose(l->replica, leaves, &c.size, c.root), OK);
	assert_int_equal(checkpoint_sign(&note, &c, &n->log_key), OK);
	assert_int_equal(replica_stage_own(l->replica, leaves, buffer_bytes(&note), &b), OK);
	a.expected = first;
	a.size = c.size;
	memcpy(a.root, b->root, HASH_LEN);
	a.checkpoint = buffer_bytes(&note);
	a.blocks = b->blocks;
	a.block_count = b->block_count;
	if (n->world->early > 0)
		seal_early(n, leaves, count, contents, salts);
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->append(s, &a), OK);
	assert_int_equal(s->ops->commit(s), OK);
	for (size_t i = 0; contents && i < count; i++) {
		if (contents[i].len > 0)
			content_store(n, first + i, salts[i], buffer_bytes(&contents[i]));
	}
	replica_committed(l->replica);
	sync_own_grown(n->sync, l->no, n->world->now);
	buffer_free(&note);
}

static inline void first_entry(struct node *n)
{
	struct buffer leaves = BUFFER_INIT;

	leaves_add(&leaves, buffer_bytes(&n->credential.message));
	seal(n, buffer_bytes(&leaves), 1, NULL, NULL);
	buffer_free(&leaves);
}

/* `count` messages in one batch, with contents of up to `content_max` bytes. */
static inline void post(struct node *n, size_t count, size_t content_max)
{
	struct buffer leaves = BUFFER_INIT, *contents = calloc(count, sizeof *contents);
	uint8_t(*salts)[SALT_LEN] = calloc(count, sizeof *salts);
	static const char *const words[] = {
	    "the ", "record ", "of ", "meetings ", "is kept ", "by all, ", "who ", "come.\n"};

	for (size_t i = 0; i < count; i++) {
		struct header h = {.version = 1,
		    .sequence = ++n->sequence,
		    .kind = 99,
		    .time = FIXTURE_TIME - n->date};
		struct buffer message = BUFFER_INIT;
		size_t len = content_max ? 1 + next_random(n->world) % content_max : 0;

		memcpy(h.signer, n->root.public, KEY_LEN);
		while (n->world->texts && contents[i].len + 12 < len)
			buffer_add_str(&contents[i], words[next_random(n->world) % 8]);
		while (contents[i].len < len)
			buffer_add_u8(&contents[i], (uint8_t)next_random(n->world));
		if (len > 0) {
			h.has_commitment = true;
			h.bucket = bucket_of(len);
			memset(salts[i], (int)(n->sequence & 0xff), SALT_LEN);
			commitment_make(h.commitment, &n->credential.binding, h.signer, salts[i],
			    buffer_bytes(&contents[i]));
		}
		assert_int_equal(message_sign(&message, &n->credential.binding, &h, &n->root), OK);
		leaves_add(&leaves, buffer_bytes(&message));
		buffer_free(&message);
	}
	for (size_t i = 0; n->world->keeps && i < count; i++)
		kept_add(n, replica_held(log_of_origin(n, n)->replica) + i, salts[i], &contents[i]);
	seal(n, buffer_bytes(&leaves), count, n->world->keeps ? NULL : contents,
	    (const uint8_t(*)[SALT_LEN])salts);
	for (size_t i = 0; i < count; i++)
		buffer_free(&contents[i]);
	buffer_free(&leaves);
	free(contents);
	free(salts);
}

static inline void begin(struct world *w)
{
	for (size_t i = 0; i < w->node_count; i++)
		first_entry(&w->nodes[i]);
}

/* ---- looking ---- */

static inline uint64_t missing_contents(struct node *n)
{
	uint64_t sum = 0, one;

	for (size_t i = 0; i < n->log_count; i++) {
		assert_int_equal(n->store->ops->wanted_count(n->store, n->logs[i].no, &one), OK);
		sum += one;
	}
	return sum;
}

static inline bool all_equal(struct world *w)
{
	uint8_t first[HASH_LEN], other[HASH_LEN];

	sync_frontier(w->nodes[0].sync, first);
	for (size_t i = 0; i < w->node_count; i++) {
		sync_frontier(w->nodes[i].sync, other);
		if (memcmp(first, other, HASH_LEN) != 0 || missing_contents(&w->nodes[i]) > 0)
			return false;
	}
	return true;
}

static inline void assert_all_equal(struct world *w, uint64_t within_ms)
{
	uint64_t end = w->now + within_ms;

	while (!all_equal(w) && w->now < end)
		run(w, 50);
	if (all_equal(w))
		return;
	for (size_t i = 0; i < w->node_count; i++) {
		for (size_t k = 0; k < w->node_count; k++) {
			struct held_log *l = log_of_origin(&w->nodes[i], &w->nodes[k]);

			print_error("node %zu log %zu: %lld, upstream %s\n", i, k,
			    l ? (long long)replica_held(l->replica) : -1,
			    l && sync_upstream(w->nodes[i].sync, l->no)
				? sync_upstream(w->nodes[i].sync, l->no)
				: "-");
		}
		print_error("node %zu misses %llu contents\n", i,
		    (unsigned long long)missing_contents(&w->nodes[i]));
	}
	fail_msg("not equal after %llu ms", (unsigned long long)within_ms);
}

static inline unsigned faults(struct world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->node_count; i++)
		n += w->nodes[i].faults;
	return n;
}

/* ---- joining ---- */

/* 0 is the origin, 1 and 2 hold all, 3 joins. Returns its copy of the log of 0. */
static inline struct world *joining(
    uint64_t seed, size_t entries, struct end **one, struct end **two)
{
	struct world *w = world_new(4, seed);

	wire(w, 0, 1);
	wire(w, 0, 2);
	*one = wire(w, 1, 3);
	*two = wire(w, 2, 3);
	for (size_t i = 0; i < 3; i++)
		first_entry(&w->nodes[i]);
	post(&w->nodes[0], entries, 0);
	link_set(w, &w->ends[0], true);
	link_set(w, &w->ends[2], true);
	run(w, 5000);
	assert_int_equal(
	    replica_held(log_of_origin(&w->nodes[2], &w->nodes[0])->replica), entries + 1);
	return w;
}

#endif
