/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes: answers, and messages by themselves. An answer to what was asked before the last
 * question is still right, but perhaps for another screen: it is taken where it belongs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/language.h"
#include "base/text.h"
#include "client/screen/screen_inside.h"

static void take(struct buffer *out, ProtobufCBinaryData text)
{
	*out = (struct buffer)BUFFER_INIT;
	buffer_add(out, text.data, text.len);
}

/* ---- lists ---- */

/* One row more; what was selected stays so. */
static void row_count(
    struct list *l, const uint8_t id[static ID_LEN], const uint8_t selected[static ID_LEN])
{
	if (memcmp(id, selected, ID_LEN) == 0)
		l->selected = l->count;
	l->count++;
}

static void topics_take(struct screen *s, const struct frames *frames)
{
	struct list *l = &s->lists[AT_TOPICS];
	uint8_t selected[ID_LEN] = {0};
	size_t total = 0;
	struct topic_row *rows;

	if (l->count > 0)
		memcpy(selected, s->topics[l->selected].id, ID_LEN);
	topics_clear(s);
	for (size_t i = 0; i < frames->count; i++)
		total += ((const Convene__Topics *)frames->list[i])->n_topics;
	rows = realloc(s->topics, (total + 1) * sizeof *rows);
	if (!rows)
		return;
	s->topics = rows;
	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Topics *m = (const Convene__Topics *)frames->list[i];

		for (size_t j = 0; j < m->n_topics; j++) {
			const Convene__Topic *t = m->topics[j];
			struct topic_row *r = &rows[l->count];

			if (t->id.len != ID_LEN)
				continue;
			memcpy(r->id, t->id.data, ID_LEN);
			r->at = (struct ref){
			    .present = t->log.len == DIGEST_LEN, .index = t->index};
			memcpy(r->at.id, r->id, ID_LEN);
			if (r->at.present)
				memcpy(r->at.log, t->log.data, DIGEST_LEN);
			take(&r->title, t->title);
			take(&r->hidden, t->hidden);
			r->threads = t->threads;
			r->posts = t->posts;
			r->latest = t->latest;
			r->unread = 0;
			row_count(l, r->id, selected);
		}
	}
	count_unread(s);
	lists_fit(s);
}

static void author_take(struct buffer *out, const Convene__Thread *t)
{
	*out = (struct buffer)BUFFER_INIT;
	if (t->archived_author.len > 0)
		archived_text(out, bytes_of_pb(t->archived_author), 24);
	else
		author_text(
		    out, bytes_of_pb(t->handle), bytes_of(NULL, 0), bytes_of_pb(t->organisation));
}

static void threads_take(struct screen *s, const struct news *n)
{
	struct list *l = &s->lists[AT_THREADS];
	const struct frames *frames = &n->frames;
	uint8_t selected[ID_LEN] = {0};
	struct thread_row *rows;
	size_t total = 0;

	if (memcmp(n->job.id, s->topic, ID_LEN) != 0 || n->job.offset > l->count)
		return;
	if (l->count > 0)
		memcpy(selected, s->threads[l->selected].id, ID_LEN);
	for (size_t i = 0; i < frames->count; i++)
		total += ((const Convene__Threads *)frames->list[i])->n_threads;
	threads_clear(s, n->job.offset);
	rows = realloc(s->threads, (l->count + total + 1) * sizeof *rows);
	if (!rows)
		return;
	s->threads = rows;
	s->threads_more = total >= n->job.limit;
	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Threads *m = (const Convene__Threads *)frames->list[i];

		for (size_t j = 0; j < m->n_threads; j++) {
			const Convene__Thread *t = m->threads[j];
			struct thread_row *r = &rows[l->count];

			if (t->id.len != ID_LEN || thread_find(s, t->id.data))
				continue;
			memcpy(r->id, t->id.data, ID_LEN);
			take(&r->subject, t->subject);
			take(&r->hidden, t->hidden);
			author_take(&r->author, t);
			r->posts = t->posts;
			r->latest = t->latest;
			r->root_missing = t->root_missing;
			r->unread = 0;
			row_count(l, r->id, selected);
		}
	}
	count_unread(s);
	lists_fit(s);
}

/* ---- messages ---- */

static bool is_own(const struct screen *s, const struct post *p)
{
	return s->home &&
	       bytes_equal(
		   bytes_of_pb(p->item->identity), bytes_of(s->home->identity, IDENTITY_LEN)) &&
	       bytes_equal(
		   bytes_of_pb(p->item->organisation), bytes_str(s->home->node.organisation));
}

/* Nobody has to read what they wrote. */
static void unread_set(struct screen *s, struct posts *p)
{
	struct post **own = calloc(p->count + 1, sizeof *own);
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++) {
		p->list[i]->unread = is_unread(s, p->list[i]);
		if (own && p->list[i]->unread && is_own(s, p->list[i]))
			own[count++] = p->list[i];
	}
	if (count > 0)
		mark_read(s, own, count);
	free(own);
}

/* Those that are being read now are replaced, and the selected one stays it. */
static void posts_replace(struct screen *s, enum at at, struct posts *to, struct news *n)
{
	struct list *l = &s->lists[at];
	uint8_t selected[ID_LEN];
	bool had = l->selected < to->count;
	size_t found;

	if (had)
		memcpy(selected, to->list[l->selected]->shown.id, ID_LEN);
	posts_free(to);
	*to = n->posts;
	n->posts = (struct posts){NULL, 0};
	unread_set(s, to);
	l->count = to->count;
	found = had ? posts_find(to, selected) : POST_NONE;
	list_select(l, found == POST_NONE ? 0 : found);
	lists_fit(s);
	if (s->at == AT_MESSAGE && s->under == at) {
		struct post *p = screen_post(s);

		if (!p || found == POST_NONE)
			s->at = at;
		else
			mark_read(s, &p, 1);
		page_make(s, false);
	}
}

static void thread_take(struct screen *s, struct news *n)
{
	const uint8_t *thread;

	if (memcmp(n->job.id, s->thread, ID_LEN) != 0)
		return; /* they are elsewhere by now */
	if (n->posts.count == 0) {
		if (!n->part)
			screen_say(s, "%s", _("Nothing of this thread is here yet."));
		return;
	}
	/* Asked for by any post of it. */
	thread = post_thread(n->posts.list[0]);
	if (thread)
		memcpy(s->thread, thread, ID_LEN);
	s->posts_more = n->part;
	s->missing = n->missing;
	posts_replace(s, AT_TREE, &s->posts, n);
}

/* The first page, or one more. */
static void found_take(struct screen *s, struct news *n)
{
	if (strcmp(n->job.words, buffer_str(&s->words)) != 0)
		return;
	s->found_before = n->number;
	if (n->job.before == UINT64_MAX) {
		posts_replace(s, AT_FOUND, &s->found, n);
		return;
	}
	unread_set(s, &n->posts);
	for (size_t i = 0; i < n->posts.count; i++)
		if (posts_find(&s->found, n->posts.list[i]->shown.id) == POST_NONE &&
		    posts_insert(&s->found, s->found.count, n->posts.list[i]) == OK)
			n->posts.list[i] = NULL;
	lists_fit(s);
}

/* One that was asked for alone: in the place of the one that is here. */
static void post_swap(struct screen *s, struct posts *in, struct news *n)
{
	size_t from = posts_find(&n->posts, n->job.id), to = posts_find(in, n->job.id);
	struct post *old;

	if (from == POST_NONE || to == POST_NONE)
		return;
	old = in->list[to];
	in->list[to] = n->posts.list[from];
	in->list[to]->depth = old->depth;
	in->list[to]->unread = old->unread;
	n->posts.list[from] = old;
	if (s->at == AT_MESSAGE)
		page_make(s, false);
}

/* ---- by themselves ---- */

static void count_live(struct screen *s, const struct post *p)
{
	const uint8_t *topic = post_topic(p), *thread = post_thread(p);
	struct topic_row *t = topic ? topic_find(s, topic) : NULL;
	struct thread_row *r = thread ? thread_find(s, thread) : NULL;
	uint64_t time = p->shown.header.time;
	bool begins = !p->shown.header.parent.present;

	if (t) {
		t->posts++;
		t->threads += begins;
		t->latest = time > t->latest ? time : t->latest;
	}
	if (r) {
		r->posts++;
		r->latest = time > r->latest ? time : r->latest;
	}
}

/* A thread in the list that has new activity goes to its head; a new one is put there. */
static void thread_raise(struct screen *s, const struct post *p)
{
	struct list *l = &s->lists[AT_THREADS];
	const uint8_t *topic = post_topic(p), *thread = post_thread(p);
	struct thread_row *r, row = {.posts = 1};
	size_t at;

	if (!topic || !thread || memcmp(topic, s->topic, ID_LEN) != 0)
		return;
	r = thread_find(s, thread);
	if (r) {
		at = (size_t)(r - s->threads);
		row = *r;
		memmove(s->threads + 1, s->threads, at * sizeof row);
		s->threads[0] = row;
		if (l->selected < at && (l->selected > 0 || l->top > 0))
			list_select(l, l->selected + 1);
		else if (l->selected == at)
			list_select(l, 0);
		return;
	}
	if (p->shown.header.parent.present)
		return;
	r = realloc(s->threads, (l->count + 2) * sizeof *r);
	if (!r)
		return;
	s->threads = r;
	memmove(r + 1, r, l->count * sizeof *r);
	memcpy(row.id, thread, ID_LEN);
	row.latest = p->shown.header.time;
	if (p->shown.has_content)
		buffer_add(
		    &row.subject, p->shown.content.subject.data, p->shown.content.subject.len);
	shown_author(&row.author, &p->shown);
	r[0] = row;
	list_inserted(l, 0);
}

static void live_one(struct screen *s, struct news *n, size_t i)
{
	struct post *p = n->posts.list[i];
	const uint8_t *thread = post_thread(p);
	struct list *l = &s->lists[AT_TREE];
	size_t at;

	if (p->shown.signature && p->shown.target.present) {
		at = posts_find(&s->posts, p->shown.target.id);
		if (at != POST_NONE) { /* amended, or erased */
			struct job job = {.kind = JOB_POST};

			memcpy(job.id, p->shown.target.id, ID_LEN);
			ask_for(s, &job);
		}
		return;
	}
	if (!post_is_message(p))
		return;
	count_live(s, p);
	thread_raise(s, p);
	if (!thread || s->posts.count == 0 || memcmp(thread, s->thread, ID_LEN) != 0 ||
	    posts_find(&s->posts, p->shown.id) != POST_NONE)
		return;
	at = post_place(&s->posts, p);
	if (posts_insert(&s->posts, at, p) != OK)
		return;
	n->posts.list[i] = NULL; /* ours */
	list_inserted(l, at);
	if (!s->said[0] && (s->at == AT_TREE || (s->at == AT_MESSAGE && s->under == AT_TREE)))
		screen_say(s, "%s", _("A new message has come in this thread."));
}

static void live_take(struct screen *s, struct news *n)
{
	s->arrival = n->number > s->arrival ? n->number : s->arrival;
	unread_set(s, &n->posts);
	for (size_t i = 0; i < n->posts.count; i++)
		live_one(s, n, i);
	count_unread(s);
}

/* ---- all ---- */

static void said(struct screen *s, const struct news *n)
{
	/* It names the program first. */
	const char *text = strncmp(n->trouble.text, "convene: ", 9) == 0 ? n->trouble.text + 9
									 : n->trouble.text;

	screen_say(s, "%s", text);
}

static void failed(struct screen *s, const struct news *n)
{
	char text[sizeof n->trouble.text + sizeof n->trouble.hint + 4];

	snprintf(text, sizeof text, "%s.%s%s", n->trouble.text, n->trouble.hint[0] ? "\n" : "",
	    n->trouble.hint);
	s->posts_more = false;
	if (s->over == OVER_PROMPT) /* what is being typed stays */
		screen_say(s, "%s", n->trouble.text);
	else
		screen_tell(s, text);
}

/* The node is there, perhaps again: it gets what waits, and is asked for what the copy gave. */
static void connected(struct screen *s)
{
	struct job flush = {.kind = JOB_FLUSH, .retry = true};

	s->ask(s->ctx, &flush);
	if (s->copy && !s->waiting)
		screen_again(s);
}

static bool is_answer(enum news_kind kind)
{
	return kind <= NEWS_FAILED && kind != NEWS_PROGRESS;
}

void screen_news(struct screen *s, struct news *n)
{
	if (is_answer(n->kind)) {
		if (n->no == s->asked && !n->part)
			s->waiting = false;
		s->copy = n->copy;
		s->synced = n->synced;
		s->outbox = n->waiting;
	}
	switch (n->kind) {
	case NEWS_TOPICS:
		topics_take(s, &n->frames);
		break;
	case NEWS_THREADS:
		threads_take(s, n);
		break;
	case NEWS_POSTS:
		thread_take(s, n);
		break;
	case NEWS_POST:
		post_swap(s, &s->posts, n);
		post_swap(s, &s->found, n);
		break;
	case NEWS_FOUND:
		found_take(s, n);
		break;
	case NEWS_PROGRESS:
		s->progress = n->number;
		break;
	case NEWS_DONE:
		if (n->job.kind == JOB_SYNC)
			screen_say(s, "%s", _("Your copy is up to date."));
		break;
	case NEWS_FAILED:
		failed(s, n);
		break;
	case NEWS_CONNECTED:
		s->live = true;
		s->arrival = n->number;
		connected(s);
		break;
	case NEWS_CUT:
		s->live = false;
		break;
	case NEWS_LIVE:
		live_take(s, n);
		break;
	case NEWS_SAID:
		said(s, n);
		break;
	}
}
