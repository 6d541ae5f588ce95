/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a participant may post: a bucket that holds an hour's worth and fills all the time. */
#include <stdlib.h>
#include <string.h>

#include "daemon/relay/ingest.h"

#define BUCKETS 1024
#define HOUR_MS 3600000.0

struct person {
	uint8_t identity[IDENTITY_LEN];
	double spent; /* messages not yet forgotten */
	uint64_t at;
	struct person *next;
};

struct quota {
	struct person *buckets[BUCKETS];
};

/* Identities are chosen by participants' clients, so some may collide on purpose: they slow down
 * each other's organisation, which can revoke them. */
static struct person **place_of(struct quota *q, const uint8_t identity[static IDENTITY_LEN])
{
	return &q->buckets[(identity[0] | identity[1] << 8) % BUCKETS];
}

bool quota_take(struct relay *r, const uint8_t identity[static IDENTITY_LEN], uint64_t now)
{
	double rate = r->conf->limits.posts_per_hour;
	struct person **at, *p;

	if (!r->quota)
		r->quota = calloc(1, sizeof *r->quota);
	if (!r->quota)
		return false;
	at = place_of(r->quota, identity);
	while ((p = *at) && memcmp(p->identity, identity, IDENTITY_LEN) != 0) {
		if (now - p->at > (uint64_t)HOUR_MS) { /* full again: as good as never seen */
			*at = p->next;
			free(p);
		} else {
			at = &p->next;
		}
	}
	if (!p) {
		p = calloc(1, sizeof *p);
		if (!p)
			return false;
		memcpy(p->identity, identity, IDENTITY_LEN);
		*at = p;
	} else {
		p->spent -= (double)(now - p->at) / HOUR_MS * rate;
		if (p->spent < 0)
			p->spent = 0;
	}
	p->at = now;
	if (p->spent + 1 > rate)
		return false;
	p->spent += 1;
	return true;
}

void quota_free(struct quota *q)
{
	for (size_t i = 0; q && i < BUCKETS; i++) {
		while (q->buckets[i]) {
			struct person *next = q->buckets[i]->next;

			free(q->buckets[i]);
			q->buckets[i] = next;
		}
	}
	free(q);
}
