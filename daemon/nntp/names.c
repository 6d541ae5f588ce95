/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/names.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"

#define SLOTS_FIRST 1024

struct slot {
	uint64_t hash; /* 0: empty */
	uint32_t group, number;
};

struct names {
	uint8_t key[16]; /* ids are strangers' choice */
	struct slot *slots;
	size_t count, used;
};

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof *n);

	if (!n || !(n->slots = calloc(SLOTS_FIRST, sizeof *n->slots)) ||
	    RAND_bytes(n->key, sizeof n->key) != 1) {
		names_free(n);
		return NULL;
	}
	n->count = SLOTS_FIRST;
	return n;
}

void names_free(struct names *n)
{
	if (n)
		free(n->slots);
	free(n);
}

static uint64_t hash(const struct names *n, struct bytes id)
{
	struct bytes parts[2] = {bytes_of(n->key, sizeof n->key), id};
	uint8_t out[HASH_LEN];
	uint64_t h;

	hash_of_parts(out, parts, 2);
	h = get_u64(out);
	return h ? h : 1;
}

static struct slot *slot_of(struct slot *slots, size_t count, uint64_t h)
{
	size_t at = h & (count - 1);

	while (slots[at].hash != 0 && slots[at].hash != h)
		at = (at + 1) & (count - 1);
	return &slots[at];
}

static int grow(struct names *n)
{
	size_t count = n->count * 2;
	struct slot *slots = calloc(count, sizeof *slots);

	if (!slots)
		return ERR_NOMEM;
	for (size_t i = 0; i < n->count; i++)
		if (n->slots[i].hash != 0)
			*slot_of(slots, count, n->slots[i].hash) = n->slots[i];
	free(n->slots);
	n->slots = slots;
	n->count = count;
	return OK;
}

int names_add(struct names *n, struct bytes id, uint32_t group, uint32_t number)
{
	uint64_t h = hash(n, id);
	struct slot *s;
	int err = n->used * 2 >= n->count ? grow(n) : OK;

	if (err)
		return err;
	s = slot_of(n->slots, n->count, h);
	if (s->hash == 0) {
		*s = (struct slot){h, group, number};
		n->used++;
	}
	return OK;
}

bool names_find(const struct names *n, struct bytes id, uint32_t *group, uint32_t *number)
{
	const struct slot *s = slot_of(n->slots, n->count, hash(n, id));

	*group = s->group;
	*number = s->number;
	return s->hash != 0;
}
