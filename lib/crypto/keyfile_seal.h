/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a key and the text of its file. Private to this room. */
#ifndef CRYPTO_KEYFILE_SEAL_H
#define CRYPTO_KEYFILE_SEAL_H

#include "crypto/keyfile.h"

bool keyfile_role_valid(struct bytes role);

/* Fill in all but the role. ERR_PASSPHRASE if empty, ERR_NOMEM. */
int keyfile_seal(struct keyfile *file, const struct key *key, const char *passphrase);
/* ERR_PASSPHRASE, ERR_MALFORMED (the keys don't belong together), ERR_NOMEM. */
int keyfile_open(struct key *key, const struct keyfile *file, const char *passphrase);

#endif
