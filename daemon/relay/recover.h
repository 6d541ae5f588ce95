/* SPDX-License-Identifier: BSD-2-Clause */
/* What recover.c, recover_told.c and recover_end.c share: a recovery under way. Loop thread. */
#ifndef DAEMON_RELAY_RECOVER_H
#define DAEMON_RELAY_RECOVER_H

#include "daemon/relay/report.h"

struct recovering {
	struct recovery note;
	uint64_t asked; /* links that were up by then tell nothing */
	uint64_t began;
	bool fetching;       /* sync does */
	bool merging, busy;  /* merge.c, or the signer, is at work */
	bool merged_ever;    /* roster and inbox are those of the log, */
	uint64_t merged;     /* when it had this size */
	uint64_t held, from; /* as seen last, since when; and at the beginning */
	uint64_t held_at;
	uint64_t signed_size; /* the largest head that our key is known to have signed */
};

/* Look which peers have told, and return how many are waited for. */
size_t recover_answers(struct relay *r);
/* How much is here of the log that ours follows. */
uint64_t recover_orphan_held(const struct relay *r);

#endif
