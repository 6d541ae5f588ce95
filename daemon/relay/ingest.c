/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages for our own log: checked, durable in the inbox ("accepted"), then sealed in batches
 * under a signed checkpoint.
 *
 * The order of the inbox is the order of the log. That is what makes a crash between signing and
 * committing harmless: the lock file says which head was signed, and the same oldest rows of the
 * inbox give that head again (see resume). Whatever fails on the way to the disk ends the relay;
 * the parent starts it again from what is durable, so memory never runs ahead of it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/admit.h"
#include "daemon/relay/ingest.h"

enum {
	CHECK_MAX = 8,      /* messages that a worker takes at a time; */
	CHECK_BEHIND = 64,  /*   behind entries that are folded: its turn comes seldom */
	ACCEPTED_MAX = 256, /* messages that wait for others */
	CROWD_MS = 8,       /* so many in this time are more than one client can send */
	CROWD = 16,
	PAUSE_MS = 4, /* from one sync to the next, then, */
	ENOUGH = 64   /*   unless so many wait */
};

/* ---- messages on their way in ---- */

struct batch {
	struct job verify;
	struct intake_job intake;
	struct relay *relay;
	struct session *session; /* NULL: our own, or the client has gone */
	uint32_t stream;
	struct binding binding;
	struct submission *list;
	size_t count, accepted, bytes;
	bool trusted; /* ours, or the operator's: no quota */
	ingest_done *done;
	void *ctx;
	struct batch *next, **at;
	struct batch *later; /* the next one in the same list or job */
};

#define batch_of_intake(j) ((struct batch *)((char *)(j)-offsetof(struct batch, intake)))

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		submission_clear(&b->list[i]);
	b->relay->held_bytes -= b->bytes;
	free(b->list);
	free(b);
}

static struct batch *batch_new(struct relay *r, size_t count)
{
	struct batch *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->list = calloc(count + 1, sizeof *b->list);
	if (!b->list) {
		free(b);
		return NULL;
	}
	b->relay = r;
	b->count = count;
	b->binding = r->node->binding;
	return b;
}

static void list_add(struct batch_list *l, struct batch *b)
{
	if (l->first)
		l->last->later = b;
	else
		l->first = b;
	l->last = b;
	l->messages += b->count;
}

static struct batch *list_take(struct batch_list *l)
{
	struct batch *b = l->first;

	l->first = b->later;
	b->later = NULL;
	l->messages -= b->count;
	return b;
}

static void batch_verify(struct job *job)
{
	for (struct batch *b = (struct batch *)job; b; b = b->later) {
		bool refused = false;

		for (size_t i = 0; i < b->count; i++) {
			submission_verify(&b->list[i], &b->binding, refused);
			refused |= b->list[i].parsed != OK || b->list[i].signature != OK;
		}
	}
}

/* ---- answering ---- */

static void batch_answer(struct batch *b)
{
	Convene__Submitted m = CONVENE__SUBMITTED__INIT;
	Convene__Outcome *outcomes, **list;

	if (b->done) {
		const struct submission *s = &b->list[0];

		b->done(b->ctx, s->status == CONVENE__STATUS__REFUSED ? ERR_REFUSED : OK, s->code,
		    s->text ? s->text : "", s->id);
	}
	if (!b->session)
		return;
	outcomes = calloc(b->count + 1, sizeof *outcomes);
	list = calloc(b->count + 1, sizeof *list);
	if (outcomes && list) {
		for (size_t i = 0; i < b->count; i++) {
			const struct submission *s = &b->list[i];

			convene__outcome__init(&outcomes[i]);
			if (s->parsed == OK)
				outcomes[i].id = pb_of(bytes_of(s->id, ID_LEN));
			outcomes[i].status = s->status;
			outcomes[i].index = s->index;
			outcomes[i].code = s->code;
			if (s->text)
				outcomes[i].text = pb_of(bytes_str(s->text));
			if (s->status == CONVENE__STATUS__REFUSED &&
			    s->code != CONVENE__CODE__NOT_FIRST)
				stranger_trouble(b->session, s->text);
			list[i] = &outcomes[i];
		}
		m.outcomes = list;
		m.n_outcomes = b->count;
		channel_send_now(b->session->channel, FRAME_SUBMITTED, b->stream, &m.base);
	}
	free(outcomes);
	free(list);
	session_submitted(b->session);
}

/* ---- storing ---- */

static int batch_store(const struct batch *b, struct intake *intake)
{
	int err = OK;

	for (size_t i = 0; i < b->count && !err; i++) {
		const struct submission *s = &b->list[i];

		if (s->fresh)
			err = intake_add(intake, s->id, buffer_bytes(&s->message), s->salt,
			    buffer_bytes(&s->content));
	}
	return err;
}

static int inbox_run(struct intake_job *job, struct intake *intake)
{
	int err = OK;

	for (const struct batch *b = batch_of_intake(job); b && !err; b = b->later)
		err = batch_store(b, intake);
	return err;
}

static void batch_unlink(struct batch *b)
{
	if (b->at) {
		*b->at = b->next;
		if (b->next)
			b->next->at = b->at;
	}
}

static void batch_stored(struct batch *b, int result)
{
	struct relay *r = b->relay;

	for (size_t i = 0; i < b->count; i++) {
		struct submission *u = &b->list[i];

		if (u->status == CONVENE__STATUS__ACCEPTED && (u->fresh ? result != OK : r->failed))
			submission_refuse(u, CONVENE__CODE__INTERNAL,
			    "the node could not store the message; send it again");
	}
	batch_answer(b);
	batch_unlink(b);
	batch_free(b);
}

static void inbox_done(struct intake_job *job)
{
	struct batch *b = batch_of_intake(job), *next;
	struct relay *r = job->relay;
	int result = job->result;

	if (result != OK) {
		log_error("accepted messages could not be stored (%s); starting anew from what is",
		    error_text(result));
		relay_fail(r);
	}
	for (const struct batch *each = b; each && result == OK; each = each->later)
		r->inbox_durable += each->accepted;
	for (; b; b = next) {
		next = b->later;
		batch_stored(b, result);
	}
	seal_soon(r);
}

/* Whether many write just now. */
static void crowd_note(struct relay *r, size_t messages, uint64_t now)
{
	uint64_t since = now - r->crowd_since;

	if (since >= CROWD_MS) {
		r->crowd = since < 2 * CROWD_MS && r->crowd_count >= CROWD;
		r->crowd_since = now;
		r->crowd_count = 0;
	}
	r->crowd_count += messages;
}

void ingest_flush(struct relay *r)
{
	struct batch *b = r->accepted.first;

	if (!b)
		return;
	event_del(r->accept_timer);
	r->accept_at = clock_mono_ms();
	crowd_note(r, r->accepted.messages, r->accept_at);
	r->accepted = (struct batch_list){NULL, NULL, 0};
	b->intake.run = inbox_run;
	b->intake.done = inbox_done;
	views_live(r);
	intake_submit(r, &b->intake);
}

/* Nobody waits for longer than this, whatever others do meanwhile. */
static void ingest_later(struct relay *r, uint64_t ms)
{
	struct timeval tv = {0, (suseconds_t)ms * 1000};

	if (!event_pending(r->accept_timer, EV_TIMEOUT, NULL))
		event_add(r->accept_timer, &tv);
}

/* A sync costs the same whatever is in it. While as many are being verified as have been
 * accepted, these wait for those. And in a crowd there are some milliseconds from one to the next.
 * One that comes alone goes at once. */
static void ingest_soon(struct relay *r)
{
	size_t waiting = r->accepted.messages;
	uint64_t since = clock_mono_ms() - r->accept_at;

	if (waiting == 0)
		return;
	if (waiting < r->checking && waiting < ACCEPTED_MAX)
		ingest_later(r, PAUSE_MS);
	else if (!r->crowd || since >= PAUSE_MS || waiting >= ENOUGH || r->stopping)
		ingest_flush(r);
	else
		ingest_later(r, PAUSE_MS - since);
}

static void batch_admit(struct batch *b)
{
	struct relay *r = b->relay;
	bool wait = false;
	size_t i = 0;

	if (recover_merges(r)) {
		list_add(&r->held_back, b);
		return;
	}
	for (; i < b->count; i++) {
		struct submission *s = &b->list[i];
		uint64_t before = r->next_index;

		submission_admit(r, s, b->trusted);
		if (s->status == CONVENE__STATUS__REFUSED)
			break;
		/* Also one that was sent before: what it says then may still be on its way to the
		 * disk, ahead of our job. */
		wait |= s->status == CONVENE__STATUS__ACCEPTED;
		s->fresh = r->next_index != before;
		if (s->fresh) {
			inbox_add(r, s->id, buffer_bytes(&s->message), s->salt,
			    buffer_bytes(&s->content), s->parsed == OK && s->signature == OK);
			b->accepted++;
		}
	}
	while (++i < b->count)
		submission_refuse(&b->list[i], CONVENE__CODE__NOT_FIRST,
		    "an earlier message of the batch was refused");
	if (wait) {
		list_add(&r->accepted, b);
	} else {
		batch_answer(b);
		batch_unlink(b);
		batch_free(b);
	}
}

void ingest_resume(struct relay *r)
{
	while (r->held_back.first)
		batch_admit(list_take(&r->held_back));
	ingest_soon(r);
}

static void verify_done(struct job *job);

/* What comes while the workers have enough to do goes to them several at a time: a job costs two
 * turns from thread to thread. */
static void check_start(struct relay *r)
{
	size_t each = r->folds_verifying > 0 ? CHECK_BEHIND : CHECK_MAX;
	unsigned most = 2 * pool_threads(r->workers);

	while (r->unchecked.first && r->checks < most) {
		struct batch *first = list_take(&r->unchecked), *last = first;
		size_t share = r->unchecked.messages / most, count = first->count;

		while (r->unchecked.first && count < each && count < share) {
			last->later = list_take(&r->unchecked);
			last = last->later;
			count += last->count;
		}
		r->checks++;
		first->verify.work = batch_verify;
		first->verify.done = verify_done;
		pool_submit(r->workers, &first->verify);
	}
}

static void verify_done(struct job *job)
{
	struct batch *b = (struct batch *)job, *next;
	struct relay *r = b->relay;

	r->checks--;
	for (; b; b = next) {
		next = b->later;
		b->later = NULL;
		r->checking -= b->count;
		batch_admit(b);
	}
	check_start(r);
	ingest_soon(r);
}

void ingest_submit(struct session *session, uint32_t stream, const Convene__Submit *m)
{
	struct relay *r = session->relay;
	struct batch *b;
	size_t bytes = 0;

	if (m->forum.len != HASH_LEN || memcmp(m->forum.data, r->charter->forum, HASH_LEN) != 0) {
		client_refuse(session, stream, CONVENE__CODE__WRONG_FORUM,
		    "these messages are signed for another forum");
		return;
	}
	if (!bytes_equal(bytes_of_pb(m->log), bytes_str(r->node->binding.log_name))) {
		client_refuse(session, stream, CONVENE__CODE__WRONG_LOG,
		    "these messages are signed for another log than this node's");
		return;
	}
	if (m->n_submissions == 0 || m->n_submissions > 1024) {
		client_refuse(session, stream, CONVENE__CODE__MALFORMED,
		    "a SUBMIT holds 1 to 1,024 messages");
		return;
	}
	for (size_t i = 0; i < m->n_submissions; i++)
		bytes += m->submissions[i]->message.len + m->submissions[i]->content.len;
	if (r->held_bytes + bytes > HELD_BYTES_MAX) {
		client_error(session, stream, CONVENE__CODE__BUSY,
		    "too much is being submitted at once; try again later");
		return;
	}
	b = batch_new(r, m->n_submissions);
	if (!b) {
		client_error(session, stream, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	b->bytes = bytes;
	r->held_bytes += bytes;
	for (size_t i = 0; i < b->count; i++) {
		const Convene__Submission *s = m->submissions[i];

		if (!submission_set(&b->list[i], bytes_of_pb(s->message), bytes_of_pb(s->salt),
			bytes_of_pb(s->content))) {
			client_error(session, stream, CONVENE__CODE__INTERNAL, "out of memory");
			batch_free(b);
			return;
		}
	}
	b->session = session;
	b->trusted = session->local;
	b->stream = stream;
	b->next = r->batches;
	b->at = &r->batches;
	if (b->next)
		b->next->at = &b->next;
	r->batches = b;
	session->submitting = true;
	r->checking += b->count;
	list_add(&r->unchecked, b);
	check_start(r);
}

/* The client has gone; what it sent goes its way. */
void ingest_session_closed(struct session *s)
{
	for (struct batch *b = s->relay->batches; b; b = b->next) {
		if (b->session == s)
			b->session = NULL;
	}
}

void ingest_own(struct relay *r, struct bytes message, const uint8_t salt[static SALT_LEN],
    struct bytes content, ingest_done *done, void *ctx)
{
	struct batch *b = batch_new(r, 1);

	if (!b || !submission_set(&b->list[0], message, bytes_of(salt, SALT_LEN), content)) {
		static const uint8_t none[ID_LEN];

		done(ctx, ERR_NOMEM, CONVENE__CODE__INTERNAL, "out of memory", none);
		if (b)
			batch_free(b);
		return;
	}
	b->done = done;
	b->ctx = ctx;
	b->trusted = true;
	submission_verify(&b->list[0], &b->binding, false);
	batch_admit(b);
	ingest_soon(r);
}
