/* SPDX-License-Identifier: BSD-2-Clause */
/* What this person has read: HOME/seen.db. A mark is durable when the call returns, so that a
 * reader that is killed forgets nothing. Of a thread or topic is counted how many of its messages
 * are marked; what was caught up with is known by the node's arrival number instead of by a mark
 * each. One owner, one thread; several programs may have it open. */
#ifndef SCREEN_SEEN_H
#define SCREEN_SEEN_H

#include "client/home.h"
#include "msg/message.h"

struct seen;

int seen_open(struct seen **out, const struct home *home, struct trouble *t);
void seen_close(struct seen *s); /* NULL does nothing */

struct seen_mark {
	const uint8_t *id, *thread, *topic; /* of ID_LEN each; NULL: not known */
	uint64_t arrival;
};
/* Whether it is marked, or had arrived when its topic was caught up with. */
bool seen_has(struct seen *s, const struct seen_mark *m);
/* Mark all of these. Those that are marked already are no failure. */
int seen_add(struct seen *s, const struct seen_mark *list, size_t count, struct trouble *t);

/* How many of a topic's `posts` are unread, and of a thread's that saw its latest at `latest`. */
uint64_t seen_unread_topic(struct seen *s, const uint8_t topic[static ID_LEN], uint64_t posts);
uint64_t seen_unread_thread(struct seen *s, const uint8_t topic[static ID_LEN],
    const uint8_t thread[static ID_LEN], uint64_t posts, uint64_t latest);
/* From now on all that has arrived there counts as read: `posts` up to number `arrival`. */
int seen_catch_up(struct seen *s, const uint8_t topic[static ID_LEN], uint64_t posts,
    uint64_t arrival, uint64_t now, struct trouble *t);

/* What a person chose in the reader; `otherwise` when they never did. `name` is a literal. */
int64_t seen_choice(struct seen *s, const char *name, int64_t otherwise);
int seen_choose(struct seen *s, const char *name, int64_t value, struct trouble *t);

#endif
