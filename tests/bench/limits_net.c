/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits of loopback: a byte there and back, and TLS 1.3 in bulk. */
#include "limits.h"
#include "quantile.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIPS_MAX 100000

static void pair_make(int fds[static 2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || fds[0] < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 ||
	    listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&a, &len) != 0 ||
	    connect(fds[0], (struct sockaddr *)&a, sizeof a) != 0)
		limits_fail("loopback");
	fds[1] = accept(listener, NULL, NULL);
	if (fds[1] < 0)
		limits_fail("accept");
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- there and back ---- */

static void *echo_loop(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
		;
	return NULL;
}

void limit_loopback(void)
{
	static double times[TRIPS_MAX];
	double end = limits_now() + limits_seconds;
	size_t count = 0;
	pthread_t echo;
	char byte = 0;
	int fds[2];

	pair_make(fds);
	if (pthread_create(&echo, NULL, echo_loop, &fds[1]) != 0)
		limits_fail("pthread_create");
	while (count < TRIPS_MAX && limits_now() < end) {
		double began = limits_now();

		if (write(fds[0], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
			limits_fail("loopback");
		times[count++] = (limits_now() - began) * 1e6;
	}
	close(fds[0]);
	pthread_join(echo, NULL);
	close(fds[1]);
	limits_print("loopback", quantile(times, count, 0.50));
}

/* ---- TLS ---- */

static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *cert = X509_new();

	if (!ctx || !key || !cert || X509_set_version(cert, 2) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -3600) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), 86400) || X509_set_pubkey(cert, key) != 1 ||
	    X509_sign(cert, key, NULL) <= 0 || SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1)
		limits_fail("a TLS certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static void *drain_loop(void *arg)
{
	static char room[1 << 18];
	SSL *ssl = arg;

	if (SSL_accept(ssl) == 1)
		while (SSL_read(ssl, room, sizeof room) > 0)
			;
	return NULL;
}

static double tls_rate(SSL_CTX *server, SSL_CTX *client, size_t record)
{
	static char data[16384];
	SSL *out = SSL_new(client), *in = SSL_new(server);
	size_t bytes = 0;
	double began, took;
	pthread_t drain;
	int fds[2];

	pair_make(fds);
	if (!out || !in || SSL_set_fd(out, fds[0]) != 1 || SSL_set_fd(in, fds[1]) != 1 ||
	    pthread_create(&drain, NULL, drain_loop, in) != 0 || SSL_connect(out) != 1)
		limits_fail("TLS over loopback");
	began = limits_now();
	for (; limits_now() < began + limits_seconds; bytes += 16 * record)
		for (int i = 0; i < 16; i++)
			if (SSL_write(out, data, (int)record) != (int)record)
				limits_fail("SSL_write");
	SSL_shutdown(out);
	shutdown(fds[0], SHUT_WR);
	pthread_join(drain, NULL); /* all of it has arrived */
	took = limits_now() - began;
	SSL_free(out);
	SSL_free(in);
	close(fds[0]);
	close(fds[1]);
	return (double)bytes / took / 1e6;
}

void limit_tls(void)
{
	SSL_CTX *server = server_context(), *client = SSL_CTX_new(TLS_client_method());

	signal(SIGPIPE, SIG_IGN);
	if (!client || SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(client, "TLS_AES_128_GCM_SHA256") != 1)
		limits_fail("TLS 1.3");
	limits_print("tls_16k", tls_rate(server, client, 16384));
	limits_print("tls_1k", tls_rate(server, client, 1024));
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}
