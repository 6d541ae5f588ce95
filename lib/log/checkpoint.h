/* SPDX-License-Identifier: BSD-2-Clause */
/* Checkpoints: C2SP signed notes of three lines (SPEC.md section 9.2), and the tlog-proof around
 * them. Any thread. */
#ifndef LOG_CHECKPOINT_H
#define LOG_CHECKPOINT_H

#include "crypto/note.h"
#include "log/tree.h"

#define CHECKPOINT_TEXT_MAX (VERIFIER_NAME_MAX + 1 + 20 + 1 + 44 + 1)

struct checkpoint {
	char origin[VERIFIER_NAME_MAX + 1];
	uint64_t size; /* 1 to 2^63 - 1 */
	uint8_t root[HASH_LEN];
};

/* Append the three lines. ERR_INVALID (size 0 or too large, an origin that a note can't carry),
 * ERR_NOMEM. */
int checkpoint_text(struct buffer *out, const struct checkpoint *c);
/* Parse a note's text: exactly three lines, canonical. ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_RANGE
 * (the size). `out` is written only upon OK, here and below. */
int checkpoint_parse(struct bytes text, struct checkpoint *out);

/* Parse a whole note and check that it is a checkpoint of this log, signed by its key (verifier
 * type 01). ERR_UNSIGNED, ERR_SIGNATURE, ERR_OTHER_FORUM if the origin is another, ERR_KEY if `log`
 * is of another type, and note_parse()'s and checkpoint_parse()'s. */
int checkpoint_open(struct bytes note, const struct verifier *log, struct checkpoint *out);

/* Append of a note only the text and the first of the log key's signature lines: others could be
 * ballast, or bad ones in somebody's name, which spoil it for whoever looks for that one's.
 * ERR_UNSIGNED, ERR_NOMEM, and note_parse()'s. */
int checkpoint_reduce(struct buffer *out, struct bytes note, const struct verifier *log);

/* Append text, empty line and the log key's signature. Errors as checkpoint_text(); then nothing is
 * appended. */
int checkpoint_sign(struct buffer *out, const struct checkpoint *c, const struct key *log_key);

/* C2SP tlog-proof (`c2sp.org/tlog-proof@v1`): write, and read (no extra line; at most 64 hashes;
 * note points into `in` and is neither parsed nor empty). ERR_NOMEM, ERR_INVALID; ERR_MALFORMED,
 * ERR_NOT_CANONICAL, ERR_RANGE, ERR_TOO_LARGE. */
int tlog_proof_write(struct buffer *out, uint64_t index, const struct tree_hash *hashes,
    size_t count, struct bytes note);
int tlog_proof_parse(struct bytes in, uint64_t *index, struct tree_hash hashes[static 64],
    size_t *count, struct bytes *note);

/* DATA's leaves: u16be length ‖ bytes, over and over (SPEC.md 11.4). Iterate with *pos starting at
 * 0: OK, ERR_NOTFOUND at the end, ERR_MALFORMED. leaves_add() takes at most 65,535 bytes. Both pass
 * empty leaves and those above MESSAGE_MAX on: a log ends at one on every node (9.1), so every node
 * must be able to see it. */
void leaves_add(struct buffer *out, struct bytes leaf);
int leaves_next(struct bytes leaves, size_t *pos, struct bytes *leaf);

#endif
