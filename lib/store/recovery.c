/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define FIRST_LINE "convene recover 1"
#define FILE_MAX (64 + RECOVERY_WITHOUT_MAX * (RECOVERY_NAME_MAX + 10))

static const char *const words[] = {"none", "found", "restored", "log"};

const char *recovery_word(enum recovery_kind kind)
{
	return words[kind];
}

void recovery_clear(struct recovery *r)
{
	free(r->without);
	*r = (struct recovery){RECOVERY_NONE, NULL, 0};
}

bool recovery_has(const struct recovery *r, const char *name)
{
	for (size_t i = 0; i < r->without_count; i++) {
		if (strcmp(r->without[i], name) == 0)
			return true;
	}
	return false;
}

int recovery_without(struct recovery *r, struct bytes name)
{
	char text[RECOVERY_NAME_MAX + 1] = "";
	void *grown;

	if (name.len == 0 || name.len > RECOVERY_NAME_MAX || memchr(name.data, '\n', name.len) ||
	    memchr(name.data, 0, name.len))
		return ERR_INVALID;
	memcpy(text, name.data, name.len);
	if (recovery_has(r, text))
		return OK;
	if (r->without_count == RECOVERY_WITHOUT_MAX)
		return ERR_TOO_LARGE;
	grown = realloc(r->without, (r->without_count + 1) * sizeof *r->without);
	if (!grown)
		return ERR_NOMEM;
	r->without = grown;
	memcpy(r->without[r->without_count++], text, sizeof text);
	return OK;
}

/* ---- the text ---- */

/* Take the next line; false: there is none that ends. */
static bool line_next(struct bytes *rest, struct bytes *line)
{
	const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!end)
		return false;
	*line = bytes_of(rest->data, (size_t)(end - rest->data));
	*rest = bytes_of(end + 1, rest->len - line->len - 1);
	return true;
}

/* What stands behind "KEY "; false: another line. */
static bool line_value(struct bytes line, const char *key, struct bytes *value)
{
	size_t len = strlen(key);

	if (line.len <= len + 1 || memcmp(line.data, key, len) != 0 || line.data[len] != ' ')
		return false;
	*value = bytes_of(line.data + len + 1, line.len - len - 1);
	return true;
}

static int parse(struct recovery *out, struct bytes text)
{
	struct bytes line, value;

	if (!line_next(&text, &line) || !bytes_equal(line, bytes_str(FIRST_LINE)) ||
	    !line_next(&text, &line) || !line_value(line, "kind", &value))
		return ERR_MALFORMED;
	for (enum recovery_kind k = RECOVERY_FOUND; k <= RECOVERY_LOG; k++) {
		if (bytes_equal(value, bytes_str(words[k])))
			out->kind = k;
	}
	while (line_next(&text, &line)) {
		int err = line_value(line, "without", &value) ? recovery_without(out, value)
							      : ERR_MALFORMED;

		if (err)
			return err;
	}
	return text.len > 0 || out->kind == RECOVERY_NONE ? ERR_MALFORMED : OK;
}

/* ---- the file ---- */

static bool name_of(char out[static 4096], const char *folder, const char *ending)
{
	return snprintf(out, 4096, "%s/recover%s", folder, ending) < 4096;
}

int recovery_load(struct recovery *out, const char *folder)
{
	struct buffer text = BUFFER_INIT;
	char path[4096];
	ssize_t n = 1;
	int fd, err = OK;

	*out = (struct recovery){RECOVERY_NONE, NULL, 0};
	if (!name_of(path, folder, ""))
		return ERR_IO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? OK : ERR_IO;
	while (n > 0 && text.len <= FILE_MAX) {
		uint8_t chunk[4096];

		n = read(fd, chunk, sizeof chunk);
		if (n > 0)
			buffer_add(&text, chunk, (size_t)n);
	}
	close(fd);
	if (n < 0)
		err = ERR_IO;
	else if (text.failed)
		err = ERR_NOMEM;
	else
		err = parse(out, buffer_bytes(&text));
	buffer_free(&text);
	if (err == ERR_IO || err == ERR_NOMEM) {
		recovery_clear(out);
		return err;
	}
	if (err) {
		recovery_clear(out);
		out->kind = RECOVERY_RESTORED;
	}
	return OK;
}

static int write_new(const char *path, struct bytes text)
{
	/* For the daemon, whoever wrote it: there is no secret in it. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644), err = OK;

	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE : ERR_IO;
	errno = 0;
	if (fchmod(fd, 0644) != 0 || write(fd, text.data, text.len) != (ssize_t)text.len ||
	    fsync(fd) != 0)
		err = errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE : ERR_IO;
	close(fd);
	return err;
}

int recovery_save(const struct recovery *r, const char *folder)
{
	struct buffer text = BUFFER_INIT;
	char path[4096], fresh[4096];
	int err;

	if (!name_of(path, folder, "") || !name_of(fresh, folder, ".new"))
		return ERR_IO;
	buffer_printf(&text, FIRST_LINE "\nkind %s\n", words[r->kind]);
	for (size_t i = 0; i < r->without_count; i++)
		buffer_printf(&text, "without %s\n", r->without[i]);
	err = text.failed ? ERR_NOMEM : OK;
	if (!err) {
		unlink(fresh); /* of a crash, or of another user */
		err = write_new(fresh, buffer_bytes(&text));
	}
	if (!err)
		err = rename(fresh, path) == 0 ? folder_sync(folder) : ERR_IO;
	buffer_free(&text);
	return err;
}

int recovery_remove(const char *folder)
{
	char path[4096];

	if (!name_of(path, folder, ""))
		return ERR_IO;
	return unlink(path) == 0 || errno == ENOENT ? folder_sync(folder) : ERR_IO;
}
