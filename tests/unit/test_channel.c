/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net over loopback: channels with each other, and with peers that speak TLS and nothing else
 * right. All of them in one loop; deadlines are short, but channels look at theirs once in a
 * second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

static void act(struct side *s, enum action action)
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

static void on_open(void *ctx, struct channel *ch)
{
	struct side *s = ctx;

	assert_int_equal(s->closed, 0);
	s->ch = ch;
	s->opened++;
	act(s, s->at_open);
}

static void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
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

static void on_writable(void *ctx, struct channel *ch)
{
	struct side *s = ctx;

	assert_ptr_equal(ch, s->ch);
	assert_int_equal(s->closed, 0);
	s->writable++;
	act(s, s->at_writable);
}

static void on_closed(void *ctx, struct channel *ch, int err, const char *text)
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

static void turn(void)
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

static void pass(uint64_t ms)
{
	uint64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end)
		turn();
}

static int accepted(void)
{
	int fd = -1;

	WAIT((fd = accept(listening, NULL, NULL)) >= 0);
	return fd;
}

/* The server's end of whatever connects next. */
static void serve(struct side *s)
{
	int fd = accepted(), small = 65536;

	/* Little room in the kernel, so that backlogs are seen here. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	s->ch = channel_accept(&server_net, fd, true, &events, s);
	assert_non_null(s->ch);
	alive++;
}

static void dial(struct side *s, const char *to)
{
	s->ch = channel_connect(&client_net, to, &events, s);
	assert_non_null(s->ch);
	alive++;
}

static void pair_open(struct side *server, struct side *client)
{
	dial(client, address);
	serve(server);
	WAIT(server->opened + server->closed > 0 && client->opened + client->closed > 0);
}

static void pair_greeted(struct side *server, struct side *client)
{
	pair_open(server, client);
	channel_greeted(server->ch);
	channel_greeted(client->ch);
}

static void pair_close(struct side *server, struct side *client)
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

static void raw_event(struct bufferevent *bev, short what, void *arg)
{
	struct raw *r = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		r->up = true;
	else
		r->ended = true;
}

static int plain_socket(void)
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

static void raw_open(struct raw *r, struct tls *tls, struct side *server)
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

static void raw_greeted(struct raw *r, struct side *server)
{
	raw_open(r, client_tls, server);
	channel_greeted(server->ch);
}

/* A header that promises `len` bytes, and `given` of them. */
static void raw_frame(struct raw *r, uint8_t type, uint32_t stream, size_t len, size_t given)
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

/* Take one whole frame off what has come. */
static bool raw_take(struct raw *r, uint8_t *type, struct buffer *payload)
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
static void raw_error(struct raw *r, uint32_t code, const char *word)
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

static void raw_free(struct raw *r)
{
	bufferevent_free(r->bev);
}

/* ---- messages ---- */

static void data_send(struct side *s, uint64_t number, size_t len)
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
static size_t length_of(uint64_t number)
{
	static const size_t lengths[] = {0, 1, 100, 16384, 5, 70000, 300, 16375};

	return number % 101 == 100 ? 1000000 : lengths[number % 8];
}

static void data_check(struct side *s, const struct frame *frame)
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

/* ---- what comes through ---- */

static void test_frames_both_ways(void **state)
{
	struct side server = {.work = data_check}, client = {.work = data_check};
	uint64_t to_client = 0, to_server = 0;

	(void)state;
	pair_greeted(&server, &client);
	while (client.expected < 400 || server.expected < 300) {
		if (to_client < 400 && channel_backlog(server.ch) < CHANNEL_LOW_WATER)
			data_send(&server, to_client, length_of(to_client)), to_client++;
		if (to_server < 300 && channel_backlog(client.ch) < CHANNEL_LOW_WATER)
			data_send(&client, to_server, length_of(to_server)), to_server++;
		turn();
		assert_int_equal(server.closed + client.closed, 0);
	}
	channel_send(client.ch, FRAME_UNSUBSCRIBE, 77, NULL);
	WAIT(server.frames == 301);
	assert_int_equal(server.last.type, FRAME_UNSUBSCRIBE);
	assert_int_equal(server.last.stream, 77);
	assert_int_equal(server.last_len, 0);
	assert_true(server.writable > 0 && client.writable > 0);
	assert_int_equal(server_net.budget_used, 0);
	pair_close(&server, &client);
	assert_int_equal(server.err, OK);
	assert_int_equal(client.err, ERR_CLOSED);
	assert_int_equal(client.frames, 400);
}

static void test_pins(void **state)
{
	struct side server = {.opened = 0}, client = {.opened = 0}, nobody = {.opened = 0};
	uint8_t pin[HASH_LEN], expected[HASH_LEN];
	struct raw raw;

	(void)state;
	pair_open(&server, &client);
	assert_int_equal(channel_pin(server.ch, pin), OK);
	tls_pin_of(expected, client_key.public);
	assert_memory_equal(pin, expected, HASH_LEN);
	assert_int_equal(channel_pin(client.ch, pin), OK);
	tls_pin_of(expected, server_key.public);
	assert_memory_equal(pin, expected, HASH_LEN);
	assert_string_equal(channel_address(client.ch), address);
	assert_string_equal(channel_host(client.ch), "127.0.0.1");
	assert_string_equal(channel_host(server.ch), "127.0.0.1");
	assert_memory_equal(channel_address(server.ch), "127.0.0.1:", 10);
	pair_close(&server, &client);

	raw_open(&raw, bare_tls, &nobody);
	assert_int_equal(channel_pin(nobody.ch, pin), ERR_NOTFOUND);
	channel_close(nobody.ch);
	WAIT(nobody.closed);
	raw_free(&raw);
}

/* ---- what does not ---- */

static void test_before_hello(void **state)
{
	static const struct {
		uint8_t type;
		size_t len;
		int err;
		uint32_t code;
	} cases[] = {
	    {FRAME_HELLO, FRAME_HELLO_MAX, OK, 0},
	    {FRAME_HELLO, 0, OK, 0},
	    {FRAME_ERROR, 100, OK, 0},
	    {FRAME_HELLO, FRAME_HELLO_MAX + 1, ERR_TOO_LARGE, CONVENE__CODE__FRAME_TOO_LARGE},
	    {FRAME_HELLO, UINT32_MAX, ERR_TOO_LARGE, CONVENE__CODE__FRAME_TOO_LARGE},
	    {FRAME_ERROR, FRAME_HELLO_MAX + 1, ERR_TOO_LARGE, CONVENE__CODE__FRAME_TOO_LARGE},
	    {FRAME_PING, 3, ERR_UNKNOWN_KIND, CONVENE__CODE__UNEXPECTED},
	    {FRAME_SUMMARY, 10, ERR_UNKNOWN_KIND, CONVENE__CODE__UNEXPECTED},
	    {FRAME_SUBMIT, 10, ERR_UNKNOWN_KIND, CONVENE__CODE__UNEXPECTED},
	    {200, 10, ERR_UNKNOWN_KIND, CONVENE__CODE__UNEXPECTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct side server = {.opened = 0};
		struct raw raw;

		raw_open(&raw, client_tls, &server);
		raw_frame(&raw, cases[i].type, 5, cases[i].len, cases[i].err ? 9 : cases[i].len);
		if (cases[i].err) {
			raw_error(&raw, cases[i].code,
			    cases[i].err == ERR_TOO_LARGE ? "over its limit of 8192"
							  : "HELLO is expected first");
			WAIT(raw.ended);
			raw_free(&raw);
			WAIT(server.closed);
			assert_int_equal(server.frames, 0);
			assert_int_equal(server.err, cases[i].err);
		} else {
			/* A payload of no bytes parses as well, if not as an ERROR that says
			 * anything. */
			if (cases[i].type == FRAME_HELLO) {
				WAIT(server.frames == 1);
				assert_int_equal(server.last.stream, 5);
				assert_int_equal(server.last_len, cases[i].len);
				channel_greeted(server.ch);
				/* And from now on more is allowed. */
				raw_frame(&raw, FRAME_HELLO, 6, 65536, 65536);
				raw_frame(&raw, FRAME_PING, 0, 3, 3);
				raw_frame(&raw, FRAME_UNSUBSCRIBE, 7, 0, 0);
				WAIT(server.frames == 3);
				assert_int_equal(server.last.stream, 7);
			}
			channel_close(server.ch);
			WAIT(server.closed && raw.ended);
			assert_int_equal(server.err, OK);
			raw_free(&raw);
		}
	}
}

/* The header alone is enough to refuse, for each type and its own limit; the one that sent it is
 * told why. */
static void test_limits(void **state)
{
	unsigned types = 0;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool known = strcmp(frame_name((uint8_t)type), "unknown") != 0;
		struct side server = {.opened = 0};
		struct raw raw;

		if (!known && type % 50 != 0)
			continue;
		raw_greeted(&raw, &server);
		raw_frame(&raw, (uint8_t)type, 0, known ? frame_limit((uint8_t)type) + 1 : 0, 0);
		if (known)
			raw_error(&raw, CONVENE__CODE__FRAME_TOO_LARGE, frame_name((uint8_t)type));
		else
			raw_error(&raw, CONVENE__CODE__UNEXPECTED, "no frame of type");
		WAIT(raw.ended);
		raw_free(&raw);
		WAIT(server.closed);
		assert_int_equal(server.err, known ? ERR_TOO_LARGE : ERR_UNKNOWN_KIND);
		assert_int_equal(server.frames, 0);
		types++;
	}
	assert_true(types > 30);
}

/* Each place where a peer can fall silent has a deadline. */
static void test_deadlines(void **state)
{
	struct side tls = {.opened = 0}, hello = {.opened = 0}, half_hello = {.opened = 0},
		    half = {.opened = 0}, whole = {.opened = 0};
	struct raw a, b, c, d;
	uint64_t began;
	int fd;

	(void)state;
	server_net.handshake_ms = 300;
	server_net.frame_ms = 300;
	fd = plain_socket();
	serve(&tls);
	raw_open(&a, client_tls, &hello);
	raw_open(&b, client_tls, &half_hello);
	raw_frame(&b, FRAME_HELLO, 0, 100, 99);
	raw_greeted(&c, &half);
	raw_frame(&c, FRAME_DATA, 0, 100000, 500);
	raw_greeted(&d, &whole);
	raw_frame(&d, FRAME_DATA, 0, 1000, 1000);
	began = clock_mono_ms();
	/* A byte now and then does not help: what counts is the whole frame. */
	while (half.closed == 0 && clock_mono_ms() < began + LONG_MS) {
		bufferevent_write(c.bev, "x", 1);
		pass(20);
	}
	WAIT(tls.closed && hello.closed && half_hello.closed && half.closed);
	assert_int_equal(tls.err, ERR_TIMEOUT);
	assert_int_equal(tls.opened, 0);
	assert_non_null(strstr(tls.text, "handshake"));
	assert_int_equal(hello.err, ERR_TIMEOUT);
	assert_non_null(strstr(hello.text, "HELLO"));
	assert_int_equal(half_hello.err, ERR_TIMEOUT);
	assert_int_equal(half.err, ERR_TIMEOUT);
	assert_non_null(strstr(half.text, "frame"));
	raw_error(&a, refusal_code(ERR_TIMEOUT), "HELLO");
	raw_error(&c, refusal_code(ERR_TIMEOUT), "frame");
	assert_int_equal(whole.closed, 0);
	assert_int_equal(whole.frames, 1);
	channel_close(whole.ch);
	WAIT(whole.closed);
	close(fd);
	raw_free(&a);
	raw_free(&b);
	raw_free(&c);
	raw_free(&d);
}

static void test_ping(void **state)
{
	struct side server = {.opened = 0}, quiet_server = {.opened = 0},
		    quiet_client = {.opened = 0};
	struct buffer payload = BUFFER_INIT;
	struct raw raw;
	uint8_t type;

	(void)state;
	raw_greeted(&raw, &server);
	raw_frame(&raw, FRAME_PING, 9, 64, 64);
	raw_frame(&raw, FRAME_PONG, 0, 10, 10); /* nobody asked, and nobody minds */
	raw_frame(&raw, FRAME_PING, 0, 0, 0);
	WAIT(raw_take(&raw, &type, &payload));
	assert_int_equal(type, FRAME_PONG);
	assert_int_equal(payload.len, 64);
	assert_int_equal(payload.data[63], 'x');
	WAIT(raw_take(&raw, &type, &payload));
	assert_int_equal(type, FRAME_PONG);
	assert_int_equal(payload.len, 0);
	assert_int_equal(server.frames, 0); /* none of it is the owner's concern */
	channel_close(server.ch);
	WAIT(server.closed);
	raw_free(&raw);

	/* Silence is broken by a PING; who answers stays. */
	server_net.idle_ms = 300;
	pair_greeted(&quiet_server, &quiet_client);
	raw_greeted(&raw, &(struct side){.opened = 0});
	WAIT(raw_take(&raw, &type, &payload));
	assert_int_equal(type, FRAME_PING);
	pass(1500);
	assert_int_equal(quiet_server.closed + quiet_client.closed, 0);
	pair_close(&quiet_server, &quiet_client);
	raw_free(&raw);
	WAIT(alive == 0);
	buffer_free(&payload);
}

/* ---- pressure ---- */

/* One that takes nothing is dropped, at a bound. */
static void test_reader_stops(void **state)
{
	struct side server = {.opened = 0};
	struct raw raw;
	size_t most = 0;

	(void)state;
	raw_greeted(&raw, &server);
	bufferevent_disable(raw.bev, EV_READ);
	for (unsigned i = 0; !server.closed && i < 2000; i++) {
		data_send(&server, i, 100000);
		if (channel_closing(server.ch))
			break;
		if (channel_backlog(server.ch) > most)
			most = channel_backlog(server.ch);
		if (i % 10 == 0)
			turn();
	}
	assert_in_range(most, CHANNEL_OUTPUT_MAX - 200000, CHANNEL_OUTPUT_MAX);
	WAIT(server.closed);
	assert_int_equal(server.err, ERR_TOO_LARGE);
	raw_free(&raw);
}

/* The same with our own answers to PING, which no owner sees. */
static void test_pings_unread(void **state)
{
	struct side server = {.opened = 0};
	struct raw raw;

	(void)state;
	raw_greeted(&raw, &server);
	bufferevent_disable(raw.bev, EV_READ);
	while (!server.closed) {
		while (evbuffer_get_length(bufferevent_get_output(raw.bev)) < 1000000) {
			for (unsigned i = 0; i < 100; i++)
				raw_frame(&raw, FRAME_PING, 0, 64, 64);
		}
		turn();
		if (server.ch)
			assert_true(channel_backlog(server.ch) < CHANNEL_OUTPUT_MAX + 1000);
	}
	assert_int_equal(server.err, ERR_TOO_LARGE);
	raw_free(&raw);
}

static void answer(struct side *s, const struct frame *frame)
{
	assert_int_equal(frame->stream, s->expected);
	data_send(s, s->expected++, 60000);
	if (channel_backlog(s->ch) > s->backlog_max)
		s->backlog_max = channel_backlog(s->ch);
}

/* Clients may ask much and read late: their questions wait, and all are answered. */
static void test_polite(void **state)
{
	struct side server = {.work = answer};
	struct buffer payload = BUFFER_INIT;
	struct raw raw;
	unsigned taken = 0;
	uint8_t type;

	(void)state;
	raw_greeted(&raw, &server);
	channel_polite(server.ch);
	bufferevent_disable(raw.bev, EV_READ);
	for (uint32_t i = 0; i < 300; i++)
		raw_frame(&raw, FRAME_TOPICS_GET, i, 20, 20);
	pass(300);
	assert_in_range(server.frames, 17, 40);
	assert_in_range(server.backlog_max, CHANNEL_POLITE, CHANNEL_POLITE + 70000);
	bufferevent_enable(raw.bev, EV_READ);
	while (taken < 300) {
		WAIT(raw_take(&raw, &type, &payload));
		assert_int_equal(type, FRAME_DATA);
		taken++;
	}
	assert_int_equal(server.frames, 300);
	assert_in_range(server.backlog_max, CHANNEL_POLITE, CHANNEL_POLITE + 70000);
	/* And so again. */
	raw_frame(&raw, FRAME_TOPICS_GET, 300, 20, 20);
	WAIT(raw_take(&raw, &type, &payload));
	assert_int_equal(server.closed, 0);
	channel_close(server.ch);
	WAIT(server.closed);
	raw_free(&raw);
	buffer_free(&payload);
}

static void rest_send(struct raw *r, size_t len)
{
	uint8_t *bytes = calloc(1, len);

	bufferevent_write(r->bev, bytes, len);
	free(bytes);
}

/* What large frames of clients hold together is bounded: the next waits until there is room. Small
 * frames and nodes never wait. */
static void test_budget(void **state)
{
	struct side first = {.opened = 0}, second = {.opened = 0}, third = {.opened = 0},
		    node = {.opened = 0};
	struct raw a, b, c, d;

	(void)state;
	server_net.budget = 500000;
	server_net.frame_ms = 2000;
	raw_greeted(&a, &first);
	channel_polite(first.ch);
	raw_greeted(&b, &second);
	channel_polite(second.ch);
	raw_greeted(&c, &third);
	channel_polite(third.ch);
	raw_greeted(&d, &node);
	raw_frame(&a, FRAME_SUBMIT, 1, 300000, 150000);
	WAIT(server_net.budget_used == 300000 + FRAME_HEADER_LEN);
	raw_frame(&b, FRAME_SUBMIT, 1, 300000, 300000);
	raw_frame(&b, FRAME_SUBMIT, 2, 20, 20);
	pass(200);
	assert_int_equal(second.frames, 0);
	raw_frame(&c, FRAME_SUBMIT, 1, 60000, 60000);
	WAIT(third.frames == 1);
	raw_frame(&d, FRAME_DATA, 1, 900000, 900000);
	WAIT(node.frames == 1);
	assert_int_equal(server_net.budget_used, 300000 + FRAME_HEADER_LEN);
	rest_send(&a, 150000);
	WAIT(first.frames == 1 && second.frames == 2);
	assert_int_equal(first.last_len, 300000);
	assert_int_equal(second.last_len, 20);
	assert_int_equal(server_net.budget_used, 0);

	/* Who holds a place and does not use it loses it. */
	raw_frame(&a, FRAME_SUBMIT, 2, 400000, 1000);
	WAIT(server_net.budget_used > 0);
	pass(1200); /* deadlines are looked at once in a second */
	raw_frame(&b, FRAME_SUBMIT, 3, 300000, 300000);
	WAIT(second.frames == 3);
	WAIT(first.closed);
	assert_int_equal(first.err, ERR_TIMEOUT);
	assert_int_equal(server_net.budget_used, 0);
	/* And who goes gives it back. */
	raw_frame(&c, FRAME_SUBMIT, 2, 400000, 1000);
	WAIT(server_net.budget_used > 0);
	raw_free(&c);
	WAIT(third.closed);
	assert_int_equal(server_net.budget_used, 0);
	/* More than the whole budget never gets in. */
	server_net.budget = 100000;
	server_net.frame_ms = 300;
	raw_frame(&b, FRAME_SUBMIT, 3, 300000, 300000);
	WAIT(second.closed);
	assert_int_equal(second.frames, 3);
	assert_int_equal(second.err, ERR_TIMEOUT);
	raw_free(&a);
	raw_free(&b);
	raw_free(&d);
	WAIT(alive == 0);
}

/* ---- endings ---- */

/* All that was queued arrives, then why. */
static void test_close_flushes(void **state)
{
	struct side server = {.opened = 0}, client = {.work = data_check};

	(void)state;
	pair_greeted(&server, &client);
	for (uint64_t i = 0; i < 130; i++)
		data_send(&server, i, length_of(i));
	assert_true(channel_backlog(server.ch) > 1000000);
	channel_fail(server.ch, ERR_NOT_MEMBER, "no longer a member");
	assert_true(channel_closing(server.ch));
	/* From here on nothing is queued, and no second reason replaces the first. */
	data_send(&server, 999, 5);
	channel_fail(server.ch, ERR_QUOTA, "another");
	channel_close(server.ch);
	WAIT(server.closed && client.closed);
	assert_int_equal(client.frames, 131);
	assert_int_equal(client.expected, 130);
	assert_int_equal(client.last.type, FRAME_ERROR);
	assert_int_equal(client.last.stream, 0);
	assert_int_equal(client.code, refusal_code(ERR_NOT_MEMBER));
	assert_string_equal(client.error, "no longer a member");
	assert_int_equal(client.err, ERR_CLOSED);
	assert_int_equal(server.err, ERR_NOT_MEMBER);
	assert_string_equal(server.text, "no longer a member");
}

/* One that never reads does not keep a closing channel for long. */
static void test_close_unread(void **state)
{
	struct side server = {.opened = 0};
	struct raw raw;
	uint64_t began;

	(void)state;
	raw_greeted(&raw, &server);
	bufferevent_disable(raw.bev, EV_READ);
	for (uint64_t i = 0; i < 100; i++)
		data_send(&server, i, 100000);
	began = clock_mono_ms();
	channel_close(server.ch);
	WAIT(server.closed);
	assert_in_range(clock_mono_ms() - began, 500, 4000);
	assert_int_equal(server.err, OK);
	raw_free(&raw);
}

/* It is told why even while it goes on talking: what it still sends must not reset the connection
 * under our text. */
static void test_refused_while_sending(void **state)
{
	struct side server = {.opened = 0};
	uint8_t head[FRAME_HEADER_LEN] = {0, 0, 3, 232, 250}, got[1000], *more = calloc(1, 3000000);
	size_t len = 0, sent = 0;
	ssize_t n = -1;
	int fd = plain_socket();
	struct raw raw;

	(void)state;
	/* Without TLS, to see how the connection itself ends. */
	server.ch = channel_accept(&server_net, accepted(), false, &events, &server);
	alive++;
	assert_int_equal(write(fd, head, sizeof head), sizeof head);
	while (n != 0) {
		n = write(fd, more, 3000000 - sent);
		assert_true(n >= 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		turn();
		if (sent < 1000000)
			continue;
		n = read(fd, got + len, sizeof got - len);
		assert_true(n >= 0 || errno == EAGAIN);
		len += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(server.closed, 0); /* it ends its half first */
	assert_true(len > FRAME_HEADER_LEN && len == FRAME_HEADER_LEN + get_u32(got));
	assert_int_equal(got[4], FRAME_ERROR);
	close(fd);
	WAIT(server.closed);
	free(more);

	server = (struct side){.opened = 0};
	raw_greeted(&raw, &server);
	raw_frame(&raw, FRAME_DATA, 0, 100, 100);
	raw_frame(&raw, 250, 0, 1000, 1000);
	rest_send(&raw, 3000000);
	raw_error(&raw, CONVENE__CODE__UNEXPECTED, "no frame of type 250");
	raw_free(&raw);
	WAIT(server.closed);
	assert_int_equal(server.frames, 1);
}

/* Ended from within any callback; `closed` follows once, and nothing between. */
static void test_close_in_callbacks(void **state)
{
	(void)state;
	for (enum action action = CLOSE; action <= REFUSE; action++) {
		for (unsigned where = 0; where < 3; where++) {
			struct side server = {.opened = 0}, client = {.opened = 0};

			*(where == 0     ? &server.at_open
			    : where == 1 ? &server.at_frame
					 : &server.at_writable) = action;
			if (where == 0) {
				pair_open(&server, &client);
			} else {
				pair_greeted(&server, &client);
				if (where == 1) {
					for (uint64_t i = 0; i < 5; i++)
						data_send(&client, i, 100);
				} else {
					data_send(&server, 0, 300000);
				}
			}
			WAIT(server.closed && client.closed);
			assert_int_equal(server.frames, where == 1);
			assert_int_equal(server.err, action == CLOSE  ? OK
						     : action == FAIL ? ERR_QUOTA
								      : ERR_REFUSED);
			assert_int_equal(client.code, action == CLOSE  ? 0
						      : action == FAIL ? refusal_code(ERR_QUOTA)
								       : CONVENE__CODE__NOT_A_PEER);
			assert_int_equal(client.err, ERR_CLOSED);
		}
	}
}

/* The other side does so too, at the same time; or ends without a word. */
static void test_both_close(void **state)
{
	struct side server = {.opened = 0}, client = {.opened = 0}, vanished = {.opened = 0};
	struct raw raw;

	(void)state;
	pair_greeted(&server, &client);
	channel_fail(server.ch, ERR_BUSY, "one");
	channel_fail(client.ch, ERR_QUOTA, "two");
	WAIT(server.closed && client.closed);
	assert_int_equal(server.err, ERR_BUSY);
	assert_int_equal(client.err, ERR_QUOTA);

	raw_greeted(&raw, &vanished);
	raw_frame(&raw, FRAME_DATA, 0, 100, 50);
	pass(20);
	raw_free(&raw);
	WAIT(vanished.closed);
	assert_int_equal(vanished.err, ERR_CLOSED);
}

static void test_drop(void **state)
{
	struct side server = {.opened = 0}, client = {.opened = 0};

	(void)state;
	pair_greeted(&server, &client);
	channel_drop(server.ch);
	assert_int_equal(server.closed, 1);
	WAIT(client.closed);
	/* While it was connecting. */
	client = (struct side){.opened = 0};
	dial(&client, address);
	channel_drop(client.ch);
	assert_int_equal(client.closed, 1);
	assert_int_equal(client.opened, 0);
	close(accepted());
}

/* ---- not TLS, or not ours ---- */

static void test_garbage(void **state)
{
	static const char *const greetings[] = {"GET / HTTP/1.1\r\nHost: relay\r\n\r\n",
	    "SSH-2.0-OpenSSH\r\n", "\x16\x03\x01\x01\x00\x01", "\0\0\0\x09\x01\0\0\0\0hello"};
	static const size_t lens[] = {31, 17, 6, 14};
	struct side client = {.opened = 0};
	int fd;

	(void)state;
	server_net.handshake_ms = 300;
	for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
		struct side server = {.opened = 0};

		fd = plain_socket();
		serve(&server);
		assert_true(write(fd, greetings[i], lens[i]) > 0);
		WAIT(server.closed);
		assert_int_equal(server.opened, 0);
		/* The third only promises a record, and never sends it. */
		assert_int_equal(server.err, i == 2 ? ERR_TIMEOUT : ERR_REFUSED);
		if (i != 2)
			assert_memory_equal(server.text, "TLS: ", 5);
		close(fd);
	}
	/* The other way round. */
	dial(&client, address);
	fd = accepted();
	assert_true(write(fd, "220 mail ESMTP\r\n", 16) > 0);
	WAIT(client.closed);
	assert_int_equal(client.opened, 0);
	assert_int_equal(client.err, ERR_REFUSED);
	close(fd);
}

static void test_old_tls(void **state)
{
	struct side server = {.opened = 0};
	SSL *ssl = tls_session(client_tls, false);
	struct raw raw = {.up = false};

	(void)state;
	SSL_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
	raw.bev = bufferevent_openssl_socket_new(
	    base, plain_socket(), ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(raw.bev, NULL, NULL, raw_event, &raw);
	bufferevent_enable(raw.bev, EV_READ | EV_WRITE);
	serve(&server);
	WAIT(server.closed && raw.ended);
	assert_int_equal(server.opened, 0);
	assert_int_equal(server.err, ERR_REFUSED);
	assert_false(raw.up);
	raw_free(&raw);
}

static void test_nobody_there(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct side client = {.opened = 0}, unix_client = {.opened = 0};
	socklen_t len = sizeof sin;
	char dead[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(dead, sizeof dead, "127.0.0.1:%u", ntohs(sin.sin_port));
	dial(&client, dead);
	WAIT(client.closed);
	assert_int_equal(client.opened, 0);
	assert_int_equal(client.err, ERR_CLOSED);
	close(fd);
	assert_null(channel_connect(&client_net, "127.0.0.1", &events, &client));
	assert_null(channel_connect(&client_net, "127.0.0.1:0", &events, &client));

	unix_client.ch = channel_connect_unix(
	    &client_net, "/tmp/there/is/no/such/socket", &events, &unix_client);
	assert_non_null(unix_client.ch);
	alive++;
	WAIT(unix_client.closed);
	assert_int_equal(unix_client.opened, 0);
	assert_int_equal(unix_client.err, ERR_CLOSED);
	memset(unix_client.text, 'x', 200);
	unix_client.text[200] = '\0';
	assert_null(channel_connect_unix(&client_net, unix_client.text, &events, &unix_client));
}

/* ---- in the clear ---- */

static void test_unix(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct side server = {.work = data_check}, client = {.work = data_check},
		    refused = {.at_open = FAIL}, told = {.opened = 0};
	char folder[] = "/tmp/test_channel.XXXXXX";
	uint8_t pin[HASH_LEN];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s/control", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 5), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = i == 0 ? &server : &refused, *c = i == 0 ? &client : &told;

		c->ch = channel_connect_unix(&client_net, sun.sun_path, &events, c);
		assert_non_null(c->ch);
		alive++;
		s->ch = channel_accept(&server_net, accept(fd, NULL, NULL), false, &events, s);
		assert_non_null(s->ch);
		alive++;
		assert_int_equal(s->opened, 1); /* at once */
		WAIT(c->opened);
	}
	assert_string_equal(channel_address(server.ch), "local");
	assert_int_equal(channel_pin(server.ch, pin), ERR_NOTFOUND);
	/* No HELLO, and the larger limits from the first frame. */
	for (uint64_t i = 0; i < 102; i++) {
		data_send(&client, i, length_of(i));
		data_send(&server, i, length_of(i));
	}
	WAIT(server.expected == 102 && client.expected == 102);
	WAIT(refused.closed && told.closed);
	assert_string_equal(told.error, "a test has had enough");
	pair_close(&server, &client);
	assert_int_equal(client.err, ERR_CLOSED);
	close(fd);
	unlink(sun.sun_path);
	rmdir(folder);
}

/* ---- addresses ---- */

static void test_address_split(void **state)
{
	static const char *const good[][3] = {
	    {"relay.example:7654", "relay.example", "7654"},
	    {"192.0.2.1:1", "192.0.2.1", "1"},
	    {"[2001:db8::1]:65535", "2001:db8::1", "65535"},
	    {"[::]:80", "::", "80"},
	    {"a:9", "a", "9"},
	};
	static const char *const bad[] = {"", ":", "a", "a:", ":1", "a:0", "a:65536", "a:01",
	    "a:+1", "a: 1", "a:1 ", "a:123456", "a:18446744073709551617", "::1:80",
	    "2001:db8::1:80", "[]:80", "[::1:80", "[::1]80", "[::1] :80", "[:80", "]:80:1",
	    "a:b:1"};
	char host[256], port[6], text[300];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(address_split(good[i][0], host, port), OK);
		assert_string_equal(host, good[i][1]);
		assert_string_equal(port, good[i][2]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(address_split(bad[i], host, port), ERR_MALFORMED);
	memset(text, 'h', sizeof text);
	strcpy(text + 255, ":99999");
	assert_int_equal(address_split(text, host, port), ERR_MALFORMED);
	strcpy(text + 255, ":9999");
	assert_int_equal(address_split(text, host, port), OK);
	assert_int_equal(strlen(host), 255);
	memset(text, 'h', sizeof text);
	strcpy(text + 256, ":9999");
	assert_int_equal(address_split(text, host, port), ERR_MALFORMED);
}

/* ---- around each test ---- */

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static int setup(void **state)
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
static int teardown(void **state)
{
	(void)state;
	if (alive != 0 || server_net.budget_used != 0 || client_net.budget_used != 0)
		return -1;
	event_free(beat);
	event_base_free(base);
	return 0;
}

static int group_setup(void **state)
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

static int group_teardown(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_frames_both_ways),
	    TEST(test_pins),
	    TEST(test_before_hello),
	    TEST(test_limits),
	    TEST(test_deadlines),
	    TEST(test_ping),
	    TEST(test_reader_stops),
	    TEST(test_pings_unread),
	    TEST(test_polite),
	    TEST(test_budget),
	    TEST(test_close_flushes),
	    TEST(test_close_unread),
	    TEST(test_refused_while_sending),
	    TEST(test_close_in_callbacks),
	    TEST(test_both_close),
	    TEST(test_drop),
	    TEST(test_garbage),
	    TEST(test_old_tls),
	    TEST(test_nobody_there),
	    TEST(test_unix),
	    cmocka_unit_test(test_address_split),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
