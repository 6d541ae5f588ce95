/* SPDX-License-Identifier: BSD-2-Clause */
/* What it looks like: a bar above, which says where one is and whose answer this is; a bar below
 * with keys, a question, or what happened. Narrow screens leave out what is needed least. */
#include <stdio.h>
#include <string.h>

#include "base/language.h"
#include "base/text.h"
#include "client/screen/screen_inside.h"
#include "client/screen/tree.h"

#define WIDE 70 /* columns; below, lists leave out dates and authors */
#define STATE(name) CONVENE__CONTENT_STATE__CONTENT_##name

/* ---- lists ---- */

static void number_draw(
    struct canvas *f, int row, int column, int width, enum style style, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, n < 100000 ? "%llu" : "%lluk",
	    (unsigned long long)(n < 100000 ? n : n / 1000));
	canvas_far(f, row, column, width, style, bytes_str(text));
}

/* Received text, or why there is none. */
static void title_draw(struct canvas *f, int row, int column, int width, enum style style,
    const struct buffer *title, const struct buffer *hidden, const char *otherwise)
{
	if (hidden->len > 0)
		canvas_text(
		    f, row, column, width, STYLE_FAINT, bytes_str(_("(hidden by this node)")));
	else if (title->len > 0)
		canvas_received(f, row, column, width, style, buffer_bytes(title));
	else
		canvas_text(f, row, column, width, STYLE_FAINT, bytes_str(otherwise));
}

static void topic_draw(const struct screen *s, struct canvas *f, int row, size_t i)
{
	const struct topic_row *r = &s->topics[i];
	enum style style = r->unread > 0 ? STYLE_STRONG : STYLE_PLAIN;
	int column = 1;
	char when[24];

	if (r->unread > 0)
		number_draw(f, row, column, 6, STYLE_STRONG, r->unread);
	column += 7;
	if (f->columns >= WIDE) {
		number_draw(f, row, column, 6, STYLE_FAINT, r->posts);
		canvas_text(
		    f, row, column + 7, 16, STYLE_FAINT, bytes_str(time_local(when, r->latest)));
		column += 25;
	}
	title_draw(f, row, column, f->columns - column - 1, style, &r->title, &r->hidden,
	    _("(no title here)"));
}

static void thread_draw(const struct screen *s, struct canvas *f, int row, size_t i)
{
	const struct thread_row *r = &s->threads[i];
	enum style style = r->unread > 0 ? STYLE_STRONG : STYLE_PLAIN;
	int column = 1;
	char when[24];

	if (r->unread > 0)
		number_draw(f, row, column, 5, STYLE_STRONG, r->unread);
	number_draw(f, row, column + 5, 5, STYLE_FAINT, r->posts);
	column += 11;
	if (f->columns >= WIDE) {
		canvas_text(
		    f, row, column, 16, STYLE_FAINT, bytes_str(time_local(when, r->latest)));
		canvas_text(f, row, column + 17, 20, STYLE_FAINT, buffer_bytes(&r->author));
		column += 38;
	}
	title_draw(f, row, column, f->columns - column - 1, style, &r->subject, &r->hidden,
	    r->root_missing ? _("(its first message is not here yet)") : _("(without a title)"));
}

/* In one or two words, when there is no text to show. */
static const char *state_word(const struct shown *s)
{
	if (!s->parsed || !s->signature || (s->amendment.given && !s->amendment.good))
		return _("does NOT verify");
	if (s->erasure.given || s->state == STATE(ERASED))
		return _("erased");
	if (s->state == STATE(HIDDEN))
		return _("hidden");
	if (s->state == STATE(MISSING))
		return _("not here yet");
	if (s->state == STATE(PRESENT) && !s->committed)
		return _("does NOT verify");
	return NULL;
}

static void marks_add(struct buffer *out, const struct shown *s)
{
	const char *word = state_word(s);
	const char *words[] = {word, s->item->disputed ? _("disputed") : NULL,
	    s->item->recovered ? _("recovered key") : NULL,
	    s->has_content && s->content.imported.present ? _("archive") : NULL,
	    s->amendment.good && !s->erasure.given ? _("amended") : NULL};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i])
			buffer_printf(out, "[%s] ", words[i]);
}

static void post_draw(
    const struct screen *s, struct canvas *f, int row, const struct posts *in, size_t i)
{
	const struct post *p = in->list[i];
	enum style style = p->unread ? STYLE_STRONG : STYLE_PLAIN;
	struct buffer branch = BUFFER_INIT, who = BUFFER_INIT, what = BUFFER_INIT,
		      title = BUFFER_INIT;
	int column = 3, end = f->columns - 1, width = f->columns / 3;
	char when[24] = "";

	if (p->unread)
		canvas_text(f, row, 1, 1, STYLE_STRONG, bytes_str("*"));
	if (p->shown.parsed)
		time_local(when, p->shown.header.time);
	if (f->columns >= WIDE) {
		end -= 17;
		canvas_far(f, row, end + 1, 16, STYLE_FAINT, bytes_str(when));
	}
	if (in == &s->posts)
		tree_branches(&branch, posts_depth, in, in->count, i, f->columns / 4);
	column += canvas_text(f, row, column, width, STYLE_FAINT, buffer_bytes(&branch));
	shown_author(&who, &p->shown);
	/* The organisation can be seen with the message. */
	column += canvas_text(f, row, column, width, style, buffer_bytes(&who)) + 1;
	marks_add(&what, &p->shown);
	post_title(&title, p);
	text_isolate(&what, buffer_bytes(&title));
	if (column < end)
		canvas_text(f, row, column, end - column, p->unread ? STYLE_PLAIN : STYLE_FAINT,
		    buffer_bytes(&what));
	buffer_free(&branch);
	buffer_free(&who);
	buffer_free(&what);
	buffer_free(&title);
}

/* The one line above a tree: what there is of it. */
static void tree_head_draw(const struct screen *s, struct canvas *f)
{
	struct buffer line = BUFFER_INIT;

	buffer_printf(&line, ngettext("%lu message", "%lu messages", (unsigned long)s->posts.count),
	    (unsigned long)s->posts.count);
	if (s->posts_more)
		buffer_printf(&line, "; %s", _("the rest is on its way"));
	if (s->missing > 0) {
		buffer_add_str(&line, "; ");
		buffer_printf(&line,
		    ngettext("%lu more is not here yet", "%lu more are not here yet",
			(unsigned long)s->missing),
		    (unsigned long)s->missing);
	}
	canvas_text(f, 1, 1, f->columns - 2, STYLE_FAINT, buffer_bytes(&line));
	buffer_free(&line);
}

static void list_draw(const struct screen *s, struct canvas *f)
{
	const struct list *l = &s->lists[s->at];
	int row = 1;

	if (s->at == AT_TREE && f->rows > 3) {
		if (s->posts.count > 0)
			tree_head_draw(s, f);
		row++;
	}
	for (size_t i = l->top; i < l->count && i < l->top + l->height && row < f->rows - 1;
	     i++, row++) {
		if (s->at == AT_TOPICS)
			topic_draw(s, f, row, i);
		else if (s->at == AT_THREADS)
			thread_draw(s, f, row, i);
		else
			post_draw(s, f, row, s->at == AT_TREE ? &s->posts : &s->found, i);
		if (i == l->selected)
			canvas_row(f, row, STYLE_SELECTED);
	}
	if (l->count == 0 && !s->waiting)
		canvas_text(f, 2, 1, f->columns - 2, STYLE_PLAIN,
		    bytes_str(s->at == AT_FOUND ? s->copy ? _("Nothing was found in your copy.")
							  : _("Nothing was found.")
						: _("There is nothing here yet.")));
}

/* ---- bars ---- */

static struct bytes place_title(const struct screen *s)
{
	const struct topic_row *t = topic_find(s, s->topic);
	const struct thread_row *r = thread_find(s, s->thread);

	switch (s->at == AT_MESSAGE ? s->under : s->at) {
	case AT_THREADS:
		if (t && t->title.len > 0)
			return buffer_bytes(&t->title);
		break;
	case AT_TREE:
		if (r && r->subject.len > 0)
			return buffer_bytes(&r->subject);
		if (s->posts.count > 0 && s->posts.list[0]->shown.has_content)
			return s->posts.list[0]->shown.content.subject;
		break;
	case AT_FOUND:
		return bytes_str(_("Search"));
	case AT_TOPICS:
	case AT_MESSAGE:
	case AT_COUNT:
		return bytes_str(_("Topics"));
	}
	return bytes_str(s->at == AT_THREADS ? _("Threads") : _("Thread"));
}

/* Whose answer it is, and how old. */
static void source_add(const struct screen *s, struct buffer *out)
{
	char when[24];

	if (s->outbox)
		buffer_printf(out, "%s  ", _("unsent"));
	if (s->offline || s->copy) {
		if (s->synced)
			/* Translators: %s is a date and time. */
			buffer_printf(out, _("offline: copy of %s"), time_local(when, s->synced));
		else
			buffer_add_str(out, _("offline"));
	} else if (s->live) {
		buffer_add_str(out, _("live"));
	}
}

static void top_draw(const struct screen *s, struct canvas *f)
{
	struct buffer source = BUFFER_INIT;
	const struct list *l = &s->lists[s->under];
	int used, left;

	canvas_row(f, 0, STYLE_BAR);
	source_add(s, &source);
	if (s->at == AT_MESSAGE) {
		buffer_printf(
		    &source, "%s%zu/%zu", source.len > 0 ? "  " : "", l->selected + 1, l->count);
	}
	used = canvas_far(f, 0, f->columns / 4, f->columns - f->columns / 4 - 1, STYLE_BAR,
	    buffer_bytes(&source));
	left = f->columns - used - 4;
	canvas_received(f, 0, 1, left, STYLE_BAR, place_title(s));
	buffer_free(&source);
}

static const char *question(const struct screen *s)
{
	switch (s->asking_for) {
	case ASK_SUBJECT:
		return _("Subject of the new thread:");
	case ASK_ALL_READ:
		/* Translators: the answers stay y and n. */
		return s->at <= AT_THREADS ? _("Mark all of this topic as read? (y/n)")
					   : _("Mark all of this thread as read? (y/n)");
	case ASK_SEARCH:
		break;
	}
	return _("Search for:");
}

static void prompt_draw(const struct screen *s, struct canvas *f)
{
	struct bytes typed = buffer_bytes(&s->typed);
	int row = f->rows - 1, column, room;

	column = 1 + canvas_text(f, row, 1, f->columns - 2, STYLE_BAR, bytes_str(question(s))) + 1;
	room = f->columns - column - 2;
	if (room < 8) {
		column = 1;
		room = f->columns - 3;
		for (int i = 0; i < f->columns; i++)
			f->cells[row * f->columns + i] = (struct cell){" ", 1, STYLE_BAR};
	}
	/* The end of it, where one types. */
	while (cells_width(typed) > room && typed.len > 0)
		typed = bytes_of(typed.data + 1, typed.len - 1);
	while (typed.len > 0 && (typed.data[0] & 0xc0) == 0x80)
		typed = bytes_of(typed.data + 1, typed.len - 1);
	column += canvas_received(f, row, column, room, STYLE_BAR, typed);
	f->cursor_row = row;
	f->cursor_column = f->mirrored ? f->columns - 1 - column : column;
}

static void waiting_add(const struct screen *s, struct buffer *out, unsigned waited)
{
	const char *what = s->job == JOB_SEARCH ? _("Searching …")
			   : s->job == JOB_SYNC ? _("Fetching …")
						: _("Asking the node …");

	buffer_add_str(out, what);
	if (s->job == JOB_SYNC && s->progress > 0)
		buffer_printf(out, " %llu", (unsigned long long)s->progress);
	if (waited > 0)
		/* Translators: seconds. */
		buffer_printf(out, _(" %u s"), waited);
}

static const char *keys_of(const struct screen *s)
{
	switch (s->at) {
	case AT_MESSAGE:
		return _("q back  ? help  Space on  n next  p previous  Tab unread  r reply");
	case AT_TREE:
		return _("q back  ? help  Enter read  Tab unread  r reply  w write");
	case AT_FOUND:
		return _("q back  ? help  Enter read  t thread  / search");
	case AT_THREADS:
		return _("q back  ? help  Enter open  Tab unread  w write  c all read  / search");
	case AT_TOPICS:
	case AT_COUNT:
		break;
	}
	return _("q quit  ? help  Enter open  Tab unread  w write  / search  y copy");
}

static void bottom_draw(const struct screen *s, struct canvas *f, unsigned waited)
{
	struct buffer line = BUFFER_INIT;
	int row = f->rows - 1;

	canvas_row(f, row, STYLE_BAR);
	if (s->over == OVER_PROMPT) {
		prompt_draw(s, f);
		return;
	}
	if (s->said[0])
		buffer_add_str(&line, s->said);
	else if (s->waiting)
		waiting_add(s, &line, waited);
	else if (s->over == OVER_NONE)
		buffer_add_str(&line, keys_of(s));
	else
		buffer_add_str(&line, list_at_end(&s->help_lines)
					  ? _("Any key goes back.")
					  : _("Space shows more, another key goes back."));
	canvas_text(f, row, 1, f->columns - 2, STYLE_BAR, buffer_bytes(&line));
	buffer_free(&line);
}

void screen_draw(const struct screen *s, struct canvas *f, unsigned waited)
{
	if (!canvas_begin(f, s->rows, s->columns, language_rtl(language_now()), !s->terminal_bidi))
		return;
	top_draw(s, f);
	if (s->over == OVER_HELP || s->over == OVER_SAID)
		page_draw(&s->help, f, 1, 1, f->rows - 2, s->help_lines.top);
	else if (s->at == AT_MESSAGE)
		page_draw(&s->page, f, 1, 1, f->rows - 2, s->lists[AT_MESSAGE].top);
	else
		list_draw(s, f);
	bottom_draw(s, f, waited);
}
