/* SPDX-License-Identifier: BSD-2-Clause */
/* The bodies (SPEC.md sections 6.2 and 6.3).
 *
 * A body is described by a row of slots, one for each field from 1 up, which the
 * reader fills and the writer empties. Every writer has its result read again, so
 * that it can't make what the reader would refuse. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "msg/body.h"
#include "msg/binding.h"
#include "msg/header.h"
#include "msg/wire.h"

#define REVOKE_REASON_MAX 4
#define COSIGNER_SUFFIX "/cosigner"

struct slot {
	bool is_bytes, required;
	uint64_t limit; /* the exact length (0: any), or the greatest value */
	struct bytes bytes;
	uint64_t value;
};

#define SLOTS(array) (sizeof(array) / sizeof((array)[0]))

static struct slot slot_of(struct bytes b)
{
	return (struct slot){.is_bytes = true, .bytes = b};
}

static struct slot slot_of_uint(uint64_t v)
{
	return (struct slot){.value = v};
}

static int slots_read(struct bytes in, struct slot *slots, size_t count)
{
	struct wire_reader reader;
	struct wire_field f;
	int err;
	wire_reader_start(&reader, in);
	while ((err = wire_next(&reader, &f)) == OK) {
		struct slot *s = f.number <= count ? &slots[f.number - 1] : NULL;
		if (s == NULL || s->is_bytes != f.is_bytes)
			return ERR_MALFORMED;
		if (f.is_bytes ? s->limit != 0 && f.bytes.len != s->limit : f.value > s->limit)
			return ERR_MALFORMED;
		s->bytes = f.bytes;
		s->value = f.value;
	}
	if (err != ERR_NOTFOUND)
		return err;
	for (size_t i = 0; i < count; i++)
		if (slots[i].required && slots[i].bytes.len == 0 && slots[i].value == 0)
			return ERR_MALFORMED;
	return OK;
}

/* Append, and hand back what was appended. */
static int slots_write(
    struct buffer *out, const struct slot *slots, size_t count, struct bytes *made)
{
	size_t start = out->len;
	for (size_t i = 0; i < count; i++) {
		if (slots[i].is_bytes)
			wire_add_bytes(out, (uint32_t)i + 1, slots[i].bytes);
		else
			wire_add_uint(out, (uint32_t)i + 1, slots[i].value);
	}
	if (out->failed)
		return ERR_NOMEM;
	*made = bytes_of(out->data + start, out->len - start);
	return OK;
}

/* The end of a writer: `made` stays in `out` only if it reads well. */
static int made_well(struct buffer *out, struct bytes made, int err)
{
	if (err == OK)
		return OK;
	out->len -= made.len;
	return ERR_INVALID;
}

/* ---- NODE ---- */

/* The cosigner's key name is the organisation's and "/cosigner" (4.2). */
static bool cosigner_name_valid(const struct verifier *v)
{
	size_t len = strlen(v->name), suffix = strlen(COSIGNER_SUFFIX);
	return len > suffix && strcmp(v->name + len - suffix, COSIGNER_SUFFIX) == 0 &&
	       org_name_valid(bytes_of(v->name, len - suffix));
}

static int take_previous(
    const struct slot *log, const struct slot *size, const struct slot *root, struct node_body *out)
{
	bool any = log->bytes.len != 0 || size->value != 0 || root->bytes.len != 0;
	if (!any)
		return OK;
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	if (size->value == 0 || root->bytes.len == 0 ||
	    log_name_parse(log->bytes, &organisation, digest, &number) != OK)
		return ERR_MALFORMED;
	out->previous_log = log->bytes;
	out->previous_size = size->value;
	memcpy(out->previous_root, root->bytes.data, HASH_LEN);
	return OK;
}

int node_body_parse(struct bytes in, struct node_body *out)
{
	struct slot s[] = {
	    {.limit = SEQUENCE_MAX, .required = true},
	    {.is_bytes = true, .limit = KEY_LEN, .required = true},
	    {.is_bytes = true, .limit = KEY_LEN, .required = true},
	    {.is_bytes = true, .required = true},
	    {.is_bytes = true, .required = true},
	    {.is_bytes = true},
	    {.limit = SEQUENCE_MAX},
	    {.is_bytes = true, .limit = HASH_LEN},
	};
	memset(out, 0, sizeof(*out));
	int err = slots_read(in, s, SLOTS(s));
	if (err != OK)
		return err;
	out->serial = s[0].value;
	memcpy(out->log_key, s[1].bytes.data, KEY_LEN);
	memcpy(out->registrar_key, s[2].bytes.data, KEY_LEN);

	struct bytes pins = s[4].bytes;
	out->tls_pin_count = pins.len / HASH_LEN;
	if (pins.len % HASH_LEN != 0 || out->tls_pin_count > TLS_PINS_MAX)
		return ERR_MALFORMED;
	memcpy(out->tls_pins, pins.data, pins.len);
	for (size_t i = 1; i < out->tls_pin_count; i++)
		if (memcmp(out->tls_pins[i - 1], out->tls_pins[i], HASH_LEN) >= 0)
			return ERR_MALFORMED;
	err = take_previous(&s[5], &s[6], &s[7], out);
	if (err != OK)
		return err;

	err = verifier_parse(&out->cosigner, s[3].bytes);
	if (err != OK)
		return err;
	if (out->cosigner.type != VERIFIER_COSIGNATURE || !key_usable(out->log_key) ||
	    !key_usable(out->registrar_key))
		return ERR_KEY;
	if (memcmp(out->log_key, out->registrar_key, KEY_LEN) == 0 ||
	    memcmp(out->log_key, out->cosigner.public, KEY_LEN) == 0 ||
	    memcmp(out->registrar_key, out->cosigner.public, KEY_LEN) == 0)
		return ERR_KEY;
	return cosigner_name_valid(&out->cosigner) ? OK : ERR_MALFORMED;
}

int node_body_encode(struct buffer *out, const struct node_body *b)
{
	if (b->tls_pin_count > TLS_PINS_MAX)
		return ERR_INVALID;
	char cosigner[VERIFIER_TEXT_MAX + 1];
	size_t cosigner_len = verifier_format(cosigner, &b->cosigner);
	bool first = b->previous_log.len == 0;
	const struct slot s[] = {
	    slot_of_uint(b->serial),
	    slot_of(bytes_of(b->log_key, KEY_LEN)),
	    slot_of(bytes_of(b->registrar_key, KEY_LEN)),
	    slot_of(bytes_of(cosigner, cosigner_len)),
	    slot_of(bytes_of(b->tls_pins, b->tls_pin_count * HASH_LEN)),
	    slot_of(b->previous_log),
	    slot_of_uint(b->previous_size),
	    slot_of(bytes_of(b->previous_root, first ? 0 : HASH_LEN)),
	};
	struct bytes made;
	struct node_body again;
	int err = slots_write(out, s, SLOTS(s), &made);
	return err != OK ? err : made_well(out, made, node_body_parse(made, &again));
}

/* ---- ADMIT ---- */

int admit_body_parse(struct bytes in, struct admit_body *out)
{
	struct slot s[] = {
	    {.is_bytes = true, .required = true},
	    {.is_bytes = true, .limit = KEY_LEN, .required = true},
	};
	memset(out, 0, sizeof(*out));
	int err = slots_read(in, s, SLOTS(s));
	if (err != OK)
		return err;
	if (!org_name_valid(s[0].bytes))
		return ERR_MALFORMED;
	out->name = s[0].bytes;
	memcpy(out->root_key, s[1].bytes.data, KEY_LEN);
	return key_usable(out->root_key) ? OK : ERR_KEY;
}

int admit_body_encode(struct buffer *out, const struct admit_body *b)
{
	const struct slot s[] = {slot_of(b->name), slot_of(bytes_of(b->root_key, KEY_LEN))};
	struct bytes made;
	struct admit_body again;
	int err = slots_write(out, s, SLOTS(s), &made);
	return err != OK ? err : made_well(out, made, admit_body_parse(made, &again));
}

/* ---- ENROL ---- */

int enrol_body_read(struct bytes in, struct enrol_body *out)
{
	struct slot s[] = {
	    {.is_bytes = true, .limit = IDENTITY_LEN, .required = true},
	    {.is_bytes = true, .limit = KEY_LEN, .required = true},
	    {.limit = 1},
	    {.is_bytes = true, .limit = SIG_LEN, .required = true},
	    {.is_bytes = true, .limit = KEY_LEN},
	    {.is_bytes = true, .limit = SIG_LEN},
	    {.limit = 1},
	};
	memset(out, 0, sizeof(*out));
	int err = slots_read(in, s, SLOTS(s));
	if (err != OK)
		return err;
	out->recovery = s[6].value == 1;
	out->has_endorsement = s[4].bytes.len != 0;
	/* Both parts or neither, and never beside a recovery. */
	if (out->has_endorsement != (s[5].bytes.len != 0) ||
	    (out->has_endorsement && out->recovery))
		return ERR_MALFORMED;
	memcpy(out->identity, s[0].bytes.data, IDENTITY_LEN);
	memcpy(out->device_key, s[1].bytes.data, KEY_LEN);
	out->custody = (uint8_t)s[2].value;
	memcpy(out->device_signature, s[3].bytes.data, SIG_LEN);
	if (out->has_endorsement) {
		memcpy(out->endorser, s[4].bytes.data, KEY_LEN);
		memcpy(out->endorsement, s[5].bytes.data, SIG_LEN);
	}
	return OK;
}

int enrol_body_parse(struct bytes in, struct enrol_body *out)
{
	int err = enrol_body_read(in, out);

	return err != OK || key_usable(out->device_key) ? err : ERR_KEY;
}

int enrol_body_encode(struct buffer *out, const struct enrol_body *b)
{
	const struct slot s[] = {
	    slot_of(bytes_of(b->identity, IDENTITY_LEN)),
	    slot_of(bytes_of(b->device_key, KEY_LEN)),
	    slot_of_uint(b->custody),
	    slot_of(bytes_of(b->device_signature, SIG_LEN)),
	    slot_of(bytes_of(b->endorser, b->has_endorsement ? KEY_LEN : 0)),
	    slot_of(bytes_of(b->endorsement, b->has_endorsement ? SIG_LEN : 0)),
	    slot_of_uint(b->recovery ? 1 : 0),
	};
	struct bytes made;
	struct enrol_body again;
	int err = slots_write(out, s, SLOTS(s), &made);
	return err != OK ? err : made_well(out, made, enrol_body_parse(made, &again));
}

/* Domain, binding, and what 6.3 adds. */
#define DEVICE_SIGNED_MAX (BINDING_MAX + IDENTITY_LEN + KEY_LEN + 1)
static struct bytes device_signed(uint8_t out[static DEVICE_SIGNED_MAX], const char *domain,
    const struct binding *b, const uint8_t identity[static IDENTITY_LEN],
    const uint8_t device[static KEY_LEN], uint8_t custody)
{
	size_t at = binding_put(out, b, domain);
	memcpy(out + at, identity, IDENTITY_LEN);
	at += IDENTITY_LEN;
	memcpy(out + at, device, KEY_LEN);
	at += KEY_LEN;
	out[at++] = custody;
	return bytes_of(out, at);
}

void device_sign(uint8_t sig[static SIG_LEN], const char *domain, const struct binding *b,
    const uint8_t identity[static IDENTITY_LEN], const uint8_t device[static KEY_LEN],
    uint8_t custody, const struct key *key)
{
	uint8_t room[DEVICE_SIGNED_MAX];
	key_sign(sig, key, device_signed(room, domain, b, identity, device, custody));
}

int device_verify(const uint8_t sig[static SIG_LEN], const char *domain, const struct binding *b,
    const uint8_t identity[static IDENTITY_LEN], const uint8_t device[static KEY_LEN],
    uint8_t custody, const uint8_t signer[static KEY_LEN])
{
	uint8_t room[DEVICE_SIGNED_MAX];
	return key_verify(signer, sig, device_signed(room, domain, b, identity, device, custody));
}

/* ---- REVOKE ---- */

int revoke_body_parse(struct bytes in, struct revoke_body *out)
{
	struct slot s[] = {
	    {.is_bytes = true, .limit = KEY_LEN, .required = true},
	    {.limit = REVOKE_REASON_MAX},
	};
	memset(out, 0, sizeof(*out));
	int err = slots_read(in, s, SLOTS(s));
	if (err != OK)
		return err;
	memcpy(out->device_key, s[0].bytes.data, KEY_LEN);
	out->reason = (uint8_t)s[1].value;
	return OK;
}

int revoke_body_encode(struct buffer *out, const struct revoke_body *b)
{
	const struct slot s[] = {
	    slot_of(bytes_of(b->device_key, KEY_LEN)), slot_of_uint(b->reason)};
	struct bytes made;
	struct revoke_body again;
	int err = slots_write(out, s, SLOTS(s), &made);
	return err != OK ? err : made_well(out, made, revoke_body_parse(made, &again));
}

/* ---- AMEND, ERASE ---- */

/* An AMEND has no field 2: one slot only. */
static int target_parse(struct bytes in, struct target_body *out, size_t slots)
{
	struct slot s[] = {
	    {.is_bytes = true, .limit = REF_LEN, .required = true},
	    {.limit = ERASE_ERROR},
	};
	memset(out, 0, sizeof(*out));
	int err = slots_read(in, s, slots);
	if (err != OK)
		return err;
	ref_get(&out->target, s[0].bytes.data);
	out->reason = (uint8_t)s[1].value;
	return OK;
}

static int target_encode(struct buffer *out, const struct target_body *b, size_t slots)
{
	/* A body has no room for an index hint, and dropping it would lose what was meant. */
	if (!b->target.present || b->target.index != 0)
		return ERR_INVALID;
	uint8_t ref[REF_LEN];
	ref_put(ref, &b->target);
	const struct slot s[] = {slot_of(bytes_of(ref, sizeof(ref))), slot_of_uint(b->reason)};
	struct bytes made;
	struct target_body again;
	int err = slots_write(out, s, SLOTS(s), &made);
	return err != OK ? err : made_well(out, made, target_parse(made, &again, slots));
}

int amend_body_parse(struct bytes in, struct target_body *out)
{
	return target_parse(in, out, 1);
}

int amend_body_encode(struct buffer *out, const struct target_body *b)
{
	return target_encode(out, b, 1);
}

int erase_body_parse(struct bytes in, struct target_body *out)
{
	return target_parse(in, out, 2);
}

int erase_body_encode(struct buffer *out, const struct target_body *b)
{
	return target_encode(out, b, 2);
}

int change_body_parse(const struct header *h, struct target_body *out)
{
	return h->kind == KIND_AMEND   ? amend_body_parse(h->body, out)
	       : h->kind == KIND_ERASE ? erase_body_parse(h->body, out)
				       : ERR_UNKNOWN_KIND;
}
