/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that go along with a text. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/compose.h"
#include "client/output.h"

static const struct {
	const char *ending, *type;
} types[] = {
    {"pdf", "application/pdf"},
    {"txt", "text/plain"},
    {"md", "text/markdown"},
    {"html", "text/html"},
    {"csv", "text/csv"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"webp", "image/webp"},
    {"json", "application/json"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"ics", "text/calendar"},
    {"ogg", "audio/ogg"},
    {"mp3", "audio/mpeg"},
    {"eml", "message/rfc822"},
};

const char *media_type_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
		if (strcasecmp(dot + 1, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

bool media_type_valid(const char *type)
{
	static const char token[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
	size_t main_len = strspn(type, token), sub_len;

	if (main_len == 0 || type[main_len] != '/' || strlen(type) > 200)
		return false;
	sub_len = strspn(type + main_len + 1, token);
	if (sub_len == 0)
		return false;
	type += main_len + 1 + sub_len;
	for (const char *p = type; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return false;
	return *type == '\0' || *type == ';';
}

/* Where the media type begins in FILE:media/type; NULL: there is none. A file of just that name
 * wins. */
static const char *spec_type(const char *spec)
{
	const char *colon = strrchr(spec, ':');

	/* The type has a slash, and may have been cut at a later colon only within parameters,
	 * which we don't split at. */
	return colon && access(spec, F_OK) != 0 && media_type_valid(colon + 1) ? colon + 1 : NULL;
}

int attachment_add(struct attachments *a, const char *spec, struct trouble *t)
{
	const char *type = spec_type(spec), *slash, *name;
	char path[PATH_LEN];
	struct content_part *list;
	struct buffer *data;
	size_t len = type ? (size_t)(type - spec - 1) : strlen(spec);
	int err;

	if (len >= sizeof path)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", spec);
	memcpy(path, spec, len);
	path[len] = '\0';
	list = realloc(a->list, (a->count + 1) * sizeof *list);
	if (list)
		a->list = list;
	data = list ? realloc(a->data, (a->count + 1) * sizeof *data) : NULL;
	if (!data)
		return no_memory(t);
	a->data = data;
	a->data[a->count] = (struct buffer)BUFFER_INIT;
	/* Name, type and bytes in one buffer, in this order. */
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	err = typed_add(&a->data[a->count], bytes_str(name), "the name of the file", false, t);
	len = a->data[a->count].len;
	if (!type)
		type = media_type_of(path);
	buffer_add_str(&a->data[a->count], type);
	if (!err)
		err = file_read(path, COMPOSE_MAX, &a->data[a->count], t);
	if (err) {
		buffer_free(&a->data[a->count]);
		if (err == ERR_NOTFOUND)
			err = t->err = ERR_IO;
		return err;
	}
	data = &a->data[a->count];
	a->list[a->count] = (struct content_part){
	    .name = bytes_of(data->data, len),
	    .media_type = bytes_of(data->data + len, strlen(type)),
	};
	len += strlen(type);
	a->list[a->count].data = bytes_of(data->data + len, data->len - len);
	a->count++;
	return OK;
}

void attachments_free(struct attachments *a)
{
	for (size_t i = 0; i < a->count; i++)
		buffer_free(&a->data[i]);
	free(a->data);
	free(a->list);
	*a = (struct attachments){NULL, NULL, 0};
}

void attachment_name(struct buffer *out, struct bytes name)
{
	struct buffer line = BUFFER_INIT;
	size_t begin = out->len, at = 0;

	text_line(&line, name);
	/* Neither hidden nor an option of whatever the person calls upon "*". */
	while (at < line.len && (line.data[at] == '.' || line.data[at] == '-'))
		at++;
	for (; at < line.len && out->len - begin < 200; at++) {
		size_t len = utf8_len(line.data + at, line.len - at);
		const uint8_t *p = line.data + at;

		if (len == 0)
			break;
		/* U+202A to U+202E and U+2066 to U+2069 would show "fdp.exe" as "exe.pdf". */
		if (len == 3 && p[0] == 0xe2 &&
		    ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
			(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
			buffer_add_u8(out, '_');
		else if (len == 1 && (*p == '/' || *p == '\\' || *p == ':'))
			buffer_add_u8(out, '_');
		else
			buffer_add(out, p, len);
		at += len - 1;
	}
	if (out->len == begin)
		buffer_add_str(out, "attachment");
	buffer_free(&line);
}
