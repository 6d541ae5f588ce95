/* SPDX-License-Identifier: BSD-2-Clause */
/* A quantile of measured times. */
#ifndef BENCH_QUANTILE_H
#define BENCH_QUANTILE_H

#include <stddef.h>
#include <stdlib.h>

static inline int quantile_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of `count` values, at least one; sorts them. */
static inline double quantile(double *values, size_t count, double q)
{
	qsort(values, count, sizeof *values, quantile_order);
	return values[(size_t)(q * (double)(count - 1) + 0.5)];
}

#endif
