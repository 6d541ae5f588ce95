/* SPDX-License-Identifier: BSD-2-Clause */
/* From a draft to a message that others hold (SPEC.md sections 5, 7 and 12.1).
 *
 * Signed once, kept, and from then on only ever sent again as the same bytes: the node answers the
 * same id the same way, so a lost answer costs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/session.h"
#include "log/checkpoint.h"

#define BATCH_MESSAGES 64
#define CONTENT_MAX (2 * 1024 * 1024) /* the highest limit that a charter may set (3.1) */
#define BATCH_BYTES CONTENT_MAX
#define SEAL_POLL_MS 100
#define CODE(name) CONVENE__CODE__##name

int draft_keep(struct session *s, struct outbox *o, const struct key *key, const struct draft *d,
    uint8_t id[static ID_LEN], struct trouble *t)
{
	struct header h = {.version = 1,
	    .sequence = o->sequence + 1,
	    .kind = d->kind,
	    .topic = d->topic,
	    .parent = d->parent,
	    .time = clock_wall_ms(),
	    .lang = d->lang,
	    .has_commitment = d->content.len > 0,
	    .bucket = d->content.len > 0 ? bucket_of(d->content.len) : 0,
	    .body = d->body};
	Convene__Submission submission = CONVENE__SUBMISSION__INIT, *list = &submission;
	Convene__Submit submit = CONVENE__SUBMIT__INIT;
	struct buffer message = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct binding b;
	int err = binding_make(&b, s->home.node.forum, bytes_str(s->home.log_name));

	if (err)
		return trouble_set(t, ERR_IO, "the name of your node's log, %.180s, is not valid",
		    s->home.log_name);
	random_fill(salt, sizeof salt);
	memcpy(h.signer, key->public, KEY_LEN);
	if (h.has_commitment)
		commitment_make(h.commitment, &b, key->public, salt, d->content);
	err = message_sign(&message, &b, &h, key);
	if (err) {
		buffer_free(&message);
		return trouble_set(t, err, "the message can't be signed: %s", error_text(err));
	}
	message_id(id, buffer_bytes(&message), &b);
	submission.message = pb_of(buffer_bytes(&message));
	if (h.has_commitment)
		submission.salt = pb_of(bytes_of(salt, SALT_LEN));
	submission.content = pb_of(d->content);
	submit.forum = pb_of(bytes_of(b.forum, HASH_LEN));
	submit.log = pb_of(bytes_str(b.log_name));
	submit.submissions = &list;
	submit.n_submissions = 1;
	if (d->content.len > CONTENT_MAX) {
		err = trouble_set(t, ERR_TOO_LARGE,
		    "text and attachments together are larger than any forum takes (%d MiB)",
		    CONTENT_MAX >> 20);
		trouble_hint(t, "Attach less, or put the file elsewhere and name its address.");
	} else {
		err = outbox_put(o, h.sequence, &submit, t);
	}
	buffer_free(&message);
	return err;
}

/* Ask the node for the highest sequence that it has of a key, so that the next one is above it. */
static int sequence_learn(
    struct session *s, struct outbox *o, const uint8_t key[static KEY_LEN], struct trouble *t)
{
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	ProtobufCMessage *m;
	int err;

	get.device_key = pb_of(bytes_of(key, KEY_LEN));
	err = client_call(s->client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, &m, t);
	if (!err) {
		uint64_t sequence = ((const Convene__Signer *)m)->sequence;

		if (sequence > o->sequence && sequence < SEQUENCE_MAX)
			o->sequence = sequence;
		message_free(m);
	} else if (t->code == CODE(NOT_ENROLLED) || t->code == CODE(NOT_FOUND)) {
		err = OK; /* nothing of ours is there */
	}
	return err ? err : outbox_state_save(o, t);
}

int session_outbox(struct session *s, struct outbox *o, struct trouble *t)
{
	struct key key;
	int err = outbox_open(o, s->home.path, t);

	if (err || !o->lost)
		return err;
	if (!s->client) {
		trouble_set(t, ERR_CLOSED,
		    "the outbox does not know its last sequence, and the node can't be asked: "
		    "%.300s",
		    s->unreachable.text);
		trouble_hint(t, "Try again when the node can be reached.");
		return ERR_CLOSED;
	}
	err = home_key(&s->home, &key, t);
	if (err)
		return err;
	err = sequence_learn(s, o, key.public, t);
	key_wipe(&key);
	return err;
}

/* ---- sending ---- */

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

static bool same_log(const struct session *s, const Convene__Submit *m)
{
	return bytes_equal(bytes_of_pb(m->forum), bytes_of(s->home.node.forum, HASH_LEN)) &&
	       bytes_equal(
		   bytes_of_pb(m->log), bytes_str(client_node(s->client)->binding.log_name));
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
		if (!same_log(s, m)) {
			/* Signed for the log that came before: it means nothing in this one. */
			d->status = CONVENE__STATUS__REFUSED;
			d->code = CODE(WRONG_LOG);
			snprintf(d->text, sizeof d->text,
			    "the node has begun another log since it was signed");
			message_free(&m->base);
			err = outbox_move(o, d->sequence, BOX_WAITING, BOX_REFUSED, t);
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

/* A message is under a signed head: it leaves the outbox, and its place is remembered. */
static int settle(struct outbox *o, const struct outcome *d, struct trouble *t)
{
	if (d->sequence >= o->sealed) {
		o->sealed = d->sequence;
		o->sealed_index = d->index;
		memcpy(o->sealed_id, d->id, ID_LEN);
	}
	return outbox_move(o, d->sequence, BOX_WAITING,
	    d->status == CONVENE__STATUS__ANCHORED ? BOX_NONE : BOX_SENT, t);
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
	submit.log = pb_of(bytes_str(client_node(s->client)->binding.log_name));
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
			d->kept = code_passes(r->code);
			snprintf(d->text, sizeof d->text, "%.*s",
			    (int)(said.len < 190 ? said.len : 190), (const char *)said.data);
			/* Ours is an older copy of this folder: the next message must be above. */
			if (r->code == CODE(SEQUENCE))
				behind = b->list[i];
			if (!d->kept)
				err = outbox_move(o, d->sequence, BOX_WAITING, BOX_REFUSED, t);
		} else if (r->status >= CONVENE__STATUS__SEALED) {
			err = settle(o, d, t);
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
					err = settle(o, d, t);
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
		return trouble_set(t, ERR_NOMEM, "there is not enough memory");
	}
	out->count = count;
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
	if (!err && seal_ms)
		err = seal_wait(s, o, out, seal_ms, t);
	return err;
}
