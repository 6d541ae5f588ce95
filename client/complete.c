/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/complete.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/output.h"

#define WORDS_MAX 64
#define CANDIDATES_MAX 1000
#define MEANING_COLUMNS 72

struct candidates {
	const char *typed;  /* what words begin with */
	const char *before; /* "--reason=" before each of them */
	size_t before_len;
	bool files, folders;
	struct buffer lines;
	size_t count;
};

/* The words before the one that is being completed. */
struct typed {
	const struct program *program;
	const struct command *command; /* the one that they name, or NULL */
	int taken;                     /* words of its name */
	char *plain[WORDS_MAX + 1];    /* those that are no options, and no values of some */
	int count;
	bool help, ended;                /* `help` stood before them; `--` did */
	const struct option_spec *wants; /* the word is the value of this option */
};

/* ---- candidates ---- */

static bool is_harmless(const char *word)
{
	return *word && word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789-_.,+@/")] == '\0';
}

const char *candidate_typed(const struct candidates *c)
{
	return c->typed;
}

static bool is_there(struct candidates *c, const char *word)
{
	size_t len = strlen(word);

	for (const char *line = buffer_str(&c->lines), *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		line += c->before_len;
		if (strncmp(line, word, len) == 0 && line[len] == '\t')
			return true;
	}
	return false;
}

void candidate_add(struct candidates *c, const char *word, struct bytes meaning)
{
	struct buffer plain = BUFFER_INIT;
	size_t fit;

	if (c->count == CANDIDATES_MAX || strncmp(word, c->typed, strlen(c->typed)) != 0 ||
	    !is_harmless(word) || is_there(c, word))
		return;
	c->count++;
	text_plain(&plain, meaning);
	fit = text_fit(buffer_bytes(&plain), MEANING_COLUMNS);
	if (fit < plain.len) {
		plain.len = text_fit(buffer_bytes(&plain), MEANING_COLUMNS - 1);
		buffer_add_str(&plain, "…");
	}
	buffer_printf(&c->lines, "%.*s%s\t", (int)c->before_len, c->before, word);
	buffer_add(&c->lines, plain.data, plain.len);
	buffer_add_str(&c->lines, "\n");
	buffer_free(&plain);
}

static void add_ours(struct candidates *c, const char *word, const char *meaning)
{
	candidate_add(c, word, bytes_str(meaning));
}

/* ---- values and operands ---- */

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* One name of a table, as "FILE", "lost" or "TOPIC". */
static void add_named(struct candidates *c, const struct program *p, const char *name)
{
	static const char *const files[] = {"FILE", "BLOCK", "MBOX", NULL};
	static const char *const folders[] = {"FOLDER", "DIR", NULL};

	if (name[0] >= 'a' && name[0] <= 'z')
		add_ours(c, name, "");
	else if (is_one_of(name, files))
		c->files = true;
	else if (is_one_of(name, folders))
		c->folders = true;
	else if (p->offer)
		p->offer(c, name);
}

/* "[THREAD|POST]...": each that is named; of "FILE[:TYPE]" the file. */
static void add_value(struct candidates *c, const struct program *p, const char *value, size_t len)
{
	char name[64];
	size_t at = 0;

	while (len > 0 && *value == '[')
		value++, len--;
	for (size_t i = 0; i <= len; i++) {
		bool ends = i == len || strchr("[].", value[i]);

		if (!ends && value[i] != '|') {
			if (at + 1 < sizeof name)
				name[at++] = value[i];
			continue;
		}
		name[at] = '\0';
		if (at > 0)
			add_named(c, p, name);
		at = 0;
		if (ends)
			break;
	}
}

/* What stands at this place among the operands; false: nothing more. */
static bool add_operand(struct candidates *c, const struct typed *t)
{
	const char *piece = t->command->operands;
	int place = t->count - t->taken;

	if (!*piece || (t->command->max >= 0 && place >= t->command->max))
		return false;
	for (;; place--) {
		size_t len = strcspn(piece, " ");
		const char *next = piece + len + (piece[len] == ' ');
		bool repeats = len > 3 && strncmp(piece + len - 3, "...", 3) == 0;

		if (place == 0 || (!*next && (repeats || t->command->max < 0))) {
			add_value(c, t->program, piece, len);
			return true;
		}
		if (!*next)
			return false;
		piece = next;
	}
}

/* ---- options ---- */

static const struct option_spec *find_option(
    const struct typed *t, const char *name, size_t len, char letter)
{
	const struct option_spec *tables[] = {
	    t->command ? t->command->options : NULL, t->program->options, options_common};
	const struct option_spec *found = NULL;

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		for (const struct option_spec *o = tables[i]; o && o->name; o++) {
			if (letter ? o->letter == letter
				   : strncmp(o->name, name, len) == 0 && o->name[len] == '\0')
				return o;
			/* getopt takes the beginning of a name too. */
			if (!letter && len > 0 && strncmp(o->name, name, len) == 0)
				found = o;
		}
	return found;
}

static void add_options(struct candidates *c, const struct typed *t)
{
	const struct option_spec *tables[] = {
	    t->command ? t->command->options : NULL, t->program->options, options_common};
	char word[80];

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		for (const struct option_spec *o = tables[i]; o && o->name; o++) {
			snprintf(word, sizeof word, "--%s", o->name);
			add_ours(c, word, o->help);
		}
	if (!t->command && t->count == 0)
		add_ours(c, "--version", "say which version this is");
}

/* ---- the words before ---- */

static void option_typed(struct typed *t, const char *word)
{
	const struct option_spec *o;

	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		o = find_option(t, word + 2, len, 0);
		if (o && o->value && word[2 + len] == '\0')
			t->wants = o;
		return;
	}
	for (const char *letter = word + 1; *letter; letter++) {
		o = find_option(t, NULL, 0, *letter);
		if (o && o->value) {
			/* What follows the letter is the value. */
			t->wants = letter[1] ? NULL : o;
			return;
		}
	}
}

static void word_typed(struct typed *t, char *word)
{
	if (t->wants) {
		t->wants = NULL;
	} else if (!t->ended && strcmp(word, "--") == 0) {
		t->ended = true;
	} else if (!t->ended && word[0] == '-' && word[1]) {
		option_typed(t, word);
	} else if (t->count == 0 && !t->help && strcmp(word, "help") == 0) {
		t->help = true;
	} else if (t->count < WORDS_MAX) {
		t->plain[t->count++] = word;
		t->plain[t->count] = NULL;
		t->command = command_find(t->program, t->plain, &t->taken);
	}
}

/* ---- commands ---- */

/* The word of a command's name behind those that are typed, or NULL. */
static const char *next_word(const struct command *command, const struct typed *t, size_t *len)
{
	const char *name = command->name;

	for (int i = 0; i < t->count; i++) {
		*len = strcspn(name, " ");
		if (strlen(t->plain[i]) != *len || strncmp(t->plain[i], name, *len) != 0)
			return NULL;
		name += *len;
		if (*name++ != ' ')
			return NULL;
	}
	*len = strcspn(name, " ");
	return name;
}

/* A command, or the first of its words with those that may follow. */
static void add_commands(struct candidates *c, const struct typed *t)
{
	for (const struct command *a = t->program->commands; a->name; a++) {
		struct buffer word = BUFFER_INIT, meaning = BUFFER_INIT;
		size_t len, other_len;
		const char *name = next_word(a, t, &len), *other;

		if (!name)
			continue;
		buffer_add(&word, name, len);
		if (name[len] == '\0')
			buffer_add_str(&meaning, a->summary);
		else
			for (const struct command *b = t->program->commands; b->name; b++) {
				other = next_word(b, t, &other_len);
				if (other && other_len == len && strncmp(other, name, len) == 0 &&
				    other[len] == ' ')
					buffer_printf(&meaning, "%s%s", meaning.len ? ", " : "",
					    other + len + 1);
			}
		candidate_add(c, buffer_str(&word), buffer_bytes(&meaning));
		buffer_free(&meaning);
		buffer_free(&word);
	}
	if (t->count == 0 && !t->help)
		add_ours(c, "help", "say what a command takes");
}

/* ---- all together ---- */

static void word_complete(struct candidates *c, const struct typed *t)
{
	const char *word = c->typed, *value = strchr(word, '=');
	bool more = false;

	if (t->wants) {
		add_value(c, t->program, t->wants->value, strlen(t->wants->value));
	} else if (!t->ended && strncmp(word, "--", 2) == 0 && value) {
		const struct option_spec *o = find_option(
		    t, word + 2, (size_t)(value - word - 2), 0);

		c->before = word;
		c->before_len = (size_t)(value + 1 - word);
		c->typed = value + 1;
		if (o && o->value)
			add_value(c, t->program, o->value, strlen(o->value));
	} else if (!t->ended && word[0] == '-') {
		add_options(c, t);
	} else {
		add_commands(c, t);
		if (t->command && !t->help)
			more = add_operand(c, t);
		if (t->command && !t->help && !more && !*word && c->count == 0)
			add_options(c, t);
	}
}

void complete(struct buffer *out, const struct program *p, int count, char *const *words)
{
	struct typed t = {.program = p};
	struct candidates c = {.typed = count > 0 ? words[count - 1] : "", .before = ""};

	for (int i = 0; i + 1 < count; i++)
		word_typed(&t, words[i]);
	word_complete(&c, &t);
	if (c.files)
		buffer_add_str(out, ":files\n");
	else if (c.folders)
		buffer_add_str(out, ":folders\n");
	buffer_add(out, c.lines.data, c.lines.len);
	buffer_free(&c.lines);
}
