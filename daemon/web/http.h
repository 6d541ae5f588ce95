/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/1.1 on libevent's bufferevents: connections, their limits and deadlines, requests one after
 * the other, answers. It knows nothing of the forum.
 *
 * libevent has a server, too. It says of no connection where it comes from before there is a
 * request, writes answers of its own, restarts its clock with every byte, and is generous with what
 * it takes for a request; none of that can be had otherwise. Parsing is in head.c.
 *
 * An exchange is a connection with the request that it is about. A handler answers at once or
 * later; until then nothing else of the connection is looked at. No address is ever written down or
 * given away. Loop thread. */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <event2/event.h>

#include "base/buffer.h"
#include "daemon/web/head.h"
#include "daemon/web/tls.h"

struct http;
struct exchange;

/* `status` 0: a request. Otherwise what came can't be one, and is to be answered with that; the
 * head is empty. Ends with exchange_answer() or exchange_stream(), now or later. */
typedef void http_handler(void *ctx, struct exchange *x, int status);

struct http_limits {
	unsigned connections;
	unsigned per_address; /* where TLS is spoken; without it all come from a server in front */
	size_t body;          /* bytes of a request's body; anything but POST has none */
};

int http_new(struct http **out, struct event_base *base, const struct http_limits *limits,
    http_handler *handler, void *ctx);
void http_free(struct http *h); /* ends all connections */
void http_limit(struct http *h, const struct http_limits *limits);
/* Accept on a listening socket, which stays the caller's. `tls` NULL: in the clear; else it must
 * live as long. ERR_NOMEM. */
int http_listen(struct http *h, int fd, struct web_tls *tls);
/* No more connections; those there are end after the request that is under way, or soon if there is
 * none. With the last one the loop ends. */
void http_finish(struct http *h);

const struct head *exchange_head(const struct exchange *x);
struct bytes exchange_body(const struct exchange *x);
/* Where a handler that answers later keeps what it knows; `gone` is called if the connection ends
 * before, and then it must not answer any more. */
void exchange_later(struct exchange *x, void (*gone)(void *ctx), void *ctx);

struct http_answer {
	int status;
	struct bytes fields; /* all but Date, Content-Length and Connection; each with its CR LF */
	struct bytes body;   /* for HEAD too; it isn't sent then */
	/* NULL: the body is copied; else it stays until this is called. */
	void (*release)(void *owner);
	void *owner;
};
void exchange_answer(struct exchange *x, const struct http_answer *a);

/* An answer without an end: `later` must have been said. False: it has ended, or its reader lets
 * too much pile up and it is being ended; `gone` was or will be called. */
bool exchange_stream(struct exchange *x, struct bytes fields);
bool exchange_write(struct exchange *x, struct bytes data);
void exchange_end(struct exchange *x);

const char *http_reason(int status);

#endif
