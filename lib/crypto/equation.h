/* SPDX-License-Identifier: BSD-2-Clause */
/* The verification equation of SPEC.md section 2.2, exactly. Private to this room and its tests.
 *
 * All nodes must agree which signatures verify, but libsodium won't: its releases up to 1.0.22
 * compare R byte for byte, its development branch multiplies by the cofactor first. crypto_start()
 * finds out which it has. */
#ifndef CRYPTO_EQUATION_H
#define CRYPTO_EQUATION_H

#include "crypto/ed25519.h"

/* k = SHA-512(R ‖ A ‖ message) modulo the group order. */
void equation_challenge(uint8_t k[static 32], const uint8_t r[static 32],
    const uint8_t a[static 32], struct bytes message);

/* Whether libsodium accepts a signature that satisfies only the equation with the cofactor. */
bool equation_needed(void);

/* Whether the encoding of [S]B − [k]A equals R byte for byte. Takes for granted that libsodium has
 * accepted the signature, which settles S, the order of R and A, and A's encoding. 150 microseconds
 * for a usable key, several milliseconds for others, whose signatures nobody asks for. */
bool equation_holds(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message);

#endif
