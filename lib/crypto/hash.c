/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenSSL 3 looks an algorithm up anew for every EVP_sha256(), which costs more than hashing a tree
 * node does. So it is fetched once, and each thread keeps one context that stays initialised for
 * it. */
#include "crypto/hash.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

struct hash {
	EVP_MD_CTX *ctx;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end; /* frees `local` of a thread that ends */
static EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *local;

/* With the algorithm fetched and the context made, SHA-256 has nothing left that could fail; going
 * on with a wrong hash would be worse than any end. */
static void must(int ok)
{
	if (!ok)
		abort();
}

static void ctx_free(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(sha256 != NULL && pthread_key_create(&thread_end, ctx_free) == 0);
}

static EVP_MD_CTX *ctx_new(void)
{
	pthread_once(&once, fetch);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx != NULL && !EVP_DigestInit_ex2(ctx, sha256, NULL)) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static EVP_MD_CTX *ctx_local(void)
{
	if (local == NULL) {
		local = ctx_new();
		must(local != NULL && pthread_setspecific(thread_end, local) == 0);
	}
	must(EVP_DigestInit_ex2(local, NULL, NULL));
	return local;
}

struct hash *hash_new(void)
{
	struct hash *h = malloc(sizeof *h);
	if (h == NULL)
		return NULL;
	h->ctx = ctx_new();
	if (h->ctx == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

void hash_free(struct hash *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_start(struct hash *h)
{
	must(EVP_DigestInit_ex2(h->ctx, NULL, NULL));
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	must(EVP_DigestUpdate(h->ctx, data, len));
}

void hash_finish(struct hash *h, uint8_t out[static HASH_LEN])
{
	must(EVP_DigestFinal_ex(h->ctx, out, NULL));
}

void hash_of(uint8_t out[static HASH_LEN], const void *data, size_t len)
{
	EVP_MD_CTX *ctx = ctx_local();
	must(EVP_DigestUpdate(ctx, data, len) && EVP_DigestFinal_ex(ctx, out, NULL));
}

void hash_of_parts(uint8_t out[static HASH_LEN], const struct bytes *parts, size_t count)
{
	EVP_MD_CTX *ctx = ctx_local();
	for (size_t i = 0; i < count; i++)
		must(EVP_DigestUpdate(ctx, parts[i].data, parts[i].len));
	must(EVP_DigestFinal_ex(ctx, out, NULL));
}
