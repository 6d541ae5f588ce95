/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures are real, but each is verified once in a process, however many nodes look at it:
 * Ed25519 would be nearly all that a run with a thousand nodes does. Linked with
 * --wrap=key_verify. */
#include "tests/sim/sim.h"

#include <string.h>

#define SLOTS 65536

int __real_key_verify(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message);
int __wrap_key_verify(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message);

int __wrap_key_verify(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message)
{
	static struct known {
		uint8_t hash[HASH_LEN];
		bool used;
		int result;
	} known[SLOTS];
	struct bytes parts[] = {bytes_of(public, KEY_LEN), bytes_of(sig, SIG_LEN), message};
	uint8_t hash[HASH_LEN];
	struct known *k;

	hash_of_parts(hash, parts, 3);
	k = &known[get_u16(hash)];
	if (!k->used || memcmp(k->hash, hash, HASH_LEN) != 0) {
		memcpy(k->hash, hash, HASH_LEN);
		k->used = true;
		k->result = __real_key_verify(public, sig, message);
	}
	return k->result;
}
