/* SPDX-License-Identifier: BSD-2-Clause */
/* Links of bytes, where there are no namespaces: whoever wants to reach the other end connects to
 * one of our ports instead. A connection has the delay and rate of the link's lanes, and stands
 * still while a lane is down. Loss and overflow are not known here: TCP hides them from us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/federation/link.h"

#define FLOW_BYTES (1024 * 1024) /* more is left with the sender */

struct door {
	int fd;
	struct sockaddr_in target;
	struct link *link;
	size_t from; /* who connects here: 0 is a */
};

/* One connection: side 0 came to us, side 1 we opened. */
struct pair {
	int fd[2];
	struct link *link;
	size_t from;
	struct flow flow[2];
	size_t sent[2]; /* of the first piece */
	bool ended[2], closed[2], blocked[2];
};

static struct door *doors;
static size_t door_count;
static struct pair *pairs;
static size_t pair_count;

static bool loopback(struct sockaddr_in *in, const char *port)
{
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)n)};
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return *end == '\0' && n > 0 && n < 65536;
}

static bool door_open(struct link *link, size_t from, const char *port, const char *target)
{
	struct door *grown = realloc(doors, (door_count + 1) * sizeof *grown), *d;
	struct sockaddr_in here;
	int one = 1;

	if (!grown)
		return false;
	doors = grown;
	d = &doors[door_count];
	*d = (struct door){.link = link, .from = from};
	if (!loopback(&here, port) || !loopback(&d->target, target)) {
		fprintf(stderr, "link: %s,%s are no ports\n", port, target);
		return false;
	}
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd >= 0)
		setsockopt(d->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (d->fd < 0 || bind(d->fd, (struct sockaddr *)&here, sizeof here) != 0 ||
	    listen(d->fd, 64) != 0) {
		fprintf(stderr, "link: can't listen on port %s: %s\n", port, strerror(errno));
		return false;
	}
	door_count++;
	return true;
}

/* "PORT,TARGET,PORT,TARGET,...": where a connects to and where that leads, then the same for b, and
 * again for a. */
static bool proxy_add(struct link *link, size_t i, char *text)
{
	char *save = NULL, *port, *target;
	size_t from = 0;

	(void)i;
	for (port = strtok_r(text, ",", &save); port; port = strtok_r(NULL, ",", &save)) {
		target = strtok_r(NULL, ",", &save);
		if (!target || !door_open(link, from, port, target)) {
			fprintf(stderr, "link: with -p a link is PORT,TARGET,PORT,TARGET\n");
			return false;
		}
		from = !from;
	}
	return true;
}

static struct lane *lane_of(struct pair *p, size_t side)
{
	return &p->link->lane[side == 0 ? p->from : !p->from];
}

static void accept_one(struct door *d)
{
	struct pair *grown = realloc(pairs, (pair_count + 1) * sizeof *grown), *p;
	int one = 1;

	if (!grown)
		return;
	pairs = grown;
	p = &pairs[pair_count];
	*p = (struct pair){.link = d->link, .from = d->from};
	p->fd[0] = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (p->fd[0] < 0)
		return;
	p->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* On the loopback this answers at once. */
	if (p->fd[1] < 0 ||
	    connect(p->fd[1], (struct sockaddr *)&d->target, sizeof d->target) != 0) {
		close(p->fd[0]);
		if (p->fd[1] >= 0)
			close(p->fd[1]);
		return;
	}
	for (size_t side = 0; side < 2; side++)
		setsockopt(p->fd[side], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	pair_count++;
}

static bool wants_input(const struct pair *p, size_t side)
{
	const struct lane *lane = lane_of((struct pair *)p, side);
	/* What waits for its turn at the lane's rate may be little, as in a router. */
	size_t most = lane->settings.rate > 0 && lane->settings.queue < FLOW_BYTES
			  ? lane->settings.queue
			  : FLOW_BYTES;
	uint64_t under_way = lane->settings.rate * lane->settings.delay / NS / 8;

	return !p->ended[side] && !lane->settings.down && p->flow[side].bytes < most + under_way;
}

static size_t proxy_wait(struct pollfd *fds, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < door_count && n < max; i++)
		fds[n++] = (struct pollfd){.fd = doors[i].fd, .events = POLLIN};
	for (size_t i = 0; i < pair_count && n + 2 <= max; i++) {
		for (size_t side = 0; side < 2; side++) {
			short events = 0;

			if (wants_input(&pairs[i], side))
				events |= POLLIN;
			if (pairs[i].blocked[side])
				events |= POLLOUT;
			/* Without events a connection that hung up would wake us for ever. */
			fds[n++] = (struct pollfd){
			    .fd = events ? pairs[i].fd[side] : -1, .events = events};
		}
	}
	return n;
}

/* Returns false when the connection has broken. */
static bool pair_read(struct pair *p, size_t side, uint64_t now)
{
	struct lane *lane = lane_of(p, side);
	struct settings queueless = lane->settings, kept = lane->settings;
	uint8_t bytes[CHUNK_MAX];
	ssize_t n = read(p->fd[side], bytes, sizeof bytes);

	if (n == 0)
		p->ended[side] = true;
	if (n <= 0)
		return n == 0 || errno == EAGAIN || errno == EINTR;
	/* Bytes of a connection can't be dropped. */
	queueless.loss = 0;
	queueless.queue = UINT64_MAX;
	lane->settings = queueless;
	flow_enter(&p->flow[side], lane, bytes, (size_t)n, now);
	lane->settings = kept;
	return true;
}

static bool pair_write(struct pair *p, size_t side, uint64_t now)
{
	struct flow *f = &p->flow[side];
	struct lane *lane = lane_of(p, side);
	struct piece *piece;

	p->blocked[!side] = false;
	while (!lane->settings.down && (piece = flow_first(f)) && piece->due <= now) {
		size_t left = piece->len - p->sent[side];
		ssize_t n = send(
		    p->fd[!side], piece->data + p->sent[side], left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0 || (size_t)n < left) {
			p->sent[side] += n > 0 ? (size_t)n : 0;
			p->blocked[!side] = true;
			return true;
		}
		lane->counts.out++;
		lane->counts.out_bytes += piece->len;
		if (now - piece->due > lane->counts.late)
			lane->counts.late = now - piece->due;
		p->sent[side] = 0;
		flow_shift(f);
	}
	if (p->ended[side] && f->count == 0 && !p->closed[side]) {
		p->closed[side] = true;
		shutdown(p->fd[!side], SHUT_WR);
	}
	return true;
}

static void pair_remove(size_t i)
{
	for (size_t side = 0; side < 2; side++) {
		close(pairs[i].fd[side]);
		flow_clear(&pairs[i].flow[side]);
	}
	pairs[i] = pairs[--pair_count];
}

static uint64_t proxy_ready(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < door_count; i++) {
		struct pollfd fd = {.fd = doors[i].fd, .events = POLLIN};

		if (poll(&fd, 1, 0) > 0)
			accept_one(&doors[i]);
	}
	for (size_t i = pair_count; i-- > 0;) {
		struct pair *p = &pairs[i];
		bool good = true;

		for (size_t side = 0; side < 2 && good; side++) {
			struct pollfd fd = {.fd = p->fd[side], .events = POLLIN};
			struct piece *piece;

			if (wants_input(p, side) && poll(&fd, 1, 0) > 0)
				good = pair_read(p, side, now);
			good = good && pair_write(p, side, now);
			piece = flow_first(&p->flow[side]);
			if (piece && !p->blocked[!side] && !lane_of(p, side)->settings.down &&
			    piece->due < next)
				next = piece->due;
		}
		if (!good || (p->closed[0] && p->closed[1]))
			pair_remove(i);
	}
	return next;
}

const struct wiring proxy_wiring = {proxy_add, proxy_wait, proxy_ready};
