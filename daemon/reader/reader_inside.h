/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share. */
#ifndef DAEMON_READER_INSIDE_H
#define DAEMON_READER_INSIDE_H

#include "daemon/reader/measure.h"
#include "daemon/reader/reader.h"

enum { READER_RUN = 256, READER_RUNS = 16 };

struct reader {
	struct store *store;
	char own[ORG_NAME_MAX + 1];
	uint64_t version, state; /* `state` 0: nothing was read yet */
	uint8_t forum[HASH_LEN];
	struct measure_table measures;
	struct reader_log *logs; /* ascending by number */
	size_t log_count, log_cap;
	struct reader_run {
		uint32_t log; /* 0: none */
		uint64_t number, used;
		size_t count;
		uint32_t at[READER_RUN];
		struct buffer leaves;
	} runs[READER_RUNS];
	uint64_t uses;
	size_t budget; /* of contents, that may still be read */
};

/* An entry; `leaf` is good until the next call. */
int reader_entry(struct reader *r, uint32_t log, uint64_t index, struct bytes *leaf);

#endif
