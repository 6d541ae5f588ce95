/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/copy_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

#define COPY_NAME "copy.db"
#define COPY_VERSION 3

/* Messages, contents and folded text stand apart from `item`, which is read as a whole to make
 * threads. How often a post was amended or erased is a stranger's choice: no statement goes through
 * all of that, but for the one that erases what isn't erased yet. What a topic's next round doesn't
 * bring again is no more in that topic. */
static const char schema[] =
    "CREATE TABLE owner (root_key BLOB NOT NULL, log BLOB NOT NULL,"
    " listed INTEGER NOT NULL DEFAULT 0);" /* the node's last arrival at the last list of topics */
    "CREATE TABLE topic (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
    " place INTEGER NOT NULL, title BLOB NOT NULL, posts INTEGER NOT NULL," /* as the node has it */
    " answer BLOB NOT NULL, kept INTEGER NOT NULL DEFAULT 0, cursor INTEGER NOT NULL DEFAULT 0,"
    " synced INTEGER NOT NULL DEFAULT 0, round INTEGER NOT NULL DEFAULT 0,"
    " short INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE log (no INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, number INTEGER NOT NULL);"
    "CREATE TABLE person (no INTEGER PRIMARY KEY, log INTEGER NOT NULL, identity BLOB NOT NULL,"
    " organisation BLOB NOT NULL, handle BLOB NOT NULL, name BLOB NOT NULL,"
    " section BLOB NOT NULL, folded BLOB NOT NULL, UNIQUE (log, identity));"
    "CREATE TABLE item (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL,"
    " topic INTEGER NOT NULL, log INTEGER NOT NULL, number INTEGER NOT NULL," /* the log's N */
    " position INTEGER NOT NULL,"
    " person INTEGER, time INTEGER NOT NULL, parent BLOB, target BLOB,"
    " arrival INTEGER NOT NULL, round INTEGER NOT NULL, state INTEGER NOT NULL,"
    " size INTEGER NOT NULL, recovered INTEGER NOT NULL);" /* when the author's key was; 0: never */
    "CREATE INDEX item_topic ON item (topic, kind, round, size);"
    "CREATE INDEX item_amend ON item (target, number, position) WHERE kind = 7 AND state <> 2;"
    "CREATE INDEX item_erase ON item (target, number, position) WHERE kind = 8;"
    "CREATE INDEX item_time ON item (time);"
    "CREATE INDEX item_wanted ON item (no) WHERE state IN (1, 3, 5);"
    "CREATE TABLE body (item INTEGER PRIMARY KEY, message BLOB NOT NULL, salt BLOB, content BLOB);"
    "CREATE TABLE folded (item INTEGER PRIMARY KEY, text BLOB NOT NULL);";

ProtobufCBinaryData pb_copy(struct bytes b)
{
	ProtobufCBinaryData out = {0, NULL};

	if (b.len > 0) {
		out.data = malloc(b.len);
		if (!out.data)
			out_of_memory();
		memcpy(out.data, b.data, b.len);
		out.len = b.len;
	}
	return out;
}

void *pb_room(void *list, size_t count)
{
	/* Grown in powers of two: full when the count is one. */
	if (count == 0 || (count & (count - 1)) == 0)
		list = realloc(list, (count ? 2 * count : 1) * sizeof(void *));
	if (!list)
		out_of_memory();
	return list;
}

/* ---- opening ---- */

/* Whose copy it is; a new one becomes ours. */
static int owner_check(struct copy *c, const struct home *h, struct trouble *t)
{
	struct bytes root = bytes_of(h->node.root_key, KEY_LEN), log = bytes_str(h->log_name);
	bool found = false, same = false;
	struct query *q;
	int err = query_start(&q, c->d, "SELECT root_key, log FROM owner", t, "");

	if (!err && (err = query_next(&q, t)) == 1) {
		found = true;
		same = bytes_equal(query_bytes(q, 0), root) &&
		       (log.len == 0 || bytes_equal(query_bytes(q, 1), log));
		query_end(&q);
		err = OK;
	}
	if (!err && !found)
		return database_run(c->d, "INSERT INTO owner (root_key, log) VALUES (?1, ?2)", NULL,
		    t, "bb", root, log);
	if (err || same)
		return err;
	trouble_set(t, ERR_INVALID,
	    "the copy in %.300s is of another node, or of this one before it began a new log",
	    h->path);
	trouble_hint(t, "`convene sync --anew` throws it away, and fetches what this node has.");
	return t->err;
}

int copy_open(struct copy **out, const struct home *home, bool create, struct trouble *t)
{
	struct copy *c = calloc(1, sizeof *c);
	int err;

	*out = NULL;
	if (!c)
		return no_memory(t);
	memcpy(c->forum, home->node.forum, HASH_LEN);
	err = database_open(&c->d, home->path, COPY_NAME, create, schema, COPY_VERSION, t);
	if (err == ERR_NOTFOUND) {
		trouble_set(t, err, "nothing is kept here");
		trouble_hint(t, "`convene sync` keeps topics, to be read without a connection.");
	}
	if (!err)
		err = owner_check(c, home, t);
	if (err)
		copy_close(c);
	else
		*out = c;
	return err;
}

void copy_close(struct copy *c)
{
	if (!c)
		return;
	database_close(c->d);
	free(c);
}

int copy_remove(const struct home *home, struct trouble *t)
{
	static const char *const names[] = {COPY_NAME, COPY_NAME "-wal", COPY_NAME "-shm"};
	char path[PATH_LEN];
	int err = OK;

	for (size_t i = 0; i < 3 && !err; i++) {
		err = path_join(path, home->path, names[i], t);
		if (!err && unlink(path) != 0 && errno != ENOENT)
			err = trouble_errno(t, "%.300s can't be removed", path);
	}
	return err;
}

/* ---- what is kept ---- */

int copy_each(struct copy *c, int (*fn)(void *ctx, const struct copy_topic *topic), void *ctx,
    struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT id, cursor, synced, kept, title,"
	    " (SELECT count(*) FROM item WHERE topic = t.no AND kind = 6),"
	    " (SELECT total(size) FROM item WHERE topic = t.no) FROM topic t ORDER BY place, id",
	    t, "");

	while (!err && (err = query_next(&q, t)) == 1) {
		struct copy_topic topic = {.cursor = (uint64_t)query_int(q, 1),
		    .synced = (uint64_t)query_int(q, 2),
		    .kept = query_int(q, 3) != 0,
		    .title = query_bytes(q, 4),
		    .posts = (uint64_t)query_int(q, 5),
		    .bytes = (uint64_t)query_int(q, 6)};

		err = OK;
		if (query_bytes(q, 0).len != ID_LEN)
			continue;
		memcpy(topic.id, query_bytes(q, 0).data, ID_LEN);
		err = fn(ctx, &topic);
	}
	query_end(&q);
	return err;
}

/* One topic of the node's list, at its place. */
static int topic_list(struct copy *c, const Convene__Topic *topic, int64_t place, struct trouble *t)
{
	struct buffer answer = BUFFER_INIT;
	size_t len = protobuf_c_message_get_packed_size(&topic->base);
	uint8_t *room = buffer_reserve(&answer, len ? len : 1);
	int err;

	if (!room)
		return no_memory(t);
	answer.len = protobuf_c_message_pack(&topic->base, room);
	err = database_run(c->d,
	    "INSERT INTO topic (id, place, title, posts, answer) VALUES (?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT (id) DO UPDATE SET place = ?2, title = ?3, posts = ?4, answer = ?5",
	    NULL, t, "kibib", topic->id.data, place, bytes_of_pb(topic->title),
	    (int64_t)topic->posts, buffer_bytes(&answer));
	buffer_free(&answer);
	return err;
}

int copy_list(struct copy *c, const struct frames *topics, struct trouble *t)
{
	int64_t place = 0;
	int err = database_begin(c->d, t);

	if (err)
		return err;
	/* What the node lists no more is known by its kept posts alone. */
	err = database_run(c->d, "DELETE FROM topic WHERE kept = 0", NULL, t, "");
	for (size_t i = 0; i < topics->count && !err; i++) {
		const Convene__Topics *m = (const Convene__Topics *)topics->list[i];

		for (size_t j = 0; j < m->n_topics && !err; j++)
			if (m->topics[j]->id.len == ID_LEN)
				err = topic_list(c, m->topics[j], place++, t);
	}
	if (!err)
		return database_commit(c->d, t);
	database_rollback(c->d);
	return err;
}

int topic_number(
    struct copy *c, const uint8_t id[static ID_LEN], int64_t *no, int64_t *round, struct trouble *t)
{
	struct query *q;
	int err = query_start(
	    &q, c->d, "SELECT no, round FROM topic WHERE id = ?1 AND kept = 1", t, "k", id);

	if (!err)
		err = query_next(&q, t);
	if (err != 1)
		return err ? err : trouble_set(t, ERR_NOTFOUND, "this topic is not kept here");
	*no = query_int(q, 0);
	*round = query_int(q, 1);
	query_end(&q);
	return OK;
}

static int topic_forget(struct copy *c, int64_t no, struct trouble *t)
{
	int err = database_run(c->d,
	    "DELETE FROM body WHERE item IN (SELECT no FROM item WHERE topic = ?1)", NULL, t, "i",
	    no);

	if (!err)
		err = database_run(c->d,
		    "DELETE FROM folded WHERE item IN (SELECT no FROM item WHERE topic = ?1)", NULL,
		    t, "i", no);
	if (!err)
		err = database_run(c->d, "DELETE FROM item WHERE topic = ?1", NULL, t, "i", no);
	if (!err)
		err = database_run(c->d,
		    "UPDATE topic SET kept = 0, cursor = 0, synced = 0, short = 0 WHERE no = ?1",
		    NULL, t, "i", no);
	return err;
}

int copy_keep(struct copy *c, const Convene__Topic *topic, bool keep, struct trouble *t)
{
	int64_t no = 0, round;
	int err, listed = 0;

	if (topic->id.len != ID_LEN)
		return trouble_set(t, ERR_INVALID, "that is no topic");
	err = topic_number(c, topic->id.data, &no, &round, t);
	if (err && err != ERR_NOTFOUND)
		return err;
	if (keep == (err == OK))
		return OK;
	err = database_begin(c->d, t);
	if (err)
		return err;
	if (keep) {
		/* One that is listed has its place already. */
		err = database_run(c->d, "UPDATE topic SET kept = 1 WHERE id = ?1", &listed, t, "k",
		    topic->id.data);
		if (!err && !listed)
			err = topic_list(c, topic, INT32_MAX, t);
		if (!err && !listed)
			err = database_run(c->d, "UPDATE topic SET kept = 1 WHERE id = ?1", NULL, t,
			    "k", topic->id.data);
	} else {
		err = topic_forget(c, no, t);
	}
	if (err) {
		database_rollback(c->d);
		return err;
	}
	err = database_commit(c->d, t);
	return err || keep ? err : database_truncate(c->d, t);
}

uint64_t copy_synced(struct copy *c)
{
	struct trouble t;
	struct query *q;
	uint64_t synced = 0;

	if (query_start(&q, c->d, "SELECT min(synced) FROM topic WHERE kept = 1", &t, "") == OK &&
	    query_next(&q, &t) == 1)
		synced = (uint64_t)query_int(q, 0);
	query_end(&q);
	return synced;
}

int copy_topics(struct copy *c, struct frames *out, struct trouble *t)
{
	Convene__Topics *list = calloc(1, sizeof *list);
	struct query *q;
	int err;

	*out = (struct frames){NULL, 0};
	if (!list)
		return no_memory(t);
	convene__topics__init(list);
	list->last = true;
	err = query_start(&q, c->d, "SELECT answer FROM topic ORDER BY place, id", t, "");
	while (!err && (err = query_next(&q, t)) == 1) {
		struct bytes answer = query_bytes(q, 0);
		ProtobufCMessage *m;

		err = message_unpack(&m, &convene__topic__descriptor, answer);
		if (err == OK) {
			list->topics = pb_room(list->topics, list->n_topics);
			list->topics[list->n_topics++] = (Convene__Topic *)m;
		} else if (err == ERR_NOMEM) {
			no_memory(t);
		} else {
			err = OK; /* not what was written; the next list replaces it */
		}
	}
	query_end(&q);
	if (err || frames_add(out, &list->base) != OK) {
		if (err)
			message_free(&list->base);
		return err ? err : no_memory(t);
	}
	return OK;
}
