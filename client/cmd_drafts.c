/* SPDX-License-Identifier: BSD-2-Clause */
/* convene drafts: what was written and not sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/cmd.h"
#include "client/posting.h"
#include "client/quote.h"

static int number_take(const struct invocation *in, uint64_t *out, struct trouble *t)
{
	const char *text = in->operands[0];

	if (decimal_parse(out, text, strlen(text), DRAFT_NUMBER_MAX) == OK && *out > 0)
		return OK;
	trouble_set(t, ERR_INVALID, "%.60s is not the number of a draft", text);
	trouble_hint(t, "`convene drafts` lists them.");
	return ERR_INVALID;
}

/* ---- the list ---- */

static struct bytes line_of(struct bytes *rest)
{
	const uint8_t *nl = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	struct bytes line = bytes_of(rest->data, nl ? (size_t)(nl - rest->data) : rest->len);

	rest->data += line.len + (nl != NULL);
	rest->len -= line.len + (nl != NULL);
	return line;
}

static json_t *writing_json(const struct writing *w)
{
	struct bytes attach = buffer_bytes(&w->attach);
	json_t *o = json_object(), *files = json_array();
	static const char *const names[] = {"to", "about", "subject", "lang"};
	const struct buffer *values[] = {&w->to, &w->about, &w->subject, &w->lang};

	json_put(o, "number", json_integer((json_int_t)w->number));
	json_put(o, "kind", json_string(act_name(w->act)));
	json_put(o, "saved", json_integer((json_int_t)w->saved));
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		if (values[i]->len > 0)
			json_put(o, names[i], json_bytes(buffer_bytes(values[i])));
	while (attach.len > 0)
		json_array_append_new(files, json_bytes(line_of(&attach)));
	json_put(o, "attach", files);
	json_put(o, "text", json_bytes(buffer_bytes(&w->text)));
	return o;
}

static void row_add(struct table *table, const struct writing *w)
{
	struct buffer what = BUFFER_INIT;
	char when[24];

	table_cell(table, "%llu", (unsigned long long)w->number);
	table_cell(table, "%s", act_name(w->act));
	table_cell(table, "%s", time_local(when, w->saved));
	if (w->to.len == 0)
		table_cell(table, "-");
	else if (w->about.len > 0)
		table_text(table, buffer_bytes(&w->about));
	else
		table_text(table, bytes_of(w->to.data, w->to.len > 8 ? 8 : w->to.len));
	buffer_add(&what, w->subject.data, w->subject.len);
	if (w->subject.len > 0)
		buffer_add_str(&what, ": ");
	buffer_add(&what, quote_own_line(buffer_bytes(&w->text)).data,
	    quote_own_line(buffer_bytes(&w->text)).len);
	table_text(table, buffer_bytes(&what));
	buffer_free(&what);
}

int cmd_drafts(const struct invocation *in)
{
	struct table *table = table_new("NUMBER>\tKIND\tWRITTEN\tTO\tTEXT");
	json_t *list = json_array(), *o;
	struct home home;
	struct trouble t;
	uint64_t *numbers = NULL;
	size_t count = 0;
	int code = EXIT_DONE, err = home_open(&home, &t);

	if (!err)
		err = drafts_list(home.path, &numbers, &count, &t);
	for (size_t i = 0; i < count; i++) {
		struct writing w;

		if (writing_load(&w, home.path, numbers[i], false, &t) != OK)
			code = complain(in->program->name, &t);
		else if (in->json)
			json_array_append_new(list, writing_json(&w));
		else
			row_add(table, &w);
		writing_free(&w);
	}
	if (err) {
		code = session_complain(in, &t);
	} else if (in->json) {
		o = json_object();
		json_put(o, "drafts", json_incref(list));
		json_print(o);
	} else {
		table_print(table);
		if (count == 0)
			printf("There are no drafts.\n");
	}
	free(numbers);
	table_free(table);
	json_decref(list);
	home_close(&home);
	return code;
}

/* ---- one of them ---- */

static void header_print(const char *name, const struct buffer *value)
{
	char label[32];

	snprintf(label, sizeof label, "%s: ", name);
	if (value->len > 0)
		print_labelled(0, label, buffer_bytes(value));
}

static void writing_print(const struct writing *w)
{
	struct bytes attach = buffer_bytes(&w->attach);

	printf("Draft %llu: %s\n", (unsigned long long)w->number, act_name(w->act));
	header_print("To", &w->to);
	header_print("About", &w->about);
	header_print(w->act == ACT_TOPIC ? "Title" : "Subject", &w->subject);
	header_print("Language", &w->lang);
	while (attach.len > 0)
		print_labelled(0, "Attached: ", line_of(&attach));
	print_text(buffer_bytes(&w->text), 0);
}

int cmd_drafts_show(const struct invocation *in)
{
	struct home home;
	struct writing w;
	struct trouble t;
	uint64_t number;
	int code = EXIT_DONE, err = number_take(in, &number, &t);

	writing_init(&w, ACT_POST, "");
	if (!err)
		err = home_open(&home, &t);
	if (err)
		return session_complain(in, &t);
	err = writing_load(&w, home.path, number, false, &t);
	if (err)
		code = session_complain(in, &t);
	else if (in->json)
		json_print(writing_json(&w));
	else
		writing_print(&w);
	writing_free(&w);
	home_close(&home);
	return code;
}

static void told(const struct invocation *in, uint64_t number, const char *what)
{
	if (in->json) {
		json_t *o = json_object();

		json_put(o, "draft", json_integer((json_int_t)number));
		json_put(o, "status", json_string(what));
		json_print(o);
	} else {
		printf("Draft %llu is %s.\n", (unsigned long long)number, what);
	}
}

int cmd_drafts_edit(const struct invocation *in)
{
	struct home home;
	struct writing w;
	struct trouble t;
	uint64_t number;
	int code = EXIT_DONE, err = number_take(in, &number, &t);

	writing_init(&w, ACT_POST, "");
	if (!err)
		err = home_open(&home, &t);
	if (err)
		return session_complain(in, &t);
	err = writing_load(&w, home.path, number, true, &t);
	if (!err)
		err = writing_edit(&w, &t);
	if (err)
		code = session_complain(in, &t);
	else
		told(in, number, "kept");
	writing_free(&w);
	home_close(&home);
	return code;
}

int cmd_drafts_drop(const struct invocation *in)
{
	struct home home;
	struct trouble t;
	uint64_t number;
	int code = EXIT_DONE, err = number_take(in, &number, &t);

	if (!err)
		err = home_open(&home, &t);
	if (err)
		return session_complain(in, &t);
	err = draft_remove(home.path, number, &t);
	if (err)
		code = session_complain(in, &t);
	else
		told(in, number, "removed");
	home_close(&home);
	return code;
}

/* ---- sending one ---- */

struct looking {
	const uint8_t *id;
	bool found;
};

static int look(void *ctx, const struct kept *k)
{
	struct looking *l = ctx;

	l->found |= memcmp(k->id, l->id, ID_LEN) == 0;
	return OK;
}

/* A draft that was signed and is still there: the program ended between the two. Whether the
 * message was kept, and so will be sent, is known from the outbox, or from the node. */
static int sent_before(struct posting *p, bool *sent, struct trouble *t)
{
	struct looking l = {p->w.id, false};
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	ProtobufCMessage *m;
	struct outbox o;
	int err;

	*sent = false;
	if (p->w.sequence == 0)
		return OK;
	err = outbox_open(&o, p->s.home.path, t);
	for (int box = 0; box < BOX_COUNT && !err; box++)
		err = outbox_each(&o, (enum outbox_box)box, p->s.home.node.forum, look, &l, t);
	*sent = l.found;
	if (err || l.found || o.sequence < p->w.sequence)
		return err;
	/* Its number was used, by it or by another: it may have left the outbox. */
	if (!p->s.client) {
		trouble_set(t, ERR_CLOSED,
		    "draft %llu may have been sent already, and only the node can tell: %.300s",
		    (unsigned long long)p->w.number, p->s.unreachable.text);
		return ERR_CLOSED;
	}
	get.id = pb_of(bytes_of(p->w.id, ID_LEN));
	err = client_call(p->s.client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m, t);
	if (!err) {
		message_free(m);
		*sent = true;
	}
	return err && exit_of(t) == EXIT_NOT_FOUND ? OK : err;
}

static int attachments_load(struct posting *p, struct trouble *t)
{
	struct bytes rest = buffer_bytes(&p->w.attach);
	int err = OK;

	while (rest.len > 0 && !err) {
		struct bytes line = line_of(&rest);
		char *spec = strndup((const char *)line.data, line.len);

		if (!spec)
			return no_memory(t);
		err = attachment_add(&p->attachments, spec, t);
		free(spec);
	}
	return err;
}

static int draft_send(struct posting *p, uint64_t number, int *code, struct trouble *t)
{
	bool sent = false, same = false;
	char id[9];
	int err = writing_load(&p->w, p->s.home.path, number, true, t);

	if (!err)
		err = posting_enrolled(p, t);
	if (!err)
		err = sent_before(p, &sent, t);
	if (!err && sent) {
		id_short(id, p->w.id);
		err = writing_drop(&p->w, t);
		if (!err)
			remark(p->in->program->name,
			    "draft %llu was signed before, as message %s, and is not signed "
			    "again: `convene outbox` and `convene read` show it",
			    (unsigned long long)number, id);
		if (!err && p->in->json)
			told(p->in, number, "signed before");
		return err;
	}
	p->draft.kind = p->w.act == ACT_TOPIC ? KIND_TOPIC : KIND_POST;
	if (!err)
		err = posting_place(p, false, t);
	if (!err)
		err = attachments_load(p, t);
	if (!err)
		err = posting_send(p, code, &same, t);
	if (!err && same)
		told(p->in, number, "as what is there already, and removed");
	return err;
}

int cmd_drafts_send(const struct invocation *in)
{
	struct posting p = {.in = in};
	struct trouble t;
	uint64_t number;
	int code = EXIT_DONE, err = number_take(in, &number, &t);

	if (err)
		return session_complain(in, &t);
	err = session_open(&p.s, in, false, &t);
	writing_init(&p.w, ACT_POST, p.s.home.path);
	if (!err)
		err = draft_send(&p, number, &code, &t);
	if (err)
		code = session_complain(in, &t);
	posting_free(&p);
	return code;
}
