/* SPDX-License-Identifier: BSD-2-Clause */
/* A secret key in a file of mode 0600, in the clear or under a passphrase.
 *
 * Text of a few lines: what it is, the public key, then the seed in base64,
 * or salt, cost and the seed sealed with a key derived by Argon2id
 * (crypto_pwhash, moderate) and XChaCha20-Poly1305. */
#ifndef CRYPTO_KEYFILE_H
#define CRYPTO_KEYFILE_H

#include "crypto/ed25519.h"

#define KEYFILE_MAX 512     /* bytes of a whole file */
#define KEYFILE_ROLE_MAX 16 /* lower-case letters */

/* Write `key` to a new file (through a temporary one, fsynced, renamed; never over an existing
 * file). `role` is one word for people: "root", "log", "device". `passphrase` NULL: in the clear.
 * ERR_EXISTS, ERR_IO (errno tells); ERR_INVALID for a role that isn't such a word, ERR_PASSPHRASE
 * for an empty passphrase, ERR_NOMEM (Argon2id takes 256 MiB and half a second or more). */
int keyfile_save(const char *path, const char *role, const struct key *key, const char *passphrase);

/* Read a key. ERR_NOTFOUND, ERR_IO; ERR_REFUSED when others may read the file (mode & 077) or it
 * isn't a file; ERR_MALFORMED; ERR_PASSPHRASE when one is needed (passphrase NULL) or wrong, or
 * what the passphrase protects was changed; ERR_NOMEM. A passphrase that isn't needed is ignored.
 * `role` may be NULL, else the file must say the same: ERR_KEY. `*key` is set on OK only. */
int keyfile_load(const char *path, const char *role, struct key *key, const char *passphrase);

/* What a key file says, not opened yet. Wipe it with secret_wipe(): it may hold the seed. */
struct keyfile {
	char role[KEYFILE_ROLE_MAX + 1];
	uint8_t public[KEY_LEN];
	bool sealed;
	uint8_t seed[32]; /* unless sealed; the rest if sealed */
	uint8_t salt[16];
	uint64_t passes;
	uint64_t memory; /* bytes */
	uint8_t nonce[24];
	uint8_t box[48]; /* the seed, and the tag over it and everything above */
};

/* Parse the text of a file, every byte of which counts. Checks no key. ERR_MALFORMED. */
int keyfile_parse(struct keyfile *out, struct bytes in);
/* Append the text of a file: the inverse. `out` needs room for KEYFILE_MAX bytes if it is to be
 * wiped. */
void keyfile_format(struct buffer *out, const struct keyfile *file);

#endif
