/* SPDX-License-Identifier: BSD-2-Clause */
/* convene topic, convene post, convene reply.
 *
 * What is answered is found first, so that a mistyped id is told before anything is written; then
 * the text, perhaps for an hour in an editor, without a connection; then it is signed, kept
 * durably, and sent. From there on it can't be lost. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/compose.h"
#include "client/session.h"
#include "client/show.h"

#define SEAL_WAIT_MS 2000

struct posting {
	const struct invocation *in;
	struct session s;
	struct draft draft;
	struct key key;
	struct buffer subject, text, content;
	struct attachments attachments;
	uint8_t id[ID_LEN];
};

static void posting_free(struct posting *p)
{
	key_wipe(&p->key);
	buffer_free(&p->subject);
	buffer_free(&p->text);
	buffer_free(&p->content);
	attachments_free(&p->attachments);
	session_close(&p->s);
}

/* ---- what it belongs to ---- */

static int place_in_topic(struct posting *p, const char *text, struct trouble *t)
{
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	int err = ask_topics(&p->s, &topics, t);

	if (!err)
		err = find_topic(&topics, text, &topic, t);
	if (!err) {
		p->draft.topic.present = true;
		memcpy(p->draft.topic.log, topic->log.data, DIGEST_LEN);
		memcpy(p->draft.topic.id, topic->id.data, ID_LEN);
		p->draft.topic.index = topic->index;
	}
	frames_free(&topics);
	return err;
}

/* The item with this id, and the thread's root, among the answer's. */
static int place_at(
    struct posting *p, const struct frames *frames, const char *hex, struct trouble *t)
{
	bool found = false, have_topic = false;

	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Items *m = (const Convene__Items *)frames->list[i];

		for (size_t j = 0; j < m->n_items; j++) {
			const Convene__Item *item = m->items[j];
			char id[2 * ID_LEN + 1];
			struct shown s;

			shown_open(&s, item, p->s.home.node.forum, NULL);
			hex_encode(id, s.id, ID_LEN);
			/* The thread stands in its root's topic (SPEC.md 13.2), so the answer names
			 * that one. */
			if (s.signature && s.header.topic.present && !have_topic &&
			    item->depth == 0 && !item->parent_missing) {
				p->draft.topic = s.header.topic;
				have_topic = true;
			}
			if (s.signature && s.header.kind == KIND_POST &&
			    strncmp(id, hex, strlen(hex)) == 0) {
				found = true;
				p->draft.parent = (struct ref){
				    .present = true, .index = item->index};
				memcpy(p->draft.parent.log, s.binding.digest, DIGEST_LEN);
				memcpy(p->draft.parent.id, s.id, ID_LEN);
				if (!have_topic)
					p->draft.topic = s.header.topic;
			}
			shown_clear(&s);
		}
	}
	return found ? OK
		     : trouble_set(t, ERR_NOTFOUND,
			   "there is no post %s here whose signature is good", hex);
}

static int place_under(struct posting *p, const char *text, struct trouble *t)
{
	struct frames frames = {NULL, 0};
	uint8_t id[ID_LEN];
	char hex[65];
	size_t len;
	uint64_t missing;
	int err = id_parse(id, &len, hex, text, "post", t);

	if (!err)
		err = ask_thread(&p->s, id, len, &frames, &missing, t);
	if (!err)
		err = place_at(p, &frames, hex, t);
	if (err == ERR_NOTFOUND && !t->hint[0])
		trouble_hint(t, "`convene read THREAD` shows the ids of its posts.");
	frames_free(&frames);
	return err;
}

/* ---- what it says ---- */

static int content_make(struct posting *p, struct trouble *t)
{
	struct content c = {.subject = buffer_bytes(&p->subject),
	    .text = buffer_bytes(&p->text),
	    .parts = p->attachments.list,
	    .part_count = p->attachments.count};
	int err = content_encode(&p->content, &c);

	if (!err && p->content.failed)
		err = ERR_NOMEM;
	if (err)
		return trouble_set(t, err,
		    err == ERR_INVALID ? "that is more than 256 attachments"
				       : "the content can't be made: %s",
		    error_text(err));
	p->draft.content = buffer_bytes(&p->content);
	return OK;
}

static int options_take(struct posting *p, const char *subject, struct trouble *t)
{
	const char *lang = option_value(p->in, "lang"), *spec;
	bool raw = option_given(p->in, "raw");
	int err = OK, pos = 0;

	if (lang && !lang_valid(bytes_str(lang))) {
		trouble_set(t, ERR_INVALID, "%.60s is no language tag", lang);
		trouble_hint(t,
		    "As en, fr-CA, zh-Hant, ar: at most 35 letters, digits and hyphens (BCP 47).");
		return ERR_INVALID;
	}
	if (lang)
		p->draft.lang = bytes_str(lang);
	if (subject)
		err = typed_add(&p->subject, bytes_str(subject),
		    p->draft.kind == KIND_TOPIC ? "the title" : "the subject", raw, t);
	if (!err && (memchr(p->subject.data ? p->subject.data : (const uint8_t *)"", '\n',
			 p->subject.len) ||
			(subject && p->subject.len == 0)))
		err = trouble_set(t, ERR_INVALID, "a %s is one line, and not empty",
		    p->draft.kind == KIND_TOPIC ? "title" : "subject");
	while (!err && (spec = option_next(p->in, "attach", &pos)))
		err = attachment_add(&p->attachments, spec, t);
	return err;
}

/* ---- on its way ---- */

static int report(const struct posting *p, const struct outcomes *all)
{
	const struct outcome *mine = NULL;
	uint32_t status = CONVENE__STATUS__STATUS_NONE;
	struct trouble t = {.err = OK};
	char id[9];

	id_short(id, p->id);
	for (size_t i = 0; i < all->count; i++) {
		if (memcmp(all->list[i].id, p->id, ID_LEN) == 0)
			mine = &all->list[i];
		else if (all->list[i].status == CONVENE__STATUS__REFUSED)
			fprintf(stderr,
			    "%s: an earlier message, %llu in the outbox, was refused: `convene "
			    "outbox` says why.\n",
			    p->in->program->name, (unsigned long long)all->list[i].sequence);
	}
	if (mine)
		status = mine->status;
	if (status == CONVENE__STATUS__REFUSED) {
		trouble_set(
		    &t, ERR_REFUSED, "the node refused your message %s: %s", id, mine->text);
		t.code = mine->code;
		trouble_hint(&t,
		    mine->kept ? "It is kept, and sent again with the next command."
			       : "It is kept among the refused ones: `convene outbox` shows them.");
	} else if (status == CONVENE__STATUS__STATUS_NONE) {
		trouble_set(&t, ERR_CLOSED,
		    "your message %s is signed and kept, and not sent yet: %.300s", id,
		    p->s.unreachable.err ? p->s.unreachable.text : "one before it was refused");
		trouble_hint(&t, "The next command sends it, or `convene outbox`.");
	}
	if (p->in->json) {
		json_t *o = t.err ? json_trouble(&t) : json_object();

		json_put(o, "id", json_hex(p->id, ID_LEN));
		json_put(o, "status", json_string(status_text(status)));
		if (status >= CONVENE__STATUS__SEALED)
			json_put(o, "index", json_integer((json_int_t)mine->index));
		json_print(o);
	} else if (status == CONVENE__STATUS__ACCEPTED) {
		print_sentence(
		    0, "%s is accepted: your node has it, and will put it into its log.", id);
	} else if (status >= CONVENE__STATUS__SEALED) {
		printf("%s stands in the log of %s at %llu.\n", id, p->s.home.node.organisation,
		    (unsigned long long)mine->index);
	}
	return t.err ? complain(p->in->program->name, &t) : EXIT_DONE;
}

static int sign_and_send(struct posting *p, int *code, struct trouble *t)
{
	struct outcomes all = {NULL, 0};
	struct outbox o;
	int err = home_lock(&p->s.home, true, t);

	if (!err)
		err = session_outbox(&p->s, &o, t);
	if (!err)
		err = draft_keep(&p->s, &o, &p->key, &p->draft, p->id, t);
	if (err)
		return err;
	/* Kept: from here on trouble is told, and nothing is lost. */
	if (p->s.client && outbox_flush(&p->s, &o, SEAL_WAIT_MS, &all, t) != OK) {
		p->s.unreachable = *t;
		complain(p->in->program->name, t);
	}
	*code = report(p, &all);
	outcomes_free(&all);
	return OK;
}

/* The middle of all three commands: write, then send. */
static int write_and_send(struct posting *p, bool wants_text, int *code, struct trouble *t)
{
	const char *file = option_value(p->in, "file");
	int err = OK;

	if (wants_text) {
		if (compose_by_editor(file))
			session_disconnect(&p->s);
		err = compose_read(&p->text, file, p->s.home.path, option_given(p->in, "raw"), t);
		if (!err && !p->s.client)
			session_connect(&p->s, t);
	}
	if (!err)
		err = content_make(p, t);
	if (!err) {
		err = sign_and_send(p, code, t);
		if (err && wants_text && (!file || strcmp(file, "-") == 0))
			compose_rescue(buffer_bytes(&p->text), p->s.home.path, t);
	}
	return err;
}

static int posting_run(const struct invocation *in, uint32_t kind)
{
	struct posting p = {.in = in, .draft.kind = kind};
	const char *subject = kind == KIND_TOPIC ? in->operands[0] : option_value(in, "subject");
	bool starts = strcmp(in->command->name, "post") == 0;
	struct trouble t;
	int code = EXIT_DONE, err;

	if (starts && !subject)
		return complain_usage(in->program->name, in->command->name,
		    "a post that begins a thread wants a --subject");
	/* A new topic can be signed without asking anybody; the other two need to see what they
	 * belong to. */
	err = session_open(&p.s, in, kind != KIND_TOPIC, &t);
	if (!err && p.s.home.state != HOME_ENROLLED) {
		err = trouble_set(&t, ERR_IO, "you are not enrolled yet");
		trouble_hint(&t,
		    p.s.home.state == HOME_JOINING
			? "Run `convene join` again with your invite."
			: "The operator has your request; `convene whoami` tells when it is done.");
	}
	if (!err)
		err = home_key(&p.s.home, &p.key, &t);
	if (!err)
		err = options_take(&p, subject, &t);
	if (!err && kind == KIND_POST)
		err = starts ? place_in_topic(&p, in->operands[0], &t)
			     : place_under(&p, in->operands[0], &t);
	if (err && kind == KIND_POST && exit_of(&t) == EXIT_UNREACHABLE)
		trouble_hint(&t, "Nothing is signed or kept: the node must first say what is answered. "
				 "Try again when it runs.");
	if (!err)
		err = write_and_send(&p, kind == KIND_POST || option_given(in, "file"), &code, &t);
	if (err)
		code = session_complain(in, &t);
	posting_free(&p);
	return code;
}

int cmd_topic(const struct invocation *in)
{
	return posting_run(in, KIND_TOPIC);
}

int cmd_post(const struct invocation *in)
{
	return posting_run(in, KIND_POST);
}

int cmd_reply(const struct invocation *in)
{
	return posting_run(in, KIND_POST);
}
