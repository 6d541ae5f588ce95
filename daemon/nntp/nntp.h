/* SPDX-License-Identifier: BSD-2-Clause */
/* The process of the news server: what its files share. One thread. */
#ifndef DAEMON_NNTP_H
#define DAEMON_NNTP_H

#include <event2/event.h>

#include "daemon/nntp/catalogue.h"
#include "daemon/nntp/session.h"
#include "daemon/parent/service.h"

struct conn;
struct crowd;
struct web_tls;

struct nntp {
	struct service_setup *setup;
	struct event_base *base;
	struct catalogue *catalogue;
	struct nntp_server server;
	struct web_tls *tls; /* NULL: plain, on loopback */
	struct crowd *crowd;
	struct conn *conns;
	unsigned conn_count;
	size_t unsent; /* bytes of answers, not less than wait in all */
	struct event **accepts, *looking, *terminate, *reload;
	char writing[512], url[512], forum[256];
	bool waits; /* for something that the operator has been told of */
};

/* conn.c: somebody is at one of the listening sockets. */
void conn_accept(evutil_socket_t listener, short what, void *nntp);
void conns_close(struct nntp *n);

#endif
