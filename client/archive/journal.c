/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/output.h"

#define NAME "import.db"
#define JOURNAL_VERSION 1

/* `post`: what became of a mail. `absent`: see journal_absent_add(). `waiting`: signed, and perhaps
 * at the node; its topic and key lead to the row of `post` that goes when it is dropped. */
static const char schema[] =
    "CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), signer BLOB NOT NULL,"
    " log BLOB NOT NULL, sequence INTEGER NOT NULL) STRICT;"
    "CREATE TABLE topic (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
    " cursor INTEGER NOT NULL) STRICT;"
    "CREATE TABLE post (topic INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL,"
    " log BLOB NOT NULL, position INTEGER, PRIMARY KEY (topic, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE absent (topic INTEGER NOT NULL, key BLOB NOT NULL, heir BLOB NOT NULL,"
    " PRIMARY KEY (topic, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE waiting (sequence INTEGER PRIMARY KEY, topic INTEGER NOT NULL,"
    " key BLOB NOT NULL, submission BLOB NOT NULL) STRICT;";

struct journal {
	struct database *db;
	int64_t topic;
};

/* One row of a query, as a call: 1 when `q` stands at it, OK when there is none. */
static int first_row(struct query **q, int err, struct trouble *t)
{
	return err ? err : query_next(q, t);
}

static int damaged(struct trouble *t)
{
	trouble_set(t, ERR_STORE, "the journal of imports, " NAME ", is damaged");
	trouble_hint(t, "Move it away: what it knows is learnt from the node again.");
	return t->err;
}

static int owner_set(struct journal *j, const uint8_t *signer, struct bytes log, struct trouble *t)
{
	struct query *q;
	bool same_signer = false, same_log = false;
	int64_t sequence = 0;
	int err = first_row(
	    &q, query_start(&q, j->db, "SELECT signer, log, sequence FROM owner", t, ""), t);

	if (err == 1) {
		same_signer = bytes_equal(query_bytes(q, 0), bytes_of(signer, KEY_LEN));
		same_log = bytes_equal(query_bytes(q, 1), log);
		/* Sequences count per log and signer. */
		sequence = same_signer && same_log ? query_int(q, 2) : 0;
		query_end(&q);
		err = OK;
	}
	if (err || (same_signer && same_log))
		return err;
	err = journal_begin(j, t);
	if (!err)
		err = journal_drop(j, 0, t);
	/* Arrival numbers are the node's, and another log may mean another store. */
	if (!err)
		err = database_run(j->db, "UPDATE topic SET cursor = 0", NULL, t, "");
	if (!err)
		err = database_run(j->db, "INSERT OR REPLACE INTO owner VALUES (1, ?1, ?2, ?3)",
		    NULL, t, "kbi", signer, log, sequence);
	if (!err)
		err = journal_commit(j, t);
	return err;
}

int journal_open(struct journal **out, const char *home, const uint8_t signer[static KEY_LEN],
    const char *log_name, struct trouble *t)
{
	struct journal *j = calloc(1, sizeof *j);
	int err;

	*out = NULL;
	if (!j)
		return no_memory(t);
	err = database_open(&j->db, home, NAME, true, schema, JOURNAL_VERSION, t);
	if (!err)
		err = owner_set(j, signer, bytes_str(log_name), t);
	if (err) {
		journal_close(j);
		return err;
	}
	*out = j;
	return OK;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	database_close(j->db);
	free(j);
}

int journal_sequence(const char *home, uint64_t *out, struct trouble *t)
{
	struct database *db;
	struct query *q;
	int err = database_open(&db, home, NAME, false, schema, JOURNAL_VERSION, t);

	*out = 0;
	if (err)
		return err == ERR_NOTFOUND ? OK : err;
	err = first_row(&q, query_start(&q, db, "SELECT sequence FROM owner", t, ""), t);
	if (err == 1) {
		*out = (uint64_t)query_int(q, 0) & SEQUENCE_MAX;
		query_end(&q);
		err = OK;
	}
	database_close(db);
	return err;
}

int journal_topic(
    struct journal *j, const uint8_t id[static ID_LEN], uint64_t *cursor, struct trouble *t)
{
	struct query *q;
	int err = database_run(
	    j->db, "INSERT OR IGNORE INTO topic (id, cursor) VALUES (?1, 0)", NULL, t, "k", id);

	err = first_row(&q,
	    err ? err
		: query_start(&q, j->db, "SELECT no, cursor FROM topic WHERE id = ?1", t, "k", id),
	    t);
	if (err != 1)
		return err ? err : damaged(t);
	j->topic = query_int(q, 0);
	*cursor = (uint64_t)query_int(q, 1);
	query_end(&q);
	return OK;
}

int journal_begin(struct journal *j, struct trouble *t)
{
	return database_begin(j->db, t);
}

int journal_commit(struct journal *j, struct trouble *t)
{
	return database_commit(j->db, t);
}

void journal_rollback(struct journal *j)
{
	database_rollback(j->db);
}

/* ---- the mapping ---- */

int journal_find(
    struct journal *j, const uint8_t key[static MAIL_KEY_LEN], struct ref *out, struct trouble *t)
{
	struct query *q;
	struct bytes id, log;
	bool good;
	int err = first_row(&q,
	    query_start(&q, j->db,
		"SELECT id, log, position FROM post WHERE topic = ?1 AND key = ?2", t, "ih",
		j->topic, key),
	    t);

	if (err != 1)
		return err ? err : ERR_NOTFOUND;
	id = query_bytes(q, 0);
	log = query_bytes(q, 1);
	good = id.len == ID_LEN && log.len == DIGEST_LEN;
	*out = (struct ref){.present = true, .index = (uint64_t)query_int(q, 2) & SEQUENCE_MAX};
	if (good) {
		memcpy(out->id, id.data, ID_LEN);
		memcpy(out->log, log.data, DIGEST_LEN);
	}
	query_end(&q);
	return good ? OK : damaged(t);
}

int journal_learn(struct journal *j, const uint8_t key[static MAIL_KEY_LEN], const struct ref *post,
    struct trouble *t)
{
	return database_run(j->db,
	    "INSERT INTO post VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE"
	    " SET position = excluded.position WHERE id = excluded.id",
	    NULL, t, "ihkhI", j->topic, key, post->id, post->log, (int64_t)post->index);
}

int journal_cursor(struct journal *j, uint64_t arrival, struct trouble *t)
{
	return database_run(j->db, "UPDATE topic SET cursor = ?2 WHERE no = ?1", NULL, t, "ii",
	    j->topic, (int64_t)arrival);
}

int journal_absent_add(struct journal *j, const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t heir[static MAIL_KEY_LEN], struct trouble *t)
{
	return database_run(j->db, "INSERT OR IGNORE INTO absent VALUES (?1, ?2, ?3)", NULL, t,
	    "ihh", j->topic, key, heir);
}

int journal_absent(struct journal *j, const uint8_t key[static MAIL_KEY_LEN],
    uint8_t heir[static MAIL_KEY_LEN], struct trouble *t)
{
	struct query *q;
	bool good;
	int err = first_row(&q,
	    query_start(&q, j->db, "SELECT heir FROM absent WHERE topic = ?1 AND key = ?2", t, "ih",
		j->topic, key),
	    t);

	if (err != 1)
		return err ? err : ERR_NOTFOUND;
	good = query_bytes(q, 0).len == MAIL_KEY_LEN;
	if (good)
		memcpy(heir, query_bytes(q, 0).data, MAIL_KEY_LEN);
	query_end(&q);
	return good ? OK : damaged(t);
}

/* ---- what waits ---- */

int journal_sign(struct journal *j, const uint8_t key[static MAIL_KEY_LEN], const struct ref *post,
    uint64_t sequence, struct bytes submission, struct trouble *t)
{
	int err = database_run(j->db, "INSERT INTO waiting VALUES (?1, ?2, ?3, ?4)", NULL, t,
	    "iihb", (int64_t)sequence, j->topic, key, submission);

	/* Whatever else was said of this key was wrong, or we would not have signed. */
	if (!err)
		err = database_run(j->db, "INSERT OR REPLACE INTO post VALUES (?1, ?2, ?3, ?4, ?5)",
		    NULL, t, "ihkhI", j->topic, key, post->id, post->log, (int64_t)post->index);
	if (!err)
		err = database_run(j->db, "UPDATE owner SET sequence = max(sequence, ?1)", NULL, t,
		    "i", (int64_t)sequence);
	return err;
}

int journal_settle(struct journal *j, uint64_t sequence, struct trouble *t)
{
	return database_run(
	    j->db, "DELETE FROM waiting WHERE sequence <= ?1", NULL, t, "i", (int64_t)sequence);
}

int journal_drop(struct journal *j, uint64_t sequence, struct trouble *t)
{
	int err = database_run(j->db,
	    "DELETE FROM absent WHERE (topic, heir) IN"
	    " (SELECT topic, key FROM waiting WHERE sequence >= ?1)",
	    NULL, t, "i", (int64_t)sequence);

	if (!err)
		err = database_run(j->db,
		    "DELETE FROM post WHERE (topic, key) IN"
		    " (SELECT topic, key FROM waiting WHERE sequence >= ?1)",
		    NULL, t, "i", (int64_t)sequence);
	if (!err)
		err = database_run(j->db, "DELETE FROM waiting WHERE sequence >= ?1", NULL, t, "i",
		    (int64_t)sequence);
	return err;
}

int journal_pending(struct journal *j,
    int (*fn)(void *ctx, uint64_t sequence, struct bytes submission), void *ctx, struct trouble *t)
{
	struct query *q;
	int err = query_start(
	    &q, j->db, "SELECT sequence, submission FROM waiting ORDER BY sequence", t, "");

	while (!err && (err = query_next(&q, t)) == 1) {
		err = fn(ctx, (uint64_t)query_int(q, 0), query_bytes(q, 1));
		if (err)
			query_end(&q);
	}
	return err;
}
