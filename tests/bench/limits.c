/* SPDX-License-Identifier: BSD-2-Clause */
/* What this machine can do at best, by the libraries that the daemons use and without the daemons:
 * one JSON object.
 *
 *     limits [--small] [NAME...]
 *
 * NAME is verify, sign, sync, tls, sqlite, sha256 or loopback; without one it is all of them. Files
 * are made under TMPDIR, or /tmp. Units: verify_one, verify_all, sign per second; verify_cpu µs;
 * sync_* ms; tls_*, sha256_* 10^6 bytes per second; sqlite rows per second; loopback µs. */
#include "limits.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE 350 /* bytes, as a reply has them */
#define THREADS_MAX 256

double limits_seconds = 1.5;
bool limits_first = true;

double limits_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void limits_print(const char *name, double value)
{
	printf("%s\n \"%s\": %.6g", limits_first ? "{" : ",", name, value);
	limits_first = false;
}

void limits_fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- Ed25519 ---- */

struct signed_message {
	unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES],
	    signature[crypto_sign_BYTES], text[MESSAGE];
};

static void message_make(struct signed_message *m)
{
	crypto_sign_keypair(m->public, m->secret);
	randombytes_buf(m->text, sizeof m->text);
	crypto_sign_detached(m->signature, NULL, m->text, sizeof m->text, m->secret);
}

static void *verify_loop(void *arg)
{
	struct signed_message m;
	double end = limits_now() + limits_seconds;
	size_t *count = arg;

	message_make(&m);
	while (limits_now() < end) {
		for (int i = 0; i < 64; i++)
			if (crypto_sign_verify_detached(
				m.signature, m.text, sizeof m.text, m.public) != 0)
				abort();
		*count += 64;
	}
	return NULL;
}

static double verify_rate(size_t threads)
{
	pthread_t ids[THREADS_MAX];
	size_t counts[THREADS_MAX] = {0}, sum = 0;
	double began = limits_now();

	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, verify_loop, &counts[i]) != 0)
			limits_fail("pthread_create");
	for (size_t i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		sum += counts[i];
	}
	return (double)sum / (limits_now() - began);
}

/* Processor time of one, in µs: what a busy machine leaves as it is. */
static double verify_cpu(void)
{
	struct signed_message m;
	struct timespec began, ended;
	const int count = 2000;

	message_make(&m);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
	for (int i = 0; i < count; i++)
		if (crypto_sign_verify_detached(m.signature, m.text, sizeof m.text, m.public) != 0)
			abort();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	return ((double)(ended.tv_sec - began.tv_sec) * 1e6 +
		   (double)(ended.tv_nsec - began.tv_nsec) / 1e3) /
	       count;
}

static void limit_verify(void)
{
	cpu_set_t set;
	size_t cores;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		limits_fail("sched_getaffinity");
	cores = (size_t)CPU_COUNT(&set);
	limits_print("verify_one", verify_rate(1));
	limits_print("verify_cpu", verify_cpu());
	limits_print("verify_all", verify_rate(cores < THREADS_MAX ? cores : THREADS_MAX));
}

static void limit_sign(void)
{
	struct signed_message m;
	double began = limits_now();
	size_t count = 0;

	message_make(&m);
	for (; limits_now() < began + limits_seconds; count += 64)
		for (int i = 0; i < 64; i++)
			crypto_sign_detached(m.signature, NULL, m.text, sizeof m.text, m.secret);
	limits_print("sign", (double)count / (limits_now() - began));
}

/* ---- SHA-256 ---- */

static double hash_rate(size_t len)
{
	static unsigned char data[16384], out[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_MD *sha = EVP_MD_fetch(NULL, "SHA256", NULL);
	double began = limits_now();
	size_t bytes = 0;

	if (!ctx || !sha)
		limits_fail("SHA-256");
	for (; limits_now() < began + limits_seconds; bytes += 64 * len)
		for (int i = 0; i < 64; i++)
			if (EVP_DigestInit_ex2(ctx, sha, NULL) != 1 ||
			    EVP_DigestUpdate(ctx, data, len) != 1 ||
			    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
				limits_fail("SHA-256");
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(sha);
	return (double)bytes / (limits_now() - began) / 1e6;
}

static void limit_sha256(void)
{
	limits_print("sha256_1k", hash_rate(1024));
	limits_print("sha256_16k", hash_rate(16384));
}

static const struct {
	const char *name;
	void (*measure)(void);
} limits[] = {
    {"verify", limit_verify},
    {"sign", limit_sign},
    {"sync", limit_sync},
    {"tls", limit_tls},
    {"sqlite", limit_sqlite},
    {"sha256", limit_sha256},
    {"loopback", limit_loopback},
};

int main(int argc, char **argv)
{
	size_t count = sizeof limits / sizeof *limits;
	int first = 1;

	if (sodium_init() < 0)
		limits_fail("libsodium");
	if (argc > first && strcmp(argv[first], "--small") == 0) {
		limits_seconds = 0.1;
		first++;
	}
	for (int i = first; i < argc; i++) {
		size_t k = 0;

		while (k < count && strcmp(argv[i], limits[k].name) != 0)
			k++;
		if (k == count) {
			fprintf(stderr, "limits: there is no %s\n", argv[i]);
			return 2;
		}
		limits[k].measure();
	}
	for (size_t k = 0; argc == first && k < count; k++)
		limits[k].measure();
	printf("\n}\n");
	return 0;
}
