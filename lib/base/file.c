/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

int file_fill(int fd, struct bytes b)
{
	while (b.len > 0) {
		ssize_t n = write(fd, b.data, b.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		b = bytes_of(b.data + n, b.len - (size_t)n);
	}
	return OK;
}

int folder_sync(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err, saved;

	if (fd < 0)
		return ERR_IO;
	/* EINVAL: a file system that has no such thing. */
	err = fsync(fd) == 0 || errno == EINVAL ? OK : ERR_IO;
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}

int folder_sync_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int err = folder ? folder_sync(folder) : ERR_NOMEM, saved = errno;

	free(folder);
	errno = saved;
	return err;
}
