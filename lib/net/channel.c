/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection's life: open, watched, and ended. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/channel_inside.h"

#define CLOSE_MS 1000
#define PONG_MS 30000
#define PING_MS 15000 /* between nodes */
#define PING_FIRST_MS 2000
#define USER_TIMEOUT_MS                                                                          \
	10000 /* TCP's own clock grows with a cut, so that what was cut for minutes stays so for \
		 as long again: sooner done with a new connection */

void channel_free(struct channel *ch)
{
	channel_budget_give(ch);
	if (ch->bev) {
		SSL *ssl = ch->tls ? bufferevent_openssl_get_ssl(ch->bev) : NULL;

		if (ssl) {
			SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
			SSL_shutdown(ssl);
		}
		bufferevent_free(ch->bev);
	}
	if (ch->timer)
		event_free(ch->timer);
	buffer_free(&ch->scratch);
	ERR_clear_error();
	free(ch);
}

void channel_timer(struct channel *ch, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(ch->timer, &tv);
}

static void finish(struct channel *ch)
{
	const struct channel_events *events = ch->events;

	events->closed(ch->ctx, ch, ch->err, ch->text);
	channel_free(ch);
}

void channel_end(struct channel *ch, int err, const char *text)
{
	if (ch->state != CLOSING) {
		ch->err = err;
		snprintf(ch->text, sizeof ch->text, "%s", text);
		ch->state = CLOSING;
	}
	bufferevent_disable(ch->bev, EV_READ);
	ch->deadline = clock_mono_ms(); /* now */
	channel_timer(ch, 0);
}

void channel_drop(struct channel *ch)
{
	finish(ch);
}

void channel_close(struct channel *ch)
{
	if (ch->state == CLOSING)
		return;
	ch->state = CLOSING;
	ch->err = OK;
	snprintf(ch->text, sizeof ch->text, "closed");
	if (!ch->lingering)
		bufferevent_disable(ch->bev, EV_READ);
	bufferevent_setwatermark(ch->bev, EV_WRITE, 0, 0);
	channel_budget_give(ch);
	ch->deadline = clock_mono_ms() + CLOSE_MS;
	channel_timer(ch, channel_backlog(ch) > 0 ? CLOSE_MS : 0);
}

/* An ERROR must arrive. A socket that is closed while input waits unread resets the connection, and
 * what was sent last is lost; so the input is thrown away until the other side has closed as well,
 * or CLOSE_MS are over. */
static void linger(struct channel *ch)
{
	ch->lingering = true;
	bufferevent_setwatermark(ch->bev, EV_READ, 0, 0);
	bufferevent_enable(ch->bev, EV_READ);
}

/* Nothing more comes from us. */
void channel_half_close(struct channel *ch)
{
	SSL *ssl = ch->tls ? bufferevent_openssl_get_ssl(ch->bev) : NULL;

	ch->half_closed = true;
	if (ssl)
		SSL_shutdown(ssl);
	ERR_clear_error();
	shutdown(bufferevent_getfd(ch->bev), SHUT_WR);
}

void channel_refuse(struct channel *ch, uint32_t code, int err, const char *text)
{
	Convene__Error m = CONVENE__ERROR__INIT;

	if (ch->state == CLOSING)
		return;
	m.code = code;
	m.text = pb_of(bytes_str(text));
	if (ch->state != CONNECTING) {
		channel_send(ch, FRAME_ERROR, 0, &m.base);
		linger(ch);
	}
	channel_close(ch);
	ch->err = err;
	snprintf(ch->text, sizeof ch->text, "%s", text);
}

void channel_fail(struct channel *ch, int err, const char *text)
{
	channel_refuse(ch, refusal_code(err), err, text);
}

void channel_polite(struct channel *ch)
{
	ch->polite = true;
}

/* Not at its start: HELLO and frontiers are on their way, and the answer would be measured behind
 * them. */
static void ping_send(struct channel *ch, uint64_t now)
{
	ch->ping_number++;
	ch->ping_at = ch->asked = now;
	channel_send_raw(ch, FRAME_PING, bytes_of(&ch->ping_number, sizeof ch->ping_number));
}

void channel_watch(struct channel *ch)
{
	unsigned gone = USER_TIMEOUT_MS;

	ch->watched = true;
	ch->asked = clock_mono_ms() + PING_FIRST_MS - PING_MS;
	setsockopt(bufferevent_getfd(ch->bev), IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof gone);
}

void channel_ping(struct channel *ch)
{
	if (ch->state == OPEN && ch->watched && ch->ping_at == 0)
		ping_send(ch, clock_mono_ms());
}

bool channel_measured(const struct channel *ch)
{
	return ch->measured;
}

uint64_t channel_rtt(const struct channel *ch)
{
	return ch->rtt;
}

void channel_traffic(const struct channel *ch, uint64_t *in, uint64_t *out)
{
	*in = ch->bytes_in;
	*out = ch->bytes_out;
}

uint64_t channel_unanswered(const struct channel *ch)
{
	return ch->ping_at;
}

void channel_pong(struct channel *ch, struct bytes payload)
{
	if (ch->ping_at == 0 || payload.len != sizeof ch->ping_number ||
	    memcmp(payload.data, &ch->ping_number, sizeof ch->ping_number) != 0)
		return;
	ch->rtt = clock_mono_ms() - ch->ping_at;
	ch->measured = true;
	ch->ping_at = 0;
}

bool channel_closing(const struct channel *ch)
{
	return ch->state == CLOSING;
}
const char *channel_address(const struct channel *ch)
{
	return ch->address;
}
const char *channel_host(const struct channel *ch)
{
	return ch->host;
}

size_t channel_backlog(const struct channel *ch)
{
	return evbuffer_get_length(bufferevent_get_output(ch->bev));
}

int channel_pin(const struct channel *ch, uint8_t pin[static HASH_LEN])
{
	if (!ch->has_pin)
		return ERR_NOTFOUND;
	memcpy(pin, ch->pin, HASH_LEN);
	return OK;
}

void channel_opened(struct channel *ch)
{
	ch->state = ch->tls ? GREETING : OPEN;
	ch->deadline = ch->tls ? clock_mono_ms() + ch->net->handshake_ms : 0;
	if (ch->tls)
		ch->has_pin = tls_peer_pin(bufferevent_openssl_get_ssl(ch->bev), ch->pin) == OK;
	if (ch->events->open)
		ch->events->open(ch->ctx, ch);
}

void channel_greeted(struct channel *ch)
{
	if (ch->state != GREETING)
		return;
	ch->state = OPEN;
	ch->deadline = 0;
}

void channel_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct channel *ch = arg;
	char text[256];

	if (what & BEV_EVENT_CONNECTED) {
		if (ch->tls)
			channel_tune(bufferevent_getfd(bev));
		if (ch->state == CONNECTING)
			channel_opened(ch);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT) {
		channel_end(ch, ERR_TIMEOUT, "timed out");
		return;
	}
	/* libevent reports a refused connection as one that ended. */
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	if (ch->state == CONNECTING && !ch->server && (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) &&
	    getpeername(bufferevent_getfd(bev), (struct sockaddr *)&ss, &len) != 0) {
		channel_end(ch, ERR_CLOSED, "nobody answers at that address");
		return;
	}
	if (what & BEV_EVENT_EOF) {
		channel_end(ch, ERR_CLOSED,
		    ch->state == CONNECTING ? "closed during the TLS handshake"
					    : "closed by the other side");
		return;
	}
	unsigned long ssl_err = ch->tls ? bufferevent_get_openssl_error(bev) : 0;
	int dns = bufferevent_socket_get_dns_error(bev), code = EVUTIL_SOCKET_ERROR();

	if (ssl_err)
		snprintf(text, sizeof text, "TLS: %s",
		    ERR_reason_error_string(ssl_err) ? ERR_reason_error_string(ssl_err) : "failed");
	else if (dns)
		snprintf(text, sizeof text, "%s", evutil_gai_strerror(dns));
	else
		snprintf(text, sizeof text, "%s",
		    code ? evutil_socket_error_to_string(code) : "connection lost");
	channel_end(ch, ssl_err ? ERR_REFUSED : ERR_CLOSED, text);
}

/* Whether nobody has answered to our SYN. */
static bool is_unanswered(const struct channel *ch)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	return ch->state == CONNECTING && !ch->server && ch->host[0] &&
	       getpeername(bufferevent_getfd(ch->bev), (struct sockaddr *)&ss, &len) != 0;
}

/* Deadlines, silence, waiting for the budget, and the end: one timer for all, set anew as it fires.
 */
void channel_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;
	uint64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	if (ch->state == CLOSING) {
		finish(ch);
		return;
	}
	if (ch->deadline && now >= ch->deadline) {
		channel_fail(ch, ERR_TIMEOUT,
		    ch->state == CONNECTING ? "the TLS handshake took too long"
		    : ch->state == GREETING ? "no HELLO in time"
					    : "a frame took too long to arrive");
		if (channel_backlog(ch) == 0 || ch->state == CONNECTING)
			channel_timer(ch, 0);
		return;
	}
	if (now - ch->heard >= ch->net->connect_ms && is_unanswered(ch)) {
		channel_end(ch, ERR_TIMEOUT, "nobody answers; is it up, and the port open to us?");
		return;
	}
	if (ch->waiting) {
		ch->waiting = false;
		bufferevent_enable(ch->bev, EV_READ);
		channel_input(ch);
		if (ch->waiting || ch->state == CLOSING)
			return;
	}
	if (ch->state == OPEN && ch->watched) {
		if (now - ch->heard > PING_MS + PONG_MS) {
			channel_end(ch, ERR_TIMEOUT, "no answer to PING");
			return;
		}
		if (ch->ping_at == 0 && now - ch->asked >= PING_MS)
			ping_send(ch, now);
	} else if (ch->state == OPEN && ch->tls) {
		if (now - ch->heard > ch->net->idle_ms + PONG_MS) {
			channel_end(ch, ERR_TIMEOUT, "no answer to PING");
			return;
		}
		if (now - ch->heard > ch->net->idle_ms && !ch->pinged) {
			ch->pinged = true;
			channel_send_raw(ch, FRAME_PING, bytes_of("idle", 4));
		}
	}
	channel_timer(ch, 1000);
}
