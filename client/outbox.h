/* SPDX-License-Identifier: BSD-2-Clause */
/* What was signed and is not safe elsewhere yet. Pure but for files; the home's lock is the
 * caller's to hold while it changes.
 *
 * Each message lies in a file named after its sequence: an encoded Submit with that one submission,
 * so forum, log, exact bytes, salt and content. Three boxes: `waiting` (the folder itself: to be
 * sent, or accepted and not sealed), `sent/` (sealed; kept, since only other organisations' copies
 * make it safe) and `refused/` (kept for its author to look at, never sent again).
 *
 * Sequences: a message is in `waiting`, durable, before its first byte is sent, and the file
 * `state` is written before one leaves it. So the highest sequence ever sent is at most max(state,
 * names), whenever we crash; one that was signed and never became durable was never sent, and its
 * number may be used again. A missing `state` means that the folder was lost or restored: then the
 * node must be asked. */
#ifndef CLIENT_OUTBOX_H
#define CLIENT_OUTBOX_H

#include "client/files.h"

enum outbox_box { BOX_WAITING, BOX_SENT, BOX_REFUSED, BOX_COUNT, BOX_NONE = BOX_COUNT };

struct outbox {
	char folder[BOX_COUNT][PATH_LEN];
	uint64_t sequence;     /* the highest used */
	bool lost;             /* there is no `state`: ask the node before signing */
	uint64_t sealed;       /* sequence of the last message known to be sealed; 0: none */
	uint64_t sealed_index; /* where it stands */
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

#endif
