/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/channel: peers that fall silent, read late or not at all, ask for much or hold much. */
#include "channel_fixture.h"

/* ---- silence ---- */

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

/* ---- frames that several are sent ---- */

static unsigned released, shared_left;

static void release(const void *data, size_t len, void *ctx)
{
	(void)data;
	(void)len;
	released++;
	if (ctx)
		buffer_free(ctx);
	shared_left--;
}

static void shared_make(struct buffer *out, uint64_t number)
{
	Convene__Data m = CONVENE__DATA__INIT;
	size_t len = length_of(number);
	uint8_t *bytes = malloc(len + 1);

	memset(bytes, (int)(number & 0xff), len);
	m.first = number;
	m.leaves = pb_of(bytes_of(bytes, len));
	*out = (struct buffer)BUFFER_INIT;
	assert_int_equal(frame_add(out, FRAME_DATA, (uint32_t)number, &m.base), OK);
	free(bytes);
}

/* At once or by the loop, whole or as far as the socket takes it, between frames of the other sort:
 * all come in order, and each is given back once. */
static void test_shared(void **state)
{
	struct side server = {.opened = 0}, client = {.work = data_check};
	struct buffer frames[400];
	unsigned idle = 0;

	(void)state;
	released = shared_left = 0;
	pair_greeted(&server, &client);
	for (uint64_t i = 0; i < 400; i++) {
		if (i % 7 == 3) {
			data_send(&server, i, length_of(i));
			continue;
		}
		shared_make(&frames[i], i);
		shared_left++;
		idle += channel_backlog(server.ch) == 0;
		channel_send_frame(
		    server.ch, buffer_bytes(&frames[i]), i % 5 != 0, release, &frames[i]);
		/* Up to what the kernel takes, and far beyond. */
		if (i % 50 > 25 || channel_backlog(server.ch) > 2000000)
			WAIT(client.expected == i + 1);
	}
	WAIT(client.expected == 400);
	WAIT(shared_left == 0);
	assert_int_equal(released, 400 - 57);
	assert_true(idle > 100);
	pair_close(&server, &client);
	assert_int_equal(client.err, ERR_CLOSED);
}

/* What a connection was to be sent and is not any more is given back as well. */
static void test_shared_lost(void **state)
{
	struct side server = {.opened = 0};
	struct buffer frame;
	struct raw raw;

	(void)state;
	shared_make(&frame, 5); /* 70,000 bytes */
	released = shared_left = 0;
	raw_greeted(&raw, &server);
	bufferevent_disable(raw.bev, EV_READ);
	for (unsigned i = 0; i < 100; i++, shared_left++)
		channel_send_frame(server.ch, buffer_bytes(&frame), true, release, NULL);
	assert_in_range(released, 1, 50); /* the kernel's share */
	assert_true(channel_backlog(server.ch) > 50 * 70000);
	raw_free(&raw);
	WAIT(server.closed);
	WAIT(shared_left == 0);
	assert_int_equal(released, 100);

	/* Who reads nothing is dropped at the bound; what comes then is given back at once. */
	server = (struct side){.opened = 0};
	raw_greeted(&raw, &server);
	bufferevent_disable(raw.bev, EV_READ);
	released = shared_left = 0;
	while (!channel_closing(server.ch)) {
		shared_left++;
		channel_send_frame(server.ch, buffer_bytes(&frame), false, release, NULL);
	}
	assert_in_range(channel_backlog(server.ch), CHANNEL_OUTPUT_MAX, CHANNEL_OUTPUT_MAX + 80000);
	shared_left++;
	released = 0;
	channel_send_frame(server.ch, buffer_bytes(&frame), true, release, NULL);
	assert_int_equal(released, 1);
	WAIT(server.closed);
	assert_int_equal(server.err, ERR_TOO_LARGE);
	WAIT(shared_left == 0);
	raw_free(&raw);
	buffer_free(&frame);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_deadlines),
	    TEST(test_ping),
	    TEST(test_reader_stops),
	    TEST(test_pings_unread),
	    TEST(test_polite),
	    TEST(test_shared),
	    TEST(test_shared_lost),
	    TEST(test_budget),
	    TEST(test_close_unread),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
