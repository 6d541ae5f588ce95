/* SPDX-License-Identifier: BSD-2-Clause */
/* convene erase. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/cmd.h"
#include "client/erasure.h"
#include "client/posting.h"
#include "msg/body.h"

static const char *const reasons[] = {
    [ERASE_UNSTATED] = "", [ERASE_WISH] = "wish", [ERASE_LAW] = "law", [ERASE_ERROR] = "error"};

static int reason_take(const struct invocation *in, uint8_t *out, struct trouble *t)
{
	const char *text = option_value(in, "reason");

	*out = ERASE_UNSTATED;
	for (uint8_t i = ERASE_WISH; text && i < sizeof reasons / sizeof reasons[0]; i++)
		if (strcmp(text, reasons[i]) == 0)
			*out = i;
	if (text && *out == ERASE_UNSTATED)
		return trouble_set(
		    t, ERR_INVALID, "--reason is wish, law or error, not %.60s", text);
	return OK;
}

/* What will be gone, and what nobody can promise. */
static void explain(const struct place *at)
{
	struct buffer what = BUFFER_INIT;
	char id[9];

	place_text(&what, at);
	if (at->kind == KIND_AMEND)
		print_sentence(0,
		    "This erases the text of your amendment %s; the text before it is shown "
		    "again, in %s.",
		    id_short(id, at->at.id), id_short((char[9]){0}, at->target.id));
	else if (at->kind == KIND_TOPIC)
		print_sentence(0,
		    "This erases the title and description of your topic %s, with all their "
		    "amendments. Its threads stay.",
		    buffer_str(&what));
	else
		print_sentence(0,
		    "This erases the text of your post %s, with its attachments and all its "
		    "amendments. Answers to it stay.",
		    buffer_str(&what));
	print_sentence(0,
	    "Your node and every other node of the forum drop the text, and never take "
	    "it again. That you wrote something, when, and that it was erased stays in the "
	    "log.");
	erasure_limits_print();
	print_sentence(0,
	    "On this computer it goes from the outbox at once, and from what `convene sync` keeps "
	    "with the next one.");
	buffer_free(&what);
}

static bool agreed(void)
{
	char answer[16];

	printf("Erase it? Answer yes or no: ");
	fflush(stdout);
	return fgets(answer, sizeof answer, stdin) &&
	       (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0);
}

/* Whether to go on. */
static int consent(const struct posting *p, bool *go, struct trouble *t)
{
	*go = true;
	if (option_given(p->in, "yes"))
		return OK;
	if (p->in->json || isatty(STDIN_FILENO) != 1) {
		trouble_set(
		    t, ERR_INVALID, "erasing can't be undone, and nobody can be asked here");
		trouble_hint(t, "--yes erases without asking.");
		return ERR_INVALID;
	}
	explain(&p->at);
	*go = agreed();
	if (!*go)
		printf("Nothing is erased.\n");
	return OK;
}

static int suits(const struct posting *p, struct trouble *t)
{
	char id[9];

	if (p->at.own)
		return OK;
	trouble_set(t, ERR_REFUSED,
	    "%s is not yours: its author can erase it, and the operator of "
	    "the author's node",
	    id_short(id, p->at.at.id));
	trouble_hint(t, "Ask one of them.");
	return ERR_REFUSED;
}

static int erase(struct posting *p, uint8_t reason, int *code, struct trouble *t)
{
	struct target_body body = {.target = p->at.at, .reason = reason};
	bool go;
	int err = consent(p, &go, t);

	if (err || !go)
		return err;
	body.target.index = 0; /* no hint in a body */
	if (erase_body_encode(&p->body, &body) != OK)
		return trouble_set(t, ERR_INVALID, "the erasure can't be made");
	p->draft.kind = KIND_ERASE;
	p->draft.body = buffer_bytes(&p->body);
	return posting_dispatch(p, code, t);
}

static void told_already(const struct posting *p)
{
	char id[9];

	if (p->in->json) {
		json_t *o = json_object();

		json_put(o, "status", json_string("erased"));
		json_put(o, "target", json_hex(p->at.at.id, ID_LEN));
		json_print(o);
	} else {
		printf("%s is erased already.\n", id_short(id, p->at.at.id));
	}
}

/* Who has confirmed, of whatever was erased. */
static int status(const struct invocation *in)
{
	Convene__Erasure *e = NULL;
	uint8_t id[ID_LEN];
	char hex[65], shown[9];
	struct session s;
	struct trouble t;
	size_t len;
	int code = EXIT_DONE, err = id_parse(id, &len, hex, in->operands[0], "message", &t);

	if (err)
		return session_complain(in, &t);
	err = session_open(&s, in, false, &t);
	if (!err)
		err = erasure_ask(&s, id, len, &e, &t);
	if (err && t.code == CONVENE__CODE__NOT_FOUND && !t.hint[0])
		trouble_hint(&t,
		    "Only what was erased has such a list; `convene read %s` shows the "
		    "message.",
		    in->operands[0]);
	if (err) {
		code = session_complain(in, &t);
	} else if (in->json) {
		json_print(erasure_json(e));
	} else if (e->id.len == ID_LEN) {
		printf("%s was erased.\n", id_short(shown, e->id.data));
		erasure_print(e, 0);
		erasure_limits_print();
	}
	message_free((ProtobufCMessage *)e);
	session_close(&s);
	return code;
}

int cmd_erase(const struct invocation *in)
{
	struct posting p = {.in = in};
	struct trouble t;
	uint8_t reason;
	int code = EXIT_DONE, err;

	if (option_given(in, "status"))
		return status(in);
	err = reason_take(in, &reason, &t);
	if (err)
		return session_complain(in, &t);
	err = session_open(&p.s, in, false, &t);
	writing_init(&p.w, ACT_AMEND, p.s.home.path);
	if (!err)
		err = posting_enrolled(&p, &t);
	if (!err)
		err = place_find(&p.s, in->operands[0], &p.at, &t);
	if (!err)
		err = suits(&p, &t);
	if (!err && p.at.erased)
		told_already(&p);
	else if (!err)
		err = erase(&p, reason, &code, &t);
	if (err)
		code = session_complain(in, &t);
	posting_free(&p);
	return code;
}
