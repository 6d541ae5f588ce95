/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/show.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

static void content_take(struct shown *s, struct client *c)
{
	const Convene__Item *item = s->item;
	struct bytes content = bytes_of_pb(item->content);
	uint8_t salt[SALT_LEN];
	struct trouble t;

	if (s->state == CONVENE__CONTENT_STATE__CONTENT_LARGE && c) {
		if (client_content(c, s->id, salt, &s->fetched, &t) != OK)
			return;
		content = buffer_bytes(&s->fetched);
		s->state = CONVENE__CONTENT_STATE__CONTENT_PRESENT;
	} else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT &&
		   item->salt.len == SALT_LEN) {
		memcpy(salt, item->salt.data, SALT_LEN);
	} else {
		return;
	}
	s->committed = s->parsed && s->header.has_commitment && content.len > 0 &&
		       content_check(&s->header, &s->binding, salt, content) == OK;
	s->has_content = s->committed && s->signature && content_parse(content, &s->content) == OK;
}

void shown_open(struct shown *s, const Convene__Item *item, const uint8_t forum[static HASH_LEN],
    struct client *c)
{
	struct bytes message = bytes_of_pb(item->message);

	memset(s, 0, sizeof *s);
	s->item = item;
	s->state = item->content_state;
	if (binding_make(&s->binding, forum, bytes_of_pb(item->log)) != OK)
		return;
	message_id(s->id, message, &s->binding);
	s->parsed = message_parse(message, &s->header) == OK;
	s->signature = s->parsed && message_verify(message, &s->binding, s->header.signer) == OK;
	if (s->signature)
		content_take(s, c);
}

void shown_clear(struct shown *s)
{
	content_clear(&s->content);
	buffer_free(&s->fetched);
}

bool shown_good(const struct shown *s)
{
	return s->signature &&
	       (s->committed || s->state != CONVENE__CONTENT_STATE__CONTENT_PRESENT);
}

void author_text(
    struct buffer *out, struct bytes handle, struct bytes identity, struct bytes organisation)
{
	char id[9];

	if (handle.len > 0)
		text_isolate(out, handle);
	else if (identity.len == IDENTITY_LEN)
		buffer_add_str(out, id_short(id, identity.data));
	if (out->len > 0 && organisation.len > 0)
		buffer_add_str(out, "@");
	text_isolate(out, organisation);
}

/* ---- for people ---- */

static void heading_print(const struct shown *s, int indent)
{
	const Convene__Item *i = s->item;
	struct buffer who = BUFFER_INIT;
	char id[9], when[24];

	author_text(&who, bytes_of_pb(i->handle), bytes_of_pb(i->identity),
	    bytes_of_pb(i->organisation));
	if (i->name.len > 0 || i->group.len > 0) {
		buffer_add_str(&who, " (");
		text_isolate(&who, bytes_of_pb(i->name));
		buffer_add_str(&who, i->name.len > 0 && i->group.len > 0 ? ", " : "");
		text_isolate(&who, bytes_of_pb(i->group));
		buffer_add_str(&who, ")");
	}
	printf("%*s%s  %s", indent, "", id_short(id, s->id), buffer_str(&who));
	if (s->parsed) {
		/* Deep in a thread, on a narrow terminal, the time goes below. */
		bool fits = !output_terminal() ||
			    (size_t)indent + 8 + 2 + text_width(buffer_bytes(&who)) + 2 + 16 <=
				(size_t)output_columns();

		if (fits)
			printf("  %s", time_local(when, s->header.time));
		else
			printf("\n%*s%s", indent + 2, "", time_local(when, s->header.time));
		if (s->header.lang.len > 0)
			printf(
			    "  %.*s", (int)s->header.lang.len, (const char *)s->header.lang.data);
		if (s->header.kind == KIND_TOPIC)
			printf("  opens a topic");
	}
	putchar('\n');
	buffer_free(&who);
}

static void marks_print(const struct shown *s, int indent)
{
	if (!s->parsed)
		printf("%*s!! This is no message that can be read; nothing of it is shown.\n",
		    indent, "");
	else if (!s->signature)
		printf("%*s!! The author's signature does NOT verify: this is not what they "
		       "signed. It is not shown.\n",
		    indent, "");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT && !s->committed)
		printf("%*s!! The text is NOT the one that its author signed. It is not shown.\n",
		    indent, "");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT && !s->has_content)
		printf("%*s(the content is of a form that this program can't show)\n", indent, "");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_MISSING)
		printf("%*s(the text is not here yet)\n", indent, "");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_ERASED)
		printf("%*s(the text was erased)\n", indent, "");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_LARGE)
		printf("%*s(the text is large; `convene read` fetches it)\n", indent, "");
	if (s->item->parent_missing)
		printf("%*s(answers a message that is not here yet)\n", indent, "");
}

static void imported_print(const struct content_imported *m, int indent)
{
	char when[24];

	printf("%*sfrom an archive", indent, "");
	if (m->source.len > 0) {
		printf(", ");
		print_isolate(m->source);
	}
	if (m->author.len > 0) {
		printf(": by ");
		print_isolate(m->author);
	}
	if (m->date > 0)
		printf(", %s", time_local(when, (uint64_t)m->date));
	putchar('\n');
}

void shown_print(const struct shown *s, int indent, struct bytes title)
{
	heading_print(s, indent);
	indent += 2;
	marks_print(s, indent);
	if (!s->has_content)
		return;
	if (s->content.imported.present)
		imported_print(&s->content.imported, indent);
	if (s->content.subject.len > 0 && !bytes_equal(s->content.subject, title)) {
		printf("%*sSubject: ", indent, "");
		print_isolate(s->content.subject);
		putchar('\n');
	}
	if (s->content.text.len > 0)
		print_block(s->content.text, indent);
	for (size_t i = 0; i < s->content.part_count; i++) {
		const struct content_part *p = &s->content.parts[i];
		char size[16];

		if (i == 0 && s->content.text.len > 0)
			putchar('\n');
		printf("%*s[%zu] ", indent, "", i + 1);
		print_isolate(p->name);
		printf(", ");
		print_isolate(p->media_type);
		printf(", %s\n", size_text(size, p->data.len));
	}
}

/* ---- for programs ---- */

static json_t *ref_json(const struct ref *r)
{
	json_t *o = json_object();

	json_put(o, "log", json_hex(r->log, DIGEST_LEN));
	json_put(o, "id", json_hex(r->id, ID_LEN));
	if (r->index)
		json_put(o, "index", json_integer((json_int_t)r->index));
	return o;
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case CONVENE__CONTENT_STATE__CONTENT_PRESENT:
		return "present";
	case CONVENE__CONTENT_STATE__CONTENT_MISSING:
		return "missing";
	case CONVENE__CONTENT_STATE__CONTENT_ERASED:
		return "erased";
	case CONVENE__CONTENT_STATE__CONTENT_LARGE:
		return "large";
	default:
		return "none";
	}
}

static json_t *content_json(const struct content *c)
{
	json_t *o = json_object(), *parts = json_array(), *mentions = json_array();

	if (c->subject.len > 0)
		json_put(o, "subject", json_bytes(c->subject));
	json_put(o, "text", json_bytes(c->text));
	for (size_t i = 0; i < c->mention_count; i++) {
		json_t *m = json_object();

		json_put(m, "name", json_bytes(c->mentions[i].name));
		json_put(m, "log", json_hex(c->mentions[i].log, DIGEST_LEN));
		json_put(m, "identity", json_hex(c->mentions[i].identity, IDENTITY_LEN));
		json_array_append_new(mentions, m);
	}
	for (size_t i = 0; i < c->part_count; i++) {
		json_t *p = json_object();

		json_put(p, "name", json_bytes(c->parts[i].name));
		json_put(p, "media_type", json_bytes(c->parts[i].media_type));
		json_put(p, "size", json_integer((json_int_t)c->parts[i].data.len));
		json_array_append_new(parts, p);
	}
	json_put(o, "mentions", mentions);
	json_put(o, "attachments", parts);
	if (c->imported.present) {
		json_t *m = json_object();

		json_put(m, "author", json_bytes(c->imported.author));
		json_put(m, "date", json_integer(c->imported.date));
		json_put(m, "message_id", json_bytes(c->imported.message_id));
		json_put(m, "source", json_bytes(c->imported.source));
		json_put(o, "imported", m);
	}
	return o;
}

json_t *shown_json(const struct shown *s)
{
	const Convene__Item *i = s->item;
	json_t *o = json_object();

	json_put(o, "id", json_hex(s->id, ID_LEN));
	json_put(o, "log", json_bytes(bytes_of_pb(i->log)));
	json_put(o, "index", json_integer((json_int_t)i->index));
	json_put(o, "signature", json_string(s->signature ? "good" : "bad"));
	if (s->parsed) {
		const char *kind = kind_name(s->header.kind);

		json_put(o, "kind", kind ? json_string(kind) : json_integer(s->header.kind));
		json_put(o, "signer", json_hex(s->header.signer, KEY_LEN));
		json_put(o, "sequence", json_integer((json_int_t)s->header.sequence));
		json_put(o, "time", json_integer((json_int_t)s->header.time));
		if (s->header.lang.len > 0)
			json_put(o, "lang", json_bytes(s->header.lang));
		if (s->header.topic.present)
			json_put(o, "topic", ref_json(&s->header.topic));
		if (s->header.parent.present)
			json_put(o, "parent", ref_json(&s->header.parent));
	}
	json_put(o, "organisation", json_bytes(bytes_of_pb(i->organisation)));
	if (i->identity.len > 0)
		json_put(o, "identity", json_hex(i->identity.data, i->identity.len));
	if (i->handle.len > 0)
		json_put(o, "handle", json_bytes(bytes_of_pb(i->handle)));
	if (i->name.len > 0)
		json_put(o, "name", json_bytes(bytes_of_pb(i->name)));
	if (i->group.len > 0)
		json_put(o, "group", json_bytes(bytes_of_pb(i->group)));
	if (i->thread.len == ID_LEN)
		json_put(o, "thread", json_hex(i->thread.data, ID_LEN));
	json_put(o, "depth", json_integer(i->depth));
	json_put(o, "arrival", json_integer((json_int_t)i->arrival));
	json_put(o, "parent_missing", json_boolean(i->parent_missing));
	json_put(o, "content_state", json_string(state_name(s->state)));
	if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT)
		json_put(o, "content_check", json_string(s->committed ? "good" : "bad"));
	if (s->has_content)
		json_put(o, "content", content_json(&s->content));
	return o;
}
