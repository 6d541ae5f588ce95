/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message for our own log must be to be accepted, and why it is refused (admit.h). */
#include "daemon/relay/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/ingest.h"
#include "daemon/relay/moderate.h"

bool submission_set(
    struct submission *s, struct bytes message, struct bytes salt, struct bytes content)
{
	buffer_add(&s->message, message.data, message.len);
	buffer_add(&s->content, content.data, content.len);
	if (salt.len == SALT_LEN)
		memcpy(s->salt, salt.data, SALT_LEN);
	return !s->message.failed && !s->content.failed;
}

void submission_clear(struct submission *s)
{
	buffer_free(&s->message);
	buffer_free(&s->content);
	free(s->why);
}

void submission_verify(struct submission *s, const struct binding *b, bool refused)
{
	struct bytes message = buffer_bytes(&s->message);

	s->parsed = message_parse(message, &s->header);
	if (s->parsed)
		return;
	message_id(s->id, message, b);
	s->signature = refused ? ERR_SIGNATURE : message_verify(message, b, s->header.signer);
	s->committed = OK;
	if (s->signature == OK && s->header.has_commitment)
		s->committed = s->content.len > 0 ? content_check(&s->header, b, s->salt,
							buffer_bytes(&s->content))
						  : ERR_NOTFOUND;
	else if (s->content.len > 0)
		s->committed = ERR_COMMITMENT;
}

void submission_refuse(struct submission *s, uint32_t code, const char *text)
{
	s->status = CONVENE__STATUS__REFUSED;
	s->code = code;
	s->text = text;
}

static void refuse_parse(struct submission *s)
{
	switch (s->parsed) {
	case ERR_TOO_LARGE:
		submission_refuse(s, CONVENE__CODE__TOO_LARGE, "the message is over 2,048 bytes");
		break;
	case ERR_VERSION:
		submission_refuse(s, CONVENE__CODE__VERSION,
		    "the message has an envelope version that this node does not speak (it speaks "
		    "1)");
		break;
	case ERR_NOT_CANONICAL:
		submission_refuse(s, CONVENE__CODE__MALFORMED,
		    "the message's header is not in the one accepted encoding");
		break;
	default:
		submission_refuse(s, CONVENE__CODE__MALFORMED, "the message does not parse");
	}
}

static void refuse_verdict(struct submission *s, const struct verdict *v)
{
	switch (v->why) {
	case ERR_NOT_ENROLLED:
		submission_refuse(s, CONVENE__CODE__NOT_ENROLLED,
		    "the signer is not enrolled at this organisation");
		break;
	case ERR_REVOKED:
		submission_refuse(s, CONVENE__CODE__REVOKED, "the signer's key was revoked");
		break;
	case ERR_SEQUENCE:
		submission_refuse(s, CONVENE__CODE__SEQUENCE,
		    "another message of this signer has that sequence or a higher one");
		break;
	case ERR_TOO_LARGE:
		submission_refuse(
		    s, CONVENE__CODE__TOO_LARGE, "the content is over the forum's limit");
		break;
	case ERR_UNKNOWN_KIND:
		submission_refuse(
		    s, CONVENE__CODE__UNKNOWN_KIND, "this node does not know that kind of message");
		break;
	default:
		submission_refuse(s, CONVENE__CODE__WRONG_SIGNER,
		    v->valid ? "a message of this kind by this signer would have no effect"
			     : "the message is not valid in this log");
	}
}

/* Who may write, and what is there to be amended, may stand in a part of our log that we have yet
 * to get back: such a refusal would be for ever, and wrong. */
static bool refuse_unsure(const struct relay *r, struct submission *s)
{
	if (r->learning)
		submission_refuse(s, CONVENE__CODE__BUSY,
		    "this node is still asking its peers what of its log it lacks; try again "
		    "later");
	return r->learning;
}

/* An AMEND or ERASE: is there something that it may be about? */
static bool refuse_target(struct relay *r, struct submission *s, const struct verdict *v)
{
	const char *text = NULL;
	uint32_t code = 0;

	if (s->header.kind == KIND_AMEND || s->header.kind == KIND_ERASE)
		code = amend_check(r, &s->header, v, buffer_bytes(&s->content), &text);
	if (!code)
		return false;
	if (refuse_unsure(r, s))
		return true;
	s->why = strdup(text);
	submission_refuse(s, code, s->why ? s->why : "out of memory");
	return true;
}

/* Of somebody suspended nothing is taken that says something; what ends something is (13.6). */
static bool refuse_suspended(struct relay *r, struct submission *s, const struct verdict *v)
{
	uint32_t kind = s->header.kind;
	const char *reason = NULL;
	char text[MODERATE_REASON_MAX + 80];

	if (v->class == SIGNER_DEVICE &&
	    (kind == KIND_TOPIC || kind == KIND_POST || kind == KIND_AMEND))
		reason = moderate_suspended(r, v->identity);
	if (!reason)
		return false;
	snprintf(text, sizeof text, "this node's operator has suspended you: %s", reason);
	s->why = strdup(text);
	submission_refuse(s, CONVENE__CODE__SUSPENDED, s->why ? s->why : "out of memory");
	return true;
}

void submission_admit(struct relay *r, struct submission *s, bool trusted)
{
	struct roster_entry e = {
	    .index = r->next_index, .message = buffer_bytes(&s->message), .header = &s->header};
	const struct signer *signer;
	struct verdict v;

	if (s->parsed) {
		refuse_parse(s);
		return;
	}
	if (s->signature) {
		submission_refuse(s, CONVENE__CODE__BAD_SIGNATURE,
		    "the signature does not verify for this forum and log");
		return;
	}
	if (r->orphan && refuse_unsure(r, s))
		return;
	signer = roster_signer(r->roster, s->header.signer);
	if (signer && s->header.sequence <= signer->sequence) {
		/* Perhaps the same again: then the same answer, or a later one. */
		s->status = (uint32_t)inbox_status(r, s->id, &s->index);
		if (s->status == CONVENE__STATUS__STATUS_NONE && r->own->folded < r->recall)
			submission_refuse(s, CONVENE__CODE__BUSY,
			    "this node is still reading what it has accepted; try again later");
		else if (s->status == CONVENE__STATUS__STATUS_NONE && !refuse_unsure(r, s))
			submission_refuse(s, CONVENE__CODE__SEQUENCE,
			    "another message of this signer has that sequence or a higher one");
		return;
	}
	if (s->header.time > clock_wall_ms() + FUTURE_MS) {
		submission_refuse(s, CONVENE__CODE__IN_THE_FUTURE,
		    "the message is dated more than ten minutes ahead; is the clock right?");
		return;
	}
	memcpy(e.id, s->id, ID_LEN);
	roster_check(r->roster, &e, &v);
	if (!v.valid || !v.effect) {
		if (v.why == ERR_TOO_LARGE || v.why == ERR_UNKNOWN_KIND || !refuse_unsure(r, s))
			refuse_verdict(s, &v);
		return;
	}
	if (refuse_suspended(r, s, &v))
		return;
	if (s->content.len > r->charter->content_limit) {
		submission_refuse(
		    s, CONVENE__CODE__TOO_LARGE, "the content is over the forum's limit");
	} else if (s->committed == ERR_NOTFOUND) {
		submission_refuse(s, CONVENE__CODE__NO_CONTENT,
		    "the content that the message commits to is missing");
	} else if (s->committed) {
		submission_refuse(s, CONVENE__CODE__BAD_COMMITMENT,
		    "content and salt are not those that the message commits to");
	} else if (refuse_target(r, s, &v)) {
		return;
	} else if (r->stopping) {
		submission_refuse(s, CONVENE__CODE__SHUTTING_DOWN, "this node is stopping");
	} else if (r->inbox_count >= r->conf->limits.inbox) {
		submission_refuse(
		    s, CONVENE__CODE__BUSY, "too many messages wait to be sealed; try again later");
	} else if (r->read_only || !inbox_room(r)) {
		submission_refuse(s, CONVENE__CODE__READ_ONLY,
		    "the node's disk is nearly full: it takes no posts until its operator makes "
		    "room");
	} else if (!trusted && v.class == SIGNER_DEVICE &&
		   !quota_take(r, v.identity, clock_mono_ms())) {
		submission_refuse(s, CONVENE__CODE__QUOTA,
		    "too many messages from this participant in an hour; try again later");
	} else if (roster_judge(r->roster, &e, &v) != OK) {
		submission_refuse(s, CONVENE__CODE__INTERNAL, "out of memory");
	} else {
		s->status = CONVENE__STATUS__ACCEPTED;
		r->next_index++;
	}
}
