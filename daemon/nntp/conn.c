/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections. Each gets a turn of a few pieces of its answers, within one short read of the store,
 * and the next when what it got is on its way: a slow reader costs no more than OUT_MAX and one
 * article, all of them no more than UNSENT_MAX, a greedy one no more than its turns. Where somebody
 * comes from is used to count connections, and told to nobody. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/nntp/nntp.h"
#include "daemon/web/crowd.h"
#include "daemon/web/tls.h"

#define OUT_MAX 65536       /* what waits to be sent before the next turn, but for one article */
#define OUT_SLICE 16256     /* in memory of its own */
#define OUT_LOW 16384       /* and when the next turn comes */
#define UNSENT_MAX 67108864 /* what waits to be sent in all; who takes least of it is let go */
#define TURN_MS 4           /* of one turn; then others have theirs */
#define IDLE_SECONDS 600    /* without a command (RFC 3977 section 3.1: at least three minutes) */
#define HELLO_SECONDS 30    /* for TLS, and the first command */
#define STUCK_SECONDS 60    /* in which nothing of an answer is taken */

struct conn {
	struct nntp *nntp;
	struct conn *next, **at;
	struct bufferevent *be;
	struct crowd_one *one;
	struct nntp_session *session;
	struct event *turn;  /* more of the same answer, after others had theirs */
	size_t unsent;       /* not more than that */
	bool closing, known; /* `known`: it has said something */
};

static void unsent_set(struct conn *c)
{
	size_t now = c->be ? evbuffer_get_length(bufferevent_get_output(c->be)) : 0;

	c->nntp->unsent += now - c->unsent;
	c->unsent = now;
}

static void conn_close(struct conn *c)
{
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->nntp->conn_count--;
	c->nntp->unsent -= c->unsent;
	crowd_leave(c->nntp->crowd, c->one);
	session_free(c->session);
	if (c->turn)
		event_free(c->turn);
	if (c->be)
		bufferevent_free(c->be);
	free(c);
}

void conns_close(struct nntp *n)
{
	while (n->conns)
		conn_close(n->conns);
}

/* What has come in goes to the session as far as it has room. */
static bool input_take(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->be);
	size_t len;

	while ((len = evbuffer_get_length(in)) > 0) {
		size_t room = session_room(c->session);
		unsigned char *data;

		len = len < room ? len : room;
		if (len == 0)
			break;
		data = evbuffer_pullup(in, (ev_ssize_t)len);
		if (!data || session_take(c->session, bytes_of(data, len)) != OK)
			return false;
		evbuffer_drain(in, len);
	}
	return true;
}

/* Articles may be large, and readers slow: those with most before them go. false: `c` did. */
static bool unsent_bound(struct conn *c)
{
	struct nntp *n = c->nntp;
	bool here = true;

	unsent_set(c);
	if (n->unsent <= UNSENT_MAX)
		return true;
	for (struct conn *o = n->conns; o; o = o->next)
		unsent_set(o);
	while (n->unsent > UNSENT_MAX) {
		struct conn *most = n->conns;

		for (struct conn *o = n->conns; o; o = o->next)
			if (o->unsent >= most->unsent) /* of several the oldest */
				most = o;
		here = here && most != c;
		conn_close(most);
	}
	return here;
}

/* In slices, each of which is given back when it is sent; libevent takes powers of two for them. */
static bool out_add(struct evbuffer *to, const struct buffer *out)
{
	for (size_t at = 0; at < out->len; at += OUT_SLICE) {
		size_t n = out->len - at < OUT_SLICE ? out->len - at : OUT_SLICE;

		if (evbuffer_add(to, out->data + at, n) != 0)
			return false;
	}
	return !out->failed;
}

/* One turn. false: the connection is no more. */
static bool turn_take(struct conn *c)
{
	struct evbuffer *to = bufferevent_get_output(c->be);
	struct buffer out = BUFFER_INIT;
	bool more = true, reading = catalogue_begin(c->nntp->catalogue) == OK;
	uint64_t until = clock_mono_ms() + TURN_MS;

	while (more && evbuffer_get_length(to) + out.len < OUT_MAX && clock_mono_ms() <= until)
		more = session_run(c->session, &out);
	if (reading)
		catalogue_end(c->nntp->catalogue);
	if (!out_add(to, &out)) {
		buffer_free(&out);
		conn_close(c);
		return false;
	}
	buffer_free(&out);
	if (!unsent_bound(c))
		return false;
	c->closing = session_over(c->session);
	if (more && !c->closing && evbuffer_get_length(to) < OUT_MAX) {
		struct timeval now = {0, 0};

		event_add(c->turn, &now);
	}
	return true;
}

static void advance(struct conn *c)
{
	if (c->closing)
		return;
	if (!input_take(c)) {
		conn_close(c);
		return;
	}
	if (!turn_take(c))
		return;
	if (c->closing) {
		bufferevent_disable(c->be, EV_READ);
		if (evbuffer_get_length(bufferevent_get_output(c->be)) == 0)
			conn_close(c);
		return;
	}
	/* Whoever doesn't take answers need not go on asking. */
	if (session_room(c->session) == 0 ||
	    evbuffer_get_length(bufferevent_get_output(c->be)) >= OUT_MAX)
		bufferevent_disable(c->be, EV_READ);
	else
		bufferevent_enable(c->be, EV_READ);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	advance(ctx);
}

static void on_read(struct bufferevent *be, void *ctx)
{
	struct conn *c = ctx;
	struct timeval idle = {IDLE_SECONDS, 0}, stuck = {STUCK_SECONDS, 0};

	if (!c->known)
		bufferevent_set_timeouts(be, &idle, &stuck);
	c->known = true;
	advance(c);
}

static void on_written(struct bufferevent *be, void *ctx)
{
	struct conn *c = ctx;

	unsent_set(c);
	if (!c->closing)
		advance(c);
	else if (evbuffer_get_length(bufferevent_get_output(be)) == 0)
		conn_close(c);
}

static void on_event(struct bufferevent *be, short what, void *ctx)
{
	struct conn *c = ctx;

	if (what & BEV_EVENT_CONNECTED)
		return;
	/* Who is silent because a long answer is still on its way is not idle. */
	if ((what & BEV_EVENT_TIMEOUT) && (what & BEV_EVENT_READING) && c->known &&
	    evbuffer_get_length(bufferevent_get_output(be)) > 0) {
		bufferevent_enable(be, EV_READ);
		return;
	}
	/* Its reasons are of no interest to anybody. */
	ERR_clear_error();
	conn_close(c);
}

static struct conn *conn_new(struct nntp *n, evutil_socket_t fd, struct crowd_one *one)
{
	struct conn *c = calloc(1, sizeof *c);
	struct timeval hello = {HELLO_SECONDS, 0}, stuck = {STUCK_SECONDS, 0};
	SSL *ssl = n->tls ? web_tls_session(n->tls) : NULL;

	if (!c || (n->tls && !ssl)) {
		SSL_free(ssl);
		free(c);
		crowd_leave(n->crowd, one);
		close(fd);
		return NULL;
	}
	c->be = ssl ? bufferevent_openssl_socket_new(
			  n->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
		    : bufferevent_socket_new(n->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->be) {
		SSL_free(ssl);
		free(c);
		crowd_leave(n->crowd, one);
		close(fd);
		return NULL;
	}
	c->nntp = n;
	c->one = one;
	c->next = n->conns;
	c->at = &n->conns;
	if (n->conns)
		n->conns->at = &c->next;
	n->conns = c;
	n->conn_count++;
	c->turn = evtimer_new(n->base, on_turn, c);
	if (!c->turn ||
	    session_new(&c->session, catalogue_source(n->catalogue), &n->server) != OK) {
		conn_close(c);
		return NULL;
	}
	bufferevent_setcb(c->be, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->be, EV_WRITE, OUT_LOW, 0);
	bufferevent_setwatermark(c->be, EV_READ, 0, SESSION_INPUT_MAX);
	bufferevent_set_timeouts(c->be, &hello, &stuck);
	bufferevent_enable(c->be, EV_READ | EV_WRITE);
	return c;
}

static void greet(struct conn *c)
{
	struct buffer out = BUFFER_INIT;

	session_greet(c->session, &out);
	evbuffer_add(bufferevent_get_output(c->be), out.data, out.len);
	buffer_free(&out);
}

void conn_accept(evutil_socket_t listener, short what, void *nntp)
{
	struct nntp *n = nntp;
	const struct conf *conf = n->setup->conf;
	struct sockaddr_storage from;
	unsigned most;
	int one = 1;

	(void)what;
	/* A few in one go, so that a crowd at the door holds nobody up. */
	for (int i = 0; i < 16; i++) {
		socklen_t len = sizeof from;
		struct crowd_one *who;
		evutil_socket_t fd = accept4(
		    listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		/* Without TLS all come from loopback. */
		most = n->tls ? conf->nntp.connections_per_address : conf->nntp.connections;
		who = n->conn_count < conf->nntp.connections
			  ? crowd_enter(n->crowd, (struct sockaddr *)&from, most)
			  : NULL;
		if (!who) {
			static const char full[] = "400 too many connections; try again later\r\n";

			/* Over TLS it would cost a handshake to say so. */
			if (!n->tls)
				send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			close(fd);
			continue;
		}
		c = conn_new(n, fd, who);
		if (c)
			greet(c);
	}
}
