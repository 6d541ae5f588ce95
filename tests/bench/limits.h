/* SPDX-License-Identifier: BSD-2-Clause */
/* What limits.c, which asks for it by name, and limits_disk.c and limits_net.c share. */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern double limits_seconds; /* how long each is measured */
extern bool limits_first;     /* nothing was printed yet */

double limits_now(void); /* seconds, of no beginning */
void limits_print(const char *name, double value);
void limits_fail(const char *what); /* ends the program */

void limit_sync(void);
void limit_sqlite(void);
void limit_tls(void);
void limit_loopback(void);

#endif
