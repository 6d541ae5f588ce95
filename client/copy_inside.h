/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the copy share. Private to them.
 *
 *     copy.c          the file, what is kept, the list of topics
 *     copy_item.c     items in, as they come
 *     copy_text.c     what is shown of them, and items out, as the node would give them
 *     copy_forest.c   threads, made of their posts whenever they are asked for
 *     copy_thread.c   answers about them
 *     copy_sync.c     asking the node
 *     copy_search.c   finding words
 *     copy_recent.c   ids and titles, for completion
 */
#ifndef CLIENT_COPY_INSIDE_H
#define CLIENT_COPY_INSIDE_H

#include "client/copy.h"
#include "client/database.h"
#include "client/output.h"

/* An item's state is enum Convene__ContentState, or that the node gave the amendment's text alone,
 * and this is wanted only if that is erased. In SQL these stand as numbers, as kinds do:
 *
 *     state   0 PRESENT  1 MISSING  2 ERASED  3 LARGE  4 NONE_NEEDED  5 HIDDEN  100 unasked
 *     kind    5 TOPIC    6 POST     7 AMEND   8 ERASE
 *
 * MISSING, LARGE and HIDDEN are asked for again by each sync. */
#define STATE(name) CONVENE__CONTENT_STATE__CONTENT_##name
#define STATE_UNASKED 100

struct copy {
	struct database *d;
	uint8_t forum[HASH_LEN];
};

/* ---- copy.c ---- */

/* A kept topic's number. ERR_NOTFOUND. */
int topic_number(struct copy *c, const uint8_t id[static ID_LEN], int64_t *no, int64_t *round,
    struct trouble *t);

/* Memory that message_free() gives back; exits the program without memory. */
ProtobufCBinaryData pb_copy(struct bytes b);
/* A generated list of messages, with room for one more than `count`. */
void *pb_room(void *list, size_t count);

/* ---- copy_item.c ---- */

/* Take items in; `watched`: as copy_take() does, else those of an answer to THREAD_GET that stand
 * in this topic, which say nothing of what else there is. */
int items_take(struct copy *c, const uint8_t topic[static ID_LEN], const Convene__Items *items,
    bool watched, struct copy_progress *p, struct trouble *t);
/* Forget what stands in a topic since before a round: the item with this id, or (NULL) all. Within
 * a transaction. */
int items_drop(struct copy *c, int64_t topic, const uint8_t *id, int64_t round, struct trouble *t);

/* The content of one that was MISSING or LARGE has come: check it and keep it. ERR_COMMITMENT. */
int item_content(
    struct copy *c, int64_t no, const uint8_t *salt, struct bytes content, struct trouble *t);

/* ---- copy_text.c ---- */

/* What is shown of an item now: that of its last amendment, or nothing. Valid until text_end(). */
struct item_text {
	struct query *q;
	uint32_t state;
	struct bytes salt, content;
	bool amended;
	uint64_t index;            /* the amendment's */
	struct bytes log, message; /* the same */
};
int text_start(
    struct item_text *out, struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t);
void text_end(struct item_text *text);
/* Fold anew what a search finds of the post that this is, or is about, also through an amendment of
 * it. */
int text_refresh(struct copy *c, const uint8_t id[static ID_LEN], struct trouble *t);

/* The item as the node would give it; what hangs on its thread is the caller's. */
int item_out(struct copy *c, int64_t no, Convene__Item *out, struct trouble *t);

/* ---- copy_forest.c ---- */

#define NONE UINT32_MAX

struct post {
	uint8_t id[ID_LEN], parent[ID_LEN];
	bool has_parent;
	int64_t no; /* 0: missing, and mentioned as a parent */
	int64_t topic;
	uint64_t time;
	uint32_t kind, depth;
	uint32_t up, root; /* places in `posts`; NONE */
};

/* Every post that is kept, in its thread. */
struct forest {
	struct post *posts; /* by id */
	uint32_t count;
	uint32_t *walk; /* thread by thread, depth first */
	uint32_t walked;
};
int forest_open(struct forest *f, struct copy *c, struct trouble *t);
void forest_free(struct forest *f);
/* NONE: not here. */
uint32_t forest_find(const struct forest *f, const uint8_t id[static ID_LEN]);
/* In which topic's thread a post stands here. */
int64_t forest_topic(const struct forest *f, uint32_t at);
/* Set thread, depth and parent_missing; the topic is the root's. */
int forest_place(
    const struct forest *f, uint32_t at, struct copy *c, Convene__Item *item, struct trouble *t);

#endif
