/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing and reading records; what is found at a start is in intake_scan.c. */
#include "store/intake_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

enum {
	STEP = 1 << 20,       /* a file grows by so much, written: a sync then has no more to do */
	KEEP_BYTES = 4 << 20, /* what stays of a file that is scrubbed and empty */
	PENDING_KEEP = 1 << 20,
	RECORD_MAX = 1 << 30,
};
_Static_assert(STEP <= KEEP_BYTES, "what is given back leaves a step");

static int error_of(int err)
{
	return err == ENOSPC || err == EDQUOT ? ERR_NOSPACE : ERR_IO;
}

/* ---- records ---- */

void intake_checksum(
    const struct intake *j, uint8_t out[static HASH_LEN], const uint8_t *record, size_t len)
{
	struct bytes parts[] = {bytes_of(j->key, INTAKE_KEY), bytes_of(record, HEADER_SUM),
	    bytes_of(record + HEADER_LEN, len - HEADER_LEN)};

	hash_of_parts(out, parts, 3);
}

static uint8_t *record_room(struct intake *j, size_t len)
{
	uint8_t *room = buffer_reserve(&j->pending, len);

	if (room)
		j->pending.len += len;
	return room;
}

static int fail(struct intake *j, int err)
{
	int none = OK;

	atomic_compare_exchange_strong(&j->failed, &none, err);
	return err;
}

int intake_add(struct intake *j, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	uint8_t *p;

	if (j->failed != OK)
		return j->failed;
	if (message.len > RECORD_MAX || content.len > RECORD_MAX ||
	    j->pending.len + message.len + content.len > RECORD_MAX)
		return fail(j, ERR_NOMEM);
	if (j->pending.len == 0 && !(p = record_room(j, HEADER_LEN)))
		return fail(j, ERR_NOMEM);
	p = record_room(j, MESSAGE_LEN + message.len + content.len);
	if (!p)
		return fail(j, ERR_NOMEM);
	memcpy(p, id, ID_LEN);
	memcpy(p + ID_LEN, salt, SALT_LEN);
	put_u32(p + ID_LEN + SALT_LEN, (uint32_t)message.len);
	put_u32(p + ID_LEN + SALT_LEN + 4, (uint32_t)content.len);
	p += MESSAGE_LEN;
	if (message.len > 0)
		memcpy(p, message.data, message.len);
	if (content.len > 0)
		memcpy(p + message.len, content.data, content.len);
	j->pending_count++;
	return OK;
}

/* With its header, and zeros up to the next page. False: no memory. */
static bool record_finish(struct intake *j, size_t *len)
{
	size_t full;
	uint8_t *p, *rest;

	*len = j->pending.len;
	full = page_up(*len);
	rest = record_room(j, full - *len);
	if (full > *len && !rest)
		return false;
	if (full > *len)
		memset(rest, 0, full - *len);
	p = j->pending.data;
	memcpy(p, j->mark, INTAKE_MARK);
	put_u64(p + 8, j->next);
	put_u32(p + 16, j->pending_count);
	put_u32(p + 20, (uint32_t)*len);
	intake_checksum(j, p + HEADER_SUM, p, *len);
	return true;
}

/* ---- files ---- */

int intake_write_at(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_of(errno);
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
	/* A page each time: where a system keeps what was written at once together, a later write
	 * into it would be counted, or done, as one of all of that. */
	static const uint8_t zeros[INTAKE_PAGE];

	while (from < to) {
		size_t part = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
		int err = intake_write_at(fd, zeros, part, from);

		if (err != OK)
			return err;
		from += part;
	}
	return OK;
}

/* Room for a record at the end of a file. */
static int file_grow(struct intake *j, struct intake_file *f, size_t len)
{
	uint64_t size = (f->end + len + STEP - 1) / STEP * STEP;
	int err;

	if (f->fd < 0) {
		f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, INTAKE_MODE);
		if (f->fd < 0)
			return error_of(errno);
		j->made = true;
	}
	if (f->end + len <= f->size)
		return OK;
	err = write_zeros(f->fd, f->size, size);
	if (err == OK)
		f->size = size;
	return err;
}

/* Those of one file stand together: it is begun anew when it has none. */
static bool file_lives(const struct intake *j, const struct intake_file *f)
{
	return j->head < j->count && (&j->files[j->records[j->head].file] == f ||
					 &j->files[j->records[j->count - 1].file] == f);
}

/* Where the next record goes. What is in the way there is dead, and in no hurry to go. */
static struct intake_file *file_next(struct intake *j)
{
	struct intake_file *f = &j->files[j->active], *other = &j->files[!j->active];

	if (file_lives(j, f)) {
		if (f->end < STEP || file_lives(j, other))
			return f;
		j->active = !j->active;
		f = other;
	}
	f->end = 0;
	/* A crowd has been here. If it can't be cut it stays as it is. */
	if (f->size > KEEP_BYTES && ftruncate(f->fd, STEP) == 0) {
		f->size = STEP;
		f->dirty = f->dirty < STEP ? f->dirty : STEP;
	}
	return f;
}

bool intake_record_add(struct intake *j, const struct intake_record *r)
{
	if (j->count == j->cap && j->head > 0) {
		memmove(j->records, j->records + j->head, (j->count - j->head) * sizeof *r);
		j->count -= j->head;
		j->head = 0;
	}
	if (j->count == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 64;
		struct intake_record *grown = realloc(j->records, cap * sizeof *grown);

		if (!grown)
			return false;
		j->records = grown;
		j->cap = cap;
	}
	j->records[j->count++] = *r;
	return true;
}

/* In the lock: so that a scrub finds it there, and leaves it. */
static int record_write(struct intake *j, int *fd)
{
	struct intake_file *f = file_next(j);
	struct intake_record r = {
	    .first = j->next, .count = j->pending_count, .file = (unsigned)(f - j->files)};
	int err;

	if (!record_finish(j, &r.len))
		return ERR_NOMEM;
	err = file_grow(j, f, j->pending.len);
	r.at = f->end;
	if (err == OK)
		err = intake_write_at(f->fd, j->pending.data, j->pending.len, f->end);
	if (f->dirty < f->end + j->pending.len)
		f->dirty = f->end + j->pending.len;
	if (err == OK && !intake_record_add(j, &r))
		err = ERR_NOMEM;
	if (err != OK)
		return err;
	f->end += j->pending.len;
	j->next += j->pending_count;
	*fd = f->fd;
	return OK;
}

int intake_sync(struct intake *j)
{
	bool made;
	int fd = -1, err;

	if (j->failed != OK || j->pending_count == 0)
		return j->failed;
	pthread_mutex_lock(&j->lock);
	err = record_write(j, &fd);
	made = j->made;
	pthread_mutex_unlock(&j->lock);
	j->pending_count = 0;
	buffer_reset(&j->pending);
	if (j->pending.cap > PENDING_KEEP)
		buffer_free(&j->pending);
	if (err == OK && fdatasync(fd) != 0)
		err = error_of(errno);
	if (err == OK && made) {
		err = folder_sync_of(j->files[0].path);
		pthread_mutex_lock(&j->lock);
		j->made = err != OK;
		pthread_mutex_unlock(&j->lock);
	}
	return err == OK ? OK : fail(j, err);
}

/* ---- reading ---- */

uint64_t intake_last(struct intake *j)
{
	pthread_mutex_lock(&j->lock);
	uint64_t last = j->next - 1;
	pthread_mutex_unlock(&j->lock);
	return last;
}

uint64_t intake_count(struct intake *j)
{
	pthread_mutex_lock(&j->lock);
	uint64_t count = j->next - 1 - j->taken;
	pthread_mutex_unlock(&j->lock);
	return count;
}

uint64_t intake_bytes(struct intake *j)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&j->lock);
	for (size_t i = j->head; i < j->count; i++)
		sum += j->records[i].len;
	pthread_mutex_unlock(&j->lock);
	return sum;
}

static size_t record_find(const struct intake *j, uint64_t after)
{
	size_t low = j->head, high = j->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (record_last(&j->records[mid]) <= after)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The record in which the next message behind `after` is, whole. ERR_NOTFOUND. */
static int record_read(
    struct intake *j, uint64_t after, struct intake_record *out, struct buffer *bytes)
{
	const struct intake_file *f;
	uint8_t *room;
	size_t i;
	int fd, err;

	pthread_mutex_lock(&j->lock);
	i = record_find(j, after);
	if (i == j->count) {
		pthread_mutex_unlock(&j->lock);
		return ERR_NOTFOUND;
	}
	*out = j->records[i];
	f = &j->files[out->file];
	fd = f->fd;
	pthread_mutex_unlock(&j->lock);
	/* Nobody writes to a record that waits, and only this thread takes it. */
	buffer_reset(bytes);
	room = buffer_reserve(bytes, out->len);
	err = room ? OK : ERR_NOMEM;
	if (room && f->image)
		memcpy(room, f->image + out->at, out->len);
	else if (room)
		err = intake_read_at(fd, room, out->len, out->at);
	if (err == OK)
		bytes->len = out->len;
	return err;
}

/* The next message of a record. */
static int message_next(struct bytes *rest, struct store_inbox *row)
{
	size_t message, content;
	const uint8_t *p = rest->data;

	if (rest->len < MESSAGE_LEN)
		return ERR_STORE;
	message = get_u32(p + ID_LEN + SALT_LEN);
	content = get_u32(p + ID_LEN + SALT_LEN + 4);
	if (message > rest->len - MESSAGE_LEN || content > rest->len - MESSAGE_LEN - message)
		return ERR_STORE;
	memcpy(row->id, p, ID_LEN);
	memcpy(row->salt, p + ID_LEN, SALT_LEN);
	row->message = bytes_of(p + MESSAGE_LEN, message);
	row->content = bytes_of(p + MESSAGE_LEN + message, content);
	*rest = bytes_of(
	    p + MESSAGE_LEN + message + content, rest->len - MESSAGE_LEN - message - content);
	return OK;
}

int intake_each(struct intake *j, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx)
{
	struct buffer bytes = BUFFER_INIT;
	struct intake_record r;
	int err = OK;

	if (after < j->taken)
		after = j->taken;
	while (limit > 0 && err == OK && (err = record_read(j, after, &r, &bytes)) == OK) {
		struct bytes rest = buffer_bytes(&bytes);
		struct store_inbox row;

		if (memcmp(rest.data, j->mark, INTAKE_MARK) != 0 ||
		    get_u64(rest.data + 8) != r.first)
			err = ERR_STORE;
		rest = bytes_of(rest.data + HEADER_LEN, rest.len - HEADER_LEN);
		for (uint32_t i = 0; i < r.count && err == OK && limit > 0; i++) {
			err = message_next(&rest, &row);
			row.no = r.first + i;
			if (err != OK || row.no <= after)
				continue;
			err = fn(ctx, &row);
			limit--;
		}
		after = record_last(&r);
	}
	buffer_wipe(&bytes);
	return err == ERR_NOTFOUND ? OK : err;
}

/* ---- what is taken ---- */

void intake_taken(struct intake *j, uint64_t last)
{
	pthread_mutex_lock(&j->lock);
	if (j->taken < last)
		j->taken = last;
	while (j->head < j->count && record_last(&j->records[j->head]) <= j->taken)
		j->head++;
	if (j->read_only)
		intake_end_at_gap(j);
	pthread_mutex_unlock(&j->lock);
}

size_t intake_parted(struct intake *j)
{
	size_t left = 0;

	pthread_mutex_lock(&j->lock);
	if (j->head < j->count && j->records[j->head].first <= j->taken)
		left = (size_t)(record_last(&j->records[j->head]) - j->taken);
	pthread_mutex_unlock(&j->lock);
	return left;
}

/* All but its records that wait, which lie one behind the other up to its end. */
static int file_scrub(struct intake *j, struct intake_file *f)
{
	uint64_t from = 0, end = 0;
	int err;

	for (size_t i = j->count; i-- > j->head;) {
		if (&j->files[j->records[i].file] != f)
			continue;
		from = j->records[i].at;
		end = f->end;
	}
	err = write_zeros(f->fd, 0, from < f->dirty ? from : f->dirty);
	if (err == OK && end < f->dirty)
		err = write_zeros(f->fd, end, f->dirty);
	if (err != OK)
		return err;
	f->dirty = end;
	if (end == 0 && f->size > KEEP_BYTES) {
		if (ftruncate(f->fd, STEP) != 0)
			return error_of(errno);
		f->size = STEP;
	}
	return OK;
}

int intake_scrub(struct intake *j)
{
	int err = j->failed;

	for (unsigned i = 0; i < 2 && err == OK; i++) {
		struct intake_file *f = &j->files[i];
		bool wrote;
		int fd;

		pthread_mutex_lock(&j->lock);
		fd = f->fd;
		wrote = fd >= 0 && f->dirty > 0;
		if (wrote)
			err = file_scrub(j, f);
		pthread_mutex_unlock(&j->lock);
		/* No later scrub may say that it is done: only a start writes it all again. */
		if (err == OK && wrote && fdatasync(fd) != 0)
			err = fail(j, error_of(errno));
	}
	return err;
}
