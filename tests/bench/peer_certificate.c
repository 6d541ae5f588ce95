/* SPDX-License-Identifier: BSD-2-Clause */
/* peer_certificate CERT KEY: a new key and its self-signed certificate, of the kind that our nodes
 * have, as files for a server that is compared with them. */
#include <openssl/pem.h>
#include <stdio.h>

#include "base/error.h"
#include "net/tls.h"

int main(int argc, char **argv)
{
	struct key key;
	struct tls *tls;
	SSL *ssl = NULL;
	FILE *cert, *secret;

	if (argc != 3 || crypto_start() != OK) {
		fputs("usage: peer_certificate CERT KEY\n", stderr);
		return 1;
	}
	key_generate(&key);
	if (tls_new(&tls, &key, "localhost") == OK)
		ssl = tls_session(tls, true);
	cert = fopen(argv[1], "w");
	secret = fopen(argv[2], "w");
	if (!ssl || !cert || !secret || !PEM_write_X509(cert, SSL_get_certificate(ssl)) ||
	    !PEM_write_PrivateKey(secret, SSL_get_privatekey(ssl), NULL, NULL, 0, NULL, NULL) ||
	    fclose(cert) != 0 || fclose(secret) != 0) {
		fputs("peer_certificate: cannot write the files\n", stderr);
		return 1;
	}
	SSL_free(ssl);
	tls_free(tls);
	key_wipe(&key);
	return 0;
}
