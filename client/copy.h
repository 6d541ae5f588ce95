/* SPDX-License-Identifier: BSD-2-Clause */
/* What `convene sync` keeps of topics, so that they can be read and searched without a connection:
 * HOME/copy.db. Items are kept as the node sent them, after their signatures were checked, and are
 * checked again when they are shown. One owner, main thread.
 *
 * A topic that is kept has a cursor, the arrival number up to which everything of it is here.
 * Arrival numbers are the node's own: a copy belongs to one node (its root key and log), and one of
 * another node is ERR_INVALID until it is thrown away. */
#ifndef CLIENT_COPY_H
#define CLIENT_COPY_H

#include "client/home.h"

struct copy;
struct frames;
struct client;

/* ERR_NOTFOUND: nothing is kept (and `create` is false). */
int copy_open(struct copy **out, const struct home *home, bool create, struct trouble *t);
void copy_close(struct copy *c);

/* ---- what is kept ---- */

struct copy_topic {
	uint8_t id[ID_LEN];
	uint64_t cursor;    /* arrival number */
	uint64_t synced;    /* wall ms; 0: never to its end */
	uint64_t posts;     /* here */
	uint64_t bytes;     /* that its messages and contents take */
	bool kept;          /* else only listed, as the node last gave it */
	struct bytes title; /* valid during the callback */
};
int copy_each(struct copy *c, int (*fn)(void *ctx, const struct copy_topic *topic), void *ctx,
    struct trouble *t);
/* Keep a topic from now on (nothing is fetched yet); or no more: what is here of it is erased. */
int copy_keep(struct copy *c, const Convene__Topic *topic, bool keep, struct trouble *t);

/* Throw everything away, for another node or a new beginning. No copy is open. */
int copy_remove(const struct home *home, struct trouble *t);

/* ---- fetching ---- */

struct copy_progress {
	uint64_t topics, posts, amended, erased,
	    bad;       /* bad: not kept, since a signature is wrong */
	uint64_t gone; /* topics that the node has no more: what is here stays */
	uint64_t bytes;
};
/* Bring the list of topics, and every kept topic, up to date; each answer is durable before the
 * next is asked for, so that an interruption loses nothing. `tell` (NULL: nobody) is called now and
 * then. */
int copy_sync(struct copy *c, struct client *client,
    void (*tell)(void *ctx, const struct copy_progress *p), void *ctx, struct copy_progress *out,
    struct trouble *t);
/* Take in one answer to WATCH of a kept topic: its items, in any order and as often as one likes,
 * and how far it tells. Durable on return. What is not as signed is counted and left out. */
int copy_take(struct copy *c, const uint8_t topic[static ID_LEN], const Convene__Items *items,
    struct copy_progress *p, struct trouble *t);
/* The list of topics as the node gave it. */
int copy_list(struct copy *c, const struct frames *topics, struct trouble *t);

/* ---- reading: answers as the node would give them ---- */

/* As client_topics() and the like: `out` for frames_free(). ERR_NOTFOUND (not kept here),
 * ERR_EXISTS (several begin so), ERR_INVALID (an id has 4 to 32 bytes). */
int copy_topics(struct copy *c, struct frames *out, struct trouble *t);
int copy_threads(struct copy *c, const uint8_t *topic, size_t len, uint32_t limit, uint32_t offset,
    struct frames *out, struct trouble *t);
int copy_thread(struct copy *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t);
/* The subject of a post, as it stands; empty when it isn't here. */
int copy_subject(
    struct copy *c, const uint8_t id[static ID_LEN], struct buffer *out, struct trouble *t);
/* The newest posts (`threads`: of those that begin one; `author`: an identity, of that one's alone,
 * and not the erased; or empty) whose ids begin with these digits, newest first, each with its
 * subject or its first line, which may be empty: for completion. */
int copy_recent(struct copy *c, bool threads, struct bytes author, const char *hex, size_t limit,
    void (*fn)(void *ctx, const uint8_t *id, struct bytes title), void *ctx, struct trouble *t);
/* The moment up to which the oldest of the kept topics is known; 0: none is. */
uint64_t copy_synced(struct copy *c);

/* ---- searching ---- */

/* Posts that a query finds (search/search.h), newest first; its words may also stand in the author's
 * name. `topic` NULL: all that are kept. Items in frames, as in an answer to WATCH. */
struct search_query;
int copy_search(struct copy *c, const uint8_t *topic, const struct search_query *q, size_t limit,
    struct frames *out, struct trouble *t);

#endif
