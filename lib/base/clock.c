/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <assert.h>
#include <string.h>
#include <time.h>

/* 10000-01-01 00:00:00 UTC, the first moment that does not fit four digits of year. */
#define YEAR_10000_MS UINT64_C(253402300800000)

static uint64_t read_ms(clockid_t id)
{
	struct timespec now;
	int rc = clock_gettime(id, &now);
	assert(rc == 0);
	(void)rc;
	/* A machine whose clock stands before 1970 gets 1970 rather than the far future. */
	if (now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

char *clock_format(char out[static 24], uint64_t wall_ms)
{
	struct tm tm;
	time_t seconds = (time_t)(wall_ms / 1000);
	if (wall_ms >= YEAR_10000_MS || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(out, 24, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		strcpy(out, "-");
	return out;
}
