/* SPDX-License-Identifier: BSD-2-Clause */
/* convene topic, convene post, convene reply, convene amend.
 *
 * What it belongs to is found first, so that a mistyped id is told before anything is written; then
 * the text, perhaps for an hour in an editor, without a connection; then it is signed, kept
 * durably, and sent. From there on it can't be lost. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/cmd.h"
#include "client/posting.h"
#include "client/terms.h"

/* A pipe can be read but once: take the text before telling what is wrong. */
static void text_catch(struct posting *p)
{
	const char *file = option_value(p->in, "file");
	struct trouble t;

	if (isatty(STDIN_FILENO) == 1 || (file && strcmp(file, "-") != 0) ||
	    (p->w.act == ACT_TOPIC && !file) || p->fleeting)
		return;
	buffer_reset(&p->w.text);
	p->fleeting = compose_take(&p->w.text, file, &t) == OK;
}

static int draft_report(struct posting *p, struct trouble *t)
{
	int err = writing_save(&p->w, t);

	if (err)
		return err;
	if (p->in->json) {
		json_t *o = json_object();

		json_put(o, "draft", json_integer((json_int_t)p->w.number));
		json_print(o);
	} else {
		print_sentence(0,
		    "Kept as draft %llu. `convene drafts send %llu` sends it; `drafts edit` goes "
		    "on "
		    "writing.",
		    (unsigned long long)p->w.number, (unsigned long long)p->w.number);
	}
	return OK;
}

static int write_and_send(struct posting *p, bool draft, int *code, struct trouble *t)
{
	bool same = false;
	int err = posting_write(p, t);

	if (!err && draft && text_blank(buffer_bytes(&p->w.text)) && p->w.act != ACT_TOPIC)
		err = trouble_set(t, ERR_TEXT, "nothing was written, so nothing is kept");
	if (!err && draft)
		return draft_report(p, t);
	if (!err)
		err = posting_send(p, code, &same, t);
	if (!err && same) {
		if (p->in->json) {
			json_t *o = json_object();

			json_put(o, "status", json_string("unchanged"));
			json_print(o);
		} else {
			print_sentence(0, "Nothing was changed, so nothing is sent.");
		}
	}
	return err;
}

/* Ask for a thread's title on the terminal; NULL: there is none, or nothing was typed. */
static const char *subject_ask(const struct invocation *in, char line[static 1024])
{
	if (in->json || isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
		return NULL;
	fprintf(stderr, "Subject of the new thread: ");
	if (!fgets(line, 1024, stdin))
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return line[0] ? line : NULL;
}

static int posting_run(const struct invocation *in, enum act act)
{
	struct posting p = {.in = in};
	const char *subject = act == ACT_TOPIC ? in->operands[0] : option_value(in, "subject");
	bool draft = option_given(in, "draft"), opened;
	char typed[1024];
	struct trouble t = {.err = OK};
	int code = EXIT_DONE, err;

	if (act == ACT_POST && !subject)
		subject = subject_ask(in, typed);
	if (act == ACT_POST && !subject)
		return complain_usage(in->program->name, in->command->name,
		    "a post that begins a thread wants a --subject");
	/* Anything can be signed while the node is away. */
	err = session_open(&p.s, in, false, &t);
	opened = !err;
	writing_init(&p.w, act, p.s.home.path);
	p.draft.kind = act == ACT_TOPIC ? KIND_TOPIC : KIND_POST;
	if (act != ACT_TOPIC)
		buffer_add_str(&p.w.to, in->operands[0]);
	if (!err)
		err = posting_options(&p, subject, &t);
	if (err)
		opened = false; /* the command line is wrong: nothing is read */
	if (!err && !draft)
		err = posting_enrolled(&p, &t);
	if (!err && act == ACT_TOPIC)
		err = terms_check(&p.s, KIND_TOPIC, 0, &t);
	if (!err)
		err = posting_place(&p, draft, &t);
	if (err && opened)
		text_catch(&p);
	if (!err && draft && act == ACT_AMEND && !p.placed)
		err = trouble_set(&t, ERR_CLOSED,
		    "what is to be amended is not kept here, and the node can't be asked: %.300s",
		    p.s.unreachable.text);
	if (!err)
		err = write_and_send(&p, draft, &code, &t);
	if (err) {
		if (opened)
			posting_rescue(&p, &t);
		code = session_complain(in, &t);
	}
	posting_free(&p);
	return code;
}

int cmd_topic(const struct invocation *in)
{
	return posting_run(in, ACT_TOPIC);
}

int cmd_post(const struct invocation *in)
{
	return posting_run(in, ACT_POST);
}

int cmd_reply(const struct invocation *in)
{
	return posting_run(in, ACT_REPLY);
}

int cmd_amend(const struct invocation *in)
{
	return posting_run(in, ACT_AMEND);
}
