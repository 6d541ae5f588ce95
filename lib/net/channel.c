/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"

enum state { CONNECTING, GREETING, OPEN, CLOSING };

struct channel {
	struct net *net;
	struct bufferevent *bev;
	struct event *timer;
	const struct channel_events *events;
	void *ctx;
	enum state state;
	bool tls, server, pinged;
	bool polite, throttled;      /* throttled: not reading until the output is out */
	bool lingering, half_closed; /* see linger() */
	int err;                     /* what `closed` reports */
	char text[256];
	char address[300], host[256];
	uint64_t deadline; /* of the present state, or of the frame that has begun; 0: none */
	uint64_t heard;    /* when the last bytes came */
	size_t reserved;   /* of the budget; then it is among the net's holders */
	struct channel *next_holder, **holder_at;
	bool waiting;                  /* for the budget, or for its next turn */
	bool watched, measured;        /* a link between nodes, of which the rtt is known */
	uint64_t ping_at, ping_number; /* when the last PING of a watched one left, if it is not
					  answered yet; and which it is */
	uint64_t asked;                /* when the last one left, answered or not */
	uint64_t rtt;
	uint64_t bytes_in, bytes_out; /* of frames */
	uint8_t pin[HASH_LEN];
	bool has_pin;
	struct buffer scratch;
};

#define CLOSE_MS 1000
#define BUDGET_RETRY_MS 50
#define BUDGET_SHARE 4 /* one address gets this part of it */
#define TURN_MS 20     /* what one connection may work at a time */
#define NODE_LOOKS 8   /* frames of a node between looks at the clock */
#define PONG_MS 30000
#define PING_MS 15000 /* between nodes */
#define PING_FIRST_MS 2000
#define USER_TIMEOUT_MS                                                                          \
	10000 /* TCP's own clock grows with a cut, so that what was cut for minutes stays so for \
		 as long again: sooner done with a new connection */
#define UNSENT_MAX (64 * 1024)
#define RECORD_LEN (16 * 1024 - 256) /* with libevent's own head it has to fit 16 KiB */

int address_split(const char *address, char host[static 256], char port[static 6])
{
	const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
	uint64_t number;

	if (!colon || strlen(colon + 1) > 5 ||
	    decimal_parse(&number, colon + 1, strlen(colon + 1), 65535) != OK || number == 0)
		return ERR_MALFORMED;
	if (*address == '[') {
		begin = address + 1;
		end = colon - 1;
		if (end <= begin || *end != ']')
			return ERR_MALFORMED;
	} else if (memchr(address, ':', (size_t)(colon - address))) {
		return ERR_MALFORMED; /* an IPv6 address wants brackets */
	}
	if (end == begin || end - begin > 255)
		return ERR_MALFORMED;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	memcpy(port, colon + 1, strlen(colon + 1) + 1);
	return OK;
}

static void budget_give(struct channel *ch)
{
	if (ch->reserved == 0)
		return;
	*ch->holder_at = ch->next_holder;
	if (ch->next_holder)
		ch->next_holder->holder_at = ch->holder_at;
	ch->net->budget_used -= ch->reserved;
	ch->reserved = 0;
}

static void channel_free(struct channel *ch)
{
	budget_give(ch);
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

/* Call at the loop's next turn: `closed` never comes out of a call that the owner made. */
static void timer_set(struct channel *ch, uint64_t ms)
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

static void end_with(struct channel *ch, int err, const char *text)
{
	if (ch->state != CLOSING) {
		ch->err = err;
		snprintf(ch->text, sizeof ch->text, "%s", text);
		ch->state = CLOSING;
	}
	bufferevent_disable(ch->bev, EV_READ);
	ch->deadline = clock_mono_ms(); /* now */
	timer_set(ch, 0);
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
	budget_give(ch);
	ch->deadline = clock_mono_ms() + CLOSE_MS;
	timer_set(ch, channel_backlog(ch) > 0 ? CLOSE_MS : 0);
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
static void half_close(struct channel *ch)
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

static void raw_send(struct channel *ch, uint8_t type, struct bytes payload)
{
	buffer_reset(&ch->scratch);
	if (frame_add_raw(&ch->scratch, type, 0, payload) == OK)
		evbuffer_add(bufferevent_get_output(ch->bev), ch->scratch.data, ch->scratch.len);
	if (channel_backlog(ch) > CHANNEL_OUTPUT_MAX)
		end_with(ch, ERR_TOO_LARGE, "it sends PINGs and does not read the answers");
}

/* Not at its start: HELLO and frontiers are on their way, and the answer would be measured behind
 * them. */
static void ping_send(struct channel *ch, uint64_t now)
{
	ch->ping_number++;
	ch->ping_at = ch->asked = now;
	raw_send(ch, FRAME_PING, bytes_of(&ch->ping_number, sizeof ch->ping_number));
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

static void pong_receive(struct channel *ch, struct bytes payload)
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

/* How much of it the socket has taken. What it has not must be queued from the first byte that is
 * left, and nothing before it: TLS may have that ready already. */
static size_t write_now(struct channel *ch, struct bytes bytes)
{
	SSL *ssl = bufferevent_openssl_get_ssl(ch->bev);
	size_t sent = 0;

	while (sent < bytes.len) {
		size_t left = bytes.len - sent;
		int n;

		ERR_clear_error();
		n = SSL_write(ssl, bytes.data + sent, left < INT_MAX ? (int)left : INT_MAX);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	/* An error comes again when the loop writes. */
	ERR_clear_error();
	return sent;
}

static void message_send(struct channel *ch, uint8_t type, uint32_t stream,
    const ProtobufCMessage *message, bool at_once)
{
	struct evbuffer *out = bufferevent_get_output(ch->bev);
	size_t now = 0;
	int err;

	if (ch->state == CLOSING)
		return;
	buffer_reset(&ch->scratch);
	err = message ? frame_add(&ch->scratch, type, stream, message)
		      : frame_add_raw(&ch->scratch, type, stream, bytes_of(NULL, 0));
	if (!err && at_once && ch->tls && ch->state == OPEN && evbuffer_get_length(out) == 0)
		now = write_now(ch, buffer_bytes(&ch->scratch));
	/* Each piece of the buffer becomes a TLS record, and the next piece is as large as the
	 * last: between nodes, where much goes out at a time, as large as a record may be. */
	if (!err && !at_once && ch->watched && channel_backlog(ch) == 0)
		evbuffer_expand(out, RECORD_LEN);
	if (!err && now < ch->scratch.len &&
	    evbuffer_add(out, ch->scratch.data + now, ch->scratch.len - now) != 0)
		err = ERR_NOMEM;
	ch->bytes_out += err ? 0 : ch->scratch.len;
	if (ch->scratch.cap > 2 * CHANNEL_LARGE)
		buffer_free(&ch->scratch);
	if (!err && channel_backlog(ch) > CHANNEL_OUTPUT_MAX)
		err = ERR_TOO_LARGE;
	if (err)
		end_with(ch, err, "its output could not be queued: it reads too slowly");
}

void channel_send(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	message_send(ch, type, stream, message, false);
}

void channel_send_now(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	message_send(ch, type, stream, message, true);
}

void channel_send_frame(struct channel *ch, struct bytes frame, bool at_once,
    void (*done)(const void *data, size_t len, void *ctx), void *ctx)
{
	struct evbuffer *out = bufferevent_get_output(ch->bev);
	size_t now = 0;

	if (ch->state == CLOSING) {
		done(frame.data, frame.len, ctx);
		return;
	}
	ch->bytes_out += frame.len;
	if (at_once && ch->tls && ch->state == OPEN && evbuffer_get_length(out) == 0)
		now = write_now(ch, frame);
	if (now == frame.len) {
		done(frame.data, frame.len, ctx);
	} else if (evbuffer_add_reference(out, frame.data + now, frame.len - now, done, ctx) != 0) {
		done(frame.data, frame.len, ctx);
		end_with(ch, ERR_NOMEM, "its output could not be queued");
	} else if (channel_backlog(ch) > CHANNEL_OUTPUT_MAX) {
		end_with(ch, ERR_TOO_LARGE, "its output could not be queued: it reads too slowly");
	}
}

/* ---- reading ---- */

static void frame_done(struct channel *ch)
{
	budget_give(ch);
	ch->deadline = 0;
}

/* The whole of a large frame is about to be held: it needs a place in the budget, and waits unread
 * until there is one. The frame's deadline goes on counting, so that those who hold a place without
 * using it lose it. Nodes, which are few and known, are not made to wait for clients, nor one
 * address for another. */
static bool budget_take(struct channel *ch, size_t need)
{
	size_t same = 0;

	if (need <= CHANNEL_LARGE || ch->reserved > 0 || !ch->polite)
		return true;
	for (const struct channel *h = ch->net->holders; h; h = h->next_holder)
		same += strcmp(h->host, ch->host) == 0 ? h->reserved : 0;
	if (ch->net->budget_used + need > ch->net->budget ||
	    (same > 0 && same + need > ch->net->budget / BUDGET_SHARE))
		return false;
	ch->reserved = need;
	ch->net->budget_used += need;
	ch->next_holder = ch->net->holders;
	ch->holder_at = &ch->net->holders;
	if (ch->next_holder)
		ch->next_holder->holder_at = &ch->next_holder;
	ch->net->holders = ch;
	return true;
}

static void input_run(struct channel *ch)
{
	struct evbuffer *in = bufferevent_get_input(ch->bev);
	uint64_t began = clock_mono_ms();
	unsigned looks = ch->watched ? NODE_LOOKS : 1, frames = 0;
	bool greeting = ch->tls;

	while (ch->state != CLOSING) {
		uint8_t head[FRAME_HEADER_LEN];
		ev_ssize_t have = evbuffer_copyout(in, head, sizeof head);
		size_t need = 0, total = evbuffer_get_length(in);
		struct frame frame;
		char text[128];
		int err;

		if (have <= 0)
			break;
		if (ch->polite && channel_backlog(ch) > CHANNEL_POLITE) {
			ch->throttled = true;
			bufferevent_disable(ch->bev, EV_READ);
			return;
		}
		greeting = ch->tls && ch->state == GREETING;
		err = frame_peek(bytes_of(head, (size_t)have), greeting, &frame, &need);
		if (err == ERR_TRUNCATED && need > FRAME_HEADER_LEN && total >= need) {
			const uint8_t *all = evbuffer_pullup(in, (ev_ssize_t)need);

			err = all ? frame_peek(bytes_of(all, need), greeting, &frame, &need)
				  : ERR_NOMEM;
		}
		if (err == ERR_TRUNCATED) {
			if (!budget_take(ch, need)) {
				ch->waiting = true;
				bufferevent_disable(ch->bev, EV_READ);
				timer_set(ch, BUDGET_RETRY_MS);
			}
			if (ch->deadline == 0)
				ch->deadline = clock_mono_ms() + ch->net->frame_ms;
			bufferevent_setwatermark(
			    ch->bev, EV_READ, need > total ? need : 0, need + CHANNEL_LARGE);
			return;
		}
		if (err) {
			if (err == ERR_TOO_LARGE)
				snprintf(text, sizeof text,
				    "a %s frame of %u bytes is over its limit of %u",
				    frame_name(head[4]), get_u32(head),
				    greeting ? FRAME_HELLO_MAX : frame_limit(head[4]));
			else if (greeting)
				snprintf(text, sizeof text,
				    "HELLO is expected first, not a frame of type %u", head[4]);
			else
				snprintf(
				    text, sizeof text, "no frame of type %u is known", head[4]);
			channel_refuse(ch,
			    err == ERR_TOO_LARGE ? CONVENE__CODE__FRAME_TOO_LARGE
						 : CONVENE__CODE__UNEXPECTED,
			    err, text);
			return;
		}
		if (frame.type == FRAME_PING && frame.payload.len <= 64)
			raw_send(ch, FRAME_PONG, frame.payload);
		else if (frame.type == FRAME_PONG)
			pong_receive(ch, frame.payload);
		else
			ch->events->frame(ch->ctx, ch, &frame);
		ch->bytes_in += FRAME_HEADER_LEN + frame.payload.len;
		evbuffer_drain(in, FRAME_HEADER_LEN + frame.payload.len);
		if (ch->state != GREETING)
			frame_done(ch);
		/* Many small questions may be long work together: the others have their turn in
		 * between. */
		if (ch->state != CLOSING && ++frames % looks == 0 &&
		    clock_mono_ms() - began >= TURN_MS && evbuffer_get_length(in) > 0) {
			ch->waiting = true;
			bufferevent_disable(ch->bev, EV_READ);
			timer_set(ch, ch->polite ? TURN_MS : 0);
			return;
		}
	}
	if (ch->state != CLOSING)
		bufferevent_setwatermark(ch->bev, EV_READ, 0, 2 * CHANNEL_LARGE);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;

	ch->heard = clock_mono_ms();
	ch->pinged = false;
	if (ch->state == CLOSING)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	else if (!ch->waiting && !ch->throttled)
		input_run(ch);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;

	(void)bev;
	if (ch->state == CLOSING) {
		if (channel_backlog(ch) == 0 && !ch->lingering)
			timer_set(ch, 0);
		else if (channel_backlog(ch) == 0 && !ch->half_closed)
			half_close(ch);
	} else if (ch->state == OPEN) {
		if (ch->events->writable)
			ch->events->writable(ch->ctx, ch);
		if (ch->throttled && ch->state == OPEN) {
			ch->throttled = false;
			ch->heard = clock_mono_ms();
			bufferevent_enable(ch->bev, EV_READ);
			input_run(ch);
		}
	}
}

static void opened(struct channel *ch)
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

static void socket_tune(int fd)
{
	int one = 1, unsent = UNSENT_MAX;

	/* libevent leaves Nagle on: 40 ms stalls. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* The kernel would take megabytes, and what is urgent stand behind them for a minute. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct channel *ch = arg;
	char text[256];

	if (what & BEV_EVENT_CONNECTED) {
		if (ch->tls)
			socket_tune(bufferevent_getfd(bev));
		if (ch->state == CONNECTING)
			opened(ch);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT) {
		end_with(ch, ERR_TIMEOUT, "timed out");
		return;
	}
	/* libevent reports a refused connection as one that ended. */
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	if (ch->state == CONNECTING && !ch->server && (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) &&
	    getpeername(bufferevent_getfd(bev), (struct sockaddr *)&ss, &len) != 0) {
		end_with(ch, ERR_CLOSED, "nobody answers at that address");
		return;
	}
	if (what & BEV_EVENT_EOF) {
		end_with(ch, ERR_CLOSED,
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
	end_with(ch, ssl_err ? ERR_REFUSED : ERR_CLOSED, text);
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
static void on_timer(evutil_socket_t fd, short what, void *arg)
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
			timer_set(ch, 0);
		return;
	}
	if (now - ch->heard >= ch->net->connect_ms && is_unanswered(ch)) {
		end_with(ch, ERR_TIMEOUT, "nobody answers; is it up, and the port open to us?");
		return;
	}
	if (ch->waiting) {
		ch->waiting = false;
		bufferevent_enable(ch->bev, EV_READ);
		input_run(ch);
		if (ch->waiting || ch->state == CLOSING)
			return;
	}
	if (ch->state == OPEN && ch->watched) {
		if (now - ch->heard > PING_MS + PONG_MS) {
			end_with(ch, ERR_TIMEOUT, "no answer to PING");
			return;
		}
		if (ch->ping_at == 0 && now - ch->asked >= PING_MS)
			ping_send(ch, now);
	} else if (ch->state == OPEN && ch->tls) {
		if (now - ch->heard > ch->net->idle_ms + PONG_MS) {
			end_with(ch, ERR_TIMEOUT, "no answer to PING");
			return;
		}
		if (now - ch->heard > ch->net->idle_ms && !ch->pinged) {
			ch->pinged = true;
			raw_send(ch, FRAME_PING, bytes_of("idle", 4));
		}
	}
	timer_set(ch, 1000);
}

static struct channel *channel_new(
    struct net *net, bool tls, bool server, const struct channel_events *events, void *ctx)
{
	struct channel *ch = calloc(1, sizeof *ch);

	if (!ch)
		return NULL;
	*ch = (struct channel){.net = net,
	    .tls = tls,
	    .server = server,
	    .events = events,
	    .ctx = ctx,
	    .scratch = BUFFER_INIT};
	ch->heard = clock_mono_ms();
	ch->deadline = ch->heard + net->handshake_ms;
	snprintf(ch->address, sizeof ch->address, "local");
	ch->timer = event_new(net->base, -1, 0, on_timer, ch);
	if (!ch->timer) {
		free(ch);
		return NULL;
	}
	timer_set(ch, 1000);
	return ch;
}

static bool attach(struct channel *ch, int fd)
{
	SSL *ssl = NULL;

	if (ch->tls) {
		ssl = tls_session(ch->net->tls, ch->server);
		if (!ssl)
			return false;
		ch->bev = bufferevent_openssl_socket_new(ch->net->base, fd, ssl,
		    ch->server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
		    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
		if (!ch->bev)
			SSL_free(ssl);
		else
			bufferevent_openssl_set_allow_dirty_shutdown(ch->bev, 1);
	} else {
		ch->bev = bufferevent_socket_new(
		    ch->net->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	}
	if (!ch->bev)
		return false;
	bufferevent_setcb(ch->bev, on_read, on_write, on_event, ch);
	bufferevent_setwatermark(ch->bev, EV_WRITE, CHANNEL_LOW_WATER, 0);
	bufferevent_setwatermark(ch->bev, EV_READ, 0, 2 * CHANNEL_LARGE);
	bufferevent_enable(ch->bev, EV_READ | EV_WRITE);
	return true;
}

static void address_of(struct channel *ch, struct sockaddr_storage *ss, socklen_t len)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	char port[8];

	if (ss->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6->sin6_port};

		memcpy(&in.sin_addr, &in6->sin6_addr.s6_addr[12], 4);
		memcpy(ss, &in, sizeof in);
		len = sizeof in;
	}
	if ((ss->ss_family != AF_INET && ss->ss_family != AF_INET6) ||
	    getnameinfo((struct sockaddr *)ss, len, ch->host, sizeof ch->host, port, sizeof port,
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	snprintf(ch->address, sizeof ch->address, ss->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
	    ch->host, port);
	/* Whoever has one IPv6 address has the /64 around it. */
	if (ss->ss_family == AF_INET6) {
		memset(&in6->sin6_addr.s6_addr[8], 0, 8);
		getnameinfo(
		    (struct sockaddr *)ss, len, ch->host, sizeof ch->host, NULL, 0, NI_NUMERICHOST);
	}
}

struct channel *channel_accept(
    struct net *net, int fd, bool tls, const struct channel_events *events, void *ctx)
{
	struct channel *ch = channel_new(net, tls, true, events, ctx);
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	evutil_make_socket_nonblocking(fd);
	if (ch && !attach(ch, fd)) {
		channel_free(ch);
		ch = NULL;
	}
	if (!ch) {
		evutil_closesocket(fd);
		return NULL;
	}
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		address_of(ch, &ss, len);
	if (tls)
		socket_tune(fd);
	else
		opened(ch);
	return ch;
}

struct channel *channel_connect(
    struct net *net, const char *address, const struct channel_events *events, void *ctx)
{
	char host[256], port[6];
	struct channel *ch;

	if (address_split(address, host, port) != OK)
		return NULL;
	ch = channel_new(net, true, false, events, ctx);
	if (!ch)
		return NULL;
	snprintf(ch->address, sizeof ch->address, "%s", address);
	snprintf(ch->host, sizeof ch->host, "%s", host);
	if (!attach(ch, -1)) {
		channel_free(ch);
		return NULL;
	}
	/* Without an evdns base the name is looked up right here. Numeric addresses, the usual
	 * case, cost nothing; a name costs the loop a look-up at each attempt to connect. */
	if (bufferevent_socket_connect_hostname(ch->bev, NULL, AF_UNSPEC, host, atoi(port)) != 0)
		end_with(ch, ERR_CLOSED, "the address can't be connected to");
	return ch;
}

struct channel *channel_connect_unix(
    struct net *net, const char *path, const struct channel_events *events, void *ctx)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct channel *ch;

	if (strlen(path) >= sizeof sun.sun_path)
		return NULL;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	ch = channel_new(net, false, false, events, ctx);
	if (!ch)
		return NULL;
	if (!attach(ch, -1)) {
		channel_free(ch);
		return NULL;
	}
	if (bufferevent_socket_connect(ch->bev, (struct sockaddr *)&sun, sizeof sun) != 0)
		end_with(ch, ERR_CLOSED, "nobody listens on the control socket");
	return ch;
}
