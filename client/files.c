/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "client/output.h"

int path_join(char out[static PATH_LEN], const char *folder, const char *name, struct trouble *t)
{
	int n = snprintf(out, PATH_LEN, "%s/%s", folder, name);

	if (n < 0 || n >= PATH_LEN)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", folder);
	return OK;
}

int path_folder(char out[static PATH_LEN], const char *path, struct trouble *t)
{
	char copy[PATH_LEN];

	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	snprintf(out, PATH_LEN, "%s", dirname(copy));
	return OK;
}

int folder_make(const char *path, struct trouble *t)
{
	char part[PATH_LEN];
	struct stat st;

	if (strlen(path) >= sizeof part)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	memcpy(part, path, strlen(path) + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST && errno != EISDIR &&
		    errno != EROFS && errno != EACCES)
			return trouble_errno(t, "the folder %.300s can't be made", part);
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return trouble_errno(t, "the folder %.300s can't be made", path);
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return trouble_errno(t, "%.300s can't be used", path);
	}
	if (st.st_mode & 077) {
		trouble_set(t, ERR_IO, "others may enter %.300s, where your key is kept", path);
		trouble_hint(t, "Close it: chmod 700 %.200s", path);
		return ERR_IO;
	}
	return OK;
}

int file_read(const char *path, size_t max, struct buffer *out, struct trouble *t)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t begin = out->len;
	ssize_t n = 0;
	int err = OK;

	if (fd < 0) {
		err = trouble_errno(t, "%.300s can't be read", path);
		return errno == ENOENT ? (t->err = ERR_NOTFOUND) : err;
	}
	for (;;) {
		uint8_t *room = buffer_reserve(out, 65536);

		if (!room) {
			err = trouble_set(
			    t, ERR_NOMEM, "there is not enough memory for %.300s", path);
			break;
		}
		n = read(fd, room, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = trouble_errno(t, "%.300s can't be read", path);
		if (n <= 0)
			break;
		out->len += (size_t)n;
		if (out->len - begin > max) {
			char size[16];

			err = trouble_set(t, ERR_TOO_LARGE, "%.300s is larger than %s", path,
			    size_text(size, max));
			break;
		}
	}
	close(fd);
	if (err)
		out->len = begin;
	return err;
}

int file_write(const char *folder, const char *name, struct bytes data, struct trouble *t)
{
	char path[PATH_LEN], temporary[PATH_LEN];
	int fd, saved, err = path_join(path, folder, name, t);

	if (!err && snprintf(temporary, sizeof temporary, "%s/.%s.new", folder, name) >=
			(int)sizeof temporary)
		err = trouble_set(t, ERR_INVALID, "the path %.200s… is too long", folder);
	if (err)
		return err;
	/* One writer at a time, by the home's lock: what stands there was left by a crash. */
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fchmod(fd, 0600) == 0 && file_fill(fd, data) == OK && fsync(fd) == 0) {
		close(fd);
		if (rename(temporary, path) == 0 && folder_sync(folder) == OK)
			return OK;
		fd = -1;
	}
	err = trouble_errno(t, "%.300s can't be written", path);
	saved = errno;
	if (fd >= 0)
		close(fd);
	unlink(temporary);
	errno = saved;
	return err;
}

int file_move(const char *folder, const char *name, const char *to, struct trouble *t)
{
	char from[PATH_LEN], path[PATH_LEN];
	int err = path_join(from, folder, name, t);

	if (!err && to)
		err = path_join(path, to, name, t);
	if (err)
		return err;
	/* The new name is made durable before the old one goes for good: a crash leaves both, never
	 * none. */
	if (to ? rename(from, path) != 0 || folder_sync(to) != OK : unlink(from) != 0)
		return trouble_errno(t, "%.300s can't be moved", from);
	if (folder_sync(folder) != OK)
		return trouble_errno(t, "the folder %.300s can't be written", folder);
	return OK;
}
