/* SPDX-License-Identifier: BSD-2-Clause */
/* The SQLite backend: opening, transactions, statements and errors; the operations are in
 * sqlite_*.c.
 *
 * The writer holds an exclusive lock on PATH.lock for as long as it is open, commits with
 * synchronous=FULL, and leaves the -wal and -shm files in place when it closes: a reader of another
 * system user, who may write nothing here, can neither make them nor do without them (README). */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

enum {
	FILE_MODE = 0640, /* the group reads; -wal and -shm get the database's mode from SQLite */
	BUSY_MS = 2000,   /* another process is recovering or resetting the log */
	SCRUB_MS = 100,   /* a reader is in the middle of something: it is tried again */
	/* Whatever changes a row writes its page, twice: of a message that comes alone, a dozen.
	 * Half of SQLite's own is half as much to write then, and no more to do in bulk. */
	PAGE_BYTES = 2048,
	CHECKPOINT_BYTES = 62 << 20, /* of the log file, before it is copied into the other */
	WAL_BYTES = 64 << 20,        /* what a reset leaves of it */
	CACHE_KIB = 24576,
	SCHEMA_OLDEST = 2, /* schemas below have not left the makers' hands */
};

static struct sqlite_store *inside(struct store *base)
{
	return (struct sqlite_store *)base;
}

/* ---- errors ---- */

static int code_of(sqlite3 *db, int rc)
{
	int e = sqlite3_system_errno(db);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERR_NOSPACE;
	case SQLITE_IOERR:
		return e == ENOSPC || e == EDQUOT ? ERR_NOSPACE : ERR_IO;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_IO;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return ERR_BUSY;
	case SQLITE_READONLY:
		/* A reader that can't write the -shm file, while it is being made anew. */
		if (rc == SQLITE_READONLY_RECOVERY || rc == SQLITE_READONLY_CANTINIT ||
		    rc == SQLITE_READONLY_CANTLOCK)
			return ERR_BUSY;
		return ERR_REFUSED;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_NOTADB:
		return ERR_SCHEMA;
	case SQLITE_CONSTRAINT:
		if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
		    rc == SQLITE_CONSTRAINT_ROWID)
			return ERR_EXISTS;
		return ERR_STORE;
	default:
		return ERR_STORE;
	}
}

int sqlite_error(struct sqlite_store *s, int rc)
{
	int err = code_of(s->db, rc);

	snprintf(s->base.error, sizeof(s->base.error), "%s (%d)", sqlite3_errmsg(s->db), rc);
	if (s->writing && err != ERR_EXISTS && s->failed == OK)
		s->failed = err;
	return err;
}

/* ---- statements ---- */

/* A reader that may not write the wal-index meets two states of it that pass by themselves: no
 * place marked in it that suits (another connection has just moved its own), and a header
 * half-written. SQLite gives up at once, with these codes, because it can't mend either; the writer
 * does. Only the first step of a statement can meet them. */
#define SETTLE_TRIES 2000
#define SETTLE_WAIT_US 1000

static bool unsettled(struct sqlite_store *s, int rc, unsigned *tries)
{
	int code = sqlite3_extended_errcode(s->db);

	if ((rc & 0xff) != SQLITE_READONLY || !s->read_only ||
	    (code != SQLITE_READONLY_CANTINIT && code != SQLITE_READONLY_RECOVERY) ||
	    ++*tries > SETTLE_TRIES)
		return false;
	usleep(SETTLE_WAIT_US);
	return true;
}

static int prepare(struct sqlite_store *s, sqlite3_stmt **out, const char *sql, unsigned flags)
{
	if (s->failed != OK)
		return s->failed;
	unsigned tries = 0;
	int rc;

	do
		rc = sqlite3_prepare_v3(s->db, sql, -1, flags, out, NULL);
	while (unsettled(s, rc, &tries));
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc);
}

int sqlite_statement(struct sqlite_store *s, sqlite3_stmt **out, const char *sql)
{
	if (*out == NULL)
		return prepare(s, out, sql, SQLITE_PREPARE_PERSISTENT);
	if (s->failed != OK)
		return s->failed;
	assert(!sqlite3_stmt_busy(*out));
	sqlite3_reset(*out);
	sqlite3_clear_bindings(*out);
	return OK;
}

int sqlite_prepare(struct sqlite_store *s, sqlite3_stmt **out, const char *sql)
{
	*out = NULL;
	return prepare(s, out, sql, 0);
}

int sqlite_row(struct sqlite_store *s, sqlite3_stmt *st)
{
	unsigned tries = 0;
	int rc = sqlite3_step(st);

	while (unsettled(s, rc, &tries)) {
		sqlite3_reset(st);
		rc = sqlite3_step(st);
	}
	if (rc == SQLITE_ROW)
		return 1;
	int err = rc == SQLITE_DONE ? OK : sqlite_error(s, rc);
	sqlite3_reset(st);
	return err;
}

int sqlite_run(struct sqlite_store *s, sqlite3_stmt *st)
{
	int err;

	do
		err = sqlite_row(s, st);
	while (err == 1);
	return err;
}

int sqlite_exec(struct sqlite_store *s, const char *sql)
{
	if (s->failed != OK)
		return s->failed;
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc);
}

void sqlite_fixed(sqlite3_stmt *st, int column, uint8_t *out, size_t len)
{
	struct bytes b = sqlite_bytes(st, column);

	if (b.len == len)
		memcpy(out, b.data, len);
	else
		memset(out, 0, len);
}

/* ---- transactions ---- */

int sqlite_writing(struct sqlite_store *s)
{
	if (s->read_only)
		return ERR_REFUSED;
	assert(s->writing);
	return s->failed;
}

static int run_cached(struct sqlite_store *s, enum sqlite_cached which, const char *sql)
{
	int err = sqlite_statement(s, &s->cached[which], sql);
	return err == OK ? sqlite_run(s, s->cached[which]) : err;
}

static int begin(struct store *base)
{
	struct sqlite_store *s = inside(base);

	assert(!s->writing && sqlite3_get_autocommit(s->db));
	if (s->read_only)
		return run_cached(s, ST_SNAPSHOT, "BEGIN");
	if (s->follower != NULL && follow_failed(s->follower))
		return ERR_IO;
	int err = run_cached(s, ST_BEGIN, "BEGIN IMMEDIATE");
	s->writing = err == OK;
	return err;
}

static void rollback(struct store *base)
{
	struct sqlite_store *s = inside(base);

	/* SQLite has rolled back by itself after some errors. Not a kept statement: it needs no
	 * memory to be prepared that could be lacking now, and the failed mark would refuse it. */
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->writing = false;
	s->failed = OK;
	s->taking = 0;
}

static int commit(struct store *base)
{
	struct sqlite_store *s = inside(base);
	int err = s->failed;

	assert(s->writing || s->read_only);
	if (err == OK)
		err = run_cached(s, ST_COMMIT, "COMMIT");
	if (err != OK)
		rollback(base);
	else
		sqlite_intake_committed(s);
	s->writing = false;
	return err;
}

int sqlite_wal_truncate(struct sqlite_store *s)
{
	assert(!s->writing);
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc);
}

static int clean(struct sqlite_store *s)
{
	bool done;

	/* No other connection may write meanwhile. */
	if (follow_busy(s->follower))
		return ERR_BUSY;
	int rc = clean_sweep(s->clean, s->db, &done),
	    err = rc == SQLITE_OK ? sqlite_wal_truncate(s) : sqlite_error(s, rc);

	if (err != OK)
		return err;
	sqlite3_db_release_memory(s->db);
	return done ? OK : ERR_BUSY;
}

/* Everything that waits for the writer waits for this too: not for as long as a reader may read. */
static int scrub(struct store *base)
{
	struct sqlite_store *s = inside(base);

	if (s->read_only)
		return ERR_REFUSED;
	sqlite3_busy_timeout(s->db, SCRUB_MS);
	int err = sqlite_intake_scrub(s);
	if (err == OK)
		err = clean(s);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	return err;
}

static int version(struct store *base, uint64_t *out)
{
	struct sqlite_store *s = inside(base);
	sqlite3_stmt **st = &s->cached[ST_VERSION];
	int err = sqlite_statement(s, st, "PRAGMA data_version");

	if (err == OK && (err = sqlite_row(s, *st)) == 1) {
		*out = (uint64_t)sqlite3_column_int64(*st, 0);
		sqlite3_reset(*st);
		return OK;
	}
	return err == OK ? ERR_STORE : err;
}

/* ---- opening ---- */

/* Make the file, so that its mode is ours; durable in its directory before anything is
 * acknowledged. Never opens one that exists: closing it again would drop the locks that another
 * connection of this process has on it. */
static int make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

	if (fd < 0)
		return errno == EEXIST ? OK : errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	close(fd);
	return folder_sync_of(path);
}

static int take_lock(struct sqlite_store *s, const char *path)
{
	size_t len = strlen(path) + sizeof(".lock");
	char *name = malloc(len);

	if (name == NULL)
		return ERR_NOMEM;
	snprintf(name, len, "%s.lock", path);
	s->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	free(name);
	if (s->lock < 0)
		return errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO;
	return OK;
}

static int number(struct sqlite_store *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, sql);

	if (err == OK)
		err = sqlite_row(s, st);
	if (err == 1)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return err == 1 ? OK : err == OK ? ERR_STORE : err;
}

/* OK: ours; ERR_NOTFOUND: empty; ERR_SCHEMA: somebody else's, or another version's. `*has`: its
 * number, which may have to be raised; 0: empty. */
static int check_schema(struct sqlite_store *s, int64_t *has)
{
	int64_t application = 0, version = 0, objects = 0;
	int err;

	*has = 0;
	if ((err = number(s, "PRAGMA application_id", &application)) != OK ||
	    (err = number(s, "PRAGMA user_version", &version)) != OK ||
	    (err = number(s, "SELECT count(*) FROM sqlite_schema", &objects)) != OK)
		return err;
	if (application == 0 && version == 0 && objects == 0)
		return ERR_NOTFOUND;
	*has = version;
	return application == STORE_APPLICATION_ID && version >= SCHEMA_OLDEST &&
		       version <= STORE_SCHEMA
		   ? OK
		   : ERR_SCHEMA;
}

static int create_schema(struct sqlite_store *s, int64_t has)
{
	char stamp[96];
	int err = begin(&s->base);

	if (err != OK)
		return err;
	snprintf(stamp, sizeof(stamp), "PRAGMA application_id=%d; PRAGMA user_version=%d",
	    STORE_APPLICATION_ID, STORE_SCHEMA);
	if (has == 0 && (err = sqlite_exec(s, store_schema_sql)) == OK)
		err = sqlite_exec(s, store_views_sql);
	if (err == OK && has < 3)
		err = sqlite_exec(s, store_schema3_sql);
	if (err == OK && (err = sqlite_exec(s, store_schema4_sql)) == OK &&
	    (err = sqlite_exec(s, stamp)) == OK)
		return commit(&s->base);
	rollback(&s->base);
	return err;
}

/* Not every file system can: the shared memory of the -shm file has to work. */
static int use_wal(struct sqlite_store *s)
{
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, "PRAGMA journal_mode=WAL");

	if (err == OK)
		err = sqlite_row(s, st);
	if (err == 1 && strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0)
		err = OK;
	else if (err == 1)
		err = ERR_STORE;
	sqlite3_finalize(st);
	return err;
}

/* The log's file is open once something was read or written. Without this it is only slower. */
static int gather_wal(struct sqlite_store *s)
{
	sqlite3_file *file = NULL;
	int64_t schema;
	int err = number(s, "PRAGMA schema_version", &schema);

	if (err != OK)
		return err;
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&file);
	err = gather_start(&s->wal, file, true, NULL);
	return err == ERR_STORE ? OK : err;
}

static int prepare_writer(struct sqlite_store *s, const char *path)
{
	char pragmas[320];
	int64_t page = 0;
	int keep = 1;

	/* Look before changing anything: journal_mode=WAL would write into a foreign file. */
	int64_t has;
	int err = check_schema(s, &has);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	bool fresh = err == ERR_NOTFOUND;

	sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
	if (fresh) {
		snprintf(pragmas, sizeof(pragmas), "PRAGMA page_size=%d", PAGE_BYTES);
		if ((err = sqlite_exec(s, pragmas)) != OK)
			return err;
	}
	if ((err = number(s, "PRAGMA page_size", &page)) != OK)
		return err;
	/* Temporary data stays in memory: erased bytes must not linger in unknown files. */
	snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=0;"
	    "PRAGMA journal_size_limit=%d; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%d;"
	    "PRAGMA max_page_count=%d",
	    WAL_BYTES, CACHE_KIB, CLEAN_PAGES_MAX);
	err = clean_start(&s->clean, s->db);
	if (err == OK)
		err = use_wal(s);
	if (err == OK)
		err = sqlite_exec(s, pragmas);
	if (err == OK && has < STORE_SCHEMA)
		err = create_schema(s, has);
	if (err == OK)
		err = gather_wal(s);
	if (err == OK) {
		s->follower = follow_start(s->db, path, CHECKPOINT_BYTES / (int)page);
		err = s->follower == NULL ? ERR_NOMEM : OK;
	}
	return err == OK ? sqlite_intake_open(s, path) : err;
}

static int open_database(struct sqlite_store *s, const char *path)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int rc = sqlite3_open_v2(path, &s->db, flags, NULL);

	if (rc != SQLITE_OK)
		return s->db == NULL ? ERR_NOMEM : sqlite_error(s, rc);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	rc = sqlite_functions(s->db);
	if (rc != SQLITE_OK)
		return sqlite_error(s, rc);
	if (!s->read_only)
		return prepare_writer(s, path);
	int64_t has;
	int err = check_schema(s, &has);
	if (err == OK && has < STORE_SCHEMA)
		err = ERR_SCHEMA;
	/* As much as SQLite maps of a file; it reads what lies behind. */
	if (err == OK && s->mapped)
		err = sqlite_exec(s, "PRAGMA mmap_size=2147418112");
	return err;
}

static void close_store(struct store *base)
{
	struct sqlite_store *s = inside(base);

	if (s->db != NULL) {
		rollback(base);
		for (size_t i = 0; i < ST_COUNT; i++)
			sqlite3_finalize(s->cached[i]);
		for (size_t i = 0; i < s->view_count; i++)
			sqlite3_finalize(s->views[i]);
		free(s->views);
		sqlite_run_forget(s);
		follow_free(s->follower);
		sqlite3_close_v2(s->db);
	}
	clean_free(s->clean);
	gather_free(s->wal);
	intake_close(s->intake);
	/* The last of all: the next writer may come as soon as this is gone. */
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

/* Counting what it allocates costs SQLite a mutex each time, and nobody asks for the sum. No effect
 * where this process uses SQLite already. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int open_store(struct store **out, const char *path, unsigned flags)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	assert(path != NULL);
	pthread_once(&once, configure);
	struct sqlite_store *s = calloc(1, sizeof(*s));
	int err = OK;

	if (s == NULL)
		return ERR_NOMEM;
	s->base.ops = &store_sqlite;
	s->read_only = (flags & STORE_READ_ONLY) != 0;
	s->mapped = (flags & STORE_MAPPED) != 0;
	s->lock = -1;
	if (s->read_only)
		err = access(path, F_OK) == 0 ? OK : errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	else if ((err = take_lock(s, path)) == OK)
		err = make_file(path);
	if (err == OK)
		err = open_database(s, path);
	if (err != OK) {
		store_open_failed(&s->base);
		close_store(&s->base);
	} else {
		*out = &s->base;
	}
	return err;
}

const struct store_backend store_sqlite = {
    .name = "sqlite",
    .open = open_store,
    .close = close_store,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .meta_get = sqlite_meta_get,
    .meta_put = sqlite_meta_put,
    .meta_drop = sqlite_meta_drop,
    .meta_each = sqlite_meta_each,
    .log_add = sqlite_log_add,
    .log_each = sqlite_log_each,
    .log_get = sqlite_log_get,
    .log_set_state = sqlite_log_set_state,
    .log_set_checkpoint = sqlite_log_set_checkpoint,
    .append = sqlite_append,
    .read = sqlite_read,
    .blocks = sqlite_blocks,
    .truncate = sqlite_truncate,
    .merge = sqlite_merge,
    .content_put = sqlite_content_put,
    .contents_put = sqlite_contents_put,
    .content_get = sqlite_content_get,
    .contents = sqlite_contents,
    .wanted = sqlite_wanted,
    .wanted_below = sqlite_wanted_below,
    .wanted_count = sqlite_wanted_count,
    .content_drop = sqlite_content_drop,
    .tombstone_each = sqlite_tombstone_each,
    .version = version,
    .scrub = scrub,
    .inbox_add = sqlite_inbox_add,
    .inbox_each = sqlite_inbox_each,
    .inbox_count = sqlite_inbox_count,
    .inbox_drop = sqlite_inbox_drop,
    .fork_put = sqlite_fork_put,
    .fork_each = sqlite_fork_each,
    .standing_put = sqlite_standing_put,
    .standing_each = sqlite_standing_each,
    .inbox_remove = sqlite_inbox_remove,
    .serial_get = sqlite_serial_get,
    .serial_put = sqlite_serial_put,
    .cosignature_put = sqlite_cosignature_put,
    .cosignature_each = sqlite_cosignature_each,
    .invite_get = sqlite_invite_get,
    .invite_put = sqlite_invite_put,
    .invite_each = sqlite_invite_each,
};
