/* SPDX-License-Identifier: BSD-2-Clause */
/* Enrolment: an invite, or a request that the operator was given, becomes an ENROL of our log
 * (SPEC.md 6.3, 12.3); so does the request of a further device that one of the same person has
 * endorsed, or the operator recovers (12.4, device.c).
 *
 * An invite is marked as used by a key, durably, before the ENROL is made; the same key may then
 * come again after any crash, and gets the same answer, while no other key can. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/relay/state.h"
#include "msg/body.h"

struct enrolling {
	struct store_job store; /* marks the invite */
	struct relay *relay;
	struct session *session; /* NULL: the operator's, or gone */
	uint32_t stream;
	bool by_operator;
	struct store_invite invite;
	bool further; /* for an identity that exists; without a profile */
	struct enrol_body body;
	uint8_t salt[SALT_LEN];
	char handle[HANDLE_MAX + 1], skeleton[SKELETON_MAX + 1];
	struct buffer content, message;
	ingest_done *done;
	void *ctx;
	struct enrolling *next;
};

static void enrolling_free(struct enrolling *e)
{
	struct enrolling **at = &e->relay->enrolling;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	buffer_free(&e->content);
	buffer_free(&e->message);
	free(e);
}

void enrol_session_closed(struct session *s)
{
	for (struct enrolling *e = s->relay->enrolling; e; e = e->next) {
		if (e->session == s)
			e->session = NULL;
	}
}

/* End it with a refusal. */
static void refuse(struct enrolling *e, uint32_t code, const char *text)
{
	static const uint8_t none[ID_LEN];

	if (e->session)
		client_refuse(e->session, e->stream, code, text);
	if (e->done)
		e->done(e->ctx, ERR_REFUSED, code, text, none);
	enrolling_free(e);
}

int enrol_message(struct relay *r, const uint8_t id[static ID_LEN], struct buffer *out)
{
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	uint64_t index;
	uint32_t no;
	int err;

	for (const struct waiting *w = r->inbox; w; w = w->next) {
		if (memcmp(w->id, id, ID_LEN) == 0) {
			buffer_add(out, w->message.data, w->message.len);
			return OK;
		}
	}
	err = query_message(r->reader, id, &no, &index);
	if (!err)
		err = log_entry(r, no, index, &entry, &leaf);
	if (!err)
		buffer_add(out, leaf.data, leaf.len);
	buffer_free(&entry);
	return err;
}

static void answer(struct enrolling *e, const uint8_t id[static ID_LEN])
{
	Convene__Redeemed m = CONVENE__REDEEMED__INIT;
	uint64_t index = 0;

	if (e->session) {
		m.message = pb_of(buffer_bytes(&e->message));
		m.handle = pb_of(bytes_str(e->handle));
		m.status = (uint32_t)inbox_status(e->relay, id, &index);
		m.index = index;
		channel_send(e->session->channel, FRAME_REDEEMED, e->stream, &m.base);
	}
	if (e->done)
		e->done(e->ctx, OK, 0, "", id);
	log_info(e->body.recovery          ? "%s@%s has a key that was recovered"
		 : e->body.has_endorsement ? "%s@%s has a further device"
					   : "%s@%s is enrolled",
	    e->handle, e->relay->conf->node.name);
	enrolling_free(e);
}

static void ingested(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN])
{
	struct enrolling *e = ctx;

	if (!err && enrol_message(e->relay, id, &e->message) != OK) {
		code = CONVENE__CODE__INTERNAL;
		text = "it is enrolled, but the ENROL can't be shown; ask again";
		err = ERR_NOTFOUND;
	}
	if (err)
		refuse(e, code, text);
	else
		answer(e, id);
}

/* Sign and take in. */
static void enrol_now(struct enrolling *e)
{
	struct relay *r = e->relay;
	struct buffer body = BUFFER_INIT;
	struct header h = {.version = 1,
	    .kind = KIND_ENROL,
	    .time = clock_wall_ms(),
	    .has_commitment = !e->further};
	int err;

	if (h.has_commitment) {
		h.bucket = bucket_of(e->content.len);
		commitment_make(h.commitment, &r->node->binding, signer_registrar_key(r->signer),
		    e->salt, buffer_bytes(&e->content));
	}
	err = enrol_body_encode(&body, &e->body);
	h.body = buffer_bytes(&body);
	if (err)
		refuse(e, CONVENE__CODE__INTERNAL, error_text(err));
	else
		registrar_make(r, &h, e->salt, buffer_bytes(&e->content), ingested, e);
	buffer_free(&body);
}

static int mark_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)forum;
	return writer->ops->invite_put(writer, &((struct enrolling *)job)->invite);
}

static void mark_done(struct store_job *job)
{
	struct enrolling *e = (struct enrolling *)job;

	if (job->result != OK)
		refuse(e, CONVENE__CODE__INTERNAL,
		    "the invite could not be marked as used; try again");
	else
		enrol_now(e);
}

/* ---- checks ---- */

bool enrol_claims(
    const struct relay *r, const uint8_t identity[static IDENTITY_LEN], const char *skeleton)
{
	for (const struct enrolling *e = r->enrolling; e; e = e->next) {
		if (!e->further && strcmp(e->skeleton, skeleton) == 0 &&
		    memcmp(e->body.identity, identity, IDENTITY_LEN) != 0)
			return true;
	}
	return false;
}

static const char *profile_check(struct enrolling *e)
{
	return handle_check(
	    e->relay, buffer_bytes(&e->content), e->body.identity, e->handle, e->skeleton);
}

/* Read a request into a new struct enrolling, linked; NULL after it was refused. */
static struct enrolling *enrolling_new(struct relay *r, struct session *s, uint32_t stream,
    const Convene__Redeem *m, bool further, ingest_done *done, void *ctx)
{
	struct enrolling *e = calloc(1, sizeof *e);
	struct enrol_body *b;

	if (!e) {
		static const uint8_t none[ID_LEN];

		if (s)
			client_error(s, stream, CONVENE__CODE__INTERNAL, "out of memory");
		if (done)
			done(ctx, ERR_NOMEM, CONVENE__CODE__INTERNAL, "out of memory", none);
		return NULL;
	}
	e->relay = r;
	e->session = s;
	e->stream = stream;
	e->done = done;
	e->ctx = ctx;
	e->next = r->enrolling;
	r->enrolling = e;
	e->further = further;
	b = &e->body;
	if (m->identity.len != IDENTITY_LEN || m->device_key.len != KEY_LEN ||
	    m->device_signature.len != SIG_LEN || m->custody > 1 ||
	    m->salt.len != (further ? 0 : SALT_LEN) || (m->content.len == 0) != further ||
	    m->content.len > r->charter->content_limit) {
		refuse(e, CONVENE__CODE__MALFORMED,
		    "the enrolment request lacks something, or holds it in a wrong size");
		return NULL;
	}
	memcpy(b->identity, m->identity.data, IDENTITY_LEN);
	memcpy(b->device_key, m->device_key.data, KEY_LEN);
	memcpy(b->device_signature, m->device_signature.data, SIG_LEN);
	if (!further)
		memcpy(e->salt, m->salt.data, SALT_LEN);
	b->custody = (uint8_t)m->custody;
	buffer_add(&e->content, m->content.data, m->content.len);
	if (!key_usable(b->device_key) ||
	    device_verify(b->device_signature, DEVICE_DOMAIN, &r->node->binding, b->identity,
		b->device_key, b->custody, b->device_key) != OK) {
		refuse(e, CONVENE__CODE__BAD_SIGNATURE,
		    "the device key has not signed this enrolment");
		return NULL;
	}
	return e;
}

/* Whether that key is enrolled already; then the answer is what it was. True when answered. */
static bool answered_before(struct enrolling *e)
{
	const struct signer *known = roster_signer(e->relay->roster, e->body.device_key);

	if (!known)
		return false;
	if (known->revoked > 0) {
		refuse(e, CONVENE__CODE__REVOKED,
		    "that device key was revoked, and is never enrolled again");
		return true;
	}
	if (known->class != SIGNER_DEVICE ||
	    memcmp(known->identity, e->body.identity, IDENTITY_LEN) != 0 ||
	    enrol_message(e->relay, known->enrol_id, &e->message) != OK) {
		refuse(e, CONVENE__CODE__INVITE,
		    "that device key is enrolled already, for somebody else");
		return true;
	}
	if (!e->further)
		profile_check(e); /* fills in the handle */
	answer(e, known->enrol_id);
	return true;
}

static void redeem_invite(struct session *s, uint32_t stream, const Convene__Redeem *m)
{
	struct relay *r = s->relay;
	struct enrolling *e = enrolling_new(r, s, stream, m, false, NULL, NULL);
	const struct signer *known;
	const char *why;
	uint8_t hash[HASH_LEN];
	int err;

	if (!e)
		return;
	hash_of(hash, m->secret.data, m->secret.len);
	err = m->secret.len == 16 ? r->reader->ops->invite_get(r->reader, hash, &e->invite)
				  : ERR_NOTFOUND;
	if (err) {
		refuse(e, CONVENE__CODE__INVITE, "no such invite at this node");
		return;
	}
	if (e->invite.used && memcmp(e->invite.device_key, e->body.device_key, KEY_LEN) != 0) {
		refuse(e, CONVENE__CODE__INVITE,
		    "the invite has been used; ask the operator for another");
		return;
	}
	if (e->invite.used && answered_before(e))
		return;
	if (clock_wall_ms() > e->invite.expires && !e->invite.used) {
		refuse(e, CONVENE__CODE__INVITE,
		    "the invite has expired; ask the operator for another");
		return;
	}
	known = roster_signer(r->roster, e->body.device_key);
	if (known && !e->invite.used) {
		refuse(e, known->revoked > 0 ? CONVENE__CODE__REVOKED : CONVENE__CODE__INVITE,
		    known->revoked > 0 ? "that device key was revoked, and is never enrolled again"
				       : "that device key is enrolled already");
		return;
	}
	for (struct enrolling *o = r->enrolling; o; o = o->next) {
		if (o != e && !o->by_operator && memcmp(o->invite.hash, hash, HASH_LEN) == 0) {
			refuse(e, CONVENE__CODE__BUSY, "the invite is being used right now");
			return;
		}
	}
	why = profile_check(e);
	if (why) {
		refuse(e, CONVENE__CODE__HANDLE, why);
		return;
	}
	if (e->invite.handle[0] && strcmp(e->invite.handle, e->handle) != 0) {
		refuse(e, CONVENE__CODE__HANDLE, "the invite is for another handle");
		return;
	}
	e->invite.used = true;
	memcpy(e->invite.device_key, e->body.device_key, KEY_LEN);
	e->store.run = mark_run;
	e->store.done = mark_done;
	storage_submit(r, &e->store);
}

/* ---- a further device (12.4) ---- */

/* Whether the same is on its way; the second answer comes when it is asked for again. */
static bool under_way(const struct enrolling *e)
{
	for (const struct enrolling *o = e->relay->enrolling; o; o = o->next) {
		if (o != e && memcmp(o->body.device_key, e->body.device_key, KEY_LEN) == 0)
			return true;
	}
	return false;
}

static void further_now(struct enrolling *e)
{
	const char *why = NULL;
	uint32_t code = CONVENE__CODE__BUSY;

	if (answered_before(e))
		return;
	if (under_way(e))
		why = "that device is being enrolled right now";
	else
		why = device_refused(e->relay, &e->body, &code);
	if (why)
		refuse(e, code, why);
	else
		enrol_now(e);
}

static void redeem_endorsed(struct session *s, uint32_t stream, const Convene__Redeem *m)
{
	struct enrolling *e = enrolling_new(s->relay, s, stream, m, true, NULL, NULL);

	if (!e)
		return;
	if (m->endorser.len != KEY_LEN || m->endorsement.len != SIG_LEN || m->secret.len > 0) {
		refuse(e, CONVENE__CODE__MALFORMED,
		    "an endorsement lacks something, or holds it in a wrong size");
		return;
	}
	e->body.has_endorsement = true;
	memcpy(e->body.endorser, m->endorser.data, KEY_LEN);
	memcpy(e->body.endorsement, m->endorsement.data, SIG_LEN);
	device_handle(e->relay, e->body.endorser, e->handle);
	further_now(e);
}

void enrol_recover(
    struct relay *r, const Convene__Redeem *m, const char *handle, ingest_done *done, void *ctx)
{
	struct enrolling *e = enrolling_new(r, NULL, 0, m, true, done, ctx);

	if (!e)
		return;
	e->by_operator = true;
	e->body.recovery = true;
	snprintf(e->handle, sizeof e->handle, "%s", handle);
	further_now(e);
}

void enrol_redeem(struct session *s, uint32_t stream, const Convene__Redeem *m)
{
	if (m->endorser.len > 0 || m->endorsement.len > 0)
		redeem_endorsed(s, stream, m);
	else
		redeem_invite(s, stream, m);
}

void enrol_operator(struct relay *r, const Convene__Redeem *m, ingest_done *done, void *ctx)
{
	struct enrolling *e = enrolling_new(r, NULL, 0, m, false, done, ctx);
	const char *why;

	if (!e)
		return;
	e->by_operator = true;
	if (answered_before(e))
		return;
	why = profile_check(e);
	if (why)
		refuse(e, CONVENE__CODE__HANDLE, why);
	else
		enrol_now(e);
}
