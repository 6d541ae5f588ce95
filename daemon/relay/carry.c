/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose logs aren't carried here, as the configuration says (carry = no): lib/sync leaves them out,
 * and peers and readers are told (SPEC.md 11.1). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/answer.h"

/* A log that was shown and refused. */
struct refused {
	uint8_t digest[DIGEST_LEN];
	char organisation[ORG_NAME_MAX + 1];
	struct refused *next;
};

void carry_refused(struct relay *r, const struct credential *c)
{
	struct refused *one = r->refused;
	size_t count = 0;

	for (; one; one = one->next, count++)
		if (memcmp(one->digest, c->binding.digest, DIGEST_LEN) == 0)
			return;
	if (count >= SYNC_WITHOUT_MAX || !(one = calloc(1, sizeof *one)))
		return;
	memcpy(one->digest, c->binding.digest, DIGEST_LEN);
	strcpy(one->organisation, c->organisation);
	one->next = r->refused;
	r->refused = one;
	r->carry_due = true;
}

/* Which logs those are. */
static void tell_sync(struct relay *r)
{
	uint8_t(*list)[DIGEST_LEN] = calloc(SYNC_WITHOUT_MAX, DIGEST_LEN);
	size_t count = 0;

	if (!list)
		return;
	for (const struct relay_log *l = r->logs; l && count < SYNC_WITHOUT_MAX; l = l->next)
		if (!l->carried)
			memcpy(list[count++], l->credential.binding.digest, DIGEST_LEN);
	for (const struct refused *one = r->refused; one && count < SYNC_WITHOUT_MAX;
	     one = one->next)
		if (!conf_carries(r->conf, one->organisation) &&
		    !log_by_digest(r, one->digest, DIGEST_LEN))
			memcpy(list[count++], one->digest, DIGEST_LEN);
	r->carry_due = sync_without(r->sync, (const uint8_t(*)[DIGEST_LEN])list, count,
			   clock_mono_ms()) != OK;
	free(list);
}

void carry_settle(struct relay *r)
{
	if (r->carry_due)
		tell_sync(r);
}

void carry_update(struct relay *r)
{
	uint64_t now = clock_mono_ms();

	for (struct relay_log *l = r->logs; l; l = l->next) {
		bool carried = l->own || conf_carries(r->conf, l->credential.organisation);

		if (carried == l->carried)
			continue;
		l->carried = carried;
		log_info("log %s is %s", l->credential.binding.log_name,
		    carried ? "carried again" : "carried no longer");
		/* One that wasn't carried when we started isn't known to sync. */
		if (sync_carry(r->sync, l->no, carried, now) == ERR_NOTFOUND && carried &&
		    sync_add_log(r->sync, l->no, l->replica, &l->credential.binding, false, now) !=
			OK)
			l->carried = false;
	}
	tell_sync(r);
}

void carry_free(struct relay *r)
{
	while (r->refused) {
		struct refused *next = r->refused->next;

		free(r->refused);
		r->refused = next;
	}
}

size_t carry_without(struct answer *a, ProtobufCBinaryData **out)
{
	const struct conf *c = a->session->relay->conf;
	size_t count = 0;

	*out = NULL;
	for (size_t i = 0; i < c->origin_count; i++)
		count += !c->origins[i].carry;
	if (count == 0)
		return 0;
	*out = answer_room(a, count * sizeof **out);
	if (!*out)
		return 0;
	count = 0;
	for (size_t i = 0; i < c->origin_count; i++)
		if (!c->origins[i].carry)
			(*out)[count++] = pb_of(bytes_str(c->origins[i].name));
	return count;
}
