/* SPDX-License-Identifier: BSD-2-Clause */
/* C2SP signed notes, read, checked and written (SPEC.md sections 3.1 and 9.2).
 *
 * A struct note points into the bytes that it was parsed from. Any thread. */
#ifndef CRYPTO_NOTE_H
#define CRYPTO_NOTE_H

#include "crypto/verifier.h"

#define NOTE_MAX 65536          /* bytes of a whole note */
#define NOTE_SIGNATURES_MAX 512 /* a charter is signed by every founder */

struct note_signature {
	struct bytes name;
	uint8_t id[4];
	struct bytes blob; /* base64 of the whole signature field, as in the note */
	struct bytes line; /* from the dash to the newline, inclusive */
};

struct note {
	struct bytes text;       /* with its final newline, without the empty line */
	struct bytes signatures; /* all the lines after the empty one */
	size_t count;
};

/* Split and check the form of a note, which has at least one signature. ERR_TOO_LARGE, ERR_TEXT,
 * ERR_MALFORMED. */
int note_parse(struct note *out, struct bytes in);

/* The i-th signature line, 0 <= i < count, else ERR_RANGE. Counts lines from the first. */
int note_signature(const struct note *note, size_t i, struct note_signature *out);

/* Check the signature of one key. OK; ERR_UNSIGNED when the note has none by it; ERR_SIGNATURE when
 * any by (name, id) fails. For a type 04 key `*time` gets the seconds signed, of several the latest
 * (NULL: not wanted). Also ERR_NOMEM for type 04. */
int note_verify(const struct note *note, const struct verifier *key, uint64_t *time);

/* Append "— name base64\n" for `text` signed with `key` under `name` (type 01); text and empty line
 * are the caller's to write, and `text` may lie in `out`. ERR_INVALID (the name; text that doesn't
 * end in a newline), ERR_TEXT, ERR_TOO_LARGE, ERR_NOMEM. */
int note_sign(struct buffer *out, struct bytes text, struct bytes name, const struct key *key);

/* Append a C2SP timestamped cosignature line (type 04) over `text`; as above, at most 2^63 - 1
 * seconds. */
int note_cosign(struct buffer *out, struct bytes text, struct bytes name, const struct key *key,
    uint64_t seconds);

/* Append `a` with the signature lines of `b` that it lacks; both must hold the same text
 * (ERR_INVALID). ERR_TOO_LARGE (nothing is appended), ERR_NOMEM. Checks no signature: verify before
 * you merge, since one bad line of a known key spoils the note for everyone. */
int note_merge(struct buffer *out, const struct note *a, const struct note *b);

#endif
