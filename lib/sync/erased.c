/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has done away with what was erased (SPEC.md 11.10). A claim, as far as its sender is honest;
 * nothing here depends on it. */
#include "base/error.h"
#include "sync/state.h"

#define ERASED_MS 1000 /* told of one log at most this often */

void sync_erased(struct sync *s, uint32_t no, uint64_t size, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l || l->erased == size)
		return;
	l->erased = size;
	for (struct sync_link *link = s->links; link; link = link->next) {
		link->erased_due = true;
		erased_flush(s, link, now);
	}
}

void erased_flush(struct sync *s, struct sync_link *link, uint64_t now)
{
	if (!link->witness || !link->erased_due)
		return;
	link->erased_due = false;
	for (size_t i = 0; i < s->log_count; i++) {
		Convene__Erased m = CONVENE__ERASED__INIT;
		const struct log_slot *l = &s->logs[i];
		struct pair *p = &link->pairs[i];

		if (l->erased <= p->erased_told)
			continue;
		if (now < p->erased_at) {
			link->erased_due = true;
			continue;
		}
		p->erased_told = l->erased;
		p->erased_at = now + ERASED_MS;
		m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
		m.size = l->erased;
		s->io.send(s->io.ctx, link->handle, FRAME_ERASED, 0, &m.base);
	}
}

/* More often than once a second costs a look-up: whoever keeps what is heard need not write it down
 * each time. */
void erased_receive(struct sync *s, struct sync_link *link, const Convene__Erased *m)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct pair *p;

	if (!link->witness) {
		s->io.fault(s->io.ctx, link->handle, ERR_UNKNOWN_KIND,
		    "an ERASED comes only where both sides have named `witness`");
		return;
	}
	if (m->log.len != DIGEST_LEN || m->size == 0 || m->size > INT64_MAX) {
		s->io.fault(
		    s->io.ctx, link->handle, ERR_MALFORMED, "an ERASED names no log, or no size");
		return;
	}
	p = l ? pair_of(s, link, l) : NULL;
	if (!p || m->size <= p->erased_heard)
		return;
	p->erased_heard = m->size;
	if (s->io.erased)
		s->io.erased(s->io.ctx, link->handle, l->no, m->size);
}
