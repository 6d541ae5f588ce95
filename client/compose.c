/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/output.h"

/* Length of the sequence that begins at `p`; 0 when it is broken. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	size_t len = c < 0x80                 ? 1
		     : c >= 0xc2 && c <= 0xdf ? 2
		     : c >= 0xe0 && c <= 0xef ? 3
		     : c >= 0xf0 && c <= 0xf4 ? 4
					      : 0;

	if (len == 0 || len > left)
		return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF, all show in the second byte.
	 */
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (len > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t utf8_broken(struct bytes text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t len = sequence_len(text.data + at, text.len - at);

		if (len == 0)
			break;
		at += len;
	}
	return at;
}

int typed_add(struct buffer *out, struct bytes in, const char *what, bool raw, struct trouble *t)
{
	size_t at = utf8_broken(in);
	const uint8_t *nul = in.len ? memchr(in.data, '\0', in.len) : NULL;
	int err = OK;

	if (at < in.len) {
		trouble_set(t, ERR_TEXT,
		    "%s is not UTF-8: byte %zu (hexadecimal %02x) belongs to no character", what,
		    at, in.data[at]);
		trouble_hint(t, "Save it as UTF-8; iconv(1) can convert it.");
		return ERR_TEXT;
	}
	if (nul)
		return trouble_set(
		    t, ERR_TEXT, "%s holds a NUL, at byte %zu", what, (size_t)(nul - in.data));
	if (raw)
		buffer_add(out, in.data, in.len);
	else
		err = text_nfc(out, in);
	if (!err && out->failed)
		err = ERR_NOMEM;
	return err ? trouble_set(t, err, "%s can't be taken: %s", what, error_text(err)) : OK;
}

/* ---- where the text comes from ---- */

static int stdin_read(struct buffer *out, struct trouble *t)
{
	for (;;) {
		uint8_t *room = buffer_reserve(out, 65536);
		ssize_t n = room ? read(STDIN_FILENO, room, 65536) : -1;

		if (!room)
			return trouble_set(t, ERR_NOMEM, "there is not enough memory");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return trouble_errno(t, "standard input can't be read");
		if (n == 0)
			return OK;
		out->len += (size_t)n;
		if (out->len > COMPOSE_MAX)
			return trouble_set(t, ERR_TOO_LARGE,
			    "standard input holds more than %d MiB", COMPOSE_MAX >> 20);
	}
}

static int editor_run(const char *path, struct trouble *t)
{
	const char *editor = getenv("VISUAL");
	int status;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return trouble_errno(t, "the editor %.100s can't be started", editor);
	if (pid == 0) {
		/* By the shell, since people write "emacs -nw" into $EDITOR; the path is passed as
		 * a word of its own. */
		execl("/bin/sh", "sh", "-c", "exec $0 \"$1\"", editor, path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return trouble_errno(t, "the editor %.100s got lost", editor);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		trouble_set(t, ERR_IO, "the editor %.100s ended with trouble", editor);
		trouble_hint(t, "What you wrote is in %.200s; -f sends it.", path);
		return ERR_IO;
	}
	return OK;
}

static int editor_read(struct buffer *out, const char *folder, struct trouble *t)
{
	char path[PATH_LEN];
	struct stat st;
	int fd, err = path_join(path, folder, "draft-XXXXXX.txt", t);

	if (err)
		return err;
	fd = mkostemps(path, 4, O_CLOEXEC);
	if (fd < 0)
		return trouble_errno(t, "a file to write in, %.300s, can't be made", path);
	close(fd);
	err = editor_run(path, t);
	if (!err)
		err = file_read(path, COMPOSE_MAX, out, t);
	/* With an error the file stays: it may hold somebody's work. */
	if (!err || (stat(path, &st) == 0 && st.st_size == 0)) {
		unlink(path);
		t->hint[0] = '\0';
	}
	return err;
}

bool compose_by_editor(const char *file)
{
	return !file && isatty(STDIN_FILENO) == 1;
}

static bool blank(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!strchr(" \t\r\n", b.data[i]) || b.data[i] == '\0')
			return false;
	return true;
}

int compose_read(
    struct buffer *out, const char *file, const char *folder, bool raw, struct trouble *t)
{
	struct buffer typed = BUFFER_INIT;
	char what[400] = "standard input";
	int err;

	if (compose_by_editor(file)) {
		snprintf(what, sizeof what, "the text");
		err = editor_read(&typed, folder, t);
	} else if (!file || strcmp(file, "-") == 0) {
		err = stdin_read(&typed, t);
	} else {
		snprintf(what, sizeof what, "%.300s", file);
		err = file_read(file, COMPOSE_MAX, &typed, t);
		if (err == ERR_NOTFOUND)
			err = t->err = ERR_IO;
	}
	if (!err && blank(buffer_bytes(&typed)))
		err = trouble_set(t, ERR_TEXT, "nothing was written, so nothing is sent");
	if (!err) {
		err = typed_add(out, buffer_bytes(&typed), what, raw, t);
		if (err && compose_by_editor(file))
			compose_rescue(buffer_bytes(&typed), folder, t);
	}
	buffer_free(&typed);
	return err;
}

void compose_rescue(struct bytes text, const char *folder, struct trouble *t)
{
	char name[48];
	struct trouble second;

	if (blank(text))
		return;
	snprintf(name, sizeof name, "unsent-%lld.txt", (long long)time(NULL));
	if (file_write(folder, name, text, &second) == OK)
		trouble_hint(t, "Your text is kept in %.180s/%s", folder, name);
}

/* ---- files that go along ---- */

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
		return trouble_set(t, ERR_NOMEM, "there is not enough memory");
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
	a->list[a->count].name = bytes_of(data->data, len);
	a->list[a->count].media_type = bytes_of(data->data + len, strlen(type));
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
		size_t len = sequence_len(line.data + at, line.len - at);
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
