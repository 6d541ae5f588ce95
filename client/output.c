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

#define COLUMNS_MIN 20
#define ROOM_MIN 10
#define TAB_COLUMNS 8
#define BAR "| "
#define QUOTE_MAX 20 /* as much of "> > > " is repeated */

#define CODE(name) CONVENE__CODE__##name

int exit_of(const struct trouble *t)
{
	switch (t->code) {
	case CODE(CODE_NONE):
		break;
	case CODE(NOT_FOUND):
	case CODE(AMBIGUOUS):
		return EXIT_NOT_FOUND;
	case CODE(SHUTTING_DOWN):
	case CODE(TIMEOUT):
		return EXIT_UNREACHABLE;
	default:
		return EXIT_REFUSED;
	}
	switch ((enum error)t->err) {
	case OK:
		return EXIT_DONE;
	case ERR_CLOSED:
	case ERR_TIMEOUT:
		return EXIT_UNREACHABLE;
	case ERR_NOTFOUND:
	case ERR_EXISTS:
		return EXIT_NOT_FOUND;
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
	case ERR_VERSION:
		return EXIT_UNVERIFIED;
	case ERR_TEXT:
	case ERR_TOO_LARGE:
	case ERR_CONFUSABLE:
		return EXIT_INPUT;
	case ERR_INVALID:
		return EXIT_USAGE;
	case ERR_REFUSED:
		return EXIT_REFUSED;
	default:
		return EXIT_LOCAL;
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

int no_memory(struct trouble *t)
{
	return trouble_set(t, ERR_NOMEM, "there is not enough memory");
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

/* ---- folding ---- */

static int columns_of(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col >= COLUMNS_MIN ? size.ws_col : COLUMNS_MIN;
}

/* How a line is folded. */
struct fold {
	FILE *to;
	const char *first, *rest; /* what stands before the first line, and before the others */
	size_t room;              /* columns behind that; SIZE_MAX: it isn't folded */
	bool received;            /* a line of a received text: isolated, by its direction */
	bool rtl;
};

static size_t without_spaces(const uint8_t *p, size_t begin, size_t end)
{
	while (end > begin && p[end - 1] == ' ')
		end--;
	return end;
}

/* A line of output, its direction marks paired anew: the line that it was cut from had them paired
 * as a whole. */
static void piece_print(struct fold *f, const uint8_t *p, size_t len)
{
	struct buffer out = BUFFER_INIT;
	size_t lead = strlen(f->first);

	if (f->received)
		text_isolate_as(&out, bytes_of(p, len), f->rtl);
	else
		text_line(&out, bytes_of(p, len));
	if (out.failed)
		out_of_memory();
	if (out.len == 0)
		lead = without_spaces((const uint8_t *)f->first, 0, lead);
	fwrite(f->first, 1, lead, f->to);
	if (out.len > 0)
		fwrite(out.data, 1, out.len, f->to);
	putc('\n', f->to);
	buffer_free(&out);
	f->first = f->rest;
}

/* Fold a line where it may be broken, and what is wider than the room where it must. */
static void line_fold(struct fold *f, const uint8_t *p, size_t len)
{
	struct buffer may = BUFFER_INIT;
	size_t begin = 0, end = 0, next = 0, width;

	if (f->room == SIZE_MAX) {
		piece_print(f, p, len);
		return;
	}
	len = without_spaces(p, 0, len);
	text_breaks(&may, bytes_of(p, len));
	if (may.failed)
		out_of_memory();
	while (end < len && p[end] == ' ')
		end++;
	if (end > f->room / 2)
		begin = end - f->room / 2;
	for (width = end - begin; end < len;) {
		size_t word, fit;

		if (next <= end)
			for (next = end + 1; next < len && !may.data[next];)
				next++;
		word = without_spaces(p, end, next) - end;
		fit = width < f->room ? text_fit(bytes_of(p + end, word), f->room - width) : 0;
		if (fit == word) {
			width += text_width(bytes_of(p + end, next - end));
			end = next;
		} else if (width > 0) {
			size_t stop = without_spaces(p, begin, end);

			if (stop > begin)
				piece_print(f, p + begin, stop - begin);
			begin = end;
			width = 0;
		} else {
			/* Wider than the room, even on a line of its own. */
			end += fit > 0 ? fit : word;
			piece_print(f, p + begin, end - begin);
			begin = end;
		}
	}
	if (begin < len || len == 0)
		piece_print(f, p + begin, len - begin);
	buffer_free(&may);
}

/* The columns of a terminal beside what stands before; without limit into anything else. */
static size_t room_of(FILE *to, size_t lead)
{
	size_t columns = (size_t)columns_of(fileno(to));

	if (isatty(fileno(to)) != 1)
		return SIZE_MAX;
	return columns >= lead + ROOM_MIN ? columns - lead : ROOM_MIN;
}

/* One line of ours; what it is continued on begins behind `indent` columns, spaces and perhaps a
 * bar. What stands before the first is printed already, and not wider. */
static void print_folded(
    FILE *to, const uint8_t *p, size_t len, bool at_start, int indent, const char *bar)
{
	struct buffer spaces = BUFFER_INIT;
	struct fold f = {.to = to, .room = room_of(to, (size_t)indent)};

	buffer_printf(&spaces, "%*s%s", indent - (int)strlen(bar), "", bar);
	f.rest = buffer_str(&spaces);
	f.first = at_start ? f.rest : "";
	line_fold(&f, p, len);
	buffer_free(&spaces);
}

/* ---- sentences ---- */

int complain(const char *program, const struct trouble *t)
{
	struct buffer line = BUFFER_INIT;
	int indent = (int)strlen(program) + 2;

	fflush(stdout);
	/* A refusal's text is the node's: it may hold anything. */
	text_line(&line, bytes_str(t->text));
	while (line.len > 0 && (line.data[line.len - 1] == '.' || line.data[line.len - 1] == ' '))
		line.len--;
	if (line.len == 0)
		buffer_add_str(&line, error_text(t->err));
	if (line.data[line.len - 1] != '?')
		buffer_add_str(&line, ".");
	fprintf(stderr, "%s: ", program);
	print_folded(stderr, line.data, line.len, false, indent, "");
	if (t->hint[0]) {
		buffer_reset(&line);
		text_line(&line, bytes_str(t->hint));
		print_folded(stderr, line.data, line.len, true, indent, "");
	}
	buffer_free(&line);
	return exit_of(t);
}

void remark(const char *program, const char *fmt, ...)
{
	struct trouble t = {.err = OK};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t.text, sizeof t.text, fmt, ap);
	va_end(ap);
	complain(program, &t);
}

int complain_usage(const char *program, const char *command, const char *fmt, ...)
{
	struct trouble t = {.err = ERR_INVALID};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t.text, sizeof t.text, fmt, ap);
	va_end(ap);
	trouble_hint(&t, "`%s %s%s--help` says what it takes.", program, command ? command : "",
	    command ? " " : "");
	complain(program, &t);
	return EXIT_USAGE;
}

int output_finish(const char *program, int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		fprintf(stderr, "%s: standard output can't be written: %s.\n", program,
		    strerror(errno));
	return EXIT_LOCAL;
}

bool output_terminal(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

int output_columns(void)
{
	return columns_of(STDOUT_FILENO);
}

int output_columns_of(FILE *to)
{
	return columns_of(fileno(to));
}

void out_of_memory(void)
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

static void __attribute__((format(printf, 3, 0)))
sentence_print(int indent, const char *bar, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		out_of_memory();
	print_folded(stdout, (const uint8_t *)text, strlen(text), false, indent, bar);
	free(text);
}

void print_sentence(int indent, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sentence_print(indent, "", fmt, ap);
	va_end(ap);
}

void print_line(int indent, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sentence_print(indent, BAR, fmt, ap);
	va_end(ap);
}

/* TABs become spaces: how far a terminal moves for one depends on where the line begins. */
static void tabs_expand(struct buffer *out, const uint8_t *p, size_t len)
{
	size_t column = 0;

	for (const uint8_t *end = p + len, *tab; p < end; p = tab + 1) {
		tab = memchr(p, '\t', (size_t)(end - p));
		if (!tab)
			tab = end;
		buffer_add(out, p, (size_t)(tab - p));
		column += text_width(bytes_of(p, (size_t)(tab - p)));
		if (tab < end)
			buffer_printf(out, "%*s", (int)(TAB_COLUMNS - column % TAB_COLUMNS), "");
		column += TAB_COLUMNS - column % TAB_COLUMNS;
	}
}

/* The length of "> > " at the beginning of a quoted line. */
static size_t quote_length(const uint8_t *p, size_t len)
{
	size_t i = 0;

	if (len == 0 || p[0] != '>')
		return 0;
	while (i < len && i < QUOTE_MAX && (p[i] == '>' || (p[i] == ' ' && p[i - 1] == '>')))
		i++;
	return i;
}

/* Where the line ends: at LF, U+2028 or U+2029, which is `*mark` bytes. */
static const uint8_t *line_end(const uint8_t *p, const uint8_t *end, size_t *mark)
{
	for (; p < end; p++) {
		*mark = *p == '\n' ? 1 : 3;
		if (*p == '\n' ||
		    (*p == 0xe2 && end - p >= 3 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8))
			return p;
	}
	*mark = 0;
	return end;
}

static void lines_print(struct bytes text, int indent, const char *bar)
{
	struct buffer out = BUFFER_INIT, line = BUFFER_INIT, lead = BUFFER_INIT;
	const uint8_t *p, *end, *stop;
	size_t mark;

	text_block(&out, text);
	if (out.failed)
		out_of_memory();
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.len--;
	for (p = out.data, end = p + out.len; p < end; p = stop + mark) {
		struct fold f = {.to = stdout, .received = bar[0] != '\0'};
		size_t quote;

		stop = line_end(p, end, &mark);
		buffer_reset(&line);
		tabs_expand(&line, p, (size_t)(stop - p));
		quote = f.received ? quote_length(line.data, line.len) : 0;
		buffer_reset(&lead);
		buffer_printf(&lead, "%*s%s%.*s", indent, "", bar, (int)quote, buffer_str(&line));
		if (line.failed || lead.failed)
			out_of_memory();
		f.room = room_of(stdout, lead.len);
		f.first = f.rest = buffer_str(&lead);
		f.rtl = f.received && text_is_rtl(buffer_bytes(&line));
		line_fold(&f, line.data + quote, line.len - quote);
	}
	buffer_free(&lead);
	buffer_free(&line);
	buffer_free(&out);
}

void print_text(struct bytes text, int indent)
{
	lines_print(text, indent, BAR);
}

void print_block(struct bytes text, int indent)
{
	lines_print(text, indent, "");
}

static void line_cut(struct buffer *out, struct bytes text, size_t columns)
{
	size_t fit;

	text_line(out, text);
	if (out->failed)
		out_of_memory();
	fit = text_fit(buffer_bytes(out), columns);
	if (fit < out->len) {
		out->len = text_fit(buffer_bytes(out), columns > 0 ? columns - 1 : 0);
		buffer_add_str(out, columns > 0 ? "…" : "");
	}
}

void text_cut(struct buffer *out, struct bytes text, size_t columns)
{
	struct buffer line = BUFFER_INIT;

	line_cut(&line, text, columns);
	text_isolate(out, buffer_bytes(&line));
	buffer_free(&line);
}

void print_labelled(int indent, const char *label, struct bytes text)
{
	struct buffer cut = BUFFER_INIT, first = BUFFER_INIT, rest = BUFFER_INIT;
	int width = indent + (int)text_width(bytes_str(label));
	struct fold f = {.to = stdout, .room = room_of(stdout, (size_t)width), .received = true};

	line_cut(&cut, text, f.room == SIZE_MAX ? SIZE_MAX : LABELLED_MAX);
	buffer_printf(&first, "%*s%s", indent, "", label);
	buffer_printf(&rest, "%*s%s", width - (int)strlen(BAR), "", BAR);
	f.first = buffer_str(&first);
	f.rest = buffer_str(&rest);
	f.rtl = text_is_rtl(text);
	line_fold(&f, cut.data, cut.len);
	buffer_free(&rest);
	buffer_free(&first);
	buffer_free(&cut);
}

const char *time_local(char out[static 24], uint64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || wall_ms > TIME_MAX || !localtime_r(&t, &tm) ||
	    strftime(out, 24, "%Y-%m-%d %H:%M", &tm) == 0)
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
