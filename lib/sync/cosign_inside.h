/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of cosignatures share: cosign.c tells and asks, cosign_take.c takes what comes,
 * cosign_notes.c is what is kept. */
#ifndef SYNC_COSIGN_INSIDE_H
#define SYNC_COSIGN_INSIDE_H

#include "sync/state.h"

/* cosign_notes.c. Of a seat there is one that counts, and one that the store has not answered of.
 */
struct cosign_note *cosign_note_of(struct log_slot *l, uint32_t seat, bool storing);
struct cosign_note *cosign_note_add(struct log_slot *l); /* zeroed; NULL: no memory */
void cosign_note_remove(struct log_slot *l, struct cosign_note *n);
struct bytes cosign_note_text(const struct cosign_note *n);

/* cosign.c */
uint64_t cosign_link_bit(const struct sync_link *link); /* for cosign_note.has */
/* One of that size is to be asked for again. */
void cosign_miss(struct sync_link *link, struct pair_notes *p, uint64_t size);
void cosign_tell_all(struct sync *s, struct log_slot *l, uint64_t now);

#endif
