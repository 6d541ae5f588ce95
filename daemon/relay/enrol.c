/* SPDX-License-Identifier: BSD-2-Clause */
/* Enrolment: an invite, or a request that the operator was given, becomes an ENROL of our log
 * (SPEC.md 6.3, 12.3).
 *
 * An invite is marked as used by a key, durably, before the ENROL is made; the same key may then
 * come again after any crash, and gets the same answer, while no other key can. */
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
	uint8_t identity[IDENTITY_LEN], device_key[KEY_LEN], device_signature[SIG_LEN],
	    salt[SALT_LEN];
	uint8_t custody;
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

/* The ENROL of a key that is enrolled already. */
static int enrol_message(struct relay *r, const uint8_t id[static ID_LEN], struct buffer *out)
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
	log_info("%s@%s is enrolled", e->handle, e->relay->conf->node.name);
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
	struct enrol_body b = {.custody = e->custody};
	struct header h = {
	    .version = 1, .kind = KIND_ENROL, .time = clock_wall_ms(), .has_commitment = true};
	int err;

	memcpy(b.identity, e->identity, IDENTITY_LEN);
	memcpy(b.device_key, e->device_key, KEY_LEN);
	memcpy(b.device_signature, e->device_signature, SIG_LEN);
	h.bucket = bucket_of(e->content.len);
	commitment_make(h.commitment, &r->node->binding, signer_registrar_key(r->signer), e->salt,
	    buffer_bytes(&e->content));
	err = enrol_body_encode(&body, &b);
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
		if (strcmp(e->skeleton, skeleton) == 0 &&
		    memcmp(e->identity, identity, IDENTITY_LEN) != 0)
			return true;
	}
	return false;
}

static const char *profile_check(struct enrolling *e)
{
	return handle_check(
	    e->relay, buffer_bytes(&e->content), e->identity, e->handle, e->skeleton);
}

/* Read a request into a new struct enrolling, linked; NULL after it was refused. */
static struct enrolling *enrolling_new(struct relay *r, struct session *s, uint32_t stream,
    const Convene__Redeem *m, ingest_done *done, void *ctx)
{
	struct enrolling *e = calloc(1, sizeof *e);

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
	if (m->identity.len != IDENTITY_LEN || m->device_key.len != KEY_LEN ||
	    m->device_signature.len != SIG_LEN || m->salt.len != SALT_LEN || m->content.len == 0 ||
	    m->content.len > r->charter->content_limit || m->custody > 1) {
		refuse(e, CONVENE__CODE__MALFORMED,
		    "the enrolment request lacks something, or holds it in a wrong size");
		return NULL;
	}
	memcpy(e->identity, m->identity.data, IDENTITY_LEN);
	memcpy(e->device_key, m->device_key.data, KEY_LEN);
	memcpy(e->device_signature, m->device_signature.data, SIG_LEN);
	memcpy(e->salt, m->salt.data, SALT_LEN);
	e->custody = (uint8_t)m->custody;
	buffer_add(&e->content, m->content.data, m->content.len);
	if (!key_usable(e->device_key) ||
	    device_verify(e->device_signature, DEVICE_DOMAIN, &r->node->binding, e->identity,
		e->device_key, e->custody, e->device_key) != OK) {
		refuse(e, CONVENE__CODE__BAD_SIGNATURE,
		    "the device key has not signed this enrolment");
		return NULL;
	}
	return e;
}

/* Whether that key is enrolled already; then the answer is what it was. True when answered. */
static bool answered_before(struct enrolling *e)
{
	const struct signer *known = roster_signer(e->relay->roster, e->device_key);

	if (!known)
		return false;
	if (known->class != SIGNER_DEVICE ||
	    memcmp(known->identity, e->identity, IDENTITY_LEN) != 0 ||
	    enrol_message(e->relay, known->enrol_id, &e->message) != OK) {
		refuse(e, CONVENE__CODE__INVITE,
		    "that device key is enrolled already, for somebody else");
		return true;
	}
	profile_check(e); /* fills in the handle */
	answer(e, known->enrol_id);
	return true;
}

static void hash_secret(uint8_t hash[static HASH_LEN], struct bytes secret)
{
	hash_of(hash, secret.data, secret.len);
}

void enrol_redeem(struct session *s, uint32_t stream, const Convene__Redeem *m)
{
	struct relay *r = s->relay;
	struct enrolling *e = enrolling_new(r, s, stream, m, NULL, NULL);
	const struct signer *known;
	const char *why;
	uint8_t hash[HASH_LEN];
	int err;

	if (!e)
		return;
	hash_secret(hash, bytes_of_pb(m->secret));
	err = m->secret.len == 16 ? r->reader->ops->invite_get(r->reader, hash, &e->invite)
				  : ERR_NOTFOUND;
	if (err) {
		refuse(e, CONVENE__CODE__INVITE, "no such invite at this node");
		return;
	}
	if (e->invite.used && memcmp(e->invite.device_key, e->device_key, KEY_LEN) != 0) {
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
	known = roster_signer(r->roster, e->device_key);
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
	memcpy(e->invite.device_key, e->device_key, KEY_LEN);
	e->store.run = mark_run;
	e->store.done = mark_done;
	storage_submit(r, &e->store);
}

void enrol_operator(struct relay *r, const Convene__Redeem *m, ingest_done *done, void *ctx)
{
	struct enrolling *e = enrolling_new(r, NULL, 0, m, done, ctx);
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

/* ---- invites ---- */

struct invite_job {
	struct store_job store;
	struct store_invite invite;
	ingest_done *done;
	void *ctx;
};

static int invite_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)forum;
	return writer->ops->invite_put(writer, &((struct invite_job *)job)->invite);
}

static void invite_done(struct store_job *job)
{
	struct invite_job *j = (struct invite_job *)job;
	static const uint8_t none[ID_LEN];

	j->done(j->ctx, job->result, job->result ? CONVENE__CODE__INTERNAL : 0,
	    job->result ? error_text(job->result) : "", none);
	free(j);
}

static void add_base64url(struct buffer *out, const uint8_t *data, size_t len)
{
	char text[64];

	base64url_encode(text, data, len);
	buffer_add_str(out, text);
}

void invite_make(struct relay *r, const char *handle, unsigned days, struct buffer *text,
    uint64_t *expires, ingest_done *done, void *ctx)
{
	struct invite_job *j = calloc(1, sizeof *j);
	uint8_t secret[16];

	if (!j) {
		static const uint8_t none[ID_LEN];

		done(ctx, ERR_NOMEM, CONVENE__CODE__INTERNAL, "out of memory", none);
		return;
	}
	random_fill(secret, sizeof secret);
	hash_secret(j->invite.hash, bytes_of(secret, sizeof secret));
	*expires = j->invite.expires = clock_wall_ms() + (uint64_t)days * 86400000;
	if (handle)
		snprintf(j->invite.handle, sizeof j->invite.handle, "%s", handle);
	buffer_printf(text, "convene://%s/%s/", r->conf->node.address.text, r->conf->node.name);
	add_base64url(text, r->node->root_key, KEY_LEN);
	buffer_add_str(text, "/");
	add_base64url(text, r->charter->forum, HASH_LEN);
	buffer_add_str(text, "/");
	add_base64url(text, secret, sizeof secret);
	secret_wipe(secret, sizeof secret);
	j->done = done;
	j->ctx = ctx;
	j->store.run = invite_run;
	j->store.done = invite_done;
	storage_submit(r, &j->store);
}
