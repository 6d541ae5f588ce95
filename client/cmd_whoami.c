/* SPDX-License-Identifier: BSD-2-Clause */
/* convene whoami: whose device this is, and how it stands with the node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/device.h"
#include "client/head.h"
#include "client/session.h"

static const char *state_text(const struct session *s, const Convene__Signer *signer)
{
	if (signer && signer->revoked)
		return "revoked";
	switch (s->home.state) {
	case HOME_ENROLLED:
		return "enrolled";
	case HOME_REQUESTED:
		return "requested";
	default:
		return "joining";
	}
}

static void __attribute__((format(printf, 2, 3))) row_print(const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printf("  %-10s", name);
	print_sentence(12, "%s", text);
}

/* Of this device, as the node tells it; NULL: it doesn't. */
static const Convene__Device *device_of(const Convene__Signer *signer, const struct key *key)
{
	for (size_t i = 0; signer && i < signer->n_devices; i++)
		if (bytes_equal(
			bytes_of_pb(signer->devices[i]->key), bytes_of(key->public, KEY_LEN)))
			return signer->devices[i];
	return NULL;
}

static void recovery_print(const Convene__Signer *signer, const struct key *key)
{
	const Convene__Device *d = device_of(signer, key);
	size_t others = 0;
	char when[24];

	if (d && d->recovered > 1)
		row_print(
		    "", "key recovered by the organisation on %s", time_local(when, d->recovered));
	else if (d && d->recovered)
		row_print("", "key recovered by the organisation");
	for (size_t i = 0; signer && i < signer->n_devices; i++)
		others += signer->devices[i] != d && !signer->devices[i]->revoked;
	if (others > 0)
		row_print("", "and %zu other%s of yours: `convene devices`", others,
		    others == 1 ? "" : "s");
}

static void people_print(const struct session *s, const struct key *key, const struct outbox *o,
    const Convene__Signer *signer, size_t waiting, const struct head *head)
{
	const struct home *h = &s->home;
	struct buffer who = BUFFER_INIT;
	char id[9], forum[9], device[FINGERPRINT_LEN];

	if (h->handle[0])
		text_isolate(&who, bytes_str(h->handle));
	else
		buffer_add_str(&who, id_short(id, h->identity));
	buffer_printf(&who, "@%s", h->node.organisation);
	if (signer && signer->name.len > 0) {
		buffer_add_str(&who, " (");
		text_isolate(&who, bytes_of_pb(signer->name));
		buffer_add_str(&who, ")");
	}
	print_line(4, "%s", buffer_str(&who));
	buffer_free(&who);
	printf("\n");
	row_print("state", "%s%s", state_text(s, signer),
	    h->state == HOME_REQUESTED ? ": nobody has enrolled this device yet"
	    : h->state == HOME_JOINING ? ": run `convene join` again with your invite"
				       : "");
	row_print("identity", "%s", id_short(id, h->identity));
	row_print("device", "%s%s", device_fingerprint(device, key->public),
	    signer && signer->custody ? ", kept by a gateway" : "");
	recovery_print(signer, key);
	row_print("node", "%s", h->node.address);
	row_print("log", "%s", h->log_name);
	row_print("forum", "%s", id_short(forum, h->node.forum));
	row_print("home", "%s", h->path);
	if (head->at.size > 0)
		row_print(
		    "head", "%llu entries seen, and held to", (unsigned long long)head->at.size);
	if (o->sealed)
		row_print("messages", "%llu signed, sealed up to number %llu, %zu waiting",
		    (unsigned long long)o->sequence, (unsigned long long)o->sealed, waiting);
	else
		row_print("messages", "%llu signed, %zu waiting", (unsigned long long)o->sequence,
		    waiting);
}

static void programs_print(const struct session *s, const struct key *key, const struct outbox *o,
    const Convene__Signer *signer, size_t waiting, const struct head *head)
{
	const Convene__Device *device = device_of(signer, key);
	const struct home *h = &s->home;
	json_t *j = json_object();

	json_put(j, "handle", json_bytes(bytes_str(h->handle)));
	if (signer)
		json_put(j, "name", json_bytes(bytes_of_pb(signer->name)));
	json_put(j, "organisation", json_string(h->node.organisation));
	json_put(j, "state", json_string(state_text(s, signer)));
	json_put(j, "identity", json_hex(h->identity, IDENTITY_LEN));
	json_put(j, "device_key", json_hex(key->public, KEY_LEN));
	if (device && device->recovered)
		json_put(j, "recovered", json_integer((json_int_t)device->recovered));
	if (signer && signer->n_devices > 0)
		json_put(j, "devices", json_integer((json_int_t)signer->n_devices));
	if (head->at.size > 0)
		json_put(j, "head", json_integer((json_int_t)head->at.size));
	json_put(j, "node", json_bytes(bytes_str(h->node.address)));
	json_put(j, "root_key", json_hex(h->node.root_key, KEY_LEN));
	json_put(j, "forum", json_hex(h->node.forum, HASH_LEN));
	json_put(j, "log", json_string(h->log_name));
	json_put(j, "home", json_bytes(bytes_str(h->path)));
	json_put(j, "reachable", json_boolean(s->client != NULL));
	json_put(j, "sequence", json_integer((json_int_t)o->sequence));
	if (signer)
		json_put(j, "node_sequence", json_integer((json_int_t)signer->sequence));
	json_put(j, "sealed_sequence", json_integer((json_int_t)o->sealed));
	json_put(j, "waiting", json_integer((json_int_t)waiting));
	json_print(j);
}

/* Sealed means that it can't go without a trace. In a successor's log numbers begin anew: only what
 * was sealed in the present one is known there. */
static bool is_missing(
    const struct session *s, const struct outbox *o, const Convene__Signer *signer)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number = 0;

	return signer && signer->sequence < o->sealed &&
	       log_name_parse(bytes_str(s->home.log_name), &organisation, digest, &number) == OK &&
	       number == (o->sealed_log ? o->sealed_log : 1);
}

int cmd_whoami(const struct invocation *in)
{
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	ProtobufCMessage *m = NULL;
	const Convene__Signer *signer = NULL;
	struct key key = {.public = {0}};
	struct session s;
	struct outbox o;
	struct head head = {.note = BUFFER_INIT};
	struct trouble t, asked;
	uint64_t *list = NULL;
	size_t waiting = 0;
	int code = EXIT_DONE, err = session_open(&s, in, false, &t);

	if (!err)
		err = home_key(&s.home, &key, &t);
	if (!err && s.client) {
		get.device_key = pb_of(bytes_of(key.public, KEY_LEN));
		get.devices = true;
		if (client_call(s.client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, &m, &asked) ==
		    OK)
			signer = (const Convene__Signer *)m;
	}
	if (!err)
		err = outbox_open(&o, s.home.path, &t);
	if (!err)
		err = outbox_list(&o, BOX_WAITING, &list, &waiting, &t);
	if (!err)
		err = head_read(&head, s.home.path, &t);
	if (err) {
		code = session_complain(in, &t);
	} else {
		(in->json ? programs_print : people_print)(&s, &key, &o, signer, waiting, &head);
		if (is_missing(&s, &o, signer)) {
			trouble_set(&t, ERR_FORK,
			    "the node knows your messages up to number %llu only, and had sealed "
			    "number %llu",
			    (unsigned long long)signer->sequence, (unsigned long long)o.sealed);
			trouble_hint(&t,
			    "It lost some of its log, or hides it. They are kept in %.180s",
			    o.folder[BOX_SENT]);
			code = complain(in->program->name, &t);
		} else if (!s.client) {
			code = complain(in->program->name, &s.unreachable);
		}
	}
	free(list);
	head_clear(&head);
	message_free(m);
	key_wipe(&key);
	session_close(&s);
	return code;
}
