/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's commands about people: who may join, who lost their keys, and whose keys end. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/relay/control.h"
#include "daemon/relay/report.h"
#include "msg/body.h"

#define INVITE_DAYS 14
#define INVITE_DAYS_MAX 365

/* ---- invites and enrolment ---- */

struct inviting {
	struct request *q;
	struct buffer text;
	char handle[65];
	uint64_t expires;
};

static void inviting_free(struct inviting *v)
{
	buffer_free(&v->text);
	free(v);
}

/* What a line is in a browser: behind "#", which browsers don't send. NULL: there is no web site.
 */
static json_t *web_link(struct relay *r, const char *line, const char *handle)
{
	struct buffer link = BUFFER_INIT;
	json_t *out;

	if (!r->conf->web.url)
		return NULL;
	buffer_printf(&link, "%s/join#%s", r->conf->web.url, line);
	if (handle[0])
		buffer_add_str(&link, ";handle=");
	for (const char *p = handle; *p; p++) {
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-._~", *p))
			buffer_add_u8(&link, (uint8_t)*p);
		else
			buffer_printf(&link, "%%%02X", (unsigned char)*p);
	}
	out = link.failed ? NULL : json_string(buffer_str(&link));
	buffer_free(&link);
	return out;
}

static void invited(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN])
{
	struct inviting *v = ctx;

	(void)id;
	if (err)
		request_refuse(v->q, code, text);
	else
		request_reply(v->q,
		    json_pack("{s:s, s:o*, s:I, s:o, s:b}", "invite", buffer_str(&v->text), "link",
			web_link(request_relay(v->q), buffer_str(&v->text), v->handle), "expires",
			(json_int_t)v->expires, "handle", report_text(v->handle), "restart",
			request_relay(v->q)->registrar_replaced));
	inviting_free(v);
}

/* The options of an invite: NULL, or what is wrong with them. */
static const char *invite_options(
    struct inviting *v, uint64_t *days, int argc, char **argv, uint32_t *code)
{
	const char *why = NULL;

	*code = CONVENE__CODE__MALFORMED;
	for (int i = 1; i < argc; i += 2) {
		bool handle = strcmp(argv[i], "--handle") == 0;

		if (i + 1 >= argc || (!handle && strcmp(argv[i], "--days") != 0))
			return "invite takes --handle HANDLE and --days N";
		if (handle && handle_prepare(v->handle, bytes_str(argv[i + 1]), &why) != OK) {
			bool it = why && strncmp(why, "it ", 3) == 0;

			*code = CONVENE__CODE__HANDLE;
			buffer_printf(&v->text, "--handle%s %s", it ? "" : ":",
			    it    ? why + 3
			    : why ? why
				  : "can't be used");
			return buffer_str(&v->text);
		}
		if (!handle &&
		    (decimal_parse(days, argv[i + 1], strlen(argv[i + 1]), INVITE_DAYS_MAX) != OK ||
			*days == 0))
			return "--days wants a number from 1 to 365";
	}
	return NULL;
}

void control_invite(struct request *q, int argc, char **argv, struct bytes input)
{
	struct inviting *v = calloc(1, sizeof *v);
	uint64_t days = INVITE_DAYS;
	const char *why;
	uint32_t code;

	(void)input;
	if (!v) {
		request_refuse(q, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	v->q = q;
	why = invite_options(v, &days, argc, argv, &code);
	if (why) {
		request_refuse(q, code, why);
		inviting_free(v);
		return;
	}
	invite_make(request_relay(q), v->handle[0] ? v->handle : NULL, (unsigned)days, &v->text,
	    &v->expires, invited, v);
}

/* A line that `convene join` printed: `prefix`, and base64url of a Redeem. message_free() it. */
static int request_read(ProtobufCMessage **out, const char *prefix, const char *line)
{
	size_t skip = strlen(prefix), len = strlen(line);
	struct buffer raw = BUFFER_INIT;
	uint8_t *room;
	int err = ERR_MALFORMED;

	*out = NULL;
	if (len > skip && memcmp(line, prefix, skip) == 0 && (room = buffer_reserve(&raw, len))) {
		raw.len = len;
		err = base64url_decode(room, &raw.len, line + skip, len - skip);
	}
	if (!err)
		err = message_unpack(out, frame_descriptor(FRAME_REDEEM), buffer_bytes(&raw));
	buffer_free(&raw);
	return err;
}

void control_enrol(struct request *q, int argc, char **argv, struct bytes input)
{
	ProtobufCMessage *m;

	(void)argc;
	(void)input;
	if (request_read(&m, "convene-enrol:", argv[1]) == OK)
		enrol_operator(request_relay(q), (const Convene__Redeem *)m, request_ingested, q);
	else
		request_refuse(q, CONVENE__CODE__MALFORMED,
		    "enrol takes the line that `convene join --offline` printed, beginning with "
		    "convene-enrol:");
	message_free(m);
}

/* ---- recovery ---- */

struct person_find {
	const char *handle;
	uint8_t identity[IDENTITY_LEN];
	bool found;
};

static int person_row(void *ctx, const struct author *a, const struct signer *d)
{
	struct person_find *f = ctx;

	(void)d;
	if (!f->found && strcmp(a->handle, f->handle) == 0) {
		f->found = true;
		memcpy(f->identity, a->identity, IDENTITY_LEN);
	}
	return OK;
}

/* Whose handle it is; false: it was refused. */
static bool person_of(struct request *q, const char *handle, uint8_t out[static IDENTITY_LEN])
{
	struct relay *r = request_relay(q);
	struct person_find f = {.handle = handle};

	if (*handle && query_people(r->reader, r->own->no, person_row, &f) == OK && f.found) {
		memcpy(out, f.identity, IDENTITY_LEN);
		return true;
	}
	request_refuse(q, CONVENE__CODE__NOT_FOUND, "nobody is enrolled here under that handle");
	return false;
}

/* A line for the new computer of somebody who exists: it holds no secret. */
void control_identity(struct request *q, int argc, char **argv, struct bytes input)
{
	struct relay *r = request_relay(q);
	struct buffer line = BUFFER_INIT;
	uint8_t identity[IDENTITY_LEN];

	(void)argc;
	(void)input;
	if (!person_of(q, argv[1], identity))
		return;
	device_line_add(r, identity, &line);
	if (line.failed)
		request_refuse(q, CONVENE__CODE__INTERNAL, "out of memory");
	else
		request_reply(q, json_pack("{s:s, s:o, s:s, s:o*}", "handle", argv[1], "identity",
				     report_hex(identity, IDENTITY_LEN), "line", buffer_str(&line),
				     "link", web_link(r, buffer_str(&line), "")));
	buffer_free(&line);
}

void control_recover_person(struct request *q, int argc, char **argv, struct bytes input)
{
	uint8_t identity[IDENTITY_LEN];
	const Convene__Redeem *redeem;
	ProtobufCMessage *m;

	(void)argc;
	(void)input;
	if (!person_of(q, argv[1], identity))
		return;
	if (request_read(&m, "convene-device:", argv[2]) != OK) {
		request_refuse(q, CONVENE__CODE__MALFORMED,
		    "recover-person takes the line that `convene join` printed on the new "
		    "computer, "
		    "beginning with convene-device:");
		return;
	}
	redeem = (const Convene__Redeem *)m;
	if (!bytes_equal(bytes_of_pb(redeem->identity), bytes_of(identity, IDENTITY_LEN)))
		request_refuse(q, CONVENE__CODE__WRONG_SIGNER,
		    "that line was made for somebody else than this handle's owner");
	else
		enrol_recover(request_relay(q), redeem, argv[1], request_ingested, q);
	message_free(m);
}

/* ---- revoke ---- */

static void revoked_one(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN]);

struct revoking {
	struct request *q;
	json_t *done, *ids; /* so far */
	uint8_t (*keys)[KEY_LEN];
	size_t count, next;
	uint8_t reason;
	bool all; /* devices of this identity */
	uint8_t identity[IDENTITY_LEN];
};

static bool revoking_has(const struct revoking *v, const uint8_t key[static KEY_LEN])
{
	for (size_t i = 0; i < v->count; i++) {
		if (memcmp(v->keys[i], key, KEY_LEN) == 0)
			return true;
	}
	return false;
}

static int revoking_add(struct revoking *v, const uint8_t key[static KEY_LEN])
{
	uint8_t(*grown)[KEY_LEN] = realloc(v->keys, (v->count + 1) * sizeof *grown);

	if (!grown)
		return ERR_NOMEM;
	v->keys = grown;
	memcpy(grown[v->count++], key, KEY_LEN);
	return OK;
}

/* The devices of somebody that are in force now, as the roster has them: the views lag behind, and
 * a thief goes on enrolling. `device`: only those whose key begins so; NULL: all. */
static int revoking_collect(const struct relay *r, struct revoking *v, const char *device)
{
	char digits[2 * KEY_LEN + 1];
	int err = OK;

	for (size_t i = 0; i < roster_signer_count(r->roster) && !err; i++) {
		const struct signer *s = roster_signer_at(r->roster, i);

		if (s->class != SIGNER_DEVICE || s->revoked > 0 || revoking_has(v, s->key) ||
		    memcmp(s->identity, v->identity, IDENTITY_LEN) != 0)
			continue;
		hex_encode(digits, s->key, KEY_LEN);
		if (!device || strncmp(digits, device, strlen(device)) == 0)
			err = revoking_add(v, s->key);
	}
	return err;
}

static void revoking_free(struct revoking *v)
{
	json_decref(v->done);
	json_decref(v->ids);
	free(v->keys);
	free(v);
}

static void revoking_refuse(struct revoking *v, uint32_t code, const char *text)
{
	request_refuse(v->q, code, text);
	revoking_free(v);
}

static void revoke_next(struct revoking *v)
{
	static const uint8_t salt[SALT_LEN];
	struct relay *r = request_relay(v->q);
	struct buffer body = BUFFER_INIT;
	struct revoke_body b = {.reason = v->reason};
	struct header h = {.version = 1, .kind = KIND_REVOKE, .time = clock_wall_ms()};
	int err;

	/* Revoked by itself meanwhile; or enrolled meanwhile. */
	while (v->next < v->count && roster_class(r->roster, v->keys[v->next]) != SIGNER_DEVICE)
		v->next++;
	if (v->next == v->count && v->all)
		revoking_collect(r, v, NULL);
	if (v->next == v->count) {
		request_reply(
		    v->q, json_pack("{s:O, s:O}", "revoked", v->done, "message_ids", v->ids));
		revoking_free(v);
		return;
	}
	memcpy(b.device_key, v->keys[v->next], KEY_LEN);
	err = revoke_body_encode(&body, &b);
	h.body = buffer_bytes(&body);
	if (err)
		revoked_one(v, err, CONVENE__CODE__INTERNAL, error_text(err), salt);
	else
		registrar_make(r, &h, salt, bytes_of(NULL, 0), revoked_one, v);
	buffer_free(&body);
}

static void revoked_one(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN])
{
	struct revoking *v = ctx;

	if (err) {
		revoking_refuse(v, code, text);
		return;
	}
	json_array_append_new(v->done, report_hex(v->keys[v->next], KEY_LEN));
	json_array_append_new(v->ids, report_hex(id, ID_LEN));
	v->next++;
	revoke_next(v);
}

static bool revoke_options(struct revoking *v, const char **device, int argc, char **argv)
{
	static const char *const reasons[] = {"", "lost", "stolen", "replaced", "left"};

	for (int i = 2; i < argc; i += 2) {
		bool one = strcmp(argv[i], "--device") == 0;

		for (uint8_t n = 1; n < 5 && i + 1 < argc && !one; n++) {
			if (strcmp(argv[i + 1], reasons[n]) == 0)
				v->reason = n;
		}
		if (one && i + 1 < argc && strlen(argv[i + 1]) >= 8)
			*device = argv[i + 1];
		else if (one || strcmp(argv[i], "--reason") != 0 || v->reason == 0)
			return false;
	}
	return true;
}

void control_revoke(struct request *q, int argc, char **argv, struct bytes input)
{
	struct revoking *v = calloc(1, sizeof *v);
	struct relay *r = request_relay(q);
	const char *device = NULL;
	uint8_t key[KEY_LEN];
	int err = OK;

	(void)input;
	if (!v) {
		request_refuse(q, CONVENE__CODE__INTERNAL, "out of memory");
		return;
	}
	v->q = q;
	v->done = json_array();
	v->ids = json_array();
	if (!revoke_options(v, &device, argc, argv)) {
		revoking_refuse(v, CONVENE__CODE__MALFORMED,
		    "--reason is one of lost, stolen, replaced, left; --device is a key's first 8 "
		    "digits or more");
		return;
	}
	if (hex_decode(key, KEY_LEN, argv[1], strlen(argv[1])) == OK) {
		if (roster_class(r->roster, key) == SIGNER_DEVICE)
			err = revoking_add(v, key);
	} else if (!person_of(q, argv[1], v->identity)) {
		revoking_free(v);
		return;
	} else {
		v->all = !device;
		err = revoking_collect(r, v, device);
	}
	if (device && v->count > 1)
		revoking_refuse(
		    v, CONVENE__CODE__AMBIGUOUS, "several devices begin so; give more digits");
	else if (err || v->count == 0)
		revoking_refuse(v, CONVENE__CODE__NOT_FOUND,
		    "no enrolled device of that handle or key is in force");
	else
		revoke_next(v);
}
