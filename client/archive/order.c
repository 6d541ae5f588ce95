/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* A Message-ID, as far as this archive speaks of it. */
struct node {
	uint8_t key[MAIL_KEY_LEN];
	uint32_t mail; /* ORDER_NONE: nobody has it */
	uint32_t set;  /* towards the first node of the same thread */
	uint8_t place; /* enum order_place */
};

struct mail {
	uint32_t node;
	uint32_t parent;     /* a node, or ORDER_NONE */
	bool outside;        /* that is in the topic, or has an heir there */
	uint32_t top;        /* towards the mail at the top of the tree so far */
	size_t first, count; /* in the list of references */
};

struct order {
	struct node *nodes;
	struct mail *mails;
	uint32_t *references; /* nodes */
	uint32_t *table;      /* open addressing; ORDER_NONE: empty */
	uint32_t *sequence;   /* mails */
	size_t node_count, node_room, mail_count, mail_room, reference_count, reference_room,
	    table_size;
};

struct order *order_new(void)
{
	return calloc(1, sizeof(struct order));
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->nodes);
	free(o->mails);
	free(o->references);
	free(o->table);
	free(o->sequence);
	free(o);
}

/* Room for `more` elements behind `count`. */
static int grow(void *list, size_t *room, size_t count, size_t more, size_t size)
{
	void **at = list, *larger;
	size_t wanted = *room ? *room : 1024;

	while (wanted - count < more)
		wanted += wanted / 2;
	if (wanted == *room)
		return OK;
	larger = realloc(*at, wanted * size);
	if (!larger)
		return ERR_NOMEM;
	*at = larger;
	*room = wanted;
	return OK;
}

/* ---- finding by key ---- */

/* A key is a piece of a hash that nobody steers: it is its own hash. */
static size_t slot_of(const struct order *o, const uint8_t *key)
{
	size_t i = (size_t)get_u64(key) & (o->table_size - 1);

	while (
	    o->table[i] != ORDER_NONE && memcmp(o->nodes[o->table[i]].key, key, MAIL_KEY_LEN) != 0)
		i = (i + 1) & (o->table_size - 1);
	return i;
}

static int table_grow(struct order *o)
{
	uint32_t *old = o->table;
	size_t size = o->table_size ? 2 * o->table_size : 4096;

	if (o->table_size > 2 * o->node_count)
		return OK;
	o->table = malloc(size * sizeof *o->table);
	if (!o->table) {
		o->table = old;
		return ERR_NOMEM;
	}
	free(old);
	memset(o->table, 0xff, size * sizeof *o->table);
	o->table_size = size;
	for (size_t i = 0; i < o->node_count; i++)
		o->table[slot_of(o, o->nodes[i].key)] = (uint32_t)i;
	return OK;
}

static int node_of(struct order *o, const uint8_t *key, uint32_t *out)
{
	int err = table_grow(o);
	size_t slot;

	if (err)
		return err;
	slot = slot_of(o, key);
	if (o->table[slot] == ORDER_NONE) {
		if (o->node_count >= ORDER_NONE - 1)
			return ERR_RANGE;
		err = grow(&o->nodes, &o->node_room, o->node_count, 1, sizeof *o->nodes);
		if (err)
			return err;
		o->nodes[o->node_count] = (struct node){
		    .mail = ORDER_NONE, .set = (uint32_t)o->node_count};
		memcpy(o->nodes[o->node_count].key, key, MAIL_KEY_LEN);
		o->table[slot] = (uint32_t)o->node_count++;
	}
	*out = o->table[slot];
	return OK;
}

int order_add(struct order *o, const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t (*references)[MAIL_KEY_LEN], size_t count, uint32_t *mail)
{
	struct mail m = {.parent = ORDER_NONE, .first = o->reference_count};
	int err = node_of(o, key, &m.node);

	if (err)
		return err;
	if (o->nodes[m.node].mail != ORDER_NONE) {
		*mail = o->nodes[m.node].mail;
		return ERR_EXISTS;
	}
	err = grow(&o->mails, &o->mail_room, o->mail_count, 1, sizeof *o->mails);
	if (!err)
		err = grow(&o->references, &o->reference_room, o->reference_count, count + 1,
		    sizeof *o->references);
	for (size_t i = 0; i < count && !err; i++) {
		uint32_t node;

		err = node_of(o, references[i], &node);
		if (!err && node != m.node)
			o->references[m.first + m.count++] = node;
	}
	if (err)
		return err;
	o->reference_count += m.count;
	*mail = m.top = (uint32_t)o->mail_count;
	o->nodes[m.node].mail = *mail;
	o->mails[o->mail_count++] = m;
	return OK;
}

uint32_t order_count(const struct order *o)
{
	return (uint32_t)o->mail_count;
}

uint32_t order_nodes(const struct order *o)
{
	return (uint32_t)o->node_count;
}

uint32_t order_find(const struct order *o, const uint8_t key[static MAIL_KEY_LEN])
{
	uint32_t node = o->table_size ? o->table[slot_of(o, key)] : ORDER_NONE;

	return node == ORDER_NONE ? ORDER_NONE : o->nodes[node].mail;
}

int order_ask(struct order *o,
    int (*fn)(void *ctx, uint32_t number, const uint8_t key[static MAIL_KEY_LEN]), void *ctx)
{
	for (size_t i = 0; i < o->node_count; i++) {
		int place;

		place = fn(ctx, (uint32_t)i, o->nodes[i].key);
		if (place < 0)
			return place;
		if (o->nodes[i].mail == ORDER_NONE || place == PLACE_HEIR)
			o->nodes[i].place = (uint8_t)place;
	}
	return OK;
}

const uint8_t *order_key(const struct order *o, uint32_t number)
{
	return o->nodes[number].key;
}

size_t order_ghosts(const struct order *o, uint32_t mail,
    void (*fn)(void *ctx, const uint8_t key[static MAIL_KEY_LEN]), void *ctx)
{
	const struct mail *m = &o->mails[mail];
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct node *n = &o->nodes[o->references[m->first + i]];

		if (n->mail == ORDER_NONE && n->place == PLACE_NOWHERE) {
			fn(ctx, n->key);
			count++;
		}
	}
	return count;
}

/* ---- linking ---- */

static uint32_t set_of(const struct order *o, uint32_t node)
{
	while (o->nodes[node].set != node) {
		o->nodes[node].set = o->nodes[o->nodes[node].set].set;
		node = o->nodes[node].set;
	}
	return node;
}

static uint32_t top_of(struct order *o, uint32_t mail)
{
	while (o->mails[mail].top != mail) {
		o->mails[mail].top = o->mails[o->mails[mail].top].top;
		mail = o->mails[mail].top;
	}
	return mail;
}

/* Mails come here once each, while they are tops: so one would come to stand below itself exactly
 * when the tree that it is to join has it for its top. */
static void parent_choose(struct order *o, uint32_t mail)
{
	struct mail *m = &o->mails[mail];

	for (size_t i = m->count; i-- > 0 && m->parent == ORDER_NONE;) {
		uint32_t node = o->references[m->first + i];
		const struct node *n = &o->nodes[node];

		if (n->mail == ORDER_NONE) {
			if (n->place == PLACE_TOPIC) {
				m->parent = node;
				m->outside = true;
			}
		} else {
			uint32_t top = top_of(o, n->mail);

			if (top != mail) {
				m->parent = node;
				m->top = top;
			}
		}
	}
}

static void sets_join(struct order *o, uint32_t mail)
{
	const struct mail *m = &o->mails[mail];

	for (size_t i = 0; i < m->count; i++) {
		uint32_t a = set_of(o, m->node), b = set_of(o, o->references[m->first + i]);

		if (a < b)
			o->nodes[b].set = a;
		else
			o->nodes[a].set = b;
	}
}

/* What the tops of each thread answer: a post of the topic, or the first of them. By the thread's
 * number. */
static uint32_t *heads_find(const struct order *o)
{
	uint32_t *heads = malloc((o->node_count + 1) * sizeof *heads);

	if (!heads)
		return NULL;
	memset(heads, 0xff, (o->node_count + 1) * sizeof *heads);
	for (int place = PLACE_TOPIC; place <= PLACE_HEIR; place++) {
		for (size_t i = 0; i < o->mail_count; i++) {
			const struct mail *m = &o->mails[i];
			uint32_t *head = &heads[set_of(o, m->node)];

			for (size_t k = m->count; k-- > 0 && *head == ORDER_NONE;) {
				uint32_t node = o->references[m->first + k];

				if (o->nodes[node].mail == ORDER_NONE &&
				    o->nodes[node].place == place)
					*head = node;
			}
			if (*head == ORDER_NONE && o->nodes[m->node].place == place)
				*head = m->node;
		}
	}
	for (size_t i = 0; i < o->mail_count; i++) {
		uint32_t *head = &heads[set_of(o, o->mails[i].node)];

		if (*head == ORDER_NONE && o->mails[i].parent == ORDER_NONE)
			*head = o->mails[i].node;
	}
	return heads;
}

uint32_t order_parent(const struct order *o, uint32_t mail, uint32_t *absent)
{
	const struct mail *m = &o->mails[mail];

	*absent = m->outside ? m->parent : ORDER_NONE;
	return m->outside || m->parent == ORDER_NONE ? ORDER_NONE : o->nodes[m->parent].mail;
}

/* Each mail when all above it are there. */
static int sequence_make(struct order *o)
{
	uint32_t *chain = malloc((o->mail_count + 1) * sizeof *chain);
	bool *placed = calloc(o->mail_count + 1, sizeof *placed);
	size_t at = 0;

	o->sequence = malloc((o->mail_count + 1) * sizeof *o->sequence);
	if (!chain || !placed || !o->sequence) {
		free(chain);
		free(placed);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < o->mail_count; i++) {
		size_t depth = 0;

		for (uint32_t m = i; m != ORDER_NONE && !placed[m];) {
			uint32_t absent;

			placed[m] = true;
			chain[depth++] = m;
			m = order_parent(o, m, &absent);
		}
		while (depth > 0)
			o->sequence[at++] = chain[--depth];
	}
	free(chain);
	free(placed);
	return OK;
}

int order_link(struct order *o)
{
	uint32_t *heads;

	for (uint32_t i = 0; i < o->mail_count; i++) {
		parent_choose(o, i);
		sets_join(o, i);
	}
	heads = heads_find(o);
	if (!heads)
		return ERR_NOMEM;
	for (size_t i = 0; i < o->mail_count; i++) {
		struct mail *m = &o->mails[i];
		uint32_t head = heads[set_of(o, m->node)];

		if (m->parent != ORDER_NONE)
			continue;
		m->outside = o->nodes[head].place != PLACE_NOWHERE;
		if (m->outside || head != m->node)
			m->parent = head;
	}
	free(heads);
	return sequence_make(o);
}

uint32_t order_at(const struct order *o, uint32_t i)
{
	return o->sequence[i];
}

uint32_t order_thread(const struct order *o, uint32_t mail)
{
	return set_of(o, o->mails[mail].node);
}
