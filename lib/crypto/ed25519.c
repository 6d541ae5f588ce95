/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto/ed25519.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "crypto/comb.h"
#include "crypto/equation.h"

/* Written by crypto_start() alone, before there are threads. */
static bool check_equation = true;

int crypto_start(void)
{
	if (sodium_init() < 0)
		return ERR_RANDOM;
	check_equation = equation_needed();
	comb_start();
	return OK;
}

void random_fill(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void key_generate(struct key *key)
{
	crypto_sign_keypair(key->public, key->secret);
}

void key_from_seed(struct key *key, const uint8_t seed[static 32])
{
	crypto_sign_seed_keypair(key->public, key->secret, seed);
}

void key_wipe(struct key *key)
{
	sodium_memzero(key, sizeof *key);
}

bool key_usable(const uint8_t public[static KEY_LEN])
{
	/* One more than the group order: in the prime-order subgroup, and only there, this brings a
	 * point back to itself, and to its canonical encoding. The identity comes as an error. The
	 * library's own crypto_core_ed25519_is_valid_point() let order 2 × prime pass before 1.0.21
	 * (CVE-2025-69277). */
	static const uint8_t order_and_one[32] = {0xee, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
	    0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	uint8_t again[32];
	return crypto_scalarmult_ed25519_noclamp(again, order_and_one, public) == 0 &&
	       memcmp(again, public, sizeof again) == 0;
}

void key_sign(uint8_t sig[static SIG_LEN], const struct key *key, struct bytes message)
{
	crypto_sign_detached(sig, NULL, message.data, message.len, key->secret);
}

int key_verify(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message)
{
	if (comb_verifies(public, sig, message))
		return OK;
	if (crypto_sign_verify_detached(sig, message.data, message.len, public) != 0)
		return ERR_SIGNATURE;
	if (check_equation && !equation_holds(public, sig, message))
		return ERR_SIGNATURE;
	comb_seen(public);
	return OK;
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void secret_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}
