/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching: a form, and what was found, each with the place in its text that the words stand at.
 * The index is beside the store (search/search.h); without one this page says so. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"
#include "search/search.h"

enum {
	RESULTS = 25, /* on one page */
	SPANS = 12,   /* words marked in one line */
	AROUND = 110, /* bytes of a text on each side of a word */
	WORD = 24,    /* so near a line's end it is cut between words instead */
	SEARCH_MS = 400,
	RETRY_MS = 2000, /* an index that isn't there is looked for again */
};

/* One for the process, which is one thread: opened when it is first asked for. */
static struct search *opened;
static uint64_t retry_at;

static struct search *index_open(const struct conf *c)
{
	char path[4200];
	uint64_t now = clock_mono_ms();

	if (opened || now < retry_at || !c->node.data)
		return opened;
	snprintf(path, sizeof path, "%s/search", c->node.data);
	if (search_open(&opened, path) != OK) {
		opened = NULL;
		retry_at = now + RETRY_MS;
	}
	return opened;
}

/* It may have been thrown away, and made anew. */
static void index_close(void)
{
	search_close(opened);
	opened = NULL;
	retry_at = 0;
}

struct results {
	struct html h;
	struct request *q;
	const struct search_query *query;
	struct page_titles titles;
	size_t count;
	int lost; /* the store, not the index */
};

static bool is_hidden(void *ctx, const struct item_row *row)
{
	struct results *r = ctx;

	return reader_hidden(r->q->reader, row->id, &row->author) != NULL;
}

/* A piece of a text on one line, what was found in it marked. Spans don't cut characters. */
static void add_marked(struct html h, struct bytes text, const struct search_span *line,
    const struct search_span *found, size_t count)
{
	size_t at = line->from;
	struct buffer clean = BUFFER_INIT;
	bool begins = true; /* a line */

	/* What a line may not have becomes a space, as long as it was: the spans stay good. */
	buffer_add(&clean, text.data, text.len);
	for (size_t i = 0; i < clean.len; i++) {
		uint8_t c = clean.data[i];

		/* Neither are the signs before what is quoted. */
		if (c < 0x20 || (begins && c == '>'))
			clean.data[i] = ' ';
		begins = c == '\n' || (begins && (c == '>' || c == ' '));
	}
	if (line->from > 0)
		html(h, "… ");
	for (size_t i = 0; i < count && clean.len == text.len; i++) {
		if (found[i].from < at || found[i].to > line->to || found[i].from >= found[i].to)
			continue;
		html_line(h, bytes_of(clean.data + at, found[i].from - at));
		html(h, "<mark>");
		html_line(h, bytes_of(clean.data + found[i].from, found[i].to - found[i].from));
		html(h, "</mark>");
		at = found[i].to;
	}
	if (clean.len == text.len && at < line->to)
		html_line(h, bytes_of(clean.data + at, line->to - at));
	if (line->to < text.len)
		html(h, " …");
	h.out->failed |= clean.failed;
	buffer_free(&clean);
}

/* A line begins and ends with a word, where one is near. */
static void whole_words(
    struct bytes text, struct search_span *line, const struct search_span *found, size_t count)
{
	size_t first = count > 0 ? found[0].from : line->to,
	       last = count > 0 ? found[count - 1].to : line->from;

	for (size_t i = line->from; line->from > 0 && i < first && i < line->from + WORD; i++) {
		if (text.data[i] == ' ' || text.data[i] == '\n') {
			line->from = i + 1;
			break;
		}
	}
	for (size_t i = line->to; line->to < text.len && i > last && i + WORD > line->to; i--) {
		if (text.data[i] == ' ' || text.data[i] == '\n') {
			line->to = i;
			break;
		}
	}
}

static void add_snippet(struct results *r, struct bytes text, size_t around, bool within_line)
{
	struct search_span line, found[SPANS];
	size_t count = search_snippet(r->query, text, around, within_line, &line, found, SPANS);

	whole_words(text, &line, found, count);
	add_marked(r->h, text, &line, found, count);
}

/* A reply stands under the subject of its thread. */
static void add_subject(struct results *r, const struct search_found *f)
{
	struct message_shown root = MESSAGE_SHOWN_INIT;
	struct html h = r->h;

	if (f->content->subject.len > 0) {
		add_snippet(r, text_head(f->content->subject, SUBJECT_SHOWN), SUBJECT_SHOWN, false);
	} else if (memcmp(f->row->thread, f->row->id, ID_LEN) != 0 &&
		   reader_message_by_id(r->q->reader, f->row->thread, &root) == OK &&
		   message_subject(&root).len > 0) {
		html_short(h, message_subject(&root), 200);
	} else {
		html(h, "%s", _("without a subject"));
	}
	message_shown_clear(&root);
}

/* A search may take longer than a page may hold up the store's log, and readers may ask for one
 * after the other in every process: an erasure would wait for them. What was found so far stays. */
static int state_anew(void *ctx)
{
	struct results *r = ctx;
	uint64_t state;

	reader_end(r->q->reader);
	r->lost = reader_begin(r->q->reader, &state);
	return r->lost;
}

static int result_add(void *ctx, const struct search_found *f)
{
	struct results *r = ctx;
	struct html h = r->h;
	char hex[ID_HEX];

	if (r->count == RESULTS)
		return ERR_EXISTS;
	r->count++;
	hex_id(hex, f->row->id);
	html(h, "<li");
	page_lang(h, f->lang);
	html(h, "><a");
	page_href(h, r->q, "/m/%s", hex);
	html(h, "><bdi>");
	add_subject(r, f);
	html(h, "</bdi></a>\n<p class=\"meta\"");
	html(h, " lang=\"%s\">", language_tag(r->q->language));
	page_writer_short(h, &f->row->author, f->content->imported.author);
	html(h, "<span class=\"sep\"> · </span>");
	page_time(h, r->q->language, f->row->time);
	html(h, "<span class=\"sep\"> · </span>");
	page_topic_kept(h, r->q, &r->titles, f->row->topic);
	html(h, "</p>\n<p class=\"found\" dir=\"auto\">");
	add_snippet(r, f->content->text, AROUND, false);
	html(h, "</p></li>\n");
	return r->count == RESULTS ? ERR_EXISTS : OK;
}

static void add_form(struct html h, struct request *q, const char *text)
{
	html(h, "<h1>%s</h1>\n<form class=\"search\" role=\"search\" action=\"%s%s/search\">\n",
	    _("Search"), q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "");
	html(h,
	    "<input type=\"search\" name=\"q\" value=\"%s\" aria-label=\"%s\" dir=\"auto\" "
	    "maxlength=\"1000\"> <button>%s</button>\n</form>\n",
	    text, _("Search the forum"), _("Search"));
}

static void add_further(struct results *r, const char *text, uint64_t next)
{
	struct html h = r->h;

	if (next == 0)
		return;
	html(h,
	    "<nav class=\"pages\" aria-label=\"%s\">\n<ul>\n<li><a rel=\"next\" "
	    "href=\"%s%s/search?q=",
	    _("Pages"), r->q->language_chosen ? "/" : "",
	    r->q->language_chosen ? language_tag(r->q->language) : "");
	html_encode(h, bytes_str(text));
	html(h, "&amp;before=%llu\">%s</a></li>\n</ul>\n</nav>\n", (unsigned long long)next,
	    _("Older"));
}

static void add_hints(struct html h, struct request *q)
{
	html(h, "<p class=\"hint\">%s <a",
	    _("All words must occur; \"a phrase\" and -without work."));
	page_href(h, q, "/help#searching");
	html(h, ">%s</a></p>\n", _("More ways to ask"));
}

/* The list; what went wrong is said in its place. */
static int add_results(struct results *r, struct search *s, const char *text)
{
	const char *from = request_query(r->q, "before");
	struct search_ask ask = {.before = UINT64_MAX,
	    .ms = SEARCH_MS,
	    .hidden = is_hidden,
	    .found = result_add,
	    .rest = state_anew,
	    .ctx = r};
	uint64_t next = 0;
	int err;

	if (*from && decimal_parse(&ask.before, from, strlen(from), INT64_MAX) != OK)
		ask.before = UINT64_MAX;
	size_t at = r->h.out->len;
	html(r->h, "<h2 class=\"off\">%s</h2>\n<ol class=\"results\">\n", _("What was found"));
	err = search_run(s, reader_store(r->q->reader), r->query, &ask, &next);
	html(r->h, "</ol>\n");
	if (err == ERR_EXISTS)
		err = OK;
	if (err) {
		r->h.out->len = at;
		return err;
	}
	if (r->count == 0) {
		r->h.out->len = at;
		if (next > 0)
			html(r->h, "<p class=\"none\">%s</p>\n",
			    _("Nothing was found in the time that a search may take; there is "
			      "more to be looked through."));
		else
			html(r->h, "<p class=\"none\">%s %s</p>\n", _("Nothing was found."),
			    _("Try fewer words, or another spelling."));
		add_hints(r->h, r->q);
	}
	add_further(r, text, next);
	return OK;
}

/* What is wrong with what was asked for. */
static void add_why(struct html h, const char *why)
{
	char text[300];

	if (why)
		/* Translators: %s is a sentence without its full stop. */
		snprintf(text, sizeof text, _("That could not be understood: %s."), _(why));
	else
		snprintf(text, sizeof text, "%s", _("That could not be understood"));
	html(h, "<p class=\"remark missing\">");
	page_prose(h, text);
	html(h, "</p>\n");
}

void page_search(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	/* The text of a parameter lasts until the next is asked for. */
	char text[SEARCH_QUERY_MAX + 4];
	struct search_query *query = NULL;
	struct search *s = index_open(web_node(q->web)->conf);
	const char *why = NULL;
	int err = OK;

	snprintf(text, sizeof text, "%s", request_query(q, "q"));
	text[text_head(bytes_str(text), SEARCH_QUERY_MAX).len] = '\0';
	a->passing = true;
	page.title = _("Search");
	page.here = "/search";
	page.unlisted = true;
	struct results r = {.h = page_begin(q, a, &page), .q = q};

	add_form(r.h, q, text);
	if (!s)
		page_remark(
		    r.h, "missing", _("Search is off at this node, or its index is being made."));
	else if (!*text)
		add_hints(r.h, q);
	else if ((err = search_parse(&query, bytes_str(text), &why)) != OK)
		add_why(r.h, why);
	else {
		r.query = query;
		err = add_results(&r, s, text);
		if (err && !r.lost) {
			index_close();
			page_remark(r.h, "missing",
			    _("Search is off at this node, or its index is being made."));
		}
		page_uncarried(r.h, q);
	}
	page_end(r.h, q, &page);
	page_titles_clear(&r.titles);
	search_query_free(query);
	if (r.lost)
		page_failed(q, a, r.lost);
}
