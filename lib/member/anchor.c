/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/anchor.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NO_SEAT UINT32_MAX

struct anchor {
	const struct charter *charter;
	struct cosigner **list; /* each in its own place: pointers to them stay good */
	size_t count, cap;
	uint32_t seats; /* given, where all members have one */
};

struct anchor *anchor_new(const struct charter *charter)
{
	struct anchor *a = calloc(1, sizeof *a);

	if (a)
		a->charter = charter;
	return a;
}

void anchor_free(struct anchor *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->list[i]);
	free(a->list);
	free(a);
}

uint32_t anchor_needed(const struct anchor *a)
{
	return a->charter->anchor;
}

/* A founder's name stands for the root key beside it in the charter: nobody who is admitted later
 * under that name can take its seat. */
static bool is_impostor(
    const struct charter *c, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	for (size_t i = 0; i < c->member_count; i++) {
		if (strcmp(c->members[i].name, organisation) == 0)
			return memcmp(c->members[i].public, root_key, KEY_LEN) != 0;
	}
	return false;
}

static uint32_t named_seat(
    const struct charter *c, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	for (size_t i = 0; i < c->anchor_name_count; i++) {
		if (strcmp(c->anchor_names[i], organisation) == 0)
			return is_impostor(c, organisation, root_key) ? NO_SEAT : (uint32_t)i;
	}
	return NO_SEAT;
}

/* One root key is one organisation, under however many names it was admitted. */
static uint32_t seat_of(
    struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	if (a->charter->anchor == 0)
		return NO_SEAT;
	if (a->charter->anchor_names)
		return named_seat(a->charter, organisation, root_key);
	for (size_t i = 0; i < a->count; i++) {
		if (memcmp(a->list[i]->root_key, root_key, KEY_LEN) == 0)
			return a->list[i]->seat;
	}
	return a->seats;
}

static int list_grow(struct anchor *a)
{
	size_t cap = a->cap ? 2 * a->cap : 8;
	struct cosigner **grown;

	if (a->count < a->cap)
		return OK;
	grown = realloc(a->list, cap * sizeof *grown);
	if (!grown)
		return ERR_NOMEM;
	a->list = grown;
	a->cap = cap;
	return OK;
}

int anchor_learn(struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN],
    const struct verifier *key, uint64_t serial)
{
	struct cosigner *c = (struct cosigner *)(uintptr_t)anchor_of(a, organisation, root_key);
	uint32_t seat = c ? c->seat : seat_of(a, organisation, root_key);

	if (seat == NO_SEAT || strlen(organisation) > ORG_NAME_MAX)
		return ERR_REFUSED;
	if (!c) {
		if (list_grow(a) != OK || !(c = calloc(1, sizeof *c)))
			return ERR_NOMEM;
		strcpy(c->organisation, organisation);
		memcpy(c->root_key, root_key, KEY_LEN);
		c->seat = seat;
		a->list[a->count++] = c;
		if (!a->charter->anchor_names && seat == a->seats)
			a->seats++;
	} else if (serial <= c->serial) {
		return OK;
	}
	c->serial = serial;
	if (verifier_equal(&c->key, key))
		return OK;
	c->key = *key;
	return 1;
}

const struct cosigner *anchor_find(const struct anchor *a, struct bytes name,
    const uint8_t id[static 4], const struct cosigner *after)
{
	size_t i = 0;

	while (after && i < a->count && a->list[i++] != after)
		;
	for (; i < a->count; i++) {
		const struct cosigner *c = a->list[i];

		if (memcmp(c->key.id, id, sizeof c->key.id) == 0 &&
		    bytes_equal(bytes_str(c->key.name), name))
			return c;
	}
	return NULL;
}

const struct cosigner *anchor_of(
    const struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	for (size_t i = 0; i < a->count; i++) {
		if (memcmp(a->list[i]->root_key, root_key, KEY_LEN) == 0 &&
		    strcmp(a->list[i]->organisation, organisation) == 0)
			return a->list[i];
	}
	return NULL;
}

bool anchor_counts(
    const struct cosigner *c, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	return strcmp(c->organisation, organisation) != 0 &&
	       memcmp(c->root_key, root_key, KEY_LEN) != 0;
}

size_t anchor_seats(
    const struct anchor *a, const char *organisation, const uint8_t root_key[static KEY_LEN])
{
	size_t seats = 0;

	for (size_t i = 0; i < a->count; i++) {
		bool counted = !anchor_counts(a->list[i], organisation, root_key);

		for (size_t k = 0; k < i && !counted; k++)
			counted = a->list[k]->seat == a->list[i]->seat &&
				  anchor_counts(a->list[k], organisation, root_key);
		seats += !counted;
	}
	return seats;
}

uint64_t anchor_size(uint32_t needed, const uint64_t *sizes, size_t count)
{
	uint64_t best = 0;

	if (needed == 0 || count < needed)
		return 0;
	for (size_t i = 0; i < count; i++) {
		size_t reached = 0;

		for (size_t k = 0; k < count; k++)
			reached += sizes[k] >= sizes[i];
		if (reached >= needed && sizes[i] > best)
			best = sizes[i];
	}
	return best;
}

bool cosigner_organisation(struct bytes key_name, char out[static ORG_NAME_MAX + 1])
{
	static const char end[] = "/cosigner";
	const size_t tail = sizeof end - 1;
	size_t len = key_name.len > tail ? key_name.len - tail : 0;

	if (len == 0 || len > ORG_NAME_MAX || memcmp(key_name.data + len, end, tail) != 0)
		return false;
	memcpy(out, key_name.data, len);
	out[len] = '\0';
	return true;
}
