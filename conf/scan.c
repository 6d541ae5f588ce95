/* SPDX-License-Identifier: BSD-2-Clause */
/* The text before libconfuse sees it.
 *
 * libconfuse 3.3 owns the syntax, but three things in it would spoil our messages: every comment
 * moves its line numbers on by two; a comment inside a list is a syntax error; and it stops at the
 * first mistake, so that a brace or a quote forgotten at the top hides all that follows. Unknown
 * options make it recurse as deep as the braces go, and an unclosed string leaves its lexer in the
 * wrong state. So this scanner walks the text by the same lexical rules and overwrites comments by
 * spaces; reports quotes and braces that are never closed, where they were opened; and cuts the
 * text into statements, one block each, that can be parsed one by one. It builds nothing: what an
 * option is, libconfuse says.
 *
 * No value of ours spans lines. So a string ends with its line at the latest, and a forgotten quote
 * costs one line. A block never holds one of our sections. So a section's name before a brace,
 * inside a block, means that the block before was not closed, and a forgotten brace costs nothing
 * else. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/parse.h"

#define NESTING_MAX 4 /* a list in a block is 2 */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OTHER };

struct token {
	enum token_kind kind;
	size_t at, len;
	unsigned line;
};

struct scanner {
	struct scan *out;
	struct conf_errors *errors;
	char *text;
	size_t len, at;
	unsigned line;
	struct token last, before; /* the two tokens before `at`, within the statement */
	struct statement now;
	bool started;   /* `now` has a token */
	unsigned depth; /* of blocks; 1 inside an ordinary one */
	unsigned list_depth;
	unsigned list_line; /* where the outermost list was opened */
};

static void blank(struct scanner *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (s->text[i] != '\n')
			s->text[i] = ' ';
}

static size_t line_end(const struct scanner *s, size_t from)
{
	const char *nl = memchr(s->text + from, '\n', s->len - from);

	return nl ? (size_t)(nl - s->text) : s->len;
}

static bool looking_at(const struct scanner *s, const char *what)
{
	size_t len = strlen(what);

	return s->len - s->at >= len && memcmp(s->text + s->at, what, len) == 0;
}

/* Something on this line had to be replaced: nobody is to believe its values. */
static void spoil(struct scanner *s, unsigned line)
{
	if (s->out->spoiled_count < ERRORS_MAX)
		s->out->spoiled[s->out->spoiled_count++] = line;
}

/* Make every line plain text: later steps and libconfuse rely on it. */
static void check_bytes(struct scanner *s)
{
	unsigned line = 1;

	if (looking_at(s, "\xef\xbb\xbf"))
		blank(s, 0, 3);
	for (size_t at = 0; at < s->len; at = line_end(s, at) + 1, line++) {
		size_t end = line_end(s, at);
		bool utf8 = text_is_utf8(bytes_of(s->text + at, end - at)), control = false;

		for (size_t i = at; i < end; i++) {
			unsigned char c = (unsigned char)s->text[i];

			if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
				control = true;
				s->text[i] = ' ';
			} else if (c >= 0x80 && !utf8) {
				s->text[i] = '?';
			}
		}
		if (!utf8 || control)
			spoil(s, line);
		if (!utf8)
			error_add(s->errors, line,
			    "not UTF-8: all text here must be; save the file in that encoding");
		else if (control)
			error_add(s->errors, line,
			    "a control character stands here, which no option takes; remove it");
	}
}

/* Put a harmless word in the place of what was opened at `at` and not closed, up to the end of the
 * line; but keep the brackets and commas at the end, which close what stands around it. */
static void replace_rest(struct scanner *s, size_t at)
{
	size_t end = line_end(s, at), tail = end;

	while (tail > at + 1 && strchr(" \t\r},", s->text[tail - 1]))
		tail--;
	spoil(s, s->line);
	blank(s, at, tail);
	s->text[at] = '_';
	s->at = tail;
}

/* Skip `${...}`; false if it does not end on its line. */
static bool skip_variable(struct scanner *s)
{
	size_t end = line_end(s, s->at);
	const char *close = memchr(s->text + s->at, '}', end - s->at);

	if (!close)
		return false;
	s->at = (size_t)(close - s->text) + 1;
	return true;
}

static void scan_string(struct scanner *s)
{
	size_t start = s->at;
	char quote = s->text[s->at++];

	while (s->at < s->len && s->text[s->at] != '\n') {
		char c = s->text[s->at], next = s->at + 1 < s->len ? s->text[s->at + 1] : '\n';

		if (c == quote) {
			s->at++;
			return;
		}
		if (c == '\\' && next != '\n' && (quote == '"' || next == '\\' || next == '\'')) {
			s->at += 2;
		} else if (c == '$' && next == '{' && quote == '"') {
			if (!skip_variable(s)) {
				error_add(s->errors, s->line,
				    "${ without } on the same line: it begins the name of an "
				    "environment variable; close it, or write \\$ for a dollar "
				    "sign");
				replace_rest(s, start);
				return;
			}
		} else {
			s->at++;
		}
	}
	error_add(s->errors, s->line,
	    "a string is opened with %c and not closed on its line; add the closing %c", quote,
	    quote);
	replace_rest(s, start);
}

static void scan_comment(struct scanner *s)
{
	size_t start = s->at;

	if (!looking_at(s, "/*")) {
		s->at = line_end(s, s->at);
		blank(s, start, s->at);
		return;
	}
	for (s->at += 2; s->at < s->len && !looking_at(s, "*/"); s->at++)
		;
	if (s->at == s->len)
		error_add(
		    s->errors, s->line, "a comment is opened with /* and never closed; add */");
	else
		s->at += 2;
	blank(s, start, s->at);
	for (size_t i = start; i < s->at; i++)
		s->line += s->text[i] == '\n';
}

static struct token next_token(struct scanner *s)
{
	for (;;) {
		struct token t = {TOKEN_END, s->at, 0, s->line};
		char c;

		if (s->at == s->len)
			return t;
		c = s->text[s->at];
		if (c == '\n' || strchr(" \t\r*", c)) {
			s->line += c == '\n';
			s->at++;
			continue;
		}
		if (c == '#' || looking_at(s, "//") || looking_at(s, "/*")) {
			scan_comment(s);
			continue;
		}
		if (c == '"' || c == '\'') {
			t.kind = TOKEN_STRING;
			scan_string(s);
		} else if (looking_at(s, "${")) {
			t.kind = TOKEN_STRING;
			if (!skip_variable(s)) {
				error_add(s->errors, s->line,
				    "${ without } on the same line: it begins the name of an "
				    "environment variable; close it");
				replace_rest(s, s->at);
			}
		} else if (strchr("{}=(),+", c)) {
			t.kind = TOKEN_OTHER;
			s->at++;
		} else {
			t.kind = TOKEN_WORD;
			while (s->at < s->len && !strchr(" #\"'\t\n\r={}()+,*", s->text[s->at]))
				s->at++;
		}
		t.len = s->at - t.at;
		return t;
	}
}

static bool is_punctuation(const struct scanner *s, const struct token *t, char c)
{
	return t->kind == TOKEN_OTHER && s->text[t->at] == c;
}

/* `a =` and then `b = 1`: a would swallow b, and no later line would make sense. */
static void mend_value(struct scanner *s)
{
	size_t at = s->before.at;

	spoil(s, s->before.line);
	error_add(s->errors, s->before.line,
	    "there is no value after this =; write one, in double quotes if it is text");
	if (s->text[at + 1] != '\n' && strchr(" \t\r\n", s->text[at + 1]) &&
	    strchr(" \t\r\n", s->text[at + 2])) {
		s->text[at + 1] = '_';
	} else if (at > 0 && s->text[at - 1] == ' ') {
		s->text[at - 1] = '=';
		s->text[at] = '_';
	}
}

/* `"" = 1`, at which libconfuse stops without a word. */
static void mend_name(struct scanner *s)
{
	error_add(s->errors, s->last.line,
	    "there is no name before this =; an option is written NAME = VALUE");
	spoil(s, s->last.line);
	memset(s->text + s->last.at, '_', s->last.len);
}

static enum conf_section token_section(const struct scanner *s, const struct token *t)
{
	for (int i = 0; t->kind == TOKEN_WORD && i < SECTIONS; i++) {
		const char *name = section_table[i].name;

		if (strlen(name) == t->len && memcmp(name, s->text + t->at, t->len) == 0)
			return (enum conf_section)i;
	}
	return SECTIONS;
}

static bool statement_end(struct scanner *s, size_t end, unsigned line, unsigned missing)
{
	struct statement *list = s->out->list;

	if (!s->started)
		return true;
	/* Grown by doubling: the capacity is the next power of two. */
	if ((s->out->count & (s->out->count - 1)) == 0) {
		list = realloc(list, (s->out->count ? s->out->count * 2 : 1) * sizeof *list);
		if (!list)
			return false;
		s->out->list = list;
	}
	s->now.end = end;
	s->now.close_line = line;
	s->now.missing = missing;
	list[s->out->count++] = s->now;
	s->started = false;
	s->depth = s->list_depth = 0;
	s->last = s->before = (struct token){TOKEN_END, 0, 0, 0};
	return true;
}

static void statement_begin(struct scanner *s, const struct token *first)
{
	s->now = (struct statement){.start = first->at, .line = first->line};
	s->started = true;
}

static void report_unclosed(struct scanner *s)
{
	if (s->list_depth > 0)
		error_add(s->errors, s->list_line,
		    "the list that is opened here is never closed; add a }");
	else if (s->depth > 0)
		error_add(s->errors, s->now.open_line,
		    "the block that is opened here is never closed; every { of a block or a list "
		    "needs its }");
}

/* The token that names the block whose brace comes next: before its title, if it has one. */
static const struct token *block_name(const struct scanner *s)
{
	if (token_section(s, &s->before) != SECTIONS)
		return &s->before;
	if (token_section(s, &s->last) != SECTIONS || s->last.kind != TOKEN_STRING)
		return &s->last;
	return &s->before;
}

/* False: no memory, or no sense in going on (`*stop`). */
static bool brace_open(struct scanner *s, const struct token *brace, bool *stop)
{
	if (s->depth > 0 && !is_punctuation(s, &s->last, '=')) {
		struct token name = *block_name(s), last = s->last;

		if (token_section(s, &name) != SECTIONS) {
			report_unclosed(s);
			if (!statement_end(s, name.at, name.line, s->depth + s->list_depth))
				return false;
			statement_begin(s, &name);
			s->before = name;
			s->last = last;
		}
	}
	if (s->depth + s->list_depth == NESTING_MAX) {
		error_add(s->errors, brace->line,
		    "braces are nested too deeply; blocks stand side by side, each closed before "
		    "the next. Nothing from here on was checked");
		*stop = true;
		return statement_end(s, brace->at, brace->line, NESTING_MAX);
	}
	if (is_punctuation(s, &s->last, '=') || s->list_depth > 0) {
		if (s->list_depth++ == 0)
			s->list_line = brace->line;
	} else if (s->depth++ == 0) {
		const struct token *name = block_name(s);

		s->now.block_line = name->kind == TOKEN_END ? brace->line : name->line;
		s->now.open_line = brace->line;
	}
	return true;
}

static bool brace_close(struct scanner *s, const struct token *brace)
{
	if (s->list_depth > 0) {
		s->list_depth--;
	} else if (s->depth > 0) {
		if (--s->depth == 0)
			return statement_end(s, s->at, brace->line, 0);
	} else {
		error_add(s->errors, brace->line,
		    "a } closes nothing here; remove it, or open the block with {");
		blank(s, brace->at, s->at);
	}
	return true;
}

static bool scan_all(struct scanner *s)
{
	bool stop = false;

	while (!stop) {
		struct token t = next_token(s);

		if (t.kind == TOKEN_END) {
			report_unclosed(s);
			return statement_end(s, t.at, t.line, s->depth + s->list_depth);
		}
		if (!s->started && !is_punctuation(s, &t, '}'))
			statement_begin(s, &t);
		if (is_punctuation(s, &t, '=') && s->last.kind == TOKEN_WORD &&
		    is_punctuation(s, &s->before, '='))
			mend_value(s);
		if (is_punctuation(s, &t, '=') && s->last.kind == TOKEN_STRING && s->last.len == 2)
			mend_name(s);
		if (is_punctuation(s, &t, '{')) {
			if (!brace_open(s, &t, &stop))
				return false;
		} else if (is_punctuation(s, &t, '}')) {
			if (!brace_close(s, &t))
				return false;
		}
		if (s->started) {
			s->before = s->last;
			s->last = t;
		}
	}
	return true;
}

int scan_text(struct scan *out, struct bytes text, struct conf_errors *errors)
{
	struct scanner s = {.out = out, .errors = errors, .len = text.len, .line = 1};

	*out = (struct scan){.len = text.len};
	out->text = malloc(text.len + 1);
	if (!out->text)
		return ERR_NOMEM;
	if (text.len > 0)
		memcpy(out->text, text.data, text.len);
	out->text[text.len] = '\0';
	s.text = out->text;
	check_bytes(&s);
	return scan_all(&s) ? OK : ERR_NOMEM;
}

void scan_free(struct scan *scan)
{
	free(scan->text);
	free(scan->list);
	*scan = (struct scan){.len = 0};
}
