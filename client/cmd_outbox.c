/* SPDX-License-Identifier: BSD-2-Clause */
/* convene outbox: what waits, what was refused; sending it, and signing a refused one anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/cmd.h"
#include "client/session.h"
#include "msg/content.h"

#define SEAL_WAIT_MS 2000

struct listing {
	struct session *s;
	struct outbox *o;
	struct table *table;
	json_t *list;
	size_t waiting, refused;
};

static void row_add(
    struct listing *l, uint64_t sequence, const Convene__Submit *m, const char *state)
{
	const Convene__Submission *submission = m->submissions[0];
	struct header h;
	struct binding b;
	struct content c;
	uint8_t id[ID_LEN] = {0};
	char hex[9], when[24];

	memset(&c, 0, sizeof c);
	if (message_parse(bytes_of_pb(submission->message), &h) != OK)
		return;
	if (binding_make(&b, l->s->home.node.forum, bytes_of_pb(m->log)) == OK)
		message_id(id, bytes_of_pb(submission->message), &b);
	if (content_parse(bytes_of_pb(submission->content), &c) != OK)
		c.subject = c.text = bytes_of(NULL, 0);
	if (l->s->in->json) {
		json_t *o = json_object();
		const char *kind = kind_name(h.kind);

		json_put(o, "sequence", json_integer((json_int_t)sequence));
		json_put(o, "id", json_hex(id, ID_LEN));
		json_put(o, "state", json_string(state));
		json_put(o, "kind", kind ? json_string(kind) : json_integer(h.kind));
		json_put(o, "time", json_integer((json_int_t)h.time));
		json_put(o, "log", json_bytes(bytes_of_pb(m->log)));
		json_put(o, "subject", json_bytes(c.subject));
		json_put(o, "text", json_bytes(c.text));
		json_array_append_new(l->list, o);
	} else {
		struct bytes first = c.subject.len > 0 ? c.subject : c.text;
		const uint8_t *nl = first.len ? memchr(first.data, '\n', first.len) : NULL;

		table_cell(l->table, "%llu", (unsigned long long)sequence);
		table_cell(l->table, "%s", id_short(hex, id));
		table_cell(l->table, "%s", time_local(when, h.time));
		table_cell(l->table, "%s", state);
		table_text(
		    l->table, bytes_of(first.data, nl ? (size_t)(nl - first.data) : first.len));
	}
	content_clear(&c);
}

static int box_list(
    struct listing *l, enum outbox_box box, const char *state, size_t *counted, struct trouble *t)
{
	uint64_t *list;
	size_t count;
	int err = outbox_list(l->o, box, &list, &count, t);

	for (size_t i = 0; i < count && !err; i++) {
		Convene__Submit *m;

		err = outbox_get(l->o, box, list[i], &m, t);
		if (!err) {
			row_add(l, list[i], m, state);
			message_free(&m->base);
		}
	}
	*counted = count;
	free(list);
	return err;
}

static int outbox_show(struct session *s, struct outbox *o, struct trouble *t)
{
	struct listing l = {.s = s,
	    .o = o,
	    .table = table_new("NUMBER>\tID\tSIGNED\tSTATE\tSUBJECT OR TEXT"),
	    .list = json_array()};
	int err = box_list(&l, BOX_WAITING, "waiting", &l.waiting, t);

	if (!err)
		err = box_list(&l, BOX_REFUSED, "refused", &l.refused, t);
	if (!err && s->in->json) {
		json_t *out = json_object();

		json_put(out, "sequence", json_integer((json_int_t)o->sequence));
		if (o->sealed) {
			json_put(out, "sealed_sequence", json_integer((json_int_t)o->sealed));
			json_put(out, "sealed_index", json_integer((json_int_t)o->sealed_index));
			json_put(out, "sealed_id", json_hex(o->sealed_id, ID_LEN));
		}
		json_put(out, "messages", json_incref(l.list));
		json_print(out);
	} else if (!err) {
		table_print(l.table);
		if (l.waiting + l.refused == 0)
			print_sentence(0,
			    "Nothing waits: all that you have written stands in the log of %s.",
			    s->home.node.organisation);
		if (l.refused > 0)
			printf("\n");
		if (l.refused > 0)
			print_sentence(0,
			    "`convene outbox --again NUMBER` signs a refused message anew and sends it; "
			    "`--drop NUMBER` throws it away.");
	}
	table_free(l.table);
	json_decref(l.list);
	return err;
}

/* A refused message, with what it says and belongs to, under a new sequence and the present log.
 * The new one is durable before the old one goes. */
static int sign_again(struct session *s, struct outbox *o, uint64_t sequence, struct trouble *t)
{
	struct draft d = {.kind = 0};
	Convene__Submit *m;
	struct header h;
	struct key key;
	uint8_t id[ID_LEN];
	int err = outbox_get(o, BOX_REFUSED, sequence, &m, t);

	if (err == ERR_NOTFOUND)
		return trouble_set(
		    t, err, "no refused message has the number %llu", (unsigned long long)sequence);
	if (err)
		return err;
	err = home_key(&s->home, &key, t);
	if (!err && message_parse(bytes_of_pb(m->submissions[0]->message), &h) == OK) {
		d = (struct draft){.kind = h.kind,
		    .topic = h.topic,
		    .parent = h.parent,
		    .body = h.body,
		    .lang = h.lang,
		    .content = bytes_of_pb(m->submissions[0]->content)};
		err = draft_keep(s, o, &key, &d, id, t);
		key_wipe(&key);
		if (!err)
			err = outbox_move(o, sequence, BOX_REFUSED, BOX_NONE, t);
	}
	message_free(&m->base);
	return err;
}

static int throw_away(struct outbox *o, uint64_t sequence, struct trouble *t)
{
	Convene__Submit *m;
	int err = outbox_get(o, BOX_REFUSED, sequence, &m, t);

	if (err == ERR_NOTFOUND)
		return trouble_set(
		    t, err, "no refused message has the number %llu", (unsigned long long)sequence);
	if (!err)
		message_free(&m->base);
	/* One that can't be read goes as well. */
	return outbox_move(o, sequence, BOX_REFUSED, BOX_NONE, t);
}

static int number_take(
    const struct invocation *in, const char *name, uint64_t *out, struct trouble *t)
{
	const char *text = option_value(in, name);

	*out = 0;
	if (text && (decimal_parse(out, text, strlen(text), SEQUENCE_MAX) != OK || *out == 0))
		return trouble_set(t, ERR_INVALID,
		    "--%s wants a number as `convene outbox` shows it, not %.60s", name, text);
	return OK;
}

int cmd_outbox(const struct invocation *in)
{
	struct outcomes done = {NULL, 0};
	struct session s;
	struct outbox o;
	struct trouble t;
	uint64_t again, drop;
	int code = EXIT_DONE, err = number_take(in, "again", &again, &t);

	if (!err)
		err = number_take(in, "drop", &drop, &t);
	if (err)
		return session_complain(in, &t);
	err = session_open(&s, in, false, &t);
	if (!err)
		err = home_lock(&s.home, true, &t);
	if (!err)
		err = session_outbox(&s, &o, &t);
	if (!err && drop)
		err = throw_away(&o, drop, &t);
	if (!err && again)
		err = sign_again(&s, &o, again, &t);
	if (!err && s.client)
		err = outbox_flush(&s, &o, SEAL_WAIT_MS, &done, &t);
	for (size_t i = 0; i < done.count; i++) {
		struct trouble refused;

		if (done.list[i].status == CONVENE__STATUS__REFUSED) {
			trouble_set(&refused, ERR_REFUSED, "message %llu was refused: %s",
			    (unsigned long long)done.list[i].sequence, done.list[i].text);
			code = complain(in->program->name, &refused);
		}
	}
	if (!err)
		err = outbox_show(&s, &o, &t);
	if (err)
		code = session_complain(in, &t);
	else if (!s.client)
		code = complain(in->program->name, &s.unreachable);
	outcomes_free(&done);
	session_close(&s);
	return code;
}
