/* SPDX-License-Identifier: BSD-2-Clause */
/* The in-memory backend's own: what a simulated disk does to it. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

/* The process dies here: what is not committed is gone, all else is as a restart finds it. Also
 * within a transaction. */
void store_memory_crash(struct store *s);

/* The next commit fails with `err` (ERR_NOSPACE, ERR_IO), and is rolled back. */
void store_memory_fail(struct store *s, int err);

#endif
