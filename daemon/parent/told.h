/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes of a service tell of themselves, for `convenectl status`: memory that the
 * parent, the keepers, those processes and the relay share, since signals are all that otherwise
 * goes between them. Each process writes in a place of its own. The relay reads, and believes
 * nothing: whoever has taken such a process over writes there what they like, of all processes of
 * the same service, which share one map; those of others have no part in it. */
#ifndef DAEMON_TOLD_H
#define DAEMON_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#define TOLD_PROCESSES_MAX 64
#define TOLD_TEXT 700

struct told;

enum told_state { TOLD_NONE, TOLD_SERVES };

struct told_sum {
	unsigned serving;        /* processes */
	uint32_t read;           /* how often they have read the config again, all together */
	char trouble[TOLD_TEXT]; /* any bytes; "": none */
};

/* For one service, before anybody is forked; lasts as long as the processes do. NULL: no memory. */
struct told *told_new(void);
/* Of a process that has nothing to tell there: no more of it here; for others it stays. */
void told_leave(struct told *t);

/* Of the process with that number: how it is, and what is wrong; NULL: nothing. */
void told_tell(struct told *t, unsigned number, enum told_state state, const char *trouble);
void told_read(struct told *t, unsigned number);
/* It has ended. What was wrong with it stays, until it has something better to tell. */
void told_gone(struct told *t, unsigned number);
/* Of the keeper: what is wrong for all of them. */
void told_barred(struct told *t, const char *trouble);

/* Is this not what was said last, by one of them, in the log? Then it is now. NULL: nothing is
 * wrong any more, and when it is again, that is news. */
bool told_news(struct told *t, const char *trouble);

void told_sum(const struct told *t, struct told_sum *out);

#endif
