/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "member/roster_state.h"

/* An entry adds at most its signer and one more. */
enum { SLOTS_PER_ENTRY = 2 };

static int reserve(struct roster *r, uint32_t more)
{
	if (more > r->cap - r->count) {
		if (r->cap > UINT32_MAX / 4 || more > UINT32_MAX / 4)
			return ERR_NOMEM;
		uint32_t cap = r->cap * 2, need = r->count + more;
		if (cap < need)
			cap = need;
		struct slot *slots = realloc(r->slots, (size_t)cap * sizeof(*slots));
		if (slots == NULL)
			return ERR_NOMEM;
		r->slots = slots;
		uint32_t *dirty = realloc(r->dirty, (size_t)cap * sizeof(*dirty));
		if (dirty == NULL)
			return ERR_NOMEM;
		r->dirty = dirty;
		r->cap = cap;
	}
	if (key_index_reserve(&r->by_key, more) != OK)
		return ERR_NOMEM;
	return key_index_reserve(&r->by_identity, more);
}

static void touch(struct roster *r, uint32_t row)
{
	if (r->slots[row].dirty)
		return;
	r->slots[row].dirty = true;
	r->dirty[r->dirty_count++] = row;
}

/* Take in a key that isn't there yet; there is room. */
static uint32_t slot_add(struct roster *r, const struct signer *s)
{
	uint32_t row = r->count++, first;
	r->slots[row] = (struct slot){.s = *s};
	key_index_add(&r->by_key, r->slots, row);
	if (s->class == SIGNER_DEVICE &&
	    !key_index_find(&r->by_identity, r->slots, s->identity, &first))
		key_index_add(&r->by_identity, r->slots, row);
	return row;
}

/* The row of a key, made for `class` when there is none. */
static uint32_t slot_for(
    struct roster *r, const uint8_t key[static KEY_LEN], enum signer_class class)
{
	uint32_t row;
	if (key_index_find(&r->by_key, r->slots, key, &row))
		return row;
	struct signer s = {.class = class};
	memcpy(s.key, key, KEY_LEN);
	return slot_add(r, &s);
}

/* Copy a NODE message and read its body there. */
static int node_read(struct node_body *node, struct buffer *message, struct bytes from)
{
	struct header h;
	buffer_add(message, from.data, from.len);
	if (message->failed)
		return ERR_NOMEM;
	int err = message_parse(buffer_bytes(message), &h);
	if (err == OK)
		err = h.kind == KIND_NODE ? node_body_parse(h.body, node) : ERR_MALFORMED;
	return err;
}

static void indices_init(struct roster *r)
{
	key_index_init(&r->by_key, sizeof(struct slot), offsetof(struct slot, s.key), KEY_LEN);
	key_index_init(
	    &r->by_identity, sizeof(struct slot), offsetof(struct slot, s.identity), IDENTITY_LEN);
}

static int slots_copy(struct roster *r, const struct roster *from)
{
	if (reserve(r, from->count) != OK)
		return ERR_NOMEM;
	key_index_free(&r->by_key);
	key_index_free(&r->by_identity);
	if (key_index_copy(&r->by_key, &from->by_key) != OK ||
	    key_index_copy(&r->by_identity, &from->by_identity) != OK)
		return ERR_NOMEM;
	if (from->count > 0)
		memcpy(r->slots, from->slots, (size_t)from->count * sizeof(*r->slots));
	r->count = from->count;
	return OK;
}

/* Roster and authority as they were at that size; sequences count per log (4.4). */
static int inherit(struct roster *r, const struct credential *c, const struct roster *previous)
{
	if (previous->next != c->node.previous_size ||
	    !bytes_equal(c->node.previous_log, bytes_str(previous->binding.log_name)) ||
	    memcmp(previous->binding.forum, r->binding.forum, HASH_LEN) != 0 ||
	    memcmp(previous->root_key, r->root_key, KEY_LEN) != 0)
		return ERR_INVALID;
	if (slots_copy(r, previous) != OK)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < r->count; i++) {
		struct slot *slot = &r->slots[i];
		slot->s.sequence = 0;
		memset(slot->s.last_id, 0, ID_LEN);
		slot->dirty = false;
		touch(r, i);
	}
	r->in_force = previous->in_force;
	return node_read(&r->node, &r->node_message, buffer_bytes(&previous->node_message));
}

struct roster *roster_new(const struct credential *credential, const struct charter *charter,
    const struct roster *previous)
{
	struct roster *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->binding = credential->binding;
	memcpy(r->organisation, credential->organisation, sizeof(r->organisation));
	r->number = credential->number;
	memcpy(r->root_key, credential->root_key, KEY_LEN);
	memcpy(r->log_key, credential->node.log_key, KEY_LEN);
	message_id(r->credential_id, buffer_bytes(&credential->message), &r->binding);
	r->previous_size = credential->node.previous_size;
	r->topics = charter->topics;
	r->bucket_max = bucket_of(charter->content_limit);
	indices_init(r);

	int err;
	if (previous != NULL)
		err = inherit(r, credential, previous);
	else
		err = node_read(&r->node, &r->node_message, buffer_bytes(&credential->message));
	r->ready = previous != NULL || r->number == 1;
	if (err != OK) {
		roster_free(r);
		return NULL;
	}
	return r;
}

void roster_free(struct roster *r)
{
	if (r == NULL)
		return;
	key_index_free(&r->by_key);
	key_index_free(&r->by_identity);
	buffer_free(&r->node_message);
	free(r->slots);
	free(r->dirty);
	free(r);
}

struct roster *roster_copy(const struct roster *from)
{
	struct roster *r = malloc(sizeof(*r));
	if (r == NULL)
		return NULL;
	*r = *from;
	r->slots = NULL;
	r->dirty = NULL;
	r->count = r->cap = 0;
	r->node_message = (struct buffer)BUFFER_INIT;
	indices_init(r);
	if (slots_copy(r, from) != OK ||
	    node_read(&r->node, &r->node_message, buffer_bytes(&from->node_message)) != OK) {
		roster_free(r);
		return NULL;
	}
	if (from->dirty_count > 0)
		memcpy(r->dirty, from->dirty, from->dirty_count * sizeof(*r->dirty));
	return r;
}

/* ---- the fold ---- */

static void node_apply(struct roster *r, const struct roster_entry *e, const struct node_body *node,
    struct buffer *message)
{
	bool same = r->in_force && memcmp(r->node.registrar_key, node->registrar_key, KEY_LEN) == 0;
	uint32_t row;
	if (r->in_force && !same) {
		row = slot_for(r, r->node.registrar_key, SIGNER_REGISTRAR);
		if (r->slots[row].s.class == SIGNER_REGISTRAR)
			r->slots[row].s.revoked = e->index > 0 ? e->index : r->previous_size;
		touch(r, row);
	}
	row = slot_for(r, node->registrar_key, SIGNER_REGISTRAR);
	if (!same && r->slots[row].s.class == SIGNER_REGISTRAR) {
		struct signer *s = &r->slots[row].s;
		s->enrolled = e->index;
		memcpy(s->enrol_id, e->id, ID_LEN);
		s->revoked = 0;
		touch(r, row);
	}
	buffer_free(&r->node_message);
	r->node_message = *message;
	r->node = *node;
	r->in_force = true;
	*message = (struct buffer)BUFFER_INIT;
}

static void enrol_apply(struct roster *r, const struct roster_entry *e, const struct enrol_body *b)
{
	struct signer s = {.class = SIGNER_DEVICE,
	    .custody = b->custody,
	    .recovery = b->recovery,
	    .enrolled = e->index};
	uint32_t row;
	memcpy(s.key, b->device_key, KEY_LEN);
	memcpy(s.identity, b->identity, IDENTITY_LEN);
	memcpy(s.enrol_id, e->id, ID_LEN);
	/* Else whoever has taken the registrar's key would recover one, and speak by a second. */
	if (b->has_endorsement && key_index_find(&r->by_key, r->slots, b->endorser, &row))
		s.recovery = r->slots[row].s.recovery;
	touch(r, slot_add(r, &s));
}

static void revoke_apply(
    struct roster *r, const struct roster_entry *e, const struct revoke_body *b)
{
	uint32_t row = slot_for(r, b->device_key, SIGNER_DEVICE);
	r->slots[row].s.revoked = e->index;
	touch(r, row);
}

int roster_judge(struct roster *r, const struct roster_entry *e, struct verdict *out)
{
	struct change change;
	struct node_body node;
	struct buffer message = BUFFER_INIT;
	if (!r->ready || e->index != r->next ||
	    (e->index == 0 && memcmp(e->id, r->credential_id, ID_LEN) != 0))
		return ERR_INVALID;
	roster_examine(r, e, out, &change);

	/* All that can fail comes before the first change. A NODE may bring two registrar keys. */
	if (out->valid && reserve(r, SLOTS_PER_ENTRY + 1) != OK)
		return ERR_NOMEM;
	if (change.kind == KIND_NODE && node_read(&node, &message, e->message) != OK) {
		buffer_free(&message);
		return ERR_NOMEM;
	}
	r->next++;
	if (!out->valid)
		return OK;

	uint32_t row = slot_for(r, e->header->signer, out->class);
	r->slots[row].s.sequence = e->header->sequence;
	memcpy(r->slots[row].s.last_id, e->id, ID_LEN);
	touch(r, row);
	if (change.kind == KIND_NODE)
		node_apply(r, e, &node, &message);
	else if (change.kind == KIND_ENROL)
		enrol_apply(r, e, &change.body.enrol);
	else if (change.kind == KIND_REVOKE)
		revoke_apply(r, e, &change.body.revoke);
	return OK;
}

int roster_load(struct roster *r, const struct signer *signers, size_t count,
    struct bytes node_message, uint64_t next)
{
	struct node_body node;
	struct buffer message = BUFFER_INIT;
	uint32_t row;
	if (r->next != 0 || next == 0)
		return ERR_INVALID;
	r->ready = false;
	r->count = r->dirty_count = 0;
	key_index_free(&r->by_key);
	key_index_free(&r->by_identity);
	int err = count < UINT32_MAX / 4 ? reserve(r, (uint32_t)count) : ERR_NOMEM;
	for (size_t i = 0; i < count && err == OK; i++) {
		if (key_index_find(&r->by_key, r->slots, signers[i].key, &row))
			err = ERR_MALFORMED;
		else
			slot_add(r, &signers[i]);
	}
	if (err == OK)
		err = node_read(&node, &message, node_message);
	if (err != OK) {
		buffer_free(&message);
		return err;
	}
	buffer_free(&r->node_message);
	r->node_message = message;
	r->node = node;
	r->in_force = true;
	r->next = next;
	r->ready = true;
	return OK;
}

/* ---- what is known ---- */

uint64_t roster_next(const struct roster *r)
{
	return r->next;
}

const struct signer *roster_signer(const struct roster *r, const uint8_t key[static KEY_LEN])
{
	uint32_t row;
	return key_index_find(&r->by_key, r->slots, key, &row) ? &r->slots[row].s : NULL;
}

bool roster_has_identity(const struct roster *r, const uint8_t identity[static IDENTITY_LEN])
{
	uint32_t row;
	return key_index_find(&r->by_identity, r->slots, identity, &row);
}

const struct node_body *roster_node(const struct roster *r)
{
	return &r->node;
}

struct bytes roster_node_message(const struct roster *r)
{
	return buffer_bytes(&r->node_message);
}

size_t roster_signer_count(const struct roster *r)
{
	return r->count;
}

const struct signer *roster_signer_at(const struct roster *r, size_t i)
{
	assert(i < r->count);
	return &r->slots[i].s;
}

size_t roster_dirty_count(const struct roster *r)
{
	return r->dirty_count;
}

const struct signer *roster_dirty_at(const struct roster *r, size_t i)
{
	assert(i < r->dirty_count);
	return &r->slots[r->dirty[i]].s;
}

void roster_clean(struct roster *r)
{
	for (uint32_t i = 0; i < r->dirty_count; i++)
		r->slots[r->dirty[i]].dirty = false;
	r->dirty_count = 0;
}
