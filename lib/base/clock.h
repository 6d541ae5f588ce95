/* SPDX-License-Identifier: BSD-2-Clause */
/* Time comes in two kinds that are never mixed: monotonic for waiting, wall for what people read.
 * Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* milliseconds since an arbitrary start; never goes back */
uint64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 00:00:00 UTC */

/* "2026-11-21 18:24 UTC" into `out`; returns `out`. Times past the year 9999 print as "-". */
char *clock_format(char out[static 24], uint64_t wall_ms);

#endif
