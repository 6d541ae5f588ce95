/* SPDX-License-Identifier: BSD-2-Clause */
/* A draft's file as text: its headers, an empty line, and what was written. */
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/drafts.h"

static const char magic[] = "convene draft v1";
static const char *const acts[ACT_COUNT] = ACT_NAMES;

const char *act_name(enum act act)
{
	return acts[act];
}

static void header_add(struct buffer *out, const char *name, const struct buffer *value)
{
	if (value->len == 0)
		return;
	buffer_printf(out, "%s: ", name);
	buffer_add(out, value->data, value->len);
	buffer_add_u8(out, '\n');
}

void writing_format(struct buffer *out, const struct writing *w)
{
	struct bytes attach = buffer_bytes(&w->attach);
	char id[2 * ID_LEN + 1];

	buffer_printf(out, "%s\nkind: %s\n", magic, acts[w->act]);
	header_add(out, "to", &w->to);
	header_add(out, "about", &w->about);
	header_add(out, "subject", &w->subject);
	header_add(out, "lang", &w->lang);
	if (w->raw)
		buffer_add_str(out, "raw: yes\n");
	if (w->parts != PARTS_DEFAULT)
		buffer_printf(out, "attachments: %s\n", w->parts == PARTS_KEEP ? "keep" : "drop");
	while (attach.len > 0) {
		const uint8_t *nl = memchr(attach.data, '\n', attach.len);
		size_t len = nl ? (size_t)(nl - attach.data) + 1 : attach.len;

		buffer_add_str(out, "attach: ");
		buffer_add(out, attach.data, len);
		attach.data += len;
		attach.len -= len;
	}
	if (w->sequence) {
		hex_encode(id, w->id, ID_LEN);
		buffer_printf(out, "signed: %llu %s\n", (unsigned long long)w->sequence, id);
	}
	buffer_add_u8(out, '\n');
	buffer_add(out, w->text.data, w->text.len);
}

static int signed_parse(struct writing *w, struct bytes value)
{
	const uint8_t *space = memchr(value.data, ' ', value.len);
	size_t len = space ? (size_t)(space - value.data) : 0;

	if (!space || w->sequence ||
	    decimal_parse(&w->sequence, (const char *)value.data, len, SEQUENCE_MAX) != OK ||
	    w->sequence == 0)
		return ERR_MALFORMED;
	return hex_decode(w->id, ID_LEN, (const char *)space + 1, value.len - len - 1);
}

static bool is(struct bytes b, const char *text)
{
	return bytes_equal(b, bytes_str(text));
}

static int header_parse(struct writing *w, struct bytes name, struct bytes value)
{
	struct buffer *to = is(name, "to")        ? &w->to
			    : is(name, "about")   ? &w->about
			    : is(name, "subject") ? &w->subject
			    : is(name, "lang")    ? &w->lang
						  : NULL;

	if (value.len == 0 || memchr(value.data, '\0', value.len))
		return ERR_MALFORMED;
	if (to) {
		if (to->len > 0)
			return ERR_MALFORMED;
		buffer_add(to, value.data, value.len);
		return to->failed ? ERR_NOMEM : OK;
	}
	if (is(name, "kind")) {
		for (int i = 0; i < ACT_COUNT; i++) {
			if (is(value, acts[i])) {
				w->act = (enum act)i;
				return OK;
			}
		}
	} else if (is(name, "raw") && is(value, "yes")) {
		w->raw = true;
		return OK;
	} else if (is(name, "attachments") && (is(value, "keep") || is(value, "drop"))) {
		w->parts = is(value, "keep") ? PARTS_KEEP : PARTS_DROP;
		return OK;
	} else if (is(name, "attach")) {
		buffer_add(&w->attach, value.data, value.len);
		buffer_add_u8(&w->attach, '\n');
		return w->attach.failed ? ERR_NOMEM : OK;
	} else if (is(name, "signed")) {
		return signed_parse(w, value);
	}
	return ERR_MALFORMED;
}

int writing_parse(struct writing *w, struct bytes text, unsigned *line)
{
	bool kind = false;

	for (*line = 1; text.len > 0; ++*line) {
		const uint8_t *nl = memchr(text.data, '\n', text.len), *colon;
		size_t len;
		int err;

		if (!nl)
			break; /* torn: there is no empty line */
		len = (size_t)(nl - text.data);
		if (*line == 1) {
			if (!is(bytes_of(text.data, len), magic))
				return ERR_MALFORMED;
		} else if (len == 0) {
			if (!kind)
				return ERR_MALFORMED;
			buffer_add(&w->text, nl + 1, text.len - 1);
			return w->text.failed ? ERR_NOMEM : OK;
		} else {
			colon = memchr(text.data, ':', len);
			if (!colon || colon + 1 == nl || colon[1] != ' ')
				return ERR_MALFORMED;
			err = header_parse(w, bytes_of(text.data, (size_t)(colon - text.data)),
			    bytes_of(colon + 2, (size_t)(nl - colon - 2)));
			if (err)
				return err;
			kind |= is(bytes_of(text.data, (size_t)(colon - text.data)), "kind");
		}
		text.data += len + 1;
		text.len -= len + 1;
	}
	return ERR_MALFORMED;
}
