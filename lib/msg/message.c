/* SPDX-License-Identifier: BSD-2-Clause */
/* The signed message and its commitment to content (SPEC.md sections 5 and 7).
 *
 * Every node calls message_parse(), message_verify() and message_id() for every
 * entry of the forum, so none of them allocates. All work on the bytes as they
 * came: nothing that was signed is ever encoded again. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "msg/binding.h"
#include "msg/header.h"

#define MESSAGE_DOMAIN "convene/v1/message"
#define ID_DOMAIN "convene/v1/id"
#define CONTENT_DOMAIN "convene/v1/content"

static_assert(sizeof(MESSAGE_DOMAIN) == DOMAIN_MAX + 1, "the longest domain");
/* Tags, lengths and the largest values of 5.1 together: whatever header_encode() makes fits. */
static_assert(
    2 + 34 + 9 + 6 + 2 * (50 + 9) + 8 + 37 + 34 + 2 + 3 + BODY_MAX + SIG_LEN <= MESSAGE_MAX,
    "a header always fits");

int message_parse(struct bytes message, struct header *out)
{
	if (message.len < SIG_LEN)
		return ERR_TRUNCATED;
	if (message.len > MESSAGE_MAX)
		return ERR_TOO_LARGE;
	return header_parse(bytes_of(message.data, message.len - SIG_LEN), out);
}

/* The bytes that are signed, into `out` of this room. */
#define SIGNED_MAX (BINDING_MAX + MESSAGE_MAX)
static struct bytes signed_bytes(
    uint8_t out[static SIGNED_MAX], const struct binding *b, struct bytes header)
{
	size_t at = binding_put(out, b, MESSAGE_DOMAIN);
	memcpy(out + at, header.data, header.len);
	return bytes_of(out, at + header.len);
}

int message_sign(
    struct buffer *out, const struct binding *b, const struct header *h, const struct key *key)
{
	if (memcmp(h->signer, key->public, KEY_LEN) != 0)
		return ERR_INVALID;
	size_t start = out->len;
	int err = header_encode(out, h);
	if (err != OK)
		return err;
	uint8_t room[SIGNED_MAX], sig[SIG_LEN];
	key_sign(sig, key, signed_bytes(room, b, bytes_of(out->data + start, out->len - start)));
	buffer_add(out, sig, sizeof(sig));
	return out->failed ? ERR_NOMEM : OK;
}

int message_verify(
    struct bytes message, const struct binding *b, const uint8_t signer[static KEY_LEN])
{
	if (message.len < SIG_LEN)
		return ERR_TRUNCATED;
	if (message.len > MESSAGE_MAX)
		return ERR_TOO_LARGE;
	uint8_t room[SIGNED_MAX];
	struct bytes header = bytes_of(message.data, message.len - SIG_LEN);
	return key_verify(signer, header.data + header.len, signed_bytes(room, b, header));
}

void message_id(uint8_t out[static ID_LEN], struct bytes message, const struct binding *b)
{
	uint8_t room[BINDING_MAX];
	const struct bytes parts[] = {
	    bytes_of(room, binding_put(room, b, ID_DOMAIN)),
	    bytes_of(message.data, message.len > SIG_LEN ? message.len - SIG_LEN : 0),
	};
	hash_of_parts(out, parts, 2);
}

void commitment_make(uint8_t out[static HASH_LEN], const struct binding *b,
    const uint8_t signer[static KEY_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	uint8_t room[BINDING_MAX], be[8];
	put_u64(be, content.len);
	const struct bytes parts[] = {
	    bytes_of(room, binding_put(room, b, CONTENT_DOMAIN)),
	    bytes_of(signer, KEY_LEN),
	    bytes_of(salt, SALT_LEN),
	    bytes_of(be, sizeof(be)),
	    content,
	};
	hash_of_parts(out, parts, sizeof(parts) / sizeof(parts[0]));
}

uint8_t bucket_of(uint64_t len)
{
	return len <= 1 ? 0 : (uint8_t)(64 - __builtin_clzll(len - 1));
}

int content_check(const struct header *h, const struct binding *b,
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	if (!h->has_commitment || content.len == 0 || bucket_of(content.len) != h->bucket)
		return ERR_COMMITMENT;
	uint8_t made[HASH_LEN];
	commitment_make(made, b, h->signer, salt, content);
	return memcmp(made, h->commitment, HASH_LEN) == 0 ? OK : ERR_COMMITMENT;
}
