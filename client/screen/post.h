/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as the reader holds it: the item, which it owns, with what was checked of it. Made on
 * the worker's threads, and then the screen's alone. */
#ifndef SCREEN_POST_H
#define SCREEN_POST_H

#include "client/show.h"

struct post {
	Convene__Item *item;
	struct shown shown;
	unsigned depth;
	bool unread;
};

struct posts {
	struct post **list;
	size_t count;
};

/* Take over `item` and check it. NULL: no memory. `c`: fetch a large content; NULL: leave it. */
struct post *post_take(Convene__Item *item, const uint8_t forum[static HASH_LEN], struct client *c);
void post_free(struct post *p);
/* Take the items out of frames, and add them. ERR_NOMEM. */
int posts_take(struct posts *p, struct frames *frames, const uint8_t forum[static HASH_LEN],
    struct client *c, struct trouble *t);
int posts_insert(struct posts *p, size_t at, struct post *post);
void posts_free(struct posts *p);
#define POST_NONE SIZE_MAX
size_t posts_find(const struct posts *p, const uint8_t id[static ID_LEN]); /* or POST_NONE */

/* Its thread and topic, as the node has it; NULL: it didn't say. */
const uint8_t *post_thread(const struct post *p);
const uint8_t *post_topic(const struct post *p);
/* Whether it has a place in a thread. */
bool post_is_message(const struct post *p);
/* Where a live one goes among those of its thread, which it sets the depth by. */
size_t post_place(const struct posts *p, struct post *fresh);
/* tree.h's. */
unsigned posts_depth(const void *posts, size_t at);

/* What it is called, in one line: its subject or else its first line. */
void post_title(struct buffer *out, const struct post *p);

struct page;
/* All of it, to be read. `title`: its thread's, which needs no repeating. */
void post_write(const struct post *p, struct bytes title, struct page *page);

#endif
