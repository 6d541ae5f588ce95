/* SPDX-License-Identifier: BSD-2-Clause */
/* What an AMEND or ERASE for our own log is about (SPEC.md 6.2): a message that the views know, or
 * one that was accepted and isn't in the views yet. lib/forum decides what may be done to it. */
#include "forum/amend.h"

#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"
#include "msg/body.h"

/* The same of a message that waits: what was accepted has an effect. */
static int target_waiting(struct relay *r, const struct ref *ref, struct target *out)
{
	struct waiting *w = inbox_find(r, ref->id);
	const struct signer *signer;
	struct enrol_body b;
	struct header h;

	if (!w || memcmp(ref->log, r->node->binding.digest, DIGEST_LEN) != 0 ||
	    message_parse(buffer_bytes(&w->message), &h) != OK)
		return ERR_NOTFOUND;
	*out = (struct target){.kind = h.kind, .log_no = r->own->no, .index = w->index};
	memcpy(out->id, w->id, ID_LEN);
	if (h.kind == KIND_ENROL && enrol_body_parse(h.body, &b) == OK) {
		out->has_identity = true;
		out->first = !b.has_endorsement && !b.recovery;
		memcpy(out->identity, b.identity, IDENTITY_LEN);
		return OK;
	}
	signer = roster_signer(r->roster, h.signer);
	if (signer && signer->class == SIGNER_DEVICE) {
		out->has_identity = true;
		memcpy(out->identity, signer->identity, IDENTITY_LEN);
	}
	return OK;
}

static bool is_erased(struct relay *r, const struct target *t)
{
	for (const struct waiting *w = r->inbox; w; w = w->next) {
		if (w->kind == KIND_ERASE && memcmp(w->target, t->id, ID_LEN) == 0)
			return true;
	}
	return t->erasure != 0;
}

/* The profile that is shown when this AMEND is erased. ERR_NOTFOUND: nothing changes, or there is
 * none. */
static int profile_before(struct relay *r, const uint8_t id[static ID_LEN], struct buffer *content)
{
	struct target before;
	int err = target_restored(r->reader, id, &before);

	if (!err && before.kind != KIND_ENROL)
		err = ERR_NOTFOUND;
	if (!err)
		err = r->reader->ops->content_get(
		    r->reader, before.log_no, before.index, before.id, NULL, content);
	return !err && content->failed ? ERR_NOMEM : err;
}

void amend_claim(struct relay *r, struct waiting *w, const struct header *h)
{
	struct buffer content = BUFFER_INIT;
	struct target_body b;
	struct target t;

	if (erase_body_parse(h->body, &b) != OK ||
	    target_find(r->reader, r->own->no, &b.target, &t) != OK || t.about_kind != KIND_ENROL)
		return;
	w->restores = true;
	if (profile_before(r, t.id, &content) == OK)
		handle_claim(r, w, h, buffer_bytes(&content));
	buffer_free(&content);
}

/* Whether an ERASE that changes which of somebody's profiles comes back isn't in the views yet:
 * until then there is no telling what another one brings back. */
static bool is_restoring(struct relay *r, const uint8_t identity[static IDENTITY_LEN])
{
	for (const struct waiting *w = r->inbox; w; w = w->next) {
		if (w->restores && (!w->sealed || w->index >= r->own->folded) &&
		    memcmp(w->identity, identity, IDENTITY_LEN) == 0)
			return true;
	}
	return false;
}

/* The handle that comes back when its author erases a profile's amendment: somebody else may have
 * it by now. A registrar isn't asked: that what must go can go comes first. */
static uint32_t restored_check(struct relay *r, const struct target *t,
    const uint8_t identity[static IDENTITY_LEN], const char **text)
{
	static char line[300];
	char handle[HANDLE_MAX + 1] = "", skeleton[SKELETON_MAX + 1] = "";
	struct buffer content = BUFFER_INIT;
	const char *why = NULL;

	if (t->about_kind == KIND_ENROL && is_restoring(r, identity)) {
		*text = "another erasure of a profile is still on its way; try again in a moment";
		return CONVENE__CODE__BUSY;
	}
	if (profile_before(r, t->id, &content) == OK)
		why = handle_check(r, buffer_bytes(&content), identity, handle, skeleton);
	buffer_free(&content);
	if (!why)
		return CONVENE__CODE__CODE_NONE;
	snprintf(line, sizeof line, "the profile before it can't come back: %s", why);
	*text = line;
	return CONVENE__CODE__HANDLE;
}

uint32_t amend_check(struct relay *r, const struct header *h, const struct verdict *v,
    struct bytes content, const char **text)
{
	char handle[HANDLE_MAX + 1] = "", skeleton[SKELETON_MAX + 1] = "";
	bool amend = h->kind == KIND_AMEND;
	struct target_body b;
	struct target t;
	int err = change_body_parse(h, &b);

	if (r->own->folded < r->recall) {
		*text = "this node is still reading what it holds; try again later";
		return CONVENE__CODE__BUSY;
	}
	if (!err)
		err = target_find(r->reader, r->own->no, &b.target, &t);
	if (err == ERR_NOTFOUND)
		err = target_waiting(r, &b.target, &t);
	if (err == ERR_NOTFOUND) {
		*text = amend ? "the message to amend is not in this log"
			      : "the message to erase is not in this log";
		return CONVENE__CODE__NOT_FOUND;
	}
	if (!err)
		err = target_judge(&t, h->kind, v->class, v->identity);
	if (err == ERR_UNKNOWN_KIND) {
		*text = amend ? "only posts, topics and profiles can be amended"
			      : "only posts, topics, profiles and amendments can be erased";
		return CONVENE__CODE__NOT_FOUND;
	}
	if (err == ERR_REFUSED) {
		*text = amend ? "only its author can amend a message"
			      : "only its author, or the registrar, can erase a message";
		return CONVENE__CODE__WRONG_SIGNER;
	}
	if (err) {
		*text = error_text(err);
		return CONVENE__CODE__INTERNAL;
	}
	/* A profile that was erased may be written anew. */
	if (t.kind != KIND_ENROL && is_erased(r, &t)) {
		*text = amend ? "the message to amend was erased" : "the message was erased before";
		return CONVENE__CODE__NOT_FOUND;
	}
	if (!amend && t.kind == KIND_AMEND && v->class == SIGNER_DEVICE)
		return restored_check(r, &t, v->identity, text);
	*text = amend && t.kind == KIND_ENROL
		    ? handle_check(r, content, v->identity, handle, skeleton)
		    : NULL;
	return *text ? CONVENE__CODE__HANDLE : CONVENE__CODE__CODE_NONE;
}
