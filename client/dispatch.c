/* SPDX-License-Identifier: BSD-2-Clause */
/* From a text to a message that is signed, kept, sent, and told about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/posting.h"
#include "client/quote.h"
#include "client/terms.h"
#include "msg/body.h"

/* ---- the content ---- */

static bool same_text(struct bytes a, struct bytes b)
{
	while (a.len > 0 && a.data[a.len - 1] == '\n')
		a.len--;
	while (b.len > 0 && b.data[b.len - 1] == '\n')
		b.len--;
	return bytes_equal(a, b);
}

static bool something_else(const struct posting *p)
{
	const struct content *old = &p->at.content;
	struct bytes subject = buffer_bytes(&p->w.subject), lang = buffer_bytes(&p->w.lang);

	return (subject.len > 0 && !bytes_equal(subject, old->subject)) ||
	       (lang.len > 0 && !bytes_equal(lang, buffer_bytes(&p->at.lang))) ||
	       p->attachments.count > 0 || (p->w.parts == PARTS_DROP && old->part_count > 0);
}

int posting_check(struct posting *p, bool *same, struct trouble *t)
{
	struct bytes typed = buffer_bytes(&p->w.text);
	struct buffer quotation = BUFFER_INIT;
	bool untouched;
	int err;

	*same = false;
	if (p->w.act == ACT_AMEND) {
		struct bytes old = p->at.content.text;

		/* Nothing by a pipe, and something else to change: the text stays, with its very
		 * bytes, whatever normalisation would make of them. */
		if (same_text(typed, old) ||
		    (text_blank(typed) && p->w.number == 0 && something_else(p))) {
			*same = !something_else(p);
			buffer_add(&p->ready, old.data, old.len);
			return p->ready.failed ? no_memory(t) : OK;
		}
	}
	if (text_blank(typed) && p->w.act != ACT_TOPIC &&
	    !(p->w.act == ACT_AMEND && p->at.kind == KIND_TOPIC)) {
		trouble_set(t, ERR_TEXT, "nothing was written, so nothing is sent");
		if (p->w.act == ACT_AMEND)
			trouble_hint(t, "`convene erase` erases a message.");
		return ERR_TEXT;
	}
	posting_quotation(p, &quotation);
	untouched = quotation.len > 0 && quote_untouched(buffer_bytes(&quotation), typed);
	buffer_free(&quotation);
	if (untouched)
		return trouble_set(
		    t, ERR_TEXT, "nothing was added to the quotation, so nothing is sent");
	err = typed_add(&p->ready, typed, "the text", p->w.raw, t);
	if (!err && p->w.act == ACT_AMEND && same_text(buffer_bytes(&p->ready), p->at.content.text))
		*same = !something_else(p);
	return err;
}

static int encode(struct posting *p, const struct content *c, struct trouble *t)
{
	int err = content_encode(&p->content, c);

	if (!err && p->content.failed)
		err = ERR_NOMEM;
	if (err)
		return trouble_set(t, err,
		    err == ERR_INVALID ? "that is more than 256 attachments"
				       : "the content can't be made: %s",
		    error_text(err));
	p->draft.content = buffer_bytes(&p->content);
	return terms_check(&p->s, p->draft.kind, p->content.len, t);
}

static int content_make(struct posting *p, struct trouble *t)
{
	struct content c = {.subject = buffer_bytes(&p->w.subject),
	    .text = buffer_bytes(&p->ready),
	    .parts = p->attachments.list,
	    .part_count = p->attachments.count};

	return encode(p, &c, t);
}

/* All that the content in force has, but for what is to change. */
static int content_amend(struct posting *p, struct trouble *t)
{
	struct content c = p->at.content;
	const struct attachments *fresh = &p->attachments;
	bool keep = p->w.parts == PARTS_KEEP || (p->w.parts == PARTS_DEFAULT && fresh->count == 0);
	struct target_body body = {.target = p->at.at};
	size_t kept = keep ? c.part_count : 0;
	struct content_part *parts = calloc(kept + fresh->count + 1, sizeof *parts);
	int err;

	body.target.index = 0; /* no hint in a body */
	if (!parts)
		return no_memory(t);
	if (kept > 0)
		memcpy(parts, c.parts, kept * sizeof *parts);
	if (fresh->count > 0)
		memcpy(parts + kept, fresh->list, fresh->count * sizeof *parts);
	c.parts = parts;
	c.part_count = kept + fresh->count;
	c.text = buffer_bytes(&p->ready);
	if (p->w.subject.len > 0)
		c.subject = buffer_bytes(&p->w.subject);
	err = encode(p, &c, t);
	free(parts);
	if (!err && amend_body_encode(&p->body, &body) != OK)
		err = trouble_set(t, ERR_INVALID, "the amendment can't be made");
	p->draft.body = buffer_bytes(&p->body);
	return err;
}

int posting_content(struct posting *p, struct trouble *t)
{
	return p->w.act == ACT_AMEND ? content_amend(p, t) : content_make(p, t);
}

/* ---- telling ---- */

static const struct outcome *outcome_of(const struct posting *p, const struct outcomes *all)
{
	const struct outcome *mine = NULL;

	for (size_t i = 0; i < all->count; i++) {
		if (memcmp(all->list[i].id, p->id, ID_LEN) == 0)
			mine = &all->list[i];
		else if (all->list[i].status == CONVENE__STATUS__REFUSED && !all->list[i].kept)
			remark(p->in->program->name,
			    "an earlier message, %llu in the outbox, was refused: `convene outbox` "
			    "says why",
			    (unsigned long long)all->list[i].sequence);
	}
	return mine;
}

/* Whether one's own log takes nothing in, as the node tells. */
static bool is_halted(const struct posting *p)
{
	struct frames frames = {NULL, 0};
	bool disputed = false;
	struct trouble t;

	if (!p->s.client || client_logs(p->s.client, &frames, &t) != OK)
		return false;
	for (size_t i = 0; i < frames.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)frames.list[i];

		for (size_t j = 0; j < m->n_logs; j++)
			disputed |= m->logs[j]->state == CONVENE__LOG_STATE__DISPUTED &&
				    bytes_equal(bytes_of_pb(m->logs[j]->name),
					bytes_str(p->s.home.log_name));
	}
	frames_free(&frames);
	return disputed;
}

static void done_print(const struct posting *p, uint32_t status, uint64_t index)
{
	char id[9], target[9];

	id_short(id, p->id);
	id_short(target, p->at.at.id);
	if (status == CONVENE__STATUS__ACCEPTED && is_halted(p))
		print_sentence(0,
		    "%s is accepted: your node has it, but its log is disputed, and takes nothing "
		    "in. When %s begins another log, `convene outbox --again all` signs for that "
		    "what has waited. The operator knows more.",
		    id, p->s.home.node.organisation);
	else if (status == CONVENE__STATUS__ACCEPTED)
		print_sentence(
		    0, "%s is accepted: your node has it, and will put it into its log.", id);
	else
		printf("%s stands in the log of %s at %llu.\n", id, p->s.home.node.organisation,
		    (unsigned long long)index);
	if (p->draft.kind == KIND_AMEND)
		print_sentence(0, "%s is shown with the new text from now on.", target);
	if (p->draft.kind == KIND_ERASE)
		print_sentence(0,
		    p->at.kind == KIND_AMEND ? "The text before %s is shown again."
					     : "%s is shown as erased from now on.",
		    target);
	if (p->draft.kind == KIND_ERASE)
		print_sentence(0,
		    "`convene erase --status %s` shows which organisations have confirmed that it "
		    "is gone.",
		    target);
}

static int report(const struct posting *p, const struct outcomes *all)
{
	const struct outcome *mine = outcome_of(p, all);
	uint32_t status = mine ? mine->status : CONVENE__STATUS__STATUS_NONE;
	bool meant = status == CONVENE__STATUS__STATUS_NONE && p->s.offline;
	struct trouble t = {.err = OK};
	char id[9];

	id_short(id, p->id);
	if (status == CONVENE__STATUS__REFUSED) {
		trouble_set(
		    &t, ERR_REFUSED, "the node refused your message %s: %s", id, mine->text);
		t.code = mine->code;
		trouble_hint(&t,
		    mine->kept ? "It is kept, and sent again with the next command."
			       : "It is kept among the refused ones: `convene outbox` shows them.");
	} else if (meant) {
		remark(p->in->program->name,
		    "your message %s is signed and kept; it is sent when the node can be reached",
		    id);
	} else if (status == CONVENE__STATUS__STATUS_NONE) {
		trouble_set(&t, ERR_CLOSED,
		    "your message %s is signed and kept, and not sent yet: %.300s", id,
		    p->s.unreachable.err ? p->s.unreachable.text : "one before it was refused");
		trouble_hint(&t, "%s",
		    p->s.unreachable.err
			? "It is sent when the node can be reached: by the next "
			  "command, or `convene outbox`."
			: "It is sent behind that one; `convene outbox` shows both.");
	}
	if (p->in->json) {
		json_t *o = t.err ? json_trouble(&t) : json_object();

		json_put(o, "id", json_hex(p->id, ID_LEN));
		json_put(o, "status", json_string(status_text(status)));
		if (status >= CONVENE__STATUS__SEALED)
			json_put(o, "index", json_integer((json_int_t)mine->index));
		if (p->draft.kind == KIND_AMEND || p->draft.kind == KIND_ERASE)
			json_put(o, "target", json_hex(p->at.at.id, ID_LEN));
		json_print(o);
	} else if (status >= CONVENE__STATUS__ACCEPTED) {
		done_print(p, status, mine->index);
	}
	return t.err ? complain(p->in->program->name, &t) : EXIT_DONE;
}

/* ---- signing and sending ---- */

/* The draft tells which message it has become, before that can be sent. */
static int draft_mark(
    void *ctx, uint64_t sequence, const uint8_t id[static ID_LEN], struct trouble *t)
{
	struct posting *p = ctx;

	if (p->w.number == 0)
		return OK;
	p->w.sequence = sequence;
	memcpy(p->w.id, id, ID_LEN);
	return writing_save(&p->w, t);
}

int posting_dispatch(struct posting *p, int *code, struct trouble *t)
{
	struct outcomes all = {NULL, 0};
	struct outbox o;
	int err = home_key(&p->s.home, &p->key, t);

	if (!err)
		err = home_lock(&p->s.home, true, t);
	if (!err)
		err = session_outbox(&p->s, &o, t);
	p->draft.before = draft_mark;
	p->draft.ctx = p;
	if (!err)
		err = draft_keep(&p->s, &o, &p->key, &p->draft, p->id, t);
	if (err)
		return err;
	/* Kept: from here on trouble is told, and nothing is lost. */
	if (writing_drop(&p->w, t) != OK)
		complain(p->in->program->name, t);
	if (p->s.client && outbox_flush(&p->s, &o, SEAL_WAIT_MS, &all, t) != OK) {
		p->s.unreachable = *t;
		complain(p->in->program->name, t);
	}
	*code = report(p, &all);
	outcomes_free(&all);
	return OK;
}

int posting_send(struct posting *p, int *code, bool *same, struct trouble *t)
{
	struct trouble second;
	int err = posting_check(p, same, t);

	if (!err && *same) {
		writing_drop(&p->w, &second);
		return OK;
	}
	p->draft.lang = buffer_bytes(
	    p->w.act == ACT_AMEND && p->w.lang.len == 0 ? &p->at.lang : &p->w.lang);
	/* The editor may have had an hour. */
	if (!err && !p->s.client && !p->s.offline && session_connect(&p->s, &second) == OK)
		p->s.unreachable.err = OK;
	if (!err)
		err = posting_content(p, t);
	return err ? err : posting_dispatch(p, code, t);
}
