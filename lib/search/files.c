/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

int index_file_write(const char *path, struct bytes b, bool durable)
{
	int fd, err;

	do {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	} while (fd < 0 && errno == EEXIST && unlink(path) == 0);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE : ERR_IO;
	err = file_fill(fd, b);
	if (!err && durable && fdatasync(fd) != 0)
		err = ERR_IO;
	if (err && (errno == ENOSPC || errno == EDQUOT))
		err = ERR_NOSPACE;
	if (close(fd) != 0 && !err)
		err = ERR_IO;
	return err;
}

static int file_zero(int fd, size_t len)
{
	static const uint8_t zeros[65536];
	int err = OK;

	while (len > 0 && !err) {
		size_t now = len < sizeof zeros ? len : sizeof zeros;

		err = file_fill(fd, bytes_of(zeros, now));
		len -= now;
	}
	return err || fdatasync(fd) == 0 ? err : ERR_IO;
}

int index_file_erase(const char *path)
{
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err = OK;
	struct stat st;

	/* A link to somewhere is nothing but its name. */
	if (fd < 0 && errno != ELOOP)
		return errno == ENOENT ? OK : ERR_IO;
	if (fd >= 0) {
		if (fstat(fd, &st) != 0)
			err = ERR_IO;
		else if (S_ISREG(st.st_mode))
			err = file_zero(fd, (size_t)st.st_size);
		close(fd);
	}
	if (!err && unlink(path) != 0 && errno != ENOENT)
		err = ERR_IO;
	return err;
}

static bool is_named(const struct search_index *x, const char *name)
{
	char number[32];

	if (x && strcmp(name, "index") == 0)
		return true;
	for (size_t i = 0; x && i < x->count; i++) {
		snprintf(number, sizeof number, "%llx", (unsigned long long)x->segments[i].no);
		if (strcmp(name, number) == 0)
			return true;
	}
	return false;
}

int index_files_sweep(const char *folder, const struct search_index *keep)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	char path[INDEX_PATH_ROOM];
	int err = OK;

	if (!dir)
		return ERR_IO;
	while ((void)(errno = 0), (e = readdir(dir))) {
		struct stat st;

		if (e->d_name[0] == '.' || is_named(keep, e->d_name))
			continue;
		if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= sizeof path)
			err = ERR_IO;
		else if ((lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) &&
			 index_file_erase(path) != OK)
			err = ERR_IO;
	}
	if (errno != 0)
		err = ERR_IO;
	closedir(dir);
	return err ? err : folder_sync(folder);
}

int search_remove(const char *folder)
{
	struct stat st;
	int err;

	if (lstat(folder, &st) != 0)
		return errno == ENOENT ? OK : ERR_IO;
	err = index_files_sweep(folder, NULL);
	if (!err)
		rmdir(folder); /* empty, it says nothing */
	return err;
}
