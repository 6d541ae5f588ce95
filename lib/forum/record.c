/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages into their rows, and posts into threads (SPEC.md section 13.2).
 *
 * Messages that are linked by parents, directly or through others, share a row of `thread`. At most
 * one of them is missing: the topmost, since whatever is above a missing one is unknown. When that
 * one comes with a parent of its own, its thread joins the parent's, and the smaller of the two is
 * re-pointed: a chain that comes in the worst order costs n log n, not n².
 *
 * `message.topic` and `place` say in which topic a post stands: its root's, or its own while the
 * root is missing. A post goes from the second to the first at most once. Every step leaves what
 * would have come of any other order. */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct row {
	int64_t no, thread, topic, arrival;
	bool here;
};

struct parent {
	int64_t no, thread;
	int64_t topic; /* of its thread's root; 0: missing */
};

struct place {
	int64_t topic, posts, latest, newest;
};

struct places {
	struct place *at;
	size_t count, cap;
	struct place sum;
};

/* ---- counts ---- */

int tallies_flush(struct forum *f)
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

/* Count posts in a place; `fresh`: it has no row yet. */
static int place_count(struct forum *f, int64_t thread, const struct place *p, bool fresh)
{
	int changed = 0, err = OK;

	if (!fresh)
		err = view_run(f->s, VIEW_PLACE_COUNT, &changed, "iiiii", thread, p->topic,
		    p->posts, p->latest, p->newest);
	if (err == OK && changed == 0)
		err = view_run(f->s, VIEW_PLACE_ADD, NULL, "iiiii", thread, p->topic, p->posts,
		    p->latest, p->newest);
	return err == OK ? tally(f, p->topic, changed == 0, p->posts) : err;
}

static void place_sum(struct place *sum, const struct place *p)
{
	sum->posts += p->posts;
	if (p->latest > sum->latest || (p->latest == sum->latest && p->newest > sum->newest)) {
		sum->latest = p->latest;
		sum->newest = p->newest;
	}
}

/* Take a thread's places away, with what they count for their topics. Free `out->at`, also after an
 * error. */
static int places_take(struct forum *f, int64_t thread, struct places *out)
{
	struct view v;

	*out = (struct places){.sum = {.newest = INT64_MIN}};
	int err = view_start(&v, f->s, VIEW_PLACES, "i", thread);
	while (err == OK && (err = view_next(&v)) == 1) {
		if (out->count == out->cap) {
			size_t cap = out->cap == 0 ? 4 : out->cap * 2;
			struct place *at = realloc(out->at, cap * sizeof(*at));
			if (at == NULL) {
				view_end(&v);
				return ERR_NOMEM;
			}
			out->at = at;
			out->cap = cap;
		}
		struct place *p = &out->at[out->count++];
		*p = (struct place){
		    view_int(&v, 0), view_int(&v, 1), view_int(&v, 2), view_int(&v, 3)};
		place_sum(&out->sum, p);
		err = OK;
	}
	if (err == OK)
		err = view_run(f->s, VIEW_PLACE_DROP, NULL, "i", thread);
	for (size_t i = 0; i < out->count && err == OK; i++)
		err = tally(f, out->at[i].topic, -1, -out->at[i].posts);
	return err;
}

/* ---- threads ---- */

/* Bring posts that stood by themselves into the topic of the root that is now here. */
static int posts_settle(struct forum *f, int64_t thread, int64_t topic, const struct places *were)
{
	if (were->count == 0 || (were->count == 1 && were->at[0].topic == topic))
		return OK;
	int err = view_run(f->s, VIEW_THREAD_TOPIC, NULL, "ii", thread, topic);
	return err == OK ? view_run(f->s, VIEW_CHANGE_TOPIC, NULL, "ii", thread, topic) : err;
}

/* The missing root of a thread has come, and has no parent. */
static int root_here(struct forum *f, int64_t thread, int64_t root, int64_t topic)
{
	struct places were;
	int err = places_take(f, thread, &were);

	if (err == OK)
		err = posts_settle(f, thread, topic, &were);
	if (err == OK && were.count > 0) {
		were.sum.topic = topic;
		err = place_count(f, thread, &were.sum, true);
	}
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_SET, NULL, "iii", thread, root, topic);
	free(were.at);
	return err;
}

/* Which of two threads has more posts, at a cost that goes with the smaller: count on whichever
 * side is behind, until that one is at its end. */
static int larger(struct forum *f, int64_t a, int64_t b, int64_t *out)
{
	struct view v[2] = {{.s = f->s}, {.s = f->s}};
	int64_t thread[2] = {a, b}, sum[2] = {0, 0};
	int err = view_start(&v[0], f->s, VIEW_PLACES, "i", a), side = 0;

	if (err == OK)
		err = view_start(&v[1], f->s, VIEW_PLACES, "i", b);
	while (err == OK && (err = view_next(&v[side])) == 1) {
		sum[side] += view_int(&v[side], 1);
		side = sum[1] < sum[0];
		err = OK;
	}
	*out = thread[!side];
	view_end(&v[0]);
	view_end(&v[1]);
	return err;
}

/* The missing root of thread `below` has come, and its parent is in thread `above`: make them one.
 */
static int threads_join(struct forum *f, int64_t below, int64_t above, int64_t topic, int64_t *out)
{
	struct view v;
	struct places were = {0};
	int64_t keep = above, root = 0;
	int err = larger(f, above, below, &keep);
	int64_t gone = keep == above ? below : above;

	if (err == OK)
		err = view_start(&v, f->s, VIEW_THREAD_GET, "i", above);
	if (err == OK && (err = view_next(&v)) == 1) {
		root = view_int(&v, 0);
		view_end(&v);
		err = OK;
	}
	if (err == OK && topic != 0) {
		/* All of it now stands where the root of `above` does, in one place. */
		err = places_take(f, below, &were);
		if (err == OK)
			err = posts_settle(f, below, topic, &were);
		were.sum.topic = topic;
		if (err == OK && keep == above && were.count > 0)
			err = place_count(f, above, &were.sum, false);
		if (err == OK && keep == below) {
			struct place sum = were.sum;
			free(were.at);
			err = places_take(f, above, &were);
			place_sum(&sum, &were.sum);
			if (err == OK)
				err = place_count(f, below, &sum, true);
		}
	} else if (err == OK) {
		err = places_take(f, gone, &were);
		for (size_t i = 0; i < were.count && err == OK; i++)
			err = place_count(f, keep, &were.at[i], false);
	}
	free(were.at);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_MOVE, NULL, "ii", gone, keep);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_DROP, NULL, "i", gone);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_SET, NULL, "iiI", keep, root, topic);
	*out = keep;
	return err;
}

/* ---- rows ---- */

static int row_find(struct forum *f, const uint8_t id[static ID_LEN], struct row *out)
{
	struct view v;
	int err = view_start(&v, f->s, VIEW_MESSAGE_FIND, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct row){
	    view_int(&v, 0), view_int(&v, 2), view_int(&v, 3), view_int(&v, 4), !view_null(&v, 1)};
	view_end(&v);
	return OK;
}

/* The message that an id names as a topic, here or not. */
static int topic_number(struct forum *f, const uint8_t id[static ID_LEN], int64_t *no)
{
	size_t slot = id[0] % MENTIONS;
	struct row row;

	if (f->topics[slot].no != 0 && memcmp(f->topics[slot].id, id, ID_LEN) == 0) {
		*no = f->topics[slot].no;
		return OK;
	}
	int err = row_find(f, id, &row);
	if (err == ERR_NOTFOUND) {
		row.no = ++f->last_message;
		err = view_run(f->s, VIEW_MENTION_ADD, NULL, "ikI", row.no, id, INT64_C(0));
	}
	if (err == OK) {
		memcpy(f->topics[slot].id, id, ID_LEN);
		f->topics[slot].no = *no = row.no;
	}
	return err;
}

/* The message that an id names as a parent, here or not, with a thread for its children to be in.
 */
static int parent_find(struct forum *f, const uint8_t id[static ID_LEN], struct parent *out)
{
	struct view v;
	int64_t topic = 0;
	int err = view_start(&v, f->s, VIEW_PARENT_FIND, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err == 1) {
		*out = (struct parent){view_int(&v, 0), view_int(&v, 1), view_int(&v, 3)};
		topic = view_int(&v, 2);
		view_end(&v);
		if (out->thread != 0)
			return OK;
		err = view_run(f->s, VIEW_MENTION_THREAD, NULL, "ii", out->no, out->no);
	} else if (err == OK) {
		out->no = ++f->last_message;
		err = view_run(f->s, VIEW_MENTION_ADD, NULL, "ikI", out->no, id, out->no);
	}
	/* Without a thread until now it is a topic, or is missing, or is nothing that can be
	 * answered. */
	out->thread = out->no;
	out->topic = topic;
	return err == OK ? view_run(f->s, VIEW_THREAD_ADD, NULL, "iiI", out->no, out->no, topic)
			 : err;
}

static int row_write(struct forum *f, const struct arriving *a, enum view_id how, int *changed,
    int64_t no, int64_t topic, int64_t parent, int64_t thread, int64_t arrival)
{
	const struct header *h = &a->entry->header;

	return view_run(f->s, how, changed, "ikiiIIBIIII", no, a->entry->id,
	    view_at(a->o->log, a->index), (int64_t)h->kind, a->signer, (int64_t)h->time, h->lang,
	    topic, parent, thread, arrival);
}

/* Write a message under the next number: OK; or ERR_EXISTS with its row when its id has been
 * mentioned before. */
static int row_add(struct forum *f, struct arriving *a, int64_t topic, int64_t parent,
    int64_t thread, bool shown, struct row *row)
{
	int added;
	int err = row_write(f, a, VIEW_MESSAGE_ADD, &added, f->last_message + 1, topic, parent,
	    thread, shown ? f->last_arrival + 1 : 0);

	if (err != OK)
		return err;
	if (added == 1) {
		a->no = ++f->last_message;
		f->last_arrival += shown;
		a->arrival = shown ? f->last_arrival : 0;
		return OK;
	}
	err = row_find(f, a->entry->id, row);
	if (err != OK)
		return err;
	/* An id binds its log, and a valid message its sequence: it can't be valid twice. */
	if (row->here)
		return ERR_STORE;
	a->no = row->no;
	return ERR_EXISTS;
}

/* Complete a row that was there already. */
static int row_complete(struct forum *f, struct arriving *a, int64_t topic, int64_t parent,
    int64_t thread, bool shown, const struct row *row)
{
	int64_t arrival = row->arrival;

	if (shown && arrival == 0)
		arrival = ++f->last_arrival;
	a->arrival = arrival;
	return row_write(f, a, VIEW_MESSAGE_SET, NULL, row->no, topic, parent, thread, arrival);
}

/* ---- what arrives ---- */

int message_record(struct forum *f, struct arriving *a)
{
	struct row row;
	int err = row_add(f, a, 0, 0, 0, false, &row);

	return err == ERR_EXISTS ? row_complete(f, a, 0, 0, row.thread, false, &row) : err;
}

int message_arrive(struct forum *f, struct arriving *a)
{
	struct row row;
	int err = row_add(f, a, 0, 0, 0, true, &row);

	return err == ERR_EXISTS ? row_complete(f, a, 0, 0, row.thread, true, &row) : err;
}

int topic_place(struct forum *f, struct arriving *a)
{
	struct row row;
	int err = row_add(f, a, f->last_message + 1, 0, 0, true, &row);

	if (err == ERR_EXISTS) {
		err = row.thread == 0 ? OK : root_here(f, row.thread, row.no, row.no);
		if (err == OK)
			err = row_complete(f, a, row.no, 0, row.thread, true, &row);
	}
	return err == OK ? view_run(f->s, VIEW_TOPIC_HERE, NULL, "i", a->no) : err;
}

int post_place(struct forum *f, struct arriving *a)
{
	const struct header *h = &a->entry->header;
	struct parent parent = {0};
	struct row row;
	int64_t topic;
	bool begins = !h->parent.present;
	int err = topic_number(f, h->topic.id, &topic);

	if (err == OK && !begins)
		err = parent_find(f, h->parent.id, &parent);
	if (err != OK)
		return err;
	if (parent.topic != 0)
		topic = parent.topic;

	int64_t thread = begins ? f->last_message + 1 : parent.thread;
	bool fresh = begins;
	err = row_add(f, a, topic, parent.no, thread, true, &row);
	if (err == OK && begins) {
		err = view_run(f->s, VIEW_THREAD_ADD, NULL, "iii", thread, a->no, topic);
	} else if (err == ERR_EXISTS) {
		err = OK;
		if (begins && row.thread != 0) {
			thread = row.thread;
			fresh = false;
			err = root_here(f, thread, row.no, topic);
		} else if (begins) {
			thread = row.no;
			err = view_run(f->s, VIEW_THREAD_ADD, NULL, "iii", thread, row.no, topic);
		} else if (row.thread != 0 && row.thread != thread) {
			err = threads_join(f, row.thread, thread, parent.topic, &thread);
		}
		if (err == OK)
			err = row_complete(f, a, topic, parent.no, thread, true, &row);
	}
	if (err != OK)
		return err;
	struct place p = {topic, 1, (int64_t)h->time, (int64_t)get_u64(a->entry->id)};
	return place_count(f, thread, &p, fresh);
}
