/* SPDX-License-Identifier: BSD-2-Clause */
/* Validity and effect (SPEC.md sections 6.1 to 6.3).
 *
 * Validity asks who signed and in which order, effect whether class and body
 * suit the kind. Both are functions of the roster and the entry alone, and
 * change neither: that makes checking a submission and folding a log the same
 * question. Whether the target of an AMEND or ERASE exists and is of the same
 * identity depends on messages, not on keys, and is the views' to see. */
#include <string.h>

#include "base/error.h"
#include "member/roster_state.h"

#define ROOT (1u << SIGNER_ROOT)
#define REGISTRAR (1u << SIGNER_REGISTRAR)
#define DEVICE (1u << SIGNER_DEVICE)

static bool keys_equal(const uint8_t a[static KEY_LEN], const uint8_t b[static KEY_LEN])
{
	return memcmp(a, b, KEY_LEN) == 0;
}

enum signer_class roster_class(const struct roster *r, const uint8_t key[static KEY_LEN])
{
	if (keys_equal(key, r->root_key))
		return SIGNER_ROOT;
	if (r->in_force && keys_equal(key, r->node.registrar_key))
		return SIGNER_REGISTRAR;
	const struct signer *s = roster_signer(r, key);
	if (s != NULL && s->class == SIGNER_DEVICE && s->revoked == 0)
		return SIGNER_DEVICE;
	return SIGNER_NONE;
}

/* An enrolled device that isn't revoked, or why there is none. */
static int device_find(
    const struct roster *r, const uint8_t key[static KEY_LEN], const struct signer **out)
{
	const struct signer *s = roster_signer(r, key);
	if (s == NULL || s->class != SIGNER_DEVICE)
		return ERR_NOT_ENROLLED;
	*out = s;
	return s->revoked == 0 ? OK : ERR_REVOKED;
}

/* ---- validity (6.1) ---- */

static int validity(const struct roster *r, const struct roster_entry *e, struct verdict *v)
{
	const struct header *h = e->header;
	if (!r->ready)
		return ERR_INVALID;
	if (e->parsed != OK)
		return e->parsed;
	if (h->has_commitment && h->bucket > r->bucket_max)
		return ERR_TOO_LARGE;
	if (e->signature != OK)
		return e->signature;
	const struct signer *s = roster_signer(r, h->signer);
	v->class = roster_class(r, h->signer);
	if (v->class == SIGNER_NONE)
		return s != NULL ? ERR_REVOKED : ERR_NOT_ENROLLED;
	if (v->class == SIGNER_DEVICE)
		memcpy(v->identity, s->identity, IDENTITY_LEN);
	return s == NULL || h->sequence > s->sequence ? OK : ERR_SEQUENCE;
}

/* ---- effect (6.2) ---- */

static int node_effect(const struct roster *r, const struct header *h, struct node_body *b)
{
	int err = node_body_parse(h->body, b);
	if (err != OK)
		return err;
	if (h->has_commitment || h->topic.present || h->parent.present)
		return ERR_MALFORMED;
	err = credential_check_body(b, h->signer, bytes_str(r->organisation));
	if (err != OK)
		return err;
	/* Successor fields are for a successor's entry 0 (4.4). */
	if ((b->previous_log.len > 0) != (r->next == 0 && r->number > 1))
		return ERR_MALFORMED;
	if (!keys_equal(b->log_key, r->log_key))
		return ERR_KEY;
	/* A device named as registrar would come back to power after its REVOKE. */
	const struct signer *named = roster_signer(r, b->registrar_key);
	if (named && named->class == SIGNER_DEVICE)
		return ERR_KEY;
	return !r->in_force || b->serial > r->node.serial ? OK : ERR_STALE;
}

static int admit_effect(const struct header *h)
{
	struct admit_body b;
	int err = admit_body_parse(h->body, &b);
	if (err != OK)
		return err;
	return keys_equal(b.root_key, h->signer) ? ERR_KEY : OK;
}

enum enrol_state roster_enrol_verify(const struct header *h, const struct binding *binding)
{
	struct enrol_body b;
	if (h->kind != KIND_ENROL || enrol_body_parse(h->body, &b) != OK)
		return ENROL_UNVERIFIED;
	int err = device_verify(b.device_signature, DEVICE_DOMAIN, binding, b.identity,
	    b.device_key, b.custody, b.device_key);
	if (err == OK && b.has_endorsement)
		err = device_verify(b.endorsement, ENDORSE_DOMAIN, binding, b.identity,
		    b.device_key, b.custody, b.endorser);
	return err == OK ? ENROL_GOOD : ENROL_BAD;
}

/* Who lets a device in: the registrar alone for a new identity, one of its devices or a recovery
 * for one that exists. */
static int enrol_authority(const struct roster *r, const struct enrol_body *b, bool *new_identity)
{
	const struct signer *endorser;
	*new_identity = !roster_has_identity(r, b->identity);
	if (*new_identity)
		return b->has_endorsement || b->recovery ? ERR_NOTFOUND : OK;
	if (b->has_endorsement == b->recovery)
		return b->recovery ? ERR_MALFORMED : ERR_UNSIGNED;
	if (b->recovery)
		return OK;
	int err = device_find(r, b->endorser, &endorser);
	if (err == OK && memcmp(endorser->identity, b->identity, IDENTITY_LEN) != 0)
		err = ERR_NOT_ENROLLED;
	return err;
}

static int enrol_effect(
    const struct roster *r, const struct roster_entry *e, struct enrol_body *b, bool *new_identity)
{
	/* Who verified it has looked at its key. */
	enum enrol_state state = e->enrol;
	int err = state == ENROL_UNVERIFIED ? enrol_body_parse(e->header->body, b)
					    : enrol_body_read(e->header->body, b);
	if (err != OK)
		return err;
	const uint8_t *key = b->device_key;
	if (keys_equal(key, r->root_key) || keys_equal(key, r->log_key) ||
	    keys_equal(key, r->node.registrar_key) || keys_equal(key, r->node.cosigner.public))
		return ERR_KEY;
	/* Once known, a key is never enrolled: neither a revoked one nor a former registrar's. */
	const struct signer *known = roster_signer(r, key);
	if (known != NULL)
		return known->revoked != 0 ? ERR_REVOKED : ERR_EXISTS;
	err = enrol_authority(r, b, new_identity);
	if (err != OK)
		return err;
	if (state == ENROL_UNVERIFIED)
		state = roster_enrol_verify(e->header, &r->binding);
	return state == ENROL_GOOD ? OK : ERR_SIGNATURE;
}

static int revoke_effect(
    const struct roster *r, const struct header *h, enum signer_class class, struct revoke_body *b)
{
	const struct signer *device;
	int err = revoke_body_parse(h->body, b);
	if (err != OK)
		return err;
	if (class == SIGNER_DEVICE && !keys_equal(b->device_key, h->signer))
		return ERR_REFUSED;
	return device_find(r, b->device_key, &device);
}

/* Which classes may sign a kind; 0: no such kind. */
static unsigned kind_signers(const struct roster *r, uint32_t kind)
{
	switch (kind) {
	case KIND_NODE:
	case KIND_ADMIT:
		return ROOT;
	case KIND_ENROL:
		return REGISTRAR;
	case KIND_REVOKE:
	case KIND_ERASE:
		return REGISTRAR | DEVICE;
	case KIND_TOPIC:
		if (r->topics == TOPICS_BY_ROOTS)
			return ROOT;
		if (r->topics == TOPICS_BY_REGISTRARS)
			return ROOT | REGISTRAR;
		return ROOT | REGISTRAR | DEVICE;
	case KIND_POST:
	case KIND_AMEND:
		return DEVICE;
	default:
		return 0;
	}
}

static int effect(
    const struct roster *r, const struct roster_entry *e, struct verdict *v, struct change *c)
{
	const struct header *h = e->header;
	struct target_body target;
	unsigned signers = kind_signers(r, h->kind);
	if (signers == 0)
		return ERR_UNKNOWN_KIND;
	if ((signers & 1u << v->class) == 0)
		return ERR_REFUSED;
	switch ((enum kind)h->kind) {
	case KIND_NODE:
		return node_effect(r, h, &c->body.node);
	case KIND_ADMIT:
		return admit_effect(h);
	case KIND_ENROL:
		return enrol_effect(r, e, &c->body.enrol, &v->new_identity);
	case KIND_REVOKE:
		return revoke_effect(r, h, v->class, &c->body.revoke);
	case KIND_TOPIC:
		if (h->topic.present || h->parent.present)
			return ERR_MALFORMED;
		return h->body.len == 0 && h->has_commitment ? OK : ERR_MALFORMED;
	case KIND_POST:
		if (!h->topic.present)
			return ERR_MALFORMED;
		return h->body.len == 0 && h->has_commitment ? OK : ERR_MALFORMED;
	case KIND_AMEND:
		return h->has_commitment ? amend_body_parse(h->body, &target) : ERR_MALFORMED;
	case KIND_ERASE:
		return erase_body_parse(h->body, &target);
	}
	return ERR_UNKNOWN_KIND;
}

void roster_examine(
    const struct roster *r, const struct roster_entry *e, struct verdict *v, struct change *c)
{
	*v = (struct verdict){.class = SIGNER_NONE};
	c->kind = 0;
	v->why = validity(r, e, v);
	v->valid = v->why == OK;
	if (!v->valid)
		return;
	v->why = effect(r, e, v, c);
	v->effect = v->why == OK;
	if (v->effect)
		c->kind = e->header->kind;
	else
		v->new_identity = false;
}

void roster_check(const struct roster *r, const struct roster_entry *e, struct verdict *out)
{
	struct change c;
	roster_examine(r, e, out, &c);
}
