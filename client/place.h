/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message is about: what it answers, amends, erases, or begins a thread in. Found at the
 * node, or in the copy that is kept here, or among one's own messages in the outbox, whose ids are
 * known before they are sent. One owner, main thread. */
#ifndef CLIENT_PLACE_H
#define CLIENT_PLACE_H

#include "client/session.h"
#include "msg/content.h"

struct place {
	uint32_t kind;     /* KIND_TOPIC, KIND_POST; of an AMEND, what it says is in `target` */
	struct ref at;     /* itself; no index while it waits in the outbox */
	struct ref topic;  /* where its thread stands; absent for a topic */
	struct ref target; /* of an AMEND */
	bool own;          /* of this identity, as far as is known here */
	bool erased;
	bool amended;
	uint64_t time;        /* ms; of the original, where an archive has one; 0: unknown */
	struct buffer author; /* "alice@isoc.example", or as an archive has it; isolated */
	struct buffer lang;   /* of the content in force */
	uint64_t changed;     /* when that was signed, ms */
	bool has_content;     /* what is in force, its amendments that wait here included */
	struct content content;
	struct buffer memory; /* what the content points to */
};

/* A topic by id, its beginning, or its exact title. ERR_NOTFOUND, ERR_EXISTS; ERR_CLOSED: the node
 * is away, and nothing that is kept here has it. Clear in any case. */
int place_topic(struct session *s, const char *text, struct place *out, struct trouble *t);
/* A post, topic or amendment by its id or the beginning of that. Errors as above; ERR_INVALID: that
 * is no id. Only what has a good signature is found. */
int place_find(struct session *s, const char *text, struct place *out, struct trouble *t);
/* One that is there already, with a good signature, whose thread stands in `topic`. */
struct shown;
void place_take(struct session *s, const Convene__Item *item, const struct shown *shown,
    const struct ref *topic, struct place *out);
void place_clear(struct place *p);

/* Where a sentence speaks of one: "46ef9549, "A first draft"" or "46ef9549"; isolated. */
void place_text(struct buffer *out, const struct place *p);

#endif
