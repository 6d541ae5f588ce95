/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "client/output.h"
#include "client/session.h"

#define BATCH_MESSAGES 512
#define BATCH_BYTES (1024 * 1024)
#define ANSWER_MS 60000
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS 2000
#define QUOTA_MAX_MS 60000
#define BEHIND_MAX 3 /* times that the sequence may turn out to be used, without any progress */
#define CODE(name) CONVENE__CODE__##name

/* One signed post; its bytes lie in the batch's arena. */
struct signed_post {
	uint64_t sequence;
	uint32_t tag;
	uint8_t key[MAIL_KEY_LEN];
	struct ref post;
	size_t message, message_len, content, content_len, absent, absent_count;
	uint8_t salt[SALT_LEN];
};

struct batch {
	struct signed_post list[BATCH_MESSAGES];
	size_t first, count; /* those before `first` are acknowledged */
	struct buffer arena;
	struct buffer absent; /* keys, one behind the other */
};

struct submitter {
	struct import_node *node;
	struct journal *journal;
	const struct key *key;
	const struct submit_events *events;
	void *ctx;
	struct batch *building, *flying;
	uint64_t sequence, settled, patience_ms;
	uint64_t since; /* when the node began to take nothing; 0: it takes */
	uint64_t pause_ms;
	uint32_t from, stream;
	unsigned behind;
	bool tagged; /* false: what flies is an earlier run's */
	bool sent;   /* what flies was, on this connection, under `stream` */
	Convene__Submission submissions[BATCH_MESSAGES], *pointers[BATCH_MESSAGES];
};

static void batch_reset(struct batch *b)
{
	b->first = b->count = 0;
	buffer_reset(&b->arena);
	buffer_reset(&b->absent);
}

static void batch_free(struct batch *b)
{
	if (!b)
		return;
	buffer_free(&b->arena);
	buffer_free(&b->absent);
	free(b);
}

int submitter_new(struct submitter **out, struct import_node *node, struct journal *journal,
    const struct key *key, uint64_t sequence, uint64_t patience_ms,
    const struct submit_events *events, void *ctx, struct trouble *t)
{
	struct submitter *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s) {
		s->building = calloc(1, sizeof *s->building);
		s->flying = calloc(1, sizeof *s->flying);
	}
	if (!s || !s->building || !s->flying) {
		submitter_free(s);
		return no_memory(t);
	}
	s->node = node;
	s->journal = journal;
	s->key = key;
	s->sequence = sequence;
	s->patience_ms = patience_ms;
	s->events = events;
	s->ctx = ctx;
	*out = s;
	return OK;
}

void submitter_free(struct submitter *s)
{
	if (!s)
		return;
	batch_free(s->building);
	batch_free(s->flying);
	free(s);
}

uint32_t submit_from(const struct submitter *s)
{
	return s->from;
}

uint64_t submit_sequence(const struct submitter *s)
{
	return s->sequence;
}

/* ---- sending ---- */

static int flying_send(struct submitter *s, struct trouble *t)
{
	const struct batch *b = s->flying;
	Convene__Submit m = CONVENE__SUBMIT__INIT;
	size_t count = 0;
	int err;

	for (size_t i = b->first; i < b->count; i++) {
		const struct signed_post *p = &b->list[i];
		Convene__Submission *to = &s->submissions[count];

		convene__submission__init(to);
		to->message = pb_of(bytes_of(b->arena.data + p->message, p->message_len));
		to->salt = pb_of(bytes_of(p->salt, SALT_LEN));
		to->content = pb_of(bytes_of(b->arena.data + p->content, p->content_len));
		s->pointers[count++] = to;
	}
	m.forum = pb_of(bytes_of(s->node->binding.forum, HASH_LEN));
	m.log = pb_of(bytes_str(s->node->binding.log_name));
	m.submissions = s->pointers;
	m.n_submissions = count;
	err = client_send(s->node->client, FRAME_SUBMIT, &m.base, &s->stream, t);
	if (!err)
		err = client_push(s->node->client, ANSWER_MS, t);
	s->sent = err == OK;
	return err;
}

static void pause_ms(uint64_t ms)
{
	struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};

	nanosleep(&ts, NULL);
}

/* Wait a little longer than the last time. `quota`: nobody is away, and patience is no matter.
 * Returns false when patience is at its end. */
static bool wait_more(struct submitter *s, bool quota, const char *why)
{
	uint64_t most = quota ? QUOTA_MAX_MS : PAUSE_MAX_MS, now = clock_mono_ms(), until;

	if (s->since == 0 || quota)
		s->since = now;
	if (now >= s->since + s->patience_ms && !quota)
		return false;
	s->pause_ms = s->pause_ms == 0          ? PAUSE_FIRST_MS
		      : s->pause_ms >= most / 2 ? most
						: 2 * s->pause_ms;
	until = now + s->pause_ms;
	for (; now < until; now = clock_mono_ms()) {
		s->events->waiting(s->ctx, why);
		pause_ms(until - now < 1000 ? until - now : 1000);
	}
	return true;
}

/* The connection is of no use any more: get another one. */
static int reconnect(struct submitter *s, struct trouble *t)
{
	struct trouble why = *t;

	import_node_close(s->node);
	for (;;) {
		int err;

		if (!wait_more(s, false, "the node can't be reached; waiting for it")) {
			*t = why;
			if (t->err != ERR_TIMEOUT)
				t->err = ERR_CLOSED;
			t->code = 0;
			trouble_hint(t, "Nothing is lost: the same command goes on where this one "
					"stopped.");
			return t->err;
		}
		err = import_node_open(s->node, &why);
		if (!err)
			return OK;
		/* What answers is another one, or not to be had by us. */
		if (err != ERR_CLOSED && err != ERR_TIMEOUT && why.code == 0) {
			*t = why;
			return err;
		}
	}
}

/* ---- what the node says ---- */

/* Forget all from this sequence on; none of it is or will be at the node. */
static int drop(struct submitter *s, uint64_t sequence, uint32_t from, struct trouble *t)
{
	int err = journal_begin(s->journal, t);

	if (!err && s->settled > 0)
		err = journal_settle(s->journal, s->settled, t);
	if (!err)
		err = journal_drop(s->journal, sequence, t);
	if (!err)
		err = journal_commit(s->journal, t);
	batch_reset(s->flying);
	batch_reset(s->building);
	s->from = from;
	return err ? err : SUBMIT_AGAIN;
}

static bool ends_all(uint32_t code)
{
	return code == CODE(NOT_ENROLLED) || code == CODE(REVOKED) || code == CODE(WRONG_LOG) ||
	       code == CODE(WRONG_FORUM) || code == CODE(BAD_SIGNATURE);
}

static void said(char out[static 200], const Convene__Outcome *r)
{
	struct bytes text = r->text.len ? bytes_of_pb(r->text) : bytes_str(refusal_text(r->code));
	struct buffer line = BUFFER_INIT;

	text_line(&line, text);
	snprintf(out, 200, "%s", buffer_str(&line));
	buffer_free(&line);
}

/* The node refuses the first of what flies: `first`. OK: send it again. */
static int refusal(struct submitter *s, uint32_t code, const char *why, struct trouble *t)
{
	const struct signed_post *first = &s->flying->list[s->flying->first];
	uint64_t learnt;
	int err;

	if (code == CODE(SEQUENCE)) {
		/* It isn't there, and never will be: another program of this device has signed
		 * with a higher sequence meanwhile. */
		if (++s->behind > BEHIND_MAX) {
			trouble_set(t, ERR_REFUSED,
			    "the node says again and again that our sequences are used");
			trouble_hint(t, "Is this device's key at work somewhere else, too?");
			return t->err;
		}
		err = import_node_sequence(s->node, s->key->public, &learnt, t);
		if (err)
			return err;
		if (learnt > s->sequence)
			s->sequence = learnt;
		return drop(s, first->sequence, first->tag, t);
	}
	if (code_passes(code) && !ends_all(code)) {
		char text[256];

		snprintf(text, sizeof text, "the node takes nothing now (%s); waiting", why);
		if (wait_more(s, code == CODE(QUOTA), text))
			return OK;
		trouble_set(t, ERR_CLOSED, "the node takes nothing now: %s", why);
		trouble_hint(
		    t, "Nothing is lost: the same command goes on where this one stopped.");
		return t->err;
	}
	if (ends_all(code) || !s->tagged) {
		/* What an earlier run left goes its way without a word: the mail is read again. */
		if (!ends_all(code))
			return drop(s, first->sequence, 0, t);
		trouble_set(t, ERR_REFUSED, "the node refuses: %s", why);
		t->code = code;
		return t->err;
	}
	s->events->refused(s->ctx, first->tag, why);
	return drop(s, first->sequence, first->tag + 1, t);
}

static int answer_take(struct submitter *s, const Convene__Submitted *m, struct trouble *t)
{
	struct batch *b = s->flying;
	char why[200];

	if (m->n_outcomes != b->count - b->first)
		return trouble_set(t, ERR_MALFORMED,
		    "the node answered for %zu messages, and %zu were sent", m->n_outcomes,
		    b->count - b->first);
	for (size_t i = 0; i < m->n_outcomes; i++) {
		const Convene__Outcome *r = m->outcomes[i];

		if (r->status < CONVENE__STATUS__ACCEPTED) {
			said(why, r);
			return refusal(s, r->code, why, t);
		}
		s->settled = b->list[b->first].sequence;
		s->since = 0;
		s->pause_ms = 0;
		s->behind = 0;
		if (s->tagged)
			s->events->accepted(s->ctx, b->list[b->first].tag);
		b->first++;
	}
	return OK;
}

/* Until all that flies has arrived. */
static int flying_land(struct submitter *s, struct trouble *t)
{
	int err = OK;

	while (!err && s->flying->first < s->flying->count) {
		ProtobufCMessage *m;

		if (!s->sent)
			err = flying_send(s, t);
		if (!err)
			err = client_next(
			    s->node->client, s->stream, FRAME_SUBMITTED, ANSWER_MS, &m, t);
		s->sent = false;
		if (!err) {
			err = answer_take(s, (const Convene__Submitted *)m, t);
			message_free(m);
		} else if (t->code == CODE(WRONG_LOG)) {
			trouble_set(t, ERR_STALE, "the node has begun another log meanwhile");
			trouble_hint(t, "Run the same command again: it goes on in the new one.");
		} else if (t->code && t->code != CODE(SHUTTING_DOWN)) {
			char why[200];

			snprintf(why, sizeof why, "%.199s", t->text);
			err = refusal(s, t->code, why, t);
		} else if (t->err == ERR_CLOSED || t->err == ERR_TIMEOUT || t->code) {
			err = reconnect(s, t);
		}
	}
	if (!err)
		batch_reset(s->flying);
	return err;
}

/* ---- a batch's way ---- */

static int post_keep(struct submitter *s, const struct batch *b, const struct signed_post *p,
    struct buffer *scratch, struct trouble *t)
{
	Convene__Submission m = CONVENE__SUBMISSION__INIT;
	uint8_t *room;
	int err;

	m.message = pb_of(bytes_of(b->arena.data + p->message, p->message_len));
	m.salt = pb_of(bytes_of(p->salt, SALT_LEN));
	m.content = pb_of(bytes_of(b->arena.data + p->content, p->content_len));
	buffer_reset(scratch);
	room = buffer_reserve(scratch, protobuf_c_message_get_packed_size(&m.base));
	if (!room)
		return no_memory(t);
	scratch->len = protobuf_c_message_pack(&m.base, room);
	err = journal_sign(s->journal, p->key, &p->post, p->sequence, buffer_bytes(scratch), t);
	for (size_t i = 0; i < p->absent_count && !err; i++)
		err = journal_absent_add(
		    s->journal, b->absent.data + (p->absent + i) * MAIL_KEY_LEN, p->key, t);
	return err;
}

/* Durable, before its first byte is sent. */
static int building_keep(struct submitter *s, struct trouble *t)
{
	const struct batch *b = s->building;
	struct buffer scratch = BUFFER_INIT;
	int err = journal_begin(s->journal, t);

	if (!err && s->settled > 0)
		err = journal_settle(s->journal, s->settled, t);
	for (size_t i = 0; i < b->count && !err; i++)
		err = post_keep(s, b, &b->list[i], &scratch, t);
	if (!err)
		err = journal_commit(s->journal, t);
	else
		journal_rollback(s->journal);
	buffer_free(&scratch);
	return err;
}

/* What was built flies, when what flew has landed. */
static int building_push(struct submitter *s, struct trouble *t)
{
	struct batch *built = s->building;
	int err = built->count > 0 ? building_keep(s, t) : OK;

	if (!err && s->flying->count > 0)
		err = flying_land(s, t);
	if (!err && built->count > 0) {
		s->building = s->flying;
		s->flying = built;
		s->tagged = true;
		/* A connection that breaks now is flying_land()'s to mend. */
		if (flying_send(s, t) != OK && t->err != ERR_CLOSED && t->err != ERR_TIMEOUT)
			err = t->err;
	}
	s->events->waiting(s->ctx, NULL);
	return err;
}

int submit_add(struct submitter *s, const struct submit_post *post, uint8_t id[static ID_LEN],
    struct trouble *t)
{
	static const uint8_t nowhere[DIGEST_LEN];
	struct batch *b = s->building;
	struct signed_post *p;
	struct header h = {.version = 1,
	    .sequence = s->sequence + 1,
	    .kind = KIND_POST,
	    .topic = post->topic,
	    .parent = post->parent,
	    .time = post->time,
	    .lang = post->lang,
	    .has_commitment = true,
	    .bucket = bucket_of(post->content.len)};
	int err;

	if (b->count == BATCH_MESSAGES ||
	    (b->count > 0 && b->arena.len + post->content.len > BATCH_BYTES)) {
		err = building_push(s, t);
		if (err)
			return err;
		b = s->building;
	}
	if (h.parent.present && memcmp(h.parent.log, nowhere, DIGEST_LEN) == 0)
		memcpy(h.parent.log, s->node->binding.digest, DIGEST_LEN);
	p = &b->list[b->count];
	*p = (struct signed_post){.sequence = h.sequence,
	    .tag = post->tag,
	    .message = b->arena.len,
	    .content_len = post->content.len,
	    .absent = b->absent.len / MAIL_KEY_LEN,
	    .absent_count = post->absent_count};
	memcpy(p->key, post->key, MAIL_KEY_LEN);
	random_fill(p->salt, SALT_LEN);
	memcpy(h.signer, s->key->public, KEY_LEN);
	commitment_make(h.commitment, &s->node->binding, h.signer, p->salt, post->content);
	err = message_sign(&b->arena, &s->node->binding, &h, s->key);
	if (err)
		return trouble_set(t, err, "a post can't be signed: %s", error_text(err));
	p->message_len = b->arena.len - p->message;
	message_id(id, bytes_of(b->arena.data + p->message, p->message_len), &s->node->binding);
	p->post.present = true;
	memcpy(p->post.log, s->node->binding.digest, DIGEST_LEN);
	memcpy(p->post.id, id, ID_LEN);
	p->content = b->arena.len;
	buffer_add(&b->arena, post->content.data, post->content.len);
	buffer_add(&b->absent, post->absent, post->absent_count * MAIL_KEY_LEN);
	if (b->arena.failed || b->absent.failed)
		return no_memory(t);
	s->sequence++;
	b->count++;
	return OK;
}

/* Let what the node has leave the journal, when there is no batch to do that with. */
static int settled_keep(struct submitter *s, struct trouble *t)
{
	int err = s->settled > 0 ? journal_begin(s->journal, t) : OK;

	if (err || s->settled == 0)
		return err;
	err = journal_settle(s->journal, s->settled, t);
	return err ? err : journal_commit(s->journal, t);
}

int submit_finish(struct submitter *s, struct trouble *t)
{
	int err = building_push(s, t);

	if (!err)
		err = building_push(s, t); /* what the first one sent */
	return err ? err : settled_keep(s, t);
}

/* ---- what an earlier run left ---- */

struct waiting {
	struct submitter *s;
	uint64_t after; /* the last that was taken */
	struct trouble *t;
};

static int waiting_take(void *ctx, uint64_t sequence, struct bytes submission)
{
	struct waiting *w = ctx;
	struct batch *b = w->s->flying;
	struct signed_post *p = &b->list[b->count];
	const Convene__Submission *from;
	ProtobufCMessage *m;

	if (sequence <= w->after)
		return OK;
	if (b->count == BATCH_MESSAGES ||
	    (b->count > 0 && b->arena.len + submission.len > BATCH_BYTES))
		return SUBMIT_AGAIN;
	if (message_unpack(&m, &convene__submission__descriptor, submission) != OK) {
		trouble_set(w->t, ERR_STORE, "the journal of imports holds a damaged message");
		trouble_hint(w->t, "Move import.db in the home away: what it knows is learnt from "
				   "the node again.");
		return w->t->err;
	}
	from = (const Convene__Submission *)m;
	*p = (struct signed_post){.sequence = sequence,
	    .message = b->arena.len,
	    .message_len = from->message.len,
	    .content = b->arena.len + from->message.len,
	    .content_len = from->content.len};
	if (from->salt.len == SALT_LEN)
		memcpy(p->salt, from->salt.data, SALT_LEN);
	buffer_add(&b->arena, from->message.data, from->message.len);
	buffer_add(&b->arena, from->content.data, from->content.len);
	message_free(m);
	if (b->arena.failed)
		return no_memory(w->t);
	b->count++;
	w->after = sequence;
	return OK;
}

int submit_waiting(struct submitter *s, uint64_t *count, struct trouble *t)
{
	struct waiting w = {.s = s, .t = t};
	bool more = true;
	int err = OK;

	*count = 0;
	s->tagged = false;
	while (more && !err) {
		err = journal_pending(s->journal, waiting_take, &w, t);
		more = err == SUBMIT_AGAIN;
		if (more)
			err = OK;
		if (err || s->flying->count == 0)
			break;
		*count += s->flying->count;
		s->sent = false;
		err = flying_land(s, t);
	}
	if (err == SUBMIT_AGAIN)
		return OK; /* the rest was dropped, and will be read again */
	return err ? err : settled_keep(s, t);
}
