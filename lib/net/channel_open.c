/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepting and dialling, and from where. */
#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "net/channel_inside.h"

#define UNSENT_MAX (64 * 1024)

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

void channel_tune(int fd)
{
	int one = 1, unsent = UNSENT_MAX;

	/* libevent leaves Nagle on: 40 ms stalls. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* The kernel would take megabytes, and what is urgent stand behind them for a minute. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
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
	ch->timer = event_new(net->base, -1, 0, channel_on_timer, ch);
	if (!ch->timer) {
		free(ch);
		return NULL;
	}
	channel_timer(ch, 1000);
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
	bufferevent_setcb(ch->bev, channel_on_read, channel_on_write, channel_on_event, ch);
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
		channel_tune(fd);
	else
		channel_opened(ch);
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
		channel_end(ch, ERR_CLOSED, "the address can't be connected to");
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
		channel_end(ch, ERR_CLOSED, "nobody listens on the control socket");
	return ch;
}
