/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/views.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/sqlite.h"

#define TEXT_OF(number) #number
#define VERSION_TEXT(number) TEXT_OF(number)
static const char version[] = VERSION_TEXT(VIEWS_VERSION);

static struct sqlite_store *inside(struct store *s)
{
	assert(s->ops == &store_sqlite);
	return (struct sqlite_store *)s;
}

static int make_tables(struct store *s)
{
	return sqlite_exec(inside(s), store_views_sql);
}

int views_current(struct store *s)
{
	struct buffer is = BUFFER_INIT;
	int err = s->ops->meta_get(s, "views", &is);

	if (err == OK)
		err = is.failed ? ERR_NOMEM : strcmp(buffer_str(&is), version) == 0;
	buffer_free(&is);
	return err == ERR_NOTFOUND ? OK : err;
}

static void id_key(sqlite3_context *ctx, int count, sqlite3_value **args)
{
	(void)count;
	if (sqlite3_value_bytes(args[0]) == ID_LEN)
		sqlite3_result_int64(ctx, view_id_key(sqlite3_value_blob(args[0])));
}

int sqlite_functions(sqlite3 *db)
{
	return sqlite3_create_function_v2(db, "id_key", 1,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL, id_key, NULL, NULL, NULL);
}

/* Arrival numbers outlive every version, and each has its table of messages with these columns. */
static int messages_convert(struct store *s)
{
	char sql[400];
	int err = sqlite_exec(inside(s),
	    "CREATE TABLE IF NOT EXISTS message (no INTEGER PRIMARY KEY, id BLOB, arrival INTEGER);"
	    "DROP INDEX IF EXISTS message_thread; DROP INDEX IF EXISTS message_topic;"
	    "DROP INDEX IF EXISTS message_arrival; DROP INDEX IF EXISTS message_late;"
	    "DROP INDEX IF EXISTS message_key; DROP INDEX IF EXISTS message_awaited;"
	    "DROP TABLE IF EXISTS generation; ALTER TABLE message RENAME TO message_before");

	if (err == OK)
		err = make_tables(s);
	if (err != OK)
		return err;
	snprintf(sql, sizeof(sql),
	    "INSERT INTO message (no, key, id, arrival) SELECT no,"
	    " (no >> %d << %d) + id_key(id), id, arrival FROM message_before"
	    " WHERE arrival IS NOT NULL OR no = (SELECT max(no) FROM message_before) ORDER BY no;"
	    "INSERT INTO generation SELECT DISTINCT no >> %d << %d FROM message;"
	    "DROP TABLE message_before",
	    GENERATION_BITS, ID_KEY_BITS, GENERATION_BITS, ID_KEY_BITS);
	return sqlite_exec(inside(s), sql);
}

/* 1: something was folded into them. */
static int views_drop(struct store *s)
{
	int64_t folded = 0;
	struct view v;
	int err = sqlite_exec(inside(s),
	    "DROP TABLE IF EXISTS title; DROP TABLE IF EXISTS change;"
	    "DROP TABLE IF EXISTS amendment; DROP TABLE IF EXISTS erasure;"
	    "DROP TABLE IF EXISTS thread; DROP TABLE IF EXISTS place; DROP TABLE IF EXISTS topic;"
	    "DROP TABLE IF EXISTS origin; DROP TABLE IF EXISTS node; DROP TABLE IF EXISTS signer;"
	    "DROP TABLE IF EXISTS person; DROP TABLE IF EXISTS admission");
	if (err == OK)
		err = messages_convert(s);
	if (err == OK)
		err = view_start(&v, s, VIEW_FOLDED, "");
	if (err == OK && (err = view_next(&v)) == 1) {
		folded = view_int(&v, 0);
		view_end(&v);
		err = OK;
	}
	if (err == OK)
		err = views_clear(s);
	if (err == OK)
		err = s->ops->meta_put(s, "views", bytes_str(version));
	return err == OK ? folded > 0 : err;
}

int views_prepare(struct store *s)
{
	bool began = !views_writing(s);
	int err = views_current(s);

	if (err != OK)
		return err == 1 ? make_tables(s) : err;
	if (began)
		err = s->ops->begin(s);
	if (err != OK)
		return err;
	int anew = views_drop(s);
	if (began && anew >= 0)
		err = s->ops->commit(s);
	else if (began)
		s->ops->rollback(s);
	return err == OK ? anew : err;
}

int views_clear(struct store *s)
{
	int err = sqlite_writing(inside(s));

	if (err != OK)
		return err;
	/* Without these the update is one pass over the table. */
	err = sqlite_exec(inside(s),
	    "DROP INDEX IF EXISTS message_thread; DROP INDEX IF EXISTS message_topic;"
	    "DROP INDEX IF EXISTS message_key;"
	    /* The one of ids that are only mentioned fills as it goes: to be made of all at once
	     * it would have to be sorted, in memory. The last stays: somebody may have been told
	     * its number as the newest there is. */
	    "DELETE FROM message WHERE arrival IS NULL AND no < (SELECT max(no) FROM message);"
	    "UPDATE message SET at = NULL, kind = NULL, signer = NULL, time = NULL, lang = NULL,"
	    " topic = NULL, parent = NULL, thread = NULL, subject = NULL, text = NULL;"
	    "DELETE FROM change; DELETE FROM amendment; DELETE FROM erasure;"
	    "DELETE FROM thread; DELETE FROM place; DELETE FROM topic;"
	    "DELETE FROM origin; DELETE FROM node; DELETE FROM signer; DELETE FROM person;"
	    "DELETE FROM admission; UPDATE log SET folded = 0");
	return err == OK ? make_tables(s) : err;
}

static int bind(sqlite3_stmt *st, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int n = 1; types[n - 1] != '\0' && rc == SQLITE_OK; n++) {
		int64_t value;
		struct bytes bytes;
		switch (types[n - 1]) {
		case 'i':
			rc = sqlite3_bind_int64(st, n, va_arg(ap, int64_t));
			break;
		case 'I':
			if ((value = va_arg(ap, int64_t)) != 0)
				rc = sqlite3_bind_int64(st, n, value);
			break;
		case 'b':
			bytes = va_arg(ap, struct bytes);
			rc = sqlite3_bind_blob64(st, n,
			    bytes.len == 0 ? "" : (const char *)bytes.data, bytes.len,
			    SQLITE_STATIC);
			break;
		case 'B':
			bytes = va_arg(ap, struct bytes);
			if (bytes.len != 0)
				rc = sqlite3_bind_blob64(
				    st, n, bytes.data, bytes.len, SQLITE_STATIC);
			break;
		case 'k':
			rc = sqlite3_bind_blob64(
			    st, n, va_arg(ap, const uint8_t *), 32, SQLITE_STATIC);
			break;
		case 'h':
			rc = sqlite3_bind_blob64(
			    st, n, va_arg(ap, const uint8_t *), 16, SQLITE_STATIC);
			break;
		default:
			assert(!"a type letter");
		}
	}
	return rc;
}

static int start(struct view *v, struct store *base, enum view_id id, const char *types, va_list ap)
{
	struct sqlite_store *s = inside(base);

	*v = (struct view){.s = base, .id = id};
	if (s->views == NULL) {
		if ((s->views = calloc(VIEW_COUNT, sizeof(*s->views))) == NULL)
			return ERR_NOMEM;
		s->view_count = VIEW_COUNT;
	}
	v->st = s->views[id];
	s->views[id] = NULL;
	int err = sqlite_statement(s, &v->st, view_statements[id]);
	if (err == OK) {
		int rc = bind(v->st, types, ap);
		if (rc != SQLITE_OK)
			err = sqlite_error(s, rc);
	}
	if (err != OK)
		view_end(v);
	return err;
}

int view_start(struct view *v, struct store *s, enum view_id id, const char *types, ...)
{
	va_list ap;

	va_start(ap, types);
	int err = start(v, s, id, types, ap);
	va_end(ap);
	return err;
}

int view_next(struct view *v)
{
	int err = sqlite_row(inside(v->s), v->st);

	if (err != 1)
		view_end(v);
	return err;
}

void view_end(struct view *v)
{
	struct sqlite_store *s = inside(v->s);

	if (v->st != NULL && s->views[v->id] == NULL) {
		sqlite3_reset(v->st);
		s->views[v->id] = v->st;
	} else {
		sqlite3_finalize(v->st);
	}
	v->st = NULL;
}

int64_t view_int(const struct view *v, int column)
{
	return sqlite3_column_int64(v->st, column);
}

bool view_null(const struct view *v, int column)
{
	return sqlite3_column_type(v->st, column) == SQLITE_NULL;
}

struct bytes view_bytes(const struct view *v, int column)
{
	return sqlite_bytes(v->st, column);
}

void view_fixed(const struct view *v, int column, uint8_t *out, size_t len)
{
	sqlite_fixed(v->st, column, out, len);
}

int view_run(struct store *s, enum view_id id, int *changed, const char *types, ...)
{
	struct view v;
	va_list ap;
	int err = sqlite_writing(inside(s));

	if (err != OK)
		return err;
	va_start(ap, types);
	err = start(&v, s, id, types, ap);
	va_end(ap);
	while (err == OK && (err = view_next(&v)) == 1)
		err = OK;
	if (changed != NULL)
		*changed = err == OK ? sqlite3_changes(inside(s)->db) : 0;
	return err;
}

/* One row's values, from parameter n on, in the order of the table's columns. */
static int bind_message(sqlite3_stmt *st, int n, const struct view_message *m)
{
	const int64_t values[] = {m->at, m->kind, m->signer, m->time},
		      numbers[] = {m->topic, m->parent, m->thread, m->arrival};
	const struct bytes title[] = {m->subject, m->text};
	int rc = sqlite3_bind_int64(st, n++, m->no);

	rc |= sqlite3_bind_int64(st, n++, view_generation(m->no) + view_id_key(m->id));
	rc |= sqlite3_bind_blob64(st, n++, m->id, ID_LEN, SQLITE_STATIC);
	for (size_t i = 0; i < 4; i++)
		rc |= sqlite3_bind_int64(st, n++, values[i]);
	if (m->lang.len > 0)
		rc |= sqlite3_bind_blob64(st, n, m->lang.data, m->lang.len, SQLITE_STATIC);
	n++;
	for (size_t i = 0; i < 4; i++, n++)
		if (numbers[i] != 0)
			rc |= sqlite3_bind_int64(st, n, numbers[i]);
	for (size_t i = 0; i < 2 && m->titled; i++)
		rc |= sqlite3_bind_blob64(st, n++,
		    title[i].len == 0 ? "" : (const char *)title[i].data, title[i].len,
		    SQLITE_STATIC);
	return rc == SQLITE_OK ? OK : ERR_NOMEM; /* nothing else can fail here */
}

int views_messages_add(struct store *s, const struct view_message *rows, size_t count)
{
	size_t each = count == VIEW_MESSAGES ? count : 1;
	int err = sqlite_writing(inside(s));

	for (size_t done = 0; done < count && err == OK; done += each) {
		struct view v;
		err = view_start(&v, s, each == 1 ? VIEW_MESSAGE_ADD : VIEW_MESSAGES_ADD, "");
		if (err != OK)
			break;
		for (size_t i = 0; i < each && err == OK; i++)
			err = bind_message(
			    v.st, (int)i * VIEW_MESSAGE_COLUMNS + 1, &rows[done + i]);
		if (err == OK)
			err = view_next(&v);
		else
			view_end(&v);
	}
	return err;
}

int64_t view_added(struct store *s)
{
	return sqlite3_last_insert_rowid(inside(s)->db);
}

bool views_writing(const struct store *s)
{
	return ((const struct sqlite_store *)s)->writing;
}

int views_snapshot(struct store *s, bool *began)
{
	*began = sqlite3_get_autocommit(inside(s)->db) != 0;
	return *began ? sqlite_exec(inside(s), "BEGIN") : OK;
}

void views_unsnapshot(struct store *s, bool began)
{
	if (began)
		sqlite3_exec(inside(s)->db, "COMMIT", NULL, NULL, NULL);
}
