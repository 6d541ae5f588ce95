/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl prove-fork and verify-fork: the proof that a log forked, as a file (SPEC.md 9.6), out
 * of the store, and judged anywhere. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/ctl_store.h"
#include "client/new_file.h"
#include "log/fork.h"
#include "member/credential_text.h"
#include "member/rivals.h"

#define FILE_MAX (2 * FORK_MAX)

int node_store(const struct ctl *c, struct store **out, struct trouble *t)
{
	const char *more;
	char path[PATH_LEN];
	int err = path_join(path, c->conf->node.data, "convene.db", t);

	if (err)
		return err;
	err = store_open(out, &store_sqlite, path, STORE_READ_ONLY);
	if (!err)
		return OK;
	more = store_error(NULL);
	trouble_set(t, err, "the node's store %.300s can't be read: %s%s%.120s", path,
	    error_text(err), *more ? ": " : "", more);
	if (err == ERR_NOTFOUND)
		trouble_hint(t, "The daemon makes it when it first starts.");
	else if (err == ERR_STORE || err == ERR_SCHEMA)
		trouble_hint(t, "If it is damaged, see RECOVERY in convenectl(8).");
	else if (err == ERR_IO)
		trouble_hint(t, "Run this as root, as the daemon's user, or in its group.");
	return err;
}

/* ---- prove-fork ---- */

struct proving {
	const char *wanted; /* a log's name or digest, or its organisation */
	struct store *store;
	struct buffer names; /* of the logs that are meant, a line each */
	size_t logs, proofs;
	uint8_t digest[DIGEST_LEN];
	char name[VERIFIER_NAME_MAX + 1];
	struct buffer proof;
};

static bool is_wanted(const struct proving *p, const struct store_log *row)
{
	char hex[2 * DIGEST_LEN + 1];
	size_t len = strlen(p->wanted);

	hex_encode(hex, row->digest, DIGEST_LEN);
	return strcmp(row->name, p->wanted) == 0 || strcmp(hex, p->wanted) == 0 ||
	       (strncmp(row->name, p->wanted, len) == 0 && row->name[len] == '/');
}

/* Of several proofs of a log the first sort: two heads say more than two credentials. */
static int fork_take(void *ctx, const struct store_fork *fork)
{
	struct proving *p = ctx;

	if (memcmp(fork->log, p->digest, DIGEST_LEN) == 0 && p->proof.len == 0)
		buffer_add(&p->proof, fork->proof.data, fork->proof.len);
	return p->proof.failed ? ERR_NOMEM : OK;
}

static int log_look(void *ctx, const struct store_log *row)
{
	struct proving *p = ctx, one = {.store = p->store};
	int err;

	if (!is_wanted(p, row))
		return OK;
	p->logs++;
	memcpy(one.digest, row->digest, DIGEST_LEN);
	err = p->store->ops->fork_each(p->store, fork_take, &one);
	if (err || one.proof.len == 0) {
		buffer_free(&one.proof);
		return err;
	}
	p->proofs++;
	buffer_printf(&p->names, "%s%s", p->names.len ? ", " : "", row->name);
	memcpy(p->name, row->name, sizeof p->name);
	buffer_free(&p->proof);
	p->proof = one.proof;
	return OK;
}

static int proof_find(struct proving *p, struct trouble *t)
{
	int err = p->store->ops->log_each(p->store, log_look, p);

	if (err)
		return trouble_set(t, err, "the store can't be read: %s", error_text(err));
	if (p->logs == 0) {
		trouble_set(t, ERR_NOTFOUND, "this node holds no log of %.200s", p->wanted);
		trouble_hint(t, "`convenectl status` lists the logs.");
	} else if (p->proofs == 0) {
		trouble_set(t, ERR_NOTFOUND, "this node knows of no fork of %.200s", p->wanted);
	} else if (p->proofs > 1) {
		trouble_set(t, ERR_EXISTS, "several logs of %.200s have forked", p->wanted);
		trouble_hint(t, "Name one of them: %.380s", buffer_str(&p->names));
	} else {
		return OK;
	}
	return t->err;
}

static int proof_put(const struct invocation *in, struct proving *p, struct trouble *t)
{
	const char *path = option_value(in, "output");
	struct buffer file = BUFFER_INIT;
	struct new_file out;
	int err = fork_file_write(&file, buffer_bytes(&p->proof));

	if (err) {
		trouble_set(t, err, "the proof can't be written: %s", error_text(err));
	} else if (!path) {
		fwrite(file.data, 1, file.len, stdout);
	} else {
		err = new_file_open(&out, path, t);
		if (!err && fwrite(file.data, 1, file.len, out.to) != file.len)
			err = trouble_errno(t, "%.300s can't be written", path);
		if (!err)
			err = new_file_close(&out, t);
		new_file_drop(&out);
		if (!err && in->json) {
			json_t *o = json_object();

			json_put(o, "log", json_string(p->name));
			json_put(o, "file", json_bytes(bytes_str(path)));
			json_put(o, "bytes", json_integer((json_int_t)file.len));
			json_print(o);
		} else if (!err) {
			print_sentence(0, "The proof against %s is in %s, %zu bytes.", p->name,
			    path, file.len);
		}
	}
	buffer_free(&file);
	return err;
}

int ctl_prove_fork(const struct invocation *in)
{
	struct proving p = {.wanted = in->operands[0]};
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = node_store(&c, &p.store, &t);
	if (!err)
		err = proof_find(&p, &t);
	if (!err)
		err = proof_put(in, &p, &t);
	buffer_free(&p.names);
	buffer_free(&p.proof);
	if (p.store)
		store_close(p.store);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

/* ---- verify-fork ---- */

struct judging {
	const struct invocation *in;
	struct ctl ctl;
	bool open; /* the node's configuration was needed */
	struct charter *charter;
	struct store *store;
	struct fork_proof f;
	struct verifier key; /* of two heads */
	bool nothing;        /* is what it proves */
	json_t *said;
};

static int node_open(struct judging *j, struct trouble *t)
{
	if (j->open)
		return OK;
	if (ctl_open(&j->ctl, j->in) != EXIT_DONE) {
		trouble_set(t, ERR_NOTFOUND, "nothing tells which key to judge by");
		trouble_hint(t, "Give --key with the log's verifier key, or --charter (and for two "
				"heads --credential); or -c with a node's configuration.");
		return t->err;
	}
	j->open = true;
	return OK;
}

/* The forum: of --charter, or the node's. */
static int charter_get(struct judging *j, struct trouble *t)
{
	const char *path = option_value(j->in, "charter");
	struct buffer note = BUFFER_INIT;
	int err;

	if (!path) {
		err = node_open(j, t);
		return err ? err : ctl_charter(&j->ctl, &j->charter, t);
	}
	err = file_load(&note, path, NOTE_MAX, t);
	if (!err && charter_open(&j->charter, buffer_bytes(&note), NULL, NULL) != OK)
		err = trouble_set(t, ERR_SIGNATURE, "%.300s is not a charter", path);
	buffer_free(&note);
	return err;
}

static int key_of(struct judging *j, struct bytes log_name, struct bytes message, struct trouble *t)
{
	struct credential c;
	int err = credential_open_newer(&c, j->charter->forum, log_name, message);

	if (err)
		return trouble_set(t, err, "the credential does not verify: %s", error_text(err));
	j->key = c.log;
	credential_clear(&c);
	return OK;
}

struct finding {
	struct store *store;
	const char *name;
	struct buffer entry;
};

static int entry_find(void *ctx, const struct store_log *row)
{
	struct finding *f = ctx;
	size_t got;

	return strcmp(row->name, f->name) != 0 || row->size == 0
		   ? OK
		   : f->store->ops->read(f->store, row->no, 0, 1, MESSAGE_MAX, &f->entry, &got);
}

/* The key of the log that the notes name. */
static int key_find(struct judging *j, const char *origin, struct trouble *t)
{
	const char *key = option_value(j->in, "key"), *path = option_value(j->in, "credential");
	struct buffer text = BUFFER_INIT, message = BUFFER_INIT;
	char log_name[VERIFIER_NAME_MAX + 1];
	struct finding f = {.name = origin};
	struct bytes leaf;
	size_t pos = 0;
	int err;

	if (key) {
		err = verifier_parse(&j->key, bytes_str(key));
		return err || j->key.type != VERIFIER_ED25519
			   ? trouble_set(t, ERR_INVALID,
				 "--key wants a log's verifier key: "
				 "NAME/DIGEST/NUMBER+HEX+BASE64")
			   : OK;
	}
	err = charter_get(j, t);
	if (!err && path) {
		err = file_load(&text, path, 16384, t);
		if (!err && credential_text_parse(buffer_bytes(&text), log_name, &message) != OK)
			err = trouble_set(t, ERR_MALFORMED, "%.300s is not a credential", path);
		if (!err)
			err = key_of(j, bytes_str(log_name), buffer_bytes(&message), t);
	} else if (!err) {
		err = node_open(j, t);
		if (!err)
			err = node_store(&j->ctl, &j->store, t);
		if (err == ERR_NOTFOUND)
			trouble_hint(t, "Say by what to judge: --key, the log's verifier key, or "
					"--credential, the file of its organisation.");
		f.store = j->store;
		if (!err && j->store->ops->log_each(j->store, entry_find, &f) != OK)
			err = trouble_set(t, ERR_STORE, "the store can't be read");
		if (!err && leaves_next(buffer_bytes(&f.entry), &pos, &leaf) != OK) {
			trouble_set(t, ERR_NOTFOUND,
			    "this node does not hold the log that the proof is about, %s", origin);
			trouble_hint(t, "Give its verifier key with --key.");
			err = t->err;
		}
		if (!err)
			err = key_of(j, bytes_str(origin), leaf, t);
	}
	buffer_free(&f.entry);
	buffer_free(&text);
	buffer_free(&message);
	return err;
}

static int proves_nothing(struct judging *j, int err, struct trouble *t)
{
	j->nothing = true;
	trouble_set(t, err, "this proves NOTHING: %s",
	    err == ERR_PROOF         ? "the two can belong to one history"
	    : err == ERR_SIGNATURE   ? "a signature does not verify"
	    : err == ERR_UNSIGNED    ? "a head is not signed by the log's key"
	    : err == ERR_OTHER_FORUM ? "a head is of another log"
				     : error_text(err));
	return err;
}

static void head_say(const struct judging *j, const char *which, const struct checkpoint *c)
{
	char hex[2 * HASH_LEN + 1];

	hex_encode(hex, c->root, HASH_LEN);
	if (j->said) {
		json_t *o = json_object();

		json_put(o, "size", json_integer((json_int_t)c->size));
		json_put(o, "root", json_string(hex));
		json_put(j->said, which, o);
	} else {
		printf("  %" PRIu64 " entries, root %s\n", c->size, hex);
	}
}

static int heads_judge(struct judging *j, struct trouble *t)
{
	const struct fork_proof *f = &j->f;
	struct checkpoint a, b, named;
	struct note n;
	char hex[2 * HASH_LEN + 1];
	int err = note_parse(&n, f->smaller);

	if (!err)
		err = checkpoint_parse(n.text, &named);
	if (err)
		return proves_nothing(j, err, t);
	err = key_find(j, named.origin, t);
	if (err)
		return err;
	err = fork_proof_check(
	    f->smaller, f->larger, f->has_root ? &f->root : NULL, f->proof, f->count, &j->key);
	if (!err)
		err = checkpoint_open(f->smaller, &j->key, &a);
	if (!err)
		err = checkpoint_open(f->larger, &j->key, &b);
	if (err)
		return proves_nothing(j, err, t);
	if (j->said)
		json_put(j->said, "log", json_string(j->key.name));
	else
		printf("PROVEN: the key of the log %s\nhas signed two heads that cannot belong to "
		       "one history:\n",
		    j->key.name);
	head_say(j, "smaller", &a);
	head_say(j, "larger", &b);
	if (f->has_root && !j->said) {
		hex_encode(hex, f->root.bytes, HASH_LEN);
		printf("The latter's history has at %" PRIu64 " entries the root\n  %s.\n", a.size,
		    hex);
	}
	return OK;
}

static int rivals_judge(struct judging *j, struct trouble *t)
{
	struct credential a, b;
	char hex[2 * KEY_LEN + 1];
	int err = charter_get(j, t);

	if (err)
		return err;
	err = j->f.has_root || j->f.count > 0
		  ? ERR_MALFORMED
		  : rivals_open(&a, &b, j->charter->forum, j->f.smaller, j->f.larger);
	if (err)
		return proves_nothing(j, err, t);
	hex_encode(hex, a.root_key, KEY_LEN);
	if (j->said) {
		json_put(j->said, "organisation", json_string(a.organisation));
		json_put(j->said, "root_key", json_string(hex));
		json_put(j->said, "log", json_string(a.binding.log_name));
		json_put(j->said, "other", json_string(b.binding.log_name));
	} else {
		printf("PROVEN: the root key of %s,\n  %s,\nhas signed two logs that cannot "
		       "both be, each as its %s:\n  %s\n  %s\n",
		    a.organisation, hex, a.number == 1 ? "first" : "successor of the same log",
		    a.binding.log_name, b.binding.log_name);
	}
	credential_clear(&a);
	credential_clear(&b);
	return OK;
}

static bool are_heads(const struct fork_proof *f)
{
	struct note n;

	return f->has_root || note_parse(&n, f->smaller) == OK;
}

int ctl_verify_fork(const struct invocation *in)
{
	struct judging j = {.in = in, .said = in->json ? json_object() : NULL};
	struct buffer file = BUFFER_INIT, encoded = BUFFER_INIT;
	struct trouble t;
	int err = file_load(&file, in->operands[0], FILE_MAX, &t), code;

	if (!err) {
		err = fork_file_read(buffer_bytes(&file), &encoded);
		if (!err)
			err = fork_proof_decode(buffer_bytes(&encoded), &j.f);
		j.nothing = err != OK;
		if (err)
			trouble_set(&t, ERR_MALFORMED,
			    "this proves NOTHING: %.300s is not a fork proof, or damaged",
			    in->operands[0]);
	}
	if (!err)
		err = are_heads(&j.f) ? heads_judge(&j, &t) : rivals_judge(&j, &t);
	if (!err && in->json) {
		json_put(j.said, "proven", json_true());
		json_print(json_incref(j.said));
	}
	code = err ? ctl_fail(in, &t) : EXIT_DONE;
	if (j.nothing)
		code = EXIT_UNVERIFIED;
	json_decref(j.said);
	buffer_free(&file);
	buffer_free(&encoded);
	if (j.store)
		store_close(j.store);
	charter_free(j.charter);
	return j.open ? ctl_close(&j.ctl, code) : code;
}
