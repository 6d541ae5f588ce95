/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define WHY_LEN 300

struct web_tls {
	SSL_CTX *ctx;
};

static int alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *found;

	(void)ssl;
	(void)arg;
	/* Whoever offers something else alone is told by HTTP itself. */
	if (SSL_select_next_proto(&found, out_len, ours, sizeof ours - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

/* What OpenSSL said last, in words. */
static int because(char *why, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (access(path, R_OK) != 0)
		snprintf(why, WHY_LEN, "%s: %s", path, strerror(errno));
	else
		snprintf(why, WHY_LEN, "%s: %s", path, reason ? reason : "of no use");
	ERR_clear_error();
	return ERR_IO;
}

static int context_new(SSL_CTX **out, const char *certificate, const char *key, char *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int err = OK;

	*out = NULL;
	if (!ctx) {
		snprintf(why, WHY_LEN, "no memory");
		return ERR_NOMEM;
	}
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_early_data(ctx, 0);
	/* A ticket would let who sees the line tie visits of one reader together. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_alpn_select_cb(ctx, alpn, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		err = because(why, certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		err = because(why, key);
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	*out = ctx;
	return OK;
}

int web_tls_new(struct web_tls **out, const char *certificate, const char *key, char *why)
{
	struct web_tls *tls = calloc(1, sizeof *tls);
	int err = tls ? context_new(&tls->ctx, certificate, key, why) : ERR_NOMEM;

	*out = err ? NULL : tls;
	if (err)
		free(tls);
	return err;
}

int web_tls_reload(struct web_tls *tls, const char *certificate, const char *key, char *why)
{
	SSL_CTX *fresh;
	int err = context_new(&fresh, certificate, key, why);

	if (err)
		return err;
	SSL_CTX_free(tls->ctx); /* sessions hold theirs */
	tls->ctx = fresh;
	return OK;
}

void web_tls_free(struct web_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

SSL *web_tls_session(struct web_tls *tls)
{
	return SSL_new(tls->ctx);
}
