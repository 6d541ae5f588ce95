/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread, as a tree, by pages of a hundred; and one message with what it stands between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "daemon/web/thread_rows.h"
#include "daemon/web/write.h"

/* So much of a text is shown in a thread; and less once a page has become long. */
enum { TEXT_SHOWN = 16 << 10, TEXT_SHOWN_LATE = 2 << 10, PAGE_TEXTS = 256 << 10 };

struct thread_page {
	struct html h;
	struct request *q;
	struct thread_rows rows;
	struct message_shown m, parent;
	struct bytes subject;
	struct buffer subject_room;
	size_t from, to;
	struct buffer writers;        /* of the messages of this page, as HTML, */
	size_t ends[THREAD_MESSAGES]; /*   each up to here */
};

/* Who wrote it, in few words, for those that reply to it. */
static struct bytes writer_add(struct thread_page *t, const struct message_shown *m)
{
	size_t from = t->writers.len;

	page_writer_name((struct html){&t->writers}, &m->row.author,
	    m->state == TEXT_HERE ? m->content.imported.author : bytes_of(NULL, 0));
	return bytes_of(t->writers.data + from, t->writers.len - from);
}

/* It may stand on an earlier page: then what is read here is forgotten again. */
static struct bytes writer_of(struct thread_page *t, size_t row, size_t i)
{
	size_t keep = t->writers.len, at = row - t->from;

	if (row >= t->from && row < i) {
		size_t from = at > 0 ? t->ends[at - 1] : 0;

		return bytes_of(t->writers.data + from, t->ends[at] - from);
	}
	if (reader_message_by_id(t->q->reader, t->rows.rows[row].id, &t->parent) != OK)
		return bytes_of(NULL, 0);
	struct bytes by = writer_add(t, &t->parent);
	t->writers.len = keep;
	return by;
}

static int add_message(struct thread_page *t, size_t i, size_t shown_bytes)
{
	const struct thread_rows *rows = &t->rows;
	const struct row_place *place = &rows->rows[i];
	struct message_view v = {.m = &t->m,
	    .level = 2,
	    .depth = place->depth,
	    .thread_subject = t->subject,
	    .text_max = shown_bytes > PAGE_TEXTS ? TEXT_SHOWN_LATE : TEXT_SHOWN};
	int err = reader_message(t->q->reader, &rows->full[i - t->from], &t->m);

	if (err)
		return err;
	/* What stands just above needs no saying. */
	if (place->parent != ROW_NONE && (place->parent + 1 != i || i == t->from)) {
		v.parent = rows->rows[place->parent].id;
		v.parent_on_page = place->parent >= t->from;
		v.parent_by = writer_of(t, place->parent, i);
	}
	page_message_view(t->h, t->q, &v);
	writer_add(t, &t->m);
	t->ends[i - t->from] = t->writers.len;
	return t->writers.failed ? ERR_NOMEM : OK;
}

static void add_head(struct thread_page *t, const char *hex)
{
	struct html h = t->h;
	const struct thread_rows *rows = &t->rows;
	char text[400]; /* in any language */

	page_path(h, t->q, rows->topic, NULL);
	html(h, "<h1 dir=\"auto\">");
	if (t->subject.len > 0)
		html_short(h, t->subject, SUBJECT_SHOWN);
	else
		html(h, "%s",
		    rows->root_here ? _("A thread without a subject")
				    : _("A thread whose beginning is not here yet"));
	html(h, "</h1>\n<p class=\"meta\">");
	snprintf(
	    text, sizeof text, ngettext("%zu message", "%zu messages", rows->count), rows->count);
	html(h, "<bdi>%s</bdi><span class=\"sep\"> · </span><a", text);
	page_href(h, t->q, "/thread/%s/feed", hex);
	html(h, ">%s</a></p>\n", _("Follow by feed"));
	if (rows->missing > 0) {
		snprintf(text, sizeof text,
		    ngettext("%llu message or text of this thread is not here yet.",
			"%llu messages or texts of this thread are not here yet.",
			(unsigned long)rows->missing),
		    (unsigned long long)rows->missing);
		page_remark(h, "missing", text);
	}
	page_uncarried(h, t->q);
}

static int add_thread(struct thread_page *t, struct answer *a)
{
	struct page page = PAGE_INIT;
	size_t pages = (t->rows.count + THREAD_MESSAGES - 1) / THREAD_MESSAGES;
	size_t n = t->from / THREAD_MESSAGES + 1;
	char hex[ID_HEX], base[100], feed[100], before[256], after[256];
	int err = OK;

	hex_id(hex, t->rows.root);
	snprintf(base, sizeof base, "/thread/%s", hex);
	snprintf(feed, sizeof feed, "/thread/%s/feed", hex);
	page.subject = t->subject;
	page.title = t->subject.len > 0 ? "" : _("A thread");
	page.feed = feed;
	page.here = "/";
	page.script = "live.js";
	page.previous = n > 1 ? page_of(before, base, n - 1) : "";
	page.next = n < pages ? page_of(after, base, n + 1) : "";
	t->h = page_begin(t->q, a, &page);
	add_head(t, hex);
	live_block(t->q, t->h, NULL, t->rows.root);
	page_pager(t->h, t->q, base, n, pages);
	size_t start = t->h.out->len;
	html(t->h, "<div class=\"thread\">\n");
	for (size_t i = t->from; i < t->to && !err; i++)
		err = add_message(t, i, t->h.out->len - start);
	html(t->h, "</div>\n");
	page_pager(t->h, t->q, base, n, pages);
	page_end(t->h, t->q, &page);
	return err;
}

/* The root's, as it is shown. */
static int subject_read(struct thread_page *t)
{
	int err = reader_message_by_id(t->q->reader, t->rows.root, &t->m);

	if (err == OK) {
		struct bytes s = message_subject(&t->m);

		buffer_add(&t->subject_room, s.data, s.len);
		t->subject = buffer_bytes(&t->subject_room);
	}
	return err == ERR_NOTFOUND ? OK : err;
}

void page_thread(struct request *q, struct answer *a)
{
	struct thread_page t = {.q = q, .m = MESSAGE_SHOWN_INIT, .parent = MESSAGE_SHOWN_INIT};
	uint64_t n = page_number(q);
	char hex[ID_HEX], path[100];

	t.from = (size_t)(n - 1) * THREAD_MESSAGES;
	int err = thread_rows_read(
	    &t.rows, reader_store(q->reader), q->id, t.from, THREAD_MESSAGES);

	if (!err && memcmp(t.rows.root, q->id, ID_LEN) != 0) {
		/* A message within it. */
		hex_id(hex, q->id);
		snprintf(path, sizeof path, "/m/%s", hex);
		page_redirect(q, a, path);
	} else if (!err && t.from >= t.rows.count) {
		err = ERR_NOTFOUND;
	} else if (!err) {
		t.to = t.from + THREAD_MESSAGES < t.rows.count ? t.from + THREAD_MESSAGES
							       : t.rows.count;
		err = subject_read(&t);
		if (!err)
			err = add_thread(&t, a);
	}
	if (err)
		page_failed(q, a, err);
	thread_rows_clear(&t.rows);
	message_shown_clear(&t.m);
	message_shown_clear(&t.parent);
	buffer_free(&t.subject_room);
	buffer_free(&t.writers);
}
