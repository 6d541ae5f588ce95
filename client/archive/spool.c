/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/output.h"

#define TAIL_MAX (256 * 1024)

int spool_open(struct spool *s, const char *folder, struct trouble *t)
{
	char path[PATH_LEN];
	int err = path_join(path, folder, "convene-XXXXXX", t);

	*s = (struct spool){.fd = -1};
	if (err)
		return err;
	s->fd = mkostemp(path, O_CLOEXEC);
	if (s->fd < 0) {
		return trouble_errno(t, "no temporary file can be made in %.300s", folder);
	}
	unlink(path);
	return OK;
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buffer_free(&s->tail);
}

static int flush(struct spool *s, struct trouble *t)
{
	for (size_t at = 0; at < s->tail.len;) {
		ssize_t n = pwrite(
		    s->fd, s->tail.data + at, s->tail.len - at, (off_t)(s->written + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return trouble_errno(t, "a temporary file can't be written");
		at += (size_t)n;
	}
	s->written += s->tail.len;
	buffer_reset(&s->tail);
	return OK;
}

int spool_add(struct spool *s, struct bytes data, uint64_t *at, struct trouble *t)
{
	*at = s->written + s->tail.len;
	buffer_add(&s->tail, data.data, data.len);
	if (s->tail.failed)
		return no_memory(t);
	return s->tail.len < TAIL_MAX ? OK : flush(s, t);
}

int spool_read(struct spool *s, uint64_t at, size_t len, struct buffer *out, struct trouble *t)
{
	uint8_t *to = buffer_reserve(out, len);
	int err = at + len > s->written ? flush(s, t) : OK;

	if (!to && len > 0)
		return no_memory(t);
	for (size_t got = 0; !err && got < len;) {
		ssize_t n = pread(s->fd, to + got, len - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			err = trouble_errno(t, "a temporary file can't be read");
		else
			got += (size_t)n;
	}
	if (!err)
		out->len += len;
	return err;
}
