/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent: reads everything that needs privileges but the keys that sign, which only the signer
 * does; drops privileges, starts the relay and starts it again when it fails. It holds no
 * connection and parses nothing from outside. One thread.
 *
 * What fails says so itself, in the log; the code that comes back is only for the order of things.
 */
#ifndef DAEMON_PARENT_H
#define DAEMON_PARENT_H

#include "daemon/relay/relay.h"
#include "daemon/signer/process.h"

#define EXIT_USAGE 1
#define EXIT_CONFIG 2
#define EXIT_SETUP 3
#define EXIT_RELAY 4
#define EXIT_SIGNER 5

/* papers.c */
int charter_read(const struct conf *conf, struct charter **out);
int credential_read(const struct conf *conf, const struct charter *charter, struct credential *out);
/* Into setup->tls_key. */
int tls_key_read(struct relay_setup *setup);
/* The passphrase of the node's key files, where the operator has put one; on the heap, or NULL. The
 * caller wipes it. */
char *passphrase_read(void);

/* ports.c */
int listeners_open(struct relay_setup *setup);
/* Only the daemon's own user may command it: the socket is made with mode 0600 and never wider. -1
 * upon failure. */
int control_open(const char *path);

/* privileges.c */
int data_prepare(const struct conf *conf); /* the folders */
const char *signer_user(const struct conf *conf);
/* Become that user, a name; NULL: stay. */
int privileges_drop(const void *user);
/* Every connection is a descriptor. */
void limits_raise(void);

/* supervise.c: start the signer, while keys may be read; the relay's side of its socket goes into
 * `setup`. */
int signer_begin(struct relay_setup *setup, struct signer_process *signer);
/* Run the relay until told to stop, or until nothing helps. Returns the exit status. */
int supervise(struct relay_setup *setup, const struct signer_process *signer);

#endif
