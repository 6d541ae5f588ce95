/* SPDX-License-Identifier: BSD-2-Clause */
/* What is odd about what was read: for a person who has this device, and for anybody else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/audit.h"
#include "client/output.h"

static const char *const reasons[] = {
    "", " (lost)", " (stolen)", " (replaced)", " (left the organisation)"};

/* ---- whose devices ---- */

static struct audit_device *device_of(struct audit *a, const uint8_t key[static KEY_LEN])
{
	for (size_t i = 0; i < a->device_count; i++)
		if (memcmp(a->devices[i].key, key, KEY_LEN) == 0)
			return &a->devices[i];
	return NULL;
}

/* What a known device vouches for, and what has vouched for a known one, is of the same person;
 * until nothing more follows. A recovery is nobody's word but the organisation's. */
static void known_spread(struct audit *a)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < a->device_count; i++) {
			struct audit_device *d = &a->devices[i], *by;

			if (d->way != BY_DEVICE || !(by = device_of(a, d->endorser)) ||
			    by->known == d->known)
				continue;
			by->known = d->known = more = true;
		}
	}
}

static int device_foreign(struct audit *a, const struct audit_device *d)
{
	char digits[FINGERPRINT_LEN], when[24], todo[160], id[9];

	device_fingerprint(digits, d->key);
	time_local(when, d->time);
	snprintf(todo, sizeof todo,
	    ". If it is yours: `convene audit --accept %s`; if it isn't, ask the operator to "
	    "revoke it",
	    id_short(id, d->key));
	if (d->way == BY_RECOVERY)
		return audit_add(a, d->revoked ? AUDIT_NOTE : AUDIT_WRONG, "recovery", d->enrolled,
		    "the organisation has enrolled the device %s for you by recovery, %s; unless "
		    "that is yours, somebody else speaks for you%s",
		    digits, when, d->revoked ? ", or did until it was revoked" : todo);
	return audit_add(a, d->revoked ? AUDIT_NOTE : AUDIT_WRONG, "foreign", d->enrolled,
	    "the device %s speaks for you since %s, and this one does not know it%s", digits, when,
	    d->revoked ? "; it was revoked" : todo);
}

/* Let in by a device of the same person: by which one, and whether it was this one, people can
 * tell. */
static int device_endorsed(
    struct audit *a, const struct audit_device *d, const struct audit_own *own)
{
	char digits[FINGERPRINT_LEN], by[9], when[24];
	bool mine = own && memcmp(d->endorser, own->key, KEY_LEN) == 0;

	device_fingerprint(digits, d->key);
	id_short(by, d->endorser);
	time_local(when, d->time);
	if (own &&
	    (memcmp(d->key, own->key, KEY_LEN) == 0 || own_devices_have(own->devices, d->key)))
		return OK;
	if (mine)
		return audit_add(a, AUDIT_WRONG, "stranger", d->enrolled,
		    "the device %s was let in with the key of this one, %s, and nobody approved it "
		    "here: another copy of the key is in use",
		    digits, when);
	return audit_add(a, AUDIT_NOTE, "endorsed", d->enrolled,
	    "the device %s was let in by the device %s, %s", digits, by, when);
}

static int revoked_tell(struct audit *a, const struct audit_device *d, bool own)
{
	char digits[FINGERPRINT_LEN], when[24];

	return audit_add(a, own && !d->by_itself ? AUDIT_WRONG : AUDIT_NOTE, "revoked",
	    d->revoked_at, "the device %s%s was revoked by %s%s, %s",
	    device_fingerprint(digits, d->key), own ? ", this one," : "",
	    d->by_itself ? "itself" : "the organisation", d->reason < 5 ? reasons[d->reason] : "",
	    time_local(when, d->revoked_time));
}

static int device_judge(struct audit *a, const struct audit_device *d, const struct audit_own *own)
{
	bool this = own && memcmp(d->key, own->key, KEY_LEN) == 0;
	char digits[FINGERPRINT_LEN], when[24];
	int err = OK;

	if (own && !d->known)
		err = device_foreign(a, d);
	else if (d->way == BY_RECOVERY)
		err = audit_add(a, AUDIT_NOTE, "recovery", d->enrolled,
		    "the key of the device %s%s was recovered by the organisation, %s",
		    device_fingerprint(digits, d->key), this ? ", this one," : "",
		    time_local(when, d->time));
	else if (d->way == BY_DEVICE)
		err = device_endorsed(a, d, own);
	if (!err && d->revoked)
		err = revoked_tell(a, d, this);
	return err;
}

static int devices_judge(struct audit *a, const struct audit_own *own)
{
	int err = OK;

	for (size_t i = 0; own && i < a->device_count; i++) {
		struct audit_device *d = &a->devices[i];

		d->known = memcmp(d->key, own->key, KEY_LEN) == 0 ||
			   own_devices_have(own->devices, d->key);
	}
	known_spread(a);
	for (size_t i = 0; i < a->device_count && !err; i++)
		err = device_judge(a, &a->devices[i], own);
	if (!err && own && !device_of(a, own->key))
		err = audit_add(a, AUDIT_WRONG, "unenrolled", UINT64_MAX,
		    "no entry of the log enrols this device for you");
	return err;
}

/* ---- sequences ---- */

/* The numbers of a gap that this device can say nothing about: as one finding for each run. */
static int gap_own(struct audit *a, const struct audit_gap *g, const struct audit_own *own)
{
	uint64_t from = g->from;

	while (from <= g->to) {
		uint64_t to;
		int err;

		/* A hole of any size: beyond what was ever used here nobody need be asked. */
		if (from <= own->sequence && own->accounted(own->ctx, from)) {
			from++;
			continue;
		}
		for (to = from; to < g->to; to++)
			if (to < own->sequence && own->accounted(own->ctx, to + 1))
				break;
			else if (to >= own->sequence) {
				to = g->to;
				break;
			}
		err = audit_add(a, AUDIT_WRONG, "gap", g->index,
		    "%s of this device, %" PRIu64 " to %" PRIu64
		    ", are not in the log before entry %" PRIu64
		    ", and nothing here says that they were refused or dropped",
		    from == to ? "messages with one number" : "messages with these numbers", from,
		    to, g->index);
		if (err)
			return err;
		from = to + 1;
	}
	return OK;
}

static int gap_judge(struct audit *a, const struct audit_gap *g, const struct audit_own *own)
{
	const struct audit_device *d = &a->devices[g->device];
	char digits[FINGERPRINT_LEN];

	if (own && memcmp(d->key, own->key, KEY_LEN) == 0)
		return g->number == a->number ? gap_own(a, g, own) : OK;
	return audit_add(a, AUDIT_NOTE, "gap", g->index,
	    "the numbers %" PRIu64 " to %" PRIu64
	    " of the device %s are not in the log: never sent, "
	    "refused, or withheld%s",
	    g->from, g->to, device_fingerprint(digits, d->key),
	    own ? "; `convene audit` there knows" : "");
}

/* By this device's key, and not by this device. */
static int strangers_judge(struct audit *a, const struct audit_own *own)
{
	int err = OK;

	for (size_t i = 0; i < a->message_count && !err; i++) {
		const struct audit_message *m = &a->messages[i];
		char id[9];

		if (m->number != a->number || m->sequence <= own->sequence ||
		    memcmp(a->devices[m->device].key, own->key, KEY_LEN) != 0)
			continue;
		err = audit_add(a, AUDIT_WRONG, "stranger", m->index,
		    "the message %s, number %" PRIu64
		    ", is signed with the key of this device, which has signed up to %" PRIu64
		    ": another copy of the key is in use, or this folder is an older copy",
		    id_short(id, m->id), m->sequence, own->sequence);
	}
	return err;
}

int audit_judge(struct audit *a, const struct audit_own *own)
{
	int err = devices_judge(a, own);

	for (size_t i = 0; i < a->gap_count && !err; i++)
		err = gap_judge(a, &a->gaps[i], own);
	return err || !own ? err : strangers_judge(a, own);
}

bool audit_good(const struct audit *a)
{
	for (size_t i = 0; i < a->finding_count; i++)
		if (a->findings[i].level == AUDIT_WRONG)
			return false;
	return true;
}

/* ---- messages by id ---- */

static int by_id(const void *x, const void *y)
{
	return memcmp(
	    ((const struct audit_message *)x)->id, ((const struct audit_message *)y)->id, ID_LEN);
}

const struct audit_message *audit_find(struct audit *a, const uint8_t id[static ID_LEN])
{
	struct audit_message wanted;

	if (a->message_count == 0)
		return NULL;
	if (!a->sorted)
		qsort(a->messages, a->message_count, sizeof *a->messages, by_id);
	a->sorted = true;
	memcpy(wanted.id, id, ID_LEN);
	return bsearch(&wanted, a->messages, a->message_count, sizeof *a->messages, by_id);
}
