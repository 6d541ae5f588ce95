/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent: reads everything that needs privileges but the keys that sign, which only the signer
 * does; starts the keepers of what readers connect to, drops privileges, starts the relay, and
 * starts again what fails. It holds no connection and parses nothing from outside. One thread.
 *
 * What fails says so itself, in the log; the code that comes back is only for the order of things.
 */
#ifndef DAEMON_PARENT_H
#define DAEMON_PARENT_H

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "daemon/parent/service.h"
#include "daemon/relay/relay.h"
#include "daemon/signer/process.h"

#define EXIT_USAGE 1
#define EXIT_CONFIG 2
#define EXIT_SETUP 3
#define EXIT_RELAY 4
#define EXIT_SIGNER 5
#define EXIT_WAITS 6 /* of a process of a service: SERVICE_WAITS */

/* papers.c */
int charter_read(const struct conf *conf, struct charter **out);
int credential_read(const struct conf *conf, const struct charter *charter, struct credential *out);
/* Into setup->tls_key. */
int tls_key_read(struct relay_setup *setup);
/* The passphrase of the node's key files, where the operator has put one; on the heap, or NULL. The
 * caller wipes it. */
char *passphrase_read(void);

/* ports.c: for that section's `listen` */
int listeners_open(
    const char *section, const struct conf_address *list, size_t count, int **fds, size_t *open);
/* Only the daemon's own user may command it: the socket is made with mode 0600 and never wider. -1
 * upon failure. */
int control_open(const char *path);

/* privileges.c */
/* That the users whom the config names are there; says so of each that is not, or is not used. */
int users_check(const struct conf *conf);
int data_prepare(const struct conf *conf); /* the folders */
const char *signer_user(const struct conf *conf);
/* Become that user, a name; NULL: stay. */
int privileges_drop(const void *user);
/* Every connection is a descriptor. */
void limits_raise(void);

/* here.c: what of the config is not as it should be on this machine, a line for each, for
 * `convened -n`. None of it is a mistake of the config. */
void here_look(FILE *to, const struct conf *conf);

/* service.c */
struct service {
	const char *name;
	int section; /* enum conf_section: the one that says where it listens */
	int (*run)(struct service_setup *setup);
};
extern const struct service service_table[]; /* ends with a name of NULL */
#define SERVICES_MAX RELAY_SERVICES
const struct conf_address *service_listen(
    const struct service *s, const struct conf *conf, size_t *count);
const char *service_user(const struct service *s, const struct conf *conf); /* NULL: stay */
/* 1 to TOLD_PROCESSES_MAX */
unsigned service_processes(const struct service *s, const struct conf *conf);
bool user_is_ours(const char *name);

/* supervise.c: how long to wait before a process that has ended is started again: a second, then
 * two, four, … half a minute; anew when one has run for longer than that. */
struct pause {
	uint64_t began, due; /* mono ms */
	unsigned seconds;    /* the next; 0: the first */
};
#define PAUSE_MAX_S 30
void pause_begin(struct pause *p); /* it starts now */
void pause_after(struct pause *p); /* it has ended */
void pause_over(struct pause *p);  /* it may start now, as if for the first time */
void died_say(const char *who, int status, const char *next);
/* Read the file again: it may have been changed, and taken over by the others, since we did. */
void config_refresh(struct conf **conf);

/* keeper.c */
struct keeper {
	const struct service *service;
	struct told *told;
	int *listeners;
	size_t listener_count;
	pid_t pid; /* 0: none */
	int line;  /* to it */
	struct pause pause;
	bool gone; /* and can't be made again */
};
struct keepers {
	struct keeper list[SERVICES_MAX];
	size_t count;
	sigset_t unblocked; /* the signals of a process that waits for none */
};
/* keeper.c: the process, which never returns. `line`: its side of the socket to the parent, by
 * which orders come: a byte for each. */
#define ORDER_RELOAD 'r'
#define ORDER_STOP 's'
void keeper_run(struct keeper *keeper, struct keepers *all, struct relay_setup *setup, int line);

/* keepers.c */
/* Open the ports of every service that the config has, and start its keeper: with all privileges,
 * and before there are keys in memory. ERR_IO (said), ERR_NOMEM. */
int keepers_begin(struct keepers *all, struct relay_setup *setup);
/* See which has ended, and start it again when that is due. Returns when the next will be (mono
 * ms), UINT64_MAX: none. */
uint64_t keepers_look(struct keepers *all, struct relay_setup *setup);
void keepers_reload(struct keepers *all);
void keepers_stop(struct keepers *all); /* says so, and does not wait */
void keepers_end(struct keepers *all);  /* waits */

/* supervise.c: start the signer, while keys may be read; the relay's side of its socket goes into
 * `setup`. */
int signer_begin(struct relay_setup *setup, struct signer_process *signer);
/* Run the relay until told to stop, or until nothing helps. Returns the exit status. */
int supervise(
    struct relay_setup *setup, const struct signer_process *signer, struct keepers *keepers);

#endif
