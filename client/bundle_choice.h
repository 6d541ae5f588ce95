/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs that a bundle takes: of those that the daemon holds the ones of the options --log, and
 * of each what is new since a frontier. Main thread. */
#ifndef CLIENT_BUNDLE_CHOICE_H
#define CLIENT_BUNDLE_CHOICE_H

#include "client/archive/frontier_text.h"
#include "client/ctl.h"
#include "sync/bundle.h"

struct chosen;

/* Begin with all zero but the first two. */
struct bundle_choice {
	const struct invocation *in; /* not ours, nor is the charter */
	const struct charter *charter;
	struct bundle_part *parts; /* as bundle_write() wants them; they point into what follows */
	size_t count;
	uint64_t entries;      /* of all parts */
	struct frontier now;   /* of all logs chosen, whether anything of them is new or not */
	struct frames logs;    /* ours */
	struct chosen *chosen; /* ours, `count` of them */
};

/* Ask the daemon, waiting for its views where contents are wanted. ERR_NOTFOUND when --log names
 * none of its logs, ERR_BUSY when the views stay behind. */
int bundle_choose(struct bundle_choice *choice, struct client *client, const struct frontier *since,
    struct trouble *t);
void bundle_choice_clear(struct bundle_choice *choice);

#endif
