/* SPDX-License-Identifier: BSD-2-Clause */
/* The bodies of the kinds, strictly encoded (SPEC.md section 6.2, 6.3).
 *
 * Parse functions check lengths and ranges, and leave to lib/member what depends on a log's state:
 * ERR_MALFORMED, ERR_NOT_CANONICAL; ERR_KEY for an unusable key. Structs point into what was
 * parsed. Any thread. */
#ifndef MSG_BODY_H
#define MSG_BODY_H

#include "msg/message.h"

#define TLS_PINS_MAX 4

struct node_body {
	uint64_t serial;
	uint8_t log_key[KEY_LEN];
	uint8_t registrar_key[KEY_LEN];
	struct verifier cosigner;
	uint8_t tls_pins[TLS_PINS_MAX][HASH_LEN]; /* ascending */
	size_t tls_pin_count;
	struct bytes previous_log; /* empty: a first log */
	uint64_t previous_size;
	uint8_t previous_root[HASH_LEN];
};

struct admit_body {
	struct bytes name;
	uint8_t root_key[KEY_LEN];
};

struct enrol_body {
	uint8_t identity[IDENTITY_LEN];
	uint8_t device_key[KEY_LEN];
	uint8_t custody; /* 0 own, 1 gateway */
	uint8_t device_signature[SIG_LEN];
	bool has_endorsement;
	uint8_t endorser[KEY_LEN];
	uint8_t endorsement[SIG_LEN];
	bool recovery;
};

struct revoke_body {
	uint8_t device_key[KEY_LEN];
	uint8_t reason;
};

enum erase_reason { ERASE_UNSTATED, ERASE_WISH, ERASE_LAW, ERASE_ERROR };

struct target_body { /* AMEND, ERASE */
	struct ref target;
	uint8_t reason; /* of an ERASE: enum erase_reason; else 0 */
};

int node_body_encode(struct buffer *out, const struct node_body *b);
int node_body_parse(struct bytes in, struct node_body *out);
int admit_body_encode(struct buffer *out, const struct admit_body *b);
int admit_body_parse(struct bytes in, struct admit_body *out);
int enrol_body_encode(struct buffer *out, const struct enrol_body *b);
int enrol_body_parse(struct bytes in, struct enrol_body *out);
/* The same of a body whose key has been looked at before, which takes 90 µs. */
int enrol_body_read(struct bytes in, struct enrol_body *out);
int revoke_body_encode(struct buffer *out, const struct revoke_body *b);
int revoke_body_parse(struct bytes in, struct revoke_body *out);
int amend_body_encode(struct buffer *out, const struct target_body *b);
int amend_body_parse(struct bytes in, struct target_body *out);
int erase_body_encode(struct buffer *out, const struct target_body *b);
int erase_body_parse(struct bytes in, struct target_body *out);
/* Of a message that is one of these two; ERR_UNKNOWN_KIND: it is another. */
int change_body_parse(const struct header *h, struct target_body *out);

/* The device's own signature and a further device's endorsement (6.3). `domain` is DEVICE_DOMAIN or
 * ENDORSE_DOMAIN. */
#define DEVICE_DOMAIN "convene/v1/device"
#define ENDORSE_DOMAIN "convene/v1/endorse"
void device_sign(uint8_t sig[static SIG_LEN], const char *domain, const struct binding *b,
    const uint8_t identity[static IDENTITY_LEN], const uint8_t device[static KEY_LEN],
    uint8_t custody, const struct key *key);
int device_verify(const uint8_t sig[static SIG_LEN], const char *domain, const struct binding *b,
    const uint8_t identity[static IDENTITY_LEN], const uint8_t device[static KEY_LEN],
    uint8_t custody, const uint8_t signer[static KEY_LEN]);

#endif
