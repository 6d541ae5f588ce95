/* SPDX-License-Identifier: BSD-2-Clause */
/* Honest text: what people may read on a terminal, and what may be a handle.
 *
 * Built on ICU for normalisation, properties, PRECIS and confusables (UTS #39);
 * nothing here is a table of our own. Any thread; ICU data is initialised by the
 * first call. SPEC.md section 8 states the rules. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buffer.h"

#define HANDLE_MAX 64    /* bytes of UTF-8 after preparation */
#define SKELETON_MAX 512 /* bytes */

bool text_is_utf8(struct bytes in);

/* What of a text fits `max` bytes without cutting a character. Points into `in`. */
struct bytes text_head(struct bytes in, size_t max);
/* What stands before its first LF, or all of it. Points into `in`. */
struct bytes text_first_line(struct bytes in);

/* Append `in` in Normalization Form C. Where more than 30 marks follow one another U+034F, which
 * isn't seen, is put after each 30 (Stream-Safe Text Format, UAX #15): to order a million would
 * take minutes. ERR_TEXT if it is not UTF-8; ERR_NOMEM; ERR_TOO_LARGE from 256 MiB. */
int text_nfc(struct buffer *out, struct bytes in);

/* Append `in` made fit for a terminal or a log. Never fails but for memory (buffer's `failed`).
 * Idempotent. `out` grows by at most three times the input.
 *
 * U+FFFD stands for: each maximal piece that is not UTF-8; C0, C1 and DEL except TAB and, in
 * text_block(), LF (in text_line() also for U+2028 and U+2029); non-characters, unassigned
 * default-ignorables, tags, interlinear annotation, byte order marks (dropped at the start) and
 * deprecated controls, which could hide text; and, once, for all that takes no room on the screen
 * behind the eighth such character on a visible one, or behind a second variation selector in a
 * row: marks heaped up grow into other lines, and invisible ones may hide a message of their own.
 * text_block() drops a CR before LF; in text_line() a TAB becomes a space, since unfolded subjects
 * of old mail have them.
 *
 * Every direction mark (LRE RLE LRO RLO PDF LRI RLI FSI PDI) is paired within its paragraph, which
 * LF, U+2028 and U+2029 end: a closing mark without its opening is dropped, an opening one left
 * open is closed at the end of the paragraph or of the isolate around it. Marks nested deeper than
 * 60 are dropped. */
void text_block(struct buffer *out, struct bytes in);
void text_line(struct buffer *out, struct bytes in);

/* text_line() with the whole put between U+2068 FSI and U+2069 PDI when it holds a right-to-left
 * character or a direction mark, so that it can't reorder what stands beside it. */
void text_isolate(struct buffer *out, struct bytes in);

/* Whether a line runs from right to left: its first strong character outside isolates does. */
bool text_is_rtl(struct bytes in);
/* A line of a paragraph that was folded: as text_isolate(), but between U+2067 RLI or U+2066 LRI,
 * as the whole paragraph runs; one that runs from right to left always. */
void text_isolate_as(struct buffer *out, struct bytes in, bool rtl);

/* text_line() without marks that nobody sees (direction, joiners, zero-width spaces): for lists
 * that other programs lay out. */
void text_plain(struct buffer *out, struct bytes in);

/* Prepare a handle: PRECIS UsernameCaseMapped (RFC 8265 section 3.3: width mapping, case mapping,
 * NFC, the bidi rule, IdentifierClass), 1 to HANDLE_MAX bytes; of ASCII letters, digits, '-', '_'
 * and '.' only; no '-' or combining mark first, '.' only between others. Idempotent. As RFC
 * 8264 says, the class refuses characters that NFC replaces (the Kelvin sign, some Bengali
 * letters): call text_nfc() on typed text first. Writes NUL-terminated UTF-8, "" on failure.
 * ERR_TEXT with a short reason in `*why` ("it is empty"; static, may be NULL); ERR_NOMEM. What
 * passes depends on ICU's Unicode version: check where a handle is given out, and never let the
 * validity of an entry hang on it. */
int handle_prepare(char out[static HANDLE_MAX + 1], struct bytes in, const char **why);

/* The UTS #39 skeleton of a prepared handle, with ASCII in lower case and without joiners: two
 * handles with equal skeletons are confusable.
 * Compare skeletons made by the same ICU only: store handles, not skeletons. Also ERR_TEXT if the
 * handle fails the "highly restrictive" script-mixing level, mixes numerals of two systems or hides
 * a mark; ERR_NOMEM. `*why` as above. */
int handle_skeleton(char out[static SKELETON_MAX + 1], const char *handle, const char **why);

/* Terminal columns that `in` takes after text_line() (East Asian wide = 2, combining = 0); for
 * tables. */
size_t text_width(struct bytes in);

/* How many bytes of `in`, after text_line(), fit into so many columns, cut between two characters
 * as people see them; where the first of these alone is wider, between two code points. Takes time
 * by `columns`, not by `in`. */
size_t text_fit(struct bytes in, size_t columns);

/* Where a line may be broken: append one byte for each byte of `in`, 1 where a new line may begin.
 * That is behind spaces, and, where UAX #14 says so, beside the wide characters and South-East
 * Asian letters that are written without them; a URL stays whole. */
void text_breaks(struct buffer *out, struct bytes in);

/* Append the words of a title in lower-case ASCII letters and digits, with '-' between: of Latin
 * letters the letter without its marks, of other scripts nothing. At most `max` bytes, in whole
 * words if there are several. The same on every machine and in every version of Unicode; empty when
 * nothing of it is Latin. */
void text_slug(struct buffer *out, struct bytes in, size_t max);

/* A BCP 47 tag as the envelope takes it: 1 to 35 of A-Z a-z 0-9 '-'. */
bool lang_valid(struct bytes tag);
/* An organisation's name: lower-case LDH DNS name, 1 to 100 bytes, labels 1 to 63, at least one
 * dot, no hyphen at a label's ends. */
bool org_name_valid(struct bytes name);

#endif
