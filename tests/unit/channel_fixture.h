/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net over loopback: channels with each other, and with peers that speak TLS and nothing else
 * right. All of them in one loop; deadlines are short, but channels look at theirs once in a
 * second. */
#ifndef TESTS_CHANNEL_FIXTURE_H
#define TESTS_CHANNEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/channel.h"

#define LONG_MS 5000

static struct event_base *base;
static struct event *beat;
static struct key server_key, client_key;
static struct tls *server_tls, *client_tls, *bare_tls;
static struct net server_net, client_net;
static int listening;
static char address[32];
static unsigned alive; /* channels that have not reported their end */

/* ---- one end of a connection, and what came of it ---- */

enum action { NOTHING, CLOSE, FAIL, REFUSE };

struct side {
	struct channel *ch;
	unsigned opened, frames, writable, closed;
	int err;
	char text[256];
	enum action at_open, at_frame, at_writable;
	uint32_t code; /* of an ERROR that came, and its text */
	char error[256];
	struct frame last; /* without its payload */
	size_t last_len;
	uint8_t last_bytes[64];
	void (*work)(struct side *s, const struct frame *frame);
	uint64_t expected;
	size_t backlog_max;
};

static inline void act(struct side *s, enum action action)
{
	switch (action) {
	case NOTHING:
		break;
	case CLOSE:
		channel_close(s->ch);
		break;
	case FAIL:
		channel_fail(s->ch, ERR_QUOTA, "a test has had enough");
		break;
	case REFUSE:
		channel_refuse(s->ch, CONVENE__CODE__NOT_A_PEER, ERR_REFUSED, "not for you");
		break;
	}
	if (action != NOTHING)
		assert_true(channel_closing(s->ch));
}

static inline void on_open(void *ctx, struct channel *ch)
{
	struct side *s = ctx;

	assert_int_equal(s->closed, 0);
	s->ch = ch;
	s->opened++;
	act(s, s->at_open);
}

static inline void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
{
	struct side *s = ctx;

	assert_ptr_equal(ch, s->ch);
	assert_int_equal(s->closed, 0);
	assert_false(channel_closing(ch));
	s->frames++;
	s->last = *frame;
	s->last_len = frame->payload.len;
	memcpy(
	    s->last_bytes, frame->payload.data, frame->payload.len < 64 ? frame->payload.len : 64);
	if (frame->type == FRAME_ERROR) {
		ProtobufCMessage *m;

		assert_int_equal(
		    message_unpack(&m, frame_descriptor(FRAME_ERROR), frame->payload), OK);
		s->code = ((Convene__Error *)m)->code;
		snprintf(s->error, sizeof s->error, "%.*s", (int)((Convene__Error *)m)->text.len,
		    (const char *)((Convene__Error *)m)->text.data);
		message_free(m);
	}
	if (s->work)
		s->work(s, frame);
	act(s, s->at_frame);
}

static inline void on_writable(void *ctx, struct channel *ch)
{
	struct side *s = ctx;

	assert_ptr_equal(ch, s->ch);
	assert_int_equal(s->closed, 0);
	s->writable++;
	act(s, s->at_writable);
}

static inline void on_closed(void *ctx, struct channel *ch, int err, const char *text)
{
	struct side *s = ctx;

	assert_ptr_equal(ch, s->ch);
	assert_int_equal(s->closed, 0);
	s->closed++;
	s->err = err;
	snprintf(s->text, sizeof s->text, "%s", text);
	s->ch = NULL;
	alive--;
}

static const struct channel_events events = {on_open, on_frame, on_writable, on_closed};

/* ---- the loop ---- */

static inline void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE);
}

#define WAIT_FOR(cond, ms)                                                                         \
	do {                                                                                       \
		uint64_t end_ = clock_mono_ms() + (ms);                                            \
		while (!(cond)) {                                                                  \
			if (clock_mono_ms() > end_)                                                \
				fail_msg(                                                          \
				    "line %d: %s: not in %u ms", __LINE__, #cond, (unsigned)(ms)); \
			turn();                                                                    \
		}                                                                                  \
	} while (0)
#define WAIT(cond) WAIT_FOR(cond, LONG_MS)

static inline void pass(uint64_t ms)
{
	uint64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end)
		turn();
}

static inline int accepted(void)
{
	int fd = -1;

	WAIT((fd = accept(listening, NULL, NULL)) >= 0);
	return fd;
}

/* The server's end of whatever connects next. */
static inline void serve(struct side *s)
{
	int fd = accepted(), small = 65536;

	/* Little room in the kernel, so that backlogs are seen here. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	s->ch = channel_accept(&server_net, fd, true, &events, s);
	assert_non_null(s->ch);
	alive++;
}

static inline void dial(struct side *s, const char *to)
{
	s->ch = channel_connect(&client_net, to, &events, s);
	assert_non_null(s->ch);
	alive++;
}

static inline void pair_open(struct side *server, struct side *client)
{
	dial(client, address);
	serve(server);
	WAIT(server->opened + server->closed > 0 && client->opened + client->closed > 0);
}

static inline void pair_greeted(struct side *server, struct side *client)
{
	pair_open(server, client);
	channel_greeted(server->ch);
	channel_greeted(client->ch);
}

static inline void pair_close(struct side *server, struct side *client)
{
	if (server->ch)
		channel_close(server->ch);
	WAIT(server->closed && client->closed);
}

/* ---- a peer of TLS and raw bytes ---- */

struct raw {
	struct bufferevent *bev;
	bool up, ended;
};

static inline void raw_event(struct bufferevent *bev, short what, void *arg)
{
	struct raw *r = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		r->up = true;
	else
		r->ended = true;
}

static inline int plain_socket(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 65536;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	sin.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	evutil_make_socket_nonblocking(fd);
	return fd;
}

static inline void raw_open(struct raw *r, struct tls *tls, struct side *server)
{
	*r = (struct raw){.up = false};
	r->bev = bufferevent_openssl_socket_new(base, plain_socket(), tls_session(tls, false),
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	assert_non_null(r->bev);
	bufferevent_openssl_set_allow_dirty_shutdown(r->bev, 1);
	bufferevent_setcb(r->bev, NULL, NULL, raw_event, r);
	bufferevent_enable(r->bev, EV_READ | EV_WRITE);
	serve(server);
	WAIT(r->up && server->opened);
}

static inline void raw_greeted(struct raw *r, struct side *server)
{
	raw_open(r, client_tls, server);
	channel_greeted(server->ch);
}

/* A header that promises `len` bytes, and `given` of them. */
static inline void raw_frame(struct raw *r, uint8_t type, uint32_t stream, size_t len, size_t given)
{
	uint8_t head[FRAME_HEADER_LEN];
	uint8_t *bytes = calloc(1, given + 1);

	put_u32(head, (uint32_t)len);
	head[4] = type;
	put_u32(head + 5, stream);
	memset(bytes, 'x', given);
	bufferevent_write(r->bev, head, sizeof head);
	bufferevent_write(r->bev, bytes, given);
	free(bytes);
}

static inline void rest_send(struct raw *r, size_t len)
{
	uint8_t *bytes = calloc(1, len);

	bufferevent_write(r->bev, bytes, len);
	free(bytes);
}

/* Take one whole frame off what has come. */
static inline bool raw_take(struct raw *r, uint8_t *type, struct buffer *payload)
{
	struct evbuffer *in = bufferevent_get_input(r->bev);
	size_t len = evbuffer_get_length(in), need;
	struct frame f;

	if (frame_peek(bytes_of(evbuffer_pullup(in, -1), len), false, &f, &need) != OK)
		return false;
	*type = f.type;
	buffer_reset(payload);
	buffer_add(payload, f.payload.data, f.payload.len);
	evbuffer_drain(in, FRAME_HEADER_LEN + f.payload.len);
	return true;
}

/* The next frame is an ERROR with this code, whose text says so. */
static inline void raw_error(struct raw *r, uint32_t code, const char *word)
{
	struct buffer payload = BUFFER_INIT;
	ProtobufCMessage *m;
	uint8_t type = 0;

	WAIT(raw_take(r, &type, &payload));
	assert_int_equal(type, FRAME_ERROR);
	assert_int_equal(
	    message_unpack(&m, frame_descriptor(FRAME_ERROR), buffer_bytes(&payload)), OK);
	assert_int_equal(((Convene__Error *)m)->code, code);
	buffer_reset(&payload);
	buffer_add(&payload, ((Convene__Error *)m)->text.data, ((Convene__Error *)m)->text.len);
	assert_non_null(strstr(buffer_str(&payload), word));
	message_free(m);
	buffer_free(&payload);
}

static inline void raw_free(struct raw *r)
{
	bufferevent_free(r->bev);
}

/* ---- messages ---- */

static inline void data_send(struct side *s, uint64_t number, size_t len)
{
	Convene__Data m = CONVENE__DATA__INIT;
	uint8_t *bytes = malloc(len + 1);

	memset(bytes, (int)(number & 0xff), len);
	m.first = number;
	m.leaves = pb_of(bytes_of(bytes, len));
	channel_send(s->ch, FRAME_DATA, (uint32_t)number, &m.base);
	free(bytes);
}

/* Lengths as they come: none, a byte, a record of TLS and more, a whole megabyte at times. */
static inline size_t length_of(uint64_t number)
{
	static const size_t lengths[] = {0, 1, 100, 16384, 5, 70000, 300, 16375};

	return number % 101 == 100 ? 1000000 : lengths[number % 8];
}

static inline void data_check(struct side *s, const struct frame *frame)
{
	ProtobufCMessage *m;
	const Convene__Data *d;
	size_t len = length_of(s->expected);

	if (frame->type != FRAME_DATA)
		return;
	assert_int_equal(message_unpack(&m, frame_descriptor(FRAME_DATA), frame->payload), OK);
	d = (const Convene__Data *)m;
	assert_int_equal(frame->stream, s->expected);
	assert_int_equal(d->first, s->expected);
	assert_int_equal(d->leaves.len, len);
	for (size_t i = 0; i < len; i += 499)
		assert_int_equal(d->leaves.data[i], s->expected & 0xff);
	message_free(m);
	s->expected++;
}

/* ---- around each test ---- */

static inline void on_beat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static inline int setup(void **state)
{
	struct timeval tv = {0, 2000};

	(void)state;
	alive = 0;
	base = event_base_new();
	beat = event_new(base, -1, EV_PERSIST, on_beat, NULL);
	event_add(beat, &tv);
	server_net = (struct net){NET_DEFAULTS, .base = base, .tls = server_tls};
	client_net = (struct net){NET_DEFAULTS, .base = base, .tls = client_tls};
	return 0;
}

/* Whatever a test did: no channel is left, and no byte of the budget. */
static inline int teardown(void **state)
{
	(void)state;
	if (alive != 0 || server_net.budget_used != 0 || client_net.budget_used != 0)
		return -1;
	event_free(beat);
	event_base_free(base);
	return 0;
}

static inline int group_setup(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof sin;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	key_generate(&server_key);
	key_generate(&client_key);
	if (tls_new(&server_tls, &server_key, "n0.example") != OK ||
	    tls_new(&client_tls, &client_key, "n1.example") != OK ||
	    tls_new(&bare_tls, NULL, "nobody") != OK)
		return -1;
	if (tls_session(bare_tls, true)) /* one without a key serves nobody */
		return -1;
	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listening, (struct sockaddr *)&sin, sizeof sin) != 0 ||
	    listen(listening, 16) != 0 ||
	    getsockname(listening, (struct sockaddr *)&sin, &len) != 0)
		return -1;
	snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(sin.sin_port));
	return 0;
}

static inline int group_teardown(void **state)
{
	(void)state;
	close(listening);
	tls_free(server_tls);
	tls_free(client_tls);
	tls_free(bare_tls);
	libevent_global_shutdown();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
