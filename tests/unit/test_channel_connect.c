/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net: who is at the other end. Addresses, pins, what is not TLS or not ours, and sockets in
 * the clear. */
#include "channel_fixture.h"

#include <sys/un.h>

/* ---- pins ---- */

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

/* Behind a full queue the system says nothing at all, as a line that is cut. */
static void test_unanswered(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct side client = {.opened = 0};
	socklen_t len = sizeof sin;
	char full[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0), waiting[4];
	uint64_t began;

	(void)state;
	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	for (size_t i = 0; i < 4; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(waiting[i], (struct sockaddr *)&sin, sizeof sin);
	}
	snprintf(full, sizeof full, "127.0.0.1:%u", ntohs(sin.sin_port));
	client_net.connect_ms = 500;
	began = clock_mono_ms();
	dial(&client, full);
	WAIT(client.closed);
	client_net.connect_ms = 4000;
	assert_int_equal(client.err, ERR_TIMEOUT);
	assert_non_null(strstr(client.text, "nobody answers"));
	assert_true(clock_mono_ms() - began < 4000);
	for (size_t i = 0; i < 4; i++)
		close(waiting[i]);
	close(fd);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pins),
	    TEST(test_garbage),
	    TEST(test_old_tls),
	    TEST(test_nobody_there),
	    TEST(test_unanswered),
	    TEST(test_unix),
	    cmocka_unit_test(test_address_split),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
