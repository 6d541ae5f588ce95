/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows from all rows together: threads and their topics (SPEC.md 13.2), which text is in
 * force (13.5), and the order of an export. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/extract_inside.h"

/* ---- threads ---- */

static bool is_shown(const struct row *r)
{
	return r->kind == KIND_TOPIC || r->kind == KIND_POST;
}

static int parents_find(struct extract *e, struct trouble *t)
{
	struct buffer message = BUFFER_INIT;
	int err = OK;

	for (size_t i = 0; !err && i < e->row_count; i++) {
		struct row *r = &e->rows[i];
		struct header h;

		if (r->kind != KIND_POST)
			continue;
		err = row_header(e, r, &message, &h, t);
		if (err || !h.parent.present)
			continue;
		if (!key_index_find(&e->by_id, e->rows, h.parent.id, &r->about) ||
		    !is_shown(&e->rows[r->about])) {
			r->about = NONE;
			r->orphan = true;
		}
	}
	buffer_free(&message);
	return err;
}

/* An id is the hash of what names the parent's, so there are no circles; but a program should not
 * hang if there were one. */
static void root_find(struct extract *e, uint32_t no)
{
	uint32_t top = no, next;
	size_t steps = 0;

	while (e->rows[top].root == NONE && e->rows[top].about != NONE && steps++ < e->row_count)
		top = e->rows[top].about;
	if (e->rows[top].root != NONE)
		top = e->rows[top].root;
	for (; no != NONE && e->rows[no].root == NONE; no = next) {
		next = e->rows[no].about;
		e->rows[no].root = top;
	}
}

bool row_rooted(const struct extract *e, const struct row *r)
{
	return !e->rows[r->root].orphan;
}

uint32_t row_topic(const struct extract *e, const struct row *r)
{
	return row_rooted(e, r) ? e->rows[r->root].topic : r->topic;
}

/* ---- texts ---- */

/* Rows come in the order of their positions, so the first ERASE and the last AMEND are those that
 * count. */
static void texts_find(struct extract *e)
{
	for (uint32_t i = 0; i < e->row_count; i++) {
		struct row *r = &e->rows[i],
			   *of = r->kind == KIND_ERASE ? &e->rows[r->about] : NULL;

		if (of && of->kind == KIND_ENROL)
			e->people[of->person].erasure =
			    i; /* the last: a profile may be written anew */
		else if (of && of->erasure == NONE)
			of->erasure = i;
	}
	for (uint32_t i = 0; i < e->row_count; i++) {
		struct row *r = &e->rows[i],
			   *of = r->kind == KIND_AMEND ? &e->rows[r->about] : NULL;

		if (!of || r->erasure != NONE)
			continue;
		if (of->kind == KIND_ENROL) {
			struct person *p = &e->people[of->person];

			if (p->erasure == NONE || p->erasure < i)
				p->amendment = i;
		} else {
			of->amendment = i;
		}
	}
}

/* ---- order ---- */

struct sort_key {
	uint64_t time;
	const uint8_t *id;
	uint32_t row;
};

static int by_time(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return memcmp(x->id, y->id, ID_LEN);
}

static int order_make(struct extract *e, struct trouble *t)
{
	struct sort_key *keys = calloc(e->row_count + 1, sizeof *keys);

	e->order = calloc(e->row_count + 1, sizeof *e->order);
	if (!keys || !e->order) {
		free(keys);
		return no_memory(t);
	}
	for (uint32_t i = 0; i < e->row_count; i++) {
		struct row *r = &e->rows[i];

		if (!is_shown(r))
			continue;
		r->chosen = true;
		keys[e->order_count++] = (struct sort_key){r->time, r->id, i};
	}
	qsort(keys, e->order_count, sizeof *keys, by_time);
	for (size_t i = 0; i < e->order_count; i++)
		e->order[i] = keys[i].row;
	free(keys);
	return OK;
}

int extract_resolve(struct extract *e, struct trouble *t)
{
	int err = parents_find(e, t);

	if (err)
		return err;
	for (uint32_t i = 0; i < e->row_count; i++)
		if (is_shown(&e->rows[i]))
			root_find(e, i);
	texts_find(e);
	return order_make(e, t);
}

int extract_topic(struct extract *e, const uint8_t topic[static ID_LEN], struct trouble *t)
{
	uint32_t no;
	size_t kept = 0;
	bool known = key_index_find(&e->by_topic, e->topics, topic, &no);

	for (size_t i = 0; i < e->order_count; i++) {
		struct row *r = &e->rows[e->order[i]];

		r->chosen = known && row_topic(e, r) == no;
		if (r->chosen)
			e->order[kept++] = e->order[i];
	}
	e->order_count = kept;
	if (kept > 0)
		return OK;
	trouble_set(t, ERR_NOTFOUND, "at that frontier there is no such topic");
	trouble_hint(t, "It was opened later: export without --at, or all topics.");
	return t->err;
}

size_t extract_size(const struct extract *e)
{
	return e->order_count;
}

bool extract_is_topic(const struct extract *e, size_t i)
{
	return e->rows[e->order[i]].kind == KIND_TOPIC;
}
