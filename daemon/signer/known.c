/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs of members, and who is one. All of it is forgotten with the process: whoever asks tells
 * it again, with proof. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/signer/core_inside.h"

struct known *known_find(const struct core *c, const uint8_t digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < c->known_count; i++) {
		if (memcmp(c->known[i]->binding.digest, digest, DIGEST_LEN) == 0)
			return c->known[i];
	}
	return NULL;
}

void known_free(struct core *c)
{
	for (size_t i = 0; i < c->known_count; i++) {
		free(c->known[i]->admits);
		free(c->known[i]);
	}
	free(c->known);
}

static bool same_organisation(const struct known *k, const struct credential *o)
{
	return memcmp(k->root_key, o->root_key, KEY_LEN) == 0 &&
	       strcmp(k->organisation, o->organisation) == 0;
}

/* Whether one more log of its organisation may come in. */
static int room_for(struct core *c, const struct credential *o)
{
	size_t same = 0;

	for (size_t i = 0; i < c->known_count; i++) {
		if (!same_organisation(c->known[i], o))
			continue;
		/* Two first logs, or two successors of one: a fork (SPEC.md 4.4). */
		if (c->known[i]->number == o->number)
			return ERR_FORK;
		same++;
	}
	if (same >= CORE_LOGS_PER_ORG || c->known_count >= HEADS_MAX)
		return ERR_QUOTA;
	if (c->known_count == c->known_cap) {
		size_t cap = c->known_cap ? c->known_cap * 2 : 16;
		struct known **grown = realloc(c->known, cap * sizeof *grown);

		if (!grown)
			return ERR_NOMEM;
		c->known = grown;
		c->known_cap = cap;
	}
	return OK;
}

static int known_add(struct core *c, const struct credential *o)
{
	struct known *k;
	int err;

	if (!members_has(c->members, bytes_str(o->organisation), o->root_key))
		return ERR_NOT_MEMBER;
	err = room_for(c, o);
	if (err)
		return err;
	k = calloc(1, sizeof *k);
	if (!k)
		return ERR_NOMEM;
	k->binding = o->binding;
	k->key = o->log;
	memcpy(k->organisation, o->organisation, sizeof k->organisation);
	memcpy(k->root_key, o->root_key, KEY_LEN);
	k->number = o->number;
	c->known[c->known_count++] = k;
	return OK;
}

int core_introduce(
    struct core *c, struct bytes log_name, struct bytes node, const struct head **head)
{
	static const struct head none;
	const struct cosigned *cosigned;
	struct credential o;
	int err = credential_open(&o, c->charter->forum, log_name, node);

	if (err)
		return err;
	if (!known_find(c, o.binding.digest))
		err = known_add(c, &o);
	cosigned = heads_find(c->heads, o.binding.digest);
	*head = cosigned ? &cosigned->head : &none;
	credential_clear(&o);
	return err;
}

static bool admit_seen(const struct known *k, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < k->admit_count; i++) {
		if (memcmp(k->admits[i], id, ADMIT_MARK) == 0)
			return true;
	}
	return false;
}

int core_admit(struct core *c, const uint8_t log[static DIGEST_LEN], struct bytes message)
{
	struct known *k = known_find(c, log);
	uint8_t(*grown)[ADMIT_MARK], id[ID_LEN];
	struct admit_body b;
	struct header h;
	int err;

	if (!k)
		return ERR_NOTFOUND;
	err = message_parse(message, &h);
	if (err)
		return err;
	if (h.kind != KIND_ADMIT)
		return ERR_UNKNOWN_KIND;
	if (memcmp(h.signer, k->root_key, KEY_LEN) != 0)
		return ERR_WRONG_ROOT;
	err = admit_body_parse(h.body, &b);
	if (!err && memcmp(b.root_key, k->root_key, KEY_LEN) == 0)
		err = ERR_INVALID;
	if (!err)
		err = message_verify(message, &k->binding, k->root_key);
	if (err)
		return err;
	message_id(id, message, &k->binding);
	if (admit_seen(k, id))
		return OK;
	if (k->admit_count == CORE_ADMITS_PER_LOG)
		return ERR_QUOTA;
	grown = realloc(k->admits, (k->admit_count + 1) * sizeof *grown);
	if (!grown)
		return ERR_NOMEM;
	k->admits = grown;
	err = members_admit(
	    c->members, bytes_str(k->organisation), k->root_key, b.name, b.root_key);
	if (err < 0)
		return err;
	memcpy(k->admits[k->admit_count++], id, ADMIT_MARK);
	return OK;
}
