/* SPDX-License-Identifier: BSD-2-Clause */
#include "msg/binding.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

#define LOG_DOMAIN "convene/v1/log"

int log_name_parse(struct bytes name, struct bytes *organisation, uint8_t digest[static DIGEST_LEN],
    uint64_t *number)
{
	if (name.len > VERIFIER_NAME_MAX)
		return ERR_MALFORMED;
	const char *text = (const char *)name.data;
	const char *slash = name.len > 0 ? memchr(text, '/', name.len) : NULL;
	if (slash == NULL)
		return ERR_MALFORMED;
	struct bytes org = bytes_of(text, (size_t)(slash - text));
	size_t rest = name.len - org.len - 1;
	if (rest < 2 * DIGEST_LEN + 2 || slash[1 + 2 * DIGEST_LEN] != '/' || !org_name_valid(org))
		return ERR_MALFORMED;
	const char *digits = slash + 1 + 2 * DIGEST_LEN + 1;
	if (hex_decode(digest, DIGEST_LEN, slash + 1, 2 * DIGEST_LEN) != OK ||
	    decimal_parse(number, digits, rest - 2 * DIGEST_LEN - 1, UINT64_MAX) != OK ||
	    *number == 0)
		return ERR_MALFORMED;
	*organisation = org;
	return OK;
}

int log_name_make(char *out, const uint8_t forum[static HASH_LEN],
    const uint8_t root[static KEY_LEN], const uint8_t log_key[static KEY_LEN],
    struct bytes organisation, uint64_t number)
{
	if (!org_name_valid(organisation) || number == 0)
		return ERR_INVALID;
	uint8_t be[8], hash[HASH_LEN];
	put_u64(be, number);
	const struct bytes parts[] = {
	    bytes_of(LOG_DOMAIN, sizeof(LOG_DOMAIN)), /* with its NUL */
	    bytes_of(forum, HASH_LEN),
	    bytes_of(root, KEY_LEN),
	    bytes_of(log_key, KEY_LEN),
	    bytes_of(be, sizeof(be)),
	    organisation,
	};
	hash_of_parts(hash, parts, sizeof(parts) / sizeof(parts[0]));
	char hex[2 * DIGEST_LEN + 1];
	hex_encode(hex, hash, DIGEST_LEN);
	snprintf(out, VERIFIER_NAME_MAX + 1, "%.*s/%s/%llu", (int)organisation.len,
	    (const char *)organisation.data, hex, (unsigned long long)number);
	return OK;
}

int binding_make(struct binding *out, const uint8_t forum[static HASH_LEN], struct bytes log_name)
{
	struct bytes organisation;
	uint64_t number;
	memset(out, 0, sizeof(*out));
	if (log_name_parse(log_name, &organisation, out->digest, &number) != OK)
		return ERR_INVALID;
	memcpy(out->forum, forum, HASH_LEN);
	memcpy(out->log_name, log_name.data, log_name.len);
	return OK;
}

size_t binding_put(uint8_t out[static BINDING_MAX], const struct binding *b, const char *domain)
{
	size_t domain_len = strlen(domain), name_len = strlen(b->log_name), at = 0;
	assert(domain_len <= DOMAIN_MAX && name_len > 0);
	memcpy(out, domain, domain_len + 1);
	at += domain_len + 1;
	memcpy(out + at, b->forum, HASH_LEN);
	at += HASH_LEN;
	put_u16(out + at, (uint16_t)name_len);
	at += 2;
	memcpy(out + at, b->log_name, name_len);
	return at + name_len;
}

void binding_add(struct buffer *out, const struct binding *b, const char *domain)
{
	uint8_t bytes[BINDING_MAX];
	buffer_add(out, bytes, binding_put(bytes, b, domain));
}
