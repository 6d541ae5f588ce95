/* SPDX-License-Identifier: BSD-2-Clause */
/* New registrar, cosigner and TLS keys, in an order that a crash can't spoil (SPEC.md 4.3):
 *
 *     1. ROLE.key.new      made; nobody knows of it
 *     2. credential.new    the NODE message that names it, signed by the root key
 *     3. the daemon takes that message into the log
 *     4. credential.new -> credential
 *     5. ROLE.key.new -> ROLE.key
 *     6. convened is started anew
 *
 * Before 4 a daemon starts with the old credential and the old keys; from then on with the new
 * ones, since it takes ROLE.key.new where that is the key that its credential names. The same
 * command again goes on where it was: a message that was signed is the one that is sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/ctl.h"
#include "crypto/keyfile.h"
#include "net/tls.h"

static const char *const roles[] = {"registrar", "cosigner", "tls"};
#define ROLES (sizeof roles / sizeof *roles)

static int key_path(
    const struct ctl *c, const char *role, bool fresh, char out[static PATH_LEN], struct trouble *t)
{
	char name[64];

	snprintf(name, sizeof name, "%s.key%s", role, fresh ? ".new" : "");
	return path_join(out, c->keys, name, t);
}

static bool wanted(const struct invocation *in, const char *role)
{
	const char *given;
	int pos = 0;

	while ((given = option_next(in, "new-key", &pos)))
		if (strcmp(given, role) == 0)
			return true;
	return false;
}

int rotate_check(const struct ctl *c, struct trouble *t)
{
	const struct invocation *in = c->in;
	const char *given;
	int pos = 0;

	while ((given = option_next(in, "new-key", &pos))) {
		bool known = false;

		for (size_t i = 0; i < ROLES; i++)
			known |= strcmp(given, roles[i]) == 0;
		if (known)
			continue;
		trouble_set(
		    t, ERR_INVALID, "--new-key is registrar, cosigner or tls, not %.60s", given);
		if (strcmp(given, "log") == 0)
			trouble_hint(t, "A log has one key for life; a successor has another.");
		return ERR_INVALID;
	}
	return OK;
}

int rotate_make(const struct ctl *c, struct trouble *t)
{
	char path[PATH_LEN];
	int err = OK;

	for (size_t i = 0; i < ROLES && !err; i++) {
		struct key key;

		if (!wanted(c->in, roles[i]))
			continue;
		err = key_path(c, roles[i], true, path, t);
		if (err || file_is_there(path)) /* of an earlier try */
			continue;
		key_generate(&key);
		err = keyfile_save(path, roles[i], &key, NULL);
		key_wipe(&key);
		if (err)
			err = trouble_set(
			    t, err, "the key %.300s can't be written: %s", path, error_text(err));
	}
	return err;
}

int rotate_load(const struct ctl *c, const char *role, struct key *key, struct trouble *t)
{
	char path[PATH_LEN];
	int err;

	if (!wanted(c->in, role))
		return key_load(c, role, key, t);
	err = key_path(c, role, true, path, t);
	if (!err && (err = keyfile_load(path, role, key, NULL)) != OK)
		trouble_set(t, err, "the new key %.300s can't be read: %s", path, error_text(err));
	return err;
}

static bool is_named(const struct credential *credential, const char *role, const struct key *key)
{
	const struct node_body *node = &credential->node;
	uint8_t pin[HASH_LEN];

	if (strcmp(role, "registrar") == 0)
		return memcmp(key->public, node->registrar_key, KEY_LEN) == 0;
	if (strcmp(role, "cosigner") == 0)
		return memcmp(key->public, node->cosigner.public, KEY_LEN) == 0;
	tls_pin_of(pin, key->public);
	return credential_has_pin(credential, pin);
}

int rotate_finish(const struct ctl *c, const struct credential *credential, struct trouble *t)
{
	char fresh[PATH_LEN], path[PATH_LEN];
	int err = OK;

	for (size_t i = 0; i < ROLES && !err; i++) {
		struct key key;

		err = key_path(c, roles[i], true, fresh, t);
		if (err || !file_is_there(fresh))
			continue;
		err = key_path(c, roles[i], false, path, t);
		if (!err && keyfile_load(fresh, roles[i], &key, NULL) == OK) {
			if (is_named(credential, roles[i], &key))
				err = file_rename(fresh, path, t);
			key_wipe(&key);
		}
	}
	return err;
}
