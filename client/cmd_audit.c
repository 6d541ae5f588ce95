/* SPDX-License-Identifier: BSD-2-Clause */
/* convene audit: the home log, read from its first entry to the head that this client holds the
 * node to, for what it says of one person; and this device's own messages, looked up in it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/audit.h"
#include "client/cmd.h"
#include "client/head.h"
#include "client/session.h"

#define CHAIN_MAX 64 /* logs, each the successor of the one before */
#define ENTRIES_AT_ONCE 1024
#define UNSEALED_MS 600000 /* longer ago, a message should be in the log */

struct auditing {
	const struct invocation *in;
	struct session s;
	struct key key;
	struct outbox outbox;
	struct head head;
	struct charter *charter;
	struct own_devices known;
	struct credential chain[CHAIN_MAX]; /* the newest first */
	size_t chain_count;
	struct audit audit;
	uint64_t *refused, *waiting;
	size_t refused_count, waiting_count;
	bool own;
	struct trouble *t;
};

/* ---- the log ---- */

static int entries_get(struct auditing *x, const uint8_t digest[static DIGEST_LEN], uint64_t first,
    uint32_t count, ProtobufCMessage **m)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	int err;

	get.log = pb_of(bytes_of(digest, DIGEST_LEN));
	get.first = first;
	get.count = count;
	err = client_call(x->s.client, FRAME_ENTRIES_GET, &get.base, FRAME_DATA, m, x->t);
	if (!err && ((const Convene__Data *)*m)->first != first) {
		message_free(*m);
		*m = NULL;
		err = trouble_set(
		    x->t, ERR_MALFORMED, "the node shows other entries than asked for");
	}
	return err;
}

/* The credential of the log with this name, from its entry 0. */
static int credential_get(struct auditing *x, struct bytes name, struct credential *out)
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
		err = credential_open(out, x->s.home.node.forum, name, leaf);
	message_free(m);
	if (!err && memcmp(out->root_key, x->s.home.node.root_key, KEY_LEN) != 0)
		err = ERR_WRONG_ROOT;
	return err ? trouble_set(x->t, err,
			 "the first entry of %.*s is not a credential of your organisation: %s",
			 (int)(name.len < 200 ? name.len : 200), (const char *)name.data,
			 error_text(err))
		   : OK;
}

/* From the home log back to the first one of the organisation. */
static int chain_get(struct auditing *x)
{
	struct bytes name = bytes_str(x->s.home.log_name);
	int err = OK;

	while (!err) {
		struct credential *c = &x->chain[x->chain_count];

		if (x->chain_count == CHAIN_MAX)
			return trouble_set(
			    x->t, ERR_TOO_LARGE, "that log has too many predecessors");
		err = credential_get(x, name, c);
		if (err)
			break;
		x->chain_count++;
		if (c->number == 1)
			break;
		name = c->node.previous_log;
	}
	return err;
}

static int entries_read(struct auditing *x, const struct credential *c, uint64_t size)
{
	int err = OK;

	while (!err && audit_size(&x->audit) < size) {
		uint64_t first = audit_size(&x->audit), left = size - first;
		ProtobufCMessage *m;
		struct bytes leaves, leaf;
		size_t pos = 0;

		err = entries_get(x, c->binding.digest, first,
		    left < ENTRIES_AT_ONCE ? (uint32_t)left : ENTRIES_AT_ONCE, &m);
		if (err)
			break;
		leaves = bytes_of_pb(((const Convene__Data *)m)->leaves);
		while (!err && audit_size(&x->audit) < size &&
		       (err = leaves_next(leaves, &pos, &leaf)) == OK)
			if ((err = audit_entry(&x->audit, leaf)) != OK)
				trouble_set(x->t, err, "entry %" PRIu64 " can't be taken in: %s",
				    audit_size(&x->audit) - 1, error_text(err));
		if (err == ERR_NOTFOUND)
			err = OK;
		if (!err && audit_size(&x->audit) == first)
			err = trouble_set(x->t, ERR_MALFORMED, "the node shows no entry");
		else if (err == ERR_MALFORMED)
			trouble_set(x->t, err, "the node's entries can't be read");
		message_free(m);
	}
	return err;
}

static int log_read(struct auditing *x, size_t at)
{
	const struct credential *c = &x->chain[at], *next = at > 0 ? &x->chain[at - 1] : NULL;
	uint64_t size = next ? next->node.previous_size : x->head.at.size;
	const uint8_t *wanted = next ? next->node.previous_root : x->head.at.root;
	uint8_t root[HASH_LEN];
	int err = audit_log(&x->audit, c);

	if (err)
		return trouble_set(x->t, err, "the log %.200s does not follow what came before",
		    c->binding.log_name);
	err = entries_read(x, c, size);
	if (err)
		return err;
	audit_root(&x->audit, root);
	if (memcmp(root, wanted, HASH_LEN) == 0)
		return OK;
	trouble_set(x->t, ERR_PROOF,
	    "the %" PRIu64 " entries that the node shows of %.200s are not those that were signed",
	    size, c->binding.log_name);
	trouble_hint(
	    x->t, "Tell the organisation, and others: this is not an accident of the network.");
	return ERR_PROOF;
}

static int charter_get(struct auditing *x)
{
	Convene__CharterGet get = CONVENE__CHARTER_GET__INIT;
	ProtobufCMessage *m;
	int err = client_call(x->s.client, FRAME_CHARTER_GET, &get.base, FRAME_CHARTER, &m, x->t);

	if (err)
		return err;
	err = charter_open(
	    &x->charter, bytes_of_pb(((const Convene__Charter *)m)->note), NULL, NULL);
	message_free(m);
	if (!err && memcmp(x->charter->forum, x->s.home.node.forum, HASH_LEN) != 0)
		err = ERR_OTHER_FORUM;
	return err ? trouble_set(x->t, err,
			 "the charter that the node shows is not this forum's (%s)",
			 error_text(err))
		   : OK;
}

/* Whose: one's own, or by the beginning of an identity, which only the log itself can complete. */
static int identity_take(struct auditing *x, uint8_t identity[static IDENTITY_LEN])
{
	const char *text = x->in->count ? x->in->operands[0] : NULL;

	x->own = !text;
	memcpy(identity, x->s.home.identity, IDENTITY_LEN);
	if (!text || hex_decode(identity, IDENTITY_LEN, text, strlen(text)) == OK)
		return OK;
	trouble_set(x->t, ERR_INVALID, "%.60s is not an identity", text);
	trouble_hint(x->t, "It has 32 digits, as `convene read --json` shows it of an author.");
	return ERR_INVALID;
}

static int walk(struct auditing *x)
{
	uint8_t identity[IDENTITY_LEN];
	int err = identity_take(x, identity);

	if (!err)
		err = charter_get(x);
	if (!err)
		err = head_read(&x->head, x->s.home.path, x->t);
	if (!err && x->head.at.size == 0)
		err = trouble_set(x->t, ERR_NOTFOUND, "no head of your log is known here yet");
	if (!err)
		err = chain_get(x);
	if (err)
		return err;
	audit_init(&x->audit, x->charter, identity);
	for (size_t i = x->chain_count; i-- > 0 && !err;)
		err = log_read(x, i);
	return err;
}

/* ---- this device's messages ---- */

static bool accounted(void *ctx, uint64_t sequence)
{
	const struct auditing *x = ctx;

	for (size_t i = 0; i < x->refused_count; i++)
		if (x->refused[i] == sequence)
			return true;
	for (size_t i = 0; i < x->waiting_count; i++)
		if (x->waiting[i] == sequence)
			return true;
	return outbox_dropped(&x->outbox, sequence);
}

/* Sealed behind the head that was read: the node must prove it. */
static bool stands_later(struct auditing *x, const uint8_t id[static ID_LEN])
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	struct tree_hash hashes[64], leaf;
	const Convene__Proof *proof;
	ProtobufCMessage *m;
	struct checkpoint at;
	struct bytes note;
	struct trouble t;
	uint64_t index;
	uint8_t found[ID_LEN];
	size_t count;
	bool stands;

	get.id = pb_of(bytes_of(id, ID_LEN));
	if (client_call(x->s.client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m, &t) != OK)
		return false;
	proof = (const Convene__Proof *)m;
	message_id(found, bytes_of_pb(proof->message), &x->chain[0].binding);
	leaf_hash(&leaf, bytes_of_pb(proof->message));
	stands = memcmp(found, id, ID_LEN) == 0 &&
		 tlog_proof_parse(bytes_of_pb(proof->proof), &index, hashes, &count, &note) == OK &&
		 index >= x->head.at.size && checkpoint_open(note, &x->chain[0].log, &at) == OK &&
		 inclusion_verify(index, at.size, &leaf, hashes, count, at.root) == OK;
	message_free(m);
	return stands;
}

static int sent_check(void *ctx, const struct kept *k)
{
	struct auditing *x = ctx;
	char id[9];

	if (memcmp(k->header.signer, x->key.public, KEY_LEN) != 0 || audit_find(&x->audit, k->id) ||
	    stands_later(x, k->id))
		return OK;
	return audit_add(&x->audit, AUDIT_WRONG, "lost", UINT64_MAX,
	    "your message %s, number %" PRIu64
	    ", was sealed, and is not in the log; it is kept in %.150s",
	    id_short(id, k->id), k->sequence, x->outbox.folder[BOX_SENT]);
}

static int waiting_check(void *ctx, const struct kept *k)
{
	struct auditing *x = ctx;
	uint64_t now = clock_wall_ms();
	bool late = k->header.time + UNSEALED_MS < now;
	char id[9], when[24];

	if (audit_find(&x->audit, k->id) || stands_later(x, k->id))
		return OK;
	return audit_add(&x->audit, late ? AUDIT_WRONG : AUDIT_NOTE, "unsealed", UINT64_MAX,
	    "your message %s, number %" PRIu64 ", signed %s, is not in the log yet",
	    id_short(id, k->id), k->sequence, time_local(when, k->header.time));
}

static int own_check(struct auditing *x)
{
	const uint8_t *forum = x->s.home.node.forum;
	struct outbox *o = &x->outbox;
	char id[9];
	int err = outbox_each(o, BOX_SENT, forum, sent_check, x, x->t);

	if (!err)
		err = outbox_each(o, BOX_WAITING, forum, waiting_check, x, x->t);
	if (!err && o->sealed && o->sealed_index < x->head.at.size &&
	    !audit_find(&x->audit, o->sealed_id))
		err = audit_add(&x->audit, AUDIT_WRONG, "lost", UINT64_MAX,
		    "your message %s, number %" PRIu64 ", had been sealed at %" PRIu64
		    ", and is not there",
		    id_short(id, o->sealed_id), o->sealed, o->sealed_index);
	return err;
}

/* Say of a device that it is one's own. */
static int accept(struct auditing *x)
{
	const char *digits = option_value(x->in, "accept");
	const struct audit_device *found = NULL;
	char hex[2 * KEY_LEN + 1];
	size_t count = 0;

	if (!digits)
		return OK;
	for (size_t i = 0; i < x->audit.device_count; i++) {
		hex_encode(hex, x->audit.devices[i].key, KEY_LEN);
		if (strlen(digits) < 8 || strncmp(hex, digits, strlen(digits)) != 0)
			continue;
		found = &x->audit.devices[i];
		count++;
	}
	if (!x->own || count != 1) {
		trouble_set(x->t, count ? ERR_EXISTS : ERR_NOTFOUND,
		    "%s device of yours begins with %.70s", count ? "more than one" : "no", digits);
		trouble_hint(x->t, "Give at least 8 digits of its key, without spaces.");
		return x->t->err;
	}
	if (home_lock(&x->s.home, true, x->t) != OK ||
	    own_devices_add(x->s.home.path, found->key, x->t) != OK)
		return x->t->err;
	home_close(&x->s.home);
	return OK;
}

static int judge(struct auditing *x)
{
	struct audit_own own = {
	    .key = x->key.public, .devices = &x->known, .accounted = accounted, .ctx = x};
	int err = accept(x);

	if (!err && x->own)
		err = own_devices_read(&x->known, x->s.home.path, x->t);
	if (!err && x->own)
		err = session_outbox(&x->s, &x->outbox, x->t);
	if (!err && x->own)
		err = outbox_list(&x->outbox, BOX_REFUSED, &x->refused, &x->refused_count, x->t);
	if (!err && x->own)
		err = outbox_list(&x->outbox, BOX_WAITING, &x->waiting, &x->waiting_count, x->t);
	if (err)
		return err;
	own.sequence = x->outbox.sequence;
	if (audit_judge(&x->audit, x->own ? &own : NULL) != OK)
		return no_memory(x->t);
	return x->own ? own_check(x) : OK;
}

/* ---- telling ---- */

static void device_row(struct table *table, const struct auditing *x, const struct audit_device *d)
{
	bool this = x->own && memcmp(d->key, x->key.public, KEY_LEN) == 0;
	char digits[FINGERPRINT_LEN], when[24], by[9];

	table_cell(table, "%s", device_fingerprint(digits, d->key));
	table_cell(table, "%" PRIu64, d->enrolled);
	table_cell(table, "%s", time_local(when, d->time));
	if (d->way == BY_DEVICE)
		table_cell(table, "device %s%s", id_short(by, d->endorser),
		    d->recovered ? ", recovered" : "");
	else
		table_cell(table, "%s", d->way == BY_RECOVERY ? "recovery" : "invite");
	table_cell(table, "%" PRIu64, d->messages);
	table_cell(table, "%s%s", d->revoked ? "revoked" : "good", this ? ", this one" : "");
}

static void people_print(const struct auditing *x)
{
	const struct audit *a = &x->audit;
	struct table *table = table_new("DEVICE\tENTRY>\tSINCE\tLET IN BY\tMESSAGES>\tSTATE");

	print_sentence(0,
	    "Read: %" PRIu64 " entries of %s, which are those that its key has signed.",
	    audit_size(a), x->s.home.log_name);
	for (size_t i = 0; i < a->device_count; i++)
		device_row(table, x, &a->devices[i]);
	table_print(table);
	table_free(table);
	for (size_t i = 0; i < a->finding_count; i++) {
		const struct audit_finding *f = &a->findings[i];

		printf("%s ", f->level == AUDIT_WRONG ? "!!" : "--");
		print_sentence(3, "%s.", f->text);
	}
	if (a->device_count == 0)
		printf("Nobody is enrolled there under that identity.\n");
	else if (audit_good(a))
		printf("Nothing is wrong.\n");
}

static json_t *device_json(const struct auditing *x, const struct audit_device *d)
{
	static const char *const ways[] = {"invite", "device", "recovery"};
	json_t *o = json_object();

	json_put(o, "device_key", json_hex(d->key, KEY_LEN));
	if (x->own) {
		json_put(o, "this", json_boolean(memcmp(d->key, x->key.public, KEY_LEN) == 0));
		json_put(o, "known", json_boolean(d->known));
	}
	json_put(o, "way", json_string(ways[d->way]));
	if (d->way == BY_DEVICE)
		json_put(o, "endorser", json_hex(d->endorser, KEY_LEN));
	json_put(o, "recovered", json_boolean(d->recovered));
	json_put(o, "index", json_integer((json_int_t)d->enrolled));
	json_put(o, "time", json_integer((json_int_t)d->time));
	json_put(o, "messages", json_integer((json_int_t)d->messages));
	json_put(o, "state", json_string(d->revoked ? "revoked" : "good"));
	if (d->revoked)
		json_put(o, "revoked", json_integer((json_int_t)d->revoked_at));
	return o;
}

static void programs_print(const struct auditing *x)
{
	const struct audit *a = &x->audit;
	json_t *o = json_object(), *devices = json_array(), *findings = json_array();

	for (size_t i = 0; i < a->device_count; i++)
		json_array_append_new(devices, device_json(x, &a->devices[i]));
	for (size_t i = 0; i < a->finding_count; i++) {
		const struct audit_finding *f = &a->findings[i];
		json_t *one = json_object();

		json_put(one, "level", json_string(f->level == AUDIT_WRONG ? "wrong" : "note"));
		json_put(one, "name", json_string(f->name));
		if (f->index != UINT64_MAX)
			json_put(one, "index", json_integer((json_int_t)f->index));
		json_put(one, "text", json_bytes(bytes_str(f->text)));
		json_array_append_new(findings, one);
	}
	json_put(o, "log", json_string(x->s.home.log_name));
	json_put(o, "size", json_integer((json_int_t)audit_size(a)));
	json_put(o, "root", json_hex(x->head.at.root, HASH_LEN));
	json_put(o, "identity", json_hex(a->identity, IDENTITY_LEN));
	json_put(o, "messages", json_integer((json_int_t)a->message_count));
	json_put(o, "devices", devices);
	json_put(o, "findings", findings);
	json_put(o, "good", json_boolean(audit_good(a)));
	json_print(o);
}

int cmd_audit(const struct invocation *in)
{
	struct auditing *x = calloc(1, sizeof *x);
	struct trouble t;
	int code, err;

	if (!x)
		out_of_memory();
	x->in = in;
	x->t = &t;
	err = session_open(&x->s, in, true, &t);
	if (!err)
		err = home_key(&x->s.home, &x->key, &t);
	if (!err)
		err = walk(x);
	if (!err)
		err = judge(x);
	if (err) {
		code = session_complain(in, &t);
	} else {
		(in->json ? programs_print : people_print)(x);
		code = audit_good(&x->audit) ? EXIT_DONE : EXIT_UNVERIFIED;
	}
	for (size_t i = 0; i < x->chain_count; i++)
		credential_clear(&x->chain[i]);
	audit_free(&x->audit);
	own_devices_free(&x->known);
	charter_free(x->charter);
	head_clear(&x->head);
	free(x->refused);
	free(x->waiting);
	key_wipe(&x->key);
	session_close(&x->s);
	free(x);
	return code;
}
