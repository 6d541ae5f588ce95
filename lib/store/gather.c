/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

/* As much as a page may have; SQLite writes fewer than 128 KiB in one go. */
enum {
	ROOM = 64 << 10,
	FRAME = 24, /* in front of each page in a write-ahead log; the second number in it is not 0
		       in */
	LAST = 4,   /* that of a transaction's last page */
};

struct gather {
	sqlite3_io_methods methods; /* first: the file points to it */
	const sqlite3_io_methods *below;
	void (*change)(uint8_t *data, size_t len, int64_t at);
	bool wal, last; /* last: what comes now is a transaction's last page */
	int64_t at;
	size_t len;
	uint8_t bytes[ROOM];
};

static struct gather *inside(sqlite3_file *file)
{
	return (struct gather *)(void *)(uintptr_t)file->pMethods;
}

/* An SQLite result. */
static int flush(sqlite3_file *file)
{
	struct gather *g = inside(file);
	int len = (int)g->len;

	g->len = 0;
	return len == 0 ? SQLITE_OK : g->below->xWrite(file, g->bytes, len, g->at);
}

static int gather_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct gather *g = inside(file);
	bool last = g->last;

	g->last = g->wal && len == FRAME && get_u32((const uint8_t *)data + LAST) != 0;
	if (len > ROOM)
		return SQLITE_IOERR_WRITE;
	/* Nothing of the database's own file is held back: SQLite looks at no result but that of
	 * the write itself before it takes a page for copied, and lets the log go. */
	if (at != g->at + (int64_t)g->len || (size_t)len > ROOM - g->len) {
		int rc = flush(file);

		if (rc != SQLITE_OK)
			return rc;
		g->at = at;
	}
	memcpy(g->bytes + g->len, data, (size_t)len);
	if (g->change != NULL)
		g->change(g->bytes + g->len, (size_t)len, at);
	g->len += (size_t)len;
	return last || !g->wal ? flush(file) : SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	int rc = flush(file);

	return rc == SQLITE_OK ? inside(file)->below->xRead(file, data, len, at) : rc;
}

static int gather_sync(sqlite3_file *file, int flags)
{
	int rc = flush(file);

	return rc == SQLITE_OK ? inside(file)->below->xSync(file, flags) : rc;
}

/* What is cut off was to go, here too. */
static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct gather *g = inside(file);
	int rc = flush(file);

	memset(g->bytes, 0, ROOM);
	return rc == SQLITE_OK ? g->below->xTruncate(file, size) : rc;
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size)
{
	int rc = flush(file);

	return rc == SQLITE_OK ? inside(file)->below->xFileSize(file, size) : rc;
}

static int gather_control(sqlite3_file *file, int op, void *arg)
{
	int rc = flush(file);

	return rc == SQLITE_OK ? inside(file)->below->xFileControl(file, op, arg) : rc;
}

static int gather_close(sqlite3_file *file)
{
	const sqlite3_io_methods *below = inside(file)->below;
	int rc = flush(file), closed = below->xClose(file);

	return rc == SQLITE_OK ? closed : rc;
}

int gather_start(struct gather **out, sqlite3_file *file, bool wal,
    void (*change)(uint8_t *data, size_t len, int64_t at))
{
	struct gather *g;

	*out = NULL;
	if (file == NULL || file->pMethods == NULL)
		return ERR_STORE;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ERR_NOMEM;
	g->below = file->pMethods;
	g->change = change;
	g->wal = wal;
	g->methods = *file->pMethods;
	g->methods.xClose = gather_close;
	g->methods.xRead = gather_read;
	g->methods.xWrite = gather_write;
	g->methods.xTruncate = gather_truncate;
	g->methods.xSync = gather_sync;
	g->methods.xFileSize = gather_size;
	g->methods.xFileControl = gather_control;
	file->pMethods = &g->methods;
	*out = g;
	return OK;
}

void gather_free(struct gather *g)
{
	free(g);
}
