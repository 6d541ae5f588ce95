/* SPDX-License-Identifier: BSD-2-Clause */
/* What the state is, and what it asks for. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/language.h"
#include "client/screen/screen_inside.h"

#define MARGIN 1 /* columns at each side of a text */

void screen_init(
    struct screen *s, struct seen *seen, void (*ask)(void *, const struct job *), void *ctx)
{
	memset(s, 0, sizeof *s);
	s->seen = seen;
	s->ask = ask;
	s->ctx = ctx;
	s->rows = 24;
	s->columns = 80;
	for (size_t i = 0; i < AT_COUNT; i++)
		s->lists[i].height = 1;
}

void topics_clear(struct screen *s)
{
	for (size_t i = 0; i < s->lists[AT_TOPICS].count; i++) {
		buffer_free(&s->topics[i].title);
		buffer_free(&s->topics[i].hidden);
	}
	s->lists[AT_TOPICS].count = 0;
}

void threads_clear(struct screen *s, size_t from)
{
	struct list *l = &s->lists[AT_THREADS];

	for (size_t i = from; i < l->count; i++) {
		buffer_free(&s->threads[i].subject);
		buffer_free(&s->threads[i].author);
		buffer_free(&s->threads[i].hidden);
	}
	if (l->count > from)
		l->count = from;
}

void screen_free(struct screen *s)
{
	topics_clear(s);
	threads_clear(s, 0);
	free(s->topics);
	free(s->threads);
	posts_free(&s->posts);
	posts_free(&s->found);
	page_free(&s->page);
	page_free(&s->help);
	buffer_free(&s->typed);
	buffer_free(&s->words);
}

/* ---- where things are ---- */

size_t screen_height(const struct screen *s)
{
	return s->rows > 3 ? (size_t)s->rows - 2 : 1;
}

struct posts *screen_posts(const struct screen *s)
{
	enum at from = s->at == AT_MESSAGE ? s->under : s->at;

	return (struct posts *)(from == AT_FOUND ? &s->found : &s->posts);
}

struct post *screen_post(const struct screen *s)
{
	enum at from = s->at == AT_MESSAGE ? s->under : s->at;
	const struct posts *p = from == AT_FOUND ? &s->found : &s->posts;

	if ((from != AT_TREE && from != AT_FOUND) || s->lists[from].selected >= p->count)
		return NULL;
	return p->list[s->lists[from].selected];
}

struct topic_row *topic_find(const struct screen *s, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < s->lists[AT_TOPICS].count; i++)
		if (memcmp(s->topics[i].id, id, ID_LEN) == 0)
			return &s->topics[i];
	return NULL;
}

struct thread_row *thread_find(const struct screen *s, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < s->lists[AT_THREADS].count; i++)
		if (memcmp(s->threads[i].id, id, ID_LEN) == 0)
			return &s->threads[i];
	return NULL;
}

/* ---- saying ---- */

void screen_say(struct screen *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->said, sizeof s->said, fmt, ap);
	va_end(ap);
}

void screen_tell(struct screen *s, const char *text)
{
	if (s->over != OVER_SAID)
		page_begin(&s->help, s->columns - 2 * MARGIN);
	page_words(&s->help, STYLE_PLAIN, text);
	s->over = OVER_SAID;
	s->help_lines = (struct list){.height = 1};
	list_resize(&s->help_lines, s->help.count, screen_height(s));
}

/* ---- asking ---- */

void ask_for(struct screen *s, struct job *job)
{
	job->no = ++s->asked;
	s->waiting = true;
	s->job = job->kind;
	s->progress = 0;
	s->ask(s->ctx, job);
}

void ask_topics_again(struct screen *s, bool retry)
{
	struct job job = {.kind = JOB_TOPICS, .retry = retry};

	ask_for(s, &job);
}

/* No more than the screen shows. */
void ask_for_threads(struct screen *s, uint32_t offset)
{
	struct job job = {
	    .kind = JOB_THREADS, .limit = (uint32_t)screen_height(s), .offset = offset};

	memcpy(job.id, s->topic, ID_LEN);
	ask_for(s, &job);
}

void ask_for_thread(struct screen *s, const uint8_t id[static ID_LEN], uint64_t posts)
{
	struct job job = {.kind = JOB_THREAD, .posts = posts};

	memcpy(job.id, id, ID_LEN);
	ask_for(s, &job);
}

void screen_begin(struct screen *s)
{
	ask_topics_again(s, false);
}

/* ---- read and unread ---- */

bool is_unread(const struct screen *s, const struct post *p)
{
	struct seen_mark m = {p->shown.id, post_thread(p), post_topic(p), p->item->arrival};

	return post_is_message(p) && s->seen && !seen_has(s->seen, &m);
}

void count_unread(struct screen *s)
{
	if (!s->seen)
		return;
	for (size_t i = 0; i < s->lists[AT_TOPICS].count; i++) {
		struct topic_row *r = &s->topics[i];

		r->unread = seen_unread_topic(s->seen, r->id, r->posts);
	}
	for (size_t i = 0; i < s->lists[AT_THREADS].count; i++) {
		struct thread_row *r = &s->threads[i];

		r->unread = seen_unread_thread(s->seen, s->topic, r->id, r->posts, r->latest);
	}
}

void mark_read(struct screen *s, struct post **list, size_t count)
{
	struct seen_mark *marks = calloc(count + 1, sizeof *marks);
	struct trouble t;
	size_t n = 0;

	for (size_t i = 0; marks && i < count; i++) {
		struct post *p = list[i];

		if (!p->unread)
			continue;
		p->unread = false;
		marks[n++] = (struct seen_mark){
		    p->shown.id, post_thread(p), post_topic(p), p->item->arrival};
	}
	if (n > 0 && s->seen && seen_add(s->seen, marks, n, &t) != OK)
		screen_say(s, "%s", t.text);
	free(marks);
	if (n > 0)
		count_unread(s);
}

/* ---- a message on the screen ---- */

void page_make(struct screen *s, bool from_top)
{
	struct list *l = &s->lists[AT_MESSAGE];
	const struct post *p = screen_post(s);
	struct bytes title = {NULL, 0};

	page_begin(&s->page, s->columns - 2 * MARGIN);
	if (p && s->under == AT_TREE && s->posts.count > 0 && s->posts.list[0] != p &&
	    s->posts.list[0]->shown.has_content)
		title = s->posts.list[0]->shown.content.subject;
	if (p)
		post_write(p, title, &s->page);
	if (from_top)
		*l = (struct list){.height = 1};
	l->count = s->page.count;
	l->height = screen_height(s);
	l->selected = l->top;
	list_scroll(l, 0);
	if (l->top + l->height > l->count)
		l->top = l->count > l->height ? l->count - l->height : 0;
}

void message_open(struct screen *s, size_t at)
{
	struct posts *from = screen_posts(s);
	struct post *p;

	if (at >= from->count)
		return;
	list_select(&s->lists[s->under], at);
	s->at = AT_MESSAGE;
	page_make(s, true);
	p = from->list[at];
	mark_read(s, &p, 1);
	if (p->shown.state == CONVENE__CONTENT_STATE__CONTENT_LARGE) {
		struct job job = {.kind = JOB_POST};

		memcpy(job.id, p->shown.id, ID_LEN);
		ask_for(s, &job);
	}
}

/* ---- sizes ---- */

void lists_fit(struct screen *s)
{
	size_t height = screen_height(s);

	list_resize(&s->lists[AT_TOPICS], s->lists[AT_TOPICS].count, height);
	list_resize(&s->lists[AT_THREADS], s->lists[AT_THREADS].count, height);
	list_resize(&s->lists[AT_TREE], s->posts.count, height > 1 ? height - 1 : 1);
	list_resize(&s->lists[AT_FOUND], s->found.count, height);
}

void screen_resize(struct screen *s, int rows, int columns)
{
	s->rows = rows;
	s->columns = columns;
	lists_fit(s);
	if (s->at == AT_MESSAGE)
		page_make(s, false);
	if (s->over == OVER_HELP)
		help_make(s);
	if (s->over == OVER_SAID)
		list_resize(&s->help_lines, s->help.count, screen_height(s));
}
