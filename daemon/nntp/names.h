/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-IDs that archives gave, by hash: where to look for an article that is asked for by its
 * id. Whoever finds one looks whether it is so. The first of several messages of one id counts. */
#ifndef DAEMON_NNTP_NAMES_H
#define DAEMON_NNTP_NAMES_H

#include "base/buffer.h"

struct names;

struct names *names_new(void); /* NULL: no memory */
void names_free(struct names *n);
int names_add(struct names *n, struct bytes id, uint32_t group, uint32_t number); /* ERR_NOMEM */
bool names_find(const struct names *n, struct bytes id, uint32_t *group, uint32_t *number);

#endif
