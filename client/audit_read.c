/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/audit_read.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"

#define ENTRIES_AT_ONCE 1024

struct reading {
	struct audit *audit;
	struct session *s;
	const struct head *head;
	struct audit_chain *chain;
	struct trouble *t;
};

static int entries_get(struct reading *x, const uint8_t digest[static DIGEST_LEN], uint64_t first,
    uint32_t count, ProtobufCMessage **m)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	int err;

	get.log = pb_of(bytes_of(digest, DIGEST_LEN));
	get.first = first;
	get.count = count;
	err = client_call(x->s->client, FRAME_ENTRIES_GET, &get.base, FRAME_DATA, m, x->t);
	if (!err && ((const Convene__Data *)*m)->first != first) {
		message_free(*m);
		*m = NULL;
		err = trouble_set(
		    x->t, ERR_MALFORMED, "the node shows other entries than asked for");
	}
	return err;
}

/* The credential of the log with this name, from its entry 0. */
static int credential_get(struct reading *x, struct bytes name, struct credential *out)
{
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation, leaf;
	ProtobufCMessage *m;
	uint64_t number;
	size_t pos = 0;
	int err = log_name_parse(name, &organisation, digest, &number);

	if (err)
		return trouble_set(x->t, err, "the node names a log that can't be");
	err = entries_get(x, digest, 0, 1, &m);
	if (err)
		return err;
	err = leaves_next(bytes_of_pb(((const Convene__Data *)m)->leaves), &pos, &leaf);
	if (!err)
		err = credential_open(out, x->s->home.node.forum, name, leaf);
	message_free(m);
	if (!err && memcmp(out->root_key, x->s->home.node.root_key, KEY_LEN) != 0)
		err = ERR_WRONG_ROOT;
	return err ? trouble_set(x->t, err,
			 "the first entry of %.*s is not a credential of your organisation: %s",
			 (int)(name.len < 200 ? name.len : 200), (const char *)name.data,
			 error_text(err))
		   : OK;
}

/* From the home log back to the first one of the organisation. */
static int chain_get(struct reading *x)
{
	struct bytes name = bytes_str(x->s->home.log_name);
	int err = OK;

	while (!err) {
		struct credential *c = &x->chain->list[x->chain->count];

		if (x->chain->count == AUDIT_CHAIN_MAX)
			return trouble_set(
			    x->t, ERR_TOO_LARGE, "that log has too many predecessors");
		err = credential_get(x, name, c);
		if (err)
			break;
		x->chain->count++;
		if (c->number == 1)
			break;
		name = c->node.previous_log;
	}
	return err;
}

static int entries_read(struct reading *x, const struct credential *c, uint64_t size)
{
	int err = OK;

	while (!err && audit_size(x->audit) < size) {
		uint64_t first = audit_size(x->audit), left = size - first;
		ProtobufCMessage *m;
		struct bytes leaves, leaf;
		size_t pos = 0;

		err = entries_get(x, c->binding.digest, first,
		    left < ENTRIES_AT_ONCE ? (uint32_t)left : ENTRIES_AT_ONCE, &m);
		if (err)
			break;
		leaves = bytes_of_pb(((const Convene__Data *)m)->leaves);
		while (!err && audit_size(x->audit) < size &&
		       (err = leaves_next(leaves, &pos, &leaf)) == OK)
			if ((err = audit_entry(x->audit, leaf)) != OK)
				trouble_set(x->t, err, "entry %" PRIu64 " can't be taken in: %s",
				    audit_size(x->audit) - 1, error_text(err));
		if (err == ERR_NOTFOUND)
			err = OK;
		if (!err && audit_size(x->audit) == first)
			err = trouble_set(x->t, ERR_MALFORMED, "the node shows no entry");
		else if (err == ERR_MALFORMED)
			trouble_set(x->t, err, "the node's entries can't be read");
		message_free(m);
	}
	return err;
}

static int log_read(struct reading *x, size_t at)
{
	const struct credential *c = &x->chain->list[at],
				*next = at > 0 ? &x->chain->list[at - 1] : NULL;
	uint64_t size = next ? next->node.previous_size : x->head->at.size;
	const uint8_t *wanted = next ? next->node.previous_root : x->head->at.root;
	uint8_t root[HASH_LEN];
	int err = audit_log(x->audit, c);

	if (err)
		return trouble_set(x->t, err, "the log %.200s does not follow what came before",
		    c->binding.log_name);
	err = entries_read(x, c, size);
	if (err)
		return err;
	audit_root(x->audit, root);
	if (memcmp(root, wanted, HASH_LEN) == 0)
		return OK;
	trouble_set(x->t, ERR_PROOF,
	    "the %" PRIu64 " entries that the node shows of %.200s are not those that were signed",
	    size, c->binding.log_name);
	trouble_hint(
	    x->t, "Tell the organisation, and others: this is not an accident of the network.");
	return ERR_PROOF;
}

void audit_chain_clear(struct audit_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		credential_clear(&chain->list[i]);
	chain->count = 0;
}

int audit_read(struct audit *a, struct session *s, const struct head *head,
    struct audit_chain *chain, struct trouble *t)
{
	struct reading x = {a, s, head, chain, t};
	int err = chain_get(&x);

	for (size_t i = chain->count; i-- > 0 && !err;)
		err = log_read(&x, i);
	return err;
}
