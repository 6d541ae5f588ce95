/* SPDX-License-Identifier: BSD-2-Clause */
/* The charter: a forum's founding text (SPEC.md section 3). Immutable once parsed; any thread. */
#ifndef MEMBER_CHARTER_H
#define MEMBER_CHARTER_H

#include "crypto/note.h"
#include "msg/message.h"

#define CHARTER_TEXT_MAX 49152
#define ORG_NAME_MAX 100

enum charter_topics { TOPICS_BY_PARTICIPANTS, TOPICS_BY_REGISTRARS, TOPICS_BY_ROOTS };

struct charter {
	uint8_t forum[HASH_LEN]; /* SHA-256 of the text */
	char *name, *purpose;
	uint32_t admit; /* k */
	enum charter_topics topics;
	uint32_t anchor;                        /* n; 0: nothing is anchored */
	char (*anchor_names)[ORG_NAME_MAX + 1]; /* NULL: of all members */
	size_t anchor_name_count;
	uint32_t content_limit;   /* bytes */
	struct verifier *members; /* founders' root keys, as they stand */
	size_t member_count;
	struct buffer note; /* the whole signed note as read */
};

/* Append the text of a charter from its fields (members in any order: they are sorted). ERR_INVALID
 * with the field's name in `*field` when one is out of its range. */
int charter_text(struct buffer *out, const struct charter *c, const char **field);

/* Parse a text alone (a draft): form and ranges, no signatures. `*line` gets the number of the bad
 * line (NULL: not wanted). Free with charter_free(). */
int charter_parse_text(struct charter **out, struct bytes text, unsigned *line);

/* Parse a note and demand every founder's signature. ERR_MALFORMED…, ERR_SIGNATURE, or
 * ERR_NOT_COMPLETE; then, and for ERR_SIGNATURE, `*who` (NULL: not wanted) is the founder in
 * question, static per thread. */
int charter_open(struct charter **out, struct bytes note, unsigned *line, const char **who);

/* Whether this founder has validly signed `note` (to show who is still missing). OK, ERR_UNSIGNED,
 * ERR_SIGNATURE. */
int charter_signed_by(const struct charter *c, struct bytes note, size_t founder);

void charter_free(struct charter *c);

#endif
