/* SPDX-License-Identifier: BSD-2-Clause */
/* What the root key signs besides charters: the credential of this node, and admissions. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"
#include "member/credential_text.h"
#include "msg/body.h"
#include "msg/frame.h"
#include "net/tls.h"

#define PENDING "credential.new"

static int path_of(const struct ctl *c, char out[static PATH_LEN], struct trouble *t)
{
	return path_join(out, c->keys, "credential", t);
}

/* The public halves of the keys that the credential names. */
static int body_fill(const struct ctl *c, struct node_body *node, struct trouble *t)
{
	char cosigner[VERIFIER_NAME_MAX + 1];
	struct key key;
	int err;

	snprintf(cosigner, sizeof cosigner, "%s/cosigner", c->conf->node.name);
	err = key_load(c, "log", &key, t);
	if (!err) {
		memcpy(node->log_key, key.public, KEY_LEN);
		err = rotate_load(c, "registrar", &key, t);
	}
	if (!err) {
		memcpy(node->registrar_key, key.public, KEY_LEN);
		err = rotate_load(c, "cosigner", &key, t);
	}
	if (!err) {
		err = verifier_make(
		    &node->cosigner, bytes_str(cosigner), VERIFIER_COSIGNATURE, key.public);
		if (err)
			trouble_set(
			    t, err, "the cosigner's name, %s, can't stand in a key", cosigner);
	}
	if (!err)
		err = rotate_load(c, "tls", &key, t);
	if (!err) {
		tls_pin_of(node->tls_pins[0], key.public);
		node->tls_pin_count = 1;
	}
	key_wipe(&key);
	return err;
}

/* Sign a NODE message and open it again. */
static int credential_sign(const struct ctl *c, const struct charter *charter,
    const struct node_body *node, uint64_t number, uint64_t sequence, const struct key *root,
    struct credential *out, struct trouble *t)
{
	char log_name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT;
	int err = credential_make(&message, log_name, charter->forum, c->conf->node.name, number,
	    root, node, sequence, clock_wall_ms());

	if (!err)
		err = credential_open_newer(
		    out, charter->forum, bytes_str(log_name), buffer_bytes(&message));
	buffer_free(&message);
	if (err == ERR_INVALID)
		trouble_set(t, ERR_KEY,
		    "these keys make no credential that others would accept: all must be distinct");
	else if (err)
		trouble_set(t, err, "the credential can't be made: %s", error_text(err));
	return err;
}

static void text_of(struct buffer *out, const struct credential *credential)
{
	credential_text_add(out, credential->binding.log_name, buffer_bytes(&credential->message));
}

int credential_ensure(const struct ctl *c, const struct charter *charter, struct credential *out,
    bool *made, struct trouble *t)
{
	struct node_body node = {.serial = 1};
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	struct key root;
	int err = ctl_credential(c, charter, out, t);

	*made = false;
	if (err != ERR_NOTFOUND)
		return err;
	err = path_of(c, path, t);
	if (!err)
		err = body_fill(c, &node, t);
	if (!err)
		err = root_load(c, &root, t);
	if (err)
		return err;
	err = credential_sign(c, charter, &node, 1, 1, &root, out, t);
	key_wipe(&root);
	if (!err) {
		text_of(&text, out);
		err = text.failed ? no_memory(t) : file_create(path, buffer_bytes(&text), 0644, t);
		if (err)
			credential_clear(out);
	}
	buffer_free(&text);
	*made = !err;
	return err;
}

int credential_after_charter(const struct ctl *c, const struct charter *charter)
{
	struct credential credential;
	struct trouble t;
	bool made;
	int err = credential_ensure(c, charter, &credential, &made, &t);

	if (err == ERR_NOTFOUND && !file_is_there(c->root)) {
		if (!c->in->json)
			printf("The root key is not here. Where it is, run `convenectl "
			       "credential`; the file\n"
			       "%s/credential belongs on this machine.\n",
			    c->keys);
		return EXIT_DONE;
	}
	if (err)
		return ctl_fail(c->in, &t);
	if (made && !c->in->json)
		printf("This node's credential is in %s/credential; its log is\n%s.\n", c->keys,
		    credential.binding.log_name);
	credential_clear(&credential);
	return EXIT_DONE;
}

static void credential_print(
    const struct ctl *c, const struct credential *credential, const char *said)
{
	char hex[65];

	if (c->in->json) {
		json_t *o = json_object();
		char path[PATH_LEN];
		struct trouble t;

		json_put(o, "log", json_string(credential->binding.log_name));
		json_put(o, "forum", json_string(forum_text(hex, credential->binding.forum)));
		json_put(o, "serial", json_integer((json_int_t)credential->node.serial));
		json_put(o, "root_key", json_hex(credential->root_key, KEY_LEN));
		if (path_of(c, path, &t) == OK)
			json_put(o, "file", json_bytes(bytes_str(path)));
		json_print(o);
		return;
	}
	printf("%s\n", said);
	printf("  Log     %s\n", credential->binding.log_name);
	printf("  Forum   %s\n", forum_text(hex, credential->binding.forum));
	printf("  Serial  %" PRIu64 "\n", credential->node.serial);
	printf("  TLS     ");
	for (size_t i = 0; i < credential->node.tls_pin_count; i++) {
		hex_encode(hex, credential->node.tls_pins[i], HASH_LEN);
		printf("%s%s\n", i ? "          " : "", hex);
	}
}

/* Send a signed message to the daemon as it stands. */
static int submit(const struct ctl *c, struct bytes message, json_t **answer, struct trouble *t)
{
	static const char *const argv[] = {"submit"};
	Convene__Submission m = CONVENE__SUBMISSION__INIT;
	struct buffer input = BUFFER_INIT;
	int err;

	m.message = pb_of(message);
	buffer_reserve(&input, protobuf_c_message_get_packed_size(&m.base));
	if (input.failed)
		return no_memory(t);
	input.len = protobuf_c_message_pack(&m.base, input.data);
	err = daemon_call(c, 1, argv, buffer_bytes(&input), answer, t);
	buffer_free(&input);
	if (err && t->code == CONVENE__CODE__SEQUENCE)
		trouble_hint(t, "root.sequence beside the root key is older than the log. Give "
				"--sequence with a number"
				" above all that the root key has used.");
	return err;
}

/* What the daemon knows before anything is signed: the highest sequence of the root key (`seen`),
 * and whether this organisation is a member already (ERR_EXISTS). */
static int daemon_ask(
    const struct ctl *c, const struct verifier *new, uint64_t *seen, struct trouble *t)
{
	static const char *const argv[] = {"status"};
	const json_t *members;
	json_t *answer, *member;
	char id[9];
	size_t i;
	int err = daemon_call(c, 1, argv, bytes_of(NULL, 0), &answer, t);

	if (err) {
		if (err == ERR_CLOSED && new)
			trouble_hint(t, "Is convened running? `admit --out FILE` signs without it, "
					"and `submit` sends later.");
		return err;
	}
	*seen = number_at(answer, "root_sequence");
	members = json_object_get(answer, "members");
	json_array_foreach(members, i, member)
	{
		if (new &&bytes_equal(text_at(member, "name"), bytes_str(new->name)) &&
		    bytes_equal(text_at(member, "key_id"), bytes_str(id_short(id, new->id))))
			err = trouble_set(
			    t, ERR_EXISTS, "%s is a member already, with this key", new->name);
	}
	json_decref(answer);
	return err;
}

static int pending_path(const struct ctl *c, char out[static PATH_LEN], struct trouble *t)
{
	return path_join(out, c->keys, PENDING, t);
}

/* A newer NODE message for the log that there is, durable as `credential.new`. */
static int renewal_sign(const struct ctl *c, const struct charter *charter,
    const struct credential *old, struct credential *new, struct trouble *t)
{
	struct node_body node = {.serial = old->node.serial + 1};
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	uint64_t sequence, seen = 0;
	struct key root;
	int err = rotate_check(c, t);

	if (!err)
		err = daemon_ask(c, NULL, &seen, t);
	/* Before a new key is made that nothing would name. */
	if (!err)
		err = root_load(c, &root, t);
	if (err)
		return err;
	err = rotate_make(c, t);
	if (!err)
		err = body_fill(c, &node, t);
	if (!err && memcmp(node.log_key, old->node.log_key, KEY_LEN) != 0)
		err = trouble_set(t, ERR_KEY,
		    "the log key is not the one that began this log; a log has one key for life");
	if (!err)
		err = root_sequence(c, seen, &sequence, t);
	if (!err)
		err = credential_sign(c, charter, &node, old->number, sequence, &root, new, t);
	key_wipe(&root);
	if (err)
		return err;
	text_of(&text, new);
	err = pending_path(c, path, t);
	if (!err)
		err = text.failed ? no_memory(t) : file_replace(path, buffer_bytes(&text), t);
	buffer_free(&text);
	return err;
}

/* One that an earlier run has signed: it goes on with that. ERR_NOTFOUND: there is none, or it has
 * done its work. */
static int renewal_find(const struct ctl *c, const struct charter *charter,
    const struct credential *old, struct credential *new, struct trouble *t)
{
	char path[PATH_LEN];
	int err = ctl_credential_at(c, PENDING, charter, new, t);

	if (err)
		return err;
	if (new->node.serial > old->node.serial &&
	    strcmp(new->binding.log_name, old->binding.log_name) == 0)
		return OK;
	credential_clear(new);
	err = pending_path(c, path, t);
	if (!err && remove(path) != 0)
		err = trouble_errno(t, "%.300s can't be removed", path);
	return err ? err : ERR_NOTFOUND;
}

static bool keys_same(const struct node_body *a, const struct node_body *b)
{
	return memcmp(a->registrar_key, b->registrar_key, KEY_LEN) == 0 &&
	       memcmp(a->cosigner.public, b->cosigner.public, KEY_LEN) == 0 &&
	       a->tls_pin_count == b->tls_pin_count &&
	       memcmp(a->tls_pins, b->tls_pins, a->tls_pin_count * sizeof *a->tls_pins) == 0;
}

/* See ctl_rotate.c for the order. */
static int credential_renew(const struct ctl *c, const struct charter *charter, struct trouble *t)
{
	struct credential old, new = {.number = 0};
	char path[PATH_LEN], pending[PATH_LEN];
	json_t *answer = NULL;
	bool found;
	int err = ctl_credential(c, charter, &old, t);

	if (!err)
		err = path_of(c, path, t);
	if (!err)
		err = pending_path(c, pending, t);
	if (!err)
		err = rotate_finish(c, &old, t);
	if (!err)
		err = renewal_find(c, charter, &old, &new, t);
	found = !err;
	if (err == ERR_NOTFOUND)
		err = renewal_sign(c, charter, &old, &new, t);
	/* Others must be able to find it in the log: so the daemon takes it first. */
	if (!err)
		err = submit(c, buffer_bytes(&new.message), &answer, t);
	if (!err)
		err = file_rename(pending, path, t);
	if (!err)
		err = rotate_finish(c, &new, t);
	if (!err)
		credential_print(c, &new,
		    !found && keys_same(&old.node, &new.node)
			? "The new credential is in the log. It names the same keys as before: "
			  "convened need\nnot be restarted."
		    : found
			? "The credential that an earlier run had signed is in the log now. "
			  "Restart "
			  "convened: it\nreads its keys when it starts."
			: "The new credential is in the log. Restart convened now: it reads its "
			  "keys "
			  "when it starts.");
	json_decref(answer);
	credential_clear(&old);
	credential_clear(&new);
	return err;
}

int ctl_credential_make(const struct invocation *in)
{
	struct charter *charter = NULL;
	struct credential credential;
	struct trouble t;
	struct ctl c;
	bool made;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = ctl_charter(&c, &charter, &t);
	if (!err && (option_given(in, "renew") || option_given(in, "new-key"))) {
		err = credential_renew(&c, charter, &t);
	} else if (!err) {
		err = credential_ensure(&c, charter, &credential, &made, &t);
		if (!err) {
			credential_print(&c, &credential,
			    made ? "The credential is made." : "The credential is there already.");
			credential_clear(&credential);
		}
	}
	charter_free(charter);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

/* ---- admissions ---- */

static int admit_sign(const struct ctl *c, const struct charter *charter, const struct block *block,
    uint64_t seen, struct buffer *message, struct trouble *t)
{
	struct admit_body admit = {.name = bytes_str(block->root.name)};
	struct header h = {.version = 1, .kind = KIND_ADMIT, .time = clock_wall_ms()};
	struct buffer body = BUFFER_INIT;
	struct credential credential;
	struct key root;
	int err = ctl_credential(c, charter, &credential, t);

	if (err)
		return err;
	memcpy(admit.root_key, block->root.public, KEY_LEN);
	err = admit_body_encode(&body, &admit);
	if (err)
		trouble_set(t, err, "%s can't be admitted: %s", block->root.name, error_text(err));
	else
		err = root_load(c, &root, t);
	if (!err) {
		memcpy(h.signer, root.public, KEY_LEN);
		h.body = buffer_bytes(&body);
		if (memcmp(root.public, credential.root_key, KEY_LEN) != 0)
			err = trouble_set(t, ERR_KEY,
			    "%.300s is not the root key of this node's credential", c->root);
		if (!err)
			err = root_sequence(c, seen, &h.sequence, t);
		if (!err && (err = message_sign(message, &credential.binding, &h, &root)) != OK)
			trouble_set(t, err, "the admission can't be signed: %s", error_text(err));
		key_wipe(&root);
	}
	buffer_free(&body);
	credential_clear(&credential);
	return err;
}

static bool is_founder(const struct charter *charter, const struct verifier *root)
{
	for (size_t i = 0; i < charter->member_count; i++)
		if (verifier_equal(&charter->members[i], root))
			return true;
	return false;
}

/* Admit, and append the peer if asked to. What was done is said before what failed. */
static int admit(const struct ctl *c, const struct charter *charter, const struct block *block,
    struct trouble *t)
{
	const char *out = option_value(c->in, "out"), *told = NULL;
	struct buffer message = BUFFER_INIT;
	json_t *answer = NULL;
	uint64_t seen = 0;
	int err = OK;

	if (strcmp(block->root.name, c->conf->node.name) == 0)
		return trouble_set(t, ERR_INVALID, "this is %s's own block; nobody admits itself",
		    block->root.name);
	if (is_founder(charter, &block->root))
		return trouble_set(t, ERR_EXISTS,
		    "%s is a founder of the forum, and needs no admission", block->root.name);
	if (!out)
		err = daemon_ask(c, &block->root, &seen, t);
	if (!err)
		err = admit_sign(c, charter, block, seen, &message, t);
	if (!err && out)
		err = file_create(out, buffer_bytes(&message), 0644, t);
	else if (!err)
		err = submit(c, buffer_bytes(&message), &answer, t);
	buffer_free(&message);
	if (err)
		return err;
	if (!c->in->json && out)
		print_sentence(0,
		    "%s is admitted by the message in %s; `convenectl submit` sends it.",
		    block->root.name, out);
	else if (!c->in->json && charter->admit == 1)
		print_sentence(0,
		    "%s is admitted by %s (root key %02x%02x%02x%02x). By the charter one "
		    "admission "
		    "suffices: it is a member now.",
		    block->root.name, c->conf->node.name, block->root.id[0], block->root.id[1],
		    block->root.id[2], block->root.id[3]);
	else if (!c->in->json)
		print_sentence(0,
		    "%s is admitted by %s (root key %02x%02x%02x%02x). It is a member once %u "
		    "members, "
		    "as the charter wants, have done so.",
		    block->root.name, c->conf->node.name, block->root.id[0], block->root.id[1],
		    block->root.id[2], block->root.id[3], charter->admit);
	if (option_given(c->in, "peer")) {
		err = block_append(c, block, t);
		if (!err)
			err = reload_told(c, &told, t);
		if (!err && !c->in->json)
			print_sentence(0, "%s is a peer now. %s", block->root.name, told);
	}
	if (!err && c->in->json) {
		answer = answer ? answer : json_object();
		json_put(answer, "admitted", json_string(block->root.name));
		json_put(answer, "needed", json_integer(charter->admit));
		json_put(answer, "peer", json_boolean(option_given(c->in, "peer")));
		json_print(json_incref(answer));
	}
	json_decref(answer);
	return err;
}

int ctl_admit(const struct invocation *in)
{
	struct charter *charter = NULL;
	struct block block = {.charter = BUFFER_INIT};
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = block_load(&block, in->operands[0], &t);
	if (!err)
		err = ctl_charter(&c, &charter, &t);
	if (!err)
		err = admit(&c, charter, &block, &t);
	charter_free(charter);
	block_clear(&block);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

int ctl_submit(const struct invocation *in)
{
	struct buffer message = BUFFER_INIT;
	json_t *answer = NULL;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = file_load(&message, in->operands[0], MESSAGE_MAX, &t);
	if (!err)
		err = submit(&c, buffer_bytes(&message), &answer, &t);
	buffer_free(&message);
	if (!err && in->json)
		json_print(json_incref(answer));
	else if (!err)
		printf("The message is in the log.\n");
	json_decref(answer);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}
