/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that SQLite leaves behind.
 *
 * secure_delete overwrites a cell where it stands when it goes. But when a page is split or merged
 * with its neighbours, cells move, and the page that they left keeps their old bytes in the room
 * between its cell pointers and its cells. What is erased later is overwritten in its new place
 * only. So that room is made zero in every page on its way into the database file; the write-ahead
 * log, whose pages must stay as they are for its checksums, is cut to nothing by a scrub, and the
 * connection's cache dropped, out of which such a page could come back.
 *
 * A page of another kind than a b-tree's begins with a page number below 2^25 (SQLITE_PAGES_MAX),
 * and so with a byte of 0 or 1, which no b-tree page does. A store that another program has
 * written, such as a copy made by SQLite's own tools, is swept once, a part at a time. */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

enum {
	PAGE_MAX = 65536,
	SWEEP_BYTES = 128 << 20, /* in one go: the writer waits that long */
	HEADER_1 = 100,          /* of the database, in front of page 1 */
};

struct sqlite_clean {
	sqlite3_io_methods methods; /* first: a file points to it */
	const sqlite3_io_methods *below;
	uint8_t page[PAGE_MAX];
	int64_t swept; /* bytes of the file; -1: all of it */
};

/* Where the unused room of a b-tree page is, between its pointers and its cells. False: it is none,
 * or not a page. */
static bool page_gap(const uint8_t *page, size_t len, bool first, size_t *from, size_t *to)
{
	size_t at = first ? HEADER_1 : 0, header;

	switch (page[at]) {
	case 2: /* interior, of an index and of a table */
	case 5:
		header = 12;
		break;
	case 10: /* leaf */
	case 13:
		header = 8;
		break;
	default:
		return false;
	}
	*from = at + header + 2 * ((size_t)page[at + 3] << 8 | page[at + 4]);
	*to = (size_t)page[at + 5] << 8 | page[at + 6];
	if (*to == 0)
		*to = PAGE_MAX;
	return *from < *to && *to <= len;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static bool is_page(int len, int64_t at)
{
	return len >= 512 && len <= PAGE_MAX && (len & (len - 1)) == 0 && at % len == 0;
}

static int write_page(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct sqlite_clean *c = (struct sqlite_clean *)(void *)(uintptr_t)file->pMethods;
	size_t from, to;

	if (is_page(len, at) && page_gap(data, (size_t)len, at == 0, &from, &to)) {
		memcpy(c->page, data, (size_t)len);
		memset(c->page + from, 0, to - from);
		data = c->page;
	}
	return c->below->xWrite(file, data, len, at);
}

static sqlite3_file *file_of(struct sqlite_store *s)
{
	sqlite3_file *file = NULL;

	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file;
}

int sqlite_clean_start(struct sqlite_store *s)
{
	sqlite3_file *file = file_of(s);

	if (file == NULL || file->pMethods == NULL)
		return ERR_STORE;
	s->clean = calloc(1, sizeof(*s->clean));
	if (s->clean == NULL)
		return ERR_NOMEM;
	s->clean->below = file->pMethods;
	s->clean->methods = *file->pMethods;
	s->clean->methods.xWrite = write_page;
	file->pMethods = &s->clean->methods;
	return OK;
}

/* One page in place. Nobody reads its unused room, and nobody else writes to the file. */
static int sweep_page(struct sqlite_clean *c, sqlite3_file *file, int len, int64_t at, bool *wrote)
{
	size_t from, to;
	int rc = c->below->xRead(file, c->page, len, at);

	if (rc != SQLITE_OK || !page_gap(c->page, (size_t)len, at == 0, &from, &to) ||
	    is_zero(c->page + from, to - from))
		return rc;
	*wrote = true;
	memset(c->page + from, 0, to - from);
	return c->below->xWrite(file, c->page + from, (int)(to - from), at + (int64_t)from);
}

static int page_size(struct sqlite_store *s, int *out)
{
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, "PRAGMA page_size");

	if (err == OK)
		err = sqlite_row(s, st);
	*out = err == 1 ? sqlite3_column_int(st, 0) : 0;
	sqlite3_finalize(st);
	return err == 1 ? OK : err == OK ? ERR_STORE : err;
}

static int sweep(struct sqlite_store *s)
{
	struct sqlite_clean *c = s->clean;
	sqlite3_file *file = file_of(s);
	sqlite3_int64 end = 0, stop = c->swept + SWEEP_BYTES;
	bool wrote = false;
	int len, err = page_size(s, &len);

	if (err != OK)
		return err;
	int rc = c->below->xFileSize(file, &end);
	while (rc == SQLITE_OK && c->swept + len <= end && c->swept < stop) {
		rc = sweep_page(c, file, len, c->swept, &wrote);
		if (rc == SQLITE_OK)
			c->swept += len;
	}
	if (rc == SQLITE_OK && wrote)
		rc = c->below->xSync(file, SQLITE_SYNC_NORMAL);
	if (rc != SQLITE_OK)
		return sqlite_error(s, rc);
	/* What the file grows by from now on has passed write_page(). */
	if (c->swept + len > end)
		c->swept = -1;
	return OK;
}

int sqlite_clean(struct sqlite_store *s)
{
	int err = s->clean->swept < 0 ? OK : sweep(s);

	if (err == OK)
		err = sqlite_wal_truncate(s);
	if (err != OK)
		return err;
	sqlite3_db_release_memory(s->db);
	return s->clean->swept < 0 ? OK : ERR_BUSY;
}
