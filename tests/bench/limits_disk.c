/* SPDX-License-Identifier: BSD-2-Clause */
/* The disk's limits: an append that is durable, and rows in SQLite as our store opens it. */
#include "limits.h"
#include "quantile.h"

#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define ROW 600
#define BATCH 2048
#define SYNCS_MAX 20000
#define PACE_US 10000

/* A folder of our own; gone with folder_drop(). */
static void folder_make(char path[static 256])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, 256, "%s/convene-limits-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(path))
		limits_fail(path);
}

static void folder_drop(const char *path)
{
	static const char *const names[] = {"/append", "/rows.db", "/rows.db-wal", "/rows.db-shm"};
	char file[300];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(file, sizeof file, "%s%s", path, names[i]);
		unlink(file);
	}
	rmdir(path);
}

/* One sync as soon as the one before is done, or one every PACE_US: what is at rest in between,
 * here or at whoever lends us the disk, takes longer. */
static size_t syncs(int fd, const char *path, double seconds, bool paced, double times[SYNCS_MAX])
{
	static unsigned char page[PAGE];
	double end = limits_now() + seconds;
	size_t count = 0;

	randombytes_buf(page, sizeof page);
	while (count < SYNCS_MAX && (count < 10 || limits_now() < end)) {
		double began;

		if (paced)
			usleep(PACE_US);
		began = limits_now();
		if (write(fd, page, PAGE) != PAGE || fdatasync(fd) != 0)
			limits_fail(path);
		times[count++] = (limits_now() - began) * 1e3;
	}
	return count;
}

void limit_sync(void)
{
	static double times[SYNCS_MAX];
	char folder[256], path[300];
	size_t count;
	int fd;

	folder_make(folder);
	snprintf(path, sizeof path, "%s/append", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		limits_fail(path);
	count = syncs(fd, path, limits_seconds, false, times);
	limits_print("sync_p50", quantile(times, count, 0.50));
	limits_print("sync_p99", quantile(times, count, 0.99));
	count = syncs(fd, path, 2 * limits_seconds, true, times);
	limits_print("sync_paced_p50", quantile(times, count, 0.50));
	limits_print("sync_paced_p99", quantile(times, count, 0.99));
	close(fd);
	folder_drop(folder);
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "limits: %s: %s\n", sql, sqlite3_errmsg(db));
		exit(1);
	}
}

/* A row as a forum's store would have without thinking of it: by number, by id, by topic and time.
 */
static void row_add(sqlite3 *db, sqlite3_stmt *st, sqlite3_int64 n)
{
	unsigned char id[32], body[ROW];

	randombytes_buf(id, sizeof id);
	memset(body, (int)(n & 0x7f), sizeof body);
	sqlite3_bind_int64(st, 1, n);
	sqlite3_bind_blob(st, 2, id, sizeof id, SQLITE_TRANSIENT);
	sqlite3_bind_int64(st, 3, n * 2654435761 % 64);
	sqlite3_bind_int64(st, 4, 1700000000000 + n);
	sqlite3_bind_blob(st, 5, body, sizeof body, SQLITE_TRANSIENT);
	if (sqlite3_step(st) != SQLITE_DONE || sqlite3_reset(st) != SQLITE_OK) {
		fprintf(stderr, "limits: a row: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
}

void limit_sqlite(void)
{
	char folder[256], path[300];
	sqlite3_stmt *st;
	sqlite3 *db;
	sqlite3_int64 n = 0;
	double began, end;

	folder_make(folder);
	snprintf(path, sizeof path, "%s/rows.db", folder);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		limits_fail(path);
	run(db, "PRAGMA journal_mode = WAL");
	run(db, "PRAGMA synchronous = FULL");
	run(db, "CREATE TABLE row (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, topic INTEGER, "
		"time INTEGER, body BLOB)");
	run(db, "CREATE INDEX row_topic ON row (topic, time)");
	if (sqlite3_prepare_v2(db, "INSERT INTO row VALUES (?, ?, ?, ?, ?)", -1, &st, NULL) !=
	    SQLITE_OK)
		limits_fail("INSERT");
	began = limits_now();
	/* Longer than the others: the first thousands of rows fit into the cache. */
	for (end = began + 4 * limits_seconds; n == 0 || limits_now() < end;) {
		run(db, "BEGIN");
		for (int i = 0; i < BATCH; i++)
			row_add(db, st, ++n);
		run(db, "COMMIT");
	}
	limits_print("sqlite", (double)n / (limits_now() - began));
	sqlite3_finalize(st);
	sqlite3_close(db);
	folder_drop(folder);
}
