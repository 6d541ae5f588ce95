/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs that this node carries: their replicas, and what lib/sync asks to be done with them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"

/* First logs that one root key may show here: more than one is a fork (SPEC.md 4.4), which is to be
 * seen, and to cost no more than that. */
#define FIRST_LOGS_MAX 8
#define LOGS_MAX 64 /* with all successors */
#define LIVE 256    /* entries, of one DATA or of a few; more have been waiting somewhere */
_Static_assert(LIVE <= VERIFY_BATCH, "a part of it is as large as a fold");

struct relay_log *log_by_no(struct relay *r, uint32_t no)
{
	struct relay_log *l = r->logs;

	while (l && l->no != no)
		l = l->next;
	return l;
}

struct relay_log *log_by_digest(struct relay *r, const uint8_t *digest, size_t len)
{
	struct relay_log *l = r->logs;

	if (len != DIGEST_LEN)
		return NULL;
	while (l && memcmp(l->credential.binding.digest, digest, DIGEST_LEN) != 0)
		l = l->next;
	return l;
}

bool member_has(const struct relay *r, const char *name, const uint8_t root[static KEY_LEN])
{
	for (size_t i = 0; i < r->member_count; i++) {
		if (strcmp(r->members[i].name, name) == 0 &&
		    memcmp(r->members[i].root_key, root, KEY_LEN) == 0)
			return true;
	}
	return false;
}

int log_entry(struct relay *r, uint32_t no, uint64_t index, struct buffer *out, struct bytes *leaf)
{
	size_t got = 0, pos = out->len;
	struct bytes kept;
	int err;

	if (held_entry(r, no, index, &kept) == OK) {
		buffer_add(out, kept.data, kept.len);
		*leaf = bytes_of(out->data + pos, kept.len);
		return out->failed ? ERR_NOMEM : OK;
	}
	err = r->reader->ops->read(r->reader, no, index, 1, MESSAGE_MAX, out, &got);
	if (!err && (got != 1 || out->failed))
		err = ERR_STORE;
	return err ? err : leaves_next(buffer_bytes(out), &pos, leaf);
}

static int replica_read_store(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct relay_log *l = ctx;

	return l->relay->reader->ops->read(
	    l->relay->reader, l->no, first, count, max_bytes, out, got);
}

void log_free(struct relay_log *l)
{
	if (!l)
		return;
	erasure_log_free(l);
	replica_free(l->replica);
	credential_clear(&l->credential);
	free(l);
}

/* Make a log known: `entry0` is its credential, which is checked (again). */
int log_new(
    struct relay *r, uint32_t no, struct bytes name, struct bytes entry0, struct relay_log **out)
{
	struct relay_log *l = calloc(1, sizeof *l);
	int err = ERR_NOMEM;

	if (!l)
		return err;
	l->no = no;
	l->relay = r;
	l->end = UINT64_MAX;
	l->appends_last = &l->appends;
	err = credential_open(&l->credential, r->charter->forum, name, entry0);
	if (!err) {
		l->replica = replica_new(
		    &l->credential.log, (struct replica_reader){replica_read_store, l});
		err = l->replica ? OK : ERR_NOMEM;
	}
	if (err) {
		log_free(l);
		return err;
	}
	l->carried = conf_carries(r->conf, l->credential.organisation);
	*out = l;
	return OK;
}

void log_link(struct relay *r, struct relay_log *l)
{
	struct relay_log **at = &r->logs;

	while (*at)
		at = &(*at)->next;
	*at = l;
}

/* ---- loading ---- */

struct loading {
	struct relay *relay;
	int err;
	char name[VERIFIER_NAME_MAX + 1];
};

static int load_one(void *ctx, const struct store_log *row)
{
	struct loading *loading = ctx;
	struct relay *r = loading->relay;
	struct tree_hash *blocks = NULL, right[64];
	size_t block_count = (size_t)(row->size / TREE_BLOCK),
	       right_count = row->right.len / HASH_LEN, got = 0, pos = 0;
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	struct relay_log *l = NULL;
	int err = OK;

	strcpy(loading->name, row->name);
	if (row->size == 0)
		return OK; /* taken up and nothing received: its credential comes again from whoever
			      shows it */
	if (right_count > 64)
		return ERR_STORE;
	if (right_count > 0)
		memcpy(right, row->right.data, right_count * HASH_LEN);
	blocks = malloc((block_count + 1) * sizeof *blocks);
	if (!blocks)
		return ERR_NOMEM;
	err = r->reader->ops->read(r->reader, row->no, 0, 1, MESSAGE_MAX, &entry, &got);
	if (!err)
		err = leaves_next(buffer_bytes(&entry), &pos, &leaf);
	if (!err && block_count > 0)
		err = r->reader->ops->blocks(r->reader, row->no, 0, block_count, blocks);
	if (!err)
		err = log_new(r, row->no, bytes_str(row->name), leaf, &l);
	if (!err)
		err = replica_load(l->replica, row->size, row->root, blocks, block_count,
		    row->checkpoint, right, right_count);
	if (!err) {
		l->state = row->state;
		l->folded = row->folded;
		log_link(r, l);
		l = NULL;
	}
	log_free(l);
	free(blocks);
	buffer_free(&entry);
	return err;
}

int logs_load(struct relay *r)
{
	struct loading loading = {r, OK, ""};
	uint64_t now = clock_mono_ms();
	int err = r->reader->ops->log_each(r->reader, load_one, &loading);

	if (err) {
		log_error("store: log %s: %s", loading.name, error_text(err));
		return err;
	}
	for (struct relay_log *l = r->logs; l && !err; l = l->next) {
		l->own = memcmp(l->credential.binding.digest, r->node->binding.digest,
			     DIGEST_LEN) == 0;
		if (l->own)
			r->own = l;
		if (l->carried)
			err = sync_add_log(
			    r->sync, l->no, l->replica, &l->credential.binding, l->own, now);
	}
	return err ? err : forks_load(r);
}

void logs_free(struct relay *r)
{
	while (r->logs) {
		struct relay_log *next = r->logs->next;

		log_free(r->logs);
		r->logs = next;
	}
	r->own = NULL;
}

/* Our own log on a node's first start: known, and empty until the credential is sealed as entry 0.
 */
int logs_add_own(struct relay *r)
{
	struct store *w = r->writer.store;
	struct relay_log *l = NULL;
	uint32_t no;
	int err;

	if (r->own)
		return OK;
	err = w->ops->begin(w);
	if (!err) {
		err = w->ops->log_add(
		    w, bytes_str(r->node->binding.log_name), r->node->binding.digest, &no);
		if (err == ERR_EXISTS)
			err = OK;
		if (err)
			w->ops->rollback(w);
		else
			err = w->ops->commit(w);
	}
	if (!err)
		err = log_new(r, no, bytes_str(r->node->binding.log_name),
		    buffer_bytes(&r->node->message), &l);
	if (err)
		return err;
	l->own = true;
	l->carried = true;
	r->own = l;
	log_link(r, l);
	return sync_add_log(r->sync, no, l->replica, &l->credential.binding, true, clock_mono_ms());
}

void logs_own_credential(struct relay *r)
{
	struct buffer entry = BUFFER_INIT;
	struct credential c;
	struct bytes leaf;

	memset(&c, 0, sizeof c);
	if (log_entry(r, r->own->no, 0, &entry, &leaf) == OK &&
	    credential_open(&c, r->charter->forum, bytes_str(r->node->binding.log_name), leaf) ==
		OK) {
		credential_clear(&r->own->credential);
		r->own->credential = c;
	} else {
		credential_clear(&c);
	}
	buffer_free(&entry);
}

/* ---- what lib/sync asks for ---- */

/* Who is at the other end, for people. */
static const char *link_name(const struct session *s)
{
	return s->peer ? s->peer->conf->name : s->bundle ? "a bundle" : "a peer";
}

static void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	(void)ctx;
	channel_send(((struct session *)link)->channel, type, stream, message);
}

static size_t io_backlog(void *ctx, void *link)
{
	(void)ctx;
	return channel_backlog(((struct session *)link)->channel);
}

/* What is said of a frame, by a node of the same forum: refusal_code() speaks of messages. */
static uint32_t fault_code(int err)
{
	switch (err) {
	case ERR_UNKNOWN_KIND:
		return CONVENE__CODE__UNEXPECTED;
	case ERR_OTHER_FORUM:
		return CONVENE__CODE__WRONG_LOG;
	default:
		return refusal_code(err);
	}
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	struct session *s = link;
	char line[256];

	(void)ctx;
	snprintf(line, sizeof line, "%s: %s", text, error_text(err));
	channel_refuse(s->channel, fault_code(err), err, line);
}

static int io_read(void *ctx, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	return held_read(ctx, no, first, count, max_bytes, out, got);
}

static void along_free(struct along *a)
{
	buffer_free(&a->bytes);
	free(a->items);
	*a = (struct along){.count = 0};
}

static void io_along(void *ctx, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct relay *r = ctx;
	struct along *a = &r->along;
	struct store_content *c;

	if (a->count == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 8;
		a->items = realloc(a->items, a->cap * sizeof *a->items);
	}
	buffer_add(&a->bytes, content.data, content.len);
	if (!a->items || a->bytes.failed)
		abort(); /* sync counts on it */
	c = &a->items[a->count++];
	*c = (struct store_content){.log = no, .index = index, .content.len = content.len};
	memcpy(c->id, id, ID_LEN);
	memcpy(c->salt, salt, SALT_LEN);
}

/* Those that belong with the batch at hand. */
static void along_move(struct along *out, struct along *from)
{
	size_t at = 0;

	*out = *from;
	*from = (struct along){.count = 0};
	for (size_t i = 0; i < out->count; i++) {
		out->items[i].content.data = out->bytes.data + at;
		at += out->items[i].content.len;
	}
}

struct append_job {
	struct store_job job;
	struct store_append append;
	struct buffer leaves, note, right;
	struct tree_hash *blocks;
	uint64_t *wanted;
	struct along along;
	struct fold_run *fold; /* into the views, in the same transaction; NULL: later */
	struct relay_log *log;
	bool ready; /* verified, as far as it is to be */
	struct append_job *next;
};

/* Entries, the contents that came along with them, and what readers see of both: one sync. */
static int append_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct append_job *a = (struct append_job *)job;
	int err = writer->ops->append(writer, &a->append);

	/* What was erased here before it came is no more wanted than taken. */
	if (!err && a->along.count > 0)
		err = forum_spoilt(
		    job, writer->ops->contents_put(writer, a->along.items, a->along.count));
	return err || !a->fold ? err : fold_along_run(a->fold, job, forum);
}

static void append_free(struct append_job *a)
{
	buffer_free(&a->leaves);
	buffer_free(&a->note);
	buffer_free(&a->right);
	along_free(&a->along);
	free(a->blocks);
	free(a->wanted);
	free(a);
}

static void append_done(struct store_job *job)
{
	struct append_job *a = (struct append_job *)job;
	struct relay *r = job->relay;

	if (job->result == ERR_NOSPACE)
		r->read_only = true;
	if (job->result == OK)
		burst_note(r, a->append.count);
	if (job->result == OK)
		held_came(r, a->append.log, a->append.expected, a->append.count, a->append.leaves);
	sync_committed(r->sync, a->append.log, job->result, clock_mono_ms());
	fold_along_done(r, a->fold, job->result);
	append_free(a);
	views_follow(r);
	tick_soon(r);
}

/* In order, whatever is verified first. */
static void appends_submit(struct relay_log *l)
{
	while (l->appends && l->appends->ready) {
		struct append_job *a = l->appends;

		l->appends = a->next;
		if (!l->appends)
			l->appends_last = &l->appends;
		storage_submit(l->relay, &a->job);
	}
}

static void append_verified(void *ctx)
{
	struct append_job *a = ctx;

	a->ready = true;
	appends_submit(a->log);
}

/* Few are verified by the store thread, more of them by the workers; those that nobody waits for
 * are stored first. */
static void append_fold(struct append_job *a, struct relay_log *l)
{
	const struct store_append *s = &a->append;
	bool live = s->count <= LIVE && replica_note_size(l->replica) - s->size <= LIVE;

	a->fold = fold_along(l, s->expected, s->leaves, s->count, false);
	a->ready = true;
	if (live)
		views_live(l->relay);
	if (a->fold || !live)
		return;
	a->fold = fold_along_checked(l, s->expected, s->leaves, s->count, append_verified, a);
	a->ready = !a->fold;
}

static void io_commit(void *ctx, uint32_t no, const struct replica_batch *b, const uint64_t *wanted,
    size_t wanted_count)
{
	struct relay *r = ctx;
	struct append_job *a = calloc(1, sizeof *a);

	if (!a)
		abort(); /* sync counts on an answer, and without memory for one there is none */
	buffer_add(&a->leaves, b->leaves.data, b->leaves.len);
	buffer_add(&a->note, b->note.data, b->note.len);
	buffer_add(&a->right, b->right, b->right_count * HASH_LEN);
	a->blocks = malloc((b->block_count + 1) * sizeof *a->blocks);
	a->wanted = malloc((wanted_count + 1) * sizeof *a->wanted);
	if (a->leaves.failed || a->note.failed || a->right.failed || !a->blocks || !a->wanted)
		abort();
	memcpy(a->blocks, b->blocks, b->block_count * sizeof *a->blocks);
	if (wanted_count > 0)
		memcpy(a->wanted, wanted, wanted_count * sizeof *a->wanted);
	a->append = (struct store_append){
	    .log = no,
	    .expected = b->first,
	    .leaves = buffer_bytes(&a->leaves),
	    .count = b->count,
	    .size = b->first + b->count,
	    .checkpoint = buffer_bytes(&a->note),
	    .right = buffer_bytes(&a->right),
	    .blocks = a->blocks,
	    .block_count = b->block_count,
	    .wanted = a->wanted,
	    .wanted_count = wanted_count,
	};
	memcpy(a->append.root, b->root, HASH_LEN);
	a->job.run = append_run;
	a->job.done = append_done;
	along_move(&a->along, &r->along);
	a->log = log_by_no(r, no);
	append_fold(a, a->log);
	a->job.adds = !a->fold;
	*a->log->appends_last = a;
	a->log->appends_last = &a->next;
	appends_submit(a->log);
}

static int reset_one(void *ctx, const struct store_log *row)
{
	struct relay_log *l = ctx;
	struct tree_hash right[64];
	size_t n = row->right.len / HASH_LEN;

	if (n > 64)
		return ERR_STORE;
	if (n > 0)
		memcpy(right, row->right.data, n * HASH_LEN);
	return replica_unstage(l->replica, row->checkpoint, right, n);
}

void logs_reset(struct relay *r, uint32_t no)
{
	struct relay_log *l = log_by_no(r, no);
	int err = r->reader->ops->log_get(r->reader, no, reset_one, l);

	if (err)
		log_error("log %s: can't go back to what the store holds: %s",
		    l->credential.binding.log_name, error_text(err));
}

static void io_reset(void *ctx, uint32_t no)
{
	logs_reset(ctx, no);
}

static int io_wanted(void *ctx, uint32_t no, uint64_t from, uint64_t *out, size_t *count)
{
	struct relay *r = ctx;

	return r->reader->ops->wanted(r->reader, no, from, out, count);
}

static int io_wanted_below(void *ctx, uint32_t no, uint64_t below, uint64_t *out, size_t *count)
{
	struct relay *r = ctx;

	return r->reader->ops->wanted_below(r->reader, no, below, out, count);
}

static uint64_t io_wall(void *ctx)
{
	(void)ctx;
	return clock_wall_ms();
}

static int io_content(
    void *ctx, uint32_t no, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct relay *r = ctx;
	struct relay_log *l = log_by_no(r, no);
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	uint8_t id[ID_LEN];
	int err = l ? held_content(r, no, index, salt, out) : ERR_NOTFOUND;

	if (err == OK)
		burst_gave(r);
	if (!l || err != ERR_NOTFOUND)
		return err;
	err = log_entry(r, no, index, &entry, &leaf);
	if (!err) {
		message_id(id, leaf, &l->credential.binding);
		err = r->reader->ops->content_get(r->reader, no, index, id, salt, out);
	}
	buffer_free(&entry);
	return err;
}

static void io_content_commit(void *ctx, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes message,
    struct bytes content)
{
	contents_add(ctx, no, index, id, salt, message, content);
}

static struct bytes io_credential(void *ctx, uint32_t no)
{
	struct relay_log *l = log_by_no(ctx, no);

	return l ? buffer_bytes(&l->credential.message) : bytes_of(NULL, 0);
}

static int io_begins(void *ctx, uint32_t no, struct bytes entry0)
{
	struct relay *r = ctx;
	struct relay_log *l = log_by_no(r, no);
	struct credential c;
	int err = credential_open(
	    &c, r->charter->forum, bytes_str(l->credential.binding.log_name), entry0);

	/* What it follows was decided by the other. */
	if (!err && !credential_continues(&c, &l->credential))
		err = ERR_REFUSED;
	if (!err) {
		credential_clear(&l->credential);
		l->credential = c;
	} else {
		credential_clear(&c);
		log_error("log %s: its entry 0 is not its credential, so none of it is taken; "
			  "its organisation is at fault, and nothing needs to be done here",
		    l->credential.binding.log_name);
	}
	return err;
}

/* Whether one more log of this root key is too many. */
static bool root_is_full(const struct relay *r, const struct credential *c)
{
	size_t first = 0, all = 0;

	for (const struct relay_log *l = r->logs; l; l = l->next) {
		bool same = memcmp(l->credential.root_key, c->root_key, KEY_LEN) == 0;

		all += same;
		first += same && l->credential.number == 1;
	}
	return all >= LOGS_MAX || (c->number == 1 && first >= FIRST_LOGS_MAX);
}

struct add_job {
	struct store_job job;
	struct relay_log *log;
};

static int add_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct relay_log *l = ((struct add_job *)job)->log;
	int err = writer->ops->log_add(writer, bytes_str(l->credential.binding.log_name),
	    l->credential.binding.digest, &l->no);

	(void)forum;
	return err == ERR_EXISTS ? OK : err;
}

static void add_done(struct store_job *job)
{
	struct relay_log *l = ((struct add_job *)job)->log;
	struct relay *r = job->relay;

	if (job->result == OK && !log_by_digest(r, l->credential.binding.digest, DIGEST_LEN) &&
	    !root_is_full(r, &l->credential) &&
	    sync_add_log(
		r->sync, l->no, l->replica, &l->credential.binding, false, clock_mono_ms()) == OK) {
		log_info("log %s is new here", l->credential.binding.log_name);
		log_link(r, l);
		forks_log_added(r, l);
		tick_soon(r);
	} else {
		log_free(l);
	}
	free(job);
}

static int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	struct relay *r = ctx;
	struct relay_log *l = NULL;
	struct add_job *a;
	int err = log_new(r, 0, name, entry0, &l);

	(void)link;
	if (err)
		return err;
	if (!member_has(r, l->credential.organisation, l->credential.root_key))
		err = ERR_NOT_MEMBER;
	else if (!l->carried || root_is_full(r, &l->credential))
		err = ERR_REFUSED;
	if (err == ERR_REFUSED && !l->carried)
		carry_refused(r, &l->credential);
	if (!err)
		forks_offered(r, l);
	if (!err && l->credential.number > 1) {
		err = succession_offer(r, l);
		log_free(l);
		return err;
	}
	a = err ? NULL : calloc(1, sizeof *a);
	if (!a) {
		log_free(l);
		return err ? err : ERR_NOMEM;
	}
	a->log = l;
	a->job.run = add_run;
	a->job.done = add_done;
	storage_submit(r, &a->job);
	return OK;
}

static void io_note(void *ctx, void *link, const char *text)
{
	struct session *s = link;

	(void)ctx;
	log_info("%s: %s", link_name(s), text);
}

static void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	struct relay *r = ctx;
	struct session *s = link;
	char why[200];

	/* It was sent before it was stored, and is sealed again, as it was. */
	if (r->resume > 0 && size <= replica_held(r->own->replica) + r->resume)
		return;
	snprintf(why, sizeof why,
	    "%s shows %llu entries of our log, signed by its key, and we hold %llu", link_name(s),
	    (unsigned long long)size, (unsigned long long)replica_held(r->own->replica));
	recover_begin(r, RECOVERY_FOUND, NULL, why);
}

static void io_erased(void *ctx, void *link, uint32_t no, uint64_t size)
{
	const struct session *s = link;

	if (s->peer)
		erasure_heard(ctx, s->peer->conf->name, no, size);
}

static void io_forked(void *ctx, void *link, uint32_t no, struct bytes note)
{
	struct relay *r = ctx;
	struct session *s = link;
	struct relay_log *l = log_by_no(r, no);

	(void)note;
	if (!l || l->state != LOG_LIVE)
		return;
	l->state = LOG_SUSPECT;
	log_error("log %s: %s shows another history than the one held here",
	    l->credential.binding.log_name, link_name(s));
	if (l->own)
		seal_halt(r,
		    "another history of our own log is out, signed by its key; see RECOVERY in "
		    "convenectl(8)");
}

struct sync_io logs_sync_io(struct relay *r)
{
	struct sync_io io = {
	    .ctx = r,
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
	    .begins = io_begins,
	    .offer = io_offer,
	    .note = io_note,
	    .own_ahead = io_own_ahead,
	    .forked = io_forked,
	    .erased = io_erased,
	};

	forks_sync_io(&io);
	cosign_io(&io);
	return io;
}

void tick_soon(struct relay *r)
{
	uint64_t now = clock_mono_ms(), next;
	struct timeval tv;

	next = sync_tick(r->sync, now);
	if (r->stands)
		succession_follow(r);
	if (next == UINT64_MAX)
		return;
	next = next > now ? next - now : 1;
	tv = (struct timeval){(time_t)(next / 1000), (suseconds_t)(next % 1000 * 1000)};
	event_add(r->tick, &tv);
}
