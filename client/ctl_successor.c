/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl recover successor: our log ends, and another one, with a key of its own, follows it
 * (SPEC.md 4.4). For a lost or stolen log key, and for a log that is disputed.
 *
 * Crash points. The new key and the new credential are written under names of their own; once
 * `credential.new` is there it is decided, and the command run again only finishes. Until both are
 * in place the daemon does not start, since key and credential do not fit. The old ones stay under
 * the digest of the log that they were for. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "client/ctl.h"
#include "client/ctl_store.h"
#include "crypto/keyfile.h"
#include "log/checkpoint.h"
#include "member/credential_text.h"
#include "net/tls.h"

struct succession {
	struct ctl ctl;
	struct charter *charter;
	struct store *store;
	struct credential old, fresh;
	bool unsure; /* the operator does not want it after all */
	char key[PATH_LEN], key_new[PATH_LEN], file[PATH_LEN], file_new[PATH_LEN];
};

static int paths_make(struct succession *s, struct trouble *t)
{
	int err = path_join(s->key, s->ctl.keys, "log.key", t);

	if (!err)
		err = path_join(s->key_new, s->ctl.keys, "log.key.new", t);
	if (!err)
		err = path_join(s->file, s->ctl.keys, "credential", t);
	return err ? err : path_join(s->file_new, s->ctl.keys, "credential.new", t);
}

/* ---- what stands ---- */

struct head {
	const char *name;
	uint32_t no;
	uint64_t size;
};

static int head_find(void *ctx, const struct store_log *row)
{
	struct head *h = ctx;

	if (strcmp(row->name, h->name) == 0) {
		h->no = row->no;
		h->size = row->size;
	}
	return OK;
}

/* The root that a log has at a size, from the blocks and entries held. */
static int root_at(struct store *s, uint32_t no, uint64_t size, uint8_t root[static HASH_LEN])
{
	size_t blocks = (size_t)(size / TREE_BLOCK), tail = size % TREE_BLOCK, got = 0, n = 0;
	struct tree_hash *hashes = calloc(blocks + 1, sizeof *hashes), leaves[TREE_BLOCK];
	struct buffer b = BUFFER_INIT;
	struct tree *tree = tree_new();
	int err = hashes && tree ? OK : ERR_NOMEM;

	if (!err && blocks > 0)
		err = s->ops->blocks(s, no, 0, blocks, hashes);
	while (!err && n < tail) {
		struct bytes leaf;
		size_t pos = 0;

		buffer_reset(&b);
		err = s->ops->read(s, no, size - tail + n, tail - n, SIZE_MAX, &b, &got);
		for (size_t i = 0; !err && i < got && n < tail; i++) {
			err = leaves_next(buffer_bytes(&b), &pos, &leaf);
			if (!err)
				leaf_hash(&leaves[n++], leaf);
		}
	}
	if (!err)
		err = tree_load(tree, hashes, blocks, leaves, tail);
	if (!err)
		tree_root(tree, root);
	tree_free(tree);
	buffer_free(&b);
	free(hashes);
	return err;
}

static int standing_choose(struct succession *s, struct node_body *node, struct trouble *t)
{
	const char *wanted = option_value(s->ctl.in, "size");
	struct head h = {.name = s->old.binding.log_name};
	int err = s->store->ops->log_each(s->store, head_find, &h);

	node->previous_log = bytes_str(s->old.binding.log_name);
	node->previous_size = h.size;
	if (!err && h.size == 0 && s->old.number > 1) {
		trouble_set(t, ERR_EXISTS, "the successor %s is made already", h.name);
		trouble_hint(t, "Start convened: it takes that up, and tells all nodes. If the "
				"disk was lost since: `convenectl recover log` first.");
		return t->err;
	}
	if (!err && h.size == 0) {
		trouble_set(t, ERR_NOTFOUND, "the store holds nothing of our log %s", h.name);
		trouble_hint(t, "What is to stand must be here: have it fetched from peers first "
				"(`convenectl recover log`).");
		return t->err;
	}
	if (!err && wanted &&
	    (decimal_parse(&node->previous_size, wanted, strlen(wanted), h.size) != OK ||
		node->previous_size == 0))
		return trouble_set(t, ERR_INVALID,
		    "--size wants a number from 1 to %" PRIu64 ", which are the entries held here",
		    h.size);
	if (!err)
		err = root_at(s->store, h.no, node->previous_size, node->previous_root);
	return err ? trouble_set(t, err, "the store can't be read: %s", error_text(err)) : OK;
}

/* ---- the new credential ---- */

static int key_public(
    const struct ctl *c, const char *role, uint8_t out[static KEY_LEN], struct trouble *t)
{
	struct key key;
	int err = key_load(c, role, &key, t);

	if (!err)
		memcpy(out, key.public, KEY_LEN);
	key_wipe(&key);
	return err;
}

static int body_fill(struct succession *s, struct node_body *node, struct trouble *t)
{
	char cosigner[VERIFIER_NAME_MAX + 1];
	uint8_t key[KEY_LEN];
	int err = key_public(&s->ctl, "registrar", node->registrar_key, t);

	if (!err)
		err = key_public(&s->ctl, "cosigner", key, t);
	snprintf(cosigner, sizeof cosigner, "%s/cosigner", s->ctl.conf->node.name);
	if (!err &&
	    verifier_make(&node->cosigner, bytes_str(cosigner), VERIFIER_COSIGNATURE, key) != OK)
		err = trouble_set(
		    t, ERR_KEY, "the cosigner's name, %s, can't stand in a key", cosigner);
	if (!err)
		err = key_public(&s->ctl, "tls", key, t);
	if (!err) {
		tls_pin_of(node->tls_pins[0], key);
		node->tls_pin_count = 1;
		node->serial = s->old.node.serial + 1;
	}
	return err;
}

static int key_begin(struct succession *s, struct node_body *node, struct trouble *t)
{
	struct key key;
	int err;

	key_generate(&key);
	unlink(s->key_new); /* of a run that came to nothing */
	err = keyfile_save(s->key_new, "log", &key, NULL);
	memcpy(node->log_key, key.public, KEY_LEN);
	key_wipe(&key);
	return err ? trouble_errno(t, "%.300s can't be written", s->key_new) : OK;
}

static int sign(struct succession *s, const struct node_body *node, struct trouble *t)
{
	struct buffer message = BUFFER_INIT, text = BUFFER_INIT;
	char log_name[VERIFIER_NAME_MAX + 1];
	uint64_t sequence;
	struct key root;
	int err = root_load(&s->ctl, &root, t);

	if (err)
		return err;
	if (memcmp(root.public, s->old.root_key, KEY_LEN) != 0)
		err = trouble_set(t, ERR_KEY,
		    "%.300s is not the root key of this node's credential", s->ctl.root);
	if (!err)
		err = root_sequence(&s->ctl, 0, &sequence, t);
	if (!err && credential_make(&message, log_name, s->charter->forum, s->ctl.conf->node.name,
			s->old.number + 1, &root, node, sequence, clock_wall_ms()) != OK)
		err = trouble_set(t, ERR_KEY,
		    "these keys make no credential that others would accept: all must be distinct");
	key_wipe(&root);
	if (!err) {
		credential_text_add(&text, log_name, buffer_bytes(&message));
		err = text.failed ? no_memory(t)
				  : file_create(s->file_new, buffer_bytes(&text), 0644, t);
	}
	buffer_free(&message);
	buffer_free(&text);
	return err;
}

/* ---- putting it in place ---- */

static int fresh_read(struct succession *s, struct trouble *t)
{
	struct buffer text = BUFFER_INIT, message = BUFFER_INIT;
	char log_name[VERIFIER_NAME_MAX + 1];
	int err = file_load(&text, s->file_new, 16384, t);

	if (!err && (credential_text_parse(buffer_bytes(&text), log_name, &message) != OK ||
			credential_open(&s->fresh, s->charter->forum, bytes_str(log_name),
			    buffer_bytes(&message)) != OK))
		err = trouble_set(t, ERR_MALFORMED, "%.300s is not a credential", s->file_new);
	buffer_free(&text);
	buffer_free(&message);
	return err;
}

/* The file gets the name of its log as well, and then the new one comes in its place. */
static int replace(struct succession *s, const char *path, const char *by, struct trouble *t)
{
	char kept[PATH_LEN + 40], hex[2 * DIGEST_LEN + 1];

	hex_encode(hex, s->old.binding.digest, DIGEST_LEN);
	snprintf(kept, sizeof kept, "%s.%s", path, hex);
	if (link(path, kept) != 0 && errno != EEXIST && errno != ENOENT)
		return trouble_errno(t, "%.300s can't be kept as %.300s", path, kept);
	if (rename(by, path) != 0)
		return trouble_errno(t, "%.300s can't be put in place", by);
	return OK;
}

static int finish(struct succession *s, struct trouble *t)
{
	int err = fresh_read(s, t);

	if (!err && credential_follows(&s->fresh, &s->old) != OK)
		err = trouble_set(t, ERR_INVALID,
		    "%.300s does not follow the log of %.300s; if you know of no use for it, "
		    "remove it",
		    s->file_new, s->file);
	if (!err && file_is_there(s->key_new))
		err = replace(s, s->key, s->key_new, t);
	if (!err && folder_sync(s->ctl.keys) != OK)
		err = trouble_errno(t, "%.300s can't be synced", s->ctl.keys);
	if (!err)
		err = replace(s, s->file, s->file_new, t);
	if (!err && folder_sync(s->ctl.keys) != OK)
		err = trouble_errno(t, "%.300s can't be synced", s->ctl.keys);
	return err;
}

static void say(const struct succession *s)
{
	const struct node_body *n = &s->fresh.node;

	if (s->ctl.in->json) {
		json_t *o = json_object();

		json_put(o, "log", json_string(s->fresh.binding.log_name));
		json_put(o, "previous", json_string(s->old.binding.log_name));
		json_put(o, "size", json_integer((json_int_t)n->previous_size));
		json_put(o, "root", json_hex(n->previous_root, HASH_LEN));
		json_put(o, "serial", json_integer((json_int_t)n->serial));
		json_print(o);
		return;
	}
	printf("Log      %s\n", s->fresh.binding.log_name);
	printf("follows  %s,\n         of which the first %" PRIu64 " entries stand.\n",
	    s->old.binding.log_name, n->previous_size);
	print_sentence(0,
	    "Start convened now: it tells all nodes. What was accepted and not sealed in the old "
	    "log it puts into a file beside the store, for it can't be sealed in the new one; "
	    "participants' programs sign theirs again. The old keys are kept beside the new ones; "
	    "an old log key that was stolen is of no use to anybody from now on.");
}

static int daemon_absent(const struct ctl *c, struct trouble *t)
{
	static const char *const argv[] = {"status"};
	json_t *answer = NULL;
	int err = daemon_call(c, 1, argv, bytes_of(NULL, 0), &answer, t);

	json_decref(answer);
	if (err == ERR_CLOSED || err == ERR_NOTFOUND)
		return OK;
	trouble_set(t, ERR_REFUSED, "convened is running, and its log goes on");
	trouble_hint(t, "Stop it first: `convenectl stop`.");
	return ERR_REFUSED;
}

static int run(struct succession *s, struct trouble *t)
{
	struct node_body node = {.serial = 0};
	int err = ctl_charter(&s->ctl, &s->charter, t);

	if (!err)
		err = paths_make(s, t);
	if (!err)
		err = ctl_credential(&s->ctl, s->charter, &s->old, t);
	if (!err)
		err = daemon_absent(&s->ctl, t);
	if (err)
		return err;
	if (!file_is_there(s->file_new) &&
	    !ctl_sure(s->ctl.in,
		"This ends the log of this node for ever, and another follows it; which part of "
		"it stands can't be said again. Begin the successor?")) {
		s->unsure = true;
		return OK;
	}
	if (!file_is_there(s->file_new)) {
		err = node_store(&s->ctl, &s->store, t);
		if (!err)
			err = standing_choose(s, &node, t);
		if (!err)
			err = body_fill(s, &node, t);
		if (!err)
			err = key_begin(s, &node, t);
		if (!err)
			err = sign(s, &node, t);
	}
	return err ? err : finish(s, t);
}

int ctl_recover_successor(const struct invocation *in)
{
	struct succession *s = calloc(1, sizeof *s);
	struct trouble t;
	int code, err;

	if (!s)
		out_of_memory();
	code = ctl_open(&s->ctl, in);
	if (code) {
		free(s);
		return code;
	}
	err = run(s, &t);
	if (err)
		code = ctl_fail(in, &t);
	else if (s->unsure)
		code = EXIT_REFUSED;
	else
		say(s);
	credential_clear(&s->old);
	credential_clear(&s->fresh);
	if (s->store)
		store_close(s->store);
	charter_free(s->charter);
	code = ctl_close(&s->ctl, code);
	free(s);
	return code;
}
