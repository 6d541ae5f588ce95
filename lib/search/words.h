/* SPDX-License-Identifier: BSD-2-Clause */
/* What a folded text (fold.h) is found by. Pure; any thread.
 *
 * A run of letters, marks, digits and '_' is a word where a script puts spaces between words. Han,
 * kana, bopomofo, hangul, and the scripts of South-East Asia and Tibet, and symbols, are taken
 * apart: each character is a term, and each two that stand side by side. Where the two kinds meet,
 * a word ends: "使用python" has the word "python". Two words of the first kind in a row are a term,
 * too: without, who asks for "would have" were shown hundreds of texts that have both. (Hangul has
 * spaces, but its particles are written on to the word.) No dictionary: those of ICU would cut a
 * name in two in one text and not in another, and every error is something that nobody finds.
 *
 * Terms are hashes of 24 bits: an index of them holds no word. Two words may share one; whoever
 * looks something up looks at the text as well. */
#ifndef SEARCH_WORDS_H
#define SEARCH_WORDS_H

#include <unicode/umachine.h>

#include "base/buffer.h"

enum search_class { CLASS_NONE, CLASS_SPACED, CLASS_UNSPACED };
enum search_class search_class(UChar32 ch);

#define TERM_BITS 24
#define TERM_ALL 0u /* no word's: everything has it */

/* What is indexed beside words. Of a topic without bytes are posts whose topic isn't known yet. */
enum search_sort { ABOUT_WORD, ABOUT_TOPIC, ABOUT_AUTHOR, ABOUT_LANG };
uint32_t search_term(enum search_sort about, struct bytes what);

/* Terms of a text, in order, perhaps several times. A non-OK result of `fn` ends it. */
int search_terms(struct bytes folded, int (*fn)(void *ctx, uint32_t term), void *ctx);

/* The class of the character before, or at, a place; CLASS_NONE at the ends. `*len` (NULL: not
 * asked): its bytes. */
enum search_class search_class_before(struct bytes text, size_t at, size_t *len);
enum search_class search_class_at(struct bytes text, size_t at, size_t *len);

#endif
