/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a person means to a text and what it belongs to. */
#include "client/posting.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/quote.h"

#define ABOUT_MAX 120 /* bytes */

void posting_free(struct posting *p)
{
	key_wipe(&p->key);
	writing_free(&p->w);
	place_clear(&p->at);
	attachments_free(&p->attachments);
	buffer_free(&p->ready);
	buffer_free(&p->body);
	buffer_free(&p->content);
	session_close(&p->s);
}

int posting_enrolled(const struct posting *p, struct trouble *t)
{
	if (p->s.home.state == HOME_ENROLLED)
		return OK;
	trouble_set(t, ERR_IO, "this device is not enrolled yet");
	enrol_hint(&p->s.home, t);
	return ERR_IO;
}

/* ---- options ---- */

/* A draft is sent from another folder, perhaps. */
static int attach_add(struct posting *p, const char *spec, struct trouble *t)
{
	char folder[PATH_LEN] = "";

	if (strchr(spec, '\n'))
		return trouble_set(
		    t, ERR_INVALID, "a file's name with a line break can't be attached");
	if (spec[0] != '/' && !getcwd(folder, sizeof folder))
		return trouble_errno(t, "the present folder can't be told");
	buffer_printf(&p->w.attach, "%s%s%s\n", folder, folder[0] ? "/" : "", spec);
	return attachment_add(&p->attachments, spec, t);
}

int posting_options(struct posting *p, const char *subject, struct trouble *t)
{
	const char *lang = option_value(p->in, "lang"), *spec;
	const char *what = p->w.act == ACT_TOPIC ? "title" : "subject";
	char the[16];
	int err = OK, pos = 0;

	p->w.raw = option_given(p->in, "raw");
	if (option_given(p->in, "keep-attachments"))
		p->w.parts = PARTS_KEEP;
	if (option_given(p->in, "no-attachments"))
		p->w.parts = PARTS_DROP;
	if (lang && !lang_valid(bytes_str(lang))) {
		trouble_set(t, ERR_INVALID, "%.60s is no language tag", lang);
		trouble_hint(t,
		    "As en, fr-CA, zh-Hant, ar: at most 35 letters, digits and hyphens (BCP 47).");
		return ERR_INVALID;
	}
	if (lang)
		buffer_add_str(&p->w.lang, lang);
	snprintf(the, sizeof the, "the %s", what);
	if (subject)
		err = typed_add(&p->w.subject, bytes_str(subject), the, p->w.raw, t);
	if (!err && subject && (p->w.subject.len == 0 || strchr(subject, '\n')))
		err = trouble_set(t, ERR_INVALID, "a %s is one line, and not empty", what);
	while (!err && (spec = option_next(p->in, "attach", &pos)))
		err = attach_add(p, spec, t);
	return err;
}

/* ---- what it belongs to ---- */

static int suits(const struct posting *p, struct trouble *t)
{
	const struct place *at = &p->at;
	char id[9];

	id_short(id, at->at.id);
	if (p->w.act == ACT_POST)
		return OK;
	if (at->kind == KIND_AMEND) {
		char post[9];

		trouble_set(t, ERR_NOTFOUND, "%s is an amendment of %s, not a post", id,
		    id_short(post, at->target.id));
		trouble_hint(t, "Give %s.", post);
		return ERR_NOTFOUND;
	}
	if (p->w.act == ACT_REPLY && at->kind != KIND_POST) {
		trouble_set(t, ERR_NOTFOUND, "%s is a topic, not a post", id);
		trouble_hint(t, "`convene post %s --subject …` begins a thread in it.", id);
		return ERR_NOTFOUND;
	}
	if (p->w.act != ACT_AMEND)
		return OK;
	if (!at->own) {
		trouble_set(
		    t, ERR_REFUSED, "%s is not yours: only who wrote a message can amend it", id);
		if (at->kind == KIND_POST)
			trouble_hint(t, "`convene reply %s` answers it.", id);
		return ERR_REFUSED;
	}
	if (at->erased)
		return trouble_set(t, ERR_NOTFOUND, "%s was erased: there is nothing to amend", id);
	if (!at->has_content) {
		trouble_set(
		    t, ERR_NOTFOUND, "the text of %s is not here, so it can't be amended", id);
		trouble_hint(t, "Try again when the node has it: `convene read %s` tells.", id);
		return ERR_NOTFOUND;
	}
	return OK;
}

static void about_set(struct posting *p)
{
	const struct content *c = &p->at.content;

	buffer_reset(&p->w.about);
	if (p->at.has_content)
		text_line(&p->w.about,
		    text_head(
			text_first_line(c->subject.len > 0 ? c->subject : c->text), ABOUT_MAX));
}

int posting_place(struct posting *p, bool leave, struct trouble *t)
{
	int err;

	if (p->w.act == ACT_TOPIC)
		return OK;
	err = p->w.act == ACT_POST ? place_topic(&p->s, buffer_str(&p->w.to), &p->at, t)
				   : place_find(&p->s, buffer_str(&p->w.to), &p->at, t);
	if (err && leave && exit_of(t) == EXIT_UNREACHABLE)
		return OK;
	return err ? err : posting_placed(p, t);
}

int posting_placed(struct posting *p, struct trouble *t)
{
	char hex[2 * ID_LEN + 1];
	int err = suits(p, t);

	if (err)
		return err;
	p->placed = true;
	hex_encode(hex, p->at.at.id, ID_LEN);
	buffer_reset(&p->w.to);
	buffer_add_str(&p->w.to, hex);
	about_set(p);
	p->draft.kind = p->w.act == ACT_AMEND ? KIND_AMEND : KIND_POST;
	if (p->w.act == ACT_POST)
		p->draft.topic = p->at.at;
	if (p->w.act == ACT_REPLY) {
		p->draft.topic = p->at.topic;
		p->draft.parent = p->at.at;
	}
	return OK;
}

/* ---- what it says ---- */

void posting_quotation(const struct posting *p, struct buffer *out)
{
	if (p->placed && p->w.act == ACT_REPLY && p->at.has_content && !p->at.erased)
		quote_add(out, buffer_bytes(&p->at.author), p->at.time, p->at.content.text);
}

static void text_set(struct posting *p, const struct buffer *front, const struct buffer *text)
{
	buffer_reset(&p->w.text);
	buffer_add(&p->w.text, front->data, front->len);
	if (front->len > 0 && front->data[front->len - 1] != '\n')
		buffer_add_u8(&p->w.text, '\n');
	if (front->len > 0 && p->w.act == ACT_REPLY)
		buffer_add_u8(&p->w.text, '\n');
	if (text)
		buffer_add(&p->w.text, text->data, text->len);
}

/* Whether what the editor left is worth keeping: not when it is empty, or what it was given. */
static bool worthless(const struct posting *p, const struct buffer *front, bool failed)
{
	struct bytes text = buffer_bytes(&p->w.text);
	bool unchanged = front->len > 0 && quote_untouched(buffer_bytes(front), text);

	if (p->w.act == ACT_AMEND)
		return (text_blank(text) && p->at.kind != KIND_TOPIC) || (failed && unchanged);
	return text_blank(text) || unchanged;
}

static int by_editor(struct posting *p, const struct buffer *front, struct trouble *t)
{
	struct trouble second;
	int err;

	text_set(p, front, NULL);
	session_disconnect(&p->s);
	err = p->w.text.failed ? no_memory(t) : writing_save(&p->w, t);
	if (err)
		return err;
	err = writing_edit(&p->w, t);
	if (!worthless(p, front, err != OK))
		return err;
	if (!err) {
		err = trouble_set(t, ERR_TEXT,
		    text_blank(buffer_bytes(&p->w.text))
			? "nothing was written, so nothing is sent"
			: "nothing was added to the quotation, so nothing is sent");
		if (p->w.act == ACT_AMEND)
			trouble_hint(t, "`convene erase` erases a message.");
	}
	writing_drop(&p->w, &second);
	return err;
}

int posting_write(struct posting *p, struct trouble *t)
{
	const char *file = option_value(p->in, "file");
	bool editor = compose_by_editor(file);
	struct buffer front = BUFFER_INIT, typed = BUFFER_INIT;
	char id[9];
	int err = OK;

	if (p->w.act == ACT_AMEND)
		buffer_add(&front, p->at.content.text.data, p->at.content.text.len);
	else if (editor ? !option_given(p->in, "no-quote") : option_given(p->in, "quote"))
		posting_quotation(p, &front);
	if (option_given(p->in, "quote") && front.len == 0)
		remark(p->in->program->name,
		    "there is no text here to quote; the answer goes without");
	if (p->w.act == ACT_REPLY && p->placed && p->at.erased)
		remark(p->in->program->name,
		    "%s was erased; your answer stands below it all the same",
		    id_short(id, p->at.at.id));
	if (p->w.act == ACT_TOPIC && !file)
		;
	else if (editor)
		err = by_editor(p, &front, t);
	else
		err = compose_take(&typed, file, t);
	if (!editor && !err) {
		/* A file of one's own is not lost; what came by a pipe is nowhere else. */
		p->fleeting = !file || strcmp(file, "-") == 0;
		if (p->w.act == ACT_AMEND)
			buffer_reset(&front);
		if (text_blank(buffer_bytes(&typed)))
			buffer_reset(&front);
		text_set(p, &front, &typed);
		if (p->w.text.failed)
			err = no_memory(t);
	}
	if (err && p->w.number > 0)
		p->fleeting = true;
	buffer_free(&front);
	buffer_free(&typed);
	return err;
}

void posting_rescue(struct posting *p, struct trouble *t)
{
	struct trouble second;
	char before[sizeof t->hint];

	if (p->w.number == 0 && (!p->fleeting || text_blank(buffer_bytes(&p->w.text))))
		return;
	if (p->w.number == 0 && writing_save(&p->w, &second) != OK)
		return;
	memcpy(before, t->hint, sizeof before);
	trouble_hint(t,
	    "Your text is kept as draft %llu: `convene drafts send %llu` tries again.%s%s",
	    (unsigned long long)p->w.number, (unsigned long long)p->w.number, before[0] ? " " : "",
	    before);
}
