/* SPDX-License-Identifier: BSD-2-Clause */
/* The client library: a node as seen by a participant's program or a gateway. One request at a
 * time, each call waits for its answer; the wire is lib/net's, driven inside the call. One owner,
 * one thread.
 *
 * Every function that can fail takes a struct trouble and fills it with a sentence for people: what
 * failed, why, what to try. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "member/credential.h"
#include "msg/frame.h"

struct trouble {
	int err;        /* enum error */
	uint32_t code;  /* the node's refusal (enum Code), or 0 */
	char text[512]; /* what failed and why */
	char hint[256]; /* what to try; may be empty */
};

/* Where a node is and which root key it must answer for. `serial` is the highest NODE serial seen
 * of that key (0: none): a credential below it is refused (SPEC.md 10.3); who keeps addresses keeps
 * it too, from client_node(). */
struct node_address {
	char address[300]; /* HOST:PORT */
	char organisation[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	uint8_t forum[HASH_LEN];
	uint64_t serial;
};

struct client;

/* Connect, TLS, HELLO, and check the credential against root key, forum and the TLS key in use
 * (SPEC.md 10.3). */
int client_open(
    struct client **out, const struct node_address *where, uint64_t timeout_ms, struct trouble *t);
/* The same over the node's control socket, for its operator (SPEC.md 10.6): no TLS, no HELLO, and
 * what is submitted counts against no quota. client_node() is NULL. ERR_CLOSED with a hint when no
 * daemon listens, ERR_IO when we may not use the socket. */
int client_open_local(
    struct client **out, const char *socket_path, uint64_t timeout_ms, struct trouble *t);
void client_close(struct client *c);

/* The node's log: name, binding, keys. Valid as long as the client. */
const struct credential *client_node(const struct client *c);
bool client_alive(const struct client *c); /* false: the connection is gone */
/* Bytes of frames that have come, HELLO and all. */
uint64_t client_received(const struct client *c);

/* Send a request and wait for one answer of type `expect` on its stream (an ERROR becomes `t`). The
 * answer is freed with message_free(). */
int client_call(struct client *c, uint8_t type, const ProtobufCMessage *request, uint8_t expect,
    ProtobufCMessage **answer, struct trouble *t);
/* For answers in several frames: send, then client_next() until `last` (the caller looks). A
 * timeout of 0 waits for ever. */
int client_send(struct client *c, uint8_t type, const ProtobufCMessage *request, uint32_t *stream,
    struct trouble *t);
/* Send another one without giving up what was sent before: the answers of all are kept until
 * client_next() takes them. */
int client_send_also(struct client *c, uint8_t type, const ProtobufCMessage *request,
    uint32_t *stream, struct trouble *t);
/* See what was sent on its way whole, without waiting for an answer: for who has other work in the
 * meantime. */
int client_push(struct client *c, uint64_t timeout_ms, struct trouble *t);
int client_next(struct client *c, uint32_t stream, uint8_t expect, uint64_t timeout_ms,
    ProtobufCMessage **answer, struct trouble *t);

/* A whole content by message id, chunks put together. ERR_REFUSED: it was erased; ERR_NOTFOUND: it
 * is not at the node yet, or there is no such message. May be asked while
 * other answers come. */
int client_content(struct client *c, const uint8_t id[static ID_LEN], uint8_t salt[static SALT_LEN],
    struct buffer *out, struct trouble *t);
/* The same of a CONTENT_GET that was sent before, perhaps with others (client_send_also()). */
int client_content_next(struct client *c, uint32_t stream, uint8_t salt[static SALT_LEN],
    struct buffer *out, struct trouble *t);

/* ---- answers of several frames (frames.c) ---- */

/* Gathered: frames_free() frees each with message_free(), then the list. */
struct frames {
	ProtobufCMessage **list;
	size_t count;
};
void frames_free(struct frames *f);
/* Add one; the message is taken over, also upon ERR_NOMEM. */
int frames_add(struct frames *f, ProtobufCMessage *m);

int client_topics(struct client *c, struct frames *out, struct trouble *t);
int client_threads(struct client *c, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t);
int client_thread(struct client *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t);
/* Only the post with this id, and the root of its thread: what answering it takes. */
int client_post(
    struct client *c, const uint8_t *id, size_t len, struct frames *out, struct trouble *t);
int client_logs(struct client *c, struct frames *out, struct trouble *t);
/* What the node finds (search/search.h says what a query may be), newest arrival first, up to
 * `limit` (100 at most) items below the arrival number `before` (UINT64_MAX: from the newest on).
 * `*next` is where to go on; 0: that was all. A page may hold less than `limit`, also nothing,
 * where there is more. ERR_INVALID with a sentence for a query that isn't one; ERR_NOTFOUND
 * when the node has no search, ERR_BUSY while its index begins. */
int client_search(struct client *c, struct bytes query, uint64_t before, uint32_t limit,
    struct frames *out, uint64_t *next, struct trouble *t);

/* All that has arrived at the node after an arrival number, up to now, in that order; `topic` (an
 * id, or NULL: all). The last frame tells up to which number. `fn` is called per frame; other than
 * OK ends it with that value, and the connection is then good for nothing more. */
int client_arrivals(struct client *c, uint64_t after, const uint8_t *topic,
    int (*fn)(void *ctx, const Convene__Items *items), void *ctx, struct trouble *t);

/* ---- the control socket, for convenectl ---- */

/* Connect, blocking. ERR_CLOSED with a hint when no daemon listens, ERR_IO. */
int control_open(const char *socket_path, int *fd, struct trouble *t);
/* Send a command to the daemon; `json` gets its answer. ERR_CLOSED with a hint when no daemon
 * listens. */
int control_call(const char *socket_path, int argc, const char *const *argv, struct bytes input,
    struct buffer *json, struct trouble *t);

/* ---- invites (SPEC.md 12.3) ---- */

#define INVITE_SECRET_LEN 16
#define INVITE_TEXT_MAX 640

struct invite {
	struct node_address node;
	uint8_t secret[INVITE_SECRET_LEN];
};
/* ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_TOO_LARGE; ERR_KEY for a root key that isn't usable. `*out`
 * is written upon OK only. */
int invite_parse(struct invite *out, struct bytes text);
void invite_format(struct buffer *out, const struct invite *invite);

/* A node's line: `convene://HOST:PORT/ORGANISATION/ROOT/FORUM`, an invite without a secret, for who
 * is to be enrolled by the operator's own hand (`convene join --offline`). With `/DIGEST/N` after
 * it, the log is known too, and nobody need be asked for it. `log_name` takes VERIFIER_NAME_MAX + 1
 * characters, and is "" when the line doesn't have it. Errors as above. */
int node_line_parse(
    struct node_address *out, char log_name[static VERIFIER_NAME_MAX + 1], struct bytes text);
void node_line_format(struct buffer *out, const struct node_address *node, const char *log_name);

/* A device line (SPEC.md 12.4): a node's line with its log, and who is to get a further device
 * there. It holds no secret. */
int device_line_parse(struct node_address *out, char log_name[static VERIFIER_NAME_MAX + 1],
    uint8_t identity[static IDENTITY_LEN], struct bytes text);
void device_line_format(struct buffer *out, const struct node_address *node, const char *log_name,
    const uint8_t identity[static IDENTITY_LEN]);

#endif
