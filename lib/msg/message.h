/* SPDX-License-Identifier: BSD-2-Clause */
/* The signed message: build, parse, bind, verify (SPEC.md sections 2.4, 5 and 7).
 *
 * A parsed struct header points into the bytes that it was parsed from.
 * Nothing here looks at who may sign: that is lib/member. Any thread. */
#ifndef MSG_MESSAGE_H
#define MSG_MESSAGE_H

#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/verifier.h"

#define MESSAGE_MAX 2048
#define BODY_MAX 1536
#define ID_LEN 32
#define DIGEST_LEN 16 /* of a log's name (4.1) */
#define IDENTITY_LEN 16
#define SALT_LEN 32
#define SEQUENCE_MAX ((UINT64_C(1) << 53) - 1)
#define TIME_MAX UINT64_C(253402300799999)
#define BUCKET_MAX 24
#define LANG_MAX 35

enum kind {
	KIND_NODE = 1,
	KIND_ADMIT,
	KIND_ENROL,
	KIND_REVOKE,
	KIND_TOPIC,
	KIND_POST,
	KIND_AMEND,
	KIND_ERASE,
	KIND_LAST_KNOWN = KIND_ERASE,
};

/* "post", "topic", …; "kind 4711" is the caller's to print: NULL for an unknown one. */
const char *kind_name(uint32_t kind);

/* Where something stands: a message in a log. */
struct ref {
	bool present;
	uint8_t log[DIGEST_LEN];
	uint8_t id[ID_LEN];
	uint64_t index; /* hint; 0: none */
};

struct header {
	uint32_t version;
	uint8_t signer[KEY_LEN];
	uint64_t sequence;
	uint32_t kind;
	struct ref topic, parent;
	uint64_t time; /* milliseconds since 1970 */
	struct bytes lang;
	bool has_commitment;
	uint8_t commitment[HASH_LEN];
	uint8_t bucket;
	struct bytes body;
};

/* What every signature and hash begins with; made once per log. */
struct binding {
	uint8_t forum[HASH_LEN];
	char log_name[VERIFIER_NAME_MAX + 1];
	uint8_t digest[DIGEST_LEN]; /* taken from the name */
};

/* ERR_INVALID if the name is not a log name (4.1). */
int binding_make(struct binding *out, const uint8_t forum[static HASH_LEN], struct bytes log_name);

/* Parts of a log name; `organisation` points into `name`. ERR_MALFORMED. */
int log_name_parse(struct bytes name, struct bytes *organisation, uint8_t digest[static DIGEST_LEN],
    uint64_t *number);
/* Compute digest and name from the keys (4.1). `out` takes VERIFIER_NAME_MAX + 1. */
int log_name_make(char *out, const uint8_t forum[static HASH_LEN],
    const uint8_t root[static KEY_LEN], const uint8_t log_key[static KEY_LEN],
    struct bytes organisation, uint64_t number);

/* Append binding(domain) (2.4). */
void binding_add(struct buffer *out, const struct binding *b, const char *domain);

/* Append the strict encoding. Checks the ranges of 5.1: ERR_INVALID. */
int header_encode(struct buffer *out, const struct header *h);

/* Parse a message (header ‖ signature) strictly. ERR_TRUNCATED (too short to hold a signature),
 * ERR_TOO_LARGE, ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_VERSION (only `version` is then set). */
int message_parse(struct bytes message, struct header *out);

/* Encode, sign, append header ‖ signature. ERR_INVALID also when `key` is not `h->signer`'s. */
int message_sign(
    struct buffer *out, const struct binding *b, const struct header *h, const struct key *key);

/* Check the signature over the exact bytes. OK or ERR_SIGNATURE; ERR_TRUNCATED, ERR_TOO_LARGE as
 * above. */
int message_verify(
    struct bytes message, const struct binding *b, const uint8_t signer[static KEY_LEN]);

/* The id (5.2) of any bytes of 64 or more, well-formed or not; fewer count as 64 (no header), and
 * are never valid. */
void message_id(uint8_t out[static ID_LEN], struct bytes message, const struct binding *b);

/* Section 7. */
void commitment_make(uint8_t out[static HASH_LEN], const struct binding *b,
    const uint8_t signer[static KEY_LEN], const uint8_t salt[static SALT_LEN],
    struct bytes content);
/* The least b with len <= 2^b; len from 1. */
uint8_t bucket_of(uint64_t len);
/* OK, or ERR_COMMITMENT when salt and content are not those committed to (bucket included). */
int content_check(const struct header *h, const struct binding *b,
    const uint8_t salt[static SALT_LEN], struct bytes content);

#endif
