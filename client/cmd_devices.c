/* SPDX-License-Identifier: BSD-2-Clause */
/* convene devices: the keys of one person (SPEC.md 12.4): which there are, and one more. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/cmd.h"
#include "client/device.h"
#include "client/session.h"

/* ---- which there are ---- */

static const char *state_of(const Convene__Device *d)
{
	return d->revoked ? "revoked" : "good";
}

/* Who let it in, for people. */
static void way_cell(struct table *table, const Convene__Device *d)
{
	char id[9], when[24];

	if (d->recovered > 1)
		table_cell(
		    table, "recovered by the organisation, %s", time_local(when, d->recovered));
	else if (d->recovered)
		table_cell(table, "recovered by the organisation");
	else if (d->endorser.len == KEY_LEN)
		table_cell(table, "your device %s", id_short(id, d->endorser.data));
	else
		table_cell(table, "your invite");
}

static void list_print(const Convene__Signer *signer, const struct key *key)
{
	struct table *table = table_new("DEVICE\tSINCE\tLET IN BY\tMESSAGES>\tSTATE");
	char digits[FINGERPRINT_LEN], when[24];

	for (size_t i = 0; i < signer->n_devices; i++) {
		const Convene__Device *d = signer->devices[i];
		bool own = bytes_equal(bytes_of_pb(d->key), bytes_of(key->public, KEY_LEN));

		if (d->key.len != KEY_LEN)
			continue;
		table_cell(table, "%s", device_fingerprint(digits, d->key.data));
		table_cell(table, "%s", time_local(when, d->time));
		way_cell(table, d);
		table_cell(table, "%" PRIu64, d->sequence);
		table_cell(table, "%s%s", state_of(d), own ? ", this one" : "");
	}
	table_print(table);
	table_free(table);
	printf("So the node says; `convene audit` reads it in the log.\n");
}

static json_t *device_json(const Convene__Device *d, const struct key *key)
{
	json_t *o = json_object();

	json_put(o, "device_key", json_hex(d->key.data, d->key.len));
	json_put(o, "this",
	    json_boolean(bytes_equal(bytes_of_pb(d->key), bytes_of(key->public, KEY_LEN))));
	json_put(o, "index", json_integer((json_int_t)d->enrolled));
	json_put(o, "time", json_integer((json_int_t)d->time));
	if (d->endorser.len > 0)
		json_put(o, "endorser", json_hex(d->endorser.data, d->endorser.len));
	if (d->recovered)
		json_put(o, "recovered", json_integer((json_int_t)d->recovered));
	json_put(o, "sequence", json_integer((json_int_t)d->sequence));
	json_put(o, "state", json_string(state_of(d)));
	if (d->revoked)
		json_put(o, "revoked", json_integer((json_int_t)d->revoked));
	return o;
}

static int devices_ask(
    struct session *s, const struct key *key, ProtobufCMessage **m, struct trouble *t)
{
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	int err;

	get.device_key = pb_of(bytes_of(key->public, KEY_LEN));
	get.devices = true;
	err = client_call(s->client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, m, t);
	if (err && t->code == CONVENE__CODE__NOT_ENROLLED && s->home.state != HOME_ENROLLED)
		enrol_hint(&s->home, t);
	if (!err && ((const Convene__Signer *)*m)->n_devices == 0) {
		message_free(*m);
		*m = NULL;
		err = trouble_set(t, ERR_NOTFOUND, "the node does not tell of devices");
		trouble_hint(
		    t, "It may be of an older version; `convene audit` reads them in the log.");
	}
	return err;
}

int cmd_devices(const struct invocation *in)
{
	struct key key = {.public = {0}};
	ProtobufCMessage *m = NULL;
	struct session s;
	struct trouble t;
	int code = EXIT_DONE, err = session_open(&s, in, true, &t);

	if (!err)
		err = home_key(&s.home, &key, &t);
	if (!err)
		err = devices_ask(&s, &key, &m, &t);
	if (err) {
		code = session_complain(in, &t);
	} else if (in->json) {
		const Convene__Signer *signer = (const Convene__Signer *)m;
		json_t *o = json_object(), *list = json_array();

		for (size_t i = 0; i < signer->n_devices; i++)
			json_array_append_new(list, device_json(signer->devices[i], &key));
		json_put(o, "devices", list);
		json_print(o);
	} else {
		list_print((const Convene__Signer *)m, &key);
	}
	message_free(m);
	key_wipe(&key);
	session_close(&s);
	return code;
}

/* ---- one more ---- */

int cmd_devices_add(const struct invocation *in)
{
	struct buffer line = BUFFER_INIT;
	struct session s;
	struct trouble t;
	int code = EXIT_DONE, err = session_open(&s, in, false, &t);

	if (!err)
		err = session_enrolled(&s, &t);
	if (!err)
		device_line_format(&line, &s.home.node, s.home.log_name, s.home.identity);
	if (!err && line.failed)
		err = no_memory(&t);
	if (err) {
		code = session_complain(in, &t);
	} else if (in->json) {
		json_t *o = json_object();

		json_put(o, "line", json_string(buffer_str(&line)));
		json_put(o, "identity", json_hex(s.home.identity, IDENTITY_LEN));
		json_print(o);
	} else {
		printf("On the new computer:\n\n  convene join %s\n\n", buffer_str(&line));
		print_sentence(0,
		    "It prints a request; here, `convene devices approve REQUEST` then lets it in. "
		    "The line holds no secret.");
	}
	buffer_free(&line);
	session_close(&s);
	return code;
}

static int request_take(const struct invocation *in, struct enrol_body *b, struct trouble *t)
{
	char line[DEVICE_REQUEST_MAX + 2];
	const char *text = in->operands[0];
	int err;

	if (strcmp(text, "-") == 0) {
		if (!fgets(line, sizeof line, stdin))
			line[0] = '\0';
		line[strcspn(line, "\r\n")] = '\0';
		text = line;
	}
	err = device_request_parse(b, bytes_str(text));
	if (err) {
		trouble_set(t, ERR_INVALID, "this is no device's request (%s)", error_text(err));
		trouble_hint(t,
		    "It begins with " DEVICE_PREFIX ", on one line, as `convene join LINE` "
		    "printed it on the new computer.");
	}
	return err ? t->err : OK;
}

/* Whether it is a request for this person's device, and by that device itself. */
static int request_check(const struct session *s, const struct binding *binding,
    const struct enrol_body *b, const struct key *key, struct trouble *t)
{
	if (memcmp(b->identity, s->home.identity, IDENTITY_LEN) != 0) {
		trouble_set(t, ERR_REFUSED, "that device asks to speak for somebody else");
		trouble_hint(t, "Begin again with `convene devices add` here.");
	} else if (memcmp(b->device_key, key->public, KEY_LEN) == 0) {
		trouble_set(t, ERR_REFUSED, "that is the request of this very device");
		trouble_hint(t, "Approve it on another one of yours.");
	} else if (device_verify(b->device_signature, DEVICE_DOMAIN, binding, b->identity,
		       b->device_key, b->custody, b->device_key) != OK) {
		trouble_set(t, ERR_SIGNATURE,
		    "the device has not signed this request for this forum and log");
		trouble_hint(t, "Begin again with `convene devices add` here.");
	} else {
		return OK;
	}
	return t->err;
}

static size_t digits_count(const char *typed)
{
	size_t n = 0;

	for (; *typed; typed++)
		n += *typed != ' ';
	return n;
}

/* Answered on the terminal, or by an option; whatever travelled the same way as the request is no
 * comparison. */
static int compare(
    const struct invocation *in, const struct enrol_body *b, bool *go, struct trouble *t)
{
	const char *typed = option_value(in, "fingerprint");
	char digits[FINGERPRINT_LEN], answer[16];

	*go = true;
	device_fingerprint(digits, b->device_key);
	if (typed && digits_count(typed) < FINGERPRINT_DIGITS) {
		trouble_set(t, ERR_INVALID, "--fingerprint takes %d digits, and %zu were given",
		    FINGERPRINT_DIGITS, digits_count(typed));
		trouble_hint(t, "The new computer shows them, beside its request. Nothing was "
				"approved.");
		return ERR_INVALID;
	}
	if (typed && !device_fingerprint_is(typed, b->device_key)) {
		trouble_set(t, ERR_SIGNATURE, "the key in this request is %s", digits);
		trouble_hint(t, "Those are not the digits that were given: somebody may have put "
				"another request in its place. Nothing was approved.");
		return ERR_SIGNATURE;
	}
	if (typed || option_given(in, "yes"))
		return OK;
	if (in->json || isatty(STDIN_FILENO) != 1) {
		trouble_set(t, ERR_INVALID,
		    "whoever is let in speaks for you, and nobody can be asked here");
		trouble_hint(t, "--fingerprint takes the digits that the new computer shows.");
		return ERR_INVALID;
	}
	/* In lines of their own, which nothing folds. */
	print_sentence(0, "The new device will speak for you. Its key begins with");
	printf("\n  %s\n\n", digits);
	printf("Does the new computer show these digits? Answer yes or no: ");
	fflush(stdout);
	*go = fgets(answer, sizeof answer, stdin) &&
	      (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0);
	if (!*go)
		printf("Nothing was approved.\n");
	return OK;
}

/* That the ENROL which came back is the one that was asked for. */
static bool enrol_is(const struct session *s, struct bytes message, const struct enrol_body *b)
{
	const struct credential *node = client_node(s->client);
	struct enrol_body got;
	struct header h;

	return message_parse(message, &h) == OK && h.kind == KIND_ENROL &&
	       memcmp(h.signer, node->node.registrar_key, KEY_LEN) == 0 &&
	       message_verify(message, &node->binding, h.signer) == OK &&
	       enrol_body_parse(h.body, &got) == OK &&
	       memcmp(got.identity, b->identity, IDENTITY_LEN) == 0 &&
	       memcmp(got.device_key, b->device_key, KEY_LEN) == 0 && got.has_endorsement;
}

static int endorse(
    struct session *s, struct enrol_body *b, const struct key *key, struct trouble *t)
{
	const struct binding *binding = &client_node(s->client)->binding;
	Convene__Redeem request = CONVENE__REDEEM__INIT;
	ProtobufCMessage *m;
	int err;

	device_sign(
	    b->endorsement, ENDORSE_DOMAIN, binding, b->identity, b->device_key, b->custody, key);
	request.identity = pb_of(bytes_of(b->identity, IDENTITY_LEN));
	request.device_key = pb_of(bytes_of(b->device_key, KEY_LEN));
	request.custody = b->custody;
	request.device_signature = pb_of(bytes_of(b->device_signature, SIG_LEN));
	request.endorser = pb_of(bytes_of(key->public, KEY_LEN));
	request.endorsement = pb_of(bytes_of(b->endorsement, SIG_LEN));
	err = client_call(s->client, FRAME_REDEEM, &request.base, FRAME_REDEEMED, &m, t);
	if (err)
		return err;
	if (!enrol_is(s, bytes_of_pb(((const Convene__Redeemed *)m)->message), b)) {
		err = trouble_set(t, ERR_SIGNATURE,
		    "the node says that the device is enrolled, but what it shows is not that "
		    "enrolment");
		trouble_hint(t, "Tell the organisation; `convene audit` shows what is in its log.");
	}
	message_free(m);
	return err;
}

static int approve(struct session *s, const struct key *key, bool *go, struct trouble *t)
{
	struct enrol_body b;
	char digits[FINGERPRINT_LEN];
	int err = request_take(s->in, &b, t);

	if (!err)
		err = request_check(s, &client_node(s->client)->binding, &b, key, t);
	if (!err)
		err = compare(s->in, &b, go, t);
	if (err || !*go)
		return err;
	/* `convene audit` takes a device that is not known here for a thief's. After a crash in
	 * between, the same request again has the same answer. */
	err = endorse(s, &b, key, t);
	if (!err)
		err = home_lock(&s->home, true, t);
	if (!err)
		err = own_devices_add(s->home.path, b.device_key, t);
	if (err)
		return err;
	device_fingerprint(digits, b.device_key);
	if (s->in->json) {
		json_t *o = json_object();

		json_put(o, "device_key", json_hex(b.device_key, KEY_LEN));
		json_put(o, "fingerprint", json_string(digits));
		json_put(o, "status", json_string("enrolled"));
		json_print(o);
	} else {
		print_sentence(0,
		    "The device %s speaks for you now. `convene whoami` there finds out by itself.",
		    digits);
	}
	return OK;
}

int cmd_devices_approve(const struct invocation *in)
{
	struct key key = {.public = {0}};
	struct session s;
	struct trouble t;
	bool go;
	int code = EXIT_DONE, err = session_open(&s, in, true, &t);

	if (!err)
		err = session_enrolled(&s, &t);
	if (!err)
		err = home_key(&s.home, &key, &t);
	if (!err)
		err = approve(&s, &key, &go, &t);
	if (err)
		code = session_complain(in, &t);
	key_wipe(&key);
	session_close(&s);
	return code;
}
