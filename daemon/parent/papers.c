/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parent reads: charter, credential, TLS key. Each says itself what is wrong with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "crypto/keyfile.h"
#include "daemon/parent/parent.h"
#include "member/credential_text.h"
#include "net/tls.h"

static int file_read(const char *path, struct buffer *out)
{
	FILE *f = fopen(path, "re");
	char chunk[4096];
	size_t n;

	if (!f)
		return ERR_IO;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && out->len < NOTE_MAX + 1)
		buffer_add(out, chunk, n);
	n = (size_t)ferror(f);
	fclose(f);
	return n || out->failed ? ERR_IO : OK;
}

int charter_read(const struct conf *conf, struct charter **out)
{
	struct buffer note = BUFFER_INIT;
	const char *who = NULL;
	unsigned line = 0;
	int err = file_read(conf->node.charter, &note);

	if (err)
		log_error("%s: %s%s", conf->node.charter, strerror(errno),
		    errno == ENOENT
			? "; `convenectl charter` makes one, `convenectl peer BLOCK` takes a peer's"
			: "");
	else if ((err = charter_open(out, buffer_bytes(&note), &line, &who)) == ERR_NOT_COMPLETE)
		log_error("%s: the charter lacks the signature of %s; a charter counts when every "
			  "founder has signed it",
		    conf->node.charter, who);
	else if (err == ERR_SIGNATURE)
		log_error("%s: the signature of %s does not verify", conf->node.charter, who);
	else if (err && line)
		log_error("%s:%u: not a charter: %s", conf->node.charter, line, error_text(err));
	else if (err)
		log_error("%s: not a charter: %s", conf->node.charter, error_text(err));
	buffer_free(&note);
	return err;
}

char *passphrase_read(void)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"),
		   *file = getenv("CONVENE_PASSPHRASE_FILE");
	struct buffer b = BUFFER_INIT;
	char path[4096], *text = NULL;

	if (!file && dir) {
		snprintf(path, sizeof path, "%s/passphrase", dir);
		file = path;
	}
	if (file && file_read(file, &b) == OK) {
		text = strdup(buffer_str(&b));
		if (text)
			text[strcspn(text, "\r\n")] = '\0';
	}
	buffer_wipe(&b);
	return text;
}

int credential_read(const struct conf *conf, const struct charter *charter, struct credential *out)
{
	struct buffer text = BUFFER_INIT, message = BUFFER_INIT;
	char path[4096], log_name[VERIFIER_NAME_MAX + 1];
	int err;

	snprintf(path, sizeof path, "%s/credential", conf->node.keys);
	err = file_read(path, &text);
	if (err) {
		log_error("%s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; `convenectl credential` makes it with the root key" : "");
	} else {
		err = credential_text_parse(buffer_bytes(&text), log_name, &message);
		if (!err)
			err = credential_open_newer(
			    out, charter->forum, bytes_str(log_name), buffer_bytes(&message));
		if (!err && strcmp(out->organisation, conf->node.name) != 0)
			err = ERR_KEY;
		if (err == ERR_OTHER_FORUM)
			log_error("%s: made for another forum than the charter %s; `convenectl "
				  "credential` makes a new one",
			    path, conf->node.charter);
		else if (err)
			log_error("%s: not a credential of %s: %s", path, conf->node.name,
			    error_text(err));
	}
	buffer_free(&text);
	buffer_free(&message);
	return err;
}

int tls_key_read(struct relay_setup *setup)
{
	char path[4096], *passphrase = passphrase_read();
	uint8_t pin[HASH_LEN];
	bool named = false;
	int err;

	snprintf(path, sizeof path, "%s/tls.key.new", setup->conf->node.keys);
	/* While keys are replaced (client/ctl_rotate.c), the new one may not have its name yet. */
	err = keyfile_load(path, "tls", &setup->tls_key, passphrase);
	if (!err) {
		tls_pin_of(pin, setup->tls_key.public);
		named = credential_has_pin(setup->credential, pin);
	}
	if (!named) {
		path[strlen(path) - strlen(".new")] = '\0';
		err = keyfile_load(path, "tls", &setup->tls_key, passphrase);
	}
	if (!err && !named) {
		tls_pin_of(pin, setup->tls_key.public);
		named = credential_has_pin(setup->credential, pin);
	}
	if (err)
		log_error("%s: %s", path,
		    err == ERR_REFUSED ? "others can read it; chmod 600" : error_text(err));
	else if (!named)
		log_error("%s: not a TLS key that the credential names, so nobody will talk to "
			  "this node; after a change of keys, `convenectl credential --renew`",
		    path);
	if (passphrase) {
		secret_wipe(passphrase, strlen(passphrase));
		free(passphrase);
	}
	return err;
}
