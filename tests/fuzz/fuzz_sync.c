/* SPDX-License-Identifier: BSD-2-Clause */
/* One node's replication against a peer that says anything in any order: our own log, one that we
 * hold in part, one that we may be shown. What is committed is what its origin signed, contents are
 * those committed to, our own log stays as it is, and no frame of ours breaks its limit.
 *
 * The input is a run of: type, stream, length (two bytes), payload; types from 0xf0 are what
 * happens around the link. */
#include <stdlib.h>
#include <string.h>

#include "../unit/member_fixture.h"
#include "sync/sync.h"
#include "target.h"

#define ENTRIES 40 /* of each log's whole history */
#define LOGS 3
#define EVENTS_MAX 400

enum { TICK = 0xf0, STORED, NOT_STORED, RELINK, CONGESTED, CONTENT_STORED, MEMBERS, STAND, CUT };

/* ---- what the origins have signed; made once ---- */

struct history {
	struct credential credential;
	struct key log_key;
	struct buffer leaves[ENTRIES];
	struct tree_hash hashes[ENTRIES];
	struct buffer contents[ENTRIES];
	struct tree *tree;
	struct buffer note; /* at `held` */
	uint8_t root[HASH_LEN];
	size_t held; /* by us, to begin with */
};

static struct history histories[LOGS];
static const uint8_t salt[SALT_LEN] = {7};

static void history_root(const struct history *h, uint64_t size, uint8_t out[static HASH_LEN])
{
	REQUIRE(tree_root_at(h->tree, size, NULL, NULL, out) == OK);
}

static void history_note(const struct history *h, uint64_t size, struct buffer *out)
{
	struct checkpoint c = {.size = size};

	strcpy(c.origin, h->credential.binding.log_name);
	history_root(h, size, c.root);
	REQUIRE(checkpoint_sign(out, &c, &h->log_key) == OK);
}

static void entry_make(struct history *h, const struct key *root, size_t i)
{
	struct header m = {.version = 1, .sequence = i + 1, .kind = 99, .time = FIXTURE_TIME};
	size_t len = 10 * i;

	memcpy(m.signer, root->public, KEY_LEN);
	if (i % 2) {
		memset(buffer_reserve(&h->contents[i], len), (int)i, len);
		h->contents[i].len = len;
		m.has_commitment = true;
		m.bucket = bucket_of(len);
		commitment_make(m.commitment, &h->credential.binding, m.signer, salt,
		    buffer_bytes(&h->contents[i]));
	}
	REQUIRE(message_sign(&h->leaves[i], &h->credential.binding, &m, root) == OK);
}

static void history_make(struct history *h, uint8_t seed, const char *organisation, size_t held)
{
	uint8_t forum[HASH_LEN];
	struct key root = fixture_key(seed);
	struct node_body body = fixture_node(
	    organisation, 1, (uint8_t)(seed + 1), (uint8_t)(seed + 2), (uint8_t)(seed + 3));
	char name[VERIFIER_NAME_MAX + 1];

	memset(forum, 0xf0, sizeof forum);
	h->log_key = fixture_key((uint8_t)(seed + 1));
	h->held = held;
	REQUIRE(credential_make(&h->leaves[0], name, forum, organisation, 1, &root, &body, 1,
		    FIXTURE_TIME) == OK);
	REQUIRE(credential_open(
		    &h->credential, forum, bytes_str(name), buffer_bytes(&h->leaves[0])) == OK);
	h->tree = tree_new();
	for (size_t i = 0; i < ENTRIES; i++) {
		if (i > 0)
			entry_make(h, &root, i);
		leaf_hash(&h->hashes[i], buffer_bytes(&h->leaves[i]));
		REQUIRE(tree_append(h->tree, &h->hashes[i]) == OK);
	}
	if (held > 0) {
		history_note(h, held, &h->note);
		history_root(h, held, h->root);
	}
}

/* ---- the node ---- */

struct commit {
	uint64_t count;
	struct buffer note;
	struct tree_hash right[64];
	size_t right_count;
	uint64_t wanted;
	bool lost; /* one before it failed */
};

struct log {
	uint64_t along; /* contents that belong with the next commit */
	const struct history *history;
	struct node *node;
	struct replica *replica;
	uint64_t size, missing; /* missing: a bit for each content */
	struct buffer note;
	struct tree_hash right[64];
	size_t right_count;
	struct commit commits[ENTRIES]; /* under way, oldest first */
	size_t commit_count;
};

struct node {
	struct sync *sync;
	struct sync_link *link;
	struct log logs[LOGS];
	size_t log_count;
	uint64_t storing[LOGS]; /* contents on their way to the store, by bit */
	uint64_t now;
	bool faulted, congested;
	uint32_t cut_no; /* a log that is to be cut; 0: none */
	struct replica_cut cut;
};

/* Numbers are from 1. */
static struct log *log_of(struct node *n, uint32_t no)
{
	REQUIRE(no > 0 && no <= n->log_count);
	return &n->logs[no - 1];
}

static void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct buffer frame = BUFFER_INIT;

	(void)ctx;
	(void)link;
	REQUIRE((message ? frame_add(&frame, type, stream, message)
			 : frame_add_raw(&frame, type, stream, bytes_of(NULL, 0))) == OK);
	buffer_free(&frame);
}

static size_t io_backlog(void *ctx, void *link)
{
	(void)link;
	return ((struct node *)ctx)->congested ? SYNC_BACKLOG : 0;
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	(void)link;
	REQUIRE(err != OK && text != NULL);
	((struct node *)ctx)->faulted = true;
}

static int log_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	const struct log *l = ctx;

	if (first >= l->size)
		return ERR_RANGE;
	for (*got = 0; *got < count && first + *got < l->size; (*got)++) {
		if (*got > 0 && out->len > max_bytes)
			break;
		leaves_add(out, buffer_bytes(&l->history->leaves[first + *got]));
	}
	return OK;
}

static int io_read(void *ctx, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	return log_read(log_of(ctx, no), first, count, max_bytes, out, got);
}

static void io_along(void *ctx, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t its_salt[static SALT_LEN], struct bytes content)
{
	struct log *l = log_of(ctx, no);
	uint8_t expected[ID_LEN];

	REQUIRE(index >= l->size && index < ENTRIES && !(l->along >> index & 1));
	message_id(
	    expected, buffer_bytes(&l->history->leaves[index]), &l->history->credential.binding);
	REQUIRE(memcmp(id, expected, ID_LEN) == 0 && memcmp(its_salt, salt, SALT_LEN) == 0);
	REQUIRE(bytes_equal(content, buffer_bytes(&l->history->contents[index])));
	l->along |= UINT64_C(1) << index;
}

static void io_commit(void *ctx, uint32_t no, const struct replica_batch *b, const uint64_t *wanted,
    size_t wanted_count)
{
	struct log *l = log_of(ctx, no);
	struct commit *c = &l->commits[l->commit_count++];
	uint64_t first = l->size;

	REQUIRE(no != 1 && l->commit_count <= ENTRIES);
	for (size_t i = 0; i + 1 < l->commit_count; i++)
		first += l->commits[i].count;
	REQUIRE(b->first == first && b->count > 0 && first + b->count <= ENTRIES);
	REQUIRE(memcmp(b->hashes, l->history->hashes + first, b->count * sizeof *b->hashes) == 0);
	memset(c, 0, sizeof *c);
	c->count = b->count;
	buffer_add(&c->note, b->note.data, b->note.len);
	memcpy(c->right, b->right, sizeof c->right);
	c->right_count = b->right_count;
	for (size_t i = 0; i < wanted_count; i++) {
		REQUIRE(wanted[i] >= first && wanted[i] < first + b->count);
		c->wanted |= UINT64_C(1) << wanted[i];
	}
	REQUIRE((l->along & c->wanted) == 0);
	for (uint64_t i = 0; i < ENTRIES; i++)
		REQUIRE(!(l->along >> i & 1) || (i >= first && i < first + b->count));
	l->along = 0;
}

static void io_reset(void *ctx, uint32_t no)
{
	struct log *l = log_of(ctx, no);

	REQUIRE(l->commit_count == 0);
	REQUIRE(
	    replica_unstage(l->replica, buffer_bytes(&l->note), l->right, l->right_count) == OK);
}

static int io_wanted(void *ctx, uint32_t no, uint64_t from, uint64_t *out, size_t *count)
{
	const struct log *l = log_of(ctx, no);
	size_t n = 0;

	for (uint64_t i = from; i < l->size && n < *count; i++) {
		if (l->missing >> i & 1)
			out[n++] = i;
	}
	*count = n;
	return OK;
}

static int io_wanted_below(void *ctx, uint32_t no, uint64_t below, uint64_t *out, size_t *count)
{
	const struct log *l = log_of(ctx, no);
	size_t n = 0;

	for (uint64_t i = below < l->size ? below : l->size; i-- > 0 && n < *count;) {
		if (l->missing >> i & 1)
			out[n++] = i;
	}
	*count = n;
	return OK;
}

static uint64_t io_wall(void *ctx)
{
	(void)ctx;
	return UINT64_MAX;
}

static int io_content(
    void *ctx, uint32_t no, uint64_t index, uint8_t out_salt[static SALT_LEN], struct buffer *out)
{
	const struct log *l = log_of(ctx, no);

	REQUIRE(index < l->size);
	if (index % 3 == 2 || l->history->contents[index].len == 0)
		return ERR_REFUSED;
	if (l->missing >> index & 1)
		return ERR_NOTFOUND;
	memcpy(out_salt, salt, SALT_LEN);
	buffer_add(out, l->history->contents[index].data, l->history->contents[index].len);
	return OK;
}

static void io_content_commit(void *ctx, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t its_salt[static SALT_LEN], struct bytes message,
    struct bytes content)
{
	struct node *n = ctx;
	struct log *l = log_of(n, no);
	uint8_t expected[ID_LEN];

	REQUIRE(index < l->size && !(n->storing[no - 1] >> index & 1));
	message_id(
	    expected, buffer_bytes(&l->history->leaves[index]), &l->history->credential.binding);
	REQUIRE(memcmp(id, expected, ID_LEN) == 0 && memcmp(its_salt, salt, SALT_LEN) == 0);
	REQUIRE(bytes_equal(message, buffer_bytes(&l->history->leaves[index])));
	REQUIRE(bytes_equal(content, buffer_bytes(&l->history->contents[index])));
	n->storing[no - 1] |= UINT64_C(1) << index;
}

static struct bytes io_credential(void *ctx, uint32_t no)
{
	return buffer_bytes(&log_of(ctx, no)->history->leaves[0]);
}

static void log_take(struct node *n, const struct history *h)
{
	struct log *l = &n->logs[n->log_count++];

	*l = (struct log){.history = h, .node = n};
	l->replica = replica_new(&h->credential.log, (struct replica_reader){log_read, l});
	REQUIRE(l->replica);
	l->size = h->held;
	buffer_add(&l->note, h->note.data, h->note.len);
	REQUIRE(replica_load(
		    l->replica, l->size, h->root, NULL, 0, buffer_bytes(&l->note), NULL, 0) == OK);
	for (size_t i = 0; n->log_count > 1 && i < l->size; i++)
		l->missing |= (uint64_t)(h->contents[i].len > 0) << i;
	REQUIRE(sync_add_log(n->sync, (uint32_t)n->log_count, l->replica, &h->credential.binding,
		    n->log_count == 1, n->now) == OK);
}

static int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	struct node *n = ctx;
	struct credential c;
	int err = credential_open(&c, histories[0].credential.binding.forum, name, entry0);

	(void)link;
	credential_clear(&c);
	if (err)
		return err;
	if (!bytes_equal(name, bytes_str(histories[LOGS - 1].credential.binding.log_name)))
		return ERR_NOT_MEMBER;
	REQUIRE(n->log_count == LOGS - 1);
	log_take(n, &histories[LOGS - 1]);
	return OK;
}

static void io_note(void *ctx, void *link, const char *text)
{
	(void)ctx;
	(void)link;
	(void)text;
}

/* Only what our key signed can say so. */
static void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	(void)link;
	REQUIRE(size > log_of(ctx, 1)->size && size <= ENTRIES);
}

/* No origin here has signed two histories. */
static void io_forked(void *ctx, void *link, uint32_t no, struct bytes note)
{
	(void)ctx;
	(void)link;
	(void)no;
	(void)note;
	abort();
}

static void io_disputed(void *ctx, void *link, uint32_t no, struct bytes proof)
{
	io_forked(ctx, link, no, proof);
}

static int io_rivals(void *ctx, void *link, struct bytes proof)
{
	(void)ctx;
	(void)link;
	REQUIRE(proof.len > 0);
	return proof.data[0] & 1 ? OK : ERR_PROOF;
}

static void io_cut(void *ctx, uint32_t no, uint64_t size)
{
	struct node *n = ctx;

	REQUIRE(n->cut_no == 0 && log_of(n, no)->commit_count == 0);
	REQUIRE(replica_cut_plan(log_of(n, no)->replica, size, &n->cut) == OK);
	n->cut_no = no;
}

static void io_stands(void *ctx, uint32_t no)
{
	REQUIRE(log_of(ctx, no)->size > 0);
}

/* ---- events ---- */

/* A successor says what stands of another's log. */
static void stand(struct node *n, uint8_t which, uint8_t size)
{
	uint32_t no = which % (LOGS - 1) + 2;
	uint8_t root[HASH_LEN];

	if (no > n->log_count || n->cut_no != 0)
		return;
	history_root(log_of(n, no)->history, size % ENTRIES + 1, root);
	sync_stand(n->sync, no, size % ENTRIES + 1, root, n->now);
}

static void cut(struct node *n, bool ok)
{
	uint32_t no = n->cut_no;
	struct log *l;

	if (no == 0)
		return;
	n->cut_no = 0;
	l = log_of(n, no);
	if (ok) {
		l->size = n->cut.size;
		l->missing &= (UINT64_C(1) << l->size) - 1;
		n->storing[no - 1] &= (UINT64_C(1) << l->size) - 1;
		memcpy(l->right, n->cut.right, sizeof l->right);
		l->right_count = n->cut.right_count;
		REQUIRE(replica_cut(l->replica, &n->cut) == OK);
	}
	sync_cut_done(n->sync, no, ok ? OK : ERR_IO, n->now);
}

static void commit_answer(struct node *n, uint8_t which, bool ok)
{
	uint32_t no = which % LOGS + 1;
	struct log *l = &n->logs[no - 1];
	struct commit c;

	if (no > n->log_count || l->commit_count == 0)
		return;
	c = l->commits[0];
	memmove(l->commits, l->commits + 1, --l->commit_count * sizeof c);
	/* The store's compare-and-swap refuses what comes after a failure. */
	ok = ok && !c.lost;
	if (ok) {
		l->size += c.count;
		l->missing |= c.wanted;
		buffer_reset(&l->note);
		buffer_add(&l->note, c.note.data, c.note.len);
		memcpy(l->right, c.right, sizeof l->right);
		l->right_count = c.right_count;
	} else {
		for (size_t i = 0; i < l->commit_count; i++)
			l->commits[i].lost = true;
	}
	sync_committed(n->sync, no, ok ? OK : ERR_IO, n->now);
	buffer_free(&c.note);
}

static void contents_answer(struct node *n, bool ok)
{
	for (uint32_t no = 1; no <= n->log_count; no++) {
		for (uint64_t i = 0; i < ENTRIES; i++) {
			if (!(n->storing[no - 1] >> i & 1))
				continue;
			n->storing[no - 1] &= ~(UINT64_C(1) << i);
			if (ok)
				n->logs[no - 1].missing &= ~(UINT64_C(1) << i);
			sync_content_committed(n->sync, no, i, ok ? OK : ERR_IO, n->now);
		}
	}
}

static void link_up(struct node *n)
{
	n->link = sync_link_up(n->sync, n, "n1.example", n->now);
	REQUIRE(n->link);
	sync_link_witness(n->link);
	sync_link_compress(n->link, true);
	n->faulted = false;
}

static void relink(struct node *n)
{
	sync_link_down(n->sync, n->link, n->now);
	link_up(n);
}

static void event(struct node *n, uint8_t type, uint8_t stream, struct bytes payload)
{
	struct frame frame = {.type = type, .stream = stream, .payload = payload};

	switch (type) {
	case TICK:
		n->now += 10 * (uint64_t)stream;
		sync_tick(n->sync, n->now);
		break;
	case STORED:
	case NOT_STORED:
		commit_answer(n, stream, type == STORED);
		break;
	case RELINK:
		relink(n);
		break;
	case CONGESTED:
		n->congested = stream & 1;
		if (!n->congested)
			sync_link_writable(n->sync, n->link, n->now);
		break;
	case CONTENT_STORED:
		contents_answer(n, stream & 1);
		break;
	case STAND:
		stand(n, stream, payload.len > 0 ? payload.data[0] : 0);
		break;
	case CUT:
		cut(n, stream & 1);
		break;
	case MEMBERS:
		sync_members_grew(n->sync, n->now);
		break;
	default:
		sync_receive(n->sync, n->link, &frame, n->now);
	}
	if (n->faulted)
		relink(n);
}

static void check(struct node *n)
{
	struct tree_hash proof[TREE_PROOF_MAX];
	struct sync_link_stats st;
	size_t count;

	sync_link_stats(n->sync, n->link, &st);
	REQUIRE(st.memory <= SYNC_LINK_MEMORY);
	REQUIRE(replica_staged(n->logs[0].replica) == histories[0].held);
	for (size_t i = 0; i < n->log_count; i++) {
		const struct log *l = &n->logs[i];
		uint64_t staged = replica_staged(l->replica);

		REQUIRE(replica_held(l->replica) == l->size && staged >= l->size);
		REQUIRE(replica_note_size(l->replica) >= staged);
		REQUIRE(l->commit_count > 0 || staged == l->size);
		if (l->size > 0)
			REQUIRE(replica_prove(l->replica, 0, l->size, proof, &count) == OK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node n = {.now = 1000};
	struct sync_io io = {
	    .ctx = &n,
	    .send = io_send,
	    .backlog = io_backlog,
	    .fault = io_fault,
	    .read = io_read,
	    .commit = io_commit,
	    .along = io_along,
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

	if (!histories[0].tree) {
		crypto_once();
		history_make(&histories[0], 1, "n0.example", 20);
		history_make(&histories[1], 11, "n1.example", 8);
		history_make(&histories[2], 21, "n2.example", 0);
	}
	n.sync = sync_new(&io);
	REQUIRE(n.sync);
	log_take(&n, &histories[0]);
	log_take(&n, &histories[1]);
	link_up(&n);
	for (unsigned i = 0; size >= 4 && i < EVENTS_MAX; i++) {
		size_t len = (size_t)data[2] << 8 | data[3];

		if (len > size - 4)
			len = size - 4;
		event(&n, data[0], data[1], bytes_of(data + 4, len));
		check(&n);
		data += 4 + len;
		size -= 4 + len;
	}
	sync_free(n.sync);
	for (size_t i = 0; i < n.log_count; i++) {
		for (size_t k = 0; k < n.logs[i].commit_count; k++)
			buffer_free(&n.logs[i].commits[k].note);
		buffer_free(&n.logs[i].note);
		replica_free(n.logs[i].replica);
	}
	return 0;
}
