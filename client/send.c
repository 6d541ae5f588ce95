/* SPDX-License-Identifier: BSD-2-Clause */
/* From a message that is kept to one that others hold (SPEC.md section 12.1).
 *
 * Signed once, kept, and from then on only ever sent again as the same bytes: the node answers the
 * same id the same way, so a lost answer costs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/head.h"
#include "client/session.h"
#include "log/checkpoint.h"
#include "msg/body.h"
#include "msg/content.h"

#define BATCH_MESSAGES 64
#define BATCH_BYTES CONTENT_MAX
#define SEAL_POLL_MS 100
#define FUTURE_MS 600000 /* a message may be dated this far ahead (SPEC.md section 6.4) */
#define CODE(name) CONVENE__CODE__##name

bool code_passes(uint32_t code)
{
	switch (code) {
	case CODE(QUOTA):
	case CODE(BUSY):
	case CODE(READ_ONLY):
	case CODE(SHUTTING_DOWN):
	case CODE(IN_THE_FUTURE):
	case CODE(NOT_FIRST):
	case CODE(NOT_ENROLLED): /* the operator may be about to */
	case CODE(TIMEOUT):
	case CODE(INTERNAL):
		return true;
	default:
		return false;
	}
}

const char *status_text(uint32_t status)
{
	switch (status) {
	case CONVENE__STATUS__REFUSED:
		return "refused";
	case CONVENE__STATUS__ACCEPTED:
		return "accepted";
	case CONVENE__STATUS__SEALED:
		return "sealed";
	case CONVENE__STATUS__ANCHORED:
		return "anchored";
	default:
		return "waiting";
	}
}

void outcomes_free(struct outcomes *o)
{
	free(o->list);
	*o = (struct outcomes){NULL, 0};
}

/* Messages on their way in one SUBMIT. */
struct batch {
	struct buffer gone; /* ids of what will never be in a log, one behind the other */
	Convene__Submit *kept[BATCH_MESSAGES];
	Convene__Submission *list[BATCH_MESSAGES];
	struct outcome *outcome[BATCH_MESSAGES];
	size_t count, bytes;
};

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		message_free(&b->kept[i]->base);
	b->count = b->bytes = 0;
}

/* The node's log, as it has just said; on the control socket nobody says it but the caller. */
static struct bytes log_of(const struct session *s)
{
	const struct credential *node = client_node(s->client);

	return bytes_str(node ? node->binding.log_name : s->home.log_name);
}

static bool same_log(const struct session *s, const Convene__Submit *m)
{
	return bytes_equal(bytes_of_pb(m->forum), bytes_of(s->home.node.forum, HASH_LEN)) &&
	       bytes_equal(bytes_of_pb(m->log), log_of(s));
}

static bool is_gone(const struct batch *b, const struct ref *r)
{
	for (size_t at = 0; r->present && at < b->gone.len; at += ID_LEN)
		if (memcmp(b->gone.data + at, r->id, ID_LEN) == 0)
			return true;
	return false;
}

/* Whether a message belongs to one that was refused: what it answers, amends or erases, or the
 * topic that it stands in. Sent alone it would hang in the air for ever. */
static bool is_orphan(const struct batch *b, struct bytes message)
{
	struct target_body body;
	struct header h;

	if (b->gone.len == 0 || message_parse(message, &h) != OK)
		return false;
	if (is_gone(b, &h.topic) || is_gone(b, &h.parent))
		return true;
	return change_body_parse(&h, &body) == OK && is_gone(b, &body.target);
}

static int refuse(struct outbox *o, struct batch *b, struct outcome *d, struct trouble *t)
{
	buffer_add(&b->gone, d->id, ID_LEN);
	if (b->gone.failed)
		return no_memory(t);
	return outbox_refuse(o, d->sequence, d->code, d->text, t);
}

/* Take messages from `list` as long as they fit. Returns how many of it were looked at; 0 with an
 * error. */
static int batch_fill(struct session *s, struct outbox *o, struct outcome *list, size_t count,
    struct batch *b, size_t *taken, struct trouble *t)
{
	*taken = 0;
	for (size_t i = 0; i < count && b->count < BATCH_MESSAGES; i++) {
		struct outcome *d = &list[i];
		Convene__Submit *m;
		struct binding binding;
		size_t size;
		int err;

		if (d->status == CONVENE__STATUS__REFUSED) {
			*taken = i + 1; /* of another log, and seen to in an earlier round */
			continue;
		}
		err = outbox_get(o, BOX_WAITING, d->sequence, &m, t);
		if (err)
			return err;
		size = protobuf_c_message_get_packed_size(&m->base);
		if (b->count > 0 && b->bytes + size > BATCH_BYTES) {
			message_free(&m->base);
			break;
		}
		*taken = i + 1;
		if (binding_make(&binding, s->home.node.forum, bytes_of_pb(m->log)) == OK)
			message_id(d->id, bytes_of_pb(m->submissions[0]->message), &binding);
		if (!same_log(s, m) || is_orphan(b, bytes_of_pb(m->submissions[0]->message))) {
			/* Signed for the log that came before, it means nothing in this one. */
			d->status = CONVENE__STATUS__REFUSED;
			d->code = same_log(s, m) ? CODE(CODE_NONE) : CODE(WRONG_LOG);
			snprintf(d->text, sizeof d->text, "%s",
			    d->code ? "the node has begun another log since it was signed"
				    : "what it belongs to was refused; sign that anew first");
			message_free(&m->base);
			err = refuse(o, b, d, t);
			if (err)
				return err;
			continue;
		}
		b->kept[b->count] = m;
		b->list[b->count] = m->submissions[0];
		b->outcome[b->count++] = d;
		b->bytes += size;
	}
	return OK;
}

/* What an erasure is about must not stay here either. */
static int erasure_finish(struct session *s, struct outbox *o, uint64_t sequence, struct trouble *t)
{
	struct target_body body;
	struct header h;
	Convene__Submit *m;
	int err = outbox_get(o, BOX_WAITING, sequence, &m, t);

	if (err)
		return err;
	if (message_parse(bytes_of_pb(m->submissions[0]->message), &h) == OK &&
	    h.kind == KIND_ERASE && erase_body_parse(h.body, &body) == OK)
		err = outbox_forget(o, s->home.node.forum, body.target.id, t);
	message_free(&m->base);
	return err;
}

/* Whether a refused message keeps its place, to be sent again as it is. One that is dated ahead by
 * our own clock too was signed before that was put right: it would hold up all behind it until its
 * time comes, in years perhaps. */
static bool passes_later(uint32_t code, struct bytes message)
{
	struct header h;

	if (code == CODE(IN_THE_FUTURE) && message_parse(message, &h) == OK &&
	    h.time > clock_wall_ms() + FUTURE_MS)
		return false;
	return code_passes(code);
}

/* A message is under a signed head: it leaves the outbox, and its place is remembered. */
static int settle(struct session *s, struct outbox *o, const struct outcome *d, struct trouble *t)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	int err = erasure_finish(s, o, d->sequence, t);

	if (err)
		return err;
	if (d->sequence >= o->sealed) {
		o->sealed_log = 0;
		log_name_parse(log_of(s), &organisation, digest, &o->sealed_log);
		o->sealed = d->sequence;
		o->sealed_index = d->index;
		memcpy(o->sealed_id, d->id, ID_LEN);
	}
	/* Until a receipt proves that others have it. */
	return outbox_move(o, d->sequence, BOX_WAITING, BOX_SENT, t);
}

static int batch_send(struct session *s, struct outbox *o, struct batch *b, struct trouble *t)
{
	Convene__Submit submit = CONVENE__SUBMIT__INIT;
	const Convene__Submission *behind = NULL;
	const Convene__Submitted *answer;
	struct header header;
	ProtobufCMessage *m;
	int err;

	submit.forum = pb_of(bytes_of(s->home.node.forum, HASH_LEN));
	submit.log = pb_of(log_of(s));
	submit.submissions = b->list;
	submit.n_submissions = b->count;
	err = client_call(s->client, FRAME_SUBMIT, &submit.base, FRAME_SUBMITTED, &m, t);
	if (err)
		return err;
	answer = (const Convene__Submitted *)m;
	if (answer->n_outcomes != b->count)
		err = trouble_set(t, ERR_MALFORMED,
		    "the node answered for %zu messages, and %zu were sent", answer->n_outcomes,
		    b->count);
	for (size_t i = 0; !err && i < b->count; i++) {
		const Convene__Outcome *r = answer->outcomes[i];
		struct bytes said = r->text.len ? bytes_of_pb(r->text)
						: bytes_str(refusal_text(r->code));
		struct outcome *d = b->outcome[i];

		d->status = r->status;
		d->index = r->index;
		d->code = r->code;
		if (r->status == CONVENE__STATUS__REFUSED) {
			d->kept = passes_later(r->code, bytes_of_pb(b->list[i]->message));
			snprintf(d->text, sizeof d->text, "%.*s",
			    (int)(said.len < 190 ? said.len : 190), (const char *)said.data);
			/* Ours is an older copy of this folder: the next message must be above. */
			if (r->code == CODE(SEQUENCE))
				behind = b->list[i];
			if (!d->kept)
				err = refuse(o, b, d, t);
		} else if (r->status >= CONVENE__STATUS__SEALED) {
			err = settle(s, o, d, t);
		}
	}
	message_free(m);
	if (!err && behind && message_parse(bytes_of_pb(behind->message), &header) == OK)
		err = sequence_learn(s, o, header.signer, t);
	return err;
}

/* Ask for the proof of what was accepted: once there is one, it is sealed. */
static int seal_wait(
    struct session *s, struct outbox *o, struct outcomes *all, uint64_t ms, struct trouble *t)
{
	uint64_t deadline = clock_mono_ms() + ms;
	int err = OK;

	for (size_t i = 0; i < all->count && !err; i++) {
		struct outcome *d = &all->list[i];
		Convene__ProofGet get = CONVENE__PROOF_GET__INIT;

		get.id = pb_of(bytes_of(d->id, ID_LEN));
		while (d->status == CONVENE__STATUS__ACCEPTED && !err) {
			struct timespec pause = {0, SEAL_POLL_MS * 1000000L};
			struct tree_hash hashes[64];
			ProtobufCMessage *m;
			struct trouble unproven;
			struct bytes note;
			size_t count;

			if (client_call(s->client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m,
				&unproven) == OK) {
				if (tlog_proof_parse(
					bytes_of_pb(((const Convene__Proof *)m)->proof), &d->index,
					hashes, &count, &note) == OK) {
					d->status = CONVENE__STATUS__SEALED;
					err = settle(s, o, d, t);
				}
				message_free(m);
			}
			if (d->status != CONVENE__STATUS__ACCEPTED)
				break;
			if (unproven.err == ERR_CLOSED || unproven.err == ERR_TIMEOUT ||
			    clock_mono_ms() >= deadline)
				return OK; /* accepted is durable: the rest can wait for another day
					    */
			nanosleep(&pause, NULL);
		}
	}
	return err;
}

int outbox_flush(
    struct session *s, struct outbox *o, uint64_t seal_ms, struct outcomes *out, struct trouble *t)
{
	struct batch batch = {.count = 0};
	uint64_t *list;
	size_t count, at = 0;
	int err = outbox_list(o, BOX_WAITING, &list, &count, t);

	*out = (struct outcomes){NULL, 0};
	if (err)
		return err;
	out->list = calloc(count + 1, sizeof *out->list);
	if (!out->list) {
		free(list);
		return no_memory(t);
	}
	out->count = count;
	err = outbox_gone(o, s->home.node.forum, &batch.gone, t);
	for (size_t i = 0; i < count; i++)
		out->list[i].sequence = list[i];
	free(list);
	while (at < count && !err) {
		size_t taken = 0, stop = SIZE_MAX;
		bool stuck = false;

		err = batch_fill(s, o, out->list + at, count - at, &batch, &taken, t);
		if (!err && batch.count > 0)
			err = batch_send(s, o, &batch, t);
		/* Behind one that was refused for good the rest goes on; one that may pass later
		 * keeps its place, and the order. */
		for (size_t i = 0; i < batch.count && !err && stop == SIZE_MAX; i++) {
			if (batch.outcome[i]->status == CONVENE__STATUS__REFUSED) {
				stop = (size_t)(batch.outcome[i] - out->list) + 1;
				stuck = batch.outcome[i]->kept;
			}
		}
		at = stop == SIZE_MAX ? at + taken : stop;
		for (size_t i = at; i < count && stop != SIZE_MAX; i++)
			if (out->list[i].code == CODE(NOT_FIRST))
				out->list[i] = (struct outcome){.sequence = out->list[i].sequence};
		batch_clear(&batch);
		if (stuck)
			break;
	}
	buffer_free(&batch.gone);
	if (!err && seal_ms)
		err = seal_wait(s, o, out, seal_ms, t);
	/* What is sealed was promised: its head is what the node is held to from now on. */
	for (size_t i = 0; i < out->count && !err; i++) {
		if (out->list[i].status >= CONVENE__STATUS__SEALED) {
			err = head_follow(s, t);
			break;
		}
	}
	return err;
}
