/* SPDX-License-Identifier: BSD-2-Clause */
/* What a start finds in the files of a journal. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "store/intake_inside.h"

int intake_read_at(int fd, uint8_t *out, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pread(fd, out, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		out += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

/* A record that begins here, of ours and whole. */
static bool record_at(
    const struct intake *j, const struct intake_file *f, uint64_t at, struct intake_record *out)
{
	const uint8_t *p = f->image + at;
	uint8_t sum[HASH_LEN];

	if (f->size - at < INTAKE_PAGE || memcmp(p, j->mark, INTAKE_MARK) != 0)
		return false;
	*out = (struct intake_record){.first = get_u64(p + 8),
	    .count = get_u32(p + 16),
	    .len = get_u32(p + 20),
	    .at = at,
	    .file = (unsigned)(f - j->files)};
	if (out->len < HEADER_LEN || out->len > f->size - at || out->count == 0 ||
	    out->first == 0 || out->first > UINT64_MAX - out->count)
		return false;
	intake_checksum(j, sum, p, out->len);
	return memcmp(sum, p + HEADER_SUM, HASH_LEN) == 0;
}

static int file_open(struct intake *j, struct intake_file *f)
{
	int flags = j->read_only ? O_RDONLY : O_RDWR;
	struct stat st;

	f->fd = open(f->path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd < 0)
		return errno == ENOENT ? OK : ERR_IO;
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return ERR_IO;
	/* A file that is being made may end anywhere. */
	f->size = (uint64_t)st.st_size / INTAKE_PAGE * INTAKE_PAGE;
	f->image = malloc(f->size + 1);
	if (!f->image)
		return ERR_NOMEM;
	errno = 0;
	if (intake_read_at(f->fd, f->image, f->size, 0) != OK) {
		/* Cut meanwhile: it held nothing. */
		if (errno != 0 || !j->read_only)
			return ERR_IO;
		f->size = 0;
	}
	/* Zeros, too, may be in memory only. */
	f->dirty = f->size;
	return OK;
}

static int file_scan(struct intake *j, struct intake_file *f)
{
	struct intake_record r;
	int err = file_open(j, f);

	for (uint64_t at = 0; err == OK && at < f->size;) {
		if (!record_at(j, f, at, &r)) {
			at += INTAKE_PAGE;
			continue;
		}
		at += page_up(r.len);
		if (record_last(&r) > j->taken && !intake_record_add(j, &r))
			err = ERR_NOMEM;
	}
	return err;
}

static int by_number(const void *a, const void *b)
{
	uint64_t one = ((const struct intake_record *)a)->first;
	uint64_t two = ((const struct intake_record *)b)->first;

	return one < two ? -1 : one > two;
}

void intake_end_at_gap(struct intake *j)
{
	uint64_t next = j->taken + 1;
	size_t i = j->head;

	while (i < j->count && j->records[i].first <= next) {
		next = record_last(&j->records[i]) + 1;
		i++;
	}
	j->count = i;
	j->next = next;
}

/* Every message behind those that are taken, once. */
static int check_whole(struct intake *j, const char *path, char why[static 160])
{
	uint64_t next = j->taken + 1;

	for (size_t i = 0; i < j->count; i++) {
		const struct intake_record *r = &j->records[i];

		if (r->first != next && !(i == 0 && r->first < next)) {
			snprintf(why, 160,
			    "accepted messages are damaged or missing in %.50s-inbox1 and -inbox2, "
			    "before number %llu: see convenectl(8)",
			    path, (unsigned long long)r->first);
			return ERR_STORE;
		}
		next = record_last(r) + 1;
		j->active = r->file;
		j->files[r->file].end = r->at + page_up(r->len);
	}
	j->next = next;
	return OK;
}

/* What a process that was killed had written, and not synced, is acknowledged from now on. After a
 * sync that failed the system has such pages in memory, and calls them clean though they are not on
 * the disk: so they are written again, as they are. */
static int make_durable(struct intake *j)
{
	for (size_t i = 0; i < j->count; i++) {
		const struct intake_record *r = &j->records[i];
		const struct intake_file *f = &j->files[r->file];
		int err = intake_write_at(f->fd, f->image + r->at, page_up(r->len), r->at);

		if (err != OK)
			return err;
	}
	for (int i = 0; i < 2; i++)
		if (j->files[i].fd >= 0 && j->count > 0 && fdatasync(j->files[i].fd) != 0)
			return ERR_IO;
	return j->count > 0 ? folder_sync_of(j->files[0].path) : OK;
}

static void make_mark(struct intake *j)
{
	struct bytes parts[] = {bytes_of(j->key, INTAKE_KEY), bytes_str("CONVin01")};
	uint8_t hash[HASH_LEN];

	hash_of_parts(hash, parts, 2);
	memcpy(j->mark, hash, INTAKE_MARK);
}

static int scan(struct intake *j, const char *path, char why[static 160])
{
	int err = OK;

	for (int i = 0; i < 2 && err == OK; i++) {
		errno = 0;
		err = file_scan(j, &j->files[i]);
		if (err != OK)
			snprintf(why, 160, "%.100s-inbox%d: %s", path, i + 1,
			    errno ? strerror(errno) : error_text(err));
	}
	if (err != OK)
		return err;
	if (j->count > 0)
		qsort(j->records, j->count, sizeof *j->records, by_number);
	if (j->read_only)
		return OK;
	err = check_whole(j, path, why);
	if (err == OK && (err = make_durable(j)) != OK)
		snprintf(why, 160, "%.100s-inbox1: %s", path, strerror(errno));
	for (int i = 0; i < 2; i++) {
		free(j->files[i].image);
		j->files[i].image = NULL;
	}
	return err;
}

int intake_open(struct intake **out, const char *path, const uint8_t key[static INTAKE_KEY],
    uint64_t taken, unsigned flags, char why[static 160])
{
	struct intake *j = calloc(1, sizeof *j);
	size_t room = strlen(path) + sizeof "-inbox1";
	int err = OK;

	*out = NULL;
	why[0] = '\0';
	if (!j)
		return ERR_NOMEM;
	pthread_mutex_init(&j->lock, NULL);
	memcpy(j->key, key, INTAKE_KEY);
	make_mark(j);
	j->made = true; /* also one that was made by who did not live to sync the folder */
	j->read_only = (flags & INTAKE_READ_ONLY) != 0;
	j->taken = taken;
	j->next = taken + 1;
	for (int i = 0; i < 2; i++) {
		j->files[i].fd = -1;
		j->files[i].path = malloc(room);
		if (!j->files[i].path)
			err = ERR_NOMEM;
		else
			snprintf(j->files[i].path, room, "%s-inbox%d", path, i + 1);
	}
	if (err == OK)
		err = scan(j, path, why);
	if (err != OK) {
		intake_close(j);
		return err;
	}
	*out = j;
	return OK;
}

void intake_close(struct intake *j)
{
	if (!j)
		return;
	for (int i = 0; i < 2; i++) {
		if (j->files[i].fd >= 0)
			close(j->files[i].fd);
		free(j->files[i].path);
		free(j->files[i].image);
	}
	pthread_mutex_destroy(&j->lock);
	buffer_wipe(&j->pending);
	free(j->records);
	free(j);
}
