/* SPDX-License-Identifier: BSD-2-Clause */
/* What may stand next on a command line, for shells (contrib/completion): from the tables that run
 * the commands (client/options.h), and from what is kept on this computer. Main thread.
 *
 * `PROGRAM complete -- WORD...` prints it; the last WORD is the one that is being completed, and
 * may be empty. A line is a word, a TAB, and what it means (perhaps nothing); or it is `:files` or
 * `:folders`: then the shell completes a path by itself. Words hold nothing that means something to
 * a shell; what they mean, nothing that a terminal obeys.
 *
 * The strings of the tables tell what a value or an operand is: "FILE", "BLOCK" and "MBOX" are
 * files, "FOLDER" and "DIR" folders; "lost|stolen" are the words themselves, since they are in
 * lower case; of other names the program may know more (struct program: offer). Brackets and dots
 * are grammar. */
#ifndef CLIENT_COMPLETE_H
#define CLIENT_COMPLETE_H

#include "client/options.h"
#include "base/buffer.h"

struct candidates;

/* What is typed of the word: only what begins so is wanted. */
const char *candidate_typed(const struct candidates *c);
/* Offer a word. What does not begin as the typed one does, is there already, or could mean
 * something to a shell, is left out. */
void candidate_add(struct candidates *c, const char *word, struct bytes meaning);

/* Append the lines for `words`. Never fails: what it does not know, it does not offer. */
void complete(struct buffer *out, const struct program *p, int count, char *const *words);

#endif
