/* SPDX-License-Identifier: BSD-2-Clause */
/* A topic: what it is about, and its threads; and what has been written since a day. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "daemon/web/write.h"

/* ---- a thread in a list ---- */

static bool is_hidden(struct request *q, const struct thread_row *row)
{
	return reader_hidden(q->reader, row->id, row->root_missing ? NULL : &row->author) != NULL;
}

static void add_thread(struct html h, struct request *q, const struct thread_row *row)
{
	bool why = is_hidden(q, row);
	char hex[ID_HEX], text[80];

	hex_id(hex, row->id);
	html(h, "<li><a");
	page_href(h, q, "/thread/%s", hex);
	html(h, ">");
	if (why || row->root_missing || row->subject.len == 0) {
		html(h, "<i>%s</i>",
		    why                 ? _("a hidden subject")
		    : row->root_missing ? _("its beginning is not here yet")
					: _("without a subject"));
	} else {
		html(h, "<bdi");
		page_lang(h, row->lang);
		html(h, ">");
		html_line(h, row->subject);
		html(h, "</bdi>");
	}
	html(h, "</a>\n<p class=\"meta\">");
	if (!row->root_missing) {
		page_writer_short(h, &row->author, why ? bytes_of(NULL, 0) : row->archived_author);
		html(h, "<span class=\"sep\"> · </span>");
	}
	snprintf(text, sizeof text,
	    ngettext("%llu message", "%llu messages", (unsigned long)row->posts),
	    (unsigned long long)row->posts);
	html(h, "<bdi>%s</bdi><span class=\"sep\"> · </span>", text);
	page_time(h, q->language, row->latest);
	html(h, "</p></li>\n");
}

/* ---- a topic ---- */

struct topic_page {
	struct html h;
	struct request *q;
	struct buffer hidden; /* threads that stand below the others of this page */
	size_t count;         /* of threads on this page */
	uint64_t threads, posts;
	uint64_t since; /* what is older ends the list */
	size_t total;
};

static int thread_add(void *ctx, const struct thread_row *row)
{
	struct topic_page *t = ctx;

	/* One more than is shown tells that there is a next page. A time that is still to come
	 * keeps nothing above the others that is hidden. */
	if (t->count++ < TOPIC_THREADS)
		add_thread(is_hidden(t->q, row) ? (struct html){&t->hidden} : t->h, t->q, row);
	return OK;
}

static int topic_count(void *ctx, const struct topic_row *row)
{
	struct topic_page *t = ctx;

	t->threads = row->threads;
	t->posts = row->posts;
	return OK;
}

static void add_topic_head(struct topic_page *t, const struct message_shown *m, const char *hex)
{
	struct html h = t->h;

	html(h, "<h1 dir=\"auto\">");
	page_topic_title(h, t->q, t->q->id);
	html(h, "</h1>\n");
	if (m && m->state == TEXT_HERE && m->content.text.len > 0) {
		html(h, "<div class=\"text about\"");
		page_lang(h, m->amended.given ? m->amended.header.lang : m->header.lang);
		html(h, ">\n");
		text_html(h, m->content.text, DESCRIPTION_SHOWN);
		html(h, "</div>\n");
	} else if (m && m->state == TEXT_HIDDEN) {
		page_remark(h, "hidden", _("Hidden at this node by who runs it."));
	}
	html(h, "<p class=\"meta\">");
	page_counts(h, t->posts, t->threads);
	if (m) {
		html(h, "<span class=\"sep\"> · </span><a");
		page_href(h, t->q, "/m/%s", hex);
		html(h, ">%s</a>", _("Opening message"));
	}
	html(h, "</p>\n<p class=\"do\"><a class=\"button\"");
	page_href(h, t->q, "/write?topic=%s", hex);
	html(h, ">%s</a> <a", _("Begin a thread"));
	page_href(h, t->q, "/topic/%s/feed", hex);
	html(h, ">%s</a></p>\n", _("Follow by feed"));
}

void page_topic(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct topic_page t = {.q = q};
	struct message_shown m = MESSAGE_SHOWN_INIT;
	struct store *s = reader_store(q->reader);
	uint64_t n = page_number(q);
	char hex[ID_HEX], base[100], feed[100], before[256], after[256];
	int err = reader_message_by_id(q->reader, q->id, &m);
	bool here = err == OK && m.header.kind == KIND_TOPIC;

	hex_id(hex, q->id);
	snprintf(base, sizeof base, "/topic/%s", hex);
	if (err == OK && !here) {
		/* Some other message: it has a page. */
		snprintf(base, sizeof base, "/m/%s", hex);
		page_redirect(q, a, base);
		message_shown_clear(&m);
		return;
	}
	if (err == OK || err == ERR_NOTFOUND)
		err = query_topic(s, q->id, topic_count, &t);
	if (err && err != ERR_NOTFOUND) {
		page_failed(q, a, err);
		message_shown_clear(&m);
		return;
	}
	snprintf(feed, sizeof feed, "/topic/%s/feed", hex);
	page.subject = here ? message_subject(&m) : bytes_of(NULL, 0);
	page.title = page.subject.len > 0 ? "" : _("A topic");
	page.feed = feed;
	page.here = "/";
	page.script = "live.js";
	uint64_t pages = (t.threads + TOPIC_THREADS - 1) / TOPIC_THREADS;
	page.previous = n > 1 ? page_of(before, base, n - 1) : "";
	page.next = n < pages ? page_of(after, base, n + 1) : "";
	t.h = page_begin(q, a, &page);
	page_path(t.h, q, NULL, NULL);
	add_topic_head(&t, here ? &m : NULL, hex);
	live_block(q, t.h, q->id, NULL);
	size_t at = t.h.out->len;
	html(t.h, "<h2 class=\"off\">%s</h2>\n<ol class=\"threads\">\n", _("Threads"));
	err = query_threads(
	    s, q->id, TOPIC_THREADS, (size_t)(n - 1) * TOPIC_THREADS, thread_add, &t);
	buffer_add(t.h.out, t.hidden.data, t.hidden.len);
	t.h.out->failed |= t.hidden.failed;
	buffer_free(&t.hidden);
	html(t.h, "</ol>\n");
	if (t.count == 0) {
		t.h.out->len = at;
		html(t.h, "<p class=\"none\">%s</p>\n",
		    n > 1 ? _("There are no threads on this page.") : _("Nobody has written yet."));
	}
	page_uncarried(t.h, q);
	page_pager(t.h, q, base, n, pages);
	page_end(t.h, q, &page);
	message_shown_clear(&m);
	if (err && (err != ERR_NOTFOUND || !here))
		page_failed(q, a, err);
}

/* ---- since a day ---- */

enum { SINCE_DAYS = 7, DAYS_MAX = 10000, SINCE_THREADS = 200 };
#define DAY_MS UINT64_C(86400000)

static int since_thread(void *ctx, const struct thread_row *row)
{
	struct topic_page *t = ctx;

	if (row->latest < t->since || t->total >= SINCE_THREADS)
		return ERR_EXISTS;
	if (is_hidden(t->q, row))
		return OK;
	add_thread(t->h, t->q, row);
	t->count++;
	t->total++;
	return OK;
}

static int since_topic(void *ctx, const struct topic_row *row)
{
	struct topic_page *t = ctx;
	size_t at = t->h.out->len;
	char hex[ID_HEX];
	int err;

	if (t->total >= SINCE_THREADS)
		return ERR_EXISTS;
	if (row->latest < t->since)
		return OK;
	hex_id(hex, row->id);
	html(t->h, "<section>\n<h2><a");
	page_href(t->h, t->q, "/topic/%s", hex);
	html(t->h, ">");
	page_topic_name(t->h, t->q, row);
	html(t->h, "</a></h2>\n<ol class=\"threads\">\n");
	t->count = 0;
	err = query_threads(reader_store(t->q->reader), row->id, SINCE_THREADS, 0, since_thread, t);
	html(t->h, "</ol>\n</section>\n");
	if (t->count == 0)
		t->h.out->len = at;
	return err == ERR_EXISTS || err == ERR_NOTFOUND ? OK : err;
}

static bool digits(const char *p, size_t n, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(p[i] - '0');
	}
	return true;
}

/* A day, "2026-11-20", in ms; false: it is none. */
static bool day_parse(const char *text, uint64_t *ms)
{
	unsigned y, m, d;

	if (strlen(text) != 10 || !digits(text, 4, &y) || text[4] != '-' ||
	    !digits(text + 5, 2, &m) || text[7] != '-' || !digits(text + 8, 2, &d) || y < 1970 ||
	    m < 1 || m > 12 || d < 1 || d > 31)
		return false;
	/* As in iso_time(): years from March. */
	uint64_t year = y - (m <= 2), in_era = year % 400,
		 in_year = (153 * (uint64_t)(m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	uint64_t days = year / 400 * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year;

	*ms = (days - 719468) * DAY_MS;
	return true;
}

static void add_days(struct html h, struct request *q, const char *iso)
{
	static const unsigned back[] = {1, 7, 30, 365};

	html(h,
	    "<form class=\"since\" action=\"%s%s/since\">\n<label>%s <input type=\"date\" "
	    "name=\"date\" "
	    "value=\"%s\" required></label> <button>%s</button>\n</form>\n<ul class=\"days\">\n",
	    q->language_chosen ? "/" : "", q->language_chosen ? language_tag(q->language) : "",
	    _("Since"), iso, _("Show"));
	for (size_t i = 0; i < sizeof back / sizeof back[0]; i++) {
		char text[80];

		html(h, "<li><a");
		page_href(h, q, "/since?days=%u", back[i]);
		snprintf(text, sizeof text, ngettext("%u day", "%u days", back[i]), back[i]);
		html(h, ">%s</a></li>\n", text);
	}
	html(h, "</ul>\n");
}

/* From so many days before today to the page of that day, which is the same whenever it is made. */
static void since_today(struct request *q, struct answer *a)
{
	const char *text = request_query(q, "days");
	uint64_t days = SINCE_DAYS;
	char iso[25], path[64];

	if (*text && decimal_parse(&days, text, strlen(text), DAYS_MAX) != OK)
		days = SINCE_DAYS;
	page_iso(iso, q->now > days * DAY_MS ? q->now - days * DAY_MS : 0);
	snprintf(path, sizeof path, "/since/%.10s", iso);
	page_redirect(q, a, path);
	a->status = 303;
	a->passing = true;
}

void page_since(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct topic_page t = {.q = q};
	const char *asked = *q->rest ? q->rest : request_query(q, "date");
	struct buffer room = BUFFER_INIT;
	char iso[25];
	int err;

	if (!*asked) {
		since_today(q, a);
		return;
	}
	if (!day_parse(asked, &t.since)) {
		page_error(q, a, 400);
		return;
	}
	page_iso(iso, t.since);
	iso[10] = '\0';
	page.title = _("Recent");
	page.here = "/since";
	page.feed = "/feed";
	t.h = page_begin(q, a, &page);
	size_t at = t.h.out->len;
	page_day(t.h, q->language, t.since);
	struct html_piece day = html_cut(t.h, at, &room);
	html(t.h, "<h1>");
	html_sentence(t.h, _("Written since %s"), &day, 1);
	html(t.h, "</h1>\n");
	add_days(t.h, q, iso);
	err = query_topics(reader_store(q->reader), since_topic, &t);
	err = err == ERR_EXISTS ? OK : err;
	if (t.total == 0)
		html(t.h, "<p class=\"none\">%s</p>\n", _("Nothing has been written since then."));
	if (t.total >= SINCE_THREADS)
		html(t.h, "<p class=\"none\">%s</p>\n",
		    _("There is more than is shown here: choose a later day, or look into a "
		      "topic."));
	page_uncarried(t.h, q);
	page_end(t.h, q, &page);
	buffer_free(&room);
	if (err)
		page_failed(q, a, err);
}
