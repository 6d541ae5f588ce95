/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts: how many posts stand where (SPEC.md section 13.2).
 *
 * A place is a thread in a topic. Most threads get several posts in a run of entries: what these
 * add is gathered in memory, and written once for each place at the end of the run, or before
 * anything reads a place. */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int tallies_flush(struct forum *f)
{
	int err = OK;

	for (size_t i = 0; i < f->tally_count && err == OK; i++) {
		const struct tally *t = &f->tallies[i];
		err = view_run(f->s, VIEW_TOPIC_COUNT, NULL, "iii", t->topic, t->threads, t->posts);
	}
	f->tally_count = 0;
	return err;
}

static int tally(struct forum *f, int64_t topic, int64_t threads, int64_t posts)
{
	for (size_t i = 0; i < f->tally_count; i++) {
		if (f->tallies[i].topic == topic) {
			f->tallies[i].threads += threads;
			f->tallies[i].posts += posts;
			return OK;
		}
	}
	if (f->tally_count == TALLIES) {
		int err = tallies_flush(f);
		if (err != OK)
			return err;
	}
	f->tallies[f->tally_count++] = (struct tally){topic, threads, posts};
	return OK;
}

int place_write(struct forum *f, const struct place *p)
{
	int changed = 0, err = OK;

	if (!p->fresh)
		err = view_run(f->s, VIEW_PLACE_COUNT, &changed, "iiiii", p->thread, p->topic,
		    p->posts, p->latest, p->newest);
	if (err == OK && changed == 0)
		err = view_run(f->s, VIEW_PLACE_ADD, NULL, "iiiii", p->thread, p->topic, p->posts,
		    p->latest, p->newest);
	return err == OK ? tally(f, p->topic, changed == 0, p->posts) : err;
}

void place_sum(struct place *sum, const struct place *p)
{
	sum->posts += p->posts;
	if (p->latest > sum->latest || (p->latest == sum->latest && p->newest > sum->newest)) {
		sum->latest = p->latest;
		sum->newest = p->newest;
	}
}

/* ---- gathering ---- */

static int by_row(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->topic < y->topic ? -1 : x->topic > y->topic;
}

static int places_flush(struct forum *f)
{
	struct places *all = f->places;
	int err = OK;

	/* In the order of rows, so that each page is changed once. */
	qsort(all->at, all->count, sizeof(all->at[0]), by_row);
	for (size_t i = 0; i < all->count && err == OK; i++)
		err = place_write(f, &all->at[i]);
	if (all->count > 0)
		memset(all->slots, 0, sizeof(all->slots));
	all->count = 0;
	return err;
}

int counts_flush(struct forum *f)
{
	int err = places_flush(f);

	return err == OK ? tallies_flush(f) : err;
}

int place_count(struct forum *f, const struct place *p)
{
	struct places *all = f->places;
	uint64_t slot = ((uint64_t)p->thread * 31 + (uint64_t)p->topic) *
			    UINT64_C(0x9e3779b97f4a7c15) >>
			32;

	for (;; slot++) {
		uint16_t *at = &all->slots[slot % (2 * PLACES)];
		struct place *known = *at == 0 ? NULL : &all->at[*at - 1];
		if (known == NULL) {
			all->at[all->count++] = *p;
			*at = (uint16_t)all->count;
			break;
		}
		if (known->thread == p->thread && known->topic == p->topic) {
			place_sum(known, p);
			break;
		}
	}
	return all->count == PLACES ? places_flush(f) : OK;
}

/* ---- taking away ---- */

int places_take(
    struct forum *f, int64_t thread, struct place **out, size_t *count, struct place *sum)
{
	struct view v;
	size_t cap = 0;

	*out = NULL;
	*count = 0;
	*sum = (struct place){.newest = INT64_MIN};
	int err = view_start(&v, f->s, VIEW_PLACES, "i", thread);
	while (err == OK && (err = view_next(&v)) == 1) {
		if (*count == cap) {
			cap = cap == 0 ? 4 : cap * 2;
			struct place *at = realloc(*out, cap * sizeof(*at));
			if (at == NULL) {
				view_end(&v);
				return ERR_NOMEM;
			}
			*out = at;
		}
		struct place *p = &(*out)[(*count)++];
		*p = (struct place){.thread = thread,
		    .topic = view_int(&v, 0),
		    .posts = view_int(&v, 1),
		    .latest = view_int(&v, 2),
		    .newest = view_int(&v, 3)};
		place_sum(sum, p);
		err = OK;
	}
	if (err == OK)
		err = view_run(f->s, VIEW_PLACE_DROP, NULL, "i", thread);
	for (size_t i = 0; i < *count && err == OK; i++)
		err = tally(f, (*out)[i].topic, -1, -(*out)[i].posts);
	return err;
}
