/* SPDX-License-Identifier: BSD-2-Clause */
/* Ids stand here by their first 16 bytes, and threads and topics, which are only counted by, by
 * their first 8. */
#include "client/screen/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/database.h"
#include "client/output.h"

#define SEEN_VERSION 1

static const char schema[] =
    "CREATE TABLE seen (id BLOB PRIMARY KEY, thread INTEGER NOT NULL, topic INTEGER NOT NULL,"
    " fresh INTEGER NOT NULL) WITHOUT ROWID;" /* fresh: it came since the topic was caught up with
					       */
    "CREATE INDEX seen_thread ON seen (thread);"
    "CREATE INDEX seen_topic ON seen (topic) WHERE fresh = 1;"
    "CREATE TABLE caught (topic INTEGER PRIMARY KEY, posts INTEGER NOT NULL,"
    " arrival INTEGER NOT NULL, time INTEGER NOT NULL);"
    "CREATE TABLE choice (name BLOB PRIMARY KEY, value INTEGER NOT NULL);";

struct seen {
	struct database *d;
};

struct caught {
	uint64_t posts, arrival, time;
};

static int64_t number(const uint8_t *id)
{
	return id ? (int64_t)(get_u64(id) >> 1) : 0;
}

int seen_open(struct seen **out, const struct home *home, struct trouble *t)
{
	struct seen *s = calloc(1, sizeof *s);
	int err = s ? database_open(&s->d, home->path, "seen.db", true, schema, SEEN_VERSION, t)
		    : no_memory(t);

	*out = NULL;
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

void seen_close(struct seen *s)
{
	if (!s)
		return;
	database_close(s->d);
	free(s);
}

static struct caught caught_of(struct seen *s, const uint8_t *topic)
{
	struct caught c = {0, 0, 0};
	struct trouble t;
	struct query *q;

	if (!topic ||
	    query_start(&q, s->d, "SELECT posts, arrival, time FROM caught WHERE topic = ?1", &t,
		"i", number(topic)) != OK)
		return c;
	if (query_next(&q, &t) == 1)
		c = (struct caught){(uint64_t)query_int(q, 0), (uint64_t)query_int(q, 1),
		    (uint64_t)query_int(q, 2)};
	query_end(&q);
	return c;
}

bool seen_has(struct seen *s, const struct seen_mark *m)
{
	struct trouble t;
	struct query *q;
	bool found = false;

	if (query_start(&q, s->d, "SELECT 1 FROM seen WHERE id = ?1", &t, "h", m->id) == OK)
		found = query_next(&q, &t) == 1;
	query_end(&q);
	return found || (m->arrival > 0 && m->arrival <= caught_of(s, m->topic).arrival);
}

int seen_add(struct seen *s, const struct seen_mark *list, size_t count, struct trouble *t)
{
	int err = database_begin(s->d, t);

	for (size_t i = 0; i < count && !err; i++) {
		const struct seen_mark *m = &list[i];
		int64_t fresh = m->arrival == 0 || m->arrival > caught_of(s, m->topic).arrival;

		err = database_run(s->d,
		    "INSERT INTO seen (id, thread, topic, fresh) VALUES (?1, ?2, ?3, ?4)"
		    " ON CONFLICT DO NOTHING",
		    NULL, t, "hiii", m->id, number(m->thread), number(m->topic), fresh);
	}
	if (!err)
		return database_commit(s->d, t);
	database_rollback(s->d);
	return err;
}

static uint64_t count(struct query **q)
{
	struct trouble t;
	uint64_t n = query_next(q, &t) == 1 ? (uint64_t)query_int(*q, 0) : 0;

	query_end(q);
	return n;
}

uint64_t seen_unread_topic(struct seen *s, const uint8_t topic[static ID_LEN], uint64_t posts)
{
	struct trouble t;
	struct query *q;
	uint64_t read = caught_of(s, topic).posts;

	if (query_start(&q, s->d, "SELECT count(*) FROM seen WHERE topic = ?1 AND fresh = 1", &t,
		"i", number(topic)) == OK)
		read += count(&q);
	return read < posts ? posts - read : 0;
}

uint64_t seen_unread_thread(struct seen *s, const uint8_t topic[static ID_LEN],
    const uint8_t thread[static ID_LEN], uint64_t posts, uint64_t latest)
{
	struct caught c = caught_of(s, topic);
	struct trouble t;
	struct query *q;
	uint64_t read = 0;

	if (c.time > 0 && latest <= c.time)
		return 0;
	if (query_start(&q, s->d, "SELECT count(*) FROM seen WHERE thread = ?1", &t, "i",
		number(thread)) == OK)
		read = count(&q);
	return read < posts ? posts - read : 0;
}

int seen_catch_up(struct seen *s, const uint8_t topic[static ID_LEN], uint64_t posts,
    uint64_t arrival, uint64_t now, struct trouble *t)
{
	int err = database_begin(s->d, t);

	if (!err)
		err = database_run(s->d,
		    "INSERT INTO caught (topic, posts, arrival, time) VALUES (?1, ?2, ?3, ?4)"
		    " ON CONFLICT (topic) DO UPDATE SET posts = ?2, arrival = ?3, time = ?4",
		    NULL, t, "iiii", number(topic), (int64_t)posts, (int64_t)arrival, (int64_t)now);
	if (!err)
		err = database_run(s->d, "UPDATE seen SET fresh = 0 WHERE topic = ?1 AND fresh = 1",
		    NULL, t, "i", number(topic));
	if (!err)
		return database_commit(s->d, t);
	database_rollback(s->d);
	return err;
}

int64_t seen_choice(struct seen *s, const char *name, int64_t otherwise)
{
	struct trouble t;
	struct query *q;
	int64_t value = otherwise;

	if (query_start(&q, s->d, "SELECT value FROM choice WHERE name = ?1", &t, "b",
		bytes_str(name)) == OK &&
	    query_next(&q, &t) == 1)
		value = query_int(q, 0);
	query_end(&q);
	return value;
}

int seen_choose(struct seen *s, const char *name, int64_t value, struct trouble *t)
{
	return database_run(s->d,
	    "INSERT INTO choice (name, value) VALUES (?1, ?2)"
	    " ON CONFLICT (name) DO UPDATE SET value = ?2",
	    NULL, t, "bi", bytes_str(name), value);
}
