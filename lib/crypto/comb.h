/* SPDX-License-Identifier: BSD-2-Clause */
/* Quicker verification for keys that sign often, by tables that libdecaf makes of them. Private to
 * this room and its tests. Any thread, after comb_start().
 *
 * It can only say yes. Whatever it does not verify is libsodium's to decide, so the rule of SPEC.md
 * 2.2 stands in one place; and what it does verify satisfies that rule: of the key it is known that
 * it is usable, so that all points are in the prime-order subgroup, where libdecaf, which
 * calculates up to points of low order, gives the very encoding of [S]B − [k]A; and that is
 * compared with R byte for byte. */
#ifndef CRYPTO_COMB_H
#define CRYPTO_COMB_H

#include "crypto/ed25519.h"

/* Call once, before there are threads; again does nothing. Tries what it can do: where libdecaf is
 * missing, or not right on this machine, nothing is ever verified here. */
void comb_start(void);

/* Whether the signature is known to verify. False: no table of this key, or it does not. */
bool comb_verifies(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message);

/* libsodium has verified a signature of this key. After the eighth it gets a table, for 0.15 ms and
 * 9 KiB; keys that are used less give way, and there are no more than COMB_KEYS. */
#define COMB_OFTEN 8
#define COMB_KEYS 1024
void comb_seen(const uint8_t public[static KEY_LEN]);

/* For tests: whether this program has it. */
bool comb_works(void);

#endif
