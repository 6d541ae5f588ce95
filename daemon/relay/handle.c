/* SPDX-License-Identifier: BSD-2-Clause */
/* Which handle somebody may have (SPEC.md 8.2), at enrolment or in a profile amended later:
 * prepared, and not to be taken for another of this organisation, in the views or among what was
 * accepted and isn't in the views yet. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"
#include "msg/body.h"
#include "msg/content.h"

/* Whose profile a message may hold. */
static bool profile_owner(struct relay *r, const struct header *h, uint8_t out[static IDENTITY_LEN])
{
	const struct signer *signer;
	struct enrol_body b;

	if (h->kind == KIND_ENROL && enrol_body_parse(h->body, &b) == OK) {
		memcpy(out, b.identity, IDENTITY_LEN);
		return true;
	}
	signer = h->kind == KIND_AMEND || h->kind == KIND_ERASE
		     ? roster_signer(r->roster, h->signer)
		     : NULL;
	if (!signer || signer->class != SIGNER_DEVICE)
		return false;
	memcpy(out, signer->identity, IDENTITY_LEN);
	return true;
}

void handle_claim(struct relay *r, struct waiting *w, const struct header *h, struct bytes content)
{
	char handle[HANDLE_MAX + 1], skeleton[SKELETON_MAX + 1];
	struct content c;

	if (!profile_owner(r, h, w->identity) || content_parse(content, &c) != OK)
		return;
	if (c.profile.present && handle_prepare(handle, c.profile.handle, NULL) == OK &&
	    handle_skeleton(skeleton, handle, NULL) == OK)
		w->skeleton = strdup(skeleton);
	content_clear(&c);
}

/* Whether somebody else's profile with such a handle was accepted, that the views don't know yet.
 */
static bool handle_waits(
    const struct relay *r, const uint8_t identity[static IDENTITY_LEN], const char *skeleton)
{
	for (const struct waiting *w = r->inbox; w; w = w->next) {
		if (w->skeleton && (!w->sealed || w->index >= r->own->folded) &&
		    memcmp(w->identity, identity, IDENTITY_LEN) != 0 &&
		    strcmp(w->skeleton, skeleton) == 0)
			return true;
	}
	return false;
}

/* Prepare the profile's handle; NULL, or why it can't be one. */
static const char *handle_make(struct bytes content, char handle[static HANDLE_MAX + 1],
    char skeleton[static SKELETON_MAX + 1])
{
	static char text[256];
	const char *why = NULL;
	struct content c;
	struct bytes wanted;
	int err = content_parse(content, &c);

	if (err || !c.profile.present) {
		content_clear(&c);
		return "there is no profile in it";
	}
	wanted = c.profile.handle;
	err = handle_prepare(handle, wanted, &why);
	if (!err && !bytes_equal(wanted, bytes_str(handle))) {
		snprintf(text, sizeof text, "the handle is not in its prepared form, which is %s",
		    handle);
		why = text;
		err = ERR_TEXT;
	}
	content_clear(&c);
	if (!err)
		err = handle_skeleton(skeleton, handle, &why);
	if (err && why != text)
		snprintf(text, sizeof text, "the handle%s%s can't be used: %s", *handle ? " " : "",
		    handle, why ? why : error_text(err));
	return err ? text : NULL;
}

const char *handle_check(struct relay *r, struct bytes content,
    const uint8_t identity[static IDENTITY_LEN], char handle[static HANDLE_MAX + 1],
    char skeleton[static SKELETON_MAX + 1])
{
	static char text[256];
	uint8_t owner[IDENTITY_LEN];
	char other[65];
	const char *why = handle_make(content, handle, skeleton);

	if (why)
		return why;
	if (query_skeleton(r->reader, r->own->no, skeleton, owner, other) == OK &&
	    memcmp(owner, identity, IDENTITY_LEN) != 0) {
		if (strcmp(other, handle) == 0)
			snprintf(text, sizeof text, "the handle %s is taken", handle);
		else
			snprintf(text, sizeof text, "the handle %s looks like %s, which exists",
			    handle, other);
		return text;
	}
	if (enrol_claims(r, identity, skeleton))
		return "somebody is being enrolled under such a handle right now";
	if (r->own->folded < r->recall)
		return "this node is still reading who is enrolled; try again later";
	return handle_waits(r, identity, skeleton) ? "somebody has just taken such a handle" : NULL;
}
