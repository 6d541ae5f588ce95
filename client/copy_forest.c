/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads of the copy (SPEC.md 13.2, 13.3), made of all posts that are kept whenever they are asked
 * for: tens of thousands take less time than a connection.
 *
 * Depth is a stranger's choice, so nothing here recurses. */
#include "client/copy_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void forest_free(struct forest *f)
{
	free(f->posts);
	free(f->walk);
	*f = (struct forest){0};
}

/* ---- reading ---- */

static int post_add(struct forest *f, uint32_t *cap, const struct post *p, struct trouble *t)
{
	if (f->count == *cap) {
		uint32_t more = *cap ? 2 * *cap : 256;
		struct post *grown = *cap < NONE / 4
					 ? realloc(f->posts, (size_t)more * sizeof *grown)
					 : NULL;

		if (!grown)
			return no_memory(t);
		f->posts = grown;
		*cap = more;
	}
	f->posts[f->count++] = *p;
	return OK;
}

static int posts_read(struct forest *f, struct copy *c, uint32_t *cap, struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d,
	    "SELECT no, id, parent, topic, time, kind FROM item WHERE kind IN (5, 6)", t, "");

	while (!err && (err = query_next(&q, t)) == 1) {
		struct post p = {.no = query_int(q, 0),
		    .topic = query_int(q, 3),
		    .time = (uint64_t)query_int(q, 4),
		    .kind = (uint32_t)query_int(q, 5),
		    .up = NONE,
		    .root = NONE};

		err = OK;
		if (query_bytes(q, 1).len != ID_LEN)
			continue;
		memcpy(p.id, query_bytes(q, 1).data, ID_LEN);
		p.has_parent = query_bytes(q, 2).len == ID_LEN;
		if (p.has_parent)
			memcpy(p.parent, query_bytes(q, 2).data, ID_LEN);
		err = post_add(f, cap, &p, t);
	}
	query_end(&q);
	return err;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct post *)a)->id, ((const struct post *)b)->id, ID_LEN);
}

uint32_t forest_find(const struct forest *f, const uint8_t id[static ID_LEN])
{
	uint32_t low = 0, high = f->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = memcmp(f->posts[middle].id, id, ID_LEN);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

/* Those that are mentioned as parents, and not here, begin threads too. */
static int missing_add(struct forest *f, uint32_t *cap, struct trouble *t)
{
	uint32_t here = f->count, kept;
	int err = OK;

	qsort(f->posts, f->count, sizeof *f->posts, by_id);
	for (uint32_t i = 0; i < here && !err; i++) {
		struct forest known = {.posts = f->posts, .count = here};
		struct post p = {.up = NONE, .root = NONE};

		if (!f->posts[i].has_parent || forest_find(&known, f->posts[i].parent) != NONE)
			continue;
		memcpy(p.id, f->posts[i].parent, ID_LEN);
		err = post_add(f, cap, &p, t);
	}
	if (err || f->count == here)
		return err;
	qsort(f->posts, f->count, sizeof *f->posts, by_id);
	kept = 0;
	for (uint32_t i = 0; i < f->count; i++)
		if (i == 0 || by_id(&f->posts[i], &f->posts[kept - 1]) != 0)
			f->posts[kept++] = f->posts[i];
	f->count = kept;
	return OK;
}

/* ---- order ---- */

static int by_parent(const void *a, const void *b, void *ctx)
{
	const struct post *posts = ctx, *x = &posts[*(const uint32_t *)a],
			  *y = &posts[*(const uint32_t *)b];

	if (x->up != y->up)
		return x->up < y->up ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return memcmp(x->id, y->id, ID_LEN);
}

/* Depth first from each root; `order` has the children of one parent together, `first` where those
 * of a post begin. What is in no tree (rows that somebody made up) is not reached. A stack entry is
 * a place in `order` that is still to come, so it never holds more than there are posts. */
static void forest_walk(
    struct forest *f, const uint32_t *order, const uint32_t *first, uint32_t *stack)
{
	for (uint32_t root = 0; root < f->count; root++) {
		uint32_t at = root, top = 0;

		if (f->posts[root].up != NONE)
			continue;
		for (;;) {
			f->posts[at].root = root;
			f->walk[f->walked++] = at;
			if (first[at] != NONE)
				stack[top++] = first[at];
			if (top == 0)
				break;
			uint32_t place = stack[--top], up = f->posts[order[place]].up;
			if (place + 1 < f->count && f->posts[order[place + 1]].up == up)
				stack[top++] = place + 1;
			at = order[place];
			f->posts[at].depth = f->posts[up].no == 0 ? 0 : f->posts[up].depth + 1;
		}
	}
}

static int forest_grow(struct forest *f, struct trouble *t)
{
	size_t room = ((size_t)f->count + 1) * sizeof(uint32_t);
	uint32_t *order = malloc(room), *first = malloc(room), *stack = malloc(room);

	f->walk = malloc(room);
	if (order && first && stack && f->walk) {
		for (uint32_t i = 0; i < f->count; i++) {
			struct post *p = &f->posts[i];

			order[i] = i;
			first[i] = NONE;
			if (p->has_parent)
				p->up = forest_find(f, p->parent);
		}
		qsort_r(order, f->count, sizeof *order, by_parent, f->posts);
		for (uint32_t i = f->count; i-- > 0;)
			if (f->posts[order[i]].up != NONE)
				first[f->posts[order[i]].up] = i;
		forest_walk(f, order, first, stack);
	}
	bool good = order && first && stack && f->walk;
	free(order);
	free(first);
	free(stack);
	return good ? OK : no_memory(t);
}

int forest_open(struct forest *f, struct copy *c, struct trouble *t)
{
	uint32_t cap = 0;
	int err;

	*f = (struct forest){0};
	err = posts_read(f, c, &cap, t);
	if (!err && f->count > 0)
		err = missing_add(f, &cap, t);
	if (!err && f->count > 0)
		err = forest_grow(f, t);
	if (err)
		forest_free(f);
	return err;
}

static int topic_id(struct copy *c, int64_t no, ProtobufCBinaryData *out, struct trouble *t)
{
	struct query *q;
	int err = query_start(&q, c->d, "SELECT id FROM topic WHERE no = ?1", t, "i", no);

	if (!err && (err = query_next(&q, t)) == 1) {
		*out = pb_copy(query_bytes(q, 0));
		query_end(&q);
		err = OK;
	}
	return err;
}

int64_t forest_topic(const struct forest *f, uint32_t at)
{
	const struct post *p = &f->posts[at], *root = p->root == NONE ? p : &f->posts[p->root];

	return root->no ? root->topic : p->topic;
}

int forest_place(
    const struct forest *f, uint32_t at, struct copy *c, Convene__Item *item, struct trouble *t)
{
	const struct post *p = &f->posts[at], *root = p->root == NONE ? p : &f->posts[p->root];

	item->thread = pb_copy(bytes_of(root->id, ID_LEN));
	item->depth = p->depth;
	item->parent_missing = p->up != NONE && f->posts[p->up].no == 0;
	return topic_id(c, forest_topic(f, at), &item->topic, t);
}
