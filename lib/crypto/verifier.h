/* SPDX-License-Identifier: BSD-2-Clause */
/* C2SP verifier keys: `name+hex8+base64(type ‖ public key)` (SPEC.md section 4.2). Any thread. */
#ifndef CRYPTO_VERIFIER_H
#define CRYPTO_VERIFIER_H

#include "crypto/ed25519.h"

#define VERIFIER_NAME_MAX 160 /* bytes; a log name has at most 100 + 1 + 32 + 1 + 20 */
#define VERIFIER_TEXT_MAX (VERIFIER_NAME_MAX + 1 + 8 + 1 + 44)

enum verifier_type {
	VERIFIER_ED25519 = 0x01,     /* signs the text of a note */
	VERIFIER_COSIGNATURE = 0x04, /* signs text and time */
};

struct verifier {
	char name[VERIFIER_NAME_MAX + 1];
	uint8_t type;
	uint8_t public[KEY_LEN];
	uint8_t id[4];
};

/* Whether a note can carry this name: not empty, UTF-8 without Unicode spaces, '+' and bytes below
 * 0x20. Of any length. */
bool verifier_name_valid(struct bytes name);

/* Make one from its parts. ERR_INVALID for a name that a note can't carry (empty, too long, space,
 * '+', not UTF-8, control) and for another type. Does not ask whether the key is usable. */
int verifier_make(
    struct verifier *out, struct bytes name, uint8_t type, const uint8_t public[static KEY_LEN]);

/* Parse the text form; checks that the id belongs to the key. ERR_MALFORMED, ERR_NOT_CANONICAL,
 * ERR_KEY (a type other than 01 and 04, an unusable key, or an id that doesn't match). */
int verifier_parse(struct verifier *out, struct bytes text);

/* Write the text form with a NUL; returns its length. */
size_t verifier_format(char out[static VERIFIER_TEXT_MAX + 1], const struct verifier *v);

bool verifier_equal(const struct verifier *a, const struct verifier *b);

#endif
