/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/crowd.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/ed25519.h"

#define BUCKETS 4096

struct crowd_one {
	struct crowd_one *next;
	uint64_t key;
	unsigned count, asking;
};

struct crowd {
	struct crowd_one *buckets[BUCKETS];
	uint64_t seed;
};

struct crowd *crowd_new(void)
{
	struct crowd *c = calloc(1, sizeof *c);

	if (c)
		random_fill(&c->seed, sizeof c->seed);
	return c;
}

void crowd_free(struct crowd *c)
{
	for (size_t i = 0; c && i < BUCKETS; i++) {
		while (c->buckets[i]) {
			struct crowd_one *one = c->buckets[i];

			c->buckets[i] = one->next;
			free(one);
		}
	}
	free(c);
}

/* IPv4 is 0:0:0:ffff:a.b.c.d cut to its end; no /64 of the Internet begins with 0:0. */
static uint64_t key_of(const struct sockaddr *from)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *a;

	if (from->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
	if (from->sa_family != AF_INET6)
		return 0;
	a = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr.s6_addr;
	return memcmp(a, mapped, sizeof mapped) == 0 ? get_u32(a + 12) : get_u64(a);
}

/* Who chooses addresses doesn't choose buckets. */
static struct crowd_one **bucket_of(struct crowd *c, uint64_t key)
{
	uint64_t h = key ^ c->seed;

	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return &c->buckets[(h ^ h >> 32) % BUCKETS];
}

struct crowd_one *crowd_enter(struct crowd *c, const struct sockaddr *from, unsigned max)
{
	uint64_t key = key_of(from);
	struct crowd_one **bucket = bucket_of(c, key), *one = *bucket;

	while (one && one->key != key)
		one = one->next;
	if (!one) {
		one = calloc(1, sizeof *one);
		if (!one)
			return NULL;
		one->key = key;
		one->next = *bucket;
		*bucket = one;
	}
	if (one->count >= max) {
		if (one->count == 0)
			crowd_leave(c, one);
		return NULL;
	}
	one->count++;
	return one;
}

bool crowd_asks(struct crowd_one *one, unsigned max)
{
	if (one->asking >= max)
		return false;
	one->asking++;
	return true;
}

void crowd_answered(struct crowd_one *one)
{
	one->asking--;
}

void crowd_leave(struct crowd *c, struct crowd_one *one)
{
	struct crowd_one **at;

	if (one->count > 0 && --one->count > 0)
		return;
	for (at = bucket_of(c, one->key); *at != one; at = &(*at)->next)
		;
	*at = one->next;
	free(one);
}
