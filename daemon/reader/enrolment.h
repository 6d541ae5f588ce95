/* SPDX-License-Identifier: BSD-2-Clause */
/* How a device came to be enrolled, by what the store holds (SPEC.md 6.3). */
#ifndef DAEMON_READER_ENROLMENT_H
#define DAEMON_READER_ENROLMENT_H

#include "store/store.h"

/* When the key was recovered, or one whose word enrolled it; 0: never, 1: the time isn't known. */
uint64_t enrolment_recovered(struct store *s, uint32_t log_no, const uint8_t key[static KEY_LEN]);

/* Append entry `index` of a log; `leaf` points into `out`. */
int entry_read(
    struct store *s, uint32_t log_no, uint64_t index, struct buffer *out, struct bytes *leaf);

#endif
