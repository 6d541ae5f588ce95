/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/keyfile_seal.h"

/* rename() would replace a file that appeared meanwhile; link() refuses to. A crash leaves the key
 * whole or not there at all, and at worst a second name for it, of mode 0600 too. */
static int publish(const char *temporary, const char *path)
{
	if (link(temporary, path) != 0)
		return errno == EEXIST ? ERR_EXISTS : ERR_IO;
	unlink(temporary);
	int err = folder_sync_of(path);
	if (err != OK) {
		int saved = errno;
		unlink(path);
		errno = saved;
	}
	return err;
}

static int file_create(const char *path, struct bytes content)
{
	static const char suffix[] = ".XXXXXX";
	size_t path_len = strlen(path);
	char *temporary = malloc(path_len + sizeof suffix);
	if (temporary == NULL)
		return ERR_NOMEM;
	memcpy(temporary, path, path_len);
	memcpy(temporary + path_len, suffix, sizeof suffix);

	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		int saved = errno;
		free(temporary);
		errno = saved;
		return ERR_IO;
	}
	int err = file_fill(fd, content);
	if (err == OK && (fchmod(fd, S_IRUSR | S_IWUSR) != 0 || fsync(fd) != 0))
		err = ERR_IO;
	int saved = errno;
	if (close(fd) != 0 && err == OK) {
		saved = errno;
		err = ERR_IO;
	}
	if (err == OK) {
		err = publish(temporary, path);
		saved = errno;
	}
	if (err != OK)
		unlink(temporary);
	free(temporary);
	errno = saved;
	return err;
}

int keyfile_save(const char *path, const char *role, const struct key *key, const char *passphrase)
{
	struct stat st;
	if (!keyfile_role_valid(bytes_str(role)))
		return ERR_INVALID;
	/* Only to spare people the wait for the passphrase; publish() decides. */
	if (lstat(path, &st) == 0)
		return ERR_EXISTS;

	struct keyfile file = {0};
	struct buffer text = BUFFER_INIT;
	memcpy(file.role, role, strlen(role));
	int err = keyfile_seal(&file, key, passphrase);
	if (err == OK) {
		buffer_reserve(&text, KEYFILE_MAX + 1);
		keyfile_format(&text, &file);
		err = text.failed ? ERR_NOMEM : file_create(path, buffer_bytes(&text));
	}
	secret_wipe(&file, sizeof file);
	buffer_wipe(&text);
	return err;
}

/* Read a whole key file. Sets `*len`. */
static int file_read(const char *path, uint8_t out[static KEYFILE_MAX + 1], size_t *len)
{
	/* Not to wait for a writer, should it be a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO;

	struct stat st;
	int err = fstat(fd, &st) == 0 ? OK : ERR_IO;
	if (err == OK && (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0))
		err = ERR_REFUSED;
	*len = 0;
	while (err == OK && *len <= KEYFILE_MAX) {
		ssize_t n = read(fd, out + *len, KEYFILE_MAX + 1 - *len);
		if (n == 0)
			break;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EINTR)
			err = ERR_IO;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return err;
}

int keyfile_load(const char *path, const char *role, struct key *key, const char *passphrase)
{
	uint8_t text[KEYFILE_MAX + 1];
	struct keyfile file = {0};
	size_t len;
	int err = file_read(path, text, &len);
	if (err == OK)
		err = keyfile_parse(&file, bytes_of(text, len));
	if (err == OK && role != NULL && strcmp(role, file.role) != 0)
		err = ERR_KEY;
	if (err == OK)
		err = keyfile_open(key, &file, passphrase);
	secret_wipe(text, sizeof text);
	secret_wipe(&file, sizeof file);
	return err;
}
