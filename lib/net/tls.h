/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS 1.3 between nodes and for clients (SPEC.md section 10.1): self-signed Ed25519 certificates of
 * which only the key counts. Nothing is decided here about who may connect: that is HELLO's, with
 * the pin of the key in use. Loop thread. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/ssl.h>

#include "crypto/ed25519.h"
#include "crypto/hash.h"

struct tls;

/* `key` NULL: a client without certificate. ERR_NOMEM, ERR_IO (OpenSSL refused). */
int tls_new(struct tls **out, const struct key *key, const char *name);
void tls_free(struct tls *tls);

/* A session; `server` says which side. NULL on failure. */
SSL *tls_session(struct tls *tls, bool server);

/* SHA-256 of the SubjectPublicKeyInfo that the other side proved to hold. ERR_NOTFOUND: it
 * presented none. */
int tls_peer_pin(const SSL *ssl, uint8_t pin[static HASH_LEN]);
/* The pin of an Ed25519 public key. */
void tls_pin_of(uint8_t pin[static HASH_LEN], const uint8_t public[static KEY_LEN]);

#endif
