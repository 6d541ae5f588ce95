/* SPDX-License-Identifier: BSD-2-Clause */
/* The envelope (SPEC.md section 5.1), read and written.
 *
 * A header is frozen: what is absent is as much part of it as what is there,
 * since there must be one encoding only. So ranges are stated once, on the
 * struct, for the reader and the writer alike; the reader adds what a struct
 * can't show (lengths, narrowing), the strict wire form does the rest. */
#include "msg/header.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "msg/wire.h"

enum {
	FIELD_VERSION = 1,
	FIELD_SIGNER,
	FIELD_SEQUENCE,
	FIELD_KIND,
	FIELD_TOPIC,
	FIELD_TOPIC_INDEX,
	FIELD_PARENT,
	FIELD_PARENT_INDEX,
	FIELD_TIME,
	FIELD_LANG,
	FIELD_COMMITMENT,
	FIELD_BUCKET,
	FIELD_BODY,
};

static const char *const kind_names[] = {
    [KIND_NODE] = "node",
    [KIND_ADMIT] = "admit",
    [KIND_ENROL] = "enrol",
    [KIND_REVOKE] = "revoke",
    [KIND_TOPIC] = "topic",
    [KIND_POST] = "post",
    [KIND_AMEND] = "amend",
    [KIND_ERASE] = "erase",
};

const char *kind_name(uint32_t kind)
{
	return kind <= KIND_LAST_KNOWN ? kind_names[kind] : NULL;
}

void ref_put(uint8_t out[static REF_LEN], const struct ref *ref)
{
	memcpy(out, ref->log, DIGEST_LEN);
	memcpy(out + DIGEST_LEN, ref->id, ID_LEN);
}

void ref_get(struct ref *out, const uint8_t in[static REF_LEN])
{
	out->present = true;
	memcpy(out->log, in, DIGEST_LEN);
	memcpy(out->id, in + DIGEST_LEN, ID_LEN);
}

static bool ref_in_range(const struct ref *ref)
{
	return ref->index == 0 || (ref->present && ref->index <= SEQUENCE_MAX);
}

/* An absent field is zero here, so presence is part of the ranges. */
static bool in_range(const struct header *h)
{
	/* clang-format off */
	return h->version == 1 &&
	       h->sequence >= 1 && h->sequence <= SEQUENCE_MAX &&
	       h->kind >= 1 && h->kind <= INT32_MAX &&
	       ref_in_range(&h->topic) && ref_in_range(&h->parent) &&
	       h->time >= 1 && h->time <= TIME_MAX &&
	       (h->lang.len == 0 || lang_valid(h->lang)) &&
	       h->bucket <= (h->has_commitment ? BUCKET_MAX : 0) &&
	       h->body.len <= BODY_MAX;
	/* clang-format on */
}

static void add_ref(struct buffer *out, uint32_t number, const struct ref *ref)
{
	uint8_t bytes[REF_LEN];
	if (!ref->present)
		return;
	ref_put(bytes, ref);
	wire_add_bytes(out, number, bytes_of(bytes, sizeof(bytes)));
	wire_add_uint(out, number + 1, ref->index);
}

int header_encode(struct buffer *out, const struct header *h)
{
	if (!in_range(h))
		return ERR_INVALID;
	wire_add_uint(out, FIELD_VERSION, h->version);
	wire_add_bytes(out, FIELD_SIGNER, bytes_of(h->signer, KEY_LEN));
	wire_add_uint(out, FIELD_SEQUENCE, h->sequence);
	wire_add_uint(out, FIELD_KIND, h->kind);
	add_ref(out, FIELD_TOPIC, &h->topic);
	add_ref(out, FIELD_PARENT, &h->parent);
	wire_add_uint(out, FIELD_TIME, h->time);
	wire_add_bytes(out, FIELD_LANG, h->lang);
	if (h->has_commitment)
		wire_add_bytes(out, FIELD_COMMITMENT, bytes_of(h->commitment, HASH_LEN));
	wire_add_uint(out, FIELD_BUCKET, h->bucket);
	wire_add_bytes(out, FIELD_BODY, h->body);
	return out->failed ? ERR_NOMEM : OK;
}

/* What in_range() can't see once it is in the struct. */
static int take_field(struct header *h, const struct wire_field *f)
{
	static const struct {
		bool is_bytes;
		uint8_t len; /* 0: any */
	} form[] = {
	    [FIELD_VERSION] = {false, 0},
	    [FIELD_SIGNER] = {true, KEY_LEN},
	    [FIELD_SEQUENCE] = {false, 0},
	    [FIELD_KIND] = {false, 0},
	    [FIELD_TOPIC] = {true, REF_LEN},
	    [FIELD_TOPIC_INDEX] = {false, 0},
	    [FIELD_PARENT] = {true, REF_LEN},
	    [FIELD_PARENT_INDEX] = {false, 0},
	    [FIELD_TIME] = {false, 0},
	    [FIELD_LANG] = {true, 0},
	    [FIELD_COMMITMENT] = {true, HASH_LEN},
	    [FIELD_BUCKET] = {false, 0},
	    [FIELD_BODY] = {true, 0},
	};
	if (f->number > FIELD_BODY || f->is_bytes != form[f->number].is_bytes)
		return ERR_MALFORMED;
	if (form[f->number].len != 0 && f->bytes.len != form[f->number].len)
		return ERR_MALFORMED;

	switch (f->number) {
	case FIELD_SIGNER:
		memcpy(h->signer, f->bytes.data, KEY_LEN);
		break;
	case FIELD_SEQUENCE:
		h->sequence = f->value;
		break;
	case FIELD_KIND:
		if (f->value > INT32_MAX)
			return ERR_MALFORMED;
		h->kind = (uint32_t)f->value;
		break;
	case FIELD_TOPIC:
		ref_get(&h->topic, f->bytes.data);
		break;
	case FIELD_TOPIC_INDEX:
		h->topic.index = f->value;
		break;
	case FIELD_PARENT:
		ref_get(&h->parent, f->bytes.data);
		break;
	case FIELD_PARENT_INDEX:
		h->parent.index = f->value;
		break;
	case FIELD_TIME:
		h->time = f->value;
		break;
	case FIELD_LANG:
		h->lang = f->bytes;
		break;
	case FIELD_COMMITMENT:
		h->has_commitment = true;
		memcpy(h->commitment, f->bytes.data, HASH_LEN);
		break;
	case FIELD_BUCKET:
		if (f->value > BUCKET_MAX)
			return ERR_MALFORMED;
		h->bucket = (uint8_t)f->value;
		break;
	case FIELD_BODY:
		h->body = f->bytes;
		break;
	}
	return OK;
}

int header_parse(struct bytes in, struct header *out)
{
	struct wire_reader reader;
	struct wire_field field;
	bool signer = false;
	memset(out, 0, sizeof(*out));
	wire_reader_start(&reader, in);

	/* The version stands first in every version, and rules how the rest is read. */
	int err = wire_next(&reader, &field);
	if (err != OK)
		return err == ERR_NOTFOUND ? ERR_MALFORMED : err;
	if (field.number != FIELD_VERSION || field.is_bytes || field.value > UINT32_MAX)
		return ERR_MALFORMED;
	out->version = (uint32_t)field.value;
	if (out->version != 1)
		return ERR_VERSION;

	while ((err = wire_next(&reader, &field)) == OK) {
		err = take_field(out, &field);
		if (err != OK)
			return err;
		signer |= field.number == FIELD_SIGNER;
	}
	if (err != ERR_NOTFOUND)
		return err;
	return signer && in_range(out) ? OK : ERR_MALFORMED;
}
