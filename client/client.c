/* SPDX-License-Identifier: BSD-2-Clause */
/* A node as a client sees it (SPEC.md sections 10 and 12).
 *
 * lib/net's channel wants an event loop; here one runs inside each call until what the call waits
 * for has come. Frames that come meanwhile for a stream that nobody waits for any more are dropped:
 * they answer a request that timed out. */
#include "client/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/output.h"
#include "net/channel.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

#define CALL_TIMEOUT_MS 60000
#define CODE(name) CONVENE__CODE__##name

#define HELD_MAX (128 * 1024 * 1024) /* bytes of answers that wait: contents asked for together */

/* An answer that has come and waits to be taken. */
struct answer {
	struct answer *next;
	size_t size;
	uint32_t stream;
	uint8_t type;
	ProtobufCMessage *message; /* NULL: the type has none */
};

struct client {
	struct net net;
	struct channel *ch; /* NULL: the connection is gone */
	struct node_address where;
	struct credential node;
	bool greeted;
	struct trouble ended; /* why the connection is gone, or must go */
	uint32_t stream;      /* the last that was used */
	uint32_t awaited;     /* the first whose answer somebody waits for; 0: none */
	struct answer *first, **last;
	size_t held;
	uint64_t timeout_ms, received;
};

/* ---- what comes ---- */

/* The node's word on a request, or on the connection. */
static int trouble_refused(struct trouble *t, const Convene__Error *e)
{
	struct bytes said = bytes_of_pb(e->text);

	if (said.len == 0)
		said = bytes_str(refusal_text(e->code));
	trouble_set(t, refusal_error(e->code), "the node %s: %.*s",
	    e->code == CODE(NOT_FOUND) || e->code == CODE(AMBIGUOUS) ? "answers" : "refused",
	    (int)(said.len < 400 ? said.len : 400), (const char *)said.data);
	if (t->err == OK)
		t->err = ERR_REFUSED;
	t->code = e->code ? e->code : CODE(INTERNAL);
	switch (e->code) {
	case CODE(BUSY):
	case CODE(QUOTA):
	case CODE(READ_ONLY):
	case CODE(SHUTTING_DOWN):
		trouble_hint(t, "Try again later.");
		break;
	case CODE(VERSION):
		trouble_hint(t, "The older of the two programs wants an update.");
		break;
	case CODE(NOT_ENROLLED):
		trouble_hint(t, "Ask the organisation that runs the node for an invite.");
		break;
	case CODE(AMBIGUOUS):
		trouble_hint(t, "Give more of the id.");
		break;
	case CODE(IN_THE_FUTURE):
		trouble_hint(t, "Is this computer's clock right?");
		break;
	default:
		break;
	}
	return t->err;
}

/* Whether this is the node that the address speaks of, by its HELLO and the key of its certificate
 * (10.3). */
static int node_check(struct client *c, const Convene__Hello *hello, struct trouble *t)
{
	struct bytes forum = bytes_of_pb(hello->forum);
	uint8_t pin[HASH_LEN];
	int err;

	if (hello->version_min > PROTOCOL_VERSION_MAX ||
	    hello->version_max < PROTOCOL_VERSION_MIN) {
		trouble_set(t, ERR_VERSION,
		    "the node speaks protocol versions %u to %u, and this program %u to %u",
		    hello->version_min, hello->version_max, PROTOCOL_VERSION_MIN,
		    PROTOCOL_VERSION_MAX);
		trouble_hint(t, "The older of the two wants an update.");
		return ERR_VERSION;
	}
	if (!bytes_equal(forum, bytes_of(c->where.forum, HASH_LEN)))
		return trouble_set(
		    t, ERR_OTHER_FORUM, "the node at %s carries another forum", c->where.address);
	err = credential_open_newer(
	    &c->node, c->where.forum, bytes_of_pb(hello->log), bytes_of_pb(hello->credential));
	if (err) {
		trouble_set(t, err, "the node's credential is not valid (%s)", error_text(err));
		goto doubt;
	}
	if (strcmp(c->node.organisation, c->where.organisation) != 0 ||
	    !bytes_equal(
		bytes_of(c->node.root_key, KEY_LEN), bytes_of(c->where.root_key, KEY_LEN))) {
		err = trouble_set(t, ERR_WRONG_ROOT,
		    "what answers at %s does not speak with the root key of %s that is known here",
		    c->where.address, c->where.organisation);
		goto doubt;
	}
	if (c->node.node.serial < c->where.serial) {
		err = trouble_set(t, ERR_WRONG_TLS,
		    "the node shows a credential that was replaced since (serial %llu, and %llu "
		    "was seen)",
		    (unsigned long long)c->node.node.serial, (unsigned long long)c->where.serial);
		goto doubt;
	}
	if (channel_pin(c->ch, pin) != OK || !credential_has_pin(&c->node, pin)) {
		err = trouble_set(
		    t, ERR_WRONG_TLS, "the credential does not name the TLS key in use");
		goto doubt;
	}
	return OK;
doubt:
	trouble_hint(t, "Somebody may be in between, or the node was set up anew: ask the "
			"organisation. Nothing was sent.");
	return err;
}

static void frame_hello(struct client *c, const struct frame *frame)
{
	ProtobufCMessage *m;
	struct trouble t;

	if (frame->type != FRAME_HELLO ||
	    message_unpack(&m, frame_descriptor(FRAME_HELLO), frame->payload) != OK) {
		trouble_set(&c->ended, ERR_MALFORMED,
		    "what answers at %s does not speak this protocol", c->where.address);
		channel_fail(c->ch, ERR_MALFORMED, "HELLO is expected");
		return;
	}
	if (node_check(c, (const Convene__Hello *)m, &t) == OK) {
		c->greeted = true;
		channel_greeted(c->ch);
	} else {
		c->ended = t;
		channel_fail(c->ch, t.err, error_text(t.err));
	}
	message_free(m);
}

static void answer_take(struct client *c, const struct frame *frame)
{
	const ProtobufCMessageDescriptor *type = frame_descriptor(frame->type);
	struct answer *a = calloc(1, sizeof *a);
	int err = a ? OK : ERR_NOMEM;

	if (!err && type)
		err = message_unpack(&a->message, type, frame->payload);
	if (err) {
		free(a);
		trouble_set(&c->ended, err, "the node's answer (%s) can't be read: %s",
		    frame_name(frame->type), error_text(err));
		channel_fail(c->ch, err, "this answer does not parse");
		return;
	}
	a->type = frame->type;
	a->stream = frame->stream;
	a->size = sizeof *a + frame->payload.len;
	*c->last = a;
	c->last = &a->next;
	c->held += a->size;
	if (c->held > HELD_MAX) {
		trouble_set(&c->ended, ERR_MALFORMED,
		    "the node at %s goes on answering what was answered", c->where.address);
		channel_fail(c->ch, ERR_MALFORMED, "these are more answers than were asked for");
	}
}

static void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
{
	struct client *c = ctx;
	ProtobufCMessage *m;

	(void)ch;
	c->received += FRAME_HEADER_LEN + frame->payload.len;
	if (frame->type == FRAME_ERROR && frame->stream == 0) {
		if (message_unpack(&m, frame_descriptor(FRAME_ERROR), frame->payload) == OK) {
			trouble_refused(&c->ended, (const Convene__Error *)m);
			message_free(m);
		}
		channel_close(c->ch);
		return;
	}
	if (c->net.tls && !c->greeted)
		frame_hello(c, frame);
	else if (c->awaited != 0 && frame->stream >= c->awaited && frame->stream <= c->stream)
		answer_take(c, frame);
}

static void on_open(void *ctx, struct channel *ch)
{
	struct client *c = ctx;
	Convene__Hello hello = CONVENE__HELLO__INIT;

	if (!c->net.tls) {
		/* The control socket: who may open it is known, and so is who answers. */
		c->greeted = true;
		return;
	}
	hello.version_min = PROTOCOL_VERSION_MIN;
	hello.version_max = PROTOCOL_VERSION_MAX;
	hello.role = CONVENE__ROLE__CLIENT;
	hello.forum = pb_of(bytes_of(c->where.forum, HASH_LEN));
	hello.software = pb_of(bytes_str("convene " PACKAGE_VERSION));
	channel_send(ch, FRAME_HELLO, 0, &hello.base);
}

static void on_closed(void *ctx, struct channel *ch, int err, const char *text)
{
	struct client *c = ctx;

	(void)ch;
	c->ch = NULL;
	if (c->ended.err)
		return;
	if (!c->greeted) {
		trouble_set(&c->ended, err ? err : ERR_CLOSED,
		    "the node at %s can't be reached: %s", c->where.address, text);
		trouble_hint(&c->ended, "Is the network up, and the node running?");
	} else {
		trouble_set(&c->ended, err ? err : ERR_CLOSED, "the connection to %s was lost: %s",
		    c->where.address, text);
	}
	/* Whatever broke, to a client it is a node that can't be reached: refusals come as ERROR
	 * frames. */
	if (c->ended.err != ERR_TIMEOUT && c->ended.err != ERR_NOMEM)
		c->ended.err = ERR_CLOSED;
}

static const struct channel_events events = {
    .open = on_open, .frame = on_frame, .closed = on_closed};

/* ---- the loop inside a call ---- */

static void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static struct answer **answer_find(struct client *c, uint32_t stream)
{
	struct answer **at = &c->first;

	while (*at && (*at)->stream != stream)
		at = &(*at)->next;
	return at;
}

/* Turn the loop until `*flag` (NULL: an answer on `stream`), the end of the connection, or the
 * deadline (0: none). */
static int turn(struct client *c, const bool *flag, uint32_t stream, uint64_t deadline)
{
	struct event *timer = evtimer_new(c->net.base, wake, NULL);
	int err = OK;

	if (!timer)
		return ERR_NOMEM;
	while (c->ch && !(flag ? *flag : *answer_find(c, stream) != NULL)) {
		if (deadline) {
			uint64_t now = clock_mono_ms(), left = now < deadline ? deadline - now : 0;
			struct timeval tv = {
			    (time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)};

			if (left == 0) {
				err = ERR_TIMEOUT;
				break;
			}
			evtimer_add(timer, &tv);
		}
		if (event_base_loop(c->net.base, EVLOOP_ONCE) < 0) {
			err = ERR_IO;
			break;
		}
	}
	event_free(timer);
	return err;
}

static struct client *client_new(struct trouble *t)
{
	struct client *c = calloc(1, sizeof *c);

	if (c) {
		c->net = (struct net){NET_DEFAULTS};
		c->last = &c->first;
		c->timeout_ms = CALL_TIMEOUT_MS;
		c->net.base = event_base_new();
	}
	if (c && c->net.base) {
		/* A node that goes away while we write is an error code, not a signal. */
		signal(SIGPIPE, SIG_IGN);
		return c;
	}
	free(c);
	no_memory(t);
	return NULL;
}

int client_open(
    struct client **out, const struct node_address *where, uint64_t timeout_ms, struct trouble *t)
{
	struct client *c = client_new(t);
	int err;

	*out = NULL;
	if (!c)
		return ERR_NOMEM;
	c->where = *where;
	if (timeout_ms) {
		c->timeout_ms = timeout_ms;
		c->net.handshake_ms = timeout_ms;
	}
	if (tls_new(&c->net.tls, NULL, "") != OK) {
		client_close(c);
		return trouble_set(t, ERR_NOMEM, "TLS can't be set up");
	}
	c->ch = channel_connect(&c->net, where->address, &events, c);
	if (!c->ch) {
		client_close(c);
		return trouble_set(t, ERR_INVALID, "%.300s is not an address of the form HOST:PORT",
		    where->address);
	}
	err = turn(c, &c->greeted, 0, clock_mono_ms() + c->timeout_ms);
	if (err == OK && c->greeted && c->ch && !c->ended.err) {
		*out = c;
		return OK;
	}
	if (c->ended.err) {
		*t = c->ended;
	} else {
		trouble_set(
		    t, err ? err : ERR_CLOSED, "the node at %s does not answer", where->address);
		trouble_hint(t, "Is the network up, and the node running?");
	}
	err = t->err;
	client_close(c);
	return err;
}

int client_open_local(
    struct client **out, const char *socket_path, uint64_t timeout_ms, struct trouble *t)
{
	struct client *c;
	int fd, err = control_open(socket_path, &fd, t);

	*out = NULL;
	if (err)
		return err;
	close(fd); /* it told in better words than a channel why it can't be opened */
	c = client_new(t);
	if (!c)
		return ERR_NOMEM;
	if (timeout_ms)
		c->timeout_ms = timeout_ms;
	snprintf(c->where.address, sizeof c->where.address, "%.299s", socket_path);
	c->ch = channel_connect_unix(&c->net, socket_path, &events, c);
	err = c->ch ? turn(c, &c->greeted, 0, clock_mono_ms() + c->timeout_ms) : ERR_NOMEM;
	if (err == OK && c->greeted && c->ch) {
		*out = c;
		return OK;
	}
	*t = c->ended;
	if (t->err == OK)
		trouble_set(
		    t, err ? err : ERR_CLOSED, "the daemon at %.300s does not answer", socket_path);
	err = t->err;
	client_close(c);
	return err;
}

static void answers_drop(struct client *c)
{
	struct answer *a;

	while ((a = c->first)) {
		c->first = a->next;
		message_free(a->message);
		free(a);
	}
	c->last = &c->first;
	c->held = 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	c->awaited = 0;
	if (c->ch) {
		bool never = false;

		channel_close(c->ch);
		turn(c, &never, 0, 0);
	}
	answers_drop(c);
	credential_clear(&c->node);
	tls_free(c->net.tls);
	event_base_free(c->net.base);
	free(c);
}

const struct credential *client_node(const struct client *c)
{
	return c->net.tls ? &c->node : NULL;
}

bool client_alive(const struct client *c)
{
	return c->ch != NULL;
}

uint64_t client_received(const struct client *c)
{
	return c->received;
}

/* ---- requests ---- */

static int gone(const struct client *c, struct trouble *t)
{
	*t = c->ended;
	if (t->err == OK)
		trouble_set(t, ERR_CLOSED, "the connection to %s is closed", c->where.address);
	return t->err;
}

int client_send_also(struct client *c, uint8_t type, const ProtobufCMessage *request,
    uint32_t *stream, struct trouble *t)
{
	if (!c->ch)
		return gone(c, t);
	/* The channel would close over a frame that is too large: say what it is instead. */
	if (request && protobuf_c_message_get_packed_size(request) > frame_limit(type))
		return trouble_set(t, ERR_TOO_LARGE, "the request is larger than a node takes");
	if (c->stream == UINT32_MAX)
		return trouble_set(t, ERR_CLOSED, "this connection has seen too many requests");
	*stream = ++c->stream;
	if (c->awaited == 0)
		c->awaited = c->stream;
	channel_send(c->ch, type, c->stream, request);
	return OK;
}

int client_send(struct client *c, uint8_t type, const ProtobufCMessage *request, uint32_t *stream,
    struct trouble *t)
{
	answers_drop(c);
	c->awaited = 0;
	return client_send_also(c, type, request, stream, t);
}

int client_push(struct client *c, uint64_t timeout_ms, struct trouble *t)
{
	struct event *timer = evtimer_new(c->net.base, wake, NULL);
	uint64_t deadline = clock_mono_ms() + timeout_ms;
	struct timeval tv = {(time_t)(timeout_ms / 1000), 0};
	int err = OK;

	if (!timer || evtimer_add(timer, &tv) != 0)
		err = no_memory(t);
	while (!err && c->ch && channel_backlog(c->ch) > 0) {
		if (clock_mono_ms() >= deadline)
			err = trouble_set(t, ERR_TIMEOUT, "the node at %s reads nothing any more",
			    c->where.address);
		else if (event_base_loop(c->net.base, EVLOOP_ONCE) < 0)
			err = trouble_set(t, ERR_IO, "sending failed");
	}
	if (timer)
		event_free(timer);
	return !err && !c->ch ? gone(c, t) : err;
}

int client_next(struct client *c, uint32_t stream, uint8_t expect, uint64_t timeout_ms,
    ProtobufCMessage **answer, struct trouble *t)
{
	struct answer *a, **at;
	int err;

	*answer = NULL;
	if (c->awaited == 0 || stream < c->awaited || stream > c->stream)
		return trouble_set(t, ERR_INVALID, "that request was replaced by another");
	err = turn(c, NULL, stream, timeout_ms ? clock_mono_ms() + timeout_ms : 0);
	at = answer_find(c, stream);
	a = *at;
	if (!a) {
		if (err == ERR_TIMEOUT) {
			/* What answers later is for nobody. */
			c->awaited = 0;
			return trouble_set(t, err,
			    "the node at %s did not answer within %llu seconds", c->where.address,
			    (unsigned long long)(timeout_ms / 1000));
		}
		return err ? trouble_set(t, err, "waiting for an answer failed") : gone(c, t);
	}
	*at = a->next;
	if (!*at)
		c->last = at;
	c->held -= a->size;
	if (a->type == FRAME_ERROR) {
		err = trouble_refused(t, (const Convene__Error *)a->message);
	} else if (a->type == FRAME_CONTENT_NONE && expect == FRAME_CONTENT) {
		uint32_t reason = ((const Convene__ContentNone *)a->message)->reason;
		bool erased = reason == CONVENE__ABSENCE__ERASED;

		err = trouble_set(t, erased ? ERR_REFUSED : ERR_NOTFOUND,
		    erased                               ? "this content was erased"
		    : reason == CONVENE__ABSENCE__HIDDEN ? "the node hides this content"
							 : "this content is not at the node yet");
	} else if (a->type != expect) {
		err = trouble_set(t, ERR_MALFORMED, "the node answered with %s where %s belongs",
		    frame_name(a->type), frame_name(expect));
	} else {
		*answer = a->message;
		a->message = NULL;
		err = OK;
	}
	message_free(a->message);
	free(a);
	return err;
}

int client_call(struct client *c, uint8_t type, const ProtobufCMessage *request, uint8_t expect,
    ProtobufCMessage **answer, struct trouble *t)
{
	uint32_t stream;
	int err = client_send(c, type, request, &stream, t);

	*answer = NULL;
	return err ? err : client_next(c, stream, expect, c->timeout_ms, answer, t);
}

/* One chunk into its place. */
static int chunk_take(const Convene__ContentChunk *chunk, bool first, uint8_t salt[static SALT_LEN],
    struct buffer *out, size_t begin, uint64_t *total, struct trouble *t)
{
	if (first) {
		*total = chunk->total;
		if (chunk->salt.len != SALT_LEN || *total > UINT64_C(1) << BUCKET_MAX)
			return trouble_set(t, ERR_MALFORMED,
			    "the node sent a content without salt, or a too large one");
		memcpy(salt, chunk->salt.data, SALT_LEN);
	}
	if (chunk->total != *total || chunk->offset != out->len - begin ||
	    chunk->data.len > *total - chunk->offset || (chunk->data.len == 0 && *total > 0))
		return trouble_set(
		    t, ERR_MALFORMED, "the node sent the chunks of a content in disorder");
	buffer_add(out, chunk->data.data, chunk->data.len);
	return out->failed ? no_memory(t) : OK;
}

int client_content_next(struct client *c, uint32_t stream, uint8_t salt[static SALT_LEN],
    struct buffer *out, struct trouble *t)
{
	uint64_t total = UINT64_MAX;
	size_t begin = out->len;
	int err = OK;

	while (!err && (total == UINT64_MAX || out->len - begin < total)) {
		ProtobufCMessage *m;

		err = client_next(c, stream, FRAME_CONTENT, c->timeout_ms, &m, t);
		if (err)
			break;
		err = chunk_take((const Convene__ContentChunk *)m, total == UINT64_MAX, salt, out,
		    begin, &total, t);
		message_free(m);
	}
	if (err)
		out->len = begin;
	return err;
}

int client_content(struct client *c, const uint8_t id[static ID_LEN], uint8_t salt[static SALT_LEN],
    struct buffer *out, struct trouble *t)
{
	Convene__ContentGet get = CONVENE__CONTENT_GET__INIT;
	uint32_t stream;
	int err;

	get.id = pb_of(bytes_of(id, ID_LEN));
	err = client_send_also(c, FRAME_CONTENT_GET, &get.base, &stream, t);
	return err ? err : client_content_next(c, stream, salt, out, t);
}
