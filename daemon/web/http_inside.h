/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection from inside: http.c begins and ends connections, http_request.c takes what comes
 * on them, http_answer.c says what goes out.
 *
 * The states of a connection:
 *
 *   READING   for a head; nothing of one has come yet, or a part
 *   BODY      the head says there is one
 *   BUSY      the handler has it
 *   WRITING   the answer is going out; then READING, or the end
 *   STREAM    an answer without an end
 *   LINGER    all is said; what the other side still sends is thrown away, since closing on it
 *             would destroy the answer on its way
 *
 * Each has a deadline, measured from its beginning and not from the last byte, and for what takes
 * as long as its bytes need, a pace; a single timer looks at all of them. Where there is no room
 * for somebody new, the slowest go. Within a callback a connection that fails is only marked
 * (`ended`), and freed on the way out: the callers above still hold it. */
#ifndef DAEMON_HTTP_INSIDE_H
#define DAEMON_HTTP_INSIDE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <time.h>

#include "daemon/web/crowd.h"
#include "daemon/web/http.h"

#define WRITE_MS 30000 /* in which an answer has to become less, or its rest to go */
#define LISTENERS_MAX 64

enum exchange_state { READING, BODY, BUSY, WRITING, STREAM, LINGER };

struct exchange {
	struct http *http;
	struct exchange *prev, *next;
	struct bufferevent *bev;
	struct crowd_one *one; /* NULL: not counted */
	bool plain;
	enum exchange_state state;
	uint64_t deadline; /* mono ms; 0: none */
	struct head head;
	struct buffer text; /* that `head` points into */
	struct buffer body;
	size_t scanned; /* of the input, without an end of a head */
	bool begun;     /* some of the head has come */
	bool last;      /* no further request after this one */
	bool linger;    /* … and the other side doesn't expect that */
	bool inside;    /* a callback of ours is at it */
	bool ended;     /* to be freed on the way out */
	bool half;      /* the other side will send no more */
	bool asking;    /* counted in `one` */
	unsigned answers;
	struct event *again;    /* to go on with what has come; NULL: never was needed */
	uint64_t since;         /* mono ms: the state began */
	uint64_t whole;         /* bytes that BODY or WRITING began with */
	uint64_t mark_at, mark; /* what was left of them when it was last looked */
	uint64_t pace;          /* bytes a second, since it began */
	size_t held;            /* of HELD_MAX */
	void (*gone)(void *ctx);
	void *gone_ctx;
};

struct listening {
	struct http *http;
	struct evconnlistener *listener;
	struct web_tls *tls;
};

struct http {
	struct event_base *base;
	struct http_limits limits;
	http_handler *handler;
	http_body *wants;
	void *ctx;
	struct listening listening[LISTENERS_MAX];
	size_t listening_count;
	struct exchange *first; /* the newest connection */
	size_t count;
	size_t held; /* by all of them */
	struct crowd *crowd;
	struct event *tick;
	bool finishing;
	bool paused; /* accepting, for want of something */
	time_t date_at;
	char date[40];
};

/* http.c */
/* On the way into a callback `inside` is set, and this is said on the way out. False: there is no
 * connection any more. */
bool exchange_leave(struct exchange *x);
void exchange_idle(struct exchange *x); /* for the next request */
/* So many bytes are held for it now. */
void exchange_hold(struct exchange *x, size_t bytes);
/* Begin BODY or WRITING, which have to keep their pace. */
void exchange_pace(struct exchange *x, enum exchange_state state);
/* It is no longer one that others may have to wait for. */
void exchange_answered(struct exchange *x);
/* End the slowest of those that have been at it for a while. */
bool http_slowest_end(struct http *h, bool body_only, bool writing_only);

/* http_request.c */
void exchange_start(struct exchange *x); /* a new connection; its `bev` is there */
/* Go on with what has come, up to one answer: some hundred requests fit into what comes at once. */
void exchange_serve(struct exchange *x);
/* Give it to the handler, which answers; `status` as in http_handler. */
void exchange_handle(struct exchange *x, int status);

/* http_answer.c */
void exchange_sent(struct exchange *x); /* all of an answer is out */

#endif
