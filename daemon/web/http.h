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

/* May a body follow this head? 0, or the status to refuse it with before it comes. */
typedef int http_body(void *ctx, const struct head *head);

struct http_limits {
	unsigned connections;
	unsigned per_address; /* where TLS is spoken; without it all come from a server in front */
	size_t body;          /* bytes of a request's body; anything but POST has none */
};

int http_new(struct http **out, struct event_base *base, const struct http_limits *limits,
    http_handler *handler, http_body *wants, void *ctx);
void http_free(struct http *h); /* ends all connections */
void http_limit(struct http *h, const struct http_limits *limits);
/* Accept on a listening socket, which stays the caller's. `tls` NULL: in the clear; else it must
 * live as long. ERR_NOMEM. */
int http_listen(struct http *h, int fd, struct web_tls *tls);
/* No more connections; those there are end after the request that is under way, or soon if there is
 * none. With the last one the loop ends. */
void http_finish(struct http *h);

/* Answers that are held for those who take them slowly have become too much: end the slowest of
 * these. False: there is none that is slow. */
bool http_make_way(struct http *h);

const struct head *exchange_head(const struct exchange *x);
struct bytes exchange_body(const struct exchange *x);
/* It isn't needed any more; else it stays until the answer. */
void exchange_body_drop(struct exchange *x);
/* Count this request as one that others may have to wait for, until it is answered: no more than
 * `max` at once of one address. Where addresses aren't counted it is always true. */
bool exchange_asks(struct exchange *x, unsigned max);
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
/* Whether so much waits for the reader of an answer without an end that more is better written
 * later: half of what it may be. */
bool exchange_is_behind(const struct exchange *x);

const char *http_reason(int status);

#endif
