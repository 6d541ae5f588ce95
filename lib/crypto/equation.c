/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto/equation.h"

#include <sodium.h>
#include <string.h>

static const uint8_t base[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66};
static const uint8_t identity[32] = {1};
/* The point (0, -1) of order 2. */
static const uint8_t order_two[32] = {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};

void equation_challenge(uint8_t k[static 32], const uint8_t r[static 32],
    const uint8_t a[static 32], struct bytes message)
{
	crypto_hash_sha512_state state;
	uint8_t wide[64];
	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, r, 32);
	crypto_hash_sha512_update(&state, a, 32);
	crypto_hash_sha512_update(&state, message.data, message.len);
	crypto_hash_sha512_final(&state, wide);
	crypto_core_ed25519_scalar_reduce(k, wide);
}

/* [n]P for any point of the curve, by doubling and adding: nothing here is secret. */
static bool multiply_slowly(
    uint8_t out[static 32], const uint8_t n[static 32], const uint8_t p[static 32])
{
	uint8_t sum[32];
	memcpy(sum, identity, 32);
	for (int bit = 255; bit >= 0; bit--) {
		if (crypto_core_ed25519_add(sum, sum, sum) != 0)
			return false;
		if ((n[bit / 8] >> bit % 8 & 1) != 0 && crypto_core_ed25519_add(sum, sum, p) != 0)
			return false;
	}
	memcpy(out, sum, 32);
	return true;
}

bool equation_holds(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message)
{
	uint8_t k[32], ka[32], sb[32], r[32];
	equation_challenge(k, sig, public, message);
	/* libsodium's multiplication refuses points outside the prime-order subgroup and results at
	 * infinity, both of which the equation knows nothing about. */
	if (crypto_scalarmult_ed25519_noclamp(ka, k, public) != 0 &&
	    !multiply_slowly(ka, k, public))
		return false;
	if (crypto_scalarmult_ed25519_base_noclamp(sb, sig + 32) != 0 &&
	    !multiply_slowly(sb, sig + 32, base))
		return false;
	return crypto_core_ed25519_sub(r, sb, ka) == 0 && memcmp(r, sig, 32) == 0;
}

bool equation_needed(void)
{
	/* Secret scalar 1, nonce 1: A = B and R = B, but R gets a component of order 2. */
	uint8_t sig[SIG_LEN], k[32];
	static const uint8_t one[32] = {1};
	if (crypto_core_ed25519_add(sig, base, order_two) != 0)
		return true;
	equation_challenge(k, sig, base, bytes_of(NULL, 0));
	crypto_core_ed25519_scalar_add(sig + 32, k, one);
	return crypto_sign_verify_detached(sig, NULL, 0, base) == 0;
}
