/* SPDX-License-Identifier: BSD-2-Clause */
/* Ed25519 as SPEC.md section 2.2 has it, and secret randomness; libsodium underneath. Any thread.
 */
#ifndef CRYPTO_ED25519_H
#define CRYPTO_ED25519_H

#include "base/buffer.h"

#define KEY_LEN 32
#define SIG_LEN 64

/* A secret key. Wipe it with key_wipe() when done. */
struct key {
	uint8_t public[KEY_LEN];
	uint8_t secret[64]; /* libsodium's form: seed, public key */
};

/* Call once before all else in this room. OK or ERR_RANDOM. */
int crypto_start(void);

void random_fill(void *out, size_t len);

void key_generate(struct key *key);
void key_from_seed(struct key *key, const uint8_t seed[static 32]);
void key_wipe(struct key *key);

/* Whether these 32 bytes are a usable public key: canonical, on the curve, of prime order. */
bool key_usable(const uint8_t public[static KEY_LEN]);

void key_sign(uint8_t sig[static SIG_LEN], const struct key *key, struct bytes message);
/* OK or ERR_SIGNATURE. About 55 microseconds, and 43 for keys that sign often: never on the loop
 * thread for peers' entries. */
int key_verify(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message);

/* Compare in constant time. */
bool secret_equal(const void *a, const void *b, size_t len);
void secret_wipe(void *p, size_t len);

#endif
