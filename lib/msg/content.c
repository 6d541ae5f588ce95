/* SPDX-License-Identifier: BSD-2-Clause */
/* Content (SPEC.md section 7). It is committed to as bytes, so its encoding is
 * anybody's; only what is read from it must be the same for everybody. */
#include "msg/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "msg/frame.h"
#include "msg/wire.h"
#include "msg/unpack.h"

/* What content holds decides what is shown, so its bound is a rule of the protocol (section 7) and
 * not of this program's memory: with so many fields the budget is never what refuses. */
#define FIELDS_MAX 6144
#define FIELDS_BUDGET (512 * 1024)

enum { PARTS_MAX = 256, MENTIONS_MAX = 1024, REFERENCES_MAX = 4096, LANGUAGES_MAX = 32 };

/* ---- writing ---- */

/* Append the submessage in `inner` and empty it. */
static void add_nested(struct buffer *out, uint32_t number, struct buffer *inner)
{
	wire_add_element(out, number, buffer_bytes(inner));
	out->failed |= inner->failed;
	buffer_reset(inner);
}

static void add_all(struct buffer *out, uint32_t number, const struct bytes *elements, size_t count)
{
	for (size_t i = 0; i < count; i++)
		wire_add_element(out, number, elements[i]);
}

static void add_imported(struct buffer *out, const struct content_imported *im)
{
	wire_add_bytes(out, 1, im->author);
	wire_add_uint(out, 2, (uint64_t)im->date);
	wire_add_bytes(out, 3, im->message_id);
	wire_add_bytes(out, 4, im->source);
	add_all(out, 5, im->references, im->reference_count);
}

static void add_profile(struct buffer *out, const struct content_profile *p)
{
	wire_add_bytes(out, 1, p->handle);
	wire_add_bytes(out, 2, p->name);
	wire_add_bytes(out, 3, p->group);
	wire_add_bytes(out, 4, p->region);
	add_all(out, 5, p->languages, p->language_count);
}

int content_encode(struct buffer *out, const struct content *c)
{
	if (c->part_count > PARTS_MAX || c->mention_count > MENTIONS_MAX ||
	    (c->imported.present && c->imported.reference_count > REFERENCES_MAX) ||
	    (c->profile.present && c->profile.language_count > LANGUAGES_MAX))
		return ERR_INVALID;
	struct buffer inner = BUFFER_INIT;
	wire_add_bytes(out, 1, c->subject);
	wire_add_bytes(out, 2, c->text);
	for (size_t i = 0; i < c->mention_count; i++) {
		const struct content_mention *m = &c->mentions[i];
		wire_add_bytes(&inner, 1, m->name);
		wire_add_bytes(&inner, 2, bytes_of(m->log, DIGEST_LEN));
		wire_add_bytes(&inner, 3, bytes_of(m->identity, IDENTITY_LEN));
		add_nested(out, 3, &inner);
	}
	for (size_t i = 0; i < c->part_count; i++) {
		wire_add_bytes(&inner, 1, c->parts[i].name);
		wire_add_bytes(&inner, 2, c->parts[i].media_type);
		wire_add_bytes(&inner, 3, c->parts[i].data);
		wire_add_uint(&inner, 4, c->parts[i].omitted);
		add_nested(out, 4, &inner);
	}
	if (c->imported.present) {
		add_imported(&inner, &c->imported);
		add_nested(out, 5, &inner);
	}
	if (c->profile.present) {
		add_profile(&inner, &c->profile);
		add_nested(out, 6, &inner);
	}
	buffer_free(&inner);
	return out->failed ? ERR_NOMEM : OK;
}

/* ---- reading ---- */

/* What content_parse() allocates: protobuf-c's message, and our own arrays behind it. */
struct memory {
	ProtobufCMessage *message;
	struct content_mention mentions[];
};

static struct bytes *take_all(struct bytes *to, const ProtobufCBinaryData *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*to++ = bytes_of_pb(from[i]);
	return to;
}

static bool all_utf8(const struct bytes *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!text_is_utf8(texts[i]))
			return false;
	return true;
}

static int take_mentions(struct content_mention *to, const Convene__Content *pb)
{
	for (size_t i = 0; i < pb->n_mentions; i++) {
		const Convene__Mention *m = pb->mentions[i];
		if (m->log.len != DIGEST_LEN || m->identity.len != IDENTITY_LEN)
			return ERR_MALFORMED;
		to[i].name = bytes_of_pb(m->name);
		memcpy(to[i].log, m->log.data, DIGEST_LEN);
		memcpy(to[i].identity, m->identity.data, IDENTITY_LEN);
		if (!text_is_utf8(to[i].name))
			return ERR_TEXT;
	}
	return OK;
}

static int take_parts(struct content_part *to, const Convene__Content *pb)
{
	for (size_t i = 0; i < pb->n_parts; i++) {
		const Convene__Part *p = pb->parts[i];
		to[i].name = bytes_of_pb(p->name);
		to[i].media_type = bytes_of_pb(p->media_type);
		to[i].data = bytes_of_pb(p->data);
		to[i].omitted = p->data.len > 0 ? 0 : p->omitted;
		if (!text_is_utf8(to[i].name) || !text_is_utf8(to[i].media_type))
			return ERR_TEXT;
	}
	return OK;
}

static void take_imported(
    struct content_imported *to, const Convene__Imported *im, struct bytes *references)
{
	*to = (struct content_imported){
	    .present = true,
	    .author = bytes_of_pb(im->author),
	    .message_id = bytes_of_pb(im->message_id),
	    .source = bytes_of_pb(im->source),
	    .date = im->date,
	    .references = references,
	    .reference_count = im->n_references,
	};
}

static int take_profile(
    struct content_profile *to, const Convene__Profile *p, struct bytes *languages)
{
	*to = (struct content_profile){
	    .present = true,
	    .handle = bytes_of_pb(p->handle),
	    .name = bytes_of_pb(p->name),
	    .group = bytes_of_pb(p->group),
	    .region = bytes_of_pb(p->region),
	    .languages = languages,
	    .language_count = p->n_languages,
	};
	bool text = text_is_utf8(to->handle) && text_is_utf8(to->name) && text_is_utf8(to->group) &&
		    text_is_utf8(to->region) && all_utf8(languages, p->n_languages);
	return text ? OK : ERR_TEXT;
}

static int take_content(struct content *out, const Convene__Content *pb)
{
	size_t references = pb->imported != NULL ? pb->imported->n_references : 0;
	size_t languages = pb->profile != NULL ? pb->profile->n_languages : 0;
	if (pb->n_parts > PARTS_MAX || pb->n_mentions > MENTIONS_MAX ||
	    references > REFERENCES_MAX || languages > LANGUAGES_MAX)
		return ERR_TOO_LARGE;

	/* One allocation; everything in it is aligned as its first member, a pointer, is. */
	struct memory *memory = realloc(
	    out->memory, sizeof(*memory) + pb->n_mentions * sizeof(struct content_mention) +
			     pb->n_parts * sizeof(struct content_part) +
			     (references + languages) * sizeof(struct bytes));
	if (memory == NULL)
		return ERR_NOMEM;
	out->memory = memory;
	struct content_part *parts = (struct content_part *)(memory->mentions + pb->n_mentions);
	struct bytes *bytes = (struct bytes *)(parts + pb->n_parts);

	out->subject = bytes_of_pb(pb->subject);
	out->text = bytes_of_pb(pb->text);
	out->mentions = memory->mentions;
	out->mention_count = pb->n_mentions;
	out->parts = parts;
	out->part_count = pb->n_parts;
	if (!text_is_utf8(out->subject) || !text_is_utf8(out->text))
		return ERR_TEXT;
	int err = take_mentions(memory->mentions, pb);
	if (err == OK)
		err = take_parts(parts, pb);
	if (err == OK && pb->imported != NULL) {
		struct bytes *end = take_all(bytes, pb->imported->references, references);
		take_imported(&out->imported, pb->imported, bytes);
		bytes = end;
	}
	if (err == OK && pb->profile != NULL) {
		take_all(bytes, pb->profile->languages, languages);
		err = take_profile(&out->profile, pb->profile, bytes);
	}
	return err;
}

int content_parse(struct bytes in, struct content *out)
{
	memset(out, 0, sizeof(*out));
	struct memory *memory = malloc(sizeof(*memory));
	if (memory == NULL)
		return ERR_NOMEM;
	int err = message_unpack_within(&memory->message, &convene__content__descriptor, in,
	    message_budget(in.len) + FIELDS_BUDGET, FIELDS_MAX);
	out->memory = memory;
	if (err == OK)
		err = take_content(out, (const Convene__Content *)memory->message);
	if (err != OK)
		content_clear(out);
	return err;
}

void content_clear(struct content *c)
{
	struct memory *memory = c->memory;
	if (memory != NULL) {
		message_free(memory->message);
		free(memory);
	}
	memset(c, 0, sizeof(*c));
}
