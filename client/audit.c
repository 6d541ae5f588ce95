/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the log. The roster decides what is valid and has an effect; signatures are verified
 * where they matter to this person: those of the roster's own kinds, of this person's keys, and of
 * the organisation's. What others post changes nothing here, signed or not. */
#include "client/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/output.h"

/* Room for one more; the list is at `*list`. */
static int grow(void *list, size_t *room, size_t count, size_t size)
{
	void **at = list, *more;
	size_t wanted = *room ? 2 * *room : 16;

	if (count < *room)
		return OK;
	more = realloc(*at, wanted * size);
	if (!more)
		return ERR_NOMEM;
	*at = more;
	*room = wanted;
	return OK;
}

void audit_init(
    struct audit *a, const struct charter *charter, const uint8_t identity[static IDENTITY_LEN])
{
	memset(a, 0, sizeof *a);
	a->charter = charter;
	memcpy(a->identity, identity, IDENTITY_LEN);
}

void audit_free(struct audit *a)
{
	roster_free(a->roster);
	tree_free(a->tree);
	free(a->devices);
	free(a->messages);
	free(a->gaps);
	free(a->findings);
	memset(a, 0, sizeof *a);
}

int audit_add(
    struct audit *a, enum audit_level level, const char *name, uint64_t index, const char *fmt, ...)
{
	struct audit_finding *f;
	va_list ap;

	if (grow(&a->findings, &a->finding_room, a->finding_count, sizeof *f) != OK)
		return ERR_NOMEM;
	f = &a->findings[a->finding_count++];
	*f = (struct audit_finding){.level = level, .name = name, .index = index};
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	return OK;
}

int audit_log(struct audit *a, const struct credential *c)
{
	struct roster *next = roster_new(c, a->charter, a->roster);
	struct tree *tree = tree_new();

	if (!next || !tree || (a->roster == NULL) != (c->number == 1)) {
		roster_free(next);
		tree_free(tree);
		return tree ? ERR_INVALID : ERR_NOMEM;
	}
	roster_free(a->roster);
	tree_free(a->tree);
	a->roster = next;
	a->tree = tree;
	a->binding = c->binding;
	a->number = c->number;
	/* Sequences may begin anew, and need not: what was used in the log before is no gap. */
	return OK;
}

uint64_t audit_size(const struct audit *a)
{
	return a->tree ? tree_size(a->tree) : 0;
}

void audit_root(const struct audit *a, uint8_t out[static HASH_LEN])
{
	tree_root(a->tree, out);
}

/* ---- an entry ---- */

static size_t device_find(const struct audit *a, const uint8_t key[static KEY_LEN])
{
	for (size_t i = 0; i < a->device_count; i++)
		if (memcmp(a->devices[i].key, key, KEY_LEN) == 0)
			return i;
	return SIZE_MAX;
}

/* The organisation's keys count whatever they sign: one bad signature taken for a good one would
 * raise their sequence, and hide what they sign next. */
static bool matters(const struct audit *a, const struct header *h)
{
	enum signer_class class;

	switch (h->kind) {
	case KIND_NODE:
	case KIND_ENROL:
	case KIND_REVOKE:
	case KIND_ERASE:
		return true;
	default:
		class = roster_class(a->roster, h->signer);
		return (class != SIGNER_NONE && class != SIGNER_DEVICE) ||
		       device_find(a, h->signer) != SIZE_MAX;
	}
}

static int device_add(struct audit *a, const struct roster_entry *e, const struct enrol_body *b)
{
	const struct signer *s = roster_signer(a->roster, b->device_key);
	struct audit_device *d;

	if (grow(&a->devices, &a->device_room, a->device_count, sizeof *d) != OK)
		return ERR_NOMEM;
	d = &a->devices[a->device_count++];
	*d = (struct audit_device){.way = b->recovery          ? BY_RECOVERY
					  : b->has_endorsement ? BY_DEVICE
							       : BY_INVITE,
	    .recovered = s && s->recovery,
	    .number = a->number,
	    .enrolled = e->index,
	    .time = e->header->time};
	memcpy(d->key, b->device_key, KEY_LEN);
	memcpy(d->enrol_id, e->id, ID_LEN);
	memcpy(d->endorser, b->endorser, KEY_LEN);
	return OK;
}

static int enrol_read(struct audit *a, const struct roster_entry *e, const struct verdict *v)
{
	struct enrol_body b;
	char digits[FINGERPRINT_LEN], when[24];

	if (enrol_body_parse(e->header->body, &b) != OK ||
	    memcmp(b.identity, a->identity, IDENTITY_LEN) != 0)
		return OK;
	if (v->effect)
		return device_add(a, e, &b);
	return audit_add(a, AUDIT_WRONG, "attempt", e->index,
	    "the registrar has tried to enrol the device %s for this identity, which had no effect "
	    "(%s), %s",
	    device_fingerprint(digits, b.device_key), error_text(v->why),
	    time_local(when, e->header->time));
}

static void revoke_read(struct audit *a, const struct roster_entry *e)
{
	struct audit_device *d;
	struct revoke_body b;
	size_t at = SIZE_MAX;

	if (revoke_body_parse(e->header->body, &b) == OK)
		at = device_find(a, b.device_key);
	if (at == SIZE_MAX)
		return;
	d = &a->devices[at];
	d->revoked = true;
	d->revoked_at = e->index;
	d->revoked_time = e->header->time;
	d->reason = b.reason;
	d->by_itself = memcmp(e->header->signer, d->key, KEY_LEN) == 0;
}

static bool is_own(const struct audit *a, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < a->device_count; i++)
		if (memcmp(a->devices[i].enrol_id, id, ID_LEN) == 0)
			return true; /* with it the profile */
	for (size_t i = a->message_count; i-- > 0;)
		if (memcmp(a->messages[i].id, id, ID_LEN) == 0)
			return true;
	return false;
}

/* By the registrar: what somebody erases of their own is no news to them. */
static int erase_read(struct audit *a, const struct roster_entry *e)
{
	static const char *const reasons[] = {
	    "", ", as its author wished", ", because of a law", ", as an error"};
	struct target_body b;
	char id[9], when[24];

	if (erase_body_parse(e->header->body, &b) != OK || !is_own(a, b.target.id))
		return OK;
	return audit_add(a, AUDIT_NOTE, "erased", e->index,
	    "the organisation has erased the text of %s%s, %s", id_short(id, b.target.id),
	    b.reason < 4 ? reasons[b.reason] : "", time_local(when, e->header->time));
}

static int message_add(struct audit *a, const struct roster_entry *e, size_t device)
{
	struct audit_device *d = &a->devices[device];
	struct audit_message *m;
	uint64_t sequence = e->header->sequence;

	if (sequence > d->sequence + 1) {
		if (grow(&a->gaps, &a->gap_room, a->gap_count, sizeof *a->gaps) != OK)
			return ERR_NOMEM;
		a->gaps[a->gap_count++] = (struct audit_gap){.device = device,
		    .from = d->sequence + 1,
		    .to = sequence - 1,
		    .number = a->number,
		    .index = e->index};
	}
	d->sequence = sequence;
	d->messages++;
	if (grow(&a->messages, &a->message_room, a->message_count, sizeof *m) != OK)
		return ERR_NOMEM;
	m = &a->messages[a->message_count++];
	*m = (struct audit_message){
	    .number = a->number, .index = e->index, .sequence = sequence, .device = device};
	memcpy(m->id, e->id, ID_LEN);
	a->sorted = false;
	return OK;
}

static int entry_read(struct audit *a, const struct roster_entry *e, const struct verdict *v)
{
	size_t device = device_find(a, e->header->signer);
	int err = OK;

	/* Before what it does to the device that has signed it. */
	if (v->class == SIGNER_DEVICE && device != SIZE_MAX)
		err = message_add(a, e, device);
	if (!err && e->header->kind == KIND_ENROL && v->class == SIGNER_REGISTRAR)
		err = enrol_read(a, e, v);
	else if (!err && e->header->kind == KIND_REVOKE && v->effect)
		revoke_read(a, e);
	else if (!err && e->header->kind == KIND_ERASE && v->effect && v->class == SIGNER_REGISTRAR)
		err = erase_read(a, e);
	return err;
}

int audit_entry(struct audit *a, struct bytes leaf)
{
	struct header h = {.version = 0};
	struct roster_entry e = {.index = tree_size(a->tree), .message = leaf, .header = &h};
	struct tree_hash hash;
	struct verdict v;
	int err;

	leaf_hash(&hash, leaf);
	if (tree_append(a->tree, &hash) != OK)
		return ERR_NOMEM;
	e.parsed = message_parse(leaf, &h);
	if (e.parsed == OK) {
		message_id(e.id, leaf, &a->binding);
		/* Unverified, it counts for nothing: no sequence rises by it. */
		e.signature = matters(a, &h) ? message_verify(leaf, &a->binding, h.signer)
					     : ERR_SIGNATURE;
	}
	err = roster_judge(a->roster, &e, &v);
	return err || !v.valid ? err : entry_read(a, &e, &v);
}
