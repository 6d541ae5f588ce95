/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the journal, for intake.c and intake_scan.c. */
#ifndef STORE_INTAKE_INSIDE_H
#define STORE_INTAKE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "crypto/hash.h"
#include "store/intake.h"

/* A record: a mark (8) that follows from the key, u64be number of its first message, u32be
 * messages, u32be bytes of all of it, checksum (32); then each message: id (32), salt (32), u32be
 * bytes of the message, u32be of the content, both. Zeros up to the next page. The mark is secret,
 * too: somebody's text that is full of them would have a start hash it over and over. */
enum {
	INTAKE_PAGE = 4096,
	INTAKE_MARK = 8,
	INTAKE_MODE = 0640, /* as the store's: who makes backups reads it */
	HEADER_SUM = 24,
	HEADER_LEN = HEADER_SUM + HASH_LEN,
	MESSAGE_LEN = ID_LEN + SALT_LEN + 8,
};

struct intake_record {
	uint64_t first, at; /* number; bytes into the file */
	size_t len;         /* without the zeros behind it */
	uint32_t count;
	unsigned file;
};

struct intake_file {
	char *path;
	int fd;         /* -1: it is not there */
	uint64_t size;  /* written; */
	uint64_t end;   /*   here the next record goes, */
	uint64_t dirty; /*   and from here on all is zero */
	uint8_t *image; /* all of it, when it was opened: read-only, and in a scan */
};

struct intake {
	uint8_t key[INTAKE_KEY], mark[INTAKE_MARK];
	bool read_only;
	/* Of who appends. */
	struct buffer pending;
	uint32_t pending_count;

	atomic_int failed;
	pthread_mutex_t lock; /* all below; and for who writes to a file */
	bool made;            /* a file, and its folder was not synced since */
	uint64_t taken, next;
	unsigned active;
	struct intake_file files[2];
	/* Those that are not taken, by number. */
	struct intake_record *records;
	size_t head, count, cap;
};

static inline uint64_t record_last(const struct intake_record *r)
{
	return r->first + r->count - 1;
}
static inline size_t page_up(size_t len)
{
	return (len + INTAKE_PAGE - 1) / INTAKE_PAGE * INTAKE_PAGE;
}

void intake_checksum(
    const struct intake *j, uint8_t out[static HASH_LEN], const uint8_t *record, size_t len);
bool intake_record_add(struct intake *j, const struct intake_record *r); /* false: no memory */
int intake_read_at(int fd, uint8_t *out, size_t len, uint64_t at);
int intake_write_at(int fd, const uint8_t *data, size_t len, uint64_t at);
/* What lies behind a missing record came after a moment at which none was missing. */
void intake_end_at_gap(struct intake *j);

#endif
