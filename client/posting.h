/* SPDX-License-Identifier: BSD-2-Clause */
/* A message on its way: written, made into a content, signed, kept, sent, and told about. What
 * topic, post, reply, amend, erase and `drafts send` have in common. One owner, main thread.
 *
 * The order keeps a text from being lost or sent twice. It is in a draft while an editor has it;
 * when anything fails before it is signed, it stays there, or becomes one. Once signed and in the
 * outbox the message is what counts, and the draft goes. */
#ifndef CLIENT_POSTING_H
#define CLIENT_POSTING_H

#include "client/compose.h"
#include "client/drafts.h"
#include "client/place.h"
#include "client/session.h"

struct posting {
	const struct invocation *in;
	struct session s;
	struct writing w;
	bool fleeting; /* the text is nowhere but here: keep it when something fails */
	bool placed;   /* `at` is known */
	struct place at;
	struct draft draft;
	struct key key;
	struct attachments attachments;
	struct buffer ready; /* the text, checked and normalised */
	struct buffer body, content;
	uint8_t id[ID_LEN];
};

/* Options into a writing: ERR_INVALID, ERR_TEXT… Needs no node. */
int posting_options(struct posting *p, const char *subject, struct trouble *t);
/* Find what it belongs to. With `leave` set, that it can't be known now is no failure, and
 * p->placed stays false. */
int posting_place(struct posting *p, bool leave, struct trouble *t);
/* `at` has been filled in: check that it suits, and take it. */
int posting_placed(struct posting *p, struct trouble *t);
/* The text, from file, standard input or editor, with a quotation or the text that is to be
 * amended. */
int posting_write(struct posting *p, struct trouble *t);
/* What was written, checked, into p->ready; or why it isn't worth sending: ERR_TEXT. `*same`: an
 * amendment that changes nothing. */
int posting_check(struct posting *p, bool *same, struct trouble *t);
/* p->ready and the rest into an encoded content and a body; with an amendment, all that is in force
 * and isn't changed: mentions, attachments, and where it was imported from. */
int posting_content(struct posting *p, struct trouble *t);
/* Check that there is something to say, make the content, sign, keep and send. `*code` upon OK.
 * `*same`: nothing was changed, so nothing was done. */
int posting_send(struct posting *p, int *code, bool *same, struct trouble *t);
/* Of what is complete in p->draft: sign, keep, send and tell. */
int posting_dispatch(struct posting *p, int *code, struct trouble *t);
/* Keep the text as a draft when nobody else has it; the hint says so. */
void posting_rescue(struct posting *p, struct trouble *t);
/* Whether one may send at all: ERR_IO and what to do. */
int posting_enrolled(const struct posting *p, struct trouble *t);
void posting_free(struct posting *p);

/* What the answer to a post begins with; empty when there is nothing to quote. */
void posting_quotation(const struct posting *p, struct buffer *out);

#endif
