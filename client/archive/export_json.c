/* SPDX-License-Identifier: BSD-2-Clause */
/* A post as a line of JSON. */
#include "client/archive/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"

static json_t *json_base64(struct bytes data)
{
	char *text = malloc(BASE64_LEN(data.len) + 1);
	json_t *value;

	if (!text)
		out_of_memory();
	value = json_stringn(text, base64_encode(text, data.data, data.len));
	free(text);
	return value;
}

static int line_write(struct buffer *out, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text)
		return ERR_NOMEM;
	buffer_add_str(out, text);
	buffer_add_u8(out, '\n');
	free(text);
	return out->failed ? ERR_NOMEM : OK;
}

static void put_text(json_t *o, const char *key, struct bytes text)
{
	if (text.len > 0)
		json_put(o, key, json_bytes(text));
}

static json_t *place_json(const struct mail_place *at)
{
	json_t *o = json_object();

	json_put(o, "id", json_hex(at->id, ID_LEN));
	json_put(o, "index", json_integer((json_int_t)at->index));
	json_put(o, "log", json_bytes(at->log));
	return o;
}

static json_t *author_json(const struct mail_author *a)
{
	json_t *o = json_object();

	json_put(o, "organisation", json_bytes(a->organisation));
	if (a->device)
		json_put(o, "identity", json_hex(a->identity, IDENTITY_LEN));
	put_text(o, "handle", a->handle);
	put_text(o, "name", a->name);
	put_text(o, "group", a->group);
	return o;
}

static json_t *imported_json(const struct content_imported *m)
{
	json_t *o = json_object(), *refs = json_array();

	put_text(o, "author", m->author);
	if (m->date != 0)
		json_put(o, "date", json_integer(m->date));
	put_text(o, "message_id", m->message_id);
	put_text(o, "source", m->source);
	for (size_t i = 0; i < m->reference_count; i++)
		json_array_append_new(refs, json_bytes(m->references[i]));
	json_put(o, "references", refs);
	return o;
}

static void content_put(json_t *o, const struct content *c)
{
	json_t *parts = json_array(), *mentions = json_array();

	json_put(o, "subject", json_bytes(c->subject));
	json_put(o, "text", json_bytes(c->text));
	for (size_t i = 0; i < c->part_count; i++) {
		const struct content_part *p = &c->parts[i];
		json_t *part = json_object();

		json_put(part, "name", json_bytes(p->name));
		json_put(part, "media_type", json_bytes(p->media_type));
		if (p->omitted > 0)
			json_put(part, "omitted", json_integer((json_int_t)p->omitted));
		else
			json_put(part, "data", json_base64(p->data));
		json_array_append_new(parts, part);
	}
	for (size_t i = 0; i < c->mention_count; i++) {
		json_t *m = json_object();

		json_put(m, "name", json_bytes(c->mentions[i].name));
		json_put(m, "log", json_hex(c->mentions[i].log, DIGEST_LEN));
		json_put(m, "identity", json_hex(c->mentions[i].identity, IDENTITY_LEN));
		json_array_append_new(mentions, m);
	}
	json_put(o, "parts", parts);
	if (c->mention_count > 0)
		json_put(o, "mentions", mentions);
	else
		json_decref(mentions);
}

int export_line(struct buffer *out, const struct mail_post *p)
{
	const struct header *h = p->header;
	json_t *o = json_object();

	json_put(o, "type", json_string(h->kind == KIND_TOPIC ? "topic" : "post"));
	json_put(o, "id", json_hex(p->at.id, ID_LEN));
	json_put(o, "log", json_bytes(p->at.log));
	json_put(o, "index", json_integer((json_int_t)p->at.index));
	json_put(o, "time", json_integer((json_int_t)h->time));
	put_text(o, "lang", h->lang);
	json_put(o, "author", author_json(&p->author));
	if (h->kind != KIND_TOPIC) {
		json_put(o, "topic", json_hex(p->topic, ID_LEN));
		json_put(o, "thread", json_hex(p->thread, ID_LEN));
	}
	if (h->kind != KIND_TOPIC && h->parent.present)
		json_put(o, "parent", json_hex(h->parent.id, ID_LEN));
	json_put(o, "state", json_string(mail_state_name(p->state)));
	if (p->content)
		content_put(o, p->content);
	if (p->imported)
		json_put(o, "imported", imported_json(p->imported));
	if (p->amendment.present)
		json_put(o, "amended", place_json(&p->amendment));
	if (p->erasure.present)
		json_put(o, "erased", place_json(&p->erasure));
	return line_write(out, o);
}

int export_first_line(struct buffer *out, const struct charter *charter, const struct frontier *f,
    const uint8_t *topic)
{
	json_t *o = json_object(), *logs = json_array();
	uint8_t hash[HASH_LEN];
	int err = frontier_hash(f, hash);

	for (size_t i = 0; i < f->count; i++) {
		json_t *log = json_object();

		json_put(log, "log", json_string(f->logs[i].name));
		json_put(log, "size", json_integer((json_int_t)f->logs[i].size));
		json_put(log, "root", json_base64(bytes_of(f->logs[i].root, HASH_LEN)));
		json_array_append_new(logs, log);
	}
	json_put(o, "type", json_string("forum"));
	json_put(o, "format", json_string("convene export v1"));
	json_put(o, "forum", json_hex(charter->forum, HASH_LEN));
	json_put(o, "name", json_bytes(bytes_str(charter->name)));
	json_put(o, "frontier", logs);
	json_put(o, "hash", json_hex(hash, HASH_LEN));
	if (topic)
		json_put(o, "topic", json_hex(topic, ID_LEN));
	if (err) {
		json_decref(o);
		return err;
	}
	return line_write(out, o);
}
