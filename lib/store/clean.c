/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/clean.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/gather.h"

enum {
	PAGE_MAX = 65536,
	SWEEP_BYTES = 128 << 20, /* in one go: the writer waits that long */
	HEADER_1 = 100,          /* of the database, in front of page 1 */
};

struct clean {
	struct gather *file;
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

static bool is_page(size_t len, int64_t at)
{
	return len >= 512 && len <= PAGE_MAX && (len & (len - 1)) == 0 && at % (int64_t)len == 0;
}

static void write_page(uint8_t *data, size_t len, int64_t at)
{
	size_t from, to;

	if (is_page(len, at) && page_gap(data, len, at == 0, &from, &to))
		memset(data + from, 0, to - from);
}

static sqlite3_file *file_of(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file;
}

int clean_start(struct clean **out, sqlite3 *db)
{
	struct clean *c = calloc(1, sizeof(*c));
	int err = c == NULL ? ERR_NOMEM : gather_start(&c->file, file_of(db), false, write_page);

	if (err != OK) {
		free(c);
		c = NULL;
	}
	*out = c;
	return err;
}

void clean_free(struct clean *c)
{
	if (c != NULL)
		gather_free(c->file);
	free(c);
}

/* One page in place. Nobody reads its unused room, and nobody else writes to the file. */
static int sweep_page(struct clean *c, sqlite3_file *file, int len, int64_t at, bool *wrote)
{
	size_t from, to;
	int rc = file->pMethods->xRead(file, c->page, len, at);

	if (rc != SQLITE_OK || !page_gap(c->page, (size_t)len, at == 0, &from, &to) ||
	    is_zero(c->page + from, to - from))
		return rc;
	*wrote = true;
	memset(c->page + from, 0, to - from);
	return file->pMethods->xWrite(file, c->page + from, (int)(to - from), at + (int64_t)from);
}

static int page_size(sqlite3 *db, int *out)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	*out = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_OK ? SQLITE_ERROR : rc;
}

int clean_sweep(struct clean *c, sqlite3 *db, bool *done)
{
	sqlite3_file *file = file_of(db);
	sqlite3_int64 end = 0, stop = c->swept + SWEEP_BYTES;
	bool wrote = false;
	int len, rc;

	*done = c->swept < 0;
	if (*done)
		return SQLITE_OK;
	rc = page_size(db, &len);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xFileSize(file, &end);
	while (rc == SQLITE_OK && c->swept + len <= end && c->swept < stop) {
		rc = sweep_page(c, file, len, c->swept, &wrote);
		if (rc == SQLITE_OK)
			c->swept += len;
	}
	if (rc == SQLITE_OK && wrote)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	if (rc != SQLITE_OK)
		return rc;
	/* What the file grows by from now on has passed write_page(). */
	if (c->swept + len > end)
		c->swept = -1;
	*done = c->swept < 0;
	return SQLITE_OK;
}
