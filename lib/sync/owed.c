/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents a link was asked for and has not answered (SPEC.md 11.6).
 *
 * A peer takes 1,024 requests at a time, and faults whoever sends more, so this count has to be
 * exact: also of what we have given up here since, and found elsewhere or not at all. Two rules
 * make it so. What a link owes is never asked for there again: it would be the same request, or
 * another one if an answer to the first is on its way, and nobody could tell which. And requests
 * are numbered in the order sent, which is that in which a peer looks at them: when one is
 * answered, all before it were answered too, or wait at the peer for a content, where they make
 * way for others. What can still fill its queue are those after the newest answered. */
#include <stdlib.h>
#include <string.h>

#include "sync/state.h"

/* Where it stands, or should: ascending by slot and index. */
static size_t owed_place(const struct sync_link *link, uint32_t slot, uint64_t index)
{
	size_t lo = 0, hi = link->owed_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct owed *o = &link->owed[mid];

		if (o->slot < slot || (o->slot == slot && o->index < index))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool owed_has(const struct sync_link *link, uint32_t slot, uint64_t index)
{
	size_t i = owed_place(link, slot, index);

	return i < link->owed_count && link->owed[i].slot == slot && link->owed[i].index == index;
}

void owed_add(struct sync_link *link, uint32_t slot, uint64_t index, uint64_t number)
{
	size_t i = owed_place(link, slot, index);

	if (link->owed_count == link->owed_cap) {
		size_t cap = link->owed_cap ? 2 * link->owed_cap : 16;
		struct owed *grown = realloc(link->owed, cap * sizeof *grown);

		if (!grown)
			return; /* it may be asked for again, and counts twice until it comes */
		link->owed = grown;
		link->owed_cap = cap;
	}
	memmove(&link->owed[i + 1], &link->owed[i], (link->owed_count - i) * sizeof *link->owed);
	link->owed_count++;
	link->owed[i] = (struct owed){slot, index, number};
}

uint64_t owed_take(struct sync_link *link, uint32_t slot, uint64_t index)
{
	size_t i = owed_place(link, slot, index);
	uint64_t number;

	if (i == link->owed_count || link->owed[i].slot != slot || link->owed[i].index != index)
		return 0;
	number = link->owed[i].number;
	link->owed_count--;
	memmove(&link->owed[i], &link->owed[i + 1], (link->owed_count - i) * sizeof *link->owed);
	return number;
}

void link_answered(struct sync_link *link, uint64_t number)
{
	if (link->want_answered < number)
		link->want_answered = number;
}
