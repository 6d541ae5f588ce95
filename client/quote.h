/* SPDX-License-Identifier: BSD-2-Clause */
/* Quoting as people do it: who wrote when, then the text behind "> ", its own quotations one level
 * deeper.
 *
 * What is quoted came from outside and goes into an editor and into a text that its quoter signs.
 * So it is what a reader sees: made harmless line by line (lib/base/text.h), with nothing in it
 * that could end a line behind its "> ". Pure; any thread. */
#ifndef CLIENT_QUOTE_H
#define CLIENT_QUOTE_H

#include "base/buffer.h"

#define QUOTE_COLUMNS 76       /* longer lines are folded here, unless they only just miss it */
#define QUOTE_MAX (256 * 1024) /* bytes of a text; what lies behind is left out, and said so */

/* Append "On 2026-11-21 at 18:24 UTC, AUTHOR wrote:" and the text, each line ending in LF. Left out
 * are the signature, behind the last line "-- ", and empty lines at both ends. `time` in ms; 0:
 * unknown. Returns false, and appends nothing, when nothing is left to quote. Memory: `out`'s
 * `failed`. */
bool quote_add(struct buffer *out, struct bytes author, uint64_t time, struct bytes text);

/* Whether `written` holds nothing but lines of the quotation, in their order, and space: perhaps
 * fewer of them, and no word of its own. */
bool quote_untouched(struct bytes quotation, struct bytes written);

/* The first line of the writer's own: neither quoted, nor what stands before a quotation. Empty
 * when there is none. */
struct bytes quote_own_line(struct bytes text);

#endif
