/* SPDX-License-Identifier: BSD-2-Clause */
/* What was signed and is not safe elsewhere yet. Pure but for files; the home's lock is the
 * caller's to hold while it changes.
 *
 * Each message lies in a file named after its sequence: an encoded Submit with that one submission,
 * so forum, log, exact bytes, salt and content. Four boxes: `waiting` (the folder itself: to be
 * sent, or accepted and not sealed), `sent/` (sealed; until it is anchored, since only other
 * organisations' copies make it safe: anchored.h), `anchored/` (the newest of those, which are only
 * there to be answered and amended while the node is away) and `refused/` (kept for its author to
 * look at, never sent again; why stands beside it in NUMBER.reason).
 *
 * Sequences: a message is in `waiting`, durable, before its first byte is sent, and the file
 * `state` is written before one leaves it. So the highest sequence ever sent is at most max(state,
 * names), whenever we crash; one that was signed and never became durable was never sent, and its
 * number may be used again. A missing `state` means that the folder was lost or restored: then the
 * node must be asked. */
#ifndef CLIENT_OUTBOX_H
#define CLIENT_OUTBOX_H

#include "client/files.h"

enum outbox_box {
	BOX_WAITING,
	BOX_SENT,
	BOX_REFUSED,
	BOX_ANCHORED,
	BOX_COUNT,
	BOX_NONE = BOX_COUNT
};

struct outbox {
	char folder[BOX_COUNT][PATH_LEN];
	uint64_t sequence;     /* the highest used */
	bool lost;             /* there is no `state`: ask the node before signing */
	uint64_t sealed;       /* sequence of the last message known to be sealed; 0: none */
	uint64_t sealed_index; /* where it stands */
	uint64_t sealed_log;   /* number of the home log that it stands in; 0: not known */
	uint8_t sealed_id[ID_LEN];
};

/* HOME/outbox, made if need be. ERR_IO, ERR_MALFORMED (`state` can't be read: a sentence says so).
 */
int outbox_open(struct outbox *o, const char *home, struct trouble *t);
/* Write `state` with the sequence that is set: for a new device, or when the node has told. */
int outbox_state_save(struct outbox *o, struct trouble *t);

/* The text of `state`, and back: ERR_MALFORMED. */
void outbox_state_format(struct buffer *out, const struct outbox *o);
int outbox_state_parse(struct outbox *o, struct bytes text);

/* Keep a message, durably, under the next sequence: `sequence` must be above o->sequence, else
 * ERR_INVALID. */
int outbox_put(
    struct outbox *o, uint64_t sequence, const Convene__Submit *submit, struct trouble *t);

/* The sequences in a box, ascending; free() the list. ERR_IO, ERR_NOMEM. */
int outbox_list(
    const struct outbox *o, enum outbox_box box, uint64_t **list, size_t *count, struct trouble *t);
/* One message; message_free() it. It has one submission, whose message is well-formed and has this
 * sequence. ERR_NOTFOUND, ERR_IO, ERR_MALFORMED. */
int outbox_get(const struct outbox *o, enum outbox_box box, uint64_t sequence,
    Convene__Submit **out, struct trouble *t);
/* Move from one box to another; BOX_NONE: remove it. Durable. */
int outbox_move(struct outbox *o, uint64_t sequence, enum outbox_box from, enum outbox_box to,
    struct trouble *t);

/* ---- what is in it ---- */

struct kept {
	uint64_t sequence;
	const Convene__Submit *submit;
	struct header header;
	struct binding binding;
	uint8_t id[ID_LEN];
	struct bytes message, content; /* content: empty when there is none */
};
/* Call `fn` for each message of a box in its order; other than OK ends it with that value. What is
 * damaged, or gone in the meantime, is passed over. */
int outbox_each(const struct outbox *o, enum outbox_box box, const uint8_t forum[static HASH_LEN],
    int (*fn)(void *ctx, const struct kept *k), void *ctx, struct trouble *t);

/* An erasure has been sealed: remove what is kept here, as sent, of the message and its
 * amendments. */
int outbox_forget(struct outbox *o, const uint8_t forum[static HASH_LEN],
    const uint8_t target[static ID_LEN], struct trouble *t);

/* ---- refused ones (refused.c) ---- */

/* Move from waiting to refused, and write down why before that. `code`: the node's, or 0. */
int outbox_refuse(
    struct outbox *o, uint64_t sequence, uint32_t code, const char *text, struct trouble *t);
/* Why; false: that isn't known. */
bool outbox_reason(
    const struct outbox *o, uint64_t sequence, uint32_t *code, char text[static 200]);
/* Remove a refused message; that there was one with this number is kept. */
int outbox_drop(struct outbox *o, uint64_t sequence, struct trouble *t);
bool outbox_dropped(const struct outbox *o, uint64_t sequence);

/* A refused message that is signed anew gets another id. It is noted before the new one is kept:
 * so an interruption leaves no doubt, and what answers the old one can be signed to answer the new
 * one. `outbox/again` has a line for each, "OLD NEW". */
int outbox_again_note(struct outbox *o, const uint8_t old[static ID_LEN],
    const uint8_t now[static ID_LEN], struct trouble *t);
/* Append the ids of messages that will never be in a log: refused, or signed anew under another id.
 * What belongs to one of them must not be sent. */
int outbox_gone(const struct outbox *o, const uint8_t forum[static HASH_LEN], struct buffer *ids,
    struct trouble *t);
/* The last id that a message was given; `id` as it is when it was never signed anew. */
int outbox_again_find(const struct outbox *o, uint8_t id[static ID_LEN], struct trouble *t);

#endif
