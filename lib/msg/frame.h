/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames: types, limits, the header's nine bytes, and payloads through protobuf-c under a budget
 * (SPEC.md 10.2). Any thread. */
#ifndef MSG_FRAME_H
#define MSG_FRAME_H

#include <protobuf-c/protobuf-c.h>

#include "base/buffer.h"
#include "proto/convene.pb-c.h"

#define FRAME_HEADER_LEN 9
#define FRAME_MAX 2162688
#define FRAME_HELLO_MAX 8192
#define CHUNK_LEN 65536
#define THREADS_DEFAULT 50 /* of THREADS_GET: a limit that isn't given, and the highest */
#define THREADS_MAX 1000
#define PROTOCOL_VERSION_MIN 1
#define PROTOCOL_VERSION_MAX 1

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_ERROR,
	FRAME_PING,
	FRAME_PONG,
	FRAME_SUMMARY = 16,
	FRAME_FRONTIER,
	FRAME_LOG_GET,
	FRAME_LOG,
	FRAME_SUBSCRIBE,
	FRAME_UNSUBSCRIBE,
	FRAME_DATA,
	FRAME_CREDIT,
	FRAME_ANNOUNCE,
	FRAME_WANT,
	FRAME_CONTENT,
	FRAME_CONTENT_NONE,
	FRAME_CHECKPOINT_GET,
	FRAME_CHECKPOINT,
	FRAME_FORK,
	FRAME_ERASED,
	FRAME_SUBMIT = 64,
	FRAME_SUBMITTED,
	FRAME_TOPICS_GET,
	FRAME_TOPICS,
	FRAME_THREADS_GET,
	FRAME_THREADS,
	FRAME_THREAD_GET,
	FRAME_ITEMS,
	FRAME_WATCH,
	FRAME_LOGS_GET,
	FRAME_LOGS,
	FRAME_ENTRIES_GET,
	FRAME_PROOF_GET,
	FRAME_PROOF,
	FRAME_CONTENT_GET,
	FRAME_REDEEM,
	FRAME_REDEEMED,
	FRAME_SIGNER_GET,
	FRAME_SIGNER,
	FRAME_CHARTER_GET,
	FRAME_CHARTER,
	FRAME_ERASURE_GET = 90,
	FRAME_ERASURE,
	FRAME_SEARCH,
	FRAME_CONTROL = 96,
	FRAME_CONTROL_REPLY,
};

struct frame {
	uint8_t type;
	uint32_t stream;
	struct bytes payload;
};

/* The most bytes a payload of this type may have after HELLO; 0: none (UNSUBSCRIBE), or no such
 * type. */
uint32_t frame_limit(uint8_t type);
const char *frame_name(uint8_t type); /* "DATA"; never NULL */
/* The payload's protobuf type; NULL for PING, PONG, UNSUBSCRIBE and unknown types. */
const ProtobufCMessageDescriptor *frame_descriptor(uint8_t type);

/* Look at the beginning of `in`. OK: `*out` is a whole frame of FRAME_HEADER_LEN + payload.len
 * bytes, pointing into `in`. ERR_TRUNCATED: `*need` is how many bytes are needed in all to go on
 * (9, or the whole frame). ERR_TOO_LARGE: over `limit(type)`, known as soon as the header is;
 * ERR_UNKNOWN_KIND: no such type. `before_hello` applies the smaller limit, and takes no type but
 * HELLO and ERROR. */
int frame_peek(struct bytes in, bool before_hello, struct frame *out, size_t *need);

/* Append a whole frame around `message` (its descriptor must be the type's) or raw bytes.
 * ERR_TOO_LARGE, ERR_NOMEM. */
int frame_add(struct buffer *out, uint8_t type, uint32_t stream, const ProtobufCMessage *message);
int frame_add_raw(struct buffer *out, uint8_t type, uint32_t stream, struct bytes payload);

/* Unpack a payload: depth scanned, budget of 64 KiB + 16 × length. ERR_MALFORMED, ERR_TOO_LARGE,
 * ERR_NOMEM.
 * `*out` is freed with message_free(). */
int message_unpack(
    ProtobufCMessage **out, const ProtobufCMessageDescriptor *type, struct bytes payload);
void message_free(ProtobufCMessage *message);

static inline struct bytes bytes_of_pb(ProtobufCBinaryData d)
{
	return bytes_of(d.data, d.len);
}
/* For encoding only: protobuf-c wants a pointer to non-const and does not write through it. */
static inline ProtobufCBinaryData pb_of(struct bytes b)
{
	return (ProtobufCBinaryData){b.len, (uint8_t *)(uintptr_t)b.data};
}

/* Fill in the CONTENT that begins at `offset` (11.6); nothing is copied. False at the content's
 * end. */
bool chunk_make(Convene__ContentChunk *m, const uint8_t *digest, uint64_t index,
    const uint8_t *salt, struct bytes content, size_t offset);

/* The wire code of an error and back, and the sentence that goes with a code (never NULL). Codes
 * without an error of their own come back as the nearest one, unknown codes as INTERNAL does
 * (ERR_STORE); who must tell NOT_A_PEER from WRONG_SIGNER, or FRAME_TOO_LARGE from TOO_LARGE, sends
 * and reads the code itself. */
uint32_t refusal_code(int err);
int refusal_error(uint32_t code);
const char *refusal_text(uint32_t code);

#endif
