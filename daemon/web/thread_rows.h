/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread's tree in memory, for pages: where each message stands and what it replies to, and of
 * those of one page what is known of them. 48 bytes a message. */
#ifndef DAEMON_WEB_THREAD_ROWS_H
#define DAEMON_WEB_THREAD_ROWS_H

#include "forum/query.h"

#define ROW_NONE UINT32_MAX

struct row_place {
	uint8_t id[ID_LEN];
	uint32_t depth, parent; /* an index; ROW_NONE: none, or not here */
};

struct thread_rows {
	struct row_place *rows; /* depth first */
	size_t count, cap;
	struct item_row *full; /* those from `from` on, up to `max` */
	size_t from, max, full_count;
	uint32_t *last; /* at each depth, the latest row */
	size_t depths;
	uint64_t missing;
	uint8_t root[ID_LEN], topic[ID_LEN];
	bool root_here;
};

/* ERR_NOTFOUND, ERR_NOMEM, …; clear in any case. */
int thread_rows_read(struct thread_rows *out, struct store *s, const uint8_t id[static ID_LEN],
    size_t from, size_t max);
void thread_rows_clear(struct thread_rows *t);
/* The row of a message; `count` if it isn't there. */
size_t thread_rows_find(const struct thread_rows *t, const uint8_t id[static ID_LEN]);

#endif
