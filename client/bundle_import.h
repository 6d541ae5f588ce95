/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of `convenectl bundle import` share. */
#ifndef CLIENT_BUNDLE_IMPORT_H
#define CLIENT_BUNDLE_IMPORT_H

#include "client/bundle_link.h"
#include "client/ctl.h"

struct outcome {
	uint64_t held, size; /* at the node, before and after */
	uint64_t waiting;    /* contents that the node still wants of us */
	unsigned shown_again;
	bool known, settled;
	const char *why; /* it takes no more of this log; NULL: it does */
};

struct importing {
	struct ctl ctl;
	const struct invocation *in;
	const char *path;
	struct charter *charter;
	FILE *file;
	uint64_t file_size;
	struct bundle_index index;
	struct outcome *outcomes; /* by log of the index */
	struct bundle_link *link;
	json_t *status;
	bool tell;
};

/* ctl_bundle_look.c: ask the daemon how far it is, into `status`. */
int bundle_status(struct importing *x, struct trouble *t);
/* What that says of a log; NULL: it is not there. */
const json_t *bundle_log_status(const struct importing *x, const char *name);
/* Judge by it whether the daemon has taken of a log of the bundle all that it will. */
int bundle_look(struct importing *x, size_t log, struct trouble *t);

/* ctl_bundle_say.c: say what came of it. Returns an exit code. */
int bundle_say(const struct importing *x);

#endif
