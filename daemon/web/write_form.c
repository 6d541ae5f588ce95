/* SPDX-License-Identifier: BSD-2-Clause */
/* The form that writes, which /write and /join have (script/write.js). */
#include <string.h>

#include "base/error.h"
#include "daemon/web/shell.h"
#include "member/charter.h"

#define TOPICS_CHOSEN 200 /* to choose from */

/* Of many topics those in which something was written last. */
struct topics {
	struct html html;
	struct request *q;
	json_t *list;
	uint64_t latest[TOPICS_CHOSEN]; /* descending */
	size_t count, last;             /* of them; those as old as the oldest of them */
};

/* Its title is here, and isn't hidden. */
static bool topic_fits(const struct topics *t, const struct topic_row *row)
{
	return row->title.len > 0 && !reader_hidden(t->q->reader, row->id, &row->author);
}

/* A time that is still to come says no more than that it is new. */
static uint64_t topic_time(const struct topics *t, const struct topic_row *row)
{
	return row->latest < t->q->now ? row->latest : t->q->now;
}

static int topic_weigh(void *ctx, const struct topic_row *row)
{
	struct topics *t = ctx;
	uint64_t latest = topic_time(t, row);
	size_t at = t->count;

	if (!topic_fits(t, row))
		return OK;
	while (at > 0 && t->latest[at - 1] < latest)
		at--;
	if (at == TOPICS_CHOSEN)
		return OK;
	t->count += t->count < TOPICS_CHOSEN;
	memmove(&t->latest[at + 1], &t->latest[at], (t->count - at - 1) * sizeof t->latest[0]);
	t->latest[at] = latest;
	return OK;
}

static int topic_take(void *ctx, const struct topic_row *row)
{
	struct topics *t = ctx;
	char id[ID_HEX];
	json_t *o;
	uint64_t latest = topic_time(t, row), oldest = t->latest[t->count - 1];

	if (!topic_fits(t, row) || latest < oldest || (latest == oldest && t->last == 0))
		return OK;
	t->last -= latest == oldest;
	o = shell_place_json(row->log, row->id, row->index);
	json_object_set_new(o, "title", shell_bytes_json(row->title));
	json_array_append_new(t->list, o);
	hex_id(id, row->id);
	html(t->html, "<option value=\"%s\">", id);
	html_line(t->html, row->title);
	html(t->html, "</option>");
	return OK;
}

/* A topic is chosen from all; who may open one can do that instead. */
static int topics_add(struct html h, struct request *q, json_t *data)
{
	bool may_open = shell_may_open(q);
	struct topics t = {.html = h, .q = q, .list = json_array()};
	int err;

	shell_label_add(h, "topic", _("Topic"), NULL);
	html(h, "<select id=\"topic\" name=\"topic\"");
	shell_described(h, "topic", false);
	html(h, ">");
	err = query_topics(reader_store(q->reader), topic_weigh, &t);
	for (size_t i = 0; i < t.count; i++)
		t.last += t.latest[i] == t.latest[t.count - 1];
	if (!err && t.count > 0)
		err = query_topics(reader_store(q->reader), topic_take, &t);
	if (may_open)
		html(h, "<option value=\"new\">%s</option>\n", _("A new topic"));
	html(h, "</select></div>\n");
	json_object_set_new(data, "topics", t.list);
	json_object_set_new(data, "may_open", json_boolean(may_open));
	return err;
}

/* What stands below the form: the preview, and what became of the message. */
static void form_end(struct html h)
{
	html(h, "<section id=\"preview-section\" aria-labelledby=\"preview-title\" hidden>"
		"<h2 id=\"preview-title\">");
	html_text(h, _("Preview"));
	html(h, "</h2><div id=\"preview\" class=\"message\"></div></section>\n"
		"<section id=\"result\" aria-labelledby=\"result-title\" hidden><h2 "
		"id=\"result-title\">");
	html_text(h, _("Your message"));
	html(h, "</h2><p id=\"result-state\" role=\"status\"></p><div id=\"result-steps\"></div>"
		"<ul id=\"result-links\" class=\"links\"></ul></section>\n");
}

/* The languages of the interface by their names, any other by its tag. */
static void language_add(struct html h)
{
	shell_label_add(h, "lang", _("Language of the text"), NULL);
	html(h, "<select id=\"lang\" name=\"lang\"");
	shell_described(h, "lang", false);
	html(h, ">");
	for (int l = 0; l < LANGUAGES; l++)
		html(h, "<option value=\"%s\" lang=\"%s\">%s</option>",
		    language_tag((enum language)l), language_tag((enum language)l),
		    language_name((enum language)l));
	html(h, "<option value=\"other\">%s</option></select></div>\n", _("Another"));
	shell_input_add(h, "lang-tag", _("The tag of that language"), _("As in: de, sw, zh-Hant"),
	    "type=\"text\" dir=\"ltr\" size=\"12\" autocomplete=\"off\" "
	    "autocapitalize=\"none\" spellcheck=\"false\"");
}

/* What it is called, and what it says. */
static void words_add(struct html h, enum shell_form form)
{
	static const char line[] =
	    "type=\"text\" dir=\"auto\" autocomplete=\"off\" maxlength=\"500\"";
	static const char area[] = "dir=\"auto\" rows=\"12\" spellcheck=\"true\"";

	if (form == FORM_TOPIC) {
		shell_input_add(h, "subject", _("Title"), NULL, line);
		shell_area_add(h, "text", _("What it is about"),
		    _("Stands at the top of the topic; one line of it in the list of topics."),
		    area);
		return;
	}
	if (form != FORM_REPLY)
		shell_input_add(h, "subject", _("Subject"),
		    _("If you leave it empty, the beginning of your text is shown instead."), line);
	shell_area_add(h, "text", _("Text"),
	    _("Plain text. A line that begins with “>” is a quotation."), area);
}

int shell_form_add(struct html h, struct request *q, json_t *data, enum shell_form form)
{
	int err = OK;

	html(h, "<form id=\"write\" hidden novalidate>\n<p id=\"as\"></p>\n");
	if (form == FORM_CHOOSE)
		err = topics_add(h, q, data);
	words_add(h, form);
	html(h,
	    "<p id=\"quote-place\"><button type=\"button\" class=\"small\" id=\"quote\" "
	    "hidden>%s</button></p>\n",
	    _("Quote the message"));
	shell_input_add(h, "files", _("Files"),
	    _("They go along with the text; anyone can read them, and save them."),
	    "type=\"file\" multiple");
	html(h, "<ul id=\"parts\" class=\"parts\"></ul><p id=\"room\" class=\"fine\" "
		"role=\"status\"></p>\n");
	language_add(h);
	html(h, "<p id=\"draft-state\" class=\"fine\"></p>\n<p class=\"buttons\">"
		"<button type=\"submit\" id=\"send\" class=\"primary\">");
	html_text(h, _("Sign and send"));
	html(h,
	    "</button> <button type=\"button\" class=\"plain\" "
	    "id=\"preview-button\">%s</button></p>\n<p "
	    "class=\"fine\">",
	    _("Preview"));
	html_text(h, _("It is signed with your key, goes to all organisations of the forum, and "
		       "anyone can read it. It "
		       "can be erased later; that it was there can't."));
	html(h, " <a");
	page_href(h, q, "/help#trust");
	html(h, ">%s</a></p>\n</form>\n", _("What you trust when you write here"));
	form_end(h);
	return err;
}
