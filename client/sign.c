/* SPDX-License-Identifier: BSD-2-Clause */
/* From a draft to a message that is kept (SPEC.md sections 5 and 7). */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/archive/journal.h"
#include "client/session.h"
#include "msg/content.h"

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
	if (d->content.len > CONTENT_MAX) {
		trouble_set(t, ERR_TOO_LARGE,
		    "text and attachments together are larger than any forum takes (%d MiB)",
		    CONTENT_MAX >> 20);
		trouble_hint(t, "Attach less, or put the file elsewhere and name its address.");
		return ERR_TOO_LARGE;
	}
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
	if (d->before)
		err = d->before(d->ctx, h.sequence, id, t);
	if (!err)
		err = outbox_put(o, h.sequence, &submit, t);
	buffer_free(&message);
	return err;
}

int sequence_learn(
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
	uint64_t imported;
	struct key key;
	int err = outbox_open(o, s->home.path, t);

	/* An import that was interrupted has signed more than it has told the outbox of. */
	if (!err)
		err = journal_sequence(s->home.path, &imported, t);
	if (!err && imported > o->sequence)
		o->sequence = imported;
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
