/* SPDX-License-Identifier: BSD-2-Clause */
/* How links do, for the operator: what they owe, and who has stalled. Nothing is decided by it.
 *
 * A peer that supplies one entry at a time, or takes what we send and never tells that it is
 * durable, is as bad as one that is silent, and looks alive. So progress is measured in bytes over
 * SYNC_PACE_MS, for as long as something is owed. And since a peer that is quick with a hundred
 * logs may withhold one, each log has its own clock too. */
#include "sync/state.h"

static uint64_t lag_of(const struct sync *s, const struct sync_link *link, size_t slot)
{
	const struct log_slot *l = &s->logs[slot];
	const struct pair *p = &link->pairs[slot];
	uint64_t held = replica_held(l->replica);
	uint64_t shown = p->withheld > p->shown ? p->withheld : p->shown;

	return slot_is_ours(l) || l->stopped || shown <= held ? 0 : shown - held;
}

/* `excused`: we are the slow ones ourselves at this moment. */
static void pace_measure(struct pace *p, bool owed, bool excused, uint64_t total, uint64_t now)
{
	p->looks++;
	p->excused += excused;
	if (!owed) {
		*p = (struct pace){.since = 0};
	} else if (p->since == 0) {
		*p = (struct pace){.since = now, .at = now, .total = total};
	} else if (now - p->at >= SYNC_PACE_MS) {
		bool slow = total - p->total < (now - p->at) / 1000 * SYNC_PACE_BYTES &&
			    p->excused < p->looks / 2;

		/* What went well until now has stalled only since then. */
		if (slow && !p->slow)
			p->since = p->at;
		*p = (struct pace){.since = p->since, .at = now, .total = total, .slow = slow};
	}
}

void pace_check(struct sync *s, struct sync_link *link, uint64_t now)
{
	bool feeding = false, storing = false, hearing = false;

	link->silent_since = 0;
	for (size_t i = 0; i < s->log_count; i++) {
		const struct log_slot *l = &s->logs[i];
		struct pair *p = &link->pairs[i];
		uint64_t since;

		hearing = hearing || p->unacknowledged > 0;
		if (!link->compared || lag_of(s, link, i) == 0) {
			p->behind_since = 0;
			continue;
		}
		feeding = true;
		storing = storing || l->due_count > 0;
		if (p->behind_since == 0)
			p->behind_since = now;
		since = p->behind_since > l->advanced ? p->behind_since : l->advanced;
		if (l->due_count == 0 && now - since >= SYNC_PACE_MS &&
		    (link->silent_since == 0 || since < link->silent_since))
			link->silent_since = since;
	}
	pace_measure(&link->feeding, feeding, storing, link->useful, now);
	pace_measure(&link->hearing, hearing, false, link->acknowledged, now);
}

static size_t memory_of(const struct sync *s, const struct sync_link *link)
{
	size_t sum = sizeof *link + SYNC_WANTS_MAX * sizeof *link->served +
		     link->asked_cap * sizeof *link->asked + link->name_count * sizeof *link->names;

	sum += link->owed_cap * sizeof *link->owed;
	sum += link->packer ? packer_memory(link->packer) : 0;
	sum += link->unpacker ? unpacker_memory(link->unpacker) : 0;
	for (size_t i = 0; i < s->log_count; i++) {
		const struct log_slot *l = &s->logs[i];

		for (size_t k = 0; k < l->due_count; k++)
			sum += l->due[k].link == link ? l->due[k].bytes : 0;
		for (size_t k = 0; k < l->want_count; k++)
			sum += l->wants[k]->link == link
				   ? l->wants[k]->data.cap + l->wants[k]->message.cap
				   : 0;
	}
	return sum;
}

void sync_link_stats(
    const struct sync *s, const struct sync_link *link, struct sync_link_stats *out)
{
	*out = link->stats;
	out->memory = memory_of(s, link);
	out->packs_in = link->asked_packed && link->unpacks;
	out->packs_out = link->packs;
	out->witness = link->witness;
	for (size_t i = 0; i < s->log_count; i++) {
		uint64_t lag = lag_of(s, link, i);

		out->upstream_of += s->logs[i].upstream == link;
		out->subscribed += link->pairs[i].subscribed;
		out->behind += lag;
		out->logs_behind += lag > 0;
		out->unacknowledged += link->pairs[i].unacknowledged;
	}
	out->stalled_since = link->silent_since   ? link->silent_since
			     : link->feeding.slow ? link->feeding.since
						  : 0;
	out->deaf_since = link->hearing.slow ? link->hearing.since : 0;
}

size_t sync_link_lags(
    const struct sync *s, const struct sync_link *link, struct sync_lag *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->log_count; i++) {
		struct sync_lag lag = {
		    s->logs[i].no, lag_of(s, link, i), s->logs[i].upstream == link};
		size_t at = n;

		if (lag.behind == 0)
			continue;
		while (at > 0 && out[at - 1].behind < lag.behind)
			at--;
		if (at == max)
			continue;
		if (n < max)
			n++;
		for (size_t k = n - 1; k > at; k--)
			out[k] = out[k - 1];
		out[at] = lag;
	}
	return n;
}
