/* SPDX-License-Identifier: BSD-2-Clause */
/* The file: a line of 48 bytes that says what it is, then records of 48 bytes: u32 group, u32 0,
 * u64 wall ms, id. Group 0 makes `id` a topic, and the next group: 1, 2, … Integers are big-endian.
 * An id of zeros is what a crash may leave where nothing was synced yet. */
#include "daemon/nntp/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/nntp/source.h"

#define RECORD 48
#define NONE UINT32_MAX
#define READ_RUN (RECORD * 4096)

static const char magic[RECORD + 1] = "convene news numbers 1\n";

struct record {
	uint8_t id[ID_LEN];
	uint64_t time;
	uint32_t group, number; /* a topic's: its own group, and 0 */
};

struct group {
	uint32_t topic;    /* record */
	uint32_t *records; /* of its articles, by number - 1 */
	uint32_t count, shown, cap;
};

struct numbers {
	int fd;
	off_t durable; /* how much of the file is */
	struct record *records;
	uint32_t count, shown, cap; /* `shown`: committed */
	struct group *groups;
	uint32_t group_count, group_shown, group_cap;
	uint32_t *slots; /* of records by id: their number plus 1; of an id its last one, and, as
			    it is a topic's too, the one that made it a group */
	uint32_t slot_count, slots_used;
	struct buffer pending;
};

/* ---- memory ---- */

static bool grow(void **list, uint32_t *cap, uint32_t count, size_t each)
{
	uint32_t more = *cap == 0 ? 64 : *cap * 2;
	void *p;

	if (count < *cap)
		return true;
	if (*cap > NONE / 4)
		return false;
	p = realloc(*list, (size_t)more * each);
	if (!p)
		return false;
	*list = p;
	*cap = more;
	return true;
}

/* Ids are hashes, but strangers' choice: 8 other bytes than those by which the store finds them,
 * mixed with where this process happened to lie. */
static uint32_t slot_of(const struct numbers *n, const uint8_t id[static ID_LEN])
{
	static const char here;
	uint64_t h = get_u64(id + 16) ^ (uint64_t)(uintptr_t)&here;

	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32) & (n->slot_count - 1);
}

/* Where it is, or would be. */
static uint32_t slot_find(const struct numbers *n, const uint8_t id[static ID_LEN], bool topic)
{
	uint32_t at = slot_of(n, id);

	for (; n->slots[at] != 0; at = (at + 1) & (n->slot_count - 1)) {
		const struct record *r = &n->records[n->slots[at] - 1];

		if ((r->number == 0) == topic && memcmp(r->id, id, ID_LEN) == 0)
			break;
	}
	return at;
}

static void slot_set(struct numbers *n, uint32_t record)
{
	uint32_t at = slot_find(n, n->records[record].id, n->records[record].number == 0);

	n->slots_used += n->slots[at] == 0;
	n->slots[at] = record + 1;
}

static bool slots_grow(struct numbers *n)
{
	uint32_t count = n->slot_count == 0 ? 1024 : n->slot_count * 2, *slots;

	if (n->slots_used * 2 < n->slot_count)
		return true;
	if (count == 0 || !(slots = calloc(count, sizeof *slots)))
		return false;
	free(n->slots);
	n->slots = slots;
	n->slot_count = count;
	n->slots_used = 0;
	for (uint32_t i = 0; i < n->count; i++)
		slot_set(n, i);
	return true;
}

/* `group` 0-based; NONE: a new one. */
static int record_add(
    struct numbers *n, uint32_t group, const uint8_t id[static ID_LEN], uint64_t time)
{
	struct record *r;
	struct group *g;

	if (!grow((void **)&n->records, &n->cap, n->count, sizeof *n->records) || !slots_grow(n))
		return ERR_NOMEM;
	if (group == NONE) {
		if (!grow((void **)&n->groups, &n->group_cap, n->group_count, sizeof *n->groups))
			return ERR_NOMEM;
		group = n->group_count++;
		n->groups[group] = (struct group){.topic = n->count};
		n->records[n->count] = (struct record){.group = group};
	} else {
		g = &n->groups[group];
		if (g->count >= NEWS_NUMBER_MAX)
			return ERR_RANGE;
		if (!grow((void **)&g->records, &g->cap, g->count, sizeof *g->records))
			return ERR_NOMEM;
		g->records[g->count++] = n->count;
		n->records[n->count] = (struct record){.group = group, .number = g->count};
	}
	r = &n->records[n->count++];
	memcpy(r->id, id, ID_LEN);
	r->time = time;
	slot_set(n, n->count - 1);
	return OK;
}

static void all_shown(struct numbers *n)
{
	n->shown = n->count;
	n->group_shown = n->group_count;
	for (uint32_t i = 0; i < n->group_count; i++)
		n->groups[i].shown = n->groups[i].count;
}

/* ---- the file ---- */

static int write_all(int fd, struct bytes data, off_t at)
{
	while (data.len > 0) {
		ssize_t n = pwrite(fd, data.data, data.len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE : ERR_IO;
		data = bytes_of(data.data + n, data.len - (size_t)n);
		at += n;
	}
	return OK;
}

/* false: it ends here. */
static bool record_take(struct numbers *n, const uint8_t *p, int *err)
{
	static const uint8_t zeros[ID_LEN];
	uint32_t group = get_u32(p);

	if (group > n->group_count || memcmp(p + 16, zeros, ID_LEN) == 0)
		return false;
	*err = record_add(n, group - 1, p + 16, get_u64(p + 8));
	return *err == OK;
}

static int file_read(struct numbers *n)
{
	uint8_t *data = malloc(READ_RUN);
	off_t at = RECORD;
	bool more = data != NULL;
	int err = data ? OK : ERR_NOMEM;

	while (more) {
		ssize_t got = pread(n->fd, data, READ_RUN, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = ERR_IO;
		more = got >= RECORD;
		for (ssize_t i = 0; more && i + RECORD <= got; i += RECORD) {
			more = record_take(n, data + i, &err);
			at += more ? RECORD : 0;
		}
	}
	free(data);
	n->durable = at;
	if (!err && ftruncate(n->fd, at) != 0)
		err = ERR_IO;
	return err;
}

static int file_begin(struct numbers *n)
{
	char head[RECORD];
	ssize_t got = pread(n->fd, head, RECORD, 0);
	struct stat st;

	if (got < 0 || fstat(n->fd, &st) != 0)
		return ERR_IO;
	/* Made, and not written: nothing was told yet. */
	if (st.st_size < RECORD) {
		if (ftruncate(n->fd, 0) != 0 ||
		    write_all(n->fd, bytes_of(magic, RECORD), 0) != OK || fsync(n->fd) != 0)
			return ERR_IO;
		return OK;
	}
	return memcmp(head, magic, RECORD) == 0 ? OK : ERR_SCHEMA;
}

int numbers_open(struct numbers **out, const char *path)
{
	struct numbers *n = calloc(1, sizeof *n);
	int err = n ? OK : ERR_NOMEM;

	*out = NULL;
	if (!n)
		return err;
	n->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (n->fd < 0)
		err = ERR_IO;
	else if (flock(n->fd, LOCK_EX | LOCK_NB) != 0)
		err = ERR_BUSY;
	if (!err)
		err = file_begin(n);
	if (!err)
		err = slots_grow(n) ? file_read(n) : ERR_NOMEM;
	all_shown(n);
	if (err)
		numbers_close(n);
	else
		*out = n;
	return err;
}

void numbers_close(struct numbers *n)
{
	if (!n)
		return;
	if (n->fd >= 0)
		close(n->fd);
	for (uint32_t i = 0; i < n->group_count; i++)
		free(n->groups[i].records);
	free(n->groups);
	free(n->records);
	free(n->slots);
	buffer_free(&n->pending);
	free(n);
}

/* ---- reading ---- */

uint32_t numbers_groups(const struct numbers *n)
{
	return n->group_shown;
}

const uint8_t *numbers_topic(const struct numbers *n, uint32_t group)
{
	return n->records[n->groups[group].topic].id;
}

uint64_t numbers_group_time(const struct numbers *n, uint32_t group)
{
	return n->records[n->groups[group].topic].time;
}

bool numbers_group_find(
    const struct numbers *n, const uint8_t topic[static ID_LEN], uint32_t *group)
{
	uint32_t record = n->slots[slot_find(n, topic, true)];

	if (record > 0)
		*group = n->records[record - 1].group;
	return record > 0;
}

uint32_t numbers_high(const struct numbers *n, uint32_t group)
{
	return n->groups[group].shown;
}

static const struct record *record_of(const struct numbers *n, uint32_t group, uint32_t number)
{
	return &n->records[n->groups[group].records[number - 1]];
}

const uint8_t *numbers_id(const struct numbers *n, uint32_t group, uint32_t number)
{
	return record_of(n, group, number)->id;
}

uint64_t numbers_time(const struct numbers *n, uint32_t group, uint32_t number)
{
	return record_of(n, group, number)->time;
}

uint32_t numbers_since(const struct numbers *n, uint32_t group, uint64_t since)
{
	uint32_t lo = 1, hi = n->groups[group].shown + 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (record_of(n, group, mid)->time >= since)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

bool numbers_find(
    const struct numbers *n, const uint8_t id[static ID_LEN], uint32_t *group, uint32_t *number)
{
	uint32_t record = n->slots[slot_find(n, id, false)];

	if (record > 0) {
		*group = n->records[record - 1].group;
		*number = n->records[record - 1].number;
	}
	return record > 0;
}

/* ---- writing ---- */

static int add(struct numbers *n, uint32_t group, const uint8_t id[static ID_LEN], uint64_t now)
{
	uint64_t last = n->count > 0 ? n->records[n->count - 1].time : 0;
	int err;

	/* Searched by time (numbers_since), and clocks are set back. */
	if (now < last)
		now = last;
	err = record_add(n, group, id, now);
	if (err)
		return err;
	buffer_add_u32(&n->pending, group + 1);
	buffer_add_u32(&n->pending, 0);
	buffer_add_u64(&n->pending, now);
	buffer_add(&n->pending, id, ID_LEN);
	return OK;
}

int numbers_add_group(
    struct numbers *n, const uint8_t topic[static ID_LEN], uint64_t now, uint32_t *group)
{
	*group = n->group_count;
	return add(n, NONE, topic, now);
}

int numbers_add(struct numbers *n, uint32_t group, const uint8_t id[static ID_LEN], uint64_t now)
{
	return add(n, group, id, now);
}

/* What couldn't be written goes from memory too, or a later number would be durable before it. */
static void forget(struct numbers *n)
{
	n->count = n->shown;
	for (uint32_t i = n->group_shown; i < n->group_count; i++)
		free(n->groups[i].records);
	n->group_count = n->group_shown;
	for (uint32_t i = 0; i < n->group_count; i++)
		n->groups[i].count = n->groups[i].shown;
	memset(n->slots, 0, n->slot_count * sizeof *n->slots);
	n->slots_used = 0;
	for (uint32_t i = 0; i < n->count; i++)
		slot_set(n, i);
}

int numbers_commit(struct numbers *n)
{
	int err = n->pending.failed ? ERR_NOMEM : OK;

	if (n->count == n->shown)
		return OK;
	if (!err)
		err = write_all(n->fd, buffer_bytes(&n->pending), n->durable);
	if (!err && fdatasync(n->fd) != 0)
		err = ERR_IO;
	if (err) {
		int saved = errno;

		/* Whatever of it is in the file must not be read at the next start. */
		if (ftruncate(n->fd, n->durable) == 0)
			fdatasync(n->fd);
		errno = saved;
		forget(n);
	} else {
		n->durable += (off_t)n->pending.len;
		all_shown(n);
	}
	buffer_reset(&n->pending);
	return err;
}
