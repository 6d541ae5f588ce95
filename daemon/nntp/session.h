/* SPDX-License-Identifier: BSD-2-Clause */
/* The command machine of a news server for readers (RFC 3977): bytes in, bytes out, no socket, no
 * clock of its own. One struct nntp_session is one connection; one thread.
 *
 * Commands may come pipelined; each is answered in order. Long answers are made in pieces, so that
 * whoever owns the session decides how much may wait to be sent:
 *
 *     session_take(s, bytes)                    what has come in; at most SESSION_INPUT_MAX waits
 *     while (session_run(s, out)) …             one piece each; stop while `out` is full
 *     session_over(s)                           send what is left of `out`, and close
 *
 * Nothing that a client sends costs more than its line and one piece of an answer. */
#ifndef DAEMON_NNTP_SESSION_H
#define DAEMON_NNTP_SESSION_H

#include <stdbool.h>

#include "daemon/nntp/source.h"

#define SESSION_LINE_MAX 512 /* with CR LF (RFC 3977 section 3.1) */
#define SESSION_INPUT_MAX 65536

/* What all sessions have in common; outlives them. */
struct nntp_server {
	const char *name;           /* of the node, for Path and Xref, and the greeting */
	const char *writing;        /* a sentence: where to write */
	uint64_t (*now)(void *ctx); /* wall ms */
	void *ctx;
};

struct nntp_session;

/* ERR_NOMEM. */
int session_new(
    struct nntp_session **out, struct news_source *source, const struct nntp_server *server);
void session_free(struct nntp_session *s);

/* Append the greeting. */
void session_greet(const struct nntp_session *s, struct buffer *out);
/* How much may be taken now; 0 until session_run() has made room. */
size_t session_room(const struct nntp_session *s);
/* Take at most so much. ERR_NOMEM: close. */
int session_take(struct nntp_session *s, struct bytes in);
/* Append one piece of an answer. false: nothing is left to do until more comes, or for good. */
bool session_run(struct nntp_session *s, struct buffer *out);
/* Whether the session has ended: QUIT, or an answer that could not be finished. */
bool session_over(const struct nntp_session *s);

#endif
