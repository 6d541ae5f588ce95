/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages into their rows, and posts into threads (SPEC.md section 13.2).
 *
 * Messages that are linked by parents, directly or through others, share a thread's number. At most
 * one of them is missing: the topmost, since whatever is above a missing one is unknown. When that
 * one comes with a parent of its own, its thread joins the parent's, and the smaller of the two is
 * re-pointed: a chain that comes in the worst order costs n log n, not n².
 *
 * `message.topic` and `place` say in which topic a post stands: its root's, or its own while the
 * root is missing. A post goes from the second to the first at most once. Every step leaves what
 * would have come of any other order, and reads places only when counts are written (place.c). */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int rows_flush(struct forum *f)
{
	size_t count = f->row_count;

	f->row_count = 0;
	return count == 0 ? OK : views_messages_add(f->s, f->rows, count);
}

bool row_title(struct forum *f, int64_t no, struct bytes subject, struct bytes text)
{
	struct view_message *m = f->row_count == 0 ? NULL : &f->rows[f->row_count - 1];
	struct buffer *title = m == NULL ? NULL : &f->titles[f->row_count - 1];

	if (m == NULL || m->no != no || m->topic == 0)
		return false;
	buffer_reset(title);
	buffer_add(title, subject.data, subject.len);
	buffer_add(title, text.data, text.len);
	if (title->failed)
		return false;
	m->subject = bytes_of(title->data, subject.len);
	m->text = bytes_of(title->data + subject.len, text.len);
	m->titled = true;
	return true;
}

struct row {
	int64_t no, thread, topic, arrival;
};

struct parent {
	int64_t no, thread;
	int64_t topic; /* of its thread's root; 0: missing */
};

/* ---- threads ---- */

/* Bring posts that stood by themselves into the topic of the root that is now here. */
static int posts_settle(
    struct forum *f, int64_t thread, int64_t topic, const struct place *were, size_t count)
{
	if (count == 0 || (count == 1 && were[0].topic == topic))
		return OK;
	int err = rows_flush(f);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_TOPIC, NULL, "ii", thread, topic);
	return err == OK ? view_run(f->s, VIEW_CHANGE_TOPIC, NULL, "ii", thread, topic) : err;
}

/* A thread's topmost message: a row only if that isn't the one of its number. */
static int root_write(struct forum *f, int64_t thread, int64_t root)
{
	return root == thread ? view_run(f->s, VIEW_THREAD_DROP, NULL, "i", thread)
			      : view_run(f->s, VIEW_THREAD_SET, NULL, "ii", thread, root);
}

/* The missing root of a thread has come, and has no parent. */
static int root_here(struct forum *f, int64_t thread, int64_t root, int64_t topic)
{
	struct place *were = NULL, sum;
	size_t count = 0;
	int err = counts_flush(f);

	if (err == OK)
		err = places_take(f, thread, &were, &count, &sum);
	if (err == OK)
		err = posts_settle(f, thread, topic, were, count);
	if (err == OK && count > 0) {
		sum.thread = thread;
		sum.topic = topic;
		sum.fresh = true;
		err = place_write(f, &sum);
	}
	if (err == OK)
		err = root_write(f, thread, root);
	recent_thread_put(f->recent, thread, topic);
	free(were);
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

/* Move all places of thread `from` into `to`; all of them into `topic`, if that is one. */
static int places_move(struct forum *f, int64_t from, int64_t to, int64_t topic, bool settle)
{
	struct place *were = NULL, sum;
	size_t count = 0;
	int err = places_take(f, from, &were, &count, &sum);

	if (err == OK && settle)
		err = posts_settle(f, from, topic, were, count);
	if (err == OK && topic != 0 && count > 0) {
		sum.thread = to;
		sum.topic = topic;
		err = place_write(f, &sum);
	}
	for (size_t i = 0; i < count && topic == 0 && err == OK; i++) {
		were[i].thread = to;
		err = place_write(f, &were[i]);
	}
	free(were);
	return err;
}

/* The missing root of thread `below` has come, and its parent is in thread `above`: make them one.
 */
static int threads_join(struct forum *f, int64_t below, int64_t above, int64_t topic, int64_t *out)
{
	struct view v;
	int64_t keep = above, root = above;
	int err = rows_flush(f);

	if (err == OK)
		err = counts_flush(f);

	if (err == OK)
		err = larger(f, above, below, &keep);
	int64_t gone = keep == above ? below : above;

	if (err == OK)
		err = view_start(&v, f->s, VIEW_THREAD_GET, "i", above);
	if (err == OK && (err = view_next(&v)) == 1) {
		root = view_int(&v, 0);
		view_end(&v);
		err = OK;
	}
	/* With a root that is here, all of it stands where that does, in one place. */
	if (err == OK && topic != 0)
		err = places_move(f, below, keep, topic, true);
	if (err == OK && (topic == 0 || keep == below))
		err = places_move(f, gone, keep, topic, false);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_MOVE, NULL, "ii", gone, keep);
	if (err == OK)
		err = view_run(f->s, VIEW_THREAD_DROP, NULL, "i", gone);
	if (err == OK)
		err = root_write(f, keep, root);
	recent_thread_drop(f->recent, gone);
	recent_thread_put(f->recent, keep, topic);
	*out = keep;
	return err;
}

/* ---- rows ---- */

static int row_find(struct forum *f, const uint8_t id[static ID_LEN], struct row *out)
{
	struct view v;
	int err = rows_flush(f);

	if (err == OK)
		err = view_start(&v, f->s, VIEW_MESSAGE_FIND, "k", id);
	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct row){view_int(&v, 0), view_int(&v, 2), view_int(&v, 3), view_int(&v, 4)};
	view_end(&v);
	return OK;
}

/* One that was mentioned before it came. What is to be written still is not among these. */
static int awaited_read(
    struct forum *f, enum view_id which, const uint8_t id[static ID_LEN], struct row *out)
{
	struct view v;
	int err = which == VIEW_AWAITED_IN ? view_start(&v, f->s, which, "ki", id, f->awaited_near)
					   : view_start(&v, f->s, which, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct row){view_int(&v, 0), view_int(&v, 1), view_int(&v, 2), view_int(&v, 3)};
	view_end(&v);
	f->awaited_near = view_generation(out->no);
	return OK;
}

/* When everything was made anew most bits of what is awaited are set, and stay so when it has come:
 * they are read again once that has cost something. */
#define MISSED_MAX (1 << 16)

static int awaited_find(struct forum *f, const uint8_t id[static ID_LEN], struct row *out)
{
	int err = awaited_read(f, VIEW_AWAITED_IN, id, out);

	if (err == ERR_NOTFOUND)
		err = awaited_read(f, VIEW_AWAITED_FIND, id, out);
	if (err == ERR_NOTFOUND && ++f->awaited_missed >= MISSED_MAX) {
		err = awaited_load(f);
		return err == OK ? ERR_NOTFOUND : err;
	}
	return err;
}

/* The next number, for a message or an arrival. */
static int number_next(struct forum *f, int64_t *no)
{
	int64_t generation = view_generation(f->last + 1);
	int err = OK;

	if (generation != f->generation)
		err = view_run(f->s, VIEW_GENERATION_ADD, NULL, "i", generation);
	f->generation = generation;
	*no = ++f->last;
	return err;
}

/* Give an id that isn't here a number, and a thread (its own number) or none. */
static int mention(struct forum *f, const uint8_t id[static ID_LEN], bool threaded, int64_t *no)
{
	int64_t key = view_id_key(id);
	int err = number_next(f, no);

	recent_await(f->recent, key);
	return err == OK ? view_run(f->s, VIEW_MENTION_ADD, NULL, "iikI", *no,
			       view_generation(*no) + key, id, threaded ? *no : INT64_C(0))
			 : err;
}

/* The message that an id names as a topic, here or not. */
static int topic_number(struct forum *f, const uint8_t id[static ID_LEN], int64_t *no)
{
	int64_t thread;
	struct row row;

	if (recent_find(f->recent, id, no, &thread))
		return OK;
	int err = row_find(f, id, &row);
	if (err == ERR_NOTFOUND) {
		row.thread = 0;
		err = mention(f, id, false, &row.no);
	}
	if (err == OK)
		recent_put(f->recent, id, row.no, row.thread);
	*no = row.no;
	return err;
}

/* The message that an id names as a parent, here or not, with a thread for its children to be in.
 */
static int parent_find(struct forum *f, const uint8_t id[static ID_LEN], struct parent *out)
{
	struct view v;
	int64_t topic = 0;

	if (recent_find(f->recent, id, &out->no, &out->thread) &&
	    recent_thread(f->recent, out->thread, &out->topic))
		return OK;
	int err = rows_flush(f);
	if (err == OK)
		err = view_start(&v, f->s, VIEW_PARENT_FIND, "k", id);
	if (err == OK)
		err = view_next(&v);
	if (err == 1) {
		*out = (struct parent){view_int(&v, 0), view_int(&v, 1), view_int(&v, 3)};
		topic = view_int(&v, 2);
		view_end(&v);
		err = OK;
		if (out->thread == 0)
			err = view_run(f->s, VIEW_MENTION_THREAD, NULL, "ii", out->no, out->no);
	} else if (err == OK) {
		out->thread = 0;
		err = mention(f, id, true, &out->no);
	}
	/* Without a thread until now it is a topic, or is missing, or is nothing that can be
	 * answered. */
	if (err == OK && out->thread == 0) {
		out->thread = out->no;
		out->topic = topic;
	}
	recent_put(f->recent, id, out->no, out->thread);
	recent_thread_put(f->recent, out->thread, out->topic);
	return err;
}

/* Write a message under the next number: OK; or ERR_EXISTS with its row when its id has been
 * mentioned before. It can't have come before: an id binds its log, and a valid message its
 * sequence. */
static int row_add(struct forum *f, struct arriving *a, int64_t topic, int64_t parent,
    int64_t thread, bool shown, struct row *row)
{
	const struct header *h = &a->entry->header;
	int64_t key = view_id_key(a->entry->id);
	int err = recent_awaited(f->recent, key) ? awaited_find(f, a->entry->id, row)
						 : ERR_NOTFOUND;

	if (err == OK) {
		a->no = row->no;
		return ERR_EXISTS;
	}
	if (err == ERR_NOTFOUND)
		err = number_next(f, &a->no);
	if (err == OK && f->row_count == VIEW_MESSAGES)
		err = rows_flush(f);
	if (err != OK)
		return err;
	if (shown)
		a->arrival = f->last_arrival = a->no;
	f->rows[f->row_count++] = (struct view_message){.no = a->no,
	    .at = view_at(a->o->log, a->index),
	    .kind = (int64_t)h->kind,
	    .signer = a->signer,
	    .time = (int64_t)h->time,
	    .topic = topic,
	    .parent = parent,
	    .thread = thread,
	    .arrival = a->arrival,
	    .id = a->entry->id,
	    .lang = h->lang};
	return OK;
}

/* Complete a row that was there already. */
static int row_complete(struct forum *f, struct arriving *a, int64_t topic, int64_t parent,
    int64_t thread, bool shown, const struct row *row)
{
	const struct header *h = &a->entry->header;
	int err = OK;

	a->arrival = row->arrival;
	if (shown && a->arrival == 0) {
		err = number_next(f, &a->arrival);
		f->last_arrival = a->arrival;
	}
	return err == OK ? view_run(f->s, VIEW_MESSAGE_SET, NULL, "iiiIIBIIII", row->no,
			       view_at(a->o->log, a->index), (int64_t)h->kind, a->signer,
			       (int64_t)h->time, h->lang, topic, parent, thread, a->arrival)
			 : err;
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
	int err = row_add(f, a, f->last + 1, 0, 0, true, &row);

	if (err == OK) {
		recent_put(f->recent, a->entry->id, a->no, 0);
	} else if (err == ERR_EXISTS) {
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

	int64_t thread = begins ? f->last + 1 : parent.thread;
	bool fresh = begins;
	err = row_add(f, a, topic, parent.no, thread, true, &row);
	if (err == OK && begins) {
		recent_thread_put(f->recent, thread, topic);
	} else if (err == ERR_EXISTS) {
		err = OK;
		if (begins && row.thread != 0) {
			thread = row.thread;
			fresh = false;
			err = root_here(f, thread, row.no, topic);
		} else if (begins) {
			thread = row.no;
			recent_thread_put(f->recent, thread, topic);
		} else if (row.thread != 0 && row.thread != thread) {
			err = threads_join(f, row.thread, thread, parent.topic, &thread);
		}
		if (err == OK)
			err = row_complete(f, a, topic, parent.no, thread, true, &row);
	}
	if (err != OK)
		return err;
	recent_put(f->recent, a->entry->id, a->no, thread);
	struct place p = {.thread = thread,
	    .topic = topic,
	    .posts = 1,
	    .latest = (int64_t)h->time,
	    .newest = (int64_t)get_u64(a->entry->id),
	    .fresh = fresh};
	return place_count(f, &p);
}
