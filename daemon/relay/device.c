/* SPDX-License-Identifier: BSD-2-Clause */
/* A person's devices beyond the first (SPEC.md 6.3, 12.4): which may be enrolled, and what is told
 * of them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/reader/enrolment.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/ingest.h"

#define DEVICES_MAX 16   /* in force, of one identity */
#define DEVICES_TOLD 256 /* of one identity, in one answer */

/* ---- whether one may be enrolled ---- */

static size_t devices_in_force(
    const struct roster *roster, const uint8_t identity[static IDENTITY_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < roster_signer_count(roster); i++) {
		const struct signer *s = roster_signer_at(roster, i);

		n += s->class == SIGNER_DEVICE && s->revoked == 0 &&
		     memcmp(s->identity, identity, IDENTITY_LEN) == 0;
	}
	return n;
}

static const char *endorser_refused(struct relay *r, const struct enrol_body *b, uint32_t *code)
{
	const struct signer *endorser = roster_signer(r->roster, b->endorser);

	if (!endorser || endorser->class != SIGNER_DEVICE) {
		*code = CONVENE__CODE__NOT_ENROLLED;
		return "the key that vouches for this device is not enrolled at this organisation";
	}
	if (endorser->revoked > 0) {
		*code = CONVENE__CODE__REVOKED;
		return "the key that vouches for this device was revoked";
	}
	if (memcmp(endorser->identity, b->identity, IDENTITY_LEN) != 0) {
		*code = CONVENE__CODE__WRONG_SIGNER;
		return "the key that vouches for this device is somebody else's";
	}
	*code = CONVENE__CODE__BAD_SIGNATURE;
	return device_verify(b->endorsement, ENDORSE_DOMAIN, &r->node->binding, b->identity,
		   b->device_key, b->custody, b->endorser) == OK
		   ? NULL
		   : "the endorsement of this device does not verify";
}

const char *device_refused(struct relay *r, const struct enrol_body *b, uint32_t *code)
{
	const char *why = b->has_endorsement ? endorser_refused(r, b, code) : NULL;

	if (why)
		return why;
	*code = CONVENE__CODE__NOT_FOUND;
	if (!roster_has_identity(r->roster, b->identity))
		return "nobody is enrolled here under that identity";
	*code = CONVENE__CODE__QUOTA;
	if (!b->recovery && devices_in_force(r->roster, b->identity) >= DEVICES_MAX)
		return "this participant has as many devices as one may have; revoke one first";
	if (!b->recovery && !quota_take(r, b->identity, clock_mono_ms()))
		return "too much from this participant in an hour; try again later";
	return NULL;
}

/* ---- what is told of them ---- */

void device_handle(
    struct relay *r, const uint8_t key[static KEY_LEN], char handle[static HANDLE_MAX + 1])
{
	struct author author;

	handle[0] = '\0';
	if (query_signer(r->reader, r->own->no, key, NULL, &author) == OK)
		memcpy(handle, author.handle, sizeof author.handle);
}

/* The ENROL of a device: its time and, in `b`, how it came about. */
static int enrol_read(struct relay *r, const struct signer *s, struct enrol_body *b, uint64_t *time)
{
	struct buffer message = BUFFER_INIT;
	struct header h;
	int err = enrol_message(r, s->enrol_id, &message);

	if (!err)
		err = message_parse(buffer_bytes(&message), &h);
	if (!err)
		err = h.kind == KIND_ENROL ? enrol_body_parse(h.body, b) : ERR_MALFORMED;
	if (!err)
		*time = h.time;
	buffer_free(&message);
	return err;
}

uint64_t device_recovered(struct relay *r, uint32_t log_no, const uint8_t key[static KEY_LEN])
{
	return enrolment_recovered(r->reader, log_no, key);
}

struct told {
	Convene__Device m;
	struct enrol_body body;
	uint8_t key[KEY_LEN];
};

static void device_fill(struct relay *r, const struct signer *s, struct told *d)
{
	convene__device__init(&d->m);
	memcpy(d->key, s->key, KEY_LEN);
	d->m.key = pb_of(bytes_of(d->key, KEY_LEN));
	d->m.enrolled = s->enrolled;
	d->m.revoked = s->revoked;
	d->m.custody = s->custody;
	d->m.sequence = s->sequence;
	if (enrol_read(r, s, &d->body, &d->m.time) == OK && d->body.has_endorsement)
		d->m.endorser = pb_of(bytes_of(d->body.endorser, KEY_LEN));
	if (s->recovery)
		d->m.recovered = d->body.recovery && d->m.time
				     ? d->m.time
				     : device_recovered(r, r->own->no, s->key);
	if (s->recovery && d->m.recovered == 0)
		d->m.recovered = 1; /* not folded yet */
}

/* Newest first, then turned round, so that the newest are told where there are too many. */
static size_t devices_fill(struct relay *r, const uint8_t identity[static IDENTITY_LEN],
    struct told *told, Convene__Device **list)
{
	size_t n = 0;

	for (size_t i = roster_signer_count(r->roster); i-- > 0 && n < DEVICES_TOLD;) {
		const struct signer *s = roster_signer_at(r->roster, i);

		if (s->class == SIGNER_DEVICE && memcmp(s->identity, identity, IDENTITY_LEN) == 0)
			device_fill(r, s, &told[n++]);
	}
	for (size_t i = 0; i < n; i++)
		list[i] = &told[n - 1 - i].m;
	return n;
}

/* Whose it is; of one that the views don't know yet, by another device of theirs. */
static void author_find(struct relay *r, const struct signer *live, struct author *out)
{
	memset(out, 0, sizeof *out);
	if (query_signer(r->reader, r->own->no, live->key, NULL, out) == OK)
		return;
	for (size_t i = 0; i < roster_signer_count(r->roster); i++) {
		const struct signer *s = roster_signer_at(r->roster, i);

		if (s->class == SIGNER_DEVICE &&
		    memcmp(s->identity, live->identity, IDENTITY_LEN) == 0 &&
		    query_signer(r->reader, r->own->no, s->key, NULL, out) == OK)
			return;
	}
}

void device_signer_get(struct session *s, uint32_t stream, const Convene__SignerGet *m)
{
	struct relay *r = s->relay;
	const struct signer *live;
	Convene__Signer answer = CONVENE__SIGNER__INIT;
	Convene__Device *list[DEVICES_TOLD];
	struct told *told = NULL;
	struct author author;

	if (m->device_key.len != KEY_LEN) {
		client_error(s, stream, CONVENE__CODE__MALFORMED, "a device key has 32 bytes");
		return;
	}
	/* The live roster knows what is accepted and not yet shown. */
	live = roster_signer(r->roster, m->device_key.data);
	if (!live || live->class != SIGNER_DEVICE) {
		client_error(s, stream, CONVENE__CODE__NOT_ENROLLED,
		    "that key is not enrolled at this organisation");
		return;
	}
	author_find(r, live, &author);
	answer.identity = pb_of(bytes_of(live->identity, IDENTITY_LEN));
	answer.handle = pb_of(bytes_str(author.handle));
	answer.name = pb_of(bytes_str(author.name));
	answer.sequence = live->sequence;
	answer.revoked = live->revoked > 0;
	answer.custody = live->custody;
	answer.organisation = pb_of(bytes_str(r->conf->node.name));
	if (m->devices && (told = calloc(DEVICES_TOLD, sizeof *told))) {
		answer.devices = list;
		answer.n_devices = devices_fill(r, live->identity, told, list);
	}
	channel_send(s->channel, FRAME_SIGNER, stream, &answer.base);
	free(told);
}
