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

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return 80;
}

/* One line of output, its direction marks paired anew: the line that it was cut from had them
 * paired as a whole. */
static void print_piece(FILE *to, const uint8_t *p, size_t len, int indent)
{
	struct buffer out = BUFFER_INIT;

	text_block(&out, bytes_of(p, len));
	if (out.failed)
		out_of_memory();
	if (out.len > 0)
		fprintf(to, "%*s", indent, "");
	fwrite(buffer_str(&out), 1, out.len, to);
	putc('\n', to);
	buffer_free(&out);
}

static size_t without_spaces(const uint8_t *p, size_t begin, size_t end)
{
	while (end > begin && p[end - 1] == ' ')
		end--;
	return end;
}

/* Fold a line where it may be broken; a word wider than the room gets a line of its own. The first
 * line is indented by `first` spaces, the others by `indent`. */
static void print_folded(
    FILE *to, const uint8_t *p, size_t len, int first, int indent, size_t room)
{
	struct buffer may = BUFFER_INIT;
	size_t begin = 0, end = 0, width, next;
	bool any = false;

	text_breaks(&may, bytes_of(p, len));
	if (may.failed)
		out_of_memory();
	while (end < len && p[end] == ' ')
		end++;
	for (width = end; end < len; end = next) {
		size_t word;

		for (next = end + 1; next < len && !may.data[next];)
			next++;
		word = without_spaces(p, end, next);
		if (any && width + text_width(bytes_of(p + end, word - end)) > room) {
			print_piece(to, p + begin, without_spaces(p, begin, end) - begin, first);
			first = indent;
			begin = end;
			width = 0;
		}
		width += text_width(bytes_of(p + end, next - end));
		any = true;
	}
	print_piece(to, p + begin, len - begin, first);
	buffer_free(&may);
}

/* The columns of a terminal beside the indent; without limit into anything else. */
static size_t room_of(FILE *to, int indent)
{
	int room = columns_of(fileno(to)) - indent;

	return isatty(fileno(to)) != 1 ? SIZE_MAX : room > 30 ? (size_t)room : 30;
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
	buffer_add_str(&line, ".");
	fprintf(stderr, "%s: ", program);
	print_folded(stderr, line.data, line.len, 0, indent, room_of(stderr, indent));
	if (t->hint[0]) {
		buffer_reset(&line);
		text_line(&line, bytes_str(t->hint));
		print_folded(
		    stderr, line.data, line.len, indent, indent, room_of(stderr, indent));
	}
	buffer_free(&line);
	return exit_of(t);
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

void print_sentence(int indent, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	print_folded(stdout, (const uint8_t *)text, strlen(text), 0, indent,
	    room_of(stdout, indent));
	free(text);
}

void print_block(struct bytes text, int indent)
{
	struct buffer out = BUFFER_INIT;
	const uint8_t *p, *end, *nl;
	size_t room = room_of(stdout, indent);

	text_block(&out, text);
	if (out.failed)
		out_of_memory();
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.len--;
	for (p = out.data, end = p + out.len; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		print_folded(stdout, p, (size_t)(nl - p), indent, indent, room);
	}
	buffer_free(&out);
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
