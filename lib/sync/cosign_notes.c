/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures that are kept, and what the store says of them. */
#include <stdlib.h>

#include "base/error.h"
#include "sync/cosign_inside.h"

struct cosign_note *cosign_note_of(struct log_slot *l, uint32_t seat, bool storing)
{
	for (size_t i = 0; i < l->note_count; i++) {
		if (l->notes[i].seat == seat && l->notes[i].storing == storing)
			return &l->notes[i];
	}
	return NULL;
}

void cosign_note_remove(struct log_slot *l, struct cosign_note *n)
{
	buffer_free(&n->note);
	*n = l->notes[--l->note_count];
}

/* A place for one more, zeroed. */
struct cosign_note *cosign_note_add(struct log_slot *l)
{
	if (l->note_count == l->note_cap) {
		size_t cap = l->note_cap ? 2 * l->note_cap : 4;
		struct cosign_note *grown = realloc(l->notes, cap * sizeof *grown);

		if (!grown)
			return NULL;
		l->notes = grown;
		l->note_cap = cap;
	}
	l->notes[l->note_count] = (struct cosign_note){.note = BUFFER_INIT};
	return &l->notes[l->note_count++];
}

/* Keep no more than the policy wants: the one of the smallest size is of no use to anybody. */
static void notes_trim(struct sync *s, struct log_slot *l)
{
	for (;;) {
		struct cosign_note *least = NULL;
		size_t count = 0;

		for (size_t i = 0; i < l->note_count; i++) {
			struct cosign_note *n = &l->notes[i];

			count += !n->storing;
			if (!n->storing && (!least || n->size < least->size))
				least = n;
		}
		if (count <= s->anchor_needed)
			return;
		cosign_note_remove(l, least);
	}
}

static void anchored_set(struct sync *s, struct log_slot *l)
{
	uint64_t *sizes = malloc((l->note_count + 1) * sizeof *sizes);
	size_t count = 0;

	if (!sizes)
		return;
	for (size_t i = 0; i < l->note_count; i++) {
		if (!l->notes[i].storing && l->notes[i].size <= replica_held(l->replica))
			sizes[count++] = l->notes[i].size;
	}
	l->anchored = anchor_size(s->anchor_needed, sizes, count);
	free(sizes);
}

/* It is durable: it counts, instead of the older one of its seat. */
static void note_adopt(struct sync *s, struct log_slot *l, struct cosign_note *n)
{
	struct cosign_note *old = cosign_note_of(l, n->seat, false);
	uint32_t seat = n->seat;

	if (old) {
		cosign_note_remove(l, old);
		n = cosign_note_of(l, seat, true);
	}
	n->storing = false;
	n->serial = ++s->cosign_serial;
	notes_trim(s, l);
	anchored_set(s, l);
}

void cosign_grown(struct sync *s, struct log_slot *l)
{
	bool more = false;

	for (size_t i = 0; i < l->note_count; i++)
		more |= l->notes[i].size > l->anchored;
	if (more)
		anchored_set(s, l);
}

void cosign_clear(struct log_slot *l)
{
	while (l->note_count > 0)
		cosign_note_remove(l, &l->notes[0]);
	free(l->notes);
}

void cosign_cut(struct sync *s, struct log_slot *l, uint64_t size)
{
	for (size_t i = l->note_count; i-- > 0;) {
		if (l->notes[i].size > size)
			cosign_note_remove(l, &l->notes[i]);
	}
	anchored_set(s, l);
}

struct bytes cosign_note_text(const struct cosign_note *n)
{
	return bytes_of(n->note.data, n->text);
}

void sync_cosign_stored(
    struct sync *s, uint32_t no, uint32_t seat, uint64_t size, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);
	struct cosign_note *n = l ? cosign_note_of(l, seat, true) : NULL;

	if (!n || n->size != size)
		return;
	if (result == OK) {
		note_adopt(s, l, n);
		cosign_tell_all(s, l, now);
	} else {
		cosign_note_remove(l, n);
		for (struct sync_link *link = s->links; link; link = link->next) {
			if (l->upstream == link || pair_of(s, link, l)->subscribed)
				cosign_miss(link, &pair_of(s, link, l)->notes, size);
		}
	}
}

int sync_cosign_load(
    struct sync *s, uint32_t no, uint32_t seat, uint64_t size, uint64_t seconds, struct bytes note)
{
	struct log_slot *l = slot_by_no(s, no);
	struct cosign_note *n;
	struct note parsed;
	struct note_signature sig;

	if (!l || size == 0 || size > replica_held(l->replica))
		return ERR_RANGE;
	if (note_parse(&parsed, note) != OK || parsed.count < 2 ||
	    note_signature(&parsed, parsed.count - 1, &sig) != OK)
		return ERR_MALFORMED;
	n = cosign_note_of(l, seat, false);
	if (n && n->size >= size)
		return OK;
	n = cosign_note_add(l);
	if (!n)
		return ERR_NOMEM;
	n->seat = seat;
	n->storing = true;
	n->size = size;
	n->seconds = seconds;
	n->text = parsed.text.len;
	n->line = (size_t)(sig.line.data - note.data);
	buffer_add(&n->note, note.data, note.len);
	if (n->note.failed) {
		cosign_note_remove(l, n);
		return ERR_NOMEM;
	}
	note_adopt(s, l, n);
	return OK;
}

void sync_anchor_needed(struct sync *s, uint32_t n)
{
	s->anchor_needed = n;
}

uint64_t sync_anchored(struct sync *s, uint32_t no)
{
	const struct log_slot *l = slot_by_no(s, no);

	return l ? l->anchored : 0;
}

size_t sync_cosigned(struct sync *s, uint32_t no, struct sync_cosigned *out, size_t max)
{
	const struct log_slot *l = slot_by_no(s, no);
	size_t count = 0;

	for (size_t i = 0; l && i < l->note_count && count < max; i++) {
		const struct cosign_note *n = &l->notes[i];

		if (!n->storing)
			out[count++] = (struct sync_cosigned){
			    n->seat, n->size, n->seconds, buffer_bytes(&n->note)};
	}
	return count;
}
