/* SPDX-License-Identifier: BSD-2-Clause */
/* Items on their way into the copy.
 *
 * Every message has a row of its own, an AMEND or ERASE too, however it came: beside the item that
 * it is about, or by itself. What is shown of a post follows from these rows whenever it is asked
 * for (copy_text.c), so that they may come in any order and again. Contents of what was erased are
 * overwritten as soon as both are here, and not taken again. */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "search/fold.h"
#include "client/show.h"

/* A message that comes. */
struct coming {
	const uint8_t *id;
	const struct header *header;
	struct bytes message, log;
	uint64_t index, arrival, recovered;
	int64_t topic, round, person;
	const struct ref *target;
};

/* ---- logs and people ---- */

static int log_intern(struct copy *c, struct bytes name, int64_t *no, struct trouble *t)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number = 0;
	struct query *q;
	int err = query_start(&q, c->d, "SELECT no FROM log WHERE name = ?1", t, "b", name);

	if (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		query_end(&q);
		return OK;
	}
	if (!err && log_name_parse(name, &organisation, digest, &number) != OK)
		err = trouble_set(t, ERR_MALFORMED, "the node names a log that is none");
	if (!err)
		err = query_start(&q, c->d,
		    "INSERT INTO log (name, number) VALUES (?1, ?2) RETURNING no", t, "bi", name,
		    (int64_t)number);
	if (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		query_end(&q);
		err = OK;
	}
	return err;
}

static int author_fold(struct buffer *out, const Convene__Item *i, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	int err;

	buffer_add(&text, i->handle.data, i->handle.len);
	buffer_add_str(&text, "@");
	buffer_add(&text, i->organisation.data, i->organisation.len);
	buffer_add_str(&text, " ");
	buffer_add(&text, i->name.data, i->name.len);
	buffer_add_str(&text, " ");
	buffer_add(&text, i->group.data, i->group.len);
	err = text.failed ? ERR_NOMEM : search_fold(out, buffer_bytes(&text));
	buffer_free(&text);
	return err ? trouble_set(t, err, "an author's name can't be kept") : OK;
}

/* Who wrote it, as the node calls them now: that holds for all that they have written. */
static int person_intern(
    struct copy *c, const Convene__Item *i, int64_t log, int64_t *no, struct trouble *t)
{
	struct bytes identity = bytes_of_pb(i->identity);
	struct buffer folded = BUFFER_INIT;
	bool same = false;
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT no, organisation = ?3 AND handle = ?4 AND name = ?5 AND section = ?6"
	    " FROM person WHERE log = ?1 AND identity = ?2",
	    t, "ibbbbb", log, identity, bytes_of_pb(i->organisation), bytes_of_pb(i->handle),
	    bytes_of_pb(i->name), bytes_of_pb(i->group));

	if (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		same = query_int(q, 1) != 0;
		query_end(&q);
		err = OK;
	}
	if (err || same)
		return err;
	err = author_fold(&folded, i, t);
	if (!err)
		err = query_start(&q, c->d,
		    "INSERT INTO person (log, identity, organisation, handle, name, section, "
		    "folded)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (log, identity) DO UPDATE SET"
		    " organisation = ?3, handle = ?4, name = ?5, section = ?6, folded = ?7"
		    " RETURNING no",
		    t, "ibbbbbb", log, identity, bytes_of_pb(i->organisation),
		    bytes_of_pb(i->handle), bytes_of_pb(i->name), bytes_of_pb(i->group),
		    buffer_bytes(&folded));
	if (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		query_end(&q);
		err = OK;
	}
	buffer_free(&folded);
	return err;
}

/* ---- rows ---- */

/* Whether anything here says that the message was erased, or what it amends. */
static int is_erased(struct copy *c, const uint8_t id[static ID_LEN], const struct ref *target,
    bool *erased, struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT EXISTS (SELECT 1 FROM item WHERE target IN (?1, ?2) AND kind = 8)"
	    " OR EXISTS (SELECT 1 FROM item WHERE id = ?2 AND kind IN (5, 6) AND state = 2)",
	    t, "kk", id, target ? target->id : id);

	if (!err && (err = query_next(&q, t)) == 1) {
		*erased = query_int(q, 0) != 0;
		query_end(&q);
		err = OK;
	}
	return err;
}

/* The row of a message, made if need be. `*state` is what it was, or STATE_UNASKED in a new one. */
static int row_put(struct copy *c, const struct coming *m, int64_t *no, uint32_t *state,
    bool *fresh, struct trouble *t)
{
	const struct header *h = m->header;
	struct bytes parent = bytes_of(h->parent.id, h->parent.present ? ID_LEN : 0);
	struct bytes target = bytes_of(m->target ? m->target->id : NULL, m->target ? ID_LEN : 0);
	int64_t log = 0;
	int changed = 0;
	struct query *q;
	int err = log_intern(c, m->log, &log, t);

	/* Parents matter to posts alone. */
	if (h->kind != KIND_POST)
		parent.len = 0;
	if (!err)
		err = query_start(&q, c->d,
		    "INSERT INTO item (id, kind, topic, log, number, position, person, time,"
		    " parent, target, arrival, round, state, size, recovered) VALUES (?1, ?2, ?3, "
		    "?4,"
		    " (SELECT number FROM log WHERE no = ?4), ?5, ?6, ?7, ?8, ?9, ?10,"
		    " ?11, 100, ?12, ?13) ON CONFLICT (id) DO UPDATE SET topic = ?3,"
		    " person = coalesce(?6, person), arrival = max(arrival, ?10), round = ?11,"
		    " recovered = max(recovered, ?13) RETURNING no, state",
		    t, "kiiiiIiBBiiii", m->id, (int64_t)h->kind, m->topic, log, (int64_t)m->index,
		    m->person, (int64_t)h->time, parent, target, (int64_t)m->arrival, m->round,
		    (int64_t)m->message.len, (int64_t)m->recovered);
	if (!err && (err = query_next(&q, t)) == 1) {
		*no = query_int(q, 0);
		*state = (uint32_t)query_int(q, 1);
		query_end(&q);
		err = OK;
	}
	if (!err)
		err = database_run(c->d,
		    "INSERT INTO body (item, message) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
		    &changed, t, "ib", *no, m->message);
	*fresh = changed > 0;
	return err;
}

static int state_set(struct copy *c, int64_t no, uint32_t state, struct trouble *t)
{
	return database_run(
	    c->d, "UPDATE item SET state = ?2 WHERE no = ?1", NULL, t, "ii", no, (int64_t)state);
}

static int content_put(
    struct copy *c, int64_t no, struct bytes salt, struct bytes content, struct trouble *t)
{
	int err = database_run(c->d, "UPDATE body SET salt = ?2, content = ?3 WHERE item = ?1",
	    NULL, t, "ibb", no, salt, content);

	return err ? err
		   : database_run(c->d,
			 "UPDATE item SET state = 0, size = ?2 + (SELECT length(message) FROM body"
			 " WHERE item = ?1) WHERE no = ?1",
			 NULL, t, "ii", no, (int64_t)content.len);
}

/* What the node says of a content, where it isn't known better. */
static int state_take(struct copy *c, int64_t no, uint32_t was, const uint8_t id[static ID_LEN],
    const struct ref *target, const Convene__Item *i, struct trouble *t)
{
	bool erased = false;
	int err = is_erased(c, id, target, &erased, t);

	if (err || was == STATE(PRESENT) || was == STATE(ERASED))
		return err;
	if (erased || i->content_state == STATE(ERASED))
		return state_set(c, no, STATE(ERASED), t);
	if (i->content_state == STATE(PRESENT))
		return content_put(c, no, bytes_of_pb(i->salt), bytes_of_pb(i->content), t);
	return state_set(c, no, i->content_state, t);
}

/* Forget the text of a message, and of its amendments. */
static int erase_apply(struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t)
{
	int err = database_run(c->d,
	    "UPDATE body SET salt = NULL, content = NULL WHERE item IN (SELECT no FROM item WHERE"
	    " id = ?1 OR (target = ?1 AND kind = 7 AND state <> 2))",
	    NULL, t, "k", id);

	if (!err)
		err = database_run(c->d,
		    "UPDATE item SET state = 2, size = (SELECT length(message) FROM body WHERE"
		    " item = no) WHERE id = ?1 OR (target = ?1 AND kind = 7 AND state <> 2)",
		    NULL, t, "k", id);
	/* Of an amendment: what stood before it is wanted again. */
	return err ? err
		   : database_run(c->d,
			 "UPDATE item SET state = 1 WHERE state = 100 AND id ="
			 " (SELECT target FROM item WHERE id = ?1 AND kind = 7)",
			 NULL, t, "k", id);
}

/* ---- items in ---- */

/* The AMEND or ERASE that came with an item. */
static int change_take(struct copy *c, const struct coming *item, const struct shown_change *change,
    struct bytes message, struct bytes log, uint64_t index, int64_t *no, uint32_t *was,
    struct trouble *t)
{
	struct coming m = {.id = change->id,
	    .header = &change->header,
	    .message = message,
	    .log = log.len > 0 ? log : item->log,
	    .index = index,
	    .topic = item->topic,
	    .round = item->round,
	    .target = &change->target};
	bool fresh;

	return row_put(c, &m, no, was, &fresh, t);
}

/* The ERASE of an item, if one came with it. */
static int erasure_take(
    struct copy *c, const struct shown *s, const struct coming *m, struct trouble *t)
{
	const Convene__Item *i = s->item;
	int64_t no;
	uint32_t was;
	int err;

	if (!s->erasure.given)
		return OK;
	err = change_take(c, m, &s->erasure, bytes_of_pb(i->erasure), bytes_of_pb(i->erasure_log),
	    i->erasure_index, &no, &was, t);
	if (!err)
		err = state_set(c, no, STATE(NONE_NEEDED), t);
	return err ? err : erase_apply(c, s->erasure.target.id, t);
}

static int post_take(
    struct copy *c, const struct shown *s, const struct coming *m, bool *fresh, struct trouble *t)
{
	const Convene__Item *i = s->item;
	struct ref self = {.present = true};
	int64_t no, change;
	uint32_t was, change_was;
	int err = row_put(c, m, &no, &was, fresh, t);

	memcpy(self.id, s->id, ID_LEN);
	if (!err)
		err = erasure_take(c, s, m, t);
	if (!err && s->state == STATE(ERASED))
		err = erase_apply(c, s->id, t);
	else if (!err && s->amendment.given) {
		err = change_take(c, m, &s->amendment, bytes_of_pb(i->amendment),
		    bytes_of_pb(i->amendment_log), i->amendment_index, &change, &change_was, t);
		if (!err)
			err = state_take(c, change, change_was, s->amendment.id, &self, i, t);
	} else if (!err) {
		err = state_take(c, no, was, s->id, NULL, i, t);
	}
	return err;
}

static int amend_take(
    struct copy *c, const struct shown *s, const struct coming *m, bool *fresh, struct trouble *t)
{
	int64_t no;
	uint32_t was;
	int err = row_put(c, m, &no, &was, fresh, t);

	if (!err)
		err = state_take(c, no, was, s->id, m->target, s->item, t);
	return err ? err : erasure_take(c, s, m, t);
}

static int erase_take(struct copy *c, const struct coming *m, bool *fresh, struct trouble *t)
{
	int64_t no;
	uint32_t was;
	int err = row_put(c, m, &no, &was, fresh, t);

	if (!err)
		err = state_set(c, no, STATE(NONE_NEEDED), t);
	return err ? err : erase_apply(c, m->target->id, t);
}

static int item_take(struct copy *c, int64_t topic, int64_t round, const Convene__Item *item,
    struct copy_progress *p, struct trouble *t)
{
	struct shown s;
	struct coming m = {.message = bytes_of_pb(item->message),
	    .log = bytes_of_pb(item->log),
	    .index = item->index,
	    .arrival = item->arrival,
	    .recovered = item->recovered & INT64_MAX,
	    .topic = topic,
	    .round = round};
	int64_t log;
	bool fresh = false;
	int err = OK;

	shown_open(&s, item, c->forum, NULL);
	m.id = s.id;
	m.header = &s.header;
	m.target = s.target.present ? &s.target : NULL;
	if (!shown_good(&s) || item->arrival > INT64_MAX || item->index > INT64_MAX) {
		p->bad++;
	} else if (s.header.kind >= KIND_TOPIC && s.header.kind <= KIND_ERASE &&
		   (s.header.kind < KIND_AMEND || m.target)) {
		err = log_intern(c, m.log, &log, t);
		if (!err)
			err = person_intern(c, item, log, &m.person, t);
		if (err) {
			/* said */
		} else if (s.header.kind == KIND_AMEND) {
			err = amend_take(c, &s, &m, &fresh, t);
			p->amended++;
		} else if (s.header.kind == KIND_ERASE) {
			err = erase_take(c, &m, &fresh, t);
			p->erased++;
		} else {
			err = post_take(c, &s, &m, &fresh, t);
			p->posts += fresh && s.header.kind == KIND_POST;
		}
		if (!err)
			err = text_refresh(c, m.target ? m.target->id : s.id, t);
	}
	shown_clear(&s);
	return err;
}

int items_drop(struct copy *c, int64_t topic, const uint8_t *id, int64_t round, struct trouble *t)
{
	struct bytes one = bytes_of(id, id ? ID_LEN : 0);
	int err = database_run(c->d,
	    "DELETE FROM body WHERE item IN (SELECT no FROM item WHERE topic = ?1 AND round < ?2"
	    " AND (?3 IS NULL OR id = ?3))",
	    NULL, t, "iiB", topic, round, one);

	if (!err)
		err = database_run(c->d,
		    "DELETE FROM folded WHERE item IN (SELECT no FROM item WHERE topic = ?1"
		    " AND round < ?2 AND (?3 IS NULL OR id = ?3))",
		    NULL, t, "iiB", topic, round, one);
	return err ? err
		   : database_run(c->d,
			 "DELETE FROM item WHERE topic = ?1 AND round < ?2 AND (?3 IS NULL OR id = "
			 "?3)",
			 NULL, t, "iiB", topic, round, one);
}

/* How far an answer to WATCH tells. */
static int cursor_move(
    struct copy *c, int64_t no, int64_t round, const Convene__Items *items, struct trouble *t)
{
	int64_t now = (int64_t)clock_wall_ms();
	uint64_t upto = items->last ? items->arrival : 0;
	int err;

	for (size_t i = 0; i < items->n_items; i++)
		if (items->items[i]->arrival > upto)
			upto = items->items[i]->arrival;
	err = database_run(c->d,
	    "UPDATE topic SET cursor = max(cursor, ?2), synced = max(synced, ?3)"
	    " WHERE no = ?1",
	    NULL, t, "iii", no, (int64_t)(upto < INT64_MAX ? upto : 0), items->last ? now : 0);
	/* What this round has not brought stands elsewhere now. */
	return err || !items->last ? err : items_drop(c, no, NULL, round, t);
}

int items_take(struct copy *c, const uint8_t topic[static ID_LEN], const Convene__Items *items,
    bool watched, struct copy_progress *p, struct trouble *t)
{
	int64_t no = 0, round = 0;
	int err = database_begin(c->d, t);

	if (err)
		return err;
	err = topic_number(c, topic, &no, &round, t);
	for (size_t i = 0; i < items->n_items && !err; i++) {
		const Convene__Item *item = items->items[i];

		/* Posts of a thread without its root may stand in several topics. */
		if (watched || bytes_equal(bytes_of_pb(item->topic), bytes_of(topic, ID_LEN)))
			err = item_take(c, no, round, item, p, t);
	}
	if (!err && watched)
		err = cursor_move(c, no, round, items, t);
	if (!err)
		return database_commit(c->d, t);
	database_rollback(c->d);
	return err;
}

int copy_take(struct copy *c, const uint8_t topic[static ID_LEN], const Convene__Items *items,
    struct copy_progress *p, struct trouble *t)
{
	return items_take(c, topic, items, true, p, t);
}

int item_content(
    struct copy *c, int64_t no, const uint8_t *salt, struct bytes content, struct trouble *t)
{
	struct binding binding;
	struct header h;
	struct query *q;
	uint8_t id[ID_LEN];
	bool good = false, found = false;
	int err = database_begin(c->d, t);

	if (err)
		return err;
	err = query_start(&q, c->d,
	    "SELECT b.message, l.name, i.id FROM item i JOIN body b ON b.item = i.no"
	    " JOIN log l ON l.no = i.log WHERE i.no = ?1 AND i.state IN (1, 3, 5)",
	    t, "i", no);
	if (!err && (err = query_next(&q, t)) == 1) {
		found = query_bytes(q, 2).len == ID_LEN;
		good = found && binding_make(&binding, c->forum, query_bytes(q, 1)) == OK &&
		       message_parse(query_bytes(q, 0), &h) == OK && h.has_commitment &&
		       content_check(&h, &binding, salt, content) == OK;
		if (found)
			memcpy(id, query_bytes(q, 2).data, ID_LEN);
		query_end(&q);
		err = OK;
	}
	if (!err && good)
		err = content_put(c, no, bytes_of(salt, SALT_LEN), content, t);
	if (!err && good)
		err = text_refresh(c, id, t);
	if (!err && found && !good)
		err = trouble_set(t, ERR_COMMITMENT, "the node sent another text than was signed");
	if (!err)
		return database_commit(c->d, t);
	database_rollback(c->d);
	return err;
}
