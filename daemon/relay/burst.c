/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving comes before showing. While much of others' logs is being stored, a log that is far
 * behind in the views waits until what comes has come: it could not be shown before anyway, and to
 * verify an entry costs more than all else that is done with it. That does not go by how busy the
 * processors are: workers that find one free take its time from what this node's peers, or the
 * store thread, would do with it next.
 *
 * How far a log is behind goes by its origin, who has signed how long it is; but only what has been
 * proven and stored counts as coming, so nobody can hold the views back by promising. What peers
 * take of it just then counts a little longer. A log that is nearly up to date, where people wait
 * for what is new, is never held; and somebody who writes without end holds up what is behind for
 * half of the time at most. */
#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/state.h"

#define MANY 512                /* entries, or contents, */
#define LATELY_MS 250           /* in this time */
#define FAR (32 * VERIFY_BATCH) /* entries: more than what is live gets to be, even in a crowd */
#define HOLD_MS 10000           /* without an end of it; then they go on as long */
#define LINGER_MS 3000          /* so long after it came what is given counts, too */

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	views_follow(arg);
}

int burst_start(struct relay *r)
{
	r->burst.resume = event_new(r->base, -1, 0, on_resume, r);
	return r->burst.resume ? OK : ERR_NOMEM;
}

bool burst_holds_any(const struct relay *r)
{
	return event_pending(r->burst.resume, EV_TIMEOUT, NULL);
}

/* Whether it is under way: what has come to its end needs no while to be sure of that. */
static bool is_on(const struct relay *r, uint64_t now)
{
	if (r->burst.came_at > 0 && now - r->burst.came_at <= LATELY_MS && sync_coming(r->sync))
		return true;
	return r->burst.gave_at > 0 && now - r->burst.gave_at <= LATELY_MS &&
	       now - r->burst.came_at <= LINGER_MS;
}

/* The next one has a hold of its own. A gap of a moment is not enough for that: whoever writes
 * could else have one after the other. */
static bool is_over(const struct relay *r, uint64_t now)
{
	return now - r->burst.came_at > LATELY_MS && now - r->burst.gave_at > LATELY_MS;
}

void burst_note(struct relay *r, size_t count)
{
	uint64_t now = clock_mono_ms();

	if (now - r->burst.since > LATELY_MS) {
		r->burst.since = now;
		r->burst.count = 0;
	}
	r->burst.count += count;
	if (r->burst.count < MANY)
		return;
	if (is_over(r, now))
		r->burst.held_from = 0;
	r->burst.came_at = now;
}

void burst_gave(struct relay *r)
{
	uint64_t now;

	if (++r->burst.given < MANY)
		return;
	r->burst.given = 0;
	now = clock_mono_ms();
	if (now - r->burst.given_at <= LATELY_MS)
		r->burst.gave_at = now;
	r->burst.given_at = now;
}

void burst_look(struct relay *r)
{
	if (burst_holds_any(r) && !is_on(r, clock_mono_ms())) {
		event_del(r->burst.resume);
		views_follow(r);
	}
}

bool burst_holds(struct relay *r, const struct relay_log *l, uint64_t left)
{
	static const struct timeval lately = {0, LATELY_MS * 1000};
	uint64_t held = replica_held(l->replica), known = replica_note_size(l->replica), now;

	if (left + (known > held ? known - held : 0) <= FAR || r->burst.came_at == 0)
		return false;
	now = clock_mono_ms();
	if (is_over(r, now))
		r->burst.held_from = 0;
	if (!is_on(r, now))
		return false;
	if (r->burst.held_from == 0)
		r->burst.held_from = now;
	if ((now - r->burst.held_from) % (2 * HOLD_MS) >= HOLD_MS)
		return false;
	if (!burst_holds_any(r))
		event_add(r->burst.resume, &lately);
	return true;
}
