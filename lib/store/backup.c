/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/backup.h"

#include <stdio.h>
#include <string.h>

#include "store/sqlite.h"

/* Row by row into a new file: pages that were freed are not copied. */
static int copy(struct sqlite_store *s, const char *to)
{
	sqlite3_stmt *st;
	int err = sqlite_prepare(s, &st, "VACUUM INTO ?");

	if (err == OK) {
		sqlite3_bind_text(st, 1, to, -1, SQLITE_STATIC);
		err = sqlite_run(s, st);
	}
	sqlite3_finalize(st);
	return err;
}

/* ---- what waits in the journal ---- */

struct waiting {
	struct sqlite_store s; /* the copy's */
	sqlite3_stmt *add;
	uint64_t last;
};

static int row_add(void *ctx, const struct store_inbox *row)
{
	struct waiting *w = ctx;

	sqlite_bind(w->add, 1, row->id, ID_LEN);
	sqlite_bind(w->add, 2, row->salt, SALT_LEN);
	sqlite_bind(w->add, 3, row->message.data, row->message.len);
	sqlite_bind(w->add, 4, row->content.data, row->content.len);
	w->last = row->no;
	return sqlite_run(&w->s, w->add);
}

/* The copy has it in its table, and goes on in a journal of its own: a file of the same name that
 * lies where the copy is put belongs to another life of the store. */
static int fill(struct waiting *w, struct intake *intake)
{
	struct sqlite_store *s = &w->s;
	struct buffer taken = BUFFER_INIT;
	uint8_t last[8];
	sqlite3_stmt *st = NULL;
	int err = sqlite_meta_get(&s->base, "inbox_taken", &taken);

	if (err == OK && taken.len != sizeof last)
		err = ERR_STORE;
	if (err == OK) {
		intake_taken(intake, get_u64(taken.data));
		w->last = get_u64(taken.data);
		err = sqlite_prepare(s, &w->add,
		    "INSERT INTO inbox (id, salt, message, content) VALUES (?, ?, ?, ?)");
	}
	if (err == OK)
		err = intake_each(intake, 0, SIZE_MAX, row_add, w);
	put_u64(last, w->last);
	if (err == OK)
		err = sqlite_prepare(s, &st,
		    "UPDATE meta SET value = CASE key WHEN 'inbox_key' THEN randomblob(32) "
		    "ELSE ? END WHERE key IN ('inbox_key', 'inbox_taken')");
	if (err == OK) {
		sqlite_bind(st, 1, last, sizeof last);
		err = sqlite_run(s, st);
	}
	sqlite3_finalize(st);
	buffer_free(&taken);
	return err;
}

static int add_waiting(const char *to, struct intake *intake, char why[static 200])
{
	struct waiting w = {.s = {.base.ops = &store_sqlite, .lock = -1}};
	struct sqlite_store *s = &w.s;
	int rc = sqlite3_open_v2(
	    to, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int err = s->db == NULL ? ERR_NOMEM : rc != SQLITE_OK ? sqlite_error(s, rc) : OK;

	/* Whoever wants it durable syncs it as a whole. */
	if (err == OK)
		err = sqlite_exec(
		    s, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN IMMEDIATE");
	if (err == OK)
		err = fill(&w, intake);
	if (err == OK)
		err = sqlite_exec(s, "COMMIT");
	if (err != OK)
		snprintf(why, 200, "%s", s->base.error);
	sqlite3_finalize(w.add);
	for (size_t i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(s->cached[i]);
	sqlite3_close_v2(s->db);
	return err;
}

/* Before the copy: what has left the journal by then is in the store. */
static int look(struct sqlite_store *s, const char *path, struct intake **out, char why[static 200])
{
	struct buffer key = BUFFER_INIT;
	int err = sqlite_meta_get(&s->base, "inbox_key", &key);

	if (err == OK && key.len != INTAKE_KEY)
		err = ERR_STORE;
	if (err == OK)
		err = intake_open(out, path, key.data, 0, INTAKE_READ_ONLY, why);
	buffer_free(&key);
	return err;
}

int store_backup(const char *path, const char *to, char why[static 200])
{
	struct intake *intake = NULL;
	struct store *base;
	int err = store_open(&base, &store_sqlite, path, STORE_READ_ONLY);

	why[0] = '\0';
	if (err != OK) {
		snprintf(why, 200, "%s", store_error(NULL));
		return err;
	}
	err = look((struct sqlite_store *)base, path, &intake, why);
	if (err == OK && (err = copy((struct sqlite_store *)base, to)) != OK)
		snprintf(why, 200, "%s", store_error(base));
	store_close(base);
	if (err == OK)
		err = add_waiting(to, intake, why);
	intake_close(intake);
	return err;
}
