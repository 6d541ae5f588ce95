/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/parse.h"

/* The folder of `path`, for the caller to free: absolute if the machine can say so. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path))
			     : strdup(".");
	char *real = folder ? realpath(folder, NULL) : NULL;

	if (!real)
		return folder;
	free(folder);
	return real;
}

int conf_parse(struct conf **out, const char *path, struct bytes text, struct conf_errors *errors)
{
	struct conf *conf = calloc(1, sizeof *conf);
	char *folder = folder_of(path);
	struct scan scan = {.len = 0};
	struct blocks blocks = {NULL, 0};
	int err = ERR_NOMEM;

	*out = NULL;
	if (!errors->file)
		errors->file = strdup(path);
	if (conf && folder && errors->file && (conf->file = strdup(path))) {
		err = scan_text(&scan, text, errors);
		if (err == OK)
			err = blocks_load(&blocks, &scan, errors);
		if (err == OK)
			err = conf_build(conf, &blocks, folder, errors);
	}
	blocks_free(&blocks);
	scan_free(&scan);
	free(folder);
	if (err == OK) {
		conf_errors_free(errors);
		*out = conf;
		return OK;
	}
	errors->nomem |= err == ERR_NOMEM;
	conf_free(conf);
	return err;
}

/* The whole file, or ERR_IO, ERR_TOO_LARGE, ERR_NOMEM. */
static int file_read(struct buffer *b, const char *path)
{
	FILE *f = fopen(path, "re");
	int err = OK, kept;

	if (!f)
		return ERR_IO;
	while (err == OK && !feof(f)) {
		uint8_t *to = buffer_reserve(b, 16384);
		size_t n;

		if (!to) {
			err = ERR_NOMEM;
			break;
		}
		n = fread(to, 1, 16384, f);
		b->len += n;
		if (ferror(f))
			err = ERR_IO;
		else if (b->len > CONF_FILE_MAX)
			err = ERR_TOO_LARGE;
	}
	kept = errno;
	fclose(f);
	errno = kept;
	return err;
}

int conf_load(struct conf **out, const char *path, struct conf_errors *errors)
{
	struct buffer b = BUFFER_INIT;
	int err, kept;

	*out = NULL;
	if (!errors->file)
		errors->file = strdup(path);
	err = file_read(&b, path);
	kept = errno;
	if (err == ERR_IO)
		error_add(errors, 0, "cannot be read: %s; check its path and permissions",
		    strerror(kept));
	else if (err == ERR_TOO_LARGE)
		error_add(
		    errors, 0, "larger than %d KiB; is this a config file?", CONF_FILE_MAX / 1024);
	else if (err == ERR_NOMEM)
		errors->nomem = true;
	else
		err = conf_parse(out, path, buffer_bytes(&b), errors);
	buffer_free(&b);
	errno = kept;
	return err;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->peer_count; i++)
		free(conf->peers[i].name);
	for (size_t i = 0; i < conf->origin_count; i++)
		free(conf->origins[i].name);
	free(conf->peers);
	free(conf->origins);
	free(conf->file);
	free(conf->node.name);
	free(conf->node.listen);
	free(conf->node.data);
	free(conf->node.keys);
	free(conf->node.charter);
	free(conf->node.control);
	free(conf->node.user);
	free(conf->node.signer_user);
	free(conf->node.signer_data);
	free(conf->log.target);
	free(conf->web.listen);
	free(conf->web.certificate);
	free(conf->web.key);
	free(conf->web.user);
	free(conf->web.url);
	free(conf->web.operator);
	free(conf->web.contact);
	free(conf->nntp.listen);
	free(conf->nntp.certificate);
	free(conf->nntp.key);
	free(conf->nntp.user);
	free(conf);
}

bool conf_carries(const struct conf *conf, const char *org)
{
	for (size_t i = 0; i < conf->origin_count; i++)
		if (strcmp(conf->origins[i].name, org) == 0)
			return conf->origins[i].carry;
	return true;
}
