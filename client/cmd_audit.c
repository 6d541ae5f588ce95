/* SPDX-License-Identifier: BSD-2-Clause */
/* convene audit: the home log, read from its first entry to the head that this client holds the
 * node to, for what it says of one person; and this device's own messages, looked up in it. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/audit_read.h"
#include "client/cmd.h"
#include "client/session.h"

#define UNSEALED_MS 600000 /* longer ago, a message should be in the log */

struct auditing {
	const struct invocation *in;
	struct session s;
	struct key key;
	struct outbox outbox;
	struct head head;
	struct charter *charter;
	struct own_devices known;
	struct audit_chain chain;
	struct audit audit;
	uint64_t *refused, *waiting;
	size_t refused_count, waiting_count;
	bool own;
	struct trouble *t;
};

/* ---- what is read ---- */

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
	if (err)
		return err;
	audit_init(&x->audit, x->charter, identity);
	return audit_read(&x->audit, &x->s, &x->head, &x->chain, x->t);
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
	message_id(found, bytes_of_pb(proof->message), &x->chain.list[0].binding);
	leaf_hash(&leaf, bytes_of_pb(proof->message));
	stands = memcmp(found, id, ID_LEN) == 0 &&
		 tlog_proof_parse(bytes_of_pb(proof->proof), &index, hashes, &count, &note) == OK &&
		 index >= x->head.at.size &&
		 checkpoint_open(note, &x->chain.list[0].log, &at) == OK &&
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
	    id_short(id, k->id), k->sequence, x->outbox.folder[BOX_WAITING]);
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
		err = outbox_each(o, BOX_ANCHORED, forum, sent_check, x, x->t);
	if (!err)
		err = outbox_each(o, BOX_WAITING, forum, waiting_check, x, x->t);
	if (!err && o->sealed &&
	    ((o->sealed_log && o->sealed_log < x->audit.number) ||
		o->sealed_index < x->head.at.size) &&
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
	char hex[2 * KEY_LEN + 1], typed[2 * KEY_LEN + 1];
	size_t count = 0, len = 0;

	if (!digits)
		return OK;
	/* With spaces, as they are shown, and in capitals or not. */
	for (const char *p = digits; *p && len < sizeof typed - 1; p++)
		if (*p != ' ')
			typed[len++] = (char)tolower((unsigned char)*p);
	typed[len] = '\0';
	for (size_t i = 0; i < x->audit.device_count; i++) {
		hex_encode(hex, x->audit.devices[i].key, KEY_LEN);
		if (len < 8 || strncmp(hex, typed, len) != 0)
			continue;
		found = &x->audit.devices[i];
		count++;
	}
	if (!x->own || count != 1) {
		trouble_set(x->t, count ? ERR_EXISTS : ERR_NOTFOUND,
		    "%s device of yours begins with %.70s", count ? "more than one" : "no", digits);
		trouble_hint(
		    x->t, "Give at least 8 digits of its key, as `convene audit` shows them.");
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
	    audit_size(a) == 1
		? "Read: %" PRIu64 " entry of %s, which is the one that its key has signed."
		: "Read: %" PRIu64 " entries of %s, which are those that its key has signed.",
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
	if (a->device_count > 0 && audit_good(a))
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
	if (!err && !x->own && x->audit.device_count == 0) {
		err = trouble_set(&t, ERR_NOTFOUND,
		    "nobody is enrolled in %.180s under that identity", x->s.home.log_name);
		trouble_hint(&t,
		    "An audit is of your own organisation's log; `convene read --json` "
		    "shows whose log a message is in.");
	}
	if (err) {
		code = session_complain(in, &t);
	} else {
		(in->json ? programs_print : people_print)(x);
		code = audit_good(&x->audit) ? EXIT_DONE : EXIT_UNVERIFIED;
	}
	audit_chain_clear(&x->chain);
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
