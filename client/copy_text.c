/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown of an item of the copy (SPEC.md 13.5): the amendment in force, if there is one, and
 * else the message itself; folded for a search; and as the node would answer. */
#include "client/copy_inside.h"

#include <string.h>

#include "base/error.h"
#include "search/fold.h"
#include "msg/content.h"

int text_start(
    struct item_text *out, struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t)
{
	memset(out, 0, sizeof *out);
	out->state = STATE(MISSING);
	int err = query_start(&out->q, c->d,
	    "SELECT i.state, b.salt, b.content, i.position, l.name, b.message, i.kind = 7"
	    " FROM item t JOIN item i ON i.no = coalesce((SELECT no FROM item WHERE target = ?1"
	    "  AND kind = 7 AND state <> 2 ORDER BY number DESC, position DESC LIMIT 1), t.no)"
	    " JOIN log l ON l.no = i.log JOIN body b ON b.item = i.no"
	    " WHERE t.id = ?1 AND (i.no = t.no OR t.state <> 2)",
	    t, "k", id);

	if (!err)
		err = query_next(&out->q, t);
	if (err != 1)
		return err;
	out->state = (uint32_t)query_int(out->q, 0);
	out->salt = query_bytes(out->q, 1);
	out->content = query_bytes(out->q, 2);
	out->index = (uint64_t)query_int(out->q, 3);
	out->log = query_bytes(out->q, 4);
	out->message = query_bytes(out->q, 5);
	out->amended = query_int(out->q, 6) != 0;
	/* What could not be fetched is missing here, whatever it was at the node. */
	if (out->state == STATE(LARGE) || out->state == STATE_UNASKED ||
	    (out->state == STATE(PRESENT) && out->content.len == 0))
		out->state = STATE(MISSING);
	return OK;
}

void text_end(struct item_text *text)
{
	query_end(&text->q);
}

/* Fold anew what a search looks at. */
static int text_fold(struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t)
{
	struct buffer folded = BUFFER_INIT;
	struct content content = {0};
	struct item_text text;
	int err = text_start(&text, c, id, t);

	if (!err && text.state == STATE(PRESENT) && content_parse(text.content, &content) == OK) {
		err = search_fold(&folded, content.subject);
		buffer_add_str(&folded, "\n");
		if (!err)
			err = search_fold(&folded, content.text);
		for (size_t i = 0; i < content.part_count && !err; i++) {
			buffer_add_str(&folded, "\n");
			err = search_fold(&folded, content.parts[i].name);
		}
		buffer_add_str(&folded, "\n");
		if (!err && content.imported.present)
			err = search_fold(&folded, content.imported.author);
		if (err || folded.failed)
			err = trouble_set(t, ERR_NOMEM, "a text can't be kept for searching");
	}
	content_clear(&content);
	text_end(&text);
	if (!err && folded.len > 0)
		err = database_run(c->d,
		    "INSERT OR REPLACE INTO folded SELECT no, ?2 FROM item WHERE id = ?1 AND kind "
		    "IN"
		    " (5, 6)",
		    NULL, t, "kb", id, buffer_bytes(&folded));
	else if (!err)
		err = database_run(c->d,
		    "DELETE FROM folded WHERE item = (SELECT no FROM item WHERE id = ?1)", NULL, t,
		    "k", id);
	buffer_free(&folded);
	return err;
}

int text_refresh(struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t)
{
	uint8_t post[ID_LEN];
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT coalesce(target, id) FROM item WHERE id = ?1 AND kind <> 8", t, "k", id);

	if (!err)
		err = query_next(&q, t);
	if (err != 1)
		return err;
	bool good = query_bytes(q, 0).len == ID_LEN;
	if (good)
		memcpy(post, query_bytes(q, 0).data, ID_LEN);
	query_end(&q);
	return good ? text_fold(c, post, t) : OK;
}

int item_out(struct copy *c, int64_t no, Convene__Item *out, struct trouble *t)
{
	uint8_t id[ID_LEN] = {0};
	struct item_text text;
	struct bytes log;
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT i.id, l.name, i.position, b.message, i.arrival, p.organisation, p.identity,"
	    " p.handle, p.name, p.section, i.recovered FROM item i JOIN log l ON l.no = i.log"
	    " JOIN body b ON b.item = i.no LEFT JOIN person p ON p.no = i.person WHERE i.no = ?1",
	    t, "i", no);

	convene__item__init(out);
	if (!err)
		err = query_next(&q, t);
	if (err != 1)
		return err ? err : trouble_set(t, ERR_STORE, "the copy lost a message");
	if (query_bytes(q, 0).len == ID_LEN)
		memcpy(id, query_bytes(q, 0).data, ID_LEN);
	out->log = pb_copy(query_bytes(q, 1));
	out->index = (uint64_t)query_int(q, 2);
	out->message = pb_copy(query_bytes(q, 3));
	out->arrival = (uint64_t)query_int(q, 4);
	out->organisation = pb_copy(query_bytes(q, 5));
	out->identity = pb_copy(query_bytes(q, 6));
	out->handle = pb_copy(query_bytes(q, 7));
	out->name = pb_copy(query_bytes(q, 8));
	out->group = pb_copy(query_bytes(q, 9));
	out->recovered = (uint64_t)query_int(q, 10);
	query_end(&q);
	log = bytes_of_pb(out->log);

	err = text_start(&text, c, id, t);
	if (!err) {
		out->content_state = text.state;
		if (text.state == STATE(PRESENT)) {
			out->salt = pb_copy(text.salt);
			out->content = pb_copy(text.content);
		}
		if (text.amended) {
			out->amendment = pb_copy(text.message);
			out->amendment_index = text.index;
			if (!bytes_equal(text.log, log))
				out->amendment_log = pb_copy(text.log);
		}
	}
	text_end(&text);
	if (err || out->content_state != STATE(ERASED))
		return err;
	err = query_start(&q, c->d,
	    "SELECT b.message, i.position, l.name FROM item i JOIN log l ON l.no = i.log"
	    " JOIN body b ON b.item = i.no WHERE i.no = (SELECT no FROM item WHERE target = ?1"
	    "  AND kind = 8 ORDER BY number, position LIMIT 1)",
	    t, "k", id);
	if (!err && (err = query_next(&q, t)) == 1) {
		out->erasure = pb_copy(query_bytes(q, 0));
		out->erasure_index = (uint64_t)query_int(q, 1);
		if (!bytes_equal(query_bytes(q, 2), log))
			out->erasure_log = pb_copy(query_bytes(q, 2));
		query_end(&q);
		err = OK;
	}
	return err;
}
