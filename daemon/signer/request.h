/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that may be asked of the signer, and how it is said: this list is its whole interface.
 *
 * One packet of a SOCK_SEQPACKET socket pair for each request and each answer; integers big-endian:
 *
 *	request  u64 id ‖ u8 type ‖ what the table says
 *	answer   u64 id ‖ u32 code ‖ what the table says, if the code is 0
 *
 * The code is an enum error with its sign dropped. The id is the asker's, and comes back: the
 * answer to one who was killed before it read it is recognised by that, and thrown away.
 *
 *	HEAD        -                                      u64 size ‖ root[32]: of our own log
 *	CHECKPOINT  u64 size ‖ root[32] ‖ proof            the note
 *	INTRODUCE   u16 len ‖ log name[len] ‖ NODE         u64 size ‖ root[32]: cosigned of it
 *	ADMIT       log digest[16] ‖ ADMIT                 -
 *	COSIGN      u16 len ‖ note[len] ‖ proof            the signature's line
 *	REGISTRAR   header                                 the message
 *	LEARN       u16 len ‖ note[len] ‖ proof            -
 *
 * A proof is 0 to 64 hashes; NODE and ADMIT are messages. core.h says what each does. A request
 * that is none of these is answered by a code, and ends nothing. */
#ifndef DAEMON_SIGNER_REQUEST_H
#define DAEMON_SIGNER_REQUEST_H

#include "daemon/signer/core.h"

enum request_type {
	REQUEST_HEAD = 1,
	REQUEST_CHECKPOINT,
	REQUEST_INTRODUCE,
	REQUEST_ADMIT,
	REQUEST_COSIGN,
	REQUEST_REGISTRAR,
	REQUEST_LEARN,
	REQUEST_LAST = REQUEST_LEARN,
};

#define PROOF_HASHES_MAX 64
#define REQUEST_MAX (9 + 2 + CORE_NOTE_MAX + PROOF_HASHES_MAX * HASH_LEN)
#define ANSWER_MAX 4096

/* What a type has no use for is empty, or not set. Points into what it was decoded from, but for
 * the proof, which is copied. */
struct request {
	uint64_t id;
	enum request_type type;
	uint64_t size;
	uint8_t root[HASH_LEN];
	uint8_t digest[DIGEST_LEN];
	struct bytes log_name;
	struct bytes body; /* the NODE, ADMIT, note or header */
	struct tree_hash proof[PROOF_HASHES_MAX];
	size_t proof_count;
};

/* Append the encoded form. ERR_TOO_LARGE, ERR_INVALID (no such type), ERR_NOMEM. */
int request_encode(struct buffer *out, const struct request *r);
/* ERR_TOO_LARGE, ERR_MALFORMED, ERR_UNKNOWN_KIND. The id is set when there is one, else 0. */
int request_decode(struct bytes in, struct request *out);

/* An answer's parts; payload points into `in`. ERR_MALFORMED. */
void answer_encode(struct buffer *out, uint64_t id, int code, struct bytes payload);
int answer_decode(struct bytes in, uint64_t *id, int *code, struct bytes *payload);

/* Do what a packet asks for, and append the answer, of at most ANSWER_MAX bytes. Every packet gets
 * one. */
void request_answer(
    struct core *core, struct bytes packet, uint64_t seconds, struct buffer *answer);

#endif
