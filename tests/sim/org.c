/* SPDX-License-Identifier: BSD-2-Clause */
/* Organisations: their keys follow from their number, and what they write from that and a count. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void key_of(struct key *key, unsigned number, uint8_t which)
{
	uint8_t seed[32] = {which};

	put_u32(seed + 4, number + 1);
	key_from_seed(key, seed);
}

struct org *org_new(struct world *w, unsigned number, bool founder)
{
	struct org *o = calloc(1, sizeof *o);
	struct node_body body = {.serial = 1, .tls_pin_count = 1};
	struct buffer message = BUFFER_INIT;
	char log_name[VERIFIER_NAME_MAX + 1], cosigner[VERIFIER_NAME_MAX];
	struct key registrar, witness;

	if (!o)
		abort();
	o->number = number;
	o->founder = founder;
	snprintf(o->name, sizeof o->name, "n%u.example", number);
	snprintf(cosigner, sizeof cosigner, "%s/cosigner", o->name);
	key_of(&o->root, number, 1);
	key_of(&o->log_key, number, 2);
	key_of(&o->device, number, 3);
	key_of(&registrar, number, 4);
	key_of(&witness, number, 5);
	memcpy(body.log_key, o->log_key.public, KEY_LEN);
	memcpy(body.registrar_key, registrar.public, KEY_LEN);
	memset(body.tls_pins[0], 0x11, HASH_LEN);
	if (verifier_make(
		&body.cosigner, bytes_str(cosigner), VERIFIER_COSIGNATURE, witness.public) != OK ||
	    credential_make(
		&message, log_name, w->forum, o->name, 1, &o->root, &body, 1, SIM_TIME) != OK ||
	    credential_open(
		&o->credential, w->forum, bytes_str(log_name), buffer_bytes(&message)) != OK)
		abort();
	buffer_free(&message);
	o->sequence = 1;
	return o;
}

void org_free(struct org *o)
{
	if (!o)
		return;
	credential_clear(&o->credential);
	free(o->posts);
	free(o);
}

void org_message(struct org *o, uint32_t kind, struct bytes body, struct bytes content,
    uint8_t salt[static SALT_LEN], struct buffer *message)
{
	const struct key *signer = kind == KIND_ADMIT ? &o->root : &o->device;
	struct header h = {
	    .version = 1, .sequence = ++o->sequence, .kind = kind, .time = SIM_TIME, .body = body};
	int err;

	memcpy(h.signer, signer->public, KEY_LEN);
	memset(salt, 0, SALT_LEN);
	if (content.len > 0) {
		put_u64(salt, h.sequence);
		put_u32(salt + 8, o->number);
		h.has_commitment = true;
		h.bucket = bucket_of(content.len);
		commitment_make(h.commitment, &o->credential.binding, h.signer, salt, content);
	}
	err = message_sign(message, &o->credential.binding, &h, signer);
	assert(err == OK);
	(void)err;
}

struct org *org_of_log(const struct world *w, const char *log_name)
{
	unsigned number;

	/* Names are ours: "n17.example/…". */
	if (sscanf(log_name, "n%u.", &number) != 1 || number >= w->org_count ||
	    strcmp(w->orgs[number]->credential.binding.log_name, log_name) != 0)
		return NULL;
	return w->orgs[number];
}
