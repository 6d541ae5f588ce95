/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a key file, and the seal over its seed; keyfile_io.c puts it on disk.
 *
 *	convene key v1                  convene key v1
 *	role: log                       role: root
 *	public: base64[32]              public: base64[32]
 *	seed: base64[32]                salt: base64[16]
 *	                                passes: 3
 *	                                memory: 268435456
 *	                                nonce: base64[24]
 *	                                sealed: base64[48]
 *
 * All lines above the last are the seal's additional data, so that nobody can give a key another
 *role or make it cheaper to guess. Base64 is libsodium's, in constant time. */
#include "crypto/keyfile_seal.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

enum {
	PASSES_MAX = 64,
	MEMORY_MIN = 8192,
	MEMORY_MAX = 1 << 30, /* a file from elsewhere must not exhaust the machine */
	FIELD_TEXT_MAX = BASE64_LEN(sizeof((struct keyfile *)NULL)->box),
};

bool keyfile_role_valid(struct bytes role)
{
	for (size_t i = 0; i < role.len; i++)
		if (role.data[i] < 'a' || role.data[i] > 'z')
			return false;
	return role.len > 0 && role.len <= KEYFILE_ROLE_MAX;
}

/* Take a line that begins with `label` off `in`; `value` is its rest. */
static bool line_take(struct bytes *in, const char *label, struct bytes *value)
{
	size_t label_len = strlen(label);
	const uint8_t *end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
	if (end == NULL)
		return false;
	size_t len = (size_t)(end - in->data);
	if (len < label_len || memcmp(in->data, label, label_len) != 0)
		return false;
	*value = bytes_of(in->data + label_len, len - label_len);
	*in = bytes_of(end + 1, in->len - len - 1);
	return true;
}

static bool bytes_take(struct bytes *in, const char *label, uint8_t *out, size_t len)
{
	struct bytes value;
	size_t got;
	return line_take(in, label, &value) && value.len == BASE64_LEN(len) &&
	       sodium_base642bin(out, len, (const char *)value.data, value.len, NULL, &got, NULL,
		   sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       got == len;
}

static bool number_take(
    struct bytes *in, const char *label, uint64_t *out, uint64_t min, uint64_t max)
{
	struct bytes value;
	return line_take(in, label, &value) &&
	       decimal_parse(out, (const char *)value.data, value.len, max) == OK && *out >= min;
}

static bool parse(struct keyfile *out, struct bytes in)
{
	struct bytes value;
	if (!line_take(&in, "convene key v1", &value) || value.len != 0)
		return false;
	if (!line_take(&in, "role: ", &value) || !keyfile_role_valid(value))
		return false;
	memcpy(out->role, value.data, value.len);
	if (!bytes_take(&in, "public: ", out->public, sizeof out->public))
		return false;
	struct bytes ahead = in;
	if (line_take(&ahead, "seed: ", &value))
		return bytes_take(&in, "seed: ", out->seed, sizeof out->seed) && in.len == 0;
	out->sealed = true;
	return bytes_take(&in, "salt: ", out->salt, sizeof out->salt) &&
	       number_take(&in, "passes: ", &out->passes, 1, PASSES_MAX) &&
	       number_take(&in, "memory: ", &out->memory, MEMORY_MIN, MEMORY_MAX) &&
	       bytes_take(&in, "nonce: ", out->nonce, sizeof out->nonce) &&
	       bytes_take(&in, "sealed: ", out->box, sizeof out->box) && in.len == 0;
}

/* libsodium 1.0.18 reads any byte above 0x7f as the digit 63. */
static bool is_ascii(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] >= 0x80)
			return false;
	return true;
}

int keyfile_parse(struct keyfile *out, struct bytes in)
{
	memset(out, 0, sizeof *out);
	if (in.len <= KEYFILE_MAX && is_ascii(in) && parse(out, in))
		return OK;
	sodium_memzero(out, sizeof *out);
	return ERR_MALFORMED;
}

static void bytes_put(struct buffer *out, const char *label, const uint8_t *data, size_t len)
{
	char text[FIELD_TEXT_MAX + 1];
	sodium_bin2base64(text, sizeof text, data, len, sodium_base64_VARIANT_ORIGINAL);
	buffer_add_str(out, label);
	buffer_add_str(out, text);
	buffer_add_u8(out, '\n');
	sodium_memzero(text, sizeof text);
}

/* All but the last line. */
static void head_put(struct buffer *out, const struct keyfile *file)
{
	buffer_printf(out, "convene key v1\nrole: %s\n", file->role);
	bytes_put(out, "public: ", file->public, sizeof file->public);
	if (!file->sealed)
		return;
	bytes_put(out, "salt: ", file->salt, sizeof file->salt);
	buffer_printf(
	    out, "passes: %" PRIu64 "\nmemory: %" PRIu64 "\n", file->passes, file->memory);
	bytes_put(out, "nonce: ", file->nonce, sizeof file->nonce);
}

void keyfile_format(struct buffer *out, const struct keyfile *file)
{
	head_put(out, file);
	if (file->sealed)
		bytes_put(out, "sealed: ", file->box, sizeof file->box);
	else
		bytes_put(out, "seed: ", file->seed, sizeof file->seed);
}

static int derive(uint8_t out[static 32], const struct keyfile *file, const char *passphrase)
{
	if (crypto_pwhash(out, 32, passphrase, strlen(passphrase), file->salt, file->passes,
		(size_t)file->memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return ERR_NOMEM;
	return OK;
}

int keyfile_seal(struct keyfile *file, const struct key *key, const char *passphrase)
{
	memcpy(file->public, key->public, KEY_LEN);
	if (passphrase == NULL) {
		file->sealed = false;
		crypto_sign_ed25519_sk_to_seed(file->seed, key->secret);
		return OK;
	}
	if (passphrase[0] == '\0')
		return ERR_PASSPHRASE;

	file->sealed = true;
	file->passes = crypto_pwhash_OPSLIMIT_MODERATE;
	file->memory = crypto_pwhash_MEMLIMIT_MODERATE;
	random_fill(file->salt, sizeof file->salt);
	random_fill(file->nonce, sizeof file->nonce);

	uint8_t seed[32], secret[32];
	struct buffer head = BUFFER_INIT;
	head_put(&head, file);
	int err = head.failed ? ERR_NOMEM : derive(secret, file, passphrase);
	if (err == OK) {
		crypto_sign_ed25519_sk_to_seed(seed, key->secret);
		crypto_aead_xchacha20poly1305_ietf_encrypt(file->box, NULL, seed, sizeof seed,
		    head.data, head.len, NULL, file->nonce, secret);
	}
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(secret, sizeof secret);
	buffer_free(&head);
	return err;
}

/* The seed of a sealed file. */
static int unseal(uint8_t seed[static 32], const struct keyfile *file, const char *passphrase)
{
	if (passphrase == NULL)
		return ERR_PASSPHRASE;
	uint8_t secret[32];
	struct buffer head = BUFFER_INIT;
	head_put(&head, file);
	int err = head.failed ? ERR_NOMEM : derive(secret, file, passphrase);
	if (err == OK && crypto_aead_xchacha20poly1305_ietf_decrypt(seed, NULL, NULL, file->box,
			     sizeof file->box, head.data, head.len, file->nonce, secret) != 0)
		err = ERR_PASSPHRASE;
	sodium_memzero(secret, sizeof secret);
	buffer_free(&head);
	return err;
}

int keyfile_open(struct key *key, const struct keyfile *file, const char *passphrase)
{
	uint8_t seed[32];
	int err = OK;
	if (file->sealed)
		err = unseal(seed, file, passphrase);
	else
		memcpy(seed, file->seed, sizeof seed);
	if (err == OK) {
		struct key made;
		key_from_seed(&made, seed);
		/* A seed with a wrong digit is as good a seed as any; the public key tells. */
		if (memcmp(made.public, file->public, KEY_LEN) == 0)
			*key = made;
		else
			err = ERR_MALFORMED;
		key_wipe(&made);
	}
	sodium_memzero(seed, sizeof seed);
	return err;
}
