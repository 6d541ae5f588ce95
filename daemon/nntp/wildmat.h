/* SPDX-License-Identifier: BSD-2-Clause */
/* Wildmats (RFC 3977 section 4): patterns with `*` and `?`, several with commas between, `!` in
 * front of those that take away again. Pure; any thread. */
#ifndef DAEMON_NNTP_WILDMAT_H
#define DAEMON_NNTP_WILDMAT_H

#include "base/buffer.h"

/* Whether this is one: not empty, nor any of its patterns, and without what RFC 3977 keeps for
 * later. */
bool wildmat_valid(struct bytes wildmat);
/* Whether a name matches: the last pattern that does decides. Takes time by both lengths,
 * multiplied. */
bool wildmat_match(struct bytes wildmat, struct bytes name);
/* One pattern, in which commas and `!` mean themselves; letters match in either case. */
bool pattern_match(struct bytes pattern, struct bytes text);

#endif
