/* SPDX-License-Identifier: BSD-2-Clause */
/* A share of the time of a thread, for what may take long and anybody may ask for: the others wait
 * for it, and may have to wait no longer than for the rest of the time. What isn't used adds up to
 * a second. Pure; all times in microseconds. */
#ifndef DAEMON_SHARE_H
#define DAEMON_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct share {
	unsigned percent;
	uint64_t at; /* 0: never asked */
	int64_t left;
};

/* May it be done now? Then tell what it took. */
bool share_may(struct share *s, uint64_t now);
void share_took(struct share *s, uint64_t us);

#endif
