/* SPDX-License-Identifier: BSD-2-Clause */
/* convene join: an invite, or an operator's hand, makes this device a participant's (SPEC.md
 * sections 6.3 and 12.3).
 *
 * Key and identity are durable before the secret is sent, and stay the same however often it is
 * tried: the node answers the same key the same way, so a lost answer costs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/compose.h"
#include "client/device.h"
#include "client/session.h"
#include "msg/body.h"

#define CONNECT_MS 15000
#define LANGUAGES_MAX 32

struct joining {
	const struct invocation *in;
	bool offline, further; /* further: of an identity that exists; then it is offline as well */
	struct invite invite;  /* offline: without a secret */
	struct home home;
	struct client *client;
	struct key key;
	struct binding binding;
	char handle[HANDLE_MAX + 1];
	struct buffer name, group, region, content;
	uint8_t salt[SALT_LEN], signature[SIG_LEN];
};

/* ---- the profile ---- */

/* Ask on the terminal; nothing else can be a default that people are glad of later. */
static int handle_ask(struct buffer *out, struct trouble *t)
{
	char line[256];

	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
		trouble_set(t, ERR_INVALID, "join wants a handle: the name that others will see");
		trouble_hint(t, "As in: convene join INVITE --handle alice");
		return ERR_INVALID;
	}
	fprintf(stderr, "Your handle (the name that others will see, as alice): ");
	if (!fgets(line, sizeof line, stdin))
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return typed_add(out, bytes_str(line), "the handle", false, t);
}

static int handle_take(struct joining *j, struct trouble *t)
{
	const char *given = option_value(j->in, "handle"), *why = NULL;
	struct buffer typed = BUFFER_INIT;
	bool again;
	int err;

	do {
		buffer_reset(&typed);
		err = given ? typed_add(&typed, bytes_str(given), "the handle", false, t)
			    : handle_ask(&typed, t);
		if (err)
			break;
		err = handle_prepare(j->handle, buffer_bytes(&typed), &why);
		if (err) {
			trouble_set(
			    t, err, "this can't be a handle: %s", why ? why : error_text(err));
			trouble_hint(t, "At most 64 bytes, as in: alice");
		}
		again = err && !given && typed.len > 0;
		if (again)
			complain(j->in->program->name, t);
	} while (again);
	buffer_free(&typed);
	return err;
}

static int line_take(struct joining *j, const char *option, struct buffer *out, struct trouble *t)
{
	const char *text = option_value(j->in, option);

	if (!text)
		return OK;
	if (strlen(text) > 256 || strpbrk(text, "\r\n"))
		return trouble_set(t, ERR_INVALID, "--%s is one line of at most 256 bytes", option);
	return typed_add(out, bytes_str(text), option, false, t);
}

static int profile_make(struct joining *j, struct trouble *t)
{
	struct bytes languages[LANGUAGES_MAX];
	struct content c = {.profile = {.present = true, .languages = languages}};
	const char *lang;
	int pos = 0, err = handle_take(j, t);

	if (!err)
		err = line_take(j, "name", &j->name, t);
	if (!err)
		err = line_take(j, "group", &j->group, t);
	if (!err)
		err = line_take(j, "region", &j->region, t);
	while (!err && (lang = option_next(j->in, "language", &pos))) {
		if (!lang_valid(bytes_str(lang)))
			err = trouble_set(t, ERR_INVALID,
			    "%.60s is no language tag; as en, fr-CA, zh-Hant, ar", lang);
		else if (c.profile.language_count == LANGUAGES_MAX)
			err = trouble_set(
			    t, ERR_INVALID, "these are more than %d languages", LANGUAGES_MAX);
		else
			languages[c.profile.language_count++] = bytes_str(lang);
	}
	if (err)
		return err;
	c.profile.handle = bytes_str(j->handle);
	c.profile.name = buffer_bytes(&j->name);
	c.profile.group = buffer_bytes(&j->group);
	c.profile.region = buffer_bytes(&j->region);
	err = content_encode(&j->content, &c);
	return err || j->content.failed
		   ? trouble_set(t, err ? err : ERR_NOMEM, "the profile can't be made: %s",
			 error_text(err ? err : ERR_NOMEM))
		   : OK;
}

/* ---- where, and with what key ---- */

static int address_take(
    struct joining *j, char log_name[static VERIFIER_NAME_MAX + 1], struct trouble *t)
{
	struct bytes text = bytes_str(j->in->operands[0]);
	struct node_address node;
	int err;

	log_name[0] = '\0';
	if (device_line_parse(&j->invite.node, log_name, j->home.identity, text) == OK) {
		j->offline = j->further = true;
		return OK;
	}
	log_name[0] = '\0';
	if (!j->offline) {
		err = invite_parse(&j->invite, text);
		if (!err)
			return OK;
		if (node_line_parse(&node, log_name, text) == OK)
			trouble_set(
			    t, ERR_INVALID, "this is a node's address, without an invite's secret");
		else
			trouble_set(t, ERR_INVALID, "this is not an invite (%s)", error_text(err));
		trouble_hint(t, "An invite is convene://HOST:PORT/ORGANISATION/…/…/…, on one line; "
				"is it whole?");
		return t->err;
	}
	err = node_line_parse(&j->invite.node, log_name, text);
	if (err && invite_parse(&j->invite, text) == OK)
		err = OK; /* an invite says where the node is, too; its secret is not used */
	secret_wipe(j->invite.secret, sizeof j->invite.secret);
	if (err) {
		trouble_set(
		    t, ERR_INVALID, "this is not a node's address line (%s)", error_text(err));
		trouble_hint(
		    t, "It is convene://HOST:PORT/ORGANISATION/ROOT/FORUM, from the operator.");
	}
	return err ? t->err : OK;
}

static bool same_node(const struct node_address *a, const struct node_address *b)
{
	return strcmp(a->organisation, b->organisation) == 0 &&
	       memcmp(a->root_key, b->root_key, KEY_LEN) == 0 &&
	       memcmp(a->forum, b->forum, HASH_LEN) == 0;
}

/* A key and an identity that are durable: those of an earlier try, or new ones. */
static int device_make(struct joining *j, const struct home *earlier, bool again, struct trouble *t)
{
	struct outbox o;
	char path[PATH_LEN];
	int err = path_join(path, j->home.path, "device.key", t);

	j->home.node = j->invite.node;
	memcpy(j->home.log_name, j->binding.log_name, sizeof j->home.log_name);
	if (j->client)
		j->home.node.serial = client_node(j->client)->node.serial;
	j->home.state = j->offline ? HOME_REQUESTED : HOME_JOINING;
	if (again)
		memcpy(j->home.identity, earlier->identity, IDENTITY_LEN);
	else if (!j->further)
		random_fill(j->home.identity, IDENTITY_LEN);
	/* By it one who waits for the operator is known from a person's further device. */
	if (j->offline && !j->further)
		memcpy(j->home.handle, j->handle, sizeof j->home.handle);
	if (!err)
		err = access(path, F_OK) == 0
			  ? home_key(&j->home, &j->key, t)
			  : home_key_make(&j->home, option_given(j->in, "passphrase"), &j->key, t);
	if (!err)
		err = home_save(&j->home, t);
	if (!err)
		err = outbox_open(&o, j->home.path, t);
	/* A new device has no history: there is nothing to ask the node for. */
	if (!err && o.lost)
		err = outbox_state_save(&o, t);
	return err;
}

static void request_fill(struct joining *j, Convene__Redeem *r)
{
	random_fill(j->salt, SALT_LEN);
	device_sign(
	    j->signature, DEVICE_DOMAIN, &j->binding, j->home.identity, j->key.public, 0, &j->key);
	r->identity = pb_of(bytes_of(j->home.identity, IDENTITY_LEN));
	r->device_key = pb_of(bytes_of(j->key.public, KEY_LEN));
	r->device_signature = pb_of(bytes_of(j->signature, SIG_LEN));
	r->salt = pb_of(bytes_of(j->salt, SALT_LEN));
	r->content = pb_of(buffer_bytes(&j->content));
}

/* ---- asking the node ---- */

/* Whether the ENROL that came back is this device's, by the registrar whom the root key names. */
static int enrol_check(const struct joining *j, struct bytes message, struct trouble *t)
{
	const struct node_body *node = &client_node(j->client)->node;
	struct enrol_body body;
	struct header h;

	if (message_parse(message, &h) == OK && h.kind == KIND_ENROL &&
	    memcmp(h.signer, node->registrar_key, KEY_LEN) == 0 &&
	    message_verify(message, &j->binding, h.signer) == OK &&
	    enrol_body_parse(h.body, &body) == OK &&
	    memcmp(body.identity, j->home.identity, IDENTITY_LEN) == 0 &&
	    memcmp(body.device_key, j->key.public, KEY_LEN) == 0)
		return OK;
	trouble_set(t, ERR_SIGNATURE,
	    "the node says that you are enrolled, but what it shows is not an enrolment of your "
	    "key by its registrar");
	trouble_hint(t, "Tell the organisation; nothing was written that counts on it.");
	return t->err;
}

static int redeem(struct joining *j, struct trouble *t)
{
	Convene__Redeem request = CONVENE__REDEEM__INIT;
	const Convene__Redeemed *answer;
	ProtobufCMessage *m;
	int err;

	request_fill(j, &request);
	request.secret = pb_of(bytes_of(j->invite.secret, INVITE_SECRET_LEN));
	err = client_call(j->client, FRAME_REDEEM, &request.base, FRAME_REDEEMED, &m, t);
	if (err) {
		if (t->code == CONVENE__CODE__INVITE)
			trouble_hint(t, "Ask the organisation for another invite.");
		else if (t->code == CONVENE__CODE__HANDLE)
			trouble_hint(
			    t, "Try again with another --handle; the invite is still good.");
		else if (!t->code)
			trouble_hint(t, "Try again with the same invite: nothing is lost.");
		return err;
	}
	answer = (const Convene__Redeemed *)m;
	err = enrol_check(j, bytes_of_pb(answer->message), t);
	if (!err) {
		j->home.state = HOME_ENROLLED;
		memcpy(j->home.handle, j->handle, sizeof j->home.handle);
		home_handle_set(&j->home, bytes_of_pb(answer->handle));
		err = home_save(&j->home, t);
	}
	message_free(m);
	return err;
}

static void welcome(const struct joining *j)
{
	struct buffer handle = BUFFER_INIT;

	if (j->in->json) {
		json_t *o = json_object();

		json_put(o, "handle", json_bytes(bytes_str(j->home.handle)));
		json_put(o, "organisation", json_string(j->home.node.organisation));
		json_put(o, "identity", json_hex(j->home.identity, IDENTITY_LEN));
		json_put(o, "device_key", json_hex(j->key.public, KEY_LEN));
		json_put(o, "log", json_string(j->home.log_name));
		json_put(o, "forum", json_hex(j->home.node.forum, HASH_LEN));
		json_put(o, "home", json_bytes(bytes_str(j->home.path)));
		json_print(o);
		return;
	}
	text_isolate(&handle, bytes_str(j->home.handle));
	print_sentence(0,
	    "Welcome, %s@%s. Your key is in %s: whoever has it speaks for you, so keep it, and "
	    "keep a "
	    "copy of it.",
	    buffer_str(&handle), j->home.node.organisation, j->home.path);
	buffer_free(&handle);
	printf("`convene topics` shows what is discussed.\n");
}

/* ---- by the operator's hand ---- */

/* Standard output has the line alone, for a pipe. */
static void __attribute__((format(printf, 1, 2))) beside_print(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static int request_print(struct joining *j, struct trouble *t)
{
	Convene__Redeem request = CONVENE__REDEEM__INIT;
	struct buffer packed = BUFFER_INIT, line = BUFFER_INIT;
	uint8_t *room;
	char *text;

	request_fill(j, &request);
	room = buffer_reserve(&packed, protobuf_c_message_get_packed_size(&request.base));
	packed.len = room ? protobuf_c_message_pack(&request.base, room) : 0;
	text = malloc(BASE64_LEN(packed.len) + 1);
	if (!room || !text) {
		free(text);
		buffer_free(&packed);
		return no_memory(t);
	}
	base64url_encode(text, packed.data, packed.len);
	buffer_printf(&line, "convene-enrol:%s", text);
	if (j->in->json) {
		json_t *o = json_object();

		json_put(o, "request", json_string(buffer_str(&line)));
		json_put(o, "identity", json_hex(j->home.identity, IDENTITY_LEN));
		json_put(o, "device_key", json_hex(j->key.public, KEY_LEN));
		json_print(o);
	} else {
		printf("%s\n", buffer_str(&line));
		beside_print("\nGive this request to the operator of %s, who enrols you with it.\n"
			     "`convene whoami` tells when that is done.\n",
		    j->home.node.organisation);
	}
	free(text);
	buffer_free(&line);
	buffer_free(&packed);
	return OK;
}

/* For another device of the same person, or for the operator who recovers them (SPEC.md 12.4). */
static int further_print(struct joining *j, struct trouble *t)
{
	struct enrol_body b = {.custody = 0};
	struct buffer line = BUFFER_INIT;
	char digits[FINGERPRINT_LEN];

	memcpy(b.identity, j->home.identity, IDENTITY_LEN);
	memcpy(b.device_key, j->key.public, KEY_LEN);
	device_sign(b.device_signature, DEVICE_DOMAIN, &j->binding, b.identity, b.device_key,
	    b.custody, &j->key);
	device_request_format(&line, &b);
	if (line.failed) {
		buffer_free(&line);
		return no_memory(t);
	}
	device_fingerprint(digits, j->key.public);
	if (j->in->json) {
		json_t *o = json_object();

		json_put(o, "request", json_string(buffer_str(&line)));
		json_put(o, "fingerprint", json_string(digits));
		json_put(o, "identity", json_hex(j->home.identity, IDENTITY_LEN));
		json_put(o, "device_key", json_hex(j->key.public, KEY_LEN));
		json_print(o);
	} else {
		printf("%s\n", buffer_str(&line));
		beside_print("\nGive this request to your other computer: `convene devices approve "
			     "REQUEST`; "
			     "or,\nif all your keys are lost, to the operator of %s.\n\nThe digits "
			     "that they "
			     "must see there:\n\n  %s\n\n`convene whoami` tells when it is done.\n",
		    j->home.node.organisation, digits);
	}
	buffer_free(&line);
	return OK;
}

/* An identity that the earlier try made, or was given, is the one that is meant now. */
static int earlier_check(const struct joining *j, const struct home *earlier, struct trouble *t)
{
	if (earlier->state == HOME_ENROLLED) {
		trouble_set(t, ERR_IO, "you have joined already, as %s@%s (%.300s)",
		    earlier->handle, earlier->node.organisation, earlier->path);
		trouble_hint(t, j->further
				    ? "For another device, as after its key was revoked, set "
				      "CONVENE_HOME to another folder."
				    : "For another person or organisation, set CONVENE_HOME to "
				      "another folder.");
		return t->err;
	}
	if (same_node(&earlier->node, &j->invite.node) &&
	    (!j->further || memcmp(earlier->identity, j->home.identity, IDENTITY_LEN) == 0))
		return OK;
	trouble_set(t, ERR_IO, "in %.300s a join at %s was begun and not finished", earlier->path,
	    earlier->node.organisation);
	trouble_hint(t, "Finish it, remove that folder, or set CONVENE_HOME to another one.");
	return t->err;
}

static int join(struct joining *j, struct trouble *t)
{
	char log_name[VERIFIER_NAME_MAX + 1];
	struct home earlier;
	bool again = false;
	int err = home_find(&j->home, t);

	if (!err)
		err = address_take(j, log_name, t);
	if (err)
		return err;
	if (home_open(&earlier, t) == OK) {
		err = earlier_check(j, &earlier, t);
		if (err)
			return err;
		again = true;
		j->invite.node.serial = earlier.node.serial;
	}
	err = j->further ? OK : profile_make(j, t);
	if (err)
		return err;
	if (!log_name[0]) {
		err = client_open(&j->client, &j->invite.node, CONNECT_MS, t);
		if (err)
			return err;
		memcpy(log_name, client_node(j->client)->binding.log_name, sizeof log_name);
	}
	if (binding_make(&j->binding, j->invite.node.forum, bytes_str(log_name)) != OK)
		return trouble_set(t, ERR_INVALID, "%.180s is not a log's name", log_name);
	err = folder_make(j->home.path, t);
	if (!err)
		err = home_lock(&j->home, true, t);
	if (!err)
		err = device_make(j, &earlier, again, t);
	if (err)
		return err;
	return j->further ? further_print(j, t) : j->offline ? request_print(j, t) : redeem(j, t);
}

int cmd_join(const struct invocation *in)
{
	struct joining j = {.in = in, .offline = option_given(in, "offline"), .home = {.lock = -1}};
	struct trouble t;
	int code = EXIT_DONE;

	if (join(&j, &t) != OK)
		code = session_complain(in, &t);
	else if (!j.offline)
		welcome(&j);
	key_wipe(&j.key);
	secret_wipe(j.invite.secret, sizeof j.invite.secret);
	client_close(j.client);
	home_close(&j.home);
	buffer_free(&j.name);
	buffer_free(&j.group);
	buffer_free(&j.region);
	buffer_free(&j.content);
	return code;
}
