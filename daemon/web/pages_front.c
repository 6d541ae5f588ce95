/* SPDX-License-Identifier: BSD-2-Clause */
/* The front page: what this forum is, its topics, and what came last. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "daemon/web/write.h"
#include "member/charter.h"

enum {
	LATEST = 12,
	LOOKED = 10 * LATEST, /* threads of a topic, where some are passed over */
	WALKED = 24,          /* threads whose messages are looked at for a time that has been */
	FRONT_TOPICS = 50,    /* on one page */
	DESCRIPTION_BYTES = 400,
};
#define CLOCKS_OFF_MS UINT64_C(3600000) /* what clocks of honest people may be ahead */

struct front {
	struct html h;
	struct request *q;
	uint64_t count, from; /* topics; of them those of this page are shown from here on */
	struct buffer list;   /* of these, as HTML */
};

/* ---- topics ---- */

static void add_meta(struct html h, struct request *q, const struct topic_row *row)
{
	html(h, "<p class=\"meta\">");
	page_counts(h, row->posts, row->threads);
	if (row->posts > 0 && row->latest > 0) {
		html(h, "<span class=\"sep\"> · </span>");
		page_time(h, q->language, row->latest);
	}
	html(h, "</p>\n");
}

static void topic_add(struct front *f, const struct topic_row *row)
{
	struct html h = {&f->list};
	char hex[ID_HEX];

	f->count++;
	if (f->count <= f->from || f->count > f->from + FRONT_TOPICS)
		return;
	hex_id(hex, row->id);
	html(h, "<li>\n<h3><a");
	page_href(h, f->q, "/topic/%s", hex);
	html(h, ">");
	page_topic_name(h, f->q, row);
	html(h, "</a></h3>\n");
	if (row->description.len > 0 && !reader_hidden(f->q->reader, row->id, &row->author)) {
		html(h, "<p dir=\"auto\">");
		html_short(h, text_first_line(row->description), DESCRIPTION_BYTES);
		html(h, "</p>\n");
	}
	add_meta(h, f->q, row);
	html(h, "</li>\n");
}

static void add_topics(struct front *f, uint64_t page, uint64_t pages)
{
	html(
	    f->h, "<section aria-labelledby=\"topics\">\n<h2 id=\"topics\">%s</h2>\n", _("Topics"));
	if (f->count > 0) {
		html(f->h, "<ul class=\"topics\">\n");
		buffer_add(f->h.out, f->list.data, f->list.len);
		f->h.out->failed |= f->list.failed;
		html(f->h, "</ul>\n");
	} else {
		html(f->h, "<p class=\"none\">%s</p>\n", _("No topic has been opened yet."));
	}
	if (web_node(f->q->web)->charter->topics == TOPICS_BY_PARTICIPANTS) {
		html(f->h, "<p class=\"do\"><a");
		page_href(f->h, f->q, "/write?topic=new");
		html(f->h, ">%s</a></p>\n", _("Open a topic"));
	}
	page_uncarried(f->h, f->q);
	page_pager(f->h, f->q, "/", page, pages);
	html(f->h, "</section>\n");
}

/* ---- where something was written last ---- */

/* By the times that authors gave: an archive that is brought along is not news. Of the topics that
 * are alive the threads that are. A time that is still to come says nothing: it would keep a thread
 * above all others; then what was written before counts. */
struct recent {
	struct front *front;
	struct recent_topic {
		uint8_t id[ID_LEN];
		uint64_t latest;
		struct buffer name; /* HTML */
	} topics[LATEST];
	size_t topic_count;
	struct recent_thread {
		uint8_t id[ID_LEN];
		const struct recent_topic *topic;
		uint64_t latest, posts;
		const char *what; /* instead of a subject */
		struct buffer subject;
	} threads[LATEST];
	size_t thread_count;
	const struct recent_topic *topic;
	size_t given, passed; /* of threads that were asked for; of them passed over */
	size_t walked;
};

/* All are looked at, in one go: those of this page, and those that are alive. */
static int recent_topic(void *ctx, const struct topic_row *row)
{
	struct recent *r = ctx;
	const struct request *q = r->front->q;
	uint64_t latest = row->latest < q->now ? row->latest : q->now;
	size_t at = r->topic_count;

	topic_add(r->front, row);
	while (at > 0 && r->topics[at - 1].latest < latest)
		at--;
	if (at == LATEST || row->posts == 0 || reader_hidden(q->reader, row->id, &row->author))
		return OK;
	if (r->topic_count == LATEST)
		buffer_free(&r->topics[LATEST - 1].name);
	r->topic_count += r->topic_count < LATEST;
	memmove(
	    &r->topics[at + 1], &r->topics[at], (r->topic_count - at - 1) * sizeof r->topics[0]);
	memcpy(r->topics[at].id, row->id, ID_LEN);
	r->topics[at].latest = latest;
	r->topics[at].name = (struct buffer)BUFFER_INIT;
	page_topic_name((struct html){&r->topics[at].name}, r->front->q, row);
	return r->topics[at].name.failed ? ERR_NOMEM : OK;
}

struct walk {
	uint64_t now, latest;
};

static int walk_add(void *ctx, const struct item_row *row)
{
	struct walk *w = ctx;

	if (row->time <= w->now && row->time > w->latest)
		w->latest = row->time;
	return OK;
}

/* When something was last written in a thread, as far as that has been; 0: it isn't known. */
static int time_of_thread(struct recent *r, const struct thread_row *row, uint64_t *out)
{
	struct request *q = r->front->q;
	struct walk w = {.now = q->now + CLOCKS_OFF_MS};
	int err = OK;

	*out = row->latest;
	if (row->latest <= w.now)
		return OK;
	r->passed++;
	if (r->walked++ < WALKED)
		err = query_thread(reader_store(q->reader), row->id, walk_add, &w, NULL);
	*out = w.latest;
	return err == ERR_NOTFOUND ? OK : err;
}

static int recent_thread(void *ctx, const struct thread_row *row)
{
	struct recent *r = ctx;
	struct reader *reader = r->front->q->reader;
	size_t at = r->thread_count;
	struct recent_thread t = {.posts = row->posts};
	int err;

	r->given++;
	if (reader_hidden(reader, row->id, row->root_missing ? NULL : &row->author)) {
		r->passed++;
		return OK;
	}
	err = time_of_thread(r, row, &t.latest);
	if (err || t.latest == 0)
		return err;
	while (at > 0 && r->threads[at - 1].latest < t.latest)
		at--;
	/* They come newest first. */
	if (at == LATEST)
		return t.latest == row->latest ? ERR_EXISTS : OK;
	memcpy(t.id, row->id, ID_LEN);
	t.topic = r->topic;
	if (row->root_missing)
		t.what = _("its beginning is not here yet");
	else if (row->subject.len == 0)
		t.what = _("without a subject");
	else
		buffer_add(&t.subject, row->subject.data, row->subject.len);
	if (r->thread_count == LATEST)
		buffer_free(&r->threads[LATEST - 1].subject);
	r->thread_count += r->thread_count < LATEST;
	memmove(&r->threads[at + 1], &r->threads[at],
	    (r->thread_count - at - 1) * sizeof r->threads[0]);
	r->threads[at] = t;
	return t.subject.failed ? ERR_NOMEM : OK;
}

static void add_recent(struct front *f, const struct recent_thread *t)
{
	struct html h = f->h;
	char hex[ID_HEX];

	hex_id(hex, t->id);
	html(h, "<li><a");
	page_href(h, f->q, "/thread/%s", hex);
	html(h, ">");
	if (t->what) {
		html(h, "<i>%s</i>", t->what);
	} else {
		html(h, "<bdi>");
		html_short(h, buffer_bytes(&t->subject), 200);
		html(h, "</bdi>");
	}
	html(h, "</a>\n<p class=\"meta\">");
	buffer_add(h.out, t->topic->name.data, t->topic->name.len);
	html(h, "<span class=\"sep\"> · </span>");
	page_day(h, f->q->language, t->latest);
	html(h, "</p></li>\n");
}

/* The threads of a topic that are alive: further down where some were passed over. */
static int recent_threads(struct recent *r, const struct recent_topic *topic)
{
	struct store *s = reader_store(r->front->q->reader);
	int err = OK;

	r->topic = topic;
	for (size_t from = 0; from < LOOKED && !err; from += LATEST) {
		r->given = r->passed = 0;
		err = query_threads(s, topic->id, LATEST, from, recent_thread, r);
		if (r->given < LATEST || r->passed == 0)
			break;
	}
	return err == ERR_EXISTS || err == ERR_NOTFOUND ? OK : err;
}

static int add_latest(struct front *f, struct recent *r)
{
	int err = OK;

	for (size_t i = 0; i < r->topic_count && !err; i++)
		err = recent_threads(r, &r->topics[i]);
	html(f->h,
	    "<section class=\"latest\" aria-labelledby=\"latest\">\n<h2 "
	    "id=\"latest\">%s</h2>\n<ol>\n",
	    _("Latest"));
	for (size_t i = 0; i < r->thread_count; i++) {
		if (!err)
			add_recent(f, &r->threads[i]);
		buffer_free(&r->threads[i].subject);
	}
	html(f->h, "</ol>\n<p class=\"feed\"><a");
	page_href(f->h, f->q, "/feed");
	html(f->h, ">%s</a></p>\n</section>\n", _("Follow by feed"));
	return err;
}

/* ---- the page ---- */

static void add_lead(struct html h, struct request *q)
{
	const struct web_node *node = web_node(q->web);
	struct buffer room = BUFFER_INIT;
	size_t at;

	html(h, "<div class=\"lead\">\n<h1 dir=\"auto\">");
	html_line(h, bytes_str(node->charter->name));
	html(h, "</h1>\n");
	if (node->charter->purpose && *node->charter->purpose) {
		html(h, "<p dir=\"auto\">");
		html_line(h, bytes_str(node->charter->purpose));
		html(h, "</p>\n");
	}
	html(h, "<p class=\"meta\">");
	at = h.out->len;
	html(h, "<a");
	page_href(h, q, "/about");
	html(h, ">%s</a>", _("Who carries it, and how to check"));
	struct html_piece about = html_cut(h, at, &room);
	html_sentence(h,
	    /* Translators: %s is a link, "Who carries it, and how to check". */
	    _("A forum that many organisations carry, and none controls. Every message is signed "
	      "by "
	      "its author. %s."),
	    &about, 1);
	/* live.js puts the second where somebody takes part already. */
	html(h, "</p>\n<p class=\"do\" data-as=\"%s\" data-write=\"%s\" data-path=\"%s%s/write\">",
	    _("You take part as %s."), _("Write"), q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "");
	html(h, "<a class=\"button\"");
	page_href(h, q, "/join");
	html(h, ">%s</a> <a", _("Join with an invite"));
	page_href(h, q, "/help");
	html(h, ">%s</a></p>\n</div>\n", _("How it works"));
	buffer_free(&room);
}

static void front_clear(struct front *f, struct recent *r)
{
	buffer_free(&f->list);
	for (size_t i = 0; i < r->topic_count; i++)
		buffer_free(&r->topics[i].name);
}

void page_front(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct front f = {.q = q};
	struct recent r = {.front = &f};
	char before[256], after[256];
	uint64_t n = page_number(q);

	f.from = (n - 1) * FRONT_TOPICS;
	int err = query_topics(reader_store(q->reader), recent_topic, &r);
	uint64_t pages = (f.count + FRONT_TOPICS - 1) / FRONT_TOPICS;

	if (!err && n > 1 && n > pages)
		err = ERR_NOTFOUND;
	if (err) {
		front_clear(&f, &r);
		page_failed(q, a, err);
		return;
	}
	page.previous = n > 1 ? page_of(before, "/", n - 1) : "";
	page.next = n < pages ? page_of(after, "/", n + 1) : "";
	page.here = "/";
	page.feed = "/feed";
	page.script = "live.js";
	f.h = page_begin(q, a, &page);
	add_lead(f.h, q);
	live_block(q, f.h, NULL, NULL);
	html(f.h, "<div class=\"two\">\n");
	add_topics(&f, n, pages);
	err = add_latest(&f, &r);
	html(f.h, "</div>\n");
	page_end(f.h, q, &page);
	front_clear(&f, &r);
	if (err)
		page_failed(q, a, err);
}
