/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that readers connect to (web, nntp): what it is given, and what it has to do. It holds
 * no key, reads the store only, and the relay does without it: whatever becomes of it, another is
 * started. Its run() is called in a process that has its own user already and shares nothing with
 * the others but the listening sockets. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "conf/conf.h"
#include "member/credential.h"

struct service_setup {
	struct conf *conf; /* its own; to be replaced by a newer one that is conf_reloadable() */
	const struct charter *charter;
	const struct credential *credential; /* newest NODE message of our log: its name and digest,
						and credential_has_pin() for our own TLS key */
	const int *listeners; /* bound, listening, non-blocking; several processes accept there */
	size_t listener_count;
	unsigned number, processes; /* the how-manieth of how many, from 0 */
};

/* Each runs until SIGTERM, and then returns 0; other values are for the log. SIGHUP: read
 * conf->file and the certificates again, and keep what one has if they are of no use. */
int web_run(struct service_setup *setup);
int nntp_run(struct service_setup *setup);

#endif
