/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/node.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"

#define CONNECT_MS 60000
#define SETTLE_POLL_MS 100
#define CODE(name) CONVENE__CODE__##name

/* ---- who answers on the socket ---- */

/* The daemon's own report. */
static int status_get(const char *socket, json_t **out, struct trouble *t)
{
	static const char *const argv[] = {"status"};
	struct buffer json = BUFFER_INIT;
	json_error_t wrong;
	int err = control_call(socket, 1, argv, bytes_of(NULL, 0), &json, t);

	*out = NULL;
	if (!err)
		*out = json_loadb((const char *)buffer_str(&json), json.len, 0, &wrong);
	if (!err && !json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		err = trouble_set(t, ERR_MALFORMED, "the daemon's report can't be read");
		trouble_hint(t, "Are convened and convenectl of the same version?");
	}
	buffer_free(&json);
	return err;
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

/* The root key that a log of the node names. */
static int root_check(struct import_node *n, const char *log, struct trouble *t)
{
	struct frames logs = {NULL, 0};
	int err = client_logs(n->client, &logs, t), found = ERR_NOTFOUND;

	for (size_t i = 0; !err && i < logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs.list[i];

		for (size_t k = 0; k < m->n_logs; k++) {
			struct credential c;

			if (!bytes_equal(bytes_of_pb(m->logs[k]->name), bytes_str(log)))
				continue;
			found = credential_open(&c, n->home->node.forum, bytes_str(log),
			    bytes_of_pb(m->logs[k]->credential));
			if (!found && memcmp(c.root_key, n->home->node.root_key, KEY_LEN) != 0)
				found = ERR_WRONG_ROOT;
			credential_clear(&c);
		}
	}
	frames_free(&logs);
	if (err)
		return err;
	if (found)
		trouble_set(t, ERR_WRONG_ROOT,
		    "the node at %.150s has another root key of %.100s than the one that %.150s "
		    "knows",
		    n->socket, n->home->node.organisation, n->home->path);
	return found ? ERR_WRONG_ROOT : OK;
}

static int local_open(struct import_node *n, struct binding *b, struct trouble *t)
{
	const struct node_address *mine = &n->home->node;
	char forum[2 * HASH_LEN + 1];
	json_t *status;
	int err = status_get(n->socket, &status, t);

	if (err)
		return err;
	hex_encode(forum, mine->forum, HASH_LEN);
	if (strcmp(text_of(status, "node"), mine->organisation) != 0) {
		err = trouble_set(t, ERR_WRONG_ROOT,
		    "%.150s belongs to a participant of %.100s, and the node at %.100s is %.100s",
		    n->home->path, mine->organisation, n->socket, text_of(status, "node"));
		trouble_hint(t, "Name a home that has joined this node with --home, or the node's "
				"configuration with -c.");
	} else if (strcmp(text_of(status, "forum"), forum) != 0) {
		err = trouble_set(t, ERR_OTHER_FORUM,
		    "%.150s has joined another forum than the one that the node at %.150s carries",
		    n->home->path, n->socket);
		trouble_hint(t, "Name a home that has joined this one with --home.");
	} else if (binding_make(b, mine->forum, bytes_str(text_of(status, "log"))) != OK) {
		err = trouble_set(t, ERR_MALFORMED, "the node does not say the name of its log");
	}
	if (!err)
		err = client_open_local(&n->client, n->socket, CONNECT_MS, t);
	if (!err)
		err = root_check(n, b->log_name, t);
	json_decref(status);
	return err;
}

int import_node_open(struct import_node *n, struct trouble *t)
{
	struct binding b = n->binding;
	int err;

	if (n->socket) {
		err = local_open(n, &b, t);
	} else {
		err = client_open(&n->client, &n->home->node, CONNECT_MS, t);
		if (!err)
			b = client_node(n->client)->binding;
	}
	if (!err && n->binding.log_name[0] && strcmp(b.log_name, n->binding.log_name) != 0) {
		err = trouble_set(t, ERR_STALE, "the node has begun another log meanwhile");
		trouble_hint(t, "Run the same command again: it goes on in the new one.");
	}
	if (err)
		import_node_close(n);
	else
		n->binding = b;
	return err;
}

void import_node_close(struct import_node *n)
{
	client_close(n->client);
	n->client = NULL;
}

/* ---- asking it ---- */

int import_node_limit(struct import_node *n, uint64_t *limit, struct trouble *t)
{
	Convene__CharterGet get = CONVENE__CHARTER_GET__INIT;
	struct charter *charter;
	ProtobufCMessage *m;
	int err = client_call(n->client, FRAME_CHARTER_GET, &get.base, FRAME_CHARTER, &m, t);

	if (err)
		return err;
	err = charter_open(&charter, bytes_of_pb(((const Convene__Charter *)m)->note), NULL, NULL);
	message_free(m);
	if (err)
		return trouble_set(
		    t, err, "the charter that the node sent is not valid: %s", error_text(err));
	if (memcmp(charter->forum, n->home->node.forum, HASH_LEN) != 0)
		err = trouble_set(t, ERR_OTHER_FORUM, "the node sent another forum's charter");
	*limit = charter->content_limit;
	charter_free(charter);
	return err;
}

int import_node_sequence(struct import_node *n, const uint8_t device[static KEY_LEN],
    uint64_t *sequence, struct trouble *t)
{
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	const Convene__Signer *signer;
	ProtobufCMessage *m;
	int err;

	get.device_key = pb_of(bytes_of(device, KEY_LEN));
	err = client_call(n->client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, &m, t);
	if (t->code == CODE(NOT_ENROLLED) && err) {
		trouble_set(t, ERR_REFUSED, "the device of %.200s is not enrolled at %.100s",
		    n->home->path, n->home->node.organisation);
		trouble_hint(t, "An archive is signed by a participant of this node: let one join "
				"with `convene join`, or name its home with --home.");
		return t->err;
	}
	if (err)
		return err;
	signer = (const Convene__Signer *)m;
	*sequence = signer->sequence & SEQUENCE_MAX;
	if (signer->revoked)
		err = trouble_set(
		    t, ERR_REFUSED, "the device of %.200s was revoked", n->home->path);
	message_free(m);
	return err;
}

/* Over TLS nobody says how much waits to be sealed; a node does that within a second or so, or
 * tells its operator why it can't. */
static int shown_remote(struct import_node *n, bool *settled, struct trouble *t)
{
	struct frames logs = {NULL, 0};
	int err = client_logs(n->client, &logs, t);

	*settled = true;
	for (size_t i = 0; !err && i < logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs.list[i];

		for (size_t k = 0; k < m->n_logs; k++)
			*settled &= m->logs[k]->folded >= m->logs[k]->size;
	}
	frames_free(&logs);
	return err;
}

static int shown_local(struct import_node *n, bool *settled, struct trouble *t)
{
	json_t *status;
	int err = status_get(n->socket, &status, t);
	const json_t *logs = json_object_get(status, "logs");

	if (err)
		return err;
	*settled = json_integer_value(json_object_get(status, "inbox")) == 0;
	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		*settled &= json_integer_value(json_object_get(log, "folded")) >=
			    json_integer_value(json_object_get(log, "size"));
	}
	json_decref(status);
	return OK;
}

int import_node_settled(struct import_node *n, uint64_t patience_ms, struct trouble *t)
{
	uint64_t deadline = clock_mono_ms() + patience_ms;
	const struct timespec pause = {0, SETTLE_POLL_MS * 1000000L};
	bool settled = false;
	int err = OK;

	if (!n->socket) {
		const struct timespec second = {1, 0};

		nanosleep(&second, NULL);
	}
	while (!err && !settled) {
		err = n->socket ? shown_local(n, &settled, t) : shown_remote(n, &settled, t);
		if (err || settled)
			break;
		if (clock_mono_ms() >= deadline) {
			trouble_set(t, ERR_TIMEOUT,
			    "the node has taken messages that it does not show yet, so that there "
			    "is no telling what of the archive is there");
			trouble_hint(t, "`convenectl status` says how far it is. Then run the same "
					"command again.");
			return t->err;
		}
		nanosleep(&pause, NULL);
	}
	return err;
}
