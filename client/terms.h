/* SPDX-License-Identifier: BSD-2-Clause */
/* What the forum's charter says about writing, known before anything is signed. A charter never
 * changes, so it is kept in HOME/charter, and checked against the forum's id whenever it is read.
 */
#ifndef CLIENT_TERMS_H
#define CLIENT_TERMS_H

#include "client/session.h"
#include "member/charter.h"

/* The charter: the one that is kept, else of the node, which is then kept. NULL: not to be had.
 * Free with charter_free(). */
struct charter *terms_charter(struct session *s);

/* Whether the charter lets a participant send this: ERR_TOO_LARGE, ERR_REFUSED, with sentences.
 * Where it isn't kept and the node can't be asked, nothing is known, and that is OK. */
int terms_check(struct session *s, uint32_t kind, size_t content_len, struct trouble *t);

#endif
