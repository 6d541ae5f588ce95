/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames (SPEC.md section 10.2): one table says everything about a type. */
#include "msg/frame.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "msg/message.h"

enum { PING_MAX = 64, DATA_MAX = 1048576, CONTENT_FRAME_MAX = 131072, OTHER_MAX = 65536 };

struct frame_info {
	const char *name;
	uint32_t limit;
	const ProtobufCMessageDescriptor *descriptor;
};

static const struct frame_info infos[] = {
    [FRAME_HELLO] = {"HELLO", OTHER_MAX, &convene__hello__descriptor},
    [FRAME_ERROR] = {"ERROR", OTHER_MAX, &convene__error__descriptor},
    [FRAME_PING] = {"PING", PING_MAX, NULL},
    [FRAME_PONG] = {"PONG", PING_MAX, NULL},
    [FRAME_SUMMARY] = {"SUMMARY", OTHER_MAX, &convene__summary__descriptor},
    [FRAME_FRONTIER] = {"FRONTIER", OTHER_MAX, &convene__frontier__descriptor},
    [FRAME_LOG_GET] = {"LOG_GET", OTHER_MAX, &convene__log_get__descriptor},
    [FRAME_LOG] = {"LOG", OTHER_MAX, &convene__log__descriptor},
    [FRAME_SUBSCRIBE] = {"SUBSCRIBE", OTHER_MAX, &convene__subscribe__descriptor},
    [FRAME_UNSUBSCRIBE] = {"UNSUBSCRIBE", 0, NULL},
    [FRAME_DATA] = {"DATA", DATA_MAX, &convene__data__descriptor},
    [FRAME_CREDIT] = {"CREDIT", OTHER_MAX, &convene__credit__descriptor},
    [FRAME_ANNOUNCE] = {"ANNOUNCE", OTHER_MAX, &convene__announce__descriptor},
    [FRAME_WANT] = {"WANT", OTHER_MAX, &convene__want__descriptor},
    [FRAME_CONTENT] = {"CONTENT", CONTENT_FRAME_MAX, &convene__content_chunk__descriptor},
    [FRAME_CONTENT_NONE] = {"CONTENT_NONE", OTHER_MAX, &convene__content_none__descriptor},
    [FRAME_CHECKPOINT_GET] = {"CHECKPOINT_GET", OTHER_MAX, &convene__checkpoint_get__descriptor},
    [FRAME_CHECKPOINT] = {"CHECKPOINT", CONTENT_FRAME_MAX, &convene__checkpoint__descriptor},
    [FRAME_FORK] = {"FORK", CONTENT_FRAME_MAX, &convene__fork_proof__descriptor},
    [FRAME_ERASED] = {"ERASED", OTHER_MAX, &convene__erased__descriptor},
    [FRAME_SUBMIT] = {"SUBMIT", FRAME_MAX, &convene__submit__descriptor},
    [FRAME_SUBMITTED] = {"SUBMITTED", FRAME_MAX, &convene__submitted__descriptor},
    [FRAME_TOPICS_GET] = {"TOPICS_GET", OTHER_MAX, &convene__topics_get__descriptor},
    [FRAME_TOPICS] = {"TOPICS", FRAME_MAX, &convene__topics__descriptor},
    [FRAME_THREADS_GET] = {"THREADS_GET", OTHER_MAX, &convene__threads_get__descriptor},
    [FRAME_THREADS] = {"THREADS", FRAME_MAX, &convene__threads__descriptor},
    [FRAME_THREAD_GET] = {"THREAD_GET", OTHER_MAX, &convene__thread_get__descriptor},
    [FRAME_ITEMS] = {"ITEMS", FRAME_MAX, &convene__items__descriptor},
    [FRAME_WATCH] = {"WATCH", OTHER_MAX, &convene__watch__descriptor},
    [FRAME_LOGS_GET] = {"LOGS_GET", OTHER_MAX, &convene__logs_get__descriptor},
    [FRAME_LOGS] = {"LOGS", CONTENT_FRAME_MAX, &convene__logs__descriptor},
    [FRAME_ENTRIES_GET] = {"ENTRIES_GET", OTHER_MAX, &convene__entries_get__descriptor},
    [FRAME_PROOF_GET] = {"PROOF_GET", OTHER_MAX, &convene__proof_get__descriptor},
    [FRAME_PROOF] = {"PROOF", CONTENT_FRAME_MAX, &convene__proof__descriptor},
    [FRAME_CONTENT_GET] = {"CONTENT_GET", OTHER_MAX, &convene__content_get__descriptor},
    [FRAME_REDEEM] = {"REDEEM", FRAME_MAX, &convene__redeem__descriptor},
    [FRAME_REDEEMED] = {"REDEEMED", OTHER_MAX, &convene__redeemed__descriptor},
    [FRAME_SIGNER_GET] = {"SIGNER_GET", OTHER_MAX, &convene__signer_get__descriptor},
    [FRAME_SIGNER] = {"SIGNER", OTHER_MAX, &convene__signer__descriptor},
    [FRAME_CHARTER_GET] = {"CHARTER_GET", OTHER_MAX, &convene__charter_get__descriptor},
    [FRAME_CHARTER] = {"CHARTER", CONTENT_FRAME_MAX, &convene__charter__descriptor},
    [FRAME_ERASURE_GET] = {"ERASURE_GET", OTHER_MAX, &convene__erasure_get__descriptor},
    [FRAME_ERASURE] = {"ERASURE", CONTENT_FRAME_MAX, &convene__erasure__descriptor},
    [FRAME_SEARCH] = {"SEARCH", OTHER_MAX, &convene__search__descriptor},
    [FRAME_CONTROL] = {"CONTROL", FRAME_MAX, &convene__control__descriptor},
    [FRAME_CONTROL_REPLY] = {"CONTROL_REPLY", FRAME_MAX, &convene__control_reply__descriptor},
};

static const struct frame_info *info_of(uint8_t type)
{
	if (type >= sizeof(infos) / sizeof(infos[0]) || infos[type].name == NULL)
		return NULL;
	return &infos[type];
}

uint32_t frame_limit(uint8_t type)
{
	const struct frame_info *info = info_of(type);
	return info != NULL ? info->limit : 0;
}

const char *frame_name(uint8_t type)
{
	const struct frame_info *info = info_of(type);
	return info != NULL ? info->name : "unknown";
}

const ProtobufCMessageDescriptor *frame_descriptor(uint8_t type)
{
	const struct frame_info *info = info_of(type);
	return info != NULL ? info->descriptor : NULL;
}

int frame_peek(struct bytes in, bool before_hello, struct frame *out, size_t *need)
{
	*need = FRAME_HEADER_LEN;
	if (in.len < FRAME_HEADER_LEN)
		return ERR_TRUNCATED;
	uint32_t len = get_u32(in.data);
	uint8_t type = in.data[4];
	const struct frame_info *info = info_of(type);
	if (info == NULL || (before_hello && type != FRAME_HELLO && type != FRAME_ERROR))
		return ERR_UNKNOWN_KIND;
	if (len > info->limit || (before_hello && len > FRAME_HELLO_MAX))
		return ERR_TOO_LARGE;
	*need = FRAME_HEADER_LEN + (size_t)len;
	if (in.len < *need)
		return ERR_TRUNCATED;
	*out = (struct frame){
	    .type = type,
	    .stream = get_u32(in.data + 5),
	    .payload = bytes_of(in.data + FRAME_HEADER_LEN, len),
	};
	return OK;
}

/* Header and room for the payload; NULL with the reason in `*err`. */
static uint8_t *add_header(struct buffer *out, uint8_t type, uint32_t stream, size_t len, int *err)
{
	assert(info_of(type) != NULL);
	*err = len > frame_limit(type) ? ERR_TOO_LARGE : OK;
	if (*err != OK)
		return NULL;
	uint8_t *at = buffer_reserve(out, FRAME_HEADER_LEN + len);
	*err = at != NULL ? OK : ERR_NOMEM;
	if (at == NULL)
		return NULL;
	put_u32(at, (uint32_t)len);
	at[4] = type;
	put_u32(at + 5, stream);
	out->len += FRAME_HEADER_LEN + len;
	return at + FRAME_HEADER_LEN;
}

int frame_add(struct buffer *out, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	assert(message->descriptor == frame_descriptor(type));
	int err;
	uint8_t *payload = add_header(
	    out, type, stream, protobuf_c_message_get_packed_size(message), &err);
	if (payload != NULL)
		protobuf_c_message_pack(message, payload);
	return err;
}

int frame_add_raw(struct buffer *out, uint8_t type, uint32_t stream, struct bytes payload)
{
	int err;
	uint8_t *at = add_header(out, type, stream, payload.len, &err);
	if (at != NULL && payload.len > 0)
		memcpy(at, payload.data, payload.len);
	return err;
}

bool chunk_make(Convene__ContentChunk *m, const uint8_t *digest, uint64_t index,
    const uint8_t *salt, struct bytes content, size_t offset)
{
	size_t len = content.len - offset < CHUNK_LEN ? content.len - offset : CHUNK_LEN;
	if (offset >= content.len)
		return false;
	convene__content_chunk__init(m);
	m->log = pb_of(bytes_of(digest, DIGEST_LEN));
	m->index = index;
	m->offset = offset;
	m->total = content.len;
	if (offset == 0)
		m->salt = pb_of(bytes_of(salt, SALT_LEN));
	m->data = pb_of(bytes_of(content.data + offset, len));
	return true;
}
