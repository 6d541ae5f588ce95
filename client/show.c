/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/show.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "msg/body.h"

#define PROFILE_COLUMNS 40       /* of a name or a group in a heading */
#define HIDDEN_COLUMNS 300       /* of the reason why something is hidden */
#define ARCHIVED_COLUMNS 80      /* of an author's line that an archive has */
#define ARCHIVED_AUTHOR_MAX 1000 /* bytes of it that are looked at */

/* ---- checking ---- */

/* Whether a log may be the one that an item stands in, or a successor of it. A successor's digest
 * is of its own keys, and follows from the log alone: that much is the node's word. */
static bool log_follows(const struct binding *item, const struct binding *change)
{
	struct bytes a_name, b_name;
	uint8_t a[DIGEST_LEN], b[DIGEST_LEN];
	uint64_t first, second;

	if (strcmp(item->log_name, change->log_name) == 0)
		return true;
	return log_name_parse(bytes_str(item->log_name), &a_name, a, &first) == OK &&
	       log_name_parse(bytes_str(change->log_name), &b_name, b, &second) == OK &&
	       bytes_equal(a_name, b_name) && second > first;
}

/* What may be amended or erased; `about`: whose id a change of it names, beside its own. */
static bool is_changeable(const struct shown *s, uint32_t kind, const uint8_t **about)
{
	*about = s->id;
	if (s->header.kind == KIND_AMEND && kind == KIND_ERASE && s->target.present) {
		*about = s->target.id;
		return true;
	}
	return s->header.kind == KIND_POST || s->header.kind == KIND_TOPIC;
}

/* `binding` gets the change's own. */
static void change_open(struct shown_change *c, const struct shown *s, uint32_t kind,
    struct bytes message, struct bytes log, struct binding *binding)
{
	struct target_body body;
	const uint8_t *about;

	if (message.len == 0)
		return;
	c->given = true;
	*binding = s->binding;
	if (!is_changeable(s, kind, &about) ||
	    (log.len > 0 && binding_make(binding, s->binding.forum, log) != OK))
		return;
	if (message_parse(message, &c->header) != OK || c->header.kind != kind ||
	    message_verify(message, binding, c->header.signer) != OK ||
	    change_body_parse(&c->header, &body) != OK)
		return;
	message_id(c->id, message, binding);
	c->reason = body.reason;
	c->target = body.target;
	c->good = ((memcmp(body.target.id, s->id, ID_LEN) == 0 &&
		       memcmp(body.target.log, s->binding.digest, DIGEST_LEN) == 0) ||
		      (about != s->id && memcmp(body.target.id, about, ID_LEN) == 0)) &&
		  log_follows(&s->binding, binding);
}

/* The content that `h` has signed: the message itself, or its amendment. */
static void content_take(struct shown *s, const struct header *h, const struct binding *binding,
    const uint8_t id[static ID_LEN], struct client *c)
{
	const Convene__Item *item = s->item;
	struct bytes content = bytes_of_pb(item->content);
	uint8_t salt[SALT_LEN];
	struct trouble t;

	if (s->state == CONVENE__CONTENT_STATE__CONTENT_LARGE && c) {
		if (client_content(c, id, salt, &s->fetched, &t) != OK)
			return;
		content = buffer_bytes(&s->fetched);
		s->state = CONVENE__CONTENT_STATE__CONTENT_PRESENT;
	} else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT &&
		   item->salt.len == SALT_LEN) {
		memcpy(salt, item->salt.data, SALT_LEN);
	} else {
		return;
	}
	s->committed = h->has_commitment && content.len > 0 &&
		       content_check(h, binding, salt, content) == OK;
	s->has_content = s->committed && content_parse(content, &s->content) == OK;
}

void shown_open(struct shown *s, const Convene__Item *item, const uint8_t forum[static HASH_LEN],
    struct client *c)
{
	struct bytes message = bytes_of_pb(item->message);
	struct binding amendment, erasure;
	struct target_body body;

	memset(s, 0, sizeof *s);
	s->item = item;
	s->state = item->content_state;
	if (binding_make(&s->binding, forum, bytes_of_pb(item->log)) != OK)
		return;
	message_id(s->id, message, &s->binding);
	s->parsed = message_parse(message, &s->header) == OK;
	s->signature = s->parsed && message_verify(message, &s->binding, s->header.signer) == OK;
	if (!s->signature)
		return;
	if (change_body_parse(&s->header, &body) == OK)
		s->target = body.target;
	change_open(&s->amendment, s, KIND_AMEND, bytes_of_pb(item->amendment),
	    bytes_of_pb(item->amendment_log), &amendment);
	change_open(&s->erasure, s, KIND_ERASE, bytes_of_pb(item->erasure),
	    bytes_of_pb(item->erasure_log), &erasure);
	if (s->erasure.given)
		s->state = CONVENE__CONTENT_STATE__CONTENT_ERASED;
	else if (!s->amendment.given)
		content_take(s, &s->header, &s->binding, s->id, c);
	else if (s->amendment.good)
		content_take(s, &s->amendment.header, &amendment, s->amendment.id, c);
}

void shown_clear(struct shown *s)
{
	content_clear(&s->content);
	buffer_free(&s->fetched);
}

bool shown_good(const struct shown *s)
{
	return s->signature && s->amendment.given == s->amendment.good &&
	       s->erasure.given == s->erasure.good &&
	       (s->committed || s->state != CONVENE__CONTENT_STATE__CONTENT_PRESENT);
}

void author_text(
    struct buffer *out, struct bytes handle, struct bytes identity, struct bytes organisation)
{
	char id[9], prepared[HANDLE_MAX + 1], skeleton[SKELETON_MAX + 1];

	/* One that is not prepared, or of several scripts, may look like somebody else's, whatever
	 * the node says. */
	if (handle.len > 0 && handle_prepare(prepared, handle, NULL) == OK &&
	    bytes_equal(handle, bytes_str(prepared)) &&
	    handle_skeleton(skeleton, prepared, NULL) == OK)
		text_isolate(out, handle);
	else if (identity.len == IDENTITY_LEN)
		buffer_add_str(out, id_short(id, identity.data));
	if (out->len > 0 && organisation.len > 0)
		buffer_add_str(out, "@");
	text_isolate(out, organisation);
}

void archived_text(struct buffer *out, struct bytes author, size_t columns)
{
	struct buffer plain = BUFFER_INIT;

	author = text_head(author, ARCHIVED_AUTHOR_MAX);
	for (size_t i = 0; i < author.len; i++)
		buffer_add_u8(&plain, author.data[i] == '"' ? '\'' : author.data[i]);
	buffer_add_str(out, "\"");
	text_cut(out, buffer_bytes(&plain), columns);
	buffer_add_str(out, "\"");
	buffer_free(&plain);
}

void without_print(const ProtobufCBinaryData *list, size_t count)
{
	struct buffer names = BUFFER_INIT;

	for (size_t i = 0; i < count; i++) {
		buffer_add_str(&names, i > 0 ? ", " : "");
		text_cut(&names, bytes_of_pb(list[i]), ARCHIVED_COLUMNS);
	}
	if (count > 0)
		print_sentence(0,
		    "This node does not carry what is written at %s: what is newer than that "
		    "decision of its operator's is missing here.",
		    buffer_str(&names));
	buffer_free(&names);
}

json_t *without_json(const ProtobufCBinaryData *list, size_t count)
{
	json_t *names = count > 0 ? json_array() : NULL;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_bytes(bytes_of_pb(list[i])));
	return names;
}

void hidden_text(struct buffer *out, struct bytes reason)
{
	buffer_add_str(out, "(hidden by this node");
	if (reason.len > 0)
		buffer_add_str(out, ": ");
	text_cut(out, reason, HIDDEN_COLUMNS);
	buffer_add_str(out, ")");
}

/* ---- for people ---- */

static void who_add(struct buffer *who, const Convene__Item *i)
{
	author_text(
	    who, bytes_of_pb(i->handle), bytes_of_pb(i->identity), bytes_of_pb(i->organisation));
	if (i->name.len > 0 || i->group.len > 0) {
		buffer_add_str(who, " (");
		text_cut(who, bytes_of_pb(i->name), PROFILE_COLUMNS);
		buffer_add_str(who, i->name.len > 0 && i->group.len > 0 ? ", " : "");
		text_cut(who, bytes_of_pb(i->group), PROFILE_COLUMNS);
		buffer_add_str(who, ")");
	}
}

static bool is_archived(const struct shown *s)
{
	return s->has_content && s->content.imported.present && s->content.imported.author.len > 0;
}

/* Of an archived message first whom the archive names. */
static void archive_add(struct buffer *out, const struct shown *s)
{
	if (!is_archived(s))
		return;
	archived_text(out, s->content.imported.author, ARCHIVED_COLUMNS);
	buffer_add_str(out, ", by the archive of ");
}

void shown_author(struct buffer *out, const struct shown *s)
{
	archive_add(out, s);
	author_text(out, bytes_of_pb(s->item->handle), bytes_of_pb(s->item->identity),
	    bytes_of_pb(s->item->organisation));
}

static void when_add(struct buffer *out, const struct shown *s)
{
	const struct shown_change *a = &s->amendment;
	struct bytes lang = a->good && a->header.lang.len > 0 ? a->header.lang : s->header.lang;
	char when[24];

	buffer_add_str(out, time_local(when, s->header.time));
	if (lang.len > 0)
		buffer_printf(out, "  %.*s", (int)lang.len, (const char *)lang.data);
	if (s->header.kind == KIND_TOPIC)
		buffer_add_str(out, "  opens a topic");
	if (a->good && !s->erasure.given)
		buffer_printf(out, "  amended %s", time_local(when, a->header.time));
}

static void heading_print(const struct shown *s, int indent)
{
	struct buffer who = BUFFER_INIT, when = BUFFER_INIT;
	char id[9];

	archive_add(&who, s);
	who_add(&who, s->item);
	if (s->parsed)
		when_add(&when, s);
	if (who.failed || when.failed)
		out_of_memory();
	printf("%*s%s  ", indent, "", id_short(id, s->id));
	indent += 8 + 2;
	/* Deep in a thread, on a narrow terminal, the time goes below. */
	if (output_terminal() && (size_t)indent + text_width(buffer_bytes(&who)) + 2 + when.len >
				     (size_t)output_columns()) {
		print_line(indent, "%s", buffer_str(&who));
		if (when.len > 0) {
			printf("%*s", indent, "");
			print_sentence(indent, "%s", buffer_str(&when));
		}
	} else {
		printf("%s%s%s\n", buffer_str(&who), when.len > 0 ? "  " : "", buffer_str(&when));
	}
	buffer_free(&who);
	buffer_free(&when);
}

static void mark_print(int indent, const char *text)
{
	printf("%*s", indent, "");
	print_sentence(indent + 3, "%s", text);
}

/* "alice@isoc.example amended 1a2b3c4d, 2026-11-21 18:24:" */
static void change_print(const struct shown *s, int indent)
{
	bool amends = s->header.kind == KIND_AMEND;
	struct buffer who = BUFFER_INIT;
	char id[9], when[24];

	who_add(&who, s->item);
	if (who.failed)
		out_of_memory();
	printf("%*s", indent, "");
	print_line(indent + 10, "%s %s %s, %s%s", buffer_str(&who), amends ? "amended" : "erased",
	    s->target.present ? id_short(id, s->target.id) : "a message",
	    time_local(when, s->header.time), amends && s->has_content ? ":" : "");
	buffer_free(&who);
}

/* The key that erased tells whose wish it was only where it is the author's own: the registrar's
 * looks like another device. */
static void erasure_print(const struct shown *s, int indent)
{
	const struct shown_change *e = &s->erasure;
	bool author = e->good && memcmp(e->header.signer, s->header.signer, KEY_LEN) == 0;
	char when[24], line[200];

	if (!e->good) {
		mark_print(indent,
		    "!! The node calls this erased, and what it shows for that does NOT verify.");
		return;
	}
	snprintf(line, sizeof line, "(erased by %s%s, %s)",
	    author ? "its author" : "the registrar, or by another key of its author",
	    e->reason == ERASE_LAW     ? ", because of a law"
	    : e->reason == ERASE_ERROR ? ", as an error"
				       : "",
	    time_local(when, e->header.time));
	mark_print(indent, line);
}

static void hidden_print(const struct shown *s, int indent)
{
	struct buffer line = BUFFER_INIT;

	hidden_text(&line, bytes_of_pb(s->item->hidden));
	mark_print(indent, buffer_str(&line));
	buffer_free(&line);
}

static void marks_print(const struct shown *s, int indent)
{
	if (!s->parsed)
		mark_print(
		    indent, "!! This is no message that can be read; nothing of it is shown.");
	else if (!s->signature)
		mark_print(indent,
		    "!! The author's signature does NOT verify: this is not what they signed. It "
		    "is not shown.");
	else if (s->erasure.given)
		erasure_print(s, indent);
	else if (s->amendment.given && !s->amendment.good)
		mark_print(indent,
		    "!! The node shows another text than the first, and its signature does NOT "
		    "verify. It is not shown.");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT && !s->committed)
		mark_print(
		    indent, "!! The text is NOT the one that its author signed. It is not shown.");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT && !s->has_content)
		mark_print(indent, "(the content is of a form that this program can't show)");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_MISSING)
		mark_print(indent, "(the text is not here yet)");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_ERASED)
		mark_print(indent, "(the text was erased)");
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_HIDDEN)
		hidden_print(s, indent);
	else if (s->state == CONVENE__CONTENT_STATE__CONTENT_LARGE)
		mark_print(indent, "(the text is large; `convene read` fetches it)");
	if (s->item->recovered > 1) {
		char line[120], when[24];

		snprintf(line, sizeof line,
		    "(the author's key was recovered by the organisation on %s)",
		    time_local(when, s->item->recovered));
		mark_print(indent, line);
	} else if (s->item->recovered) {
		mark_print(indent, "(the author's key was recovered by the organisation)");
	}
	if (s->item->disputed)
		mark_print(indent, "(its organisation's log is DISPUTED: its key has signed two "
				   "histories, and which of them stands is not known yet)");
	if (s->item->parent_missing)
		mark_print(indent, "(answers a message that is not here yet)");
	/* Of one key, both are of one person, whatever the node says. */
	if (s->amendment.good && !s->erasure.given &&
	    memcmp(s->amendment.header.signer, s->header.signer, KEY_LEN) != 0)
		mark_print(indent, "(amended with another key than the first text: that it is its "
				   "author's too is the node's word)");
}

/* What the archive says of where this comes from: nobody but the archivist has signed that. */
static void imported_print(const struct content_imported *m, int indent)
{
	struct buffer line = BUFFER_INIT;
	char when[24];

	buffer_add_str(&line, "from an archive");
	if (m->source.len > 0) {
		buffer_add_str(&line, ", ");
		text_cut(&line, m->source, PROFILE_COLUMNS);
	}
	if (m->date > 0)
		buffer_printf(&line, ", dated %s", time_local(when, (uint64_t)m->date));
	else
		buffer_add_str(&line, ", without a date");
	printf("%*s", indent, "");
	print_line(indent + 4, "%s", buffer_str(&line));
	buffer_free(&line);
}

static void part_print(const struct content_part *p, size_t number, int indent)
{
	struct buffer line = BUFFER_INIT;
	char size[16];

	buffer_printf(&line, "[%zu] ", number);
	text_cut(&line, p->name, 2 * PROFILE_COLUMNS);
	buffer_add_str(&line, ", ");
	text_cut(&line, p->media_type, PROFILE_COLUMNS);
	buffer_printf(&line, ", %s%s", size_text(size, p->omitted ? p->omitted : p->data.len),
	    p->omitted ? ", left out when it was imported" : "");
	printf("%*s", indent, "");
	print_line(indent + 4, "%s", buffer_str(&line));
	buffer_free(&line);
}

void shown_print(const struct shown *s, int indent, struct bytes title, const char *place)
{
	if (s->signature && (s->header.kind == KIND_AMEND || s->header.kind == KIND_ERASE))
		change_print(s, indent);
	else
		heading_print(s, indent);
	indent += 2;
	if (place)
		mark_print(indent, place);
	marks_print(s, indent);
	if (!s->has_content)
		return;
	if (s->content.imported.present)
		imported_print(&s->content.imported, indent);
	if (s->content.subject.len > 0 && !bytes_equal(s->content.subject, title)) {
		print_labelled(indent, "Subject: ", s->content.subject);
	}
	if (s->content.text.len > 0)
		print_text(s->content.text, indent);
	for (size_t i = 0; i < s->content.part_count; i++) {
		part_print(&s->content.parts[i], i + 1, indent);
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
	case CONVENE__CONTENT_STATE__CONTENT_HIDDEN:
		return "hidden";
	default:
		return "none";
	}
}

static json_t *change_json(
    const struct shown_change *c, const Convene__Item *i, struct bytes log, uint64_t index)
{
	json_t *o = json_object();

	json_put(o, "check", json_string(c->good ? "good" : "bad"));
	if (!c->good)
		return o;
	json_put(o, "id", json_hex(c->id, ID_LEN));
	json_put(o, "log", json_bytes(log.len > 0 ? log : bytes_of_pb(i->log)));
	json_put(o, "index", json_integer((json_int_t)index));
	json_put(o, "signer", json_hex(c->header.signer, KEY_LEN));
	json_put(o, "time", json_integer((json_int_t)c->header.time));
	if (c->header.lang.len > 0)
		json_put(o, "lang", json_bytes(c->header.lang));
	if (c->header.kind == KIND_ERASE)
		json_put(o, "reason", json_integer(c->reason));
	return o;
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
		if (c->parts[i].omitted > 0)
			json_put(p, "omitted", json_integer((json_int_t)c->parts[i].omitted));
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
		if (s->target.present)
			json_put(o, "target", ref_json(&s->target));
	}
	if (s->amendment.given)
		json_put(o, "amended",
		    change_json(
			&s->amendment, i, bytes_of_pb(i->amendment_log), i->amendment_index));
	if (s->erasure.given)
		json_put(o, "erased",
		    change_json(&s->erasure, i, bytes_of_pb(i->erasure_log), i->erasure_index));
	json_put(o, "organisation", json_bytes(bytes_of_pb(i->organisation)));
	if (i->identity.len > 0)
		json_put(o, "identity", json_hex(i->identity.data, i->identity.len));
	if (i->handle.len > 0)
		json_put(o, "handle", json_bytes(bytes_of_pb(i->handle)));
	if (i->name.len > 0)
		json_put(o, "name", json_bytes(bytes_of_pb(i->name)));
	if (i->group.len > 0)
		json_put(o, "group", json_bytes(bytes_of_pb(i->group)));
	if (i->recovered)
		json_put(o, "recovered", json_integer((json_int_t)i->recovered));
	if (i->thread.len == ID_LEN)
		json_put(o, "thread", json_hex(i->thread.data, ID_LEN));
	json_put(o, "depth", json_integer(i->depth));
	json_put(o, "arrival", json_integer((json_int_t)i->arrival));
	json_put(o, "parent_missing", json_boolean(i->parent_missing));
	json_put(o, "disputed", json_boolean(i->disputed));
	json_put(o, "content_state", json_string(state_name(s->state)));
	if (s->state == CONVENE__CONTENT_STATE__CONTENT_HIDDEN)
		json_put(o, "hidden", json_bytes(bytes_of_pb(i->hidden)));
	if (s->state == CONVENE__CONTENT_STATE__CONTENT_PRESENT)
		json_put(o, "content_check", json_string(s->committed ? "good" : "bad"));
	if (s->has_content)
		json_put(o, "content", content_json(&s->content));
	return o;
}
