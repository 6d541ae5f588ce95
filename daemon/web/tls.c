/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

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

/* A pair of files that the config names, and what is wrong with them. */
struct pair {
	const char *section, *certificate, *key;
	char *why;
	bool locked; /* the key has a passphrase */
};

/* "web.key: /etc/…/privkey.pem …" */
static int wrong(const struct pair *p, const char *option, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int wrong(const struct pair *p, const char *option, const char *fmt, ...)
{
	const char *path = strcmp(option, "key") == 0 ? p->key : p->certificate;
	int n = snprintf(p->why, TLS_WHY_LEN, "%s.%s: %.200s", p->section, option, path);
	va_list ap;

	va_start(ap, fmt);
	if (n > 0 && n < TLS_WHY_LEN)
		vsnprintf(p->why + n, (size_t)(TLS_WHY_LEN - n), fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return ERR_IO;
}

/* By opening it: access(2) knows nothing of a sandbox. */
static bool readable(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int unreadable(const struct pair *p, const char *option, const char *path)
{
	struct passwd *pw;

	if (errno != EACCES)
		return wrong(p, option, ": %s", strerror(errno));
	if (access(path, R_OK) == 0)
		return wrong(p, option,
		    " is in a folder that was shut to this process when it started: start convened "
		    "again");
	pw = getpwuid(geteuid());
	return wrong(p, option,
	    " can't be read by the user %s: let a group of theirs read it and enter its folders "
	    "(chgrp; chmod 640 and 750), or name another %s.user",
	    pw ? pw->pw_name : "of this process", p->section);
}

/* Does the file hold such a block? */
static bool holds(const char *path, const char *label)
{
	char text[65536];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;

	if (f)
		fclose(f);
	return memmem(text, n, label, strlen(label)) != NULL;
}

static int certificate_wrong(const struct pair *p)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (!readable(p->certificate))
		return unreadable(p, "certificate", p->certificate);
	if (holds(p->certificate, "-----BEGIN CERTIFICATE") ||
	    holds(p->certificate, "-----BEGIN TRUSTED CERTIFICATE"))
		return wrong(p, "certificate", ": %s", reason ? reason : "of no use");
	return wrong(p, "certificate", " is no PEM certificate%s",
	    holds(p->certificate, "PRIVATE KEY-----") ? " (are certificate and key swapped?)" : "");
}

static int key_wrong(const struct pair *p)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (!readable(p->key))
		return unreadable(p, "key", p->key);
	if (p->locked)
		return wrong(p, "key",
		    " has a passphrase, which is not possible here; write it without: openssl "
		    "pkey -in %.100s -out …",
		    p->key);
	if (!holds(p->key, "PRIVATE KEY-----"))
		return wrong(p, "key", " is no PEM key%s",
		    holds(p->key, "-----BEGIN CERTIFICATE") ? " (are certificate and key swapped?)"
							    : "");
	switch (ERR_GET_REASON(ERR_peek_last_error())) {
	case X509_R_KEY_VALUES_MISMATCH:
	case X509_R_KEY_TYPE_MISMATCH:
	case SSL_R_NO_CERTIFICATE_ASSIGNED:
		return wrong(p, "key", " is not the key of %s.certificate, %.200s", p->section,
		    p->certificate);
	default:
		return wrong(p, "key", ": %s", reason ? reason : "of no use");
	}
}

/* There is nobody to ask. */
static int passphrase_refuse(char *buf, int size, int writing, void *pair)
{
	(void)buf;
	(void)size;
	(void)writing;
	((struct pair *)pair)->locked = true;
	return -1;
}

static int pair_use(SSL_CTX *ctx, struct pair *p)
{
	int err = OK;

	SSL_CTX_set_default_passwd_cb(ctx, passphrase_refuse);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, p);
	if (SSL_CTX_use_certificate_chain_file(ctx, p->certificate) != 1)
		err = certificate_wrong(p);
	else if (SSL_CTX_use_PrivateKey_file(ctx, p->key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		err = key_wrong(p);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return err;
}

static int context_new(SSL_CTX **out, const char *section, const char *certificate, const char *key,
    char why[static TLS_WHY_LEN])
{
	struct pair pair = {.section = section, .certificate = certificate, .key = key, .why = why};
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int err;

	*out = NULL;
	if (!ctx) {
		snprintf(why, TLS_WHY_LEN, "%s: no memory", section);
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
	err = pair_use(ctx, &pair);
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	*out = ctx;
	return OK;
}

int web_tls_new(struct web_tls **out, const char *section, const char *certificate, const char *key,
    char why[static TLS_WHY_LEN])
{
	struct web_tls *tls = calloc(1, sizeof *tls);
	int err = ERR_NOMEM;

	snprintf(why, TLS_WHY_LEN, "%s: no memory", section);
	if (tls)
		err = context_new(&tls->ctx, section, certificate, key, why);
	*out = err ? NULL : tls;
	if (err)
		free(tls);
	return err;
}

int web_tls_reload(struct web_tls *tls, const char *section, const char *certificate,
    const char *key, char why[static TLS_WHY_LEN])
{
	SSL_CTX *fresh;
	int err = context_new(&fresh, section, certificate, key, why);

	if (err)
		return err;
	SSL_CTX_free(tls->ctx); /* sessions hold theirs */
	tls->ctx = fresh;
	return OK;
}

int web_tls_check(
    const char *section, const char *certificate, const char *key, char why[static TLS_WHY_LEN])
{
	SSL_CTX *ctx;
	int err = context_new(&ctx, section, certificate, key, why);

	SSL_CTX_free(ctx);
	return err;
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
