/* SPDX-License-Identifier: BSD-2-Clause */
/* The full-screen reader: `convene` alone. */
#ifndef SCREEN_READER_H
#define SCREEN_READER_H

#include "client/options.h"

/* Whether it can be opened: on a terminal that can move its cursor. */
bool reader_fit(void);
/* Run it. Returns an exit code when it can't be opened; when it ends, the process does. */
int reader_run(const struct invocation *in);

#endif
