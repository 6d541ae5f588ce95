/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that readers connect to (web, nntp): what it is given, and what it has to do. It holds
 * no key, reads the store only, and the relay does without it: whatever becomes of it, another is
 * started. Its run() is called in a process that has its own user already and shares nothing with
 * the others but the listening sockets. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "conf/conf.h"
#include "daemon/parent/told.h"
#include "member/credential.h"

struct service_setup {
	struct conf *conf; /* its own; to be replaced by a newer one that is conf_reloadable() */
	const struct charter *charter;
	const struct credential *credential; /* newest NODE message of our log: its name and digest,
						and credential_has_pin() for our own TLS key */
	const int *listeners; /* bound, listening, non-blocking; several processes accept there */
	size_t listener_count;
	unsigned number, processes; /* the how-manieth of how many, from 0 */
	struct told *told;          /* where it tells the operator how it is */
};

/* How it is: when it serves, when something is wrong (a sentence without its end, NULL: no more).
 * In the log it comes once, whichever process of the service finds it; `next` follows there. */
void service_tell(
    const struct service_setup *s, enum told_state state, const char *trouble, const char *next);

/* It serves now: for the log, once for all processes, and for the status. `what` it serves. SIGHUP,
 * which waits until then, gets through: its handler must be there. */
void service_begun(const struct service_setup *s, const char *name, const char *what,
    const struct conf_address *list, size_t count);

/* Each runs until SIGTERM, and then returns 0; SERVICE_WAITS: what it needs is not there, and it
 * has told so; other values are for the log. SIGHUP: read conf->file and the certificates again,
 * keep what one has if they are of no use, and told_read(). */
#define SERVICE_WAITS 2
int web_run(struct service_setup *setup);
int nntp_run(struct service_setup *setup);

#endif
