/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

#define RECORD_LEN 512
#define PAIR_LEN ((size_t)2 * RECORD_LEN)
#define OWN_MAGIC "convene head 1\n"
#define COSIGNED_MAGIC "convene cosigned 1\n"
#define UNKNOWN_MAGIC "convene unknown 1\n"
#define NAME_ROOM (VERIFIER_NAME_MAX + 1)

struct heads {
	int lock, file;
	char own_name[NAME_ROOM];
	struct head own;
	struct cosigned *list;
	size_t count, cap, first; /* of the pairs in the file, the first that is a log's */
	bool unknown;
};

/* ---- records ---- */

static void record_make(uint8_t out[static RECORD_LEN], const char *magic, struct bytes whose,
    uint64_t turn, uint64_t size, const uint8_t root[static HASH_LEN])
{
	size_t at = strlen(magic);

	memset(out, 0, RECORD_LEN);
	memcpy(out, magic, at);
	put_u64(out + at, turn);
	put_u64(out + at + 8, size);
	memcpy(out + at + 16, root, HASH_LEN);
	at += 16 + HASH_LEN;
	memcpy(out + at, whose.data, whose.len);
	at += whose.len;
	hash_of(out + at, out, at);
}

/* Whether these bytes are a whole record of this log; a newer one is taken over. */
static bool record_read(
    const uint8_t in[static RECORD_LEN], const char *magic, struct bytes whose, struct head *head)
{
	const uint8_t *at = in + strlen(magic);
	uint8_t again[RECORD_LEN];
	uint64_t turn = get_u64(at), size = get_u64(at + 8);

	record_make(again, magic, whose, turn, size, at + 16);
	if (memcmp(again, in, RECORD_LEN) != 0)
		return false;
	if (turn > head->turn) {
		head->turn = turn;
		head->size = size;
		memcpy(head->root, at + 16, HASH_LEN);
	}
	return true;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	return len == 0;
}

/* Whether this may be what a crash left of a record: some first part of it, and zeros. */
static bool record_is_torn(const uint8_t in[static RECORD_LEN], const char *magic, size_t whose_len)
{
	const uint8_t *at = in + strlen(magic);
	uint8_t whole[RECORD_LEN];
	size_t same = 0;

	record_make(whole, magic, bytes_of(at + 16 + HASH_LEN, whose_len), get_u64(at),
	    get_u64(at + 8), at + 16);
	while (same < RECORD_LEN && whole[same] == in[same])
		same++;
	return is_zero(in + same, RECORD_LEN - same);
}

/* Write and sync; the bytes may be on the disk in part after a failure. */
static int put(int fd, const uint8_t *bytes, size_t len, uint64_t at)
{
	errno = 0;
	if (pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len && fdatasync(fd) == 0)
		return OK;
	return errno == ENOSPC || errno == EDQUOT ? ERR_NOSPACE : ERR_IO;
}

static int head_put(int fd, uint64_t pair, const char *magic, struct bytes whose, struct head *head,
    uint64_t size, const uint8_t root[static HASH_LEN])
{
	uint8_t record[RECORD_LEN];
	uint64_t turn = head->turn + 1;
	int err;

	record_make(record, magic, whose, turn, size, root);
	err = put(fd, record, RECORD_LEN, pair * PAIR_LEN + turn % 2 * RECORD_LEN);
	if (err)
		return err;
	head->turn = turn;
	head->size = size;
	memcpy(head->root, root, HASH_LEN);
	return OK;
}

/* ---- files ---- */

static int file_open(const char *path, int *fd, char *why)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd >= 0)
		return OK;
	snprintf(why, 512, "%s: %s%s", path, strerror(errno),
	    errno == EACCES ? "; the data folder and all in it must belong to the user that the "
			      "daemon runs as"
			    : "");
	return ERR_IO;
}

static int io_failed(const char *path, char *why)
{
	snprintf(why, 512, "%.400s: %s", path, strerror(errno));
	return ERR_IO;
}

static struct bytes own_whose(const struct heads *h)
{
	return bytes_of(h->own_name, NAME_ROOM);
}

static int lock_load(struct heads *h, const char *path, char *why)
{
	uint8_t pair[PAIR_LEN] = {0};
	ssize_t len;
	bool any;

	if (flock(h->lock, LOCK_EX | LOCK_NB) != 0) {
		snprintf(why, 512, "%s: another convened uses this data folder", path);
		return ERR_BUSY;
	}
	len = pread(h->lock, pair, PAIR_LEN, 0);
	if (len < 0 || (len == 0 && folder_sync_of(path) != OK))
		return io_failed(path, why);
	if (len == 0)
		return OK; /* new: nothing was ever signed */
	any = record_read(pair, OWN_MAGIC, own_whose(h), &h->own);
	any |= record_read(pair + RECORD_LEN, OWN_MAGIC, own_whose(h), &h->own);
	/* The first write of all goes to the second record, so that the file has its full length
	 * once anything was signed, and a shorter one whose first record has begun was cut. */
	if (len == (ssize_t)PAIR_LEN ? any : is_zero(pair, RECORD_LEN))
		return OK;
	snprintf(
	    why, 512, "%s: damaged, or of another log; what has been signed is not known", path);
	return ERR_MALFORMED;
}

/* ---- a successor takes over ---- */

static struct bytes whose_of(uint8_t room[static NAME_ROOM], const char *name)
{
	memset(room, 0, NAME_ROOM);
	memcpy(room, name, strnlen(name, NAME_ROOM - 1));
	return bytes_of(room, NAME_ROOM);
}

static bool pair_is_of(const uint8_t pair[static PAIR_LEN], struct bytes whose)
{
	struct head head = {.turn = 0};
	bool first = record_read(pair, OWN_MAGIC, whose, &head);

	return record_read(pair + RECORD_LEN, OWN_MAGIC, whose, &head) || first;
}

static int ended_keep(const char *lock, const char *previous, const uint8_t pair[static PAIR_LEN])
{
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	char hex[2 * DIGEST_LEN + 1], path[4096];
	uint64_t number;
	int err = log_name_parse(bytes_str(previous), &organisation, digest, &number), fd;

	if (err)
		return err;
	hex_encode(hex, digest, DIGEST_LEN);
	if (snprintf(path, sizeof path, "%s.ended-%s", lock, hex) >= (int)sizeof path)
		return ERR_IO;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ERR_IO;
	err = put(fd, pair, PAIR_LEN, 0);
	close(fd);
	return err ? err : folder_sync_of(path);
}

/* Crash points: (1) while the old head is kept: the lock file is as it was, and it is kept again.
 * (2) while the lock file is overwritten, in place and both records alike: either one of them is
 * the new log's, and it is done; or one is the old log's still, and all of it is done again. */
static int lock_succeed(int fd, const char *lock, const char *previous, const char *own_log)
{
	static const uint8_t nothing[HASH_LEN];
	uint8_t pair[PAIR_LEN] = {0}, own[NAME_ROOM], old[NAME_ROOM];
	int err;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return ERR_BUSY;
	if (pread(fd, pair, PAIR_LEN, 0) < 0)
		return ERR_IO;
	if (pair_is_of(pair, whose_of(own, own_log)) || !pair_is_of(pair, whose_of(old, previous)))
		return OK;
	err = ended_keep(lock, previous, pair);
	if (err)
		return err;
	record_make(pair, OWN_MAGIC, whose_of(own, own_log), 1, 0, nothing);
	memcpy(pair + RECORD_LEN, pair, RECORD_LEN);
	return put(fd, pair, PAIR_LEN, 0);
}

int heads_succeed(const char *lock, const char *previous, const char *own_log, char *why)
{
	int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW), err;

	if (fd < 0) /* there is none, or heads_open() says what is wrong with it */
		return OK;
	err = lock_succeed(fd, lock, previous, own_log);
	if (err == ERR_BUSY)
		snprintf(why, 512, "%s: another convened uses this data folder", lock);
	else if (err)
		snprintf(why, 512, "%s: the log's successor can't take it over: %s", lock,
		    err == ERR_IO ? strerror(errno) : error_text(err));
	close(fd);
	return err;
}

/* ---- what was cosigned ---- */

static struct bytes cosigned_whose(uint8_t out[static NAME_ROOM + KEY_LEN], const char *name,
    const uint8_t root_key[static KEY_LEN])
{
	memset(out, 0, NAME_ROOM);
	memcpy(out, name, strlen(name));
	memcpy(out + NAME_ROOM, root_key, KEY_LEN);
	return bytes_of(out, NAME_ROOM + KEY_LEN);
}

static bool cosigned_read(struct cosigned *c, const uint8_t in[static RECORD_LEN])
{
	const uint8_t *whose = in + strlen(COSIGNED_MAGIC) + 16 + HASH_LEN;
	struct bytes organisation;

	if (!record_read(in, COSIGNED_MAGIC, bytes_of(whose, NAME_ROOM + KEY_LEN), &c->head) ||
	    whose[NAME_ROOM - 1] != 0)
		return false;
	memcpy(c->log_name, whose, NAME_ROOM);
	memcpy(c->root_key, whose + NAME_ROOM, KEY_LEN);
	return log_name_parse(bytes_str(c->log_name), &organisation, c->digest, &c->number) == OK;
}

static bool cosigned_is_torn(const uint8_t in[static RECORD_LEN])
{
	return record_is_torn(in, COSIGNED_MAGIC, NAME_ROOM + KEY_LEN);
}

static int room_make(struct heads *h)
{
	size_t cap = h->cap ? h->cap * 2 : 16;
	struct cosigned *grown;

	if (h->count < h->cap)
		return OK;
	if (h->count == HEADS_MAX)
		return ERR_QUOTA;
	grown = realloc(h->list, cap * sizeof *grown);
	if (!grown)
		return ERR_NOMEM;
	h->list = grown;
	h->cap = cap;
	return OK;
}

/* ---- what was cosigned is not known ---- */

/* The first pair of a file that had to be made anew, though there must have been one: what the
 * cosigner key of that time has vouched for is not known, and it vouches for nothing any more.
 * Another key may. The file gets its name when that stands in it. */
static int unknown_make(const char *path, const uint8_t key[static KEY_LEN], char *why)
{
	static const uint8_t nothing[HASH_LEN];
	char fresh[4096];
	uint8_t pair[PAIR_LEN];
	int fd, err;

	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
		return ERR_IO;
	record_make(pair, UNKNOWN_MAGIC, bytes_of(key, KEY_LEN), 1, 0, nothing);
	memcpy(pair + RECORD_LEN, pair, RECORD_LEN);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return io_failed(fresh, why);
	err = put(fd, pair, PAIR_LEN, 0);
	close(fd);
	if (!err && rename(fresh, path) != 0)
		err = ERR_IO;
	if (!err)
		err = folder_sync_of(path);
	if (err)
		io_failed(fresh, why);
	return err;
}

/* Whether the file begins so; *ours: it is this key that vouches for nothing. */
static int unknown_read(struct heads *h, const uint8_t key[static KEY_LEN])
{
	static const size_t key_at = sizeof UNKNOWN_MAGIC - 1 + 16 + HASH_LEN;
	struct head none = {.turn = 0};
	uint8_t record[RECORD_LEN];

	for (size_t i = 0; i < 2; i++) {
		memset(record, 0, RECORD_LEN);
		if (pread(h->file, record, RECORD_LEN, (off_t)(i * RECORD_LEN)) < 0)
			return ERR_IO;
		if (!record_read(record, UNKNOWN_MAGIC, bytes_of(record + key_at, KEY_LEN), &none))
			continue;
		h->first = 1;
		h->unknown = memcmp(record + key_at, key, KEY_LEN) == 0;
	}
	return OK;
}

/* A pair that was never whole can only be the last: a crash while it was added, before anything
 * about it was released. */
static int cosigned_load(
    struct heads *h, const char *path, const uint8_t key[static KEY_LEN], char *why)
{
	struct stat st;
	uint64_t pairs;

	if (fstat(h->file, &st) != 0 || (st.st_size == 0 && folder_sync_of(path) != OK) ||
	    unknown_read(h, key) != OK)
		return io_failed(path, why);
	pairs = ((uint64_t)st.st_size + PAIR_LEN - 1) / PAIR_LEN;
	if (pairs > HEADS_MAX + h->first)
		goto damaged;
	for (uint64_t i = h->first; i < pairs; i++) {
		struct cosigned c = {.log_name = ""}, other = {.log_name = ""};
		uint8_t pair[PAIR_LEN] = {0};
		bool first, second;
		int err;

		if (pread(h->file, pair, PAIR_LEN, (off_t)(i * PAIR_LEN)) < 0)
			return io_failed(path, why);
		first = cosigned_read(&c, pair);
		second = cosigned_read(&other, pair + RECORD_LEN);
		if (!first && !second) {
			if (i + 1 < pairs || !cosigned_is_torn(pair) ||
			    !cosigned_is_torn(pair + RECORD_LEN))
				goto damaged;
			return OK;
		}
		if (!first || (second && other.head.turn > c.head.turn)) {
			struct cosigned swap = c;

			c = other;
			other = swap;
		}
		if ((first && second && strcmp(c.log_name, other.log_name) != 0) ||
		    heads_find(h, c.digest))
			goto damaged;
		err = room_make(h);
		if (err) {
			snprintf(why, 512, "%s: %s", path, error_text(err));
			return err;
		}
		h->list[h->count++] = c;
	}
	return OK;
damaged:
	snprintf(why, 512,
	    "%s: damaged; what has been cosigned is not known. Put it aside: a new one is made, "
	    "and nothing is cosigned until there is a new cosigner key",
	    path);
	return ERR_MALFORMED;
}

int heads_open(struct heads **out, const char *lock, const char *cosigned, const char *own_log,
    const uint8_t cosigner[static KEY_LEN], bool used, char *why)
{
	struct heads *h = calloc(1, sizeof *h);
	int err;

	*out = NULL;
	if (!h) {
		snprintf(why, 512, "%s", error_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	h->lock = h->file = -1;
	snprintf(h->own_name, sizeof h->own_name, "%s", own_log);
	err = file_open(lock, &h->lock, why);
	if (!err)
		err = lock_load(h, lock, why);
	/* Both files are made before anything is signed. */
	if (!err && (used || h->own.turn > 0) && access(cosigned, F_OK) != 0 && errno == ENOENT)
		err = unknown_make(cosigned, cosigner, why);
	if (!err)
		err = file_open(cosigned, &h->file, why);
	if (!err)
		err = cosigned_load(h, cosigned, cosigner, why);
	if (err) {
		heads_free(h);
		return err;
	}
	*out = h;
	return OK;
}

void heads_free(struct heads *h)
{
	if (!h)
		return;
	if (h->lock >= 0)
		close(h->lock);
	if (h->file >= 0)
		close(h->file);
	free(h->list);
	free(h);
}

void heads_files(const struct heads *h, int *lock, int *cosigned)
{
	*lock = h->lock;
	*cosigned = h->file;
}

bool heads_unknown(const struct heads *h)
{
	return h->unknown;
}

const struct head *heads_own(const struct heads *h)
{
	return &h->own;
}

int heads_own_put(struct heads *h, uint64_t size, const uint8_t root[static HASH_LEN])
{
	return head_put(h->lock, 0, OWN_MAGIC, own_whose(h), &h->own, size, root);
}

const struct cosigned *heads_find(const struct heads *h, const uint8_t digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < h->count; i++) {
		if (memcmp(h->list[i].digest, digest, DIGEST_LEN) == 0)
			return &h->list[i];
	}
	return NULL;
}

const struct cosigned *heads_rival(
    const struct heads *h, const uint8_t root_key[static KEY_LEN], const struct binding *log)
{
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	uint64_t number = 0;

	if (log_name_parse(bytes_str(log->log_name), &organisation, digest, &number) != OK)
		return NULL;
	for (size_t i = 0; i < h->count; i++) {
		const struct cosigned *c = &h->list[i];

		if (c->number == number && memcmp(c->root_key, root_key, KEY_LEN) == 0 &&
		    strncmp(c->log_name, log->log_name, organisation.len + 1) == 0 &&
		    memcmp(c->digest, digest, DIGEST_LEN) != 0)
			return c;
	}
	return NULL;
}

/* The first record of a log goes into both places at once: from then on one of the two is whole,
 * whatever happens. */
static int cosigned_add(struct heads *h, struct cosigned *c, struct bytes whose, uint64_t size,
    const uint8_t root[static HASH_LEN])
{
	uint8_t pair[PAIR_LEN];
	int err;

	record_make(pair, COSIGNED_MAGIC, whose, 1, size, root);
	memcpy(pair + RECORD_LEN, pair, RECORD_LEN);
	err = put(h->file, pair, PAIR_LEN, (h->first + h->count) * PAIR_LEN);
	if (err)
		return err;
	c->head = (struct head){.turn = 1, .size = size};
	memcpy(c->head.root, root, HASH_LEN);
	h->list[h->count++] = *c;
	return OK;
}

int heads_put(struct heads *h, const struct binding *log, const uint8_t root_key[static KEY_LEN],
    uint64_t size, const uint8_t root[static HASH_LEN])
{
	struct cosigned *known = (struct cosigned *)(uintptr_t)heads_find(h, log->digest);
	uint8_t room[NAME_ROOM + KEY_LEN];
	struct cosigned c = {.log_name = ""};
	struct bytes organisation;
	int err;

	if (known)
		return head_put(h->file, h->first + (uint64_t)(known - h->list), COSIGNED_MAGIC,
		    cosigned_whose(room, known->log_name, known->root_key), &known->head, size,
		    root);
	err = room_make(h);
	if (!err)
		err = log_name_parse(bytes_str(log->log_name), &organisation, c.digest, &c.number);
	if (err)
		return err;
	memcpy(c.log_name, log->log_name, strlen(log->log_name));
	memcpy(c.root_key, root_key, KEY_LEN);
	return cosigned_add(h, &c, cosigned_whose(room, c.log_name, c.root_key), size, root);
}
