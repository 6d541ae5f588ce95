/* SPDX-License-Identifier: BSD-2-Clause */
/* The signer's process: started by the parent while it may still read keys, and alive as long as
 * somebody holds the other side of its socket.
 *
 * What it can do, once it answers: its socket, its two files, and memory. Every other descriptor is
 * closed and none can be opened any more, so that it reaches no network and no file; its memory is
 * neither dumped nor traced, also not by processes of the same user. It logs nothing: codes go to
 * who asks. When it is gone, its keys are: only a whole new start brings it back. */
#ifndef DAEMON_SIGNER_PROCESS_H
#define DAEMON_SIGNER_PROCESS_H

#include <sys/types.h>

#include "daemon/signer/core.h"

struct signer_process {
	pid_t pid;    /* the caller's to wait for */
	int fd;       /* the relay's side; at its end the signer ends */
	bool vouches; /* core_vouches() */
};

struct signer_start {
	struct core_setup setup;      /* without the passphrase */
	char *(*passphrase)(void);    /* called in the child; NULL or on the heap, wiped there */
	int (*drop)(const void *ctx); /* likewise: become who it shall be */
	const void *ctx;
	const char *lock, *cosigned; /* opened as that user */
	unsigned wait_ms;            /* for another process that holds them */
	void (*waits)(void);         /* called once in the child if it does wait; NULL: nobody */
};

/* Fork; returns in the parent when the signer answers, or can't (then it is gone): core_open()'s
 * and core_lock()'s errors with `why` (512 bytes), drop()'s with `why` empty, for it has said so
 * itself; ERR_IO. `*pinned`: its keys are kept out of swap. One thread only, and none else there.
 */
int signer_process_start(
    struct signer_process *out, const struct signer_start *start, bool *pinned, char *why);

/* Answer the requests that come over `fd` until its other side is closed. Never returns earlier,
 * whatever comes. */
void signer_serve(struct core *core, int fd);

#endif
