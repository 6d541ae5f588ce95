/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as a search compares it, with ICU. Pure; any thread. */
#ifndef SEARCH_FOLD_H
#define SEARCH_FOLD_H

#include "base/buffer.h"

/* Append a text folded: NFKC, case folded; without the marks that are put on letters (accents,
 * Arabic and Hebrew points; the vowels of Indic and South-East Asian scripts stay); runs of space
 * become one, and none where a line ends between Chinese or Japanese characters. What isn't UTF-8
 * is taken as U+FFFD; of more than 30 marks in a row the rest is left out. ERR_NOMEM; ERR_TOO_LARGE
 * beyond 64 MiB. */
int search_fold(struct buffer *out, struct bytes text);
/* The same, but accents stay (and Arabic hamzas); points still go. */
int search_fold_marked(struct buffer *out, struct bytes text);

/* Whether nothing stands between two characters that a line's end is between. */
bool search_fold_joins(int32_t before, int32_t after);

#endif
