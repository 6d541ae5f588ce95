/* SPDX-License-Identifier: BSD-2-Clause */
/* Many subscribers of one MQTT topic over TLS 1.3 and one who publishes, all QoS 1, for a broker
 * whose fan-out is to be compared with ours. Speaks just enough of MQTT 3.1.1, and checks that each
 * subscriber got every message once and in order.
 *
 *	peer_mqtt PORT SUBSCRIBERS MESSAGES PAYLOAD WINDOW
 *
 * It says "ready" when all have subscribed, starts with the first line that it reads,
 * prints one JSON object when all have everything, and leaves. At most WINDOW messages are on
 * their way: the broker is kept busy, and its queues short. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "net/tls.h"

#define TOPIC "bench"
#define TOPIC_LEN 5
#define AT_ONCE 50    /* handshakes under way: a broker's queue of connections is short */
#define PAYLOAD_MIN 8 /* its number */
#define PAYLOAD_MAX 60000
#define PACKET_MAX (PAYLOAD_MAX + 64)
#define STALLED_S 30

enum state { CONNECTING, GREETED, READY };

struct client {
	SSL *ssl;
	struct event *readable, *writable;
	struct buffer in, out; /* an unfinished packet; what the socket did not take */
	enum state state;
	bool publishes;
	uint64_t got; /* messages, or acknowledgements for who publishes */
};

static struct event_base *loop;
static struct tls *tls;
static struct client *clients; /* the last one publishes */
static size_t client_count, begun, ready;
static uint16_t port;
static uint64_t messages, published, window;
static size_t payload_len;
static uint64_t *reached; /* [message]: how many subscribers have it */
static uint64_t complete; /* messages that all have */
static uint64_t deliveries, deliveries_before;
static struct timespec started, ended;
static double cpu_started;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "peer_mqtt: %s\n", what);
	exit(1);
}

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* ---- packets ---- */

static void add_head(struct buffer *b, uint8_t type, size_t len)
{
	buffer_add_u8(b, type);
	do {
		buffer_add_u8(b, (uint8_t)(len % 128 | (len > 127 ? 128 : 0)));
		len /= 128;
	} while (len > 0);
}

static void add_string(struct buffer *b, const char *s)
{
	buffer_add_u16(b, (uint16_t)strlen(s));
	buffer_add_str(b, s);
}

static void add_connect(struct buffer *b, size_t number)
{
	char name[32];

	snprintf(name, sizeof name, "bench-%zu", number);
	add_head(b, 0x10, 10 + 2 + strlen(name));
	add_string(b, "MQTT");
	buffer_add_u8(b, 4);  /* the version: 3.1.1 */
	buffer_add_u8(b, 2);  /* nothing is left of earlier sessions */
	buffer_add_u16(b, 0); /* no keep-alive */
	add_string(b, name);
}

static void add_subscribe(struct buffer *b)
{
	add_head(b, 0x82, 2 + 2 + TOPIC_LEN + 1);
	buffer_add_u16(b, 1);
	add_string(b, TOPIC);
	buffer_add_u8(b, 1); /* QoS 1 */
}

/* Acknowledgements are numbered from 1 to 65,535 and so on; the window is far smaller. */
static void add_publish(struct buffer *b, uint64_t number)
{
	static uint8_t rest[PAYLOAD_MAX];

	add_head(b, 0x32, 2 + TOPIC_LEN + 2 + payload_len);
	add_string(b, TOPIC);
	buffer_add_u16(b, (uint16_t)(number % 65535 + 1));
	buffer_add_u64(b, number);
	memset(rest, 'a' + (int)(number % 26), payload_len);
	buffer_add(b, rest, payload_len - PAYLOAD_MIN);
}

/* ---- the flow ---- */

static void client_write(struct client *c)
{
	int n;

	if (c->out.failed)
		fail("out of memory");
	while (c->out.len > 0) {
		ERR_clear_error();
		n = SSL_write(c->ssl, c->out.data, (int)c->out.len);
		if (n <= 0) {
			if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE)
				fail("the broker does not take what is sent");
			event_add(c->writable, NULL);
			return;
		}
		buffer_drain(&c->out, (size_t)n);
	}
}

static void publish(void)
{
	struct client *c = &clients[client_count - 1];

	if (started.tv_sec == 0)
		return;
	while (published < messages && published < complete + window)
		add_publish(&c->out, published++);
	client_write(c);
}

static void clients_begin(void);

static void client_ready(struct client *c)
{
	c->state = READY;
	if (++ready == client_count) {
		puts("ready");
		fflush(stdout);
	}
	clients_begin();
}

static void message_reached(uint64_t number)
{
	deliveries++;
	if (++reached[number] < client_count - 1)
		return;
	while (complete < published && reached[complete] == client_count - 1)
		complete++;
	if (complete == messages) {
		clock_gettime(CLOCK_MONOTONIC, &ended);
		event_base_loopbreak(loop);
	}
}

static void client_take(struct client *c, uint8_t type, const uint8_t *body, size_t len)
{
	size_t skip = 2 + TOPIC_LEN + 2;

	switch (type & 0xf0) {
	case 0x20: /* CONNACK */
		if (c->state != CONNECTING || len != 2 || body[1] != 0)
			fail("the broker refuses a client");
		c->state = GREETED;
		if (c->publishes)
			client_ready(c);
		else
			add_subscribe(&c->out);
		return;
	case 0x90: /* SUBACK */
		if (c->state != GREETED || len != 3 || body[2] != 1)
			fail("the broker refuses a subscription of QoS 1");
		client_ready(c);
		return;
	case 0x40: /* PUBACK */
		c->got++;
		return;
	case 0x30: /* PUBLISH; acknowledged at once */
		if ((type & 0x06) != 0x02 || len != skip + payload_len ||
		    get_u16(body) != TOPIC_LEN)
			fail("a message is not as it was sent");
		if (get_u64(body + skip) != c->got || c->got >= published)
			fail("a subscriber missed a message, or has it twice");
		add_head(&c->out, 0x40, 2);
		buffer_add(&c->out, body + 2 + TOPIC_LEN, 2);
		message_reached(c->got++);
		return;
	default:
		fail("the broker says something else");
	}
}

/* The bytes of one packet at the beginning of `in`; 0: not whole yet. */
static size_t packet_take(struct client *c, const uint8_t *in, size_t len)
{
	size_t body = 0, head = 1, shift = 0;

	do {
		if (head >= len)
			return 0;
		if (head > 4)
			fail("a length is too long");
		body |= (size_t)(in[head] & 127) << shift;
		shift += 7;
	} while (in[head++] & 128);
	if (body > PACKET_MAX)
		fail("a packet is too long");
	if (len < head + body)
		return 0;
	client_take(c, in[0], in + head, body);
	return head + body;
}

static void client_take_all(struct client *c, const uint8_t *in, size_t len)
{
	size_t n;

	if (c->in.len > 0) {
		buffer_add(&c->in, in, len);
		in = c->in.data;
		len = c->in.len;
	}
	while (len > 0 && (n = packet_take(c, in, len)) > 0) {
		in += n;
		len -= n;
	}
	if (c->in.len > 0) {
		buffer_drain(&c->in, c->in.len - len);
	} else {
		buffer_add(&c->in, in, len);
	}
	if (c->in.failed)
		fail("out of memory");
}

static void client_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t in[65536];
	struct client *c = arg;
	int n;

	(void)fd;
	(void)what;
	for (;;) {
		ERR_clear_error();
		n = SSL_read(c->ssl, in, (int)sizeof in);
		if (n <= 0)
			break;
		client_take_all(c, in, (size_t)n);
	}
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_WANT_WRITE:
		event_add(c->writable, NULL);
		break;
	default:
		fail("the broker ended a connection");
	}
	if (SSL_is_init_finished(c->ssl))
		client_write(c);
	publish();
}

static void client_writable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	if (SSL_is_init_finished(c->ssl))
		client_write(c);
	else
		client_readable(fd, what, c);
}

static void client_begin(struct client *c, size_t number)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Without waiting for the handshake; a queue that is full makes the kernel try again. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		fail(strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->ssl = tls_session(tls, false);
	c->publishes = number == client_count - 1;
	c->readable = event_new(loop, fd, EV_READ | EV_PERSIST, client_readable, c);
	c->writable = event_new(loop, fd, EV_WRITE, client_writable, c);
	if (!c->ssl || !c->readable || !c->writable || SSL_set_fd(c->ssl, fd) != 1)
		fail("out of memory");
	SSL_set_connect_state(c->ssl);
	SSL_set_read_ahead(c->ssl, 1); /* many small records with one call to the kernel */
	event_add(c->readable, NULL);
	add_connect(&c->out, number);
	client_readable(fd, EV_READ, c);
}

static void clients_begin(void)
{
	static bool inside; /* client_begin() may find somebody ready already */

	if (inside)
		return;
	inside = true;
	while (begun < client_count && begun < ready + AT_ONCE) {
		client_begin(&clients[begun], begun);
		begun++;
	}
	inside = false;
}

static void go(evutil_socket_t fd, short what, void *arg)
{
	char line[64];

	(void)what;
	(void)arg;
	if (read(fd, line, sizeof line) <= 0 || ready < client_count)
		fail("nobody waits for the result");
	clock_gettime(CLOCK_MONOTONIC, &started);
	cpu_started = cpu_seconds();
	publish();
}

static void look(evutil_socket_t fd, short what, void *arg)
{
	static size_t ready_before;

	(void)fd;
	(void)what;
	(void)arg;
	if (ready < client_count ? ready == ready_before
				 : started.tv_sec != 0 && deliveries == deliveries_before)
		fail("nothing has come for long");
	ready_before = ready;
	deliveries_before = deliveries;
}

/* ---- the beginning ---- */

static uint64_t number_of(const char *s, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long n = strtoull(s, &end, 10);

	if (*s == '\0' || *end != '\0' || n < least || n > most)
		fail("usage: peer_mqtt PORT SUBSCRIBERS MESSAGES PAYLOAD WINDOW");
	return n;
}

static void report(void)
{
	double seconds = seconds_between(&started, &ended);

	printf("{\"deliveries\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"cipher\": "
	       "\"%s\"}\n",
	    (unsigned long long)deliveries, seconds, cpu_seconds() - cpu_started,
	    SSL_get_cipher(clients[0].ssl));
}

int main(int argc, char **argv)
{
	struct timeval every = {STALLED_S, 0};
	struct event *start, *watch;

	port = (uint16_t)number_of(argc == 6 ? argv[1] : "", 1, 65535); /* ends here if not */
	client_count = number_of(argv[2], 1, 100000) + 1;
	messages = number_of(argv[3], 1, 1000000000);
	payload_len = number_of(argv[4], PAYLOAD_MIN, PAYLOAD_MAX);
	window = number_of(argv[5], 1, 60000);
	clients = calloc(client_count, sizeof *clients);
	reached = calloc(messages, sizeof *reached);
	loop = event_base_new();
	if (!clients || !reached || !loop || tls_new(&tls, NULL, "") != OK)
		fail("out of memory");
	start = event_new(loop, STDIN_FILENO, EV_READ, go, NULL);
	watch = event_new(loop, -1, EV_PERSIST, look, NULL);
	if (!start || !watch || event_add(start, NULL) != 0 || event_add(watch, &every) != 0)
		fail("out of memory");
	clients_begin();
	event_base_dispatch(loop);
	report();
	event_free(start);
	event_free(watch);
	return 0;
}
