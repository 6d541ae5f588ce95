/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/anchored.h"
#include "client/copy.h"
#include "client/head.h"

#define CONNECT_MS 15000
#define PASSING_WAIT_MS 1000 /* for what is sent in passing to be sealed */

int session_complain(const struct invocation *in, const struct trouble *t)
{
	if (in->json)
		json_print(json_trouble(t));
	return complain(in->program->name, t);
}

/* What the node told in HELLO, and, for one who waits to be enrolled, whether that has happened.
 * Written down when the home isn't busy. */
static void home_update(struct session *s)
{
	const struct credential *node = client_node(s->client);
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	bool changed = node->node.serial > s->home.node.serial ||
		       strcmp(s->home.log_name, node->binding.log_name) != 0;
	ProtobufCMessage *m;
	struct trouble t;
	struct key key;

	if (changed) {
		s->home.node.serial = node->node.serial;
		memcpy(
		    s->home.log_name, node->binding.log_name, strlen(node->binding.log_name) + 1);
	}
	if (s->home.state != HOME_ENROLLED && home_key(&s->home, &key, &t) == OK) {
		get.device_key = pb_of(bytes_of(key.public, KEY_LEN));
		if (client_call(s->client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, &m, &t) ==
		    OK) {
			const Convene__Signer *signer = (const Convene__Signer *)m;

			if (bytes_equal(bytes_of_pb(signer->identity),
				bytes_of(s->home.identity, IDENTITY_LEN))) {
				s->home.state = HOME_ENROLLED;
				home_handle_set(&s->home, bytes_of_pb(signer->handle));
				changed = true;
			}
			message_free(m);
		}
		key_wipe(&key);
	}
	if (changed && home_lock(&s->home, false, &t) == OK) {
		home_save(&s->home, &t);
		home_close(&s->home);
	}
}

int session_connect(struct session *s, struct trouble *t)
{
	int err;

	if (s->offline) {
		err = trouble_set(t, ERR_CLOSED, "the node isn't asked, as --offline says");
		trouble_hint(t, "This can't be done without it.");
	} else {
		err = client_open(&s->client, &s->home.node, CONNECT_MS, t);
		if (!err && (err = head_follow(s, t)) != OK)
			session_disconnect(s);
	}
	if (err)
		s->unreachable = *t;
	else
		home_update(s);
	return err;
}

int session_copy(struct session *s, bool create, struct trouble *t)
{
	return s->copy ? OK : copy_open(&s->copy, &s->home, create, t);
}

void session_send_waiting(struct session *s)
{
	struct outcomes done = {NULL, 0};
	struct anchored looked;
	struct outbox o;
	struct trouble t;
	uint64_t *list = NULL;
	size_t count = 0, sent = 0, accepted = 0;
	int err = home_lock(&s->home, false, &t);

	if (err)
		return; /* somebody else is at it */
	err = session_outbox(s, &o, &t);
	if (!err)
		err = anchored_look(s, &o, ANCHORED_LOOK, &looked, &t);
	if (!err && looked.lost > 0)
		remark(s->in->program->name,
		    "the node has lost %zu of your messages, which stood in its log: sent again",
		    looked.lost);
	if (!err)
		err = outbox_list(&o, BOX_WAITING, &list, &count, &t);
	free(list);
	if (!err && count > 0)
		err = outbox_flush(s, &o, PASSING_WAIT_MS, &done, &t);
	home_close(&s->home);
	for (size_t i = 0; i < done.count; i++) {
		const struct outcome *d = &done.list[i];

		/* One that is accepted has been so before, perhaps. */
		sent += d->status >= CONVENE__STATUS__SEALED;
		accepted += d->status == CONVENE__STATUS__ACCEPTED;
		if (d->status == CONVENE__STATUS__REFUSED) {
			char id[9];
			struct trouble refused;

			trouble_set(&refused, ERR_REFUSED, "your message %s was refused: %s",
			    id_short(id, d->id), d->text);
			trouble_hint(
			    &refused, d->kept ? "It is kept, and sent again with the next command."
					      : "`convene outbox` shows it.");
			complain(s->in->program->name, &refused);
		}
	}
	if (sent > 0)
		fprintf(stderr, "%s: sent %zu message%s that waited.\n", s->in->program->name, sent,
		    sent == 1 ? "" : "s");
	if (accepted > 0)
		fprintf(stderr,
		    "%s: your node has %zu message%s of yours, and not in its log yet.\n",
		    s->in->program->name, accepted, accepted == 1 ? "" : "s");
	if (err)
		complain(s->in->program->name, &t);
	outcomes_free(&done);
}

int session_open(struct session *s, const struct invocation *in, bool needed, struct trouble *t)
{
	int err;

	memset(s, 0, sizeof *s);
	s->in = in;
	s->offline = option_given(in, "offline");
	err = home_open(&s->home, t);
	if (err)
		return err;
	err = session_connect(s, t);
	if (err) {
		struct trouble copy;

		/* Trouble with the copy is told when it is asked. */
		session_copy(s, false, &copy);
		/* A node that shows two histories is not one that is away. */
		return needed || err == ERR_FORK ? err : OK;
	}
	if (s->home.state == HOME_ENROLLED)
		session_send_waiting(s);
	return OK;
}

void enrol_hint(const struct home *h, struct trouble *t)
{
	if (h->state == HOME_JOINING)
		trouble_hint(t, "Run `convene join` again with your invite.");
	else if (h->handle[0])
		trouble_hint(t,
		    "The operator of %s must enrol you, by the line that `convene join "
		    "--offline` printed; `convene whoami` tells when that is done.",
		    h->node.organisation);
	else
		trouble_hint(t,
		    "Let it in with `convene devices approve REQUEST` on your other "
		    "computer, by the line that `convene join` printed here; if all your "
		    "keys are lost, the operator of %s recovers you by it.",
		    h->node.organisation);
}

int session_enrolled(const struct session *s, struct trouble *t)
{
	if (s->home.state == HOME_ENROLLED)
		return OK;
	trouble_set(t, ERR_IO, "this device is not enrolled itself");
	enrol_hint(&s->home, t);
	return ERR_IO;
}

void session_disconnect(struct session *s)
{
	client_close(s->client);
	s->client = NULL;
}

void session_close(struct session *s)
{
	session_disconnect(s);
	copy_close(s->copy);
	s->copy = NULL;
	home_close(&s->home);
}
