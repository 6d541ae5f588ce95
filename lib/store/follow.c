/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/follow.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/clean.h"

struct follower {
	int pages;
	pthread_t thread;
	bool started; /* the thread */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool due, stop;
	bool passed; /* it has been through this log, but for the end */
	bool failed; /* the disk did, with pages that the log may be forgotten for */
	/* The thread's own. */
	sqlite3 *db;
	struct clean *clean;
	char path[];
};

static bool open_own(struct follower *f)
{
	int keep = 1;

	if (f->db != NULL)
		return true;
	/* A read opens the log. The log stays when this is the last to close it, as the writer has
	 * it. */
	if (sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
		SQLITE_OK &&
	    sqlite3_file_control(f->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep) == SQLITE_OK &&
	    clean_start(&f->clean, f->db) == OK &&
	    sqlite3_exec(f->db,
		"PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA schema_version", NULL,
		NULL, NULL) == SQLITE_OK)
		return true;
	sqlite3_close_v2(f->db);
	clean_free(f->clean);
	f->db = NULL;
	f->clean = NULL;
	return false;
}

/* False: the disk failed. The system tells of that once, and the next sync is a good one, so nobody
 * may go on as if nothing had happened. A full disk is no such thing: the log stays. */
static bool copy(sqlite3 *db)
{
	int rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	return (rc & 0xff) != SQLITE_IOERR;
}

static void *run(void *arg)
{
	struct follower *f = arg;
	bool copied;

	pthread_mutex_lock(&f->mutex);
	for (;;) {
		while (!f->due && !f->stop)
			pthread_cond_wait(&f->cond, &f->mutex);
		if (f->stop)
			break;
		pthread_mutex_unlock(&f->mutex);
		/* What it could not copy the writer will. */
		copied = !open_own(f) || copy(f->db);
		pthread_mutex_lock(&f->mutex);
		f->failed |= !copied;
		f->due = false;
		f->passed = true;
		pthread_cond_broadcast(&f->cond);
	}
	pthread_mutex_unlock(&f->mutex);
	return NULL;
}

static bool start(struct follower *f)
{
	sigset_t all, before;

	if (f->started)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	f->started = pthread_create(&f->thread, NULL, run, f) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (f->started)
		pthread_setname_np(f->thread, "follow");
	return f->started;
}

/* After each commit of the writer. */
static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct follower *f = ctx;
	bool mine;

	(void)name;
	pthread_mutex_lock(&f->mutex);
	if (pages < f->pages)
		f->passed = false;
	else if (!f->due && !f->passed && start(f)) {
		f->due = true;
		pthread_cond_broadcast(&f->cond);
	}
	while (f->due && pages >= 2 * f->pages)
		pthread_cond_wait(&f->cond, &f->mutex);
	mine = pages >= f->pages && !f->due;
	pthread_mutex_unlock(&f->mutex);
	if (mine && !copy(db)) {
		pthread_mutex_lock(&f->mutex);
		f->failed = true;
		pthread_mutex_unlock(&f->mutex);
	}
	return SQLITE_OK;
}

struct follower *follow_start(sqlite3 *db, const char *path, int pages)
{
	struct follower *f = calloc(1, sizeof(*f) + strlen(path) + 1);

	if (f == NULL)
		return NULL;
	memcpy(f->path, path, strlen(path) + 1);
	f->pages = pages;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->cond, NULL);
	sqlite3_wal_hook(db, on_commit, f);
	return f;
}

bool follow_failed(struct follower *f)
{
	bool failed;

	pthread_mutex_lock(&f->mutex);
	failed = f->failed;
	pthread_mutex_unlock(&f->mutex);
	return failed;
}

bool follow_busy(struct follower *f)
{
	bool busy;

	pthread_mutex_lock(&f->mutex);
	busy = f->due;
	pthread_mutex_unlock(&f->mutex);
	return busy;
}

void follow_free(struct follower *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->mutex);
	f->stop = true;
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->mutex);
	if (f->started)
		pthread_join(f->thread, NULL);
	sqlite3_close_v2(f->db);
	clean_free(f->clean);
	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}
