/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite, with its statements prepared once and its failures said as sentences. */
#include "client/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "client/output.h"
#include "store/clean.h"

#define BUSY_MS 10000
#define STATEMENTS 64

struct prepared {
	const char *sql; /* by address: it is a literal */
	sqlite3_stmt *st;
	bool used; /* a query of it is under way */
};

struct database {
	sqlite3 *db;
	struct clean *clean;
	struct prepared prepared[STATEMENTS];
	size_t prepared_count;
	char path[PATH_LEN];
};

struct query {
	struct database *d;
	sqlite3_stmt *st;
	struct prepared *kept; /* NULL: this statement is the query's own */
};

static int failed(struct database *d, int code, struct trouble *t)
{
	const char *why = d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(code);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return no_memory(t);
	case SQLITE_FULL:
		trouble_set(t, ERR_NOSPACE, "%.400s can't be written: the disk is full", d->path);
		trouble_hint(t, "Make room, and run the same command again: nothing is lost.");
		return t->err;
	case SQLITE_BUSY:
		trouble_set(t, ERR_BUSY, "another program is writing %.400s", d->path);
		trouble_hint(t, "Try again when it has ended.");
		return t->err;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return trouble_set(t, ERR_STORE, "%.400s is damaged (%s)", d->path, why);
	default:
		return trouble_set(t, ERR_IO, "%.400s: %s", d->path, why);
	}
}

static int pragma(struct database *d, const char *sql, struct trouble *t)
{
	int code = sqlite3_exec(d->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? OK : failed(d, code, t);
}

/* ---- opening ---- */

static int version_check(
    struct database *d, const char *schema, unsigned version, struct trouble *t)
{
	struct query *q;
	char sql[64];
	int64_t found = 0, tables = 0;
	int err = query_start(&q, d,
	    "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version", t,
	    "");

	if (!err && (err = query_next(&q, t)) == 1) {
		found = query_int(q, 0);
		tables = query_int(q, 1);
		query_end(&q);
		err = OK;
	}
	if (err || found == (int64_t)version)
		return err;
	if (found != 0 || tables != 0) {
		trouble_set(t, ERR_SCHEMA, "%.400s was written by another version of this program",
		    d->path);
		trouble_hint(t, "Use that version, or move the file away: it is made anew.");
		return t->err;
	}
	snprintf(sql, sizeof sql, "PRAGMA user_version=%u", version);
	err = database_begin(d, t);
	if (!err)
		err = pragma(d, schema, t);
	if (!err)
		err = pragma(d, sql, t);
	return err ? err : database_commit(d, t);
}

/* Others may write as well: there is no sweep. */
static int clean_begin(struct database *d, struct trouble *t)
{
	char sql[64];
	int err = clean_start(&d->clean, d->db);

	snprintf(sql, sizeof sql, "PRAGMA max_page_count=%d", CLEAN_PAGES_MAX);
	if (err == ERR_NOMEM)
		return no_memory(t);
	return err ? trouble_set(t, err, "%.400s can't be written safely", d->path)
		   : pragma(d, sql, t);
}

int database_open(struct database **out, const char *folder, const char *name, bool create,
    const char *schema, unsigned version, struct trouble *t)
{
	struct database *d = calloc(1, sizeof *d);
	int err, fd, code;

	*out = NULL;
	if (!d)
		return no_memory(t);
	err = path_join(d->path, folder, name, t);
	if (err) {
		free(d);
		return err;
	}
	/* SQLite would make it with the umask's mode. */
	fd = open(d->path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0) {
		bool absent = errno == ENOENT && !create;

		trouble_errno(t, "%.400s can't be opened", d->path);
		err = t->err = absent ? ERR_NOTFOUND : ERR_IO;
		free(d);
		return err;
	}
	close(fd);
	code = sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		sqlite3_busy_timeout(d->db, BUSY_MS);
	err = code == SQLITE_OK ? clean_begin(d, t) : failed(d, code, t);
	if (!err)
		err = pragma(d,
		    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA "
		    "secure_delete=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
		    t);
	if (!err)
		err = version_check(d, schema, version, t);
	if (err)
		database_close(d);
	else
		*out = d;
	return err;
}

void database_close(struct database *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->prepared_count; i++)
		sqlite3_finalize(d->prepared[i].st);
	sqlite3_close(d->db);
	clean_free(d->clean);
	free(d);
}

/* ---- transactions ---- */

int database_begin(struct database *d, struct trouble *t)
{
	return pragma(d, "BEGIN IMMEDIATE", t);
}

int database_commit(struct database *d, struct trouble *t)
{
	int err = pragma(d, "COMMIT", t);

	if (err)
		database_rollback(d);
	return err;
}

void database_rollback(struct database *d)
{
	sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
}

int database_truncate(struct database *d, struct trouble *t)
{
	int err = pragma(d, "PRAGMA wal_checkpoint(TRUNCATE)", t);

	/* A page from before, kept in memory, could come back otherwise. */
	sqlite3_db_release_memory(d->db);
	return err;
}

/* ---- statements ---- */

static int statement(struct database *d, const char *sql, sqlite3_stmt **st, struct prepared **kept,
    struct trouble *t)
{
	struct prepared *p = NULL;
	int code;

	for (size_t i = 0; i < d->prepared_count && !p; i++) {
		if (d->prepared[i].sql == sql)
			p = &d->prepared[i];
	}
	if (p && !p->used) {
		*st = p->st;
		*kept = p;
		p->used = true;
		return OK;
	}
	code = sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	if (code != SQLITE_OK)
		return failed(d, code, t);
	*kept = NULL;
	if (!p && d->prepared_count < STATEMENTS) {
		p = &d->prepared[d->prepared_count++];
		*p = (struct prepared){sql, *st, true};
		*kept = p;
	}
	return OK;
}

static void statement_done(sqlite3_stmt *st, struct prepared *kept)
{
	if (kept) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
		kept->used = false;
	} else {
		sqlite3_finalize(st);
	}
}

static void bind(sqlite3_stmt *st, int at, const void *data, size_t len)
{
	sqlite3_bind_blob64(st, at, len > 0 ? data : "", len, SQLITE_STATIC);
}

static void bind_all(sqlite3_stmt *st, const char *types, va_list ap)
{
	for (int at = 1; *types; types++, at++) {
		struct bytes b;
		int64_t n;

		switch (*types) {
		case 'i':
		case 'I':
			n = va_arg(ap, int64_t);
			if (*types == 'i' || n != 0)
				sqlite3_bind_int64(st, at, n);
			break;
		case 'b':
		case 'B':
			b = va_arg(ap, struct bytes);
			if (*types == 'b' || b.len > 0)
				bind(st, at, b.data, b.len);
			break;
		case 'k':
			bind(st, at, va_arg(ap, const uint8_t *), 32);
			break;
		case 'h':
			bind(st, at, va_arg(ap, const uint8_t *), 16);
			break;
		default:
			abort();
		}
	}
}

int database_run(
    struct database *d, const char *sql, int *changed, struct trouble *t, const char *types, ...)
{
	struct prepared *kept;
	sqlite3_stmt *st;
	va_list ap;
	int code, err = statement(d, sql, &st, &kept, t);

	if (err)
		return err;
	va_start(ap, types);
	bind_all(st, types, ap);
	va_end(ap);
	code = sqlite3_step(st);
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		err = failed(d, code, t);
	else if (changed)
		*changed = sqlite3_changes(d->db);
	statement_done(st, kept);
	return err;
}

int query_start(struct query **out, struct database *d, const char *sql, struct trouble *t,
    const char *types, ...)
{
	struct query *q = calloc(1, sizeof *q);
	va_list ap;
	int err;

	*out = NULL;
	if (!q)
		return no_memory(t);
	q->d = d;
	err = statement(d, sql, &q->st, &q->kept, t);
	if (err) {
		free(q);
		return err;
	}
	va_start(ap, types);
	bind_all(q->st, types, ap);
	va_end(ap);
	*out = q;
	return OK;
}

int query_next(struct query **q, struct trouble *t)
{
	int code = sqlite3_step((*q)->st), err;

	if (code == SQLITE_ROW)
		return 1;
	err = code == SQLITE_DONE ? OK : failed((*q)->d, code, t);
	query_end(q);
	return err;
}

void query_end(struct query **q)
{
	if (!*q)
		return;
	statement_done((*q)->st, (*q)->kept);
	free(*q);
	*q = NULL;
}

int64_t query_int(const struct query *q, int column)
{
	return sqlite3_column_int64(q->st, column);
}

bool query_null(const struct query *q, int column)
{
	return sqlite3_column_type(q->st, column) == SQLITE_NULL;
}

struct bytes query_bytes(const struct query *q, int column)
{
	const void *data = sqlite3_column_blob(q->st, column);

	return bytes_of(data, (size_t)sqlite3_column_bytes(q->st, column));
}
