/* SPDX-License-Identifier: BSD-2-Clause */
/* Key files and the root key's sequence.
 *
 * The root key may live on another medium than the rest: --root names its file, and what must stay
 * with it stands beside it: `root.sequence`, the highest sequence that it has signed with. A
 * sequence is taken, and the file synced, before anything is signed, so that a crash leaves a gap
 * and never signs two messages with one number. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/ctl.h"
#include "crypto/keyfile.h"

#define PASSPHRASE_MAX 1024

/* ---- passphrases ---- */

void passphrase_free(char *passphrase)
{
	if (!passphrase)
		return;
	secret_wipe(passphrase, PASSPHRASE_MAX);
	free(passphrase);
}

/* A line up to its end. False: there is none, or it is too long. */
static bool line_get(int fd, char out[static PASSPHRASE_MAX])
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, out + len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || out[len] == '\n')
			break;
		if (++len == PASSPHRASE_MAX - 1)
			return false;
	}
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return len > 0;
}

static int terminal_ask(const char *question, char out[static PASSPHRASE_MAX], struct trouble *t)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, quiet;
	bool got;

	if (fd < 0 || tcgetattr(fd, &before) != 0) {
		if (fd >= 0)
			close(fd);
		trouble_set(t, ERR_PASSPHRASE,
		    "a passphrase is needed, and there is no terminal to ask at");
		trouble_hint(t, "Give --passphrase-file FILE.");
		return ERR_PASSPHRASE;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ECHONL;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s", question);
	got = line_get(fd, out);
	tcsetattr(fd, TCSAFLUSH, &before);
	close(fd);
	return got ? OK : trouble_set(t, ERR_PASSPHRASE, "no passphrase was given");
}

static int passphrase_file(const char *path, char out[static PASSPHRASE_MAX], struct trouble *t)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool got;

	if (fd < 0)
		return trouble_errno(t, "the passphrase file %.300s can't be read", path);
	got = line_get(fd, out);
	close(fd);
	if (got)
		return OK;
	return trouble_set(t, ERR_PASSPHRASE,
	    "the first line of %.300s is no passphrase: empty, or too long", path);
}

int passphrase_new(const struct invocation *in, char **out, struct trouble *t)
{
	const char *path = option_value(in, "passphrase-file");
	char again[PASSPHRASE_MAX];
	int err;

	*out = NULL;
	if (!path && !option_given(in, "passphrase"))
		return OK;
	*out = calloc(1, PASSPHRASE_MAX);
	if (!*out)
		return no_memory(t);
	if (path) {
		err = passphrase_file(path, *out, t);
	} else {
		err = terminal_ask("Passphrase for the root key: ", *out, t);
		if (!err)
			err = terminal_ask("The same again: ", again, t);
		if (!err && strcmp(*out, again) != 0)
			err = trouble_set(t, ERR_PASSPHRASE, "the two passphrases differ");
		secret_wipe(again, sizeof again);
	}
	if (err) {
		passphrase_free(*out);
		*out = NULL;
	}
	return err;
}

/* ---- keys ---- */

static int key_trouble(int err, const char *path, const char *role, struct trouble *t)
{
	switch (err) {
	case ERR_NOTFOUND:
		trouble_set(t, err, "there is no %s key at %.300s", role, path);
		if (strcmp(role, "root") == 0)
			trouble_hint(t, "If it is kept offline, name its file with --root.");
		return err;
	case ERR_REFUSED:
		trouble_set(
		    t, ERR_IO, "the key %.300s can be read by others, or is not a file", path);
		trouble_hint(
		    t, "`chmod 600` it; and if others had the time to read it, it is spent.");
		return ERR_IO;
	case ERR_KEY:
		return trouble_set(t, err, "%.300s is not a %s key", path, role);
	case ERR_PASSPHRASE:
		return trouble_set(t, err, "the passphrase of %.300s is wrong", path);
	case ERR_IO:
		return trouble_errno(t, "the key %.300s can't be read", path);
	default:
		return trouble_set(
		    t, err, "the key %.300s can't be used: %s", path, error_text(err));
	}
}

int key_load(const struct ctl *c, const char *role, struct key *key, struct trouble *t)
{
	char path[PATH_LEN], name[64];
	int err;

	snprintf(name, sizeof name, "%s.key", role);
	err = path_join(path, c->keys, name, t);
	if (err)
		return err;
	err = keyfile_load(path, role, key, NULL);
	return err ? key_trouble(err, path, role, t) : OK;
}

int root_load(const struct ctl *c, struct key *key, struct trouble *t)
{
	const char *file = option_value(c->in, "passphrase-file");
	char passphrase[PASSPHRASE_MAX];
	int err = keyfile_load(c->root, "root", key, NULL);

	if (err != ERR_PASSPHRASE)
		return err ? key_trouble(err, c->root, "root", t) : OK;
	err = file ? passphrase_file(file, passphrase, t)
		   : terminal_ask("Passphrase of the root key: ", passphrase, t);
	if (err)
		return err;
	err = keyfile_load(c->root, "root", key, passphrase);
	secret_wipe(passphrase, sizeof passphrase);
	return err ? key_trouble(err, c->root, "root", t) : OK;
}

int root_public(const struct ctl *c, struct verifier *out, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	struct keyfile file;
	struct charter *charter;
	struct credential credential;
	const uint8_t *public = NULL;
	struct trouble other;
	int err;

	buffer_reserve(&text, 65536 + KEYFILE_MAX); /* for buffer_wipe(): it must not grow */
	err = file_read(c->root, KEYFILE_MAX, &text, t);
	if (!err && keyfile_parse(&file, buffer_bytes(&text)) == OK &&
	    strcmp(file.role, "root") == 0)
	public = file.public;
	else if (!err) err = key_trouble(ERR_KEY, c->root, "root", t);
	buffer_wipe(&text);
	if (!public && err == ERR_NOTFOUND && ctl_charter(c, &charter, &other) == OK) {
		if (ctl_credential(c, charter, &credential, &other) == OK) {
			memcpy(file.public, credential.root_key, KEY_LEN);
			public = file.public;
			credential_clear(&credential);
		}
		charter_free(charter);
	}
	if (public)
		err = verifier_make(out, bytes_str(c->conf->node.name), VERIFIER_ED25519, public);
	else if (err == ERR_NOTFOUND)
		key_trouble(err, c->root, "root", t);
	if (public && err)
		trouble_set(t, err, "the name %s can't stand in a key", c->conf->node.name);
	secret_wipe(&file, sizeof file);
	return err;
}

/* ---- the root key's sequence ---- */

static int sequence_path(const struct ctl *c, char out[static PATH_LEN], struct trouble *t)
{
	const char *slash = strrchr(c->root, '/');
	char folder[PATH_LEN];
	size_t len = slash ? (size_t)(slash - c->root) : 1;

	if (len >= sizeof folder)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", c->root);
	memcpy(folder, slash ? c->root : ".", len);
	folder[len] = '\0';
	return path_join(out, folder, "root.sequence", t);
}

int root_sequence(const struct ctl *c, uint64_t seen, uint64_t *out, struct trouble *t)
{
	const char *given = option_value(c->in, "sequence");
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	uint64_t used = 1; /* the credential's */
	int err = sequence_path(c, path, t), lock;

	if (err)
		return err;
	lock = file_lock(path);
	err = file_read(path, 64, &text, t);
	if (err == ERR_NOTFOUND) {
		err = OK;
	} else if (!err) {
		size_t len = strcspn(buffer_str(&text), "\n");

		err = decimal_parse(&used, buffer_str(&text), len, SEQUENCE_MAX - 1);
		if (err)
			trouble_set(t, ERR_IO,
			    "%.300s is damaged: it must hold the highest sequence used", path);
	}
	if (!err && seen > used && seen < SEQUENCE_MAX)
		used = seen;
	if (!err && given) {
		uint64_t wanted;

		if (decimal_parse(&wanted, given, strlen(given), SEQUENCE_MAX) != OK ||
		    wanted <= used)
			err = trouble_set(t, ERR_INVALID,
			    "--sequence wants a number above %" PRIu64 ", the highest used", used);
		else
			used = wanted - 1;
	}
	if (!err) {
		*out = used + 1;
		buffer_reset(&text);
		buffer_printf(&text, "%" PRIu64 "\n", *out);
		err = file_replace(path, buffer_bytes(&text), t);
	}
	if (lock >= 0)
		close(lock);
	buffer_free(&text);
	return err;
}
