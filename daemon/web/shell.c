/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shells are made of: fields with their hints and errors, and what scripts must know,
 * which stands in the page as JSON: never executed, so that the strict content policy holds, and
 * with "<" escaped, so that nothing in it can end the element. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "daemon/web/shell.h"
#include "member/charter.h"

/* ---- pieces of forms ---- */

/* A field's label, the hint and the place of its error, which both describe it. */
void shell_label_add(struct html h, const char *id, const char *text, const char *hint)
{
	html(h, "<div class=\"field\" id=\"%s-field\"><label for=\"%s\">", id, id);
	html_text(h, text);
	html(h, "</label>");
	if (hint) {
		html(h, "<p class=\"hint\" id=\"%s-hint\">", id);
		page_prose(h, hint);
		html(h, "</p>");
	}
	html(h, "<p class=\"error\" id=\"%s-error\" role=\"alert\" hidden></p>", id);
}

void shell_described(struct html h, const char *id, bool hint)
{
	html(h, " aria-describedby=\"%s%s%s-error\"", hint ? id : "", hint ? "-hint " : "", id);
}

/* `more`: attributes. */
void shell_input_add(
    struct html h, const char *id, const char *text, const char *hint, const char *more)
{
	shell_label_add(h, id, text, hint);
	html(h, "<input id=\"%s\" name=\"%s\" ", id, id);
	buffer_add_str(h.out, more);
	shell_described(h, id, hint != NULL);
	html(h, "></div>\n");
}

void shell_area_add(
    struct html h, const char *id, const char *text, const char *hint, const char *more)
{
	shell_label_add(h, id, text, hint);
	html(h, "<textarea id=\"%s\" name=\"%s\" ", id, id);
	buffer_add_str(h.out, more);
	shell_described(h, id, hint != NULL);
	html(h, "></textarea></div>\n");
}

/* All that a script of these pages imports, asked for at once: over a thin link one behind the
 * other would take seconds. */
static void modules_preload(struct html h, struct request *q)
{
	static const char *const names[] = {"bytes.js", "wire.js", "codec.js", "frames.js",
	    "gate.js", "store.js", "keys.js", "outbox.js", "page.js", "state.js", "attach.js",
	    "quote.js", "text.js", "write.js"};

	/* The last four are for the form that writes, which the outbox and the keys do without. */
	size_t count = sizeof names / sizeof names[0] -
		       (strcmp(q->path, "/outbox") == 0 || strcmp(q->path, "/you") == 0 ? 4 : 0);

	for (size_t i = 0; i < count; i++)
		html(h, "<link rel=\"modulepreload\" href=\"%s\">\n", static_url(q->web, names[i]));
}

/* What every shell begins with. `why`: what scripts are for here. */
void shell_begin(
    struct html h, struct request *q, const char *title, const char *title_id, const char *why)
{
	modules_preload(h, q);
	html(h, "<h1 id=\"%s\">", title_id);
	html_text(h, title);
	html(h, "</h1>\n<noscript><div class=\"note\">");
	html(h, "<p>%s</p>\n", why);
	html(h, "<p>%s</p>\n",
	    _("Your browser has scripts turned off. Everything can be read without them; to take "
	      "part "
	      "without them, use the program convene in a terminal."));
	html(h, "</div></noscript>\n<div id=\"trouble\" class=\"note trouble\" role=\"alert\" "
		"hidden></div>\n");
}

void shell_open(struct html h)
{
	html(h, "<script type=\"text/html\" id=\"shell\">\n");
}

void shell_close(struct html h)
{
	html(h, "</script>\n");
}

bool shell_may_open(const struct request *q)
{
	return web_node(q->web)->charter->topics == TOPICS_BY_PARTICIPANTS;
}

void shell_ask(struct request *q, struct html h)
{
	const struct conf *c = web_node(q->web)->conf;
	struct buffer room = BUFFER_INIT;
	size_t at = h.out->len;
	struct html_piece pieces[2] = {{bytes_str(c->node.name)}}; /* a host name */

	if (c->web.contact) {
		page_contact(h, c);
		pieces[1] = html_cut(h, at, &room);
		html_sentence(h,
		    _("You need an invite from an organisation that carries this forum; at %1$s "
		      "ask %2$s."),
		    pieces, 2);
	} else {
		html_sentence(h,
		    _("You need an invite from an organisation that carries this forum, such as "
		      "%s."),
		    pieces, 1);
	}
	buffer_free(&room);
}

void shell_no_key(struct request *q, struct html h)
{
	html(h, "<div id=\"no-key\" hidden>");
	html(h, "<p>%s ", _("You don't take part from this browser yet."));
	shell_ask(q, h);
	html(h, "</p>\n<p><a class=\"button\"");
	page_href(h, q, "/join");
	html(h, ">%s</a></p></div>\n", _("Join with an invite"));
}

void shell_copy(struct html h, const char *field)
{
	html(h,
	    "<p><button type=\"button\" class=\"small\" data-copy=\"%s\">%s</button> <span "
	    "class=\"fine\" id=\"%s-copied\" role=\"status\"></span></p>\n",
	    field, _("Copy"), field);
}

/* ---- what scripts must know ---- */

json_t *shell_hex_json(const uint8_t *bytes, size_t len)
{
	char text[2 * 64 + 1];

	hex_encode(text, bytes, len);
	return json_string(text);
}

json_t *shell_bytes_json(struct bytes text)
{
	return json_stringn((const char *)text.data, text.len);
}

json_t *shell_place_json(const uint8_t *log, const uint8_t *id, uint64_t index)
{
	json_t *o = json_object();

	json_object_set_new(o, "log", shell_hex_json(log, DIGEST_LEN));
	json_object_set_new(o, "id", shell_hex_json(id, ID_LEN));
	json_object_set_new(o, "index", json_integer((json_int_t)index));
	return o;
}

/* Numbers whose plural forms are, in the languages of the interface, all that there are; a script
 * takes that of a number of the same CLDR category. */
static const unsigned long plurals[] = {0, 1, 2, 3, 5, 11, 100};

static json_t *plural_json(const char *one, const char *many)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof plurals / sizeof plurals[0]; i++) {
		char number[24];

		snprintf(number, sizeof number, "%lu", plurals[i]);
		json_object_set_new(o, number, json_string(ngettext(one, many, plurals[i])));
	}
	return o;
}

static json_t *node_json(const struct web_node *node)
{
	json_t *o = json_object();

	json_object_set_new(o, "forum", shell_hex_json(node->charter->forum, HASH_LEN));
	json_object_set_new(o, "organisation", json_string(node->conf->node.name));
	json_object_set_new(o, "root", shell_hex_json(node->root_key, KEY_LEN));
	json_object_set_new(o, "log", json_string(node->binding->log_name));
	json_object_set_new(o, "address", json_string(node->conf->node.address.text));
	json_object_set_new(
	    o, "content_limit", json_integer((json_int_t)node->charter->content_limit));
	return o;
}

void shell_data_add(struct html h, struct request *q, const char *page, json_t *more)
{
	char base[8] = "", *text;
	json_t *o = more ? more : json_object();

	if (q->language_chosen)
		snprintf(base, sizeof base, "/%s", language_tag(q->language));
	json_object_set_new(o, "page", json_string(page));
	json_object_set_new(o, "base", json_string(base));
	json_object_set_new(o, "node", node_json(web_node(q->web)));
	json_object_set_new(o, "strings", script_strings());
	json_object_set_new(o, "quoted", plural_json("%lu line quoted", "%lu lines quoted"));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!text) {
		h.out->failed = true;
		return;
	}
	html(h, "<script type=\"application/json\" id=\"page-data\">");
	for (const char *p = text; *p; p++) {
		if (*p == '<')
			buffer_add_str(h.out, "\\u003c");
		else
			buffer_add_u8(h.out, (uint8_t)*p);
	}
	html(h, "</script>\n");
	free(text);
}

/* ---- what live.js needs ---- */

void live_block(struct request *q, struct html h, const uint8_t *topic, const uint8_t *thread)
{
	char id[ID_HEX] = "", *forms;
	uint64_t after = 0;
	json_t *plural;

	if (topic || thread)
		hex_id(id, topic ? topic : thread);
	if (query_last_arrival(reader_store(q->reader), &after) != OK)
		return; /* then the page does without */
	html(h,
	    "<div class=\"live\" role=\"status\" data-live=\"%s%s\" "
	    "data-live-after=\"%llu\" data-live-base=\"%s%s\"",
	    topic    ? "topic="
	    : thread ? "thread="
		     : "",
	    id, (unsigned long long)after, q->language_chosen ? "/" : "",
	    q->language_chosen ? language_tag(q->language) : "");
	plural = plural_json("%lu new message", "%lu new messages");
	forms = json_dumps(plural, JSON_COMPACT);
	json_decref(plural);
	html(h, " data-live-much=\"%s\" data-live-forms=\"%s\"></div>\n",
	    _("Much has come since: show it"), forms ? forms : "{}");
	free(forms);
}
