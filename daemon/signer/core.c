/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "crypto/keyfile.h"
#include "daemon/signer/core_inside.h"
#include "log/checkpoint.h"

#define SIZE_LAST ((UINT64_C(1) << 63) - 1)

/* ---- keys ---- */

static int load(struct key *key, const struct core_setup *setup, const char *role,
    const uint8_t *expected, char *why)
{
	char path[4096];
	int err;

	/* While keys are replaced (client/ctl_rotate.c), the new one may not have its name yet. */
	snprintf(path, sizeof path, "%s/%s.key.new", setup->keys, role);
	if (keyfile_load(path, role, key, setup->passphrase) == OK &&
	    memcmp(key->public, expected, KEY_LEN) == 0)
		return OK;
	snprintf(path, sizeof path, "%s/%s.key", setup->keys, role);
	err = keyfile_load(path, role, key, setup->passphrase);
	if (!err && memcmp(key->public, expected, KEY_LEN) != 0) {
		snprintf(why, 512, "%.400s: not the %s key that the credential names", path, role);
		return ERR_KEY;
	}
	if (err)
		snprintf(why, 512, "%.400s: %s%s", path, error_text(err),
		    err == ERR_REFUSED ? " (others can read it: chmod 600)" : "");
	return err;
}

static struct keyring *keyring_new(bool *pinned)
{
	struct keyring *k = mmap(
	    NULL, sizeof *k, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (k == MAP_FAILED)
		return NULL;
	*pinned = mlock(k, sizeof *k) == 0;
	madvise(k, sizeof *k, MADV_DONTDUMP);
	return k;
}

static void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	secret_wipe(k, sizeof *k);
	munmap(k, sizeof *k);
}

/* ---- opening ---- */

static int papers_check(struct core *c, const struct core_setup *setup, char *why)
{
	int err = charter_open(&c->charter, setup->charter, NULL, NULL);

	if (err) {
		snprintf(why, 512, "the charter: %s", error_text(err));
		return err;
	}
	err = credential_open_newer(
	    &c->credential, c->charter->forum, bytes_str(setup->log_name), setup->credential);
	if (err)
		snprintf(why, 512, "the credential of this node: %s", error_text(err));
	return err;
}

int core_open(struct core **out, const struct core_setup *setup, bool *pinned, char *why)
{
	struct core *c = calloc(1, sizeof *c);
	int err;

	*out = NULL;
	*pinned = false;
	snprintf(why, 512, "%s", error_text(ERR_NOMEM));
	if (!c)
		return ERR_NOMEM;
	c->used = setup->used;
	err = papers_check(c, setup, why);
	if (!err) {
		c->members = members_new(c->charter);
		c->keys = keyring_new(pinned);
		err = c->members && c->keys ? OK : ERR_NOMEM;
	}
	if (!err)
		err = load(&c->keys->log, setup, "log", c->credential.log.public, why);
	if (!err)
		err = load(
		    &c->keys->registrar, setup, "registrar", c->credential.node.registrar_key, why);
	if (!err)
		err = load(
		    &c->keys->cosigner, setup, "cosigner", c->credential.node.cosigner.public, why);
	if (err) {
		core_free(c);
		return err;
	}
	why[0] = '\0';
	*out = c;
	return OK;
}

int core_lock(struct core *c, const char *lock, const char *cosigned, char *why)
{
	char previous[VERIFIER_NAME_MAX + 1] = "";
	struct bytes name = c->credential.node.previous_log;
	int err = OK;

	if (name.len > 0 && name.len < sizeof previous) {
		memcpy(previous, name.data, name.len);
		err = heads_succeed(lock, previous, c->credential.binding.log_name, why);
	}
	return err ? err
		   : heads_open(&c->heads, lock, cosigned, c->credential.binding.log_name,
			 c->credential.node.cosigner.public, c->used, why);
}

bool core_vouches(const struct core *c)
{
	return !heads_unknown(c->heads);
}

void core_free(struct core *c)
{
	if (!c)
		return;
	keyring_free(c->keys);
	heads_free(c->heads);
	known_free(c);
	members_free(c->members);
	credential_clear(&c->credential);
	charter_free(c->charter);
	free(c);
}

void core_files(const struct core *c, int *lock, int *cosigned)
{
	heads_files(c->heads, lock, cosigned);
}

/* ---- our log ---- */

const struct head *core_head(const struct core *c)
{
	return heads_own(c->heads);
}

/* Whether a head extends what was signed before: at the same size it must be the same. */
static int extends(const struct head *before, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *proof, size_t count)
{
	if (before->size == 0)
		return count == 0 ? OK : ERR_PROOF;
	if (size < before->size)
		return ERR_STALE;
	if (size == before->size && memcmp(root, before->root, HASH_LEN) != 0)
		return ERR_FORK;
	return consistency_verify(before->size, size, proof, count, before->root, root);
}

int core_checkpoint(struct core *c, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *proof, size_t count, struct buffer *note)
{
	struct checkpoint cp = {.size = size};
	int err;

	if (size == 0 || size > SIZE_LAST)
		return ERR_RANGE;
	err = extends(core_head(c), size, root, proof, count);
	if (err)
		return err == ERR_STALE ? ERR_FORK : err;
	/* Ed25519 gives the same note for the same head: nothing to remember. */
	if (size != core_head(c)->size)
		err = heads_own_put(c->heads, size, root);
	if (err)
		return err;
	memcpy(cp.origin, c->credential.binding.log_name, sizeof c->credential.binding.log_name);
	memcpy(cp.root, root, HASH_LEN);
	return checkpoint_sign(note, &cp, &c->keys->log);
}

int core_learn(struct core *c, struct bytes note, const struct tree_hash *proof, size_t count)
{
	struct checkpoint cp;
	int err;

	if (note.len > CORE_NOTE_MAX)
		return ERR_TOO_LARGE;
	err = checkpoint_open(note, &c->credential.log, &cp);
	if (!err)
		err = extends(core_head(c), cp.size, cp.root, proof, count);
	if (!err && cp.size != core_head(c)->size)
		err = heads_own_put(c->heads, cp.size, cp.root);
	return err;
}

/* ---- the logs of others ---- */

/* The log that a note says it is of, if it is in. Nothing is checked yet. */
static struct known *note_log(const struct core *c, const struct note *n)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	struct checkpoint cp;
	uint64_t number;

	if (checkpoint_parse(n->text, &cp) != OK ||
	    log_name_parse(bytes_str(cp.origin), &organisation, digest, &number) != OK)
		return NULL;
	return known_find(c, digest);
}

int core_cosign(struct core *c, struct bytes note, const struct tree_hash *proof, size_t count,
    uint64_t seconds, struct buffer *line)
{
	static const struct head none;
	const struct cosigned *before;
	const struct known *k;
	const struct head *head;
	struct checkpoint cp;
	struct note n;
	int err;

	if (!core_vouches(c))
		return ERR_HALTED;
	if (note.len > CORE_NOTE_MAX)
		return ERR_TOO_LARGE;
	err = note_parse(&n, note);
	if (err)
		return err;
	k = note_log(c, &n);
	if (!k)
		return ERR_NOTFOUND;
	err = checkpoint_open(note, &k->key, &cp);
	if (err)
		return err;
	/* Ours never counts, for any charter. */
	if (memcmp(k->root_key, c->credential.root_key, KEY_LEN) == 0)
		return ERR_REFUSED;
	before = heads_find(c->heads, k->binding.digest);
	head = before ? &before->head : &none;
	if (!before && heads_rival(c->heads, k->root_key, &k->binding))
		return ERR_FORK;
	err = extends(head, cp.size, cp.root, proof, count);
	if (!err && cp.size != head->size)
		err = heads_put(c->heads, &k->binding, k->root_key, cp.size, cp.root);
	if (err)
		return err;
	return note_cosign(
	    line, n.text, bytes_str(c->credential.node.cosigner.name), &c->keys->cosigner, seconds);
}

/* ---- the registrar ---- */

/* Nobody is enrolled under a key that has not said so itself. */
static int enrol_check(const struct core *c, const struct header *h)
{
	const struct binding *b = &c->credential.binding;
	struct enrol_body e;
	int err = enrol_body_parse(h->body, &e);

	if (!err)
		err = device_verify(e.device_signature, DEVICE_DOMAIN, b, e.identity, e.device_key,
		    e.custody, e.device_key);
	if (!err && e.has_endorsement)
		err = device_verify(e.endorsement, ENDORSE_DOMAIN, b, e.identity, e.device_key,
		    e.custody, e.endorser);
	return err;
}

int core_registrar(struct core *c, struct bytes header, struct buffer *message)
{
	static const uint8_t unsigned_yet[SIG_LEN];
	struct buffer whole = BUFFER_INIT;
	struct revoke_body revoke;
	struct target_body erase;
	struct header h;
	int err;

	buffer_add(&whole, header.data, header.len);
	buffer_add(&whole, unsigned_yet, SIG_LEN);
	err = whole.failed ? ERR_NOMEM : message_parse(buffer_bytes(&whole), &h);
	if (!err && memcmp(h.signer, c->keys->registrar.public, KEY_LEN) != 0)
		err = ERR_KEY;
	if (!err) {
		err = h.kind == KIND_ENROL    ? enrol_check(c, &h)
		      : h.kind == KIND_REVOKE ? revoke_body_parse(h.body, &revoke)
		      : h.kind == KIND_ERASE  ? erase_body_parse(h.body, &erase)
					      : ERR_REFUSED;
	}
	if (!err)
		err = message_sign(message, &c->credential.binding, &h, &c->keys->registrar);
	buffer_free(&whole);
	return err;
}
