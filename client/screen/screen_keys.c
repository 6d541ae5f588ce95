/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do. Those of vi and those with arrows do the same. */
#include <stdlib.h>
#include <string.h>
#include <unicode/utf8.h>

#include "base/error.h"
#include "base/language.h"
#include "client/screen/screen_inside.h"

#define CTRL(c) ((c)&31)
#define TYPED_MAX 500 /* bytes */

/* ---- from one screen to the next ---- */

static void enter_topic(struct screen *s)
{
	struct list *l = &s->lists[AT_TOPICS];
	const struct topic_row *r;

	if (l->selected >= l->count)
		return;
	r = &s->topics[l->selected];
	if (memcmp(s->topic, r->id, ID_LEN) != 0) {
		threads_clear(s, 0);
		s->lists[AT_THREADS] = (struct list){.height = screen_height(s)};
	}
	memcpy(s->topic, r->id, ID_LEN);
	s->at = AT_THREADS;
	ask_for_threads(s, 0);
}

static void enter_thread(struct screen *s, const uint8_t id[static ID_LEN], uint64_t posts)
{
	if (memcmp(s->thread, id, ID_LEN) != 0) {
		posts_free(&s->posts);
		s->lists[AT_TREE] = (struct list){.height = 1};
		s->missing = 0;
		lists_fit(s);
	}
	memcpy(s->thread, id, ID_LEN);
	s->at = AT_TREE;
	s->posts_more = true;
	ask_for_thread(s, id, posts);
}

static void enter(struct screen *s)
{
	const struct list *l = &s->lists[s->at];

	switch (s->at) {
	case AT_TOPICS:
		enter_topic(s);
		break;
	case AT_THREADS:
		if (l->selected < l->count)
			enter_thread(s, s->threads[l->selected].id, s->threads[l->selected].posts);
		break;
	case AT_TREE:
	case AT_FOUND:
		s->under = s->at;
		message_open(s, l->selected);
		break;
	case AT_MESSAGE:
	case AT_COUNT:
		break;
	}
}

/* From a message that was found: its whole thread. */
static void enter_around(struct screen *s)
{
	const struct post *p = screen_post(s);
	const uint8_t *thread = p ? post_thread(p) : NULL, *topic = p ? post_topic(p) : NULL;

	if (!thread)
		return;
	if (topic && memcmp(s->topic, topic, ID_LEN) != 0) {
		threads_clear(s, 0);
		memcpy(s->topic, topic, ID_LEN);
	}
	enter_thread(s, thread, UINT64_MAX);
}

static enum wish leave(struct screen *s)
{
	switch (s->at) {
	case AT_TOPICS:
		return WISH_QUIT;
	case AT_THREADS:
		s->at = AT_TOPICS;
		break;
	case AT_TREE:
		s->at = AT_THREADS;
		if (s->lists[AT_THREADS].count == 0)
			ask_for_threads(s, 0);
		break;
	case AT_FOUND:
		s->at = AT_TOPICS;
		break;
	case AT_MESSAGE:
	case AT_COUNT:
		s->at = s->under;
		break;
	}
	return WISH_NONE;
}

/* ---- moving ---- */

static void more_threads(struct screen *s)
{
	const struct list *l = &s->lists[AT_THREADS];

	if (s->at == AT_THREADS && s->threads_more && !s->waiting && l->count > 0 &&
	    l->selected + 1 >= l->count)
		ask_for_threads(s, (uint32_t)l->count);
}

/* From the newest, or from where the last page ended. */
static void search(struct screen *s, uint64_t before)
{
	struct job job = {
	    .kind = JOB_SEARCH, .limit = (uint32_t)screen_height(s), .before = before};

	strncpy(job.words, buffer_str(&s->words), sizeof job.words - 1);
	ask_for(s, &job);
}

static void more_found(struct screen *s)
{
	if (s->at == AT_FOUND && s->found_before > 0 && !s->waiting &&
	    s->lists[AT_FOUND].selected + 1 >= s->found.count)
		search(s, s->found_before);
}

static void move(struct screen *s, long by)
{
	if (s->at == AT_MESSAGE)
		list_scroll(&s->lists[AT_MESSAGE], by);
	else
		list_move(&s->lists[s->at], by);
	more_threads(s);
	more_found(s);
}

static void next_message(struct screen *s, long by)
{
	struct list *l = &s->lists[s->under];

	if (s->at != AT_MESSAGE) {
		move(s, by);
		return;
	}
	if (list_move(l, by))
		message_open(s, l->selected);
	else
		screen_say(s, "%s",
		    by > 0 ? _("This is the last message.") : _("This is the first message."));
}

/* The next unread one behind this, in a thread; of a list of threads or topics the next that has
 * any. */
static void next_unread(struct screen *s)
{
	enum at at = s->at == AT_MESSAGE ? s->under : s->at;
	struct list *l = &s->lists[at];
	const struct posts *p = at == AT_FOUND ? &s->found : &s->posts;

	for (size_t step = s->at == AT_MESSAGE ? 1 : 0; step <= l->count; step++) {
		size_t i = l->count ? (l->selected + step) % l->count : 0;
		bool unread = l->count > 0 && (at == AT_TOPICS       ? s->topics[i].unread > 0
						  : at == AT_THREADS ? s->threads[i].unread > 0
								     : p->list[i]->unread);

		if (!unread || (step == 0 && at <= AT_THREADS))
			continue;
		if (at == AT_TREE || at == AT_FOUND) {
			s->under = at;
			message_open(s, i);
		} else {
			list_select(l, i);
		}
		return;
	}
	screen_say(s, "%s", _("Nothing else is unread here."));
}

/* A page down; at the end of a message to the next one. */
static void space(struct screen *s)
{
	if (s->at != AT_MESSAGE)
		move(s, (long)screen_height(s));
	else if (!list_at_end(&s->lists[AT_MESSAGE]))
		list_scroll(&s->lists[AT_MESSAGE], (long)screen_height(s) - 1);
	else
		next_message(s, 1);
}

/* ---- questions ---- */

static void prompt(struct screen *s, enum asking_for what)
{
	s->over = OVER_PROMPT;
	s->asking_for = what;
	buffer_reset(&s->typed);
}

static void all_read(struct screen *s, uint64_t now)
{
	const struct list *l = &s->lists[s->at];
	struct topic_row *r = NULL;
	struct trouble t;

	if (s->at == AT_TREE || s->at == AT_MESSAGE) {
		mark_read(s, s->posts.list, s->posts.count);
		return;
	}
	if (s->at == AT_TOPICS && l->selected < l->count)
		r = &s->topics[l->selected];
	if (s->at == AT_THREADS)
		r = topic_find(s, s->topic);
	if (r && s->seen && seen_catch_up(s->seen, r->id, r->posts, s->arrival, now, &t) != OK)
		screen_say(s, "%s", t.text);
	count_unread(s);
}

static enum wish prompt_done(struct screen *s, uint64_t now)
{
	const char *typed = buffer_str(&s->typed);

	s->over = OVER_NONE;
	if (s->typed.failed)
		return WISH_NONE;
	switch (s->asking_for) {
	case ASK_SEARCH:
		if (strspn(typed, " \"") == strlen(typed))
			return WISH_NONE;
		buffer_reset(&s->words);
		buffer_add_str(&s->words, typed);
		posts_free(&s->found);
		lists_fit(s);
		s->at = AT_FOUND;
		search(s, UINT64_MAX);
		return WISH_NONE;
	case ASK_SUBJECT:
		return strspn(typed, " ") < strlen(typed) ? WISH_THREAD : WISH_NONE;
	case ASK_ALL_READ:
		if (strcmp(typed, "y") == 0)
			all_read(s, now);
		return WISH_NONE;
	}
	return WISH_NONE;
}

static void typed_drop(struct screen *s)
{
	int32_t at = (int32_t)s->typed.len;

	if (at > 0) {
		U8_BACK_1(s->typed.data, 0, at);
		s->typed.len = (size_t)at;
	}
}

static enum wish prompt_key(struct screen *s, unsigned key, uint64_t now)
{
	uint8_t utf8[4];
	int32_t len = 0;

	if (key == K_ESCAPE || key == CTRL('g')) {
		s->over = OVER_NONE;
	} else if (key == K_ENTER) {
		return prompt_done(s, now);
	} else if (key == K_BACKSPACE) {
		typed_drop(s);
	} else if (key == CTRL('u')) {
		buffer_reset(&s->typed);
	} else if (s->asking_for == ASK_ALL_READ) {
		buffer_reset(&s->typed);
		buffer_add_u8(&s->typed, key == 'y' || key == 'Y' ? 'y' : 'n');
		return prompt_done(s, now);
	} else if (key >= 0x20 && key < 0x110000 && key != 0x7f && s->typed.len < TYPED_MAX) {
		U8_APPEND_UNSAFE(utf8, len, (UChar32)key);
		buffer_add(&s->typed, utf8, (size_t)len);
	}
	return WISH_NONE;
}

static void over_key(struct screen *s, unsigned key)
{
	struct list *l = &s->help_lines;
	bool moved = false;

	if (key == K_DOWN || key == 'j')
		moved = list_scroll(l, 1);
	else if (key == K_UP || key == 'k')
		moved = list_scroll(l, -1);
	else if (key == K_PAGE_DOWN || key == ' ')
		moved = list_scroll(l, (long)l->height);
	else if (key == K_PAGE_UP || key == 'b')
		moved = list_scroll(l, -(long)l->height);
	if (!moved)
		s->over = OVER_NONE;
}

/* ---- keys ---- */

void screen_again(struct screen *s)
{
	enum at at = s->at == AT_MESSAGE ? s->under : s->at;

	if (at == AT_THREADS)
		ask_for_threads(s, 0);
	else if (at == AT_TREE)
		ask_for_thread(s, s->thread, s->posts.count);
	else
		ask_topics_again(s, true);
}

static void reload(struct screen *s)
{
	struct job job = {.kind = JOB_FLUSH, .retry = true};

	ask_for(s, &job);
	screen_again(s);
}

static void sync_begin(struct screen *s)
{
	struct job job = {.kind = JOB_SYNC, .retry = true};

	ask_for(s, &job);
}

static void reorder(struct screen *s)
{
	struct trouble t;

	s->terminal_bidi = !s->terminal_bidi;
	if (s->seen)
		seen_choose(s->seen, "terminal_bidi", s->terminal_bidi, &t);
	screen_say(s, "%s",
	    s->terminal_bidi ? _("Right-to-left text is left to the terminal.")
			     : _("Right-to-left text is put in order here."));
}

static enum wish reply(struct screen *s)
{
	const struct post *p = screen_post(s);

	return p && post_is_message(p) ? WISH_REPLY : WISH_NONE;
}

static void thread_begin(struct screen *s)
{
	const struct list *l = &s->lists[AT_TOPICS];

	if (s->at == AT_TOPICS && l->selected >= l->count)
		return;
	if (s->at == AT_TOPICS)
		memcpy(s->topic, s->topics[l->selected].id, ID_LEN);
	if (s->at != AT_FOUND && !(s->at == AT_MESSAGE && s->under == AT_FOUND))
		prompt(s, ASK_SUBJECT);
}

enum wish screen_key(struct screen *s, unsigned key, uint64_t now)
{
	long page = (long)screen_height(s);

	s->said[0] = '\0';
	if (key == CTRL('l'))
		return WISH_REDRAW;
	if (s->over == OVER_PROMPT)
		return prompt_key(s, key, now);
	if (s->over != OVER_NONE) {
		over_key(s, key);
		return WISH_NONE;
	}
	switch (key) {
	case K_DOWN:
	case 'j':
		move(s, 1);
		break;
	case K_UP:
	case 'k':
		move(s, -1);
		break;
	case ' ':
		space(s);
		break;
	case K_PAGE_DOWN:
	case CTRL('f'):
		move(s, page);
		break;
	case K_PAGE_UP:
	case CTRL('b'):
	case 'b':
		move(s, -page);
		break;
	case K_HOME:
	case 'g':
		move(s, -1000000);
		break;
	case K_END:
	case 'G':
		move(s, 1000000);
		break;
	case K_ENTER:
	case K_RIGHT:
	case 'l':
		if (s->at == AT_MESSAGE)
			space(s);
		else
			enter(s);
		break;
	case K_LEFT:
	case K_ESCAPE:
	case 'h':
	case 'q':
		/* An arrow that is pressed too often ends nothing. */
		if (s->at == AT_TOPICS && key != 'q')
			break;
		return leave(s);
	case 'Q':
		return WISH_QUIT;
	case 'n':
		next_message(s, 1);
		break;
	case 'p':
		next_message(s, -1);
		break;
	case K_TAB:
	case 'u':
		next_unread(s);
		break;
	case 't':
		enter_around(s);
		break;
	case 'r':
		return reply(s);
	case 'w':
		thread_begin(s);
		break;
	case 'c':
		prompt(s, ASK_ALL_READ);
		break;
	case '/':
		prompt(s, ASK_SEARCH);
		break;
	case 'y':
		sync_begin(s);
		break;
	case 'R':
		reload(s);
		break;
	case 'B':
		reorder(s);
		break;
	case '?':
		s->over = OVER_HELP;
		s->help_lines = (struct list){.height = 1};
		help_make(s);
		break;
	default:
		break;
	}
	return WISH_NONE;
}
