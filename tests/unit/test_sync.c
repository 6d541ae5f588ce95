/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/sync among a handful of nodes in one process: seeded delays, cut links, slow and failing
 * disks, small credit. The network hands over real frames, so that what is measured here in bytes
 * is what a socket would carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/pack.h"
#include "member_fixture.h"
#include "store/memory.h"
#include "sync/sync.h"

#define NODES_MAX 8
#define LINKS_MAX 16

struct end;

struct held_log {
	uint32_t no;
	struct credential credential;
	struct replica *replica;
	struct node *node;
};

struct node {
	struct world *world;
	unsigned number;
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
	unsigned stalls;       /* said of its links */
	uint64_t date;         /* ms that its posts are older */
	unsigned faults;       /* peers that broke a rule, as this node saw it */
	char fault[200];       /* the last of them */
	bool asks;             /* for packed contents */
	uint64_t own_ahead;    /* the size of our own log that a peer has proven */
	uint64_t entries_received;
	size_t frames_sent, bytes_sent;
};

/* One side of a link. */
struct end {
	struct node *node;
	struct end *other;
	struct sync_link *link;
	bool up;
	unsigned generation; /* frames of an earlier life of the link are lost */
	bool mute;           /* takes frames in and gives nothing: a stalled peer */
	bool withholds;      /* gives no content */
	size_t wanted;       /* contents asked for from here */
	uint64_t rate;       /* bytes a second; 0: any */
	uint64_t drip;       /* ms for an entry or a content; 0: it does not drip */
	uint64_t free_at, drip_at;
};

enum event_kind { EVENT_FRAME, EVENT_COMMITTED, EVENT_CONTENT };

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
	struct event *next;
};

struct world {
	struct node nodes[NODES_MAX];
	size_t node_count;
	struct end ends[2 * LINKS_MAX];
	size_t end_count;
	uint64_t now, order, random;
	uint64_t delay_max, disk_max;
	bool texts; /* contents are words, not chance */
	struct event *events;
	uint8_t forum[HASH_LEN];
};

static uint64_t next_random(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static struct event *event_add(struct world *w, uint64_t at, enum event_kind kind)
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

static void event_free(struct event *e)
{
	buffer_free(&e->bytes);
	buffer_free(&e->leaves);
	buffer_free(&e->note);
	buffer_free(&e->right);
	buffer_free(&e->content);
	free(e->blocks);
	free(e->wanted);
	free(e);
}

static struct held_log *log_of(struct node *n, uint32_t no)
{
	for (size_t i = 0; i < n->log_count; i++) {
		if (n->logs[i].no == no)
			return &n->logs[i];
	}
	fail_msg("node %u has no log %u", n->number, no);
	return NULL;
}

static struct held_log *log_of_origin(struct node *n, const struct node *origin)
{
	for (size_t i = 0; i < n->log_count; i++) {
		if (strcmp(n->logs[i].credential.binding.log_name,
			origin->credential.binding.log_name) == 0)
			return &n->logs[i];
	}
	return NULL;
}

/* ---- what sync asks for ---- */

static struct event *frame_at(
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

static uint64_t drip_next(struct end *from)
{
	uint64_t now = from->node->world->now;

	from->drip_at = (from->drip_at > now ? from->drip_at : now) + from->drip;
	return from->drip_at;
}

/* Entry by entry, each with its proof; a content at a time. */
static void drip(struct end *from, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
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
static void io_send(
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
	if (!from->up || from->mute || (from->withholds && type == FRAME_CONTENT))
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

static size_t io_backlog(void *ctx, void *link)
{
	const struct end *from = link;
	uint64_t now = ((struct node *)ctx)->world->now;

	/* What the network has not taken: a socket takes some. */
	if (from->rate == 0 || from->free_at <= now)
		return 0;
	now = (from->free_at - now) * from->rate / 1000;
	return now > 65536 ? now - 65536 : 0;
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	struct node *n = ctx;

	(void)link;
	if (getenv("SYNC_TRACE"))
		print_error("%llu %s: fault: %s: %s\n", (unsigned long long)n->world->now, n->name,
		    text, error_text(err));
	n->faults++;
	snprintf(n->fault, sizeof n->fault, "%s", text);
}

static int io_read(void *ctx, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct node *n = ctx;

	return n->store->ops->read(n->store, log, first, count, max_bytes, out, got);
}

static int replica_read_store(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct held_log *l = ctx;

	return io_read(l->node, l->no, first, count, max_bytes, out, got);
}

static void io_commit(void *ctx, uint32_t log, const struct replica_batch *b,
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
	n->entries_received += b->count;
}

static int reset_row(void *ctx, const struct store_log *row)
{
	struct tree_hash right[64];

	if (row->right.len > 0)
		memcpy(right, row->right.data, row->right.len);
	return replica_unstage(
	    ((struct held_log *)ctx)->replica, row->checkpoint, right, row->right.len / HASH_LEN);
}

static void io_reset(void *ctx, uint32_t log)
{
	struct node *n = ctx;

	assert_int_equal(n->store->ops->log_get(n->store, log, reset_row, log_of(n, log)), OK);
}

static int io_wanted(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted(n->store, log, from, out, count);
}

static int io_wanted_below(void *ctx, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted_below(n->store, log, below, out, count);
}

static uint64_t io_wall(void *ctx)
{
	return FIXTURE_TIME + ((struct node *)ctx)->world->now;
}

static void id_of(struct node *n, uint32_t log, uint64_t index, uint8_t id[static ID_LEN])
{
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	size_t got, pos = 0;

	assert_int_equal(io_read(n, log, index, 1, MESSAGE_MAX, &b, &got), OK);
	assert_int_equal(leaves_next(buffer_bytes(&b), &pos, &leaf), OK);
	message_id(id, leaf, &log_of(n, log)->credential.binding);
	buffer_free(&b);
}

static int io_content(
    void *ctx, uint32_t log, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct node *n = ctx;
	uint8_t id[ID_LEN];

	id_of(n, log, index, id);
	return n->store->ops->content_get(n->store, log, index, id, salt, out);
}

static void io_content_commit(void *ctx, uint32_t log, uint64_t index,
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

static struct bytes io_credential(void *ctx, uint32_t log)
{
	return buffer_bytes(&log_of(ctx, log)->credential.message);
}

static struct held_log *log_take(struct node *n, struct bytes name, struct bytes entry0, bool own)
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

static int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	(void)link;
	return log_take(ctx, name, entry0, false) ? OK : ERR_SIGNATURE;
}

static void io_note(void *ctx, void *link, const char *text)
{
	(void)link;
	((struct node *)ctx)->stalls += strncmp(text, "stalled", 7) == 0;
}

static void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	(void)link;
	((struct node *)ctx)->own_ahead = size;
}

static void io_forked(void *ctx, void *link, uint32_t log, struct bytes note)
{
	(void)link;
	(void)log;
	(void)note;
	((struct node *)ctx)->faults++;
}

/* ---- the world ---- */

static void node_start(struct world *w, unsigned number)
{
	struct node *n = &w->nodes[number];
	struct sync_io io = {n, io_send, io_backlog, io_fault, io_read, io_commit, io_reset,
	    io_wanted, io_wanted_below, io_wall, io_content, io_content_commit, io_credential,
	    io_offer, io_note, io_own_ahead, io_forked};
	char log_name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT;
	uint8_t seed = (uint8_t)(10 * number + 1);
	struct node_body body;

	n->world = w;
	n->number = number;
	snprintf(n->name, sizeof n->name, "n%u.example", number);
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

static struct world *world_new(size_t nodes, uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
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

static void world_free(struct world *w)
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
			credential_clear(&n->logs[k].credential);
		}
		credential_clear(&n->credential);
		store_close(n->store);
	}
	free(w);
}

/* Returns the end at node a. */
static struct end *wire(struct world *w, unsigned a, unsigned b)
{
	struct end *x = &w->ends[w->end_count++], *y = &w->ends[w->end_count++];

	*x = (struct end){.node = &w->nodes[a], .other = y};
	*y = (struct end){.node = &w->nodes[b], .other = x};
	return x;
}

static void link_set(struct world *w, struct end *e, bool up)
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
			if (both[i]->node->asks)
				sync_link_compress(both[i]->link, true);
		} else {
			sync_link_down(both[i]->node->sync, both[i]->link, w->now);
			both[i]->link = NULL;
		}
	}
}

static void wires_up(struct world *w)
{
	for (size_t i = 0; i < w->end_count; i += 2)
		link_set(w, &w->ends[i], true);
}

static void commit_now(struct world *w, struct event *e)
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

static void content_now(struct world *w, struct event *e)
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

static void run(struct world *w, uint64_t ms)
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
			}
			event_free(e);
		}
	}
}

/* ---- our own log ---- */

static void seal(struct node *n, struct bytes leaves, size_t count, const struct buffer *contents,
    const uint8_t (*salts)[SALT_LEN])
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
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->append(s, &a), OK);
	assert_int_equal(s->ops->commit(s), OK);
	for (size_t i = 0; contents && i < count; i++) {
		uint8_t id[ID_LEN];

		if (contents[i].len == 0)
			continue;
		id_of(n, l->no, first + i, id);
		assert_int_equal(s->ops->begin(s), OK);
		assert_int_equal(s->ops->content_put(
				     s, l->no, first + i, id, salts[i], buffer_bytes(&contents[i])),
		    OK);
		assert_int_equal(s->ops->commit(s), OK);
	}
	replica_committed(l->replica);
	sync_own_grown(n->sync, l->no, n->world->now);
	buffer_free(&note);
}

static void first_entry(struct node *n)
{
	struct buffer leaves = BUFFER_INIT;

	leaves_add(&leaves, buffer_bytes(&n->credential.message));
	seal(n, buffer_bytes(&leaves), 1, NULL, NULL);
	buffer_free(&leaves);
}

/* `count` messages in one batch, with contents of up to `content_max` bytes. */
static void post(struct node *n, size_t count, size_t content_max)
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
	seal(n, buffer_bytes(&leaves), count, contents, (const uint8_t(*)[SALT_LEN])salts);
	for (size_t i = 0; i < count; i++)
		buffer_free(&contents[i]);
	buffer_free(&leaves);
	free(contents);
	free(salts);
}

static void begin(struct world *w)
{
	for (size_t i = 0; i < w->node_count; i++)
		first_entry(&w->nodes[i]);
}

/* ---- looking ---- */

static uint64_t missing_contents(struct node *n)
{
	uint64_t sum = 0, one;

	for (size_t i = 0; i < n->log_count; i++) {
		assert_int_equal(n->store->ops->wanted_count(n->store, n->logs[i].no, &one), OK);
		sum += one;
	}
	return sum;
}

static bool all_equal(struct world *w)
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

static void assert_all_equal(struct world *w, uint64_t within_ms)
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

static unsigned faults(struct world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->node_count; i++)
		n += w->nodes[i].faults;
	return n;
}

/* ---- tests ---- */

static void test_pair(void **state)
{
	struct world *w = world_new(2, 1);

	(void)state;
	wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 2000);
	post(&w->nodes[0], 3, 2000);
	post(&w->nodes[1], 2, 100);
	assert_all_equal(w, 2000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica), 4);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Over nodes in between, contents of several chunks, logs longer than a block. */
static void test_chain(void **state)
{
	struct world *w = world_new(4, 2);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		wire(w, i, i + 1);
	begin(w);
	wires_up(w);
	post(&w->nodes[0], 700, 300);
	post(&w->nodes[3], 5, 200000);
	assert_all_equal(w, 20000);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

static void content_erase(struct node *n, struct held_log *l, uint64_t index)
{
	struct store *s = n->store;
	uint8_t id[ID_LEN];

	id_of(n, l->no, index, id);
	assert_int_equal(s->ops->begin(s), OK);
	assert_int_equal(s->ops->content_drop(s, l->no, index, id, true), OK);
	assert_int_equal(s->ops->commit(s), OK);
}

/* What is erased while it is on its way is not taken; nor is it asked for again, whether the one
 * who has it still gives it or says that it was erased. */
static void test_erased(void **state)
{
	struct world *w = world_new(3, 12);
	struct node *middle = &w->nodes[1], *far = &w->nodes[2];
	size_t frames;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 2000);
	post(&w->nodes[0], 40, 3000);
	struct held_log *l = log_of_origin(middle, &w->nodes[0]);
	while (replica_held(l->replica) < 41)
		run(w, 1);
	assert_true(missing_contents(middle) > 20);
	for (uint64_t i = 1; i <= 40; i++)
		content_erase(middle, l, i);
	run(w, 20000);
	assert_int_equal(missing_contents(middle), 0);
	for (uint64_t i = 1; i <= 40; i++) {
		uint8_t id[ID_LEN];
		id_of(middle, l->no, i, id);
		assert_int_equal(
		    middle->store->ops->content_get(middle->store, l->no, i, id, NULL, NULL),
		    ERR_REFUSED);
	}
	/* The far one may know later. */
	assert_int_equal(missing_contents(far), 40);
	for (uint64_t i = 1; i <= 40; i++)
		content_erase(far, log_of_origin(far, &w->nodes[0]), i);
	run(w, 10000);
	frames = middle->frames_sent + far->frames_sent;
	run(w, 10000);
	assert_true(middle->frames_sent + far->frames_sent - frames < 10);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Each entry comes in once, or nearly, however many links there are. */
static void test_mesh_receives_once(void **state)
{
	struct world *w = world_new(6, 3);
	uint64_t received = 0, before = 0, entries = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = i + 1; k < 6; k++)
			wire(w, i, k);
	}
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 5000);
	for (size_t i = 0; i < 6; i++)
		before += w->nodes[i].entries_received;
	for (unsigned round = 0; round < 30; round++) {
		post(&w->nodes[round % 6], 1, 500);
		entries++;
		run(w, 100);
	}
	assert_all_equal(w, 5000);
	for (size_t i = 0; i < 6; i++)
		received += w->nodes[i].entries_received;
	assert_int_equal(received - before, entries * 5);
	world_free(w);
}

/* Links come and go all the time; in the end all are equal. */
static void test_links_come_and_go(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 30; seed++) {
		struct world *w = world_new(5, seed);

		for (unsigned i = 0; i < 5; i++)
			wire(w, i, (i + 1) % 5);
		wire(w, 0, 2);
		begin(w);
		wires_up(w);
		for (unsigned round = 0; round < 60; round++) {
			struct end *e = &w->ends[2 * (next_random(w) % (w->end_count / 2))];

			link_set(w, e, !e->up);
			if (round % 3 == 0)
				post(&w->nodes[next_random(w) % 5], 1 + next_random(w) % 4,
				    1 + next_random(w) % 100000);
			run(w, next_random(w) % 300);
		}
		wires_up(w);
		assert_all_equal(w, 20000);
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
}

/* One side grows after its SUMMARY is on its way: to the other the frontiers are equal, to itself
 * they differ. Both must take the link as compared, or it feeds nobody. */
static void test_growing_while_greeting(void **state)
{
	struct world *w = world_new(2, 4);
	struct end *e = wire(w, 0, 1);

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 1000);
	link_set(w, e, false);
	link_set(w, e, true);
	post(&w->nodes[0], 1, 100);
	run(w, 1000);
	assert_true(sync_link_compared(e->link));
	assert_true(sync_link_compared(e->other->link));
	post(&w->nodes[1], 1, 100);
	assert_all_equal(w, 2000);
	world_free(w);
}

/* A peer that shows more and sends nothing holds one log up for the time of a stall, not for ever.
 */
static void test_stalled_upstream(void **state)
{
	struct world *w = world_new(4, 5);
	struct end *direct, *detour;

	(void)state;
	/* 3 hears of 0's log from 1 and from 2; whichever feeds it falls silent. */
	wire(w, 0, 1);
	wire(w, 0, 2);
	direct = wire(w, 1, 3);
	detour = wire(w, 2, 3);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	post(&w->nodes[0], 1, 100);
	assert_all_equal(w, 5000);
	(strcmp(sync_upstream(w->nodes[3].sync, log_of_origin(&w->nodes[3], &w->nodes[0])->no),
	     "n1.example") == 0
		? direct
		: detour)
	    ->mute = true;
	post(&w->nodes[0], 1, 100);
	run(w, SYNC_STALL_MS + SYNC_WANT_MS + 3000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[3], &w->nodes[0])->replica), 3);
	assert_int_equal(missing_contents(&w->nodes[3]), 0);
	world_free(w);
}

/* A peer counts what it has not answered, also when we have given it up: more than 1,024 would be
 * our fault. */
static void test_wants_bounded(void **state)
{
	struct world *w = world_new(2, 11);
	struct end *e;

	(void)state;
	e = wire(w, 0, 1);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	e->withholds = true;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 250, 50);
	run(w, 600000);
	assert_int_equal(
	    replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica), 1 + 12 * 250);
	assert_in_range(e->other->wanted, 500, SYNC_WANTS_MAX);
	world_free(w);
}

/* A bundle is taken, and then stands in nobody's way: it never gets more. */
static void test_fixed_link(void **state)
{
	struct world *w = world_new(3, 13);
	struct held_log *l;
	struct end *file;

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	file = wire(w, 2, 0);
	begin(w);
	post(&w->nodes[0], 600, 100);
	link_set(w, file, true);
	sync_link_fixed(file->link);
	run(w, 2000);
	l = log_of_origin(&w->nodes[2], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 601);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	assert_null(sync_upstream(w->nodes[2].sync, l->no));
	link_set(w, &w->ends[0], true);
	link_set(w, &w->ends[2], true);
	run(w, 2000);
	file->mute = file->other->mute = true;
	post(&w->nodes[0], 1, 100);
	run(w, SYNC_STALL_MS / 2);
	l = log_of_origin(&w->nodes[2], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 602);
	assert_string_equal(sync_upstream(w->nodes[2].sync, l->no), "n1.example");
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Commits that fail are asked for again, and nothing is forwarded before it is durable. */
static void test_failing_disk(void **state)
{
	struct world *w = world_new(3, 6);

	(void)state;
	wire(w, 0, 1);
	wire(w, 1, 2);
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	w->nodes[1].fail_commits = 3;
	for (unsigned i = 0; i < 5; i++)
		post(&w->nodes[0], 10, 1000);
	run(w, 100);
	assert_true(replica_held(log_of_origin(&w->nodes[2], &w->nodes[0])->replica) <=
		    replica_held(log_of_origin(&w->nodes[1], &w->nodes[0])->replica));
	assert_all_equal(w, 30000);
	assert_int_equal(w->nodes[1].fail_commits, 0);
	world_free(w);
}

/* A slow disk: DATA comes in faster than it is stored, and credit bounds what is under way. */
static void test_slow_disk(void **state)
{
	struct world *w = world_new(2, 7);

	(void)state;
	wire(w, 0, 1);
	begin(w);
	w->disk_max = 400;
	for (unsigned i = 0; i < 12; i++)
		post(&w->nodes[0], 256, 0);
	wires_up(w);
	assert_all_equal(w, 60000);
	world_free(w);
}

/* A log of `origin` goes on with two good entries and one that no message can be: a DATA of all
 * three, on whatever stream. */
static void end_send(struct world *w, struct node *origin, struct node *to, struct sync_link *link)
{
	struct held_log *l = log_of_origin(origin, origin);
	struct tree_hash hashes[64], proof[TREE_PROOF_MAX];
	struct checkpoint c = {.size = 0};
	struct buffer held = BUFFER_INIT, leaves = BUFFER_INIT, note = BUFFER_INIT,
		      payload = BUFFER_INIT;
	struct tree *tree = tree_new();
	Convene__Data m = CONVENE__DATA__INIT;
	struct bytes leaf;
	size_t got, pos = 0, count;

	assert_int_equal(io_read(origin, l->no, 0, 60, SIZE_MAX, &held, &got), OK);
	m.first = got;
	for (size_t i = 0; i < 3; i++) {
		leaf = bytes_of("an entry", i < 2 ? 8 : 0);
		leaves_add(&leaves, leaf);
		leaves_add(&held, leaf);
	}
	while (leaves_next(buffer_bytes(&held), &pos, &leaf) == OK) {
		leaf_hash(&hashes[c.size], leaf);
		assert_int_equal(tree_append(tree, &hashes[c.size++]), OK);
	}
	strcpy(c.origin, origin->credential.binding.log_name);
	tree_root(tree, c.root);
	assert_int_equal(checkpoint_sign(&note, &c, &origin->log_key), OK);
	assert_int_equal(
	    tree_prove_range(tree, got, c.size, c.size, NULL, 0, NULL, NULL, proof, &count), OK);
	m.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	m.leaves = pb_of(buffer_bytes(&leaves));
	m.checkpoint = pb_of(buffer_bytes(&note));
	m.proof = pb_of(bytes_of(proof, count * sizeof *proof));
	for (uint32_t stream = 1; stream < 10; stream++) {
		struct frame f;
		size_t need;

		buffer_reset(&payload);
		assert_int_equal(frame_add(&payload, FRAME_DATA, stream, &m.base), OK);
		assert_int_equal(frame_peek(buffer_bytes(&payload), false, &f, &need), OK);
		sync_receive(to->sync, link, &f, w->now);
	}
	buffer_free(&held);
	buffer_free(&leaves);
	buffer_free(&note);
	buffer_free(&payload);
	tree_free(tree);
}

/* A log ends, and what comes before its end can't be stored at first: it is asked for again. */
static void test_end_and_failing_disk(void **state)
{
	struct world *w = world_new(2, 9);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	struct replica *replica;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	post(&w->nodes[0], 2, 0);
	assert_all_equal(w, 5000);
	replica = log_of_origin(victim, &w->nodes[0])->replica;
	victim->fail_commits = 1;
	end_send(w, &w->nodes[0], victim, e->other->link);
	assert_int_equal(replica_staged(replica), 5);
	assert_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	run(w, SYNC_BACKOFF_MS + 500);
	assert_int_equal(victim->fail_commits, 0);
	assert_int_equal(replica_staged(replica), 3);
	assert_non_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	end_send(w, &w->nodes[0], victim, e->other->link);
	run(w, 3000);
	assert_int_equal(replica_held(replica), 5);
	assert_true(replica_ended(replica));
	assert_null(sync_upstream(victim->sync, log_of_origin(victim, &w->nodes[0])->no));
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Frames that no honest node sends: each is a fault of its link, and changes nothing. */
static void test_hostile_frames(void **state)
{
	struct world *w = world_new(2, 8);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	uint8_t before[HASH_LEN], after[HASH_LEN], garbage[600];
	unsigned known = 0;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	run(w, 1000);
	sync_frontier(victim->sync, before);
	for (unsigned round = 0; round < 20000; round++) {
		struct frame f = {.type = (uint8_t)(FRAME_SUMMARY + next_random(w) % 15),
		    .stream = (uint32_t)(next_random(w) % 3)};
		size_t len = next_random(w) % sizeof garbage;

		for (size_t i = 0; i < len; i++)
			garbage[i] = (uint8_t)next_random(w);
		f.payload = bytes_of(garbage, len);
		sync_receive(victim->sync, e->other->link, &f, w->now);
	}
	known = victim->faults;
	assert_true(known > 1000);
	run(w, 3000);
	sync_frontier(victim->sync, after);
	assert_memory_equal(before, after, HASH_LEN);
	world_free(w);
}

/* What a peer says of our own log counts when our key has signed it, and not before. */
static void test_own_log_ahead(void **state)
{
	struct world *w = world_new(2, 9);
	struct end *e = wire(w, 0, 1);
	struct node *victim = &w->nodes[1];
	struct held_log *own = log_of_origin(victim, victim);
	Convene__Head h = CONVENE__HEAD__INIT, *heads[] = {&h};
	Convene__Announce m = CONVENE__ANNOUNCE__INIT;
	uint8_t root[8] = {1}, real[HASH_LEN] = {2};
	struct buffer b = BUFFER_INIT, note = BUFFER_INIT;
	struct checkpoint c = {.size = 1000000};
	Convene__Data d = CONVENE__DATA__INIT;
	struct frame f;

	(void)state;
	begin(w);
	wires_up(w);
	assert_all_equal(w, 5000);
	assert_true(sync_link_compared(e->other->link));
	h.log = pb_of(bytes_of(own->credential.binding.digest, DIGEST_LEN));
	h.size = c.size;
	h.root = pb_of(bytes_of(root, sizeof root));
	m.heads = heads;
	m.n_heads = 1;
	b.len = convene__announce__pack(&m, buffer_reserve(&b, 200));
	f = (struct frame){.type = FRAME_ANNOUNCE, .payload = buffer_bytes(&b)};
	sync_receive(victim->sync, e->other->link, &f, w->now);
	assert_int_equal(victim->own_ahead, 0);
	assert_false(sync_link_compared(e->other->link)); /* it owes the proof */

	strcpy(c.origin, own->credential.binding.log_name);
	memcpy(c.root, real, HASH_LEN);
	for (unsigned signer = 0; signer < 2;
	     signer++) { /* by the wrong key, then by the right one */
		unsigned faults = victim->faults;

		buffer_reset(&note);
		assert_int_equal(checkpoint_sign(&note, &c, &w->nodes[signer].log_key), OK);
		d.log = h.log;
		d.checkpoint = pb_of(buffer_bytes(&note));
		buffer_reset(&b);
		b.len = convene__data__pack(&d, buffer_reserve(&b, 1000));
		for (uint32_t stream = 1; stream < 10; stream++) {
			f = (struct frame){
			    .type = FRAME_DATA, .stream = stream, .payload = buffer_bytes(&b)};
			sync_receive(victim->sync, e->other->link, &f, w->now);
		}
		assert_int_equal(victim->faults, faults + (signer == 0));
		assert_int_equal(victim->own_ahead, signer == 0 ? 0 : c.size);
		buffer_reset(&b);
		b.len = convene__announce__pack(&m, buffer_reserve(&b, 200));
		f = (struct frame){.type = FRAME_ANNOUNCE, .payload = buffer_bytes(&b)};
		sync_receive(victim->sync, e->other->link, &f, w->now);
	}
	buffer_free(&b);
	buffer_free(&note);
	world_free(w);
}

/* ---- packed contents ---- */

static size_t bytes_sent(struct world *w)
{
	size_t sum = 0;

	for (size_t i = 0; i < w->node_count; i++)
		sum += w->nodes[i].bytes_sent;
	return sum;
}

/* Who asks for it gets texts in a fraction of their bytes, and the other direction stays plain. */
static void test_packed(void **state)
{
	size_t bytes[2];

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct world *w = world_new(2, 21);
		struct end *e = wire(w, 0, 1);
		struct sync_link_stats giver, taker;

		w->texts = true;
		w->nodes[1].asks = packed;
		begin(w);
		wires_up(w);
		post(&w->nodes[0], 300, 700);
		post(&w->nodes[1], 20, 700);
		assert_all_equal(w, 5000);
		bytes[packed] = bytes_sent(w);
		w->texts = false;
		post(&w->nodes[0], 6, 200000);
		assert_all_equal(w, 5000);
		sync_link_stats(w->nodes[0].sync, e->link, &giver);
		sync_link_stats(w->nodes[1].sync, e->other->link, &taker);
		assert_int_equal(taker.contents_in, 306);
		assert_int_equal(giver.packs_out, packed);
		assert_int_equal(taker.packs_in, packed);
		assert_false(giver.packs_in || taker.packs_out);
		assert_int_equal(giver.unpacked_out, packed ? giver.content_bytes_out : 0);
		assert_int_equal(taker.unpacked_in, packed ? taker.content_bytes_in : 0);
		assert_int_equal(taker.packed_in, giver.packed_out);
		assert_int_equal(giver.packed_in + taker.packed_out, 0);
		assert_true(giver.memory < PACK_MEMORY + 200000);
		assert_true(taker.memory < UNPACK_MEMORY + 200000);
		assert_int_equal(giver.memory > 1000000, packed);
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
	/* 320 entries of 112 bytes and salts of 32 remain, and the 20 texts. */
	assert_true(bytes[1] < bytes[0] - 70000);
}

/* Links come and go, contents are given up and asked elsewhere, and answers to that come late:
 * no stream loses its place. */
static void test_packed_in_disorder(void **state)
{
	uint64_t late = 0;

	(void)state;
	for (uint64_t seed = 40; seed < 50; seed++) {
		struct world *w = world_new(4, seed);

		w->texts = true;
		for (unsigned i = 0; i < 4; i++) {
			w->nodes[i].asks = i != seed % 4;
			wire(w, i, (i + 1) % 4);
		}
		wire(w, 0, 2);
		begin(w);
		wires_up(w);
		for (unsigned round = 0; round < 30; round++) {
			struct end *e = &w->ends[2 * (next_random(w) % (w->end_count / 2))];

			w->delay_max = round % 6 == 0 ? 3 * SYNC_WANT_MS : 40;
			if (round % 4 == 0)
				link_set(w, e, !e->up);
			else if (e->up) /* the operator changes it */
				sync_link_compress(e->link, next_random(w) % 2);
			post(&w->nodes[next_random(w) % 4], 1 + next_random(w) % 20,
			    1 + next_random(w) % (round % 3 ? 1000 : 150000));
			run(w, next_random(w) % 3000);
		}
		wires_up(w);
		w->delay_max = 40;
		assert_all_equal(w, 120000);
		for (size_t i = 0; i < w->end_count; i++) {
			struct sync_link_stats st;

			sync_link_stats(w->ends[i].node->sync, w->ends[i].link, &st);
			late += st.contents_again;
		}
		assert_int_equal(faults(w), 0);
		world_free(w);
	}
	assert_true(late > 0);
}

/* The second node lacks a content, has asked for it, and its peer has it not: it comes from here.
 */
struct lacking {
	struct world *w;
	struct end *end;
	struct packer *packer;
	Convene__ContentChunk m;
	uint8_t salt[SALT_LEN];
	struct buffer content, piece;
};

static void lacking_begin(struct lacking *x, bool asks)
{
	struct header h = {.version = 1, .sequence = 2, .kind = 99, .time = FIXTURE_TIME};
	struct buffer leaves = BUFFER_INIT, message = BUFFER_INIT;
	struct node *n;

	*x = (struct lacking){.w = world_new(2, 30), .packer = packer_new()};
	x->end = wire(x->w, 0, 1);
	n = &x->w->nodes[0];
	x->w->nodes[1].asks = asks;
	begin(x->w);
	buffer_add_str(&x->content, "What is said once is said once, and what is said is said.");
	memcpy(h.signer, n->root.public, KEY_LEN);
	h.has_commitment = true;
	h.bucket = bucket_of(x->content.len);
	commitment_make(
	    h.commitment, &n->credential.binding, h.signer, x->salt, buffer_bytes(&x->content));
	assert_int_equal(message_sign(&message, &n->credential.binding, &h, &n->root), OK);
	leaves_add(&leaves, buffer_bytes(&message));
	seal(n, buffer_bytes(&leaves), 1, NULL, NULL);
	wires_up(x->w);
	run(x->w, 2000);
	assert_int_equal(missing_contents(&x->w->nodes[1]), 1);
	assert_int_equal(packer_add(x->packer, buffer_bytes(&x->content), &x->piece), OK);
	assert_true(chunk_make(
	    &x->m, n->credential.binding.digest, 1, x->salt, buffer_bytes(&x->content), 0));
	x->m.data = pb_of(bytes_of(NULL, 0));
	x->m.packed = pb_of(buffer_bytes(&x->piece));
	buffer_free(&leaves);
	buffer_free(&message);
}

static void lacking_give(struct lacking *x)
{
	struct buffer b = BUFFER_INIT;
	struct frame f;
	size_t need;

	assert_int_equal(frame_add(&b, FRAME_CONTENT, 0, &x->m.base), OK);
	assert_int_equal(frame_peek(buffer_bytes(&b), false, &f, &need), OK);
	sync_receive(x->w->nodes[1].sync, x->end->other->link, &f, x->w->now);
	buffer_free(&b);
}

static void lacking_end(struct lacking *x)
{
	packer_free(x->packer);
	buffer_free(&x->content);
	buffer_free(&x->piece);
	world_free(x->w);
}

/* Chunks of contents that nobody wants move the stream on, and hold what they say. */
static void test_packed_unwanted(void **state)
{
	struct lacking x;
	uint8_t *digest;

	(void)state;
	lacking_begin(&x, true);
	digest = x.m.log.data;
	x.m.log = pb_of(bytes_of("sixteen unknown.", DIGEST_LEN)); /* a log that is not known */
	lacking_give(&x);
	x.m.log = pb_of(bytes_of(digest, DIGEST_LEN));
	buffer_reset(&x.piece);
	assert_int_equal(packer_add(x.packer, buffer_bytes(&x.content), &x.piece), OK);
	assert_true(x.piece.len < x.content.len / 2);
	x.m.packed = pb_of(buffer_bytes(&x.piece));
	x.m.index = 7; /* an entry that is not there */
	lacking_give(&x);
	buffer_reset(&x.piece);
	assert_int_equal(packer_add(x.packer, buffer_bytes(&x.content), &x.piece), OK);
	x.m.packed = pb_of(buffer_bytes(&x.piece));
	x.m.index = 1;
	lacking_give(&x);
	run(x.w, 100);
	assert_int_equal(missing_contents(&x.w->nodes[1]), 0);
	assert_int_equal(faults(x.w), 0);
	x.m.log = pb_of(bytes_of("sixteen unknown.", DIGEST_LEN));
	x.m.total--;
	lacking_give(&x);
	assert_int_equal(faults(x.w), 1);
	lacking_end(&x);
}

static void test_packed_hostile(void **state)
{
	static const char damaged[] = "the stream of packed contents is damaged, or none";
	static const struct {
		const char *what, *fault;
	} cases[] = {
	    {"nothing", ""},
	    {"not asked", "a content came packed, which was not asked for"},
	    {"garbage", damaged},
	    {"window", "packed contents want a window of more than 256 KiB"},
	    {"checksum", damaged},
	    {"more", "a packed content holds more or fewer bytes than it should"},
	    {"fewer", "a packed content holds more or fewer bytes than it should"},
	    {"half", "a packed content holds more or fewer bytes than it should"},
	    {"end", "the stream of packed contents has an end"},
	    {"both", "a content came packed, and also plain, or beyond its end"},
	    {"beyond", "a content came packed, and also plain, or beyond its end"},
	    {"bomb", "a packed content holds more or fewer bytes than it should"},
	    {"other", "the content of entry 1 of"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *what = cases[i].what;
		struct sync_link_stats st;
		struct lacking x;
		struct node *victim;

		lacking_begin(&x, strcmp(what, "not asked") != 0);
		victim = &x.w->nodes[1];
		if (strcmp(what, "garbage") == 0)
			memset(x.piece.data, 0xa5, x.piece.len);
		else if (strcmp(what, "window") == 0)
			x.piece.data[5] = 0x48;
		else if (strcmp(what, "checksum") == 0)
			x.piece.data[4] = 4;
		else if (strcmp(what, "more") == 0)
			x.m.total--;
		else if (strcmp(what, "fewer") == 0)
			x.m.total++;
		else if (strcmp(what, "half") == 0)
			x.m.packed.len /= 2;
		else if (strcmp(what, "end") == 0)
			x.piece.data[6] |= 1;
		else if (strcmp(what, "both") == 0)
			x.m.data = pb_of(bytes_of("x", 1));
		else if (strcmp(what, "beyond") == 0)
			x.m.offset = x.m.total;
		else if (strcmp(what, "bomb") == 0)
			x.m.packed = pb_of(bytes_of("\x28\xb5\x2f\xfd\x00\x38\x02\x00\x10x", 10));
		else if (strcmp(what, "other") == 0)
			x.m.salt = pb_of(bytes_of("thirty-two bytes of another salt", SALT_LEN));
		lacking_give(&x);
		if (strncmp(victim->fault, cases[i].fault, strlen(cases[i].fault)) != 0)
			fail_msg("%s: %s", what, victim->fault);
		assert_int_equal(victim->faults, cases[i].fault[0] != '\0');
		sync_link_stats(victim->sync, x.end->other->link, &st);
		assert_true(st.memory < UNPACK_MEMORY + 200000);
		run(x.w, 100);
		assert_int_equal(missing_contents(victim), victim->faults);
		lacking_end(&x);
	}
}

/* ---- joining ---- */

/* 0 is the origin, 1 and 2 hold all, 3 joins. Returns its copy of the log of 0. */
static struct world *joining(uint64_t seed, size_t entries, struct end **one, struct end **two)
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

/* An upstream that gives an entry now and then is never without progress. */
static void test_dripping_upstream(void **state)
{
	struct end *one, *two;
	struct world *w = joining(21, 600, &one, &two);
	struct held_log *l;

	(void)state;
	one->drip = 300;
	link_set(w, one, true);
	run(w, 1500);
	link_set(w, two, true);
	run(w, 500);
	l = log_of_origin(&w->nodes[3], &w->nodes[0]);
	assert_string_equal(sync_upstream(w->nodes[3].sync, l->no), "n1.example");
	run(w, SYNC_DRIP_MS + 1500);
	assert_int_equal(replica_held(l->replica), 601);
	assert_int_equal(w->nodes[3].stalls, 1);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Where nobody has shown more, the one that drips is better than none. */
static void test_dripping_alone(void **state)
{
	struct end *one, *two;
	struct world *w = joining(22, 20, &one, &two);

	(void)state;
	one->drip = 500;
	link_set(w, one, true);
	run(w, 30000);
	assert_int_equal(replica_held(log_of_origin(&w->nodes[3], &w->nodes[0])->replica), 21);
	assert_int_equal(w->nodes[3].stalls, 0);
	world_free(w);
}

/* Two lines that are honest and thin, on which a DATA takes longer than a stall: leaving one for
 * the other wins nothing, and ends as the backoff doubles. */
static void test_thin_lines(void **state)
{
	struct end *one, *two;
	struct world *w = joining(23, 1000, &one, &two);
	struct held_log *l;

	(void)state;
	one->rate = two->rate = 4000;
	link_set(w, one, true);
	link_set(w, two, true);
	run(w, 240000); /* a minute would do for the bytes alone */
	l = log_of_origin(&w->nodes[3], &w->nodes[0]);
	assert_int_equal(replica_held(l->replica), 1001);
	assert_in_range(w->nodes[3].stalls, 1, 16);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* The origin itself gives a content every four seconds; another link has them too. */
static void test_dripping_contents(void **state)
{
	struct world *w = world_new(3, 24);
	struct end *dripping;

	(void)state;
	wire(w, 0, 1);
	dripping = wire(w, 0, 2);
	wire(w, 1, 2);
	begin(w);
	post(&w->nodes[0], 400, 1000);
	link_set(w, &w->ends[0], true);
	run(w, 5000);
	assert_int_equal(missing_contents(&w->nodes[1]), 0);
	dripping->drip = 0;
	link_set(w, dripping, true);
	link_set(w, &w->ends[4], true);
	run(w, 120);
	dripping->drip = 4000;
	run(w, 9000);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	assert_int_equal(faults(w), 0);
	world_free(w);
}

/* Indices >= from whose content is missing, of one log. */
static size_t missing_from(struct node *n, struct held_log *l, uint64_t from)
{
	uint64_t out[4096];
	size_t count = 4096;

	assert_int_equal(n->store->ops->wanted(n->store, l->no, from, out, &count), OK);
	return count;
}

/* Entries come before contents, and these from the newest down: in a log from its end, among logs
 * by date; but a log whose messages are old gets its share. */
static void test_newest_first(void **state)
{
	struct world *w = world_new(4, 25);
	struct held_log *old, *young;
	struct node *n = &w->nodes[3];
	struct end *e;

	(void)state;
	wire(w, 0, 2);
	wire(w, 1, 2);
	e = wire(w, 2, 3);
	w->nodes[0].date = 1000000;
	for (unsigned i = 0; i < 3; i++)
		first_entry(&w->nodes[i]);
	for (unsigned i = 0; i < 2; i++)
		post(&w->nodes[i], 3000, 400);
	link_set(w, &w->ends[0], true);
	link_set(w, &w->ends[2], true);
	run(w, 20000);
	assert_int_equal(missing_contents(&w->nodes[2]), 0);
	e->rate = 100000;
	link_set(w, e, true);
	run(w, 2000);
	old = log_of_origin(n, &w->nodes[0]);
	young = log_of_origin(n, &w->nodes[1]);
	while (replica_held(old->replica) < 3001 || replica_held(young->replica) < 3001)
		run(w, 10);
	/* But for what the end of the last entries took. */
	assert_in_range(missing_contents(n), 5600, 6000);
	assert_in_range(w->now, 0, 60000);
	while (missing_contents(n) > 3000)
		run(w, 10);
	assert_in_range(missing_from(n, young, 2001), 0, 10);
	assert_in_range(missing_from(n, young, 0), 600, 1450);
	assert_in_range(missing_from(n, old, 2901), 0, 40);
	run(w, 60000);
	assert_int_equal(missing_contents(n), 0);
	world_free(w);
}

/* While a long log comes in bulk, what is written now is read at once; and when the bulk stands
 * still, its contents come. */
static void test_live_in_bulk(void **state)
{
	struct world *w = world_new(3, 26);
	struct node *n = &w->nodes[2];
	struct held_log *bulk, *live;
	struct end *e = wire(w, 0, 2);

	(void)state;
	wire(w, 1, 2);
	for (unsigned i = 0; i < 3; i++)
		first_entry(&w->nodes[i]);
	post(&w->nodes[0], 3000, 50);
	post(&w->nodes[0], 3000, 50);
	link_set(w, &w->ends[2], true);
	run(w, 2000);
	e->rate = 50000;
	link_set(w, e, true);
	run(w, 5000);
	bulk = log_of_origin(n, &w->nodes[0]);
	live = log_of_origin(n, &w->nodes[1]);
	for (unsigned i = 0; i < 5; i++) {
		post(&w->nodes[1], 1, 500);
		run(w, 1000);
		assert_int_equal(replica_held(live->replica), i + 2);
		assert_int_equal(missing_from(n, live, 0), 0);
	}
	assert_in_range(replica_held(bulk->replica), 1024, 4500);
	assert_in_range(missing_from(n, bulk, 0), replica_held(bulk->replica) - 100,
	    replica_held(bulk->replica));
	assert_int_equal(faults(w), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pair),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_erased),
	    cmocka_unit_test(test_mesh_receives_once),
	    cmocka_unit_test(test_links_come_and_go),
	    cmocka_unit_test(test_growing_while_greeting),
	    cmocka_unit_test(test_stalled_upstream),
	    cmocka_unit_test(test_wants_bounded),
	    cmocka_unit_test(test_fixed_link),
	    cmocka_unit_test(test_failing_disk),
	    cmocka_unit_test(test_slow_disk),
	    cmocka_unit_test(test_end_and_failing_disk),
	    cmocka_unit_test(test_hostile_frames),
	    cmocka_unit_test(test_own_log_ahead),
	    cmocka_unit_test(test_packed),
	    cmocka_unit_test(test_packed_in_disorder),
	    cmocka_unit_test(test_packed_unwanted),
	    cmocka_unit_test(test_packed_hostile),
	    cmocka_unit_test(test_dripping_upstream),
	    cmocka_unit_test(test_dripping_alone),
	    cmocka_unit_test(test_thin_lines),
	    cmocka_unit_test(test_dripping_contents),
	    cmocka_unit_test(test_newest_first),
	    cmocka_unit_test(test_live_in_bulk),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
