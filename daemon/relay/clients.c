/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients ask (SPEC.md section 12). Reading needs no login; each answer is one short read of the views. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/state.h"

#define INLINE_MAX 65536          /* a content up to this comes with its item */
#define FRAME_BYTES (512 * 1024)  /* begin a new ITEMS, TOPICS, THREADS above this */
#define ENTRIES_MAX 1024
#define THREADS_DEFAULT 50
#define THREADS_MAX 1000
#define WATCH_HOLD_MS 10000       /* wait this long for the content of something that arrived */
#define WATCH_BATCH 256
#define PENDING_BYTES (4 * 1024 * 1024)

/* A request behind a SUBMIT that is being worked on: order is part of the promise. */
struct pending {
	uint8_t type;
	uint32_t stream;
	struct buffer payload;
	struct pending *next;
};

struct watch {
	uint32_t stream;
	uint64_t after;
	bool by_topic;
	uint8_t topic[ID_LEN];
	uint64_t held_arrival, held_since; /* an item whose content has not come yet */
};

void client_error(struct session *s, uint32_t stream, uint32_t code, const char *text)
{
	Convene__Error m = CONVENE__ERROR__INIT;

	m.code = code;
	m.text = pb_of(bytes_str(text));
	channel_send(s->channel, FRAME_ERROR, stream ? stream : UINT32_MAX, &m.base);
}

static void query_error(struct session *s, uint32_t stream, int err, const char *what)
{
	char text[128];

	if (err == ERR_NOTFOUND)
		snprintf(text, sizeof text, "no %s begins with that id", what);
	else if (err == ERR_EXISTS)
		snprintf(text, sizeof text, "several ids begin so; give more of it");
	else
		snprintf(text, sizeof text, "%s", error_text(err));
	client_error(s, stream, err == ERR_EXISTS ? CONVENE__CODE__AMBIGUOUS : refusal_code(err), text);
}

/* ---- building answers ----
 *
 * Rows are valid only during the callback, so what they hold is copied into `memory`, a chain of blocks that lives until the frame is sent. */
struct block {
	struct block *next;
	uint8_t data[];
};

struct answer {
	struct session *session;
	uint32_t stream;
	struct block *blocks;
	void **list;        /* of generated messages */
	size_t count, cap, bytes;
	uint64_t last_arrival;
	bool stopped;
	int err;
};

static void *answer_alloc(struct answer *a, size_t len)
{
	struct block *b = malloc(sizeof *b + len);

	if (!b)
		return NULL;
	b->next = a->blocks;
	a->blocks = b;
	a->bytes += len;
	return b->data;
}

static ProtobufCBinaryData answer_copy(struct answer *a, const void *data, size_t len)
{
	uint8_t *p = len > 0 ? answer_alloc(a, len) : NULL;

	if (!p) {
		if (len > 0)
			a->err = ERR_NOMEM;
		return (ProtobufCBinaryData){0, NULL};
	}
	memcpy(p, data, len);
	return (ProtobufCBinaryData){len, p};
}

static ProtobufCBinaryData answer_str(struct answer *a, const char *text)
{
	return answer_copy(a, text, strlen(text));
}

static void *answer_add(struct answer *a, size_t size)
{
	void *m;

	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 64;
		void **grown = realloc(a->list, cap * sizeof *grown);

		if (!grown)
			return NULL;
		a->list = grown;
		a->cap = cap;
	}
	m = answer_alloc(a, size);
	if (m)
		a->list[a->count++] = m;
	return m;
}

static void answer_clear(struct answer *a)
{
	while (a->blocks) {
		struct block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->count = a->bytes = 0;
}

static void answer_end(struct answer *a)
{
	answer_clear(a);
	free(a->list);
}

/* ---- topics and threads ---- */

static void topics_flush(struct answer *a, bool last)
{
	Convene__Topics m = CONVENE__TOPICS__INIT;

	m.topics = (Convene__Topic **)a->list;
	m.n_topics = a->count;
	m.last = last;
	channel_send(a->session->channel, FRAME_TOPICS, a->stream, &m.base);
	answer_clear(a);
}

static int topic_row(void *ctx, const struct topic_row *row)
{
	struct answer *a = ctx;
	Convene__Topic *t;

	if (a->bytes > FRAME_BYTES)
		topics_flush(a, false);
	t = answer_add(a, sizeof *t);
	if (!t)
		return ERR_NOMEM;
	convene__topic__init(t);
	t->log = answer_copy(a, row->log, DIGEST_LEN);
	t->id = answer_copy(a, row->id, ID_LEN);
	t->index = row->index;
	t->title = answer_copy(a, row->title.data, row->title.len);
	t->description = answer_copy(a, row->description.data, row->description.len);
	t->threads = row->threads;
	t->posts = row->posts;
	t->latest = row->latest;
	t->organisation = answer_str(a, row->author.organisation);
	t->handle = answer_str(a, row->author.handle);
	return a->err;
}

static void topics_get(struct session *s, uint32_t stream)
{
	struct answer a = {.session = s, .stream = stream};
	int err = query_topics(s->relay->reader, topic_row, &a);

	if (err)
		query_error(s, stream, err, "topic");
	else
		topics_flush(&a, true);
	answer_end(&a);
}

static void threads_flush(struct answer *a, bool last)
{
	Convene__Threads m = CONVENE__THREADS__INIT;

	m.threads = (Convene__Thread **)a->list;
	m.n_threads = a->count;
	m.last = last;
	channel_send(a->session->channel, FRAME_THREADS, a->stream, &m.base);
	answer_clear(a);
}

static int thread_row(void *ctx, const struct thread_row *row)
{
	struct answer *a = ctx;
	Convene__Thread *t;

	if (a->bytes > FRAME_BYTES)
		threads_flush(a, false);
	t = answer_add(a, sizeof *t);
	if (!t)
		return ERR_NOMEM;
	convene__thread__init(t);
	t->id = answer_copy(a, row->id, ID_LEN);
	t->log = answer_copy(a, row->log, DIGEST_LEN);
	t->subject = answer_copy(a, row->subject.data, row->subject.len);
	t->lang = answer_copy(a, row->lang.data, row->lang.len);
	t->organisation = answer_str(a, row->author.organisation);
	t->handle = answer_str(a, row->author.handle);
	t->time = row->time;
	t->posts = row->posts;
	t->latest = row->latest;
	t->root_missing = row->root_missing;
	return a->err;
}

static void threads_get(struct session *s, uint32_t stream, const Convene__ThreadsGet *m)
{
	struct answer a = {.session = s, .stream = stream};
	uint32_t limit = m->limit == 0 ? THREADS_DEFAULT : m->limit < THREADS_MAX ? m->limit : THREADS_MAX;
	uint8_t topic[ID_LEN];
	int err = query_resolve(s->relay->reader, bytes_of_pb(m->topic), topic);

	if (!err)
		err = query_threads(s->relay->reader, topic, limit, m->offset, thread_row, &a);
	if (err)
		query_error(s, stream, err, "topic");
	else
		threads_flush(&a, true);
	answer_end(&a);
}

/* ---- items ---- */

static int item_fill(struct answer *a, const struct item_row *row, Convene__Item *m)
{
	struct relay *r = a->session->relay;
	struct relay_log *l = log_by_no(r, row->log_no);
	struct buffer entry = BUFFER_INIT, content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct bytes leaf;
	struct header h;
	int err = l ? log_entry(r, row->log_no, row->index, &entry, &leaf) : ERR_STORE;

	if (err) {
		buffer_free(&entry);
		return err;
	}
	convene__item__init(m);
	m->log = answer_str(a, l->credential.binding.log_name);
	m->index = row->index;
	m->message = answer_copy(a, leaf.data, leaf.len);
	m->content_state = CONVENE__CONTENT_STATE__CONTENT_NONE_NEEDED;
	if (message_parse(leaf, &h) == OK && h.has_commitment) {
		int got = r->reader->ops->content_get(r->reader, row->log_no, row->index, row->id, salt, &content);

		if (got == ERR_REFUSED) {
			m->content_state = CONVENE__CONTENT_STATE__CONTENT_ERASED;
		} else if (got != OK) {
			m->content_state = CONVENE__CONTENT_STATE__CONTENT_MISSING;
		} else if (content.len > INLINE_MAX) {
			m->content_state = CONVENE__CONTENT_STATE__CONTENT_LARGE;
		} else {
			m->content_state = CONVENE__CONTENT_STATE__CONTENT_PRESENT;
			m->salt = answer_copy(a, salt, SALT_LEN);
			m->content = answer_copy(a, content.data, content.len);
		}
	}
	m->organisation = answer_str(a, row->author.organisation);
	if (row->author.device)
		m->identity = answer_copy(a, row->author.identity, IDENTITY_LEN);
	m->handle = answer_str(a, row->author.handle);
	m->name = answer_str(a, row->author.name);
	m->group = answer_str(a, row->author.group);
	m->arrival = row->arrival;
	m->thread = answer_copy(a, row->thread, ID_LEN);
	m->topic = answer_copy(a, row->topic, ID_LEN);
	m->depth = row->depth;
	m->parent_missing = row->parent_missing;
	buffer_free(&entry);
	buffer_free(&content);
	return a->err;
}

static void items_flush(struct answer *a, bool last, uint64_t missing)
{
	Convene__Items m = CONVENE__ITEMS__INIT;

	m.items = (Convene__Item **)a->list;
	m.n_items = a->count;
	m.last = last;
	m.missing = missing;
	channel_send(a->session->channel, FRAME_ITEMS, a->stream, &m.base);
	answer_clear(a);
}

static int item_row(void *ctx, const struct item_row *row)
{
	struct answer *a = ctx;
	Convene__Item *m;

	if (a->bytes > FRAME_BYTES)
		items_flush(a, false, 0);
	m = answer_add(a, sizeof *m);
	return m ? item_fill(a, row, m) : ERR_NOMEM;
}

static void thread_get(struct session *s, uint32_t stream, const Convene__ThreadGet *m)
{
	struct answer a = {.session = s, .stream = stream};
	uint64_t missing = 0;
	uint8_t id[ID_LEN];
	int err = query_resolve(s->relay->reader, bytes_of_pb(m->id), id);

	if (!err)
		err = query_thread(s->relay->reader, id, item_row, &a, &missing);
	if (err)
		query_error(s, stream, err, "post");
	else
		items_flush(&a, true, missing);
	answer_end(&a);
}

/* ---- watching ---- */

/* Stop in front of an item whose content is still on its way, so that watchers get whole posts in order; not for ever. */
static int watch_row(void *ctx, const struct item_row *row)
{
	struct answer *a = ctx;
	struct watch *w = a->session->watch;
	uint64_t now = clock_mono_ms();
	size_t count = a->count;
	int err;

	if (a->bytes > FRAME_BYTES) {
		a->stopped = true;
		return ERR_BUSY;
	}
	err = item_row(a, row);
	if (err)
		return err;
	if (((Convene__Item *)a->list[count])->content_state == CONVENE__CONTENT_STATE__CONTENT_MISSING) {
		if (w->held_arrival != row->arrival) {
			w->held_arrival = row->arrival;
			w->held_since = now;
		}
		if (now - w->held_since < WATCH_HOLD_MS) {
			a->count = count;
			return ERR_BUSY;
		}
	}
	w->after = row->arrival;
	return OK;
}

static void watch_run(struct session *s)
{
	struct watch *w = s->watch;
	bool more = true;

	while (more && w->after < s->relay->arrivals && channel_backlog(s->channel) < SYNC_BACKLOG && !channel_closing(s->channel)) {
		struct answer a = {.session = s, .stream = w->stream};
		uint64_t before = w->after;
		int err = query_arrivals(s->relay->reader, w->after, w->by_topic ? w->topic : NULL, WATCH_BATCH, watch_row, &a);

		if (err && err != ERR_BUSY)
			query_error(s, w->stream, err, "post");
		else if (a.count > 0)
			items_flush(&a, false, 0);
		more = (err == OK || a.stopped) && w->after > before;
		/* Nothing of that topic up to here: don't look there again. */
		if (err == OK && w->after == before)
			w->after = s->relay->arrivals;
		answer_end(&a);
	}
}

void clients_notify(struct relay *r)
{
	for (struct session *s = r->sessions; s; s = s->next) {
		if (s->watch)
			watch_run(s);
	}
}

static void watch_start(struct session *s, uint32_t stream, const Convene__Watch *m)
{
	uint64_t last = 0;
	int err = OK;

	if (!s->watch)
		s->watch = calloc(1, sizeof *s->watch);
	if (!s->watch) {
		client_error(s, stream, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	*s->watch = (struct watch){.stream = stream, .after = m->after, .by_topic = m->topic.len > 0};
	if (m->topic.len > 0)
		err = query_resolve(s->relay->reader, bytes_of_pb(m->topic), s->watch->topic);
	if (!err)
		err = query_last_arrival(s->relay->reader, &last);
	if (err) {
		query_error(s, stream, err, "topic");
		free(s->watch);
		s->watch = NULL;
		return;
	}
	if (s->relay->arrivals < last)
		s->relay->arrivals = last;
	if (s->watch->after > last)
		s->watch->after = last;
	watch_run(s);
}

/* ---- logs, entries, proofs, contents ---- */

struct info {
	Convene__LogInfo m;
	struct buffer note;
	uint8_t root[HASH_LEN];
};

static int info_note(void *ctx, const struct store_log *row)
{
	struct info *i = ctx;

	buffer_add(&i->note, row->checkpoint.data, row->checkpoint.len);
	memcpy(i->root, row->root, HASH_LEN);
	i->m.size = row->size;
	i->m.folded = row->folded;
	return OK;
}

static void logs_get(struct session *s, uint32_t stream)
{
	struct relay *r = s->relay;
	uint8_t frontier[HASH_LEN];

	sync_frontier(r->sync, frontier);
	for (struct relay_log *l = r->logs; l || r->logs == NULL; l = l->next) {
		Convene__Logs m = CONVENE__LOGS__INIT;
		struct info info = {.note = BUFFER_INIT};
		Convene__LogInfo *list = &info.m;

		m.frontier = pb_of(bytes_of(frontier, HASH_LEN));
		m.last = !l || !l->next;
		if (l) {
			convene__log_info__init(&info.m);
			r->reader->ops->log_get(r->reader, l->no, info_note, &info);
			r->reader->ops->wanted_count(r->reader, l->no, &info.m.contents_missing);
			info.m.name = pb_of(bytes_str(l->credential.binding.log_name));
			info.m.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
			info.m.root = pb_of(bytes_of(info.root, HASH_LEN));
			info.m.credential = pb_of(buffer_bytes(&l->credential.message));
			info.m.checkpoint = pb_of(buffer_bytes(&info.note));
			info.m.state = l->state;
			m.logs = &list;
			m.n_logs = 1;
		}
		channel_send(s->channel, FRAME_LOGS, stream, &m.base);
		buffer_free(&info.note);
		if (!l)
			break;
	}
}

static void entries_get(struct session *s, uint32_t stream, const Convene__EntriesGet *m)
{
	struct relay *r = s->relay;
	struct relay_log *l = log_by_digest(r, m->log.data, m->log.len);
	struct tree_hash proof[TREE_PROOF_MAX];
	struct buffer leaves = BUFFER_INIT;
	Convene__Data d = CONVENE__DATA__INIT;
	size_t got = 0, hashes = 0, count = m->count == 0 || m->count > ENTRIES_MAX ? ENTRIES_MAX : m->count;
	uint64_t held = l ? replica_held(l->replica) : 0;
	int err;

	if (!l) {
		client_error(s, stream, CONVENE__CODE__NOT_FOUND, "this node holds no such log");
		return;
	}
	if (m->first >= held) {
		client_error(s, stream, CONVENE__CODE__NOT_FOUND, "the log has no entry at that index here");
		return;
	}
	if (count > held - m->first)
		count = (size_t)(held - m->first);
	err = r->reader->ops->read(r->reader, l->no, m->first, count, FRAME_BYTES, &leaves, &got);
	if (!err)
		err = replica_prove(l->replica, m->first, m->first + got, proof, &hashes);
	if (err) {
		client_error(s, stream, CONVENE__CODE__INTERNAL, error_text(err));
	} else {
		d.log = m->log;
		d.first = m->first;
		d.leaves = pb_of(buffer_bytes(&leaves));
		d.checkpoint = pb_of(replica_note(l->replica));
		d.proof = pb_of(bytes_of(proof, hashes * HASH_LEN));
		channel_send(s->channel, FRAME_DATA, stream, &d.base);
	}
	buffer_free(&leaves);
}

/* Where a message stands, by an id or its beginning. */
static int locate(struct relay *r, struct bytes prefix, uint8_t id[static ID_LEN], struct relay_log **l, uint64_t *index)
{
	uint32_t no;
	int err = OK;

	if (prefix.len == ID_LEN)
		memcpy(id, prefix.data, ID_LEN);
	else
		err = query_resolve(r->reader, prefix, id);
	if (!err)
		err = query_message(r->reader, id, &no, index);
	if (!err)
		*l = log_by_no(r, no);
	return err ? err : *l ? OK : ERR_NOTFOUND;
}

static void proof_get(struct session *s, uint32_t stream, const Convene__ProofGet *m)
{
	struct relay *r = s->relay;
	struct buffer entry = BUFFER_INIT, text = BUFFER_INIT;
	struct tree_hash hashes[64];
	Convene__Proof answer = CONVENE__PROOF__INIT;
	struct relay_log *l = NULL;
	uint8_t id[ID_LEN];
	struct bytes leaf;
	uint64_t index;
	size_t count;
	int err = locate(r, bytes_of_pb(m->id), id, &l, &index);

	if (!err)
		err = log_entry(r, l->no, index, &entry, &leaf);
	if (!err)
		err = replica_prove_inclusion(l->replica, index, hashes, &count);
	if (!err)
		err = tlog_proof_write(&text, index, hashes, count, replica_note(l->replica));
	if (err == ERR_RANGE) {
		client_error(s, stream, CONVENE__CODE__BUSY, "this log is still being fetched; ask again later");
	} else if (err) {
		query_error(s, stream, err, "message");
	} else {
		answer.log = pb_of(bytes_str(l->credential.binding.log_name));
		answer.message = pb_of(leaf);
		answer.proof = pb_of(buffer_bytes(&text));
		channel_send(s->channel, FRAME_PROOF, stream, &answer.base);
	}
	buffer_free(&entry);
	buffer_free(&text);
}

static void content_get(struct session *s, uint32_t stream, const Convene__ContentGet *m)
{
	struct relay *r = s->relay;
	struct buffer content = BUFFER_INIT;
	struct relay_log *l = NULL;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	uint64_t index;
	int err = locate(r, bytes_of_pb(m->id), id, &l, &index);

	if (err) {
		query_error(s, stream, err, "message");
		return;
	}
	err = r->reader->ops->content_get(r->reader, l->no, index, id, salt, &content);
	if (err || content.failed) {
		Convene__ContentNone none = CONVENE__CONTENT_NONE__INIT;

		none.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
		none.index = index;
		none.reason = err == ERR_REFUSED ? CONVENE__ABSENCE__ERASED : CONVENE__ABSENCE__MISSING;
		channel_send(s->channel, FRAME_CONTENT_NONE, stream, &none.base);
	}
	for (size_t at = 0; !err && !content.failed && at < content.len; at += CHUNK_LEN) {
		Convene__ContentChunk c = CONVENE__CONTENT_CHUNK__INIT;

		c.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
		c.index = index;
		c.offset = at;
		c.total = content.len;
		if (at == 0)
			c.salt = pb_of(bytes_of(salt, SALT_LEN));
		c.data = pb_of(bytes_of(content.data + at, content.len - at < CHUNK_LEN ? content.len - at : CHUNK_LEN));
		channel_send(s->channel, FRAME_CONTENT, stream, &c.base);
	}
	buffer_free(&content);
}

static void signer_get(struct session *s, uint32_t stream, const Convene__SignerGet *m)
{
	struct relay *r = s->relay;
	const struct signer *live;
	Convene__Signer answer = CONVENE__SIGNER__INIT;
	struct author author;
	struct signer kept;

	if (m->device_key.len != KEY_LEN) {
		client_error(s, stream, CONVENE__CODE__MALFORMED, "a device key has 32 bytes");
		return;
	}
	/* The live roster knows what is accepted and not yet shown. */
	live = roster_signer(r->roster, m->device_key.data);
	if (!live || live->class != SIGNER_DEVICE) {
		client_error(s, stream, CONVENE__CODE__NOT_ENROLLED, "that key is not enrolled at this organisation");
		return;
	}
	memset(&author, 0, sizeof author);
	query_signer(r->reader, r->own->no, m->device_key.data, &kept, &author);
	answer.identity = pb_of(bytes_of(live->identity, IDENTITY_LEN));
	answer.handle = pb_of(bytes_str(author.handle));
	answer.name = pb_of(bytes_str(author.name));
	answer.sequence = live->sequence;
	answer.revoked = live->revoked > 0;
	answer.custody = live->custody;
	answer.organisation = pb_of(bytes_str(r->conf->node.name));
	channel_send(s->channel, FRAME_SIGNER, stream, &answer.base);
}

static void charter_get(struct session *s, uint32_t stream)
{
	Convene__Charter m = CONVENE__CHARTER__INIT;

	m.note = pb_of(buffer_bytes(&s->relay->charter->note));
	channel_send(s->channel, FRAME_CHARTER, stream, &m.base);
}

/* ---- dispatch ---- */

static void request(struct session *s, uint8_t type, uint32_t stream, struct bytes payload)
{
	ProtobufCMessage *m = NULL;

	if (stream == 0) {
		channel_fail(s->channel, ERR_MALFORMED, "a request needs a stream above 0");
		return;
	}
	if (message_unpack(&m, frame_descriptor(type), payload) != OK) {
		channel_fail(s->channel, ERR_MALFORMED, "a request does not parse");
		return;
	}
	switch (type) {
	case FRAME_SUBMIT:
		ingest_submit(s, stream, (const Convene__Submit *)m);
		break;
	case FRAME_TOPICS_GET:
		topics_get(s, stream);
		break;
	case FRAME_THREADS_GET:
		threads_get(s, stream, (const Convene__ThreadsGet *)m);
		break;
	case FRAME_THREAD_GET:
		thread_get(s, stream, (const Convene__ThreadGet *)m);
		break;
	case FRAME_WATCH:
		watch_start(s, stream, (const Convene__Watch *)m);
		break;
	case FRAME_LOGS_GET:
		logs_get(s, stream);
		break;
	case FRAME_ENTRIES_GET:
		entries_get(s, stream, (const Convene__EntriesGet *)m);
		break;
	case FRAME_PROOF_GET:
		proof_get(s, stream, (const Convene__ProofGet *)m);
		break;
	case FRAME_CONTENT_GET:
		content_get(s, stream, (const Convene__ContentGet *)m);
		break;
	case FRAME_REDEEM:
		enrol_redeem(s, stream, (const Convene__Redeem *)m);
		break;
	case FRAME_SIGNER_GET:
		signer_get(s, stream, (const Convene__SignerGet *)m);
		break;
	case FRAME_CHARTER_GET:
		charter_get(s, stream);
		break;
	default:
		channel_refuse(s->channel, CONVENE__CODE__UNEXPECTED, ERR_UNKNOWN_KIND, "a client sends no frames of this type");
	}
	message_free(m);
}

static bool is_request(uint8_t type)
{
	switch (type) {
	case FRAME_SUBMIT:
	case FRAME_TOPICS_GET:
	case FRAME_THREADS_GET:
	case FRAME_THREAD_GET:
	case FRAME_WATCH:
	case FRAME_LOGS_GET:
	case FRAME_ENTRIES_GET:
	case FRAME_PROOF_GET:
	case FRAME_CONTENT_GET:
	case FRAME_REDEEM:
	case FRAME_SIGNER_GET:
	case FRAME_CHARTER_GET:
		return true;
	}
	return false;
}

void client_frame(struct session *s, const struct frame *frame)
{
	struct pending *p, **at = &s->pending;
	size_t bytes = 0;

	if (!is_request(frame->type)) {
		channel_refuse(s->channel, CONVENE__CODE__UNEXPECTED, ERR_UNKNOWN_KIND, "a client sends no frames of this type");
		return;
	}
	if (!s->submitting) {
		request(s, frame->type, frame->stream, frame->payload);
		return;
	}
	for (; *at; at = &(*at)->next)
		bytes += (*at)->payload.len;
	if (s->pending_count >= SUBMIT_QUEUE || bytes + frame->payload.len > PENDING_BYTES) {
		client_error(s, frame->stream, CONVENE__CODE__BUSY, "too many requests under way on this connection");
		return;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return;
	p->type = frame->type;
	p->stream = frame->stream;
	buffer_add(&p->payload, frame->payload.data, frame->payload.len);
	*at = p;
	s->pending_count++;
}

static struct pending *pending_take(struct session *s)
{
	struct pending *p = s->pending;

	s->pending = p->next;
	s->pending_count--;
	return p;
}

void session_submitted(struct session *s)
{
	s->submitting = false;
	while (s->pending && !s->submitting && !channel_closing(s->channel)) {
		struct pending *p = pending_take(s);

		request(s, p->type, p->stream, buffer_bytes(&p->payload));
		buffer_free(&p->payload);
		free(p);
	}
}

void client_closed(struct session *s)
{
	ingest_session_closed(s);
	enrol_session_closed(s);
	while (s->pending) {
		struct pending *p = pending_take(s);

		buffer_free(&p->payload);
		free(p);
	}
	free(s->watch);
	s->watch = NULL;
}
