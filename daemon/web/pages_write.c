/* SPDX-License-Identifier: BSD-2-Clause */
/* /write: the form (write_form.c), and what its script (script/write.js) must know of the place
 * where something is written. */
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "daemon/web/shell.h"
#include "member/charter.h"

#define PARENT_SHOWN 65536 /* bytes of the text that is answered */

/* A writer as a quotation names them: who an archive says, without the address, or
 * "alice@isoc.example". */
static void writer_text(struct buffer *out, const struct message_shown *m)
{
	const struct author *a = &m->row.author;
	char identity[2 * IDENTITY_LEN + 1];

	struct bytes archived = m->state == TEXT_HERE && m->content.imported.present
				    ? archived_name(m->content.imported.author)
				    : bytes_of(NULL, 0);

	hex_encode(identity, a->identity, IDENTITY_LEN);
	if (archived.len > 0)
		text_line(out, archived);
	else
		buffer_printf(out, "%s@%s",
		    a->handle[0] ? a->handle
		    : a->device  ? identity
				 : "",
		    a->organisation);
}

/* What a reply stands under: its own subject, or that of its thread. */
static json_t *subject_json(struct request *q, const struct message_shown *m)
{
	struct message_shown root = MESSAGE_SHOWN_INIT;
	struct bytes subject = message_subject(m);
	json_t *out;

	if (subject.len == 0 && reader_message_by_id(q->reader, m->row.thread, &root) == OK)
		subject = message_subject(&root);
	out = shell_bytes_json(subject);
	message_shown_clear(&root);
	return out;
}

/* What the scripts must know of the message that is answered: its place, and its text to quote. */
static json_t *parent_json(struct request *q, const struct message_shown *m)
{
	bool topic_itself = m->header.kind == KIND_TOPIC;
	json_t *o = shell_place_json(m->log->binding.digest, m->row.id, m->row.index);
	struct buffer who = BUFFER_INIT;

	writer_text(&who, m);
	json_object_set_new(o, "author", shell_bytes_json(buffer_bytes(&who)));
	buffer_free(&who);
	json_object_set_new(o, "time", json_integer((json_int_t)m->header.time));
	json_object_set_new(o, "lang", shell_bytes_json(m->header.lang));
	json_object_set_new(o, "thread", shell_hex_json(m->row.thread, ID_LEN));
	json_object_set_new(o, "topic",
	    topic_itself
		? shell_place_json(m->log->binding.digest, m->row.id, m->row.index)
		: shell_place_json(m->header.topic.log, m->header.topic.id, m->header.topic.index));
	if (m->state == TEXT_HERE)
		json_object_set_new(o, "text", shell_bytes_json(m->content.text));
	json_object_set_new(o, "subject", subject_json(q, m));
	return o;
}

/* The message that is answered, to look at while one writes. */
static void parent_add(struct html h, struct request *q, const struct message_shown *m)
{
	struct buffer room[2] = {BUFFER_INIT, BUFFER_INIT};
	struct html_piece pieces[2];
	char id[ID_HEX];
	size_t at = h.out->len;

	hex_id(id, m->row.id);
	page_writer_short(h, &m->row.author,
	    m->state == TEXT_HERE && m->content.imported.present ? m->content.imported.author
								 : bytes_str(""));
	pieces[0] = html_cut(h, at, &room[0]);
	html(h, "<a");
	page_href(h, q, "/m/%s", id);
	html(h, ">");
	page_time(h, q->language, m->header.time);
	html(h, "</a>");
	pieces[1] = html_cut(h, at, &room[1]);
	html(h, "<section class=\"parent\" aria-labelledby=\"parent\">\n<p id=\"parent\">");
	/* Translators: %1$s is who wrote what is replied to, %2$s is when. */
	html_sentence(h, _("You reply to %1$s, %2$s:"), pieces, 2);
	buffer_free(&room[0]);
	buffer_free(&room[1]);
	html(h, "</p>\n<div class=\"text\" tabindex=\"0\" role=\"region\" "
		"aria-labelledby=\"parent\"");
	page_lang(h, m->header.lang);
	html(h, ">");
	if (m->state == TEXT_HERE)
		text_html(h, m->content.text, PARENT_SHOWN);
	else
		html(h, "<p>%s</p>\n", _("Its text is not here."));
	html(h, "</div></section>\n");
}

/* The message that is amended, and a way back to it. */
static void amended_add(struct html h, struct request *q, const struct message_shown *m)
{
	char id[ID_HEX];

	hex_id(id, m->row.id);
	html(h, "<p class=\"topic\"><a");
	page_href(h, q, "/m/%s", id);
	html(h, ">%s</a></p>\n", _("The message as it is shown now"));
}

static void topic_add(struct html h, struct request *q, json_t *data, const struct message_shown *m)
{
	json_t *o = shell_place_json(m->log->binding.digest, m->row.id, m->row.index);
	char id[ID_HEX];

	json_object_set_new(o, "title", shell_bytes_json(m->content.subject));
	json_object_set_new(data, "topic", o);
	hex_id(id, m->row.id);
	html(h, "<p class=\"topic\"><a");
	page_href(h, q, "/topic/%s", id);
	html(h, " dir=\"auto\">");
	html_line(h, m->content.subject);
	html(h, "</a></p>\n");
}

/* An id in the query: true when there is one, whole. */
static bool id_given(struct request *q, const char *name, uint8_t id[static ID_LEN])
{
	const char *text = request_query(q, name);

	return strlen(text) == 2 * ID_LEN && hex_decode(id, ID_LEN, text, 2 * ID_LEN) == OK;
}

enum write_place { WRITE_NEW, WRITE_TOPIC, WRITE_IN_TOPIC, WRITE_REPLY, WRITE_AMEND };

/* What is answered, amended, or written in, as it is in the store. ERR_NOTFOUND. */
static int place_take(struct request *q, struct message_shown *m, enum write_place *place)
{
	static const char *const names[] = {
	    [WRITE_IN_TOPIC] = "topic", [WRITE_REPLY] = "parent", [WRITE_AMEND] = "amend"};
	uint8_t id[ID_LEN];
	int err;

	for (*place = WRITE_AMEND; *place > WRITE_TOPIC; (*place)--) {
		if (!request_query(q, names[*place])[0])
			continue;
		if (*place == WRITE_IN_TOPIC && strcmp(request_query(q, "topic"), "new") == 0)
			break;
		if (!id_given(q, names[*place], id))
			return ERR_NOTFOUND;
		err = reader_message_by_id(q->reader, id, m);
		if (!err && m->header.kind != KIND_TOPIC &&
		    (m->header.kind != KIND_POST || *place == WRITE_IN_TOPIC))
			err = ERR_NOTFOUND;
		return err;
	}
	*place = *place == WRITE_IN_TOPIC && shell_may_open(q) ? WRITE_TOPIC : WRITE_NEW;
	return OK;
}

/* What is amended: its text and files as they are now, and whose it is. */
static json_t *amend_json(const struct message_shown *m)
{
	const struct header *h = m->amended.given ? &m->amended.header : &m->header;
	json_t *o = shell_place_json(m->log->binding.digest, m->row.id, m->row.index);
	json_t *parts = json_array();

	json_object_set_new(o, "topic", json_boolean(m->header.kind == KIND_TOPIC));
	json_object_set_new(o, "organisation", json_string(m->row.author.organisation));
	json_object_set_new(o, "identity", shell_hex_json(m->row.author.identity, IDENTITY_LEN));
	json_object_set_new(o, "lang", shell_bytes_json(h->lang));
	if (m->state == TEXT_HERE) {
		json_object_set_new(o, "subject", shell_bytes_json(m->content.subject));
		json_object_set_new(o, "text", shell_bytes_json(m->content.text));
	}
	for (size_t i = 0; m->state == TEXT_HERE && i < m->content.part_count; i++) {
		json_t *part;

		if (m->content.parts[i].omitted > 0)
			continue; /* there is nothing to take along */
		part = json_object();
		json_object_set_new(part, "n", json_integer((json_int_t)i + 1));
		json_object_set_new(part, "name", shell_bytes_json(m->content.parts[i].name));
		json_object_set_new(
		    part, "media_type", shell_bytes_json(m->content.parts[i].media_type));
		json_array_append_new(parts, part);
	}
	json_object_set_new(o, "parts", parts);
	return o;
}

static void erase_add(struct html h)
{
	html(h, "<p id=\"not-yours\" class=\"note\" hidden>%s</p>\n",
	    _("This message is by somebody else, and they alone can amend or erase it. If it is "
	      "yours: do it with the "
	      "device that has a key of yours."));
	html(h,
	    "<section id=\"erase-section\" aria-labelledby=\"erase-title\" hidden><h2 "
	    "id=\"erase-title\">%s</h2>\n",
	    _("Erase it"));
	html(h, "<p>%s</p>\n",
	    _("All nodes of the forum then drop the text and its files, and never take them again. "
	      "That you wrote "
	      "something, when, and that it was erased stays in the log; so does what others have "
	      "copied."));
	html(h, "<p><button type=\"button\" class=\"plain\" id=\"erase\">%s</button></p>\n",
	    _("Erase the text"));
	html(h,
	    "<dialog id=\"erase-dialog\" aria-labelledby=\"erase-question\"><h2 "
	    "id=\"erase-question\">%s</h2>",
	    _("Erase it everywhere?"));
	html(h, "<p>%s</p>\n", _("This can't be undone."));
	html(h, "<p class=\"buttons\"><button type=\"button\" id=\"erase-no\">%s</button> ",
	    _("Keep it"));
	html(h,
	    "<button type=\"button\" class=\"plain\" "
	    "id=\"erase-yes\">%s</button></p></dialog></section>\n",
	    _("Erase it"));
}

static const char *write_title(enum write_place place)
{
	return place == WRITE_AMEND   ? _("Amend")
	       : place == WRITE_REPLY ? _("Reply")
	       : place == WRITE_TOPIC ? _("A new topic")
				      : _("New thread");
}

static int write_add(
    struct html h, struct request *q, const struct message_shown *m, enum write_place place)
{
	json_t *data = json_object();
	enum shell_form form = place == WRITE_NEW     ? FORM_CHOOSE
			       : place == WRITE_TOPIC ? FORM_TOPIC
			       : place == WRITE_REPLY ? FORM_REPLY
						      : FORM_THREAD;
	int err;

	if (!data)
		return ERR_NOMEM;
	shell_begin(h, q, write_title(place), "write-title",
	    _("A message is signed with your key, which never leaves your browser: so the page "
	      "needs scripts."));
	if (place == WRITE_REPLY) {
		json_object_set_new(data, "parent", parent_json(q, m));
		parent_add(h, q, m);
	} else if (place == WRITE_AMEND) {
		json_object_set_new(data, "amend", amend_json(m));
		amended_add(h, q, m);
		/* An answer stands under its thread's subject, unless it has one of its own. */
		if (m->header.kind == KIND_TOPIC)
			form = FORM_TOPIC;
		else if (m->header.parent.present && message_subject(m).len == 0)
			form = FORM_REPLY;
	} else if (place == WRITE_TOPIC) {
		json_object_set_new(data, "opens", json_true());
	} else if (place == WRITE_IN_TOPIC) {
		topic_add(h, q, data, m);
	}
	shell_open(h);
	shell_no_key(q, h);
	err = shell_form_add(h, q, data, form);
	if (place == WRITE_AMEND)
		erase_add(h);
	shell_close(h);
	shell_data_add(h, q, "write", data);
	return err;
}

void page_write(struct request *q, struct answer *a)
{
	struct message_shown m = MESSAGE_SHOWN_INIT;
	struct page page = PAGE_INIT;
	enum write_place place;
	struct html h;
	int err = place_take(q, &m, &place);

	if (!err) {
		page.title = write_title(place);
		page.script = "write.js";
		page.unlisted = true;
		h = page_begin(q, a, &page);
		err = write_add(h, q, &m, place);
		page_end(h, q, &page);
	}
	message_shown_clear(&m);
	if (err)
		page_failed(q, a, err);
}
