/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole mail into a content, and what of it fits. */
#include "client/archive/mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/inside.h"

#define SOURCE_ROOM 64 /* bytes of the archive's name, which isn't there yet (mail.h) */
#define DATE_SIZE 11   /* encoded: a tag, and the longest number */

struct mail_reader {
	char *fallback; /* NULL: the usual one */
	uint64_t limit;
	struct leaves leaves;
};

/* What a struct mail's pieces point into. */
struct memory {
	struct mail_ids ids;
	struct buffer author, subject, text;
	struct content_part *part;
	struct buffer *owner; /* of name, type and data together, one for each part */
	size_t parts;
};

int mail_reader_new(struct mail_reader **out, const char *charset, uint64_t content_limit)
{
	*out = NULL;
	if (charset != NULL && !charset_known(charset))
		return ERR_INVALID;
	struct mail_reader *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	r->limit = content_limit;
	r->fallback = charset != NULL ? strdup(charset) : NULL;
	if (charset != NULL && r->fallback == NULL) {
		free(r);
		return ERR_NOMEM;
	}
	mime_start();
	*out = r;
	return OK;
}

void mail_reader_free(struct mail_reader *r)
{
	if (r == NULL)
		return;
	mime_stop();
	free(r->fallback);
	free(r);
}

int mail_ids_read(struct mail_reader *r, struct bytes raw, struct mail_ids *out)
{
	struct fields h;
	fields_read(&h, raw, true);
	*out = (struct mail_ids){.date = INT64_MIN};
	if (raw.len - h.body.len > MAIL_HEADER_MAX)
		return ERR_TOO_LARGE;
	return h.count > 0 ? ids_read(out, &h, r->fallback) : ERR_MALFORMED;
}

/* ---- what fits ---- */

static uint64_t number_size(uint64_t n)
{
	uint64_t size = 1;
	while (n >>= 7)
		size++;
	return size;
}

/* Of a protobuf field of bytes, with a number below 16. */
static uint64_t field_size(uint64_t len, bool element)
{
	return len > 0 || element ? 1 + number_size(len) + len : 0;
}

static uint64_t part_size(const struct content_part *p)
{
	uint64_t inner = field_size(p->name.len, false) + field_size(p->media_type.len, false) +
			 field_size(p->data.len, false);
	if (p->omitted > 0)
		inner += 1 + number_size(p->omitted);
	return field_size(inner, true);
}

static uint64_t header_size(const struct content *c)
{
	const struct content_imported *im = &c->imported;
	uint64_t inner = field_size(im->author.len, false) + field_size(im->message_id.len, false) +
			 DATE_SIZE + field_size(SOURCE_ROOM, true);
	for (size_t i = 0; i < im->reference_count; i++)
		inner += field_size(im->references[i].len, true);
	return field_size(inner, true) + field_size(c->subject.len, false);
}

/* A number as people read it: 1,204,224. */
const char *grouped(char out[static 32], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), to = 0;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[to++] = ',';
		out[to++] = digits[i];
	}
	out[to] = '\0';
	return out;
}

static int too_large(char why[static 128], const char *what, uint64_t size)
{
	char n[32];
	snprintf(why, 128, "its %s of %s bytes is over the forum's limit", what, grouped(n, size));
	return ERR_TOO_LARGE;
}

/* ---- parts ---- */

static int add_part(struct mail *m, struct memory *mem, const struct leaf *leaf)
{
	struct buffer *b = &mem->owner[mem->parts];
	struct content_part *p = &mem->part[mem->parts++];
	size_t type = strlen(leaf->type);
	buffer_add(b, leaf->name.data, leaf->name.len);
	buffer_add_str(b, leaf->type);
	transfer_decode(b, leaf->raw, leaf->transfer);
	if (b->failed)
		return ERR_NOMEM;
	p->name = bytes_of(b->data, leaf->name.len);
	p->media_type = bytes_of(b->data + leaf->name.len, type);
	p->data = bytes_of(b->data + leaf->name.len + type, b->len - leaf->name.len - type);
	m->losses.guessed += leaf->guessed;
	return OK;
}

static void part_omit(struct mail *m, struct content_part *p)
{
	p->omitted = p->data.len;
	p->data = bytes_of(NULL, 0);
	m->losses.omitted++;
}

/* Each part in its order is kept where there is room for it beside the names of all. */
static int fit_parts(struct mail_reader *r, struct mail *m, struct memory *mem, char *why)
{
	uint64_t used = header_size(&m->content) + field_size(m->content.text.len, false);
	for (size_t i = 0; i < mem->parts; i++) {
		struct content_part bare = mem->part[i];
		bare.omitted = bare.data.len;
		bare.data = bytes_of(NULL, 0);
		used += part_size(&bare);
	}
	if (used > r->limit)
		return too_large(why, "list of parts", used);
	for (size_t i = 0; i < mem->parts; i++) {
		struct content_part bare = mem->part[i];
		bare.omitted = bare.data.len;
		bare.data = bytes_of(NULL, 0);
		uint64_t with = used - part_size(&bare) + part_size(&mem->part[i]);
		if (with <= r->limit)
			used = with;
		else
			part_omit(m, &mem->part[i]);
	}
	return OK;
}

static int read_parts(
    struct mail_reader *r, struct mail *m, struct memory *mem, const bool *taken, char *why)
{
	struct leaves *l = &r->leaves;
	size_t count = 0;
	for (size_t i = 0; i < l->count; i++)
		count += !taken[i];
	if (count == 0)
		return OK;
	mem->part = calloc(count, sizeof(*mem->part));
	mem->owner = calloc(count, sizeof(*mem->owner));
	if (mem->part == NULL || mem->owner == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < l->count; i++) {
		int err = taken[i] ? OK : add_part(m, mem, &l->leaf[i]);
		if (err != OK)
			return err;
	}
	m->content.parts = mem->part;
	m->content.part_count = mem->parts;
	return fit_parts(r, m, mem, why);
}

/* ---- the mail ---- */

static bool has_words(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] > ' ')
			return true;
	return false;
}

static int read_header(
    struct mail_reader *r, struct mail *m, struct memory *mem, const struct fields *h)
{
	struct content_imported *im = &m->content.imported;
	int err = ids_read(&mem->ids, h, r->fallback);
	if (err != OK)
		return err;
	enum field from = has_words(h->value[FIELD_FROM])     ? FIELD_FROM
			  : has_words(h->value[FIELD_SENDER]) ? FIELD_SENDER
							      : FIELD_REPLY_TO;
	m->losses.guessed += header_text(&mem->author, h->value[from], r->fallback);
	m->losses.guessed += header_text(&mem->subject, h->value[FIELD_SUBJECT], r->fallback);
	m->content.subject = buffer_bytes(&mem->subject);
	im->present = true;
	im->author = buffer_bytes(&mem->author);
	im->message_id = mem->ids.message_id;
	im->references = mem->ids.references;
	im->reference_count = mem->ids.reference_count;
	im->date = mem->ids.date != INT64_MIN ? mem->ids.date : 0;
	return mem->author.failed || mem->subject.failed ? ERR_NOMEM : OK;
}

static int read_all(struct mail_reader *r, struct bytes raw, struct mail *m, struct memory *mem,
    char why[static 128])
{
	struct fields h;
	bool taken[PARTS_MAX] = {false};
	fields_read(&h, raw, true);
	if (h.count == 0) {
		snprintf(why, 128, "it does not begin with a header");
		return ERR_MALFORMED;
	}
	if (raw.len - h.body.len > MAIL_HEADER_MAX)
		return too_large(why, "header", raw.len - h.body.len);
	int err = read_header(r, m, mem, &h);
	if (err == OK && header_size(&m->content) > r->limit)
		return too_large(why, "header", header_size(&m->content));
	if (err == OK)
		err = mime_cut(&r->leaves, &h, r->fallback, why);
	for (size_t i = 0; i < r->leaves.count && err == OK; i++) {
		const struct leaf *leaf = &r->leaves.leaf[i];
		if (leaf->raw.len > MAIL_TEXT_MAX && !leaf->attachment &&
		    strncmp(leaf->type, "text/", 5) == 0)
			err = too_large(why, "text", leaf->raw.len);
	}
	if (err == OK)
		err = text_read(&mem->text, &r->leaves, taken, &m->losses, r->fallback);
	if (err == OK && mem->text.failed)
		err = ERR_NOMEM;
	if (err != OK)
		return err;
	m->content.text = buffer_bytes(&mem->text);
	if (header_size(&m->content) + field_size(mem->text.len, false) > r->limit)
		return too_large(why, "text", mem->text.len);
	return read_parts(r, m, mem, taken, why);
}

int mail_read(struct mail_reader *r, struct bytes raw, struct mail *out, char why[static 128])
{
	*out = (struct mail){.memory = NULL};
	why[0] = '\0';
	struct memory *mem = calloc(1, sizeof(*mem));
	if (mem == NULL)
		return ERR_NOMEM;
	out->memory = mem;
	int err = read_all(r, raw, out, mem, why);
	leaves_free(&r->leaves);
	if (err != OK)
		mail_clear(out);
	if (err == ERR_NOMEM)
		snprintf(why, 128, "there is not enough memory");
	return err;
}

void mail_clear(struct mail *m)
{
	struct memory *mem = m->memory;
	if (mem != NULL) {
		mail_ids_free(&mem->ids);
		buffer_free(&mem->author);
		buffer_free(&mem->subject);
		buffer_free(&mem->text);
		for (size_t i = 0; i < mem->parts; i++)
			buffer_free(&mem->owner[i]);
		free(mem->owner);
		free(mem->part);
		free(mem);
	}
	*m = (struct mail){.memory = NULL};
}
