/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines, and whose turn it is. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/nntp/session_inside.h"

int session_new(
    struct nntp_session **out, struct news_source *source, const struct nntp_server *server)
{
	struct nntp_session *s = calloc(1, sizeof *s);

	*out = s;
	if (!s)
		return ERR_NOMEM;
	s->source = source;
	s->server = server;
	return OK;
}

void session_free(struct nntp_session *s)
{
	if (!s)
		return;
	buffer_free(&s->in);
	buffer_free(&s->field);
	buffer_free(&s->article.text);
	free(s);
}

void say(struct buffer *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buffer_vprintf(out, fmt, ap);
	va_end(ap);
	buffer_add_str(out, "\r\n");
}

void say_failed(struct nntp_session *s, struct buffer *out, int err)
{
	(void)s;
	if (err == ERR_NOTFOUND)
		say(out, "430 no such article here");
	else
		say(out, "403 it can't be read at the moment; try again later");
}

/* A line that says so would be taken for one of the answer. */
void answer_failed(struct nntp_session *s)
{
	s->over = true;
}

bool word_is(struct bytes word, const char *name)
{
	return word.len == strlen(name) &&
	       strncasecmp((const char *)word.data, name, word.len) == 0;
}

void session_greet(const struct nntp_session *s, struct buffer *out)
{
	say(out, "201 %s, for reading", s->server->name);
}

size_t session_room(const struct nntp_session *s)
{
	size_t waiting = s->in.len - s->read;

	return s->over || waiting >= SESSION_INPUT_MAX ? 0 : SESSION_INPUT_MAX - waiting;
}

int session_take(struct nntp_session *s, struct bytes in)
{
	if (s->over)
		return OK;
	if (s->read > SESSION_INPUT_MAX / 2 || s->read == s->in.len) {
		buffer_drain(&s->in, s->read);
		s->read = 0;
	}
	buffer_add(&s->in, in.data, in.len);
	return s->in.failed ? ERR_NOMEM : OK;
}

bool session_over(const struct nntp_session *s)
{
	return s->over;
}

/* ---- a line ---- */

/* The next whole line, without its end. One that is too long is dropped as it comes, and told once.
 */
static bool line_next(struct nntp_session *s, struct bytes *line, bool *too_long)
{
	const uint8_t *begin = s->in.data ? s->in.data + s->read : NULL;
	size_t waiting = s->in.len - s->read;
	const uint8_t *nl = waiting > 0 ? memchr(begin, '\n', waiting) : NULL;
	size_t len = nl ? (size_t)(nl - begin) + 1 : waiting;

	if (!nl) {
		if (s->too_long || waiting >= SESSION_LINE_MAX) {
			s->too_long = true;
			s->read += waiting;
		}
		return false;
	}
	s->read += len;
	*too_long = s->too_long || len > SESSION_LINE_MAX;
	s->too_long = false;
	len--;
	if (len > 0 && begin[len - 1] == '\r')
		len--;
	*line = bytes_of(begin, len);
	return true;
}

/* false: there are too many words, or bytes that belong in none. */
static bool words_of(struct bytes line, struct bytes *command, struct arguments *a)
{
	size_t at = 0;
	bool first = true;

	*command = bytes_of(NULL, 0);
	a->count = 0;
	for (size_t i = 0; i < line.len; i++)
		if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
			return false;
	while (at < line.len) {
		size_t begin;

		while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
			at++;
		begin = at;
		while (at < line.len && line.data[at] != ' ' && line.data[at] != '\t')
			at++;
		if (at == begin)
			break;
		if (first)
			*command = bytes_of(line.data + begin, at - begin);
		else if (a->count == ARGUMENTS_MAX)
			return false;
		else
			a->list[a->count++] = bytes_of(line.data + begin, at - begin);
		first = false;
	}
	return true;
}

static void line_run(struct nntp_session *s, struct bytes line, struct buffer *out)
{
	struct bytes word;
	struct arguments a;
	const struct command *c = commands;

	if (!words_of(line, &word, &a) || !text_is_utf8(line)) {
		say(out, "501 that line can't be read");
		return;
	}
	while (c->name && !word_is(word, c->name))
		c++;
	if (!c->name)
		say(out, word.len > 0 ? "500 not known here; HELP says what is" : "501 empty line");
	else if (a.count < c->least || a.count > c->most)
		say(out, "501 it is: %s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
	else if (c->selected && !s->selected)
		say(out, "412 choose a group first");
	else
		c->run(s, &a, out);
}

/* There are thousands of sessions, most of which wait for their readers. */
static void memory_give(struct nntp_session *s)
{
	if (s->article.text.cap > KEPT_BYTES)
		buffer_free(&s->article.text);
	if (s->field.cap > KEPT_BYTES)
		buffer_free(&s->field);
	if (s->in.cap > KEPT_BYTES && s->read == s->in.len) {
		buffer_free(&s->in);
		s->read = 0;
	}
}

bool session_run(struct nntp_session *s, struct buffer *out)
{
	struct bytes line;
	bool too_long = false;

	if (s->over)
		return false;
	if (s->answer.more) {
		if (!s->answer.more(s, out))
			s->answer.more = NULL;
	} else if (!line_next(s, &line, &too_long)) {
		return false;
	} else if (too_long) {
		say(out, "501 line too long");
	} else {
		line_run(s, line, out);
	}
	memory_give(s);
	return !s->over;
}
