/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/channel: what comes through, what does not, and how it ends. */
#include "channel_fixture.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_frames_both_ways),
	    TEST(test_before_hello),
	    TEST(test_limits),
	    TEST(test_close_flushes),
	    TEST(test_refused_while_sending),
	    TEST(test_close_in_callbacks),
	    TEST(test_both_close),
	    TEST(test_drop),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
