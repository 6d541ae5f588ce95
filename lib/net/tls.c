/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct tls {
	SSL_CTX *server, *client;
};

/* Any certificate will do: its key is compared with the credential's pins after HELLO. The
 * handshake has proved possession. */
static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

/* A certificate that says nothing but the key. Its dates are as wide as X.509 goes: keys end by
 * NODE entries, not by clocks. */
static X509 *certificate_make(EVP_PKEY *key, const char *name)
{
	X509 *cert = X509_new();
	X509_NAME *subject;

	if (!cert)
		return NULL;
	subject = X509_get_subject_name(cert);
	if (X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
	    ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "20200101000000Z") &&
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), "99991231235959Z") &&
	    X509_NAME_add_entry_by_txt(
		subject, "O", MBSTRING_UTF8, (const unsigned char *)"convene node", -1, -1, 0) &&
	    (strlen(name) > 64 || X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
				      (const unsigned char *)name, -1, -1, 0)) &&
	    X509_set_issuer_name(cert, subject) && X509_set_pubkey(cert, key) &&
	    X509_sign(cert, key, NULL))
		return cert;
	X509_free(cert);
	return NULL;
}

static SSL_CTX *context_new(const SSL_METHOD *method, EVP_PKEY *key, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	/* A peer that was killed says no goodbye. Frames tell their length: nothing is taken for
	 * whole that isn't. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	/* Idle connections give their buffers back: 15 kB instead of 40 each. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_verify_depth(ctx, 1);
	if (cert &&
	    (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int tls_new(struct tls **out, const struct key *key, const char *name)
{
	struct tls *tls = calloc(1, sizeof *tls);
	EVP_PKEY *pkey = NULL;
	X509 *cert = NULL;
	int err = ERR_IO;

	*out = NULL;
	if (!tls)
		return ERR_NOMEM;
	if (key) {
		pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, 32);
		cert = pkey ? certificate_make(pkey, name) : NULL;
		if (!cert)
			goto out;
		tls->server = context_new(TLS_server_method(), pkey, cert);
		if (!tls->server)
			goto out;
	}
	tls->client = context_new(TLS_client_method(), pkey, cert);
	if (tls->client) {
		*out = tls;
		tls = NULL;
		err = OK;
	}
out:
	EVP_PKEY_free(pkey);
	X509_free(cert);
	tls_free(tls);
	ERR_clear_error();
	return err;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->server);
	SSL_CTX_free(tls->client);
	free(tls);
}

SSL *tls_session(struct tls *tls, bool server)
{
	SSL_CTX *ctx = server ? tls->server : tls->client;

	return ctx ? SSL_new(ctx) : NULL;
}

int tls_peer_pin(const SSL *ssl, uint8_t pin[static HASH_LEN])
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	unsigned char *der = NULL;
	int len;

	if (!cert)
		return ERR_NOTFOUND;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	X509_free(cert);
	if (len <= 0)
		return ERR_NOTFOUND;
	hash_of(pin, der, (size_t)len);
	OPENSSL_free(der);
	return OK;
}

void tls_pin_of(uint8_t pin[static HASH_LEN], const uint8_t public[static KEY_LEN])
{
	/* RFC 8410: SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING }. */
	uint8_t der[12 + KEY_LEN] = {
	    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

	memcpy(der + 12, public, KEY_LEN);
	hash_of(pin, der, sizeof der);
}
