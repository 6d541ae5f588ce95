/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are there whole or not at all: written under another name, synced, then put in place,
 * and the folder synced. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "client/ctl.h"

bool file_is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int file_load(struct buffer *out, const char *path, size_t max, struct trouble *t)
{
	return file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, max, out, t);
}

static int folder_open(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	snprintf(
	    folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int file_lock(const char *path)
{
	/* The folder: the file itself is replaced, and a lock on it would go with it. */
	int fd = folder_open(path);

	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Write `temporary` (a pattern of mkstemp). */
static int temporary_write(
    char *temporary, struct bytes content, mode_t mode, const struct stat *owner)
{
	int fd = mkostemp(temporary, O_CLOEXEC);
	int err, saved;

	if (fd < 0)
		return ERR_IO;
	err = file_fill(fd, content);
	if (!err && owner && (owner->st_uid != geteuid() || owner->st_gid != getegid()) &&
	    fchown(fd, owner->st_uid, owner->st_gid) != 0)
		err = ERR_IO;
	if (!err && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		err = ERR_IO;
	saved = errno;
	if (close(fd) != 0 && !err) {
		saved = errno;
		err = ERR_IO;
	}
	if (err)
		unlink(temporary);
	errno = saved;
	return err;
}

int file_create(const char *path, struct bytes content, mode_t mode, struct trouble *t)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	if (temporary_write(temporary, content, mode, NULL) != OK)
		return trouble_errno(t, "%.300s can't be written", path);
	/* link() refuses what rename() would replace. */
	if (link(temporary, path) != 0) {
		int saved = errno;

		unlink(temporary);
		errno = saved;
		if (errno == EEXIST)
			return trouble_set(t, ERR_EXISTS, "%.300s is there already", path);
		return trouble_errno(t, "%.300s can't be written", path);
	}
	unlink(temporary);
	return folder_sync_of(path) == OK ? OK : trouble_errno(t, "%.300s can't be synced", path);
}

int file_replace(const char *path, struct bytes content, struct trouble *t)
{
	char real[PATH_MAX], temporary[PATH_MAX];
	struct stat st;
	bool there = realpath(path, real) && stat(real, &st) == 0;
	int err;

	/* A device would be gone, with a file in its place. */
	if (there && !S_ISREG(st.st_mode))
		return trouble_set(t, ERR_INVALID, "%.300s is there and is no file", path);
	if (!there && snprintf(real, sizeof real, "%s", path) >= (int)sizeof real)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", real) >= (int)sizeof temporary)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	err = temporary_write(
	    temporary, content, there ? st.st_mode & 07777 : 0644, there ? &st : NULL);
	if (!err && rename(temporary, real) != 0) {
		int saved = errno;

		unlink(temporary);
		errno = saved;
		err = ERR_IO;
	}
	if (!err)
		err = folder_sync_of(real);
	return err ? trouble_errno(t, "%.300s can't be written", path) : OK;
}

int file_rename(const char *from, const char *to, struct trouble *t)
{
	if (rename(from, to) != 0)
		return trouble_errno(t, "%.300s can't be given its name", from);
	return folder_sync_of(to) == OK ? OK : trouble_errno(t, "%.300s can't be synced", to);
}
