/* SPDX-License-Identifier: BSD-2-Clause */
/* A mail's structure, and all that is GMime's: types, dispositions and their parameters (RFC 2231),
 * transfer encodings, dates.
 *
 * The cutting is done here and not by GMimeParser, which makes objects of a kilobyte of parts of
 * five bytes, descends 1,024 levels, and compares each line with the boundaries of all of them.
 * Here each level looks through what the level above it cut out, so that all together read the mail
 * DEPTH_MAX times at most, and an outer boundary always ends what is inside. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gmime/gmime.h>

#include "base/error.h"
#include "base/text.h"
#include "client/archive/inside.h"

void mime_start(void)
{
	g_mime_init();
}

void mime_stop(void)
{
	g_mime_shutdown();
}

int64_t mime_date(const char *value)
{
	GDateTime *date = g_mime_utils_header_decode_date(value);
	if (date == NULL)
		return INT64_MIN;
	int64_t ms = (int64_t)g_date_time_to_unix(date) * 1000;
	g_date_time_unref(date);
	return ms;
}

/* ---- transfer encodings ---- */

static enum transfer transfer_read(struct bytes value)
{
	char name[64];
	size_t len = 0;
	for (size_t i = 0; i < value.len && len + 1 < sizeof(name); i++)
		if (value.data[i] > ' ')
			name[len++] = (char)value.data[i];
	name[len] = '\0';
	switch (g_mime_content_encoding_from_string(name)) {
	case GMIME_CONTENT_ENCODING_BASE64:
		return TRANSFER_BASE64;
	case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
		return TRANSFER_QUOTED;
	case GMIME_CONTENT_ENCODING_UUENCODE:
		return TRANSFER_UUENCODE;
	default:
		return TRANSFER_NONE;
	}
}

/* What stands behind uuencode's first line, which GMime's decoder doesn't know; empty: there is
 * none.
 */
static struct bytes uuencode_body(struct bytes in)
{
	size_t pos = 0;
	while (pos < in.len) {
		bool begin = in.len - pos > 6 && memcmp(in.data + pos, "begin ", 6) == 0;
		const uint8_t *lf = memchr(in.data + pos, '\n', in.len - pos);
		pos = lf != NULL ? (size_t)(lf - in.data) + 1 : in.len;
		if (begin)
			break;
	}
	return bytes_of(in.data + pos, in.len - pos);
}

void transfer_decode(struct buffer *out, struct bytes in, enum transfer transfer)
{
	static const GMimeContentEncoding encodings[] = {
	    [TRANSFER_NONE] = GMIME_CONTENT_ENCODING_BINARY,
	    [TRANSFER_BASE64] = GMIME_CONTENT_ENCODING_BASE64,
	    [TRANSFER_QUOTED] = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
	    [TRANSFER_UUENCODE] = GMIME_CONTENT_ENCODING_UUENCODE,
	};
	GMimeEncoding state;
	if (in.len == 0)
		return;
	g_mime_encoding_init_decode(&state, encodings[transfer]);
	if (transfer == TRANSFER_UUENCODE) {
		struct bytes body = uuencode_body(in);
		if (body.len == 0) { /* it only says so */
			buffer_add(out, in.data, in.len);
			return;
		}
		in = body;
		state.state |= GMIME_UUDECODE_STATE_BEGIN;
	}
	char *to = (char *)buffer_reserve(out, g_mime_encoding_outlen(&state, in.len) + 16);
	if (to == NULL)
		return;
	size_t len = g_mime_encoding_step(&state, (const char *)in.data, in.len, to);
	/* Padding that was forgotten, or cut off with the rest. GMime counts what waits for four,
	 * below zero behind a `=`, and makes a NUL of too many of those. */
	int waiting = abs(state.state);
	if (transfer == TRANSFER_BASE64 && waiting > 1 &&
	    (state.state > 0 || (waiting == 3 && (state.save & 0x3ffff) != 0)))
		len += g_mime_encoding_step(&state, "==", (size_t)(4 - waiting), to + len);
	len += g_mime_encoding_flush(&state, "", 0, to + len);
	out->len += len;
}

/* ---- what a part is ---- */

/* A structured field as GMime takes it: unfolded UTF-8. */
static const char *field_string(struct buffer *out, struct bytes value, const char *fallback)
{
	struct buffer line = BUFFER_INIT;
	if (value.len > FIELD_READ_MAX)
		value.len = FIELD_READ_MAX;
	header_unfold(&line, value);
	charset_decode(out, buffer_bytes(&line), NULL, fallback);
	out->failed |= line.failed;
	buffer_free(&line);
	return buffer_str(out);
}

static bool is_token(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Whether a value begins with `type/subtype`. Others, as `text`, are plain text by RFC 2045. */
static bool type_sound(const char *s)
{
	size_t i = strspn(s, " \t"), begin = i;
	while (s[i] != '\0' && is_token(s[i]))
		i++;
	if (i == begin || s[i] != '/')
		return false;
	begin = ++i;
	while (s[i] != '\0' && is_token(s[i]))
		i++;
	return i > begin;
}

static GMimeContentType *type_read(struct bytes value, const char *fallback, bool digest)
{
	struct buffer field = BUFFER_INIT, plain = BUFFER_INIT;
	const char *s = field_string(&field, value, fallback);
	if (!type_sound(s)) {
		buffer_add_str(&plain, digest ? "message/rfc822" : "text/plain");
		buffer_add_str(&plain, s + strcspn(s, ";"));
		s = buffer_str(&plain);
	}
	GMimeContentType *type = g_mime_content_type_parse(NULL, s);
	buffer_free(&field);
	buffer_free(&plain);
	return type;
}

/* Cut at NAME_MAX_BYTES, in front of a character. */
static void name_take(struct leaf *leaf, const char *given, const char *fallback)
{
	struct buffer name = BUFFER_INIT;
	if (given == NULL || given[0] == '\0')
		return;
	leaf->guessed = header_text(&name, bytes_str(given), fallback);
	/* From now on leaves_free()'s. */
	leaf->name = text_head(buffer_bytes(&name), NAME_MAX_BYTES);
}

static void text_take(char *out, size_t room, const char *s)
{
	size_t len = strlen(s);
	out[0] = '\0';
	if (len < room)
		for (size_t i = 0; i <= len; i++)
			out[i] = (char)g_ascii_tolower(s[i]);
}

static void leaf_describe(
    struct leaf *leaf, GMimeContentType *type, const struct fields *h, const char *fallback)
{
	char *name = g_mime_content_type_get_mime_type(type);
	const char *charset = g_mime_content_type_get_parameter(type, "charset");
	text_take(leaf->type, sizeof(leaf->type), name);
	g_free(name);
	if (leaf->type[0] == '\0')
		strcpy(leaf->type, "application/octet-stream");
	text_take(leaf->charset, sizeof(leaf->charset), charset != NULL ? charset : "");
	leaf->transfer = transfer_read(h->value[FIELD_TRANSFER_ENCODING]);

	const char *given = NULL;
	GMimeContentDisposition *disposition = NULL;
	if (h->value[FIELD_CONTENT_DISPOSITION].len > 0) {
		struct buffer field = BUFFER_INIT;
		disposition = g_mime_content_disposition_parse(
		    NULL, field_string(&field, h->value[FIELD_CONTENT_DISPOSITION], fallback));
		buffer_free(&field);
	}
	if (disposition != NULL) {
		leaf->attachment = g_mime_content_disposition_is_attachment(disposition);
		given = g_mime_content_disposition_get_parameter(disposition, "filename");
	}
	if (given == NULL || given[0] == '\0')
		given = g_mime_content_type_get_parameter(type, "name");
	name_take(leaf, given, fallback);
	if (disposition != NULL)
		g_object_unref(disposition);
}

/* ---- cutting ---- */

struct cutter {
	struct leaves *out;
	const char *fallback;
	char *why;
	size_t room;
	size_t entities; /* also those that hold others */
};

/* Where an entity stands. */
struct place {
	int depth;
	int alternative;
	bool direct, digest;
};

static int too_many(struct cutter *c)
{
	snprintf(c->why, 128, "it has more than %d parts", PARTS_MAX);
	return ERR_TOO_LARGE;
}

static int leaf_add(
    struct cutter *c, GMimeContentType *type, const struct fields *h, struct place at)
{
	struct leaves *out = c->out;
	if (out->count == PARTS_MAX)
		return too_many(c);
	if (out->count == c->room) {
		size_t room = c->room > 0 ? 2 * c->room : 4;
		struct leaf *leaf = realloc(out->leaf, room * sizeof(*leaf));
		if (leaf == NULL)
			return ERR_NOMEM;
		out->leaf = leaf;
		c->room = room;
	}
	struct leaf *leaf = &out->leaf[out->count++];
	*leaf = (struct leaf){.raw = h->body, .alternative = at.alternative, .direct = at.direct};
	leaf_describe(leaf, type, h, c->fallback);
	return OK;
}

enum delimiter { DELIMITER_NONE, DELIMITER_PART, DELIMITER_END };

static enum delimiter delimiter_read(struct bytes line, const char *boundary, size_t len)
{
	if (line.len < len + 2 || line.data[0] != '-' || line.data[1] != '-' ||
	    memcmp(line.data + 2, boundary, len) != 0)
		return DELIMITER_NONE;
	size_t i = len + 2;
	bool end = line.len - i >= 2 && line.data[i] == '-' && line.data[i + 1] == '-';
	for (i += end ? 2 : 0; i < line.len; i++)
		if (strchr(" \t\r\n", line.data[i]) == NULL || line.data[i] == '\0')
			return DELIMITER_NONE;
	return end ? DELIMITER_END : DELIMITER_PART;
}

static int entity_cut(struct cutter *c, const struct fields *h, struct place at);

static int part_cut(struct cutter *c, struct bytes raw, struct place at)
{
	struct fields h;
	/* The line end in front of a boundary is the boundary's. */
	if (raw.len > 0 && raw.data[raw.len - 1] == '\n')
		raw.len--;
	if (raw.len > 0 && raw.data[raw.len - 1] == '\r')
		raw.len--;
	fields_read(&h, raw, false);
	return entity_cut(c, &h, at);
}

/* Cut a body at its boundary. `*found`: there was one. */
static int body_cut(
    struct cutter *c, struct bytes body, const char *boundary, struct place at, bool *found)
{
	size_t len = strlen(boundary), begin = 0, pos = 0;
	int err = OK;
	enum delimiter d = DELIMITER_NONE;
	*found = false;
	while (pos < body.len && err == OK && d != DELIMITER_END) {
		const uint8_t *lf = memchr(body.data + pos, '\n', body.len - pos);
		size_t end = lf != NULL ? (size_t)(lf - body.data) + 1 : body.len;
		d = delimiter_read(bytes_of(body.data + pos, end - pos), boundary, len);
		if (d != DELIMITER_NONE) {
			if (*found)
				err = part_cut(c, bytes_of(body.data + begin, pos - begin), at);
			*found = true;
			begin = end;
		}
		pos = end;
	}
	/* The end was cut off. */
	if (*found && d != DELIMITER_END && err == OK && begin < body.len) {
		struct fields h;
		fields_read(&h, bytes_of(body.data + begin, body.len - begin), false);
		err = entity_cut(c, &h, at);
	}
	return err;
}

static bool is_blank(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] > ' ')
			return false;
	return true;
}

static int multipart_cut(
    struct cutter *c, GMimeContentType *type, const struct fields *h, struct place at)
{
	struct leaves *out = c->out;
	const char *boundary = g_mime_content_type_get_parameter(type, "boundary");
	struct place inside = {.depth = at.depth + 1, .alternative = at.alternative};
	bool found = false;
	int err = OK;
	if (inside.depth > DEPTH_MAX) {
		snprintf(c->why, 128, "its parts are nested more than %d deep", DEPTH_MAX);
		return ERR_TOO_LARGE;
	}
	if (g_mime_content_type_is_type(type, "multipart", "alternative")) {
		if (out->alternatives == PARTS_MAX)
			return too_many(c);
		inside.alternative = (int)out->alternatives;
		inside.direct = true;
		out->alternative[out->alternatives++] = (struct alternative){
		    .outer = at.alternative};
	}
	inside.digest = g_mime_content_type_is_type(type, "multipart", "digest");
	if (boundary != NULL && boundary[0] != '\0')
		err = body_cut(c, h->body, boundary, inside, &found);
	if (!found && err == OK && !is_blank(h->body)) {
		/* It says that it has parts, and has none: then it is text, or it would be lost. */
		GMimeContentType *plain = g_mime_content_type_new("text", "plain");
		const char *charset = g_mime_content_type_get_parameter(type, "charset");
		if (charset != NULL)
			g_mime_content_type_set_parameter(plain, "charset", charset);
		err = leaf_add(c, plain, h, at);
		g_object_unref(plain);
	}
	return err;
}

static int entity_cut(struct cutter *c, const struct fields *h, struct place at)
{
	if (++c->entities > 4 * PARTS_MAX)
		return too_many(c);
	GMimeContentType *type = type_read(h->value[FIELD_CONTENT_TYPE], c->fallback, at.digest);
	int err = g_mime_content_type_is_type(type, "multipart", "*")
		      ? multipart_cut(c, type, h, at)
		      : leaf_add(c, type, h, at);
	g_object_unref(type);
	return err;
}

int mime_cut(struct leaves *out, const struct fields *h, const char *fallback, char why[static 128])
{
	struct cutter c = {.out = out, .fallback = fallback, .why = why};
	out->leaf = NULL;
	out->count = out->alternatives = 0;
	return entity_cut(&c, h, (struct place){.alternative = -1});
}

void leaves_free(struct leaves *l)
{
	for (size_t i = 0; i < l->count; i++)
		free((uint8_t *)l->leaf[i].name.data);
	free(l->leaf);
	l->leaf = NULL;
	l->count = 0;
}
