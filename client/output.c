/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

#define CODE(name) CONVENE__CODE__##name

int exit_of(const struct trouble *t)
{
	switch (t->code) {
	case CODE(CODE_NONE): break;
	case CODE(NOT_FOUND):
	case CODE(AMBIGUOUS): return EXIT_NOT_FOUND;
	case CODE(SHUTTING_DOWN):
	case CODE(TIMEOUT): return EXIT_UNREACHABLE;
	default: return EXIT_REFUSED;
	}
	switch ((enum error)t->err) {
	case OK: return EXIT_DONE;
	case ERR_CLOSED:
	case ERR_TIMEOUT: return EXIT_UNREACHABLE;
	case ERR_NOTFOUND:
	case ERR_EXISTS: return EXIT_NOT_FOUND;
	case ERR_SIGNATURE:
	case ERR_UNSIGNED:
	case ERR_KEY:
	case ERR_PROOF:
	case ERR_COMMITMENT:
	case ERR_FORK:
	case ERR_OTHER_FORUM:
	case ERR_WRONG_ROOT:
	case ERR_WRONG_TLS:
	case ERR_NOT_CANONICAL:
	case ERR_MALFORMED:
	case ERR_NOT_COMPLETE:
	case ERR_VERSION: return EXIT_UNVERIFIED;
	case ERR_TEXT:
	case ERR_TOO_LARGE:
	case ERR_CONFUSABLE: return EXIT_INPUT;
	case ERR_INVALID: return EXIT_USAGE;
	case ERR_REFUSED: return EXIT_REFUSED;
	default: return EXIT_LOCAL;
	}
}

int trouble_set(struct trouble *t, int err, const char *fmt, ...)
{
	va_list ap;

	memset(t, 0, sizeof *t);
	t->err = err;
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof t->text, fmt, ap);
	va_end(ap);
	return err;
}

void trouble_hint(struct trouble *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->hint, sizeof t->hint, fmt, ap);
	va_end(ap);
}

int trouble_errno(struct trouble *t, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t len;

	memset(t, 0, sizeof *t);
	t->err = saved == ENOSPC || saved == EDQUOT ? ERR_NOSPACE : ERR_IO;
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof t->text, fmt, ap);
	va_end(ap);
	len = strlen(t->text);
	snprintf(t->text + len, sizeof t->text - len, ": %s", strerror(saved));
	return t->err;
}

int complain(const char *program, const struct trouble *t)
{
	struct buffer line = BUFFER_INIT;

	fflush(stdout);
	/* A refusal's text is the node's: it may hold anything. */
	text_line(&line, bytes_str(t->text));
	while (line.len > 0 && (line.data[line.len - 1] == '.' || line.data[line.len - 1] == ' '))
		line.len--;
	fprintf(stderr, "%s: %s.\n", program, line.len ? buffer_str(&line) : error_text(t->err));
	if (t->hint[0]) {
		buffer_reset(&line);
		text_line(&line, bytes_str(t->hint));
		fprintf(stderr, "%*s  %s\n", (int)strlen(program), "", buffer_str(&line));
	}
	buffer_free(&line);
	return exit_of(t);
}

int complain_usage(const char *program, const char *command, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ".\n%*s  `%s %s%s--help` says what it takes.\n", (int)strlen(program), "", program,
	    command ? command : "", command ? " " : "");
	return EXIT_USAGE;
}

int output_finish(const char *program, int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		fprintf(stderr, "%s: standard output can't be written: %s.\n", program, strerror(errno));
	return EXIT_LOCAL;
}

bool output_terminal(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

int output_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return 80;
}

static void out_of_memory(void)
{
	fprintf(stderr, "Out of memory.\n");
	exit(EXIT_LOCAL);
}

static void print_buffer(struct buffer *b)
{
	if (b->failed)
		out_of_memory();
	if (b->len > 0)
		fwrite(b->data, 1, b->len, stdout);
	buffer_free(b);
}

void print_isolate(struct bytes text)
{
	struct buffer out = BUFFER_INIT;

	text_isolate(&out, text);
	print_buffer(&out);
}

/* One line of output, its direction marks paired anew: the line that it was cut from had them paired as a whole. */
static void print_piece(const uint8_t *p, size_t len, int indent)
{
	struct buffer out = BUFFER_INIT;

	text_block(&out, bytes_of(p, len));
	if (out.len > 0)
		printf("%*s", indent, "");
	print_buffer(&out);
	putchar('\n');
}

/* Fold at spaces; a word wider than the room gets a line of its own. */
static void print_folded(const uint8_t *p, size_t len, int indent, size_t room)
{
	size_t begin = 0, end = 0, width = 0;

	while (end < len) {
		size_t next = end;

		while (next < len && p[next] == ' ')
			next++;
		while (next < len && p[next] != ' ')
			next++;
		width += text_width(bytes_of(p + end, next - end));
		if (width > room && end > begin) {
			print_piece(p + begin, end - begin, indent);
			for (begin = end; begin < len && p[begin] == ' ';)
				begin++;
			width = next > begin ? text_width(bytes_of(p + begin, next - begin)) : 0;
		}
		end = next;
	}
	print_piece(p + begin, len - begin, indent);
}

void print_block(struct bytes text, int indent)
{
	struct buffer out = BUFFER_INIT;
	const uint8_t *p, *end, *nl;
	int room = output_terminal() ? output_columns() - indent : 0;

	text_block(&out, text);
	if (out.failed)
		out_of_memory();
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.len--;
	for (p = out.data, end = p + out.len; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		if (room > 0)
			print_folded(p, (size_t)(nl - p), indent, room > 30 ? (size_t)room : 30);
		else
			print_piece(p, (size_t)(nl - p), indent);
	}
	buffer_free(&out);
}

const char *time_local(char out[static 24], uint64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || wall_ms > TIME_MAX || !localtime_r(&t, &tm) || strftime(out, 24, "%Y-%m-%d %H:%M", &tm) == 0)
		memcpy(out, "-", 2);
	return out;
}

const char *id_short(char out[static 9], const uint8_t *id)
{
	hex_encode(out, id, 4);
	return out;
}

const char *size_text(char out[static 16], uint64_t bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(out, 16, "%u B", (unsigned)bytes);
		return out;
	}
	for (value /= 1000; value >= 999.95 && i + 1 < sizeof units / sizeof units[0]; i++)
		value /= 1000;
	snprintf(out, 16, value < 10 ? "%.1f %s" : "%.0f %s", value, units[i]);
	return out;
}

/* ---- tables ---- */

#define TABLE_COLUMNS 16

struct cell {
	char *text;
	size_t width;
};

struct table {
	char *headings;
	const char *heading[TABLE_COLUMNS];
	bool right[TABLE_COLUMNS];
	size_t columns;
	struct cell *cells;
	size_t count, cap;
};

struct table *table_new(const char *columns)
{
	struct table *t = calloc(1, sizeof *t);
	char *save = NULL, *name;

	if (!t || !(t->headings = strdup(columns)))
		out_of_memory();
	for (name = strtok_r(t->headings, "\t", &save); name && t->columns < TABLE_COLUMNS; name = strtok_r(NULL, "\t", &save)) {
		size_t len = strlen(name);

		if (len > 0 && name[len - 1] == '>') {
			name[len - 1] = '\0';
			t->right[t->columns] = true;
		}
		t->heading[t->columns++] = name;
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t->headings);
	free(t);
}

/* Takes `text` over. */
static void cell_add(struct table *t, char *text)
{
	if (!text)
		out_of_memory();
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct cell *cells = realloc(t->cells, cap * sizeof *cells);

		if (!cells)
			out_of_memory();
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->count++] = (struct cell){text, text_width(bytes_str(text))};
}

void table_text(struct table *t, struct bytes text)
{
	struct buffer out = BUFFER_INIT;

	text_isolate(&out, text);
	if (out.failed)
		out_of_memory();
	cell_add(t, strdup(buffer_str(&out)));
	buffer_free(&out);
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	cell_add(t, text);
}

/* Print as much of a text as fits: whole code points, marks paired again by text_line(). */
static void print_cut(const char *text, size_t width, size_t room)
{
	struct buffer out = BUFFER_INIT;
	size_t len = strlen(text), low = 0;

	if (width <= room) {
		fputs(text, stdout);
		return;
	}
	/* The width grows with the length, so the cut is found by halving. */
	while (low < len) {
		size_t mid = low + (len - low + 1) / 2, cut = mid;

		while (cut > low && ((uint8_t)text[cut] & 0xc0) == 0x80)
			cut--;
		if (cut > low && text_width(bytes_of(text, cut)) < room) {
			low = cut;
			continue;
		}
		len = cut > low ? cut - 1 : mid - 1;
	}
	text_line(&out, bytes_of(text, low));
	buffer_add_str(&out, "…");
	print_buffer(&out);
}

static void row_print(const struct table *t, const size_t *widths, const struct cell *row, size_t room)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *text = row ? row[c].text : t->heading[c];
		size_t width = row ? row[c].width : strlen(text), pad = widths[c] > width ? widths[c] - width : 0;
		bool last = c + 1 == t->columns;

		if (t->right[c])
			printf("%*s", (int)pad, "");
		if (last && !t->right[c])
			print_cut(text, width, room);
		else
			fputs(text, stdout);
		if (!last)
			printf("%*s", (int)(t->right[c] ? 0 : pad) + 2, "");
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	size_t widths[TABLE_COLUMNS], used = 0, columns = (size_t)output_columns(), room;

	if (t->count == 0)
		return;
	for (size_t c = 0; c < t->columns; c++) {
		widths[c] = strlen(t->heading[c]);
		for (size_t i = c; i < t->count; i += t->columns)
			if (t->cells[i].width > widths[c])
				widths[c] = t->cells[i].width;
		if (c + 1 < t->columns)
			used += widths[c] + 2;
	}
	/* A file or a pipe gets everything. */
	room = !output_terminal() ? SIZE_MAX : columns > used + 20 ? columns - used : 20;
	row_print(t, widths, NULL, room);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		row_print(t, widths, t->cells + i, room);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	t->count = 0;
}

/* ---- JSON ---- */

json_t *json_hex(const uint8_t *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	json_t *value;

	if (!text)
		out_of_memory();
	hex_encode(text, data, len);
	value = json_string(text);
	free(text);
	return value;
}

json_t *json_bytes(struct bytes text)
{
	json_t *value = json_stringn(text.len ? (const char *)text.data : "", text.len);
	struct buffer out = BUFFER_INIT;

	if (!value) {
		text_block(&out, text);
		value = json_stringn(buffer_str(&out), out.len);
		buffer_free(&out);
	}
	return value;
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (value && json_object_set_new(object, key, value) != 0)
		out_of_memory();
}

static void json_write(json_t *value, size_t flags)
{
	if (json_dumpf(value, stdout, flags | JSON_ENSURE_ASCII) != 0 && !ferror(stdout))
		out_of_memory();
	putchar('\n');
	json_decref(value);
}

void json_print(json_t *value)
{
	json_write(value, output_terminal() ? JSON_INDENT(2) : JSON_COMPACT);
}

void json_print_line(json_t *value)
{
	json_write(value, JSON_COMPACT);
	fflush(stdout);
}

json_t *json_trouble(const struct trouble *t)
{
	json_t *object = json_object(), *error = json_object();

	json_put(error, "name", json_string(error_name(t->err)));
	if (t->code)
		json_put(error, "code", json_integer(t->code));
	json_put(error, "text", json_bytes(bytes_str(t->text)));
	if (t->hint[0])
		json_put(error, "hint", json_bytes(bytes_str(t->hint)));
	json_put(object, "error", error);
	return object;
}
