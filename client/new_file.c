/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "client/output.h"

bool new_file_may(const char *path)
{
	struct stat st;

	return lstat(path, &st) != 0 || S_ISREG(st.st_mode);
}

int new_file_open(struct new_file *f, const char *path, struct trouble *t)
{
	mode_t mask;
	int fd;

	*f = (struct new_file){NULL, "", ""};
	if (!new_file_may(path))
		return trouble_set(t, ERR_INVALID, "%.300s is there and is no file", path);
	if (snprintf(f->path, sizeof f->path, "%s", path) >= (int)sizeof f->path ||
	    snprintf(f->temporary, sizeof f->temporary, "%s.XXXXXX", path) >=
		(int)sizeof f->temporary) {
		f->temporary[0] = '\0';
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	}
	fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0) {
		f->temporary[0] = '\0';
		return trouble_errno(t, "%.300s can't be written", path);
	}
	mask = umask(0);
	umask(mask);
	f->to = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "wb") : NULL;
	if (f->to)
		return OK;
	close(fd);
	return trouble_errno(t, "%.300s can't be written", path);
}

int new_file_close(struct new_file *f, struct trouble *t)
{
	bool good = fflush(f->to) == 0 && fsync(fileno(f->to)) == 0;

	good &= fclose(f->to) == 0;
	f->to = NULL;
	if (!good || rename(f->temporary, f->path) != 0)
		return trouble_errno(t, "%.300s can't be written", f->path);
	f->temporary[0] = '\0';
	if (folder_sync_of(f->path) != OK)
		return trouble_errno(t, "the folder of %.300s can't be synced", f->path);
	return OK;
}

void new_file_drop(struct new_file *f)
{
	if (f->to)
		fclose(f->to);
	if (f->temporary[0])
		unlink(f->temporary);
	*f = (struct new_file){NULL, "", ""};
}
