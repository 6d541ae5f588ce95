/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own log after trouble: while it is being recovered it is fetched as others' logs are, and
 * links are asked who has told how much of it they hold (learn before signing). */
#include "base/error.h"
#include "sync/state.h"

/* A proof that was asked for of one entry (pull_own()) is not waited for any more: all are coming,
 * and the peer has one subscription to a log at a time. */
void own_proofs_forget(struct sync *s, const struct log_slot *l)
{
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link->own_stream == 0 || link->own_no != l->no)
			continue;
		s->io.send(s->io.ctx, link->handle, FRAME_UNSUBSCRIBE, link->own_stream, NULL);
		link->own_stream = 0;
	}
}

int sync_own_recover(struct sync *s, uint32_t no, bool on, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l || !l->own)
		return ERR_NOTFOUND;
	if (l->recovering == on)
		return OK;
	if (!on && (l->due_count > 0 || replica_staged(l->replica) != replica_held(l->replica)))
		return ERR_BUSY;
	if (on)
		own_proofs_forget(s, l);
	l->recovering = on;
	l->behind = false;
	if (on)
		pull_choose(s, l, now);
	else
		pull_drop(s, l, true);
	return OK;
}

bool sync_own_answered(struct sync *s, const struct sync_link *link, uint32_t no, uint64_t *shown)
{
	const struct log_slot *l = slot_by_no(s, no);
	const struct pair *p = l ? pair_of(s, (struct sync_link *)(uintptr_t)link, l) : NULL;

	*shown = 0;
	if (!p)
		return false;
	/* What was shown and did not come when it was asked for is still shown. */
	*shown = p->shown > p->withheld ? p->shown : p->withheld;
	return sync_link_compared(link) && !p->doubted && *shown <= replica_held(l->replica);
}
