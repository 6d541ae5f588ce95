/* SPDX-License-Identifier: BSD-2-Clause */
/* convene outbox: what waits, what was refused; sending it, and signing a refused one anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/anchored.h"
#include "client/cmd.h"
#include "client/quote.h"
#include "client/session.h"
#include "client/terms.h"
#include "msg/body.h"
#include "msg/content.h"

struct listing {
	struct session *s;
	struct outbox *o;
	const struct outcomes *done; /* what the node has just said */
	struct table *table;
	json_t *list;
	enum outbox_box box;
	size_t waiting, refused, revoked;
};

static json_t *row_json(const struct kept *k, const char *state, const struct content *c,
    const char *reason, uint32_t code)
{
	const char *kind = kind_name(k->header.kind);
	struct target_body body;
	json_t *o = json_object();

	json_put(o, "sequence", json_integer((json_int_t)k->sequence));
	json_put(o, "id", json_hex(k->id, ID_LEN));
	json_put(o, "state", json_string(state));
	json_put(o, "kind", kind ? json_string(kind) : json_integer(k->header.kind));
	json_put(o, "time", json_integer((json_int_t)k->header.time));
	json_put(o, "log", json_bytes(bytes_of_pb(k->submit->log)));
	if (k->header.parent.present)
		json_put(o, "parent", json_hex(k->header.parent.id, ID_LEN));
	if (change_body_parse(&k->header, &body) == OK)
		json_put(o, "target", json_hex(body.target.id, ID_LEN));
	json_put(o, "subject", json_bytes(c->subject));
	json_put(o, "text", json_bytes(c->text));
	if (reason) {
		json_put(o, "reason", json_bytes(bytes_str(reason)));
		json_put(o, "code", json_integer(code));
	}
	return o;
}

static void row_print(struct listing *l, const struct kept *k, const char *state,
    const struct content *c, const char *reason)
{
	struct bytes first = c->subject.len > 0 ? c->subject : quote_own_line(c->text);
	struct buffer what = BUFFER_INIT;
	struct target_body body;
	char id[9], when[24];

	if (reason)
		buffer_printf(&what, "(%s) ", reason);
	if (change_body_parse(&k->header, &body) == OK)
		buffer_printf(&what, "%s %s%s", k->header.kind == KIND_AMEND ? "amends" : "erases",
		    id_short(id, body.target.id), first.len > 0 ? ": " : "");
	buffer_add(&what, first.data, first.len);
	table_cell(l->table, "%llu", (unsigned long long)k->sequence);
	table_cell(l->table, "%s", id_short(id, k->id));
	table_cell(l->table, "%s", time_local(when, k->header.time));
	table_cell(l->table, "%s", state);
	table_text(l->table, buffer_bytes(&what));
	buffer_free(&what);
}

static int row_add(void *ctx, const struct kept *k)
{
	struct listing *l = ctx;
	const char *state = l->box == BOX_REFUSED ? "refused" : "waiting";
	char reason[200];
	uint32_t code = 0;
	bool why = l->box == BOX_REFUSED && outbox_reason(l->o, k->sequence, &code, reason);
	struct content c;

	*(l->box == BOX_REFUSED ? &l->refused : &l->waiting) += 1;
	l->revoked += why && code == CONVENE__CODE__REVOKED;
	for (size_t i = 0; l->box == BOX_WAITING && i < l->done->count; i++) {
		const struct outcome *d = &l->done->list[i];

		if (d->sequence != k->sequence)
			continue;
		if (d->status == CONVENE__STATUS__ACCEPTED)
			state = "accepted";
		why = d->status == CONVENE__STATUS__REFUSED;
		code = d->code;
		memcpy(reason, d->text, sizeof reason);
	}
	memset(&c, 0, sizeof c);
	if (content_parse(k->content, &c) != OK)
		c.subject = c.text = bytes_of(NULL, 0);
	if (l->s->in->json)
		json_array_append_new(l->list, row_json(k, state, &c, why ? reason : NULL, code));
	else
		row_print(l, k, state, &c, why ? reason : NULL);
	content_clear(&c);
	return OK;
}

/* What is sealed, and kept until enough others have cosigned it. */
static int sealed_show(struct session *s, const struct outbox *o, const struct anchored *looked,
    json_t *out, struct trouble *t)
{
	struct charter *charter;
	uint64_t *list;
	size_t count;
	int err = outbox_list(o, BOX_SENT, &list, &count, t);

	if (err)
		return err;
	free(list);
	if (out) {
		json_put(out, "sealed", json_integer((json_int_t)count));
		json_put(out, "anchored", json_integer((json_int_t)looked->anchored));
		json_put(out, "lost", json_integer((json_int_t)looked->lost));
		return OK;
	}
	charter = count > 0 ? terms_charter(s) : NULL;
	if (charter && charter->anchor > 0)
		print_sentence(0,
		    "%zu message%s sealed, and kept here until %u other organisation%s hold%s and "
		    "cosign%s %s; `convene verify` tells who has.",
		    count, count == 1 ? " is" : "s are", charter->anchor,
		    charter->anchor == 1 ? "" : "s", charter->anchor == 1 ? "s" : "",
		    charter->anchor == 1 ? "s" : "", count == 1 ? "it" : "them");
	if (looked->lost > 0)
		print_sentence(0, "The node had lost %zu of them: sent again.", looked->lost);
	charter_free(charter);
	return OK;
}

static int outbox_show(struct session *s, struct outbox *o, const struct outcomes *done,
    const struct anchored *looked, struct trouble *t)
{
	struct listing l = {.s = s,
	    .o = o,
	    .done = done,
	    .box = BOX_WAITING,
	    .table = table_new("NUMBER>\tID\tSIGNED\tSTATE\tSUBJECT OR TEXT"),
	    .list = json_array()};
	int err = outbox_each(o, BOX_WAITING, s->home.node.forum, row_add, &l, t);

	l.box = BOX_REFUSED;
	if (!err)
		err = outbox_each(o, BOX_REFUSED, s->home.node.forum, row_add, &l, t);
	if (!err && s->in->json) {
		json_t *out = json_object();

		json_put(out, "sequence", json_integer((json_int_t)o->sequence));
		if (o->sealed) {
			json_put(out, "sealed_sequence", json_integer((json_int_t)o->sealed));
			json_put(out, "sealed_index", json_integer((json_int_t)o->sealed_index));
			json_put(out, "sealed_id", json_hex(o->sealed_id, ID_LEN));
		}
		json_put(out, "messages", json_incref(l.list));
		err = sealed_show(s, o, looked, out, t);
		json_print(out);
	} else if (!err) {
		table_print(l.table);
		if (l.waiting + l.refused == 0)
			print_sentence(0,
			    "Nothing waits: all that you have written stands in the log of %s.",
			    s->home.node.organisation);
		if (l.refused > 0)
			printf("\n");
		if (l.revoked > 0)
			print_sentence(0,
			    "The key of this device was revoked: nothing can be signed with it any "
			    "more. `convene outbox --drop NUMBER` throws a message away; write it "
			    "again on another device of yours.");
		else if (l.refused > 0)
			print_sentence(0, "`convene outbox --again NUMBER` signs a refused message "
					  "anew and sends it; "
					  "`--drop NUMBER` throws it away.");
		err = sealed_show(s, o, looked, NULL, t);
	}
	table_free(l.table);
	json_decref(l.list);
	return err;
}

/* ---- signing anew ---- */

struct again {
	struct outbox *o;
	const uint8_t *old;
};

static int again_note(
    void *ctx, uint64_t sequence, const uint8_t id[static ID_LEN], struct trouble *t)
{
	const struct again *a = ctx;

	(void)sequence;
	return outbox_again_note(a->o, a->old, id, t);
}

static int find_one(void *ctx, const struct kept *k)
{
	struct again *a = ctx;

	if (a->old && memcmp(k->id, a->old, ID_LEN) == 0)
		a->old = NULL;
	return OK;
}

/* Whether an earlier attempt was interrupted when the new message was kept already. */
static int was_signed(struct session *s, struct outbox *o, const uint8_t id[static ID_LEN],
    bool *out, struct trouble *t)
{
	uint8_t now[ID_LEN];
	struct again a = {o, now};
	int err;

	memcpy(now, id, ID_LEN);
	err = outbox_again_find(o, now, t);
	for (int box = 0; box < BOX_COUNT && !err && memcmp(now, id, ID_LEN) != 0 && a.old; box++)
		err = outbox_each(o, (enum outbox_box)box, s->home.node.forum, find_one, &a, t);
	*out = !a.old;
	return err;
}

/* A reference to what was itself signed anew: under its present id, in the present log. */
static int ref_renew(struct session *s, struct outbox *o, struct ref *r, struct trouble *t)
{
	uint8_t id[ID_LEN];
	struct binding b;
	int err;

	if (!r->present)
		return OK;
	memcpy(id, r->id, ID_LEN);
	err = outbox_again_find(o, id, t);
	if (!err && memcmp(id, r->id, ID_LEN) != 0 &&
	    binding_make(&b, s->home.node.forum, bytes_str(s->home.log_name)) == OK) {
		memcpy(r->id, id, ID_LEN);
		memcpy(r->log, b.digest, DIGEST_LEN);
		r->index = 0;
	}
	return err;
}

/* The body with its target renewed, where it has one. */
static int body_renew(struct session *s, struct outbox *o, const struct header *h,
    struct buffer *out, struct trouble *t)
{
	struct target_body body;
	int err;

	if (change_body_parse(h, &body) != OK) {
		buffer_add(out, h->body.data, h->body.len);
		return OK;
	}
	err = ref_renew(s, o, &body.target, t);
	if (err)
		return err;
	return h->kind == KIND_AMEND ? amend_body_encode(out, &body)
				     : erase_body_encode(out, &body);
}

static int sign_new(struct session *s, struct outbox *o, const struct kept *k, struct trouble *t)
{
	struct again a = {o, k->id};
	struct buffer body = BUFFER_INIT;
	struct draft d = {.kind = k->header.kind,
	    .topic = k->header.topic,
	    .parent = k->header.parent,
	    .lang = k->header.lang,
	    .content = k->content,
	    .before = again_note,
	    .ctx = &a};
	struct key key;
	uint8_t id[ID_LEN];
	int err = ref_renew(s, o, &d.topic, t);

	if (!err)
		err = ref_renew(s, o, &d.parent, t);
	if (!err)
		err = body_renew(s, o, &k->header, &body, t);
	d.body = buffer_bytes(&body);
	if (!err && body.failed)
		err = no_memory(t);
	if (!err)
		err = home_key(&s->home, &key, t);
	if (!err) {
		err = draft_keep(s, o, &key, &d, id, t);
		key_wipe(&key);
	}
	buffer_free(&body);
	return err;
}

struct signing {
	struct session *s;
	struct outbox *o;
	uint64_t sequence; /* 0: all */
	bool found;
	struct trouble *t;
};

/* A refused message, with what it says and belongs to, under a new sequence and the present log.
 * The new one is durable before the old one goes. */
static int sign_again_one(void *ctx, const struct kept *k)
{
	struct signing *g = ctx;
	bool done;
	int err;

	if (g->sequence != 0 && g->sequence != k->sequence)
		return OK;
	g->found = true;
	err = was_signed(g->s, g->o, k->id, &done, g->t);
	if (!err && !done)
		err = sign_new(g->s, g->o, k, g->t);
	return err ? err : outbox_drop(g->o, k->sequence, g->t);
}

static int sign_again(struct session *s, struct outbox *o, uint64_t sequence, struct trouble *t)
{
	struct signing g = {s, o, sequence, false, t};
	int err = outbox_each(o, BOX_REFUSED, s->home.node.forum, sign_again_one, &g, t);

	if (!err && !g.found && sequence != 0)
		err = trouble_set(t, ERR_NOTFOUND, "no refused message has the number %llu",
		    (unsigned long long)sequence);
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
	return outbox_drop(o, sequence, t);
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
	struct anchored looked = {0, 0};
	struct session s;
	struct outbox o;
	struct trouble t;
	uint64_t again = 0, drop;
	const char *which = option_value(in, "again");
	bool all = which && strcmp(which, "all") == 0;
	int code = EXIT_DONE, err = all ? OK : number_take(in, "again", &again, &t);

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
	if (!err && which)
		err = sign_again(&s, &o, again, &t);
	if (!err && s.client)
		err = anchored_look(&s, &o, SIZE_MAX, &looked, &t);
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
		err = outbox_show(&s, &o, &done, &looked, &t);
	if (err)
		code = session_complain(in, &t);
	else if (!s.client && !s.offline)
		code = complain(in->program->name, &s.unreachable);
	outcomes_free(&done);
	session_close(&s);
	return code;
}
