/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256, from OpenSSL (which uses the processor's instructions). Any thread; a struct hash has
 * one owner. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/buffer.h"

#define HASH_LEN 32

struct hash; /* a computation under way */

struct hash *hash_new(void); /* NULL: no memory */
void hash_free(struct hash *h);
void hash_start(struct hash *h);
void hash_add(struct hash *h, const void *data, size_t len);
void hash_finish(struct hash *h, uint8_t out[static HASH_LEN]);

/* One shot over up to a few runs of bytes; uses a per-thread state and can't fail. */
void hash_of(uint8_t out[static HASH_LEN], const void *data, size_t len);
void hash_of_parts(uint8_t out[static HASH_LEN], const struct bytes *parts, size_t count);

#endif
