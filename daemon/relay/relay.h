/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay: links, clients, ingest, views, control socket.
 *
 * Threads. One loop thread owns everything in struct relay but `writer`. Verification workers get
 * jobs that own what they touch. The store thread alone uses `writer`: the writing connection and
 * the forum fold. Jobs are moved there and back; nothing else is shared.
 *
 * The path of a message: ingest.c (or lib/sync, for others' logs) -> store job -> durable -> links
 * -> views.c (verify on workers, fold on the store thread) -> watchers. */
#ifndef DAEMON_RELAY_H
#define DAEMON_RELAY_H

#include <sys/types.h>

#include "conf/conf.h"
#include "daemon/signer/signer.h"
#include "member/charter.h"

struct told; /* daemon/parent/told.h */
#define RELAY_SERVICES 4

/* What the parent hands over: read and checked before privileges were dropped. */
struct relay_setup {
	struct conf *conf; /* becomes the relay's */
	struct charter *charter;
	struct credential
	    *credential; /* newest NODE message of our log; entry 0 unless the log has newer */
	struct key tls_key;
	int signer;     /* the relay's side of the signer's socket */
	bool vouches;   /* core_vouches() (daemon/signer/core.h) */
	int *listeners; /* sockets bound and listening, one for each conf->node.listen */
	size_t listener_count;
	int control; /* listening Unix socket */
	struct told
	    *told[RELAY_SERVICES]; /* what the services tell, as in service_table; NULL: none */
	pid_t
	    parent; /* is told by SIGUSR1 of a config that the operator had loaded again; 0: none */
};

/* Run until SIGTERM or SIGINT; SIGHUP loads the config again. Returns an exit status: 0 after an
 * orderly stop. */
int relay_run(struct relay_setup *setup);

#endif
