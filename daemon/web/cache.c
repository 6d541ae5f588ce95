/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/ed25519.h"

#define BUCKETS 16384
#define SHARE 8 /* one answer takes no more than an eighth of the room */

struct entry {
	struct cached shown; /* first: what callers have a pointer to */
	unsigned held;       /* by the cache and by callers */
	struct cache *cache; /* NULL: it isn't kept any more */
	uint64_t hash, state;
	struct bytes key;
	size_t size;
	struct entry *next;          /* of its bucket */
	struct entry *newer, *older; /* by use */
	uint8_t room[];
};

struct cache {
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	size_t bytes, max;
	uint64_t seed;
};

/* Of answers that no cache keeps and somebody holds; they may outlive theirs. */
static size_t loose;

int cache_new(struct cache **out, size_t bytes)
{
	struct cache *c = *out = calloc(1, sizeof *c);

	if (!c)
		return ERR_NOMEM;
	c->max = bytes;
	random_fill(&c->seed, sizeof c->seed);
	return OK;
}

/* Keys are chosen by strangers: the seed keeps them from meeting in one bucket on purpose, and
 * eight bytes at a time are enough for that. */
static uint64_t hash(const struct cache *c, struct bytes key)
{
	uint64_t h = c->seed ^ key.len, word;

	for (size_t i = 0; i < key.len; i += sizeof word) {
		size_t n = key.len - i < sizeof word ? key.len - i : sizeof word;

		word = 0;
		memcpy(&word, key.data + i, n);
		h = (h ^ word) * 0x9fb21c651e98df25u;
		h ^= (h >> 28) ^ c->seed;
	}
	return h * 0x9fb21c651e98df25u;
}

static struct entry **bucket(struct cache *c, uint64_t h)
{
	return &c->buckets[h >> 50 & (BUCKETS - 1)];
}

void cache_give_back(void *cached)
{
	struct entry *e = cached;

	if (--e->held > 0)
		return;
	loose -= e->size;
	free(e);
}

static void unlink_use(struct cache *c, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
}

static void link_newest(struct cache *c, struct entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	if (c->newest)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
}

static void drop(struct entry *e)
{
	struct cache *c = e->cache;
	struct entry **at = bucket(c, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unlink_use(c, e);
	c->bytes -= e->size;
	e->cache = NULL;
	loose += e->size;
	cache_give_back(e);
}

static struct entry *look(struct cache *c, uint64_t h, struct bytes key)
{
	struct entry *e = *bucket(c, h);

	while (e && (e->hash != h || !bytes_equal(e->key, key)))
		e = e->next;
	return e;
}

const struct cached *cache_find(struct cache *c, struct bytes key, uint64_t state)
{
	struct entry *e = look(c, hash(c, key), key);

	if (!e || e->state != state)
		return NULL;
	if (c->newest != e) {
		unlink_use(c, e);
		link_newest(c, e);
	}
	e->held++;
	return &e->shown;
}

static struct bytes put(uint8_t **to, struct bytes b)
{
	struct bytes at = {*to, b.len};

	if (b.len > 0)
		memcpy(*to, b.data, b.len);
	*to += b.len;
	return at;
}

const struct cached *cache_add(struct cache *c, struct bytes key, uint64_t state, int status,
    const char *tag, struct bytes fields, struct bytes body)
{
	size_t tag_len = strlen(tag) + 1;
	size_t size = sizeof(struct entry) + key.len + tag_len + fields.len + body.len;
	struct entry *e = malloc(size), *old;
	uint8_t *to;

	if (!e)
		return NULL;
	*e = (struct entry){.held = 1, .hash = hash(c, key), .state = state, .size = size};
	to = e->room;
	e->key = put(&to, key);
	e->shown.status = status;
	e->shown.tag = (const char *)put(&to, bytes_of(tag, tag_len)).data;
	e->shown.fields = put(&to, fields);
	e->shown.body = put(&to, body);
	old = look(c, e->hash, key);
	if (old)
		drop(old);
	/* What is in no state is asked for by nobody: it may not cost the others their place. */
	if (state == 0 || size > c->max / SHARE) {
		loose += size;
		return &e->shown;
	}
	while (c->bytes + size > c->max)
		drop(c->oldest);
	e->cache = c;
	e->held++;
	e->next = *bucket(c, e->hash);
	*bucket(c, e->hash) = e;
	link_newest(c, e);
	c->bytes += size;
	return &e->shown;
}

void cache_resize(struct cache *c, size_t bytes)
{
	c->max = bytes;
	while (c->bytes > c->max)
		drop(c->oldest);
}

size_t cache_loose(void)
{
	return loose;
}

size_t cache_bytes(const struct cache *c)
{
	return c->bytes;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	while (c->oldest)
		drop(c->oldest);
	free(c);
}
