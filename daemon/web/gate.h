/* SPDX-License-Identifier: BSD-2-Clause */
/* From browsers to our own node's client port (SPEC.md section 14): one frame of a client's request
 * goes in, the frame of the answer comes back. Nothing is parsed on the way but type and size: the
 * relay judges, as it does of every client, and what it takes is signed.
 *
 * We connect as a client, by TLS, to the key that our own credential names. A connection has one
 * request at a time: what a stranger puts into a frame may end it, and then ends no one else's.
 * One owner, loop thread. */
#ifndef DAEMON_GATE_H
#define DAEMON_GATE_H

#include <event2/event.h>

#include "conf/conf.h"
#include "member/credential.h"

struct gate;
struct gate_request;

#define GATE_BODY_MAX (1 + 2162688) /* the type, and the largest frame */

struct gate_setup {
	struct event_base *base;
	const struct conf *conf; /* node.listen, limits */
	const struct credential *credential;
	unsigned processes; /* that share what one address may have at the relay */
};

int gate_new(struct gate **out, const struct gate_setup *setup);
void gate_free(struct gate *g);

/* Another config, of the same addresses. */
void gate_conf(struct gate *g, const struct conf *conf);

/* May this frame pass? */
bool gate_passes(uint8_t type, size_t payload);

/* Ask. `done` is called once, perhaps before this returns: OK with the type and payload of the
 * answer, which may be ERROR; ERR_BUSY (too much under way), ERR_CLOSED (the relay isn't there, or
 * ended the connection), ERR_TIMEOUT. NULL: no memory, or `done` has been called. */
struct gate_request *gate_ask(struct gate *g, uint8_t type, struct bytes payload,
    void (*done)(void *ctx, int err, uint8_t type, struct bytes payload), void *ctx);
/* Nobody waits for it any more; `done` isn't called. */
void gate_forget(struct gate_request *q);

#endif
