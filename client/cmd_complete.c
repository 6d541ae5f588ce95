/* SPDX-License-Identifier: BSD-2-Clause */
/* What the completion of shells offers of the forum: ids that are kept on this computer, with their
 * titles. No node is asked, no passphrase, and trouble of any kind means that nothing is offered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/complete.h"
#include "client/copy.h"
#include "client/drafts.h"
#include "client/output.h"
#include "client/quote.h"
#include "client/session.h"
#include "msg/content.h"

#define OWN_MAX 100
#define KEPT_MAX 100

/* The subject, or the first line of what was said. */
static struct bytes title_of(const struct content *c)
{
	return c->subject.len > 0 ? c->subject : quote_own_line(c->text);
}

/* ---- one's own ---- */

/* One's own messages in a box: by number, or, those of this kind, by id; the newest first. */
static void offer_own(
    struct candidates *c, const struct home *home, enum outbox_box box, bool numbers, uint32_t kind)
{
	uint64_t *list = NULL;
	size_t count = 0;
	struct outbox o;
	struct trouble t;

	if (outbox_open(&o, home->path, &t) != OK || outbox_list(&o, box, &list, &count, &t) != OK)
		return;
	for (size_t i = 0; i < count && i < OWN_MAX; i++) {
		char word[24];
		uint8_t id[ID_LEN];
		Convene__Submit *m;
		struct content content;
		struct binding b;
		struct header h;

		if (outbox_get(&o, box, list[count - 1 - i], &m, &t) != OK)
			continue;
		memset(&content, 0, sizeof content);
		if (message_parse(bytes_of_pb(m->submissions[0]->message), &h) == OK &&
		    binding_make(&b, home->node.forum, bytes_of_pb(m->log)) == OK &&
		    (numbers || h.kind == kind)) {
			message_id(id, bytes_of_pb(m->submissions[0]->message), &b);
			if (numbers)
				snprintf(word, sizeof word, "%" PRIu64, list[count - 1 - i]);
			else
				id_short(word, id);
			if (content_parse(bytes_of_pb(m->submissions[0]->content), &content) != OK)
				memset(&content, 0, sizeof content);
			candidate_add(c, word, title_of(&content));
		}
		content_clear(&content);
		message_free(&m->base);
	}
	free(list);
}

static void offer_sent(struct candidates *c, const struct home *home, uint32_t kind)
{
	offer_own(c, home, BOX_SENT, false, kind);
	offer_own(c, home, BOX_ANCHORED, false, kind);
}

/* What each belongs to, or how it begins. */
static void offer_drafts(struct candidates *c, const struct home *home)
{
	uint64_t *list = NULL;
	size_t count = 0;
	struct trouble t;

	if (drafts_list(home->path, &list, &count, &t) != OK)
		return;
	for (size_t i = 0; i < count && i < OWN_MAX; i++) {
		struct writing w;
		char word[24];

		writing_init(&w, ACT_POST, home->path);
		if (writing_load(&w, home->path, list[count - 1 - i], false, &t) == OK) {
			snprintf(word, sizeof word, "%" PRIu64, list[count - 1 - i]);
			candidate_add(c, word, buffer_bytes(w.subject.len ? &w.subject : &w.about));
		}
		writing_free(&w);
	}
	free(list);
}

/* ---- what `convene sync` keeps ---- */

static int topic_add(void *ctx, const struct copy_topic *topic)
{
	char id[9];

	candidate_add(ctx, id_short(id, topic->id), topic->title);
	return OK;
}

static void post_add(void *ctx, const uint8_t *id, struct bytes title)
{
	char word[9];

	candidate_add(ctx, id_short(word, id), title);
}

static void offer_kept(struct candidates *c, const struct home *home, const char *kind)
{
	struct copy *copy;
	struct trouble t;

	if (copy_open(&copy, home, false, &t) != OK)
		return;
	if (strcmp(kind, "TOPIC") == 0)
		(void)copy_each(copy, topic_add, c, &t);
	else if (strcmp(kind, "THREAD") == 0 || strcmp(kind, "POST") == 0 ||
		 strcmp(kind, "OWN-POST") == 0)
		(void)copy_recent(copy, kind[0] == 'T',
		    kind[0] == 'O' ? bytes_of(home->identity, IDENTITY_LEN) : bytes_of(NULL, 0),
		    candidate_typed(c), KEPT_MAX, post_add, c, &t);
	copy_close(copy);
}

/* ---- all ---- */

void convene_offer(struct candidates *c, const char *kind)
{
	struct home home;
	struct trouble t;

	if (home_open(&home, &t) != OK)
		return;
	if (strcmp(kind, "NUMBER") == 0)
		offer_own(c, &home, BOX_REFUSED, true, 0);
	else if (strcmp(kind, "DRAFT") == 0)
		offer_drafts(c, &home);
	offer_kept(c, &home, kind);
	if (strcmp(kind, "POST") == 0 || strcmp(kind, "OWN-POST") == 0)
		offer_sent(c, &home, KIND_POST);
	else if (strcmp(kind, "TOPIC") == 0)
		offer_sent(c, &home, KIND_TOPIC);
	home_close(&home);
}
